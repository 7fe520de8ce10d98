//! Tables that are in the page as written: the worst hosts where no script runs, and findings.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};

use super::answer::bad_servers;
use super::charts::badge;
use super::rows;
use crate::policy::Outcome;
use crate::policy::finding::FindingId;
use crate::report::inventory::{Client, Finding, Inventory, Stack};
use crate::report::text::{count, grouped, listed, minute, printable};

/// Hosts that are listed where no script runs.
const WORST: usize = 100;
/// Names that are listed of one.
const NAMES: usize = 4;

/// The worst hosts, for readers without scripts.
pub(super) fn worst(inventory: &Inventory) -> Markup {
    let breaks = |client: &&Client| {
        client.verdicts.first().is_some_and(|one| one.outcome == Outcome::Breaks)
    };
    let mut clients: Vec<_> = inventory.clients.iter().filter(breaks).collect();
    clients.sort_by_key(|client| (Reverse(client.connections), client.ip));
    let servers = bad_servers(inventory);
    html! {
        p { "The tables with every host need a script, which this browser does not run. Here are the worst; the CSV and JSON reports have all." }
        table.list {
            caption { "Client hosts that break (" (grouped(clients.len() as u64)) ")" }
            thead { tr {
                th scope="col" { "Host" } th scope="col" { "Owner" } th scope="col" { "Why" }
                th scope="col" { "Asks for" } th scope="col" { "Looks like" } th scope="col" { "Fix" }
                th scope="col" { "Last seen" }
            } }
            tbody {
                @for client in clients.iter().take(WORST) { (client_row(client)) }
                @if clients.is_empty() { tr { td colspan="7" { "None." } } }
            }
        }
        @if clients.len() > WORST { p { "… and " (count((clients.len() - WORST) as u64, "more host", "more hosts")) "." } }
        table.list {
            caption { "Servers that break or are at risk (" (grouped(servers.len() as u64)) ")" }
            thead { tr {
                th scope="col" { "Server" } th scope="col" { "Asked for as" } th scope="col" { "Outcome" }
                th scope="col" { "Why" } th scope="col" { "Clients" } th scope="col" { "Fix" }
            } }
            tbody {
                @for (outcome, server) in servers.iter().take(WORST) {
                    tr {
                        th scope="row" { (printable(&rows::server(&server.name))) }
                        td { (names(server.snis.iter().map(|name| &**name))) }
                        td { (badge(*outcome)) }
                        td { @if let Some(one) = server.verdicts.first() { (printable(&one.evidence)) } }
                        td { (grouped(server.clients)) }
                        td { @if let Some(fix) = server.remediations.first() { a href={ "#fix-" (fix.id) } { (fix.title) } } }
                    }
                }
                @if servers.is_empty() { tr { td colspan="6" { "None." } } }
            }
        }
    }
}

fn client_row(client: &Client) -> Markup {
    let stacks: Vec<&Stack> = client
        .stacks
        .iter()
        .filter(|stack| stack.verdicts.first().is_some_and(|one| one.outcome == Outcome::Breaks))
        .collect();
    let why: BTreeSet<_> =
        stacks.iter().filter_map(|one| one.verdicts.first()).map(|one| &one.evidence).collect();
    let software = stacks.iter().flat_map(|one| one.software.iter()).map(|one| &*one.name);
    let fixes: BTreeMap<_, _> = stacks
        .iter()
        .filter_map(|one| one.remediations.first())
        .map(|fix| (&fix.id, &fix.title))
        .collect();
    html! {
        tr {
            th scope="row" { (client.ip) @for name in &client.names { br; (printable(name)) } }
            td { @if let Some(owner) = &client.owner { (printable(owner)) } }
            td { @for (at, why) in why.iter().enumerate() { @if at > 0 { br; } (printable(why)) } }
            td { (names(stacks.iter().flat_map(|one| &one.snis).map(|name| &**name))) }
            td { (names(software)) }
            td { @for (id, title) in &fixes { a href={ "#fix-" (id) } { (title) } " " } }
            td { (minute(client.last_seen)) }
        }
    }
}

fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: BTreeSet<_> = names.map(|name| printable(name).into_owned()).collect();
    listed(&names.into_iter().collect::<Vec<_>>(), NAMES)
}

/// Whom a finding concerns.
#[derive(Default)]
struct Found {
    worst: Option<&'static str>,
    clients: u64,
    servers: u64,
    excepted: u64,
}

/// Severities, worst first.
const SEVERITIES: [&str; 5] = ["critical", "high", "medium", "low", "info"];

fn weight(severity: Option<&str>) -> usize {
    SEVERITIES.iter().position(|one| Some(*one) == severity).unwrap_or(SEVERITIES.len())
}

/// All findings under any of the policies, counted and explained.
pub(super) fn findings(inventory: &Inventory) -> Markup {
    let mut found: BTreeMap<&'static str, Found> = BTreeMap::new();
    let mut add = |findings: &mut dyn Iterator<Item = &Finding>, is_client: bool| {
        let mut seen = BTreeSet::new();
        for finding in findings {
            let entry = found.entry(finding.id).or_default();
            if weight(Some(finding.severity)) < weight(entry.worst) {
                entry.worst = Some(finding.severity);
            }
            entry.excepted += u64::from(finding.excepted.is_some());
            if seen.insert(finding.id) {
                *(if is_client { &mut entry.clients } else { &mut entry.servers }) += 1;
            }
        }
    };
    for client in &inventory.clients {
        add(&mut client.stacks.iter().flat_map(|stack| &stack.findings), true);
    }
    for server in &inventory.servers {
        add(&mut server.findings.iter(), false);
    }
    let mut found: Vec<_> = found.into_iter().collect();
    found.sort_by_key(|(id, one)| (weight(one.worst), Reverse(one.clients + one.servers), *id));
    let excepted = found.iter().any(|(_, one)| one.excepted > 0);
    html! {
        section #findings aria-labelledby="findings-h" {
            h2 #findings-h { "Findings" }
            @if found.is_empty() {
                p.empty { "Nothing was found." }
            } @else {
                div.scroll tabindex="0" role="group" aria-label="Findings" {
                    table.list.cards {
                        caption.quiet { "Findings, the worst first" }
                        thead { tr {
                            th scope="col" { "Severity" } th scope="col" { "Finding" }
                            th.number scope="col" { "Client hosts" } th.number scope="col" { "Servers" }
                            @if excepted { th.number scope="col" { "Excepted" } }
                            th scope="col" { "What it means" }
                        } }
                        tbody {
                            @for (id, one) in &found {
                                tr {
                                    td data-label="Severity" { span class={ "severity s-" (one.worst.unwrap_or("info")) } { (one.worst.unwrap_or("info")) } }
                                    th scope="row" { code { (id) } }
                                    td.number data-label="Client hosts" { (grouped(one.clients)) }
                                    td.number data-label="Servers" { (grouped(one.servers)) }
                                    @if excepted { td.number data-label="Excepted" { (grouped(one.excepted)) } }
                                    td { @if let Some(known) = FindingId::from_name(id) { (sentence(known.title())) " " (known.explanation()) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A title as a sentence of its own.
fn sentence(title: &str) -> String {
    let mut characters = title.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), characters.as_str())
}
