//! A policy file: TOML in, a checked [`Policy`] out.
//!
//! Every key and word is known or an error; suites are named by their registered names and, if the
//! file repeats the number, by both. What the format is: see the files that come with the program.

use std::ops::Range;

use toml::de::DeTable;

use super::reader::{Fault, Place, Reader, unknown};
use super::roots::{self, Root, RootStatus};
use super::suites::{CipherRule, KeyKinds, Level, ListedSuite, SuiteRules, SuiteText};
use super::{About, Error, KeyDate, Policy, Source, Status, VersionSet};
use crate::tls::Role;
use crate::tls::codepoint::{
    CipherSuite, KeyExchange, NamedGroup, ProtocolVersion, SignatureKind, Weakness,
};

/// Read a policy from the text of a file; errors speak of the file by this name.
pub fn parse(name: &str, text: &str) -> Result<Policy, Error> {
    read(text).map_err(|fault| {
        let place = Place::of(text, &fault.span);
        Error::Content {
            name: name.into(),
            line: place.line,
            column: place.column,
            excerpt: place.to_string(),
            message: fault.message,
        }
    })
}

fn read(text: &str) -> Result<Policy, Fault> {
    let table = DeTable::parse(text).map_err(|error| {
        Fault::new(error.span().unwrap_or_default(), error.message().replace('\n', ", "))
    })?;
    let file = Reader::new(table.get_ref(), 0..0);
    if let Some(schema) = file.number("schema")?.filter(|schema| *schema != 1) {
        let span = file.value("schema").map(toml::Spanned::span).unwrap_or_default();
        return Err(Fault::new(
            span,
            format!("schema {schema} is newer than this program; it reads 1"),
        ));
    }
    let policy = policy(&file)?;
    file.finish()?;
    Ok(policy)
}

fn policy(file: &Reader<'_, '_>) -> Result<Policy, Fault> {
    let (id, id_span) = file.required("id", "\"my-policy\"")?;
    if id.is_empty() || id.contains(char::is_whitespace) {
        return Err(Fault::new(id_span, "an id is one word"));
    }
    let about = about(file)?;
    let allowed = versions(file, "allowed_versions")?;
    if allowed.is_empty() {
        let example = "[\"TLS1.2\", \"TLS1.3\"]";
        return Err(match file.value("allowed_versions").map(toml::Spanned::span) {
            Some(span) => Fault::new(
                span,
                format!("a policy that allows no version lets nobody in; for example: {example}"),
            ),
            None => file.missing("allowed_versions", example),
        });
    }
    for (word, span) in file.texts("forbidden_versions")? {
        if let Some(version) = version(word).filter(|version| allowed.contains(&version.version)) {
            return Err(Fault::new(span, format!("{} is allowed above", version.word)));
        }
    }
    let allowed: VersionSet = allowed.into_iter().collect();
    let text = suite_text(file)?;
    let tls13 = allowed.contains(ProtocolVersion::TLS1_3);
    let only_tls13 = allowed.lowest() == Some(ProtocolVersion::TLS1_3);
    Ok(Policy {
        id: id.into(),
        about,
        versions: allowed,
        suites: SuiteRules::new(text, tls13, only_tls13),
        groups: groups(file)?,
        certificate_types: certificate_types(file)?,
        min_rsa_bits: file.number("min_rsa_bits")?,
        min_ec_bits: file.number("min_ec_bits")?,
        discouraged_versions: versions(file, "discouraged_versions")?.into_iter().collect(),
        roots: file.tables("root")?.into_iter().map(root).collect::<Result<_, _>>()?,
    })
}

