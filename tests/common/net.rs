//! A wire for tests: a pair of virtual interfaces in a network namespace of the test's own.

#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test file uses a part")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may fail, and waits by the clock"
)]

use std::fs;
use std::io::Read;
use std::ops::Range;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::Value;
use tlscensus::capture::file::FileSource;
use tlscensus::capture::{LinkType, Poll, Source};
use tlscensus::limits::Limits;

use crate::common;

/// The end that is captured on, and the one that is sent from.
pub const SPAN: &str = "span0";
pub const WIRE: &str = "wire0";

/// A namespace with a wire in it, until it is dropped.
pub struct Net {
    name: String,
}

impl Net {
    /// `None` where it cannot be made.
    pub fn new() -> Option<Self> {
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
    pub fn plug(&self) {
        assert!(self.ip(&["link", "add", SPAN, "type", "veth", "peer", "name", WIRE]));
        for end in [SPAN, WIRE] {
            self.run("sysctl", &["-q", "-w", &format!("net.ipv6.conf.{end}.disable_ipv6=1")]);
            assert!(self.ip(&["link", "set", end, "mtu", "65535", "up"]));
        }
    }

    pub fn ip(&self, args: &[&str]) -> bool {
        let mut all = vec!["-n", &*self.name];
        all.extend(args);
        run("ip", &all)
    }

    pub fn run(&self, program: &str, args: &[&str]) -> bool {
        let mut all = vec!["netns", "exec", &*self.name, program];
        all.extend(args);
        run("ip", &all)
    }

    /// A program to be run in it.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &*self.name, program]).stdin(Stdio::null());
        command
    }

    /// Start a program in it.
    pub fn start(&self, program: &str, args: &[&str]) -> Running {
        let mut command = self.command(program);
        let child = command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        Running(Some(child.unwrap()))
    }

    /// Start `tlscensus live` on the wire and wait until it listens.
    pub fn live(&self, args: &[&str]) -> Running {
        self.live_as("root", args)
    }

    /// The same as another user.
    pub fn live_as(&self, user: &str, args: &[&str]) -> Running {
        let mut command = self.command(env!("CARGO_BIN_EXE_tlscensus"));
        command.args(["live", "-i", SPAN, "--user", user]).args(args);
        Self::listening(command.stdout(Stdio::piped()).stderr(Stdio::piped()))
    }

    /// Start it and wait until it listens.
    pub fn listening(command: &mut Command) -> Running {
        let running = Running(Some(command.spawn().unwrap()));
        // It is confined as soon as its rings are open.
        wait_for("it listens", || running.status("Seccomp:").as_deref() == Some("2"));
        thread::sleep(Duration::from_millis(200));
        running
    }

    /// Do something as if this program were in it.
    pub fn within<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            // A namespace belongs to a thread.
            let inside = scope.spawn(|| {
                let namespace = fs::File::open(Path::new("/run/netns").join(&self.name)).unwrap();
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
                    .unwrap();
                act()
            });
            inside.join().unwrap()
        })
    }

    /// Send frames from the other end, so many a second. Returns how many were sent.
    pub fn send(&self, rate: Option<u32>, frames: impl Iterator<Item = Vec<u8>> + Send) -> u64 {
        self.send_from(WIRE, rate, frames)
    }

    /// The same from another interface.
    pub fn send_from(
        &self,
        name: &str,
        rate: Option<u32>,
        frames: impl Iterator<Item = Vec<u8>> + Send,
    ) -> u64 {
        self.within(|| {
            let mut wire = pcap::Capture::from_device(name).unwrap().open().unwrap();
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
        })
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        run("ip", &["netns", "del", &self.name]);
    }
}

