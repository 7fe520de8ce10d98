//! The table with a consumer that takes its orders from the bytes.

use super::*;
use crate::flow::FlowEnd;
use crate::packet::{Address, Datagram, Domain, Endpoint, Layers};

/// `o` opens, `l` belongs, `e` ends, `a` begins another one, `n` and `s` belong to and end the one
/// that they name; the second byte is the name.
#[derive(Debug)]
struct Orders {
    name: u8,
    taken: Vec<u8>,
}

impl DatagramConsumer for Orders {
    type Memory = u8;

    fn glance(payload: &[u8], _: u32) -> Glance {
        match payload {
            [b'o' | b'a' | b'n' | b's', ..] => Glance::Opening,
            [b'l' | b'e', ..] => Glance::Later,
            _ => Glance::Nothing,
        }
    }

    fn open(_: &Limits, payload: &[u8]) -> Self {
        Self { name: payload[1], taken: Vec::new() }
    }

    fn claims(&self, _: Side, payload: &[u8], _: u32) -> Claim {
        match payload {
            [b'n' | b's', name, ..] if *name == self.name => Claim::Yes,
            [b'n' | b's', ..] => Claim::No,
            _ => Claim::Perhaps,
        }
    }

    fn feed(&mut self, _: Side, _: Timestamp, payload: &[u8], _: u32, _: &u8) -> Fed {
        if payload[0] == b'a' && payload[1] != self.name {
            return Fed::Another;
        }
        self.taken.push(payload[0]);
        if matches!(payload[0], b'e' | b's') { Fed::Shunt } else { Fed::Continue }
    }

    fn reopens(earlier: &u8, payload: &[u8]) -> bool {
        payload[1] != *earlier
    }

    fn remember(&self, _: u8) -> u8 {
        self.name
    }

    fn held_bytes(&self) -> usize {
        self.taken.len()
    }
}

struct Run {
    table: DatagramTable<Orders>,
    over: Vec<(u8, usize, FlowEnd)>,
}

impl Run {
    fn new(limits: &Limits) -> Self {
        Self { table: DatagramTable::new(limits), over: Vec::new() }
    }

    fn push(&mut self, seconds: u64, port: u16, back: bool, payload: &[u8]) {
        self.push_in(Domain(0), seconds, port, back, payload);
    }

    fn push_in(&mut self, domain: Domain, seconds: u64, port: u16, back: bool, payload: &[u8]) {
        let client = Endpoint { address: Address::v4([10, 0, 0, 1]), port };
        let server = Endpoint { address: Address::v4([10, 0, 0, 2]), port: 443 };
        let (source, target) = if back { (server, client) } else { (client, server) };
        let layers = Layers::default();
        let datagram = Datagram { source, target, domain, payload, cut: 0, layers };
        let over = &mut self.over;
        self.table.push(&datagram, Timestamp::new(seconds, 0), &mut |finished| {
            over.push((finished.consumer.name, finished.consumer.taken.len(), finished.end));
        });
    }

    fn end(mut self) -> Vec<(u8, usize, FlowEnd)> {
        let over = &mut self.over;
        self.table.finish_all(&mut |finished| {
            over.push((finished.consumer.name, finished.consumer.taken.len(), finished.end));
        });
        assert!(self.table.is_empty());
        assert_eq!(self.table.held_bytes, 0);
        self.over
    }
}

#[test]
fn what_does_not_matter_leaves_no_trace() {
    let mut run = Run::new(&Limits::default());
    for port in 0..1_000 {
        run.push(0, port, false, b"x");
        run.push(0, port, true, b"l");
    }
    assert!(run.table.is_empty() && run.table.slots.is_empty());
    assert_eq!(run.table.stats().datagrams, 2_000);
    assert_eq!(run.end(), []);
}

#[test]
fn both_directions_are_one_flow_and_its_end_is_remembered() {
    let mut run = Run::new(&Limits::default());
    run.push(0, 1, false, b"oA");
    run.push(0, 1, true, b"l");
    run.push(0, 1, false, b"e");
    assert_eq!(run.over, [(b'A', 3, FlowEnd::Shunted)]);
    // A copy opens nothing; another connection does.
    run.push(1, 1, false, b"oA");
    run.push(1, 1, true, b"l");
    assert_eq!((run.table.len(), run.over.len()), (1, 1));
    run.push(2, 1, false, b"oB");
    assert_eq!(run.table.stats().reopened, 1);
    run.push(2, 1, false, b"e");
    // Ten seconds later nothing is a copy any more.
    run.push(12, 1, false, b"oB");
    assert_eq!((run.table.stats().reopened, run.table.stats().flows), (1, 2));
    run.push(13, 1, false, b"oB");
    assert_eq!((run.table.stats().reopened, run.table.stats().flows), (1, 3));
    assert_eq!(
        run.end(),
        [
            (b'A', 3, FlowEnd::Shunted),
            (b'B', 2, FlowEnd::Shunted),
            (b'B', 1, FlowEnd::EndOfCapture)
        ]
    );
}

#[test]
fn another_connection_ends_the_one_before() {
    let mut run = Run::new(&Limits::default());
    run.push(0, 1, false, b"oA");
    run.push(0, 1, false, b"aB");
    run.push(0, 1, false, b"l");
    assert_eq!(run.end(), [(b'A', 1, FlowEnd::Reused), (b'B', 2, FlowEnd::EndOfCapture)]);
}

