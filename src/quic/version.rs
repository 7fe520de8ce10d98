//! Versions of QUIC that carry TLS, and how each protects its Initial packets.

/// How a version derives the keys of Initial packets, and how it writes them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Protection {
    /// Salt of the first extraction.
    pub(crate) salt: [u8; 20],
    /// Label of the packet key.
    pub(crate) key: &'static str,
    /// Label of the packet nonce.
    pub(crate) iv: &'static str,
    /// Label of the header protection key.
    pub(crate) hp: &'static str,
    /// The frame type of CRYPTO.
    pub(crate) framing: Framing,
}

/// How frames are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// As in RFC 9000 §19.
    Ietf,
    /// As in Google's QUIC 50, of which CRYPTO and PADDING are read.
    Google,
}

/// Kind of a packet with a long header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PacketKind {
    Initial,
    ZeroRtt,
    Handshake,
    Retry,
}

const fn ietf(salt: [u8; 20]) -> Protection {
    Protection { salt, key: "quic key", iv: "quic iv", hp: "quic hp", framing: Framing::Ietf }
}

/// RFC 9001 §5.2; drafts 33 and 34 had it already.
const V1: &Protection = &ietf([
    0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad,
    0xcc, 0xbb, 0x7f, 0x0a,
]);

/// Drafts 29 to 32.
const DRAFT_29: &Protection = &ietf([
    0xaf, 0xbf, 0xec, 0x28, 0x99, 0x93, 0xd2, 0x4c, 0x9e, 0x97, 0x86, 0xf1, 0x9c, 0x61, 0x11, 0xe0,
    0x43, 0x90, 0xa8, 0x99,
]);

/// Drafts 23 to 28.
const DRAFT_23: &Protection = &ietf([
    0xc3, 0xee, 0xf7, 0x12, 0xc7, 0x2e, 0xbb, 0x5a, 0x11, 0xa7, 0xd2, 0x43, 0x2b, 0xb4, 0x63, 0x65,
    0xbe, 0xf9, 0xf5, 0x02,
]);

/// Draft 22, the first with today's connection id lengths.
const DRAFT_22: &Protection = &ietf([
    0x7f, 0xbc, 0xdb, 0x0e, 0x7c, 0x66, 0xbb, 0xe9, 0x19, 0x3a, 0x96, 0xcd, 0x21, 0x51, 0x9e, 0xbd,
    0x7a, 0x02, 0x64, 0x4a,
]);

/// RFC 9369 §3.3.
const V2: &Protection = &Protection {
    salt: [
        0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93, 0x81, 0xbe, 0x6e, 0x26, 0x9d,
        0xcb, 0xf9, 0xbd, 0x2e, 0xd9,
    ],
    key: "quicv2 key",
    iv: "quicv2 iv",
    hp: "quicv2 hp",
    framing: Framing::Ietf,
};

/// Drafts of version 2.
const V2_DRAFT: &Protection = &Protection {
    salt: [
        0xa7, 0x07, 0xc2, 0x03, 0xa5, 0x9b, 0x47, 0x18, 0x4a, 0x1d, 0x62, 0xca, 0x57, 0x04, 0x06,
        0xea, 0x7a, 0xe3, 0xe5, 0xd3,
    ],
    key: "quicv2 key",
    iv: "quicv2 iv",
    hp: "quicv2 hp",
    framing: Framing::Ietf,
};

/// Google's QUIC with TLS, revision 50.
const T050: &Protection = &Protection {
    framing: Framing::Google,
    ..ietf([
        0x7f, 0xf5, 0x79, 0xe5, 0xac, 0xd0, 0x72, 0x91, 0x55, 0x80, 0x30, 0x4c, 0x43, 0xa2, 0x36,
        0x7c, 0x60, 0x48, 0x83, 0x10,
    ])
};

/// Google's QUIC with TLS, revision 51.
const T051: &Protection = &Protection {
    framing: Framing::Google,
    ..ietf([
        0x7a, 0x4e, 0xde, 0xf4, 0xe7, 0xcc, 0xee, 0x5f, 0xa4, 0x50, 0x6c, 0x19, 0x12, 0x4f, 0xc8,
        0xcc, 0xda, 0x6e, 0x03, 0x3d,
    ])
};

/// The ways in which a version may protect its Initial packets, likeliest first; none if it is no
/// version that carries TLS, or not known.
pub(crate) const fn protections(version: u32) -> &'static [&'static Protection] {
    match version {
        0x0000_0001 | 0xff00_0021..=0xff00_0022 => &[V1],
        0x6b33_43cf => &[V2],
        0x709a_50c4 => &[V2_DRAFT, V2],
        0xff00_001d..=0xff00_0020 => &[DRAFT_29],
        0xff00_0017..=0xff00_001c => &[DRAFT_23],
        0xff00_0016 => &[DRAFT_22],
        // mvfst, after the drafts 22 and 27; which one the later numbers follow is not documented.
        0xface_b001 => &[DRAFT_22, DRAFT_23],
        0xface_b000..=0xface_b00f => &[DRAFT_23, DRAFT_29, V1],
        0x5430_3530 => &[T050],
        0x5430_3531 => &[T051],
        // Reserved to force version negotiation (RFC 9000 §15): protected as the sender likes.
        version if is_reserved(version) => &[V1, DRAFT_29, V2, DRAFT_23],
        _ => &[],
    }
}

/// Whether a version is known here; asked of every datagram that may be QUIC.
#[inline]
pub(crate) const fn is_known(version: u32) -> bool {
    matches!(
        version,
        0x0000_0001
            | 0x6b33_43cf
            | 0x709a_50c4
            | 0xff00_0016..=0xff00_0022
            | 0xface_b000..=0xface_b00f
            | 0x5430_3530..=0x5430_3531
    ) || is_reserved(version)
}

/// Versions of the form 0x?a?a?a?a.
pub(crate) const fn is_reserved(version: u32) -> bool {
    version & 0x0f0f_0f0f == 0x0a0a_0a0a
}

/// The kind of a long header packet (RFC 9000 §17.2), by its first byte; version 2 numbers them
/// otherwise (RFC 9369 §3.2).
pub(crate) const fn packet_kind(version: u32, first: u8) -> PacketKind {
    let bits = (first >> 4) & 3;
    let bits =
        if matches!(version, 0x6b33_43cf | 0x709a_50c4) { bits.wrapping_sub(1) & 3 } else { bits };
    match bits {
        0 => PacketKind::Initial,
        1 => PacketKind::ZeroRtt,
        2 => PacketKind::Handshake,
        _ => PacketKind::Retry,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_version_has_a_protection_and_no_other() {
        for version in (0..=0xffff).chain(0xff00_0000..0xff00_0040).chain([
            0x6b33_43cf,
            0x709a_50c4,
            0xface_b001,
            0xface_b002,
            0xface_b00e,
            0x5130_3433,
            0x5130_3530,
            0x5430_3530,
            0x5430_3531,
            0x1a2a_3a4a,
            0xfafa_fafa,
        ]) {
            assert_eq!(is_known(version), !protections(version).is_empty(), "{version:08x}");
        }
    }

    #[test]
    fn version_2_numbers_its_packets_otherwise() {
        use PacketKind::{Handshake, Initial, Retry, ZeroRtt};
        let kinds = |version| [0xc0, 0xd0, 0xe0, 0xf0].map(|first| packet_kind(version, first));
        assert_eq!(kinds(1), [Initial, ZeroRtt, Handshake, Retry]);
        assert_eq!(kinds(0x6b33_43cf), [Retry, Initial, ZeroRtt, Handshake]);
    }
}
