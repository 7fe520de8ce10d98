//! What policies ask of certificates and chains.

use super::{Policy, Root, RootMatch};
use crate::record::{AlertBody, Case};
use crate::tls::Role;
use crate::tls::codepoint::{AlertDescription, NamedGroup, SignatureKind};
use crate::x509::{Certificate, ChainReport, ChainStatus, KeyAlgorithm};

/// The kind of a certificate's key, as suites and signature schemes name it.
pub(super) const fn key_kind(algorithm: KeyAlgorithm) -> Option<SignatureKind> {
    Some(match algorithm {
        KeyAlgorithm::Rsa | KeyAlgorithm::RsaPss => SignatureKind::Rsa,
        // EdDSA certificates serve the ECDHE_ECDSA suites (RFC 8422 §5.10).
        KeyAlgorithm::Ec | KeyAlgorithm::Ed25519 | KeyAlgorithm::Ed448 => SignatureKind::Ecdsa,
        KeyAlgorithm::Dsa => SignatureKind::Dsa,
        KeyAlgorithm::MlDsa => SignatureKind::MlDsa,
        _ => return None,
    })
}

/// The kind of key in the certificate that the server sent for itself.
pub(super) fn leaf_kind(case: &Case<'_>) -> Option<SignatureKind> {
    key_kind(case.certificates.first()?.key().algorithm)
}

/// The curve of that key, where it lies on one that clients can name.
pub(super) fn leaf_curve(case: &Case<'_>) -> Option<NamedGroup> {
    Some(match case.certificates.first()?.key().curve.as_deref()? {
        "P192" => NamedGroup::SECP192R1,
        "P224" => NamedGroup::SECP224R1,
        "P256" => NamedGroup::SECP256R1,
        "P384" => NamedGroup::SECP384R1,
        "P521" => NamedGroup::SECP521R1,
        "secp256k1" => NamedGroup::SECP256K1,
        "brainpoolP256r1" => NamedGroup::BRAINPOOLP256R1,
        "brainpoolP384r1" => NamedGroup::BRAINPOOLP384R1,
        "brainpoolP512r1" => NamedGroup::BRAINPOOLP512R1,
        _ => return None,
    })
}

/// Whether a chain ends at a root that the policy requires; `None` where the policy requires none
/// or no chain was sent in the clear.
pub(super) fn root(policy: &Policy, chain: &ChainReport) -> Option<RootMatch> {
    if chain.status.is_unseen() || !policy.requires_roots() {
        return None;
    }
    Some(match chain.status {
        // These two only claim to end there.
        ChainStatus::BadSignature | ChainStatus::Unverifiable => RootMatch::Unknown,
        ChainStatus::SelfSigned => RootMatch::Other,
        _ if chain.root_sha1.is_none() => RootMatch::Unknown,
        _ if required_root(policy, chain).is_some() => RootMatch::Required,
        _ => RootMatch::Other,
    })
}

/// The required root at the end of a chain.
pub(super) fn required_root<'p>(policy: &'p Policy, chain: &ChainReport) -> Option<&'p Root> {
    let root = policy.required_root(&chain.root_sha1?)?;
    // Where the policy gives SHA-256 too, a forged SHA-1 gains nothing.
    let differs = root.sha256.is_some_and(|sha256| {
        chain.root_fingerprint.is_some_and(|fingerprint| fingerprint.0 != sha256)
    });
    (!differs).then_some(root)
}

/// The required root that the client rejected although the chain verifies up to it, as sent.
pub(super) fn rejected_required_root<'p>(policy: &'p Policy, case: &Case<'_>) -> Option<&'p Root> {
    if case.evidence.alerts.is_empty() || !rejects_root(case) {
        return None;
    }
    required_root(policy, case.chain)
}

/// The client answered a chain that verifies, as sent, with `unknown_ca`: it lacks the root.
pub(super) fn rejects_root(case: &Case<'_>) -> bool {
    case.chain.status.is_trusted()
        && sent(case, Role::Client).any(|alert| alert == AlertDescription::UNKNOWN_CA)
}

/// Why the client rejected the server's certificate, if it did.
pub(super) fn certificate_rejection(case: &Case<'_>) -> Option<AlertDescription> {
    const REJECTIONS: [AlertDescription; 5] = [
        AlertDescription::BAD_CERTIFICATE,
        AlertDescription::CERTIFICATE_UNKNOWN,
        AlertDescription::CERTIFICATE_EXPIRED,
        AlertDescription::UNSUPPORTED_CERTIFICATE,
        AlertDescription::UNKNOWN_CA,
    ];
    let lacks_root = rejects_root(case);
    sent(case, Role::Client).find(|alert| {
        REJECTIONS.contains(alert) && !(lacks_root && *alert == AlertDescription::UNKNOWN_CA)
    })
}

/// What one end said in alerts that can be read.
fn sent(case: &Case<'_>, role: Role) -> impl Iterator<Item = AlertDescription> {
    case.evidence.alerts.iter().filter(move |alert| alert.from == role).filter_map(|alert| {
        match alert.body {
            AlertBody::Plain { description, .. } => Some(description),
            AlertBody::Encrypted => None,
        }
    })
}

/// Whether a key is smaller than a policy wants it.
pub(super) fn is_small_key(policy: &Policy, certificate: &Certificate) -> bool {
    let key = certificate.key();
    let least = match key.algorithm {
        KeyAlgorithm::Rsa | KeyAlgorithm::RsaPss => policy.min_rsa_bits,
        KeyAlgorithm::Ec => policy.min_ec_bits,
        _ => None,
    };
    least.is_some_and(|least| key.bits.is_some_and(|bits| bits < u32::from(least)))
}
