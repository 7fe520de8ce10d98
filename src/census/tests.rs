//! Facts added up, whatever their order.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use proptest::prelude::*;

use super::sample::{Sample, legacy, modern, wrong_suites};
use super::*;
use crate::record::{Outcome, Sides};
use crate::tls::codepoint::{AlertDescription, ProtocolVersion};
use crate::tls::hello::Offer;

fn census(records: &[FlowRecord]) -> Snapshot {
    let census = Census::new(&Limits::default());
    for record in records {
        census.add(record);
    }
    census.snapshot()
}

#[test]
fn a_host_has_stacks_and_a_stack_has_edges() {
    let old = Sample::new(5, 7).offers(&legacy()).asks_for("CRM.example.com");
    let records = [
        Sample::new(5, 7).offers(&modern()).asks_for("crm.example.com").at(9_000).0,
        old.chooses(ProtocolVersion::TLS1_0, 0xc013).at(1_000).0,
        Sample::new(5, 7).offers(&legacy()).asks_for("crm.example.com").at(500).0,
        Sample::new(5, 8).at(2_000).0,
        Sample::new(4, 8).at(3_000).0,
    ];
    let snapshot = census(&records);
    assert_eq!(snapshot.hosts.len(), 2);
    let (ip, host) = &snapshot.hosts[1];
    assert_eq!(ip.to_string(), "10.0.0.5");
    assert_eq!(host.tally.connections, 4);
    assert_eq!(host.tally.last.since(host.tally.first), Duration::from_millis(8_500));
    assert_eq!(host.stacks.len(), 3, "two offers, and what was seen without one");
    let key = StackKey { transport: records[1].transport, offer: Some(legacy().id) };
    let stack = host.stacks.get(&key).unwrap();
    assert_eq!(stack.edges.len(), 1, "host names are compared without case");
    let edge = stack.edges.values().next().unwrap();
    assert_eq!(edge.evidence.len(), 2, "what a ServerHello proves and what its absence does");
    assert_eq!(snapshot.servers.len(), 2);
    assert_eq!(snapshot.offers.len(), 2);
    assert_eq!(snapshot.coverage.connections, 5);
    assert_eq!(snapshot.coverage.without_client_hello, 2);
    assert_eq!(snapshot.unlisted(), Unlisted::default());
}

#[test]
fn failed_attempts_are_remembered_by_their_time() {
    let refused = |ms| Sample::new(1, 1).offers(&modern()).at(ms);
    let records = [
        refused(30).refused(AlertDescription::PROTOCOL_VERSION).0,
        refused(10).with(|record| record.outcome = Outcome::Reset).0,
        refused(20).with(|record| record.outcome = Outcome::Incomplete).0,
        // Nothing of the server was captured: it may have answered.
        refused(40)
            .with(|record| {
                record.outcome = Outcome::Incomplete;
                record.seen.sides = Sides::Client;
            })
            .0,
        // It may have answered, and the end that was seen is that of a connection that worked.
        refused(41)
            .with(|record| {
                record.outcome = Outcome::Reset;
                record.seen.sides = Sides::Client;
            })
            .0,
        // As it may in what is missing.
        refused(42)
            .with(|record| {
                record.outcome = Outcome::Reset;
                record.seen.gaps = 1;
            })
            .0,
        refused(50).0,
    ];
    let snapshot = census(&records);
    let stack = snapshot.hosts[0].1.stacks.values().next().unwrap();
    let edge = stack.edges.values().next().unwrap();
    let millis: Vec<_> = edge.failures.iter().map(|at| at.as_nanos() / 1_000_000 % 1_000).collect();
    assert_eq!(millis, [10, 20, 30]);
    assert_eq!(edge.failed, 3);
    assert_eq!(edge.starts.len(), 7);
}

#[test]
fn the_smallest_form_of_an_offer_stands_for_all() {
    let shuffled = |ja3_raw: &str, truncated| {
        Arc::new(Offer { ja3_raw: ja3_raw.into(), truncated, ..(*modern()).clone() })
    };
    let forms = [shuffled("c", false), shuffled("b", false), shuffled("a", true)];
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let records: Vec<_> =
            order.iter().map(|at: &usize| Sample::new(1, 1).offers(&forms[*at]).0).collect();
        let snapshot = census(&records);
        assert_eq!(snapshot.offers[&modern().id].ja3_raw, "b", "{order:?}");
    }
}

#[test]
fn what_bounds_refuse_is_counted_level_by_level() {
    let limits = Limits {
        census_hosts: 2,
        host_stacks: 1,
        stack_edges: 1,
        edge_evidence: 1,
        ..Limits::default()
    };
    let census = Census::new(&limits);
    for client in 1..=3 {
        for offer in [legacy(), modern()] {
            for server in 1..=2 {
                let ask = Sample::new(client, server).offers(&offer);
                census.add(&ask.0);
                let ask = Sample::new(client, server).offers(&offer);
                census.add(&ask.chooses(ProtocolVersion::TLS1_2, 0x002f).0);
            }
        }
    }
    let snapshot = census.snapshot();
    assert_eq!(snapshot.coverage.connections, 24);
    // One host of eight connections; half of the two others' at each further level.
    assert_eq!(snapshot.unlisted(), Unlisted { hosts: 8, stacks: 8, edges: 4, evidence: 2 });
}

