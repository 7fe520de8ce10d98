//! Byte order as a type, so that the loops over packets have it built in.

use std::marker::PhantomData;

/// How numbers of more than one byte lie in a file.
pub(super) trait Order {
    /// Two bytes.
    fn u16(bytes: [u8; 2]) -> u16;
    /// Four bytes.
    fn u32(bytes: [u8; 4]) -> u32;
    /// Eight bytes.
    fn u64(bytes: [u8; 8]) -> u64;
}

/// Most significant byte first.
pub(super) enum Big {}

impl Order for Big {
    fn u16(bytes: [u8; 2]) -> u16 {
        u16::from_be_bytes(bytes)
    }

    fn u32(bytes: [u8; 4]) -> u32 {
        u32::from_be_bytes(bytes)
    }

    fn u64(bytes: [u8; 8]) -> u64 {
        u64::from_be_bytes(bytes)
    }
}

/// Least significant byte first.
pub(super) enum Little {}

impl Order for Little {
    fn u16(bytes: [u8; 2]) -> u16 {
        u16::from_le_bytes(bytes)
    }

    fn u32(bytes: [u8; 4]) -> u32 {
        u32::from_le_bytes(bytes)
    }

    fn u64(bytes: [u8; 8]) -> u64 {
        u64::from_le_bytes(bytes)
    }
}

/// The order of one file or section, as a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ByteOrder {
    /// As [`Big`].
    Big,
    /// As [`Little`].
    Little,
}

/// A cursor over numbers of order `O`; short input gives `None`.
pub(super) struct Fields<'a, O> {
    bytes: &'a [u8],
    order: PhantomData<O>,
}

impl<'a, O: Order> Fields<'a, O> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, order: PhantomData }
    }

    pub(super) const fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        match self.bytes.split_at_checked(count) {
            Some((head, tail)) => {
                self.bytes = tail;
                Some(head)
            }
            None => None,
        }
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(O::u16)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(O::u32)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(O::u64)
    }

    pub(super) const fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    const fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        match self.bytes.split_first_chunk::<N>() {
            Some((head, tail)) => {
                self.bytes = tail;
                Some(*head)
            }
            None => None,
        }
    }
}
