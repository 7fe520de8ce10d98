//! The lines of client hosts and their stacks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::packet::Address;
use crate::policy::{Outcome, Reason};
use crate::record::Tally;

use super::edges::sum;
use super::findings;
use super::judge::{EdgeFacts, Facts, Judged, StackJudged};

use super::{Client, HostVerdict, ServerName, Stack, StackVerdict};

/// More stacks than this on one address: it may be several hosts.
const STACKS_OF_A_HOST: usize = 8;

pub(super) fn lines(facts: &Facts<'_>, judged: &Judged<'_>) -> Vec<Client> {
    let mut edges: BTreeMap<_, Vec<&EdgeFacts<'_>>> = BTreeMap::new();
    for edge in &facts.edges {
        edges.entry((edge.client, edge.stack)).or_default().push(edge);
    }
    let mut clients = Vec::new();
    for (ip, host) in &facts.snapshot.hosts {
        let stacks: Vec<_> = host
            .stacks
            .iter()
            .filter_map(|(key, whole)| {
                let judged = judged.stacks.get(&(*ip, *key))?;
                let edges = edges.get(&(*ip, *key)).map_or(&[][..], Vec::as_slice);
                // Without a scope the stack's own tally counts: bounds may have refused edges.
                let tally = if facts.question.scope.is_all() {
                    whole.tally
                } else {
                    sum(edges.iter().map(|edge| edge.edge.tally))?
                };
                Some((key, tally, edges, judged))
            })
            .collect();
        let Some(tally) = sum(stacks.iter().map(|(_, tally, ..)| *tally)) else {
            continue;
        };
        let own = host.stacks.len();
        let group = facts.question.names.group(*ip);
        let named_by = facts.names(*ip);
        let mac = facts.own_mac(*ip, &host.macs);
        clients.push(Client {
            ip: *ip,
            addresses: facts.identity.addresses(*ip),
            mac,
            vendor: mac.and_then(|mac| facts.question.names.vendor(mac)),
            names: named_by.keys().cloned().collect(),
            named_by,
            owner: group.and_then(|group| group.owner.clone()),
            site: group.and_then(|group| group.site.clone()),
            internal: facts.question.internal.contain(*ip),
            maybe_several_hosts: own > STACKS_OF_A_HOST,
            connections: tally.connections,
            first_seen: tally.first,
            last_seen: tally.last,
            verdicts: facts
                .policy_ids()
                .enumerate()
                .map(|(at, id)| HostVerdict {
                    policy: id.clone(),
                    outcome: host_outcome(stacks.iter().map(|(.., judged)| *judged), at),
                    excepted: None,
                })
                .collect(),
            stacks: stacks
                .iter()
                .map(|(key, tally, edges, judged)| stack(facts, **key, *tally, edges, judged))
                .collect(),
        });
    }
    clients
}

/// What becomes of a host: it breaks if one of its stacks does, and is ready only if none is
/// unknown. Stacks that by their nature say nothing (retries, QUIC) leave that to the others.
pub(super) fn host_outcome<'a>(
    stacks: impl Iterator<Item = &'a StackJudged>,
    policy: usize,
) -> Outcome {
    let mut worst = None;
    for stack in stacks {
        let Some(judged) = stack.outcomes.get(policy) else {
            continue;
        };
        if judged.has(Reason::Fallback) || judged.has(Reason::Transport) {
            continue;
        }
        // An unseen thing is never a good thing: here it weighs more than a ready one.
        let weight = |outcome| match outcome {
            Outcome::Ready => 0,
            Outcome::Unknown => 1,
            Outcome::AtRisk => 2,
            Outcome::Breaks => 3,
        };
        if worst.is_none_or(|worst| weight(worst) < weight(judged.outcome)) {
            worst = Some(judged.outcome);
        }
    }
    worst.unwrap_or(Outcome::Unknown)
}

fn stack(
    facts: &Facts<'_>,
    key: crate::census::StackKey,
    tally: Tally,
    edges: &[&EdgeFacts<'_>],
    judged: &StackJudged,
) -> Stack {
    let offer = |key: crate::census::StackKey| {
        key.offer.and_then(|id| facts.snapshot.offers.get(&id)).map(Arc::clone)
    };
    let earlier = judged.fallback_of.and_then(offer);
    let offer = offer(key);
    let cases: Vec<_> = edges.iter().flat_map(|edge| facts.cases(edge)).collect();
    let software = facts.software(key);
    let findings = findings::of_stack(facts, &cases, judged, &software);
    // The successor of the first policy was not asked for.
    let asked = judged.outcomes.get(..facts.question.policies.len()).unwrap_or_default();
    Stack {
        transport: key.transport,
        ja4: offer.as_ref().map(|offer| offer.ja4.clone()),
        ja3: offer.as_ref().map(|offer| offer.ja3.clone()),
        max_version: offer.as_ref().and_then(|offer| offer.max_version()),
        fallback_of: earlier.map(|offer| offer.ja4.clone()),
        connections: tally.connections,
        first_seen: tally.first,
        last_seen: tally.last,
        servers: edges
            .iter()
            .map(|edge| ServerName::from(edge.server))
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect(),
        snis: edges
            .iter()
            .filter_map(|edge| edge.key.sni.clone())
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect(),
        verdicts: facts
            .question
            .policies
            .iter()
            .zip(&judged.outcomes)
            .map(|(policy, judged)| StackVerdict {
                policy: policy.id.clone(),
                outcome: judged.outcome,
                reasons: judged.reasons.clone(),
                evidence: judged.sentence(),
                excepted: None,
            })
            .collect(),
        remediations: findings::client_remedies(asked, &software),
        software,
        findings,
        offer,
    }
}

/// Which addresses are client hosts of which server.
pub(super) fn clients_of<'a>(edges: impl Iterator<Item = &'a EdgeFacts<'a>>) -> BTreeSet<Address> {
    edges.map(|edge| edge.client).collect()
}
