//! What signals ask of a live run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGUSR1};

use crate::cli::stop::Stop;

/// How long the wish that the run should end goes unheard at most: a handler can wake nobody up.
const GLANCE: Duration = Duration::from_millis(10);

/// What signals have asked for.
pub(super) struct Signals {
    pub(super) stop: Arc<AtomicBool>,
    pub(super) report: Arc<AtomicBool>,
    pub(super) reopen: Arc<AtomicBool>,
}

impl Signals {
    /// From now on signals are heard. `stop` tells when the run is to end.
    pub(super) fn hear(stop: &Stop) -> std::io::Result<Self> {
        let flag = || Arc::new(AtomicBool::new(false));
        let signals = Self { stop: stop.asked(), report: flag(), reopen: flag() };
        signal_hook::flag::register(SIGUSR1, Arc::clone(&signals.report))?;
        signal_hook::flag::register(SIGHUP, Arc::clone(&signals.reopen))?;
        Ok(signals)
    }

    /// Let time pass: until the run is first asked to end, or is `over`, or for so long.
    pub(super) fn wait(&self, most: Duration, over: &AtomicBool) {
        let asked = || self.stop.load(Ordering::Relaxed);
        let (before, mut waited) = (asked(), Duration::ZERO);
        while waited < most && asked() == before && !over.load(Ordering::Relaxed) {
            thread::park_timeout(GLANCE);
            waited += GLANCE;
        }
    }
}
