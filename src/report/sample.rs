//! A small office for tests: who is in it, and what was seen of them.

use std::sync::Arc;

use crate::census::sample::{Sample, legacy, modern, offer, wrong_suites};
use crate::census::{Census, Snapshot, SourceEntry, SourceKind};
use crate::clock::Timestamp;
use crate::limits::Limits;
use crate::packet::{Address, Skip};
use crate::policy::Policy;
use crate::record::{FlowRecord, Outcome, Sides};
use crate::report::exceptions;
use crate::report::inventory::{Inventory, Question};
use crate::report::names::Names;
use crate::report::scope::{Networks, Scope};
use crate::tls::Transport;
use crate::tls::codepoint::{AlertDescription, ProtocolVersion};
use crate::tls::hello::Offer;
use crate::x509::{Certificate, TrustStores};

/// The certificate that servers of the sample send: no real one, so that nothing depends on dates.
fn certificate() -> Arc<Certificate> {
    Arc::new(Certificate::parse(b"no certificate"))
}

/// What a program offers that leaves the choice to Schannel of Windows 7.
fn windows_7() -> Arc<Offer> {
    let suites = [
        0xc014, 0xc013, 0x0039, 0x0033, 0x0035, 0x002f, 0xc00a, 0xc009, 0x0038, 0x0032, 0x000a,
        0x0013, 0x0005, 0x0004,
    ];
    Arc::new(offer(ProtocolVersion::TLS1_0, &suites))
}

/// Two stacks of one host, 10.0.0.5, whose hellos were cut and have the same JA4, none: one breaks
/// at `old.example`, one is able at `new.example`.
pub(crate) fn alike() -> Vec<FlowRecord> {
    let cut = |whole: &Offer| Arc::new(Offer { ja4: String::new(), ..whole.clone() });
    let old = Sample::new(5, 7).offers(&cut(&legacy())).asks_for("old.example");
    let able = Sample::new(5, 8).offers(&cut(&modern())).asks_for("new.example");
    let [v10, v12] = [ProtocolVersion::TLS1_0, ProtocolVersion::TLS1_2];
    vec![old.chooses(v10, 0xc013).0, able.chooses(v12, 0xc02f).0]
}

/// Records of the office: 10.0.0.0/24 clients, 203.0.113.0/24 servers of others, 10.9.0.0/24 ours.
pub(crate) fn office() -> Vec<FlowRecord> {
    let v12 = ProtocolVersion::TLS1_2;
    let crm = "crm.contoso.example";
    let mut records = Vec::new();
    let mut push = |sample: Sample| records.push(sample.0);
    // An old service: three times a minute, to two services.
    for minute in 0..4 {
        let old = Sample::new(5, 7).offers(&windows_7()).asks_for(crm).at(minute * 60_000);
        push(old.chooses(ProtocolVersion::TLS1_0, 0xc013).sends(&[certificate()]));
    }
    let old = Sample::new(5, 8).offers(&windows_7()).asks_for("login.contoso.example").at(250_000);
    push(old.refused(AlertDescription::PROTOCOL_VERSION));
    // … on a machine that also has a browser.
    push(Sample::new(5, 7).offers(&modern()).asks_for(crm).at(9_000).chooses(v12, 0xc02f));
    // TLS 1.2 without a suite of the policy.
    let suites = Sample::new(6, 7).offers(&wrong_suites()).asks_for(crm).at(70_000);
    push(suites.chooses(v12, 0x003c).sends(&[certificate()]));
    // Able clients, one with TLS 1.3.
    for client in 10..14 {
        let able = Sample::new(client, 7).offers(&modern()).asks_for(crm);
        push(able.at(u64::from(client) * 1_000).chooses(v12, 0xc030).sends(&[certificate()]));
    }
    let able = Sample::new(14, 9).offers(&modern()).asks_for("www.example.com").at(95_000);
    push(able.chooses(ProtocolVersion::TLS1_3, 0x1301));
    // A server of ours that knows nothing better than TLS 1.0.
    let both = Arc::new(offer(v12, &[0xc02f, 0xc013, 0x002f]));
    for client in [10, 11] {
        let able = Sample::new(client, 1).offers(&both).asks_for("intranet.contoso.example");
        let ours = able.with(|record| record.server.ip = Address::v4([10, 9, 0, 1]));
        push(ours.at(33_000).chooses(ProtocolVersion::TLS1_0, 0x002f));
    }
    // Mail with STARTTLS, by a name that is none.
    let mail = Sample::new(6, 3).offers(&wrong_suites()).port(587).at(71_000);
    push(mail.asks_for("evil\u{1b}[2J\u{202e}=cmd|' /C calc'!A0").chooses(v12, 0x002f).with(
        |record| {
            record.application = Some("smtp");
            record.starttls = true;
        },
    ));
    // Nothing but the server's side.
    push(Sample::new(20, 7).at(40_000).chooses(ProtocolVersion::TLS1_0, 0x002f).with(|record| {
        record.seen.sides = Sides::Server;
        record.outcome = Outcome::Incomplete;
        record.handshake_time = None;
    }));
    // QUIC.
    push(Sample::new(13, 9).offers(&modern()).at(41_000).with(|record| {
        record.transport = Transport::Quic;
    }));
    records
}

