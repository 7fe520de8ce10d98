//! Capture files: libpcap, pcap-parser and ours, over all captures and over damaged copies of them.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use pcap_parser::traits::{PcapNGPacketBlock, PcapReaderIterator};
use pcap_parser::{Block, LegacyPcapReader, PcapBlockOwned, PcapError, PcapNGReader};
use tlscensus::capture::file::FileSource;
use tlscensus::capture::{Poll, Source};
use tlscensus::limits::Limits;

use super::common;
use super::random::Random;

/// A packet: nanoseconds since 1970, length on the wire, bytes.
type Packet = (i128, u32, Vec<u8>);

/// What a reader makes of a file: its packets, and whether it read to the end without a complaint.
struct Reading {
    packets: Vec<Packet>,
    whole: bool,
}

fn ours(path: &Path) -> Reading {
    let mut packets = Vec::new();
    let Ok(mut source) = FileSource::open(path, &Limits::default()) else {
        return Reading { packets, whole: false };
    };
    let whole = loop {
        let polled = source.poll(&mut |frame| {
            let at = i128::from(frame.timestamp.as_nanos());
            packets.push((at, frame.wire_len, frame.bytes.to_vec()));
        });
        match polled {
            Ok(Poll::Frames(_) | Poll::Idle) => {}
            Ok(Poll::End) => break true,
            Err(_) => break false,
        }
    };
    Reading { packets, whole }
}

fn libpcap(path: &Path) -> Reading {
    let mut packets = Vec::new();
    let opened = pcap::Capture::from_file_with_precision(path, pcap::Precision::Nano);
    let Ok(mut capture) = opened else { return Reading { packets, whole: false } };
    let whole = loop {
        match capture.next_packet() {
            Ok(packet) => {
                let stamp = packet.header.ts;
                // With this precision the second field holds nanoseconds.
                let at = i128::from(stamp.tv_sec) * 1_000_000_000 + i128::from(stamp.tv_usec);
                packets.push((at, packet.header.len, packet.data.to_vec()));
            }
            Err(pcap::Error::NoMorePackets) => break true,
            Err(_) => break false,
        }
    };
    Reading { packets, whole }
}

fn pcap_parser(path: &Path) -> Reading {
    let is_pcapng = fs::read(path).unwrap().starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]);
    let file = File::open(path).unwrap();
    let nothing = Reading { packets: Vec::new(), whole: false };
    if is_pcapng {
        PcapNGReader::new(1 << 20, file).map_or(nothing, collect)
    } else {
        LegacyPcapReader::new(1 << 20, file).map_or(nothing, collect)
    }
}

fn collect(mut reader: impl PcapReaderIterator) -> Reading {
    let mut packets: Vec<Packet> = Vec::new();
    // Units a second, offset in seconds.
    let mut interfaces: Vec<(u64, i64)> = Vec::new();
    let mut tick = 1_000;
    loop {
        match reader.next() {
            Ok((consumed, block)) => {
                match block {
                    PcapBlockOwned::LegacyHeader(header) => {
                        tick = if header.is_nanosecond_precision() { 1 } else { 1_000 };
                    }
                    PcapBlockOwned::Legacy(record) => packets.push((
                        i128::from(record.ts_sec) * 1_000_000_000
                            + i128::from(record.ts_usec) * tick,
                        record.origlen,
                        record.data.to_vec(),
                    )),
                    PcapBlockOwned::NG(Block::SectionHeader(_)) => interfaces.clear(),
                    PcapBlockOwned::NG(Block::InterfaceDescription(description)) => {
                        let units = description.ts_resolution().unwrap_or_default();
                        interfaces.push((units, description.ts_offset()));
                    }
                    PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
                        let known = interfaces.get(usize::try_from(packet.if_id).unwrap());
                        let Some((units, offset)) = known.filter(|(units, _)| *units > 0) else {
                            return Reading { packets, whole: false };
                        };
                        let ticks = u128::from(packet.ts_high) << 32 | u128::from(packet.ts_low);
                        let at = ticks * 1_000_000_000 / u128::from(*units);
                        let at = i128::try_from(at).unwrap() + i128::from(*offset) * 1_000_000_000;
                        packets.push((at, packet.origlen, packet.packet_data().to_vec()));
                    }
                    PcapBlockOwned::NG(Block::SimplePacket(packet)) => {
                        let last = packets.last().map_or(0, |packet| packet.0);
                        packets.push((last, packet.origlen, packet.packet_data().to_vec()));
                    }
                    PcapBlockOwned::NG(_) => {}
                }
                reader.consume(consumed);
            }
            Err(PcapError::Eof) => return Reading { packets, whole: true },
            Err(PcapError::Incomplete(_)) => {
                if reader.refill().is_err() {
                    return Reading { packets, whole: false };
                }
            }
            Err(_) => return Reading { packets, whole: false },
        }
    }
}

