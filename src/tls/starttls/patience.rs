//! [`Patience`]: how long to look for TLS in cleartext, by what the cleartext looks like.
//!
//! Most flows never come to TLS, and each byte that is searched in them is lost time: a few packets
//! are enough to see that a flow is a download, a file share or a terminal. A mail session may have
//! said a lot before it asks for TLS, and a connection to a proxy may have carried whole downloads
//! before it asks for a tunnel. A hello that begins a segment is found even after patience has run
//! out (see [`FlowTable`](crate::flow::table::FlowTable)); what is lost then is the cleartext that
//! names the protocol.

use crate::bytes::Reader;

/// How long to look for TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::tls) enum Patience {
    /// No protocol that is known to start TLS late.
    Unknown,
    /// One that is, or text of a kind that may be one.
    Known,
    /// Requests to an HTTP proxy: what it sends in return may be of any length.
    Proxy,
}

impl Patience {
    /// From the cleartext that one end has sent so far.
    pub(in crate::tls) fn of(preamble: &[u8]) -> Self {
        if is_proxy_request(preamble) {
            Self::Proxy
        } else if is_ldap(preamble)
            || !preamble.is_empty() && is_text(preamble) && !is_settled(preamble)
        {
            Self::Known
        } else {
            Self::Unknown
        }
    }
}

/// Whether bytes begin with the request for a tunnel: what came before does not matter for it
/// (RFC 9110 §9.3.6).
pub(in crate::tls) fn begins_tunnel(bytes: &[u8]) -> bool {
    bytes.starts_with(b"CONNECT ")
}

/// Whether bytes may well be the first of a direction, for a stream whose SYN was not seen: text, or
/// the first message of a protocol in which TLS starts.
pub(in crate::tls) fn is_beginning(bytes: &[u8]) -> bool {
    is_text(bytes)
        || is_ldap(bytes)
        || matches!(
            bytes,
            // PostgreSQL's SSLRequest and GSSENCRequest, an X.224 connection request and confirm.
            [0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f | 0x30, ..] | [3, 0, 0, _, _, 0xe0 | 0xd0, ..]
                // MySQL's greeting and SSLRequest.
                | [_, 0, 0, 0, 10, b'1'..=b'9', ..] | [32, 0, 0, 1, ..]
                // SOCKS 4 and 5.
                | [4, 1, _, _, _, _, _, _, ..] | [5, 1..=8, 0..=9, ..]
                // Their answers: a request granted, a method chosen.
                | [0, 0x5a, _, _, _, _, _, _] | [5, 0..=2] | [5, 0, 0, 1 | 3 | 4, ..]
                // PROXY protocol, version 2.
                | [0x0d, 0x0a, 0x0d, 0x0a, 0, 0x0d, 0x0a, b'Q', b'U', b'I', b'T', 0x0a, ..]
                // Telnet's negotiation.
                | [0xff, 0xfa..=0xfe, ..]
        )
}

/// Whether bytes begin a connection, or ask for TLS, in a way that hardly anything else looks like: a
/// request to a proxy, a greeting, a request for TLS.
pub(in crate::tls) fn is_opening(bytes: &[u8]) -> bool {
    matches!(bytes, [first, second, _, ..] if may_open(*first, *second)) && opens(bytes)
}

/// Whether one of those openings may begin with these two bytes. Asked of every packet of flows that are
/// not watched, most of which begin with anything: it is looked up, as a processor would guess wrong at
/// comparisons.
#[inline]
pub(in crate::tls) fn may_open(first: u8, second: u8) -> bool {
    let of = |table: &[u8; 256], byte: u8| table.get(usize::from(byte)).copied().unwrap_or(u8::MAX);
    of(&FIRST, first) & of(&SECOND, second) != 0
}

/// An opening by its first two bytes, a bit for each kind: one of [`WORDS`].
const WORD: u8 = 1;
/// A zero behind the length of MySQL's greeting, or behind another byte that `opens` tells apart.
const ZERO: u8 = 2;
/// SOCKS or MS-SQL.
const COUNT: u8 = 4;
/// The PROXY protocol.
const PROXY: u8 = 8;
/// LDAP, with any length.
const LDAP: u8 = 16;

