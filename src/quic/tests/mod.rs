//! Initial packets of the RFCs' appendices, and connections made with the same keys.

#![allow(clippy::arithmetic_side_effects, reason = "numbers of a test are its own")]

mod packets;

use proptest::prelude::*;

use super::conversation::DatagramConversation;
use super::*;
use crate::clock::Timestamp;
use crate::flow::FlowEnd;
use crate::flow::datagram::{DatagramConsumer, DatagramTable, Glance};
use crate::tls::Transport;
use crate::tls::codepoint::HandshakeType;

use self::packets::{CLIENT_HELLO, Maker, SERVER_HELLO, datagram, establish, hello, hex, short};

const V1: u32 = 1;
const V2: u32 = 0x6b33_43cf;

/// The datagrams of one connection → transcripts as the table ends them.
fn watch(datagrams: &[(bool, Vec<u8>)]) -> Vec<(Transcript, FlowEnd)> {
    let mut table = DatagramTable::<DatagramConversation>::new(&Limits::default());
    let mut ended = Vec::new();
    let mut finish = |finished: crate::flow::Finished<DatagramConversation>| {
        assert_eq!(finished.consumer.transport(), Transport::Quic);
        ended.push((finished.consumer.into_transcript(), finished.end));
    };
    for ((from_client, payload), at) in datagrams.iter().zip(1..) {
        table.push(&datagram(*from_client, payload), Timestamp::from_nanos(at), &mut finish);
    }
    table.finish_all(&mut finish);
    ended
}

/// What happened, the client's in capitals: C and S hellos, L alerts, E encrypted, ? lost.
fn story(transcript: &Transcript) -> String {
    let events = events(transcript, &Limits::default());
    let letter = |event: &Event<'_>| match &event.what {
        What::Message { kind: HandshakeType::CLIENT_HELLO, whole: true, body } => {
            assert_eq!(&body[..], &CLIENT_HELLO[4..]);
            'c'
        }
        What::Message { kind: HandshakeType::SERVER_HELLO, whole: true, body } => {
            assert_eq!(&body[..], &SERVER_HELLO[4..]);
            's'
        }
        What::Message { whole: false, .. } => 'p',
        What::Alert { level: 2, description: 0x28 } => 'l',
        What::Encrypted { content_type: 0, .. } => 'e',
        What::Lost => 'x',
        What::Contradicted => '!',
        _ => '?',
    };
    let client = Side::Low;
    events
        .iter()
        .map(|event| match letter(event) {
            letter if event.side == client => letter.to_ascii_uppercase(),
            letter => letter,
        })
        .collect()
}

fn stories(datagrams: &[(bool, Vec<u8>)]) -> Vec<String> {
    watch(datagrams).iter().map(|(transcript, _)| story(transcript)).collect()
}

