//! Sweeping the tables of what peers make up: names, evidence, certificates and offers that no
//! listed edge speaks of any more make room for others.
//!
//! Without it one host that asks for a new name with every connection would fill the table of names
//! for all others, although only a bounded number of its edges is listed. A sweep looks at the whole
//! census, so it comes only after many refusals, and less and less often where it finds little.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use foldhash::fast::RandomState;

use crate::limits::Limits;
use crate::tls::hello::OfferId;
use crate::x509::Fingerprint;

use super::Census;

/// A sweep pays if it makes room for one in so many of what a table may hold.
const WORTH: usize = 16;

/// When it is time to sweep, and nobody else in the tables meanwhile.
#[derive(Debug)]
pub(super) struct Sweeper {
    /// Shared by whoever adds or copies facts: what was looked up is held by an edge, or by nobody,
    /// only when that is done.
    tables: RwLock<()>,
    /// Refusals since the last sweep, and how many the next one waits for.
    refused: AtomicUsize,
    wait: AtomicUsize,
    worth: usize,
}

impl Sweeper {
    pub(super) fn new(limits: &Limits) -> Self {
        let worth = (limits.census_values / WORTH).max(1);
        Self {
            tables: RwLock::default(),
            refused: AtomicUsize::new(0),
            wait: AtomicUsize::new(worth),
            worth,
        }
    }

    /// Keep the tables from being swept.
    pub(super) fn hold(&self) -> RwLockReadGuard<'_, ()> {
        self.tables.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something found no room: sweep if it is time. `sweep` returns how much it made room for.
    pub(super) fn refused(&self, sweep: impl FnOnce() -> usize) {
        let refused = self.refused.fetch_add(1, Ordering::Relaxed) + 1;
        if refused < self.wait.load(Ordering::Relaxed) {
            return;
        }
        let Ok(_alone) = self.tables.try_write() else { return };
        // Another thread may have swept while this one came here.
        if self.refused.load(Ordering::Relaxed) < self.wait.load(Ordering::Relaxed) {
            return;
        }
        let swept = sweep();
        let wait = if swept >= self.worth { self.worth } else { refused.saturating_mul(2) };
        self.wait.store(wait, Ordering::Relaxed);
        self.refused.store(0, Ordering::Relaxed);
    }
}

impl Census {
    /// Let go of what no listed edge speaks of; returns how many values that were.
    pub(super) fn sweep(&self) -> usize {
        let mut swept = self.names.sweep(&self.values) + self.evidence.sweep(&self.values);
        let mut offers: HashSet<OfferId, RandomState> = HashSet::default();
        let mut certificates: HashSet<Fingerprint, RandomState> = HashSet::default();
        for host in &self.hosts {
            offers.extend(host.value().value().stacks.iter().filter_map(|(key, _)| key.offer));
        }
        self.evidence.for_each(|evidence| {
            offers.extend(evidence.offer);
            certificates.extend(evidence.certificates.iter().chain(&evidence.client_certificates));
        });
        swept += self.offers.sweep(|id| offers.contains(id), &self.values);
        self.certificates.retain(|fingerprint, certificate| {
            let held = certificates.contains(fingerprint);
            if !held {
                swept += 1;
                self.values.refund(certificate.value().weight());
            }
            held
        });
        swept
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{Sample, modern};
    use super::*;
    use crate::census::Unlisted;
    use crate::naming::{NameSource, Said};

    fn names(census: &Census) -> usize {
        census.names.sweep(&census.values);
        let mut names = 0;
        census.names.for_each(|_| names += 1);
        names
    }

    #[test]
    fn one_host_that_makes_names_up_leaves_room_for_others() {
        let limits = Limits { census_values: 64, stack_edges: 8, ..Limits::default() };
        let census = Census::new(&limits);
        // Smaller and smaller names, so that each gives way to the next.
        for number in (0..5_000).rev() {
            let name = format!("{number:06}.example");
            census.add(&Sample::new(1, 1).offers(&modern()).asks_for(&name).0);
        }
        let refused = census.snapshot().unlisted().edges;
        for client in 2..=20 {
            for attempt in 0..10 {
                let name = format!("crm-{client}.example");
                let sample = Sample::new(client, 1).offers(&modern()).asks_for(&name);
                census.add(&sample.at(attempt).0);
            }
        }
        let snapshot = census.snapshot();
        let listed = |ip: usize| snapshot.hosts[ip].1.stacks.values().next().unwrap().edges.len();
        assert_eq!(listed(0), 8);
        assert!((1..20).all(|ip| listed(ip) == 1), "{:?}", snapshot.unlisted());
        assert!(names(&census) <= 64);
        assert!(snapshot.unlisted().edges < refused + 19 * 10, "{:?}", snapshot.unlisted());
        assert_eq!(snapshot.coverage.connections, 5_000 + 190);
    }

    #[test]
    fn what_is_spoken_of_is_never_swept() {
        let census = Census::new(&Limits { census_values: 8, ..Limits::default() });
        for number in 0..4_000 {
            let name = format!("{number}.example");
            census.add(&Sample::new(1, 1).offers(&modern()).asks_for(&name).0);
        }
        census.sweep();
        let snapshot = census.snapshot();
        let stack = snapshot.hosts[0].1.stacks.values().next().unwrap();
        assert_eq!((stack.edges.len(), snapshot.offers.len()), (8, 1));
        assert_eq!(snapshot.unlisted(), Unlisted { edges: 3_992, ..Unlisted::default() });
    }

    #[test]
    fn what_is_said_of_an_address_again_and_again_takes_room_once() {
        let limits = Limits {
            census_value_bytes: 4_096,
            named_addresses: 2,
            address_names: 4,
            ..Limits::default()
        };
        let census = Census::new(&limits);
        let say = |address: u8, name: String| {
            let address = crate::packet::Address::v4([10, 0, 0, address]);
            let said = Said::Name { address, name: name.into(), source: NameSource::Dns };
            census.name_address(said, crate::clock::Timestamp::default());
        };
        for _ in 0..1_000 {
            say(1, "crm.example".to_owned());
        }
        // Names that give way to others leave nothing behind, and are counted.
        for number in (0..1_000).rev() {
            say(2, format!("{number:04}.example"));
        }
        assert_eq!(census.snapshot().coverage.names_refused, 996);
        assert!(census.values.spend(3_000), "it has leaked away");
        say(3, "late.example".to_owned());
        let snapshot = census.snapshot();
        assert_eq!((snapshot.known.len(), snapshot.coverage.names_refused), (2, 997));
    }
}
