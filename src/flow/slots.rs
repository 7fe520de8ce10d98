//! [`Slots`]: the entries of a flow table, found by key, that age as capture time passes.
//!
//! Both tables, of streams and of datagrams, keep a small entry for each flow here and the state of
//! those that are watched in a [`Watched`] beside it. With each packet a [`Hand`] moves over a few
//! entries, and it is also the hand that says who goes when a bound is reached.

use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::hint::select_unpredictable;
use std::ops::Range;
use std::time::Duration;

use foldhash::fast::RandomState;

use super::hand::Hand;
use super::index::Index;
use super::list::List;
use super::{FlowKey, short};
use crate::clock::Timestamp;

/// What a table keeps of every flow.
pub(super) trait Slot: Copy {
    /// The key of its packets.
    fn key(&self) -> FlowKey;

    /// The key under which its packets are seen as well.
    fn joined_key(&self) -> Option<FlowKey>;

    /// Where its state is in [`Watched`], or [`SHUNTED`] or [`VACANT`].
    fn state(&self) -> u32;

    /// Nothing is here any more.
    fn vacate(&mut self);
}

/// The state of an entry of whose flow nothing more is wanted.
pub(super) const SHUNTED: u32 = u32::MAX;

/// The state of an entry that is none.
pub(super) const VACANT: u32 = u32::MAX - 1;

/// Set on a slot in the index that stands there a second time, under the tags that were joined.
const JOINED: u32 = 1 << 31;

/// No slot has a larger number, nor one that with the bit above is that of none.
const LARGEST: u32 = JOINED - 2;

/// Entries, found by their keys.
#[derive(Debug)]
pub(super) struct Slots<E> {
    index: Index,
    entries: List<E>,
    free: VecDeque<u32>,
    pub(super) hand: Hand,
    /// How often something was added to the index; it wraps.
    added: u32,
    hash: RandomState,
}

impl<E: Slot> Slots<E> {
    /// No entry needs a look before it was silent for `patience`.
    pub(super) fn new(patience: Duration) -> Self {
        Self {
            index: Index::new(),
            entries: List::new(),
            free: VecDeque::new(),
            hand: Hand::new(patience),
            added: 0,
            hash: RandomState::default(),
        }
    }

    /// Flows that are remembered; one that was joined counts twice.
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What hashes its keys.
    pub(super) const fn hasher(&self) -> &RandomState {
        &self.hash
    }

    #[inline]
    pub(super) fn hash_of(&self, key: &FlowKey) -> u64 {
        self.hash.hash_one(key)
    }

    #[inline]
    pub(super) fn get(&self, slot: u32) -> Option<&E> {
        self.entries.get(slot as usize)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, slot: u32) -> Option<&mut E> {
        self.entries.get_mut(slot as usize)
    }

    /// The state of the entry in a slot, where there is one. That there is none is no rare thing, and
    /// costs no branch.
    #[inline]
    pub(super) fn state_of(&self, slot: Option<u32>) -> u32 {
        let slot = slot.map_or(usize::MAX, |slot| slot as usize);
        let Some((entry, is_it)) = self.entries.get_or_other(slot) else { return VACANT };
        select_unpredictable(is_it, entry.state(), VACANT)
    }

    /// Ask for what will say where the entry with this hash is.
    #[inline]
    pub(super) fn prefetch_index(&self, hash: u64) {
        self.index.prefetch(hash);
    }

    /// The slot with this hash, whatever its key.
    #[inline]
    pub(super) fn likely(&self, hash: u64) -> Option<u32> {
        self.index.likely(hash).map(|slot| slot & !JOINED)
    }

    /// How many entries there have been. While that is the same, what was not found is not there.
    #[inline]
    pub(super) const fn added(&self) -> u32 {
        self.added
    }

    #[inline]
    pub(super) fn find(&self, key: &FlowKey, hash: u64) -> Option<u32> {
        let found = self.index.find(hash, |slot| key_in(&self.entries, slot) == Some(*key));
        found.map(|slot| slot & !JOINED)
    }

    /// A place for an entry that needs no look until after this second.
    pub(super) fn insert(&mut self, entry: E, hash: u64, until: u32) -> Option<u32> {
        let slot = if let Some(slot) = self.free.pop_front() {
            *self.entries.get_mut(slot as usize)? = entry;
            slot
        } else {
            let slot = u32::try_from(self.entries.len()).ok().filter(|slot| *slot < LARGEST)?;
            let mut vacant = entry;
            vacant.vacate();
            self.entries.push(entry, vacant);
            slot
        };
        self.index_as(slot, hash);
        self.hand.put_off(slot, until);
        Some(slot)
    }

    /// Let an entry be found by its joined key as well, which it has by now.
    pub(super) fn join(&mut self, slot: u32, hash: u64) {
        self.index_as(slot | JOINED, hash);
    }

