//! Section 2's sentences on servers, one by one.

use std::sync::Arc;

use super::*;
use crate::census::sample::{self, Sample};
use crate::policy::file::parse;
use crate::record::FlowRecord;
use crate::tls::codepoint::ExtensionType;
use crate::x509::Certificate;
use ProtocolVersion as V;

const DAY_MS: u64 = 86_400_000;

/// TLS 1.2 and 1.3, and of each version one suite.
fn policy() -> Policy {
    of("'TLS1.2', 'TLS1.3'", "only")
}

/// TLS 1.2 alone.
fn older() -> Policy {
    of("'TLS1.2'", "only")
}

fn of(versions: &str, rule: &str) -> Policy {
    let mut text = format!(
        "id = 'p'\ntitle = 'P'\nallowed_versions = [{versions}]\ncipher_rule = '{rule}'\n\
         [[cipher_suite]]\nname = 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256'\nhex = '0xC02F'\n\
         version = 'TLS1.2'\nlevel = 'allowed'\n"
    );
    if versions.contains("1.3") {
        text.push_str(
            "[[cipher_suite]]\nname = 'TLS_AES_128_GCM_SHA256'\nhex = '0x1301'\n\
             version = 'TLS1.3'\nlevel = 'allowed'\n",
        );
    }
    parse("p.toml", &text).unwrap()
}

fn judged(policy: &Policy, records: &[FlowRecord]) -> ServerOutcome {
    let evidence: Vec<_> = records.iter().map(FlowRecord::evidence).collect();
    let cases: Vec<_> =
        records.iter().zip(&evidence).map(|(record, evidence)| record.case(evidence)).collect();
    server(policy, &cases)
}

fn said(policy: &Policy, records: &[FlowRecord]) -> (Outcome, Vec<Reason>) {
    let outcome = judged(policy, records);
    (outcome.outcome, outcome.reasons)
}

const READY: (Outcome, Vec<Reason>) = (Outcome::Ready, Vec::new());

fn because(outcome: Outcome, reasons: &[Reason]) -> (Outcome, Vec<Reason>) {
    (outcome, reasons.to_vec())
}

/// A certificate with an RSA key.
fn rsa() -> Arc<Certificate> {
    static KEY: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    let der = KEY.get_or_init(|| {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
        let params = rcgen::CertificateParams::new(vec!["svc.test".to_owned()]).unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    });
    Arc::new(Certificate::parse(der))
}

/// An offer of TLS 1.0 to 1.3, with all that the policy has, and more.
fn able() -> Arc<Offer> {
    let mut offer = sample::offer(V::TLS1_3, &[0x1301, 0x1302, 0xc02f, 0xc013, 0x002f]);
    offer.supported_versions = Some(vec![V::TLS1_3, V::TLS1_2, V::TLS1_1, V::TLS1_0]);
    Arc::new(offer)
}

/// A full handshake with such a client.
fn chose(version: V, suite: u16) -> Sample {
    Sample::new(1, 1).offers(&able()).chooses(version, suite).sends(&[rsa()])
}

/// A refusal of an offer with every version, suite and curve of the policy.
fn refused(alert: AlertDescription) -> Sample {
    let mut offer = sample::offer(V::TLS1_3, &[0x1301, 0xc02f]);
    let curves = [NamedGroup::X25519, NamedGroup::SECP256R1, NamedGroup::SECP384R1];
    offer.groups = Some(curves.to_vec());
    Sample::new(1, 1).offers(&Arc::new(offer)).refused(alert)
}

#[test]
fn a_server_that_chose_inside_is_ready() {
    assert_eq!(said(&policy(), &[chose(V::TLS1_2, 0xc02f).0]), READY);
    assert_eq!(said(&policy(), &[chose(V::TLS1_3, 0x1301).0]), READY);
}

