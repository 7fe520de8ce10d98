//! Section 2's sentences on policies and on clients, one by one.

use std::fmt::Write;
use std::sync::Arc;

use super::*;
use crate::census::sample::{self, Sample};
use crate::policy::file::parse;
use crate::tls::codepoint::{AlertDescription, CipherSuite, SignatureScheme};
use crate::tls::hello::Offer;
use ProtocolVersion as V;

/// A policy of a few lines; `rest` goes before the suites.
fn policy(versions: &str, rule: &str, rest: &str, suites: &[(&str, &str, &str)]) -> Policy {
    let mut text = format!(
        "id = 'p'\ntitle = 'P'\nallowed_versions = [{versions}]\ncipher_rule = '{rule}'\n{rest}\n"
    );
    for (name, version, level) in suites {
        let code = CipherSuite::from_name(name).unwrap().0;
        write!(
            text,
            "[[cipher_suite]]\nname = '{name}'\nhex = '0x{code:04X}'\n\
             version = '{version}'\nlevel = '{level}'\n"
        )
        .unwrap();
    }
    parse("p.toml", &text).unwrap()
}

const GCM: (&str, &str, &str) = ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS1.2", "allowed");
const GCM_ECDSA: (&str, &str, &str) =
    ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS1.2", "allowed");

/// TLS 1.2, and the one suite.
fn narrow() -> Policy {
    policy("'TLS1.2'", "only", "", &[GCM])
}

fn both(rule: &str, rest: &str) -> Policy {
    policy("'TLS1.2', 'TLS1.3'", rule, rest, &[GCM])
}

fn judged(policy: &Policy, offer: &Offer) -> (Outcome, Vec<Reason>) {
    let judged = client(policy, Transport::Tcp, Some(offer), &[]);
    (judged.outcome, judged.reasons)
}

const READY: (Outcome, Vec<Reason>) = (Outcome::Ready, Vec::new());

fn breaks(reason: Reason) -> (Outcome, Vec<Reason>) {
    (Outcome::Breaks, vec![reason])
}

fn changed(mut offer: Offer, change: impl FnOnce(&mut Offer)) -> Offer {
    change(&mut offer);
    offer
}

#[test]
fn the_versions_offered_are_those_listed_or_all_up_to_the_field() {
    let listed = changed(sample::offer(V::TLS1_3, &[0xc02f, 0x1301]), |offer| {
        // GREASE, a draft of TLS 1.3 and an unknown value do not count, nor does the field.
        offer.supported_versions = Some(vec![V(0x1a1a), V(0x7f1c), V(0x0305), V::TLS1_1]);
    });
    assert_eq!(judged(&narrow(), &listed), breaks(Reason::Version));
    let future = changed(sample::offer(V::TLS1_2, &[0xc02f]), |offer| {
        offer.legacy_version = V(0x0305);
    });
    assert_eq!(judged(&narrow(), &future), READY);
    let old = sample::offer(V::TLS1_1, &[0xc02f]);
    assert_eq!(judged(&narrow(), &old), breaks(Reason::Version));
}

#[test]
fn what_was_negotiated_does_not_make_a_client_old() {
    let offer = sample::modern();
    let record = Sample::new(1, 1).offers(&offer).chooses(V::TLS1_0, 0x002f).0;
    let evidence = record.evidence();
    let outcome = client(&narrow(), Transport::Tcp, Some(&offer), &[record.case(&evidence)]);
    assert!(outcome.is(Outcome::Ready), "{outcome:?}");
}

#[test]
fn a_client_that_offers_only_what_is_beyond_breaks() {
    let only13 = changed(sample::offer(V::TLS1_3, &[0x1301, 0xc02f]), |offer| {
        offer.supported_versions = Some(vec![V::TLS1_3]);
    });
    assert_eq!(judged(&narrow(), &only13), breaks(Reason::Version));
}

