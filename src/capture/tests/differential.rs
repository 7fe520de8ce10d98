//! Another reader's opinion: pcap-parser over every capture of the corpus.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use pcap_parser::traits::{PcapNGPacketBlock, PcapReaderIterator};
use pcap_parser::{Block, LegacyPcapReader, PcapBlockOwned, PcapError, PcapNGReader};

use super::{Kept, read_from};
use crate::limits::Limits;

/// The corpus, if it is there.
fn corpus() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    ["../shared/corpus/captures", "../../shared/corpus/captures"]
        .into_iter()
        .map(|path| root.join(path))
        .find(|path| path.is_dir())
}

/// What pcap-parser makes of a file, up to where it gives up.
fn second_opinion(path: &Path, is_pcapng: bool) -> Vec<Kept> {
    let file = File::open(path).unwrap();
    if is_pcapng {
        let reader = PcapNGReader::new(1 << 20, file).unwrap();
        collect(reader)
    } else {
        let reader = LegacyPcapReader::new(1 << 20, file).unwrap();
        collect(reader)
    }
}

fn collect(mut reader: impl PcapReaderIterator) -> Vec<Kept> {
    let mut frames = Vec::new();
    // Link, units a second, offset.
    let mut interfaces: Vec<(u16, u128, i64)> = Vec::new();
    let mut tick = 1;
    loop {
        match reader.next() {
            Ok((consumed, block)) => {
                match block {
                    PcapBlockOwned::LegacyHeader(header) => {
                        tick = if header.is_nanosecond_precision() { 1 } else { 1_000 };
                        let link = u16::try_from(header.network.0 & 0xffff).unwrap();
                        interfaces.push((link, 0, 0));
                    }
                    PcapBlockOwned::Legacy(record) => frames.push(Kept {
                        nanos: u64::from(record.ts_sec) * 1_000_000_000
                            + u64::from(record.ts_usec) * tick,
                        link: interfaces[0].0,
                        wire_len: record.origlen.max(record.caplen),
                        bytes: record.data.to_vec(),
                    }),
                    PcapBlockOwned::NG(Block::SectionHeader(_)) => interfaces.clear(),
                    PcapBlockOwned::NG(Block::InterfaceDescription(description)) => {
                        interfaces.push((
                            description.linktype.0.try_into().unwrap(),
                            description.ts_resolution().unwrap().into(),
                            description.ts_offset(),
                        ));
                    }
                    PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
                        let (link, units, offset) =
                            interfaces[usize::try_from(packet.if_id).unwrap()];
                        let ticks = u128::from(packet.ts_high) << 32 | u128::from(packet.ts_low);
                        let nanos = i128::try_from(ticks * 1_000_000_000 / units).unwrap()
                            + i128::from(offset) * 1_000_000_000;
                        let last = frames.last().map_or(0, |frame| frame.nanos);
                        frames.push(Kept {
                            nanos: nanos.try_into().unwrap_or(last),
                            link,
                            wire_len: packet.origlen.max(packet.caplen),
                            bytes: packet.packet_data().to_vec(),
                        });
                    }
                    PcapBlockOwned::NG(Block::SimplePacket(packet)) => {
                        frames.push(Kept {
                            nanos: frames.last().map_or(0, |frame| frame.nanos),
                            link: interfaces[0].0,
                            wire_len: packet.origlen,
                            bytes: packet.packet_data().to_vec(),
                        });
                    }
                    PcapBlockOwned::NG(_) => {}
                }
                reader.consume(consumed);
            }
            Err(PcapError::Incomplete(_)) => {
                if reader.refill().is_err() {
                    return frames;
                }
            }
            Err(_) => return frames,
        }
    }
}

#[test]
fn pcap_parser_sees_the_same_frames_in_the_corpus() {
    let Some(corpus) = corpus() else {
        println!("skipped: no corpus");
        return;
    };
    let mut captures = 0;
    for entry in fs::read_dir(corpus).unwrap() {
        let path = entry.unwrap().path();
        let is_pcapng = fs::read(&path).unwrap().starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]);
        let outcome = read_from(File::open(&path).unwrap(), &Limits::default());
        if let Err(error) = &outcome.end {
            println!("{}: {error}", path.display());
        }
        let second = second_opinion(&path, is_pcapng);
        assert_eq!(outcome.frames.len(), second.len(), "{}", path.display());
        for (number, (ours, theirs)) in outcome.frames.iter().zip(&second).enumerate() {
            assert_eq!(ours, theirs, "{} packet {number}", path.display());
        }
        captures += 1;
    }
    assert!(captures > 0);
    println!("{captures} captures compared");
}
