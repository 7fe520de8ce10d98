//! [`Hex`]: bytes as lower-case hex.

use std::fmt;

use serde::{Serialize, Serializer};

/// Bytes that are written as lower-case hex.
///
/// ```
/// assert_eq!(tlscensus::json::Hex(&[0x00, 0xaf, 0x10]).to_string(), "00af10");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Hex<'a>(pub &'a [u8]);

/// Bytes that are written at once: as many as the longest hash has.
const STEP: usize = 32;

/// The digits of up to [`STEP`] bytes, two each.
fn digits(bytes: &[u8], text: &mut [u8; 2 * STEP]) -> usize {
    const fn digit(nibble: u8) -> u8 {
        // Without a table the compiler does many in one step.
        let letter = if nibble > 9 { b'a' - b'0' - 10 } else { 0 };
        (b'0' | nibble).wrapping_add(letter)
    }
    let (pairs, _) = text.as_chunks_mut::<2>();
    for (pair, byte) in pairs.iter_mut().zip(bytes) {
        *pair = [digit(byte >> 4), digit(byte & 0x0f)];
    }
    bytes.len().min(STEP).saturating_mul(2)
}

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chunks(STEP).try_for_each(|bytes| {
            let mut text = [0; 2 * STEP];
            let length = digits(bytes, &mut text);
            f.write_str(str::from_utf8(text.get(..length).unwrap_or_default()).unwrap_or_default())
        })
    }
}

impl Serialize for Hex<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.len() > STEP {
            return serializer.collect_str(self);
        }
        // The hashes of a record go without the formatter.
        let mut text = [0; 2 * STEP];
        let length = digits(self.0, &mut text);
        let text = text.get(..length).unwrap_or_default();
        serializer.serialize_str(str::from_utf8(text).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_and_every_length() {
        let bytes: Vec<u8> = (0..=u8::MAX).collect();
        for length in 0..=bytes.len() {
            let bytes = &bytes[..length];
            let expected: String =
                bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
            assert_eq!(Hex(bytes).to_string(), expected);
            assert_eq!(serde_json::to_value(Hex(bytes)).unwrap(), expected);
        }
    }
}
