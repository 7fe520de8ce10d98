//! Does the program judge as its model says? Every flow record of every capture is judged once more
//! under every policy, from its JSON alone, by an evaluator that shares no code with the program
//! and keeps to the letter of the model. Where the two differ, the difference must be one of those
//! that are known and told in the README; `cargo test --test evaluator -- --nocapture` counts them.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    unreachable_pub,
    reason = "a test may fail, and says what it counted"
)]

mod section2;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use section2::{Case, End, Hello, Policy, TLS13};

/// The kinds of difference that there may be.
const KNOWN: [&str; 6] = [
    "cut: what was read of a cut hello decides, or not",
    "unseen: beyond the policy, and too little is known of the client to say that it breaks",
    "certificate: no suite for a certificate of the policy",
    "inside: no group or certificate of the policy at that version",
    "coming down: the server's key may lie on a curve that the client does not name",
    "group: the server passed over the policy's curves",
];

fn policies() -> Vec<Policy> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/policy/builtin");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|one| one.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| Policy::read(&fs::read_to_string(file).unwrap())).collect()
}

/// Every flow record of a folder of captures, judged by all policies.
fn records(folder: &Path, policies: &[Policy]) -> Vec<Value> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tlscensus"));
    command.args(["read", "-q", "--flows", "-"]).arg(folder);
    for policy in policies {
        command.args(["--policy", &policy.id]);
    }
    let run = command.output().unwrap();
    assert!(
        [0, 4].contains(&run.status.code().unwrap()),
        "{}",
        String::from_utf8_lossy(&run.stderr)
    );
    let text = String::from_utf8(run.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What the program said of one end.
fn said(of: &Value) -> End {
    let reasons = of["reasons"].as_array().unwrap().iter();
    let reasons = reasons.map(|one| one.as_str().unwrap().to_owned()).collect();
    (of["outcome"].as_str().unwrap().to_owned(), reasons)
}

fn is(end: &End, outcome: &str, reasons: &[&str]) -> bool {
    end.0 == outcome && end.1 == reasons
}

/// Which of the known differences this is: of the client, the server, the edge.
fn client(case: &Case<'_>, letter: &End, judged: &End) -> Option<usize> {
    let hello = case.hello?;
    let decided = judged.0 == "breaks" || is(judged, "unknown", &["incomplete_hello"]);
    let certificate = is(judged, "breaks", &["signature"])
        && letter.0 == "ready"
        && case.policy.certificates.is_some()
        && !hello.versions.iter().any(|version| case.fits_certificate(hello, *version));
    match () {
        () if letter.0 == "cut" && decided => Some(0),
        () if certificate => Some(2),
        () => None,
    }
}

fn server(case: &Case<'_>, letter: &End, judged: &End) -> Option<usize> {
    let (version, _) = case.negotiated()?;
    let group = case.record["server_hello"]["group"].as_str()?;
    let group = u32::from_str_radix(group.trim_start_matches("0x"), 16).unwrap();
    let stated = case.hello?.groups.as_deref()?;
    let before = stated.iter().take_while(|own| **own != group);
    let passed_over =
        before.into_iter().any(|own| *own < 0x30 && case.accepts_group(*own, version.unwrap()));
    let known = is(letter, "ready", &[])
        && is(judged, "at_risk", &["group"])
        && case.policy.groups.is_some()
        && !case.accepts_group(group, version?)
        && passed_over;
    known.then_some(5)
}

fn edge(case: &Case<'_>, client: &End, letter: &str, judged: &str) -> Option<usize> {
    let (version, _) = case.negotiated()?;
    match (letter, judged) {
        ("breaks", "unknown") if case.beyond()? && client.0 == "unknown" => Some(1),
        ("unchanged", "breaks" | "unknown") if case.inside()? => {
            let hello = case.hello?;
            let lacks = case.policy.groups.is_some() && case.usable(hello, version?).is_empty();
            let certificate = client.1.iter().any(|reason| reason == "signature");
            (lacks || certificate).then_some(3)
        }
        ("unchanged", "breaks" | "unknown") if case.beyond()? => {
            let stated = case.hello?.groups.as_deref()?;
            let usual = stated.contains(&0x17) || stated.contains(&0x18);
            (!usual && case.key().is_none() && version? >= TLS13).then_some(4)
        }
        _ => None,
    }
}

#[test]
fn verdicts_are_those_of_the_model() {
    let policies = policies();
    let suites = section2::registry(include_str!("../../src/tls/cipher_suites.csv"));
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("captures")];
    let corpus = root.join("../shared/corpus/captures");
    if corpus.is_dir() {
        folders.push(corpus);
    } else {
        println!("skipped: there is no corpus beside this folder");
    }
    let mut counts = [0; KNOWN.len()];
    let mut verdicts = 0;
    let mut unknown: BTreeMap<String, (usize, String)> = BTreeMap::new();
    for record in folders.iter().flat_map(|folder| records(folder, &policies)) {
        let hello = Hello::read(&record);
        for (policy, own) in policies.iter().zip(record["verdicts"].as_array().unwrap()) {
            assert_eq!(own["policy"], *policy.id);
            verdicts += 1;
            let case = Case { policy, record: &record, hello: hello.as_ref(), suites: &suites };
            let (of_client, of_server) = (said(&own["client"]), said(&own["server"]));
            let mut differ = |what: &str, letter: String, judged: String, known: Option<usize>| {
                if letter == judged {
                    return;
                }
                if let Some(known) = known {
                    counts[known] += 1;
                    return;
                }
                let place = format!("{} under {}", record["source"], policy.id);
                let words = format!("{what}: by the letter {letter}, judged {judged}");
                unknown.entry(words).or_insert((0, place)).0 += 1;
            };
            let mut facts = |what: &str, letter: Option<bool>| {
                let letter = letter.map_or(Value::Null, Value::from);
                differ(what, letter.to_string(), own[what].to_string(), None);
            };
            facts("inside", case.inside());
            facts("beyond", case.beyond());
            let letter = case.client();
            let known = client(&case, &letter, &of_client);
            differ("client", format!("{letter:?}"), format!("{of_client:?}"), known);
            let letter = case.server();
            let known = server(&case, &letter, &of_server);
            differ("server", format!("{letter:?}"), format!("{of_server:?}"), known);
            // An edge rests on what is said of its ends.
            let letter = case.edge(&of_client, &of_server);
            let judged = own["edge"].as_str().unwrap();
            let known = edge(&case, &of_client, letter, judged);
            differ("edge", letter.to_owned(), judged.to_owned(), known);
        }
    }
    println!("{verdicts} verdicts; they differ from the letter of the model");
    for (words, count) in KNOWN.iter().zip(counts) {
        println!("{count:>7}  {words}");
    }
    for (words, (count, place)) in &unknown {
        println!("{count:>7}  {words}, as in {place}");
    }
    assert!(unknown.is_empty(), "{} kinds of difference are not known", unknown.len());
    assert!(verdicts > 2_000, "{verdicts}");
}
