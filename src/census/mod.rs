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
//! whole census (a million hosts, half a gigabyte of what peers make up) what comes first stays. Of
//! what peers make up, what no listed edge speaks of any more is swept out where a table is full.
//! Nothing refused goes uncounted: every level has its own tally, so what is missing below it is
//! the difference of the sums.

mod bins;
mod coverage;
pub mod estimate;
mod growing;
mod host;
mod intern;
mod known;
mod latency;
pub mod merge;
mod notes;
mod offers;
mod server;
mod snapshot;
mod sorted;
pub mod store;
mod sweep;
mod window;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dashmap::DashMap;
use foldhash::fast::RandomState;

use crate::clock::Timestamp;
use crate::limits::Limits;
use crate::naming::{Heard, Said};
use crate::packet::Address;
use crate::record::{Alert, Evidence, FlowRecord};
use crate::x509::{Certificate, Fingerprint};

use coverage::Counters;
use growing::{Budget, Growing, Lists};
use host::Sighting;
use intern::Interner;
use offers::Offers;
use sweep::Sweeper;

pub use bins::{BinList, Bins};
pub use coverage::{Coverage, Lost, SourceEntry, SourceKey, SourceKind};
pub use host::{Edge, EdgeKey, Host, Macs, Moments, Stack, StackKey};
pub use known::{Hours, KnownAs};
pub use latency::Latency;
pub use merge::Merger;
pub use notes::Notes;
pub use server::{Server, ServerKey};
pub use snapshot::{Certificates, FullLists, Snapshot, Unlisted};
pub use sorted::Sorted;
pub use store::Store;
pub use window::Window;

/// A hash table that grows has about as many free places as taken ones.
const PLACE: usize = 2;

type Sources = BTreeMap<(Arc<str>, SourceKind, Arc<str>), SourceEntry>;

