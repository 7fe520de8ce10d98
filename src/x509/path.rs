//! Path building: from a leaf through what was sent to an anchor (RFC 4158, RFC 5280 §6).
//!
//! [`assess`] finds every way that a chain can go, independent of time: complete paths with what
//! they are worth, or why there is none. [`super::chain`] then asks what holds at one moment.
//!
//! A search tries the issuers of each certificate in the order of their likelihood and goes down
//! each way once. Where there is only one candidate the signature is left to the check of the
//! whole path; where there are several, each is checked before it is followed, so that look-alikes
//! cost one signature and not a subtree. Steps, signatures, depth and paths are bounded: a chain whose
//! search is given up is `unverifiable`, and says so.

use std::collections::HashMap;
use std::sync::Arc;

use super::Fingerprint;
use super::assessment::{Assessment, DeadEnd, FoundPath};
use super::certificate::Certificate;
use super::chain::ChainStatus;
use super::pool::{Completion, IssuerPool};
use super::rules::{self, Grade};
use super::signature::{self, Made};
use super::trust::TrustStores;
use crate::limits::Limits;

/// Certificates that one search may extend a path from.
const STEPS: u32 = 256;
/// Certificates of one name that one step looks at.
const CANDIDATES: usize = 64;
/// Complete paths that are kept: more cross-signs than any public CA has.
const PATHS: usize = 8;

/// Assess a chain as it was sent; `completion` holds certificates that others sent.
pub(super) fn assess(
    sent: &[Arc<Certificate>],
    mut completion: Option<&mut Completion>,
    stores: &TrustStores,
    limits: &Limits,
) -> Assessment {
    let mut distinct: Vec<&Arc<Certificate>> = Vec::new();
    for certificate in sent.iter().take(limits.chain_length) {
        if !distinct.iter().any(|known| known.fingerprint() == certificate.fingerprint()) {
            distinct.push(certificate);
        }
    }
    let Some(&leaf) = distinct.first() else {
        return Assessment::DeadEnd(DeadEnd::new(ChainStatus::NotSeen, None, &[]));
    };
    if leaf.issuer_key().is_empty() || leaf.public_key_info().is_empty() {
        let why = leaf.fault().unwrap_or("it has no issuer").to_owned();
        return Assessment::DeadEnd(DeadEnd::new(
            ChainStatus::Unverifiable,
            Some(why),
            std::slice::from_ref(leaf),
        ));
    }
    let mut search = Search::new(stores, &distinct, &[], limits);
    search.run(leaf);
    if !search.found.is_empty() {
        return Assessment::Anchored(search.found);
    }
    let mut end = search.dead_end(leaf);
    let missing = end.status == ChainStatus::UnknownRoot && end.root.is_none();
    if let Some(completion) = completion.as_deref_mut().filter(|_| search.is_given_up()) {
        completion.give_up_search();
    }
    if missing && !search.exhausted {
        let others = completion.as_deref().map(Completion::pool);
        let pools: Vec<&IssuerPool> =
            [Some(stores.known()), others].into_iter().flatten().collect();
        let mut beyond = Search::new(stores, &distinct, &pools, limits);
        if let Some(completion) = completion.as_deref() {
            beyond.allowance = completion.allowance();
        }
        beyond.run(leaf);
        let Search { signatures, found, left_out, .. } = beyond;
        if let Some(completion) = completion.as_deref_mut() {
            completion.spend(signatures);
        }
        if let Some(path) = best(&found) {
            end.complete(path, &distinct);
        } else if let Some(completion) = completion.filter(|_| left_out) {
            completion.give_up();
            let why = end.why.take().unwrap_or_default();
            end.why = Some(format!("{why}; not completed from others: too many look-alikes"));
        } else if distinct.len() == 1 && leaf.ca_issuers().is_some() {
            end.status = ChainStatus::Incomplete;
            end.why = Some(format!(
                "only the leaf was sent; the certificate of its issuer {} must be sent with it",
                leaf.issuer()
            ));
        }
    }
    if sent.len() > limits.chain_length {
        let why = end.why.unwrap_or_default();
        let most = limits.chain_length;
        end.why = Some(format!("{why}; only the first {most} certificates were looked at"));
    }
    Assessment::DeadEnd(end)
}

/// The path to show where only one is wanted: one that verifies, if any does.
fn best(found: &[FoundPath]) -> Option<&FoundPath> {
    let verifies = |path: &&FoundPath| matches!(path.grade, Grade::Verified(_));
    found.iter().find(verifies).or_else(|| found.first())
}

