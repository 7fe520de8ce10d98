//! Parsed certificates and assessed chains, each once: shared between worker threads.
//!
//! A network has few certificates and many handshakes. Both caches only save work: their answers
//! are those of [`Certificate::parse`] and [`chain::verify`], whatever they hold. When one is full,
//! what was not asked for since the last time is dropped (second chance).

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use dashmap::DashMap;
use foldhash::fast::RandomState;

use super::Fingerprint;
use super::assessment::Assessment;
use super::certificate::Certificate;
use super::chain::{self, ChainReport};
use super::path;
use super::time::CertificateTime;
use super::trust::TrustStores;
use crate::clock::Timestamp;
use crate::limits::Limits;

/// Certificates by their bytes.
#[derive(Debug)]
pub struct CertificateCache {
    entries: Bounded<ByDer, ()>,
}

impl CertificateCache {
    /// An empty cache for `limits.cached_certificates`.
    pub fn new(limits: &Limits) -> Self {
        Self { entries: Bounded::new(limits.cached_certificates, limits.cached_certificate_bytes) }
    }

    /// The certificate with these bytes, parsed now or before.
    ///
    /// A hit costs one pass over the bytes with a keyed hash and one to compare them: no SHA.
    pub fn get(&self, der: &[u8]) -> Arc<Certificate> {
        if let Some(entry) = self.entries.map.get(der) {
            entry.value().0.store(true, Ordering::Relaxed);
            return Arc::clone(&entry.key().0);
        }
        let certificate = Arc::new(Certificate::parse(der));
        self.entries.insert(ByDer(Arc::clone(&certificate)), (), certificate.weight());
        certificate
    }

    /// How many are kept.
    pub fn len(&self) -> usize {
        self.entries.map.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.entries.map.is_empty()
    }
}

/// A certificate that is found by its bytes.
#[derive(Debug)]
struct ByDer(Arc<Certificate>);

impl Borrow<[u8]> for ByDer {
    fn borrow(&self) -> &[u8] {
        self.0.der()
    }
}

impl Hash for ByDer {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.der().hash(state); // as <[u8] as Hash>: Borrow asks for the same
    }
}

impl PartialEq for ByDer {
    fn eq(&self, other: &Self) -> bool {
        self.0.der() == other.0.der()
    }
}

impl Eq for ByDer {}

/// Chains by the fingerprints of their certificates, for one set of trust stores.
///
/// What is kept is independent of time, so that the answer is exactly the one of
/// [`chain::verify`] at any moment, without a signature checked twice. The last answer is kept with
/// the time in which it holds.
#[derive(Debug)]
pub struct ChainCache {
    stores: Arc<TrustStores>,
    limits: Limits,
    entries: Bounded<Box<[Fingerprint]>, Arc<Assessed>>,
}

/// What is kept of a chain.
#[derive(Debug)]
struct Assessed {
    assessment: Assessment,
    last: RwLock<Said>,
}

/// An answer, and the seconds in which it is the answer.
type Said = (RangeInclusive<CertificateTime>, Arc<ChainReport>);

impl Assessed {
    fn say(assessment: &Assessment, at: Timestamp, stores: &TrustStores) -> Said {
        let report = Arc::new(chain::report(assessment, at, stores));
        (chain::unchanged(assessment, at), report)
    }

    fn report(&self, at: Timestamp, stores: &TrustStores) -> Arc<ChainReport> {
        let last = self.last.read().unwrap_or_else(PoisonError::into_inner);
        let (within, report) = &*last;
        if within.contains(&CertificateTime::from(at)) {
            return Arc::clone(report);
        }
        drop(last); // or it would be waited for below
        let said = Self::say(&self.assessment, at, stores);
        let report = Arc::clone(&said.1);
        *self.last.write().unwrap_or_else(PoisonError::into_inner) = said;
        report
    }
}

impl ChainCache {
    /// An empty cache for `limits.cached_chains`.
    pub fn new(stores: Arc<TrustStores>, limits: &Limits) -> Self {
        let entries = Bounded::new(limits.cached_chains, limits.cached_certificate_bytes);
        Self { stores, limits: limits.clone(), entries }
    }

