//! [`Snapshot::between`]: only what was seen in a span of time, as far as the facts tell.
//!
//! A census keeps of each thing how often it was seen, first and last, not every time. What lies
//! wholly outside of the span is left out and its connections are taken off every count above it;
//! what was seen before or after it *and* may have been seen within stays whole. A stack is within
//! only if one of its hours (or days) is. Finer spans come from finer sources: a census that is fed
//! day by day is cut at days exactly.

use std::collections::HashMap;
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::record::{Evidence, Outcome, Tally};
use crate::tls::Transport;
use crate::tls::codepoint::ProtocolVersion;

use super::{Bins, Coverage, Edge, Host, Latency, ServerKey, Snapshot, Stack};

/// Nanoseconds of an hour.
const HOUR: u64 = 3_600_000_000_000;

/// From `since` on, until before `until`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// The first moment.
    pub since: Option<Timestamp>,
    /// The first moment no more.
    pub until: Option<Timestamp>,
}

impl Window {
    /// Whether nothing is outside.
    pub const fn is_all(self) -> bool {
        self.since.is_none() && self.until.is_none()
    }

    /// Whether a moment is within.
    fn holds(self, at: Timestamp) -> bool {
        self.meets(at, at)
    }

    /// Whether a part of this span, its ends included, is within.
    fn meets(self, first: Timestamp, last: Timestamp) -> bool {
        self.since.is_none_or(|since| last >= since) && self.until.is_none_or(|until| first < until)
    }

    /// Whether a part of these hours, given by their beginnings, is within.
    pub fn meets_hours(self, first: Timestamp, last: Timestamp) -> bool {
        self.meets(first, Timestamp::from_nanos(last.as_nanos().saturating_add(HOUR - 1)))
    }

    fn meets_bin(self, bin: u32, hours: u64) -> bool {
        let first = u64::from(bin).saturating_mul(HOUR).saturating_mul(hours);
        let last = first.saturating_add(HOUR.saturating_mul(hours) - 1);
        self.meets(Timestamp::from_nanos(first), Timestamp::from_nanos(last))
    }
}

impl Snapshot {
    /// The part of it that was seen within a window.
    #[must_use]
    pub fn between(mut self, window: Window) -> Self {
        if window.is_all() {
            return self;
        }
        let mut taken = Taken::default();
        self.hosts.retain_mut(|(_, host)| host.cut(window, &mut taken));
        self.servers.retain_mut(|(key, server)| {
            let Some((connections, kept)) = taken.of_server.get(key) else {
                return window.meets(server.tally.first, server.tally.last);
            };
            server.tally.connections = server.tally.connections.saturating_sub(*connections);
            if let Some(kept) = kept {
                (server.tally.first, server.tally.last) = (kept.first, kept.last);
            }
            server.tally.connections > 0
        });
        self.known.retain(|_, known| known.cut(window));
        self.coverage.take_off(&taken.coverage);
        if self.coverage.connections == 0 {
            self.latency = Latency::default();
        }
        self.sources.retain(|source| match (source.first, source.last) {
            (Some(first), Some(last)) => window.meets(first, last),
            // Nothing was read of it: it is no less a part of the watch.
            _ => true,
        });
        self
    }
}

/// What was left out.
#[derive(Debug, Default)]
struct Taken {
    coverage: Coverage,
    /// Of each server how many connections, and what is left.
    of_server: HashMap<Arc<ServerKey>, (u64, Option<Tally>)>,
}

impl Taken {
    fn evidence(&mut self, server: &Arc<ServerKey>, evidence: &Evidence, tally: Tally) {
        let count = tally.connections;
        let coverage = &mut self.coverage;
        let outcome = match evidence.outcome {
            Outcome::Established => &mut coverage.established,
            Outcome::Refused => &mut coverage.refused,
            Outcome::Reset => &mut coverage.reset,
            Outcome::Incomplete => &mut coverage.incomplete,
        };
        *outcome = outcome.saturating_add(count);
        for (counter, holds) in [
            (&mut coverage.without_client_hello, evidence.offer.is_none()),
            (&mut coverage.resumed, evidence.resumed),
            (
                &mut coverage.encrypted_certificates,
                !evidence.resumed && evidence.version.is_some_and(ProtocolVersion::is_tls13),
            ),
            (&mut coverage.quic, evidence.transport == Transport::Quic),
        ] {
            if holds {
                *counter = counter.saturating_add(count);
            }
        }
        let (taken, _) = self.of_server.entry(Arc::clone(server)).or_default();
        *taken = taken.saturating_add(count);
    }

