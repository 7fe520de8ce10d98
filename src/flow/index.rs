//! [`Index`]: where in a flow table the entry of a key is, by the key's hash.
//!
//! Every packet is looked up here, and with many flows each look-up waits for memory. So a place is eight
//! bytes, half of them of the hash: what a look-up needs lies in one line of the cache, which can be asked
//! for as soon as the hash is known, and an entry is looked at only if it is, as good as surely, the one.
//! Open addressing, linear probing: what collides lies in the next place, and a quarter of all are free.
//! More of them would be sooner found, but lie in more memory.

use crate::prefetch::prefetch_at;

/// Places of an empty index. Always a power of two.
const SMALLEST: usize = 1 << 8;

/// Slots of a table by hashes of keys.
#[derive(Debug)]
pub(super) struct Index {
    places: Vec<Place>,
    taken: usize,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    /// The half of the hash that says where it would lie if nothing collided.
    tag: u32,
    slot: u32,
}

/// What stands for no slot.
const NONE: u32 = u32::MAX;

const FREE: Place = Place { tag: 0, slot: NONE };

impl Index {
    pub(super) fn new() -> Self {
        Self { places: vec![FREE; SMALLEST], taken: 0 }
    }

    /// How many slots are in it.
    pub(super) const fn len(&self) -> usize {
        self.taken
    }

    /// Ask for what a look-up will need.
    #[inline]
    pub(super) fn prefetch(&self, hash: u64) {
        prefetch_at(&self.places, self.home(tag(hash)));
    }

    /// The first slot with this hash that is the one.
    #[inline]
    pub(super) fn find(&self, hash: u64, is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        self.place_of(hash, is_it).map(|(_, slot)| slot)
    }

    /// Note a slot; it may be any but the largest number.
    pub(super) fn insert(&mut self, hash: u64, slot: u32) {
        if self.taken.saturating_mul(4) >= self.places.len().saturating_mul(3) {
            self.grow();
        }
        self.put(Place { tag: tag(hash), slot });
        self.taken = self.taken.saturating_add(1);
    }

    /// Forget a slot with this hash. Whether it was there.
    pub(super) fn remove(&mut self, hash: u64, slot: u32) -> bool {
        let Some((mut hole, _)) = self.place_of(hash, |found| found == slot) else { return false };
        self.taken = self.taken.saturating_sub(1);
        // What lies behind it goes into the hole unless that is before where it would lie itself.
        let mut at = hole;
        loop {
            at = self.next(at);
            let Some(&place) = self.places.get(at).filter(|place| place.slot != NONE) else {
                break;
            };
            let from_home = self.distance(self.home(place.tag), at);
            if from_home >= self.distance(hole, at) {
                self.set(hole, place);
                hole = at;
            }
        }
        self.set(hole, FREE);
        true
    }

    /// Forget all.
    pub(super) fn clear(&mut self) {
        *self = Self::new();
    }

    /// The place of the first slot with this hash that is the one, and the slot.
    #[inline]
    fn place_of(&self, hash: u64, mut is_it: impl FnMut(u32) -> bool) -> Option<(usize, u32)> {
        let tag = tag(hash);
        let mut at = self.home(tag);
        loop {
            let place = self.places.get(at)?;
            if place.slot == NONE {
                return None;
            }
            if place.tag == tag && is_it(place.slot) {
                return Some((at, place.slot));
            }
            at = self.next(at);
        }
    }

    /// Put what is there into twice as many places.
    #[cold]
    fn grow(&mut self) {
        let more = vec![FREE; self.places.len().saturating_mul(2)];
        for place in std::mem::replace(&mut self.places, more) {
            if place.slot != NONE {
                self.put(place);
            }
        }
    }

    /// Into the first free place; there is one.
    fn put(&mut self, place: Place) {
        let mut at = self.home(place.tag);
        while self.places.get(at).is_some_and(|place| place.slot != NONE) {
            at = self.next(at);
        }
        self.set(at, place);
    }

    fn set(&mut self, at: usize, place: Place) {
        if let Some(there) = self.places.get_mut(at) {
            *there = place;
        }
    }

    const fn mask(&self) -> usize {
        self.places.len().wrapping_sub(1)
    }

    #[inline]
    const fn home(&self, tag: u32) -> usize {
        tag as usize & self.mask()
    }

    #[inline]
    const fn next(&self, at: usize) -> usize {
        at.wrapping_add(1) & self.mask()
    }

    /// How many places behind the one the other lies.
    const fn distance(&self, from: usize, to: usize) -> usize {
        to.wrapping_sub(from) & self.mask()
    }
}

/// The half of a hash that is kept.
#[inline]
const fn tag(hash: u64) -> u32 {
    let [high, second, third, low, ..] = hash.to_be_bytes();
    u32::from_be_bytes([high, second, third, low])
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// Hashes of which many would lie in the same place, some are the same.
    fn hash(n: u64) -> u64 {
        (n % 97) << 32 | (n % 5) << 60
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
                for (slot, hash) in &map {
                    assert_eq!(index.find(*hash, |found| found == *slot), Some(*slot));
                }
            }
        }
        assert_eq!(index.find(hash(3), |_| false), None);
        index.clear();
        assert!(map.iter().all(|(_, hash)| index.find(*hash, |_| true).is_none()));
    }
}
