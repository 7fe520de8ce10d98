//! Findings and remedies of a stack or a server.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::policy::finding::{self, Dates, FindingId, Severity};
use crate::policy::{self, ClientOutcome, Outcome, Policy, Reason, ServerOutcome, Verdict};
use crate::recognise::{Candidate, Fix, remediations_for};
use crate::record::Case;
use crate::tls::Role;

use super::chains::address;
use super::facts::Facts;
use super::outcomes::StackJudged;
use super::{Finding, Remedy};

/// Finds what is wrong, and remembers what it found: of thousands of connections that prove the same
/// the same is wrong.
pub(super) struct Findings<'f> {
    facts: &'f Facts<'f>,
    known: HashMap<Grounds<'f>, Rc<[Found<'f>]>, RandomState>,
    /// What the policies say of a client by one piece of evidence.
    clients: HashMap<usize, Rc<[ClientOutcome]>, RandomState>,
    /// Every text, once.
    texts: HashSet<Arc<str>, RandomState>,
    /// Lists of policies, by their places among those that were asked for.
    policies: HashMap<Vec<usize>, Arc<[Arc<str>]>, RandomState>,
}

/// What findings of a connection rest on.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Grounds<'f> {
    /// The outcomes of the end that they concern, by their address.
    outcomes: usize,
    /// The evidence, likewise.
    evidence: usize,
    sni: Option<&'f str>,
    /// Of the time nothing else matters.
    dates: Option<Dates>,
}

impl<'f> Grounds<'f> {
    fn of<T>(outcomes: &'f [T], case: &Case<'f>) -> Self {
        Self {
            outcomes: outcomes.as_ptr().addr(),
            evidence: address(case.evidence),
            sni: case.sni,
            dates: case.certificates.first().map(|leaf| Dates::of(leaf, case.tally.last)),
        }
    }
}

/// A finding of one connection.
struct Found<'f> {
    id: FindingId,
    /// The policy that tells it: its place among those that were asked for, and its id.
    policy: Option<(usize, &'f str)>,
    severity: Severity,
    finding: Finding,
}

impl<'f> Findings<'f> {
    pub(super) fn new(facts: &'f Facts<'f>) -> Self {
        Self {
            facts,
            known: HashMap::default(),
            clients: HashMap::default(),
            texts: HashSet::default(),
            policies: HashMap::default(),
        }
    }

    /// What is wrong on the client's side of a stack's connections.
    pub(super) fn of_stack(
        &mut self,
        cases: impl Iterator<Item = Case<'f>>,
        judged: &'f StackJudged,
        software: &[Candidate],
    ) -> Vec<Finding> {
        let mut gathered = Gathered::default();
        for case in cases {
            let grounds = Grounds::of(&judged.outcomes, &case);
            let found = self.found(grounds, Role::Client, |facts, _| {
                let verdicts: Vec<_> = asked(facts)
                    .zip(&*judged.outcomes)
                    // Of the server nothing is said here.
                    .map(|(policy, client)| {
                        verdict(policy, &case, client.clone(), ServerOutcome::default())
                    })
                    .collect();
                finding::findings(&case, &verdicts, &mut || software.to_vec())
            });
            gathered.add(&found, case.tally.connections);
        }
        self.told(gathered)
    }

    /// What is wrong on the server's side of its connections.
    pub(super) fn of_server(
        &mut self,
        cases: impl Iterator<Item = Case<'f>>,
        judged: &'f [ServerOutcome],
    ) -> Vec<Finding> {
        let mut gathered = Gathered::default();
        for case in cases {
            let found = self.found(Grounds::of(judged, &case), Role::Server, |facts, clients| {
                let clients = clients.entry(address(case.evidence)).or_insert_with(|| {
                    let transport = case.evidence.transport;
                    let cases = std::slice::from_ref(&case);
                    let judge = |policy| policy::client(policy, transport, case.offer, cases);
                    asked(facts).map(judge).collect()
                });
                let verdicts: Vec<_> = asked(facts)
                    .zip(judged)
                    .zip(&**clients)
                    .map(|((policy, server), client)| {
                        verdict(policy, &case, client.clone(), server.by_name(case.sni))
                    })
                    .collect();
                finding::findings(&case, &verdicts, &mut Vec::new)
            });
            gathered.add(&found, case.tally.connections);
        }
        self.told(gathered)
    }

