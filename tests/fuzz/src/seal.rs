//! Initial packets of QUIC, sealed as an end seals them (RFC 9001 §5, RFC 9369 §3.3), by code that shares
//! nothing with the program.

use aws_lc_rs::aead::quic::{AES_128, HeaderProtectionKey};
use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};

/// Version, salt, the names of its labels (RFC 9001 §5.2, RFC 9369 §3.3), and the first byte of an
/// Initial packet.
const VERSIONS: [(u32, &str, [&str; 3], u8); 2] = [
    (1, "38762cf7f55934b34d179ae6a4c80cadccbb7f0a", ["quic key", "quic iv", "quic hp"], 0xc0),
    (
        0x6b33_43cf,
        "0dede3def700a6db819381be6e269dcbf9bd2ed9",
        ["quicv2 key", "quicv2 iv", "quicv2 hp"],
        0xd0,
    ),
];

/// An Initial packet of either end.
pub struct Initial<'a> {
    /// Of QUIC: 1 or 2.
    pub version: u8,
    pub from_client: bool,
    /// The id that its keys derive from: the first that the client sent to.
    pub keys: &'a [u8],
    pub target: &'a [u8],
    pub source: &'a [u8],
    pub token: &'a [u8],
    pub number: u32,
    /// Bytes of the number that are written, 1 to 4.
    pub width: u8,
}

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

/// The number of a version of QUIC.
pub fn number(version: u8) -> u32 {
    VERSIONS[usize::from(version) - 1].0
}

/// The packet with these frames; behind few of them comes padding.
pub fn seal(packet: &Initial<'_>, frames: &[u8]) -> Vec<u8> {
    let (version, salt, [key, iv, hp], kind) = VERSIONS[usize::from(packet.version) - 1];
    let salt: Vec<u8> = (0..salt.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&salt[at..at + 2], 16).unwrap())
        .collect();
    let initial = Salt::new(HKDF_SHA256, &salt).extract(packet.keys);
    let label = if packet.from_client { "client in" } else { "server in" };
    let secret = Prk::new_less_safe(HKDF_SHA256, &expand::<32>(&initial, label));
    let key = expand::<16>(&secret, key);
    let mut nonce = expand::<12>(&secret, iv);
    for (slot, byte) in nonce[8..].iter_mut().zip(packet.number.to_be_bytes()) {
        *slot ^= byte;
    }
    let mut body = frames.to_vec();
    body.resize(body.len().max(24), 0);
    let width = usize::from(packet.width);
    // The number, and sixteen bytes of tag.
    let length = u16::try_from(body.len() + width + 16).unwrap() | 0x4000;
    let mut out = vec![kind | (packet.width - 1)];
    out.extend(version.to_be_bytes());
    for id in [packet.target, packet.source] {
        out.push(u8::try_from(id.len()).unwrap());
        out.extend(id);
    }
    out.extend((u16::try_from(packet.token.len()).unwrap() | 0x4000).to_be_bytes());
    out.extend(packet.token);
    out.extend(length.to_be_bytes());
    let number_at = out.len();
    out.extend(&packet.number.to_be_bytes()[4 - width..]);
    let sealing = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).unwrap());
    let nonce = Nonce::assume_unique_for_key(nonce);
    sealing.seal_in_place_append_tag(nonce, Aad::from(&out), &mut body).unwrap();
    out.extend(body);
    let hp = HeaderProtectionKey::new(&AES_128, &expand::<16>(&secret, hp)).unwrap();
    let [first, rest @ ..] = hp.new_mask(&out[number_at + 4..number_at + 20]).unwrap();
    out[0] ^= first & 0x0f;
    for (slot, mask) in out[number_at..number_at + width].iter_mut().zip(rest) {
        *slot ^= mask;
    }
    out
}
