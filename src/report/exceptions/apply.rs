//! Exceptions at work: which verdicts and findings of an inventory they cover.
//!
//! A verdict or a finding of a stack is covered when every connection of the stack is, by whichever
//! entries; that of a server likewise, by the names at which it is no better. In doubt nothing is
//! covered: an exception for one service does not hide that a client loses another.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::sync::Arc;

use serde::Serialize;

use super::{Excepted, Exception, Exceptions, Place, Subject};
use crate::clock::Timestamp;
use crate::packet::Address;
use crate::policy::finding::FindingId;
use crate::policy::{Outcome, Reason};
use crate::report::inventory::{Client, Edge, Inventory, Server, ServerName, Stack, which};
use crate::tls::Role;

/// An entry of the file, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExceptionLine {
    /// Who agreed to what.
    #[serde(flatten)]
    pub agreed: Arc<Excepted>,
    /// What it matches, in words.
    pub matches: String,
    /// What came of it.
    pub status: ExceptionStatus,
    /// How many client hosts it covers; if it has expired: would cover.
    pub clients: u64,
    /// How many servers.
    pub servers: u64,
    /// How many verdicts that something breaks or is at risk.
    pub verdicts: u64,
    /// How many findings.
    pub findings: u64,
}

/// What came of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ExceptionStatus {
    /// It covers something.
    Applied,
    /// Its last day was over before the last connection that was seen: it covers nothing.
    Expired,
    /// It holds, and there is nothing that it covers.
    Unmatched,
}

impl ExceptionStatus {
    /// The status in words.
    pub(in crate::report) const fn words(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Expired => "expired",
            Self::Unmatched => "matched nothing",
        }
    }
}

/// What an entry was found to cover.
#[derive(Default)]
struct Use {
    clients: BTreeSet<Address>,
    servers: BTreeSet<Arc<ServerName>>,
    verdicts: u64,
    findings: u64,
}

/// What the entries say of one subject.
struct Covers<'a> {
    exceptions: &'a [Exception],
    day: &'a str,
    /// Entries that speak of the host.
    entries: &'a [usize],
    /// Where its connections went; none if none of them found room in the lists.
    places: Vec<Place<'a>>,
}

/// What may be covered.
#[derive(Clone, Copy)]
enum Matter<'a> {
    /// An outcome, by the findings that it stands for.
    Verdict(&'a [&'static str]),
    Finding(&'a str),
}

impl Exceptions {
    /// Mark what they cover, and say what came of each.
    pub(in crate::report) fn apply(&self, inventory: &mut Inventory) {
        let exceptions = self.entries();
        if exceptions.is_empty() {
            return;
        }
        let day = inventory.coverage.last_seen.map(day_of).unwrap_or_default();
        let mut uses: Vec<Use> = exceptions.iter().map(|_| Use::default()).collect();
        let edges = mem::take(&mut inventory.edges);
        of_clients(exceptions, &day, &edges, &mut inventory.clients, &mut uses);
        of_servers(exceptions, &day, &edges, &mut inventory.servers, &mut uses);
        inventory.edges = edges;
        inventory.exceptions =
            exceptions.iter().zip(&uses).map(|(entry, uses)| line(entry, &day, uses)).collect();
    }
}

