//! The numbers of an inventory, policy by policy.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use crate::packet::Address;
use crate::policy::Outcome;

use super::clients::host_outcome;
use super::facts::Facts;
use super::outcomes::Judged;
use super::{ChainTotals, Client, Finding, Server, roots};
use crate::report::exceptions::Excepted;

/// The numbers.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Those of each policy.
    pub policies: Vec<PolicyTotals>,
    /// What differs under the policy that took the place of the first, where one did.
    pub successor: Option<Successor>,
    /// What the chains of servers are worth.
    pub chains: ChainTotals,
    /// What the scope left out.
    pub out_of_scope: OutOfScope,
}

/// The numbers of one policy.
#[derive(Clone, Debug, Serialize)]
pub struct PolicyTotals {
    /// Its id.
    pub policy: Arc<str>,
    /// Client hosts, each by its worst stack.
    pub client_hosts: Counts,
    /// Client stacks; retries with less are not counted.
    pub client_stacks: Counts,
    /// Servers of ours.
    pub servers: Counts,
    /// Servers of others.
    pub external_servers: Counts,
    /// Of how many stacks and servers a finding speaks, by its id.
    pub findings: BTreeMap<&'static str, u64>,
    /// How many of those that break, and of the findings, are excepted.
    pub excepted: ExceptedTotals,
}

/// How many of those that break are excepted: they are counted among them all the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ExceptedTotals {
    /// Client hosts.
    pub client_hosts: u64,
    /// Client stacks.
    pub client_stacks: u64,
    /// Servers of ours.
    pub servers: u64,
    /// Servers of others.
    pub external_servers: u64,
    /// Findings of a stack or a server.
    pub findings: u64,
}

/// How many have which outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// All.
    pub seen: u64,
    /// They go on working.
    pub ready: u64,
    /// They can, and do not always.
    pub at_risk: u64,
    /// They stop working.
    pub breaks: u64,
    /// Too little was seen.
    pub unknown: u64,
}

impl Counts {
    /// Count one.
    fn add(&mut self, outcome: Outcome) {
        self.seen += 1;
        *match outcome {
            Outcome::Ready => &mut self.ready,
            Outcome::AtRisk => &mut self.at_risk,
            Outcome::Breaks => &mut self.breaks,
            Outcome::Unknown => &mut self.unknown,
        } += 1;
    }
}

/// What differs under a policy that took another's place.
#[derive(Clone, Debug, Serialize)]
pub struct Successor {
    /// Its id.
    pub policy: Arc<str>,
    /// Client hosts under it.
    pub client_hosts: Counts,
    /// Hosts that break under it and not under the first policy.
    pub more: Vec<Address>,
    /// Hosts that break under the first policy and not under it.
    pub fewer: Vec<Address>,
    /// Servers of ours under it.
    pub servers: Counts,
}

/// What a scope left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OutOfScope {
    /// Client hosts that talk to no server in scope.
    pub clients: u64,
    /// Servers that are in no scope by any name.
    pub servers: u64,
}

impl Summary {
    pub(super) fn new(
        facts: &Facts<'_>,
        judged: &Judged,
        clients: &[Client],
        servers: &[Server],
    ) -> Self {
        let left_out = |all: usize, listed: usize| all.saturating_sub(listed) as u64;
        Self {
            policies: facts
                .policy_ids()
                .enumerate()
                .map(|(at, id)| totals(id, at, clients, servers))
                .collect(),
            successor: successor(facts, judged, clients),
            chains: roots::totals(facts, servers),
            out_of_scope: OutOfScope {
                clients: left_out(facts.snapshot.hosts.len(), clients.len()),
                servers: left_out(facts.all_servers, servers.len()),
            },
        }
    }
}

