//! Sessions of every protocol, from both ends and from the server's alone.

use super::*;

/// `name starttls|direct target` of a session.
fn named(client: &[u8], server: &[u8]) -> String {
    let application =
        application(&[client.to_vec(), server.to_vec()], Side::Low, &[], None, Begun::WithHello);
    let Application { name, starttls, target } = application;
    let kind = if starttls { "starttls" } else { "direct" };
    format!("{} {kind} {}", name.unwrap_or("-"), target.as_deref().unwrap_or("-"))
}

#[test]
fn line_protocols_are_named_by_either_end() {
    for (name, client, server) in [
        ("smtp", "EHLO me\r\nSTARTTLS\r\n", "220 m ESMTP\r\n250-m\r\n250 STARTTLS\r\n220 Go\r\n"),
        ("smtp", "HELO me\r\nSTARTTLS\r\n", "220 m\r\n250 m\r\n220 Go\r\n"),
        ("lmtp", "LHLO me\r\nSTARTTLS\r\n", ""),
        ("imap", "a1 CAPABILITY\r\na2 starttls\r\n", "* OK ready\r\na1 OK\r\na2 OK Begin\r\n"),
        ("imap", ". STARTTLS\r\n", "* PREAUTH [CAPABILITY IMAP4rev1] hi\r\n. OK\r\n"),
        ("acap", "A STARTTLS\r\n", "* ACAP (IMPLEMENTATION \"x\")\r\nA OK\r\n"),
        ("pop3", "CAPA\r\nSTLS\r\n", "+OK POP3\r\n+OK\r\n.\r\n+OK Begin\r\n"),
        ("ftp", "AUTH TLS\r\n", "220 files\r\n234 Proceed\r\n"),
        ("ftp", "FEAT\r\nauth ssl\r\n", "220 FTP\r\n211 End\r\n234 ok\r\n"),
        ("nntp", "CAPABILITIES\r\nSTARTTLS\r\n", "201 news\r\n101 list\r\n.\r\n382 Go\r\n"),
        ("sieve", "STARTTLS\r\n", "\"IMPLEMENTATION\" \"x\"\r\n\"STARTTLS\"\r\nOK\r\nOK go\r\n"),
        ("irc", "CAP LS 302\r\nSTARTTLS\r\n", ":srv CAP * LS :tls\r\n:srv 670 * :go\r\n"),
    ] {
        let expected = format!("{name} starttls -");
        assert_eq!(named(client.as_bytes(), server.as_bytes()), expected);
        if !server.is_empty() {
            assert_eq!(named(b"", server.as_bytes()), expected, "server alone");
        }
        assert_eq!(
            named(client.as_bytes(), b"").split(' ').nth(1),
            Some("starttls"),
            "client alone"
        );
    }
    let stream = b"<?xml version='1.0'?><stream:stream to='x' xmlns='jabber:client' \
        xmlns:stream='http://etherx.jabber.org/streams'>";
    assert_eq!(named(stream, b""), "xmpp starttls -");
    assert_eq!(named(b"", stream), "xmpp starttls -");
    let upgrade = b"OPTIONS * HTTP/1.1\r\nUpgrade: TLS/1.0\r\nConnection: Upgrade\r\n\r\n";
    assert_eq!(named(upgrade, b"HTTP/1.1 101 Switching Protocols\r\n\r\n"), "http starttls -");
    assert_eq!(named(b"", b"INFO {\"tls_required\":true}\r\n"), "nats starttls -");
}

#[test]
fn words_may_be_longer_than_those_that_are_looked_for() {
    let more = "x".repeat(100);
    for command in ["EHLO", "STLS", "a STARTTLS", "AUTH TLS-P", "LHLO", "UPGRADE:"] {
        let client = format!("{command}{more} TLS/1.0\r\n");
        assert_eq!(named(client.as_bytes(), b""), "- starttls -", "{client}");
    }
    // A tag is any word, and of a protocol to upgrade to the beginning tells.
    for (name, client) in
        [("imap", format!("{more}  STARTTLS\r\n")), ("http", format!("Upgrade: TLS/{more}\r\n"))]
    {
        assert_eq!(named(client.as_bytes(), b""), format!("{name} starttls -"));
    }
}

