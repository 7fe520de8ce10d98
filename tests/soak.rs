//! Steady state: whatever comes, for however long, memory stays within its bounds, and what bounds
//! refuse is counted.
//!
//! The short test takes half a minute: hostile traffic of minutes of capture time through the
//! reader of streams, with small bounds, all of which are reached. The long ones are commands, with
//! the bounds that the program has: `SOAK_SECONDS=3600 cargo test --release --test soak -- --ignored
//! --nocapture` does it for an hour each, through the reader of streams and over a wire (root, `ip`).

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a test may fail, and waits by the clock"
)]

mod common;
#[path = "common/hostile.rs"]
mod hostile;
#[cfg(feature = "live")]
#[path = "common/net.rs"]
mod net;

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use hostile::Traffic;
use tlscensus::capture::paths;
use tlscensus::census::Census;
use tlscensus::limits::Limits;
use tlscensus::pipeline::{self, Progress};

/// Memory of a process, in megabytes.
fn resident(pid: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kilobytes.unwrap_or_default() >> 10
}

/// What is looked at of a report, which may be larger than memory: its hosts are only counted.
#[cfg(feature = "live")]
#[derive(serde::Deserialize)]
struct Report {
    sources: Vec<serde_json::Value>,
    coverage: serde_json::Value,
    clients: Vec<serde::de::IgnoredAny>,
}

/// Memory over time: flat when the greatest of the second half is hardly above that of the time
/// before it.
struct Memory {
    begun: Instant,
    samples: Vec<(Duration, u64)>,
}

impl Memory {
    fn new() -> Self {
        Self { begun: Instant::now(), samples: Vec::new() }
    }

    fn note(&mut self, pid: &str) {
        self.samples.push((self.begun.elapsed(), resident(pid)));
    }

    /// Twenty moments of it, or one a minute.
    fn show(&self) {
        let whole = self.samples.last().map_or(0.0, |(at, _)| at.as_secs_f64());
        let step = (whole / 20.0).min(60.0);
        let mut next = 0.0;
        for (at, megabytes) in &self.samples {
            if at.as_secs_f64() >= next {
                eprintln!("{:6.1} s  {megabytes:5} MB", at.as_secs_f64());
                next += step;
            }
        }
    }

    fn assert_flat(&self, warm_after: f64) {
        let count = self.samples.len();
        let split = (count as f64 * warm_after) as usize;
        let greatest = |samples: &[(Duration, u64)]| {
            samples.iter().map(|(_, megabytes)| *megabytes).max().unwrap_or_default()
        };
        let (warm, after) = (greatest(&self.samples[..split]), greatest(&self.samples[split..]));
        eprintln!("at most {warm} MB until it was warm, {after} MB after");
        assert!(after <= warm + warm / 20 + 4, "it grows: {warm} MB, then {after} MB");
    }
}

fn seconds(default: u64) -> Duration {
    let asked = std::env::var("SOAK_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(asked.unwrap_or(default))
}

/// Write a capture into a pipe until there is enough of it. So many packets a second of capture
/// time.
fn feed(pipe: &Path, lasting: Duration, packets_a_second: u64, memory: &mut Memory) -> u64 {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(pipe).unwrap());
    out.write_all(&[0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0]).unwrap();
    out.write_all(&[0, 0, 4, 0, 1, 0, 0, 0]).unwrap();
    let mut traffic = Traffic::new();
    let mut sent = 0_u64;
    let mut noted = Instant::now();
    while memory.begun.elapsed() < lasting {
        for _ in 0..1_000 {
            let frame = traffic.next();
            let nanos = 1_772_352_000_000_000_000 + sent * (1_000_000_000 / packets_a_second);
            let length = (frame.len() as u32).to_le_bytes();
            out.write_all(&((nanos / 1_000_000_000) as u32).to_le_bytes()).unwrap();
            out.write_all(&((nanos % 1_000_000_000) as u32).to_le_bytes()).unwrap();
            out.write_all(&length).unwrap();
            out.write_all(&length).unwrap();
            out.write_all(&frame).unwrap();
            sent += 1;
        }
        if noted.elapsed() > Duration::from_millis(200) {
            noted = Instant::now();
            memory.note("self");
        }
    }
    sent
}

fn soak(limits: Limits, lasting: Duration, packets_a_second: u64) -> (Memory, Census, u64) {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("wire");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut settings = common::settings(1, &["dataverse"]);
    settings.limits = limits;
    let census = Census::new(&settings.limits);
    let mut memory = Memory::new();
    let inputs = paths::expand(std::slice::from_ref(&pipe)).inputs;
    let (sent, finished) = thread::scope(|scope| {
        let feeder = scope.spawn(|| feed(&pipe, lasting, packets_a_second, &mut memory));
        let progress = Arc::new(Progress::default());
        let mut lines = Nothing;
        let finished = pipeline::read(&inputs, &settings, &census, Some(&mut lines), &progress);
        (feeder.join().unwrap(), finished)
    });
    memory.show();
    assert!(finished.faults.is_none(), "{}", finished.faults);
    let source = &finished.sources[0];
    assert!(source.error.is_none(), "{:?}", source.error);
    assert_eq!(source.counted.capture.frames, sent);
    let (first, last) = source.counted.span.unwrap();
    eprintln!(
        "{sent} packets of {} minutes, {} flows, {} SYNs, {} given up",
        last.since(first).as_secs() / 60,
        source.counted.flows.flows,
        source.counted.flows.syns,
        source.counted.flows.evicted + source.counted.flows.evicted_watched,
    );
    (memory, census, source.counted.flows.flows)
}

