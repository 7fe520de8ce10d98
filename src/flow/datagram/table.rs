//! [`DatagramTable`]: which flow a datagram belongs to, and what is to be done with it.

use super::connections::{Connection, Connections};
use super::{DatagramConsumer, DatagramStats, Fed, Glance, copies};
use crate::clock::Timestamp;
use crate::flow::Finished;
use crate::flow::halves::Halves;
use crate::flow::hand::{self, in_seconds};
#[cfg(feature = "live")]
use crate::flow::slots::shifted;
use crate::flow::slots::{SHUNTED, Slot, Slots, VACANT, Watched, seconds};
use crate::flow::{FlowEnd, FlowKey, Side};
use crate::limits::Limits;
use crate::packet::{Datagram, Domain};

/// The datagram flows of one capture thread.
#[derive(Debug)]
pub struct DatagramTable<C: DatagramConsumer> {
    limits: Limits,
    pub(super) slots: Slots<Entry<C::Memory>>,
    pub(super) watched: Watched<Connections<C>>,
    /// Connections that are watched, of all flows together.
    connections: usize,
    pub(super) held_bytes: usize,
    halves: Halves,
    stats: DatagramStats,
}

/// What is kept of every flow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<M> {
    key: FlowKey,
    /// Second of the last datagram that mattered.
    last_seen: u32,
    /// Where in [`Watched`], or one of two states besides.
    state: u32,
    /// The datagram that opened it.
    opening: u64,
    /// Other VLAN tags under which its datagrams are seen.
    joined: Option<Domain>,
    memory: M,
}

impl<M: Copy> Slot for Entry<M> {
    #[inline]
    fn key(&self) -> FlowKey {
        self.key
    }

    #[inline]
    fn joined_key(&self) -> Option<FlowKey> {
        self.joined.map(|domain| self.key.within(domain))
    }

    #[inline]
    fn state(&self) -> u32 {
        self.state
    }

    fn vacate(&mut self) {
        self.state = VACANT;
    }
}

impl<M> Entry<M> {
    /// The last second in which the flow is not over, if nothing more comes. One of which nothing more is
    /// wanted only serves to know copies of its datagrams.
    fn calm_until(&self, limits: &Limits) -> u32 {
        let patience =
            if self.state == SHUNTED { limits.reorder_wait } else { limits.watched_idle };
        self.last_seen.saturating_add(in_seconds(patience))
    }
}

impl<C: DatagramConsumer> DatagramTable<C> {
    /// An empty table.
    pub fn new(limits: &Limits) -> Self {
        Self {
            limits: limits.clone(),
            slots: Slots::new(limits.reorder_wait.max(limits.watched_idle)),
            watched: Watched::new(),
            connections: 0,
            held_bytes: 0,
            halves: Halves::new(),
            stats: DatagramStats::default(),
        }
    }

    /// What the table has done so far.
    pub const fn stats(&self) -> &DatagramStats {
        &self.stats
    }

    /// What it has counted, which it counts anew from now on.
    pub fn take_stats(&mut self) -> DatagramStats {
        std::mem::take(&mut self.stats)
    }

    /// Whether the flow of a datagram is remembered.
    pub fn knows(&self, datagram: &Datagram<'_>) -> bool {
        let (key, _) = FlowKey::of(datagram.source, datagram.target, datagram.domain);
        self.slots.find(&key, self.slots.hash_of(&key)).is_some()
    }

    /// Flows that are remembered now, watched or shunted.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether no flow is remembered.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Connections whose handshake is being watched now.
    pub const fn watched(&self) -> usize {
        self.connections
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
        if glance == Glance::Nothing || (glance == Glance::Later && self.connections == 0) {
            return;
        }
        self.take(datagram, glance, at, finish);
    }

    /// Time has passed without datagrams that matter.
    pub fn tick(&mut self, at: Timestamp, finish: &mut impl FnMut(Finished<C>)) {
        for _ in 0..self.slots.hand.begin_round() {
            self.advance(at, finish);
        }
    }

