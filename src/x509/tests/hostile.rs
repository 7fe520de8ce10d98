//! Input that was made to hurt: nothing panics, and every search ends soon.

use proptest::prelude::*;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use super::*;

/// All that is ever done with a certificate.
fn use_up(sent: &[Arc<Certificate>], stores: &TrustStores) {
    for certificate in sent {
        let _ = serde_json::to_string(&**certificate).unwrap();
        let _ = (certificate.is_self_signed(), certificate.weak_signature());
        let _ = (certificate.wildcard(), certificate.matches_name("www.fixture.test"));
        let _ = (certificate.matches_name("::1"), certificate.to_string());
    }
    let limits = Limits::default();
    let mut others = Completion::new(sent.iter().cloned().collect(), &limits);
    for at in [0, NOW, u64::MAX] {
        let at = Timestamp::new(at, 0);
        let _ = serde_json::to_string(&chain::verify(sent, at, stores, &limits)).unwrap();
        let _ = chain::verify_with(sent, &mut others, at, stores, &limits);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn mutated_certificates_are_read_as_far_as_they_go(
        name in prop::sample::select(vec!["leaf", "issuing", "rsa2048-pss", "leaf-aia", "issuing-named", "dsa1024"]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut mutated = der(name);
        for (place, value) in changes {
            let place = place.index(mutated.len());
            mutated[place] = value;
        }
        if let Some(cut) = cut {
            mutated.truncate(cut.index(mutated.len()));
        }
        let stores = own_store(&[der("root")]);
        let mutated = Arc::new(Certificate::parse(&mutated));
        let mut sent = chain(&["leaf", "issuing"]);
        use_up(&[Arc::clone(&mutated)], &stores);
        sent.insert(1, Arc::clone(&mutated));
        prop_assert_eq!(verify_at(&sent, &stores, NOW).status, ChainStatus::PrivateRoot);
        sent.swap(0, 1);
        use_up(&sent, &stores);
    }

    #[test]
    fn noise_is_no_certificate(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let stores = own_store(&[der("root")]);
        use_up(&[Arc::new(Certificate::parse(&bytes))], &stores);
    }

    #[test]
    fn what_cannot_be_read_never_verifies(place in any::<prop::sample::Index>(), value in 1..=255_u8) {
        // Any change to what was signed, or to the signature, is found out.
        let mut mutated = der("leaf");
        let place = place.index(mutated.len());
        mutated[place] ^= value;
        let mut sent = chain(&["leaf", "issuing"]);
        sent[0] = Arc::new(Certificate::parse(&mutated));
        let report = verify_at(&sent, &own_store(&[der("root")]), NOW);
        prop_assert!(!report.status.is_trusted(), "byte {}: {:?}", place, report);
    }
}

/// Certificates of one name, each signed by the next one's key: every order is a path.
fn look_alikes(count: usize) -> Vec<Vec<u8>> {
    let params = || {
        let mut params = CertificateParams::new(vec!["host.test".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "Everyone");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
    };
    let name = params();
    let keys: Vec<KeyPair> = (0..2).map(|_| KeyPair::generate().unwrap()).collect();
    (0..count)
        .map(|number| {
            let issuer = Issuer::from_params(&name, &keys[1 - number % 2]);
            params().signed_by(&keys[number % 2], &issuer).unwrap().der().to_vec()
        })
        .collect()
}

#[test]
fn look_alikes_cost_a_bounded_number_of_signatures() {
    let sent: Vec<_> =
        look_alikes(64).iter().map(|der| Arc::new(Certificate::parse(der))).collect();
    let stores = own_store(&[der("root")]);
    let limits = Limits { chain_length: 64, ..Limits::default() };
    for first in 0..8 {
        let mut sent = sent.clone();
        sent.rotate_left(first);
        let report = chain::verify(&sent, Timestamp::new(NOW, 0), &stores, &limits);
        assert!(!report.status.is_trusted(), "{report:?}");
        assert!(report.why.is_some(), "{report:?}");
    }
}

/// A certificate authority with a key of P-521, which takes five times as long as one of P-256.
fn slow_authority(
    name: &str,
    issuer: Option<&Issuer<'_, KeyPair>>,
) -> (Vec<u8>, Issuer<'static, KeyPair>) {
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P521_SHA512).unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = match issuer {
        Some(issuer) => params.signed_by(&key, issuer),
        None => params.self_signed(&key),
    };
    (certificate.unwrap().der().to_vec(), Issuer::new(params, key))
}

#[test]
fn slow_look_alikes_are_given_up_and_slow_chains_are_not() {
    let parse = |der: &[u8]| Arc::new(Certificate::parse(der));
    let (root, above) = slow_authority("Root", None);
    let (named, issuer) = slow_authority("Look Alike", Some(&above));
    let (lower, below) = slow_authority("Lower", Some(&issuer));
    let (leaf, _) = slow_authority("Leaf", Some(&below));
    let stores = own_store(std::slice::from_ref(&root));
    // Four signatures, and two more because the issuer has a certificate of another key.
    let (other, _) = slow_authority("Lower", None);
    let sent: Vec<_> = [&leaf, &other, &lower, &named].map(|der| parse(der)).into();
    assert_eq!(verify_at(&sent, &stores, NOW).status, ChainStatus::PrivateRoot);
    let nobody = own_store(&[der("root")]);
    let whole: Vec<_> = [&leaf, &other, &lower, &named, &root].map(|der| parse(der)).into();
    assert_eq!(verify_at(&whole, &nobody, NOW).status, ChainStatus::UnknownRoot);

    let others = (0..14).map(|_| parse(&slow_authority("Look Alike", Some(&above)).0));
    let sent: Vec<_> = [parse(&lower)].into_iter().chain(others).collect();
    let report = verify_at(&sent, &stores, NOW);
    assert_eq!(report.status, ChainStatus::Unverifiable);
    assert!(report.why.unwrap().contains("too many signatures"));
    let limits = Limits::default();
    let mut pool = Completion::new(IssuerPool::default(), &limits);
    let at = Timestamp::new(NOW, 0);
    let report = chain::verify_with(&sent, &mut pool, at, &stores, &limits);
    assert_eq!((report.status, pool.searches_given_up()), (ChainStatus::Unverifiable, 1));
}

#[test]
fn whether_a_certificate_signed_itself_costs_a_signature_too() {
    // Each has the name of its issuer: A is signed by B, and B by itself.
    let (root, above) = slow_authority("Everyone", None);
    let (leaf, _) = slow_authority("Everyone", Some(&above));
    let sent: Vec<_> = [leaf, root].map(|der| Arc::new(Certificate::parse(&der))).into();
    let stores = own_store(&[der("root")]);
    for (chain_signatures, status) in
        [(14, ChainStatus::Unverifiable), (15, ChainStatus::UnknownRoot)]
    {
        let limits = Limits { chain_signatures, ..Limits::default() };
        let report = chain::verify(&sent, Timestamp::new(NOW, 0), &stores, &limits);
        assert_eq!(report.status, status, "{report:?}");
    }
}

#[test]
fn namesakes_cost_no_more_than_their_bound_and_one_report_no_more_than_its_own() {
    let parsed = |ders: Vec<Vec<u8>>| -> Vec<_> {
        ders.iter().map(|der| Arc::new(Certificate::parse(der))).collect()
    };
    let stores = own_store(&[der("root")]);
    let at = Timestamp::new(NOW, 0);
    let sent = parsed(look_alikes(1));
    let given_up = |issuers: &[Arc<Certificate>], signatures: u32, chains: u64| {
        let limits = Limits { completion_signatures: signatures, ..Limits::default() };
        let mut others = Completion::new(issuers.iter().cloned().collect(), &limits);
        for _ in 0..chains {
            let report = chain::verify_with(&sent, &mut others, at, &stores, &limits);
            assert_eq!(report.status, ChainStatus::UnknownRoot, "{report:?}");
            let said = report.why.is_some_and(|why| why.ends_with("too many look-alikes"));
            assert_eq!(said, others.given_up() > 0);
        }
        others.given_up()
    };
    // More of one name than are looked at.
    assert_eq!(given_up(&parsed(look_alikes(600)), 4_096, 2), 2);
    // Few are all looked at, and each chain may: then the signatures of the report are spent.
    let few = parsed(look_alikes(12));
    assert_eq!(given_up(&few, 4_096, 3), 0);
    assert_eq!(given_up(&few, 10, 3), 2);
    assert_eq!(given_up(&few, 0, 3), 3);
}

/// However many have the name of the issuer: the one that the key identifier names is found.
#[test]
fn the_issuer_is_found_by_its_key_among_many_of_its_name() {
    let ca = |name: &str| {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.use_authority_key_identifier_extension = true;
        params
    };
    let key = || KeyPair::generate().unwrap();
    let root = rcgen::CertifiedIssuer::self_signed(ca("Root"), key()).unwrap();
    let lower: Vec<_> = (0..100)
        .map(|_| rcgen::CertifiedIssuer::signed_by(ca("Lower"), key(), &root).unwrap())
        .collect();
    let parse = |der: &[u8]| Arc::new(Certificate::parse(der));
    let limits = Limits { completion_signatures: 0, ..Limits::default() };
    let pool = lower.iter().map(|issuer| parse(issuer.der())).collect();
    let mut others = Completion::new(pool, &limits);
    let stores = own_store(&[root.der().to_vec()]);
    for issuer in &lower {
        let leaf = ca("Leaf").signed_by(&key(), issuer).unwrap();
        let at = Timestamp::new(NOW, 0);
        let sent = [parse(leaf.der())];
        let report = chain::verify_with(&sent, &mut others, at, &stores, &limits);
        assert_eq!(report.status, ChainStatus::Incomplete, "{report:?}");
    }
    assert_eq!(others.given_up(), 0);
}

#[test]
fn thousands_of_extensions_and_names_are_read_in_one_pass() {
    let mut body = Vec::new();
    for number in 0..9_000_u16 {
        let [high, low] = number.to_be_bytes();
        // 1.2.840.x.y, not critical, an empty value.
        let oid = [0x2a, 0x86, 0x48, 0x81 + (high & 0x3f), low & 0x7f];
        body.extend_from_slice(&[0x30, 9, 0x06, 5]);
        body.extend_from_slice(&oid);
        body.extend_from_slice(&[0x04, 0]);
    }
    let mut list = vec![0x30, 0x83];
    list.extend_from_slice(&u32::try_from(body.len()).unwrap().to_be_bytes()[1..]);
    list.extend_from_slice(&body);
    let extensions = extension::Extensions::read(&list);
    assert_eq!(extensions.unknown_critical.len(), 0);
}

/// The leaf is a CA's, which webpki refuses before it looks at a signature.
#[test]
fn what_was_not_checked_is_not_verified_wherever_the_signatures_run_out() {
    let ca = |name: &str| {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
    };
    let key = || KeyPair::generate().unwrap();
    let root = rcgen::CertifiedIssuer::self_signed(ca("Root"), key()).unwrap();
    let forger = rcgen::CertifiedIssuer::self_signed(ca("Root"), key()).unwrap();
    let middle = rcgen::CertifiedIssuer::signed_by(ca("Middle"), key(), &forger).unwrap();
    let leaf = ca("Leaf").signed_by(&key(), &middle).unwrap();
    let sent: Vec<_> = [leaf.der(), middle.der(), forger.der()]
        .map(|der| Arc::new(Certificate::parse(der)))
        .into();
    let stores = own_store(&[root.der().to_vec()]);
    for chain_signatures in 0..8 {
        let limits = Limits { chain_signatures, ..Limits::default() };
        let report = chain::verify(&sent, Timestamp::new(NOW, 0), &stores, &limits);
        assert!(!report.status.is_trusted(), "{chain_signatures}: {report:?}");
    }
}
