//! Findings of certificates and chains.

use std::net::IpAddr;

use super::{Concerns, FindingId as Id, Found, Told};
use crate::clock::Timestamp;
use crate::policy::certificate::{
    certificate_rejection, is_small_key, key_kind, leaf_kind, rejects_root, required_root,
};
use crate::policy::{Root, RootMatch, RootStatus, Verdict, fated};
use crate::recognise::Fix;
use crate::record::Case;
use crate::x509::chain::ChainStatus;
use crate::x509::{Certificate, KeyAlgorithm};

/// A certificate that ends within this of the connection expires soon.
const SOON_DAYS: i64 = 30;

pub(super) fn find<'p>(case: &Case<'_>, verdicts: &[Verdict<'p>], found: &mut Found<'_, 'p>) {
    rejections(case, found);
    let Some(leaf) = case.certificates.first() else { return };
    chain(case, found);
    root(case, found);
    dates(case, leaf, found);
    if let Some(sni) = case.sni
        && !leaf.matches_name(sni)
    {
        // An address counts only where it is said to be one (RFC 9525 §6.5).
        let text = if sni.parse::<IpAddr>().is_ok() && leaf.san().iter().any(|name| name == sni) {
            format!(
                "the certificate is not for the address {sni}, which it has as a host name only"
            )
        } else {
            format!("the certificate is not for {sni}, but for {}", names(leaf))
        };
        told(found, Id::CertNameMismatch, text, &[Fix::NameMismatch]);
    }
    strength(case, found);
    for verdict in verdicts {
        by_policy(case, leaf, verdict, found);
    }
}

fn told(found: &mut Found<'_, '_>, id: Id, text: String, fixes: &'static [Fix]) {
    found.add(Told { id, concerns: Concerns::Server, policy: None, text, fixes });
}

/// What the chain is worth.
fn chain(case: &Case<'_>, found: &mut Found<'_, '_>) {
    let (id, fixes): (_, &'static [Fix]) = match case.chain.status {
        ChainStatus::BadSignature => (Id::CertBadSignature, &[Fix::ChainDamaged]),
        ChainStatus::SelfSigned => (Id::CertSelfSigned, &[Fix::SelfSignedLeaf]),
        ChainStatus::Incomplete => (Id::CertIncompleteChain, &[Fix::ChainIncomplete]),
        ChainStatus::UnknownRoot => (Id::CertUnknownRoot, &[Fix::UnknownRoot]),
        ChainStatus::Unverifiable => (Id::CertUnverifiable, &[Fix::ChainDamaged]),
        _ => return,
    };
    let text = match &case.chain.why {
        // Why its signature was not checked does not say what it is.
        Some(why) if id == Id::CertSelfSigned => format!("{}: {why}", id.title()),
        Some(why) => why.clone(),
        None => id.title().to_owned(),
    };
    told(found, id, text, fixes);
}

/// What of the time of a connection findings rest on: how its leaf's dates stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Dates {
    left: Left,
    begun: bool,
}

/// How long a certificate is still valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Left {
    Over,
    /// So many whole days.
    Few(i64),
    /// Long enough, or that cannot be read.
    Enough,
}

impl Dates {
    /// How a certificate's dates stand at a moment.
    pub fn of(leaf: &Certificate, at: Timestamp) -> Self {
        const DAY: i64 = 86_400;
        let at = seconds(at);
        let left = leaf.not_after().map(|end| end.as_secs().saturating_sub(at));
        Self {
            left: match left {
                Some(left) if left < 0 => Left::Over,
                Some(left) if left <= SOON_DAYS * DAY => Left::Few(left / DAY),
                _ => Left::Enough,
            },
            begun: leaf.not_before().is_none_or(|begin| begin.as_secs() <= at),
        }
    }
}

/// The leaf's dates at the time of the connection.
fn dates(case: &Case<'_>, leaf: &Certificate, found: &mut Found<'_, '_>) {
    let Dates { left, begun } = Dates::of(leaf, case.tally.last);
    match (left, leaf.not_after()) {
        (Left::Over, Some(end)) => {
            let text = format!("the certificate had expired on {end}");
            told(found, Id::CertExpired, text, &[Fix::LeafExpired]);
        }
        (Left::Few(days), Some(end)) => {
            let text = format!("the certificate expires on {end}, {}", later(days));
            told(found, Id::CertExpiresSoon, text, &[Fix::LeafExpiring]);
        }
        _ => {}
    }
    if let Some(begin) = leaf.not_before()
        && !begun
    {
        let text = format!("the certificate is valid only from {begin}");
        told(found, Id::CertNotYetValid, text, &[Fix::LeafNotYetValid]);
    }
}

/// So many whole days later.
fn later(days: i64) -> String {
    match days {
        0 => "less than a day later".to_owned(),
        1 => "1 day later".to_owned(),
        _ => format!("{days} days later"),
    }
}

