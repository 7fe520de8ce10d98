//! Both streams in, events out, whatever was done to them on the way.

#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

mod alerts;
mod early;

use super::*;
use crate::flow::{Chunk, Opening, Spares, StreamConsumer};
use crate::record::Outcome;
use crate::tls::Transport;
use crate::tls::handshake::{self, Circumstances, HandshakeSummary};
use crate::tls::message::{What, events};
use crate::tls::parse::HelloParser;

const AT: Timestamp = Timestamp::from_nanos(1);
use Side::{High as SERVER, Low as CLIENT};

/// A direction's bytes, or a hole.
type Fed<'a> = (Side, Chunk<'a>);

fn data(side: Side, bytes: &[u8]) -> Fed<'_> {
    (side, Chunk::Data(bytes))
}

fn feed(conversation: &mut Conversation, side: Side, chunk: Chunk<'_>) -> Control {
    conversation.feed(side, AT, chunk, &Limits::default(), &mut Spares::default())
}

fn converse(fed: &[Fed<'_>]) -> (Conversation, Control) {
    let mut conversation = Conversation::default();
    let mut control = Control::Continue;
    for (side, chunk) in fed {
        control = feed(&mut conversation, *side, *chunk);
    }
    (conversation, control)
}

/// What is known of the handshake once the connection was closed.
fn summary(fed: &[Fed<'_>]) -> HandshakeSummary<()> {
    let limits = Limits::default();
    let (conversation, _) = converse(fed);
    let events = events(conversation.transcript(), &limits);
    let circumstances = Circumstances {
        transport: Transport::Tcp,
        initiator: Some(CLIENT),
        lower_port: SERVER,
        closed: true,
    };
    let parser = &mut HelloParser::new(&limits);
    handshake::read(&events, circumstances, parser, &limits, &mut |_| ()).unwrap()
}

/// What was seen, a word each: messages by number (`?` behind one that is not whole), upper case
/// letters for the client: C change, E encrypted, A alert, V SSL 2.0, L lost.
fn seen(fed: &[Fed<'_>]) -> String {
    let (conversation, _) = converse(fed);
    let words: Vec<String> = events(conversation.transcript(), &Limits::default())
        .iter()
        .map(|event| {
            let word = match &event.what {
                What::Message { kind, whole, .. } => {
                    format!("M{}{}", kind.0, if *whole { "" } else { "?" })
                }
                What::SslV2(_) => "V".to_owned(),
                What::Alert { .. } => "A".to_owned(),
                What::ChangeCipherSpec => "C".to_owned(),
                What::Encrypted { .. } => "E".to_owned(),
                What::Lost => "L".to_owned(),
                What::Contradicted => "!".to_owned(),
            };
            if event.side == CLIENT { word } else { word.to_lowercase() }
        })
        .collect();
    words.join(" ")
}

fn record(content_type: u8, body: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(body.len()).unwrap().to_be_bytes();
    [&[content_type, 3, 3, high, low], body].concat()
}

fn message(kind: u8, size: usize) -> Vec<u8> {
    let [_, _, high, low] = u32::try_from(size).unwrap().to_be_bytes();
    let mut body = vec![0xab; size];
    if matches!(kind, 1 | 2) {
        body[..2].copy_from_slice(&[3, 3]);
    }
    [&[kind, 0, high, low], body.as_slice()].concat()
}

fn hello() -> Vec<u8> {
    record(22, &message(1, 200))
}

fn server_hello() -> Vec<u8> {
    record(22, &message(2, 80))
}

/// A flight of TLS 1.2, each message in a record of its own.
fn server_flight() -> Vec<u8> {
    let messages = [(2, 80), (11, 3000), (12, 300), (14, 0)];
    messages.iter().flat_map(|(kind, size)| record(22, &message(*kind, *size))).collect()
}

fn client_flight() -> Vec<u8> {
    [record(22, &message(16, 66)), record(20, &[1]), record(22, &[0xee; 40])].concat()
}

fn server_finish() -> Vec<u8> {
    [record(20, &[1]), record(22, &[0xee; 40])].concat()
}

/// A CLIENT-HELLO in the format of SSL 2.0.
fn sslv2_hello() -> Vec<u8> {
    [[0x80, 9 + 6 + 16, 1, 3, 1, 0, 6, 0, 0, 0, 16].as_slice(), &[0, 0, 47, 0, 0, 5], &[7; 16]]
        .concat()
}

const WHOLE: &str = "M1 m2 m11 m12 m14 M16 C E c e";

fn handshake(parts: &[Vec<u8>; 4]) -> Vec<Fed<'_>> {
    let [hello, flight, answer, finish] = parts;
    vec![data(CLIENT, hello), data(SERVER, flight), data(CLIENT, answer), data(SERVER, finish)]
}

fn parts() -> [Vec<u8>; 4] {
    [hello(), server_flight(), client_flight(), server_finish()]
}

#[test]
fn a_handshake_is_seen_whole_and_then_no_more_is_wanted() {
    let parts = parts();
    assert_eq!(seen(&handshake(&parts)), WHOLE);
    assert_eq!(converse(&handshake(&parts)).1, Control::Shunt);
    assert_eq!(converse(&handshake(&parts)[..3]).1, Control::Continue);
}

#[test]
fn segments_may_be_cut_anywhere_down_to_single_bytes() {
    let parts = parts();
    for size in [1, 2, 3, 4, 5, 6, 7, 64, 1000] {
        let fed: Vec<_> = handshake(&parts)
            .into_iter()
            .flat_map(|(side, chunk)| {
                let Chunk::Data(bytes) = chunk else { unreachable!() };
                bytes.chunks(size).map(move |piece| data(side, piece))
            })
            .collect();
        assert_eq!(seen(&fed), WHOLE, "pieces of {size}");
    }
}

#[test]
fn cleartext_may_come_before_and_segments_be_cut_anywhere() {
    let parts = parts();
    let greeting = b"220 mail ESMTP\r\n250 STARTTLS\r\n220 Go ahead\r\n";
    let request = b"EHLO me\r\nSTARTTLS\r\n";
    let client = [request.as_slice(), &parts[0]].concat();
    let server = [greeting.as_slice(), &parts[1]].concat();
    for size in [1, 3, 10, 17, 18, 19, 20, 21, 24, 26, 29, 48, 5000] {
        let mut fed = Vec::new();
        fed.extend(client.chunks(size).map(|piece| data(CLIENT, piece)));
        fed.extend(server.chunks(size).map(|piece| data(SERVER, piece)));
        fed.extend(handshake(&parts).drain(2..));
        assert_eq!(seen(&fed), WHOLE, "pieces of {size}");
        let (conversation, _) = converse(&fed);
        assert_eq!(conversation.transcript().preamble(), &[request.to_vec(), greeting.to_vec()]);
    }
}

#[test]
fn a_hello_may_be_spread_over_records_of_a_byte() {
    let small = |size: usize| -> Vec<u8> {
        message(1, 200).chunks(size).flat_map(|piece| record(22, piece)).collect()
    };
    for size in [1, 2, 3, 5, 6] {
        let spread = small(size);
        assert_eq!(seen(&[data(CLIENT, &spread)]), "M1", "records of {size}");
        for cut in [1, 5, 6, 7, 12] {
            let (first, rest) = spread.split_at(cut);
            assert_eq!(seen(&[data(CLIENT, first), data(CLIENT, rest)]), "M1");
        }
        let clear = data(CLIENT, b"EHLO me\r\n");
        assert_eq!(seen(&[clear, data(CLIENT, &spread)]), "M1", "records of {size}");
    }
}

#[test]
fn directions_may_be_captured_in_the_wrong_order() {
    let parts = parts();
    let [hello, flight, answer, finish] = handshake(&parts).try_into().unwrap();
    assert_eq!(seen(&[flight, hello, finish, answer]), "m2 m11 m12 m14 M1 c e M16 C E");
    let ready = data(SERVER, b"220 Go ahead\r\n");
    let ask = data(CLIENT, b"STARTTLS\r\n");
    assert_eq!(seen(&[ready, flight, ask, hello, answer]), "m2 m11 m12 m14 M1 M16 C E");
    let refusal = data(SERVER, &[21, 3, 1, 0, 2, 2, 70]);
    assert_eq!(seen(&[ready, refusal, ask, hello]), "a M1");
}

#[test]
fn one_direction_alone_is_enough() {
    let parts = parts();
    let [hello, flight, answer, finish] = handshake(&parts).try_into().unwrap();
    assert_eq!(seen(&[flight, finish]), "m2 m11 m12 m14 c e");
    assert_eq!(seen(&[hello, answer]), "M1 M16 C E");
}

#[test]
fn a_hole_costs_only_the_message_that_it_is_in() {
    let parts = parts();
    let [hello, _, answer, finish] = handshake(&parts).try_into().unwrap();
    let bytes = &parts[1];
    let certificate = 5 + 4 + 80;
    // Inside the certificate; from inside it over the next header; from the hello on.
    for (from, to, expected) in [
        (certificate + 100, certificate + 1500, "M1 m2 m11? l m12 m14 M16 C E c e"),
        (certificate + 2900, certificate + 3050, "M1 m2 m11? l m14 M16 C E c e"),
        (40, certificate + 200, "M1 m2? l m12 m14 M16 C E c e"),
    ] {
        let missing = u64::try_from(to - from).unwrap();
        let fed = [
            hello,
            data(SERVER, &bytes[..from]),
            (SERVER, Chunk::Gap(missing)),
            data(SERVER, &bytes[to..]),
            answer,
            finish,
        ];
        assert_eq!(seen(&fed), expected);
    }
    // The same flight gone as a whole, the other direction goes on.
    let fed = [hello, (SERVER, Chunk::Gap(0)), answer, finish];
    assert_eq!(seen(&fed), "M1 M16 C E c e");
    // A hole at the very beginning: what comes next is found by its headers.
    let fed = [hello, (SERVER, Chunk::Gap(100)), data(SERVER, &bytes[200..]), answer];
    assert_eq!(seen(&fed), "M1 m12 m14 M16 C E");
}

#[test]
fn a_hole_that_swallowed_the_change_does_not_make_a_message_of_what_is_encrypted() {
    let parts = parts();
    let [hello, flight, _, finish] = handshake(&parts).try_into().unwrap();
    let finished = record(22, &[0xee; 40]);
    let fed = [hello, flight, (CLIENT, Chunk::Gap(0)), data(CLIENT, &finished), finish];
    assert_eq!(seen(&fed), "M1 m2 m11 m12 m14 L E c e");
    assert_eq!(converse(&fed).1, Control::Shunt);
}

#[test]
fn a_hello_of_which_little_was_captured_is_still_a_hello() {
    let hello = hello();
    for have in [6, 8, 10] {
        let fed =
            [data(CLIENT, b"EHLO\r\n"), data(CLIENT, &hello[..have]), (CLIENT, Chunk::Gap(9))];
        assert!(seen(&fed).starts_with(if have < 9 { "L" } else { "M1?" }), "{}", seen(&fed));
    }
}

#[test]
fn a_hello_in_the_format_of_ssl_2_may_be_answered_by_tls() {
    let parts = parts();
    let [_, flight, answer, finish] = handshake(&parts).try_into().unwrap();
    let old = sslv2_hello();
    let expected = WHOLE.replace("M1 ", "V ");
    assert_eq!(seen(&[data(CLIENT, &old), flight, answer, finish]), expected);
    // Byte by byte, and after cleartext.
    let mut fed: Vec<_> = old.chunks(1).map(|piece| data(CLIENT, piece)).collect();
    fed.extend([flight, answer, finish]);
    assert_eq!(seen(&fed), expected);
    fed.insert(0, data(CLIENT, b"STARTTLS\r\n"));
    assert_eq!(seen(&fed), expected);
    // Followed by what is neither: the answer counts.
    let fed = [data(CLIENT, &old), data(CLIENT, &[0xe5; 39]), flight];
    assert_eq!(seen(&fed), "V m2 m11 m12 m14");
}

#[test]
fn tls_1_3_with_a_retry_and_early_data() {
    let encrypted = record(23, &[7; 60]);
    let change = record(20, &[1]);
    let first = [hello(), change.clone(), encrypted.clone()].concat();
    let retry = [server_hello(), change].concat();
    let second = hello();
    let answer = [server_hello(), encrypted.clone()].concat();
    let fed = [
        data(CLIENT, &first),
        data(SERVER, &retry),
        data(CLIENT, &second),
        data(SERVER, &answer),
        data(CLIENT, &encrypted),
    ];
    assert_eq!(seen(&fed), "M1 C E m2 c M1 m2 e E");
    assert_eq!(converse(&fed[..4]).1, Control::Continue);
    assert_eq!(converse(&fed).1, Control::Shunt);
    // The second hello cut within the bytes that tell what it is.
    let (head, tail) = second.split_at(7);
    let fed = [fed[0], fed[1], data(CLIENT, head), data(CLIENT, tail), fed[3]];
    assert_eq!(seen(&fed), "M1 C E m2 c M1 m2 e");
}

#[test]
fn the_version_of_the_record_that_brings_a_hello_says_nothing() {
    for minor in [5, 0x7f, 0xff] {
        let mut parts = parts();
        parts[0][2] = minor;
        assert_eq!(seen(&handshake(&parts)), WHOLE, "{minor}");
        assert_eq!(Conversation::opening(&parts[0]), Opening::Sought);
        // Within other words it has to look right in every byte.
        let mixed = [b"220 ready\r\n".as_slice(), &parts[0]];
        let fed: Vec<_> = mixed.iter().map(|bytes| data(CLIENT, bytes)).collect();
        assert_eq!(seen(&fed), "");
    }
}

#[test]
fn an_answer_behind_a_byte_that_could_begin_another_is_found() {
    let hello = hello();
    let alert = record(21, &[2, 71]);
    // The last byte of a proxy's answer, by itself.
    for byte in [&[0x90][..], &[22], &[21, 3]] {
        let fed = [data(CLIENT, &hello), data(SERVER, byte), data(SERVER, &alert)];
        assert_eq!(seen(&fed), "M1 a", "{byte:x?}");
    }
}

#[test]
fn a_connection_joined_in_its_middle_is_told_by_its_records() {
    let encrypted = record(23, &[7; 600]);
    let fed = [data(CLIENT, &encrypted), data(SERVER, &encrypted)];
    let (conversation, control) = converse(&[fed[0], fed[1], fed[0], fed[1]]);
    assert_eq!(control, Control::Shunt);
    assert!(conversation.is_encrypted_only());
    // In the middle of the handshake: all but the first hello.
    let parts = parts();
    let mut rest = handshake(&parts);
    rest.remove(0);
    assert_eq!(seen(&rest), "m2 m11 m12 m14 M16 C E c e");
    rest.remove(0);
    assert!(seen(&rest).starts_with("M16 C E"), "{}", seen(&rest));
}

/// How many bytes are looked at before a flow of this cleartext is given up.
fn patience(request: &[u8], answer: &[u8]) -> usize {
    let mut conversation = Conversation::default();
    feed(&mut conversation, CLIENT, Chunk::Data(request));
    let mut searched = 0;
    while feed(&mut conversation, SERVER, Chunk::Data(answer)) == Control::Continue {
        searched += answer.len();
        assert!(searched < 1 << 30);
    }
    searched
}

#[test]
fn how_long_tls_is_looked_for_depends_on_the_protocol() {
    let limits = Limits::default();
    let page = [b'x'; 1448];
    let soon = limits.search_bytes_unknown;
    assert!(patience(b"GET /iso HTTP/1.1\r\n\r\n", &[0; 1448]) <= soon);
    assert!(patience(b"\0\0\0\x90\xfeSMB@\0", &[0; 1448]) <= soon);
    let known = patience(b"EHLO me\r\n", &page);
    assert!(known > soon && known <= limits.search_bytes, "{known}");
    let proxied = patience(b"GET http://example.com/iso HTTP/1.1\r\n\r\n", &page);
    assert!(proxied > limits.search_bytes && proxied <= limits.search_bytes_proxied);
}

#[test]
fn a_tunnel_asked_for_late_is_named_by_its_own_request() {
    let parts = parts();
    let mut conversation = Conversation::default();
    for _ in 0..40 {
        let request = b"GET http://example.com/page HTTP/1.1\r\nHost: example.com\r\n\r\n";
        assert_eq!(feed(&mut conversation, CLIENT, Chunk::Data(request)), Control::Continue);
        for _ in 0..100 {
            let control = feed(&mut conversation, SERVER, Chunk::Data(&[b'x'; 1448]));
            assert_eq!(control, Control::Continue);
        }
    }
    let request = [b"CONNECT example.net:443 HTTP/1.1\r\nX: ".as_slice(), &[b'y'; 6000]].concat();
    for segment in request.chunks(1448) {
        feed(&mut conversation, CLIENT, Chunk::Data(segment));
    }
    feed(&mut conversation, CLIENT, Chunk::Data(b"\r\n\r\n"));
    feed(&mut conversation, SERVER, Chunk::Data(b"HTTP/1.1 200 OK\r\n\r\n"));
    for (side, chunk) in handshake(&parts) {
        feed(&mut conversation, side, chunk);
    }
    let [client, server] = conversation.transcript().preamble();
    assert!(client.starts_with(b"CONNECT example.net:443 "));
    assert!(server.ends_with(b"HTTP/1.1 200 OK\r\n\r\n"));
    assert!(client.len().max(server.len()) <= Limits::default().preamble_bytes);
    assert!(conversation.transcript().has_messages());
}

fn tds_packet(kind: u8, payload: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(payload.len() + 8).unwrap().to_be_bytes();
    [&[kind, 1, high, low, 0, 0, 1, 0], payload].concat()
}

#[test]
fn tls_is_taken_out_of_tds_packets_and_goes_on_without_them() {
    let parts = parts();
    let prelogin = [0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xff, 9, 0, 0, 0, 0, 0, 1];
    let wrap = |kind: u8, bytes: &[u8], size: usize| -> Vec<u8> {
        bytes.chunks(size).flat_map(|piece| tds_packet(kind, piece)).collect()
    };
    for size in [7, 100, 1000, 4088] {
        let client = [
            tds_packet(0x12, &prelogin),
            wrap(0x12, &parts[0], size),
            wrap(0x12, &parts[2], size),
            record(23, &[9; 300]),
        ]
        .concat();
        let server =
            [tds_packet(4, &prelogin), wrap(4, &parts[1], size), wrap(0x12, &parts[3], size)]
                .concat();
        for cut in [1, 5, 8, 13, 1448, 9000] {
            let mut fed: Vec<_> = server.chunks(cut).map(|piece| data(SERVER, piece)).collect();
            fed.extend(client.chunks(cut).map(|piece| data(CLIENT, piece)));
            let expected = "m2 m11 m12 m14 c e M1 M16 C E";
            let seen = seen(&fed);
            assert!(seen.starts_with(expected), "packets of {size}, segments of {cut}: {seen}");
            let (conversation, _) = converse(&fed);
            let [client, server] = conversation.transcript().preamble();
            assert!(client.starts_with(&[0x12, 1]) && server.starts_with(&[4, 1]));
        }
    }
    // A hole inside a packet, in the certificate.
    let server = wrap(4, &parts[1], 4088);
    let fed = [
        data(CLIENT, &parts[0]),
        data(SERVER, &server[..1000]),
        (SERVER, Chunk::Gap(500)),
        data(SERVER, &server[1500..]),
    ];
    assert_eq!(seen(&fed), "M1 m2 m11? l m12 m14");
}

#[test]
fn a_log_in_without_encryption_is_let_go() {
    let prelogin = [0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xff, 9, 0, 0, 0, 0, 0, 2];
    let (hello, login) = (tds_packet(0x12, &prelogin), tds_packet(0x10, &[0; 200]));
    assert_eq!(converse(&[data(CLIENT, &hello), data(CLIENT, &login)]).1, Control::Shunt);
}

#[test]
fn tls_is_taken_out_of_openvpn_packets_with_and_without_hmac() {
    let parts = parts();
    for added in [0, 24, 28, 40, 56, 72] {
        let hmac = vec![0x5a; added];
        let packet = |opcode: u8, acks: u8, payload: &[u8]| -> Vec<u8> {
            let mut packet = vec![opcode << 3];
            packet.extend_from_slice(&[1; 8]);
            packet.extend_from_slice(&hmac);
            packet.push(acks);
            packet.extend(vec![0; usize::from(acks) * 4]);
            packet.extend(vec![2; if acks > 0 { 8 } else { 0 }]);
            if opcode != 5 {
                packet.extend_from_slice(&[0, 0, 0, 1]);
            }
            packet.extend_from_slice(payload);
            let size = u16::try_from(packet.len()).unwrap().to_be_bytes();
            [size.as_slice(), &packet].concat()
        };
        let wrap = |bytes: &[u8]| -> Vec<u8> {
            bytes
                .chunks(100)
                .flat_map(|piece| [packet(4, 1, piece), packet(5, 2, b"")].concat())
                .collect()
        };
        let client = [packet(7, 0, b""), wrap(&parts[0]), wrap(&parts[2])].concat();
        let server = [packet(8, 1, b""), wrap(&parts[1]), wrap(&parts[3])].concat();
        for cut in [1, 14, 1448] {
            let mut fed: Vec<_> = client.chunks(cut).map(|piece| data(CLIENT, piece)).collect();
            fed.extend(server.chunks(cut).map(|piece| data(SERVER, piece)));
            assert_eq!(seen(&fed), "M1 M16 C E m2 m11 m12 m14 c e", "{added}, {cut}");
        }
    }
}

#[test]
fn damage_is_survived_and_the_bounds_hold() {
    let parts = parts();
    let prelogin = tds_packet(0x12, &[0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xff, 9, 0, 0, 0, 0, 0, 1]);
    let starts: [&[u8]; 5] =
        [b"", b"EHLO me\r\nSTARTTLS\r\n", &prelogin, &[0, 14, 0x38, 1], &sslv2_hello()];
    let limits = Limits { transcript_bytes: 4096, preamble_bytes: 64, ..Limits::default() };
    let mut seed = 3_u64;
    let mut next = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap() % below
    };
    for round in 0..3_000 {
        let start = starts[round % starts.len()];
        let mut streams =
            [[start, &parts[0], &parts[2]].concat(), [start, &parts[1], &parts[3]].concat()];
        for stream in &mut streams {
            for _ in 0..next(4) {
                let at = next(stream.len());
                stream[at] = u8::try_from(next(256)).unwrap();
            }
        }
        let mut conversation = Conversation::default();
        let [mut client, mut server] = streams.each_ref().map(Vec::as_slice);
        while !client.is_empty() || !server.is_empty() {
            let (side, stream) =
                if next(2) == 0 { (CLIENT, &mut client) } else { (SERVER, &mut server) };
            let size = (1 + next(700)).min(stream.len());
            let (piece, rest) = stream.split_at(size);
            *stream = rest;
            let chunk = match next(12) {
                0 => Chunk::Gap(u64::try_from(size).unwrap()),
                1 => Chunk::Gap(0),
                _ => Chunk::Data(piece),
            };
            conversation.feed(side, AT, chunk, &limits, &mut Spares::default());
        }
        let transcript = conversation.transcript();
        assert!(transcript.preamble().iter().all(|text| text.len() <= 64));
        let kept: usize = transcript.entries().map(|(_, bytes)| bytes.len()).sum();
        assert!(kept <= 4096);
        let _ = events(transcript, &limits);
    }
}
