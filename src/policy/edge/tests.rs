//! Section 2's sentences on edges, one by one.

use std::sync::Arc;

use super::*;
use crate::census::sample::{self, Sample};
use crate::policy::file::parse;
use crate::policy::{client, server};
use crate::record::FlowRecord;
use crate::tls::Transport;
use crate::tls::codepoint::{AlertDescription, NamedGroup};
use crate::x509::Certificate;
use ProtocolVersion as V;

fn policy(versions: &str, rest: &str) -> Policy {
    let suite = |name, code, version| {
        format!(
            "[[cipher_suite]]\nname = '{name}'\nhex = '{code}'\nversion = '{version}'\n\
             level = 'allowed'\n"
        )
    };
    let suites = [
        suite("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "0xC02F", "TLS1.2"),
        suite("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "0xC02B", "TLS1.2"),
    ];
    let text = format!(
        "id = 'p'\ntitle = 'P'\nallowed_versions = [{versions}]\ncipher_rule = 'only'\n{rest}\n{}",
        suites.concat()
    );
    parse("p.toml", &text).unwrap()
}

fn tls12() -> Policy {
    policy("'TLS1.2'", "")
}

fn up_to_tls13() -> Policy {
    policy("'TLS1.2', 'TLS1.3'", "")
}

/// A certificate with a key on P-256.
fn ecdsa() -> Arc<Certificate> {
    static DER: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    let der = DER.get_or_init(|| {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["svc.test".to_owned()]).unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    });
    Arc::new(Certificate::parse(der))
}

/// A certificate with an RSA key.
fn rsa() -> Arc<Certificate> {
    static DER: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    let der = DER.get_or_init(|| {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
        let params = rcgen::CertificateParams::new(vec!["svc.test".to_owned()]).unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    });
    Arc::new(Certificate::parse(der))
}

/// What becomes of the first record's edge, with the others as what else the server showed.
fn edge_of(policy: &Policy, records: &[FlowRecord]) -> Edge {
    let evidence: Vec<_> = records.iter().map(FlowRecord::evidence).collect();
    let cases: Vec<_> =
        records.iter().zip(&evidence).map(|(record, evidence)| record.case(evidence)).collect();
    let transport = records[0].transport;
    let of_client = client(policy, transport, cases[0].offer, &cases[..1]);
    edge(policy, &of_client, &server(policy, &cases), &cases[..1])
}

/// An offer of TLS 1.0 to 1.3.
fn able() -> Offer {
    Offer {
        supported_versions: Some(vec![V::TLS1_3, V::TLS1_2, V::TLS1_1, V::TLS1_0]),
        ..(*sample::modern()).clone()
    }
}

fn chose(version: V, suite: u16) -> Sample {
    Sample::new(1, 1).offers(&Arc::new(able())).chooses(version, suite)
}

fn old_client() -> Sample {
    Sample::new(1, 1).offers(&sample::legacy()).chooses(V::TLS1_0, 0x002f)
}

const BY_CLIENT: Edge = Edge::Breaks(Ends::Client);

#[test]
fn inside_goes_on_unchanged() {
    assert_eq!(edge_of(&tls12(), &[chose(V::TLS1_2, 0xc02f).0]), Edge::Unchanged);
}

#[test]
fn beyond_goes_on_where_the_client_is_ready() {
    assert_eq!(edge_of(&tls12(), &[chose(V::TLS1_3, 0x1301).0]), Edge::Unchanged);
    let only13 = Sample::new(1, 1).offers(&Arc::new(Offer {
        supported_versions: Some(vec![V::TLS1_3]),
        ..(*sample::modern()).clone()
    }));
    assert_eq!(edge_of(&tls12(), &[only13.chooses(V::TLS1_3, 0x1301).0]), BY_CLIENT);
    let quic = chose(V::TLS1_3, 0x1301).with(|record| record.transport = Transport::Quic);
    assert_eq!(edge_of(&tls12(), &[quic.0]), Edge::Unknown(Some(Reason::Transport)));
}

#[test]
fn an_end_that_breaks_is_named_or_both() {
    assert_eq!(edge_of(&tls12(), &[old_client().0]), BY_CLIENT);
    let low = chose(V::TLS1_0, 0x002f).0;
    assert_eq!(edge_of(&tls12(), std::slice::from_ref(&low)), Edge::Breaks(Ends::Server));
    assert_eq!(edge_of(&tls12(), &[old_client().0, low]), Edge::Breaks(Ends::Both));
}

#[test]
fn two_that_are_ready_move_up_to_the_highest_that_both_have() {
    let now = || {
        chose(V::TLS1_1, 0x002f).with(|record| {
            // It chose less than it can: the sentinel, or another connection, says so.
            Arc::make_mut(record.server_hello.as_mut().unwrap()).downgrade_sentinel =
                Some(V::TLS1_2);
        })
    };
    let seen = chose(V::TLS1_2, 0xc02f).0;
    let named = Edge::Upgrades { version: V::TLS1_2, suite: Some(CipherSuite::new(0xc02f)) };
    assert_eq!(edge_of(&up_to_tls13(), &[now().0, seen.clone()]), named);
    let higher = chose(V::TLS1_3, 0x1302).0;
    let to13 = Edge::Upgrades { version: V::TLS1_3, suite: Some(CipherSuite::new(0x1302)) };
    assert_eq!(edge_of(&up_to_tls13(), &[now().0, seen, higher]), to13);
    // A sentinel names no suite; the kind of certificate says that one fits.
    let mut offer = able();
    offer.cipher_suites.push(CipherSuite::new(0xc02b));
    let proven = |offer: &Offer| now().offers(&Arc::new(offer.clone())).sends(&[ecdsa()]).0;
    let unnamed = Edge::Upgrades { version: V::TLS1_2, suite: None };
    assert_eq!(edge_of(&tls12(), &[proven(&offer)]), unnamed);
    // Without a suite for that certificate nothing is claimed.
    let rsa_only = able();
    assert!(matches!(edge_of(&tls12(), &[proven(&rsa_only)]), Edge::Unknown(_)));
    // Nor where the client does not accept a key on its curve (RFC 8422 §5.1.1).
    offer.groups = Some(vec![NamedGroup::X25519]);
    assert!(matches!(edge_of(&tls12(), &[proven(&offer)]), Edge::Unknown(_)));
}

#[test]
fn a_version_in_common_that_is_of_no_use_is_no_way_up() {
    // TLS 1.3 is what the two would choose, and there the client has no group.
    let free = parse(
        "p.toml",
        "id = 'p'\ntitle = 'P'\nallowed_versions = ['TLS1.2', 'TLS1.3']\ncipher_rule = 'none'\n",
    )
    .unwrap();
    let offer = Arc::new(Offer {
        groups: Some(vec![NamedGroup(0x0100)]),
        cipher_suites: [0x1301, 0x002f].map(CipherSuite::new).to_vec(),
        ..able()
    });
    let low = Sample::new(1, 1).offers(&offer).chooses(V::TLS1_1, 0x002f).with(|record| {
        Arc::make_mut(record.server_hello.as_mut().unwrap()).downgrade_sentinel = Some(V::TLS1_2);
    });
    let seen = chose(V::TLS1_3, 0x1301).0;
    assert_eq!(edge_of(&free, &[low.0, seen]), Edge::Unknown(None));
}

#[test]
fn the_first_that_matches_counts_inside_is_unchanged_whatever_the_server_is() {
    // The server breaks by what else was seen of it.
    let (record, low) = (chose(V::TLS1_2, 0xc02f).0, chose(V::TLS1_0, 0x002f).0);
    assert_eq!(edge_of(&tls12(), &[record, low]), Edge::Unchanged);
}

/// Enforcement taught so: a client of x25519 alone, inside a policy of other groups by version and
/// suite.
#[test]
fn inside_breaks_where_the_client_lacks_group_or_signature_at_that_version() {
    // x25519 and P-256 are all that it has.
    let groups = policy("'TLS1.2'", "groups = ['secp384r1']");
    let record = || chose(V::TLS1_2, 0xc02f);
    assert_eq!(edge_of(&groups, &[record().0]), BY_CLIENT);
    let ecdsa = policy("'TLS1.2'", "certificate_types = ['ecdsa']");
    assert_eq!(edge_of(&ecdsa, &[record().0]), BY_CLIENT);
    let low = chose(V::TLS1_0, 0x002f).0;
    assert_eq!(edge_of(&groups, &[record().0, low]), BY_CLIENT, "the server is mixed");
    let both = policy("'TLS1.2'", "groups = ['x25519']\ncertificate_types = ['rsa']");
    assert_eq!(edge_of(&both, &[record().0]), Edge::Unchanged);
    // What was not seen is not held against it.
    let unseen = Sample::new(1, 1).chooses(V::TLS1_2, 0xc02f);
    assert_eq!(edge_of(&groups, &[unseen.0]), Edge::Unchanged);
    let cut = Offer { truncated: true, groups: None, signature_algorithms: None, ..able() };
    let cut = Sample::new(1, 1).offers(&Arc::new(cut)).chooses(V::TLS1_2, 0xc02f);
    assert_eq!(edge_of(&both, &[cut.0]), Edge::Unchanged);
}

/// The same, of a client that is ready by TLS 1.2 alone: OpenSSL's server does not come down, one
/// of GnuTLS's without TLS 1.3 serves it.
#[test]
fn inside_is_open_where_the_client_is_ready_by_another_version_only() {
    let text = |groups| {
        format!(
            "id = 'p'\ntitle = 'P'\nallowed_versions = ['TLS1.2', 'TLS1.3']\n\
             cipher_rule = 'none'\n{groups}\n"
        )
    };
    let named = parse("p.toml", &text("groups = ['secp384r1']")).unwrap();
    let offer = Arc::new(Offer {
        cipher_suites: [0x1301, 0x009e].map(CipherSuite::new).to_vec(),
        ..able()
    });
    let over = |version, suite| Sample::new(1, 1).offers(&offer).chooses(version, suite).0;
    let (high, low) = (over(V::TLS1_3, 0x1301), over(V::TLS1_2, 0x009e));
    assert!(client(&named, Transport::Tcp, Some(&offer), &[]).is(Outcome::Ready), "by DHE");
    assert_eq!(edge_of(&named, &[high, low.clone()]), Edge::Unknown(Some(Reason::Group)));
    assert_eq!(edge_of(&named, &[low]), Edge::Unchanged);
    // A policy that names no groups leaves the server those that it has, FFDHE among them.
    let free = parse("p.toml", &text("")).unwrap();
    let finite = Arc::new(Offer { groups: Some(vec![NamedGroup(0x0101)]), ..(*offer).clone() });
    let finite13 = Sample::new(1, 1).offers(&finite).chooses(V::TLS1_3, 0x1301).0;
    assert_eq!(edge_of(&free, std::slice::from_ref(&finite13)), Edge::Unchanged);
    // The client has FFDHE at TLS 1.2, which needs no group of the policy.
    assert_eq!(edge_of(&named, &[finite13]), Edge::Unknown(Some(Reason::Group)));
}

#[test]
fn an_attempt_that_failed_does_not_show_what_a_client_lacks_inside_to_be_there() {
    let named = policy("'TLS1.2', 'TLS1.3'", "groups = ['secp256r1']");
    let offer = Arc::new(Offer { groups: Some(vec![NamedGroup::X25519]), ..able() });
    let inside = Sample::new(1, 1).offers(&offer).chooses(V::TLS1_2, 0xc02f).0;
    let failed = Sample::new(1, 1).offers(&offer).refused(AlertDescription::INTERNAL_ERROR).0;
    let records = [inside, failed];
    let evidence: Vec<_> = records.iter().map(FlowRecord::evidence).collect();
    let cases: Vec<_> =
        records.iter().zip(&evidence).map(|(record, evidence)| record.case(evidence)).collect();
    let of_client = client(&named, Transport::Tcp, cases[0].offer, &cases);
    let of_server = server(&named, &cases);
    assert_eq!(edge(&named, &of_client, &of_server, &cases[..1]), BY_CLIENT);
    assert_eq!(edge(&named, &of_client, &of_server, &cases), BY_CLIENT);
}

/// Enforcement taught so: a client of x25519 alone at TLS 1.3, with a server of a key on P-256.
#[test]
fn beyond_a_policy_the_server_comes_down_with_its_key_on_a_curve() {
    let with = |groups: &[NamedGroup]| {
        let offer = Offer { groups: Some(groups.into()), ..able() };
        Sample::new(1, 1).offers(&Arc::new(offer)).chooses(V::TLS1_3, 0x1301)
    };
    let shown = || Sample::new(2, 1).offers(&Arc::new(able())).chooses(V::TLS1_2, 0xc02f);
    let (ecdsa, rsa) = (|| shown().sends(&[ecdsa()]).0, || shown().sends(&[rsa()]).0);
    let narrow = || with(&[NamedGroup::X25519]).0;
    // The key is known.
    assert_eq!(edge_of(&tls12(), &[narrow(), ecdsa()]), BY_CLIENT);
    assert_eq!(edge_of(&tls12(), &[narrow(), rsa()]), Edge::Unchanged);
    assert_eq!(edge_of(&tls12(), &[narrow(), rsa(), ecdsa()]), Edge::Unchanged, "it has both");
    let other = with(&[NamedGroup::X25519, NamedGroup::SECP384R1]).0;
    assert_eq!(edge_of(&tls12(), &[other, ecdsa()]), BY_CLIENT, "not the curve of the key");
    let usual = with(&[NamedGroup::X25519, NamedGroup::SECP256R1]).0;
    assert_eq!(edge_of(&tls12(), &[usual.clone(), ecdsa()]), Edge::Unchanged);
    // It is not: TLS 1.3 hides it.
    let open = Edge::Unknown(Some(Reason::Group));
    assert_eq!(edge_of(&tls12(), &[narrow()]), open);
    assert_eq!(edge_of(&tls12(), &[with(&[NamedGroup::SECP521R1]).0]), open);
    assert_eq!(edge_of(&tls12(), &[usual]), Edge::Unchanged);
    let silent = Offer { groups: None, ..able() };
    let silent = Sample::new(1, 1).offers(&Arc::new(silent)).chooses(V::TLS1_3, 0x1301).0;
    assert_eq!(edge_of(&tls12(), &[silent]), Edge::Unchanged, "RFC 8422 §4: the server chooses");
    // Inside a policy that has TLS 1.3 nothing comes down.
    assert_eq!(edge_of(&up_to_tls13(), &[narrow(), ecdsa()]), Edge::Unchanged);
}

#[test]
fn beyond_and_inside_by_turns_have_shown_that_they_can() {
    let offer = Arc::new(Offer { groups: Some(vec![NamedGroup::X25519]), ..able() });
    let now = Sample::new(1, 1).offers(&offer).chooses(V::TLS1_3, 0x1301).0;
    // A server that does not look at the client's curves.
    let inside = Sample::new(1, 1).offers(&offer).chooses(V::TLS1_2, 0xc02f).sends(&[ecdsa()]).0;
    let records = [now, inside];
    let evidence: Vec<_> = records.iter().map(FlowRecord::evidence).collect();
    let cases: Vec<_> =
        records.iter().zip(&evidence).map(|(record, evidence)| record.case(evidence)).collect();
    let of_client = client(&tls12(), Transport::Tcp, cases[0].offer, &cases);
    let of_server = server(&tls12(), &cases);
    assert_eq!(edge(&tls12(), &of_client, &of_server, &cases), Edge::Unchanged);
    assert_eq!(edge(&tls12(), &of_client, &of_server, &cases[..1]), BY_CLIENT);
}

#[test]
fn beyond_a_policy_is_unchanged_where_the_client_is_ready_whatever_the_server_is() {
    // At TLS 1.2 the client has no suite for the ECDSA key seen there.
    let offer = Arc::new(sample::offer(V::TLS1_3, &[0x1301, 0xc02f]));
    let other =
        Sample::new(2, 1).offers(&Arc::new(able())).chooses(V::TLS1_0, 0xc009).sends(&[ecdsa()]).0;
    let now = Sample::new(1, 1).offers(&offer).chooses(V::TLS1_3, 0x1301).0;
    assert_eq!(edge_of(&tls12(), &[now, other]), Edge::Unchanged);
}

#[test]
fn all_else_is_unknown_with_its_reason() {
    let refused =
        Sample::new(1, 1).offers(&sample::modern()).refused(AlertDescription::UNRECOGNIZED_NAME).0;
    assert_eq!(edge_of(&tls12(), &[refused]), Edge::Unknown(Some(Reason::Refused)));
    let unseen = Sample::new(1, 1).chooses(V::TLS1_0, 0x002f).0;
    assert_eq!(edge_of(&tls12(), &[unseen]), Edge::Unknown(Some(Reason::NotSeen)));
    let at_risk = chose(V::TLS1_2, 0x002f).sends(&[ecdsa()]).0;
    assert!(matches!(edge_of(&tls12(), &[at_risk]), Edge::Unknown(_)));
}
