//! The sentences on findings, one by one: of suites, versions, offers, outcomes, alerts and keys.

use std::fmt::Write as _;
use std::sync::Arc;

use super::*;
use crate::census::sample::{self, Sample};
use crate::policy::file::parse;
use crate::policy::{Outcome, Policy, judge};
use crate::record::{Alert, AlertBody, Outcome as Ending};
use crate::tls::Transport;
use crate::tls::codepoint::{AlertDescription, CipherSuite, ProtocolVersion as V};
use crate::tls::hello::Offer;
use crate::x509::ChainStatus::{Incomplete, PublicRoot, UnknownRoot};
use crate::x509::{Certificate, Fingerprint};
use FindingId as Id;
use Severity::{Critical, High, Info, Low, Medium};

/// A policy of TLS 1.0 to 1.2; of each suite its level.
fn policy(rule: &str, rest: &str, suites: &[(&str, &str)]) -> Policy {
    let mut text = format!(
        "id = 'p'\ntitle = 'P'\nallowed_versions = ['TLS1.0', 'TLS1.1', 'TLS1.2']\n\
         cipher_rule = '{rule}'\n{rest}\n"
    );
    for (name, level) in suites {
        write!(text, "[[cipher_suite]]\nname = '{name}'\nlevel = '{level}'\n").unwrap();
    }
    parse("p.toml", &text).unwrap()
}

const GCM: &str = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256";
const CBC: &str = "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA";

fn offer(max: V) -> Arc<Offer> {
    Arc::new(sample::offer(max, &[0xc02f, 0xc013, 0x009e, 0x002f, 0x000a, 0x0005]))
}

fn chose(version: V, suite: u16) -> Sample {
    Sample::new(1, 1).offers(&offer(V::TLS1_2)).chooses(version, suite)
}

/// What is found, with how bad it is.
fn said(policy: &Policy, sample: Sample) -> Vec<(Id, Severity)> {
    let record = sample.0;
    let evidence = record.evidence();
    let case = record.case(&evidence);
    let found = findings(&case, &[judge(policy, &case)], &mut Vec::new);
    found.into_iter().map(|finding| (finding.id, finding.severity)).collect()
}

/// Whom a finding concerns.
fn concerns(policy: &Policy, sample: Sample, id: Id) -> Option<Concerns> {
    let record = sample.0;
    let evidence = record.evidence();
    let case = record.case(&evidence);
    let found = findings(&case, &[judge(policy, &case)], &mut Vec::new);
    found.iter().find(|finding| finding.id == id).map(|finding| finding.concerns)
}

