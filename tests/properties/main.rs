//! What a capture does to a conversation does not change its record.
//!
//! Every capture of the project is taken apart into packets, changed in the ways that SPAN ports,
//! networks and capture tools change traffic, and read again: each record must be the same, but for
//! the fields that a change names.

#![allow(unreachable_pub, reason = "the modules of one test")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail")]
#![allow(clippy::print_stderr, reason = "a test says what it skips")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/traffic.rs"]
mod traffic;

/// A test for each change, in every capture of a kind.
macro_rules! changes {
    (in $cases:path, $changes:ident; $($test:ident: $name:literal;)*) => {$(
        #[test]
        fn $test() {
            crate::every_capture($cases, $changes, $name);
        }
    )*};
}

mod change;
mod compare;
mod datagram;
#[cfg(feature = "compression")]
mod files;
mod wrap;

use std::fs;
use std::path::{Path, PathBuf};

use change::{CHANGES, Change, Dice};
use compare::{Records, assert_same};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};
use tlscensus::pipeline::Settings;
use traffic::{ETHERNET, Format, Frame, Packet, SYN, capture, packets, plain};
use wrap::{WRAPS, fragments};

/// One capture, and what is said of it as it is.
struct Case {
    name: String,
    path: PathBuf,
    packets: Vec<Packet>,
    records: Records,
}

/// A place to write to, and how to read.
struct Bench {
    folder: tempfile::TempDir,
    settings: Settings,
}

impl Bench {
    fn new() -> Self {
        let settings = common::settings(1, &["dataverse"]);
        Self { folder: tempfile::tempdir().unwrap(), settings }
    }

    fn read(&self, capture: &[u8]) -> Records {
        let path = self.folder.path().join("capture");
        fs::write(&path, capture).unwrap();
        self.read_file(&path)
    }

    fn read_file(&self, path: &Path) -> Records {
        Records::new(common::records(path, &self.settings))
    }

    /// Those that consist of packets that can be written again: IP, and not bare EAP.
    fn cases(&self) -> Vec<Case> {
        let cases = common::captures().into_iter().map(|path| self.case(&path));
        cases.filter(|case| !case.name.contains("wired")).collect()
    }

    /// Those of TCP.
    fn streams(&self) -> Vec<Case> {
        let mut cases = self.cases();
        cases.retain(|case| case.packets.iter().all(|packet| packet.tcp.is_some()));
        cases
    }

    /// Those of DTLS and QUIC. RADIUS, which carries log-ins, goes in lockstep.
    fn datagrams(&self) -> Vec<Case> {
        let mut cases = self.cases();
        cases.retain(|case| case.packets.iter().all(|packet| packet.tcp.is_none()));
        cases.retain(|case| !case.name.contains("radius"));
        assert!(cases.len() >= 5, "captures of DTLS and QUIC are gone");
        cases
    }

    fn case(&self, path: &Path) -> Case {
        let packets = packets(path);
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let records = self.read(&plain(&packets));
        Case { name, path: path.to_owned(), packets, records }
    }
}

/// The captures of TCP.
fn streams() -> Vec<PathBuf> {
    let mut paths = common::captures();
    paths.retain(|path| packets(path).iter().all(|packet| packet.tcp.is_some()));
    paths.retain(|path| !path.to_string_lossy().contains("wired"));
    paths
}

/// One change in every capture of a kind.
fn every_capture(cases: fn(&Bench) -> Vec<Case>, changes: &[Change], name: &str) {
    let change = changes.iter().find(|change| change.name == name).unwrap();
    let bench = Bench::new();
    let mut failures = Vec::new();
    for case in cases(&bench) {
        for seed in 0..change.seeds {
            let changed = (change.apply)(&case.packets, &mut Dice::new(seed));
            let found = bench.read(&plain(&changed));
            let what = format!("{} {name}, seed {seed}", case.name);
            failures.extend(assert_same(&what, &case.records, &found, change.may_differ));
        }
    }
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn taken_apart_and_written_again() {
    let bench = Bench::new();
    let mut failures = Vec::new();
    for case in bench.cases() {
        let found = bench.read_file(&case.path);
        let may = ["vlan", "tunnel", "client.mac", "server.mac", "ts", "handshake_ms"];
        failures.extend(assert_same(&case.name, &found, &case.records, &may));
    }
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures.join("\n"));
}

changes! {
    in Bench::streams, CHANGES;
    permuted: "permuted";
    doubled: "doubled";
    doubled_by_routing: "doubled by routing";
    doubled_by_routing_between_vlans: "doubled by routing between VLANs";
    one_vlan_for_each_direction: "one VLAN for each direction";
    a_vlan_tag_in_one_direction_only: "a VLAN tag in one direction only";
    cut_smaller: "cut smaller";
    cut_into_bytes: "cut into bytes";
    glued_larger: "glued larger";
    overlapping: "overlapping";
    retransmitted: "retransmitted";
    kept_alive: "kept alive";
    wrapped_around: "wrapped around";
    without_syns: "without SYNs";
    acknowledged_before_it_was_sent: "acknowledged before it was sent";
    with_data_in_the_syn: "with data in the SYN";
    without_pure_acknowledgements: "without pure acknowledgements";
    without_fins: "without FINs";
    with_ports_used_again: "with ports used again";
    with_ports_used_again_without_syns: "with ports used again, no SYNs";
    silent_before_tls: "silent before TLS";
}

