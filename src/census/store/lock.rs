//! [`Lock`]: one process writes to a census at a time, and the next one is told which.
//!
//! SQLite's own locks say that a file is busy, but not whose it is. The lock is on a file beside
//! the census, `…-lock`, that holds the number of the process; the kernel lets go of it when the
//! process ends, however that happens.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

/// The right to write, until it is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
    path: PathBuf,
}

/// Why there is no lock.
#[derive(Debug)]
pub(super) enum Denied {
    /// Another process has it.
    By(Option<u32>),
    /// The file beside the census cannot be made.
    Io(io::Error),
}

impl Lock {
    pub(super) fn of(census: &Path) -> Result<Self, Denied> {
        let mut name = OsString::from(census);
        name.push("-lock");
        let path = PathBuf::from(name);
        loop {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)
                .map_err(Denied::Io)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    let mut text = String::new();
                    let _ = file.take(16).read_to_string(&mut text);
                    return Err(Denied::By(text.trim().parse().ok()));
                }
                Err(TryLockError::Error(error)) => return Err(Denied::Io(error)),
            }
            // The one that had it may have removed it just now: a lock on what has no name is none.
            if is_still_there(&file, &path) {
                let mut lock = Self { file, path };
                lock.sign();
                return Ok(lock);
            }
        }
    }

    /// Whoever is refused reads this; if it cannot be written, it reads nothing.
    fn sign(&mut self) {
        let _ = self
            .file
            .set_len(0)
            .and_then(|()| self.file.rewind())
            .and_then(|()| writeln!(self.file, "{}", std::process::id()));
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Removed while it is held, so that nobody else's is removed.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(unix)]
fn is_still_there(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let same = |held: &fs::Metadata, named: &fs::Metadata| {
        held.ino() == named.ino() && held.dev() == named.dev()
    };
    matches!((file.metadata(), fs::metadata(path)), (Ok(held), Ok(named)) if same(&held, &named))
}

/// Elsewhere a file that is open cannot be removed.
#[cfg(not(unix))]
fn is_still_there(_: &File, _: &Path) -> bool {
    true
}
