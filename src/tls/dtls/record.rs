//! Records of DTLS in a datagram, and what a datagram of DTLS may be wrapped in.
//!
//! DTLS shares its ports with other protocols; each tells its datagrams by their first byte
//! (RFC 7983, RFC 9443): 0–3 STUN, 20–63 DTLS, 64–79 TURN channels, 128–191 RTP.

use crate::bytes::Reader;

/// Content types.
pub(crate) mod content {
    /// ChangeCipherSpec.
    pub(crate) const CHANGE_CIPHER_SPEC: u8 = 20;
    /// Alert.
    pub(crate) const ALERT: u8 = 21;
    /// Handshake.
    pub(crate) const HANDSHAKE: u8 = 22;
    /// Application data; also what an encrypted record of DTLS 1.3 counts as.
    pub(crate) const APPLICATION_DATA: u8 = 23;
    /// A record with a connection id, its type encrypted (RFC 9146).
    pub(crate) const TLS12_CID: u8 = 25;
    /// Acknowledgement of DTLS 1.3 (RFC 9147 §7).
    pub(crate) const ACK: u8 = 26;
}

/// A record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    /// The content type that it shows.
    pub(crate) content_type: u8,
    /// The epoch, of DTLS 1.3's encrypted records its two lowest bits.
    pub(crate) epoch: u16,
    /// The sequence number within the epoch, where it can be read.
    pub(crate) sequence: u64,
    /// Length of the body as announced.
    pub(crate) size: u16,
    /// It has the short header of DTLS 1.3.
    pub(crate) unified: bool,
    /// The body as far as it was captured.
    pub(crate) body: &'a [u8],
}

impl Record<'_> {
    /// Whether its body is encrypted.
    pub(crate) const fn is_encrypted(&self) -> bool {
        self.epoch > 0
    }
}

/// The next record of a datagram, `cut` bytes of which were not captured. `None` at its end, and
/// where something begins that is no record.
pub(crate) fn next_record<'a>(reader: &mut Reader<'a>, cut: u32) -> Option<Record<'a>> {
    let mut ahead = *reader;
    let first = ahead.u8()?;
    let record = match first {
        content::CHANGE_CIPHER_SPEC..=content::ACK => {
            let version = ahead.u16()?;
            let [epoch_high, epoch_low, sequence @ ..] = ahead.array::<8>()?;
            let epoch = u16::from_be_bytes([epoch_high, epoch_low]);
            let sequence = sequence.into_iter().fold(0, |high, low| high << 8 | u64::from(low));
            if !is_version(version) {
                return None;
            }
            // The length of a connection id is not known here (RFC 9146 §4), and a record with
            // one is encrypted.
            let (size, body) = if first == content::TLS12_CID {
                if epoch == 0 {
                    return None;
                }
                rest(&mut ahead)
            } else {
                let size = ahead.u16()?;
                (size, body(&mut ahead, size, cut)?)
            };
            Record { content_type: first, epoch, sequence, size, unified: false, body }
        }
        // The header of DTLS 1.3: 001, connection id, sequence length, length, epoch (RFC 9147 §4).
        0x20..=0x3f => {
            let epoch = u16::from(first & 3);
            if first & 0x10 != 0 {
                let (size, body) = rest(&mut ahead);
                *reader = ahead;
                return Some(unified(epoch, size, body));
            }
            ahead.skip(if first & 8 == 0 { 1 } else { 2 })?;
            let (size, body) = if first & 4 == 0 {
                rest(&mut ahead)
            } else {
                let size = ahead.u16()?;
                (size, body(&mut ahead, size, cut)?)
            };
            unified(epoch, size, body)
        }
        _ => return None,
    };
    *reader = ahead;
    Some(record)
}

/// An encrypted record of DTLS 1.3; all four values of the epoch bits but 0 stand for themselves in
/// a handshake, and 0 for the fourth traffic epoch.
const fn unified(epoch: u16, size: u16, body: &[u8]) -> Record<'_> {
    let epoch = if epoch == 0 { 4 } else { epoch };
    Record {
        content_type: content::APPLICATION_DATA,
        epoch,
        sequence: 0,
        size,
        unified: true,
        body,
    }
}

/// A body of a given length, or as much of it as the capture kept.
fn body<'a>(reader: &mut Reader<'a>, size: u16, cut: u32) -> Option<&'a [u8]> {
    let missing = usize::from(size).saturating_sub(reader.remaining());
    let fits = u32::try_from(missing).is_ok_and(|missing| missing <= cut);
    fits.then(|| reader.take_up_to(usize::from(size)))
}

