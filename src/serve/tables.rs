//! The tables of an inventory, page by page: filtered, sorted and cut here, so that a browser never
//! holds fifty thousand hosts.

use std::cmp::Ordering;
use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::packet::Address;
use crate::report::Inventory;
use crate::report::inventory::{CertificateLine, Client, Edge, Server};
use crate::report::scope::Network;

/// Rows of a page where nobody says how many, and at most.
const PAGE: usize = 100;
const LONGEST_PAGE: usize = 1_000;

/// Outcomes of hosts and of edges, the worst first.
const OUTCOMES: [&str; 6] = ["breaks", "at_risk", "unknown", "upgrades", "ready", "unchanged"];

/// Words of a filter that are looked at.
const WORDS: usize = 16;

/// What is asked of a table.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Query {
    offset: usize,
    limit: Option<usize>,
    sort: Option<String>,
    filter: String,
    policy: Option<String>,
    outcome: Option<String>,
    reason: Option<String>,
    owner: Option<String>,
    network: Option<String>,
}

/// A page of a table.
#[derive(Debug, Serialize)]
pub(super) struct Page<'a, T> {
    /// The number of the view that it is of.
    pub(super) version: u64,
    /// Rows of the table.
    total: usize,
    /// Those that match.
    matched: usize,
    offset: usize,
    limit: usize,
    rows: Vec<&'a T>,
}

/// A value to sort by.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key<'a> {
    Address(Address),
    Number(u64),
    Time(Timestamp),
    Text(&'a str),
    /// Comes last in any order.
    Missing,
}

/// A row of a table.
pub(super) trait Row {
    /// Everything that a filter may find, in lower case.
    fn text(&self) -> String;
    /// The value of a column; `None` if there is no such column.
    fn key(&self, column: &str) -> Option<Key<'_>>;
    fn address(&self) -> Option<Address>;
    fn owner(&self) -> Option<&str>;
    /// The outcome under a policy, and the reasons for it.
    fn outcome(&self, policy: &str) -> Option<&'static str>;
    fn has_reason(&self, policy: &str, reason: &str) -> bool;
}

/// The texts of all rows, in which filters look.
#[derive(Debug)]
pub(super) struct Index {
    clients: Vec<String>,
    servers: Vec<String>,
    edges: Vec<String>,
    certificates: Vec<String>,
}

impl Index {
    pub(super) fn new(inventory: &Inventory) -> Self {
        fn texts<T: Row>(rows: &[T]) -> Vec<String> {
            rows.iter().map(|row| row.text().to_lowercase()).collect()
        }
        Self {
            clients: texts(&inventory.clients),
            servers: texts(&inventory.servers),
            edges: texts(&inventory.edges),
            certificates: texts(&inventory.certificates),
        }
    }

    pub(super) fn clients(&self) -> &[String] {
        &self.clients
    }

    pub(super) fn servers(&self) -> &[String] {
        &self.servers
    }

    pub(super) fn edges(&self) -> &[String] {
        &self.edges
    }

    pub(super) fn certificates(&self) -> &[String] {
        &self.certificates
    }
}

