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

use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use super::eap::{Login, Method, Party, Pushed, eapol};
use super::radius::{self, Station};
use crate::clock::Timestamp;
use crate::flow::{Chunk, Control, FlowMeta, Side, StreamConsumer};
use crate::limits::Limits;
use crate::packet::{Address, Datagram, Domain, Eapol, Endpoint, Layers, Mac, Tunnel};
use crate::tls::conversation::Conversation;
use crate::tls::transcript::Transcript;

/// The log-ins that one capture thread has under way.
#[derive(Debug)]
pub struct LoginTable {
    limits: Arc<Limits>,
    index: HashMap<Key, u32, RandomState>,
    slots: Vec<Option<Box<Slot>>>,
    free: Vec<u32>,
    held_bytes: usize,
    hand: usize,
    hash: RandomState,
    stats: LoginStats,
}

/// Counters of a login table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoginStats {
    /// EAP packets that belong to a log-in with TLS.
    pub packets: u64,
    /// Log-ins with TLS that began.
    pub logins: u64,
    /// Log-ins given up because too many, or too large, were under way.
    pub evicted: u64,
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
    /// A RADIUS request: client, server, identifier.
    Request(Domain, Endpoint, Endpoint, u8),
    /// The State attribute that a server gave to a client, hashed.
    State(Domain, Address, u64),
}

/// One log-in.
#[derive(Debug)]
struct Slot {
    /// Who takes part; these keys stay.
    stations: [Option<Key>; 2],
    /// Keys of the last packets, oldest first.
    rounds: VecDeque<Key>,
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

/// Keys of packets that one log-in keeps: the last two rounds, so that copies find it.
const ROUNDS: usize = 4;

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

    /// A frame of EAP over LAN. Log-ins that are over, this one or another, go to `finish`.
    pub fn push_eapol(
        &mut self,
        frame: &Eapol<'_>,
        at: Timestamp,
        finish: &mut impl FnMut(FinishedLogin),
    ) {
        self.advance(at, finish);
        let Some(eap) = eapol(frame.payload) else { return };
        let (Some(party), Some(&id)) = (Party::of(eap), eap.get(1)) else { return };
        let mut layers = frame.layers;
        // Frames on a cable go to a group address (802.1X §11.1.1): it is nobody's.
        layers.target_mac = layers.target_mac.filter(|mac| !mac.is_group());
        let (supplicant, authenticator) = match party {
            Party::Peer => (layers.source_mac, layers.target_mac),
            Party::Server => (layers.target_mac, layers.source_mac),
        };
        let domain = frame.domain;
        let supplicant_key = supplicant.map(|mac| Key::Supplicant(domain, mac));
        let authenticator_key = authenticator.map(|mac| Key::Authenticator(domain, mac));
        let known = match (party, supplicant_key) {
            (_, Some(key)) => self.find(&key, at, finish),
            (Party::Server, None) => authenticator_key.and_then(|key| self.find(&key, at, finish)),
            (Party::Peer, None) => None,
        };
        // A response has the identifier of its request, and the next request the one after it
        // (not by the letter of RFC 3748 §4.1, but in all that is built).
        let asked = match party {
            Party::Peer => Key::Group(domain, id),
            Party::Server => Key::Group(domain, id.wrapping_sub(1)),
        };
        let known = known.or_else(|| {
            let slot = self.find(&asked, at, finish)?;
            let found = self.slot(slot)?;
            let stranger = match party {
                Party::Peer => found.supplicant.is_none(),
                Party::Server => found.authenticator.is_none() && supplicant.is_none(),
            };
            stranger.then_some(slot)
        });
        let Some(slot) = self.take(known, party, eap, at, layers, finish) else { return };
        let Some(found) = self.slot_mut(slot) else { return };
        found.supplicant = found.supplicant.or_else(|| supplicant.map(Station::Mac));
        found.authenticator = found.authenticator.or(authenticator);
        let [first, second] = &mut found.stations;
        *first = first.or(supplicant_key);
        *second = second.or(authenticator_key);
        let lonely = match party {
            Party::Peer => found.authenticator.is_none(),
            Party::Server => found.supplicant.is_none(),
        };
        for key in [supplicant_key, authenticator_key].into_iter().flatten() {
            self.index.insert(key, slot);
        }
        if lonely {
            self.bind(slot, Key::Group(domain, id));
        }
    }

    /// A datagram that may be RADIUS. Returns whether it was, with EAP in it; then it is of no
    /// interest to anyone else.
    pub fn push_radius(
        &mut self,
        datagram: &Datagram<'_>,
        at: Timestamp,
        finish: &mut impl FnMut(FinishedLogin),
    ) -> bool {
        let Some(message) = radius::parse(datagram.payload, datagram.cut) else { return false };
        self.advance(at, finish);
        let (domain, source, target) = (datagram.domain, datagram.source, datagram.target);
        let party = if message.request { Party::Peer } else { Party::Server };
        let (nas, server) = if message.request { (source, target) } else { (target, source) };
        let request = Key::Request(domain, nas, server, message.identifier);
        let state =
            message.state.map(|state| Key::State(domain, nas.address, self.hash.hash_one(state)));
        let known = match (message.request, state) {
            // RFC 2865 §5.24: it is sent back as it was received. The next request may go out from
            // another port, or to another server.
            (true, Some(state)) => self.find(&state, at, finish),
            (true, None) => self
                .find(&request, at, finish)
                .filter(|slot| self.slot(*slot).is_some_and(|found| !found.answered)),
            (false, _) => self.find(&request, at, finish),
        };
        let mut layers = datagram.layers;
        layers.push_tunnel(Tunnel::Radius);
        let Some(slot) = self.take(known, party, &message.eap, at, layers, finish) else {
            // Identifiers come round: this one no longer belongs to whom it belonged to.
            if message.request {
                self.index.remove(&request);
            }
            return true;
        };
        if let Some(found) = self.slot_mut(slot) {
            found.supplicant = found.supplicant.or(message.calling_station);
            found.datagrams.get_or_insert([nas, server]);
            found.answered |= !message.request;
        }
        self.bind(slot, request);
        if let Some(state) = state {
            self.bind(slot, state);
        }
        true
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
                control = conversation.feed(side, at, chunk);
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
        let watched = Conversation::with(&self.limits, Transcript::default());
        self.held_bytes = self.held_bytes.saturating_add(watched.held_bytes());
        self.stats.logins = self.stats.logins.saturating_add(1);
        let Some(found) = self.slot_mut(slot) else { return };
        found.watched = Some(watched);
        found.meta = meta(at);
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
            if self.index.get(&key) == Some(&slot) {
                self.index.remove(&key);
            }
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
        if let Some(oldest) = oldest
            && self.index.get(&oldest) == Some(&slot)
        {
            self.index.remove(&oldest);
        }
        self.index.insert(key, slot);
    }

    /// Move the hand on: what has been silent for too long goes.
    fn advance(&mut self, at: Timestamp, finish: &mut impl FnMut(FinishedLogin)) {
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

const fn meta(at: Timestamp) -> FlowMeta {
    let nobody = Endpoint { address: Address::v6([0; 16]), port: 0 };
    FlowMeta {
        endpoints: [nobody; 2],
        layers: [None; 2],
        initiator: Some(CLIENT),
        bytes: [0; 2],
        gaps: [0; 2],
        fin: [false; 2],
        reset: false,
        opened: at,
        last: at,
    }
}

#[cfg(test)]
mod tests;