#[test]
fn databases_directories_and_desktops_are_named_by_either_end() {
    let mut mysql = vec![32, 0, 0, 1, 0x85, 0xae, 0x7f, 0];
    mysql.resize(36, 0);
    let greeting = [&[74, 0, 0, 0, 10][..], b"8.0.36\0", &[0; 60]].concat();
    let rdp = [&[3, 0, 0, 43, 38, 0xe0, 0, 0, 0, 0, 0][..], b"Cookie: mstshash=me\r\n"].concat();
    let confirm = [3, 0, 0, 19, 14, 0xd0, 0, 0, 0x12, 0x34, 0, 2, 0, 8, 0, 2, 0, 0, 0];
    let start_tls =
        [&[0x30, 0x1d, 2, 1, 1, 0x77, 0x18, 0x80, 0x16][..], b"1.3.6.1.4.1.1466.20037"].concat();
    let ldap_ready = [0x30, 0x0c, 2, 1, 1, 0x78, 7, 10, 1, 0, 4, 0, 4, 0];
    let prelogin =
        [0x12, 1, 0, 26, 0, 0, 1, 0, 0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xff, 9, 0, 0, 0, 0, 0, 1];
    let mut answer = prelogin;
    answer[0] = 4;
    let reset = [0, 14, 0x38, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0];
    let telnet = [0xff, 0xfa, 46, 1, 0xff, 0xf0];
    let ssl_request = [0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f];
    let gss_request = [0, 0, 0, 8, 4, 0xd2, 0x16, 0x30];
    let both = [gss_request, ssl_request].concat();
    let sessions: [(&str, &[u8], &[u8]); 12] = [
        ("postgresql", &ssl_request, b"S"),
        ("postgresql", &both, b"NS"),
        ("mysql", &mysql, &greeting),
        ("rdp", &rdp, &confirm),
        ("ldap", &start_tls, &ldap_ready),
        ("tds", &prelogin, &answer),
        ("openvpn", &reset, &[0, 26, 0x40, 1, 2, 3, 4, 5, 6, 7, 8, 1]),
        ("vnc", b"RFB 003.008\n\x13", b"RFB 003.008\n\x01\x13"),
        ("amqp", b"AMQP\x02\x01\0\0", b"AMQP\x02\x01\0\0"),
        ("nbd", b"\0\0\0\x03", b"NBDMAGICIHAVEOPT\0\x03"),
        ("telnet", &telnet, &telnet),
        ("-", b"\x01\x02\x03", b""),
    ];
    for (name, client, server) in sessions {
        let kind = if name == "openvpn" { "direct" } else { "starttls" };
        assert_eq!(named(client, server), format!("{name} {kind} -"));
        if name != "openvpn" && name != "-" {
            assert_eq!(named(b"", server), format!("{name} starttls -"), "server alone");
        }
    }
}

#[test]
fn proxies_are_named_with_what_they_were_asked_for() {
    let ok: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";
    let connect: &[u8] = b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n";
    assert_eq!(named(connect, ok), "http-connect direct example.com:443");
    assert_eq!(named(connect, b""), "http-connect direct example.com:443");
    assert_eq!(named(b"", ok), "http-connect direct -");
    // Asked twice, for a log-in.
    let denied = b"HTTP/1.1 407 Authenticate\r\nContent-Length: 5\r\n\r\nsorry".as_slice();
    let (twice, answers) = ([connect, connect].concat(), [denied, ok].concat());
    assert_eq!(named(&twice, &answers), "http-connect direct example.com:443");
    // A body that ends without a line break comes before the next request, or the next answer.
    let page =
        b"HTTP/1.1 200 OK\r\nContent-Length: 24\r\n\r\n220 m SMTP\r\n250 STARTTLS".as_slice();
    assert_eq!(named(connect, &[page, ok].concat()), "http-connect direct example.com:443");
    let post = b"POST http://x/ HTTP/1.1\r\nContent-Length: 7\r\n\r\nEHLO me".as_slice();
    let both = [post, connect].concat();
    assert_eq!(named(&both, &[page, ok].concat()), "http-connect direct example.com:443");
    let denied = [denied, b"HTTP/1.1 200 OK\r\n\r\n220 mail SMTP\r\n"].concat();
    assert_eq!(named(&twice, &denied), "smtp starttls example.com:443");
    assert_eq!(named(b"EHLO CONNECT me\r\n", b"220 HTTP/1.1 mail\r\n"), "smtp starttls -");
    // SOCKS: names, addresses, log-ins.
    let name = b"\x05\x01\x00\x05\x01\x00\x03\x0bexample.com\x01\xbb";
    let granted = b"\x05\x00\x05\x00\x00\x01\0\0\0\0\0\0";
    assert_eq!(named(name, granted), "socks direct example.com:443");
    assert_eq!(named(b"", granted), "socks direct -");
    // Without what was said about how to log in, which was not captured.
    let (request, reply) =
        (b"\x05\x01\x00\x03\x0bexample.com\x01\xbb", b"\x05\x00\x00\x01\0\0\0\0\0\0");
    assert_eq!(named(request, reply), "socks direct example.com:443");
    assert_eq!(named(request, granted), "socks direct example.com:443");
    assert_eq!(named(name, reply), "socks direct example.com:443");
    assert_eq!(named(b"", reply), "socks direct -");
    let login = b"\x05\x02\x00\x02\x01\x02me\x02pw\x05\x01\x00\x01\x0a\x00\x00\x07\x20\xfb";
    assert_eq!(named(login, b"\x05\x02\x01\x00"), "socks direct 10.0.0.7:8443");
    assert_eq!(named(login, b""), "socks direct 10.0.0.7:8443");
    let v6 = [&b"\x05\x01\x00\x05\x01\x00\x04"[..], &[0; 15], b"\x01\x01\xbb"].concat();
    assert_eq!(named(&v6, b""), "socks direct [::1]:443");
    assert_eq!(named(b"\x04\x01\x01\xbb\x0a\x00\x00\x07me\0", b""), "socks direct 10.0.0.7:443");
    let v4a = b"\x04\x01\x01\xbb\0\0\0\x01me\0example.com\0";
    assert_eq!(named(v4a, b"\0\x5a\0\0\0\0\0\0"), "socks direct example.com:443");
    let login = b"\x05\x01\x02\x01\x02me\x05later\x05\x01\x00\x01\x0a\x00\x00\x07\x20\xfb";
    assert_eq!(named(login, b"\x05\x02\x01\x00"), "socks direct 10.0.0.7:8443");
    // A name that cannot be shown is not.
    assert_eq!(named(b"CONNECT \x1b[2J:443 HTTP/1.1\r\n\r\n", ok), "http-connect direct -");
}

