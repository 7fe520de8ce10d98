//! Live capture on a real wire: a pair of virtual interfaces in a network namespace of the test's
//! own. Needs root, `ip` and `tcpdump`; says what it skips without them.

#![cfg(feature = "live")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may fail, and waits by the clock"
)]

mod common;

use std::fs;
use std::io::Read;
use std::ops::Range;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::Value;
use tlscensus::capture::file::FileSource;
use tlscensus::capture::{LinkType, Poll, Source};
use tlscensus::limits::Limits;

/// The end that is captured on, and the one that is sent from.
const SPAN: &str = "span0";
const WIRE: &str = "wire0";

/// A namespace with a wire in it, until it is dropped.
struct Net {
    name: String,
}

impl Net {
    /// `None` where it cannot be made.
    fn new() -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: only root makes network namespaces");
            return None;
        }
        for tool in ["ip", "tcpdump"] {
            if Command::new(tool).arg("--version").output().is_err()
                && Command::new(tool).arg("-V").output().is_err()
            {
                eprintln!("skipped: there is no `{tool}`");
                return None;
            }
        }
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("tlscensus-{}-{number}", std::process::id());
        if !run("ip", &["netns", "add", &name]) {
            eprintln!("skipped: network namespaces cannot be made here");
            return None;
        }
        let net = Self { name };
        net.plug();
        Some(net)
    }

    /// Lay the wire.
    fn plug(&self) {
        assert!(self.ip(&["link", "add", SPAN, "type", "veth", "peer", "name", WIRE]));
        for end in [SPAN, WIRE] {
            self.run("sysctl", &["-q", "-w", &format!("net.ipv6.conf.{end}.disable_ipv6=1")]);
            assert!(self.ip(&["link", "set", end, "mtu", "65535", "up"]));
        }
    }

    fn ip(&self, args: &[&str]) -> bool {
        let mut all = vec!["-n", &*self.name];
        all.extend(args);
        run("ip", &all)
    }

    fn run(&self, program: &str, args: &[&str]) -> bool {
        let mut all = vec!["netns", "exec", &*self.name, program];
        all.extend(args);
        run("ip", &all)
    }

    /// Start a program in it.
    fn start(&self, program: &str, args: &[&str]) -> Running {
        let child = Command::new("ip")
            .args(["netns", "exec", &*self.name, program])
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Running(Some(child))
    }

    /// Start `tlscensus live` on the wire and wait until it listens.
    fn live(&self, args: &[&str]) -> Running {
        let mut all = vec!["live", "-i", SPAN, "--user", "root"];
        all.extend(args);
        let running = self.start(env!("CARGO_BIN_EXE_tlscensus"), &all);
        // It is confined as soon as its rings are open.
        wait_for("it listens", || running.status("Seccomp:").as_deref() == Some("2"));
        thread::sleep(Duration::from_millis(200));
        running
    }

    /// Send frames from the other end, so many a second. Returns how many were sent.
    fn send(&self, rate: Option<u32>, frames: impl Iterator<Item = Vec<u8>> + Send) -> u64 {
        thread::scope(|scope| {
            // A namespace belongs to a thread.
            let sender = scope.spawn(|| {
                let namespace = fs::File::open(Path::new("/run/netns").join(&self.name)).unwrap();
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
                    .unwrap();
                let mut wire = pcap::Capture::from_device(WIRE).unwrap().open().unwrap();
                let begun = Instant::now();
                let mut sent = 0_u64;
                for frame in frames {
                    wire.sendpacket(&*frame).unwrap();
                    sent += 1;
                    #[expect(clippy::cast_precision_loss, reason = "a rate")]
                    if let Some(rate) = rate.filter(|_| sent.is_multiple_of(16)) {
                        let due = begun + Duration::from_secs_f64(sent as f64 / f64::from(rate));
                        thread::sleep(due.saturating_duration_since(Instant::now()));
                    }
                }
                sent
            });
            sender.join().unwrap()
        })
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        run("ip", &["netns", "del", &self.name]);
    }
}

