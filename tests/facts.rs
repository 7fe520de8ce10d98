//! What a hello says, whoever speaks it and whatever was captured of it: real handshakes, bent where no
//! program at hand speaks like that, and read by the built program.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail")]
#![allow(clippy::print_stderr, reason = "a test says what it skips")]

#[path = "common/mod.rs"]
mod common;
#[path = "common/traffic.rs"]
mod traffic;

use std::fs;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use traffic::{Packet, SYN, packets, plain};

fn records(packets: &[Packet]) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.pcap");
    fs::write(&path, plain(packets)).unwrap();
    common::records(&path, &common::settings(1, &["dataverse"]))
}

fn of(name: &str) -> Vec<Packet> {
    packets(&common::project("captures").join(name))
}

/// The packets that begin with a hello of this type.
fn hello(packets: &[Packet], kind: u8) -> usize {
    packets
        .iter()
        .position(
            |packet| matches!(packet.payload[..], [22, 3, _, _, _, found, ..] if found == kind),
        )
        .unwrap()
}

/// Where the extensions of a ClientHello are: type, place of its body, length.
fn extensions(hello: &[u8]) -> Vec<(u16, usize, usize)> {
    let word = |at: usize| usize::from(u16::from_be_bytes([hello[at], hello[at + 1]]));
    let mut at = 5 + 4 + 2 + 32;
    at += 1 + usize::from(hello[at]);
    at += 2 + word(at);
    at += 1 + usize::from(hello[at]);
    let end = at + 2 + word(at);
    at += 2;
    let mut found = Vec::new();
    while at < end {
        found.push((u16::try_from(word(at)).unwrap(), at + 4, word(at + 2)));
        at += 4 + word(at + 2);
    }
    found
}

#[test]
fn a_malformed_extension_hides_none_of_the_others() {
    let straight = of("tls12-ecdhe-rsa.pcap");
    let wanted = &records(&straight)[0]["client_hello"];
    let at = hello(&straight, 1);
    for (kind, field) in [(10, "groups"), (13, "signature_algorithms"), (16, "alpn")] {
        let Some((_, body, _)) =
            extensions(&straight[at].payload).into_iter().find(|(found, ..)| *found == kind)
        else {
            continue;
        };
        // The list within it says that it is longer than the extension.
        let mut bent = straight.clone();
        bent[at].payload[body..body + 2].copy_from_slice(&[0xff, 0xff]);
        let found = records(&bent);
        assert_eq!(found.len(), 1, "{field}");
        let found = &found[0];
        for (key, value) in wanted.as_object().unwrap() {
            if key != field && !key.starts_with("ja") {
                assert_eq!(&found["client_hello"][key], value, "{field} spoils {key}");
            }
        }
        assert!(!found["server_hello"].is_null() && !found["sni"].is_null(), "{field}");
    }
}

/// What is kept of a hello to find its offer again: here the zero of server_name's type stands where the
/// other hello has a group of zero.
#[test]
fn a_hello_is_not_taken_for_another_that_came_before_it() {
    let straight = of("tls13-x25519.pcap");
    let at = hello(&straight, 1);
    let shares = |groups: &[[u8; 2]]| {
        let shares: Vec<u8> = groups.iter().flat_map(|[a, b]| [*a, *b, 0, 1, 7]).collect();
        let size = u8::try_from(shares.len()).unwrap();
        [&[0, 0x33, 0, size + 2, 0, size][..], &shares].concat()
    };
    let name = [&[0, 0, 0, 9, 0, 7, 0, 0, 4][..], b"name"].concat();
    let last = [0, 0x17, 0, 0];
    let plain_hello = [shares(&[[0, 0x1d]]), name, last.to_vec()].concat();
    let like_it = [shares(&[[0, 0x1d], [0, 0]]), last.to_vec()].concat();
    let said = |port: u16, extensions: &[u8]| {
        let mut packet = straight[at].clone();
        packet.from.set_port(port);
        let size = |size: usize| u16::try_from(size).unwrap().to_be_bytes();
        let body = [&[3, 3][..], &[9; 32], &[0, 0, 2, 0x13, 1, 1, 0], &size(extensions.len())];
        let body = [&body.concat(), extensions].concat();
        let [head, long] = [[22, 3, 1], [1, 0, 0]];
        let message = [&long[..2], &size(body.len()), &body].concat();
        packet.payload = [&head[..], &size(message.len()), &message].concat();
        packet
    };
    let alone = |packet: &Packet| records(std::slice::from_ref(packet))[0]["client_hello"].clone();
    let both = [said(1111, &like_it), said(2222, &plain_hello)];
    let found = records(&both);
    assert_eq!(found.len(), 2);
    for (record, packet) in found.iter().zip(&both) {
        assert_eq!(record["client_hello"], alone(packet));
    }
    assert_eq!(found[1]["client_hello"]["extensions"], json!(["0x0033", "0x0000", "0x0017"]));
    assert_eq!(found[1]["client_hello"]["key_shares"], json!(["0x001d"]));
}

