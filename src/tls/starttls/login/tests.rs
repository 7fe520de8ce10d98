//! Log-ins from frames and datagrams: who took part, what was carried, what the bounds refuse.

#![allow(clippy::arithmetic_side_effects, reason = "a test may overflow: it fails then")]

use super::*;
use crate::packet::{Datagram, Eapol};
use crate::tls::starttls::radius::tests::packet as radius_packet;

const SUPPLICANT: Mac = Mac([2, 0x20, 0, 0, 0, 11]);
const OTHER: Mac = Mac([2, 0x20, 0, 0, 0, 12]);
const SWITCH: Mac = Mac([2, 0x20, 0, 0, 1, 1]);
const GROUP: Mac = Mac([1, 0x80, 0xc2, 0, 0, 3]);

const REQUEST: u8 = 1;
const RESPONSE: u8 = 2;
const SUCCESS: u8 = 3;
const FAILURE: u8 = 4;

/// A ClientHello that is as small as one can be.
fn hello() -> Vec<u8> {
    let body = [&[3, 3][..], &[7; 32], &[0, 0, 2, 0xc0, 0x2f, 1, 0]].concat();
    let size = |bytes: usize| u16::try_from(bytes).unwrap().to_be_bytes();
    let [high, low] = size(body.len());
    let [record_high, record_low] = size(body.len() + 4);
    [&[22, 3, 1, record_high, record_low, 1, 0, high, low], body.as_slice()].concat()
}

fn eap(code: u8, id: u8, flags: u8, data: &[u8]) -> Vec<u8> {
    let body = match code {
        SUCCESS | FAILURE => Vec::new(),
        _ => [&[13, flags], data].concat(),
    };
    let size = u16::try_from(body.len() + 4).unwrap().to_be_bytes();
    [[code, id].as_slice(), &size, &body].concat()
}

struct Wire {
    table: LoginTable,
    finished: Vec<FinishedLogin>,
    now: u64,
}

impl Wire {
    fn new(limits: &Limits) -> Self {
        Self { table: LoginTable::new(limits), finished: Vec::new(), now: 1000 }
    }

    fn eapol(&mut self, source: Mac, target: Mac, eap: &[u8]) {
        let size = u16::try_from(eap.len()).unwrap().to_be_bytes();
        let payload = [&[2, 0], size.as_slice(), eap, &[0; 9]].concat();
        let layers = between(Some(source), Some(target));
        let frame = Eapol { domain: Domain::default(), payload: &payload, layers };
        let at = Timestamp::new(self.now, 0);
        self.table.push_eapol(&frame, at, &mut |over| self.finished.push(over));
    }

    fn radius(&mut self, request: bool, payload: &[u8]) {
        let (nas, server) = radius_ends();
        let (source, target) = if request { (nas, server) } else { (server, nas) };
        let layers = between(Some(SWITCH), None);
        let datagram =
            Datagram { source, target, domain: Domain::default(), payload, cut: 0, layers };
        let at = Timestamp::new(self.now, 0);
        assert!(self.table.push_radius(&datagram, at, &mut |over| self.finished.push(over)));
    }

    /// What the records would say of the ends, and how much each sent.
    fn over(&mut self) -> Vec<String> {
        self.table.finish_all(&mut |over| self.finished.push(over));
        self.finished
            .iter()
            .filter(|over| over.transcript.has_messages())
            .map(|over| {
                let [client, server] = over.meta.endpoints;
                let [sent, answered] = over.meta.bytes;
                format!("{client} > {server} {} {sent}/{answered}", over.carried.method.name())
            })
            .collect()
    }
}

fn between(source: Option<Mac>, target: Option<Mac>) -> Layers {
    let mut layers = Layers::default();
    (layers.source_mac, layers.target_mac) = (source, target);
    layers
}

fn radius_ends() -> (Endpoint, Endpoint) {
    let end = |host, port| Endpoint { address: Address::v4([10, 20, 0, host]), port };
    (end(1, 50_000), end(2, 1812))
}

