//! The lines of edges and certificates, and what several kinds of lines add up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::policy;
use crate::record::{AlertBody, Evidence, Tally};
use crate::x509::Fingerprint;

use super::judge::{Facts, Judged};
use super::{CertificateLine, Edge, EdgeVerdict, ServerName};

/// What was negotiated, and in how many connections.
#[derive(Default)]
pub(super) struct Negotiated {
    pub(super) versions: BTreeMap<String, u64>,
    pub(super) cipher_suites: BTreeMap<String, u64>,
}

impl Negotiated {
    pub(super) fn add(&mut self, evidence: &Evidence, tally: Tally) {
        // What a HelloRetryRequest asks for is no negotiated thing yet.
        if evidence.retry_only {
            return;
        }
        if let Some(version) = evidence.version {
            *self.versions.entry(version.to_string()).or_default() += tally.connections;
        }
        if let Some(suite) = evidence.cipher_suite {
            *self.cipher_suites.entry(suite.to_string()).or_default() += tally.connections;
        }
    }
}

/// Add tallies up; `None` for none.
pub(super) fn sum(tallies: impl IntoIterator<Item = Tally>) -> Option<Tally> {
    tallies.into_iter().reduce(|mut sum, tally| {
        sum.add(tally);
        sum
    })
}

pub(super) fn lines(facts: &Facts<'_>, judged: &Judged<'_>) -> Vec<Edge> {
    facts
        .edges
        .iter()
        .map(|edge| {
            let offer = edge.stack.offer.and_then(|id| facts.snapshot.offers.get(&id));
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
            Edge {
                client: edge.client,
                transport: edge.stack.transport,
                ja4: offer.map(|offer| offer.ja4.clone()),
                server: ServerName::from(edge.server),
                sni: edge.key.sni.clone(),
                connections: edge.edge.tally.connections,
                first_seen: edge.edge.tally.first,
                last_seen: edge.edge.tally.last,
                outcomes,
                versions: negotiated.versions,
                cipher_suites: negotiated.cipher_suites,
                alerts,
                verdicts: verdicts(facts, judged, edge),
            }
        })
        .collect()
}

fn verdicts(
    facts: &Facts<'_>,
    judged: &Judged<'_>,
    edge: &super::judge::EdgeFacts<'_>,
) -> Vec<EdgeVerdict> {
    let cases: Vec<_> = facts.cases(edge).collect();
    let client = judged.stacks.get(&(edge.client, edge.stack)).map(|stack| &stack.outcomes);
    let server = judged.servers.get(edge.server);
    let ends = client.into_iter().flatten().zip(server.into_iter().flatten());
    let policies = facts.question.policies.iter();
    policies
        .zip(ends)
        .map(|(policy, (client, server))| {
            let verdict = policy::edge(policy, client, server, &cases);
            EdgeVerdict {
                policy: policy.id.clone(),
                outcome: verdict.name(),
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
        })
        .collect()
}

/// The certificates of the edges in scope.
pub(super) fn certificates(facts: &Facts<'_>) -> Vec<CertificateLine> {
    #[derive(Default)]
    struct Seen {
        tally: Option<Tally>,
        servers: BTreeSet<ServerName>,
        clients: BTreeSet<crate::packet::Address>,
    }
    let mut seen: BTreeMap<Fingerprint, Seen> = BTreeMap::new();
    for edge in &facts.edges {
        for (evidence, tally) in edge.edge.evidence.iter() {
            for fingerprint in evidence.certificates.iter().collect::<BTreeSet<_>>() {
                let entry = seen.entry(*fingerprint).or_default();
                entry.tally = sum(entry.tally.into_iter().chain([*tally]));
                entry.servers.insert(ServerName::from(edge.server));
            }
            for fingerprint in evidence.client_certificates.iter().collect::<BTreeSet<_>>() {
                let entry = seen.entry(*fingerprint).or_default();
                entry.tally = sum(entry.tally.into_iter().chain([*tally]));
                entry.clients.insert(edge.client);
            }
        }
    }
    seen.into_iter()
        .filter_map(|(fingerprint, seen)| {
            let certificate = facts.snapshot.certificates.get(&fingerprint)?;
            let tally = seen.tally?;
            Some(CertificateLine {
                certificate: Arc::clone(certificate),
                connections: tally.connections,
                first_seen: tally.first,
                last_seen: tally.last,
                servers: seen.servers.into_iter().collect(),
                clients: seen.clients.len() as u64,
            })
        })
        .collect()
}
