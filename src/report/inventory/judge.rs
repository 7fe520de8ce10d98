//! Judgement: every stack, server and edge of a snapshot under every policy.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::census::{self, EdgeKey, ServerKey, Snapshot, StackKey};
use crate::limits::Limits;
use crate::packet::{Address, Mac};
use crate::policy::{self, ClientOutcome, Outcome, Policy, Reason, ServerOutcome};
use crate::recognise::{Candidate, recognise};
use crate::record::Case;
use crate::tls::hello::OfferId;
use crate::x509::TrustStores;

use super::chains::Chains;
use super::fallback::fallback_of;
use super::identity::{Identity, NamedBy};
use super::totals::Summary;
use super::{
    CoverageLine, Inventory, PolicyLine, SCHEMA, TrustLine, clients, coverage, edges, servers,
    watch,
};
use crate::report::exceptions::Exceptions;
use crate::report::names::Names;
use crate::report::scope::{Networks, Scope};

/// What is asked of a snapshot.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The policies to judge by; the summary speaks of the first.
    pub policies: &'a [Arc<Policy>],
    /// What chains are verified against.
    pub trust: &'a TrustStores,
    /// The servers that will enforce.
    pub scope: &'a Scope,
    /// The networks that are ours.
    pub internal: &'a Networks,
    /// What hosts are called, and whose they are.
    pub names: &'a Names,
    /// What somebody has agreed to leave as it is.
    pub exceptions: &'a Exceptions,
    /// How far chains are followed.
    pub limits: &'a Limits,
}

impl Inventory {
    /// Judge a snapshot.
    pub fn judge(snapshot: &Snapshot, question: &Question<'_>) -> Self {
        let successor = successor(question.policies);
        let policies: Vec<&Policy> =
            question.policies.iter().chain(&successor).map(AsRef::as_ref).collect();
        let (identity, unified) = Identity::of(snapshot, question.limits);
        let snapshot = &*unified;
        let facts = Facts::new(snapshot, question, policies, &identity);
        let judged = Judged::new(&facts);
        let clients = clients::lines(&facts, &judged);
        let servers = servers::lines(&facts, &judged);
        let mut inventory = Self {
            schema: SCHEMA,
            anonymized: false,
            sources: coverage::sources(snapshot),
            policies: question.policies.iter().map(|policy| PolicyLine::from(&**policy)).collect(),
            trust: question.trust.describe().iter().map(TrustLine::from).collect(),
            scope: question.scope.patterns().iter().map(|one| one.as_str().to_owned()).collect(),
            exceptions: Vec::new(),
            summary: Summary::new(&facts, &judged, &clients, &servers),
            edges: edges::lines(&facts, &judged),
            certificates: edges::certificates(&facts),
            coverage: CoverageLine {
                watch: watch::line(&facts, &judged),
                ..coverage::coverage(snapshot, question.limits)
            },
            clients,
            servers,
        };
        question.exceptions.apply(&mut inventory);
        inventory.summary.count_excepted(&inventory.clients, &inventory.servers);
        inventory
    }
}

/// The policy that took the place of the first one, if it is not judged by anyway.
fn successor(policies: &[Arc<Policy>]) -> Option<Arc<Policy>> {
    let id = policies.first()?.superseded_by()?;
    if policies.iter().any(|policy| policy.is_called(id)) {
        return None;
    }
    Policy::by_id(id).ok()
}

impl From<&Policy> for PolicyLine {
    fn from(policy: &Policy) -> Self {
        Self {
            id: policy.id.clone(),
            title: policy.about.title.clone(),
            status: policy.about.status.to_string(),
            document: policy.about.source.document.clone(),
            date: policy.about.source.date.clone(),
            scope: policy.about.scope.clone(),
        }
    }
}

/// The facts at hand: the snapshot, what is asked of it, and what follows without a policy.
pub(super) struct Facts<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) question: &'a Question<'a>,
    /// The policies asked for, and behind them the successor of the first.
    pub(super) policies: Vec<&'a Policy>,
    pub(super) chains: Chains<'a>,
    /// Every edge in scope, in the order of the snapshot.
    pub(super) edges: Vec<EdgeFacts<'a>>,
    /// Whose software the offers are.
    software: HashMap<OfferId, Arc<[Candidate]>>,
    /// Servers of which the protocol was not seen, and as which ones they are taken.
    named: HashMap<&'a ServerKey, &'a ServerKey>,
    /// Which addresses are one host.
    pub(super) identity: &'a Identity,
}

/// An edge and where it hangs.
#[derive(Clone, Copy)]
pub(super) struct EdgeFacts<'a> {
    pub(super) client: Address,
    pub(super) stack: StackKey,
    /// The server, by the protocol that is known of it.
    pub(super) server: &'a ServerKey,
    pub(super) key: &'a EdgeKey,
    pub(super) edge: &'a census::Edge,
}

