//! DTLS and QUIC in real captures, against what other tools read in them. Skipped where the corpus
//! is not there.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may fail, and says what it found"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tlscensus::capture::file::FileSource;
use tlscensus::capture::{Poll, Source};
use tlscensus::clock::Timestamp;
use tlscensus::flow::Finished;
use tlscensus::flow::datagram::{DatagramStats, DatagramTable};
use tlscensus::flow::{FlowEnd, Side};
use tlscensus::limits::Limits;
use tlscensus::packet::{Decoder, Packet};
use tlscensus::quic::conversation::{DatagramConversation, events};
use tlscensus::tls::handshake::{self, AlertBody, Circumstances};
use tlscensus::tls::parse::HelloParser;

/// Facts in which we differ from the truth: capture, client's port, field, and who is right.
const EXPLAINED: &[(&str, u16, &str, &str)] = &[];

fn corpus() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    ["../shared/corpus", "../../shared/corpus"]
        .map(|path| root.join(path))
        .into_iter()
        .find(|path| path.join("truth").is_dir())
}

/// A record as the truth has them, with the names of the truth.
fn record(
    finished: Finished<DatagramConversation>,
    parser: &mut HelloParser,
    limits: &Limits,
) -> Option<Value> {
    let Finished { meta, consumer, end } = finished;
    let transport = consumer.transport();
    let transcript = consumer.into_transcript();
    let events = events(transport, &transcript, limits);
    let [low, high] = meta.endpoints;
    let circumstances = Circumstances {
        transport,
        initiator: meta.initiator,
        lower_port: if low.port <= high.port { Side::Low } else { Side::High },
        closed: false,
    };
    let sha1 = |der: &[u8]| {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, der);
        let digits = |byte: &u8| [byte >> 4, byte & 15].map(u32::from);
        let digits = digest.as_ref().iter().flat_map(digits);
        digits.filter_map(|digit| char::from_digit(digit, 16)).collect::<String>()
    };
    let summary = handshake::read(&events, circumstances, parser, limits, &mut |der| sha1(der))?;
    let (client, server) =
        (*summary.client.of(&meta.endpoints), *summary.client.other().of(&meta.endpoints));
    let hex = |code: u32| format!("0x{code:04x}");
    let mut record = json!({
        "client_ip": client.address.to_ip(), "client_port": client.port,
        "server_ip": server.address.to_ip(), "server_port": server.port,
        "transport": transport.name(),
        "outcome": summary.outcome.name(), "history": summary.history,
        "end": format!("{end:?}"), "truncated": summary.truncated,
        "cert_sha1": summary.certificates, "client_cert_sha1": summary.client_certificates,
        "certificate_requested": summary.certificate_requested,
        "alert_codes": summary.alerts.iter().filter_map(|alert| match alert.body {
            AlertBody::Plain { description, .. } => Some(description.0),
            AlertBody::Encrypted => None,
        }).collect::<Vec<_>>(),
    });
    let fields = record.as_object_mut().unwrap();
    if let Some(hello) = &summary.client_hello {
        let offer = &hello.offer;
        let list = |list: &Option<Vec<_>>| -> Vec<String> {
            list.iter().flatten().map(|code: &u16| hex(u32::from(*code))).collect()
        };
        let groups = offer.groups.as_ref().map(|list| list.iter().map(|code| code.0).collect());
        let schemes =
            offer.signature_algorithms.as_ref().map(|list| list.iter().map(|c| c.0).collect());
        let versions =
            offer.supported_versions.as_ref().map(|list| list.iter().map(|c| c.0).collect());
        let shares = Some(offer.key_shares.iter().map(|code| code.0).collect());
        let alpn: Vec<_> = offer.alpn.iter().map(|name| String::from_utf8_lossy(name)).collect();
        let kinds: Vec<_> = offer.extensions.iter().map(|kind| kind.0).collect();
        let suites: Vec<_> = offer.cipher_suites.iter().map(|suite| hex(suite.0)).collect();
        fields.extend([
            ("sni".into(), json!(hello.server_name)),
            ("client_legacy_version".into(), json!(hex(u32::from(offer.legacy_version.0)))),
            ("client_supported_versions".into(), json!(list(&versions))),
            ("client_ciphers".into(), json!(suites)),
            ("client_extensions".into(), json!(kinds)),
            ("client_groups".into(), json!(list(&groups))),
            ("client_key_shares".into(), json!(list(&shares))),
            ("client_sig_algs".into(), json!(list(&schemes))),
            ("client_alpn".into(), json!(alpn)),
            ("ja3".into(), json!(offer.ja3)),
            ("ja3_full".into(), json!(offer.ja3_raw)),
            ("ja4".into(), json!(offer.ja4)),
        ]);
    }
    if let Some(hello) = &summary.server_hello {
        let kinds: Vec<_> = hello.extensions.iter().map(|kind| kind.0).collect();
        let group = hello.group.map(|group| hex(u32::from(group.0)));
        fields.extend([
            ("server_version".into(), json!(hex(u32::from(hello.version.0)))),
            ("server_cipher".into(), json!(hello.cipher_suite.map(|suite| hex(suite.0)))),
            ("server_extensions".into(), json!(kinds)),
            ("ja3s".into(), json!(hello.ja3s)),
            ("hello_retry".into(), json!(hello.hello_retry)),
        ]);
        if hello.version.is_tls13() {
            fields.insert("server_key_share".into(), json!(group));
        }
    }
    Some(record)
}

