//! Tests of the flow table.

use super::*;
use crate::flow::{Chunk, Side, Spares, Start};
use crate::packet::{Address, Endpoint, Layers, TcpFlags};

/// Keeps what each end sent; any bytes may be a beginning.
#[derive(Default)]
struct Everything([Vec<u8>; 2]);

impl StreamConsumer for Everything {
    fn feed(
        &mut self,
        side: Side,
        _: Timestamp,
        chunk: Chunk<'_>,
        _: &Limits,
        _: &mut Spares,
    ) -> Control {
        if let Chunk::Data(data) = chunk {
            side.of_mut(&mut self.0).extend_from_slice(data);
        }
        Control::Continue
    }

    fn start(&self, _: Side, _: &[u8]) -> Start {
        Start::Plausible
    }

    fn settle(&mut self) {}

    fn recycle(&mut self, _: &mut Spares) {
        *self = Self::default();
    }

    fn held_bytes(&self) -> usize {
        0
    }
}

const LOW: Endpoint = Endpoint { address: Address::v4([10, 0, 0, 1]), port: 50_000 };
const HIGH: Endpoint = Endpoint { address: Address::v4([10, 0, 0, 2]), port: 443 };

fn segment(from: Endpoint, to: Endpoint, seq: u32, ack: u32, payload: &[u8]) -> Segment<'_> {
    Segment {
        source: from,
        target: to,
        seq: SeqNumber(seq),
        ack: SeqNumber(ack),
        flags: TcpFlags(0x10),
        payload,
        cut: 0,
        ttl: 64,
        domain: Domain::default(),
        layers: Layers::default(),
    }
}

#[test]
fn bytes_that_the_other_end_does_not_wait_for_are_no_beginning() {
    let hello = segment(LOW, HIGH, 1_000, 5_000, b"hello");
    let received = segment(LOW, HIGH, 1_005, 5_006, b"");
    let second = segment(HIGH, LOW, 5_003, 1_005, b"def");
    let first = segment(HIGH, LOW, 5_000, 1_005, b"abc");
    // Also where it is captured sooner that they were received than that they were sent.
    for segments in [&[hello, second, first][..], &[hello, received, second, first]] {
        let mut table = FlowTable::<Everything>::new(&Limits::default());
        let mut sent = Vec::new();
        for segment in segments {
            table.push(segment, Timestamp::new(1, 0), &mut |_| {});
        }
        table.finish_all(&mut |finished| sent = finished.consumer.0.to_vec());
        assert_eq!(sent, [b"hello".to_vec(), b"abcdef".to_vec()]);
    }
}

#[test]
fn a_reset_far_from_where_its_sender_stands_closes_nothing() {
    for (seq, believed) in [(1_005, true), (0x4000_0000, false)] {
        let hello = segment(LOW, HIGH, 1_000, 5_000, b"hello");
        let reset = Segment { flags: TcpFlags(0x14), ..segment(LOW, HIGH, seq, 5_000, b"") };
        let answer = segment(HIGH, LOW, 5_000, 1_005, b"abc");
        let mut table = FlowTable::<Everything>::new(&Limits::default());
        let mut ends = Vec::new();
        for (second, segment) in [(1, hello), (2, reset), (6, answer)] {
            table.push(&segment, Timestamp::new(second, 0), &mut |finished| {
                ends.push((finished.meta.reset, finished.consumer.0.to_vec()));
            });
        }
        table.finish_all(&mut |finished| {
            ends.push((finished.meta.reset, finished.consumer.0.to_vec()));
        });
        let whole = (false, vec![b"hello".to_vec(), b"abc".to_vec()]);
        assert_eq!(ends == [whole], !believed, "{ends:?}");
    }
}