    /// What was found on these grounds, or is by `find`.
    fn found(
        &mut self,
        grounds: Grounds<'f>,
        role: Role,
        find: impl FnOnce(
            &'f Facts<'f>,
            &mut HashMap<usize, Rc<[ClientOutcome]>, RandomState>,
        ) -> Vec<finding::Finding<'f>>,
    ) -> Rc<[Found<'f>]> {
        if let Some(found) = self.known.get(&grounds) {
            return Rc::clone(found);
        }
        if self.known.len() >= self.facts.question.limits.cached_judgements {
            self.known.clear();
        }
        let found = find(self.facts, &mut self.clients).into_iter();
        let found: Rc<[Found<'f>]> =
            found.filter(|one| one.concerns.is(role)).map(|one| self.keep(one)).collect();
        self.known.insert(grounds, Rc::clone(&found));
        found
    }

    fn keep(&mut self, finding: finding::Finding<'f>) -> Found<'f> {
        let known = self.texts.get(&*finding.text).cloned();
        let text = known.unwrap_or_else(|| finding.text.into());
        self.texts.insert(Arc::clone(&text));
        let place = |id: &str| self.facts.policy_ids().position(|known| **known == *id);
        Found {
            id: finding.id,
            policy: finding.policy.and_then(|id| Some((place(id)?, id))),
            severity: finding.severity,
            finding: Finding {
                id: finding.id.name(),
                severity: finding.severity.name(),
                concerns: finding.concerns.name(),
                policies: self.policies(|_| false),
                text,
                remediation: finding.remediation.map(|remedy| &*remedy.id),
                connections: 0,
                excepted: None,
            },
        }
    }

    /// Each finding as each policy tells it; what several tell alike is said once.
    fn told(&mut self, gathered: Gathered<'f>) -> Vec<Finding> {
        let mut chosen: Vec<Told<'f>> = Vec::new();
        let mut told = gathered.0.into_iter().map(|((id, policy, _), told)| ((id, policy), told));
        let mut next = told.next();
        while let Some((key, mut best)) = next {
            next = told.next();
            while let Some((_, other)) = next.take_if(|(other, _)| *other == key) {
                // The worst, then the most frequent; of texts that are as frequent the first one.
                if other.weight() > best.weight() {
                    best = other;
                }
                next = told.next();
            }
            match chosen.iter_mut().find(|known| known.is_same(&best)) {
                Some(known) => known.policies.extend(best.policies),
                None => chosen.push(best),
            }
        }
        let told = |Told { finding, connections, policies, .. }: Told<'f>| Finding {
            policies: self.policies(|id| policies.contains(&id)),
            connections,
            ..finding
        };
        chosen.into_iter().map(told).collect()
    }

    /// Those of the policies that were asked for of which this holds.
    fn policies(&mut self, holds: impl Fn(&str) -> bool) -> Arc<[Arc<str>]> {
        let ids = self.facts.policy_ids();
        let places: Vec<usize> =
            ids.enumerate().filter(|(_, id)| holds(id)).map(|(place, _)| place).collect();
        if let Some(known) = self.policies.get(&places) {
            return Arc::clone(known);
        }
        let ids: Vec<_> = self.facts.policy_ids().collect();
        let list: Arc<[Arc<str>]> =
            places.iter().filter_map(|place| ids.get(*place)).copied().cloned().collect();
        self.policies.insert(places, Arc::clone(&list));
        list
    }
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

/// Findings added up by their id, the place of the policy that tells it, and text.
#[derive(Default)]
struct Gathered<'f>(BTreeMap<(FindingId, Option<usize>, Arc<str>), Told<'f>>);

struct Told<'f> {
    finding: Finding,
    severity: Severity,
    connections: u64,
    policies: Vec<&'f str>,
}

impl Told<'_> {
    fn weight(&self) -> (Severity, u64) {
        (self.severity, self.connections)
    }

    /// Whether two policies tell the same.
    fn is_same(&self, other: &Self) -> bool {
        let both_of_policies = self.policies.is_empty() == other.policies.is_empty();
        both_of_policies && self.weight() == other.weight() && self.finding == other.finding
    }
}

impl<'f> Gathered<'f> {
    fn add(&mut self, found: &[Found<'f>], connections: u64) {
        for Found { id, policy, severity, finding } in found {
            let key = (*id, policy.map(|(at, _)| at), Arc::clone(&finding.text));
            let told = self.0.entry(key).or_insert_with(|| Told {
                finding: finding.clone(),
                severity: *severity,
                connections: 0,
                policies: policy.iter().map(|(_, id)| *id).collect(),
            });
            told.connections = told.connections.saturating_add(connections);
            if *severity > told.severity {
                (told.severity, told.finding) = (*severity, finding.clone());
            }
        }
    }
}

/// What to change on a client so that it goes on working, best first.
pub(super) fn client_remedies(judged: &[ClientOutcome], software: &[Candidate]) -> Arc<[Remedy]> {
    let mut fixes = Vec::new();
    for judged in judged.iter().filter(|judged| judged.is(Outcome::Breaks)) {
        fixes.extend(judged.reasons.iter().filter_map(|reason| match reason {
            Reason::Version if judged.is_beyond() => Some(Fix::ClientVersionBeyondPolicy),
            Reason::Version => Some(Fix::ClientVersionBelowPolicy),
            Reason::CipherSuite => Some(Fix::ClientSuiteMissing),
            Reason::Group => Some(Fix::ClientGroupMissing),
            Reason::Signature => Some(Fix::ClientSignatureMissing),
            Reason::Root => Some(Fix::RootMissing),
            _ => None,
        }));
    }
    remedies(fixes, Role::Client, software).into()
}

/// What to change on a server, best first.
pub(super) fn server_remedies(judged: &[ServerOutcome]) -> Vec<Remedy> {
    let mut fixes = Vec::new();
    for (outcome, reasons, evidence) in judged.iter().flat_map(ServerOutcome::each) {
        fixes.extend(reasons.iter().filter_map(|reason| match (outcome, reason) {
            (Outcome::Breaks, Reason::Version) => Some(Fix::ServerVersionBelowPolicy),
            (Outcome::AtRisk, Reason::Mixed) if evidence.lacks_version() => {
                Some(Fix::ServerVersionBelowPolicy)
            }
            (Outcome::Breaks, Reason::CipherSuite) | (Outcome::AtRisk, Reason::Mixed) => {
                Some(Fix::ServerSuiteMissing)
            }
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
        .map(|remedy| Remedy { id: &remedy.id, title: &remedy.title })
        .collect()
}
