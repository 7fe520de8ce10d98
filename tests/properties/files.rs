//! A capture may lie in any number of files, compressed or not: the records are the same.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::change::Dice;
use crate::compare::{Records, assert_same};
use crate::traffic::{Packet, plain};
use crate::{Bench, Case, common};

/// What all files of a folder tell together.
fn of_folder(bench: &Bench, folder: &Path) -> Records {
    let (lines, _) = common::read(&[folder.to_owned()], &bench.settings);
    let lines = String::from_utf8(lines).unwrap();
    Records::new(lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect())
}

/// Write a capture as so many files, cut between any two packets.
fn write_cut(folder: &Path, packets: &[Packet], mut cuts: Vec<usize>, pack: bool) {
    cuts.extend([0, packets.len()]);
    cuts.sort_unstable();
    cuts.dedup();
    for (n, ends) in cuts.windows(2).enumerate() {
        let bytes = plain(&packets[ends[0]..ends[1]]);
        let packed = pack && n % 2 == 1;
        let name = format!("{n:05}.pcap{}", if packed { ".gz" } else { "" });
        fs::write(folder.join(name), if packed { gzip(&bytes) } else { bytes }).unwrap();
    }
}

/// Most packets of a capture that is cut between all of them.
const SMALL: usize = 60;

#[test]
fn cut_into_the_files_of_a_folder() {
    let bench = Bench::new();
    let mut failures = Vec::new();
    for Case { name, packets, records, .. } in bench.cases() {
        let mut ways: Vec<(String, Vec<usize>)> = (0..3)
            .map(|seed| {
                let mut dice = Dice::new(seed);
                let files = 1 + dice.below(6);
                (format!("seed {seed}"), (0..files).map(|_| dice.below(packets.len())).collect())
            })
            .collect();
        // A file has no other order than its own; between files there is none but that of time.
        if packets.len() <= SMALL && packets.is_sorted_by_key(|packet| packet.at) {
            ways.push(("each packet alone".into(), (0..packets.len()).collect()));
        }
        for (way, cuts) in ways {
            let folder = tempfile::tempdir().unwrap();
            write_cut(folder.path(), &packets, cuts, cfg!(feature = "compression"));
            let found = of_folder(&bench, folder.path());
            failures.extend(assert_same(&format!("{name}, {way}"), &records, &found, &[]));
        }
    }
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn a_connection_is_recorded_under_the_file_in_which_it_began() {
    let bench = Bench::new();
    let case = bench.case(&common::project("captures/tls12-ecdhe-rsa.pcap"));
    let folder = tempfile::tempdir().unwrap();
    write_cut(folder.path(), &case.packets, vec![6], false);
    let (lines, _) = common::read(&[folder.path().to_owned()], &bench.settings);
    let record: Value = serde_json::from_slice(&lines).unwrap();
    assert!(record["source"].as_str().unwrap().ends_with("00000.pcap"), "{}", record["source"]);
    // A file that begins long after the other one ended is another capture.
    let mut apart = case.packets;
    apart.iter_mut().skip(6).for_each(|packet| packet.at += 300_000_000_000);
    write_cut(folder.path(), &apart, vec![6], false);
    let (lines, _) = common::read(&[folder.path().to_owned()], &bench.settings);
    assert_eq!(String::from_utf8(lines).unwrap().lines().count(), 2);
}

#[cfg(feature = "compression")]
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[cfg(not(feature = "compression"))]
fn gzip(bytes: &[u8]) -> Vec<u8> {
    bytes.to_vec()
}

#[cfg(feature = "compression")]
fn lz4(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[cfg(feature = "compression")]
fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

/// What there is no encoder for here.
fn xz(bytes: &[u8]) -> Option<Vec<u8>> {
    let spawned =
        Command::new("xz").arg("-1c").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = spawned.ok()?;
    // Small enough for the pipe to hold what comes out meanwhile.
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    Some(child.wait_with_output().unwrap().stdout)
}

#[cfg(feature = "compression")]
#[test]
fn compressed_whole_and_in_members() {
    let bench = Bench::new();
    let mut failures = Vec::new();
    let mut dice = Dice::new(5);
    let with_xz = xz(b"").is_some();
    if !with_xz {
        eprintln!("skipped for xz: it is not installed");
    }
    for Case { name, packets, records, .. } in bench.cases() {
        let bytes = plain(&packets);
        let (front, back) = bytes.split_at(dice.below(bytes.len()));
        let middle = [b"".as_slice(), front, b"", back, b""];
        let members = |pack: &dyn Fn(&[u8]) -> Vec<u8>| middle.map(pack).concat();
        let mut packed = vec![
            ("gz", gzip(&bytes)),
            ("gz in members", members(&gzip)),
            ("zst", zstd(&bytes)),
            ("zst in members", members(&zstd)),
            ("lz4", lz4(&bytes)),
            ("lz4 in members", members(&lz4)),
        ];
        if with_xz && bytes.len() < 200_000 {
            packed.push(("xz in members", [front, back].map(|part| xz(part).unwrap()).concat()));
        }
        for (way, bytes) in packed {
            let found = bench.read(&bytes);
            failures.extend(assert_same(&format!("{name} as {way}"), &records, &found, &[]));
        }
    }
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures.join("\n"));
}

#[cfg(feature = "compression")]
#[test]
fn compressed_and_cut_short() {
    let bench = Bench::new();
    let mut failures = Vec::new();
    for name in ["office-network.pcap", "hello-many-records.pcap", "quic-v1.pcap"] {
        let Case { packets, .. } = bench.case(&common::project("captures").join(name));
        let bytes = plain(&packets);
        for percent in [20, 50, 80, 95] {
            let mut dice = Dice::new(percent);
            let (front, back) = bytes.split_at(dice.below(bytes.len()));
            let packed = [gzip(front), gzip(back)].concat();
            let size = packed.len() * usize::try_from(percent).unwrap() / 100;
            // What is left, unpacked by another program as far as it goes.
            let left = gunzip(&packed[..size]);
            let expected = bench.read(&left);
            let found = bench.read(&packed[..size]);
            let what = format!("{name}, {percent} % of it");
            failures.extend(assert_same(&what, &expected, &found, &[]));
        }
    }
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures.join("\n"));
}

/// As far as it goes.
#[cfg(feature = "compression")]
fn gunzip(mut packed: &[u8]) -> Vec<u8> {
    use std::io::Read;

    let mut out = Vec::new();
    let mut decoder = flate2::bufread::MultiGzDecoder::new(&mut packed);
    let mut byte = [0];
    while matches!(decoder.read(&mut byte), Ok(1)) {
        out.push(byte[0]);
    }
    out
}
