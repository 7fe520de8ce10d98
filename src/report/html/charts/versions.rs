//! What clients offer at most, and what was negotiated: the difference is made by servers.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::{Picture, WIDTH, amount, table, unit, width};
use crate::report::html::rows;
use crate::report::inventory::Inventory;
use crate::report::text::{grouped, percent};
use crate::tls::codepoint::ProtocolVersion;

/// Versions in the order of the picture.
const VERSIONS: [ProtocolVersion; 6] = [
    ProtocolVersion::TLS1_3,
    ProtocolVersion::TLS1_2,
    ProtocolVersion::TLS1_1,
    ProtocolVersion::TLS1_0,
    ProtocolVersion::SSL3,
    ProtocolVersion::SSL2,
];
/// Where bars begin, and where the longest ends.
const LEFT: f64 = 62.0;
const RIGHT: f64 = 60.0;

/// Connections by version.
#[derive(Default)]
struct Line {
    offered: u64,
    negotiated: u64,
}

pub(super) fn figure(inventory: &Inventory) -> Markup {
    let mut lines: BTreeMap<Option<usize>, Line> = BTreeMap::new();
    let place = |version: ProtocolVersion| {
        let judged = version.judged_as();
        VERSIONS.iter().position(|one| Some(*one) == judged)
    };
    let stacks = inventory.clients.iter().flat_map(|client| &client.stacks);
    for stack in stacks {
        lines.entry(stack.max_version.and_then(place)).or_default().offered += stack.connections;
    }
    let all: u64 = lines.values().map(|line| line.offered).sum();
    for edge in &inventory.edges {
        let mut left = edge.connections;
        for (name, number) in &*edge.versions {
            let version = ProtocolVersion::from_name(name).and_then(place);
            lines.entry(version).or_default().negotiated += number;
            left = left.saturating_sub(*number);
        }
        lines.entry(None).or_default().negotiated += left;
    }
    let legacy = |of: fn(&Line) -> u64| {
        lines
            .iter()
            .filter(|(at, _)| at.is_some_and(|at| at > 1))
            .map(|(_, line)| of(line))
            .sum::<u64>()
    };
    let says = if all == 0 {
        "No connection was seen.".to_owned()
    } else {
        format!(
            "{} of connections negotiated less than TLS\u{a0}1.2; in {} the client offered no more.",
            percent(legacy(|line| line.negotiated), all),
            percent(legacy(|line| line.offered), all),
        )
    };
    let none = lines.remove(&None);
    let rows: Vec<(String, Line)> = VERSIONS
        .iter()
        .enumerate()
        .map(|(at, version)| (rows::version(&version.to_string()), lines.remove(&Some(at))))
        .chain([("none".to_owned(), none)])
        .filter_map(|(name, line)| Some((name, line?)))
        .filter(|(_, line)| line.offered + line.negotiated > 0)
        .collect();
    let cells: Vec<_> = rows
        .iter()
        .map(|(name, line)| vec![name.clone(), grouped(line.offered), grouped(line.negotiated)])
        .collect();
    let title = "Offered and negotiated versions";
    Picture {
        id: "versions",
        title,
        says,
        drawing: (!rows.is_empty()).then(|| draw(&rows)),
        table: table(
            title,
            &["Version", "offered at most, connections", "negotiated, connections"],
            &cells,
        ),
    }
    .figure()
}

fn draw(rows: &[(String, Line)]) -> (f64, Markup) {
    let most = rows.iter().map(|(_, line)| line.offered.max(line.negotiated)).max().unwrap_or(1);
    let scale = (WIDTH - LEFT - RIGHT) / amount(most.max(1));
    let mut y = 0.0;
    let body = html! {
        @for (name, line) in rows {
            text x=(unit(LEFT - 8.0)) y=(unit(y + 19.0)) font-size="12" text-anchor="end" { (name) }
            @for (place, what, number) in [(0.0, "offered at most", line.offered), (14.0, "negotiated", line.negotiated)] {
                @let wide = if number == 0 { 0.0 } else { (amount(number) * scale).max(2.0) };
                g {
                    title { (name) ", " (what) ": " (grouped(number)) }
                    @if place < 1.0 {
                        rect.outline x=(unit(LEFT)) y=(unit(y + 2.0)) width=(unit(wide)) height="12" rx="2" {}
                    } @else {
                        rect.solid x=(unit(LEFT)) y=(unit(y + 2.0 + place)) width=(unit(wide)) height="12" rx="2" {}
                    }
                    text.number.faint x=(unit(LEFT + wide + 5.0)) y=(unit(y + 12.0 + place)) font-size="11" { (grouped(number)) }
                }
            }
            @let () = y += 35.0;
        }
        @let key = 30.0 + width("offered at most", 12.0);
        rect.outline x="0.5" y=(unit(y + 4.5)) width="14" height="12" rx="2" {}
        text x="20" y=(unit(y + 15.0)) font-size="12" { "offered at most" }
        rect.solid x=(unit(key)) y=(unit(y + 4.5)) width="14" height="12" rx="2" {}
        text x=(unit(key + 20.0)) y=(unit(y + 15.0)) font-size="12" { "negotiated" }
    };
    (y + 20.0, body)
}