/// Enforcement taught so: a server of P-521 or x448 alone passes over the curves of every policy.
#[test]
fn a_server_that_passes_over_the_groups_of_the_policy_may_have_none() {
    let text = "id = 'p'\ntitle = 'P'\nallowed_versions = ['TLS1.2', 'TLS1.3']\n\
                cipher_rule = 'none'\ngroups = ['secp256r1']\n";
    let policy = parse("p.toml", text).unwrap();
    let risk = because(Outcome::AtRisk, &[Reason::Group]);
    let chose = |version, suite, stated: &[NamedGroup], shares: &[NamedGroup], group| {
        let offer =
            Offer { groups: Some(stated.into()), key_shares: shares.into(), ..(*able()).clone() };
        Sample::new(1, 1).offers(&Arc::new(offer)).chooses(version, suite).with(|record| {
            Arc::make_mut(record.server_hello.as_mut().unwrap()).group = group;
        })
    };
    let (p256, p521, x25519) = (NamedGroup::SECP256R1, NamedGroup::SECP521R1, NamedGroup::X25519);
    let at12 = |stated: &[NamedGroup], group| chose(V::TLS1_2, 0xc02f, stated, &[], Some(group));
    let odd = || at12(&[p256, p521], p521);
    assert_eq!(said(&policy, &[odd().0]), risk);
    let sentence = judged(&policy, &[odd().0]).sentence();
    assert!(sentence.starts_with("chose secp521r1 although the client prefers"), "{sentence}");
    // It has one of the policy too, or a suite that needs none: it only prefers the other.
    let own = at12(&[p256], p256).0;
    assert_eq!(said(&policy, &[odd().0, own]), READY);
    let without = chose(V::TLS1_2, 0x002f, &[p256], &[], None).0;
    assert_eq!(said(&policy, &[odd().0, without]), READY);
    // It went along with the client, or had no choice.
    assert_eq!(said(&policy, &[at12(&[p521, p256], p521).0]), READY);
    assert_eq!(said(&policy, &[at12(&[p521], p521).0]), READY);
    // In TLS 1.3 it may only have spared a round trip.
    let at13 = |shares: &[NamedGroup], group| {
        chose(V::TLS1_3, 0x1301, &[p256, x25519, p521], shares, Some(group)).0
    };
    assert_eq!(said(&policy, &[at13(&[x25519], x25519)]), READY);
    assert_eq!(said(&policy, &[at13(&[p256, x25519], x25519)]), risk);
    assert_eq!(said(&policy, &[at13(&[p256], p521)]), risk, "it even asked again");
    // A server without hybrids may well have the curves.
    let hybrid = NamedGroup::X25519_MLKEM768;
    let text = text.replace("'secp256r1'", "'secp256r1', 'X25519MLKEM768'");
    let hybrids = parse("p.toml", &text).unwrap();
    let passed = chose(V::TLS1_3, 0x1301, &[hybrid, x25519], &[hybrid, x25519], Some(x25519)).0;
    assert_eq!(said(&hybrids, &[passed]), READY);
    // A resumed handshake proves no preference; and a policy without groups asks for none.
    let resumed = odd().with(|record| record.resumed = true).0;
    assert_eq!(said(&policy, &[resumed]), READY);
    assert_eq!(said(&of("'TLS1.2'", "none"), &[odd().0]), READY);
    // What is worse is said first.
    let low = chose(V::TLS1_0, 0x002f, &[p256], &[], None).0;
    assert_eq!(said(&policy, &[odd().0, low]), because(Outcome::AtRisk, &[Reason::Mixed]));
}

#[test]
fn nothing_seen_is_unknown() {
    let silent = Sample::new(1, 1).offers(&sample::modern()).0;
    assert_eq!(said(&policy(), &[silent]), because(Outcome::Unknown, &[]));
}

#[test]
fn a_lower_choice_than_was_offered_breaks() {
    let low = || chose(V::TLS1_0, 0x002f);
    assert_eq!(said(&policy(), &[low().0]), because(Outcome::Breaks, &[Reason::Version]));
    // The client knew no better: that says nothing of the server.
    let both_old = Sample::new(1, 1).offers(&sample::legacy()).chooses(V::TLS1_0, 0x002f).0;
    assert_eq!(said(&policy(), &[both_old]), because(Outcome::Unknown, &[]));
    // Without a hello nothing is known of the offer.
    let unseen = Sample::new(1, 1).chooses(V::TLS1_0, 0x002f).0;
    assert_eq!(said(&policy(), &[unseen]), because(Outcome::Unknown, &[]));
}

