//! Named trust stores: who is believed, and under which names.
//!
//! `--trust [NAME=]mozilla|system|FILE|DIR` is a [`TrustSpec`]; [`TrustStores::load`] reads all of
//! them, once, at the start. This is the one file of the module that reads files.
//!
//! In a FILE or DIR, what is its own issuer is an anchor, and so is a certificate whose issuer is
//! nowhere in the trust given: an issuing CA handed over alone is what its owner trusts. All other
//! certificates in it are *known intermediates*: no anchors, but enough to tell a chain that was
//! sent incomplete from one that leads nowhere.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::{fs, io};

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::certificate::Certificate;

use super::Fingerprint;
use super::pool::IssuerPool;

use crate::limits;

/// The version of the embedded Mozilla roots; a test holds it to `Cargo.lock`.
const MOZILLA_VERSION: &str = "1.0.11";
/// Why trust could not be loaded. Every message names the thing and the cure.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// A file or directory that cannot be read.
    #[error(
        "cannot read the trust store {path}: {source} \
         (give mozilla, system, or a file or directory of PEM or DER certificates)"
    )]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something too large to be a file of certificates.
    #[error("{path} is too large for a trust store (at most 64 MiB)")]
    TooLarge {
        /// Which.
        path: PathBuf,
    },
    /// A file or directory without a certificate in it.
    #[error(
        "no certificate in the trust store {path}: it must hold PEM (BEGIN CERTIFICATE) or DER \
         (of a PKCS#7 file: openssl pkcs7 -print_certs)"
    )]
    Empty {
        /// Which.
        path: PathBuf,
    },
    /// A certificate that cannot be read.
    #[error("certificate {number} in {path} cannot be read: {why} (export it again, or remove it)")]
    Damaged {
        /// In which file.
        path: PathBuf,
        /// Which of its certificates, from 1.
        number: usize,
        /// What is wrong.
        why: String,
    },
    /// The system has no store, or none that can be read.
    #[error(
        "the system's trust store cannot be read: {why} \
         (install ca-certificates, set SSL_CERT_FILE, or use --trust mozilla)"
    )]
    NoSystemStore {
        /// What was found instead.
        why: String,
    },
    /// Two stores of one name.
    #[error("two trust stores are called {name}: name them apart, as in --trust other=FILE")]
    DuplicateName {
        /// The name.
        name: String,
    },
    /// Nothing after the equals sign, or nothing at all.
    #[error("'{spec}' names no trust store: give [NAME=]mozilla, system, a file or a directory")]
    EmptySpec {
        /// What was given.
        spec: String,
    },
}

/// Where a store's certificates come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrustSource {
    /// Mozilla's roots, embedded in the program.
    Mozilla,
    /// The operating system's roots.
    System,
    /// A file or a directory: the organisation's own roots.
    Path(PathBuf),
}

/// One `--trust` option.
///
/// ```
/// use tlscensus::x509::{TrustSource, TrustSpec};
/// let spec: TrustSpec = "corp=/etc/pki/corp.pem".parse()?;
/// assert_eq!(spec.name, "corp");
/// let spec: TrustSpec = "mozilla".parse()?;
/// assert_eq!(spec.source, TrustSource::Mozilla);
/// # Ok::<(), tlscensus::x509::TrustError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustSpec {
    /// The name that reports use.
    pub name: String,
    /// Where it comes from.
    pub source: TrustSource,
}

impl FromStr for TrustSpec {
    type Err = TrustError;

    /// `[NAME=]mozilla|system|FILE|DIR`. What stands before the first `=` is a name unless it
    /// holds a slash: `./a=b.pem` is a file.
    fn from_str(spec: &str) -> Result<Self, TrustError> {
        let (name, source) = match spec.split_once('=') {
            Some((name, source)) if !name.is_empty() && !name.contains(['/', '\\']) => {
                (Some(name), source)
            }
            _ => (None, spec),
        };
        if source.is_empty() {
            return Err(TrustError::EmptySpec { spec: spec.to_owned() });
        }
        let (default, source) = match source {
            "mozilla" => ("mozilla".to_owned(), TrustSource::Mozilla),
            "system" => ("system".to_owned(), TrustSource::System),
            path => {
                let path = PathBuf::from(path);
                let stem = path.file_stem().unwrap_or(path.as_os_str());
                (stem.to_string_lossy().into_owned(), TrustSource::Path(path))
            }
        };
        Ok(Self { name: name.map_or(default, str::to_owned), source })
    }
}

