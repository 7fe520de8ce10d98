//! Whether the tables of a file are those that this program makes.
//!
//! A census from elsewhere may have been prepared: a view in the place of a table that never ends, a
//! trigger, a computed column or an index that runs with each row. What people add for themselves
//! (views, tables) is their business, as nothing here reads it.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::migrate::{STEPS, migrate};

/// What a database consists of: kind, table and text, by name.
type Shape = BTreeMap<String, (String, String, Option<String>)>;

/// Whether a file of this version has a census's tables, and nothing that acts on them.
pub(super) fn is_ours(sql: &Connection, version: i32) -> rusqlite::Result<bool> {
    let model = Connection::open_in_memory()?;
    let steps = usize::try_from(version).unwrap_or_default();
    migrate(&model, STEPS.get(..steps).unwrap_or(STEPS))?;
    let (wanted, found) = (shape(&model)?, shape(sql)?);
    let there = wanted.iter().all(|(name, object)| match found.get(name) {
        Some(found) => found == object,
        None => object.0 == "view",
    });
    let adds_nothing = found.iter().all(|(name, (kind, table, text))| {
        let acts = kind == "trigger" || (kind == "index" && text.is_some());
        !acts || wanted.contains_key(name) || (kind == "index" && !wanted.contains_key(table))
    });
    Ok(there && adds_nothing)
}

fn shape(sql: &Connection) -> rusqlite::Result<Shape> {
    let mut statement = sql.prepare("SELECT name, type, tbl_name, sql FROM sqlite_schema")?;
    let rows = statement.query_map([], |row| {
        let text: Option<String> = row.get(3)?;
        Ok((row.get(0)?, (row.get(1)?, row.get(2)?, text.as_deref().map(plain))))
    })?;
    rows.collect()
}

/// A statement without comments and with single spaces. What stands in quotes stays as it is, so that
/// nothing can be hidden behind what only looks like a comment.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    let mut quote = None;
    while let Some(mut next) = rest.next() {
        if quote.is_some() {
            quote = quote.filter(|quote| *quote != next);
            plain.push(next);
            continue;
        }
        if matches!(next, '\'' | '"') {
            quote = Some(next);
        } else if next == '-' && rest.peek() == Some(&'-') {
            rest.find(|next| *next == '\n');
            next = ' ';
        }
        if !next.is_ascii_whitespace() {
            plain.push(next);
        } else if !plain.ends_with(' ') {
            plain.push(' ');
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours(change: &str) -> bool {
        let sql = Connection::open_in_memory().unwrap();
        migrate(&sql, STEPS).unwrap();
        sql.execute_batch(&format!("PRAGMA foreign_keys = OFF; {change}")).unwrap();
        is_ours(&sql, i32::try_from(STEPS.len()).unwrap()).unwrap()
    }

    #[test]
    fn what_people_add_for_themselves_is_no_matter() {
        for change in [
            "",
            "CREATE VIEW mine AS SELECT ip FROM hosts",
            "CREATE TABLE notes (ip TEXT); CREATE INDEX by_ip ON notes (ip)",
            "DROP VIEW legacy_clients",
            "ANALYZE",
        ] {
            assert!(ours(change), "{change}");
        }
    }

    #[test]
    fn what_acts_on_its_tables_is_refused() {
        let endless =
            "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c";
        for change in [
            &format!("ALTER TABLE hosts RENAME TO h; CREATE VIEW hosts AS {endless}"),
            "CREATE TRIGGER t AFTER INSERT ON sources BEGIN DELETE FROM edges; END",
            "CREATE TABLE notes (a); CREATE TRIGGER t AFTER INSERT ON notes BEGIN DELETE FROM notes; END",
            "ALTER TABLE hosts ADD COLUMN z TEXT AS (hex(zeroblob(1000))) VIRTUAL",
            "CREATE INDEX slow ON hosts (hex(zeroblob(1000)))",
            "DROP TABLE lease_seen",
            "DROP INDEX edges_server; CREATE INDEX edges_server ON edges (server DESC)",
        ] {
            assert!(!ours(change), "{change}");
        }
    }

    #[test]
    fn comments_and_spaces_do_not_matter_and_quotes_do() {
        assert_eq!(plain("CREATE  TABLE a ( -- one\n  x, y)"), plain("CREATE TABLE a ( x,\ty)"));
        assert_ne!(plain("CHECK (x IN ('a--', f(), '\n'))"), plain("CHECK (x IN ('a'))"));
        assert_ne!(plain("CHECK (x <> 'a  b')"), plain("CHECK (x <> 'a b')"));
    }
}
