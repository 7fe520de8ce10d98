//! [`SynCache`]: where streams begin, without a flow for every SYN.
//!
//! A SYN alone makes no flow: a flood of them would make millions. What a later first segment needs
//! of it (the initial sequence number, and who sent it) is kept in a table of fixed size in which a
//! newer SYN overwrites an older one. What was overwritten costs only the certainty of where a
//! stream begins.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;

use super::{FlowKey, Side};
use crate::packet::SeqNumber;
use crate::prefetch::prefetch_at;

/// Connections that there is room for; 16 bytes each, so that the table stays in a core's own cache.
const PAIRS: u64 = 1 << 14;

const TAKEN: u32 = 4;
const CLOSED: u32 = 2;
const ANSWER: u32 = 1;

/// How far before the first byte that was seen a SYN is believed to belong to it.
pub(super) const REACH: i32 = 1 << 20;

/// The last SYNs, by direction.
#[derive(Debug)]
pub(super) struct SynCache {
    pairs: Box<[Pair]>,
    hash: FixedState,
}

/// Those of both ends of a connection, next to each other: who asks for the one needs the other.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(16))]
struct Pair([Slot; 2]);

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    /// Bits of the hash that the index does not hold, and the lowest three: that it is taken, that
    /// the end closed its side, that the SYN had ACK set.
    tag: u32,
    isn: u32,
}

/// What a SYN said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Syn {
    /// The initial sequence number.
    pub(super) isn: SeqNumber,
    /// It was the answer to another SYN.
    pub(super) ack: bool,
    /// A RST followed before the flow had any payload.
    pub(super) reset: bool,
}

impl Syn {
    /// Whether a stream that begins with it may have had `seq` next.
    pub(super) const fn fits(self, seq: SeqNumber) -> bool {
        let offset = seq.offset_from(self.isn.plus(1));
        0 <= offset && offset < REACH
    }
}

impl SynCache {
    pub(super) fn new() -> Self {
        // The seed is fixed: what is overwritten, and so what is reported, must not differ from run
        // to run. To collide on purpose gains a sender nothing but doubt about its own streams.
        let pairs = usize::try_from(PAIRS).unwrap_or_default();
        Self {
            pairs: vec![Pair::default(); pairs].into_boxed_slice(),
            hash: FixedState::with_seed(0x7c5),
        }
    }

    /// Note a SYN that `side` sent.
    pub(super) fn note(&mut self, key: &FlowKey, side: Side, syn: Syn) {
        if let Some((slot, tag)) = self.slot_mut(key, side) {
            let flags = if syn.ack { ANSWER } else { 0 } | if syn.reset { CLOSED } else { 0 };
            *slot = Slot { tag: tag | flags, isn: syn.isn.0 };
        }
    }

    /// Note that `side` reset the connection, if its SYN is still there.
    ///
    /// Whoever refuses what is sent next may be captured before it: a SPAN port reorders the two
    /// directions.
    pub(super) fn note_reset(&mut self, key: &FlowKey, side: Side) {
        if let Some((slot, tag)) = self.slot_mut(key, side)
            && slot.tag & !(CLOSED | ANSWER) == tag
        {
            slot.tag |= CLOSED;
        }
    }

    /// The SYN that `side` sent, if it is still there, was that of a connection that is over.
    pub(super) fn forget(&mut self, key: &FlowKey, side: Side) {
        if let Some((slot, tag)) = self.slot_mut(key, side)
            && slot.tag & !(CLOSED | ANSWER) == tag
        {
            *slot = Slot::default();
        }
    }

    /// Ask for where the SYNs of a connection are noted.
    pub(super) fn prefetch(&self, key: &FlowKey) {
        prefetch_at(&self.pairs, self.place(key).0);
    }

    /// The SYN that `side` sent, if it is still there.
    pub(super) fn of(&self, key: &FlowKey, side: Side) -> Option<Syn> {
        let (index, tag) = self.place(key);
        let slot = side.of(&self.pairs.get(index)?.0);
        (slot.tag & !(CLOSED | ANSWER) == tag).then_some(Syn {
            isn: SeqNumber(slot.isn),
            ack: slot.tag & ANSWER != 0,
            reset: slot.tag & CLOSED != 0,
        })
    }

    /// Where the SYN of `side` is noted, and the tag that says that it is of this connection.
    fn slot_mut(&mut self, key: &FlowKey, side: Side) -> Option<(&mut Slot, u32)> {
        let (index, tag) = self.place(key);
        let Pair(slots) = self.pairs.get_mut(index)?;
        Some((side.of_mut(slots), tag))
    }

    fn place(&self, key: &FlowKey) -> (usize, u32) {
        let hash = self.hash.hash_one(key);
        let index = usize::try_from(hash & (PAIRS - 1)).unwrap_or_default();
        // So that the tag of no key is that of an empty slot.
        let [.., a, b, c, d] = (hash >> 32).to_be_bytes();
        (index, u32::from_be_bytes([a, b, c, d]) & !(CLOSED | ANSWER) | TAKEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::{Address, Domain, Endpoint};

    #[test]
    fn a_syn_is_found_by_its_own_direction_until_overwritten() {
        let mut cache = SynCache::new();
        let end = |port| Endpoint { address: Address::v4([10, 0, 0, 1]), port };
        let (key, side) = FlowKey::of(end(1), end(2), Domain(0));
        assert_eq!(cache.of(&key, side), None);
        let syn = Syn { isn: SeqNumber(77), ack: false, reset: false };
        cache.note(&key, side, syn);
        assert_eq!(cache.of(&key, side), Some(syn));
        assert_eq!(cache.of(&key, side.other()), None);
        let answer = Syn { isn: SeqNumber(78), ack: true, reset: false };
        cache.note(&key, side.other(), answer);
        assert_eq!(cache.of(&key, side.other()), Some(answer));
        cache.note_reset(&key, side.other());
        assert_eq!(cache.of(&key, side.other()), Some(Syn { reset: true, ..answer }));
        assert_eq!(cache.of(&key, side), Some(syn));
        cache.forget(&key, side.other());
        assert_eq!(cache.of(&key, side.other()), None);
        assert_eq!(cache.of(&key, side), Some(syn));
    }
}