/// What was loaded under one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreSummary {
    /// Its name.
    pub name: String,
    /// Where it came from, with the version of what is embedded.
    pub origin: String,
    /// It is a FILE or DIR: the organisation's own.
    pub private: bool,
    /// Certificates that are trusted as they stand.
    pub anchors: usize,
    /// Certificates that only help to recognise incomplete chains.
    pub intermediates: usize,
}

impl fmt::Display for StoreSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} roots", self.name, self.anchors)?;
        if self.intermediates > 0 {
            write!(f, ", {} intermediates", self.intermediates)?;
        }
        write!(f, " ({})", self.origin)
    }
}

/// A certificate that is trusted as it stands.
#[derive(Debug)]
pub(super) struct Anchor {
    pub(super) certificate: Arc<Certificate>,
    /// The stores that hold it, by their place; none for a root that only a policy names.
    pub(super) stores: Vec<usize>,
    /// One of them is a FILE or DIR.
    pub(super) private: bool,
}

/// All trust of a run: the named stores, and anchors that are in none of them.
#[derive(Debug, Default)]
pub struct TrustStores {
    stores: Vec<StoreSummary>,
    anchors: Vec<Anchor>,
    by_subject: HashMap<Box<[u8]>, Vec<usize>>,
    known: IssuerPool,
}

impl TrustStores {
    /// Read the stores. `extra_anchors` are the DER of roots that a policy requires: they are
    /// anchors although no store may hold them any more, and trusted by no store then.
    pub fn load(specs: &[TrustSpec], extra_anchors: &[&[u8]]) -> Result<Self, TrustError> {
        let mut names = HashSet::new();
        let mut loaded = Vec::with_capacity(specs.len());
        for spec in specs {
            if !names.insert(spec.name.as_str()) {
                return Err(TrustError::DuplicateName { name: spec.name.clone() });
            }
            loaded.push(load_source(&spec.source)?);
        }
        let subjects: HashSet<&[u8]> = loaded
            .iter()
            .flat_map(|store| store.certificates.iter().map(|c| c.subject_key()))
            .collect();
        // Ordered by fingerprint, so that no path depends on the order of directories.
        let mut anchors: BTreeMap<Fingerprint, Anchor> = BTreeMap::new();
        let mut known = Vec::new();
        let mut stores = Vec::with_capacity(specs.len());
        for (place, (spec, store)) in specs.iter().zip(&loaded).enumerate() {
            let private = matches!(spec.source, TrustSource::Path(_));
            let mut summary = StoreSummary {
                name: spec.name.clone(),
                origin: store.origin.clone(),
                private,
                anchors: 0,
                intermediates: 0,
            };
            for certificate in &store.certificates {
                if private
                    && !certificate.is_self_issued()
                    && subjects.contains(certificate.issuer_key())
                {
                    summary.intermediates += 1;
                    known.push(Arc::clone(certificate));
                    continue;
                }
                summary.anchors += 1;
                let anchor = anchors.entry(certificate.fingerprint()).or_insert_with(|| Anchor {
                    certificate: Arc::clone(certificate),
                    stores: Vec::new(),
                    private: false,
                });
                anchor.stores.push(place);
                anchor.private |= private;
            }
            stores.push(summary);
        }
        for der in extra_anchors {
            let certificate = Arc::new(Certificate::parse(der));
            anchors.entry(certificate.fingerprint()).or_insert_with(|| Anchor {
                certificate,
                stores: Vec::new(),
                private: false,
            });
        }
        Ok(Self::new(stores, anchors.into_values().collect(), known.into_iter().collect()))
    }

