//! The inventory and its JSON report, from made connections.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::census::sample::{Sample, legacy, modern, offer, wrong_suites};
use crate::record::{FlowRecord, Outcome as Ending, Sides};
use crate::report::sample::{judge, office, snapshot};
use crate::tls::codepoint::AlertDescription;
use crate::tls::hello::Offer;

fn inventory(records: &[FlowRecord]) -> Inventory {
    judge(&snapshot(records), &["dataverse"], &[])
}

fn json(inventory: &Inventory) -> String {
    let mut out = Vec::new();
    inventory.write_json(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn csv(inventory: &Inventory) -> String {
    let mut out = Vec::new();
    inventory.write_csv(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn the_json_report() {
    let records = &office()[4..7];
    let inventory = judge(&snapshot(records), &["dataverse"], &[]);
    // Indented for the eye; the report itself has a line for each item.
    insta::assert_snapshot!(serde_json::to_string_pretty(&inventory).unwrap());
}

#[test]
fn the_csv_report() {
    let policies = ["dataverse", "rfc8996"];
    let report = csv(&judge(&snapshot(&office()), &policies, &[]));
    let columns = |line: &str| line.matches(',').count();
    assert!(columns(report.lines().next().unwrap()) == 20);
    insta::assert_snapshot!(report.replace('\r', "␍"));
}

#[test]
fn a_hostile_name_is_text_everywhere() {
    let inventory = inventory(&office());
    for report in [json(&inventory), csv(&inventory)] {
        assert!(!report.contains('\u{1b}'), "{report}");
    }
    assert!(!csv(&inventory).contains('\u{202e}'));
}

#[test]
fn numbers_add_up() {
    let inventory = inventory(&office());
    let totals = &inventory.summary.policies[0];
    let hosts = totals.client_hosts;
    assert_eq!(hosts, Counts { seen: 8, ready: 5, at_risk: 0, breaks: 2, unknown: 1 });
    assert_eq!(totals.servers, Counts { seen: 1, breaks: 1, ..Counts::default() });
    let stacks: usize = inventory.clients.iter().map(|client| client.stacks.len()).sum();
    assert_eq!(totals.client_stacks.seen, stacks as u64);
    let connections: u64 = inventory.clients.iter().map(|client| client.connections).sum();
    assert_eq!(connections, inventory.coverage.connections.connections);
}

#[test]
fn a_scope_leaves_out_who_does_not_talk_to_it() {
    let inventory = judge(&snapshot(&office()), &["dataverse"], &["login.contoso.example"]);
    assert_eq!(inventory.clients.len(), 1);
    assert_eq!(inventory.clients[0].connections, 1);
    assert_eq!(inventory.clients[0].stacks.len(), 1, "its browser does not talk to it");
    assert_eq!(inventory.summary.out_of_scope, OutOfScope { clients: 7, servers: 4 });
    // What a stack proves elsewhere counts for it all the same.
    assert_eq!(inventory.clients[0].verdicts[0].outcome, Outcome::Breaks);
}

#[test]
fn a_resumed_connection_of_tls_1_3_hides_no_chain() {
    let tls13 =
        |server| Sample::new(1, server).offers(&modern()).chooses(ProtocolVersion::TLS1_3, 0x1301);
    let resumed = tls13(2).with(|record| record.resumed = true);
    let inventory = inventory(&[tls13(1).0, resumed.0]);
    let told: Vec<_> =
        inventory.servers.iter().map(|server| server.chain.status.to_string()).collect();
    assert_eq!(told, ["hidden", "resumed"]);
    let seen = inventory.coverage.connections;
    assert_eq!((seen.encrypted_certificates, seen.resumed), (1, 1));
}

/// A client of two offers: an attempt at `first` ms with the higher, at `second` with the lower.
fn attempts(times: &[(u64, u64)]) -> Vec<FlowRecord> {
    let high = Arc::new(offer(ProtocolVersion::TLS1_2, &[0xc02f, 0xc013, 0x002f]));
    let low = legacy();
    let ask = |offer, at| Sample::new(1, 1).offers(offer).asks_for("old.example").at(at);
    times
        .iter()
        .flat_map(|(first, second)| {
            let refused = AlertDescription::PROTOCOL_VERSION;
            let retry = ask(&low, *second).chooses(ProtocolVersion::TLS1_0, 0x002f);
            [ask(&high, *first).refused(refused).0, retry.0]
        })
        .collect()
}

fn fallbacks(records: &[FlowRecord]) -> Vec<Option<Arc<str>>> {
    let inventory = inventory(records);
    inventory.clients[0].stacks.iter().map(|stack| stack.fallback_of.clone()).collect()
}

#[test]
fn a_retry_with_less_is_not_counted() {
    let records = attempts(&[(0, 300), (60_000, 60_200), (120_000, 129_000)]);
    let inventory = inventory(&records);
    let client = &inventory.clients[0];
    let retry = client.stacks.iter().find(|stack| stack.fallback_of.is_some()).unwrap();
    assert_eq!(retry.ja4.as_deref(), Some(legacy().ja4.as_str()));
    assert_eq!(retry.verdicts[0].outcome, Outcome::Unknown);
    assert_eq!(*retry.verdicts[0].reasons, [Reason::Fallback]);
    assert_eq!(client.verdicts[0].outcome, Outcome::Ready);
    assert_eq!(inventory.summary.policies[0].client_stacks.seen, 1);
}

#[test]
fn a_retry_that_no_signal_marks_is_said_to_follow_what_failed() {
    let low = Arc::new(offer(ProtocolVersion::TLS1_2, &[0xc02f, 0x002f]));
    let refused = AlertDescription::PROTOCOL_VERSION;
    let records = [
        Sample::new(1, 1).offers(&modern()).refused(refused).0,
        Sample::new(1, 1).offers(&low).at(300).chooses(ProtocolVersion::TLS1_2, 0xc02f).0,
    ];
    let inventory = inventory(&records);
    let stacks = &inventory.clients[0].stacks;
    let retry = stacks.iter().find(|stack| stack.fallback_of.is_some()).unwrap();
    assert_eq!(*retry.verdicts[0].reasons, [Reason::Fallback]);
    assert_eq!(
        &*retry.verdicts[0].evidence,
        "a retry with a lowered version (at most TLS 1.2) after a hello with more that the same \
         server refused or left without an answer; that one decides"
    );
    let general = Reason::Fallback.explanation();
    assert!(general.contains("TLS_FALLBACK_SCSV") && general.contains("refused"), "{general}");
}

#[test]
fn in_doubt_a_lower_offer_stands_for_itself() {
    // One of them began too late; one before any failure; one too many.
    assert_eq!(fallbacks(&attempts(&[(0, 300), (60_000, 71_000)])), [None, None]);
    assert_eq!(fallbacks(&attempts(&[(5_000, 300)])), [None, None]);
    let mut more = attempts(&[(0, 300)]);
    more.push(more[1].clone());
    more[2].ts = Sample::new(1, 1).at(400).0.ts;
    assert_eq!(fallbacks(&more), [None, None]);
    // By another name.
    let mut other = attempts(&[(0, 300)]);
    other[1].client_hello.as_mut().unwrap().server_name = Some("other.example".into());
    assert_eq!(fallbacks(&other), [None, None]);
}

#[test]
fn a_retry_is_one_at_the_same_server_whichever_of_the_two_showed_its_protocol() {
    let shown = |first: Option<&'static str>, retry: Option<&'static str>| {
        let mut records = attempts(&[(0, 300), (60_000, 60_200)]);
        for (record, application) in records.iter_mut().zip([first, retry, first, retry]) {
            record.application = application;
        }
        records
    };
    let pairs = [(Some("http"), None), (None, Some("http"))];
    for (first, retry) in pairs {
        let records = shown(first, retry);
        assert_eq!(fallbacks(&records).iter().flatten().count(), 1, "{first:?}, {retry:?}");
        // One retry for each failure, however they are told apart.
        let mut more = records;
        more.push(more[1].clone());
        (more[4].ts, more[4].application) = (Sample::new(1, 1).at(400).0.ts, first);
        assert_eq!(fallbacks(&more), [None, None], "{first:?}, {retry:?}");
    }
    // Two protocols are two servers; and of two that are known it may have been either.
    assert_eq!(fallbacks(&shown(Some("http"), Some("imap"))), [None, None]);
    let mut doubtful = shown(Some("http"), None);
    doubtful.push(Sample::new(2, 1).with(|record| record.application = Some("imap")).0);
    assert_eq!(fallbacks(&doubtful), [None, None]);
}

#[test]
fn what_is_wrong_under_one_name_of_a_server_is_found_beside_what_is_under_another() {
    let both = Arc::new(offer(ProtocolVersion::TLS1_2, &[0xc02f, 0x002f]));
    let rsa = {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
        let params = rcgen::CertificateParams::new(["odd.example".to_owned()]).unwrap();
        Arc::new(Certificate::parse(params.self_signed(&key).unwrap().der()))
    };
    let talks = |name, version, suite| {
        let sample = Sample::new(1, 1).offers(&both).asks_for(name).chooses(version, suite);
        sample.sends(std::slice::from_ref(&rsa)).0
    };
    let inventory = inventory(&[
        talks("old.example", ProtocolVersion::TLS1_0, 0x002f),
        talks("odd.example", ProtocolVersion::TLS1_2, 0x002f),
        talks("new.example", ProtocolVersion::TLS1_2, 0xc02f),
    ]);
    let server = &inventory.servers[0];
    assert_eq!(server.verdicts[0].outcome, Outcome::Breaks);
    let own = server.findings.iter().filter(|finding| finding.id.starts_with("server."));
    let told: Vec<_> = own.map(|one| (one.id, one.severity, one.connections)).collect();
    assert_eq!(told, [("server.max_version", "high", 1), ("server.no_suite", "medium", 1)]);
    let fixes: Vec<_> = server.remediations.iter().map(|remedy| remedy.id).collect();
    assert!(fixes.len() > 1 && fixes[0] == "schannel-tls12-server", "{fixes:?}");
}

#[test]
fn a_certificate_that_both_ends_sent_is_of_one_connection() {
    let authority = Arc::new(Certificate::parse(b"no certificate"));
    let both = Sample::new(1, 1).offers(&modern()).sends(std::slice::from_ref(&authority));
    let both = both.with(|record| record.client_certificates = vec![Arc::clone(&authority)]);
    let line = &inventory(&[both.0]).certificates[0];
    assert_eq!((line.connections, line.servers.len(), line.clients), (1, 1, 1));
}

#[test]
fn a_router_shows_no_host() {
    let mut records: Vec<_> =
        (1..=5).map(|client| Sample::new(client, 1).offers(&modern()).0).collect();
    for record in &mut records {
        record.client.mac = Some(Mac([2, 0, 0, 0, 0, 0xee]));
    }
    records.push(Sample::new(9, 1).offers(&modern()).0);
    let inventory = inventory(&records);
    let macs: Vec<_> = inventory.clients.iter().map(|client| client.mac.is_some()).collect();
    assert_eq!(macs, [false, false, false, false, false, true]);
}

#[test]
fn quic_says_nothing_of_a_host() {
    let quic = |client| {
        let sample = Sample::new(client, 1).offers(&modern());
        sample.with(|record| record.transport = Transport::Quic).0
    };
    let inventory = inventory(&[quic(1), quic(2), Sample::new(2, 1).offers(&modern()).0]);
    let outcomes: Vec<_> =
        inventory.clients.iter().map(|client| client.verdicts[0].outcome).collect();
    assert_eq!(outcomes, [Outcome::Unknown, Outcome::Ready]);
}

#[test]
fn a_host_is_as_unknown_as_its_least_known_stack() {
    let blind = |client| {
        let sample = Sample::new(client, 1);
        sample.with(|record| record.seen.sides = Sides::Server).0
    };
    let records = [
        Sample::new(1, 1).offers(&modern()).0,
        blind(1),
        Sample::new(2, 1).offers(&wrong_suites()).0,
        blind(2),
    ];
    let inventory = inventory(&records);
    let outcomes: Vec<_> =
        inventory.clients.iter().map(|client| client.verdicts[0].outcome).collect();
    assert_eq!(outcomes, [Outcome::Unknown, Outcome::Breaks]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// The same facts give the same bytes, in whatever order they came.
    #[test]
    fn no_order_shows_in_a_report(shuffle in Just(()).prop_perturb(|(), mut rng| {
        let mut records = office();
        records.extend(attempts(&[(0, 300), (60_000, 60_200)]));
        for at in (1..records.len()).rev() {
            let other = (rng.next_u32() as usize) % (at + 1);
            records.swap(at, other);
        }
        records
    })) {
        let mut records = office();
        records.extend(attempts(&[(0, 300), (60_000, 60_200)]));
        let (left, right) = (inventory(&records), inventory(&shuffle));
        prop_assert_eq!(json(&left), json(&right));
        prop_assert_eq!(csv(&left), csv(&right));
    }
}

#[test]
fn a_protocol_that_was_not_seen_is_the_only_known_one() {
    let ask = |application, at| {
        let sample = Sample::new(1, 1).offers(&modern()).at(at);
        sample.with(|record| record.application = application).0
    };
    let inventory = inventory(&[ask(None, 0), ask(Some("http"), 5)]);
    assert_eq!(inventory.servers.len(), 1);
    assert_eq!(inventory.servers[0].connections, 2);
    assert_eq!(inventory.servers[0].handshake_ms.unwrap().count, 2);
    assert_eq!(inventory.summary.out_of_scope, OutOfScope::default());
    let records = [ask(None, 0), ask(Some("http"), 5), ask(Some("imap"), 9)];
    let doubtful = judge(&snapshot(&records), &["dataverse"], &[]);
    assert_eq!(doubtful.servers.len(), 3, "two are known: in doubt it is neither");
}

#[test]
fn silence_is_an_ending_of_its_own() {
    let silent = Sample::new(1, 1).offers(&modern());
    let silent = silent.with(|record| record.outcome = Ending::Incomplete);
    let inventory = inventory(&[silent.0]);
    assert_eq!(inventory.edges[0].outcomes.get("incomplete"), Some(&1));
    assert!(inventory.edges[0].versions.is_empty());
}

#[test]
fn what_is_the_same_of_many_is_said_once() {
    let leaf = {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(["crm.example.com".to_owned()]).unwrap();
        let leaf = params.self_signed(&key).unwrap();
        Arc::new(Certificate::parse(leaf.der()))
    };
    let talks = |client: u8, name: &str, suite: u16| {
        let sample = Sample::new(client, 7).offers(&legacy()).asks_for(name).at(client.into());
        sample.chooses(ProtocolVersion::TLS1_0, suite).sends(std::slice::from_ref(&leaf)).0
    };
    let mut records: Vec<_> = (1..200).map(|one| talks(one, "crm.example.com", 0x002f)).collect();
    records.push(talks(200, "other.example", 0x002f));
    records.push(talks(201, "crm.example.com", 0x0005));
    let inventory = inventory(&records);
    let stack = |at: usize| &inventory.clients[at].stacks[0];
    for at in 1..199 {
        let (first, stack) = (stack(0), stack(at));
        assert!(Arc::ptr_eq(&first.verdicts[0].evidence, &stack.verdicts[0].evidence));
        assert!(Arc::ptr_eq(&first.findings[0].text, &stack.findings[0].text));
        assert_eq!(stack.findings, first.findings);
        let (first, edge) = (&inventory.edges[0], &inventory.edges[at]);
        assert!(
            Arc::ptr_eq(&first.server, &edge.server)
                && Arc::ptr_eq(&first.versions, &edge.versions)
        );
        assert!(Arc::ptr_eq(&first.verdicts, &edge.verdicts));
    }
    // What differs is not taken for the same.
    assert_ne!(inventory.edges[200].cipher_suites, inventory.edges[0].cipher_suites);
    let server = &inventory.servers[0].findings;
    let count = |id: &str| server.iter().find(|one| one.id == id).map(|one| one.connections);
    assert_eq!(count("cert.name_mismatch"), Some(1));
    assert_eq!(count("suite.tls_rsa"), Some(200));
    assert_eq!(count("suite.rc4"), Some(1));
}

#[test]
fn each_policy_tells_a_finding_in_its_own_words() {
    let policies = ["dataverse", "rfc8996", "mozilla-modern"];
    let tls10 = |client: u8| {
        let sample = Sample::new(client, 7).offers(&legacy());
        sample.chooses(ProtocolVersion::TLS1_0, 0xc013).0
    };
    let v = [ProtocolVersion::TLS1_3, ProtocolVersion::TLS1_2, ProtocolVersion::TLS1_0];
    let able = Arc::new(Offer { supported_versions: Some(v.into()), ..(*modern()).clone() });
    let able = Sample::new(3, 7).offers(&able).at(9).chooses(ProtocolVersion::TLS1_0, 0x002f).0;
    let inventory = judge(&snapshot(&[tls10(1), tls10(2), able]), &policies, &[]);
    let told = |findings: &[Finding], id: &str| -> Vec<String> {
        let of_id = findings.iter().filter(|one| one.id == id);
        of_id.map(|one| format!("{:?} {} {}", one.policies, one.text, one.connections)).collect()
    };
    // Not the sentence of whichever comes first in the alphabet, under all of them.
    assert_eq!(
        told(&inventory.clients[0].stacks[0].findings, "offer.max_version"),
        [
            r#"["dataverse"] the client offers at most TLS 1.0; dataverse needs TLS 1.2 1"#,
            r#"["rfc8996"] the client offers at most TLS 1.0; rfc8996 needs TLS 1.2 or later 1"#,
            r#"["mozilla-modern"] the client offers at most TLS 1.0; mozilla-modern needs TLS 1.3 1"#,
        ]
    );
    // What they say alike is said once, and counted once.
    assert_eq!(
        told(&inventory.servers[0].findings, "server.max_version"),
        [
            r#"["dataverse", "rfc8996"] the server chose TLS 1.0 although the client offered TLS 1.2 3"#,
            r#"["mozilla-modern"] the server chose TLS 1.0 although the client offered TLS 1.3 3"#,
        ]
    );
}

#[test]
fn a_finding_is_as_bad_as_where_it_is_worst() {
    let narrow = Arc::new(offer(ProtocolVersion::TLS1_2, &[0xc013]));
    let both = Arc::new(offer(ProtocolVersion::TLS1_2, &[0xc02f, 0xc013]));
    let chose = |client: u8, offer: &Arc<_>| {
        Sample::new(client, 7).offers(offer).chooses(ProtocolVersion::TLS1_2, 0xc013).0
    };
    let inventory = inventory(&[chose(1, &both), chose(2, &both), chose(3, &narrow)]);
    let findings = &inventory.servers[0].findings;
    let outside = findings.iter().find(|one| one.id == "suite.outside_policy").unwrap();
    assert_eq!((outside.severity, outside.connections), ("medium", 3));
}

#[test]
fn an_edge_that_upgrades_says_to_what() {
    let both = Arc::new(offer(ProtocolVersion::TLS1_2, &[0xc02f, 0x002f]));
    let talks = |ms: u64, version, suite| {
        let sample = Sample::new(1, 7).offers(&both).at(ms).chooses(version, suite);
        sample.with(|record| {
            // It chose less than it can, and says so.
            Arc::make_mut(record.server_hello.as_mut().unwrap()).downgrade_sentinel =
                (version < ProtocolVersion::TLS1_2).then_some(ProtocolVersion::TLS1_2);
        })
    };
    let low = talks(0, ProtocolVersion::TLS1_1, 0x002f);
    let high = talks(9, ProtocolVersion::TLS1_2, 0xc02f);
    let inventory = inventory(&[low.0, high.0]);
    let told = serde_json::to_string(&inventory.edges[0].verdicts).unwrap();
    let wanted = r#"{"policy":"dataverse","outcome":"upgrades","version":"TLS1.2","cipher_suite":"0xc02f","ends":[],"reasons":[]}"#;
    assert_eq!(told, format!("[{wanted}]"));
    let style = crate::report::Style { width: 200, colour: false, verbose: false };
    let story = inventory.host(Address::v4([10, 0, 0, 1]), style).unwrap();
    let words = "upgrades to TLS1.2 with TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256";
    assert!(story.contains(words), "{story}");
}
