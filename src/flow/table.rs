//! [`FlowTable`]: which flow a segment belongs to, and what is to be done with it.
//!
//! An entry is small and stays for the life of the connection. The state of a watched flow (two
//! assemblers and the consumer) is boxed beside it and goes when the consumer has seen enough. No
//! entry comes from packets without payload. Expiry runs on capture time: each packet moves a hand
//! over a few entries, so that time passes for all of them without a scan.

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::syn::{Syn, SynCache};
use super::{Chunk, Control, FlowEnd, FlowKey, FlowMeta, Side, Start, StreamAssembler, around};
use super::{StreamConsumer, TableStats};
use crate::clock::Timestamp;
use crate::limits::Limits;
use crate::packet::{Segment, SeqNumber};

/// A flow whose watching is over.
#[derive(Debug)]
pub struct Finished<C> {
    /// What is known of it apart from its bytes.
    pub meta: FlowMeta,
    /// The consumer that was fed.
    pub consumer: C,
    /// Why it is over.
    pub end: FlowEnd,
}

/// All flows of one capture thread.
#[derive(Debug)]
pub struct FlowTable<C> {
    limits: Arc<Limits>,
    index: HashTable<u32>,
    entries: Vec<Entry>,
    free: Vec<u32>,
    watched: Vec<Option<Box<Flow<C>>>>,
    free_watched: Vec<u32>,
    /// Consumers for flows to come.
    spares: Vec<C>,
    held_bytes: usize,
    hand: usize,
    hash: RandomState,
    syns: SynCache,
    stats: TableStats,
}

/// What is kept of every flow. A packet costs one line of the cache here, not two.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Entry {
    key: FlowKey,
    /// Second of the last packet.
    last_seen: u32,
    /// Where in `watched`, or one of the two states below.
    state: u32,
    /// Sequence number at which the stream of the end that opened it began, to tell a repeated
    /// packet from a new connection.
    opening: SeqNumber,
    opener: Side,
    /// Both ends of the watched flow are closed: the hand has to look when that was.
    closed: bool,
}

const SHUNTED: u32 = u32::MAX;
const VACANT: u32 = u32::MAX - 1;

/// Entries that the hand moves over with each packet.
const HAND_STEPS: usize = 2;

/// Consumers that are kept for flows to come.
const SPARES: usize = 256;

#[derive(Debug)]
struct Flow<C> {
    consumer: C,
    streams: [StreamAssembler; 2],
    first_seq: [Option<SeqNumber>; 2],
    meta: FlowMeta,
    /// When both ends were closed.
    closed: Option<Timestamp>,
}

impl<C: StreamConsumer> FlowTable<C> {
    /// An empty table.
    pub fn new(limits: &Limits) -> Self {
        Self {
            limits: Arc::new(limits.clone()),
            index: HashTable::new(),
            entries: Vec::new(),
            free: Vec::new(),
            watched: Vec::new(),
            free_watched: Vec::new(),
            spares: Vec::new(),
            held_bytes: 0,
            hand: 0,
            hash: RandomState::default(),
            syns: SynCache::new(),
            stats: TableStats::default(),
        }
    }

