//! Merging: what several sources told, added up; what two readings of one source told, united.
//!
//! Two rules, both commutative and associative. Facts of *different* sources [add up](Merger::add).
//! Two states of the *same* source are [joined](Snapshot::join): the union of what they list, and of
//! counters the larger, because a source's counters only grow; a source joined with itself is
//! itself. Lists that are bounded by their smallest keys stay so: a key that is among the smallest
//! of all is among the smallest of every part that has it, so nothing depends on the order here
//! either.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::limits::Limits;
use crate::packet::Address;
use crate::record::Tally;
use crate::tls::hello::{Offer, OfferId};
use crate::x509::{Certificate, Fingerprint};

use super::offers::form;
use super::sorted::keep_smallest;
use super::{
    Coverage, Edge, Host, KnownAs, Latency, Server, ServerKey, Snapshot, SourceEntry, SourceKey,
    Stack,
};

/// How two counters of the same thing become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// They count different connections.
    Add,
    /// They count the same ones, one of them perhaps for longer.
    Join,
}

/// Adds up the snapshots of different sources.
#[derive(Debug)]
pub struct Merger {
    limits: Limits,
    rule: Rule,
    hosts: HashMap<Address, Host, RandomState>,
    servers: HashMap<Arc<ServerKey>, Server, RandomState>,
    offers: BTreeMap<OfferId, Arc<Offer>>,
    certificates: BTreeMap<Fingerprint, Arc<Certificate>>,
    known: BTreeMap<Address, KnownAs>,
    coverage: Coverage,
    latency: Latency,
    sources: BTreeMap<SourceKey, SourceEntry>,
}

impl Merger {
    /// Nothing yet; bounds on what a host, a stack or an edge may list are those of `limits`.
    pub fn new(limits: &Limits) -> Self {
        Self::by(Rule::Add, limits)
    }

    fn by(rule: Rule, limits: &Limits) -> Self {
        Self {
            limits: limits.clone(),
            rule,
            hosts: HashMap::default(),
            servers: HashMap::default(),
            offers: BTreeMap::new(),
            certificates: BTreeMap::new(),
            known: BTreeMap::new(),
            coverage: Coverage::default(),
            latency: Latency::default(),
            sources: BTreeMap::new(),
        }
    }

    /// Add the facts of further sources, none of which was added before.
    pub fn add(&mut self, part: Snapshot) {
        let (rule, limits) = (self.rule, &self.limits);
        for (ip, host) in part.hosts {
            match self.hosts.entry(ip) {
                std::collections::hash_map::Entry::Occupied(mut known) => {
                    known.get_mut().merge(host, rule, limits);
                }
                std::collections::hash_map::Entry::Vacant(place) => {
                    place.insert(host);
                }
            }
        }
        for (key, server) in part.servers {
            match self.servers.entry(key) {
                std::collections::hash_map::Entry::Occupied(mut known) => {
                    known.get_mut().merge(server, rule, limits);
                }
                std::collections::hash_map::Entry::Vacant(place) => {
                    place.insert(server);
                }
            }
        }
        for (id, offer) in part.offers {
            match self.offers.entry(id) {
                Entry::Occupied(mut known) if form(&offer) < form(known.get()) => {
                    known.insert(offer);
                }
                Entry::Occupied(_) => {}
                Entry::Vacant(place) => {
                    place.insert(offer);
                }
            }
        }
        for certificate in part.certificates.iter() {
            self.certificates
                .entry(certificate.fingerprint())
                .or_insert_with(|| Arc::clone(certificate));
        }
        for (address, known) in part.known {
            self.known.entry(address).or_default().merge(known, limits);
        }
        for source in part.sources {
            match self.sources.entry(source.identity()) {
                Entry::Occupied(mut known) => known.get_mut().join(source),
                Entry::Vacant(place) => {
                    place.insert(source);
                }
            }
        }
        match rule {
            Rule::Add => {
                self.coverage.add(&part.coverage);
                self.latency.add(&part.latency);
            }
            Rule::Join => {
                self.coverage.join(&part.coverage);
                self.latency.join(part.latency);
            }
        }
    }

    /// All that was added.
    pub fn finish(self) -> Snapshot {
        let mut hosts: Vec<_> = self.hosts.into_iter().collect();
        hosts.sort_unstable_by_key(|(ip, _)| *ip);
        let mut servers: Vec<_> = self.servers.into_iter().collect();
        servers.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
        let mut sources: Vec<_> = self.sources.into_values().collect();
        sources.sort_by_cached_key(|source| (source.key(), source.id.clone()));
        Snapshot {
            hosts,
            servers,
            offers: self.offers,
            certificates: self.certificates.into_iter().collect(),
            known: self.known,
            coverage: self.coverage,
            latency: self.latency,
            sources,
        }
    }
}

impl Snapshot {
    /// Two states of the same source, united.
    #[must_use]
    pub fn join(self, other: Self, limits: &Limits) -> Self {
        let mut merger = Merger::by(Rule::Join, limits);
        merger.add(self);
        merger.add(other);
        merger.finish()
    }
}

impl Rule {
    fn tally(self, known: &mut Tally, other: Tally) {
        match self {
            Self::Add => known.add(other),
            Self::Join => {
                let connections = known.connections.max(other.connections);
                known.add(other);
                known.connections = connections;
            }
        }
    }

    fn count(self, known: &mut u64, other: u64) {
        *known = match self {
            Self::Add => known.saturating_add(other),
            Self::Join => (*known).max(other),
        };
    }
}

impl Host {
    fn merge(&mut self, other: Self, rule: Rule, limits: &Limits) {
        rule.tally(&mut self.tally, other.tally);
        for mac in other.macs {
            keep_smallest(&mut self.macs, mac, limits.host_macs);
        }
        self.stacks.merge(other.stacks, limits.host_stacks, |known, stack| {
            known.merge(stack, rule, limits);
        });
    }
}

impl Stack {
    fn merge(&mut self, other: Self, rule: Rule, limits: &Limits) {
        rule.tally(&mut self.tally, other.tally);
        self.bins.merge(&other.bins, limits.stack_bins);
        self.edges.merge(other.edges, limits.stack_edges, |known, edge| {
            known.merge(edge, rule, limits);
        });
    }
}

impl Edge {
    fn merge(&mut self, other: Self, rule: Rule, limits: &Limits) {
        rule.tally(&mut self.tally, other.tally);
        rule.count(&mut self.failed, other.failed);
        for at in other.starts {
            keep_smallest(&mut self.starts, at, limits.edge_attempts);
        }
        for at in other.failures {
            keep_smallest(&mut self.failures, at, limits.edge_attempts);
        }
        self.evidence.merge(other.evidence, limits.edge_evidence, |known, tally| {
            rule.tally(known, tally);
        });
    }
}

impl Server {
    fn merge(&mut self, other: Self, rule: Rule, limits: &Limits) {
        rule.tally(&mut self.tally, other.tally);
        for mac in other.macs {
            keep_smallest(&mut self.macs, mac, limits.host_macs);
        }
        match rule {
            Rule::Add => self.latency.add(&other.latency),
            Rule::Join => self.latency.join(other.latency),
        }
    }
}
