//! Datagrams in fragments.

use std::time::Duration;

use proptest::prelude::*;

use super::super::Layer;
use super::*;

/// A fragment of `payload`: the byte where it begins, and its bytes.
type Piece<'a> = (usize, &'a [u8]);

/// IPv4 with the fragment `piece` of a datagram of `protocol`.
fn fragment4(id: u16, protocol: u8, (offset, bytes): Piece<'_>, more: bool) -> Vec<u8> {
    let mut packet = ip4(protocol, bytes);
    packet[4..6].copy_from_slice(&id.to_be_bytes());
    let field = u16::try_from(offset / 8).unwrap() | if more { 0x2000 } else { 0 };
    packet[6..8].copy_from_slice(&field.to_be_bytes());
    packet
}

/// IPv6 with the fragment `piece` of a datagram that begins with `next`.
fn fragment6(id: u32, next: u8, (offset, bytes): Piece<'_>, more: bool) -> Vec<u8> {
    let field = u16::try_from(offset).unwrap() | u16::from(more);
    let head = [&[next, 0][..], &field.to_be_bytes(), &id.to_be_bytes()].concat();
    ip6(44, &[&head[..], bytes].concat())
}

/// A UDP datagram's header and `length` bytes that differ from each other.
fn datagram(length: usize) -> Vec<u8> {
    let bytes: Vec<u8> = (0..length).map(|at| u8::try_from(at * 7 % 251).unwrap()).collect();
    udp4(1000, 2000, &bytes)[20..].to_vec()
}

fn raw(bytes: &[u8]) -> Frame<'_> {
    frame(LinkType::RAW, bytes)
}

fn decoder() -> Decoder {
    Decoder::new(&Limits::default())
}

/// The packets that come out of `frames`, all of one decoder.
fn all(decoder: &mut Decoder, frames: &[Vec<u8>]) -> Vec<Seen> {
    frames.iter().filter_map(|bytes| feed(decoder, &raw(bytes)).ok()).collect()
}

/// Frames that are counted as fragments of datagrams that came together, or may yet, and of others.
fn held_and_lost(decoder: &Decoder) -> (u64, u64) {
    let stats = decoder.stats();
    (stats.skipped(Skip::FragmentHeld), stats.skipped(Skip::FragmentLost))
}

#[test]
fn two_fragments_in_both_orders() {
    let whole = datagram(100);
    let (head, tail) = whole.split_at(48);
    for make in
        [|piece, more| fragment4(9, 17, piece, more), |piece, more| fragment6(9, 17, piece, more)]
    {
        let (first, second) = (make((0, head), true), make((48, tail), false));
        for order in [[&first, &second], [&second, &first]] {
            let mut decoder = decoder();
            assert_eq!(feed(&mut decoder, &raw(order[0])), Err(Skip::FragmentHeld));
            let seen = feed(&mut decoder, &raw(order[1])).unwrap();
            assert_eq!((&seen.payload[..], seen.source.port, seen.cut), (&whole[8..], 1000, 0));
            decoder.finish();
            assert_eq!((decoder.stats().reassembled, decoder.fragment_bytes()), (1, 0));
        }
    }
}

#[test]
fn the_first_fragment_says_what_an_ipv6_datagram_is() {
    let whole = datagram(100);
    let mut decoder = decoder();
    let frames =
        [fragment6(9, 58, (48, &whole[48..]), false), fragment6(9, 17, (0, &whole[..48]), true)];
    assert_eq!(all(&mut decoder, &frames)[0].payload, whole[8..]);
}

