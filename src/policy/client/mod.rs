//! The outcome of a client stack: what it offers decides, never what was negotiated.
//!
//! Any version of the policy that the offer can use will do. A server that has several takes the
//! highest in common and does not come down (RFC 8446 §4.1.1), as the test of real enforcement
//! shows: where the client then has no group or suite, it is with servers of the lower version
//! alone that it goes on. An edge of it is not said to move up.
//!
//! Enforcement taught more than the letter of the model in one way: a suite for a kind of
//! certificate that the policy does not have counts for nothing. A client with no other breaks,
//! reason `signature`.

use super::certificate::rejected_required_root;
use super::outcome::{Fit, is_inside, usable_suites};
use super::{Asked, KeyKinds, Outcome, Policy, Reason, VersionSet};
use crate::record::{self, Case};
use crate::tls::Transport;
use crate::tls::codepoint::{CipherSuite, NamedGroup, ProtocolVersion};
use crate::tls::hello::Offer;

/// What becomes of a client when a policy is enforced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientOutcome {
    /// In one word.
    pub outcome: Outcome,
    /// Why; empty where there is nothing to explain.
    pub reasons: Vec<Reason>,
    /// What it rests on.
    pub evidence: ClientEvidence,
}

/// What the outcome of a client rests on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientEvidence {
    /// What it ran over; `None` where no hello was seen.
    pub transport: Option<Transport>,
    /// The highest version that it offers, as the wire names it.
    pub max_version: Option<ProtocolVersion>,
    /// The versions that it offers.
    pub offered: VersionSet,
    /// The versions of the policy that it can use, with suite, group and signature.
    pub usable: VersionSet,
    /// How many suites it offers.
    pub suites: usize,
    /// The groups that it states; filled in only where none of them will do.
    pub groups: Vec<NamedGroup>,
    /// The kinds of certificate that its suites in the policy need, where the policy has none of
    /// them.
    pub needs: KeyKinds,
    /// An established connection was inside the policy: proof where the hello is missing.
    pub established: bool,
    /// It follows a failed attempt with more at the same server: a retry, though nothing in the hello
    /// says so.
    pub follows_failure: bool,
    /// The common name of a required root that it rejected.
    pub rejected_root: Option<Box<str>>,
    /// What was asked, where the outcome has a reason.
    pub asked: Option<Asked>,
}

impl ClientOutcome {
    /// Whether it is this.
    pub fn is(&self, outcome: Outcome) -> bool {
        self.outcome == outcome
    }

    /// Whether this is among the reasons.
    pub fn has(&self, reason: Reason) -> bool {
        self.reasons.contains(&reason)
    }

    /// Whether it offers no version of the policy because all that it offers are higher.
    pub fn is_beyond(&self) -> bool {
        let highest = self.evidence.asked.as_ref().and_then(|asked| asked.versions.highest());
        self.has(Reason::Version) && self.evidence.offered.lowest() > highest
    }
}

