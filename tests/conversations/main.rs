//! Random but valid conversations, whose truth is known as they were made up: what a record says has
//! to be that. The generator is written after the RFCs and shares no code with the program.
//!
//! ```sh
//! cargo test --test conversations                                       # 3,000 of them
//! CONVERSATIONS=100000 cargo test --release --test conversations        # as many as one likes
//! CONVERSATIONS=1 FIRST=1234 cargo test --test conversations            # one, with its file kept
//! ```

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test may fail")]
#![allow(clippy::indexing_slicing, reason = "a test may fail")]
#![allow(
    clippy::pedantic,
    clippy::precedence,
    clippy::redundant_clone,
    clippy::or_fun_call,
    clippy::use_self,
    reason = "numbers of a test are its own, and lists of what there is are long"
)]
#![allow(unreachable_pub, missing_docs, reason = "a test: its modules are its documentation")]

mod clear;
mod code;
mod datagrams;
mod file;
mod handshake;
mod hello;
mod pool;
mod quic;
mod random;
#[path = "../fuzz/src/seal.rs"]
mod seal;
mod server;
mod wire;

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::sync::Arc;

use serde_json::{Value, json};
use tlscensus::capture::paths;
use tlscensus::census::Census;
use tlscensus::limits::Limits;
use tlscensus::pipeline::{self, Progress, Settings};
use tlscensus::sink::Sink;
use tlscensus::x509::{TrustSpec, TrustStores};

use pool::Pool;
use random::Random;

/// Conversations in one file, in between each other.
const TOGETHER: usize = 250;

#[derive(Default)]
struct Lines(Vec<u8>);

impl Sink for Lines {
    fn write(&mut self, lines: &[u8]) -> std::io::Result<()> {
        self.0.extend_from_slice(lines);
        Ok(())
    }

    fn finish(self) -> std::io::Result<()> {
        Ok(())
    }
}

fn number(variable: &str, default: usize) -> usize {
    std::env::var(variable).ok().map_or(default, |text| text.parse().unwrap())
}

/// The record, in the words of the truth.
fn said(record: &Value) -> Value {
    let prints = |key: &str| -> Vec<Value> {
        record[key].as_array().unwrap().iter().map(|one| one["sha256"].clone()).collect()
    };
    let mut said = json!({
        "certificates": prints("certificates"),
        "client_certificates": prints("client_certificates"),
        "chain": record["chain"]["status"],
        "client": [record["client"]["ip"], record["client"]["port"]],
        "server": [record["server"]["ip"], record["server"]["port"]],
        "target": record["server"]["target"],
        "sides": record["seen"]["sides"],
        "ts": record["ts"],
    });
    for key in [
        "sni",
        "client_hello",
        "server_hello",
        "certificate_requested",
        "alerts",
        "resumed",
        "application",
        "starttls",
        "transport",
        "history",
        "outcome",
        "vlan",
        "tunnel",
    ] {
        said[key] = record[key].clone();
    }
    said
}

/// The moment of a record, in nanoseconds since 1970.
fn nanoseconds(text: &str) -> u64 {
    let format = &time::format_description::well_known::Rfc3339;
    let moment = time::OffsetDateTime::parse(text, format).unwrap();
    u64::try_from(moment.unix_timestamp_nanos()).unwrap()
}

fn differ(path: &str, truth: &Value, said: &Value, out: &mut Vec<String>) {
    match (truth, said) {
        (Value::Object(truth), Value::Object(said)) => {
            for (key, value) in truth {
                let said = said.get(key).unwrap_or(&Value::Null);
                differ(&format!("{path}.{key}"), value, said, out);
            }
        }
        // One of several.
        (Value::Array(allowed), Value::String(_)) if allowed.contains(said) => {}
        _ if truth != said => out.push(format!("{path}: {said}, not {truth}")),
        _ => {}
    }
}

