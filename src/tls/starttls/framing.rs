//! [`Framing`]: TLS cut into the packets of another protocol, which come off on the capture thread.
//!
//! In go the bytes of one direction, out come the bytes of TLS inside them as slices of the same
//! bytes: a TLS record may span packets, and a packet may hold several records.
//!
//! ```text
//!   TDS      ┃header┃ TLS bytes ┃header┃ TLS bytes ┃ TLS records, bare, once the handshake is over
//!   OpenVPN  ┃len┃header┃ TLS bytes ┃len┃header┃ data channel ┃len┃header┃ TLS bytes …
//! ```

use super::{openvpn, tds};

/// What TLS is wrapped in.
#[derive(Debug)]
pub(in crate::tls) enum Framing {
    /// Packets of MS-SQL's Tabular Data Stream.
    Tds(tds::Deframer),
    /// Packets of OpenVPN over TCP.
    OpenVpn(openvpn::Deframer),
}

/// What the next bytes of a framed direction are.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::tls) enum Piece<'b> {
    /// A part of a packet's own header.
    Header(&'b [u8]),
    /// Bytes of what is inside.
    Payload(&'b [u8]),
    /// No bytes are left.
    End,
    /// The packets are over: what is left is bare TLS.
    Bare,
    /// These are no packets in which TLS could be.
    Broken,
}

impl Framing {
    /// Take the next piece off the front of `bytes`.
    pub(in crate::tls) fn next<'b>(&mut self, bytes: &mut &'b [u8]) -> Piece<'b> {
        match self {
            Self::Tds(deframer) => deframer.next(bytes),
            Self::OpenVpn(deframer) => deframer.next(bytes),
        }
    }

    /// Bytes are missing. Returns how many bytes of what is inside are missing with them, zero if
    /// that is not known (as in [`Chunk::Gap`](crate::flow::Chunk::Gap)).
    pub(in crate::tls) fn gap(&mut self, missing: u64) -> u64 {
        let left = match self {
            Self::Tds(deframer) => deframer.left_mut(),
            Self::OpenVpn(deframer) => deframer.left_mut(),
        };
        let inside = usize::try_from(missing).ok().filter(|count| *count > 0 && *count <= *left);
        if let Some(count) = inside {
            *left = left.saturating_sub(count);
            return missing;
        }
        // Where the next packet begins is not known; the next segment is taken for one.
        match self {
            Self::Tds(deframer) => *deframer = tds::Deframer::default(),
            Self::OpenVpn(deframer) => deframer.lose(),
        }
        0
    }
}

/// Whether a direction begins with such packets.
pub(in crate::tls) fn detect(bytes: &[u8]) -> Detected<Framing> {
    match (tds::detect(bytes), openvpn::detect(bytes)) {
        (Detected::Yes(deframer), _) => Detected::Yes(Framing::Tds(deframer)),
        (_, Detected::Yes(deframer)) => Detected::Yes(Framing::OpenVpn(deframer)),
        (Detected::No, Detected::No) => Detected::No,
        _ => Detected::Perhaps,
    }
}

/// Whether bytes begin with the packets of one protocol.
#[derive(Debug)]
pub(in crate::tls) enum Detected<D> {
    /// They do.
    Yes(D),
    /// So far.
    Perhaps,
    /// They do not.
    No,
}
