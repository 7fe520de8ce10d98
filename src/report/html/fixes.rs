//! The fixes that hosts of this report need, each in full: steps, values, snippets, sources.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};

use crate::recognise::Remediation;
use crate::report::inventory::{Inventory, ServerName};
use crate::report::text::{count, printable};

/// Whom a fix helps.
#[derive(Default)]
struct Needed<'a> {
    clients: BTreeSet<crate::packet::Address>,
    servers: BTreeSet<&'a ServerName>,
    /// How often it is the best one.
    best: usize,
}

/// The section.
pub(super) fn section(inventory: &Inventory) -> Markup {
    let mut needed: BTreeMap<&str, Needed<'_>> = BTreeMap::new();
    for client in &inventory.clients {
        for stack in &client.stacks {
            for (at, fix) in stack.remediations.iter().enumerate() {
                let entry = needed.entry(fix.id).or_default();
                entry.clients.insert(client.ip);
                entry.best += usize::from(at == 0);
            }
            for id in stack.findings.iter().filter_map(|one| one.remediation) {
                needed.entry(id).or_default().clients.insert(client.ip);
            }
        }
    }
    for server in &inventory.servers {
        for (at, fix) in server.remediations.iter().enumerate() {
            let entry = needed.entry(fix.id).or_default();
            entry.servers.insert(&server.name);
            entry.best += usize::from(at == 0);
        }
        for id in server.findings.iter().filter_map(|one| one.remediation) {
            needed.entry(id).or_default().servers.insert(&server.name);
        }
    }
    let mut fixes: Vec<_> = needed
        .into_iter()
        .filter_map(|(id, needed)| Some((Remediation::by_id(id)?, needed)))
        .collect();
    fixes.sort_by_key(|(fix, needed)| {
        (Reverse(needed.best), Reverse(needed.clients.len() + needed.servers.len()), &fix.id)
    });
    html! {
        section #fixes aria-labelledby="fixes-h" {
            h2 #fixes-h { "Fixes" }
            @if fixes.is_empty() {
                p.empty { "Nothing needs to be changed for what was seen." }
            } @else {
                p { "What mends most stands first. Each host names the fixes that suit its software." }
            }
            @for (fix, needed) in &fixes { (one(fix, &whom(needed))) }
        }
    }
}

fn whom(needed: &Needed<'_>) -> String {
    let mut parts = Vec::new();
    if !needed.clients.is_empty() {
        parts.push(count(needed.clients.len() as u64, "client host", "client hosts"));
    }
    if !needed.servers.is_empty() {
        parts.push(count(needed.servers.len() as u64, "server", "servers"));
    }
    parts.join(", ")
}

fn one(fix: &Remediation, whom: &str) -> Markup {
    let forms = fix.registry.iter().filter(|value| value.value.is_none());
    let forms: Vec<_> = forms.collect();
    html! {
        details.fix id={ "fix-" (fix.id) } {
            summary { span.title { (fix.title) } " " span.whom { (whom) } }
            div.steps {
                @if !fix.applies_to.is_empty() {
                    p.for { "For " (fix.applies_to.join("; ")) }
                }
                ol { @for step in &fix.steps { li { (step) } } }
                @if !fix.registry.is_empty() { (registry(fix)) }
                @for value in &forms {
                    @if let Some(form) = &value.value_form { (snippet(&value.name, form)) }
                }
                @if let Some(text) = fix.reg_file() { (snippet("As a .reg file", &text.replace("\r\n", "\n"))) }
                @if let Some(text) = fix.powershell() { (snippet("In PowerShell", &text)) }
                @if !fix.commands.is_empty() { (snippet("Commands", &fix.commands.join("\n"))) }
                @if !fix.config.is_empty() { (snippet("Configuration", &fix.config.join("\n"))) }
                @if let Some(restart) = fix.restarts() { p { strong { "Restart: " } (restart) } }
                @if let Some(caution) = &fix.caution { p.caution { strong { "Caution: " } (caution) } }
                @if !fix.sources.is_empty() {
                    p.sources { "Written in: " (fix.sources.join("; ")) }
                }
            }
        }
    }
}

fn registry(fix: &Remediation) -> Markup {
    html! {
        div.scroll tabindex="0" role="group" aria-label="Registry values" {
            table {
                caption.quiet { "Registry values to set" }
                thead { tr { th scope="col" { "Key" } th scope="col" { "Name" } th scope="col" { "Value" } } }
                tbody {
                    @for value in &fix.registry {
                        tr {
                            td { code { (value.key) } }
                            td { code { (value.name) } }
                            td {
                                @if let Some(number) = value.value { code { (number) } }
                                @if let Some(note) = &value.note { " " (note) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A text to be copied: the script adds the button.
fn snippet(title: &str, text: &str) -> Markup {
    html! {
        figure.snippet {
            figcaption { (printable(title)) }
            pre tabindex="0" { code { (text) } }
        }
    }
}
