//! What a server's chain is worth at the time of the capture.
//!
//! [`verify`] takes the certificates as they were sent, the leaf first (RFC 5246 §7.4.2), the
//! others in any order, with whatever else stands between them. A report rests on these, on the
//! trust given and on the time; on nothing else. [`verify_with`] may tell more: certificates that
//! others sent show whether an issuer that was not sent is known.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::Fingerprint;
use super::assessment::{Assessment, FoundPath};
use super::certificate::Certificate;
use super::path;
use super::pool::Completion;
use super::rules::Grade;
use super::time::CertificateTime;
use super::trust::TrustStores;
use crate::clock::Timestamp;
use crate::json::{Hex, Kept};
use crate::limits::Limits;

/// The word for a chain: the first that holds, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChainStatus {
    /// TLS 1.3 encrypts it.
    Hidden,
    /// An earlier session was resumed: none is sent.
    Resumed,
    /// It should have been there, and was not seen.
    NotSeen,
    /// A key that by its name should have made a signature did not make it.
    BadSignature,
    /// The leaf is its own issuer, and no anchor.
    SelfSigned,
    /// Certificates between the leaf and an anchor were not sent.
    Incomplete,
    /// It ends at an issuer that nobody given trusts.
    UnknownRoot,
    /// It reaches an anchor by its names, in a way that cannot be verified.
    Unverifiable,
    /// It verifies but for a certificate that has expired.
    Expired,
    /// It verifies but for a certificate that is not valid yet.
    NotYetValid,
    /// It verifies to an anchor of a FILE or DIR.
    PrivateRoot,
    /// It verifies to an anchor of a store that the organisation did not bring.
    PublicRoot,
}

impl ChainStatus {
    /// As records and reports write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hidden => "hidden",
            Self::Resumed => "resumed",
            Self::NotSeen => "not_seen",
            Self::BadSignature => "bad_signature",
            Self::SelfSigned => "self_signed",
            Self::Incomplete => "incomplete",
            Self::UnknownRoot => "unknown_root",
            Self::Unverifiable => "unverifiable",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::PrivateRoot => "private_root",
            Self::PublicRoot => "public_root",
        }
    }

    /// Whether there was no chain to look at.
    pub const fn is_unseen(self) -> bool {
        matches!(self, Self::Hidden | Self::Resumed | Self::NotSeen)
    }

    /// Whether it verifies to an anchor at its time.
    pub const fn is_trusted(self) -> bool {
        matches!(self, Self::PrivateRoot | Self::PublicRoot)
    }
}

impl fmt::Display for ChainStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for ChainStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// What a chain is worth, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainReport {
    /// In one word.
    pub status: ChainStatus,
    /// In a sentence, where the word does not say all. A trusted chain may have a remark too.
    pub why: Option<String>,
    /// The stores that hold the anchors to which it leads, in the order given: at this time if
    /// its status is trusted, dates aside if it is `expired` or `not_yet_valid`, none else. A
    /// trusted chain with none ends at a root that only a policy names.
    pub trusted_by: Vec<String>,
    /// The root at the end of the path, trusted or not; of an incomplete chain the one to which
    /// it would lead; of an unverifiable one the one that its names lead to.
    pub root_subject: Option<String>,
    /// Its SHA-1: the thumbprint that Windows shows.
    pub root_sha1: Option<[u8; 20]>,
    /// Its SHA-256.
    pub root_fingerprint: Option<Fingerprint>,
    /// When it expired, if it had at the time of the connection.
    pub root_expired: Option<CertificateTime>,
    /// The certificates of the path, from the leaf upwards, the root included.
    pub path: Vec<Fingerprint>,
    /// Of a chain that leads to no anchor: the name of the issuer that is missing or unknown.
    pub issuer: Option<String>,
    /// Its text in records.
    pub kept: Kept,
}

impl ChainReport {
    /// For a chain that was not there to look at: hidden, resumed or not seen.
    pub fn unseen(status: ChainStatus) -> Self {
        Self {
            status,
            why: None,
            trusted_by: Vec::new(),
            root_subject: None,
            root_sha1: None,
            root_fingerprint: None,
            root_expired: None,
            path: Vec::new(),
            issuer: None,
            kept: Kept::default(),
        }
    }

