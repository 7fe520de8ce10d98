//! [`Ascii`]: short text that is put together in place: times, addresses, hashes.
//!
//! A record has a dozen of them, so that neither the formatter nor the heap is asked. Text has to be
//! known to be UTF-8 before it is used as such: here all of its memory is looked at, which lies where
//! words do and is as long as many of them, and not only what was written, whose length a processor
//! would have to guess.

/// Up to `N` bytes of ASCII.
#[derive(Clone, Copy)]
#[repr(align(16))]
pub(crate) struct Ascii<const N: usize> {
    /// Those behind the text are zero, or what was written over.
    bytes: [u8; N],
    length: usize,
}

/// The numbers from 0 to 99.
static PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[b'0'; 2]; 100];
    let mut rest = pairs.as_mut_slice();
    let mut number = 0;
    while let [pair, behind @ ..] = rest {
        *pair = [b'0' | (number / 10), b'0' | (number % 10)];
        number = number.wrapping_add(1);
        rest = behind;
    }
    pairs
};

/// The last two digits of a number.
#[inline]
pub(crate) fn pair(number: u64) -> [u8; 2] {
    let pair = usize::try_from(number % 100).ok().and_then(|number| PAIRS.get(number));
    pair.copied().unwrap_or_default()
}

/// The digit of the lowest four bits of a number.
#[inline]
pub(crate) const fn hex_digit(nibble: u8) -> u8 {
    // Without a table the compiler does many in one step.
    let nibble = nibble & 0x0f;
    (b'0' | nibble).wrapping_add(if nibble > 9 { b'a' - b'0' - 10 } else { 0 })
}

impl<const N: usize> Ascii<N> {
    /// No text.
    pub(crate) const EMPTY: Self = Self::of([0; N], 0);

    /// The first of these bytes.
    #[inline]
    pub(crate) const fn of(bytes: [u8; N], length: usize) -> Self {
        Self { bytes, length }
    }

    /// Add the first of these bytes; behind the text there has to be room for all of them.
    #[inline]
    pub(crate) fn put<const M: usize>(&mut self, bytes: [u8; M], length: usize) {
        if let Some(place) = self.bytes.get_mut(self.length..).and_then(<[u8]>::first_chunk_mut) {
            *place = bytes;
            self.length = self.length.saturating_add(length);
        }
    }

    /// Write the last two digits of a number over what is in a place.
    #[inline]
    pub(crate) fn set_pair(&mut self, place: usize, number: u64) {
        if let Some(place) = self.bytes.get_mut(place..).and_then(<[u8]>::first_chunk_mut) {
            *place = pair(number);
        }
    }

    /// Take back the last byte.
    #[inline]
    pub(crate) const fn pop(&mut self) {
        self.length = self.length.saturating_sub(1);
    }

    /// The text.
    #[inline]
    pub(crate) fn as_str(&self) -> &str {
        let all = str::from_utf8(&self.bytes).unwrap_or_default();
        all.get(..self.length).unwrap_or_default()
    }
}

impl<const N: usize> PartialEq for Ascii<N> {
    /// What lies behind the text does not count.
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl<const N: usize> Eq for Ascii<N> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_left_out() {
        let mut text = Ascii::<4>::EMPTY;
        text.put(*b"abx", 2);
        text.put(*b"cde", 3);
        text.set_pair(3, 7);
        assert_eq!(text.as_str(), "ab");
        text.put(*b"c", 1);
        text.pop();
        text.put(*b"dx", 2);
        assert_eq!(text.as_str(), "abdx");
        text.pop();
        assert!(text == Ascii::of(*b"abd\0", 3) && text != Ascii::of(*b"abdx", 4));
    }

    #[test]
    fn digits() {
        for number in 0..=u8::MAX {
            let mut text = Ascii::<4>::EMPTY;
            text.put([hex_digit(number >> 4), hex_digit(number)], 2);
            assert_eq!(text.as_str(), format!("{number:02x}"));
            let mut text = Ascii::of(*b"abxx", 4);
            text.set_pair(2, number.into());
            assert_eq!(text.as_str(), format!("ab{:02}", number % 100));
        }
    }
}