/// TLS 1.3 says in an extension at its end that it is not TLS 1.2 (RFC 8446 §4.1.3).
#[test]
fn a_server_hello_that_was_cut_names_no_version_that_its_suite_does_not_have() {
    let straight = of("tls13-x25519.pcap");
    let at = hello(&straight, 2);
    let length = 9 + usize::from(straight[at].payload[8]);
    let mut named = 0;
    for kept in 40..length {
        let mut cut = straight.clone();
        cut[at].payload.truncate(kept);
        let found = &records(&cut)[0]["server_hello"];
        assert!(found.is_null() || found["version"] == "TLS1.3", "{kept}: {found}");
        assert!(found["ja3s"].is_null(), "the fingerprint of half a hello: {kept}");
        named += usize::from(!found.is_null());
    }
    assert!(named > 30, "{named}");
}

#[test]
fn a_chain_of_which_the_end_is_missing_is_not_said_to_have_been_sent_so() {
    let straight = of("cert-private-root.pcap");
    let whole = &records(&straight)[0];
    assert_eq!(whole["chain"]["status"], "private_root");
    let is_server = |packet: &Packet| packet.from == straight[hello(&straight, 2)].from;
    let mut partly = 0;
    for (at, packet) in straight.iter().enumerate().filter(|(_, packet)| is_server(packet)) {
        for kept in (0..packet.payload.len()).step_by(97) {
            let mut cut = straight.clone();
            cut[at].payload.truncate(kept);
            let found = &records(&cut)[0];
            let read = found["certificates"].as_array().unwrap().len();
            if read < whole["certificates"].as_array().unwrap().len() {
                let status = found["chain"]["status"].as_str().unwrap();
                let words = ["not_seen", "private_root"];
                assert!(words.contains(&status), "{at}, {kept}: {found}");
                partly += usize::from(read > 0 && status == "not_seen");
            }
        }
    }
    assert!(partly > 3, "{partly}");
}

#[test]
fn tlcp_is_recorded_and_its_suites_are_named() {
    let mut packets = of("tls12-rsa-kx.pcap");
    for packet in &mut packets {
        // The version of each record, and of the hellos; the one suite that both speak of.
        let mut at = 0;
        while let [20..=23, 3, _, high, low, ..] = packet.payload[at..] {
            packet.payload[at + 1..at + 3].copy_from_slice(&[1, 1]);
            if packet.payload[at] == 22 && matches!(packet.payload.get(at + 5), Some(1 | 2)) {
                packet.payload[at + 9..at + 11].copy_from_slice(&[1, 1]);
            }
            at += 5 + usize::from(u16::from_be_bytes([high, low]));
            if at >= packet.payload.len() {
                break;
            }
        }
        let is_hello =
            |kind: &u8| matches!(packet.payload.get(..6), Some([22, 1, 1, _, _, k]) if k == kind);
        let kind = [1, 2].into_iter().find(|kind| is_hello(kind));
        if let Some(kind) = kind {
            let id = usize::from(packet.payload[43]);
            let suite = 44 + id + if kind == 1 { 2 } else { 0 };
            packet.payload[suite..suite + 2].copy_from_slice(&[0xe0, 0x13]);
        }
    }
    let found = records(&packets);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["client_hello"]["legacy_version"], "0x0101");
    assert_eq!(found[0]["client_hello"]["cipher_suites"][0], "0xe013");
    assert_eq!(found[0]["server_hello"]["version"], "0x0101");
    assert_eq!(found[0]["server_hello"]["cipher_suite_name"], "ECC_SM4_CBC_SM3");
    assert!(!found[0]["certificates"].as_array().unwrap().is_empty());
}

