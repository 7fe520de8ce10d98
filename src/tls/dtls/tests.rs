//! DTLS made by hand: fragments in any order, what shares the port, what wraps it.

#![allow(clippy::arithmetic_side_effects, reason = "numbers of a test are its own")]

use proptest::prelude::*;

use super::record::{opens, unwrap};
use super::watch::{Watch, opening};
use super::*;
use crate::flow::datagram::Fed;

const RANDOM: [u8; 32] = [7; 32];

/// A record of DTLS 1.2.
fn record(content_type: u8, epoch: u16, sequence: u8, body: &[u8]) -> Vec<u8> {
    let mut record = vec![content_type, 0xfe, 0xfd];
    record.extend(epoch.to_be_bytes());
    record.extend([0, 0, 0, 0, 0, sequence]);
    record.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
    record.extend(body);
    record
}

/// A part of a handshake message, in a record.
fn fragment(kind: u8, number: u8, message: &[u8], start: usize, end: usize) -> Vec<u8> {
    let u24 = |value: usize| u32::try_from(value).unwrap().to_be_bytes()[1..].to_vec();
    let mut body = vec![kind];
    body.extend(u24(message.len()));
    body.extend([0, number]);
    body.extend(u24(start));
    body.extend(u24(end - start));
    body.extend(&message[start..end]);
    record(content::HANDSHAKE, 0, number, &body)
}

fn message(kind: u8, number: u8, body: &[u8]) -> Vec<u8> {
    fragment(kind, number, body, 0, body.len())
}

fn client_hello(random: [u8; 32], cookie: &[u8]) -> Vec<u8> {
    let mut body = vec![0xfe, 0xfd];
    body.extend(random);
    body.extend([0, u8::try_from(cookie.len()).unwrap()]);
    body.extend(cookie);
    body.extend([0, 2, 0xc0, 0x2f, 1, 0]);
    body
}

fn transcript(datagrams: &[(Side, Vec<u8>)]) -> Transcript {
    let mut transcript = Transcript::default();
    for ((side, bytes), at) in datagrams.iter().zip(1..) {
        let at = Timestamp::from_nanos(at);
        transcript.append(*side, Kind::Dtls, at, bytes, &Limits::default());
    }
    transcript
}

/// One word an event: the message's type and length, or what else it is.
fn story(datagrams: &[(Side, Vec<u8>)]) -> Vec<String> {
    let transcript = transcript(datagrams);
    events(&transcript, &Limits::default())
        .iter()
        .map(|event| {
            let word = match &event.what {
                What::Message { kind, body, whole } => {
                    format!("{}:{}{}", kind.0, body.len(), if *whole { "" } else { "?" })
                }
                What::Alert { description, .. } => format!("alert{description}"),
                What::ChangeCipherSpec => "change".to_owned(),
                What::Encrypted { content_type, size } => format!("secret{content_type}:{size}"),
                What::Lost => "lost".to_owned(),
                What::Contradicted => "contradicted".to_owned(),
                What::SslV2(_) => "sslv2".to_owned(),
            };
            match event.side {
                Low => word.to_uppercase(),
                High => word,
            }
        })
        .collect()
}

use Side::{High, Low};

#[test]
fn a_handshake_with_a_cookie_comes_out_in_order() {
    let finish = [message(16, 2, &[1; 66]), record(20, 0, 3, &[1]), record(22, 1, 0, &[0; 40])];
    let flight = [message(2, 1, &[2; 70]), message(11, 2, &[3; 900]), message(14, 3, &[])];
    let datagrams = [
        (Low, message(1, 0, &client_hello(RANDOM, b""))),
        (High, message(3, 0, &[0xfe, 0xff, 2, 9, 9])),
        (Low, message(1, 1, &client_hello(RANDOM, b"99"))),
        (High, flight.concat()),
        (Low, finish.concat()),
        (High, [record(20, 0, 4, &[1]), record(22, 1, 0, &[0; 40])].concat()),
    ];
    assert_eq!(
        story(&datagrams),
        [
            "1:42",
            "3:5",
            "1:44",
            "2:70",
            "11:900",
            "14:0",
            "16:66",
            "CHANGE",
            "SECRET22:40",
            "change",
            "secret22:40"
        ]
    );
}

