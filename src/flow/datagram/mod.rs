//! [`DatagramTable`]: the flows of UDP, of which only the few that carry a handshake leave a trace.
//!
//! Most datagrams are media, name look-ups and tunnels. A [glance](DatagramConsumer::glance) at the
//! first bytes tells whether one may matter; only what may begin a handshake makes an entry, and
//! what can only belong to one is looked up only while some handshake is watched. As in
//! [`FlowTable`](super::table::FlowTable) an entry outlives the watching, so that a datagram that
//! comes again is told from another connection on the same ports, and expiry runs on capture time.
//! A copy that a mirror port or a router made of a datagram is fed once.

mod copies;

use std::fmt;
use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use self::copies::Copies;
use super::halves::Halves;
use super::table::Finished;
use super::{FlowEnd, FlowKey, FlowMeta, Side, Signs, around};
use crate::clock::Timestamp;
use crate::limits::Limits;
use crate::packet::{Datagram, Domain};

/// What is fed with the datagrams of a flow.
pub trait DatagramConsumer: Sized {
    /// What is remembered of earlier connections on the same addresses and ports.
    type Memory: Copy + Default + fmt::Debug;

    /// What a datagram may be, by its bytes alone. Asked of every datagram: it has to be cheap.
    fn glance(payload: &[u8], cut: u32) -> Glance;

    /// A consumer for a flow that this datagram opens.
    fn open(limits: &Limits, payload: &[u8]) -> Self;

    /// The next datagram of the flow.
    fn feed(
        &mut self,
        side: Side,
        at: Timestamp,
        payload: &[u8],
        cut: u32,
        earlier: &Self::Memory,
    ) -> Fed;

    /// Whether a datagram that may open a flow opens one where nothing is watched any more.
    fn reopens(earlier: &Self::Memory, payload: &[u8]) -> bool;

    /// What has to be remembered of the connection, and of those before it.
    fn remember(&self, earlier: Self::Memory) -> Self::Memory;

    /// Heap bytes that it holds, for the bound on all flows together.
    fn held_bytes(&self) -> usize;
}

/// What a datagram may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glance {
    /// Nothing of interest.
    Nothing,
    /// It may belong to a flow that is watched; it opens none.
    Later,
    /// It may open a flow.
    Opening,
}

/// What became of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fed {
    /// It was taken: go on.
    Continue,
    /// It was taken, and nothing more is wanted.
    Shunt,
    /// It was not taken: another connection begins with it.
    Another,
    /// It was not taken: it has no part in the handshake.
    Ignored,
}

/// Counters of a datagram table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DatagramStats {
    /// Datagrams that were pushed.
    pub datagrams: u64,
    /// Datagrams that were given to a consumer.
    pub taken: u64,
    /// Copies of datagrams that were given to a consumer.
    pub copies: u64,
    /// Flows that were opened.
    pub flows: u64,
    /// Connections on the ports of an earlier one.
    pub reopened: u64,
    /// Flows of which copies were seen under other VLAN tags.
    pub joined: u64,
    /// Flows forgotten because there were too many.
    pub evicted: u64,
    /// Handshakes given up because too many, or too large, were watched at once.
    pub evicted_watched: u64,
}

/// The datagram flows of one capture thread.
#[derive(Debug)]
pub struct DatagramTable<C: DatagramConsumer> {
    limits: Limits,
    index: HashTable<u32>,
    entries: Vec<Entry<C::Memory>>,
    free: Vec<u32>,
    watched: Vec<Option<Box<Flow<C>>>>,
    free_watched: Vec<u32>,
    held_bytes: usize,
    hand: usize,
    hash: RandomState,
    halves: Halves,
    stats: DatagramStats,
}

/// What is kept of every flow.
#[derive(Clone, Copy, Debug)]
struct Entry<M> {
    key: FlowKey,
    /// Second of the last datagram that mattered.
    last_seen: u32,
    /// Where in `watched`, or one of the two states below.
    state: u32,
    /// The datagram that opened it.
    opening: u64,
    /// Other VLAN tags under which copies of its datagrams are seen.
    joined: Option<Domain>,
    memory: M,
}

const SHUNTED: u32 = u32::MAX;
const VACANT: u32 = u32::MAX - 1;

/// Set on a slot in the index that stands there a second time, under the tags that were joined.
const JOINED: u32 = 1 << 31;

/// Entries that the hand moves over with each datagram that matters.
const HAND_STEPS: usize = 2;

impl<M> Entry<M> {
    /// The key under which this slot of the index finds it.
    fn key_in(&self, slot: u32) -> Option<FlowKey> {
        if slot & JOINED == 0 { Some(self.key) } else { Some(self.key.within(self.joined?)) }
    }
}

