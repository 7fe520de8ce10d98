//! The stages that a packet and a handshake go through, each as a piece of work by itself.

use std::hint::black_box;
use std::sync::Arc;

use tlscensus::capture::file::FileSource;
use tlscensus::capture::{Poll, Source};
use tlscensus::clock::Timestamp;
use tlscensus::flow::table::FlowTable;
use tlscensus::flow::{
    Chunk, Control, FlowKey, Side, Spares, Start, StreamAssembler, StreamConsumer,
};
use tlscensus::json;
use tlscensus::limits::Limits;
use tlscensus::packet::{Decoder, Endpoint, Segment, SeqNumber};
use tlscensus::pipeline::Settings;
use tlscensus::policy::{self, Policy, finding};
use tlscensus::record::community::{self, CommunityId};
use tlscensus::record::line::Line;
use tlscensus::record::{Evasion, FlowRecord, Outcome, Peer, Seen, Sides};
use tlscensus::tls::codepoint::HandshakeType;
use tlscensus::tls::conversation::Conversation;
use tlscensus::tls::message::{What, events};
use tlscensus::tls::parse::{self, HelloParser};
use tlscensus::tls::{Transport, fingerprint};
use tlscensus::x509::{Certificate, ChainReport, TrustStores, chain};

use crate::traffic::{self, Kept};
use crate::{chains, common};

/// A piece of work that can be done again and again.
pub struct Stage {
    pub name: &'static str,
    /// How many packets, bytes or handshakes one turn of it is.
    pub units: u64,
    pub work: Box<dyn FnMut()>,
}

/// The names of all stages.
pub const NAMES: [&str; 14] = [
    "read",
    "decode",
    "flow-hit",
    "flow-miss",
    "reassembly",
    "deframe",
    "hello",
    "ja3-ja4",
    "certificate",
    "chain",
    "policy",
    "record",
    "pipeline",
    "own-chains",
];

/// Clients that play the recorded handshakes at once.
const CLIENTS: u16 = 40;

/// Prepare a stage.
pub fn stage(name: &str) -> Stage {
    match name {
        "read" => read(),
        "decode" => decode(),
        "flow-hit" => flow_hit(),
        "flow-miss" => flow_miss(),
        "reassembly" => reassembly(),
        "deframe" => deframe(),
        "hello" => hello(),
        "ja3-ja4" => fingerprints(),
        "certificate" => certificate(),
        "chain" => chain_of_two(),
        "policy" => policies(),
        "record" => record(),
        "pipeline" => pipeline(),
        "own-chains" => own_chains(),
        _ => panic!("there is no stage {name}"),
    }
}

fn made(name: &'static str, units: usize, work: impl FnMut() + 'static) -> Stage {
    Stage { name, units: units as u64, work: Box::new(work) }
}

/// A capture file through the one buffer: every frame looked at.
fn read() -> Stage {
    let frames = traffic::handshakes(CLIENTS);
    let folder = tempfile::tempdir().unwrap();
    let path = traffic::write(&frames, &folder);
    made("read", frames.len(), move || {
        let mut source = FileSource::open(&path, &Limits::default()).unwrap();
        let mut bytes = 0;
        while source.poll(&mut |frame| bytes += frame.bytes.len()).unwrap() != Poll::End {}
        black_box((bytes, &folder));
    })
}

/// Frames → packets.
fn decode() -> Stage {
    let frames = traffic::handshakes(CLIENTS);
    let mut decoder = Decoder::new(&Limits::default());
    made("decode", frames.len(), move || {
        let mut segment = Segment::default();
        for frame in &frames {
            if decoder.decode_usual(&frame.frame(), &mut segment) {
                black_box(&segment);
            } else {
                let _ = decoder.decode(&frame.frame(), &mut |packet| {
                    black_box(packet);
                });
            }
        }
    })
}

/// Wants nothing more after the first bytes.
#[derive(Default)]
struct Satisfied;

impl StreamConsumer for Satisfied {
    fn feed(&mut self, _: Side, _: Timestamp, _: Chunk<'_>, _: &Limits, _: &mut Spares) -> Control {
        Control::Shunt
    }

    fn start(&self, _: Side, _: &[u8]) -> Start {
        Start::Plausible
    }

    fn settle(&mut self) {}

    fn recycle(&mut self, _: &mut Spares) {}

    fn held_bytes(&self) -> usize {
        0
    }
}

/// Packets of flows of which nothing more is wanted: most of all packets.
fn flow_hit() -> Stage {
    let segments = segments(traffic::handshakes(CLIENTS));
    let segments: Vec<_> = segments
        .into_iter()
        .filter(|(segment, _)| !segment.flags.syn() && !segment.flags.rst())
        .map(|(segment, at)| (Segment { payload: b"application data", ..segment }, at))
        .collect();
    let mut table = FlowTable::<Satisfied>::new(&Limits::default());
    for (segment, at) in &segments {
        table.push(segment, *at, &mut |_| {});
    }
    made("flow-hit", segments.len(), move || {
        for (segment, at) in &segments {
            table.push(segment, *at, &mut |_| {});
        }
    })
}

