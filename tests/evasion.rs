//! Who hides what he sends: seen through, or said so. Real handshakes are bent in the ways that
//! separate what is watched from what is received, and go through the built program.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail")]

#[path = "common/traffic.rs"]
mod traffic;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use traffic::{ETHERNET, Format, Frame, Packet, URG, capture, cut, packets, plain, prepend};

const LEGACY: &str = "captures/python-tls10.pcap";

fn project(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Run the program and return what it writes.
fn tlscensus(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_tlscensus"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The records of a capture of these packets.
fn records(packets: &[Packet]) -> Vec<Value> {
    records_of(&plain(packets))
}

fn records_of(capture: &[u8]) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.pcap");
    fs::write(&path, capture).unwrap();
    let lines = tlscensus(&["read", "-q", "--flows", "-", path.to_str().unwrap()]);
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What a record says of hiding: id, severity, whom it concerns, and the sentence.
fn signs(record: &Value) -> Vec<[String; 4]> {
    let findings = record["findings"].as_array().unwrap().iter();
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    findings
        .map(|one| ["id", "severity", "concerns", "text"].map(|key| text(one, key)))
        .filter(|[id, ..]| id.starts_with("evasion."))
        .collect()
}

/// The packets of the capture with the legacy client, and which of them is its hello.
fn legacy() -> (Vec<Packet>, usize) {
    let packets = packets(&project(LEGACY));
    let hello = packets.iter().position(|packet| packet.payload.starts_with(&[22, 3])).unwrap();
    (packets, hello)
}

/// A copy of a hello that offers TLS 1.2 and a suite of it, in which nothing else is changed.
fn modern(hello: &Packet) -> Packet {
    let mut copy = hello.clone();
    copy.payload[9..11].copy_from_slice(&[3, 3]);
    let suite = 46 + usize::from(copy.payload[43]);
    copy.payload[suite..suite + 2].copy_from_slice(&[0xc0, 0x2f]);
    copy
}

#[test]
fn a_legacy_hello_under_a_modern_one_is_told() {
    let (packets, at) = legacy();
    let real = &packets[at];
    let decoy = Packet { ttl: 1, ..modern(real) };
    let differing = real.payload.iter().zip(&decoy.payload).filter(|(a, b)| a != b).count();
    assert!(differing > 0 && real.payload.len() == decoy.payload.len());
    let [before, after] = [at, at + 1].map(|place| {
        let mut packets = packets.clone();
        packets.insert(place, decoy.clone());
        packets
    });
    // In two halves, the later one first: the hello waits for its beginning.
    let mut waiting = before.clone();
    cut(&mut waiting, at, 40);
    waiting[at..].swap(0, 1);
    let offered = |record: &Value| record["client_hello"]["max_version"].clone();
    for (packets, version) in [(&before, "TLS1.2"), (&after, "TLS1.0"), (&waiting, "TLS1.2")] {
        let records = records(packets);
        assert_eq!(records.len(), 1);
        assert_eq!(offered(&records[0]), version, "{}", records[0]["client_hello"]);
        let signs = signs(&records[0]);
        let [[id, severity, concerns, text]] = signs.as_slice() else {
            panic!("{signs:?}");
        };
        assert_eq!([id, severity, concerns], ["evasion.overlap", "high", "client"]);
        let told = format!("at least {differing} bytes of what the client sent came twice");
        assert!(text.starts_with(&told), "{text}");
    }
    // A decoy that the server drops because its sum is wrong, and not for its time to live.
    let mut frames: Vec<Frame> = packets.iter().map(Packet::frame).collect();
    let mut wrong = modern(real).frame();
    wrong.bytes[50] ^= 0x55;
    frames.insert(at, wrong);
    let found = records_of(&capture(&frames, ETHERNET, Format::Nano));
    assert_eq!(signs(&found[0])[0][0], "evasion.overlap");
    // Without a conflict nothing is told.
    assert!(records(&packets).iter().all(|record| signs(record).is_empty()));
}

#[test]
fn a_late_copy_of_a_server_hello_is_told_and_one_of_what_is_encrypted_is_not() {
    let mut packets = packets(&project("captures/curl.pcap"));
    let is_server_hello =
        |packet: &Packet| matches!(packet.payload.as_slice(), [22, 3, 3, _, _, 2, ..]);
    let at = packets.iter().position(is_server_hello).unwrap();
    // The hello and the beginning of what is encrypted; nothing but that, twice.
    cut(&mut packets, at, 200);
    cut(&mut packets, at + 1, 100);
    let conflicting = |place: usize, byte: usize| {
        let mut packets = packets.clone();
        let mut copy = packets[place].clone();
        copy.payload[byte] ^= 0x55;
        packets.insert(at + 3, copy);
        let records = records(&packets);
        assert_eq!(records.len(), 1);
        assert_eq!(records[0]["server_hello"]["version"], "TLS1.3");
        signs(&records[0])
    };
    let signs = conflicting(at, 20);
    assert_eq!(signs[0][..3], ["evasion.overlap", "high", "server"], "{signs:?}");
    assert_eq!(conflicting(at + 1, 20), [[""; 4]; 0]);
}

#[test]
fn it_is_told_in_the_census_and_its_reports_and_explained() {
    let (mut packets, at) = legacy();
    packets.insert(at, modern(&packets[at]));
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("c.pcap"), plain(&packets)).unwrap();
    let [census, direct, later] = ["c.db", "a.json", "b.json"].map(path);
    tlscensus(&["read", "-q", "--census", &census, "--report", &direct, &path("c.pcap")]);
    tlscensus(&["report", "--report", &later, &census]);
    let [direct, later] = [direct, later].map(|path| fs::read_to_string(path).unwrap());
    assert_eq!(direct, later);
    let inventory: Value = serde_json::from_str(&direct).unwrap();
    let findings = inventory["clients"][0]["stacks"][0]["findings"].as_array().unwrap();
    assert!(findings.iter().any(|one| one["id"] == "evasion.overlap"), "{findings:?}");
    let text = tlscensus(&["explain", "evasion.overlap"]);
    assert!(text.contains("(high)") && text.contains("Keep the capture"), "{text}");
}

#[test]
fn urgent_data_in_the_handshake_is_told() {
    let (mut packets, at) = legacy();
    let tcp = packets[at].tcp.as_mut().unwrap();
    tcp.flags |= URG;
    tcp.urgent = 9;
    let records = records(&packets);
    let signs = signs(&records[0]);
    assert_eq!(signs.len(), 1);
    assert_eq!(signs[0][..3], ["evasion.urgent", "low", "client"].map(str::to_owned));
}

/// A fragment of an IP packet: where it begins behind the IP header, its bytes, whether more follow.
struct Piece<'a>(usize, &'a [u8], bool);

