//! [`Overlaps`]: whether the copies of what a stream consists of say the same.
//!
//! A sender that repeats a byte repeats its value. Who sends another value for the same sequence
//! number wants two readers to read two things: the receiver the one, somebody who watches the
//! other (a copy with a short time to live or a wrong checksum is one that only the latter sees).
//! What was delivered is kept for comparison, within bounds, as long as no hole lies behind it.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::limits::Limits;
use crate::packet::SeqNumber;

/// Shortest silence before a probe: no timer that sends one is shorter.
const PROBE_WAIT: Duration = Duration::from_millis(200);

/// Up to here memory is asked for by twos: most ends that open a connection say no more. Beyond it
/// all that may be kept is asked for at once, so that nothing is moved again and again.
const SHORT: usize = 1 << 10;

/// What overlapped in one direction, and what is kept to compare with.
#[derive(Debug, Default)]
pub(super) struct Overlaps {
    /// What was delivered last, up to the next byte to deliver.
    delivered: Vec<u8>,
    /// How many bytes of it are kept at most.
    bound: usize,
    /// Bytes that came with different values.
    differing: u32,
    /// The number behind the last one of them.
    counted: Option<SeqNumber>,
    /// When something came that was no probe.
    heard: Timestamp,
    /// What came now is a probe: its byte means nothing.
    probe: bool,
}

impl Overlaps {
    /// Bytes that came with different values. A third copy does not count again, so that a port
    /// that shows each packet twice does not; where the conflicts come out of order it is a lower
    /// bound.
    pub(super) const fn differing(&self) -> u32 {
        self.differing
    }

    /// Heap bytes that it holds.
    pub(super) const fn held_bytes(&self) -> usize {
        self.delivered.capacity()
    }

    /// A segment has come. Where it is a single byte and the last one that is known, after a
    /// silence, it is a keep-alive (RFC 9293 §3.8.4: one garbage octet) or a probe of a window.
    pub(super) fn hear(
        &mut self,
        payload: &[u8],
        cut: u32,
        is_last: bool,
        at: Timestamp,
        limits: &Limits,
    ) {
        self.bound = limits.overlap_bytes;
        self.probe =
            payload.len() == 1 && cut == 0 && is_last && at.since(self.heard) >= PROBE_WAIT;
        if !self.probe {
            self.heard = at;
        }
    }

    /// These bytes are delivered: keep them, and of those before them as many as are allowed.
    pub(super) fn deliver(&mut self, bytes: &[u8]) {
        let bound = self.bound;
        if self.delivered.len().saturating_add(bytes.len()) > bound {
            // Half at once: a segment of one byte must not move all the others each time.
            let stay = (bound / 2).saturating_sub(bytes.len());
            self.delivered.drain(..self.delivered.len().saturating_sub(stay));
        }
        let skip = bytes.len().saturating_sub(bound);
        let bytes = bytes.get(skip..).unwrap_or_default();
        let needed = self.delivered.len().saturating_add(bytes.len());
        if needed > self.delivered.capacity() {
            let room = if needed <= SHORT { needed.next_power_of_two() } else { bound };
            self.delivered.reserve_exact(room.min(bound).saturating_sub(self.delivered.len()));
        }
        self.delivered.extend_from_slice(bytes);
    }

    /// Little more will come: hold no more memory than what is in it needs.
    pub(super) fn settle(&mut self) {
        self.delivered.shrink_to_fit();
    }

    /// Use memory that an earlier stream does not need any more.
    pub(super) fn reuse(&mut self, memory: Vec<u8>) {
        if self.delivered.capacity() == 0 {
            self.delivered = memory;
        }
    }

    /// Give back memory that another stream may use, if it is worth it.
    pub(super) fn release(self) -> Option<Vec<u8>> {
        let mut memory = self.delivered;
        memory.clear();
        (memory.capacity() > SHORT).then_some(memory)
    }

    /// Read where what is delivered next will be kept, so that this is in a near cache. What comes
    /// out means nothing.
    pub(super) fn fetch_end(&self) -> usize {
        self.delivered.last().copied().map_or(0, usize::from)
    }

    /// A hole lies behind what was delivered.
    pub(super) fn forget(&mut self) {
        self.delivered.clear();
    }

    /// Compare a segment with what was delivered, `next` being the number behind that.
    pub(super) fn compare_delivered(&mut self, next: SeqNumber, seq: SeqNumber, payload: &[u8]) {
        let kept = u32::try_from(self.delivered.len()).unwrap_or(u32::MAX);
        let start = SeqNumber(next.0.wrapping_sub(kept));
        let delivered = std::mem::take(&mut self.delivered);
        self.compare((start, &delivered), (seq, payload));
        self.delivered = delivered;
    }

