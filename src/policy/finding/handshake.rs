//! Findings of versions, suites, offers, outcomes and alerts.

use super::{Concerns, FindingId as Id, Found, Severity, Told};
use crate::policy::outcome::usable_keys;
use crate::policy::sentence::{over, suite_words, words};
use crate::policy::suites::CipherRule;
use crate::policy::{KeyKinds, Outcome, Reason, Verdict, VersionSet};
use crate::recognise::Fix;
use crate::record::{self, AlertBody, Case, Evasion};
use crate::tls::Role;
use crate::tls::codepoint::{
    AlertDescription, CipherSuite, KeyExchange, ProtocolVersion, SignatureKind, SuiteInfo, Weakness,
};
use crate::tls::hello::Offer;

pub(super) fn find<'p>(case: &Case<'_>, verdicts: &[Verdict<'p>], found: &mut Found<'_, 'p>) {
    version(case, found);
    let classed = suite_classes(case, found);
    offer(case, found);
    for verdict in verdicts {
        client(case, verdict, found);
        server(verdict, found);
        if !classed {
            suite_outside(case, verdict, found);
        }
    }
    alerts(case, found);
    downgraded(case, found);
    evasion(case, found);
}

/// A version that should go was negotiated.
fn version(case: &Case<'_>, found: &mut Found<'_, '_>) {
    let Some(negotiated) = case.evidence.version.and_then(ProtocolVersion::judged_as) else {
        return;
    };
    let id = match negotiated {
        ProtocolVersion::SSL2 => Id::VersionSsl2,
        ProtocolVersion::SSL3 => Id::VersionSsl3,
        ProtocolVersion::TLS1_0 => Id::VersionTls10,
        ProtocolVersion::TLS1_1 => Id::VersionTls11,
        _ => return,
    };
    let most = case.offer.and_then(Offer::max_version).and_then(ProtocolVersion::judged_as);
    let name = words(case.evidence.version.unwrap_or(negotiated));
    let (concerns, text, fixes): (_, _, &[Fix]) = match most {
        Some(most) if most <= negotiated => (
            Concerns::Client,
            format!("{name} was negotiated: the client offers no more"),
            &[Fix::ClientVersionBelowPolicy],
        ),
        Some(most) => (
            Concerns::Server,
            format!(
                "{name} was negotiated although the client offers {}",
                over(most, case.evidence.transport)
            ),
            &[Fix::ServerVersionBelowPolicy, Fix::ServerAcceptsLegacyVersion],
        ),
        None => (
            Concerns::Both,
            format!("{name} was negotiated; the client's offer was not seen"),
            &[Fix::ServerAcceptsLegacyVersion],
        ),
    };
    found.add(Told { id, concerns, policy: None, text, fixes });
}

/// The weak classes that a suite belongs to, worst first.
fn classes(info: &SuiteInfo) -> impl Iterator<Item = Id> {
    let anonymous = info.has(Weakness::Anon)
        && !matches!(info.key_exchange, KeyExchange::Null | KeyExchange::Psk);
    [
        (info.has(Weakness::Null), Id::SuiteNull),
        (info.has(Weakness::Export), Id::SuiteExport),
        (anonymous, Id::SuiteAnon),
        (info.has(Weakness::Rc4), Id::SuiteRc4),
        (info.has(Weakness::Des), Id::SuiteDes),
        (info.has(Weakness::TripleDes), Id::Suite3des),
        (info.has(Weakness::Md5), Id::SuiteMd5),
        (info.is_static_rsa(), Id::SuiteTlsRsa),
    ]
    .into_iter()
    .filter_map(|(is, id)| is.then_some(id))
}

/// The negotiated suite is weak; whether it is.
fn suite_classes(case: &Case<'_>, found: &mut Found<'_, '_>) -> bool {
    let Some(suite) = case.evidence.cipher_suite else { return false };
    let Some(info) = suite.info() else { return false };
    let mut any = false;
    for id in classes(info) {
        any = true;
        // The server chose it; it is the client's fault only if nothing better was offered.
        let better = |offered: &CipherSuite| {
            !offered.is_signalling()
                && !offered.is_tls13()
                && offered.info().is_some_and(|info| classes(info).all(|class| class != id))
        };
        let alone = case.offer.is_some_and(|offer| !offer.cipher_suites.iter().any(better));
        let concerns = if alone { Concerns::Client } else { Concerns::Server };
        let fixes: &[Fix] = match (id, concerns) {
            (Id::SuiteTlsRsa, Concerns::Client) => &[Fix::ClientSuiteMissing],
            (Id::SuiteTlsRsa, _) => &[Fix::NoForwardSecrecy],
            (_, Concerns::Client) => &[Fix::ClientSuiteMissing, Fix::WeakSuite],
            _ => &[Fix::WeakSuite],
        };
        let choice = if alone { "the client offers nothing better" } else { "the server chose it" };
        let text = format!("{} was negotiated: {choice}", suite_words(suite));
        found.add(Told { id, concerns, policy: None, text, fixes });
    }
    any
}

