//! Captures that a bomb is put into, packet by packet.

#![allow(unreachable_pub, missing_docs, reason = "a test: its modules are its documentation")]

/// A classic capture of Ethernet.
pub struct Capture {
    pub bytes: Vec<u8>,
    microseconds: u64,
}

pub const SYN: u8 = 0x02;
pub const ACK: u8 = 0x10;

impl Capture {
    pub fn new() -> Self {
        let mut bytes = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        bytes.extend([0, 0, 4, 0, 1, 0, 0, 0]);
        Self { bytes, microseconds: 1_700_000_000_000_000 }
    }

    pub fn frame(&mut self, frame: &[u8]) {
        self.microseconds += 10;
        let (seconds, rest) = (self.microseconds / 1_000_000, self.microseconds % 1_000_000);
        for word in [seconds as u32, rest as u32, frame.len() as u32, frame.len() as u32] {
            self.bytes.extend(word.to_le_bytes());
        }
        self.bytes.extend(frame);
    }

    pub fn ip(&mut self, protocol: u8, source: u32, target: u32, fragment: u16, body: &[u8]) {
        self.frame(&ethernet(&ipv4(protocol, source, target, fragment, body)));
    }

    pub fn tcp(&mut self, client: Ends, to_server: bool, seq: u32, flags: u8, payload: &[u8]) {
        let Ends { client, port, server, service } = client;
        let (source, from, target, to) = if to_server {
            (client, port, server, service)
        } else {
            (server, service, client, port)
        };
        let mut segment = Vec::with_capacity(20 + payload.len());
        segment.extend(from.to_be_bytes());
        segment.extend(to.to_be_bytes());
        segment.extend(seq.to_be_bytes());
        segment.extend([0, 0, 0, 1, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        segment.extend(payload);
        self.ip(6, source, target, 0, &segment);
    }

    pub fn udp(&mut self, ends: Ends, to_server: bool, payload: &[u8]) {
        let Ends { client, port, server, service } = ends;
        let (source, from, target, to) = if to_server {
            (client, port, server, service)
        } else {
            (server, service, client, port)
        };
        let mut datagram = Vec::with_capacity(8 + payload.len());
        datagram.extend(from.to_be_bytes());
        datagram.extend(to.to_be_bytes());
        datagram.extend((payload.len() as u16 + 8).to_be_bytes());
        datagram.extend([0, 0]);
        datagram.extend(payload);
        self.ip(17, source, target, 0, &datagram);
    }
}

/// The ends of a conversation.
#[derive(Clone, Copy)]
pub struct Ends {
    pub client: u32,
    pub port: u16,
    pub server: u32,
    pub service: u16,
}

/// The `number`th of many conversations.
pub fn ends(number: usize) -> Ends {
    let client = 0x0a00_0000 + (number / 50_000) as u32;
    Ends { client, port: 1_024 + (number % 50_000) as u16, server: 0x0aff_0001, service: 443 }
}

pub fn ethernet(packet: &[u8]) -> Vec<u8> {
    [&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0][..], packet].concat()
}

pub fn ipv4(protocol: u8, source: u32, target: u32, fragment: u16, body: &[u8]) -> Vec<u8> {
    let size = (body.len() as u16 + 20).to_be_bytes();
    let [high, low] = fragment.to_be_bytes();
    let head = [0x45, 0, size[0], size[1], 0, 7, high, low, 64, protocol, 0, 0];
    [&head[..], &source.to_be_bytes(), &target.to_be_bytes(), body].concat()
}

pub fn block(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat()
}

pub fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 3, 3][..], &block(body)].concat()
}

pub fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let size = (body.len() as u32).to_be_bytes();
    [&[kind][..], &size[1..], body].concat()
}

/// A ClientHello with these suites and extensions.
pub fn hello(suites: &[u16], extensions: &[u8]) -> Vec<u8> {
    let suites: Vec<u8> = suites.iter().flat_map(|suite| suite.to_be_bytes()).collect();
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.push(0);
    body.extend(block(&suites));
    body.extend([1, 0]);
    body.extend(block(extensions));
    message(1, &body)
}

/// Records of a long message.
pub fn records(message: &[u8]) -> Vec<u8> {
    message.chunks(16_000).flat_map(|piece| record(22, piece)).collect()
}

pub fn sni(name: &str) -> Vec<u8> {
    let entry = [&[0][..], &block(name.as_bytes())].concat();
    [&[0, 0][..], &block(&block(&entry))].concat()
}

/// The stream of one end, in segments of `size` bytes.
pub fn stream(capture: &mut Capture, ends: Ends, to_server: bool, bytes: &[u8], size: usize) {
    for (piece, at) in bytes.chunks(size).zip((0_u32..).step_by(size)) {
        capture.tcp(ends, to_server, 100 + at, ACK, piece);
    }
}
