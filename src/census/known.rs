//! [`KnownAs`]: what an address is called on the wire, and whose MAC address it was leased to.

use crate::limits::Limits;
use crate::naming::{NameSource, Said};
use crate::packet::Mac;

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
    pub(super) fn add(&mut self, said: Said, limits: &Limits) {
        match said {
            Said::Name { name, source, .. } => {
                keep_smallest(&mut self.names, (name, source), limits.address_names);
            }
            Said::Lease { mac, .. } => keep_smallest(&mut self.leases, mac, limits.host_macs),
        }
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
