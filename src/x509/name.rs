//! Distinguished names: the text that people read, and the form that comparison needs.
//!
//! The text is RFC 4514's, in the order of the encoding as OpenSSL prints it (`C=DE, O=Example,
//! CN=host`): a subject is hostile input, so what could be mistaken for structure is escaped, and
//! so is every control and direction-changing character and every byte that is no character.

use std::fmt::Write as _;

use super::der;
use crate::bytes::Reader;

/// A name as it was read.
#[derive(Debug, Default)]
pub(super) struct Name {
    /// For people.
    pub(super) text: String,
    /// For comparison: equal for names that are equal by RFC 5280 §7.1.
    pub(super) canonical: Box<[u8]>,
    /// The last common name, unescaped: the most specific one (RFC 6125 §1.8).
    pub(super) common: Option<String>,
    /// The encoding was damaged; what could be read stands above.
    pub(super) damaged: bool,
}

/// Read the content of a Name (what stands inside its SEQUENCE).
pub(super) fn read(content: &[u8]) -> Name {
    let mut name = Name::default();
    let mut canonical = Vec::with_capacity(content.len());
    let mut sets = Reader::new(content);
    while let Some(set) = der::expect(&mut sets, der::SET) {
        let mut between = if name.text.is_empty() { "" } else { ", " };
        canonical.push(0);
        let mut attributes = Reader::new(set.content);
        while let Some(attribute) = der::expect(&mut attributes, der::SEQUENCE) {
            let mut parts = Reader::new(attribute.content);
            let (Some(kind), Some(value)) =
                (der::expect(&mut parts, der::OID), der::element(&mut parts))
            else {
                name.damaged = true;
                continue;
            };
            name.text.push_str(between);
            between = " + ";
            push_kind(&mut name.text, kind.content);
            name.text.push('=');
            let value = Value::of(&value);
            push_canonical(&mut canonical, kind.content, &value);
            if kind.content == COMMON_NAME
                && let Some(common) = value.unescaped()
            {
                name.common = Some(common);
            }
            push_value(&mut name.text, &value);
        }
        name.damaged |= !attributes.is_empty();
    }
    name.damaged |= !sets.is_empty();
    name.canonical = canonical.into_boxed_slice();
    name
}

/// `id-at-commonName`.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];

/// The short name of an attribute type (RFC 4514 §3, and those that OpenSSL and Windows print).
fn push_kind(text: &mut String, oid: &[u8]) {
    let short = match oid {
        COMMON_NAME => "CN",
        [0x55, 0x04, 0x04] => "SN",
        [0x55, 0x04, 0x05] => "serialNumber",
        [0x55, 0x04, 0x06] => "C",
        [0x55, 0x04, 0x07] => "L",
        [0x55, 0x04, 0x08] => "ST",
        [0x55, 0x04, 0x09] => "STREET",
        [0x55, 0x04, 0x0a] => "O",
        [0x55, 0x04, 0x0b] => "OU",
        [0x55, 0x04, 0x0c] => "title",
        [0x55, 0x04, 0x0d] => "description",
        [0x55, 0x04, 0x0f] => "businessCategory",
        [0x55, 0x04, 0x11] => "postalCode",
        [0x55, 0x04, 0x29] => "name",
        [0x55, 0x04, 0x2a] => "GN",
        [0x55, 0x04, 0x2b] => "initials",
        [0x55, 0x04, 0x2e] => "dnQualifier",
        [0x55, 0x04, 0x61] => "organizationIdentifier",
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x01] => "UID",
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x19] => "DC",
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x01] => "emailAddress",
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x02] => "unstructuredName",
        [0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x3c, 0x02, 0x01, 0x01] => "jurisdictionL",
        [0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x3c, 0x02, 0x01, 0x02] => "jurisdictionST",
        [0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x3c, 0x02, 0x01, 0x03] => "jurisdictionC",
        _ => {
            text.push_str(&der::oid_text(oid));
            return;
        }
    };
    text.push_str(short);
}

