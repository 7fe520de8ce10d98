//! Each sentence on exceptions: what matches, what is counted, what is named, and when it ends.

use super::*;
use crate::policy::Outcome;
use crate::report::diff::Diff;
use crate::report::inventory::{Client, Inventory, Server};
use crate::report::sample::{alike, judge_except, office, snapshot};
use crate::report::summary::Style;

/// The office with exceptions; every entry is agreed and holds long enough.
fn office_with(conditions: &[&str]) -> Inventory {
    let entry = |conditions: &&str| {
        format!(
            "[[exception]]\nowner = \"Jane Doe\"\nreason = \"goes in June\"\n\
             expires = 2099-12-31\n{conditions}\n"
        )
    };
    let file: String = conditions.iter().map(entry).collect();
    judge_except(&snapshot(&office()), &["dataverse"], &[], &file)
}

fn client(inventory: &Inventory, last: u8) -> &Client {
    let ip = Address::v4([10, 0, 0, last]);
    inventory.clients.iter().find(|client| client.ip == ip).unwrap()
}

fn server<'a>(inventory: &'a Inventory, name: &str) -> &'a Server {
    inventory.servers.iter().find(|server| server.name.to_string() == name).unwrap()
}

/// The client hosts that break and are excepted, by the last number of their address.
fn excepted(inventory: &Inventory) -> Vec<u8> {
    let breaks = |client: &&Client| {
        let verdict = &client.verdicts[0];
        verdict.excepted.is_some() && verdict.outcome == Outcome::Breaks
    };
    inventory.clients.iter().filter(breaks).map(|client| client.ip.octets()[15]).collect()
}