/// Keys and signatures of all certificates that were sent.
fn strength(case: &Case<'_>, found: &mut Found<'_, '_>) {
    let weak = case.certificates.iter().find(|certificate| is_weak(certificate));
    if let Some(certificate) = weak {
        let text = format!("{} has a key of {}", certificate.subject(), certificate.key());
        told(found, Id::CertWeakKey, text, &[Fix::WeakKey]);
    }
    let signed = case
        .certificates
        .iter()
        .find_map(|certificate| Some((certificate, certificate.weak_signature()?)));
    if let Some((certificate, hash)) = signed {
        let text = format!("{} is signed with {hash}", certificate.subject());
        told(found, Id::CertWeakSignature, text, &[Fix::WeakSignature]);
    }
}

/// RSA below 2048 bits, curves below 224.
fn is_weak(certificate: &Certificate) -> bool {
    let key = certificate.key();
    let least = match key.algorithm {
        KeyAlgorithm::Rsa | KeyAlgorithm::RsaPss | KeyAlgorithm::Dsa => 2048,
        KeyAlgorithm::Ec => 224,
        _ => return false,
    };
    key.bits.is_some_and(|bits| bits < least)
}

/// What one policy asks of the certificate and the root.
fn by_policy<'p>(
    case: &Case<'_>,
    leaf: &Certificate,
    verdict: &Verdict<'p>,
    found: &mut Found<'_, 'p>,
) {
    let policy = verdict.policy;
    let id = &*policy.id;
    let mut add = |finding, text, fixes: &'static [Fix]| {
        found.add(Told { id: finding, concerns: Concerns::Server, policy: Some(id), text, fixes });
    };
    let kind = key_kind(leaf.key().algorithm).or_else(|| leaf_kind(case));
    let wrong_kind = policy
        .certificate_types
        .is_some_and(|types| kind.is_some_and(|kind| !types.contains(kind)));
    if wrong_kind || is_small_key(policy, leaf) {
        let text = format!("{id} does not want a key of {}", leaf.key());
        add(Id::CertOutsidePolicy, text, &[Fix::CertificateOutsidePolicy]);
    }
    if verdict.root == Some(RootMatch::Other) && case.chain.status.is_trusted() {
        let root = case.chain.root_subject.as_deref().unwrap_or("an unnamed root");
        let text = format!("the chain ends at {root}, which is none of the roots of {id}");
        add(Id::CertRootNotRequired, text, &[]);
    }
    // Of those that any policy names is told once, whatever the policy.
    if fated(case.chain).is_none()
        && let Some(root) = required_root(policy, case.chain)
        && let Some(fate) = root.fate()
    {
        let text = format!("the chain ends at {}, {fate}", root.common_name);
        add(Id::CertRootDistrusted, text, fixes_of(root));
    }
}

/// A root at the end of the chain that has expired or was dropped.
fn root(case: &Case<'_>, found: &mut Found<'_, '_>) {
    let chain = case.chain;
    if let Some(root) = fated(chain)
        && let Some(fate) = root.fate()
    {
        let text = format!("the chain ends at {}, {fate}", root.common_name);
        told(found, Id::CertRootDistrusted, text, fixes_of(root));
    } else if let (Some(root), Some(end)) = (&chain.root_subject, chain.root_expired) {
        let text = format!("the chain ends at {root}, which expired on {end}");
        told(found, Id::CertRootDistrusted, text, &[Fix::RootExpired]);
    }
}

const fn fixes_of(root: &Root) -> &'static [Fix] {
    match root.status {
        RootStatus::Expired => &[Fix::RootExpired],
        _ => &[Fix::RootDistrusted],
    }
}

/// What the client said of the chain.
fn rejections(case: &Case<'_>, found: &mut Found<'_, '_>) {
    let why = || match &case.chain.why {
        Some(why) => format!(" ({why})"),
        None => String::new(),
    };
    if rejects_root(case) {
        let root = case.chain.root_subject.as_deref().unwrap_or("its root");
        found.add(Told {
            id: Id::ClientRejectsRoot,
            concerns: Concerns::Client,
            policy: None,
            text: format!("the client answered unknown_ca to a chain that verifies up to {root}"),
            fixes: &[Fix::RootMissing],
        });
    } else if let Some(alert) = certificate_rejection(case) {
        let name = alert.name().unwrap_or("an alert");
        found.add(Told {
            id: Id::ClientRejectsCertificate,
            concerns: Concerns::Both,
            policy: None,
            text: format!("the client answered {name} to the server's certificate{}", why()),
            fixes: &[Fix::CertificateRejected],
        });
    }
}

/// The names that a certificate is for, as many as one reads.
fn names(leaf: &Certificate) -> String {
    const SHOWN: usize = 3;
    let san = leaf.san();
    if san.is_empty() {
        return leaf.common_name().unwrap_or("no name at all").to_owned();
    }
    let more = if san.len() > SHOWN { " …" } else { "" };
    let shown: Vec<&str> = san.iter().take(SHOWN).map(String::as_str).collect();
    format!("{}{more}", shown.join(", "))
}