#[test]
fn any_version_of_the_policy_that_the_offer_can_use_will_do() {
    // DHE at TLS 1.2 is a way out of a missing group at TLS 1.3.
    let dhe = ("TLS_DHE_RSA_WITH_AES_128_GCM_SHA256", "TLS1.2", "allowed");
    let modern = policy("'TLS1.2', 'TLS1.3'", "only", "groups = ['secp256r1']", &[dhe]);
    let offer = changed(sample::offer(V::TLS1_3, &[0x1301, 0x009e]), |offer| {
        offer.groups = Some(vec![NamedGroup::X25519]);
    });
    assert_eq!(judged(&modern, &offer), READY);
    let only13 = changed(offer, |offer| offer.supported_versions = Some(vec![V::TLS1_3]));
    assert_eq!(judged(&modern, &only13), breaks(Reason::Group));
    // The same for suites.
    let listed = [GCM, ("TLS_AES_128_GCM_SHA256", "TLS1.3", "allowed")];
    let strict = policy("'TLS1.2', 'TLS1.3'", "only", "", &listed);
    let chacha = sample::offer(V::TLS1_3, &[0x1303, 0xc02f]);
    assert_eq!(judged(&strict, &chacha), READY);
}

#[test]
fn a_suite_counts_only_at_a_version_that_it_is_defined_for() {
    let offer = sample::offer(V::TLS1_2, &[0x1301]);
    assert_eq!(judged(&both("none", ""), &offer), breaks(Reason::CipherSuite));
    let offer = changed(sample::offer(V::TLS1_3, &[0xc02f]), |offer| {
        offer.supported_versions = Some(vec![V::TLS1_3]);
    });
    assert_eq!(judged(&both("none", ""), &offer), breaks(Reason::CipherSuite));
}

#[test]
fn signalling_values_are_no_suites() {
    let offer = sample::offer(V::TLS1_2, &[0x1a1a, 0x00ff]);
    assert_eq!(judged(&both("none", ""), &offer), breaks(Reason::CipherSuite));
}

#[test]
fn each_rule_takes_the_suites_that_it_says() {
    // Suite, then: only, at-least-one-of, recommended, forbid-by-kx, none.
    let table: [(u16, &str, [bool; 5]); 8] = [
        (0xc02f, "listed", [true; 5]),
        (0xc014, "not listed", [false, false, true, true, true]),
        (0x0001, "NULL", [false, false, false, true, true]),
        (0x0003, "EXPORT", [false, false, false, true, true]),
        (0x0034, "ANON", [false, false, false, true, true]),
        (0x0005, "RC4", [false, false, false, true, true]),
        (0x0009, "single DES", [false, false, false, true, true]),
        (0x000a, "3DES", [false, false, true, true, true]),
    ];
    let rules = ["only", "at-least-one-of", "recommended", "forbid-by-kx", "none"];
    for (suite, what, expected) in table {
        for (rule, inside) in rules.into_iter().zip(expected) {
            let policy = policy("'TLS1.0', 'TLS1.1', 'TLS1.2'", rule, "", &[GCM]);
            // The version of single suites is beside the point here.
            let allowed = [V::TLS1_0, V::TLS1_2]
                .into_iter()
                .any(|version| policy.suites.allow(version, CipherSuite::new(suite)));
            assert_eq!(allowed, inside, "{what} under {rule}");
        }
    }
}

#[test]
fn what_is_forbidden_is_out_under_every_rule() {
    let rsa = sample::offer(V::TLS1_2, &[0x009c]);
    for rule in ["recommended", "forbid-by-kx", "none"] {
        assert_eq!(judged(&both(rule, ""), &rsa), READY);
        let kx = both(rule, "forbidden_kx = ['RSA']");
        assert_eq!(judged(&kx, &rsa), breaks(Reason::CipherSuite), "{rule}");
        let weak = both(rule, "forbidden_weaknesses = ['NO_FS']");
        assert_eq!(judged(&weak, &rsa), breaks(Reason::CipherSuite), "{rule}");
        let bits = both(rule, "forbidden_bits_below = 200");
        assert_eq!(judged(&bits, &rsa), breaks(Reason::CipherSuite), "{rule}");
    }
    let gcm = sample::offer(V::TLS1_2, &[0xc02f]);
    for rule in ["only", "at-least-one-of"] {
        assert_eq!(judged(&both(rule, ""), &gcm), READY);
        let kx = both(rule, "forbidden_kx = ['ECDHE']");
        assert_eq!(judged(&kx, &gcm), breaks(Reason::CipherSuite), "{rule}");
    }
    for level in ["forbidden", "disallowed", "legacy"] {
        for rule in ["only", "at-least-one-of", "recommended", "forbid-by-kx", "none"] {
            let listed = [(GCM.0, GCM.1, level), GCM_ECDSA];
            let policy = policy("'TLS1.2'", rule, "", &listed);
            assert_eq!(judged(&policy, &gcm), breaks(Reason::CipherSuite), "{level}, {rule}");
        }
    }
}