#[test]
fn a_hole_in_one_direction_costs_nothing_of_the_other() {
    for name in ["tls12-ecdhe-rsa.pcap", "tls12-rsa-kx.pcap", "mutual-tls12.pcap", "postfix.pcap"] {
        let straight = of(name);
        let wanted = records(&straight);
        let (client, server) = (hello(&straight, 1), hello(&straight, 2));
        // The server's first segment of TLS is lost, with all copies of it.
        let lost = &straight[server];
        let mut holed = straight.clone();
        holed.retain(|packet| {
            packet.is_bare() || (packet.from, packet.tcp) != (lost.from, lost.tcp)
        });
        let found = records(&holed);
        assert_eq!(found.len(), wanted.len(), "{name}");
        let ends = |record: &Value| (record["client"].clone(), record["server"].clone());
        for wanted in
            wanted.iter().filter(|one| one["client"]["port"] == straight[client].from.port())
        {
            let found = found.iter().find(|found| ends(found) == ends(wanted)).unwrap();
            for fact in ["client_hello", "sni", "application", "client_certificates"] {
                assert_eq!(found[fact], wanted[fact], "{name}: {fact}");
            }
            let of_client = |record: &Value| -> String {
                record["history"]
                    .as_str()
                    .unwrap()
                    .chars()
                    .filter(char::is_ascii_uppercase)
                    .collect()
            };
            assert_eq!(of_client(found), of_client(wanted), "{name}");
            assert!(found["seen"]["gaps"] != json!(0), "{name}");
        }
    }
}

#[test]
fn what_closes_a_session_of_tls_1_3_is_no_refusal_where_its_handshake_was_not_seen() {
    for name in ["curl.pcap", "gnutls.pcap", "go.pcap", "java17-default.pcap", "node.pcap"] {
        let whole = of(name);
        let (client, server) = (hello(&whole, 1), hello(&whole, 2));
        let from = whole[client].from;
        let of_server: Vec<Packet> =
            whole.iter().filter(|packet| packet.from != from).cloned().collect();
        let finished = whole
            .iter()
            .skip(server)
            .find(|packet| packet.from == from && matches!(packet.payload[..], [20 | 23, ..]));
        let lost = finished.unwrap().tcp;
        // A close_notify may be all that is left of what the client encrypts.
        let mut unfinished = whole.clone();
        unfinished.retain(|packet| packet.from != from || packet.tcp != lost);
        for packets in [of_server, unfinished] {
            let record = &records(&packets)[0];
            assert_eq!(record["alerts"], json!([]), "{name}: {record}");
            assert_ne!(record["outcome"], "refused", "{name}");
        }
    }
}

/// What a server says when it closes is as long as an alert that refuses.
#[test]
fn a_finished_that_was_not_captured_is_missed_where_the_end_of_its_stream_was() {
    let whole = of("gnutls.pcap");
    let from = whole[hello(&whole, 1)].from;
    let mut lossy = whole.clone();
    lossy.retain(|packet| packet.from != from || !matches!(packet.payload[..], [23, ..]));
    assert_eq!(lossy.len() + 1, whole.len());
    let record = &records(&lossy)[0];
    assert_eq!(record["history"], "CsidI");
    assert_eq!(record["alerts"], json!([]));
    assert_eq!(record["outcome"], "reset");
    assert_eq!(record["seen"]["gaps"], 1);
    assert_eq!(record["seen"]["truncated"], true);
}

#[test]
fn what_lies_around_a_hole_is_not_put_together() {
    let whole = of("http-connect.pcap");
    let at = whole.iter().position(|packet| packet.payload.starts_with(b"CONNECT ")).unwrap();
    let long = whole[at].payload.len();
    for (kept, next) in [(14, 20), (12, 15), (20, 60), (7, 9), (30, 40)] {
        let mut packets = whole.clone();
        let mut rest = packets[at].clone();
        packets[at].payload.truncate(kept);
        packets[at].cut = u32::try_from(next - kept).unwrap();
        rest.payload.drain(..next);
        let tcp = rest.tcp.as_mut().unwrap();
        tcp.seq = tcp.seq.wrapping_add(u32::try_from(next).unwrap());
        packets.insert(at + 1, rest);
        let found = &records(&packets)[0];
        assert_eq!(found["seen"]["gaps"], 1, "{kept}, {next} of {long}");
        let target = &found["server"]["target"];
        let named = ["org42.crm4.dynamics.com:443"].map(Value::from).contains(target);
        assert!(target.is_null() || named && kept > 32, "{kept}, {next}: {found}");
    }
}

