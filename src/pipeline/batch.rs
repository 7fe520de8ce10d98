//! [`Batch`]: finished handshakes on their way from a capture thread to the writer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_channel::{Receiver, Sender};

use crate::flow::FlowMeta;
use crate::naming::Said;
use crate::tls::Transport;
use crate::tls::starttls::login::Carried;
use crate::tls::transcript::Transcript;

/// Handshakes in a batch; more would make a worker wait for its first, fewer cost more messages.
const JOBS: usize = 32;

/// Names in a batch.
const NAMES: usize = 256;

/// Bytes of handshakes in a batch.
const BYTES: usize = 96 << 10;

/// Some handshakes, in order of capture.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Its place among all batches.
    pub(super) number: u64,
    /// The handshakes; empty when a worker is done with them.
    pub(super) jobs: Vec<Job>,
    /// What was said of addresses meanwhile.
    pub(super) names: Vec<Said>,
    /// Their transcripts, emptied by a worker and to be filled again.
    pub(super) spares: Vec<Transcript>,
    /// The lines that a worker made of them.
    pub(super) lines: Vec<u8>,
    bytes: usize,
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
    }
}

/// Fills batches and sends them on; each capture thread has one.
pub(super) struct Batcher {
    empty: Receiver<Batch>,
    full: Sender<Batch>,
    current: Option<Batch>,
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
        Self { empty, full, current: None, spares: Vec::new(), next_number, waits: 0 }
    }

    /// A finished handshake. This waits while all batches are under way.
    pub(super) fn push(&mut self, job: Job) {
        self.fill(|batch| batch.push(job));
    }

    /// A name of an address.
    pub(super) fn name(&mut self, said: Said) {
        self.fill(|batch| batch.names.push(said));
    }

    fn fill(&mut self, put: impl FnOnce(&mut Batch)) {
        if self.current.is_none() {
            self.current = self.empty.try_recv().ok();
        }
        if self.current.is_none() {
            self.waits = self.waits.saturating_add(1);
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

    /// An emptied transcript, if there is one.
    pub(super) fn spare(&mut self) -> Option<Transcript> {
        self.spares.pop()
    }

    /// How often it had to wait for the workers.
    #[cfg(feature = "live")]
    pub(super) const fn waits(&self) -> u64 {
        self.waits
    }

    /// Send on what there is.
    pub(super) fn flush(&mut self) {
        if let Some(mut batch) = self.current.take() {
            batch.number = self.next_number.fetch_add(1, Ordering::Relaxed);
            let _ = self.full.send(batch);
        }
    }
}
