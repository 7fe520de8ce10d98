//! [`List`]: a list that grows without moving what is in it.
//!
//! A million flows are remembered. To move them all to where there is room for twice as many would
//! take as long as thousands of packets, and three times the memory meanwhile.

use crate::prefetch::prefetch_at;

/// Elements of a part.
const PART: usize = 1 << 10;

/// Elements by number.
#[derive(Debug)]
pub(super) struct List<T> {
    /// Arrays: a place in one needs no check.
    parts: Vec<Box<[T; PART]>>,
    len: usize,
}

impl<T: Copy> List<T> {
    pub(super) const fn new() -> Self {
        Self { parts: Vec::new(), len: 0 }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// An element, or what stands [for none](Self::push).
    #[inline]
    pub(super) fn get(&self, index: usize) -> Option<&T> {
        self.parts.get(index / PART)?.get(index % PART)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        self.parts.get_mut(index / PART)?.get_mut(index % PART)
    }

    /// What [`get`](Self::get) returns and `true`, or any element and `false`: which it is costs no branch.
    #[inline]
    pub(super) fn get_or_other(&self, index: usize) -> Option<(&T, bool)> {
        let last = self.parts.len().checked_sub(1)?;
        let element = self.parts.get((index / PART).min(last))?.get(index % PART)?;
        Some((element, index / PART <= last))
    }

    /// Ask for an element.
    #[inline]
    pub(super) fn prefetch(&self, index: usize) {
        if let Some(part) = self.parts.get(index / PART) {
            prefetch_at(&**part, index % PART);
        }
    }

    /// One more, behind all others. Until others are put there, `none` stands where they will.
    pub(super) fn push(&mut self, element: T, none: T) {
        if self.len.is_multiple_of(PART) {
            // Not by way of the stack.
            let part = vec![none; PART].into_boxed_slice();
            self.parts.extend(part.try_into().ok());
        }
        let index = self.len;
        if let Some(place) = self.get_mut(index) {
            *place = element;
            self.len = index.saturating_add(1);
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::new();
    }

    /// All of them with their numbers, from this one on and round to it again. It begins there at once: a
    /// table that is full is asked with every packet of a flood.
    pub(super) fn around(&self, start: usize) -> impl Iterator<Item = (&T, u32)> {
        let start = if start < self.len { start } else { 0 };
        let numbered = move |index: usize| Some((self.get(index)?, u32::try_from(index).ok()?));
        (start..self.len).chain(0..start).filter_map(numbered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stands for none.
    const NONE: usize = usize::MAX;

    #[test]
    fn elements_stay_where_they_are_in_any_number() {
        let mut list = List::new();
        assert!(list.get(0).is_none() && list.around(0).next().is_none());
        for n in 0..=3 * PART {
            assert_eq!(list.len(), n);
            list.push(n, NONE);
        }
        let place = std::ptr::from_ref(list.get(PART).unwrap());
        assert_eq!(list.get(list.len()), Some(&NONE));
        for n in list.len()..9 * PART {
            list.push(n, NONE);
        }
        assert_eq!(std::ptr::from_ref(list.get(PART).unwrap()), place);
        assert!(list.around(0).map(|(element, _)| *element).eq(0..9 * PART));
        *list.get_mut(2 * PART - 1).unwrap() = 7;
        assert_eq!(list.get(2 * PART - 1), Some(&7));
        assert!(list.get(9 * PART).is_none() && list.get_mut(usize::MAX).is_none());
        assert_eq!(list.get_or_other(PART + 1), Some((&(PART + 1), true)));
        assert!(list.get_or_other(usize::MAX).is_some_and(|(_, is_it)| !is_it));
        list.clear();
        assert_eq!((list.len(), list.around(0).count()), (0, 0));
    }

    #[test]
    fn a_round_begins_and_ends_at_the_hand() {
        let mut list = List::new();
        assert_eq!(list.around(3).count(), 0);
        for element in 10..14 {
            list.push(element, 0);
        }
        let from = |start| list.around(start).map(|(element, _)| *element).collect::<Vec<_>>();
        assert_eq!(from(0), [10, 11, 12, 13]);
        assert_eq!(from(3), [13, 10, 11, 12]);
        assert_eq!(from(9), [10, 11, 12, 13], "the hand stands behind the last one");
        assert!(list.around(2).all(|(element, number)| *element == number + 10));
    }
}
