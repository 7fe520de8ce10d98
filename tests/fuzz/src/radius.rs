//! EAP log-ins, in 802.1X frames and in RADIUS.

use std::collections::HashMap;
use std::sync::Arc;

use tlscensus::clock::Timestamp;
use tlscensus::flow::{Chunk, Side, StreamConsumer};
use tlscensus::packet::{Address, Endpoint};
use tlscensus::tls::Transport;
use tlscensus::tls::conversation::Conversation;
use tlscensus::tls::parse::HelloParser;
use tlscensus::tls::starttls::eap::{Login, Party, Pushed, eapol};
use tlscensus::tls::starttls::radius::{Exchanges, parse};

use super::heap;
use super::input::Input;
use super::summary;

pub fn check(data: &[u8]) {
    heap::bounded(data.len(), 4 << 20, 1024, || run(data));
}

fn run(data: &[u8]) {
    let limits = Arc::new(super::deframe::limits());
    let mut input = Input(data);
    let mut exchanges = Exchanges::new(4);
    let mut logins: HashMap<_, (Login, Conversation)> = HashMap::new();
    let mut first = None;
    let mut parser = HelloParser::new(&limits);
    let server = Endpoint { address: Address::v4([10, 0, 0, 2]), port: 1812 };
    while !input.is_empty() {
        let head = input.u8();
        let packet = input.block();
        let port = 40_000 + u16::from(head >> 4);
        let client = Endpoint { address: Address::v4([10, 0, 0, 1 + (head >> 2 & 3)]), port };
        let (message, eap);
        let (id, eap) = match head & 3 {
            0 => (first, eapol(packet).unwrap_or_default()),
            1 => (first, packet),
            style => {
                let Some(found) = parse(packet) else { continue };
                message = found;
                assert!(message.eap.len() <= packet.len() && message.eap.len() <= 4096);
                eap = message.eap.clone();
                let (from, to) = if style == 2 { (client, server) } else { (server, client) };
                let id = exchanges.login(from, to, &message);
                first = first.or(Some(id));
                (Some(id), eap.as_slice())
            }
        };
        let known =
            logins.entry(id).or_insert_with(|| (Login::default(), Conversation::open(&limits)));
        let (login, conversation) = known;
        let mut delivered = 0;
        let pushed = login.push(eap, &limits, &mut |party, chunk| {
            let side = if party == Party::Peer { Side::Low } else { Side::High };
            if let Chunk::Data(bytes) = chunk {
                delivered += bytes.len();
            }
            conversation.feed(side, Timestamp::new(1_700_000_000, 0), chunk);
        });
        assert!(delivered <= eap.len(), "more comes out than went in");
        if matches!(pushed, Pushed::Ignored | Pushed::Over { .. }) {
            assert_eq!(delivered, 0);
        }
    }
    for (_, conversation) in logins.values() {
        let transcript = conversation.transcript();
        summary::read(Transport::Tcp, transcript, None, &mut parser, &limits);
    }
}
