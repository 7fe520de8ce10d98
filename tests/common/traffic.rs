//! Captured conversations as values: read out of any capture, changed, and written again in any
//! shape. What is read are innermost packets, as the program's own decoder finds them; what is
//! written are plain Ethernet frames, unless a test wraps them.

#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail")]

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use tlscensus::capture::file::FileSource;
use tlscensus::capture::{Poll, Source};
use tlscensus::clock::Timestamp;
use tlscensus::limits::Limits;
use tlscensus::packet::{self, Decoder, Endpoint, Layers};

pub const FIN: u8 = 0x01;
pub const SYN: u8 = 0x02;
pub const RST: u8 = 0x04;
pub const PSH: u8 = 0x08;
pub const ACK: u8 = 0x10;
pub const URG: u8 = 0x20;

/// A packet of TCP or UDP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Nanoseconds since 1970.
    pub at: u64,
    pub from: SocketAddr,
    pub to: SocketAddr,
    /// None for UDP.
    pub tcp: Option<Tcp>,
    pub payload: Vec<u8>,
    /// Bytes behind the payload that are on the wire and not in the capture.
    pub cut: u32,
    pub ttl: u8,
    /// Sender's and receiver's.
    pub macs: [[u8; 6]; 2],
    /// VLAN tags, outermost first.
    pub vlans: Vec<u16>,
}

/// What a TCP header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tcp {
    pub seq: u32,
    pub ack: u32,
    pub flags: u8,
    pub urgent: u16,
}

impl Packet {
    pub fn is(&self, flag: u8) -> bool {
        self.tcp.is_some_and(|tcp| tcp.flags & flag != 0)
    }

    /// Sequence number of the first byte of the payload.
    pub fn data_seq(&self) -> u32 {
        let seq = self.tcp.map_or(0, |tcp| tcp.seq);
        seq.wrapping_add(u32::from(self.is(SYN)))
    }

    /// TCP without payload.
    pub fn is_bare(&self) -> bool {
        self.tcp.is_some() && self.payload.is_empty() && self.cut == 0
    }

    /// The packet from its IP header on.
    pub fn ip(&self) -> Vec<u8> {
        let head = match self.tcp {
            Some(tcp) => tcp_header(self, tcp),
            None => udp_header(self),
        };
        let protocol = if self.tcp.is_some() { 6 } else { 17 };
        let ends = [self.from.ip(), self.to.ip()];
        let mut transport = [head, self.payload.clone()].concat();
        if self.cut == 0 {
            let at = if self.tcp.is_some() { 16 } else { 6 };
            let sum =
                checksum(&[pseudo(ends, protocol, transport.len()), transport.clone()].concat());
            transport[at..at + 2].copy_from_slice(&sum.to_be_bytes());
        }
        ip(ends, protocol, self.ttl, &transport, self.cut)
    }

    /// The packet in an Ethernet frame, with its tags.
    pub fn frame(&self) -> Frame {
        let kind = if self.from.is_ipv4() { [0x08, 0x00] } else { [0x86, 0xdd] };
        let [source, target] = self.macs;
        let mut bytes = [target, source].concat();
        for (depth, vlan) in self.vlans.iter().enumerate() {
            let outer = depth + 1 < self.vlans.len();
            bytes.extend(if outer { [0x88, 0xa8] } else { [0x81, 0x00] });
            bytes.extend(vlan.to_be_bytes());
        }
        bytes.extend(kind);
        bytes.extend(self.ip());
        Frame { at: self.at, bytes, cut: self.cut }
    }
}

/// What is written into a capture.
#[derive(Clone, Debug)]
pub struct Frame {
    pub at: u64,
    pub bytes: Vec<u8>,
    pub cut: u32,
}

/// The packets of a capture, at microseconds.
pub fn packets(path: &Path) -> Vec<Packet> {
    let limits = Limits::default();
    let mut source = FileSource::open(path, &limits).unwrap();
    let mut decoder = Decoder::new(&limits);
    let mut found = Vec::new();
    loop {
        let polled = source.poll(&mut |frame| {
            let at = frame.timestamp;
            // What is neither TCP nor UDP is of no interest.
            let _ = decoder.decode(&frame, &mut |packet| found.extend(of(packet, at)));
        });
        if !matches!(polled, Ok(Poll::Frames(_) | Poll::Idle)) {
            return found;
        }
    }
}

