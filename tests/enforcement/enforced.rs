//! From a policy file to the configuration of a server that enforces it: read off the file's own
//! lists, by the names of suites, without any of the code that judges.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use toml::{Table, Value};

/// The suites that OpenSSL has dropped and GnuTLS still has. They are enforced by a second server
/// beside the first.
const OLD: [&str; 8] = [
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_DHE_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_RSA_WITH_RC4_128_SHA",
    "TLS_RSA_WITH_RC4_128_MD5",
    "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA",
];

/// OpenSSL's suites of TLS 1.3, of which it lists only some by itself.
pub const TLS13: &str = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:\
     TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_CCM_SHA256:TLS_AES_128_CCM_8_SHA256";

/// Groups by the names of policy files, as OpenSSL and GnuTLS call them. What neither has in the
/// releases that distributions carry (hybrids) is left out: no client here offers nothing else.
const GROUPS: [(&str, &str, Option<&str>); 15] = [
    ("x25519", "X25519", Some("X25519")),
    ("x448", "X448", Some("X448")),
    ("secp256r1", "P-256", Some("SECP256R1")),
    ("secp384r1", "P-384", Some("SECP384R1")),
    ("secp521r1", "P-521", Some("SECP521R1")),
    ("secp224r1", "secp224r1", None),
    ("secp256k1", "secp256k1", None),
    ("brainpoolP256r1", "brainpoolP256r1", None),
    ("brainpoolP384r1", "brainpoolP384r1", None),
    ("brainpoolP512r1", "brainpoolP512r1", None),
    ("ffdhe2048", "ffdhe2048", None),
    ("ffdhe3072", "ffdhe3072", None),
    ("ffdhe4096", "ffdhe4096", None),
    ("ffdhe6144", "ffdhe6144", None),
    ("ffdhe8192", "ffdhe8192", None),
];

/// A suite that one of the servers has.
pub struct Suite {
    /// Its IANA name.
    name: String,
    /// OpenSSL's name for it; `None` where only GnuTLS has it.
    openssl: Option<String>,
    /// The strength of its cipher.
    bits: u32,
    tls13: bool,
}

/// All suites that the installed servers have.
pub fn suites() -> Vec<Suite> {
    let listed = Command::new("openssl")
        .args(["ciphers", "-s", "-stdname", "-ciphersuites", TLS13])
        .arg("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
        .output()
        .unwrap();
    let text = String::from_utf8(listed.stdout).unwrap();
    let mut suites: Vec<Suite> = text.lines().filter_map(suite).collect();
    assert!(suites.len() > 50, "openssl ciphers: {text}");
    suites.extend(OLD.map(|name| Suite {
        name: name.to_owned(),
        openssl: None,
        bits: if name.contains("3DES") { 112 } else { 128 },
        tls13: false,
    }));
    suites
}

/// `TLS_RSA_WITH_AES_128_CBC_SHA - AES128-SHA SSLv3 Kx=RSA Au=RSA Enc=AES(128) Mac=SHA1`
fn suite(line: &str) -> Option<Suite> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [name, _, openssl, version, .., cipher, _] = words[..] else { return None };
    let bits = cipher.split_once('(').and_then(|(_, bits)| bits.trim_end_matches(')').parse().ok());
    Some(Suite {
        name: name.to_owned(),
        openssl: Some(openssl.to_owned()),
        bits: bits.unwrap_or(0),
        tls13: version == "TLSv1.3",
    })
}

/// What a server that enforces a policy accepts.
#[derive(Clone)]
pub struct Enforced {
    pub id: String,
    min: String,
    max: String,
    /// OpenSSL's names.
    ciphers: Vec<String>,
    ciphersuites: Vec<String>,
    /// The names of all suites up to TLS 1.2.
    names: Vec<String>,
    /// Those that only GnuTLS has.
    old: Vec<String>,
    /// OpenSSL's names.
    groups: Vec<String>,
    /// The policy names no group: a server that it is laid on keeps those that it has.
    keeps_groups: bool,
    old_groups: Vec<String>,
    /// The kinds of certificate: `rsa`, `ecdsa`.
    pub certificates: Vec<&'static str>,
}

