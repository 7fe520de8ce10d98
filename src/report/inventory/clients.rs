//! The lines of client hosts and their stacks.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::policy::{ClientOutcome, Outcome, Policy, Reason};
use crate::recognise::Candidate;
use crate::record::Tally;

use super::edges::sum;
use super::facts::{Facts, StackFacts};
use super::findings::{self, Findings};
use super::outcomes::{Judged, StackJudged};
use super::{Client, HostVerdict, Remedy, Stack, StackVerdict};

/// More stacks than this on one address: it may be several hosts.
const STACKS_OF_A_HOST: usize = 8;

pub(super) fn lines(facts: &Facts<'_>, judged: &Judged) -> Vec<Client> {
    let mut words = Words::new(facts);
    let mut clients = Vec::with_capacity(facts.snapshot.hosts.len());
    for (stacks, judged) in judged.hosts(facts) {
        let Some(StackFacts { client: ip, host, .. }) = stacks.first() else { continue };
        let tallies: Vec<Tally> = stacks.iter().map(|stack| tally(facts, stack)).collect();
        let Some(tally) = sum(tallies.iter().copied()) else { continue };
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
            maybe_several_hosts: host.stacks.len() > STACKS_OF_A_HOST,
            connections: tally.connections,
            first_seen: tally.first,
            last_seen: tally.last,
            verdicts: facts
                .policy_ids()
                .enumerate()
                .map(|(at, id)| HostVerdict {
                    policy: id.clone(),
                    outcome: host_outcome(judged.iter(), at),
                    excepted: None,
                })
                .collect(),
            stacks: stacks
                .iter()
                .zip(tallies)
                .zip(judged)
                .map(|((stack, tally), judged)| line(facts, &mut words, stack, tally, judged))
                .collect(),
        });
    }
    clients
}

/// The connections of a stack to servers in scope.
fn tally(facts: &Facts<'_>, stack: &StackFacts<'_>) -> Tally {
    // Without a scope the stack's own tally counts: bounds may have refused edges.
    let whole = stack.stack.tally;
    if facts.question.scope.is_all() {
        return whole;
    }
    sum(facts.edges_of(stack).iter().map(|edge| edge.edge.tally)).unwrap_or(whole)
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

fn line<'f>(
    facts: &'f Facts<'f>,
    words: &mut Words<'f>,
    stack: &StackFacts<'_>,
    tally: Tally,
    judged: &'f StackJudged,
) -> Stack {
    let edges = facts.edges_of(stack);
    let offer = facts.offer(stack.key);
    let earlier = judged.fallback_of.and_then(|key| facts.offer(key));
    let software = offer.map(|offer| &offer.software);
    let spoken = words.of(facts, judged, software.map_or(&[], |software| software));
    Stack {
        transport: stack.key.transport,
        ja4: offer.map(|offer| Arc::clone(&offer.ja4)),
        ja3: offer.map(|offer| Arc::clone(&offer.ja3)),
        max_version: offer.and_then(|offer| offer.max_version),
        fallback_of: earlier.map(|offer| Arc::clone(&offer.ja4)),
        offer: offer.map(|offer| Arc::clone(offer.offer)),
        connections: tally.connections,
        first_seen: tally.first,
        last_seen: tally.last,
        servers: once(edges.iter().map(|edge| facts.server_name(edge)).collect()),
        snis: once(edges.iter().filter_map(|edge| edge.key.sni.clone()).collect()),
        verdicts: spoken.verdicts.clone(),
        remediations: Arc::clone(&spoken.remedies),
        findings: words.findings.of_stack(
            edges.iter().flat_map(|edge| facts.cases(edge)),
            judged,
            software.map_or(&[], |software| software),
        ),
        software: software.map_or_else(|| Arc::new([]), Arc::clone),
    }
}

/// In order, and each once.
fn once<T: Ord>(mut list: Vec<T>) -> Vec<T> {
    list.sort_unstable();
    list.dedup();
    list.shrink_to_fit();
    list
}

/// What is said of stacks, put into words once for all that are judged the same.
struct Words<'f> {
    spoken: HashMap<*const [ClientOutcome], Spoken, RandomState>,
    findings: Findings<'f>,
}

struct Spoken {
    verdicts: Vec<StackVerdict>,
    remedies: Arc<[Remedy]>,
}

impl<'f> Words<'f> {
    fn new(facts: &'f Facts<'f>) -> Self {
        Self { spoken: HashMap::default(), findings: Findings::new(facts) }
    }

    /// Outcomes that are one and the same are of one offer, and so of the same software.
    fn of(&mut self, facts: &Facts<'_>, judged: &StackJudged, software: &[Candidate]) -> &Spoken {
        self.spoken.entry(Arc::as_ptr(&judged.outcomes)).or_insert_with(|| {
            // The successor of the first policy was not asked for.
            let policies = &facts.question.policies;
            let asked = judged.outcomes.get(..policies.len()).unwrap_or_default();
            let verdict = |(policy, judged): (&Arc<Policy>, &ClientOutcome)| StackVerdict {
                policy: policy.id.clone(),
                outcome: judged.outcome,
                reasons: judged.reasons.as_slice().into(),
                evidence: judged.sentence().into(),
                excepted: None,
            };
            Spoken {
                verdicts: policies.iter().zip(&*judged.outcomes).map(verdict).collect(),
                remedies: findings::client_remedies(asked, software),
            }
        })
    }
}
