//! The changes that a capture may do to datagrams: DTLS and QUIC.
//!
//! Datagrams have no sequence numbers that a capture shows, so that fewer changes are to be seen
//! through than with TCP; those that SPAN ports make every day are.

use crate::Bench;
use crate::change::{Change, Dice, MACS, beyond_router, permuted, retimed, with_copies};
use crate::compare::assert_same;
use crate::traffic::{Packet, plain};

/// What is counted until the flow is no longer watched, and what another order moves.
const ORDER: &[&str] =
    &["seen.client_bytes", "seen.server_bytes", "ts", "handshake_ms", "history order"];

const CHANGES: &[Change] = &[
    Change { name: "doubled", apply: doubled, seeds: 2, may_differ: &[] },
    Change { name: "neighbours swapped", apply: swapped, seeds: 2, may_differ: ORDER },
    Change { name: "permuted", apply: permuted, seeds: 6, may_differ: ORDER },
    Change { name: "one direction late", apply: one_late, seeds: 8, may_differ: ORDER },
    Change { name: "doubled between VLANs", apply: routed_vlans, seeds: 2, may_differ: MACS },
];

fn doubled(packets: &[Packet], dice: &mut Dice) -> Vec<Packet> {
    with_copies(packets, dice, |packet, _| Some(packet.clone()))
}

/// Every datagram changes places with the next one, or the one after.
fn swapped(packets: &[Packet], dice: &mut Dice) -> Vec<Packet> {
    let mut out = packets.to_vec();
    let odd = dice.below(2);
    out.get_mut(odd..).unwrap_or_default().chunks_exact_mut(2).for_each(|pair| pair.swap(0, 1));
    retimed(out, packets)
}

/// All of one end up to four places later: a SPAN port with a queue for each direction.
fn one_late(packets: &[Packet], dice: &mut Dice) -> Vec<Packet> {
    let late = dice.one_in(2);
    let by = 1 + dice.below(4);
    let mut keyed: Vec<_> = packets.iter().enumerate().collect();
    keyed.sort_by_key(|(n, packet)| {
        let client = packet.to.port() < packet.from.port();
        n * 2 + if client == late { by * 2 + 1 } else { 0 }
    });
    retimed(keyed.into_iter().map(|(_, packet)| packet.clone()).collect(), packets)
}

fn routed_vlans(packets: &[Packet], dice: &mut Dice) -> Vec<Packet> {
    let tagged: Vec<_> =
        packets.iter().map(|packet| Packet { vlans: vec![10], ..packet.clone() }).collect();
    with_copies(&tagged, dice, |packet, _| {
        Some(Packet { vlans: vec![20], ..beyond_router(packet) })
    })
}

/// One change in every capture of datagrams.
fn every_capture(name: &str) {
    let change = CHANGES.iter().find(|change| change.name == name).unwrap();
    let bench = Bench::new();
    let mut failures = Vec::new();
    for case in bench.datagrams() {
        for seed in 0..change.seeds {
            let changed = (change.apply)(&case.packets, &mut Dice::new(seed));
            let found = bench.read(&plain(&changed));
            let what = format!("{} {name}, seed {seed}", case.name);
            failures.extend(assert_same(&what, &case.records, &found, change.may_differ));
        }
    }
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn datagrams_doubled() {
    every_capture("doubled");
}

#[test]
fn datagrams_with_neighbours_swapped() {
    every_capture("neighbours swapped");
}

#[test]
fn datagrams_permuted() {
    every_capture("permuted");
}

#[test]
fn datagrams_of_one_direction_late() {
    every_capture("one direction late");
}

#[test]
fn datagrams_doubled_between_vlans() {
    every_capture("doubled between VLANs");
}
