//! The built program, as people run it: exit codes, messages, outputs.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

mod common;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn tlscensus(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tlscensus"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(args)
        .env_remove("NO_COLOR")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

const OFFICE: &str = "captures/office-network.pcap";

#[test]
fn the_summary_names_the_legacy_hosts_and_no_others() {
    let output = tlscensus(&["read", "-v", OFFICE]);
    assert_eq!((code(&output), stderr(&output).as_str()), (0, ""));
    let text = stdout(&output);
    assert!(text.starts_with("5 of 12 client hosts break when dataverse is enforced."), "{text}");
    let breaking = text.split("\n\n").find(|part| part.starts_with("Clients that break")).unwrap();
    for host in ["10.20.0.13", "10.20.0.14", "10.20.0.15", "10.20.0.16", "10.20.0.21"] {
        assert!(breaking.contains(host), "{host} is missing in {breaking}");
    }
    for host in ["10.20.0.12", "10.20.0.17", "10.20.0.18", "10.20.0.19", "10.20.0.20"] {
        assert!(!breaking.contains(host), "{host} is able, in {breaking}");
    }
    // A legacy server is not its able client's fault.
    let servers = text.split("\n\n").find(|part| part.starts_with("Servers of ours")).unwrap();
    assert!(servers.contains("10.20.1.12:443"), "{servers}");
}

#[test]
#[cfg(feature = "live")]
fn a_filter_leaves_out_what_does_not_match() {
    let output = tlscensus(&["read", "-q", "--flows", "-", "--filter", "host 10.20.0.13", OFFICE]);
    assert_eq!((code(&output), stderr(&output).as_str()), (0, ""));
    let records: Vec<Value> =
        stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(records.len(), 2);
    assert!(records.iter().all(|record| record["client"]["ip"] == "10.20.0.13"));

    let output = tlscensus(&["read", "--filter", "port", OFFICE]);
    assert_eq!(code(&output), 2);
    let text = stderr(&output);
    assert!(text.contains("cannot filter by `port`") && text.contains("pcap-filter(7)"), "{text}");
}

#[test]
fn records_go_to_standard_output_and_the_summary_beside_them() {
    let output = tlscensus(&["read", OFFICE, "--flows", "-"]);
    assert_eq!(code(&output), 0);
    let records: Vec<Value> =
        stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(records.len() > 20);
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    for record in &records {
        assert_eq!(keys(record).len(), 27, "a record has every key, seen or not");
        assert_eq!(record["schema"], "tlscensus.flow/1");
        assert_eq!(record["source"], OFFICE);
    }
    assert!(stderr(&output).contains("client hosts break"));
    let quiet = tlscensus(&["read", OFFICE, "--flows", "-", "-q"]);
    assert_eq!((stdout(&quiet), stderr(&quiet)), (stdout(&output), String::new()));
}

#[test]
fn outputs_appear_whole_and_the_same_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let run = |threads: &str, run: &str| {
        let flows = path(&format!("{run}.ndjson"));
        let (json, csv) = (path(&format!("{run}.json")), path(&format!("{run}.csv")));
        let output = tlscensus(&[
            "read",
            "captures",
            "--threads",
            threads,
            "--sensor",
            "s",
            "--flows",
            &flows,
            "--report",
            &json,
            "--report",
            &csv,
        ]);
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        [flows, json, csv].map(|path| fs::read(path).unwrap())
    };
    let [flows, json, csv] = run("1", "a");
    assert!([flows, json.clone(), csv.clone()] == run("3", "b"));
    let inventory: Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(inventory["schema"], "tlscensus.inventory/1");
    for key in ["sources", "policies", "summary", "clients", "servers", "edges", "certificates"] {
        assert!(!inventory[key].is_null(), "{key} is missing");
    }
    let csv = String::from_utf8(csv).unwrap();
    assert_eq!(
        csv.lines().next().unwrap().trim_end(),
        "role,ip,addresses,port,application,name,mac,owner,software,max_version,ja4,policy,outcome,\
         reasons,connections,first_seen,last_seen,peers,snis,findings,remediations"
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 6, "nothing is left aside");
}