/// How likely it is that one certificate issued another, before any signature is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kinship {
    /// Name and key identifier agree.
    Identified,
    /// The name agrees, and there is no key identifier to compare.
    Named,
    /// The name agrees, the key identifiers do not: a key that was replaced, or a CA that counts
    /// identifiers in two ways (RFC 4158 §3.5.12: try it last).
    Unlikely,
}

impl Kinship {
    /// Of two certificates whose names agree.
    fn of(child: &Certificate, issuer: &Certificate) -> Self {
        match (child.authority_key_id(), issuer.subject_key_id()) {
            (Some(wanted), Some(found)) if wanted == found => Self::Identified,
            (Some(_), Some(_)) => Self::Unlikely,
            _ => Self::Named,
        }
    }
}

/// A certificate that may have issued the one before it.
struct Candidate {
    kinship: Kinship,
    certificate: Arc<Certificate>,
    /// Its place among the anchors, if it is one.
    anchor: Option<usize>,
}

struct Search<'a> {
    stores: &'a TrustStores,
    sent: &'a [&'a Arc<Certificate>],
    pools: &'a [&'a IssuerPool],
    depth: usize,
    steps: u32,
    signatures: u32,
    /// Signatures that it may check.
    allowance: u32,
    /// What those that it may check can cost, in signatures of P-256.
    left: u32,
    made: HashMap<(Fingerprint, Fingerprint), Made>,
    found: Vec<FoundPath>,
    /// The first signature that should verify and does not: the path down to it, and the issuer.
    bad: Option<(Vec<Arc<Certificate>>, Arc<Certificate>)>,
    /// The longest way that ends before an anchor.
    end: Vec<Arc<Certificate>>,
    /// A bound stopped the search.
    exhausted: bool,
    /// Not all look-alikes were looked at.
    left_out: bool,
}

