//! What an attacker can make the program spend: each bomb once and at twice its size.
//!
//! The built program reads them in a child process. Processor time may grow no faster than the
//! input, memory no further than its bounds. The table in the README is what
//! `cargo test --release --test complexity -- --nocapture --test-threads 1` prints.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test may fail, and shows its table"
)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::zombie_processes,
    clippy::precedence,
    reason = "numbers of a test are its own; `wait` waits for its child"
)]

#[allow(dead_code, clippy::pedantic, clippy::use_self, clippy::or_fun_call)]
#[path = "fuzz/src/lib.rs"]
mod tlscensus_fuzz;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// What a child process took.
#[derive(Clone, Copy)]
struct Spent {
    processor: Duration,
    /// Most memory that it had at the same time.
    memory: u64,
}

/// One after the other: what is measured is not to be disturbed by the next.
static ALONE: Mutex<()> = Mutex::new(());

/// Run the program to its end. `code` is what it has to say of the input.
fn run(arguments: &[&str], code: &[i32]) -> Spent {
    let child = Command::new(env!("CARGO_BIN_EXE_tlscensus"))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (status, spent) = wait(child.id());
    assert!(code.contains(&status), "{arguments:?}: exit code {status}");
    spent
}

/// Wait for a child, and ask what it took.
///
/// What the kernel calls the most memory of a child is at least what its parent had when it began:
/// the child is asked itself, while it lives.
#[allow(unsafe_code, reason = "the standard library does not tell what a child took")]
fn wait(child: u32) -> (i32, Spent) {
    let mut status = 0;
    // SAFETY: all zeros is a value of this structure of numbers.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    let pid = libc::pid_t::try_from(child).unwrap();
    let mut memory = 0;
    loop {
        memory = most_memory(child).max(memory);
        // SAFETY: both pointers are to live variables of the types that the call fills; the child
        // is ours, and nobody else waits for it.
        let waited = unsafe { libc::wait4(pid, &raw mut status, libc::WNOHANG, &raw mut usage) };
        if waited != 0 {
            assert_eq!(waited, pid);
            break;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let time = |time: libc::timeval| {
        Duration::from_secs(time.tv_sec.unsigned_abs())
            + Duration::from_micros(time.tv_usec.unsigned_abs())
    };
    let processor = time(usage.ru_utime) + time(usage.ru_stime);
    let code = if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { -1 };
    (code, Spent { processor, memory })
}

/// The most memory that a process has had so far, in bytes.
fn most_memory(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    let kibibytes = line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or_default();
    kibibytes * 1024
}

/// What a bomb may cost.
struct Bound {
    /// Nanoseconds of processor for each byte, in a build for use; one for tests takes twenty times
    /// that.
    nanoseconds: f64,
    /// Mebibytes of memory at most, at twice the size.
    memory: u64,
}

/// Read a bomb of `size` units and one of twice as many.
fn measure(name: &str, bound: &Bound, size: usize, make: impl Fn(usize) -> Vec<u8>) {
    measure_file(name, bound, size, "bomb.pcap", &["read"], &[0, 4], make);
}

fn measure_file(
    name: &str,
    bound: &Bound,
    size: usize,
    file: &str,
    command: &[&str],
    code: &[i32],
    make: impl Fn(usize) -> Vec<u8>,
) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(file);
    let arguments: Vec<&str> = command.iter().copied().chain([path.to_str().unwrap()]).collect();
    // What the program takes for nothing is not the bomb's: stores, tables, threads.
    fs::write(&path, make(1)).unwrap();
    let idle = run(&arguments, &[0, 1, 2, 4]);
    let taken = |size: usize| {
        let bytes = make(size);
        fs::write(&path, &bytes).unwrap();
        let spent = run(&arguments, code);
        (bytes.len(), spent.processor.saturating_sub(idle.processor), spent.memory)
    };
    let (bytes, once, memory) = taken(size);
    let (more_bytes, mut twice, more_memory) = taken(2 * size);
    let ratio = more_bytes as f64 / bytes as f64;
    // A quadratic cost would be four times; what is small is noise.
    let most = once.mul_f64(ratio * 1.5) + Duration::from_millis(150);
    if twice > most {
        // Whoever else uses the processor uses its caches too: once more.
        twice = taken(2 * size).1.min(twice);
    }
    let per_byte = twice.as_nanos() as f64 / more_bytes as f64;
    eprintln!(
        "| {name} | {:.1} MB, {:.1} MB | {:.2} s, {:.2} s | {per_byte:.1} ns | {} ns | {} MiB, {} MiB | {} MiB |",
        bytes as f64 / 1e6,
        more_bytes as f64 / 1e6,
        once.as_secs_f64(),
        twice.as_secs_f64(),
        bound.nanoseconds,
        memory >> 20,
        more_memory >> 20,
        bound.memory,
    );
    assert!(twice <= most, "{name}: {once:?} for {bytes} bytes, {twice:?} for {more_bytes}");
    let slow = if cfg!(debug_assertions) { 20.0 } else { 1.0 };
    let bound_in_time = Duration::from_millis(200)
        + Duration::from_secs_f64(bound.nanoseconds * slow * more_bytes as f64 / 1e9);
    assert!(twice <= bound_in_time, "{name}: {twice:?}, more than {bound_in_time:?}");
    assert!(more_memory >> 20 <= bound.memory, "{name}: {} MiB", more_memory >> 20);
}

// Captures, packet by packet.

/// A classic capture of Ethernet.
struct Capture {
    bytes: Vec<u8>,
    microseconds: u64,
}

const SYN: u8 = 0x02;
const ACK: u8 = 0x10;

impl Capture {
    fn new() -> Self {
        let mut bytes = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        bytes.extend([0, 0, 4, 0, 1, 0, 0, 0]);
        Self { bytes, microseconds: 1_700_000_000_000_000 }
    }

    fn frame(&mut self, frame: &[u8]) {
        self.microseconds += 10;
        let (seconds, rest) = (self.microseconds / 1_000_000, self.microseconds % 1_000_000);
        for word in [seconds as u32, rest as u32, frame.len() as u32, frame.len() as u32] {
            self.bytes.extend(word.to_le_bytes());
        }
        self.bytes.extend(frame);
    }

    fn ip(&mut self, protocol: u8, source: u32, target: u32, fragment: u16, body: &[u8]) {
        self.frame(&ethernet(&ipv4(protocol, source, target, fragment, body)));
    }

    fn tcp(&mut self, client: Ends, to_server: bool, seq: u32, flags: u8, payload: &[u8]) {
        let Ends { client, port, server, service } = client;
        let (source, from, target, to) = if to_server {
            (client, port, server, service)
        } else {
            (server, service, client, port)
        };
        let mut segment = Vec::with_capacity(20 + payload.len());
        segment.extend(from.to_be_bytes());
        segment.extend(to.to_be_bytes());
        segment.extend(seq.to_be_bytes());
        segment.extend([0, 0, 0, 1, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        segment.extend(payload);
        self.ip(6, source, target, 0, &segment);
    }

    fn udp(&mut self, ends: Ends, to_server: bool, payload: &[u8]) {
        let Ends { client, port, server, service } = ends;
        let (source, from, target, to) = if to_server {
            (client, port, server, service)
        } else {
            (server, service, client, port)
        };
        let mut datagram = Vec::with_capacity(8 + payload.len());
        datagram.extend(from.to_be_bytes());
        datagram.extend(to.to_be_bytes());
        datagram.extend((payload.len() as u16 + 8).to_be_bytes());
        datagram.extend([0, 0]);
        datagram.extend(payload);
        self.ip(17, source, target, 0, &datagram);
    }
}

/// The ends of a conversation.
#[derive(Clone, Copy)]
struct Ends {
    client: u32,
    port: u16,
    server: u32,
    service: u16,
}

/// The `number`th of many conversations.
fn ends(number: usize) -> Ends {
    let client = 0x0a00_0000 + (number / 50_000) as u32;
    Ends { client, port: 1_024 + (number % 50_000) as u16, server: 0x0aff_0001, service: 443 }
}

fn ethernet(packet: &[u8]) -> Vec<u8> {
    [&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0][..], packet].concat()
}

fn ipv4(protocol: u8, source: u32, target: u32, fragment: u16, body: &[u8]) -> Vec<u8> {
    let size = (body.len() as u16 + 20).to_be_bytes();
    let [high, low] = fragment.to_be_bytes();
    let head = [0x45, 0, size[0], size[1], 0, 7, high, low, 64, protocol, 0, 0];
    [&head[..], &source.to_be_bytes(), &target.to_be_bytes(), body].concat()
}

fn block(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat()
}

fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 3, 3][..], &block(body)].concat()
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let size = (body.len() as u32).to_be_bytes();
    [&[kind][..], &size[1..], body].concat()
}

