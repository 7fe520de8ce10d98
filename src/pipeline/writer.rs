//! The writer: puts the lines of the workers back into the order of capture.

use std::collections::BTreeMap;
use std::io;

use crossbeam_channel::{Receiver, Sender};

use super::batch::Batch;
use crate::sink::Sink;

/// Write the lines of all batches by their numbers, and send the batches back.
///
/// When writing fails the rest is not written, but batches still go round: the census is finished
/// all the same. Batches that wait for an earlier one are bounded by the number there is.
pub(super) fn write_in_order<S: Sink>(
    done: &Receiver<Batch>,
    empty: &Sender<Batch>,
    mut sink: Option<&mut S>,
) -> Option<io::Error> {
    let mut waiting = BTreeMap::new();
    let mut next = 0_u64;
    let mut failed = None;
    for batch in done {
        // Nothing is sent without its number.
        waiting.insert(batch.number.unwrap_or_default(), batch);
        while let Some(mut batch) = waiting.remove(&next) {
            next = next.saturating_add(1);
            write(&mut batch, &mut sink, &mut failed);
            if batch.extra {
                continue;
            }
            // The capture thread may be done already.
            let _ = empty.send(batch);
        }
    }
    failed
}

/// Write the lines of a batch, unless writing failed before, and empty it.
pub(super) fn write<S: Sink>(
    batch: &mut Batch,
    sink: &mut Option<&mut S>,
    failed: &mut Option<io::Error>,
) {
    if failed.is_none()
        && let Some(sink) = sink
        && !batch.lines.is_empty()
    {
        *failed = sink.write(&batch.lines).err();
    }
    batch.clear();
}
