//! Bombs of compressed captures: much out of little, packed twice, and windows that nobody has.

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::capture::Capture;
use super::{Bound, measure_file};

/// A capture of so many packets of 60,000 zeros.
fn zeros(count: usize) -> Vec<u8> {
    let mut capture = Capture::new();
    for _ in 0..count {
        capture.frame(&vec![0; 60_000]);
    }
    capture.bytes
}

/// What a tool makes of bytes.
fn pack(packer: &[&str], bytes: Vec<u8>) -> Vec<u8> {
    let mut child = Command::new(packer[0])
        .args(&packer[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(&bytes).unwrap());
    let packed = child.wait_with_output().unwrap().stdout;
    writer.join().unwrap();
    packed
}

fn is_here(packer: &[&str]) -> bool {
    let here = Command::new(packer[0]).arg("--version").output().is_ok();
    if !here {
        eprintln!("skipped: no {} here", packer[0]);
    }
    here
}

const GZIP: &[&str] = &["gzip", "-9"];
const XZ: &[&str] = &["xz", "-1"];
const ZSTD: &[&str] = &["zstd", "-q"];

#[test]
fn much_out_of_little() {
    // The cost is that of what is unpacked: as much more than what is read as the format allows.
    for (name, file, packer, nanoseconds) in [
        ("gzip: 1,000 to 1", "bomb.pcap.gz", GZIP, 2_000.0),
        ("xz: 6,000 to 1", "bomb.pcap.xz", XZ, 60_000.0),
        ("zstd: 10,000 to 1", "bomb.pcap.zst", ZSTD, 10_000.0),
    ] {
        if is_here(packer) {
            let bound = Bound { nanoseconds, memory: 250 };
            let make = |size| pack(packer, zeros(size));
            measure_file(name, &bound, 1_000, file, &["read"], &[0, 1, 4], make);
        }
    }
    let bound = Bound { nanoseconds: 500.0, memory: 250 };
    measure_file("lz4: 250 to 1", &bound, 1_000, "bomb.pcap.lz4", &["read"], &[0], |size| {
        let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
        encoder.write_all(&zeros(size)).unwrap();
        encoder.finish().unwrap()
    });
}

/// What is packed twice is refused by name: what is inside is not unpacked.
#[test]
fn packed_twice() {
    for (name, file, inner, outer) in [
        ("gzip in gzip", "bomb.pcap.gz", GZIP, GZIP),
        ("gzip in zstd", "bomb.pcap.zst", GZIP, ZSTD),
        ("zstd in xz", "bomb.pcap.xz", ZSTD, XZ),
    ] {
        if is_here(inner) && is_here(outer) {
            let bound = Bound { nanoseconds: 1_000.0, memory: 100 };
            let make = |size| pack(outer, pack(inner, zeros(size)));
            measure_file(name, &bound, 1_000, file, &["read"], &[1], make);
        }
    }
}

/// A capture in a frame of Zstandard that asks for a window of `2^log` bytes: each packet is 128 KiB of
/// zeros, in a block of one byte again and again (RFC 8878 §3.1.1).
fn zstd(log: u8, packets: usize) -> Vec<u8> {
    const PACKET: u32 = 128 << 10;
    let block = |kind: u32, size: u32, bytes: &[u8]| {
        [&(size << 3 | kind << 1).to_le_bytes()[..3], bytes].concat()
    };
    let raw = |bytes: &[u8]| block(0, bytes.len() as u32, bytes);
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0, (log - 10) << 3];
    frame.extend(raw(&zeros(0)));
    for _ in 0..packets {
        let header = [1_700_000_000, 0, PACKET, PACKET].map(u32::to_le_bytes);
        frame.extend(raw(header.as_flattened()));
        frame.extend(block(1, PACKET, &[0]));
    }
    frame.extend([1, 0, 0]);
    frame
}

/// A capture packed by xz, that says it needs a dictionary of this size (a byte, `.xz` format §5.3.1).
fn xz(dictionary: u8, packets: usize) -> Vec<u8> {
    let mut packed = pack(&["xz", "-1", "-T1", "--check=none"], zeros(packets));
    // Behind the header of the stream that of the block: size, flags, the one filter, and its sum.
    let size = (usize::from(packed[12]) + 1) * 4;
    let filter = packed[12..12 + size].windows(2).position(|pair| pair == [0x21, 1]).unwrap();
    packed[12 + filter + 2] = dictionary;
    let mut sum = flate2::Crc::new();
    sum.update(&packed[12..12 + size - 4]);
    packed[12 + size - 4..12 + size].copy_from_slice(&sum.sum().to_le_bytes());
    packed
}

#[test]
fn windows_that_nobody_has() {
    // 2 GiB, and 1 TiB: refused before anything is asked for.
    for (name, log) in [("zstd: a window of 2 GiB", 31), ("zstd: a window of 1 TiB", 40)] {
        let bound = Bound { nanoseconds: 500.0, memory: 40 };
        let make = |size| zstd(log, size);
        measure_file(name, &bound, 100_000, "bomb.pcap.zst", &["read"], &[1], make);
    }
    // The largest that is believed is paid for, and not more than twice while it fills.
    let bound = Bound { nanoseconds: 10_000.0, memory: 450 };
    let full = |size| zstd(27, size);
    measure_file(
        "zstd: a window of 128 MiB",
        &bound,
        1_100,
        "bomb.pcap.zst",
        &["read"],
        &[0],
        full,
    );
    if !is_here(XZ) {
        return;
    }
    let bound = Bound { nanoseconds: 60_000.0, memory: 40 };
    let most = |size| xz(40, size);
    measure_file("xz: a dictionary of 4 GiB", &bound, 100, "bomb.pcap.xz", &["read"], &[1], most);
    let bound = Bound { nanoseconds: 60_000.0, memory: 300 };
    let full = |size| xz(30, size);
    measure_file(
        "xz: a dictionary of 128 MiB",
        &bound,
        1_000,
        "bomb.pcap.xz",
        &["read"],
        &[0],
        full,
    );
}
