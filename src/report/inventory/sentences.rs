//! The model's sentences that only an inventory can break: scope, what is ours, stacks, servers
//! behind proxies, and evidence that adds up over time.

use std::sync::Arc;

use super::*;
use crate::census::sample::{Sample, legacy, modern, offer};
use crate::policy::{Policy, judge as judge_flow};
use crate::record::FlowRecord;
use crate::report::sample::{judge, judge_with, office, snapshot};
use crate::report::scope::Networks;
use crate::report::summary::Style;
use crate::tls::codepoint::ProtocolVersion as V;

const PLAIN: Style = Style { width: 200, colour: false, verbose: false };
const DAY_MS: u64 = 86_400_000;

fn inventory(records: &[FlowRecord]) -> Inventory {
    judge(&snapshot(records), &["dataverse"], &[])
}

fn scoped(scope: &[&str]) -> Inventory {
    judge(&snapshot(&office()), &["dataverse"], scope)
}

/// An offer of every version up to TLS 1.2.
fn able() -> Arc<Offer> {
    Arc::new(offer(V::TLS1_2, &[0xc02f, 0xc013, 0x002f]))
}

/// The summary's first sentence.
fn answer(inventory: &Inventory) -> String {
    inventory.summary(PLAIN).lines().next().unwrap().to_owned()
}

fn server(inventory: &Inventory, ip: [u8; 4]) -> &Server {
    inventory.servers.iter().find(|server| server.name.ip == Address::v4(ip)).unwrap()
}

#[test]
fn a_scope_counts_only_who_talks_to_it_in_numbers_sentence_and_exit_code() {
    let all = scoped(&[]);
    assert_eq!(answer(&all), "2 of 8 client hosts break when dataverse is enforced.");
    assert!(all.breaks());
    let well = scoped(&["www.example.com"]);
    let hosts = well.summary.policies[0].client_hosts;
    assert_eq!((hosts.seen, hosts.breaks), (1, 0));
    assert_eq!(
        answer(&well),
        "The one client host that talks to `www.example.com` goes on working when dataverse is \
         enforced."
    );
    assert!(!well.breaks(), "the exit code of --fail-on breaks");
    assert!(
        well.servers.iter().all(|server| server.snis.iter().all(|sni| &**sni == "www.example.com"))
    );
    assert!(well.edges.iter().all(|edge| edge.sni.as_deref() == Some("www.example.com")));
    let one = scoped(&["crm.contoso.example"]);
    assert!(answer(&one).contains("client hosts that talk to `crm.contoso.example` break"));
    assert!(one.breaks() && one.has_findings());
}

#[test]
fn a_scope_by_network_takes_servers_by_their_address() {
    let ours = scoped(&["10.9.0.0/24"]);
    assert_eq!(ours.servers.len(), 1);
    assert_eq!(
        answer(&ours),
        "None of 2 client hosts that talk to `10.9.0.0/24` breaks when dataverse is enforced."
    );
    assert!(ours.breaks(), "a server of ours in scope breaks");
    assert!(!scoped(&["10.9.0.1:8443"]).breaks(), "another port");
}

#[test]
fn a_server_is_judged_by_its_names_in_scope() {
    let named = |name: &str, version, suite| {
        Sample::new(1, 7).offers(&able()).asks_for(name).chooses(version, suite).0
    };
    let records =
        [named("new.example", V::TLS1_2, 0xc02f), named("old.example", V::TLS1_0, 0x002f)];
    let outcome = |scope: &[&str]| {
        judge(&snapshot(&records), &["dataverse"], scope).servers[0].verdicts[0].outcome
    };
    assert_eq!(outcome(&["new.example"]), Outcome::Ready);
    assert_eq!(outcome(&["old.example"]), Outcome::Breaks);
    assert_eq!(outcome(&[]), Outcome::Breaks);
}

#[test]
fn the_servers_outcome_is_the_worst_of_its_names_which_are_named() {
    let named = |name: &str, version, suite| {
        Sample::new(1, 7).offers(&able()).asks_for(name).chooses(version, suite).0
    };
    let inventory = inventory(&[
        named("new.example", V::TLS1_2, 0xc02f),
        named("old.example", V::TLS1_0, 0x002f),
        named("older.example", V::TLS1_0, 0x002f),
    ]);
    let verdict = &inventory.servers[0].verdicts[0];
    assert_eq!((verdict.outcome, &*verdict.reasons), (Outcome::Breaks, &[Reason::Version][..]));
    let worst: Vec<_> = verdict.snis.iter().map(|name| name.as_deref().unwrap()).collect();
    assert_eq!(worst, ["old.example", "older.example"]);
}

