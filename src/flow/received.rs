//! [`Received`]: what was read of one direction of a stream and is still to be had.
//!
//! It is kept once, for two who need it. Copies of a segment are compared with it, for which its end
//! has to be there; and who follows the stream may ask for parts of it to be kept for good, and say
//! later where they lie.
//!
//! ```text
//!   ┃ kept for good, holes and all ┃ loose: half of it goes when it is too long ┃ what comes next
//!                          ┃ the run: no hole behind it, copies are compared ┃
//! ```

use std::mem;

use super::{Spares, short};
use crate::prefetch::{prefetch_all, prefetch_range};

/// What was read of one direction.
#[derive(Clone, Debug, Default)]
pub struct Received {
    memory: Vec<u8>,
    /// Up to here it is kept for good.
    kept: u32,
    /// From here to the end there is no hole.
    run: u32,
    /// Bytes that came after that, and are not here.
    passed: u32,
}

/// Bytes of a stream without a hole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Run<'a> {
    /// The bytes.
    pub bytes: &'a [u8],
    /// How many came behind them, up to the last one that was read.
    pub behind: u32,
}

impl Received {
    /// Take the next bytes, into spare memory where there is no room. Returns where they lie, until
    /// others are taken. Of those before them that are not kept for good, half of `bound` stays at
    /// least.
    pub fn take(&mut self, bytes: &[u8], bound: usize, spares: &mut Spares) -> usize {
        if self.passed > 0 {
            self.tear();
        }
        let loose = self.memory.len().saturating_sub(self.kept as usize);
        if loose > 0 && loose.saturating_add(bytes.len()) > bound {
            self.drop_loose(loose, (bound / 2).saturating_sub(bytes.len()), bound);
        }
        let place = self.memory.len();
        let needed = place.saturating_add(bytes.len());
        if needed > self.memory.capacity() {
            self.grow(needed, spares);
        }
        self.memory.extend_from_slice(bytes);
        place
    }

    #[cold]
    fn grow(&mut self, needed: usize, spares: &mut Spares) {
        let mut memory = spares.take(needed);
        memory.extend_from_slice(&self.memory);
        spares.give(mem::replace(&mut self.memory, memory));
    }

    /// Drop of the loose bytes all but so many. That is half of them at once: a segment of one byte
    /// must not move all the others each time.
    #[cold]
    fn drop_loose(&mut self, loose: usize, stay: usize, bound: usize) {
        let kept = self.kept as usize;
        let behind = kept.saturating_add(loose.saturating_sub(stay));
        self.memory.drain(kept..behind.min(self.memory.len()));
        // Nothing lies before what stays any more.
        let gone = behind.saturating_sub(kept);
        self.run = short((self.run as usize).max(behind).saturating_sub(gone));
        // The memory of a large segment is not for later ones to keep.
        let size = self.memory.len();
        if self.memory.capacity() > size.saturating_add(bound.saturating_mul(4)) {
            self.memory.shrink_to(size.saturating_add(bound));
        }
    }

    /// So many bytes came that nobody needs.
    pub fn pass(&mut self, count: usize) {
        self.passed = self.passed.saturating_add(short(count));
    }

    /// Keep all up to `end` for good.
    pub fn keep(&mut self, end: usize) {
        self.kept = self.kept.max(short(end));
    }

    /// Bytes that are kept for good, or were taken last.
    pub fn get(&self, place: usize, size: usize) -> Option<&[u8]> {
        self.memory.get(place..place.checked_add(size)?)
    }