/// Which kinds may begin with a byte.
static FIRST: [u8; 256] = {
    let mut table = [ZERO; 256];
    mark(&mut table, 4, 5, COUNT);
    mark(&mut table, 0x12, 0x12, COUNT);
    mark(&mut table, 0x0d, 0x0d, PROXY);
    mark(&mut table, 0x30, 0x30, LDAP);
    let mut words = WORDS.as_slice();
    while let [[first, ..], rest @ ..] = words {
        mark_letter(&mut table, *first, WORD);
        words = rest;
    }
    table
};

/// Of which kinds a byte may be the second.
static SECOND: [u8; 256] = {
    let mut table = [LDAP; 256];
    mark(&mut table, 0, 0, ZERO);
    mark(&mut table, 1, 8, COUNT);
    mark(&mut table, 0x0a, 0x0a, PROXY);
    let mut words = WORDS.as_slice();
    while let [[_, second, ..], rest @ ..] = words {
        mark_letter(&mut table, *second, WORD);
        words = rest;
    }
    table
};

/// Add a kind to a letter, whether it is a capital or not.
const fn mark_letter(table: &mut [u8; 256], letter: u8, kind: u8) {
    let (upper, lower) = (letter.to_ascii_uppercase(), letter.to_ascii_lowercase());
    mark(table, upper, upper, kind);
    mark(table, lower, lower, kind);
}

/// Add a kind to all bytes from the first to the last.
const fn mark(table: &mut [u8; 256], first: u8, last: u8, kind: u8) {
    let (_, mut rest) = table.split_at_mut(first as usize);
    let mut left = (last as usize).saturating_sub(first as usize);
    while let [place, behind @ ..] = rest {
        *place |= kind;
        let Some(fewer) = left.checked_sub(1) else { return };
        (left, rest) = (fewer, behind);
    }
}

#[inline(never)]
fn opens(bytes: &[u8]) -> bool {
    let is_whole = |high: u8, low: u8| usize::from(u16::from_be_bytes([high, low])) == bytes.len();
    match bytes {
        [0x0d, ..] => bytes.starts_with(b"\r\n\r\n\0\r\nQUIT\n"),
        // SOCKS 5: methods and nothing else, or a request for a tunnel. SOCKS 4: port, address, names
        // that end with zero.
        [5, 1, 0, 1, ..] if bytes.len() == 10 => true,
        [5, 1, 0, 3, size, ..] if bytes.len() == usize::from(*size).saturating_add(7) => true,
        [5, 1, 0, 4, ..] if bytes.len() == 22 => true,
        [5, count @ 1..=8, methods @ ..] => methods.len() == usize::from(*count),
        [4, 1, _, _, _, _, _, _, .., 0] => bytes.len() <= 512,
        // PostgreSQL, RDP, MS-SQL.
        [0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f | 0x30] => true,
        [3, 0, high, low, _, 0xe0, ..] | [0x12, 1, high, low, 0, 0, ..] => is_whole(*high, *low),
        // LDAP's extended operation (RFC 4511 §4.14).
        [0x30, ..] => message_id(bytes).and_then(|rest| rest.first()) == Some(&0x77),
        // MySQL's greeting.
        [size, 0, 0, 0, 10, b'1'..=b'9', ..] => bytes.len() == usize::from(*size).saturating_add(4),
        _ => WORDS.iter().any(|word| {
            bytes.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
        }),
    }
}

/// How text begins that begins a session, or asks for TLS in it.
const WORDS: [&[u8]; 24] = [
    b"CONNECT ",
    b"PROXY ",
    b"220 ",
    b"220-",
    b"200 ",
    b"201 ",
    b"+OK",
    b"* OK",
    b"EHLO ",
    b"LHLO ",
    b"HELO ",
    b"STARTTLS",
    b"STLS",
    b"AUTH TLS",
    b"AUTH SSL",
    b"CAP LS",
    b"CAP REQ",
    b"NICK ",
    b"CAPABILIT",
    b"MODE READER",
    b"\"IMPLEMENTATION\"",
    b"<?XML ",
    b"<STREAM:STREAM",
    b"234 ",
];

/// Text in the first few bytes.
fn is_text(bytes: &[u8]) -> bool {
    bytes.iter().take(16).all(|byte| matches!(byte, 9..=13 | 32..=126))
}

/// Text of protocols that do not come to TLS: HTTP to an origin server, SSH, Redis.
fn is_settled(bytes: &[u8]) -> bool {
    const SETTLED: [&[u8]; 4] = [b"HTTP/", b"SSH-", b"PRI * HTTP/2", b"*1\r\n$"];
    SETTLED.iter().any(|start| bytes.starts_with(start))
        || matches!(bytes, [b'*', b'1'..=b'9', b'\r', b'\n', b'$', ..])
        || request_target(bytes).is_some_and(|target| matches!(target.first(), Some(b'/' | b'*')))
}

