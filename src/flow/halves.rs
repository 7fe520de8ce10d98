//! [`Halves`]: which flow may be the other half, or a copy, of one that begins in another VLAN.
//!
//! A SPAN port may tag one direction and not the other, give each its own tag, or show a routed
//! packet in both of its VLANs. The tags keep overlapping address spaces apart all the same: a flow
//! of another one is joined only where its numbers say that it is the same connection
//! ([`FlowTable`](super::table::FlowTable) decides that). Here is only remembered which flow had
//! these ends last, in a table of fixed size.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;

use super::FlowKey;
use crate::packet::Domain;
use crate::prefetch::prefetch_at;

/// Slots; 8 bytes each.
const SLOTS: u64 = 1 << 15;

/// The last flow of each pair of ends, whatever its VLAN.
#[derive(Debug)]
pub(super) struct Halves {
    slots: Box<[Slot]>,
    hash: FixedState,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    /// Bits of the hash that the index does not hold: most flows are no half of anything, and are
    /// not to be looked at.
    tag: u32,
    /// The flow's place in the flow table, plus one; zero: there is none.
    flow: u32,
}

impl Halves {
    pub(super) fn new() -> Self {
        let slots = usize::try_from(SLOTS).unwrap_or_default();
        // The seed is fixed, as that of the SYNs: what is joined must not differ from run to run.
        Self {
            slots: vec![Slot::default(); slots].into_boxed_slice(),
            hash: FixedState::with_seed(0x1a1f),
        }
    }

    /// The flow in this slot of the flow table has these ends.
    pub(super) fn note(&mut self, key: &FlowKey, slot: u32) {
        let (index, tag) = self.place(key);
        if let Some(place) = self.slots.get_mut(index) {
            *place = Slot { tag, flow: slot.wrapping_add(1) };
        }
    }

    /// Ask for where these ends are noted.
    pub(super) fn prefetch(&self, key: &FlowKey) {
        prefetch_at(&self.slots, self.place(key).0);
    }

    /// The slot of a flow that may have these ends.
    pub(super) fn of(&self, key: &FlowKey) -> Option<u32> {
        let (index, tag) = self.place(key);
        let place = self.slots.get(index).filter(|place| place.tag == tag)?;
        place.flow.checked_sub(1)
    }

    fn place(&self, key: &FlowKey) -> (usize, u32) {
        let hash = self.hash.hash_one(key.within(Domain::default()));
        let [a, b, c, d, ..] = hash.to_be_bytes();
        let index = usize::try_from(hash & (SLOTS - 1)).unwrap_or_default();
        (index, u32::from_be_bytes([a, b, c, d]))
    }
}
