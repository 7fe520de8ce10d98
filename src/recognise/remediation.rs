//! What to change: steps, exact registry values, commands and configuration lines, with the
//! document that says so.

use std::fmt::Write as _;
use std::sync::LazyLock;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Candidate, Family, Fix};
use crate::tls::Role;

/// What to change.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Remediation {
    /// Its name.
    pub id: Box<str>,
    /// In one line.
    pub title: Box<str>,
    /// Which end is to be changed.
    pub side: Side,
    /// What it is for, in words.
    pub applies_to: Vec<Box<str>>,
    /// What it answers.
    pub fixes: Vec<Fix>,
    /// What to do, in order.
    pub steps: Vec<Box<str>>,
    /// Registry values to set.
    #[serde(default)]
    pub registry: Vec<RegistryValue>,
    /// Commands to run.
    #[serde(default)]
    pub commands: Vec<Box<str>>,
    /// Configuration lines.
    #[serde(default)]
    pub config: Vec<Box<str>>,
    /// What must be restarted.
    #[serde(default)]
    pub restart: Option<Box<str>>,
    /// What else it affects.
    #[serde(default)]
    pub caution: Option<Box<str>>,
    /// The documents that say so.
    pub sources: Vec<Box<str>>,
    /// How sure it is.
    #[serde(default)]
    pub confidence: Option<Box<str>>,
}

/// Which end a remediation changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The client.
    Client,
    /// The server.
    Server,
    /// Either.
    Both,
}

impl Side {
    /// Whether it changes this end.
    pub const fn is(self, role: Role) -> bool {
        matches!(
            (self, role),
            (Self::Both, _) | (Self::Client, Role::Client) | (Self::Server, Role::Server)
        )
    }
}

/// A registry value to set.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RegistryValue {
    /// The key, from `HKEY_` on.
    pub key: Box<str>,
    /// The value's name.
    pub name: Box<str>,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: RegistryType,
    /// The number; none where it must be made for the machine.
    #[serde(default)]
    pub value: Option<u32>,
    /// The form of a value that must be made for the machine.
    #[serde(default)]
    pub value_form: Option<Box<str>>,
    /// A remark.
    #[serde(default)]
    pub note: Option<Box<str>>,
}

/// The type of a registry value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum RegistryType {
    /// A number of 32 bits.
    #[serde(rename = "REG_DWORD")]
    Dword,
    /// A text.
    #[serde(rename = "REG_SZ")]
    Text,
}

/// An error text that users see, and what it means.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Symptom {
    /// Its name.
    pub id: Box<str>,
    /// In which program.
    #[serde(rename = "where")]
    pub program: Box<str>,
    /// A part of the text.
    pub contains: Box<str>,
    /// What it means.
    pub meaning: Box<str>,
    /// The ids of what may help.
    pub remediation: Vec<Box<str>>,
    /// The document that says so.
    pub source: Box<str>,
}

impl Serialize for Fix {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

impl<'de> Deserialize<'de> for Fix {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = Box::<str>::deserialize(deserializer)?;
        Self::from_word(&word)
            .ok_or_else(|| serde::de::Error::custom(format!("unknown fix {word}")))
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "schema")]
    _schema: u32,
    #[serde(default)]
    remediation: Vec<Remediation>,
    #[serde(default)]
    symptom: Vec<Symptom>,
}

const TEXTS: [&str; 2] = [include_str!("remediation.toml"), include_str!("remediation_more.toml")];

static FILE: LazyLock<File> = LazyLock::new(|| {
    let mut all = File::default();
    // A test reads both: none is lost here.
    for file in TEXTS.iter().filter_map(|text| toml::from_str::<File>(text).ok()) {
        all.remediation.extend(file.remediation);
        all.symptom.extend(file.symptom);
    }
    all
});

