//! See `tlscensus_fuzz::exceptions`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tlscensus_fuzz::exceptions::check(data));
