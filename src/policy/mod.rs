//! Judgement: pure functions of facts and a policy.
//!
//! A [`Policy`] says what an enforcing peer will accept; it is read from a TOML file or is
//! one of those that [come with the program](Policy::builtin). What goes in are
//! [cases](crate::record::Case): one connection, or all that was gathered of an endpoint. What
//! comes out: [`client`], [`server`] and [`edge`] outcomes with reasons and evidence, a [`Verdict`]
//! for one connection, and [findings](finding). Nothing here reads packets or knows the time.

mod builtin;
mod certificate;
mod client;
mod edge;
mod fallback;
pub mod file;
pub mod finding;
mod outcome;
pub(crate) mod reader;
#[cfg(test)]
mod reference;
mod roots;
mod sentence;
mod server;
pub mod suites;
mod verdict;
mod versions;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

use crate::limits;
use crate::tls::Role;
use crate::tls::codepoint::{NamedGroup, ProtocolVersion};

pub use client::{ClientEvidence, ClientOutcome, client};
pub use edge::{Edge, Ends, edge};
pub use fallback::{Lowered, may_retry};
pub use outcome::{Outcome, Reason};
pub use roots::{Root, RootMatch, RootStatus, fated};
pub use sentence::Asked;
pub(crate) use sentence::key_words;
pub use server::{NameOutcome, ServerEvidence, ServerOutcome, server};
pub use suites::{CipherRule, KeyKinds, Level};
pub use verdict::{Connection, Verdict, connection, judge, root};
pub use versions::VersionSet;

use suites::SuiteRules;

/// What an enforcing peer will accept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Its name on the command line and in records.
    pub id: Arc<str>,
    /// What the file says for people.
    pub about: About,
    /// The versions that it accepts.
    pub versions: VersionSet,
    /// The suites.
    pub suites: SuiteRules,
    /// The groups, if it names some.
    pub groups: Option<Vec<NamedGroup>>,
    /// The kinds of server certificate, if it names some.
    pub certificate_types: Option<KeyKinds>,
    /// The least size of an RSA key.
    pub min_rsa_bits: Option<u16>,
    /// The least size of a key on a curve.
    pub min_ec_bits: Option<u16>,
    /// Versions that are accepted and better left.
    pub discouraged_versions: VersionSet,
    /// The roots that it names.
    pub roots: Vec<Root>,
}

/// What a policy file says for people; no rule among it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// One line.
    pub title: Box<str>,
    /// Other names.
    pub aliases: Vec<Box<str>>,
    /// Who wrote the text.
    pub publisher: Option<Box<str>>,
    /// Whether it stands.
    pub status: Status,
    /// How sure the file is of its source.
    pub confidence: Option<Box<str>>,
    /// Whom the text addresses; both sides are judged all the same.
    pub applies_to: Vec<Role>,
    /// Remarks.
    pub notes: Vec<Box<str>>,
    /// Patterns of servers that the text speaks of, as a hint for `--scope`.
    pub scope: Vec<Box<str>>,
    /// Versions that the text forbids by name, datagram versions among them.
    pub forbidden_versions: Vec<ProtocolVersion>,
    /// Where it is written.
    pub source: Source,
    /// What happens when.
    pub dates: Vec<KeyDate>,
}

/// Whether a policy stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// It does, or more in the file's words.
    Current(Box<str>),
    /// Another one took its place.
    SupersededBy(Box<str>),
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Current(words) => f.write_str(words),
            Self::SupersededBy(id) => write!(f, "superseded by {id}"),
        }
    }
}

/// Where a policy is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// `vendor`, `vendor-doc`, `standard`, or whatever the file says.
    pub kind: Option<Box<str>>,
    /// The document.
    pub document: Option<Box<str>>,
    /// Which part of it.
    pub section: Option<Box<str>>,
    /// The revision of a document that is kept under version control.
    pub commit: Option<Box<str>>,
    /// The number of a knowledge base article.
    pub kb: Option<Box<str>>,
    /// Its date.
    pub date: Option<Box<str>>,
}