/// The value of an attribute.
enum Value<'a> {
    /// Letters and single spaces that mean themselves, in text as in the encoding: nearly all are.
    Simple(&'a str),
    /// Any other string.
    String(Vec<Unit>),
    /// No string.
    Other(der::Element<'a>),
}

/// A character of a string, or a byte that is none.
#[derive(Clone, Copy)]
enum Unit {
    Char(char),
    Byte(u8),
}

impl<'a> Value<'a> {
    fn of(value: &der::Element<'a>) -> Self {
        let content = value.content;
        Self::String(match value.tag {
            // UTF8String, NumericString, PrintableString, IA5String, VisibleString, GeneralString:
            // encoders put UTF-8 into all of them.
            0x0c | 0x12 | 0x13 | 0x16 | 0x1a | 0x1b => match simple(content) {
                Some(text) => return Self::Simple(text),
                None => utf8_units(content),
            },
            // TeletexString: Latin-1 in practice, as OpenSSL reads it.
            0x14 => content.iter().map(|&byte| Unit::Char(char::from(byte))).collect(),
            // BMPString: UTF-16, although surrogates are not allowed in it.
            0x1e => {
                let (pairs, odd) = content.as_chunks::<2>();
                char::decode_utf16(pairs.iter().map(|pair| u16::from_be_bytes(*pair)))
                    .map(|unit| Unit::Char(unit.unwrap_or(char::REPLACEMENT_CHARACTER)))
                    .chain(odd.iter().map(|&byte| Unit::Byte(byte)))
                    .collect()
            }
            // UniversalString: UTF-32.
            0x1c => {
                let (quads, odd) = content.as_chunks::<4>();
                quads
                    .iter()
                    .map(|quad| {
                        let unit = char::from_u32(u32::from_be_bytes(*quad));
                        Unit::Char(unit.unwrap_or(char::REPLACEMENT_CHARACTER))
                    })
                    .chain(odd.iter().map(|&byte| Unit::Byte(byte)))
                    .collect()
            }
            _ => return Self::Other(*value),
        })
    }

    /// A string without escapes, for matching host names: what is no character is dropped to
    /// U+FFFD.
    fn unescaped(&self) -> Option<String> {
        match self {
            Self::Simple(text) => Some((*text).to_owned()),
            Self::String(units) => Some(
                units
                    .iter()
                    .map(|unit| match unit {
                        Unit::Char(c) => *c,
                        Unit::Byte(_) => char::REPLACEMENT_CHARACTER,
                    })
                    .collect(),
            ),
            Self::Other(_) => None,
        }
    }
}

/// The text of a string that is printable ASCII and holds nothing to escape, nor spaces that
/// comparison leaves out.
fn simple(content: &[u8]) -> Option<&str> {
    let means_itself = |byte: &u8| {
        matches!(byte, b' '..=b'~')
            && !matches!(byte, b'"' | b'+' | b',' | b';' | b'<' | b'>' | b'\\')
    };
    let at_edge = matches!(content, [b' ' | b'#', ..] | [.., b' ']);
    (!at_edge && content.iter().all(means_itself) && !content.windows(2).any(|two| two == b"  "))
        .then(|| str::from_utf8(content).ok())?
}

fn utf8_units(bytes: &[u8]) -> Vec<Unit> {
    let mut units = Vec::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        units.extend(chunk.valid().chars().map(Unit::Char));
        units.extend(chunk.invalid().iter().map(|&byte| Unit::Byte(byte)));
    }
    units
}

/// RFC 4514 §2.4.
fn push_value(text: &mut String, value: &Value<'_>) {
    match value {
        Value::Simple(simple) => text.push_str(simple),
        Value::String(units) => push_escaped(text, units),
        // A value that is no string is printed as its encoding.
        Value::Other(value) => {
            text.push('#');
            push_hex(text, value.whole);
        }
    }
}

fn push_escaped(text: &mut String, units: &[Unit]) {
    for (at, unit) in units.iter().enumerate() {
        let edge = at == 0 || at + 1 == units.len();
        match *unit {
            Unit::Char(c @ ('"' | '+' | ',' | ';' | '<' | '>' | '\\')) => text.extend(['\\', c]),
            Unit::Char('#') if at == 0 => text.push_str("\\#"),
            Unit::Char(' ') if edge => text.push_str("\\ "),
            Unit::Char(c) if misleads(c) => {
                for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                    push_byte(text, byte);
                }
            }
            Unit::Char(c) => text.push(c),
            Unit::Byte(byte) => push_byte(text, byte),
        }
    }
}

/// Hostile bytes made fit for a list of names: printable ones stay, all else becomes `\XX`.
pub(super) fn printable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for unit in utf8_units(bytes) {
        match unit {
            Unit::Char('\\') => text.push_str("\\\\"),
            Unit::Char(c) if misleads(c) => {
                for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                    push_byte(&mut text, byte);
                }
            }
            Unit::Char(c) => text.push(c),
            Unit::Byte(byte) => push_byte(&mut text, byte),
        }
    }
    text
}

/// Characters that are not seen, or that reorder the ones around them on a terminal or a page.
fn misleads(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn push_byte(text: &mut String, byte: u8) {
    text.push('\\');
    push_hex(text, &[byte]);
}

/// Bytes as lower-case hex.
pub(super) fn push_hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        let _ = write!(text, "{byte:02x}"); // writing to a String cannot fail
    }
}

