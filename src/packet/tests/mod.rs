//! Tests of the whole module: frames in, packets out.

// A test that overflows fails, as it should.
#![allow(clippy::arithmetic_side_effects)]

mod corpus;
mod envelope;
mod fragments;
mod links;
mod robust;
mod tunnels;
mod types;

use etherparse::PacketBuilder;

use crate::capture::{Frame, LinkType};
use crate::clock::Timestamp;
use crate::limits::Limits;
use crate::packet::{Decoder, Domain, Endpoint, Layer, Layers, Packet, Skip};

/// A packet that outlives its frame.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    kind: &'static str,
    source: Endpoint,
    target: Endpoint,
    domain: Domain,
    payload: Vec<u8>,
    cut: u32,
    layers: Layers,
}

impl Seen {
    fn of(packet: &Packet<'_>) -> Self {
        match packet {
            Packet::Segment(segment) => Self {
                kind: "tcp",
                source: segment.source,
                target: segment.target,
                domain: segment.domain,
                payload: segment.payload.to_vec(),
                cut: segment.cut,
                layers: segment.layers,
            },
            Packet::Datagram(datagram) => Self {
                kind: "udp",
                source: datagram.source,
                target: datagram.target,
                domain: datagram.domain,
                payload: datagram.payload.to_vec(),
                cut: datagram.cut,
                layers: datagram.layers,
            },
            Packet::Eapol(eapol) => Self {
                kind: "eapol",
                source: Endpoint::default(),
                target: Endpoint::default(),
                domain: eapol.domain,
                payload: eapol.payload.to_vec(),
                cut: 0,
                layers: eapol.layers,
            },
        }
    }

    fn tunnels(&self) -> Vec<&'static str> {
        self.layers.tunnels().map(super::Tunnel::name).collect()
    }

    fn macs(&self) -> (String, String) {
        let text = |mac: Option<super::Mac>| mac.map(|mac| mac.to_string()).unwrap_or_default();
        (text(self.layers.source_mac), text(self.layers.target_mac))
    }
}

fn frame(link: LinkType, bytes: &[u8]) -> Frame<'_> {
    let wire_len = u32::try_from(bytes.len()).unwrap();
    Frame { timestamp: Timestamp::new(1_772_352_930, 0), link, wire_len, bytes }
}

/// One frame through `decoder`.
fn feed(decoder: &mut Decoder, frame: &Frame<'_>) -> Result<Seen, Skip> {
    let mut seen = Vec::new();
    let result = decoder.decode(frame, &mut |packet| seen.push(Seen::of(packet)));
    match result {
        Ok(()) => {
            assert_eq!(seen.len(), 1, "one packet out of a frame");
            Ok(seen.remove(0))
        }
        Err(skip) => {
            assert!(seen.is_empty(), "a skipped frame gave a packet");
            Err(skip)
        }
    }
}

/// One frame through a decoder of its own.
fn decode(link: LinkType, bytes: &[u8]) -> Result<Seen, Skip> {
    feed(&mut Decoder::new(&Limits::default()), &frame(link, bytes))
}

fn ethernet(bytes: &[u8]) -> Result<Seen, Skip> {
    decode(LinkType::ETHERNET, bytes)
}

/// The link layers' type numbers of IP.
const IPV4: [u8; 2] = [0x08, 0x00];
const IPV6: [u8; 2] = [0x86, 0xdd];

/// What every inner packet carries.
const HELLO: &[u8] = b"\x16\x03\x01\x00\x05hello";

/// Sender and receiver of [`inner`] frames.
const SOURCE_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const TARGET_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];

/// IPv4 with TCP 10.0.0.5:51000 → 10.0.0.9:443 and [`HELLO`].
fn tcp4() -> Vec<u8> {
    let builder =
        PacketBuilder::ipv4([10, 0, 0, 5], [10, 0, 0, 9], 64).tcp(51_000, 443, 1000, 64_000).ack(7);
    let mut bytes = Vec::new();
    builder.write(&mut bytes, HELLO).unwrap();
    bytes
}

/// IPv6 with TCP from port 51000 to 443 and [`HELLO`].
fn tcp6() -> Vec<u8> {
    let mut bytes = Vec::new();
    PacketBuilder::ipv6(V6_SOURCE, V6_TARGET, 64)
        .tcp(51_000, 443, 1000, 64_000)
        .write(&mut bytes, HELLO)
        .unwrap();
    bytes
}

const V6_SOURCE: [u8; 16] = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5];
const V6_TARGET: [u8; 16] = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9];

/// IPv4 from 192.0.2.1 to 192.0.2.2 with `protocol` and `payload`.
fn ip4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    PacketBuilder::ipv4([192, 0, 2, 1], [192, 0, 2, 2], 64)
        .write(&mut bytes, protocol.into(), payload)
        .unwrap();
    bytes
}

/// IPv6 between documentation addresses with `next` and `payload`.
fn ip6(next: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    PacketBuilder::ipv6([0x20; 16], [0x21; 16], 64)
        .write(&mut bytes, next.into(), payload)
        .unwrap();
    bytes
}

/// UDP in [`ip4`].
fn udp4(source: u16, target: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    PacketBuilder::ipv4([192, 0, 2, 1], [192, 0, 2, 2], 64)
        .udp(source, target)
        .write(&mut bytes, payload)
        .unwrap();
    bytes
}

/// An Ethernet header of `kind` and `payload`.
fn eth(kind: [u8; 2], payload: &[u8]) -> Vec<u8> {
    [&TARGET_MAC, &SOURCE_MAC, &kind[..], payload].concat()
}

/// [`tcp4`] in Ethernet: what an inner link layer looks like.
fn inner() -> Vec<u8> {
    eth(IPV4, &tcp4())
}

/// That this is the packet of [`tcp4`] or [`tcp6`], whole.
#[track_caller]
fn assert_hello(seen: &Result<Seen, Skip>) -> &Seen {
    let seen = seen.as_ref().unwrap();
    assert_eq!((seen.kind, seen.source.port, seen.target.port), ("tcp", 51_000, 443));
    let addresses = (seen.source.address.octets(), seen.target.address.octets());
    if addresses != (V6_SOURCE, V6_TARGET) {
        assert_eq!(seen.source.to_string(), "10.0.0.5:51000");
        assert_eq!(seen.target.to_string(), "10.0.0.9:443");
    }
    assert_eq!((seen.payload.as_slice(), seen.cut), (HELLO, 0));
    seen
}
