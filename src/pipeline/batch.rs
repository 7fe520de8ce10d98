//! [`Batch`]: finished handshakes on their way from a capture thread to the writer.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_channel::{Receiver, Sender, TrySendError};

use crate::clock::Timestamp;
use crate::flow::FlowMeta;
use crate::naming::Heard;
use crate::packet::Endpoint;
use crate::tls::Transport;
use crate::tls::starttls::login::Carried;
use crate::tls::transcript::Transcript;

/// Handshakes in a batch; more would make a worker wait for its first, fewer cost more messages.
const JOBS: usize = 64;

/// Names in a batch.
const NAMES: usize = 256;

/// Bytes of handshakes in a batch.
const BYTES: usize = 256 << 10;

/// Some handshakes, in order of capture.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Its place among all batches, once it was its turn to be sent.
    pub(super) number: Option<u64>,
    /// The handshakes, and behind them what was left of others, to be used again.
    pub(super) jobs: Vec<Job>,
    /// How many there are.
    pub(super) filled: usize,
    /// The names of their sources, each with how many of them in a row are of it.
    pub(super) sources: Vec<(Arc<str>, usize)>,
    /// What was heard of addresses meanwhile, and in which source.
    pub(super) names: Vec<(Arc<str>, Heard)>,
    /// The lines that a worker made of them.
    pub(super) lines: Vec<u8>,
    bytes: usize,
    /// Not one of the fixed number that goes round, but made because those were all under way.
    pub(super) extra: bool,
}

/// One finished handshake, with all that its record needs.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) transport: Transport,
    /// Of a log-in to a network: how it was carried.
    pub(super) carried: Option<Carried>,
    pub(super) meta: FlowMeta,
    pub(super) transcript: Transcript,
}

impl Job {
    /// None yet.
    fn new() -> Self {
        Self {
            transport: Transport::Tcp,
            carried: None,
            meta: FlowMeta::new(<[Endpoint; 2]>::default(), Timestamp::default()),
            transcript: Transcript::default(),
        }
    }
}

impl Batch {
    /// One more, which `fill` makes out of one that is over: its transcript is empty.
    #[inline]
    fn push(&mut self, source: &Arc<str>, fill: impl FnOnce(&mut Job)) {
        match self.sources.last_mut() {
            Some((last, jobs)) if Arc::ptr_eq(last, source) => *jobs = jobs.saturating_add(1),
            _ => self.sources.push((Arc::clone(source), 1)),
        }
        if self.filled >= self.jobs.len() {
            self.jobs.push(Job::new());
        }
        if let Some(job) = self.jobs.get_mut(self.filled) {
            fill(job);
            self.bytes = self.bytes.saturating_add(job.transcript.size());
            self.filled = self.filled.saturating_add(1);
        }
    }

    pub(super) const fn is_full(&self) -> bool {
        self.filled >= JOBS || self.bytes >= BYTES || self.names.len() >= NAMES
    }

    /// Make it fit for the next handshakes; its memory stays.
    pub(super) fn clear(&mut self) {
        self.filled = 0;
        self.sources.clear();
        self.names.clear();
        self.lines.clear();
        self.bytes = 0;
        self.number = None;
    }
}

/// Fills batches; each capture thread has one.
pub(super) struct Batcher<'a> {
    current: Option<Batch>,
    way: Way<'a>,
}

/// Works off a full batch that no worker has taken yet, if there is one.
pub(super) type Help<'a> = Box<dyn FnMut() -> bool + Send + 'a>;

/// What becomes of a full batch.
enum Way<'a> {
    /// Other threads work it off.
    Beside(Queue<'a>),
    /// This one does, and empties it, before anything else.
    Here(Box<dyn FnMut(&mut Batch) + Send + 'a>),
}

/// Batches on their way from one capture thread to the workers, and back.
struct Queue<'a> {
    empty: Receiver<Batch>,
    full: Sender<Batch>,
    /// What is done in place of waiting.
    help: Option<Help<'a>>,
    /// Full ones that nobody takes yet, in order, and the bytes of them that there may be.
    waiting: VecDeque<Batch>,
    waiting_bytes: usize,
    backlog_bytes: usize,
    /// The number of the next batch of all threads.
    next_number: Arc<AtomicU64>,
    waits: u64,
}

impl<'a> Batcher<'a> {
    /// Take empty batches from one end and send full ones to the other.
    pub(super) fn beside(
        empty: Receiver<Batch>,
        full: Sender<Batch>,
        next_number: Arc<AtomicU64>,
    ) -> Self {
        Self::new(Way::Beside(Queue {
            empty,
            full,
            help: None,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            backlog_bytes: 0,
            next_number,
            waits: 0,
        }))
    }

    /// Have full batches worked off, and emptied, in the thread that fills them.
    pub(super) fn here(work: impl FnMut(&mut Batch) + Send + 'a) -> Self {
        Self::new(Way::Here(Box::new(work)))
    }

    const fn new(way: Way<'a>) -> Self {
        Self { current: None, way }
    }

    /// Help the workers in place of waiting for them.
    pub(super) fn helping(mut self, help: Help<'a>) -> Self {
        if let Way::Beside(queue) = &mut self.way {
            queue.help = Some(help);
        }
        self
    }

