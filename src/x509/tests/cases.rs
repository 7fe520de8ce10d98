//! Every status from real certificates, and what `openssl verify` says of each.

use std::collections::BTreeSet;

use super::*;
use ChainStatus::{
    BadSignature, Expired, Incomplete, NotSeen, NotYetValid, PrivateRoot, SelfSigned, UnknownRoot,
    Unverifiable,
};

/// A chain, the trust, the time, and what it is worth.
pub(super) struct Case {
    pub(super) sent: &'static [&'static str],
    pub(super) trust: &'static [&'static str],
    pub(super) at: u64,
    pub(super) status: ChainStatus,
    /// What `why` must contain; nothing: there must be no `why`.
    pub(super) why: &'static str,
    /// Why OpenSSL says something else, where it does.
    pub(super) differs: Option<&'static str>,
}

const fn case(
    sent: &'static [&'static str],
    trust: &'static [&'static str],
    status: ChainStatus,
    why: &'static str,
) -> Case {
    Case { sent, trust, at: NOW, status, why, differs: None }
}

impl Case {
    const fn at(mut self, at: u64) -> Self {
        self.at = at;
        self
    }

    const fn differs(mut self, why: &'static str) -> Self {
        self.differs = Some(why);
        self
    }
}

const ROOT: &[&str] = &["root"];
/// 2019-06-01, 2021-01-01, 2023-01-01.
const IN_2019: u64 = 1_559_347_200;
const IN_2021: u64 = 1_609_459_200;
const IN_2023: u64 = 1_672_531_200;

