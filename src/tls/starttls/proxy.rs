//! What stands before everything else: requests to a proxy, and the PROXY protocol's header.

use std::net::{Ipv4Addr, Ipv6Addr};

use memchr::memmem;

use crate::bytes::Reader;

/// The cleartext of both ends behind proxies' own words.
#[derive(Debug, Default)]
pub(super) struct Opened<'a> {
    pub(super) client: &'a [u8],
    pub(super) server: &'a [u8],
    /// The innermost proxy's protocol.
    pub(super) proxy: Option<&'static str>,
    /// What it was asked to connect to.
    pub(super) target: Option<String>,
    /// A PROXY protocol header stands before TLS.
    pub(super) header: bool,
}

/// Proxies that may be asked one behind the other.
const MAX_DEPTH: usize = 4;

/// Take off what was said to proxies and by them.
pub(super) fn open<'a>(client: &'a [u8], server: &'a [u8]) -> Opened<'a> {
    let mut opened = Opened { client, server, ..Opened::default() };
    for _ in 0..MAX_DEPTH {
        if let Some(rest) = proxy_header(opened.client) {
            opened.client = rest;
            opened.header = true;
            continue;
        }
        let (client, server) = (opened.client, opened.server);
        let (name, (target, client, server)) = if let Some(found) = connect(client, server) {
            ("http-connect", found)
        } else if let Some(found) = socks(client, server) {
            ("socks", found)
        } else {
            break;
        };
        opened.proxy = Some(name);
        opened.target = target.or(opened.target);
        opened.client = client;
        opened.server = server;
    }
    opened
}

type Found<'a> = (Option<String>, &'a [u8], &'a [u8]);

/// The PROXY protocol's header, version 1 (§2.1) or 2 (§2.2 of proxy-protocol.txt).
fn proxy_header(client: &[u8]) -> Option<&[u8]> {
    const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
    if client.starts_with(b"PROXY ") {
        return Some(behind(client, b"\n").unwrap_or_default());
    }
    let mut reader = Reader::new(client.strip_prefix(V2)?);
    reader.skip(2)?;
    reader.sub_u16()?;
    Some(reader.rest())
}

/// HTTP CONNECT (RFC 9110 §9.3.6): the last request, should others have come before it.
fn connect<'a>(client: &'a [u8], server: &'a [u8]) -> Option<Found<'a>> {
    let request =
        last_message(client, b"CONNECT ", |line| memmem::find(line, b" HTTP/1.").is_some());
    let success = last_message(server, b"HTTP/1.", |line| status(line).is_some())
        .filter(|answer| status(answer) == Some(b'2'));
    let server = match success {
        Some(answer) => behind_headers(answer),
        // The answer may have been cut out where the bounds shortened the cleartext.
        None if server.starts_with(b"HTTP/") => &[],
        None => server,
    };
    match request {
        Some(request) => {
            // Without the space behind it, it may have been cut.
            let mut words = request.split(|byte| *byte == b' ').skip(1);
            let target = words.next().filter(|_| words.next().is_some()).and_then(printable);
            Some((target, behind_headers(request), server))
        }
        // No more of the request was captured.
        None if b"CONNECT ".starts_with(client) && success.is_some() => Some((None, &[], server)),
        None => None,
    }
}

/// The first digit of an answer's status (RFC 9112 §4).
const fn status(answer: &[u8]) -> Option<u8> {
    match answer {
        [_, _, _, _, _, b'1', b'.', b'0'..=b'9', b' ', class @ b'1'..=b'5', _, _, ..] => {
            Some(*class)
        }
        _ => None,
    }
}

/// The last message that begins with `start`: at the beginning of a line or, as a body may end without a
/// line break, in the middle of one that `fits`.
fn last_message<'a>(
    text: &'a [u8],
    start: &[u8],
    fits: impl Fn(&[u8]) -> bool,
) -> Option<&'a [u8]> {
    /// A method, a host, a version.
    const REQUEST: usize = 300;
    let is_break = |byte: &u8| *byte == b'\n';
    let mut places = memmem::rfind_iter(text, start);
    let place = places.find(|place| {
        let (before, message) = text.split_at(*place);
        let mut lines = message.get(..REQUEST).unwrap_or(message).split(is_break);
        matches!(before, [] | [.., b'\n']) || lines.next().is_some_and(&fits)
    });
    text.get(place?..)
}

fn behind_headers(message: &[u8]) -> &[u8] {
    behind(message, b"\r\n\r\n").or_else(|| behind(message, b"\n\n")).unwrap_or_default()
}