#[test]
fn evidence_that_alternates_is_mixed_with_counts_and_a_day_makes_a_change_with_its_date() {
    let at =
        |ms, version, suite| Sample::new(1, 7).offers(&able()).at(ms).chooses(version, suite).0;
    let good = |ms| at(ms, V::TLS1_2, 0xc02f);
    let bad = |ms| at(ms, V::TLS1_0, 0x002f);
    let verdict = |records: &[FlowRecord]| inventory(records).servers[0].verdicts[0].clone();
    let mixed = verdict(&[good(0), bad(60_000), good(120_000)]);
    assert_eq!((mixed.outcome, &*mixed.reasons), (Outcome::AtRisk, &[Reason::Mixed][..]));
    assert_eq!(
        mixed.evidence,
        "showed in 2 connections that it can, in 1 that it cannot, by turns"
    );
    let fixed = verdict(&[bad(0), bad(1_000), good(DAY_MS + 1_000)]);
    assert_eq!((fixed.outcome, &*fixed.reasons), (Outcome::Ready, &[Reason::Changed][..]));
    assert!(fixed.evidence.contains("2026-03-02"), "{}", fixed.evidence);
    let worse = verdict(&[good(0), bad(DAY_MS)]);
    assert_eq!(worse.outcome, Outcome::Breaks);
    assert!(worse.reasons.contains(&Reason::Changed) && worse.evidence.contains("2026-03-02"));
    assert_eq!(verdict(&[bad(0), good(DAY_MS - 1)]).outcome, Outcome::AtRisk);
}

#[test]
fn servers_that_are_not_ours_are_shown_and_not_counted_as_ours() {
    let facts = snapshot(&office());
    let with = |network: &str| {
        let internal = Networks::new(vec![network.parse().unwrap()]);
        judge_with(&facts, (&["dataverse"], &["10.9.0.0/24"]), &internal, "")
    };
    let ours = with("10.0.0.0/8");
    assert!(server(&ours, [10, 9, 0, 1]).internal && ours.breaks());
    assert_eq!(ours.summary.policies[0].servers.breaks, 1);
    assert!(ours.summary(PLAIN).contains("Servers of ours that break"));
    let theirs = with("10.0.0.0/24");
    assert!(!server(&theirs, [10, 9, 0, 1]).internal);
    let totals = &theirs.summary.policies[0];
    assert_eq!((totals.servers.seen, totals.external_servers.breaks), (0, 1));
    assert!(!theirs.breaks(), "no host of ours, and no client, breaks");
    let text = theirs.summary(PLAIN);
    assert!(text.contains("Servers of others that break") && !text.contains("of ours"), "{text}");
    // Clients are counted whoever they are.
    let nobody = with("192.0.2.0/24");
    assert_eq!(nobody.summary.policies[0].client_hosts.seen, 2);
    assert!(nobody.clients.iter().all(|client| !client.internal));
}

#[test]
fn behind_a_proxy_the_server_is_what_was_asked_for_via_the_proxy() {
    let via = |target: &str, version, suite| {
        let sample = Sample::new(1, 7).offers(&able()).chooses(version, suite);
        sample
            .with(|record| {
                record.server.ip = Address::v4([10, 0, 0, 1]);
                record.server.port = 3128;
                record.application = Some("http-connect");
                record.target = Some(target.into());
            })
            .0
    };
    let inventory = inventory(&[
        via("org.dynamics.com:443", V::TLS1_2, 0xc02f),
        via("203.0.113.9:443", V::TLS1_0, 0x002f),
        via("10.9.0.1:443", V::TLS1_0, 0x002f),
    ]);
    let lines: Vec<_> = inventory
        .servers
        .iter()
        .map(|server| (server.name.to_string(), server.internal, server.verdicts[0].outcome))
        .collect();
    let line = |name: &str, ours, outcome| (format!("{name} via 10.0.0.1:3128"), ours, outcome);
    assert_eq!(
        lines,
        [
            line("10.9.0.1:443", true, Outcome::Breaks),
            line("203.0.113.9:443", false, Outcome::Breaks),
            line("org.dynamics.com:443", false, Outcome::Ready),
        ]
    );
    assert_eq!(inventory.summary.policies[0].servers.seen, 1);
}

#[test]
fn more_than_eight_stacks_on_one_address_may_be_several_hosts() {
    let stacks = |number: u16| {
        let own = |extra| Arc::new(offer(V::TLS1_2, &[0xc02f, 0x0100 + extra]));
        let records: Vec<_> =
            (0..number).map(|extra| Sample::new(1, 7).offers(&own(extra)).0).collect();
        let inventory = inventory(&records);
        let client = &inventory.clients[0];
        assert_eq!(client.stacks.len(), usize::from(number));
        client.maybe_several_hosts
    };
    assert!(!stacks(8) && stacks(9));
}

#[test]
fn a_host_can_run_several_stacks_and_each_is_judged_alone() {
    let records = [modern(), legacy()].map(|offer| Sample::new(1, 7).offers(&offer).0);
    let inventory = inventory(&records);
    let mut outcomes: Vec<_> =
        inventory.clients[0].stacks.iter().map(|stack| stack.verdicts[0].outcome).collect();
    outcomes.sort();
    assert_eq!(outcomes, [Outcome::Ready, Outcome::Breaks]);
    assert_eq!(inventory.clients[0].verdicts[0].outcome, Outcome::Breaks);
}