impl Query {
    /// The page that is asked for; `texts` are those of `rows`. An error says what is wrong with it.
    pub(super) fn page<'a, T: Row>(
        &self,
        version: u64,
        inventory: &Inventory,
        rows: &'a [T],
        texts: &[String],
    ) -> Result<Page<'a, T>, String> {
        let first = inventory.policies.first().map(|policy| &*policy.id).unwrap_or_default();
        let policy = self.policy.as_deref().unwrap_or(first);
        if !inventory.policies.iter().any(|known| &*known.id == policy) {
            return Err(format!("policy {policy:?} is not among those it is judged by"));
        }
        let network = match self.network.as_deref().filter(|text| !text.is_empty()) {
            None => None,
            Some(text) => Some(text.parse::<Network>().map_err(|error| error.to_string())?),
        };
        let outcomes = self.outcomes()?;
        let filter = self.filter.to_lowercase();
        let words: Vec<&str> = filter.split_whitespace().take(WORDS).collect();
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let (reason, owner) = (given(&self.reason), given(&self.owner));
        let mut matched: Vec<&T> = rows
            .iter()
            .zip(texts)
            .filter(|(row, text)| {
                words.iter().all(|word| text.contains(word))
                    && (outcomes.is_empty()
                        || row.outcome(policy).is_some_and(|outcome| outcomes.contains(&outcome)))
                    && reason.as_ref().is_none_or(|reason| row.has_reason(policy, reason))
                    && owner.as_ref().is_none_or(|owner| row.owner() == Some(owner))
                    && network.is_none_or(|network| {
                        row.address().is_some_and(|address| network.contains(address))
                    })
            })
            .map(|(row, _)| row)
            .collect();
        self.sort(&mut matched, policy)?;
        let limit = self.limit.unwrap_or(PAGE).min(LONGEST_PAGE);
        Ok(Page {
            version,
            total: rows.len(),
            matched: matched.len(),
            offset: self.offset,
            limit,
            rows: matched.into_iter().skip(self.offset).take(limit).collect(),
        })
    }

    fn outcomes(&self) -> Result<Vec<&str>, String> {
        let words = self.outcome.as_deref().unwrap_or_default();
        let words: Vec<&str> = words.split(',').filter(|word| !word.is_empty()).collect();
        match words.iter().find(|word| !OUTCOMES.contains(word)) {
            None => Ok(words),
            Some(word) => Err(format!("there is no outcome {word:?}")),
        }
    }

    /// Rows of equal keys stay in the order of the inventory.
    fn sort<T: Row>(&self, rows: &mut [&T], policy: &str) -> Result<(), String> {
        let text = self.sort.as_deref().filter(|text| !text.is_empty()).unwrap_or("outcome");
        let (column, descending) = match text.strip_prefix('-') {
            Some(column) => (column, true),
            None => (text, false),
        };
        if column == "outcome" {
            rows.sort_by_key(|row| rank(row.outcome(policy)));
            if descending {
                rows.reverse();
            }
            return Ok(());
        }
        if rows.iter().take(1).any(|row| row.key(column).is_none()) {
            return Err(format!("there is no column {column:?} to sort by"));
        }
        rows.sort_by(|left, right| {
            let left = left.key(column).unwrap_or(Key::Missing);
            let right = right.key(column).unwrap_or(Key::Missing);
            match (&left, &right) {
                (Key::Missing, Key::Missing) => Ordering::Equal,
                (Key::Missing, _) => Ordering::Greater,
                (_, Key::Missing) => Ordering::Less,
                _ if descending => right.cmp(&left),
                _ => left.cmp(&right),
            }
        });
        Ok(())
    }
}

/// What breaks comes first.
fn rank(outcome: Option<&str>) -> usize {
    let place = |outcome| OUTCOMES.iter().position(|known| *known == outcome);
    outcome.and_then(place).unwrap_or(OUTCOMES.len())
}

/// Values into a text, each on a line of its own: a word of a filter has no space in it.
fn add<T: fmt::Display>(text: &mut String, values: impl IntoIterator<Item = T>) {
    for value in values {
        // Writing to a String does not fail.
        let _ = writeln!(text, "{value}");
    }
}

impl Row for Client {
    fn text(&self) -> String {
        let mut text = String::new();
        add(&mut text, &self.addresses);
        add(&mut text, self.mac);
        add(&mut text, &self.names);
        add(&mut text, self.owner.iter().chain(&self.site));
        for stack in &self.stacks {
            add(&mut text, stack.software.iter().map(|software| &software.name));
            add(&mut text, stack.max_version);
            add(&mut text, stack.ja4.iter());
            add(&mut text, &stack.snis);
            add(&mut text, stack.findings.iter().map(|finding| finding.id));
            for verdict in &stack.verdicts {
                add(&mut text, verdict.reasons.iter().map(|reason| reason.name()));
            }
        }
        text
    }

    fn key(&self, column: &str) -> Option<Key<'_>> {
        Some(match column {
            "ip" => Key::Address(self.ip),
            "name" => self.names.first().map_or(Key::Missing, |name| Key::Text(name)),
            "owner" => self.owner.as_deref().map_or(Key::Missing, Key::Text),
            "connections" => Key::Number(self.connections),
            "first_seen" => Key::Time(self.first_seen),
            "last_seen" => Key::Time(self.last_seen),
            _ => return None,
        })
    }

    fn address(&self) -> Option<Address> {
        Some(self.ip)
    }

    fn owner(&self) -> Option<&str> {
        self.owner.as_deref()
    }

    fn outcome(&self, policy: &str) -> Option<&'static str> {
        let verdict = self.verdicts.iter().find(|verdict| &*verdict.policy == policy);
        verdict.map(|verdict| verdict.outcome.name())
    }

    fn has_reason(&self, policy: &str, reason: &str) -> bool {
        let verdicts = self.stacks.iter().flat_map(|stack| &stack.verdicts);
        verdicts
            .filter(|verdict| &*verdict.policy == policy)
            .any(|verdict| verdict.reasons.iter().any(|known| known.name() == reason))
    }
}

