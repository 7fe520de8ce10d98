//! pcapng: sections, interfaces, resolutions, old and unknown blocks, contradictions, short reads.

use super::{Dribble, End, Maker, read, read_from, small_pcapng};
use crate::capture::{Error, Offset};
use crate::limits::Limits;

const IF_TSRESOL: u16 = 9;
const IF_TSOFFSET: u16 = 14;

/// A section with one Ethernet interface.
fn section(end: End) -> Maker {
    let mut maker = Maker::new(end);
    maker.section(end).interface(1, |_| {});
    maker
}

#[test]
fn sections_have_their_own_order_interfaces_and_clocks() {
    let mut maker = Maker::new(End::Little);
    maker.section(End::Little);
    maker.interface(1, |_| {});
    maker.interface(101, |options| {
        options.option(2, b"eth7").option(IF_TSRESOL, &[9]);
    });
    maker.packet(0, 1_700_000_000_123_456, 60, b"micro");
    maker.packet(1, 1_700_000_000_123_456_789, 60, b"nano");
    maker.section(End::Big);
    maker.interface(113, |options| {
        options.option(IF_TSRESOL, &[3]).option(IF_TSOFFSET, &1_700_000_000_i64.to_be_bytes());
    });
    maker.packet(0, 42, 60, b"milli");
    for outcome in [read(&maker.bytes), read_from(Dribble::new(&maker.bytes), &Limits::default())] {
        assert!(outcome.end.is_ok(), "{outcome:?}");
        let seen: Vec<_> =
            outcome.frames.iter().map(|f| (f.link, f.nanos, f.bytes.as_slice())).collect();
        assert_eq!(
            seen,
            [
                (1, 1_700_000_000_123_456_000, &b"micro"[..]),
                (101, 1_700_000_000_123_456_789, b"nano"),
                (113, 1_700_000_000_042_000_000, b"milli"),
            ]
        );
        assert_eq!(outcome.stats.read_bytes, maker.bytes.len() as u64);
    }
}

#[test]
fn every_resolution_is_exact() {
    let nanos = |end, resolution: u8, offset: i64, ticks| {
        let mut maker = Maker::new(end);
        maker.section(end);
        maker.interface(1, |options| {
            options.option(IF_TSRESOL, &[resolution]);
            let offset = match end {
                End::Big => offset.to_be_bytes(),
                End::Little => offset.to_le_bytes(),
            };
            options.option(IF_TSOFFSET, &offset);
        });
        maker.packet(0, ticks, 60, b"x");
        read(&maker.bytes).frames[0].nanos
    };
    for end in [End::Little, End::Big] {
        assert_eq!(nanos(end, 0, 0, 1_700_000_000), 1_700_000_000_000_000_000);
        assert_eq!(nanos(end, 6, -1, 1_700_000_000_000_001), 1_699_999_999_000_001_000);
        assert_eq!(nanos(end, 9, 0, u64::MAX), u64::MAX);
        assert_eq!(nanos(end, 12, 5, 1_999), 5_000_000_001);
        assert_eq!(nanos(end, 28, 0, u64::MAX), 1);
        assert_eq!(nanos(end, 127, 3, u64::MAX), 3_000_000_000);
        // Powers of two: 2^-10 s, 2^-32 s, and beyond all nanoseconds.
        assert_eq!(nanos(end, 0x8a, 0, 1_024 + 512), 1_500_000_000);
        assert_eq!(nanos(end, 0xa0, 0, (1_700_000_000 << 32) | 1), 1_700_000_000_000_000_000);
        assert_eq!(nanos(end, 0xa0, 0, u64::MAX), 4_294_967_295_999_999_999);
        assert_eq!(nanos(end, 0xff, 0, u64::MAX), 0);
    }
}

#[test]
fn a_packet_without_a_time_gets_that_of_the_one_before() {
    let mut maker = Maker::new(End::Little);
    maker.section(End::Little);
    maker.block(1, |body| {
        body.u16(1).u16(0).u32(5);
    });
    maker.block(3, |body| {
        body.u32(9).raw(b"12345");
    });
    maker.packet(0, 7, 60, b"timed");
    maker.block(3, |body| {
        body.u32(3).raw(b"abc");
    });
    let outcome = read(&maker.bytes);
    assert!(outcome.end.is_ok(), "{outcome:?}");
    let seen: Vec<_> =
        outcome.frames.iter().map(|f| (f.nanos, f.wire_len, f.bytes.as_slice())).collect();
    assert_eq!(seen, [(0, 9, &b"12345"[..]), (7_000, 60, b"timed"), (7_000, 3, b"abc")]);
    assert_eq!(outcome.stats.cut_frames, 2);
}