/// Requests whose target is a whole URL, or an authority, go to a proxy (RFC 9112 §3.2).
fn is_proxy_request(bytes: &[u8]) -> bool {
    begins_tunnel(bytes)
        || request_target(bytes).is_some_and(|target| {
            let scheme = target.get(..7).unwrap_or_default();
            scheme.eq_ignore_ascii_case(b"http://") || target.starts_with(b"ftp://")
        })
}

/// What is behind the method of an HTTP request.
fn request_target(bytes: &[u8]) -> Option<&[u8]> {
    const METHODS: [&[u8]; 8] =
        [b"GET ", b"POST ", b"PUT ", b"HEAD ", b"OPTIONS ", b"DELETE ", b"PATCH ", b"PROPFIND "];
    METHODS.iter().find_map(|method| bytes.strip_prefix(*method))
}

/// An LDAP message: a SEQUENCE that begins with a message id (RFC 4511 §4.1.1).
pub(super) fn is_ldap(bytes: &[u8]) -> bool {
    message_id(bytes).is_some()
}

/// What is behind the message id of an LDAP message.
pub(super) fn message_id(bytes: &[u8]) -> Option<&[u8]> {
    let mut reader = Reader::new(bytes);
    if reader.u8()? != 0x30 {
        return None;
    }
    let length = reader.u8()?;
    if length >= 0x80 {
        // Active Directory always writes four bytes.
        reader.skip(usize::from(length & 0x7f).clamp(1, 4))?;
    }
    let (tag, size) = (reader.u8()?, reader.u8()?);
    if tag != 2 || !matches!(size, 1..=4) {
        return None;
    }
    reader.skip(usize::from(size))?;
    // An operation: any tag of class APPLICATION (§4.2 and following).
    matches!(reader.peek().first(), Some(0x40..=0x7f)).then(|| reader.rest())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn downloads_and_terminals_are_given_up_soon_and_mail_is_not() {
        for unknown in [
            "GET /index.html HTTP/1.1\r\n",
            "HTTP/1.1 200 OK\r\n",
            "SSH-2.0-OpenSSH_9.6\r\n",
            "*2\r\n$4\r\nLLEN\r\n",
            "\0\0\0\u{45}\u{7f}SMB2",
        ] {
            assert_eq!(Patience::of(unknown.as_bytes()), Patience::Unknown, "{unknown:?}");
        }
        for known in ["220 mail ESMTP\r\n", "a1 CAPABILITY\r\n", "+OK", "<?xml version='1.0'?>"] {
            assert_eq!(Patience::of(known.as_bytes()), Patience::Known, "{known:?}");
        }
        for proxy in ["GET http://example.com/ HTTP/1.1\r\n", "CONNECT example.com:443 HTTP/1.1"] {
            assert_eq!(Patience::of(proxy.as_bytes()), Patience::Proxy, "{proxy:?}");
        }
        let search = [0x30, 0x84, 0, 0, 0, 45, 2, 1, 1, 0x63, 0x84, 0, 0];
        assert_eq!(Patience::of(&search), Patience::Known);
    }

    #[test]
    fn what_opens_a_session_gets_past_the_first_look() {
        for word in WORDS {
            let lower = word.to_ascii_lowercase();
            assert!(is_opening(word) && is_opening(&lower), "{word:?}");
        }
        for bytes in [
            b"\r\n\r\n\0\r\nQUIT\n".as_slice(),
            &[5, 1, 0],
            &[5, 1, 0, 1, 10, 0, 0, 1, 1, 187],
            &[4, 1, 1, 187, 10, 0, 0, 1, 0],
            &[0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f],
            &[3, 0, 0, 7, 2, 0xe0, 0],
            &[0x12, 1, 0, 8, 0, 0, 0, 0],
            &[0x30, 0x0c, 2, 1, 1, 0x77, 7],
            &[6, 0, 0, 0, 10, b'8', b'.', b'0', b'.', b'1'],
        ] {
            assert!(is_opening(bytes), "{bytes:?}");
        }
        assert!(!is_opening(b"") && !is_opening(b"2") && !is_opening(&[0x17, 3, 3, 0, 64]));
    }
}
