//! Which addresses are one host, and what it is called.
//!
//! A host that changes its address stays one host where a MAC address or a name that it gave itself
//! proves it. A MAC address seen with more than [`ADDRESSES_OF_ONE`] addresses, or with two of IPv4 in
//! use at the same time, is a router's and proves nothing, nor does one of no station (zeros), nor such a
//! name, nor do names that lead on to such addresses; and an address that showed several MAC addresses was given from one host
//! to another: it belongs to none. All of this is a function of the facts.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use foldhash::fast::RandomState;

use crate::census::{Merger, Snapshot};
use crate::limits::Limits;
use crate::packet::{Address, Mac};
use crate::report::names::Names;

/// Addresses that one MAC address, or one name, may show and still be a host's own.
const ADDRESSES_OF_ONE: usize = 4;

/// Who is who.
#[derive(Debug)]
pub(super) struct Identity {
    /// MAC addresses that prove nothing: of routers, and of no station.
    routers: HashSet<Mac, RandomState>,
    /// All addresses of hosts that have several, by the lowest.
    addresses: BTreeMap<Address, Vec<Address>>,
}

impl Identity {
    /// Who is who in a snapshot, and the snapshot with the facts of each host under its lowest
    /// address.
    pub(super) fn of<'a>(snapshot: &'a Snapshot, limits: &Limits) -> (Self, Cow<'a, Snapshot>) {
        let macs = Macs::of(snapshot);
        let mut shown: HashMap<Mac, Vec<Address>, RandomState> = HashMap::default();
        for (address, mac) in &macs.0 {
            shown.entry(*mac).or_default().push(*address);
        }
        let is_router = |addresses: &[Address]| {
            addresses.len() > ADDRESSES_OF_ONE || at_once(snapshot, addresses)
        };
        let routers: HashSet<Mac, RandomState> = shown
            .into_iter()
            .filter(|(mac, addresses)| !mac.is_station() || is_router(addresses))
            .map(|(mac, _)| mac)
            .collect();
        let mut identity = Self { routers, addresses: BTreeMap::new() };
        identity.join(snapshot, &macs);
        let unified = if identity.addresses.is_empty() {
            Cow::Borrowed(snapshot)
        } else {
            Cow::Owned(identity.unified(snapshot, limits))
        };
        (identity, unified)
    }

    /// The MAC address of a host: its own one, or the one that its addresses were leased to.
    pub(super) fn mac_of(&self, ip: Address, macs: &[Mac], snapshot: &Snapshot) -> Option<Mac> {
        let addresses = self.addresses(ip);
        let leases = addresses.iter().filter_map(|address| snapshot.known.get(address));
        let all = macs
            .iter()
            .chain(leases.flat_map(|known| known.leases.iter().map(|(mac, _)| mac)))
            .copied();
        let own: BTreeSet<Mac> = all.filter(|mac| !self.routers.contains(mac)).collect();
        own.first().copied().filter(|_| own.len() == 1)
    }

    /// All addresses of a host, by its lowest one.
    pub(super) fn addresses(&self, ip: Address) -> Vec<Address> {
        self.addresses.get(&ip).cloned().unwrap_or_else(|| vec![ip])
    }

    /// Find out which addresses belong together.
    fn join(&mut self, snapshot: &Snapshot, macs: &Macs) {
        let own = |address: &Address| -> Option<Option<Mac>> {
            let mut own = macs.shown_with(*address).filter(|mac| !self.routers.contains(mac));
            match (own.next(), own.next()) {
                (mac, None) => Some(mac),
                // It went from one host to another.
                (_, Some(_)) => None,
            }
        };
        let is_client =
            |address: &Address| snapshot.hosts.binary_search_by_key(address, |(ip, _)| *ip).is_ok();
        let mut proofs: BTreeMap<Proof<'_>, BTreeSet<Address>> = BTreeMap::new();
        for (address, _) in &snapshot.hosts {
            if let Some(Some(mac)) = own(address) {
                proofs.entry(Proof::Mac(mac)).or_default().insert(*address);
            }
        }
        for (address, known) in &snapshot.known {
            for ((name, _), _) in known.names.iter().filter(|((_, source), _)| source.is_own()) {
                proofs.entry(Proof::Name(name)).or_default().insert(*address);
            }
        }
        let mut groups = Groups::default();
        for (proof, addresses) in &proofs {
            let are_some = (2..=ADDRESSES_OF_ONE).contains(&addresses.len());
            if !are_some || at_once(snapshot, addresses) {
                continue;
            }
            if let Proof::Name(_) = proof {
                // Two MAC addresses under one name are two hosts that are called alike.
                let owners: Option<Vec<_>> = addresses.iter().map(own).collect();
                let Some(owners) = owners else { continue };
                if owners.iter().flatten().collect::<BTreeSet<_>>().len() > 1 {
                    continue;
                }
            }
            let mut members = addresses.iter().filter(|address| is_client(address));
            if let Some(first) = members.next() {
                members.for_each(|other| groups.unite(*first, *other));
            }
        }
        // Names may have led from one MAC address to another, or on and on: then they prove nothing.
        let is_one = |addresses: &Vec<Address>| {
            addresses.len() <= ADDRESSES_OF_ONE
                && !at_once(snapshot, addresses)
                && addresses.iter().filter_map(own).flatten().collect::<BTreeSet<_>>().len() <= 1
        };
        self.addresses = groups.sets();
        self.addresses.retain(|_, addresses| is_one(addresses));
    }

    /// The facts of each host under its lowest address.
    fn unified(&self, snapshot: &Snapshot, limits: &Limits) -> Snapshot {
        let lowest: HashMap<Address, Address> = self
            .addresses
            .iter()
            .flat_map(|(lowest, all)| all.iter().map(move |one| (*one, *lowest)))
            .collect();
        let mut merger = Merger::new(limits);
        let mut renamed = snapshot.clone();
        for (ip, _) in &mut renamed.hosts {
            *ip = lowest.get(ip).copied().unwrap_or(*ip);
        }
        merger.add(renamed);
        merger.finish()
    }

    /// The names of a host, in order, and who said each.
    pub(super) fn names(&self, ip: Address, snapshot: &Snapshot, files: &Names) -> NamedBy {
        let mut named = NamedBy::new();
        for address in self.addresses(ip) {
            for name in files.of(address) {
                named.entry(name).or_default().insert("file");
            }
            let known = snapshot.known.get(&address);
            for ((name, source), _) in known.into_iter().flat_map(|one| one.names.iter()) {
                named.entry(name.to_string()).or_default().insert(source.name());
            }
        }
        named
    }
}

