//! [`Progress`]: how far a run is, for whoever watches it, and the wish that it should end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::faults::LostConnections;
use crate::tls::codepoint::ProtocolVersion;

/// Versions that are counted apart; then come all others, and where no ServerHello was seen.
const VERSIONS: [ProtocolVersion; 9] = [
    ProtocolVersion::SSL2,
    ProtocolVersion::SSL3,
    ProtocolVersion::TLS1_0,
    ProtocolVersion::TLS1_1,
    ProtocolVersion::TLS1_2,
    ProtocolVersion::TLS1_3,
    ProtocolVersion::DTLS1_0,
    ProtocolVersion::DTLS1_2,
    ProtocolVersion::DTLS1_3,
];

/// Where others are counted.
const OTHER: usize = VERSIONS.len();

/// Where those are counted of which no ServerHello was seen.
const NONE: usize = OTHER + 1;

/// TLS connections that were recorded, before they are [added](Progress::add) to those of other threads.
#[derive(Debug, Default)]
pub(super) struct Recorded {
    versions: [u64; NONE + 1],
}

impl Recorded {
    /// Another one, with the version that was negotiated.
    pub(super) fn add(&mut self, version: Option<ProtocolVersion>) {
        let place = |version| VERSIONS.iter().position(|known| *known == version);
        let place = version.map_or(NONE, |version| place(version).unwrap_or(OTHER));
        if let Some(count) = self.versions.get_mut(place) {
            *count = count.saturating_add(1);
        }
    }
}

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
    versions: [AtomicU64; NONE + 1],
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
        let names = VERSIONS.iter().map(|version| version.name().unwrap_or_default());
        names.chain(["other", "none"]).zip(counts).collect()
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

    pub(super) fn add(&self, recorded: &Recorded) {
        self.connections.fetch_add(recorded.versions.iter().sum(), Ordering::Relaxed);
        for (count, more) in self.versions.iter().zip(recorded.versions) {
            if more > 0 {
                count.fetch_add(more, Ordering::Relaxed);
            }
        }
    }

    pub(super) fn add_lost(&self, source: &Arc<str>) {
        self.lost.add(source);
    }
}
