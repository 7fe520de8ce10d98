//! [`Pack`]: hosts, servers and certificates as compact data for the script of the page.
//!
//! Every text stands once, in a list, and rows name it by its place; stacks that offer the same and
//! are judged the same (thousands of hosts share few offers) share one description. Rows are lists,
//! not objects: their fields stand in the order of the functions here, and of `script/data.js`. A
//! pack stands alone, whether it holds every host or one page of them.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

use super::edges::Peers;
use super::rows;
use crate::packet::Mac;
use crate::policy::{Outcome, Reason};
use crate::report::exceptions::Excepted;
use crate::report::inventory::{
    CertificateLine, Client, Edge, Finding, Inventory, PolicyLine, Remedy, Server, Stack,
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
    policies: Vec<Value>,
    /// How stacks speak and what becomes of them.
    kinds: Vec<Value>,
    /// What they offer.
    offers: Vec<Value>,
    findings: Vec<Value>,
    chains: Vec<Value>,
    clients: Vec<Value>,
    servers: Vec<Value>,
    certificates: Vec<Value>,
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
#[derive(Default)]
struct Listed {
    places: HashMap<String, usize>,
    values: Vec<Value>,
}

impl Listed {
    fn place(&mut self, value: Value) -> usize {
        let next = self.values.len();
        let place = *self.places.entry(value.to_string()).or_insert(next);
        if place == next {
            self.values.push(value);
        }
        place
    }
}

/// A pack that is being filled.
struct Packer {
    places: HashMap<String, usize>,
    text: Vec<String>,
    policies: Vec<Value>,
    ids: Vec<Arc<str>>,
    kinds: Listed,
    offers: Listed,
    /// Where the offers stand that were met before: to write one out takes long.
    met: HashMap<*const Offer, usize>,
    findings: Listed,
    chains: Listed,
}

impl Packer {
    fn new(policies: &[PolicyLine]) -> Self {
        let mut packer = Self {
            places: HashMap::new(),
            text: Vec::new(),
            policies: Vec::new(),
            ids: policies.iter().map(|policy| Arc::clone(&policy.id)).collect(),
            kinds: Listed::default(),
            offers: Listed::default(),
            met: HashMap::new(),
            findings: Listed::default(),
            chains: Listed::default(),
        };
        packer.text("");
        packer.policies = policies
            .iter()
            .map(|policy| json!([printable(&policy.id), printable(&policy.title)]))
            .collect();
        packer
    }

    fn finish(self, clients: Vec<Value>, servers: Vec<Value>, certificates: Vec<Value>) -> Pack {
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
    fn counts<'t>(&mut self, counts: impl IntoIterator<Item = (&'t str, u64)>) -> Vec<Value> {
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by_key(|(name, number)| (std::cmp::Reverse(*number), *name));
        counts.into_iter().map(|(name, number)| json!([self.text(name), number])).collect()
    }

    fn client(&mut self, client: &Client, peers: &Peers, edges: &[Edge]) -> Value {
        let ip = client.ip.to_string();
        let others = client.addresses.iter().filter(|one| **one != client.ip);
        json!([
            ip,
            self.texts(client.names.iter().map(String::as_str)),
            self.text(client.owner.as_deref().unwrap_or_default()),
            self.text(client.site.as_deref().unwrap_or_default()),
            client.mac.map(|mac| mac.to_string()).unwrap_or_default(),
            u8::from(client.internal) | u8::from(client.maybe_several_hosts) << 1,
            client.connections,
            client.first_seen.as_secs(),
            client.last_seen.as_secs(),
            letters(client.verdicts.iter().map(|one| (one.outcome, one.excepted.is_some()))),
            others.map(ToString::to_string).collect::<Vec<_>>(),
            client
                .stacks
                .iter()
                .map(|one| self.stack(one, peers.of_stack(edges, client, one)))
                .collect::<Vec<_>>(),
            self.maker(client.mac, client.vendor.as_deref()),
        ])
    }

    fn stack<'e>(&mut self, stack: &Stack, edges: impl Iterator<Item = &'e Edge>) -> Value {
        let edges: Vec<_> = edges.map(|edge| self.edge(edge)).collect();
        json!([
            self.kind(stack),
            stack.connections,
            stack.first_seen.as_secs(),
            stack.last_seen.as_secs(),
            self.findings(&stack.findings),
            edges,
        ])
    }

    /// How a stack speaks, and what becomes of it: the same of every host that has it.
    fn kind(&mut self, stack: &Stack) -> usize {
        let offer = stack.offer.as_ref().map_or(-1, |offer| {
            let key = Arc::as_ptr(offer);
            let place = self.met.get(&key).copied();
            let place = place.unwrap_or_else(|| self.offers.place(offer_fields(offer)));
            self.met.insert(key, place);
            i64::try_from(place).unwrap_or(-1)
        });
        let verdicts: Vec<_> = stack
            .verdicts
            .iter()
            .map(|one| {
                let reasons = one.reasons.iter().map(|reason| reason.name());
                json!([
                    letter(one.outcome),
                    self.texts(reasons),
                    self.text(&one.evidence),
                    self.excepted(one.excepted.as_deref()),
                ])
            })
            .collect();
        let software: Vec<_> = stack
            .software
            .iter()
            .map(|one| {
                let clues: Vec<_> = one.evidence.iter().map(ToString::to_string).collect();
                json!([self.text(&one.name), one.confidence.name(), self.text(&clues.join("; ")),])
            })
            .collect();
        let kind = json!([
            stack.transport.name(),
            self.text(stack.ja4.as_deref().unwrap_or_default()),
            self.text(stack.ja3.as_deref().unwrap_or_default()),
            stack.max_version.map(spoken).unwrap_or_default(),
            self.text(stack.fallback_of.as_deref().unwrap_or_default()),
            offer,
            software,
            verdicts,
            self.remedies(&stack.remediations),
        ]);
        self.kinds.place(kind)
    }

    fn edge(&mut self, edge: &Edge) -> Value {
        let outcomes: String = edge
            .verdicts
            .iter()
            .map(|verdict| match verdict.outcome {
                "unchanged" => 'n',
                "upgrades" => 'g',
                "breaks" => 'b',
                _ => 'u',
            })
            .collect();
        let ended = edge.outcomes.iter().map(|(name, number)| (*name, *number));
        json!([
            self.text(&rows::server(&edge.server)),
            self.text(edge.sni.as_deref().unwrap_or_default()),
            edge.connections,
            edge.last_seen.as_secs(),
            outcomes,
            self.counts(edge.versions.iter().map(|(name, number)| (name.as_str(), *number))),
            self.counts(edge.cipher_suites.iter().map(|(id, number)| (suite_name(id), *number))),
            self.counts(ended),
            self.counts(edge.alerts.iter().map(|(name, number)| (name.as_str(), *number))),
        ])
    }

    fn server(&mut self, server: &Server, peers: &Peers, edges: &[Edge]) -> Value {
        let clients = peers.of_server(edges, server);
        let verdicts: Vec<_> = server
            .verdicts
            .iter()
            .map(|one| {
                let names: Vec<_> = one.snis.iter().flatten().map(|name| &**name).collect();
                json!([
                    letter(one.outcome),
                    self.texts(one.reasons.iter().map(|reason: &Reason| reason.name())),
                    self.text(&one.evidence),
                    self.excepted(one.excepted.as_deref()),
                    self.texts(names),
                ])
            })
            .collect();
        json!([
            self.text(&rows::server(&server.name)),
            server.name.ip.to_string(),
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
            server.certificates.iter().map(|one| self.text(&one.to_string())).collect::<Vec<_>>(),
            server.clients,
            server.connections,
            server.first_seen.as_secs(),
            server.last_seen.as_secs(),
            server.handshake_ms.map_or(Value::Null, |ms| json!([ms.p50, ms.p90, ms.p99, ms.max])),
            verdicts,
            self.findings(&server.findings),
            self.remedies(&server.remediations),
            clients.iter().take(CLIENTS_OF_A_SERVER).map(ToString::to_string).collect::<Vec<_>>(),
            self.maker(server.mac, server.vendor.as_deref()),
        ])
    }

    fn certificate(&mut self, line: &CertificateLine) -> Value {
        let certificate = &line.certificate;
        let date = |time: Option<CertificateTime>| time.map(CertificateTime::as_secs);
        json!([
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
            line.servers.iter().map(|one| self.text(&rows::server(one))).collect::<Vec<_>>(),
            line.clients,
        ])
    }

    fn chain(&mut self, chain: &ChainReport) -> usize {
        let value = json!([
            chain.status.as_str(),
            self.text(chain.why.as_deref().unwrap_or_default()),
            self.texts(chain.trusted_by.iter().map(String::as_str)),
            self.text(chain.root_subject.as_deref().unwrap_or_default()),
            self.text(chain.issuer.as_deref().unwrap_or_default()),
        ]);
        self.chains.place(value)
    }

    /// Findings, each with how many connections it was found in.
    fn findings(&mut self, findings: &[Finding]) -> Vec<Value> {
        findings
            .iter()
            .map(|finding| {
                let under = |id: &Arc<str>| self.ids.iter().position(|known| known == id);
                let policies: Vec<_> = finding.policies.iter().filter_map(under).collect();
                let value = json!([
                    finding.id,
                    finding.severity,
                    self.text(&finding.text),
                    self.text(finding.remediation.as_deref().unwrap_or_default()),
                    policies,
                    self.excepted(finding.excepted.as_deref()),
                ]);
                json!([self.findings.place(value), finding.connections])
            })
            .collect()
    }

    /// Who agreed to leave something as it is, in words.
    fn excepted(&mut self, excepted: Option<&Excepted>) -> usize {
        excepted.map_or(0, |excepted| self.text(&excepted.to_string()))
    }

    fn remedies(&mut self, remedies: &[Remedy]) -> Vec<Value> {
        remedies
            .iter()
            .map(|remedy| json!([self.text(&remedy.id), self.text(&remedy.title)]))
            .collect()
    }
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
fn offer_fields(offer: &Offer) -> Value {
    let suites = offer.cipher_suites.iter().map(|one| named(one.name(), one));
    let groups = offer.groups.iter().flatten().map(|one: &NamedGroup| named(one.name(), one));
    let schemes = offer.signature_algorithms.iter().flatten();
    let schemes = schemes.map(|one: &SignatureScheme| named(one.name(), one));
    let alpn = offer.alpn.iter().map(|one| printable(&String::from_utf8_lossy(one)).into_owned());
    json!([
        offer.versions().into_iter().map(spoken).collect::<Vec<_>>(),
        suites.collect::<Vec<_>>(),
        groups.collect::<Vec<_>>(),
        schemes.collect::<Vec<_>>(),
        alpn.collect::<Vec<_>>(),
        offer.sslv2_format,
        offer.truncated,
    ])
}

fn named(name: Option<&str>, number: &impl ToString) -> String {
    name.map_or_else(|| number.to_string(), str::to_owned)
}
