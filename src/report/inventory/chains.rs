//! What every chain of a snapshot is worth, verified once each.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::census::{Edge, EdgeKey, Snapshot};
use crate::clock::Timestamp;
use crate::limits::Limits;
use crate::record::{Case, Evidence};
use crate::tls::codepoint::ProtocolVersion;
use crate::tls::hello::{Offer, OfferId};
use crate::x509::chain::{ChainReport, ChainStatus, verify_with};
use crate::x509::{Certificate, Fingerprint, IssuerPool, TrustStores};

/// All chains that servers and clients sent, and what else evidence names.
///
/// A chain is judged at the last time that it was seen. Certificates seen anywhere in the census
/// may show that an issuer which a server did not send is known (`incomplete`); they make no chain
/// trusted.
#[derive(Debug)]
pub(super) struct Chains<'a> {
    sent: HashMap<&'a [Fingerprint], Chain, RandomState>,
    offers: HashMap<OfferId, &'a Offer, RandomState>,
    hidden: ChainReport,
    resumed: ChainReport,
    not_seen: ChainReport,
}

#[derive(Debug)]
struct Chain {
    last: Timestamp,
    certificates: Vec<Arc<Certificate>>,
    report: Option<ChainReport>,
}

impl<'a> Chains<'a> {
    pub(super) fn of(snapshot: &'a Snapshot, trust: &TrustStores, limits: &Limits) -> Self {
        let mut chains: HashMap<&[Fingerprint], Chain, RandomState> = HashMap::default();
        let edges = snapshot
            .hosts
            .iter()
            .flat_map(|(_, host)| host.stacks.values())
            .flat_map(|stack| stack.edges.values());
        for (evidence, tally) in edges.flat_map(|edge| edge.evidence.iter()) {
            for list in [&evidence.certificates, &evidence.client_certificates] {
                if list.is_empty() {
                    continue;
                }
                let chain = chains.entry(list).or_insert_with(|| Chain {
                    last: tally.last,
                    // One that bounds refused leaves nothing to verify.
                    certificates: list
                        .iter()
                        .map(|fingerprint| snapshot.certificates.get(fingerprint).cloned())
                        .collect::<Option<_>>()
                        .unwrap_or_default(),
                    report: None,
                });
                chain.last = chain.last.max(tally.last);
            }
        }
        let pool: IssuerPool = snapshot.certificates.iter().cloned().collect();
        for chain in chains.values_mut().filter(|chain| !chain.certificates.is_empty()) {
            let report = verify_with(&chain.certificates, &pool, chain.last, trust, limits);
            chain.report = Some(report);
        }
        Self {
            sent: chains,
            offers: snapshot.offers.iter().map(|(id, offer)| (*id, &**offer)).collect(),
            hidden: ChainReport::unseen(ChainStatus::Hidden),
            resumed: ChainReport::unseen(ChainStatus::Resumed),
            not_seen: ChainReport::unseen(ChainStatus::NotSeen),
        }
    }

    /// What the server's chain in this evidence is worth.
    pub(super) fn report(&self, evidence: &Evidence) -> &ChainReport {
        if let Some(chain) = self.sent.get(evidence.certificates.as_slice()) {
            return chain.report.as_ref().unwrap_or(&self.not_seen);
        }
        if evidence.version.is_some_and(ProtocolVersion::is_tls13) {
            &self.hidden
        } else if evidence.resumed {
            &self.resumed
        } else {
            &self.not_seen
        }
    }

    /// The certificates of a chain as sent.
    pub(super) fn certificates(&self, list: &[Fingerprint]) -> &[Arc<Certificate>] {
        self.sent.get(list).map_or(&[], |chain| &chain.certificates)
    }

    /// What an edge proves, with everything that the evidence names.
    pub(super) fn cases<'b>(
        &'b self,
        key: &'b EdgeKey,
        edge: &'b Edge,
    ) -> impl Iterator<Item = Case<'b>> {
        edge.evidence.iter().map(|(evidence, tally)| Case {
            evidence,
            offer: evidence.offer.and_then(|id| self.offers.get(&id).copied()),
            sni: key.sni.as_deref(),
            certificates: self.certificates(&evidence.certificates),
            client_certificates: self.certificates(&evidence.client_certificates),
            chain: self.report(evidence),
            tally: *tally,
        })
    }
}
