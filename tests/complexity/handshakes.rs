//! Bombs of what is said in a handshake: records, hellos, certificates, hosts and names.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use super::capture::{Capture, Ends, ends, hello, message, record, records, sni, stream};
use super::{Bound, measure};

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
fn many_names_of_one_server() {
    let bound = Bound { nanoseconds: 250.0, memory: 400 };
    measure("one server, a host and name a connection", &bound, 6_000, |size| {
        let mut capture = Capture::new();
        for number in 0..size {
            let client = 0x0a00_0000 + number as u32;
            let ends = Ends { client, port: 5_000, server: 0x0b00_0000, service: 443 };
            let name = sni(&format!("{number}.bomb.example"));
            stream(&mut capture, ends, true, &record(22, &hello(&[0xc02f, 0x002f], &name)), 1_400);
            let mut answer = vec![3, 1];
            answer.extend([9; 32]);
            answer.extend([0, 0x00, 0x2f, 0]);
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
