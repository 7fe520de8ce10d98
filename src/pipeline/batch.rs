//! [`Batch`]: finished handshakes on their way from the capture thread to the writer.

use std::sync::Arc;

use crate::flow::FlowMeta;
use crate::tls::Transport;
use crate::tls::transcript::Transcript;

/// Handshakes in a batch; more would make a worker wait for its first, fewer cost more messages.
const JOBS: usize = 32;

/// Bytes of handshakes in a batch.
const BYTES: usize = 96 << 10;

/// Some handshakes, in order of capture.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Its place among all batches.
    pub(super) number: u64,
    /// The handshakes; empty when a worker is done with them.
    pub(super) jobs: Vec<Job>,
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
    pub(super) meta: FlowMeta,
    pub(super) transcript: Transcript,
}

impl Batch {
    pub(super) fn push(&mut self, job: Job) {
        self.bytes = self.bytes.saturating_add(job.transcript.size());
        self.jobs.push(job);
    }

    pub(super) const fn is_full(&self) -> bool {
        self.jobs.len() >= JOBS || self.bytes >= BYTES
    }

    /// Make it fit for the next handshakes; its memory stays.
    pub(super) fn clear(&mut self) {
        self.jobs.clear();
        self.lines.clear();
        self.bytes = 0;
    }
}
