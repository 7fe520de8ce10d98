//! [`Jumps`]: whether the clock that stamps packets was put forward or back.
//!
//! Flows are given up when they have been silent for some time, and the stamps of packets say how much
//! has passed. Where somebody sets the clock of the machine the next packet seems to come hours later,
//! or before all others: what another clock, which nobody sets, does not confirm is a jump.

use std::time::Instant;

use crate::clock::Timestamp;

/// Less than this is no jump, but a packet that was stamped late, or a clock that is kept right: in
/// seconds.
const LEAST: i64 = 30;

/// Looks at the stamps of one ring.
#[derive(Debug, Default)]
pub(super) struct Jumps {
    last: Option<Timestamp>,
    read: Option<Instant>,
}

impl Jumps {
    /// Packets were read until now.
    pub(super) const fn read(&mut self, now: Instant) {
        self.read = Some(now);
    }

    /// A packet has this stamp: by how many seconds the clock jumped before it, if it did.
    #[inline]
    pub(super) fn stamp(&mut self, at: Timestamp, now: impl FnOnce() -> Instant) -> Option<i64> {
        let before = self.last.replace(at)?;
        let second = |at: Timestamp| i64::try_from(at.as_secs()).unwrap_or(i64::MAX);
        let passed = second(at).saturating_sub(second(before));
        if passed.abs() < LEAST {
            return None;
        }
        let waited = now().saturating_duration_since(self.read?).as_secs();
        let jump = passed.saturating_sub(i64::try_from(waited).unwrap_or(i64::MAX));
        (jump.abs() >= LEAST).then_some(jump)
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a clock is what this is about")]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use crossbeam_channel::{Receiver, unbounded};

    use super::*;
    use crate::capture::file::FileSource;
    use crate::capture::{Frame, Poll, Source};
    use crate::limits::Limits;
    use crate::pipeline::batch::{Batch, Batcher};
    use crate::pipeline::follow::Follower;

    const HOURS: u64 = 3 * 3_600;

    #[test]
    fn a_silent_wire_is_no_jump_and_a_clock_that_is_set_is() {
        let mut jumps = Jumps::default();
        let begun = Instant::now();
        let at = |seconds| Timestamp::new(1_000_000 + seconds, 0);
        let after = |seconds| move || begun + Duration::from_secs(seconds);
        assert_eq!(jumps.stamp(at(0), after(0)), None);
        jumps.read(begun);
        assert_eq!(jumps.stamp(at(29), after(0)), None);
        // An hour without packets.
        assert_eq!(jumps.stamp(at(3_629), after(3_600)), None);
        jumps.read(after(3_600)());
        assert_eq!(jumps.stamp(at(3_629 + HOURS), after(3_600)), Some(10_800));
        assert_eq!(jumps.stamp(at(3_630 + HOURS), after(3_601)), None);
        assert_eq!(jumps.stamp(at(3_631), after(3_602)), Some(-10_801));
        assert_eq!(jumps.stamp(at(3_632), after(3_603)), None);
    }

    /// A capture of one handshake, who follows it, and where it comes out when it is over.
    fn watched() -> (FileSource, Follower, Batcher<'static>, Receiver<Batch>) {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/captures/tls12-ecdhe-rsa.pcap");
        let limits = Limits::default();
        let source = FileSource::open(path.as_ref(), &limits).unwrap();
        let (empty, (full, over)) = (unbounded(), unbounded());
        empty.0.send(Batch::default()).unwrap();
        let batcher = Batcher::beside(empty.1, full, Arc::default());
        (source, Follower::new("eth1".into(), &limits), batcher, over)
    }

    /// Sizes of the handshakes that are found in a capture whose stamps jump in the middle by so many
    /// hours, and another half an hour later; whether that is told.
    fn handshakes(jump: i64, told: bool) -> Vec<usize> {
        let (mut source, mut follower, mut batcher, over) = watched();
        let mut number = 0;
        let mut take = |frame: Frame<'_>| {
            number += 1;
            // Behind the ClientHello.
            if number == 5 && told {
                follower.shift(jump);
            }
            let by = if number >= 5 { jump } else { 0 };
            let nanos = frame.timestamp.as_nanos().saturating_add_signed(by * 1_000_000_000);
            follower
                .take(&Frame { timestamp: Timestamp::from_nanos(nanos), ..frame }, &mut batcher);
            // Silent flows are looked for all the time.
            follower.tick(Timestamp::from_nanos(nanos), &mut batcher);
        };
        while matches!(source.poll(&mut take), Ok(Poll::Frames(_))) {}
        follower.finish(&mut batcher);
        batcher.finish();
        over.try_iter().flat_map(|batch| batch.jobs).map(|job| job.transcript.size()).collect()
    }

    #[test]
    fn a_handshake_outlives_a_clock_that_is_set() {
        let hours = i64::try_from(HOURS).unwrap();
        let whole = handshakes(0, false);
        assert_eq!(whole.len(), 1);
        for jump in [hours, -hours] {
            assert_eq!(handshakes(jump, true), whole, "{jump}");
        }
        // This is what it would cost.
        assert!(handshakes(hours, false)[0] < whole[0]);
    }

    #[test]
    fn what_was_silent_before_the_clock_was_put_back_does_not_wait_for_it() {
        // A hello and no more: it is given up two minutes later, not three hours.
        let (mut source, mut follower, mut batcher, over) = watched();
        let (mut number, mut last) = (0, Timestamp::default());
        let mut take = |frame: Frame<'_>| {
            number += 1;
            if number < 5 {
                last = frame.timestamp;
                follower.take(&frame, &mut batcher);
            }
        };
        while matches!(source.poll(&mut take), Ok(Poll::Frames(_))) {}
        let back = last.as_nanos() - HOURS * 1_000_000_000;
        let back = Timestamp::from_nanos(back);
        assert_eq!(follower.open(), 1);
        follower.tick(back.plus(Duration::from_secs(130)), &mut batcher);
        assert_eq!(follower.open(), 1, "it waits for the old time");
        follower.shift(-i64::try_from(HOURS).unwrap());
        follower.tick(back.plus(Duration::from_secs(60)), &mut batcher);
        assert_eq!(follower.open(), 1);
        follower.tick(back.plus(Duration::from_secs(130)), &mut batcher);
        assert_eq!(follower.open(), 0);
        batcher.finish();
        assert_eq!(over.try_iter().map(|batch| batch.jobs.len()).sum::<usize>(), 1);
    }
}
