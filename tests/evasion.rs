//! Who hides what he sends: seen through, or said so. Real handshakes are bent in the ways that
//! separate what is watched from what is received, and go through the built program.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail")]

#[path = "common/traffic.rs"]
mod traffic;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use traffic::{Packet, URG, packets, plain};

const LEGACY: &str = "captures/python-tls10.pcap";

fn project(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Run the program and return what it writes.
fn tlscensus(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_tlscensus"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The records of a capture of these packets.
fn records(packets: &[Packet]) -> Vec<Value> {
    records_of(&plain(packets))
}

fn records_of(capture: &[u8]) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.pcap");
    fs::write(&path, capture).unwrap();
    let lines = tlscensus(&["read", "-q", "--flows", "-", path.to_str().unwrap()]);
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What a record says of hiding: id, severity, whom it concerns, and the sentence.
fn signs(record: &Value) -> Vec<[String; 4]> {
    let findings = record["findings"].as_array().unwrap().iter();
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    findings
        .map(|one| ["id", "severity", "concerns", "text"].map(|key| text(one, key)))
        .filter(|[id, ..]| id.starts_with("evasion."))
        .collect()
}

/// The packets of the capture with the legacy client, and which of them is its hello.
fn legacy() -> (Vec<Packet>, usize) {
    let packets = packets(&project(LEGACY));
    let hello = packets.iter().position(|packet| packet.payload.starts_with(&[22, 3])).unwrap();
    (packets, hello)
}

/// A copy of a hello that offers TLS 1.2 and a suite of it, in which nothing else is changed.
fn modern(hello: &Packet) -> Packet {
    let mut copy = hello.clone();
    copy.payload[9..11].copy_from_slice(&[3, 3]);
    let suite = 46 + usize::from(copy.payload[43]);
    copy.payload[suite..suite + 2].copy_from_slice(&[0xc0, 0x2f]);
    copy
}

/// Put instead of one packet those of the same bytes, cut at these places.
fn cut(packets: &mut Vec<Packet>, at: usize, size: usize) {
    let whole = packets.remove(at);
    let pieces = whole.payload.chunks(size).enumerate().map(|(n, piece)| {
        let mut part = Packet { payload: piece.to_vec(), ..whole.clone() };
        let tcp = part.tcp.as_mut().unwrap();
        tcp.seq = tcp.seq.wrapping_add(u32::try_from(n * size).unwrap());
        part
    });
    packets.splice(at..at, pieces.collect::<Vec<_>>());
}

/// Make bytes longer at the front, and move what the end sends and the other acknowledges.
fn prepend(packets: &mut [Packet], at: usize, bytes: &[u8]) {
    let (from, shift) = (packets[at].from, u32::try_from(bytes.len()).unwrap());
    packets[at].payload.splice(0..0, bytes.iter().copied());
    for packet in &mut packets[at + 1..] {
        let sent = packet.from == from;
        let tcp = packet.tcp.as_mut().unwrap();
        let moved = if sent { &mut tcp.seq } else { &mut tcp.ack };
        *moved = moved.wrapping_add(shift);
    }
}

#[test]
fn a_legacy_hello_under_a_modern_one_is_told() {
    let (packets, at) = legacy();
    let real = &packets[at];
    let decoy = Packet { ttl: 1, ..modern(real) };
    let differing = real.payload.iter().zip(&decoy.payload).filter(|(a, b)| a != b).count();
    assert!(differing > 0 && real.payload.len() == decoy.payload.len());
    let [before, after] = [at, at + 1].map(|place| {
        let mut packets = packets.clone();
        packets.insert(place, decoy.clone());
        packets
    });
    // In two halves, the later one first: the hello waits for its beginning.
    let mut waiting = before.clone();
    cut(&mut waiting, at, 40);
    waiting[at..].swap(0, 1);
    let offered = |record: &Value| record["client_hello"]["max_version"].clone();
    for (packets, version) in [(&before, "TLS1.2"), (&after, "TLS1.0"), (&waiting, "TLS1.2")] {
        let records = records(packets);
        assert_eq!(records.len(), 1);
        assert_eq!(offered(&records[0]), version, "{}", records[0]["client_hello"]);
        let signs = signs(&records[0]);
        let [[id, severity, concerns, text]] = signs.as_slice() else {
            panic!("{signs:?}");
        };
        assert_eq!([id, severity, concerns], ["evasion.overlap", "high", "client"]);
        let told = format!("at least {differing} bytes of what the client sent came twice");
        assert!(text.starts_with(&told), "{text}");
    }
    // Without a conflict nothing is told.
    assert!(records(&packets).iter().all(|record| signs(record).is_empty()));
}

#[test]
fn it_is_told_in_the_census_and_its_reports_and_explained() {
    let (mut packets, at) = legacy();
    packets.insert(at, modern(&packets[at]));
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("c.pcap"), plain(&packets)).unwrap();
    let [census, direct, later] = ["c.db", "a.json", "b.json"].map(path);
    tlscensus(&["read", "-q", "--census", &census, "--report", &direct, &path("c.pcap")]);
    tlscensus(&["report", "--report", &later, &census]);
    let [direct, later] = [direct, later].map(|path| fs::read_to_string(path).unwrap());
    assert_eq!(direct, later);
    let inventory: Value = serde_json::from_str(&direct).unwrap();
    let findings = inventory["clients"][0]["stacks"][0]["findings"].as_array().unwrap();
    assert!(findings.iter().any(|one| one["id"] == "evasion.overlap"), "{findings:?}");
    let text = tlscensus(&["explain", "evasion.overlap"]);
    assert!(text.contains("(high)") && text.contains("Keep the capture"), "{text}");
}

#[test]
fn urgent_data_in_the_handshake_is_told() {
    let (mut packets, at) = legacy();
    let tcp = packets[at].tcp.as_mut().unwrap();
    tcp.flags |= URG;
    tcp.urgent = 9;
    let records = records(&packets);
    let signs = signs(&records[0]);
    assert_eq!(signs.len(), 1);
    assert_eq!(signs[0][..3], ["evasion.urgent", "low", "client"].map(str::to_owned));
}

#[test]
fn what_a_reset_says_is_no_data() {
    let (mut packets, at) = legacy();
    let mut reset = modern(&packets[at]);
    reset.tcp.as_mut().unwrap().flags = traffic::RST | traffic::ACK;
    packets.insert(at, reset);
    let records = records(&packets);
    assert_eq!(records[0]["client_hello"]["max_version"], "TLS1.0");
    assert!(signs(&records[0]).is_empty());
}

#[test]
fn a_hello_cut_into_bytes_records_of_nothing_and_wrong_sums_are_seen_through() {
    let (packets, at) = legacy();
    let plainly = records(&packets);
    let same = |what: &str, found: &[Value]| {
        assert_eq!(found.len(), 1, "{what}");
        for key in ["client_hello", "server_hello", "outcome", "history", "findings"] {
            assert_eq!(found[0][key], plainly[0][key], "{what}: {key}");
        }
    };
    let mut bytes = packets.clone();
    cut(&mut bytes, at, 1);
    same("bytes", &records(&bytes));

    // RFC 8446 §5.1 forbids records of nothing before a message; servers step over some.
    let nothing = [22, 3, 1, 0, 0];
    let mut empty = packets.clone();
    prepend(&mut empty, at, &[nothing, nothing].concat());
    same("records of nothing", &records(&empty));
    cut(&mut empty, at, 5);
    same("records of nothing in segments of their own", &records(&empty));

    // Each record of the hello holds a byte of it, and one without any follows.
    let mut single = packets.clone();
    let hello = single[at].payload[5..].to_vec();
    let pieces: Vec<u8> =
        hello.iter().flat_map(|byte| [&[22, 3, 1, 0, 1, *byte][..], &nothing].concat()).collect();
    let grown = pieces.len() - single[at].payload.len();
    prepend(&mut single, at, &vec![0; grown]);
    single[at].payload = pieces;
    cut(&mut single, at, 1000);
    same("records of a byte", &records(&single));

    let mut capture = plain(&packets);
    let mut frame = 24;
    while frame < capture.len() {
        let size = u32::from_le_bytes(capture[frame + 8..frame + 12].try_into().unwrap()) as usize;
        // The sums of IP and TCP: the header begins behind those of the frame and of Ethernet.
        for sum in [24, 50] {
            capture[frame + 16 + sum] ^= 0x55;
        }
        frame += 16 + size;
    }
    same("wrong sums", &records_of(&capture));
}