/// The negotiated suite is none of the weak ones, but the policy would have another.
fn suite_outside<'p>(case: &Case<'_>, verdict: &Verdict<'p>, found: &mut Found<'_, 'p>) {
    let (Some(version), Some(suite)) = (case.evidence.version, case.evidence.cipher_suite) else {
        return;
    };
    let policy = verdict.policy;
    // Of a version outside the policy its own finding speaks, and beyond is no fault.
    let allowed = version.judged_as().is_some_and(|version| policy.versions.contains(version));
    if !allowed {
        return;
    }
    let inside = verdict.connection.inside == Some(true);
    let able = verdict.client.is(Outcome::Ready) || verdict.server.is(Outcome::Ready);
    let old = policy.discouraged_versions.contains(version);
    let severity = if inside {
        if !old && !policy.suites.discourage(suite) {
            return;
        }
        Severity::Low
    } else if policy.suites.text.rule == CipherRule::AtLeastOneOf && able {
        Severity::Info
    } else {
        Severity::Medium
    };
    let what = if inside && old { words(version).to_owned() } else { suite_words(suite) };
    let verb = if inside { "allows, but discourages, " } else { "does not list " };
    let text = format!("{} {verb}{what}", policy.id);
    found.add_as(
        severity,
        Told {
            id: Id::SuiteOutsidePolicy,
            concerns: Concerns::Server,
            policy: Some(&policy.id),
            text,
            fixes: &[Fix::ServerSuiteNotAllowed],
        },
    );
}

/// What is odd about the hello itself.
fn offer(case: &Case<'_>, found: &mut Found<'_, '_>) {
    if case.offer.is_some_and(|offer| offer.sslv2_format) {
        found.add(Told {
            id: Id::OfferSslv2Format,
            concerns: Concerns::Client,
            policy: None,
            text: "the client's hello is in the format of SSL 2.0, which servers may refuse".into(),
            fixes: &[Fix::Sslv2Hello],
        });
    }
}

/// The client breaks, or depends on one kind of certificate.
fn client<'p>(case: &Case<'_>, verdict: &Verdict<'p>, found: &mut Found<'_, 'p>) {
    let policy = Some(&*verdict.policy.id);
    let outcome = &verdict.client;
    if outcome.is(Outcome::Breaks) {
        let (id, fixes): (_, &[Fix]) = if outcome.is_beyond() {
            (Id::OfferMaxVersion, &[Fix::ClientVersionBeyondPolicy])
        } else if outcome.has(Reason::Version) {
            (Id::OfferMaxVersion, &[Fix::ClientVersionBelowPolicy])
        } else if outcome.has(Reason::CipherSuite) {
            (Id::OfferNoSuite, &[Fix::ClientSuiteMissing])
        } else if outcome.has(Reason::Group) {
            (Id::OfferNoSuite, &[Fix::ClientGroupMissing, Fix::ClientSuiteMissing])
        } else if outcome.has(Reason::Signature) {
            (Id::OfferNoSuite, &[Fix::ClientSignatureMissing, Fix::ClientSuiteMissing])
        } else {
            return; // A missing root has a finding of its own.
        };
        let text = format!("the client {}", outcome.sentence());
        found.add(Told { id, concerns: Concerns::Client, policy, text, fixes });
    } else if outcome.is(Outcome::Ready)
        && let Some(kind) = case.offer.and_then(|offer| one_certificate_type(case, verdict, offer))
    {
        let text = format!(
            "of the suites of {} the client offers only those for {kind} certificates",
            verdict.policy.id
        );
        let id = Id::OfferOneCertificateType;
        let fixes = &[Fix::ClientSuiteMissing];
        found.add(Told { id, concerns: Concerns::Client, policy, text, fixes });
    }
}

/// The only kind of certificate that a client can use under a policy, by its suites and
/// signatures, where there is only one and the policy has both. What a cut hello does not show may be of
/// the other kind.
fn one_certificate_type(
    case: &Case<'_>,
    verdict: &Verdict<'_>,
    offer: &Offer,
) -> Option<&'static str> {
    if offer.truncated {
        return None;
    }
    let policy = verdict.policy;
    let versions = VersionSet::offered(offer, case.evidence.transport);
    let kinds = usable_keys(policy, offer, versions.intersection(policy.versions));
    let named = policy.certificate_types.unwrap_or(KeyKinds::USUAL);
    let wanted = policy.suites.keys().intersection(named);
    match (kinds.contains(SignatureKind::Rsa), kinds.contains(SignatureKind::Ecdsa)) {
        (true, false) if wanted.contains(SignatureKind::Ecdsa) => Some("RSA"),
        (false, true) if wanted.contains(SignatureKind::Rsa) => Some("ECDSA"),
        _ => None,
    }
}