#[test]
fn words_that_a_server_of_tls_answers_with_an_alert_do_not_start_it() {
    let whole = of("refused-version.pcap");
    let at = hello(&whole, 1);
    for (words, name) in [
        ("GET / HTTP/1.1\r\nHost: me\r\n\r\n", Value::Null),
        ("EHLO me\r\n", json!("smtp")),
        ("\x05\x01", Value::Null),
    ] {
        let mut packets = whole.clone();
        let client = packets[at].from;
        for packet in packets.iter_mut().filter(|one| one.from == client && !one.is_bare()) {
            packet.payload = words.as_bytes().to_vec();
        }
        let found = records(&packets);
        assert_eq!(found.len(), 1, "{words}");
        let facts = ["application", "starttls", "outcome", "client_hello"];
        let facts = facts.map(|key| found[0][key].clone());
        assert_eq!(facts, [name, json!(false), json!("refused"), Value::Null], "{words}");
    }
}

#[test]
fn what_is_left_of_a_hello_is_nothing_that_was_said_before_it() {
    for name in ["chromium.pcap", "hello-many-segments.pcap"] {
        let mut packets = of(name);
        let wanted = records(&packets);
        let lost = hello(&packets, 1);
        let (from, tcp) = (packets[lost].from, packets[lost].tcp);
        packets.retain(|packet| packet.from != from || packet.tcp != tcp);
        let found = records(&packets);
        assert_eq!(found.len(), wanted.len(), "{name}");
        let found = found.iter().find(|one| one["client"]["port"] == from.port()).unwrap();
        assert_eq!(found["client_hello"], Value::Null, "{name}");
        assert!(!found["server_hello"].is_null(), "{name}");
        assert_eq!(found["starttls"], json!(false), "{name}");
    }
}

#[test]
fn text_that_came_before_the_beginning_of_its_stream_is_none() {
    for (name, kind) in [("http-connect.pcap", b'C'), ("postfix.pcap", b'E'), ("curl.pcap", 22)] {
        let whole = of(name);
        let wanted = records(&whole);
        let begins = |packet: &Packet| packet.payload.first() == Some(&kind);
        let at = whole.iter().position(begins).unwrap();
        // Where text of at least sixteen letters begins, or goes on.
        let text =
            |bytes: &[u8]| bytes.iter().take(16).all(|byte| matches!(byte, 9..=13 | 32..=126));
        let payload = &whole[at].payload;
        let cuts = (1..payload.len()).filter(|cut| text(&payload[*cut..]));
        let mut tried = 0;
        for size in cuts {
            let mut packets = whole.clone();
            let (first, second) = payload.split_at(size);
            packets[at].payload = first.to_vec();
            let mut late = packets[at].clone();
            late.payload = second.to_vec();
            let tcp = late.tcp.as_mut().unwrap();
            tcp.seq = tcp.seq.wrapping_add(u32::try_from(size).unwrap());
            packets.insert(at, late);
            let times = [packets[at].at, packets[at + 1].at];
            [packets[at].at, packets[at + 1].at] = [times[0].min(times[1]), times[0].max(times[1])];
            packets.retain(|packet| !packet.is(SYN));
            let found = records(&packets);
            assert_eq!(found.len(), wanted.len(), "{name} {size}");
            for fact in
                ["client_hello", "server_hello", "application", "starttls", "outcome", "history"]
            {
                assert_eq!(found[0][fact], wanted[0][fact], "{name} {size}: {fact}");
            }
            assert_eq!(found[0]["server"], wanted[0]["server"], "{name} {size}");
            tried += 1;
        }
        assert!(tried > 0, "{name}");
    }
}

#[test]
fn what_tcpdump_writes_is_read_while_it_writes() {
    let capture = common::project("captures/office-network.pcap");
    let tcpdump = Command::new("tcpdump")
        .arg("-r")
        .arg(&capture)
        .args(["-w", "-"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut tcpdump) = tcpdump else {
        eprintln!("skipped: tcpdump is not installed");
        return;
    };
    let output = Command::new(env!("CARGO_BIN_EXE_tlscensus"))
        .args(["read", "-q", "--flows", "-", "-"])
        .stdin(tcpdump.stdout.take().unwrap())
        .output()
        .unwrap();
    tcpdump.wait().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    let wanted = common::records(&capture, &common::settings(1, &["dataverse"]));
    assert_eq!(lines.lines().count(), wanted.len());
    assert!(lines.lines().all(|line| line.contains("\"source\":\"-\"")));
}