fn of(packet: &packet::Packet<'_>, at: Timestamp) -> Option<Packet> {
    let (source, target, payload, cut, layers, tcp) = match packet {
        packet::Packet::Segment(s) => {
            let tcp = Tcp { seq: s.seq.0, ack: s.ack.0, flags: s.flags.0 & !URG, urgent: 0 };
            (s.source, s.target, s.payload, s.cut, s.layers, Some(tcp))
        }
        packet::Packet::Datagram(d) => (d.source, d.target, d.payload, d.cut, d.layers, None),
        packet::Packet::Eapol(_) => return None,
    };
    Some(Packet {
        at: at.as_nanos() / 1000 * 1000,
        from: address(source),
        to: address(target),
        tcp,
        payload: payload.to_vec(),
        cut,
        ttl: 64,
        macs: macs(layers),
        vlans: Vec::new(),
    })
}

fn address(end: Endpoint) -> SocketAddr {
    SocketAddr::new(end.address.to_ip(), end.port)
}

fn macs(layers: Layers) -> [[u8; 6]; 2] {
    [(layers.source_mac, 1), (layers.target_mac, 2)]
        .map(|(mac, last)| mac.map_or([2, 0, 0, 0, 0, last], |mac| mac.0))
}

fn tcp_header(packet: &Packet, tcp: Tcp) -> Vec<u8> {
    let mut head = [packet.from.port().to_be_bytes(), packet.to.port().to_be_bytes()].concat();
    head.extend(tcp.seq.to_be_bytes());
    head.extend(tcp.ack.to_be_bytes());
    head.extend([0x50, tcp.flags, 0xff, 0xff, 0, 0]);
    head.extend(tcp.urgent.to_be_bytes());
    head
}

fn udp_header(packet: &Packet) -> Vec<u8> {
    let mut head = [packet.from.port().to_be_bytes(), packet.to.port().to_be_bytes()].concat();
    let length = packet.payload.len() + 8 + packet.cut as usize;
    head.extend(u16::try_from(length).unwrap().to_be_bytes());
    head.extend([0, 0]);
    head
}

fn pseudo(ends: [IpAddr; 2], protocol: u8, size: usize) -> Vec<u8> {
    let mut bytes = octets(ends);
    bytes.extend(u32::try_from(size).unwrap().to_be_bytes());
    bytes.extend([0, 0, 0, protocol]);
    bytes
}

fn octets(ends: [IpAddr; 2]) -> Vec<u8> {
    ends.iter()
        .flat_map(|ip| match ip {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        })
        .collect()
}

/// An IP packet around `payload`, of which `cut` bytes more are on the wire.
pub fn ip(ends: [IpAddr; 2], protocol: u8, ttl: u8, payload: &[u8], cut: u32) -> Vec<u8> {
    let size = payload.len() + cut as usize;
    // Packets that a network card has yet to cut up have a length of 0.
    let fits = |size: usize| u16::try_from(size).unwrap_or(0).to_be_bytes();
    let mut head = if ends[0].is_ipv4() {
        let mut head = vec![0x45, 0];
        head.extend(fits(size + 20));
        head.extend([0, 1, 0, 0, ttl, protocol, 0, 0]);
        head
    } else {
        let mut head = vec![0x60, 0, 0, 0];
        head.extend(fits(size));
        head.extend([protocol, ttl]);
        head
    };
    head.extend(octets(ends));
    if ends[0].is_ipv4() {
        seal(&mut head);
    }
    [head, payload.to_vec()].concat()
}

/// Put the checksum into an IPv4 header.
pub fn seal(head: &mut [u8]) {
    head[10..12].fill(0);
    let sum = checksum(head);
    head[10..12].copy_from_slice(&sum.to_be_bytes());
}

pub fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 = bytes
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0)))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap()
}

/// The file formats of captures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// pcap with nanoseconds.
    Nano,
    /// pcap with microseconds.
    Micro,
    /// pcap with microseconds, big-endian.
    BigEndian,
    /// pcapng with nanoseconds.
    Ng,
    /// pcapng with microseconds, big-endian, its packets over two interfaces.
    NgBigEndian,
}

pub const ETHERNET: u16 = 1;

