//! What the two hellos say: [`Offer`] and [`ServerHello`].
//!
//! The types here are facts as values; [`parse`](super::parse) makes them from message bytes.

use std::fmt;
use std::sync::Arc;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::codepoint::{
    CipherSuite, ExtensionType, Hex16, NamedGroup, ProtocolVersion, SignatureScheme,
};
use crate::json::{Hex, Kept};

/// A ClientHello as one connection carried it.
#[derive(Clone, Debug)]
pub struct ClientHello {
    /// What it offers; shared by all connections that offer the same.
    pub offer: Arc<Offer>,
    /// The host name it asks for.
    pub server_name: Option<String>,
    /// The session id: echoed by a server that resumes (TLS ≤ 1.2).
    pub session_id: SessionId,
    /// It carries a session ticket (TLS ≤ 1.2) or offers a pre-shared key (TLS 1.3).
    pub offers_resumption: bool,
    /// It announces early data (TLS 1.3).
    pub early_data: bool,
}

/// A session id: at most 32 bytes (RFC 5246 §7.4.1.2). Of a longer one its beginning and its length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionId {
    bytes: [u8; 32],
    length: usize,
}

impl SessionId {
    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.length == 0
    }

    /// Its bytes, as far as they are kept.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(&self.bytes)
    }
}

impl From<&[u8]> for SessionId {
    fn from(id: &[u8]) -> Self {
        let mut bytes = [0; 32];
        bytes.iter_mut().zip(id).for_each(|(to, from)| *to = *from);
        Self { bytes, length: id.len() }
    }
}

/// Everything a ClientHello says of its sender's abilities, in wire order, unknown and GREASE
/// values kept. Names, keys and randoms are not in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// The version field (not what is offered: see [`Offer::versions`]).
    pub legacy_version: ProtocolVersion,
    /// The hello came in the format of SSL 2.0, whatever versions it offers.
    pub sslv2_format: bool,
    /// The hello was not wholly seen: what follows the cut is missing here.
    pub truncated: bool,
    /// The supported_versions extension, if there is one.
    pub supported_versions: Option<Vec<ProtocolVersion>>,
    /// The cipher suites.
    pub cipher_suites: Vec<CipherSuite>,
    /// The compression methods.
    pub compression_methods: Vec<u8>,
    /// The types of all extensions.
    pub extensions: Vec<ExtensionType>,
    /// The supported_groups extension, if there is one.
    pub groups: Option<Vec<NamedGroup>>,
    /// The ec_point_formats extension.
    pub point_formats: Vec<u8>,
    /// The groups it sends key shares for.
    pub key_shares: Vec<NamedGroup>,
    /// The signature_algorithms extension, if there is one.
    pub signature_algorithms: Option<Vec<SignatureScheme>>,
    /// The protocols of the ALPN extension.
    pub alpn: Vec<Box<[u8]>>,
    /// JA3: the string and its MD5.
    pub ja3_raw: String,
    /// JA3, 32 hex digits.
    pub ja3: String,
    /// JA4.
    pub ja4: String,
    /// Its identity.
    pub id: OfferId,
    /// Its text in records.
    pub kept: Kept,
}

impl Offer {
    /// About how many bytes it holds, with its text in records.
    pub(crate) fn weight(&self) -> usize {
        let numbers = [
            self.cipher_suites.len(),
            self.extensions.len(),
            self.key_shares.len(),
            self.supported_versions.as_ref().map_or(0, Vec::len),
            self.groups.as_ref().map_or(0, Vec::len),
            self.signature_algorithms.as_ref().map_or(0, Vec::len),
            self.compression_methods.len(),
            self.point_formats.len(),
        ];
        let numbers = numbers.iter().fold(0, |sum: usize, len| sum.saturating_add(*len));
        let alpn = self.alpn.iter().map(|name| name.len().saturating_add(size_of::<Box<[u8]>>()));
        let text = self.ja3_raw.len().saturating_add(alpn.sum()).saturating_mul(2);
        size_of::<Self>().saturating_add(numbers.saturating_mul(16)).saturating_add(text)
    }