    fn keep(&mut self, server: &Arc<ServerKey>, tally: Tally) {
        let (_, kept) = self.of_server.entry(Arc::clone(server)).or_default();
        match kept {
            Some(kept) => kept.add(tally),
            None => *kept = Some(tally),
        }
    }
}

impl Host {
    /// Leave out what is outside; whether anything is left.
    fn cut(&mut self, window: Window, taken: &mut Taken) -> bool {
        let mut off = 0_u64;
        self.stacks.retain(|_, stack| {
            let before = stack.tally.connections;
            let left = stack.cut(window, taken);
            let after = if left { stack.tally.connections } else { 0 };
            off = off.saturating_add(before.saturating_sub(after));
            left
        });
        let whole = self.tally.connections;
        let left = shrink(&mut self.tally, off, self.stacks.values().map(|stack| stack.tally))
            && window.meets(self.tally.first, self.tally.last);
        let off = if left { off } else { whole };
        taken.coverage.connections = taken.coverage.connections.saturating_add(off);
        left
    }
}

impl Stack {
    fn cut(&mut self, window: Window, taken: &mut Taken) -> bool {
        let within = match &mut self.bins {
            Bins::Hours(hours) => {
                hours.retain(|hour| window.meets_bin(*hour, 1));
                !hours.is_empty()
            }
            Bins::Days(days) => {
                days.retain(|day| window.meets_bin(*day, 24));
                // Beyond the bound on days only first and last are known.
                !days.is_empty() || window.meets(self.tally.first, self.tally.last)
            }
        };
        let outside = !within || !window.meets(self.tally.first, self.tally.last);
        let mut off = 0_u64;
        self.edges.retain(|key, edge| {
            let before = edge.tally.connections;
            let left = edge.cut(window, outside, &key.server, taken);
            let after = if left { edge.tally.connections } else { 0 };
            off = off.saturating_add(before.saturating_sub(after));
            left
        });
        !outside && shrink(&mut self.tally, off, self.edges.values().map(|edge| edge.tally))
    }
}

impl Edge {
    fn cut(
        &mut self,
        window: Window,
        outside: bool,
        server: &Arc<ServerKey>,
        taken: &mut Taken,
    ) -> bool {
        let mut off = 0_u64;
        self.evidence.retain(|evidence, tally| {
            let left = !outside && window.meets(tally.first, tally.last);
            if !left {
                off = off.saturating_add(tally.connections);
                taken.evidence(server, evidence, *tally);
            }
            left
        });
        self.starts.retain(|at| window.holds(*at));
        let failures = self.failures.len();
        self.failures.retain(|at| window.holds(*at));
        self.failed = self.failed.saturating_sub((failures - self.failures.len()) as u64);
        let left = !outside
            && window.meets(self.tally.first, self.tally.last)
            && shrink(&mut self.tally, off, self.evidence.values().copied());
        if left {
            taken.keep(server, self.tally);
        }
        left
    }
}

