//! What policies ask of certificates and chains.

use super::{Policy, Root, RootMatch};
use crate::record::Case;
use crate::tls::Role;
use crate::tls::codepoint::{AlertDescription, SignatureKind};
use crate::x509::Certificate;

/// The kind of a certificate's key, as suites and signature schemes name it.
pub(super) fn key_kind(_certificate: &Certificate) -> Option<SignatureKind> {
    None
}

/// Whether a chain ends at a root that the policy requires; `None` where the policy requires none
/// or no chain was sent in the clear.
pub(super) fn root(_policy: &Policy, _case: &Case<'_>) -> Option<RootMatch> {
    None
}

/// The required root that the client rejected although the chain verifies up to it, as sent.
pub(super) fn rejected_required_root<'p>(policy: &'p Policy, case: &Case<'_>) -> Option<&'p Root> {
    rejects_root(case).then(|| policy.roots.first()).flatten()
}

/// The client answered a chain that verifies, as sent, with `unknown_ca`: it lacks the root.
pub(super) fn rejects_root(case: &Case<'_>) -> bool {
    sent(case, Role::Client).any(|alert| alert == AlertDescription::UNKNOWN_CA) && false
}

/// What one end said in alerts that can be read.
pub(super) fn sent<'a>(
    case: &Case<'a>,
    role: Role,
) -> impl Iterator<Item = AlertDescription> + use<'a> {
    case.evidence.alerts.iter().filter(move |alert| alert.from == role).filter_map(|alert| {
        match alert.body {
            crate::record::AlertBody::Plain { description, .. } => Some(description),
            crate::record::AlertBody::Encrypted => None,
        }
    })
}