#[test]
fn what_is_inside_a_proxy_comes_first() {
    let client = b"CONNECT mail:25 HTTP/1.0\r\n\r\nEHLO me\r\nSTARTTLS\r\n";
    let server = b"HTTP/1.0 200 OK\r\n\r\n220 mail ESMTP\r\n250 STARTTLS\r\n220 Go\r\n";
    assert_eq!(named(client, server), "smtp starttls mail:25");
    let chained = b"CONNECT proxy:8080 HTTP/1.0\r\n\r\n\x04\x01\x01\xbb\x0a\x00\x00\x07\0";
    assert_eq!(named(chained, b""), "socks direct 10.0.0.7:443");
    let v1 = b"PROXY TCP4 192.0.2.1 192.0.2.2 5000 443\r\n";
    assert_eq!(named(v1, b""), "proxy direct -");
    let v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\x13\x88\x01\xbb";
    assert_eq!(named(v2, b""), "proxy direct -");
    let mail = [&v2[..], b"EHLO me\r\n"].concat();
    assert_eq!(named(&mail, b"220 mail\r\n"), "smtp starttls -");
    let alpn: [Box<[u8]>; 1] = [b"h2".as_slice().into()];
    let found = application(&[v1.to_vec(), Vec::new()], Side::Low, &alpn, None, Begun::WithHello);
    assert_eq!((found.name, found.starttls), (Some("http"), false));
}

#[test]
fn an_answer_to_the_hello_in_the_clear_is_no_protocol_around_it() {
    assert_eq!(named(b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"), "- direct -");
    assert_eq!(named(b"", b"SSH-2.0-OpenSSH_9.6\r\n"), "- direct -");
    assert_eq!(named(b"", b""), "- direct -");
}

#[test]
fn any_bytes_are_survived() {
    let mut seed = 7_u64;
    let mut next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        seed.to_be_bytes()[0]
    };
    let starts: [&[u8]; 10] = [
        b"",
        b"CONNECT ",
        b"\x05\x01\x00",
        b"\x04\x01",
        b"PROXY ",
        b"\r\n\r\n\0\r\nQUIT\n",
        b"\x12\x01\x00",
        b"\x30\x84",
        b"\x00\x0e\x38",
        b"\x03\x00\x00",
    ];
    for round in 0..20_000 {
        let mut side = || {
            let mut bytes = starts.get(round % starts.len()).unwrap().to_vec();
            bytes.extend((0..usize::from(next()) % 48).map(|_| next()));
            bytes
        };
        let _ = named(&side(), &side());
    }
}

#[test]
fn of_a_request_that_was_cut_no_target_is_made_up() {
    let connect = b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n";
    let ok = b"HTTP/1.1 200 Connection established\r\n\r\n";
    for kept in 0..connect.len() {
        let target = if kept < b"CONNECT example.com:443 ".len() { "-" } else { "example.com:443" };
        assert_eq!(named(&connect[..kept], ok), format!("http-connect direct {target}"), "{kept}");
    }
    let name = b"\x05\x01\0\x05\x01\0\x03\x0bexample.com\x01\xbb";
    let granted = b"\x05\0\x05\0\0\x01\x0a\0\0\x07\x01\xbb";
    for kept in 0..name.len() {
        assert_eq!(named(&name[..kept], granted), "socks direct -", "{kept}");
    }
    let fourth = b"\x04\x01\x01\xbb\x0a\x00\x00\x07me\0";
    for kept in 0..fourth.len() {
        assert_eq!(named(&fourth[..kept], b"\0\x5a\0\0\0\0\0\0"), "socks direct -", "{kept}");
    }
}