#[derive(Debug)]
struct Flow<C> {
    consumer: C,
    meta: FlowMeta,
    copies: Copies,
}

impl<C: DatagramConsumer> DatagramTable<C> {
    /// An empty table.
    pub fn new(limits: &Limits) -> Self {
        Self {
            limits: limits.clone(),
            index: HashTable::new(),
            entries: Vec::new(),
            free: Vec::new(),
            watched: Vec::new(),
            free_watched: Vec::new(),
            held_bytes: 0,
            hand: 0,
            hash: RandomState::default(),
            halves: Halves::new(),
            stats: DatagramStats::default(),
        }
    }

    /// What the table has done so far.
    pub const fn stats(&self) -> &DatagramStats {
        &self.stats
    }

    /// Flows that are remembered now, watched or shunted.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether no flow is remembered.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Flows whose handshake is being watched now.
    pub fn watched(&self) -> usize {
        self.watched.len().saturating_sub(self.free_watched.len())
    }

    /// Heap bytes that all watched flows together hold.
    pub const fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// Take one datagram. Flows that are over, this one or another, go to `finish`.
    #[inline]
    pub fn push(
        &mut self,
        datagram: &Datagram<'_>,
        at: Timestamp,
        finish: &mut impl FnMut(Finished<C>),
    ) {
        self.stats.datagrams = self.stats.datagrams.saturating_add(1);
        let glance = C::glance(datagram.payload, datagram.cut);
        if glance == Glance::Nothing
            || (glance == Glance::Later && self.watched.len() == self.free_watched.len())
        {
            return;
        }
        self.take(datagram, glance, at, finish);
    }

    /// Time has passed without datagrams that matter.
    pub fn tick(&mut self, at: Timestamp, finish: &mut impl FnMut(Finished<C>)) {
        self.hand = 0;
        for _ in 0..self.entries.len().div_ceil(HAND_STEPS) {
            self.advance(at, finish);
        }
    }

    /// The capture is over: give up all that is watched, oldest entry first, and forget all flows.
    pub fn finish_all(&mut self, finish: &mut impl FnMut(Finished<C>)) {
        let slots: Vec<u32> = self
            .entries
            .iter()
            .zip(0..)
            .filter(|(entry, _)| entry.state != VACANT)
            .map(|(_, slot)| slot)
            .collect();
        for slot in slots {
            self.give_up(slot, FlowEnd::EndOfCapture, finish);
            self.forget(slot);
        }
    }

    /// A datagram that may matter.
    fn take(
        &mut self,
        datagram: &Datagram<'_>,
        glance: Glance,
        at: Timestamp,
        finish: &mut impl FnMut(Finished<C>),
    ) {
        self.advance(at, finish);
        let (key, side) = FlowKey::of(datagram.source, datagram.target, datagram.domain);
        let hash = self.hash.hash_one(key);
        let entries = &mut self.entries;
        let found = self.index.find(hash, |&slot| {
            entries.get((slot & !JOINED) as usize).and_then(|entry| entry.key_in(slot)) == Some(key)
        });
        let mut known = found.map(|slot| slot & !JOINED);
        if known.is_none() && glance == Glance::Opening {
            known = self.join(key, side, hash, datagram, at);
        }
        let slot = match known {
            Some(slot) => slot,
            None if glance == Glance::Opening => self.insert(key, hash, at, finish),
            None => return,
        };
        let Some(entry) = self.entries.get(slot as usize) else { return };
        if entry.state == SHUNTED {
            if known.is_some() {
                if glance != Glance::Opening || !C::reopens(&entry.memory, datagram.payload) {
                    return;
                }
                self.stats.reopened = self.stats.reopened.saturating_add(1);
            }
            self.watch(slot, side, datagram, at, finish);
        }
        self.feed(slot, side, datagram, at, finish);
    }

    /// A new entry, nothing of which is watched yet.
    fn insert(
        &mut self,
        key: FlowKey,
        hash: u64,
        at: Timestamp,
        finish: &mut impl FnMut(Finished<C>),
    ) -> u32 {
        if self.index.len() >= self.limits.datagram_flows {
            self.make_room(finish);
        }
        let entry = Entry {
            key,
            last_seen: seconds(at),
            state: SHUNTED,
            opening: 0,
            joined: None,
            memory: C::Memory::default(),
        };
        let slot = if let Some(slot) = self.free.pop() {
            if let Some(place) = self.entries.get_mut(slot as usize) {
                *place = entry;
            }
            slot
        } else {
            // More entries than the number has room for cannot be, they would not fit in memory.
            let slot = u32::try_from(self.entries.len()).unwrap_or(VACANT);
            self.entries.push(entry);
            slot
        };
        self.halves.note(&key, slot);
        self.index(hash, slot);
        slot
    }

