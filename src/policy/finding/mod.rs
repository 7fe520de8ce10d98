//! Findings: what is wrong with a connection, its ends and its certificates.
//!
//! In goes a case with the verdicts on it, out come [`Finding`]s in the order of the
//! [catalogue](FindingId::ALL), each with its severity, whom it concerns, a sentence with the
//! evidence, and the remediation that fits.

mod catalogue;
mod certificate;
mod handshake;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::Verdict;
use crate::recognise::{Candidate, Fix, Remediation, remediation_for};
use crate::record::Case;
use crate::tls::Role;

pub use catalogue::FindingId;
pub use certificate::Dates;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// To be mended some day.
    Low,
    /// To be mended.
    Medium,
    /// To be mended soon: it breaks, or is broken.
    High,
    /// No protection at all.
    Critical,
}

impl Severity {
    /// The word in records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// Whom a finding concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Concerns {
    /// The client.
    Client,
    /// The server.
    Server,
    /// Both ends, or it cannot be told which.
    Both,
}

impl Concerns {
    /// The word in records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
            Self::Both => "both",
        }
    }

    /// Whether it concerns this end.
    pub const fn is(self, role: Role) -> bool {
        matches!(
            (self, role),
            (Self::Both, _) | (Self::Client, Role::Client) | (Self::Server, Role::Server)
        )
    }
}

/// Something that is wrong, or worth knowing.
#[derive(Clone, Debug)]
pub struct Finding<'p> {
    /// Which one it is.
    pub id: FindingId,
    /// How bad it is here.
    pub severity: Severity,
    /// Whom it concerns.
    pub concerns: Concerns,
    /// The policy under which it is one; none: under any.
    pub policy: Option<&'p str>,
    /// The sentence that tells it, with the evidence.
    pub text: String,
    /// What to change.
    pub remediation: Option<&'static Remediation>,
}

impl Serialize for Finding<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("finding", 5)?;
        object.serialize_field("id", self.id.name())?;
        object.serialize_field("severity", self.severity.name())?;
        object.serialize_field("concerns", self.concerns.name())?;
        object.serialize_field("text", &self.text)?;
        object.serialize_field("remediation", &self.remediation.map(|remedy| &*remedy.id))?;
        object.end()
    }
}

/// What is wrong with a case, under the policies of its verdicts.
///
/// `software` says whose the offer may be; it is asked only where a fix depends on it.
pub fn findings<'p>(
    case: &Case<'_>,
    verdicts: &[Verdict<'p>],
    software: &mut dyn FnMut() -> Vec<Candidate>,
) -> Vec<Finding<'p>> {
    let mut found = Found { list: Vec::new(), software };
    handshake::find(case, verdicts, &mut found);
    certificate::find(case, verdicts, &mut found);
    let mut list = found.list;
    list.sort_by_key(|finding| finding.id);
    list
}

/// The findings so far.
struct Found<'f, 'p> {
    list: Vec<Finding<'p>>,
    software: &'f mut dyn FnMut() -> Vec<Candidate>,
}

/// What one finding says; the catalogue knows the rest.
struct Told<'p> {
    id: FindingId,
    concerns: Concerns,
    policy: Option<&'p str>,
    text: String,
    fixes: &'static [Fix],
}

impl<'p> Found<'_, 'p> {
    fn add(&mut self, told: Told<'p>) {
        let severity = told.id.severity();
        self.add_as(severity, told);
    }

    fn add_as(&mut self, severity: Severity, told: Told<'p>) {
        let Told { id, concerns, policy, text, fixes } = told;
        let side = if concerns == Concerns::Client { Role::Client } else { Role::Server };
        let candidates =
            if side == Role::Client && !fixes.is_empty() { (self.software)() } else { Vec::new() };
        let remediation = remediation_for(fixes, side, &candidates);
        self.list.push(Finding { id, severity, concerns, policy, text, remediation });
    }
}

#[cfg(test)]
mod tests;
