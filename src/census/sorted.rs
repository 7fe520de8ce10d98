//! [`Sorted`]: a small ordered map that keeps its smallest keys.
//!
//! Bounds must not make a census depend on the order in which connections come in. A map that is
//! full therefore gives up its largest key for a smaller one, and never takes a key back: what is
//! kept, and what was counted for it, is the same in any order.

use smallvec::{Array, SmallVec};

/// What the allocator adds to each piece of memory, about.
pub(super) const PIECE: usize = 16;

/// A map of few entries, in the order of its keys; the first `N` of them stand in the map itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sorted<K, V, const N: usize = 0>(SmallVec<[(K, V); N]>);

impl<K, V, const N: usize> Sorted<K, V, N> {
    /// An empty map.
    pub(super) const fn new() -> Self {
        Self(SmallVec::new_const())
    }

    /// Bytes that it takes besides itself.
    pub(super) fn bytes(&self) -> usize {
        bytes(&self.0)
    }

    /// How many entries there is memory for.
    pub(super) fn capacity(&self) -> usize {
        self.0.capacity()
    }
}

/// Bytes that a list takes besides itself.
pub(super) fn bytes<A: Array>(list: &SmallVec<A>) -> usize {
    if list.spilled() { list.capacity() * size_of::<A::Item>() + PIECE } else { 0 }
}

impl<K: Ord, V, const N: usize> Sorted<K, V, N> {
    /// The value of `key`, made if it is new; `None` if there is no room for so large a key.
    ///
    /// What had to give way is handed to `lost`.
    pub(super) fn admit(
        &mut self,
        key: K,
        limit: usize,
        make: impl FnOnce() -> V,
        lost: impl FnOnce(V),
    ) -> Option<&mut V> {
        let at = match self.0.binary_search_by(|(known, _)| known.cmp(&key)) {
            Ok(at) => at,
            Err(at) if at >= limit => return None,
            Err(at) => {
                if self.0.len() >= limit
                    && let Some((_, value)) = self.0.pop()
                {
                    lost(value);
                }
                if self.0.is_empty() {
                    // Most maps of a census stay at one entry: do not reserve for four.
                    self.0.reserve_exact(1);
                }
                self.0.insert(at, (key, make()));
                at
            }
        };
        self.0.get_mut(at).map(|(_, value)| value)
    }

    /// A map of these entries, the smallest `limit` of them.
    pub(super) fn collect(mut entries: Vec<(K, V)>, limit: usize) -> Self {
        entries.sort_by(|(left, _), (right, _)| left.cmp(right));
        entries.dedup_by(|(later, _), (earlier, _)| later == earlier);
        entries.truncate(limit);
        let mut entries = SmallVec::from_vec(entries);
        entries.shrink_to_fit();
        Self(entries)
    }

    /// A map of what `take` takes of each entry.
    pub(super) fn filter_map<W>(
        &mut self,
        mut take: impl FnMut(&K, &mut V) -> Option<W>,
    ) -> Sorted<K, W, N>
    where
        K: Clone,
    {
        let entries = self.0.iter_mut();
        Sorted(entries.filter_map(|(key, value)| Some((key.clone(), take(key, value)?))).collect())
    }

    /// Keep the entries for which this holds.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        self.0.retain_mut(|(key, value)| keep(key, value));
    }

    /// Take in another map: values of the same key are folded into one.
    pub(super) fn merge(&mut self, other: Self, limit: usize, mut fold: impl FnMut(&mut V, V)) {
        if self.0.is_empty() {
            *self = other;
        } else if !other.0.is_empty() {
            let mut merged = SmallVec::with_capacity(self.0.len().max(other.0.len()));
            let mut right = other.0.into_iter().peekable();
            for (key, mut value) in std::mem::take(&mut self.0) {
                while let Some(smaller) = right.next_if(|(other, _)| *other < key) {
                    merged.push(smaller);
                }
                if let Some((_, same)) = right.next_if(|(other, _)| *other == key) {
                    fold(&mut value, same);
                }
                merged.push((key, value));
            }
            merged.extend(right);
            self.0 = merged;
        }
        self.0.truncate(limit);
        self.0.shrink_to_fit();
    }

    /// The value of `key`.
    pub fn get(&self, key: &K) -> Option<&V> {
        let at = self.0.binary_search_by(|(known, _)| known.cmp(key)).ok()?;
        self.0.get(at).map(|(_, value)| value)
    }

    /// The value of `key`, to be changed.
    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let at = self.0.binary_search_by(|(known, _)| known.cmp(key)).ok()?;
        self.0.get_mut(at).map(|(_, value)| value)
    }

    /// All entries, smallest key first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&K, &V)> + Clone {
        self.0.iter().map(|(key, value)| (key, value))
    }

    /// All values, in the order of their keys.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &V> + Clone {
        self.0.iter().map(|(_, value)| value)
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Insert into a sorted list without doubles that keeps its `limit` smallest values.
pub(super) fn keep_smallest<A: Array>(list: &mut SmallVec<A>, value: A::Item, limit: usize)
where
    A::Item: Ord,
{
    if let Err(at) = list.binary_search(&value)
        && at < limit
    {
        if list.len() >= limit {
            list.pop();
        }
        list.insert(at, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_and_counted_depends_on_no_order() {
        let orders = [[1, 2, 3, 1, 2, 3], [3, 2, 1, 3, 2, 1], [3, 3, 1, 1, 2, 2]];
        for order in orders {
            let mut map: Sorted<_, _> = Sorted::new();
            let mut lost = 0;
            let mut refused = 0;
            for key in order {
                match map.admit(key, 2, || 0, |count| lost += count) {
                    Some(count) => *count += 1,
                    None => refused += 1,
                }
            }
            assert_eq!(map.iter().collect::<Vec<_>>(), [(&1, &2), (&2, &2)], "{order:?}");
            assert_eq!(lost + refused, 2, "{order:?}");
        }
    }

    #[test]
    fn a_list_keeps_its_smallest_values_once() {
        let mut list = SmallVec::<[i32; 2]>::new();
        for value in [5, 3, 9, 3, 1, 7] {
            keep_smallest(&mut list, value, 3);
        }
        assert_eq!(*list, [1, 3, 5]);
        keep_smallest(&mut list, 0, 0);
        assert_eq!(*list, [1, 3, 5]);
    }
}
