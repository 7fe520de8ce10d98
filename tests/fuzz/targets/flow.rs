//! See `tlscensus_fuzz::flow`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tlscensus_fuzz::flow::check(data));
