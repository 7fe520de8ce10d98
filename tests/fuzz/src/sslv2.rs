//! Records and hellos of SSL 2.0, in one piece and in many.

use tlscensus::limits::Limits;
use tlscensus::tls::parse::HelloParser;
use tlscensus::tls::sslv2::{self, Deframer, Fed};

use super::heap;
use super::json;

pub fn check(data: &[u8]) {
    heap::bounded(data.len(), 1 << 20, 256, || run(data));
}

/// The messages, and how it ended.
fn deframe(data: &[u8], step: usize) -> (Vec<Vec<u8>>, &'static str) {
    let mut deframer = Deframer::default();
    let mut messages = Vec::new();
    for piece in data.chunks(step) {
        let mut rest = piece;
        while !rest.is_empty() {
            let before = rest.len();
            match deframer.feed(&mut rest) {
                Fed::More => assert!(rest.is_empty(), "it asks for more and has not read all"),
                Fed::Message(message) => {
                    assert!(rest.len() < before, "a message out of nothing");
                    messages.push(message);
                }
                Fed::Encrypted(_) => return (messages, "encrypted"),
                Fed::Tls => return (messages, "tls"),
                Fed::Malformed => return (messages, "malformed"),
            }
        }
    }
    (messages, "more")
}

fn run(data: &[u8]) {
    let whole = deframe(data, usize::MAX);
    assert_eq!(whole, deframe(data, 1));
    assert_eq!(whole, deframe(data, 3));
    let total: usize = whole.0.iter().map(Vec::len).sum();
    assert!(total <= data.len());
    let _ = sslv2::is_hello(data);
    let mut parser = HelloParser::new(&Limits::default());
    for message in whole.0.iter().map(Vec::as_slice).chain([data]) {
        let body = message.get(1..).unwrap_or_default();
        if let Some(hello) = parser.sslv2_client_hello(body) {
            let text = json::faithful(&*hello.offer);
            assert!(text.len() <= 64 * body.len() + 4096);
        }
        if let Some(hello) = sslv2::server_hello(body) {
            assert!(format!("{hello:?}").len() <= 64 * body.len() + 4096);
        }
        let _ = sslv2::client_master_key(body);
    }
}
