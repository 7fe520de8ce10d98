//! What servers answer (RFC 8446 §4.1.3, RFC 5246 §7.4.1.3), and what is true of it.

use serde_json::{Value, json};

use super::code::{
    PROTOCOLS, Suite, dashed, hex, hexes, md5, message, sha256, sized, version_name,
};

/// The random of a ServerHello that is a HelloRetryRequest (RFC 8446 §4.1.3): SHA-256 of that word.
pub fn retry_random() -> Vec<u8> {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, b"HelloRetryRequest");
    digest.as_ref().to_vec()
}

/// The server's part in the hellos.
pub struct Server {
    pub version: u16,
    pub suite: Suite,
    pub group: Option<u16>,
    pub session: Vec<u8>,
    pub extensions: Vec<(u16, Vec<u8>)>,
    pub protocol: Option<String>,
    pub sentinel: Option<u16>,
    pub retry: bool,
}

impl Server {
    pub fn message(&self, random: &[u8]) -> Vec<u8> {
        let mut body = self.version.clamp(0x300, 0x303).to_be_bytes().to_vec();
        if self.version >= 0xfe00 {
            body = self.version.to_be_bytes().to_vec();
        }
        body.extend(random);
        body.extend(sized(&self.session, 1));
        body.extend(self.suite.0.to_be_bytes());
        body.push(0);
        if !self.extensions.is_empty() {
            let list: Vec<u8> = self
                .extensions
                .iter()
                .flat_map(|(kind, body)| [&kind.to_be_bytes()[..], &sized(body, 2)].concat())
                .collect();
            body.extend(sized(&list, 2));
        }
        message(2, &body)
    }

    pub fn truth(&self) -> Value {
        let kinds: Vec<u16> = self.extensions.iter().map(|(kind, _)| *kind).collect();
        let field = if self.version >= 0xfe00 { self.version } else { self.version.min(0x303) };
        json!({
            "version": version_name(self.version),
            "cipher_suite": hex(self.suite.0),
            "cipher_suite_name": self.suite.1,
            "group": self.group.map(hex),
            "extensions": hexes(&kinds),
            "alpn": self.protocol,
            "downgrade_sentinel": self.sentinel.map(version_name),
            "hello_retry": self.retry,
            "ja3s": md5(&format!("{field},{},{}", self.suite.0, dashed(&kinds))),
        })
    }
}

pub fn list_of_certificates(chain: &[Vec<u8>]) -> Vec<u8> {
    let list: Vec<u8> = chain.iter().flat_map(|der| sized(der, 3)).collect();
    message(11, &sized(&list, 3))
}

pub fn prints(chain: &[Vec<u8>]) -> Vec<String> {
    chain.iter().map(|der| sha256(der)).collect()
}

pub fn application(names: &[String]) -> Option<&'static str> {
    let mut meanings = names
        .iter()
        .map(|name| PROTOCOLS.iter().find(|(known, _)| known == name).map(|(_, meaning)| *meaning));
    let first = meanings.next()??;
    meanings.all(|meaning| meaning == Some(first)).then_some(first)
}
