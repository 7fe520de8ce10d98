//! Facts as columns and back: text that a person can query, and that loses nothing.

use std::fmt::Write as _;
use std::net::IpAddr;

use crate::clock::Timestamp;
use crate::packet::{Address, Mac};
use crate::record::{Alert, AlertBody, Evasion, Outcome, Signs};
use crate::tls::codepoint::{AlertDescription, CipherSuite, ProtocolVersion};
use crate::tls::hello::OfferId;
use crate::tls::{Role, Transport};
use crate::x509::Fingerprint;

/// A number as SQLite has it: its bits, so that whatever a capture claims comes back.
pub(super) const fn int(number: u64) -> i64 {
    number.cast_signed()
}

/// A moment, likewise.
pub(super) const fn moment(at: Timestamp) -> i64 {
    int(at.as_nanos())
}

pub(super) const fn to_moment(value: i64) -> Timestamp {
    Timestamp::from_nanos(value.cast_unsigned())
}

pub(super) fn json<T: serde::Serialize + ?Sized>(value: &T) -> String {
    // Lists of numbers and of strings always have a JSON form.
    serde_json::to_string(value).unwrap_or_default()
}

/// Moments as a list.
pub(super) fn moments(list: &[Timestamp]) -> String {
    json(&list.iter().map(|at| at.as_nanos()).collect::<Vec<_>>())
}

pub(super) fn to_moments(text: &str) -> Option<Vec<Timestamp>> {
    let list: Vec<u64> = serde_json::from_str(text).ok()?;
    Some(list.into_iter().map(Timestamp::from_nanos).collect())
}

/// Code points as a list of hex strings.
pub(super) fn codes<T: Copy>(list: &[T], code: impl Fn(T) -> u32) -> String {
    json(&list.iter().map(|one| format!("0x{:04x}", code(*one))).collect::<Vec<_>>())
}

pub(super) fn to_codes<T>(text: &str, make: impl Fn(u32) -> Option<T>) -> Option<Vec<T>> {
    let list: Vec<String> = serde_json::from_str(text).ok()?;
    list.iter().map(|one| make(to_code(one)?)).collect()
}

