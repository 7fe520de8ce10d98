//! [`KnownAs`]: what an address is called on the wire, and whose MAC address it was leased to.

use crate::limits::Limits;
use crate::naming::{NameSource, Said};
use crate::packet::Mac;

use super::growing::Budget;
use super::sorted::keep_smallest;

/// What was said of an address. Lists that are full keep their smallest items, so that the order
/// in which they were heard makes no difference.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownAs {
    /// Its names, each with who said so.
    pub names: Vec<(Box<str>, NameSource)>,
    /// The MAC addresses that it was leased to.
    pub leases: Vec<Mac>,
}

impl KnownAs {
    /// Add what was said.
    pub(super) fn add(&mut self, said: Said, limits: &Limits) {
        match said {
            Said::Name { name, source, .. } => {
                keep_smallest(&mut self.names, (name, source), limits.address_names);
            }
            Said::Lease { mac, .. } => keep_smallest(&mut self.leases, mac, limits.host_macs),
        }
    }

    /// The same within a budget; false if there is no room for it.
    pub(super) fn add_within(&mut self, budget: &Budget, said: Said, limits: &Limits) -> bool {
        let before = self.size();
        let bytes = said.size();
        if !budget.spend(bytes) {
            return false;
        }
        self.add(said, limits);
        // What had to give way, or was not kept, takes no room.
        budget.refund(before.saturating_add(bytes).saturating_sub(self.size()));
        true
    }

    /// Whether it was said before.
    pub(super) fn has(&self, said: &Said) -> bool {
        match said {
            Said::Name { name, source, .. } => {
                self.names.iter().any(|(known, by)| known == name && by == source)
            }
            Said::Lease { mac, .. } => self.leases.contains(mac),
        }
    }

    /// Bytes of what is kept, as [`Said::size`] counts them.
    fn size(&self) -> usize {
        let names: usize = self.names.iter().map(|(name, _)| size_of::<Said>() + name.len()).sum();
        names + self.leases.len() * size_of::<Said>()
    }

    /// What another part of the census knows of the same address.
    pub(super) fn merge(&mut self, other: Self, limits: &Limits) {
        for name in other.names {
            keep_smallest(&mut self.names, name, limits.address_names);
        }
        for mac in other.leases {
            keep_smallest(&mut self.leases, mac, limits.host_macs);
        }
    }
}
