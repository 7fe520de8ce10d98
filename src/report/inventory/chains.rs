//! What every chain of a snapshot is worth, verified once each.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::census::{Edge, EdgeKey, Snapshot};
use crate::clock::Timestamp;
use crate::limits::Limits;
use crate::record::{Case, Evidence};
use crate::tls::codepoint::ProtocolVersion;
use crate::tls::hello::Offer;
use crate::x509::chain::{ChainReport, ChainStatus, verify_with};
use crate::x509::{Certificate, Completion, Fingerprint, TrustStores};

/// All chains that servers and clients sent, and what else evidence names.
///
/// A chain is judged at the last time that it was seen. Certificates seen anywhere in the census
/// may show that an issuer which a server did not send is known (`incomplete`); they make no chain
/// trusted.
#[derive(Debug)]
pub(super) struct Chains<'a> {
    sent: Vec<Chain>,
    /// What each piece of evidence names, by its [address].
    named: HashMap<usize, Named<'a>, RandomState>,
    not_verified: u64,
    not_completed: u64,
    hidden: ChainReport,
    resumed: ChainReport,
    not_seen: ChainReport,
}

#[derive(Debug)]
struct Chain {
    last: Timestamp,
    certificates: Vec<Arc<Certificate>>,
    report: Option<ChainReport>,
    /// The same where its end was not captured, if that makes a difference.
    of_a_part: Option<ChainReport>,
}

/// What a piece of evidence names; of chains the place.
#[derive(Clone, Copy, Debug)]
struct Named<'a> {
    offer: Option<&'a Offer>,
    chain: Option<usize>,
    client_chain: Option<usize>,
}

/// Where a piece of evidence stands: edges that prove the same share it.
pub(super) fn address(evidence: &Evidence) -> usize {
    std::ptr::from_ref(evidence).addr()
}

impl<'a> Chains<'a> {
    pub(super) fn of(snapshot: &'a Snapshot, trust: &TrustStores, limits: &Limits) -> Self {
        let mut seen: HashMap<usize, (&Evidence, Timestamp), RandomState> = HashMap::default();
        let edges = snapshot
            .hosts
            .iter()
            .flat_map(|(_, host)| host.stacks.values())
            .flat_map(|stack| stack.edges.values());
        for (evidence, tally) in edges.flat_map(|edge| edge.evidence.iter()) {
            let entry = seen.entry(address(evidence)).or_insert((evidence, tally.last));
            entry.1 = entry.1.max(tally.last);
        }
        let mut places: HashMap<&[Fingerprint], usize, RandomState> = HashMap::default();
        let mut sent: Vec<Chain> = Vec::new();
        let mut place = |list: &'a [Fingerprint], last: Timestamp| {
            if list.is_empty() {
                return None;
            }
            let place = *places.entry(list).or_insert(sent.len());
            match sent.get_mut(place) {
                Some(chain) => chain.last = chain.last.max(last),
                None => sent.push(Chain::new(snapshot, list, last)),
            }
            Some(place)
        };
        let named = seen
            .into_iter()
            .map(|(address, (evidence, last))| {
                let named = Named {
                    offer: evidence.offer.and_then(|id| snapshot.offers.get(&id)).map(|one| &**one),
                    chain: place(&evidence.certificates, last),
                    client_chain: place(&evidence.client_certificates, last),
                };
                (address, named)
            })
            .collect();
        let mut others = Completion::new(snapshot.certificates.iter().cloned().collect(), limits);
        let mut chains: Vec<_> =
            sent.iter_mut().filter(|chain| !chain.certificates.is_empty()).collect();
        // In the same order each time: a bound may be met on the way.
        chains.sort_unstable_by(|one, other| one.fingerprints().cmp(other.fingerprints()));
        for chain in chains {
            let report = verify_with(&chain.certificates, &mut others, chain.last, trust, limits);
            chain.of_a_part = report.of_a_part();
            chain.report = Some(report);
        }
        Self {
            sent,
            not_verified: others.searches_given_up(),
            not_completed: others.given_up(),
            named,
            hidden: ChainReport::unseen(ChainStatus::Hidden),
            resumed: ChainReport::unseen(ChainStatus::Resumed),
            not_seen: ChainReport::unseen(ChainStatus::NotSeen),
        }
    }

    /// Chains in which the search for a path was given up.
    pub(super) const fn not_verified(&self) -> u64 {
        self.not_verified
    }

    /// Chains that might be completed from what others sent, had not so many looked like their issuers.
    pub(super) const fn not_completed(&self) -> u64 {
        self.not_completed
    }

    fn named(&self, evidence: &Evidence) -> Named<'a> {
        const NOTHING: Named<'_> = Named { offer: None, chain: None, client_chain: None };
        self.named.get(&address(evidence)).copied().unwrap_or(NOTHING)
    }

    /// What the server's chain in this evidence of the snapshot is worth.
    pub(super) fn report(&self, evidence: &Evidence) -> &ChainReport {
        self.worth(evidence, self.named(evidence))
    }

    fn worth(&self, evidence: &Evidence, named: Named<'_>) -> &ChainReport {
        if let Some(chain) = named.chain.and_then(|place| self.sent.get(place)) {
            let of_a_part = chain.of_a_part.as_ref().filter(|_| evidence.chain_cut);
            return of_a_part.or(chain.report.as_ref()).unwrap_or(&self.not_seen);
        }
        // A resumed TLS 1.3 sends no certificate that it could hide.
        if evidence.resumed {
            &self.resumed
        } else if evidence.version.is_some_and(ProtocolVersion::is_tls13) {
            &self.hidden
        } else {
            &self.not_seen
        }
    }

    /// The certificates of a chain as sent.
    fn certificates(&self, place: Option<usize>) -> &[Arc<Certificate>] {
        let chain = place.and_then(|place| self.sent.get(place));
        chain.map_or(&[], |chain| &chain.certificates)
    }

    /// What an edge proves, with everything that the evidence names.
    pub(super) fn cases<'b>(
        &'b self,
        key: &'b EdgeKey,
        edge: &'b Edge,
    ) -> impl Iterator<Item = Case<'b>> {
        edge.evidence.iter().map(|(evidence, tally)| {
            let named = self.named(evidence);
            Case {
                evidence,
                offer: named.offer,
                sni: key.sni.as_deref(),
                certificates: self.certificates(named.chain),
                client_certificates: self.certificates(named.client_chain),
                chain: self.worth(evidence, named),
                tally: *tally,
            }
        })
    }
}

impl Chain {
    fn new(snapshot: &Snapshot, list: &[Fingerprint], last: Timestamp) -> Self {
        // One that bounds refused leaves nothing to verify.
        let certificates = list
            .iter()
            .map(|fingerprint| snapshot.certificates.get(fingerprint).cloned())
            .collect::<Option<_>>()
            .unwrap_or_default();
        Self { last, certificates, report: None, of_a_part: None }
    }

    fn fingerprints(&self) -> impl Iterator<Item = Fingerprint> {
        self.certificates.iter().map(|certificate| certificate.fingerprint())
    }
}
