//! See `tlscensus_fuzz::pipeline`.

#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use tlscensus_fuzz::{heap, pipeline};

// Tables and stores of the program, of each of two runs, and what is made of each byte.
fuzz_target!(|data: &[u8]| heap::everywhere((256 << 20) + 2_048 * data.len(), || {
    pipeline::check(data)
}));

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let new = match seed % 4 {
        0 => 0,
        _ => pipeline::mutate(data, size, max_size, seed, &mut |bytes, size, most| {
            fuzzer_mutate(bytes, size, most)
        }),
    };
    if new == 0 { fuzzer_mutate(data, size, max_size) } else { new }
});