/// The server breaks, or is at risk.
fn server<'p>(verdict: &Verdict<'p>, found: &mut Found<'_, 'p>) {
    let outcome = &verdict.server;
    let (id, severity, fixes): (_, _, &[Fix]) = match outcome.outcome {
        Outcome::Breaks if outcome.has(Reason::Version) => {
            (Id::ServerMaxVersion, Severity::High, &[Fix::ServerVersionBelowPolicy])
        }
        Outcome::Breaks => (Id::ServerNoSuite, Severity::High, &[Fix::ServerSuiteMissing]),
        Outcome::AtRisk if outcome.has(Reason::Group) && !outcome.has(Reason::CipherSuite) => {
            (Id::ServerNoSuite, Severity::Medium, &[Fix::ServerGroupMissing])
        }
        // Of evidence by turns: what it lacked where it could not.
        Outcome::AtRisk if outcome.has(Reason::Mixed) && outcome.evidence.lacks_version() => {
            (Id::ServerMaxVersion, Severity::Medium, &[Fix::ServerVersionBelowPolicy])
        }
        Outcome::AtRisk if outcome.has(Reason::Mixed) && !outcome.has(Reason::CipherSuite) => {
            (Id::ServerNoSuite, Severity::Medium, &[Fix::ServerSuiteMissing])
        }
        Outcome::AtRisk => (Id::ServerNoSuite, Severity::Medium, &[Fix::ServerSuiteNotAllowed]),
        Outcome::Ready | Outcome::Unknown => return,
    };
    let text = format!("the server {}", outcome.sentence());
    let policy = Some(&*verdict.policy.id);
    found.add_as(severity, Told { id, concerns: Concerns::Server, policy, text, fixes });
}

/// Alerts that ended the handshake, and what they mean.
fn alerts(case: &Case<'_>, found: &mut Found<'_, '_>) {
    let evidence = case.evidence;
    let refused = evidence.outcome == record::Outcome::Refused;
    if !refused {
        return;
    }
    // The first that is fatal ends it; what an end sends after that only answers it.
    let first = evidence.alerts.iter().find(|alert| match alert.body {
        AlertBody::Plain { fatal, .. } => fatal,
        AlertBody::Encrypted => true,
    });
    let Some(ended) = first else { return };
    // After a CertificateRequest of TLS ≤ 1.2 the server's alert is its answer to the certificate.
    if evidence.certificate_requested
        && evidence.version.is_some()
        && ended.from == Role::Server
        && let Some(alert) = ended.fatal()
    {
        let what = if evidence.client_certificates.is_empty() {
            "the client sent no certificate"
        } else {
            "the client's certificate was not accepted"
        };
        found.add(Told {
            id: Id::ServerRejectsClientCertificate,
            concerns: Concerns::Client,
            policy: None,
            text: format!("the server ended the handshake with {}: {what}", describe(alert)),
            fixes: &[Fix::ClientCertificateRefused],
        });
    }
    let what = match ended.body {
        AlertBody::Plain { description, .. } => describe(description),
        AlertBody::Encrypted => "an encrypted alert".to_owned(),
    };
    found.add(Told {
        id: Id::HandshakeRefused,
        concerns: Concerns::Both,
        policy: None,
        text: format!("the {} ended the handshake with {what}", ended.from.name()),
        fixes: &[],
    });
}

/// An alert by its name, or by its number where it has none.
fn describe(alert: AlertDescription) -> String {
    match alert.name() {
        Some(name) => format!("the alert {name}"),
        None => format!("the unknown alert {}", alert.0),
    }
}

/// The sentinel proves that both ends can do better (RFC 8446 §4.1.3).
fn downgraded(case: &Case<'_>, found: &mut Found<'_, '_>) {
    let (Some(proven), Some(negotiated)) = (case.evidence.sentinel, case.evidence.version) else {
        return;
    };
    let Some(offer) = case.offer else { return };
    if negotiated < proven && offer.versions().contains(&proven) {
        found.add(Told {
            id: Id::ServerDowngraded,
            concerns: Concerns::Server,
            policy: None,
            text: format!(
                "{} was negotiated although the client offers {} and the server's random proves it",
                words(negotiated),
                words(proven)
            ),
            fixes: &[Fix::Downgraded],
        });
    }
}

/// An end sends what somebody who watches reads otherwise than its peer.
fn evasion(case: &Case<'_>, found: &mut Found<'_, '_>) {
    let Evasion { client, server } = case.evidence.evasion;
    for (concerns, signs) in [(Concerns::Client, client), (Concerns::Server, server)] {
        let end = concerns.name();
        if signs.overlap > 0 {
            let (bytes, s) = (signs.overlap, if signs.overlap == 1 { "" } else { "s" });
            let text = format!(
                "at least {bytes} byte{s} of what the {end} sent came twice with different values: \
                 what is said here rests on one copy, the other end may have read the other"
            );
            found.add(Told { id: Id::EvasionOverlap, concerns, policy: None, text, fixes: &[] });
        }
        if signs.urgent {
            let text = format!(
                "the {end} marked data of its handshake as urgent: the other end may have read \
                 less than was sent"
            );
            found.add(Told { id: Id::EvasionUrgent, concerns, policy: None, text, fixes: &[] });
        }
        if signs.fragments {
            let text = format!(
                "fragments of what the {end} sent contradict each other: what is said here rests \
                 on one reading of them, the other end may have read another"
            );
            found.add(Told { id: Id::EvasionFragments, concerns, policy: None, text, fixes: &[] });
        }
    }
}
