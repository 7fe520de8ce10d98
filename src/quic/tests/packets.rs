//! Packets for tests: those of a connection, protected as a client and a server would.

#![allow(clippy::arithmetic_side_effects, reason = "numbers of a test are its own")]

use super::super::keys::InitialKeys;
use super::super::version::{Framing, protections};
use crate::packet::{Address, Datagram, Domain, Endpoint, Layers};

/// The ClientHello of RFC 9001 §A.2.
pub(super) static CLIENT_HELLO: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| {
    hex("010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c000004130113\
         02010000c000000010000e00000b6578616d706c652e636f6dff01000100000a00080006001d001700180010\
         00070005\
         04616c706e000500050100000000003300260024001d00209370b2c9caa47fbabaf4559fedba753de171fa71\
         f50f1ce15d43e994ec74d748002b0003020304000d0010000e0403050306030203080408050806002d000201\
         01001c00024001003900320408ffffffffffffffff05048000ffff07048000ffff0801100104800075300901\
         100f088394c8f03e51570806048000ffff")
});

/// The ServerHello of RFC 9001 §A.3.
pub(super) static SERVER_HELLO: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| {
    hex("020000560303eefce7f7b37ba1d1632e96677825ddf73988cfc79825df566dc5430b9a045a1200130100002e\
         00330024001d00209d3c940d89690b84d08a60993c144eca684d1081287c834d5311bcf32bb9da1a002b0002\
         0304")
});

pub(super) fn hex(text: &str) -> Vec<u8> {
    let digit = |byte: &u8| u8::try_from(char::from(*byte).to_digit(16).unwrap()).unwrap();
    text.as_bytes().chunks(2).map(|pair| digit(&pair[0]) << 4 | digit(&pair[1])).collect()
}

/// Makes the packets of a connection. The client's own id is empty, the server's is `server's`.
pub(super) struct Maker {
    version: u32,
    /// What the keys derive from.
    id: Vec<u8>,
    token: Vec<u8>,
    keys: InitialKeys,
}

const SERVER_ID: &[u8] = b"server's";

impl Maker {
    pub(super) fn new(version: u32, id: &[u8]) -> Self {
        let keys = InitialKeys::new(protections(version)[0], id).unwrap();
        Self { version, id: id.to_vec(), token: Vec::new(), keys }
    }

    pub(super) fn with_token(self, token: &[u8]) -> Self {
        Self { token: token.to_vec(), ..self }
    }

    /// An Initial packet of the client, the first to the id it chose, the others to the server's.
    pub(super) fn client(&self, number: u8, frames: &[u8]) -> Vec<u8> {
        let target = if frames.first() == Some(&2) { SERVER_ID } else { &self.id };
        let header = self.header(0, target, b"", &self.token, frames.len().max(20), number);
        self.keys.client.seal(&header, u64::from(number), &self.padded(frames))
    }

    /// An Initial packet of the server.
    pub(super) fn server(&self, number: u8, frames: &[u8]) -> Vec<u8> {
        let header = self.header(0, b"", SERVER_ID, b"", frames.len().max(20), number);
        self.keys.server.seal(&header, u64::from(number), &self.padded(frames))
    }

    /// A Handshake packet that nobody can read.
    pub(super) fn handshake(&self, from_client: bool, size: usize) -> Vec<u8> {
        let (target, source) =
            if from_client { (SERVER_ID, &b""[..]) } else { (&b""[..], SERVER_ID) };
        let mut packet = self.header(2, target, source, b"", size, 0);
        packet.resize(packet.len() + size + 16, 0x5a);
        packet
    }

    /// Frames in this version's framing, as long as a packet has to be.
    fn padded(&self, frames: &[u8]) -> Vec<u8> {
        let mut frames = frames.to_vec();
        let google = protections(self.version)[0].framing == Framing::Google;
        if let (true, Some(first @ 6)) = (google, frames.first_mut()) {
            *first = 8;
        }
        frames.resize(frames.len().max(20), 0);
        frames
    }

    fn header(
        &self,
        kind: u8,
        target: &[u8],
        source: &[u8],
        token: &[u8],
        payload: usize,
        number: u8,
    ) -> Vec<u8> {
        let kind = if self.version == 0x6b33_43cf { (kind + 1) & 3 } else { kind };
        let mut header = vec![0xc0 | kind << 4];
        header.extend(self.version.to_be_bytes());
        for id in [target, source] {
            header.push(u8::try_from(id.len()).unwrap());
            header.extend(id);
        }
        if kind == u8::from(self.version == 0x6b33_43cf) {
            header.push(u8::try_from(token.len()).unwrap());
            header.extend(token);
        }
        let length = u16::try_from(payload + 1 + 16).unwrap();
        header.extend((length | 0x4000).to_be_bytes());
        header.push(number);
        header
    }
}

/// A CRYPTO frame with the beginning of a direction's stream, and some padding.
pub(super) fn hello(message: &[u8]) -> Vec<u8> {
    let size = u16::try_from(message.len()).unwrap() | 0x4000;
    [&[6, 0][..], &size.to_be_bytes(), message, &[0; 700]].concat()
}

/// A 1-RTT packet to the end with this id.
pub(super) fn short(id: &[u8]) -> Vec<u8> {
    [&[0x45][..], id, &[9; 30]].concat()
}

/// A whole handshake.
pub(super) fn establish(maker: &Maker) -> Vec<(bool, Vec<u8>)> {
    vec![
        (true, maker.client(0, &hello(&CLIENT_HELLO))),
        (false, [maker.server(0, &hello(&SERVER_HELLO)), maker.handshake(false, 900)].concat()),
        // An acknowledgement alone is no Finished.
        (true, maker.client(1, &[2, 0, 0, 0, 0])),
        (true, maker.handshake(true, 9)),
        (true, maker.handshake(true, 70)),
        (true, short(SERVER_ID)),
        (false, short(b"")),
    ]
}

/// A datagram between the two ends; the client's is the lower address.
pub(super) fn datagram(from_client: bool, payload: &[u8]) -> Datagram<'_> {
    let client = Endpoint { address: Address::v4([10, 0, 0, 1]), port: 50_000 };
    let server = Endpoint { address: Address::v4([10, 0, 0, 2]), port: 443 };
    let (source, target) = if from_client { (client, server) } else { (server, client) };
    Datagram { source, target, domain: Domain(0), payload, cut: 0, layers: Layers::default() }
}
