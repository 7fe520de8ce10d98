//! What somebody who means no good sends past a sensor, again and again.

#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test file uses a part")]
#![allow(
    clippy::unwrap_used,
    clippy::should_implement_trait,
    clippy::cast_possible_truncation,
    reason = "a test may fail"
)]

use std::fs;

use etherparse::PacketBuilder;

use crate::common;

/// Client hosts that take turns.
const HOSTS: u64 = 300_000;

/// What comes over the wire: the same for the same seed.
pub struct Traffic {
    seed: u64,
    /// A whole handshake, to be sent again from other addresses.
    handshake: Vec<Vec<u8>>,
    waiting: Vec<Vec<u8>>,
}

impl Traffic {
    pub fn new() -> Self {
        let source = fs::read(common::project("captures/tls12-ecdhe-rsa.pcap")).unwrap();
        let mut handshake = Vec::new();
        let mut rest = &source[24..];
        while rest.len() >= 16 {
            let length = u32::from_le_bytes(rest[8..12].try_into().unwrap()) as usize;
            handshake.push(rest[16..16 + length].to_vec());
            rest = &rest[16 + length..];
        }
        assert!(handshake.len() > 5, "the capture is of another format");
        Self { seed: 7, handshake, waiting: Vec::new() }
    }

    /// Xorshift: quick, and the same everywhere.
    fn random(&mut self, below: u64) -> u64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        self.seed % below
    }

    pub fn next(&mut self) -> Vec<u8> {
        if let Some(frame) = self.waiting.pop() {
            return frame;
        }
        let host = self.random(HOSTS);
        let port = 1_024 + self.random(60_000) as u16;
        match self.random(100) {
            // A flood of SYNs from everywhere.
            0..=9 => {
                let from = self.random(1 << 24);
                tcp(from, port, 1, Tcp::syn, &[])
            }
            // Hellos from addresses that do not come again.
            10..=49 => {
                let from = self.random(1 << 24);
                tcp(from, port, 1, |step| step.ack(1), &hello("once.example"))
            }
            // Hellos that nobody answers, each with a name of its own.
            50..=74 => {
                let name = self.name();
                tcp(host, port, 1, |step| step.ack(1), &hello(&name))
            }
            // Names of addresses, each new.
            75..=77 => {
                let (label, of) = (format!("{:x}", self.random(u64::MAX)), self.random(1 << 24));
                dns(host, port, &named(&label, of))
            }
            // A hello that drips, and never ends.
            78..=80 => {
                let whole = hello("drip.example");
                for at in (0..12_usize).rev() {
                    let piece = &whole[at..=at];
                    self.waiting.push(tcp(host, port, 1 + at as u32, |step| step.ack(1), piece));
                }
                self.waiting.pop().unwrap()
            }
            // What is no TLS.
            81..=84 => tcp(host, port, 1, |step| step.ack(1), b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
            // Datagrams that look like the beginning of QUIC, and are none.
            85..=88 => {
                let mut payload = vec![0_u8; 1_200];
                for place in payload.chunks_mut(8) {
                    place.copy_from_slice(&self.random(u64::MAX).to_le_bytes());
                }
                payload[..5].copy_from_slice(&[0xc3, 0, 0, 0, 1]);
                udp(host, port, &payload)
            }
            // A hello answered with certificates that nobody else has.
            89..=93 => {
                let mut der = vec![0x30, 0x82, 0x03, 0x00];
                for _ in 0..96 {
                    der.extend(self.random(u64::MAX).to_le_bytes());
                }
                self.waiting.push(answer(host, port, &flight(&der)));
                tcp(host, port, 1, |step| step.ack(1), &hello("certificates.example"))
            }
            // Whole handshakes.
            _ => {
                let client = self.handshake[0][26..30].to_vec();
                let mut frames = self.handshake.clone();
                for frame in &mut frames {
                    let place = if frame[26..30] == *client { 26 } else { 30 };
                    frame[place..place + 4].copy_from_slice(&address(host));
                }
                frames.reverse();
                self.waiting = frames;
                self.waiting.pop().unwrap()
            }
        }
    }

    /// A host name of somebody who means no good.
    fn name(&mut self) -> String {
        let number = self.random(u64::MAX);
        match self.random(8) {
            0 => format!("<script>alert({number})</script>"),
            1 => format!("=cmd|' /C calc'!A0{number}"),
            2 => format!("{number}\u{1b}[2J\u{202e}.example"),
            3 => format!("{number}.{}", "long.".repeat(200)),
            _ => format!("host-{number:x}.example"),
        }
    }
}

