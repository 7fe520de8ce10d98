//! Findings and remedies of a stack or a server.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::policy::finding::{self, FindingId};
use crate::policy::{self, ClientOutcome, Outcome, Policy, Reason, ServerOutcome, Verdict};
use crate::recognise::{Candidate, Fix, remediations_for};
use crate::record::Case;
use crate::tls::Role;

use super::judge::{Facts, StackJudged};
use super::{Finding, Remedy};

/// What is wrong on the client's side of a stack's connections.
pub(super) fn of_stack(
    facts: &Facts<'_>,
    cases: &[Case<'_>],
    judged: &StackJudged,
    software: &[Candidate],
) -> Vec<Finding> {
    let mut gathered = Gathered::default();
    for case in cases {
        let verdicts: Vec<_> = asked(facts)
            .zip(&judged.outcomes)
            // Of the server nothing is said here.
            .map(|(policy, client)| verdict(policy, case, client.clone(), ServerOutcome::default()))
            .collect();
        let found = finding::findings(case, &verdicts, &mut || software.to_vec());
        gathered.add(found, Role::Client, case.tally.connections);
    }
    gathered.finish(facts)
}

/// What is wrong on the server's side of its connections.
pub(super) fn of_server(
    facts: &Facts<'_>,
    cases: &[Case<'_>],
    judged: &[ServerOutcome],
) -> Vec<Finding> {
    let mut gathered = Gathered::default();
    for case in cases {
        let verdicts: Vec<_> = asked(facts)
            .zip(judged)
            .map(|(policy, server)| {
                let transport = case.evidence.transport;
                let client =
                    policy::client(policy, transport, case.offer, std::slice::from_ref(case));
                verdict(policy, case, client, server.clone())
            })
            .collect();
        let found = finding::findings(case, &verdicts, &mut Vec::new);
        gathered.add(found, Role::Server, case.tally.connections);
    }
    gathered.finish(facts)
}

/// The policies that were asked for.
fn asked<'a>(facts: &'a Facts<'_>) -> impl Iterator<Item = &'a Policy> {
    facts.question.policies.iter().map(|policy| &**policy)
}

/// A case under a policy, with what all cases of an end say of it.
fn verdict<'p>(
    policy: &'p Policy,
    case: &Case<'_>,
    client: ClientOutcome,
    server: ServerOutcome,
) -> Verdict<'p> {
    Verdict {
        policy,
        connection: policy::connection(policy, case.evidence),
        root: policy::root(policy, case),
        edge: policy::edge(policy, &client, &server, std::slice::from_ref(case)),
        client,
        server,
    }
}

/// Findings added up by their id: each is told as most of its connections tell it.
#[derive(Default)]
struct Gathered(BTreeMap<FindingId, BTreeMap<String, Told>>);

struct Told {
    finding: Finding,
    policies: Vec<String>,
}

impl Gathered {
    fn add(&mut self, found: Vec<finding::Finding<'_>>, role: Role, connections: u64) {
        for finding in found.into_iter().filter(|finding| finding.concerns.is(role)) {
            let told = self.0.entry(finding.id).or_default();
            let told = told.entry(finding.text.clone()).or_insert_with(|| Told {
                finding: Finding {
                    id: finding.id.name(),
                    severity: finding.severity.name(),
                    concerns: finding.concerns.name(),
                    policies: Vec::new(),
                    text: finding.text,
                    remediation: finding.remediation.map(|remedy| remedy.id.clone()),
                    connections: 0,
                    excepted: None,
                },
                policies: Vec::new(),
            });
            told.finding.connections = told.finding.connections.saturating_add(connections);
            if let Some(policy) = finding.policy
                && !told.policies.iter().any(|known| known == policy)
            {
                told.policies.push(policy.to_owned());
            }
        }
    }

    fn finish(self, facts: &Facts<'_>) -> Vec<Finding> {
        let mut all = Vec::with_capacity(self.0.len());
        for told in self.0.into_values() {
            let policies: Vec<Arc<str>> = facts
                .policy_ids()
                .filter(|id| told.values().any(|told| told.policies.iter().any(|p| **p == ***id)))
                .cloned()
                .collect();
            // Texts are in order: of several that are as frequent the first one speaks.
            let mut findings: Vec<Finding> = told.into_values().map(|told| told.finding).collect();
            let connections = findings.iter().map(|finding| finding.connections).max();
            findings.retain(|finding| Some(finding.connections) == connections);
            all.extend(findings.into_iter().next().map(|finding| Finding { policies, ..finding }));
        }
        all
    }
}

/// What to change on a client so that it goes on working, best first.
pub(super) fn client_remedies(judged: &[ClientOutcome], software: &[Candidate]) -> Vec<Remedy> {
    let mut fixes = Vec::new();
    for judged in judged.iter().filter(|judged| judged.is(Outcome::Breaks)) {
        fixes.extend(judged.reasons.iter().filter_map(|reason| match reason {
            Reason::Version => Some(Fix::ClientVersionBelowPolicy),
            Reason::CipherSuite => Some(Fix::ClientSuiteMissing),
            Reason::Group => Some(Fix::ClientGroupMissing),
            Reason::Signature => Some(Fix::ClientSignatureMissing),
            Reason::Root => Some(Fix::RootMissing),
            _ => None,
        }));
    }
    remedies(fixes, Role::Client, software)
}

/// What to change on a server, best first.
pub(super) fn server_remedies(judged: &[ServerOutcome]) -> Vec<Remedy> {
    let mut fixes = Vec::new();
    for judged in judged {
        fixes.extend(judged.reasons.iter().filter_map(|reason| match (judged.outcome, reason) {
            (Outcome::Breaks, Reason::Version) | (Outcome::AtRisk, Reason::Mixed) => {
                Some(Fix::ServerVersionBelowPolicy)
            }
            (Outcome::Breaks, Reason::CipherSuite) => Some(Fix::ServerSuiteMissing),
            (Outcome::AtRisk, Reason::CipherSuite) => Some(Fix::ServerSuiteNotAllowed),
            (Outcome::AtRisk, Reason::Group) => Some(Fix::ServerGroupMissing),
            _ => None,
        }));
    }
    remedies(fixes, Role::Server, &[])
}

fn remedies(mut fixes: Vec<Fix>, side: Role, software: &[Candidate]) -> Vec<Remedy> {
    let mut seen = Vec::new();
    fixes.retain(|fix| {
        let new = !seen.contains(fix);
        seen.push(*fix);
        new
    });
    remediations_for(&fixes, side, software)
        .into_iter()
        .map(|remedy| Remedy { id: remedy.id.clone(), title: remedy.title.clone() })
        .collect()
}
