//! Captures for benches: the recorded handshakes of the project, played again by many clients.

use std::path::PathBuf;

use tlscensus::capture::file::FileSource;
use tlscensus::capture::{Frame, LinkType, Poll, Source};
use tlscensus::clock::Timestamp;
use tlscensus::limits::Limits;

use crate::common;

/// A frame in memory.
pub struct Kept {
    pub at: Timestamp,
    pub bytes: Vec<u8>,
}

impl Kept {
    pub fn frame(&self) -> Frame<'_> {
        Frame {
            timestamp: self.at,
            link: LinkType::ETHERNET,
            wire_len: u32::try_from(self.bytes.len()).unwrap(),
            bytes: &self.bytes,
        }
    }
}

/// The recorded captures that are played: usual handshakes of TLS 1.2 and 1.3, and a TLS 1.0 one.
const PLAYED: [&str; 6] = [
    "chromium.pcap",
    "curl.pcap",
    "java17-default.pcap",
    "tls10-ecdhe-rsa.pcap",
    "tls12-ecdhe-ecdsa.pcap",
    "tls12-rsa-kx.pcap",
];

/// Every recorded handshake, by `clients` clients at once: packet by packet in turn, so that their
/// flows lie far apart.
pub fn handshakes(clients: u16) -> Vec<Kept> {
    let templates: Vec<Kept> = PLAYED.iter().flat_map(|name| recorded(name)).collect();
    assert!(templates.len() > 40, "the recorded captures are there");
    let mut frames = Vec::new();
    for (number, template) in (0..).zip(&templates) {
        for client in 0..clients {
            let mut bytes = template.bytes.clone();
            // The second and third byte of both addresses: each client's network is its own.
            for place in [26, 30] {
                for (byte, of) in bytes[place + 1..place + 3].iter_mut().zip(client.to_be_bytes()) {
                    *byte ^= of;
                }
            }
            frames.push(Kept { at: Timestamp::new(1_772_352_000 + number / 100, 0), bytes });
        }
    }
    frames
}

/// SYNs, each of a flow of its own.
pub fn syns(count: u32) -> Vec<Kept> {
    let template = recorded("curl.pcap").into_iter().next().unwrap();
    assert_eq!(template.bytes[47], 0x02, "a connection begins with a SYN");
    (0..count)
        .map(|number| {
            let mut bytes = template.bytes.clone();
            bytes[26..30].copy_from_slice(&(0x0b00_0000 + number).to_be_bytes());
            Kept { at: template.at, bytes }
        })
        .collect()
}

/// The frames of a recorded capture, IPv4 in Ethernet only.
pub fn recorded(name: &str) -> Vec<Kept> {
    let path = common::project("captures").join(name);
    let mut source = FileSource::open(&path, &Limits::default()).unwrap();
    let mut frames = Vec::new();
    let mut keep = |frame: Frame<'_>| {
        if frame.bytes.get(12..14) == Some(&[0x08, 0x00]) && frame.bytes.get(23) == Some(&6) {
            frames.push(Kept { at: frame.timestamp, bytes: frame.bytes.to_vec() });
        }
    };
    while source.poll(&mut keep).unwrap() != Poll::End {}
    frames
}

/// A capture file of these frames.
pub fn write(frames: &[Kept], folder: &tempfile::TempDir) -> PathBuf {
    let mut file = Vec::from([0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0]);
    file.extend([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0]);
    for frame in frames {
        let length = u32::try_from(frame.bytes.len()).unwrap().to_le_bytes();
        file.extend(u32::try_from(frame.at.as_secs()).unwrap().to_le_bytes());
        file.extend([0; 4]);
        file.extend(length);
        file.extend(length);
        file.extend_from_slice(&frame.bytes);
    }
    let path = folder.path().join("made.pcap");
    std::fs::write(&path, file).unwrap();
    path
}
