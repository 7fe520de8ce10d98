//! Chains: certificates in any order, against an anchor that the input brings as well.

use std::sync::Arc;

use tlscensus::clock::Timestamp;
use tlscensus::limits::Limits;
use tlscensus::x509::chain::{ChainStatus, verify};
use tlscensus::x509::{Certificate, ChainCache, TrustStores};

use super::heap;
use super::input::Input;
use super::json;

pub fn check(data: &[u8]) {
    // Each step of the search may look at each certificate: chains are short.
    heap::bounded(data.len(), 8 << 20, 1024, || run(data));
}

fn run(data: &[u8]) {
    let limits = Limits::default();
    let mut input = Input(data);
    let at = Timestamp::new(u64::from(input.u32()), 0);
    let anchor = input.block();
    let mut chain = Vec::new();
    while !input.is_empty() && chain.len() < 24 {
        chain.push(Arc::new(Certificate::parse(input.block())));
    }
    let stores = Arc::new(TrustStores::load(&[], &[anchor]).unwrap_or_default());
    let report = verify(&chain, at, &stores, &limits);
    let text = json::faithful(&report);
    assert!(report.path.len() <= limits.chain_length + 1, "{} in a path", report.path.len());
    // Nothing is trusted but by an anchor, and none of these stores has a name.
    assert!(report.trusted_by.is_empty());
    if report.status.is_trusted() {
        assert!(report.root_fingerprint.is_some());
    }
    let known = |fingerprint| {
        Certificate::parse(anchor).fingerprint() == fingerprint
            || chain.iter().any(|certificate| certificate.fingerprint() == fingerprint)
    };
    assert!(report.path.iter().all(|fingerprint| known(*fingerprint)), "a path out of nowhere");
    if chain.is_empty() {
        assert!(!report.status.is_trusted());
    }
    // What the cache says is what it would find.
    let cache = ChainCache::new(Arc::clone(&stores), &limits);
    for _ in 0..2 {
        assert_eq!(text, json::faithful(&cache.verify(&chain, at)));
    }
    // Without the anchor nothing is trusted.
    let none = verify(&chain, at, &TrustStores::default(), &limits);
    assert!(!matches!(none.status, ChainStatus::PublicRoot | ChainStatus::PrivateRoot));
    assert!(none.trusted_by.is_empty());
}