impl<'a> Facts<'a> {
    fn new(
        snapshot: &'a Snapshot,
        question: &'a Question<'a>,
        policies: Vec<&'a Policy>,
        identity: &'a Identity,
    ) -> Self {
        let named = named(snapshot);
        let mut edges = Vec::new();
        for (client, host) in &snapshot.hosts {
            for (stack, facts) in host.stacks.iter() {
                for (key, edge) in facts.edges.iter() {
                    if question.scope.covers(&key.server, key.sni.as_deref()) {
                        let server = named.get(&*key.server).copied().unwrap_or(&key.server);
                        edges.push(EdgeFacts { client: *client, stack: *stack, server, key, edge });
                    }
                }
            }
        }
        let offers = edges.iter().filter_map(|edge: &EdgeFacts<'_>| edge.stack.offer);
        let software = offers
            .collect::<HashSet<OfferId>>()
            .into_iter()
            .filter_map(|id| Some((id, recognise(snapshot.offers.get(&id)?).into())))
            .collect();
        Self {
            snapshot,
            question,
            policies,
            software,
            chains: Chains::of(snapshot, question.trust, question.limits),
            edges,
            named,
            identity,
        }
    }

    /// What an edge proves.
    pub(super) fn cases(&self, edge: &EdgeFacts<'a>) -> impl Iterator<Item = Case<'_>> {
        self.chains.cases(edge.key, edge.edge)
    }

    /// Whose software a stack may be.
    pub(super) fn software(&self, stack: StackKey) -> Arc<[Candidate]> {
        let known = stack.offer.and_then(|id| self.software.get(&id));
        known.cloned().unwrap_or_else(|| Arc::new([]))
    }

    /// What was counted of a server, under the protocol that is known of it.
    pub(super) fn servers(&self) -> impl Iterator<Item = (&'a ServerKey, &'a census::Server)> {
        self.snapshot
            .servers
            .iter()
            .map(|(key, server)| (self.named.get(&**key).copied().unwrap_or(key), server))
    }

    /// The names of a host, and who said each.
    pub(super) fn names(&self, ip: Address) -> NamedBy {
        self.identity.names(ip, self.snapshot, self.question.names)
    }

    /// A host's own MAC address: the only one it was seen with, and not a router's.
    pub(super) fn own_mac(&self, ip: Address, macs: &[Mac]) -> Option<Mac> {
        self.identity.mac_of(ip, macs, self.snapshot)
    }

    /// The ids of the policies that were asked for.
    pub(super) fn policy_ids(&self) -> impl Iterator<Item = &Arc<str>> {
        self.question.policies.iter().map(|policy| &policy.id)
    }
}

/// Connections that did not show their protocol (a client without ALPN, a start that was missed)
/// belong to the server of the same address and port, where only one protocol is known of it.
fn named(snapshot: &Snapshot) -> HashMap<&ServerKey, &ServerKey> {
    let same = |left: &ServerKey, right: &ServerKey| {
        (left.ip, left.port, &left.target) == (right.ip, right.port, &right.target)
    };
    snapshot
        .servers
        .chunk_by(|(left, _), (right, _)| same(left, right))
        // Keys are sorted, and no protocol comes before any.
        .filter_map(|siblings| match siblings {
            [(nameless, _), (named, _)] if nameless.application.is_none() => {
                Some((&**nameless, &**named))
            }
            _ => None,
        })
        .collect()
}

/// What the policies say, in the order of [`Facts::policies`].
pub(super) struct Judged<'a> {
    pub(super) stacks: BTreeMap<(Address, StackKey), StackJudged>,
    pub(super) servers: BTreeMap<&'a ServerKey, Vec<ServerOutcome>>,
}

/// What the policies say of a stack.
pub(super) struct StackJudged {
    pub(super) fallback_of: Option<StackKey>,
    pub(super) outcomes: Vec<ClientOutcome>,
}

impl<'a> Judged<'a> {
    fn new(facts: &'a Facts<'a>) -> Self {
        Self { stacks: stacks(facts), servers: server_outcomes(facts) }
    }
}

/// Judge the stacks that talk to a server in scope: by everything that was seen of them.
fn stacks(facts: &Facts<'_>) -> BTreeMap<(Address, StackKey), StackJudged> {
    let snapshot = facts.snapshot;
    let in_scope: HashSet<(Address, StackKey)> =
        facts.edges.iter().map(|edge| (edge.client, edge.stack)).collect();
    let mut judged = BTreeMap::new();
    for (client, host) in &snapshot.hosts {
        for (key, stack) in host.stacks.iter() {
            // A stack whose edges found no room still counts where nothing is out of scope.
            let listed = in_scope.contains(&(*client, *key))
                || (facts.question.scope.is_all() && stack.edges.is_empty());
            if !listed {
                continue;
            }
            let offer = key.offer.and_then(|id| snapshot.offers.get(&id));
            let cases: Vec<_> =
                stack.edges.iter().flat_map(|(key, edge)| facts.chains.cases(key, edge)).collect();
            let fallback_of = fallback_of(snapshot, host, key);
            let outcomes = facts.policies.iter().map(|policy| {
                let outcome =
                    policy::client(policy, key.transport, offer.map(AsRef::as_ref), &cases);
                if fallback_of.is_some() { echo(outcome) } else { outcome }
            });
            let outcomes = outcomes.collect();
            judged.insert((*client, *key), StackJudged { fallback_of, outcomes });
        }
    }
    judged
}

/// The outcome of a retry with less: the stack of which it is the echo decides.
fn echo(outcome: ClientOutcome) -> ClientOutcome {
    ClientOutcome { outcome: Outcome::Unknown, reasons: vec![Reason::Fallback], ..outcome }
}

/// Judge the servers, each by what all clients saw of it by the names in scope.
fn server_outcomes<'a>(facts: &'a Facts<'a>) -> BTreeMap<&'a ServerKey, Vec<ServerOutcome>> {
    let mut cases: BTreeMap<&ServerKey, Vec<Case<'_>>> = BTreeMap::new();
    for edge in &facts.edges {
        cases.entry(edge.server).or_default().extend(facts.cases(edge));
    }
    cases
        .into_iter()
        .map(|(key, cases)| {
            let judge = |policy: &&Policy| policy::server(policy, &cases);
            (key, facts.policies.iter().map(judge).collect())
        })
        .collect()
}
