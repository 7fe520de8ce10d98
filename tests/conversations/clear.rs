//! What is said in the clear before TLS begins, after the protocols' documents.

use super::random::Random;

/// A dialogue: whether the client speaks, and what; and what it says of the connection.
pub struct Clear {
    pub words: Vec<(bool, Vec<u8>)>,
    pub application: &'static str,
    pub starttls: bool,
    pub target: Option<String>,
}

fn text(application: &'static str, lines: &[(bool, &str)]) -> Clear {
    let words = lines.iter().map(|(client, line)| (*client, line.as_bytes().to_vec())).collect();
    Clear { words, application, starttls: true, target: None }
}

const C: bool = true;
const S: bool = false;

impl Clear {
    pub fn new(random: &mut Random) -> Self {
        let host = format!("host{}.example", random.below(1000));
        let own = |words: &[(bool, Vec<u8>)], application, starttls, target| Self {
            words: words.to_vec(),
            application,
            starttls,
            target,
        };
        match random.below(12) {
            // RFC 3207 §4.
            0 => text(
                "smtp",
                &[
                    (S, "220 mail.example ESMTP ready\r\n"),
                    (C, "EHLO client.example\r\n"),
                    (S, "250-mail.example\r\n250-SIZE 1000000\r\n250 STARTTLS\r\n"),
                    (C, "STARTTLS\r\n"),
                    (S, "220 2.0.0 Go ahead\r\n"),
                ],
            ),
            // RFC 9051 §6.2.1.
            1 => text(
                "imap",
                &[
                    (S, "* OK [CAPABILITY IMAP4rev2 STARTTLS] ready\r\n"),
                    (C, "a001 STARTTLS\r\n"),
                    (S, "a001 OK Begin TLS negotiation now\r\n"),
                ],
            ),
            // RFC 2595 §4.
            2 => text(
                "pop3",
                &[
                    (S, "+OK POP3 server ready <1@mail.example>\r\n"),
                    (C, "STLS\r\n"),
                    (S, "+OK Begin TLS negotiation\r\n"),
                ],
            ),
            // RFC 4217 §12.
            3 => text(
                "ftp",
                &[
                    (S, "220 ftp.example FTP server ready\r\n"),
                    (C, "AUTH TLS\r\n"),
                    (S, "234 Proceed with negotiation\r\n"),
                ],
            ),
            // RFC 4642 §2.2.
            4 => text(
                "nntp",
                &[
                    (S, "200 news.example InterNetNews ready\r\n"),
                    (C, "CAPABILITIES\r\n"),
                    (S, "101 Capability list:\r\nVERSION 2\r\nSTARTTLS\r\n.\r\n"),
                    (C, "STARTTLS\r\n"),
                    (S, "382 Continue with TLS negotiation\r\n"),
                ],
            ),
            // RFC 5804 §2.2.
            5 => text(
                "sieve",
                &[
                    (S, "\"IMPLEMENTATION\" \"Example\"\r\n\"STARTTLS\"\r\nOK\r\n"),
                    (C, "STARTTLS\r\n"),
                    (S, "OK \"Begin TLS negotiation now.\"\r\n"),
                ],
            ),
            // RFC 6120 §5.4.
            6 => text(
                "xmpp",
                &[
                    (
                        C,
                        "<?xml version='1.0'?><stream:stream to='im.example' version='1.0' \
                     xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>",
                    ),
                    (
                        S,
                        "<?xml version='1.0'?><stream:stream from='im.example' id='1' version='1.0' \
                     xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>\
                     <stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>\
                     </stream:features>",
                    ),
                    (C, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
                    (S, "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
                ],
            ),
            // PostgreSQL's SSLRequest.
            7 => own(
                &[(C, vec![0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f]), (S, b"S".to_vec())],
                "postgresql",
                true,
                None,
            ),
            // RFC 4511 §4.14: an extended request and its response.
            8 => {
                let oid = b"1.3.6.1.4.1.1466.20037";
                let request = [&[0x77, 24, 0x80, 22][..], oid].concat();
                let request = [&[0x30, 29, 2, 1, 1][..], &request].concat();
                let response = vec![0x30, 12, 2, 1, 1, 0x78, 7, 10, 1, 0, 4, 0, 4, 0];
                own(&[(C, request), (S, response)], "ldap", true, None)
            }
            // RFC 9110 §9.3.6.
            9 | 10 => {
                let target = format!("{host}:443");
                let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n");
                let answer = b"HTTP/1.1 200 Connection established\r\n\r\n".to_vec();
                own(&[(C, request.into_bytes()), (S, answer)], "http-connect", false, Some(target))
            }
            // RFC 1928.
            _ => {
                let name = host.as_bytes();
                let length = u8::try_from(name.len()).unwrap();
                let request = [&[5, 1, 0, 3, length][..], name, &[1, 0xbb]].concat();
                let answer = vec![5, 0, 0, 1, 10, 0, 0, 1, 0x1f, 0x90];
                let words = [(C, vec![5, 1, 0]), (S, vec![5, 0]), (C, request), (S, answer)];
                own(&words, "socks", false, Some(format!("{host}:443")))
            }
        }
    }
}