    /// Compare two pieces of the stream where they overlap.
    pub(super) fn compare(&mut self, one: (SeqNumber, &[u8]), other: (SeqNumber, &[u8])) {
        if self.probe {
            return;
        }
        let ahead = one.0.offset_from(other.0);
        let (start, later, earlier) =
            if ahead >= 0 { (one.0, one.1, other.1) } else { (other.0, other.1, one.1) };
        let earlier = earlier.get(ahead.unsigned_abs() as usize..).unwrap_or_default();
        let size = later.len().min(earlier.len());
        if later.get(..size) == earlier.get(..size) {
            return;
        }
        for ((index, a), b) in (1..).zip(later).zip(earlier) {
            let behind = start.plus(index);
            if a != b && self.counted.is_none_or(|counted| behind.offset_from(counted) > 0) {
                self.differing = self.differing.saturating_add(1);
                self.counted = Some(behind);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test may overflow: it fails then")]
mod tests {
    use super::*;
    use crate::flow::StreamAssembler;

    const BASE: SeqNumber = SeqNumber(u32::MAX - 5);

    /// Bytes that differ when these segments come: offset, text, bytes cut off, milliseconds.
    fn differing(segments: &[(u32, &str, u32, u64)]) -> u32 {
        let limits = Limits { overlap_bytes: 16, ..Limits::default() };
        let mut stream = StreamAssembler::default();
        stream.begin(BASE);
        for &(offset, text, cut, at) in segments {
            let at = Timestamp::default().plus(Duration::from_millis(at));
            stream.push(BASE.plus(offset), text.as_bytes(), cut, at, &limits, &mut |_| ());
            assert!(stream.overlaps().held_bytes() <= 32, "the bound holds");
        }
        stream.flush(&mut |_| ());
        stream.overlaps().differing()
    }

    #[test]
    fn copies_that_say_the_same_are_none() {
        assert_eq!(differing(&[(0, "hello", 0, 0), (0, "hello", 0, 1), (2, "llo you", 0, 2)]), 0);
        assert_eq!(differing(&[(5, "world", 0, 0), (3, "loworldly", 0, 1), (0, "hello", 0, 2)]), 0);
        // A copy that the snaplen cut, before and after the whole one.
        assert_eq!(differing(&[(0, "hello", 0, 0), (0, "he", 3, 1)]), 0);
        assert_eq!(differing(&[(0, "he", 3, 0), (0, "hello", 0, 1), (5, "!", 0, 2)]), 0);
        // A hole was given up: nothing is known of what lies before it.
        assert_eq!(differing(&[(0, "ab", 0, 0), (9, "z", 0, 0), (12, "y", 0, 20_000)]), 0);
    }

    #[test]
    fn conflicts_are_seen_wherever_the_other_copy_is() {
        // Delivered; delivered and grown over; waiting; waiting when the stream reaches it.
        assert_eq!(differing(&[(0, "hello", 0, 0), (0, "hallo", 0, 1)]), 1);
        assert_eq!(differing(&[(0, "hello", 0, 0), (3, "xyz", 0, 1)]), 2);
        assert_eq!(differing(&[(5, "world", 0, 0), (3, "..WORld", 0, 1)]), 3);
        assert_eq!(differing(&[(5, "world", 0, 0), (0, "hello Wo", 0, 1)]), 3);
        // Byte by byte.
        let bytes = [(0, "a", 0, 0), (0, "b", 0, 1), (1, "c", 0, 2), (1, "d", 0, 3)];
        assert_eq!(differing(&bytes), 2);
        // Out of reach, but the nearest eight bytes never are.
        let long = "0123456789abcdef0123456789";
        assert_eq!(differing(&[(0, long, 0, 0), (0, "x", 0, 1)]), 0);
        assert_eq!(differing(&[(0, long, 0, 0), (18, "ABC", 0, 1)]), 3);
    }

    #[test]
    fn a_third_copy_does_not_count_again() {
        let twice =
            [(0, "hello", 0, 0), (0, "hello", 0, 0), (0, "hxllx", 0, 1), (0, "hxllx", 0, 1)];
        assert_eq!(differing(&twice), 2);
    }

    #[test]
    fn a_probe_may_hold_any_byte() {
        let probe = [(0, "hello", 0, 0), (4, "\0", 0, 1000), (4, "\0", 0, 2000)];
        assert_eq!(differing(&probe), 0);
        // A window of zero is probed with the byte that comes next, which is a real one.
        assert_eq!(differing(&[(0, "hello", 0, 0), (5, "w", 0, 500), (5, "world", 0, 900)]), 0);
        // At once, or not at the end, it is none.
        assert_eq!(differing(&[(0, "hello", 0, 0), (4, "\0", 0, 100)]), 1);
        assert_eq!(differing(&[(0, "hello", 0, 0), (3, "\0", 0, 1000)]), 1);
    }
}
