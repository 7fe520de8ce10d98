//! [`Inventory`]: a census judged, host by host; the JSON report is this value written out.
//!
//! In go a snapshot, policies, trust and the two questions of scope (which servers enforce, which
//! hosts are ours); out comes every client stack and every server with what it does under each
//! policy, why, and what to change. The same facts give the same bytes.

mod chains;
mod clients;
mod coverage;
mod edges;
mod facts;
mod fallback;
mod findings;
mod identity;
mod judge;
mod lines;
mod outcomes;
mod roots;
mod servers;
mod totals;
mod watch;

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write as _};
use std::panic;
use std::sync::Arc;
use std::thread::ScopedJoinHandle;

use serde::{Serialize, Serializer};

use crate::census::ServerKey;
use crate::clock::Timestamp;
use crate::packet::{Address, Endpoint, Mac};
use crate::policy::{Outcome, Reason};
use crate::recognise::Candidate;
use crate::tls::Transport;
use crate::tls::codepoint::ProtocolVersion;
use crate::tls::hello::Offer;
use crate::x509::chain::ChainReport;
use crate::x509::{Certificate, Fingerprint, StoreSummary};

use super::exceptions::{Excepted, ExceptionLine};

pub use coverage::{CoverageLine, LostLine, PacketCoverage, PassedOver, SourceLine, UnlistedLine};
use lines::Lines;

pub use identity::NamedBy;
pub use judge::Question;
pub use roots::{ChainTotals, RootLine, UnknownRoot};
pub use totals::{Counts, ExceptedTotals, OutOfScope, PolicyTotals, Successor, Summary};
pub use watch::{NewStacks, UnseenLine, WatchLine};

/// The name and version of the JSON schema.
pub const SCHEMA: &str = "tlscensus.inventory/1";

/// A census judged.
#[derive(Clone, Debug, Serialize)]
pub struct Inventory {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// Whether addresses and names are replaced by keyed hashes.
    pub anonymized: bool,
    /// What was read.
    pub sources: Vec<SourceLine>,
    /// The policies it is judged by, the first one first.
    pub policies: Vec<PolicyLine>,
    /// The trust stores that chains were verified against.
    pub trust: Vec<TrustLine>,
    /// The patterns of servers it speaks of; none: all.
    pub scope: Vec<String>,
    /// What was to be left as it is, and what came of that.
    pub exceptions: Vec<ExceptionLine>,
    /// The numbers.
    pub summary: Summary,
    /// Client hosts that talk to a server in scope, by address.
    pub clients: Vec<Client>,
    /// Servers in scope.
    pub servers: Vec<Server>,
    /// Who talks to whom.
    pub edges: Vec<Edge>,
    /// The certificates of these connections, by fingerprint.
    pub certificates: Vec<CertificateLine>,
    /// What could not be seen.
    pub coverage: CoverageLine,
    /// What was left out as it was not asked for: a page with nothing on it says so.
    #[serde(skip)]
    pub narrowed: Narrowed,
}

/// What a question leaves out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Narrowed {
    /// Handshakes that began at another time.
    pub window: bool,
    /// Packets that do not match a filter.
    pub filter: bool,
}

impl Inventory {
    /// Whether a client host or a server of ours breaks under the first policy, and nobody agreed
    /// to that.
    pub fn breaks(&self) -> bool {
        self.summary.policies.first().is_some_and(|totals| {
            let excepted = totals.excepted;
            totals.client_hosts.breaks > excepted.client_hosts
                || totals.servers.breaks > excepted.servers
        })
    }

    /// Whether there is a finding of severity medium or worse, under the first policy or under any,
    /// and nobody agreed to it.
    pub fn has_findings(&self) -> bool {
        let first = self.policies.first().map(|policy| &policy.id);
        let of_clients = self.clients.iter().flat_map(|client| &client.stacks);
        let mut findings = of_clients
            .flat_map(|stack| &stack.findings)
            .chain(self.servers.iter().flat_map(|server| &server.findings));
        findings.any(|finding| {
            finding.is_serious() && finding.is_under(first) && finding.excepted.is_none()
        })
    }

    /// Write the JSON report.
    pub fn write_json(&self, out: &mut dyn io::Write) -> io::Result<()> {
        // Its parts are a few bytes each.
        let mut out = io::BufWriter::with_capacity(1 << 16, out);
        self.serialize(&mut serde_json::Serializer::with_formatter(&mut out, Lines::default()))?;
        out.write_all(b"\n")?;
        out.flush()
    }
}