#[test]
fn a_time_that_cannot_be_true_is_that_of_the_packet_before() {
    let mut maker = section(End::Little);
    maker.interface(1, |options| {
        options.option(IF_TSOFFSET, &(-1_i64).to_le_bytes());
    });
    // Half a second before 1970, twice: as a negative number, and by the offset.
    maker.packet(0, 5, 60, b"").packet(0, u64::MAX - 499_999, 60, b"");
    maker.packet(0, 6, 60, b"").packet(1, 500_000, 60, b"");
    let outcome = read(&maker.bytes);
    assert!(outcome.end.is_ok(), "{outcome:?}");
    let nanos: Vec<_> = outcome.frames.iter().map(|frame| frame.nanos).collect();
    assert_eq!(nanos, [5_000, 5_000, 6_000, 6_000]);
}

#[test]
fn the_obsolete_packet_block_is_read() {
    for end in [End::Little, End::Big] {
        let mut maker = section(end);
        maker.block(2, |body| {
            body.u16(0).u16(0xffff).u32(0x0006_0a24).u32(0x1818_1818).u32(3).u32(60).raw(b"old");
            body.pad().option(1, b"comment").u32(0);
        });
        let outcome = read(&maker.bytes);
        assert!(outcome.end.is_ok(), "{outcome:?}");
        assert_eq!(outcome.frames[0].bytes, b"old");
        assert_eq!(outcome.frames[0].nanos, 0x0006_0a24_1818_1818 * 1_000);
        assert_eq!(outcome.frames[0].wire_len, 60);
    }
}

#[test]
fn the_last_statistics_of_each_interface_are_added_up() {
    let statistics = |maker: &mut Maker, interface: u32, by_interface: u64, by_system: u64| {
        maker.block(5, |body| {
            body.u32(interface).u64(0).u16(4).u16(8).u64(1_000);
            body.u16(5).u16(8).u64(by_interface);
            body.u16(7).u16(8).u64(by_system).u32(0);
        });
    };
    let mut maker = section(End::Little);
    maker.interface(1, |_| {});
    statistics(&mut maker, 0, 3, 0);
    statistics(&mut maker, 1, 10, 1);
    statistics(&mut maker, 0, 5, 0);
    statistics(&mut maker, 9, 77, 0);
    // One that says nothing about losses takes none back.
    maker.block(5, |body| {
        body.u32(0).u64(0);
    });
    maker.section(End::Big).interface(1, |_| {});
    statistics(&mut maker, 0, 100, 0);
    let outcome = read(&maker.bytes);
    assert!(outcome.end.is_ok(), "{outcome:?}");
    assert_eq!(outcome.stats.dropped, 5 + 11 + 100);
}

#[test]
fn losses_before_a_packet_count_where_no_statistics_say_more() {
    let with_options = |maker: &mut Maker, interface: u32, options: &dyn Fn(&mut Maker)| {
        maker.block(6, |body| {
            body.u32(interface).u32(0).u32(1).u32(3).u32(3).raw(b"abc").pad();
            options(body);
        });
    };
    let lost = |end: End, count: u64| match end {
        End::Big => count.to_be_bytes(),
        End::Little => count.to_le_bytes(),
    };
    let statistics = |maker: &mut Maker, interface: u32, by_interface: u64| {
        maker.block(5, |body| {
            body.u32(interface).u64(0).u16(5).u16(8).u64(by_interface).u32(0);
        });
    };
    for end in [End::Little, End::Big] {
        let mut maker = section(end);
        maker.interface(1, |_| {}).interface(1, |_| {});
        for count in [50, 0, 7] {
            with_options(&mut maker, 0, &|body| {
                body.option(1, b"a comment").option(4, &lost(end, count)).u32(0);
            });
        }
        // An option that is too long ends the list.
        with_options(&mut maker, 0, &|body| {
            body.option(4, &lost(end, 1)).u16(1).u16(99);
        });
        // Statistics that say more, and some that say less.
        with_options(&mut maker, 1, &|body| {
            body.option(4, &lost(end, 100));
        });
        statistics(&mut maker, 1, 103);
        with_options(&mut maker, 2, &|body| {
            body.option(4, &lost(end, 1_000));
        });
        statistics(&mut maker, 2, 10);
        // The obsolete packet block's, of which the highest means that it is not known; and an interface
        // that there is not.
        for (interface, count) in [(0, 10_000), (0, 0xffff), (9, 5)] {
            maker.block(2, |body| {
                body.u16(interface).u16(count).u32(0).u32(1).u32(3).u32(3).raw(b"old");
            });
        }
        let outcome = read(&maker.bytes);
        assert!(outcome.end.is_ok(), "{outcome:?}");
        assert_eq!(outcome.stats.dropped, 50 + 7 + 1 + 103 + 1_000 + 10_000);
        assert_eq!((outcome.stats.frames, outcome.stats.orphans), (8, 1));
        // A section of its own has interfaces of its own.
        maker.section(end).interface(1, |_| {});
        with_options(&mut maker, 0, &|body| {
            body.option(4, &lost(end, 4));
        });
        assert_eq!(read(&maker.bytes).stats.dropped, 11_161 + 4);
    }
}

