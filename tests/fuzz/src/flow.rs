//! The flow table: segments of some connections as operations, under tight bounds; and, where they are
//! a sound conversation, in other segments.

use std::time::Duration;

use tlscensus::clock::Timestamp;
use tlscensus::flow::Finished;
use tlscensus::flow::Side;
use tlscensus::flow::table::FlowTable;
use tlscensus::limits::Limits;
use tlscensus::packet::{Address, Domain, Endpoint, Layers, Segment, SeqNumber, TcpFlags};
use tlscensus::tls::Transport;
use tlscensus::tls::conversation::Conversation;
use tlscensus::tls::parse::HelloParser;

use super::deframe::{Fed, is_records};
use super::heap;
use super::input::Input;
use super::summary;

/// Flags by number: data, SYN, FIN, RST.
const FLAGS: [u8; 4] = [0x10, 0x02, 0x11, 0x04];

pub fn limits() -> Limits {
    Limits {
        flows: 6,
        watched_flows: 4,
        watched_bytes: 24 << 10,
        reorder_bytes: 4 << 10,
        reorder_segments: 8,
        reorder_wait: Duration::from_secs(1),
        linger: Duration::from_millis(500),
        watched_idle: Duration::from_secs(20),
        shunted_idle: Duration::from_secs(30),
        closed_flows: 2,
        transcript_bytes: 8 << 10,
        transcript_records: 24,
        preamble_bytes: 256,
        search_bytes: 2 << 10,
        search_bytes_unknown: 512,
        message_bytes: 4 << 10,
        ..Limits::default()
    }
}

/// A segment to be: whose, what it does, and where and when in relation to the last.
struct Operation<'a> {
    connection: usize,
    from_client: bool,
    /// Which of [`FLAGS`].
    kind: usize,
    /// Bytes that its number is off by.
    shift: u32,
    /// Bytes of it that were not captured.
    cut: u32,
    time: Time,
    payload: &'a [u8],
}

#[derive(Clone, Copy)]
enum Time {
    Passes(Duration),
    Jumps(Timestamp),
}

fn operations(data: &[u8]) -> Vec<Operation<'_>> {
    let mut input = Input(data);
    let mut operations = Vec::new();
    while !input.is_empty() {
        let (head, style) = (input.u8(), input.u8());
        let time = if style & 0x80 == 0 {
            Time::Passes(Duration::from_millis(u64::from(style & 7)))
        } else {
            // A clock may jump, either way.
            let jump = Timestamp::new(u64::from(input.u16()) << 12, 0);
            if style & 0x40 == 0 { Time::Passes(Duration::from_secs(3)) } else { Time::Jumps(jump) }
        };
        let payload = input.block();
        operations.push(Operation {
            connection: usize::from(head & 7),
            from_client: head & 8 == 0,
            kind: usize::from(head >> 4 & 3),
            shift: if style & 0x20 == 0 { 0 } else { u32::from(input.u8()).wrapping_sub(128) },
            cut: if style & 0x10 == 0 { 0 } else { u32::from(input.u8()) },
            time,
            payload: &payload[..payload.len().min(0x7ff)],
        });
    }
    operations
}

/// How the same bytes are sent.
#[derive(Clone, Copy, Debug)]
enum Sent {
    AsIs,
    /// In segments of at most so many bytes.
    Cut(usize),
    /// Each segment twice.
    Doubled,
    /// In segments of so many bytes, each two in the other order, but for the first: without a SYN
    /// the middle of a hello may look like words that begin a stream.
    Swapped(usize),
}

/// The pieces of a payload with their places, in the order in which they are sent.
fn pieces(payload: &[u8], sent: Sent) -> Vec<(usize, &[u8])> {
    let size = match sent {
        Sent::Cut(size) | Sent::Swapped(size) => size,
        Sent::AsIs | Sent::Doubled => payload.len().max(1),
    };
    let mut pieces: Vec<_> = (0..).step_by(size).zip(payload.chunks(size)).collect();
    match sent {
        Sent::Doubled => pieces.extend_from_within(..),
        Sent::Swapped(_) => {
            let behind = pieces.get_mut(1..).unwrap_or_default();
            behind.chunks_mut(2).for_each(<[_]>::reverse);
        }
        Sent::AsIs | Sent::Cut(_) => {}
    }
    if pieces.is_empty() {
        pieces.push((0, payload));
    }
    pieces
}