#[test]
fn connections_without_a_hello_are_one_stack_of_each_host() {
    let blind = |client, server| Sample::new(client, server).chooses(V::TLS1_2, 0x002f).0;
    let inventory = inventory(&[blind(1, 7), blind(1, 8), blind(2, 7)]);
    for client in &inventory.clients {
        let [stack] = &client.stacks[..] else { panic!("{} stacks", client.stacks.len()) };
        assert_eq!((&stack.ja4, &stack.ja3), (&None, &None));
        assert_eq!(stack.verdicts[0].outcome, Outcome::Unknown);
    }
    assert_eq!(inventory.clients[0].stacks[0].connections, 2);
}

#[test]
fn the_flow_record_of_a_retry_says_breaks_all_the_same() {
    let high = able();
    let refused = crate::tls::codepoint::AlertDescription::PROTOCOL_VERSION;
    let first = Sample::new(1, 7).offers(&high).refused(refused).0;
    let retry = Sample::new(1, 7).offers(&legacy()).at(300).chooses(V::TLS1_0, 0x002f).0;
    let policy = Policy::by_id("dataverse").unwrap();
    let evidence = retry.evidence();
    let verdict = judge_flow(&policy, &retry.case(&evidence));
    assert_eq!(
        (verdict.client.outcome, &*verdict.client.reasons),
        (Outcome::Breaks, &[Reason::Version][..])
    );
    let inventory = inventory(&[first, retry]);
    assert_eq!(inventory.clients[0].verdicts[0].outcome, Outcome::Ready);
    assert_eq!(inventory.summary.policies[0].client_stacks.seen, 1);
}

#[test]
fn over_quic_nobody_is_counted_among_those_that_break() {
    let quic = Sample::new(1, 7).offers(&modern()).chooses(V::TLS1_3, 0x1301);
    let inventory = inventory(&[quic.with(|record| record.transport = Transport::Quic).0]);
    let totals = &inventory.summary.policies[0];
    assert_eq!((totals.client_hosts.breaks, totals.client_hosts.unknown), (0, 1));
    assert_eq!((totals.external_servers.breaks, totals.external_servers.unknown), (0, 1));
    assert_eq!(inventory.servers[0].verdicts[0].reasons, [Reason::Transport]);
    let edge = &inventory.edges[0].verdicts[0];
    assert_eq!((edge.outcome, &*edge.reasons), ("unknown", &[Reason::Transport][..]));
}

#[test]
fn the_exit_code_speaks_of_the_first_policy() {
    // Off the list of the second, inside the first.
    let cbc = Sample::new(1, 7).offers(&able()).chooses(V::TLS1_2, 0xc013).0;
    let both = judge(&snapshot(&[cbc]), &["rfc8996", "mozilla-intermediate"], &[]);
    let serious = |inventory: &Inventory| {
        let of_servers = inventory.servers.iter().flat_map(|server| &server.findings);
        let of_clients = inventory.clients.iter().flat_map(|client| &client.stacks);
        of_servers
            .chain(of_clients.flat_map(|stack| &stack.findings))
            .filter(|finding| finding.is_serious())
            .map(|finding| (finding.id, finding.policies.len()))
            .collect::<Vec<_>>()
    };
    assert!(serious(&both).iter().all(|(_, policies)| *policies == 1), "{:?}", serious(&both));
    assert!(!serious(&both).is_empty() && !both.has_findings());
    let old = Sample::new(1, 7).offers(&legacy()).0;
    let both = judge(&snapshot(&[old]), &["mozilla-old-5.8", "rfc8996"], &[]);
    assert!(!both.breaks() && both.clients[0].verdicts[1].outcome == Outcome::Breaks);
}

#[test]
fn a_client_of_tls13_alone_is_to_allow_tls12_too_where_the_policy_ends_there() {
    let mut only = offer(V::TLS1_3, &[0x1301]);
    only.supported_versions = Some(vec![V::TLS1_3]);
    let stack =
        inventory(&[Sample::new(1, 7).offers(&Arc::new(only)).0]).clients[0].stacks[0].clone();
    assert_eq!(stack.verdicts[0].outcome, Outcome::Breaks);
    let fixes: Vec<_> = stack.remediations.iter().map(|remedy| remedy.id).collect();
    assert_eq!(fixes, ["client-allow-tls12"]);
    assert_eq!(stack.findings[0].remediation, Some("client-allow-tls12"));
}

#[test]
fn a_server_of_which_versions_alternate_has_a_finding_of_versions() {
    let at =
        |ms, version, suite| Sample::new(1, 7).offers(&able()).at(ms).chooses(version, suite).0;
    let records = [at(0, V::TLS1_2, 0xc02f), at(1_000, V::TLS1_0, 0x002f)];
    let server = &inventory(&records).servers[0];
    let of_server: Vec<_> =
        server.findings.iter().filter(|finding| finding.id.starts_with("server.")).collect();
    let [finding] = *of_server else { panic!("{of_server:?}") };
    assert_eq!(
        (finding.id, finding.severity, finding.remediation),
        ("server.max_version", "medium", Some("schannel-tls12-server"))
    );
    assert_eq!(
        &*finding.text,
        "the server showed in 1 connection that it can, in 1 that it cannot, by turns"
    );
}
