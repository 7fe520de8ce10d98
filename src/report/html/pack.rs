//! [`Pack`]: hosts, servers and certificates as compact data for the script of the page.
//!
//! Every text stands once, in a list, and rows name it by its place; stacks that offer the same and
//! are judged the same (thousands of hosts share few offers) share one description. Rows are lists,
//! not objects: their fields stand in the order of the functions here, and of `script/data.js`. A
//! pack stands alone, whether it holds every host or one page of them.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::Arc;

use foldhash::fast::RandomState;
use serde::Serialize;

use super::columns::{
    CertificateRow, ChainRow, ClientRow, Counts, EdgeRow, FindingRow, Found, KindRow, OfferRow,
    Remedies, ServerRow, StackRow, Text,
};
use super::edges::Peers;
use super::rows;
use crate::packet::Mac;
use crate::policy::{Outcome, Reason};
use crate::report::exceptions::Excepted;
use crate::report::inventory::{
    CertificateLine, Client, Edge, EdgeVerdict, Finding, Inventory, PolicyLine, Remedy, Server,
    ServerName, Stack,
};
use crate::report::text::printable;
use crate::report::vendors;
use crate::tls::codepoint::{CipherSuite, NamedGroup, ProtocolVersion, SignatureScheme};
use crate::tls::hello::Offer;
use crate::x509::CertificateTime;
use crate::x509::chain::ChainReport;

/// The data of a page, or of a part of it.
#[derive(Debug, Serialize)]
pub struct Pack {
    /// Every text, once; the first is the empty one.
    text: Vec<String>,
    policies: Vec<(String, String)>,
    /// How stacks speak and what becomes of them.
    kinds: Vec<KindRow>,
    /// What they offer.
    offers: Vec<OfferRow>,
    findings: Vec<FindingRow>,
    chains: Vec<ChainRow>,
    clients: Vec<ClientRow>,
    servers: Vec<ServerRow>,
    certificates: Vec<CertificateRow>,
}

/// Rows of one of the tables.
#[derive(Clone, Debug)]
pub enum Rows<'a> {
    /// Of client hosts.
    Clients(Vec<&'a Client>),
    /// Of servers.
    Servers(Vec<&'a Server>),
    /// Of certificates.
    Certificates(Vec<&'a CertificateLine>),
}

impl Pack {
    /// All of an inventory.
    pub(super) fn of(inventory: &Inventory) -> Self {
        let peers = Peers::of(inventory);
        let tables = [
            Rows::Clients(inventory.clients.iter().collect()),
            Rows::Servers(inventory.servers.iter().collect()),
            Rows::Certificates(inventory.certificates.iter().collect()),
        ];
        Self::filled(inventory, &peers, tables)
    }

    /// Some rows of an inventory, whose peers these are.
    pub fn page(inventory: &Inventory, peers: &Peers, rows: Rows<'_>) -> Self {
        Self::filled(inventory, peers, [rows])
    }

    fn filled<'a>(
        inventory: &Inventory,
        peers: &Peers,
        tables: impl IntoIterator<Item = Rows<'a>>,
    ) -> Self {
        let mut packer = Packer::new(&inventory.policies);
        let edges = &inventory.edges;
        let (mut clients, mut servers, mut certificates) = (Vec::new(), Vec::new(), Vec::new());
        for table in tables {
            match table {
                Rows::Clients(rows) => {
                    clients.extend(rows.iter().map(|one| packer.client(one, peers, edges)));
                }
                Rows::Servers(rows) => {
                    servers.extend(rows.iter().map(|one| packer.server(one, peers, edges)));
                }
                Rows::Certificates(rows) => {
                    certificates.extend(rows.iter().map(|one| packer.certificate(one)));
                }
            }
        }
        packer.finish(clients, servers, certificates)
    }
}

/// Clients that are named of a server; the others are counted.
const CLIENTS_OF_A_SERVER: usize = 200;

/// Lists things once each, and says where.
struct Listed<T> {
    places: HashMap<T, usize, RandomState>,
    values: Vec<T>,
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self { places: HashMap::default(), values: Vec::new() }
    }
}

