//! Cipher suites: what is known of each, from one table.
//!
//! The table is `cipher_suites.csv` beside this folder: the IANA registry, unregistered suites seen
//! in the wild, the cipher kinds of SSL 2.0 and the GREASE values, with key exchange,
//! authentication, cipher, strength and weaknesses. A suite that is not in it is a value like any
//! other; nothing is claimed of it.

use std::fmt;
use std::sync::LazyLock;

use super::{ProtocolVersion, is_grease};

/// A cipher suite, or a 24-bit cipher kind of an SSLv2-format hello.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CipherSuite(pub u32);

impl CipherSuite {
    /// `TLS_EMPTY_RENEGOTIATION_INFO_SCSV` (RFC 5746).
    pub const RENEGOTIATION_SCSV: Self = Self(0x00ff);
    /// `TLS_FALLBACK_SCSV` (RFC 7507).
    pub const FALLBACK_SCSV: Self = Self(0x5600);

    /// A suite by its 16-bit number.
    pub const fn new(code: u16) -> Self {
        Self(code as u32)
    }

    /// The 16-bit number; `None` for a cipher kind that only SSL 2.0 has.
    pub fn code(self) -> Option<u16> {
        u16::try_from(self.0).ok()
    }

    /// What the table knows of it.
    pub fn info(self) -> Option<&'static SuiteInfo> {
        let at = TABLE.binary_search_by_key(&self, |info| info.suite).ok()?;
        TABLE.get(at)
    }

    /// The registered name.
    pub fn name(self) -> Option<&'static str> {
        self.info().map(|info| info.name)
    }

    /// A suite by its registered name.
    pub fn from_name(name: &str) -> Option<Self> {
        TABLE.iter().find(|info| info.name == name).map(|info| info.suite)
    }

    /// GREASE or a signalling value: listed like a suite, but none (RFC 8701, 5746, 7507).
    pub fn is_signalling(self) -> bool {
        self == Self::RENEGOTIATION_SCSV
            || self == Self::FALLBACK_SCSV
            || self.code().is_some_and(is_grease)
    }

    /// Defined for TLS 1.3 only (RFC 8446 §B.4; the code points 0x13xx and SM4 of RFC 8998).
    pub fn is_tls13(self) -> bool {
        match self.info() {
            Some(info) => info.key_exchange == KeyExchange::Tls13,
            None => self.0 >> 8 == 0x13,
        }
    }

    /// The whole table, ordered by number.
    pub fn table() -> &'static [SuiteInfo] {
        &TABLE
    }
}

impl fmt::Display for CipherSuite {
    /// `0xc02f`, or six digits for a kind that only SSL 2.0 has.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 > 0xffff { write!(f, "0x{:06x}", self.0) } else { write!(f, "0x{:04x}", self.0) }
    }
}

impl fmt::Debug for CipherSuite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => fmt::Display::fmt(self, f),
        }
    }
}

/// One row of the table.
#[derive(Clone, Debug)]
pub struct SuiteInfo {
    /// The suite.
    pub suite: CipherSuite,
    /// Its registered name.
    pub name: &'static str,
    /// How keys are agreed on.
    pub key_exchange: KeyExchange,
    /// How the server authenticates, in the table's word (`RSA`, `ECDSA`, `PSK`, `anon` …).
    pub authentication: &'static str,
    /// Strength of the cipher in bits.
    pub bits: u16,
    /// First version that has it.
    pub min_version: ProtocolVersion,
    /// Last version that has it.
    pub max_version: ProtocolVersion,
    /// Whether past sessions stay secret when the long-term key is lost.
    pub forward_secrecy: bool,
    /// What is weak about it.
    pub weaknesses: &'static [Weakness],
}

impl SuiteInfo {
    /// Whether it has this weakness.
    pub fn has(&self, weakness: Weakness) -> bool {
        self.weaknesses.contains(&weakness)
    }

    /// A `TLS_RSA_*` suite: static RSA key exchange with RSA authentication, no PSK.
    pub fn is_static_rsa(&self) -> bool {
        self.key_exchange == KeyExchange::Rsa
    }

    /// Whether the client must offer a curve for it.
    pub fn needs_curve(&self) -> bool {
        matches!(
            self.key_exchange,
            KeyExchange::Ecdhe | KeyExchange::EcdhePsk | KeyExchange::EcdhAnon | KeyExchange::Ecdh
        )
    }
}