#[test]
fn silence_ends_a_flow_on_capture_time() {
    let limits = Limits::default();
    let idle = limits.watched_idle.as_secs();
    let mut run = Run::new(&limits);
    run.push(0, 1, false, b"oA");
    run.push(idle, 2, false, b"oB");
    assert_eq!(run.over, []);
    run.push(idle + 1, 2, false, b"l");
    assert_eq!(run.over, [(b'A', 1, FlowEnd::Idle)]);
    let mut ended = Vec::new();
    let later = Timestamp::new(idle * 20, 0);
    for _ in 0..2 {
        run.table.tick(later, &mut |finished| ended.push(finished.end));
    }
    assert_eq!((ended.len(), run.table.len()), (1, 0));
}

#[test]
fn what_is_over_is_remembered_as_long_as_copies_of_it_may_come() {
    let limits = Limits::default();
    let late = limits.reorder_wait.as_secs();
    let mut run = Run::new(&limits);
    run.push(0, 1, false, b"oA");
    run.push(0, 2, false, b"oB");
    run.push(5, 1, false, b"e");
    run.push(5 + late, 1, false, b"oA");
    assert_eq!((run.table.len(), run.table.stats().flows), (2, 2));
    run.push(6 + late, 3, false, b"oC");
    run.push(7 + late, 3, false, b"l");
    assert_eq!((run.table.len(), run.table.watched()), (2, 2));
    run.push(7 + late, 1, false, b"oA");
    assert_eq!((run.table.len(), run.table.stats().flows), (3, 4));
}

#[test]
fn the_bounds_hold() {
    let limits = Limits { datagram_flows: 8, watched_datagram_flows: 4, ..Limits::default() };
    let mut run = Run::new(&limits);
    for port in 0..100 {
        run.push(0, port, false, b"oA");
        assert!(run.table.len() <= 8);
        assert!(run.table.watched.len() <= 4);
    }
    let evicted = run.table.stats().evicted_watched;
    assert!(evicted > 80);
    assert_eq!(run.end().len(), 100);

    let mut run = Run::new(&Limits { watched_bytes: 10, ..Limits::default() });
    run.push(0, 1, false, b"oA");
    for name in 0..20 {
        run.push(0, 1, false, &[b'l', name]);
    }
    assert_eq!(run.end(), [(b'A', 11, FlowEnd::Evicted)]);
}

#[test]
fn copies_are_fed_once() {
    let mut run = Run::new(&Limits::default());
    for payload in [&b"oA"[..], b"l1", b"oA", b"l1", b"l2", b"l1"] {
        run.push(0, 1, false, payload);
    }
    // The same bytes from the other end are no copy.
    run.push(0, 1, true, b"l1");
    assert_eq!((run.table.stats().taken, run.table.stats().copies), (4, 3));
    let mut bytes = [0; 2];
    run.table.finish_all(&mut |finished| bytes = finished.meta.bytes);
    assert_eq!(bytes, [6, 2]);
}

#[test]
fn copies_in_another_vlan_are_joined_and_nothing_else_is() {
    let other = Domain(7);
    let mut run = Run::new(&Limits::default());
    run.push(0, 1, false, b"oA");
    run.push_in(other, 0, 1, false, b"oA");
    run.push_in(other, 0, 1, false, b"l1");
    run.push(0, 1, false, b"l1");
    run.push(0, 1, false, b"e");
    run.push_in(other, 0, 1, false, b"e");
    assert_eq!((run.table.stats().joined, run.table.stats().copies), (1, 2));
    assert_eq!(run.end(), [(b'A', 3, FlowEnd::Shunted)]);

    // The answer, under the tag of the other direction.
    let mut run = Run::new(&Limits::default());
    run.push(0, 1, false, b"oA");
    run.push_in(other, 5, 1, true, b"nA");
    assert_eq!(run.table.stats().joined, 1);
    assert_eq!(run.end(), [(b'A', 2, FlowEnd::EndOfCapture)]);

    // What names another connection is no answer to this one, and what comes late neither.
    for (seconds, payload) in [(0, b"nB"), (11, b"nA")] {
        let mut run = Run::new(&Limits::default());
        run.push(0, 1, false, b"oA");
        run.push_in(other, seconds, 1, true, payload);
        assert_eq!(run.table.stats().joined, 0);
        assert_eq!(run.end().len(), 2);
    }

    // The same ends with other bytes, or the same bytes long afterwards.
    for (seconds, payload) in [(0, b"oB"), (9, b"oA")] {
        let mut run = Run::new(&Limits::default());
        run.push(0, 1, false, b"oA");
        run.push_in(other, seconds, 1, false, payload);
        assert_eq!(run.table.stats().joined, 0);
        assert_eq!(run.end().len(), 2);
    }
}

#[test]
fn several_connections_between_the_same_ports_are_told_apart() {
    let limits = Limits { flow_connections: 3, ..Limits::default() };
    let mut run = Run::new(&limits);
    run.push(0, 1, false, b"nA");
    run.push(0, 1, false, b"nB");
    run.push(0, 1, true, b"nA1");
    run.push(0, 1, true, b"nB1");
    assert_eq!(run.table.watched(), 2);
    run.push(0, 1, false, b"sA");
    assert_eq!(run.over, [(b'A', 3, FlowEnd::Shunted)]);
    // A late packet of the one that is over begins nothing.
    run.push(0, 1, true, b"nA2");
    run.push(0, 1, true, b"nB2");
    assert_eq!(run.table.watched(), 1);
    // One more than there may be: the oldest goes.
    for name in [b"nC", b"nD", b"nE"] {
        run.push(0, 1, false, name);
    }
    assert_eq!(run.over[1..], [(b'B', 3, FlowEnd::Evicted)]);
    assert_eq!(run.table.stats().evicted_watched, 1);
    assert_eq!(run.end().len(), 5);
}