/// A log-in over a wire; the two address each other by `to`, or by the group's address.
fn log_in(wire: &mut Wire, supplicant: Mac, to: Option<(Mac, Mac)>, end: u8) {
    let (to_switch, to_supplicant) = to.unwrap_or((GROUP, GROUP));
    let identity = [RESPONSE, 1, 0, 8, 1, b'b', b'o', b'b'];
    wire.eapol(SWITCH, to_supplicant, &[REQUEST, 1, 0, 5, 1]);
    wire.eapol(supplicant, to_switch, &identity);
    wire.eapol(SWITCH, to_supplicant, &eap(REQUEST, 2, 0x20, b""));
    let hello = hello();
    let (first, second) = hello.split_at(20);
    wire.eapol(supplicant, to_switch, &eap(RESPONSE, 2, 0x40, first));
    wire.eapol(SWITCH, to_supplicant, &eap(REQUEST, 3, 0, b""));
    wire.eapol(supplicant, to_switch, &eap(RESPONSE, 3, 0, second));
    wire.eapol(SWITCH, to_supplicant, &eap(REQUEST, 4, 0, &[21, 3, 3, 0, 2, 2, 40]));
    wire.eapol(supplicant, to_switch, &eap(RESPONSE, 4, 0, b""));
    wire.eapol(SWITCH, to_supplicant, &eap(end, 5, 0, b""));
}

const ONE: &str = "[fe80::20:ff:fe00:b]:0 > [fe80::20:ff:fe00:101]:0 eap-tls 50/7";

#[test]
fn stations_are_the_ends_of_a_log_in_on_a_wire() {
    for to in [Some((SWITCH, SUPPLICANT)), None, Some((GROUP, SUPPLICANT))] {
        let mut wire = Wire::new(&Limits::default());
        log_in(&mut wire, SUPPLICANT, to, FAILURE);
        assert_eq!(wire.over(), [ONE], "{to:?}");
        assert_eq!(wire.finished[0].meta.fin, [true; 2]);
    }
}

#[test]
fn copies_change_nothing() {
    let mut wire = Wire::new(&Limits::default());
    let mut copied = Wire::new(&Limits::default());
    log_in(&mut wire, SUPPLICANT, None, FAILURE);
    // As a switch sees it that mirrors what comes in and what goes out.
    for _ in 0..2 {
        copied.eapol(SWITCH, GROUP, &eap(REQUEST, 2, 0x20, b""));
    }
    for _ in 0..2 {
        copied.eapol(SUPPLICANT, GROUP, &eap(RESPONSE, 2, 0, &hello()));
    }
    for _ in 0..2 {
        copied.eapol(SWITCH, GROUP, &eap(REQUEST, 4, 0, &[21, 3, 3, 0, 2, 2, 40]));
    }
    for _ in 0..2 {
        copied.eapol(SWITCH, GROUP, &eap(FAILURE, 5, 0, b""));
    }
    assert_eq!(wire.over(), copied.over());
}

#[test]
fn one_who_tries_again_is_recorded_again() {
    let mut wire = Wire::new(&Limits::default());
    log_in(&mut wire, SUPPLICANT, None, FAILURE);
    log_in(&mut wire, SUPPLICANT, None, SUCCESS);
    assert_eq!(wire.over(), [ONE, ONE]);
    assert_eq!(wire.table.stats().logins, 2);
}

#[test]
fn two_stations_behind_one_port_are_two_clients() {
    let mut wire = Wire::new(&Limits::default());
    for (flags, id, data) in [(0x40, 2, &hello()[..20]), (0, 3, &hello()[20..])] {
        for station in [SUPPLICANT, OTHER] {
            wire.eapol(SWITCH, station, &eap(REQUEST, id, if id == 2 { 0x20 } else { 0 }, b""));
            wire.eapol(station, GROUP, &eap(RESPONSE, id, flags, data));
        }
    }
    assert_eq!(
        wire.over(),
        [
            "[fe80::20:ff:fe00:b]:0 > [fe80::20:ff:fe00:101]:0 eap-tls 50/0",
            "[fe80::20:ff:fe00:c]:0 > [fe80::20:ff:fe00:101]:0 eap-tls 50/0"
        ]
    );
}

