//! The census: facts of all connections added up, host by host.
//!
//! In go [`FlowRecord`]s, from any number of threads, once per finished handshake; out comes a
//! [`Snapshot`]: sorted, immutable, the same whatever the order of the records. It holds facts only
//! and knows no policy: any policy may judge it, at any later time.
//!
//! ```text
//!            add(&FlowRecord)                                   snapshot()
//! worker ─┐                   ┌─ offers, certificates, names ─┐  (kept once, shared)
//! worker ─┼──▶ look up, then ─┼─ servers                      ├──▶ Snapshot ──▶ report, diff, store
//! worker ─┘    one host's lock└─ hosts ▶ stacks ▶ edges       ┘
//! ```
//!
//! Everything that peers can grow is bounded by [`Limits`]. What a host, a stack or an edge may list
//! is bounded by its smallest keys, which depend on no order either; only beyond the bounds of the
//! whole census (a million hosts) what comes first stays. Nothing refused goes uncounted: every
//! level has its own tally, so what is missing below it is the difference of the sums.

mod bins;
mod coverage;
pub mod estimate;
mod host;
mod intern;
mod known;
mod latency;
pub mod merge;
mod offers;
mod server;
mod snapshot;
mod sorted;
pub mod store;
mod window;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use dashmap::DashMap;
use foldhash::fast::RandomState;

use crate::clock::Timestamp;
use crate::limits::Limits;
use crate::naming::Said;
use crate::packet::Address;
use crate::record::{Evidence, FlowRecord, Tally};
use crate::x509::{Certificate, Fingerprint};

use coverage::Counters;
use host::Sighting;
use intern::Interner;
use offers::Offers;
use sorted::keep_smallest;

pub use bins::Bins;
pub use coverage::{Coverage, Lost, SourceEntry, SourceKey, SourceKind};
pub use host::{Edge, EdgeKey, Host, Stack, StackKey};
pub use known::KnownAs;
pub use latency::Latency;
pub use merge::Merger;
pub use server::{Server, ServerKey};
pub use snapshot::{Certificates, Snapshot, Unlisted};
pub use sorted::Sorted;
pub use store::Store;
pub use window::Window;

type Sources = BTreeMap<(Arc<str>, SourceKind, Arc<str>), SourceEntry>;

/// The inventory while it grows; shared by all workers.
#[derive(Debug)]
pub struct Census {
    limits: Limits,
    hosts: DashMap<Address, Host, RandomState>,
    servers: DashMap<Arc<ServerKey>, Server, RandomState>,
    offers: Offers,
    certificates: DashMap<Fingerprint, Arc<Certificate>, RandomState>,
    evidence: Interner<Evidence>,
    names: Interner<str>,
    /// How many hosts, servers and edges there are: counting the tables themselves is slow.
    host_count: AtomicUsize,
    server_count: AtomicUsize,
    edge_count: AtomicUsize,
    counters: Counters,
    sources: Mutex<Sources>,
    known: Mutex<BTreeMap<Address, KnownAs>>,
    latency: Mutex<Latency>,
}

impl Census {
    /// An empty census.
    pub fn new(limits: &Limits) -> Self {
        Self {
            limits: limits.clone(),
            hosts: DashMap::default(),
            servers: DashMap::default(),
            offers: Offers::new(limits.census_values),
            certificates: DashMap::default(),
            evidence: Interner::new(limits.census_values),
            names: Interner::new(limits.census_values),
            host_count: AtomicUsize::new(0),
            server_count: AtomicUsize::new(0),
            edge_count: AtomicUsize::new(0),
            counters: Counters::default(),
            sources: Mutex::default(),
            known: Mutex::default(),
            latency: Mutex::default(),
        }
    }

    /// Add a connection whose handshake is over or was given up.
    pub fn add(&self, record: &FlowRecord) {
        self.counters.count(record);
        if let Some(hello) = &record.client_hello {
            self.offers.add(&hello.offer);
        }
        for certificate in record.certificates.iter().chain(&record.client_certificates) {
            self.certify(certificate);
        }
        // Every table is left before the host's lock is taken: no two locks are ever held at once.
        let seen = Sighting {
            record,
            evidence: self.evidence.share(record.evidence()),
            server: self.serve(record),
            sni: record.sni().map(|name| self.name(name)),
        };
        self.visit(record.client.ip, seen);
    }

