//! A small office network that comes with the program, read once: what policies judge and what a
//! census file holds.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use tempfile::TempDir;
use tlscensus::capture::paths::Input;
use tlscensus::census::{Census, Snapshot, SourceEntry, SourceKind, Store};
use tlscensus::limits::Limits;
use tlscensus::pipeline::{self, Progress, Settings};
use tlscensus::policy::Policy;
use tlscensus::report::exceptions::Exceptions;
use tlscensus::report::scope::{Networks, Scope};
use tlscensus::report::{Inventory, Names, Question};
use tlscensus::sink::Sink;
use tlscensus::x509::TrustStores;

const CAPTURE: &[u8] = include_bytes!("../../../captures/office-network.pcap");

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

/// A folder for files that live for one input, in memory where that can be.
pub fn folder() -> &'static Path {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    let memory = Path::new("/dev/shm");
    let made = FOLDER
        .get_or_init(|| tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir()).unwrap());
    made.path()
}

pub fn settings(threads: usize, limits: Limits) -> Settings {
    Settings {
        limits,
        threads,
        sensor: "fuzz".into(),
        policies: vec![Policy::by_id("dataverse").unwrap()],
        trust: Arc::new(TrustStores::default()),
        since: None,
        until: None,
        filter: None,
    }
}

/// Read a file; its lines, its census, and what was said of it.
pub fn read(path: PathBuf, settings: &Settings) -> (Vec<u8>, Snapshot, pipeline::Finished) {
    let census = Census::new(&settings.limits);
    let mut lines = Lines::default();
    let size = fs::metadata(&path).ok().map(|metadata| metadata.len());
    let inputs = [Input::File { path, size }];
    let progress = Arc::new(Progress::default());
    let finished = pipeline::read(&inputs, settings, &census, Some(&mut lines), &progress);
    (lines.0, census.snapshot(), finished)
}

pub fn snapshot() -> &'static Snapshot {
    static SNAPSHOT: OnceLock<Snapshot> = OnceLock::new();
    SNAPSHOT.get_or_init(|| {
        let path = folder().join("office.pcap");
        fs::write(&path, CAPTURE).unwrap();
        read(path, &settings(1, Limits::default())).1
    })
}

/// The bytes of a census file that holds it.
pub fn file() -> &'static [u8] {
    static FILE: OnceLock<Vec<u8>> = OnceLock::new();
    FILE.get_or_init(|| {
        let path = folder().join("office.db");
        save(&path, snapshot());
        fs::read(&path).unwrap()
    })
}

/// Write a census file of one source.
pub fn save(path: &Path, snapshot: &Snapshot) {
    let mut entry = SourceEntry::new("fuzz".into(), SourceKind::File, "office.pcap".into());
    entry.id = Some("00".repeat(32));
    let mut store = Store::open(path, &Limits::default()).unwrap();
    store.save(&entry, snapshot).unwrap();
}

/// The inventory of a snapshot, as JSON.
pub fn judge(snapshot: &Snapshot, policy: Arc<Policy>) -> Vec<u8> {
    excepting(snapshot, policy, &Exceptions::default())
}

/// The same with exceptions.
pub fn excepting(snapshot: &Snapshot, policy: Arc<Policy>, exceptions: &Exceptions) -> Vec<u8> {
    let inventory = Inventory::judge(
        snapshot,
        &Question {
            policies: &[policy],
            trust: &TrustStores::default(),
            scope: &Scope::default(),
            internal: &Networks::default(),
            names: &Names::new(),
            exceptions,
            limits: &Limits::default(),
        },
    );
    let mut text = Vec::new();
    inventory.write_json(&mut text).unwrap();
    inventory.write_csv(&mut Vec::new()).unwrap();
    text
}