/// SYNs that nothing follows.
fn flow_miss() -> Stage {
    let segments = segments(traffic::syns(20_000));
    let mut table = FlowTable::<Satisfied>::new(&Limits::default());
    made("flow-miss", segments.len(), move || {
        for (segment, at) in &segments {
            table.push(segment, *at, &mut |_| {});
        }
        assert!(table.is_empty());
    })
}

/// A stream of which every eighth pair of segments comes in the wrong order.
fn reassembly() -> Stage {
    const SEGMENT: usize = 1_400;
    let text = vec![0x17; SEGMENT * 1_000];
    let limits = Limits::default();
    made("reassembly", 1_000, move || {
        let mut stream = StreamAssembler::default();
        stream.begin(SeqNumber(0));
        let mut got = 0;
        for number in 0..1_000 {
            let place = match number % 16 {
                6 => number + 1,
                7 => number - 1,
                _ => number,
            } * SEGMENT;
            let seq = SeqNumber(u32::try_from(place).unwrap());
            let payload = &text[place..place + SEGMENT];
            let mut count = |chunk: Chunk<'_>| {
                if let Chunk::Data(bytes) = chunk {
                    got += bytes.len();
                }
            };
            stream.push(seq, payload, 0, Timestamp::default(), &limits, &mut count);
        }
        assert_eq!(got, text.len());
    })
}

/// Stream bytes → the handshake in them.
fn deframe() -> Stage {
    let segments = conversation();
    let limits = Limits::default();
    let mut spares = Spares::default();
    made("deframe", 1, move || {
        let mut conversation = Conversation::default();
        for (segment, at) in &segments {
            let (_, side) = FlowKey::of(segment.source, segment.target, segment.domain);
            conversation.feed(side, *at, Chunk::Data(segment.payload), &limits, &mut spares);
        }
        assert!(conversation.transcript().has_messages());
        conversation.recycle(&mut spares);
    })
}

/// ClientHello and ServerHello, of which nothing like it was seen before.
fn hello() -> Stage {
    let messages = Messages::of_a_handshake();
    let limits = Limits::default();
    made("hello", 1, move || {
        let mut parser = HelloParser::new(&limits);
        black_box(parser.client_hello(&messages.client_hello, Transport::Tcp, true)).unwrap();
        black_box(parser.server_hello(&messages.server_hello, true)).unwrap();
    })
}

fn fingerprints() -> Stage {
    let offer = Messages::of_a_handshake().record().client_hello.unwrap().offer;
    made("ja3-ja4", 1, move || {
        black_box(fingerprint::ja3(&fingerprint::ja3_raw(&offer)));
        black_box(fingerprint::ja4(&offer, Transport::Tcp));
        black_box(fingerprint::identity(&offer));
    })
}

fn certificate() -> Stage {
    let certificates = Messages::of_a_handshake().certificates;
    made("certificate", certificates.len(), move || {
        for der in &certificates {
            black_box(Certificate::parse(der));
        }
    })
}

/// A chain to a root, its signatures checked.
fn chain_of_two() -> Stage {
    let messages = Messages::of_a_handshake();
    let (limits, stores) = (Limits::default(), stores());
    let certificates = messages.parsed();
    made("chain", 1, move || {
        black_box(chain::verify(&certificates, messages.at, &stores, &limits));
    })
}

/// What a policy says of a connection.
fn policies() -> Stage {
    let record = Messages::of_a_handshake().record();
    let policy = Policy::resolve("dataverse").unwrap();
    let evidence = record.evidence();
    made("policy", 1, move || {
        let case = record.case(&evidence);
        let verdicts = [policy::judge(&policy, &case)];
        black_box(finding::findings(&case, &verdicts, &mut Vec::new));
    })
}

/// A record as a line, its verdicts known already.
fn record() -> Stage {
    let record = Messages::of_a_handshake().record();
    let policy = Policy::resolve("dataverse").unwrap();
    let evidence = record.evidence();
    let verdicts = [policy::judge(&policy, &record.case(&evidence))];
    let verdicts = json::raw(&verdicts).unwrap();
    let findings = json::raw(&[0; 0]).unwrap();
    let mut out = Vec::new();
    made("record", 1, move || {
        out.clear();
        let line = Line { record: &record, verdicts: &*verdicts, findings: &*findings };
        json::write(&mut out, &line).unwrap();
        black_box(&out);
    })
}

/// A capture file in, records and a census out.
fn pipeline() -> Stage {
    let frames = traffic::handshakes(CLIENTS);
    let folder = tempfile::tempdir().unwrap();
    let path = [traffic::write(&frames, &folder)];
    let settings = common::settings(1, &["dataverse"]);
    made("pipeline", frames.len(), move || {
        black_box((common::read(&path, &settings), &folder));
    })
}