    fn new(stores: Vec<StoreSummary>, anchors: Vec<Anchor>, known: IssuerPool) -> Self {
        let mut by_subject: HashMap<Box<[u8]>, Vec<usize>> = HashMap::new();
        for (place, anchor) in anchors.iter().enumerate() {
            by_subject.entry(anchor.certificate.subject_key().into()).or_default().push(place);
        }
        Self { stores, anchors, by_subject, known }
    }

    /// What was loaded, store by store, in the order given.
    pub fn describe(&self) -> &[StoreSummary] {
        &self.stores
    }

    /// Whether this very certificate is an anchor, and the names of the stores that hold it: none
    /// for a root that only a policy names.
    pub fn anchored_by(&self, fingerprint: Fingerprint) -> Option<Vec<&str>> {
        let place = self
            .anchors
            .binary_search_by_key(&fingerprint, |a| a.certificate.fingerprint())
            .ok()?;
        Some(self.store_names(self.anchors.get(place)?).collect())
    }

    /// The names of the stores that hold an anchor, in the order given.
    pub(super) fn store_names<'a>(&'a self, anchor: &'a Anchor) -> impl Iterator<Item = &'a str> {
        anchor.stores.iter().filter_map(|&place| self.stores.get(place)).map(|s| s.name.as_str())
    }

    /// The anchors with this name, each with its place.
    pub(super) fn named(&self, subject: &[u8]) -> impl Iterator<Item = usize> {
        self.by_subject.get(subject).into_iter().flatten().copied()
    }

    /// The anchor at a place that [`Self::named`] gave.
    pub(super) fn anchor(&self, place: usize) -> Option<&Anchor> {
        self.anchors.get(place)
    }

    /// Intermediates of the trust files.
    pub(super) fn known(&self) -> &IssuerPool {
        &self.known
    }
}

/// The certificates of one source, each once.
struct Loaded {
    origin: String,
    certificates: Vec<Arc<Certificate>>,
}

fn load_source(source: &TrustSource) -> Result<Loaded, TrustError> {
    let (origin, certificates) = match source {
        TrustSource::Mozilla => (
            format!("webpki-root-certs {MOZILLA_VERSION}"),
            readable(webpki_root_certs::TLS_SERVER_ROOT_CERTS),
        ),
        TrustSource::System => {
            let native = rustls_native_certs::load_native_certs();
            let certificates = readable(&native.certs);
            if certificates.is_empty() {
                let why = native
                    .errors
                    .first()
                    .map_or_else(|| "it is empty".to_owned(), ToString::to_string);
                return Err(TrustError::NoSystemStore { why });
            }
            ("the operating system".to_owned(), certificates)
        }
        TrustSource::Path(path) => (path.display().to_string(), load_path(path)?),
    };
    let mut seen = HashSet::new();
    let certificates = certificates.into_iter().filter(|c| seen.insert(c.fingerprint())).collect();
    Ok(Loaded { origin, certificates })
}

