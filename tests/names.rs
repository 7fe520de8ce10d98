//! Names that hosts say on the wire, from the frame to the report: real name services, captured.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

use std::process::Command;

use serde_json::Value;

/// The report of a capture, as JSON.
fn report(capture: &str) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    let status = Command::new(env!("CARGO_BIN_EXE_tlscensus"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["read", "--quiet", &format!("captures/{capture}"), "--report"])
        .arg(&path)
        .status();
    assert!(status.unwrap().success(), "{capture}");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// What hosts of a list are called, and by whom.
fn names(hosts: &Value) -> Vec<String> {
    let hosts = hosts.as_array().unwrap().iter();
    hosts
        .map(|host| {
            let by: Vec<String> = host["named_by"]
                .as_object()
                .unwrap()
                .iter()
                .map(|(name, by)| {
                    format!(
                        "{name} by {}",
                        by.as_array()
                            .unwrap()
                            .iter()
                            .map(|one| one.as_str().unwrap())
                            .collect::<Vec<_>>()
                            .join(" and ")
                    )
                })
                .collect();
            format!("{} {}", host["ip"].as_str().unwrap(), by.join(", "))
        })
        .collect()
}

#[test]
fn hosts_are_called_what_they_call_themselves() {
    for (capture, host) in [
        ("names-dhcp.pcap", "10.20.0.31 till-07 by dhcp"),
        ("names-mdns.pcap", "10.20.0.32 printer-3.local by mdns"),
        ("names-llmnr.pcap", "10.20.0.33 accounts-pc by llmnr"),
        ("names-netbios.pcap", "10.20.0.35 cad-station by netbios"),
        ("names-dns.pcap", "10.20.0.36 badge-reader.corp.example by dns"),
    ] {
        let report = report(capture);
        assert_eq!(names(&report["clients"]), [host], "{capture}");
    }
}

/// A server that its client did not name is called what DNS said.
#[test]
fn a_server_is_called_what_its_client_asked_for() {
    let report = report("names-dns.pcap");
    assert_eq!(names(&report["servers"]), ["10.20.1.10 erp.corp.example by dns"]);
    assert_eq!(report["servers"][0]["snis"], Value::Array(Vec::new()));
}
