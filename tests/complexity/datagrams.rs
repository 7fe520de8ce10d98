//! Bombs of datagrams: DTLS, QUIC, RADIUS.

use super::capture::{Capture, Ends, ends, hello, record};
use super::{Bound, measure, tlscensus_fuzz};

#[test]
fn more_datagram_flows_than_are_watched() {
    let bound = Bound { nanoseconds: 60.0, memory: 900 };
    measure("the same in DTLS", &bound, 120_000, |size| {
        let mut capture = Capture::new();
        let mut datagram = vec![22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 54, 1, 0, 0, 42];
        datagram.extend([0, 0, 0, 0, 0, 0, 0, 42, 0xfe, 0xfd]);
        datagram.extend([7; 32]);
        datagram.extend([0, 0, 0, 2, 0xc0, 0x2f, 1, 0]);
        for number in 0..size {
            capture.udp(ends(number), true, &datagram);
        }
        capture.bytes
    });
}

#[test]
fn radius_bombs() {
    let bound = Bound { nanoseconds: 160.0, memory: 300 };
    measure("log-ins in RADIUS that never end", &bound, 20_000, |size| {
        let mut capture = Capture::new();
        let piece = record(22, &hello(&[0xc02f], &[]));
        for number in 0..size {
            let eap_size = (piece.len() as u16 + 10).to_be_bytes();
            // Length and more-fragments flags, and a length of what will never come.
            let mut eap =
                vec![2, number as u8, eap_size[0], eap_size[1], 13, 0xc0, 0, 0, 0xff, 0xff];
            eap.extend(&piece);
            let mut attributes = vec![79, eap.len() as u8 + 2];
            attributes.extend(eap);
            attributes.extend([24, 6]);
            attributes.extend((number as u32).to_be_bytes());
            let size = (attributes.len() as u16 + 20).to_be_bytes();
            let mut datagram = vec![1, number as u8, size[0], size[1]];
            datagram.extend([7; 16]);
            datagram.extend(attributes);
            let service = 1812;
            capture.udp(Ends { service, ..ends(number) }, true, &datagram);
        }
        capture.bytes
    });
}

#[test]
fn quic_bombs() {
    let bound = Bound { nanoseconds: 500.0, memory: 400 };
    measure("QUIC: CRYPTO frames of one byte, scattered", &bound, 1_000, |size| {
        let mut capture = Capture::new();
        for number in 0..size {
            let id = (number as u64).to_be_bytes();
            for packet in 0..4_u8 {
                // Offsets of two bytes (RFC 9000 §16), a hole between each and the next.
                let frames: Vec<u8> = (0..200_u16)
                    .flat_map(|at| {
                        let offset = ((at * 4 + u16::from(packet)) * 2) | 0x4000;
                        let [high, low] = offset.to_be_bytes();
                        [6, high, low, 1, 3]
                    })
                    .collect();
                let sealed = tlscensus_fuzz::quic::seal(0, true, &id, packet, &frames);
                capture.udp(ends(number), true, &sealed);
            }
        }
        capture.bytes
    });
}
