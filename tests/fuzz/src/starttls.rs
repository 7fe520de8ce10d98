//! Cleartext before TLS: the state machines of protocols that begin it in their middle, proxies and
//! wrappings, fed as a dialogue.

use std::sync::Arc;

use tlscensus::flow::Side;
use tlscensus::limits::Limits;
use tlscensus::tls::Transport;
use tlscensus::tls::parse::HelloParser;
use tlscensus::tls::starttls::{Begun, application};

use super::deframe::{conversation, feed};
use super::heap;
use super::summary;

pub fn check(data: &[u8]) {
    heap::bounded(data.len(), 4 << 20, 256, || run(data));
}

fn run(data: &[u8]) {
    let limits = Arc::new(Limits {
        search_bytes: 4 << 10,
        search_bytes_unknown: 1 << 10,
        search_bytes_proxied: 8 << 10,
        ..super::deframe::limits()
    });
    let parts = conversation(data);
    let (whole, _) = feed(&parts, usize::MAX, &limits);
    let (again, _) = feed(&parts, usize::MAX, &limits);
    let transcript = whole.transcript();
    for preamble in transcript.preamble() {
        assert!(preamble.len() <= limits.preamble_bytes);
    }
    let mut parser = HelloParser::new(&limits);
    let first = summary::read(Transport::Tcp, transcript, None, &mut parser, &limits);
    let second = summary::read(Transport::Tcp, again.transcript(), None, &mut parser, &limits);
    assert_eq!(first, second);
    // Whatever the cut of the words, they are named the same or not at all, and within bounds.
    for step in [1, 7] {
        let (cut, _) = feed(&parts, step, &limits);
        summary::read(Transport::Tcp, cut.transcript(), None, &mut parser, &limits);
    }
    for client in [Side::Low, Side::High] {
        let named = application(transcript.preamble(), client, &[], None, Begun::WithHello);
        assert!(named.target.is_none_or(|target| target.len() <= 8 * limits.preamble_bytes));
        assert!(named.name.is_none_or(|name| name.len() < 32));
    }
}
