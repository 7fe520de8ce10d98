//! Every stage by itself, and all of them together, on captures that are made here out of the
//! recorded handshakes of the project.
//!
//! ```text
//! cargo bench                                  times
//! cargo bench -- --test                        every stage once: that they work
//! cargo bench --bench stages -- --instructions instructions, compared with instructions.txt
//! cargo bench --bench stages -- --instructions=write
//! cargo bench --bench stages -- --own-chains=FOLDER   a capture of handshakes with chains of their own
//! ```

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench may fail, and says what it found"
)]

mod chains;
#[path = "../../tests/common/mod.rs"]
mod common;
mod instructions;
#[path = "../../tests/common/traffic.rs"]
mod packets;
mod traffic;
mod work;

use std::path::Path;
use std::process::ExitCode;

use criterion::{Criterion, Throughput};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    for word in &words {
        if let Some(name) = word.strip_prefix(instructions::ONCE) {
            instructions::once(name);
            return ExitCode::SUCCESS;
        }
        if let Some(folder) = word.strip_prefix("--own-chains=") {
            chains::write(Path::new(folder));
            return ExitCode::SUCCESS;
        }
        if word == "--instructions" || word == "--instructions=write" {
            return instructions::compare(word.ends_with("write"));
        }
    }
    let mut criterion = Criterion::default().sample_size(20).configure_from_args();
    for name in work::NAMES {
        let mut group = criterion.benchmark_group("stages");
        let mut stage = work::stage(name);
        group.throughput(Throughput::Elements(stage.units));
        group.bench_function(stage.name, |bencher| bencher.iter(&mut stage.work));
        group.finish();
    }
    criterion.final_summary();
    ExitCode::SUCCESS
}
