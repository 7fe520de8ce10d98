//! Certificates that may have issued others: looked up by name and key identifier.
//!
//! Whoever likes can send thousands of certificates of one name. Of those that carry the name of an
//! issuer a bounded number is looked at, likeliest first, and one report checks a bounded number of
//! signatures for all chains that it completes from what others sent.

use std::collections::HashMap;
use std::sync::Arc;

use super::certificate::Certificate;
use crate::limits::Limits;

/// Certificates of one name that a step looks at.
const NAMESAKES: usize = 64;
/// The same of those whose key identifier is not the one that is looked for: hardly ever one of them
/// is the issuer.
const STRANGERS: usize = 8;
/// Signatures that are checked for any chain, whatever was checked for others: a CA has few
/// certificates of one name and key.
const ORDINARY: u32 = 4;

/// Certificates that were seen elsewhere and may complete a chain.
///
/// The order in which they were put in does not matter: paths are the same for the same set.
#[derive(Debug, Default)]
pub struct IssuerPool {
    /// By name, those of one name in the order of their key identifiers; those without come first.
    by_subject: HashMap<Box<[u8]>, Vec<Arc<Certificate>>>,
}

impl IssuerPool {
    /// Those that carry the name of a certificate's issuer, likeliest first; whether there are more
    /// than are looked at.
    pub(super) fn issuers_of(&self, child: &Certificate) -> (Vec<&Arc<Certificate>>, bool) {
        let all = self.by_subject.get(child.issuer_key()).map_or(&[][..], Vec::as_slice);
        let Some(wanted) = child.authority_key_id() else {
            return (all.iter().take(NAMESAKES).collect(), all.len() > NAMESAKES);
        };
        let (nameless, rest) = all.split_at(all.partition_point(|c| c.subject_key_id().is_none()));
        let (before, rest) =
            rest.split_at(rest.partition_point(|c| c.subject_key_id() < Some(wanted)));
        let (named, behind) =
            rest.split_at(rest.partition_point(|c| c.subject_key_id() == Some(wanted)));
        let likely = named.iter().chain(nameless).take(NAMESAKES);
        let unlikely = before.iter().chain(behind).take(STRANGERS);
        let looked_at: Vec<_> = likely.chain(unlikely).collect();
        let more = looked_at.len() < all.len();
        (looked_at, more)
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.by_subject.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_subject.is_empty()
    }
}

impl FromIterator<Arc<Certificate>> for IssuerPool {
    fn from_iter<I: IntoIterator<Item = Arc<Certificate>>>(certificates: I) -> Self {
        let mut by_subject: HashMap<Box<[u8]>, Vec<Arc<Certificate>>> = HashMap::new();
        for certificate in certificates {
            // Leaves outnumber CAs by far, and cannot complete anything.
            if certificate.is_ca() && !certificate.subject_key().is_empty() {
                by_subject.entry(certificate.subject_key().into()).or_default().push(certificate);
            }
        }
        for namesakes in by_subject.values_mut() {
            namesakes.sort_by(|one, other| {
                let by_key = one.subject_key_id().cmp(&other.subject_key_id());
                by_key.then_with(|| one.fingerprint().cmp(&other.fingerprint()))
            });
            namesakes.dedup_by_key(|certificate| certificate.fingerprint());
        }
        Self { by_subject }
    }
}

/// What completes the chains of one report: certificates that were seen anywhere, and how many
/// signatures may still be checked to find out which of them belong together.
#[derive(Debug)]
pub struct Completion {
    pool: IssuerPool,
    signatures: u32,
    given_up: u64,
    searches_given_up: u64,
}

impl Completion {
    /// From these certificates.
    pub fn new(pool: IssuerPool, limits: &Limits) -> Self {
        Self { pool, signatures: limits.completion_signatures, given_up: 0, searches_given_up: 0 }
    }

    /// Chains that were not completed because too many certificates look like their issuers.
    pub const fn given_up(&self) -> u64 {
        self.given_up
    }

    /// Chains in which the search for a path was given up: too many signatures to check.
    pub const fn searches_given_up(&self) -> u64 {
        self.searches_given_up
    }

    pub(super) const fn pool(&self) -> &IssuerPool {
        &self.pool
    }

    /// Signatures that may be checked for one chain.
    pub(super) const fn allowance(&self) -> u32 {
        ORDINARY.saturating_add(self.signatures)
    }

    /// So many were.
    pub(super) const fn spend(&mut self, signatures: u32) {
        self.signatures = self.signatures.saturating_sub(signatures.saturating_sub(ORDINARY));
    }

    /// A chain was given up.
    pub(super) const fn give_up(&mut self) {
        self.given_up += 1;
    }

    /// The search in a chain itself was.
    pub(super) const fn give_up_search(&mut self) {
        self.searches_given_up += 1;
    }
}
