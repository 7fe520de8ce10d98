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
    include_str!("heard.sql"),
    include_str!("views.sql"),
    include_str!("unseen.sql"),
    include_str!("legacy.sql"),
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
    use std::path::Path;

    use super::*;
    use crate::census::sample::{START, Sample, legacy, modern};
    use crate::census::{Census, SourceEntry, SourceKind, Store};
    use crate::clock::Timestamp;
    use crate::limits::Limits;
    use crate::naming::{NameSource, Said};
    use crate::packet::{Address, Mac};

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

    /// Files as each older version wrote them are read, brought up to date, with all that they hold.
    #[test]
    fn files_of_every_older_version_are_read_whole() {
        let folder = tempfile::tempdir().unwrap();
        let limits = Limits::default();
        let census = Census::new(&limits);
        for (host, offer) in [(5, modern()), (6, legacy())] {
            census.add(&Sample::new(host, 9).offers(&offer).asks_for("erp.example").0);
        }
        let address = Address::v4([10, 0, 0, 5]);
        let name = Said::Name { address, name: "erp-batch".into(), source: NameSource::Dhcp };
        let at = Timestamp::new(START, 0);
        census.name_address(name, at);
        census.name_address(Said::Lease { address, mac: Mac([2, 0, 0, 0, 0, 5]) }, at);
        let mut entry = SourceEntry::new("span-a".into(), SourceKind::File, "a.pcap".into());
        (entry.first, entry.last) = (Some(at), Some(at));
        entry.lost.ring = 7;
        let path = folder.path().join("new.db");
        Store::open(&path, &limits).unwrap().save(&entry, &census.snapshot()).unwrap();
        let read = |path: &Path| {
            Store::merged(&mut [Store::open(path, &limits).unwrap()], |part| part).unwrap()
        };
        let whole = read(&path);
        assert!(whole.known.contains_key(&address) && whole.sources[0].lost.ring == 7);
        for old in 1..STEPS.len() {
            let path = folder.path().join(format!("{old}.db"));
            let sql = Connection::open(&path).unwrap();
            migrate(&sql, &STEPS[..old]).unwrap();
            sql.execute("ATTACH ?1 AS new", [folder.path().join("new.db").to_str().unwrap()])
                .unwrap();
            let list = |text: &str, what: &str| -> Vec<String> {
                let mut statement = sql.prepare(text).unwrap();
                let rows = statement.query_map([what], |row| row.get(0)).unwrap();
                rows.collect::<Result<_, _>>().unwrap()
            };
            let tables = list(
                "SELECT name FROM main.sqlite_schema WHERE type = ?1 AND name NOT LIKE 'sqlite%'",
                "table",
            );
            for table in &tables {
                let columns =
                    list("SELECT '\"' || name || '\"' FROM pragma_table_info(?1, 'main')", table)
                        .join(", ");
                let copy = format!(
                    "INSERT INTO main.{table} ({columns}) SELECT {columns} FROM new.{table}"
                );
                sql.execute_batch(&copy).unwrap();
            }
            drop(sql);
            let refused = Store::open_read_only(&path, &limits).unwrap_err();
            assert!(refused.hint().is_some(), "{refused}");
            let migrated = read(&path);
            // What its version did not know of is not there; all else is.
            let mut wanted = whole.clone();
            if old < 2 {
                wanted.sources[0].lost.ring = 0;
            }
            if old < 3 {
                wanted.known.clear();
            }
            assert_eq!(migrated, wanted, "version {old}");
            assert_eq!(read(&path), wanted, "version {old}, again");
        }
    }
}
