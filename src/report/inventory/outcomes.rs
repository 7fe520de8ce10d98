//! [`Judged`]: what the policies say of every stack and server, the same said once.
//!
//! Thousands of hosts run the same software: what is offered and what was proven of it come again
//! and again, and so does what policies say of them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::thread;

use foldhash::fast::RandomState;

use crate::census::StackKey;
use crate::policy::{self, ClientEvidence, ClientOutcome, Outcome, Policy, Reason, ServerOutcome};
use crate::record::Case;

use super::chains::address;
use super::facts::{Facts, StackFacts};
use super::fallback::fallback_of;
use super::joined;

/// What the policies say, in the order of [`Facts::policies`].
pub(super) struct Judged {
    /// Of the stacks, as they stand in the facts.
    pub(super) stacks: Vec<StackJudged>,
    /// Of the servers, likewise; nothing of one without an edge.
    pub(super) servers: Vec<Vec<ServerOutcome>>,
}

/// What the policies say of a stack.
pub(super) struct StackJudged {
    pub(super) fallback_of: Option<StackKey>,
    /// One and the same where the same was offered and proven.
    pub(super) outcomes: Arc<[ClientOutcome]>,
}

impl Judged {
    pub(super) fn new(facts: &Facts<'_>) -> Self {
        thread::scope(|scope| {
            let servers = scope.spawn(|| servers(facts));
            Self { stacks: stacks(facts), servers: joined(servers) }
        })
    }

    /// The stacks of each host that is listed.
    pub(super) fn hosts<'j, 'a>(
        &'j self,
        facts: &'j Facts<'a>,
    ) -> impl Iterator<Item = (&'j [StackFacts<'a>], &'j [StackJudged])> {
        let mut rest = &*self.stacks;
        facts.stacks.chunk_by(|one, next| one.client == next.client).map(move |stacks| {
            let (judged, others) = rest.split_at_checked(stacks.len()).unwrap_or((rest, &[]));
            rest = others;
            (stacks, judged)
        })
    }
}

/// What an outcome of a client rests on: an offer over a transport, and what it was seen to do, each
/// piece of evidence once and in order.
type Grounds = (StackKey, Box<[usize]>);

/// Judge the stacks that talk to a server in scope: by everything that was seen of them.
fn stacks(facts: &Facts<'_>) -> Vec<StackJudged> {
    let mut known: HashMap<Grounds, Arc<[ClientOutcome]>, RandomState> = HashMap::default();
    let mut seen: HashSet<usize, RandomState> = HashSet::default();
    let judge = |stack: &StackFacts<'_>| {
        let whole = stack.stack.edges.iter();
        let cases = whole.flat_map(|(key, edge)| facts.chains.cases(key, edge));
        // By which name, how often and when makes no difference to it.
        seen.clear();
        let cases: Vec<Case<'_>> =
            cases.filter(|case| seen.insert(address(case.evidence))).collect();
        let grounds = cases.iter().map(|case| address(case.evidence)).collect();
        let outcomes = known.entry((stack.key, grounds)).or_insert_with(|| {
            let offer = facts.offer(stack.key).map(|offer| &**offer.offer);
            let judge =
                |policy: &&Policy| policy::client(policy, stack.key.transport, offer, &cases);
            facts.policies.iter().map(judge).collect()
        });
        let fallback_of = fallback_of(facts, stack.host, &stack.key);
        let outcomes = match fallback_of {
            Some(_) => outcomes.iter().cloned().map(echo).collect(),
            None => Arc::clone(outcomes),
        };
        StackJudged { fallback_of, outcomes }
    };
    facts.stacks.iter().map(judge).collect()
}

/// The outcome of a retry with less: the stack of which it is the echo decides.
fn echo(outcome: ClientOutcome) -> ClientOutcome {
    ClientOutcome {
        outcome: Outcome::Unknown,
        reasons: vec![Reason::Fallback],
        evidence: ClientEvidence { follows_failure: true, ..outcome.evidence },
    }
}

/// Judge the servers, each by what all clients saw of it by the names in scope.
fn servers(facts: &Facts<'_>) -> Vec<Vec<ServerOutcome>> {
    let judge = |cases: &[Case<'_>]| {
        facts.policies.iter().map(|policy| policy::server(policy, cases)).collect()
    };
    let mut cases = Vec::new();
    let mut all = Vec::with_capacity(facts.servers.len());
    for server in &facts.servers {
        cases.clear();
        cases.extend(facts.edges_to(server).flat_map(|edge| facts.cases(edge)));
        all.push(if server.edges.is_empty() { Vec::new() } else { judge(&cases) });
    }
    all
}
