//! What is cut, offloaded, damaged or senseless.

use proptest::prelude::*;

use super::super::Layer;
use super::*;

/// Every link type that there is a decoder for.
const LINKS: [u16; 27] = [
    0, 1, 9, 12, 14, 50, 51, 101, 104, 105, 108, 109, 113, 117, 119, 127, 163, 166, 192, 204, 205,
    219, 228, 229, 239, 258, 276,
];

/// One valid frame of each kind, all with [`HELLO`] at their end.
fn valid() -> Vec<(LinkType, Vec<u8>)> {
    let udp =
        |port: u16, head: &[u8], rest: &[u8]| eth(IPV4, &udp4(4, port, &[head, rest].concat()));
    let ethernet = [
        inner(),
        eth(IPV6, &tcp6()),
        eth([0x81, 0], &[&[0, 5], &IPV4[..], &tcp4()].concat()),
        eth([0x88, 0xa8], &[&[0, 5, 0x81, 0, 0, 6], &IPV6[..], &tcp6()].concat()),
        eth([0x88, 0x47], &[&[0, 0, 0x11, 64][..], &inner()].concat()),
        eth([0x88, 0x64], &[&[0x11, 0, 0, 1, 0, 55, 0, 0x21][..], &tcp4()].concat()),
        eth([0x89, 0x09], &[&[1, 1, 0, 1, 0, 2, 8, 0][..], &tcp4()].concat()),
        eth(
            IPV4,
            &ip4(47, &[&[0x30, 0, 0x65, 0x58, 0, 0, 0, 1, 0, 0, 0, 1][..], &inner()].concat()),
        ),
        eth(
            IPV4,
            &ip4(
                47,
                &[&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 0, 0, 0, 0, 0, 0, 0][..], &inner()]
                    .concat(),
            ),
        ),
        eth(IPV4, &ip4(41, &tcp6())),
        eth(IPV6, &ip6(60, &[&[4, 0, 1, 4, 0, 0, 0, 0][..], &tcp4()].concat())),
        udp(4789, &[8, 0, 0, 0, 0, 0, 42, 0], &inner()),
        udp(6081, &[1, 0, 0x65, 0x58, 0, 0, 42, 0, 0, 0, 0, 0], &inner()),
        udp(2152, &[0x32, 255, 0, 54, 0, 0, 0, 1, 0, 1, 0, 0], &tcp4()),
        udp(5000, &[], HELLO),
    ];
    let mut frames: Vec<_> =
        ethernet.into_iter().map(|bytes| (LinkType::ETHERNET, bytes)).collect();
    frames.push((LinkType::RAW, tcp4()));
    frames.push((LinkType::NULL, [&[2, 0, 0, 0][..], &tcp4()].concat()));
    frames.push((LinkType::LINUX_SLL, [&[0; 14][..], &IPV4, &tcp4()].concat()));
    frames.extend(envelope::valid());
    frames.push((LinkType::LINUX_SLL2, [&IPV4[..], &[0; 18], &tcp4()].concat()));
    frames
}

#[test]
fn every_valid_frame_is_decoded_whole() {
    for (link, bytes) in valid() {
        let seen = decode(link, &bytes).unwrap();
        assert_eq!((&seen.payload[..], seen.cut), (HELLO, 0));
    }
}

#[test]
fn a_frame_cut_at_any_byte_says_what_is_missing_or_which_header_is_not_whole() {
    for (link, bytes) in valid() {
        let header = bytes.len() - HELLO.len();
        for length in 0..bytes.len() {
            let mut frame = frame(link, &bytes);
            frame.bytes = &bytes[..length];
            let result = feed(&mut Decoder::new(&Limits::default()), &frame);
            match result {
                Ok(seen) if seen.payload.len() + seen.cut as usize == HELLO.len() => {
                    assert!(length >= header);
                    assert_eq!(seen.payload, HELLO[..length - header]);
                }
                // A tunnel's UDP datagram, when its header is not whole.
                Ok(seen) => assert_eq!(seen.kind, "udp"),
                Err(skip) => {
                    assert!(length < header, "{skip:?} at {length} of {header}");
                    assert!(matches!(skip, Skip::Truncated(_)), "{skip:?} at {length}");
                }
            }
        }
    }
}

#[test]
fn a_frame_that_ends_in_a_header_without_being_cut_is_malformed() {
    for (link, bytes) in valid() {
        for length in 0..bytes.len() - HELLO.len() {
            if let Err(skip) = decode(link, &bytes[..length]) {
                assert!(matches!(skip, Skip::Malformed(_) | Skip::NotIp), "{skip:?} at {length}");
            }
        }
    }
}

#[test]
fn a_length_beyond_the_wire_is_not_believed() {
    for (mut bytes, at) in [(inner(), 16), (eth(IPV6, &tcp6()), 18)] {
        bytes[at] = 0x70;
        assert_hello(&ethernet(&bytes));
        // Nor is one that the snaplen cut: what the wire had is known.
        let mut frame = frame(LinkType::ETHERNET, &bytes);
        frame.bytes = &bytes[..bytes.len() - 4];
        let seen = feed(&mut Decoder::new(&Limits::default()), &frame).unwrap();
        assert_eq!((&seen.payload[..], seen.cut), (&HELLO[..6], 4));
    }
}

#[test]
fn a_wire_length_below_the_capture_is_not_believed() {
    let bytes = inner();
    let mut frame = frame(LinkType::ETHERNET, &bytes);
    frame.wire_len = 20;
    assert_hello(&feed(&mut Decoder::new(&Limits::default()), &frame));
}

