//! Message bodies → values: ClientHello, ServerHello, Certificate and what else is read.
//!
//! tls-parser takes whole hellos apart; what it refuses, and what the capture cut, is salvaged
//! field by field. Extensions are walked here, each by itself, so that a malformed one hides none of
//! the others. Certificates come out as borrowed DER.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::codepoint::{CipherSuite, ExtensionType, NamedGroup, ProtocolVersion, SignatureScheme};
use super::hello::{ClientHello, Offer, ServerHello, SessionId};
use super::{Transport, fingerprint, sslv2};
use crate::bytes::Reader;
use crate::limits::Limits;

/// Makes [`ClientHello`]s and [`ServerHello`]s; offers and answers that come again are found again,
/// not made again.
#[derive(Debug)]
pub struct HelloParser {
    offers: HashMap<Box<[u8]>, Arc<Offer>, RandomState>,
    answers: HashMap<Box<[u8]>, Arc<ServerHello>, RandomState>,
    /// The same answers with the group of a key exchange, by their addresses; the answers are kept
    /// so that no others take their places.
    grouped: HashMap<(usize, NamedGroup), [Arc<ServerHello>; 2], RandomState>,
    capacity: usize,
    /// Bytes that offers hold, and may hold.
    held: usize,
    bytes: usize,
    scratch: Vec<u8>,
}

impl HelloParser {
    /// A parser that remembers as many offers as the limits say.
    pub fn new(limits: &Limits) -> Self {
        Self {
            offers: HashMap::default(),
            answers: HashMap::default(),
            grouped: HashMap::default(),
            capacity: limits.cached_offers,
            held: 0,
            bytes: limits.cached_worker_bytes,
            scratch: Vec::with_capacity(1024),
        }
    }

    /// A ClientHello message body (for DTLS with its cookie field). `whole`: nothing is missing.
    ///
    /// `None` if not even its version and random are there.
    pub fn client_hello(
        &mut self,
        body: &[u8],
        transport: Transport,
        whole: bool,
    ) -> Option<ClientHello> {
        let fields = Fields::of_client_hello(body, transport, whole)?;
        let extensions = Extensions::of(fields.extensions);
        let truncated = fields.truncated || extensions.truncated;
        self.key(&fields, &extensions, transport, truncated);
        let offer = self.offer(|| Offer::of(&fields, &extensions, transport, truncated));
        Some(ClientHello {
            offer,
            server_name: extensions.server_name(),
            session_id: fields.session_id.into(),
            offers_resumption: extensions.offers_resumption(),
            early_data: extensions.find(ExtensionType::EARLY_DATA).is_some(),
        })
    }

    /// A CLIENT-HELLO in the format of SSL 2.0, without its type byte.
    pub fn sslv2_client_hello(&mut self, body: &[u8]) -> Option<ClientHello> {
        let hello = sslv2::client_hello(body)?;
        let mut offer = Offer {
            legacy_version: hello.version,
            sslv2_format: true,
            truncated: hello.truncated,
            cipher_suites: hello.cipher_suites,
            ..Offer::default()
        };
        offer.id = fingerprint::identity(&offer);
        Some(ClientHello {
            offer: Arc::new(offer),
            server_name: None,
            offers_resumption: !hello.session_id.is_empty(),
            session_id: hello.session_id,
            early_data: false,
        })
    }

    /// A ServerHello message body, as [`server_hello`] reads it, and its session id: the client's own
    /// means that its session is resumed (TLS ≤ 1.2). Of one that is not `whole` the suite may tell the version.
    pub fn server_hello(
        &mut self,
        body: &[u8],
        whole: bool,
    ) -> Option<(Arc<ServerHello>, SessionId)> {
        let answer = Answer::of(body, whole)?;
        answer.key(&mut self.scratch);
        let session_id = answer.session_id.into();
        if let Some(known) = self.answers.get(self.scratch.as_slice()) {
            return Some((Arc::clone(known), session_id));
        }
        let hello = Arc::new(ServerHello::of(&answer));
        if self.answers.len() >= self.capacity {
            self.answers.clear();
        }
        self.answers.insert(self.scratch.as_slice().into(), Arc::clone(&hello));
        Some((hello, session_id))
    }

