//! The model, read once more: what a policy file says of one flow record, from the JSON of the
//! record and the text of the file alone. It shares no code with the program that it checks, and
//! keeps to the letter: where the program knows better, the comparison says so.

use std::collections::BTreeMap;

use serde_json::Value;
use toml::Table;

/// Versions are steps: SSL 2.0 is 0, TLS 1.2 is 4, TLS 1.3 is 5.
type Step = usize;
pub const TLS12: Step = 4;
pub const TLS13: Step = 5;
/// A draft of TLS 1.3 is beyond whatever ends below TLS 1.3, and in no policy.
const DRAFT: Step = 6;

/// What the registry says of a suite.
pub struct Suite {
    kx: String,
    auth: String,
    bits: i64,
    weaknesses: Vec<String>,
}

/// The registry of suites, by number.
pub fn registry(csv: &str) -> BTreeMap<u32, Suite> {
    let rows = csv.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
    let suite = |row: &Vec<&str>| Suite {
        kx: row[4].to_owned(),
        auth: row[5].to_owned(),
        bits: row[7].parse().unwrap_or(0),
        weaknesses: row[row.len() - 1].split(' ').map(str::to_owned).collect(),
    };
    rows.map(|row| (number(row[0]), suite(&row))).collect()
}

/// `0xc02f`; `0x00c02f` of an SSLv2-format hello is the same suite.
fn number(hex: &str) -> u32 {
    u32::from_str_radix(hex.trim_start_matches("0x"), 16).unwrap()
}

fn step(word: &str) -> Option<Step> {
    Some(match word {
        "SSL2" | "SSL2.0" => 0,
        "SSL3" | "SSL3.0" => 1,
        "TLS1.0" => 2,
        // OpenSSL's and Cisco's DTLS before it had its number.
        "TLS1.1" | "DTLS1.0" | "0x0100" => 3,
        "TLS1.2" | "DTLS1.2" => TLS12,
        "TLS1.3" | "DTLS1.3" => TLS13,
        hex if hex.starts_with("0x7f") => DRAFT,
        _ => return None,
    })
}

