//! [`Store`]: the census file, an SQLite database that people may query with any tool.
//!
//! ```text
//! save(source, snapshot)  ─▶ one transaction: the facts of this source, replaced  ┐
//! update(source, changes) ─▶ one transaction: those of them that have changed     ├ c.db
//! merged(stores) ◀─ source by source: joined across files, then added up          ┘
//! ```
//!
//! Its schema is `schema.sql` and the steps after it, its version SQLite's `user_version`, its mark the `application_id`.
//! Facts are kept per source, so that files can be merged and the same capture counts once. A file
//! that is no census, is damaged, or comes from a newer version is refused before anything is
//! written to it. One process writes at a time; others may read meanwhile what was last saved.

mod lock;
mod migrate;
mod open;
mod shape;
mod text;

/// The columns of an offer, as [`read::offer`] takes them.
macro_rules! offer_columns {
    () => {
        "SELECT identity, ja4, ja3, ja3_raw, legacy_version, sslv2_format, truncated, \
         supported_versions, cipher_suites, compression_methods, extensions, groups, \
         point_formats, key_shares, signature_algorithms, alpn FROM offers"
    };
}

mod read;
mod rows;
mod write;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use crate::limits::Limits;

use super::{Merger, Snapshot, SourceEntry, SourceKey};
use lock::Lock;
use read::{Fault, Reader};

pub use open::is_database;

/// Why a census file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It cannot be opened, or not be created.
    #[error("cannot open census `{}`: {cause}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// It is something else.
    #[error("`{}` is no census: {what}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// A later version of this program wrote it.
    #[error("census `{}` is of format {found}, and this program knows formats up to {known}", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i32,
        /// The newest format that is known here.
        known: i32,
    },
    /// An earlier version of this program wrote it, and it was opened for reading only.
    #[error("census `{}` is of the older format {found}", path.display())]
    Older {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i32,
    },
    /// What is in it cannot be.
    #[error("census `{}` is damaged: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// Another process writes to it.
    #[error("census `{}` is in use by {}", path.display(), user(*pid))]
    InUse {
        /// The file.
        path: PathBuf,
        /// The process, if it says so.
        pid: Option<u32>,
    },
    /// There is no room.
    #[error("cannot save census `{}`: the disk is full; what was saved before is intact", path.display())]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// Anything else that SQLite says.
    #[error("cannot use census `{}`: {cause}", path.display())]
    Sql {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: rusqlite::Error,
    },
}

fn user(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

impl StoreError {
    /// The cure, where it is known.
    pub const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Foreign { .. } => Some(
                "name another file, this one was left as it is; of captures \
                 `tlscensus read --census FILE CAPTURE` makes a census",
            ),
            Self::Newer { .. } => Some(
                "use the version of tlscensus that wrote it, or a later one; it was left as it is",
            ),
            Self::Older { .. } => {
                Some("a run of `tlscensus read --census` on it brings it up to date")
            }
            Self::Damaged { .. } => Some(
                "restore it from a backup, or save what is left with `sqlite3 FILE .recover`; \
                 it was left as it is",
            ),
            Self::InUse { .. } => {
                Some("wait for it to end, or write to a file of its own: reports merge files")
            }
            Self::Full { .. } => Some("make room and run it again"),
            Self::Open { .. } | Self::Sql { .. } => None,
        }
    }
}

/// A census file.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    sql: Connection,
    limits: Limits,
    reader: Reader,
    /// Held while the file may be written to; dropped after the connection.
    lock: Option<Lock>,
}

impl Store {
    /// Open a census to add to it; made if there is none.
    pub fn open(path: &Path, limits: &Limits) -> Result<Self, StoreError> {
        let (sql, lock) = open::for_writing(path)?;
        Ok(Self::new(path, sql, limits, Some(lock)))
    }

    /// Open a census to read what was last saved to it.
    pub fn open_read_only(path: &Path, limits: &Limits) -> Result<Self, StoreError> {
        let sql = open::for_reading(path)?;
        Ok(Self::new(path, sql, limits, None))
    }