#[test]
fn retransmissions_and_copies_are_seen_once() {
    let hello = message(1, 0, &client_hello(RANDOM, b""));
    let mut again = hello.clone();
    again[10] = 9; // Sent again in a record of its own number.
    let alert = record(21, 0, 5, &[2, 40]);
    let datagrams = [
        (Low, hello.clone()),
        (Low, hello),
        (Low, again),
        (High, alert.clone()),
        (High, alert),
        (High, record(21, 0, 6, &[2, 40])),
    ];
    assert_eq!(story(&datagrams), ["1:42", "alert40", "alert40"]);
}

#[test]
fn fragments_that_contradict_each_other_are_told() {
    let hello = client_hello(RANDOM, b"");
    let mut other = hello.clone();
    other[39] = 0x30;
    let longer = client_hello(RANDOM, b"12");
    let verify = (High, message(3, 0, &[0xfe, 0xff, 2, 9, 9]));
    let pieces = |one: &[u8], two: &[u8]| {
        vec![(Low, fragment(1, 0, one, 0, 40)), (Low, fragment(1, 0, two, 20, two.len()))]
    };
    let whole = |one: &[u8], two: &[u8]| {
        vec![(Low, message(1, 0, one)), (Low, record(22, 0, 9, &message(1, 0, two)[13..]))]
    };
    let told = ["1:42", "CONTRADICTED"].as_slice();
    assert_eq!(story(&pieces(&hello, &hello)), ["1:42"]);
    assert_eq!(story(&pieces(&hello, &other)), told);
    assert_eq!(story(&whole(&hello, &hello)), ["1:42"]);
    assert_eq!(story(&whole(&hello, &other)), told);
    assert_eq!(story(&whole(&hello, &longer)), told);
    // The hello with the cookie may have the number of the first (RFC 4347).
    let [first, second] = <[_; 2]>::try_from(whole(&hello, &longer)).unwrap();
    assert_eq!(story(&[first, verify, second]), ["1:42", "3:5"]);
}

#[test]
fn what_is_missing_is_said() {
    let datagrams = [
        (High, message(2, 0, &[2; 70])),
        (High, fragment(11, 1, &[3; 100], 0, 30)),
        (High, fragment(11, 1, &[3; 100], 60, 100)),
        (High, message(14, 3, &[])),
    ];
    assert_eq!(story(&datagrams), ["2:70", "11:30?", "lost", "lost", "14:0"]);
    // The middle of a flight, its beginning was not captured.
    assert_eq!(story(&datagrams[3..]), ["lost", "14:0"]);
}

#[test]
fn a_hello_may_have_the_number_of_the_verify_request() {
    let datagrams = [(High, message(3, 0, &[0; 5])), (High, message(2, 0, &[0; 70]))];
    assert_eq!(story(&datagrams), ["3:5", "2:70"]);
}

#[test]
fn records_of_dtls_13_are_encrypted() {
    let mut datagram = message(2, 0, &[2; 70]);
    datagram.extend([0x2e, 0, 1, 0, 40]); // Two bytes of sequence number, length, epoch 2.
    datagram.extend([9; 40]);
    datagram.extend([0x2d, 0, 1, 0, 40]); // Epoch 1: early data.
    datagram.extend([9; 40]);
    datagram.extend([0x23, 1]); // One byte, no length: the rest, epoch 3.
    datagram.extend([9; 50]);
    assert_eq!(story(&[(High, datagram)]), ["2:70", "secret23:40", "secret23:50"]);
    // With a connection id there is no telling where the header ends.
    assert_eq!(story(&[(Low, [&[0x3e][..], &[9; 50]].concat())]), ["SECRET23:50"]);
    assert_eq!(
        story(&[(Low, [&[25, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 0][..], &[9; 50]].concat())]),
        ["SECRET22:50"]
    );
}

