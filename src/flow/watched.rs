//! [`Flow`]: the state of a flow while its handshake is watched.

use std::mem::{self, offset_of};
use std::slice;

use super::syn::{self, Syn, SynCache};
use super::{Chunk, Control, FlowEnd, FlowKey, FlowMeta, Receive, Run, Side, Start};
use super::{Spares, StreamAssembler, StreamConsumer, short};
use crate::clock::Timestamp;
use crate::limits::Limits;
use crate::packet::{Segment, SeqNumber};
use crate::prefetch;

/// How far a number may lie from where the stream stands to be one of it, seen from another VLAN.
const JOIN_REACH: u32 = 1 << 18;

/// Two assemblers and the consumer that they feed.
#[derive(Debug)]
pub(super) struct Flow<C> {
    pub(super) consumer: C,
    pub(super) streams: [StreamAssembler; 2],
    pub(super) first_seq: [Option<SeqNumber>; 2],
    pub(super) heard: Heard,
    /// What is known besides; its last packet is that of `heard` until the flow is over.
    pub(super) meta: FlowMeta,
}

/// What every packet touches, in one line of the cache: most acknowledge something, and no more.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Heard {
    /// When the last packet came.
    last: Timestamp,
    /// When both ends were closed.
    pub(super) closed: Option<Timestamp>,
    /// What each end has acknowledged.
    acked: [Option<Acked>; 2],
    /// A SYN that does not belong to it, and who sent it: whether another connection began, or nobody
    /// received it, is told by what comes next.
    pub(super) challenge: Option<(Side, SeqNumber)>,
    /// Time to live of the first packet of each end that was heard.
    pub(super) ttl: [u8; 2],
    /// Which ends were heard.
    ends: [bool; 2],
    /// Directions whose beginning was waited for in vain.
    pub(super) guessed_starts: u8,
}

/// The acknowledgement numbers of an end.
#[derive(Clone, Copy, Debug)]
struct Acked {
    /// The least, which for all that is known was the first.
    least: SeqNumber,
    /// That of its last packet.
    last: SeqNumber,
}

impl Heard {
    fn new(at: Timestamp) -> Self {
        Self {
            last: at,
            closed: None,
            acked: [None; 2],
            challenge: None,
            ttl: [0; 2],
            ends: [false; 2],
            guessed_starts: 0,
        }
    }

    /// What this end acknowledged last.
    fn acked(&self, side: Side) -> Option<SeqNumber> {
        side.of(&self.acked).map(|acked| acked.last)
    }

    /// Whether this end was heard.
    #[inline]
    pub(super) fn has(&self, side: Side) -> bool {
        *side.of(&self.ends)
    }
}

impl<C: StreamConsumer> Flow<C> {
    /// A flow of which nothing was seen yet.
    pub(super) fn new(key: &FlowKey, at: Timestamp) -> Self {
        Self {
            consumer: C::default(),
            streams: <[StreamAssembler; 2]>::default(),
            first_seq: [None; 2],
            heard: Heard::new(at),
            meta: FlowMeta::new(key.endpoints(), at),
        }
    }

    /// Be such a flow, after one that is finished.
    pub(super) fn begin(&mut self, key: &FlowKey, at: Timestamp) {
        self.first_seq = [None; 2];
        self.heard = Heard::new(at);
        self.meta = FlowMeta::new(key.endpoints(), at);
    }

    /// Ask for all lines of the cache that it lies in: a segment needs nearly all of them.
    #[inline]
    pub(super) fn prefetch(&self) {
        let mark = slice::from_ref(&self.meta.reset);
        let start = 0_usize.wrapping_sub(offset_of!(Self, meta.reset));
        for at in (0..size_of::<Self>()).step_by(prefetch::LINE) {
            prefetch::prefetch_at(mark, start.wrapping_add(at));
        }
    }

    /// Ask for what an acknowledgement needs.
    #[inline]
    pub(super) fn prefetch_heard(&self) {
        prefetch::prefetch(&self.heard);
    }

    /// Ask for the memory where the next bytes of this direction will be kept.
    #[inline]
    pub(super) fn prefetch_end(&self, side: Side, size: usize) {
        self.consumer.prefetch_end(side, size);
    }

    /// Bytes that count against the bound on all watched flows.
    pub(super) fn held_bytes(&self) -> usize {
        let [low, high] = &self.streams;
        low.held_bytes()
            .saturating_add(high.held_bytes())
            .saturating_add(self.consumer.held_bytes())
    }