/// A ClientHello with these suites and extensions.
fn hello(suites: &[u16], extensions: &[u8]) -> Vec<u8> {
    let suites: Vec<u8> = suites.iter().flat_map(|suite| suite.to_be_bytes()).collect();
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.push(0);
    body.extend(block(&suites));
    body.extend([1, 0]);
    body.extend(block(extensions));
    message(1, &body)
}

/// Records of a long message.
fn records(message: &[u8]) -> Vec<u8> {
    message.chunks(16_000).flat_map(|piece| record(22, piece)).collect()
}

fn sni(name: &str) -> Vec<u8> {
    let entry = [&[0][..], &block(name.as_bytes())].concat();
    [&[0, 0][..], &block(&block(&entry))].concat()
}

/// The stream of one end, in segments of `size` bytes.
fn stream(capture: &mut Capture, ends: Ends, to_server: bool, bytes: &[u8], size: usize) {
    for (piece, at) in bytes.chunks(size).zip((0_u32..).step_by(size)) {
        capture.tcp(ends, to_server, 100 + at, ACK, piece);
    }
}

// The bombs.

#[test]
fn one_byte_segments() {
    let bound = Bound { nanoseconds: 40.0, memory: 200 };
    measure("one-byte segments", &bound, 60, |size| {
        let mut capture = Capture::new();
        let bytes = record(22, &hello(&[0xc02f], &sni("one.example")));
        for number in 0..size {
            capture.tcp(ends(number), true, 99, SYN, &[]);
            stream(&mut capture, ends(number), true, &bytes, 1);
        }
        // And a message that is never whole.
        let endless = records(&message(1, &vec![3; 500 * size]));
        stream(&mut capture, ends(size), true, &endless, 1);
        capture.bytes
    });
}