impl Enforced {
    /// Read a policy file.
    pub fn read(text: &str, known: &[Suite]) -> Self {
        let file: Table = text.parse().unwrap();
        let mut versions = words(&file, "allowed_versions");
        versions.sort();
        let groups = words(&file, "groups");
        // A policy that names no group accepts any named curve.
        let named = |group: &&(&str, &str, Option<&str>)| {
            if groups.is_empty() {
                !group.0.starts_with("ffdhe")
            } else {
                groups.iter().any(|word| word == group.0)
            }
        };
        let types = words(&file, "certificate_types");
        let inside: Vec<&Suite> = known.iter().filter(|suite| accepts(&file, suite)).collect();
        let of = |tls13: bool| inside.iter().filter(move |suite| suite.tls13 == tls13);
        Self {
            id: file["id"].as_str().unwrap().to_owned(),
            min: versions.first().unwrap().clone(),
            max: versions.last().unwrap().clone(),
            ciphers: of(false).filter_map(|suite| suite.openssl.clone()).collect(),
            ciphersuites: of(true).filter_map(|suite| suite.openssl.clone()).collect(),
            names: of(false).map(|suite| suite.name.clone()).collect(),
            old: of(false)
                .filter(|suite| suite.openssl.is_none())
                .map(|suite| suite.name.clone())
                .collect(),
            keeps_groups: groups.is_empty(),
            groups: GROUPS.iter().filter(named).map(|group| group.1.to_owned()).collect(),
            old_groups: GROUPS
                .iter()
                .filter(named)
                .filter_map(|group| Some(group.2?.to_owned()))
                .collect(),
            certificates: ["rsa", "ecdsa"]
                .into_iter()
                .filter(|kind| types.is_empty() || types.iter().any(|word| word == kind))
                .collect(),
        }
    }

    /// The words for `openssl s_server` and `s_client`.
    pub fn openssl(&self) -> Vec<String> {
        self.openssl_with(&self.max, &self.groups.join(":"))
    }

    /// The same for a server that has these groups, as far as the policy names none.
    pub fn openssl_on(&self, groups: &str) -> Vec<String> {
        let own = self.groups.join(":");
        self.openssl_with(&self.max, if self.keeps_groups { groups } else { &own })
    }

    /// The same for servers that know the policy's versions only up to one of them.
    pub fn openssl_up_to_each(&self) -> Vec<Vec<String>> {
        let versions = ["TLS1.0", "TLS1.1", "TLS1.2"].into_iter();
        let lower = versions.filter(|version| (&*self.min..&*self.max).contains(version));
        lower.map(|version| self.openssl_with(version, &self.groups.join(":"))).collect()
    }

    fn openssl_with(&self, max: &str, groups: &str) -> Vec<String> {
        let ciphers = format!("{}:@SECLEVEL=0", self.ciphers.join(":"));
        let mut args = vec![
            ("-min_protocol", self.min.replace("TLS", "TLSv").replace("v1.0", "v1")),
            ("-max_protocol", max.replace("TLS", "TLSv").replace("v1.0", "v1")),
            ("-groups", groups.to_owned()),
        ];
        if self.min != "TLS1.3" {
            args.push(("-cipher", ciphers));
        }
        if max == "TLS1.3" {
            args.push(("-ciphersuites", self.ciphersuites.join(":")));
        }
        args.into_iter().flat_map(|(key, value)| [key.to_owned(), value]).collect()
    }

    /// The priority strings for GnuTLS that together accept the suites which OpenSSL lacks, and
    /// no other.
    pub fn gnutls(&self) -> Vec<String> {
        self.priorities(&self.old)
    }

    /// Those that together accept all suites up to TLS 1.2 that GnuTLS has.
    pub fn gnutls_alone(&self) -> Vec<String> {
        self.priorities(&self.names)
    }

    /// GnuTLS takes key exchanges, ciphers and MACs apart: one string for all that share a MAC and
    /// their key exchanges accepts what is named, and nothing else.
    fn priorities(&self, names: &[String]) -> Vec<String> {
        let mut exchanges: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
        for name in names {
            let Some((exchange, rest)) = name.trim_start_matches("TLS_").split_once("_WITH_")
            else {
                continue;
            };
            let known = ["RSA", "DHE_RSA", "ECDHE_RSA", "ECDHE_ECDSA"].contains(&exchange);
            if let (true, Some(cipher)) = (known, GNUTLS.iter().find(|own| own.0 == rest)) {
                exchanges.entry((cipher.2, cipher.1)).or_default().insert(exchange);
            }
        }
        let mut together: BTreeMap<(&str, BTreeSet<&str>), Vec<&str>> = BTreeMap::new();
        for ((mac, cipher), exchanges) in exchanges {
            together.entry((mac, exchanges)).or_default().push(cipher);
        }
        let list = |words: &mut dyn Iterator<Item = String>| words.collect::<Vec<_>>().join(":");
        let versions = ["TLS1.0", "TLS1.1", "TLS1.2"];
        let versions = list(
            &mut versions
                .iter()
                .filter(|version| *self.min <= ***version && ***version <= *self.max)
                .map(|version| format!("+VERS-{version}")),
        );
        let groups = list(&mut self.old_groups.iter().map(|group| format!("+GROUP-{group}")));
        together
            .into_iter()
            .filter(|_| !versions.is_empty())
            .map(|((mac, exchanges), ciphers)| {
                let ciphers = list(&mut ciphers.iter().map(|cipher| format!("+{cipher}")));
                let words = exchanges.iter().map(|word| format!("+{}", word.replace('_', "-")));
                let exchanges = list(&mut words.into_iter());
                format!(
                    "NONE:{versions}:{exchanges}:{ciphers}:+{mac}:{groups}:\
                     +SIGN-ALL:+CTYPE-X509:+COMP-NULL:%VERIFY_ALLOW_BROKEN"
                )
            })
            .collect()
    }
}

