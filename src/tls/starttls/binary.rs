//! Protocols of messages in which TLS begins: databases, directories, desktops.

use super::patience::message_id;
use super::text::contains;
use super::{openvpn, tds};
use crate::bytes::Reader;

/// The protocol of a session of binary messages. One end may be missing.
pub(super) fn name(client: &[u8], server: &[u8]) -> Option<&'static str> {
    let tests: [(&str, bool); 10] = [
        ("postgresql", is_postgresql(client, server)),
        ("mysql", is_mysql_request(client) || is_mysql_greeting(server)),
        ("tds", tds::is_preamble(client) || tds::is_preamble(server)),
        ("rdp", is_rdp(client, server)),
        ("ldap", is_ldap(client, server)),
        ("openvpn", openvpn::is_preamble(client) || openvpn::is_preamble(server)),
        // RFC 6143 §7.1.1; TLS is in the security types VeNCrypt and TLS.
        ("vnc", client.starts_with(b"RFB 003.") || server.starts_with(b"RFB 003.")),
        ("nbd", server.starts_with(b"NBDMAGIC")),
        // The protocol id in AMQP's header (AMQP 1.0 §5.2.1).
        ("amqp", client.starts_with(b"AMQP\x02") || server.starts_with(b"AMQP\x02")),
        ("telnet", is_telnet(client) || is_telnet(server)),
    ];
    tests.into_iter().find(|(_, found)| *found).map(|(name, _)| name)
}

/// PostgreSQL's SSLRequest, perhaps after a GSSENCRequest; the server answers with one letter
/// (protocol 3.0, "SSL Session Encryption").
fn is_postgresql(client: &[u8], server: &[u8]) -> bool {
    const SSL: [u8; 8] = [0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f];
    const GSS: [u8; 8] = [0, 0, 0, 8, 4, 0xd2, 0x16, 0x30];
    let request = client.strip_prefix(&GSS).unwrap_or(client);
    request.starts_with(&SSL) || client.is_empty() && matches!(server, b"S" | b"NS")
}

/// MySQL's SSLRequest: the beginning of a login with CLIENT_SSL set, in a packet of 32 bytes, or of
/// 5 in the protocol before 4.1.
fn is_mysql_request(client: &[u8]) -> bool {
    const CLIENT_SSL: u8 = 0x08; // In the second byte of the flags, which are little-endian.
    matches!(client, [32 | 5, 0, 0, 1, _, flags, ..] if flags & CLIENT_SSL != 0)
}

/// MySQL's greeting: packet 0, protocol 10, a version.
fn is_mysql_greeting(server: &[u8]) -> bool {
    matches!(server, [_, 0, 0, 0, 10, b'1'..=b'9', ..])
}

/// RDP's X.224 connection request and confirm in a TPKT (MS-RDPBCGR §2.2.1.1, §2.2.1.2). What else
/// runs over TPKT does not negotiate TLS.
fn is_rdp(client: &[u8], server: &[u8]) -> bool {
    let negotiates = |bytes: &[u8], code: u8| {
        let mut reader = Reader::new(bytes);
        let Some([3, 0]) = reader.array() else { return false };
        let body = reader.u16().map(|size| usize::from(size).saturating_sub(4));
        let body = body.map(|size| reader.take_up_to(size)).unwrap_or_default();
        matches!(body, [_, found, ..] if *found == code)
    };
    negotiates(client, 0xe0) || negotiates(server, 0xd0)
}

/// LDAP's StartTLS is an extended operation (RFC 4511 §4.14).
fn is_ldap(client: &[u8], server: &[u8]) -> bool {
    const EXTENDED_RESPONSE: u8 = 0x78;
    let operation = |bytes| message_id(bytes).and_then(|operation| operation.first().copied());
    operation(client).is_some() && contains(client, b"1.3.6.1.4.1.1466.20037")
        || client.is_empty() && operation(server) == Some(EXTENDED_RESPONSE)
        || operation(server).is_some() && contains(server, b"1.3.6.1.4.1.1466.20037")
}

/// Telnet's START_TLS option (draft-altman-telnet-starttls §2).
fn is_telnet(bytes: &[u8]) -> bool {
    const START_TLS: u8 = 46;
    const FOLLOWS: u8 = 1;
    contains(bytes, &[0xff, 0xfa, START_TLS, FOLLOWS])
}