#[test]
fn the_sentinel_proves_a_version_and_no_suite() {
    let with = |proven| {
        chose(V::TLS1_1, 0xc013).with(|record| {
            Arc::make_mut(record.server_hello.as_mut().unwrap()).downgrade_sentinel = Some(proven);
            let mut offer = (*sample::legacy()).clone();
            offer.legacy_version = V::TLS1_1;
            record.client_hello.as_mut().unwrap().offer = Arc::new(offer);
        })
    };
    let proven = because(Outcome::Ready, &[Reason::SuiteOpen]);
    assert_eq!(said(&policy(), &[with(V::TLS1_2).0]), proven);
    // It contradicts a lower choice: the server has the version that it did not choose.
    let lowered = chose(V::TLS1_1, 0x002f).with(|record| {
        Arc::make_mut(record.server_hello.as_mut().unwrap()).downgrade_sentinel = Some(V::TLS1_2);
    });
    assert_eq!(said(&policy(), &[lowered.0]), proven);
    let sentence = judged(&policy(), &[with(V::TLS1_2).0]).sentence();
    assert!(sentence.contains("sentinel") && !sentence.contains("negotiated"), "{sentence}");
    // `DOWNGRD\x00` proves TLS 1.2 and no more.
    let only13 = of("'TLS1.3'", "none");
    assert!(judged(&only13, &[with(V::TLS1_2).0]).is(Outcome::Unknown));
}

#[test]
fn a_refusal_proves_only_what_the_offer_held() {
    let version = refused(AlertDescription::PROTOCOL_VERSION);
    assert_eq!(said(&policy(), &[version.0]), because(Outcome::Breaks, &[Reason::Version]));
    for alert in [AlertDescription::HANDSHAKE_FAILURE, AlertDescription::INSUFFICIENT_SECURITY] {
        let all = refused(alert).0;
        assert_eq!(said(&policy(), &[all]), because(Outcome::Breaks, &[Reason::CipherSuite]));
        // "Every suite" is no list under these rules.
        for rule in ["none", "forbid-by-kx"] {
            let open = because(Outcome::Unknown, &[Reason::Refused]);
            assert_eq!(said(&of("'TLS1.2', 'TLS1.3'", rule), &[refused(alert).0]), open, "{rule}");
        }
    }
    let unproven = because(Outcome::Unknown, &[Reason::Refused]);
    let narrow = |change: &dyn Fn(&mut Offer)| {
        refused(AlertDescription::HANDSHAKE_FAILURE).with(|record| {
            let hello = record.client_hello.as_mut().unwrap();
            let mut offer = (*hello.offer).clone();
            change(&mut offer);
            hello.offer = Arc::new(offer);
        })
    };
    let fewer_suites = narrow(&|offer| {
        offer.cipher_suites.remove(0);
    });
    let fewer_curves = narrow(&|offer| offer.groups = Some(vec![NamedGroup::X25519]));
    let fewer_versions = narrow(&|offer| offer.supported_versions = None);
    let cut = narrow(&|offer| offer.truncated = true);
    for record in [fewer_suites, fewer_curves, fewer_versions, cut] {
        assert_eq!(said(&policy(), &[record.0]), unproven);
    }
    let other = refused(AlertDescription::UNRECOGNIZED_NAME);
    assert_eq!(said(&policy(), &[other.0]), unproven);
    let old =
        Sample::new(1, 1).offers(&sample::legacy()).refused(AlertDescription::PROTOCOL_VERSION);
    assert_eq!(said(&policy(), &[old.0]), unproven, "it was right to refuse");
    // After a ServerHello an alert is about something else.
    let late = chose(V::TLS1_2, 0xc02f).refused(AlertDescription::HANDSHAKE_FAILURE).0;
    assert_eq!(said(&policy(), &[late]), READY);
    // A ServerHello that was lost is as good as one that was seen.
    for (gaps, history) in [(1, "Cl"), (0, "CGIFl"), (0, "CXl"), (0, "Cxl")] {
        let lost = refused(AlertDescription::HANDSHAKE_FAILURE).with(|record| {
            record.seen.gaps = gaps;
            record.history = history.into();
        });
        assert_eq!(said(&policy(), &[lost.0]), unproven, "{gaps}, {history}");
    }
    // An alert of the client is none of the server.
    let client = refused(AlertDescription::PROTOCOL_VERSION).with(|record| {
        record.alerts[0].from = Role::Client;
    });
    assert_eq!(said(&policy(), &[client.0]), because(Outcome::Unknown, &[]));
}