fn about(file: &Reader<'_, '_>) -> Result<About, Fault> {
    let (title, _) = file.required("title", "\"What our gateway accepts\"")?;
    let status = file.optional("status")?.unwrap_or_else(|| "current".into());
    let status = match status.strip_prefix("superseded-by ") {
        Some(id) => Status::SupersededBy(id.trim().into()),
        None => Status::Current(status),
    };
    // These two say in words what `allowed_versions` rules: checked, and no rule.
    for key in ["min_version", "max_version"] {
        if let Some((word, span)) = file.text(key)? {
            version(word).ok_or_else(|| unknown("version", word, span, &version_words()))?;
        }
    }
    let mut forbidden_versions = versions(file, "forbidden_versions")?;
    let datagram = ["DTLS1.0", "DTLS1.2", "DTLS1.3"];
    let find = ProtocolVersion::from_name;
    forbidden_versions.extend(file.words("forbidden_dtls_versions", "version", &datagram, find)?);
    let side = |word: &str| match word {
        "client" => Some(Role::Client),
        "server" => Some(Role::Server),
        _ => None,
    };
    Ok(About {
        title: title.into(),
        aliases: texts(file, "aliases")?,
        publisher: file.optional("publisher")?,
        status,
        confidence: file.optional("confidence")?,
        applies_to: file.words("applies_to", "side", &["client", "server"], side)?,
        notes: texts(file, "notes")?,
        scope: texts(file, "scope")?,
        forbidden_versions,
        source: file.table("source")?.map(source).transpose()?.unwrap_or_default(),
        dates: file.tables("date")?.into_iter().map(key_date).collect::<Result<_, _>>()?,
    })
}

fn texts(file: &Reader<'_, '_>, key: &'static str) -> Result<Vec<Box<str>>, Fault> {
    Ok(file.texts(key)?.into_iter().map(|(text, _)| text.into()).collect())
}

fn source(table: Reader<'_, '_>) -> Result<Source, Fault> {
    let source = Source {
        kind: table.optional("kind")?,
        document: table.optional("document")?,
        section: table.optional("section")?,
        commit: table.optional("commit")?,
        kb: table.optional("kb")?,
        date: table.optional("date")?,
    };
    table.finish()?;
    Ok(source)
}

fn key_date(table: Reader<'_, '_>) -> Result<KeyDate, Fault> {
    let date = KeyDate {
        date: table.required("date", "\"2026-04-15\"")?.0.into(),
        event: table.required("event", "\"enforcement begins\"")?.0.into(),
    };
    table.finish()?;
    Ok(date)
}

/// A version with the word that policy files have for it.
struct VersionWord {
    word: &'static str,
    version: ProtocolVersion,
}

const VERSIONS: [VersionWord; 6] = [
    VersionWord { word: "SSL2.0", version: ProtocolVersion::SSL2 },
    VersionWord { word: "SSL3.0", version: ProtocolVersion::SSL3 },
    VersionWord { word: "TLS1.0", version: ProtocolVersion::TLS1_0 },
    VersionWord { word: "TLS1.1", version: ProtocolVersion::TLS1_1 },
    VersionWord { word: "TLS1.2", version: ProtocolVersion::TLS1_2 },
    VersionWord { word: "TLS1.3", version: ProtocolVersion::TLS1_3 },
];

fn version(word: &str) -> Option<&'static VersionWord> {
    VERSIONS.iter().find(|known| known.word == word)
}

fn version_words() -> [&'static str; 6] {
    VERSIONS.each_ref().map(|known| known.word)
}

fn versions(file: &Reader<'_, '_>, key: &'static str) -> Result<Vec<ProtocolVersion>, Fault> {
    file.words(key, "version", &version_words(), |word| version(word).map(|known| known.version))
}

