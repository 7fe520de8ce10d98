//! [`Index`]: where in a flow table the entry of a key is, by the key's hash.
//!
//! Every packet is looked up here, and with many flows each look-up waits for memory. So a place is eight
//! bytes, half of them of the hash, and eight places make a bucket: what a look-up needs lies in one line
//! of the cache, which can be asked for as soon as the hash is known, and an entry is looked at only if
//! it is, as good as surely, the one. All tags of a bucket are compared in one go: which place it is
//! costs no branch, which a processor would often guess wrong. What finds its bucket
//! full lies in the next one that was not; a quarter of all places are free.

use crate::prefetch::prefetch_at;

/// Places of a bucket.
const PLACES: usize = 8;

/// Buckets of an empty index. Always a power of two.
const SMALLEST: usize = 1 << 5;

/// Slots of a table by hashes of keys.
#[derive(Debug)]
pub(super) struct Index {
    buckets: Vec<Bucket>,
    taken: usize,
}

/// One line of the cache.
#[derive(Clone, Debug)]
#[repr(align(64))]
struct Bucket {
    /// The half of the hash that says where it would lie if there were always room, or [`FREE`].
    tags: [u32; PLACES],
    /// What is there, as a number that is not [`NONE`].
    slots: [u32; PLACES],
}

/// The tag of a place where nothing is.
const FREE: u32 = 0;

/// What stands for no slot; all others stand for one less than what they are.
const NONE: u32 = 0;

impl Bucket {
    const EMPTY: Self = Self { tags: [FREE; PLACES], slots: [NONE; PLACES] };

    /// What lies at this tag, or [`NONE`]. Where two have it it is neither.
    #[inline]
    fn likely(&self, tag: u32) -> u32 {
        let both = self.tags.iter().zip(&self.slots);
        both.fold(NONE, |found, (it, slot)| found | if *it == tag { *slot } else { NONE })
    }

    #[inline]
    fn is_full(&self) -> bool {
        self.tags.iter().fold(0, |found, tag| found | u32::from(*tag == FREE)) == 0
    }

    /// The first place with this tag, and what lies there, that is the one.
    fn find(&self, tag: u32, mut is_it: impl FnMut(u32) -> bool) -> Option<(usize, u32)> {
        let numbered = self.tags.iter().zip(&self.slots).enumerate();
        let mut tagged = numbered.filter(|(_, (it, _))| **it == tag);
        tagged.find_map(|(place, (_, slot))| is_it(*slot).then_some((place, *slot)))
    }

    /// Put something into a place.
    fn set(&mut self, place: usize, tag: u32, slot: u32) {
        if let (Some(to_tag), Some(to_slot)) = (self.tags.get_mut(place), self.slots.get_mut(place))
        {
            (*to_tag, *to_slot) = (tag, slot);
        }
    }
}

impl Index {
    pub(super) fn new() -> Self {
        Self { buckets: vec![Bucket::EMPTY; SMALLEST], taken: 0 }
    }

    /// How many slots are in it.
    pub(super) const fn len(&self) -> usize {
        self.taken
    }

    /// Ask for what a look-up will need.
    #[inline]
    pub(super) fn prefetch(&self, hash: u64) {
        prefetch_at(&self.buckets, self.home(tag(hash)));
    }

    /// The slot with this hash. Where several have it, as good as never, it may be none of them.
    #[inline]
    pub(super) fn likely(&self, hash: u64) -> Option<u32> {
        let tag = tag(hash);
        let mut at = self.home(tag);
        loop {
            let bucket = self.buckets.get(at)?;
            let likely = bucket.likely(tag);
            if likely != NONE {
                return Some(likely.wrapping_sub(1));
            }
            if !bucket.is_full() {
                return None;
            }
            at = self.next(at);
        }
    }

    /// The first slot with this hash that is the one.
    pub(super) fn find(&self, hash: u64, is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        self.place_of(hash, is_it).map(|(.., slot)| slot.wrapping_sub(1))
    }

    /// Note a slot; it may be any but the largest number.
    pub(super) fn insert(&mut self, hash: u64, slot: u32) {
        let places = self.buckets.len().saturating_mul(PLACES);
        if self.taken.saturating_mul(4) >= places.saturating_mul(3) {
            self.grow();
        }
        self.put(tag(hash), slot.wrapping_add(1));
        self.taken = self.taken.saturating_add(1);
    }

    /// Forget a slot with this hash. Whether it was there.
    pub(super) fn remove(&mut self, hash: u64, slot: u32) -> bool {
        let found = self.place_of(hash, |found| found == slot);
        let Some((mut at, mut place, _)) = found else { return false };
        self.taken = self.taken.saturating_sub(1);
        // A full bucket may have sent others on: one of those takes the free place, and leaves its own.
        while self.buckets.get(at).is_some_and(Bucket::is_full)
            && let Some((from, its_place, tag, slot)) = self.sent_on(at)
        {
            self.set(at, place, tag, slot);
            (at, place) = (from, its_place);
        }
        self.set(at, place, FREE, NONE);
        true
    }

    /// Forget all.
    pub(super) fn clear(&mut self) {
        *self = Self::new();
    }

