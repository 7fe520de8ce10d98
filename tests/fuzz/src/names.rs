//! Names on the wire: DHCP, DNS, mDNS, LLMNR and NetBIOS, as a series of datagrams of which some
//! answer others.

use std::collections::BTreeSet;

use tlscensus::clock::Timestamp;
use tlscensus::limits::Limits;
use tlscensus::naming::{NameReader, Said};
use tlscensus::packet::{Address, Datagram, Domain, Endpoint, Layers};

use super::heap;
use super::input::Input;

/// The port that each kind is told by.
pub const PORTS: [u16; 5] = [67, 53, 137, 5353, 5355];

pub fn check(data: &[u8]) {
    heap::bounded(data.len(), 1 << 20, 512, || run(data));
}

/// What all datagrams say, each cut into by `cut` bytes at its end.
fn said(data: &[u8], cut: usize) -> (Vec<Said>, usize) {
    let limits = Limits { names_remembered: 64, name_requests: 4, ..Limits::default() };
    let mut reader = NameReader::new(&limits);
    let mut input = Input(data);
    let mut all = Vec::new();
    let mut bytes = 0;
    while !input.is_empty() {
        let head = input.u8();
        let payload = input.block();
        let payload = &payload[..payload.len().saturating_sub(cut)];
        bytes += payload.len();
        let port = PORTS[usize::from(head & 7) % PORTS.len()];
        let end = |last, port| Endpoint { address: Address::v4([10, 0, 0, last]), port };
        let (source, target) = if head & 8 == 0 {
            (end(head >> 5, 40_000), end(9, port))
        } else {
            (end(head >> 5, port), end(9, 40_000))
        };
        let datagram = Datagram {
            source,
            target,
            domain: Domain::default(),
            payload,
            cut: 0,
            layers: Layers::default(),
        };
        reader.read(&datagram, Timestamp::default(), &mut |heard| all.push(heard.said));
    }
    (all, bytes)
}

fn run(data: &[u8]) {
    let (all, bytes) = said(data, 0);
    // A record that says something has at least ten bytes, and pointers do not multiply it.
    assert!(all.len() <= bytes / 4 + 1, "{} of {bytes} bytes", all.len());
    for one in &all {
        let ip = one.address().to_ip();
        assert!(!ip.is_unspecified() && !ip.is_loopback() && !ip.is_multicast(), "{ip}");
        assert!(one.size() <= 253 + size_of::<Said>());
        if let Said::Name { name, .. } = one {
            let fits = |b: u8| b.is_ascii_alphanumeric() && !b.is_ascii_uppercase();
            assert!(name.bytes().all(|b| fits(b) || b"-_.".contains(&b)), "{name:?}");
            assert!((1..=253).contains(&name.len()) && !name.starts_with('.'), "{name:?}");
            assert!(name.split('.').all(|label| (1..=63).contains(&label.len())), "{name:?}");
            assert!(name.parse::<std::net::IpAddr>().is_err(), "an address is no name");
        }
    }
    // What fits into the memory is passed on once.
    let distinct: BTreeSet<String> = all.iter().map(|one| format!("{one:?}")).collect();
    assert!(all.len() > 64 || distinct.len() == all.len(), "said twice");
    assert_eq!(said(data, 0).0, all);
    let _ = said(data, 1);
}
