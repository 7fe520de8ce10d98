//! ClientHellos: of all captures, and random ones, as tls-parser and OpenSSL read them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tls_parser::TlsExtension;
use tlscensus::capture::file::FileSource;
use tlscensus::capture::{Poll, Source};
use tlscensus::flow::table::FlowTable;
use tlscensus::limits::Limits;
use tlscensus::packet::{Decoder, Packet};
use tlscensus::tls::Transport;
use tlscensus::tls::codepoint::HandshakeType;
use tlscensus::tls::conversation::Conversation;
use tlscensus::tls::message::{What, events};
use tlscensus::tls::parse::HelloParser;

use super::code::{is_grease, sized};
use super::common;
use super::hello::Client;
use super::random::Random;

/// What a hello says, as numbers.
#[derive(Debug, Default, PartialEq, Eq)]
struct Said {
    version: u16,
    session: Vec<u8>,
    suites: Vec<u16>,
    extensions: Vec<u16>,
    groups: Vec<u16>,
    signatures: Vec<u16>,
    shares: Vec<u16>,
    versions: Vec<u16>,
    protocols: Vec<Vec<u8>>,
    name: Option<String>,
}

fn ours(body: &[u8]) -> Option<Said> {
    let hello = HelloParser::new(&Limits::default()).client_hello(body, Transport::Tcp, true)?;
    let offer = &hello.offer;
    Some(Said {
        version: offer.legacy_version.0,
        session: hello.session_id.as_bytes().to_vec(),
        suites: offer.cipher_suites.iter().map(|suite| suite.code().unwrap()).collect(),
        extensions: offer.extensions.iter().map(|kind| kind.0).collect(),
        groups: offer.groups.iter().flatten().map(|group| group.0).collect(),
        signatures: offer.signature_algorithms.iter().flatten().map(|scheme| scheme.0).collect(),
        shares: offer.key_shares.iter().map(|group| group.0).collect(),
        versions: offer.supported_versions.iter().flatten().map(|version| version.0).collect(),
        protocols: offer.alpn.iter().map(|name| name.to_vec()).collect(),
        name: hello.server_name.as_deref().map(str::to_owned),
    })
}

/// What tls-parser says; key shares it gives as bytes, which are not looked at.
fn tls_parser_says(body: &[u8]) -> Option<Said> {
    let (_, hello) = tls_parser::parse_tls_handshake_client_hello(body).ok()?;
    let mut said = Said {
        version: hello.version.0,
        session: hello.session_id.unwrap_or_default().to_vec(),
        suites: hello.ciphers.iter().map(|suite| suite.0).collect(),
        ..Said::default()
    };
    let (rest, list) =
        tls_parser::parse_tls_client_hello_extensions(hello.ext.unwrap_or_default()).ok()?;
    if !rest.is_empty() {
        return None;
    }
    for extension in list {
        said.extensions.push(tls_parser::TlsExtensionType::from(&extension).0);
        match extension {
            TlsExtension::EllipticCurves(groups) => {
                said.groups = groups.iter().map(|g| g.0).collect()
            }
            TlsExtension::SignatureAlgorithms(schemes) => said.signatures = schemes,
            TlsExtension::SupportedVersions(versions) => {
                said.versions = versions.iter().map(|version| version.0).collect();
            }
            TlsExtension::ALPN(names) => {
                said.protocols = names.iter().map(|name| name.to_vec()).collect();
            }
            TlsExtension::SNI(names) => {
                let first = names.first().map(|(_, name)| String::from_utf8_lossy(name));
                said.name = first.map(std::borrow::Cow::into_owned);
            }
            _ => {}
        }
    }
    Some(said)
}

/// The hellos of a capture, without their headers.
fn of_capture(path: &Path, found: &mut Vec<Vec<u8>>) {
    let limits = Limits::default();
    let Ok(mut source) = FileSource::open(path, &limits) else { return };
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
        if !matches!(polled, Ok(Poll::Frames(_))) {
            break;
        }
    }
    flows.finish_all(&mut |flow| finished.push(flow.taken()));
    for flow in &finished {
        for event in events(flow.consumer.transcript(), &limits) {
            if let What::Message { kind: HandshakeType::CLIENT_HELLO, body, whole: true } =
                event.what
            {
                found.push(body.into_owned());
            }
        }
    }
}

