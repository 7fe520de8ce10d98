//! [`Judge`]: what policies say of single connections, each case worked out once.
//!
//! A network has few clients, servers and certificates, and many connections between them. What is
//! said of a connection is a pure function of what it proves; where the same comes again, the text
//! that was made of the first is written again.

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::json::{self, RawValue};
use crate::limits::Limits;
use crate::policy::{self, Policy};
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
    chain: ChainReport,
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
        }
    }

    /// Judge a connection. An error is a fault of this program: what it says has no JSON form.
    pub(super) fn judge(&mut self, record: &FlowRecord) -> Result<&Judgement, json::Error> {
        let evidence = record.evidence();
        let offer = record.client_hello.as_ref().map(|hello| &hello.offer);
        let sni = record.sni();
        let dates = Dates::of(record);
        if self.known.len() >= self.capacity {
            self.known.clear();
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
                let judgement = judge(self.policies, record, &evidence)?;
                let known = Known {
                    offer: offer.cloned(),
                    sni: sni.map(Into::into),
                    chain: record.chain.clone(),
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
    record: &FlowRecord,
    evidence: &Evidence,
) -> Result<Judgement, json::Error> {
    let case = record.case(evidence);
    let verdicts: Vec<_> = policies.iter().map(|policy| policy::judge(policy, &case)).collect();
    let findings: Vec<u8> = Vec::new();
    Ok(Judgement { verdicts: json::raw(&verdicts)?, findings: json::raw(&findings)? })
}

/// What of the time of a connection a judgement may rest on, apart from what is said of the chain:
/// the days that the server's certificate had left, or that it was not valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Dates {
    /// Whole days until it ends, as far as they are few.
    left: Option<i64>,
    begun: Option<bool>,
}

impl Dates {
    /// More days than this are many.
    const FEW: i64 = 366;

    fn of(record: &FlowRecord) -> Option<Self> {
        const DAY: i64 = 86_400;
        let leaf = record.certificates.first()?;
        let at = i64::try_from(record.ts.as_secs()).unwrap_or(i64::MAX);
        let left = |end: i64| end.saturating_sub(at).div_euclid(DAY).clamp(-1, Self::FEW);
        Some(Self {
            left: leaf.not_after().map(|end| left(end.as_secs())),
            begun: leaf.not_before().map(|begin| begin.as_secs() <= at),
        })
    }
}