pub(super) fn to_code(text: &str) -> Option<u32> {
    u32::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

pub(super) fn to_code16(text: &str) -> Option<u16> {
    u16::try_from(to_code(text)?).ok()
}

pub(super) fn suite(suite: CipherSuite) -> String {
    format!("0x{:04x}", suite.0)
}

/// A version by its name or number, as it prints.
pub(super) fn to_version(text: &str) -> Option<ProtocolVersion> {
    ProtocolVersion::from_name(text).or_else(|| to_code16(text).map(ProtocolVersion))
}

/// How a version compares: datagram versions as the stream versions that they are judged as.
pub(super) fn rank(version: ProtocolVersion) -> Option<u16> {
    version.judged_as().map(|version| version.0)
}

/// Protocol names as a list; what is no plain ASCII stands as `%XX`.
pub(super) fn alpn(list: &[Box<[u8]>]) -> String {
    let escaped = |name: &[u8]| {
        let mut text = String::with_capacity(name.len());
        for byte in name {
            if byte.is_ascii_alphanumeric() || b"-./_".contains(byte) {
                text.push(char::from(*byte));
            } else {
                let _ = write!(text, "%{byte:02X}");
            }
        }
        text
    };
    json(&list.iter().map(|name| escaped(name)).collect::<Vec<_>>())
}

pub(super) fn to_alpn(text: &str) -> Option<Vec<Box<[u8]>>> {
    let list: Vec<String> = serde_json::from_str(text).ok()?;
    list.iter().map(|name| unescaped(name)).collect()
}

fn unescaped(name: &str) -> Option<Box<[u8]>> {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            bytes.push(u8::from_str_radix(str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    Some(bytes.into())
}

pub(super) fn to_address(text: &str) -> Option<Address> {
    text.parse::<IpAddr>().ok().map(Address::from)
}

pub(super) fn macs(list: &[Mac]) -> String {
    json(list)
}

pub(super) fn to_macs(text: &str) -> Option<Vec<Mac>> {
    let list: Vec<String> = serde_json::from_str(text).ok()?;
    list.iter().map(|mac| to_mac(mac)).collect()
}

/// A MAC address of six pairs of hex digits.
pub(super) fn to_mac(text: &str) -> Option<Mac> {
    let mut mac = [0; 6];
    let mut pairs = text.split(':');
    for byte in &mut mac {
        *byte = u8::from_str_radix(pairs.next()?, 16).ok()?;
    }
    pairs.next().is_none().then_some(Mac(mac))
}

pub(super) fn to_offer_id(text: &str) -> Option<OfferId> {
    bytes(text).map(OfferId)
}

pub(super) fn to_fingerprint(text: &str) -> Option<Fingerprint> {
    bytes(text).map(Fingerprint)
}

/// So many bytes from hex digits.
fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != N * 2 || !text.is_ascii() {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(at * 2..at * 2 + 2)?, 16).ok()?;
    }
    Some(bytes)
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Alerts as `[from, level, code]`.
pub(super) fn alerts(list: &[Alert]) -> String {
    let lines = list.iter().map(|alert| match alert.body {
        AlertBody::Plain { fatal, description } => {
            let level = if fatal { "fatal" } else { "warning" };
            (alert.from.name(), level, Some(description.0))
        }
        AlertBody::Encrypted => (alert.from.name(), "encrypted", None),
    });
    json(&lines.collect::<Vec<_>>())
}

pub(super) fn to_alerts(text: &str) -> Option<Vec<Alert>> {
    let lines: Vec<(String, String, Option<u8>)> = serde_json::from_str(text).ok()?;
    let alert = |(from, level, code): (String, String, Option<u8>)| {
        let from = [Role::Client, Role::Server].into_iter().find(|role| role.name() == from)?;
        let body = match (level.as_str(), code) {
            ("encrypted", None) => AlertBody::Encrypted,
            (level @ ("fatal" | "warning"), Some(code)) => {
                AlertBody::Plain { fatal: level == "fatal", description: AlertDescription(code) }
            }
            _ => return None,
        };
        Some(Alert { from, body })
    };
    lines.into_iter().map(alert).collect()
}

/// Signs of hiding; `None` where there are none.
pub(super) fn evasion(signs: &Evasion) -> Option<String> {
    let of = |signs: Signs| [signs.overlap, signs.urgent.into(), signs.fragments.into()];
    (!signs.is_none()).then(|| json(&[of(signs.client), of(signs.server)]))
}

pub(super) fn to_evasion(text: &str) -> Option<Evasion> {
    let [client, server]: [Vec<u32>; 2] = serde_json::from_str(text).ok()?;
    let of = |end: &[u32]| {
        let (&[overlap, urgent], rest) = end.split_first_chunk()?;
        // The first version of this column knew two signs.
        let fragments = rest.first().is_some_and(|sign| *sign != 0);
        Some(Signs { overlap, urgent: urgent != 0, fragments })
    };
    Some(Evasion { client: of(&client)?, server: of(&server)? })
}

pub(super) fn to_transport(text: &str) -> Option<Transport> {
    [Transport::Tcp, Transport::Udp, Transport::Quic].into_iter().find(|one| one.name() == text)
}

pub(super) fn to_outcome(text: &str) -> Option<Outcome> {
    [Outcome::Established, Outcome::Refused, Outcome::Reset, Outcome::Incomplete]
        .into_iter()
        .find(|one| one.name() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let names: Vec<Box<[u8]>> = vec![b"h2".as_slice().into(), b"\xff%\0,\"".as_slice().into()];
        assert_eq!(to_alpn(&alpn(&names)), Some(names));
        let list = [Mac([0, 1, 2, 3, 4, 255])];
        assert_eq!(to_macs(&macs(&list)).as_deref(), Some(&list[..]));
        let fatal = |code| AlertBody::Plain { fatal: true, description: AlertDescription(code) };
        let list = vec![
            Alert { from: Role::Server, body: fatal(70) },
            Alert { from: Role::Client, body: AlertBody::Encrypted },
        ];
        assert_eq!(to_alerts(&alerts(&list)), Some(list));
        let late = Timestamp::from_nanos(u64::MAX);
        assert_eq!(to_moment(moment(late)), late);
        assert_eq!(to_moments(&moments(&[late])), Some(vec![late]));
        let suites = [CipherSuite(0x2f), CipherSuite(0x07_00c0)];
        let text = codes(&suites, |suite| suite.0);
        assert_eq!(to_codes(&text, |code| Some(CipherSuite(code))), Some(suites.to_vec()));
        for version in [ProtocolVersion::DTLS1_2, ProtocolVersion(0x7f1c)] {
            assert_eq!(to_version(&version.to_string()), Some(version));
        }
        assert_eq!(to_fingerprint("00ff"), None);
        let client = Signs { overlap: 3, urgent: false, fragments: true };
        let signs = Evasion { client, server: Signs { urgent: true, ..Signs::default() } };
        assert_eq!(evasion(&signs).as_deref().and_then(to_evasion), Some(signs));
        assert_eq!(to_evasion("[[3,0],[0,1]]").map(|signs| signs.client.overlap), Some(3));
        assert_eq!(to_evasion("[[3],[0,1]]"), None);
    }
}
