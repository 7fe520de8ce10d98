//! Numbers.

/// Digits of the largest number.
const DIGITS: usize = 20;

/// A number that is not negative.
#[inline]
pub(super) fn unsigned(out: &mut Vec<u8>, mut value: u64) {
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
