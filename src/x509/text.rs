//! How certificates are written: hex, serial numbers, and the object of the record schema.

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::certificate::Certificate;
use crate::json::Hex;

impl Serialize for Certificate {
    /// The object of the record schema.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.kept().serialize(&Fields(self), serializer)
    }
}

impl Certificate {
    /// The object of the record schema, field by field: for where its fields are to stand among
    /// others, which text that is kept whole cannot.
    pub fn fields(&self) -> impl Serialize + '_ {
        Fields(self)
    }
}

struct Fields<'a>(&'a Certificate);

impl Serialize for Fields<'_> {
    /// The keys in the schema's order.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(certificate) = self;
        let mut object = serializer.serialize_struct("Certificate", 10)?;
        object.serialize_field("sha1", &Hex(&certificate.sha1()))?;
        object.serialize_field("sha256", &certificate.fingerprint())?;
        object.serialize_field("subject", certificate.subject())?;
        object.serialize_field("issuer", certificate.issuer())?;
        object.serialize_field("serial", certificate.serial())?;
        object.serialize_field("not_before", &certificate.not_before())?;
        object.serialize_field("not_after", &certificate.not_after())?;
        object.serialize_field("key", certificate.key())?;
        object.serialize_field("signature", certificate.signature())?;
        object.serialize_field("san", certificate.san())?;
        object.end()
    }
}

/// The bytes of an INTEGER as hex, the sign in front.
pub(super) fn serial_text(content: &[u8]) -> String {
    let negative = content.first().is_some_and(|byte| byte & 0x80 != 0);
    let mut magnitude = content.to_vec();
    if negative {
        // Two's complement: invert, add one.
        let mut carry = true;
        for byte in magnitude.iter_mut().rev() {
            let (sum, over) = (!*byte).overflowing_add(u8::from(carry));
            (*byte, carry) = (sum, over);
        }
    }
    let zeros = magnitude.iter().take_while(|&&byte| byte == 0).count();
    let digits = magnitude.get(zeros..).filter(|digits| !digits.is_empty()).unwrap_or(&[0]);
    format!("{}{}", if negative { "-" } else { "" }, Hex(digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serial_numbers_have_no_padding_and_keep_their_sign() {
        assert_eq!(serial_text(&[0x00, 0xff, 0x01]), "ff01");
        assert_eq!(serial_text(&[0x0a, 0x00]), "0a00");
        assert_eq!(serial_text(&[0x00]), "00");
        assert_eq!(serial_text(&[]), "00");
        assert_eq!(serial_text(&[0xff]), "-01");
        assert_eq!(serial_text(&[0x80, 0x00]), "-8000");
    }

    #[test]
    fn what_is_no_certificate_is_still_a_value() {
        let nothing = Certificate::parse(&[]);
        assert_eq!(nothing.fault(), Some("not a DER certificate"));
        assert_eq!(nothing.serial(), "");
        let json = serde_json::to_string(&nothing).unwrap();
        assert_eq!(
            json,
            r#"{"sha1":"da39a3ee5e6b4b0d3255bfef95601890afd80709","sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","subject":"","issuer":"","serial":"","not_before":null,"not_after":null,"key":"unknown","signature":"","san":[]}"#
        );
    }
}