impl<T: Clone + Eq + Hash> Listed<T> {
    fn place(&mut self, value: T) -> usize {
        if let Some(place) = self.places.get(&value) {
            return *place;
        }
        let place = self.values.len();
        self.places.insert(value.clone(), place);
        self.values.push(value);
        place
    }
}

/// Something that many lines of an inventory share, by its address: what was made of it once need not
/// be made again.
type At = usize;

fn address<T: ?Sized>(shared: &Arc<T>) -> At {
    Arc::as_ptr(shared).cast::<()>().addr()
}

fn maybe<T: ?Sized>(shared: Option<&Arc<T>>) -> At {
    shared.map_or(0, address)
}

/// What was met before, by the addresses of all that goes into it.
#[derive(Default)]
struct Met {
    offers: HashMap<At, i64, RandomState>,
    kinds: HashMap<Vec<At>, usize, RandomState>,
    findings: HashMap<[At; 6], usize, RandomState>,
    counts: HashMap<At, Counts, RandomState>,
    suites: HashMap<At, Counts, RandomState>,
    servers: HashMap<At, Text, RandomState>,
    outcomes: HashMap<At, Arc<str>, RandomState>,
}

/// A pack that is being filled.
struct Packer {
    places: HashMap<String, usize, RandomState>,
    text: Vec<String>,
    policies: Vec<(String, String)>,
    ids: Vec<Arc<str>>,
    kinds: Listed<KindRow>,
    offers: Listed<OfferRow>,
    findings: Listed<FindingRow>,
    chains: Listed<ChainRow>,
    met: Met,
}

impl Packer {
    fn new(policies: &[PolicyLine]) -> Self {
        let printed = |text: &str| printable(text).into_owned();
        let mut packer = Self {
            places: HashMap::default(),
            text: Vec::new(),
            policies: policies.iter().map(|one| (printed(&one.id), printed(&one.title))).collect(),
            ids: policies.iter().map(|policy| Arc::clone(&policy.id)).collect(),
            kinds: Listed::default(),
            offers: Listed::default(),
            findings: Listed::default(),
            chains: Listed::default(),
            met: Met::default(),
        };
        packer.text("");
        packer
    }

    fn finish(
        self,
        clients: Vec<ClientRow>,
        servers: Vec<ServerRow>,
        certificates: Vec<CertificateRow>,
    ) -> Pack {
        Pack {
            text: self.text,
            policies: self.policies,
            kinds: self.kinds.values,
            offers: self.offers.values,
            findings: self.findings.values,
            chains: self.chains.values,
            clients,
            servers,
            certificates,
        }
    }

    /// The place of a text, made safe to be shown.
    fn text(&mut self, text: &str) -> usize {
        let text = printable(text);
        if let Some(place) = self.places.get(&*text) {
            return *place;
        }
        let place = self.text.len();
        self.places.insert(text.clone().into_owned(), place);
        self.text.push(text.into_owned());
        place
    }

    /// What can be said of a MAC address.
    fn maker(&mut self, mac: Option<Mac>, vendor: Option<&str>) -> usize {
        vendors::words(mac, vendor).map_or(0, |words| self.text(&words))
    }

