//! MS-SQL's Tabular Data Stream: up to TDS 7.4 the TLS handshake travels inside PRELOGIN packets.
//!
//! [MS-TDS] §2.2.6.5: after both ends have agreed on encryption in a PRELOGIN message, TLS records
//! are the data of further packets of type 0x12; the server may answer in type 0x04. Once the
//! handshake is over TLS records follow without packet headers (§3.2.5.2). TDS 8.0 is plain TLS
//! with the ALPN name `tds/8.0`.
//!
//! [MS-TDS]: https://learn.microsoft.com/openspecs/windows_protocols/ms-tds/

use super::framing::{Detected, Piece};
use crate::bytes::Reader;

/// Packet types: a server's answer, and the PRELOGIN message (§2.2.3.1.1).
const TABULAR_RESULT: u8 = 0x04;
const PRELOGIN: u8 = 0x12;

/// Type, status, length, process id, packet number, window (§2.2.3.1).
const HEADER: usize = 8;

/// Largest packet that can be negotiated (§2.2.3.1.3).
const MAX_PACKET: u16 = 32_768;

/// The packets of one direction.
#[derive(Debug, Default)]
pub(in crate::tls) struct Deframer {
    header: [u8; HEADER],
    have: usize,
    left: usize,
}

impl Deframer {
    pub(super) const fn left_mut(&mut self) -> &mut usize {
        &mut self.left
    }

    pub(super) fn next<'b>(&mut self, bytes: &mut &'b [u8]) -> Piece<'b> {
        let Some(first) = bytes.first() else { return Piece::End };
        if self.left > 0 {
            let (payload, rest) = bytes.split_at(self.left.min(bytes.len()));
            *bytes = rest;
            self.left = self.left.saturating_sub(payload.len());
            return Piece::Payload(payload);
        }
        // No packet type is a content type of TLS.
        if self.have == 0 && matches!(first, 20..=24) {
            return Piece::Bare;
        }
        let missing = HEADER.saturating_sub(self.have);
        let (header, rest) = bytes.split_at(missing.min(bytes.len()));
        *bytes = rest;
        let room = self.header.iter_mut().skip(self.have);
        let taken = room.zip(header).map(|(slot, byte)| *slot = *byte).count();
        self.have = self.have.saturating_add(taken);
        if self.have == HEADER {
            self.have = 0;
            // Any other type is a login in the clear, or no TDS.
            let Some(size) = packet_size(&self.header) else { return Piece::Broken };
            self.left = usize::from(size);
        }
        Piece::Header(header)
    }
}

/// Length of the data behind the header of a packet in which TLS may be.
fn packet_size(header: &[u8]) -> Option<u16> {
    let mut reader = Reader::new(header);
    let (kind, status) = (reader.u8()?, reader.u8()?);
    let size = reader.u16()?;
    let window = Reader::new(header.get(7..)?).u8()?;
    (matches!(kind, PRELOGIN | TABULAR_RESULT)
        && matches!(status, 0 | 1)
        && size <= MAX_PACKET
        && window == 0)
        .then(|| size.checked_sub(8))?
}

/// Whether a direction begins with a PRELOGIN message, or with TLS inside such a packet.
pub(super) fn detect(bytes: &[u8]) -> Detected<Deframer> {
    let (header, data) = bytes.split_at(HEADER.min(bytes.len()));
    if header.len() < HEADER {
        let so_far = match header {
            [] => false,
            [kind, rest @ ..] => {
                matches!(*kind, PRELOGIN | TABULAR_RESULT)
                    && rest.first().is_none_or(|status| matches!(status, 0 | 1))
            }
        };
        return if so_far { Detected::Perhaps } else { Detected::No };
    }
    match packet_size(header) {
        Some(size) if size >= 6 => begins_tls_or_prelogin(data),
        _ => Detected::No,
    }
}

fn begins_tls_or_prelogin(data: &[u8]) -> Detected<Deframer> {
    match data {
        // The first option is VERSION, six bytes of data behind the list (§2.2.6.5).
        [0, 0, 6..=96, 0, 6, ..] | [22, 3, 0..=4, _, _, 1 | 2, ..] => {
            Detected::Yes(Deframer::default())
        }
        [] | [0 | 22] | [0, 0] | [22, 3, ..] if data.len() < 6 => Detected::Perhaps,
        [0, 0, 6..=96] | [0, 0, 6..=96, 0] => Detected::Perhaps,
        _ => Detected::No,
    }
}

/// Whether cleartext is TDS up to the beginning of TLS.
pub(super) fn is_preamble(bytes: &[u8]) -> bool {
    matches!(detect(bytes), Detected::Yes(_))
        // The header of a packet whose data was found to be TLS.
        || bytes.len() == HEADER && packet_size(bytes).is_some()
}