/// What fits where nothing is known of the software, best first. What is not here fits in the order
/// of the files.
const USUAL: &[(Fix, &[&str])] = &[
    (
        Fix::ClientVersionBelowPolicy,
        &[
            "schannel-tls12-client",
            "dotnet-strong-crypto",
            "winhttp-default-secure-protocols",
            "java-upgrade",
            "openssl-upgrade",
            "device-firmware",
            "non-dotnet-vendor",
        ],
    ),
    (Fix::ClientSuiteMissing, &["client-enable-ecdhe", "windows-2012r2-gcm", "java-upgrade"]),
    (
        Fix::ServerVersionBelowPolicy,
        &[
            "schannel-tls12-server",
            "nginx-ssl-protocols",
            "apache-ssl-protocol",
            "openssl-upgrade",
            "sql-server-tls12",
            "windows-upgrade",
        ],
    ),
    (
        Fix::ServerAcceptsLegacyVersion,
        &[
            "schannel-disable-legacy",
            "nginx-ssl-protocols",
            "apache-ssl-protocol",
            "openssl-min-protocol",
        ],
    ),
];

/// Whose software the remediations are for, by how their ids begin; the others are for any.
const OF_FAMILIES: &[(&str, &[Family])] = &[
    ("schannel-", &[Family::Schannel]),
    ("dotnet-", &[Family::Schannel]),
    ("winhttp-", &[Family::Schannel]),
    ("wininet-", &[Family::Schannel]),
    ("windows-", &[Family::Schannel]),
    ("java-", &[Family::Jsse]),
    ("openssl-", &[Family::OpenSsl]),
    ("python-", &[Family::OpenSsl]),
    ("node-", &[Family::OpenSsl]),
    ("go-", &[Family::Go]),
    ("android-", &[Family::OpenSsl, Family::BoringSsl]),
    ("apple-", &[Family::SecureTransport, Family::BoringSsl]),
    ("browser-", &[Family::Nss, Family::BoringSsl, Family::Schannel]),
];

impl Remediation {
    /// Every remediation.
    pub fn all() -> &'static [Self] {
        &FILE.remediation
    }

    /// What must be restarted; nothing where the file says `none`.
    pub fn restarts(&self) -> Option<&str> {
        self.restart.as_deref().filter(|what| *what != "none")
    }

    /// The remediation with this id.
    pub fn by_id(id: &str) -> Option<&'static Self> {
        Self::all().iter().find(|remediation| &*remediation.id == id)
    }

    /// Whether it may be of use for this software: what is for one stack is of none for another.
    fn suits(&self, candidates: &[Candidate]) -> bool {
        let families = OF_FAMILIES.iter().find(|(prefix, _)| self.id.starts_with(prefix));
        candidates.is_empty()
            || families.is_none_or(|(_, families)| {
                candidates.iter().any(|candidate| families.contains(&candidate.family))
            })
    }

    fn answers(&self, fix: Fix, side: Role) -> bool {
        self.side.is(side) && self.fixes.contains(&fix)
    }

    /// The registry values as a `.reg` file, if there are any that stand as they are.
    pub fn reg_file(&self) -> Option<String> {
        let mut text = "Windows Registry Editor Version 5.00\r\n".to_owned();
        let mut key = None;
        for (value, number) in self.numbers() {
            if key != Some(&value.key) {
                let _ = write!(text, "\r\n[{}]\r\n", value.key);
                key = Some(&value.key);
            }
            let _ = write!(text, "\"{}\"=dword:{number:08x}\r\n", value.name);
        }
        key.map(|_| text)
    }

    /// The same as a PowerShell snippet.
    pub fn powershell(&self) -> Option<String> {
        let mut text = String::new();
        let mut made: Vec<&str> = Vec::new();
        for (value, number) in self.numbers() {
            let name = &value.name;
            // PowerShell takes a slash in a key's name for the end of the name; reg.exe does not.
            if value.key.contains('/') {
                let key = &value.key;
                let _ = writeln!(text, "reg.exe add '{key}' /v {name} /t REG_DWORD /d {number} /f");
                continue;
            }
            let key = value.key.replacen("HKEY_LOCAL_MACHINE", "HKLM:", 1).replacen(
                "HKEY_CURRENT_USER",
                "HKCU:",
                1,
            );
            if !made.contains(&&*value.key) {
                made.push(&value.key);
                let _ = writeln!(
                    text,
                    "if (-not (Test-Path -LiteralPath '{key}')) {{ New-Item -Path '{key}' -Force | Out-Null }}"
                );
            }
            let _ = writeln!(
                text,
                "New-ItemProperty -LiteralPath '{key}' -Name '{name}' -PropertyType DWord -Value {number} \
                 -Force | Out-Null"
            );
        }
        (!text.is_empty()).then_some(text)
    }

    fn numbers(&self) -> impl Iterator<Item = (&RegistryValue, u32)> {
        self.registry.iter().filter_map(|value| Some((value, value.value?)))
    }
}

