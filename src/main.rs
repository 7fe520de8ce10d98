//! The `tlscensus` command; everything that it does is in the library.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// Workers take memory for each record and give it back: the figures are in `benches/README.md`.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    tlscensus::cli::main()
}
