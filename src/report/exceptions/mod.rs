//! [`Exceptions`]: what somebody has agreed to leave as it is, until a day.
//!
//! In goes a [file](mod@file) of entries, each with an owner, a reason, a last day and what it matches;
//! out come the same verdicts and findings, marked where an entry covers them. Nothing is taken
//! away: an excepted host is counted and shown like any other, and said to be excepted. The day is
//! compared with the last connection that was seen, never with a clock: the same census gives the
//! same report at any time.

mod apply;
pub mod file;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use thiserror::Error;

use super::scope::{Network, Pattern};
use crate::limits;
use crate::packet::Address;
use crate::policy::finding::FindingId;

pub use apply::{ExceptionLine, ExceptionStatus};

/// The entries of a file, in its order.
#[derive(Clone, Debug, Default)]
pub struct Exceptions(Vec<Exception>);

/// What is to be left as it is. Of each kind of condition one must hold, of all kinds that it has
/// each: an entry without a condition does not exist.
#[derive(Clone, Debug)]
pub struct Exception {
    /// Who answers for it.
    pub agreed: Arc<Excepted>,
    hosts: Vec<Host>,
    networks: Vec<(Box<str>, Network)>,
    snis: Vec<Pattern>,
    servers: Vec<Pattern>,
    offers: Vec<Box<str>>,
    findings: Vec<FindingId>,
}

/// Who agreed to leave something as it is, why, and until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Excepted {
    /// Which entry of the file, from 1.
    pub exception: usize,
    /// Who answers for it.
    pub owner: Box<str>,
    /// Why.
    pub reason: Box<str>,
    /// The last day on which it holds.
    pub expires: Box<str>,
}

/// A host by its address or by a name.
#[derive(Clone, Debug)]
enum Host {
    Address(Address),
    Name(Pattern),
}

/// Something that is judged, as far as a host is known by it.
struct Subject<'a> {
    addresses: &'a [Address],
    names: &'a [String],
}

/// A connection's place: by which offer, to which server, by which name.
#[derive(Clone, Copy)]
struct Place<'a> {
    offer: Option<&'a str>,
    server: &'a super::inventory::ServerName,
    sni: Option<&'a str>,
}

impl Exceptions {
    /// Read a file.
    pub fn load(path: &Path) -> Result<Self, ExceptionsError> {
        let text = limits::read_named_text(path)
            .map_err(|cause| ExceptionsError::Read { path: path.to_owned(), cause })?;
        file::parse(&path.display().to_string(), &text)
    }

    /// The entries.
    pub fn entries(&self) -> &[Exception] {
        &self.0
    }
}

impl Exception {
    /// Whether it holds no more on a day.
    fn is_expired(&self, day: &str) -> bool {
        // ISO 8601: the order of the texts is that of the days.
        &*self.agreed.expires < day
    }

    /// Whether it speaks of this finding; one that names none speaks of all, and of outcomes.
    fn covers_finding(&self, id: &str) -> bool {
        self.findings.is_empty() || self.findings.iter().any(|known| known.name() == id)
    }

    /// Whether it speaks of this host.
    fn covers_host(&self, subject: &Subject<'_>) -> bool {
        let named = |host: &Host| match host {
            Host::Address(address) => subject.addresses.contains(address),
            Host::Name(pattern) => subject.names.iter().any(|name| pattern.covers_name(name)),
        };
        let inside =
            |network: &Network| subject.addresses.iter().any(|address| network.contains(*address));
        (self.hosts.is_empty() || self.hosts.iter().any(named))
            && (self.networks.is_empty() || self.networks.iter().any(|(_, one)| inside(one)))
    }

    /// Whether it depends on connections.
    const fn asks_for_place(&self) -> bool {
        !(self.snis.is_empty() && self.servers.is_empty() && self.offers.is_empty())
    }

    /// Whether it speaks of such connections.
    fn covers_place(&self, place: &Place<'_>) -> bool {
        let sni = |pattern: &Pattern| place.sni.is_some_and(|name| pattern.covers_name(name));
        let server = |pattern: &Pattern| {
            let name = place.server;
            pattern.covers_server((name.ip, name.port), name.target.as_deref(), place.sni)
        };
        (self.snis.is_empty() || self.snis.iter().any(sni))
            && (self.servers.is_empty() || self.servers.iter().any(server))
            && (self.offers.is_empty()
                || self.offers.iter().any(|offer| Some(&**offer) == place.offer))
    }
}

/// `excepted until 2026-06-30 by Jane Doe: replaced in June`.
impl fmt::Display for Excepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "excepted until {} by {}: {}", self.expires, self.owner, self.reason)
    }
}

/// What an entry matches, as the file says it: `host 10.0.0.5, finding suite.tls_rsa`.
impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        let mut part = |key: &str, items: Vec<String>| {
            if !items.is_empty() {
                parts.push(format!("{key} {}", items.join(" or ")));
            }
        };
        let host = |host: &Host| match host {
            Host::Address(address) => address.to_string(),
            Host::Name(pattern) => pattern.as_str().to_owned(),
        };
        let pattern = |pattern: &Pattern| pattern.as_str().to_owned();
        part("host", self.hosts.iter().map(host).collect());
        part("network", self.networks.iter().map(|(text, _)| text.to_string()).collect());
        part("sni", self.snis.iter().map(pattern).collect());
        part("server", self.servers.iter().map(pattern).collect());
        part("offer", self.offers.iter().map(ToString::to_string).collect());
        part("finding", self.findings.iter().map(|id| id.name().to_owned()).collect());
        f.write_str(&parts.join(", "))
    }
}

/// Why a file of exceptions cannot be used.
#[derive(Debug, Error)]
pub enum ExceptionsError {
    /// It cannot be read.
    #[error("cannot read the exceptions `{}`: {cause}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// It does not say what it must.
    #[error("{name}:{line}:{column}: {message}\n{excerpt}")]
    Content {
        /// The file.
        name: Box<str>,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong, with the cure if there is one.
        message: String,
        /// The line with a mark.
        excerpt: String,
    },
}

#[cfg(test)]
mod tests;