    /// The capture is over: give up all that is watched, oldest entry first, and forget all flows.
    pub fn finish_all(&mut self, finish: &mut impl FnMut(Finished<C>)) {
        for slot in self.slots.all() {
            self.give_up(slot, FlowEnd::EndOfCapture, finish);
        }
        self.slots.clear();
    }

    /// A datagram that may matter.
    fn take(
        &mut self,
        datagram: &Datagram<'_>,
        glance: Glance,
        at: Timestamp,
        finish: &mut impl FnMut(Finished<C>),
    ) {
        if self.slots.hand.is_due(seconds(at)) {
            self.advance(at, finish);
        }
        let (key, side) = FlowKey::of(datagram.source, datagram.target, datagram.domain);
        let hash = self.slots.hash_of(&key);
        let mut known = self.slots.find(&key, hash);
        if known.is_none() {
            known = self.join(key, side, hash, datagram, glance, at);
        }
        let slot = match known {
            Some(slot) => slot,
            None if glance == Glance::Opening => match self.insert(key, hash, at, finish) {
                Some(slot) => slot,
                None => return,
            },
            None => return,
        };
        let Some(entry) = self.slots.get_mut(slot) else { return };
        if entry.state == SHUNTED {
            // By now no copy of an earlier beginning comes any more, though the hand has not come by: who
            // begins with the same numbers begins anew.
            if seconds(at) > entry.calm_until(&self.limits) {
                entry.memory = C::Memory::default();
            }
            if known.is_some() {
                if glance != Glance::Opening || !C::reopens(&entry.memory, datagram.payload) {
                    return;
                }
                self.stats.reopened = self.stats.reopened.saturating_add(1);
            }
            self.watch(slot, side, datagram, at, finish);
        }
        self.feed(slot, side, datagram, glance, at, finish);
    }

