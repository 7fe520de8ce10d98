//! Keys of Initial packets, and what they open (RFC 9001 §5).
//!
//! Anyone who sees a client's first Initial packet has the keys: they derive from a number of the
//! version and the connection id in that packet. A packet that opens is therefore proof of the
//! version and of the order of things, as noise does not open.

use aws_lc_rs::aead::quic::{AES_128, HeaderProtectionKey};
use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{self, DecryptingKey, DecryptionContext, UnboundCipherKey};
use aws_lc_rs::hkdf::{self, HKDF_SHA256, Prk, Salt};
use aws_lc_rs::iv::FixedLength;

use super::packet::LongPacket;
use super::version::Protection;

/// The keys of both ends.
pub(crate) struct InitialKeys {
    pub(crate) client: PacketKeys,
    pub(crate) server: PacketKeys,
}

/// The keys of one end.
pub(crate) struct PacketKeys {
    header: HeaderProtectionKey,
    packet: LessSafeKey,
    /// The packet key once more, for packets that the capture cut.
    bare: [u8; KEY],
    iv: [u8; IV],
}

/// A packet without its protection.
#[derive(Debug)]
pub(crate) struct Opened<'b> {
    pub(crate) number: u64,
    /// The frames.
    pub(crate) payload: &'b [u8],
    /// The tag was there and right.
    pub(crate) authentic: bool,
}

const KEY: usize = 16;
const IV: usize = 12;
const SAMPLE: usize = 16;

impl InitialKeys {
    /// The keys that belong to the connection id in a client's first packet (RFC 9001 §5.2).
    pub(crate) fn new(protection: &Protection, connection_id: &[u8]) -> Option<Self> {
        let initial = Salt::new(HKDF_SHA256, &protection.salt).extract(connection_id);
        let keys = |label| {
            let secret = expand::<32>(&initial, label)?;
            PacketKeys::new(&Prk::new_less_safe(HKDF_SHA256, &secret), protection)
        };
        Some(Self { client: keys("client in")?, server: keys("server in")? })
    }
}

