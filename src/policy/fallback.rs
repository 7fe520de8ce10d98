//! Retries with a lowered version: whether a hello is only the echo of an earlier one.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::record::{Case, Outcome};
use crate::tls::hello::Offer;

use super::VersionSet;
use crate::tls::Transport;

/// How long after the first attempt a retry may begin.
const WINDOW: Duration = Duration::from_secs(10);

/// One connection, as far as it matters for what came after it.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// What was offered.
    pub offer: &'a Offer,
    /// Over what.
    pub transport: Transport,
    /// How it ended.
    pub outcome: Outcome,
    /// A ServerHello came.
    pub answered: bool,
    /// When it began, by the clock of the capture.
    pub began: Timestamp,
}

impl<'a> Attempt<'a> {
    /// The attempt that a case of one connection is; `None` if its ClientHello was not seen.
    pub fn of(case: &Case<'a>) -> Option<Self> {
        Some(Self {
            offer: case.offer?,
            transport: case.evidence.transport,
            outcome: case.evidence.outcome,
            answered: case.evidence.version.is_some(),
            began: case.tally.first,
        })
    }

    /// It was refused, reset or never answered.
    const fn failed(&self) -> bool {
        match self.outcome {
            Outcome::Refused | Outcome::Reset => true,
            Outcome::Incomplete => !self.answered,
            Outcome::Established => false,
        }
    }
}

/// Whether the later attempt is taken for a retry of the earlier one with a lowered version, where
/// no `TLS_FALLBACK_SCSV` says so. Both must be of the same client with the same server and SNI;
/// that is for the caller to see to.
///
/// The earlier one failed and began at most ten seconds before, the later one offers a lower
/// maximum, and no suite that the earlier one had not. In doubt it is none: two hosts behind one
/// address must not hide one another.
pub fn is_fallback_of(earlier: &Attempt<'_>, later: &Attempt<'_>) -> bool {
    let highest =
        |attempt: &Attempt<'_>| VersionSet::offered(attempt.offer, attempt.transport).highest();
    let mut suites = later.offer.cipher_suites.iter().filter(|suite| !suite.is_signalling());
    earlier.transport == later.transport
        && earlier.failed()
        && earlier.began <= later.began
        && later.began.since(earlier.began) <= WINDOW
        && highest(later).is_some_and(|version| Some(version) < highest(earlier))
        && !(earlier.offer.truncated || later.offer.truncated)
        && suites.all(|suite| earlier.offer.cipher_suites.contains(suite))
}
