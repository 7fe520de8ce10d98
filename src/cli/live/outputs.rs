//! Where records go: a file that is added to for weeks, or standard output.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::clock::Timestamp;
use crate::sink::rolling::RollingFile;
use crate::sink::{Sink, Stdout};

/// Where records go.
pub(super) enum LiveSink {
    File(Arc<Mutex<RollingFile>>),
    Stdout(Stdout),
}

impl LiveSink {
    pub(super) fn file(&self) -> Option<Arc<Mutex<RollingFile>>> {
        match self {
            Self::File(file) => Some(Arc::clone(file)),
            Self::Stdout(_) => None,
        }
    }
}

impl Sink for LiveSink {
    fn write(&mut self, lines: &[u8]) -> std::io::Result<()> {
        match self {
            Self::File(file) => {
                lock(file).add(lines);
                Ok(())
            }
            Self::Stdout(stdout) => stdout.write(lines),
        }
    }

    fn finish(self) -> std::io::Result<()> {
        match self {
            Self::File(_) => Ok(()),
            Self::Stdout(stdout) => stdout.finish(),
        }
    }
}

pub(super) fn lock(file: &Mutex<RollingFile>) -> MutexGuard<'_, RollingFile> {
    file.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The time on the wall, for the names of files.
#[allow(clippy::disallowed_methods, reason = "files are set aside by the clock on the wall")]
pub(super) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::new(since.as_secs(), since.subsec_nanos())
}
