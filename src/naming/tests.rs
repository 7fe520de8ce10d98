//! Messages as hosts send them, and as nobody should.

#![allow(clippy::arithmetic_side_effects, reason = "a test may fail")]

use proptest::prelude::*;

use super::*;
use crate::packet::{Domain, Endpoint, Layers};

/// A datagram between these ports of 10.0.0.9 and a broadcast address.
fn datagram(ports: (u16, u16), payload: &[u8]) -> Datagram<'_> {
    let end = |last, port| Endpoint { address: Address::v4([10, 0, 0, last]), port };
    Datagram {
        source: end(9, ports.0),
        target: end(255, ports.1),
        domain: Domain::default(),
        payload,
        cut: 0,
        layers: Layers::default(),
    }
}

/// What these datagrams say, in words.
fn said(datagrams: &[((u16, u16), &[u8])]) -> Vec<String> {
    let mut reader = NameReader::new(&Limits::default());
    let at = Timestamp::new(1_700_000_000, 0);
    datagrams.iter().flat_map(|(ports, payload)| heard(&mut reader, *ports, payload, at)).collect()
}

/// What one datagram says at this time.
fn heard(reader: &mut NameReader, ports: (u16, u16), payload: &[u8], at: Timestamp) -> Vec<String> {
    let mut all = Vec::new();
    reader.read(&datagram(ports, payload), at, &mut |heard| {
        all.push(match heard.said {
            Said::Name { address, name, source } => {
                format!("{address} {name} {}", source.name())
            }
            Said::Lease { address, mac } => format!("{address} {mac}"),
        });
    });
    all
}

#[test]
fn what_is_said_again_is_passed_on_once_an_hour() {
    let mut reader = NameReader::new(&Limits::default());
    let hour = Timestamp::new(1_700_000_000, 0).start_of_hour().as_secs();
    let mut at = |seconds: u64| {
        heard(&mut reader, (53, 4_000), &dns_answer(), Timestamp::new(hour + seconds, 0)).len()
    };
    assert_eq!([at(0), at(1), at(3_599), at(3_600), at(3_601), at(0)], [3, 0, 0, 3, 0, 0]);
}

/// A name on the wire.
fn name(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        bytes.push(u8::try_from(label.len()).unwrap());
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes
}

fn header(flags: u16, counts: [u16; 4]) -> Vec<u8> {
    let mut bytes = vec![0x12, 0x34];
    bytes.extend(flags.to_be_bytes());
    bytes.extend(counts.iter().flat_map(|count| count.to_be_bytes()));
    bytes
}

fn record(owner: &[u8], kind: u16, class: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = owner.to_vec();
    bytes.extend(kind.to_be_bytes());
    bytes.extend(class.to_be_bytes());
    bytes.extend(ttl.to_be_bytes());
    bytes.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
    bytes.extend(data);
    bytes
}

/// `www.example.com` asked; an alias, two addresses and one of IPv6 answered.
fn dns_answer() -> Vec<u8> {
    let mut bytes = header(0x8180, [1, 4, 0, 1]);
    bytes.extend(name("WWW.example.com"));
    bytes.extend([0, 1, 0, 1]);
    let asked = [0xc0, 12];
    let alias = name("edge.cdn.example.net");
    bytes.extend(record(&asked, 5, 1, 60, &alias));
    bytes.extend(record(&alias, 1, 1, 60, &[203, 0, 113, 7]));
    bytes.extend(record(&alias, 1, 1, 60, &[203, 0, 113, 8]));
    let mut v6 = [0; 16];
    (v6[0], v6[1], v6[15]) = (0x20, 0x01, 7);
    bytes.extend(record(&alias, 28, 1, 60, &v6));
    // What is added is not what was asked for.
    bytes.extend(record(&name("ns.example.net"), 1, 1, 60, &[203, 0, 113, 53]));
    bytes
}