#[test]
fn what_records_say_is_what_was_made_up() {
    let (count, first) = (number("CONVERSATIONS", 3_000), number("FIRST", 0));
    let pool = Pool::new();
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root.der");
    fs::write(&root, &pool.root).unwrap();
    let spec: TrustSpec = format!("pool={}", root.display()).parse().unwrap();
    let settings = Settings {
        limits: Limits::default(),
        threads: 2,
        sensor: "test".into(),
        policies: Vec::new(),
        trust: Arc::new(TrustStores::load(&[spec], &[]).unwrap()),
        since: None,
        until: None,
        filter: None,
    };
    let path = folder.path().join("conversations.pcap");
    let mut differences: Vec<String> = Vec::new();
    let mut wrong = 0;
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for begin in (first..first + count).step_by(TOGETHER) {
        let mut frames = Vec::new();
        let mut truths = HashMap::new();
        for number in begin..(begin + TOGETHER).min(first + count) {
            let mut random = Random::new(number as u64 ^ 0x7a11_c0de_5eed);
            // One in five is of DTLS, one of QUIC.
            let (own, truth) = match number % 5 {
                3 => {
                    let conversation = datagrams::over_udp(&mut random, &pool);
                    wire::frames_of_datagrams(&mut random, number, &conversation)
                }
                4 => {
                    let conversation = quic::over_quic(&mut random);
                    wire::frames_of_datagrams(&mut random, number, &conversation)
                }
                _ => {
                    let conversation = handshake::over_tcp(&mut random, &pool);
                    wire::frames(&mut random, number, conversation)
                }
            };
            frames.extend(own);
            let kind = format!("{} {}", truth["transport"], truth["outcome"]).replace('"', "");
            *seen.entry(kind).or_default() += 1;
            truths.insert(truth["client"].to_string(), (number, truth));
        }
        frames.sort_by_key(|frame| frame.at);
        let (bytes, unit) = file::write(&mut Random::new(begin as u64), &frames);
        fs::write(&path, bytes).unwrap();
        let mut lines = Lines::default();
        let inputs = paths::expand(std::slice::from_ref(&path)).inputs;
        let progress = Arc::new(Progress::default());
        let none = None::<&Census>;
        let finished = pipeline::read(&inputs, &settings, none, Some(&mut lines), &progress);
        assert!(finished.faults.is_none(), "{}", finished.faults);
        assert!(finished.sources[0].error.is_none(), "{:?}", finished.sources[0].error);
        for line in String::from_utf8(lines.0).unwrap().lines() {
            let record: Value = serde_json::from_str(line).unwrap();
            let found = said(&record);
            let Some((number, mut truth)) = truths.remove(&found["client"].to_string()) else {
                differences.push(format!("nobody's, or a second one: {line}"));
                continue;
            };
            let mut own = Vec::new();
            if let Some(at) = truth["ts"].take().as_u64() {
                let told = nanoseconds(found["ts"].as_str().unwrap());
                if told != at / unit * unit {
                    own.push(format!(".ts: {told}, not {at}"));
                }
            }
            truth.as_object_mut().unwrap().remove("ts");
            differ("", &truth, &found, &mut own);
            let seen = &record["seen"];
            let signs = record["findings"].as_array().unwrap().iter();
            let evasion =
                signs.filter(|one| one["id"].as_str().unwrap().starts_with("evasion.")).count();
            if seen["gaps"] != 0 || seen["truncated"] != false || evasion > 0 {
                own.push(format!("seen {seen}, {evasion} signs of hiding"));
            }
            let timed = found["outcome"] == "established" && !found["client_hello"].is_null();
            if record["handshake_ms"].is_null() == timed {
                own.push(format!("handshake_ms: {}", record["handshake_ms"]));
            }
            wrong += usize::from(!own.is_empty());
            differences.extend(own.iter().map(|one| format!("{number}{one}")));
        }
        for (number, truth) in truths.into_values() {
            wrong += 1;
            differences.push(format!("{number}: no record of {}", truth["history"]));
        }
    }
    eprintln!("{count} conversations, {wrong} with differences; {seen:?}");
    if count == 1 {
        eprintln!("kept: {}", folder.keep().display());
    }
    let shown: Vec<_> = differences.iter().take(40).map(String::as_str).collect();
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), shown.join("\n"));
}
