//! Capture time: nanoseconds since 1970, as the packets carry it.
//!
//! Everything below the pipeline runs on these stamps and never asks what time it is, so that a
//! file gives the same report at any speed. Times print as RFC 3339 in UTC.

use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::ascii::Ascii;

/// A moment of capture time, in nanoseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// From seconds and nanoseconds; what does not fit stays at the last moment that does.
    pub const fn new(seconds: u64, nanoseconds: u32) -> Self {
        Self(seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds as u64))
    }

    /// From nanoseconds since 1970.
    pub const fn from_nanos(nanoseconds: u64) -> Self {
        Self(nanoseconds)
    }

    /// Nanoseconds since 1970.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Whole seconds since 1970.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1_000_000_000
    }

    /// The beginning of its hour.
    #[must_use]
    pub const fn start_of_hour(self) -> Self {
        Self(self.0 - self.0 % 3_600_000_000_000)
    }

    /// The time from `earlier` until this one; zero if `earlier` is later, as clocks may jump.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// This moment and `duration` later.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// The same moment by a clock that was put forward, or back, by so many seconds.
    #[cfg(feature = "live")]
    #[must_use]
    pub const fn shifted(self, seconds: i64) -> Self {
        Self(self.0.saturating_add_signed(seconds.saturating_mul(1_000_000_000)))
    }

    /// RFC 3339 text with nanoseconds, `1970-01-01T00:00:00.000000000Z`.
    fn text(self) -> Ascii<32> {
        let seconds = self.as_secs();
        let (year, month, day) = civil_from_days(seconds / 86_400);
        let of_day = seconds % 86_400;
        let nanoseconds = self.0 % 1_000_000_000;
        let mut text = Ascii::of(*b"0000-00-00T00:00:00.000000000Z\0\0", 30);
        for (place, number) in [
            (0, year / 100),
            (2, year),
            (5, month),
            (8, day),
            (11, of_day / 3600),
            (14, of_day / 60 % 60),
            (17, of_day % 60),
            (20, nanoseconds / 10_000_000),
            (22, nanoseconds / 100_000),
            (24, nanoseconds / 1_000),
            (26, nanoseconds / 10),
            // Its last digit, for the second time, and the ninth.
            (27, nanoseconds),
        ] {
            text.set_pair(place, number);
        }
        text
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text().as_str())
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.text().as_str())
    }
}

/// The proleptic Gregorian date of a day counted from 1970-01-01.
///
/// Works on years that begin in March, so that the leap day is the last of its year.
const fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

/// Milliseconds to the microsecond: what captures have below that is noise.
#[expect(clippy::cast_precision_loss, reason = "exact for 285 years of microseconds")]
pub(crate) fn milliseconds(duration: Duration) -> f64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX) as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_rfc_3339_with_nanoseconds() {
        assert_eq!(Timestamp::default().to_string(), "1970-01-01T00:00:00.000000000Z");
        assert_eq!(
            Timestamp::new(1_772_352_930, 123_456_789).to_string(),
            "2026-03-01T08:15:30.123456789Z"
        );
        assert_eq!(Timestamp::new(1_709_164_800, 1).to_string(), "2024-02-29T00:00:00.000000001Z");
        assert_eq!(Timestamp::new(4_102_444_799, 0).to_string(), "2099-12-31T23:59:59.000000000Z");
    }

    #[test]
    fn milliseconds_have_three_decimals() {
        assert_eq!(milliseconds(Duration::from_nanos(1_742_999)).to_string(), "1.742");
        assert_eq!(milliseconds(Duration::from_secs(90_000)).to_string(), "90000000");
    }

    #[test]
    fn a_clock_that_jumps_back_gives_no_negative_time() {
        let early = Timestamp::new(1, 0);
        let late = Timestamp::new(3, 5);
        assert_eq!(late.since(early), Duration::new(2, 5));
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(Timestamp::new(u64::MAX, 0).plus(Duration::from_secs(1)).as_nanos(), u64::MAX);
    }
}