    /// Let an entry be found.
    fn index(&mut self, hash: u64, slot: u32) {
        let (entries, hasher) = (&self.entries, &self.hash);
        self.index.insert_unique(hash, slot, |&slot| {
            let entry = entries.get((slot & !JOINED) as usize);
            entry.and_then(|entry| entry.key_in(slot)).map_or(0, |key| hasher.hash_one(key))
        });
    }

    /// The flow of another VLAN of which a datagram is a copy, if there is one.
    fn join(
        &mut self,
        key: FlowKey,
        side: Side,
        hash: u64,
        datagram: &Datagram<'_>,
        at: Timestamp,
    ) -> Option<u32> {
        let slot = self.halves.of(&key)?;
        let mark = copies::mark(&self.hash, side, datagram.payload);
        let watched = self.flow(slot).is_some_and(|flow| flow.copies.contains(mark));
        let linger = self.limits.linger.as_secs();
        let entry = self.entries.get_mut(slot as usize)?;
        let recent = u64::from(seconds(at).abs_diff(entry.last_seen)) <= linger;
        let copy = watched || (entry.state == SHUNTED && entry.opening == mark);
        let free = entry.joined.is_none() && entry.key.within(key.domain()) == key;
        if !(recent && copy && free) {
            return None;
        }
        entry.joined = Some(key.domain());
        self.stats.joined = self.stats.joined.saturating_add(1);
        self.index(hash, slot | JOINED);
        Some(slot)
    }

    /// Begin to watch the flow of an entry.
    fn watch(
        &mut self,
        slot: u32,
        side: Side,
        datagram: &Datagram<'_>,
        at: Timestamp,
        finish: &mut impl FnMut(Finished<C>),
    ) {
        if self.watched() >= self.limits.watched_datagram_flows {
            self.evict_watched(finish);
        }
        let Some(entry) = self.entries.get_mut(slot as usize) else { return };
        let key = entry.key;
        entry.opening = copies::mark(&self.hash, side, datagram.payload);
        let flow = Box::new(Flow {
            consumer: C::open(&self.limits, datagram.payload),
            copies: Copies::default(),
            meta: FlowMeta {
                endpoints: [key.endpoint(Side::Low), key.endpoint(Side::High)],
                layers: [None; 2],
                initiator: Some(side),
                bytes: [0; 2],
                gaps: [0; 2],
                signs: <[Signs; 2]>::default(),
                syn: [false; 2],
                fin: [false; 2],
                reset: false,
                opened: at,
                last: at,
            },
        });
        if let Some(place) = self.free_watched.pop() {
            entry.state = place;
            if let Some(vacant) = self.watched.get_mut(place as usize) {
                *vacant = Some(flow);
            }
        } else {
            entry.state = u32::try_from(self.watched.len()).unwrap_or(SHUNTED);
            self.watched.push(Some(flow));
        }
        self.stats.flows = self.stats.flows.saturating_add(1);
    }

    /// A datagram for a flow that is watched.
    fn feed(
        &mut self,
        slot: u32,
        side: Side,
        datagram: &Datagram<'_>,
        at: Timestamp,
        finish: &mut impl FnMut(Finished<C>),
    ) {
        let mark = copies::mark(&self.hash, side, datagram.payload);
        if self.flow(slot).is_some_and(|flow| flow.copies.contains(mark)) {
            self.stats.copies = self.stats.copies.saturating_add(1);
            return;
        }
        let mut fed = self.feed_once(slot, side, datagram, at);
        if fed == Fed::Another {
            self.give_up(slot, FlowEnd::Reused, finish);
            self.stats.reopened = self.stats.reopened.saturating_add(1);
            self.watch(slot, side, datagram, at, finish);
            fed = self.feed_once(slot, side, datagram, at);
        }
        if matches!(fed, Fed::Continue | Fed::Shunt)
            && let Some(flow) = self.flow(slot)
        {
            flow.copies.note(mark);
        }
        if fed == Fed::Shunt {
            self.give_up(slot, FlowEnd::Shunted, finish);
        } else if self.held_bytes > self.limits.watched_bytes {
            self.evict_watched(finish);
        }
    }

    /// The flow of an entry, if it is watched.
    fn flow(&mut self, slot: u32) -> Option<&mut Flow<C>> {
        let place = self.entries.get(slot as usize)?.state;
        self.watched.get_mut(place as usize)?.as_deref_mut()
    }

