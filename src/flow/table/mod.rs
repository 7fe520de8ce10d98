//! [`FlowTable`]: which flow a segment belongs to, and what is to be done with it.
//!
//! An entry is small and stays for the life of the connection. The state of a watched flow (two
//! assemblers and the consumer) is boxed beside it and goes when the consumer has seen enough. No
//! entry comes from packets without payload. Expiry runs on capture time. A flow that is given up
//! leaves what was said on it to the one that it may go on as.

mod ahead;
#[cfg(test)]
mod tests;

use std::mem;

use crate::clock::Timestamp;
use crate::flow::closed::Closed;
use crate::flow::entry::{Entry, HAS_JOINED, HAS_OPENING, SEEN, flag_of};
use crate::flow::halves::Halves;
use crate::flow::hand;
use crate::flow::keepsake::Keepsakes;
use crate::flow::slots::{SHUNTED, Slots, VACANT, Watched, seconds};
use crate::flow::syn::{Syn, SynCache};
use crate::flow::watched::{Flow, data_seq};
use crate::flow::{
    Control, FlowEnd, Opening, Over, Place, Side, Spares, StreamConsumer, TableStats,
};
use crate::limits::Limits;
use crate::packet::{Domain, Segment, SeqNumber};

/// All flows of one capture thread.
#[derive(Debug)]
pub struct FlowTable<C> {
    limits: Limits,
    slots: Slots<Entry>,
    watched: Watched<Flow<C>>,
    /// Flows that are finished, for others. The last one lies in a near cache.
    #[allow(clippy::vec_box, reason = "what is moved is the box")]
    boxes: Vec<Box<Flow<C>>>,
    spares: Spares,
    held_bytes: usize,
    syns: SynCache,
    halves: Halves,
    keepsakes: Keepsakes,
    closed: Closed,
    stats: TableStats,
}

/// Finished flows that are kept for others.
const BOXES: usize = 256;

impl<C: StreamConsumer> FlowTable<C> {
    /// What a watched flow takes, apart from what its consumer keeps elsewhere.
    pub const FLOW_BYTES: usize = size_of::<Flow<C>>();

    /// An empty table.
    pub fn new(limits: &Limits) -> Self {
        Self {
            limits: limits.clone(),
            slots: Slots::new(limits.shunted_idle.max(limits.watched_idle)),
            watched: Watched::new(),
            boxes: Vec::new(),
            spares: Spares::default(),
            held_bytes: 0,
            syns: SynCache::new(),
            halves: Halves::new(),
            keepsakes: Keepsakes::new(limits.kept_cleartexts),
            closed: Closed::new(limits.closed_flows),
            stats: TableStats::default(),
        }
    }

    /// What the table has done so far.
    pub const fn stats(&self) -> &TableStats {
        &self.stats
    }

    /// What it has counted, which it counts anew from now on.
    pub fn take_stats(&mut self) -> TableStats {
        mem::take(&mut self.stats)
    }

    /// Whether the flow of a segment is remembered.
    pub fn knows(&self, segment: &Segment<'_>) -> bool {
        let Place { key, hash, .. } = self.place(segment);
        self.slots.find(&key, hash).is_some()
    }

    /// Flows that are remembered now, watched or shunted.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether no flow is remembered.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Flows whose handshake is being watched now.
    pub const fn watched(&self) -> usize {
        self.watched.len()
    }