/// Stores that others keep may hold oddities: what cannot be read is left out.
fn readable(certificates: &[CertificateDer<'_>]) -> Vec<Arc<Certificate>> {
    certificates.iter().map(|der| Arc::new(Certificate::parse(der))).filter(|c| usable(c)).collect()
}

/// Whether a certificate can be an anchor: it needs a name and a key.
fn usable(certificate: &Certificate) -> bool {
    !certificate.subject_key().is_empty() && !certificate.public_key_info().is_empty()
}

fn load_path(path: &Path) -> Result<Vec<Arc<Certificate>>, TrustError> {
    let unreadable = |source| TrustError::Unreadable { path: path.to_owned(), source };
    let mut certificates = Vec::new();
    if fs::metadata(path).map_err(unreadable)?.is_dir() {
        let mut files = Vec::new();
        for entry in fs::read_dir(path).map_err(unreadable)? {
            files.push(entry.map_err(unreadable)?.path());
        }
        files.sort();
        for file in files {
            // Links are followed (openssl rehash makes them), deeper directories are not; a file
            // without certificates (a README, a CRL) is no fault of a directory.
            if fs::metadata(&file).is_ok_and(|meta| meta.is_file()) {
                certificates.append(&mut load_file(&file)?);
            }
        }
    } else {
        certificates = load_file(path)?;
    }
    if certificates.is_empty() {
        return Err(TrustError::Empty { path: path.to_owned() });
    }
    Ok(certificates)
}

fn load_file(path: &Path) -> Result<Vec<Arc<Certificate>>, TrustError> {
    let unreadable = |source| TrustError::Unreadable { path: path.to_owned(), source };
    let bytes = limits::read_named(path).map_err(|error| match error.kind() {
        io::ErrorKind::FileTooLarge => TrustError::TooLarge { path: path.to_owned() },
        _ => unreadable(error),
    })?;
    let damaged = |number, why: String| TrustError::Damaged { path: path.to_owned(), number, why };
    let mut certificates = Vec::new();
    if bytes.first() == Some(&0x30) {
        let certificate = Certificate::parse(&bytes);
        if usable(&certificate) {
            certificates.push(Arc::new(certificate));
        }
        return Ok(certificates); // else another kind of DER: no certificate in it
    }
    // Windows' editors put a byte order mark in front.
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    for (place, block) in CertificateDer::pem_slice_iter(text).enumerate() {
        let number = place.saturating_add(1);
        let der = block.map_err(|error| damaged(number, error.to_string()))?;
        let certificate = Certificate::parse(&der);
        if !usable(&certificate) {
            let why = certificate.fault().unwrap_or("it has no name or no key").to_owned();
            return Err(damaged(number, why));
        }
        certificates.push(Arc::new(certificate));
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_the_embedded_roots_is_the_one_in_the_lock_file() {
        let lock = include_str!("../../Cargo.lock").replace("\r\n", "\n");
        let entry = format!("name = \"webpki-root-certs\"\nversion = \"{MOZILLA_VERSION}\"");
        assert!(lock.contains(&entry), "set MOZILLA_VERSION to what Cargo.lock says");
    }

    #[test]
    fn specs_take_a_name_or_find_one() {
        let parse = |text: &str| text.parse::<TrustSpec>().unwrap();
        assert_eq!(parse("system").source, TrustSource::System);
        assert_eq!(parse("ms=mozilla").name, "ms");
        assert_eq!(parse("/etc/pki/corp-roots.pem").name, "corp-roots");
        assert_eq!(parse("./a=b.pem").source, TrustSource::Path("./a=b.pem".into()));
        assert!("corp=".parse::<TrustSpec>().is_err());
        assert!("".parse::<TrustSpec>().is_err());
    }

    #[test]
    fn mozillas_roots_are_all_anchors() {
        let specs = ["mozilla".parse().unwrap()];
        let stores = TrustStores::load(&specs, &[]).unwrap();
        let summary = stores.describe()[0].to_string();
        assert_eq!(stores.anchors.len(), webpki_root_certs::TLS_SERVER_ROOT_CERTS.len());
        assert!(summary.starts_with("mozilla: 1"), "{summary}");
        assert!(summary.ends_with("(webpki-root-certs 1.0.11)"), "{summary}");
        let twice = ["mozilla".parse().unwrap(), "mozilla".parse().unwrap()];
        assert!(matches!(TrustStores::load(&twice, &[]), Err(TrustError::DuplicateName { .. })));
    }

    #[test]
    fn errors_name_the_file_and_the_cure() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("corp.pem");
        let load = |path: &Path| {
            let spec = TrustSpec { name: "x".into(), source: TrustSource::Path(path.to_owned()) };
            TrustStores::load(&[spec], &[]).unwrap_err().to_string()
        };
        assert!(load(&path).contains("corp.pem"), "missing");
        fs::write(&path, "just words\n").unwrap();
        assert!(load(&path).contains("BEGIN CERTIFICATE"), "empty");
        assert!(load(dir.path()).starts_with("no certificate"), "empty directory");
        fs::write(&path, "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n").unwrap();
        assert!(load(&path).starts_with("certificate 1 in"), "damaged");
    }
}