/// Define an enum of words of the table, with parsing and printing.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vmeta])* #[doc = concat!("`", $text, "` in the table.")] $variant,)* }

        impl $name {
            /// Every word there is.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word in the table and in policy files.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// From the word in the table and in policy files.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($text => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

words! {
    /// How a suite agrees on keys.
    KeyExchange {
        Cecpq1 = "CECPQ1",
        Dh = "DH",
        DhAnon = "DH_anon",
        Dhe = "DHE",
        DhePsk = "DHE_PSK",
        Eccpwd = "ECCPWD",
        Ecdh = "ECDH",
        EcdhAnon = "ECDH_anon",
        Ecdhe = "ECDHE",
        EcdhePsk = "ECDHE_PSK",
        Gost = "GOST",
        Grease = "GREASE",
        Ibc = "IBC",
        Krb5 = "KRB5",
        Null = "NULL",
        Psk = "PSK",
        Rsa = "RSA",
        RsaPsk = "RSA_PSK",
        Scsv = "SCSV",
        Sm2 = "SM2",
        Srp = "SRP",
        Tls13 = "TLS1.3",
    }
}

words! {
    /// What is weak about a suite.
    Weakness {
        Anon = "ANON",
        Block64 = "BLOCK64",
        Cbc = "CBC",
        Ccm8 = "CCM8",
        Des = "DES",
        TripleDes = "3DES",
        Export = "EXPORT",
        Ffdhe = "FFDHE",
        Gost = "GOST",
        Idea = "IDEA",
        Md5 = "MD5",
        NoFs = "NO_FS",
        Null = "NULL",
        Rc2 = "RC2",
        Rc4 = "RC4",
        Seed = "SEED",
        Sha1 = "SHA1",
        Sslv2 = "SSLV2",
        StaticDh = "STATIC_DH",
    }
}

static TABLE: LazyLock<Vec<SuiteInfo>> = LazyLock::new(|| {
    let mut table: Vec<_> =
        include_str!("../cipher_suites.csv").lines().skip(1).filter_map(row).collect();
    table.sort_by_key(|info| info.suite);
    table
});

/// One line of the table; a test proves that every line is one.
fn row(line: &'static str) -> Option<SuiteInfo> {
    let field: Vec<&'static str> = line.split(',').collect();
    let [hex, name, _, _, kx, authentication, _, bits, _, _, min, max, fs, .., weak] = field[..]
    else {
        return None;
    };
    let weaknesses: Vec<_> =
        weak.split_ascii_whitespace().map(Weakness::from_word).collect::<Option<_>>()?;
    Some(SuiteInfo {
        suite: CipherSuite(u32::from_str_radix(hex.strip_prefix("0x")?, 16).ok()?),
        name,
        key_exchange: KeyExchange::from_word(kx)?,
        authentication,
        bits: bits.parse().ok()?,
        min_version: version(min)?,
        max_version: version(max)?,
        forward_secrecy: fs == "y",
        weaknesses: weaknesses.leak(),
    })
}

/// A version in the table's spelling.
fn version(word: &str) -> Option<ProtocolVersion> {
    Some(match word {
        "SSL2.0" => ProtocolVersion::SSL2,
        "SSL3.0" => ProtocolVersion::SSL3,
        _ => return ProtocolVersion::from_name(word),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_read() {
        let lines = include_str!("../cipher_suites.csv").lines().count();
        assert_eq!(CipherSuite::table().len() + 1, lines);
        assert!(CipherSuite::table().is_sorted_by_key(|info| info.suite));
    }

    #[test]
    fn what_is_known_of_a_suite() {
        let suite = CipherSuite::from_name("TLS_RSA_WITH_AES_128_CBC_SHA").unwrap();
        assert_eq!(suite, CipherSuite::new(0x002f));
        assert!(suite.info().unwrap().is_static_rsa());
        assert!(!CipherSuite::new(0xc02f).info().unwrap().is_static_rsa());
        assert!(CipherSuite::new(0x0005).info().unwrap().has(Weakness::Rc4));
        assert!(CipherSuite::new(0x1301).is_tls13() && CipherSuite::new(0x00c6).is_tls13());
        assert!(
            CipherSuite::new(0x1a1a).is_signalling() && !CipherSuite::new(0x1a2a).is_signalling()
        );
        assert_eq!(CipherSuite(0x07_00c0).to_string(), "0x0700c0");
        assert_eq!(CipherSuite::new(0xbeef).name(), None);
    }
}
