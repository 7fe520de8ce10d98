//! Packet decode: a series of frames of any link type, with fragments among them.

use std::time::Duration;

use tlscensus::capture::{Frame, LinkType};
use tlscensus::clock::Timestamp;
use tlscensus::limits::Limits;
use tlscensus::packet::{Decoder, Endpoint, Packet, Skip};

use super::heap;
use super::input::Input;

/// Those that are known, and one that is not.
const LINKS: [u16; 16] = [1, 101, 113, 276, 0, 108, 12, 228, 229, 105, 127, 192, 9, 50, 51, 147];

/// What a frame came to.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    source: Endpoint,
    target: Endpoint,
    udp: bool,
    payload: Vec<u8>,
    cut: u32,
}

/// A series of (link, milliseconds since the last, bytes, length on the wire).
fn frames(data: &[u8]) -> Vec<(LinkType, u64, &[u8], u32)> {
    let mut input = Input(data);
    let mut frames = Vec::new();
    while !input.is_empty() {
        let kind = input.u8();
        let pause = u64::from(kind >> 4) * 4_000;
        let bytes = input.block();
        let beyond = if kind & 0x80 == 0 { 0 } else { u32::from(input.u8()) };
        let wire = u32::try_from(bytes.len()).unwrap() + beyond;
        frames.push((LinkType(LINKS[usize::from(kind & 15)]), pause, bytes, wire));
    }
    frames
}

fn decode(data: &[u8], limits: &Limits) -> Vec<Result<Option<Found>, Skip>> {
    let mut decoder = Decoder::new(limits);
    let mut now = Timestamp::new(1_700_000_000, 0);
    let mut all = Vec::new();
    for (link, pause, bytes, wire_len) in frames(data) {
        now = now.plus(Duration::from_millis(pause));
        let mut found = None;
        let frame = Frame { timestamp: now, link, wire_len, bytes };
        let result = decoder.decode(&frame, &mut |packet| {
            assert!(found.is_none(), "one frame, two packets");
            found = Some(match packet {
                Packet::Segment(segment) => Found {
                    source: segment.source,
                    target: segment.target,
                    udp: false,
                    payload: segment.payload.to_vec(),
                    cut: segment.cut,
                },
                Packet::Datagram(datagram) => Found {
                    source: datagram.source,
                    target: datagram.target,
                    udp: true,
                    payload: datagram.payload.to_vec(),
                    cut: datagram.cut,
                },
                Packet::Eapol(eapol) => Found {
                    source: Endpoint::default(),
                    target: Endpoint::default(),
                    udp: false,
                    payload: eapol.payload.to_vec(),
                    cut: 0,
                },
            });
        });
        // A fragment is kept and said to be one; nothing is both refused and handed out.
        assert!(result.is_ok() == found.is_some(), "{result:?} and {found:?}");
        all.push(result.map(|()| found));
    }
    decoder.finish();
    let stats = decoder.stats();
    assert_eq!(stats.frames(), all.len() as u64, "a frame was not counted");
    all
}

pub fn check(data: &[u8]) {
    let limits = Limits { fragment_bytes: 1 << 16, fragment_datagrams: 32, ..Limits::default() };
    // The datagrams that fragments make are up to 64 KiB long, and the copies are ours.
    let all = heap::bounded(data.len(), 1 << 20, 256, || decode(data, &limits));
    assert!(all == decode(data, &limits), "twice the same, two results");
    // Of a frame that is cut at the end the same is told, as far as it goes.
    let Some((link, _, bytes, wire_len)) = frames(data).into_iter().next() else { return };
    let Some(Ok(Some(whole))) = all.first() else { return };
    let shorter = bytes.len().saturating_sub(1 + data.len() % 7);
    let mut decoder = Decoder::new(&limits);
    let timestamp = Timestamp::new(1_700_000_000, 0);
    let frame = Frame { timestamp, link, wire_len, bytes: &bytes[..shorter] };
    let _ = decoder.decode(&frame, &mut |packet| {
        let (source, target, payload, cut) = match packet {
            Packet::Segment(it) => (it.source, it.target, it.payload, it.cut),
            Packet::Datagram(it) => (it.source, it.target, it.payload, it.cut),
            Packet::Eapol(_) => return,
        };
        if (source, target) == (whole.source, whole.target) {
            assert!(whole.payload.starts_with(payload), "a cut frame says something else");
            assert!(payload.len() + cut as usize <= whole.payload.len() + whole.cut as usize);
        }
    });
}

/// The byte that stands for a link type.
pub fn link_kind(link: u16) -> u8 {
    LINKS.iter().zip(0..).find(|(known, _)| **known == link).map_or(15, |(_, kind)| kind)
}