/// RFC 5280 §7.1: strings are equal whatever their type and case, and however many spaces lie
/// between their words; CAs do re-encode their own name from one certificate to the next.
fn push_canonical(out: &mut Vec<u8>, kind: &[u8], value: &Value<'_>) {
    push_counted(out, kind);
    match value {
        Value::Simple(text) => {
            push_counted(out, text.as_bytes());
            let start = out.len().saturating_sub(text.len());
            out.get_mut(start..).unwrap_or_default().make_ascii_lowercase();
            out.push(0);
        }
        Value::String(units) => {
            push_counted(out, &folded(units));
            out.push(0);
        }
        Value::Other(value) => {
            push_counted(out, value.content);
            out.push(value.tag);
        }
    }
}

/// Lengths in front keep two values from running into one another.
fn push_counted(out: &mut Vec<u8>, part: &[u8]) {
    out.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(part);
}

/// A string in small letters, with one space between its words.
fn folded(units: &[Unit]) -> Vec<u8> {
    let mut body = Vec::with_capacity(units.len());
    let mut gap = false;
    for unit in units {
        match *unit {
            Unit::Char(c) if c.is_ascii_whitespace() => gap = !body.is_empty(),
            Unit::Char(c) => {
                if std::mem::take(&mut gap) {
                    body.push(b' ');
                }
                let c = c.to_ascii_lowercase();
                body.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
            Unit::Byte(byte) => body.push(byte),
        }
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: &[u8], tag: u8, value: &[u8]) -> Vec<u8> {
        let wrap = |tag: u8, body: &[u8]| {
            let mut out = vec![tag, u8::try_from(body.len()).unwrap()];
            out.extend_from_slice(body);
            out
        };
        let inner = [wrap(der::OID, kind), wrap(tag, value)].concat();
        wrap(der::SET, &wrap(der::SEQUENCE, &inner))
    }

    #[test]
    fn escapes_what_could_pass_for_structure() {
        let name = read(&attribute(COMMON_NAME, 0x0c, b"a, O=Bank+\\ \x1b[31m\xff "));
        assert_eq!(name.text, "CN=a\\, O=Bank\\+\\\\ \\1b[31m\\ff\\ ");
        let turned = read(&attribute(COMMON_NAME, 0x0c, "#\u{202e}moc".as_bytes()));
        assert_eq!(turned.text, "CN=\\#\\e2\\80\\aemoc");
    }

    #[test]
    fn reads_every_string_type() {
        assert_eq!(read(&attribute(COMMON_NAME, 0x14, &[0x4d, 0xfc])).text, "CN=Mü");
        assert_eq!(read(&attribute(COMMON_NAME, 0x1e, &[0, 0x4d, 0, 0xfc])).text, "CN=Mü");
        assert_eq!(read(&attribute(COMMON_NAME, 0x1c, &[0, 0, 0, 0x4d])).text, "CN=M");
        assert_eq!(read(&attribute(COMMON_NAME, 0x02, &[7])).text, "CN=#020107");
        assert_eq!(read(&attribute(&[0x2a, 0x03], 0x13, b"x")).text, "1.2.3=x");
    }

    #[test]
    fn compares_without_case_type_and_spaces() {
        let printable = read(&attribute(COMMON_NAME, 0x13, b"Corp  Root CA "));
        let utf8 = read(&attribute(COMMON_NAME, 0x0c, b"corp root ca"));
        assert_eq!(printable.canonical, utf8.canonical);
        let other = read(&attribute(COMMON_NAME, 0x0c, b"corprootca"));
        assert_ne!(printable.canonical, other.canonical);
    }

    #[test]
    fn a_string_means_the_same_whether_it_is_simple_or_not() {
        let letters = ['a', 'Z', ' ', '#', ',', '\\', '~', '\u{7f}', 'é'];
        let mut strings = vec![String::new()];
        let mut simple = 0;
        for length in 0..=4 {
            for string in &strings {
                // A BMPString is never simple.
                let wide: Vec<u8> = string.encode_utf16().flat_map(u16::to_be_bytes).collect();
                let wide = read(&attribute(COMMON_NAME, 0x1e, &wide));
                let name = read(&attribute(COMMON_NAME, 0x0c, string.as_bytes()));
                assert_eq!(name.text, wide.text);
                assert_eq!(name.canonical, wide.canonical, "{string:?}");
                assert_eq!(name.common, wide.common);
                simple += usize::from(super::simple(string.as_bytes()).is_some());
            }
            let longer = |string: &String| letters.map(|letter| format!("{string}{letter}"));
            strings = strings.iter().filter(|_| length < 4).flat_map(longer).collect();
        }
        assert!(simple > 300, "{simple}");
    }

    #[test]
    fn damage_keeps_what_was_read() {
        let mut bytes = attribute(&[0x55, 0x04, 0x0a], 0x13, b"Org");
        bytes.extend_from_slice(&[0x31, 0x50, 0x01]);
        let name = read(&bytes);
        assert_eq!((name.text.as_str(), name.damaged), ("O=Org", true));
    }
}
