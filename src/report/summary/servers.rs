//! The servers that break, or are at risk: ours first.

use std::cmp::Reverse;

use super::clients::{FIXES, address, fix};
use super::page::{Ink, Page};
use crate::policy::Outcome;
use crate::report::inventory::{Inventory, Server};
use crate::report::text::{count, listed, named, printable, width};

/// Servers in a screenful: ours, and those of others.
const SERVERS: (usize, usize) = (6, 3);
/// A longer address stands on a line of its own.
const LONGEST: usize = 24;
/// Names that are listed of a server.
const NAMES: usize = 3;

pub(super) fn write(page: &mut Page, inventory: &Inventory, verbose: bool) {
    for (internal, heading) in
        [(true, "Servers of ours that break"), (false, "Servers of others that break")]
    {
        let mut servers: Vec<(Outcome, &Server)> = inventory
            .servers
            .iter()
            .filter(|server| server.internal == internal)
            .filter_map(|server| Some((server.verdicts.first()?.outcome, server)))
            .filter(|(outcome, _)| matches!(outcome, Outcome::Breaks | Outcome::AtRisk))
            .collect();
        servers.sort_by_key(|(outcome, server)| {
            (Reverse(*outcome), Reverse(server.clients), Reverse(server.connections), &server.name)
        });
        if servers.is_empty() {
            continue;
        }
        let only_risk = servers.iter().all(|(outcome, _)| *outcome == Outcome::AtRisk);
        let some_risk = servers.iter().any(|(outcome, _)| *outcome == Outcome::AtRisk);
        let heading = match (only_risk, some_risk) {
            (true, _) => heading.replace("that break", "at risk"),
            (false, true) => format!("{heading} or are at risk"),
            (false, false) => heading.to_owned(),
        };
        page.heading(&heading);
        let screenful = if internal { SERVERS.0 } else { SERVERS.1 };
        let shown = if verbose { servers.len() } else { screenful };
        let terms = servers.iter().take(shown).map(|(_, server)| address(&server.name));
        page.align(terms.filter(|term| width(term) <= LONGEST));
        for (outcome, one) in servers.iter().take(shown) {
            server(page, *outcome, one, verbose);
        }
        if servers.len() > shown {
            page.item(Ink::Dim, &format!("… and {} more (-v shows all)", servers.len() - shown));
        }
    }
}

fn server(page: &mut Page, outcome: Outcome, server: &Server, verbose: bool) {
    let limit = if verbose { usize::MAX } else { NAMES };
    let mut parts = Vec::new();
    if let Some(verdict) = server.verdicts.first() {
        let risk = if outcome == Outcome::AtRisk { "at risk: " } else { "" };
        parts.push((Ink::Plain, format!("{risk}{}", printable(&verdict.evidence))));
        let names: Vec<String> = verdict.snis.iter().flatten().map(|name| named(name)).collect();
        if !names.is_empty() && names.len() < server.snis.len() {
            parts.push((Ink::Plain, format!("under {}", listed(&names, limit))));
        }
    }
    let all: Vec<String> = server.snis.iter().map(|name| named(name)).collect();
    let used = format!(
        "used by {} ({})",
        count(server.clients, "client host", "client hosts"),
        count(server.connections, "connection", "connections"),
    );
    let used = if all.is_empty() { used } else { format!("{used} as {}", listed(&all, limit)) };
    parts.push((Ink::Warn, used));
    let excepted = server.verdicts.first().and_then(|verdict| verdict.excepted.as_ref());
    parts.extend(excepted.map(|one| (Ink::Dim, printable(&one.to_string()).into_owned())));
    for remedy in server.remediations.iter().take(if verbose { FIXES } else { 1 }) {
        parts.push((Ink::Bold, fix(remedy)));
    }
    page.entry((Ink::Bold, &address(&server.name)), &parts);
}
