//! [`LoginTable`]: log-ins to networks as flows, in EAP over LAN and in RADIUS.
//!
//! Such a log-in has no connection of its own. On a cable or in the air there are only the MAC
//! addresses of two stations; in RADIUS there are an access point and a server, and the one who logs
//! in stands in an attribute. Either way the client of the record is who logs in (the supplicant):
//!
//! | | client | server |
//! | --- | --- | --- |
//! | EAP over LAN | its MAC address, as [link-local address](Address::of_mac) | the authenticator's, likewise |
//! | RADIUS | Calling-Station-Id: a MAC address likewise, or an IP address; else the access point | the RADIUS server |
//!
//! So one host is the same client in both, and not its access point. TLS is read by the
//! [`Conversation`] that reads it over TCP; expiry runs on capture time.

mod lan;
mod recent;
mod rounds;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use recent::Recent;
use rounds::Round;

use super::eap::{Login, Method, Party, Pushed};
use super::radius::Station;
use crate::clock::Timestamp;
use crate::counters::counters;
use crate::flow::{Chunk, Control, FlowMeta, Side, Spares, StreamConsumer};
use crate::limits::Limits;
use crate::packet::{Address, Domain, Endpoint, Layers, Mac};
use crate::tls::conversation::Conversation;
use crate::tls::transcript::Transcript;

/// The log-ins that one capture thread has under way.
#[derive(Debug)]
pub struct LoginTable {
    limits: Arc<Limits>,
    index: HashMap<Key, u32, RandomState>,
    slots: Vec<Option<Box<Slot>>>,
    free: Vec<u32>,
    /// Packets of RADIUS that were captured before what they follow, or without it.
    early: VecDeque<Round>,
    /// Packets of RADIUS that were seen.
    copies: Recent,
    held_bytes: usize,
    hand: usize,
    hash: RandomState,
    stats: LoginStats,
}

counters! {
    /// Counters of a login table.
    pub struct LoginStats {
        /// EAP packets that belong to a log-in with TLS.
        pub packets: u64,
        /// Copies of packets that were seen before.
        pub copies: u64,
        /// Log-ins with TLS that began.
        pub logins: u64,
        /// Log-ins given up because too many, or too large, were under way.
        pub evicted: u64,
    }
}

/// A log-in that is over, for the records.
#[derive(Debug)]
pub struct FinishedLogin {
    /// Its ends (the client is the low one), times and sizes.
    pub meta: FlowMeta,
    /// What is special about it.
    pub carried: Carried,
    /// What was seen of its handshake.
    pub transcript: Transcript,
}

/// How a log-in was carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Carried {
    /// The EAP method.
    pub method: Method,
    /// In RADIUS: the two ends of the datagrams.
    pub datagrams: Option<[Endpoint; 2]>,
}

/// What leads from a packet to its log-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Key {
    /// The station that logs in.
    Supplicant(Domain, Mac),
    /// The station that asks it to.
    Authenticator(Domain, Mac),
    /// An EAP packet that was sent to all stations, by its identifier.
    Group(Domain, u8),
    /// A RADIUS request, in a VLAN or in whichever: client, server, identifier.
    Request(Option<Domain>, Endpoint, Endpoint, u8),
    /// The State attribute that a server gave to a client, hashed.
    State(Option<Domain>, Address, u64),
    /// A station behind a RADIUS client.
    Station(Option<Domain>, Address, Station),
}

/// One log-in.
#[derive(Debug)]
struct Slot {
    /// Who takes part; these keys stay.
    stations: [Option<Key>; 2],
    /// Keys of the last packets, oldest first.
    rounds: VecDeque<Key>,
    /// Frames of this log-in, hashed, and when they were seen.
    frames: VecDeque<(u64, Timestamp)>,
    login: Login,
    /// `None` when nothing more is wanted of it.
    watched: Option<Conversation>,
    meta: FlowMeta,
    supplicant: Option<Station>,
    authenticator: Option<Mac>,
    datagrams: Option<[Endpoint; 2]>,
    /// The server has answered.
    answered: bool,
    /// The server has let the peer in, or refused it.
    over: bool,
}

