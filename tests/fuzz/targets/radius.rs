//! See `tlscensus_fuzz::radius`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tlscensus_fuzz::radius::check(data));
