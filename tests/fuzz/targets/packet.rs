//! See `tlscensus_fuzz::packet`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tlscensus_fuzz::packet::check(data));
