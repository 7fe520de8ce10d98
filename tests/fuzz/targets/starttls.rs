//! See `tlscensus_fuzz::starttls`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tlscensus_fuzz::starttls::check(data));
