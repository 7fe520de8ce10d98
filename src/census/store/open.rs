//! Opening: what a file is, before anything is done to it.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::lock::{Denied, Lock};
use super::migrate::{APPLICATION_ID, STEPS, migrate, newest, version};
use super::shape::is_ours;
use super::{StoreError, error_of};

/// How an SQLite database begins, and how long its header is
/// (<https://www.sqlite.org/fileformat.html#the_database_header>).
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
const HEADER: u64 = 100;
/// How long to wait for a reader to let go.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether a file begins as an SQLite database does.
pub fn is_database(path: &Path) -> io::Result<bool> {
    // A pipe can be read once, and not by who only wants to know what is in it.
    if !fs::metadata(path)?.is_file() {
        return Ok(false);
    }
    let mut magic = Vec::new();
    File::open(path)?.take(MAGIC.len() as u64).read_to_end(&mut magic)?;
    Ok(magic == MAGIC)
}

/// A connection to add to a census with, and the lock that goes with it.
pub(super) fn for_writing(path: &Path) -> Result<(Connection, Lock), StoreError> {
    let wrong = |cause| StoreError::Open { path: path.to_owned(), cause };
    let fresh = match header(path) {
        Ok(header) => is_fresh(path, header.as_deref())?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(cause) => return Err(wrong(cause)),
    };
    let lock = Lock::of(path).map_err(|denied| match denied {
        Denied::By(pid) => StoreError::InUse { path: path.to_owned(), pid },
        Denied::Io(cause) => wrong(cause),
    })?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let sql = Connection::open_with_flags(path, flags).map_err(|error| error_of(path, error))?;
    prudent(&sql).map_err(|error| error_of(path, error))?;
    // Before anything goes through its rows, which may be computed.
    check(path, &sql, fresh)?;
    if !fresh {
        let found = sql.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
        let what = found.map_err(|error| error_of(path, error))?;
        if what != "ok" {
            return Err(StoreError::Damaged { path: path.to_owned(), what });
        }
    }
    let begin = || {
        // The schema is written before the log is begun: the file itself always tells what it is.
        migrate(&sql, STEPS)?;
        sql.pragma_update(None, "journal_mode", "WAL")?;
        sql.pragma_update(None, "synchronous", "FULL")?;
        // Many small saves must not leave a log that is many times the file.
        sql.pragma_update(None, "wal_autocheckpoint", 128)?;
        // Whoever writes a row has just found or made those that it refers to: to look them up once
        // more for each takes a fifth of the time of a save.
        sql.pragma_update(None, "foreign_keys", false)?;
        sql.pragma_update(None, "cache_size", -65_536)
    };
    begin().map_err(|error| error_of(path, error))?;
    Ok((sql, lock))
}

/// A connection to read what was last saved, all of it as of now.
pub(super) fn for_reading(path: &Path) -> Result<Connection, StoreError> {
    let header = header(path).map_err(|cause| StoreError::Open { path: path.to_owned(), cause })?;
    if is_fresh(path, header.as_deref())? {
        return Err(StoreError::Foreign { path: path.to_owned(), what: "it is empty" });
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = |immutable: bool| {
        let sql = if immutable {
            let flags = flags | OpenFlags::SQLITE_OPEN_URI;
            Connection::open_with_flags(immutable_uri(path), flags)?
        } else {
            Connection::open_with_flags(path, flags)?
        };
        prudent(&sql)?;
        // One state for everything that is read, whatever is saved meanwhile.
        sql.execute_batch("BEGIN")?;
        version(&sql)?;
        Ok(sql)
    };
    // In a place that cannot be written to, readers of a log cannot register: nobody writes there.
    let sql = open(false)
        .or_else(|error: rusqlite::Error| match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::CannotOpen | rusqlite::ErrorCode::ReadOnly)
                if !has_beside(path, "-wal") =>
            {
                open(true)
            }
            _ => Err(error),
        })
        .map_err(|error| error_of(path, error))?;
    check(path, &sql, false)?;
    let found = version(&sql).map_err(|error| error_of(path, error))?;
    if found < newest() {
        return Err(StoreError::Older { path: path.to_owned(), found });
    }
    Ok(sql)
}

/// Settings that hold for any census: nothing in a file from elsewhere is to run.
fn prudent(sql: &Connection) -> rusqlite::Result<()> {
    sql.busy_timeout(PATIENCE)?;
    sql.set_prepared_statement_cache_capacity(64);
    sql.pragma_update(None, "trusted_schema", false)?;
    sql.pragma_update(None, "cell_size_check", true)?;
    sql.pragma_update(None, "temp_store", "memory")
}

/// The first bytes of a file, `None` if it has none.
fn header(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut header = Vec::new();
    File::open(path)?.take(HEADER).read_to_end(&mut header)?;
    Ok(Some(header).filter(|header| !header.is_empty()))
}

/// Whether a file is yet to become a census; an error if it is something else.
fn is_fresh(path: &Path, header: Option<&[u8]>) -> Result<bool, StoreError> {
    let foreign = |what| Err(StoreError::Foreign { path: path.to_owned(), what });
    let Some(header) = header else { return Ok(true) };
    if has_beside(path, "-journal") {
        // A run was cut off while it made the file: what it is shows when that was undone.
        return Ok(false);
    }
    if header.get(..MAGIC.len()) != Some(MAGIC) {
        return foreign("it is no SQLite database");
    }
    let word = |at: usize| {
        let bytes = header.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map(i32::from_be_bytes)
    };
    match (word(68), word(60)) {
        (Some(APPLICATION_ID), Some(found)) if found > newest() => {
            Err(StoreError::Newer { path: path.to_owned(), found, known: newest() })
        }
        (Some(APPLICATION_ID), _) => Ok(false),
        (Some(_), _) => foreign("it is an SQLite database of another program"),
        (None, _) => foreign("it is cut off"),
    }
}

/// Look again when SQLite has opened it: its log may hold a later state.
fn check(path: &Path, sql: &Connection, fresh: bool) -> Result<(), StoreError> {
    let read = || {
        let id: i32 = sql.pragma_query_value(None, "application_id", |row| row.get(0))?;
        let tables: i64 =
            sql.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        Ok((id, tables, version(sql)?))
    };
    let (id, tables, found) = read().map_err(|error| error_of(path, error))?;
    if id != APPLICATION_ID && !(tables == 0 && (fresh || found == 0)) {
        let what = "it is an SQLite database of another program";
        return Err(StoreError::Foreign { path: path.to_owned(), what });
    }
    if found > newest() {
        return Err(StoreError::Newer { path: path.to_owned(), found, known: newest() });
    }
    if tables > 0 && !is_ours(sql, found).map_err(|error| error_of(path, error))? {
        let what = "its tables are not those of a census";
        return Err(StoreError::Foreign { path: path.to_owned(), what });
    }
    Ok(())
}

fn has_beside(path: &Path, ending: &str) -> bool {
    let mut name = OsString::from(path);
    name.push(ending);
    Path::new(&name).metadata().is_ok_and(|metadata| metadata.len() > 0)
}

/// A path as a URI that promises SQLite that the file does not change.
fn immutable_uri(path: &Path) -> String {
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_encoded_bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(byte) {
            uri.push(char::from(*byte));
        } else {
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri.push_str("?immutable=1");
    uri
}
