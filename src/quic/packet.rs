//! Packets with a long header, as far as their headers are not protected (RFC 9000 §17.2).

use super::version::{PacketKind, is_known, packet_kind};
use crate::bytes::Reader;

/// Longest connection id of the versions known here (RFC 9000 §17.2).
pub(crate) const MAX_ID: u8 = 20;

/// Shortest a protected packet may be behind its length: what the sample takes (RFC 9001 §5.4.2).
const MIN_PROTECTED: usize = 20;

/// A packet with a long header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LongPacket<'a> {
    pub(crate) version: u32,
    pub(crate) kind: PacketKind,
    /// Connection id of the receiver.
    pub(crate) target: &'a [u8],
    /// Connection id of the sender.
    pub(crate) source: &'a [u8],
    /// Token of an Initial packet.
    pub(crate) token: &'a [u8],
    /// The packet from its first byte, as far as captured.
    pub(crate) bytes: &'a [u8],
    /// Where in it the packet number is.
    pub(crate) number_at: usize,
    /// Bytes of it that were not captured.
    pub(crate) missing: usize,
}

impl LongPacket<'_> {
    /// Length of packet number and payload.
    pub(crate) const fn protected_len(&self) -> usize {
        self.bytes.len().saturating_add(self.missing).saturating_sub(self.number_at)
    }
}

/// The next packet with a long header in a datagram, `cut` bytes of which were not captured.
///
/// `None` where no packet of a known version begins. A Retry takes the rest of the datagram, as it
/// has no length.
pub(crate) fn next_packet<'a>(reader: &mut Reader<'a>, cut: usize) -> Option<LongPacket<'a>> {
    let whole = reader.peek();
    let mut ahead = *reader;
    let first = ahead.u8()?;
    let version = ahead.u32()?;
    if first & 0x80 == 0 || !is_known(version) {
        return None;
    }
    let kind = packet_kind(version, first);
    let target = connection_id(&mut ahead)?;
    let source = connection_id(&mut ahead)?;
    let mut packet = LongPacket {
        version,
        kind,
        target,
        source,
        token: &[],
        bytes: whole,
        number_at: 0,
        missing: 0,
    };
    if kind == PacketKind::Retry {
        packet.number_at = whole.len();
        reader.rest();
        return Some(packet);
    }
    if kind == PacketKind::Initial {
        let size = usize::try_from(varint(&mut ahead)?).ok()?;
        packet.token = ahead.take(size)?;
    }
    let length = usize::try_from(varint(&mut ahead)?).ok()?;
    packet.missing = length.saturating_sub(ahead.remaining());
    if length < MIN_PROTECTED || packet.missing > cut {
        return None;
    }
    packet.number_at = whole.len().saturating_sub(ahead.remaining());
    ahead.take_up_to(length);
    packet.bytes = whole.get(..whole.len().saturating_sub(ahead.remaining()))?;
    *reader = ahead;
    Some(packet)
}

/// Whether a datagram is a Version Negotiation packet (RFC 9000 §17.2.1).
pub(crate) fn is_version_negotiation(payload: &[u8]) -> bool {
    let mut reader = Reader::new(payload);
    let long = reader.u8().is_some_and(|first| first & 0x80 != 0);
    long && reader.u32() == Some(0)
        && connection_id(&mut reader).is_some()
        && connection_id(&mut reader).is_some()
        && !reader.is_empty()
        && reader.remaining().is_multiple_of(4)
}

fn connection_id<'a>(reader: &mut Reader<'a>) -> Option<&'a [u8]> {
    let size = reader.u8().filter(|size| *size <= MAX_ID)?;
    reader.take(usize::from(size))
}

/// A number of 1, 2, 4 or 8 bytes; the two highest bits tell how many (RFC 9000 §16).
pub(crate) fn varint(reader: &mut Reader<'_>) -> Option<u64> {
    let mut ahead = *reader;
    let first = ahead.u8()?;
    let mut value = u64::from(first & 0x3f);
    for _ in 1..(1_u8 << (first >> 6)) {
        value = value << 8 | u64::from(ahead.u8()?);
    }
    *reader = ahead;
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_in_rfc_9000_appendix_a_1() {
        for (bytes, value) in [
            (&[0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c][..], 151_288_809_941_952_652),
            (&[0x9d, 0x7f, 0x3e, 0x7d], 494_878_333),
            (&[0x7b, 0xbd], 15_293),
            (&[0x25], 37),
            (&[0x40, 0x25], 37),
        ] {
            assert_eq!(varint(&mut Reader::new(bytes)), Some(value));
            let (_, short) = bytes.split_last().unwrap();
            assert_eq!(varint(&mut Reader::new(short)), None);
        }
    }
}
