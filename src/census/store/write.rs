//! Writing: the facts of one source into the tables, in place of what was there of it.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use aws_lc_rs::digest;
use foldhash::fast::RandomState;
use rusqlite::{Connection, OptionalExtension, Params, params};

use crate::packet::Address;
use crate::record::{Evidence, Tally};
use crate::tls::hello::{Offer, OfferId};
use crate::x509::{Certificate, Fingerprint};

use super::rows::{HostRows, Row, Rows};
use super::text::{self, int, json, moment};
use crate::census::offers::form;
use crate::census::{
    Bins, Edge, EdgeKey, Host, KnownAs, Latency, Server, ServerKey, Snapshot, SourceEntry, Stack,
    StackKey,
};

type Result<T> = rusqlite::Result<T>;

/// The tables of facts per source.
const FACTS: [&str; 7] = [
    "host_seen",
    "stack_seen",
    "server_seen",
    "edge_seen",
    "edge_evidence",
    "name_seen",
    "lease_seen",
];

/// Replace everything that is known of a source.
pub(super) fn replace(sql: &Connection, entry: &SourceEntry, part: &Snapshot) -> Result<()> {
    let source = source(sql, entry, part)?;
    for table in FACTS {
        sql.execute(&format!("DELETE FROM {table} WHERE source = ?1"), [source])?;
    }
    write(sql, source, part, false)
}

/// Replace what is known of the hosts, edges and servers that have changed, and the totals.
pub(super) fn update(sql: &Connection, entry: &SourceEntry, changes: &Snapshot) -> Result<()> {
    let source = source(sql, entry, changes)?;
    write(sql, source, changes, true)
}

/// Write what `part` lists of a source, of which the tables may tell something `already`.
fn write(sql: &Connection, source: i64, part: &Snapshot, already: bool) -> Result<()> {
    let mut writer = Writer::new(sql, source, already)?;
    for offer in part.offers.values() {
        writer.offer(offer)?;
    }
    for certificate in part.certificates.iter() {
        writer.certificate(certificate)?;
    }
    for (ip, known) in &part.known {
        writer.known(*ip, known)?;
    }
    for (key, server) in &part.servers {
        writer.server(key, server)?;
    }
    for (ip, host) in &part.hosts {
        writer.host(*ip, host)?;
    }
    Ok(())
}

/// The row of a source, brought up to date.
fn source(sql: &Connection, entry: &SourceEntry, part: &Snapshot) -> Result<i64> {
    let key = entry.identity();
    let skipped: serde_json::Map<String, serde_json::Value> = entry
        .skipped
        .iter()
        .map(|(reason, count)| (reason.name().to_owned(), (*count).into()))
        .collect();
    let mut counts = entry.lost;
    let lost: serde_json::Map<String, serde_json::Value> = counts
        .counters()
        .into_iter()
        .filter(|(_, count)| **count > 0)
        .map(|(name, count)| (name.to_owned(), (*count).into()))
        .collect();
    let notes: serde_json::Map<String, serde_json::Value> = entry
        .notes
        .counters()
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| (name.to_owned(), count.into()))
        .collect();
    let coverage: serde_json::Map<String, serde_json::Value> =
        part.coverage.counters().map(|(name, count)| (name.to_owned(), count.into())).collect();
    sql.query_row(
        "INSERT INTO sources (sensor, kind, identity, name, has_identity, first, last, packets,
             bytes, cut, dropped, flows, midstream, evicted, fault, skipped, coverage, handshake_us,
             lost, notes)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18,
             ?19, ?20)
         ON CONFLICT (sensor, kind, identity) DO UPDATE SET
             name = excluded.name, first = excluded.first, last = excluded.last,
             packets = excluded.packets, bytes = excluded.bytes, cut = excluded.cut,
             dropped = excluded.dropped, flows = excluded.flows, midstream = excluded.midstream,
             evicted = excluded.evicted, fault = excluded.fault, skipped = excluded.skipped,
             coverage = excluded.coverage, handshake_us = excluded.handshake_us,
             lost = excluded.lost, notes = excluded.notes
         RETURNING id",
        params![
            entry.sensor,
            entry.kind.name(),
            key.id,
            entry.name,
            entry.id.is_some(),
            entry.first.map(moment),
            entry.last.map(moment),
            int(entry.packets),
            int(entry.bytes),
            int(entry.cut),
            int(entry.dropped),
            int(entry.flows),
            int(entry.midstream),
            int(entry.evicted),
            entry.fault,
            json(&skipped),
            json(&coverage),
            samples(&part.latency),
            json(&lost),
            json(&notes),
        ],
        |row| row.get(0),
    )
}