impl<'a> Search<'a> {
    fn new(
        stores: &'a TrustStores,
        sent: &'a [&'a Arc<Certificate>],
        pools: &'a [&'a IssuerPool],
        limits: &Limits,
    ) -> Self {
        Self {
            stores,
            sent,
            pools,
            depth: limits.chain_length,
            steps: 0,
            signatures: 0,
            allowance: u32::MAX,
            left: limits.chain_signatures,
            made: HashMap::new(),
            found: Vec::new(),
            bad: None,
            end: Vec::new(),
            exhausted: false,
            left_out: false,
        }
    }

    fn run(&mut self, leaf: &Arc<Certificate>) {
        // A leaf that is itself trusted needs no path.
        let itself = self.stores.named(leaf.subject_key()).find(|&place| {
            self.stores
                .anchor(place)
                .is_some_and(|a| a.certificate.fingerprint() == leaf.fingerprint())
        });
        if let Some(anchor) = itself.and_then(|place| self.stores.anchor(place)) {
            self.found.push(FoundPath {
                certificates: vec![Arc::clone(leaf)],
                stores: anchor.stores.clone(),
                private: anchor.private,
                grade: Grade::Verified(None),
            });
        }
        self.descend(&mut vec![Arc::clone(leaf)]);
    }

    /// Try every issuer of the path's last certificate.
    fn descend(&mut self, path: &mut Vec<Arc<Certificate>>) {
        let Some(node) = path.last().map(Arc::clone) else { return };
        if self.steps >= STEPS || path.len() > self.depth {
            self.exhausted = true;
            return;
        }
        self.steps += 1;
        let candidates = self.candidates(&node, path);
        let alone = candidates.len() == 1;
        let mut followed = false;
        let mut refused = None;
        for candidate in candidates {
            if self.found.len() >= PATHS || self.exhausted || self.is_broken(path) {
                return;
            }
            if !alone || candidate.kinship == Kinship::Unlikely {
                match self.made_by(&node, &candidate.certificate) {
                    Made::Yes => {}
                    Made::Unknown(_) if candidate.kinship != Kinship::Unlikely => {}
                    Made::No if candidate.kinship != Kinship::Unlikely => {
                        refused.get_or_insert(candidate.certificate);
                        continue;
                    }
                    Made::No | Made::Unknown(_) => continue,
                }
            }
            followed = true;
            if let Some(place) = candidate.anchor {
                self.finish(path, place);
            } else {
                path.push(candidate.certificate);
                self.descend(path);
                path.pop();
            }
        }
        if !followed && !self.exhausted && self.check_links(path) {
            match refused {
                Some(issuer) if self.bad.is_none() => self.bad = Some((path.clone(), issuer)),
                None if path.len() > self.end.len() => self.end.clone_from(path),
                Some(_) | None => {}
            }
        }
    }

    /// Everything that carries the name of the issuer, likeliest first, anchors before others.
    fn candidates(&mut self, node: &Arc<Certificate>, path: &[Arc<Certificate>]) -> Vec<Candidate> {
        let issuer = node.issuer_key();
        if issuer.is_empty() {
            return Vec::new();
        }
        // Whoever signed itself has no other issuer, only itself in another certificate.
        let own_key = self.signed_itself(node).then(|| node.public_key_info());
        let mut candidates: Vec<Candidate> = Vec::new();
        for place in self.stores.named(issuer) {
            let Some(anchor) = self.stores.anchor(place) else { continue };
            let certificate = &anchor.certificate;
            let same = certificate.fingerprint() == node.fingerprint();
            if !same && own_key.is_none_or(|key| certificate.public_key_info() == key) {
                candidates.extend(Candidate::new(node, certificate, Some(place)));
            }
        }
        if own_key.is_none() {
            let anchors = candidates.len();
            let sent = self.sent.iter().copied().filter(|c| c.subject_key() == issuer);
            let mut pooled: Vec<&Arc<Certificate>> = Vec::new();
            for pool in self.pools {
                let (looked_at, more) = pool.issuers_of(node);
                pooled.extend(looked_at);
                self.left_out |= more;
            }
            pooled.sort_by_key(|c| Kinship::of(node, c)); // stable
            for certificate in sent.chain(pooled) {
                if candidates.len() >= CANDIDATES {
                    self.left_out = true;
                    break;
                }
                let key = certificate.public_key_info();
                // RFC 4158 §5.2: no name with the same key twice in a path.
                let loops =
                    path.iter().any(|c| c.subject_key() == issuer && c.public_key_info() == key);
                let known = candidates
                    .iter()
                    .any(|c| c.certificate.fingerprint() == certificate.fingerprint());
                // A root that was sent along, and that is an anchor anyway.
                let root = certificate.is_self_issued()
                    && candidates
                        .iter()
                        .take(anchors)
                        .any(|c| c.certificate.public_key_info() == key);
                if !loops && !known && !root {
                    candidates.extend(Candidate::new(node, certificate, None));
                }
            }
        }
        candidates.sort_by_key(|c| (c.kinship, c.anchor.is_none())); // stable
        candidates
    }

    /// A path has reached an anchor: what is it worth?
    fn finish(&mut self, path: &[Arc<Certificate>], place: usize) {
        let Some(anchor) = self.stores.anchor(place) else { return };
        let mut certificates = path.to_vec();
        certificates.push(Arc::clone(&anchor.certificate));
        let grade = match rules::check_with_webpki(path, &anchor.certificate) {
            Ok(()) => rules::after_webpki(path),
            Err(refusal) => {
                // What was not checked because the signatures ran out is not worth more for that.
                if !self.check_links(&certificates) || self.exhausted {
                    return;
                }
                match self.unchecked(&certificates) {
                    Some(why) => Grade::Unverifiable(why),
                    None => rules::without_webpki(path, &anchor.certificate, &refusal),
                }
            }
        };
        self.found.push(FoundPath {
            certificates,
            stores: anchor.stores.clone(),
            private: anchor.private,
            grade,
        });
    }

    /// Check every signature of a path; a wrong one is noted.
    fn check_links(&mut self, path: &[Arc<Certificate>]) -> bool {
        for (place, pair) in path.windows(2).enumerate() {
            let [child, issuer] = pair else { continue };
            if self.made_by(child, issuer) == Made::No {
                if self.bad.is_none() {
                    let below = path.get(..=place).unwrap_or_default().to_vec();
                    self.bad = Some((below, Arc::clone(issuer)));
                }
                return false;
            }
        }
        true
    }

    /// The first signature of a path that nobody here can check.
    fn unchecked(&self, path: &[Arc<Certificate>]) -> Option<String> {
        path.windows(2).find_map(|pair| {
            let [child, issuer] = pair else { return None };
            match self.made.get(&(child.fingerprint(), issuer.fingerprint())) {
                Some(Made::Unknown(why)) => {
                    Some(format!("{child}: {why}; its issuer was found by name, not by signature"))
                }
                _ => None,
            }
        })
    }

    /// Whether a signature in the path is known to be wrong: nothing below it is worth a look.
    fn is_broken(&self, path: &[Arc<Certificate>]) -> bool {
        path.windows(2).any(|pair| {
            let [child, issuer] = pair else { return false };
            self.made.get(&(child.fingerprint(), issuer.fingerprint())) == Some(&Made::No)
        })
    }

    /// Check one signature, once.
    fn made_by(&mut self, child: &Certificate, issuer: &Certificate) -> Made {
        let pair = (child.fingerprint(), issuer.fingerprint());
        if let Some(made) = self.made.get(&pair) {
            return made.clone();
        }
        if self.signatures >= self.allowance || !self.can_afford(issuer) {
            (self.exhausted, self.left_out) = (true, true);
            return Made::Unknown("too many signatures to check".to_owned());
        }
        self.signatures += 1;
        let made = signature::made_by(child.signed(), issuer.signer());
        self.made.insert(pair, made.clone());
        made
    }

    /// Whether a certificate is signed with its own key. It costs as much as any other signature, though it may
    /// be known: what is said of a chain depends on no other.
    fn signed_itself(&mut self, certificate: &Certificate) -> bool {
        if !certificate.is_self_issued() {
            return false;
        }
        if !self.can_afford(certificate) {
            (self.exhausted, self.left_out) = (true, true);
            return false;
        }
        certificate.is_self_signed()
    }

    /// Pay for one signature by the key of this certificate, if there is enough left.
    fn can_afford(&mut self, issuer: &Certificate) -> bool {
        let left = self.left.checked_sub(signature::cost(issuer.key()));
        self.left = left.unwrap_or(self.left);
        left.is_some()
    }

    /// Whether a bound is why nothing was found.
    const fn is_given_up(&self) -> bool {
        self.exhausted && self.bad.is_none()
    }

    /// The word for a search that found nothing.
    fn dead_end(&self, leaf: &Arc<Certificate>) -> DeadEnd {
        if let Some((path, issuer)) = &self.bad {
            let child = path.last().unwrap_or(leaf);
            let why = format!("the key of {issuer} did not make the signature on {child}");
            return DeadEnd::new(ChainStatus::BadSignature, Some(why), path);
        }
        if self.is_given_up() {
            let why = "the search for a path was given up: too many signatures to check";
            let leaf = std::slice::from_ref(leaf);
            return DeadEnd::new(ChainStatus::Unverifiable, Some(why.to_owned()), leaf);
        }
        let last = self.end.last().unwrap_or(leaf);
        if last.is_self_issued() {
            return self.ends_in_root(leaf, last);
        }
        let why = format!(
            "the issuer {} is in no trust store given, or an intermediate is missing",
            last.issuer()
        );
        let mut end = DeadEnd::new(ChainStatus::UnknownRoot, Some(why), &self.end);
        end.issuer = Some(last.issuer().to_owned());
        end
    }

    /// The last certificate is its own issuer.
    fn ends_in_root(&self, leaf: &Arc<Certificate>, last: &Arc<Certificate>) -> DeadEnd {
        let alone = last.fingerprint() == leaf.fingerprint();
        let (status, why) = if alone {
            // That it did is known already.
            let made = if leaf.is_self_signed() {
                Made::Yes
            } else {
                signature::made_by(leaf.signed(), leaf.signer())
            };
            match made {
                Made::Yes => (ChainStatus::SelfSigned, None),
                Made::Unknown(why) => (ChainStatus::SelfSigned, Some(why)),
                Made::No if Kinship::of(leaf, leaf) == Kinship::Identified => (
                    ChainStatus::BadSignature,
                    Some(format!(
                        "{leaf} names its own key as its issuer's, which did not sign it"
                    )),
                ),
                // A CA and a server of one name, as MySQL's instructions used to make them.
                Made::No => (
                    ChainStatus::UnknownRoot,
                    Some(format!(
                        "the issuer {leaf}, another one of the same name, is in no trust store \
                         given, or an intermediate is missing"
                    )),
                ),
            }
        } else {
            let why = format!("the root {last} is in no trust store given");
            (ChainStatus::UnknownRoot, Some(why))
        };
        let mut end = DeadEnd::new(status, why, &self.end);
        end.root = last.is_self_signed().then(|| Arc::clone(last));
        end.issuer = Some(last.issuer().to_owned());
        end
    }
}

impl Candidate {
    /// A candidate, unless its key is of another kind than the signature.
    fn new(
        node: &Certificate,
        certificate: &Arc<Certificate>,
        anchor: Option<usize>,
    ) -> Option<Self> {
        if !signature::kind_fits(node.signed().info, certificate.key()) {
            return None;
        }
        let kinship = Kinship::of(node, certificate);
        Some(Self { kinship, certificate: Arc::clone(certificate), anchor })
    }
}
