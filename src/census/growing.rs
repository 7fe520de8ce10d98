//! [`Growing`]: a value of a census that is still growing, and whether it is new to the file;
//! [`Mark`]: the same for a part of such a value; [`Budget`]: how much memory is left for what peers
//! make up; [`Room`]: what one connection may take of it.

use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering};

use smallvec::{Array, SmallVec};

use crate::limits::Limits;

use super::sorted::{bytes, keep_smallest};

/// A value, and whether it has changed since it was last [taken](Self::take).
#[derive(Debug)]
pub(super) struct Growing<T> {
    value: T,
    changed: bool,
}

impl<T> Growing<T> {
    /// Something new.
    pub(super) const fn new(value: T) -> Self {
        Self { value, changed: true }
    }

    pub(super) const fn value(&self) -> &T {
        &self.value
    }

    pub(super) fn into_value(self) -> T {
        self.value
    }

    /// The value, to be changed.
    pub(super) const fn change(&mut self) -> &mut T {
        self.changed = true;
        &mut self.value
    }
}

impl<T> Growing<T> {
    /// What `part` takes of it, if it has changed since the last time.
    pub(super) fn take_with<P>(&mut self, part: impl FnOnce(&mut T) -> P) -> Option<P> {
        std::mem::take(&mut self.changed).then(|| part(&mut self.value))
    }
}

impl<T: Clone> Growing<T> {
    /// A copy, if it has changed since the last time.
    pub(super) fn take(&mut self) -> Option<T> {
        self.take_with(|value| value.clone())
    }
}

/// Whether a part of a value is new to the file. This is no fact: all marks are equal.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mark(bool);

impl Mark {
    /// From now on it is new.
    pub(super) const fn set(&mut self) {
        self.0 = true;
    }

    /// Whether it is new.
    pub(super) const fn is_set(self) -> bool {
        self.0
    }

    /// Whether it was new; from now on it is not.
    pub(super) const fn take(&mut self) -> Self {
        std::mem::replace(self, Self(false))
    }
}

impl PartialEq for Mark {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Mark {}

/// Bytes that may still be spent on values of any length.
#[derive(Debug)]
pub(super) struct Budget(AtomicUsize);

impl Budget {
    pub(super) const fn new(bytes: usize) -> Self {
        Self(AtomicUsize::new(bytes))
    }

    /// Spend so many bytes; false if there are not as many left.
    pub(super) fn spend(&self, bytes: usize) -> bool {
        let less = |left: usize| left.checked_sub(bytes);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }

    /// What so many bytes were spent on is gone.
    pub(super) fn refund(&self, bytes: usize) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// How much memory is left for the lists of a census: hosts, stacks, edges, servers and what they hold.
///
/// What is spent is known only once a list has grown, so it may be overdrawn, by as much as the
/// threads that add at the same time make one list grow.
#[derive(Debug)]
pub(super) struct Lists {
    left: AtomicIsize,
    whole: isize,
    edges: AtomicUsize,
    most_edges: usize,
}

impl Lists {
    pub(super) fn new(limits: &Limits) -> Self {
        let whole = isize::try_from(limits.census_list_bytes).unwrap_or(isize::MAX);
        Self {
            left: AtomicIsize::new(whole),
            whole,
            edges: AtomicUsize::new(0),
            most_edges: limits.census_edges,
        }
    }

    /// What a connection may take now.
    pub(super) fn room(&self) -> Room {
        let left = self.left.load(Ordering::Relaxed);
        // The last quarter is for hosts and what they offer: a client that makes up names for its
        // servers must not keep others off the list.
        let for_edges = left > self.whole / 4;
        let edges = self.edges.load(Ordering::Relaxed);
        Room {
            open: left > 0,
            open_for_edges: for_edges && edges < self.most_edges,
            bytes: 0,
            edges: 0,
            refused: 0,
        }
    }

    /// A connection has taken this.
    pub(super) fn charge(&self, room: &Room) {
        if room.bytes != 0 {
            self.left.fetch_sub(room.bytes, Ordering::Relaxed);
        }
        if room.edges > 0 {
            self.edges.fetch_add(room.edges.unsigned_abs(), Ordering::Relaxed);
        } else if room.edges < 0 {
            self.edges.fetch_sub(room.edges.unsigned_abs(), Ordering::Relaxed);
        }
    }
}

/// What one connection may take of the memory for lists, and what it has taken.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) open: bool,
    pub(super) open_for_edges: bool,
    bytes: isize,
    edges: isize,
    /// Details of something listed for which there was no room.
    pub(super) refused: u64,
}

impl Room {
    /// The bound of a list that has memory for so many items: without room it keeps to those.
    pub(super) fn of(&self, limit: usize, capacity: usize) -> usize {
        if self.open { limit } else { limit.min(capacity) }
    }

    /// The same of a list of edges, of which there are so many.
    pub(super) fn of_edges(&self, limit: usize, edges: usize) -> usize {
        if self.open_for_edges { limit } else { limit.min(edges) }
    }

    /// Insert into a list that keeps its smallest values.
    pub(super) fn keep<A: Array>(&mut self, list: &mut SmallVec<A>, value: A::Item, limit: usize)
    where
        A::Item: Ord,
    {
        let within = self.of(limit, list.capacity());
        if within < limit && list.len() >= within && list.binary_search(&value).is_err() {
            self.refuse();
        }
        self.give(bytes(list));
        keep_smallest(list, value, within);
        self.take(bytes(list));
    }

    /// So many bytes are taken.
    pub(super) fn take(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes.cast_signed());
    }

    /// So many bytes are free again.
    pub(super) fn give(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes.cast_signed());
    }

    /// So many edges more.
    pub(super) fn gain_edges(&mut self, edges: usize) {
        self.edges = self.edges.saturating_add(edges.cast_signed());
    }

    /// So many edges less.
    pub(super) fn lose_edges(&mut self, edges: usize) {
        self.edges = self.edges.saturating_sub(edges.cast_signed());
    }

    /// Something of what is listed found no room.
    pub(super) fn refuse(&mut self) {
        self.refused = self.refused.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_taken_once_for_each_change() {
        let mut value = Growing::new(1);
        assert_eq!((value.take(), value.take()), (Some(1), None));
        *value.change() += 1;
        assert_eq!((value.take(), value.take()), (Some(2), None));
    }

    #[test]
    fn what_is_spent_is_gone() {
        let budget = Budget::new(10);
        assert!(budget.spend(7) && !budget.spend(4) && budget.spend(3) && !budget.spend(1));
        budget.refund(2);
        assert!(!budget.spend(3) && budget.spend(2));
    }
}
