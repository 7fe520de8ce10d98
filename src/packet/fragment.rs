//! The IP datagrams of which fragments have come, within bounds.
//!
//! Where fragments overlap, the first one wins, in IPv6 too: a receiver of today discards such a
//! datagram (RFC 5722), but whoever sends one may do so for us alone, with a time to live that does
//! not reach the receiver. A datagram whose fragments contradict each other is marked. A fragment
//! that contradicts a datagram which is complete already makes another one of it, once: a forged
//! copy in front must not hide the real one behind it. What is incomplete for too long is given up
//! on capture time, what is too much is given up oldest first, and all of it is counted.

use std::collections::VecDeque;
use std::time::Duration;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::clock::Timestamp;
use crate::limits::Limits;
use crate::packet::cursor::{Cursor, Fragment, Version};
use crate::packet::partial::{Fate, Part, Partial, Whole};
use crate::packet::stats::add;
use crate::packet::{Address, Domain, PacketStats, Skip};

/// How long copies of fragments are expected to trail behind a datagram that was complete: a
/// mirror port that sees a packet twice does so at once, but a busy sender uses its 65 536 ids
/// again within seconds.
const COPIES_TRAIL: Duration = Duration::from_millis(100);

/// Which datagram a fragment belongs to (RFC 791 §3.2, RFC 8200 §4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    source: Address,
    target: Address,
    domain: Domain,
    id: u32,
    /// Zero in IPv6, where it is no part of the identity.
    protocol: u8,
    version: Version,
}

/// A datagram of which something was seen.
#[derive(Debug)]
struct Entry {
    /// Tells this entry from earlier ones of the same key in the queues.
    serial: u64,
    /// Frames that are counted as held for it.
    held: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    Waiting(Partial),
    /// Complete: for a while further fragments are its copies.
    Closed {
        since: Timestamp,
        /// What it was, to compare them with; `None` where they already contradicted it.
        whole: Option<Partial>,
    },
}

/// An entry's place in a queue.
#[derive(Clone, Copy, Debug)]
struct Ticket {
    key: Key,
    serial: u64,
    since: Timestamp,
}

/// All datagrams that are incomplete.
#[derive(Debug)]
pub(super) struct FragmentTable {
    entries: HashMap<Key, Entry, RandomState>,
    /// In the order of their first fragments; some are stale.
    waiting: VecDeque<Ticket>,
    closed: VecDeque<Ticket>,
    waiting_count: usize,
    held_bytes: usize,
    serial: u64,
    max_bytes: usize,
    max_datagrams: usize,
    wait: Duration,
}

