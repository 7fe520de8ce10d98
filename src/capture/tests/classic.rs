//! Captures of the classic format, whole, damaged and cut.

use super::{Dribble, End, Maker, Outcome, read, read_from, small_pcap};
use crate::capture::{Error, Offset};
use crate::limits::Limits;

/// The magics that count microseconds, and those that count nanoseconds.
const PLAIN: [(u32, u64); 2] = [(0xa1b2_c3d4, 1_000), (0xa1b2_3c4d, 1)];

fn assert_two_frames(outcome: &Outcome, nanos_per_tick: u64) {
    assert!(outcome.end.is_ok(), "{outcome:?}");
    let [first, second] = &outcome.frames[..] else {
        panic!("two frames expected: {outcome:?}");
    };
    assert_eq!(first.nanos, 1_772_352_930_000_000_000 + 123_456 * nanos_per_tick);
    assert_eq!(first.bytes, b"first packet");
    assert_eq!(first.wire_len, 1_500);
    assert_eq!(first.link, 113);
    assert_eq!(second.nanos, 4_102_444_799_000_000_000 + 999_999 * nanos_per_tick);
    assert_eq!(second.bytes, b"2nd");
    assert_eq!(second.wire_len, 3);
    assert_eq!(outcome.stats.frames, 2);
    assert_eq!(outcome.stats.frame_bytes, 15);
    assert_eq!(outcome.stats.cut_frames, 1);
}

#[test]
fn every_magic_in_both_byte_orders() {
    for end in [End::Little, End::Big] {
        for (magic, nanos_per_tick) in PLAIN {
            let mut maker = Maker::new(end);
            // Two bytes of FCS are announced in the upper bits of the network field.
            maker.header(magic, 0x1400_0071);
            maker.record((1_772_352_930, 123_456), 1_500, b"first packet");
            maker.record((4_102_444_799, 999_999), 3, b"2nd");
            let outcome = read(&maker.bytes);
            assert_two_frames(&outcome, nanos_per_tick);
            assert_eq!(outcome.stats.read_bytes, maker.bytes.len() as u64);
            assert_two_frames(
                &read_from(Dribble::new(&maker.bytes), &Limits::default()),
                nanos_per_tick,
            );
        }
    }
}

#[test]
fn modified_pcap_has_longer_record_headers() {
    for end in [End::Little, End::Big] {
        let mut maker = Maker::new(end);
        maker.header(0xa1b2_cd34, 113);
        let more = [0, 0, 0, 2, 0x08, 0x00, 4, 0];
        maker.u32(1_772_352_930).u32(123_456).u32(12).u32(1_500).raw(&more).raw(b"first packet");
        maker.u32(4_102_444_799).u32(999_999).u32(3).u32(3).raw(&more).raw(b"2nd");
        assert_two_frames(&read(&maker.bytes), 1_000);
        assert_two_frames(&read_from(Dribble::new(&maker.bytes), &Limits::default()), 1_000);
    }
}

#[test]
fn lengths_beyond_the_snaplen_and_the_wire_are_believed() {
    let mut maker = Maker::new(End::Little);
    maker.header(0xa1b2_c3d4, 1);
    maker.record((1, 0), 20, &[7; 300]);
    let outcome = read(&maker.bytes);
    assert!(outcome.end.is_ok());
    assert_eq!(outcome.frames[0].bytes.len(), 300);
    assert_eq!(outcome.frames[0].wire_len, 300);
    assert_eq!(outcome.stats.cut_frames, 0);
}

#[test]
fn a_record_larger_than_the_buffer_is_delivered_whole() {
    let mut maker = Maker::new(End::Big);
    maker.header(0xa1b2_c3d4, 1);
    let large: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251).try_into().unwrap()).collect();
    maker.record((1, 0), 3_000_000, b"before");
    maker.record((2, 0), 3_000_000, &large);
    maker.record((3, 0), 3_000_000, b"behind");
    let outcome = read(&maker.bytes);
    assert!(outcome.end.is_ok());
    assert_eq!(outcome.frames[1].bytes, large);
    assert_eq!(outcome.frames[2].bytes, b"behind");
}

