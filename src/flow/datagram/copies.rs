//! [`Copies`]: which datagrams of a flow were seen already.
//!
//! Neither DTLS nor QUIC sends the same bytes twice: who sends something again gives it another
//! sequence or packet number. Identical payloads are copies, made by a mirror port that shows a
//! packet where it comes in and where it goes out, or by a network.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use crate::flow::Side;

/// Datagrams of one flow that are remembered: copies follow each other closely.
const KEPT: usize = 32;

/// The last datagrams of a flow, both directions together.
#[derive(Debug, Default)]
pub(super) struct Copies {
    /// Zero where there is none yet.
    marks: [u64; KEPT],
    next: usize,
}

impl Copies {
    pub(super) fn contains(&self, mark: u64) -> bool {
        self.marks.contains(&mark)
    }

    pub(super) fn note(&mut self, mark: u64) {
        if let Some(place) = self.marks.get_mut(self.next) {
            *place = mark;
        }
        self.next = self.next.wrapping_add(1) % KEPT;
    }
}

/// By what a datagram is known; never zero.
pub(super) fn mark(hash: &RandomState, side: Side, payload: &[u8]) -> u64 {
    hash.hash_one((side, payload)) | 1
}