/// A distribution as `[[microseconds, handshakes], …]`.
fn samples(latency: &Latency) -> String {
    json(&latency.samples())
}

/// Writes the facts of one source; what it has written or found of the shared tables it remembers.
struct Writer<'a> {
    sql: &'a Connection,
    source: i64,
    already: bool,
    offers: HashMap<OfferId, i64, RandomState>,
    servers: HashMap<Arc<ServerKey>, i64, RandomState>,
    chains: HashMap<Vec<Fingerprint>, i64, RandomState>,
    evidence: HashMap<Arc<Evidence>, i64, RandomState>,
    rows: HostRows<'a>,
}

impl<'a> Writer<'a> {
    fn new(sql: &'a Connection, source: i64, already: bool) -> Result<Self> {
        Ok(Self {
            sql,
            source,
            already,
            offers: HashMap::default(),
            servers: HashMap::default(),
            chains: HashMap::default(),
            evidence: HashMap::default(),
            rows: HostRows::new(sql)?,
        })
    }

    /// The row of something shared, made if it is new.
    fn shared(&self, select: &str, insert: &str, values: impl Params + Clone) -> Result<i64> {
        Rows::new(self.sql, select, insert)?.row(values).map(|row| row.id)
    }

    fn run(&self, statement: &str, values: impl Params) -> Result<()> {
        self.sql.prepare_cached(statement)?.execute(values).map(drop)
    }

    /// The row of an offer by its identity alone.
    fn offer_row(&mut self, id: OfferId) -> Result<i64> {
        if let Some(row) = self.offers.get(&id) {
            return Ok(*row);
        }
        let identity = id.to_string();
        let row = self.shared(
            "SELECT id FROM offers WHERE identity = ?1",
            "INSERT INTO offers (identity) VALUES (?1)",
            [&identity],
        )?;
        self.offers.insert(id, row);
        Ok(row)
    }

    /// Of all hellos of one identity the smallest form stands in the table.
    fn offer(&mut self, offer: &Offer) -> Result<()> {
        let row = self.offer_row(offer.id)?;
        let known = self
            .sql
            .prepare_cached(concat!(offer_columns!(), " WHERE id = ?1"))?
            .query_row([row], super::read::offer)?;
        if let Some(Some(known)) = known
            && form(&known) <= form(offer)
        {
            return Ok(());
        }
        let max = offer.max_version();
        self.run(
            "UPDATE offers SET ja4 = ?2, ja3 = ?3, ja3_raw = ?4, legacy_version = ?5,
                 max_version = ?6, max_rank = ?7, sslv2_format = ?8, truncated = ?9,
                 supported_versions = ?10, cipher_suites = ?11, compression_methods = ?12,
                 extensions = ?13, groups = ?14, point_formats = ?15, key_shares = ?16,
                 signature_algorithms = ?17, alpn = ?18
             WHERE id = ?1",
            params![
                row,
                offer.ja4,
                offer.ja3,
                offer.ja3_raw,
                offer.legacy_version.to_string(),
                max.map(|version| version.to_string()),
                max.and_then(text::rank),
                offer.sslv2_format,
                offer.truncated,
                offer.supported_versions.as_ref().map(|list| text::codes(list, |one| one.0.into())),
                text::codes(&offer.cipher_suites, |one| one.0),
                json(&offer.compression_methods),
                text::codes(&offer.extensions, |one| one.0.into()),
                offer.groups.as_ref().map(|list| text::codes(list, |one| one.0.into())),
                json(&offer.point_formats),
                text::codes(&offer.key_shares, |one| one.0.into()),
                offer
                    .signature_algorithms
                    .as_ref()
                    .map(|list| text::codes(list, |one| one.0.into())),
                text::alpn(&offer.alpn),
            ],
        )
    }