impl Symptom {
    /// Every symptom.
    pub fn all() -> &'static [Self] {
        &FILE.symptom
    }
}

/// What answers a need at one end, best first.
///
/// Where the candidates of the software have remedies for it, these alone; else what usually fits.
/// Several needs are answered one after the other.
pub fn remediations_for(
    fixes: &[Fix],
    side: Role,
    candidates: &[Candidate],
) -> Vec<&'static Remediation> {
    let mut found: Vec<&'static Remediation> = Vec::new();
    let mut add = |remediation: &'static Remediation| {
        if !found.iter().any(|other| other.id == remediation.id) {
            found.push(remediation);
        }
    };
    for fix in fixes {
        let known: Vec<_> = candidates
            .iter()
            .flat_map(Candidate::remedies)
            .filter(|remediation| remediation.answers(*fix, side))
            .collect();
        if known.is_empty() {
            usual(*fix, side).filter(|remedy| remedy.suits(candidates)).for_each(&mut add);
        } else {
            known.into_iter().for_each(&mut add);
        }
    }
    found
}

/// What answers a need best; the first of [`remediations_for`].
pub fn remediation_for(
    fixes: &[Fix],
    side: Role,
    candidates: &[Candidate],
) -> Option<&'static Remediation> {
    fixes.iter().find_map(|fix| {
        let answers = |remediation: &&'static Remediation| remediation.answers(*fix, side);
        let mut known = candidates.iter().flat_map(Candidate::remedies);
        known.find(answers).or_else(|| usual(*fix, side).find(|remedy| remedy.suits(candidates)))
    })
}

