//! [`Progress`]: how far a run is, for whoever watches it, and the wish that it should end.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Counters that the threads of a run add to, and that anyone may read meanwhile.
#[derive(Debug, Default)]
pub struct Progress {
    read_bytes: AtomicU64,
    frames: AtomicU64,
    connections: AtomicU64,
    faults: AtomicU64,
    stop: AtomicBool,
}

impl Progress {
    /// Bytes read of the inputs, before decompression.
    pub fn read_bytes(&self) -> u64 {
        self.read_bytes.load(Ordering::Relaxed)
    }

    /// Frames read.
    pub fn frames(&self) -> u64 {
        self.frames.load(Ordering::Relaxed)
    }

    /// TLS connections recorded.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Handshakes that a fault of this program lost.
    pub fn faults(&self) -> u64 {
        self.faults.load(Ordering::Relaxed)
    }

    /// Ask the run to end in order: what was read so far is still recorded and reported.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Whether the run was asked to end.
    pub fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    pub(super) fn set_read(&self, bytes: u64, frames: u64) {
        self.read_bytes.store(bytes, Ordering::Relaxed);
        self.frames.store(frames, Ordering::Relaxed);
    }

    pub(super) fn add_connections(&self, count: u64) {
        self.connections.fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn add_fault(&self) {
        self.faults.fetch_add(1, Ordering::Relaxed);
    }
}
