//! [`Entry`]: what is kept of every flow for its whole life.

use super::hand::in_seconds;
#[cfg(feature = "live")]
use super::slots::shifted;
use super::slots::{SHUNTED, Slot, VACANT};
use super::watched::data_seq;
use super::{FlowKey, Side, syn};
use crate::limits::Limits;
use crate::packet::{Domain, Segment, SeqNumber};

/// What is kept of every flow. A packet costs one line of the cache here, not two.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(super) struct Entry {
    pub(super) key: FlowKey,
    /// Second of the last packet.
    pub(super) last_seen: u32,
    /// Where in [`Watched`](super::slots::Watched), or one of two states besides.
    pub(super) state: u32,
    /// Sequence numbers at which the streams began, where they are known, to tell a repeated packet
    /// from a new connection. Nothing of that is wanted while the flow is watched: if it is closed
    /// then, the second when that was seen stands in place of the first.
    pub(super) openings: [SeqNumber; 2],
    /// Other VLAN tags under which packets of the same connection are seen.
    pub(super) joined: Domain,
    /// Time to live of the first packet of each end.
    pub(super) ttl: [u8; 2],
    /// What of this is known: see the constants below.
    pub(super) flags: u8,
}

/// Both ends of the watched flow are closed.
const CLOSED: u8 = 1;
/// `joined` holds.
pub(super) const HAS_JOINED: u8 = 2;
/// `openings` and `ttl` hold for the low end; a bit higher, for the high end.
pub(super) const HAS_OPENING: u8 = 4;

/// What was looked for had begun, and enough was seen of it.
pub(super) const SEEN: u8 = 16;

/// The low end has ended the flow, of which nothing more is wanted; a bit higher, the high end.
const HAS_ENDED: u8 = 32;

/// How far behind the beginning of a stream a hello is a late copy, where a handshake was seen: the
/// second hello after a HelloRetryRequest, or one behind a request for TLS.
const COPIES_REACH: i32 = 1 << 16;

impl Slot for Entry {
    #[inline]
    fn key(&self) -> FlowKey {
        self.key
    }

    #[inline]
    fn joined_key(&self) -> Option<FlowKey> {
        (self.flags & HAS_JOINED != 0).then(|| self.key.within(self.joined))
    }

    #[inline]
    fn state(&self) -> u32 {
        self.state
    }

    fn vacate(&mut self) {
        self.state = VACANT;
    }
}

impl Entry {
    /// Note that both ends of the watched flow are closed, since that second. The first word counts.
    pub(super) fn close(&mut self, second: u32) {
        if self.flags & CLOSED == 0 {
            self.flags |= CLOSED;
            let [first, _] = &mut self.openings;
            *first = SeqNumber(second);
        }
    }

    /// Nothing more is wanted of the flow.
    pub(super) fn shunt(&mut self) {
        self.state = SHUNTED;
        self.flags &= !CLOSED;
    }

    /// Note that this end has ended the flow, of which nothing more is wanted.
    pub(super) fn end(&mut self, side: Side) {
        self.flags |= flag_of(HAS_ENDED, side);
    }

    /// Whether nothing more is wanted of the flow, and both ends have ended it.
    pub(super) fn is_over(&self) -> bool {
        let both = flag_of(HAS_ENDED, Side::Low) | flag_of(HAS_ENDED, Side::High);
        self.state == SHUNTED && self.flags & both == both
    }

    /// What tells a connection of which nothing more is wanted from others that were or will be in its slot:
    /// as good as surely, as ends choose where their streams begin at random.
    pub(super) const fn mark(&self) -> u32 {
        let [SeqNumber(low), SeqNumber(high)] = self.openings;
        low ^ high.rotate_left(16)
    }

    /// Whether packets of this key are of this flow.
    #[inline]
    pub(super) fn is_of(&self, key: &FlowKey) -> bool {
        self.state != VACANT && (self.key == *key || self.joined_key() == Some(*key))
    }

    /// The last second in which the flow is not over, if nothing more comes. The state of a watched one is
    /// far away, and is looked at only when it may be over.
    pub(super) fn calm_until(&self, limits: &Limits) -> u32 {
        let until = |since: u32, patience| since.saturating_add(in_seconds(patience));
        if self.state == SHUNTED {
            return until(self.last_seen, limits.shunted_idle);
        }
        let silent = until(self.last_seen, limits.watched_idle);
        let [SeqNumber(closed), _] = self.openings;
        let lingers = until(closed, limits.linger).saturating_sub(1);
        if self.flags & CLOSED == 0 { silent } else { silent.min(lingers) }
    }

    /// The clock was put forward, or back, by so many seconds.
    #[cfg(feature = "live")]
    pub(super) fn shift(&mut self, by: i64) {
        self.last_seen = shifted(self.last_seen, by);
        if self.flags & CLOSED != 0 {
            let [SeqNumber(second), _] = &mut self.openings;
            *second = shifted(*second, by);
        }
    }

    /// Where the stream of this end began, if that is known.
    pub(super) const fn opening(&self, side: Side) -> Option<SeqNumber> {
        let [low, high] = self.openings;
        match side {
            _ if self.flags & flag_of(HAS_OPENING, side) == 0 => None,
            Side::Low => Some(low),
            Side::High => Some(high),
        }
    }

    /// Whether a segment that would begin a connection is a copy of one that was seen already.
    pub(super) fn is_repeated_by(&self, side: Side, segment: &Segment<'_>) -> bool {
        self.opening(side).is_some_and(|opening| {
            let ahead = data_seq(segment).offset_from(opening);
            let seen = self.flags & SEEN != 0 && !segment.flags.syn();
            ahead == 0 || (seen && 0 < ahead && ahead < COPIES_REACH)
        })
    }

    /// Whether a segment stands where the connection that was watched here began, or not far behind.
    pub(super) fn began_near(&self, side: Side, segment: &Segment<'_>) -> bool {
        let offset = |opening| data_seq(segment).offset_from(opening);
        self.opening(side).is_some_and(|opening| (0..syn::REACH).contains(&offset(opening)))
    }

    /// Whether a segment in another VLAN is a copy, from beyond a router, of the beginning of this
    /// flow, of which nothing more is wanted.
    pub(super) fn is_copied_by(&self, side: Side, segment: &Segment<'_>) -> bool {
        self.opening(side) == Some(data_seq(segment)) && *side.of(&self.ttl) != segment.ttl
    }
}

/// Of the flags of both ends, of which this is the low end's, the one of an end.
pub(super) const fn flag_of(low: u8, side: Side) -> u8 {
    match side {
        Side::Low => low,
        Side::High => low << 1,
    }
}