#[test]
fn standard_input_is_read_to_its_end() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tlscensus"))
        .args(["read", "-", "--flows", "-", "-q"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let bytes = fs::read(common::project("captures/tls12-rsa-kx.pcap")).unwrap();
    let mut stdin = child.stdin.take().unwrap();
    for piece in bytes.chunks(333) {
        stdin.write_all(piece).unwrap();
    }
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let record: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(record["source"], "-");
    assert_eq!(record["server_hello"]["cipher_suite_name"], "TLS_RSA_WITH_AES_128_GCM_SHA256");
}

#[test]
fn a_closed_pipe_ends_the_output_and_not_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("inventory.json");
    let mut child = Command::new(env!("CARGO_BIN_EXE_tlscensus"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["read", "captures", "--flows", "-", "-q", "--report"])
        .arg(&report)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((code(&output), stderr(&output).as_str()), (0, ""));
    assert!(report.exists());
}

#[test]
fn wrong_usage_reads_nothing() {
    for (args, words) in [
        (vec!["read"], "PATH"),
        (vec!["read", OFFICE, "--policy", "datavers"], "dataverse"),
        (vec!["read", OFFICE, "--policy", "./none.toml"], "none.toml"),
        (vec!["read", OFFICE, "--trust", "corp=/nonexistent.pem"], "/nonexistent.pem"),
        (vec!["read", OFFICE, "--scope", "10.0.0.0/99"], "10.0.0.0/99"),
        (vec!["read", OFFICE, "--since", "yesterday"], "yesterday"),
        (vec!["read", OFFICE, "--report", "inventory.xlsx"], ".csv"),
        (vec!["read", OFFICE, "--threads", "0"], "threads"),
    ] {
        let output = tlscensus(&args);
        assert_eq!(code(&output), 2, "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(words), "{args:?}: {}", stderr(&output));
        assert_eq!(stdout(&output), "", "{args:?}");
    }
}

#[test]
fn what_is_no_capture_is_named_with_the_cure() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.to_string_lossy().into_owned()
    };
    let text = file("notes.txt", b"no capture at all");
    let empty = file("empty.pcap", b"");
    let missing = folder.path().join("missing.pcap").to_string_lossy().into_owned();
    for path in [&text, &empty, &missing] {
        let output = tlscensus(&["read", path]);
        assert_eq!(code(&output), 1, "{path}");
        assert!(stderr(&output).contains(&**path), "{}", stderr(&output));
        // The others are read all the same.
        let output = tlscensus(&["read", path, OFFICE]);
        assert_eq!(code(&output), 4, "{path}: {}", stderr(&output));
        assert!(stderr(&output).contains(&**path), "{}", stderr(&output));
        assert!(stdout(&output).contains("client hosts break"));
    }
}

#[test]
fn a_directory_skips_what_is_no_capture() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    fs::write(empty.join("README.md"), "text").unwrap();
    let output = tlscensus(&["read", &empty.to_string_lossy()]);
    assert_eq!(code(&output), 1);
    assert!(stderr(&output).contains("no capture in"), "{}", stderr(&output));
    fs::copy(common::project(OFFICE), empty.join("office.pcap")).unwrap();
    let output = tlscensus(&["read", &empty.to_string_lossy()]);
    assert_eq!((code(&output), stderr(&output).as_str()), (0, ""));
}

#[test]
fn a_capture_cut_in_a_packet_is_reported_as_far_as_it_goes() {
    let folder = tempfile::tempdir().unwrap();
    let cut = folder.path().join("cut.pcap");
    let bytes = fs::read(common::project(OFFICE)).unwrap();
    fs::write(&cut, &bytes[..bytes.len() - 7]).unwrap();
    let output = tlscensus(&["read", &cut.to_string_lossy()]);
    assert_eq!(code(&output), 4);
    let words = stderr(&output);
    assert!(words.contains("cut short at byte") && words.contains("cut.pcap"), "{words}");
    assert!(stdout(&output).starts_with("5 of 12 client hosts break"), "{}", stdout(&output));
}