impl Row for Server {
    fn text(&self) -> String {
        let mut text = String::new();
        add(&mut text, [self.name.to_string()]);
        add(&mut text, &self.name.application);
        add(&mut text, self.mac);
        add(&mut text, &self.names);
        add(&mut text, &self.snis);
        add(&mut text, self.owner.iter().chain(&self.site));
        add(&mut text, self.versions.keys());
        add(&mut text, self.cipher_suites.keys());
        add(&mut text, self.findings.iter().map(|finding| finding.id));
        text
    }

    fn key(&self, column: &str) -> Option<Key<'_>> {
        let name =
            self.names.first().map(String::as_str).or_else(|| self.snis.first().map(|sni| &**sni));
        Some(match column {
            "ip" => Key::Address(self.name.ip),
            "port" => Key::Number(self.name.port.into()),
            "name" => name.map_or(Key::Missing, Key::Text),
            "owner" => self.owner.as_deref().map_or(Key::Missing, Key::Text),
            "clients" => Key::Number(self.clients),
            "connections" => Key::Number(self.connections),
            "first_seen" => Key::Time(self.first_seen),
            "last_seen" => Key::Time(self.last_seen),
            _ => return None,
        })
    }

    fn address(&self) -> Option<Address> {
        Some(self.name.ip)
    }

    fn owner(&self) -> Option<&str> {
        self.owner.as_deref()
    }

    fn outcome(&self, policy: &str) -> Option<&'static str> {
        let verdict = self.verdicts.iter().find(|verdict| &*verdict.policy == policy);
        verdict.map(|verdict| verdict.outcome.name())
    }

    fn has_reason(&self, policy: &str, reason: &str) -> bool {
        let mut verdicts = self.verdicts.iter().filter(|verdict| &*verdict.policy == policy);
        verdicts.any(|verdict| verdict.reasons.iter().any(|known| known.name() == reason))
    }
}

impl Row for Edge {
    fn text(&self) -> String {
        let mut text = String::new();
        add(&mut text, [self.client.to_string(), self.server.to_string()]);
        add(&mut text, self.sni.iter());
        add(&mut text, self.ja4.iter());
        add(&mut text, self.versions.keys());
        add(&mut text, self.cipher_suites.keys());
        add(&mut text, self.alerts.keys());
        text
    }

    fn key(&self, column: &str) -> Option<Key<'_>> {
        Some(match column {
            "ip" => Key::Address(self.client),
            "name" => self.sni.as_deref().map_or(Key::Missing, Key::Text),
            "connections" => Key::Number(self.connections),
            "first_seen" => Key::Time(self.first_seen),
            "last_seen" => Key::Time(self.last_seen),
            _ => return None,
        })
    }

    fn address(&self) -> Option<Address> {
        Some(self.client)
    }

    fn owner(&self) -> Option<&str> {
        None
    }

    fn outcome(&self, policy: &str) -> Option<&'static str> {
        let verdict = self.verdicts.iter().find(|verdict| &*verdict.policy == policy);
        verdict.map(|verdict| verdict.outcome)
    }

    fn has_reason(&self, policy: &str, reason: &str) -> bool {
        let mut verdicts = self.verdicts.iter().filter(|verdict| &*verdict.policy == policy);
        verdicts.any(|verdict| verdict.reasons.iter().any(|known| known.name() == reason))
    }
}

impl Row for CertificateLine {
    fn text(&self) -> String {
        let mut text = String::new();
        let certificate = &self.certificate;
        add(&mut text, [certificate.subject(), certificate.issuer(), certificate.serial()]);
        add(&mut text, certificate.san());
        add(&mut text, [certificate.fingerprint()]);
        add(&mut text, &self.servers);
        text
    }

    fn key(&self, column: &str) -> Option<Key<'_>> {
        Some(match column {
            "name" => Key::Text(self.certificate.subject()),
            "connections" => Key::Number(self.connections),
            "first_seen" => Key::Time(self.first_seen),
            "last_seen" => Key::Time(self.last_seen),
            _ => return None,
        })
    }

    fn address(&self) -> Option<Address> {
        None
    }

    fn owner(&self) -> Option<&str> {
        None
    }

    fn outcome(&self, _policy: &str) -> Option<&'static str> {
        None
    }

    fn has_reason(&self, _policy: &str, _reason: &str) -> bool {
        false
    }
}
