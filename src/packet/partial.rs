//! One IP datagram, put together from fragments in whatever order they come.
//!
//! ```text
//!  arrival order   │ C │ A │ B │        one growing buffer for each datagram
//!                    └─┐ │ ┌─┘
//!  pieces          A ──┼─┘ │            ordered by offset, disjoint
//!                  B ──┼───┘
//!                  C ──┘
//! ```

use std::collections::BTreeMap;

use crate::packet::cursor::{Cursor, Fragment};
use crate::packet::{Layer, Skip};

/// Largest payload that fragments can make up (RFC 791 §3.1, RFC 8200 §4.5).
const MAX_PAYLOAD: u32 = 65_535;

/// What a piece and a datagram cost beside their bytes, for the bound.
const PIECE_COST: usize = 48;
const DATAGRAM_COST: usize = 256;

/// The payload of a datagram whose fragments have all come.
#[derive(Debug)]
pub(super) struct Whole {
    /// As far as it was captured without a hole.
    pub(super) bytes: Vec<u8>,
    /// How many bytes followed on the wire.
    pub(super) cut: usize,
    /// What it is.
    pub(super) protocol: u8,
    /// Its fragments do not agree on what it is.
    pub(super) contradicted: bool,
}

/// A fragment that makes sense by itself.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    start: u32,
    end: u32,
    /// What was captured, from `start` on.
    bytes: &'a [u8],
    last: bool,
    protocol: u8,
}

impl<'a> Part<'a> {
    pub(super) fn new(fragment: &Fragment, cursor: &Cursor<'a>) -> Result<Self, Skip> {
        let length = u32::try_from(cursor.wire()).unwrap_or(u32::MAX);
        let end = fragment.offset.saturating_add(length);
        // RFC 8200 §4.5: all but the last are whole words of eight bytes, and none reaches beyond
        // what a length can say. An empty one would wait for ever.
        if length == 0 || end > MAX_PAYLOAD || (fragment.more && length % 8 != 0) {
            return Err(Skip::Malformed(Layer::Ip));
        }
        Ok(Self {
            start: fragment.offset,
            end,
            bytes: cursor.bytes.peek(),
            last: !fragment.more,
            protocol: fragment.protocol,
        })
    }

    /// What was captured of `start..end`, a range within this part.
    fn captured(&self, start: u32, end: u32) -> &'a [u8] {
        let from = size(start.saturating_sub(self.start)).min(self.bytes.len());
        let to = size(end.saturating_sub(self.start)).min(self.bytes.len());
        self.bytes.get(from..to).unwrap_or_default()
    }
}

/// What a fragment was to its datagram.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    New,
    Duplicate,
    Overlap,
}

/// A stretch of a datagram that is there.
#[derive(Clone, Copy, Debug)]
struct Piece {
    end: u32,
    /// Where its bytes are in the buffer, and how many were captured.
    at: usize,
    captured: usize,
}

/// A datagram that is incomplete.
#[derive(Debug, Default)]
pub(super) struct Partial {
    /// Bytes in the order in which they came.
    buffer: Vec<u8>,
    /// Disjoint, by where they begin.
    pieces: BTreeMap<u32, Piece>,
    covered: u32,
    reach: u32,
    total: Option<u32>,
    protocol: Option<u8>,
    contradicted: bool,
}

impl Partial {
    /// Memory held, for the bound.
    pub(super) fn cost(&self) -> usize {
        DATAGRAM_COST
            .saturating_add(self.buffer.capacity())
            .saturating_add(self.pieces.len().saturating_mul(PIECE_COST))
    }

    pub(super) fn is_complete(&self) -> bool {
        self.total == Some(self.covered)
    }

    /// Whether its fragments do not agree.
    pub(super) const fn is_contradicted(&self) -> bool {
        self.contradicted
    }

    /// Whether `part` does not agree with this one, which is complete.
    pub(super) fn is_contradicted_by(&self, part: &Part<'_>) -> bool {
        let ends_elsewhere =
            self.total.is_some_and(|total| part.end > total || (part.last && part.end != total));
        let is_other = part.start == 0 && self.protocol != Some(part.protocol);
        ends_elsewhere || is_other || !self.holes(part).1
    }