#[test]
fn datagrams_that_differ_in_any_part_of_their_identity_do_not_mix() {
    let (one, two) = (datagram(100), datagram(200));
    let mut decoder = decoder();
    let frames = [
        fragment4(9, 17, (0, &one[..48]), true),
        fragment4(10, 17, (0, &two[..48]), true),
        fragment4(9, 6, (0, &two[..48]), true),
        fragment6(9, 17, (0, &two[..48]), true),
        fragment4(10, 17, (48, &two[48..]), false),
        fragment4(9, 17, (48, &one[48..]), false),
        fragment6(9, 17, (48, &two[48..]), false),
    ];
    let seen = all(&mut decoder, &frames);
    let payloads: Vec<_> = seen.iter().map(|seen| &seen.payload[..]).collect();
    assert_eq!(payloads, [&two[8..], &one[8..], &two[8..]]);
    // Nor do those of different VLANs.
    let tagged = |id: u8, bytes: &[u8]| eth([0x81, 0], &[&[0, id], &IPV4[..], bytes].concat());
    let head = tagged(1, &fragment4(1, 17, (0, &one[..48]), true));
    let tail = tagged(2, &fragment4(1, 17, (48, &one[48..]), false));
    assert_eq!(feed(&mut decoder, &frame(LinkType::ETHERNET, &head)), Err(Skip::FragmentHeld));
    assert_eq!(feed(&mut decoder, &frame(LinkType::ETHERNET, &tail)), Err(Skip::FragmentHeld));
}

#[test]
fn fragments_within_fragments() {
    // A VXLAN datagram in fragments, of which each carries one of the inner packet's.
    let whole = datagram(600);
    let mut decoder = decoder();
    let mut seen = Vec::new();
    for (id, piece, more) in [(1, (0, &whole[..304]), true), (2, (304, &whole[304..]), false)] {
        let head = [8, 0, 0, 0, 0, 0, 42, 0];
        let frame = [&head[..], &eth(IPV4, &fragment4(77, 17, piece, more))].concat();
        let outer = udp4(40_000, 4789, &frame)[20..].to_vec();
        let (a, b) = outer.split_at(160);
        seen.extend(all(&mut decoder, &[fragment4(id, 17, (0, a), true)]));
        seen.extend(all(&mut decoder, &[fragment4(id, 17, (160, b), false)]));
    }
    assert_eq!(seen.len(), 1);
    assert_eq!((&seen[0].payload[..], seen[0].tunnels()), (&whole[8..], vec!["vxlan"]));
    assert_eq!((decoder.stats().reassembled, decoder.stats().fragments), (3, 6));
}

#[test]
fn of_overlaps_the_first_wins_and_contradictions_are_told() {
    let whole = datagram(100);
    for (bytes, told) in [(vec![0xee; 56], true), (whole[24..80].to_vec(), false)] {
        for make in [
            |piece: Piece<'_>, more| fragment4(9, 17, piece, more),
            |piece: Piece<'_>, more| fragment6(9, 17, piece, more),
        ] {
            let frames = [
                make((0, &whole[..48]), true),
                make((24, &bytes), true),
                make((48, &whole[48..]), false),
                make((0, &whole[..48]), true),
            ];
            let mut decoder = decoder();
            let seen = all(&mut decoder, &frames);
            // 24..48 was there; 48..80 was not.
            let mut expected = whole.clone();
            expected[48..80].copy_from_slice(&bytes[24..]);
            assert_eq!(seen.len(), 1);
            assert_eq!((&seen[0].payload[..], seen[0].layers.contradicted), (&expected[8..], told));
            let stats = *decoder.stats();
            assert_eq!((stats.fragments_overlapping, stats.fragments_duplicate), (2, 1));
        }
    }
}

/// A whole copy in front of the real one, made for us alone, is no reason not to read the real one.
#[test]
fn a_fragment_that_contradicts_a_complete_datagram_makes_another_once() {
    let (whole, lie) = (datagram(100), [&datagram(100)[..8], &[0xee; 100]].concat());
    let later = |bytes: &[u8]| [bytes[..8].to_vec(), vec![0xdd; 40]].concat();
    for make in [
        |piece: Piece<'_>, more| fragment4(9, 17, piece, more),
        |piece: Piece<'_>, more| fragment6(9, 17, piece, more),
    ] {
        let mut decoder = decoder();
        let frames = [
            make((0, &lie[..48]), true),
            make((48, &lie[48..]), false),
            make((0, &lie[..48]), true),
            make((0, &whole[..48]), true),
            make((48, &whole[48..]), false),
            make((0, &later(&whole)), true),
        ];
        let seen = all(&mut decoder, &frames);
        let both = [&whole[8..48], &lie[48..]].concat();
        let told: Vec<_> =
            seen.iter().map(|seen| (&seen.payload[..], seen.layers.contradicted)).collect();
        assert_eq!(told, [(&lie[8..], false), (&both[..], true)]);
        assert_eq!(decoder.fragment_bytes(), 0);
        // One that ends elsewhere: whole at once, or with a hole that is waited for.
        for (start, count) in [(104, 2), (112, 1)] {
            let longer = [
                make((0, &lie[..48]), true),
                make((48, &lie[48..]), false),
                make((start, &[7; 16]), false),
            ];
            assert_eq!(all(&mut Decoder::new(&Limits::default()), &longer).len(), count);
        }
        let shorter = [
            make((0, &lie[..48]), true),
            make((48, &lie[48..]), false),
            make((40, &lie[40..56]), false),
        ];
        let seen = all(&mut Decoder::new(&Limits::default()), &shorter);
        let told: Vec<_> = seen.iter().map(|seen| seen.layers.contradicted).collect();
        assert_eq!(told, [false, true]);
        assert_eq!((&seen[1].payload[..], seen[1].cut), (&lie[8..56], 0));
    }
}

