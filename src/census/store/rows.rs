//! [`Rows`] of what sources share, and [`HostRows`]: the statements that are run for every host, each
//! prepared once.

use rusqlite::{CachedStatement, Connection, OptionalExtension, Params};

type Result<T> = rusqlite::Result<T>;

/// A table of what sources share: each thing has one row in it.
pub(super) struct Rows<'a> {
    select: CachedStatement<'a>,
    insert: CachedStatement<'a>,
}

/// The row of something shared.
#[derive(Clone, Copy)]
pub(super) struct Row {
    pub(super) id: i64,
    /// It was made for this: there is nothing yet that hangs on it.
    pub(super) fresh: bool,
}

impl<'a> Rows<'a> {
    pub(super) fn new(sql: &'a Connection, select: &str, insert: &str) -> Result<Self> {
        Ok(Self { select: sql.prepare_cached(select)?, insert: sql.prepare_cached(insert)? })
    }

    /// The row of these values, made if it is new.
    pub(super) fn row(&mut self, values: impl Params + Clone) -> Result<Row> {
        let known = self.select.query_row(values.clone(), |row| row.get(0)).optional()?;
        match known {
            Some(id) => Ok(Row { id, fresh: false }),
            None => self.make(values),
        }
    }

    /// The same of something that hangs on `parent`.
    pub(super) fn row_under(&mut self, parent: Row, values: impl Params + Clone) -> Result<Row> {
        if parent.fresh { self.make(values) } else { self.row(values) }
    }

    fn make(&mut self, values: impl Params) -> Result<Row> {
        Ok(Row { id: self.insert.insert(values)?, fresh: true })
    }
}

/// What is run for every host: to look such a statement up by its text takes longer than many of
/// them run.
pub(super) struct HostRows<'a> {
    pub(super) hosts: Rows<'a>,
    pub(super) stacks: Rows<'a>,
    pub(super) edges: Rows<'a>,
    pub(super) host_seen: CachedStatement<'a>,
    pub(super) stack_seen: CachedStatement<'a>,
    pub(super) edge_seen: CachedStatement<'a>,
    pub(super) edge_evidence: CachedStatement<'a>,
    pub(super) forget_evidence: CachedStatement<'a>,
}

impl<'a> HostRows<'a> {
    pub(super) fn new(sql: &'a Connection) -> Result<Self> {
        Ok(Self {
            hosts: Rows::new(
                sql,
                "SELECT id FROM hosts WHERE ip = ?1",
                "INSERT INTO hosts (ip) VALUES (?1)",
            )?,
            stacks: Rows::new(
                sql,
                "SELECT id FROM client_stacks WHERE host = ?1 AND transport = ?2
                     AND coalesce(offer, 0) = coalesce(?3, 0)",
                "INSERT INTO client_stacks (host, transport, offer) VALUES (?1, ?2, ?3)",
            )?,
            edges: Rows::new(
                sql,
                "SELECT id FROM edges WHERE stack = ?1 AND server = ?2
                     AND coalesce(sni, '') = coalesce(?3, '') AND (sni IS NULL) = (?3 IS NULL)",
                "INSERT INTO edges (stack, server, sni) VALUES (?1, ?2, ?3)",
            )?,
            host_seen: sql.prepare_cached(
                "INSERT OR REPLACE INTO host_seen (source, host, macs, connections, first, last)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?,
            stack_seen: sql.prepare_cached(
                "INSERT OR REPLACE INTO stack_seen (source, stack, connections, first, last, hours,
                     days)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?,
            edge_seen: sql.prepare_cached(
                "INSERT OR REPLACE INTO edge_seen (source, edge, connections, first, last, failed,
                     starts, failures)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?,
            edge_evidence: sql.prepare_cached(
                "INSERT INTO edge_evidence (source, edge, evidence, connections, first, last)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?,
            forget_evidence: sql
                .prepare_cached("DELETE FROM edge_evidence WHERE source = ?1 AND edge = ?2")?,
        })
    }
}
