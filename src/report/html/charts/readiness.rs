//! How many hosts and servers are ready, policy by policy.

use maud::{Markup, html};

use super::{Picture, WIDTH, amount, bar, label, legend, table, unit, width, words};
use crate::policy::Outcome;
use crate::report::inventory::{Counts, Inventory};
use crate::report::text::{grouped, percent};

/// Outcomes in the order of the bar: what is worst stands where reading begins.
const ORDER: [Outcome; 4] = [Outcome::Breaks, Outcome::AtRisk, Outcome::Unknown, Outcome::Ready];
/// Where bars begin.
const LEFT: f64 = 72.0;

pub(super) fn figure(inventory: &Inventory) -> Markup {
    let totals = &inventory.summary.policies;
    let rows: Vec<(&str, &str, Counts)> = totals
        .iter()
        .flat_map(|one| {
            let servers = (one.servers.seen > 0).then_some(("", "our servers", one.servers));
            let others =
                (one.external_servers.seen > 0).then_some(("", "others'", one.external_servers));
            [Some((&*one.policy, "hosts", one.client_hosts)), servers, others]
        })
        .flatten()
        .filter(|(.., counts)| counts.seen > 0)
        .collect();
    let says = totals.first().map_or_else(String::new, |first| {
        let hosts = first.client_hosts;
        if hosts.seen == 0 {
            "No client host was seen.".to_owned()
        } else {
            let share = percent(hosts.ready, hosts.seen);
            format!("{share} of client hosts go on working under {}.", first.policy)
        }
    });
    let drawing = (!rows.is_empty()).then(|| draw(&rows));
    let cells: Vec<_> = totals
        .iter()
        .flat_map(|one| {
            [
                ("client hosts", one.client_hosts),
                ("servers of ours", one.servers),
                ("servers of others", one.external_servers),
            ]
            .map(|(what, counts)| {
                let numbers =
                    [counts.seen, counts.breaks, counts.at_risk, counts.unknown, counts.ready];
                let words = [one.policy.to_string(), what.to_owned()];
                words.into_iter().chain(numbers.map(grouped)).collect::<Vec<_>>()
            })
        })
        .collect();
    let header = ["Policy", "of what", "seen", "break", "at risk", "not known", "go on working"];
    Picture {
        id: "readiness",
        title: "Readiness by policy",
        says,
        drawing,
        table: table("Readiness by policy", &header, &cells),
    }
    .figure()
}

fn draw(rows: &[(&str, &str, Counts)]) -> (f64, Markup) {
    let mut y = 0.0;
    let mut used = Vec::new();
    let body = html! {
        @for (policy, what, counts) in rows {
            @if !policy.is_empty() {
                @let () = y += if y > 0.0 { 14.0 } else { 0.0 };
                g.strong { (label(0.0, y + 13.0, policy, 13.0, WIDTH, "start")) }
                @let () = y += 20.0;
            }
            @let height = if policy.is_empty() { 13.0 } else { 20.0 };
            (label(LEFT - 6.0, y + height / 2.0 + 4.0, what, 11.0, LEFT - 6.0, "end"))
            (stacked(y, height, *counts, &mut used))
            @let () = y += height + 4.0;
        }
        @let () = used.sort_by_key(|one| ORDER.iter().position(|other| other == one));
        (legend(y + 10.0, &used))
    };
    (y + 24.0, body)
}

/// A bar of all outcomes, with the number of each where there is room.
fn stacked(y: f64, height: f64, counts: Counts, used: &mut Vec<Outcome>) -> Markup {
    let numbers = [counts.breaks, counts.at_risk, counts.unknown, counts.ready];
    let parts: Vec<_> = ORDER.into_iter().zip(numbers).filter(|(_, number)| *number > 0).collect();
    // Even one of many thousands is to be seen.
    let least = 4.0;
    let gap = 1.5;
    let room = WIDTH - LEFT - (least + gap) * amount(parts.len() as u64);
    let mut x = LEFT;
    html! {
        @for (outcome, number) in &parts {
            @let wide = least + room * amount(*number) / amount(counts.seen.max(1));
            @let at = x;
            @let () = x += wide + gap;
            @if !used.contains(outcome) { @let () = used.push(*outcome); }
            (bar(at, y, wide, height, *outcome, &format!("{}: {} of {}", words(*outcome), grouped(*number), grouped(counts.seen))))
            @if height > 15.0 && wide > width(&grouped(*number), 12.0) + 14.0 {
                rect.plate x=(unit(at + wide / 2.0 - width(&grouped(*number), 12.0) / 2.0 - 4.0)) y=(unit(y + 3.0))
                    width=(unit(width(&grouped(*number), 12.0) + 8.0)) height=(unit(height - 6.0)) rx="3" {}
                text.number x=(unit(at + wide / 2.0)) y=(unit(y + height / 2.0 + 4.2)) font-size="12" text-anchor="middle" { (grouped(*number)) }
            }
        }
    }
}
