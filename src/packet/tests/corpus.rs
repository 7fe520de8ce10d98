//! Every capture of the corpus, where it is present.

use std::path::{Path, PathBuf};

use pcap_parser::{Block, PcapBlockOwned, PcapError, create_reader};

use super::*;

/// The corpus beside the repository, or beside the repositories.
fn captures() -> Option<Vec<PathBuf>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = ["../shared/corpus/captures", "../../shared/corpus/captures"]
        .iter()
        .map(|folder| root.join(folder))
        .find(|folder| folder.is_dir())?;
    let mut files: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    Some(files)
}

/// Hand each frame of a capture to `each`; what is damaged ends it.
fn walk(path: &Path, each: &mut impl FnMut(&Frame<'_>)) {
    let file = std::fs::File::open(path).unwrap();
    let Ok(mut reader) = create_reader(1 << 20, file) else { return };
    let mut links: Vec<u16> = Vec::new();
    let mut at = 0;
    loop {
        let (offset, block) = match reader.next() {
            Ok(next) => next,
            Err(PcapError::Incomplete(_)) => {
                if reader.refill().is_err() || reader.reader_exhausted() {
                    return;
                }
                continue;
            }
            Err(_) => return,
        };
        let found = match &block {
            PcapBlockOwned::LegacyHeader(header) => {
                links = vec![u16::try_from(header.network.0 & 0xffff).unwrap()];
                None
            }
            PcapBlockOwned::Legacy(block) => Some((0, block.origlen, block.data)),
            PcapBlockOwned::NG(Block::SectionHeader(_)) => {
                links.clear();
                None
            }
            PcapBlockOwned::NG(Block::InterfaceDescription(block)) => {
                links.push(u16::try_from(block.linktype.0).unwrap());
                None
            }
            PcapBlockOwned::NG(Block::EnhancedPacket(block)) => {
                let data = block.data.get(..block.caplen as usize).unwrap_or(block.data);
                Some((block.if_id as usize, block.origlen, data))
            }
            PcapBlockOwned::NG(Block::SimplePacket(block)) => {
                let length = block.data.len().min(block.origlen as usize);
                Some((0, block.origlen, &block.data[..length]))
            }
            PcapBlockOwned::NG(_) => None,
        };
        if let Some((interface, wire_len, bytes)) = found
            && let Some(link) = links.get(interface)
        {
            at += 1;
            let timestamp = Timestamp::new(1_700_000_000, at);
            each(&Frame { timestamp, link: LinkType(*link), wire_len, bytes });
        }
        reader.consume(offset);
    }
}

#[test]
fn every_capture_is_walked_and_most_of_it_decoded() {
    let Some(files) = captures() else {
        println!("skipped: no corpus");
        return;
    };
    let mut total = super::super::PacketStats::default();
    for path in files {
        let mut decoder = Decoder::new(&Limits::default());
        walk(&path, &mut |frame| {
            let quick = feed(&mut decoder, frame);
            // The quick way and the general one agree on every real frame.
            if !matches!(quick, Err(Skip::FragmentHeld | Skip::FragmentLost)) {
                let mut general = Err(Skip::LinkType);
                let mut other = Decoder::new(&Limits::default());
                let result =
                    other.decode_unusual(frame, &mut |packet| general = Ok(Seen::of(packet)));
                if !matches!(result, Err(Skip::FragmentHeld)) {
                    assert_eq!(quick, result.and(general));
                }
            }
        });
        decoder.finish();
        let stats = decoder.stats();
        let counts: Vec<_> = stats.iter().filter(|(_, count)| *count > 0).collect();
        println!("{} {} {counts:?}", path.file_name().unwrap().display(), stats.frames());
        total.add(stats);
    }
    println!("all: {} {:?}", total.frames(), total.iter().collect::<Vec<_>>());
    assert!(total.segments + total.datagrams > total.frames() / 10 * 9);
}