/// The packets of RFC 9001 appendix A and RFC 9369 appendix A, which share their contents.
#[test]
fn packets_are_those_of_the_appendices() {
    let client_id = hex("8394c8f03e515708");
    let mut frames = [hex("060040f1"), CLIENT_HELLO.to_vec()].concat();
    frames.resize(1162, 0);
    let answer = hex(
        "02000000000600405a020000560303eefce7f7b37ba1d1632e96677825ddf73988cfc79825df566dc5430b9a04\
         5a1200130100002e00330024001d00209d3c940d89690b84d08a60993c144eca684d1081287c834d5311bcf32bb9\
         da1a002b00020304",
    );
    let vectors = [
        (
            V1,
            "c300000001088394c8f03e5157080000449e00000002",
            "c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11d242b123dc9bd8ba",
            "e221af44860018ab0856972e194cd934",
            "c1000000010008f067a5502a4262b50040750001",
            "cf000000010008f067a5502a4262b5004075c0d95a482cd0991cd25b0aac406a5816b6394100f37a1c697975\
             54780bb38cc5a99f5ede4cf73c3ec2493a1839b3dbcba3f6ea46c5b7684df3548e7ddeb9c3bf9c73cc3f3bde\
             d74b562bfb19fb84022f8ef4cdd93795d77d06edbb7aaf2f58891850abbdca3d20398c276456cbc42158407d\
             d074ee",
        ),
        (
            V2,
            "d36b3343cf088394c8f03e5157080000449e00000002",
            "d76b3343cf088394c8f03e5157080000449ea0c95e82ffe67b6abcdb4298b485dd04de806071bf03",
            "a18b2faa745b6fe189cf772a9f84cbfc",
            "d16b3343cf0008f067a5502a4262b50040750001",
            "dc6b3343cf0008f067a5502a4262b5004075d92faaf16f05d8a4398c47089698baeea26b91eb761d9b89237b\
             bf87263017915358230035f7fd3945d88965cf17f9af6e16886c61bfc703106fbaf3cb4cfa52382dd16a393e\
             42757507698075b2c984c707f0a0812d8cd5a6881eaf21ceda98f4bd23f6fe1a3e2c43edd9ce7ca84bed8521\
             e2e140",
        ),
    ];
    for (version, client_header, client_start, client_tag, server_header, server) in vectors {
        let keys = InitialKeys::new(protections(version)[0], &client_id).unwrap();
        // The tag at the end vouches for every byte of the packet.
        let client = keys.client.seal(&hex(client_header), 2, &frames);
        assert_eq!(client.len(), 1200);
        assert!(client.starts_with(&hex(client_start)) && client.ends_with(&hex(client_tag)));
        let server = hex(server);
        assert_eq!(server, keys.server.seal(&hex(server_header), 1, &answer));

        let transcript = &watch(&[(true, client), (false, server)])[0].0;
        let events = events(transcript, &Limits::default());
        let [client, server] = &events[..] else { panic!("{events:?}") };
        assert_eq!((client.side, server.side), (Side::Low, Side::High));
        let messages = events.iter().map(|event| match &event.what {
            What::Message { kind, body, whole: true } => (kind.0, body.len()),
            other => panic!("{other:?}"),
        });
        assert_eq!(messages.collect::<Vec<_>>(), [(1, 0xed), (2, 0x56)]);
    }
}

#[test]
fn a_handshake_is_over_when_both_ends_have_its_keys() {
    for version in [V1, V2, 0xff00_001d, 0xff00_0017, 0xface_b002, 0x5430_3531] {
        let datagrams = establish(&Maker::new(version, b"original"));
        let ended = watch(&datagrams);
        assert_eq!(ended.len(), 1, "{version:08x}");
        assert_eq!(story(&ended[0].0), "CseE", "{version:08x}");
        assert_eq!(ended[0].1, FlowEnd::Shunted);
    }
}

#[test]
fn copies_change_nothing() {
    let once = establish(&Maker::new(V1, b"original"));
    let twice: Vec<_> = once.iter().flat_map(|packet| [packet.clone(), packet.clone()]).collect();
    assert_eq!(stories(&twice), ["CseE"]);
    // All of it again, after its end.
    let again = [once.clone(), once].concat();
    assert_eq!(stories(&again), ["CseE"]);
}

#[test]
fn frames_that_contradict_each_other_are_told() {
    let maker = Maker::new(V1, b"original");
    let mut other = CLIENT_HELLO.clone();
    other[45] ^= 1;
    let story = |second: &[u8]| {
        stories(&[(true, maker.client(0, &hello(&CLIENT_HELLO))), (true, maker.client(1, second))])
    };
    assert_eq!(story(&hello(&CLIENT_HELLO)), ["C"]);
    assert_eq!(story(&hello(&other)), ["C!"]);
}

/// A Retry of RFC 9001 §A.4 with the id `from-retry`.
fn retry() -> Vec<u8> {
    hex("ff00000001000a66726f6d2d7265747279746f6b656e04a265ba2eff4d829058fb3f0f2496ba")
}

