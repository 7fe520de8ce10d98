//! DER elements, read one at a time out of untrusted bytes (ITU-T X.690 §8.1).
//!
//! Only as much as the outer shape of a certificate needs: the values inside are read by
//! `x509-parser`, piece by piece, so that one damaged piece does not hide the others. Lengths may
//! be written longer than DER allows (old encoders did); the indefinite form is refused.

use crate::bytes::Reader;

/// BOOLEAN.
pub(super) const BOOLEAN: u8 = 0x01;
/// INTEGER.
pub(super) const INTEGER: u8 = 0x02;
/// BIT STRING.
pub(super) const BIT_STRING: u8 = 0x03;
/// OBJECT IDENTIFIER.
pub(super) const OID: u8 = 0x06;
/// SEQUENCE.
pub(super) const SEQUENCE: u8 = 0x30;
/// SET.
pub(super) const SET: u8 = 0x31;
/// `[0]`, constructed: the version of a certificate.
pub(super) const VERSION: u8 = 0xa0;
/// `[3]`, constructed: the extensions of a certificate.
pub(super) const EXTENSIONS: u8 = 0xa3;

/// Characters of a dotted OID that are printed: no OID in use is a quarter as long.
const OID_TEXT: usize = 256;

/// One tag, length and value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element<'a> {
    /// The tag byte.
    pub(super) tag: u8,
    /// Tag, length and value.
    pub(super) whole: &'a [u8],
    /// The value.
    pub(super) content: &'a [u8],
}

/// The next element; `None` (and no movement) where there is none, or it is cut.
pub(super) fn element<'a>(reader: &mut Reader<'a>) -> Option<Element<'a>> {
    let mut ahead = *reader;
    let tag = ahead.u8()?;
    if tag & 0x1f == 0x1f {
        return None; // a tag number above 30: nothing in a certificate has one
    }
    let length = match ahead.u8()? {
        short @ 0..=0x7f => usize::from(short),
        0x81 => usize::from(ahead.u8()?),
        0x82 => usize::from(ahead.u16()?),
        0x83 => usize::try_from(ahead.u24()?).ok()?,
        0x84 => usize::try_from(ahead.u32()?).ok()?,
        _ => return None,
    };
    let content = ahead.take(length)?;
    let whole = reader.take(reader.remaining().checked_sub(ahead.remaining())?)?;
    Some(Element { tag, whole, content })
}

/// The next element if it has this tag.
pub(super) fn expect<'a>(reader: &mut Reader<'a>, tag: u8) -> Option<Element<'a>> {
    let mut ahead = *reader;
    let found = element(&mut ahead).filter(|element| element.tag == tag)?;
    *reader = ahead;
    Some(found)
}

/// The whole bytes of a BIT STRING's content; `None` where it ends within a byte.
pub(super) fn whole_bytes(bit_string: &[u8]) -> Option<&[u8]> {
    match bit_string.split_first() {
        Some((0, bytes)) => Some(bytes),
        _ => None,
    }
}

/// An object identifier with dots between its numbers; what is too long to print ends in `…`.
pub(super) fn oid_text(content: &[u8]) -> String {
    let mut text = String::new();
    let mut number = 0_u128;
    for &byte in content {
        if text.len() > OID_TEXT {
            text.push('…');
            break;
        }
        number = number.saturating_mul(128).saturating_add(u128::from(byte & 0x7f));
        if byte & 0x80 != 0 {
            continue;
        }
        // X.690 §8.19.4: the first two numbers share one.
        if text.is_empty() {
            let first = (number / 40).min(2);
            text = format!("{first}.{}", number - first * 40);
        } else {
            text.push('.');
            text.push_str(&number.to_string());
        }
        number = 0;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_elements_and_stops_at_a_cut_one() {
        let mut reader = Reader::new(&[0x02, 0x01, 0x05, 0x30, 0x81, 0x02, 0x05, 0x00, 0x04, 0x09]);
        let first = element(&mut reader).unwrap();
        assert_eq!((first.tag, first.content, first.whole.len()), (INTEGER, &[5_u8][..], 3));
        assert!(expect(&mut reader, OID).is_none());
        assert_eq!(expect(&mut reader, SEQUENCE).unwrap().content, &[5, 0]);
        assert!(element(&mut reader).is_none());
        assert_eq!(reader.remaining(), 2);
    }

    #[test]
    fn refuses_indefinite_lengths_and_long_tags() {
        assert!(element(&mut Reader::new(&[0x30, 0x80, 0x00, 0x00])).is_none());
        assert!(element(&mut Reader::new(&[0x1f, 0x01, 0x00])).is_none());
        assert!(element(&mut Reader::new(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff])).is_none());
    }

    #[test]
    fn prints_object_identifiers() {
        assert_eq!(
            oid_text(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b]),
            "1.2.840.113549.1.1.11"
        );
        assert_eq!(oid_text(&[0x55, 0x1d, 0x11]), "2.5.29.17");
        assert_eq!(oid_text(&[0x88, 0x37]), "2.999");
        assert_eq!(oid_text(&[]), "");
        assert!(oid_text(&[0x01; 5000]).len() < 300);
    }
}
