//! [`Latency`]: how long handshakes take, as a distribution.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::growing::Room;
use super::sorted::PIECE;

/// Samples that are kept as they are; more become a histogram, which takes a few KiB.
const FEW: usize = 32;
/// Longest handshake that is told apart, in µs: ten minutes.
const LONGEST: u64 = 600_000_000;
/// Significant digits of a histogram.
const DIGITS: u8 = 2;

/// The durations of handshakes, in microseconds.
///
/// Most servers see few handshakes: those stay a short list. What it holds depends on the durations
/// alone, not on their order.
#[derive(Clone, Debug, PartialEq)]
pub enum Latency {
    /// All of them, in order.
    Few(Vec<u32>),
    /// A histogram of them.
    Many(Box<Histogram<u32>>),
}

impl Default for Latency {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl Latency {
    /// Add one handshake.
    pub(crate) fn record(&mut self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(LONGEST).min(LONGEST);
        match self {
            Self::Few(few) if few.len() < FEW => {
                let micros = u32::try_from(micros).unwrap_or(u32::MAX);
                let at = few.partition_point(|known| *known <= micros);
                few.insert(at, micros);
            }
            Self::Few(few) => {
                // The arguments are constants that the crate accepts; if it ever did not, the
                // first samples would stand for all.
                if let Ok(mut histogram) = Histogram::new(DIGITS) {
                    for known in few.iter().map(|known| u64::from(*known)).chain([micros]) {
                        add(&mut histogram, known);
                    }
                    *self = Self::Many(Box::new(histogram));
                }
            }
            Self::Many(histogram) => add(histogram, micros),
        }
    }

    /// Add one handshake if there is room for it.
    pub(super) fn record_within(&mut self, duration: Duration, room: &mut Room) {
        let full = match self {
            Self::Few(few) => few.len() == few.capacity(),
            Self::Many(_) => false,
        };
        if full && !room.open {
            room.refuse();
            return;
        }
        room.give(self.bytes());
        self.record(duration);
        room.take(self.bytes());
    }

    /// Bytes that it takes besides itself.
    fn bytes(&self) -> usize {
        match self {
            Self::Few(few) => few.capacity() * size_of::<u32>() + PIECE,
            Self::Many(histogram) => {
                let counts = histogram.distinct_values() * size_of::<u32>();
                counts + size_of::<Histogram<u32>>() + 2 * PIECE
            }
        }
    }

    /// Of two states of the same source the one that grew further.
    pub(super) fn join(&mut self, other: Self) {
        let further = |one: &Self| (one.count(), one.samples());
        // Where the counts differ, as they nearly always do, the samples need not be listed.
        if (self.count() != other.count() || *self != other) && further(self) < further(&other) {
            *self = other;
        }
    }

    /// The durations in microseconds, and how often there was each: all that it holds.
    pub(super) fn samples(&self) -> Vec<(u64, u64)> {
        match self {
            Self::Few(few) => few.iter().map(|micros| (u64::from(*micros), 1)).collect(),
            Self::Many(histogram) => histogram
                .iter_recorded()
                .map(|step| (step.value_iterated_to(), u64::from(step.count_at_value())))
                .collect(),
        }
    }

    /// From [samples](Self::samples).
    pub(super) fn from_samples(samples: impl IntoIterator<Item = (u64, u64)>) -> Self {
        let mut latency = Self::default();
        for (micros, count) in samples {
            latency.record_many(micros, count);
        }
        latency
    }

    /// Add so many handshakes that took as long.
    fn record_many(&mut self, micros: u64, count: u64) {
        let mut left = count;
        while left > 0 {
            if let Self::Many(histogram) = self {
                let count = u32::try_from(left).unwrap_or(u32::MAX);
                let _ = histogram.record_n(micros.min(LONGEST), count);
                return;
            }
            self.record(Duration::from_micros(micros));
            left -= 1;
        }
    }