#[test]
fn a_choice_outside_while_it_had_one_inside_is_a_risk() {
    let outside = || chose(V::TLS1_2, 0x002f);
    let risk = because(Outcome::AtRisk, &[Reason::CipherSuite]);
    assert_eq!(said(&policy(), &[outside().0]), risk);
    assert_eq!(said(&policy(), &[outside().0, chose(V::TLS1_2, 0xc02f).0]), risk, "mixed");
    let unproven = because(Outcome::Unknown, &[]);
    // It had no choice: nothing inside was offered, or nothing for its certificate, or no group.
    let none = Sample::new(1, 1)
        .offers(&sample::wrong_suites())
        .chooses(V::TLS1_2, 0x002f)
        .sends(&[rsa()]);
    assert_eq!(said(&policy(), &[none.0]), unproven);
    let other_key = outside().sends(&[]);
    assert_eq!(said(&policy(), &[other_key.0]), unproven, "its certificate was not seen");
    let no_group = outside().with(|record| {
        let hello = record.client_hello.as_mut().unwrap();
        let mut offer = (*hello.offer).clone();
        offer.groups = Some(vec![NamedGroup(0x0100)]);
        hello.offer = Arc::new(offer);
    });
    assert_eq!(said(&policy(), &[no_group.0]), unproven);
    // At TLS 1.3 the suites leave the key open.
    let tls13 = chose(V::TLS1_3, 0x1302).sends(&[]);
    assert_eq!(said(&policy(), &[tls13.0]), risk);
}

#[test]
fn a_resumed_handshake_proves_ability_only() {
    let resumed = |version, suite| chose(version, suite).with(|record| record.resumed = true).0;
    assert_eq!(said(&policy(), &[resumed(V::TLS1_2, 0xc02f)]), READY);
    assert_eq!(said(&policy(), &[resumed(V::TLS1_2, 0x002f)]), because(Outcome::Unknown, &[]));
    assert_eq!(said(&policy(), &[resumed(V::TLS1_0, 0x002f)]), because(Outcome::Unknown, &[]));
}

#[test]
fn a_choice_that_was_not_offered_is_an_anomaly_and_no_evidence() {
    let anomaly = because(Outcome::Unknown, &[Reason::Anomaly]);
    assert_eq!(said(&policy(), &[chose(V::TLS1_2, 0xc014).0]), anomaly);
    let version = Sample::new(1, 1).offers(&sample::legacy()).chooses(V::TLS1_2, 0xc013);
    assert_eq!(said(&policy(), &[version.0]), anomaly);
    // What a cut hello offered is not known.
    let cut = chose(V::TLS1_2, 0xc02f).with(|record| {
        let hello = record.client_hello.as_mut().unwrap();
        let mut offer = (*hello.offer).clone();
        offer.cipher_suites.clear();
        offer.truncated = true;
        hello.offer = Arc::new(offer);
    });
    assert_eq!(said(&policy(), &[cut.0]), READY);
}

#[test]
fn beyond_is_stronger_than_asked_and_never_a_fault() {
    let beyond = chose(V::TLS1_3, 0x1301).0;
    assert_eq!(said(&older(), &[beyond]), because(Outcome::Unknown, &[Reason::Beyond]));
    assert_eq!(said(&older(), &[chose(V::TLS1_3, 0x1301).0, chose(V::TLS1_2, 0xc02f).0]), READY);
}

#[test]
fn quic_says_nothing_of_tls12() {
    let quic = chose(V::TLS1_3, 0x1301).with(|record| record.transport = Transport::Quic);
    assert_eq!(said(&older(), &[quic.0]), because(Outcome::Unknown, &[Reason::Transport]));
}

#[test]
fn datagram_versions_are_judged_as_their_counterparts() {
    let datagram = |version| {
        Sample::new(1, 1)
            .with(|record| record.transport = Transport::Udp)
            .offers(&Arc::new(Offer {
                legacy_version: V::DTLS1_2,
                extensions: vec![ExtensionType::SUPPORTED_GROUPS],
                ..sample::offer(V::TLS1_2, &[0xc02f, 0x002f])
            }))
            .chooses(version, if version == V::DTLS1_2 { 0xc02f } else { 0x002f })
            .sends(&[rsa()])
            .0
    };
    assert_eq!(said(&older(), &[datagram(V::DTLS1_2)]), READY);
    let breaks = because(Outcome::Breaks, &[Reason::Version]);
    assert_eq!(said(&older(), &[datagram(V::DTLS1_0)]), breaks);
    assert_eq!(
        judged(&older(), &[datagram(V::DTLS1_0)]).sentence(),
        "chose DTLS 1.0 although the client offered DTLS 1.2"
    );
}