/// All hellos there are, and random ones; no two are alike.
fn hellos() -> Vec<Vec<u8>> {
    let mut files = common::captures();
    if let Some(corpus) = common::corpus() {
        let more = fs::read_dir(corpus.join("captures")).unwrap();
        files.extend(more.map(|entry| entry.unwrap().path()));
    }
    let mut found = Vec::new();
    for file in files {
        of_capture(&file, &mut found);
    }
    for number in 0..600 {
        let mut random = Random::new(number);
        let highest = *random.pick(&[0x300, 0x301, 0x302, 0x303, 0x304]);
        let resumes = random.chance(30);
        found.push(Client::new(&mut random, highest, false, resumes).body(None));
    }
    found.sort();
    found.dedup();
    // A server tells hellos apart by their randoms.
    found.dedup_by_key(|body| body.get(2..34).map(<[u8]>::to_vec));
    found
}

#[test]
fn tls_parser_reads_the_same_hellos() {
    let (mut both, mut differences) = (0, Vec::new());
    for body in hellos() {
        let Some(theirs) = tls_parser_says(&body) else { continue };
        let mut ours = ours(&body).expect("what tls-parser reads, we read");
        ours.shares.clear();
        // All GREASE is one to it.
        let plain = |list: &mut Vec<u16>| {
            list.iter_mut().filter(|kind| is_grease(**kind)).for_each(|kind| *kind = 0x0a0a);
        };
        plain(&mut ours.extensions);
        let mut theirs = theirs;
        plain(&mut theirs.extensions);
        both += 1;
        if ours != theirs {
            differences.push(format!("{ours:?}\nnot {theirs:?}"));
        }
    }
    eprintln!("{both} hellos that both read");
    assert!(both > 700, "only {both}");
    let shown = differences.iter().take(5).map(String::as_str).collect::<Vec<_>>().join("\n");
    assert!(differences.is_empty(), "{} differ:\n{shown}", differences.len());
}