#[test]
fn ports_that_use_the_group_address_at_the_same_time_are_not_mixed_up() {
    let mut wire = Wire::new(&Limits::default());
    let other_port = Mac([2, 0x20, 0, 0, 1, 2]);
    for port in [SWITCH, other_port] {
        wire.eapol(port, GROUP, &eap(REQUEST, 2, 0x20, b""));
    }
    for station in [SUPPLICANT, OTHER] {
        wire.eapol(station, GROUP, &eap(RESPONSE, 2, 0, &hello()));
    }
    for port in [SWITCH, other_port] {
        wire.eapol(port, GROUP, &eap(REQUEST, 3, 0, &[21, 3, 3, 0, 2, 2, 40]));
    }
    let mut over = wire.over();
    over.sort();
    // Who spoke with whom cannot be known; what each said is known.
    assert_eq!(
        over,
        [
            "[::]:0 > [fe80::20:ff:fe00:101]:0 eap-tls 0/7",
            "[::]:0 > [fe80::20:ff:fe00:102]:0 eap-tls 0/7",
            "[fe80::20:ff:fe00:b]:0 > [::]:0 eap-tls 50/0",
            "[fe80::20:ff:fe00:c]:0 > [::]:0 eap-tls 50/0",
        ]
    );
}

#[test]
fn an_end_that_was_never_seen_has_no_address() {
    let mut wire = Wire::new(&Limits::default());
    wire.eapol(SUPPLICANT, GROUP, &eap(RESPONSE, 2, 0, &hello()));
    assert_eq!(wire.over(), ["[fe80::20:ff:fe00:b]:0 > [::]:0 eap-tls 50/0"]);
}

#[test]
fn what_has_been_silent_for_long_is_over() {
    let mut wire = Wire::new(&Limits::default());
    wire.eapol(SUPPLICANT, SWITCH, &eap(RESPONSE, 2, 0, &hello()));
    wire.now += 121;
    wire.eapol(OTHER, SWITCH, &eap(RESPONSE, 2, 0, &hello()));
    assert_eq!(wire.finished.len(), 1);
    wire.now += 121;
    let at = Timestamp::new(wire.now, 0);
    wire.table.tick(at, &mut |over| wire.finished.push(over));
    assert_eq!(wire.finished.len(), 2);
    assert!(wire.table.index.is_empty(), "no key outlives its log-in");
}

#[test]
fn the_bounds_hold_and_what_they_refuse_is_counted() {
    let limits = Limits { logins: 4, ..Limits::default() };
    let mut wire = Wire::new(&limits);
    for host in 0..100 {
        wire.eapol(Mac([2, 0, 0, 0, 0, host]), SWITCH, &eap(RESPONSE, 2, 0, &hello()));
    }
    assert_eq!((wire.table.slots.len(), wire.table.stats().evicted), (4, 96));
    assert!(wire.table.index.len() <= 4 * (2 + ROUNDS));
    assert_eq!(wire.over().len(), 100, "what was given up is recorded all the same");

    let mut wire = Wire::new(&Limits { login_bytes: 1000, ..Limits::default() });
    for host in 0..100 {
        wire.eapol(Mac([2, 0, 0, 0, 0, host]), SWITCH, &eap(RESPONSE, 2, 0, &hello()));
    }
    assert!(wire.table.held_bytes <= 1000, "{}", wire.table.held_bytes);
    assert!(wire.table.stats().evicted > 0);
    wire.table.finish_all(&mut |_| ());
    assert_eq!(wire.table.held_bytes, 0);
}

/// A round of RADIUS: identifier, State, EAP, and who asks.
fn round(wire: &mut Wire, code: u8, id: u8, state: &str, eap: &[u8], station: &str) {
    let mut attributes = vec![];
    if !station.is_empty() {
        attributes.push((31, station.as_bytes()));
    }
    if !state.is_empty() {
        attributes.push((24, state.as_bytes()));
    }
    attributes.extend(eap.chunks(40).map(|part| (79, part)));
    wire.radius(code == 1, &radius_packet(code, id, &attributes));
}

