//! [`Kept`]: the census file of a run over files, and what it could not take.
//!
//! A disk that is full under the census is no reason to lose records and reports on other disks: from
//! then on nothing more is saved, and what was to be is reported all the same.

use std::collections::{BTreeMap, HashMap};
use std::mem;
use std::path::Path;
use std::slice;
use std::sync::Arc;

use super::exit::Failure;
use super::part;
use crate::census::store::StoreError;
use crate::census::{Merger, Snapshot, SourceEntry, SourceKey, SourceKind, Store};
use crate::limits::Limits;

/// A census file that facts are added to.
pub(super) struct Kept {
    store: Store,
    limits: Limits,
    /// Whether anybody wants to know what is in it.
    judged: bool,
    /// Why nothing is saved any more.
    failure: Option<StoreError>,
    /// What it has of each file: the file itself, or parts of it.
    parts: HashMap<(Arc<str>, String), Vec<Arc<str>>>,
    /// Sources of which another one that was in it before has a part too.
    overlaps: Vec<Arc<str>>,
    /// What was read since, by source.
    unsaved: BTreeMap<SourceKey, Snapshot>,
}

impl Kept {
    /// Open the file to add to it; `judged` tells whether it is to be reported at the end.
    pub(super) fn open(path: &Path, limits: &Limits, judged: bool) -> Result<Self, StoreError> {
        let store = Store::open(path, limits)?;
        let mut kept = Self {
            limits: limits.clone(),
            judged,
            failure: None,
            parts: HashMap::new(),
            overlaps: Vec::new(),
            unsaved: BTreeMap::new(),
            store,
        };
        for key in kept.store.sources()? {
            kept.parts_of(&key).push(key.id);
        }
        Ok(kept)
    }

    fn parts_of(&mut self, key: &SourceKey) -> &mut Vec<Arc<str>> {
        self.parts.entry((Arc::clone(&key.sensor), part::file(&key.id).to_owned())).or_default()
    }

    /// Add the facts of one source.
    pub(super) fn save(&mut self, entry: SourceEntry, mut part: Snapshot) {
        if entry.kind == SourceKind::File {
            let key = entry.identity();
            let known = self.parts_of(&key);
            let overlaps = known.iter().any(|other| part::overlap(&key.id, other));
            if !known.contains(&key.id) {
                known.push(key.id);
                self.overlaps.extend(overlaps.then(|| Arc::clone(&entry.name)));
            }
        }
        if self.failure.is_none() {
            self.failure = self.store.save(&entry, &part).err();
        }
        if self.failure.is_some() && self.judged {
            let key = entry.identity();
            part.sources = vec![entry];
            self.unsaved.insert(key, part);
        }
    }

    /// The files that were read now of which the census has another part, which may have the same
    /// connections.
    pub(super) fn overlaps(&self) -> &[Arc<str>] {
        &self.overlaps
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
