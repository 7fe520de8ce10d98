//! Log-ins to networks whatever a mirror port does to them: the real captures, copied, cut, torn and
//! moved to other ports, give the records that they should.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

mod common;

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

/// A packet of a classic capture: its header and its bytes.
type Packet = ([u8; 16], Vec<u8>);

/// The header of a capture, and its packets.
fn packets(name: &str) -> (Vec<u8>, Vec<Packet>) {
    let bytes = fs::read(common::project("captures").join(name)).unwrap();
    let (head, mut rest) = bytes.split_at(24);
    let mut packets = Vec::new();
    while let Some((header, behind)) = rest.split_first_chunk::<16>() {
        let size = u32::from_le_bytes(header[8..12].try_into().unwrap()) as usize;
        let (packet, next) = behind.split_at(size);
        packets.push((*header, packet.to_vec()));
        rest = next;
    }
    (head.to_vec(), packets)
}

/// The records of packets, without what says where and when they were captured.
fn records(case: &str, head: &[u8], packets: &[Packet]) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join(format!("{case}.pcap"));
    let mut bytes = head.to_vec();
    for (header, packet) in packets {
        let mut header = *header;
        header[8..12].copy_from_slice(&u32::try_from(packet.len()).unwrap().to_le_bytes());
        bytes.extend_from_slice(&header);
        bytes.extend_from_slice(packet);
    }
    fs::write(&path, bytes).unwrap();
    let mut records = common::records(&path, &common::settings(1, &["dataverse"]));
    for record in &mut records {
        record["source"] = Value::Null;
    }
    records
}

const CAPTURES: [&str; 5] = [
    "eap-wired.pcap",
    "eap-fast-wired.pcap",
    "eap-tls-radius.pcap",
    "eap-ttls-radius.pcap",
    "peap-radius.pcap",
];

#[test]
fn copies_of_every_packet_change_nothing() {
    for name in CAPTURES {
        let (head, once) = packets(name);
        let twice: Vec<_> =
            once.iter().flat_map(|packet| [packet.clone(), packet.clone()]).collect();
        assert_eq!(records("once", &head, &once), records("twice", &head, &twice), "{name}");
    }
}

/// The captures of RADIUS.
const RADIUS: [&str; 4] =
    ["eap-tls-radius.pcap", "eap-ttls-radius.pcap", "peap-radius.pcap", "eap-wired.pcap"];

/// Whether a packet is of RADIUS and goes to the server.
fn is_request((_, packet): &Packet) -> bool {
    packet[12..14] == [8, 0] && packet[36..38] == 1812_u16.to_be_bytes()
}

/// The same packets in an order of their own, at the times of the old one.
fn reordered(packets: &[Packet], place: impl Fn(usize, &Packet) -> usize) -> Vec<Packet> {
    let mut order: Vec<_> = packets.iter().enumerate().collect();
    order.sort_by_key(|(n, packet)| place(*n, packet));
    order.iter().zip(packets).map(|((_, packet), (head, _))| (*head, packet.1.clone())).collect()
}

/// A packet with a VLAN tag.
fn tagged((head, packet): &Packet, vlan: u8) -> Packet {
    let (macs, rest) = packet.split_at(12);
    (*head, [macs, &[0x81, 0, 0, vlan], rest].concat())
}

/// Says in which facts records differ, whatever their order.
fn same_facts(what: &str, wanted: &[Value], found: &[Value]) {
    let histories = |records: &[Value]| -> Vec<_> {
        records.iter().map(|record| record["history"].to_string()).collect()
    };
    assert_eq!(
        wanted.len(),
        found.len(),
        "{what}: {:?}, {:?}",
        histories(wanted),
        histories(found)
    );
    let mut left: Vec<_> = found.to_vec();
    for wanted in wanted {
        let same = |found: &Value| FACTS.iter().all(|fact| found[fact] == wanted[fact]);
        let Some(place) = left.iter().position(same) else {
            panic!("{what}: {} is not among {:?}", wanted["history"], histories(&left))
        };
        left.remove(place);
    }
}

