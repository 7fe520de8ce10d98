//! The dates in a certificate: whole seconds, before 1970 too.

use std::fmt;

use serde::{Serialize, Serializer};
use x509_parser::prelude::{ASN1Time, FromDer};

use crate::bytes::Reader;
use crate::clock::Timestamp;

/// A date of a certificate, in seconds since 1970-01-01T00:00:00Z; negative before.
///
/// Prints as RFC 3339 in UTC, `2026-03-01T08:15:30Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CertificateTime(i64);

impl CertificateTime {
    /// From seconds since 1970.
    pub const fn from_secs(seconds: i64) -> Self {
        Self(seconds)
    }

    /// Seconds since 1970.
    pub const fn as_secs(self) -> i64 {
        self.0
    }

    /// Read a `UTCTime` or a `GeneralizedTime` (RFC 5280 §4.1.2.5).
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let (rest, time) = ASN1Time::from_der(reader.peek()).ok()?;
        reader.skip(reader.remaining().checked_sub(rest.len())?)?;
        Some(Self(time.timestamp()))
    }
}

impl From<Timestamp> for CertificateTime {
    /// The second in which that moment lies: certificates are valid to the end of their last one.
    fn from(at: Timestamp) -> Self {
        Self(i64::try_from(at.as_secs()).unwrap_or(i64::MAX))
    }
}

impl fmt::Display for CertificateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(time) = ASN1Time::from_timestamp(self.0) else {
            return write!(f, "{} s", self.0); // beyond the year 9999: no certificate can say it
        };
        let time = time.to_datetime();
        let (year, month, day) = (time.year(), u8::from(time.month()), time.day());
        let (hour, minute, second) = time.to_hms();
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

impl Serialize for CertificateTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_dates_on_both_sides_of_1970() {
        assert_eq!(CertificateTime(0).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(CertificateTime(-1).to_string(), "1969-12-31T23:59:59Z");
        assert_eq!(CertificateTime(1_772_352_930).to_string(), "2026-03-01T08:15:30Z");
        assert_eq!(CertificateTime(253_402_300_799).to_string(), "9999-12-31T23:59:59Z");
        assert_eq!(CertificateTime(i64::MAX).to_string(), "9223372036854775807 s");
    }

    #[test]
    fn reads_both_forms() {
        let read =
            |text: &[u8]| CertificateTime::read(&mut Reader::new(text)).map(|t| t.to_string());
        assert_eq!(read(b"\x17\x0d260301081530Z").as_deref(), Some("2026-03-01T08:15:30Z"));
        assert_eq!(read(b"\x17\x0d500101000000Z").as_deref(), Some("1950-01-01T00:00:00Z"));
        assert_eq!(read(b"\x18\x0f20500101000000Z").as_deref(), Some("2050-01-01T00:00:00Z"));
        assert_eq!(read(b"\x17\x0d269901081530Z"), None);
    }
}
