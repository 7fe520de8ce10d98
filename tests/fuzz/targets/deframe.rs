//! See `tlscensus_fuzz::deframe`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tlscensus_fuzz::deframe::check(data));