    fn new(path: &Path, sql: Connection, limits: &Limits, lock: Option<Lock>) -> Self {
        Self {
            path: path.to_owned(),
            sql,
            limits: limits.clone(),
            reader: Reader::new(limits),
            lock,
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was read into it.
    pub fn sources(&self) -> Result<Vec<SourceKey>, StoreError> {
        read::sources(&self.sql).map_err(|fault| self.fault(fault))
    }

    /// Add the facts of one source, joined with what the file has of it already; in one
    /// transaction: all of it is saved, or nothing is changed.
    pub fn save(&mut self, entry: &SourceEntry, part: &Snapshot) -> Result<(), StoreError> {
        let known = self.source(&entry.identity())?;
        let Some(known) = known else {
            return self.write(|sql| write::replace(sql, entry, part));
        };
        let mut part = part.clone();
        part.sources = vec![entry.clone()];
        let joined = known.join(part, &self.limits);
        let entry = joined.sources.first().unwrap_or(entry);
        self.write(|sql| write::replace(sql, entry, &joined))
    }

    /// As [`save`](Self::save), for a source that only this process knows and that only grows, as a
    /// live run is: what the file has of it is an earlier state, and of what
    /// [has changed](super::Census::take_changes) since, the later one takes its place.
    pub fn update(&mut self, entry: &SourceEntry, changes: &Snapshot) -> Result<(), StoreError> {
        self.write(|sql| write::update(sql, entry, changes))
    }

    /// In one transaction.
    fn write(&self, write: impl Fn(&Connection) -> rusqlite::Result<()>) -> Result<(), StoreError> {
        let save = || {
            let transaction =
                rusqlite::Transaction::new_unchecked(&self.sql, TransactionBehavior::Immediate)?;
            write(&transaction)?;
            transaction.commit()
        };
        let full = |error: &rusqlite::Error| error.sqlite_error_code() == Some(ErrorCode::DiskFull);
        let saved = match save() {
            // What is in the log twice needs less room in the file.
            Err(error) if full(&error) => {
                let _ = self.sql.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
                save()
            }
            saved => saved,
        };
        saved.map_err(|error| self.error(error))
    }

    /// The facts of one source, without the offers and certificates that it shares with others.
    fn source(&mut self, key: &SourceKey) -> Result<Option<Snapshot>, StoreError> {
        self.reader.source(&self.sql, key).map_err(|fault| fault_of(&self.path, fault))
    }

    /// What all files together hold: sources that several of them have are joined, different ones
    /// added up. `of_each` may leave out a part of what a source tells.
    pub fn merged(
        stores: &mut [Self],
        mut of_each: impl FnMut(Snapshot) -> Snapshot,
    ) -> Result<Snapshot, StoreError> {
        let Some(limits) = stores.first().map(|store| store.limits.clone()) else {
            return Ok(Snapshot::default());
        };
        let mut merger = Merger::new(&limits);
        let mut keys = BTreeSet::new();
        for store in &*stores {
            keys.extend(store.sources()?);
            merger.add(Reader::shared(&store.sql).map_err(|fault| store.fault(fault))?);
        }
        for key in keys {
            let mut whole: Option<Snapshot> = None;
            for store in &mut *stores {
                if let Some(part) = store.source(&key)? {
                    whole = Some(match whole {
                        None => part,
                        Some(known) => known.join(part, &limits),
                    });
                }
            }
            if let Some(whole) = whole {
                merger.add(of_each(whole));
            }
        }
        for store in stores {
            // What was read for it is not kept for weeks.
            store.reader = Reader::new(&store.limits);
        }
        Ok(merger.finish())
    }

    /// Between runs a census is one plain file, that can be copied and read from anywhere. Where
    /// somebody still reads it, the log stays beside it and changes nothing.
    pub fn settle(&mut self) {
        if self.lock.is_some() {
            let _ = self.sql.busy_timeout(std::time::Duration::ZERO);
            let _ = self.sql.pragma_update(None, "journal_mode", "DELETE");
        }
    }

    fn fault(&self, fault: Fault) -> StoreError {
        fault_of(&self.path, fault)
    }

    fn error(&self, error: rusqlite::Error) -> StoreError {
        error_of(&self.path, error)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.settle();
    }
}

fn fault_of(path: &Path, fault: Fault) -> StoreError {
    match fault {
        Fault::Sql(error) => error_of(path, error),
        Fault::Value(what) => StoreError::Damaged {
            path: path.to_owned(),
            what: format!("{what} holds what no census does"),
        },
    }
}

/// What an error of SQLite means for a census.
fn error_of(path: &Path, cause: rusqlite::Error) -> StoreError {
    let path = path.to_owned();
    match cause.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full { path },
        Some(ErrorCode::DatabaseCorrupt) => StoreError::Damaged { path, what: cause.to_string() },
        Some(ErrorCode::NotADatabase) => {
            StoreError::Foreign { path, what: "it is no SQLite database" }
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            StoreError::InUse { path, pid: None }
        }
        _ => match cause {
            // A row that should be there, a column of another type.
            rusqlite::Error::QueryReturnedNoRows
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::Utf8Error(..) => {
                StoreError::Damaged { path, what: cause.to_string() }
            }
            cause => StoreError::Sql { path, cause },
        },
    }
}

#[cfg(test)]
mod tests;