#[rustfmt::skip]
pub(super) static CASES: &[Case] = &[
    // What servers send, well or not so well.
    case(&["leaf", "issuing"], ROOT, PrivateRoot, ""),
    case(&["leaf", "issuing", "root"], ROOT, PrivateRoot, ""),
    case(&["leaf", "root", "issuing"], ROOT, PrivateRoot, ""),
    case(&["leaf", "leaf", "issuing", "issuing", "leaf"], ROOT, PrivateRoot, ""),
    case(&["leaf", "stranger", "appliance", "issuing", "p256-sha256-root"], ROOT, PrivateRoot, ""),
    case(&["leaf", "junk", "issuing"], ROOT, PrivateRoot, ""),
    case(&["leaf", "issuing", "!root"], ROOT, PrivateRoot, ""),
    // Something missing, or nobody that is known.
    case(&["leaf"], ROOT, UnknownRoot, "CN=Fixture Issuing CA is in no trust store given, or an intermediate is missing"),
    case(&["leaf", "root"], ROOT, UnknownRoot, "or an intermediate is missing"),
    case(&["leaf-aia"], ROOT, Incomplete, "only the leaf was sent"),
    case(&["leaf-aia", "root"], ROOT, UnknownRoot, "or an intermediate is missing"),
    case(&["leaf"], &["root", "issuing"], Incomplete, "not sent: C=DE, O=Fixtures, CN=Fixture Issuing CA; with it the chain leads to C=DE, O=Fixtures, CN=Fixture Root")
        .differs("it takes intermediates from the trust file: a client does not have them"),
    case(&["leaf"], &["issuing"], PrivateRoot, "")
        .differs("an issuing CA alone is an anchor here: -partial_chain is not its default"),
    case(&["leaf", "issuing"], &["stranger"], UnknownRoot, "CN=Fixture Root is in no trust store given"),
    case(&["leaf", "issuing", "root"], &["stranger"], UnknownRoot, "the root C=DE, O=Fixtures, CN=Fixture Root"),
    // Dates, of any certificate.
    case(&["leaf-expired", "issuing"], ROOT, Expired, "CN=www.fixture.test expired at 2021-01-01T00:00:00Z"),
    case(&["leaf", "issuing-expired"], ROOT, Expired, "CN=Fixture Issuing CA expired at 2019"),
    case(&["leaf", "issuing"], &["root-expired"], Expired, "CN=Fixture Root expired at 2025"),
    case(&["leaf-early", "issuing"], ROOT, NotYetValid, "is valid only from 2040-01-01T00:00:00Z"),
    case(&["leaf", "issuing"], ROOT, NotYetValid, "CN=www.fixture.test is valid only from 2020").at(IN_2019),
    case(&["leaf-expired", "issuing"], ROOT, PrivateRoot, "").at(IN_2021)
        .differs("the last second counts (RFC 5280 §4.1.2.5), there it does not"),
    case(&["leaf-expired", "issuing"], ROOT, Expired, "").at(IN_2021 + 1),
    // No moment at which all of it is valid: issuing ended before the leaf began.
    case(&["leaf-early", "issuing-expired"], ROOT, Expired, "expired at 2019-01-01T00:00:00Z"),
    // From a clock that was not set.
    case(&["leaf-epoch", "epoch-issuing"], &["epoch-root"], PrivateRoot, ""),
    case(&["leaf-epoch-over", "epoch-issuing"], &["epoch-root"], Expired, "CN=epoch.fixture.test expired at 1969-12-31T23:59:00Z"),
    // Two ways up.
    case(&["leaf", "issuing", "root-cross"], &["oldroot"], PrivateRoot, "").at(IN_2021),
    case(&["leaf", "issuing", "root-cross"], &["oldroot"], Expired, "CN=Fixture Old Root expired at 2021-09-30T14:01:15Z").at(IN_2023),
    case(&["leaf", "issuing", "root-cross"], &["oldroot", "root"], PrivateRoot, ""),
    case(&["leaf", "root-cross", "issuing-expired", "issuing"], ROOT, PrivateRoot, ""),
    // Look-alikes.
    case(&["leaf", "issuing-rekeyed"], ROOT, UnknownRoot, "or an intermediate is missing"),
    case(&["leaf", "issuing-rekeyed", "issuing"], ROOT, PrivateRoot, ""),
    case(&["leaf-bare", "issuing-bare2"], ROOT, BadSignature, "the key of O=Fixtures, CN=Bare CA did not make the signature on CN=bare.fixture.test"),
    case(&["leaf-bare", "issuing-bare2", "issuing-bare"], ROOT, PrivateRoot, "")
        .differs("it follows the first namesake only"),
    case(&["leaf", "issuing-spelt"], ROOT, PrivateRoot, ""),
    // Damage.
    case(&["!leaf", "issuing"], ROOT, BadSignature, "the key of C=DE, O=Fixtures, CN=Fixture Issuing CA"),
    case(&["leaf", "!issuing"], ROOT, BadSignature, "did not make the signature on C=DE"),
    case(&["!leaf-expired", "issuing"], ROOT, BadSignature, ""),
    case(&["junk"], ROOT, Unverifiable, "not a DER certificate").differs("it reads no such file"),
    case(&[], ROOT, NotSeen, "").differs("it asks for a certificate"),
    // Rules that a path can break.
    case(&["leaf-sub", "sub", "issuing-zero"], ROOT, Unverifiable, "CN=Zero CA allows fewer CAs below it"),
    case(&["leaf-outside", "issuing-named"], ROOT, Unverifiable, "name constraints"),
    case(&["leaf-inside", "issuing-named"], ROOT, PrivateRoot, ""),
    case(&["leaf-ca-named", "issuing-named"], ROOT, Unverifiable, "name constraints in it cannot be checked")
        .differs("webpki refuses CA certificates as leaves before it looks at names"),
    case(&["leaf-notca", "notca"], ROOT, Unverifiable, "CN=Not a CA is not the certificate of a CA"),
    case(&["leaf-nosign", "issuing-nosign"], ROOT, Unverifiable, "CN=Unsigning CA: its key usage forbids"),
    case(&["leaf-policy", "issuing-policy"], ROOT, PrivateRoot, ""),
    // Forms.
    case(&["leaf-v1", "issuing"], ROOT, Unverifiable, "CN=www.fixture.test: X.509 version 1")
        .differs("it takes version 1 for leaves"),
    case(&["leaf-critical", "issuing"], ROOT, Unverifiable, "the critical extension 1.2.3.4.5 is not understood"),
    case(&["leaf-client", "issuing"], ROOT, PrivateRoot, "extended key usage does not name TLS servers"),
    case(&["leaf-ca", "issuing"], ROOT, PrivateRoot, "the server's own certificate is that of a CA"),
    case(&["leaf-root-v1"], &["root-v1"], PrivateRoot, ""),
    // Its own issuer.
    case(&["appliance"], ROOT, SelfSigned, ""),
    case(&["appliance-ca", "issuing"], ROOT, SelfSigned, ""),
    case(&["appliance"], &["appliance"], PrivateRoot, ""),
    case(&["old-appliance"], ROOT, SelfSigned, "md5WithRSAEncryption cannot be checked"),
    case(&["old-appliance"], &["old-appliance"], PrivateRoot, ""),
    case(&["!appliance"], ROOT, BadSignature, "which did not sign it")
        .differs("it does not check the signature of a self-signed certificate"),
    case(&["appliance-other"], ROOT, UnknownRoot, "the issuer CN=appliance.fixture.test, another one of the same name, is in no")
        .differs("it takes equal names for a self-signed certificate"),
    case(&["appliance-other", "appliance"], ROOT, UnknownRoot, "the root CN=appliance.fixture.test")
        .differs("it takes equal names for a self-signed certificate"),
    // Algorithms that can be checked.
    case(&["rsa2048-sha256"], &["rsa2048-sha256-root"], PrivateRoot, ""),
    case(&["rsa2048-sha384"], &["rsa2048-sha384-root"], PrivateRoot, ""),
    case(&["rsa4096-sha512"], &["rsa4096-sha512-root"], PrivateRoot, ""),
    case(&["rsa2048-pss"], &["rsa2048-pss-root"], PrivateRoot, ""),
    case(&["rsapss-key"], &["rsapss-key-root"], PrivateRoot, ""),
    case(&["p256-sha256"], &["p256-sha256-root"], PrivateRoot, ""),
    case(&["p384-sha384"], &["p384-sha384-root"], PrivateRoot, ""),
    case(&["p521-sha512"], &["p521-sha512-root"], PrivateRoot, ""),
    case(&["p256-sha512"], &["p256-sha512-root"], PrivateRoot, ""),
    case(&["ed25519"], &["ed25519-root"], PrivateRoot, ""),
    case(&["rsa2048-sha1"], &["rsa2048-sha1-root"], PrivateRoot, ""),
    case(&["rsa1024-sha1"], &["rsa1024-sha1-root"], PrivateRoot, ""),
    case(&["rsa1024-sha256"], &["rsa1024-sha256-root"], PrivateRoot, ""),
    case(&["p256-sha1"], &["p256-sha1-root"], PrivateRoot, ""),
    case(&["!rsa1024-sha256"], &["rsa1024-sha256-root"], BadSignature, ""),
    case(&["!p256-sha1"], &["p256-sha1-root"], BadSignature, ""),
    // And those that cannot.
    case(&["rsa2048-md5"], &["rsa2048-md5-root"], Unverifiable, "md5WithRSAEncryption cannot be checked").differs(ALGORITHM),
    case(&["rsa512-sha1"], &["rsa512-sha1-root"], Unverifiable, "with a key RSA-512").differs(ALGORITHM),
    case(&["rsa2048-e34"], &["rsa2048-e34-root"], Unverifiable, "with a key RSA-2048 and a public exponent of 34 bits").differs(ALGORITHM),
    case(&["rsa1024-sha384"], &["rsa1024-sha384-root"], Unverifiable, "with a key RSA-1024").differs(ALGORITHM),
    case(&["rsa2048-pss-sha1"], &["rsa2048-pss-sha1-root"], Unverifiable, "rsassaPss").differs(ALGORITHM),
    case(&["p384-sha1"], &["p384-sha1-root"], Unverifiable, "with a key EC-P384").differs(ALGORITHM),
    case(&["brainpool"], &["brainpool-root"], Unverifiable, "with a key EC-brainpoolP256r1").differs(ALGORITHM),
    case(&["ed448"], &["ed448-root"], Unverifiable, "ED448 cannot be checked").differs(ALGORITHM),
    case(&["dsa1024"], &["dsa1024-root"], Unverifiable, "dsa_with_SHA256 cannot be checked").differs(ALGORITHM),
    // The order of the words: an unknown root comes before what cannot be checked.
    case(&["rsa2048-md5", "rsa2048-md5-root"], ROOT, UnknownRoot, "the root O=Fixtures, CN=rsa2048-md5 root"),
];