    /// Let so many bytes of handshakes wait for the workers before waiting for them.
    #[cfg(feature = "live")]
    pub(super) fn with_backlog(mut self, bytes: usize) -> Self {
        if let Way::Beside(queue) = &mut self.way {
            queue.backlog_bytes = bytes;
        }
        self
    }

    /// A finished handshake of a source. This waits while all batches are under way and the backlog is
    /// full.
    #[inline]
    pub(super) fn push(&mut self, source: &Arc<str>, fill: impl FnOnce(&mut Job)) {
        self.fill(|batch| batch.push(source, fill));
    }

    /// A name of an address.
    pub(super) fn name(&mut self, source: &Arc<str>, heard: Heard) {
        let named = (Arc::clone(source), heard);
        self.fill(|batch| {
            batch.bytes = batch.bytes.saturating_add(named.1.said.size());
            batch.names.push(named);
        });
    }

    fn fill(&mut self, put: impl FnOnce(&mut Batch)) {
        if self.current.is_none() {
            self.current = match &mut self.way {
                Way::Beside(queue) => queue.take(),
                Way::Here(_) => Some(Batch::default()),
            };
        }
        let Some(batch) = &mut self.current else { return };
        put(batch);
        if batch.is_full() {
            self.flush();
        }
    }

    /// Have worked off what there is, as far as there is room for it.
    pub(super) fn flush(&mut self) {
        match &mut self.way {
            Way::Beside(queue) => queue.send(self.current.take()),
            Way::Here(work) => self.current.iter_mut().for_each(work),
        }
    }

    /// Have everything worked off, and wait until there was room for it.
    pub(super) fn finish(&mut self) {
        self.flush();
        if let Way::Beside(queue) = &mut self.way {
            queue.send_waiting();
            while queue.help() {}
        }
    }

    /// How often it had to wait for the workers.
    #[cfg(feature = "live")]
    pub(super) const fn waits(&self) -> u64 {
        match &self.way {
            Way::Beside(queue) => queue.waits,
            Way::Here(_) => 0,
        }
    }

    /// Handshakes that nobody takes yet.
    #[cfg(feature = "live")]
    pub(super) fn backlog(&self) -> u64 {
        let Way::Beside(queue) = &self.way else { return 0 };
        queue.waiting.iter().map(|batch| batch.filled as u64).sum()
    }
}

impl Queue<'_> {
    /// An empty batch, which this waits for unless there may be one more.
    fn take(&mut self) -> Option<Batch> {
        if let Ok(batch) = self.empty.try_recv() {
            return Some(batch);
        }
        if self.waiting_bytes < self.backlog_bytes {
            return Some(Batch { extra: true, ..Batch::default() });
        }
        self.waits = self.waits.saturating_add(1);
        self.send_waiting();
        while self.help() {
            if let Ok(batch) = self.empty.try_recv() {
                return Some(batch);
            }
        }
        // It fails only when the writer is gone, and with it every use of a record.
        self.empty.recv().ok()
    }

    /// Work off a batch that nobody has taken yet; false if there is none, or if this is not to help.
    fn help(&mut self) -> bool {
        self.help.as_mut().is_some_and(|help| help())
    }

    /// Send on this batch behind those that wait, as far as there is room for them.
    fn send(&mut self, batch: Option<Batch>) {
        if let Some(batch) = batch {
            self.waiting_bytes = self.waiting_bytes.saturating_add(batch.bytes);
            self.waiting.push_back(batch);
        }
        if self.backlog_bytes == 0 {
            self.send_waiting();
        }
        while let Some(batch) = self.waiting.pop_front() {
            let batch = self.numbered(batch);
            let bytes = batch.bytes;
            if let Err(TrySendError::Full(batch)) = self.full.try_send(batch) {
                self.waiting.push_front(batch);
                return;
            }
            self.waiting_bytes = self.waiting_bytes.saturating_sub(bytes);
        }
    }

    fn send_waiting(&mut self) {
        while let Some(batch) = self.waiting.pop_front() {
            self.waiting_bytes = self.waiting_bytes.saturating_sub(batch.bytes);
            let _ = self.full.send(self.numbered(batch));
        }
    }

    fn numbered(&self, mut batch: Batch) -> Batch {
        let next = || self.next_number.fetch_add(1, Ordering::Relaxed);
        batch.number = Some(batch.number.unwrap_or_else(next));
        batch
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use crossbeam_channel::bounded;

    use super::*;

    /// Without a worker it would wait for ever.
    #[test]
    fn who_fills_batches_helps_in_place_of_waiting() {
        let (empty_tx, empty) = bounded(2);
        let (full, full_rx) = bounded::<Batch>(2);
        for _ in 0..2 {
            empty_tx.send(Batch::default()).unwrap();
        }
        let worked = AtomicUsize::new(0);
        let help = || {
            let Ok(mut batch) = full_rx.try_recv() else { return false };
            worked.fetch_add(batch.filled, Ordering::Relaxed);
            batch.clear();
            empty_tx.send(batch).is_ok()
        };
        let mut batcher = Batcher::beside(empty, full, Arc::default()).helping(Box::new(help));
        let source = Arc::from("a");
        for _ in 0..=10 * JOBS {
            batcher.push(&source, |job| job.transport = Transport::Tcp);
        }
        batcher.finish();
        drop(batcher);
        assert_eq!(worked.into_inner(), 10 * JOBS + 1);
    }
}