    fn certificate(&self, certificate: &Certificate) -> Result<()> {
        self.run(
            "INSERT INTO certificates (sha256, der, sha1, subject, issuer, serial, not_before,
                 not_after, key, signature, san, ca, self_issued)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
             ON CONFLICT DO NOTHING",
            params![
                certificate.fingerprint().to_string(),
                certificate.der(),
                text::hex(&certificate.sha1()),
                certificate.subject(),
                certificate.issuer(),
                certificate.serial(),
                certificate.not_before().map(|time| time.to_string()),
                certificate.not_after().map(|time| time.to_string()),
                certificate.key().to_string(),
                certificate.signature(),
                json(certificate.san()),
                certificate.is_ca(),
                certificate.is_self_issued(),
            ],
        )
    }

    /// What an address is called; names only become more.
    fn known(&self, ip: Address, known: &KnownAs) -> Result<()> {
        let ip = ip.to_string();
        for ((name, said_by), hours) in known.names.iter() {
            self.run(
                "INSERT INTO name_seen (source, ip, name, said_by, first, last)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT DO UPDATE SET first = excluded.first, last = excluded.last",
                params![
                    self.source,
                    ip,
                    name,
                    said_by.name(),
                    moment(hours.first),
                    moment(hours.last)
                ],
            )?;
        }
        for (mac, hours) in known.leases.iter() {
            self.run(
                "INSERT INTO lease_seen (source, ip, mac, first, last) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT DO UPDATE SET first = excluded.first, last = excluded.last",
                params![self.source, ip, mac.to_string(), moment(hours.first), moment(hours.last)],
            )?;
        }
        Ok(())
    }

    fn server_row(&mut self, key: &Arc<ServerKey>) -> Result<i64> {
        if let Some(row) = self.servers.get(key) {
            return Ok(*row);
        }
        let row = self.shared(
            "SELECT id FROM servers WHERE ip = ?1 AND port = ?2
                 AND coalesce(target, '') = coalesce(?3, '') AND (target IS NULL) = (?3 IS NULL)
                 AND coalesce(application, '') = coalesce(?4, '')
                 AND (application IS NULL) = (?4 IS NULL)",
            "INSERT INTO servers (ip, port, target, application) VALUES (?1, ?2, ?3, ?4)",
            (key.ip.to_string(), key.port, key.target.as_deref(), key.application.as_deref()),
        )?;
        self.servers.insert(Arc::clone(key), row);
        Ok(row)
    }

    fn server(&mut self, key: &Arc<ServerKey>, server: &Server) -> Result<()> {
        let row = self.server_row(key)?;
        let Tally { connections, first, last } = server.tally;
        self.run(
            "INSERT OR REPLACE INTO server_seen (source, server, macs, connections, first, last, handshake_us)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                self.source,
                row,
                text::macs(&server.macs),
                int(connections),
                moment(first),
                moment(last),
                samples(&server.latency)
            ],
        )
    }

    /// Forget what the source told of a host: bounds may have let go of a part of it.
    fn forget(&self, host: i64) -> Result<()> {
        for statement in [
            "DELETE FROM edge_evidence WHERE source = ?1 AND edge IN (SELECT edges.id FROM edges
                 JOIN client_stacks ON client_stacks.id = edges.stack WHERE host = ?2)",
            "DELETE FROM edge_seen WHERE source = ?1 AND edge IN (SELECT edges.id FROM edges
                 JOIN client_stacks ON client_stacks.id = edges.stack WHERE host = ?2)",
            "DELETE FROM stack_seen WHERE source = ?1
                 AND stack IN (SELECT id FROM client_stacks WHERE host = ?2)",
            "DELETE FROM host_seen WHERE source = ?1 AND host = ?2",
        ] {
            self.run(statement, [self.source, host])?;
        }
        Ok(())
    }

    fn host(&mut self, ip: Address, host: &Host) -> Result<()> {
        let row = self.rows.hosts.row([ip.to_string()])?;
        if self.already && host.gave_way.is_set() {
            self.forget(row.id)?;
        }
        let Tally { connections, first, last } = host.tally;
        self.rows.host_seen.execute(params![
            self.source,
            row.id,
            text::macs(&host.macs),
            int(connections),
            moment(first),
            moment(last)
        ])?;
        for (key, stack) in host.stacks.iter() {
            self.stack(row, key, stack)?;
        }
        Ok(())
    }

    fn stack(&mut self, host: Row, key: &StackKey, stack: &Stack) -> Result<()> {
        let offer = key.offer.map(|id| self.offer_row(id)).transpose()?;
        let row = self.rows.stacks.row_under(host, (host.id, key.transport.name(), offer))?;
        let Tally { connections, first, last } = stack.tally;
        let (hours, days) = match &stack.bins {
            Bins::Hours(hours) => (Some(json(&**hours)), None),
            Bins::Days(days) => (None, Some(json(&**days))),
        };
        self.rows.stack_seen.execute(params![
            self.source,
            row.id,
            int(connections),
            moment(first),
            moment(last),
            hours,
            days
        ])?;
        for (key, edge) in stack.edges.iter() {
            self.edge(row, key, edge)?;
        }
        Ok(())
    }

    fn edge(&mut self, stack: Row, key: &EdgeKey, edge: &Edge) -> Result<()> {
        let server = self.server_row(&key.server)?;
        let row = self.rows.edges.row_under(stack, (stack.id, server, key.sni.as_deref()))?;
        let Tally { connections, first, last } = edge.tally;
        self.rows.edge_seen.execute(params![
            self.source,
            row.id,
            int(connections),
            moment(first),
            moment(last),
            int(edge.failed),
            text::moments(&edge.starts),
            text::moments(&edge.failures)
        ])?;
        if self.already && !row.fresh {
            self.rows.forget_evidence.execute([self.source, row.id])?;
        }
        for (evidence, tally) in edge.evidence.iter() {
            let evidence = self.evidence_row(evidence)?;
            let Tally { connections, first, last } = *tally;
            self.rows.edge_evidence.execute(params![
                self.source,
                row.id,
                evidence,
                int(connections),
                moment(first),
                moment(last)
            ])?;
        }
        Ok(())
    }

    fn chain_row(&mut self, chain: &[Fingerprint]) -> Result<Option<i64>> {
        if chain.is_empty() {
            return Ok(None);
        }
        if let Some(row) = self.chains.get(chain) {
            return Ok(Some(*row));
        }
        let row = self.shared(
            "SELECT id FROM chains WHERE certificates = ?1",
            "INSERT INTO chains (certificates) VALUES (?1)",
            [json(chain)],
        )?;
        self.chains.insert(chain.to_vec(), row);
        Ok(Some(row))
    }

    fn evidence_row(&mut self, evidence: &Arc<Evidence>) -> Result<i64> {
        if let Some(row) = self.evidence.get(evidence) {
            return Ok(*row);
        }
        let identity = identity(evidence);
        let known = self
            .sql
            .prepare_cached("SELECT id FROM evidence WHERE identity = ?1")?
            .query_row([&identity], |row| row.get(0))
            .optional()?;
        let row = match known {
            Some(row) => row,
            None => self.new_evidence(&identity, evidence)?,
        };
        self.evidence.insert(Arc::clone(evidence), row);
        Ok(row)
    }

    fn new_evidence(&mut self, identity: &str, evidence: &Evidence) -> Result<i64> {
        let offer = evidence.offer.map(|id| self.offer_row(id)).transpose()?;
        let chain = self.chain_row(&evidence.certificates)?;
        let client_chain = self.chain_row(&evidence.client_certificates)?;
        self.sql
            .prepare_cached(
                "INSERT INTO evidence (identity, transport, offer, version, version_rank,
                     cipher_suite, cipher_suite_name, \"group\", sentinel, retry_only, resumed,
                     outcome, alerts, chain, client_chain, certificate_requested,
                     evasion, answer_unseen, chain_cut)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18,
                     ?19)",
            )?
            .insert(params![
                identity,
                evidence.transport.name(),
                offer,
                evidence.version.map(|version| version.to_string()),
                evidence.version.and_then(text::rank),
                evidence.cipher_suite.map(text::suite),
                evidence.cipher_suite.and_then(crate::tls::codepoint::CipherSuite::name),
                evidence.group.map(|group| format!("0x{:04x}", group.0)),
                evidence.sentinel.map(|version| version.to_string()),
                evidence.retry_only,
                evidence.resumed,
                evidence.outcome.name(),
                text::alerts(&evidence.alerts),
                chain,
                client_chain,
                evidence.certificate_requested,
                text::evasion(&evidence.evasion),
                evidence.answer_unseen,
                evidence.chain_cut,
            ])
    }
}

