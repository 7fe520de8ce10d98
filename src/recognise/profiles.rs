//! What is documented of client software, and hellos observed in the field.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::{Deserialize, Deserializer};

use super::{Candidate, Clue, Confidence, Family};
use crate::tls::codepoint::{CipherSuite, ProtocolVersion};

/// A Windows version and what its TLS stack does by default.
#[derive(Debug, Deserialize)]
pub struct Platform {
    /// Its id.
    pub id: Box<str>,
    /// Its names.
    pub names: Vec<Box<str>>,
    /// Its kernel version.
    pub nt_version: Box<str>,
    /// The versions that clients use by default, in the file's words.
    pub default_client_versions: Vec<Box<str>>,
    /// Remarks.
    pub notes: Vec<Box<str>>,
    /// The ids of the remediations that fit it, best first.
    pub remediation: Vec<Box<str>>,
    #[serde(default)]
    hello_tls10: SuiteList,
    #[serde(default)]
    hello_tls10_strong_crypto: SuiteList,
    #[serde(default)]
    hello_tls12: SuiteList,
    #[serde(default)]
    hello_tls12_strong_crypto: SuiteList,
    #[serde(default)]
    hello_tls13: SuiteList,
    #[serde(default)]
    hello_tls13_strong_crypto: SuiteList,
}

impl Platform {
    /// The lists that a client whose highest version this is may offer: plain and strong.
    fn lists(&self, highest: Option<ProtocolVersion>) -> [(&SuiteList, bool); 2] {
        let (plain, strong) = match highest {
            Some(ProtocolVersion::TLS1_3) => (&self.hello_tls13, &self.hello_tls13_strong_crypto),
            Some(ProtocolVersion::TLS1_2) => (&self.hello_tls12, &self.hello_tls12_strong_crypto),
            _ => (&self.hello_tls10, &self.hello_tls10_strong_crypto),
        };
        [(plain, false), (strong, true)]
    }

    /// Whether the suites are one of its lists, or a part of one in its order.
    pub(super) fn clue(
        &self,
        suites: &[CipherSuite],
        highest: Option<ProtocolVersion>,
    ) -> Option<Clue> {
        let lists = self.lists(highest);
        let exact = lists.iter().find(|(list, _)| list.0 == suites && !suites.is_empty());
        if let Some((_, strong)) = exact {
            return Some(Clue::ExactOrder { shared: 1, strong: *strong });
        }
        let parts = lists.iter().filter(|(list, _)| list.holds_in_order(suites));
        let documented = parts.map(|(list, _)| list.0.len()).min()?;
        Some(Clue::PartInOrder { offered: suites.len(), documented })
    }

    /// Windows 7, Server 2008 R2 and older.
    pub(super) fn is_before_8(&self) -> bool {
        self.nt_version.starts_with("5.") || matches!(&*self.nt_version, "6.0" | "6.1")
    }

    pub(super) fn candidate(&'static self, clue: Clue) -> Candidate {
        Candidate {
            name: self.names.join(", ").into(),
            family: Family::Schannel,
            confidence: Confidence::Low,
            evidence: vec![clue],
            remediation: ids(&self.remediation),
        }
    }
}

/// A runtime, a library or a product, and the versions that it uses by default.
#[derive(Debug, Deserialize)]
pub struct Runtime {
    /// Its id.
    pub id: Box<str>,
    /// Its names.
    pub names: Vec<Box<str>>,
    /// The TLS stack, in the file's word.
    pub family: Box<str>,
    /// The versions that clients use by default, in the file's words.
    pub default_client_versions: Vec<Box<str>>,
    /// Remarks.
    pub notes: Vec<Box<str>>,
    /// The ids of the remediations that fit it, best first.
    pub remediation: Vec<Box<str>>,
}

impl Runtime {
    fn family(&self) -> Option<Family> {
        Some(match &*self.family {
            "schannel" => Family::Schannel,
            "jsse" => Family::Jsse,
            "openssl" => Family::OpenSsl,
            "go" => Family::Go,
            "securetransport" => Family::SecureTransport,
            "android" | "boringssl-apple" => Family::BoringSsl,
            _ => return None,
        })
    }

    fn highest(&self) -> Option<ProtocolVersion> {
        let versions = self.default_client_versions.iter();
        versions.filter_map(|word| ProtocolVersion::from_name(word)).max()
    }

    pub(super) fn candidate(&'static self, family: Family, evidence: Vec<Clue>) -> Candidate {
        Candidate {
            name: self.names.join(", ").into(),
            family,
            confidence: Confidence::Low,
            evidence,
            remediation: ids(&self.remediation),
        }
    }
}

