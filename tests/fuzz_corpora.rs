//! The corpora of the fuzz targets, replayed: what once told something is told to every version.
//!
//! The targets and what they hold to be true are in `tests/fuzz`, whose `src` is a part of this file.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test may fail, and says what it does"
)]
#![allow(
    clippy::pedantic,
    clippy::use_self,
    clippy::or_fun_call,
    reason = "the targets are a crate of their own, with the compiler's lints"
)]

#[allow(dead_code, reason = "mutators are for the fuzzer alone")]
#[path = "fuzz/src/lib.rs"]
mod tlscensus_fuzz;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tlscensus_fuzz as targets;

fn corpus(target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target);
    let mut files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Replay; a failure names the file.
fn replay(target: &str, check: fn(&[u8])) {
    let files = corpus(target);
    assert!(files.len() > 3, "the corpus of {target} is missing");
    for file in &files {
        let bytes = fs::read(file).unwrap();
        let begun = begin();
        let told = std::panic::catch_unwind(|| check(&bytes));
        assert!(told.is_ok(), "{} fails", file.display());
        // None of them needs a tenth of that on an idle machine.
        assert!(begun.elapsed() < Duration::from_secs(20), "{} is slow", file.display());
    }
    eprintln!("{target}: {} inputs", files.len());
}

#[allow(clippy::disallowed_methods, reason = "a test may ask what time it is")]
fn begin() -> Instant {
    Instant::now()
}

macro_rules! targets {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() {
            replay(stringify!($name), targets::$name::check);
        }
    )*};
}

targets! {
    capture census certificate chain client_hello deframe dtls exceptions flow names packet pipeline policy
    quic radius server_hello sslv2 starttls stream
}

/// Every target has a corpus, and every corpus a target.
#[test]
fn no_target_is_left_out() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz");
    let names = |below: &str| {
        let mut names: Vec<_> = fs::read_dir(folder.join(below))
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_owned())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names("targets"), names("corpus"));
    let here = include_str!("fuzz_corpora.rs");
    let listed = here.split("targets! {").nth(1).unwrap().split('}').next().unwrap();
    let mut listed: Vec<_> = listed.split_whitespace().map(std::ffi::OsString::from).collect();
    listed.sort();
    assert_eq!(names("targets"), listed);
}

/// Not a test: `cargo test --test fuzz_corpora -- --ignored` adds seeds from the captures, which
/// `cargo fuzz cmin` then cuts down to those that tell something.
#[test]
#[ignore = "writes seeds to the folder named by SEEDS"]
fn seeds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let corpus = PathBuf::from(std::env::var("SEEDS").expect("SEEDS names a folder"));
    targets::seeds::make(&folder.join("captures"), &corpus);
    targets::seeds::texts(&folder.join("src/policy/builtin"), &corpus);
}
