//! Line protocols in which a client asks for TLS.

use std::iter;

use memchr::{memchr, memmem};

/// More than there are letters in any word that is looked for: what is not text may go on without a
/// space for long.
const WORD: usize = 16;

/// The protocol of a text session. One end may be missing: a client's commands tell more, a server's
/// greeting has to do where only that was captured.
pub(super) fn name(client: &[u8], server: &[u8]) -> Option<&'static str> {
    stream(client, server).or_else(|| commands(client, server)).or_else(|| answers(server))
}

/// XMPP opens an XML stream (RFC 6120 §4.8, §5.4).
fn stream(client: &[u8], server: &[u8]) -> Option<&'static str> {
    const MARKS: [&[u8]; 3] = [b"etherx.jabber.org/streams", b"jabber:client", b"jabber:server"];
    let marked = |text: &[u8]| {
        text.trim_ascii_start().starts_with(b"<") && MARKS.iter().any(|mark| contains(text, mark))
    };
    (marked(client) || marked(server)).then_some("xmpp")
}

/// By what the client says.
fn commands(client: &[u8], server: &[u8]) -> Option<&'static str> {
    let mut asked = false;
    let mut irc = false;
    for line in lines(client) {
        let mut words = parts(line, b' ').filter(|word| !word.is_empty());
        let mut word = || {
            let word = words.next().unwrap_or_default();
            word.get(..WORD).unwrap_or(word).to_ascii_uppercase()
        };
        let (first, second) = (word(), word());
        match (first.as_slice(), second.as_slice()) {
            // RFC 5321 §4.1.1.1, RFC 2033 §4.1.
            (b"EHLO" | b"HELO", _) => return Some("smtp"),
            (b"LHLO", _) => return Some("lmtp"),
            // RFC 4217 §2.1, and the names that its drafts had.
            (b"AUTH", b"TLS" | b"SSL" | b"TLS-C" | b"TLS-P") => return Some("ftp"),
            // RFC 2595 §4.
            (b"STLS", _) => return Some("pop3"),
            // RFC 9051 §6.2.1: any tag before the command; ACAP (RFC 2595 §5) greets otherwise.
            (tag, b"STARTTLS") if tag != b"STARTTLS" => {
                return Some(if server.starts_with(b"* ACAP") { "acap" } else { "imap" });
            }
            (b"CAP", b"LS" | b"REQ" | b"END") | (b"NICK", _) => irc = true,
            (b"STARTTLS", _) => asked = true,
            // RFC 2817 §3.1.
            (b"UPGRADE:", protocol) if protocol.starts_with(b"TLS/") => return Some("http"),
            _ => {}
        }
    }
    match (asked, server) {
        (true, [b'2', b'2', b'0', ..]) => Some("smtp"),
        // RFC 4642 §2.2, RFC 3977 §5.1.
        (true, [b'2', b'0', b'0' | b'1', ..]) => Some("nntp"),
        // RFC 5804 §1.7, §2.2: capabilities as quoted strings.
        (true, [b'"', ..]) => Some("sieve"),
        (true, _) if irc || is_irc_ready(server) => Some("irc"),
        (true, _) if has_line(client, b"MODE READER") || has_line(client, b"CAPABILITIES") => {
            Some("nntp")
        }
        (true, _) if has_line(client, b"CAPABILITY") => Some("sieve"),
        _ => None,
    }
}

/// By what the server says.
fn answers(server: &[u8]) -> Option<&'static str> {
    let first = lines(server).next().unwrap_or_default().to_ascii_uppercase();
    let replied = |code: &[u8]| lines(server).skip(1).any(|line| line.starts_with(code));
    match first.as_slice() {
        [b'*', b' ', rest @ ..] if rest.starts_with(b"OK") || rest.starts_with(b"PREAUTH") => {
            Some("imap")
        }
        [b'*', b' ', rest @ ..] if rest.starts_with(b"ACAP") => Some("acap"),
        [b'+', b'O', b'K', ..] => Some("pop3"),
        [b'2', b'2', b'0', b' ' | b'-', ..] => {
            if replied(b"234") || contains(&first, b"FTP") {
                Some("ftp")
            } else if replied(b"250") || replied(b"220 ") || contains(&first, b"SMTP") {
                Some("smtp")
            } else {
                None
            }
        }
        [b'2', b'0', b'0' | b'1', b' ', ..] if replied(b"382") => Some("nntp"),
        [b'"', ..] if contains(server, b"\"STARTTLS\"") => Some("sieve"),
        [b'I', b'N', b'F', b'O', b' ', b'{', ..] => Some("nats"),
        _ if is_irc_ready(server) => Some("irc"),
        _ => None,
    }
}

/// IRC's RPL_STARTTLS (the tls extension of IRCv3).
fn is_irc_ready(server: &[u8]) -> bool {
    lines(server).any(|line| line.starts_with(b":") && contains(line, b" 670 "))
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    parts(text, b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty())
}

/// What stands before, between and behind bytes of this value.
fn parts(text: &[u8], mark: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = text;
    iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (part, behind) = rest.split_at(memchr(mark, rest).unwrap_or(rest.len()));
        rest = behind.get(1..).unwrap_or_default();
        Some(part)
    })
}

fn has_line(text: &[u8], wanted: &[u8]) -> bool {
    lines(text).any(|line| line.eq_ignore_ascii_case(wanted))
}

/// Whether `mark` stands somewhere in a text.
pub(super) fn contains(text: &[u8], mark: &[u8]) -> bool {
    memmem::find(text, mark).is_some()
}
