//! The one byte cursor: every parser of untrusted bytes reads through [`Reader`].
//!
//! In goes a slice, out come numbers and sub-slices; what is too short comes back as `None`, never
//! as a panic. All numbers are big-endian (network order) unless the name says `le`.

/// A cursor over borrowed bytes that can only move forward.
///
/// ```
/// use tlscensus::bytes::Reader;
/// let mut reader = Reader::new(&[0x00, 0x02, 0xaa, 0xbb, 0xcc]);
/// let mut body = reader.sub_u16().unwrap();
/// assert_eq!(body.u16(), Some(0xaabb));
/// assert!(body.is_empty());
/// assert_eq!(reader.rest(), &[0xcc]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A cursor at the start of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// The next `count` bytes, or `None` (and no movement) if fewer are left.
    pub const fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        match self.bytes.split_at_checked(count) {
            Some((head, tail)) => {
                self.bytes = tail;
                Some(head)
            }
            None => None,
        }
    }

    /// The next `N` bytes as an array.
    pub const fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        match self.bytes.split_first_chunk::<N>() {
            Some((head, tail)) => {
                self.bytes = tail;
                Some(*head)
            }
            None => None,
        }
    }

    /// Up to `count` bytes: fewer if fewer are left.
    pub fn take_up_to(&mut self, count: usize) -> &'a [u8] {
        let (head, tail) = self.bytes.split_at(count.min(self.bytes.len()));
        self.bytes = tail;
        head
    }

    /// Step over `count` bytes.
    pub const fn skip(&mut self, count: usize) -> Option<()> {
        match self.take(count) {
            Some(_) => Some(()),
            None => None,
        }
    }

    /// One byte.
    pub const fn u8(&mut self) -> Option<u8> {
        match self.array::<1>() {
            Some([byte]) => Some(byte),
            None => None,
        }
    }

    /// Two bytes.
    pub const fn u16(&mut self) -> Option<u16> {
        match self.array() {
            Some(bytes) => Some(u16::from_be_bytes(bytes)),
            None => None,
        }
    }

    /// Three bytes.
    pub const fn u24(&mut self) -> Option<u32> {
        match self.array::<3>() {
            Some([a, b, c]) => Some(u32::from_be_bytes([0, a, b, c])),
            None => None,
        }
    }

    /// Four bytes.
    pub const fn u32(&mut self) -> Option<u32> {
        match self.array() {
            Some(bytes) => Some(u32::from_be_bytes(bytes)),
            None => None,
        }
    }

    /// Eight bytes.
    pub const fn u64(&mut self) -> Option<u64> {
        match self.array() {
            Some(bytes) => Some(u64::from_be_bytes(bytes)),
            None => None,
        }
    }

    /// A cursor over the next `count` bytes alone.
    pub const fn sub(&mut self, count: usize) -> Option<Self> {
        match self.take(count) {
            Some(bytes) => Some(Self::new(bytes)),
            None => None,
        }
    }

    /// A vector with a one-byte length.
    pub const fn sub_u8(&mut self) -> Option<Self> {
        self.prefixed(1)
    }

    /// A vector with a two-byte length.
    pub const fn sub_u16(&mut self) -> Option<Self> {
        self.prefixed(2)
    }

    /// A vector with a three-byte length.
    pub const fn sub_u24(&mut self) -> Option<Self> {
        self.prefixed(3)
    }

    /// All that is left; the cursor stands at the end afterwards.
    pub const fn rest(&mut self) -> &'a [u8] {
        let rest = self.bytes;
        self.bytes = &[];
        rest
    }

    /// What is left, without moving.
    pub const fn peek(&self) -> &'a [u8] {
        self.bytes
    }

    /// How many bytes are left.
    pub const fn remaining(&self) -> usize {
        self.bytes.len()
    }

    /// Whether all was read.
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// A length of `width` bytes and that many bytes behind it. Moves only if both are there.
    const fn prefixed(&mut self, width: usize) -> Option<Self> {
        let mut ahead = *self;
        let length = match width {
            1 => match ahead.u8() {
                Some(length) => length as usize,
                None => return None,
            },
            2 => match ahead.u16() {
                Some(length) => length as usize,
                None => return None,
            },
            _ => match ahead.u24() {
                Some(length) => length as usize,
                None => return None,
            },
        };
        match ahead.sub(length) {
            Some(body) => {
                self.bytes = ahead.bytes;
                Some(body)
            }
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_big_endian_and_short_input_does_not_move() {
        let mut reader = Reader::new(&[1, 2, 3, 4, 5, 6]);
        assert_eq!(reader.u8(), Some(1));
        assert_eq!(reader.u24(), Some(0x0002_0304));
        assert_eq!(reader.u32(), None);
        assert_eq!(reader.remaining(), 2);
        assert_eq!(reader.u16(), Some(0x0506));
        assert!(reader.is_empty());
        assert_eq!(reader.u8(), None);
    }

    #[test]
    fn a_vector_longer_than_its_container_does_not_move_the_cursor() {
        let mut reader = Reader::new(&[0, 9, 1, 2]);
        assert!(reader.sub_u16().is_none());
        assert_eq!(reader.remaining(), 4);
        assert_eq!(reader.take_up_to(100), &[0, 9, 1, 2]);
    }
}