/// What the office's records add up to.
pub(crate) fn snapshot(records: &[FlowRecord]) -> Snapshot {
    let census = Census::new(&Limits::default());
    for record in records {
        census.add(record);
    }
    let mut source = SourceEntry::new("span-a".into(), SourceKind::File, "monday.pcap".into());
    source.packets = 4_120;
    source.bytes = 1_730_400;
    source.flows = 31;
    source.first = Some(Timestamp::new(crate::census::sample::START, 0));
    source.last = source.first;
    source.skipped.insert(Skip::NotIp, 12);
    census.source(source);
    census.snapshot()
}

/// Judge a snapshot under policies that come with the program.
pub(crate) fn judge(snapshot: &Snapshot, policies: &[&str], scope: &[&str]) -> Inventory {
    judge_except(snapshot, policies, scope, "")
}

/// Judge with exceptions, as a file has them.
pub(crate) fn judge_except(
    snapshot: &Snapshot,
    policies: &[&str],
    scope: &[&str],
    exceptions: &str,
) -> Inventory {
    judge_with(snapshot, (policies, scope), &Networks::default(), exceptions)
}

/// Judge with all that can be asked.
pub(crate) fn judge_with(
    snapshot: &Snapshot,
    (policies, scope): (&[&str], &[&str]),
    internal: &Networks,
    exceptions: &str,
) -> Inventory {
    let policies: Vec<_> = policies.iter().map(|id| Policy::by_id(id).unwrap()).collect();
    let scope = Scope::new(scope.iter().map(|pattern| pattern.parse().unwrap()).collect());
    Inventory::judge(
        snapshot,
        &Question {
            policies: &policies,
            trust: &TrustStores::default(),
            scope: &scope,
            internal,
            names: &Names::new(),
            exceptions: &exceptions::file::parse("exceptions.toml", exceptions).unwrap(),
            limits: &Limits::default(),
        },
    )
}

/// Hosts that all have the same fault.
pub(crate) fn crowd(hosts: u8) -> Vec<FlowRecord> {
    let weak = Arc::new(offer(ProtocolVersion::TLS1_1, &[0xc014, 0x0035]));
    (1..=hosts)
        .flat_map(|host| {
            let weak = &weak;
            (0..=u64::from(host % 5)).map(move |again| {
                let ask = Sample::new(host, 7).offers(weak).asks_for("crm.contoso.example");
                ask.at(again * 1_000).chooses(ProtocolVersion::TLS1_1, 0xc014).0
            })
        })
        .collect()
}