#[test]
fn openssl_before_the_standard_is_dtls_too() {
    let mut hello = message(1, 0, &client_hello(RANDOM, b""));
    hello[1..3].copy_from_slice(&[1, 0]);
    let mut change = record(20, 0, 1, &[1, 0, 2]);
    change[1..3].copy_from_slice(&[1, 0]);
    assert!(opens(&hello, 0));
    assert_eq!(story(&[(Low, hello), (Low, change)]), ["1:42", "CHANGE"]);
}

#[test]
fn other_protocols_on_the_port_are_left_alone() {
    let hello = message(1, 0, &client_hello(RANDOM, b""));
    let size = u8::try_from(hello.len()).unwrap();
    let wrap = |head: &[u8], tail: &[u8]| [head, &hello, tail].concat();
    let stun = [0, 0x17, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
    let peer = [0, 0x12, 0, 5, 1, 2, 3, 4, 5, 0, 0, 0, 0, 0x13, 0, size];
    for wrapped in [
        hello.clone(),
        wrap(&[1, 0, 0, 0], &[]),
        wrap(&[0x40, 1, 0, size], &[]),
        wrap(&[0x4f, 0xff, 0, size], &[0, 0]),
        wrap(&[&stun[..], &peer].concat(), &[0]),
    ] {
        assert_eq!(unwrap(&wrapped), Some(&hello[..]));
    }
    for other in [
        &[0x40, 1, 0, size, 0x80, 0x60][..],
        &[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42],
        &[0, 0x17, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2],
        &[0x80, 0x60, 1, 2, 3, 4],
        &[1, 0, 0, 0, 9, 9],
        &[],
    ] {
        assert_eq!(unwrap(other), None);
    }
    assert!(opens(&hello, 0));
    assert!(!opens(&record(22, 1, 0, &[0; 40]), 0));
    assert!(!opens(&record(23, 0, 0, &[0; 40]), 0));
    assert!(opens(&record(21, 0, 0, &[2, 70]), 0));
}

fn feed(watch: &mut Watch, transcript: &mut Transcript, side: Side, payload: &[u8]) -> Fed {
    let limits = Limits::default();
    let at = Timestamp::from_nanos(1);
    let earlier = opening(&message(1, 0, &client_hello([1; 32], b"")), 0).unwrap();
    watch.feed(side, at, (payload, 0), |hello| hello == earlier.hello, transcript, &limits)
}

#[test]
fn the_watch_ends_when_both_ends_encrypt() {
    let (mut watch, mut transcript) = (Watch::default(), Transcript::default());
    let mut feed = |side, payload: &[u8]| feed(&mut watch, &mut transcript, side, payload);
    assert_eq!(feed(Low, &message(1, 0, &client_hello(RANDOM, b""))), Fed::Continue);
    assert_eq!(feed(High, &[0x80, 0x60, 1, 2, 3, 4]), Fed::Ignored);
    assert_eq!(feed(High, &message(2, 0, &[2; 70])), Fed::Continue);
    assert_eq!(feed(Low, &message(1, 1, &client_hello(RANDOM, b"9"))), Fed::Continue);
    assert_eq!(feed(Low, &record(22, 1, 0, &[0; 40])), Fed::Continue);
    // A copy out of an earlier conversation, then the beginning of a later one; one with the random of
    // an earlier one that offers something else is a later one too.
    assert_eq!(feed(Low, &message(1, 0, &client_hello([1; 32], b""))), Fed::Ignored);
    assert_eq!(feed(Low, &message(1, 0, &client_hello([2; 32], b""))), Fed::Another);
    assert_eq!(feed(Low, &message(1, 0, &client_hello([1; 32], b"c"))), Fed::Another);
    // Application data may overtake the Finished message.
    assert_eq!(feed(High, &record(23, 1, 1, &[0; 40])), Fed::Continue);
    assert_eq!(feed(High, &record(22, 1, 0, &[0; 40])), Fed::Continue);
    // Nor is it over before what came in the clear is there.
    assert_eq!(feed(High, &record(20, 0, 1, &[1])), Fed::Continue);
    assert_eq!(feed(Low, &record(20, 0, 3, &[1])), Fed::Continue);
    assert_eq!(feed(Low, &message(16, 2, &[16; 9])), Fed::Shunt);
    assert_eq!(watch.opening().map(|it| it.random), Some(RANDOM));
    let words = events(&transcript, &Limits::default()).len();
    assert_eq!(words, 9);
}

#[test]
fn what_is_lost_in_the_clear_is_not_waited_for_long() {
    let (mut watch, mut transcript) = (Watch::default(), Transcript::default());
    let mut feed = |side, payload: &[u8]| feed(&mut watch, &mut transcript, side, payload);
    feed(Low, &message(1, 0, &client_hello(RANDOM, b"")));
    let mut count = 0;
    while feed(if count % 2 == 0 { Low } else { High }, &record(22, 1, 0, &[0; 40]))
        == Fed::Continue
    {
        count += 1;
    }
    assert_eq!(count, 16);
}

#[test]
fn an_end_keeps_the_order_in_which_it_sent() {
    let sent = [
        message(2, 0, &[2; 70]),
        message(11, 1, &[3; 90]),
        record(20, 0, 2, &[1]),
        record(22, 1, 0, &[0; 40]),
        record(23, 1, 1, &[0; 60]),
    ];
    let in_order = story(&sent.clone().map(|datagram| (High, datagram)));
    assert_eq!(in_order.len(), 5, "{in_order:?}");
    for order in [[4, 3, 2, 1, 0], [1, 0, 2, 4, 3], [0, 2, 1, 3, 4], [3, 0, 4, 1, 2]] {
        let captured = order.map(|n| (High, sent[n].clone()));
        assert_eq!(story(&captured), in_order, "{order:?}");
    }
}

#[test]
fn what_is_sent_again_comes_before_the_change_of_ciphers() {
    // The datagram with message 3 was lost: its flight comes again, with other numbers.
    let flight = |number: u8| {
        let mut flight = [
            message(11, 2, &[3; 90]),
            message(16, 3, &[16; 9]),
            record(20, 0, 0, &[1]),
            record(22, 1, 0, &[0; 40]),
        ];
        for (record, number) in flight.iter_mut().zip(number..) {
            record[10] = number;
        }
        flight
    };
    let whole = story(&flight(2).map(|datagram| (Low, datagram)));
    let lossy = flight(2).into_iter().enumerate().filter(|(number, _)| *number != 1);
    let mut sent: Vec<_> = lossy.map(|(_, datagram)| (Low, datagram)).collect();
    sent.extend(flight(6).into_iter().take(3).map(|datagram| (Low, datagram)));
    assert_eq!(story(&sent), whole);
}

#[test]
fn an_end_that_is_not_answered_is_not_waited_for() {
    let (mut watch, mut transcript) = (Watch::default(), Transcript::default());
    let mut fed =
        feed(&mut watch, &mut transcript, Low, &message(1, 0, &client_hello(RANDOM, b"")));
    let mut count = 0;
    while fed == Fed::Continue {
        fed = feed(&mut watch, &mut transcript, Low, &record(23, 1, 0, &[0; 40]));
        count += 1;
    }
    assert_eq!((fed, count), (Fed::Shunt, 257));
    assert!(transcript.held_bytes() < 8_192);
}

#[test]
fn records_may_end_anywhere() {
    let flight =
        [message(2, 0, &[2; 70]), message(11, 1, &[3; 90]), record(22, 1, 0, &[0; 40])].concat();
    let mut before = 0;
    for len in 0..=flight.len() {
        let bytes = &flight[..len];
        let words = story(&[(High, bytes.to_vec())]);
        let whole = words.iter().filter(|word| !word.ends_with('?') && *word != "lost").count();
        assert!(whole >= before, "{words:?}");
        before = whole;
        let (mut watch, mut transcript) = (Watch::default(), Transcript::default());
        let cut = u32::try_from(flight.len() - len).unwrap();
        let at = Timestamp::default();
        let limits = Limits::default();
        watch.feed(High, at, (bytes, cut), |_| false, &mut transcript, &limits);
    }
    assert_eq!(before, 3);
}

/// Ranges that cover `0..len` in any order, some of them twice or overlapping.
fn ranges(len: usize) -> impl Strategy<Value = Vec<(usize, usize)>> {
    (prop::collection::btree_set(1..len, 0..10), prop::collection::vec((0..len, 0..len), 0..5))
        .prop_map(move |(cuts, more)| {
            let starts = std::iter::once(0).chain(cuts.iter().copied());
            let exact = starts.zip(cuts.iter().copied().chain([len]));
            exact.chain(more.into_iter().map(|(a, b)| (a.min(b), a.max(b)))).collect()
        })
}

proptest! {
    #[test]
    fn fragments_in_any_order_give_the_messages(
        ranges in prop::collection::vec(ranges(120), 4),
        order in any::<u64>(),
        per_datagram in 1_usize..6,
    ) {
        let bodies: Vec<Vec<u8>> =
            (0..4_u8).map(|n| (0..120_u8).map(|i| i.wrapping_mul(n + 3)).collect()).collect();
        let kinds = [2, 11, 12, 14];
        let mut parts: Vec<Vec<u8>> = Vec::new();
        for (number, ranges) in (0_u8..).zip(&ranges) {
            let index = usize::from(number);
            for &(start, end) in ranges {
                parts.push(fragment(kinds[index], number, &bodies[index], start, end));
            }
        }
        // A shuffle that depends on one number.
        let mut keyed: Vec<_> = parts
            .into_iter()
            .zip(0_u64..)
            .map(|(part, index)| ((index + 1).wrapping_mul(order | 1).rotate_left(17), part))
            .collect();
        keyed.sort();
        let parts: Vec<_> = keyed.into_iter().map(|(_, part)| part).collect();
        let datagrams: Vec<_> =
            parts.chunks(per_datagram).map(|parts| (High, parts.concat())).collect();
        let transcript = transcript(&datagrams);
        let events = events(&transcript, &Limits::default());
        prop_assert_eq!(events.len(), 4);
        for (event, (kind, expected)) in events.iter().zip(kinds.into_iter().zip(&bodies)) {
            let What::Message { kind: found, body, whole: true } = &event.what else {
                return Err(TestCaseError::fail("not whole"));
            };
            prop_assert_eq!((found.0, &body[..]), (kind, &expected[..]));
        }
    }

    #[test]
    fn garbage_is_no_trouble(
        datagrams in prop::collection::vec(
            (
                any::<bool>(),
                prop::sample::select(vec![20_u8, 21, 22, 23, 25, 26, 0x2c, 0x3f, 0, 1, 0x40]),
                prop::sample::select(vec![[0xfe, 0xff], [0xfe, 0xfd], [1, 0], [0, 0x17]]),
                prop::collection::vec(any::<u8>(), 0..80),
            ),
            0..20,
        ),
    ) {
        let datagrams: Vec<_> = datagrams
            .into_iter()
            .map(|(low, first, version, rest)| {
                let mut bytes = [&[first][..], &version, &[0, 0, 0, 0, 0], &rest].concat();
                if let Some(length) = bytes.get_mut(11..13) {
                    length[0] = 0;
                }
                (if low { Low } else { High }, bytes)
            })
            .collect();
        let _ = story(&datagrams);
        let (mut watch, mut transcript) = (Watch::default(), Transcript::default());
        for (side, payload) in &datagrams {
            let _ = opens(payload, 0);
            if let Some(inner) = unwrap(payload) {
                let _ = feed(&mut watch, &mut transcript, *side, inner);
            }
        }
    }
}
