//! What path building comes to, independent of time.

use std::sync::Arc;

use super::Fingerprint;
use super::certificate::Certificate;
use super::chain::ChainStatus;
use super::rules::Grade;

/// What a chain is worth, whenever it is looked at.
#[derive(Debug)]
pub(super) enum Assessment {
    /// It leads to at least one anchor.
    Anchored(Vec<FoundPath>),
    /// It leads to none.
    DeadEnd(DeadEnd),
}

/// A complete path.
#[derive(Debug)]
pub(super) struct FoundPath {
    /// From the leaf to the anchor; one alone if the leaf is the anchor.
    pub(super) certificates: Vec<Arc<Certificate>>,
    /// The stores that hold the anchor, by their place.
    pub(super) stores: Vec<usize>,
    /// One of them is a FILE or DIR.
    pub(super) private: bool,
    /// Whether it verifies.
    pub(super) grade: Grade,
}

/// Why a chain leads to no anchor.
#[derive(Debug)]
pub(super) struct DeadEnd {
    /// One of those statuses that no time changes.
    pub(super) status: ChainStatus,
    /// In words.
    pub(super) why: Option<String>,
    /// As far as it goes; for an incomplete chain, as it would go.
    pub(super) path: Vec<Fingerprint>,
    /// The root at its end, if it has one.
    pub(super) root: Option<Arc<Certificate>>,
    /// The name of the issuer that is missing or unknown.
    pub(super) issuer: Option<String>,
}

impl Assessment {
    /// The memory that it alone takes, roughly: intermediates and anchors are shared.
    pub(super) fn weight(&self) -> usize {
        let own = match self {
            Self::Anchored(paths) => {
                paths.first().and_then(|path| path.certificates.first()).map_or(0, |c| c.weight())
            }
            Self::DeadEnd(end) => {
                let words = [&end.why, &end.issuer].into_iter().flatten().map(String::len);
                words.sum::<usize>() + end.root.as_ref().map_or(0, |root| root.weight())
            }
        };
        size_of::<Self>() + own
    }
}

impl DeadEnd {
    /// A dead end without a root.
    pub(super) fn new(status: ChainStatus, why: Option<String>, path: &[Arc<Certificate>]) -> Self {
        let path = path.iter().map(|c| c.fingerprint()).collect();
        Self { status, why, path, root: None, issuer: None }
    }

    /// Another source has what was not sent.
    pub(super) fn complete(&mut self, path: &FoundPath, sent: &[&Arc<Certificate>]) {
        let absent: Vec<String> = path
            .certificates
            .split_last()
            .map_or(&[][..], |(_, below)| below)
            .iter()
            .filter(|c| !sent.iter().any(|s| s.fingerprint() == c.fingerprint()))
            .map(ToString::to_string)
            .collect();
        let root = path.certificates.last();
        self.status = ChainStatus::Incomplete;
        self.why = Some(format!(
            "not sent: {}; with it the chain leads to {}",
            absent.join(" and "),
            root.map(ToString::to_string).unwrap_or_default()
        ));
        self.path = path.certificates.iter().map(|c| c.fingerprint()).collect();
        self.root = root.cloned();
    }
}
