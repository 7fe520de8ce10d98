//! A census file from elsewhere: one of the program with pages or values changed.

use std::fs;
use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use tlscensus::census::Store;
use tlscensus::limits::Limits;
use tlscensus::policy::Policy;

use super::heap;
use super::input::Input;
use super::office;

/// What is changed: bytes at a place, the length of the file, or a value in a table.
fn change(path: &Path, input: &mut Input<'_>) {
    let mut bytes = office::file().to_vec();
    let mut statements = Vec::new();
    while !input.is_empty() {
        match input.u8() % 4 {
            0 => {
                let at = input.u32() as usize % bytes.len().max(1);
                let count = usize::from(input.u8() & 31);
                let patch = input.bytes(count);
                for (slot, byte) in bytes.iter_mut().skip(at).zip(patch) {
                    *slot = *byte;
                }
            }
            1 if input.u8() == 0xff => {
                let size = input.u32() as usize % (bytes.len() + 1);
                bytes.truncate(size);
            }
            _ => statements.push((input.u8(), input.u8(), input.u8(), value(input))),
        }
    }
    fs::write(path, &bytes).unwrap();
    let Ok(sql) = Connection::open(path) else { return };
    for (table, column, row, value) in statements {
        let _ = update(&sql, usize::from(table), usize::from(column), row, value);
    }
    let _ = sql.pragma_update(None, "journal_mode", "DELETE");
}

fn value(input: &mut Input<'_>) -> Value {
    match input.u8() % 6 {
        0 => Value::Null,
        1 => Value::Integer(i64::from(input.u8())),
        2 => Value::Integer(i64::from(input.u32().cast_signed()) << 32 | i64::from(input.u32())),
        3 => Value::Real(f64::from(input.u32())),
        kind => {
            let count = usize::from(input.u8());
            let bytes = input.bytes(count).to_vec();
            if kind == 4 {
                Value::Blob(bytes)
            } else {
                Value::Text(String::from_utf8_lossy(&bytes).into_owned())
            }
        }
    }
}

fn update(
    sql: &Connection,
    table: usize,
    column: usize,
    row: u8,
    value: Value,
) -> rusqlite::Result<()> {
    let names = |query: &str| -> rusqlite::Result<Vec<String>> {
        sql.prepare(query)?.query_map([], |row| row.get(0))?.collect()
    };
    // A table may refuse it by its rules; a file from elsewhere may have been made without them.
    sql.execute_batch("PRAGMA ignore_check_constraints = 1; PRAGMA foreign_keys = 0")?;
    let tables = names("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")?;
    let Some(table) = tables.get(table % tables.len().max(1)) else { return Ok(()) };
    let columns = names(&format!("SELECT name FROM pragma_table_info('{table}')"))?;
    let Some(column) = columns.get(column % columns.len().max(1)) else { return Ok(()) };
    let statement = format!(
        "UPDATE {table} SET {column} = ?1 WHERE {column} IN \
         (SELECT {column} FROM {table} LIMIT 1 OFFSET {row})"
    );
    sql.execute(&statement, params_from_iter([value]))?;
    Ok(())
}

pub fn check(data: &[u8]) {
    let size = office::file().len() + data.len();
    heap::bounded(size, 32 << 20, 256, || run(data));
}

fn run(data: &[u8]) {
    let folder = office::folder();
    let path = folder.join("changed.db");
    let again = folder.join("again.db");
    for path in [&path, &again] {
        let _ = fs::remove_file(path);
    }
    change(&path, &mut Input(data));
    let before = fs::read(&path).unwrap();
    let limits = Limits::default();
    let read = Store::open_read_only(&path, &limits)
        .and_then(|store| Store::merged(&mut [store], |part| part));
    assert!(before == fs::read(&path).unwrap(), "reading a census changed it");
    match read {
        Ok(snapshot) => {
            let policy = Policy::by_id("dataverse").unwrap();
            let report = office::judge(&snapshot, policy.clone());
            assert!(serde_json::from_slice::<serde_json::Value>(&report).is_ok());
            // What was read can be written, and is then read the same.
            let Some(entry) = snapshot.sources.first().cloned() else { return };
            if snapshot.sources.len() > 1 {
                return;
            }
            let mut store = Store::open(&again, &limits).unwrap();
            store.save(&entry, &snapshot).unwrap();
            drop(store);
            let store = Store::open_read_only(&again, &limits).unwrap();
            let written = Store::merged(&mut [store], |part| part).unwrap();
            assert!(report == office::judge(&written, policy), "written, and read otherwise");
        }
        Err(error) => {
            assert!(error.to_string().contains("changed.db"), "{error}");
            // Adding to it is refused as well, or mends nothing that was refused.
            if let Ok(store) = Store::open(&path, &limits) {
                drop(store);
            } else {
                assert!(before == fs::read(&path).unwrap(), "a refused census was changed");
            }
        }
    }
}