fn address(host: u64) -> [u8; 4] {
    let [.., one, two, three] = host.to_be_bytes();
    [10, one, two, three]
}

pub type Tcp = etherparse::PacketBuilderStep<etherparse::TcpHeader>;

/// A segment to the server.
pub fn tcp(
    host: u64,
    port: u16,
    seq: u32,
    with: impl FnOnce(Tcp) -> Tcp,
    payload: &[u8],
) -> Vec<u8> {
    let step = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
        .ipv4(address(host), [203, 0, 113, (port % 200) as u8], 64)
        .tcp(port, 443, seq, 64_240);
    let mut frame = Vec::new();
    // A segment of more than a packet holds is cut: that, too, comes.
    with(step).write(&mut frame, &payload[..payload.len().min(60_000)]).unwrap();
    frame
}

/// A segment back.
fn answer(host: u64, port: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2([2, 0, 0, 0, 0, 2], [2, 0, 0, 0, 0, 1])
        .ipv4([203, 0, 113, (port % 200) as u8], address(host), 64)
        .tcp(443, port, 1, 64_240)
        .ack(1)
        .write(&mut frame, payload)
        .unwrap();
    frame
}

fn udp(host: u64, port: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
        .ipv4(address(host), [203, 0, 113, 9], 64)
        .udp(port, 443)
        .write(&mut frame, payload)
        .unwrap();
    frame
}

/// From a name server.
fn dns(host: u64, port: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2([2, 0, 0, 0, 0, 2], [2, 0, 0, 0, 0, 1])
        .ipv4([203, 0, 113, 53], address(host), 64)
        .udp(53, port)
        .write(&mut frame, payload)
        .unwrap();
    frame
}

/// The answer that an address has a name.
fn named(label: &str, host: u64) -> Vec<u8> {
    let head = [0, 7, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0];
    let length = u8::try_from(label.len()).unwrap();
    let question = [&[length][..], label.as_bytes(), b"\x07example\0", &[0, 1, 0, 1]].concat();
    let answer = [&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4][..], &address(host)].concat();
    [&head[..], &question, &answer].concat()
}

/// A ClientHello of TLS 1.0 that asks for a name.
pub fn hello(name: &str) -> Vec<u8> {
    let name = name.as_bytes();
    let with_length =
        |bytes: &[u8]| -> Vec<u8> { [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat() };
    let entry = [&[0][..], &with_length(name)].concat();
    let extension = [&[0, 0][..], &with_length(&with_length(&entry))].concat();
    let body = [
        &[3, 1][..],
        &[7; 32],
        &[0],
        &[0, 4, 0xc0, 0x13, 0x00, 0x2f],
        &[1, 0],
        &with_length(&extension),
    ]
    .concat();
    record(&[&[1, 0][..], &with_length(&body)].concat())
}

/// ServerHello, Certificate and ServerHelloDone.
fn flight(der: &[u8]) -> Vec<u8> {
    let length = |bytes: usize| (bytes as u32).to_be_bytes()[1..].to_vec();
    let message = |kind: u8, body: &[u8]| [&[kind][..], &length(body.len()), body].concat();
    let hello = [&[3, 1][..], &[9; 32], &[0], &[0xc0, 0x13], &[0]].concat();
    let list = [length(der.len()), der.to_vec()].concat();
    let certificates = [length(list.len()), list].concat();
    record(&[message(2, &hello), message(11, &certificates), message(14, &[])].concat())
}

fn record(body: &[u8]) -> Vec<u8> {
    [&[22, 3, 1][..], &(body.len() as u16).to_be_bytes(), body].concat()
}
