//! The format of the file, and the steps from each version to the next.

use rusqlite::{Connection, Transaction, TransactionBehavior};

/// `TLSC`: what [file(1)](https://www.sqlite.org/fileformat.html#application_id) and we know it by.
pub(super) const APPLICATION_ID: i32 = 0x544c_5343;

/// Step `n` brings a file of version `n` to version `n + 1`; a new file takes all of them.
pub(super) const STEPS: &[&str] = &[
    include_str!("schema.sql"),
    include_str!("lost.sql"),
    include_str!("names.sql"),
    include_str!("evasion.sql"),
    include_str!("notes.sql"),
];

/// The version that this program writes.
pub(super) fn newest() -> i32 {
    i32::try_from(STEPS.len()).unwrap_or(i32::MAX)
}

/// The version of a file; 0 of a new one.
pub(super) fn version(sql: &Connection) -> rusqlite::Result<i32> {
    sql.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Take the steps that a file has not seen yet: all of them, or none.
pub(super) fn migrate(sql: &Connection, steps: &[&str]) -> rusqlite::Result<()> {
    let transaction = Transaction::new_unchecked(sql, TransactionBehavior::Immediate)?;
    let from = usize::try_from(version(&transaction)?).unwrap_or(usize::MAX);
    if from >= steps.len() {
        return Ok(());
    }
    for step in steps.iter().skip(from) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(
        None,
        "user_version",
        i32::try_from(steps.len()).unwrap_or(i32::MAX),
    )?;
    transaction.commit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_an_older_version_is_brought_up_to_date_whole_or_not_at_all() {
        let sql = Connection::open_in_memory().unwrap();
        let first = "CREATE TABLE a (x) STRICT".replace(" STRICT", "");
        let second = "CREATE TABLE b (y); INSERT INTO b SELECT x FROM a";
        migrate(&sql, &[&first]).unwrap();
        assert_eq!(version(&sql).unwrap(), 1);
        sql.execute("INSERT INTO a VALUES (7)", []).unwrap();
        assert!(migrate(&sql, &[&first, second, "CREATE TABLE b (again)"]).is_err());
        assert_eq!(version(&sql).unwrap(), 1);
        assert!(sql.prepare("SELECT * FROM b").is_err());
        migrate(&sql, &[&first, second]).unwrap();
        assert_eq!(version(&sql).unwrap(), 2);
        let moved: i32 = sql.query_row("SELECT y FROM b", [], |row| row.get(0)).unwrap();
        assert_eq!(moved, 7);
    }
}