    /// A new entry, nothing of which is watched yet.
    fn insert(
        &mut self,
        key: FlowKey,
        hash: u64,
        at: Timestamp,
        finish: &mut impl FnMut(Finished<C>),
    ) -> Option<u32> {
        if self.slots.len() >= self.limits.datagram_flows {
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
        let slot = self.slots.insert(entry, hash, entry.last_seen)?;
        self.halves.note(&key, slot);
        Some(slot)
    }

    /// The flow of another VLAN that a datagram belongs to, if there is one: as a copy of what was
    /// seen there, or as the answer to it, where the port tags the directions differently.
    fn join(
        &mut self,
        key: FlowKey,
        side: Side,
        hash: u64,
        datagram: &Datagram<'_>,
        glance: Glance,
        at: Timestamp,
    ) -> Option<u32> {
        let slot = self.halves.of(&key)?;
        let mark = copies::mark(self.slots.hasher(), side, datagram.payload);
        let entry = self.slots.get_mut(slot)?;
        let silent = u64::from(seconds(at).abs_diff(entry.last_seen));
        let watched = self.watched.get(entry.state);
        let copy = watched.map_or(entry.state == SHUNTED && entry.opening == mark, |flow| {
            flow.copies.contains(mark)
        });
        let answer = || watched.is_some_and(|flow| flow.waits_for(side, datagram, glance));
        let joins = copy && silent <= self.limits.linger.as_secs()
            || silent <= self.limits.reorder_wait.as_secs() && answer();
        let free = entry.joined.is_none() && entry.key.within(key.domain()) == key;
        if !(free && joins) {
            return None;
        }
        entry.joined = Some(key.domain());
        self.stats.joined = self.stats.joined.saturating_add(1);
        self.slots.join(slot, hash);
        Some(slot)
    }

    /// Begin to watch a connection of the flow of an entry, perhaps beside others.
    fn watch(
        &mut self,
        slot: u32,
        side: Side,
        datagram: &Datagram<'_>,
        at: Timestamp,
        finish: &mut impl FnMut(Finished<C>),
    ) {
        if self.connections >= self.limits.watched_datagram_flows {
            self.evict_watched(finish);
        }
        self.keep_few(slot, finish);
        let mark = copies::mark(self.slots.hasher(), side, datagram.payload);
        let Some(entry) = self.slots.get_mut(slot) else { return };
        entry.opening = mark;
        let consumer = C::open(&self.limits, datagram.payload);
        let connection = Connection::new(&entry.key, consumer, side, at);
        match self.watched.get_mut(entry.state) {
            Some(flow) => flow.add(connection),
            None => entry.state = self.watched.insert(Box::new(Connections::new(connection))),
        }
        let until = entry.calm_until(&self.limits);
        self.slots.hand.hasten(slot, until);
        self.connections = self.connections.saturating_add(1);
        self.stats.flows = self.stats.flows.saturating_add(1);
    }

    /// Make room for one more connection between the same ports.
    fn keep_few(&mut self, slot: u32, finish: &mut impl FnMut(Finished<C>)) {
        let state = self.slots.get(slot).map_or(VACANT, |entry| entry.state);
        let many = self.watched.get(state).map_or(0, |flow| flow.all.len());
        if many >= self.limits.flow_connections {
            self.stats.evicted_watched = self.stats.evicted_watched.saturating_add(1);
            self.give_up_one(slot, 0, FlowEnd::Evicted, finish);
        }
    }

    /// A datagram for a flow that is watched.
    fn feed(
        &mut self,
        slot: u32,
        side: Side,
        datagram: &Datagram<'_>,
        glance: Glance,
        at: Timestamp,
        finish: &mut impl FnMut(Finished<C>),
    ) {
        let mark = copies::mark(self.slots.hasher(), side, datagram.payload);
        let Some(flow) = self.flow(slot) else { return };
        if flow.copies.contains(mark) {
            self.stats.copies = self.stats.copies.saturating_add(1);
            return;
        }
        let candidates = flow.candidates(side, datagram, glance);
        let mut fed = if candidates.is_empty() { Fed::Beside } else { Fed::Ignored };
        let mut index = 0;
        for candidate in candidates {
            index = candidate;
            fed = self.feed_one(slot, index, side, datagram, at);
            if fed != Fed::Ignored {
                break;
            }
        }
        if matches!(fed, Fed::Another | Fed::Beside) {
            let is_new = |entry: &Entry<C::Memory>| C::reopens(&entry.memory, datagram.payload);
            let opens = glance == Glance::Opening && self.slots.get(slot).is_some_and(is_new);
            if fed == Fed::Beside && !opens {
                return;
            }
            if fed == Fed::Another {
                self.give_up(slot, FlowEnd::Reused, finish);
            }
            self.stats.reopened = self.stats.reopened.saturating_add(1);
            self.watch(slot, side, datagram, at, finish);
            index = self.flow(slot).map_or(0, |flow| flow.all.len().saturating_sub(1));
            fed = self.feed_one(slot, index, side, datagram, at);
        }
        if matches!(fed, Fed::Continue | Fed::Shunt)
            && let Some(flow) = self.flow(slot)
        {
            flow.copies.note(mark);
        }
        if fed == Fed::Shunt {
            self.give_up_one(slot, index, FlowEnd::Shunted, finish);
        } else if self.held_bytes > self.limits.watched_bytes {
            self.evict_watched(finish);
        }
    }

    /// What is watched of the flow of an entry.
    fn flow(&mut self, slot: u32) -> Option<&mut Connections<C>> {
        let state = self.slots.get(slot)?.state;
        self.watched.get_mut(state)
    }

    fn feed_one(
        &mut self,
        slot: u32,
        index: usize,
        side: Side,
        datagram: &Datagram<'_>,
        at: Timestamp,
    ) -> Fed {
        let Some(entry) = self.slots.get_mut(slot) else { return Fed::Ignored };
        let flow = self.watched.get_mut(entry.state);
        let Some(connection) = flow.and_then(|flow| flow.all.get_mut(index)) else {
            return Fed::Ignored;
        };
        let consumer = &mut connection.consumer;
        let before = consumer.held_bytes();
        let fed = consumer.feed(side, at, datagram.payload, datagram.cut, &entry.memory);
        let after = consumer.held_bytes();
        if matches!(fed, Fed::Continue | Fed::Shunt) {
            entry.last_seen = seconds(at);
            self.stats.taken = self.stats.taken.saturating_add(1);
            connection.count(side, datagram, at);
        }
        self.held_bytes = self.held_bytes.saturating_sub(before).saturating_add(after);
        fed
    }

    /// End the watching of a flow; its entry stays, shunted.
    fn give_up(&mut self, slot: u32, end: FlowEnd, finish: &mut impl FnMut(Finished<C>)) {
        while self.flow(slot).is_some() {
            self.give_up_one(slot, 0, end, finish);
        }
    }

    /// End the watching of one connection of a flow.
    fn give_up_one(
        &mut self,
        slot: u32,
        index: usize,
        end: FlowEnd,
        finish: &mut impl FnMut(Finished<C>),
    ) {
        let Some(entry) = self.slots.get_mut(slot) else { return };
        let Some(flow) = self.watched.get_mut(entry.state) else { return };
        let one = (index < flow.all.len()).then(|| flow.all.remove(index));
        if flow.all.is_empty() {
            self.watched.remove(entry.state);
            entry.state = SHUNTED;
        }
        let Some(Connection { consumer, meta }) = one else { return };
        entry.memory = consumer.remember(entry.memory);
        let until = entry.calm_until(&self.limits);
        self.slots.hand.hasten(slot, until);
        self.connections = self.connections.saturating_sub(1);
        self.held_bytes = self.held_bytes.saturating_sub(consumer.held_bytes());
        finish(Finished { meta, consumer, end });
    }

    /// The clock was put forward, or back, by so many seconds: nothing was silent for that reason.
    #[cfg(feature = "live")]
    pub fn shift(&mut self, by: i64) {
        for slot in self.slots.all() {
            if let Some(entry) = self.slots.get_mut(slot) {
                entry.last_seen = shifted(entry.last_seen, by);
            }
        }
        self.slots.hand.put_off_none();
    }

    /// Move the hand on: what has been silent for too long goes.
    fn advance(&mut self, at: Timestamp, finish: &mut impl FnMut(Finished<C>)) {
        let (now, mut steps) = (seconds(at), hand::STEPS);
        while let Some(slot) = self.slots.hand.step(&mut steps, now) {
            let Some(entry) = self.slots.get(slot) else { return };
            let until = entry.calm_until(&self.limits);
            if entry.state == VACANT {
                self.slots.hand.pass_by(slot, now);
            } else if now <= until {
                self.slots.hand.put_off(slot, until);
            } else if entry.state == SHUNTED {
                self.slots.forget(slot);
            } else {
                self.give_up(slot, FlowEnd::Idle, finish);
            }
        }
    }

    /// Forget a flow, so that there is room for another one.
    #[cold]
    fn make_room(&mut self, finish: &mut impl FnMut(Finished<C>)) {
        let Some(slot) = self.slots.superfluous() else { return };
        self.stats.evicted = self.stats.evicted.saturating_add(1);
        self.give_up(slot, FlowEnd::Evicted, finish);
        self.slots.forget(slot);
    }

    /// Give up a watched flow, to keep within the bounds.
    #[cold]
    fn evict_watched(&mut self, finish: &mut impl FnMut(Finished<C>)) {
        let Some(slot) = self.slots.superfluous_watched() else { return };
        self.stats.evicted_watched = self.stats.evicted_watched.saturating_add(1);
        self.give_up(slot, FlowEnd::Evicted, finish);
    }
}