#[test]
fn after_a_retry_the_keys_are_others() {
    let first = Maker::new(V1, b"original");
    let again = Maker::new(V1, b"from-retry").with_token(b"token");
    let mut datagrams = vec![(true, first.client(0, &hello(&CLIENT_HELLO))), (false, retry())];
    datagrams.extend(establish(&again));
    assert_eq!(stories(&datagrams), ["CseE"]);
    // The Retry itself need not have been captured.
    datagrams.remove(1);
    assert_eq!(stories(&datagrams), ["CseE"]);
    // Nor the packet before it.
    datagrams.remove(0);
    assert_eq!(stories(&datagrams), ["CseE"]);
}

#[test]
fn a_server_may_answer_in_another_version() {
    let old = Maker::new(V1, b"original");
    let new = Maker::new(V2, b"original");
    let datagrams = [
        (true, old.client(0, &hello(&CLIENT_HELLO))),
        (false, [new.server(0, &hello(&SERVER_HELLO)), new.handshake(false, 900)].concat()),
        (true, [new.client(1, &[2, 0, 0, 0, 0]), new.handshake(true, 70)].concat()),
    ];
    assert_eq!(stories(&datagrams), ["CseE"]);
}

#[test]
fn after_version_negotiation_the_client_begins_anew() {
    let datagrams = [
        // Nobody knows how a reserved version is protected; here, not at all.
        (true, [hex("c01a2a3a4a086f726967696e616c00004482"), vec![7; 1154]].concat()),
        (false, hex("80000000000008 6f726967696e616c 00000001 6b3343cf".replace(' ', "").as_str())),
    ];
    let datagrams = [&datagrams[..], &establish(&Maker::new(V1, b"another one"))].concat();
    assert_eq!(stories(&datagrams), ["CseE"]);
}

#[test]
fn connections_on_the_same_ports_are_told_apart() {
    let one = establish(&Maker::new(V1, b"original"));
    let two = establish(&Maker::new(V1, b"another one"));
    let both = [one.clone(), two.clone()].concat();
    assert_eq!(stories(&both), ["CseE", "CseE"]);
    // Also where the first is never answered, and its packets come again afterwards.
    let unanswered = [&one[..1], &two[..1], &one[..1], &two[1..]].concat();
    assert_eq!(stories(&unanswered), ["C", "CseE"]);
}

#[test]
fn dtls_on_the_same_ports_is_told_apart_too() {
    // A ClientHello as in RFC 6347 §4.2.2, its random the second argument.
    let hello = |number: u8, random: u8| {
        let body = [&[0xfe, 0xfd][..], &[random; 32], &[0, 0, 0, 2, 0xc0, 0x2f, 1, 0]].concat();
        let head = [1, 0, 0, 42, 0, number, 0, 0, 0, 0, 0, 42];
        [&[22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, number, 0, 54][..], &head, &body].concat()
    };
    // ChangeCipherSpec and Finished.
    let end = |number: u8| {
        let changed = [20, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, number, 0, 1, 1];
        let secret = [22, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 0, 0, 40];
        [&changed[..], &secret, &[9; 40]].concat()
    };
    let one = [(true, hello(0, 1)), (true, hello(1, 1)), (true, end(2)), (false, end(0))];
    let two = [(true, hello(0, 2))];
    let mut table = DatagramTable::<DatagramConversation>::new(&Limits::default());
    let mut ended = Vec::new();
    let mut finish = |finished: crate::flow::Finished<DatagramConversation>| {
        assert_eq!(finished.consumer.transport(), Transport::Udp);
        let transcript = finished.consumer.into_transcript();
        let events = conversation::events(Transport::Udp, &transcript, &Limits::default());
        ended.push((events.len(), finished.end));
    };
    // The first, copies of it, another, and a copy of the first amid that.
    for (from_client, payload) in one.iter().chain(&one[..2]).chain(&two).chain(&one[..1]) {
        table.push(&datagram(*from_client, payload), Timestamp::from_nanos(1), &mut finish);
    }
    table.finish_all(&mut finish);
    assert_eq!(ended, [(6, FlowEnd::Shunted), (1, FlowEnd::EndOfCapture)]);
}

