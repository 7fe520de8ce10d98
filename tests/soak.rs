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

use etherparse::PacketBuilder;
use tlscensus::capture::paths;
use tlscensus::census::Census;
use tlscensus::limits::Limits;
use tlscensus::pipeline::{self, Progress};

/// Client hosts that take turns.
const HOSTS: u64 = 150_000;

/// What comes over the wire: the same for the same seed.
struct Traffic {
    seed: u64,
    /// A whole handshake, to be sent again from other addresses.
    handshake: Vec<Vec<u8>>,
    waiting: Vec<Vec<u8>>,
}

impl Traffic {
    fn new() -> Self {
        let source = fs::read(common::project("captures/tls12-ecdhe-rsa.pcap")).unwrap();
        let mut handshake = Vec::new();
        let mut rest = &source[24..];
        while rest.len() >= 16 {
            let length = u32::from_le_bytes(rest[8..12].try_into().unwrap()) as usize;
            handshake.push(rest[16..16 + length].to_vec());
            rest = &rest[16 + length..];
        }
        assert!(handshake.len() > 5, "the capture is of another format");
        Self { seed: 7, handshake, waiting: Vec::new() }
    }

    /// Xorshift: quick, and the same everywhere.
    fn random(&mut self, below: u64) -> u64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        self.seed % below
    }

    fn next(&mut self) -> Vec<u8> {
        if let Some(frame) = self.waiting.pop() {
            return frame;
        }
        let host = self.random(HOSTS);
        let port = 1_024 + self.random(60_000) as u16;
        match self.random(100) {
            // A flood of SYNs from everywhere.
            0..=24 => {
                let from = self.random(1 << 24);
                tcp(from, port, 1, Tcp::syn, &[])
            }
            // Hellos that nobody answers, each with a name of its own.
            25..=61 => {
                let name = self.name();
                tcp(host, port, 1, |step| step.ack(1), &hello(&name))
            }
            // Names of addresses, each new.
            62..=64 => {
                let (label, of) = (format!("{:x}", self.random(u64::MAX)), self.random(1 << 24));
                dns(host, port, &named(&label, of))
            }
            // A hello that drips, and never ends.
            65..=74 => {
                let whole = hello("drip.example");
                for at in (0..12_usize).rev() {
                    let piece = &whole[at..=at];
                    self.waiting.push(tcp(host, port, 1 + at as u32, |step| step.ack(1), piece));
                }
                self.waiting.pop().unwrap()
            }
            // What is no TLS.
            75..=79 => tcp(host, port, 1, |step| step.ack(1), b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
            // Datagrams that look like the beginning of QUIC, and are none.
            80..=84 => {
                let mut payload = vec![0_u8; 1_200];
                for place in payload.chunks_mut(8) {
                    place.copy_from_slice(&self.random(u64::MAX).to_le_bytes());
                }
                payload[..5].copy_from_slice(&[0xc3, 0, 0, 0, 1]);
                udp(host, port, &payload)
            }
            // A hello answered with certificates that nobody else has.
            85..=89 => {
                let mut der = vec![0x30, 0x82, 0x03, 0x00];
                for _ in 0..96 {
                    der.extend(self.random(u64::MAX).to_le_bytes());
                }
                self.waiting.push(answer(host, port, &flight(&der)));
                tcp(host, port, 1, |step| step.ack(1), &hello("certificates.example"))
            }
            // Whole handshakes.
            _ => {
                let client = self.handshake[0][26..30].to_vec();
                let mut frames = self.handshake.clone();
                for frame in &mut frames {
                    let place = if frame[26..30] == *client { 26 } else { 30 };
                    frame[place..place + 4].copy_from_slice(&address(host));
                }
                frames.reverse();
                self.waiting = frames;
                self.waiting.pop().unwrap()
            }
        }
    }

    /// A host name of somebody who means no good.
    fn name(&mut self) -> String {
        let number = self.random(u64::MAX);
        match self.random(8) {
            0 => format!("<script>alert({number})</script>"),
            1 => format!("=cmd|' /C calc'!A0{number}"),
            2 => format!("{number}\u{1b}[2J\u{202e}.example"),
            3 => format!("{number}.{}", "long.".repeat(200)),
            _ => format!("host-{number:x}.example"),
        }
    }
}

fn address(host: u64) -> [u8; 4] {
    let [.., one, two, three] = host.to_be_bytes();
    [10, one, two, three]
}

type Tcp = etherparse::PacketBuilderStep<etherparse::TcpHeader>;