#[test]
fn two_ends_contradict_each_other() {
    let whole = datagram(100);
    for last in [(48, &whole[48..80]), (104, &whole[..4])] {
        let mut decoder = decoder();
        let frames = [
            fragment4(9, 17, (48, &whole[48..]), false),
            fragment4(9, 17, last, false),
            fragment4(9, 17, (0, &whole[..48]), true),
        ];
        let seen = all(&mut decoder, &frames);
        assert_eq!((&seen[0].payload[..], seen[0].layers.contradicted), (&whole[8..], true));
        assert_eq!(decoder.stats().fragments_overlapping, 1);
    }
}

#[test]
fn copies_are_ignored_while_waiting_and_just_after() {
    let whole = datagram(100);
    let frames: Vec<_> = [(0, &whole[..48], true), (48, &whole[48..], false)]
        .into_iter()
        .flat_map(|(offset, bytes, more)| {
            let fragment = fragment6(9, 17, (offset, bytes), more);
            [fragment.clone(), fragment]
        })
        .collect();
    let mut decoder = decoder();
    assert_eq!(all(&mut decoder, &frames).len(), 1);
    let stats = *decoder.stats();
    assert_eq!((stats.fragments_duplicate, stats.fragments_overlapping), (2, 0));
    // The id comes again a little later.
    let mut again = raw(&frames[0]);
    again.timestamp = again.timestamp.plus(Duration::from_secs(1));
    assert_eq!(feed(&mut decoder, &again), Err(Skip::FragmentHeld));
    again.bytes = &frames[2];
    assert!(feed(&mut decoder, &again).is_ok());
}

#[test]
fn what_waits_for_too_long_is_given_up() {
    let whole = datagram(100);
    let mut decoder = decoder();
    let (first, second) =
        (fragment4(9, 17, (0, &whole[..48]), true), fragment4(9, 17, (48, &whole[48..]), false));
    let mut late = raw(&second);
    late.timestamp = late.timestamp.plus(Duration::from_secs(61));
    assert_eq!(feed(&mut decoder, &raw(&first)), Err(Skip::FragmentHeld));
    assert_eq!(feed(&mut decoder, &late), Err(Skip::FragmentHeld));
    assert_eq!(decoder.stats().fragments_expired, 1);
    assert_eq!(held_and_lost(&decoder), (1, 1));
    decoder.finish();
    assert_eq!((decoder.stats().fragments_expired, decoder.fragment_bytes()), (2, 0));
    assert_eq!(held_and_lost(&decoder), (0, 2));
}

#[test]
fn impossible_fragments_are_refused() {
    let malformed = Err(Skip::Malformed(Layer::Ip));
    for bytes in [
        fragment4(9, 17, (0, &[]), true),
        fragment4(9, 17, (8, &[]), false),
        fragment4(9, 17, (0, &[1; 20]), true),
        fragment4(9, 17, (65_528, &[1; 8]), false),
        fragment6(9, 17, (0, &[1; 20]), true),
        fragment6(9, 17, (65_528, &[1; 8]), false),
    ] {
        let mut decoder = decoder();
        assert_eq!(feed(&mut decoder, &raw(&bytes)), malformed);
        assert_eq!(decoder.fragment_bytes(), 0);
    }
}

