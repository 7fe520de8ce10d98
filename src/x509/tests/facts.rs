//! What certificates say, and whose name they carry.

use super::*;

fn certificate(name: &str) -> Certificate {
    Certificate::parse(&der(name))
}

#[test]
fn no_fixture_is_hard_to_read() {
    for (name, der) in FIXTURES.iter() {
        let certificate = Certificate::parse(der);
        assert_eq!(certificate.fault(), None, "{name}");
        assert!(certificate.not_before().is_some() && certificate.not_after().is_some(), "{name}");
    }
}

#[test]
fn keys_and_signatures_have_their_names() {
    for (name, key, signature, hash) in [
        ("rsa2048-sha256-root", "RSA-2048", "sha256WithRSAEncryption", Some("SHA-256")),
        ("rsa4096-sha512-root", "RSA-4096", "sha512WithRSAEncryption", Some("SHA-512")),
        ("rsa2048-pss-root", "RSA-2048", "rsassaPss", Some("SHA-256")),
        ("rsa2048-pss-sha1-root", "RSA-2048", "rsassaPss", Some("SHA-1")),
        ("rsapss-key-root", "RSA-PSS-2048", "rsassaPss", Some("SHA-256")),
        ("rsa512-sha1-root", "RSA-512", "sha1WithRSAEncryption", Some("SHA-1")),
        ("rsa2048-md5-root", "RSA-2048", "md5WithRSAEncryption", Some("MD5")),
        ("p256-sha1-root", "EC-P256", "ecdsa-with-SHA1", Some("SHA-1")),
        ("p521-sha512-root", "EC-P521", "ecdsa-with-SHA512", Some("SHA-512")),
        ("brainpool-root", "EC-brainpoolP256r1", "ecdsa-with-SHA256", Some("SHA-256")),
        ("ed25519-root", "Ed25519", "ED25519", None),
        ("ed448-root", "Ed448", "ED448", None),
        ("dsa1024-root", "DSA-1024", "dsa_with_SHA256", Some("SHA-256")),
    ] {
        let certificate = certificate(name);
        assert_eq!(certificate.key().to_string(), key, "{name}");
        assert_eq!(certificate.signature(), signature, "{name}");
        assert_eq!(certificate.signature_hash(), hash, "{name}");
    }
}

#[test]
fn the_schema_is_kept_to_the_letter() {
    let leaf = certificate("leaf");
    let json = serde_json::to_string(&leaf).unwrap();
    let expected = format!(
        r#"{{"sha1":"{}","sha256":"{}","subject":"CN=www.fixture.test","issuer":"C=DE, O=Fixtures, CN=Fixture Issuing CA","serial":"{}","not_before":"2020-01-01T00:00:00Z","not_after":"2045-01-01T00:00:00Z","key":"EC-P256","signature":"ecdsa-with-SHA256","san":["www.fixture.test","*.wild.fixture.test","192.0.2.7"]}}"#,
        Hex(&leaf.sha1()),
        leaf.fingerprint(),
        leaf.serial(),
    );
    assert_eq!(json, expected);
    let report = verify_at(&chain(&["leaf", "issuing"]), &own_store(&[der("root")]), NOW);
    assert_eq!(
        serde_json::to_string(&report).unwrap(),
        format!(
            r#"{{"status":"private_root","why":null,"trusted_by":["own"],"root_subject":"C=DE, O=Fixtures, CN=Fixture Root","root_sha1":"{}"}}"#,
            Hex(&certificate("root").sha1())
        )
    );
    let hidden = ChainReport::unseen(ChainStatus::Hidden);
    assert_eq!(
        serde_json::to_string(&hidden).unwrap(),
        r#"{"status":"hidden","why":null,"trusted_by":[],"root_subject":null,"root_sha1":null}"#
    );
}

#[test]
fn a_date_that_cannot_be_read_hides_none_of_the_other() {
    let straight = certificate("leaf");
    let text: &[u8] = b"200101000000Z";
    let at = straight.der().windows(text.len()).position(|part| part == text).unwrap();
    for (date, readable) in [(at, false), (at + 15, true)] {
        let mut bent = straight.der().to_vec();
        bent[date + 2..date + 4].copy_from_slice(b"13");
        let bent = Certificate::parse(&bent);
        assert_eq!(bent.not_before(), straight.not_before().filter(|_| readable), "{date}");
        assert_eq!(bent.not_after(), straight.not_after().filter(|_| !readable), "{date}");
        assert_eq!(bent.fault(), Some("the dates cannot be read"));
        assert_eq!(bent.subject(), straight.subject());
    }
}

#[test]
fn extensions_are_read() {
    let leaf = certificate("leaf-aia");
    assert_eq!(leaf.ca_issuers(), Some("http://ca.fixture.test/issuing.cer"));
    assert_eq!(leaf.extended_key_usage().unwrap().purposes, ["serverAuth"]);
    assert!(!leaf.is_ca() && leaf.wildcard());
    assert_eq!(leaf.key_usage(), Some(0b101));
    let issuing = certificate("issuing");
    assert!(issuing.is_ca() && issuing.may_sign_certificates());
    assert_eq!(leaf.authority_key_id(), issuing.subject_key_id());
    assert_eq!(certificate("issuing-zero").path_len(), Some(0));
    assert_eq!(certificate("leaf-v1").version(), Some(1));
    assert!(certificate("appliance").is_self_signed());
    assert!(!certificate("appliance-other").is_self_signed());
    assert!(certificate("appliance-other").is_self_issued());
}

#[test]
fn broken_hashes_are_named_on_everything_but_roots() {
    assert_eq!(certificate("rsa2048-md5").weak_signature(), Some("MD5"));
    assert_eq!(certificate("rsa2048-sha1").weak_signature(), Some("SHA-1"));
    assert_eq!(certificate("rsa2048-pss-sha1").weak_signature(), Some("SHA-1"));
    assert_eq!(certificate("rsa2048-sha1-root").weak_signature(), None);
    assert_eq!(certificate("leaf").weak_signature(), None);
    // Of the name of its issuer, and signed by it all the same.
    assert_eq!(certificate("namesake-sha1").weak_signature(), Some("SHA-1"));
    assert_eq!(certificate("namesake-md5").weak_signature(), Some("MD5"));
    assert_eq!(certificate("namesake-ca-md5").weak_signature(), None);
    assert_eq!(certificate("old-appliance").weak_signature(), None);
}

#[test]
fn names_match_as_rfc_9525_says() {
    let leaf = certificate("leaf");
    for (name, matches) in [
        ("www.fixture.test", true),
        ("WWW.Fixture.Test.", true),
        ("a.wild.fixture.test", true),
        ("a.b.wild.fixture.test", false),
        ("wild.fixture.test", false),
        ("192.0.2.7", true),
        ("192.0.2.8", false),
        ("fixture.test", false),
        ("", false),
    ] {
        assert_eq!(leaf.matches_name(name), matches, "{name}");
    }
    assert_eq!(certificate("leaf-bare").name_match("bare.fixture.test"), NameMatch::CommonName);
    assert_eq!(certificate("leaf-inside").name_match("www.allowed.test"), NameMatch::AltName);
    assert_eq!(certificate("leaf-inside").name_match("x.allowed.test"), NameMatch::No);
}