#[test]
fn where_no_suite_of_tls13_is_listed_every_one_is_in() {
    let chacha = sample::offer(V::TLS1_3, &[0x1303]);
    assert_eq!(judged(&both("only", ""), &chacha), READY);
    let listed = [GCM, ("TLS_AES_128_GCM_SHA256", "TLS1.3", "allowed")];
    let strict = policy("'TLS1.2', 'TLS1.3'", "only", "", &listed);
    assert_eq!(judged(&strict, &chacha), breaks(Reason::CipherSuite));
}

#[test]
fn a_suite_that_needs_a_group_needs_one_of_the_policy() {
    let with = |groups: &[NamedGroup]| {
        changed(sample::offer(V::TLS1_2, &[0xc02f]), |offer| offer.groups = Some(groups.into()))
    };
    let named = both("only", "groups = ['secp384r1', 'X25519MLKEM768']");
    assert_eq!(judged(&named, &with(&[NamedGroup::SECP384R1])), READY);
    assert_eq!(judged(&named, &with(&[NamedGroup::X25519])), breaks(Reason::Group));
    let free = both("only", "");
    assert_eq!(judged(&free, &with(&[NamedGroup::X448])), READY);
    // Nothing but FFDHE, GREASE, or a value that nobody knows.
    for odd in [NamedGroup(0x0100), NamedGroup(0x1a1a), NamedGroup(0xfe42)] {
        assert_eq!(judged(&free, &with(&[odd])), breaks(Reason::Group), "{odd}");
    }
    // RFC 8422 §4: one that states none at TLS 1.2 may be served any.
    let silent = changed(with(&[]), |offer| offer.groups = None);
    assert_eq!(judged(&named, &silent), READY);
    // A suite without curves needs none.
    let dhe = changed(with(&[NamedGroup::X25519]), |offer| {
        offer.cipher_suites.push(CipherSuite::new(0x009e));
    });
    let policy = policy(
        "'TLS1.2'",
        "only",
        "groups = ['secp384r1']",
        &[("TLS_DHE_RSA_WITH_AES_128_GCM_SHA256", "TLS1.2", "allowed")],
    );
    assert_eq!(judged(&policy, &dhe), READY);
}

#[test]
fn hybrids_and_silence_at_tls13() {
    let hybrid = NamedGroup::X25519_MLKEM768;
    let with = |version, groups: Option<Vec<NamedGroup>>| {
        changed(sample::offer(V::TLS1_3, &[0x1301, 0xc02f]), |offer| {
            offer.groups = groups;
            offer.supported_versions = Some(vec![version]);
        })
    };
    let free = both("only", "");
    assert_eq!(judged(&free, &with(V::TLS1_3, Some(vec![hybrid]))), READY);
    assert_eq!(judged(&free, &with(V::TLS1_2, Some(vec![hybrid]))), breaks(Reason::Group));
    assert_eq!(judged(&free, &with(V::TLS1_3, None)), breaks(Reason::Group));
}