fn usual(fix: Fix, side: Role) -> Box<dyn Iterator<Item = &'static Remediation>> {
    let listed = USUAL.iter().find(|(of, _)| *of == fix);
    let all = Remediation::all().iter();
    match listed {
        Some((_, ids)) => Box::new(
            ids.iter()
                .filter_map(|id| Remediation::by_id(id))
                .filter(move |remediation| remediation.answers(fix, side)),
        ),
        None => Box::new(all.filter(move |remediation| remediation.answers(fix, side))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_remediation_is_read_and_every_word_answered() {
        let mut count = 0;
        for text in TEXTS {
            match toml::from_str::<File>(text) {
                Ok(file) => count += file.remediation.len(),
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(Remediation::all().len(), count);
        assert_eq!(count, 65);
        let mut ids: Vec<_> =
            Remediation::all().iter().map(|remediation| &remediation.id).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), count, "an id is taken twice");
        for fix in Fix::ALL {
            assert_eq!(Fix::from_word(fix.word()), Some(*fix));
            assert!(
                Remediation::all().iter().any(|remediation| remediation.fixes.contains(fix)),
                "nothing answers {}",
                fix.word()
            );
        }
        for (fix, ids) in USUAL {
            for id in *ids {
                let remediation = Remediation::by_id(id).unwrap_or_else(|| panic!("{id}"));
                assert!(remediation.fixes.contains(fix), "{id} does not fix {}", fix.word());
            }
        }
        for symptom in Symptom::all() {
            assert!(symptom.remediation.iter().all(|id| Remediation::by_id(id).is_some()));
        }
    }

    #[test]
    fn what_is_for_one_stack_is_not_said_of_another() {
        let old = [Fix::ClientVersionBelowPolicy];
        for family in Family::ALL {
            let candidate = Candidate {
                name: family.software().into(),
                family: *family,
                confidence: super::super::Confidence::Low,
                evidence: Vec::new(),
                remediation: Vec::new(),
            };
            let found = remediations_for(&old, Role::Client, &[candidate]);
            assert!(!found.is_empty(), "nothing for {}", family.name());
            for (prefix, families) in OF_FAMILIES {
                let said = found.iter().any(|remedy| remedy.id.starts_with(prefix));
                assert!(!said || families.contains(family), "{prefix} for {}", family.name());
            }
        }
    }

    #[test]
    fn registry_values_come_as_a_file_and_as_a_script() {
        let client = Remediation::by_id("schannel-tls12-client").unwrap();
        let key =
            r"SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL\Protocols\TLS 1.2\Client";
        assert_eq!(
            client.reg_file().unwrap(),
            format!(
                "Windows Registry Editor Version 5.00\r\n\r\n[HKEY_LOCAL_MACHINE\\{key}]\r\n\
                 \"Enabled\"=dword:00000001\r\n\"DisabledByDefault\"=dword:00000000\r\n"
            )
        );
        let script = client.powershell().unwrap();
        assert!(
            script
                .contains(&format!("New-ItemProperty -LiteralPath 'HKLM:\\{key}' -Name 'Enabled'"))
        );
        assert_eq!(script.matches("New-Item ").count(), 1, "a key is made once");
        let slash = Remediation::by_id("disable-rc4-3des").unwrap().powershell().unwrap();
        assert!(slash.contains(r"Ciphers\RC4 128/128' /v Enabled /t REG_DWORD /d 0 /f"));
        let both_views = Remediation::by_id("dotnet-strong-crypto").unwrap().reg_file().unwrap();
        assert!(both_views.contains(r"SOFTWARE\WOW6432Node\Microsoft\.NETFramework\v4.0.30319]"));
        let form_only = Remediation::by_id("windows-enable-ecdhe-suites").unwrap();
        assert_eq!((form_only.reg_file(), form_only.powershell()), (None, None));
    }

    /// Values by key and name.
    type Values = std::collections::BTreeMap<(String, String), u32>;

    /// Read a `.reg` file as Windows does; a line that it would not read ends the test.
    fn read_registry(text: &str) -> Values {
        let mut values = Values::new();
        let mut lines = text.split("\r\n");
        assert_eq!(lines.next(), Some("Windows Registry Editor Version 5.00"));
        let mut key = None;
        for line in lines.filter(|line| !line.is_empty()) {
            assert!(line.is_ascii() && !line.contains(char::is_control), "{line}");
            if let Some(own) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                key = Some(own.to_owned());
                continue;
            }
            let (name, number) = line
                .strip_prefix('"')
                .and_then(|line| line.split_once("\"=dword:"))
                .unwrap_or_else(|| panic!("{line}"));
            assert!(number.len() == 8 && !name.contains(['"', '\\']), "{line}");
            let number = u32::from_str_radix(number, 16).unwrap();
            let place = (key.clone().unwrap(), name.to_owned());
            assert!(values.insert(place, number).is_none(), "set twice: {line}");
        }
        values
    }

    /// Read what a script sets, in the forms that it is written in; the keys must have been made.
    fn read_script(text: &str) -> Values {
        let mut values = Values::new();
        let mut made = Vec::new();
        for line in text.lines() {
            let words: Vec<&str> = line.split('\'').collect();
            let place = match *words {
                ["reg.exe add ", key, rest] => {
                    let rest: Vec<&str> = rest.split_whitespace().collect();
                    let ["/v", name, "/t", "REG_DWORD", "/d", number, "/f"] = *rest else {
                        panic!("{line}")
                    };
                    Some((key.to_owned(), name, number))
                }
                ["if (-not (Test-Path -LiteralPath ", key, ")) { New-Item -Path ", same, rest] => {
                    assert!(key == same && rest == " -Force | Out-Null }", "{line}");
                    made.push(key.to_owned());
                    None
                }
                ["New-ItemProperty -LiteralPath ", key, " -Name ", name, rest] => {
                    assert!(made.iter().any(|made| made == key), "not made: {line}");
                    let number = rest
                        .strip_prefix(" -PropertyType DWord -Value ")
                        .and_then(|rest| rest.strip_suffix(" -Force | Out-Null"));
                    let key = key.replacen("HKLM:", "HKEY_LOCAL_MACHINE", 1);
                    let key = key.replacen("HKCU:", "HKEY_CURRENT_USER", 1);
                    Some((key, name, number.unwrap_or_else(|| panic!("{line}"))))
                }
                _ => panic!("{line}"),
            };
            if let Some((key, name, number)) = place {
                values.insert((key, name.to_owned()), number.parse().unwrap());
            }
        }
        values
    }

    #[test]
    fn every_file_and_every_script_sets_what_is_meant() {
        let mut files = 0;
        for remedy in Remediation::all() {
            let meant: Values = remedy
                .numbers()
                .map(|(value, number)| ((value.key.to_string(), value.name.to_string()), number))
                .collect();
            for (key, _) in meant.keys() {
                let parts: Vec<&str> = key.split('\\').collect();
                assert!(["HKEY_LOCAL_MACHINE", "HKEY_CURRENT_USER"].contains(&parts[0]), "{key}");
                assert!(["SYSTEM", "SOFTWARE", "Software"].contains(&parts[1]), "{key}");
                assert!(parts.iter().all(|part| part.trim() == *part && !part.is_empty()), "{key}");
            }
            assert_eq!(
                remedy.reg_file().map_or_else(Values::new, |text| read_registry(&text)),
                meant
            );
            assert_eq!(
                remedy.powershell().map_or_else(Values::new, |text| read_script(&text)),
                meant
            );
            files += usize::from(!meant.is_empty());
        }
        assert!(files > 8, "{files}");
    }

    #[test]
    fn what_answers_a_need_of_one_end_changes_that_end() {
        for remedy in Remediation::all() {
            for fix in &remedy.fixes {
                let (client, server) =
                    (fix.word().starts_with("client-"), fix.word().starts_with("server-"));
                assert!(!client || remedy.side.is(Role::Client), "{}: {}", remedy.id, fix.word());
                assert!(!server || remedy.side.is(Role::Server), "{}: {}", remedy.id, fix.word());
            }
            assert!(!remedy.sources.is_empty() && !remedy.steps.is_empty(), "{}", remedy.id);
        }
        // Windows Server 2012 R2 as a client has TLS 1.2 and no GCM with ECDHE_RSA.
        let found = remediations_for(&[Fix::ClientSuiteMissing], Role::Client, &[]);
        assert!(found.iter().any(|remedy| &*remedy.id == "windows-2012r2-gcm"));
    }

    #[test]
    fn without_candidates_what_usually_fits_comes_first() {
        let best = |fix, side| remediation_for(&[fix], side, &[]).map(|found| &*found.id);
        assert_eq!(
            best(Fix::ClientVersionBelowPolicy, Role::Client),
            Some("schannel-tls12-client")
        );
        assert_eq!(
            best(Fix::ServerVersionBelowPolicy, Role::Server),
            Some("schannel-tls12-server")
        );
        assert_eq!(best(Fix::LeafExpired, Role::Server), Some("renew-certificate"));
        assert_eq!(best(Fix::ClientVersionBelowPolicy, Role::Server), Some("openssl-upgrade"));
        let all = remediations_for(&[Fix::ServerVersionBelowPolicy], Role::Server, &[]);
        assert!(all.len() > 3 && all.iter().all(|remediation| remediation.side.is(Role::Server)));
    }
}