/// Records are made, and go nowhere.
struct Nothing;

impl tlscensus::sink::Sink for Nothing {
    fn write(&mut self, _lines: &[u8]) -> std::io::Result<()> {
        Ok(())
    }

    fn finish(self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_stream_of_hostile_traffic_leaves_memory_flat() {
    let limits = Limits {
        flows: 1 << 12,
        watched_flows: 1 << 10,
        watched_bytes: 4 << 20,
        datagram_flows: 1 << 10,
        watched_datagram_flows: 1 << 8,
        cached_certificates: 1 << 8,
        cached_chains: 1 << 8,
        cached_offers: 1 << 8,
        census_hosts: 4_000,
        census_servers: 100,
        census_edges: 6_000,
        census_values: 1 << 16,
        census_value_bytes: 3 << 20,
        named_addresses: 500,
        ..Limits::default()
    };
    let (memory, census, flows) = soak(limits, seconds(25), 1_000);
    memory.assert_flat(0.6);
    let snapshot = census.snapshot();
    let unlisted = snapshot.unlisted();
    eprintln!("{} connections, {} flows, {unlisted:?}", snapshot.coverage.connections, flows);
    // Beyond each bound: counted.
    assert!(unlisted.hosts > 0 && unlisted.edges > 0 && unlisted.evidence > 0, "{unlisted:?}");
    assert!(snapshot.coverage.names_refused > 0);
    assert_eq!(snapshot.known.len(), 500);
    let listed: u64 = snapshot.hosts.iter().map(|(_, host)| host.tally.connections).sum();
    assert_eq!(listed + unlisted.hosts, snapshot.coverage.connections);
    assert_eq!(snapshot.hosts.len(), 4_000);
}

#[test]
#[ignore = "it takes as long as SOAK_SECONDS says"]
fn a_long_stream() {
    let (memory, census, _) = soak(Limits::default(), seconds(600), 2_000);
    let snapshot = census.snapshot();
    eprintln!("{} hosts, {:?}", snapshot.hosts.len(), snapshot.unlisted());
    memory.assert_flat(0.5);
}

/// A run on an interface, with its census and its page: as much as the machine can send.
#[test]
#[ignore = "it takes as long as SOAK_SECONDS says"]
#[cfg(all(feature = "live", feature = "serve"))]
fn a_long_watch_of_a_wire() {
    use std::io::BufReader;
    use std::sync::atomic::{AtomicBool, Ordering};

    use rustix::process::Signal;

    let Some(net) = net::Net::new() else { return };
    assert!(net.ip(&["link", "set", "lo", "up"]));
    let folder = tempfile::tempdir().unwrap();
    let (_, census) = net::path(&folder, "wire.db");
    let (report, report_name) = net::path(&folder, "report.json");
    let live =
        net.live(&["--census", &census, "--report", &report_name, "--listen", "127.0.0.1:9477"]);
    let pid = live.pid().to_string();
    let lasting = seconds(600);
    let mut memory = Memory::new();
    let mut traffic = Traffic::new();
    let mut sent = 0;
    while memory.begun.elapsed() < lasting {
        sent += net.send(Some(20_000), (0..20_000).map(|_| traffic.next()));
        memory.note(&pid);
    }
    let over = AtomicBool::new(false);
    let ((code, _, err, took), most) = thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let mut most = 0;
            while !over.load(Ordering::Relaxed) {
                most = most.max(resident(&pid));
                thread::sleep(Duration::from_millis(50));
            }
            most
        });
        let ended = live.stop(Signal::TERM);
        over.store(true, Ordering::Relaxed);
        (ended, watching.join().unwrap())
    });
    memory.show();
    assert_eq!(code, Some(0), "{err}");
    let megabytes = |path: &Path| fs::metadata(path).unwrap().len() >> 20;
    eprintln!(
        "ended in {took:?}, with {most} MB at most; census {} MB, report {} MB",
        megabytes(Path::new(&census)),
        megabytes(&report)
    );
    let report: Report =
        serde_json::from_reader(BufReader::new(File::open(report).unwrap())).unwrap();
    let source = &report.sources[0];
    eprintln!("{sent} sent, {} read, {} lost", source["packets"], source["dropped"]);
    eprintln!("{}", serde_json::to_string_pretty(&report.coverage).unwrap());
    let unlisted = &report.coverage["unlisted"];
    eprintln!("{} hosts listed; not listed: {unlisted}", report.clients.len());
    let counted = source["packets"].as_u64().unwrap() + source["dropped"].as_u64().unwrap();
    assert_eq!(counted, sent);
    memory.assert_flat(0.5);
}