    fn feed_once(&mut self, slot: u32, side: Side, datagram: &Datagram<'_>, at: Timestamp) -> Fed {
        let Some(entry) = self.entries.get_mut(slot as usize) else { return Fed::Continue };
        let Some(flow) = self.watched.get_mut(entry.state as usize).and_then(Option::as_mut) else {
            return Fed::Continue;
        };
        let before = flow.consumer.held_bytes();
        let fed = flow.consumer.feed(side, at, datagram.payload, datagram.cut, &entry.memory);
        if matches!(fed, Fed::Continue | Fed::Shunt) {
            entry.last_seen = seconds(at);
            self.stats.taken = self.stats.taken.saturating_add(1);
            let meta = &mut flow.meta;
            meta.last = at;
            side.of_mut(&mut meta.layers).get_or_insert(datagram.layers);
            side.of_mut(&mut meta.signs).fragments |= datagram.layers.contradicted;
            let size = u64::try_from(datagram.payload.len()).unwrap_or(u64::MAX);
            let bytes = side.of_mut(&mut meta.bytes);
            *bytes = bytes.saturating_add(size);
        }
        let after = flow.consumer.held_bytes();
        self.held_bytes = self.held_bytes.saturating_sub(before).saturating_add(after);
        fed
    }

    /// End the watching of a flow; its entry stays, shunted.
    fn give_up(&mut self, slot: u32, end: FlowEnd, finish: &mut impl FnMut(Finished<C>)) {
        let Some(entry) = self.entries.get_mut(slot as usize) else { return };
        let place = entry.state;
        let Some(flow) = self.watched.get_mut(place as usize).and_then(Option::take) else {
            return;
        };
        entry.state = SHUNTED;
        entry.memory = flow.consumer.remember(entry.memory);
        self.free_watched.push(place);
        self.held_bytes = self.held_bytes.saturating_sub(flow.consumer.held_bytes());
        finish(Finished { meta: flow.meta, consumer: flow.consumer, end });
    }

    /// Take an entry out of the table.
    fn forget(&mut self, slot: u32) {
        let Some(entry) = self.entries.get_mut(slot as usize) else { return };
        entry.state = VACANT;
        let hash = self.hash.hash_one(entry.key);
        if let Some(joined) = entry.key_in(JOINED) {
            let hash = self.hash.hash_one(joined);
            if let Ok(found) = self.index.find_entry(hash, |&found| found == slot | JOINED) {
                found.remove();
            }
        }
        if let Ok(found) = self.index.find_entry(hash, |&candidate| candidate == slot) {
            found.remove();
            self.free.push(slot);
        }
    }

    /// Move the hand on: what has been silent for too long goes.
    fn advance(&mut self, at: Timestamp, finish: &mut impl FnMut(Finished<C>)) {
        for _ in 0..HAND_STEPS {
            let slot = self.hand;
            let Some(entry) = self.entries.get(slot) else {
                self.hand = 0;
                return;
            };
            self.hand = slot.wrapping_add(1);
            let silent = u64::from(seconds(at).saturating_sub(entry.last_seen));
            let state = entry.state;
            let Ok(slot) = u32::try_from(slot) else { return };
            if state == SHUNTED {
                if silent > self.limits.shunted_idle.as_secs() {
                    self.forget(slot);
                }
            } else if state != VACANT && silent > self.limits.watched_idle.as_secs() {
                self.give_up(slot, FlowEnd::Idle, finish);
            }
        }
    }

    /// Forget the flow under the hand, a shunted one if one is near.
    #[cold]
    fn make_room(&mut self, finish: &mut impl FnMut(Finished<C>)) {
        const NEAR: usize = 256;
        let near = || around(&self.entries, self.hand).take(NEAR);
        let shunted = near().find(|(entry, _)| entry.state == SHUNTED);
        let any = near().find(|(entry, _)| entry.state != VACANT);
        let Some((_, slot)) = shunted.or(any) else { return };
        self.hand = (slot as usize).wrapping_add(1);
        self.stats.evicted = self.stats.evicted.saturating_add(1);
        self.give_up(slot, FlowEnd::Evicted, finish);
        self.forget(slot);
    }

    /// Give up a watched flow, the one under the hand, to keep within the bounds.
    #[cold]
    fn evict_watched(&mut self, finish: &mut impl FnMut(Finished<C>)) {
        let is_watched = |entry: &Entry<_>| !matches!(entry.state, SHUNTED | VACANT);
        let watched = around(&self.entries, self.hand).find(|(entry, _)| is_watched(entry));
        let Some((_, slot)) = watched else { return };
        self.hand = (slot as usize).wrapping_add(1);
        self.stats.evicted_watched = self.stats.evicted_watched.saturating_add(1);
        self.give_up(slot, FlowEnd::Evicted, finish);
    }
}

/// The second of a moment, for the entries; it wraps only in 2106.
fn seconds(at: Timestamp) -> u32 {
    u32::try_from(at.as_secs()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