/// A segment to the server.
fn tcp(host: u64, port: u16, seq: u32, with: impl FnOnce(Tcp) -> Tcp, payload: &[u8]) -> Vec<u8> {
    let step = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
        .ipv4(address(host), [203, 0, 113, (port % 200) as u8], 64)
        .tcp(port, 443, seq, 64_240);
    let mut frame = Vec::new();
    // A segment of more than a packet holds is cut: that, too, comes.
    with(step).write(&mut frame, &payload[..payload.len().min(60_000)]).unwrap();
    frame
}

/// A segment back.
fn answer(host: u64, port: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2([2, 0, 0, 0, 0, 2], [2, 0, 0, 0, 0, 1])
        .ipv4([203, 0, 113, (port % 200) as u8], address(host), 64)
        .tcp(443, port, 1, 64_240)
        .ack(1)
        .write(&mut frame, payload)
        .unwrap();
    frame
}

fn udp(host: u64, port: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
        .ipv4(address(host), [203, 0, 113, 9], 64)
        .udp(port, 443)
        .write(&mut frame, payload)
        .unwrap();
    frame
}

/// From a name server.
fn dns(host: u64, port: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2([2, 0, 0, 0, 0, 2], [2, 0, 0, 0, 0, 1])
        .ipv4([203, 0, 113, 53], address(host), 64)
        .udp(53, port)
        .write(&mut frame, payload)
        .unwrap();
    frame
}

/// The answer that an address has a name.
fn named(label: &str, host: u64) -> Vec<u8> {
    let head = [0, 7, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0];
    let length = u8::try_from(label.len()).unwrap();
    let question = [&[length][..], label.as_bytes(), b"\x07example\0", &[0, 1, 0, 1]].concat();
    let answer = [&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4][..], &address(host)].concat();
    [&head[..], &question, &answer].concat()
}

/// A ClientHello of TLS 1.0 that asks for a name.
fn hello(name: &str) -> Vec<u8> {
    let name = name.as_bytes();
    let with_length =
        |bytes: &[u8]| -> Vec<u8> { [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat() };
    let entry = [&[0][..], &with_length(name)].concat();
    let extension = [&[0, 0][..], &with_length(&with_length(&entry))].concat();
    let body = [
        &[3, 1][..],
        &[7; 32],
        &[0],
        &[0, 4, 0xc0, 0x13, 0x00, 0x2f],
        &[1, 0],
        &with_length(&extension),
    ]
    .concat();
    record(&[&[1, 0][..], &with_length(&body)].concat())
}

/// ServerHello, Certificate and ServerHelloDone.
fn flight(der: &[u8]) -> Vec<u8> {
    let length = |bytes: usize| (bytes as u32).to_be_bytes()[1..].to_vec();
    let message = |kind: u8, body: &[u8]| [&[kind][..], &length(body.len()), body].concat();
    let hello = [&[3, 1][..], &[9; 32], &[0], &[0xc0, 0x13], &[0]].concat();
    let list = [length(der.len()), der.to_vec()].concat();
    let certificates = [length(list.len()), list].concat();
    record(&[message(2, &hello), message(11, &certificates), message(14, &[])].concat())
}

fn record(body: &[u8]) -> Vec<u8> {
    [&[22, 3, 1][..], &(body.len() as u16).to_be_bytes(), body].concat()
}

/// Memory of a process, in megabytes.
fn resident(pid: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kilobytes.unwrap_or_default() >> 10
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
    assert_eq!(source.capture.frames, sent);
    let (first, last) = source.span.unwrap();
    eprintln!(
        "{sent} packets of {} minutes, {} flows, {} SYNs, {} given up",
        last.since(first).as_secs() / 60,
        source.flows.flows,
        source.flows.syns,
        source.flows.evicted + source.flows.evicted_watched,
    );
    (memory, census, source.flows.flows)
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
    let (code, _, err, took) = live.stop(Signal::TERM);
    memory.show();
    assert_eq!(code, Some(0), "{err}");
    let report: serde_json::Value = serde_json::from_slice(&fs::read(report).unwrap()).unwrap();
    let source = &report["sources"][0];
    eprintln!(
        "{sent} sent, {} read, {} lost; ended in {took:?}",
        source["packets"], source["dropped"]
    );
    eprintln!("{}", serde_json::to_string_pretty(&report["coverage"]).unwrap());
    eprintln!("census file of {} MB", fs::metadata(&census).unwrap().len() >> 20);
    let counted = source["packets"].as_u64().unwrap() + source["dropped"].as_u64().unwrap();
    assert_eq!(counted, sent);
    memory.assert_flat(0.5);
}