fn suite_text(file: &Reader<'_, '_>) -> Result<SuiteText, Fault> {
    let (word, rule_span) = file.required("cipher_rule", "\"at-least-one-of\"")?;
    let rule = word_of(CipherRule::ALL, word)
        .ok_or_else(|| unknown("rule", word, rule_span.clone(), &words_of(CipherRule::ALL)))?;
    let mut listed: Vec<ListedSuite> = Vec::new();
    for table in file.tables("cipher_suite")? {
        let (suite, span) = listed_suite(&table)?;
        table.finish()?;
        if listed.iter().any(|other| other.suite == suite.suite) {
            return Err(Fault::new(span, "this suite is listed twice"));
        }
        listed.push(suite);
    }
    let exchanges: Vec<_> = KeyExchange::ALL.iter().map(|kx| kx.word()).collect();
    let weak: Vec<_> = Weakness::ALL.iter().map(|weakness| weakness.word()).collect();
    let kx = |key| file.words(key, "key exchange", &exchanges, KeyExchange::from_word);
    let weaknesses = |key| file.words(key, "weakness", &weak, Weakness::from_word);
    let text = SuiteText {
        rule,
        listed,
        forbidden_kx: kx("forbidden_kx")?,
        forbidden_weaknesses: weaknesses("forbidden_weaknesses")?,
        forbidden_bits_below: file.number("forbidden_bits_below")?,
        discouraged_kx: kx("discouraged_kx")?,
        discouraged_weaknesses: weaknesses("discouraged_weaknesses")?,
        discouraged_bits_below: file.number("discouraged_bits_below")?,
    };
    if rule.is_list() && text.listed.iter().all(|suite| suite.level.excludes()) {
        let cure = "it needs [[cipher_suite]] tables with suites that are in the policy";
        return Err(Fault::new(rule_span, format!("the rule `{word}` has no list: {cure}")));
    }
    Ok(text)
}

fn listed_suite(table: &Reader<'_, '_>) -> Result<(ListedSuite, Range<usize>), Fault> {
    let (name, span) = table.required("name", "\"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256\"")?;
    let suite =
        CipherSuite::from_name(name).filter(|suite| !suite.is_signalling()).ok_or_else(|| {
            let names: Vec<_> = CipherSuite::table().iter().map(|info| info.name).collect();
            unknown("cipher suite", name, span.clone(), &names)
        })?;
    if let Some((hex, at)) = table.text("hex")? {
        let digits = hex.strip_prefix("0x").unwrap_or(hex);
        if u32::from_str_radix(digits, 16) != Ok(suite.0) {
            return Err(Fault::new(at, format!("{name} is {suite}, not {hex}")));
        }
    }
    if let Some((word, at)) = table.text("version")? {
        let known =
            version(word).ok_or_else(|| unknown("version", word, at.clone(), &version_words()))?;
        if (known.version == ProtocolVersion::TLS1_3) != suite.is_tls13() {
            return Err(Fault::new(at, format!("{name} is no suite of {word}")));
        }
    }
    let (word, at) = table.required("level", "\"allowed\"")?;
    let level = word_of(Level::ALL, word)
        .ok_or_else(|| unknown("level", word, at, &words_of(Level::ALL)))?;
    let until = table.optional("until")?;
    let note = table.optional("note")?;
    Ok((ListedSuite { suite, level, until, note }, span))
}

fn word_of<T: Copy>(known: &[(&str, T)], word: &str) -> Option<T> {
    known.iter().find(|(name, _)| *name == word).map(|(_, value)| *value)
}

