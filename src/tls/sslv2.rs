//! SSL 2.0: its records, and the hello in its format that may offer any version.
//!
//! RFC 6101 §E and RFC 5246 §E.2 describe the hello; the protocol itself is the Netscape draft of
//! 1995. A record has a header of two bytes, or of three with padding.

use super::codepoint::{CipherSuite, ProtocolVersion};
use super::hello::SessionId;
use crate::bytes::Reader;

/// Message types of SSL 2.0.
pub mod message {
    /// CLIENT-HELLO.
    pub const CLIENT_HELLO: u8 = 1;
    /// CLIENT-MASTER-KEY: the client's choice of a cipher kind.
    pub const CLIENT_MASTER_KEY: u8 = 2;
    /// SERVER-HELLO, with the certificate.
    pub const SERVER_HELLO: u8 = 4;
}

/// Largest handshake record that is put together.
const MAX_RECORD: usize = 1 << 14;

/// Whether bytes begin with a CLIENT-HELLO or SERVER-HELLO in a record of SSL 2.0.
pub fn is_hello(bytes: &[u8]) -> bool {
    match bytes {
        [
            high @ 0x80..=0xff,
            low,
            message::CLIENT_HELLO,
            major,
            minor,
            specs_high,
            specs_low,
            ..,
        ] => {
            let size = u16::from_be_bytes([high & 0x7f, *low]);
            let specs = u16::from_be_bytes([*specs_high, *specs_low]);
            matches!((major, minor), (0, 2) | (3, 0..=4))
                && specs > 0
                && specs % 3 == 0
                && specs.saturating_add(9) <= size
        }
        // No session id hit, an X.509 certificate or none, version 0.2.
        [0x80..=0xff, _, message::SERVER_HELLO, 0 | 1, 0 | 1, 0, 2, ..] => true,
        _ => false,
    }
}

/// The records of one direction.
#[derive(Debug, Default)]
pub struct Deframer {
    header: Vec<u8>,
    body: Vec<u8>,
    left: usize,
    padding: usize,
    state: Expect,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Expect {
    /// The first message: a hello.
    #[default]
    Hello,
    /// A client's next: CLIENT-MASTER-KEY, or TLS records if the server chose TLS.
    AfterClientHello,
    /// Everything else is encrypted.
    Encrypted,
}

/// What bytes brought.
#[derive(Debug, PartialEq, Eq)]
pub enum Fed {
    /// A part of something.
    More,
    /// A message in the clear.
    Message(Vec<u8>),
    /// An encrypted record of this size began.
    Encrypted(u16),
    /// What follows is TLS; nothing of it was taken.
    Tls,
    /// Neither.
    Malformed,
}

impl Deframer {
    /// Take bytes from the front of `bytes`, up to the end of one record.
    pub fn feed(&mut self, bytes: &mut &[u8]) -> Fed {
        if self.state == Expect::Encrypted {
            let size = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
            *bytes = &[];
            return Fed::Encrypted(size);
        }
        while self.left == 0 {
            if self.state == Expect::AfterClientHello
                && self.header.is_empty()
                && matches!(bytes.first(), Some(0x14..=0x18))
            {
                return Fed::Tls;
            }
            let Some((first, rest)) = bytes.split_first() else { return Fed::More };
            *bytes = rest;
            self.header.push(*first);
            match *self.header.as_slice() {
                [high @ 0x80..=0xff, low] => {
                    self.left = usize::from(u16::from_be_bytes([high & 0x7f, low]));
                    self.padding = 0;
                }
                [high @ 0..=0x7f, low, padding] => {
                    self.left = usize::from(u16::from_be_bytes([high & 0x3f, low]));
                    self.padding = usize::from(padding);
                }
                [] | [_] | [_, _] => continue,
                _ => return Fed::Malformed,
            }
            self.header.clear();
            if self.left == 0 || self.left > MAX_RECORD || self.padding >= self.left {
                return Fed::Malformed;
            }
        }
        let (body, rest) = bytes.split_at(self.left.min(bytes.len()));
        *bytes = rest;
        self.body.extend_from_slice(body);
        self.left = self.left.saturating_sub(body.len());
        if self.left > 0 {
            return Fed::More;
        }
        let mut message = std::mem::take(&mut self.body);
        message.truncate(message.len().saturating_sub(self.padding));
        self.state = match (self.state, message.first()) {
            (Expect::Hello, Some(&message::CLIENT_HELLO)) => Expect::AfterClientHello,
            // After a SERVER-HELLO, a CLIENT-MASTER-KEY or an ERROR nothing can be read.
            _ => Expect::Encrypted,
        };
        Fed::Message(message)
    }
}

/// A CLIENT-HELLO.
#[derive(Debug, PartialEq, Eq)]
pub struct ClientHello {
    /// The version that it offers at most.
    pub version: ProtocolVersion,
    /// The cipher kinds; TLS suites stand among them as 0x00xxxx.
    pub cipher_suites: Vec<CipherSuite>,
    /// The session id.
    pub session_id: SessionId,
    /// The message ends before all that it announces.
    pub truncated: bool,
}

/// Parse the body of a CLIENT-HELLO, without its type byte.
pub fn client_hello(body: &[u8]) -> Option<ClientHello> {
    let mut reader = Reader::new(body);
    let version = ProtocolVersion(reader.u16()?);
    let specs = usize::from(reader.u16()?);
    let session_id = usize::from(reader.u16()?);
    let _challenge = reader.u16()?;
    let truncated = reader.remaining() < specs.saturating_add(session_id);
    let mut specs = Reader::new(reader.take_up_to(specs));
    let mut cipher_suites = Vec::new();
    while let Some(spec) = specs.u24() {
        cipher_suites.push(CipherSuite(spec));
    }
    let session_id = reader.take_up_to(session_id).into();
    Some(ClientHello { version, cipher_suites, session_id, truncated })
}

/// A SERVER-HELLO.
#[derive(Debug, PartialEq, Eq)]
pub struct ServerHello<'a> {
    /// The session is resumed.
    pub session_id_hit: bool,
    /// Its version.
    pub version: ProtocolVersion,
    /// The certificate, if one was sent.
    pub certificate: Option<&'a [u8]>,
}

/// Parse the body of a SERVER-HELLO, without its type byte.
pub fn server_hello(body: &[u8]) -> Option<ServerHello<'_>> {
    let mut reader = Reader::new(body);
    let session_id_hit = reader.u8()? != 0;
    let _certificate_type = reader.u8()?;
    let version = ProtocolVersion(reader.u16()?);
    let certificate = usize::from(reader.u16()?);
    let _specs = reader.u16()?;
    let _connection_id = reader.u16()?;
    let certificate = reader.take(certificate).filter(|der| !der.is_empty());
    Some(ServerHello { session_id_hit, version, certificate })
}

/// The cipher kind that a CLIENT-MASTER-KEY chooses, from its body without the type byte.
pub fn client_master_key(body: &[u8]) -> Option<CipherSuite> {
    Reader::new(body).u24().map(CipherSuite)
}
