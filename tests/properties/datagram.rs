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
    Change {
        name: "one VLAN for each direction",
        apply: one_way_vlans,
        seeds: 1,
        may_differ: &["vlan"],
    },
    Change {
        name: "a VLAN tag in one direction only",
        apply: one_way_tag,
        seeds: 2,
        may_differ: &["vlan"],
    },
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

fn one_way_vlans(packets: &[Packet], _: &mut Dice) -> Vec<Packet> {
    let vlan = |packet: &Packet| if packet.from < packet.to { 10 } else { 20 };
    packets.iter().map(|packet| Packet { vlans: vec![vlan(packet)], ..packet.clone() }).collect()
}

fn one_way_tag(packets: &[Packet], dice: &mut Dice) -> Vec<Packet> {
    let low = dice.one_in(2);
    let tag = |packet: &Packet| if (packet.from < packet.to) == low { vec![10] } else { vec![] };
    packets.iter().map(|packet| Packet { vlans: tag(packet), ..packet.clone() }).collect()
}

/// The connections of two captures between the same two ports, their datagrams in turns.
#[test]
fn connections_of_quic_between_the_same_ports() {
    let bench = Bench::new();
    let cases: Vec<_> =
        bench.datagrams().into_iter().filter(|case| case.name.starts_with("quic-")).collect();
    let mut failures = Vec::new();
    let mut pairs = 0;
    for one in &cases {
        for other in cases.iter().filter(|other| other.name != one.name) {
            let (Some(ours), Some(theirs)) = (connection(&one.packets), connection(&other.packets))
            else {
                continue;
            };
            let start = ours[0].at;
            let moved: Vec<_> = theirs
                .iter()
                .enumerate()
                .map(|(n, packet)| {
                    let [from, to] = [packet.from, packet.to]
                        .map(|end| if end == theirs[0].from { ours[0].from } else { ours[0].to });
                    let at = start + (2 * n as u64 + 1) * 1_000_000;
                    Packet { at, from, to, macs: ours[0].macs, ..packet.clone() }
                })
                .collect();
            let ours: Vec<_> = ours
                .iter()
                .enumerate()
                .map(|(n, packet)| {
                    let macs = ours[0].macs;
                    Packet { at: start + 2 * n as u64 * 1_000_000, macs, ..packet.clone() }
                })
                .collect();
            let expected = bench.read(&plain(&ours)).and(bench.read(&plain(&moved)));
            let mut both = [ours, moved].concat();
            both.sort_by_key(|packet| packet.at);
            let found = bench.read(&plain(&both));
            let what = format!("{} and {}", one.name, other.name);
            failures.extend(assert_same(&what, &expected, &found, &["client.mac", "server.mac"]));
            pairs += 1;
        }
    }
    assert!(pairs >= 6, "only {pairs} pairs");
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures.join("\n"));
}

/// The datagrams of the first connection, if its client has an id: without one there can be no other
/// connection beside it.
fn connection(packets: &[Packet]) -> Option<Vec<Packet>> {
    let first = packets.first()?;
    let ids = &first.payload[5..];
    let own = ids.get(1 + usize::from(ids[0])).copied()?;
    let same = |packet: &&Packet| {
        [(first.from, first.to), (first.to, first.from)].contains(&(packet.from, packet.to))
    };
    (own > 0).then(|| packets.iter().filter(same).cloned().collect())
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

#[test]
fn datagrams_in_one_vlan_for_each_direction() {
    every_capture("one VLAN for each direction");
}

#[test]
fn datagrams_with_a_tag_in_one_direction_only() {
    every_capture("a VLAN tag in one direction only");
}