#[test]
fn a_client_must_accept_a_certificate_of_the_policy() {
    let rsa = both("only", "certificate_types = ['rsa']");
    let with = |version, schemes: Option<Vec<SignatureScheme>>| {
        changed(sample::offer(V::TLS1_3, &[0x1301, 0xc02f, 0xc013]), |offer| {
            offer.signature_algorithms = schemes;
            offer.supported_versions = Some(vec![version]);
        })
    };
    let ecdsa = Some(vec![SignatureScheme::ECDSA_SECP256R1_SHA256]);
    assert_eq!(judged(&rsa, &with(V::TLS1_2, ecdsa.clone())), breaks(Reason::Signature));
    assert_eq!(judged(&rsa, &with(V::TLS1_3, ecdsa.clone())), breaks(Reason::Signature));
    assert_eq!(judged(&both("only", ""), &with(V::TLS1_2, ecdsa.clone())), READY);
    // RFC 5246 §7.4.1.4.1: absent at TLS 1.2 they mean SHA-1, and are usable.
    assert_eq!(judged(&rsa, &with(V::TLS1_2, None)), READY);
    assert_eq!(judged(&rsa, &with(V::TLS1_3, None)), breaks(Reason::Signature));
    // Below TLS 1.2 nothing is asked of them.
    let cbc = ("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "TLS1.0", "allowed");
    let old = policy("'TLS1.0'", "only", "certificate_types = ['rsa']", &[cbc]);
    assert_eq!(judged(&old, &with(V::TLS1_0, ecdsa.clone())), READY);
    // One that knows TLS 1.2 too means them for all.
    let wide = policy("'TLS1.0', 'TLS1.2'", "only", "certificate_types = ['rsa']", &[GCM, cbc]);
    let offer = changed(sample::offer(V::TLS1_2, &[0xc02f, 0xc013]), |offer| {
        offer.signature_algorithms = ecdsa;
    });
    assert_eq!(judged(&wide, &offer), breaks(Reason::Signature));
}

#[test]
fn an_ecdsa_only_or_rsa_only_client_stays_ready_where_the_policy_has_both() {
    for types in ["", "certificate_types = ['rsa', 'ecdsa']"] {
        let policy = policy("'TLS1.2'", "only", types, &[GCM, GCM_ECDSA]);
        for suite in [0xc02b, 0xc02f] {
            let offer = sample::offer(V::TLS1_2, &[suite]);
            assert_eq!(judged(&policy, &offer), READY, "{suite:x} under {types}");
        }
    }
}

/// Enforcement taught so: OpenSSL with nothing but suites for ECDSA, under Mozilla's old profile.
#[test]
fn a_suite_for_a_certificate_that_the_policy_does_not_have_is_of_no_use() {
    let (rsa, ecdsa) = ("certificate_types = ['rsa']", "certificate_types = ['ecdsa']");
    let dhe = ("TLS_DHE_RSA_WITH_AES_128_GCM_SHA256", "TLS1.2", "allowed");
    let under = |types| policy("'TLS1.2', 'TLS1.3'", "only", types, &[GCM, GCM_ECDSA, dhe]);
    let with = |suites: &[u16]| sample::offer(V::TLS1_2, suites);
    assert_eq!(judged(&under(rsa), &with(&[0xc02b])), breaks(Reason::Signature));
    assert_eq!(judged(&under(ecdsa), &with(&[0xc02f, 0x009e])), breaks(Reason::Signature));
    assert_eq!(judged(&under(rsa), &with(&[0xc02b, 0xc02f])), READY, "one will do");
    assert_eq!(judged(&under(rsa), &with(&[0xc02f])), READY);
    assert_eq!(judged(&under(ecdsa), &with(&[0xc02b])), READY);
    // The suites of TLS 1.3 leave the certificate open.
    let tls13 = sample::offer(V::TLS1_3, &[0x1301, 0xc02b]);
    assert_eq!(judged(&under(rsa), &tls13), READY);
    // A suite that needs no group does not help one that the policy's certificates cannot serve.
    let split = changed(with(&[0xc02b, 0x009e]), |offer| {
        offer.groups = Some(vec![NamedGroup(0x0100)]);
    });
    assert_eq!(judged(&under(ecdsa), &split), breaks(Reason::Group));
    assert_eq!(judged(&under(rsa), &split), READY);
    let none = changed(with(&[0xc02b]), |offer| offer.groups = Some(vec![NamedGroup(0x0100)]));
    assert_eq!(judged(&under(rsa), &none), breaks(Reason::Signature), "the group is no matter");
    let sentence = client(&under(rsa), Transport::Tcp, Some(&with(&[0xc02b])), &[]).sentence();
    assert_eq!(sentence, "offers suites that need ECDSA certificates, and p has RSA only");
    // Mozilla's old profile asks servers for RSA and lists suites for ECDSA all the same.
    let old = Policy::by_id("mozilla-old-5.8").unwrap();
    assert_eq!(judged(&old, &with(&[0xc02b, 0xc02c])), breaks(Reason::Signature));
}

#[test]
fn group_and_signature_may_both_be_missing() {
    let policy = both("only", "groups = ['secp384r1']\ncertificate_types = ['rsa']");
    let offer = changed(sample::offer(V::TLS1_2, &[0xc02f]), |offer| {
        offer.signature_algorithms = Some(vec![SignatureScheme::ECDSA_SECP256R1_SHA256]);
    });
    assert_eq!(judged(&policy, &offer), (Outcome::Breaks, vec![Reason::Group, Reason::Signature]));
}

#[test]
fn what_was_not_wholly_seen_is_not_held_against_a_client() {
    let cut = |suites: &[u16]| {
        changed(sample::offer(V::TLS1_2, suites), |offer| {
            offer.truncated = true;
            offer.groups = None;
            offer.signature_algorithms = None;
            offer.compression_methods.clear();
        })
    };
    let policy = both("only", "groups = ['secp384r1']\ncertificate_types = ['ecdsa', 'rsa']");
    assert_eq!(judged(&policy, &cut(&[0xc02f])), READY, "version and suite were read");
    let open = (Outcome::Unknown, vec![Reason::IncompleteHello]);
    assert_eq!(judged(&policy, &cut(&[0x002f])), open, "more suites may follow");
    let all = changed(cut(&[0x002f]), |offer| offer.compression_methods = vec![0]);
    assert_eq!(judged(&policy, &all), breaks(Reason::CipherSuite), "the list was whole");
    let old = changed(cut(&[0xc013]), |offer| offer.legacy_version = V::TLS1_0);
    assert_eq!(judged(&policy, &old), breaks(Reason::Version), "the field says all");
    // An established connection inside the policy is proof.
    let record = Sample::new(1, 1).chooses(V::TLS1_2, 0xc02f).0;
    let evidence = record.evidence();
    let cases = [record.case(&evidence)];
    assert!(client(&policy, Transport::Tcp, Some(&cut(&[0x002f])), &cases).is(Outcome::Ready));
    assert!(client(&policy, Transport::Tcp, None, &cases).is(Outcome::Ready));
    let unseen = client(&policy, Transport::Tcp, None, &[]);
    assert!(unseen.is(Outcome::Unknown) && unseen.has(Reason::NotSeen));
    // One that was not established, or not inside, is none.
    for record in [
        Sample::new(1, 1).chooses(V::TLS1_2, 0xc02f).refused(AlertDescription::HANDSHAKE_FAILURE).0,
        Sample::new(1, 1).chooses(V::TLS1_2, 0x002f).0,
    ] {
        let evidence = record.evidence();
        let outcome = client(&policy, Transport::Tcp, None, &[record.case(&evidence)]);
        assert!(outcome.is(Outcome::Unknown), "{outcome:?}");
    }
}

#[test]
fn a_marked_retry_below_the_policy_says_nothing() {
    let marked = |max| sample::offer(max, &[0xc02f, 0xc013, 0x5600]);
    let retry = (Outcome::Unknown, vec![Reason::Fallback]);
    assert_eq!(judged(&narrow(), &marked(V::TLS1_1)), retry);
    assert_eq!(judged(&narrow(), &marked(V::TLS1_2)), READY);
    let suites = changed(marked(V::TLS1_2), |offer| {
        offer.cipher_suites.remove(0);
    });
    assert_eq!(judged(&narrow(), &suites), breaks(Reason::CipherSuite));
}

#[test]
fn quic_says_nothing_where_tls13_is_not_in_the_policy() {
    let offer = sample::modern();
    let quic = |policy: &Policy| {
        let outcome = client(policy, Transport::Quic, Some(&offer), &[]);
        (outcome.outcome, outcome.reasons)
    };
    assert_eq!(quic(&narrow()), (Outcome::Unknown, vec![Reason::Transport]));
    assert_eq!(quic(&both("only", "")), READY);
    // RFC 9001 §4.2: whatever the hello lists, nothing below TLS 1.3 counts.
    let listed = [GCM, ("TLS_CHACHA20_POLY1305_SHA256", "TLS1.3", "allowed")];
    let other = policy("'TLS1.2', 'TLS1.3'", "only", "", &listed);
    assert_eq!(quic(&other), breaks(Reason::CipherSuite));
}

#[test]
fn datagram_versions_are_judged_as_their_counterparts() {
    let datagram = |version| {
        let offer = changed(sample::offer(V::TLS1_2, &[0xc02f, 0xc013]), |offer| {
            offer.legacy_version = version;
        });
        let outcome = client(&narrow(), Transport::Udp, Some(&offer), &[]);
        (outcome.outcome, outcome.reasons)
    };
    assert_eq!(datagram(V::DTLS1_2), READY);
    assert_eq!(datagram(V::DTLS1_0), breaks(Reason::Version));
    let old = policy("'TLS1.1'", "none", "", &[]);
    let offer = changed(sample::offer(V::TLS1_1, &[0xc013]), |offer| {
        offer.legacy_version = V::DTLS1_0;
    });
    assert!(client(&old, Transport::Udp, Some(&offer), &[]).is(Outcome::Ready), "as TLS 1.1");
}

#[test]
fn an_sslv2_format_hello_is_judged_by_what_it_offers() {
    let format = |version| {
        changed(sample::offer(version, &[0xc02f]), |offer| {
            offer.sslv2_format = true;
            offer.groups = None;
        })
    };
    assert_eq!(judged(&narrow(), &format(V::TLS1_2)), READY);
    assert_eq!(judged(&narrow(), &format(V::TLS1_0)), breaks(Reason::Version));
}

#[test]
fn a_client_that_rejects_a_required_root_breaks() {
    let root = "[[root]]\ncommon_name = 'DigiCert Global Root G2'\n\
                sha1 = 'df3c24f9bfd666761b268073fe06d1cc8d4f82a4'";
    let text = format!(
        "id = 'p'\ntitle = 'P'\nallowed_versions = ['TLS1.2']\ncipher_rule = 'none'\n{root}\n"
    );
    let policy = parse("p.toml", &text).unwrap();
    let offer = sample::modern();
    let rejecting = |status, root: [u8; 20], description| {
        let record = Sample::new(1, 1).offers(&offer).chooses(V::TLS1_2, 0xc02f).with(|record| {
            let chain = Arc::make_mut(&mut record.chain);
            chain.status = status;
            chain.root_sha1 = Some(root);
            record.alerts = vec![record::Alert {
                from: crate::tls::Role::Client,
                body: record::AlertBody::Plain { fatal: true, description },
            }];
        });
        let evidence = record.0.evidence();
        let outcome =
            client(&policy, Transport::Tcp, Some(&Arc::clone(&offer)), &[record.0.case(&evidence)]);
        (outcome.outcome, outcome.reasons)
    };
    let required = policy.roots[0].sha1;
    let verifies = crate::x509::ChainStatus::PublicRoot;
    let unknown_ca = AlertDescription::UNKNOWN_CA;
    assert_eq!(rejecting(verifies, required, unknown_ca), breaks(Reason::Root));
    // Another root, another alert: no claim about the required one.
    assert_eq!(rejecting(verifies, [7; 20], unknown_ca), READY);
    let expired = AlertDescription::CERTIFICATE_EXPIRED;
    assert_eq!(rejecting(verifies, required, expired), READY);
}
