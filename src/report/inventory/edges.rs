//! The lines of edges and certificates, and what several kinds of lines add up.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::packet::Address;
use crate::policy;
use crate::record::{AlertBody, Evidence, Tally};
use crate::tls::Transport;
use crate::tls::codepoint::{CipherSuite, ProtocolVersion};
use crate::x509::Fingerprint;

use super::chains::address;
use super::facts::{EdgeFacts, Facts};
use super::outcomes::Judged;
use super::{CertificateLine, Edge, EdgeVerdict};

/// What was negotiated, and in how many connections.
#[derive(Default)]
pub(super) struct Negotiated {
    versions: BTreeMap<ProtocolVersion, u64>,
    cipher_suites: BTreeMap<CipherSuite, u64>,
}

impl Negotiated {
    pub(super) fn add(&mut self, evidence: &Evidence, tally: Tally) {
        // What a HelloRetryRequest asks for is no negotiated thing yet.
        if evidence.retry_only {
            return;
        }
        if let Some(version) = evidence.version {
            *self.versions.entry(version).or_default() += tally.connections;
        }
        if let Some(suite) = evidence.cipher_suite {
            *self.cipher_suites.entry(suite).or_default() += tally.connections;
        }
    }

    /// The versions by name.
    pub(super) fn versions(&self) -> BTreeMap<String, u64> {
        self.versions.iter().map(|(version, number)| (version.to_string(), *number)).collect()
    }

    /// The suites by number.
    pub(super) fn cipher_suites(&self) -> BTreeMap<String, u64> {
        self.cipher_suites.iter().map(|(suite, number)| (suite.to_string(), *number)).collect()
    }
}

/// Add tallies up; `None` for none.
pub(super) fn sum(tallies: impl IntoIterator<Item = Tally>) -> Option<Tally> {
    tallies.into_iter().reduce(|mut sum, tally| {
        sum.add(tally);
        sum
    })
}

pub(super) fn lines<'a>(facts: &'a Facts<'a>, judged: &Judged) -> Vec<Edge> {
    let (mut came, mut verdicts) = (Shared::default(), Verdicts::new(facts));
    let line = |edge: &EdgeFacts<'a>| {
        let offer = facts.stacks.get(edge.stack).and_then(|stack| facts.offer(stack.key));
        let Came { outcomes, versions, cipher_suites, alerts } = came.of(edge);
        Edge {
            client: edge.client,
            transport: edge.transport,
            ja4: offer.map(|offer| Arc::clone(&offer.ja4)),
            offer: offer.map(|offer| Arc::clone(offer.offer)),
            server: facts.server_name(edge),
            sni: edge.key.sni.clone(),
            connections: edge.edge.tally.connections,
            first_seen: edge.edge.tally.first,
            last_seen: edge.edge.tally.last,
            outcomes,
            versions,
            cipher_suites,
            alerts,
            verdicts: verdicts.of(judged, edge),
        }
    };
    facts.edges.iter().map(line).collect()
}

/// What came of the connections of an edge.
#[derive(Clone)]
struct Came {
    outcomes: Arc<BTreeMap<&'static str, u64>>,
    versions: Arc<BTreeMap<String, u64>>,
    cipher_suites: Arc<BTreeMap<String, u64>>,
    alerts: Arc<BTreeMap<String, u64>>,
}

/// The same of edges that prove the same as often.
#[derive(Default)]
struct Shared {
    known: HashMap<Vec<(usize, u64)>, Came, RandomState>,
    outcomes: Once<&'static str>,
    versions: Once<String>,
    cipher_suites: Once<String>,
    alerts: Once<String>,
    /// What an edge proves, and how often.
    proven: Vec<(usize, u64)>,
}

impl Shared {
    fn of(&mut self, edge: &EdgeFacts<'_>) -> Came {
        let evidence = edge.edge.evidence.iter();
        self.proven.clear();
        self.proven.extend(evidence.map(|(one, tally)| (address(one), tally.connections)));
        if let Some(known) = self.known.get(&self.proven) {
            return known.clone();
        }
        let came = self.come(edge);
        self.known.insert(self.proven.clone(), came.clone());
        came
    }
}

/// Every map of counts, once.
type Once<K> = HashSet<Arc<BTreeMap<K, u64>>, RandomState>;

impl Shared {
    fn come(&mut self, edge: &EdgeFacts<'_>) -> Came {
        let mut negotiated = Negotiated::default();
        let mut outcomes = BTreeMap::new();
        let mut alerts = BTreeMap::new();
        for (evidence, tally) in edge.edge.evidence.iter() {
            negotiated.add(evidence, *tally);
            *outcomes.entry(evidence.outcome.name()).or_default() += tally.connections;
            for alert in &evidence.alerts {
                let words = match alert.body {
                    AlertBody::Plain { description, .. } => description.to_string(),
                    AlertBody::Encrypted => "encrypted".to_owned(),
                };
                let words = format!("{} {words}", alert.from.name());
                *alerts.entry(words).or_default() += tally.connections;
            }
        }
        Came {
            outcomes: once(&mut self.outcomes, outcomes),
            versions: once(&mut self.versions, negotiated.versions()),
            cipher_suites: once(&mut self.cipher_suites, negotiated.cipher_suites()),
            alerts: once(&mut self.alerts, alerts),
        }
    }
}

/// The one map of these counts.
fn once<K: Ord + Hash>(known: &mut Once<K>, counts: BTreeMap<K, u64>) -> Arc<BTreeMap<K, u64>> {
    if let Some(known) = known.get(&counts) {
        return Arc::clone(known);
    }
    let counts = Arc::new(counts);
    known.insert(Arc::clone(&counts));
    counts
}

