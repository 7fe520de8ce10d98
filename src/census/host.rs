//! [`Host`]: what was seen of one client address, down to what each edge proves.
//!
//! ```text
//! Host 10.0.0.5 ─┬─ Stack tcp, offer 5a… ─┬─ Edge 203.0.113.7:443, crm.example ─┬─ Evidence × Tally
//!                │                        └─ Edge …                             └─ Evidence × Tally
//!                └─ Stack quic, offer 91… ─── Edge …
//! ```

use std::sync::Arc;

use smallvec::SmallVec;

use crate::clock::Timestamp;
use crate::limits::Limits;
use crate::packet::Mac;
use crate::record::{Evidence, FlowRecord, Outcome, Sides, Tally};
use crate::tls::Transport;
use crate::tls::hello::OfferId;

use super::bins::Bins;
use super::growing::{Mark, Room};
use super::server::ServerKey;
use super::sorted::{Sorted, bytes};

/// MAC addresses, in order; most hosts and servers have one.
pub type Macs = SmallVec<[Mac; 2]>;
/// Moments, in order; most edges have few.
pub type Moments = SmallVec<[Timestamp; 2]>;

/// A client address and what was seen of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// The MAC addresses that its packets came from.
    pub macs: Macs,
    /// Its connections.
    pub tally: Tally,
    /// The stacks that run on it.
    pub stacks: Sorted<StackKey, Stack>,
    /// Something of it had to give way since it was last saved.
    pub(super) gave_way: Mark,
}

/// Which stack of a host it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StackKey {
    /// What its TLS runs over.
    pub transport: Transport,
    /// What it offers; `None` stands for all connections without a ClientHello.
    pub offer: Option<OfferId>,
}

/// One way in which a host speaks TLS: one transport, one offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stack {
    /// Its connections.
    pub tally: Tally,
    /// When it was seen.
    pub bins: Bins,
    /// Whom it talked to.
    pub edges: Sorted<EdgeKey, Edge>,
}

/// Whom a stack talks to, and by which name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EdgeKey {
    /// The server.
    pub server: Arc<ServerKey>,
    /// The host name that was asked for, in lower case.
    pub sni: Option<Arc<str>>,
}

/// What came of one stack's talking to one server by one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The connections.
    pub tally: Tally,
    /// What they prove, and how often.
    pub evidence: Sorted<Arc<Evidence>, Tally, 1>,
    /// When the first connections began.
    pub starts: Moments,
    /// How many were refused, reset or not answered: a lower offer shortly after is a retry.
    pub failed: u64,
    /// When the first of those began.
    pub failures: Moments,
    /// It has changed since it was last saved.
    pub(super) unsaved: Mark,
}

/// One connection, its parts looked up in the tables of the census.
#[derive(Debug)]
pub(super) struct Sighting<'a> {
    pub(super) record: &'a FlowRecord,
    /// Whether the census has the offer, if there was one.
    pub(super) offered: bool,
    /// `None`: the census has no room for this server, or for the name that it was asked for by.
    pub(super) edge: Option<EdgeKey>,
    /// `None`: the census has no room for what it proves, or for the certificates in it.
    pub(super) evidence: Option<Arc<Evidence>>,
}

impl Host {
    /// A host of which nothing was seen yet.
    pub(super) fn new(at: Timestamp) -> Self {
        Self {
            macs: Macs::new(),
            tally: unseen(at),
            stacks: Sorted::new(),
            gave_way: Mark::default(),
        }
    }

    /// Add a connection, within what there is room for.
    pub(super) fn add(&mut self, seen: Sighting<'_>, limits: &Limits, room: &mut Room) {
        let at = seen.record.ts;
        self.tally.add(Tally::once(at));
        if let Some(mac) = seen.record.client.mac {
            room.keep(&mut self.macs, mac, limits.host_macs);
        }
        if !seen.offered {
            return;
        }
        let offer = seen.record.client_hello.as_ref().map(|hello| hello.offer.id);
        let key = StackKey { transport: seen.record.transport, offer };
        let before = self.stacks.bytes();
        let (mut edges, mut freed, mut gave_way) = (0, 0, false);
        let stack = self.stacks.admit(
            key,
            room.of(limits.host_stacks, self.stacks.capacity()),
            || Stack { tally: unseen(at), bins: Bins::default(), edges: Sorted::new() },
            |lost| {
                (edges, freed, gave_way) = (lost.edges.len(), lost.bytes(), true);
            },
        );
        if let Some(stack) = stack {
            stack.add(seen, limits, room, &mut gave_way);
        }
        room.lose_edges(edges);
        room.give(freed.saturating_add(before));
        room.take(self.stacks.bytes());
        if gave_way {
            self.gave_way.set();
        }
    }