/// A capture in which each handshake has two certificates that no other has: all are parsed, and
/// both signatures of each chain checked.
fn own_chains() -> Stage {
    const CHAINS: u32 = 1_000;
    let (capture, root) = chains::capture(CHAINS);
    let folder = tempfile::tempdir().unwrap();
    let [path, store] = ["chains.pcap", "root.pem"].map(|name| folder.path().join(name));
    std::fs::write(&path, capture).unwrap();
    std::fs::write(&store, root).unwrap();
    let store = format!("bench={}", store.display()).parse().unwrap();
    let trust = Arc::new(TrustStores::load(&[store], &[]).unwrap());
    let settings = Settings { trust, ..common::settings(1, &["dataverse"]) };
    let path = [path];
    let (lines, _) = common::read(&path, &settings);
    let lines = String::from_utf8(lines).unwrap();
    let verified = lines.matches(r#""status":"private_root""#).count();
    assert_eq!(verified, CHAINS as usize, "all lead to the root");
    made("own-chains", CHAINS as usize, move || {
        black_box((common::read(&path, &settings), &folder));
    })
}

/// What frames carry; they are kept for good.
fn segments(frames: Vec<Kept>) -> Vec<(Segment<'static>, Timestamp)> {
    let frames: &'static [Kept] = frames.leak();
    let mut decoder = Decoder::new(&Limits::default());
    let mut segments = Vec::new();
    for frame in frames {
        let mut segment = Segment::default();
        if decoder.decode_usual(&frame.frame(), &mut segment) {
            segments.push((segment, frame.at));
        }
    }
    segments
}

/// The payload of a recorded connection, in order.
fn conversation() -> Vec<(Segment<'static>, Timestamp)> {
    let mut segments = segments(traffic::recorded("tls12-ecdhe-ecdsa.pcap"));
    segments.retain(|(segment, _)| !segment.payload.is_empty());
    segments
}

fn stores() -> Arc<TrustStores> {
    common::settings(1, &["dataverse"]).trust
}

/// The messages of a recorded handshake.
struct Messages {
    at: Timestamp,
    ends: [Endpoint; 2],
    client_hello: Vec<u8>,
    server_hello: Vec<u8>,
    certificates: Vec<Vec<u8>>,
}

impl Messages {
    fn of_a_handshake() -> Self {
        let segments = conversation();
        let limits = Limits::default();
        let (mut conversation, mut spares) = (Conversation::default(), Spares::default());
        for (segment, at) in &segments {
            let (_, side) = FlowKey::of(segment.source, segment.target, segment.domain);
            conversation.feed(side, *at, Chunk::Data(segment.payload), &limits, &mut spares);
        }
        let (first, at) = segments.first().unwrap();
        let mut messages = Self {
            at: *at,
            ends: [first.source, first.target],
            client_hello: Vec::new(),
            server_hello: Vec::new(),
            certificates: Vec::new(),
        };
        for event in events(conversation.transcript(), &limits) {
            match event.what {
                What::Message { kind: HandshakeType::CLIENT_HELLO, body, .. } => {
                    messages.client_hello = body.into_owned();
                }
                What::Message { kind: HandshakeType::SERVER_HELLO, body, .. } => {
                    messages.server_hello = body.into_owned();
                }
                What::Message { kind: HandshakeType::CERTIFICATE, body, .. } => {
                    let (chain, _) = parse::certificates(&body, limits.chain_length);
                    messages.certificates = chain.into_iter().map(<[u8]>::to_vec).collect();
                }
                _ => {}
            }
        }
        assert!(!messages.certificates.is_empty());
        messages
    }

    fn parsed(&self) -> Vec<Arc<Certificate>> {
        self.certificates.iter().map(|der| Arc::new(Certificate::parse(der))).collect()
    }

    /// What a worker makes of them.
    fn record(&self) -> FlowRecord {
        let mut parser = HelloParser::new(&Limits::default());
        let [low, high] = self.ends;
        let [client, server] =
            self.ends.map(|end| Peer { ip: end.address, port: end.port, mac: None });
        let certificates = self.parsed();
        let chain: ChainReport =
            chain::verify(&certificates, self.at, &stores(), &Limits::default());
        FlowRecord {
            ts: self.at,
            sensor: "bench".into(),
            source: "made.pcap".into(),
            community_id: Some(CommunityId::of(low, high, community::TCP)),
            transport: Transport::Tcp,
            application: Some("http"),
            starttls: false,
            vlan: Vec::new(),
            tunnel: Vec::new(),
            client,
            server,
            target: None,
            client_hello: parser.client_hello(&self.client_hello, Transport::Tcp, true),
            server_hello: parser.server_hello(&self.server_hello, true).map(|(hello, _)| hello),
            certificates,
            chain_cut: false,
            client_certificates: Vec::new(),
            certificate_requested: false,
            chain: chain.into(),
            alerts: Vec::new(),
            resumed: false,
            outcome: Outcome::Established,
            handshake_time: None,
            history: "CsxknGIi".to_owned(),
            seen: Seen {
                client_bytes: 700,
                server_bytes: 3_000,
                gaps: 0,
                sides: Sides::Both,
                truncated: false,
            },
            evasion: Evasion::default(),
        }
    }
}