fn words_of<T>(known: &[(&'static str, T)]) -> Vec<&'static str> {
    known.iter().map(|(name, _)| *name).collect()
}

/// Every group with a name, for the nearest right word.
fn group_names() -> Vec<&'static str> {
    (0..=u16::MAX).filter_map(|code| NamedGroup(code).name()).collect()
}

fn groups(file: &Reader<'_, '_>) -> Result<Option<Vec<NamedGroup>>, Fault> {
    if file.value("groups").is_none() {
        return Ok(None);
    }
    let mut groups = Vec::new();
    for (word, span) in file.texts("groups")? {
        let group = NamedGroup::from_name(word)
            .ok_or_else(|| unknown("group", word, span, &group_names()))?;
        groups.push(group);
        // The same curve has another number at TLS 1.3 (RFC 8734).
        groups.extend(match group {
            NamedGroup::BRAINPOOLP256R1 => Some(NamedGroup::BRAINPOOLP256R1_TLS13),
            NamedGroup::BRAINPOOLP384R1 => Some(NamedGroup::BRAINPOOLP384R1_TLS13),
            NamedGroup::BRAINPOOLP512R1 => Some(NamedGroup::BRAINPOOLP512R1_TLS13),
            _ => None,
        });
    }
    Ok(Some(groups))
}

fn certificate_types(file: &Reader<'_, '_>) -> Result<Option<KeyKinds>, Fault> {
    const TYPES: [&str; 3] = ["rsa", "ecdsa", "dsa"];
    let kind = |word: &str| match word {
        "rsa" => Some(SignatureKind::Rsa),
        "ecdsa" => Some(SignatureKind::Ecdsa),
        "dsa" => Some(SignatureKind::Dsa),
        _ => None,
    };
    let kinds: KeyKinds =
        file.words("certificate_types", "type", &TYPES, kind)?.into_iter().collect();
    Ok((!kinds.is_empty()).then_some(kinds))
}

fn root(table: Reader<'_, '_>) -> Result<Root, Fault> {
    let (common_name, _) = table.required("common_name", "\"Our Root CA\"")?;
    let (hex, sha1_span) = table.required("sha1", "\"df3c24f9…\"")?;
    let sha1 = fixed(hex, &sha1_span)?;
    let sha256 = table.text("sha256")?.map(|(hex, span)| fixed(hex, &span)).transpose()?;
    let mut der = roots::embedded(&sha1);
    if let Some((pem, span)) = table.text("pem")? {
        let (thumbprint, bytes) = roots::from_pem(pem)
            .ok_or_else(|| Fault::new(span.clone(), "no certificate in PEM form"))?;
        if thumbprint != sha1 {
            return Err(Fault::new(sha1_span, "this is not the SHA-1 of the certificate given"));
        }
        der = Some(bytes);
    }
    let required = match table.text("requirement")? {
        None | Some(("required", _)) => true,
        Some(("optional", _)) => false,
        Some((word, span)) => {
            return Err(unknown("requirement", word, span, &["required", "optional"]));
        }
    };
    let root = Root {
        common_name: common_name.into(),
        sha1,
        sha256,
        serial: table.optional("serial")?,
        key: table.optional("key")?,
        signature: table.optional("signature")?,
        not_before: table.optional("not_before")?,
        not_after: table.optional("not_after")?,
        status: root_status(&table)?,
        required,
        cloud: table.optional("cloud")?,
        note: table.optional("note")?,
        der,
    };
    table.finish()?;
    Ok(root)
}

fn root_status(table: &Reader<'_, '_>) -> Result<RootStatus, Fault> {
    Ok(match table.text("status")? {
        None | Some(("valid", _)) => RootStatus::Valid,
        Some(("expired", _)) => RootStatus::Expired,
        Some(("intermediate", _)) => RootStatus::Intermediate,
        Some((word, span)) => {
            if let Some(programme) = word.strip_prefix("distrusted-by-") {
                RootStatus::Distrusted(programme.into())
            } else {
                let known = ["valid", "expired", "intermediate", "distrusted-by-…"];
                return Err(unknown("status", word, span, &known));
            }
        }
    })
}

/// Bytes from hex, exactly as many as are asked for.
fn fixed<const N: usize>(hex: &str, span: &Range<usize>) -> Result<[u8; N], Fault> {
    let bytes = (0..N).map(|at| u8::from_str_radix(hex.get(2 * at..2 * at + 2)?, 16).ok());
    let bytes: Option<Vec<u8>> = bytes.collect();
    bytes
        .filter(|_| hex.len() == 2 * N && hex.bytes().all(|digit| digit.is_ascii_hexdigit()))
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| {
            let found = hex.chars().count();
            Fault::new(span.clone(), format!("{} hex digits are wanted, these are {found}", 2 * N))
        })
}

#[cfg(test)]
mod tests;