#[test]
fn overlapping_segments_behind_a_hole() {
    let bound = Bound { nanoseconds: 40.0, memory: 200 };
    measure("overlapping segments behind a hole", &bound, 3_000, |size| {
        let mut capture = Capture::new();
        capture.tcp(ends(0), true, 99, SYN, &[]);
        stream(&mut capture, ends(0), true, &record(22, &hello(&[0xc02f], &[]))[..20], 20);
        for number in 0..size as u32 {
            // Backwards, each over the one before, and forwards in between.
            let seq = 100_000_u32.wrapping_sub(number % 5_000 * 3).wrapping_add(number % 7 * 900);
            capture.tcp(ends(0), true, seq, ACK, &[number as u8; 1_000]);
        }
        capture.bytes
    });
}

#[test]
fn overlapping_fragments() {
    let bound = Bound { nanoseconds: 60.0, memory: 200 };
    measure("overlapping IP fragments", &bound, 20_000, |size| {
        let mut capture = Capture::new();
        for number in 0..size as u32 {
            let offset = (number % 8_000) as u16 | 0x2000;
            capture.ip(6, 0x0a00_0001 + number / 300, 0x0aff_0001, offset, &[number as u8; 64]);
        }
        capture.bytes
    });
}

#[test]
fn nested_tunnels() {
    let bound = Bound { nanoseconds: 20.0, memory: 200 };
    measure("nested tunnels and tags", &bound, 300, |size| {
        let mut capture = Capture::new();
        for number in 0..size as u32 {
            let mut packet = ipv4(6, number, 1, 0, &[0; 20]);
            while packet.len() < 8_000 {
                packet = ipv4(4, number, 1, 0, &packet);
            }
            capture.frame(&ethernet(&packet));
            let tags: Vec<u8> = (0..2_000_u16).flat_map(|tag| [0x81, 0, 0, tag as u8]).collect();
            capture.frame(&[&[2; 12][..], &tags, &[8, 0], &packet[..60]].concat());
            let labels: Vec<u8> = (0..2_000_u32).flat_map(|_| [0, 0, 0x10, 64]).collect();
            capture.frame(&[&[2; 12][..], &[0x88, 0x47], &labels].concat());
        }
        capture.bytes
    });
}

