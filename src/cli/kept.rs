//! [`Kept`]: the census file of a run over files, and what it could not take.
//!
//! A disk that is full under the census is no reason to lose records and reports on other disks: from
//! then on nothing more is saved, and what was to be is reported all the same.

use std::collections::BTreeMap;
use std::mem;
use std::path::Path;
use std::slice;

use super::exit::Failure;
use crate::census::store::StoreError;
use crate::census::{Merger, Snapshot, SourceEntry, SourceKey, Store};
use crate::limits::Limits;

/// A census file that facts are added to.
pub(super) struct Kept {
    store: Store,
    limits: Limits,
    /// Whether anybody wants to know what is in it.
    judged: bool,
    /// Why nothing is saved any more.
    failure: Option<StoreError>,
    /// What was read since, by source.
    unsaved: BTreeMap<SourceKey, Snapshot>,
}

impl Kept {
    /// Open the file to add to it; `judged` tells whether it is to be reported at the end.
    pub(super) fn open(path: &Path, limits: &Limits, judged: bool) -> Result<Self, StoreError> {
        let store = Store::open(path, limits)?;
        let limits = limits.clone();
        Ok(Self { store, limits, judged, failure: None, unsaved: BTreeMap::new() })
    }

    /// Add the facts of one source.
    pub(super) fn save(&mut self, entry: SourceEntry, mut part: Snapshot) {
        if self.failure.is_none() {
            self.failure = self.store.save(&entry, &part).err();
        }
        if self.failure.is_some() && self.judged {
            let key = entry.identity();
            part.sources = vec![entry];
            self.unsaved.insert(key, part);
        }
    }

    /// Why not everything was saved, if it was not.
    pub(super) fn take_failure(&mut self) -> Option<Failure> {
        self.failure.take().map(Failure::from)
    }

    /// All that is in the file, and what it could not take. Where it cannot be read either, there is no
    /// report: one of a part would look like one of the whole.
    pub(super) fn merged(mut self) -> Result<Snapshot, StoreError> {
        let mut unsaved = mem::take(&mut self.unsaved);
        let snapshot = Store::merged(slice::from_mut(&mut self.store), |part| {
            let key = part.sources.first().map(SourceEntry::identity);
            match key.and_then(|key| unsaved.remove(&key)) {
                Some(later) => part.join(later, &self.limits),
                None => part,
            }
        })?;
        if unsaved.is_empty() {
            return Ok(snapshot);
        }
        let mut merger = Merger::new(&self.limits);
        merger.add(snapshot);
        for part in unsaved.into_values() {
            merger.add(part);
        }
        Ok(merger.finish())
    }
}
