//! [`Row`]: what a row of each table says of itself.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::sync::Arc;

use super::{CertificateLine, Client, Edge, Server, View};
use crate::clock::Timestamp;
use crate::packet::Address;
use crate::policy::Reason;
use crate::report::Rows;
use crate::report::inventory::{ServerName, Stack, StackVerdict};

/// A value to sort by.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::serve) enum Key<'a> {
    Address(Address),
    Server(&'a ServerName),
    Number(u64),
    Time(Timestamp),
    Seconds(i64),
    Text(Cow<'a, str>),
    /// Comes last in any order.
    Missing,
}

impl<'a> Key<'a> {
    /// A text, in any case; none if it is empty.
    pub(super) fn text(text: &'a str) -> Self {
        if text.is_empty() {
            Self::Missing
        } else if text.bytes().any(|byte| byte.is_ascii_uppercase()) || !text.is_ascii() {
            Self::Text(text.to_lowercase().into())
        } else {
            Self::Text(text.into())
        }
    }

    fn maybe(text: Option<&'a str>) -> Self {
        text.map_or(Self::Missing, Self::text)
    }
}

/// How often and when something was seen.
#[derive(Clone, Copy, Debug)]
pub(in crate::serve) struct Seen {
    pub(super) connections: u64,
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
}

/// A row of a table. What a table does not have, its rows leave out.
pub(in crate::serve) trait Row: Sized + 'static {
    /// How the table is sorted where nobody says how.
    const SORT: &'static str = "outcome";

    /// All rows of a view, and the texts in which filters look.
    fn all(view: &View) -> (&[Self], &[String]);
    /// Everything that a filter may find.
    fn text(&self) -> String;
    /// The value of a column that not every table has; `None` if there is no such column.
    fn key(&self, column: &str, policy: &str) -> Option<Key<'_>>;
    fn seen(&self) -> Seen;
    fn addresses(&self) -> &[Address] {
        &[]
    }
    fn owner(&self) -> Option<&str> {
        None
    }
    fn site(&self) -> Option<&str> {
        None
    }
    /// It is one of ours: among equals it comes first.
    fn is_ours(&self) -> bool {
        true
    }
    /// Whose software it may be, each once.
    fn software(&self) -> Vec<&str> {
        Vec::new()
    }
    /// The outcome under a policy.
    fn outcome(&self, _policy: &str) -> Option<&'static str> {
        None
    }
    /// The reasons for it, each once.
    fn reasons(&self, _policy: &str) -> Vec<&'static str> {
        Vec::new()
    }
}

/// A row that the page in the browser shows.
pub(in crate::serve) trait Packed: Row {
    fn rows(rows: Vec<&Self>) -> Rows<'_>;
}

/// Values into a text, each on a line of its own: a word of a filter has no space in it.
fn add<T: fmt::Display>(text: &mut String, values: impl IntoIterator<Item = T>) {
    for value in values {
        // Writing to a String does not fail.
        let _ = writeln!(text, "{value}");
    }
}

/// A server as the page writes it: the address, and what it speaks.
fn add_servers<'a>(text: &mut String, servers: impl IntoIterator<Item = &'a Arc<ServerName>>) {
    for server in servers {
        match &server.application {
            Some(application) => add(text, [format_args!("{server} ({application})")]),
            None => add(text, [server]),
        }
    }
}

fn once(mut words: Vec<&str>) -> Vec<&str> {
    words.sort_unstable();
    words.dedup();
    words
}

fn names(reasons: &[Reason]) -> impl Iterator<Item = &'static str> + '_ {
    reasons.iter().map(|reason| reason.name())
}

/// What a stack does under a policy.
fn verdict<'a>(stack: &'a Stack, policy: &str) -> Option<&'a StackVerdict> {
    stack.verdicts.iter().find(|verdict| &*verdict.policy == policy)
}

