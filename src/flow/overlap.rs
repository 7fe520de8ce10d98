//! [`Overlaps`]: whether the copies of what a stream consists of say the same.
//!
//! A sender that repeats a byte repeats its value. Who sends another value for the same sequence
//! number wants two readers to read two things: the receiver the one, somebody who watches the
//! other (a copy with a short time to live or a wrong checksum is one that only the latter sees).
//! The receiver of the stream keeps what it got for comparison, within bounds, as long as no hole lies
//! behind it.

use std::time::Duration;

use super::{Run, short};
use crate::clock::Timestamp;
use crate::packet::SeqNumber;

/// Shortest silence before a probe: no timer that sends one is shorter.
const PROBE_WAIT: Duration = Duration::from_millis(200);

/// What overlapped in one direction.
#[derive(Debug, Default)]
pub(super) struct Overlaps {
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

    /// A segment has come. Where it is a single byte and the last one that is known, after a
    /// silence, it is a keep-alive (RFC 9293 §3.8.4: one garbage octet) or a probe of a window.
    pub(super) fn hear(&mut self, payload: &[u8], cut: u32, is_last: bool, at: Timestamp) {
        self.probe =
            payload.len() == 1 && cut == 0 && is_last && at.since(self.heard) >= PROBE_WAIT;
        if !self.probe {
            self.heard = at;
        }
    }

    /// Compare a segment with what was delivered last, `next` being the number behind that.
    pub(super) fn compare_delivered(
        &mut self,
        (next, delivered): (SeqNumber, Run<'_>),
        (seq, payload): (SeqNumber, &[u8]),
    ) {
        let size = short(delivered.bytes.len());
        let start = next.0.wrapping_sub(delivered.behind).wrapping_sub(size);
        self.compare((SeqNumber(start), delivered.bytes), (seq, payload));
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
    use crate::flow::{Chunk, Receive, Received, Spares, StreamAssembler};
    use crate::limits::Limits;

    const BASE: SeqNumber = SeqNumber(u32::MAX - 5);

    /// Keeps so little that some of it is out of reach.
    #[derive(Default)]
    struct Little(Received);

    impl Receive for Little {
        fn receive(&mut self, chunk: Chunk<'_>) {
            match chunk {
                Chunk::Data(bytes) => drop(self.0.take(bytes, 16, &mut Spares::default())),
                Chunk::Gap(_) => self.0.tear(),
            }
        }

        fn received(&self) -> Run<'_> {
            self.0.run()
        }
    }

    /// Bytes that differ when these segments come: offset, text, bytes cut off, milliseconds.
    fn differing(segments: &[(u32, &str, u32, u64)]) -> u32 {
        let limits = Limits::default();
        let (mut stream, mut little) = (StreamAssembler::default(), Little::default());
        stream.begin(BASE);
        for &(offset, text, cut, at) in segments {
            let at = Timestamp::default().plus(Duration::from_millis(at));
            stream.push(BASE.plus(offset), text.as_bytes(), cut, at, &limits, &mut little);
        }
        stream.flush(&mut little);
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
        let long = [(0, "0123456789abcdef0123", 0, 0), (20, "456789", 0, 0)];
        assert_eq!(differing(&[&long[..], &[(0, "x", 0, 1)]].concat()), 0);
        assert_eq!(differing(&[&long[..], &[(18, "ABC", 0, 1)]].concat()), 3);
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