#[test]
fn a_length_beyond_the_limit_is_damage_with_its_offset() {
    let mut maker = Maker::new(End::Little);
    maker.header(0xa1b2_c3d4, 1).record((1, 0), 4, b"good");
    maker.u32(2).u32(0).u32(1_001).u32(60).raw(&[0; 2_000]);
    let limits = Limits { block_bytes: 1_000, ..Limits::default() };
    let outcome = read_from(std::io::Cursor::new(maker.bytes), &limits);
    assert_eq!(outcome.frames.len(), 1);
    assert!(
        matches!(outcome.end, Err(Error::Malformed { offset: Offset::File(44), .. })),
        "{outcome:?}"
    );
}

#[test]
fn a_tail_of_zeros_is_damage() {
    let (mut bytes, offsets) = small_pcap();
    let length = bytes.len() as u64;
    bytes.extend([0; 4096]);
    let outcome = read(&bytes);
    assert_eq!(outcome.frames.len(), offsets.len() - 1);
    let Err(error) = outcome.end else { panic!("no error") };
    assert_eq!(
        error.to_string(),
        format!("`x.pcap` is damaged at byte {length}: zeros stand where a packet should begin")
    );
}

#[test]
fn captures_one_behind_the_other_are_all_read() {
    let (first, offsets) = small_pcap();
    let mut second = Maker::new(End::Big);
    second.header(0xa1b2_3c4d, 101).record((9, 9), 4, b"more");
    let mut bytes = first;
    bytes.extend(&second.bytes);
    for outcome in [read(&bytes), read_from(Dribble::new(&bytes), &Limits::default())] {
        assert!(outcome.end.is_ok(), "{outcome:?}");
        assert_eq!(outcome.frames.len(), offsets.len());
        let last = outcome.frames.last().unwrap();
        assert_eq!((last.link, last.nanos), (101, 9_000_000_009));
    }
}

#[test]
fn an_empty_packet_is_a_packet() {
    let mut maker = Maker::new(End::Little);
    maker.header(0xa1b2_c3d4, 1).record((1, 0), 60, b"").record((2, 0), 0, b"");
    let outcome = read(&maker.bytes);
    assert!(outcome.end.is_ok());
    assert_eq!(outcome.frames.len(), 2);
    assert_eq!(outcome.stats.cut_frames, 1);
}

#[test]
fn other_captures_are_refused_with_a_cure() {
    for magic in [
        &b"snoop\0\0\0\0\0\0\x02"[..],
        b"GMBU\x02\0\0\0",
        b"RTSS\x01\0\0\0",
        b"iptrace 2.0",
        b"XCP\x00002.002",
        b"TRSNIFF data    \x1a",
    ] {
        let Err(error) = read(magic).end else { panic!("{magic:?}") };
        assert!(error.to_string().contains("convert it with `editcap"), "{error}");
    }
    let mut aix = Maker::new(End::Big);
    aix.u32(0xa1b2_c3d4).u16(2).u16(2).u32(0).u32(0).u32(96).u32(6);
    assert!(matches!(read(&aix.bytes).end, Err(Error::Unsupported { .. })));
    assert!(matches!(read(b"BZh91AY").end, Err(Error::Unsupported { .. })));
}

#[test]
fn what_is_no_capture_is_refused() {
    assert!(matches!(read(b"").end, Err(Error::Empty { .. })));
    for text in [&b"#"[..], b"#!/bin/sh\necho this is no capture\n", b"\n\r\r\n a strange text"] {
        let Err(error @ Error::NotACapture { .. }) = read(text).end else { panic!("{text:?}") };
        assert!(error.to_string().starts_with("`x.pcap` is no capture file (it begins with 0x"));
    }
}

#[cfg(not(feature = "compression"))]
#[test]
fn without_decompressors_a_compressed_capture_is_refused_with_a_cure() {
    for (magic, cure) in [
        (&b"\x1f\x8b\x08\x00"[..], "`gzip -d`"),
        (b"\x04\x22\x4d\x18", "`lz4 -d`"),
        (b"\xfd7zXZ\x00", "`xz -d`"),
        (b"\x28\xb5\x2f\xfd", "`zstd -d`"),
    ] {
        let Err(error @ Error::Unsupported { .. }) = read(magic).end else { panic!("{cure}") };
        assert!(error.to_string().ends_with(cure), "{error}");
    }
}