/// A policy, as reports name it.
#[derive(Clone, Debug, Serialize)]
pub struct PolicyLine {
    /// Its id.
    pub id: Arc<str>,
    /// Its title.
    pub title: Box<str>,
    /// Whether it stands.
    pub status: String,
    /// The document.
    pub document: Option<Box<str>>,
    /// Its date.
    pub date: Option<Box<str>>,
    /// Patterns of the servers that the text speaks of: a hint for the scope.
    pub scope: Vec<Box<str>>,
}

/// A trust store, as reports name it.
#[derive(Clone, Debug, Serialize)]
pub struct TrustLine {
    /// Its name.
    pub name: String,
    /// Where it came from.
    pub origin: String,
    /// It is the organisation's own.
    #[serde(skip)]
    pub private: bool,
    /// How many roots it has.
    pub roots: usize,
}

impl From<&StoreSummary> for TrustLine {
    fn from(store: &StoreSummary) -> Self {
        Self {
            name: store.name.clone(),
            origin: store.origin.clone(),
            private: store.private,
            roots: store.anchors,
        }
    }
}

/// A client host.
#[derive(Clone, Debug, Serialize)]
pub struct Client {
    /// Its address; the lowest if it has several.
    pub ip: Address,
    /// All its addresses.
    pub addresses: Vec<Address>,
    /// Its MAC address, where layer 2 shows the host itself.
    pub mac: Option<Mac>,
    /// Who made its network card, as far as a table of this machine says it.
    pub vendor: Option<String>,
    /// Its names.
    pub names: Vec<String>,
    /// Who said each of them: a file of names, or a protocol on the wire.
    pub named_by: NamedBy,
    /// Who owns its network.
    pub owner: Option<String>,
    /// Where its network is.
    pub site: Option<String>,
    /// It is one of ours.
    pub internal: bool,
    /// It runs more stacks than one host does: perhaps a proxy, or address translation.
    pub maybe_several_hosts: bool,
    /// Connections to servers in scope.
    pub connections: u64,
    /// When the first of them was seen.
    pub first_seen: Timestamp,
    /// When the last.
    pub last_seen: Timestamp,
    /// What becomes of it under each policy: the worst of its stacks.
    pub verdicts: Vec<HostVerdict>,
    /// Its stacks that talk to a server in scope.
    pub stacks: Vec<Stack>,
}

impl Client {
    /// `also at 10.0.0.6 and 10.0.0.7`, where it has several addresses: a MAC address or a name joined
    /// them, and what is said of it may have been seen at any.
    pub(in crate::report) fn elsewhere(&self) -> Option<String> {
        let others = self.addresses.iter().filter(|one| **one != self.ip);
        let others: Vec<_> = others.map(ToString::to_string).collect();
        (!others.is_empty())
            .then(|| format!("also at {}", super::text::listed(&others, usize::MAX)))
    }
}

/// What becomes of a host under a policy.
#[derive(Clone, Debug, Serialize)]
pub struct HostVerdict {
    /// The policy's id.
    pub policy: Arc<str>,
    /// The outcome.
    pub outcome: Outcome,
    /// Who agreed to leave it as it is; absent where nobody did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub excepted: Option<Arc<Excepted>>,
}

/// One way in which a host speaks TLS.
#[derive(Clone, Debug, Serialize)]
pub struct Stack {
    /// What it runs over.
    pub transport: Transport,
    /// JA4 of its offer, if a ClientHello was seen; empty of one that was cut, or in the format of
    /// SSL 2.0.
    pub ja4: Option<Arc<str>>,
    /// JA3 of its offer, likewise.
    pub ja3: Option<Arc<str>>,
    /// The highest version that it offers.
    pub max_version: Option<ProtocolVersion>,
    /// JA4 of the stack of which this one is the retry with less.
    pub fallback_of: Option<Arc<str>>,
    /// What it offers.
    pub offer: Option<Arc<Offer>>,
    /// Whose software it may be.
    pub software: Arc<[Candidate]>,
    /// Connections to servers in scope.
    pub connections: u64,
    /// When the first of them was seen.
    pub first_seen: Timestamp,
    /// When the last.
    pub last_seen: Timestamp,
    /// The servers in scope that it talked to.
    pub servers: Vec<Arc<ServerName>>,
    /// The names that it asked for.
    pub snis: Vec<Arc<str>>,
    /// What becomes of it under each policy.
    pub verdicts: Vec<StackVerdict>,
    /// What is wrong with it.
    pub findings: Vec<Finding>,
    /// What to change.
    pub remediations: Arc<[Remedy]>,
}

