//! [`Closed`]: the connections that were closed last, of those of which nothing more is wanted.
//!
//! Their entries only serve to know late copies of their packets. A network that opens many connections
//! would fill a table with them, at the cost of those that go on: so there is a bound for how many stay.

use std::collections::VecDeque;

use super::entry::Entry;
use super::slots::Slots;

/// Slots of closed connections, in the order in which they were closed.
#[derive(Debug)]
pub(super) struct Closed {
    slots: VecDeque<u32>,
    most: usize,
}

impl Closed {
    /// So many of them stay.
    pub(super) const fn new(most: usize) -> Self {
        Self { slots: VecDeque::new(), most }
    }

    /// The connection in this slot is closed. The one that was closed longest ago is forgotten, if there are
    /// too many.
    pub(super) fn add(&mut self, slot: u32, slots: &mut Slots<Entry>) {
        self.slots.push_back(slot);
        if self.slots.len() <= self.most {
            return;
        }
        // By now there may be something else, or nothing.
        if let Some(oldest) = self.slots.pop_front()
            && slots.get(oldest).is_some_and(Entry::is_over)
        {
            slots.forget(oldest);
        }
        if let Some(next) = self.slots.front() {
            slots.prefetch(*next);
        }
    }

    /// None is left.
    pub(super) fn clear(&mut self) {
        self.slots.clear();
    }
}
