//! OpenVPN over TCP: its control channel is TLS inside packets of its own.
//!
//! A packet is a length of two bytes, an opcode and key id, the sender's session id, with
//! `--tls-auth` an HMAC, packet number and time, the packets that it acknowledges, its own number,
//! and then bytes of TLS ("OpenVPN Wire Protocol", draft-openvpn-wire-protocol §4). How long the HMAC
//! is no packet says: the first one, which has nothing else of variable length, shows it. What
//! `--tls-crypt` encrypts shows no TLS.

use super::framing::{Detected, Piece};
use crate::bytes::Reader;

const CONTROL: u8 = 4;
const CLIENT_RESET: u8 = 7;
const SERVER_RESET: u8 = 8;

/// Opcode, session id, count of acknowledgements, packet number.
const RESET: usize = 14;

/// Bytes that `--tls-auth` adds: HMAC-MD5, -SHA1, -SHA256, -SHA384, -SHA512, each with a packet
/// number and a time.
const AUTHENTICATION: [usize; 6] = [0, 24, 28, 40, 56, 72];

/// An acknowledgement list of one, with the other end's session id.
const ONE_ACK: usize = 12;

/// The packets of one direction.
#[derive(Debug, Default)]
pub(in crate::tls) struct Deframer {
    /// What was seen of the header of the current packet.
    header: Vec<u8>,
    /// What is still to come of it, and whether it is TLS.
    left: usize,
    skipped: bool,
    authentication: usize,
}

impl Deframer {
    pub(super) const fn left_mut(&mut self) -> &mut usize {
        &mut self.left
    }

    pub(super) fn lose(&mut self) {
        self.left = 0;
        self.header.clear();
    }

    pub(super) fn next<'b>(&mut self, bytes: &mut &'b [u8]) -> Piece<'b> {
        if bytes.is_empty() {
            return Piece::End;
        }
        if self.left > 0 {
            let (body, rest) = bytes.split_at(self.left.min(bytes.len()));
            *bytes = rest;
            self.left = self.left.saturating_sub(body.len());
            return if self.skipped { Piece::Header(body) } else { Piece::Payload(body) };
        }
        let all = *bytes;
        let mut taken = 0_usize;
        for byte in all {
            self.header.push(*byte);
            taken = taken.saturating_add(1);
            let Some(packet) = packet(&self.header, self.authentication) else { continue };
            self.header.clear();
            let Packet::Of { left, tls } = packet else { return Piece::Broken };
            self.left = left;
            self.skipped = !tls;
            break;
        }
        let (header, rest) = all.split_at(taken);
        *bytes = rest;
        Piece::Header(header)
    }
}

/// What a header says of its packet.
enum Packet {
    /// So much is to come of it.
    Of { left: usize, tls: bool },
    /// It is none.
    Broken,
}

/// Read a header; `None` if it is not whole.
fn packet(header: &[u8], authentication: usize) -> Option<Packet> {
    let mut reader = Reader::new(header);
    let size = usize::from(reader.u16()?);
    let opcode = reader.u8()? >> 3;
    match opcode {
        CONTROL => {}
        1..=10 => return Some(Packet::Of { left: size.saturating_sub(1), tls: false }),
        _ => return Some(Packet::Broken),
    }
    reader.skip(8_usize.saturating_add(authentication))?;
    let acks = usize::from(reader.u8()?);
    let other_id = if acks > 0 { 8 } else { 0 };
    if acks > 8 {
        return Some(Packet::Broken);
    }
    reader.skip(acks.saturating_mul(4).saturating_add(other_id).saturating_add(4))?;
    let used = header.len().saturating_sub(2).saturating_sub(reader.remaining());
    Some(match size.checked_sub(used) {
        Some(left) => Packet::Of { left, tls: true },
        None => Packet::Broken,
    })
}

/// Whether a direction begins with the packet that resets a session.
pub(super) fn detect(bytes: &[u8]) -> Detected<Deframer> {
    let mut reader = Reader::new(bytes);
    let Some(size) = reader.u16().map(usize::from) else {
        return match bytes {
            [0] => Detected::Perhaps,
            _ => Detected::No,
        };
    };
    let likely = AUTHENTICATION.iter().any(|added| {
        let plain = added.saturating_add(RESET);
        size == plain || size == plain.saturating_add(ONE_ACK)
    });
    let opcode = reader.peek().first().copied();
    let reset = opcode.is_none_or(|byte| {
        matches!(byte >> 3, CLIENT_RESET | SERVER_RESET) && byte.trailing_zeros() >= 3
    });
    if !likely || !reset {
        return Detected::No;
    }
    let Some(packet) = reader.take(size) else { return Detected::Perhaps };
    // The count of acknowledgements stands behind what is looked for: 54 bytes may be an answer
    // with SHA-1 or a first packet with SHA-256.
    let authentication = AUTHENTICATION.into_iter().find(|added| {
        let plain = added.saturating_add(RESET);
        match packet.get(added.saturating_add(9)) {
            Some(0) => size == plain,
            Some(1) => size == plain.saturating_add(ONE_ACK),
            _ => false,
        }
    });
    match authentication {
        Some(authentication) => Detected::Yes(Deframer { authentication, ..Deframer::default() }),
        None => Detected::No,
    }
}

/// Whether cleartext is OpenVPN up to the beginning of TLS.
pub(super) fn is_preamble(bytes: &[u8]) -> bool {
    matches!(detect(bytes), Detected::Yes(_))
}
