//! See `tlscensus_fuzz::capture`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tlscensus_fuzz::capture::check(data));
