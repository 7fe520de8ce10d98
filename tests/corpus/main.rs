//! The captures with independent truth that lie beside the project: our facts agree with theirs, and
//! each difference that remains is in a table, with who is right and why.
//!
//! `differences.tsv` was checked by hand against the bytes. A difference that is not in it fails the
//! test, and so does one that is in it and no longer there. Its columns:
//!
//! | column | what it holds |
//! | --- | --- |
//! | `capture` `connection` `field` | where; `connection` as a field is a whole connection that one side has and the other has not |
//! | `theirs` `ours` | what either says, shortened like the comparer does |
//! | `connections` | how many connections of the capture differ in just this way |
//! | `facts` | how many facts this counts for in the comparison; 0 where the truth says nothing |
//! | `right` | `ours`, `theirs`, or `open`: the bytes do not decide |
//! | `why` | what the bytes say |

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test may fail")]

#[path = "../common/mod.rs"]
mod common;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// The share of facts that has to agree, in percent.
const AGREEMENT: f64 = 99.5;

/// Capture, connection, field, theirs, ours.
type Difference = [String; 5];

/// How many connections differ in this way.
type Differences = BTreeMap<Difference, u64>;

#[test]
fn facts_agree_with_the_truth_and_each_difference_is_explained() {
    let Some(corpus) = common::corpus() else { return };
    let folder = tempfile::tempdir().unwrap();
    let settings = common::settings(2, &["dataverse"]);
    let mut captures = 0;
    for entry in fs::read_dir(corpus.join("captures")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let (lines, _) = common::read(&[path], &settings);
        fs::write(folder.path().join(format!("{name}.ndjson")), lines).unwrap();
        captures += 1;
    }
    assert!(captures >= 100, "only {captures} captures");
    let compared = Command::new("python3")
        .arg(corpus.join("compare.py"))
        .arg(corpus.join("truth"))
        .arg(folder.path())
        .arg("--verbose")
        .output();
    let Ok(compared) = compared else {
        eprintln!("skipped: python3 is not here to compare with the truth");
        return;
    };
    let text = String::from_utf8(compared.stdout).unwrap();
    let (fields, _) = text.split_once("\n\n").unwrap();
    let last = text.lines().last().unwrap_or_default();
    eprintln!("{fields}\n{last}");
    let percent: f64 = last
        .strip_prefix("agreement: ")
        .and_then(|rest| rest.split('%').next())
        .and_then(|number| number.parse().ok())
        .unwrap();
    assert!(percent >= AGREEMENT, "{text}");

    let mut found = compared_differences(&text);
    second_rank_differences(&corpus.join("truth"), folder.path(), &mut found);
    let (table, facts) = table();
    let new: Vec<_> = found.iter().filter(|pair| table.get(pair.0) != Some(pair.1)).collect();
    let gone: Vec<_> = table.iter().filter(|pair| found.get(pair.0) != Some(pair.1)).collect();
    assert!(new.is_empty(), "differences that differences.tsv does not have: {new:#?}");
    assert!(gone.is_empty(), "no longer there, but in differences.tsv: {gone:#?}");

    // The table accounts for every fact that the comparison counts against us.
    let [missing, wrong] = [2, 3].map(|column| total(fields, column));
    assert_eq!(facts, missing + wrong, "facts in the table, and counted by the comparer");
}

/// One column of the comparer's table, added up over the fields that it counts.
fn total(fields: &str, column: usize) -> u64 {
    fields
        .lines()
        .skip(1)
        .filter(|line| !line.starts_with("ja4 (other tools)"))
        .map(|line| line.split_whitespace().nth(column).unwrap().parse::<u64>().unwrap())
        .sum()
}

/// What the comparer prints of each difference.
fn compared_differences(text: &str) -> Differences {
    let mut found = Differences::new();
    let mut capture = "";
    for line in text.lines() {
        let Some(difference) = line.strip_prefix("    ") else {
            capture = line.split_whitespace().next().unwrap_or_default();
            continue;
        };
        let [connection, field, theirs, ours] = parse(difference);
        let key = [capture, connection, field, theirs, ours].map(str::to_owned);
        *found.entry(key).or_insert(0) += 1;
    }
    found
}