#[test]
fn a_fragment_cut_by_the_snaplen_leaves_a_known_gap() {
    let whole = datagram(192);
    let pieces = [(0, 80), (80, 160), (160, 200)];
    for cut_piece in 0..3 {
        let mut decoder = decoder();
        let mut out = None;
        for (at, (start, end)) in pieces.into_iter().enumerate() {
            let bytes = fragment4(9, 17, (start, &whole[start..end]), end < 200);
            let mut frame = raw(&bytes);
            if at == cut_piece {
                frame.bytes = &bytes[..bytes.len() - 24];
            }
            out = feed(&mut decoder, &frame).ok();
        }
        let seen = out.unwrap();
        let kept = pieces[cut_piece].1 - 24;
        assert_eq!((&seen.payload[..], seen.cut as usize), (&whole[8..kept], 200 - kept));
    }
}

#[test]
fn a_flood_stays_within_the_bounds_and_costs_the_oldest() {
    let limits = Limits { fragment_bytes: 64 << 10, fragment_datagrams: 50, ..Limits::default() };
    let mut decoder = Decoder::new(&limits);
    for id in 0..5_000_u16 {
        // Many small ones, and few that are large.
        let length = if id % 7 == 0 { 32_000 } else { 16 };
        let bytes = fragment4(id, 17, (8, &vec![1; length]), true);
        let result = feed(&mut decoder, &raw(&bytes));
        assert_eq!(result, Err(Skip::FragmentHeld));
        assert!(decoder.fragment_bytes() <= limits.fragment_bytes);
    }
    assert!(decoder.stats().fragments_evicted > 4_900);
    let (held, lost) = held_and_lost(&decoder);
    assert_eq!((held + lost, lost), (5_000, decoder.stats().fragments_evicted));
    decoder.finish();
    assert_eq!(held_and_lost(&decoder), (0, 5_000));
    // More than the bound by itself.
    let limits = Limits { fragment_bytes: 1_000, ..limits };
    let mut decoder = Decoder::new(&limits);
    let bytes = fragment4(1, 17, (8, &[1; 2_000]), true);
    assert_eq!(feed(&mut decoder, &raw(&bytes)), Err(Skip::FragmentLost));
    assert_eq!((decoder.fragment_bytes(), decoder.stats().fragments_evicted), (0, 1));
    assert_eq!(held_and_lost(&decoder), (0, 1));
}

/// Of a flood of first fragments, one a second, each of these bounds keeps the last two. The counter that
/// the table of bounds names has all others.
#[test]
fn each_bound_is_counted_where_the_table_says() {
    let wide = Limits { fragment_wait: Duration::MAX, ..Limits::default() };
    for (bound, limits) in [
        ("fragment_bytes", Limits { fragment_bytes: 700, ..wide.clone() }),
        ("fragment_datagrams", Limits { fragment_datagrams: 2, ..wide.clone() }),
        ("fragment_wait", Limits { fragment_wait: Duration::from_secs(1), ..wide }),
    ] {
        let row = format!("//! | `{bound}` | `packets.skipped.fragment_lost` |\n");
        assert!(include_str!("../../limits.rs").contains(&row), "{row}");
        let mut decoder = Decoder::new(&limits);
        for id in 0..100 {
            let bytes = fragment4(id, 17, (0, &[0; 8]), true);
            let mut frame = raw(&bytes);
            frame.timestamp = frame.timestamp.plus(Duration::from_secs(id.into()));
            assert_eq!(feed(&mut decoder, &frame), Err(Skip::FragmentHeld));
        }
        assert_eq!(held_and_lost(&decoder), (2, 98), "{bound}");
    }
}

#[test]
fn only_fragments_that_were_put_together_stay_held() {
    let whole = datagram(100);
    let first = fragment4(9, 17, (0, &whole[..48]), true);
    let mut decoder = decoder();
    // One that is put together; of the other come three of which two are copies, and no end.
    let frames = [first.clone(), fragment4(9, 17, (48, &whole[48..]), false)];
    assert_eq!(all(&mut decoder, &frames).len(), 1);
    let other = fragment4(10, 17, (0, &whole[..48]), true);
    assert!(all(&mut decoder, &[other.clone(), other.clone(), other]).is_empty());
    assert_eq!(held_and_lost(&decoder), (4, 0));
    decoder.finish();
    assert_eq!(held_and_lost(&decoder), (1, 3));
    // What was counted for the file before is taken from no other reason of this one.
    assert!(feed(&mut decoder, &raw(&first)).is_err());
    decoder.take_stats();
    decoder.finish();
    assert_eq!(held_and_lost(&decoder), (0, 0));
    assert_eq!(decoder.stats().frames(), 0);
}