impl Stack {
    /// The offer of which this stack is the retry with less, in a word that is never empty: one in the
    /// format of SSL 2.0 has no JA4.
    pub(in crate::report) fn retry_of(&self) -> Option<&str> {
        self.fallback_of.as_deref().map(|ja4| if ja4.is_empty() { "without a JA4" } else { ja4 })
    }
}

/// What becomes of a client stack under a policy.
#[derive(Clone, Debug, Serialize)]
pub struct StackVerdict {
    /// The policy's id.
    pub policy: Arc<str>,
    /// The outcome.
    pub outcome: Outcome,
    /// Why.
    pub reasons: Arc<[Reason]>,
    /// What it rests on, in a sentence.
    pub evidence: Arc<str>,
    /// Who agreed to leave it as it is; absent where nobody did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub excepted: Option<Arc<Excepted>>,
}

/// A finding, with how often it was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// Its id.
    pub id: &'static str,
    /// How bad it is.
    pub severity: &'static str,
    /// Whom it concerns.
    pub concerns: &'static str,
    /// The policies under which it is one; none: under any.
    pub policies: Arc<[Arc<str>]>,
    /// In a sentence.
    pub text: Arc<str>,
    /// The id of what to change.
    pub remediation: Option<&'static str>,
    /// In how many connections.
    pub connections: u64,
    /// Who agreed to leave it as it is; absent where nobody did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub excepted: Option<Arc<Excepted>>,
}

impl Finding {
    /// Whether it is to be mended: of severity medium or worse.
    pub fn is_serious(&self) -> bool {
        matches!(self.severity, "critical" | "high" | "medium")
    }

    /// Whether it is one under this policy.
    pub fn is_under(&self, policy: Option<&Arc<str>>) -> bool {
        self.policies.is_empty() || policy.is_some_and(|id| self.policies.contains(id))
    }
}

/// What to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Remedy {
    /// Its id.
    pub id: &'static str,
    /// In one line.
    pub title: &'static str,
}

/// A server, as clients name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ServerName {
    /// Its address; a proxy's where there is a target.
    pub ip: Address,
    /// Its port.
    pub port: u16,
    /// What the proxy was asked for.
    pub target: Option<Box<str>>,
    /// The application protocol, if it was seen.
    pub application: Option<String>,
}

impl From<&ServerKey> for ServerName {
    fn from(key: &ServerKey) -> Self {
        Self {
            ip: key.ip,
            port: key.port,
            target: key.target.clone(),
            application: key.application.as_deref().map(str::to_owned),
        }
    }
}

impl ServerName {
    /// With its application protocol, where that is worth saying: one port may speak several.
    pub(in crate::report) fn with_application(&self) -> String {
        match self.application.as_deref() {
            None | Some("http" | "http-connect" | "socks") => self.to_string(),
            Some(application) => format!("{self} ({application})"),
        }
    }
}

/// `203.0.113.7:443`, behind a proxy `crm.example.com:443 via 10.0.0.1:3128`.
impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(target) = &self.target {
            write!(f, "{target} via ")?;
        }
        Endpoint { address: self.ip, port: self.port }.fmt(f)
    }
}

/// A server.
#[derive(Clone, Debug, Serialize)]
pub struct Server {
    /// Who it is.
    #[serde(flatten)]
    pub name: Arc<ServerName>,
    /// Its names.
    pub names: Vec<String>,
    /// Who said each of them: a file of names, or a protocol on the wire.
    pub named_by: NamedBy,
    /// Its MAC address, where layer 2 shows the host itself.
    pub mac: Option<Mac>,
    /// Who made its network card, as far as a table of this machine says it.
    pub vendor: Option<String>,
    /// Who owns its network.
    pub owner: Option<String>,
    /// Where its network is.
    pub site: Option<String>,
    /// It is one of ours.
    pub internal: bool,
    /// The names that it was asked for.
    pub snis: Vec<Arc<str>>,
    /// Negotiated versions, and in how many connections.
    pub versions: BTreeMap<String, u64>,
    /// Negotiated suites, likewise.
    pub cipher_suites: BTreeMap<String, u64>,
    /// What its newest chain is worth.
    pub chain: ChainReport,
    /// The certificates of that chain.
    pub certificates: Vec<Fingerprint>,
    /// How many client hosts talked to it.
    pub clients: u64,
    /// Connections.
    pub connections: u64,
    /// When the first was seen.
    pub first_seen: Timestamp,
    /// When the last.
    pub last_seen: Timestamp,
    /// How long its handshakes took.
    pub handshake_ms: Option<HandshakeTimes>,
    /// What becomes of it under each policy.
    pub verdicts: Vec<ServerVerdict>,
    /// What is wrong with it.
    pub findings: Vec<Finding>,
    /// What to change.
    pub remediations: Vec<Remedy>,
}

