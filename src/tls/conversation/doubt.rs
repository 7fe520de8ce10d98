//! [`Doubt`]: bytes that may be the beginning of a first record, and when each of them came.
//!
//! They are few: fewer than it takes to tell. Each has its own time, as what TLS turns out to begin
//! with may be any of them.

use crate::clock::Timestamp;

#[derive(Debug, Default)]
pub(super) struct Doubt(Option<Box<Waiting>>);

#[derive(Debug)]
struct Waiting {
    bytes: Vec<u8>,
    came: Vec<Timestamp>,
}

impl Doubt {
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.0.as_ref().map_or(&[], |waiting| &waiting.bytes)
    }

    /// These bytes, and those that came behind them.
    pub(super) fn joined(&self, bytes: &[u8]) -> Vec<u8> {
        [self.bytes(), bytes].concat()
    }

    /// When the byte at `start` of all came: those behind the doubtful ones `now`.
    pub(super) fn came(&self, start: usize, now: Timestamp) -> Timestamp {
        self.0.as_ref().and_then(|waiting| waiting.came.get(start).copied()).unwrap_or(now)
    }

    /// Of all bytes those from `start` on, to be told with what comes next.
    pub(super) fn keep(&self, all: &[u8], start: usize, now: Timestamp) -> Self {
        let bytes = all.get(start..).unwrap_or_default().to_vec();
        let came = (start..all.len()).map(|at| self.came(at, now)).collect();
        Self((!bytes.is_empty()).then(|| Box::new(Waiting { bytes, came })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_keeps_the_time_at_which_it_came() {
        let [one, two, three] = [1, 2, 3].map(|second| Timestamp::new(second, 0));
        let doubt = Doubt::default().keep(b"ab", 0, one);
        let all = doubt.joined(b"cd");
        assert_eq!(all, b"abcd");
        let doubt = doubt.keep(&all, 1, two);
        let times = [0, 1, 2, 3].map(|at| doubt.came(at, three));
        assert_eq!((doubt.bytes(), times), (&b"bcd"[..], [one, two, two, three]));
    }
}