impl FragmentTable {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            entries: HashMap::default(),
            waiting: VecDeque::new(),
            closed: VecDeque::new(),
            waiting_count: 0,
            held_bytes: 0,
            serial: 0,
            max_bytes: limits.fragment_bytes,
            max_datagrams: limits.fragment_datagrams,
            wait: limits.fragment_wait,
        }
    }

    /// Bytes that count against the bound.
    #[cfg(test)]
    pub(super) const fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// Places taken, those of the queues as well.
    #[cfg(test)]
    pub(super) fn entries(&self) -> usize {
        self.entries.len().max(self.waiting.len()).max(self.closed.len())
    }

    /// Take in the fragment at `cursor`; the datagram if this completes it.
    pub(super) fn push(
        &mut self,
        now: Timestamp,
        fragment: &Fragment,
        cursor: &Cursor<'_>,
        stats: &mut PacketStats,
    ) -> Result<Whole, Skip> {
        add(&mut stats.fragments, 1);
        self.expire(now, stats);
        let part = Part::new(fragment, cursor)?;
        let key = Key {
            source: cursor.source,
            target: cursor.target,
            domain: cursor.domain,
            id: fragment.id,
            protocol: match fragment.version {
                Version::V4 => fragment.protocol,
                Version::V6 => 0,
            },
            version: fragment.version,
        };
        let Some(partial) = self.waiting_for(key, &part, now, stats)? else {
            return Err(Skip::FragmentLost);
        };
        let before = partial.cost();
        let fate = match partial.add(&part) {
            // It contradicted the complete one, and is in the new one already.
            Fate::Duplicate if partial.is_contradicted() => Fate::Overlap,
            fate => fate,
        };
        let after = partial.cost();
        let complete = partial.is_complete();
        self.held_bytes = self.held_bytes.saturating_sub(before).saturating_add(after);
        match fate {
            Fate::New => {}
            Fate::Duplicate => add(&mut stats.fragments_duplicate, 1),
            Fate::Overlap => add(&mut stats.fragments_overlapping, 1),
        }
        if complete {
            let whole = self.close(key, now);
            self.evict(stats);
            if let Some(whole) = whole {
                add(&mut stats.reassembled, 1);
                return Ok(whole);
            }
            return Err(Skip::FragmentLost);
        }
        self.evict(stats);
        match self.entries.get_mut(&key) {
            Some(Entry { held, .. }) => {
                add(held, 1);
                Err(Skip::FragmentHeld)
            }
            None => Err(Skip::FragmentLost),
        }
    }

    /// Give up all that is incomplete, as no more will come.
    pub(super) fn finish(&mut self, stats: &mut PacketStats) {
        while self.drop_oldest(stats) {
            add(&mut stats.fragments_expired, 1);
        }
        while !self.closed.is_empty() {
            self.forget_oldest_closed();
        }
        self.entries.clear();
    }

    /// The datagram of `key` that `part` is for, begun if need be.
    fn waiting_for(
        &mut self,
        key: Key,
        part: &Part<'_>,
        now: Timestamp,
        stats: &mut PacketStats,
    ) -> Result<Option<&mut Partial>, Skip> {
        let mut begun = Partial::default();
        if let Some(Entry { state: State::Closed { since, whole }, .. }) = self.entries.get(&key) {
            if now.since(*since) <= COPIES_TRAIL {
                match whole {
                    Some(whole) if whole.is_contradicted_by(part) => begun = whole.but_for(part),
                    _ => {
                        add(&mut stats.fragments_duplicate, 1);
                        return Err(Skip::FragmentHeld);
                    }
                }
            }
            self.forget_closed(key);
        }
        if !self.entries.contains_key(&key) {
            self.serial = self.serial.wrapping_add(1);
            let ticket = Ticket { key, serial: self.serial, since: now };
            enqueue(&mut self.waiting, ticket, &self.entries, self.waiting_count);
            self.held_bytes = self.held_bytes.saturating_add(begun.cost());
            let entry = Entry { serial: self.serial, held: 0, state: State::Waiting(begun) };
            self.entries.insert(key, entry);
            self.waiting_count = self.waiting_count.saturating_add(1);
        }
        Ok(match self.entries.get_mut(&key) {
            Some(Entry { state: State::Waiting(partial), .. }) => Some(partial),
            _ => None,
        })
    }

    /// Give up what has waited for too long.
    fn expire(&mut self, now: Timestamp, stats: &mut PacketStats) {
        while let Some(ticket) = self.waiting.front() {
            let stale = !is_current(&self.entries, ticket);
            if !stale && now.since(ticket.since) <= self.wait {
                break;
            }
            if stale {
                self.waiting.pop_front();
            } else if self.drop_oldest(stats) {
                add(&mut stats.fragments_expired, 1);
            }
        }
        while let Some(ticket) = self.closed.front() {
            let over = match self.entries.get(&ticket.key) {
                Some(Entry { serial, state: State::Closed { since, .. }, .. }) => {
                    *serial != ticket.serial || now.since(*since) > COPIES_TRAIL
                }
                _ => true,
            };
            if !over && self.closed.len() <= self.max_datagrams {
                break;
            }
            self.forget_oldest_closed();
        }
    }

    /// Give up the oldest until the bounds hold again.
    fn evict(&mut self, stats: &mut PacketStats) {
        while self.held_bytes > self.max_bytes && !self.closed.is_empty() {
            self.forget_oldest_closed();
        }
        while (self.held_bytes > self.max_bytes || self.waiting_count > self.max_datagrams)
            && self.drop_oldest(stats)
        {
            add(&mut stats.fragments_evicted, 1);
        }
    }

    /// Give up the oldest incomplete datagram, and what was held of it; `false` if there is none.
    fn drop_oldest(&mut self, stats: &mut PacketStats) -> bool {
        while let Some(ticket) = self.waiting.pop_front() {
            if !is_current(&self.entries, &ticket) {
                continue;
            }
            if let Some(Entry { held, state: State::Waiting(partial), .. }) =
                self.entries.remove(&ticket.key)
            {
                stats.lose_fragments(held);
                self.held_bytes = self.held_bytes.saturating_sub(partial.cost());
                self.waiting_count = self.waiting_count.saturating_sub(1);
                return true;
            }
        }
        false
    }

    fn forget_oldest_closed(&mut self) {
        if let Some(ticket) = self.closed.pop_front()
            && self.entries.get(&ticket.key).is_some_and(|entry| entry.serial == ticket.serial)
        {
            self.forget_closed(ticket.key);
        }
    }

    /// Forget a datagram that was complete.
    fn forget_closed(&mut self, key: Key) {
        if let Some(Entry { state: State::Closed { whole, .. }, .. }) = self.entries.get(&key) {
            let cost = whole.as_ref().map_or(0, Partial::cost);
            self.held_bytes = self.held_bytes.saturating_sub(cost);
            self.entries.remove(&key);
        }
    }

    /// The datagram of `key` is complete: what it is. It is kept to compare its copies with.
    fn close(&mut self, key: Key, now: Timestamp) -> Option<Whole> {
        let entry = self.entries.get_mut(&key)?;
        let closed = State::Closed { since: now, whole: None };
        let State::Waiting(partial) = std::mem::replace(&mut entry.state, closed) else {
            return None;
        };
        self.closed.push_back(Ticket { key, serial: entry.serial, since: now });
        self.waiting_count = self.waiting_count.saturating_sub(1);
        let whole = partial.whole();
        if partial.is_contradicted() {
            self.held_bytes = self.held_bytes.saturating_sub(partial.cost());
        } else {
            entry.state = State::Closed { since: now, whole: Some(partial) };
        }
        whole
    }
}

/// Whether a ticket of the waiting queue is for an entry that still waits.
fn is_current(entries: &HashMap<Key, Entry, RandomState>, ticket: &Ticket) -> bool {
    matches!(
        entries.get(&ticket.key),
        Some(Entry { serial, state: State::Waiting(_), .. }) if *serial == ticket.serial
    )
}

/// Put a ticket at the end; the stale ones go when they are more than the others, so that each
/// costs a constant time and the queue stays short.
fn enqueue(
    queue: &mut VecDeque<Ticket>,
    ticket: Ticket,
    entries: &HashMap<Key, Entry, RandomState>,
    live: usize,
) {
    if queue.len() > live.saturating_mul(2).saturating_add(64) {
        queue.retain(|ticket| is_current(entries, ticket));
    }
    queue.push_back(ticket);
}