#[test]
fn carried_in_tunnels_and_captured_on_other_links() {
    let bench = Bench::new();
    let mut failures = Vec::new();
    for case in bench.cases() {
        // A tunnel over IP has no room for packets that a card has yet to cut up.
        if case.packets.iter().any(|packet| packet.payload.len() > 60_000) {
            continue;
        }
        for (name, link, wrap) in WRAPS {
            let frames: Vec<Frame> = case.packets.iter().map(wrap).collect();
            let found = bench.read(&capture(&frames, *link, Format::Nano));
            let may = ["vlan", "tunnel", "client.mac", "server.mac"];
            let what = format!("{} in {name}", case.name);
            failures.extend(assert_same(&what, &case.records, &found, &may));
        }
    }
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn cut_into_ip_fragments() {
    let bench = Bench::new();
    let mut failures = Vec::new();
    for case in bench.cases() {
        for (size, backwards) in [(8, false), (64, true), (552, false)] {
            let frames: Vec<Frame> = case
                .packets
                .iter()
                .zip(1..)
                .flat_map(|(packet, id)| fragments(packet, size, backwards, id))
                .collect();
            let found = bench.read(&capture(&frames, ETHERNET, Format::Nano));
            let what = format!("{} in fragments of {size}", case.name);
            failures.extend(assert_same(&what, &case.records, &found, &[]));
        }
    }
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn kept_in_other_file_formats() {
    let bench = Bench::new();
    let mut failures = Vec::new();
    for case in bench.cases() {
        let frames: Vec<Frame> = case.packets.iter().map(Packet::frame).collect();
        for format in [Format::Micro, Format::BigEndian, Format::Ng, Format::NgBigEndian] {
            let found = bench.read(&capture(&frames, ETHERNET, format));
            let what = format!("{} as {format:?}", case.name);
            failures.extend(assert_same(&what, &case.records, &found, &[]));
        }
    }
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn read_with_any_number_of_threads_and_in_any_order() {
    let one = Bench::new();
    let four = Bench { settings: common::settings(4, &["dataverse"]), ..Bench::new() };
    let paths = common::captures();
    let (lines, _) = common::read(&paths, &one.settings);
    let (again, _) = common::read(&paths, &four.settings);
    assert!(lines == again, "1 and 4 threads differ");
    // In two folders, and the other way round.
    let mut sorted: Vec<_> = lines.split(|byte| *byte == b'\n').collect();
    let reversed: Vec<_> = paths.iter().rev().cloned().collect();
    let (again, _) = common::read(&reversed, &four.settings);
    let mut found: Vec<_> = again.split(|byte| *byte == b'\n').collect();
    sorted.sort_unstable();
    found.sort_unstable();
    assert!(sorted == found, "the order of files changes records");
}

proptest! {
    #![proptest_config(Config {
        cases: 150,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(7),
        ..Config::default()
    })]

    /// Several changes of one capture, one after the other.
    #[test]
    fn changed_again_and_again(
        which in any::<prop::sample::Index>(),
        steps in prop::collection::vec((0..CHANGES.len(), any::<u64>()), 2..4),
    ) {
        thread_local!(static PATHS: Vec<PathBuf> = streams());
        let paths = PATHS.with(Clone::clone);
        thread_local!(static BENCH: Bench = Bench::new());
        BENCH.with(|bench| {
            let case = bench.case(&paths[which.index(paths.len())]);
            let mut packets = case.packets.clone();
            let mut may: Vec<&str> = Vec::new();
            let mut names = case.name.clone();
            let named = |name: &str| steps.iter().any(|(step, _)| CHANGES[*step].name.contains(name));
            // Which of two connections on the same ports a packet is of is only told by its order, and
            // copies of the first one do not come after the second one's SYN.
            let reordered = steps.iter().any(|(step, _)| CHANGES[*step].may_differ.contains(&"ts"));
            let mixed = reordered || named("doubled") || named("retransmitted");
            // Without a SYN the beginning is told by what stands in it, which takes a few bytes.
            let unopened = named("without SYNs")
                || named("no SYNs")
                || !case.packets.iter().any(|packet| packet.is(SYN));
            let skipped = |name: &str| match name {
                "with ports used again" | "with ports used again, no SYNs" => mixed || unopened,
                // A gap of time in the middle of a message ends the flow that it is in.
                "silent before TLS" => true,
                "cut smaller" | "cut into bytes" | "overlapping" => unopened,
                _ => false,
            };
            for &(step, seed) in &steps {
                if skipped(CHANGES[step].name) {
                    continue;
                }
                let change: &Change = &CHANGES[step];
                if packets.len() < 3_000 {
                    packets = (change.apply)(&packets, &mut Dice::new(seed));
                    may.extend(change.may_differ);
                    names = format!("{names}, {}", change.name);
                }
            }
            let found = bench.read(&plain(&packets));
            let failures = assert_same(&names, &case.records, &found, &may);
            prop_assert!(failures.is_empty(), "{}", failures.join("\n"));
            Ok(())
        })?;
    }
}
