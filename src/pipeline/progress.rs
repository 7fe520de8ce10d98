//! [`Progress`]: how far a run is, for whoever watches it, and the wish that it should end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::faults::LostConnections;
use crate::tls::codepoint::ProtocolVersion;

/// Versions that are counted apart; then all others, and where no ServerHello was seen.
const VERSIONS: [&str; 11] = [
    "SSL2", "SSL3", "TLS1.0", "TLS1.1", "TLS1.2", "TLS1.3", "DTLS1.0", "DTLS1.2", "DTLS1.3",
    "other", "none",
];

/// Counters that the threads of a run add to, and that anyone may read meanwhile.
#[derive(Debug, Default)]
pub struct Progress {
    read_bytes: AtomicU64,
    frames: AtomicU64,
    /// Read in earlier runs that this one goes on from.
    bytes_before: AtomicU64,
    frames_before: AtomicU64,
    connections: AtomicU64,
    /// Of those, by the version that was negotiated, in the order of [`VERSIONS`].
    versions: [AtomicU64; VERSIONS.len()],
    lost: LostConnections,
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

    /// TLS connections by the version that was negotiated: `other` where that has no name, `none`
    /// where no ServerHello was seen.
    pub fn versions(&self) -> Vec<(&'static str, u64)> {
        let counts = self.versions.iter().map(|count| count.load(Ordering::Relaxed));
        VERSIONS.into_iter().zip(counts).collect()
    }

    /// Handshakes of a source that a fault of this program lost.
    pub fn lost_connections(&self, source: &str) -> u64 {
        self.lost.of(source)
    }

    /// Go on from here: what another run over further inputs reads comes on top.
    pub fn go_on(&self) {
        self.bytes_before.store(self.read_bytes(), Ordering::Relaxed);
        self.frames_before.store(self.frames(), Ordering::Relaxed);
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
        let before = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let (bytes_before, frames_before) =
            (before(&self.bytes_before), before(&self.frames_before));
        self.read_bytes.store(bytes.saturating_add(bytes_before), Ordering::Relaxed);
        self.frames.store(frames.saturating_add(frames_before), Ordering::Relaxed);
    }

    pub(super) fn add_connections(&self, count: u64) {
        self.connections.fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn add_version(&self, version: Option<ProtocolVersion>) {
        let word = version.map_or("none", |version| version.name().unwrap_or("other"));
        let place = VERSIONS.iter().position(|known| *known == word);
        // All that is named and not listed is `other`.
        let place = place.unwrap_or(VERSIONS.len() - 2);
        if let Some(count) = self.versions.get(place) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn add_lost(&self, source: &Arc<str>) {
        self.lost.add(source);
    }
}