#[test]
fn a_server_heard_before_its_client_is_read_later() {
    let mut datagrams = establish(&Maker::new(V1, b"original"));
    datagrams.swap(0, 1);
    let mut story = stories(&datagrams).remove(0).into_bytes();
    story.sort_unstable();
    assert_eq!(story, *b"CEes");
}

/// The answer to what follows a Retry, captured before that, and even before the first packet.
#[test]
fn after_a_retry_too_a_server_may_be_heard_first() {
    let first = Maker::new(V1, b"original").client(0, &hello(&CLIENT_HELLO));
    let again = Maker::new(V1, b"from-retry").with_token(b"token");
    let answer = (false, again.server(0, &hello(&SERVER_HELLO)));
    let second = (true, again.client(0, &hello(&CLIENT_HELLO)));
    let datagrams = [(true, first), (false, retry()), answer, second];
    for order in [[0, 1, 2, 3], [2, 0, 1, 3], [2, 1, 0, 3]] {
        assert_eq!(stories(&order.map(|n| datagrams[n].clone())), ["Cs"], "{order:?}");
    }
}

#[test]
fn what_waits_for_its_keys_is_bounded_and_its_loss_shows() {
    let maker = Maker::new(V1, b"original");
    let limits = Limits { quic_early_packets: 4, ..Limits::default() };
    for (acknowledgements, whole) in [(3, true), (4, false)] {
        let mut transcript = Transcript::default();
        let mut append = |side, bytes: &[u8]| {
            transcript.append(side, Kind::Quic, Timestamp::default(), bytes, &limits);
        };
        for number in 0..acknowledgements {
            append(Side::High, &maker.server(number, &[2, 0, 0, 0, 0]));
        }
        append(Side::High, &maker.server(acknowledgements, &hello(&SERVER_HELLO)));
        append(Side::Low, &maker.client(0, &hello(&CLIENT_HELLO)));
        let found = events(&transcript, &limits);
        let [_, last] = &found[..] else { panic!("{found:?}") };
        assert_eq!(matches!(last.what, What::Lost), !whole, "{found:?}");
    }
}

#[test]
fn without_the_clients_first_packet_nothing_can_be_read() {
    let datagrams = establish(&Maker::new(V1, b"original"));
    assert_eq!(stories(&datagrams[1..]), ["eEXx"]);
}

#[test]
fn a_refusal_in_the_clear_is_an_alert() {
    let maker = Maker::new(V1, b"original");
    let datagrams = [
        (true, maker.client(0, &hello(&CLIENT_HELLO))),
        (false, maker.server(0, &[0x1c, 0x41, 0x28, 0, 0])),
        (false, maker.server(1, &[0x1c, 0x41, 0x28, 0, 0])),
        // An error of the transport is none of TLS.
        (true, maker.client(1, &[0x1c, 2, 0, 0])),
    ];
    assert_eq!(stories(&datagrams), ["Cl"]);
}

#[test]
fn what_is_cut_stands_where_it_was_captured() {
    let maker = Maker::new(V1, b"original");
    let crypto = hello(&CLIENT_HELLO);
    let whole = establish(&maker);
    // All of the hello but its end, which is in a packet that was lost.
    let part = [&[6, 0, 0x40, 100][..], &crypto[4..104]].concat();
    let cut = [&[(true, maker.client(0, &part))], &whole[1..]].concat();
    assert_eq!(stories(&cut), ["PseE"]);
    // Nor do copies of what was seen move it.
    let again = (true, maker.client(1, &part));
    let cut = [&cut[..2], &[again], &cut[2..]].concat();
    assert_eq!(stories(&cut), ["PseE"]);
}

