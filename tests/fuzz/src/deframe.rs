//! The deframer: two byte streams, as they come and byte by byte.

use std::sync::Arc;

use tlscensus::clock::Timestamp;
use tlscensus::flow::{Chunk, Control, Side, Spares, StreamConsumer};
use tlscensus::limits::Limits;
use tlscensus::tls::Transport;
use tlscensus::tls::conversation::Conversation;
use tlscensus::tls::message::{What, events};
use tlscensus::tls::parse::HelloParser;

use super::heap;
use super::input::Input;
use super::summary;

pub fn limits() -> Limits {
    Limits {
        transcript_bytes: 32 << 10,
        transcript_records: 64,
        message_bytes: 16 << 10,
        preamble_bytes: 512,
        ..Limits::default()
    }
}

/// What was fed: a direction, and bytes or the length of a hole.
pub enum Fed<'a> {
    Data(Side, &'a [u8]),
    Gap(Side, u64),
}

pub fn conversation(data: &[u8]) -> Vec<Fed<'_>> {
    let mut input = Input(data);
    let mut fed = Vec::new();
    while !input.is_empty() {
        let head = input.u8();
        let side = if head & 1 == 0 { Side::Low } else { Side::High };
        if head & 0xe0 == 0xe0 {
            fed.push(Fed::Gap(side, u64::from(input.u16())));
        } else {
            let bytes = input.block();
            if !bytes.is_empty() {
                fed.push(Fed::Data(side, bytes));
            }
        }
    }
    fed
}

/// Feed, in pieces of at most `step` bytes; how many of the parts were taken.
pub fn feed(parts: &[Fed<'_>], step: usize, limits: &Arc<Limits>) -> (Conversation, usize) {
    let at = Timestamp::new(1_700_000_000, 0);
    let (mut conversation, mut spares) = (Conversation::default(), Spares::default());
    let room = 2 * limits.transcript_bytes + 64 * limits.transcript_records + (16 << 10);
    for (count, part) in parts.iter().enumerate() {
        let mut over = false;
        match part {
            Fed::Data(side, bytes) => {
                for piece in bytes.chunks(step) {
                    let control =
                        conversation.feed(*side, at, Chunk::Data(piece), limits, &mut spares);
                    over |= control == Control::Shunt;
                    assert!(conversation.held_bytes() <= room, "{}", conversation.held_bytes());
                }
            }
            Fed::Gap(side, missing) => {
                over = conversation.feed(*side, at, Chunk::Gap(*missing), limits, &mut spares)
                    == Control::Shunt;
            }
        }
        if over {
            return (conversation, count + 1);
        }
    }
    (conversation, parts.len())
}

/// Whether a direction is a row of records that begins with a hello: in text, and behind damage, the
/// search for one is a matter of segments.
pub fn is_records(parts: &[Fed<'_>], side: Side) -> bool {
    let mut bytes = Vec::new();
    for part in parts {
        match part {
            Fed::Data(of, data) if *of == side => bytes.extend_from_slice(data),
            Fed::Gap(of, _) if *of == side => return false,
            Fed::Data(..) | Fed::Gap(..) => {}
        }
    }
    let hello = match bytes.as_slice() {
        [] => return true,
        [0x16, 3, 0..=3, high, low, 1 | 2, 0, _, _, 3, 0..=3, ..] => {
            (64..0x4000).contains(&u16::from_be_bytes([*high, *low]))
        }
        _ => false,
    };
    let mut rest = bytes.as_slice();
    while let [kind, major, minor, high, low, after @ ..] = rest {
        let size = usize::from(u16::from_be_bytes([*high, *low]));
        let sound = (20..=23).contains(kind) && *major == 3 && *minor < 4;
        if !sound || !(1..=0x4000).contains(&size) {
            return false;
        }
        rest = after.get(size..).unwrap_or_default();
    }
    hello && rest.is_empty()
}

/// Messages of the conversation, in order, of each side for itself.
fn messages(conversation: &Conversation, limits: &Limits) -> [Vec<String>; 2] {
    let mut sides = [Vec::new(), Vec::new()];
    for event in events(conversation.transcript(), limits) {
        if matches!(event.what, What::Message { .. } | What::Alert { .. } | What::SslV2(_)) {
            event.side.of_mut(&mut sides).push(format!("{:?}", event.what));
        }
    }
    sides
}

pub fn check(data: &[u8]) {
    heap::bounded(data.len(), 4 << 20, 256, || run(data));
}

fn run(data: &[u8]) {
    let limits = Arc::new(limits());
    let parts = conversation(data);
    let (whole, taken) = feed(&parts, usize::MAX, &limits);
    let mut parser = HelloParser::new(&limits);
    let read = summary::read(Transport::Tcp, whole.transcript(), None, &mut parser, &limits);
    let sound = [Side::Low, Side::High].into_iter().all(|side| is_records(&parts, side));
    for step in [1, 2 + data.len() % 61] {
        let (cut, taken_cut) = feed(&parts, step, &limits);
        let read_cut = summary::read(Transport::Tcp, cut.transcript(), None, &mut parser, &limits);
        if sound && !whole.transcript().is_refused() && !cut.transcript().is_refused() {
            assert_eq!(taken, taken_cut, "where it is over depends on the segments, {step}");
            let [one, other] = [&whole, &cut].map(|it| messages(it, &limits));
            assert_eq!(one, other, "what is seen depends on the segments, {step}");
            assert_eq!(read, read_cut, "what is read depends on the segments, {step}");
        }
    }
}