/// Frames with fragments of a packet in Ethernet.
fn fragmented(packet: &Packet, pieces: &[Piece<'_>]) -> Vec<Frame> {
    let whole = packet.frame();
    let four = packet.from.is_ipv4();
    let (ethernet, head) = whole.bytes[..if four { 34 } else { 54 }].split_at(14);
    let pieces = pieces.iter().zip(0..).map(|(Piece(start, bytes, more), number)| {
        let offset = u16::try_from(*start).unwrap();
        let mut head = head.to_vec();
        if four {
            let size = u16::try_from(bytes.len() + 20).unwrap();
            head[2..4].copy_from_slice(&size.to_be_bytes());
            head[6..8].copy_from_slice(&((offset / 8) | (u16::from(*more) << 13)).to_be_bytes());
            traffic::seal(&mut head);
        } else {
            let size = u16::try_from(bytes.len() + 8).unwrap();
            head[4..6].copy_from_slice(&size.to_be_bytes());
            let next = std::mem::replace(&mut head[6], 44);
            let [high, low] = (offset | u16::from(*more)).to_be_bytes();
            head.extend([next, 0, high, low, 0, 0, 0, 7]);
        }
        let bytes = [ethernet, &head, bytes].concat();
        Frame { at: whole.at + number, bytes, cut: 0 }
    });
    pieces.collect()
}

/// The records of a capture in which frames stand in the place of one packet.
fn with_frames(packets: &[Packet], at: usize, frames: Vec<Frame>) -> Vec<Value> {
    let mut all: Vec<Frame> = packets.iter().map(Packet::frame).collect();
    all.splice(at..=at, frames);
    records_of(&capture(&all, ETHERNET, Format::Nano))
}

#[test]
fn fragments_that_contradict_each_other_are_told() {
    for name in [LEGACY, "captures/ipv6.pcap"] {
        let packets = packets(&project(name));
        let at = packets.iter().position(|packet| packet.payload.starts_with(&[22, 3])).unwrap();
        let plainly = records(&packets);
        let behind = if packets[at].from.is_ipv4() { 34 } else { 54 };
        let [real, lie] = [packets[at].clone(), modern(&packets[at])]
            .map(|packet| packet.frame().bytes[behind..].to_vec());
        // The first fragment has the version and the first suites.
        let at_suites = if real.len() > 130 { 104 } else { 80 };
        let (a, b) = real.split_at(at_suites);
        let (x, y) = lie.split_at(at_suites);
        assert!(a != x && b.len() > 16);
        let told = |what: &str, pieces: &[Piece<'_>]| {
            let found = with_frames(&packets, at, fragmented(&packets[at], pieces));
            assert_eq!(found.len(), 1, "{name}: {what}");
            assert_eq!(found[0]["outcome"], plainly[0]["outcome"], "{name}: {what}");
            let all = signs(&found[0]);
            assert!(all.iter().all(|[_, high, end, _]| high == "high" && end == "client"));
            (found[0].clone(), all.iter().map(|[id, ..]| id.clone()).collect::<Vec<_>>())
        };
        // Fragments that agree: in any order, twice, overlapping. The record is that of the whole.
        let long = &real[..at_suites + 16];
        for (what, pieces) in [
            ("in order", &[Piece(0, a, true), Piece(at_suites, b, false)][..]),
            ("backwards", &[Piece(at_suites, b, false), Piece(0, a, true)]),
            ("twice", &[Piece(0, a, true), Piece(0, a, true), Piece(at_suites, b, false)]),
            ("overlapping", &[Piece(0, long, true), Piece(at_suites, b, false)]),
        ] {
            let (found, ids) = told(what, pieces);
            assert_eq!(
                (&found["client_hello"], ids.len()),
                (&plainly[0]["client_hello"], 0),
                "{what}"
            );
        }
        let mut tail = real[at_suites - 16..].to_vec();
        tail[..16].fill(0xee);
        for (what, pieces) in [
            (
                "a decoy before",
                &[Piece(0, x, true), Piece(0, a, true), Piece(at_suites, b, false)][..],
            ),
            ("a decoy after", &[Piece(0, a, true), Piece(0, x, true), Piece(at_suites, b, false)]),
            ("teardrop", &[Piece(0, a, true), Piece(at_suites - 16, &tail, false)]),
            (
                "two ends",
                &[Piece(at_suites, &b[..16], false), Piece(at_suites, b, false), Piece(0, a, true)],
            ),
        ] {
            let (_, ids) = told(what, pieces);
            assert!(ids.contains(&"evasion.fragments".to_owned()), "{name}: {what}: {ids:?}");
        }
        // A whole copy in front: its bytes are read, and so are those behind it.
        let front = [
            Piece(0, x, true),
            Piece(at_suites, y, false),
            Piece(0, a, true),
            Piece(at_suites, b, false),
        ];
        let (_, ids) = told("a whole copy in front", &front);
        assert_eq!(ids, ["evasion.fragments", "evasion.overlap"], "{name}");
    }
}

/// The datagrams of a DTLS capture with a cookie, and the client's hello with the cookie.
fn cookie() -> (Vec<Packet>, usize) {
    let packets = packets(&project("captures/dtls12-cookie.pcap"));
    let is_hello = |packet: &Packet| packet.payload[0] == 22 && packet.payload[13] == 1;
    let second = |packet: &Packet| is_hello(packet) && packet.payload[18] == 1;
    let at = packets.iter().position(second).unwrap();
    (packets, at)
}

/// Add to the numbers of the records in the clear of a datagram.
fn number_on(packet: &mut Packet, by: u16) {
    let mut at = 0;
    while let Some(record) = packet.payload.get_mut(at..at + 13) {
        let number = u16::from_be_bytes([record[9], record[10]]) + by;
        if record[3..5] == [0, 0] {
            record[9..11].copy_from_slice(&number.to_be_bytes());
        }
        at += 13 + usize::from(u16::from_be_bytes([record[11], record[12]]));
    }
}

/// The hello in a datagram, as fragments of so many bytes in datagrams of their own.
fn in_fragments(packet: &Packet, size: usize) -> Vec<Packet> {
    let (head, body) = packet.payload.split_at(25);
    let u24 = |value: usize| u32::try_from(value).unwrap().to_be_bytes()[1..].to_vec();
    let pieces = body.chunks(size).zip(0_u16..).map(|(piece, number)| {
        let mut record = head[..19].to_vec();
        let first = u16::from_be_bytes([record[9], record[10]]);
        record[9..11].copy_from_slice(&(first + number).to_be_bytes());
        record[11..13].copy_from_slice(&u16::try_from(piece.len() + 12).unwrap().to_be_bytes());
        record.extend(u24(usize::from(number) * size));
        record.extend(u24(piece.len()));
        record.extend(piece);
        let at = packet.at + u64::from(number);
        Packet { payload: record, at, ..packet.clone() }
    });
    pieces.collect()
}

#[test]
fn a_dtls_hello_in_fragments_is_seen_through_and_contradictions_are_told() {
    let (packets, at) = cookie();
    let plainly = records(&packets);
    assert_eq!(plainly.len(), 1);
    for size in [1, 7, 64] {
        let mut cut = packets.clone();
        let fragments = in_fragments(&packets[at], size);
        let more = u16::try_from(fragments.len() - 1).unwrap();
        let later = cut[at + 1..].iter_mut().filter(|packet| packet.from == packets[at].from);
        later.for_each(|packet| number_on(packet, more));
        cut.splice(at..=at, fragments);
        let found = records(&cut);
        for key in ["client_hello", "server_hello", "outcome", "history", "findings"] {
            assert_eq!(found[0][key], plainly[0][key], "{size}: {key}");
        }
    }
    // A copy that offers other suites: whole before the real one, behind it, and one fragment of it.
    let mut lie = packets[at].clone();
    first_suite(&mut lie, [0, 0x2f]);
    assert_ne!(lie.payload, packets[at].payload);
    lie.ttl = 1;
    let mut before = packets.clone();
    before.insert(at, lie.clone());
    let mut behind = packets.clone();
    behind.insert(at + 1, lie.clone());
    let mut part = packets;
    part.splice(at..at, in_fragments(&lie, 64).into_iter().take(2));
    for (what, packets) in [("before", before), ("behind", behind), ("a part", part)] {
        let found = records(&packets);
        assert_eq!(found.len(), 1, "{what}");
        let [[id, severity, concerns, _]] = &signs(&found[0])[..] else { panic!("{what}") };
        assert_eq!([id, severity, concerns], ["evasion.fragments", "high", "client"], "{what}");
    }
    assert!(signs(&plainly[0]).is_empty());
}

/// In place of the first suite of a hello in a datagram.
fn first_suite(packet: &mut Packet, suite: [u8; 2]) {
    let cookie = 25 + 34 + 1 + usize::from(packet.payload[59]);
    let suites = cookie + 1 + usize::from(packet.payload[cookie]) + 2;
    packet.payload[suites..suites + 2].copy_from_slice(&suite);
}

/// A conversation of DTLS that comes again after its end, with the same random on the same ports.
#[test]
fn a_random_that_is_used_again_hides_no_conversation() {
    let (first, second_hello) = cookie();
    let first_hello = first.iter().position(|one| one.payload.get(13) == Some(&1)).unwrap();
    assert!(first_hello < second_hello);
    let again = |seconds: u64, change: &dyn Fn(&mut Packet)| {
        let mut packets = first.clone();
        let over = packets.last().unwrap().at - packets[0].at;
        for (number, one) in first.iter().enumerate() {
            let mut one = one.clone();
            one.at += over + seconds * 1_000_000_000 + 1_000;
            if number == first_hello || number == second_hello {
                change(&mut one);
            }
            packets.push(one);
        }
        records(&packets)
    };
    // Soon after it the same datagrams are late copies of it: nobody sends a hello again to whom all
    // was answered.
    assert_eq!(again(1, &|_| {}).len(), 1);
    // Whoever offers something else offers it anew, and so does whoever comes later.
    let other = |hello: &mut Packet| first_suite(hello, [0, 0x2f]);
    for (what, found) in [("another offer", again(1, &other)), ("later", again(15, &|_| {}))] {
        assert_eq!(found.len(), 2, "{what}");
        assert_eq!(found[0]["outcome"], found[1]["outcome"], "{what}");
        assert_eq!(found[0]["history"], found[1]["history"], "{what}");
        let suites = |record: &Value| record["client_hello"]["cipher_suites"].clone();
        assert_eq!(suites(&found[0]) != suites(&found[1]), what == "another offer");
    }
}

#[test]
fn padding_hides_nothing() {
    let (packets, at) = legacy();
    let plainly = records(&packets);
    // RFC 7685: an extension of 4,000 zeros, over several segments and, with the rest, two records.
    let mut padded = packets.clone();
    let hello = &packets[at].payload[9..];
    let sized = |size: usize| u16::try_from(size).unwrap().to_be_bytes();
    let padding = [&[0, 21][..], &sized(4_000), &[0; 4_000]].concat();
    let fixed = 34 + 1 + usize::from(hello[34]);
    let fixed = fixed + 2 + usize::from(u16::from_be_bytes([hello[fixed], hello[fixed + 1]]));
    let fixed = fixed + 1 + usize::from(hello[fixed]);
    let had = hello.get(fixed + 2..).unwrap_or_default();
    let extensions = [&sized(padding.len() + had.len())[..], &padding, had].concat();
    let body = [&hello[..fixed], &extensions].concat();
    let size = u32::try_from(body.len()).unwrap().to_be_bytes();
    let message = [&[1][..], &size[1..], &body].concat();
    let records_of_it: Vec<u8> = message
        .chunks(2_500)
        .flat_map(|piece| [&[22, 3, 1][..], &sized(piece.len()), piece].concat())
        .collect();
    let grown = records_of_it.len() - padded[at].payload.len();
    prepend(&mut padded, at, &vec![0; grown]);
    padded[at].payload = records_of_it;
    cut(&mut padded, at, 1_000);
    let found = records(&padded);
    assert_eq!(found.len(), 1);
    let offered = |record: &Value| {
        ["max_version", "cipher_suites", "groups"].map(|key| record["client_hello"][key].clone())
    };
    assert_eq!(offered(&found[0]), offered(&plainly[0]));
    assert_eq!(found[0]["client_hello"]["extensions"][0], "0x0015");
    for key in ["server_hello", "outcome", "history", "findings", "verdicts"] {
        assert_eq!(found[0][key], plainly[0][key], "{key}");
    }
}

#[test]
fn what_a_reset_says_is_no_data() {
    let (mut packets, at) = legacy();
    let mut reset = modern(&packets[at]);
    reset.tcp.as_mut().unwrap().flags = traffic::RST | traffic::ACK;
    packets.insert(at, reset);
    let records = records(&packets);
    assert_eq!(records[0]["client_hello"]["max_version"], "TLS1.0");
    assert!(signs(&records[0]).is_empty());
}

/// Packets that only the sensor gets (they do not live long enough, or their sum is wrong) and that
/// pretend that the connection is over or begins anew, before the hello and in its middle.
#[test]
fn ends_and_beginnings_that_are_none_hide_no_hello() {
    let (packets, at) = legacy();
    let plainly = records(&packets);
    let decoy = |flags: u8, shift: u32| {
        let mut decoy = Packet { ttl: 1, payload: Vec::new(), ..packets[at].clone() };
        let tcp = decoy.tcp.as_mut().unwrap();
        tcp.flags = flags;
        tcp.seq = tcp.seq.wrapping_add(shift);
        decoy
    };
    for (what, decoy) in [
        ("a reset", decoy(traffic::RST | traffic::ACK, 0)),
        ("a reset out of the window", decoy(traffic::RST, 0x4000_0000)),
        ("an end", decoy(traffic::FIN | traffic::ACK, 0)),
        ("an end further on", decoy(traffic::FIN | traffic::ACK, 900)),
        ("a beginning", decoy(traffic::SYN, 0x1000_0000)),
        ("the same beginning", decoy(traffic::SYN, u32::MAX)),
    ] {
        for (place, pause) in [("before", 0), ("before", 5), ("before", 200), ("within", 0)] {
            let mut bent = packets.clone();
            let mut decoy = decoy.clone();
            if place == "within" {
                cut(&mut bent, at, 40);
                let tcp = decoy.tcp.as_mut().unwrap();
                tcp.seq = tcp.seq.wrapping_add(40);
                bent.insert(at + 1, decoy);
            } else {
                bent.insert(at, decoy);
                bent[at + 1..].iter_mut().for_each(|one| one.at += pause * 1_000_000_000);
            }
            let found = records(&bent);
            let seen = found.iter().any(|one| one["client_hello"] == plainly[0]["client_hello"]);
            assert!(seen, "{what} {place} the hello, {pause} s: {found:?}");
        }
    }
}

#[test]
fn a_hello_cut_into_bytes_records_of_nothing_and_wrong_sums_are_seen_through() {
    let (packets, at) = legacy();
    let plainly = records(&packets);
    let same = |what: &str, found: &[Value]| {
        assert_eq!(found.len(), 1, "{what}");
        for key in ["client_hello", "server_hello", "outcome", "history", "findings"] {
            assert_eq!(found[0][key], plainly[0][key], "{what}: {key}");
        }
    };
    let mut bytes = packets.clone();
    cut(&mut bytes, at, 1);
    same("bytes", &records(&bytes));

    // RFC 8446 §5.1 forbids records of nothing before a message; servers step over some.
    let nothing = [22, 3, 1, 0, 0];
    let mut empty = packets.clone();
    prepend(&mut empty, at, &[nothing, nothing].concat());
    same("records of nothing", &records(&empty));
    cut(&mut empty, at, 5);
    same("records of nothing in segments of their own", &records(&empty));

    // Each record of the hello holds a byte of it, and one without any follows.
    let mut single = packets.clone();
    let hello = single[at].payload[5..].to_vec();
    let pieces: Vec<u8> =
        hello.iter().flat_map(|byte| [&[22, 3, 1, 0, 1, *byte][..], &nothing].concat()).collect();
    let grown = pieces.len() - single[at].payload.len();
    prepend(&mut single, at, &vec![0; grown]);
    single[at].payload = pieces;
    cut(&mut single, at, 1000);
    same("records of a byte", &records(&single));

    let mut capture = plain(&packets);
    let mut frame = 24;
    while frame < capture.len() {
        let size = u32::from_le_bytes(capture[frame + 8..frame + 12].try_into().unwrap()) as usize;
        // The sums of IP and TCP: the header begins behind those of the frame and of Ethernet.
        for sum in [24, 50] {
            capture[frame + 16 + sum] ^= 0x55;
        }
        frame += 16 + size;
    }
    same("wrong sums", &records_of(&capture));
}
