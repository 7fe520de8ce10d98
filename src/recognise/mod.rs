//! Whose software an offer is, and which fix fits.
//!
//! An [`Offer`] goes in; a set of [`Candidate`]s comes out, each with the evidence for it and a
//! confidence. Many programs share a TLS stack and many builds share its defaults: where several
//! fit, all are named. Documented Schannel defaults and hellos observed in the field name Windows
//! versions; the shape of a hello names the family of every other stack. From the
//! candidates and what a finding needs come the [remediations](Remediation) that fit.
//!
//! Nothing here knows a policy.

mod fix;
mod profiles;
#[cfg(test)]
pub(crate) mod reference;
mod remediation;
mod shape;

use std::fmt;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::tls::codepoint::{CipherSuite, ProtocolVersion};
use crate::tls::hello::Offer;

pub use fix::Fix;
pub use profiles::{Platform, Runtime};
pub use remediation::{
    RegistryType, RegistryValue, Remediation, Side, Symptom, remediation_for, remediations_for,
};
pub use shape::Family;

use profiles::{Observed, PROFILES};
use shape::Marks;

/// Software that may have made an offer.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Its name.
    pub name: Box<str>,
    /// Its TLS stack.
    pub family: Family,
    /// How sure the name is.
    pub confidence: Confidence,
    /// What speaks for it.
    pub evidence: Vec<Clue>,
    /// The ids of the remediations that fit it, best first.
    remediation: Vec<&'static str>,
}

impl Candidate {
    /// The remediations that fit it, best first, whatever they fix.
    pub fn remedies(&self) -> impl Iterator<Item = &'static Remediation> {
        self.remediation.iter().filter_map(|id| Remediation::by_id(id))
    }
}

impl Serialize for Candidate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("software", 4)?;
        object.serialize_field("name", &self.name)?;
        object.serialize_field("family", self.family.name())?;
        object.serialize_field("confidence", self.confidence.name())?;
        let evidence: Vec<_> = self.evidence.iter().map(ToString::to_string).collect();
        object.serialize_field("evidence", &evidence)?;
        object.end()
    }
}

/// How sure a candidate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Confidence {
    /// It fits, and so may others.
    Low,
    /// It fits well.
    Medium,
    /// Nothing else that is known fits.
    High,
}

impl Confidence {
    /// The word in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What speaks for a candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Clue {
    /// Its documented suites, all of them, in its order; how many candidates share the list.
    ExactOrder {
        /// As many as have the same list.
        shared: usize,
        /// The list of programs that ask for strong cryptography.
        strong: bool,
    },
    /// A part of its documented suites in its order.
    PartInOrder {
        /// Suites offered.
        offered: usize,
        /// Suites documented.
        documented: usize,
    },
    /// The same hello was observed from these programs on these Windows builds.
    Observed {
        /// Programs.
        processes: &'static [Box<str>],
        /// Builds.
        builds: &'static [Box<str>],
    },
    /// A property of the hello.
    Hint(&'static str),
}

impl Clue {
    /// How many documented suites are not offered.
    const fn surplus(&self) -> usize {
        match self {
            Self::PartInOrder { offered, documented } => documented.saturating_sub(*offered),
            _ => 0,
        }
    }
}

impl fmt::Display for Clue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ExactOrder { shared, strong } => {
                f.write_str("exactly its documented suites in its order")?;
                if *strong {
                    f.write_str(", with strong cryptography asked for")?;
                }
                match shared {
                    0 | 1 => Ok(()),
                    shared => write!(f, "; {shared} platforms share the list"),
                }
            }
            Self::PartInOrder { offered, documented } => {
                write!(f, "{offered} of its {documented} documented suites, in its order")
            }
            Self::Observed { processes, builds } => {
                let some: Vec<&str> = processes.iter().map(|name| &**name).take(3).collect();
                write!(f, "the same hello was observed from {}", some.join(", "))?;
                if processes.len() > some.len() {
                    write!(f, " and {} more", processes.len() - some.len())?;
                }
                write!(f, " on Windows {}", builds.join(", "))
            }
            Self::Hint(hint) => f.write_str(hint),
        }
    }
}

