//! [`Judge`]: what policies say of single connections, each case worked out once.
//!
//! A network has few clients, servers and certificates, and many connections between them. What is
//! said of a connection is a pure function of what it proves; where the same comes again, the text
//! that was made of the first is written again.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::json::{self, RawValue};
use crate::limits::Limits;
use crate::policy::finding::{self, Dates};
use crate::policy::{self, Policy};
use crate::recognise::{Candidate, recognise};
use crate::record::line::Line;
use crate::record::{Evidence, FlowRecord};
use crate::tls::hello::Offer;
use crate::x509::chain::ChainReport;

/// What one worker remembers of the cases that it judged.
pub(super) struct Judge<'p> {
    policies: &'p [Arc<Policy>],
    known: HashTable<Known>,
    hash: RandomState,
    capacity: usize,
    /// Bytes that the cases hold, and may hold.
    held: usize,
    bytes: usize,
    software: Software,
}

/// What is said of a connection, as its record has it.
pub(super) struct Judgement {
    /// One verdict a policy.
    pub(super) verdicts: Box<RawValue>,
    /// What is wrong.
    pub(super) findings: Box<RawValue>,
}

impl Judgement {
    /// The record with what is said of it.
    pub(super) const fn of<'a>(
        &'a self,
        record: &'a FlowRecord,
    ) -> Line<'a, &'a RawValue, &'a RawValue> {
        Line { record, verdicts: &self.verdicts, findings: &self.findings }
    }
}

/// A case: everything that a judgement may rest on. Certificates are named in the evidence by their
/// hashes.
struct Known {
    evidence: Evidence,
    /// The very offer: others of its identity may differ in what a policy looks at.
    offer: Option<Arc<Offer>>,
    sni: Option<Box<str>>,
    chain: Arc<ChainReport>,
    /// Of the time nothing else matters, apart from what is said of the chain.
    dates: Option<Dates>,
    judgement: Judgement,
}

impl<'p> Judge<'p> {
    pub(super) fn new(policies: &'p [Arc<Policy>], limits: &Limits) -> Self {
        Self {
            policies,
            known: HashTable::new(),
            hash: RandomState::default(),
            capacity: limits.cached_judgements,
            held: 0,
            bytes: limits.cached_worker_bytes,
            software: Software {
                known: HashMap::default(),
                capacity: limits.cached_offers,
                held: 0,
                bytes: limits.cached_worker_bytes,
            },
        }
    }

    /// Judge a connection. An error is a fault of this program: what it says has no JSON form.
    pub(super) fn judge(&mut self, record: &FlowRecord) -> Result<&Judgement, json::Error> {
        let evidence = record.evidence();
        let offer = record.client_hello.as_ref().map(|hello| &hello.offer);
        let sni = record.sni();
        let dates = record.certificates.first().map(|leaf| Dates::of(leaf, record.ts));
        if self.known.len() >= self.capacity || self.held > self.bytes {
            self.known.clear();
            self.held = 0;
        }
        let hasher = &self.hash;
        let found = self.known.entry(
            hasher.hash_one((&evidence, sni)),
            |known| {
                known.offer.as_ref().map(Arc::as_ptr) == offer.map(Arc::as_ptr)
                    && known.sni.as_deref() == sni
                    && known.dates == dates
                    && known.evidence == evidence
                    && known.chain == record.chain
            },
            |known| hasher.hash_one((&known.evidence, known.sni.as_deref())),
        );
        Ok(match found {
            Entry::Occupied(known) => &known.into_mut().judgement,
            Entry::Vacant(place) => {
                let judgement = judge(self.policies, &mut self.software, record, &evidence)?;
                let text = judgement.verdicts.get().len() + judgement.findings.get().len();
                let name = sni.map_or(0, str::len);
                self.held = self.held.saturating_add(size_of::<Known>() + text + name);
                let known = Known {
                    offer: offer.cloned(),
                    sni: sni.map(Into::into),
                    chain: Arc::clone(&record.chain),
                    dates,
                    evidence,
                    judgement,
                };
                &place.insert(known).into_mut().judgement
            }
        })
    }
}

fn judge(
    policies: &[Arc<Policy>],
    software: &mut Software,
    record: &FlowRecord,
    evidence: &Evidence,
) -> Result<Judgement, json::Error> {
    let case = record.case(evidence);
    let verdicts: Vec<_> = policies.iter().map(|policy| policy::judge(policy, &case)).collect();
    let offer = record.client_hello.as_ref().map(|hello| &hello.offer);
    let mut software = || offer.map(|offer| software.of(offer)).unwrap_or_default();
    let findings = finding::findings(&case, &verdicts, &mut software);
    Ok(Judgement { verdicts: json::raw(&verdicts)?, findings: json::raw(&findings)? })
}

/// Whose software offers may be, worked out once for each: for the very offer, as the order of its
/// extensions tells too.
struct Software {
    /// By the address of the offer, which is kept so that no other takes its place.
    known: HashMap<usize, (Arc<Offer>, Vec<Candidate>), RandomState>,
    capacity: usize,
    /// Bytes that the offers hold, and may hold.
    held: usize,
    bytes: usize,
}

impl Software {
    fn of(&mut self, offer: &Arc<Offer>) -> Vec<Candidate> {
        if self.known.len() >= self.capacity || self.held > self.bytes {
            self.known.clear();
            self.held = 0;
        }
        let held = &mut self.held;
        let make = || {
            let candidates = recognise(offer);
            let bytes = offer.weight() + candidates.len() * size_of::<Candidate>();
            *held = held.saturating_add(bytes);
            (Arc::clone(offer), candidates)
        };
        let (_, candidates) = self.known.entry(Arc::as_ptr(offer).addr()).or_insert_with(make);
        candidates.clone()
    }
}