#[test]
fn what_a_packet_says_comes_in_its_order() {
    let maker = Maker::new(V1, b"original");
    let datagrams = [
        (true, maker.client(0, &hello(&CLIENT_HELLO))),
        (false, maker.server(0, &[hello(&SERVER_HELLO), hex("1c41280000")].concat())),
    ];
    assert_eq!(stories(&datagrams), ["Csl"]);
}

#[test]
fn one_direction_is_enough() {
    let datagrams = establish(&Maker::new(V1, b"original"));
    let client: Vec<_> = datagrams.into_iter().filter(|(from_client, _)| *from_client).collect();
    assert_eq!(stories(&client), ["CEE"]);
    let maker = Maker::new(V1, b"original");
    let mut data = vec![(true, maker.client(0, &hello(&CLIENT_HELLO)))];
    data.extend(
        (0..1_000_u16).map(|n| (true, [short(b"server's"), n.to_be_bytes().to_vec()].concat())),
    );
    assert_eq!(watch(&data)[0].1, FlowEnd::Shunted);
}

#[test]
fn short_packets_count_only_with_the_right_connection_id() {
    let maker = Maker::new(V1, b"original");
    let mut datagrams = vec![
        (true, maker.client(0, &hello(&CLIENT_HELLO))),
        (false, [maker.server(0, &hello(&SERVER_HELLO)), maker.handshake(false, 900)].concat()),
        (true, short(b"somebody else's")),
    ];
    assert_eq!(stories(&datagrams), ["Cse"]);
    datagrams.push((true, short(b"server's")));
    assert_eq!(stories(&datagrams), ["CseE"]);
}

#[test]
fn noise_costs_a_glance() {
    let glance = |bytes: &[u8]| DatagramConversation::glance(bytes, 0);
    // DNS, RTP, WireGuard, STUN, an empty datagram, Google's QUIC without TLS.
    for noise in [
        &[0x12, 0x34, 1, 0, 0, 1][..],
        &[0x80, 0x60, 0x12, 0x34, 0, 0, 0, 9, 1],
        &[4, 0, 0, 0, 9, 9, 9],
        &[1, 0, 0, 0, 22, 9, 9, 9, 9],
        &[0x80, 0x6a, 0x1a, 0x2a, 0x3a, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0],
        &[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42],
        &[],
        &[0xc3, b'Q', b'0', b'5', b'0', 8, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0],
    ] {
        assert_eq!(glance(noise), Glance::Nothing, "{noise:x?}");
    }
    let initial = Maker::new(V1, b"original").client(0, &hello(&CLIENT_HELLO));
    assert_eq!(glance(&initial), Glance::Opening);
    assert_eq!(glance(&initial[..600]), Glance::Nothing);
    assert_eq!(DatagramConversation::glance(&initial[..600], 600), Glance::Opening);
    assert_eq!(glance(&short(b"server's")), Glance::Later);
}

/// What a snap length leaves is read as far as it goes.
#[test]
fn a_cut_packet_is_read_without_its_tag() {
    let maker = Maker::new(V1, b"original");
    let whole = maker.client(0, &hello(&CLIENT_HELLO));
    let mut partial = 0;
    for len in 0..whole.len() {
        let cut = u32::try_from(whole.len() - len).unwrap();
        let mut table = DatagramTable::<DatagramConversation>::new(&Limits::default());
        let packet = crate::packet::Datagram { cut, ..datagram(true, &whole[..len]) };
        let mut seen = String::new();
        let mut finish = |finished: crate::flow::Finished<DatagramConversation>| {
            seen = story(finished.consumer.transcript());
        };
        table.push(&packet, Timestamp::from_nanos(1), &mut finish);
        table.finish_all(&mut finish);
        match len {
            // Where the hello ends: header, frame header, hello.
            len if len >= 19 + 4 + CLIENT_HELLO.len() => assert_eq!(seen, "C", "{len} bytes"),
            _ => assert!(matches!(&*seen, "" | "P" | "X"), "{len} bytes: {seen}"),
        }
        partial += u32::from(seen == "P");
    }
    assert!(partial > 200);
}