/// What makes two pieces of evidence the same: a hash over all that they hold.
fn identity(evidence: &Evidence) -> String {
    let Evidence {
        transport,
        offer,
        version,
        cipher_suite,
        group,
        sentinel,
        retry_only,
        resumed,
        outcome,
        alerts,
        certificates,
        client_certificates,
        certificate_requested,
        evasion,
        answer_unseen,
        chain_cut,
    } = evidence;
    let mut all = String::new();
    let _ = write!(
        all,
        "{} {offer:?} {:?} {:?} {:?} {:?} {retry_only} {resumed} {} {} {} {} {}",
        transport.name(),
        version.map(|one| one.0),
        cipher_suite.map(|one| one.0),
        group.map(|one| one.0),
        sentinel.map(|one| one.0),
        outcome.name(),
        text::alerts(alerts),
        json(certificates),
        json(client_certificates),
        certificate_requested,
    );
    // Only where there is one: files of before this was known keep their identities.
    if let Some(signs) = text::evasion(evasion) {
        all.push_str(&signs);
    }
    if *answer_unseen {
        all.push_str(" unseen");
    }
    if *chain_cut {
        all.push_str(" cut");
    }
    let hash = digest::digest(&digest::SHA256, all.as_bytes());
    text::hex(hash.as_ref().get(..16).unwrap_or_default())
}
