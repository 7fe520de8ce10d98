//! JA3, JA3S and JA4: names for what a hello looks like.
//!
//! JA3 and JA3S (Salesforce, BSD-3-Clause) are MD5 over decimal numbers; JA4 (FoxIO, BSD-3-Clause)
//! is readable in its first part and hashed in the others. The further methods of the JA4+ family
//! are patent pending and not free; none of them is here.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};
use md5::{Digest as _, Md5};

use super::Transport;
use super::codepoint::{ExtensionType, ProtocolVersion, is_grease};
use super::hello::{Offer, OfferId};

/// The JA3 string: version, suites, extensions, groups and point formats, GREASE left out.
pub fn ja3_raw(offer: &Offer) -> String {
    let mut text = String::with_capacity(256);
    append(&mut text, offer.legacy_version.0);
    text.push(',');
    list(&mut text, offer.cipher_suites.iter().filter_map(|suite| suite.code()));
    text.push(',');
    list(&mut text, offer.extensions.iter().map(|extension| extension.0));
    text.push(',');
    list(&mut text, offer.groups.iter().flatten().map(|group| group.0));
    text.push(',');
    list(&mut text, offer.point_formats.iter().map(|format| u16::from(*format)));
    text
}

/// The MD5 of a JA3 string.
pub fn ja3(raw: &str) -> String {
    hex(&Md5::digest(raw.as_bytes()))
}

/// JA3S: the MD5 over the version field, the suite and the extensions of a ServerHello.
pub fn ja3s(version: ProtocolVersion, suite: u16, extensions: &[ExtensionType]) -> String {
    let mut text = String::with_capacity(64);
    append(&mut text, version.0);
    text.push(',');
    append(&mut text, suite);
    text.push(',');
    let mut separator = "";
    for extension in extensions {
        text.push_str(separator);
        append(&mut text, extension.0);
        separator = "-";
    }
    ja3(&text)
}

/// JA4 of a ClientHello.
pub fn ja4(offer: &Offer, transport: Transport) -> String {
    let real = |code: &u16| !is_grease(*code);
    let mut suites: Vec<u16> =
        offer.cipher_suites.iter().filter_map(|suite| suite.code()).filter(real).collect();
    let mut extensions: Vec<u16> =
        offer.extensions.iter().map(|extension| extension.0).filter(real).collect();
    let mut text = String::with_capacity(36);
    text.push(match transport {
        Transport::Tcp => 't',
        Transport::Udp => 'd',
        Transport::Quic => 'q',
    });
    text.push_str(version(offer));
    let named = offer.extensions.contains(&ExtensionType::SERVER_NAME);
    text.push(if named { 'd' } else { 'i' });
    let _ = write!(text, "{:02}{:02}", suites.len().min(99), extensions.len().min(99));
    protocol(&mut text, offer.alpn.first().map(|name| &**name));
    suites.sort_unstable();
    text.push('_');
    text.push_str(&truncated_hash(&hex_list(&suites)));
    extensions
        .retain(|&code| code != ExtensionType::SERVER_NAME.0 && code != ExtensionType::ALPN.0);
    extensions.sort_unstable();
    let mut hashed = hex_list(&extensions);
    let schemes: Vec<u16> =
        offer.signature_algorithms.iter().flatten().map(|scheme| scheme.0).filter(real).collect();
    if !schemes.is_empty() {
        hashed.push('_');
        hashed.push_str(&hex_list(&schemes));
    }
    text.push('_');
    text.push_str(&truncated_hash(&hashed));
    text
}

