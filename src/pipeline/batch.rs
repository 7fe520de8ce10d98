//! [`Batch`]: finished handshakes on their way from a capture thread to the writer.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_channel::{Receiver, Sender, TrySendError};

use crate::flow::FlowMeta;
use crate::naming::Heard;
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
    /// The handshakes; empty when a worker is done with them.
    pub(super) jobs: Vec<Job>,
    /// What was heard of addresses meanwhile, and in which source.
    pub(super) names: Vec<(Arc<str>, Heard)>,
    /// Their transcripts, emptied by a worker and to be filled again.
    pub(super) spares: Vec<Transcript>,
    /// The lines that a worker made of them.
    pub(super) lines: Vec<u8>,
    bytes: usize,
    /// Not one of the fixed number that goes round, but made because those were all under way.
    pub(super) extra: bool,
}

/// One finished handshake, with all that its record needs.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) source: Arc<str>,
    pub(super) transport: Transport,
    /// Of a log-in to a network: how it was carried.
    pub(super) carried: Option<Carried>,
    pub(super) meta: FlowMeta,
    pub(super) transcript: Transcript,
}

impl Batch {
    pub(super) fn push(&mut self, job: Job) {
        self.bytes = self.bytes.saturating_add(job.transcript.size());
        self.jobs.push(job);
    }

    pub(super) const fn is_full(&self) -> bool {
        self.jobs.len() >= JOBS || self.bytes >= BYTES || self.names.len() >= NAMES
    }

    /// Make it fit for the next handshakes; its memory stays.
    pub(super) fn clear(&mut self) {
        self.jobs.clear();
        self.names.clear();
        self.lines.clear();
        self.bytes = 0;
        self.number = None;
    }
}

/// Fills batches and sends them on; each capture thread has one.
pub(super) struct Batcher {
    empty: Receiver<Batch>,
    full: Sender<Batch>,
    current: Option<Batch>,
    /// Full ones that nobody takes yet, in order, and the bytes of them that there may be.
    waiting: VecDeque<Batch>,
    waiting_bytes: usize,
    backlog_bytes: usize,
    /// Emptied transcripts, to be filled again.
    spares: Vec<Transcript>,
    /// The number of the next batch of all threads.
    next_number: Arc<AtomicU64>,
    waits: u64,
}

impl Batcher {
    /// Take empty batches from one end and send full ones to the other.
    pub(super) fn new(
        empty: Receiver<Batch>,
        full: Sender<Batch>,
        next_number: Arc<AtomicU64>,
    ) -> Self {
        Self {
            empty,
            full,
            current: None,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            backlog_bytes: 0,
            spares: Vec::new(),
            next_number,
            waits: 0,
        }
    }

    /// Let so many bytes of handshakes wait for the workers before waiting for them.
    #[cfg(feature = "live")]
    pub(super) const fn with_backlog(mut self, bytes: usize) -> Self {
        self.backlog_bytes = bytes;
        self
    }

    /// A finished handshake. This waits while all batches are under way and the backlog is full.
    pub(super) fn push(&mut self, job: Job) {
        self.fill(|batch| batch.push(job));
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
            self.current = self.empty.try_recv().ok();
        }
        if self.current.is_none() && self.waiting_bytes < self.backlog_bytes {
            self.current = Some(Batch { extra: true, ..Batch::default() });
        }
        if self.current.is_none() {
            self.waits = self.waits.saturating_add(1);
            self.send_waiting();
            // It fails only when the writer is gone, and with it every use of a record.
            self.current = self.empty.recv().ok();
        }
        let Some(batch) = &mut self.current else { return };
        self.spares.append(&mut batch.spares);
        put(batch);
        if batch.is_full() {
            self.flush();
        }
    }

    /// A transcript with nothing to read in it.
    pub(super) fn put_back(&mut self, mut transcript: Transcript) {
        if self.spares.len() < JOBS && transcript.recycle() {
            self.spares.push(transcript);
        }
    }

    /// An emptied transcript, if there is one.
    pub(super) fn spare(&mut self) -> Option<Transcript> {
        self.spares.pop()
    }

    /// How often it had to wait for the workers.
    #[cfg(feature = "live")]
    pub(super) const fn waits(&self) -> u64 {
        self.waits
    }

    /// Handshakes that nobody takes yet.
    #[cfg(feature = "live")]
    pub(super) fn backlog(&self) -> u64 {
        self.waiting.iter().map(|batch| batch.jobs.len() as u64).sum()
    }

    /// Send on what there is, as far as there is room for it.
    pub(super) fn flush(&mut self) {
        if let Some(batch) = self.current.take() {
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

    /// Send on everything, and wait until there was room for it.
    pub(super) fn finish(&mut self) {
        self.flush();
        self.send_waiting();
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
