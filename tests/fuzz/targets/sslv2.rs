//! See `tlscensus_fuzz::sslv2`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tlscensus_fuzz::sslv2::check(data));