#[test]
fn record_bombs() {
    let bound = Bound { nanoseconds: 60.0, memory: 200 };
    measure("tiny and empty records, alerts", &bound, 150, |size| {
        let mut capture = Capture::new();
        let body = hello(&[0xc02f], &sni("bomb.example"));
        let tiny: Vec<u8> = body.iter().flat_map(|byte| record(22, &[*byte])).collect();
        let empty: Vec<u8> = (0..2_000).flat_map(|_| record(22, &[])).collect();
        let alerts: Vec<u8> = (0..500).flat_map(|_| record(21, &[1, 0])).collect();
        let requests: Vec<u8> = (0..500).flat_map(|_| record(22, &[0; 4])).collect();
        for (number, bytes) in (0..size).zip([tiny, empty, alerts, requests].iter().cycle()) {
            stream(&mut capture, ends(number), true, bytes, 1_400);
            stream(&mut capture, ends(number), false, &record(22, &message(2, &[3; 40])), 1_400);
            stream(&mut capture, ends(number), false, bytes, 1_400);
        }
        capture.bytes
    });
}

#[test]
fn extension_bombs() {
    let bound = Bound { nanoseconds: 120.0, memory: 300 };
    measure("hellos of 16,000 extensions, 30,000 suites", &bound, 24, |size| {
        let mut capture = Capture::new();
        for number in 0..size {
            let extensions: Vec<u8> = (0..16_000_u16)
                .flat_map(|kind| [kind.wrapping_mul(7).to_be_bytes(), [0, 0]].concat())
                .collect();
            let suites: Vec<u16> = (0..30_000).map(|suite| suite ^ number as u16).collect();
            let body = records(&hello(&suites, &extensions));
            stream(&mut capture, ends(number), true, &body, 1_400);
        }
        capture.bytes
    });
}

#[test]
fn look_alike_issuers() {
    // Sixteen certificates of one name, none of which signed the others: each chain costs at most
    // as many signatures as the search may check.
    let names: Vec<Vec<u8>> = (0..60)
        .map(|number| {
            let authority = |serial: usize| {
                let key = KeyPair::generate().unwrap();
                let mut params = CertificateParams::default();
                params.distinguished_name.push(DnType::CommonName, "Look Alike");
                params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
                params.serial_number = Some((serial as u64).into());
                (params, key)
            };
            let (params, key) = authority(number);
            let issuer = Issuer::new(params, key);
            let others = (0..15).map(|serial| {
                let (params, key) = authority(1_000 + serial);
                params.signed_by(&key, &issuer).unwrap().der().to_vec()
            });
            let list: Vec<u8> = others
                .flat_map(|der| [&(der.len() as u32).to_be_bytes()[1..], &der].concat())
                .collect();
            let size = (list.len() as u32).to_be_bytes();
            records(&message(11, &[&size[1..], &list].concat()))
        })
        .collect();
    let bound = Bound { nanoseconds: 2_500.0, memory: 200 };
    measure("chains of look-alike issuers", &bound, 30, |size| {
        let mut capture = Capture::new();
        let mut answer = vec![3, 3];
        answer.extend([9; 32]);
        answer.extend([0, 0xc0, 0x2f, 0]);
        for (number, chain) in names.iter().take(size).enumerate() {
            let body = record(22, &hello(&[0xc02f], &sni("alike.example")));
            stream(&mut capture, ends(number), true, &body, 1_400);
            let answers = [record(22, &message(2, &answer)), chain.clone()].concat();
            stream(&mut capture, ends(number), false, &answers, 1_400);
        }
        capture.bytes
    });
}

#[test]
fn many_hosts_servers_and_names() {
    let bound = Bound { nanoseconds: 250.0, memory: 400 };
    measure("a host, server and name a connection", &bound, 6_000, |size| {
        let mut capture = Capture::new();
        for number in 0..size {
            let server = 0x0b00_0000 + number as u32;
            let ends =
                Ends { client: 0x0a00_0000 + number as u32, port: 5_000, server, service: 443 };
            let name = sni(&format!("{number}.bomb.example"));
            let body = record(22, &hello(&[0xc02f, number as u16 ^ 0x3000], &name));
            stream(&mut capture, ends, true, &body, 1_400);
            let mut answer = vec![3, 3];
            answer.extend([9; 32]);
            answer.extend([0, 0xc0, 0x2f, 0]);
            stream(&mut capture, ends, false, &record(22, &message(2, &answer)), 1_400);
        }
        capture.bytes
    });
}

