//! Captures made by hand, and what is to come of them.

#![allow(clippy::arithmetic_side_effects)] // an overflow fails the test, as it should

mod ahead;
mod classic;
#[cfg(feature = "compression")]
mod compressed;
mod damage;
mod differential;
mod paths;
mod pcapng;

use std::io::{self, Read};
use std::path::Path;

use proptest::test_runner::Config as ProptestConfig;

use super::file::FileSource;
use super::{CaptureStats, Error, Frame, Offset, Poll, Source};
use crate::limits::Limits;

/// A failing case goes into a test of its own, not into a file of seeds.
fn proptest_config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

/// A frame that outlives the call.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Kept {
    nanos: u64,
    link: u16,
    wire_len: u32,
    bytes: Vec<u8>,
}

impl From<Frame<'_>> for Kept {
    fn from(frame: Frame<'_>) -> Self {
        Self {
            nanos: frame.timestamp.as_nanos(),
            link: frame.link.0,
            wire_len: frame.wire_len,
            bytes: frame.bytes.to_vec(),
        }
    }
}

/// What came of a capture.
#[derive(Debug)]
struct Outcome {
    frames: Vec<Kept>,
    stats: CaptureStats,
    end: Result<(), Error>,
}

/// Read `reader` to its end, or to where it breaks off.
fn read_from(reader: impl Read + Send + 'static, limits: &Limits) -> Outcome {
    match FileSource::from_reader(Path::new("x.pcap"), reader, limits) {
        Ok(source) => read_on(source),
        Err(error) => {
            Outcome { frames: Vec::new(), stats: CaptureStats::default(), end: Err(error) }
        }
    }
}

