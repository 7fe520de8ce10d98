//! What the names of the ALPN extension (RFC 7301) stand for.

/// Exact names, as IANA registers them, and a few that are in use without.
const NAMES: [(&[u8], &str); 27] = [
    (b"http/0.9", "http"),
    (b"http/1.0", "http"),
    (b"http/1.1", "http"),
    (b"h2", "http"),
    (b"h2c", "http"),
    (b"h3", "http"),
    (b"hq", "http"),
    (b"grpc-exp", "http"),
    (b"imap", "imap"),
    (b"pop3", "pop3"),
    (b"smtp", "smtp"),
    (b"managesieve", "sieve"),
    (b"nntp", "nntp"),
    (b"nnsp", "nntp"),
    (b"ftp", "ftp"),
    (b"irc", "irc"),
    (b"xmpp-client", "xmpp"),
    (b"xmpp-server", "xmpp"),
    (b"dot", "dns"),
    (b"doq", "dns"),
    (b"coap", "coap"),
    (b"co", "coap"),
    (b"mqtt", "mqtt"),
    (b"ntske/1", "ntske"),
    (b"postgresql", "postgresql"),
    (b"tds/8.0", "tds"),
    (b"acme-tls/1", "acme"),
];

/// Beginnings of names that carry a version.
const PREFIXES: [(&[u8], &str); 11] = [
    (b"spdy/", "http"),
    (b"h2-", "http"),
    (b"h3-", "http"),
    (b"hq-", "http"),
    (b"doq-", "dns"),
    (b"sip/", "sip"),
    (b"radius/", "radius"),
    (b"stun.", "turn"),
    (b"webrtc", "webrtc"),
    (b"c-webrtc", "webrtc"),
    (b"x-amzn-mqtt", "mqtt"),
];

/// The protocol that was negotiated. Where no answer was seen (in TLS 1.3 it is encrypted), the one
/// that all offered names stand for.
pub(super) fn name(offered: &[Box<[u8]>], negotiated: Option<&[u8]>) -> Option<&'static str> {
    if let Some(negotiated) = negotiated {
        return of(negotiated);
    }
    let mut names = offered.iter().filter(|name| !is_grease(name)).map(|name| of(name));
    let first = names.next()??;
    names.all(|name| name == Some(first)).then_some(first)
}

fn of(alpn: &[u8]) -> Option<&'static str> {
    let exact = NAMES.iter().find(|(name, _)| *name == alpn);
    let prefix = || PREFIXES.iter().find(|(prefix, _)| alpn.starts_with(prefix));
    exact.or_else(prefix).map(|(_, name)| *name)
}

/// Names that mean nothing (RFC 8701 §2).
fn is_grease(alpn: &[u8]) -> bool {
    matches!(alpn, [a, b] if a == b && a & 0x0f == 0x0a)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(names: &[&str]) -> Vec<Box<[u8]>> {
        names.iter().map(|name| name.as_bytes().into()).collect()
    }

    #[test]
    fn the_servers_choice_counts_and_else_a_single_meaning() {
        let web = offered(&["h2", "http/1.1"]);
        assert_eq!(name(&web, Some(b"h2")), Some("http"));
        assert_eq!(name(&web, Some(b"sip/2")), Some("sip"));
        assert_eq!(name(&web, Some(b"\x01")), None);
        assert_eq!(name(&web, None), Some("http"));
        assert_eq!(name(&offered(&["\u{a}\u{a}", "h2"]), None), Some("http"));
        assert_eq!(name(&offered(&["h2", "imap"]), None), None);
        assert_eq!(name(&offered(&["h2", "private"]), None), None);
        assert_eq!(name(&[], None), None);
    }
}