fn words(of: &Value) -> Vec<&str> {
    of.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn numbers(of: &Value) -> Vec<u32> {
    words(of).into_iter().map(number).collect()
}

/// A policy file.
pub struct Policy {
    pub id: String,
    pub versions: Vec<Step>,
    rule: String,
    /// Suites that are listed, with their levels.
    listed: BTreeMap<u32, String>,
    forbidden_kx: Vec<String>,
    forbidden_weaknesses: Vec<String>,
    forbidden_bits: i64,
    pub groups: Option<Vec<u32>>,
    pub certificates: Option<Vec<String>>,
    required_roots: Vec<String>,
}

const GROUPS: [(&str, u32); 17] = [
    ("secp256r1", 0x17),
    ("secp384r1", 0x18),
    ("secp521r1", 0x19),
    ("brainpoolP256r1", 0x1a),
    ("brainpoolP384r1", 0x1b),
    ("brainpoolP512r1", 0x1c),
    ("x25519", 0x1d),
    ("x448", 0x1e),
    ("ffdhe2048", 0x100),
    ("ffdhe3072", 0x101),
    ("ffdhe4096", 0x102),
    ("ffdhe6144", 0x103),
    ("ffdhe8192", 0x104),
    ("SecP256r1MLKEM768", 0x11eb),
    ("X25519MLKEM768", 0x11ec),
    ("SecP384r1MLKEM1024", 0x11ed),
    ("MLKEM1024", 0x202),
];

const OUT: [&str; 3] = ["forbidden", "disallowed", "legacy"];

impl Policy {
    pub fn read(text: &str) -> Self {
        let file: Table = text.parse().unwrap();
        let list = |key: &str| -> Option<Vec<String>> {
            let list = file.get(key)?.as_array()?.iter();
            Some(list.map(|word| word.as_str().unwrap().to_owned()).collect())
        };
        let tables =
            |key: &str| file.get(key).and_then(toml::Value::as_array).into_iter().flatten();
        let text = |of: &toml::Value, key: &str| of[key].as_str().unwrap().to_owned();
        let group = |word: &String| GROUPS.iter().find(|known| known.0 == word).unwrap().1;
        let root = |root: &&toml::Value| {
            root.get("requirement").and_then(toml::Value::as_str) != Some("named")
                && root.get("status").and_then(toml::Value::as_str) != Some("intermediate")
        };
        Self {
            id: file["id"].as_str().unwrap().to_owned(),
            versions: list("allowed_versions")
                .unwrap()
                .iter()
                .filter_map(|one| step(one))
                .collect(),
            rule: file["cipher_rule"].as_str().unwrap().to_owned(),
            listed: tables("cipher_suite")
                .map(|one| (number(&text(one, "hex")), text(one, "level")))
                .collect(),
            forbidden_kx: list("forbidden_kx").unwrap_or_default(),
            forbidden_weaknesses: list("forbidden_weaknesses").unwrap_or_default(),
            forbidden_bits: file.get("forbidden_bits_below").map_or(0, |n| n.as_integer().unwrap()),
            groups: list("groups").map(|list| list.iter().map(group).collect()),
            certificates: list("certificate_types"),
            required_roots: tables("root").filter(root).map(|one| text(one, "sha1")).collect(),
        }
    }

    fn lowest(&self) -> Step {
        *self.versions.iter().min().unwrap()
    }

    fn highest(&self) -> Step {
        *self.versions.iter().max().unwrap()
    }

    pub fn is_beyond(&self, version: Step) -> bool {
        version > self.highest() && !(version == DRAFT && self.highest() == TLS13)
    }

    fn lists_tls13(&self) -> bool {
        self.listed.iter().any(|(suite, level)| is_tls13(*suite) && !OUT.contains(&&**level))
    }
}

fn is_tls13(suite: u32) -> bool {
    suite >> 8 == 0x13 || matches!(suite, 0x00c6 | 0x00c7)
}

fn is_signalling(suite: u32) -> bool {
    let (high, low) = (suite >> 8, suite & 0xff);
    suite == 0x00ff || suite == 0x5600 || (suite <= 0xffff && high == low && low & 0xf == 0xa)
}

/// Versions and suites of a hello, with what else counts.
pub struct Hello {
    pub versions: Vec<Step>,
    listed: Vec<String>,
    suites: Vec<u32>,
    /// Those that it states; `None` if it states none at all.
    pub groups: Option<Vec<u32>>,
    schemes: Option<Vec<u32>>,
    fallback: bool,
    cut: bool,
}

impl Hello {
    pub fn read(record: &Value) -> Option<Self> {
        let hello = record.get("client_hello").filter(|hello| !hello.is_null())?;
        let has = |extension: &str| words(&hello["extensions"]).contains(&extension);
        let transport = record["transport"].as_str().unwrap();
        let legacy = hello["legacy_version"].as_str().unwrap();
        let suites = numbers(&hello["cipher_suites"]);
        let listed: Vec<String> =
            words(&hello["supported_versions"]).into_iter().map(str::to_owned).collect();
        // RFC 8446 §4.2.1; a number of TLS that nobody knows is more than TLS 1.2.
        let newest = step(legacy).or_else(|| legacy.starts_with("0x03").then_some(TLS12));
        let least = if transport == "udp" { 3 } else { 1 };
        let mut versions: Vec<Step> = if has("0x002b") {
            listed.iter().filter_map(|word| step(word)).filter(|step| *step != DRAFT).collect()
        } else {
            newest.map_or(Vec::new(), |newest| (least.min(newest)..=newest.min(TLS12)).collect())
        };
        if transport == "quic" {
            versions.retain(|version| *version == TLS13);
        }
        let cut = record["seen"]["truncated"] == true;
        if transport == "quic" && cut && !has("0x002b") {
            versions = vec![TLS13];
        }
        Some(Self {
            versions,
            listed,
            suites,
            groups: has("0x000a").then(|| numbers(&hello["groups"])),
            schemes: has("0x000d").then(|| numbers(&hello["signature_algorithms"])),
            fallback: hello["fallback_scsv"] == true,
            cut,
        })
    }
}

/// Outcome and reasons of one end.
pub type End = (String, Vec<String>);

fn end(outcome: &str, reasons: &[&str]) -> End {
    (outcome.to_owned(), reasons.iter().map(|one| (*one).to_owned()).collect())
}

/// One policy, one record.
pub struct Case<'a> {
    pub policy: &'a Policy,
    pub record: &'a Value,
    pub hello: Option<&'a Hello>,
    pub suites: &'a BTreeMap<u32, Suite>,
}