#[test]
fn other_blocks_are_stepped_over() {
    let mut maker = section(End::Little);
    for kind in [4, 10, 0x0bad, 0x4000_0bad, 0x7fff_ffff, 0x8000_0001] {
        maker.block(kind, |body| {
            body.raw(b"of no interest");
        });
    }
    maker.packet(0, 1, 60, b"here");
    let outcome = read(&maker.bytes);
    assert!(outcome.end.is_ok(), "{outcome:?}");
    assert_eq!(outcome.frames.len(), 1);
}

#[test]
fn a_packet_of_an_unknown_interface_is_counted_and_passed_over() {
    let mut maker = Maker::new(End::Little);
    maker.section(End::Little);
    maker.block(3, |body| {
        body.u32(3).raw(b"abc");
    });
    maker.interface(1, |_| {}).packet(1, 1, 60, b"whose?").packet(0, 1, 60, b"mine");
    let outcome = read(&maker.bytes);
    assert!(outcome.end.is_ok(), "{outcome:?}");
    assert_eq!(outcome.frames.len(), 1);
    assert_eq!(outcome.stats.orphans, 2);
}

#[test]
fn what_contradicts_itself_is_damage_with_its_offset() {
    let damage = |damage: &dyn Fn(&mut Maker)| {
        let mut maker = section(End::Little);
        maker.packet(0, 1, 60, b"good");
        let begin = maker.bytes.len() as u64;
        damage(&mut maker);
        maker.raw(&[0; 64]);
        let limits = Limits { block_bytes: 2_000, interfaces: 1, ..Limits::default() };
        let outcome = read_from(std::io::Cursor::new(maker.bytes), &limits);
        assert_eq!(outcome.frames.len(), 1, "{outcome:?}");
        match outcome.end {
            Err(Error::Malformed { offset, reason, .. }) => {
                assert_eq!(offset, Offset::File(begin), "{reason}");
                reason
            }
            end => panic!("{end:?}"),
        }
    };
    assert_eq!(damage(&|_| ()), "the block's length is less than its framing");
    assert_eq!(
        damage(&|maker| {
            maker.u32(6).u32(2_004);
        }),
        "the block's length is beyond belief"
    );
    assert_eq!(
        damage(&|maker| {
            maker.u32(6).u32(32).raw(&[0; 20]).u32(36);
        }),
        "the block's two lengths differ"
    );
    assert_eq!(
        damage(&|maker| {
            maker.block(6, |body| {
                body.u32(0).u32(0).u32(0).u32(5).u32(5).raw(b"four");
            });
        }),
        "the packet's captured length is longer than its block"
    );
    assert_eq!(
        damage(&|maker| {
            maker.block(6, |body| {
                body.u32(0).u32(0);
            });
        }),
        "the packet block is too short"
    );
    assert_eq!(
        damage(&|maker| {
            maker.interface(1, |_| {});
        }),
        "the section describes more interfaces than are believed"
    );
    assert_eq!(
        damage(&|maker| {
            maker.section(End::Big);
            let version = maker.bytes.len() - 16;
            maker.bytes[version + 1] = 2;
        }),
        "the section is of a pcapng version that is not known"
    );
    assert_eq!(
        damage(&|maker| {
            maker.block(0x0a0d_0d0a, |body| {
                body.u32(0x1a2b_3c4e);
            });
        }),
        "the section's byte-order magic is none"
    );
}

#[test]
fn short_reads_give_the_same_frames() {
    let (bytes, _, packets) = small_pcapng();
    let whole = read(&bytes);
    let dribbled = read_from(Dribble::new(&bytes), &Limits::default());
    assert!(whole.end.is_ok() && dribbled.end.is_ok(), "{whole:?}");
    assert_eq!(whole.frames.len(), packets.len());
    assert_eq!(whole.frames, dribbled.frames);
    assert_eq!(whole.stats, dribbled.stats);
}