#[test]
fn an_unknown_link_type_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let odd = folder.path().join("odd.pcap");
    let mut bytes = fs::read(common::project("captures/tls12-rsa-kx.pcap")).unwrap();
    bytes[20..24].copy_from_slice(&147_u32.to_le_bytes());
    fs::write(&odd, &bytes).unwrap();
    let output = tlscensus(&["read", &odd.to_string_lossy()]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert!(stdout(&output).contains("link"), "{}", stdout(&output));
    let words = stderr(&output);
    assert!(words.contains("odd.pcap` holds packets of link type 147"), "{words}");
    // One of many is enough.
    for other in ["a.pcap", "b.pcap"] {
        // Another second of its first packet.
        bytes[24] ^= 1;
        fs::write(folder.path().join(other), &bytes).unwrap();
        bytes[25] ^= 1;
    }
    let words = stderr(&tlscensus(&["read", &folder.path().to_string_lossy()]));
    assert!(words.contains("a.pcap` and 2 others hold packets of link type 147"), "{words}");
    assert_eq!(words.matches("147").count(), 1, "{words}");
}

#[cfg(unix)]
#[test]
fn an_unreadable_file_does_not_stop_the_others() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let locked = folder.path().join("locked.pcap");
    fs::copy(common::project(OFFICE), &locked).unwrap();
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::File::open(&locked).is_ok() {
        return; // Root may read everything.
    }
    let output = tlscensus(&["read", &locked.to_string_lossy(), OFFICE]);
    assert_eq!(code(&output), 4);
    assert!(stderr(&output).contains("locked.pcap"));
}

#[test]
fn fail_on_matches_what_it_says() {
    assert_eq!(code(&tlscensus(&["read", OFFICE, "--fail-on", "breaks"])), 3);
    let able = "captures/tls12-ecdhe-rsa.pcap";
    assert_eq!(code(&tlscensus(&["read", able, "--fail-on", "breaks"])), 0);
    assert_eq!(code(&tlscensus(&["read", able, "--fail-on", "findings"])), 3, "an unknown root");
    let trust = ["--trust", "captures/roots/private-root.pem"];
    let trusted = [&["read", able, "--fail-on", "findings"][..], &trust].concat();
    assert_eq!(code(&tlscensus(&trusted)), 0, "{}", stdout(&tlscensus(&trusted)));
    // The exit code speaks of the first policy: under the second one the suite is off the list.
    let two = [&trusted[..], &["--policy", "dataverse", "--policy", "bsi-tr-02102-2"]].concat();
    assert_eq!(code(&tlscensus(&two)), 0);
}

#[test]
fn of_several_exit_codes_the_first_that_applies_counts() {
    let folder = tempfile::tempdir().unwrap();
    let cut = folder.path().join("cut.pcap");
    let bytes = fs::read(common::project(OFFICE)).unwrap();
    fs::write(&cut, &bytes[..bytes.len() - 7]).unwrap();
    let cut = cut.to_string_lossy().into_owned();
    let fail = ["--fail-on", "breaks"];
    let read = |words: &[&str]| code(&tlscensus(&[&["read"], words, &fail[..]].concat()));
    // Matched (3) before partial (4); nothing matched: partial.
    assert_eq!(read(&[&cut]), 3);
    assert_eq!(read(&[&cut, "--scope", "*.nowhere.example"]), 4);
    // Wrong usage (2) before all, and nothing is read; what cannot be done (1) before matched.
    assert_eq!(read(&[&cut, "--policy", "no-such"]), 2);
    assert_eq!(read(&[&cut, "--exceptions", "/nowhere/exceptions.toml"]), 2);
    assert_eq!(read(&[&cut, "--trust", "/nowhere/roots.pem"]), 2);
    assert_eq!(read(&[&cut, "--report", "/nowhere/report.json"]), 1);
    assert_eq!(read(&["/nowhere.pcap"]), 1);
    assert_eq!(read(&["/nowhere.pcap", OFFICE]), 3, "one was read, and it breaks");
    let report = ["report", "/nowhere.db", "--fail-on", "breaks"];
    assert_eq!(code(&tlscensus(&report)), 1);
}

