//! [`KnownAs`]: what an address is called on the wire, and whose MAC address it was leased to.

use crate::clock::Timestamp;
use crate::limits::Limits;
use crate::naming::{NameSource, Said};
use crate::packet::Mac;

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
