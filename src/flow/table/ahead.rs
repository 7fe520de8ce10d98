//! What segments will need of a [`FlowTable`], asked for before their turn.
//!
//! It lies anywhere in much memory, which is waited for only once if it is asked for several segments at a
//! time: what says where their entries are, then the entries, and then, where more is wanted of a flow, its
//! state and the memory where its bytes will be kept.

use super::FlowTable;
use crate::flow::{Place, StreamConsumer};
use crate::packet::Segment;
use crate::prefetch::prefetch_all;

impl<C: StreamConsumer> FlowTable<C> {
    /// What a segment's entry is found by.
    #[inline]
    pub fn place(&self, segment: &Segment<'_>) -> Place {
        Place::of(segment, |key| self.slots.hash_of(key))
    }

    /// Ask for what [finding](Self::find) an entry needs.
    #[inline]
    pub fn prefetch_index(&self, place: &Place) {
        self.slots.prefetch_index(place.hash);
    }

    /// Find the likely entry, and ask for it, or for what a new one will need: whether it is the one is
    /// seen when it is the segment's turn.
    ///
    /// In a large table this waits for memory, unless several segments are looked up one right
    /// after the other: then it waits for all of them together.
    #[inline]
    pub fn find(&self, place: &mut Place) {
        place.slot = self.slots.likely(place.hash);
        place.asked = self.slots.added();
        match place.slot {
            Some(slot) => self.slots.prefetch(slot),
            None if place.size > 0 => {
                self.halves.prefetch(&place.key);
                self.syns.prefetch(&place.key);
            }
            None => {}
        }
    }

    /// Ask for what the next packets will need, whatever they are: the hand moves on with them.
    #[inline]
    pub fn prefetch_hand(&self, packets: usize) {
        self.slots.hand.prefetch(packets);
    }

    /// Note the state of an entry that was asked for: whether its flow is likely watched, or begins now.
    #[inline]
    pub fn is_wanted(&self, place: &mut Place) -> bool {
        place.state = self.slots.state_of(place.slot);
        (place.slot.is_none() && place.size > 0) | self.watched.reaches(place.state)
    }

    /// Find the entry of a segment whose turn it is.
    #[inline]
    pub fn look_up(&self, place: &mut Place) {
        self.find(place);
        self.is_wanted(place);
    }

    /// Ask for the flow of a segment.
    #[inline]
    pub fn prefetch(&self, place: &Place) {
        if let Some(flow) = self.watched.get(place.state) {
            if place.is_bare { flow.prefetch_heard() } else { flow.prefetch() }
        }
    }

    /// Ask for the payload of a segment if it is to be read, for the memory where it will be kept, and for
    /// what is wanted when an end is heard first. The flow was asked for before.
    #[inline]
    pub fn prefetch_end(&self, segment: &Segment<'_>, place: &Place) {
        if let Some(flow) = self.watched.get(place.state) {
            if !flow.heard.has(place.side) {
                self.syns.prefetch(&place.key);
            }
            if place.is_bare {
                return;
            }
            flow.prefetch_end(place.side, place.size);
        } else if place.slot.is_some() {
            return;
        }
        prefetch_all(segment.payload);
    }
}
