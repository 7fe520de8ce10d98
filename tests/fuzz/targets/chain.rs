//! See `tlscensus_fuzz::chain`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tlscensus_fuzz::chain::check(data));