    /// Heap bytes that all watched flows together hold.
    pub const fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// Take one segment. Flows that are over, this one or another, go to `finish`.
    #[inline]
    pub fn push(
        &mut self,
        segment: &Segment<'_>,
        at: Timestamp,
        finish: &mut impl FnMut(Over<'_, C>),
    ) {
        let mut place = self.place(segment);
        self.look_up(&mut place);
        self.push_at(segment, &place, at, finish);
    }

    /// Take one segment whose place was found before. What was taken since may have changed it.
    #[inline]
    pub fn push_at(
        &mut self,
        segment: &Segment<'_>,
        place: &Place,
        at: Timestamp,
        finish: &mut impl FnMut(Over<'_, C>),
    ) {
        let now = seconds(at);
        if self.slots.hand.is_due(now) {
            self.advance(at, now, finish);
        }
        if !self.passes(segment, place, now) {
            self.take(segment, place, at, finish);
        }
    }

    /// Let a segment pass that is of a flow of which nothing more is wanted, and begins nothing, as far as
    /// that shows at once: most of what there is in a capture.
    #[inline]
    fn passes(&mut self, segment: &Segment<'_>, place: &Place, now: u32) -> bool {
        if place.state != SHUNTED
            || segment.flags.begins_or_ends()
            || C::opening(segment.payload) != Opening::None
        {
            return false;
        }
        let Some(entry) = place.slot.and_then(|slot| self.slots.get_mut(slot)) else {
            return false;
        };
        // It may have gone on to be another one's, or have been opened again, since it was asked for.
        let is_still = entry.state == SHUNTED && entry.key == place.key;
        if is_still {
            entry.last_seen = now;
            self.stats.shunted_segments = self.stats.shunted_segments.saturating_add(1);
        }
        is_still
    }

    /// Take any segment.
    #[inline(never)]
    fn take(
        &mut self,
        segment: &Segment<'_>,
        place: &Place,
        at: Timestamp,
        finish: &mut impl FnMut(Over<'_, C>),
    ) {
        let now = seconds(at);
        let likely = place.slot.and_then(|slot| self.touch(slot, place, now));
        let found = likely.or_else(|| {
            let slot = self.look_again(segment, place)?;
            self.touch(slot, place, now)
        });
        let Some((slot, state, before)) = found else {
            return self.push_unknown(segment, place, at, finish);
        };
        if state == SHUNTED {
            self.stats.shunted_segments = self.stats.shunted_segments.saturating_add(1);
            if segment.flags.syn() || C::opening(segment.payload) != Opening::None {
                self.reopen(slot, before, segment, place, at, finish);
            } else if segment.flags.fin() || segment.flags.rst() {
                self.end(slot, segment, place.side);
            }
        } else if place.is_bare
            && let Some(flow) = self.watched.get_mut(state)
            && flow.heard.challenge.is_none()
        {
            flow.hear(place.side, segment, at, &self.syns, &place.key);
        } else {
            self.feed(slot, segment, place, at, finish);
        }
    }

    /// Note that a segment has come, if it is of the flow of this entry: the slot, the state, and the second
    /// of the packet before.
    #[inline]
    fn touch(&mut self, slot: u32, place: &Place, now: u32) -> Option<(u32, u32, u32)> {
        let entry = self.slots.get_mut(slot).filter(|entry| entry.is_of(&place.key))?;
        let before = mem::replace(&mut entry.last_seen, now);
        Some((slot, entry.state, before))
    }

    /// The entry of a segment that is not where it was thought to be.
    #[inline(never)]
    fn look_again(&mut self, segment: &Segment<'_>, place: &Place) -> Option<u32> {
        let is_unknown = place.slot.is_none() && place.asked == self.slots.added();
        let found = if is_unknown { None } else { self.slots.find(&place.key, place.hash) };
        found.or_else(|| self.join(segment, place))
    }

    /// A segment without a flow.
    fn push_unknown(
        &mut self,
        segment: &Segment<'_>,
        place: &Place,
        at: Timestamp,
        finish: &mut impl FnMut(Over<'_, C>),
    ) {
        if segment.payload.is_empty() && segment.cut == 0 {
            self.note_bare(segment, place);
        } else {
            self.open(segment, place, at, finish);
        }
    }

    /// Time has passed without packets.
    pub fn tick(&mut self, at: Timestamp, finish: &mut impl FnMut(Over<'_, C>)) {
        for _ in 0..self.slots.hand.begin_round() {
            self.advance(at, seconds(at), finish);
        }
    }

    /// The capture is over: give up all that is watched, oldest entry first, and forget all flows.
    pub fn finish_all(&mut self, finish: &mut impl FnMut(Over<'_, C>)) {
        for slot in self.slots.all() {
            self.give_up(slot, FlowEnd::EndOfCapture, finish);
        }
        self.slots.clear();
        self.closed.clear();
    }

    /// The flow of another VLAN that a packet without a flow is a part of, if there is one.
    fn join(&mut self, segment: &Segment<'_>, place: &Place) -> Option<u32> {
        let &Place { key, side, hash, .. } = place;
        let ends = segment.flags.fin() || segment.flags.rst();
        if segment.payload.is_empty() && segment.cut == 0 && !ends {
            return None;
        }
        let slot = self.halves.of(&key)?;
        let entry = self.slots.get_mut(slot)?;
        let watched = self.watched.get(entry.state);
        let joins = watched.map_or_else(
            || entry.state == SHUNTED && entry.is_copied_by(side, segment),
            |flow| flow.joins(side, segment),
        );
        let free = entry.flags & HAS_JOINED == 0 && entry.key.within(key.domain()) == key;
        if !free || !joins {
            return None;
        }
        entry.joined = key.domain();
        entry.flags |= HAS_JOINED;
        self.stats.joined = self.stats.joined.saturating_add(1);
        self.slots.join(slot, hash);
        Some(slot)
    }

    /// A packet without payload and without a flow: of interest if it begins or refuses one.
    fn note_bare(&mut self, segment: &Segment<'_>, place: &Place) {
        if segment.flags.rst() {
            self.syns.note_reset(&place.key, place.side);
        }
        self.note_syn(segment, place);
    }

    /// Remember a SYN.
    fn note_syn(&mut self, segment: &Segment<'_>, place: &Place) {
        if segment.flags.syn() {
            self.stats.syns = self.stats.syns.saturating_add(1);
            let syn = Syn { isn: segment.seq, ack: segment.flags.ack(), reset: false };
            self.syns.note(&place.key, place.side, syn);
        }
    }

    /// First payload of a flow.
    fn open(
        &mut self,
        segment: &Segment<'_>,
        place: &Place,
        at: Timestamp,
        finish: &mut impl FnMut(Over<'_, C>),
    ) {
        if segment.flags.rst() {
            return; // Some stacks put a text into a RST; it belongs to no stream.
        }
        self.note_syn(segment, place);
        if self.slots.len() >= self.limits.flows {
            self.make_room(finish);
        }
        let now = seconds(at);
        let entry = Entry {
            key: place.key,
            last_seen: now,
            state: VACANT,
            openings: [SeqNumber::default(); 2],
            joined: Domain::default(),
            ttl: [0; 2],
            flags: 0,
        };
        let Some(slot) = self.slots.insert(entry, place.hash, now) else { return };
        self.stats.flows = self.stats.flows.saturating_add(1);
        self.halves.note(&place.key, slot);
        self.watch(slot, segment, place, at, finish);
        self.feed(slot, segment, place, at, finish);
    }

    /// Begin to watch the flow of an entry.
    fn watch(
        &mut self,
        slot: u32,
        segment: &Segment<'_>,
        &Place { ref key, side, .. }: &Place,
        at: Timestamp,
        finish: &mut impl FnMut(Over<'_, C>),
    ) {
        if self.watched() >= self.limits.watched_flows {
            self.evict_watched(finish);
        }
        let first_seq = data_seq(segment);
        // Where memory is short each gets what it needs only.
        let is_short = self.held_bytes >= self.limits.watched_bytes / 2;
        let mut flow = match self.boxes.pop() {
            Some(mut flow) => {
                flow.begin(key, at);
                flow
            }
            None => Box::new(Flow::new(key, at)),
        };
        if is_short {
            flow.consumer = C::default();
        }
        if let Some(text) = self.keepsakes.take(key, side, segment) {
            // It goes on where it was given up, and does not begin anew at its SYNs.
            flow.consumer.resume(text);
            self.syns.forget(key, side);
            self.syns.forget(key, side.other());
        }
        // The SYN of this end is believed if its number fits; that of the other one cannot be
        // checked yet, and is when its first segment comes.
        let own = self.syns.of(key, side).filter(|syn| syn.fits(first_seq));
        let other = self
            .syns
            .of(key, side.other())
            .filter(|syn| segment.flags.ack() && syn.fits(segment.ack));
        for (side, syn) in [(side, own), (side.other(), other)] {
            if let Some(syn) = syn {
                side.of_mut(&mut flow.streams).begin(syn.isn.plus(1));
                let initiator = if syn.ack { side.other() } else { side };
                flow.meta.initiator.get_or_insert(initiator);
                flow.meta.reset |= syn.reset;
            }
        }
        self.held_bytes = self.held_bytes.saturating_add(flow.held_bytes());
        if let Some(entry) = self.slots.get_mut(slot) {
            entry.state = self.watched.insert(flow);
            let until = entry.calm_until(&self.limits);
            self.slots.hand.put_off(slot, until);
        }
    }

    /// A packet of a shunted flow that may begin another connection on the same ports. The packet
    /// before it came in the second `before`.
    #[cold]
    fn reopen(
        &mut self,
        slot: u32,
        before: u32,
        segment: &Segment<'_>,
        place: &Place,
        at: Timestamp,
        finish: &mut impl FnMut(Over<'_, C>),
    ) {
        let &Place { ref key, side, .. } = place;
        let Some(entry) = self.slots.get(slot) else { return };
        // A flow that was silent for so long is over, whether the hand has come by or not.
        let silent = u64::from(seconds(at).saturating_sub(before));
        let is_alive = silent <= self.limits.shunted_idle.as_secs();
        if is_alive && entry.is_repeated_by(side, segment) {
            return;
        }
        // Words are those of another connection if its numbers are others, and of this one if TLS has
        // not begun on it.
        if !segment.flags.syn()
            && C::opening(segment.payload) == Opening::Words
            && entry.began_near(side, segment)
            && !self.keepsakes.contains(&entry.key)
        {
            return;
        }
        if segment.flags.syn() && segment.flags.ack() {
            // Only the SYN itself tells a new connection from a late copy of the answer.
            self.note_syn(segment, place);
            return;
        }
        // The SYNs that are known are those of the connection before, unless they are newer.
        for side in [Side::Low, Side::High] {
            let syn = self.syns.of(key, side).map(|syn| syn.isn.plus(1));
            if syn.is_some() && syn == entry.opening(side) {
                self.syns.forget(key, side);
            }
        }
        self.stats.reopened = self.stats.reopened.saturating_add(1);
        self.slots.forget(slot);
        if segment.payload.is_empty() {
            self.note_syn(segment, place);
        } else {
            self.open(segment, place, at, finish);
        }
    }

    /// A packet with which an end ends a shunted flow, or cuts it off.
    fn end(&mut self, slot: u32, segment: &Segment<'_>, side: Side) {
        let Some(entry) = self.slots.get_mut(slot).filter(|entry| !entry.is_over()) else { return };
        entry.end(side);
        if segment.flags.rst() {
            entry.end(side.other());
        }
        if entry.is_over() {
            self.closed.add(slot, &mut self.slots);
        }
    }

    /// A packet of a watched flow.
    fn feed(
        &mut self,
        slot: u32,
        segment: &Segment<'_>,
        place: &Place,
        at: Timestamp,
        finish: &mut impl FnMut(Over<'_, C>),
    ) {
        let side = place.side;
        let Some(&Entry { state, .. }) = self.slots.get(slot) else { return };
        let Some(flow) = self.watched.get_mut(state) else { return };
        let is_bare = segment.payload.is_empty() && segment.cut == 0;
        let is_strange = segment.flags.syn() && flow.is_reused_by(side, segment);
        if is_strange && is_bare && flow.heard.closed.is_none() {
            // Who goes on where it was never got it (RFC 9293 §3.10.7.4): nothing is over yet.
            flow.heard.challenge = Some((side, segment.seq));
            self.note_syn(segment, place);
            return;
        }
        if is_strange || flow.heard.challenge.is_some() && flow.is_of_another(side, segment) {
            if is_strange || !is_bare || flow.takes_another(side, segment) {
                self.give_up(slot, FlowEnd::Reused, finish);
                self.slots.forget(slot);
            }
            if is_bare {
                self.note_bare(segment, place);
            } else {
                self.open(segment, place, at, finish);
            }
            return;
        }
        let before = flow.held_bytes();
        let control =
            flow.push(side, segment, at, &self.syns, &place.key, (&self.limits, &mut self.spares));
        self.held_bytes = self.held_bytes.saturating_sub(before).saturating_add(flow.held_bytes());
        if let Some(closed) = flow.heard.closed
            && let Some(entry) = self.slots.get_mut(slot)
        {
            entry.close(seconds(closed));
            let until = entry.calm_until(&self.limits);
            self.slots.hand.hasten(slot, until);
        }
        if control == Control::Shunt {
            self.give_up(slot, FlowEnd::Shunted, finish);
        } else if self.held_bytes > self.limits.watched_bytes {
            self.evict_watched(finish);
        }
    }

    /// End the watching of a flow; its entry stays, shunted.
    fn give_up(&mut self, slot: u32, end: FlowEnd, finish: &mut impl FnMut(Over<'_, C>)) {
        let Some(entry) = self.slots.get_mut(slot) else { return };
        let Some(mut flow) = self.watched.remove(entry.state) else { return };
        let (key, stood) = (entry.key, flow.stands());
        entry.shunt();
        if end == FlowEnd::Shunted && flow.consumer.begun() {
            entry.flags |= SEEN;
        }
        let is_closed = flow.meta.reset || flow.heard.closed.is_some();
        for side in [Side::Low, Side::High] {
            let start = side.of(&flow.streams).start().or_else(|| *side.of(&flow.first_seq));
            if let Some(start) = start {
                entry.flags |= flag_of(HAS_OPENING, side);
                *side.of_mut(&mut entry.openings) = start;
                *side.of_mut(&mut entry.ttl) = *side.of(&flow.heard.ttl);
            }
            // Who was never seen need not be heard of again.
            let is_unseen = start.is_none() && !flow.heard.has(side);
            if is_closed || is_unseen || *side.of(&flow.meta.fin) {
                entry.end(side);
            }
        }
        if entry.is_over() {
            self.closed.add(slot, &mut self.slots);
        }
        self.held_bytes = self.held_bytes.saturating_sub(flow.held_bytes());
        let guessed = u64::from(flow.heard.guessed_starts);
        self.stats.guessed_starts = self.stats.guessed_starts.saturating_add(guessed);
        flow.finish(end, &self.limits, &mut self.spares);
        // It may go on: nobody has closed it.
        if matches!(end, FlowEnd::Shunted | FlowEnd::Idle | FlowEnd::Evicted)
            && !flow.meta.reset
            && let Some(text) = flow.consumer.cleartext()
            && self.keepsakes.keep(key, text, stood)
        {
            self.stats.cleartexts_lost = self.stats.cleartexts_lost.saturating_add(1);
        }
        finish(Over { meta: &flow.meta, consumer: &mut flow.consumer, end });
        flow.consumer.recycle(&mut self.spares);
        if self.boxes.len() < BOXES {
            self.boxes.push(flow);
        }
    }

    /// The clock was put forward, or back, by so many seconds: nothing was silent for that reason.
    #[cfg(feature = "live")]
    pub fn shift(&mut self, by: i64) {
        for slot in self.slots.all() {
            let Some(entry) = self.slots.get_mut(slot) else { continue };
            entry.shift(by);
            let state = entry.state;
            if state != SHUNTED
                && let Some(flow) = self.watched.get_mut(state)
            {
                flow.heard.closed = flow.heard.closed.map(|closed| closed.shifted(by));
            }
        }
        self.slots.hand.put_off_none();
    }

    /// Move the hand on: what has been silent for too long goes.
    #[inline(never)]
    fn advance(&mut self, at: Timestamp, now: u32, finish: &mut impl FnMut(Over<'_, C>)) {
        let mut steps = hand::STEPS;
        while let Some(slot) = self.slots.hand.step(&mut steps, now) {
            self.check(slot, at, finish);
        }
    }

    /// An entry that may be over.
    #[cold]
    fn check(&mut self, slot: u32, at: Timestamp, finish: &mut impl FnMut(Over<'_, C>)) {
        let Some(entry) = self.slots.get(slot) else { return };
        let (now, until) = (seconds(at), entry.calm_until(&self.limits));
        if entry.state == VACANT {
            return self.slots.hand.pass_by(slot, now);
        }
        if now <= until {
            return self.slots.hand.put_off(slot, until);
        }
        let Some(flow) = self.watched.get(entry.state) else { return self.slots.forget(slot) };
        let silent = u64::from(now.saturating_sub(entry.last_seen));
        let end = if flow.heard.closed.is_some_and(|closed| at.since(closed) > self.limits.linger) {
            if flow.meta.reset { FlowEnd::Reset } else { FlowEnd::Fin }
        } else if silent > self.limits.watched_idle.as_secs() {
            FlowEnd::Idle
        } else {
            return; // By the second it might have been over.
        };
        self.give_up(slot, end, finish);
    }

    /// Forget a flow, so that there is room for another one.
    #[cold]
    fn make_room(&mut self, finish: &mut impl FnMut(Over<'_, C>)) {
        let Some(slot) = self.slots.superfluous() else { return };
        self.stats.evicted = self.stats.evicted.saturating_add(1);
        self.give_up(slot, FlowEnd::Evicted, finish);
        self.slots.forget(slot);
    }

    /// Give up a watched flow, to keep within the bounds.
    #[cold]
    fn evict_watched(&mut self, finish: &mut impl FnMut(Over<'_, C>)) {
        let Some(slot) = self.slots.superfluous_watched() else { return };
        self.stats.evicted_watched = self.stats.evicted_watched.saturating_add(1);
        self.give_up(slot, FlowEnd::Evicted, finish);
    }
}
