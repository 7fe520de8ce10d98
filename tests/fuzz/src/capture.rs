//! The capture reader: classic pcap, pcapng and all compressions, in one read and in dribbles.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read};
use std::path::Path;

use tlscensus::capture::file::FileSource;
use tlscensus::capture::{CaptureStats, Poll, Source};
use tlscensus::limits::Limits;

use super::heap;

/// Compressed data may unpack to any amount; so much of it is looked at.
const ENOUGH: u64 = 8 << 20;

/// What a decompressor may hold: its window, twice while it grows, and tables.
const WINDOWS: usize = (2 * 128 + 8) << 20;

/// Hands out at most `step` bytes a read.
struct Dribble {
    bytes: Vec<u8>,
    at: usize,
    step: usize,
}

impl Read for Dribble {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let rest = &self.bytes[self.at..];
        let count = rest.len().min(space.len()).min(self.step);
        space[..count].copy_from_slice(&rest[..count]);
        self.at += count;
        Ok(count)
    }
}

/// What a reading came to: frames by their hash, counters, and why it ended.
#[derive(Debug, PartialEq, Eq)]
struct Reading {
    frames: u64,
    hash: u64,
    bytes: u64,
    cut: u64,
    end: Option<String>,
}

fn read(data: &[u8], step: usize, limits: &Limits) -> (Reading, CaptureStats) {
    let reader = Dribble { bytes: data.to_vec(), at: 0, step };
    let mut hash = DefaultHasher::new();
    let mut reading = Reading { frames: 0, hash: 0, bytes: 0, cut: 0, end: None };
    let mut source = match FileSource::from_reader(Path::new("-"), reader, limits) {
        Ok(source) => source,
        Err(error) => {
            reading.end = Some(error.to_string());
            return (reading, CaptureStats::default());
        }
    };
    loop {
        let polled = source.poll(&mut |frame| {
            assert!(frame.bytes.len() <= limits.block_bytes as usize);
            reading.frames += 1;
            reading.bytes += frame.bytes.len() as u64;
            reading.cut += u64::from((frame.wire_len as usize) > frame.bytes.len());
            let what = (frame.timestamp.as_nanos(), frame.link.0, frame.wire_len, frame.bytes);
            what.hash(&mut hash);
        });
        match polled {
            Ok(Poll::End) => break,
            Ok(_) if reading.bytes > ENOUGH => {
                reading.end = Some("enough".to_owned());
                break;
            }
            Ok(Poll::Frames(count)) => assert!(count > 0),
            Ok(Poll::Idle) => panic!("a file is never idle"),
            Err(error) => {
                reading.end = Some(error.to_string());
                // It stays at its end.
                assert!(matches!(source.poll(&mut |_| panic!("after the end")), Ok(Poll::End)));
                break;
            }
        }
    }
    reading.hash = hash.finish();
    (reading, source.stats())
}

pub fn check(data: &[u8]) {
    let limits = Limits { block_bytes: 1 << 16, interfaces: 256, ..Limits::default() };
    let magic = data.get(..4).unwrap_or_default();
    let plain = matches!(
        magic,
        [0xd4, 0xc3, 0xb2, 0xa1] | [0xa1, 0xb2, 0xc3, 0xd4] | [0x0a, 0x0d, 0x0d, 0x0a]
    );
    // The buffer of a mebibyte, one block in it, what is known of interfaces.
    let base = (3 << 20) + if plain { 0 } else { WINDOWS };
    let (whole, stats) = heap::bounded(data.len(), base, 8, || read(data, usize::MAX, &limits));
    if whole.end.as_deref() == Some("enough") {
        return;
    }
    assert_eq!((stats.frames, stats.frame_bytes), (whole.frames, whole.bytes));
    assert!(stats.read_bytes <= data.len() as u64);
    let step = 1 + data.iter().fold(0, |sum: usize, byte| sum + usize::from(*byte)) % 61;
    let (dribbled, again) = read(data, step, &limits);
    if magic == [0xfd, 0x37, 0x7a, 0x58] && whole.end.is_some() && dribbled.end.is_some() {
        // Of a step in which it fails the decoder of xz does not tell what it had unpacked.
        return;
    }
    assert_eq!(whole, dribbled, "read {step} bytes at a time");
    assert_eq!((stats.dropped, stats.orphans), (again.dropped, again.orphans));
}