    /// The same for a chain of which the end was not captured, if that makes a difference: whatever is
    /// missing may be there.
    pub fn of_a_part(&self) -> Option<Self> {
        let ends_early = match self.status {
            ChainStatus::Incomplete => true,
            ChainStatus::UnknownRoot => self.root_subject.is_none(),
            _ => false,
        };
        let why = "it leads to no root as far as it was seen".to_owned();
        ends_early.then(|| Self { why: Some(why), ..Self::unseen(ChainStatus::NotSeen) })
    }

    /// The memory that it takes, roughly.
    pub(super) fn weight(&self) -> usize {
        let words = [&self.why, &self.root_subject, &self.issuer].into_iter().flatten();
        let words = words.chain(&self.trusted_by).map(String::len).sum::<usize>();
        // The words come again in the text that is kept.
        let path = self.path.len().saturating_mul(size_of::<Fingerprint>());
        size_of::<Self>().saturating_add(words.saturating_mul(2)).saturating_add(path)
    }

    fn root(mut self, root: Option<&Arc<Certificate>>) -> Self {
        self.root_subject = root.map(|root| root.subject().to_owned());
        self.root_sha1 = root.map(|root| root.sha1());
        self.root_fingerprint = root.map(|root| root.fingerprint());
        self
    }
}

impl Serialize for ChainReport {
    /// The object of the record schema, its keys in the schema's order.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.kept.serialize(&Fields(self), serializer)
    }
}

struct Fields<'a>(&'a ChainReport);

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(report) = self;
        let mut object = serializer.serialize_struct("ChainReport", 5)?;
        object.serialize_field("status", &report.status)?;
        object.serialize_field("why", &report.why)?;
        object.serialize_field("trusted_by", &report.trusted_by)?;
        object.serialize_field("root_subject", &report.root_subject)?;
        object.serialize_field("root_sha1", &report.root_sha1.as_ref().map(|sha1| Hex(sha1)))?;
        object.end()
    }
}

/// Verify a chain as it was sent, at one moment.
pub fn verify(
    chain: &[Arc<Certificate>],
    at: Timestamp,
    stores: &TrustStores,
    limits: &Limits,
) -> ChainReport {
    report(&path::assess(chain, None, stores, limits), at, stores)
}

/// The same with certificates that others sent: an issuer that is missing in the chain and known
/// from them makes it `incomplete` where it leads to an anchor, never trusted. Where too many look alike it
/// stays what it is alone, and says so.
pub fn verify_with(
    chain: &[Arc<Certificate>],
    others: &mut Completion,
    at: Timestamp,
    stores: &TrustStores,
    limits: &Limits,
) -> ChainReport {
    report(&path::assess(chain, Some(others), stores, limits), at, stores)
}

/// What an assessment comes to at one moment.
pub(super) fn report(assessment: &Assessment, at: Timestamp, stores: &TrustStores) -> ChainReport {
    let paths = match assessment {
        Assessment::Anchored(paths) => paths,
        Assessment::DeadEnd(end) => {
            return ChainReport {
                why: end.why.clone(),
                path: end.path.clone(),
                issuer: end.issuer.clone(),
                ..ChainReport::unseen(end.status)
            }
            .root(end.root.as_ref());
        }
    };
    let at = CertificateTime::from(at);
    let mut best: Option<(Standing, &FoundPath)> = None;
    for path in paths {
        let standing = Standing::of(path, at);
        // The first of equals stays: paths come in a fixed order.
        if best.as_ref().is_none_or(|(known, _)| standing < *known) {
            best = Some((standing, path));
        }
    }
    let Some((standing, path)) = best else {
        return ChainReport::unseen(ChainStatus::NotSeen);
    };
    let (status, why) = match (&path.grade, standing.worth) {
        (Grade::Unverifiable(why), _) => (ChainStatus::Unverifiable, Some(why.clone())),
        (Grade::Verified(remark), Worth::Valid) => {
            let private = path.private;
            (
                if private { ChainStatus::PrivateRoot } else { ChainStatus::PublicRoot },
                remark.clone(),
            )
        }
        (Grade::Verified(_), Worth::NotYetValid) => {
            (ChainStatus::NotYetValid, Some(dates_in_words(path, at)))
        }
        (Grade::Verified(_), _) => (ChainStatus::Expired, Some(dates_in_words(path, at))),
    };
    let mut places: Vec<usize> = Vec::new();
    if status != ChainStatus::Unverifiable {
        let alike = |p: &&FoundPath| Standing::of(p, at).is_as_good_as(&standing);
        places = paths.iter().filter(alike).flat_map(|p| p.stores.iter().copied()).collect();
        places.sort_unstable();
        places.dedup();
    }
    let names = stores.describe();
    let root = path.certificates.last();
    ChainReport {
        why,
        trusted_by: places.iter().filter_map(|&p| names.get(p)).map(|s| s.name.clone()).collect(),
        path: path.certificates.iter().map(|c| c.fingerprint()).collect(),
        root_expired: root.filter(|root| is_expired(root, at)).and_then(|root| root.not_after()),
        ..ChainReport::unseen(status)
    }
    .root(root)
}