/// How long handshakes took, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct HandshakeTimes {
    /// How many were timed.
    pub count: u64,
    /// Half took at most this.
    pub p50: f64,
    /// Nine of ten.
    pub p90: f64,
    /// Ninety-nine of a hundred.
    pub p99: f64,
    /// All.
    pub max: f64,
}

/// What becomes of a server under a policy.
#[derive(Clone, Debug, Serialize)]
pub struct ServerVerdict {
    /// The policy's id.
    pub policy: Arc<str>,
    /// The outcome: the worst of its names.
    pub outcome: Outcome,
    /// Why.
    pub reasons: Vec<Reason>,
    /// What it rests on, in a sentence.
    pub evidence: String,
    /// The names by which it is no better than that.
    pub snis: Vec<Option<String>>,
    /// Where it is ready and has several names, those by which it is; no report lists them.
    #[serde(skip)]
    pub ready: Vec<Option<String>>,
    /// Who agreed to leave it as it is; absent where nobody did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub excepted: Option<Arc<Excepted>>,
}

/// What came of a client stack's talking to a server by one name. There are many of them: what is the
/// same of several they share.
#[derive(Clone, Debug, Serialize)]
pub struct Edge {
    /// The client.
    pub client: Address,
    /// What it ran over.
    pub transport: Transport,
    /// JA4 of the offer, as the client's stack has it.
    pub ja4: Option<Arc<str>>,
    /// The offer, the very one that the stack has: several share a JA4. No report lists it here.
    #[serde(skip)]
    pub offer: Option<Arc<Offer>>,
    /// The server.
    pub server: Arc<ServerName>,
    /// The name that was asked for.
    pub sni: Option<Arc<str>>,
    /// Connections.
    pub connections: u64,
    /// When the first was seen.
    pub first_seen: Timestamp,
    /// When the last.
    pub last_seen: Timestamp,
    /// How the handshakes ended, and how often so.
    pub outcomes: Arc<BTreeMap<&'static str, u64>>,
    /// Negotiated versions.
    pub versions: Arc<BTreeMap<String, u64>>,
    /// Negotiated suites.
    pub cipher_suites: Arc<BTreeMap<String, u64>>,
    /// Alerts as `server protocol_version`.
    pub alerts: Arc<BTreeMap<String, u64>>,
    /// What becomes of it under each policy.
    pub verdicts: Arc<[EdgeVerdict]>,
}

impl Edge {
    /// Whether it is of this stack of its client's.
    pub(in crate::report) fn is_of(&self, stack: &Stack) -> bool {
        self.transport == stack.transport
            && which(self.offer.as_ref()) == which(stack.offer.as_ref())
    }
}

/// Which offer one is: in an inventory each stands once.
pub(in crate::report) fn which(offer: Option<&Arc<Offer>>) -> Option<*const Offer> {
    offer.map(Arc::as_ptr)
}

/// What becomes of an edge when its server enforces a policy.
#[derive(Clone, Debug, Serialize)]
pub struct EdgeVerdict {
    /// The policy's id.
    pub policy: Arc<str>,
    /// `unchanged`, `upgrades`, `breaks` or `unknown`.
    pub outcome: &'static str,
    /// Of one that upgrades: to which version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<ProtocolVersion>,
    /// And with which suite, where the server was seen to choose it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cipher_suite: Option<String>,
    /// Which ends break.
    pub ends: Vec<&'static str>,
    /// Why it is not known.
    pub reasons: Vec<Reason>,
}

/// A certificate, and where it was seen.
#[derive(Clone, Debug, Serialize)]
pub struct CertificateLine {
    /// What it says.
    #[serde(flatten, serialize_with = "certificate_fields")]
    pub certificate: Arc<Certificate>,
    /// In how many connections.
    pub connections: u64,
    /// When first.
    pub first_seen: Timestamp,
    /// When last.
    pub last_seen: Timestamp,
    /// The servers that sent it.
    pub servers: Vec<Arc<ServerName>>,
    /// How many client hosts sent it.
    pub clients: u64,
}

fn certificate_fields<S: Serializer>(
    certificate: &Arc<Certificate>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    certificate.fields().serialize(serializer)
}

/// What a thread came to.
fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| panic::resume_unwind(panic))
}

#[cfg(test)]
mod sentences;
#[cfg(test)]
mod tests;