    /// What the table has done so far.
    pub const fn stats(&self) -> &TableStats {
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

    /// Take one segment. Flows that are over, this one or another, go to `finish`.
    #[inline]
    pub fn push(
        &mut self,
        segment: &Segment<'_>,
        at: Timestamp,
        finish: &mut impl FnMut(Finished<C>),
    ) {
        self.advance(at, finish);
        let (key, side) = FlowKey::of(segment.source, segment.target, segment.domain);
        let hash = self.hash.hash_one(key);
        let entries = &mut self.entries;
        let found = self
            .index
            .find(hash, |&slot| entries.get(slot as usize).is_some_and(|entry| entry.key == key));
        let Some(&slot) = found else {
            if segment.payload.is_empty() && segment.cut == 0 {
                self.note_syn(&key, side, segment);
            } else {
                self.open(key, side, hash, segment, at, finish);
            }
            return;
        };
        let Some(entry) = entries.get_mut(slot as usize) else { return };
        entry.last_seen = seconds(at);
        if entry.state == SHUNTED {
            self.stats.shunted_segments = self.stats.shunted_segments.saturating_add(1);
            if segment.flags.syn() || looks_like_client_hello(segment.payload) {
                self.reopen(slot, key, side, segment, at, finish);
            }
        } else {
            self.feed(slot, side, segment, at, finish);
        }
    }

    /// Take a consumer that has seen nothing yet, whose memory is to be used for a flow to come.
    pub fn reuse(&mut self, consumer: impl FnOnce(&Arc<Limits>) -> C) {
        if self.spares.len() < SPARES {
            self.spares.push(consumer(&self.limits));
        }
    }

    /// Time has passed without packets.
    pub fn tick(&mut self, at: Timestamp, finish: &mut impl FnMut(Finished<C>)) {
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

    /// A packet without payload and without a flow: of interest only if it is a SYN.
    fn note_syn(&mut self, key: &FlowKey, side: Side, segment: &Segment<'_>) {
        if segment.flags.syn() {
            self.stats.syns = self.stats.syns.saturating_add(1);
            self.syns.note(key, side, Syn { isn: segment.seq, ack: segment.flags.ack() });
        }
    }

    /// First payload of a flow.
    fn open(
        &mut self,
        key: FlowKey,
        side: Side,
        hash: u64,
        segment: &Segment<'_>,
        at: Timestamp,
        finish: &mut impl FnMut(Finished<C>),
    ) {
        if segment.flags.rst() {
            return; // Some stacks put a text into a RST; it belongs to no stream.
        }
        self.note_syn(&key, side, segment);
        if self.index.len() >= self.limits.flows {
            self.make_room(finish);
        }
        let first_seq = data_seq(segment);
        let entry = Entry {
            key,
            last_seen: seconds(at),
            state: VACANT,
            opening: first_seq,
            opener: side,
            closed: false,
        };
        let slot = if let Some(slot) = self.free.pop() {
            if let Some(place) = self.entries.get_mut(slot as usize) {
                *place = entry;
            }
            slot
        } else {
            let Ok(slot) = u32::try_from(self.entries.len()) else { return };
            self.entries.push(entry);
            slot
        };
        let entries = &self.entries;
        let hasher = &self.hash;
        self.index.insert_unique(hash, slot, |&slot| {
            entries.get(slot as usize).map_or(0, |entry| hasher.hash_one(entry.key))
        });
        self.stats.flows = self.stats.flows.saturating_add(1);
        self.watch(slot, key, side, segment, at, finish);
        self.feed(slot, side, segment, at, finish);
    }

    /// Begin to watch the flow of an entry.
    fn watch(
        &mut self,
        slot: u32,
        key: FlowKey,
        side: Side,
        segment: &Segment<'_>,
        at: Timestamp,
        finish: &mut impl FnMut(Finished<C>),
    ) {
        if self.watched() >= self.limits.watched_flows {
            self.evict_watched(finish);
        }
        let first_seq = data_seq(segment);
        let mut flow = Box::new(Flow {
            consumer: self.spares.pop().unwrap_or_else(|| C::open(&self.limits)),
            streams: <[StreamAssembler; 2]>::default(),
            first_seq: [None; 2],
            meta: FlowMeta {
                endpoints: [key.endpoint(Side::Low), key.endpoint(Side::High)],
                layers: [None; 2],
                initiator: None,
                bytes: [0; 2],
                gaps: [0; 2],
                fin: [false; 2],
                reset: false,
                opened: at,
                last: at,
            },
            closed: None,
        });
        // The SYN of this end is believed if its number fits; that of the other one cannot be
        // checked yet, and is when its first segment comes.
        let own = self.syns.of(&key, side).filter(|syn| syn.fits(first_seq));
        let other = self
            .syns
            .of(&key, side.other())
            .filter(|syn| segment.flags.ack() && syn.fits(segment.ack));
        for (side, syn) in [(side, own), (side.other(), other)] {
            if let Some(syn) = syn {
                side.of_mut(&mut flow.streams).begin(syn.isn.plus(1));
                let initiator = if syn.ack { side.other() } else { side };
                flow.meta.initiator.get_or_insert(initiator);
            }
        }
        if let Some(entry) = self.entries.get_mut(slot as usize) {
            entry.opening = own.map_or(first_seq, |syn| syn.isn.plus(1));
            entry.opener = side;
            if let Some(place) = self.free_watched.pop() {
                entry.state = place;
                if let Some(vacant) = self.watched.get_mut(place as usize) {
                    *vacant = Some(flow);
                }
            } else {
                entry.state = u32::try_from(self.watched.len()).unwrap_or(SHUNTED);
                self.watched.push(Some(flow));
            }
        }
    }

    /// A packet of a shunted flow that may begin another connection on the same ports.
    #[cold]
    fn reopen(
        &mut self,
        slot: u32,
        key: FlowKey,
        side: Side,
        segment: &Segment<'_>,
        at: Timestamp,
        finish: &mut impl FnMut(Finished<C>),
    ) {
        let Some(entry) = self.entries.get(slot as usize) else { return };
        if side == entry.opener && data_seq(segment) == entry.opening {
            return; // A copy of what was seen already.
        }
        if segment.flags.syn() && segment.flags.ack() {
            // Only the SYN itself tells a new connection from a late copy of the answer.
            self.note_syn(&key, side, segment);
            return;
        }
        self.stats.reopened = self.stats.reopened.saturating_add(1);
        self.forget(slot);
        if segment.payload.is_empty() {
            self.note_syn(&key, side, segment);
        } else {
            self.open(key, side, self.hash.hash_one(key), segment, at, finish);
        }
    }

    /// A packet of a watched flow.
    fn feed(
        &mut self,
        slot: u32,
        side: Side,
        segment: &Segment<'_>,
        at: Timestamp,
        finish: &mut impl FnMut(Finished<C>),
    ) {
        let Some(&Entry { key, state, .. }) = self.entries.get(slot as usize) else { return };
        let Some(flow) = self.watched.get_mut(state as usize).and_then(Option::as_mut) else {
            return;
        };
        if segment.flags.syn() && flow.is_reused_by(side, segment) {
            self.give_up(slot, FlowEnd::Reused, finish);
            self.forget(slot);
            if segment.payload.is_empty() && segment.cut == 0 {
                self.note_syn(&key, side, segment);
            } else {
                self.open(key, side, self.hash.hash_one(key), segment, at, finish);
            }
            return;
        }
        let before = flow.held_bytes();
        let control = flow.push(side, segment, at, &self.syns, &key, &self.limits);
        self.held_bytes = self.held_bytes.saturating_sub(before).saturating_add(flow.held_bytes());
        if flow.closed.is_some()
            && let Some(entry) = self.entries.get_mut(slot as usize)
        {
            entry.closed = true;
        }
        if control == Control::Shunt {
            self.give_up(slot, FlowEnd::Shunted, finish);
        } else if self.held_bytes > self.limits.watched_bytes {
            self.evict_watched(finish);
        }
    }

    /// End the watching of a flow; its entry stays, shunted.
    fn give_up(&mut self, slot: u32, end: FlowEnd, finish: &mut impl FnMut(Finished<C>)) {
        let Some(entry) = self.entries.get_mut(slot as usize) else { return };
        let place = entry.state;
        let Some(flow) = self.watched.get_mut(place as usize).and_then(Option::take) else {
            return;
        };
        entry.state = SHUNTED;
        self.free_watched.push(place);
        self.held_bytes = self.held_bytes.saturating_sub(flow.held_bytes());
        finish(flow.finish(end));
    }

    /// Take an entry out of the table.
    fn forget(&mut self, slot: u32) {
        let Some(entry) = self.entries.get_mut(slot as usize) else { return };
        entry.state = VACANT;
        let hash = self.hash.hash_one(entry.key);
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
            } else if state != VACANT
                && (entry.closed || silent > self.limits.watched_idle.as_secs())
            {
                self.check_watched(slot, state, silent, at, finish);
            }
        }
    }

