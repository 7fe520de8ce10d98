//! What a real wire does: captures replayed at speed, an MTU that changes, an overrun, stamps.
//! Needs root, `ip`, `tcpdump` and `tcpreplay`; says what it skips without them.

#![cfg(feature = "live")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may fail, and waits by the clock"
)]

mod common;
#[path = "common/net.rs"]
mod net;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use net::{Net, SPAN, WIRE, comparable, frames, handshakes, path, wait_for};

/// What a report says was read, and lost.
fn account(report: &Path) -> (u64, u64) {
    let (packets, lost) = net::account(report);
    (packets, lost.iter().sum())
}

/// Captures of Ethernet that tcpreplay can send: those of the project, and of the corpus beside it.
fn replayable() -> Vec<PathBuf> {
    let mut found = common::captures();
    if let Some(corpus) = common::corpus() {
        let folder = fs::read_dir(corpus.join("captures")).unwrap();
        let mut more: Vec<_> = folder.map(|entry| entry.unwrap().path()).collect();
        more.sort();
        found.extend(more);
    }
    found.retain(|path| {
        path.extension().is_some_and(|ending| ending == "pcap")
            && fs::metadata(path).is_ok_and(|metadata| metadata.len() < 4 << 20)
            && !frames_of(path).is_empty()
    });
    found
}

/// None where a frame is longer than the wire takes, or not of Ethernet.
fn frames_of(path: &Path) -> Vec<Vec<u8>> {
    let head = fs::read(path).unwrap_or_default();
    let ethernet = head.get(20) == Some(&1) || head.get(23) == Some(&1);
    let found = if ethernet { frames(path) } else { Vec::new() };
    if found.iter().any(|frame| frame.len() > 60_000 || frame.len() < 15) {
        return Vec::new();
    }
    found
}

/// Packets that tcpreplay says it sent.
fn replay(net: &Net, arguments: &[&str], captures: &[&str]) -> u64 {
    let mut command = net.command("tcpreplay");
    command.args(["-i", WIRE]).args(arguments).args(captures);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let sent = said.lines().rev().find_map(|line| line.trim().strip_prefix("Successful packets:"));
    let sent = sent.unwrap_or_else(|| panic!("{said}{}", String::from_utf8_lossy(&output.stderr)));
    sent.trim().parse().unwrap()
}

#[test]
fn replayed_captures_are_read_without_loss_and_an_overrun_is_counted() {
    let Some(net) = Net::new() else { return };
    if Command::new("tcpreplay").arg("--version").output().is_err() {
        eprintln!("skipped: there is no `tcpreplay`");
        return;
    }
    let captures = replayable();
    let names: Vec<&str> = captures.iter().map(|path| path.to_str().unwrap()).collect();
    assert!(names.len() > 20, "only {} captures", names.len());
    let folder = tempfile::tempdir().unwrap();
    let (report, report_name) = path(&folder, "report.json");

    let (flows, flows_name) = path(&folder, "flows.ndjson");
    let (wire, wire_name) = path(&folder, "wire.pcap");
    let tcpdump = net.start(
        "tcpdump",
        &["-i", SPAN, "-Z", "root", "-B", "131072", "--nano", "-U", "-s", "0", "-w", &wire_name],
    );
    wait_for("tcpdump listens", || wire.exists());
    let roots = format!("corp={}", common::project("captures/roots/private-root.pem").display());
    let outputs = ["--report", &*report_name, "--flows", &*flows_name];
    let live = net.live(&[&outputs[..], &["--trust", "mozilla", "--trust", &roots]].concat());
    let sent = replay(&net, &["--pps=4000"], &names);
    thread::sleep(Duration::from_millis(500));
    let (code, _, err, took) = live.stop(Signal::TERM);
    assert_eq!(code, Some(0), "{err}");
    let (packets, lost) = account(&report);
    wait_for("tcpdump wrote", || frames(&wire).len() as u64 >= sent);
    let (_, _, said, _) = tcpdump.stop(Signal::INT);
    assert!(said.contains("0 packets dropped by kernel"), "{said}");
    let (lines, _) = common::read(&[wire], &common::settings(1, &["dataverse"]));
    let (live, read) = (comparable(&fs::read(&flows).unwrap()), comparable(&lines));
    eprintln!(
        "{} captures, {sent} packets at 4000 a second: {packets} read, {lost} lost; ended in {took:?}; \
         {} records, {} read from tcpdump's capture",
        names.len(),
        live.len(),
        read.len()
    );
    assert_eq!((packets, lost), (sent, 0));
    let only = |these: &[String], those: &[String]| -> Vec<String> {
        these.iter().filter(|record| !those.contains(record)).cloned().collect()
    };
    assert_eq!(only(&live, &read), only(&read, &live), "records differ");
    assert_eq!(live.len(), read.len());

    // As fast as it goes, into a small ring whose reader stands still for a while.
    let live = net.live(&["--buffer", "4MiB", "--report", &report_name]);
    live.signal(Signal::STOP);
    let sent = replay(&net, &["--topspeed", "--loop=20"], &names);
    live.signal(Signal::CONT);
    thread::sleep(Duration::from_millis(500));
    let (code, _, err, _) = live.stop(Signal::TERM);
    assert_eq!(code, Some(0), "{err}");
    let (packets, lost) = account(&report);
    eprintln!("{sent} packets at top speed: {packets} read + {lost} lost");
    assert_eq!(packets + lost, sent);
    assert!(lost > 0, "it was not overrun");
}