fn of_clients(
    exceptions: &[Exception],
    day: &str,
    edges: &[Edge],
    clients: &mut [Client],
    uses: &mut [Use],
) {
    let mut of_stacks: BTreeMap<_, Vec<&Edge>> = BTreeMap::new();
    for edge in edges {
        let stack = (edge.client, edge.transport, which(edge.offer.as_ref()));
        of_stacks.entry(stack).or_default().push(edge);
    }
    for client in clients {
        let ip = client.ip;
        let subject = Subject { addresses: &client.addresses, names: &client.names };
        let entries = entries(exceptions, &subject);
        if entries.is_empty() {
            continue;
        }
        for stack in &mut client.stacks {
            let edges = of_stacks.get(&(ip, stack.transport, which(stack.offer.as_ref())));
            let places = edges.into_iter().flatten().map(|edge| place(edge)).collect();
            let covers = Covers { exceptions, day, entries: &entries, places };
            let mut used = Vec::new();
            for verdict in stack.verdicts.iter_mut().filter(|one| is_bad(one.outcome)) {
                let findings = findings_of(Role::Client, &verdict.reasons);
                verdict.excepted = covers.find(Matter::Verdict(&findings), |_| true, &mut used);
            }
            for finding in &mut stack.findings {
                finding.excepted = covers.find(Matter::Finding(finding.id), |_| true, &mut used);
            }
            count(uses, &used, |uses| {
                uses.clients.insert(ip);
            });
        }
        for (at, verdict) in client.verdicts.iter_mut().enumerate() {
            if is_bad(verdict.outcome) {
                verdict.excepted = of_host(&client.stacks, at, verdict.outcome);
            }
        }
    }
}

/// A host is excepted where every stack is that makes it what it is.
fn of_host(stacks: &[Stack], policy: usize, outcome: Outcome) -> Option<Arc<Excepted>> {
    let worst = stacks.iter().filter_map(|stack| stack.verdicts.get(policy));
    let worst = worst.filter(|verdict| verdict.outcome == outcome);
    let all: Option<Vec<_>> = worst.map(|verdict| verdict.excepted.clone()).collect();
    all?.into_iter().min_by_key(|excepted| excepted.exception)
}

fn of_servers(
    exceptions: &[Exception],
    day: &str,
    edges: &[Edge],
    servers: &mut [Server],
    uses: &mut [Use],
) {
    let mut by_server: BTreeMap<&ServerName, BTreeMap<_, &Edge>> = BTreeMap::new();
    for edge in edges {
        // Who the clients are makes no difference.
        let same = (edge.ja4.as_deref(), edge.sni.as_deref());
        by_server.entry(&edge.server).or_default().insert(same, edge);
    }
    for server in servers {
        // Behind a proxy the address is the proxy's.
        let own = [server.name.ip];
        let addresses = if server.name.target.is_none() { &own[..] } else { &[] };
        let entries = entries(exceptions, &Subject { addresses, names: &server.names });
        if entries.is_empty() {
            continue;
        }
        let edges = by_server.get(&*server.name);
        let places = edges.into_iter().flatten().map(|(_, edge)| place(edge)).collect();
        let covers = Covers { exceptions, day, entries: &entries, places };
        let mut used = Vec::new();
        for verdict in server.verdicts.iter_mut().filter(|one| is_bad(one.outcome)) {
            let findings = findings_of(Role::Server, &verdict.reasons);
            let names = &verdict.snis;
            let counts = |place: &Place<'_>| {
                names.is_empty() || names.iter().any(|name| name.as_deref() == place.sni)
            };
            verdict.excepted = covers.find(Matter::Verdict(&findings), counts, &mut used);
        }
        for finding in &mut server.findings {
            finding.excepted = covers.find(Matter::Finding(finding.id), |_| true, &mut used);
        }
        count(uses, &used, |uses| {
            uses.servers.insert(server.name.clone());
        });
    }
}

/// Entries that speak of a host, wherever it talks.
fn entries(exceptions: &[Exception], subject: &Subject<'_>) -> Vec<usize> {
    let speaks = |(_, entry): &(usize, &Exception)| entry.covers_host(subject);
    exceptions.iter().enumerate().filter(speaks).map(|(at, _)| at).collect()
}

fn place(edge: &Edge) -> Place<'_> {
    Place { offer: edge.ja4.as_deref(), server: &edge.server, sni: edge.sni.as_deref() }
}

/// Outcomes that an exception may be wanted for.
const fn is_bad(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Breaks | Outcome::AtRisk)
}