/// A hello that was observed, and from which programs.
#[derive(Debug, Deserialize)]
pub(super) struct Observed {
    ja3: Box<str>,
    #[serde(rename = "observed_processes")]
    processes: Vec<Box<str>>,
    #[serde(rename = "observed_nt_versions")]
    builds: Vec<Box<str>>,
    #[serde(default, rename = "matching_platforms")]
    platforms: Vec<Box<str>>,
    remediation: Vec<Box<str>>,
}

impl Observed {
    pub(super) fn fits(&self, platform: &Platform) -> bool {
        self.platforms.contains(&platform.id)
    }

    pub(super) fn clue(&'static self) -> Clue {
        Clue::Observed { processes: &self.processes, builds: &self.builds }
    }

    pub(super) fn candidate(&'static self) -> Candidate {
        Candidate {
            name: format!("Windows {}", self.builds.join(", ")).into(),
            family: Family::Schannel,
            confidence: Confidence::Medium,
            evidence: vec![self.clue()],
            remediation: ids(&self.remediation),
        }
    }
}

/// Suites in the order of a hello.
#[derive(Debug, Default)]
struct SuiteList(Vec<CipherSuite>);

impl SuiteList {
    /// At least three of the list, in its order, and nothing else.
    fn holds_in_order(&self, suites: &[CipherSuite]) -> bool {
        let mut rest = self.0.iter();
        suites.len() >= 3 && suites.iter().all(|suite| rest.any(|other| other == suite))
    }
}

impl<'de> Deserialize<'de> for SuiteList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let words: Vec<Box<str>> = Vec::deserialize(deserializer)?;
        let code = |word: &str| {
            let digits = word.strip_prefix("0x").unwrap_or(word);
            u32::from_str_radix(digits, 16).map(CipherSuite).map_err(serde::de::Error::custom)
        };
        words.iter().map(|word| code(word)).collect::<Result<_, _>>().map(Self)
    }
}

/// All that is known.
#[derive(Default)]
pub(super) struct Profiles {
    pub(super) platforms: Vec<Platform>,
    runtimes: Vec<Runtime>,
    observed: HashMap<Box<str>, Observed>,
}

impl Profiles {
    /// What was observed with this JA3.
    pub(super) fn observed(&'static self, ja3: &str) -> Option<&'static Observed> {
        self.observed.get(ja3)
    }

    pub(super) fn runtime(&'static self, id: &str) -> Option<&'static Runtime> {
        self.runtimes.iter().find(|runtime| &*runtime.id == id)
    }

    /// The documented software of a family that has this highest version by default.
    pub(super) fn runtimes(
        &'static self,
        family: Family,
        highest: Option<ProtocolVersion>,
    ) -> impl Iterator<Item = &'static Runtime> {
        self.runtimes.iter().filter(move |runtime| {
            runtime.family() == Some(family) && highest.is_some() && runtime.highest() == highest
        })
    }
}

fn ids(ids: &'static [Box<str>]) -> Vec<&'static str> {
    ids.iter().map(|id| &**id).collect()
}

#[derive(Default, Deserialize)]
struct Documented {
    platform: Vec<Platform>,
    runtime: Vec<Runtime>,
}

#[derive(Default, Deserialize)]
struct Field {
    client: Vec<Observed>,
}

pub(super) static PROFILES: LazyLock<Profiles> = LazyLock::new(|| {
    // A test reads both files: nothing is lost here.
    let documented: Documented = toml::from_str(DOCUMENTED).unwrap_or_default();
    let field: Field = toml::from_str(OBSERVED).unwrap_or_default();
    let observed = field.client.into_iter().map(|client| (client.ja3.clone(), client)).collect();
    Profiles { platforms: documented.platform, runtimes: documented.runtime, observed }
});

const DOCUMENTED: &str = include_str!("profiles.toml");
const OBSERVED: &str = include_str!("joy.toml");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recognise::Remediation;

    #[test]
    fn every_profile_is_read_and_its_remedies_are_there() {
        let documented: Documented = toml::from_str(DOCUMENTED).unwrap();
        let field: Field = toml::from_str(OBSERVED).unwrap();
        assert_eq!((documented.platform.len(), documented.runtime.len()), (19, 42));
        assert_eq!(field.client.len(), 150);
        let remedies = PROFILES
            .platforms
            .iter()
            .flat_map(|platform| &platform.remediation)
            .chain(PROFILES.runtimes.iter().flat_map(|runtime| &runtime.remediation))
            .chain(PROFILES.observed.values().flat_map(|observed| &observed.remediation));
        for id in remedies {
            assert!(Remediation::by_id(id).is_some(), "{id}");
        }
    }

    #[test]
    fn nothing_from_collections_under_another_licence_is_here() {
        assert!(!DOCUMENTED.contains("testssl") && !OBSERVED.contains("testssl"));
    }
}
