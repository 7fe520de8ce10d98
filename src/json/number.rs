//! Numbers.

use crate::ascii::pair;

/// Digits of the largest number.
const DIGITS: usize = 20;

/// Numbers below this one have no more than eight digits.
const SHORT: u64 = 100_000_000;

/// A number that is not negative.
#[inline]
pub(super) fn unsigned(out: &mut Vec<u8>, value: u64) {
    if value < SHORT { short(out, value) } else { long(out, value) }
}

/// All eight digits are made and stored, those that count in front, and the others taken back: how many
/// count, a processor would have to guess.
#[inline]
fn short(out: &mut Vec<u8>, value: u64) {
    let pairs = [value / 1_000_000, value / 10_000, value / 100, value].map(pair);
    let digits = pairs.as_flattened().first_chunk().copied().map_or(0, u64::from_be_bytes);
    let behind = 7_u32.saturating_sub(value.checked_ilog10().unwrap_or_default());
    out.extend_from_slice(&digits.wrapping_shl(behind.saturating_mul(8)).to_be_bytes());
    out.truncate(out.len().saturating_sub(behind as usize));
}

#[cold]
fn long(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0; DIGITS];
    let mut start = DIGITS;
    loop {
        start = start.saturating_sub(1);
        if let Some(slot) = digits.get_mut(start) {
            *slot = b'0' | u8::try_from(value % 10).unwrap_or_default();
        }
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(start..).unwrap_or_default());
}

/// A number of any sign.
pub(super) fn signed(out: &mut Vec<u8>, value: i64) {
    if value < 0 {
        out.push(b'-');
    }
    unsigned(out, value.unsigned_abs());
}

/// A fraction, in the shortest form that reads back as it; what is no number is null.
pub(super) fn single(out: &mut Vec<u8>, value: f32) {
    // Writing a number to memory does not fail.
    let _ = serde_json::to_writer(out, &value);
}

/// The same for a longer one.
pub(super) fn double(out: &mut Vec<u8>, value: f64) {
    let _ = serde_json::to_writer(out, &value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_digits() {
        let mut out = b"before".to_vec();
        for power in 0..DIGITS {
            let power = 10_u64.pow(u32::try_from(power).unwrap());
            for value in [power - 1, power, power + 1, power.saturating_mul(9), u64::MAX / power] {
                out.truncate(6);
                unsigned(&mut out, value);
                assert_eq!(out, format!("before{value}").into_bytes());
            }
        }
    }
}
