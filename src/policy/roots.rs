//! The roots that policies require, and their certificates.

use std::sync::{Arc, LazyLock, OnceLock};

use aws_lc_rs::digest;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::Policy;
use crate::x509::{Certificate, ChainReport};

/// A root (or, in one vendor's table, an intermediate) that a policy names.
#[derive(Clone, Debug, PartialEq, Eq)]
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

impl Root {
    /// What became of it, as one says it of a root in a sentence: `which expired on 2025-05-12`.
    /// Nothing if it is in use.
    pub fn fate(&self) -> Option<String> {
        match &self.status {
            RootStatus::Expired => {
                let end = self.not_after.as_deref().and_then(|end| end.get(..10));
                let end = end.map(|end| format!(" on {end}")).unwrap_or_default();
                Some(format!("which expired{end}: chains need a newer root"))
            }
            RootStatus::Distrusted(by) => Some(dropped(by)),
            RootStatus::Valid | RootStatus::Intermediate => None,
        }
    }
}

/// `mozilla-2026-04` in words.
fn dropped(by: &str) -> String {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let mut parts = by.splitn(3, '-');
    let programme = parts.next().map(|name| match name {
        "mozilla" => "Mozilla",
        "microsoft" => "Microsoft",
        "apple" => "Apple",
        "chrome" => "Chrome",
        other => other,
    });
    let year = parts.next();
    let month = parts.next().and_then(|month| month.parse::<usize>().ok());
    let month = month.and_then(|month| MONTHS.get(month.checked_sub(1)?));
    match (programme, year, month) {
        (Some(programme), Some(year), Some(month)) => format!(
            "which {programme} dropped in {month} {year}: software with {programme}'s list of \
             roots refuses it"
        ),
        _ => format!("which was dropped ({by}): up-to-date lists of roots no longer hold it"),
    }
}

/// The root at the end of a chain, where it is one that has expired or was dropped. Where the root
/// itself was not seen, the name of the issuer that is in no trust store tells.
pub fn fated(chain: &ChainReport) -> Option<&'static Root> {
    if chain.status.is_unseen() {
        return None;
    }
    let ends_at = |root: &&Embedded| match chain.root_fingerprint {
        Some(fingerprint) => root.certificate.fingerprint() == fingerprint,
        None => chain.issuer.as_deref() == Some(root.certificate.subject()),
    };
    EMBEDDED.iter().filter(ends_at).find_map(Embedded::over)
}

/// A root whose certificate comes with the program.
struct Embedded {
    certificate: Certificate,
    over: OnceLock<Option<&'static Root>>,
}

impl Embedded {
    /// What a policy of the program says of it, if that is that it has expired or was dropped.
    ///
    /// All policies are read for that, which takes as long as reading Mozilla's roots: so only once a
    /// chain ends there.
    fn over(&self) -> Option<&'static Root> {
        *self.over.get_or_init(|| {
            let mut roots = Policy::builtin().iter().flat_map(|policy| &policy.roots);
            let over = |root: &&Root| {
                matches!(root.status, RootStatus::Expired | RootStatus::Distrusted(_))
            };
            roots.find(|root| root.sha1 == self.certificate.sha1() && over(root))
        })
    }
}

/// The certificate with this SHA-1 among those that come with the program.
pub(super) fn embedded(sha1: &[u8; 20]) -> Option<Arc<[u8]>> {
    let mut certificates = EMBEDDED.iter().map(|root| &root.certificate);
    certificates.find(|root| root.sha1() == *sha1).map(|root| root.der().into())
}

/// The first certificate of a PEM text, with its SHA-1.
pub(super) fn from_pem(pem: &str) -> Option<([u8; 20], Arc<[u8]>)> {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
    let sha1 = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &der);
    Some((sha1.as_ref().try_into().ok()?, der.as_ref().into()))
}

static EMBEDDED: LazyLock<Vec<Embedded>> = LazyLock::new(|| {
    // A test counts them: none is lost here.
    let ders = PEMS.iter().filter_map(|pem| CertificateDer::from_pem_slice(pem.as_bytes()).ok());
    ders.map(|der| Embedded { certificate: Certificate::parse(&der), over: OnceLock::new() })
        .collect()
});

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
    use crate::x509::ChainStatus;

    #[test]
    fn what_became_of_roots_is_told_in_words() {
        let of = |name: &str| {
            let mut roots = Policy::builtin().iter().flat_map(|policy| &policy.roots);
            roots.find(|root| &*root.common_name == name).unwrap()
        };
        let words = of("Baltimore CyberTrust Root").fate().unwrap();
        assert_eq!(words, "which expired on 2025-05-12: chains need a newer root");
        let words = of("DigiCert Global Root CA").fate().unwrap();
        assert!(words.starts_with("which Mozilla dropped in April 2026: "), "{words}");
        assert_eq!(of("DigiCert Global Root G2").fate(), None);
        assert!(dropped("someone").starts_with("which was dropped (someone)"));
        assert!(dropped("mozilla-2026-13").contains("(mozilla-2026-13)"));
    }

    #[test]
    fn a_root_that_is_over_is_known_by_its_print_or_its_name() {
        let unknown = ChainReport::unseen(ChainStatus::UnknownRoot);
        let over = || EMBEDDED.iter().filter_map(Embedded::over);
        assert_eq!(over().count(), 2);
        let g1 = over().find(|root| root.common_name.starts_with("Digi")).unwrap();
        let g1 = Certificate::parse(&embedded(&g1.sha1).unwrap());
        let sent = ChainReport { root_fingerprint: Some(g1.fingerprint()), ..unknown.clone() };
        let named = ChainReport { issuer: Some(g1.subject().to_owned()), ..unknown.clone() };
        for chain in [&sent, &named] {
            assert_eq!(&*fated(chain).unwrap().common_name, "DigiCert Global Root CA");
        }
        // The name alone proves nothing where the root was sent and is another one.
        let forged =
            ChainReport { root_fingerprint: Some(crate::x509::Fingerprint([7; 32])), ..named };
        assert!(fated(&forged).is_none() && fated(&unknown).is_none());
        assert!(fated(&ChainReport { status: ChainStatus::Hidden, ..sent }).is_none());
        let current = EMBEDDED.iter().find(|root| root.over().is_none()).unwrap();
        let current = Some(current.certificate.fingerprint());
        assert!(fated(&ChainReport { root_fingerprint: current, ..unknown }).is_none());
    }

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