impl Case<'_> {
    /// The negotiated version and suite.
    pub fn negotiated(&self) -> Option<(Option<Step>, Option<u32>)> {
        let hello = &self.record["server_hello"];
        let suite = hello["cipher_suite"].as_str().map(number);
        Some((step(hello.get("version")?.as_str()?), suite))
    }

    /// Whether a suite is in the policy at a version.
    fn admits(&self, version: Step, suite: u32) -> bool {
        let policy = self.policy;
        let level = policy.listed.get(&suite);
        let known = self.suites.get(&suite);
        let weak =
            |word: &&str| known.is_some_and(|it| it.weaknesses.iter().any(|own| own == word));
        let forbidden = known.is_some_and(|it| {
            policy.forbidden_kx.contains(&it.kx) || it.bits < policy.forbidden_bits
        }) || policy.forbidden_weaknesses.iter().any(|word| weak(&&**word));
        if is_signalling(suite)
            || !policy.versions.contains(&version)
            || is_tls13(suite) != (version == TLS13)
            || suite > 0xffff
            || level.is_some_and(|level| OUT.contains(&&**level))
            || forbidden
        {
            return false;
        }
        match &*policy.rule {
            "only" | "at-least-one-of" if is_tls13(suite) && !policy.lists_tls13() => true,
            "only" | "at-least-one-of" => level.is_some(),
            "recommended" => !["NULL", "EXPORT", "ANON", "RC4", "DES"].iter().any(weak),
            _ => true,
        }
    }

    /// Whether an offer has a group of the policy for a suite that needs one.
    pub fn has_group(&self, hello: &Hello, version: Step) -> bool {
        let Some(stated) = &hello.groups else { return version != TLS13 };
        stated.iter().any(|group| self.accepts_group(*group, version))
    }

    pub fn accepts_group(&self, group: u32, version: Step) -> bool {
        let curve = (1..=0x29).contains(&group);
        let hybrid = matches!(group, 0x200..=0x202 | 0x11eb..=0x11ee | 0x4138)
            || matches!(group, 0x6399 | 0x639a | 0xfe30 | 0xfe31);
        let named = self.policy.groups.as_ref().map_or(curve || hybrid, |own| own.contains(&group));
        named && (version == TLS13 || curve)
    }

    fn needs_group(&self, suite: u32) -> bool {
        let ec = |it: &Suite| it.kx.starts_with("ECDH") || it.kx == "ECCPWD";
        is_tls13(suite) || self.suites.get(&suite).is_some_and(ec)
    }

    /// The kind of certificate that a suite needs; `None` if any will do, or none is sent.
    fn kind(&self, suite: u32) -> Option<&'static str> {
        let it = self.suites.get(&suite)?;
        match (&*it.kx, &*it.auth) {
            ("ECDH", _) | (_, "ECDSA") => Some("ecdsa"),
            ("DH", _) => None,
            (_, "RSA" | "RSA+PSK" | "SRP+RSA") => Some("rsa"),
            (_, "DSS" | "SRP+DSS") => Some("dsa"),
            _ => None,
        }
    }

    /// Suites of the policy that an offer can use at a version, by its groups.
    pub fn usable(&self, hello: &Hello, version: Step) -> Vec<u32> {
        let group = self.has_group(hello, version);
        let fits =
            |suite: &&u32| self.admits(version, **suite) && (group || !self.needs_group(**suite));
        hello.suites.iter().filter(fits).copied().collect()
    }

    /// Whether an offer accepts a certificate of the policy.
    fn has_signature(&self, hello: &Hello, version: Step) -> bool {
        let Some(types) = &self.policy.certificates else { return true };
        match &hello.schemes {
            None => version != TLS13,
            Some(_) if hello.versions.iter().max() < Some(&TLS12) => true,
            Some(schemes) => schemes.iter().any(|scheme| {
                kind_of_scheme(*scheme).is_some_and(|kind| types.iter().any(|t| t == kind))
            }),
        }
    }

    /// Whether an offer has a suite of the policy for a certificate of the policy.
    pub fn fits_certificate(&self, hello: &Hello, version: Step) -> bool {
        let Some(types) = &self.policy.certificates else { return true };
        let fits =
            |suite: &u32| self.kind(*suite).is_none_or(|kind| types.iter().any(|t| t == kind));
        hello.suites.iter().any(|suite| self.admits(version, *suite) && fits(suite))
    }

    pub fn inside(&self) -> Option<bool> {
        let (version, suite) = self.negotiated()?;
        Some(version.zip(suite).is_some_and(|(version, suite)| self.admits(version, suite)))
    }

    pub fn beyond(&self) -> Option<bool> {
        let (version, _) = self.negotiated()?;
        Some(version.is_some_and(|version| self.policy.is_beyond(version)))
    }

    fn is_silent(&self) -> bool {
        self.record["transport"] == "quic" && !self.policy.versions.contains(&TLS13)
    }

    pub fn client(&self) -> End {
        let established = self.record["outcome"] == "established" && self.inside() == Some(true);
        let mut said = match self.hello {
            _ if self.is_silent() => end("unknown", &["transport"]),
            None if established => end("ready", &[]),
            None => end("unknown", &["not_seen"]),
            Some(hello) => self.offer(hello, established),
        };
        // It answered a chain that verifies up to a required root with unknown_ca.
        let chain = &self.record["chain"];
        let verifies = ["public_root", "private_root"].contains(&chain["status"].as_str().unwrap());
        let required = chain["root_sha1"]
            .as_str()
            .is_some_and(|sha1| self.policy.required_roots.iter().any(|own| own == sha1));
        if verifies && required && self.alerts("client").contains(&"unknown_ca") {
            if said.0 != "breaks" {
                said.1.clear();
            }
            "breaks".clone_into(&mut said.0);
            said.1.push("root".to_owned());
        }
        said
    }

    fn offer(&self, hello: &Hello, established: bool) -> End {
        let mut common = self.policy.versions.clone();
        common.retain(|version| hello.versions.contains(version));
        let with_suite: Vec<Step> = common
            .iter()
            .copied()
            .filter(|version| hello.suites.iter().any(|suite| self.admits(*version, *suite)))
            .collect();
        let usable = |version: &Step| {
            !self.usable(hello, *version).is_empty() && self.has_signature(hello, *version)
        };
        if with_suite.iter().any(usable) || (hello.cut && (!with_suite.is_empty() || established)) {
            return end("ready", &[]);
        }
        if hello.cut {
            return end("cut", &[]);
        }
        if hello.fallback && hello.versions.iter().max() < Some(&self.policy.lowest()) {
            return end("unknown", &["fallback"]);
        }
        let Some(highest) = with_suite.into_iter().max() else {
            return end("breaks", &[if common.is_empty() { "version" } else { "cipher_suite" }]);
        };
        let mut reasons = Vec::new();
        if self.usable(hello, highest).is_empty() {
            reasons.push("group");
        }
        if !self.has_signature(hello, highest) {
            reasons.push("signature");
        }
        end("breaks", &reasons)
    }

    /// Fatal alerts that can be read.
    fn alerts(&self, from: &str) -> Vec<&str> {
        let all = self.record["alerts"].as_array().into_iter().flatten();
        all.filter(|alert| alert["from"] == from)
            .filter(|alert| from == "client" || alert["level"] == "fatal")
            .filter_map(|alert| alert["description"].as_str())
            .collect()
    }

    pub fn server(&self) -> End {
        if self.is_silent() {
            return end("unknown", &["transport"]);
        }
        let Some((version, suite)) = self.negotiated() else { return self.refusal() };
        let (hello, policy) = (self.hello.filter(|hello| !hello.cut), self.policy);
        let raw = self.record["server_hello"]["version"].as_str().unwrap();
        if let Some(hello) = hello {
            let offered = if hello.listed.is_empty() {
                version.is_some_and(|version| hello.versions.contains(&version))
            } else {
                hello.listed.iter().any(|own| own == raw)
            };
            if !offered || suite.is_some_and(|suite| !hello.suites.contains(&suite)) {
                return end("unknown", &["anomaly"]);
            }
        }
        let sentinel = self.record["server_hello"]["downgrade_sentinel"].as_str().and_then(step);
        let proven = sentinel.filter(|version| policy.versions.contains(version));
        let full = self.record["resumed"] != true;
        let risky = full
            && self.inside() == Some(false)
            && version.is_some_and(|version| {
                policy.versions.contains(&version) && self.had_choice(version)
            });
        let lacks = version.is_some_and(|version| version < policy.lowest())
            && full
            && self.hello.is_some_and(|hello| hello.versions.contains(&policy.lowest()))
            && sentinel < Some(policy.lowest());
        match (self.inside(), proven) {
            (Some(true), _) => end("ready", &[]),
            _ if risky => end("at_risk", &["cipher_suite"]),
            _ if lacks => end("breaks", &["version"]),
            (_, Some(_)) => end("ready", &["suite_open"]),
            _ if self.beyond() == Some(true) => end("unknown", &["beyond"]),
            _ => end("unknown", &[]),
        }
    }

    /// Whether the client offered a suite of the policy for the certificate that was sent.
    fn had_choice(&self, version: Step) -> bool {
        let Some(hello) = self.hello else { return false };
        let usable = self.usable(hello, version);
        let key = self.key();
        let fits = |suite: &u32| self.kind(*suite).is_some() && self.kind(*suite) == key;
        if version == TLS13 { !usable.is_empty() } else { usable.iter().any(fits) }
    }

    /// The kind of key in the server's certificate.
    pub fn key(&self) -> Option<&'static str> {
        let key = self.record["certificates"].get(0)?["key"].as_str()?;
        let kinds = [("RSA", "rsa"), ("EC-", "ecdsa"), ("Ed", "ecdsa"), ("DSA", "dsa")];
        kinds.into_iter().find(|(prefix, _)| key.starts_with(prefix)).map(|(_, kind)| kind)
    }

    fn refusal(&self) -> End {
        let Some(alert) = self.alerts("server").into_iter().next() else {
            return end("unknown", &[]);
        };
        let refused = end("unknown", &["refused"]);
        let Some(hello) = self.hello.filter(|hello| !hello.cut) else { return refused };
        let policy = self.policy;
        if !(policy.lowest()..=policy.highest()).all(|version| hello.versions.contains(&version)) {
            return refused;
        }
        if alert == "protocol_version" {
            return end("breaks", &["version"]);
        }
        // "Every suite of P" is a list under these rules alone.
        let is_list = ["only", "at-least-one-of"].contains(&&*policy.rule)
            && (policy.highest() < TLS13 || policy.lists_tls13());
        let inside = |suite: &&u32| policy.versions.iter().any(|at| self.admits(*at, **suite));
        let every: Vec<u32> = policy.listed.keys().filter(inside).copied().collect();
        let curves = [0x1d, 0x17, 0x18];
        let stated = hello.groups.as_deref().unwrap_or_default();
        let has_curves = curves.iter().all(|curve| stated.contains(curve))
            || !every.iter().any(|suite| self.needs_group(*suite));
        let all = every.iter().all(|suite| hello.suites.contains(suite));
        if ["handshake_failure", "insufficient_security"].contains(&alert)
            && is_list
            && all
            && has_curves
        {
            return end("breaks", &["cipher_suite"]);
        }
        refused
    }

    /// What becomes of the connection, given what is said of its ends.
    pub fn edge(&self, client: &End, server: &End) -> &'static str {
        let is = |end: &End, outcome: &str| end.0 == outcome;
        if self.inside() == Some(true) {
            return "unchanged";
        }
        if self.beyond() == Some(true) {
            let quic = self.record["transport"] == "quic";
            return match () {
                () if is(client, "ready") => "unchanged",
                () if quic => "unknown",
                () => "breaks",
            };
        }
        if is(client, "breaks") || is(server, "breaks") {
            return "breaks";
        }
        if is(client, "ready") && is(server, "ready") && self.has_way_up() {
            return "upgrades";
        }
        "unknown"
    }

    /// Whether a suite of the highest version that both are known to have fits the certificate.
    fn has_way_up(&self) -> bool {
        let hello = &self.record["server_hello"];
        let known = [&hello["version"], &hello["downgrade_sentinel"]];
        let known: Vec<Step> =
            known.into_iter().filter_map(Value::as_str).filter_map(step).collect();
        let (Some(client), policy) = (self.hello, self.policy) else { return false };
        let mutual = |version: &&Step| {
            client.versions.contains(version) && policy.versions.contains(version)
        };
        let Some(version) = known.iter().filter(mutual).max() else { return false };
        let key = self.key();
        let fits = |suite: &u32| key.is_some() && (is_tls13(*suite) || self.kind(*suite) == key);
        self.usable(client, *version).iter().any(fits)
    }
}

/// The kind of key that a signature scheme is made with.
fn kind_of_scheme(scheme: u32) -> Option<&'static str> {
    match (scheme >> 8, scheme & 0xff) {
        (8, 0x04..=0x06 | 0x09..=0x0b) | (1..=6, 1) => Some("rsa"),
        (8, 0x07 | 0x08 | 0x1a..=0x1c) | (1..=6, 3) => Some("ecdsa"),
        (1..=6, 2) => Some("dsa"),
        _ => None,
    }
}