/// How suites' names end, with GnuTLS's words for cipher and MAC.
const GNUTLS: [(&str, &str, &str); 14] = [
    ("3DES_EDE_CBC_SHA", "3DES-CBC", "SHA1"),
    ("RC4_128_SHA", "ARCFOUR-128", "SHA1"),
    ("RC4_128_MD5", "ARCFOUR-128", "MD5"),
    ("AES_128_CBC_SHA", "AES-128-CBC", "SHA1"),
    ("AES_256_CBC_SHA", "AES-256-CBC", "SHA1"),
    ("AES_128_CBC_SHA256", "AES-128-CBC", "SHA256"),
    ("AES_256_CBC_SHA256", "AES-256-CBC", "SHA256"),
    ("AES_256_CBC_SHA384", "AES-256-CBC", "SHA384"),
    ("AES_128_GCM_SHA256", "AES-128-GCM", "AEAD"),
    ("AES_256_GCM_SHA384", "AES-256-GCM", "AEAD"),
    ("AES_128_CCM", "AES-128-CCM", "AEAD"),
    ("AES_256_CCM", "AES-256-CCM", "AEAD"),
    ("CHACHA20_POLY1305_SHA256", "CHACHA20-POLY1305", "AEAD"),
    ("CAMELLIA_128_CBC_SHA", "CAMELLIA-128-CBC", "SHA1"),
];

fn words(file: &Table, key: &str) -> Vec<String> {
    let list = file.get(key).and_then(Value::as_array);
    list.into_iter().flatten().map(|word| word.as_str().unwrap().to_owned()).collect()
}

/// Whether a policy file accepts a suite, by its name.
fn accepts(file: &Table, suite: &Suite) -> bool {
    let listed: Vec<&Table> = file
        .get("cipher_suite")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|entry| entry.as_table().unwrap())
        .collect();
    let text = |entry: &&Table, key: &str| entry[key].as_str().unwrap().to_owned();
    let out =
        |entry: &&Table| ["forbidden", "disallowed", "legacy"].contains(&&*text(entry, "level"));
    let own = listed.iter().find(|entry| text(entry, "name") == suite.name);
    let rule = file["cipher_rule"].as_str().unwrap();
    let mut weaknesses = words(file, "forbidden_weaknesses");
    if rule == "recommended" {
        weaknesses.extend(["NULL", "EXPORT", "ANON", "RC4", "DES"].map(str::to_owned));
    }
    let bits = file.get("forbidden_bits_below").and_then(Value::as_integer).unwrap_or(0);
    if own.is_some_and(out)
        || weaknesses.iter().any(|weakness| has_weakness(&suite.name, weakness))
        || words(file, "forbidden_kx").iter().any(|word| *word == exchange(suite))
        || i64::from(suite.bits) < bits
    {
        return false;
    }
    let lists_tls13 = listed.iter().any(|entry| text(entry, "version") == "TLS1.3" && !out(entry));
    let by_list = ["only", "at-least-one-of"].contains(&rule) && (!suite.tls13 || lists_tls13);
    !by_list || own.is_some()
}

/// The key exchange in a suite's name, in the words of policy files.
fn exchange(suite: &Suite) -> String {
    let name = suite.name.trim_start_matches("TLS_");
    let word = name.split_once("_WITH_").map_or("", |(word, _)| word);
    match word {
        "DHE_RSA" | "DHE_DSS" => "DHE",
        "DH_RSA" | "DH_DSS" => "DH",
        "ECDHE_RSA" | "ECDHE_ECDSA" => "ECDHE",
        "ECDH_RSA" | "ECDH_ECDSA" => "ECDH",
        // RFC 5489 and RFC 5487 name them so; SRP with a certificate is SRP all the same.
        word => word,
    }
    .to_owned()
}

fn has_weakness(name: &str, weakness: &str) -> bool {
    match weakness {
        "NULL" => name.contains("_NULL_"),
        "EXPORT" => name.contains("_EXPORT_"),
        "ANON" => name.contains("_anon_"),
        "RC4" => name.contains("_RC4_"),
        "DES" => name.contains("_WITH_DES_"),
        "MD5" => name.ends_with("_MD5"),
        "SHA1" => name.ends_with("_SHA"),
        other => panic!("a weakness that names do not tell: {other}"),
    }
}