/// Keys of packets that one log-in keeps, four of each round: what one direction sends may be
/// captured some rounds late.
const ROUNDS: usize = 64;

/// Where a key leads that could lead to several log-ins.
const NOBODY: u32 = u32::MAX;

/// Slots that the hand moves over with each packet.
const HAND_STEPS: usize = 2;

/// The client's side of a log-in.
const CLIENT: Side = Side::Low;

const fn side(party: Party) -> Side {
    match party {
        Party::Peer => CLIENT,
        Party::Server => CLIENT.other(),
    }
}

impl LoginTable {
    /// None under way.
    pub fn new(limits: &Limits) -> Self {
        Self {
            limits: Arc::new(limits.clone()),
            index: HashMap::with_hasher(RandomState::default()),
            slots: Vec::new(),
            free: Vec::new(),
            early: VecDeque::new(),
            copies: Recent::default(),
            held_bytes: 0,
            hand: 0,
            hash: RandomState::default(),
            stats: LoginStats::default(),
        }
    }

    /// What the table has done so far.
    pub const fn stats(&self) -> &LoginStats {
        &self.stats
    }

    /// What it has counted, which it counts anew from now on.
    pub fn take_stats(&mut self) -> LoginStats {
        std::mem::take(&mut self.stats)
    }

    /// Whether a log-in has begun and is not over.
    pub fn is_under_way(&self) -> bool {
        let mut slots = self.slots.iter().flatten();
        !self.early.is_empty() || slots.any(|found| found.watched.is_some() && !found.over)
    }

    /// Log-ins that are remembered now.
    pub fn len(&self) -> usize {
        self.slots.len().saturating_sub(self.free.len())
    }

    /// Whether none is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Heap bytes that all of them together hold.
    pub const fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// Time has passed: what has been silent for too long is over.
    pub fn tick(&mut self, at: Timestamp, finish: &mut impl FnMut(FinishedLogin)) {
        self.hand = 0;
        for _ in 0..self.slots.len().div_ceil(HAND_STEPS) {
            self.advance(at, finish);
        }
    }

    /// The capture is over: so is everything.
    pub fn finish_all(&mut self, finish: &mut impl FnMut(FinishedLogin)) {
        for _ in 0..self.early.len() {
            self.begin_early(finish);
        }
        for slot in (0_u32..).take(self.slots.len()) {
            self.forget(slot, finish);
        }
    }

    fn slot(&self, slot: u32) -> Option<&Slot> {
        self.slots.get(slot as usize)?.as_deref()
    }

    fn slot_mut(&mut self, slot: u32) -> Option<&mut Slot> {
        self.slots.get_mut(slot as usize)?.as_deref_mut()
    }

    /// The log-in that a key leads to, if it is not long over.
    fn find(
        &mut self,
        key: &Key,
        at: Timestamp,
        finish: &mut impl FnMut(FinishedLogin),
    ) -> Option<u32> {
        let slot = *self.index.get(key)?;
        if self.is_stale(slot, at) {
            self.forget(slot, finish);
            return None;
        }
        Some(slot)
    }

    fn is_stale(&self, slot: u32, at: Timestamp) -> bool {
        self.slot(slot).is_some_and(|found| {
            let limit = if found.over { self.limits.linger } else { self.limits.watched_idle };
            at.since(found.meta.last) > limit
        })
    }