#[test]
fn offloaded_segments_without_a_length_take_what_is_there() {
    let mut large = inner();
    large[16..18].fill(0);
    large.extend(vec![7; 64_000]);
    let mut large6 = eth(IPV6, &tcp6());
    large6[18..20].fill(0);
    large6.extend(vec![7; 90_000]);
    for (bytes, length) in [(large, 64_000), (large6, 90_000)] {
        let seen = ethernet(&bytes).unwrap();
        assert_eq!((seen.payload.len(), seen.cut), (HELLO.len() + length, 0));
    }
    // UDP with neither length.
    let mut datagram = eth(IPV4, &udp4(1, 2, HELLO));
    datagram[16..18].fill(0);
    datagram[38..40].fill(0);
    assert_eq!(ethernet(&datagram).unwrap().payload, HELLO);
}

#[test]
fn a_jumbogram_says_its_length_in_an_option() {
    let payload = [&tcp6()[40..], &vec![7; 70_000]].concat();
    let length = u32::try_from(payload.len() + 16).unwrap().to_be_bytes();
    let options = [&[6, 1, 0, 1, 0, 5, 2, 0, 0][..], &[0xc2, 4], &length, &[0]].concat();
    let mut bytes = eth(IPV6, &[&tcp6()[..40], &options, &payload, &[0; 9]].concat());
    bytes[18..21].fill(0);
    let seen = ethernet(&bytes).unwrap();
    assert_eq!(seen.payload.len(), HELLO.len() + 70_000);
}

#[test]
fn wrong_checksums_are_accepted() {
    let mut bytes = inner();
    for at in [24, 25, 50, 51] {
        bytes[at] ^= 0xff;
    }
    assert_hello(&ethernet(&bytes));
}

#[test]
fn ipv4_options_are_stepped_over() {
    let mut packet = tcp4();
    packet[0] = 0x46;
    packet[3] += 4;
    packet.splice(20..20, [7, 3, 4, 0]);
    assert_hello(&ethernet(&eth(IPV4, &packet)));
}

#[test]
fn contradictions_are_named_by_their_layer() {
    let change = |at: usize, value: u8| {
        let mut bytes = inner();
        bytes[at] = value;
        ethernet(&bytes)
    };
    let malformed = |layer| Err(Skip::Malformed(layer));
    // Version, header length, total length below the header, TCP's data offset.
    assert_eq!(change(14, 0x55), malformed(Layer::Ip));
    assert_eq!(change(14, 0x44), malformed(Layer::Ip));
    assert_eq!(change(17, 19), malformed(Layer::Ip));
    assert_eq!(change(46, 0x40), malformed(Layer::Transport));
    assert_eq!(change(46, 0xf0), malformed(Layer::Transport));
    assert_eq!(change(23, 1), Err(Skip::NotTcpOrUdp));
    let mut datagram = eth(IPV4, &udp4(1, 2, HELLO));
    datagram[39] = 7;
    assert_eq!(ethernet(&datagram), malformed(Layer::Transport));
    assert_eq!(ethernet(&eth([0x88, 0x64], &[0x21; 60])), malformed(Layer::Link));
}

/// The way of the usual frame switched off.
fn general(frame: &Frame<'_>) -> Result<Seen, Skip> {
    let mut seen = None;
    let mut decoder = Decoder::new(&Limits::default());
    decoder.decode_unusual(frame, &mut |packet| seen = Some(Seen::of(packet)))?;
    Ok(seen.unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn garbage_of_any_link_type_does_no_harm(
        link in proptest::sample::select(&LINKS),
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        wire in 0_u32..100_000,
    ) {
        let mut frame = frame(LinkType(link), &bytes);
        frame.wire_len = wire;
        let _ = feed(&mut Decoder::new(&Limits::default()), &frame);
    }

    #[test]
    fn damaged_frames_do_no_harm_and_both_ways_agree(
        which in any::<prop::sample::Index>(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        keep in any::<prop::sample::Index>(),
        beyond in 0_u32..4,
    ) {
        let frames = valid();
        let (link, mut bytes) = which.get(&frames).clone();
        let wire = u32::try_from(bytes.len()).unwrap();
        for (at, value) in damage {
            *at.get_mut(&mut bytes) = value;
        }
        if beyond == 0 {
            bytes.truncate(keep.index(bytes.len()));
        }
        let frame = Frame { wire_len: wire + beyond, ..frame(link, &bytes) };
        let quick = feed(&mut Decoder::new(&Limits::default()), &frame);
        prop_assert_eq!(quick, general(&frame));
    }

    #[test]
    fn headers_of_every_kind_stacked_at_random_do_no_harm(
        kinds in proptest::collection::vec(0_usize..12, 0..40),
        tail in proptest::collection::vec(any::<u8>(), 0..60),
    ) {
        // Each of these says that another of the same list may follow.
        let heads: [&[u8]; 12] = [
            &[0x81, 0, 0, 5], &[0x88, 0x47, 0, 0, 0x11, 64], &[8, 0], &[0x86, 0xdd],
            &[0x45, 0, 0, 0, 0, 0, 0, 0, 9, 4, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8],
            &[0x45, 0, 0, 0, 0, 0, 0, 0, 9, 47, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8],
            &[0x45, 0, 0, 0, 0, 0, 0, 0, 9, 17, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8],
            &[0, 1, 0x12, 0xb5, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 42, 0],
            &[0, 0, 0x65, 0x58], &[1; 12], &[0x88, 0x64, 0x11, 0, 0, 1, 0, 99, 0, 0x21],
            &[0x45, 0, 0, 0, 0, 9, 0x20, 0, 9, 4, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8],
        ];
        let mut bytes = vec![1; 12];
        for kind in kinds {
            bytes.extend(heads[kind]);
        }
        bytes.extend(tail);
        let _ = ethernet(&bytes);
    }
}
