//! See `tlscensus_fuzz::names`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| tlscensus_fuzz::names::check(data));