fn certificate(key: &rcgen::KeyPair) -> Arc<Certificate> {
    let mut params = rcgen::CertificateParams::new(vec!["svc.test".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2040, 1, 1);
    Arc::new(Certificate::parse(params.self_signed(key).unwrap().der()))
}

const OUTSIDE: Id = Id::SuiteOutsidePolicy;

#[test]
fn what_is_in_the_policy_and_better_left_is_a_low_finding_and_stays_inside() {
    let both = |level| [(GCM, "allowed"), (CBC, level)];
    let outside = |policy: &Policy| {
        let mut found = said(policy, chose(V::TLS1_2, 0xc013));
        found.retain(|(id, _)| *id == OUTSIDE);
        found
    };
    let suites = [
        policy("only", "", &both("degraded")),
        policy("only", "", &both("recommended-without-fs")),
        policy("only", "", &both("recommended-psk-without-fs")),
        policy("only", "", &both("allowed-not-preferred")),
        policy("recommended", "", &[(GCM, "recommended")]),
        policy("none", "discouraged_kx = ['ECDHE']", &[]),
        policy("none", "discouraged_weaknesses = ['CBC']", &[]),
        policy("none", "discouraged_bits_below = 200", &[]),
        policy("none", "discouraged_versions = ['TLS1.2']", &[]),
    ];
    for policy in suites {
        let record = chose(V::TLS1_2, 0xc013).0;
        let evidence = record.evidence();
        let verdict = judge(&policy, &record.case(&evidence));
        assert_eq!(verdict.connection.inside, Some(true), "{:?}", policy.suites.text);
        assert!(verdict.client.is(Outcome::Ready) && verdict.server.is(Outcome::Ready));
        assert_eq!(outside(&policy), [(OUTSIDE, Low)], "{:?}", policy.suites.text);
    }
    for level in ["allowed", "recommended", "recommended-psk", "required-one-of"] {
        let policy = policy("only", "", &both(level));
        assert_eq!(outside(&policy), [], "{level}");
    }
}

#[test]
fn off_the_list_is_info_for_one_that_is_able_and_medium_where_nothing_else_may_be() {
    let able = policy("at-least-one-of", "", &[(GCM, "allowed")]);
    assert_eq!(said(&able, chose(V::TLS1_2, 0xc013)), [(OUTSIDE, Info)]);
    let strict = policy("only", "", &[(GCM, "allowed")]);
    assert_eq!(said(&strict, chose(V::TLS1_2, 0xc013)), [(OUTSIDE, Medium)]);
    // One that is not able has nothing to show for it.
    let weak = Sample::new(1, 1).offers(&Arc::new(sample::offer(V::TLS1_2, &[0xc013])));
    let found = said(&able, weak.chooses(V::TLS1_2, 0xc013));
    assert!(found.contains(&(OUTSIDE, Medium)), "{found:?}");
    // A weak class says more.
    assert_eq!(said(&able, chose(V::TLS1_2, 0x000a))[0], (Id::SuiteTlsRsa, Medium));
    assert!(said(&able, chose(V::TLS1_2, 0x000a)).iter().all(|(id, _)| *id != OUTSIDE));
}

#[test]
fn beyond_the_policy_is_never_a_finding() {
    let modern = Sample::new(1, 1).offers(&sample::modern()).chooses(V::TLS1_3, 0x1301);
    assert_eq!(said(&policy("only", "", &[(GCM, "allowed")]), modern), []);
}

#[test]
fn a_certificate_outside_the_policy_is_medium_and_leaves_the_outcome_as_it_is() {
    let curve = rcgen::KeyPair::generate().unwrap();
    let rsa = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let table = [
        ("certificate_types = ['rsa']", &curve, true),
        ("certificate_types = ['ecdsa']", &rsa, true),
        ("certificate_types = ['rsa', 'ecdsa']", &curve, false),
        ("min_rsa_bits = 3072", &rsa, true),
        ("min_rsa_bits = 2048", &rsa, false),
        ("min_ec_bits = 384", &curve, true),
        ("min_ec_bits = 256", &curve, false),
        ("min_rsa_bits = 3072", &curve, false),
    ];
    for (asks, key, outside) in table {
        let policy = policy("none", asks, &[]);
        let record = chose(V::TLS1_2, 0xc02f).sends(&[certificate(key)]);
        let own = record.0.clone();
        let found = said(&policy, record);
        assert_eq!(found.contains(&(Id::CertOutsidePolicy, Medium)), outside, "{asks}");
        let evidence = own.evidence();
        let verdict = judge(&policy, &own.case(&evidence));
        assert!(verdict.server.is(Outcome::Ready) && verdict.connection.inside == Some(true));
    }
}

#[test]
fn every_weak_class_has_its_own_id_and_severity() {
    let free = policy("none", "", &[]);
    let table = [
        (0x003b, Id::SuiteNull, Critical),
        (0x0003, Id::SuiteExport, Critical),
        (0x0034, Id::SuiteAnon, Critical),
        (0xc011, Id::SuiteRc4, High),
        (0x0009, Id::SuiteDes, High),
        (0xc012, Id::Suite3des, Medium),
        (0x0004, Id::SuiteMd5, Medium),
        (0x002f, Id::SuiteTlsRsa, Medium),
    ];
    for (suite, id, severity) in table {
        let every = Arc::new(sample::offer(V::TLS1_2, &[suite, 0xc02f]));
        let found = said(&free, Sample::new(1, 1).offers(&every).chooses(V::TLS1_2, suite));
        assert!(found.contains(&(id, severity)), "{suite:x}: {found:?}");
    }
}

#[test]
fn a_version_concerns_the_end_that_limits() {
    let free = policy("none", "", &[]);
    let table = [
        (V::SSL3, Id::VersionSsl3, High),
        (V::TLS1_0, Id::VersionTls10, High),
        (V::TLS1_1, Id::VersionTls11, High),
    ];
    for (version, id, severity) in table {
        let able = || chose(version, 0xc013);
        assert!(said(&free, able()).contains(&(id, severity)), "{version}");
        assert_eq!(concerns(&free, able(), id), Some(Concerns::Server));
        let old = Sample::new(1, 1).offers(&offer(version)).chooses(version, 0xc013);
        assert_eq!(concerns(&free, old, id), Some(Concerns::Client));
        let unseen = Sample::new(1, 1).chooses(version, 0xc013);
        assert_eq!(concerns(&free, unseen, id), Some(Concerns::Both));
    }
    let ssl2 = Sample::new(1, 1).chooses(V::SSL2, 0x002f);
    assert!(said(&free, ssl2).contains(&(Id::VersionSsl2, Critical)));
}

#[test]
fn datagram_versions_keep_the_ids_of_tls() {
    let free = policy("none", "", &[]);
    let datagram = |version| {
        let mut offer = (*offer(V::TLS1_2)).clone();
        offer.legacy_version = V::DTLS1_2;
        let sample = Sample::new(1, 1).offers(&Arc::new(offer)).chooses(version, 0xc013);
        sample.with(|record| record.transport = Transport::Udp)
    };
    assert!(said(&free, datagram(V::DTLS1_0)).contains(&(Id::VersionTls11, High)));
    let old = datagram(V::DTLS1_0).0;
    let evidence = old.evidence();
    let found = findings(&old.case(&evidence), &[], &mut Vec::new);
    let told = found.iter().find(|finding| finding.id == Id::VersionTls11);
    let words = "DTLS 1.0 was negotiated although the client offers DTLS 1.2";
    assert_eq!(told.map(|finding| &*finding.text), Some(words));
    assert!(said(&free, datagram(V::DTLS1_2)).iter().all(|(id, _)| *id != Id::VersionTls11));
}

#[test]
fn an_offer_of_one_kind_of_certificate_is_low_where_the_policy_has_both() {
    let both = ["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"];
    let listed = both.map(|name| (name, "allowed"));
    let has = |rest: &str, suites: &[(&str, &str)], code| {
        let one = Arc::new(sample::offer(V::TLS1_2, &[code]));
        let found = said(&policy("only", rest, suites), Sample::new(1, 1).offers(&one));
        found.contains(&(Id::OfferOneCertificateType, Low))
    };
    assert!(has("", &listed, 0xc02f) && has("", &listed, 0xc02b));
    let cut = Arc::new(Offer { truncated: true, ..sample::offer(V::TLS1_2, &[0xc02f]) });
    let found = said(&policy("only", "", &listed), Sample::new(1, 1).offers(&cut));
    assert!(
        found.iter().all(|(id, _)| *id != Id::OfferOneCertificateType),
        "the other kind may lie behind the cut"
    );
    assert!(!has("", &listed[..1], 0xc02f), "the policy has no other");
    let named = "certificate_types = ['rsa', 'ecdsa']";
    assert!(has(named, &listed, 0xc02b), "it stays ready and loses servers");
    assert!(!has("certificate_types = ['rsa']", &listed, 0xc02b), "it breaks");
    assert!(!has("certificate_types = ['rsa']", &listed, 0xc02f), "no server has another");
}

#[test]
fn a_hello_in_the_format_of_ssl2_is_high_whatever_it_offers() {
    let mut old = (*offer(V::TLS1_2)).clone();
    old.sslv2_format = true;
    let sample = Sample::new(1, 1).offers(&Arc::new(old)).chooses(V::TLS1_2, 0xc02f);
    assert!(said(&policy("none", "", &[]), sample).contains(&(Id::OfferSslv2Format, High)));
}

#[test]
fn each_outcome_that_harms_has_its_finding() {
    let strict = parse(
        "p.toml",
        &format!(
            "id = 'p'\ntitle = 'P'\nallowed_versions = ['TLS1.2']\ncipher_rule = 'only'\n\
             [[cipher_suite]]\nname = '{GCM}'\nlevel = 'allowed'\n"
        ),
    )
    .unwrap();
    let has = |sample: Sample, id, severity| said(&strict, sample).contains(&(id, severity));
    let old = Sample::new(1, 1).offers(&offer(V::TLS1_0));
    assert!(has(old, Id::OfferMaxVersion, High));
    let wrong = Sample::new(1, 1).offers(&sample::wrong_suites());
    assert!(has(wrong, Id::OfferNoSuite, High));
    assert!(has(chose(V::TLS1_0, 0x002f), Id::ServerMaxVersion, High));
    let rsa = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let risky = chose(V::TLS1_2, 0x002f).sends(&[certificate(&rsa)]);
    assert!(has(risky, Id::ServerNoSuite, Medium));
    let mut all = (*offer(V::TLS1_2)).clone();
    all.groups = Some(vec![
        crate::tls::codepoint::NamedGroup::X25519,
        crate::tls::codepoint::NamedGroup::SECP256R1,
        crate::tls::codepoint::NamedGroup::SECP384R1,
    ]);
    let refused = Sample::new(1, 1).offers(&Arc::new(all));
    let refused = refused.refused(AlertDescription::HANDSHAKE_FAILURE);
    assert!(has(refused, Id::ServerNoSuite, High));
}

#[test]
fn a_sentinel_for_a_version_that_the_client_offered_proves_a_downgrade() {
    let free = policy("none", "", &[]);
    let with = |offered, negotiated, proven| {
        let sample = Sample::new(1, 1).offers(&offer(offered)).chooses(negotiated, 0xc013);
        sample.with(|record| {
            Arc::make_mut(record.server_hello.as_mut().unwrap()).downgrade_sentinel = Some(proven);
        })
    };
    let downgraded = (Id::ServerDowngraded, High);
    assert!(said(&free, with(V::TLS1_2, V::TLS1_1, V::TLS1_2)).contains(&downgraded));
    // A client that offers no more was not lowered.
    assert!(!said(&free, with(V::TLS1_1, V::TLS1_1, V::TLS1_2)).contains(&downgraded));
    assert!(!said(&free, with(V::TLS1_2, V::TLS1_2, V::TLS1_3)).contains(&downgraded));
}

#[test]
fn an_alert_after_the_clients_certificate_says_nothing_of_versions_or_suites() {
    let free = policy("none", "", &[]);
    let refused = |requested| {
        chose(V::TLS1_2, 0xc02f).with(|record| {
            record.certificate_requested = requested;
            record.outcome = Ending::Refused;
            record.alerts = vec![Alert {
                from: Role::Server,
                body: AlertBody::Plain {
                    fatal: true,
                    description: AlertDescription::HANDSHAKE_FAILURE,
                },
            }];
        })
    };
    let rejects = (Id::ServerRejectsClientCertificate, Medium);
    assert!(said(&free, refused(true)).contains(&rejects));
    assert!(!said(&free, refused(false)).contains(&rejects));
    let record = refused(true).0;
    let evidence = record.evidence();
    assert!(judge(&free, &record.case(&evidence)).server.is(Outcome::Ready));
}

#[test]
fn the_first_fatal_alert_ended_the_handshake_whatever_was_answered_to_it() {
    // As GnuTLS answers the client's alert where it waits for the client's certificate.
    let free = policy("none", "", &[]);
    let record = chose(V::TLS1_2, 0xc02f).with(|record| {
        record.certificate_requested = true;
        record.outcome = Ending::Refused;
        let alerts = [
            (Role::Server, false, AlertDescription::UNRECOGNIZED_NAME),
            (Role::Client, true, AlertDescription::UNKNOWN_CA),
            (Role::Server, true, AlertDescription::DECODE_ERROR),
        ];
        let alert = |(from, fatal, description)| Alert {
            from,
            body: AlertBody::Plain { fatal, description },
        };
        record.alerts = alerts.map(alert).into();
    });
    let evidence = record.0.evidence();
    let found = findings(
        &record.0.case(&evidence),
        &[judge(&free, &record.0.case(&evidence))],
        &mut Vec::new,
    );
    let refused: Vec<_> =
        found.iter().filter(|f| f.id == Id::HandshakeRefused).map(|f| &*f.text).collect();
    assert_eq!(refused, ["the client ended the handshake with the alert unknown_ca"]);
    assert!(!found.iter().any(|f| f.id == Id::ServerRejectsClientCertificate), "{found:?}");
}

#[test]
fn an_answer_about_the_chain_is_about_the_root_only_where_the_chain_verifies() {
    let free = policy("none", "", &[]);
    let answered = |status, description| {
        let leaf = Arc::new(Certificate::parse(b"no certificate"));
        chose(V::TLS1_2, 0xc02f).sends(&[leaf]).with(|record| {
            let chain = Arc::make_mut(&mut record.chain);
            chain.status = status;
            chain.root_fingerprint = Some(Fingerprint([1; 32]));
            record.alerts = vec![Alert {
                from: Role::Client,
                body: AlertBody::Plain { fatal: true, description },
            }];
        })
    };
    let root = (Id::ClientRejectsRoot, High);
    let other = (Id::ClientRejectsCertificate, Medium);
    let lacks = said(&free, answered(PublicRoot, AlertDescription::UNKNOWN_CA));
    assert!(lacks.contains(&root) && !lacks.contains(&other), "{lacks:?}");
    for status in [UnknownRoot, Incomplete] {
        let found = said(&free, answered(status, AlertDescription::UNKNOWN_CA));
        assert!(found.contains(&other) && !found.contains(&root), "{found:?}");
    }
    for alert in [
        AlertDescription::BAD_CERTIFICATE,
        AlertDescription::CERTIFICATE_UNKNOWN,
        AlertDescription::CERTIFICATE_EXPIRED,
        AlertDescription::UNSUPPORTED_CERTIFICATE,
    ] {
        let found = said(&free, answered(PublicRoot, alert));
        assert!(found.contains(&other) && !found.contains(&root), "{alert}: {found:?}");
    }
}

#[test]
fn an_sslv2_format_cipher_counts_by_its_two_lower_bytes() {
    // `0x00c02f` on the wire is 0xc02f.
    assert_eq!(CipherSuite(0x00_c02f), CipherSuite::new(0xc02f));
}

#[test]
fn a_client_of_nothing_but_what_is_beyond_the_policy_is_told_to_allow_less_too() {
    let only = |max| {
        let mut offer = sample::offer(max, &[0x1301, 0xc02f]);
        offer.supported_versions = Some(vec![max]);
        Sample::new(1, 1).offers(&Arc::new(offer)).0
    };
    let fix = |record: &crate::record::FlowRecord| {
        let evidence = record.evidence();
        let case = record.case(&evidence);
        let old = policy("only", "", &[(GCM, "allowed")]);
        let found = findings(&case, &[judge(&old, &case)], &mut Vec::new);
        let own = found.iter().find(|finding| finding.id == Id::OfferMaxVersion);
        own.and_then(|finding| finding.remediation).map(|remedy| &*remedy.id)
    };
    assert_eq!(fix(&only(V::TLS1_3)), Some("client-allow-tls12"));
    assert_eq!(fix(&only(V::SSL3)), Some("schannel-tls12-client"));
}

#[test]
fn what_is_said_of_a_client_is_a_sentence() {
    let text = |rest, change: fn(&mut Offer)| {
        let policy = policy("only", rest, &[(GCM, "allowed")]);
        let mut offer = sample::offer(V::TLS1_2, &[0xc02f]);
        change(&mut offer);
        let record = Sample::new(1, 1).offers(&Arc::new(offer)).0;
        let evidence = record.evidence();
        let case = record.case(&evidence);
        let found = findings(&case, &[judge(&policy, &case)], &mut Vec::new);
        let own = found.into_iter().find(|finding| finding.id == Id::OfferNoSuite);
        own.map(|finding| finding.text).unwrap_or_default()
    };
    let no_curve = |offer: &mut Offer| offer.groups = Some(Vec::new());
    assert_eq!(
        text("", no_curve),
        "the client offers suites that need a group that p accepts, and names none"
    );
    assert_eq!(
        text("certificate_types = ['ecdsa']", |_| ()),
        "the client offers suites that need RSA certificates, and p has ECDSA only"
    );
}