/// Whose software an offer may be: the likeliest first, none where nothing is known.
pub fn recognise(offer: &Offer) -> Vec<Candidate> {
    // Datagram hellos are built by other code than that whose marks are known.
    let is_datagram = offer.legacy_version.0 >> 8 == 0xfe;
    if offer.truncated || is_datagram {
        return Vec::new();
    }
    let highest = offer.max_version().and_then(ProtocolVersion::judged_as);
    let marks = Marks::of(offer);
    let mut found = schannel(offer, &marks, highest);
    if found.is_empty() {
        found = by_shape(&marks, highest);
    }
    // The sort is stable: of equals the one that is documented first stays first.
    found.sort_by_key(|candidate| std::cmp::Reverse(candidate.confidence));
    found
}

/// Windows versions whose documented or observed hello this is.
fn schannel(offer: &Offer, marks: &Marks<'_>, highest: Option<ProtocolVersion>) -> Vec<Candidate> {
    let suites: Vec<CipherSuite> =
        offer.cipher_suites.iter().copied().filter(|suite| !suite.is_signalling()).collect();
    let observed = PROFILES.observed(&offer.ja3);
    let fits = marks.fits_schannel();
    let clues = PROFILES.platforms.iter().filter_map(|platform| {
        let clue = platform.clue(&suites, highest)?;
        // A part of a list may be anybody's; a whole one is hardly met by chance.
        (fits || (clue.surplus() == 0 && !marks.has_grease())).then_some((platform, clue))
    });
    let mut found: Vec<(&'static Platform, Clue)> = clues.collect();
    // Lists that hold more than is offered are worth naming only where none fits whole, and then
    // the shortest of them.
    let least = found.iter().map(|(_, clue)| clue.surplus()).min();
    found.retain(|(_, clue)| Some(clue.surplus()) == least);
    let shared = found.len();
    let mut candidates: Vec<Candidate> = found
        .into_iter()
        .map(|(platform, clue)| {
            let mut candidate = platform.candidate(clue);
            candidate.confidence = match candidate.evidence.first_mut() {
                Some(Clue::ExactOrder { shared: of, .. }) => {
                    *of = shared;
                    if shared == 1 { Confidence::High } else { Confidence::Medium }
                }
                _ => Confidence::Low,
            };
            weigh_ticket(&mut candidate, platform, marks, shared);
            if let Some(observed) = observed.filter(|observed| observed.fits(platform)) {
                candidate.evidence.push(observed.clue());
            }
            candidate
        })
        .collect();
    if candidates.is_empty() {
        candidates.extend(observed.map(Observed::candidate));
    }
    if !candidates.is_empty() {
        let (programs, clue) = shape::windows_programs(marks, highest);
        let programs = programs.iter().filter_map(|id| PROFILES.runtime(id));
        candidates.extend(
            programs.map(|runtime| runtime.candidate(Family::Schannel, vec![Clue::Hint(clue)])),
        );
    }
    candidates
}

/// Windows 7 and older send no session ticket extension, later ones do: where both share a list,
/// that tells them apart.
fn weigh_ticket(candidate: &mut Candidate, platform: &Platform, marks: &Marks<'_>, shared: usize) {
    let fits = platform.is_before_8() != shape::has_ticket(marks);
    if !fits {
        candidate.confidence = match candidate.confidence {
            Confidence::High => Confidence::Medium,
            _ if shared > 1 => Confidence::Low,
            unchanged => unchanged,
        };
    } else if platform.is_before_8() {
        candidate.evidence.push(Clue::Hint("no session_ticket, as before Windows 8"));
    }
}

/// What the marks of a hello say, and which documented software of that family has this highest
/// version by default.
fn by_shape(marks: &Marks<'_>, highest: Option<ProtocolVersion>) -> Vec<Candidate> {
    let shape = shape::of(marks);
    let Some(family) = shape.family else { return Vec::new() };
    let clues = || shape.clues.iter().copied().map(Clue::Hint).collect::<Vec<_>>();
    let candidate = |name: &str, confidence, remediation| Candidate {
        name: name.into(),
        family,
        confidence,
        evidence: clues(),
        remediation,
    };
    let mut candidates: Vec<Candidate> = shape
        .named
        .iter()
        .map(|named| candidate(named.name, named.confidence, named.remediation.to_vec()))
        .collect();
    let runtimes =
        PROFILES.runtimes(family, highest).filter(|_| shape::may_be_older(marks, family));
    candidates.extend(runtimes.map(|runtime| runtime.candidate(family, clues())));
    if candidates.is_empty() {
        candidates.push(candidate(family.software(), Confidence::Low, Vec::new()));
    }
    candidates
}

#[cfg(test)]
mod tests;
