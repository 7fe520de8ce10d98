//! Client stacks against policies: whose software breaks under which.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};

use super::{Picture, WIDTH, label, legend, shape, table, unit, words};
use crate::packet::Address;
use crate::policy::Outcome;
use crate::report::html::answer::class;
use crate::report::html::rows;
use crate::report::inventory::{Inventory, Stack};
use crate::report::text::{count, grouped};

/// Rows that are drawn.
const ROWS: usize = 12;
/// Policies that are drawn.
const POLICIES: usize = 6;
/// How wide a policy's column is, and a row high.
const COLUMN: f64 = 30.0;
const ROW: f64 = 27.0;
/// How wide the numbers of hosts are.
const HOSTS: f64 = 44.0;
/// How high the names of several policies stand.
const HEAD: f64 = 96.0;

/// What rows are told apart by: whose software, its highest version, what becomes of it.
type Kind = (String, String, Vec<Outcome>);

pub(super) fn figure(inventory: &Inventory) -> Markup {
    let mut kinds: BTreeMap<Kind, BTreeSet<Address>> = BTreeMap::new();
    for client in &inventory.clients {
        for stack in client.stacks.iter().filter(|stack| stack.fallback_of.is_none()) {
            let outcomes = stack.verdicts.iter().map(|one| one.outcome).collect();
            let version = stack.max_version.map(|one| rows::version(&one.to_string()));
            let kind = (software(stack), version.unwrap_or_default(), outcomes);
            kinds.entry(kind).or_default().insert(client.ip);
        }
    }
    let mut kinds: Vec<_> = kinds.into_iter().map(|(kind, hosts)| (kind, hosts.len())).collect();
    kinds.sort_by(|(left, few), (right, many)| {
        let worst = |kind: &Kind| Reverse(kind.2.iter().map(|one| weight(*one)).max());
        let first = |kind: &Kind| Reverse(kind.2.first().map(|one| weight(*one)));
        (first(left), worst(left), Reverse(few), left).cmp(&(
            first(right),
            worst(right),
            Reverse(many),
            right,
        ))
    });
    let policies: Vec<&str> = inventory.policies.iter().map(|one| &*one.id).collect();
    let broken = kinds.iter().filter(|(kind, _)| kind.2.contains(&Outcome::Breaks)).count() as u64;
    let says = match (kinds.len(), broken) {
        (0, _) => "No client was seen.".to_owned(),
        (1, 0) => "The one kind of client goes on working, or could not be judged.".to_owned(),
        (1, _) => "The one kind of client breaks under at least one policy.".to_owned(),
        (all, 0) => {
            format!("None of {} breaks.", count(all as u64, "kind of client", "kinds of clients"))
        }
        (all, _) => format!(
            "Of {}, {} under at least one policy.",
            count(all as u64, "kind of client", "kinds of clients"),
            count(broken, "breaks", "break"),
        ),
    };
    let cells: Vec<_> = kinds
        .iter()
        .map(|((software, version, outcomes), hosts)| {
            let outcomes = outcomes.iter().map(|one| words(*one).to_owned());
            let row = [software.clone(), version.clone(), grouped(*hosts as u64)];
            row.into_iter().chain(outcomes).collect()
        })
        .collect();
    let header: Vec<&str> = ["Looks like", "offers at most", "hosts"]
        .into_iter()
        .chain(policies.iter().copied())
        .collect();
    Picture {
        id: "stacks",
        title: "Client software and policies",
        says,
        drawing: (!kinds.is_empty()).then(|| draw(&kinds, &policies)),
        table: table("Client software and policies", &header, &cells),
    }
    .figure()
}

const fn weight(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Breaks => 3,
        Outcome::AtRisk => 2,
        Outcome::Unknown => 1,
        Outcome::Ready => 0,
    }
}

/// Whose software it may be, in a few words.
fn software(stack: &Stack) -> String {
    match &*stack.software {
        [] if stack.offer.is_none() => "no ClientHello seen".to_owned(),
        [] => "software not recognised".to_owned(),
        [one] => one.name.to_string(),
        [first, rest @ ..] => format!("{} or {} more", first.name, rest.len()),
    }
}

fn draw(kinds: &[(Kind, usize)], policies: &[&str]) -> (f64, Markup) {
    let shown = &policies[..policies.len().min(POLICIES)];
    let columns = shown.iter().fold(0.0, |sum: f64, _| sum + COLUMN);
    let head = if shown.len() > 1 { HEAD } else { 36.0 };
    let room = WIDTH - columns - HOSTS;
    let mut y = head;
    let mut used = BTreeSet::new();
    let body = html! {
        text.faint x=(unit(WIDTH - columns - 8.0)) y=(unit(head - 8.0)) font-size="11" text-anchor="end" { "hosts" }
        @if let [one] = shown {
            (label(WIDTH, head - 24.0, one, 11.0, WIDTH, "end"))
        } @else {
            @for (at, policy) in shown.iter().enumerate() {
                @let x = WIDTH - columns + super::amount(at as u64) * COLUMN + COLUMN / 2.0;
                g transform={ "rotate(-90 " (unit(x)) " " (unit(head - 8.0)) ")" } {
                    (label(x, head - 4.0, policy, 11.0, HEAD - 8.0, "start"))
                }
            }
        }
        @for ((software, version, outcomes), hosts) in kinds.iter().take(ROWS) {
            path.axis d={ "M0 " (unit(y)) "H" (unit(WIDTH)) } {}
            (label(0.0, y + 12.0, software, 12.0, room - 4.0, "start"))
            text.faint x="0" y=(unit(y + 23.5)) font-size="10" {
                @if version.is_empty() { "nothing known" } @else { "at most " (version) }
            }
            text.number x=(unit(WIDTH - columns - 8.0)) y=(unit(y + 17.0)) font-size="12" text-anchor="end" { (grouped(*hosts as u64)) }
            @for (at, outcome) in outcomes.iter().take(shown.len()).enumerate() {
                @let () = { used.insert(Reverse(weight(*outcome))); };
                @let x = WIDTH - columns + super::amount(at as u64) * COLUMN + (COLUMN - 20.0) / 2.0;
                g transform={ "translate(" (unit(x)) " " (unit(y + 3.5)) ")" } {
                    title { (software) ", " (shown[at]) ": " (words(*outcome)) }
                    rect .(class(*outcome)) width="20" height="20" rx="4" {}
                    g.glyph.(class(*outcome)) transform="translate(2 2)" { path d=(shape(*outcome)) {} }
                }
            }
            @let () = y += ROW;
        }
        @if kinds.len() > ROWS {
            text.faint x="0" y=(unit(y + 14.0)) font-size="11" { "… and " (grouped((kinds.len() - ROWS) as u64)) " more kinds: see the table" }
            @let () = y += 20.0;
        }
        (legend(y + 10.0, &used.iter().map(|one| match one.0 {
            3 => Outcome::Breaks,
            2 => Outcome::AtRisk,
            1 => Outcome::Unknown,
            _ => Outcome::Ready,
        }).collect::<Vec<_>>()))
    };
    (y + 24.0, body)
}
