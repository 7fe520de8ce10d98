//! The lines of servers.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::census::{self, Latency};
use crate::clock::milliseconds;
use crate::packet::Mac;
use crate::policy::{Outcome, ServerOutcome};
use crate::record::{Evidence, Tally};
use crate::x509::chain::{ChainReport, ChainStatus};

use super::edges::{Negotiated, sum};
use super::facts::{Facts, ServerFacts};
use super::findings::{self, Findings};
use super::outcomes::Judged;
use super::{HandshakeTimes, Server, ServerVerdict};

pub(super) fn lines(facts: &Facts<'_>, judged: &Judged) -> Vec<Server> {
    let mut findings = Findings::new(facts);
    let servers = facts.servers.iter().zip(&judged.servers);
    servers.filter_map(|(server, outcomes)| line(facts, server, outcomes, &mut findings)).collect()
}

/// What was counted of a server, whatever of its connections is listed.
struct Whole<'a> {
    macs: Vec<Mac>,
    tally: Option<Tally>,
    latency: Cow<'a, Latency>,
}

impl<'a> Whole<'a> {
    fn of(counted: &[&'a census::Server]) -> Self {
        let macs: BTreeSet<Mac> = counted.iter().flat_map(|server| &server.macs).copied().collect();
        let latency = match counted {
            [only] => Cow::Borrowed(&only.latency),
            several => {
                let mut sum = Latency::default();
                for server in several {
                    sum.add(&server.latency);
                }
                Cow::Owned(sum)
            }
        };
        Self {
            macs: macs.into_iter().collect(),
            tally: sum(counted.iter().map(|server| server.tally)),
            latency,
        }
    }
}

fn line<'f>(
    facts: &'f Facts<'f>,
    server: &'f ServerFacts<'f>,
    outcomes: &'f [ServerOutcome],
    findings: &mut Findings<'f>,
) -> Option<Server> {
    let key = server.key;
    let edges = || facts.edges_to(server);
    let whole = Whole::of(&server.counted);
    let tally = match whole.tally {
        Some(tally) if facts.question.scope.is_all() => tally,
        _ => sum(edges().map(|edge| edge.edge.tally))?,
    };
    let mut negotiated = Negotiated::default();
    let evidence = || edges().flat_map(|edge| edge.edge.evidence.iter());
    for (evidence, tally) in evidence() {
        negotiated.add(evidence, *tally);
    }
    let newest = newest_chain(evidence().map(|(evidence, tally)| (&**evidence, *tally)));
    let chain = newest.map_or_else(
        || ChainReport::unseen(ChainStatus::NotSeen),
        |evidence| facts.chains.report(evidence).clone(),
    );
    let asked = outcomes.get(..facts.question.policies.len()).unwrap_or_default();
    let findings = findings.of_server(edges().flat_map(|edge| facts.cases(edge)), outcomes);
    // Behind a proxy the address is the proxy's.
    let own = key.target.is_none().then_some(key.ip);
    let group = own.and_then(|ip| facts.question.names.group(ip));
    let named_by = own.map(|ip| facts.names(ip)).unwrap_or_default();
    let mac = facts.own_mac(key.ip, &whole.macs);
    Some(Server {
        name: Arc::clone(&server.name),
        names: named_by.keys().cloned().collect(),
        named_by,
        mac,
        vendor: mac.and_then(|mac| facts.question.names.vendor(mac)),
        owner: group.and_then(|group| group.owner.clone()),
        site: group.and_then(|group| group.site.clone()),
        internal: facts.question.internal.contain_server(key),
        snis: edges()
            .filter_map(|edge| edge.key.sni.clone())
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect(),
        versions: negotiated.versions(),
        cipher_suites: negotiated.cipher_suites(),
        chain,
        certificates: newest.map(|evidence| evidence.certificates.clone()).unwrap_or_default(),
        clients: edges().map(|edge| edge.client).collect::<HashSet<_, RandomState>>().len() as u64,
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
                ready: names(judged, Outcome::Ready),
                excepted: None,
            })
            .collect(),
        remediations: findings::server_remedies(asked),
        findings,
    })
}

/// The evidence of the chain that was seen last, best to its end; where none was, what says best why.
fn newest_chain<'a>(evidence: impl Iterator<Item = (&'a Evidence, Tally)>) -> Option<&'a Evidence> {
    evidence
        .max_by_key(|(evidence, tally)| {
            let shown = !evidence.certificates.is_empty();
            let whole = !evidence.chain_cut;
            (shown, whole, evidence.version.is_some(), tally.last, std::cmp::Reverse(*evidence))
        })
        .map(|(evidence, _)| evidence)
}

/// The names by which a server is no better than its outcome; none if that is ready or unknown.
fn worst_names(judged: &ServerOutcome) -> Vec<Option<String>> {
    if matches!(judged.outcome, Outcome::Ready | Outcome::Unknown) {
        return Vec::new();
    }
    names(judged, judged.outcome)
}

/// The names by which a server is this, if that is its own outcome and it has several.
fn names(judged: &ServerOutcome, outcome: Outcome) -> Vec<Option<String>> {
    let all = if judged.is(outcome) { &*judged.names } else { &[] };
    all.iter()
        .filter(|name| name.outcome == outcome)
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
