//! See `tlscensus_fuzz::dtls`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tlscensus_fuzz::dtls::check(data));