    fn check_watched(
        &mut self,
        slot: u32,
        state: u32,
        silent: u64,
        at: Timestamp,
        finish: &mut impl FnMut(Finished<C>),
    ) {
        let Some(Some(flow)) = self.watched.get(state as usize) else { return };
        let end = if flow.closed.is_some_and(|closed| at.since(closed) > self.limits.linger) {
            if flow.meta.reset { FlowEnd::Reset } else { FlowEnd::Fin }
        } else if silent > self.limits.watched_idle.as_secs() {
            FlowEnd::Idle
        } else {
            return;
        };
        self.give_up(slot, end, finish);
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
        let is_watched = |entry: &Entry| !matches!(entry.state, SHUNTED | VACANT);
        let watched = around(&self.entries, self.hand).find(|(entry, _)| is_watched(entry));
        let Some((_, slot)) = watched else { return };
        self.hand = (slot as usize).wrapping_add(1);
        self.stats.evicted_watched = self.stats.evicted_watched.saturating_add(1);
        self.give_up(slot, FlowEnd::Evicted, finish);
    }
}

impl<C: StreamConsumer> Flow<C> {
    fn held_bytes(&self) -> usize {
        let [low, high] = &self.streams;
        low.held_bytes()
            .saturating_add(high.held_bytes())
            .saturating_add(self.consumer.held_bytes())
    }

