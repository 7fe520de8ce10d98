//! The lines of servers.

use std::collections::{BTreeMap, BTreeSet};

use crate::census::{self, Latency, ServerKey};
use crate::clock::milliseconds;
use crate::packet::Mac;
use crate::policy::{Outcome, ServerOutcome};
use crate::record::{Evidence, Tally};
use crate::x509::chain::{ChainReport, ChainStatus};

use super::clients::clients_of;
use super::edges::{Negotiated, sum};
use super::findings;
use super::judge::{EdgeFacts, Facts, Judged};
use super::{HandshakeTimes, Server, ServerName, ServerVerdict};

pub(super) fn lines(facts: &Facts<'_>, judged: &Judged<'_>) -> Vec<Server> {
    let mut edges: BTreeMap<&ServerKey, Vec<&EdgeFacts<'_>>> = BTreeMap::new();
    for edge in &facts.edges {
        edges.entry(edge.server).or_default().push(edge);
    }
    // Without a scope every server is listed, even one whose edges found no room.
    if facts.question.scope.is_all() {
        for (key, _) in facts.servers() {
            edges.entry(key).or_default();
        }
    }
    let mut whole: BTreeMap<&ServerKey, Whole> = BTreeMap::new();
    for (key, server) in facts.servers() {
        whole.entry(key).or_default().add(server);
    }
    let nothing = Whole::default();
    let whole = |key| whole.get(key).unwrap_or(&nothing);
    edges.iter().filter_map(|(key, edges)| line(facts, judged, (*key, edges), whole(key))).collect()
}

/// What was counted of a server, whatever of its connections is listed.
#[derive(Default)]
struct Whole {
    macs: BTreeSet<Mac>,
    tally: Option<Tally>,
    latency: Latency,
}

impl Whole {
    fn add(&mut self, server: &census::Server) {
        self.macs.extend(&server.macs);
        self.tally = sum(self.tally.into_iter().chain([server.tally]));
        self.latency.add(&server.latency);
    }
}

fn line(
    facts: &Facts<'_>,
    judged: &Judged<'_>,
    (key, edges): (&ServerKey, &[&EdgeFacts<'_>]),
    whole: &Whole,
) -> Option<Server> {
    let tally = match whole.tally {
        Some(tally) if facts.question.scope.is_all() => tally,
        _ => sum(edges.iter().map(|edge| edge.edge.tally))?,
    };
    let macs: Vec<Mac> = whole.macs.iter().copied().collect();
    let mut negotiated = Negotiated::default();
    let evidence = || edges.iter().flat_map(|edge| edge.edge.evidence.iter());
    for (evidence, tally) in evidence() {
        negotiated.add(evidence, *tally);
    }
    let newest = newest_chain(evidence().map(|(evidence, tally)| (&**evidence, *tally)));
    let chain = newest.map_or_else(
        || ChainReport::unseen(ChainStatus::NotSeen),
        |evidence| facts.chains.report(evidence).clone(),
    );
    let cases: Vec<_> = edges.iter().flat_map(|edge| facts.cases(edge)).collect();
    let outcomes = judged.servers.get(key).map_or(&[][..], Vec::as_slice);
    let asked = outcomes.get(..facts.question.policies.len()).unwrap_or_default();
    let findings = findings::of_server(facts, &cases, outcomes);
    // Behind a proxy the address is the proxy's.
    let own = key.target.is_none().then_some(key.ip);
    let group = own.and_then(|ip| facts.question.names.group(ip));
    let named_by = own.map(|ip| facts.names(ip)).unwrap_or_default();
    let mac = facts.own_mac(key.ip, &macs);
    Some(Server {
        name: ServerName::from(key),
        names: named_by.keys().cloned().collect(),
        named_by,
        mac,
        vendor: mac.and_then(|mac| facts.question.names.vendor(mac)),
        owner: group.and_then(|group| group.owner.clone()),
        site: group.and_then(|group| group.site.clone()),
        internal: facts.question.internal.contain_server(key),
        snis: edges
            .iter()
            .filter_map(|edge| edge.key.sni.clone())
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect(),
        versions: negotiated.versions,
        cipher_suites: negotiated.cipher_suites,
        chain,
        certificates: newest.map(|evidence| evidence.certificates.clone()).unwrap_or_default(),
        clients: clients_of(edges.iter().copied()).len() as u64,
        connections: tally.connections,
        first_seen: tally.first,
        last_seen: tally.last,
        handshake_ms: HandshakeTimes::of(&whole.latency),
        verdicts: facts
            .question
            .policies
            .iter()
            .zip(outcomes)
            .map(|(policy, judged)| ServerVerdict {
                policy: policy.id.clone(),
                outcome: judged.outcome,
                reasons: judged.reasons.clone(),
                evidence: judged.sentence(),
                snis: worst_names(judged),
                excepted: None,
            })
            .collect(),
        remediations: findings::server_remedies(asked),
        findings,
    })
}

/// The evidence of the chain that was seen last; where none was, what says best why.
fn newest_chain<'a>(evidence: impl Iterator<Item = (&'a Evidence, Tally)>) -> Option<&'a Evidence> {
    evidence
        .max_by_key(|(evidence, tally)| {
            let shown = !evidence.certificates.is_empty();
            (shown, evidence.version.is_some(), tally.last, std::cmp::Reverse(*evidence))
        })
        .map(|(evidence, _)| evidence)
}

/// The names by which a server is no better than its outcome; none if that is ready or unknown.
fn worst_names(judged: &ServerOutcome) -> Vec<Option<String>> {
    if matches!(judged.outcome, Outcome::Ready | Outcome::Unknown) {
        return Vec::new();
    }
    judged
        .names
        .iter()
        .filter(|name| name.outcome == judged.outcome)
        .map(|name| name.name.as_deref().map(str::to_owned))
        .collect()
}

impl HandshakeTimes {
    /// The times of a distribution, if there are any.
    pub(super) fn of(latency: &Latency) -> Option<Self> {
        let ms = |share| latency.quantile(share).map(milliseconds);
        Some(Self {
            count: latency.count(),
            p50: ms(0.5)?,
            p90: ms(0.9)?,
            p99: ms(0.99)?,
            max: ms(1.0)?,
        })
    }
}
