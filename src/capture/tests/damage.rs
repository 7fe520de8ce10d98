//! Damaged captures: cut at any byte, flipped bits, garbage, a read that fails; each ends in order.

use std::io::Cursor;

use proptest::prelude::*;

use super::{Dribble, Outcome, offset, proptest_config, read, read_from, small_pcap, small_pcapng};
use crate::capture::{Error, Offset};
use crate::limits::Limits;

/// All frames before the cut, then an error that names where the record begins that is not whole.
fn assert_cut(outcome: &Outcome, boundaries: &[usize], ends: &[usize], cut: usize) {
    let whole = ends.iter().filter(|end| **end <= cut).count();
    assert_eq!(outcome.frames.len(), whole, "cut at {cut}");
    if boundaries.contains(&cut) && cut > 0 {
        assert!(outcome.end.is_ok(), "cut at {cut}: {outcome:?}");
        return;
    }
    let Err(error) = &outcome.end else { panic!("no error, cut at {cut}") };
    match cut {
        0 => assert!(matches!(error, Error::Empty { .. })),
        // That little could be anything.
        1..4 => assert!(matches!(error, Error::NotACapture { .. })),
        _ => {
            let begin = boundaries.iter().rfind(|begin| **begin <= cut).copied().unwrap_or(0);
            assert_eq!(offset(error), Some(Offset::File(begin as u64)), "cut at {cut}");
            assert!(matches!(error, Error::Truncated { .. }), "cut at {cut}: {error}");
        }
    }
}

#[test]
fn a_pcap_cut_at_every_byte_gives_the_frames_before() {
    let (bytes, offsets) = small_pcap();
    let ends = &offsets[1..];
    for cut in 0..=bytes.len() {
        assert_cut(&read(&bytes[..cut]), &offsets, ends, cut);
        let dribbled = read_from(Dribble::new(&bytes[..cut]), &Limits::default());
        assert_cut(&dribbled, &offsets, ends, cut);
    }
}

#[test]
fn a_pcapng_cut_at_every_byte_gives_the_frames_before() {
    let (bytes, blocks, packets) = small_pcapng();
    for cut in 0..=bytes.len() {
        assert_cut(&read(&bytes[..cut]), &blocks, &packets, cut);
        let dribbled = read_from(Dribble::new(&bytes[..cut]), &Limits::default());
        assert_cut(&dribbled, &blocks, &packets, cut);
    }
}

#[test]
fn the_message_says_what_is_cut_and_where() {
    let (bytes, _) = small_pcap();
    let Err(error) = read(&bytes[..100]).end else { panic!("no error") };
    assert_eq!(error.to_string(), "`x.pcap` is cut short at byte 80, in the middle of a packet");
}

#[test]
fn a_failing_read_is_reported_behind_the_frames_before_it() {
    struct Failing(Cursor<Vec<u8>>);
    impl std::io::Read for Failing {
        fn read(&mut self, space: &mut [u8]) -> std::io::Result<usize> {
            match self.0.read(space)? {
                0 => Err(std::io::Error::other("the disk is gone")),
                count => Ok(count),
            }
        }
    }
    let (bytes, _) = small_pcap();
    let outcome = read_from(Failing(Cursor::new(bytes[..100].to_vec())), &Limits::default());
    assert_eq!(outcome.frames.len(), 1);
    let Err(error) = outcome.end else { panic!("no error") };
    assert_eq!(error.to_string(), "cannot read `x.pcap` beyond byte 100: the disk is gone");
}

/// Bits of a sound capture turned over.
fn flipped(bytes: &[u8], flips: &[(usize, u8)]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for (at, bit) in flips {
        let at = at % bytes.len();
        bytes[at] ^= 1 << (bit % 8);
    }
    bytes
}

/// No more frames than there is room for, and no more bytes than there are.
fn assert_bounded(bytes: &[u8]) {
    let outcome = read(bytes);
    let sum: usize = outcome.frames.iter().map(|frame| frame.bytes.len()).sum();
    assert!(sum <= bytes.len());
    assert!(outcome.frames.len() <= bytes.len() / 16);
    let dribbled = read_from(Dribble::new(bytes), &Limits::default());
    assert_eq!(outcome.frames, dribbled.frames);
    assert_eq!(
        outcome.end.map_err(|error| error.to_string()),
        dribbled.end.map_err(|error| error.to_string())
    );
}

proptest! {
    #![proptest_config(proptest_config())]

    #[test]
    fn flipped_bits_in_pcap_end_in_order(
        flips in prop::collection::vec((any::<usize>(), any::<u8>()), 1..8),
    ) {
        assert_bounded(&flipped(&small_pcap().0, &flips));
    }

    #[test]
    fn flipped_bits_in_pcapng_end_in_order(
        flips in prop::collection::vec((any::<usize>(), any::<u8>()), 1..8),
    ) {
        assert_bounded(&flipped(&small_pcapng().0, &flips));
    }

    #[test]
    fn garbage_behind_a_magic_ends_in_order(
        magic in prop::sample::select(&[
            [0xd4, 0xc3, 0xb2, 0xa1],
            [0xa1, 0xb2, 0xc3, 0xd4],
            [0x4d, 0x3c, 0xb2, 0xa1],
            [0xa1, 0xb2, 0xcd, 0x34],
            [0x0a, 0x0d, 0x0d, 0x0a],
        ][..]),
        garbage in prop::collection::vec(prop_oneof![Just(0_u8), any::<u8>()], 0..512),
    ) {
        assert_bounded(&[&magic[..], &garbage].concat());
    }
}