    /// Whether a SYN belongs to another connection than this one.
    fn is_reused_by(&self, side: Side, segment: &Segment<'_>) -> bool {
        if segment.flags.ack() {
            return false; // The SYN itself decides; its answer may be a late copy.
        }
        match side.of(&self.first_seq) {
            Some(first) => !Syn { isn: segment.seq, ack: false }.fits(*first),
            None => false,
        }
    }

    /// Take a segment into its stream and feed the consumer with what is in order.
    fn push(
        &mut self,
        side: Side,
        segment: &Segment<'_>,
        at: Timestamp,
        syns: &SynCache,
        key: &FlowKey,
        limits: &Limits,
    ) -> Control {
        let meta = &mut self.meta;
        meta.last = at;
        side.of_mut(&mut meta.layers).get_or_insert(segment.layers);
        let seq = data_seq(segment);
        let size = u32::try_from(segment.payload.len()).unwrap_or(u32::MAX);
        let stream = side.of_mut(&mut self.streams);
        let mut control = Control::Continue;
        if size > 0 || segment.cut > 0 {
            let first_seq = side.of_mut(&mut self.first_seq);
            first_seq.get_or_insert(seq);
            if !stream.begun() {
                // Its SYN may have come after the first segment of the other end.
                if let Some(syn) = syns.of(key, side).filter(|syn| syn.fits(seq)) {
                    stream.begin(syn.isn.plus(1));
                    let initiator = if syn.ack { side.other() } else { side };
                    meta.initiator.get_or_insert(initiator);
                } else if stream.is_first(seq)
                    && self.consumer.start(side, segment.payload) == Start::Plausible
                {
                    stream.begin(seq);
                }
            }
            let bytes = side.of_mut(&mut meta.bytes);
            *bytes = bytes.saturating_add(u64::from(size));
            let gaps = side.of_mut(&mut meta.gaps);
            let consumer = &mut self.consumer;
            let mut deliver = |chunk: Chunk<'_>| {
                if matches!(chunk, Chunk::Gap(_)) {
                    *gaps = gaps.saturating_add(1);
                }
                if consumer.feed(side, at, chunk) == Control::Shunt {
                    control = Control::Shunt;
                }
            };
            stream.push(seq, segment.payload, segment.cut, at, limits, &mut deliver);
            let waited = stream.first_held().is_some_and(|(_, since)| {
                at.since(since) > limits.start_wait
                    || stream.held_segments() > limits.start_segments
            });
            if !stream.begun() && waited {
                stream.begin_at_first(&mut deliver);
            }
        }
        if segment.flags.fin() {
            stream.end_at(seq.plus(size).plus(segment.cut));
            *side.of_mut(&mut meta.fin) = true;
        }
        if segment.flags.rst() {
            meta.reset = true;
        }
        // One end that closed is enough where the other was never seen.
        let [low, high] = &self.streams;
        let closed = |stream: &StreamAssembler, other: &StreamAssembler| {
            stream.ended() || (other.ended() && !stream.begun() && !stream.is_waiting())
        };
        if meta.reset || (closed(low, high) && closed(high, low)) {
            self.closed.get_or_insert_with(|| {
                self.consumer.settle();
                at
            });
        }
        control
    }

    /// No more will come: feed what waits, and let go.
    fn finish(mut self, end: FlowEnd) -> Finished<C> {
        if end != FlowEnd::Shunted {
            let at = self.meta.last;
            for side in [Side::Low, Side::High] {
                let gaps = side.of_mut(&mut self.meta.gaps);
                let consumer = &mut self.consumer;
                side.of_mut(&mut self.streams).flush(&mut |chunk| {
                    if matches!(chunk, Chunk::Gap(_)) {
                        *gaps = gaps.saturating_add(1);
                    }
                    consumer.feed(side, at, chunk);
                });
            }
        }
        Finished { meta: self.meta, consumer: self.consumer, end }
    }
}

/// Where a segment's payload begins: a SYN takes a number of its own.
const fn data_seq(segment: &Segment<'_>) -> SeqNumber {
    segment.seq.plus(if segment.flags.syn() { 1 } else { 0 })
}

/// The second of a moment, for the entries; it wraps only in 2106.
fn seconds(at: Timestamp) -> u32 {
    u32::try_from(at.as_secs()).unwrap_or(u32::MAX)
}

/// Whether a payload begins with a ClientHello in a TLS record: enough, on a flow that nothing more
/// was expected of, to look at it again (a connection that reuses the ports and whose SYN was lost,
/// or TLS that begins late).
fn looks_like_client_hello(payload: &[u8]) -> bool {
    matches!(payload, [0x16, 0x03, 0..=4, _, _, 0x01, 0x00, _, _, 0x03, 0..=4, ..])
}
