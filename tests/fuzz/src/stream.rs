//! Reassembly of one direction, against a model that knows every byte.
//!
//! The input is the order in which segments of one text arrive: byte `n` of the text is known, and
//! so is which bytes were seen before the stream went past them.

use std::collections::BTreeSet;
use std::time::Duration;

use tlscensus::clock::Timestamp;
use tlscensus::flow::{Chunk, StreamAssembler};
use tlscensus::limits::Limits;
use tlscensus::packet::SeqNumber;

use super::heap;
use super::input::Input;

/// Byte `at` of the text.
fn byte(at: u32) -> u8 {
    u8::try_from(at.wrapping_mul(0x9e37_79b1) >> 24).unwrap_or_default()
}

/// What must have come out, position by position.
struct Model {
    /// The next byte that comes out; `None` until the beginning is decided on.
    at: Option<u32>,
    /// Bytes that were seen, and are still ahead.
    seen: BTreeSet<u32>,
    chunks: usize,
}

impl Model {
    fn take(&mut self, chunk: Chunk<'_>, cuts: bool) {
        self.chunks += 1;
        match chunk {
            Chunk::Data(bytes) => {
                assert!(!bytes.is_empty());
                // Where the beginning was unknown it is what was seen first of all.
                let mut at = self.at.or(self.seen.first().copied()).unwrap();
                for &found in bytes {
                    assert_eq!(found, byte(at), "another byte at {at}");
                    assert!(self.seen.remove(&at), "byte {at} was never seen");
                    at += 1;
                }
                self.at = Some(at);
            }
            Chunk::Gap(0) => {
                assert!(self.at.is_none(), "a hole of unknown size in the middle");
                self.at = self.seen.first().copied();
            }
            Chunk::Gap(count) => {
                let Some(at) = self.at else { return };
                let end = at + u32::try_from(count).unwrap();
                if !cuts {
                    let lost = self.seen.range(at..end).next();
                    assert!(lost.is_none(), "byte {lost:?} was seen, and was lost");
                }
                self.seen = self.seen.split_off(&end);
                self.at = Some(end);
            }
        }
    }
}

pub fn check(data: &[u8]) {
    let limits = Limits {
        reorder_bytes: 600,
        reorder_segments: 12,
        reorder_wait: Duration::from_millis(200),
        ..Limits::default()
    };
    let mut input = Input(data);
    let base = SeqNumber(input.u32());
    let style = input.u8();
    let begun = style & 1 == 0;
    // Of a beginning that is unknown and was cut off the model has no idea.
    let cuts = begun && style & 2 != 0;
    let mut stream = StreamAssembler::default();
    let mut model = Model { at: begun.then_some(0), seen: BTreeSet::new(), chunks: 0 };
    let mut now = Timestamp::new(1_700_000_000, 0);
    if begun {
        stream.begin(base);
    }
    let mut operations = 0;
    let text: Vec<u8> = (0..1 << 16).map(byte).collect();
    while !input.is_empty() {
        operations += 1;
        let (head, tail) = (input.u8(), input.u8());
        // Near what is waited for, or somewhere else.
        let near = model.at.unwrap_or(0).saturating_add(u32::from(head)).saturating_sub(40);
        let at = if tail & 0x80 == 0 { near } else { u32::from(head) * 97 };
        let size = usize::from(tail & 0x7f);
        let cut = if cuts { u32::from(input.u8() & 31) } else { 0 };
        now = now.plus(Duration::from_millis(u64::from(head & 15)));
        let Some(payload) = text.get(at as usize..at as usize + size) else { break };
        if operations == 20 {
            stream.begin_at_first(&mut |chunk: Chunk<'_>| model.take(chunk, cuts));
        }
        let first = model.at.unwrap_or(0);
        model.seen.extend((at..at + u32::try_from(size).unwrap()).filter(|at| *at >= first));
        let mut deliver = |chunk: Chunk<'_>| model.take(chunk, cuts);
        heap::bounded(size, 64 << 10, 64, || {
            stream.push(base.plus(at), payload, cut, now, &limits, &mut deliver);
        });
        assert!(stream.held_bytes() <= limits.reorder_bytes);
        assert!(stream.held_segments() <= limits.reorder_segments);
        assert!(
            cuts || stream.is_waiting() != model.seen.is_empty(),
            "what waits is what was seen"
        );
    }
    stream.flush(&mut |chunk: Chunk<'_>| model.take(chunk, cuts));
    assert!(!stream.is_waiting() && stream.held_bytes() == 0);
    assert!(cuts || model.seen.is_empty(), "seen, and not handed on: {:?}", model.seen);
    // A segment can bring itself, what waited behind it, and a hole before and behind each piece.
    assert!(model.chunks <= 6 * operations + 2, "{} of {operations}", model.chunks);
}