fn summary(inventory: &Inventory) -> String {
    let style = Style { width: 100, colour: false, verbose: false };
    // Where lines are broken makes no difference here.
    inventory.summary(style).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn entries_match_by_host_network_sni_server_and_offer() {
    let ja4 = |last| {
        let inventory = office_with(&[]);
        let stacks = &client(&inventory, last).stacks;
        let breaks = stacks.iter().find(|one| one.verdicts[0].outcome == Outcome::Breaks).unwrap();
        format!("offer = \"{}\"", breaks.ja4.as_ref().unwrap())
    };
    for (conditions, hosts) in [
        ("host = \"10.0.0.5\"", vec![5]),
        ("host = [\"10.0.0.5\", \"10.0.0.6\"]", vec![5, 6]),
        ("network = \"10.0.0.0/24\"", vec![5, 6]),
        ("network = \"10.0.1.0/24\"", vec![]),
        ("sni = \"*.contoso.example\"", vec![5]),
        ("sni = [\"*.contoso.example\", \"*\"]", vec![5, 6]),
        ("server = \"203.0.113.0/24\"", vec![5, 6]),
        ("server = \"*.contoso.example\"", vec![5]),
        (&*ja4(5), vec![5]),
        (&*ja4(6), vec![6]),
        // Of several conditions all must hold.
        ("host = \"10.0.0.5\"\nnetwork = \"10.0.1.0/24\"", vec![]),
        ("network = \"10.0.0.0/24\"\nsni = \"*.contoso.example\"", vec![5]),
    ] {
        assert_eq!(excepted(&office_with(&[conditions])), hosts, "{conditions}");
    }
}

#[test]
fn an_exception_for_one_service_hides_no_other() {
    // 10.0.0.5 breaks towards two services.
    let one = "sni = \"crm.contoso.example\"";
    assert_eq!(excepted(&office_with(&[one])), [0; 0]);
    let both = [one, "sni = \"login.contoso.example\""];
    let inventory = office_with(&both);
    assert_eq!(excepted(&inventory), [5], "two entries together cover all that it does");
    assert!(inventory.exceptions.iter().all(|line| line.status == ExceptionStatus::Applied));
}

#[test]
fn a_finding_is_excepted_by_its_id() {
    let inventory = office_with(&["finding = \"version.tls1.0\""]);
    let findings = |excepted: bool| {
        let stacks = inventory.clients.iter().flat_map(|client| &client.stacks);
        let all = stacks
            .flat_map(|stack| &stack.findings)
            .chain(inventory.servers.iter().flat_map(|server| &server.findings));
        let ids = all.filter(move |one| one.excepted.is_some() == excepted).map(|one| one.id);
        ids.collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(findings(true).into_iter().collect::<Vec<_>>(), ["version.tls1.0"]);
    assert!(!findings(false).contains("version.tls1.0") && findings(false).len() > 2);
    assert_eq!(excepted(&inventory), [0; 0], "it says nothing of the outcome");
    // The finding that says the same as the outcome excepts that too.
    assert_eq!(excepted(&office_with(&["finding = \"offer.max_version\""])), [5]);
    assert_eq!(excepted(&office_with(&["finding = \"offer.no_suite\""])), [6]);
}

#[test]
fn servers_are_excepted_like_clients() {
    let bad = |inventory: &Inventory| server(inventory, "10.9.0.1:443").verdicts[0].clone();
    for conditions in [
        "host = \"10.9.0.1\"",
        "server = \"10.9.0.1:443\"",
        "sni = \"intranet.*\"",
        "finding = \"server.max_version\"",
    ] {
        let verdict = bad(&office_with(&[conditions]));
        assert_eq!(verdict.outcome, Outcome::Breaks, "{conditions}");
        assert!(verdict.excepted.is_some(), "{conditions}");
    }
    // Of its clients a host condition does not speak.
    assert!(bad(&office_with(&["host = \"10.0.0.10\""])).excepted.is_none());
    assert!(bad(&office_with(&["server = \"10.9.0.1:8443\""])).excepted.is_none());
}

#[test]
fn what_is_excepted_is_counted_and_shown_as_such() {
    let plain = office_with(&[]);
    let inventory = office_with(&["host = \"10.0.0.5\""]);
    let totals = |inventory: &Inventory| inventory.summary.policies[0].client_hosts;
    assert_eq!(totals(&plain), totals(&inventory));
    assert_eq!(inventory.summary.policies[0].excepted.client_hosts, 1);
    let words = "excepted until 2099-12-31 by Jane Doe: goes in June";
    let text = summary(&inventory);
    assert!(text.contains(words), "{text}");
    assert!(
        text.contains("2 of 8 client hosts break")
            && text.contains("1 of those that break is excepted")
    );
    let (mut csv, mut markdown) = (Vec::new(), Vec::new());
    inventory.write_csv(&mut csv).unwrap();
    inventory.write_markdown(&mut markdown).unwrap();
    let (csv, markdown) = (String::from_utf8(csv).unwrap(), String::from_utf8(markdown).unwrap());
    assert!(csv.contains(",breaks,\"excepted;version\","), "{csv}");
    assert!(csv.contains("version.tls1.0 (excepted)"), "{csv}");
    assert!(markdown.contains(words) && markdown.contains("## Exceptions"), "{markdown}");
    assert!(
        inventory
            .host(Address::v4([10, 0, 0, 5]), Style { width: 300, colour: false, verbose: false })
            .unwrap()
            .contains(words)
    );
}

#[test]
fn failing_on_something_leaves_out_what_is_excepted() {
    assert!(office_with(&[]).breaks() && office_with(&[]).has_findings());
    let some = office_with(&["host = [\"10.0.0.5\", \"10.0.0.6\"]"]);
    assert!(some.breaks(), "the server of ours is left");
    let most = office_with(&["host = [\"10.0.0.5\", \"10.0.0.6\", \"10.9.0.1\"]"]);
    assert!(!most.breaks() && most.has_findings());
    assert!(!office_with(&["network = \"0.0.0.0/0\""]).has_findings());
    // A comparison fails only on what is new and not excepted.
    let nothing = judge_except(&snapshot(&[]), &["dataverse"], &[], "");
    let diff = |new| Diff::new(&nothing, new);
    assert!(diff(&some).has_new_breaks() && !diff(&most).has_new_breaks());
    let everything = diff(&office_with(&["network = \"0.0.0.0/0\""]));
    assert!(everything.new_findings.is_empty() && !everything.excepted_findings.is_empty());
}

#[test]
fn an_exception_ends_with_its_day_by_the_time_of_the_capture() {
    let with = |day: &str| {
        let file = format!(
            "[[exception]]\nowner = \"Jane Doe\"\nreason = \"goes in June\"\nexpires = {day}\n\
             host = \"10.0.0.5\"\n"
        );
        judge_except(&snapshot(&office()), &["dataverse"], &[], &file)
    };
    let last = office_with(&[]).coverage.last_seen.unwrap().to_string();
    let (day, _) = last.split_once('T').unwrap();
    assert_eq!(excepted(&with(day)), [5], "the last day counts");
    assert_eq!(excepted(&with(&format!("\"{day}\""))), [5]);
    let over = with("2020-02-29");
    assert_eq!(excepted(&over), [0; 0]);
    assert_eq!(over.exceptions[0].status, ExceptionStatus::Expired);
    let text = summary(&over);
    assert!(
        text.contains(
            "host 10.0.0.5 (entry 1, Jane Doe: goes in June) expired on 2020-02-29 and would still \
             cover 1 client"
        ),
        "{text}"
    );
}

#[test]
fn an_entry_that_matches_nothing_is_named() {
    let inventory = office_with(&["host = \"10.0.0.5\"", "host = \"10.7.7.7\""]);
    let statuses: Vec<_> = inventory.exceptions.iter().map(|line| line.status).collect();
    assert_eq!(statuses, [ExceptionStatus::Applied, ExceptionStatus::Unmatched]);
    let text = summary(&inventory);
    let words = "host 10.7.7.7 (entry 2, Jane Doe: goes in June) matched nothing that breaks";
    assert!(text.contains(words), "{text}");
    // A host that is fine needs none.
    let fine = office_with(&["host = \"10.0.0.12\"\nfinding = \"offer.max_version\""]);
    assert_eq!(fine.exceptions[0].status, ExceptionStatus::Unmatched);
}

#[test]
fn hosts_are_known_by_their_names_too() {
    let mut inventory = office_with(&[]);
    for client in inventory.clients.iter_mut().filter(|client| client.ip.octets()[15] == 5) {
        client.names = vec!["erp-01.contoso.example".to_owned()];
    }
    let file =
        "[[exception]]\nowner = \"J\"\nreason = \"r\"\nexpires = 2099-01-01\nhost = \"erp-*\"";
    file::parse("x", file).unwrap().apply(&mut inventory);
    assert_eq!(excepted(&inventory), [5]);
}

#[test]
fn errors_name_line_column_and_the_nearest_right_word() {
    let agreed = "owner = \"J\"\nreason = \"r\"\nexpires = 2026-06-30\n";
    let entry = |lines: &str| format!("[[exception]]\n{agreed}{lines}");
    let mut texts = vec![
        "[[exceptions]]\n".to_owned(),
        "[[exception]]\nowner = \"J\"\n".to_owned(),
        "[[exception]]\nowner = \" \"\nreason = \"r\"\nexpires = 2026-06-30\n".to_owned(),
        "[[exception]]\nowner = \"J\"\nreason = \"r\"\nexpires = \"2026-02-30\"\n".to_owned(),
        "[[exception]]\nowner = \"J\"\nreason = \"r\"\nexpires = 2026-06-30T00:00:00Z\n".to_owned(),
        "[[exception]]\nowner = \n".to_owned(),
    ];
    texts.extend(
        [
            "",
            "hosts = \"10.0.0.5\"",
            "host = \"10.0.0.0/24\"",
            "host = \"10.0.0.5:443\"",
            "network = \"10.0.0.0/33\"",
            "sni = \"10.0.0.5\"",
            "server = \"https://crm\"",
            "offer = \"t12\"",
            "finding = \"suite.tls_rse\"",
            "finding = [\"suite.rc4\", 7]",
        ]
        .map(entry),
    );
    let errors: Vec<_> =
        texts.iter().map(|text| file::parse("e.toml", text).unwrap_err().to_string()).collect();
    insta::assert_snapshot!(errors.join("\n\n"));
    assert!(file::parse("e.toml", "").unwrap().entries().is_empty());
    let missing = Exceptions::load(Path::new("/nonexistent/e.toml")).unwrap_err();
    assert!(missing.to_string().contains("/nonexistent/e.toml"), "{missing}");
}

#[test]
fn a_stack_is_excepted_whoever_else_has_its_ja4() {
    let file = "[[exception]]\nowner = \"Jane Doe\"\nreason = \"goes in June\"\n\
                expires = 2099-12-31\nsni = \"old.example\"\n";
    let inventory = judge_except(&snapshot(&alike()), &["dataverse"], &[], file);
    assert_eq!(excepted(&inventory), [5]);
    assert_eq!(inventory.exceptions[0].status, ExceptionStatus::Applied);
}
