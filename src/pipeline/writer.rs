//! [`Writer`]: puts the lines of the workers back into the order of capture.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, PoisonError};

use crossbeam_channel::Sender;

use super::batch::Batch;
use crate::sink::Sink;

/// Where workers bring their batches. It is no thread: lines are near where they were made, so that the
/// worker writes them who brings the batch whose turn it is.
pub(super) struct Writer<'a, S> {
    empty: Sender<Batch>,
    order: Mutex<Order<'a, S>>,
}

/// What was written, and what cannot be yet.
struct Order<'a, S> {
    lines: Lines<'a, S>,
    /// The number of the batch whose turn it is.
    next: u64,
    /// Those that wait for an earlier one; they are bounded by the number there is.
    waiting: BTreeMap<u64, Batch>,
}

/// A sink, if there is one, until it fails: the rest is not written then, but all else goes on.
pub(super) struct Lines<'a, S> {
    sink: Option<&'a mut S>,
    failed: Option<io::Error>,
}

impl<'a, S: Sink> Writer<'a, S> {
    /// Write to this sink, and send batches back empty.
    pub(super) const fn new(sink: Option<&'a mut S>, empty: Sender<Batch>) -> Self {
        let order = Order { lines: Lines::new(sink), next: 0, waiting: BTreeMap::new() };
        Self { empty, order: Mutex::new(order) }
    }

    /// Write the lines of a batch, and of those that waited for it, or let it wait.
    pub(super) fn take(&self, batch: Batch) {
        let mut order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        // Nothing is sent without its number.
        order.waiting.insert(batch.number.unwrap_or_default(), batch);
        while let Some(mut batch) = order.take_next() {
            order.lines.write(&batch.lines);
            if batch.extra {
                continue;
            }
            batch.clear();
            // The capture thread may be done already.
            let _ = self.empty.send(batch);
        }
    }

    /// There is no more. Why the lines could not be written, if they could not.
    pub(super) fn finish(self) -> Option<io::Error> {
        self.order.into_inner().unwrap_or_else(PoisonError::into_inner).lines.finish()
    }
}

impl<S> Order<'_, S> {
    fn take_next(&mut self) -> Option<Batch> {
        let batch = self.waiting.remove(&self.next)?;
        self.next = self.next.saturating_add(1);
        Some(batch)
    }
}

impl<'a, S: Sink> Lines<'a, S> {
    pub(super) const fn new(sink: Option<&'a mut S>) -> Self {
        Self { sink, failed: None }
    }

    pub(super) fn write(&mut self, lines: &[u8]) {
        if self.failed.is_none()
            && let Some(sink) = &mut self.sink
            && !lines.is_empty()
        {
            self.failed = sink.write(lines).err();
        }
    }

    /// Why they could not be written, if they could not.
    pub(super) fn finish(self) -> Option<io::Error> {
        self.failed
    }
}