impl PacketKeys {
    fn new(secret: &Prk, protection: &Protection) -> Option<Self> {
        let bare = expand::<KEY>(secret, protection.key)?;
        let header = expand::<KEY>(secret, protection.hp)?;
        Some(Self {
            header: HeaderProtectionKey::new(&AES_128, &header).ok()?,
            packet: LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &bare).ok()?),
            bare,
            iv: expand::<IV>(secret, protection.iv)?,
        })
    }

    /// Take the protection off a packet. `largest` is the largest packet number that was opened.
    ///
    /// A packet that the capture cut has no tag; it is decrypted all the same, and the caller has
    /// to judge by what comes out whether it was meant to be.
    pub(crate) fn open<'b>(
        &self,
        packet: &LongPacket<'_>,
        largest: Option<u64>,
        buffer: &'b mut Vec<u8>,
    ) -> Option<Opened<'b>> {
        // The sample begins where a packet number of four bytes would end (RFC 9001 §5.4.2).
        let sample_at = packet.number_at.checked_add(4)?;
        let sample = packet.bytes.get(sample_at..sample_at.checked_add(SAMPLE)?)?;
        let [mask, number_mask @ ..] = self.header.new_mask(sample).ok()?;
        buffer.clear();
        buffer.extend_from_slice(packet.bytes);
        let first = buffer.first_mut()?;
        *first ^= mask & 0x0f;
        let number_len = usize::from(*first & 3).checked_add(1)?;
        let payload_at = packet.number_at.checked_add(number_len)?;
        let mut truncated = 0;
        for (byte, mask) in
            buffer.get_mut(packet.number_at..payload_at)?.iter_mut().zip(number_mask)
        {
            *byte ^= mask;
            truncated = truncated << 8 | u64::from(*byte);
        }
        let number = full_number(truncated, number_len, largest);
        let mut nonce = self.iv;
        for (byte, number) in nonce.iter_mut().rev().zip(number.to_le_bytes()) {
            *byte ^= number;
        }
        let (head, body) = buffer.split_at_mut_checked(payload_at)?;
        if packet.missing == 0 {
            let nonce = Nonce::assume_unique_for_key(nonce);
            let payload = self.packet.open_in_place(nonce, Aad::from(&*head), body).ok()?;
            return Some(Opened { number, payload, authentic: true });
        }
        // The tag stood at the end; of a payload without its end all bytes are payload unless part
        // of the tag was captured.
        let tag = AES_128_GCM.tag_len().saturating_sub(packet.missing);
        let body = body.get_mut(..body.len().checked_sub(tag)?)?;
        let payload = self.open_without_tag(nonce, body)?;
        Some(Opened { number, payload, authentic: false })
    }

    /// Protect a packet: `header` ends with the packet number, as the first byte says.
    #[cfg(test)]
    #[allow(clippy::arithmetic_side_effects, reason = "only tests seal")]
    pub(crate) fn seal(&self, header: &[u8], number: u64, payload: &[u8]) -> Vec<u8> {
        let number_len = usize::from(header[0] & 3) + 1;
        let mut nonce = self.iv;
        for (byte, number) in nonce.iter_mut().rev().zip(number.to_le_bytes()) {
            *byte ^= number;
        }
        let mut body = payload.to_vec();
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.packet.seal_in_place_append_tag(nonce, Aad::from(header), &mut body).unwrap();
        let number_at = header.len() - number_len;
        let mut packet = [header, &body].concat();
        let mask = self.header.new_mask(&packet[number_at + 4..][..SAMPLE]).unwrap();
        packet[0] ^= mask[0] & 0x0f;
        for (byte, mask) in packet[number_at..header.len()].iter_mut().zip(&mask[1..]) {
            *byte ^= mask;
        }
        packet
    }

    /// GCM without its tag is counter mode, the counter beginning with 2 (NIST SP 800-38D §7.2).
    fn open_without_tag<'b>(&self, nonce: [u8; IV], body: &'b mut [u8]) -> Option<&'b [u8]> {
        let mut block = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
        for (byte, nonce) in block.iter_mut().zip(nonce) {
            *byte = nonce;
        }
        let key = UnboundCipherKey::new(&cipher::AES_128, &self.bare).ok()?;
        let context = DecryptionContext::Iv128(FixedLength::from(block));
        DecryptingKey::ctr(key).ok()?.decrypt(body, context).ok().map(|payload| &*payload)
    }
}

/// HKDF-Expand-Label of TLS 1.3 without a context (RFC 8446 §7.1).
fn expand<const N: usize>(secret: &Prk, label: &str) -> Option<[u8; N]> {
    const PREFIX: &[u8] = b"tls13 ";
    let length = u16::try_from(N).ok()?.to_be_bytes();
    let label_len = [u8::try_from(PREFIX.len().checked_add(label.len())?).ok()?];
    let mut out = [0; N];
    let info = [&length[..], &label_len, PREFIX, label.as_bytes(), &[0]];
    secret.expand(&info, Length(N)).ok()?.fill(&mut out).ok()?;
    Some(out)
}

/// How much the expansion gives.
struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// The packet number of which the lowest bytes are known (RFC 9000 §A.3).
fn full_number(truncated: u64, len: usize, largest: Option<u64>) -> u64 {
    let Some(largest) = largest else { return truncated };
    let expected = largest.saturating_add(1);
    let window = 1_u64 << (len.min(4).saturating_mul(8));
    let half = window >> 1;
    let candidate = (expected & !window.wrapping_sub(1)) | truncated;
    if candidate.saturating_add(half) <= expected
        && candidate < (1_u64 << 62).saturating_sub(window)
    {
        candidate.saturating_add(window)
    } else if candidate > expected.saturating_add(half) && candidate >= window {
        candidate.saturating_sub(window)
    } else {
        candidate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packet_numbers_are_as_in_rfc_9000_appendix_a_3() {
        assert_eq!(full_number(0x9b32, 2, Some(0xa82f_30ea)), 0xa82f_9b32);
        assert_eq!(full_number(0, 1, None), 0);
        assert_eq!(full_number(1, 1, Some(255)), 257);
        assert_eq!(full_number(254, 1, Some(256)), 254);
    }
}