    /// What there would be of this one had `part` come before all others.
    pub(super) fn but_for(&self, part: &Part<'_>) -> Self {
        let mut other = Self { contradicted: true, ..Self::default() };
        other.add(part);
        for (&start, piece) in &self.pieces {
            let end = other.total.map_or(piece.end, |total| piece.end.min(total));
            if start < end {
                let bytes = self.captured(start, piece, start);
                let last = Some(end) == self.total && part.end <= end;
                let protocol = self.protocol.unwrap_or(part.protocol);
                other.add(&Part { start, end, bytes, last, protocol });
            }
        }
        other
    }

    /// Take in what `part` brings that is not there yet.
    pub(super) fn add(&mut self, part: &Part<'_>) -> Fate {
        // Two ends, or bytes behind the end.
        let ends_elsewhere = match self.total {
            Some(total) => part.end > total || (part.last && part.end != total),
            None => part.last && part.end < self.reach,
        };
        if ends_elsewhere {
            self.contradicted = true;
            return Fate::Overlap;
        }
        if part.start == 0 {
            let protocol = *self.protocol.get_or_insert(part.protocol);
            self.contradicted |= protocol != part.protocol;
        }
        if part.last {
            self.total = Some(part.end);
        }
        self.reach = self.reach.max(part.end);
        let (holes, same) = self.holes(part);
        self.contradicted |= !same;
        let whole =
            matches!(holes.as_slice(), [(start, end)] if (*start, *end) == (part.start, part.end));
        let fate = match (whole, holes.is_empty(), same) {
            (true, ..) => Fate::New,
            (_, true, true) => Fate::Duplicate,
            _ => Fate::Overlap,
        };
        for (start, end) in holes {
            let bytes = part.captured(start, end);
            self.pieces.insert(start, Piece { end, at: self.buffer.len(), captured: bytes.len() });
            self.buffer.extend_from_slice(bytes);
            self.covered = self.covered.saturating_add(end.saturating_sub(start));
        }
        fate
    }

    /// The stretches of `part` that no piece covers, and whether the others say the same as it.
    ///
    /// A piece has at least eight bytes, or is the last: the work is linear in the fragment.
    fn holes(&self, part: &Part<'_>) -> (Vec<(u32, u32)>, bool) {
        let mut holes = Vec::new();
        let mut same = true;
        let mut at = part.start;
        let before = self.pieces.range(..part.start).next_back();
        for (&start, piece) in before.into_iter().chain(self.pieces.range(part.start..part.end)) {
            if piece.end <= at {
                continue;
            }
            if start > at {
                holes.push((at, start));
            }
            let (from, to) = (start.max(at), piece.end.min(part.end));
            let theirs = part.captured(from, to);
            let ours = self.captured(start, piece, from);
            same &= theirs.iter().zip(ours).all(|(a, b)| a == b);
            at = to;
        }
        if at < part.end {
            holes.push((at, part.end));
        }
        (holes, same)
    }

    /// What was captured of a piece, from `from` on.
    fn captured(&self, start: u32, piece: &Piece, from: u32) -> &[u8] {
        self.buffer
            .get(piece.at..piece.at.saturating_add(piece.captured))
            .and_then(|bytes| bytes.get(size(from.saturating_sub(start))..))
            .unwrap_or_default()
    }

    /// The payload, up to the first byte that was not captured.
    pub(super) fn whole(&self) -> Option<Whole> {
        let (total, protocol) = (size(self.total?), self.protocol?);
        let mut bytes = Vec::with_capacity(total.min(self.buffer.len()));
        for (start, piece) in &self.pieces {
            bytes.extend_from_slice(self.captured(*start, piece, *start));
            if bytes.len() < size(piece.end) {
                break;
            }
        }
        let cut = total.saturating_sub(bytes.len());
        Some(Whole { bytes, cut, protocol, contradicted: self.contradicted })
    }
}

/// An offset as a size in memory.
fn size(offset: u32) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}