fn seconds(at: Timestamp) -> i64 {
    i64::try_from(at.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::census::sample::{self, Sample};
    use crate::policy::finding::findings;
    use crate::policy::{Policy, judge};
    use crate::x509::{CertificateTime, ChainReport, Fingerprint};

    /// What is said of roots under a policy where a chain is worth this.
    fn said(policy: &str, chain: ChainReport) -> Vec<String> {
        let leaf = Arc::new(Certificate::parse(b"no certificate"));
        let record = Sample::new(1, 7).sends(&[leaf]).with(|record| record.chain = chain.into()).0;
        let evidence = record.evidence();
        let case = record.case(&evidence);
        let policy = Policy::by_id(policy).unwrap();
        let verdicts = [judge(&policy, &case)];
        let found = findings(&case, &verdicts, &mut Vec::new);
        let roots = found.into_iter().filter(|finding| finding.id == Id::CertRootDistrusted);
        roots
            .map(|finding| format!("{} [{}]", finding.text, finding.remediation.unwrap().id))
            .collect()
    }

    #[test]
    fn a_certificate_that_signed_itself_is_said_to_have_even_where_that_cannot_be_checked() {
        for (why, text) in [
            (None, "the certificate is self-signed"),
            (
                Some("MD5 cannot be checked"),
                "the certificate is self-signed: MD5 cannot be checked",
            ),
        ] {
            let leaf = Arc::new(Certificate::parse(b"no certificate"));
            let why = why.map(ToOwned::to_owned);
            let chain = ChainReport { why, ..ChainReport::unseen(ChainStatus::SelfSigned) };
            let sample =
                Sample::new(1, 7).sends(&[leaf]).with(|record| record.chain = chain.into());
            let evidence = sample.0.evidence();
            let found = findings(&sample.0.case(&evidence), &[], &mut Vec::new);
            let found = found.iter().find(|finding| finding.id == Id::CertSelfSigned);
            assert_eq!(found.unwrap().text, text);
        }
    }

    #[test]
    fn days_that_are_left() {
        assert_eq!([0, 1, 2].map(later), ["less than a day later", "1 day later", "2 days later"]);
    }

    #[test]
    fn an_address_that_a_certificate_has_as_a_host_name_is_not_said_to_be_another() {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::default();
        let host = rcgen::SanType::DnsName("10.0.0.2".try_into().unwrap());
        params.subject_alt_names = vec![host];
        let leaf = Arc::new(Certificate::parse(params.self_signed(&key).unwrap().der()));
        let said = |name| {
            let record = Sample::new(1, 7)
                .offers(&sample::legacy())
                .asks_for(name)
                .sends(&[Arc::clone(&leaf)])
                .0;
            let evidence = record.evidence();
            let found = findings(&record.case(&evidence), &[], &mut Vec::new);
            let own = found.into_iter().find(|finding| finding.id == Id::CertNameMismatch);
            own.map(|finding| finding.text)
        };
        assert_eq!(
            said("10.0.0.2").as_deref(),
            Some(
                "the certificate is not for the address 10.0.0.2, which it has as a host name only"
            )
        );
        assert_eq!(
            said("10.0.0.3").as_deref(),
            Some("the certificate is not for 10.0.0.3, but for 10.0.0.2")
        );
    }

    fn ending_at(name: &str, status: ChainStatus) -> ChainReport {
        let mut roots = Policy::builtin().iter().flat_map(|policy| &policy.roots);
        let root = roots.find(|root| &*root.common_name == name).unwrap();
        ChainReport {
            root_sha1: Some(root.sha1),
            root_fingerprint: root.sha256.map(Fingerprint),
            ..ChainReport::unseen(status)
        }
    }

    #[test]
    fn roots_that_are_over_are_told_in_words_under_any_policy() {
        for policy in ["dataverse", "dataverse-2024-12", "rfc9325"] {
            assert_eq!(
                said(policy, ending_at("Baltimore CyberTrust Root", ChainStatus::Expired)),
                [
                    "the chain ends at Baltimore CyberTrust Root, which expired on 2025-05-12: chains \
                  need a newer root [replace-expired-root]"
                ]
            );
            assert_eq!(
                said(policy, ending_at("DigiCert Global Root CA", ChainStatus::PublicRoot)),
                [
                    "the chain ends at DigiCert Global Root CA, which Mozilla dropped in April 2026: \
                  software with Mozilla's list of roots refuses it [replace-expired-root]"
                ]
            );
            let current = ending_at("DigiCert Global Root G2", ChainStatus::PublicRoot);
            assert_eq!(said(policy, current), [""; 0]);
        }
    }

    #[test]
    fn an_anchor_of_ones_own_that_has_expired_is_told_too() {
        let chain = ChainReport {
            root_subject: Some("CN=Corp Root".to_owned()),
            root_expired: Some(CertificateTime::from_secs(1_577_836_799)),
            ..ChainReport::unseen(ChainStatus::Expired)
        };
        assert_eq!(
            said("dataverse", chain),
            ["the chain ends at CN=Corp Root, which expired on 2019-12-31T23:59:59Z \
              [replace-expired-root]"]
        );
    }
}
