//! What hosts are called on the wire: DHCP, mDNS, LLMNR, NetBIOS and DNS answers.
//!
//! In go datagrams, out come [`Heard`]s: an address and a name, or an address and the MAC address
//! that it was leased to. Most datagrams are told by their ports and cost nothing more. What is said
//! twice in an hour is passed on once. Names are what hosts say of themselves, or servers of them: evidence, no
//! proof, and only what looks like a host name is taken for one. What a neighbour says of another address
//! than its own is not taken.

#![warn(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing
)]

mod dhcp;
mod dns;
mod netbios;

use std::collections::HashSet;
use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use crate::clock::Timestamp;
use crate::limits::Limits;
use crate::packet::{Address, Datagram, Mac};
use dhcp::Requests;

/// Who said it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NameSource {
    /// The host itself, when it asked for its address.
    Dhcp,
    /// A DNS answer.
    Dns,
    /// The host itself, to its neighbours (RFC 4795).
    Llmnr,
    /// The host itself, to its neighbours (RFC 6762).
    Mdns,
    /// The host itself, to its neighbours (RFC 1002).
    Netbios,
}

impl NameSource {
    /// Every source.
    pub const ALL: &[Self] = &[Self::Dhcp, Self::Dns, Self::Llmnr, Self::Mdns, Self::Netbios];

    /// The word in reports and in the census.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dhcp => "dhcp",
            Self::Dns => "dns",
            Self::Llmnr => "llmnr",
            Self::Mdns => "mdns",
            Self::Netbios => "netbios",
        }
    }

    /// The source with this word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|source| source.name() == name)
    }

    /// Whether it is the host that calls itself so: what others call it, a load balancer's name for
    /// instance, does not tell one host from another.
    pub const fn is_own(self) -> bool {
        !matches!(self, Self::Dns)
    }

    /// Whether hosts call it out to their neighbours, each for itself: of the address that it came
    /// from it says something, of others whoever likes could say anything.
    const fn is_called_out(self) -> bool {
        matches!(self, Self::Llmnr | Self::Mdns | Self::Netbios)
    }
}

/// Something that was said of an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Said {
    /// It has this name, in lower case.
    Name {
        /// The address.
        address: Address,
        /// The name.
        name: Box<str>,
        /// Who said so.
        source: NameSource,
    },
    /// It was leased to this MAC address.
    Lease {
        /// The address.
        address: Address,
        /// Whose it is.
        mac: Mac,
    },
}

/// What a [`NameReader`] passes on: something was said at this time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// What.
    pub said: Said,
    /// When.
    pub at: Timestamp,
}

/// Reads names from the datagrams of one capture thread.
#[derive(Debug)]
pub struct NameReader {
    requests: Requests,
    /// What was passed on already, and in which hour, by its hash.
    known: HashSet<u64, RandomState>,
    remembered: usize,
    hash: RandomState,
}

impl NameReader {
    /// A reader that has seen nothing yet.
    pub fn new(limits: &Limits) -> Self {
        Self {
            requests: Requests::new(limits.name_requests),
            known: HashSet::default(),
            remembered: limits.names_remembered,
            hash: RandomState::default(),
        }
    }

    /// Requests whose answers were waited for no longer, since this was asked last.
    pub fn take_unanswered(&mut self) -> u64 {
        std::mem::take(&mut self.requests.unanswered)
    }

    /// The same, since the beginning or since they were taken.
    pub const fn unanswered(&self) -> u64 {
        self.requests.unanswered
    }

    /// Read a datagram; what it says that was not said before in this hour goes to `sink`.
    pub fn read(&mut self, datagram: &Datagram<'_>, at: Timestamp, sink: &mut dyn FnMut(Heard)) {
        let (source, target) = (datagram.source.port, datagram.target.port);
        // Ports tell: of all other datagrams nothing is looked at.
        let Some(kind) = Kind::of(source).or_else(|| Kind::of(target)) else { return };
        let (known, hash, remembered) = (&mut self.known, &self.hash, self.remembered);
        let hour = at.start_of_hour();
        let sender = datagram.source.address;
        let mut fresh = |said: Said| {
            if !is_of_one_host(said.address()) || said.is_hearsay(sender) {
                return;
            }
            if known.len() >= remembered {
                known.clear();
            }
            if known.insert(hash.hash_one((&said, hour))) {
                sink(Heard { said, at });
            }
        };
        let payload = datagram.payload;
        match kind {
            Kind::Dhcp => self.requests.read(payload, &mut fresh),
            Kind::Dns(named) => dns::read(payload, named, &mut fresh),
            Kind::Netbios => netbios::read(payload, sender, &mut fresh),
        }
    }
}

/// What a port is for.
#[derive(Clone, Copy)]
enum Kind {
    Dhcp,
    Dns(NameSource),
    Netbios,
}

impl Kind {
    const fn of(port: u16) -> Option<Self> {
        Some(match port {
            53 => Self::Dns(NameSource::Dns),
            67 | 68 => Self::Dhcp,
            137 => Self::Netbios,
            5353 => Self::Dns(NameSource::Mdns),
            5355 => Self::Dns(NameSource::Llmnr),
            _ => return None,
        })
    }
}

impl Said {
    /// Bytes that it takes.
    pub fn size(&self) -> usize {
        match self {
            Self::Name { name, .. } => size_of::<Self>().saturating_add(name.len()),
            Self::Lease { .. } => size_of::<Self>(),
        }
    }

    /// Whether it is the name of another than the sender, who can speak for itself only.
    fn is_hearsay(&self, sender: Address) -> bool {
        match self {
            Self::Name { address, source, .. } => source.is_called_out() && *address != sender,
            Self::Lease { .. } => false,
        }
    }

    /// Of which address.
    pub const fn address(&self) -> Address {
        match self {
            Self::Name { address, .. } | Self::Lease { address, .. } => *address,
        }
    }
}

/// Whether an address is one of a single host that others can talk to.
fn is_of_one_host(address: Address) -> bool {
    match address.to_ip() {
        std::net::IpAddr::V4(ip) => {
            !(ip.is_unspecified() || ip.is_loopback() || ip.is_multicast() || ip.is_broadcast())
        }
        std::net::IpAddr::V6(ip) => !(ip.is_unspecified() || ip.is_loopback() || ip.is_multicast()),
    }
}

/// A host name from bytes: in lower case, without the dot at its end; `None` for what is none.
fn host_name(bytes: &[u8]) -> Option<Box<str>> {
    let bytes = bytes.strip_suffix(b".").unwrap_or(bytes);
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    let sound = (1..=253).contains(&bytes.len())
        && bytes.iter().all(fits)
        && bytes.split(|byte| *byte == b'.').all(|label| (1..=63).contains(&label.len()));
    let text = std::str::from_utf8(bytes).ok().filter(|_| sound)?.to_ascii_lowercase();
    // An address is no name, and these are everybody's.
    let nobody = text.parse::<std::net::IpAddr>().is_ok() || text == "localhost";
    (!nobody).then(|| text.into())
}

#[cfg(test)]
mod tests;