/// The seconds around a moment in which [`report`] says the same: no certificate of a path comes into
/// or goes out of force.
pub(super) fn unchanged(assessment: &Assessment, at: Timestamp) -> RangeInclusive<CertificateTime> {
    let at = CertificateTime::from(at).as_secs();
    let (mut first, mut last) = (i64::MIN, i64::MAX);
    let mut divide = |before: i64| {
        // Something changes between this second and the next.
        if before < at {
            first = first.max(before.saturating_add(1));
        } else {
            last = last.min(before);
        }
    };
    if let Assessment::Anchored(paths) = assessment {
        for certificate in paths.iter().flat_map(|path| &path.certificates) {
            let begins = certificate.not_before().map(|from| from.as_secs().saturating_sub(1));
            let ends = certificate.not_after().map(CertificateTime::as_secs);
            begins.into_iter().chain(ends).for_each(&mut divide);
        }
    }
    CertificateTime::from_secs(first)..=CertificateTime::from_secs(last)
}

/// What a path is worth at one moment, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Worth {
    Valid,
    NotYetValid,
    Expired,
    Unverifiable,
}

/// By what paths are compared; the least is the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Standing {
    worth: Worth,
    /// Own roots, then those of others, then those that only a policy names.
    anchor: u8,
    /// How many of its certificates are out of date.
    outdated: usize,
    length: usize,
}

impl Standing {
    fn of(path: &FoundPath, at: CertificateTime) -> Self {
        let outdated = path.certificates.iter().filter(|c| is_expired(c, at) || is_early(c, at));
        let worth = if matches!(path.grade, Grade::Unverifiable(_)) {
            Worth::Unverifiable
        } else if path.certificates.iter().any(|c| is_expired(c, at)) {
            Worth::Expired
        } else if path.certificates.iter().any(|c| is_early(c, at)) {
            Worth::NotYetValid
        } else {
            Worth::Valid
        };
        let anchor = if path.private {
            0
        } else if path.stores.is_empty() {
            2
        } else {
            1
        };
        Self { worth, anchor, outdated: outdated.count(), length: path.certificates.len() }
    }

    /// Whether both are trusted, or both are but for their dates.
    fn is_as_good_as(&self, best: &Self) -> bool {
        (self.worth == Worth::Valid) == (best.worth == Worth::Valid)
            && self.worth != Worth::Unverifiable
    }
}

fn is_expired(certificate: &Certificate, at: CertificateTime) -> bool {
    certificate.not_after().is_some_and(|until| at > until)
}

fn is_early(certificate: &Certificate, at: CertificateTime) -> bool {
    certificate.not_before().is_some_and(|from| at < from)
}

/// Every certificate of the path that is out of date, and since or until when.
fn dates_in_words(path: &FoundPath, at: CertificateTime) -> String {
    let mut words = String::new();
    for certificate in &path.certificates {
        let date = if is_expired(certificate, at) {
            certificate.not_after().map(|date| format!("{certificate} expired at {date}"))
        } else if is_early(certificate, at) {
            certificate.not_before().map(|date| format!("{certificate} is valid only from {date}"))
        } else {
            None
        };
        if let Some(date) = date {
            if !words.is_empty() {
                words.push_str("; ");
            }
            words.push_str(&date);
        }
    }
    words
}
