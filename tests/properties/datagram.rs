//! The changes that a capture may do to datagrams: DTLS and QUIC.
//!
//! Datagrams have no sequence numbers that a capture shows, so that fewer changes are to be seen
//! through than with TCP; those that SPAN ports make every day are.

use crate::Bench;
use crate::change::{
    Change, Dice, MACS, ORDER, doubled, one_way_tag, one_way_vlans, permuted, retimed, routed_vlans,
};
use crate::compare::assert_same;
use crate::traffic::{Packet, plain};

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

changes! {
    in Bench::datagrams, CHANGES;
    datagrams_doubled: "doubled";
    datagrams_with_neighbours_swapped: "neighbours swapped";
    datagrams_permuted: "permuted";
    datagrams_of_one_direction_late: "one direction late";
    datagrams_doubled_between_vlans: "doubled between VLANs";
    datagrams_in_one_vlan_for_each_direction: "one VLAN for each direction";
    datagrams_with_a_tag_in_one_direction_only: "a VLAN tag in one direction only";
}
