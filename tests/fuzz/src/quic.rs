//! QUIC: datagrams of packets that are sealed here, so that what is fuzzed is what is inside.

use std::time::Duration;

use aws_lc_rs::aead::quic::{AES_128, HeaderProtectionKey};
use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};

use super::dtls::{Sent, converse, limits};
use super::heap;
use super::input::Input;

/// Version, salt and the names of its labels (RFC 9001 §5.2, RFC 9369 §3.3).
const VERSIONS: [(u32, &str, [&str; 3]); 2] = [
    (1, "38762cf7f55934b34d179ae6a4c80cadccbb7f0a", ["quic key", "quic iv", "quic hp"]),
    (
        0x6b33_43cf,
        "0dede3def700a6db819381be6e269dcbf9bd2ed9",
        ["quicv2 key", "quicv2 iv", "quicv2 hp"],
    ),
];

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

fn expand<const N: usize>(secret: &Prk, label: &str) -> [u8; N] {
    let name = format!("tls13 {label}");
    let size = u16::try_from(N).unwrap().to_be_bytes();
    let info = [&size[..], &[u8::try_from(name.len()).unwrap()], name.as_bytes(), &[0]].concat();
    let mut out = [0; N];
    secret.expand(&[&info], Length(N)).unwrap().fill(&mut out).unwrap();
    out
}

/// An Initial packet of either end, of a connection whose first id was `id`.
pub fn seal(version: usize, from_client: bool, id: &[u8], number: u8, frames: &[u8]) -> Vec<u8> {
    let (version, salt, [key, iv, hp]) = VERSIONS[version];
    let salt: Vec<u8> = (0..salt.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&salt[at..at + 2], 16).unwrap())
        .collect();
    let initial = Salt::new(HKDF_SHA256, &salt).extract(id);
    let label = if from_client { "client in" } else { "server in" };
    let secret = Prk::new_less_safe(HKDF_SHA256, &expand::<32>(&initial, label));
    let key = expand::<16>(&secret, key);
    let mut nonce = expand::<12>(&secret, iv);
    nonce[11] ^= number;
    let mut body = frames.to_vec();
    body.resize(body.len().max(24), 0);
    // One byte of packet number, sixteen of tag.
    let length = u16::try_from(body.len() + 17).unwrap() | 0x4000;
    let kind = if version == 1 { 0xc0 } else { 0xd0 };
    let (to, from) = if from_client { (id, &b"source"[..]) } else { (&b"source"[..], id) };
    let mut packet = vec![kind];
    packet.extend(version.to_be_bytes());
    for id in [to, from] {
        packet.push(u8::try_from(id.len()).unwrap());
        packet.extend(id);
    }
    packet.push(0);
    packet.extend(length.to_be_bytes());
    packet.push(number);
    let number_at = packet.len() - 1;
    let sealing = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).unwrap());
    let nonce = Nonce::assume_unique_for_key(nonce);
    sealing.seal_in_place_append_tag(nonce, Aad::from(&packet), &mut body).unwrap();
    packet.extend(body);
    let hp = HeaderProtectionKey::new(&AES_128, &expand::<16>(&secret, hp)).unwrap();
    let mask = hp.new_mask(&packet[number_at + 4..number_at + 20]).unwrap();
    packet[0] ^= mask[0] & 0x0f;
    packet[number_at] ^= mask[1];
    packet
}

pub fn check(data: &[u8]) {
    let mut input = Input(data);
    let mut sent: Vec<Sent> = Vec::new();
    while !input.is_empty() {
        let head = input.u8();
        let bytes = input.block();
        let bytes = &bytes[..bytes.len().min(1500)];
        let from_client = head & 8 == 0;
        let payload = if head & 0x40 == 0 {
            let id = [b'o', b'r', b'i', b'g', b'i', b'n', b'a', head & 0x20];
            let number = input.u8();
            seal(usize::from(head >> 4 & 1), from_client, &id, number & 0x3f, bytes)
        } else {
            bytes.to_vec()
        };
        // Several packets may share a datagram.
        if head & 0x80 != 0
            && let Some(last) = sent.last_mut()
            && last.from_client == from_client
        {
            last.payload.extend(payload);
            continue;
        }
        let pause = Duration::from_millis(u64::from(head & 7));
        sent.push(Sent { flow: head & 1, from_client, pause, payload, cut: 0 });
    }
    heap::bounded(data.len(), 4 << 20, 512, || converse(&sent, &limits()));
}