    /// The versions it offers, highest first: exactly the known ones of supported_versions where
    /// that is present, else every version up to the lesser of legacy_version and (D)TLS 1.2.
    ///
    /// RFC 8446 §4.2.1. GREASE, drafts and unknown values are no offer.
    pub fn versions(&self) -> Vec<ProtocolVersion> {
        use ProtocolVersion as V;
        const STREAM: [V; 4] = [V::TLS1_2, V::TLS1_1, V::TLS1_0, V::SSL3];
        const DATAGRAM: [V; 2] = [V::DTLS1_2, V::DTLS1_0];

        if let Some(listed) = &self.supported_versions {
            let mut known: Vec<_> =
                listed.iter().copied().filter(|version| version.name().is_some()).collect();
            known.sort_by_key(|version| std::cmp::Reverse(version.judged_as()));
            known.dedup();
            return known;
        }
        match self.legacy_version {
            V::SSL2 => vec![V::SSL2],
            V::DTLS_OPENSSL_098 => vec![V::DTLS_OPENSSL_098],
            // Datagram versions count downwards: 0xfeff is 1.0, 0xfefd 1.2.
            V(datagram @ 0xfe00..=0xfeff) => {
                DATAGRAM.into_iter().filter(|version| version.0 >= datagram).collect()
            }
            V(stream @ 0x0300..=0x03ff) => {
                let mut below: Vec<_> =
                    STREAM.into_iter().filter(|version| version.0 <= stream).collect();
                // An SSLv2-format hello with a higher version offers SSL 2.0 only by its SSL 2.0
                // cipher kinds (RFC 5246 §E.2).
                if self.sslv2_format && self.cipher_suites.iter().any(|suite| suite.0 > 0xffff) {
                    below.push(V::SSL2);
                }
                below
            }
            _ => Vec::new(),
        }
    }

    /// The highest version it offers.
    pub fn max_version(&self) -> Option<ProtocolVersion> {
        self.versions().first().copied()
    }

    /// It is marked as a retry with a lowered version (RFC 7507).
    pub fn fallback_scsv(&self) -> bool {
        self.cipher_suites.contains(&CipherSuite::FALLBACK_SCSV)
    }

    /// It carries an encrypted ClientHello, or GREASE in its place (RFC 9849).
    pub fn ech(&self) -> bool {
        self.extensions.contains(&ExtensionType::ENCRYPTED_CLIENT_HELLO)
    }
}

/// The identity of an offer: a hash over versions, suites in order, the set of extensions, groups,
/// signature algorithms and ALPN, GREASE removed. Browsers shuffle extensions and draw GREASE
/// values per connection; both leave the identity alone.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OfferId(pub [u8; 16]);

impl fmt::Display for OfferId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hex(&self.0).fmt(f)
    }
}

impl fmt::Debug for OfferId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for OfferId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The `client_hello` object of a flow record.
impl Serialize for Offer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.kept.serialize(&Fields(self), serializer)
    }
}

struct Fields<'a>(&'a Offer);

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(offer) = self;
        let mut object = serializer.serialize_struct("client_hello", 15)?;
        object.serialize_field("legacy_version", &offer.legacy_version)?;
        object.serialize_field(
            "supported_versions",
            offer.supported_versions.as_deref().unwrap_or_default(),
        )?;
        object.serialize_field("max_version", &offer.max_version())?;
        object.serialize_field("sslv2_format", &offer.sslv2_format)?;
        object.serialize_field("cipher_suites", &Suites(offer))?;
        object.serialize_field("extensions", &Codes(&offer.extensions, |code| code.0))?;
        object.serialize_field("groups", &Codes(opt(offer.groups.as_ref()), |code| code.0))?;
        object.serialize_field("key_shares", &Codes(&offer.key_shares, |code| code.0))?;
        let schemes = opt(offer.signature_algorithms.as_ref());
        object.serialize_field("signature_algorithms", &Codes(schemes, |code| code.0))?;
        object.serialize_field("alpn", &Alpn(&offer.alpn))?;
        object.serialize_field("ech", &offer.ech())?;
        object.serialize_field("fallback_scsv", &offer.fallback_scsv())?;
        // Of a hello that was cut, or in the format of SSL 2.0, there is none.
        object.serialize_field("ja3", &print(&offer.ja3))?;
        object.serialize_field("ja3_raw", &print(&offer.ja3_raw))?;
        object.serialize_field("ja4", &print(&offer.ja4))?;
        object.end()
    }
}

/// A fingerprint, if there is one.
fn print(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

/// What the server chose; shared by all connections that were answered the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerHello {
    /// The negotiated version: supported_versions where present, else the version field.
    pub version: ProtocolVersion,
    /// The chosen suite; for SSL 2.0 the cipher kind of the client's CLIENT-MASTER-KEY, if seen.
    pub cipher_suite: Option<CipherSuite>,
    /// The group of the key exchange: of the key share, or of an ECDHE ServerKeyExchange.
    pub group: Option<NamedGroup>,
    /// The types of all extensions in wire order.
    pub extensions: Vec<ExtensionType>,
    /// The chosen application protocol.
    pub alpn: Option<Box<[u8]>>,
    /// The version that the end of the random proves the server to have (RFC 8446 §4.1.3).
    pub downgrade_sentinel: Option<ProtocolVersion>,
    /// A HelloRetryRequest came before it (or instead of it).
    pub hello_retry: bool,
    /// Only the HelloRetryRequest was seen: version, suite and group are what it asks for.
    pub retry_only: bool,
    /// JA3S, 32 hex digits; empty where there is none.
    pub ja3s: String,
    /// It accepts an offered pre-shared key (TLS 1.3).
    pub accepts_psk: bool,
    /// Its text in records.
    pub kept: Kept,
}