    /// An answer with the group that the key exchange after it names.
    pub fn grouped(&mut self, hello: &Arc<ServerHello>, group: NamedGroup) -> Arc<ServerHello> {
        if self.grouped.len() >= self.capacity {
            self.grouped.clear();
        }
        let [_, grouped] =
            self.grouped.entry((Arc::as_ptr(hello).addr(), group)).or_insert_with(|| {
                let grouped = ServerHello { group: Some(group), ..ServerHello::clone(hello) };
                [Arc::clone(hello), Arc::new(grouped)]
            });
        Arc::clone(grouped)
    }

    /// Write into `scratch` everything of a hello that makes its offer, and nothing else.
    fn key(
        &mut self,
        fields: &Fields<'_>,
        extensions: &Extensions<'_>,
        transport: Transport,
        truncated: bool,
    ) {
        let key = &mut self.scratch;
        key.clear();
        key.extend([transport as u8, u8::from(truncated)]);
        key.extend(fields.version.to_be_bytes());
        let suites = &fields.cipher_suites;
        key.extend(u32::try_from(suites.len()).unwrap_or(u32::MAX).to_be_bytes());
        key.extend(suites.iter().flat_map(|code| code.to_be_bytes()));
        key.extend(u32::try_from(fields.compression.len()).unwrap_or(u32::MAX).to_be_bytes());
        key.extend(&fields.compression);
        for (kind, body) in &extensions.list {
            key.extend(kind.0.to_be_bytes());
            match *kind {
                ExtensionType::SUPPORTED_GROUPS
                | ExtensionType::EC_POINT_FORMATS
                | ExtensionType::SIGNATURE_ALGORITHMS
                | ExtensionType::ALPN
                | ExtensionType::SUPPORTED_VERSIONS => {
                    key.extend(u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes());
                    key.extend_from_slice(body);
                }
                ExtensionType::KEY_SHARE | ExtensionType::KEY_SHARE_DRAFT => {
                    for group in key_shares(body) {
                        key.push(1); // A group may be zero, as the next extension's type may.
                        key.extend(group.0.to_be_bytes());
                    }
                    key.push(0);
                }
                _ => {}
            }
        }
    }

    fn offer(&mut self, make: impl FnOnce() -> Offer) -> Arc<Offer> {
        if let Some(offer) = self.offers.get(&*self.scratch) {
            return Arc::clone(offer);
        }
        let offer = Arc::new(make());
        let bytes = offer.weight().saturating_add(self.scratch.len());
        self.held = self.held.saturating_add(bytes);
        if self.offers.len() >= self.capacity || self.held > self.bytes {
            self.offers.clear();
            self.held = bytes;
        }
        self.offers.insert(self.scratch.as_slice().into(), Arc::clone(&offer));
        offer
    }
}

/// The fields of a ClientHello before its extensions.
struct Fields<'a> {
    version: u16,
    session_id: &'a [u8],
    cipher_suites: Vec<u16>,
    compression: Vec<u8>,
    extensions: &'a [u8],
    truncated: bool,
}

impl<'a> Fields<'a> {
    fn of_client_hello(body: &'a [u8], transport: Transport, whole: bool) -> Option<Self> {
        if whole
            && transport != Transport::Udp
            && let Ok((_, hello)) = tls_parser::parse_tls_handshake_client_hello(body)
        {
            return Some(Self {
                version: hello.version.0,
                session_id: hello.session_id.unwrap_or_default(),
                // Numbers in the same memory.
                cipher_suites: hello.ciphers.into_iter().map(|suite| suite.0).collect(),
                compression: hello.comp.into_iter().map(|method| method.0).collect(),
                extensions: hello.ext.unwrap_or_default(),
                truncated: false,
            });
        }
        Self::salvage(body, transport, whole)
    }