/// The identity of an offer, see [`OfferId`].
pub fn identity(offer: &Offer) -> OfferId {
    let mut bytes = Vec::with_capacity(512);
    let flags = u8::from(offer.sslv2_format) | u8::from(offer.truncated) << 1;
    bytes.push(flags);
    bytes.extend(offer.legacy_version.0.to_be_bytes());
    // A list that is absent and one that is empty say different things: absent is 0xffffffff long.
    let mut list = |codes: Option<Vec<u32>>| {
        let count =
            codes.as_ref().map_or(u32::MAX, |codes| u32::try_from(codes.len()).unwrap_or(u32::MAX));
        bytes.extend(count.to_be_bytes());
        bytes.extend(codes.iter().flatten().flat_map(|code| code.to_be_bytes()));
    };
    let real = |code: u16| (!is_grease(code)).then_some(u32::from(code));
    list(
        offer
            .supported_versions
            .as_ref()
            .map(|all| all.iter().filter_map(|version| real(version.0)).collect()),
    );
    let suite = |code: u32| u16::try_from(code).map_or(Some(code), real);
    list(Some(offer.cipher_suites.iter().filter_map(|all| suite(all.0)).collect()));
    let mut extensions: Vec<u32> =
        offer.extensions.iter().filter_map(|extension| real(extension.0)).collect();
    extensions.sort_unstable();
    extensions.dedup();
    list(Some(extensions));
    list(offer.groups.as_ref().map(|all| all.iter().filter_map(|group| real(group.0)).collect()));
    list(
        offer
            .signature_algorithms
            .as_ref()
            .map(|all| all.iter().filter_map(|scheme| real(scheme.0)).collect()),
    );
    for name in &offer.alpn {
        bytes.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        bytes.extend_from_slice(name);
    }
    let hash = digest(&SHA256, &bytes);
    let mut id = OfferId::default();
    for (slot, byte) in id.0.iter_mut().zip(hash.as_ref()) {
        *slot = *byte;
    }
    id
}

/// The two characters of JA4 for the highest version offered.
fn version(offer: &Offer) -> &'static str {
    let listed = offer.supported_versions.iter().flatten().filter(|all| !is_grease(all.0));
    // Datagram versions count downwards; all others, drafts included, upwards.
    let rank = |version: &&ProtocolVersion| match version.0 {
        datagram @ 0xfe00..=0xfeff => !datagram,
        other => other,
    };
    match *listed.max_by_key(rank).unwrap_or(&offer.legacy_version) {
        ProtocolVersion::TLS1_3 => "13",
        ProtocolVersion::TLS1_2 => "12",
        ProtocolVersion::TLS1_1 => "11",
        ProtocolVersion::TLS1_0 => "10",
        ProtocolVersion::SSL3 => "s3",
        ProtocolVersion::SSL2 => "s2",
        ProtocolVersion::DTLS1_0 => "d1",
        ProtocolVersion::DTLS1_2 => "d2",
        ProtocolVersion::DTLS1_3 => "d3",
        _ => "00",
    }
}

/// First and last character of the first protocol name, or of its hex form if they are none.
fn protocol(text: &mut String, name: Option<&[u8]>) {
    let (Some(first), Some(last)) = (name.and_then(<[u8]>::first), name.and_then(<[u8]>::last))
    else {
        text.push_str("00");
        return;
    };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        text.push(char::from(*first));
        text.push(char::from(*last));
    } else {
        let _ = write!(text, "{:x}{:x}", first >> 4, last & 0xf);
    }
}

/// The first twelve hex digits of a SHA-256; zeros for an empty text.
fn truncated_hash(text: &str) -> String {
    if text.is_empty() {
        return "000000000000".to_owned();
    }
    let hash = digest(&SHA256, text.as_bytes());
    hex(hash.as_ref().get(..6).unwrap_or_default())
}

/// Four-digit hex numbers, separated by commas.
fn hex_list(codes: &[u16]) -> String {
    let mut text = String::with_capacity(codes.len().saturating_mul(5));
    for code in codes {
        let separator = if text.is_empty() { "" } else { "," };
        let _ = write!(text, "{separator}{code:04x}");
    }
    text
}

fn list(text: &mut String, codes: impl Iterator<Item = u16>) {
    let mut separator = "";
    for code in codes.filter(|code| !is_grease(*code)) {
        text.push_str(separator);
        append(text, code);
        separator = "-";
    }
}