#[test]
fn a_full_census_adds_no_edge() {
    let census = Census::new(&Limits { census_edges: 2, ..Limits::default() });
    for server in [3, 2, 1] {
        census.add(&Sample::new(1, server).offers(&modern()).0);
    }
    let snapshot = census.snapshot();
    assert_eq!(snapshot.hosts[0].1.stacks.values().next().unwrap().edges.len(), 2);
    assert_eq!(snapshot.unlisted().edges, 1);
}

#[test]
fn what_peers_make_up_has_a_bound_in_bytes() {
    let room = 200_000;
    let census = Census::new(&Limits { census_value_bytes: room, ..Limits::default() });
    // A name may be as long as a hello.
    for number in 0..50_u32 {
        let name = format!("{number}{}", "x".repeat(60_000));
        census.add(&Sample::new(1, 1).offers(&modern()).asks_for(&name).0);
    }
    let snapshot = census.snapshot();
    let stack = snapshot.hosts[0].1.stacks.values().next().unwrap();
    assert_eq!((stack.tally.connections, stack.edges.len()), (50, 3));
    assert_eq!(snapshot.unlisted(), Unlisted { edges: 47, ..Unlisted::default() });
}

#[test]
fn a_proxy_is_not_the_server() {
    let via = |target: &str| {
        let target = target.to_owned();
        Sample::new(1, 9).port(3128).with(|record| record.target = Some(target)).0
    };
    let snapshot = census(&[via("crm.example.com:443"), via("CRM.example.com:443"), via("b:443")]);
    let targets: Vec<_> =
        snapshot.servers.iter().map(|(key, _)| key.target.as_deref().unwrap()).collect();
    assert_eq!(targets, ["b:443", "crm.example.com:443"]);
}

/// Any record out of a few hosts, offers and endings.
pub(in crate::census) fn record() -> impl Strategy<Value = FlowRecord> {
    (
        (1_u8..5, 1_u8..4, 0_usize..4, 0_usize..3),
        (0_u64..500_000_000, 0_u8..5, any::<bool>(), 0_u64..90_000),
    )
        .prop_map(|((client, server, offer, name), (ms, end, application, micros))| {
            let sample = Sample::new(client, server).at(ms);
            let sample = match [legacy(), wrong_suites(), modern()].get(offer) {
                None => sample,
                Some(offer) => {
                    let form = Offer { ja3_raw: format!("{}", ms % 5), ..(**offer).clone() };
                    let sample = sample.offers(&Arc::new(form));
                    match name {
                        0 => sample,
                        1 => sample.asks_for("a.example"),
                        _ => sample.asks_for("B.example"),
                    }
                }
            };
            let sample = match end {
                0 => sample.refused(AlertDescription::PROTOCOL_VERSION),
                1 => sample.with(|record| record.outcome = Outcome::Incomplete),
                2 => sample.chooses(ProtocolVersion::TLS1_0, 0x002f),
                _ => sample.chooses(ProtocolVersion::TLS1_2, 0xc02f),
            };
            sample
                .with(|record| {
                    record.application = application.then_some("http");
                    record.handshake_time = Some(Duration::from_micros(micros));
                })
                .0
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the order and however many threads: the same snapshot, bounds reached or not.
    #[test]
    fn order_and_threads_leave_no_trace(
        records in prop::collection::vec(record(), 1..120),
        shuffle in prop::collection::vec(any::<prop::sample::Index>(), 120),
        threads in 1_usize..5,
        tight in any::<bool>(),
    ) {
        let limits = if tight {
            Limits {
                host_stacks: 2, stack_edges: 2, edge_evidence: 2, edge_attempts: 3,
                stack_bins: 3, host_macs: 1, ..Limits::default()
            }
        } else {
            Limits::default()
        };
        let inorder = Census::new(&limits);
        for record in &records {
            inorder.add(record);
        }
        let mut shuffled = records.clone();
        for (at, other) in shuffle.iter().enumerate().take(records.len()) {
            shuffled.swap(at, other.index(records.len()));
        }
        let threaded = Census::new(&limits);
        thread::scope(|scope| {
            for part in shuffled.chunks(shuffled.len().div_ceil(threads)) {
                let census = &threaded;
                scope.spawn(move || part.iter().for_each(|record| census.add(record)));
            }
        });
        let snapshot = inorder.snapshot();
        prop_assert_eq!(&snapshot, &threaded.snapshot());
        prop_assert_eq!(snapshot, inorder.into_snapshot());
    }
}