    /// Where its streams stand.
    pub(super) fn stands(&self) -> [Option<SeqNumber>; 2] {
        [Side::Low, Side::High]
            .map(|side| side.of(&self.streams).next().or_else(|| *side.of(&self.first_seq)))
    }

    /// Whether a SYN belongs to another connection than this one.
    pub(super) fn is_reused_by(&self, side: Side, segment: &Segment<'_>) -> bool {
        if segment.flags.ack() {
            return false; // The SYN itself decides; its answer may be a late copy.
        }
        let first = side.of(&self.streams).start().or_else(|| *side.of(&self.first_seq));
        let syn = Syn { isn: segment.seq, ack: false, reset: false };
        first.is_some_and(|first| !syn.fits(first))
    }

    /// Whether a segment is of the connection that the last strange SYN began, and not of this one.
    #[cold]
    pub(super) fn is_of_another(&self, side: Side, segment: &Segment<'_>) -> bool {
        let Some((sender, isn)) = self.heard.challenge else { return false };
        let number = match (side == sender, segment.flags.ack()) {
            (true, _) => segment.seq,
            (false, true) => segment.ack,
            (false, false) => return false,
        };
        let own = *sender.of(&self.stands());
        let near =
            |own: SeqNumber| number.offset_from(own).unsigned_abs() < syn::REACH.unsigned_abs();
        let begins = number == isn.plus(1) && own != Some(number);
        Syn { isn, ack: false, reset: false }.fits(number) && (begins || !own.is_some_and(near))
    }

    /// Whether an end answers the last strange SYN of the other one: it knows of nothing that went on.
    pub(super) fn takes_another(&self, side: Side, segment: &Segment<'_>) -> bool {
        let answered =
            |(sender, isn): (Side, SeqNumber)| sender != side && segment.ack == isn.plus(1);
        segment.flags.syn() && segment.flags.ack() && self.heard.challenge.is_some_and(answered)
    }

    /// Whether a segment that was captured with other VLAN tags is of this connection all the same.
    ///
    /// Address spaces overlap, so that the same addresses and ports prove nothing. Either nothing was
    /// seen of its sender here, and both its numbers are where the other end's stand: the port tags
    /// the directions differently. Or it passed a router that the packets here did not pass, and its
    /// numbers are where those of its sender stand: the port shows both sides of the router. That
    /// two connections have both numbers within reach by chance is as likely as 1 to 2²⁶.
    pub(super) fn joins(&self, side: Side, segment: &Segment<'_>) -> bool {
        let near = |number: SeqNumber, stands: Option<SeqNumber>| {
            stands.is_some_and(|at| number.offset_from(at).unsigned_abs() < JOIN_REACH)
        };
        let stood = self.stands();
        let stands = |side: Side| *side.of(&stood);
        let other = side.other();
        let seq = data_seq(segment);
        if segment.flags.syn() && !segment.flags.ack() {
            // Data in a SYN (RFC 7413): there is nothing to acknowledge yet, so that the one number has
            // to be exact.
            let end = seq.plus(short(segment.payload.len()));
            match *side.of(&self.first_seq) {
                None => self.heard.acked(other) == Some(end),
                Some(first) => *side.of(&self.heard.ttl) != segment.ttl && first == seq,
            }
        } else if !segment.flags.ack() {
            false
        } else if side.of(&self.meta.layers).is_none() {
            match self.heard.acked(other) {
                Some(acked) => near(seq, Some(acked)) && near(segment.ack, stands(other)),
                None => stands(other) == Some(segment.ack),
            }
        } else {
            *side.of(&self.heard.ttl) != segment.ttl
                && near(seq, stands(side))
                && near(segment.ack, self.heard.acked(side))
        }
    }

    /// Take a packet's time and what it acknowledges; all of a packet that only does that.
    #[inline]
    pub(super) fn hear(
        &mut self,
        side: Side,
        segment: &Segment<'_>,
        at: Timestamp,
        syns: &SynCache,
        key: &FlowKey,
    ) {
        self.heard.last = at;
        if !mem::replace(side.of_mut(&mut self.heard.ends), true) {
            *side.of_mut(&mut self.meta.layers) = Some(segment.layers);
            *side.of_mut(&mut self.heard.ttl) = segment.ttl;
            // The other end may never say anything more.
            let other = syns.of(key, side.other());
            *side.other().of_mut(&mut self.meta.syn) |=
                segment.flags.ack() && other.is_some_and(|syn| syn.fits(segment.ack));
        }
        if segment.flags.ack() {
            let last = segment.ack;
            let acked = side.of_mut(&mut self.heard.acked);
            let least = acked.map_or(last, |acked| acked.least);
            let least = if last.offset_from(least) < 0 { last } else { least };
            *acked = Some(Acked { least, last });
        }
    }