    /// What has changed since this was last asked: the host with its stacks, and of their edges
    /// those that have changed; all of them where [something gave way](Self::gave_way).
    pub(super) fn take_changes(&mut self) -> Self {
        let gave_way = self.gave_way.take();
        let stacks = self.stacks.filter_map(|_, stack| {
            let edges = stack.edges.filter_map(|_, edge| {
                let unsaved = edge.unsaved.take().is_set() || gave_way.is_set();
                unsaved.then(|| edge.clone())
            });
            Some(Stack { tally: stack.tally, bins: stack.bins.clone(), edges })
        });
        Self { macs: self.macs.clone(), tally: self.tally, stacks, gave_way }
    }

    /// What was taken could not be saved: it is to be taken again.
    pub(super) fn put_back(&mut self, changes: &Self) {
        if changes.gave_way.is_set() {
            self.gave_way.set();
        }
        for (key, changed) in changes.stacks.iter() {
            let Some(stack) = self.stacks.get_mut(key) else { continue };
            for (key, _) in changed.edges.iter() {
                if let Some(edge) = stack.edges.get_mut(key) {
                    edge.unsaved.set();
                }
            }
        }
    }
}

impl Stack {
    fn add(&mut self, seen: Sighting<'_>, limits: &Limits, room: &mut Room, gave_way: &mut bool) {
        let at = seen.record.ts;
        self.tally.add(Tally::once(at));
        self.bins.note(at, limits.stack_bins, room);
        let Some(key) = seen.edge else { return };
        let (before, edges) = (self.edges.bytes(), self.edges.len());
        let mut freed = 0;
        let edge = self.edges.admit(
            key,
            room.of_edges(limits.stack_edges, edges),
            || Edge {
                tally: unseen(at),
                evidence: Sorted::new(),
                starts: Moments::new(),
                failed: 0,
                failures: Moments::new(),
                unsaved: Mark::default(),
            },
            |lost| {
                *gave_way = true;
                freed = lost.bytes();
            },
        );
        if let Some(edge) = edge {
            edge.add(seen.record, seen.evidence, limits, room);
        }
        room.give(before.saturating_add(freed));
        room.take(self.edges.bytes());
        room.gain_edges(self.edges.len());
        room.lose_edges(edges);
    }

    /// Bytes that it takes besides itself.
    fn bytes(&self) -> usize {
        let edges = self.edges.values().map(Edge::bytes).sum::<usize>();
        edges.saturating_add(self.edges.bytes()).saturating_add(bytes(self.bins.list()))
    }
}

impl Edge {
    fn add(
        &mut self,
        record: &FlowRecord,
        evidence: Option<Arc<Evidence>>,
        limits: &Limits,
        room: &mut Room,
    ) {
        let once = Tally::once(record.ts);
        self.unsaved.set();
        self.tally.add(once);
        room.keep(&mut self.starts, record.ts, limits.edge_attempts);
        if failed(record) {
            self.failed = self.failed.saturating_add(1);
            room.keep(&mut self.failures, record.ts, limits.edge_attempts);
        }
        let Some(evidence) = evidence else { return };
        room.give(self.evidence.bytes());
        let limit = room.of(limits.edge_evidence, self.evidence.capacity());
        let tally = self.evidence.admit(evidence, limit, || unseen(record.ts), drop);
        if let Some(tally) = tally {
            tally.add(once);
        }
        room.take(self.evidence.bytes());
    }

    /// Bytes that it takes besides itself.
    fn bytes(&self) -> usize {
        [self.evidence.bytes(), bytes(&self.starts), bytes(&self.failures)].iter().sum()
    }
}

/// The tally of nothing, to be added to at this time.
const fn unseen(at: Timestamp) -> Tally {
    Tally { connections: 0, first: at, last: at }
}

/// Whether a client has reason to try again with less. Silence and an early end count only where all of
/// the server's side was captured: else it may have answered, and the handshake may have been done.
fn failed(record: &FlowRecord) -> bool {
    let is_whole = record.seen.sides == Sides::Both && record.seen.gaps == 0;
    match record.outcome {
        Outcome::Refused => true,
        Outcome::Reset => is_whole,
        Outcome::Incomplete => record.server_hello.is_none() && is_whole,
        Outcome::Established => false,
    }
}