#[test]
fn many_names_on_one_host() {
    let bound = Bound { nanoseconds: 250.0, memory: 400 };
    measure("one host, an offer and name a connection", &bound, 6_000, |size| {
        let mut capture = Capture::new();
        for number in 0..size {
            let ends = Ends {
                client: 0x0a00_0001,
                port: 1_024 + number as u16,
                server: 0x0b00_0000,
                service: 443,
            };
            let name = sni(&format!("{number}.bomb.example"));
            let body = record(22, &hello(&[0xc02f, number as u16 ^ 0x3000], &name));
            stream(&mut capture, ends, true, &body, 1_400);
        }
        capture.bytes
    });
}

#[test]
fn more_flows_than_are_watched() {
    // Each of them may yet become TLS: beyond the bound each evicts another.
    let bound = Bound { nanoseconds: 60.0, memory: 900 };
    measure("a flood of flows that all are watched", &bound, 180_000, |size| {
        let mut capture = Capture::new();
        for number in 0..size {
            capture.tcp(ends(number), true, 100, ACK, &[22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3]);
        }
        capture.bytes
    });
}

#[test]
fn more_datagram_flows_than_are_watched() {
    let bound = Bound { nanoseconds: 60.0, memory: 900 };
    measure("the same in DTLS", &bound, 120_000, |size| {
        let mut capture = Capture::new();
        let mut datagram = vec![22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 54, 1, 0, 0, 42];
        datagram.extend([0, 0, 0, 0, 0, 0, 0, 42, 0xfe, 0xfd]);
        datagram.extend([7; 32]);
        datagram.extend([0, 0, 0, 2, 0xc0, 0x2f, 1, 0]);
        for number in 0..size {
            capture.udp(ends(number), true, &datagram);
        }
        capture.bytes
    });
}

#[test]
fn a_flood_of_syns() {
    let bound = Bound { nanoseconds: 30.0, memory: 150 };
    measure("a flood of SYNs", &bound, 100_000, |size| {
        let mut capture = Capture::new();
        for number in 0..size {
            capture.tcp(ends(number), true, number as u32, SYN, &[]);
        }
        capture.bytes
    });
}

#[test]
fn sslv2_bombs() {
    let bound = Bound { nanoseconds: 80.0, memory: 200 };
    measure("hellos of SSL 2.0 with 5,400 ciphers", &bound, 30, |size| {
        let mut capture = Capture::new();
        let ciphers: Vec<u8> =
            (0..5_400_u32).flat_map(|kind| [1, (kind >> 8) as u8, kind as u8]).collect();
        let mut body = vec![1, 0, 2];
        body.extend((ciphers.len() as u16).to_be_bytes());
        body.extend([0, 0, 0, 16]);
        body.extend(&ciphers);
        body.extend([7; 16]);
        let bytes = [&(0x8000 | body.len() as u16).to_be_bytes()[..], &body].concat();
        for number in 0..size {
            stream(&mut capture, ends(number), true, &bytes, 1_400);
        }
        capture.bytes
    });
}

#[test]
fn radius_bombs() {
    let bound = Bound { nanoseconds: 80.0, memory: 300 };
    measure("log-ins in RADIUS that never end", &bound, 20_000, |size| {
        let mut capture = Capture::new();
        let piece = record(22, &hello(&[0xc02f], &[]));
        for number in 0..size {
            let eap_size = (piece.len() as u16 + 10).to_be_bytes();
            // Length and more-fragments flags, and a length of what will never come.
            let mut eap =
                vec![2, number as u8, eap_size[0], eap_size[1], 13, 0xc0, 0, 0, 0xff, 0xff];
            eap.extend(&piece);
            let mut attributes = vec![79, eap.len() as u8 + 2];
            attributes.extend(eap);
            attributes.extend([24, 6]);
            attributes.extend((number as u32).to_be_bytes());
            let size = (attributes.len() as u16 + 20).to_be_bytes();
            let mut datagram = vec![1, number as u8, size[0], size[1]];
            datagram.extend([7; 16]);
            datagram.extend(attributes);
            let service = 1812;
            capture.udp(Ends { service, ..ends(number) }, true, &datagram);
        }
        capture.bytes
    });
}