const BOB: &str = "02-20-00-00-00-0B";
const EVE: &str = "02-20-00-00-00-0C";
const IDENTITY: &[u8] = &[RESPONSE, 1, 0, 5, 1];

#[test]
fn log_ins_between_one_access_point_and_its_server_are_kept_apart() {
    let mut wire = Wire::new(&Limits::default());
    round(&mut wire, 1, 1, "", IDENTITY, BOB);
    round(&mut wire, 1, 2, "", IDENTITY, EVE);
    round(&mut wire, 11, 2, "e1", &eap(REQUEST, 2, 0x20, b""), "");
    round(&mut wire, 11, 1, "b1", &eap(REQUEST, 2, 0x20, b""), "");
    round(&mut wire, 1, 3, "b1", &eap(RESPONSE, 2, 0x40, &hello()[..9]), BOB);
    round(&mut wire, 1, 4, "e1", &eap(RESPONSE, 2, 0x40, &hello()[..20]), EVE);
    round(&mut wire, 11, 4, "e2", &eap(REQUEST, 3, 0, b""), "");
    round(&mut wire, 11, 3, "b2", &eap(REQUEST, 3, 0, b""), "");
    round(&mut wire, 1, 5, "e2", &eap(RESPONSE, 3, 0, &hello()[20..]), EVE);
    // A copy, and the same round once more because the answer was lost.
    round(&mut wire, 1, 5, "e2", &eap(RESPONSE, 3, 0, &hello()[20..]), EVE);
    round(&mut wire, 1, 6, "b2", &eap(RESPONSE, 3, 0, &hello()[9..]), BOB);
    round(&mut wire, 3, 6, "", &eap(FAILURE, 3, 0, b""), "");
    let mut over = wire.over();
    over.sort();
    assert_eq!(
        over,
        [
            "[fe80::20:ff:fe00:b]:0 > 10.20.0.2:1812 eap-tls 50/0",
            "[fe80::20:ff:fe00:c]:0 > 10.20.0.2:1812 eap-tls 50/0"
        ]
    );
    let (nas, server) = radius_ends();
    assert!(wire.finished.iter().all(|over| over.carried.datagrams == Some([nas, server])));
    // The frames were the access point's; the host that logs in is another.
    let macs: Vec<_> =
        wire.finished.iter().map(|over| over.meta.layers[0].unwrap().source_mac).collect();
    assert!(macs.contains(&Some(SUPPLICANT)) && macs.contains(&Some(OTHER)), "{macs:?}");
}

#[test]
fn an_identifier_that_comes_round_belongs_to_another() {
    let mut wire = Wire::new(&Limits::default());
    round(&mut wire, 1, 1, "", IDENTITY, BOB);
    round(&mut wire, 11, 1, "b1", &eap(REQUEST, 2, 0x20, b""), "");
    round(&mut wire, 1, 1, "", IDENTITY, EVE);
    round(&mut wire, 11, 1, "e1", &eap(REQUEST, 2, 0x20, b""), "");
    round(&mut wire, 1, 2, "b1", &eap(RESPONSE, 2, 0, &hello()), BOB);
    round(&mut wire, 1, 3, "e1", &eap(RESPONSE, 2, 0, &hello()), EVE);
    assert_eq!(
        wire.over(),
        [
            "[fe80::20:ff:fe00:b]:0 > 10.20.0.2:1812 eap-tls 50/0",
            "[fe80::20:ff:fe00:c]:0 > 10.20.0.2:1812 eap-tls 50/0"
        ]
    );
}

#[test]
fn without_a_station_the_access_point_is_the_client() {
    for (station, client) in [
        ("", "10.20.0.1:50000"),
        ("+49 30 1234567", "10.20.0.1:50000"),
        ("192.0.2.7", "192.0.2.7:0"),
    ] {
        let mut wire = Wire::new(&Limits::default());
        round(&mut wire, 1, 1, "s", &eap(RESPONSE, 2, 0, &hello()), station);
        assert_eq!(wire.over(), [format!("{client} > 10.20.0.2:1812 eap-tls 50/0")]);
    }
}