    /// The bucket and the place of the first slot with this hash that is the one, and what lies there.
    fn place_of(
        &self,
        hash: u64,
        mut is_it: impl FnMut(u32) -> bool,
    ) -> Option<(usize, usize, u32)> {
        let tag = tag(hash);
        let mut at = self.home(tag);
        loop {
            let bucket = self.buckets.get(at)?;
            if let Some((place, slot)) = bucket.find(tag, |slot| is_it(slot.wrapping_sub(1))) {
                return Some((at, place, slot));
            }
            if !bucket.is_full() {
                return None;
            }
            at = self.next(at);
        }
    }

    /// The bucket and the place of something that found this bucket, which is full, in its way; its tag, and
    /// what lies there.
    fn sent_on(&self, full: usize) -> Option<(usize, usize, u32, u32)> {
        let mut at = full;
        loop {
            at = self.next(at);
            let bucket = self.buckets.get(at).filter(|_| at != full)?;
            let passed = |tag: u32| {
                tag != FREE && self.distance(self.home(tag), at) >= self.distance(full, at)
            };
            let mut numbered = (0..).zip(bucket.tags.iter().zip(&bucket.slots));
            if let Some((place, (&tag, &slot))) = numbered.find(|(_, (tag, _))| passed(**tag)) {
                return Some((at, place, tag, slot));
            }
            if !bucket.is_full() {
                return None;
            }
        }
    }

    /// Put what is there into twice as many buckets.
    #[cold]
    fn grow(&mut self) {
        let more = vec![Bucket::EMPTY; self.buckets.len().saturating_mul(2)];
        for bucket in std::mem::replace(&mut self.buckets, more) {
            for (tag, slot) in bucket.tags.into_iter().zip(bucket.slots) {
                if tag != FREE {
                    self.put(tag, slot);
                }
            }
        }
    }

    /// Into the first free place; there is one.
    fn put(&mut self, tag: u32, slot: u32) {
        let mut at = self.home(tag);
        while let Some(bucket) = self.buckets.get(at) {
            if let Some((place, _)) = bucket.find(FREE, |_| true) {
                return self.set(at, place, tag, slot);
            }
            at = self.next(at);
        }
    }

    fn set(&mut self, at: usize, place: usize, tag: u32, slot: u32) {
        if let Some(bucket) = self.buckets.get_mut(at) {
            bucket.set(place, tag, slot);
        }
    }

    const fn mask(&self) -> usize {
        self.buckets.len().wrapping_sub(1)
    }

    #[inline]
    const fn home(&self, tag: u32) -> usize {
        tag as usize & self.mask()
    }

    #[inline]
    const fn next(&self, at: usize) -> usize {
        at.wrapping_add(1) & self.mask()
    }

    /// How many buckets behind the one the other lies.
    const fn distance(&self, from: usize, to: usize) -> usize {
        to.wrapping_sub(from) & self.mask()
    }
}

/// The half of a hash that is kept, which is never that of a free place.
#[inline]
const fn tag(hash: u64) -> u32 {
    let [high, second, third, low, ..] = hash.to_be_bytes();
    let half = u32::from_be_bytes([high, second, third, low]);
    if half == FREE { !FREE } else { half }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// Hashes of which many would lie in the same bucket, some are the same.
    fn hash(n: u64) -> u64 {
        (n % 97) << 32 | (n % 5) << 60
    }

    /// All that is not in its bucket has only full ones before it.
    fn is_in_order(index: &Index) -> bool {
        index.buckets.iter().enumerate().all(|(at, bucket)| {
            bucket.tags.iter().filter(|tag| **tag != FREE).all(|tag| {
                let home = index.home(*tag);
                (0..index.distance(home, at))
                    .all(|n| index.buckets[home.wrapping_add(n) & index.mask()].is_full())
            })
        })
    }

    #[test]
    fn it_holds_what_a_map_would_hold() {
        let mut index = Index::new();
        let mut map: HashMap<u32, u64> = HashMap::new();
        let mut seed = 1_u64;
        let mut next = |below: u64| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        for round in 0..20_000_u32 {
            // It fills up, and empties again.
            let fills = round % 4_000 < 2_000;
            if next(10) < if fills { 7 } else { 3 } {
                let hash = hash(next(1 << 20));
                index.insert(hash, round);
                map.insert(round, hash);
            } else if let Some((&slot, &hash)) = map.iter().next() {
                assert!(index.remove(hash, slot));
                assert!(!index.remove(hash, slot));
                map.remove(&slot);
            }
            assert_eq!(index.len(), map.len());
            if round % 100 == 0 {
                assert!(is_in_order(&index));
                for (slot, hash) in &map {
                    assert_eq!(index.find(*hash, |found| found == *slot), Some(*slot));
                    let is_alone = map.values().filter(|it| tag(**it) == tag(*hash)).count() == 1;
                    assert!(!is_alone || index.likely(*hash) == Some(*slot));
                }
            }
        }
        assert_eq!(index.find(hash(3), |_| false), None);
        index.clear();
        assert!(map.iter().all(|(_, hash)| index.likely(*hash).is_none()));
    }
}
