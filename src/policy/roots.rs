//! The roots that policies require, and their certificates.

use std::sync::{Arc, LazyLock};

use aws_lc_rs::digest;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::Policy;

/// A root (or, in one vendor's table, an intermediate) that a policy names.
#[derive(Clone, Debug)]
pub struct Root {
    /// Its common name.
    pub common_name: Box<str>,
    /// SHA-1 of the certificate: what administrators call its thumbprint.
    pub sha1: [u8; 20],
    /// SHA-256 of it.
    pub sha256: Option<[u8; 32]>,
    /// Serial number, hex.
    pub serial: Option<Box<str>>,
    /// Its key, in words.
    pub key: Option<Box<str>>,
    /// The algorithm of its signature.
    pub signature: Option<Box<str>>,
    /// RFC 3339.
    pub not_before: Option<Box<str>>,
    /// RFC 3339, or only the date.
    pub not_after: Option<Box<str>>,
    /// What became of it.
    pub status: RootStatus,
    /// Endpoints must trust it.
    pub required: bool,
    /// The part of the service that it is for.
    pub cloud: Option<Box<str>>,
    /// A remark.
    pub note: Option<Box<str>>,
    /// The certificate, where it comes with the policy.
    pub der: Option<Arc<[u8]>>,
}

/// What became of a root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RootStatus {
    /// In use.
    Valid,
    /// Its time is over.
    Expired,
    /// No root at all, though the policy's document lists it.
    Intermediate,
    /// A root programme dropped it: which, in the file's words (`mozilla-2026-04`).
    Distrusted(Box<str>),
}

/// Whether a chain ends where a policy wants it to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RootMatch {
    /// At a root that the policy requires.
    Required,
    /// At another one.
    Other,
    /// It is not known where it ends.
    Unknown,
}

impl RootMatch {
    /// The word in records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Other => "other",
            Self::Unknown => "unknown",
        }
    }
}

impl Policy {
    /// The required root with this SHA-1, if there is one.
    pub fn required_root(&self, sha1: &[u8; 20]) -> Option<&Root> {
        self.roots.iter().find(|root| root.is_required() && root.sha1 == *sha1)
    }

    /// Whether the policy requires any root.
    pub fn requires_roots(&self) -> bool {
        self.roots.iter().any(Root::is_required)
    }

    /// The required roots whose certificates are at hand, as DER, each once: anchors even where
    /// the trust store in use has dropped them.
    pub fn required_roots(&self) -> Vec<Arc<[u8]>> {
        let mut ders: Vec<Arc<[u8]>> = self
            .roots
            .iter()
            .filter(|root| root.is_required())
            .filter_map(|root| root.der.clone())
            .collect();
        ders.sort();
        ders.dedup();
        ders
    }
}

impl Root {
    /// An endpoint must trust it, and it is a root.
    pub fn is_required(&self) -> bool {
        self.required && self.status != RootStatus::Intermediate
    }
}

/// The certificate with this SHA-1 among those that come with the program.
pub(super) fn embedded(sha1: &[u8; 20]) -> Option<Arc<[u8]>> {
    EMBEDDED.iter().find(|(thumbprint, _)| thumbprint == sha1).map(|(_, der)| Arc::clone(der))
}

/// The first certificate of a PEM text, with its SHA-1.
pub(super) fn from_pem(pem: &str) -> Option<([u8; 20], Arc<[u8]>)> {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
    let sha1 = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &der);
    Some((sha1.as_ref().try_into().ok()?, der.as_ref().into()))
}

/// A certificate by its thumbprint.
type Embedded = ([u8; 20], Arc<[u8]>);

static EMBEDDED: LazyLock<Vec<Embedded>> =
    LazyLock::new(|| PEMS.iter().filter_map(|pem| from_pem(pem)).collect());

const PEMS: &[&str] = &[
    include_str!("roots/Baltimore_CyberTrust_Root.pem"),
    include_str!("roots/DigiCert_Global_Root_CA.pem"),
    include_str!("roots/DigiCert_Global_Root_G2.pem"),
    include_str!("roots/DigiCert_Global_Root_G3.pem"),
    include_str!("roots/Microsoft_ECC_Root_Certificate_Authority_2017.pem"),
    include_str!("roots/Microsoft_RSA_Root_Certificate_Authority_2017.pem"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_root_that_a_builtin_policy_requires_is_at_hand() {
        assert_eq!(EMBEDDED.len(), PEMS.len());
        for policy in Policy::builtin() {
            for root in policy.roots.iter().filter(|root| root.is_required()) {
                let der = root.der.as_ref().expect("comes with the program");
                let sha256 = digest::digest(&digest::SHA256, der);
                assert_eq!(root.sha256.as_ref().map(<[u8; 32]>::as_slice), Some(sha256.as_ref()));
            }
        }
        let current = Policy::by_id("dataverse-2024-12").unwrap();
        assert_eq!(current.required_roots().len(), 5, "one is required for two clouds");
        assert!(Policy::by_id("azure-tls12").unwrap().required_roots().is_empty());
    }
}