fn append(text: &mut String, number: u16) {
    let _ = write!(text, "{number}");
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::codepoint::{CipherSuite, NamedGroup, SignatureScheme};

    /// The example of the JA4 specification: Chrome to a server that speaks h2.
    fn specification_example() -> Offer {
        let suites = [
            0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014,
            0x009c, 0x009d, 0x002f, 0x0035,
        ];
        let extensions = [
            0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d, 0x0005, 0x0023, 0x0012,
            0x002b, 0xff01, 0x000b, 0x000a, 0x0015,
        ];
        let schemes = [0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601];
        Offer {
            legacy_version: ProtocolVersion::TLS1_2,
            supported_versions: Some([0x5a5a, 0x0304, 0x0303].map(ProtocolVersion).to_vec()),
            cipher_suites: suites.map(CipherSuite::new).to_vec(),
            extensions: extensions.map(ExtensionType).to_vec(),
            signature_algorithms: Some(schemes.map(SignatureScheme).to_vec()),
            alpn: vec![b"h2"[..].into()],
            ..Offer::default()
        }
    }

    #[test]
    fn ja4_of_the_specification() {
        let offer = specification_example();
        assert_eq!(ja4(&offer, Transport::Tcp), "t13d1516h2_8daaf6152771_e5627efa2ab1");
    }

    #[test]
    fn ja4_leaves_grease_out_and_counts_to_99() {
        let mut offer = specification_example();
        offer.cipher_suites.insert(0, CipherSuite::new(0x3a3a));
        offer.extensions.push(ExtensionType(0xdada));
        assert_eq!(ja4(&offer, Transport::Tcp), "t13d1516h2_8daaf6152771_e5627efa2ab1");
        offer.cipher_suites = (0..200).map(CipherSuite::new).collect();
        assert!(ja4(&offer, Transport::Quic).starts_with("q13d9916h2_"));
    }

    #[test]
    fn ja4_names_protocols_that_are_no_text_by_their_hex_digits() {
        let with = |name: &[u8]| {
            let offer = Offer { alpn: vec![name.into()], ..specification_example() };
            ja4(&offer, Transport::Tcp)[8..10].to_owned()
        };
        assert_eq!(with(b"http/1.1"), "h1");
        assert_eq!(with(b"h"), "hh");
        assert_eq!(with(&[0xab]), "ab");
        assert_eq!(with(&[0xab, 0xcd]), "ad");
        assert_eq!(with(&[0x30, 0xab]), "3b");
    }

    #[test]
    fn ja4_of_an_empty_hello_has_zeros() {
        let offer = Offer { legacy_version: ProtocolVersion::SSL3, ..Offer::default() };
        assert_eq!(ja4(&offer, Transport::Tcp), "ts3i000000_000000000000_000000000000");
    }

    /// The two examples in JA3's own description.
    #[test]
    fn ja3_of_its_description() {
        let suites = [47, 53, 5, 10, 49161, 49162, 49171, 49172, 50, 56, 19, 4];
        let mut offer = Offer {
            legacy_version: ProtocolVersion::TLS1_0,
            cipher_suites: suites.map(CipherSuite::new).to_vec(),
            extensions: [0, 10, 11].map(ExtensionType).to_vec(),
            groups: Some([23, 24, 25].map(NamedGroup).to_vec()),
            point_formats: vec![0],
            ..Offer::default()
        };
        let raw = ja3_raw(&offer);
        assert_eq!(raw, "769,47-53-5-10-49161-49162-49171-49172-50-56-19-4,0-10-11,23-24-25,0");
        assert_eq!(ja3(&raw), "ada70206e40642a3e4461f35503241d5");
        offer.cipher_suites =
            [4, 5, 10, 9, 100, 98, 3, 6, 19, 18, 99].map(CipherSuite::new).to_vec();
        offer.extensions.clear();
        offer.groups = None;
        offer.point_formats.clear();
        let raw = ja3_raw(&offer);
        assert_eq!(raw, "769,4-5-10-9-100-98-3-6-19-18-99,,,");
        assert_eq!(ja3(&raw), "de350869b8c85de67a350c8d186f11e6");
    }

    #[test]
    fn identity_ignores_grease_and_the_order_of_extensions_only() {
        let offer = specification_example();
        let id = identity(&offer);
        let mut shuffled = offer.clone();
        shuffled.extensions.reverse();
        shuffled.extensions.push(ExtensionType(0x2a2a));
        shuffled.supported_versions = Some([0x8a8a, 0x0304, 0x0303].map(ProtocolVersion).to_vec());
        assert_eq!(identity(&shuffled), id);
        let mut reordered = offer.clone();
        reordered.cipher_suites.swap(0, 1);
        assert_ne!(identity(&reordered), id);
        let emptied = Offer { groups: Some(Vec::new()), ..offer };
        assert_ne!(identity(&emptied), id);
    }
}