    fn texts<'t>(&mut self, texts: impl IntoIterator<Item = &'t str>) -> Vec<usize> {
        texts.into_iter().map(|text| self.text(text)).collect()
    }

    /// Counts by name, the most first.
    fn counts<'t>(&mut self, counts: impl IntoIterator<Item = (&'t str, u64)>) -> Counts {
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by_key(|(name, number)| (std::cmp::Reverse(*number), *name));
        counts.into_iter().map(|(name, number)| (self.text(name), number)).collect()
    }

    /// The same of a map that many edges share.
    fn counts_of<K: AsRef<str>>(&mut self, counts: &Arc<BTreeMap<K, u64>>) -> Counts {
        if let Some(known) = self.met.counts.get(&address(counts)) {
            return Arc::clone(known);
        }
        let known = self.counts(counts.iter().map(|(name, number)| (name.as_ref(), *number)));
        self.met.counts.insert(address(counts), Arc::clone(&known));
        known
    }

    /// The same of suites, which it names.
    fn suites_of(&mut self, suites: &Arc<BTreeMap<String, u64>>) -> Counts {
        if let Some(known) = self.met.suites.get(&address(suites)) {
            return Arc::clone(known);
        }
        let known = self.counts(suites.iter().map(|(id, number)| (suite_name(id), *number)));
        self.met.suites.insert(address(suites), Arc::clone(&known));
        known
    }

    fn client(&mut self, client: &Client, peers: &Peers, edges: &[Edge]) -> ClientRow {
        let others = client.addresses.iter().filter(|one| **one != client.ip);
        ClientRow(
            client.ip,
            self.texts(client.names.iter().map(String::as_str)),
            self.text(client.owner.as_deref().unwrap_or_default()),
            self.text(client.site.as_deref().unwrap_or_default()),
            client.mac.map(|mac| mac.to_string()).unwrap_or_default(),
            u8::from(client.internal) | u8::from(client.maybe_several_hosts) << 1,
            client.connections,
            client.first_seen.as_secs(),
            client.last_seen.as_secs(),
            letters(client.verdicts.iter().map(|one| (one.outcome, one.excepted.is_some()))),
            others.copied().collect(),
            client
                .stacks
                .iter()
                .map(|one| self.stack(one, peers.of_stack(edges, client, one)))
                .collect(),
            self.maker(client.mac, client.vendor.as_deref()),
        )
    }

    fn stack<'e>(&mut self, stack: &Stack, edges: impl Iterator<Item = &'e Edge>) -> StackRow {
        let edges = edges.map(|edge| self.edge(edge)).collect();
        StackRow(
            self.kind(stack),
            stack.connections,
            stack.first_seen.as_secs(),
            stack.last_seen.as_secs(),
            self.findings(&stack.findings),
            edges,
        )
    }

    /// How a stack speaks, and what becomes of it: the same of every host that has it.
    fn kind(&mut self, stack: &Stack) -> usize {
        let mut parts = vec![
            stack.transport.name().as_ptr().addr(),
            maybe(stack.ja4.as_ref()),
            maybe(stack.ja3.as_ref()),
            maybe(stack.fallback_of.as_ref()),
            maybe(stack.offer.as_ref()),
            address(&stack.software),
            address(&stack.remediations),
        ];
        for one in &stack.verdicts {
            let excepted = maybe(one.excepted.as_ref());
            parts.extend([one.outcome as usize, address(&one.reasons), address(&one.evidence)]);
            parts.push(excepted);
        }
        if let Some(place) = self.met.kinds.get(&parts) {
            return *place;
        }
        let kind = self.kind_row(stack);
        let place = self.kinds.place(kind);
        self.met.kinds.insert(parts, place);
        place
    }

    fn kind_row(&mut self, stack: &Stack) -> KindRow {
        let offer =
            stack.offer.as_ref().map_or(-1, |offer| {
                let offers = &mut self.offers;
                *self.met.offers.entry(address(offer)).or_insert_with(|| {
                    i64::try_from(offers.place(offer_fields(offer))).unwrap_or(-1)
                })
            });
        let verdicts = stack
            .verdicts
            .iter()
            .map(|one| {
                let reasons = one.reasons.iter().map(|reason| reason.name());
                (
                    letter(one.outcome),
                    self.texts(reasons),
                    self.text(&one.evidence),
                    self.excepted(one.excepted.as_deref()),
                )
            })
            .collect();
        let software = stack
            .software
            .iter()
            .map(|one| {
                let clues: Vec<_> = one.evidence.iter().map(ToString::to_string).collect();
                (self.text(&one.name), one.confidence.name(), self.text(&clues.join("; ")))
            })
            .collect();
        KindRow(
            stack.transport.name(),
            self.text(stack.ja4.as_deref().unwrap_or_default()),
            self.text(stack.ja3.as_deref().unwrap_or_default()),
            stack.max_version.map(spoken).unwrap_or_default(),
            self.text(stack.retry_of().unwrap_or_default()),
            offer,
            software,
            verdicts,
            self.remedies(&stack.remediations),
        )
    }

    fn edge(&mut self, edge: &Edge) -> EdgeRow {
        let outcomes = self.met.outcomes.entry(address(&edge.verdicts));
        let outcomes = Arc::clone(outcomes.or_insert_with(|| edge_letters(&edge.verdicts).into()));
        EdgeRow(
            self.server_text(&edge.server),
            self.text(edge.sni.as_deref().unwrap_or_default()),
            edge.connections,
            edge.last_seen.as_secs(),
            outcomes,
            self.counts_of(&edge.versions),
            self.suites_of(&edge.cipher_suites),
            self.counts_of(&edge.outcomes),
            self.counts_of(&edge.alerts),
        )
    }

    /// The name of a server.
    fn server_text(&mut self, server: &Arc<ServerName>) -> Text {
        if let Some(known) = self.met.servers.get(&address(server)) {
            return *known;
        }
        let text = self.text(&rows::server(server));
        self.met.servers.insert(address(server), text);
        text
    }

    fn server(&mut self, server: &Server, peers: &Peers, edges: &[Edge]) -> ServerRow {
        let clients = peers.of_server(edges, server);
        let verdicts = server
            .verdicts
            .iter()
            .map(|one| {
                let names: Vec<_> = one.snis.iter().flatten().map(|name| &**name).collect();
                (
                    letter(one.outcome),
                    self.texts(one.reasons.iter().map(|reason: &Reason| reason.name())),
                    self.text(&one.evidence),
                    self.excepted(one.excepted.as_deref()),
                    self.texts(names),
                )
            })
            .collect();
        ServerRow(
            self.server_text(&server.name),
            server.name.ip,
            server.name.port,
            self.text(server.name.application.as_deref().unwrap_or_default()),
            self.texts(server.names.iter().map(String::as_str)),
            self.text(server.owner.as_deref().unwrap_or_default()),
            self.text(server.site.as_deref().unwrap_or_default()),
            server.mac.map(|mac| mac.to_string()).unwrap_or_default(),
            u8::from(server.internal),
            self.texts(server.snis.iter().map(|name| &**name)),
            self.counts(server.versions.iter().map(|(name, number)| (name.as_str(), *number))),
            self.counts(server.cipher_suites.iter().map(|(id, number)| (suite_name(id), *number))),
            self.chain(&server.chain),
            server.certificates.iter().map(|one| self.text(&one.to_string())).collect(),
            server.clients,
            server.connections,
            server.first_seen.as_secs(),
            server.last_seen.as_secs(),
            server.handshake_ms.map(|ms| [ms.p50, ms.p90, ms.p99, ms.max]),
            verdicts,
            self.findings(&server.findings),
            self.remedies(&server.remediations),
            clients.into_iter().take(CLIENTS_OF_A_SERVER).collect(),
            self.maker(server.mac, server.vendor.as_deref()),
        )
    }

    fn certificate(&mut self, line: &CertificateLine) -> CertificateRow {
        let certificate = &line.certificate;
        let date = |time: Option<CertificateTime>| time.map(CertificateTime::as_secs);
        CertificateRow(
            certificate.fingerprint().to_string(),
            rows::hex(&certificate.sha1()),
            self.text(certificate.subject()),
            self.text(certificate.issuer()),
            self.text(certificate.serial()),
            date(certificate.not_before()),
            date(certificate.not_after()),
            self.text(&certificate.key().to_string()),
            self.text(certificate.signature()),
            self.texts(certificate.san().iter().map(String::as_str)),
            line.connections,
            line.first_seen.as_secs(),
            line.last_seen.as_secs(),
            line.servers.iter().map(|one| self.server_text(one)).collect(),
            line.clients,
        )
    }

    fn chain(&mut self, chain: &ChainReport) -> usize {
        let row = ChainRow(
            chain.status.as_str(),
            self.text(chain.why.as_deref().unwrap_or_default()),
            self.texts(chain.trusted_by.iter().map(String::as_str)),
            self.text(chain.root_subject.as_deref().unwrap_or_default()),
            self.text(chain.issuer.as_deref().unwrap_or_default()),
        );
        self.chains.place(row)
    }

    /// Findings, each with how many connections it was found in.
    fn findings(&mut self, findings: &[Finding]) -> Found {
        let mut place = |finding: &Finding| (self.finding(finding), finding.connections);
        findings.iter().map(&mut place).collect()
    }

    fn finding(&mut self, finding: &Finding) -> usize {
        let parts = [
            finding.id.as_ptr().addr(),
            finding.severity.as_ptr().addr(),
            finding.remediation.map_or(0, |id| id.as_ptr().addr()),
            address(&finding.text),
            address(&finding.policies),
            maybe(finding.excepted.as_ref()),
        ];
        if let Some(place) = self.met.findings.get(&parts) {
            return *place;
        }
        let under = |id: &Arc<str>| self.ids.iter().position(|known| known == id);
        let policies = finding.policies.iter().filter_map(under).collect();
        let row = FindingRow(
            finding.id,
            finding.severity,
            self.text(&finding.text),
            self.text(finding.remediation.unwrap_or_default()),
            policies,
            self.excepted(finding.excepted.as_deref()),
        );
        let place = self.findings.place(row);
        self.met.findings.insert(parts, place);
        place
    }

    /// Who agreed to leave something as it is, in words.
    fn excepted(&mut self, excepted: Option<&Excepted>) -> Text {
        excepted.map_or(0, |excepted| self.text(&excepted.to_string()))
    }

    fn remedies(&mut self, remedies: &[Remedy]) -> Remedies {
        remedies.iter().map(|remedy| (self.text(remedy.id), self.text(remedy.title))).collect()
    }
}