/// Take connections off a tally; what is left was seen when its parts were.
fn shrink(tally: &mut Tally, off: u64, parts: impl Iterator<Item = Tally>) -> bool {
    if off == 0 {
        return true;
    }
    tally.connections = tally.connections.saturating_sub(off);
    let whole = parts.reduce(|mut sum, part| {
        sum.add(part);
        sum
    });
    if let Some(whole) = whole {
        (tally.first, tally.last) = (whole.first, whole.last);
    }
    tally.connections > 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::census::Census;
    use crate::census::sample::{START, Sample, legacy, modern};
    use crate::limits::Limits;
    use crate::naming::{NameSource, Said};
    use crate::packet::{Address, Mac};
    use crate::record::FlowRecord;
    use crate::tls::codepoint::AlertDescription;

    const DAY: u64 = 86_400_000;

    /// A name is left out with the hours in which it was said, and so is a lease.
    #[test]
    fn names_are_known_in_the_hours_in_which_they_were_said() {
        let census = Census::new(&Limits::default());
        let of = |name: &str| Said::Name {
            address: Address::v4([10, 0, 0, 1]),
            name: name.into(),
            source: NameSource::Mdns,
        };
        let at = |hours: u64| Timestamp::new(START / 86_400 * 86_400 + hours * 3_600 + 90, 7);
        for (name, hours) in [("old", 1), ("both", 2), ("both", 30), ("new", 31)] {
            census.name_address(of(name), at(hours));
        }
        let lease =
            Said::Lease { address: Address::v4([10, 0, 0, 2]), mac: Mac([2, 0, 0, 0, 0, 1]) };
        census.name_address(lease, at(1));
        let snapshot = census.snapshot();
        let known = |window| -> Vec<String> {
            let cut = snapshot.clone().between(window);
            let names = cut.known.values().flat_map(|known| known.names.iter());
            let names: Vec<_> = names.map(|((name, _), _)| name.to_string()).collect();
            assert_eq!(
                cut.known.len() - usize::from(!names.is_empty()),
                usize::from(names.contains(&"old".to_owned()))
            );
            names
        };
        assert_eq!(known(days(0, 1)), ["both", "old"]);
        assert_eq!(known(days(1, 2)), ["both", "new"]);
        assert!(known(days(3, 4)).is_empty());
        // Within the hour: it may have been then.
        let until = Window { since: None, until: Some(at(1)) };
        assert_eq!(known(until), ["old"]);
    }

    fn census(records: &[FlowRecord]) -> Snapshot {
        let census = Census::new(&Limits::default());
        for record in records {
            census.add(record);
        }
        census.snapshot()
    }

    fn days(since: u64, until: u64) -> Window {
        let midnight = START / 86_400 * 86_400;
        let at = |day: u64| Some(Timestamp::new(midnight + day * 86_400, 0));
        Window { since: at(since), until: at(until) }
    }

    /// Things that were seen on one day each: a window of a day is the census of that day.
    #[test]
    fn what_keeps_to_its_day_is_cut_exactly() {
        let day = |day: u64, host: u8| {
            let old = || Sample::new(host, 7).offers(&legacy());
            let tls13 = |ms| {
                let sample = Sample::new(host, 7).offers(&modern()).at(day * DAY + ms);
                sample.chooses(ProtocolVersion::TLS1_3, 0x1301)
            };
            vec![
                Sample::new(host, 7).offers(&modern()).at(day * DAY).0,
                old().at(day * DAY + 9_000).chooses(ProtocolVersion::TLS1_0, 0x002f).0,
                old().at(day * DAY + 5).refused(AlertDescription::PROTOCOL_VERSION).0,
                Sample::new(host, 8).at(day * DAY + 70_000).0,
                tls13(71_000).0,
                tls13(72_000).with(|record| record.resumed = true).0,
            ]
        };
        let all: Vec<_> = (0..4).flat_map(|at| day(at, u8::try_from(at).unwrap() + 1)).collect();
        let whole = census(&all);
        assert_eq!(whole.clone().between(Window::default()), whole);
        assert_eq!(whole.clone().between(days(0, 4)), whole);
        let cut = whole.clone().between(days(2, 3));
        let alone = census(&day(2, 3));
        assert_eq!(cut.hosts, alone.hosts);
        assert_eq!(cut.coverage, alone.coverage);
        let tallies = |snapshot: &Snapshot| -> Vec<_> {
            snapshot.servers.iter().map(|(key, server)| (Arc::clone(key), server.tally)).collect()
        };
        assert_eq!(tallies(&cut), tallies(&alone));
        let nothing = whole.between(days(7, 9));
        assert!(nothing.hosts.is_empty() && nothing.servers.is_empty());
        assert_eq!(nothing.coverage, Coverage::default());
    }

    #[test]
    fn what_was_seen_within_and_outside_stays_whole() {
        let seen = |day: u64| Sample::new(1, 7).offers(&modern()).at(day * DAY).0;
        let whole = census(&[seen(0), seen(3)]);
        // By first and last it may have been there; its hours say that it was not.
        assert!(whole.clone().between(days(1, 3)).hosts.is_empty());
        let cut = whole.clone().between(days(3, 4));
        assert_eq!(cut.hosts[0].1.tally, whole.hosts[0].1.tally);
        assert_eq!(cut.unlisted(), crate::census::Unlisted::default());
    }
}
