//! What several test files need: where the captures are, and what the program says of them.

#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test file uses a part")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test may fail, and says what it skips"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use tlscensus::capture::paths;
use tlscensus::census::Census;
use tlscensus::limits::Limits;
use tlscensus::pipeline::{self, Progress, Settings};
use tlscensus::policy::Policy;
use tlscensus::sink::Sink;
use tlscensus::x509::{TrustSpec, TrustStores};

/// A file of the project.
pub fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The captures of the project, in order of their names.
pub fn captures() -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(project("captures"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "pcap" || end == "pcapng"))
        .collect();
    found.sort();
    found
}

/// The captures with independent truth, which lie beside the project and not in it.
pub fn corpus() -> Option<PathBuf> {
    let corpus = ["../shared/corpus", "../../shared/corpus"].map(project);
    let found = corpus.into_iter().find(|path| path.join("captures").is_dir());
    if found.is_none() {
        eprintln!("skipped: no corpus beside the project");
    }
    found
}

/// How a run of the tests is set up: the defaults, Mozilla's roots and the one of the captures.
pub fn settings(threads: usize, policies: &[&str]) -> Settings {
    let policies: Vec<_> = policies.iter().map(|id| Policy::resolve(id).unwrap()).collect();
    let private = format!("corp={}", project("captures/roots/private-root.pem").display());
    let specs: Vec<TrustSpec> =
        ["mozilla", private.as_str()].iter().map(|spec| spec.parse().unwrap()).collect();
    let required: Vec<_> = policies.iter().flat_map(|policy| policy.required_roots()).collect();
    let required: Vec<&[u8]> = required.iter().map(|der| &**der).collect();
    Settings {
        limits: Limits::default(),
        threads,
        sensor: "test".into(),
        policies,
        trust: Arc::new(TrustStores::load(&specs, &required).unwrap()),
        since: None,
        until: None,
        filter: None,
    }
}

/// Lines in memory.
#[derive(Default)]
pub struct Lines(pub Vec<u8>);

impl Sink for Lines {
    fn write(&mut self, lines: &[u8]) -> std::io::Result<()> {
        self.0.extend_from_slice(lines);
        Ok(())
    }

    fn finish(self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What is written of some captures: the lines, and the census.
pub fn read(paths: &[PathBuf], settings: &Settings) -> (Vec<u8>, Census) {
    let census = Census::new(&settings.limits);
    let mut lines = Lines::default();
    let inputs = paths::expand(paths).inputs;
    let progress = Arc::new(Progress::default());
    let finished = pipeline::read(&inputs, settings, &census, Some(&mut lines), &progress);
    assert!(finished.faults.is_none(), "{}", finished.faults);
    (lines.0, census)
}

/// The records of one capture. Its source is its file name, wherever it lies.
pub fn records(path: &Path, settings: &Settings) -> Vec<Value> {
    let (lines, _) = read(&[path.to_owned()], settings);
    let name = path.file_name().unwrap().to_string_lossy();
    String::from_utf8(lines)
        .unwrap()
        .lines()
        .map(|line| {
            let mut record: Value = serde_json::from_str(line).unwrap();
            record["source"] = Value::from(&*name);
            record
        })
        .collect()
}
