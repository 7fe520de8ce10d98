//! Several stores side by side, roots that only a policy names, and chains completed from others.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
};

use super::*;

fn ca(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.use_authority_key_identifier_extension = true;
    params
}

fn root(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    CertifiedIssuer::self_signed(ca(name), KeyPair::generate().unwrap()).unwrap()
}

fn below(name: &str, issuer: &CertifiedIssuer<'_, KeyPair>) -> CertifiedIssuer<'static, KeyPair> {
    CertifiedIssuer::signed_by(ca(name), KeyPair::generate().unwrap(), issuer).unwrap()
}

fn leaf(issuer: &CertifiedIssuer<'_, KeyPair>) -> Vec<u8> {
    let params = CertificateParams::new(vec!["host.test".to_owned()]).unwrap();
    params.signed_by(&KeyPair::generate().unwrap(), issuer).unwrap().der().to_vec()
}

fn parsed(ders: &[&[u8]]) -> Vec<Arc<Certificate>> {
    ders.iter().map(|der| Arc::new(Certificate::parse(der))).collect()
}

#[test]
fn every_store_that_trusts_a_chain_is_named_in_the_order_given() {
    let (one, two) = (root("One"), root("Two"));
    let (one, two) = (one.der().to_vec(), two.der().to_vec());
    let stores = load(&[("z", &[der("root")]), ("n", &[two]), ("a", &[der("root"), one])], &[]);
    let report = verify_at(&chain(&["leaf", "issuing"]), &stores, NOW);
    assert_eq!(report.trusted_by, ["z", "a"]);
    let root = Certificate::parse(&der("root")).fingerprint();
    assert_eq!(stores.anchored_by(root), Some(vec!["z", "a"]));
    assert_eq!(stores.describe().iter().map(|s| s.anchors).collect::<Vec<_>>(), [1, 1, 2]);
}

#[test]
fn stores_may_trust_one_chain_by_different_roots() {
    let stores = load(&[("old", &[der("oldroot")]), ("new", &[der("root")])], &[]);
    let sent = chain(&["leaf", "issuing", "root-cross"]);
    // 2021-01-01 and 2026-03-01: the old root expired in between.
    let report = verify_at(&sent, &stores, 1_609_459_200);
    assert_eq!(report.trusted_by, ["old", "new"]);
    assert_eq!(report.path.len(), 3, "the shorter path is shown");
    assert_eq!(verify_at(&sent, &stores, NOW).trusted_by, ["new"]);
}

#[test]
fn a_root_that_only_a_policy_names_is_an_anchor_that_no_store_trusts() {
    let (required, expired) = (der("root"), der("root-expired"));
    let stores = load(&[("own", &[der("stranger")])], &[&required]);
    let report = verify_at(&chain(&["leaf", "issuing"]), &stores, NOW);
    assert_eq!(report.status, ChainStatus::PublicRoot);
    assert_eq!(report.trusted_by, Vec::<String>::new());
    assert_eq!(report.root_fingerprint, Some(Fingerprint::of(&required)));
    assert_eq!(stores.anchored_by(Fingerprint::of(&required)), Some(vec![]));
    let stores = load(&[("own", &[der("stranger")])], &[&expired]);
    let report = verify_at(&chain(&["leaf", "issuing"]), &stores, NOW);
    assert_eq!(report.status, ChainStatus::Expired);
    // A store that holds it too takes precedence: it is no stranger then.
    let stores = load(&[("own", std::slice::from_ref(&required))], &[&required]);
    assert_eq!(verify_at(&chain(&["leaf", "issuing"]), &stores, NOW).trusted_by, ["own"]);
}

#[test]
fn the_inventory_completes_from_what_others_sent_whatever_the_order() {
    let root = root("Root");
    let upper = below("Upper", &root);
    let lower = below("Lower", &upper);
    let leaf = leaf(&lower);
    let stores = own_store(&[root.der().to_vec()]);
    let others = parsed(&[upper.der(), &der("stranger"), lower.der(), root.der(), &der("leaf")]);
    let mut reversed = others.clone();
    reversed.reverse();
    let sent = parsed(&[&leaf]);
    let alone = verify_at(&sent, &stores, NOW);
    assert_eq!(alone.status, ChainStatus::UnknownRoot);
    assert_eq!(alone.issuer.as_deref(), Some("CN=Lower"));
    let complete = |pool: Vec<Arc<Certificate>>| {
        let limits = Limits::default();
        let mut others = Completion::new(pool.into_iter().collect(), &limits);
        let at = Timestamp::new(NOW, 0);
        chain::verify_with(&sent, &mut others, at, &stores, &limits)
    };
    let report = complete(others);
    assert_eq!(report.status, ChainStatus::Incomplete);
    let why = "not sent: CN=Lower and CN=Upper; with it the chain leads to CN=Root";
    assert_eq!(report.why.as_deref(), Some(why));
    assert_eq!(report.root_subject.as_deref(), Some("CN=Root"));
    assert!(report.trusted_by.is_empty(), "clients that fetch nothing do not trust it");
    assert_eq!(complete(reversed), report);
    // Only a part of what is missing: no better than nothing.
    assert_eq!(complete(parsed(&[lower.der()])).status, ChainStatus::UnknownRoot);
}

#[test]
fn a_long_chain_verifies_up_to_the_limit() {
    let limits = Limits::default();
    let root = root("Root");
    let mut issuer = below("CA 0", &root);
    let mut sent = vec![issuer.der().to_vec()];
    for number in 1..limits.chain_length + 4 {
        issuer = below(&format!("CA {number}"), &issuer);
        sent.insert(0, issuer.der().to_vec());
        let mut chain = vec![leaf(&issuer)];
        chain.extend(sent.iter().cloned());
        let chain: Vec<_> = chain.iter().map(|der| Arc::new(Certificate::parse(der))).collect();
        let report = verify_at(&chain, &own_store(&[root.der().to_vec()]), NOW);
        // webpki follows six intermediates; OpenSSL and Windows do not stop there.
        let expected = match number {
            ..=5 => ChainStatus::PrivateRoot,
            n if n + 2 <= limits.chain_length => ChainStatus::PrivateRoot,
            _ => ChainStatus::UnknownRoot,
        };
        assert_eq!(report.status, expected, "{} CAs: {report:?}", number + 1);
    }
}
