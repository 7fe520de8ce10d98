//! The numbers of the RFCs and of IANA's registries that conversations are made of.

/// How a suite exchanges keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exchange {
    Rsa,
    Ecdhe,
    Dhe,
    Anonymous,
    /// TLS 1.3: the suite does not say.
    Open,
}

/// A suite: code, name, lowest and highest version, key exchange.
pub type Suite = (u16, &'static str, u16, u16, Exchange);

pub const SUITES: [Suite; 20] = [
    (0x1301, "TLS_AES_128_GCM_SHA256", 0x304, 0x304, Exchange::Open),
    (0x1302, "TLS_AES_256_GCM_SHA384", 0x304, 0x304, Exchange::Open),
    (0x1303, "TLS_CHACHA20_POLY1305_SHA256", 0x304, 0x304, Exchange::Open),
    (0xc02f, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", 0x303, 0x303, Exchange::Ecdhe),
    (0xc030, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", 0x303, 0x303, Exchange::Ecdhe),
    (0xc02b, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", 0x303, 0x303, Exchange::Ecdhe),
    (0xcca8, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", 0x303, 0x303, Exchange::Ecdhe),
    (0xc013, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", 0x301, 0x303, Exchange::Ecdhe),
    (0xc014, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", 0x301, 0x303, Exchange::Ecdhe),
    (0xc009, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", 0x301, 0x303, Exchange::Ecdhe),
    (0x009c, "TLS_RSA_WITH_AES_128_GCM_SHA256", 0x303, 0x303, Exchange::Rsa),
    (0x003c, "TLS_RSA_WITH_AES_128_CBC_SHA256", 0x303, 0x303, Exchange::Rsa),
    (0x002f, "TLS_RSA_WITH_AES_128_CBC_SHA", 0x300, 0x303, Exchange::Rsa),
    (0x0035, "TLS_RSA_WITH_AES_256_CBC_SHA", 0x300, 0x303, Exchange::Rsa),
    (0x000a, "TLS_RSA_WITH_3DES_EDE_CBC_SHA", 0x300, 0x303, Exchange::Rsa),
    (0x0005, "TLS_RSA_WITH_RC4_128_SHA", 0x300, 0x303, Exchange::Rsa),
    (0x0033, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA", 0x300, 0x303, Exchange::Dhe),
    (0x009e, "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256", 0x303, 0x303, Exchange::Dhe),
    (0x006b, "TLS_DHE_RSA_WITH_AES_256_CBC_SHA256", 0x303, 0x303, Exchange::Dhe),
    (0x0034, "TLS_DH_anon_WITH_AES_128_CBC_SHA", 0x300, 0x303, Exchange::Anonymous),
];

/// Named groups with an elliptic curve.
pub const GROUPS: [u16; 6] = [0x001d, 0x0017, 0x0018, 0x0019, 0x001e, 0x11ec];

pub const SIGNATURES: [u16; 10] =
    [0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0203, 0x0201];

/// Protocol names of ALPN and what they stand for.
pub const PROTOCOLS: [(&str, &str); 7] = [
    ("h2", "http"),
    ("http/1.1", "http"),
    ("http/1.0", "http"),
    ("imap", "imap"),
    ("xmpp-client", "xmpp"),
    ("ftp", "ftp"),
    ("dot", "dns"),
];

/// Fatal alerts of a server that answers a hello, and of a client that answers a certificate.
pub const REFUSALS: [(u8, &str); 6] = [
    (40, "handshake_failure"),
    (70, "protocol_version"),
    (71, "insufficient_security"),
    (80, "internal_error"),
    (112, "unrecognized_name"),
    (47, "illegal_parameter"),
];
pub const REJECTIONS: [(u8, &str); 5] = [
    (42, "bad_certificate"),
    (43, "unsupported_certificate"),
    (45, "certificate_expired"),
    (46, "certificate_unknown"),
    (48, "unknown_ca"),
];

/// RFC 8701 §2.
pub const fn is_grease(code: u16) -> bool {
    code & 0x0f0f == 0x0a0a && code >> 8 == code & 0xff
}

pub fn version_name(version: u16) -> String {
    match version {
        0x0300 => "SSL3",
        0x0301 => "TLS1.0",
        0x0302 => "TLS1.1",
        0x0303 => "TLS1.2",
        0x0304 => "TLS1.3",
        0xfeff => "DTLS1.0",
        0xfefd => "DTLS1.2",
        other => return hex(other),
    }
    .to_owned()
}

pub fn hex(code: u16) -> String {
    format!("0x{code:04x}")
}

pub fn hexes(codes: &[u16]) -> Vec<String> {
    codes.iter().map(|code| hex(*code)).collect()
}

/// Bytes behind their length of one, two or three bytes.
pub fn sized(bytes: &[u8], width: usize) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
    assert!(length[..4 - width].iter().all(|byte| *byte == 0));
    [&length[4 - width..], bytes].concat()
}

pub fn words(codes: &[u16]) -> Vec<u8> {
    codes.iter().flat_map(|code| code.to_be_bytes()).collect()
}

/// A handshake message (RFC 5246 §7.4).
pub fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind][..], &sized(body, 3)].concat()
}

pub fn md5(text: &str) -> String {
    use md5::{Digest, Md5};
    Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn sha256(bytes: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Numbers as JA3 lists them.
pub fn dashed(codes: &[u16]) -> String {
    codes.iter().map(u16::to_string).collect::<Vec<_>>().join("-")
}
