//! See `tlscensus_fuzz::pipeline`.

#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use tlscensus_fuzz::pipeline;

fuzz_target!(|data: &[u8]| pipeline::check(data));

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let new = match seed % 4 {
        0 => 0,
        _ => pipeline::mutate(data, size, max_size, seed, &mut |bytes, size, most| {
            fuzzer_mutate(bytes, size, most)
        }),
    };
    if new == 0 { fuzzer_mutate(data, size, max_size) } else { new }
});
