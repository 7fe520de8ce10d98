//! Judgement: a snapshot and what is asked of it become an [`Inventory`].

use std::sync::Arc;
use std::thread;

use crate::census::Snapshot;
use crate::limits::Limits;
use crate::policy::Policy;
use crate::x509::TrustStores;

use super::facts::Facts;
use super::identity::Identity;
use super::outcomes::Judged;
use super::totals::Summary;
use super::{
    CoverageLine, Inventory, Narrowed, PolicyLine, SCHEMA, TrustLine, clients, coverage, edges,
    joined, servers, watch,
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
        // Side by side: they rest on the same, and none on the others.
        let (clients, servers, (edges, certificates)) = thread::scope(|scope| {
            let servers = scope.spawn(|| servers::lines(&facts, &judged));
            let edges =
                scope.spawn(|| (edges::lines(&facts, &judged), edges::certificates(&facts)));
            (clients::lines(&facts, &judged), joined(servers), joined(edges))
        });
        let mut inventory = Self {
            schema: SCHEMA,
            anonymized: false,
            sources: coverage::sources(snapshot),
            policies: question.policies.iter().map(|policy| PolicyLine::from(&**policy)).collect(),
            trust: question.trust.describe().iter().map(TrustLine::from).collect(),
            scope: question.scope.patterns().iter().map(|one| one.as_str().to_owned()).collect(),
            exceptions: Vec::new(),
            summary: Summary::new(&facts, &judged, &clients, &servers),
            edges,
            certificates,
            coverage: CoverageLine {
                watch: watch::line(&facts, &judged),
                chains_not_verified: facts.chains.not_verified(),
                chains_not_completed: facts.chains.not_completed(),
                ..coverage::coverage(snapshot, question.limits)
            },
            clients,
            servers,
            narrowed: Narrowed::default(),
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