/// Ranges that cover `0..len` in any order, some of them twice or overlapping.
fn fragments(len: usize) -> impl Strategy<Value = Vec<(usize, usize)>> {
    let cuts = prop::collection::btree_set(1..len, 0..12);
    let more = prop::collection::vec((0..len, 0..len), 0..6);
    (cuts, more)
        .prop_map(move |(cuts, more)| {
            let starts = std::iter::once(0).chain(cuts.iter().copied());
            let ends = cuts.iter().copied().chain([len]);
            let exact = starts.zip(ends);
            exact.chain(more.into_iter().map(|(a, b)| (a.min(b), a.max(b)))).collect::<Vec<_>>()
        })
        .prop_shuffle()
}

proptest! {
    #[test]
    fn crypto_frames_in_any_order_give_the_hello(
        fragments in fragments(CLIENT_HELLO.len()),
        per_packet in 1_usize..5,
        padding in any::<bool>(),
    ) {
        let maker = Maker::new(V1, b"original");
        let packets: Vec<_> = fragments
            .chunks(per_packet)
            .zip(0..)
            .map(|(fragments, number)| {
                let mut frames = Vec::new();
                for &(start, end) in fragments {
                    let (offset, size) =
                        (u16::try_from(start).unwrap(), u16::try_from(end - start).unwrap());
                    frames.push(6);
                    frames.extend((offset | 0x4000).to_be_bytes());
                    frames.extend((size | 0x4000).to_be_bytes());
                    frames.extend(&CLIENT_HELLO[start..end]);
                    frames.extend(if padding { &[0, 0, 1][..] } else { &[] });
                }
                maker.client(number, &frames)
            })
            .collect();
        // Each packet in a datagram of its own, and all in one.
        let separate: Vec<_> = packets.iter().map(|packet| (true, packet.clone())).collect();
        prop_assert_eq!(stories(&separate), ["C"]);
        prop_assert_eq!(stories(&[(true, packets.concat())]), ["C"]);
    }

    #[test]
    fn garbage_is_no_trouble(
        datagrams in prop::collection::vec(
            (
                any::<bool>(),
                prop::sample::select(vec![0xc0_u8, 0xd0, 0xe0, 0xf0, 0x40, 0x80]),
                prop::sample::select(vec![0_u32, V1, V2, 0xface_b001, 0x5430_3530, 0x0a0a_0a0a]),
                prop::collection::vec(any::<u8>(), 0..200),
            ),
            0..20,
        ),
    ) {
        let datagrams: Vec<_> = datagrams
            .into_iter()
            .map(|(from_client, first, version, rest)| {
                (from_client, [&[first][..], &version.to_be_bytes(), &rest].concat())
            })
            .collect();
        let _ = stories(&datagrams);
        // And as if the capture had kept all of it.
        let mut transcript = Transcript::default();
        for (from_client, bytes) in &datagrams {
            let side = if *from_client { Side::Low } else { Side::High };
            transcript.append(side, Kind::Quic, Timestamp::default(), bytes, &Limits::default());
        }
        let _ = events(&transcript, &Limits::default());
    }

    #[test]
    fn frames_may_be_anything(payload in prop::collection::vec(any::<u8>(), 20..300)) {
        let maker = Maker::new(V1, b"original");
        let _ = watch(&[(true, maker.client(0, &payload)), (false, maker.server(0, &payload))])
            .iter()
            .map(|(transcript, _)| events(transcript, &Limits::default()).len())
            .sum::<usize>();
    }
}

/// Every packet of a connection cut at every byte, as if it were all there was.
#[test]
fn packets_may_end_anywhere() {
    let datagrams = establish(&Maker::new(V1, b"original"));
    for (index, (_, whole)) in datagrams.iter().enumerate() {
        for len in 0..whole.len() {
            let mut cut = datagrams.clone();
            cut[index].1.truncate(len);
            assert!(watch(&cut).len() <= 1);
        }
    }
}
