//! EAP in RADIUS: which log-in a request or its answer belongs to.
//!
//! An answer has the identifier of its request; the next request echoes the State of the answer. A
//! mirror port may show either before the other, so a packet that follows nothing known waits a
//! little, as segments of a stream do.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use super::{FinishedLogin, Key, LoginTable, NOBODY};
use crate::clock::Timestamp;
use crate::packet::{Datagram, Domain, Endpoint, Layers, Tunnel};
use crate::tls::starttls::eap::{self, Party};
use crate::tls::starttls::radius::{self, Station};

/// A key within its VLAN, and in whichever: a mirror port may tag the directions differently.
type Names = [Key; 2];

/// A packet of RADIUS with EAP in it.
#[derive(Debug)]
pub(super) struct Round {
    party: Party,
    /// Client and server.
    ends: [Endpoint; 2],
    calling_station: Option<Station>,
    request: Names,
    state: Option<Names>,
    station: Option<Names>,
    eap: Vec<u8>,
    layers: Layers,
    pub(super) at: Timestamp,
}

impl Round {
    fn of(
        datagram: &Datagram<'_>,
        message: radius::Message<'_>,
        at: Timestamp,
        hash: &RandomState,
    ) -> Self {
        let (domain, source, target) = (datagram.domain, datagram.source, datagram.target);
        let (nas, server) = if message.request { (source, target) } else { (target, source) };
        let state = message.state.map(|state| hash.hash_one(state));
        let names = |key: &dyn Fn(Option<Domain>) -> Key| [key(Some(domain)), key(None)];
        let mut layers = datagram.layers;
        layers.push_tunnel(Tunnel::Radius);
        Self {
            party: if message.request { Party::Peer } else { Party::Server },
            ends: [nas, server],
            calling_station: message.calling_station,
            request: names(&|domain| Key::Request(domain, nas, server, message.identifier)),
            state: state.map(|state| names(&|domain| Key::State(domain, nas.address, state))),
            station: message
                .calling_station
                .map(|id| names(&|domain| Key::Station(domain, nas.address, id))),
            eap: message.eap,
            layers,
            at,
        }
    }
}

impl LoginTable {
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
        // RFC 2865 §3: each request has another authenticator, and each answer one that is made of it.
        if self.copies.is_copy(&(datagram.source, datagram.target, datagram.payload)) {
            self.stats.copies = self.stats.copies.saturating_add(1);
            return true;
        }
        let round = Round::of(datagram, message, at, &self.hash);
        if self.follow(&round, finish) {
            self.follow_early(finish);
            return true;
        }
        if self.early.len() >= self.limits.start_segments {
            self.begin_early(finish);
        }
        self.early.push_back(round);
        true
    }

    /// Give a packet of RADIUS to its log-in, or see that it has none. `false`: it may have one of
    /// which a packet is captured later.
    fn follow(&mut self, round: &Round, finish: &mut impl FnMut(FinishedLogin)) -> bool {
        let known = self.locate(round, finish);
        if known.is_none() && eap::continues(&round.eap) {
            return false;
        }
        self.enter(known, round, finish);
        true
    }

    /// Packets that were captured before those that they follow, and may follow them now.
    fn follow_early(&mut self, finish: &mut impl FnMut(FinishedLogin)) {
        for _ in 0..self.early.len() {
            let Some(round) = self.early.pop_front() else { return };
            if !self.follow(&round, finish) {
                self.early.push_back(round);
            }
        }
    }

    /// The earliest packet that waits is the first that was captured of its log-in.
    pub(super) fn begin_early(&mut self, finish: &mut impl FnMut(FinishedLogin)) {
        let Some(round) = self.early.pop_front() else { return };
        let known = self.locate(&round, finish);
        self.enter(known, &round, finish);
        self.follow_early(finish);
    }

    /// The log-in that a packet of RADIUS belongs to.
    fn locate(&mut self, round: &Round, finish: &mut impl FnMut(FinishedLogin)) -> Option<u32> {
        let asked = self.find_named(&round.request, round.at, finish);
        // RFC 2865 §5.24: State is sent back as it was received. The next request may go out from
        // another port, or to another server.
        let state = round.state.and_then(|state| self.find_named(&state, round.at, finish));
        if round.party == Party::Server {
            // Its request was not captured, but one that sends its State back.
            return asked.or(state);
        }
        let is_same = |slot: &u32| self.slot(*slot).is_some_and(|found| !found.answered);
        let asked = asked.filter(|slot| round.state.is_none() && is_same(slot));
        // The answer with that State, or the attribute itself, was not captured.
        let station = round.station.and_then(|station| self.find_named(&station, round.at, finish));
        let is_open = |slot: &u32| self.slot(*slot).is_some_and(|found| !found.over);
        state.or(asked).or_else(|| station.filter(is_open))
    }

    fn enter(&mut self, known: Option<u32>, round: &Round, finish: &mut impl FnMut(FinishedLogin)) {
        let taken = self.take(known, round.party, &round.eap, round.at, round.layers, finish);
        let is_request = round.party == Party::Peer;
        let Some(slot) = taken else {
            // Another log-in: of the same identifier, as they come round, and of the same station.
            if is_request {
                for key in round.request.into_iter().chain(round.station.into_iter().flatten()) {
                    self.index.remove(&key);
                }
            }
            return;
        };
        let Some(found) = self.slot_mut(slot) else { return };
        found.supplicant = found.supplicant.or(round.calling_station);
        found.datagrams.get_or_insert(round.ends);
        found.answered |= !is_request;
        if let Some(station) = round.station {
            let places = found.stations.iter_mut().zip(station);
            places.for_each(|(place, key)| *place = (*place).or(Some(key)));
        }
        for key in round.request.into_iter().chain(round.state.into_iter().flatten()) {
            self.bind(slot, key);
        }
        for key in round.station.into_iter().flatten() {
            self.index.insert(key, slot);
        }
    }

    /// The log-in that a key leads to within its VLAN, else in another one.
    fn find_named(
        &mut self,
        names: &Names,
        at: Timestamp,
        finish: &mut impl FnMut(FinishedLogin),
    ) -> Option<u32> {
        names.iter().find_map(|key| self.find(key, at, finish).filter(|slot| *slot != NOBODY))
    }
}