#[test]
fn alternating_evidence_is_mixed_and_a_day_makes_a_change() {
    let good = |ms| chose(V::TLS1_2, 0xc02f).at(ms).0;
    let bad = |ms| chose(V::TLS1_0, 0x002f).at(ms).0;
    let mixed = judged(&policy(), &[good(0), bad(1_000), good(2_000)]);
    assert!(mixed.is(Outcome::AtRisk) && mixed.has(Reason::Mixed));
    let counts =
        (mixed.evidence.able.unwrap().connections, mixed.evidence.unable.unwrap().connections);
    assert_eq!(counts, (2, 1));
    // All of one kind a day before all of the other: the newer wins, with the date.
    let fixed = judged(&policy(), &[bad(0), good(DAY_MS)]);
    assert_eq!((fixed.outcome, &*fixed.reasons), (Outcome::Ready, &[Reason::Changed][..]));
    assert_eq!(fixed.evidence.changed, Some(good(DAY_MS).ts));
    let worse = judged(&policy(), &[good(0), bad(DAY_MS)]);
    assert!(worse.is(Outcome::Breaks) && worse.has(Reason::Changed) && worse.has(Reason::Version));
    let early = judged(&policy(), &[bad(0), good(DAY_MS - 1)]);
    assert!(early.is(Outcome::AtRisk), "less than a day: {early:?}");
    // The order in which they are told is of no matter.
    assert_eq!(judged(&policy(), &[good(DAY_MS), bad(0)]), fixed);
}

#[test]
fn a_connection_that_proves_a_thing_twice_is_counted_once() {
    // It chose inside the policy, or at risk, and the sentinel proves another version of it.
    let proves = |ms, suite| {
        let sample = chose(V::TLS1_2, suite).at(ms).with(|record| {
            let hello = Arc::make_mut(record.server_hello.as_mut().unwrap());
            hello.downgrade_sentinel = Some(V::TLS1_3);
        });
        sample.0
    };
    let bad = chose(V::TLS1_0, 0x002f).at(1_000).0;
    let able = judged(&policy(), &[proves(0, 0xc02f), bad.clone(), proves(2_000, 0xc02f)]);
    assert!(able.sentence().contains("in 2 connections that it can, in 1 that"), "{able:?}");
    let risky = judged(&policy(), &[proves(0, 0x002f), bad, proves(2_000, 0xc02f)]);
    assert!(risky.sentence().contains("in 2 connections that it can, in 1 that"), "{risky:?}");
    let count = |tally: Option<Tally>| tally.map_or(0, |tally| tally.connections);
    assert_eq!((count(risky.evidence.able), count(risky.evidence.risky)), (1, 1));
}

#[test]
fn a_server_is_as_bad_as_its_worst_name() {
    let named = |name: &str, version, suite| chose(version, suite).asks_for(name).0;
    let records = [
        named("new.example", V::TLS1_2, 0xc02f),
        named("old.example", V::TLS1_0, 0x002f),
        named("odd.example", V::TLS1_2, 0x002f),
    ];
    let outcome = judged(&policy(), &records);
    assert_eq!((outcome.outcome, &*outcome.reasons), (Outcome::Breaks, &[Reason::Version][..]));
    let names: Vec<_> =
        outcome.names.iter().map(|name| (name.name.as_deref().unwrap(), name.outcome)).collect();
    assert_eq!(
        names,
        [
            ("new.example", Outcome::Ready),
            ("odd.example", Outcome::AtRisk),
            ("old.example", Outcome::Breaks),
        ]
    );
    assert_eq!(outcome.under(Some("new.example")).0, Outcome::Ready);
    for name in ["new.example", "old.example", "odd.example", "none.example"] {
        let alone = outcome.by_name(Some(name));
        assert_eq!(alone.under(Some(name)), outcome.under(Some(name)), "{name}");
        assert_eq!((alone.outcome, &*alone.reasons), (alone.under(None).0, alone.under(None).1));
        assert!(alone.names.is_empty());
    }
}

#[test]
fn names_that_are_as_bad_for_other_reasons_are_told_too() {
    let records = [
        refused(AlertDescription::HANDSHAKE_FAILURE).asks_for("a.example").0,
        chose(V::TLS1_0, 0x002f).asks_for("b.example").0,
        chose(V::TLS1_1, 0x002f).asks_for("c.example").0,
        chose(V::TLS1_2, 0xc02f).asks_for("d.example").0,
    ];
    let outcome = judged(&policy(), &records);
    let reasons = [Reason::Version, Reason::CipherSuite];
    assert_eq!((outcome.outcome, &*outcome.reasons), (Outcome::Breaks, &reasons[..]));
    assert_eq!(
        outcome.sentence(),
        "answered an offer of every suite of p with handshake_failure; \
         chose TLS 1.0 although the client offered TLS 1.2"
    );
}
