//! What the report rests on: what could not be seen, sources, policies, trust, exceptions.

use maud::{Markup, html};

use crate::report::inventory::{Inventory, SourceLine};
use crate::report::summary::coverage;
use crate::report::text::{grouped, minute, printable};

/// The section.
pub(super) fn section(inventory: &Inventory) -> Markup {
    let mut blind = coverage::connections(&inventory.coverage);
    blind.extend(coverage::bounds(&inventory.coverage, true));
    blind.extend(coverage::packets(&inventory.coverage, true));
    blind.extend(coverage::interfaces(inventory));
    blind.extend(coverage::passed_over(&inventory.coverage));
    html! {
        section #seen aria-labelledby="seen-h" {
            h2 #seen-h { "What was seen, and what was not" }
            div.columns {
                div {
                    h3 { "Blind spots" }
                    @if blind.is_empty() {
                        p { "None is known." }
                    } @else {
                        ul { @for line in &blind { li { (line) } } }
                    }
                }
                div {
                    h3 { "Policies" }
                    dl {
                        @for policy in &inventory.policies {
                            dt { (printable(&policy.id)) }
                            dd {
                                (printable(&policy.title)) "; " (printable(&policy.status))
                                @if let Some(document) = &policy.document { "; " (printable(document)) }
                                @if let Some(date) = &policy.date { ", " (printable(date)) }
                            }
                        }
                    }
                }
                div {
                    h3 { "Trust and scope" }
                    dl {
                        @for store in &inventory.trust {
                            dt { (printable(&store.name)) }
                            dd { (grouped(store.roots as u64)) " roots, " (printable(&store.origin)) }
                        }
                        dt { "Scope" }
                        dd {
                            @if inventory.scope.is_empty() { "every server that was seen" }
                            @else { (printable(&inventory.scope.join(", "))) }
                        }
                    }
                }
            }
            (sources(inventory))
            (exceptions(inventory))
        }
    }
}

/// Who loses what of an interface.
const LOST: [&str; 6] = [
    "by the interface",
    "ring full",
    "workers behind",
    "unread",
    "while a handshake was open",
    "flows at a bound",
];

/// A cell for each of these.
fn lost(source: &SourceLine) -> Markup {
    html! {
        @if let Some(lost) = &source.lost {
            @let [interface, ring, backlog, unread, open, evicted] = LOST;
            @for (kind, count) in [
                (interface, lost.interface), (ring, lost.ring), (backlog, lost.backlog), (unread, lost.unread),
            ] {
                td.number data-label=(kind) { (grouped(count)) }
            }
            td.number data-label=(open) { (lost.open_share()) }
            td.number data-label=(evicted) { (grouped(source.evicted_flows)) }
        } @else {
            @for _ in LOST { td {} }
        }
    }
}

fn sources(inventory: &Inventory) -> Markup {
    let live = inventory.sources.iter().any(|source| source.lost.is_some());
    html! {
        h3 { "Sources" }
        div.scroll tabindex="0" role="group" aria-label="Sources" {
            table.list.cards {
                caption.quiet { "Sources" }
                thead { tr {
                    th scope="col" { "Sensor" } th scope="col" { "Source" } th scope="col" { "From" }
                    th scope="col" { "To" } th.number scope="col" { "Packets" }
                    th.number scope="col" { "Lost" }
                    @if live { @for kind in LOST { th.number scope="col" { (kind) } } }
                    th scope="col" { "Fault" }
                } }
                tbody {
                    @for source in &inventory.sources {
                        tr {
                            td data-label="Sensor" { (printable(&source.sensor)) }
                            th scope="row" { (printable(&source.name)) }
                            td data-label="From" { @if let Some(at) = source.first_seen { (minute(at)) } }
                            td data-label="To" { @if let Some(at) = source.last_seen { (minute(at)) } }
                            td.number data-label="Packets" { (grouped(source.packets)) }
                            td.number data-label="Lost" { (grouped(source.dropped)) }
                            @if live { (lost(source)) }
                            td { @if let Some(error) = &source.error { (printable(error)) } }
                        }
                    }
                }
            }
        }
    }
}

fn exceptions(inventory: &Inventory) -> Markup {
    html! {
        @if !inventory.exceptions.is_empty() {
            h3 { "Exceptions" }
            div.scroll tabindex="0" role="group" aria-label="Exceptions" {
                table.list {
                    caption.quiet { "Exceptions" }
                    thead { tr {
                        th.number scope="col" { "No." } th scope="col" { "Owner" } th scope="col" { "Reason" }
                        th scope="col" { "Until" } th scope="col" { "Matches" } th scope="col" { "Status" }
                        th.number scope="col" { "Hosts" } th.number scope="col" { "Servers" } th.number scope="col" { "Findings" }
                    } }
                    tbody {
                        @for line in &inventory.exceptions {
                            tr {
                                td.number { (line.agreed.exception) }
                                td { (printable(&line.agreed.owner)) }
                                td { (printable(&line.agreed.reason)) }
                                td { (printable(&line.agreed.expires)) }
                                td { (printable(&line.matches)) }
                                td { (line.status.words()) }
                                td.number { (grouped(line.clients)) }
                                td.number { (grouped(line.servers)) }
                                td.number { (grouped(line.findings)) }
                            }
                        }
                    }
                }
            }
        }
    }
}
