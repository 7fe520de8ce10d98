//! [`Pieces`]: parts of a byte sequence that carry their offset → the sequence.
//!
//! Fragments of a DTLS message and CRYPTO frames of QUIC alike come in any order, twice, and
//! overlapping. Where they overlap, the bytes that were there first count, and it is noted where
//! others do not agree.

use std::borrow::Cow;
use std::collections::BTreeMap;

/// Parts of a byte sequence, by offset.
#[derive(Debug)]
pub(crate) struct Pieces<'a> {
    /// Not overlapping, by the offset of the first byte.
    parts: BTreeMap<usize, Cow<'a, [u8]>>,
    /// Up to here nothing is missing.
    prefix: usize,
    /// No byte at or behind this offset is taken.
    end: usize,
    /// How many parts are taken.
    most: usize,
    /// Two parts gave the same place different bytes.
    contradicted: bool,
}

impl<'a> Pieces<'a> {
    /// A sequence of at most `end` bytes, in at most `most` parts.
    pub(crate) const fn new(end: usize, most: usize) -> Self {
        Self { parts: BTreeMap::new(), prefix: 0, end, most, contradicted: false }
    }

    /// Up to which offset nothing is missing.
    pub(crate) const fn prefix(&self) -> usize {
        self.prefix
    }

    /// Whether there is anything behind a hole.
    pub(crate) fn has_hole(&self) -> bool {
        self.parts.last_key_value().is_some_and(|(&offset, _)| offset >= self.prefix)
    }

    /// Whether two parts gave the same place different bytes.
    pub(crate) const fn is_contradicted(&self) -> bool {
        self.contradicted
    }

    /// Compare a part with those that are there.
    pub(crate) fn compare(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset.saturating_add(bytes.len());
        let first = self.parts.range(..=offset).next_back();
        let from = first.map_or(offset, |(&start, _)| start);
        for (&start, part) in self.parts.range(from..end.max(from)) {
            let low = start.max(offset);
            let high = start.saturating_add(part.len()).min(end);
            if low < high {
                let ours = part.get(low.saturating_sub(start)..high.saturating_sub(start));
                let theirs = bytes.get(low.saturating_sub(offset)..high.saturating_sub(offset));
                self.contradicted |= ours != theirs;
            }
        }
    }

    /// Add a part that lives long enough.
    pub(crate) fn insert(&mut self, offset: usize, bytes: &'a [u8]) {
        self.place(offset, bytes, Cow::Borrowed);
    }

    /// Add a copy of a part.
    pub(crate) fn insert_copy(&mut self, offset: usize, bytes: &[u8]) {
        self.place(offset, bytes, |bytes| Cow::Owned(bytes.to_vec()));
    }

    fn place<'b>(
        &mut self,
        mut offset: usize,
        mut bytes: &'b [u8],
        keep: impl Fn(&'b [u8]) -> Cow<'a, [u8]>,
    ) {
        self.compare(offset, bytes);
        // What lies before `offset` and reaches over it.
        let before = self.parts.range(..=offset).next_back();
        let covered =
            before.map_or(0, |(&start, part)| start.saturating_add(part.len())).max(self.prefix);
        bytes = bytes.get(covered.saturating_sub(offset)..).unwrap_or_default();
        offset = offset.max(covered);
        // Each turn fills the room up to the next part, and steps over that.
        while !bytes.is_empty() {
            if offset >= self.end || self.parts.len() >= self.most {
                break;
            }
            let next = self.parts.range(offset..).next();
            let next = next.map(|(&start, part)| (start, start.saturating_add(part.len())));
            let (room_end, rest) = next.unwrap_or((self.end, usize::MAX));
            let (part, _) = bytes.split_at(room_end.saturating_sub(offset).min(bytes.len()));
            if !part.is_empty() {
                self.parts.insert(offset, keep(part));
            }
            bytes = bytes.get(rest.saturating_sub(offset)..).unwrap_or_default();
            offset = rest;
        }
        while let Some(part) = self.parts.get(&self.prefix) {
            self.prefix = self.prefix.saturating_add(part.len());
        }
    }

    /// The bytes from `start` up to `end`, as far as nothing is missing.
    pub(crate) fn read(&self, start: usize, end: usize) -> Cow<'a, [u8]> {
        let end = end.min(self.prefix);
        let first = self.parts.range(..=start).next_back();
        let mut out = Vec::new();
        let from = first.map_or(start, |(&offset, _)| offset);
        for (&offset, part) in self.parts.range(from..end.max(from)) {
            let head = start.saturating_sub(offset).min(part.len());
            let tail = end.saturating_sub(offset).min(part.len());
            if let Cow::Borrowed(bytes) = part
                && out.is_empty()
                && offset.saturating_add(tail) >= end
            {
                return Cow::Borrowed(bytes.get(head..tail).unwrap_or_default());
            }
            out.extend_from_slice(part.get(head..tail).unwrap_or_default());
        }
        Cow::Owned(out)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_lies_whole_in_one_part_is_borrowed() {
        let mut pieces = Pieces::new(100, 10);
        pieces.insert(0, b"hello");
        assert!(matches!(pieces.read(1, 4), Cow::Borrowed(b"ell")));
        pieces.insert(5, b" you");
        assert_eq!(&*pieces.read(3, 7), b"lo y");
        assert_eq!(&*pieces.read(6, 100), b"you");
        assert_eq!(&*pieces.read(50, 100), b"");
    }

    #[test]
    fn the_first_bytes_count() {
        let mut pieces = Pieces::new(10, 10);
        pieces.insert(2, b"CD");
        pieces.insert(6, b"GH");
        assert!(pieces.has_hole());
        pieces.insert(0, b"abcdefghijklmn");
        assert_eq!(&*pieces.read(0, 10), b"abCDefGHij");
        assert!(!pieces.has_hole());
        assert!(pieces.is_contradicted());
    }

    proptest! {
        #[test]
        fn any_order_gives_the_sequence(
            cuts in prop::collection::vec((0_usize..200, 0_usize..60), 0..60),
            owned in any::<bool>(),
            lie in 0_usize..200,
        ) {
            let whole: Vec<u8> = (0..200_u8).collect();
            let mut pieces = Pieces::new(200, 1_000);
            let mut seen = [false; 200];
            for (start, len) in cuts {
                let end = start.saturating_add(len).min(200);
                let part = &whole[start..end];
                if owned {
                    pieces.insert_copy(start, part);
                } else {
                    pieces.insert(start, part);
                }
                seen[start..end].fill(true);
            }
            let prefix = seen.iter().take_while(|seen| **seen).count();
            prop_assert_eq!(pieces.prefix(), prefix);
            prop_assert!(!pieces.is_contradicted());
            for start in [0, 1, 7, prefix / 2] {
                prop_assert_eq!(
                    &*pieces.read(start, 200),
                    whole.get(start..prefix).unwrap_or_default()
                );
            }
            prop_assert_eq!(pieces.has_hole(), seen[prefix..].iter().any(|seen| *seen));
            pieces.insert(lie, &[255]);
            prop_assert_eq!(pieces.is_contradicted(), seen[lie]);
        }
    }
}