    /// Add what was said of an address. Of more addresses than there is room for the first stay.
    pub fn name_address(&self, said: Said) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let address = said.address();
        if known.len() < self.limits.named_addresses || known.contains_key(&address) {
            known.entry(address).or_default().add(said, &self.limits);
        }
    }

    /// Add a source, or replace what was said of it before.
    pub fn source(&self, entry: SourceEntry) {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        sources.insert(entry.key(), entry);
    }

    /// The facts as they are now.
    ///
    /// A census that is still growing is copied host by host: each host is whole in itself.
    pub fn snapshot(&self) -> Snapshot {
        let hosts = self.hosts.iter().map(|entry| (*entry.key(), entry.value().clone()));
        let servers =
            self.servers.iter().map(|entry| (Arc::clone(entry.key()), entry.value().clone()));
        self.sorted(hosts.collect(), servers.collect())
    }

    /// The facts of a census that grows no more, without a copy of them.
    pub fn into_snapshot(mut self) -> Snapshot {
        let hosts = std::mem::take(&mut self.hosts).into_iter().collect();
        let servers = std::mem::take(&mut self.servers).into_iter().collect();
        self.sorted(hosts, servers)
    }

    fn sorted(
        &self,
        mut hosts: Vec<(Address, Host)>,
        mut servers: Vec<(Arc<ServerKey>, Server)>,
    ) -> Snapshot {
        hosts.sort_unstable_by_key(|(ip, _)| *ip);
        servers.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
        Snapshot {
            hosts,
            servers,
            offers: self.offers.sorted(),
            certificates: self
                .certificates
                .iter()
                .map(|entry| (*entry.key(), Arc::clone(entry.value())))
                .collect(),
            known: self.known.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            coverage: self.counters.read(),
            latency: self.latency.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            sources: self
                .sources
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .values()
                .cloned()
                .collect(),
        }
    }

    /// Add the connection to its client's host.
    fn visit(&self, ip: Address, seen: Sighting<'_>) {
        let at = seen.record.ts;
        let room = self.edge_count.load(Ordering::Relaxed) < self.limits.census_edges;
        let grown = if let Some(mut host) = self.hosts.get_mut(&ip) {
            host.add(seen, &self.limits, room)
        } else if self.host_count.load(Ordering::Relaxed) < self.limits.census_hosts {
            let mut host = self.hosts.entry(ip).or_insert_with(|| {
                self.host_count.fetch_add(1, Ordering::Relaxed);
                Host::new(at)
            });
            host.add(seen, &self.limits, room)
        } else {
            0
        };
        if grown > 0 {
            self.edge_count.fetch_add(grown.unsigned_abs(), Ordering::Relaxed);
        } else if grown < 0 {
            self.edge_count.fetch_sub(grown.unsigned_abs(), Ordering::Relaxed);
        }
    }

    /// Count the connection for its server, whose shared key is returned; `None` if there is no
    /// room for another server.
    fn serve(&self, record: &FlowRecord) -> Option<Arc<ServerKey>> {
        if let Some(time) = record.handshake_time {
            self.latency.lock().unwrap_or_else(PoisonError::into_inner).record(time);
        }
        let key = ServerKey::of(record);
        if let Some(mut entry) = self.servers.get_mut(&key) {
            entry.add(record, &self.limits);
            return Some(Arc::clone(entry.key()));
        }
        if self.server_count.load(Ordering::Relaxed) >= self.limits.census_servers {
            return None;
        }
        let mut entry = self.servers.entry(Arc::new(key)).or_insert_with(|| {
            self.server_count.fetch_add(1, Ordering::Relaxed);
            Server::new(record.ts)
        });
        entry.add(record, &self.limits);
        Some(Arc::clone(entry.key()))
    }

    /// Keep a certificate.
    fn certify(&self, certificate: &Arc<Certificate>) {
        let fingerprint = certificate.fingerprint();
        if !self.certificates.contains_key(&fingerprint)
            && self.certificates.len() < self.limits.census_values
        {
            self.certificates.insert(fingerprint, Arc::clone(certificate));
        }
    }

    /// The shared form of a host name: names are compared without regard to case (RFC 6066 §3).
    fn name(&self, name: &str) -> Arc<str> {
        if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            self.names.share(name.to_ascii_lowercase().as_str())
        } else {
            self.names.share(name)
        }
    }
}

impl Server {
    const fn new(at: Timestamp) -> Self {
        Self {
            macs: Vec::new(),
            tally: Tally { connections: 0, first: at, last: at },
            latency: Latency::Few(Vec::new()),
        }
    }

    fn add(&mut self, record: &FlowRecord, limits: &Limits) {
        self.tally.add(Tally::once(record.ts));
        if let Some(mac) = record.server.mac {
            keep_smallest(&mut self.macs, mac, limits.host_macs);
        }
        if let Some(time) = record.handshake_time {
            self.latency.record(time);
        }
    }
}

#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;
