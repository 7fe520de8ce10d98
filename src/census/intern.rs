//! [`Interner`]: equal values kept once and shared.

use std::borrow::Borrow;
use std::hash::Hash;
use std::sync::Arc;

use dashmap::DashMap;
use foldhash::fast::RandomState;

use super::growing::Budget;

/// A table of shared values.
#[derive(Debug)]
pub(super) struct Interner<T: Eq + Hash + ?Sized> {
    values: DashMap<Arc<T>, (), RandomState>,
    limit: usize,
}

impl<T: Eq + Hash + ?Sized> Interner<T> {
    pub(super) fn new(limit: usize) -> Self {
        Self { values: DashMap::default(), limit }
    }

    /// The shared form of `value`, of so many bytes; `None` if it is new and there is no room.
    pub(super) fn share<B>(&self, value: B, bytes: usize, budget: &Budget) -> Option<Arc<T>>
    where
        B: Borrow<T> + Into<Arc<T>>,
    {
        if let Some(known) = self.values.get(value.borrow()) {
            return Some(Arc::clone(known.key()));
        }
        // Counting a sharded table is slow, but only new values come here.
        if self.values.len() >= self.limit || !budget.spend(bytes) {
            return None;
        }
        // Another thread may have been faster: its value is the one to share.
        Some(Arc::clone(self.values.entry(value.into()).or_insert(()).key()))
    }
}
