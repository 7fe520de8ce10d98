//! [`Facts`]: what a live run knows, and what it makes of it when it is asked.

use std::sync::Arc;

use crate::census::{Merger, Snapshot};
use crate::cli::plan::Judging;
use crate::limits::Limits;
use crate::pipeline::live::Watch;
use crate::report::Inventory;

/// The facts of this run and those that the census file had before, and how they are judged.
pub(super) struct Facts {
    pub(super) watch: Watch,
    /// What other sources told: nobody else writes to the file, so it stays as it is.
    pub(super) earlier: Snapshot,
    pub(super) judging: Arc<Judging>,
    pub(super) limits: Limits,
}

impl Facts {
    /// Everything that the census tells as of now, judged.
    pub(super) fn inventory(&self) -> Inventory {
        let now = self.watch.snapshot();
        if self.earlier.sources.is_empty() {
            return self.judge(&now);
        }
        self.judge(&together(self.earlier.clone(), now, &self.limits))
    }

    /// The same at the end, when nothing more is to come.
    pub(super) fn into_inventory(mut self) -> Inventory {
        let earlier = std::mem::take(&mut self.earlier);
        self.judge(&together(earlier, self.watch.snapshot(), &self.limits))
    }

    fn judge(&self, snapshot: &Snapshot) -> Inventory {
        Inventory::judge(snapshot, &self.judging.question(&self.limits))
    }
}

fn together(earlier: Snapshot, now: Snapshot, limits: &Limits) -> Snapshot {
    let mut merger = Merger::new(limits);
    merger.add(earlier);
    merger.add(now);
    merger.finish()
}
