//! The flow table: segments of some connections as operations, under tight bounds.

use std::time::Duration;

use tlscensus::clock::Timestamp;
use tlscensus::flow::table::{Finished, FlowTable};
use tlscensus::limits::Limits;
use tlscensus::packet::{Address, Domain, Endpoint, Layers, Segment, SeqNumber, TcpFlags};
use tlscensus::tls::Transport;
use tlscensus::tls::conversation::Conversation;
use tlscensus::tls::parse::HelloParser;

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
        transcript_bytes: 8 << 10,
        transcript_records: 24,
        preamble_bytes: 256,
        search_bytes: 2 << 10,
        search_bytes_unknown: 512,
        message_bytes: 4 << 10,
        ..Limits::default()
    }
}

pub fn check(data: &[u8]) {
    heap::bounded(data.len(), 4 << 20, 256, || run(data));
}

fn run(data: &[u8]) {
    let limits = limits();
    let mut input = Input(data);
    let mut table = FlowTable::<Conversation>::new(&limits);
    let mut now = Timestamp::new(1_700_000_000, 0);
    let mut next = [[SeqNumber(0xffff_ff00), SeqNumber(7)]; 8];
    let mut ended = Vec::new();
    let mut segments = 0_u64;
    while !input.is_empty() {
        segments += 1;
        let (head, style) = (input.u8(), input.u8());
        let connection = usize::from(head & 7);
        let from_client = head & 8 == 0;
        let kind = usize::from(head >> 4 & 3);
        now = if style & 0x80 == 0 {
            now.plus(Duration::from_millis(u64::from(style & 7)))
        } else {
            // A clock may jump, either way.
            let jump = Timestamp::new(u64::from(input.u16()) << 12, 0);
            if style & 0x40 == 0 { now.plus(Duration::from_secs(3)) } else { jump }
        };
        let payload = input.block();
        let payload = &payload[..payload.len().min(0x7ff)];
        let port = 40_000 + u16::try_from(connection).unwrap();
        let client = Endpoint { address: Address::v4([10, 0, 0, 1]), port };
        let server = Endpoint { address: Address::v4([10, 0, 0, 2]), port: 443 };
        let (source, target) = if from_client { (client, server) } else { (server, client) };
        let [of_client, of_server] = &mut next[connection];
        let (own, other) =
            if from_client { (of_client, of_server) } else { (of_server, of_client) };
        let shift = if style & 0x20 == 0 { 0 } else { u32::from(input.u8()).wrapping_sub(128) };
        let seq = own.plus(shift);
        let flags = TcpFlags(FLAGS[kind] | if from_client { 0 } else { 0x10 });
        let size = u32::try_from(payload.len()).unwrap() + u32::from(kind == 1 || kind == 2);
        let segment = Segment {
            source,
            target,
            domain: Domain::default(),
            seq,
            ack: *other,
            flags,
            ttl: 64,
            payload,
            cut: if style & 0x10 == 0 { 0 } else { u32::from(input.u8()) },
            layers: Layers::default(),
        };
        if shift == 0 {
            *own = own.plus(size);
        }
        table.push(&segment, now, &mut |over| ended.push(over));
        assert!(table.len() <= limits.flows, "{} flows", table.len());
        // The bound is looked at behind each segment; a flow may be over it by what one brings, and by
        // all the memory that is asked for at once to compare copies with.
        let over = limits.overlap_bytes + (2 << 10);
        assert!(table.held_bytes() <= limits.watched_bytes + over, "{}", table.held_bytes());
    }
    table.finish_all(&mut |over| ended.push(over));
    assert!(table.is_empty() && table.held_bytes() == 0);
    let stats = *table.stats();
    // Every flow that was opened is handed on exactly once: nothing is lost uncounted.
    assert_eq!(ended.len() as u64, stats.flows);
    assert!(stats.flows <= segments && stats.evicted + stats.evicted_watched <= 2 * segments);
    let mut parser = HelloParser::new(&limits);
    for Finished { meta, consumer, .. } in &ended {
        let transcript = consumer.transcript();
        assert!(transcript.size() <= limits.transcript_bytes);
        summary::read(Transport::Tcp, transcript, Some(meta), &mut parser, &limits);
    }
}
