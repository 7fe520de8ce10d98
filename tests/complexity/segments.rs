//! Bombs of segments, fragments and flows.

use super::capture::{
    ACK, Capture, SYN, ends, ethernet, hello, ipv4, message, record, records, sni, stream,
};
use super::{Bound, measure};

#[test]
fn one_byte_segments() {
    let bound = Bound { nanoseconds: 40.0, memory: 200 };
    measure("one-byte segments", &bound, 60, |size| {
        let mut capture = Capture::new();
        let bytes = record(22, &hello(&[0xc02f], &sni("one.example")));
        for number in 0..size {
            capture.tcp(ends(number), true, 99, SYN, &[]);
            stream(&mut capture, ends(number), true, &bytes, 1);
        }
        // And a message that is never whole.
        let endless = records(&message(1, &vec![3; 500 * size]));
        stream(&mut capture, ends(size), true, &endless, 1);
        capture.bytes
    });
}

#[test]
fn overlapping_segments_behind_a_hole() {
    let bound = Bound { nanoseconds: 40.0, memory: 200 };
    measure("overlapping segments behind a hole", &bound, 3_000, |size| {
        let mut capture = Capture::new();
        capture.tcp(ends(0), true, 99, SYN, &[]);
        stream(&mut capture, ends(0), true, &record(22, &hello(&[0xc02f], &[]))[..20], 20);
        for number in 0..size as u32 {
            // Backwards, each over the one before, and forwards in between.
            let seq = 100_000_u32.wrapping_sub(number % 5_000 * 3).wrapping_add(number % 7 * 900);
            capture.tcp(ends(0), true, seq, ACK, &[number as u8; 1_000]);
        }
        capture.bytes
    });
}

#[test]
fn overlapping_fragments() {
    let bound = Bound { nanoseconds: 60.0, memory: 200 };
    measure("overlapping IP fragments", &bound, 20_000, |size| {
        let mut capture = Capture::new();
        for number in 0..size as u32 {
            let offset = (number % 8_000) as u16 | 0x2000;
            capture.ip(6, 0x0a00_0001 + number / 300, 0x0aff_0001, offset, &[number as u8; 64]);
        }
        capture.bytes
    });
}

#[test]
fn nested_tunnels() {
    let bound = Bound { nanoseconds: 20.0, memory: 200 };
    measure("nested tunnels and tags", &bound, 300, |size| {
        let mut capture = Capture::new();
        for number in 0..size as u32 {
            let mut packet = ipv4(6, number, 1, 0, &[0; 20]);
            while packet.len() < 8_000 {
                packet = ipv4(4, number, 1, 0, &packet);
            }
            capture.frame(&ethernet(&packet));
            let tags: Vec<u8> = (0..2_000_u16).flat_map(|tag| [0x81, 0, 0, tag as u8]).collect();
            capture.frame(&[&[2; 12][..], &tags, &[8, 0], &packet[..60]].concat());
            let labels: Vec<u8> = (0..2_000_u32).flat_map(|_| [0, 0, 0x10, 64]).collect();
            capture.frame(&[&[2; 12][..], &[0x88, 0x47], &labels].concat());
        }
        capture.bytes
    });
}

#[test]
fn more_flows_than_are_watched() {
    // Each of them may yet become TLS: beyond the bound each evicts another.
    let bound = Bound { nanoseconds: 60.0, memory: 900 };
    measure("a flood of flows that all are watched", &bound, 180_000, |size| {
        let mut capture = Capture::new();
        for number in 0..size {
            capture.tcp(ends(number), true, 100, ACK, &[22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3]);
        }
        capture.bytes
    });
}

#[test]
fn a_flood_of_syns() {
    let bound = Bound { nanoseconds: 30.0, memory: 150 };
    measure("a flood of SYNs", &bound, 100_000, |size| {
        let mut capture = Capture::new();
        for number in 0..size {
            capture.tcp(ends(number), true, number as u32, SYN, &[]);
        }
        capture.bytes
    });
}
