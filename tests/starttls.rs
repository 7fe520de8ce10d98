//! TLS inside other protocols, on real captures: file → packets → flows → handshakes → names.
//!
//! The captures are a collection that lies beside the repository; without it these tests say so and
//! pass.

use std::path::{Path, PathBuf};

use tlscensus::capture::file::FileSource;
use tlscensus::capture::{Poll, Source};
use tlscensus::flow::Side;
use tlscensus::flow::table::{Finished, FlowTable};
use tlscensus::limits::Limits;
use tlscensus::packet::{Decoder, Packet};
use tlscensus::tls::Transport;
use tlscensus::tls::conversation::Conversation;
use tlscensus::tls::handshake::{self, Circumstances};
use tlscensus::tls::message::events;
use tlscensus::tls::parse::HelloParser;
use tlscensus::tls::starttls::application;

/// One connection as a line: name, whether TLS began in its middle, target, history.
fn connections(path: &Path) -> Vec<String> {
    let limits = Limits::default();
    let mut source = FileSource::open(path, &limits).expect("a capture");
    let mut decoder = Decoder::new(&limits);
    let mut flows = FlowTable::<Conversation>::new(&limits);
    let mut finished = Vec::new();
    loop {
        let polled = source.poll(&mut |frame| {
            let _ = decoder.decode(&frame, &mut |packet| {
                if let Packet::Segment(segment) = packet {
                    flows.push(segment, frame.timestamp, &mut |flow| finished.push(flow));
                }
            });
        });
        if matches!(polled, Ok(Poll::End) | Err(_)) {
            break;
        }
    }
    flows.finish_all(&mut |flow| finished.push(flow));
    let mut parser = HelloParser::new(&limits);
    finished.iter().filter_map(|flow| connection(flow, &mut parser, &limits)).collect()
}

fn connection(
    flow: &Finished<Conversation>,
    parser: &mut HelloParser,
    limits: &Limits,
) -> Option<String> {
    let transcript = flow.consumer.transcript();
    let [low, high] = flow.meta.endpoints;
    let circumstances = Circumstances {
        transport: Transport::Tcp,
        initiator: flow.meta.initiator,
        lower_port: if low.port <= high.port { Side::Low } else { Side::High },
        closed: flow.meta.reset || flow.meta.fin.contains(&true),
    };
    let events = events(transcript, limits);
    let summary = handshake::read(&events, circumstances, parser, limits, &mut |_| ())?;
    let offered = summary.client_hello.as_ref().map(|hello| &*hello.offer.alpn);
    let negotiated = summary.server_hello.as_ref().and_then(|hello| hello.alpn.as_deref());
    let application =
        application(transcript.preamble(), summary.client, offered.unwrap_or_default(), negotiated);
    Some(format!(
        "{} {} {} {}",
        application.name.unwrap_or("-"),
        if application.starttls { "starttls" } else { "direct" },
        application.target.as_deref().unwrap_or("-"),
        summary.history,
    ))
}

fn corpus() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    ["../shared/corpus", "../../shared/corpus"]
        .into_iter()
        .map(|place| root.join(place).join("captures"))
        .find(|path| path.is_dir())
}

#[test]
#[ignore = "prints what it finds"]
fn all() {
    let Some(corpus) = corpus() else { return };
    let mut files: Vec<_> = std::fs::read_dir(corpus).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    for file in files {
        for line in connections(&file) {
            println!("{} {line}", file.file_name().unwrap().to_string_lossy());
        }
    }
}