    /// The last bytes, as far back as there is no hole.
    pub fn run(&self) -> Run<'_> {
        let bytes = self.memory.get(self.run as usize..).unwrap_or_default();
        Run { bytes, behind: self.passed }
    }

    /// A hole lies behind what was read.
    pub fn tear(&mut self) {
        self.run = short(self.memory.len());
        self.passed = 0;
    }

    /// Forget all of it; the memory stays.
    pub fn clear(&mut self) {
        self.memory.clear();
        (self.kept, self.run, self.passed) = (0, 0, 0);
    }

    /// Forget all of it, and give the memory back.
    pub fn give_back(&mut self, spares: &mut Spares) {
        spares.give(mem::take(&mut self.memory));
        self.clear();
    }

    /// Little more will come: hold no more memory than what is in it needs.
    pub fn shrink(&mut self) {
        self.memory.shrink_to_fit();
    }

    /// Heap bytes that it holds.
    pub const fn held_bytes(&self) -> usize {
        self.memory.capacity()
    }

    /// Ask for all that is in it.
    pub fn prefetch(&self) {
        prefetch_all(&self.memory);
    }

    /// Ask for the memory where the next bytes will lie, so many of them.
    pub fn prefetch_end(&self, size: usize) {
        let start = self.memory.len();
        prefetch_range(&self.memory, start..start.saturating_add(size).min(self.memory.capacity()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loose_bytes_go_and_what_is_kept_stays_where_it_lies() {
        let mut received = Received::default();
        let hello = received.take(b"hello", 8, &mut Spares::default());
        assert_eq!((hello, received.run().bytes), (0, &b"hello"[..]));
        received.keep(5);
        assert_eq!(received.take(b"01234567", 8, &mut Spares::default()), 5);
        assert_eq!(received.run().bytes, b"hello01234567", "so much may be loose");
        // Half of the bound stays, and this is the half.
        assert_eq!(received.take(b"89", 8, &mut Spares::default()), 7);
        assert_eq!(received.run().bytes, b"6789");
        assert_eq!(received.get(hello, 5), Some(&b"hello"[..]));
        assert_eq!(received.get(hello, 50), None);
        assert_eq!(received.take(b"longer than the bound", 8, &mut Spares::default()), 5);
        assert_eq!(received.run().bytes, b"longer than the bound");
        received.keep(26);
        assert_eq!(received.take(b", and again", 8, &mut Spares::default()), 26);
        assert_eq!(received.run().bytes, b"longer than the bound, and again", "nothing was loose");
    }

    #[test]
    fn a_run_begins_behind_a_hole() {
        let mut received = Received::default();
        received.take(b"abc", 8, &mut Spares::default());
        received.tear();
        assert_eq!(received.run(), Run::default());
        received.take(b"def", 8, &mut Spares::default());
        assert_eq!(received.run().bytes, b"def");
        // What goes is what lies before the hole.
        received.take(b"ghi", 8, &mut Spares::default());
        assert_eq!(received.run().bytes, b"fghi");
        received.clear();
        assert_eq!(received.run(), Run::default());
        assert_eq!(received.take(b"x", 8, &mut Spares::default()), 0);
        assert_eq!(received.get(0, 2), None, "what was forgotten is not there");
    }

    #[test]
    fn a_run_lies_before_what_was_passed() {
        let mut received = Received::default();
        received.take(b"abc", 8, &mut Spares::default());
        received.pass(1_000);
        received.pass(24);
        assert_eq!(received.run(), Run { bytes: b"abc", behind: 1_024 });
        // One that lies behind it is nearer.
        assert_eq!(received.take(b"def", 8, &mut Spares::default()), 3);
        assert_eq!(received.run(), Run { bytes: b"def", behind: 0 });
    }

    #[test]
    fn memory_is_given_back() {
        let (mut received, mut spares) = (Received::default(), Spares::default());
        received.take(&vec![1; 60_000], 4_096, &mut spares);
        received.take(&[2; 1_000], 4_096, &mut spares);
        received.take(&[3; 4_000], 4_096, &mut spares);
        assert!(received.held_bytes() <= 16_384, "{}", received.held_bytes());
        received.clear();
        received.shrink();
        assert_eq!(received.held_bytes(), 0);
    }

    #[test]
    fn memory_goes_on_to_the_next() {
        let (mut received, mut spares) = (Received::default(), Spares::default());
        received.take(&[1; 1_000], 4_096, &mut spares);
        let small = received.memory.as_ptr();
        received.take(&[2; 1_000], 4_096, &mut spares);
        assert_eq!(received.run().bytes, [[1; 1_000], [2; 1_000]].concat());
        let mut next = Received::default();
        next.take(&[3; 600], 4_096, &mut spares);
        assert_eq!(next.memory.as_ptr(), small, "what was outgrown");
        let large = received.memory.as_ptr();
        received.give_back(&mut spares);
        assert_eq!((received.held_bytes(), received.run()), (0, Run::default()));
        next.take(&[4; 600], 4_096, &mut spares);
        assert_eq!(next.memory.as_ptr(), large, "what is over");
    }
}