const ALGORITHM: &str = "OpenSSL has the algorithm, the libraries here do not";

#[test]
fn every_case_has_its_status_and_its_reason() {
    for case in CASES {
        let trust: Vec<_> = case.trust.iter().map(|name| der(name)).collect();
        let stores = own_store(&trust);
        let sent = chain(case.sent);
        let report = verify_at(&sent, &stores, case.at);
        let label = format!("{:?} under {:?}: {report:?}", case.sent, case.trust);
        assert_eq!(report.status, case.status, "{label}");
        if case.why.is_empty() && report.status.is_trusted() {
            assert_eq!(report.why, None, "{label}");
        } else if !case.why.is_empty() {
            assert!(report.why.as_deref().is_some_and(|why| why.contains(case.why)), "{label}");
        }
        let trusted = matches!(report.status, PrivateRoot | Expired | NotYetValid);
        assert_eq!(report.trusted_by.is_empty(), !trusted, "{label}");
        if trusted {
            assert_eq!(report.path.last().copied(), report.root_fingerprint, "{label}");
            assert_eq!(report.path[0], sent[0].fingerprint(), "{label}");
        }

        let cache = ChainCache::new(Arc::new(stores), &Limits::default());
        // The seconds in which something changes, and those before and behind them.
        let dates = sent.iter().flat_map(|sent| [sent.not_before(), sent.not_after()]).flatten();
        let around = dates.filter_map(|date| u64::try_from(date.as_secs()).ok());
        // Most have the same dates: each moment is looked at once.
        let around: BTreeSet<u64> =
            around.flat_map(|date| [date.saturating_sub(1), date, date + 1]).collect();
        for at in [case.at, IN_2019, IN_2023, case.at].into_iter().chain(around) {
            let fresh = verify_at(&sent, cache.stores(), at);
            assert_eq!(*cache.verify(&sent, Timestamp::new(at, 0)), fresh, "cached: {label}");
        }
    }
}

#[test]
fn the_order_of_the_others_does_not_matter() {
    let stores = own_store(&[der("root")]);
    let expected = verify_at(&chain(&["leaf", "issuing", "root-cross", "stranger"]), &stores, NOW);
    for others in [
        ["stranger", "root-cross", "issuing"],
        ["root-cross", "issuing", "stranger"],
        ["issuing", "stranger", "root-cross"],
    ] {
        let mut names = vec!["leaf"];
        names.extend(others);
        assert_eq!(verify_at(&chain(&names), &stores, NOW), expected, "{names:?}");
    }
}