#[test]
fn a_flood_of_whole_datagrams_does_not_pile_up() {
    let mut decoder = decoder();
    let whole = datagram(24);
    // One that waits throughout, so that the queue's front never moves.
    assert!(feed(&mut decoder, &raw(&fragment4(1, 6, (0, &whole[..8]), true))).is_err());
    for round in 0..40_000_u32 {
        let first = fragment6(round, 17, (0, &whole[..16]), true);
        let second = fragment6(round, 17, (16, &whole[16..]), false);
        assert_eq!(all(&mut decoder, &[first, second]).len(), 1);
    }
    assert!(decoder.fragment_entries() <= Limits::default().fragment_datagrams + 100);
}

/// A datagram's fragments in eight-byte steps at random, shuffled, with some twice.
fn pieces() -> impl Strategy<Value = (Vec<u8>, Vec<(usize, usize)>)> {
    (1_usize..1_500, proptest::collection::vec(any::<prop::sample::Index>(), 0..12)).prop_flat_map(
        |(length, cuts)| {
            let whole = datagram(length);
            let end = whole.len();
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(end) / 8 * 8).collect();
            at.extend([0, 8.min(end - 1) / 8 * 8, end]);
            at.sort_unstable();
            at.dedup();
            let mut pieces: Vec<_> = at.windows(2).map(|pair| (pair[0], pair[1])).collect();
            pieces.extend(pieces.clone().into_iter().step_by(3));
            (Just(whole), Just(pieces).prop_shuffle())
        },
    )
}

proptest! {
    #[test]
    fn any_fragments_in_any_order_give_the_datagram_once((whole, pieces) in pieces()) {
        for version in [4, 6] {
            let mut decoder = decoder();
            let frames: Vec<_> = pieces
                .iter()
                .map(|&(start, end)| {
                    let (piece, more) = ((start, &whole[start..end]), end < whole.len());
                    if version == 4 { fragment4(3, 17, piece, more) } else { fragment6(3, 17, piece, more) }
                })
                .collect();
            let seen = all(&mut decoder, &frames);
            prop_assert_eq!(seen.len(), 1);
            prop_assert_eq!(&seen[0].payload[..], &whole[8..]);
            prop_assert_eq!(decoder.stats().fragments_overlapping, 0);
            prop_assert!(!seen[0].layers.contradicted);
            decoder.finish();
            prop_assert_eq!(decoder.fragment_bytes(), 0);
        }
    }

    #[test]
    fn overlapping_pieces_in_ipv4_never_change_what_came_first(
        pieces in proptest::collection::vec((0_usize..60, 1_usize..40, any::<u8>()), 1..40)
    ) {
        let mut decoder = decoder();
        let mut model: Vec<Option<u8>> = vec![None; 1_024];
        model[..8].copy_from_slice(&[0, 1, 0, 2, 4, 0, 0, 0].map(Some));
        let mut frames = vec![fragment4(3, 17, (0, &[0, 1, 0, 2, 4, 0, 0, 0]), true)];
        for (start, length, byte) in pieces {
            let (start, length) = (8 + start * 8, length * 8);
            frames.push(fragment4(3, 17, (start, &vec![byte; length]), true));
            for slot in &mut model[start..start + length] {
                slot.get_or_insert(byte);
            }
        }
        // What is still missing, and the end.
        for at in (0..1_024).step_by(8) {
            if model[at].is_none() || at == 1_016 {
                frames.push(fragment4(3, 17, (at, &[0x55; 8]), at != 1_016));
            }
        }
        let seen = all(&mut decoder, &frames);
        let expected: Vec<u8> = model.iter().map(|byte| byte.unwrap_or(0x55)).collect();
        prop_assert_eq!(seen.len(), 1);
        prop_assert_eq!(&seen[0].payload[..], &expected[8..]);
    }
}