/// A capture file of these frames.
pub fn capture(frames: &[Frame], link: u16, format: Format) -> Vec<u8> {
    match format {
        Format::Nano | Format::Micro | Format::BigEndian => classic(frames, link, format),
        Format::Ng | Format::NgBigEndian => pcapng(frames, link, format),
    }
}

fn classic(frames: &[Frame], link: u16, format: Format) -> Vec<u8> {
    let word = |n: u32| match format {
        Format::BigEndian => n.to_be_bytes(),
        _ => n.to_le_bytes(),
    };
    let [magic, unit] = if format == Format::Nano { [0xa1b2_3c4d, 1] } else { [0xa1b2_c3d4, 1000] };
    let version = if format == Format::BigEndian { 0x0002_0004 } else { 0x0004_0002 };
    let mut out: Vec<u8> = [magic, version, 0, 0, 262_144, u32::from(link)].map(word).concat();
    for frame in frames {
        let size = u32::try_from(frame.bytes.len()).unwrap();
        let seconds = u32::try_from(frame.at / 1_000_000_000).unwrap();
        let fraction = u32::try_from(frame.at % 1_000_000_000).unwrap() / unit;
        out.extend([seconds, fraction, size, size + frame.cut].map(word).concat());
        out.extend(&frame.bytes);
    }
    out
}

fn pcapng(frames: &[Frame], link: u16, format: Format) -> Vec<u8> {
    let big = format == Format::NgBigEndian;
    let word = |n: u32| if big { n.to_be_bytes() } else { n.to_le_bytes() };
    let half = |n: u16| if big { n.to_be_bytes() } else { n.to_le_bytes() };
    let block = |kind: u32, body: Vec<u8>| {
        let size = word(u32::try_from(body.len() + 12).unwrap());
        [&word(kind)[..], &size, &body, &size].concat()
    };
    let magic = [&word(0x1a2b_3c4d)[..], &half(1), &half(0), &[0xff; 8]].concat();
    let mut out = block(0x0a0d_0d0a, magic);
    for _ in 0..=u8::from(big) {
        let mut interface = [&half(link)[..], &half(0), &word(0)].concat();
        if !big {
            // if_tsresol: nanoseconds.
            interface.extend([&half(9)[..], &half(1), &[9, 0, 0, 0], &[0; 4]].concat());
        }
        out.extend(block(1, interface));
    }
    for (n, frame) in frames.iter().enumerate() {
        let at = if big { frame.at / 1000 } else { frame.at };
        let size = u32::try_from(frame.bytes.len()).unwrap();
        let interface = if big { u32::try_from(n % 2).unwrap() } else { 0 };
        let times = [u32::try_from(at >> 32).unwrap(), u32::try_from(at & 0xffff_ffff).unwrap()];
        let head = [interface, times[0], times[1], size, size + frame.cut];
        let mut body = head.map(word).concat();
        body.extend(&frame.bytes);
        body.resize(body.len().next_multiple_of(4), 0);
        out.extend(block(6, body));
    }
    out
}

/// The packets as a plain capture.
pub fn plain(packets: &[Packet]) -> Vec<u8> {
    let frames: Vec<_> = packets.iter().map(Packet::frame).collect();
    capture(&frames, ETHERNET, Format::Nano)
}

/// Put instead of one packet those of the same bytes, cut at these places.
pub fn cut(packets: &mut Vec<Packet>, at: usize, size: usize) {
    let whole = packets.remove(at);
    let pieces = whole.payload.chunks(size).enumerate().map(|(n, piece)| {
        let mut part = Packet { payload: piece.to_vec(), ..whole.clone() };
        let tcp = part.tcp.as_mut().unwrap();
        tcp.seq = tcp.seq.wrapping_add(u32::try_from(n * size).unwrap());
        part
    });
    packets.splice(at..at, pieces.collect::<Vec<_>>());
}

/// Make bytes longer at the front, and move what the end sends and the other acknowledges.
pub fn prepend(packets: &mut [Packet], at: usize, bytes: &[u8]) {
    let (from, shift) = (packets[at].from, u32::try_from(bytes.len()).unwrap());
    packets[at].payload.splice(0..0, bytes.iter().copied());
    for packet in &mut packets[at + 1..] {
        let sent = packet.from == from;
        let tcp = packet.tcp.as_mut().unwrap();
        let moved = if sent { &mut tcp.seq } else { &mut tcp.ack };
        *moved = moved.wrapping_add(shift);
    }
}
