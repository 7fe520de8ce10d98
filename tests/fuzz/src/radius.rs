//! EAP log-ins, in 802.1X frames and in RADIUS: the table of those that are under way.

use std::time::Duration;

use tlscensus::clock::Timestamp;
use tlscensus::limits::Limits;
use tlscensus::packet::{Address, Datagram, Domain, Eapol, Endpoint, Layers, Mac};
use tlscensus::tls::Transport;
use tlscensus::tls::parse::HelloParser;
use tlscensus::tls::starttls::login::LoginTable;

use super::heap;
use super::input::Input;
use super::summary;

pub fn check(data: &[u8]) {
    heap::bounded(data.len(), 4 << 20, 1024, || run(data));
}

fn run(data: &[u8]) {
    let limits = Limits {
        logins: 6,
        login_bytes: 24 << 10,
        watched_idle: Duration::from_secs(20),
        ..super::deframe::limits()
    };
    let mut input = Input(data);
    let mut table = LoginTable::new(&limits);
    let mut ended = Vec::new();
    let mut now = Timestamp::new(1_700_000_000, 0);
    let server = Endpoint { address: Address::v4([10, 0, 0, 2]), port: 1812 };
    let mut packets = 0_u64;
    while !input.is_empty() {
        packets += 1;
        let head = input.u8();
        let payload = input.block();
        now = now.plus(Duration::from_secs(if head & 0x80 == 0 { 0 } else { 7 }));
        let number = head >> 2 & 7;
        if head & 2 == 0 {
            let station = Mac([2, 0, 0, 0, 0, number]);
            let access = Mac([2, 0, 0, 0, 1, 0]);
            // Some frames go to the group address.
            let to = if head & 0x40 == 0 { access } else { Mac([1, 0x80, 0xc2, 0, 0, 3]) };
            let (source, target) = if head & 1 == 0 { (station, to) } else { (access, station) };
            let mut layers = Layers::default();
            layers.source_mac = Some(source);
            layers.target_mac = Some(target);
            let frame = Eapol { domain: Domain::default(), payload, layers };
            table.push_eapol(&frame, now, &mut |over| ended.push(over));
        } else {
            let port = 40_000 + u16::from(number);
            let client = Endpoint { address: Address::v4([10, 0, 0, 1]), port };
            let (source, target) = if head & 1 == 0 { (client, server) } else { (server, client) };
            let datagram = Datagram {
                source,
                target,
                domain: Domain::default(),
                payload,
                cut: u32::from(head >> 5 & 1),
                layers: Layers::default(),
            };
            table.push_radius(&datagram, now, &mut |over| ended.push(over));
        }
        assert!(table.len() <= limits.logins, "{} log-ins", table.len());
        assert!(table.held_bytes() <= limits.login_bytes + (16 << 10), "{}", table.held_bytes());
    }
    table.finish_all(&mut |over| ended.push(over));
    assert!(table.is_empty() && table.held_bytes() == 0);
    let stats = *table.stats();
    assert_eq!(ended.len() as u64, stats.logins, "{stats:?}");
    assert!(stats.packets <= packets);
    let mut parser = HelloParser::new(&limits);
    for over in &ended {
        let (transcript, meta) = (&over.transcript, Some(&over.meta));
        summary::read(Transport::Tcp, transcript, meta, &mut parser, &limits);
    }
}
