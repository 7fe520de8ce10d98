//! See `tlscensus_fuzz::server_hello`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tlscensus_fuzz::server_hello::check(data));