    /// As much as is there.
    fn salvage(body: &'a [u8], transport: Transport, whole: bool) -> Option<Self> {
        let mut reader = Reader::new(body);
        let version = reader.u16()?;
        reader.skip(32)?;
        let mut fields = Self {
            version,
            session_id: &[],
            cipher_suites: Vec::new(),
            compression: Vec::new(),
            extensions: &[],
            truncated: !whole,
        };
        // Each vector is read as far as it goes; after the first that is cut there is nothing.
        let mut vector = |width: usize| -> &'a [u8] {
            let length = match width {
                1 => reader.u8().map(usize::from),
                _ => reader.u16().map(usize::from),
            };
            let Some(length) = length else { return &[] };
            fields.truncated |= reader.remaining() < length;
            reader.take_up_to(length)
        };
        fields.session_id = vector(1);
        if transport == Transport::Udp {
            vector(1); // The cookie of DTLS (RFC 6347 §4.2.1).
        }
        let suites = vector(2);
        let compression = vector(1);
        fields.extensions = vector(2);
        fields.cipher_suites = codes(suites);
        fields.compression = compression.to_vec();
        Some(fields)
    }
}

impl Offer {
    fn of(
        fields: &Fields<'_>,
        extensions: &Extensions<'_>,
        transport: Transport,
        truncated: bool,
    ) -> Self {
        let list = |kind, width| extensions.find(kind).map(|body| codes(vector(body, width)));
        let shares = extensions
            .find(ExtensionType::KEY_SHARE)
            .or_else(|| extensions.find(ExtensionType::KEY_SHARE_DRAFT));
        let mut offer = Self {
            legacy_version: ProtocolVersion(fields.version),
            sslv2_format: false,
            truncated,
            supported_versions: list(ExtensionType::SUPPORTED_VERSIONS, 1)
                .map(|codes| codes.into_iter().map(ProtocolVersion).collect()),
            cipher_suites: fields.cipher_suites.iter().copied().map(CipherSuite::new).collect(),
            compression_methods: fields.compression.clone(),
            extensions: extensions.list.iter().map(|(kind, _)| *kind).collect(),
            groups: list(ExtensionType::SUPPORTED_GROUPS, 2)
                .map(|codes| codes.into_iter().map(NamedGroup).collect()),
            point_formats: extensions
                .find(ExtensionType::EC_POINT_FORMATS)
                .map(|body| vector(body, 1).to_vec())
                .unwrap_or_default(),
            key_shares: shares.map(|body| key_shares(body).collect()).unwrap_or_default(),
            signature_algorithms: list(ExtensionType::SIGNATURE_ALGORITHMS, 2)
                .map(|codes| codes.into_iter().map(SignatureScheme).collect()),
            alpn: extensions.find(ExtensionType::ALPN).map(protocols).unwrap_or_default(),
            ..Self::default()
        };
        // A fingerprint of half a hello would be the fingerprint of another one.
        if !truncated {
            offer.ja3_raw = fingerprint::ja3_raw(&offer);
            offer.ja3 = fingerprint::ja3(&offer.ja3_raw);
            offer.ja4 = fingerprint::ja4(&offer, transport);
        }
        offer.id = fingerprint::identity(&offer);
        offer
    }
}

/// The extensions of a hello, each as its type and its bytes.
struct Extensions<'a> {
    list: Vec<(ExtensionType, &'a [u8])>,
    truncated: bool,
}