/// A date that matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyDate {
    /// When, ISO 8601, perhaps only year and month.
    pub date: Box<str>,
    /// What happens.
    pub event: Box<str>,
}

impl Policy {
    /// A policy that comes with the program, by its id or an alias.
    pub fn by_id(id: &str) -> Result<Arc<Self>, Error> {
        if let Some(policy) = Self::builtin_by_id(id) {
            return Ok(policy);
        }
        let known = Self::builtin();
        let found = known.iter().find(|policy| policy.is_called(id));
        found.map(Arc::clone).ok_or_else(|| {
            let ids: Vec<&str> = known.iter().map(|policy| &*policy.id).collect();
            let names: Vec<&str> = known.iter().flat_map(|policy| policy.names()).collect();
            let near = reader::nearest(id, &names).map(Into::into);
            Error::Unknown { id: id.into(), near, known: ids.join(", ") }
        })
    }

    /// Read a policy file.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let text = limits::read_named_text(path)
            .map_err(|source| Error::Read { path: path.to_owned(), source })?;
        file::parse(&path.display().to_string(), &text)
    }

    /// What `--policy` names: one that comes with the program, or a file.
    ///
    /// A word with a path separator or the ending `.toml` is a file; another one is a file only
    /// where no policy is called so.
    pub fn resolve(word: &str) -> Result<Arc<Self>, Error> {
        let path = Path::new(word);
        let looks_like_file = path.components().count() > 1
            || path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("toml"));
        if looks_like_file {
            return Self::load(path).map(Arc::new);
        }
        match Self::by_id(word) {
            Err(_) if path.is_file() => Self::load(path).map(Arc::new),
            found => found,
        }
    }

    /// Whether this is its id or an alias.
    pub fn is_called(&self, name: &str) -> bool {
        self.names().any(|known| known.eq_ignore_ascii_case(name))
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&*self.id).chain(self.about.aliases.iter().map(|alias| &**alias))
    }

    /// The id of the policy that took its place.
    pub fn superseded_by(&self) -> Option<&str> {
        match &self.about.status {
            Status::SupersededBy(id) => Some(id),
            Status::Current(_) => None,
        }
    }

    /// The lowest version that it accepts.
    pub fn lowest(&self) -> Option<ProtocolVersion> {
        self.versions.lowest()
    }

    /// The highest version that it accepts.
    pub fn highest(&self) -> Option<ProtocolVersion> {
        self.versions.highest()
    }

    /// Whether a version is stronger than anything the policy speaks of. A draft of TLS 1.3 is
    /// where the policy ends below TLS 1.3.
    pub fn is_beyond(&self, version: ProtocolVersion) -> bool {
        let version = if version.is_tls13() { ProtocolVersion::TLS1_3 } else { version };
        version.judged_as().is_some_and(|version| Some(version) > self.highest())
    }

    /// Whether a version is weaker than anything it accepts.
    pub fn is_below(&self, version: ProtocolVersion) -> bool {
        version.judged_as().is_some_and(|version| self.lowest().is_some_and(|low| version < low))
    }

    /// Whether it says nothing of QUIC, which has no version below TLS 1.3 (RFC 9001 §4.2).
    pub(crate) fn is_silent_on_quic(&self) -> bool {
        !self.versions.contains(ProtocolVersion::TLS1_3)
    }
}

/// Why there is no policy to judge by.
#[derive(Debug, Error)]
pub enum Error {
    /// No policy has this name.
    #[error("no policy is called `{id}`{}", did_you_mean(.near.as_deref()))]
    Unknown {
        /// The word that was given.
        id: Box<str>,
        /// The nearest name.
        near: Option<Box<str>>,
        /// All ids.
        known: String,
    },
    /// The file cannot be read.
    #[error("cannot read the policy {}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file does not say what it must.
    #[error("{name}:{line}:{column}: {message}\n{excerpt}")]
    Content {
        /// The file.
        name: Box<str>,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong, with the cure if there is one.
        message: String,
        /// The line with a mark.
        excerpt: String,
    },
}

fn did_you_mean(near: Option<&str>) -> String {
    near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}
