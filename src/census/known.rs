//! [`KnownAs`]: what an address is called on the wire, and whose MAC address it was leased to.

use crate::clock::Timestamp;
use crate::limits::Limits;
use crate::naming::{NameSource, Said};
use crate::packet::Mac;

use super::growing::Budget;
use super::{Sorted, Window};

/// What was said of an address, and when. Lists that are full keep their smallest items, so that the
/// order in which they were heard makes no difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownAs {
    /// Its names, each with who said so.
    pub names: Sorted<(Box<str>, NameSource), Hours>,
    /// The MAC addresses that it was leased to.
    pub leases: Sorted<Mac, Hours>,
}

/// The first and the last hour in which something was said, by their beginnings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    /// The first.
    pub first: Timestamp,
    /// The last.
    pub last: Timestamp,
}

impl Hours {
    /// At one time.
    pub fn at(at: Timestamp) -> Self {
        let hour = at.start_of_hour();
        Self { first: hour, last: hour }
    }

    fn add(&mut self, other: Self) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
    }
}

impl Default for KnownAs {
    fn default() -> Self {
        Self { names: Sorted::new(), leases: Sorted::new() }
    }
}

impl KnownAs {
    /// Add something; how much there was no room for.
    pub(super) fn add(&mut self, said: Said, hours: Hours, limits: &Limits) -> u64 {
        let mut refused = 0;
        let lost = |_| refused = 1;
        let known = match said {
            Said::Name { name, source, .. } => {
                self.names.admit((name, source), limits.address_names, || hours, lost)
            }
            Said::Lease { mac, .. } => self.leases.admit(mac, limits.host_macs, || hours, lost),
        };
        match known {
            Some(known) => known.add(hours),
            None => refused = 1,
        }
        refused
    }

    /// The same within a budget; how much there was no room for.
    pub(super) fn add_within(
        &mut self,
        budget: &Budget,
        said: Said,
        hours: Hours,
        limits: &Limits,
    ) -> u64 {
        let before = self.size();
        let bytes = said.size();
        if !budget.spend(bytes) {
            return 1;
        }
        let refused = self.add(said, hours, limits);
        // What had to give way, was not kept, or was known, takes no room.
        budget.refund(before.saturating_add(bytes).saturating_sub(self.size()));
        refused
    }

    /// Whether it was said before, in these hours.
    pub(super) fn has(&self, said: &Said, hours: Hours) -> bool {
        let known = match said {
            Said::Name { name, source, .. } => self.names.get(&(name.clone(), *source)),
            Said::Lease { mac, .. } => self.leases.get(mac),
        };
        known.is_some_and(|known| known.first <= hours.first && hours.last <= known.last)
    }

    /// Bytes of what is kept, as [`Said::size`] counts them.
    fn size(&self) -> usize {
        let names = self.names.iter().map(|((name, _), _)| size_of::<Said>() + name.len());
        names.sum::<usize>() + self.leases.len() * size_of::<Said>()
    }

    /// What another part of the census knows of the same address.
    pub(super) fn merge(&mut self, other: Self, limits: &Limits) {
        self.names.merge(other.names, limits.address_names, Hours::add);
        self.leases.merge(other.leases, limits.host_macs, Hours::add);
    }

    /// Leave out what was not said within a window; whether anything is left.
    pub(super) fn cut(&mut self, window: Window) -> bool {
        let within = |hours: &Hours| window.meets_hours(hours.first, hours.last);
        self.names.retain(|_, hours| within(hours));
        self.leases.retain(|_, hours| within(hours));
        !self.names.is_empty() || !self.leases.is_empty()
    }
}
