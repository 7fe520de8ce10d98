//! [`Interner`]: equal values kept once and shared.

use std::borrow::Borrow;
use std::hash::Hash;
use std::sync::Arc;

use dashmap::DashMap;
use foldhash::fast::RandomState;

/// A table of shared values.
///
/// When it is full, further values are handed out unshared: that costs memory, which other bounds
/// limit, and changes no result.
#[derive(Debug)]
pub(super) struct Interner<T: Eq + Hash + ?Sized> {
    values: DashMap<Arc<T>, (), RandomState>,
    limit: usize,
}

impl<T: Eq + Hash + ?Sized> Interner<T> {
    pub(super) fn new(limit: usize) -> Self {
        Self { values: DashMap::default(), limit }
    }

    /// The shared form of `value`.
    pub(super) fn share<B>(&self, value: B) -> Arc<T>
    where
        B: Borrow<T> + Into<Arc<T>>,
    {
        if let Some(known) = self.values.get(value.borrow()) {
            return Arc::clone(known.key());
        }
        let shared = value.into();
        // Counting a sharded table is slow, but only new values come here.
        if self.values.len() >= self.limit {
            return shared;
        }
        // Another thread may have been faster: its value is the one to share.
        Arc::clone(self.values.entry(shared).or_insert(()).key())
    }
}