#[test]
fn stores_stand_side_by_side_and_unknown_issuers_together() {
    let text = stdout(&tlscensus(&["read", OFFICE]));
    let chains = |text: &str| {
        let part = text.split("\n\n").find(|part| part.starts_with("Certificate chains"));
        part.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let unknown = "5 servers under C=XX, O=Corp Example, CN=Corp Example Root CA, which no trust";
    assert!(chains(&text).contains(unknown), "{text}");
    assert!(chains(&text).contains("--trust NAME=FILE"), "{text}");
    let corp = "corp=captures/roots/private-root.pem";
    let folder = tempfile::tempdir().unwrap();
    let [json, markdown] = ["i.json", "i.md"].map(|name| folder.path().join(name));
    let known = tlscensus(&[
        "read",
        OFFICE,
        "--trust",
        "mozilla",
        "--trust",
        corp,
        "--report",
        &json.to_string_lossy(),
        "--report",
        &markdown.to_string_lossy(),
    ]);
    let words = "5 servers end at C=XX, O=Corp Example, CN=Corp Example Root CA: trusted by corp";
    assert!(chains(&stdout(&known)).contains(words), "{}", stdout(&known));
    let report: Value = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
    let totals = &report["summary"]["chains"];
    assert_eq!(totals["trusted_by"]["corp"], 5);
    assert_eq!(totals["trusted_by"]["mozilla"], 0);
    assert_eq!(totals["unknown"].as_array().unwrap().len(), 0);
    let markdown = fs::read_to_string(&markdown).unwrap();
    assert!(markdown.contains("## Certificate chains"), "{markdown}");
}

#[test]
fn a_capture_that_a_census_holds_counts_once() {
    let folder = tempfile::tempdir().unwrap();
    let census = folder.path().join("census.db").to_string_lossy().into_owned();
    assert_eq!(code(&tlscensus(&["read", OFFICE, "--census", &census, "-q"])), 0);
    let host = |paths: &[&str]| {
        let output = tlscensus(&[&["host", "10.20.0.13"], paths].concat());
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        stdout(&output)
    };
    let once = host(&[OFFICE]);
    assert!(once.contains("connections as a client"), "{once}");
    assert_eq!(host(&[&census]), once);
    assert_eq!(host(&[&census, OFFICE]), once);
    assert_eq!(host(&[OFFICE, OFFICE]), once);
    let both = host(&[&census, "captures/curl.pcap"]);
    assert_eq!(both, once, "another capture is read beside it");
}

#[test]
fn an_explanation_says_what_users_see() {
    let text = stdout(&tlscensus(&["explain", "dotnet-strong-crypto"]));
    assert!(text.contains("What users see") && text.contains("ERROR REQUESTING Token"), "{text}");
}

#[test]
fn an_explanation_names_what_mends_it_and_no_restart_that_is_not_needed() {
    let explain = |id: &str| tlscensus(&["explain", id]);
    let text = stdout(&explain("offer.max_version"));
    assert!(text.contains("  schannel-tls12-client: Switch on TLS 1.2 for Schannel clients"));
    assert!(stdout(&explain("group")).contains("What may mend it"));
    assert!(stdout(&explain("at_risk")).starts_with("at_risk: A server that can"));
    let upgrade = stdout(&explain("windows-upgrade"));
    assert!(!upgrade.contains("Restart"), "{upgrade}");
    assert!(stdout(&explain("schannel-tls12-client")).contains("Restart\n  computer"));
    let wrong = explain("ofer.max_versoin");
    assert_eq!(code(&wrong), 2);
    assert!(stderr(&wrong).contains("did you mean `offer.max_version`?"), "{}", stderr(&wrong));
}

#[test]
fn the_names_of_a_service_are_a_hint_for_the_scope() {
    let hint = "hint: add --scope '*.dynamics.com' to count only the hosts that talk to it";
    let text = stdout(&tlscensus(&["read", OFFICE]));
    assert_eq!(text.matches(hint).count(), 1, "{text}");
    let scoped = stdout(&tlscensus(&["read", OFFICE, "--scope", "*.dynamics.com"]));
    assert!(!scoped.contains("hint:"), "{scoped}");
}

#[test]
fn an_anonymous_report_names_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let (census, plain, key) = (path("census.db"), path("plain.json"), path("key"));
    let read = ["read", "captures", "--sensor", "sensor-7", "--census", &census, "-q"];
    assert_eq!(code(&tlscensus(&[&read[..], &["--report", &plain]].concat())), 0);
    let report = |key: &str, files: &[String]| {
        let mut args = vec!["report", &census, "-v", "--anonymize", key];
        for file in files {
            args.extend(["--report", file]);
        }
        tlscensus(&args)
    };
    // A key that cannot be used ends it before anything is read.
    fs::write(&key, "short").unwrap();
    let short = report(&key, &[]);
    assert_eq!(code(&short), 2);
    assert!(stderr(&short).contains("openssl rand"), "{}", stderr(&short));
    fs::write(&key, "0123456789abcdef0123456789abcdef\n").unwrap();
    let files = ["a.json", "a.csv", "a.md"].map(path);
    let output = report(&key, &files);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let plain: Value = serde_json::from_slice(&fs::read(&plain).unwrap()).unwrap();
    let mut secrets = std::collections::BTreeSet::new();
    name_secrets(&plain, "", &mut secrets);
    assert!(secrets.len() > 150, "{secrets:?}");
    let mut texts = vec![stdout(&output)];
    texts.extend(files.iter().map(|file| fs::read_to_string(file).unwrap()));
    for secret in &secrets {
        assert!(texts.iter().all(|text| !text.contains(secret.as_str())), "{secret} is left");
    }
    let anonymous: Value = serde_json::from_str(&texts[1]).unwrap();
    assert_eq!(anonymous["anonymized"], true);
    assert_eq!(anonymous["summary"]["policies"], plain["summary"]["policies"]);
    assert_eq!(stdout(&report(&key, &[])), texts[0], "the same key gives the same report");
}