fn totals(id: &Arc<str>, at: usize, clients: &[Client], servers: &[Server]) -> PolicyTotals {
    let mut totals = PolicyTotals {
        policy: Arc::clone(id),
        client_hosts: Counts::default(),
        client_stacks: Counts::default(),
        servers: Counts::default(),
        external_servers: Counts::default(),
        findings: BTreeMap::new(),
        excepted: ExceptedTotals::default(),
    };
    for client in clients {
        if let Some(verdict) = client.verdicts.get(at) {
            totals.client_hosts.add(verdict.outcome);
        }
        for stack in client.stacks.iter().filter(|stack| stack.fallback_of.is_none()) {
            if let Some(verdict) = stack.verdicts.get(at) {
                totals.client_stacks.add(verdict.outcome);
            }
        }
    }
    for server in servers {
        let counts =
            if server.internal { &mut totals.servers } else { &mut totals.external_servers };
        if let Some(verdict) = server.verdicts.get(at) {
            counts.add(verdict.outcome);
        }
    }
    let of_clients = clients.iter().flat_map(|client| &client.stacks).map(|stack| &stack.findings);
    let of_servers = servers.iter().map(|server| &server.findings);
    for findings in of_clients.chain(of_servers) {
        let mut ids: Vec<_> = findings
            .iter()
            .filter(|one| one.is_under(Some(id)))
            .map(|finding| finding.id)
            .collect();
        ids.sort_unstable();
        ids.dedup();
        for id in ids {
            *totals.findings.entry(id).or_default() += 1;
        }
    }
    totals
}

impl Summary {
    /// Count what exceptions cover, once it is known.
    pub(super) fn count_excepted(&mut self, clients: &[Client], servers: &[Server]) {
        for (at, totals) in self.policies.iter_mut().enumerate() {
            totals.excepted = excepted(&totals.policy, at, clients, servers);
        }
    }
}

fn excepted(id: &Arc<str>, at: usize, clients: &[Client], servers: &[Server]) -> ExceptedTotals {
    let is = |outcome, excepted: &Option<Arc<Excepted>>| {
        u64::from(outcome == Outcome::Breaks && excepted.is_some())
    };
    let of = |findings: &[Finding]| {
        let counts = |one: &&Finding| one.excepted.is_some() && one.is_under(Some(id));
        findings.iter().filter(counts).count() as u64
    };
    let mut totals = ExceptedTotals::default();
    for client in clients {
        if let Some(verdict) = client.verdicts.get(at) {
            totals.client_hosts += is(verdict.outcome, &verdict.excepted);
        }
        for stack in client.stacks.iter().filter(|stack| stack.fallback_of.is_none()) {
            if let Some(verdict) = stack.verdicts.get(at) {
                totals.client_stacks += is(verdict.outcome, &verdict.excepted);
            }
            totals.findings += of(&stack.findings);
        }
    }
    for server in servers {
        if let Some(verdict) = server.verdicts.get(at) {
            let counts =
                if server.internal { &mut totals.servers } else { &mut totals.external_servers };
            *counts += is(verdict.outcome, &verdict.excepted);
        }
        totals.findings += of(&server.findings);
    }
    totals
}

fn successor(facts: &Facts<'_>, judged: &Judged, clients: &[Client]) -> Option<Successor> {
    // It stands behind the policies that were asked for.
    let at = facts.question.policies.len();
    let policy = facts.policies.get(at)?;
    let mut line = Successor {
        policy: policy.id.clone(),
        client_hosts: Counts::default(),
        more: Vec::new(),
        fewer: Vec::new(),
        servers: Counts::default(),
    };
    // There is one client for each host with a stack that is listed.
    for (client, (_, stacks)) in clients.iter().zip(judged.hosts(facts)) {
        let outcome = host_outcome(stacks.iter(), at);
        line.client_hosts.add(outcome);
        let breaks = outcome == Outcome::Breaks;
        let broke = client.verdicts.first().is_some_and(|first| first.outcome == Outcome::Breaks);
        match (broke, breaks) {
            (false, true) => line.more.push(client.ip),
            (true, false) => line.fewer.push(client.ip),
            _ => {}
        }
    }
    for (server, outcomes) in facts.servers.iter().zip(&judged.servers) {
        if facts.question.internal.contain_server(server.key)
            && let Some(judged) = outcomes.get(at)
        {
            line.servers.add(judged.outcome);
        }
    }
    Some(line)
}