/// What becomes of an edge under each policy.
fn edge_letters(verdicts: &[EdgeVerdict]) -> String {
    verdicts
        .iter()
        .map(|verdict| match verdict.outcome {
            "unchanged" => 'n',
            "upgrades" if verdict.version == Some(ProtocolVersion::TLS1_2) => '2',
            "upgrades" if verdict.version == Some(ProtocolVersion::TLS1_3) => '3',
            "upgrades" => 'g',
            "breaks" => 'b',
            _ => 'u',
        })
        .collect()
}

/// Outcomes, a letter each: a capital where it is excepted.
fn letters(outcomes: impl Iterator<Item = (Outcome, bool)>) -> String {
    outcomes
        .map(
            |(outcome, excepted)| {
                if excepted { letter(outcome).to_ascii_uppercase() } else { letter(outcome) }
            },
        )
        .collect()
}

const fn letter(outcome: Outcome) -> char {
    match outcome {
        Outcome::Breaks => 'b',
        Outcome::AtRisk => 'a',
        Outcome::Unknown => 'u',
        Outcome::Ready => 'r',
    }
}

/// A version as people write it: `TLS 1.2`.
fn spoken(version: ProtocolVersion) -> String {
    rows::version(&version.to_string())
}

/// The name of a suite that is known by number.
fn suite_name(id: &str) -> &str {
    let number = id.strip_prefix("0x").and_then(|hex| u32::from_str_radix(hex, 16).ok());
    number
        .and_then(|number| u16::try_from(number).ok())
        .map_or(id, |number| CipherSuite::new(number).name().unwrap_or(id))
}

/// What a client offers, by name.
fn offer_fields(offer: &Offer) -> OfferRow {
    let suites = offer.cipher_suites.iter().map(|one| named(one.name(), one));
    let groups = offer.groups.iter().flatten().map(|one: &NamedGroup| named(one.name(), one));
    let schemes = offer.signature_algorithms.iter().flatten();
    let schemes = schemes.map(|one: &SignatureScheme| named(one.name(), one));
    let alpn = offer.alpn.iter().map(|one| printable(&String::from_utf8_lossy(one)).into_owned());
    OfferRow(
        offer.versions().into_iter().map(spoken).collect(),
        suites.collect(),
        groups.collect(),
        schemes.collect(),
        alpn.collect(),
        offer.sslv2_format,
        offer.truncated,
    )
}

fn named(name: Option<&str>, number: &impl ToString) -> String {
    name.map_or_else(|| number.to_string(), str::to_owned)
}
