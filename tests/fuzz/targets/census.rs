//! See `tlscensus_fuzz::census`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tlscensus_fuzz::census::check(data));
