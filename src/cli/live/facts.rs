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
        self.inventory_with(self.earlier.clone())
    }

    /// The same with `earlier`, of which nobody else has need.
    pub(super) fn inventory_with(&self, earlier: Snapshot) -> Inventory {
        let now = self.watch.snapshot();
        let all = if earlier.sources.is_empty() {
            now
        } else {
            let mut merger = Merger::new(&self.limits);
            merger.add(earlier);
            merger.add(now);
            merger.finish()
        };
        Inventory::judge(&all, &self.judging.question(&self.limits))
    }
}