#[test]
fn quic_bombs() {
    let bound = Bound { nanoseconds: 2_000.0, memory: 400 };
    measure("QUIC: CRYPTO frames of one byte, scattered", &bound, 1_000, |size| {
        let mut capture = Capture::new();
        for number in 0..size {
            let id = (number as u64).to_be_bytes();
            for packet in 0..4_u8 {
                // Offsets of two bytes (RFC 9000 §16), a hole between each and the next.
                let frames: Vec<u8> = (0..200_u16)
                    .flat_map(|at| {
                        let offset = ((at * 4 + u16::from(packet)) * 2) | 0x4000;
                        let [high, low] = offset.to_be_bytes();
                        [6, high, low, 1, 3]
                    })
                    .collect();
                let sealed = tlscensus_fuzz::quic::seal(0, true, &id, packet, &frames);
                capture.udp(ends(number), true, &sealed);
            }
        }
        capture.bytes
    });
}

// Files.

#[test]
fn a_million_interfaces() {
    let bound = Bound { nanoseconds: 40.0, memory: 200 };
    measure_file(
        "pcapng: 500,000 and a million interfaces",
        &bound,
        500_000,
        "bomb.pcapng",
        &["read"],
        &[0, 4],
        |size| {
            let mut bytes = Vec::new();
            let section = |bytes: &mut Vec<u8>| {
                for word in [0x0a0d_0d0a_u32, 28, 0x1a2b_3c4d, 1, u32::MAX, u32::MAX, 28] {
                    bytes.extend(word.to_le_bytes());
                }
            };
            for number in 0..size {
                if number % 60_000 == 0 {
                    section(&mut bytes);
                }
                for word in [1_u32, 20, 1, 0, 20] {
                    bytes.extend(word.to_le_bytes());
                }
            }
            bytes
        },
    );
}

#[test]
fn decompression_bombs() {
    // The cost is that of what is unpacked: 1,000 times what is read, as the format allows.
    for (name, file, packer) in [
        ("gzip: 1,000 to 1", "bomb.pcap.gz", &["gzip", "-9"][..]),
        ("xz: 6,000 to 1", "bomb.pcap.xz", &["xz", "-1"]),
        ("zstd: 10,000 to 1", "bomb.pcap.zst", &["zstd", "-q"]),
    ] {
        if Command::new(packer[0]).arg("--version").output().is_err() {
            eprintln!("skipped: no {} here", packer[0]);
            continue;
        }
        let nanoseconds = if name.starts_with("gzip") { 6_000.0 } else { 60_000.0 };
        let bound = Bound { nanoseconds, memory: 250 };
        measure_file(name, &bound, 1_000, file, &["read"], &[0, 1, 4], |size| {
            let mut capture = Capture::new();
            for _ in 0..size {
                capture.frame(&vec![0; 60_000]);
            }
            let mut child = Command::new(packer[0])
                .args(&packer[1..])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut stdin = child.stdin.take().unwrap();
            let writer = std::thread::spawn(move || stdin.write_all(&capture.bytes).unwrap());
            let packed = child.wait_with_output().unwrap().stdout;
            writer.join().unwrap();
            packed
        });
    }
}

#[test]
fn policy_bombs() {
    let bound = Bound { nanoseconds: 800.0, memory: 300 };
    let check = ["policy", "check"];
    measure_file("a policy of many suites", &bound, 20_000, "p.toml", &check, &[2], |size| {
        let list = (0..size).fold(String::new(), |text, n| text + &format!("\"TLS_BOMB_{n}\",\n"));
        format!("id = \"x\"\ntitle = \"x\"\nsuites = [{list}]\n").into_bytes()
    });
    measure_file("a policy of nested lists", &bound, 20_000, "p.toml", &check, &[2], |size| {
        format!("id = {}{}\n", "[".repeat(size), "]".repeat(size)).into_bytes()
    });
    measure_file("a policy of many keys", &bound, 10_000, "p.toml", &check, &[2], |size| {
        (0..size).fold(String::new(), |text, n| text + &format!("a{n}.b.c = {n}\n")).into_bytes()
    });
}

#[test]
fn exceptions_bombs() {
    let bound = Bound { nanoseconds: 800.0, memory: 300 };
    let office = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/office-network.pcap");
    let command = ["read", "-q", office.to_str().unwrap(), "--exceptions"];
    measure_file("a file of many exceptions", &bound, 4_000, "e.toml", &command, &[0], |size| {
        (0..size)
            .fold(String::new(), |text, number| {
                let host = format!("10.20.{}.{}", number / 250 % 250, number % 250);
                text + &format!(
                    "[[exception]]\nowner = \"x\"\nreason = \"y\"\nexpires = 2027-06-30\n\
                     host = \"{host}\"\n"
                )
            })
            .into_bytes()
    });
}
