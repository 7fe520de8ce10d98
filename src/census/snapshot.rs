//! [`Snapshot`]: the census at one moment, sorted.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::limits::Limits;
use crate::packet::Address;
use crate::tls::hello::{Offer, OfferId};
use crate::x509::{Certificate, Fingerprint};

use super::{Bins, Coverage, Host, KnownAs, Latency, Server, ServerKey, SourceEntry};

/// All facts, sorted: what reports, comparisons and stores are functions of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// The client hosts by address.
    pub hosts: Vec<(Address, Host)>,
    /// The servers.
    pub servers: Vec<(Arc<ServerKey>, Server)>,
    /// The offers by identity.
    pub offers: BTreeMap<OfferId, Arc<Offer>>,
    /// The certificates, of servers and of clients.
    pub certificates: Certificates,
    /// What addresses are called on the wire.
    pub known: BTreeMap<Address, KnownAs>,
    /// How many connections were seen, and what was missing of them.
    pub coverage: Coverage,
    /// How long handshakes took, over all servers.
    pub latency: Latency,
    /// What was read, sorted by sensor, kind and name.
    pub sources: Vec<SourceEntry>,
}

impl Snapshot {
    /// One that lists these, in order.
    pub(super) fn listing(
        mut hosts: Vec<(Address, Host)>,
        mut servers: Vec<(Arc<ServerKey>, Server)>,
    ) -> Self {
        hosts.sort_unstable_by_key(|(ip, _)| *ip);
        servers.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
        Self { hosts, servers, ..Self::default() }
    }

    /// Times of the first and the last connection.
    pub fn span(&self) -> Option<(Timestamp, Timestamp)> {
        let tallies = || self.hosts.iter().map(|(_, host)| host.tally);
        let first = tallies().map(|tally| tally.first).min()?;
        let last = tallies().map(|tally| tally.last).max()?;
        Some((first, last))
    }

    /// How many lists are full.
    pub fn full_lists(&self, limits: &Limits) -> FullLists {
        let mut full = FullLists::default();
        let count = |counter: &mut u64, len: usize, most: usize| {
            *counter += u64::from(len > 0 && len >= most);
        };
        for (_, host) in &self.hosts {
            count(&mut full.macs, host.macs.len(), limits.host_macs);
            for stack in host.stacks.values() {
                if let Bins::Days(days) = &stack.bins {
                    count(&mut full.bins, days.len(), limits.stack_bins);
                }
                for edge in stack.edges.values() {
                    count(&mut full.attempts, edge.starts.len(), limits.edge_attempts);
                }
            }
        }
        for (_, server) in &self.servers {
            count(&mut full.macs, server.macs.len(), limits.host_macs);
        }
        for known in self.known.values() {
            count(&mut full.macs, known.leases.len(), limits.host_macs);
            count(&mut full.names, known.names.len(), limits.address_names);
        }
        full
    }

    /// How many connections bounds kept from being listed, level by level.
    pub fn unlisted(&self) -> Unlisted {
        let mut kept = Unlisted::default();
        for (_, host) in &self.hosts {
            kept.hosts += host.tally.connections;
            for stack in host.stacks.values() {
                kept.stacks += stack.tally.connections;
                for edge in stack.edges.values() {
                    kept.edges += edge.tally.connections;
                    kept.evidence +=
                        edge.evidence.values().map(|tally| tally.connections).sum::<u64>();
                }
            }
        }
        Unlisted {
            hosts: self.coverage.connections.saturating_sub(kept.hosts),
            stacks: kept.hosts.saturating_sub(kept.stacks),
            edges: kept.stacks.saturating_sub(kept.edges),
            evidence: kept.edges.saturating_sub(kept.evidence),
        }
    }
}

/// Lists that are as long as a bound lets them be: there may have been more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FullLists {
    /// MAC addresses of a host, a server or an address.
    pub macs: u64,
    /// Names of an address.
    pub names: u64,
    /// Days of a client stack.
    pub bins: u64,
    /// Attempts of a client stack at a server, one by one.
    pub attempts: u64,
}

impl FullLists {
    /// The counters by name.
    pub const fn counters(&self) -> [(&'static str, u64); 4] {
        let Self { macs, names, bins, attempts } = *self;
        [("macs", macs), ("names", names), ("bins", bins), ("attempts", attempts)]
    }
}

/// Connections that are counted, but for which a bound left no room further down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unlisted {
    /// Their host is not listed.
    pub hosts: u64,
    /// Their host is listed, their stack is not.
    pub stacks: u64,
    /// Their stack is listed, their edge is not.
    pub edges: u64,
    /// Their edge is listed, what they prove is not.
    pub evidence: u64,
}

/// Certificates by fingerprint.
#[derive(Clone, Debug, Default)]
pub struct Certificates(BTreeMap<Fingerprint, Arc<Certificate>>);

impl Certificates {
    /// The certificate of a fingerprint.
    pub fn get(&self, fingerprint: &Fingerprint) -> Option<&Arc<Certificate>> {
        self.0.get(fingerprint)
    }

    /// All of them, in the order of their fingerprints.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<Certificate>> {
        self.0.values()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(Fingerprint, Arc<Certificate>)> for Certificates {
    fn from_iter<I: IntoIterator<Item = (Fingerprint, Arc<Certificate>)>>(entries: I) -> Self {
        Self(entries.into_iter().collect())
    }
}

/// Certificates with the same fingerprint are the same.
impl PartialEq for Certificates {
    fn eq(&self, other: &Self) -> bool {
        self.0.keys().eq(other.0.keys())
    }
}
