//! A capture in which each handshake has a certificate chain of its own, so that nothing that is
//! remembered of a certificate helps with the next.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use crate::common;
use crate::packets::{self, Packet, SYN};

/// A recorded handshake of TLS 1.2, which shows its certificates.
const PLAYED: &str = "captures/tls12-ecdhe-ecdsa.pcap";

/// When these certificates are valid.
const YEARS: [i32; 2] = [2025, 2035];

/// Type of a record and of a message in it.
const HANDSHAKE: u8 = 22;
const CERTIFICATE: u8 = 11;

/// A capture of `count` such handshakes, and the root of all chains in PEM.
pub fn capture(count: u32) -> (Vec<u8>, String) {
    let root_key = KeyPair::generate().unwrap();
    let root_params = authority("Bench Root");
    let root = root_params.self_signed(&root_key).unwrap();
    let root_issuer = Issuer::new(root_params, root_key);
    let leaf_key = KeyPair::generate().unwrap();
    let recorded = packets::packets(&common::project(PLAYED));
    let mut played = Vec::new();
    for number in 0..count {
        let issuing_key = KeyPair::generate().unwrap();
        let issuing_params = authority(&format!("Bench Issuing CA {number}"));
        let issuing = issuing_params.signed_by(&issuing_key, &root_issuer).unwrap();
        let issuing_issuer = Issuer::new(issuing_params, issuing_key);
        let mut leaf = CertificateParams::new(vec![format!("host{number}.bench.test")]).unwrap();
        valid(&mut leaf);
        let leaf = leaf.signed_by(&leaf_key, &issuing_issuer).unwrap();
        play(&recorded, number, &[leaf.der(), issuing.der()], &mut played);
    }
    (packets::plain(&played), root.pem())
}

/// How many handshakes a capture has that is written to be read by the program itself.
const WRITTEN: u32 = 20_000;

/// Write such a capture and its root into a folder: `own-chains.pcap` and `own-chains.pem`.
pub fn write(folder: &Path) {
    let (capture, root) = capture(WRITTEN);
    std::fs::write(folder.join("own-chains.pcap"), capture).unwrap();
    std::fs::write(folder.join("own-chains.pem"), root).unwrap();
    println!("{WRITTEN} handshakes, {} certificates", 2 * WRITTEN);
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    valid(&mut params);
    params
}

fn valid(params: &mut CertificateParams) {
    let [from, to] = YEARS.map(|year| rcgen::date_time_ymd(year, 1, 1));
    params.not_before = from;
    params.not_after = to;
}

/// The recorded connection once more, by a client of its own, with these certificates.
fn play(recorded: &[Packet], number: u32, chain: &[&[u8]], played: &mut Vec<Packet>) {
    let client = recorded.iter().find(|packet| packet.is(SYN)).unwrap().from;
    let mut own = client;
    own.set_ip(IpAddr::V4(Ipv4Addr::from(0x0b00_0000 + number)));
    // The server's flight is written as one packet in place of its first, and not where the rest was.
    let mut flight = recorded.iter().filter(|packet| packet.from != client);
    let mut flight: Vec<&Packet> = flight.by_ref().filter(|p| !p.payload.is_empty()).collect();
    flight.truncate(2);
    let old: Vec<u8> = flight.iter().flat_map(|packet| packet.payload.clone()).collect();
    let new = exchanged(&old, chain);
    let grown = u32::try_from(new.len()).unwrap().wrapping_sub(u32::try_from(old.len()).unwrap());
    let behind = flight[1].data_seq();
    for packet in recorded {
        let mut packet = packet.clone();
        packet.at += u64::from(number) * 1_000;
        let mut tcp = packet.tcp.unwrap();
        if packet.from == client {
            packet.from = own;
            tcp.ack = tcp.ack.wrapping_add(if tcp.ack > behind { grown } else { 0 });
        } else {
            packet.to = own;
            if tcp.seq == flight[0].data_seq() && !packet.payload.is_empty() {
                packet.payload.clone_from(&new);
            } else if tcp.seq == behind && !packet.payload.is_empty() {
                continue;
            } else if tcp.seq > behind {
                tcp.seq = tcp.seq.wrapping_add(grown);
            }
        }
        packet.tcp = Some(tcp);
        played.push(packet);
    }
}

/// The records of a flight, each message in one of its own, with another Certificate message.
fn exchanged(flight: &[u8], chain: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = flight;
    while let [HANDSHAKE, 3, 3, high, low, behind @ ..] = rest {
        let (mut messages, next) = behind.split_at(usize::from(u16::from_be_bytes([*high, *low])));
        rest = next;
        while let [kind, a, b, c, behind @ ..] = messages {
            let size = u32::from_be_bytes([0, *a, *b, *c]) as usize;
            let (body, next) = behind.split_at(size);
            messages = next;
            let list: Vec<u8> = chain.iter().flat_map(|der| sized(der)).collect();
            let body = if *kind == CERTIFICATE { sized(&list) } else { body.to_vec() };
            let message = [&[*kind][..], &sized(&body)].concat();
            out.extend([HANDSHAKE, 3, 3]);
            out.extend(u16::try_from(message.len()).unwrap().to_be_bytes());
            out.extend(message);
        }
    }
    assert!(rest.is_empty(), "the flight is of whole records");
    out
}

/// Bytes behind their length in three.
fn sized(bytes: &[u8]) -> Vec<u8> {
    let size = u32::try_from(bytes.len()).unwrap().to_be_bytes();
    [&size[1..], bytes].concat()
}