/// A DHCP message of this type.
fn dhcp(kind: u8, own: [u8; 4], given: [u8; 4], options: &[(u8, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![1, 1, 6, 0, 0xaa, 0xbb, 0xcc, 0xdd, 0, 0, 0, 0];
    bytes.extend(own);
    bytes.extend(given);
    bytes.extend([0; 8]);
    bytes.extend([0x02, 0, 0, 0, 0, 5]);
    bytes.extend([0; 10 + 64 + 128]);
    bytes.extend([0x63, 0x82, 0x53, 0x63, 53, 1, kind]);
    for (code, data) in options {
        bytes.extend([*code, u8::try_from(data.len()).unwrap()]);
        bytes.extend(*data);
    }
    bytes.push(255);
    bytes
}

/// `ERP01` with this suffix, as NetBIOS writes names.
fn netbios(suffix: u8) -> Vec<u8> {
    let mut plain = b"ERP01          ".to_vec();
    plain.push(suffix);
    let letters = plain.iter().flat_map(|byte| [b'A' + (byte >> 4), b'A' + (byte & 0x0f)]);
    let mut bytes = vec![32];
    bytes.extend(letters);
    bytes.push(0);
    bytes
}

fn registration(suffix: u8, flags: u16) -> Vec<u8> {
    let mut bytes = header(0x2910, [1, 0, 0, 1]);
    bytes.extend(netbios(suffix));
    bytes.extend([0, 0x20, 0, 1]);
    let mut data = flags.to_be_bytes().to_vec();
    data.extend([10, 0, 0, 9]);
    bytes.extend(record(&[0xc0, 12], 0x20, 1, 300_000, &data));
    bytes
}

#[test]
fn dns_answers_name_servers_by_what_was_asked() {
    assert_eq!(
        said(&[((53, 40_000), &dns_answer())]),
        [
            "203.0.113.7 www.example.com dns",
            "203.0.113.8 www.example.com dns",
            "2001::7 www.example.com dns"
        ]
    );
    let mut reverse = header(0x8180, [1, 1, 0, 0]);
    let owner = name("5.0.0.10.in-addr.arpa");
    reverse.extend(&owner);
    reverse.extend([0, 12, 0, 1]);
    reverse.extend(record(&[0xc0, 12], 12, 1, 60, &name("ERP01.corp.example")));
    assert_eq!(said(&[((53, 40_000), &reverse)]), ["10.0.0.5 erp01.corp.example dns"]);
    // A question, an error and an answer that leads in a circle say nothing.
    let mut query = dns_answer();
    query[2] &= 0x7f;
    let mut missing = dns_answer();
    missing[3] |= 3;
    let mut circle = header(0x8180, [1, 1, 0, 0]);
    circle.extend([0xc0, 12, 0, 1, 0, 1]);
    for message in [query, missing, circle] {
        assert_eq!(said(&[((53, 40_000), &message)]), [""; 0]);
    }
}

#[test]
fn hosts_name_themselves_to_their_neighbours() {
    let mut mdns = header(0x8400, [0, 1, 0, 2]);
    mdns.extend(record(&name("_http._tcp.local"), 12, 1, 60, &name("x._http._tcp.local")));
    mdns.extend(record(&name("Printer-3.local"), 1, 0x8001, 120, &[10, 0, 0, 9]));
    // Goodbye (RFC 6762 §10.1).
    mdns.extend(record(&name("gone.local"), 1, 0x8001, 0, &[10, 0, 0, 9]));
    assert_eq!(said(&[((5353, 5353), &mdns)]), ["10.0.0.9 printer-3.local mdns"]);
    let mut llmnr = header(0x8000, [1, 1, 0, 0]);
    llmnr.extend(name("ERP01"));
    llmnr.extend([0, 1, 0, 1]);
    llmnr.extend(record(&[0xc0, 12], 1, 1, 30, &[10, 0, 0, 9]));
    assert_eq!(said(&[((5355, 50_000), &llmnr)]), ["10.0.0.9 erp01 llmnr"]);
}

#[test]
fn netbios_names_of_hosts_are_taken_and_those_of_groups_are_not() {
    let said_by = |message: &[u8]| said(&[((137, 137), message)]);
    assert_eq!(said_by(&registration(0x00, 0x6000)), ["10.0.0.9 erp01 netbios"]);
    assert_eq!(said_by(&registration(0x20, 0x0000)), ["10.0.0.9 erp01 netbios"]);
    assert_eq!(said_by(&registration(0x1c, 0x0000)), [""; 0], "a domain");
    assert_eq!(said_by(&registration(0x00, 0x8000)), [""; 0], "a group");
    // The list of its names, from the host itself.
    let mut status = header(0x8400, [0, 1, 0, 0]);
    let mut data = vec![2];
    data.extend(b"ERP01          \x00\x04\x00");
    data.extend(b"CORP           \x00\x84\x00");
    status.extend(record(&netbios(0x00), 0x21, 1, 0, &data));
    assert_eq!(said_by(&status), ["10.0.0.9 erp01 netbios"]);
}

/// Whoever likes can tell the neighbours what others are called.
#[test]
fn what_a_neighbour_says_of_another_host_is_not_taken() {
    let mut mdns = header(0x8400, [0, 2, 0, 0]);
    mdns.extend(record(&name("twin.local"), 1, 0x8001, 120, &[10, 0, 0, 7]));
    mdns.extend(record(&name("8.0.0.10.in-addr.arpa"), 12, 1, 120, &name("twin.local")));
    assert_eq!(said(&[((5353, 5353), &mdns)]), [""; 0]);
    let mut llmnr = header(0x8000, [0, 1, 0, 0]);
    llmnr.extend(record(&name("twin"), 1, 1, 30, &[10, 0, 0, 7]));
    assert_eq!(said(&[((5355, 50_000), &llmnr)]), [""; 0]);
    let mut netbios = registration(0x00, 0x6000);
    *netbios.last_mut().unwrap() = 7;
    assert_eq!(said(&[((137, 137), &netbios)]), [""; 0]);
}

#[test]
fn dhcp_brings_the_name_in_the_request_to_the_address_in_the_answer() {
    let nowhere = [0; 4];
    let request = dhcp(3, nowhere, nowhere, &[(50, &[10, 0, 0, 5]), (12, b"ERP01")]);
    let ack = dhcp(5, nowhere, [10, 0, 0, 5], &[]);
    let both: Vec<((u16, u16), &[u8])> = vec![((68, 67), &request), ((67, 68), &ack)];
    assert_eq!(said(&both), ["10.0.0.5 02:00:00:00:00:05", "10.0.0.5 erp01 dhcp"]);
    // Asking alone is not getting.
    assert_eq!(said(&both[..1]), [""; 0]);
    assert_eq!(said(&both[1..]), ["10.0.0.5 02:00:00:00:00:05"]);
    let refused = dhcp(6, nowhere, nowhere, &[]);
    assert_eq!(said(&[both[0], ((67, 68), &refused)]), [""; 0]);
    // A client that renews has the address already; the full name says more.
    let full = b"\x00\x00\x00erp01.corp.example";
    let renewal = dhcp(3, [10, 0, 0, 5], nowhere, &[(12, b"ERP01"), (81, full)]);
    let words = ["10.0.0.5 02:00:00:00:00:05", "10.0.0.5 erp01.corp.example dhcp"];
    assert_eq!(said(&[((68, 67), &renewal)]), words);
    let encoded = b"\x04\x00\x00\x05erp01\x04corp\x07example\x00";
    let renewal = dhcp(3, [10, 0, 0, 5], nowhere, &[(81, encoded)]);
    assert_eq!(said(&[((68, 67), &renewal)]), words);
}

#[test]
fn what_is_said_twice_is_passed_on_once_and_only_ports_are_looked_at() {
    let answer = dns_answer();
    assert_eq!(said(&[((53, 1), &answer[..]), ((53, 2), &answer[..])]).len(), 3);
    assert_eq!(said(&[((443, 40_000), &answer)]), [""; 0]);
}

#[test]
fn a_name_is_what_looks_like_one() {
    let host = |bytes: &[u8]| host_name(bytes).map(String::from);
    assert_eq!(host(b"ERP-01.Corp.Example.").as_deref(), Some("erp-01.corp.example"));
    let long = [b'a'; 64];
    let odd: [&[u8]; 8] =
        [b"", b".", b"a..b", b"10.0.0.5", b"localhost", b"a b", b"<script>", b"\x1b[2J"];
    for bytes in odd.into_iter().chain([&long[..]]) {
        assert_eq!(host(bytes), None, "{bytes:?}");
    }
}

#[test]
fn addresses_of_many_have_no_name() {
    let answer = |address: &[u8]| {
        let mut bytes = header(0x8180, [0, 1, 0, 0]);
        bytes.extend(record(&name("a.example"), 1, 1, 60, address));
        said(&[((53, 40_000), &bytes)])
    };
    assert_eq!(answer(&[10, 0, 0, 1]).len(), 1);
    for address in [[0; 4], [255; 4], [127, 0, 0, 1], [224, 0, 0, 251]] {
        assert_eq!(answer(&address), [""; 0], "{address:?}");
    }
}

proptest! {
    #[test]
    fn no_bytes_do_any_harm(
        mut message in prop_oneof![
            Just(dns_answer()),
            Just(registration(0, 0)),
            Just(dhcp(3, [10, 0, 0, 5], [0; 4], &[(12, b"ERP01"), (81, b"\x04\0\0\x05erp01\0")])),
            proptest::collection::vec(any::<u8>(), 0..600),
        ],
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        cut in any::<prop::sample::Index>(),
        port in prop::sample::select(vec![53_u16, 67, 137, 5353, 5355]),
    ) {
        for (at, byte) in changes {
            if !message.is_empty() {
                let at = at.index(message.len());
                message[at] = byte;
            }
        }
        message.truncate(cut.index(message.len() + 1));
        for line in said(&[((port, 40_000), &message)]) {
            prop_assert!(line.is_ascii() && !line.contains(char::is_control));
        }
    }
}