/// The records of a capture, in order of their end.
fn read(path: &Path) -> (Vec<Value>, DatagramStats, u64) {
    let limits = Limits::default();
    let mut parser = HelloParser::new(&limits);
    let mut source = FileSource::open(path, &limits).unwrap();
    let mut decoder = Decoder::new(&limits);
    let mut table = DatagramTable::<DatagramConversation>::new(&limits);
    let mut records = Vec::new();
    let mut unread = 0;
    let mut finish = |finished: Finished<DatagramConversation>| {
        assert!(finished.end != FlowEnd::Fin && finished.end != FlowEnd::Reset);
        match record(finished, &mut parser, &limits) {
            Some(record) => records.push(record),
            None => unread += 1,
        }
    };
    let mut last = Timestamp::default();
    while let Ok(Poll::Frames(_)) = source.poll(&mut |frame| {
        last = frame.timestamp;
        let _ = decoder.decode(&frame, &mut |packet| {
            if let Packet::Datagram(datagram) = packet {
                table.push(datagram, frame.timestamp, &mut finish);
            }
        });
    }) {}
    table.tick(last, &mut finish);
    table.finish_all(&mut finish);
    let stats = *table.stats();
    (records, stats, unread)
}

const FACTS: &[&str] = &[
    "sni",
    "client_legacy_version",
    "client_supported_versions",
    "client_ciphers",
    "client_extensions",
    "client_groups",
    "client_key_shares",
    "client_sig_algs",
    "client_alpn",
    "ja3",
    "ja3_full",
    "server_version",
    "server_cipher",
    "server_extensions",
    "server_key_share",
    "ja3s",
    "hello_retry",
    "cert_sha1",
    "client_cert_sha1",
    "certificate_requested",
    "alert_codes",
];

const KEYS: [&str; 4] = ["client_ip", "client_port", "server_ip", "server_port"];

/// Whether the truth says something; what it leaves out it does not deny.
fn says(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Array(list) => !list.is_empty(),
        _ => true,
    }
}

fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::String(left), Value::String(right)) => left.eq_ignore_ascii_case(right),
        _ => left == right,
    }
}

#[test]
fn facts_agree_with_the_corpus() {
    let Some(corpus) = corpus() else {
        println!("skipped: no corpus");
        return;
    };
    let mut files: Vec<_> =
        fs::read_dir(corpus.join("truth")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let (mut facts, mut right, mut connections, mut surplus) = (0, 0, 0, 0);
    let mut outcomes = BTreeMap::<String, u32>::new();
    let mut ja4 = [0, 0];
    let mut wrong = Vec::new();
    let mut unexplained = Vec::new();
    for file in files {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let capture = ["pcap", "pcapng"]
            .map(|ending| corpus.join("captures").join(format!("{name}.{ending}")))
            .into_iter()
            .find(|path| path.exists())
            .expect("each truth has its capture");
        let (mut found, stats, unread) = read(&capture);
        let truth = fs::read_to_string(&file).unwrap();
        let truth = truth.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let mut of_file = 0;
        for wanted in truth.filter(|record| record["transport"] != "tcp") {
            connections += 1;
            of_file += 1;
            let place = found.iter().position(|record| {
                record["transport"] == wanted["transport"]
                    && KEYS.iter().all(|key| record[key] == wanted[key])
            });
            let record = place.map_or(Value::Null, |place| found.remove(place));
            let outcome = record["outcome"].as_str().unwrap_or("missing").to_owned();
            *outcomes.entry(outcome).or_default() += 1;
            for published in wanted["ja4_others"].as_object().into_iter().flatten() {
                let agree = record["ja4"] == **published.0;
                ja4[usize::from(agree)] += 1;
                if !agree {
                    println!("  JA4 {} of {:?}: ours {}", published.0, published.1, record["ja4"]);
                }
            }
            for &fact in FACTS {
                let value = &wanted[fact];
                let disputed = wanted["disputed"].as_array().into_iter().flatten();
                if !says(value) || disputed.into_iter().any(|field| field == fact) {
                    continue;
                }
                facts += 1;
                let alternatives = wanted["alt"][fact].as_array().into_iter().flatten();
                if std::iter::once(value).chain(alternatives).any(|v| same(v, &record[fact])) {
                    right += 1;
                    continue;
                }
                let port = wanted["client_port"].as_u64().unwrap();
                let line = format!(
                    "{name} {port} {fact}: wanted {value}, found {} ({})",
                    record[fact], record["history"]
                );
                let explained = EXPLAINED.iter().any(|(capture, explained_port, field, _)| {
                    *capture == name && u64::from(*explained_port) == port && *field == fact
                });
                if !explained {
                    unexplained.push(line.clone());
                }
                wrong.push(line);
            }
        }
        surplus += found.len();
        if of_file > 0 || !found.is_empty() || unread > 0 {
            println!(
                "{name}: {of_file} wanted, {} more found, {unread} unread, {stats:?}",
                found.len()
            );
        }
        for record in found {
            println!(
                "  more: {} {}:{} -> {}:{} {} sni {} {} {} {}",
                record["transport"],
                record["client_ip"],
                record["client_port"],
                record["server_ip"],
                record["server_port"],
                record["history"],
                record["sni"],
                record["outcome"],
                record["ja4"],
                record["end"],
            );
        }
    }
    for line in &wrong {
        println!("{line}");
    }
    println!("outcomes: {outcomes:?}; JA4 of others: {} agree, {} differ", ja4[1], ja4[0]);
    println!(
        "agreement: {right} of {facts} facts over {connections} connections; {surplus} more found"
    );
    assert!(unexplained.is_empty(), "unexplained:\n{}", unexplained.join("\n"));
}
