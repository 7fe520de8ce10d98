//! [`Heavy`]: which shunted flows fill a ring, and what is to be done with them.
//!
//! One in eight packets of shunted flows is looked at; once a second those that came most often are
//! named to the [kernel](crate::capture::live::Way), which from then on keeps only their headers. While the ring
//! fills, or overflows, it keeps only some of those. A flow is named no more when it has been silent
//! for some seconds, and at once when it ends or another one begins between its ports.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::capture::Frame;
use crate::capture::live::{Bulk, MOST_FLOWS, THINNED, Way};
use crate::clock::Timestamp;

/// One in so many packets is looked at.
const LOOK: u64 = 8;
/// Flows that are counted in one second.
const COUNTED: usize = 16_384;
/// Packets in a second, of those that are looked at, that make a flow heavy.
const HEAVY: u32 = 4;
/// Seconds after which a silent flow is named no more.
const SILENT: u8 = 5;
/// Seconds without distress after which flows are no longer thinned; twice as many each time that it
/// comes back within that time, up to the bound.
const CALM: u32 = 10;
const CALMEST: u32 = 320;

/// The heavy flows of one ring.
#[derive(Debug, Default)]
pub(super) struct Heavy {
    looked: u64,
    counts: HashMap<Way, u32, RandomState>,
    /// The flows that are named, and for how many seconds they have been silent.
    named: HashMap<Way, u8, RandomState>,
    changed: bool,
    /// Since when flows are thinned, if they are: what the ring held before was not.
    thinned: Option<Timestamp>,
    calm_for: u32,
    calm_wanted: u32,
    /// Packets of named flows since the last second while they were thinned.
    kept: u64,
    /// How many were left out, about, and in how many seconds.
    pub(super) left_out: u64,
    pub(super) seconds: u64,
}

impl Heavy {
    /// A packet of a shunted flow.
    pub(super) fn note(&mut self, frame: &Frame<'_>) {
        self.looked = self.looked.wrapping_add(1);
        let thinned = self.thinned.is_some_and(|since| frame.timestamp >= since);
        if !thinned && !self.looked.is_multiple_of(LOOK) {
            return;
        }
        let bulk = Way::of_bulk(frame.bytes, frame.wire_len);
        let Some(flow) = bulk.map(Way::flow) else { return };
        if thinned && self.named.contains_key(&flow) {
            self.kept = self.kept.saturating_add(1);
        }
        if let Some(count) = self.counts.get_mut(&flow) {
            *count = count.saturating_add(1);
        } else if self.counts.len() < COUNTED {
            self.counts.insert(flow, 1);
        }
    }

    /// A packet that begins or ends a connection.
    pub(super) fn end(&mut self, frame: &[u8]) {
        if self.named.is_empty() {
            return;
        }
        if let Some(flow) = Way::of(frame).map(Way::flow)
            && self.named.remove(&flow).is_some()
        {
            self.changed = true;
        }
    }

    /// Whether any flow is named.
    pub(super) fn is_any(&self) -> bool {
        !self.named.is_empty()
    }

    /// The ring fills, or overflows.
    pub(super) fn distress(&mut self, now: Timestamp) {
        self.calm_for = 0;
        if self.thinned.is_none() {
            self.thinned = Some(now);
            self.changed = true;
            self.calm_wanted = self.calm_wanted.saturating_mul(2).clamp(CALM, CALMEST);
        }
    }

    /// A second is over.
    pub(super) fn second(&mut self) {
        if self.thinned.is_some() {
            // Each that was kept stands for others.
            let others = self.kept.saturating_mul(THINNED.saturating_sub(1));
            self.left_out = self.left_out.saturating_add(others);
            self.seconds = self.seconds.saturating_add(1);
        }
        self.kept = 0;
        self.calm_for = self.calm_for.saturating_add(1);
        if self.thinned.is_some() && self.calm_for >= self.calm_wanted {
            self.thinned = None;
            self.changed = true;
            self.calm_for = 0;
        } else if self.thinned.is_none() && self.calm_for >= self.calm_wanted {
            self.calm_wanted = 0;
        }
        let before = self.named.len();
        let counts = &self.counts;
        self.named.retain(|flow, silent| {
            *silent = if counts.contains_key(flow) { 0 } else { silent.saturating_add(1) };
            *silent < SILENT
        });
        self.changed |= self.named.len() < before;
        let mut found: Vec<_> = self
            .counts
            .drain()
            .filter(|(flow, count)| *count >= HEAVY && !self.named.contains_key(flow))
            .collect();
        found.sort_unstable_by_key(|(flow, count)| (u32::MAX.saturating_sub(*count), *flow));
        let room = MOST_FLOWS.saturating_sub(self.named.len());
        self.changed |= !found.is_empty() && room > 0;
        self.named.extend(found.into_iter().take(room).map(|(flow, _)| (flow, 0)));
    }

    /// What the kernel is to be told, if that is something new.
    pub(super) fn news(&mut self) -> Option<(Vec<Way>, Bulk)> {
        if !std::mem::take(&mut self.changed) {
            return None;
        }
        let bulk = if self.thinned.is_some() { Bulk::Thinned } else { Bulk::Cut };
        Some((self.named.keys().copied().collect(), bulk))
    }
}