/// Every address and name in a report; those of a few letters could stand anywhere.
fn name_secrets(value: &Value, key: &str, secrets: &mut std::collections::BTreeSet<String>) {
    const KEYS: [&str; 15] = [
        "ip",
        "addresses",
        "mac",
        "names",
        "snis",
        "sni",
        "client",
        "target",
        "subject",
        "issuer",
        "san",
        "sha1",
        "sha256",
        "serial",
        "sensor",
    ];
    match value {
        Value::Object(object) => {
            object.iter().for_each(|(key, value)| name_secrets(value, key, secrets));
        }
        Value::Array(array) => array.iter().for_each(|value| name_secrets(value, key, secrets)),
        Value::String(text) if KEYS.contains(&key) && text.len() > 5 => {
            secrets.insert(text.clone());
        }
        _ => {}
    }
}

#[test]
fn exceptions_are_agreed_until_a_day() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let write = |name: &str, lines: &str| {
        let agreed = "[[exception]]\nowner = \"Jane Doe\"\nreason = \"goes in June\"\n";
        fs::write(folder.path().join(name), format!("{agreed}{lines}\n")).unwrap();
        path(name)
    };
    let all = write("all.toml", "expires = 2099-12-31\nnetwork = \"0.0.0.0/0\"");
    let old = write("old.toml", "expires = 2020-01-31\nnetwork = \"0.0.0.0/0\"");
    let wrong = write("wrong.toml", "expires = 2099-12-31\nnetwrok = \"0.0.0.0/0\"");
    let (census, json) = (path("census.db"), path("inventory.json"));
    let read = ["read", OFFICE, "--census", &census, "--report", &json, "--fail-on", "breaks"];
    let run = |args: &[&str], exceptions: &str| {
        tlscensus(&[args, &["--exceptions", exceptions]].concat())
    };
    // An error names the place and the right word, and nothing is read.
    let refused = run(&read, &wrong);
    assert_eq!((code(&refused), stdout(&refused).as_str()), (2, ""));
    let words = stderr(&refused);
    assert!(words.contains("wrong.toml:5:1") && words.contains("`network`"), "{words}");
    assert!(!Path::new(&census).exists() && !Path::new(&json).exists());
    assert_eq!(code(&run(&read, &path("none.toml"))), 2);
    // What is agreed is counted and shown, and fails nothing.
    let agreed = run(&read, &all);
    assert_eq!(code(&agreed), 0, "{}", stderr(&agreed));
    assert!(stdout(&agreed).starts_with("5 of 12 client hosts break"), "{}", stdout(&agreed));
    assert!(stdout(&agreed).contains("5 of those that break are excepted."));
    let report: Value = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
    assert_eq!(report["exceptions"][0]["status"], "applied");
    assert_eq!(report["summary"]["policies"][0]["excepted"]["client_hosts"], 5);
    let findings = run(&["report", &census, "--fail-on", "findings"], &all);
    assert_eq!(code(&findings), 0);
    // What has expired is named and covers nothing.
    let expired = run(&["report", &census, "--fail-on", "breaks"], &old);
    assert_eq!(code(&expired), 3);
    assert!(stdout(&expired).contains("expired on 2020-01-31"), "{}", stdout(&expired));
    // The other commands know the option as well.
    let host = stdout(&run(&["host", "10.20.0.13", &census], &all));
    assert!(host.contains("excepted until 2099-12-31"), "{host}");
    let diff = run(&["diff", &census, &census, "--fail-on", "breaks"], &old);
    assert_eq!(code(&diff), 0);
    assert!(stdout(&diff).contains("expired on 2020-01-31"), "{}", stdout(&diff));
}