#[test]
fn copies_that_come_late_change_nothing() {
    for name in CAPTURES {
        let (head, once) = packets(name);
        let wanted = records("in-time", &head, &once);
        for late in 1..12 {
            let mut twice: Vec<_> = once.iter().enumerate().map(|(n, p)| (2 * n, p)).collect();
            twice.extend(once.iter().enumerate().map(|(n, p)| (2 * (n + late) + 1, p)));
            twice.sort_by_key(|(place, _)| *place);
            let twice: Vec<_> = twice.into_iter().map(|(_, packet)| packet.clone()).collect();
            let found = records("late-copies", &head, &twice);
            assert_eq!(wanted, found, "{name}, {late} packets late");
        }
    }
}

#[test]
fn copies_of_another_vlan_change_nothing() {
    for name in RADIUS {
        let (head, once) = packets(name);
        let here: Vec<_> = once.iter().map(|packet| tagged(packet, 10)).collect();
        let twice: Vec<_> =
            once.iter().flat_map(|packet| [tagged(packet, 10), tagged(packet, 20)]).collect();
        let radius = |records: Vec<Value>| -> Vec<Value> {
            let is_radius = |record: &Value| record["tunnel"] == json!(["radius"]);
            records.into_iter().filter(is_radius).collect()
        };
        let wanted = radius(records("one-vlan", &head, &here));
        same_facts(name, &wanted, &radius(records("two-vlans", &head, &twice)));
    }
}

#[test]
fn one_direction_may_be_late_or_in_another_vlan() {
    for name in RADIUS {
        let (head, all) = packets(name);
        let only: Vec<_> = all.into_iter().filter(|packet| packet.1[12..14] == [8, 0]).collect();
        let wanted = records("straight", &head, &only);
        for requests in [false, true] {
            for by in 1..8 {
                let late = reordered(&only, |n, packet| {
                    2 * n + if is_request(packet) == requests { 2 * by + 1 } else { 0 }
                });
                let what = format!("{name}: requests {requests}, by {by}");
                same_facts(&what, &wanted, &records("late", &head, &late));
            }
            let apart: Vec<_> = only
                .iter()
                .map(|packet| tagged(packet, if is_request(packet) == requests { 10 } else { 20 }))
                .collect();
            same_facts(&format!("{name}: VLANs"), &wanted, &records("apart", &head, &apart));
        }
    }
}

#[test]
fn neighbours_that_changed_places_change_no_fact() {
    for name in CAPTURES {
        let (head, packets) = packets(name);
        let straight = records("straight", &head, &packets);
        for first in [0, 1] {
            // Times stay in order, as a mirror port would give them.
            let mut swapped = packets.clone();
            for pair in swapped[first..].chunks_exact_mut(2) {
                let [(_, one), (_, other)] = pair else { unreachable!() };
                std::mem::swap(one, other);
            }
            let torn = records("swapped", &head, &swapped);
            assert_eq!(straight.len(), torn.len(), "{name} {first}");
            for straight in &straight {
                let same = |torn: &&Value| {
                    ["client", "server", "tunnel"].iter().all(|key| torn[key] == straight[key])
                };
                let torn = torn.iter().find(same).unwrap();
                for fact in FACTS {
                    assert_eq!(straight[fact], torn[fact], "{name} {first}: {fact}");
                }
            }
        }
    }
}

/// What a record says that does not depend on the order of packets.
const FACTS: [&str; 8] = [
    "application",
    "client_hello",
    "server_hello",
    "certificates",
    "client_certificates",
    "alerts",
    "outcome",
    "community_id",
];