/// A body that has no length of its own, as much of it as the capture kept.
fn rest<'a>(reader: &mut Reader<'a>) -> (u16, &'a [u8]) {
    let body = reader.rest();
    (u16::try_from(body.len()).unwrap_or(u16::MAX), body)
}

/// DTLS 1.0, DTLS 1.2 (and 1.3, whose records say 1.2), and DTLS of OpenSSL before the standard.
const fn is_version(version: u16) -> bool {
    matches!(version, 0xfeff | 0xfefd | 0x0100)
}

/// Header of a handshake fragment (RFC 6347 §4.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fragment<'a> {
    /// Message type.
    pub(crate) kind: u8,
    /// Length of the whole message.
    pub(crate) length: usize,
    /// Number of the message.
    pub(crate) message_seq: u16,
    /// Where in the message it belongs.
    pub(crate) offset: usize,
    /// Its bytes, as far as captured.
    pub(crate) bytes: &'a [u8],
}

/// The next handshake fragment of a record's body.
pub(crate) fn next_fragment<'a>(reader: &mut Reader<'a>) -> Option<Fragment<'a>> {
    let mut ahead = *reader;
    let kind = ahead.u8()?;
    let length = usize::try_from(ahead.u24()?).ok()?;
    let message_seq = ahead.u16()?;
    let offset = usize::try_from(ahead.u24()?).ok()?;
    let size = usize::try_from(ahead.u24()?).ok()?;
    if offset.saturating_add(size) > length {
        return None;
    }
    // Only a snap length makes it shorter: a record ends with a whole fragment.
    let bytes = ahead.take_up_to(size);
    *reader = ahead;
    Some(Fragment { kind, length, message_seq, offset, bytes })
}

/// Whether a datagram begins with a record that may open a conversation: a handshake message or
/// an alert in the clear.
pub(crate) fn opens(payload: &[u8], cut: u32) -> bool {
    let Some(record) = next_record(&mut Reader::new(payload), cut) else { return false };
    if record.is_encrypted() {
        return false;
    }
    match record.content_type {
        content::HANDSHAKE => {
            next_fragment(&mut Reader::new(record.body)).is_some_and(|fragment| {
                matches!(fragment.kind, 0..=25 | 67) && fragment.length < 1 << 18
            })
        }
        content::ALERT => record.size == 2 && matches!(record.body, [1 | 2, ..]),
        _ => false,
    }
}

/// Magic cookie of STUN (RFC 8489 §5).
const STUN_COOKIE: u32 = 0x2112_a442;
/// STUN attribute that carries a datagram for or from a peer (RFC 8656 §18).
const STUN_DATA: u16 = 0x0013;

/// The bytes of DTLS in a datagram: all of it, or what a relay's or CAPWAP's header wraps.
/// `None` if by its first bytes it cannot be DTLS.
pub(crate) fn unwrap(payload: &[u8]) -> Option<&[u8]> {
    match payload {
        [20..=63, ..] => Some(payload),
        // CAPWAP's preamble (RFC 5415 §4.2): version 0, type 1, three reserved bytes.
        [1, 0, 0, 0, inner @ ..] => Some(inner).filter(|inner| is_inner(inner)),
        // A TURN channel: its number, the length (RFC 8656 §12.4), padding at the end.
        [0x40..=0x4f, _, high, low, inner @ ..] => {
            let size = usize::from(u16::from_be_bytes([*high, *low]));
            let padding = inner.len().saturating_sub(size);
            Some(inner.get(..size).unwrap_or(inner)).filter(|inner| padding < 4 && is_inner(inner))
        }
        // A Send or a Data indication of TURN (RFC 8656 §10).
        [0x00, 0x16 | 0x17, rest @ ..] => {
            let mut reader = Reader::new(rest);
            reader.u16()?;
            if reader.u32()? != STUN_COOKIE {
                return None;
            }
            reader.skip(12)?;
            loop {
                let kind = reader.u16()?;
                let size = usize::from(reader.u16()?);
                let value = reader.take_up_to(size);
                if kind == STUN_DATA {
                    return Some(value).filter(|value| is_inner(value));
                }
                reader.skip(size.wrapping_neg() & 3)?;
            }
        }
        _ => None,
    }
}

/// Whether wrapped bytes may be DTLS.
const fn is_inner(bytes: &[u8]) -> bool {
    matches!(bytes, [20..=26, 0xfe, 0xfd | 0xff, ..] | [20..=26, 1, 0, ..] | [0x20..=0x3f, ..])
}