    /// Give an EAP packet to the log-in that was found, or to a new one if it begins one.
    fn take(
        &mut self,
        known: Option<u32>,
        party: Party,
        eap: &[u8],
        at: Timestamp,
        layers: Layers,
        finish: &mut impl FnMut(FinishedLogin),
    ) -> Option<u32> {
        let slot = match known {
            Some(slot) => {
                if self.slot(slot)?.login.begins(eap) {
                    self.end(slot, finish);
                    self.restart(slot, at);
                }
                slot
            }
            None if Login::default().begins(eap) => self.insert(at, finish)?,
            None => return None,
        };
        let limits = Arc::clone(&self.limits);
        let found = self.slot_mut(slot)?;
        let Slot { login, watched, meta, over, .. } = found;
        let before = watched.as_ref().map_or(0, StreamConsumer::held_bytes);
        let mut control = Control::Continue;
        // Log-ins are too rare for one to wait for what another leaves.
        let mut spares = Spares::default();
        let pushed = login.push(eap, &limits, &mut |party, chunk| {
            let side = side(party);
            match chunk {
                Chunk::Data(bytes) => {
                    let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                    let sum = side.of_mut(&mut meta.bytes);
                    *sum = sum.saturating_add(size);
                }
                Chunk::Gap(_) => {
                    let gaps = side.of_mut(&mut meta.gaps);
                    *gaps = gaps.saturating_add(1);
                }
            }
            if let Some(conversation) = watched {
                control = conversation.feed(side, at, chunk, &limits, &mut spares);
            }
        });
        let after = watched.as_ref().map_or(0, StreamConsumer::held_bytes);
        meta.last = at;
        side(party).of_mut(&mut meta.layers).get_or_insert(layers);
        if let Pushed::Over { .. } = pushed {
            meta.fin = [true; 2];
            *over = true;
        }
        self.held_bytes = self.held_bytes.saturating_sub(before).saturating_add(after);
        self.stats.packets = self.stats.packets.saturating_add(1);
        if control == Control::Shunt {
            self.end(slot, finish);
        }
        if self.held_bytes > self.limits.login_bytes {
            self.evict(finish);
        }
        Some(slot)
    }

    /// A place for a log-in that begins now.
    fn insert(&mut self, at: Timestamp, finish: &mut impl FnMut(FinishedLogin)) -> Option<u32> {
        if self.slots.len().saturating_sub(self.free.len()) >= self.limits.logins {
            self.evict(finish);
        }
        let new = Box::new(Slot {
            stations: [None; 2],
            rounds: VecDeque::new(),
            frames: VecDeque::new(),
            login: Login::default(),
            watched: None,
            meta: meta(at),
            supplicant: None,
            authenticator: None,
            datagrams: None,
            answered: false,
            over: false,
        });
        let slot = if let Some(slot) = self.free.pop() {
            *self.slots.get_mut(slot as usize)? = Some(new);
            slot
        } else {
            let slot = u32::try_from(self.slots.len()).ok()?;
            self.slots.push(Some(new));
            slot
        };
        self.restart(slot, at);
        Some(slot)
    }

    /// Another log-in of the same stations, or the first one.
    fn restart(&mut self, slot: u32, at: Timestamp) {
        let watched = Conversation::default();
        self.held_bytes = self.held_bytes.saturating_add(watched.held_bytes());
        self.stats.logins = self.stats.logins.saturating_add(1);
        let Some(found) = self.slot_mut(slot) else { return };
        found.watched = Some(watched);
        found.meta = meta(at);
        if found.over {
            found.frames.clear();
        }
        found.answered = false;
        found.over = false;
        // On the same wires there are the same stations; in RADIUS there may be others.
        if found.datagrams.take().is_some() {
            found.supplicant = None;
        }
    }

    /// Nothing more is wanted of a log-in; it stays known.
    fn end(&mut self, slot: u32, finish: &mut impl FnMut(FinishedLogin)) {
        let Some(found) = self.slot_mut(slot) else { return };
        let (Some(conversation), Some(method)) = (found.watched.take(), found.login.method())
        else {
            return;
        };
        let carried = Carried { method, datagrams: found.datagrams };
        let meta = found.ends();
        self.held_bytes = self.held_bytes.saturating_sub(conversation.held_bytes());
        finish(FinishedLogin { meta, carried, transcript: conversation.into_transcript() });
    }

    /// End a log-in and give its place away.
    fn forget(&mut self, slot: u32, finish: &mut impl FnMut(FinishedLogin)) {
        self.end(slot, finish);
        let Some(gone) = self.slots.get_mut(slot as usize).and_then(Option::take) else { return };
        for key in gone.stations.into_iter().flatten().chain(gone.rounds) {
            self.unbind(slot, &key);
        }
        self.free.push(slot);
    }

