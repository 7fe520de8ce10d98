//! Numbers of the wire as types: versions, groups, signature schemes, extensions, alerts.
//!
//! Each is a newtype with named constants; an unknown number is a value like any other and prints
//! as hex. Cipher suites, of which more is known than a name, have [a file of their own](suite).

pub mod suite;

use std::fmt;

use serde::{Serialize, Serializer};

use crate::ascii::{Ascii, hex_digit};

pub use suite::{CipherSuite, KeyExchange, SuiteInfo, Weakness};

/// Whether a number is one of the 16 reserved values of RFC 8701 (both bytes equal, low nibbles A).
pub const fn is_grease(code: u16) -> bool {
    let [high, low] = code.to_be_bytes();
    high == low && low & 0x0f == 0x0a
}

/// Define a newtype over a wire number with named constants; unknown numbers print as hex.
macro_rules! codepoint {
    (
        $(#[$meta:meta])* $name:ident($repr:ty) width $width:literal
        { $($(#[$vmeta:meta])* $constant:ident = $value:literal $text:literal,)* }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $repr);

        impl $name {
            $($(#[$vmeta])* #[doc = concat!("`", $text, "`.")] pub const $constant: Self = Self($value);)*

            /// The name, if the number has one.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some($text),)*
                    _ => None,
                }
            }

            /// The number of a name as [`Self::name`] gives it.
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($text => Some(Self($value)),)*
                    _ => None,
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.name() {
                    Some(name) => f.write_str(name),
                    None => write!(f, concat!("0x{:0", $width, "x}"), self.0),
                }
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

codepoint! {
    /// A protocol version as it stands in a hello; the order of the numbers is that of the versions
    /// only within TLS, see [`ProtocolVersion::judged_as`].
    ProtocolVersion(u16) width "4" {
        SSL2 = 0x0002 "SSL2",
        SSL3 = 0x0300 "SSL3",
        TLS1_0 = 0x0301 "TLS1.0",
        TLS1_1 = 0x0302 "TLS1.1",
        TLS1_2 = 0x0303 "TLS1.2",
        TLS1_3 = 0x0304 "TLS1.3",
        DTLS1_0 = 0xfeff "DTLS1.0",
        DTLS1_2 = 0xfefd "DTLS1.2",
        DTLS1_3 = 0xfefc "DTLS1.3",
    }
}

impl ProtocolVersion {
    /// The TLS version whose strength this is: DTLS 1.0 is TLS 1.1 over datagrams (RFC 4347), 1.2
    /// and 1.3 their namesakes. Drafts, GREASE and unknown numbers are none.
    pub const fn judged_as(self) -> Option<Self> {
        match self {
            Self::SSL2 | Self::SSL3 | Self::TLS1_0 | Self::TLS1_1 | Self::TLS1_2 | Self::TLS1_3 => {
                Some(self)
            }
            Self::DTLS1_0 | Self::DTLS_OPENSSL_098 => Some(Self::TLS1_1),
            Self::DTLS1_2 => Some(Self::TLS1_2),
            Self::DTLS1_3 => Some(Self::TLS1_3),
            _ => None,
        }
    }

    /// DTLS 1.0 as OpenSSL 0.9.8 spoke it before the standard; old VPN clients still do.
    pub const DTLS_OPENSSL_098: Self = Self(0x0100);

    /// Whether this is a version of TLS 1.3, drafts included: its ServerHello carries it in
    /// supported_versions, and the certificates are encrypted.
    pub const fn is_tls13(self) -> bool {
        matches!(self, Self::TLS1_3 | Self::DTLS1_3) || self.is_tls13_draft()
    }

    /// A draft of TLS 1.3 (0x7f00 + number; Google's 0x7e variants).
    pub const fn is_tls13_draft(self) -> bool {
        matches!(self.0 >> 8, 0x7e | 0x7f)
    }
}

impl Serialize for ProtocolVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.name() {
            Some(name) => serializer.serialize_str(name),
            None => serializer.collect_str(self),
        }
    }
}

codepoint! {
    /// A named group (RFC 8446 §4.2.7): elliptic curves, finite fields, hybrids.
    NamedGroup(u16) width "4" {
        SECT163K1 = 0x0001 "sect163k1",
        SECT163R1 = 0x0002 "sect163r1",
        SECT163R2 = 0x0003 "sect163r2",
        SECT193R1 = 0x0004 "sect193r1",
        SECT193R2 = 0x0005 "sect193r2",
        SECT233K1 = 0x0006 "sect233k1",
        SECT233R1 = 0x0007 "sect233r1",
        SECT239K1 = 0x0008 "sect239k1",
        SECT283K1 = 0x0009 "sect283k1",
        SECT283R1 = 0x000a "sect283r1",
        SECT409K1 = 0x000b "sect409k1",
        SECT409R1 = 0x000c "sect409r1",
        SECT571K1 = 0x000d "sect571k1",
        SECT571R1 = 0x000e "sect571r1",
        SECP160K1 = 0x000f "secp160k1",
        SECP160R1 = 0x0010 "secp160r1",
        SECP160R2 = 0x0011 "secp160r2",
        SECP192K1 = 0x0012 "secp192k1",
        SECP192R1 = 0x0013 "secp192r1",
        SECP224K1 = 0x0014 "secp224k1",
        SECP224R1 = 0x0015 "secp224r1",
        SECP256K1 = 0x0016 "secp256k1",
        SECP256R1 = 0x0017 "secp256r1",
        SECP384R1 = 0x0018 "secp384r1",
        SECP521R1 = 0x0019 "secp521r1",
        BRAINPOOLP256R1 = 0x001a "brainpoolP256r1",
        BRAINPOOLP384R1 = 0x001b "brainpoolP384r1",
        BRAINPOOLP512R1 = 0x001c "brainpoolP512r1",
        X25519 = 0x001d "x25519",
        X448 = 0x001e "x448",
        BRAINPOOLP256R1_TLS13 = 0x001f "brainpoolP256r1tls13",
        BRAINPOOLP384R1_TLS13 = 0x0020 "brainpoolP384r1tls13",
        BRAINPOOLP512R1_TLS13 = 0x0021 "brainpoolP512r1tls13",
        GC256A = 0x0022 "GC256A",
        GC256B = 0x0023 "GC256B",
        GC256C = 0x0024 "GC256C",
        GC256D = 0x0025 "GC256D",
        GC512A = 0x0026 "GC512A",
        GC512B = 0x0027 "GC512B",
        GC512C = 0x0028 "GC512C",
        CURVE_SM2 = 0x0029 "curveSM2",
        FFDHE2048 = 0x0100 "ffdhe2048",
        FFDHE3072 = 0x0101 "ffdhe3072",
        FFDHE4096 = 0x0102 "ffdhe4096",
        FFDHE6144 = 0x0103 "ffdhe6144",
        FFDHE8192 = 0x0104 "ffdhe8192",
        MLKEM512 = 0x0200 "MLKEM512",
        MLKEM768 = 0x0201 "MLKEM768",
        MLKEM1024 = 0x0202 "MLKEM1024",
        CECPQ2 = 0x4138 "CECPQ2",
        SECP256R1_MLKEM768 = 0x11eb "SecP256r1MLKEM768",
        X25519_MLKEM768 = 0x11ec "X25519MLKEM768",
        SECP384R1_MLKEM1024 = 0x11ed "SecP384r1MLKEM1024",
        CURVE_SM2_MLKEM768 = 0x11ee "curveSM2MLKEM768",
        X25519_KYBER768_DRAFT00 = 0x6399 "X25519Kyber768Draft00",
        SECP256R1_KYBER768_DRAFT00 = 0x639a "SecP256r1Kyber768Draft00",
        X25519_KYBER512_DRAFT00 = 0xfe30 "X25519Kyber512Draft00",
        X25519_KYBER768_OLD = 0xfe31 "X25519Kyber768Draft00Old",
        ARBITRARY_PRIME = 0xff01 "arbitrary_explicit_prime_curves",
        ARBITRARY_CHAR2 = 0xff02 "arbitrary_explicit_char2_curves",
    }
}

impl NamedGroup {
    /// Whether an ECDHE or TLS 1.3 key exchange can use it: a curve or a hybrid, not FFDHE.
    pub const fn is_curve_or_hybrid(self) -> bool {
        matches!(self.0, 0x0001..=0x0029 | 0x0200..=0x0202 | 0x11eb..=0x11ee | 0x4138)
            || matches!(self.0, 0x6399 | 0x639a | 0xfe30 | 0xfe31)
    }

    /// A finite-field group (RFC 7919).
    pub const fn is_ffdhe(self) -> bool {
        matches!(self.0, 0x0100..=0x01ff)
    }

    /// Resistant to a quantum computer, alone or as a part of a hybrid.
    pub const fn is_post_quantum(self) -> bool {
        matches!(self.0, 0x0200..=0x0202 | 0x11eb..=0x11ee | 0x4138 | 0x6399 | 0x639a)
            || matches!(self.0, 0xfe30 | 0xfe31)
    }
}

codepoint! {
    /// A signature scheme (RFC 8446 §4.2.3; before TLS 1.3 a hash and a signature algorithm).
    SignatureScheme(u16) width "4" {
        RSA_PKCS1_MD5 = 0x0101 "rsa_pkcs1_md5",
        DSA_MD5 = 0x0102 "dsa_md5",
        ECDSA_MD5 = 0x0103 "ecdsa_md5",
        RSA_PKCS1_SHA1 = 0x0201 "rsa_pkcs1_sha1",
        DSA_SHA1 = 0x0202 "dsa_sha1",
        ECDSA_SHA1 = 0x0203 "ecdsa_sha1",
        RSA_PKCS1_SHA224 = 0x0301 "rsa_pkcs1_sha224",
        DSA_SHA224 = 0x0302 "dsa_sha224",
        ECDSA_SHA224 = 0x0303 "ecdsa_sha224",
        RSA_PKCS1_SHA256 = 0x0401 "rsa_pkcs1_sha256",
        DSA_SHA256 = 0x0402 "dsa_sha256",
        ECDSA_SECP256R1_SHA256 = 0x0403 "ecdsa_secp256r1_sha256",
        RSA_PKCS1_SHA384 = 0x0501 "rsa_pkcs1_sha384",
        DSA_SHA384 = 0x0502 "dsa_sha384",
        ECDSA_SECP384R1_SHA384 = 0x0503 "ecdsa_secp384r1_sha384",
        RSA_PKCS1_SHA512 = 0x0601 "rsa_pkcs1_sha512",
        DSA_SHA512 = 0x0602 "dsa_sha512",
        ECDSA_SECP521R1_SHA512 = 0x0603 "ecdsa_secp521r1_sha512",
        SM2SIG_SM3 = 0x0708 "sm2sig_sm3",
        RSA_PSS_RSAE_SHA256 = 0x0804 "rsa_pss_rsae_sha256",
        RSA_PSS_RSAE_SHA384 = 0x0805 "rsa_pss_rsae_sha384",
        RSA_PSS_RSAE_SHA512 = 0x0806 "rsa_pss_rsae_sha512",
        ED25519 = 0x0807 "ed25519",
        ED448 = 0x0808 "ed448",
        RSA_PSS_PSS_SHA256 = 0x0809 "rsa_pss_pss_sha256",
        RSA_PSS_PSS_SHA384 = 0x080a "rsa_pss_pss_sha384",
        RSA_PSS_PSS_SHA512 = 0x080b "rsa_pss_pss_sha512",
        ECDSA_BRAINPOOLP256R1_SHA256 = 0x081a "ecdsa_brainpoolP256r1tls13_sha256",
        ECDSA_BRAINPOOLP384R1_SHA384 = 0x081b "ecdsa_brainpoolP384r1tls13_sha384",
        ECDSA_BRAINPOOLP512R1_SHA512 = 0x081c "ecdsa_brainpoolP512r1tls13_sha512",
        MLDSA44 = 0x0904 "mldsa44",
        MLDSA65 = 0x0905 "mldsa65",
        MLDSA87 = 0x0906 "mldsa87",
    }
}

/// The kind of certificate key that a signature scheme needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SignatureKind {
    /// RSA, PKCS #1 or PSS.
    Rsa,
    /// ECDSA on any curve, EdDSA included (its certificates serve the ECDHE_ECDSA suites, RFC 8422 §5.10).
    Ecdsa,
    /// DSA.
    Dsa,
    /// ML-DSA.
    MlDsa,
    /// SM2.
    Sm2,
}

impl SignatureScheme {
    /// Which kind of key it signs with; `None` where that is not known.
    pub const fn kind(self) -> Option<SignatureKind> {
        match self.0 {
            0x0804..=0x0806 | 0x0809..=0x080b => Some(SignatureKind::Rsa),
            0x0807 | 0x0808 | 0x081a..=0x081c => Some(SignatureKind::Ecdsa),
            0x0904..=0x0906 => Some(SignatureKind::MlDsa),
            0x0707 | 0x0708 => Some(SignatureKind::Sm2),
            // RFC 5246 §7.4.1.4.1: hash in the high byte, signature in the low one.
            code if matches!(code >> 8, 1..=6) => match code & 0xff {
                1 => Some(SignatureKind::Rsa),
                2 => Some(SignatureKind::Dsa),
                3 => Some(SignatureKind::Ecdsa),
                _ => None,
            },
            _ => None,
        }
    }

    /// The curve that an ECDSA scheme stands for at TLS 1.3 (RFC 8446 §4.2.3, RFC 8734 §3).
    pub const fn curve(self) -> Option<NamedGroup> {
        match self {
            Self::ECDSA_SECP256R1_SHA256 => Some(NamedGroup::SECP256R1),
            Self::ECDSA_SECP384R1_SHA384 => Some(NamedGroup::SECP384R1),
            Self::ECDSA_SECP521R1_SHA512 => Some(NamedGroup::SECP521R1),
            Self::ECDSA_BRAINPOOLP256R1_SHA256 => Some(NamedGroup::BRAINPOOLP256R1),
            Self::ECDSA_BRAINPOOLP384R1_SHA384 => Some(NamedGroup::BRAINPOOLP384R1),
            Self::ECDSA_BRAINPOOLP512R1_SHA512 => Some(NamedGroup::BRAINPOOLP512R1),
            _ => None,
        }
    }
}

codepoint! {
    /// A TLS extension type.
    ExtensionType(u16) width "4" {
        SERVER_NAME = 0x0000 "server_name",
        MAX_FRAGMENT_LENGTH = 0x0001 "max_fragment_length",
        STATUS_REQUEST = 0x0005 "status_request",
        SUPPORTED_GROUPS = 0x000a "supported_groups",
        EC_POINT_FORMATS = 0x000b "ec_point_formats",
        SIGNATURE_ALGORITHMS = 0x000d "signature_algorithms",
        USE_SRTP = 0x000e "use_srtp",
        HEARTBEAT = 0x000f "heartbeat",
        ALPN = 0x0010 "application_layer_protocol_negotiation",
        STATUS_REQUEST_V2 = 0x0011 "status_request_v2",
        SIGNED_CERTIFICATE_TIMESTAMP = 0x0012 "signed_certificate_timestamp",
        PADDING = 0x0015 "padding",
        ENCRYPT_THEN_MAC = 0x0016 "encrypt_then_mac",
        EXTENDED_MASTER_SECRET = 0x0017 "extended_master_secret",
        COMPRESS_CERTIFICATE = 0x001b "compress_certificate",
        RECORD_SIZE_LIMIT = 0x001c "record_size_limit",
        DELEGATED_CREDENTIAL = 0x0022 "delegated_credential",
        SESSION_TICKET = 0x0023 "session_ticket",
        PRE_SHARED_KEY = 0x0029 "pre_shared_key",
        EARLY_DATA = 0x002a "early_data",
        SUPPORTED_VERSIONS = 0x002b "supported_versions",
        COOKIE = 0x002c "cookie",
        PSK_KEY_EXCHANGE_MODES = 0x002d "psk_key_exchange_modes",
        CERTIFICATE_AUTHORITIES = 0x002f "certificate_authorities",
        POST_HANDSHAKE_AUTH = 0x0031 "post_handshake_auth",
        SIGNATURE_ALGORITHMS_CERT = 0x0032 "signature_algorithms_cert",
        KEY_SHARE = 0x0033 "key_share",
        CONNECTION_ID = 0x0036 "connection_id",
        QUIC_TRANSPORT_PARAMETERS = 0x0039 "quic_transport_parameters",
        KEY_SHARE_DRAFT = 0x0028 "key_share_draft",
        NEXT_PROTOCOL_NEGOTIATION = 0x3374 "next_protocol_negotiation",
        APPLICATION_SETTINGS_OLD = 0x4469 "application_settings_old",
        APPLICATION_SETTINGS = 0x44cd "application_settings",
        CHANNEL_ID = 0x7550 "channel_id",
        ECH_OUTER_EXTENSIONS = 0xfd00 "ech_outer_extensions",
        ENCRYPTED_CLIENT_HELLO = 0xfe0d "encrypted_client_hello",
        ENCRYPTED_SERVER_NAME = 0xffce "encrypted_server_name",
        QUIC_TRANSPORT_PARAMETERS_DRAFT = 0xffa5 "quic_transport_parameters_draft",
        RENEGOTIATION_INFO = 0xff01 "renegotiation_info",
    }
}

codepoint! {
    /// A handshake message type.
    HandshakeType(u8) width "2" {
        HELLO_REQUEST = 0 "hello_request",
        CLIENT_HELLO = 1 "client_hello",
        SERVER_HELLO = 2 "server_hello",
        HELLO_VERIFY_REQUEST = 3 "hello_verify_request",
        NEW_SESSION_TICKET = 4 "new_session_ticket",
        END_OF_EARLY_DATA = 5 "end_of_early_data",
        HELLO_RETRY_REQUEST_DRAFT = 6 "hello_retry_request",
        ENCRYPTED_EXTENSIONS = 8 "encrypted_extensions",
        CERTIFICATE = 11 "certificate",
        SERVER_KEY_EXCHANGE = 12 "server_key_exchange",
        CERTIFICATE_REQUEST = 13 "certificate_request",
        SERVER_HELLO_DONE = 14 "server_hello_done",
        CERTIFICATE_VERIFY = 15 "certificate_verify",
        CLIENT_KEY_EXCHANGE = 16 "client_key_exchange",
        FINISHED = 20 "finished",
        CERTIFICATE_URL = 21 "certificate_url",
        CERTIFICATE_STATUS = 22 "certificate_status",
        SUPPLEMENTAL_DATA = 23 "supplemental_data",
        KEY_UPDATE = 24 "key_update",
        COMPRESSED_CERTIFICATE = 25 "compressed_certificate",
        NEXT_PROTOCOL = 67 "next_protocol",
    }
}

codepoint! {
    /// An alert description (RFC 8446 §6, RFC 5246 §7.2 and what extensions added).
    AlertDescription(u8) width "2" {
        CLOSE_NOTIFY = 0 "close_notify",
        UNEXPECTED_MESSAGE = 10 "unexpected_message",
        BAD_RECORD_MAC = 20 "bad_record_mac",
        DECRYPTION_FAILED = 21 "decryption_failed",
        RECORD_OVERFLOW = 22 "record_overflow",
        DECOMPRESSION_FAILURE = 30 "decompression_failure",
        HANDSHAKE_FAILURE = 40 "handshake_failure",
        NO_CERTIFICATE = 41 "no_certificate",
        BAD_CERTIFICATE = 42 "bad_certificate",
        UNSUPPORTED_CERTIFICATE = 43 "unsupported_certificate",
        CERTIFICATE_REVOKED = 44 "certificate_revoked",
        CERTIFICATE_EXPIRED = 45 "certificate_expired",
        CERTIFICATE_UNKNOWN = 46 "certificate_unknown",
        ILLEGAL_PARAMETER = 47 "illegal_parameter",
        UNKNOWN_CA = 48 "unknown_ca",
        ACCESS_DENIED = 49 "access_denied",
        DECODE_ERROR = 50 "decode_error",
        DECRYPT_ERROR = 51 "decrypt_error",
        TOO_MANY_CIDS_REQUESTED = 52 "too_many_cids_requested",
        EXPORT_RESTRICTION = 60 "export_restriction",
        PROTOCOL_VERSION = 70 "protocol_version",
        INSUFFICIENT_SECURITY = 71 "insufficient_security",
        INTERNAL_ERROR = 80 "internal_error",
        INAPPROPRIATE_FALLBACK = 86 "inappropriate_fallback",
        USER_CANCELED = 90 "user_canceled",
        NO_RENEGOTIATION = 100 "no_renegotiation",
        MISSING_EXTENSION = 109 "missing_extension",
        UNSUPPORTED_EXTENSION = 110 "unsupported_extension",
        CERTIFICATE_UNOBTAINABLE = 111 "certificate_unobtainable",
        UNRECOGNIZED_NAME = 112 "unrecognized_name",
        BAD_CERTIFICATE_STATUS_RESPONSE = 113 "bad_certificate_status_response",
        BAD_CERTIFICATE_HASH_VALUE = 114 "bad_certificate_hash_value",
        UNKNOWN_PSK_IDENTITY = 115 "unknown_psk_identity",
        CERTIFICATE_REQUIRED = 116 "certificate_required",
        NO_APPLICATION_PROTOCOL = 120 "no_application_protocol",
        ECH_REQUIRED = 121 "ech_required",
    }
}

/// A 16-bit number that serializes as `"0x002f"`.
#[derive(Clone, Copy, Debug)]
pub struct Hex16(pub u16);

impl Serialize for Hex16 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let [high, low] = self.0.to_be_bytes();
        let mut text = *b"0x00000000000000";
        let [_, _, digits @ ..] = &mut text;
        let nibbles = [high >> 4, high, low >> 4, low];
        digits.iter_mut().zip(nibbles).for_each(|(digit, nibble)| *digit = hex_digit(nibble));
        serializer.serialize_str(Ascii::of(text, 6).as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grease_is_the_sixteen_values_and_not_their_look_alikes() {
        let count = (0..=u16::MAX).filter(|code| is_grease(*code)).count();
        assert_eq!(count, 16);
        assert!(is_grease(0x0a0a) && is_grease(0xfafa));
        assert!(!is_grease(0x1a2a) && !is_grease(0x4a0a));
    }

    #[test]
    fn unknown_numbers_print_as_hex() {
        assert_eq!(ProtocolVersion(0x7f1c).to_string(), "0x7f1c");
        assert_eq!(ProtocolVersion::TLS1_2.to_string(), "TLS1.2");
        assert_eq!(NamedGroup(0x11ec).to_string(), "X25519MLKEM768");
        assert_eq!(serde_json::to_string(&Hex16(0xc02f)).unwrap(), "\"0xc02f\"");
    }

    #[test]
    fn datagram_versions_are_judged_as_their_stream_counterparts() {
        assert_eq!(ProtocolVersion::DTLS1_0.judged_as(), Some(ProtocolVersion::TLS1_1));
        assert_eq!(ProtocolVersion::DTLS1_2.judged_as(), Some(ProtocolVersion::TLS1_2));
        assert_eq!(ProtocolVersion(0x7f1c).judged_as(), None);
    }

    #[test]
    fn signature_schemes_know_their_key() {
        assert_eq!(SignatureScheme(0x0401).kind(), Some(SignatureKind::Rsa));
        assert_eq!(SignatureScheme(0x0603).kind(), Some(SignatureKind::Ecdsa));
        assert_eq!(SignatureScheme(0x0a0a).kind(), None);
    }
}