/// Versions in their order: SSL before TLS, and DTLS beside TLS.
fn weight(version: &str) -> u64 {
    let number = version.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    let digits = number.bytes().filter(u8::is_ascii_digit);
    let number = digits.fold(0_u64, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    if version.starts_with("SSL") { number } else { 100 + number }
}

impl Row for Client {
    fn all(view: &View) -> (&[Self], &[String]) {
        (&view.inventory.clients, &view.index.clients)
    }

    fn text(&self) -> String {
        let mut text = String::new();
        add(&mut text, &self.addresses);
        add(&mut text, self.mac);
        add(&mut text, self.vendor.iter());
        add(&mut text, &self.names);
        add(&mut text, self.owner.iter().chain(&self.site));
        for stack in &self.stacks {
            add(&mut text, stack.software.iter().map(|software| &software.name));
            add(&mut text, stack.max_version);
            add(&mut text, stack.ja4.iter().chain(&stack.ja3));
            add(&mut text, &stack.snis);
            add_servers(&mut text, &stack.servers);
            add(&mut text, stack.findings.iter().map(|finding| finding.id));
            for verdict in &stack.verdicts {
                add(&mut text, names(&verdict.reasons));
            }
        }
        text
    }

    fn key(&self, column: &str, policy: &str) -> Option<Key<'_>> {
        Some(match column {
            "ip" => Key::Address(self.ip),
            "name" => Key::maybe(self.names.first().map(String::as_str)),
            "software" => {
                let mut software = self.stacks.iter().flat_map(|stack| &*stack.software);
                Key::maybe(software.next().map(|one| &*one.name))
            }
            "max_version" => {
                let versions = self.stacks.iter().filter_map(|stack| stack.max_version);
                let lowest = versions.map(|version| weight(&version.to_string())).min();
                lowest.map_or(Key::Missing, Key::Number)
            }
            "why" => {
                let outcome = self.outcome(policy);
                let own = self.stacks.iter().filter(|stack| stack.fallback_of.is_none());
                let mut own = own.filter_map(|stack| verdict(stack, policy));
                let deciding = own.find(|one| Some(one.outcome.name()) == outcome);
                Key::maybe(deciding.map(|verdict| &*verdict.evidence))
            }
            _ => return None,
        })
    }

    fn seen(&self) -> Seen {
        Seen { connections: self.connections, first: self.first_seen, last: self.last_seen }
    }

    fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    fn owner(&self) -> Option<&str> {
        self.owner.as_deref()
    }

    fn site(&self) -> Option<&str> {
        self.site.as_deref()
    }

    fn software(&self) -> Vec<&str> {
        let all = self.stacks.iter().flat_map(|stack| &*stack.software);
        once(all.map(|one| &*one.name).collect())
    }

    fn outcome(&self, policy: &str) -> Option<&'static str> {
        let verdict = self.verdicts.iter().find(|verdict| &*verdict.policy == policy);
        verdict.map(|verdict| verdict.outcome.name())
    }

    fn reasons(&self, policy: &str) -> Vec<&'static str> {
        let verdicts = self.stacks.iter().filter_map(|stack| verdict(stack, policy));
        once(verdicts.flat_map(|verdict| names(&verdict.reasons)).collect())
    }
}

impl Packed for Client {
    fn rows(rows: Vec<&Self>) -> Rows<'_> {
        Rows::Clients(rows)
    }
}

impl Row for Server {
    fn all(view: &View) -> (&[Self], &[String]) {
        (&view.inventory.servers, &view.index.servers)
    }

    fn text(&self) -> String {
        let mut text = String::new();
        add_servers(&mut text, [&self.name]);
        add(&mut text, self.mac);
        add(&mut text, self.vendor.iter());
        add(&mut text, &self.names);
        add(&mut text, &self.snis);
        add(&mut text, self.owner.iter().chain(&self.site));
        add(&mut text, self.versions.keys());
        add(&mut text, self.cipher_suites.keys());
        add(&mut text, [self.chain.status.as_str()]);
        add(&mut text, self.chain.root_subject.iter().chain(&self.chain.issuer));
        add(&mut text, &self.certificates);
        add(&mut text, self.findings.iter().map(|finding| finding.id));
        text
    }