#[test]
fn colours_are_for_terminals_or_for_those_who_ask() {
    let plain = tlscensus(&["read", OFFICE]);
    assert!(!stdout(&plain).contains('\x1b'));
    let colored = tlscensus(&["read", OFFICE, "--color", "always"]);
    assert!(stdout(&colored).contains('\x1b'));
}

#[test]
fn help_says_what_an_option_does_in_its_command() {
    let help = |command: &str| {
        let help = stdout(&tlscensus(&[command, "--help"]));
        help.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    // A comparison does not fail on what was there before.
    assert!(help("diff").contains("Exit with 3 where NEW has what OLD had not"));
    for command in ["read", "report"] {
        assert!(help(command).contains("Exit with 3 where a host in scope breaks"));
    }
    #[cfg(feature = "live")]
    assert!(help("live").contains("FILE (.html, .json, .csv or .md)"));
    assert!(
        help("explain").starts_with("Explain a finding, a reason, an outcome or a remediation")
    );
    for id in ["suite.tls_rsa", "cipher_suite", "at_risk", "schannel-tls12-client"] {
        assert_eq!(code(&tlscensus(&["explain", id])), 0, "{id}");
    }
}

#[test]
fn policies_are_listed_shown_and_checked() {
    let list = stdout(&tlscensus(&["policy", "list"]));
    let ids = [
        "dataverse",
        "dataverse-on-premises",
        "dynamics365-finance-operations",
        "dynamics365-customer-engagement",
        "entra-connect",
    ];
    for id in ids {
        assert!(list.contains(id), "{id} is missing in {list}");
        let shown = stdout(&tlscensus(&["policy", "show", id]));
        assert!(shown.starts_with(id) && shown.contains("TLS1.2"), "{shown}");
    }
    let own = "src/policy/builtin/entra-connect.toml";
    let checked = tlscensus(&["policy", "check", own]);
    assert_eq!(code(&checked), 0, "{}", stderr(&checked));
    let wrong = tlscensus(&["policy", "check", "Cargo.toml"]);
    assert_eq!(code(&wrong), 2);
    assert!(stderr(&wrong).contains("Cargo.toml"));
}

#[test]
fn every_command_explains_itself_with_an_example() {
    for args in [vec!["--help"], vec!["read", "--help"], vec!["policy", "show", "--help"]] {
        let help = tlscensus(&args);
        assert_eq!(code(&help), 0);
        assert!(stdout(&help).contains("Example"), "{args:?}: {}", stdout(&help));
    }
    assert!(stdout(&tlscensus(&["man"])).contains(".TH tlscensus"));
    assert!(stdout(&tlscensus(&["completions", "bash"])).contains("tlscensus"));
    assert!(Path::new(env!("CARGO_BIN_EXE_tlscensus")).exists());
}