/// A copy that is damaged in one way or another.
fn damaged(random: &mut Random, bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..random.within(1, 3) {
        // Near the beginning is where the formats are.
        let near = if random.chance(50) { bytes.len().min(200) } else { bytes.len() };
        let at = random.below(near.max(1));
        match random.below(6) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes.truncate(at.max(1)),
            2 => {
                let word = *random.pick(&[0, 1, 4, 0x7fff_ffff, 0xffff_ffff, 0x0004_0000]);
                let at = at / 4 * 4;
                if let Some(place) = bytes.get_mut(at..at + 4) {
                    place.copy_from_slice(&u32::to_le_bytes(word));
                }
            }
            3 => {
                let count = random.within(1, 64).min(bytes.len() - at);
                let again = bytes[at..at + count].to_vec();
                bytes.splice(at..at, again);
            }
            4 => {
                let count = random.within(1, 8).min(bytes.len() - at);
                bytes.drain(at..at + count);
            }
            _ => bytes[at] = u8::try_from(random.below(256)).unwrap(),
        }
        if bytes.is_empty() {
            return vec![0];
        }
    }
    bytes
}

/// What may differ where both read all of it, by which reader it is.
#[derive(Default)]
struct Explained {
    /// libpcap takes a length on the wire as it stands, also one that is less than what it has.
    shorter_wire: u64,
    /// Times of pcapng before 1970, by an offset of the interface: they do not fit into ours, and stand
    /// for the last one that did.
    before: u64,
    /// Times behind 2554, likewise: the upper half of the second interface's stamps in one capture
    /// is `ffffffff`, which is the year 586,524 (pcapng's stamps are unsigned; tshark says so as well).
    behind: u64,
    /// libpcap takes the two numbers of a time in a pcap file for signed: seconds from 2038 on, and
    /// fractions of more than half of 2^32, which no sound file has.
    signed: u64,
}

/// The differences of a packet that are no mistake of anybody; `last` is what we say of the one before.
fn same(ours: &Packet, last: Option<&Packet>, theirs: &Packet, explained: &mut Explained) -> bool {
    if ours.2 != theirs.2 {
        return false;
    }
    if ours.1 != theirs.1 {
        let captured = u32::try_from(ours.2.len()).unwrap();
        if theirs.1 >= captured || ours.1 != captured {
            return false;
        }
        explained.shorter_wire += 1;
    }
    let wraps = [4_294_967_296_000_000_000, 4_294_967_296_000, 4_294_967_296];
    if wraps.contains(&(ours.0 - theirs.0)) {
        explained.signed += 1;
    } else if ours.0 != theirs.0 {
        if u64::try_from(theirs.0).is_ok() || ours.0 != last.map_or(0, |last| last.0) {
            return false;
        }
        let count = if theirs.0 < 0 { &mut explained.before } else { &mut explained.behind };
        *count += 1;
    }
    true
}

type Reader = fn(&Path) -> Reading;

#[test]
fn libpcap_and_pcap_parser_read_the_same_packets() {
    let mut files = common::captures();
    if let Some(corpus) = common::corpus() {
        let more = fs::read_dir(corpus.join("captures")).unwrap();
        files.extend(more.map(|entry| entry.unwrap().path()));
        files.sort();
    }
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("capture");
    let others: [(&str, Reader); 2] = [("libpcap", libpcap), ("pcap-parser", pcap_parser)];
    let mut explained = Explained::default();
    let (mut read, mut both) = (0, [0; 2]);
    let mut differences = Vec::new();
    let mut behind = BTreeSet::new();
    for (file, seed) in files.iter().zip(1..) {
        let bytes = fs::read(file).unwrap();
        let copies = if bytes.len() < 60_000 { 12 } else { 0 };
        for copy in 0..=copies {
            let mut random = Random::new(seed * 1_000 + copy);
            let bytes = if copy == 0 { bytes.clone() } else { damaged(&mut random, &bytes) };
            File::create(&path).unwrap().write_all(&bytes).unwrap();
            let ours = ours(&path);
            read += 1;
            for ((name, reader), both) in others.iter().zip(&mut both) {
                let theirs = reader(&path);
                if !(ours.whole && theirs.whole) {
                    continue;
                }
                *both += 1;
                let had = explained.behind;
                let pairs = ours.packets.iter().zip(&theirs.packets);
                let wrong = pairs.enumerate().find(|(number, (a, b))| {
                    let last = number.checked_sub(1).and_then(|last| ours.packets.get(last));
                    !same(a, last, b, &mut explained)
                });
                if explained.behind > had && copy == 0 {
                    let stem = file.file_stem().unwrap().to_str().unwrap();
                    behind.insert((stem.to_owned(), *name));
                }
                let file = file.display();
                if ours.packets.len() != theirs.packets.len() {
                    let (a, b) = (ours.packets.len(), theirs.packets.len());
                    differences.push(format!("{file} {copy} {name}: {a} packets, not {b}"));
                } else if let Some((number, (a, b))) = wrong {
                    let short = |p: &Packet| (p.0, p.1, p.2.len());
                    let (a, b) = (short(a), short(b));
                    differences
                        .push(format!("{file} {copy} {name}: packet {number}: {a:?}, not {b:?}"));
                }
            }
        }
    }
    let Explained { shorter_wire, before, behind: late, signed } = explained;
    eprintln!(
        "{read} files; libpcap and we read {} to the end, pcap-parser and we {}; {shorter_wire} lengths, \
         {before} times before 1970, {late} behind 2554 ({behind:?}) and {signed} signed ones differ as \
         explained",
        both[0], both[1]
    );
    assert!(both.iter().all(|count| *count > 400), "too few files that both read");
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    // Sound captures have no such times, but for that one; libpcap refuses it for its two links.
    for (file, reader) in &behind {
        let known = (file.as_str(), *reader) == ("pcapplusplus-pcapng-example", "pcap-parser");
        assert!(known, "{file}: times behind 2554 ({reader})");
    }
}