#[test]
fn a_syn_that_the_other_end_takes_begins_another_connection() {
    let hello = segment(LOW, HIGH, 1_000, 5_000, b"hello");
    let syn = Segment { flags: TcpFlags(0x02), ..segment(LOW, HIGH, 6_000, 0, b"") };
    let answer = Segment { flags: TcpFlags(0x12), ..segment(HIGH, LOW, 9_000, 6_001, b"") };
    // Its numbers are near those of the one before.
    let second = segment(LOW, HIGH, 6_004, 9_001, b"def");
    let first = segment(LOW, HIGH, 6_001, 9_001, b"abc");
    let mut table = FlowTable::<Everything>::new(&Limits::default());
    let mut sent = Vec::new();
    for segment in [hello, syn, answer, second, first] {
        table.push(&segment, Timestamp::new(1, 0), &mut |finished| {
            sent.push(finished.consumer.0[0].clone());
        });
    }
    table.finish_all(&mut |finished| sent.push(finished.consumer.0[0].clone()));
    assert_eq!(sent, [b"hello".to_vec(), b"abcdef".to_vec()]);
}

/// Wants no more than the first bytes, whatever they are, which look like the middle of something.
#[derive(Default)]
struct Middle;

impl StreamConsumer for Middle {
    fn feed(&mut self, _: Side, _: Timestamp, _: Chunk<'_>, _: &Limits, _: &mut Spares) -> Control {
        Control::Shunt
    }

    fn start(&self, _: Side, _: &[u8]) -> Start {
        Start::Doubtful
    }

    fn settle(&mut self) {}

    fn recycle(&mut self, _: &mut Spares) {}

    fn held_bytes(&self) -> usize {
        0
    }
}

/// How many segments of ten bytes, from 1000 on, waited for an earlier one, where the other end had
/// acknowledged this much.
fn waited(acked: Option<u32>) -> usize {
    let mut table = FlowTable::<Middle>::new(&Limits::default());
    let at = Timestamp::new(1, 0);
    let mut waited = 0_usize;
    for seq in (1_000..).step_by(10) {
        let mut is_over = false;
        let data = segment(HIGH, LOW, seq, 7, b"0123456789");
        table.push(&data, at, &mut |_| is_over = true);
        if is_over {
            break;
        }
        waited = waited.saturating_add(1);
        if let Some(acked) = acked {
            table.push(&segment(LOW, HIGH, 7, acked, b""), at, &mut |_| {});
        }
    }
    assert_eq!(table.stats().guessed_starts, 1);
    waited
}

#[test]
fn what_the_other_end_has_received_is_waited_for_no_longer_than_its_order_may_differ() {
    let Limits { start_segments, start_segments_acknowledged, .. } = Limits::default();
    for acked in [1_000, 1_001, 1_050, 3_000] {
        assert_eq!(waited(Some(acked)), start_segments_acknowledged, "{acked}");
    }
    // Who lacks something before them, or was not heard, may yet get it.
    for acked in [Some(999), Some(1), Some(3_000_000_000), None] {
        assert_eq!(waited(acked), start_segments, "{acked:?}");
    }
}

const FIN: u8 = 0x11;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;
const SYN_ACK: u8 = 0x12;

/// A table that remembers two closed connections, with as many that are open.
fn table_with(connections: u16) -> FlowTable<Middle> {
    let limits = Limits { closed_flows: 2, start_segments: 0, ..Limits::default() };
    let mut table = FlowTable::new(&limits);
    for n in 0..connections {
        send(&mut table, n, Side::Low, SYN, b"");
        send(&mut table, n, Side::High, SYN_ACK, b"");
        send(&mut table, n, Side::Low, ACK, b"hello");
    }
    assert_eq!((table.len(), table.watched()), (usize::from(connections), 0));
    table
}

/// Such a table, and in it one that is open, on the ports of another, which was closed.
fn table_with_another() -> FlowTable<Middle> {
    let mut table = table_with(1);
    send(&mut table, 0, Side::High, RST, b"");
    let data = segment(LOW, HIGH, 9_001, 1_001, b"hello");
    let syn = Segment { seq: SeqNumber(9_000), payload: b"", flags: TcpFlags(SYN), ..data };
    for segment in [syn, data] {
        table.push(&segment, Timestamp::new(1, 0), &mut |_| {});
    }
    assert_eq!((table.len(), table.stats().reopened), (1, 1));
    table
}

