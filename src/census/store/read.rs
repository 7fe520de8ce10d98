//! Reading: the tables back into snapshots, one source at a time.
//!
//! A census file may come from anywhere: what does not read as the schema says is damage, never a
//! panic, and bounds hold for what is read as they do for what is captured.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use foldhash::fast::RandomState;
use rusqlite::{Connection, Row, params};

use crate::json::Kept;
use crate::limits::Limits;
use crate::naming::{NameSource, Said};
use crate::packet::{Address, Skip};
use crate::record::{Evidence, Tally};
use crate::tls::codepoint::{
    CipherSuite, ExtensionType, NamedGroup, ProtocolVersion, SignatureScheme,
};
use crate::tls::hello::{Offer, OfferId};
use crate::x509::{Certificate, Fingerprint};

use super::text;
use crate::census::growing::Mark;
use crate::census::{
    BinList, Bins, Coverage, Edge, EdgeKey, Host, Hours, KnownAs, Latency, Macs, Server, ServerKey,
    Snapshot, Sorted, SourceEntry, SourceKey, SourceKind, Stack, StackKey,
};

type Map<K, V> = HashMap<K, V, RandomState>;

/// Why a file cannot be read back.
#[derive(Debug)]
pub(super) enum Fault {
    /// SQLite says so.
    Sql(rusqlite::Error),
    /// A value of this table is none that a census holds.
    Value(&'static str),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

type Result<T> = std::result::Result<T, Fault>;

/// What the edges prove, by their rows.
type Proofs = Map<i64, Vec<(Arc<Evidence>, Tally)>>;

/// Reads one file; what its sources share it reads once.
#[derive(Debug)]
pub(super) struct Reader {
    limits: Limits,
    offers: Map<i64, OfferId>,
    servers: Map<i64, Arc<ServerKey>>,
    evidence: Map<i64, Arc<Evidence>>,
    names: Map<Box<str>, Arc<str>>,
}

impl Reader {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            limits: limits.clone(),
            offers: Map::default(),
            servers: Map::default(),
            evidence: Map::default(),
            names: Map::default(),
        }
    }