#[test]
fn one_direction_is_enough_for_what_was_said_in_it() {
    let (head, all) = packets("eap-wired.pcap");
    let whole = records("whole", &head, &all);
    let of = |carrier: &str| {
        whole.iter().find(|record| record["tunnel"] == json!([carrier])).unwrap().clone()
    };
    // In this capture the switch has the address that ends in 0c, the client 0b.
    let sent_by = |last: u8| -> Vec<_> {
        all.iter()
            .filter(|packet| packet.1[12..14] == [0x88, 0x8e] && packet.1[11] == last)
            .cloned()
            .collect()
    };
    let client = records("client", &head, &sent_by(0x0b));
    assert_eq!(client.len(), 1);
    assert_eq!(client[0]["client_hello"], of("eapol")["client_hello"]);
    assert_eq!(client[0]["client"], of("eapol")["client"]);
    assert_eq!(client[0]["server"]["ip"], json!("::"));
    assert_eq!(client[0]["seen"]["sides"], json!("client"));
    let server = records("server", &head, &sent_by(0x0c));
    assert_eq!(server.len(), 1);
    assert_eq!(server[0]["server_hello"], of("eapol")["server_hello"]);
    assert_eq!(server[0]["certificates"], of("eapol")["certificates"]);
    assert_eq!(server[0]["seen"]["sides"], json!("server"));
    assert_eq!(server[0]["client"]["mac"], Value::Null, "a group's address is nobody's");
}

/// A challenge whose request was lost has the State that the next request sends back.
#[test]
fn a_packet_of_radius_that_was_lost_makes_no_other_log_in() {
    for name in RADIUS {
        let (head, mut all) = packets(name);
        all.retain(|packet| packet.1[12..14] == [8, 0]);
        let whole = records("whole", &head, &all);
        for lost in 0..all.len() {
            let mut rest = all.clone();
            rest.remove(lost);
            let found = records("rest", &head, &rest);
            assert_eq!(found.len(), whole.len(), "{name} without {lost}");
            for (found, whole) in found.iter().zip(&whole) {
                assert_eq!(found["client"], whole["client"], "{name} without {lost}");
            }
        }
    }
}

#[test]
fn radius_is_recognised_on_any_port() {
    let (head, mut packets) = packets("peap-radius.pcap");
    let before = records("port", &head, &packets);
    for (_, packet) in &mut packets {
        for at in [34, 36] {
            if packet[at..at + 2] == 1812_u16.to_be_bytes() {
                packet[at..at + 2].copy_from_slice(&3999_u16.to_be_bytes());
            }
        }
    }
    let after = records("other-port", &head, &packets);
    assert_eq!(before.len(), after.len());
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(after["server"]["port"], json!(3999));
        for fact in ["client", "client_hello", "server_hello", "alerts", "outcome", "application"] {
            assert_eq!(before[fact], after[fact], "{fact}");
        }
    }
}

#[test]
fn packets_cut_short_give_what_they_hold_and_say_so() {
    for name in CAPTURES {
        let (head, whole) = packets(name);
        for snaplen in [200, 300, 500, 1000] {
            let mut cut = whole.clone();
            for (_, packet) in &mut cut {
                packet.truncate(snaplen);
            }
            let found = records("cut", &head, &cut);
            assert!(found.len() <= records("uncut", &head, &whole).len(), "{name} {snaplen}");
            for record in found {
                let seen = &record["seen"];
                let lost = seen["truncated"] == json!(true) || seen["gaps"] != json!(0);
                assert!(lost, "{name} {snaplen}: {record}");
            }
        }
    }
}

#[test]
fn damaged_packets_are_survived() {
    // A small generator of numbers that are the same in every run.
    let mut state = 1_u64;
    let mut next = |bound: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % bound
    };
    for name in ["eap-wired.pcap", "peap-radius.pcap"] {
        let (head, whole) = packets(name);
        for _ in 0..40 {
            let mut damaged = whole.clone();
            for (_, packet) in &mut damaged {
                let at = 14 + next(packet.len() - 14);
                packet[at] = u8::try_from(next(256)).unwrap();
            }
            // A fault of a worker fails `common::read`; one of the capture thread ends the run.
            let found = records("damaged", &head, &damaged);
            assert!(found.len() <= whole.len(), "{name}");
        }
    }
}