    /// Add the handshakes of another distribution.
    pub fn add(&mut self, other: &Self) {
        match other {
            Self::Few(few) => {
                for micros in few {
                    self.record(Duration::from_micros(u64::from(*micros)));
                }
            }
            Self::Many(more) => match self {
                Self::Many(histogram) => {
                    // It may grow: every value of the other one has room.
                    let _ = histogram.add(&**more);
                }
                Self::Few(few) => {
                    let few = std::mem::take(few);
                    *self = other.clone();
                    self.add(&Self::Few(few));
                }
            },
        }
    }

    /// How many handshakes took no longer than this; all, if no bound is given.
    pub fn within(&self, bound: Option<Duration>) -> u64 {
        let Some(bound) = bound else { return self.count() };
        let micros = u64::try_from(bound.as_micros()).unwrap_or(u64::MAX);
        let samples = self.samples().into_iter().filter(|(took, _)| *took <= micros);
        samples.map(|(_, count)| count).sum()
    }

    /// How long they took together, as exactly as they are kept.
    pub fn sum(&self) -> Duration {
        let samples = self.samples().into_iter();
        Duration::from_micros(samples.map(|(took, count)| took.saturating_mul(count)).sum())
    }

    /// How many handshakes were timed.
    pub fn count(&self) -> u64 {
        match self {
            Self::Few(few) => few.len() as u64,
            Self::Many(histogram) => histogram.len(),
        }
    }

    /// The duration that a share of them stays within, `None` if there are none.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let micros = match self {
            Self::Few(few) => {
                // At most 32 samples: the rank is small and not negative.
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
                #[expect(clippy::cast_precision_loss)]
                let rank = (share * few.len() as f64).ceil() as usize;
                u64::from(*few.get(rank.saturating_sub(1))?)
            }
            Self::Many(histogram) => histogram.value_at_quantile(share),
        };
        Some(Duration::from_micros(micros))
    }
}

/// Add a sample of at most [`LONGEST`]: a histogram that may grow has room for it.
fn add(histogram: &mut Histogram<u32>, micros: u64) {
    let _ = histogram.record(micros);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_are_exact_and_many_are_within_a_percent() {
        let mut latency = Latency::default();
        assert_eq!(latency.quantile(0.5), None);
        for ms in (1..=20).rev() {
            latency.record(Duration::from_millis(ms));
        }
        assert_eq!(latency.quantile(0.5), Some(Duration::from_millis(10)));
        assert_eq!(latency.quantile(1.0), Some(Duration::from_millis(20)));
        for ms in 21..=1_000 {
            latency.record(Duration::from_millis(ms));
        }
        assert_eq!(latency.count(), 1_000);
        let median = latency.quantile(0.5).unwrap().as_secs_f64();
        assert!((0.495..=0.505).contains(&median), "{median}");
    }

    #[test]
    fn parts_add_up_to_the_whole() {
        for (left, right) in [(3, 4), (3, 100), (100, 3), (20, 20), (100, 100)] {
            let mut parts = [Latency::default(), Latency::default()];
            let mut whole = Latency::default();
            for (part, samples) in parts.iter_mut().zip([left, right]) {
                for ms in 0..samples {
                    part.record(Duration::from_millis(ms * ms));
                    whole.record(Duration::from_millis(ms * ms));
                }
            }
            let [mut sum, other] = parts;
            sum.add(&other);
            assert_eq!(sum, whole, "{left} and {right}");
        }
    }

    #[test]
    fn order_and_resizing_leave_no_trace() {
        let samples: Vec<u64> = (0..200).map(|n| (n * 7_919) % 90_000_000 + n).collect();
        let mut forward = Latency::default();
        let mut backward = Latency::default();
        for micros in &samples {
            forward.record(Duration::from_micros(*micros));
        }
        for micros in samples.iter().rev() {
            backward.record(Duration::from_micros(*micros));
        }
        assert_eq!(forward, backward);
        forward.record(Duration::from_secs(1 << 40));
        // A histogram of two digits says it within a percent.
        assert_eq!(forward.quantile(1.0).unwrap().as_secs() / 10, 60);
    }
}