    /// Let a packet's key lead to a log-in, and the oldest such key no more.
    fn bind(&mut self, slot: u32, key: Key) {
        let Some(found) = self.slot_mut(slot) else { return };
        let mut oldest = None;
        if !found.rounds.contains(&key) {
            found.rounds.push_back(key);
            if found.rounds.len() > ROUNDS {
                oldest = found.rounds.pop_front();
            }
        }
        if let Some(oldest) = oldest {
            self.unbind(slot, &oldest);
        }
        // Two that wait for an answer with the same identifier: nobody can tell whose the next is.
        let other = self.index.get(&key).copied().filter(|other| *other != slot);
        let doubtful = match key {
            Key::Group(..) => other.is_some_and(|other| self.waits(other)),
            // The same addresses in two networks.
            Key::Request(None, ..) | Key::State(None, ..) => {
                other.is_some_and(|other| self.slot(other).is_none_or(|found| !found.over))
            }
            _ => false,
        };
        self.index.insert(key, if doubtful { NOBODY } else { slot });
    }

    fn unbind(&mut self, slot: u32, key: &Key) {
        if self.index.get(key).is_some_and(|found| [slot, NOBODY].contains(found)) {
            self.index.remove(key);
        }
    }

    /// Whether a log-in on a wire, one end of which is known, waits for the other one.
    fn waits(&self, slot: u32) -> bool {
        slot == NOBODY
            || self.slot(slot).is_some_and(|found| {
                !found.over && (found.supplicant.is_none() || found.authenticator.is_none())
            })
    }

    /// Move the hand on: what has been silent for too long goes.
    fn advance(&mut self, at: Timestamp, finish: &mut impl FnMut(FinishedLogin)) {
        let waited = |early: &Round| at.since(early.at) > self.limits.start_wait;
        if self.early.front().is_some_and(waited) {
            self.begin_early(finish);
        }
        for _ in 0..HAND_STEPS {
            if self.hand >= self.slots.len() {
                self.hand = 0;
                return;
            }
            let slot = u32::try_from(self.hand).unwrap_or(u32::MAX);
            self.hand = self.hand.saturating_add(1);
            if self.is_stale(slot, at) {
                self.forget(slot, finish);
            }
        }
    }

    /// Forget the log-in under the hand, to keep within the bounds.
    #[cold]
    fn evict(&mut self, finish: &mut impl FnMut(FinishedLogin)) {
        let (all, hand) = (self.slots.len(), self.hand);
        let mut around = (hand..all).chain(0..hand.min(all));
        let there = |slot: &usize| self.slots.get(*slot).is_some_and(Option::is_some);
        let Some(slot) = around.find(there).and_then(|slot| u32::try_from(slot).ok()) else {
            return;
        };
        self.hand = (slot as usize).saturating_add(1);
        self.stats.evicted = self.stats.evicted.saturating_add(1);
        self.forget(slot, finish);
    }
}

impl Slot {
    /// What is known of the log-in apart from its bytes, its ends named.
    fn ends(&self) -> FlowMeta {
        let mut meta = self.meta.clone();
        let station = |mac: Option<Mac>| Endpoint {
            address: mac.map_or_else(Address::default, Address::of_mac),
            port: 0,
        };
        let mac = match self.supplicant {
            Some(Station::Mac(mac)) => Some(mac),
            _ => None,
        };
        let Some([nas, server]) = self.datagrams else {
            meta.endpoints = [station(mac), station(self.authenticator)];
            return meta;
        };
        let client = match self.supplicant {
            Some(Station::Mac(mac)) => station(Some(mac)),
            Some(Station::Ip(address)) => Endpoint { address, port: 0 },
            None => nas,
        };
        meta.endpoints = [client, server];
        // The frames came from the access point, which is not the client.
        if self.supplicant.is_some() {
            let [of_client, of_server] = &mut meta.layers;
            if let Some(layers) = of_client {
                layers.source_mac = mac;
            }
            if let Some(layers) = of_server {
                layers.target_mac = mac;
            }
        }
        meta
    }
}

fn meta(at: Timestamp) -> FlowMeta {
    FlowMeta { initiator: Some(CLIENT), ..FlowMeta::new([Endpoint::default(); 2], at) }
}