/// The findings that say the same as these reasons.
fn findings_of(role: Role, reasons: &[Reason]) -> Vec<&'static str> {
    let finding = |reason: &Reason| match (role, reason) {
        (Role::Client, Reason::Version) => Some(FindingId::OfferMaxVersion),
        (Role::Client, Reason::CipherSuite | Reason::Group | Reason::Signature) => {
            Some(FindingId::OfferNoSuite)
        }
        (Role::Client, Reason::Root) => Some(FindingId::ClientRejectsRoot),
        (Role::Server, Reason::Version) => Some(FindingId::ServerMaxVersion),
        (Role::Server, Reason::CipherSuite | Reason::Group) => Some(FindingId::ServerNoSuite),
        _ => None,
    };
    let findings: Option<Vec<_>> = reasons.iter().map(finding).collect();
    findings.unwrap_or_default().into_iter().map(FindingId::name).collect()
}

impl Covers<'_> {
    /// Who agreed to leave this as it is, in every place that counts; of several entries the first.
    /// Which entries that took, or would have taken had they not expired, is added to `used`.
    fn find(
        &self,
        matter: Matter<'_>,
        counts: impl Fn(&Place<'_>) -> bool,
        used: &mut Vec<(usize, bool)>,
    ) -> Option<Arc<Excepted>> {
        let verdict = matches!(matter, Matter::Verdict(_));
        let speaks = |entry: &Exception| match matter {
            Matter::Finding(id) => entry.covers_finding(id),
            Matter::Verdict(ids) => {
                entry.findings.is_empty()
                    || !ids.is_empty() && ids.iter().all(|id| entry.covers_finding(id))
            }
        };
        let entries = self.entries.iter().filter_map(|at| Some((*at, self.exceptions.get(*at)?)));
        let (expired, valid): (Vec<_>, Vec<_>) = entries
            .filter(|(_, entry)| speaks(entry))
            .partition(|(_, one)| one.is_expired(self.day));
        let everywhere = |entries: &[(usize, &Exception)]| -> Option<BTreeSet<usize>> {
            let mut places = self.places.iter().filter(|place| counts(place)).peekable();
            if places.peek().is_none() {
                let first = entries.iter().find(|(_, entry)| !entry.asks_for_place());
                return first.map(|(at, _)| BTreeSet::from([*at]));
            }
            let first = |place| entries.iter().find(|(_, entry)| entry.covers_place(place));
            places.map(|place| first(place).map(|(at, _)| *at)).collect()
        };
        let found = everywhere(&valid);
        let taken = found.clone().or_else(|| everywhere(&expired)).unwrap_or_default();
        used.extend(taken.into_iter().map(|at| (at, verdict)));
        let first = self.exceptions.get(*found?.first()?)?;
        Some(Arc::clone(&first.agreed))
    }
}

/// Add up what entries were used for, and by whom.
fn count(uses: &mut [Use], used: &[(usize, bool)], mark: impl Fn(&mut Use)) {
    for (at, verdict) in used {
        if let Some(uses) = uses.get_mut(*at) {
            *if *verdict { &mut uses.verdicts } else { &mut uses.findings } += 1;
            mark(uses);
        }
    }
}

fn line(entry: &Exception, day: &str, uses: &Use) -> ExceptionLine {
    let status = if entry.is_expired(day) {
        ExceptionStatus::Expired
    } else if uses.verdicts + uses.findings > 0 {
        ExceptionStatus::Applied
    } else {
        ExceptionStatus::Unmatched
    };
    ExceptionLine {
        agreed: Arc::clone(&entry.agreed),
        matches: entry.to_string(),
        status,
        clients: uses.clients.len() as u64,
        servers: uses.servers.len() as u64,
        verdicts: uses.verdicts,
        findings: uses.findings,
    }
}

/// `2026-03-01`.
fn day_of(at: Timestamp) -> String {
    at.to_string().chars().take_while(|character| *character != 'T').collect()
}