    fn key(&self, column: &str, policy: &str) -> Option<Key<'_>> {
        let name =
            self.names.first().map(String::as_str).or_else(|| self.snis.first().map(|sni| &**sni));
        Some(match column {
            "ip" => Key::Server(&self.name),
            "port" => Key::Number(self.name.port.into()),
            "name" => Key::maybe(name),
            "clients" => Key::Number(self.clients),
            "chain" => Key::text(self.chain.status.as_str()),
            "versions" => {
                // The most frequent one, as the table shows it first.
                let most = self.versions.iter().rev().max_by_key(|(_, number)| **number);
                Key::maybe(most.map(|(version, _)| &**version))
            }
            "why" => {
                let verdict = self.verdicts.iter().find(|verdict| &*verdict.policy == policy);
                Key::maybe(verdict.map(|verdict| &*verdict.evidence))
            }
            _ => return None,
        })
    }

    fn seen(&self) -> Seen {
        Seen { connections: self.connections, first: self.first_seen, last: self.last_seen }
    }

    fn addresses(&self) -> &[Address] {
        std::slice::from_ref(&self.name.ip)
    }

    fn owner(&self) -> Option<&str> {
        self.owner.as_deref()
    }

    fn site(&self) -> Option<&str> {
        self.site.as_deref()
    }

    fn is_ours(&self) -> bool {
        self.internal
    }

    fn outcome(&self, policy: &str) -> Option<&'static str> {
        let verdict = self.verdicts.iter().find(|verdict| &*verdict.policy == policy);
        verdict.map(|verdict| verdict.outcome.name())
    }

    fn reasons(&self, policy: &str) -> Vec<&'static str> {
        let verdicts = self.verdicts.iter().filter(|verdict| &*verdict.policy == policy);
        once(verdicts.flat_map(|verdict| names(&verdict.reasons)).collect())
    }
}

impl Packed for Server {
    fn rows(rows: Vec<&Self>) -> Rows<'_> {
        Rows::Servers(rows)
    }
}

impl Row for Edge {
    fn all(view: &View) -> (&[Self], &[String]) {
        (&view.inventory.edges, &view.index.edges)
    }

    fn text(&self) -> String {
        let mut text = String::new();
        add(&mut text, [self.client]);
        add_servers(&mut text, [&self.server]);
        add(&mut text, self.sni.iter());
        add(&mut text, self.ja4.iter());
        add(&mut text, self.versions.keys());
        add(&mut text, self.cipher_suites.keys());
        add(&mut text, self.alerts.keys());
        text
    }

    fn key(&self, column: &str, _policy: &str) -> Option<Key<'_>> {
        Some(match column {
            "ip" => Key::Address(self.client),
            "name" => Key::maybe(self.sni.as_deref()),
            _ => return None,
        })
    }

    fn seen(&self) -> Seen {
        Seen { connections: self.connections, first: self.first_seen, last: self.last_seen }
    }

    fn addresses(&self) -> &[Address] {
        std::slice::from_ref(&self.client)
    }

    fn outcome(&self, policy: &str) -> Option<&'static str> {
        let verdict = self.verdicts.iter().find(|verdict| &*verdict.policy == policy);
        verdict.map(|verdict| verdict.outcome)
    }

    fn reasons(&self, policy: &str) -> Vec<&'static str> {
        let verdicts = self.verdicts.iter().filter(|verdict| &*verdict.policy == policy);
        once(verdicts.flat_map(|verdict| names(&verdict.reasons)).collect())
    }
}

impl Row for CertificateLine {
    const SORT: &'static str = "-connections";

    fn all(view: &View) -> (&[Self], &[String]) {
        (&view.inventory.certificates, &view.index.certificates)
    }

    fn text(&self) -> String {
        let mut text = String::new();
        let certificate = &self.certificate;
        add(&mut text, [certificate.subject(), certificate.issuer(), certificate.serial()]);
        add(&mut text, certificate.san());
        add(&mut text, [certificate.key()]);
        add(&mut text, [certificate.fingerprint()]);
        let sha1 = certificate.sha1();
        let hex = sha1.iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        add(&mut text, [hex]);
        add_servers(&mut text, &self.servers);
        text
    }

    fn key(&self, column: &str, _policy: &str) -> Option<Key<'_>> {
        let certificate = &self.certificate;
        Some(match column {
            "name" => Key::text(certificate.subject()),
            "issuer" => Key::text(certificate.issuer()),
            "key" => Key::Text(certificate.key().to_string().into()),
            "signature" => Key::text(certificate.signature()),
            "not_after" => {
                certificate.not_after().map_or(Key::Missing, |time| Key::Seconds(time.as_secs()))
            }
            _ => return None,
        })
    }

    fn seen(&self) -> Seen {
        Seen { connections: self.connections, first: self.first_seen, last: self.last_seen }
    }
}

impl Packed for CertificateLine {
    fn rows(rows: Vec<&Self>) -> Rows<'_> {
        Rows::Certificates(rows)
    }
}