    fn index_as(&mut self, slot: u32, hash: u64) {
        self.added = self.added.wrapping_add(1);
        self.index.insert(hash, slot);
    }

    /// Take an entry out of the table.
    pub(super) fn forget(&mut self, slot: u32) {
        let Some(entry) = self.entries.get_mut(slot as usize) else { return };
        let (key, joined) = (entry.key(), entry.joined_key());
        entry.vacate();
        if let Some(joined) = joined {
            self.unindex(slot | JOINED, &joined);
        }
        if self.unindex(slot, &key) {
            self.free.push_back(slot);
        }
    }

    fn unindex(&mut self, slot: u32, key: &FlowKey) -> bool {
        self.index.remove(self.hash.hash_one(key), slot)
    }

    /// Forget all entries.
    pub(super) fn clear(&mut self) {
        self.index.clear();
        self.entries.clear();
        self.free.clear();
        self.hand.clear();
    }

    /// Ask for an entry.
    #[inline]
    pub(super) fn prefetch(&self, slot: u32) {
        self.entries.prefetch(slot as usize);
    }

    /// All slots, oldest place first, whether an entry is in them or not.
    pub(super) fn all(&self) -> Range<u32> {
        0..short(self.entries.len())
    }

    /// Who goes when there are too many: the entry under the hand, a shunted one if one is near.
    #[cold]
    pub(super) fn superfluous(&mut self) -> Option<u32> {
        const NEAR: usize = 256;
        let near = || self.entries.around(self.hand.at()).take(NEAR);
        let shunted = near().find(|(entry, _)| entry.state() == SHUNTED);
        let any = near().find(|(entry, _)| entry.state() != VACANT);
        let (_, slot) = shunted.or(any)?;
        self.hand.go_behind(slot);
        Some(slot)
    }

    /// Whose watching is given up when too many are watched: the one under the hand.
    #[cold]
    pub(super) fn superfluous_watched(&mut self) -> Option<u32> {
        let is_watched = |entry: &E| !matches!(entry.state(), SHUNTED | VACANT);
        let (_, slot) = self.entries.around(self.hand.at()).find(|(entry, _)| is_watched(entry))?;
        self.hand.go_behind(slot);
        Some(slot)
    }
}

/// The key under which this slot of an index finds its entry.
fn key_in<E: Slot>(entries: &List<E>, slot: u32) -> Option<FlowKey> {
    let entry = entries.get((slot & !JOINED) as usize)?;
    if slot & JOINED == 0 { Some(entry.key()) } else { entry.joined_key() }
}

/// The state of those flows that are watched; its size is that of the most there were at once.
#[derive(Debug)]
pub(super) struct Watched<F> {
    places: Vec<Option<Box<F>>>,
    free: Vec<u32>,
}

impl<F> Watched<F> {
    pub(super) const fn new() -> Self {
        Self { places: Vec::new(), free: Vec::new() }
    }

    /// How many there are.
    #[inline]
    pub(super) const fn len(&self) -> usize {
        self.places.len().saturating_sub(self.free.len())
    }

    /// The flow of an entry in this state.
    #[inline]
    pub(super) fn get(&self, state: u32) -> Option<&F> {
        self.places.get(state as usize)?.as_deref()
    }

    #[inline]
    pub(super) fn get_mut(&mut self, state: u32) -> Option<&mut F> {
        self.places.get_mut(state as usize)?.as_deref_mut()
    }

    /// Whether this is the state of a flow that is watched.
    #[inline]
    pub(super) const fn reaches(&self, state: u32) -> bool {
        (state as usize) < self.places.len()
    }

    /// A place for a flow: the state of its entry from now on.
    pub(super) fn insert(&mut self, flow: Box<F>) -> u32 {
        if let Some(place) = self.free.pop()
            && let Some(vacant) = self.places.get_mut(place as usize)
        {
            *vacant = Some(flow);
            return place;
        }
        let place = u32::try_from(self.places.len()).unwrap_or(SHUNTED);
        self.places.push(Some(flow));
        place
    }

    pub(super) fn remove(&mut self, state: u32) -> Option<Box<F>> {
        let flow = self.places.get_mut(state as usize)?.take()?;
        self.free.push(state);
        Some(flow)
    }
}

/// A second by a clock that was put forward, or back, by so many.
#[cfg(feature = "live")]
pub(super) fn shifted(second: u32, by: i64) -> u32 {
    let second = i64::from(second).saturating_add(by).clamp(0, i64::from(u32::MAX));
    u32::try_from(second).unwrap_or_default()
}

/// The second of a moment, for the entries; it wraps only in 2106.
pub(super) fn seconds(at: Timestamp) -> u32 {
    u32::try_from(at.as_secs()).unwrap_or(u32::MAX)
}