impl<'a> Extensions<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        let mut reader = Reader::new(bytes);
        let mut list = Vec::with_capacity(20);
        let mut truncated = false;
        while let Some(kind) = reader.u16() {
            let Some(length) = reader.u16() else {
                truncated = true;
                break;
            };
            let length = usize::from(length);
            truncated |= reader.remaining() < length;
            list.push((ExtensionType(kind), reader.take_up_to(length)));
        }
        Self { list, truncated: truncated || !reader.is_empty() }
    }

    fn find(&self, wanted: ExtensionType) -> Option<&'a [u8]> {
        self.list.iter().find(|(kind, _)| *kind == wanted).map(|(_, body)| *body)
    }

    /// The host name (RFC 6066 §3): the first entry of type 0.
    fn server_name(&self) -> Option<String> {
        let mut list = Reader::new(vector(self.find(ExtensionType::SERVER_NAME)?, 2));
        loop {
            let kind = list.u8()?;
            let name = list.sub_u16()?.rest();
            if kind == 0 && !name.is_empty() {
                return Some(match str::from_utf8(name) {
                    Ok(name) => name.to_owned(),
                    Err(_) => String::from_utf8_lossy(name).into_owned(),
                });
            }
        }
    }

    fn offers_resumption(&self) -> bool {
        self.find(ExtensionType::PRE_SHARED_KEY).is_some()
            || self.find(ExtensionType::SESSION_TICKET).is_some_and(|ticket| !ticket.is_empty())
    }
}

/// The last 8 bytes of a ServerHello's random that say what the server could have done.
const SENTINEL_TLS12: &[u8] = b"DOWNGRD\x01";
const SENTINEL_TLS11: &[u8] = b"DOWNGRD\x00";

/// The random of a ServerHello that is a HelloRetryRequest (RFC 8446 §4.1.3).
const HELLO_RETRY_REQUEST: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// A ServerHello message body.
///
/// A HelloRetryRequest comes out with [`retry_only`](ServerHello::retry_only) set.
pub fn server_hello(body: &[u8]) -> Option<ServerHello> {
    Answer::of(body, true).map(|answer| ServerHello::of(&answer))
}

/// A ServerHello as it lies in its message.
struct Answer<'a> {
    /// The version field.
    version: ProtocolVersion,
    session_id: &'a [u8],
    suite: u16,
    extensions: Extensions<'a>,
    negotiated: ProtocolVersion,
    retry: bool,
    sentinel: Option<ProtocolVersion>,
    /// Nothing is missing.
    whole: bool,
}

impl<'a> Answer<'a> {
    fn of(body: &'a [u8], whole: bool) -> Option<Self> {
        // Up to draft 21 of TLS 1.3 the message had neither session id nor compression method.
        let version = Reader::new(body).u16()?;
        let (random, session_id, suite, extensions) = if matches!(version, 0x7f00..=0x7f15) {
            draft_server_hello(body)?
        } else if let Ok((rest, hello)) = tls_parser::parse_tls_handshake_server_hello(body) {
            let session_id = hello.session_id.unwrap_or_default();
            // It looks for none in SSL 3.0, though servers answer renegotiation_info there too
            // (RFC 5746).
            let extensions = hello.ext.unwrap_or_else(|| extensions_of(&mut Reader::new(rest)));
            (hello.random, session_id, hello.cipher.0, extensions)
        } else {
            salvage_server_hello(body)?
        };
        let extensions = Extensions::of(extensions);
        let selected = extensions
            .find(ExtensionType::SUPPORTED_VERSIONS)
            .and_then(|body| Reader::new(body).u16());
        // The extension that says so was cut off, but its suites are of no other version.
        let is_cut_13 = !whole && CipherSuite::new(suite).is_tls13();
        let negotiated = match (selected, ProtocolVersion(version)) {
            (Some(selected), _) => ProtocolVersion(selected),
            (None, ProtocolVersion::TLS1_2) if is_cut_13 => ProtocolVersion::TLS1_3,
            (None, ProtocolVersion::DTLS1_2) if is_cut_13 => ProtocolVersion::DTLS1_3,
            (None, version) => version,
        };
        Some(Self {
            version: ProtocolVersion(version),
            session_id,
            suite,
            extensions,
            negotiated,
            retry: *random == HELLO_RETRY_REQUEST,
            sentinel: sentinel(negotiated, random),
            whole,
        })
    }