/// A line of the comparer: connection, field, theirs, ours.
fn parse(line: &str) -> [&str; 4] {
    if let Some((_, connection)) = line.split_once("connection not reported: ") {
        return [connection, "connection", "reported", ""];
    }
    let (what, said) = line.split_once(": ").unwrap_or_else(|| panic!("cannot read {line}"));
    let (connection, field) = what.rsplit_once(' ').unwrap();
    if let Some(ours) = said.strip_prefix("truth has none, got ") {
        return [connection, field, "", ours];
    }
    let (_, values) = said.split_once(", want ").unwrap_or_else(|| panic!("cannot read {line}"));
    let (theirs, ours) = values.rsplit_once(" got ").unwrap();
    [connection, field, theirs, ours]
}

/// What the comparer does not list one by one: connections that only we report, and JA4 as other
/// tools than its makers' give it.
fn second_rank_differences(truth: &Path, ours: &Path, found: &mut Differences) {
    for entry in fs::read_dir(truth).unwrap() {
        let path = entry.unwrap().path();
        let capture = path.file_stem().unwrap().to_string_lossy().into_owned();
        let mut pool: HashMap<String, VecDeque<Value>> = HashMap::new();
        for record in objects(&ours.join(path.file_name().unwrap())) {
            let ends = ["client", "server"].map(|end| &record[end]);
            let key = key(&record["transport"], ends.map(|end| (&end["ip"], &end["port"])));
            pool.entry(key).or_default().push_back(record);
        }
        for record in objects(&path) {
            let ends = ["client", "server"];
            let ends =
                ends.map(|end| (&record[format!("{end}_ip")], &record[format!("{end}_port")]));
            let key = key(&record["transport"], ends);
            let got = pool.get_mut(&key).and_then(VecDeque::pop_front);
            let Some(others) = record["ja4_others"].as_object() else { continue };
            let got =
                got.map(|got| got["client_hello"]["ja4"].as_str().unwrap_or_default().to_owned());
            let got = got.unwrap_or_default();
            if record["ja4"].is_null() && !others.contains_key(&got) {
                let theirs = others.keys().next().unwrap().clone();
                let key = [capture.clone(), String::new(), "ja4 of others".into(), theirs, got];
                *found.entry(key).or_insert(0) += 1;
            }
        }
        for (key, left) in pool {
            for _ in left {
                let (_, connection) = key.split_once(' ').unwrap();
                let (field, ours) = ("connection".into(), "reported".into());
                let key = [capture.clone(), connection.to_owned(), field, String::new(), ours];
                *found.entry(key).or_insert(0) += 1;
            }
        }
    }
}

/// What identifies a connection for both sides.
fn key(transport: &Value, ends: [(&Value, &Value); 2]) -> String {
    let layer = if transport == "tcp" { "tcp" } else { "udp" };
    let [client, server] =
        ends.map(|(address, port)| format!("{}:{port}", address.as_str().unwrap_or_default()));
    format!("{layer} {client} -> {server}")
}

fn objects(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The committed table, and how many facts it accounts for.
fn table() -> (Differences, u64) {
    let text = fs::read_to_string(common::project("tests/corpus/differences.tsv")).unwrap();
    let (mut table, mut accounted) = (Differences::new(), 0);
    for line in text.lines().skip(1) {
        let columns: Vec<_> = line.split('\t').collect();
        let [capture, connection, field, theirs, ours, connections, facts, right, why] =
            columns[..]
        else {
            panic!("nine columns: {line}")
        };
        assert!(matches!(right, "ours" | "theirs" | "open") && !why.is_empty(), "{line}");
        let key = [capture, connection, field, theirs, ours].map(str::to_owned);
        let [connections, facts]: [u64; 2] = [connections, facts].map(|n| n.parse().unwrap());
        accounted += connections * facts;
        assert_eq!(table.insert(key, connections), None, "twice in the table: {line}");
    }
    (table, accounted)
}
