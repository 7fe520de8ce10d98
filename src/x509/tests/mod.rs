//! Chains of every kind, from the fixtures and made on the spot.

mod cases;
mod facts;
mod hostile;
mod inventory;
mod openssl;

use std::collections::HashMap;
use std::fs;
use std::sync::{Arc, LazyLock};

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::*;
use crate::clock::Timestamp;
use crate::limits::Limits;

/// 2026-03-01T08:00:00Z.
const NOW: u64 = 1_772_352_000;

/// The certificates of the fixtures, by the names in front of them.
static FIXTURES: LazyLock<HashMap<&'static str, Vec<u8>>> = LazyLock::new(|| {
    let mut fixtures = HashMap::new();
    for text in [include_str!("../fixtures/algorithms.pem"), include_str!("../fixtures/chains.pem")]
    {
        for block in text.split("# ").skip(1) {
            let (name, pem) = block.split_once('\n').unwrap();
            let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
            fixtures.insert(name.trim(), der.to_vec());
        }
    }
    fixtures
});

/// A certificate of the fixtures; behind a `!` with its signature spoilt; `junk` is no certificate.
fn der(name: &str) -> Vec<u8> {
    if name == "junk" {
        return b"junk".to_vec();
    }
    let mut der = FIXTURES[name.trim_start_matches('!')].clone();
    if name.starts_with('!') {
        *der.last_mut().unwrap() ^= 1;
    }
    der
}

fn chain(names: &[&str]) -> Vec<Arc<Certificate>> {
    names.iter().map(|name| Arc::new(Certificate::parse(&der(name)))).collect()
}

/// A trust store of the organisation's own, read from a directory of DER files.
fn own_store(ders: &[Vec<u8>]) -> TrustStores {
    load(&[("own", ders)], &[])
}

fn load(stores: &[(&str, &[Vec<u8>])], extra: &[&[u8]]) -> TrustStores {
    let dir = tempfile::tempdir().unwrap();
    let specs: Vec<TrustSpec> = stores
        .iter()
        .map(|(name, ders)| {
            let path = dir.path().join(name);
            fs::create_dir(&path).unwrap();
            for (place, der) in ders.iter().enumerate() {
                fs::write(path.join(format!("{place}.cer")), der).unwrap();
            }
            TrustSpec { name: (*name).to_owned(), source: TrustSource::Path(path) }
        })
        .collect();
    TrustStores::load(&specs, extra).unwrap()
}

fn verify_at(sent: &[Arc<Certificate>], stores: &TrustStores, at: u64) -> ChainReport {
    chain::verify(sent, Timestamp::new(at, 0), stores, &Limits::default())
}