    /// Take a segment into its stream and feed the consumer with what is in order.
    pub(super) fn push(
        &mut self,
        side: Side,
        segment: &Segment<'_>,
        at: Timestamp,
        syns: &SynCache,
        key: &FlowKey,
        (limits, spares): (&Limits, &mut Spares),
    ) -> Control {
        self.hear(side, segment, at, syns, key);
        let seq = data_seq(segment);
        // The other end waits for bytes before these, or did: whatever they look like, they are not the
        // beginning.
        let acked = *side.other().of(&self.heard.acked);
        let is_preceded = acked.is_some_and(|Acked { least, .. }| {
            let ahead = seq.offset_from(least);
            0 < ahead && ahead < syn::REACH
        });
        let size = short(segment.payload.len());
        if side.of(&self.streams).start() == Some(seq.plus(size))
            && size > 0
            && !is_preceded
            && self.meta.initiator.is_none()
            && syns.of(key, side).is_none()
            && self.begin_earlier(side, segment, at, limits, spares) == Control::Shunt
        {
            return Control::Shunt;
        }
        let meta = &mut self.meta;
        let stream = side.of_mut(&mut self.streams);
        let mut control = Control::Continue;
        // The answer to a SYN that brought data comes when the flow is there already.
        let own = Syn { isn: segment.seq, ack: segment.flags.ack(), reset: false };
        let first = *side.of(&self.first_seq);
        if segment.flags.syn() && !stream.begun() && first.is_none_or(|first| own.fits(first)) {
            stream.begin(seq);
            stream.forget_outside(syn::REACH);
            let initiator = if own.ack { side.other() } else { side };
            meta.initiator.get_or_insert(initiator);
        }
        // The text of a RST (RFC 9293 §3.5.3) is no data, and its receiver delivers none of it.
        if (size > 0 || segment.cut > 0) && !segment.flags.rst() {
            let first_seq = side.of_mut(&mut self.first_seq);
            first_seq.get_or_insert(seq);
            if !stream.begun() {
                // Its SYN may have come after the first segment of the other end. A segment that is far
                // from it is a late one of an earlier connection, or a forged one, unless nothing else
                // comes.
                let syn = syns.of(key, side);
                if let Some(syn) = syn.filter(|syn| syn.fits(seq)) {
                    stream.begin(syn.isn.plus(1));
                    stream.forget_outside(syn::REACH);
                    let initiator = if syn.ack { side.other() } else { side };
                    meta.initiator.get_or_insert(initiator);
                    meta.reset |= syn.reset;
                } else if syn.is_none()
                    && !is_preceded
                    && stream.is_first(seq)
                    && self.consumer.start(side, segment.payload) == Start::Plausible
                {
                    stream.begin(seq);
                }
            }
            let mut feed = Feed {
                consumer: &mut self.consumer,
                side,
                at,
                bytes: side.of_mut(&mut meta.bytes),
                gaps: side.of_mut(&mut meta.gaps),
                limits,
                spares,
                control: Control::Continue,
            };
            stream.push(seq, segment.payload, segment.cut, at, limits, &mut feed);
            if !stream.begun()
                && let Some((first, since)) = stream.first_held()
            {
                // The other end has received all that comes before what waits (RFC 9293 §3.4): it will not
                // be sent again, and can only have been captured in another order.
                let is_acknowledged = acked
                    .is_some_and(|acked| (0..syn::REACH).contains(&acked.last.offset_from(first)));
                let patience = if is_acknowledged {
                    limits.start_segments_acknowledged
                } else {
                    limits.start_segments
                };
                if stream.waited() > patience || at.since(since) > limits.start_wait {
                    stream.begin_at_first(&mut feed);
                    self.heard.guessed_starts = self.heard.guessed_starts.saturating_add(1);
                }
            }
            control = feed.control;
            let signs = side.of_mut(&mut meta.signs);
            signs.overlap = stream.overlaps().differing();
            signs.urgent |= segment.flags.urg() && self.consumer.begun();
            signs.fragments |= segment.layers.contradicted;
        }
        if segment.flags.fin() {
            stream.end_at(seq.plus(size).plus(segment.cut));
            *side.of_mut(&mut meta.fin) = true;
        }
        if segment.flags.rst() {
            // The other end believes none that is not where its sender stands (RFC 5961 §3): that was
            // sent by somebody else, who would have what follows overlooked.
            let stands = stream.next().or_else(|| *side.of(&self.first_seq));
            meta.reset |= stands
                .is_none_or(|at| seq.offset_from(at).unsigned_abs() < syn::REACH.unsigned_abs());
        }
        // One end that closed is enough where the other was never seen.
        let [low, high] = &self.streams;
        let closed = |stream: &StreamAssembler, other: &StreamAssembler| {
            stream.ended() || (other.ended() && !stream.begun() && !stream.is_waiting())
        };
        if self.heard.closed.is_none() && (meta.reset || (closed(low, high) && closed(high, low))) {
            self.heard.closed = Some(at);
            self.consumer.settle();
        }
        control
    }