fn read_on(mut source: FileSource) -> Outcome {
    let mut frames = Vec::new();
    let end = loop {
        let before = frames.len();
        match source.poll(&mut |frame| frames.push(Kept::from(frame))) {
            Ok(Poll::Frames(count)) => assert_eq!(frames.len() - before, count),
            Ok(Poll::Idle) => panic!("a file is never idle"),
            Ok(Poll::End) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    assert_eq!(source.poll(&mut |_| panic!("behind the end")).unwrap(), Poll::End);
    let stats = source.stats();
    assert_eq!(stats.frames, frames.len() as u64);
    Outcome { frames, stats, end }
}

/// Read what lies in memory, in one thread; and in two, which must come to the same.
fn read(bytes: &[u8]) -> Outcome {
    let outcome = read_from(io::Cursor::new(bytes.to_vec()), &Limits::default());
    ahead::assert_same(&outcome, io::Cursor::new(bytes.to_vec()));
    outcome
}

/// Gives one to seven bytes at a time.
struct Dribble {
    bytes: Vec<u8>,
    at: usize,
}

impl Dribble {
    fn new(bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_vec(), at: 0 }
    }
}

impl Read for Dribble {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let count = (self.at % 7 + 1).min(space.len()).min(self.bytes.len() - self.at);
        space[..count].copy_from_slice(&self.bytes[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

/// Byte order of a capture that is being made.
#[derive(Clone, Copy, Debug)]
enum End {
    Big,
    Little,
}

/// A capture that is being made.
#[derive(Clone)]
struct Maker {
    end: End,
    bytes: Vec<u8>,
}

impl Maker {
    fn new(end: End) -> Self {
        Self { end, bytes: Vec::new() }
    }

    fn u16(&mut self, value: u16) -> &mut Self {
        self.bytes.extend(match self.end {
            End::Big => value.to_be_bytes(),
            End::Little => value.to_le_bytes(),
        });
        self
    }

    fn u32(&mut self, value: u32) -> &mut Self {
        self.bytes.extend(match self.end {
            End::Big => value.to_be_bytes(),
            End::Little => value.to_le_bytes(),
        });
        self
    }

    fn u64(&mut self, value: u64) -> &mut Self {
        self.bytes.extend(match self.end {
            End::Big => value.to_be_bytes(),
            End::Little => value.to_le_bytes(),
        });
        self
    }

    fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend(bytes);
        self
    }

    fn pad(&mut self) -> &mut Self {
        while !self.bytes.len().is_multiple_of(4) {
            self.bytes.push(0);
        }
        self
    }

    /// A pcap file header.
    fn header(&mut self, magic: u32, network: u32) -> &mut Self {
        self.u32(magic).u16(2).u16(4).u32(0).u32(0).u32(96).u32(network)
    }

    /// A pcap record with a packet that was `wire_len` long.
    fn record(&mut self, time: (u32, u32), wire_len: u32, packet: &[u8]) -> &mut Self {
        let captured = u32::try_from(packet.len()).unwrap();
        self.u32(time.0).u32(time.1).u32(captured).u32(wire_len).raw(packet)
    }

    /// A pcapng block with this body.
    fn block(&mut self, kind: u32, fill: impl FnOnce(&mut Self)) -> &mut Self {
        let mut body = Self::new(self.end);
        fill(&mut body);
        body.pad();
        let length = u32::try_from(body.bytes.len() + 12).unwrap();
        self.u32(kind).u32(length).raw(&body.bytes).u32(length)
    }

    /// A section header block of unknown length, in the order `end` from here on.
    fn section(&mut self, end: End) -> &mut Self {
        self.end = end;
        self.block(0x0a0d_0d0a, |body| {
            body.u32(0x1a2b_3c4d).u16(1).u16(0).u64(u64::MAX);
        })
    }

    fn option(&mut self, code: u16, value: &[u8]) -> &mut Self {
        self.u16(code).u16(u16::try_from(value.len()).unwrap()).raw(value).pad()
    }

    /// An interface description block.
    fn interface(&mut self, link: u16, options: impl FnOnce(&mut Self)) -> &mut Self {
        self.block(1, |body| {
            body.u16(link).u16(0).u32(0);
            options(body);
            body.u32(0);
        })
    }

    /// An enhanced packet block.
    fn packet(&mut self, interface: u32, ticks: u64, wire_len: u32, packet: &[u8]) -> &mut Self {
        let captured = u32::try_from(packet.len()).unwrap();
        let [high, low] = [ticks >> 32, ticks & 0xffff_ffff].map(|half| half.try_into().unwrap());
        self.block(6, |body| {
            body.u32(interface).u32(high).u32(low).u32(captured).u32(wire_len).raw(packet);
        })
    }
}

/// The bytes of a packet that is not like the others.
fn packet(number: u8) -> Vec<u8> {
    vec![number; usize::from(number) + 40]
}

/// A small pcap: each packet begins where the offsets say; the last offset is the file's length.
fn small_pcap() -> (Vec<u8>, Vec<usize>) {
    let mut maker = Maker::new(End::Little);
    maker.header(0xa1b2_c3d4, 1);
    let mut offsets = vec![];
    for number in 0..4 {
        offsets.push(maker.bytes.len());
        let packet = packet(number);
        let length = u32::try_from(packet.len()).unwrap();
        maker.record((1_700_000_000 + u32::from(number), number.into()), length, &packet);
    }
    offsets.push(maker.bytes.len());
    (maker.bytes, offsets)
}

/// A small pcapng of two sections: all block boundaries, and which of them end a packet's block.
fn small_pcapng() -> (Vec<u8>, Vec<usize>, Vec<usize>) {
    let mut maker = Maker::new(End::Little);
    let mut blocks = vec![0];
    let mut packets = vec![];
    let mut step = |maker: &mut Maker, is_packet: bool| {
        blocks.push(maker.bytes.len());
        if is_packet {
            packets.push(maker.bytes.len());
        }
    };
    for end in [End::Little, End::Big] {
        step(maker.section(end), false);
        step(maker.interface(1, |_| {}), false);
        step(maker.packet(0, 1_700_000_000_000_000, 60, &packet(1)), true);
        step(
            maker.block(3, |body| {
                body.u32(43).raw(&packet(3));
            }),
            true,
        );
        step(
            maker.block(5, |body| {
                body.u32(0).u64(0);
            }),
            false,
        );
        step(
            maker.block(0x0bad, |body| {
                body.raw(b"private");
            }),
            false,
        );
        step(maker.packet(0, 1_700_000_000_000_001, 60, &packet(2)), true);
    }
    (maker.bytes, blocks, packets)
}

/// The offset that an error names.
fn offset(error: &Error) -> Option<Offset> {
    match error {
        Error::Malformed { offset, .. }
        | Error::Read { offset, .. }
        | Error::Truncated { offset, .. } => Some(*offset),
        _ => None,
    }
}

#[test]
fn a_source_can_be_handed_to_another_thread() {
    const fn is_send<T: Send>() {}
    is_send::<FileSource>();
}
