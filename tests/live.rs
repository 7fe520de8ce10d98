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
#[path = "common/net.rs"]
mod net;

#[cfg(feature = "compression")]
use std::collections::BTreeSet;
use std::fs;
#[cfg(feature = "compression")]
use std::io::Read;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use net::{Net, SPAN, account, comparable, frames, handshakes, path, wait_for};

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
        // On a busy machine tcpdump writes later than it listens.
        wait_for("tcpdump wrote", || frames(&capture).len() as u64 >= sent);
        let (_, _, said, _) = tcpdump.stop(Signal::INT);
        assert!(said.contains("0 packets dropped by kernel"), "{said}");

        let (packets, lost) = account(&report);
        assert_eq!((packets, lost), (sent, [0; 4]));
        let (lines, _) = common::read(&[capture], &common::settings(2, &["dataverse"]));
        let (live, read) = (comparable(&fs::read(&flows).unwrap()), comparable(&lines));
        assert!(read.len() > 80, "only {} records", read.len());
        let only = |these: &[String], those: &[String]| -> Vec<String> {
            these.iter().filter(|record| !those.contains(record)).cloned().collect()
        };
        assert_eq!(only(&live, &read), only(&read, &live), "records differ");
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
    // More than may wait in memory.
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

/// The lines of all files of records of a folder, compressed or not.
#[cfg(feature = "compression")]
fn all_lines(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|at| at.unwrap().path()).collect();
    names.sort();
    let mut lines = Vec::new();
    for path in &names {
        let name = path.file_name().unwrap().to_str().unwrap();
        // What was being compressed when the run was killed is still there as it was.
        if name.starts_with('.') || names.contains(&path.with_file_name(format!("{name}.gz"))) {
            continue;
        }
        let mut text = String::new();
        let file = fs::File::open(path).unwrap();
        if path.extension().is_some_and(|ending| ending == "gz") {
            flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
        } else {
            { file }.read_to_string(&mut text).unwrap();
        }
        lines.extend(text.lines().map(str::to_owned));
    }
    lines
}

#[test]
#[cfg(feature = "compression")]
fn rotation_and_sudden_death_lose_and_halve_no_line() {
    for rotate in ["1s", "200KB"] {
        let Some(net) = Net::new() else { return };
        let folder = tempfile::tempdir().unwrap();
        let (_, name) = path(&folder, "flows.ndjson");
        let arguments = ["--flows", &*name, "--rotate", rotate];
        // Killed in the middle of its work, again and again.
        for round in 0..3 {
            let live = net.live(&arguments);
            thread::scope(|scope| {
                let numbers = round * 2_000..round * 2_000 + 600;
                scope.spawn(|| net.send(Some(8_000), handshakes(numbers)));
                thread::sleep(Duration::from_millis(900 + u64::from(round) * 130));
                live.stop(Signal::KILL);
            });
        }
        let killed = all_lines(folder.path()).len();
        let live = net.live(&arguments);
        net.send(Some(8_000), handshakes(10_000..11_000));
        thread::sleep(Duration::from_millis(500));
        let (code, _, err, _) = live.stop(Signal::TERM);
        assert_eq!(code, Some(0), "{err}");
        let lines = all_lines(folder.path());
        for line in &lines {
            serde_json::from_str::<Value>(line).unwrap();
        }
        let ids: BTreeSet<_> = lines.iter().collect();
        let files = fs::read_dir(folder.path()).unwrap().count();
        eprintln!("{rotate}: {killed} records outlived three kills; {files} files in the end");
        assert_eq!(ids.len(), lines.len(), "a line is there twice");
        assert!(killed > 0 && killed <= 1_800, "{killed}");
        assert_eq!(lines.len() - killed, 1_000);
        assert!(files > 2, "nothing was set aside");
    }
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

#[test]
fn a_filter_that_nothing_matches_is_named() {
    let Some(net) = Net::new() else { return };
    for (filter, words) in [
        (&["--filter", "tcp port 4"][..], "No packet matches the filter."),
        (&[], "was the capture running, and on the right interface?"),
    ] {
        let (code, page, said, _) = net.live(filter).stop(Signal::INT);
        assert_eq!(code, Some(0), "{said}");
        assert!(page.contains(words), "{page}");
    }
}