/// What stands behind the first `mark`.
fn behind<'a>(text: &'a [u8], mark: &[u8]) -> Option<&'a [u8]> {
    let at = memmem::find(text, mark)?;
    text.get(at.saturating_add(mark.len())..)
}

/// SOCKS 4, 4a and 5.
fn socks<'a>(client: &'a [u8], server: &'a [u8]) -> Option<Found<'a>> {
    let answered = socks5_answer(server).or_else(|| socks4_answer(server));
    let asked = match client {
        [5, ..] => socks5_request(client, server),
        [4, 1, ..] => socks4_request(client),
        _ => None,
    };
    match asked {
        Some((target, rest)) => Some((target, rest, answered.unwrap_or(server))),
        // Not all of the request was captured.
        None if matches!(client, [] | [4 | 5, ..]) => Some((None, &[], answered?)),
        None => None,
    }
}

/// SOCKS 5: methods, perhaps a log-in, the request (RFC 1928 §3, §4; RFC 1929 §2). Of a connection that was
/// joined late there may be only the request.
fn socks5_request<'a>(client: &'a [u8], server: &[u8]) -> Option<(Option<String>, &'a [u8])> {
    let mut late = Reader::new(client);
    if let [_, _, 0, ..] = client
        && let Some(target) = socks5_address(&mut late, 1)
    {
        return Some((Some(target), late.rest()));
    }
    let mut reader = Reader::new(client);
    reader.skip(1)?;
    let methods = reader.sub_u8()?;
    if methods.is_empty() {
        return None;
    }
    let chosen = server.get(1).copied();
    let by_password = |first: Option<&u8>| match chosen {
        Some(method) => method == 2,
        None => first == Some(&1),
    };
    if by_password(reader.peek().first()) {
        reader.skip(1)?;
        reader.sub_u8()?;
        reader.sub_u8()?;
    }
    let target = socks5_address(&mut reader, 1)?;
    Some((Some(target), reader.rest()))
}

/// An address and a port behind version, command or reply, and a zero.
fn socks5_address(reader: &mut Reader<'_>, code: u8) -> Option<String> {
    let [version, found, _, kind] = reader.array()?;
    if version != 5 || found != code {
        return None;
    }
    let host = match kind {
        1 => Ipv4Addr::from(reader.array::<4>()?).to_string(),
        3 => printable(reader.sub_u8()?.rest()).unwrap_or_default(),
        4 => format!("[{}]", Ipv6Addr::from(reader.array::<16>()?)),
        _ => return None,
    };
    Some(format!("{host}:{}", reader.u16()?))
}

/// SOCKS 4: port, address, user; 4a puts a name behind an address of 0.0.0.x.
fn socks4_request(client: &[u8]) -> Option<(Option<String>, &[u8])> {
    let mut reader = Reader::new(client);
    reader.skip(2)?;
    let port = reader.u16()?;
    let address = reader.array::<4>()?;
    let mut rest = behind(reader.rest(), b"\0")?;
    let host = match address {
        [0, 0, 0, 1..=255] => {
            let name = rest.split(|byte| *byte == 0).next().and_then(printable);
            rest = behind(rest, b"\0")?;
            name
        }
        _ => Some(Ipv4Addr::from(address).to_string()),
    };
    Some((host.map(|host| format!("{host}:{port}")), rest))
}

/// What stands behind a SOCKS 5 server's method, log-in status and reply, or the reply alone.
fn socks5_answer(server: &[u8]) -> Option<&[u8]> {
    let mut late = Reader::new(server);
    if matches!(server, [_, _, 0, ..]) && socks5_address(&mut late, 0).is_some() {
        return Some(late.rest());
    }
    let mut reader = Reader::new(server);
    let [5, method] = reader.array()? else { return None };
    if method == 2 {
        reader.skip(2)?;
    }
    socks5_address(&mut reader, 0)?;
    Some(reader.rest())
}

/// What stands behind a SOCKS 4 server's reply: granted, port, address.
fn socks4_answer(server: &[u8]) -> Option<&[u8]> {
    let mut reader = Reader::new(server);
    let [0, 90] = reader.array()? else { return None };
    reader.skip(6)?;
    Some(reader.rest())
}

/// Names of hosts as peers send them: only what can be shown.
fn printable(host: &[u8]) -> Option<String> {
    /// A DNS name of 253 characters, brackets and a port.
    const LONGEST: usize = 261;
    let shown = !host.is_empty() && host.len() <= LONGEST && host.iter().all(u8::is_ascii_graphic);
    shown.then(|| String::from_utf8_lossy(host).into_owned())
}