pub fn run(program: &str, args: &[&str]) -> bool {
    Command::new(program)
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// A program that is ended with the test, whatever becomes of it.
pub struct Running(pub Option<Child>);

impl Running {
    pub fn pid(&self) -> Pid {
        Pid::from_child(self.0.as_ref().unwrap())
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// A line of what the kernel says of it.
    pub fn status(&self, field: &str) -> Option<String> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.pid())).ok()?;
        text.lines().find_map(|line| line.strip_prefix(field)).map(|value| value.trim().to_owned())
    }

    /// Time that it has computed for.
    pub fn busy(&self) -> Duration {
        busy(self.pid()).unwrap()
    }

    /// Ask it to end, as `stop` does; besides, how long it computed meanwhile.
    pub fn stop_timed(self, signal: Signal) -> (Option<i32>, String, String, Duration, Duration) {
        let pid = self.pid();
        let before = self.busy();
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            let watching = scope.spawn(|| {
                let mut last = before;
                while !over.load(Ordering::Relaxed) {
                    // What has ended and was not waited for still says it.
                    last = last.max(busy(pid).unwrap_or_default());
                    thread::sleep(Duration::from_millis(5));
                }
                last
            });
            let (code, out, err, took) = self.stop(signal);
            over.store(true, Ordering::Relaxed);
            (code, out, err, took, watching.join().unwrap().saturating_sub(before))
        })
    }

    /// Ask it to end. How it ended, its two outputs, and how long that took.
    pub fn stop(mut self, signal: Signal) -> (Option<i32>, String, String, Duration) {
        self.signal(signal);
        let begun = Instant::now();
        let mut child = self.0.take().unwrap();
        let read = |from: Option<&mut dyn Read>| {
            let mut text = String::new();
            from.map(|from| from.read_to_string(&mut text).unwrap());
            text
        };
        let out = read(child.stdout.take().as_mut().map(|out| out as &mut dyn Read));
        let err = read(child.stderr.take().as_mut().map(|err| err as &mut dyn Read));
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

/// Time that a process has computed for.
fn busy(pid: Pid) -> Option<Duration> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<_> = text.rsplit(')').next()?.split_whitespace().collect();
    let ticks = [11, 12].map(|place| fields.get(place).and_then(|one| one.parse::<u64>().ok()));
    Some(Duration::from_millis(ticks.into_iter().flatten().sum::<u64>() * 10))
}

/// Time that all processes of this machine have computed for, the kernel's work included.
pub fn computed() -> Duration {
    let text = fs::read_to_string("/proc/stat").unwrap();
    let all = text.lines().next().unwrap().split_whitespace().skip(1);
    let ticks: Vec<u64> = all.map(|one| one.parse().unwrap()).collect();
    // Of user, nice, system, idle, iowait, irq, softirq and steal those that are work.
    let work = [0, 1, 2, 5, 6, 7].iter().map(|place| ticks[*place]);
    Duration::from_millis(work.sum::<u64>() * 10)
}

pub fn wait_for(what: &str, mut is: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is() {
        assert!(begun.elapsed() < Duration::from_secs(10), "waited in vain until {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// The frames of a capture, if it is of Ethernet.
pub fn frames(path: &Path) -> Vec<Vec<u8>> {
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
pub fn handshakes(numbers: Range<u32>) -> impl Iterator<Item = Vec<u8>> + Send {
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

/// Records without what tells two readings of one wire apart, in an order of their own.
pub fn comparable(lines: &[u8]) -> Vec<String> {
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

/// What a report says was read, and what was lost by whom.
pub fn account(report: &Path) -> (u64, [u64; 4]) {
    let report: Value = serde_json::from_slice(&fs::read(report).unwrap()).unwrap();
    let source = &report["sources"][0];
    let lost =
        ["interface", "ring", "backlog", "unread"].map(|who| source["lost"][who].as_u64().unwrap());
    assert_eq!(source["dropped"].as_u64().unwrap(), lost.iter().sum::<u64>());
    (source["packets"].as_u64().unwrap(), lost)
}

pub fn path(folder: &tempfile::TempDir, name: &str) -> (PathBuf, String) {
    let path = folder.path().join(name);
    let text = path.to_str().unwrap().to_owned();
    (path, text)
}