/// Whether two of these IPv4 addresses were in use at the same time, each from its first connection to its
/// last. A host that changes its address has one after the other; of IPv6 many have several at once.
fn at_once<'a>(snapshot: &Snapshot, addresses: impl IntoIterator<Item = &'a Address>) -> bool {
    let used = |address: &Address| {
        let place = snapshot.hosts.binary_search_by_key(address, |(ip, _)| *ip).ok()?;
        let (_, host) = snapshot.hosts.get(place)?;
        address.to_ip().is_ipv4().then_some((host.tally.first, host.tally.last))
    };
    let mut times: Vec<_> = addresses.into_iter().filter_map(used).collect();
    times.sort_unstable();
    times.iter().zip(times.iter().skip(1)).any(|((_, last), (first, _))| first <= last)
}

/// Names, each with who said it: `file`, or a protocol.
pub type NamedBy = BTreeMap<String, BTreeSet<&'static str>>;

/// What proves addresses to be of one host.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Proof<'a> {
    Mac(Mac),
    Name(&'a str),
}

/// The MAC addresses that every address was seen with, or leased to; in order and each once.
struct Macs(Vec<(Address, Mac)>);

impl Macs {
    fn of(snapshot: &Snapshot) -> Self {
        let clients = snapshot.hosts.iter().map(|(ip, host)| (*ip, &host.macs));
        let servers = snapshot.servers.iter().map(|(key, server)| (key.ip, &server.macs));
        let seen =
            clients.chain(servers).flat_map(|(ip, macs)| macs.iter().map(move |mac| (ip, *mac)));
        let leases = snapshot
            .known
            .iter()
            .flat_map(|(ip, known)| known.leases.iter().map(move |(mac, _)| (*ip, *mac)));
        let mut all: Vec<_> = seen.chain(leases).collect();
        all.sort_unstable();
        all.dedup();
        Self(all)
    }

    /// Those of one address.
    fn shown_with(&self, address: Address) -> impl Iterator<Item = Mac> {
        let begin = self.0.partition_point(|(ip, _)| *ip < address);
        let own = self.0.get(begin..).unwrap_or_default().iter();
        own.take_while(move |(ip, _)| *ip == address).map(|(_, mac)| *mac)
    }
}

/// Addresses that belong together; each set is known by its lowest.
#[derive(Default)]
struct Groups(BTreeMap<Address, Address>);

impl Groups {
    /// The lowest of a set. What is passed on the way there is shortened, or a chain of names would
    /// be walked again for each of its addresses.
    fn lowest(&mut self, mut address: Address) -> Address {
        while let Some(lower) = self.above(address) {
            let Some(next) = self.above(lower) else { return lower };
            self.0.insert(address, next);
            address = next;
        }
        address
    }

    /// The lower address that one hangs on; none if it is the lowest.
    fn above(&self, address: Address) -> Option<Address> {
        self.0.get(&address).copied().filter(|lower| *lower != address)
    }

    fn unite(&mut self, one: Address, other: Address) {
        let (one, other) = (self.lowest(one), self.lowest(other));
        let (low, high) = (one.min(other), one.max(other));
        self.0.insert(low, low);
        self.0.insert(high, low);
    }

    fn sets(mut self) -> BTreeMap<Address, Vec<Address>> {
        let mut sets: BTreeMap<Address, Vec<Address>> = BTreeMap::new();
        let all: Vec<_> = self.0.keys().copied().collect();
        for address in all {
            sets.entry(self.lowest(address)).or_default().push(address);
        }
        sets
    }
}

#[cfg(test)]
mod tests;