/// The inventory while it grows; shared by all workers.
#[derive(Debug)]
pub struct Census {
    limits: Limits,
    hosts: DashMap<Address, Growing<Host>, RandomState>,
    servers: DashMap<Arc<ServerKey>, Growing<Server>, RandomState>,
    offers: Offers,
    certificates: DashMap<Fingerprint, Growing<Arc<Certificate>>, RandomState>,
    evidence: Interner<Evidence>,
    names: Interner<str>,
    /// Bytes that offers, certificates, names and evidence may still take.
    values: Budget,
    sweeper: Sweeper,
    /// How many hosts and servers there are: counting the tables themselves is slow.
    host_count: AtomicUsize,
    server_count: AtomicUsize,
    lists: Lists,
    counters: Counters,
    sources: Mutex<Sources>,
    known: Mutex<BTreeMap<Address, Growing<KnownAs>>>,
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
            values: Budget::new(limits.census_value_bytes),
            sweeper: Sweeper::new(limits),
            host_count: AtomicUsize::new(0),
            server_count: AtomicUsize::new(0),
            lists: Lists::new(limits),
            counters: Counters::default(),
            sources: Mutex::default(),
            known: Mutex::default(),
            latency: Mutex::default(),
        }
    }

    /// Its bounds.
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Add a connection whose handshake is over or was given up.
    pub fn add(&self, record: &FlowRecord) {
        if self.insert(record) {
            self.sweeper.refused(|| self.sweep());
        }
    }

    /// Add it; whether a table of what peers make up had no room for a part of it.
    fn insert(&self, record: &FlowRecord) -> bool {
        let _use = self.sweeper.hold();
        // Every table is left before the host's lock is taken: no two locks are ever held at once.
        let offered = record
            .client_hello
            .as_ref()
            .is_none_or(|hello| self.offers.add(&hello.offer, &self.values));
        let mut certificates = record.certificates.iter().chain(&record.client_certificates);
        let certified = certificates.all(|certificate| self.certify(certificate));
        let server = self.serve(record);
        let name = record.sni().map(|name| self.name(name));
        let evidence = if certified { self.prove(record) } else { None };
        let refused = !offered || evidence.is_none() || name == Some(None);
        let seen = Sighting {
            record,
            evidence,
            offered,
            edge: match name {
                None => server.map(|server| EdgeKey { server, sni: None }),
                Some(sni) => {
                    server.zip(sni).map(|(server, sni)| EdgeKey { server, sni: Some(sni) })
                }
            },
        };
        self.visit(record.client.ip, seen);
        // Last, so that nothing is counted that is not there yet: see `snapshot`.
        self.counters.count(record);
        refused
    }

    /// Count a connection of which nothing can be read but that a handshake began.
    pub fn fail_to_read(&self) {
        self.counters.fail_to_read();
    }

    /// Add what was heard of an address.
    pub fn hear(&self, heard: Heard) {
        self.name_address(heard.said, heard.at);
    }

    /// Add what was said of an address. Of more than there is room for the first stays.
    pub fn name_address(&self, said: Said, at: Timestamp) {
        let mut known = self.known();
        let address = said.address();
        let hours = Hours::at(at);
        let room = known.len() < self.limits.named_addresses;
        let refused = match known.get_mut(&address) {
            Some(known) if known.value().has(&said, hours) => 0,
            Some(known) => known.change().add_within(&self.values, said, hours, &self.limits),
            None if room => {
                let mut fresh = KnownAs::default();
                let refused = fresh.add_within(&self.values, said, hours, &self.limits);
                if refused == 0 {
                    known.insert(address, Growing::new(fresh));
                }
                refused
            }
            None => 1,
        };
        self.counters.refuse_names(refused);
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<Address, Growing<KnownAs>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Add a source, or replace what was said of it before.
    pub fn source(&self, entry: SourceEntry) {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        sources.insert(entry.key(), entry);
    }

    /// How long handshakes took, over all servers.
    pub fn latency(&self) -> Latency {
        self.latency.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The facts as they are now.
    ///
    /// A census that is still growing is copied host by host: each host is whole in itself, and
    /// lists at least what the counters count.
    pub fn snapshot(&self) -> Snapshot {
        let _use = self.sweeper.hold();
        let totals = self.totals();
        let hosts = self.hosts.iter().map(|entry| (*entry.key(), entry.value().value().clone()));
        let hosts = hosts.collect();
        let servers = self.servers.iter();
        let servers =
            servers.map(|entry| (Arc::clone(entry.key()), entry.value().value().clone())).collect();
        self.listing(totals, hosts, servers)
    }

    /// The facts of a census that grows no more, without a copy of them.
    pub fn into_snapshot(mut self) -> Snapshot {
        let totals = self.totals();
        let hosts = std::mem::take(&mut self.hosts).into_iter();
        let servers = std::mem::take(&mut self.servers).into_iter();
        let hosts = hosts.map(|(ip, host)| (ip, host.into_value())).collect();
        let servers = servers.map(|(key, server)| (key, server.into_value())).collect();
        self.listing(totals, hosts, servers)
    }

    fn listing(
        &self,
        (coverage, latency): (Coverage, Latency),
        hosts: Vec<(Address, Host)>,
        servers: Vec<(Arc<ServerKey>, Server)>,
    ) -> Snapshot {
        let certificates = self.certificates.iter();
        Snapshot {
            offers: self.offers.sorted(),
            certificates: certificates
                .map(|entry| (*entry.key(), Arc::clone(entry.value().value())))
                .collect(),
            known: self.known().iter().map(|(ip, known)| (*ip, known.value().clone())).collect(),
            coverage,
            latency,
            sources: self
                .sources
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .values()
                .cloned()
                .collect(),
            ..Snapshot::listing(hosts, servers)
        }
    }

    /// What is new since the last time that this was asked: servers, offers and certificates that
    /// have changed, each as a whole, hosts with those of their edges that have, and the totals.
    pub fn take_changes(&self) -> Snapshot {
        let _use = self.sweeper.hold();
        let (coverage, latency) = self.totals();
        let hosts = self.hosts.iter_mut();
        let hosts = hosts
            .filter_map(|mut entry| {
                let changes = entry.value_mut().take_with(Host::take_changes)?;
                Some((*entry.key(), changes))
            })
            .collect();
        let servers = self.servers.iter_mut();
        let servers = servers
            .filter_map(|mut entry| {
                let server = entry.value_mut().take()?;
                Some((Arc::clone(entry.key()), server))
            })
            .collect();
        let certificates = self.certificates.iter_mut();
        // What a host speaks of was put into the other tables before: they come last.
        Snapshot {
            offers: self.offers.take_changed(),
            certificates: certificates
                .filter_map(|mut entry| Some((*entry.key(), entry.value_mut().take()?)))
                .collect(),
            known: self
                .known()
                .iter_mut()
                .filter_map(|(ip, known)| Some((*ip, known.take()?)))
                .collect(),
            coverage,
            latency,
            ..Snapshot::listing(hosts, servers)
        }
    }

    /// What was taken could not be saved: it is to be taken again.
    pub fn put_back(&self, changes: &Snapshot) {
        let _use = self.sweeper.hold();
        for (ip, changed) in &changes.hosts {
            if let Some(mut host) = self.hosts.get_mut(ip) {
                host.change().put_back(changed);
            }
        }
        for (key, _) in &changes.servers {
            if let Some(mut server) = self.servers.get_mut(key) {
                server.change();
            }
        }
        for ip in changes.known.keys() {
            if let Some(known) = self.known().get_mut(ip) {
                known.change();
            }
        }
        self.offers.put_back(&changes.offers);
        for certificate in changes.certificates.iter() {
            if let Some(mut certificate) = self.certificates.get_mut(&certificate.fingerprint()) {
                certificate.change();
            }
        }
    }

    /// Taken before everything else: what is counted here is listed by then.
    fn totals(&self) -> (Coverage, Latency) {
        (self.counters.read(), self.latency())
    }

    /// Add the connection to its client's host.
    fn visit(&self, ip: Address, seen: Sighting<'_>) {
        let at = seen.record.ts;
        let mut room = self.lists.room();
        if let Some(mut host) = self.hosts.get_mut(&ip) {
            host.change().add(seen, &self.limits, &mut room);
        } else if room.open && self.host_count.load(Ordering::Relaxed) < self.limits.census_hosts {
            let mut host = self.hosts.entry(ip).or_insert_with(|| {
                self.host_count.fetch_add(1, Ordering::Relaxed);
                room.take(PLACE * size_of::<(Address, Growing<Host>)>());
                Growing::new(Host::new(at))
            });
            host.change().add(seen, &self.limits, &mut room);
        }
        self.lists.charge(&room);
        self.counters.refuse_details(room.refused);
    }

    /// Count the connection for its server, whose shared key is returned; `None` if there is no
    /// room for another server.
    fn serve(&self, record: &FlowRecord) -> Option<Arc<ServerKey>> {
        if let Some(time) = record.handshake_time {
            self.latency.lock().unwrap_or_else(PoisonError::into_inner).record(time);
        }
        let key = ServerKey::of(record);
        let mut room = self.lists.room();
        let shared = if let Some(mut entry) = self.servers.get_mut(&key) {
            entry.change().add(record, &self.limits, &mut room);
            Arc::clone(entry.key())
        } else if room.open_for_edges
            && self.server_count.load(Ordering::Relaxed) < self.limits.census_servers
        {
            let bytes = key.bytes() + PLACE * size_of::<(Arc<ServerKey>, Growing<Server>)>();
            let mut entry = self.servers.entry(Arc::new(key)).or_insert_with(|| {
                self.server_count.fetch_add(1, Ordering::Relaxed);
                room.take(bytes);
                Growing::new(Server::new(record.ts))
            });
            entry.change().add(record, &self.limits, &mut room);
            Arc::clone(entry.key())
        } else {
            return None;
        };
        self.lists.charge(&room);
        self.counters.refuse_details(room.refused);
        Some(shared)
    }

    /// Keep a certificate; false if it is new and there is no room.
    fn certify(&self, certificate: &Arc<Certificate>) -> bool {
        let fingerprint = certificate.fingerprint();
        if self.certificates.contains_key(&fingerprint) {
            return true;
        }
        let room = self.certificates.len() < self.limits.census_values
            && self.values.spend(certificate.weight());
        if room {
            let kept = || Growing::new(Arc::clone(certificate));
            self.certificates.entry(fingerprint).or_insert_with(kept);
        }
        room
    }

    /// The shared form of what the connection proves; `None` if there is no room.
    fn prove(&self, record: &FlowRecord) -> Option<Arc<Evidence>> {
        let evidence = record.evidence();
        let chains = evidence.certificates.len() + evidence.client_certificates.len();
        let bytes = size_of::<Evidence>()
            + chains * size_of::<Fingerprint>()
            + evidence.alerts.len() * size_of::<Alert>();
        self.evidence.share(evidence, bytes, &self.values)
    }

    /// The shared form of a host name: names are compared without regard to case (RFC 6066 §3).
    /// `None` if there is no room.
    fn name(&self, name: &str) -> Option<Arc<str>> {
        // The table's own part of it.
        let bytes = name.len() + 64;
        if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            self.names.share(name.to_ascii_lowercase().as_str(), bytes, &self.values)
        } else {
            self.names.share(name, bytes, &self.values)
        }
    }
}

#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;
