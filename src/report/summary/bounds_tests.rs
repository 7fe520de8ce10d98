//! Every bound names the counter of what it refuses, and every such counter is shown.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::census::{FullLists, Notes, Snapshot};
use crate::packet::Skip;
use crate::report::inventory::{CoverageLine, Inventory, LostLine};
use crate::report::sample::{judge, office, snapshot};
use crate::report::summary::Style;

const LIMITS: &str = include_str!("../../limits.rs");

/// The table of the module: bound → counter, or why there is none.
fn table() -> BTreeMap<&'static str, &'static str> {
    let rows = LIMITS.lines().filter_map(|line| line.strip_prefix("//! | `"));
    let rows: Vec<_> = rows
        .map(|row| {
            let (bound, rest) = row.split_once("` | ").unwrap();
            (bound, rest.strip_suffix(" |").unwrap().trim_matches('`'))
        })
        .collect();
    let table: BTreeMap<_, _> = rows.iter().copied().collect();
    assert_eq!(table.len(), rows.len(), "a bound stands twice in the table");
    table
}

/// The fields of `Limits`.
fn bounds() -> BTreeSet<&'static str> {
    let (_, rest) = LIMITS.split_once("pub struct Limits {").unwrap();
    let (fields, _) = rest.split_once("\n}").unwrap();
    let names = fields.lines().filter_map(|line| line.trim_start().strip_prefix("pub "));
    names.map(|line| line.split_once(':').unwrap().0).collect()
}

#[test]
fn each_bound_says_what_counts_what_it_refuses() {
    let table = table();
    let listed: BTreeSet<_> = table.keys().copied().collect();
    assert_eq!(bounds(), listed);
    let coverage = serde_json::to_value(CoverageLine::default()).unwrap();
    for (bound, counter) in table {
        if counter.starts_with("none: ") {
            continue;
        }
        let pointer = format!("/{}", counter.replace('.', "/"));
        let there = match counter.split_once("packets.skipped.") {
            Some((_, reason)) => {
                Skip::ALL.iter().any(|skip| skip.name().replace('-', "_") == reason)
            }
            None if counter.starts_with("packets.lost.") => {
                let lost = LostLine::from(crate::census::Lost::default());
                let lost = serde_json::to_value(lost).unwrap();
                lost[counter.trim_start_matches("packets.lost.")].is_u64()
            }
            None => coverage.pointer(&pointer).is_some_and(Value::is_u64),
        };
        assert!(there, "{bound}: there is no coverage.{counter}");
    }
}

/// All that is written of a coverage.
fn written(plain: &Snapshot, change: &dyn Fn(&mut CoverageLine)) -> [String; 4] {
    let mut inventory: Inventory = judge(plain, &["dataverse"], &[]);
    change(&mut inventory.coverage);
    let of = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    };
    [
        inventory.summary(Style { width: 80, colour: false, verbose: true }),
        of(&|out| inventory.write_json(out).unwrap()),
        of(&|out| inventory.write_markdown(out).unwrap()),
        of(&|out| inventory.write_html(out).unwrap()),
    ]
}

#[test]
fn each_counter_is_shown_in_every_report_where_it_is_not_zero() {
    let plain = snapshot(&office());
    let before = written(&plain, &|_| {});
    let set = |counter: &str, coverage: &mut CoverageLine| {
        let full = &mut coverage.full_lists;
        let unlisted = &mut coverage.unlisted;
        match counter {
            "evicted_flows" => coverage.evicted_flows = 7_654_321,
            "chains_not_verified" => coverage.chains_not_verified = 7,
            "chains_not_completed" => coverage.chains_not_completed = 7,
            "with_gaps" => coverage.connections.with_gaps = 7,
            "incomplete" => coverage.connections.incomplete = 7,
            "truncated" => coverage.connections.truncated = 7,
            "unlisted.hosts" => unlisted.hosts = 7,
            "unlisted.stacks" => unlisted.stacks = 7,
            "unlisted.edges" => unlisted.edges = 7,
            "unlisted.evidence" => unlisted.evidence = 7,
            "full_lists.macs" => full.macs = 7,
            "full_lists.names" => full.names = 7,
            "names_refused" => coverage.connections.names_refused = 7,
            "details_refused" => coverage.connections.details_refused = 7,
            "full_lists.bins" => full.bins = 7,
            "full_lists.attempts" => full.attempts = 7,
            "packets.lost.backlog" => {
                coverage.packets.dropped = 7;
                coverage.packets.lost.insert(crate::census::Lost::default().into()).backlog = 7;
            }
            _ => match counter.split_once('.') {
                Some(("notes", note)) => assert!(coverage.notes.set(note, 7), "{counter}"),
                Some(("packets", "skipped.too_deep")) => {
                    coverage.packets.skipped.insert("too_deep", 7);
                }
                Some(("packets", "skipped.fragment_lost")) => {
                    coverage.packets.skipped.insert("fragment_lost", 7);
                }
                _ => panic!("what does {counter} count?"),
            },
        }
    };
    let notes = Notes::default();
    let of_notes = notes.counters().map(|(name, _)| format!("notes.{name}"));
    let full = FullLists::default();
    let of_lists = full.counters().map(|(name, _)| format!("full_lists.{name}"));
    let of_bounds = table().into_values().filter(|why| !why.starts_with("none: "));
    let mut all: BTreeSet<String> =
        of_notes.chain(of_lists).chain(of_bounds.map(str::to_owned)).collect();
    // Named source by source, in words of their own.
    assert!(all.remove("faulty_sources"));
    assert!(all.len() > 20);
    for counter in all {
        let after = written(&plain, &|coverage| set(&counter, coverage));
        for (report, (before, after)) in
            ["summary", "JSON", "Markdown", "HTML"].iter().zip(before.iter().zip(&after))
        {
            assert!(before != after, "{counter} is not shown in the {report}");
        }
    }
}