/// The `server_hello` object of a flow record.
impl Serialize for ServerHello {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.kept.serialize(&Chosen(self), serializer)
    }
}

struct Chosen<'a>(&'a ServerHello);

impl Serialize for Chosen<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(hello) = self;
        let mut object = serializer.serialize_struct("server_hello", 9)?;
        object.serialize_field("version", &hello.version)?;
        let suite = hello.cipher_suite.map(|suite| suite.to_string());
        object.serialize_field("cipher_suite", &suite)?;
        let name = hello.cipher_suite.and_then(CipherSuite::name);
        object.serialize_field("cipher_suite_name", &name)?;
        object.serialize_field("group", &hello.group.map(|group| Hex16(group.0)))?;
        object.serialize_field("extensions", &Codes(&hello.extensions, |code| code.0))?;
        let alpn = hello.alpn.as_ref().map(|name| String::from_utf8_lossy(name));
        object.serialize_field("alpn", &alpn)?;
        object.serialize_field("downgrade_sentinel", &hello.downgrade_sentinel)?;
        object.serialize_field("hello_retry", &hello.hello_retry)?;
        object.serialize_field("ja3s", &print(&hello.ja3s))?;
        object.end()
    }
}

fn opt<T>(list: Option<&Vec<T>>) -> &[T] {
    list.map_or(&[], Vec::as_slice)
}

/// Code points as hex strings.
struct Codes<'a, T>(&'a [T], fn(&T) -> u16);

impl<T> Serialize for Codes<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|code| Hex16(self.1(code))))
    }
}

/// Suites as hex strings: six digits throughout in an SSLv2-format hello.
struct Suites<'a>(&'a Offer);

impl Serialize for Suites<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let suites = self.0.cipher_suites.iter();
        if self.0.sslv2_format {
            return serializer.collect_seq(suites.map(|suite| format!("0x{:06x}", suite.0)));
        }
        serializer.collect_seq(suites.map(|suite| Hex16(suite.code().unwrap_or_default())))
    }
}

/// Protocol names: text where they are text, as nearly all are.
struct Alpn<'a>(&'a [Box<[u8]>]);

impl Serialize for Alpn<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|name| String::from_utf8_lossy(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(legacy: ProtocolVersion, listed: Option<&[u16]>) -> Offer {
        Offer {
            legacy_version: legacy,
            supported_versions: listed
                .map(|list| list.iter().copied().map(ProtocolVersion).collect()),
            ..Offer::default()
        }
    }

    #[test]
    fn supported_versions_alone_counts_where_it_is_present() {
        let draft = offer(ProtocolVersion::TLS1_2, Some(&[0x1a1a, 0x7f1c, 0x0302, 0x0303]));
        assert_eq!(draft.versions(), [ProtocolVersion::TLS1_2, ProtocolVersion::TLS1_1]);
        let only13 = offer(ProtocolVersion::TLS1_2, Some(&[0x0304]));
        assert_eq!(only13.versions(), [ProtocolVersion::TLS1_3]);
    }

    #[test]
    fn without_it_legacy_version_is_the_highest_up_to_1_2() {
        assert_eq!(
            offer(ProtocolVersion(0x0304), None).max_version(),
            Some(ProtocolVersion::TLS1_2)
        );
        assert_eq!(offer(ProtocolVersion::TLS1_1, None).versions().len(), 3);
        assert_eq!(
            offer(ProtocolVersion::DTLS1_2, None).versions(),
            [ProtocolVersion::DTLS1_2, ProtocolVersion::DTLS1_0]
        );
        assert_eq!(offer(ProtocolVersion::DTLS1_0, None).versions(), [ProtocolVersion::DTLS1_0]);
        assert_eq!(offer(ProtocolVersion(0x1234), None).max_version(), None);
    }

    #[test]
    fn an_sslv2_format_hello_offers_ssl2_only_by_its_cipher_kinds() {
        let mut hello = offer(ProtocolVersion::TLS1_0, None);
        hello.sslv2_format = true;
        hello.cipher_suites = vec![CipherSuite(0x2f)];
        assert_eq!(hello.versions(), [ProtocolVersion::TLS1_0, ProtocolVersion::SSL3]);
        hello.cipher_suites.push(CipherSuite(0x07_00c0));
        assert_eq!(hello.versions().last(), Some(&ProtocolVersion::SSL2));
        let json = serde_json::to_value(&hello).unwrap();
        assert_eq!(json["cipher_suites"], serde_json::json!(["0x00002f", "0x0700c0"]));
    }
}
