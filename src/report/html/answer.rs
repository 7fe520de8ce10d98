//! The top of the page: who breaks, why, and how sure that is.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};

use super::charts::sign;
use crate::packet::Address;
use crate::policy::Outcome;
use crate::report::inventory::{Inventory, Server};
use crate::report::summary::{answer, coverage};
use crate::report::text::{count, grouped, percent, printable};

/// Reasons that are told one by one.
const REASONS: usize = 5;

/// The section.
pub(super) fn section(inventory: &Inventory) -> Markup {
    let totals = inventory.summary.policies.first();
    let hosts = totals.map(|totals| totals.client_hosts).unwrap_or_default();
    let mood = match (hosts.seen, hosts.breaks, hosts.unknown) {
        (0, ..) | (_, 0, 1..) => Outcome::Unknown,
        (_, 0, 0) => Outcome::Ready,
        _ => Outcome::Breaks,
    };
    let excepted = totals.map_or(0, |totals| totals.excepted.client_hosts);
    html! {
        section #answer .(class(mood)) aria-labelledby="answer-h" {
            div.verdict {
                h1 #answer-h { (answer::headline(inventory)) }
                @if hosts.seen > 0 {
                    p.then {
                        @if let Some(rest) = answer::rest(hosts) { (rest) " " }
                        @if excepted > 0 {
                            (count(excepted, "of those that break is excepted. ", "of those that break are excepted. "))
                        }
                        (servers(inventory))
                    }
                    @if let Some(differs) = answer::successor(inventory, hosts) { p { (differs) } }
                }
            }
            div.because {
                @if hosts.breaks > 0 {
                    div { h2 { "Why they break" } (reasons(inventory)) }
                }
                div { h2 { "How sure this is" } (sure(inventory)) }
            }
        }
    }
}

/// The class of an outcome in the style sheet.
pub(super) const fn class(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Breaks => "breaks",
        Outcome::AtRisk => "risk",
        Outcome::Unknown => "unknown",
        Outcome::Ready => "ready",
    }
}

/// What becomes of the servers, in a sentence.
fn servers(inventory: &Inventory) -> String {
    let Some(totals) = inventory.summary.policies.first() else { return String::new() };
    let (ours, others) = (totals.servers, totals.external_servers);
    let mut parts = Vec::new();
    for (counts, whose) in [(ours, "ours"), (others, "others")] {
        if counts.seen == 0 {
            continue;
        }
        let of = format!("of {} of {whose}", count(counts.seen, "server", "servers"));
        if counts.seen == 1 {
            let one = format!("The one server of {whose}");
            parts.push(match (counts.breaks, counts.at_risk, counts.ready) {
                (1, ..) => format!("{one} breaks"),
                (_, 1, _) => format!("{one} is at risk"),
                (.., 1) => format!("{one} goes on working"),
                _ => format!("{one} could not be judged"),
            });
            continue;
        }
        parts.push(match (counts.breaks, counts.at_risk) {
            (0, 0) if counts.unknown == counts.seen => format!("None {of} could be judged"),
            (0, 0) => format!("None {of} is seen to break"),
            (0, 1) => format!("1 {of} is at risk"),
            (0, risk) => format!("{} {of} are at risk", grouped(risk)),
            (1, 0) => format!("1 {of} breaks"),
            (breaks, 0) => format!("{} {of} break", grouped(breaks)),
            (breaks, risk) => {
                let verb = if breaks == 1 { "breaks" } else { "break" };
                let is = if risk == 1 { "is" } else { "are" };
                format!("{} {of} {verb} and {} {is} at risk", grouped(breaks), grouped(risk))
            }
        });
    }
    if parts.is_empty() { parts.join("") } else { format!("{}.", parts.join(". ")) }
}

/// Why hosts break, the reason of most of them first, each with what usually mends it.
fn reasons(inventory: &Inventory) -> Markup {
    let mut told: BTreeMap<&str, (BTreeSet<Address>, BTreeMap<&str, usize>)> = BTreeMap::new();
    for client in &inventory.clients {
        let stacks =
            client.stacks.iter().filter_map(|stack| Some((stack, stack.verdicts.first()?)));
        for (stack, verdict) in stacks.filter(|(_, one)| one.outcome == Outcome::Breaks) {
            let (hosts, fixes) = told.entry(&verdict.evidence).or_default();
            hosts.insert(client.ip);
            if let Some(fix) = stack.remediations.first() {
                *fixes.entry(fix.id).or_default() += 1;
            }
        }
    }
    let mut told: Vec<_> = told.into_iter().collect();
    told.sort_by_key(|(why, (hosts, _))| (Reverse(hosts.len()), *why));
    let more: BTreeSet<_> = told.iter().skip(REASONS).flat_map(|(_, (hosts, _))| hosts).collect();
    html! {
        ul.reasons {
            @for (why, (hosts, fixes)) in told.iter().take(REASONS) {
                li {
                    strong { (count(hosts.len() as u64, "host", "hosts")) }
                    span {
                        (printable(why))
                        @if let Some((fix, _)) = fixes.iter().max_by_key(|(id, n)| (**n, Reverse(**id))) {
                            " " a href={ "#fix-" (fix) } { "Fix" }
                        }
                    }
                }
            }
            @if !more.is_empty() {
                li {
                    strong { (count(more.len() as u64, "host", "hosts")) }
                    span { "in other ways: the list of hosts names them." }
                }
            }
        }
    }
}

/// How sure the answer is: the watch, the packets, the connections.
fn sure(inventory: &Inventory) -> Markup {
    let seen = &inventory.coverage;
    let packets = &seen.packets;
    let mut blind = coverage::connections(seen);
    blind.extend(coverage::bounds(seen, false));
    let broken: Vec<_> = inventory.sources.iter().filter(|one| one.error.is_some()).collect();
    html! {
        ul.sure {
            @if let Some(sentence) = &seen.watch.sentence { li { (sentence) } }
            @if let Some(line) = coverage::seen(inventory) { li { (line) } }
            @if packets.dropped > 0 {
                li.warn {
                    (sign(Outcome::AtRisk))
                    (count(packets.dropped, "packet was lost while capturing", "packets were lost while capturing"))
                    " (" (percent(packets.dropped, packets.dropped.saturating_add(packets.read))) "): hosts may be missing."
                }
            } @else if packets.read > 0 {
                li { "No packet was lost while capturing, as far as the capture says." }
            } @else if inventory.clients.is_empty() && inventory.servers.is_empty() {
                li { "No packet was read: this says nothing of any host." }
            }
            @if !broken.is_empty() {
                li.warn {
                    (sign(Outcome::AtRisk))
                    (count(broken.len() as u64, "source", "sources")) " could not be read to the end."
                }
            }
            @if !blind.is_empty() {
                li {
                    (count(blind.len() as u64, "blind spot", "blind spots")) ": "
                    a href="#seen" { "what could not be seen" } "."
                }
            }
        }
    }
}

/// The servers that break or are at risk under the first policy, the worst first.
pub(super) fn bad_servers(inventory: &Inventory) -> Vec<(Outcome, &Server)> {
    let mut servers: Vec<_> = inventory
        .servers
        .iter()
        .filter_map(|server| Some((server.verdicts.first()?.outcome, server)))
        .filter(|(outcome, _)| matches!(outcome, Outcome::Breaks | Outcome::AtRisk))
        .collect();
    servers.sort_by_key(|(outcome, server)| {
        (Reverse(*outcome), !server.internal, Reverse(server.clients), &server.name)
    });
    servers
}
