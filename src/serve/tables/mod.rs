//! The tables of an inventory, page by page: filtered, sorted and cut here, so that a browser never
//! holds fifty thousand hosts.
//!
//! Every table goes the same way; what differs between them is what a [`Row`] says of itself.

mod choices;
mod rows;

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

pub(super) use self::rows::{Packed, Row};

use self::choices::Choices;
use self::rows::Key;
use super::view::View;
use crate::packet::Address;
use crate::report::inventory::{CertificateLine, Client, Edge, Server};
use crate::report::scope::Network;
use crate::report::{Inventory, Pack};

/// Rows of a page where nobody says how many, and at most.
const PAGE: usize = 100;
const LONGEST_PAGE: usize = 1_000;

/// Rows that the page in the browser shows at once, and takes at most when it saves them.
const SHOWN: usize = 50;
const SAVED: usize = 5_000;

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
    sort: String,
    filter: String,
    policy: String,
    outcome: String,
    reason: String,
    owner: String,
    site: String,
    network: String,
    software: String,
    /// What can be chosen in a filter is to be said, too.
    choices: bool,
}

/// A page of a table.
#[derive(Debug, Serialize)]
pub(super) struct Page<'a, T> {
    /// The number of the view that it is of.
    version: u64,
    /// Rows of the table.
    total: usize,
    /// Those that match.
    matched: usize,
    offset: usize,
    limit: usize,
    rows: Vec<&'a T>,
}

/// The same for the page in the browser.
#[derive(Debug, Serialize)]
pub(super) struct PackedPage {
    version: u64,
    /// Rows of each table.
    totals: Totals,
    matched: usize,
    offset: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    choices: Option<Choices>,
    pack: Pack,
}

#[derive(Debug, Serialize)]
struct Totals {
    clients: usize,
    servers: usize,
    certificates: usize,
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
}

/// A test that rows pass or do not.
type Test<'a, T> = Box<dyn Fn(&T) -> bool + 'a>;

impl Query {
    /// What the page in the browser shows first.
    pub(super) fn first() -> Self {
        Self { choices: true, ..Self::default() }
    }

