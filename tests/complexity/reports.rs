//! Bombs of what a report adds up: names that join hosts, retries, issuers that look alike.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair};

use super::capture::{ACK, Capture, Ends, ends, hello, message, record, records, stream};
use super::{Bound, measure};

#[test]
fn names_that_lead_from_host_to_host() {
    let bound = Bound { nanoseconds: 250.0, memory: 400 };
    measure("hosts that share a name with the next each", &bound, 3_000, |size| {
        let mut capture = Capture::new();
        for number in 0..size {
            let client = 0x0a00_0000 + number as u32;
            let ends = Ends { client, port: 5_000, server: 0x0b00_0000, service: 443 };
            stream(&mut capture, ends, true, &record(22, &hello(&[0xc02f], &[])), 1_400);
            // RFC 6762 §6: what it is called, and what the one before it is called too. The names
            // count down where the addresses count up.
            let mut said = vec![0, 0, 0x84, 0, 0, 0, 0, 2, 0, 0, 0, 0];
            for link in [size - number, size - number + 1] {
                said.push(8);
                said.extend(format!("h{link:07}").bytes());
                said.extend([5, b'l', b'o', b'c', b'a', b'l', 0]);
                said.extend([0, 1, 0x80, 1, 0, 0, 0, 120, 0, 4]);
                said.extend(client.to_be_bytes());
            }
            let neighbours = Ends { client, port: 5_353, server: 0xe000_00fb, service: 5_353 };
            capture.udp(neighbours, true, &said);
        }
        capture.bytes
    });
}

#[test]
fn retries_with_many_suites() {
    let bound = Bound { nanoseconds: 250.0, memory: 300 };
    measure("six offers of many suites, and their retries", &bound, 8_000, |size| {
        let mut capture = Capture::new();
        let suites: Vec<u16> = (0x1400..).take(size).collect();
        let reversed: Vec<u16> = suites.iter().rev().copied().collect();
        for number in 0..12 {
            let (list, version) = if number < 6 { (&suites, 3) } else { (&reversed, 1) };
            // An offer of its own: an extension that no other has.
            let mut body = hello(list, &[0x40, number as u8, 0, 0]);
            if let Some(minor) = body.get_mut(5) {
                *minor = version;
            }
            stream(&mut capture, ends(number), true, &records(&body), 1_400);
            capture.tcp(ends(number), false, 100, ACK | 0x04, &[]);
        }
        capture.bytes
    });
}

#[test]
fn issuers_of_one_name_and_key() {
    let key = KeyPair::generate().unwrap();
    let bound = Bound { nanoseconds: 2_500.0, memory: 400 };
    measure("certificates of one name, by nobody", &bound, 4_000, |size| {
        let mut capture = Capture::new();
        let mut answer = vec![3, 3];
        answer.extend([9; 32]);
        answer.extend([0, 0xc0, 0x2f, 0]);
        for number in 0..size {
            let mut params = CertificateParams::default();
            params.distinguished_name.push(DnType::CommonName, "Look Alike");
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.serial_number = Some((number as u64).into());
            let mut der = params.self_signed(&key).unwrap().der().to_vec();
            // It names itself as its issuer, and is not.
            if let Some(signature) = der.last_mut() {
                *signature ^= 1;
            }
            let list = [&(der.len() as u32).to_be_bytes()[1..], &der].concat();
            let length = (list.len() as u32).to_be_bytes();
            let chain = records(&message(11, &[&length[1..], &list].concat()));
            let server = 0x0b00_0000 + number as u32;
            let ends = Ends { server, ..ends(number) };
            stream(&mut capture, ends, true, &record(22, &hello(&[0xc02f], &[])), 1_400);
            let answers = [record(22, &message(2, &answer)), chain].concat();
            stream(&mut capture, ends, false, &answers, 1_400);
        }
        capture.bytes
    });
}
