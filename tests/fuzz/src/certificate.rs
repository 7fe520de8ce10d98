//! One certificate, and the names in it.

use std::sync::Arc;

use tlscensus::limits::Limits;
use tlscensus::x509::{Certificate, CertificateCache};

use super::heap;
use super::json;

pub fn check(data: &[u8]) {
    heap::bounded(data.len(), 1 << 20, 512, || run(data));
}

fn run(data: &[u8]) {
    let certificate = Arc::new(Certificate::parse(data));
    assert_eq!(certificate.der(), data);
    let text = json::faithful(&*certificate);
    assert_eq!(text, json::faithful(&Certificate::parse(data)));
    // Hexadecimal, escapes and lossy text make more of a byte, but not any amount.
    assert!(text.len() <= 32 * data.len() + 4096, "{} of {}", text.len(), data.len());
    let cache = CertificateCache::new(&Limits { cached_certificates: 1, ..Limits::default() });
    for _ in 0..2 {
        assert_eq!(cache.get(data).fingerprint(), certificate.fingerprint());
        assert!(cache.len() <= 2);
    }
    for name in certificate.san().iter().take(8) {
        let _ = certificate.name_match(name);
    }
    for name in ["", ".", "*.example.com", "www.example.com", "10.0.0.1", "::1"] {
        let first = certificate.name_match(name);
        assert!(first == certificate.name_match(name));
    }
    if certificate.fault().is_none() {
        // It was read to its end: then both dates are there.
        assert!(certificate.not_before().is_some() && certificate.not_after().is_some());
    }
    assert!(certificate.fault().is_none_or(|fault| fault.len() < 512));
    let _ = (certificate.is_self_signed(), certificate.is_ca(), certificate.weak_signature());
}
