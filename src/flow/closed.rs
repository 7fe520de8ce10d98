//! [`Closed`]: the connections that were closed last, of those of which nothing more is wanted.
//!
//! Their entries only serve to know late copies of their packets. A network that opens many connections
//! would fill a table with them, at the cost of those that go on: so there is a bound for how many stay.

use std::collections::VecDeque;

use super::entry::Entry;
use super::slots::Slots;

/// Where closed connections are, in the order in which they were closed.
#[derive(Debug)]
pub(super) struct Closed {
    /// The slot, and the mark by which the connection is known there: others come to be in it.
    places: VecDeque<(u32, u32)>,
    most: usize,
}

impl Closed {
    /// So many of them stay.
    pub(super) const fn new(most: usize) -> Self {
        Self { places: VecDeque::new(), most }
    }

    /// The connection in this slot is closed. The one that was closed longest ago is forgotten, if there are
    /// too many.
    pub(super) fn add(&mut self, slot: u32, slots: &mut Slots<Entry>) {
        let Some(mark) = slots.get(slot).map(Entry::mark) else { return };
        self.places.push_back((slot, mark));
        if self.places.len() <= self.most {
            return;
        }
        // By now there may be another one, or nothing.
        if let Some((oldest, mark)) = self.places.pop_front()
            && slots.get(oldest).is_some_and(|entry| entry.is_over() && entry.mark() == mark)
        {
            slots.forget(oldest);
        }
        if let Some((next, _)) = self.places.front() {
            slots.prefetch(*next);
        }
    }

    /// None is left.
    pub(super) fn clear(&mut self) {
        self.places.clear();
    }
}
