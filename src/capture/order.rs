//! Byte order as a type, so that the loops over packets have it built in.

use std::marker::PhantomData;

use crate::bytes::Reader;

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

/// [`Reader`] for numbers of order `O`; short input gives `None`.
pub(super) struct Fields<'a, O> {
    reader: Reader<'a>,
    order: PhantomData<O>,
}

impl<'a, O: Order> Fields<'a, O> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { reader: Reader::new(bytes), order: PhantomData }
    }

    pub(super) const fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        self.reader.take(count)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.reader.array().map(O::u16)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.reader.array().map(O::u32)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.reader.array().map(O::u64)
    }

    pub(super) const fn rest(&self) -> &'a [u8] {
        self.reader.peek()
    }
}