#[test]
fn a_change_of_the_mtu_loses_nothing() {
    let Some(net) = Net::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (flows, flows_name) = path(&folder, "flows.ndjson");
    let (report, report_name) = path(&folder, "report.json");
    let live = net.live(&["--flows", &flows_name, "--report", &report_name]);
    let lines = || fs::read_to_string(&flows).unwrap_or_default().lines().count();
    let mut sent = 0;
    for (number, mtu) in [(0_u32, "65535"), (1, "3000"), (2, "9000"), (3, "65535")] {
        for end in [SPAN, WIRE] {
            assert!(net.ip(&["link", "set", end, "mtu", mtu]));
        }
        sent += net.send(Some(2_000), handshakes(number * 10..number * 10 + 10));
        wait_for("the records are there", || lines() == (number as usize + 1) * 10);
    }
    let (code, _, err, _) = live.stop(Signal::TERM);
    assert_eq!((code, &*err), (Some(0), ""));
    assert_eq!(account(&report), (sent, 0));
}

#[test]
fn stamps_are_those_of_another_program_on_the_same_wire() {
    let Some(net) = Net::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (flows, flows_name) = path(&folder, "flows.ndjson");
    let (capture, capture_name) = path(&folder, "wire.pcap");
    let tcpdump = net.start(
        "tcpdump",
        &["-i", SPAN, "-Z", "root", "-B", "65536", "-U", "--nano", "-s", "0", "-w", &capture_name],
    );
    wait_for("tcpdump listens", || capture.exists());
    let live = net.live(&["--flows", &flows_name]);
    let sent = net.send(Some(2_000), handshakes(0..50));
    thread::sleep(Duration::from_millis(300));
    let (code, _, err, _) = live.stop(Signal::TERM);
    assert_eq!(code, Some(0), "{err}");
    wait_for("tcpdump wrote", || frames(&capture).len() as u64 >= sent);
    tcpdump.stop(Signal::INT);
    let (lines, _) = common::read(&[capture], &common::settings(1, &["dataverse"]));
    let times = |lines: &[u8]| -> Vec<(String, i64)> {
        let text = String::from_utf8(lines.to_vec()).unwrap();
        let mut times: Vec<_> = text
            .lines()
            .map(|line| {
                let record: Value = serde_json::from_str(line).unwrap();
                let id = record["community_id"].as_str().unwrap().to_owned();
                let ts = record["ts"].as_str().unwrap();
                // Seconds and nanoseconds of the minute; nobody waits here for an hour.
                let minute: i64 = ts[14..16].parse().unwrap();
                let second: i64 = ts[17..19].parse().unwrap();
                let nanos: i64 = ts[20..29].parse().unwrap();
                (id, (minute * 60 + second) * 1_000_000_000 + nanos)
            })
            .collect();
        times.sort();
        times
    };
    let (live, read) = (times(&fs::read(&flows).unwrap()), times(&lines));
    assert_eq!((live.len(), read.len()), (50, 50));
    let apart: Vec<i64> = live
        .iter()
        .zip(&read)
        .map(|((id, ours), (other, theirs))| {
            assert_eq!(id, other);
            (ours - theirs).abs()
        })
        .collect();
    // Each socket may look at the clock for itself: then the stamps are some microseconds apart.
    let same = apart.iter().filter(|nanos| **nanos == 0).count();
    let furthest = apart.iter().max().unwrap();
    eprintln!(
        "{same} of 50 stamps are the same to the nanosecond, none is further apart than {furthest} ns"
    );
    assert!(same == 50 || *furthest < 50_000_000, "{apart:?}");
    // Nanoseconds, not microseconds with zeros behind them.
    assert!(live.iter().any(|(_, nanos)| nanos % 1_000 != 0));
}
