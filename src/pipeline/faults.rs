//! Faults of this program, contained: one connection or packet is lost to each, and counted.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

/// What was lost of one source to faults of this program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Finished handshakes of which no record could be made.
    pub connections: u64,
    /// Packets that could not be followed.
    pub packets: u64,
}

impl Faults {
    /// Whether there was none.
    pub const fn is_none(self) -> bool {
        self.connections == 0 && self.packets == 0
    }

    /// These and others.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            connections: self.connections.saturating_add(other.connections),
            packets: self.packets.saturating_add(other.packets),
        }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = "";
        for (number, one, many) in
            [(self.connections, "connection", "connections"), (self.packets, "packet", "packets")]
        {
            if number > 0 {
                write!(f, "{before}{number} {}", if number == 1 { one } else { many })?;
                before = " and ";
            }
        }
        f.write_str(" could not be analysed: internal error, please report it")
    }
}

/// Connections lost, by the name of their source. There are few: a lock for each will do.
#[derive(Debug, Default)]
pub(super) struct LostConnections(Mutex<BTreeMap<Arc<str>, u64>>);

impl LostConnections {
    pub(super) fn add(&self, source: &Arc<str>) {
        let mut lost = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = lost.entry(Arc::clone(source)).or_default();
        *count = count.saturating_add(1);
    }

    pub(super) fn of(&self, source: &str) -> u64 {
        let lost = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lost.get(source).copied().unwrap_or_default()
    }
}

/// Do it; `None` if a fault of this program ended it. What it changes has to be fit for use then.
#[inline]
pub(super) fn contain<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

/// Faults on demand, to see that they are contained: in builds with debug assertions, which are not
/// those that anyone installs, `TLSCENSUS_FAULT=worker:3` makes each worker fail at its third
/// handshake, `packet:7` a capture thread at its seventh packet, `reader:1` at its first read; `worker:*` each time.
#[derive(Debug, Default)]
pub(super) struct Provoked {
    #[cfg(debug_assertions)]
    left: Option<u64>,
    #[cfg(debug_assertions)]
    always: bool,
}

impl Provoked {
    #[cfg(debug_assertions)]
    pub(super) fn of(place: &str) -> Self {
        let wish = std::env::var("TLSCENSUS_FAULT").unwrap_or_default();
        let left = wish.split_once(':').filter(|(at, _)| *at == place);
        let number = left.map_or("", |(_, number)| number);
        Self { left: number.parse().ok(), always: number == "*" }
    }

    #[cfg(not(debug_assertions))]
    pub(super) const fn of(_place: &str) -> Self {
        Self {}
    }

    /// Once more; the last time it is meant to fail.
    #[cfg(debug_assertions)]
    #[allow(clippy::panic, reason = "a fault is what was asked for")]
    pub(super) fn step(&mut self) {
        self.left = self.left.map(|left| left.wrapping_sub(1));
        assert!(!self.always && self.left != Some(0), "a fault was asked for");
    }

    #[cfg(not(debug_assertions))]
    #[inline]
    pub(super) const fn step(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_told_in_words() {
        let faults = Faults { connections: 1, packets: 0 };
        assert_eq!(
            faults.to_string(),
            "1 connection could not be analysed: internal error, please report it"
        );
        let both = faults.and(Faults { connections: 1, packets: 1 });
        assert!(both.to_string().starts_with("2 connections and 1 packet could not"), "{both}");
        assert!(Faults::default().is_none() && !both.is_none());
    }

    #[test]
    fn connections_are_counted_by_their_source() {
        let lost = LostConnections::default();
        let names: [Arc<str>; 2] = ["a.pcap".into(), "b.pcap".into()];
        lost.add(&names[0]);
        lost.add(&names[0]);
        lost.add(&names[1]);
        assert_eq!([lost.of("a.pcap"), lost.of("b.pcap"), lost.of("c.pcap")], [2, 1, 0]);
    }
}
