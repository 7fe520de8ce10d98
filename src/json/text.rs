//! Strings.

use std::fmt;

/// A string with its quotes.
#[inline]
pub(super) fn write(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    append(out, text);
    out.push(b'"');
}

/// What a value prints, as a string.
pub(super) fn display<T: fmt::Display + ?Sized>(out: &mut Vec<u8>, value: &T) -> fmt::Result {
    out.push(b'"');
    fmt::write(&mut Escaping(out), format_args!("{value}"))?;
    out.push(b'"');
    Ok(())
}

struct Escaping<'a>(&'a mut Vec<u8>);

impl fmt::Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        append(self.0, text);
        Ok(())
    }
}

/// Whether a byte cannot stand in a string as it is (RFC 8259 §7).
const fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

#[inline]
fn append(out: &mut Vec<u8>, text: &str) {
    // Without an early way out of it the compiler looks at many bytes in one step.
    if text.bytes().fold(false, |found, byte| found | is_special(byte)) {
        escape(out, text);
    } else {
        out.extend_from_slice(text.as_bytes());
    }
}

#[cold]
fn escape(out: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for byte in text.bytes() {
        let short = match byte {
            b'"' | b'\\' => byte,
            0x08 => b'b',
            b'\t' => b't',
            b'\n' => b'n',
            0x0c => b'f',
            b'\r' => b'r',
            0x00..0x20 => {
                let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or(b'0');
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(byte >> 4)]);
                out.push(digit(byte & 0x0f));
                continue;
            }
            _ => {
                out.push(byte);
                continue;
            }
        };
        out.extend_from_slice(&[b'\\', short]);
    }
}