/// What becomes of edges, in words that those share of which the same becomes.
struct Verdicts<'f> {
    facts: &'f Facts<'f>,
    known: HashMap<(Transport, Vec<policy::Edge>), Arc<[EdgeVerdict]>, RandomState>,
}

impl<'f> Verdicts<'f> {
    fn new(facts: &'f Facts<'f>) -> Self {
        Self { facts, known: HashMap::default() }
    }

    fn of(&mut self, judged: &Judged, edge: &EdgeFacts<'f>) -> Arc<[EdgeVerdict]> {
        let cases: Vec<_> = self.facts.cases(edge).collect();
        let client = judged.stacks.get(edge.stack).map(|stack| &*stack.outcomes);
        let server = judged.servers.get(edge.server);
        let ends = client.into_iter().flatten().zip(server.into_iter().flatten());
        let policies = &self.facts.question.policies;
        let judge = |(policy, (client, server)): (&Arc<policy::Policy>, _)| {
            policy::edge(policy, client, server, &cases)
        };
        let verdicts: Vec<policy::Edge> = policies.iter().zip(ends).map(judge).collect();
        let key = (edge.transport, verdicts);
        if let Some(known) = self.known.get(&key) {
            return Arc::clone(known);
        }
        let line = |(policy, verdict)| told(policy, edge.transport, verdict);
        let lines: Arc<[_]> =
            policies.iter().map(|policy| &policy.id).zip(key.1.iter().copied()).map(line).collect();
        self.known.insert(key, Arc::clone(&lines));
        lines
    }
}

fn told(policy: &Arc<str>, transport: Transport, verdict: policy::Edge) -> EdgeVerdict {
    let (version, suite) = match verdict {
        policy::Edge::Upgrades { version, suite } => (Some(version), suite),
        _ => (None, None),
    };
    EdgeVerdict {
        policy: Arc::clone(policy),
        outcome: verdict.name(),
        version: version.map(|version| over(version, transport)),
        cipher_suite: suite.map(|suite| suite.to_string()),
        ends: match verdict {
            policy::Edge::Breaks(policy::Ends::Client) => vec!["client"],
            policy::Edge::Breaks(policy::Ends::Server) => vec!["server"],
            policy::Edge::Breaks(policy::Ends::Both) => vec!["client", "server"],
            _ => Vec::new(),
        },
        reasons: match verdict {
            policy::Edge::Unknown(reason) => reason.into_iter().collect(),
            _ => Vec::new(),
        },
    }
}

/// A version by its name on that transport.
const fn over(version: ProtocolVersion, transport: Transport) -> ProtocolVersion {
    match (transport, version) {
        (Transport::Udp, ProtocolVersion::TLS1_1) => ProtocolVersion::DTLS1_0,
        (Transport::Udp, ProtocolVersion::TLS1_2) => ProtocolVersion::DTLS1_2,
        (Transport::Udp, ProtocolVersion::TLS1_3) => ProtocolVersion::DTLS1_3,
        _ => version,
    }
}

/// The certificates of the edges in scope.
pub(super) fn certificates(facts: &Facts<'_>) -> Vec<CertificateLine> {
    /// Where something was seen.
    #[derive(Default)]
    struct Seen {
        tally: Option<Tally>,
        servers: BTreeSet<usize>,
        clients: HashSet<Address, RandomState>,
    }
    impl Seen {
        fn add(&mut self, tally: Tally) -> &mut Self {
            self.tally = sum(self.tally.into_iter().chain([tally]));
            self
        }
    }
    // First by evidence, which many edges share and most certificates have little of.
    let mut proven: HashMap<usize, (&Evidence, Seen), RandomState> = HashMap::default();
    for edge in &facts.edges {
        for (evidence, tally) in edge.edge.evidence.iter() {
            if evidence.certificates.is_empty() && evidence.client_certificates.is_empty() {
                continue;
            }
            let (_, seen) =
                proven.entry(address(evidence)).or_insert_with(|| (evidence, Seen::default()));
            seen.add(*tally).servers.insert(edge.server);
            if !evidence.client_certificates.is_empty() {
                seen.clients.insert(edge.client);
            }
        }
    }
    let mut seen: BTreeMap<&Fingerprint, Seen> = BTreeMap::new();
    for (evidence, Seen { tally, servers, clients }) in proven.values() {
        let Some(tally) = *tally else { continue };
        let sent: BTreeSet<_> = evidence.certificates.iter().collect();
        for fingerprint in &sent {
            seen.entry(fingerprint).or_default().add(tally).servers.extend(servers);
        }
        for fingerprint in evidence.client_certificates.iter().collect::<BTreeSet<_>>() {
            let seen = seen.entry(fingerprint).or_default();
            // Both ends may send that of their issuer: it is one connection.
            if !sent.contains(fingerprint) {
                seen.add(tally);
            }
            seen.clients.extend(clients);
        }
    }
    seen.into_iter()
        .filter_map(|(fingerprint, seen)| {
            let certificate = facts.snapshot.certificates.get(fingerprint)?;
            let tally = seen.tally?;
            let servers = seen.servers.iter().filter_map(|place| facts.servers.get(*place));
            Some(CertificateLine {
                certificate: Arc::clone(certificate),
                connections: tally.connections,
                first_seen: tally.first,
                last_seen: tally.last,
                servers: servers.map(|server| Arc::clone(&server.name)).collect(),
                clients: seen.clients.len() as u64,
            })
        })
        .collect()
}