/// OpenSSL's server, which prints each hello that it reads.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(folder: &Path) -> Option<Self> {
        let version = Command::new("openssl").arg("version").output();
        if !version
            .is_ok_and(|output| String::from_utf8_lossy(&output.stdout).starts_with("OpenSSL 3"))
        {
            eprintln!("skipped: no OpenSSL 3 here");
            return None;
        }
        let key = rcgen::KeyPair::generate().unwrap();
        let made = rcgen::CertificateParams::new(vec!["x.example".to_owned()]).unwrap();
        fs::write(folder.join("cert.pem"), made.self_signed(&key).unwrap().pem()).unwrap();
        fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
        let port =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let child = Command::new("openssl")
            .current_dir(folder)
            .args(["s_server", "-trace", "-cert", "cert.pem", "-key", "key.pem", "-accept"])
            .arg(format!("127.0.0.1:{port}"))
            // The end of its input would be the end of it.
            .stdin(Stdio::piped())
            .stdout(File::create(folder.join("trace")).unwrap())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { child, port };
        for _ in 0..100 {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, server.port)).is_ok() {
                return Some(server);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("openssl s_server does not come up");
    }

    /// Send a hello and wait for whatever is answered.
    fn ask(&self, body: &[u8]) {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let message = super::code::message(1, body);
        let records: Vec<u8> = message
            .chunks(1 << 14)
            .flat_map(|piece| [&[22, 3, 1][..], &sized(piece, 2)].concat())
            .collect();
        let _ = stream.write_all(&records);
        let _ = stream.read(&mut [0; 16]);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a hello begins with in a trace.
const BEGIN: &str = "    ClientHello, Length=";

/// The hellos in a trace, by their randoms.
fn traced(trace: &str) -> BTreeMap<String, Option<Said>> {
    let number = |text: &str| -> Option<u16> {
        let text = text.trim_end().strip_suffix(')')?.rsplit('(').next()?;
        match text.strip_prefix("0x") {
            Some(hex) => u16::from_str_radix(hex, 16).ok(),
            None => text.parse().ok(),
        }
    };
    let hex = |text: &str| -> Vec<u8> {
        let digits = text.trim().as_bytes().chunks_exact(2);
        digits
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    };
    let mut found = BTreeMap::new();
    for part in trace.split(BEGIN).skip(1) {
        let mut broken = false;
        let mut said = Said::default();
        let (mut random, mut kind) = (String::new(), None);
        for line in part.lines().skip(1) {
            let text = line.trim_start();
            broken |= text.ends_with("parse error!");
            // The next message, or what is answered.
            if text.is_empty() || line.starts_with(['S', 'R']) {
                break;
            }
            if let Some(version) = text.strip_prefix("client_version=0x") {
                let digits = version.split(' ').next().unwrap();
                said.version = u16::from_str_radix(digits, 16).unwrap();
            } else if let Some(time) = text.strip_prefix("gmt_unix_time=0x") {
                random = time.to_owned();
            } else if let Some((_, rest)) = text.split_once("random_bytes (len=28): ") {
                random += rest;
            } else if text.starts_with("session_id (len=") {
                said.session = hex(text.split_once("): ").map_or("", |(_, digits)| digits));
            } else if let Some(suite) = text.strip_prefix("{0x").filter(|_| kind.is_none()) {
                let suite = suite.replace(", 0x", "");
                said.suites.push(u16::from_str_radix(&suite[..4], 16).unwrap());
            } else if let Some(extension) = text.strip_prefix("extension_type=") {
                kind = number(extension.split(", length").next().unwrap());
                said.extensions.extend(kind);
            } else {
                match kind {
                    Some(10) => said.groups.extend(number(text)),
                    Some(13) => said.signatures.extend(number(text)),
                    Some(43) => said.versions.extend(number(text)),
                    Some(51) if text.starts_with("NamedGroup") => said.shares.extend(number(text)),
                    Some(16) => said.protocols.push(text.as_bytes().to_vec()),
                    _ => {}
                }
            }
        }
        // Where an extension is malformed it goes no further.
        found.entry(random.to_ascii_lowercase()).or_insert_with(|| Some(said).filter(|_| !broken));
    }
    found
}

#[test]
fn openssl_reads_the_same_hellos() {
    let folder = tempfile::tempdir().unwrap();
    let Some(server) = Server::start(folder.path()) else { return };
    let hellos = hellos();
    // Some come once more at the end: what is printed last may stay in OpenSSL's buffer.
    for body in hellos.iter().chain(hellos.iter().take(8)) {
        server.ask(body);
    }
    let deadline = 50;
    let mut found = BTreeMap::new();
    for _ in 0..deadline {
        let trace = fs::read(folder.path().join("trace")).unwrap();
        let trace = String::from_utf8_lossy(&trace);
        found = traced(&trace);
        // All are whole when another one has begun.
        if trace.matches(BEGIN).count() > hellos.len() {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let (mut both, mut differences) = (0, Vec::new());
    for body in &hellos {
        let random: String = body[2..34].iter().map(|byte| format!("{byte:02x}")).collect();
        let Some(Some(theirs)) = found.get(&random) else { continue };
        let mut ours = ours(body).expect("what OpenSSL reads, we read");
        // It prints names as bytes only, and does not know key_share by its number in the drafts.
        ours.name = None;
        if ours.extensions.contains(&40) && !ours.extensions.contains(&51) {
            ours.shares.clear();
        }
        both += 1;
        if ours != *theirs {
            differences.push(format!("{random}: {ours:?}\nnot {theirs:?}"));
        }
    }
    eprintln!("{both} of {} hellos that OpenSSL printed", hellos.len());
    assert!(both * 100 > hellos.len() * 95, "only {both} of {}", hellos.len());
    let shown = differences.iter().take(5).map(String::as_str).collect::<Vec<_>>().join("\n");
    assert!(differences.is_empty(), "{} differ:\n{shown}", differences.len());
}
