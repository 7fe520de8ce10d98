//! Datagrams of some flows, most of them DTLS: the datagram table and all that is behind it; and, where
//! they are whole records, each record in a datagram of its own, and all datagrams twice.

use std::time::Duration;

use tlscensus::clock::Timestamp;
use tlscensus::flow::datagram::DatagramTable;
use tlscensus::limits::Limits;
use tlscensus::packet::{Address, Datagram, Domain, Endpoint, Layers};
use tlscensus::quic::conversation::DatagramConversation;
use tlscensus::tls::parse::HelloParser;

use super::heap;
use super::input::Input;
use super::summary;

pub fn limits() -> Limits {
    Limits {
        datagram_flows: 6,
        watched_datagram_flows: 3,
        watched_bytes: 24 << 10,
        transcript_bytes: 12 << 10,
        transcript_records: 24,
        message_bytes: 8 << 10,
        datagram_messages: 8,
        pieces: 16,
        quic_keys: 6,
        watched_idle: Duration::from_secs(20),
        ..Limits::default()
    }
}

/// A datagram: which flow, from which end, how long after the last, what was not captured of it.
pub struct Sent {
    pub flow: u8,
    pub from_client: bool,
    pub pause: Duration,
    pub payload: Vec<u8>,
    pub cut: u32,
}

pub fn check(data: &[u8]) {
    let mut input = Input(data);
    let mut sent = Vec::new();
    while !input.is_empty() {
        let head = input.u8();
        sent.push(Sent {
            flow: head & 7,
            from_client: head & 8 == 0,
            pause: Duration::from_secs(if head & 0x10 == 0 { 0 } else { u64::from(input.u8()) }),
            cut: if head & 0x20 == 0 { 0 } else { u32::from(input.u8()) },
            payload: input.block().to_vec(),
        });
    }
    heap::bounded(data.len(), 4 << 20, 512, || converse(&sent, &limits()));
    let Some(apart) = apart(&sent) else { return };
    let roomy = Limits::default();
    let together = converse(&sent, &roomy);
    assert_eq!(together, converse(&apart, &roomy), "datagrams change what is read");
    let copy = |one: &Sent| Sent { pause: Duration::ZERO, ..one.again() };
    let twice: Vec<Sent> = sent.iter().flat_map(|one| [one.again(), copy(one)]).collect();
    assert_eq!(together, converse(&twice, &roomy), "what comes twice is read otherwise");
}

/// Each record in a datagram of its own, if all are sound and in the clear and at most the first of a
/// datagram is a message that may begin a conversation: a datagram is known by its first record.
fn apart(sent: &[Sent]) -> Option<Vec<Sent>> {
    let mut all = Vec::new();
    for one in sent {
        let mut rest = one.payload.as_slice();
        let mut pause = one.pause;
        while let Some((header, _)) = rest.split_first_chunk::<13>() {
            let [kind, 0xfe, 0xfd | 0xff, 0, 0, .., high, low] = *header else { return None };
            let size = 13 + usize::from(u16::from_be_bytes([high, low]));
            let record = rest.get(..size)?;
            let begins = kind == 22 && record.get(13) == Some(&1);
            let first = rest.len() == one.payload.len();
            if one.cut > 0 || !is_sound(kind, &record[13..]) || (begins && !first) {
                return None;
            }
            all.push(Sent { pause, payload: record.to_vec(), ..one.again() });
            pause = Duration::ZERO;
            rest = &rest[size..];
        }
        if !rest.is_empty() || one.payload.is_empty() {
            return None;
        }
    }
    Some(all)
}

/// Whether the body of a record is what its kind says: one, and a whole one.
fn is_sound(kind: u8, body: &[u8]) -> bool {
    let u24 =
        |at: usize| body[at..at + 3].iter().fold(0, |high, low| high << 8 | usize::from(*low));
    match kind {
        20 => body == [1],
        21 => matches!(body, [1 | 2, _]),
        // A fragment that lies within its message (RFC 6347 §4.2.2), of a type and a length that a
        // conversation may begin with where nothing was seen before.
        22 => {
            body.len() >= 12
                && matches!(body[0], 0..=25 | 67)
                && u24(1) < 1 << 18
                && body.len() == 12 + u24(9)
                && u24(6) + u24(9) <= u24(1)
        }
        _ => false,
    }
}

impl Sent {
    fn again(&self) -> Self {
        Self { payload: self.payload.clone(), ..*self }
    }
}

/// Push them all; what is read of each flow that comes out.
pub fn converse(sent: &[Sent], limits: &Limits) -> Vec<String> {
    let mut table = DatagramTable::<DatagramConversation>::new(limits);
    let mut now = Timestamp::new(1_700_000_000, 0);
    let mut ended = Vec::new();
    for one in sent {
        now = now.plus(one.pause);
        let port = 40_000 + u16::from(one.flow);
        let client = Endpoint { address: Address::v4([10, 0, 0, 1]), port };
        let server = Endpoint { address: Address::v4([10, 0, 0, 2]), port: 443 };
        let (source, target) = if one.from_client { (client, server) } else { (server, client) };
        let datagram = Datagram {
            source,
            target,
            domain: Domain::default(),
            payload: &one.payload,
            cut: one.cut,
            layers: Layers::default(),
        };
        table.push(&datagram, now, &mut |over| ended.push(over));
        assert!(table.len() <= limits.datagram_flows);
        assert!(table.held_bytes() <= limits.watched_bytes + (1 << 17), "{}", table.held_bytes());
    }
    table.finish_all(&mut |over| ended.push(over));
    assert!(table.is_empty() && table.held_bytes() == 0);
    let stats = *table.stats();
    assert_eq!(stats.datagrams, sent.len() as u64);
    assert_eq!(ended.len() as u64, stats.flows, "{stats:?}");
    let mut parser = HelloParser::new(limits);
    let mut all = Vec::new();
    for over in &ended {
        let transport = over.consumer.transport();
        let transcript = over.consumer.transcript();
        assert!(transcript.size() <= limits.transcript_bytes);
        let read = summary::read(transport, transcript, Some(&over.meta), &mut parser, limits);
        all.push(format!("{:?} {:?} {read:?}", over.meta.endpoints, over.meta.signs));
    }
    all
}
