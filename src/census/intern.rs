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
    /// With the bytes that were spent on each.
    values: DashMap<Arc<T>, usize, RandomState>,
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
        Some(Arc::clone(self.values.entry(value.into()).or_insert(bytes).key()))
    }

    /// Let go of the values that nobody else holds; returns how many they were. Nobody may be
    /// about to hold one that was just shared.
    pub(super) fn sweep(&self, budget: &Budget) -> usize {
        let mut swept = 0;
        self.values.retain(|value, bytes| {
            let held = Arc::strong_count(value) > 1;
            if !held {
                swept += 1;
                budget.refund(*bytes);
            }
            held
        });
        swept
    }

    /// Do something with each value.
    pub(super) fn for_each(&self, mut act: impl FnMut(&T)) {
        for value in &self.values {
            act(value.key());
        }
    }
}
