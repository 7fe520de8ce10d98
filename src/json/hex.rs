//! [`Hex`]: bytes as lower-case hex.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::ascii::{Ascii, hex_digit};

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
fn digits(bytes: &[u8]) -> Ascii<{ 2 * STEP }> {
    let mut text = [0; 2 * STEP];
    let (pairs, _) = text.as_chunks_mut::<2>();
    for (pair, byte) in pairs.iter_mut().zip(bytes) {
        *pair = [hex_digit(byte >> 4), hex_digit(*byte)];
    }
    Ascii::of(text, bytes.len().min(STEP).saturating_mul(2))
}

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chunks(STEP).try_for_each(|bytes| f.write_str(digits(bytes).as_str()))
    }
}

impl Serialize for Hex<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.len() > STEP {
            return serializer.collect_str(self);
        }
        // The hashes of a record go without the formatter.
        serializer.serialize_str(digits(self.0).as_str())
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
