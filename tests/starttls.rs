//! TLS inside other protocols, on real captures: file → packets → flows → handshakes → names.
//!
//! The captures are a collection that lies beside the repository; without it these tests say so and
//! pass.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use std::path::{Path, PathBuf};

use tlscensus::capture::file::FileSource;
use tlscensus::capture::{Poll, Source};
use tlscensus::flow::Finished;
use tlscensus::flow::Side;
use tlscensus::flow::table::FlowTable;
use tlscensus::limits::Limits;
use tlscensus::packet::{Decoder, Packet};
use tlscensus::tls::Transport;
use tlscensus::tls::conversation::Conversation;
use tlscensus::tls::handshake::{self, Circumstances};
use tlscensus::tls::message::events;
use tlscensus::tls::parse::HelloParser;
use tlscensus::tls::starttls::{Begun, application};

/// One connection a line: name, whether TLS began in its middle, target.
fn connections(path: &Path) -> Vec<String> {
    let limits = Limits::default();
    let mut source = FileSource::open(path, &limits).unwrap();
    let mut decoder = Decoder::new(&limits);
    let mut flows = FlowTable::<Conversation>::new(&limits);
    let mut finished = Vec::new();
    loop {
        let polled = source.poll(&mut |frame| {
            let _ = decoder.decode(&frame, &mut |packet| {
                if let Packet::Segment(segment) = packet {
                    flows.push(segment, frame.timestamp, &mut |flow| finished.push(flow.taken()));
                }
            });
        });
        if matches!(polled, Ok(Poll::End) | Err(_)) {
            break;
        }
    }
    flows.finish_all(&mut |flow| finished.push(flow.taken()));
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
    let application = application(
        transcript.preamble(),
        summary.client,
        offered.unwrap_or_default(),
        negotiated,
        Begun::WithHello,
    );
    Some(format!(
        "{} {} {}",
        application.name.unwrap_or("-"),
        if application.starttls { "starttls" } else { "direct" },
        application.target.as_deref().unwrap_or("-"),
    ))
}

fn corpus() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    ["../shared/corpus", "../../shared/corpus"]
        .into_iter()
        .map(|place| root.join(place).join("captures"))
        .find(|path| path.is_dir())
}

/// The names of the connections of a capture, in the order in which they ended.
const CAPTURES: [(&str, &[&str]); 27] = [
    ("arkime-https-connect.pcap", &["http-connect direct ts01-b.cloudsink.net:443"]),
    ("arkime-ldap-ssl.pcap", &["ldap starttls -"]),
    ("arkime-smtp-starttls.pcap", &["smtp starttls -"]),
    (
        "arkime-socks-https-example.pcap",
        &[
            "socks direct 93.184.216.119:443",
            "socks direct www.example.com:443",
            "socks direct 93.184.216.119:443",
        ],
    ),
    ("arkime-socks4-https.pcap", &["socks direct login.live.com:443"]),
    ("arkime-tls-alpn-h2.pcap", &["http direct -"]),
    ("ndpi-mysql.pcapng", &["mysql starttls -"]),
    ("ndpi-openvpn-nohmac-tcp.pcapng", &["openvpn direct -"]),
    ("ndpi-smtp-starttls.pcap", &["smtp starttls -", "smtp starttls -"]),
    (
        "ndpi-tls-heur-shadowsocks-tcp.pcapng",
        &["socks direct [2a00:1450:4002:416::200e]:443", "http direct -"],
    ),
    (
        "ndpi-tls-heur-vmess-tcp-tls.pcapng",
        &["http direct -", "socks direct 216.58.204.142:443", "http direct -"],
    ),
    (
        "ndpi-tls-heur-vmess-websocket.pcapng",
        &["socks direct 142.250.180.142:443", "http direct -"],
    ),
    ("pcapplusplus-pcapng-example.pcapng", &["mysql starttls -"]),
    (
        "suricata-bug-2430-backwards.pcap",
        &["http-connect direct qagpublic.qg1.apps.qualys.com:443"],
    ),
    (
        "suricata-bug-2769-issue-no-icmp.pcap",
        &["http-connect direct supportingfunctions.us.newsweaver.com:443"],
    ),
    ("zeek-ftp-auth-tls.pcap", &["ftp starttls -"]),
    // The control connection has its TLS in base64, and in the clear nothing of it; this is a data
    // connection, with TLS at once.
    ("zeek-globus-url-copy.pcap", &["- direct -"]),
    ("zeek-imap-starttls.pcap", &["imap starttls -"]),
    ("zeek-irc-starttls.pcap", &["irc starttls -"]),
    ("zeek-mysql-encrypted.pcap", &["mysql starttls -"]),
    ("zeek-pop3-starttls.pcap", &["pop3 starttls -"]),
    ("zeek-postgresql-psql-aws-ssl-preferred.pcap", &["postgresql starttls -"]),
    ("zeek-postgresql-psql-aws-ssl-require.pcap", &["postgresql starttls -"]),
    ("zeek-rdp-no-cookie-mstshash.pcap", &["rdp starttls -"]),
    ("zeek-rdp-to-ssl.pcap", &["rdp starttls -", "rdp starttls -"]),
    ("zeek-xmpp-dialback-starttls.pcap", &["xmpp starttls -"]),
    ("zeek-xmpp-starttls.pcap", &["xmpp starttls -"]),
];

#[test]
fn real_captures_are_named_by_what_is_in_them() {
    let Some(corpus) = corpus() else {
        println!("skipped: no corpus");
        return;
    };
    for (file, expected) in CAPTURES {
        assert_eq!(connections(&corpus.join(file)), expected, "{file}");
    }
}
