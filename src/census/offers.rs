//! [`Offers`]: every offer once, in a form that depends on no order.

use std::collections::BTreeMap;
use std::sync::Arc;

use dashmap::DashMap;
use foldhash::fast::RandomState;

use crate::tls::hello::{Offer, OfferId};

use super::growing::{Budget, Growing};

/// The offers of a census by identity.
///
/// Hellos of one identity differ in the order of their extensions, in GREASE, in key shares. Which
/// of them stands for all must not depend on who came first: the smallest does, in the order of
/// [`form`].
#[derive(Debug)]
pub(super) struct Offers {
    table: DashMap<OfferId, Growing<Arc<Offer>>, RandomState>,
    limit: usize,
}

impl Offers {
    pub(super) fn new(limit: usize) -> Self {
        Self { table: DashMap::default(), limit }
    }

    /// Add an offer as one connection carried it; false if it is new and there is no room.
    pub(super) fn add(&self, offer: &Arc<Offer>, budget: &Budget) -> bool {
        if let Some(known) = self.table.get(&offer.id) {
            if Arc::ptr_eq(known.value().value(), offer)
                || form(known.value().value()) <= form(offer)
            {
                return true;
            }
        } else if self.table.len() >= self.limit || !budget.spend(offer.weight()) {
            return false;
        }
        self.table
            .entry(offer.id)
            .and_modify(|known| {
                if form(offer) < form(known.value()) {
                    *known.change() = Arc::clone(offer);
                }
            })
            .or_insert_with(|| Growing::new(Arc::clone(offer)));
        true
    }

    /// Let go of the offers for which this does not hold; returns how many they were.
    pub(super) fn sweep(&self, held: impl Fn(&OfferId) -> bool, budget: &Budget) -> usize {
        let mut swept = 0;
        self.table.retain(|id, offer| {
            let held = held(id);
            if !held {
                swept += 1;
                budget.refund(offer.value().weight());
            }
            held
        });
        swept
    }

    pub(super) fn sorted(&self) -> BTreeMap<OfferId, Arc<Offer>> {
        let offer = |offer: &Growing<Arc<Offer>>| Arc::clone(offer.value());
        self.table.iter().map(|entry| (*entry.key(), offer(entry.value()))).collect()
    }

    /// Those that are new or have another form since the last time.
    pub(super) fn take_changed(&self) -> BTreeMap<OfferId, Arc<Offer>> {
        let changed = self.table.iter_mut();
        changed.filter_map(|mut entry| Some((*entry.key(), entry.value_mut().take()?))).collect()
    }

    /// These were not saved.
    pub(super) fn put_back(&self, offers: &BTreeMap<OfferId, Arc<Offer>>) {
        for id in offers.keys() {
            if let Some(mut offer) = self.table.get_mut(id) {
                offer.change();
            }
        }
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
