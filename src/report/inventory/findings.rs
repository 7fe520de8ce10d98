//! Findings and remedies of a stack or a server.

use crate::policy::{ClientOutcome, Outcome, Reason, ServerOutcome};
use crate::recognise::{Candidate, Fix, remediations_for};
use crate::record::Case;
use crate::tls::Role;
use crate::tls::hello::Offer;

use super::judge::{Facts, StackJudged};
use super::{Finding, Remedy};

pub(super) fn of_stack(
    _facts: &Facts<'_>,
    _offer: Option<&Offer>,
    _cases: &[Case<'_>],
    _judged: &StackJudged,
) -> Vec<Finding> {
    Vec::new()
}

pub(super) fn of_server(
    _facts: &Facts<'_>,
    _cases: &[Case<'_>],
    _judged: &[ServerOutcome],
) -> Vec<Finding> {
    Vec::new()
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
