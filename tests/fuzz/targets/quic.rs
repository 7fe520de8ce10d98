//! See `tlscensus_fuzz::quic`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tlscensus_fuzz::quic::check(data));