/// The client, or the server, of connection `n` sends a segment.
fn send<C: StreamConsumer>(
    table: &mut FlowTable<C>,
    n: u16,
    from: Side,
    flags: u8,
    payload: &[u8],
) {
    let client = Endpoint { port: LOW.port.saturating_add(n), ..LOW };
    let (source, target) = if from == Side::Low { (client, HIGH) } else { (HIGH, client) };
    let flags = TcpFlags(flags);
    let data = segment(source, target, if flags.syn() { 1_000 } else { 1_001 }, 1_001, payload);
    table.push(&Segment { flags, ..data }, Timestamp::new(1, 0), &mut |_| {});
}

#[test]
fn of_closed_connections_those_that_were_closed_last_are_remembered() {
    let mut table = table_with(6);
    for n in [2, 0, 3, 1] {
        send(&mut table, n, Side::Low, FIN, b"");
    }
    assert_eq!(table.len(), 6, "half of each is open");
    for n in [3, 2, 0, 1] {
        send(&mut table, n, Side::High, FIN, b"");
        send(&mut table, n, Side::High, FIN, b""); // another time
    }
    assert_eq!(table.len(), 4);
    // Those of the last two still begin nothing, nor do those of which no end was seen.
    for n in [0, 1, 4, 5] {
        send(&mut table, n, Side::Low, ACK, b"more");
    }
    assert_eq!(table.stats().flows, 6);
    for n in [2, 3] {
        send(&mut table, n, Side::Low, ACK, b"more");
    }
    assert_eq!(table.stats().flows, 8);
    assert_eq!(table.stats().evicted, 0);
}

#[test]
fn a_connection_is_closed_by_a_reset_or_by_the_only_end_that_was_seen() {
    let mut table = table_with(3);
    for n in 0..3 {
        send(&mut table, n, Side::High, RST, b"");
    }
    assert_eq!(table.len(), 2);
    let mut table = table_with(0);
    for n in 0..3 {
        send(&mut table, n, Side::Low, ACK, b"hello");
        send(&mut table, n, Side::Low, FIN, b"");
    }
    assert_eq!(table.len(), 2);
    // Also by what came while it was watched.
    let mut table = table_with(0);
    for n in 0..3 {
        send(&mut table, n, Side::Low, FIN, b"hello");
    }
    assert_eq!(table.len(), 2);
}

#[test]
fn whose_ports_are_used_again_is_not_closed() {
    let mut table = table_with_another();
    for n in 1..3 {
        send(&mut table, n, Side::Low, FIN, b"hello");
    }
    assert_eq!(table.len(), 3);
    send(&mut table, 3, Side::Low, FIN, b"hello");
    assert_eq!(table.len(), 3);
    send(&mut table, 0, Side::Low, ACK, b"more");
    assert_eq!(table.stats().flows, 5, "it went on");
}

#[test]
fn of_connections_in_one_place_each_has_its_own_turn() {
    let mut table = table_with_another();
    send(&mut table, 0, Side::High, RST, b"");
    // There were three that were closed, and of the first nothing is left to forget.
    send(&mut table, 1, Side::Low, FIN, b"hello");
    assert_eq!(table.len(), 2);
    send(&mut table, 2, Side::Low, FIN, b"hello");
    assert_eq!(table.len(), 2);
}

#[cfg(feature = "live")]
#[test]
fn a_clock_that_is_put_forward_does_not_change_where_a_closed_connection_began() {
    let mut table = FlowTable::<Everything>::new(&Limits::default());
    send(&mut table, 0, Side::Low, SYN, b"");
    let data = segment(LOW, HIGH, 1_001, 0, b"hello");
    table.push(&data, Timestamp::new(1, 0), &mut |_| {});
    let last = Segment { seq: SeqNumber(1_006), payload: b"", flags: TcpFlags(FIN), ..data };
    table.push(&last, Timestamp::new(1, 0), &mut |_| {});
    table.tick(Timestamp::new(10, 0), &mut |_| {});
    assert_eq!((table.len(), table.watched()), (1, 0));
    table.shift(1_000);
    send(&mut table, 0, Side::Low, SYN, b"");
    assert_eq!(table.stats().reopened, 0, "it is a copy");
}
