//! [`Waiting`]: what of one direction lies behind a hole.
//!
//! In most streams nothing ever does, and many streams are watched at once: until something does it
//! takes a pointer.

use std::collections::VecDeque;

use super::short;
use crate::clock::Timestamp;
use crate::packet::SeqNumber;

/// Bytes of a piece that is joined, at most: the bound on the pieces allows for many such, and much
/// memory in one place is hard to come by.
const JOINED: usize = 8 << 10;

/// Pieces of a stream, in order of sequence numbers, not overlapping.
#[derive(Debug, Default)]
pub(super) struct Waiting(Option<Box<Queue>>);

#[derive(Debug, Default)]
struct Queue {
    pieces: VecDeque<Held>,
    /// Bytes in them.
    bytes: usize,
    /// Segments that had to wait so far.
    segments: usize,
}

/// Bytes without a hole between them, of one segment or of several that came in order; borrowed until it is
/// known whether others are there that they go on from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held<B = Vec<u8>> {
    pub(super) seq: SeqNumber,
    pub(super) bytes: B,
    /// Bytes behind them that were on the wire and not captured.
    pub(super) cut: u32,
    pub(super) at: Timestamp,
}

impl Held {
    /// The number behind it.
    pub(super) fn end(&self) -> SeqNumber {
        self.seq.plus(short(self.bytes.len())).plus(self.cut)
    }
}

impl Waiting {
    /// How many pieces there are.
    pub(super) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |queue| queue.pieces.len())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes in all of them.
    pub(super) fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |queue| queue.bytes)
    }

    /// Segments that had to wait so far.
    pub(super) fn segments(&self) -> usize {
        self.0.as_ref().map_or(0, |queue| queue.segments)
    }

    pub(super) fn get(&self, index: usize) -> Option<&Held> {
        self.0.as_ref()?.pieces.get(index)
    }

    pub(super) fn first(&self) -> Option<&Held> {
        self.0.as_ref()?.pieces.front()
    }

    pub(super) fn last(&self) -> Option<&Held> {
        self.0.as_ref()?.pieces.back()
    }

    /// The first piece that ends behind this number.
    pub(super) fn behind(&self, seq: SeqNumber) -> usize {
        let pieces = self.0.as_ref().map(|queue| &queue.pieces);
        pieces.map_or(0, |all| all.partition_point(|held| held.end().offset_from(seq) <= 0))
    }

    /// Take the first piece out.
    pub(super) fn pop_first(&mut self) -> Option<Held> {
        let queue = self.0.as_mut()?;
        let held = queue.pieces.pop_front()?;
        queue.bytes = queue.bytes.saturating_sub(held.bytes.len());
        Some(held)
    }

    /// Keep the pieces that begin less than `reach` behind `start`.
    pub(super) fn retain(&mut self, start: SeqNumber, reach: i32) {
        let Some(queue) = &mut self.0 else { return };
        queue.pieces.retain(|held| (0..reach).contains(&held.seq.offset_from(start)));
        queue.bytes = queue.pieces.iter().map(|held| held.bytes.len()).sum();
    }

    /// Keep what goes before the piece at `index`; how many pieces this makes more.
    pub(super) fn insert(&mut self, index: usize, held: Held<&[u8]>) -> usize {
        if held.bytes.is_empty() && held.cut == 0 {
            return 0;
        }
        let queue = self.0.get_or_insert_default();
        queue.segments = queue.segments.saturating_add(1);
        queue.bytes = queue.bytes.saturating_add(held.bytes.len());
        // What goes on where the one before it ends is one piece with it: segments of a byte each
        // are not to use up the number of pieces. A piece that is long enough is left as it is.
        let before = index.checked_sub(1).and_then(|index| queue.pieces.get_mut(index));
        let joined = |before: &Held| before.bytes.len().saturating_add(held.bytes.len());
        match before {
            Some(before)
                if before.cut == 0 && before.end() == held.seq && joined(before) <= JOINED =>
            {
                // Memory of the sizes that streams are kept in is at hand.
                let room = joined(before).next_power_of_two();
                before.bytes.reserve_exact(room.saturating_sub(before.bytes.len()));
                before.bytes.extend_from_slice(held.bytes);
                before.cut = held.cut;
                0
            }
            _ => {
                let Held { seq, bytes, cut, at } = held;
                queue.pieces.insert(index, Held { seq, bytes: bytes.to_vec(), cut, at });
                1
            }
        }
    }
}