/// Push them all; what the table hands on.
fn push(operations: &[Operation<'_>], sent: Sent, limits: &Limits) -> Vec<Finished<Conversation>> {
    let mut table = FlowTable::<Conversation>::new(limits);
    let mut now = Timestamp::new(1_700_000_000, 0);
    let mut next = [[SeqNumber(0xffff_ff00), SeqNumber(7)]; 8];
    let mut ended = Vec::new();
    let mut segments = 0_u64;
    for operation in operations {
        let Operation { connection, from_client, kind, shift, cut, time, payload } = *operation;
        now = match time {
            Time::Passes(time) => now.plus(time),
            Time::Jumps(to) => to,
        };
        let port = 40_000 + u16::try_from(connection).unwrap();
        let client = Endpoint { address: Address::v4([10, 0, 0, 1]), port };
        let server = Endpoint { address: Address::v4([10, 0, 0, 2]), port: 443 };
        let (source, target) = if from_client { (client, server) } else { (server, client) };
        let [of_client, of_server] = &mut next[connection];
        let (own, other) =
            if from_client { (of_client, of_server) } else { (of_server, of_client) };
        let pieces = pieces(payload, sent);
        let last = pieces.iter().map(|(at, _)| *at).max().unwrap_or_default();
        for (at, piece) in pieces {
            segments += 1;
            // A FIN comes with the last byte.
            let kind = if kind == 2 && at != last { 0 } else { kind };
            let segment = Segment {
                source,
                target,
                domain: Domain::default(),
                seq: own.plus(shift).plus(u32::try_from(at).unwrap()),
                ack: *other,
                flags: TcpFlags(FLAGS[kind] | if from_client { 0 } else { 0x10 }),
                ttl: 64,
                payload: piece,
                cut,
                layers: Layers::default(),
            };
            table.push(&segment, now, &mut |over| ended.push(over.taken()));
            assert!(table.len() <= limits.flows, "{} flows", table.len());
            // The bound is looked at behind each segment; a flow may be over it by what one brings,
            // and by all the memory that is asked for at once to compare copies with.
            let over = limits.overlap_bytes + (2 << 10);
            assert!(table.held_bytes() <= limits.watched_bytes + over, "{}", table.held_bytes());
        }
        if shift == 0 {
            let size = u32::try_from(payload.len()).unwrap() + u32::from(kind == 1 || kind == 2);
            *own = own.plus(size);
        }
    }
    table.finish_all(&mut |over| ended.push(over.taken()));
    assert!(table.is_empty() && table.held_bytes() == 0);
    let stats = *table.stats();
    // Every flow that was opened is handed on exactly once: nothing is lost uncounted.
    assert_eq!(ended.len() as u64, stats.flows);
    assert!(stats.flows <= segments && stats.evicted + stats.evicted_watched <= 2 * segments);
    ended
}

/// What is read of them.
fn summaries(ended: &[Finished<Conversation>], limits: &Limits) -> Vec<String> {
    let mut parser = HelloParser::new(limits);
    let mut all = Vec::new();
    for Finished { meta, consumer, .. } in ended {
        let transcript = consumer.transcript();
        assert!(transcript.size() <= limits.transcript_bytes);
        let read = summary::read(Transport::Tcp, transcript, Some(meta), &mut parser, limits);
        all.push(format!("{:?} {:?} {read:?}", meta.endpoints, meta.signs));
    }
    all
}

/// Whether they are conversations such as two ends have: each begins with a SYN or with data, ends
/// with a FIN or not, and sends records, of which the first is a hello.
fn are_sound(operations: &[Operation<'_>]) -> bool {
    let plain = |one: &Operation<'_>| {
        one.shift == 0 && one.cut == 0 && matches!(one.time, Time::Passes(_)) && one.kind != 3
    };
    (0..8).all(|connection| {
        let mut said = Vec::new();
        let mut spoken = [false; 2];
        let mut closed = [false; 2];
        for one in operations.iter().filter(|one| one.connection == connection) {
            let end = usize::from(one.from_client);
            if closed[end] || one.kind == 1 && (spoken[end] || !one.payload.is_empty()) {
                return false;
            }
            spoken[end] = true;
            closed[end] = one.kind == 2;
            said.push(Fed::Data(if one.from_client { Side::Low } else { Side::High }, one.payload));
        }
        [Side::Low, Side::High].into_iter().all(|side| is_records(&said, side))
    }) && operations.iter().all(plain)
}

pub fn check(data: &[u8]) {
    let operations = operations(data);
    heap::bounded(data.len(), 4 << 20, 256, || {
        let limits = limits();
        let ended = push(&operations, Sent::AsIs, &limits);
        summaries(&ended, &limits);
    });
    if !are_sound(&operations) {
        return;
    }
    // With room for all of them it does not matter how the bytes travel.
    let limits = Limits::default();
    let read = |sent| summaries(&push(&operations, sent, &limits), &limits);
    let as_is = read(Sent::AsIs);
    let size = 2 + data.len() % 61;
    for sent in [Sent::Cut(1), Sent::Cut(size), Sent::Doubled, Sent::Swapped(size)] {
        assert_eq!(as_is, read(sent), "{sent:?}");
    }
}
