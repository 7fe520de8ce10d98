//! What random conversations and attacks found, each with a test of its own.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail")]
#![allow(
    clippy::pedantic,
    clippy::precedence,
    clippy::redundant_clone,
    clippy::or_fun_call,
    clippy::use_self,
    reason = "numbers of a test are its own, and lists of what there is are long"
)]

#[path = "common/mod.rs"]
mod common;
#[path = "common/traffic.rs"]
mod traffic;

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Stdio};

use serde_json::Value;
use traffic::{Packet, cut, packets, plain, prepend};

const RETRY: &str = "captures/tls13-hello-retry.pcap";

fn records(packets: &[Packet]) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.pcap");
    fs::write(&path, plain(packets)).unwrap();
    common::records(&path, &common::settings(1, &["dataverse"]))
}

/// The packets of the capture with a HelloRetryRequest, and which of them is the second hello: it
/// stands behind a ChangeCipherSpec.
fn retry() -> (Vec<Packet>, usize) {
    let packets = packets(&common::project(RETRY));
    let second = |packet: &Packet| {
        matches!(packet.payload.as_slice(), [20, 3, 3, 0, 1, 1, 22, 3, 3, _, _, 1, ..])
    };
    let at = packets.iter().position(second).unwrap();
    (packets, at)
}

#[test]
fn a_second_hello_that_is_sent_again_is_no_connection() {
    let (mut packets, at) = retry();
    let plainly = records(&packets);
    assert_eq!(plainly.len(), 1);
    let mut again = packets[at].clone();
    again.payload.drain(..6);
    let tcp = again.tcp.as_mut().unwrap();
    tcp.seq = tcp.seq.wrapping_add(6);
    // When all is said, but for the end.
    let data = packets.iter().rposition(|packet| !packet.payload.is_empty()).unwrap();
    packets.insert(data + 1, again);
    assert_eq!(records(&packets), plainly);
}

#[test]
fn a_second_hello_in_many_records_is_read() {
    let (packets, at) = retry();
    let plainly = records(&packets);
    for size in [1, 3, 5, 20, 100] {
        let mut packets = packets.clone();
        let hello = packets[at].payload[11..].to_vec();
        let sized = |piece: &[u8]| u16::try_from(piece.len()).unwrap().to_be_bytes();
        let in_records =
            hello.chunks(size).flat_map(|piece| [&[22, 3, 3][..], &sized(piece), piece].concat());
        let bytes: Vec<u8> = packets[at].payload[..6].iter().copied().chain(in_records).collect();
        let grown = bytes.len() - packets[at].payload.len();
        prepend(&mut packets, at, &vec![0; grown]);
        packets[at].payload = bytes;
        cut(&mut packets, at, 1_000);
        let found = records(&packets);
        for key in ["client_hello", "server_hello", "outcome", "history"] {
            assert_eq!(found[0][key], plainly[0][key], "{size}: {key}");
        }
    }
}

#[test]
fn a_record_begins_with_its_first_byte_and_not_when_that_was_understood() {
    let mut packets = packets(&common::project("captures/tls12-ecdhe-rsa.pcap"));
    let at = packets.iter().position(|packet| packet.payload.starts_with(&[22, 3])).unwrap();
    let plainly = records(&packets);
    cut(&mut packets, at, 2);
    let later = packets[at + 1..].iter_mut();
    later.for_each(|packet| packet.at += 700_000_000);
    assert_eq!(records(&packets)[0]["ts"], plainly[0]["ts"]);
}

#[test]
fn an_end_that_only_answered_the_syn_was_seen() {
    let mut packets = packets(&common::project("captures/tls12-ecdhe-rsa.pcap"));
    let at = packets.iter().position(|packet| packet.payload.starts_with(&[22, 3])).unwrap();
    packets.truncate(at + 1);
    assert_eq!(records(&packets)[0]["seen"]["sides"], "both");
    packets.drain(..at);
    assert_eq!(records(&packets)[0]["seen"]["sides"], "client");
}

