//! Seeds: what the captures of the project hold, as inputs of the targets.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use tlscensus::capture::file::FileSource;
use tlscensus::capture::{Poll, Source};
use tlscensus::flow::{FlowKey, Side};
use tlscensus::limits::Limits;
use tlscensus::packet::{Decoder, Packet};
use tlscensus::tls::message::{What, events};

use super::deframe;

/// Bytes behind their length.
fn block(bytes: &[u8]) -> Vec<u8> {
    let bytes = &bytes[..bytes.len().min(0xffff)];
    [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

/// Write an input of a target, named by its contents.
fn write(corpus: &Path, target: &str, bytes: &[u8]) {
    let folder = corpus.join(target);
    fs::create_dir_all(&folder).unwrap();
    let name: String = bytes
        .iter()
        .fold([0xcbf2_9ce4_8422_2325_u64, 0x9e37_79b9_7f4a_7c15], |[one, other], byte| {
            let one = (one ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            [one, (other ^ one).rotate_left(23).wrapping_mul(0x9e37_79b1)]
        })
        .iter()
        .map(|word| format!("{word:016x}"))
        .collect();
    fs::write(folder.join(name), bytes).unwrap();
}

/// Make seeds of every capture in a folder.
pub fn make(captures: &Path, corpus: &Path) {
    let mut files: Vec<_> = fs::read_dir(captures).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "pcap" || end == "pcapng"));
    files.sort();
    for path in files {
        let bytes = fs::read(&path).unwrap();
        if bytes.len() < 24 << 10 {
            write(corpus, "capture", &bytes);
            write(corpus, "pipeline", &bytes);
        }
        conversations(&path, corpus);
    }
}

#[derive(Default)]
struct Seen {
    /// For the deframer.
    fed: Vec<u8>,
    /// For the flow table.
    segments: Vec<u8>,
}

fn conversations(path: &Path, corpus: &Path) {
    let limits = Limits::default();
    let Ok(mut source) = FileSource::open(path, &limits) else { return };
    let mut decoder = Decoder::new(&limits);
    let mut flows: BTreeMap<_, Seen> = BTreeMap::new();
    let mut frames = Vec::new();
    loop {
        let polled = source.poll(&mut |frame| {
            if frames.len() < 2_000 {
                let kind = super::packet::link_kind(frame.link.0);
                frames.extend([&[kind][..], &block(frame.bytes)].concat());
            }
            let _ = decoder.decode(&frame, &mut |packet| match packet {
                Packet::Segment(segment) => {
                    let (_, side) = FlowKey::of(segment.source, segment.target, segment.domain);
                    let ends = if side == Side::Low {
                        (segment.source, segment.target)
                    } else {
                        (segment.target, segment.source)
                    };
                    let seen = flows.entry(ends).or_default();
                    let server = u8::from(side == Side::High);
                    let flags = match segment.flags {
                        flags if flags.syn() => 1,
                        flags if flags.fin() => 2,
                        flags if flags.rst() => 3,
                        _ => 0,
                    };
                    if !segment.payload.is_empty() {
                        seen.fed.push(server);
                        seen.fed.extend(block(segment.payload));
                    }
                    seen.segments.extend([server << 3 | flags << 4, 0]);
                    seen.segments.extend(block(segment.payload));
                }
                Packet::Datagram(datagram) => {
                    let ports = [datagram.source.port, datagram.target.port];
                    let kind = super::names::PORTS.iter().position(|port| ports.contains(port));
                    if let Some(kind) = kind {
                        let head = u8::try_from(kind).unwrap();
                        write(corpus, "names", &[&[head][..], &block(datagram.payload)].concat());
                    }
                    let server = u8::from(datagram.source.port < datagram.target.port);
                    let seed = [&[server << 3][..], &block(datagram.payload)].concat();
                    write(corpus, "dtls", &seed);
                }
                Packet::Eapol(eapol) => {
                    write(corpus, "radius", &[&[0][..], &block(eapol.payload)].concat())
                }
            });
        });
        if !matches!(polled, Ok(Poll::Frames(_))) {
            break;
        }
    }
    write(corpus, "packet", &frames);
    for seen in flows.values() {
        write(corpus, "deframe", &seen.fed);
        write(corpus, "starttls", &seen.fed);
        write(corpus, "flow", &seen.segments);
        handshake(&seen.fed, corpus);
    }
}

/// The messages of a conversation, each for its own target and in other wrappings.
fn handshake(fed: &[u8], corpus: &Path) {
    let limits = std::sync::Arc::new(Limits::default());
    let parts = deframe::conversation(fed);
    let (conversation, _) = deframe::feed(&parts, usize::MAX, &limits);
    let mut flights = Vec::new();
    let mut quic = Vec::new();
    let mut logins = Vec::new();
    for (event, number) in events(conversation.transcript(), &limits).iter().zip(0_u8..) {
        let (kind, body) = match &event.what {
            What::Message { kind, body, .. } => (kind.0, body),
            What::SslV2(message) => {
                let size = 0x8000 | u16::try_from(message.len()).unwrap();
                write(corpus, "sslv2", &[&size.to_be_bytes()[..], message].concat());
                continue;
            }
            _ => continue,
        };
        let size = u32::try_from(body.len()).unwrap().to_be_bytes();
        let message = [&[kind][..], &size[1..], body].concat();
        let server = u8::from(!matches!(kind, 1 | 16));
        match kind {
            1 => {
                for transport in [0, 2] {
                    write(corpus, "client_hello", &[&[transport][..], body].concat());
                }
                let datagram = datagram_hello(body);
                write(corpus, "client_hello", &[&[1][..], &datagram].concat());
                flights.extend(flight(server, kind, number, &datagram));
            }
            2 | 12 => {
                write(corpus, "server_hello", body);
                flights.extend(flight(server, kind, number, body));
            }
            11 => {
                write(corpus, "server_hello", body);
                chain(body, corpus);
                flights.extend(flight(server, kind, number, body));
            }
            _ => flights.extend(flight(server, kind, number, body)),
        }
        if matches!(kind, 1 | 2) {
            // A CRYPTO frame (RFC 9000 §19.6) in the packet of its end.
            let length = 0x4000 | u16::try_from(message.len()).unwrap_or(1_000);
            let frame = [&[6, 0][..], &length.to_be_bytes(), &message].concat();
            quic.extend([&[server << 3][..], &block(&frame), &[number]].concat());
        }
        logins.extend(login(server, number, &message));
    }
    write(corpus, "dtls", &flights);
    write(corpus, "quic", &quic);
    write(corpus, "radius", &logins);
}

/// A hello as DTLS has it: its version, and a cookie behind the session id.
fn datagram_hello(body: &[u8]) -> Vec<u8> {
    let mut hello = body.to_vec();
    hello[..2].copy_from_slice(&[0xfe, 0xfd]);
    let cookie = 35 + usize::from(hello[34]);
    hello.insert(cookie, 0);
    hello
}

/// A handshake message in records of DTLS 1.2, in fragments where it is long.
fn flight(server: u8, kind: u8, number: u8, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let size = u32::try_from(body.len()).unwrap().to_be_bytes();
    for (piece, at) in body.chunks(600).zip((0_u32..).step_by(600)) {
        let length = u32::try_from(piece.len()).unwrap().to_be_bytes();
        let fragment =
            [&[kind][..], &size[1..], &[0, number], &at.to_be_bytes()[1..], &length[1..], piece]
                .concat();
        let header = [22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, number];
        let record = [&header[..], &block(&fragment)].concat();
        out.extend([&[server << 3][..], &block(&record)].concat());
    }
    out
}

/// A TLS message in EAP-TLS, alone and in RADIUS.
fn login(server: u8, number: u8, message: &[u8]) -> Vec<u8> {
    let record = [&[22, 3, 3][..], &block(message)].concat();
    let piece = &record[..record.len().min(200)];
    let more = if piece.len() < record.len() { 0x40 } else { 0 };
    let code = if server == 1 { 1 } else { 2 };
    let size = u16::try_from(piece.len() + 6).unwrap().to_be_bytes();
    let eap = [&[code, number][..], &size, &[13, more], piece].concat();
    let attribute = [&[79, u8::try_from(eap.len() + 2).unwrap()][..], &eap].concat();
    let size = u16::try_from(attribute.len() + 20).unwrap().to_be_bytes();
    let radius = [&[if server == 1 { 11 } else { 1 }, number][..], &size, &[7; 16], &attribute];
    let frame = [&[2, 0][..], &block(&eap)].concat();
    let head = if server == 1 { 3 } else { 2 };
    [&[server][..], &block(&frame), &[head], &block(&radius.concat())].concat()
}

/// The certificates of a message: each alone, and all with the last as anchor.
fn chain(body: &[u8], corpus: &Path) {
    let (ders, _) = tlscensus::tls::parse::certificates(body, 16);
    for der in &ders {
        write(corpus, "certificate", der);
    }
    let mut seed = 1_780_000_000_u32.to_be_bytes().to_vec();
    seed.extend(ders.last().map(|der| block(der)).unwrap_or_default());
    for der in &ders {
        seed.extend(block(der));
    }
    write(corpus, "chain", &seed);
}

/// Policies that come with the program, and changes of a census.
pub fn texts(policies: &Path, corpus: &Path) {
    for entry in fs::read_dir(policies).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        if bytes.len() < 12_000 {
            write(corpus, "policy", &bytes);
        }
    }
    let entry = "owner = \"Jane\"\nreason = \"old\"\nexpires = 2027-06-30\n";
    for condition in [
        "host = [\"10.20.0.13\", \"erp-*\"]\n",
        "network = \"10.20.0.0/24\"\nfinding = \"suite.tls_rsa\"\n",
        "sni = \"*.corp.example\"\n",
        "server = \"10.20.1.12:443\"\nfinding = [\"server.max_version\"]\n",
        "offer = \"t10d070500_c50f5591e341_1a3805c3aa63\"\n",
        "",
    ] {
        write(corpus, "exceptions", format!("[[exception]]\n{entry}{condition}").as_bytes());
    }
    for seed in [
        &[][..],
        &[0, 0, 0, 0, 60, 4, 0, 0, 0, 9],
        &[0, 0, 0, 16, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8],
        &[1, 0xff, 0, 0, 16, 0],
        &[2, 0, 0, 0, 0],
        &[2, 3, 2, 0, 4, 3, b'a', b'b', b'c', 2, 6, 1, 1, 5, 3, b'[', b'1', b']'],
    ] {
        write(corpus, "census", seed);
    }
    for table in 0..14 {
        for column in 0..10 {
            let of = |kind: u8, value: &[u8]| {
                write(corpus, "census", &[&[2, table, column, 0, kind][..], value].concat());
            };
            of(1, &[7]);
            of(5, b"\x05[1,2]");
        }
    }
    for style in 0..4 {
        let mut seed = vec![0xff, 0xff, 0xff, 0x80, style];
        for step in 0..40_u8 {
            seed.extend([step.wrapping_mul(37), step & 0x3f | (step & 1) << 7, 3]);
        }
        write(corpus, "stream", &seed);
    }
}