fn run(program: &str, args: &[&str]) -> bool {
    Command::new(program)
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// A program that is ended with the test, whatever becomes of it.
struct Running(Option<Child>);

impl Running {
    fn pid(&self) -> Pid {
        Pid::from_child(self.0.as_ref().unwrap())
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// A line of what the kernel says of it.
    fn status(&self, field: &str) -> Option<String> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.pid())).ok()?;
        text.lines().find_map(|line| line.strip_prefix(field)).map(|value| value.trim().to_owned())
    }

    /// Time that it has computed for.
    fn busy(&self) -> Duration {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        let fields: Vec<_> = text.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks: u64 = [11, 12].map(|place| fields[place].parse::<u64>().unwrap()).iter().sum();
        Duration::from_millis(ticks * 10)
    }

    /// Ask it to end. How it ended, its two outputs, and how long that took.
    fn stop(mut self, signal: Signal) -> (Option<i32>, String, String, Duration) {
        self.signal(signal);
        let begun = Instant::now();
        let mut child = self.0.take().unwrap();
        let (mut out, mut err) = (String::new(), String::new());
        child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        let status = child.wait().unwrap();
        (status.code(), out, err, begun.elapsed())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn wait_for(what: &str, mut is: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is() {
        assert!(begun.elapsed() < Duration::from_secs(10), "waited in vain until {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// The frames of a capture, if it is of Ethernet.
fn frames(path: &Path) -> Vec<Vec<u8>> {
    let mut source = FileSource::open(path, &Limits::default()).unwrap();
    let mut frames = Vec::new();
    loop {
        let polled = source.poll(&mut |frame| {
            if frame.link == LinkType::ETHERNET {
                frames.push(frame.bytes.to_vec());
            }
        });
        if !matches!(polled, Ok(Poll::Frames(_))) {
            return frames;
        }
    }
}

/// The same handshake again and again, each from another port and address: IPv4 without tags.
fn handshakes(numbers: Range<u32>) -> impl Iterator<Item = Vec<u8>> + Send {
    let frames = frames(&common::project("captures/tls12-ecdhe-rsa.pcap"));
    let client = frames[0][26..30].to_vec();
    numbers.flat_map(move |number| {
        let [_, one, two, three] = number.to_be_bytes();
        let address = [10, one + 100, two, three];
        let client = client.clone();
        frames.clone().into_iter().map(move |mut frame| {
            let place = if frame[26..30] == *client { 26 } else { 30 };
            frame[place..place + 4].copy_from_slice(&address);
            frame
        })
    })
}

/// What a report says was read, and what was lost by whom.
fn account(report: &Path) -> (u64, [u64; 4]) {
    let report: Value = serde_json::from_slice(&fs::read(report).unwrap()).unwrap();
    let source = &report["sources"][0];
    let lost =
        ["interface", "ring", "backlog", "unread"].map(|who| source["lost"][who].as_u64().unwrap());
    assert_eq!(source["dropped"].as_u64().unwrap(), lost.iter().sum::<u64>());
    (source["packets"].as_u64().unwrap(), lost)
}

/// Records without what tells two readings of one wire apart, in an order of their own.
fn comparable(lines: &[u8]) -> Vec<String> {
    let mut records: Vec<_> = String::from_utf8(lines.to_vec())
        .unwrap()
        .lines()
        .map(|line| {
            let mut record: Value = serde_json::from_str(line).unwrap();
            for key in ["ts", "sensor", "source", "handshake_ms"] {
                record.as_object_mut().unwrap().remove(key).unwrap();
            }
            record.to_string()
        })
        .collect();
    records.sort();
    records
}

fn path(folder: &tempfile::TempDir, name: &str) -> (PathBuf, String) {
    let path = folder.path().join(name);
    let text = path.to_str().unwrap().to_owned();
    (path, text)
}

#[test]
fn live_records_are_those_of_a_capture_of_the_same_wire() {
    for threads in ["1", "2"] {
        let Some(net) = Net::new() else { return };
        let folder = tempfile::tempdir().unwrap();
        let (flows, flows_name) = path(&folder, "flows.ndjson");
        let (report, report_name) = path(&folder, "report.json");
        let (capture, capture_name) = path(&folder, "wire.pcap");
        let tcpdump = net.start(
            "tcpdump",
            &["-i", SPAN, "-Z", "root", "-B", "65536", "-U", "-s", "0", "-w", &capture_name],
        );
        wait_for("tcpdump listens", || capture.exists());
        let roots =
            format!("corp={}", common::project("captures/roots/private-root.pem").display());
        let live = net.live(&[
            "--flows",
            &flows_name,
            "--report",
            &report_name,
            "--capture-threads",
            threads,
            "--trust",
            "mozilla",
            "--trust",
            &roots,
        ]);
        let captures = common::captures();
        let sent = net.send(Some(5_000), captures.iter().flat_map(|path| frames(path)));
        assert!(sent > 500, "only {sent} frames were sent");
        thread::sleep(Duration::from_millis(300));
        let (code, _, err, took) = live.stop(Signal::TERM);
        assert_eq!(code, Some(0), "{err}");
        assert!(took < Duration::from_millis(1_500), "it took {took:?} to end");
        let (_, _, said, _) = tcpdump.stop(Signal::INT);
        assert!(said.contains("0 packets dropped by kernel"), "{said}");

        let (packets, lost) = account(&report);
        assert_eq!((packets, lost), (sent, [0; 4]));
        let (lines, _) = common::read(&[capture], &common::settings(2, &["dataverse"]));
        let (live, read) = (comparable(&fs::read(&flows).unwrap()), comparable(&lines));
        assert!(read.len() > 80, "only {} records", read.len());
        for (live, read) in live.iter().zip(&read) {
            assert_eq!(live, read);
        }
        assert_eq!(live.len(), read.len());
        eprintln!("{threads} threads: {sent} packets, {} records, ended in {took:?}", live.len());
    }
}

#[test]
fn what_a_stopped_reader_misses_is_counted_to_the_packet() {
    let Some(net) = Net::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (report, report_name) = path(&folder, "report.json");
    let live = net.live(&["--buffer", "4MiB", "--report", &report_name]);
    let mut sent = net.send(Some(5_000), handshakes(0..20));
    live.signal(Signal::STOP);
    sent += net.send(None, handshakes(100..5_100));
    live.signal(Signal::CONT);
    thread::sleep(Duration::from_millis(500));
    sent += net.send(Some(5_000), handshakes(10_000..10_020));
    let (code, _, err, _) = live.stop(Signal::TERM);
    assert_eq!(code, Some(0), "{err}");
    let (packets, lost) = account(&report);
    eprintln!("{sent} sent = {packets} read + {lost:?} lost");
    assert!(lost[1] > 0, "nothing was lost in the ring");
    assert_eq!(sent, packets + lost.iter().sum::<u64>());
}

#[test]
fn what_workers_that_are_behind_cost_is_counted_apart() {
    let Some(net) = Net::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (report, report_name) = path(&folder, "report.json");
    // Nobody reads its output: the writer waits, then the workers, then the capture thread.
    let live = net.live(&["--buffer", "4MiB", "--report", &report_name, "--flows", "-"]);
    let mut sent = net.send(Some(150_000), handshakes(0..12_000));
    // While it waits, and then overflows.
    sent += net.send(None, handshakes(20_000..24_000));
    let (code, out, err, _) = live.stop(Signal::TERM);
    assert_eq!(code, Some(0), "{err}");
    let (packets, lost) = account(&report);
    eprintln!("{sent} sent = {packets} read + {lost:?} lost, {} records", out.lines().count());
    assert!(lost[2] > 0, "nothing was lost to the backlog");
    assert_eq!(sent, packets + lost.iter().sum::<u64>());
    assert!(out.ends_with('\n'));
}

#[test]
fn it_outlives_its_interface_and_does_not_spin() {
    let Some(net) = Net::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (flows, flows_name) = path(&folder, "flows.ndjson");
    let live = net.live(&["--flows", &flows_name]);
    let lines = || fs::read_to_string(&flows).unwrap_or_default().lines().count();
    let seen = |count: u32| {
        net.send(Some(5_000), handshakes(count..count + 1));
        wait_for("the record is there", || lines() >= count as usize);
    };
    seen(1);
    let calm = |what: &str| {
        let before = live.busy();
        thread::sleep(Duration::from_secs(1));
        let busy = live.busy().saturating_sub(before);
        assert!(busy <= Duration::from_millis(150), "{what}: busy for {busy:?} in a second");
    };
    calm("idle");
    assert!(net.ip(&["link", "set", SPAN, "down"]));
    calm("down");
    assert!(net.ip(&["link", "set", SPAN, "up"]));
    thread::sleep(Duration::from_millis(500));
    seen(2);
    assert!(net.ip(&["link", "del", SPAN]));
    calm("gone");
    net.plug();
    let mut tries = 3_u32..23;
    while lines() < 3 {
        let number = tries.next().unwrap_or_else(|| panic!("it did not come back"));
        net.send(Some(5_000), handshakes(number..number + 1));
        thread::sleep(Duration::from_millis(500));
    }
    let (code, _, err, _) = live.stop(Signal::INT);
    assert_eq!(code, Some(0), "{err}");
    for words in ["is down: waiting", "is gone: waiting", "is back"] {
        assert!(err.contains(words), "`{words}` is missing in: {err}");
    }
}

#[test]
fn signals_and_sudden_death_lose_no_line() {
    let Some(net) = Net::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (flows, flows_name) = path(&folder, "flows.ndjson");
    let (report, report_name) = path(&folder, "report.json");
    let arguments = ["--flows", &*flows_name, "--report", &*report_name];
    let lines = |path: &Path| fs::read_to_string(path).unwrap_or_default().lines().count();

    let live = net.live(&arguments);
    net.send(Some(5_000), handshakes(0..10));
    // Records are there within a second, and nobody asked for them.
    let begun = Instant::now();
    wait_for("records are there", || lines(&flows) >= 10);
    assert!(begun.elapsed() < Duration::from_secs(2), "it took {:?}", begun.elapsed());
    live.signal(Signal::USR1);
    wait_for("the report is there", || report.exists());
    // Another program moves the file away.
    let moved = folder.path().join("moved.ndjson");
    fs::rename(&flows, &moved).unwrap();
    live.signal(Signal::HUP);
    wait_for("the file is there again", || flows.exists());
    net.send(Some(5_000), handshakes(10..15));
    wait_for("records are there", || lines(&flows) == 5);
    live.stop(Signal::KILL);

    // As a power cut would leave it.
    let mut text = fs::read_to_string(&flows).unwrap();
    text.push_str("{\"schema\":\"tlscensus.fl");
    fs::write(&flows, &text).unwrap();
    let live = net.live(&arguments);
    net.send(Some(5_000), handshakes(15..18));
    wait_for("records are there", || lines(&flows) == 8);
    let (code, ..) = live.stop(Signal::TERM);
    assert_eq!(code, Some(0));
    for path in [&flows, &moved] {
        for line in fs::read_to_string(path).unwrap().lines() {
            serde_json::from_str::<Value>(line).unwrap();
        }
    }
    assert_eq!((lines(&moved), lines(&flows)), (10, 8));
}

#[test]
fn it_gives_up_its_rights() {
    let Some(net) = Net::new() else { return };
    let live = net.live(&[]);
    for field in ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"] {
        assert_eq!(live.status(field).unwrap(), "0000000000000000", "{field}");
    }
    assert_eq!(live.status("NoNewPrivs:").unwrap(), "1");
    live.stop(Signal::TERM);

    // Another user's directory: refused at once, with the cure.
    let folder = tempfile::tempdir().unwrap();
    let (_, flows) = path(&folder, "flows.ndjson");
    let refused = net.start(
        env!("CARGO_BIN_EXE_tlscensus"),
        &["live", "-i", SPAN, "--user", "65534", "--flows", &flows],
    );
    let mut child = refused;
    let output = child.0.take().unwrap().wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("hint: chown "), "{said}");
}

#[test]
fn interfaces_are_listed_whatever_their_link() {
    let Some(net) = Net::new() else { return };
    // A tunnel has no Ethernet header.
    let tunnel =
        net.ip(&["tuntap", "add", "tun0", "mode", "tun"]) && net.ip(&["link", "set", "tun0", "up"]);
    let mut listing = net.start(env!("CARGO_BIN_EXE_tlscensus"), &["interfaces"]);
    let output = listing.0.take().unwrap().wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    assert!(line("span0 ").contains(" EN10MB ") && line("span0 ").ends_with("yes"), "{text}");
    assert!(line("lo ").contains("down"), "{text}");
    if tunnel {
        assert!(line("tun0 ").contains(" RAW ") && line("tun0 ").ends_with("yes"), "{text}");
    } else {
        eprintln!("skipped: no tunnel can be made here");
    }
}