/// The outcome of a client stack: one host, one transport, one offer.
///
/// `offer` is `None` where no ClientHello was seen; `cases` are the connections of the stack. What
/// they prove counts, not by which name, how often or when.
pub fn client(
    policy: &Policy,
    transport: Transport,
    offer: Option<&Offer>,
    cases: &[Case<'_>],
) -> ClientOutcome {
    let mut judged = match offer {
        _ if transport == Transport::Quic && policy.is_silent_on_quic() => {
            ClientOutcome::because(Outcome::Unknown, Reason::Transport)
        }
        Some(offer) => by_offer(policy, transport, offer, cases),
        None if establishes_inside(policy, cases) => ClientOutcome::proven(),
        None => ClientOutcome::because(Outcome::Unknown, Reason::NotSeen),
    };
    if let Some(offer) = offer {
        judged.evidence.transport = Some(transport);
        judged.evidence.max_version = offer.max_version();
    }
    if let Some(root) = cases.iter().find_map(|case| rejected_required_root(policy, case)) {
        if judged.outcome != Outcome::Breaks {
            judged.reasons.clear();
        }
        judged.outcome = Outcome::Breaks;
        judged.reasons.push(Reason::Root);
        judged.evidence.rejected_root = Some(root.common_name.clone());
    }
    if !judged.reasons.is_empty() {
        judged.evidence.asked = Some(Asked::by(policy));
    }
    judged
}

fn by_offer(
    policy: &Policy,
    transport: Transport,
    offer: &Offer,
    cases: &[Case<'_>],
) -> ClientOutcome {
    let offered = VersionSet::offered(offer, transport);
    // Any version of the policy will do: a server that holds to it may know but one of them.
    let fit = Fit::of(policy, offer, offered);
    let mut judged = ClientOutcome {
        outcome: Outcome::Ready,
        reasons: Vec::new(),
        evidence: ClientEvidence { offered, usable: fit.usable(), ..ClientEvidence::default() },
    };
    if !fit.usable().is_empty() {
        return judged;
    }
    judged.evidence.suites =
        offer.cipher_suites.iter().filter(|suite| !suite.is_signalling()).count();
    if offer.truncated && (!fit.suites.is_empty() || establishes_inside(policy, cases)) {
        // What lies behind the cut (groups, signature algorithms) cannot be held against it.
        judged.evidence.usable = fit.suites;
        judged.evidence.established = fit.suites.is_empty();
        return judged;
    }
    judged.reasons = missing(policy, offered, fit);
    judged.outcome = Outcome::Breaks;
    if judged.has(Reason::Group) {
        judged.evidence.groups = offer.groups.clone().unwrap_or_default();
    }
    if let Some(version) = fit.suites.highest()
        && !fit.certificates.contains(version)
    {
        let needs = usable_suites(policy, offer, version).filter_map(CipherSuite::info);
        judged.evidence.needs =
            needs.fold(KeyKinds::EMPTY, |all, info| all.union(KeyKinds::of_suite(info)));
    }
    if offer.truncated && !is_decided(policy, offer) {
        judged.outcome = Outcome::Unknown;
        judged.reasons = vec![Reason::IncompleteHello];
    } else if offer.fallback_scsv() && offered.highest() < policy.lowest() {
        judged.outcome = Outcome::Unknown;
        judged.reasons = vec![Reason::Fallback];
    }
    judged
}

/// What an offer lacks that holds nothing of the policy.
fn missing(policy: &Policy, offered: VersionSet, fit: Fit) -> Vec<Reason> {
    if offered.intersection(policy.versions).is_empty() {
        return vec![Reason::Version];
    }
    if fit.suites.is_empty() {
        return vec![Reason::CipherSuite];
    }
    // What is missing at the highest version that has a suite.
    let lacks = |what: VersionSet| fit.suites.highest().is_some_and(|at| !what.contains(at));
    // Which group a suite would need that no certificate of the policy can serve is no matter.
    let certificate = lacks(fit.certificates);
    let missing = [
        (Reason::Group, !certificate && lacks(fit.groups)),
        (Reason::Signature, certificate || lacks(fit.signatures)),
    ];
    missing.into_iter().filter(|(_, lacks)| *lacks).map(|(reason, _)| reason).collect()
}

/// Whether what was read of a cut hello shows that the rest could not help.
fn is_decided(policy: &Policy, offer: &Offer) -> bool {
    // A client that has supported_versions sets this field to TLS 1.2 (RFC 8446 §4.1.2): a lower
    // value is all that it offers, whatever lies behind the cut.
    let is_old = offer.supported_versions.is_none()
        && offer
            .legacy_version
            .judged_as()
            .is_some_and(|version| version < ProtocolVersion::TLS1_2)
        && policy.is_below(offer.legacy_version);
    // The compression methods follow the suites: the list is whole.
    let all_suites = !offer.compression_methods.is_empty();
    is_old || (all_suites && !offer.cipher_suites.iter().any(|suite| policy.suites.name(*suite)))
}

fn establishes_inside(policy: &Policy, cases: &[Case<'_>]) -> bool {
    cases.iter().any(|case| {
        case.evidence.outcome == record::Outcome::Established
            && is_inside(policy, case.evidence) == Some(true)
    })
}

impl ClientOutcome {
    fn because(outcome: Outcome, reason: Reason) -> Self {
        Self { outcome, reasons: vec![reason], evidence: ClientEvidence::default() }
    }

    /// Ready, by an established connection alone.
    fn proven() -> Self {
        let evidence = ClientEvidence { established: true, ..ClientEvidence::default() };
        Self { outcome: Outcome::Ready, reasons: Vec::new(), evidence }
    }
}

#[cfg(test)]
mod tests;
