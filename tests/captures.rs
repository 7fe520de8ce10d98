//! Every capture of the project: its records are what was reviewed, and what tshark found in it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

mod common;

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};

/// The records of each capture, as they were reviewed.
#[test]
fn records_are_as_reviewed() {
    let settings = common::settings(2, &["dataverse"]);
    let captures = common::captures();
    assert!(captures.len() >= 30, "the captures are missing");
    for path in captures {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let records = common::records(&path, &settings);
        insta::with_settings!({snapshot_suffix => name, prepend_module_to_snapshot => false}, {
            insta::assert_json_snapshot!("records", records);
        });
    }
}

/// Every status that a chain can have is that of a real connection.
#[test]
fn every_chain_status_has_a_capture() {
    let settings = common::settings(2, &["dataverse"]);
    let mut paths = common::captures();
    // A server of a public CA cannot be captured without its key: this one is of the corpus.
    let public = common::corpus().map(|corpus| corpus.join("captures"));
    paths.extend(public.iter().map(|folder| folder.join("zeek-ecdsa-cert.pcap")));
    let mut seen = BTreeMap::<String, (u32, String)>::new();
    for path in &paths {
        for record in common::records(path, &settings) {
            let status = record["chain"]["status"].as_str().unwrap().to_owned();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            seen.entry(status).or_insert((0, name)).0 += 1;
        }
    }
    for (status, (connections, first)) in &seen {
        println!("{status:14} {connections:>4} connections, {first} for one");
    }
    let own = [
        "hidden",
        "resumed",
        "not_seen",
        "bad_signature",
        "self_signed",
        "incomplete",
        "unknown_root",
        "unverifiable",
        "expired",
        "not_yet_valid",
        "private_root",
    ];
    let wanted = own.into_iter().chain(public.is_some().then_some("public_root"));
    let missing: Vec<_> = wanted.filter(|status| !seen.contains_key(*status)).collect();
    assert!(missing.is_empty(), "no capture of {missing:?}");
}

/// `expected.json` is what tshark says; we say the same, and more where it gives up.
#[test]
fn records_agree_with_tshark() {
    let settings = common::settings(1, &["dataverse"]);
    let expected: Value =
        serde_json::from_slice(&fs::read(common::project("captures/expected.json")).unwrap())
            .unwrap();
    let mut connections = 0;
    for (file, expected) in expected.as_object().unwrap() {
        let records = common::records(&common::project("captures").join(file), &settings);
        let expected = expected["connections"].as_array().unwrap();
        assert_eq!(records.len(), expected.len(), "{file}: connections");
        for wanted in expected {
            let found = records.iter().find(|record| {
                record["client"]["ip"] == wanted["client"]
                    && record["client"]["port"] == wanted["cport"]
                    && record["server"]["ip"] == wanted["server"]
                    && record["server"]["port"] == wanted["sport"]
            });
            let record = found.unwrap_or_else(|| panic!("{file}: no record of {wanted}"));
            compare(file, wanted, record);
            connections += 1;
        }
    }
    assert!(connections > 100, "only {connections} connections were compared");
}

/// Of the captures of servers: how TLS was carried, in one record for each connection.
#[test]
fn records_say_how_tls_was_carried() {
    let settings = common::settings(1, &["dataverse"]);
    let expected: Value =
        serde_json::from_slice(&fs::read(common::project("captures/expected.json")).unwrap())
            .unwrap();
    let mut compared = 0;
    for (file, expected) in expected.as_object().unwrap() {
        let Some(wanted) = expected["recorded"].as_array() else { continue };
        let mut records = common::records(&common::project("captures").join(file), &settings);
        records.sort_by_key(|record| record["ts"].as_str().unwrap().to_owned());
        let found: Vec<Value> = records.iter().zip(wanted).map(|(r, w)| carried(r, w)).collect();
        assert_eq!((records.len(), &found), (wanted.len(), wanted), "{file}");
        compared += found.len();
    }
    assert!(compared > 20, "only {compared} records were compared");
}

/// What a record says of the things that are wanted of it.
fn carried(record: &Value, wanted: &Value) -> Value {
    let value = |key: &str| match key {
        "target" => record["server"]["target"].clone(),
        _ => record[key].clone(),
    };
    wanted.as_object().unwrap().keys().map(|key| (key.clone(), value(key))).collect()
}

fn compare(file: &str, wanted: &Value, record: &Value) {
    let count = |list: &Value| json!(list.as_array().unwrap().len());
    let server = &record["server_hello"];
    let facts = [
        ("sni", record["sni"].clone()),
        ("offered_max", record["client_hello"]["max_version"].clone()),
        ("version", server["version"].clone()),
        ("cipher", server["cipher_suite"].clone()),
        ("group", server["group"].clone()),
        ("sentinel", server["downgrade_sentinel"].clone()),
        ("resumed", record["resumed"].clone()),
        ("alerts", record["alerts"].clone()),
        ("certs", count(&record["certificates"])),
        ("client_certs", count(&record["client_certificates"])),
    ];
    for (fact, found) in facts {
        // What tshark does not read (half a hello, an alert behind a NULL cipher's MAC) it leaves
        // out; where it states something, that is what it is.
        let silent = wanted[fact].is_null() || wanted[fact] == json!([]);
        let behind_mac = fact == "alerts" && found == json!([]) && file.contains("null");
        assert!(
            found == wanted[fact] || silent || behind_mac,
            "{file}: {fact} is {found}, tshark says {}",
            wanted[fact]
        );
    }
}

/// Neither the number of threads nor the company of other captures changes a byte.
#[test]
fn threads_change_nothing() {
    let captures = [common::project("captures")];
    let (one, census_one) = common::read(&captures, &common::settings(1, &["dataverse"]));
    let (four, census_four) = common::read(&captures, &common::settings(4, &["dataverse"]));
    assert!(one == four, "records differ");
    assert!(census_one.snapshot() == census_four.snapshot(), "inventories differ");
}