    /// What all sources share: offers and certificates.
    pub(super) fn shared(sql: &Connection) -> Result<Snapshot> {
        let mut snapshot = Snapshot::default();
        let mut statement = sql.prepare(offer_columns!())?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            if let Some(offer) = offer(row)?.ok_or(Fault::Value("offers"))? {
                snapshot.offers.insert(offer.id, Arc::new(offer));
            }
        }
        let mut statement = sql.prepare("SELECT sha256, der FROM certificates")?;
        let mut rows = statement.query([])?;
        let mut certificates = Vec::new();
        while let Some(row) = rows.next()? {
            let certificate = Certificate::parse(row.get_ref(1)?.as_blob().map_err(wrong)?);
            let named = text::to_fingerprint(&row.get::<_, String>(0)?);
            if named != Some(certificate.fingerprint()) {
                return Err(Fault::Value("certificates"));
            }
            certificates.push((certificate.fingerprint(), Arc::new(certificate)));
        }
        snapshot.certificates = certificates.into_iter().collect();
        Ok(snapshot)
    }

    /// The facts of one source; `None` if the file has none of it.
    pub(super) fn source(&mut self, sql: &Connection, key: &SourceKey) -> Result<Option<Snapshot>> {
        let Some((row, part)) = source(sql, key)? else { return Ok(None) };
        let mut evidence = self.edge_evidence(sql, row)?;
        let mut edges = self.edges(sql, row, &mut evidence)?;
        let mut stacks = self.stacks(sql, row, &mut edges)?;
        Ok(Some(Snapshot {
            hosts: self.hosts(sql, row, &mut stacks)?,
            servers: self.server_facts(sql, row)?,
            known: self.known(sql, row)?,
            ..part
        }))
    }

    /// What addresses are called.
    fn known(&self, sql: &Connection, source: i64) -> Result<BTreeMap<Address, KnownAs>> {
        let mut all: BTreeMap<Address, KnownAs> = BTreeMap::new();
        let mut statement = sql.prepare_cached(
            "SELECT first, last, ip, name, said_by FROM name_seen WHERE source = ?1",
        )?;
        let mut rows = statement.query([source])?;
        while let Some(row) = rows.next()? {
            let text = |at: usize| row.get_ref(at)?.as_str().map_err(wrong);
            let (Some(address), Some(source)) =
                (text::to_address(text(2)?), NameSource::from_name(text(4)?))
            else {
                return Err(Fault::Value("name_seen"));
            };
            let said = Said::Name { address, name: text(3)?.into(), source };
            all.entry(address).or_default().add(said, hours(row)?, &self.limits);
        }
        let mut statement =
            sql.prepare_cached("SELECT first, last, ip, mac FROM lease_seen WHERE source = ?1")?;
        let mut rows = statement.query([source])?;
        while let Some(row) = rows.next()? {
            let text = |at: usize| row.get_ref(at)?.as_str().map_err(wrong);
            let (Some(address), Some(mac)) = (text::to_address(text(2)?), text::to_mac(text(3)?))
            else {
                return Err(Fault::Value("lease_seen"));
            };
            let said = Said::Lease { address, mac };
            all.entry(address).or_default().add(said, hours(row)?, &self.limits);
        }
        Ok(all)
    }

    fn edge_evidence(&mut self, sql: &Connection, source: i64) -> Result<Proofs> {
        let mut all: Map<i64, Vec<_>> = Map::default();
        let mut statement = sql.prepare_cached(
            "SELECT connections, first, last, edge, evidence FROM edge_evidence WHERE source = ?1",
        )?;
        let mut rows = statement.query([source])?;
        while let Some(row) = rows.next()? {
            let evidence = self.evidence(sql, row.get(4)?)?;
            all.entry(row.get(3)?).or_default().push((evidence, tally(row)?));
        }
        Ok(all)
    }

    fn edges(
        &mut self,
        sql: &Connection,
        source: i64,
        evidence: &mut Proofs,
    ) -> Result<Map<i64, Vec<(EdgeKey, Edge)>>> {
        let mut all: Map<i64, Vec<_>> = Map::default();
        let mut statement = sql.prepare_cached(
            "SELECT connections, first, last, edge, failed, starts, failures, stack, server, sni
             FROM edge_seen JOIN edges ON edges.id = edge WHERE source = ?1",
        )?;
        let mut rows = statement.query([source])?;
        while let Some(row) = rows.next()? {
            let times = |at: usize| -> Result<_> {
                let mut list = text::to_moments(row.get_ref(at)?.as_str().map_err(wrong)?)
                    .ok_or(Fault::Value("edge_seen"))?;
                list.sort_unstable();
                list.dedup();
                list.truncate(self.limits.edge_attempts);
                Ok(list.into_iter().collect())
            };
            let edge = Edge {
                tally: tally(row)?,
                evidence: Sorted::collect(
                    evidence.remove(&row.get(3)?).unwrap_or_default(),
                    self.limits.edge_evidence,
                ),
                starts: times(5)?,
                failed: number(row, 4)?,
                failures: times(6)?,
                unsaved: Mark::default(),
            };
            let sni = row.get_ref(9)?.as_str_or_null().map_err(wrong)?;
            let key = EdgeKey {
                sni: sni.map(|name| self.name(name)),
                server: self.server(sql, row.get(8)?)?,
            };
            all.entry(row.get(7)?).or_default().push((key, edge));
        }
        Ok(all)
    }

    fn stacks(
        &mut self,
        sql: &Connection,
        source: i64,
        edges: &mut Map<i64, Vec<(EdgeKey, Edge)>>,
    ) -> Result<Map<i64, Vec<(StackKey, Stack)>>> {
        let mut all: Map<i64, Vec<_>> = Map::default();
        let mut statement = sql.prepare_cached(
            "SELECT connections, first, last, stack, hours, days, host, transport, offer
             FROM stack_seen JOIN client_stacks ON client_stacks.id = stack WHERE source = ?1",
        )?;
        let mut rows = statement.query([source])?;
        while let Some(row) = rows.next()? {
            let offer: Option<i64> = row.get(8)?;
            let key = StackKey {
                transport: text::to_transport(row.get_ref(7)?.as_str().map_err(wrong)?)
                    .ok_or(Fault::Value("client_stacks"))?,
                offer: offer.map(|id| self.offer(sql, id)).transpose()?,
            };
            let list = |text: &str| serde_json::from_str(text).ok().map(BinList::from_vec);
            let (hours, days): (Option<String>, Option<String>) = (row.get(4)?, row.get(5)?);
            let bins = match (hours, days) {
                (Some(hours), None) => list(&hours).map(Bins::Hours),
                (None, Some(days)) => list(&days).map(Bins::Days),
                _ => None,
            };
            let mut checked = Bins::default();
            checked.merge(&bins.ok_or(Fault::Value("stack_seen"))?, self.limits.stack_bins);
            let stack = Stack {
                tally: tally(row)?,
                bins: checked,
                edges: Sorted::collect(
                    edges.remove(&row.get(3)?).unwrap_or_default(),
                    self.limits.stack_edges,
                ),
            };
            all.entry(row.get(6)?).or_default().push((key, stack));
        }
        Ok(all)
    }

    fn hosts(
        &self,
        sql: &Connection,
        source: i64,
        stacks: &mut Map<i64, Vec<(StackKey, Stack)>>,
    ) -> Result<Vec<(Address, Host)>> {
        let mut all = Vec::new();
        let mut statement = sql.prepare_cached(
            "SELECT connections, first, last, host, macs, ip
             FROM host_seen JOIN hosts ON hosts.id = host WHERE source = ?1",
        )?;
        let mut rows = statement.query([source])?;
        while let Some(row) = rows.next()? {
            let ip = text::to_address(row.get_ref(5)?.as_str().map_err(wrong)?)
                .ok_or(Fault::Value("hosts"))?;
            let host = Host {
                macs: self.macs(row, 4)?,
                tally: tally(row)?,
                stacks: Sorted::collect(
                    stacks.remove(&row.get(3)?).unwrap_or_default(),
                    self.limits.host_stacks,
                ),
                gave_way: Mark::default(),
            };
            all.push((ip, host));
        }
        all.sort_unstable_by_key(|(ip, _)| *ip);
        Ok(all)
    }

    fn server_facts(
        &mut self,
        sql: &Connection,
        source: i64,
    ) -> Result<Vec<(Arc<ServerKey>, Server)>> {
        let mut all = Vec::new();
        let mut statement = sql.prepare_cached(
            "SELECT connections, first, last, server, macs, handshake_us
             FROM server_seen WHERE source = ?1",
        )?;
        let mut rows = statement.query([source])?;
        while let Some(row) = rows.next()? {
            let server = Server {
                macs: self.macs(row, 4)?,
                tally: tally(row)?,
                latency: latency(row.get_ref(5)?.as_str().map_err(wrong)?)?,
            };
            all.push((self.server(sql, row.get(3)?)?, server));
        }
        all.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
        Ok(all)
    }

    fn macs(&self, row: &Row<'_>, at: usize) -> Result<Macs> {
        let text = row.get_ref(at)?.as_str().map_err(wrong)?;
        let mut macs = text::to_macs(text).ok_or(Fault::Value("macs"))?;
        macs.sort_unstable();
        macs.dedup();
        macs.truncate(self.limits.host_macs);
        Ok(macs.into_iter().collect())
    }

    fn name(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.names.get(name) {
            return Arc::clone(known);
        }
        let shared: Arc<str> = name.into();
        self.names.insert(name.into(), Arc::clone(&shared));
        shared
    }

    fn offer(&mut self, sql: &Connection, id: i64) -> Result<OfferId> {
        if let Some(known) = self.offers.get(&id) {
            return Ok(*known);
        }
        let identity: String = sql
            .prepare_cached("SELECT identity FROM offers WHERE id = ?1")?
            .query_row([id], |row| row.get(0))?;
        let offer = text::to_offer_id(&identity).ok_or(Fault::Value("offers"))?;
        self.offers.insert(id, offer);
        Ok(offer)
    }

    fn server(&mut self, sql: &Connection, id: i64) -> Result<Arc<ServerKey>> {
        if let Some(known) = self.servers.get(&id) {
            return Ok(Arc::clone(known));
        }
        let (ip, port, target, application): (String, u16, Option<String>, Option<String>) = sql
            .prepare_cached("SELECT ip, port, target, application FROM servers WHERE id = ?1")?
            .query_row([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
        let key = Arc::new(ServerKey {
            ip: text::to_address(&ip).ok_or(Fault::Value("servers"))?,
            port,
            target: target.map(String::into_boxed_str),
            application: application.map(std::borrow::Cow::Owned),
        });
        self.servers.insert(id, Arc::clone(&key));
        Ok(key)
    }

    fn evidence(&mut self, sql: &Connection, id: i64) -> Result<Arc<Evidence>> {
        if let Some(known) = self.evidence.get(&id) {
            return Ok(Arc::clone(known));
        }
        let mut statement = sql.prepare_cached(
            "SELECT transport, offers.identity, version, cipher_suite, \"group\", sentinel,
                 retry_only, resumed, outcome, alerts, server.certificates, client.certificates,
                 certificate_requested, evasion, answer_unseen, chain_cut
             FROM evidence
             LEFT JOIN offers ON offers.id = offer
             LEFT JOIN chains AS server ON server.id = chain
             LEFT JOIN chains AS client ON client.id = client_chain
             WHERE evidence.id = ?1",
        )?;
        let evidence = statement.query_row([id], |row| Ok(evidence(row)))?;
        let evidence = Arc::new(evidence?.ok_or(Fault::Value("evidence"))?);
        self.evidence.insert(id, Arc::clone(&evidence));
        Ok(evidence)
    }
}

/// The sources of a file.
pub(super) fn sources(sql: &Connection) -> Result<Vec<SourceKey>> {
    let mut statement = sql.prepare("SELECT sensor, kind, identity FROM sources")?;
    let mut rows = statement.query([])?;
    let mut keys = Vec::new();
    while let Some(row) = rows.next()? {
        let kind: String = row.get(1)?;
        keys.push(SourceKey {
            sensor: row.get(0)?,
            kind: SourceKind::ALL
                .into_iter()
                .find(|one| one.name() == kind)
                .ok_or(Fault::Value("sources"))?,
            id: row.get(2)?,
        });
    }
    keys.sort_unstable();
    Ok(keys)
}

/// The row of a source: its number, and what it says of the source.
fn source(sql: &Connection, key: &SourceKey) -> Result<Option<(i64, Snapshot)>> {
    let mut statement = sql.prepare_cached(
        "SELECT id, name, has_identity, first, last, packets, bytes, cut, dropped, flows,
             midstream, evicted, fault, skipped, coverage, handshake_us, lost,
             notes
         FROM sources WHERE sensor = ?1 AND kind = ?2 AND identity = ?3",
    )?;
    let mut rows = statement.query(params![key.sensor, key.kind.name(), key.id])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let time = |at: usize| -> Result<_> { Ok(row.get::<_, Option<i64>>(at)?.map(text::to_moment)) };
    let mut entry = SourceEntry::new(Arc::clone(&key.sensor), key.kind, row.get(1)?);
    entry.id = row.get::<_, bool>(2)?.then(|| key.id.to_string());
    entry.first = time(3)?;
    entry.last = time(4)?;
    entry.packets = number(row, 5)?;
    entry.bytes = number(row, 6)?;
    entry.cut = number(row, 7)?;
    entry.dropped = number(row, 8)?;
    entry.flows = number(row, 9)?;
    entry.midstream = number(row, 10)?;
    entry.evicted = number(row, 11)?;
    entry.fault = row.get(12)?;
    let counters = |at: usize| -> Result<Vec<(String, u64)>> {
        let text = row.get_ref(at)?.as_str().map_err(wrong)?;
        let map: BTreeMap<String, u64> =
            serde_json::from_str(text).map_err(|_| Fault::Value("sources"))?;
        Ok(map.into_iter().collect())
    };
    for (name, count) in counters(13)? {
        let reason = Skip::ALL.into_iter().find(|skip| skip.name() == name);
        entry.skipped.insert(reason.ok_or(Fault::Value("sources"))?, count);
    }
    let mut coverage = Coverage::default();
    for (name, count) in counters(14)? {
        if !coverage.set(&name, count) {
            return Err(Fault::Value("sources"));
        }
    }
    for (name, count) in counters(16)? {
        let known = entry.lost.counters().into_iter().find(|(known, _)| *known == name);
        *known.ok_or(Fault::Value("sources"))?.1 = count;
    }
    for (name, count) in counters(17)? {
        if !entry.notes.set(&name, count) {
            return Err(Fault::Value("sources"));
        }
    }
    let latency = latency(row.get_ref(15)?.as_str().map_err(wrong)?)?;
    let part = Snapshot { coverage, latency, sources: vec![entry], ..Snapshot::default() };
    Ok(Some((row.get(0)?, part)))
}

/// `connections, first, last` as the first columns.
fn tally(row: &Row<'_>) -> Result<Tally> {
    Ok(Tally {
        connections: number(row, 0)?,
        first: text::to_moment(row.get(1)?),
        last: text::to_moment(row.get(2)?),
    })
}

/// `first, last` as the first columns.
fn hours(row: &Row<'_>) -> Result<Hours> {
    Ok(Hours { first: text::to_moment(row.get(0)?), last: text::to_moment(row.get(1)?) })
}

/// The largest counter that is believed: JSON and spreadsheets hold it exactly, and millions of
/// them that are honest can be added up.
const MOST: u64 = 1 << 53;

fn number(row: &Row<'_>, at: usize) -> Result<u64> {
    let number = u64::try_from(row.get::<_, i64>(at)?).ok().filter(|number| *number <= MOST);
    number.ok_or(Fault::Value("a counter"))
}

fn latency(text: &str) -> Result<Latency> {
    let samples: Vec<(u64, u64)> =
        serde_json::from_str(text).map_err(|_| Fault::Value("handshake_us"))?;
    Ok(Latency::from_samples(samples))
}

fn wrong(_: rusqlite::types::FromSqlError) -> Fault {
    Fault::Value("a column's type")
}

/// Evidence; `None` where it does not read as the schema says.
fn evidence(row: &Row<'_>) -> std::result::Result<Option<Evidence>, Fault> {
    let word = |at: usize| row.get::<_, Option<String>>(at);
    let known = || -> std::result::Result<Option<Evidence>, rusqlite::Error> {
        // What is there must be read; what is not is `None`.
        macro_rules! optional {
            ($at:expr, $read:expr) => {
                match word($at)? {
                    None => None,
                    Some(text) => match $read(&text) {
                        None => return Ok(None),
                        value => value,
                    },
                }
            };
        }
        let chain = |text: &str| -> Option<Vec<Fingerprint>> {
            let list: Vec<String> = serde_json::from_str(text).ok()?;
            list.iter().map(|one| text::to_fingerprint(one)).collect()
        };
        let transport = optional!(0, text::to_transport);
        let outcome = optional!(8, text::to_outcome);
        let alerts = optional!(9, text::to_alerts);
        let (Some(transport), Some(outcome), Some(alerts)) = (transport, outcome, alerts) else {
            return Ok(None);
        };
        Ok(Some(Evidence {
            transport,
            offer: optional!(1, text::to_offer_id),
            version: optional!(2, text::to_version),
            cipher_suite: optional!(3, |text| text::to_code(text).map(CipherSuite)),
            group: optional!(4, |text| text::to_code16(text).map(NamedGroup)),
            sentinel: optional!(5, text::to_version),
            retry_only: row.get(6)?,
            resumed: row.get(7)?,
            outcome,
            alerts,
            certificates: optional!(10, chain).unwrap_or_default(),
            client_certificates: optional!(11, chain).unwrap_or_default(),
            certificate_requested: row.get(12)?,
            evasion: optional!(13, text::to_evasion).unwrap_or_default(),
            answer_unseen: row.get(14)?,
            chain_cut: row.get(15)?,
        }))
    };
    known().map_err(Fault::Sql)
}

/// An offer: the outer `None` is damage, the inner one a row with nothing but an identity.
#[expect(clippy::option_option, reason = "damage and absence are different things")]
pub(super) fn offer(row: &Row<'_>) -> rusqlite::Result<Option<Option<Offer>>> {
    if row.get_ref(1)? == rusqlite::types::ValueRef::Null {
        return Ok(Some(None));
    }
    let word = |at: usize| row.get::<_, Option<String>>(at);
    let words: Vec<Option<String>> = (0..16)
        .map(|at| if matches!(at, 5 | 6) { Ok(None) } else { word(at) })
        .collect::<rusqlite::Result<_>>()?;
    let (sslv2_format, truncated) = (row.get(5)?, row.get(6)?);
    let read = || -> Option<Offer> {
        let at = |index: usize| words.get(index).and_then(Option::as_deref);
        let small = |code: u32| u16::try_from(code).ok();
        let version = |code| small(code).map(ProtocolVersion);
        let group = |code| small(code).map(NamedGroup);
        let scheme = |code| small(code).map(SignatureScheme);
        Some(Offer {
            legacy_version: text::to_version(at(4)?)?,
            sslv2_format,
            truncated,
            supported_versions: match at(7) {
                None => None,
                Some(text) => Some(text::to_codes(text, version)?),
            },
            cipher_suites: text::to_codes(at(8)?, |code| Some(CipherSuite(code)))?,
            compression_methods: serde_json::from_str(at(9)?).ok()?,
            extensions: text::to_codes(at(10)?, |code| small(code).map(ExtensionType))?,
            groups: match at(11) {
                None => None,
                Some(text) => Some(text::to_codes(text, group)?),
            },
            point_formats: serde_json::from_str(at(12)?).ok()?,
            key_shares: text::to_codes(at(13)?, group)?,
            signature_algorithms: match at(14) {
                None => None,
                Some(text) => Some(text::to_codes(text, scheme)?),
            },
            alpn: text::to_alpn(at(15)?)?,
            ja3_raw: at(3)?.to_owned(),
            ja3: at(2)?.to_owned(),
            ja4: at(1)?.to_owned(),
            id: text::to_offer_id(at(0)?)?,
            kept: Kept::default(),
        })
    };
    Ok(read().map(Some))
}