    /// Write into `key` everything of it that makes its [`ServerHello`], and nothing else.
    fn key(&self, key: &mut Vec<u8>) {
        key.clear();
        let sentinel = self.sentinel.unwrap_or_default();
        for code in [self.version.0, self.suite, self.negotiated.0, sentinel.0] {
            key.extend(code.to_be_bytes());
        }
        key.push(u8::from(self.retry) | u8::from(self.whole) << 1);
        for (kind, body) in &self.extensions.list {
            key.extend(kind.0.to_be_bytes());
            match *kind {
                ExtensionType::KEY_SHARE | ExtensionType::KEY_SHARE_DRAFT => {
                    let group = body.first_chunk::<2>();
                    key.push(u8::from(group.is_some()));
                    key.extend(group.into_iter().flatten());
                }
                ExtensionType::ALPN => {
                    key.extend(u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes());
                    key.extend_from_slice(body);
                }
                _ => {}
            }
        }
    }
}

impl ServerHello {
    fn of(answer: &Answer<'_>) -> Self {
        let extensions = &answer.extensions;
        let kinds: Vec<_> = extensions.list.iter().map(|(kind, _)| *kind).collect();
        let group = extensions
            .find(ExtensionType::KEY_SHARE)
            .or_else(|| extensions.find(ExtensionType::KEY_SHARE_DRAFT))
            .and_then(|body| Reader::new(body).u16())
            .map(NamedGroup);
        // Of half a hello it would be that of another one.
        let ja3s = answer.whole.then(|| fingerprint::ja3s(answer.version, answer.suite, &kinds));
        Self {
            version: answer.negotiated,
            cipher_suite: Some(CipherSuite::new(answer.suite)),
            group,
            ja3s: ja3s.unwrap_or_default(),
            extensions: kinds,
            alpn: extensions
                .find(ExtensionType::ALPN)
                .and_then(|body| protocols(body).into_iter().next()),
            downgrade_sentinel: answer.sentinel,
            hello_retry: answer.retry,
            retry_only: answer.retry,
            accepts_psk: extensions.find(ExtensionType::PRE_SHARED_KEY).is_some(),
            ..Self::default()
        }
    }
}

/// A HelloRetryRequest of the drafts that had a message type of its own: version, from draft 19 on
/// a suite, extensions.
pub fn draft_hello_retry_request(body: &[u8]) -> Option<ServerHello> {
    let mut reader = Reader::new(body);
    let version = reader.u16()?;
    let suite = if version >= 0x7f13 { Some(CipherSuite::new(reader.u16()?)) } else { None };
    let extensions = Extensions::of(reader.sub_u16()?.rest());
    let group = extensions
        .find(ExtensionType::KEY_SHARE)
        .or_else(|| extensions.find(ExtensionType::KEY_SHARE_DRAFT))
        .and_then(|body| Reader::new(body).u16())
        .map(NamedGroup);
    Some(ServerHello {
        version: ProtocolVersion(version),
        cipher_suite: suite,
        group,
        extensions: extensions.list.iter().map(|(kind, _)| *kind).collect(),
        hello_retry: true,
        retry_only: true,
        ..ServerHello::default()
    })
}

type ServerFields<'a> = (&'a [u8], &'a [u8], u16, &'a [u8]);

fn draft_server_hello(body: &[u8]) -> Option<ServerFields<'_>> {
    let mut reader = Reader::new(body);
    reader.skip(2)?;
    let random = reader.take(32)?;
    let suite = reader.u16()?;
    Some((random, &[], suite, extensions_of(&mut reader)))
}

/// Versions that tls-parser refuses, and messages that end early.
fn salvage_server_hello(body: &[u8]) -> Option<ServerFields<'_>> {
    let mut reader = Reader::new(body);
    reader.skip(2)?;
    let random = reader.take(32)?;
    let session_id = reader.sub_u8()?.rest();
    let suite = reader.u16()?;
    reader.u8();
    Some((random, session_id, suite, extensions_of(&mut reader)))
}