    /// The page that is asked for. An error says what is wrong with the question.
    pub(super) fn page<'a, T: Row>(&self, view: &'a View) -> Result<Page<'a, T>, String> {
        let limit = self.limit.unwrap_or(PAGE).min(LONGEST_PAGE);
        let matched = self.select::<T>(view)?;
        Ok(Page {
            version: view.number,
            total: T::all(view).0.len(),
            matched: matched.len(),
            offset: self.offset,
            limit,
            rows: matched.into_iter().skip(self.offset).take(limit).collect(),
        })
    }

    /// The same, as the script of the page reads it.
    pub(super) fn packed<T: Packed>(&self, view: &View) -> Result<PackedPage, String> {
        let inventory = &view.inventory;
        let limit = self.limit.unwrap_or(SHOWN).min(SAVED);
        let matched = self.select::<T>(view)?;
        let choices = self.choices.then(|| {
            let policy = self.policy(inventory).unwrap_or_default();
            Choices::of(T::all(view).0, policy)
        });
        let found = matched.len();
        let rows = T::rows(matched.into_iter().skip(self.offset).take(limit).collect());
        Ok(PackedPage {
            version: view.number,
            totals: Totals {
                clients: inventory.clients.len(),
                servers: inventory.servers.len(),
                certificates: inventory.certificates.len(),
            },
            matched: found,
            offset: self.offset,
            choices,
            pack: Pack::page(inventory, &view.peers, rows),
        })
    }

    /// The rows that match, in order.
    fn select<'a, T: Row>(&self, view: &'a View) -> Result<Vec<&'a T>, String> {
        let (rows, texts) = T::all(view);
        let policy = self.policy(&view.inventory)?;
        let filter = self.filter.to_lowercase();
        let words: Vec<&str> = filter.split_whitespace().take(WORDS).collect();
        let tests = self.tests::<T>(policy)?;
        let matched = rows
            .iter()
            .zip(texts)
            .filter(|(row, text)| {
                words.iter().all(|word| text.contains(word)) && tests.iter().all(|test| test(row))
            })
            .map(|(row, _)| row)
            .collect();
        self.sort(matched, policy)
    }

    /// The policy that is asked about.
    fn policy<'a>(&self, inventory: &'a Inventory) -> Result<&'a str, String> {
        let mut policies = inventory.policies.iter().map(|policy| &*policy.id);
        if self.policy.is_empty() {
            return Ok(policies.next().unwrap_or_default());
        }
        policies
            .find(|known| *known == self.policy)
            .ok_or_else(|| format!("policy {:?} is not among those it is judged by", self.policy))
    }

    /// What rows must be like.
    fn tests<'a, T: Row>(&'a self, policy: &'a str) -> Result<Vec<Test<'a, T>>, String> {
        let mut tests: Vec<Test<'a, T>> = Vec::new();
        let outcomes: Vec<&str> = self.outcome.split(',').filter(|word| !word.is_empty()).collect();
        if let Some(word) = outcomes.iter().find(|word| !OUTCOMES.contains(word)) {
            return Err(format!("there is no outcome {word:?}"));
        }
        if !outcomes.is_empty() {
            tests.push(Box::new(move |row| {
                row.outcome(policy).is_some_and(|outcome| outcomes.contains(&outcome))
            }));
        }
        if !self.reason.is_empty() {
            tests.push(Box::new(move |row| row.reasons(policy).contains(&&*self.reason)));
        }
        if !self.owner.is_empty() {
            tests.push(Box::new(|row| row.owner() == Some(&*self.owner)));
        }
        if !self.site.is_empty() {
            tests.push(Box::new(|row| row.site() == Some(&*self.site)));
        }
        if !self.software.is_empty() {
            tests.push(Box::new(|row| row.software().contains(&&*self.software)));
        }
        if !self.network.is_empty() {
            let near = near(self.network.trim())?;
            tests.push(Box::new(move |row| row.addresses().iter().any(|one| near(*one))));
        }
        Ok(tests)
    }

    /// Rows of equal keys: what breaks first, then the busiest, then as in the inventory.
    fn sort<'a, T: Row>(&self, rows: Vec<&'a T>, policy: &str) -> Result<Vec<&'a T>, String> {
        let text = if self.sort.is_empty() { T::SORT } else { &*self.sort };
        let (column, descending) = match text.strip_prefix('-') {
            Some(column) => (column, true),
            None => (text, false),
        };
        let mut keyed = Vec::with_capacity(rows.len());
        for row in rows {
            let rank = rank(row.outcome(policy), row.is_ours());
            let seen = row.seen();
            let key = match column {
                "outcome" => Key::Number(rank),
                "connections" => Key::Number(seen.connections),
                "first_seen" => Key::Time(seen.first),
                "last_seen" => Key::Time(seen.last),
                "owner" => row.owner().map_or(Key::Missing, Key::text),
                _ => row
                    .key(column, policy)
                    .ok_or_else(|| format!("there is no column {column:?} to sort by"))?,
            };
            keyed.push((key, rank, seen.connections, row));
        }
        keyed.sort_by(|left, right| {
            let order = match (&left.0, &right.0) {
                (Key::Missing, Key::Missing) => Ordering::Equal,
                (Key::Missing, _) => Ordering::Greater,
                (_, Key::Missing) => Ordering::Less,
                (left, right) if descending => right.cmp(left),
                (left, right) => left.cmp(right),
            };
            order.then(left.1.cmp(&right.1)).then(right.2.cmp(&left.2))
        });
        Ok(keyed.into_iter().map(|(.., row)| row).collect())
    }
}

/// What breaks comes first, and ours before others.
fn rank(outcome: Option<&str>, ours: bool) -> u64 {
    let place = OUTCOMES.iter().position(|known| Some(*known) == outcome);
    place.unwrap_or(OUTCOMES.len()) as u64 * 2 + u64::from(!ours)
}

/// A test for a network, an address, or the beginning of one (`10.20.`).
fn near(text: &str) -> Result<Box<dyn Fn(Address) -> bool>, String> {
    match text.parse::<Network>() {
        Ok(network) => Ok(Box::new(move |address| network.contains(address))),
        Err(_) if text.bytes().all(|byte| byte.is_ascii_hexdigit() || b".:".contains(&byte)) => {
            let text = text.to_ascii_lowercase();
            Ok(Box::new(move |address| address.to_string().starts_with(&text)))
        }
        Err(error) => Err(error.to_string()),
    }
}
