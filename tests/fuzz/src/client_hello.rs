//! ClientHello bodies: of TLS, DTLS and QUIC.

use tlscensus::limits::Limits;
use tlscensus::tls::Transport;
use tlscensus::tls::fingerprint;
use tlscensus::tls::parse::HelloParser;

use super::heap;
use super::json;

const TRANSPORTS: [Transport; 3] = [Transport::Tcp, Transport::Udp, Transport::Quic];

pub fn check(data: &[u8]) {
    heap::bounded(data.len(), 1 << 20, 512, || run(data));
}

fn run(data: &[u8]) {
    let Some((head, body)) = data.split_first() else { return };
    let transport = TRANSPORTS[usize::from(head & 0x7f) % 3];
    let whole = head & 0x80 == 0;
    let limits = Limits { cached_offers: 4, ..Limits::default() };
    let parse = |parser: &mut HelloParser, body: &[u8]| {
        parser.client_hello(body, transport, whole).map(|hello| format!("{hello:?}"))
    };
    let mut parser = HelloParser::new(&limits);
    let fresh = parse(&mut parser, body);
    // The same out of the memory, and after hellos that differ in one bit.
    assert_eq!(parse(&mut parser, body), fresh);
    let mut near = body.to_vec();
    for step in 0..6 {
        let place = (usize::from(*head) + step * 131) % near.len().max(1);
        if let Some(byte) = near.get_mut(place) {
            *byte ^= 1 << step;
            let fresh = parse(&mut HelloParser::new(&limits), &near);
            assert_eq!(parse(&mut parser, &near), fresh, "an offer is taken for another");
        }
    }
    assert_eq!(parse(&mut parser, body), fresh);
    let Some(hello) = parser.client_hello(body, transport, whole) else { return };
    let offer = &*hello.offer;
    let text = json::faithful(offer);
    assert!(text.len() <= 64 * body.len() + 4096, "{} of {}", text.len(), body.len());
    assert_eq!(fingerprint::identity(offer), offer.id);
    let ja4 = fingerprint::ja4(offer, transport);
    assert!(ja4.len() == 36 && ja4.is_char_boundary(10) && &ja4[10..11] == "_", "{ja4}");
    let ja3 = fingerprint::ja3(&fingerprint::ja3_raw(offer));
    assert!(ja3.len() == 32 && ja3.bytes().all(|byte| byte.is_ascii_hexdigit()), "{ja3}");
    assert_eq!(offer.max_version(), offer.versions().first().copied());
    // What is cut off says no more than the whole: it is marked, or names what the whole names.
    let cut = body.len() / 2;
    if let Some(part) = parser.client_hello(&body[..cut], transport, false) {
        assert!(part.offer.cipher_suites.len() <= offer.cipher_suites.len().max(cut));
        json::faithful(&*part.offer);
    }
}