    /// A segment that lies just before where its stream was taken to begin: what looked like a beginning
    /// was captured too early. The consumer hears it again if that has led to nothing.
    #[cold]
    fn begin_earlier(
        &mut self,
        side: Side,
        segment: &Segment<'_>,
        at: Timestamp,
        limits: &Limits,
        spares: &mut Spares,
    ) -> Control {
        /// More than this is more than changes places.
        const MOST: usize = 16 << 10;
        let Self { consumer, streams, meta, .. } = self;
        let stream = side.of_mut(streams);
        let run = consumer.received(side);
        let heard = stream.start().zip(stream.next());
        let heard = heard.map(|(start, next)| next.0.wrapping_sub(start.0) as usize);
        let is_whole = run.behind == 0 && run.bytes.len() <= MOST && heard == Some(run.bytes.len());
        if !is_whole || segment.cut > 0 || segment.flags.rst() {
            return Control::Continue;
        }
        let later = run.bytes.to_vec();
        if consumer.start(side, segment.payload) != Start::Plausible || !consumer.restart(side) {
            return Control::Continue;
        }
        stream.begin_earlier(data_seq(segment));
        let bytes = side.of_mut(&mut meta.bytes);
        *bytes = bytes.saturating_sub(u64::from(short(later.len())));
        let gaps = side.of_mut(&mut meta.gaps);
        let control = Control::Continue;
        let mut feed = Feed { consumer, side, at, bytes, gaps, limits, spares, control };
        feed.receive(Chunk::Data(segment.payload));
        feed.receive(Chunk::Data(&later));
        feed.control
    }

    /// No more will come: feed what waits. What there is then is ready for who wants it, and when its consumer is
    /// [recycled](StreamConsumer::recycle) it can [begin](Self::begin) again.
    pub(super) fn finish(&mut self, end: FlowEnd, limits: &Limits, spares: &mut Spares) {
        let Self { consumer, streams, heard, meta, .. } = self;
        meta.last = heard.last;
        if end != FlowEnd::Shunted {
            for side in [Side::Low, Side::High] {
                let mut feed = Feed {
                    consumer,
                    side,
                    at: heard.last,
                    bytes: side.of_mut(&mut meta.bytes),
                    gaps: side.of_mut(&mut meta.gaps),
                    limits,
                    spares,
                    control: Control::Continue,
                };
                side.of_mut(streams).flush(&mut feed);
            }
        }
        *streams = <[StreamAssembler; 2]>::default();
    }
}

/// One direction on its way to the consumer.
struct Feed<'f, C> {
    consumer: &'f mut C,
    side: Side,
    at: Timestamp,
    bytes: &'f mut u64,
    gaps: &'f mut u32,
    limits: &'f Limits,
    spares: &'f mut Spares,
    /// What the consumer said last.
    control: Control,
}

impl<C: StreamConsumer> Receive for Feed<'_, C> {
    fn receive(&mut self, chunk: Chunk<'_>) {
        // Nothing more is wanted, though more was waiting.
        if self.control == Control::Shunt {
            return;
        }
        count(chunk, self.bytes, self.gaps);
        self.control = self.consumer.feed(self.side, self.at, chunk, self.limits, self.spares);
    }

    fn received(&self) -> Run<'_> {
        // How much came since then is not known there.
        match self.control {
            Control::Continue => self.consumer.received(self.side),
            Control::Shunt => Run::default(),
        }
    }
}

/// Add to what was seen of a direction: each byte once, however often it was sent.
fn count(chunk: Chunk<'_>, bytes: &mut u64, gaps: &mut u32) {
    match chunk {
        Chunk::Data(data) => {
            *bytes = bytes.saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
        }
        Chunk::Gap(_) => *gaps = gaps.saturating_add(1),
    }
}

/// Where a segment's payload begins: a SYN takes a number of its own.
pub(super) const fn data_seq(segment: &Segment<'_>) -> SeqNumber {
    segment.seq.plus(if segment.flags.syn() { 1 } else { 0 })
}
