//! [`Offers`]: every offer once, in a form that depends on no order.

use std::collections::BTreeMap;
use std::sync::Arc;

use dashmap::DashMap;
use foldhash::fast::RandomState;

use crate::tls::hello::{Offer, OfferId};

/// The offers of a census by identity.
///
/// Hellos of one identity differ in the order of their extensions, in GREASE, in key shares. Which
/// of them stands for all must not depend on who came first: the smallest does, in the order of
/// [`form`].
#[derive(Debug)]
pub(super) struct Offers {
    table: DashMap<OfferId, Arc<Offer>, RandomState>,
    limit: usize,
}

impl Offers {
    pub(super) fn new(limit: usize) -> Self {
        Self { table: DashMap::default(), limit }
    }

    /// Add an offer as one connection carried it.
    pub(super) fn add(&self, offer: &Arc<Offer>) {
        if let Some(known) = self.table.get(&offer.id) {
            if Arc::ptr_eq(&known, offer) || form(&known) <= form(offer) {
                return;
            }
        } else if self.table.len() >= self.limit {
            return;
        }
        self.table
            .entry(offer.id)
            .and_modify(|known| {
                if form(offer) < form(known) {
                    *known = Arc::clone(offer);
                }
            })
            .or_insert_with(|| Arc::clone(offer));
    }

    pub(super) fn sorted(&self) -> BTreeMap<OfferId, Arc<Offer>> {
        self.table.iter().map(|entry| (*entry.key(), Arc::clone(entry.value()))).collect()
    }
}

/// The order among offers of one identity: whole hellos before cut ones, then by all that a report
/// or a record shows of them.
pub(super) fn form(offer: &Offer) -> impl Ord + '_ {
    (
        (offer.truncated, offer.sslv2_format, offer.legacy_version),
        (&offer.ja3_raw, &offer.ja4),
        (&offer.cipher_suites, &offer.extensions, &offer.groups, &offer.key_shares),
        (&offer.supported_versions, &offer.signature_algorithms, &offer.alpn),
        (&offer.compression_methods, &offer.point_formats, &offer.ja3),
    )
}