fn tlscensus(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_tlscensus"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// A capture is evidence: `--flows` and its own name are a slip of the hand away from each other.
#[test]
fn an_output_is_not_written_over_an_input_or_another_output() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let [input, link, roundabout] = ["in.pcap", "link.json", "./in.pcap"].map(path);
    fs::copy(common::project("captures/curl.pcap"), &input).unwrap();
    std::os::unix::fs::symlink(&input, &link).unwrap();
    let bytes = fs::read(&input).unwrap();
    let everything = folder.path().to_str().unwrap();
    for arguments in [
        &["read", &input, "--flows", &input][..],
        &["read", &input, "--flows", &roundabout],
        &["read", &input, "--census", &input],
        &["read", &input, "--report", &link],
        &["read", everything, "--flows", &input],
        &["read", &input, "--flows", &path("x.json"), "--report", &path("x.json")],
        &["read", &input, "--flows", &path("x"), "--census", &path("./x")],
        &["read", &input, "--report", &path("x.csv"), "--report", &path("x.csv")],
    ] {
        let (code, told) = tlscensus(arguments);
        assert_eq!(code, Some(2), "{arguments:?}: {told}");
        assert!(told.contains("overwrite the input") || told.contains("two outputs"), "{told}");
        assert!(fs::read(&input).unwrap() == bytes, "{arguments:?}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing was written");
    // Devices may be named as often as one likes.
    let (code, told) = tlscensus(&["read", "-q", &input, "--flows", "/dev/null"]);
    assert_eq!(code, Some(0), "{told}");
}

/// A census from elsewhere may hold whatever SQL its maker liked.
#[test]
fn a_prepared_census_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let good = path("good.db");
    let office = common::project("captures/office-network.pcap");
    let office = office.to_str().unwrap();
    assert_eq!(tlscensus(&["read", "-q", "--census", &good, office]).0, Some(0));
    let endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c";
    for (number, change) in [
        format!("ALTER TABLE hosts RENAME TO h; CREATE VIEW hosts AS {endless}"),
        "CREATE TRIGGER t AFTER INSERT ON sources BEGIN DELETE FROM edges; END".to_owned(),
        "ALTER TABLE hosts ADD COLUMN z TEXT AS (hex(zeroblob(1000000))) VIRTUAL".to_owned(),
    ]
    .iter()
    .enumerate()
    {
        let file = path(&format!("{number}.db"));
        fs::copy(&good, &file).unwrap();
        let sql = rusqlite::Connection::open(&file).unwrap();
        sql.execute_batch(&format!("PRAGMA foreign_keys = OFF; {change}")).unwrap();
        drop(sql);
        for arguments in
            [&["report", &file][..], &["diff", &good, &file], &["read", "--census", &file, office]]
        {
            let (code, told) = tlscensus(arguments);
            assert!(matches!(code, Some(1 | 2)), "{change}: {arguments:?}");
            assert!(told.contains("not those of a census"), "{told}");
        }
    }
    // What people add to look at it is theirs.
    let sql = rusqlite::Connection::open(&good).unwrap();
    sql.execute_batch("CREATE VIEW mine AS SELECT ip FROM hosts").unwrap();
    drop(sql);
    assert_eq!(tlscensus(&["report", "-q", &good]).0, Some(0));
}

/// A name is whatever the one who wrote the file liked.
#[test]
fn names_of_files_are_no_commands_to_the_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let name = b"x\x1b[2J\x1b]0;owned\x07\nhint: all is well\xff.pcap";
    let bytes = fs::read(common::project("captures/curl.pcap")).unwrap();
    fs::write(folder.path().join(std::ffi::OsStr::from_bytes(name)), &bytes[..60]).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_tlscensus"))
        .arg("read")
        .arg(folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(4));
    for text in [&output.stdout, &output.stderr] {
        let text = String::from_utf8_lossy(text);
        let command = |c: char| c.is_control() && c != '\n';
        assert!(!text.contains(command), "{text:?}");
        assert!(!text.lines().any(|line| line.starts_with("hint: all is well")), "{text}");
    }
    assert!(String::from_utf8_lossy(&output.stderr).contains("\\u{1b}[2J"));
}

/// What is named on the command line may be a device that never ends.
#[test]
fn a_named_file_that_never_ends_is_refused() {
    let capture = "captures/tls12-ecdhe-rsa.pcap";
    for option in ["--policy", "--trust", "--exceptions", "--hosts"] {
        let (code, words) = tlscensus(&["read", "-q", option, "/dev/zero", capture]);
        assert_eq!(code, Some(2), "{option}: {words}");
        assert!(words.contains("/dev/zero") && words.contains("64 MiB"), "{option}: {words}");
    }
}