    /// What [`chain::verify`] says of this chain at this moment.
    pub fn verify(&self, chain: &[Arc<Certificate>], at: Timestamp) -> Arc<ChainReport> {
        // One more than is looked at: that there is one more is said.
        let looked_at = self.limits.chain_length.saturating_add(1);
        let key: Box<[Fingerprint]> =
            chain.iter().take(looked_at).map(|c| c.fingerprint()).collect();
        if let Some(entry) = self.entries.map.get(&key) {
            let (used, assessed) = entry.value();
            used.store(true, Ordering::Relaxed);
            let assessed = Arc::clone(assessed);
            drop(entry); // no lock is held while anything is worked out
            return assessed.report(at, &self.stores);
        }
        let assessment = path::assess(chain, None, &self.stores, &self.limits);
        let said = Assessed::say(&assessment, at, &self.stores);
        let report = Arc::clone(&said.1);
        let weight = assessment.weight().saturating_add(report.weight());
        let assessed = Assessed { assessment, last: RwLock::new(said) };
        self.entries.insert(key, Arc::new(assessed), weight);
        report
    }

    /// The stores that it verifies against.
    pub fn stores(&self) -> &TrustStores {
        &self.stores
    }
}

/// A map that stays below a number of entries and a sum of weights.
#[derive(Debug)]
struct Bounded<K: Eq + Hash, V> {
    map: DashMap<K, (AtomicBool, V), RandomState>,
    places: usize,
    weight: usize,
    /// Entries and weight put in since the map was last swept.
    count: AtomicUsize,
    held: AtomicUsize,
    sweeping: AtomicBool,
}

impl<K: Eq + Hash, V> Bounded<K, V> {
    fn new(places: usize, weight: usize) -> Self {
        Self {
            map: DashMap::with_hasher(RandomState::default()),
            places,
            weight,
            count: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
            sweeping: AtomicBool::new(false),
        }
    }

    fn insert(&self, key: K, value: V, weight: usize) {
        if self.places == 0 || weight > self.weight {
            return;
        }
        if self.count.load(Ordering::Relaxed) >= self.places
            || self.held.load(Ordering::Relaxed).saturating_add(weight) > self.weight
        {
            self.sweep();
        }
        if self.map.insert(key, (AtomicBool::new(false), value)).is_none() {
            self.count.fetch_add(1, Ordering::Relaxed);
            self.held.fetch_add(weight, Ordering::Relaxed);
        }
    }

    /// Drop what was not used since the last sweep; everything, if that is not even half.
    fn sweep(&self) {
        if self.sweeping.swap(true, Ordering::Acquire) {
            return; // another thread is at it: a few entries more do not matter
        }
        let before = self.map.len();
        self.map.retain(|_, (used, _)| used.swap(false, Ordering::Relaxed));
        let mut kept = self.map.len();
        if kept > before / 2 {
            self.map.clear();
            kept = 0;
        }
        // What is left weighs its share: the bound is on memory, not on a sum of bytes.
        let held = self.held.load(Ordering::Relaxed);
        let share = held.checked_div(before).unwrap_or(0).saturating_mul(kept);
        self.held.store(share, Ordering::Relaxed);
        self.count.store(kept, Ordering::Relaxed);
        self.sweeping.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hit_is_the_same_certificate_and_the_bound_holds() {
        let limits = Limits { cached_certificates: 8, ..Limits::default() };
        let cache = CertificateCache::new(&limits);
        let first = cache.get(b"one");
        assert!(Arc::ptr_eq(&first, &cache.get(b"one")));
        for number in 0..100_u32 {
            let der = number.to_be_bytes();
            assert_eq!(cache.get(&der).der(), der);
            cache.get(b"one");
            assert!(cache.len() <= 8, "{}", cache.len());
        }
        assert!(Arc::ptr_eq(&first, &cache.get(b"one")), "what is used stays");
    }

    #[test]
    fn without_places_nothing_is_kept() {
        let limits = Limits { cached_certificates: 0, ..Limits::default() };
        let cache = CertificateCache::new(&limits);
        assert_eq!(cache.get(b"one").der(), b"one");
        assert!(cache.is_empty());
    }

    #[test]
    fn huge_certificates_fill_the_bytes_before_the_places() {
        let limits = Limits { cached_certificate_bytes: 128 << 10, ..Limits::default() };
        let cache = CertificateCache::new(&limits);
        for number in 0..64_u8 {
            cache.get(&vec![number; 40 << 10]);
            assert!(cache.len() <= 3, "{}", cache.len());
        }
    }
}