fn extensions_of<'a>(reader: &mut Reader<'a>) -> &'a [u8] {
    let length = reader.u16().map_or(0, usize::from);
    reader.take_up_to(length)
}

/// What the end of the random proves, if it is a sentinel (RFC 8446 §4.1.3): only in a ServerHello
/// of TLS 1.2 or less.
fn sentinel(negotiated: ProtocolVersion, random: &[u8]) -> Option<ProtocolVersion> {
    let last = random.last_chunk::<8>()?.as_slice();
    match negotiated {
        ProtocolVersion::TLS1_2 if last == SENTINEL_TLS12 => Some(ProtocolVersion::TLS1_3),
        ProtocolVersion::TLS1_1 | ProtocolVersion::TLS1_0 | ProtocolVersion::SSL3
            if last == SENTINEL_TLS11 =>
        {
            Some(ProtocolVersion::TLS1_2)
        }
        _ => None,
    }
}

/// The certificates of a Certificate message of TLS ≤ 1.2, and whether all of it was there and within
/// the bound.
pub fn certificates(body: &[u8], limit: usize) -> (Vec<&[u8]>, bool) {
    let mut reader = Reader::new(body);
    let Some(length) = reader.u24() else { return (Vec::new(), false) };
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let whole = reader.remaining() >= length;
    let mut list = Reader::new(reader.take_up_to(length));
    let mut found = Vec::new();
    while found.len() < limit
        && let Some(certificate) = list.sub_u24()
    {
        found.push(certificate.peek());
    }
    let refused = found.len() >= limit && !list.is_empty();
    (found, whole && !refused && (list.is_empty() || list.remaining() > 3))
}

/// The named curve of an ECDHE ServerKeyExchange (RFC 8422 §5.4).
pub fn ecdhe_group(body: &[u8]) -> Option<NamedGroup> {
    const NAMED_CURVE: u8 = 3;
    let mut reader = Reader::new(body);
    (reader.u8()? == NAMED_CURVE).then(|| reader.u16().map(NamedGroup))?
}

/// A vector with a length of `width` bytes, as far as it goes.
fn vector(body: &[u8], width: usize) -> &[u8] {
    let mut reader = Reader::new(body);
    let length = match width {
        1 => reader.u8().map(usize::from),
        _ => reader.u16().map(usize::from),
    };
    reader.take_up_to(length.unwrap_or(0))
}

/// 16-bit numbers, as many as are whole.
fn codes(bytes: &[u8]) -> Vec<u16> {
    let (pairs, _) = bytes.as_chunks::<2>();
    pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect()
}

/// The groups of a ClientHello's key shares.
fn key_shares(body: &[u8]) -> impl Iterator<Item = NamedGroup> {
    let mut shares = Reader::new(vector(body, 2));
    std::iter::from_fn(move || {
        let group = shares.u16()?;
        // A share that was cut still names its group.
        if shares.sub_u16().is_none() {
            shares.rest();
        }
        Some(NamedGroup(group))
    })
}

/// The names of an ALPN extension.
fn protocols(body: &[u8]) -> Vec<Box<[u8]>> {
    let mut names = Reader::new(vector(body, 2));
    std::iter::from_fn(|| Some(names.sub_u8()?.rest().into())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_beyond_the_bound_are_missed() {
        let list: Vec<u8> = (0..3_u8).flat_map(|n| [0, 0, 1, n]).collect();
        let message = [&[0, 0, 12][..], &list].concat();
        assert_eq!(certificates(&message, 3), (vec![&[0][..], &[1], &[2]], true));
        assert_eq!(certificates(&message, 2), (vec![&[0][..], &[1]], false));
        assert_eq!(certificates(&message[..9], 3), (vec![&[0][..]], false));
    }
}
