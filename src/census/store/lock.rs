//! [`Lock`]: one process writes to a census at a time, and the next one is told which.
//!
//! SQLite's own locks say that a file is busy, but not whose it is. The lock is on a file beside
//! the census, `…-lock`, that holds the number of the process; the kernel lets go of it when the
//! process ends, however that happens.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

/// The right to write, until it is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
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
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(beside(census))
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
        // Whoever is refused reads this; if it cannot be written, it reads nothing.
        let _ = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Self { _file: file })
    }
}

/// The file of the lock. It stays: to remove it would let two processes have one each.
pub(super) fn beside(census: &Path) -> PathBuf {
    let mut name = OsString::from(census);
    name.push("-lock");
    name.into()
}
