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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::census::sample::{START, Sample, offer};
    use crate::tls::codepoint::{AlertDescription, ProtocolVersion as V};
    use std::sync::Arc;

    const SUITES: [u16; 3] = [0xc02f, 0xc013, 0x002f];

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_nanos(START * 1_000_000_000 + ms * 1_000_000)
    }

    fn attempt(offer: &Offer, outcome: Outcome, began: Timestamp) -> Attempt<'_> {
        Attempt { offer, transport: Transport::Tcp, outcome, answered: false, began }
    }

    /// Whether the later is a retry where one thing about either is another.
    fn is_retry(change: impl FnOnce(&mut Attempt<'_>, &mut Attempt<'_>)) -> bool {
        let (high, low) = (offer(V::TLS1_2, &SUITES), offer(V::TLS1_0, &SUITES[1..]));
        let mut earlier = attempt(&high, Outcome::Refused, at(0));
        let mut later = attempt(&low, Outcome::Established, at(300));
        change(&mut earlier, &mut later);
        is_fallback_of(&earlier, &later)
    }

    #[test]
    fn a_lower_offer_after_a_refusal_is_a_retry() {
        assert!(is_retry(|_, _| {}));
    }

    #[test]
    fn the_earlier_one_was_refused_reset_or_unanswered() {
        assert!(is_retry(|earlier, _| earlier.outcome = Outcome::Reset));
        assert!(is_retry(|earlier, _| earlier.outcome = Outcome::Incomplete));
        // Answered, and only its end was not seen.
        assert!(!is_retry(|earlier, _| {
            (earlier.outcome, earlier.answered) = (Outcome::Incomplete, true);
        }));
        assert!(!is_retry(|earlier, _| earlier.outcome = Outcome::Established));
    }

    #[test]
    fn it_began_at_most_ten_seconds_before() {
        assert!(is_retry(|_, later| later.began = at(10_000)));
        assert!(!is_retry(|_, later| later.began = at(10_001)));
        assert!(is_retry(|earlier, later| later.began = earlier.began));
        assert!(!is_retry(|earlier, _| earlier.began = at(301)), "it came after");
    }

    #[test]
    fn the_lower_offers_suites_are_a_subset_of_the_earlier_ones() {
        let retry = |suites: &[u16]| {
            let low = offer(V::TLS1_0, suites);
            let high = offer(V::TLS1_2, &SUITES);
            let earlier = attempt(&high, Outcome::Refused, at(0));
            is_fallback_of(&earlier, &attempt(&low, Outcome::Established, at(300)))
        };
        assert!(retry(&SUITES) && retry(&[0x002f]));
        assert!(!retry(&[0x002f, 0x000a]), "one that the earlier offer had not");
        assert!(retry(&[0x002f, 0x1a1a, 0x00ff]), "GREASE and SCSVs are no suites");
    }

    #[test]
    fn a_retry_offers_a_lower_maximum() {
        let same = offer(V::TLS1_2, &SUITES[1..]);
        let high = offer(V::TLS1_2, &SUITES);
        let earlier = attempt(&high, Outcome::Refused, at(0));
        assert!(!is_fallback_of(&earlier, &attempt(&same, Outcome::Established, at(300))));
    }

    #[test]
    fn another_transport_or_a_cut_hello_is_doubt_and_in_doubt_it_is_none() {
        assert!(!is_retry(|_, later| later.transport = Transport::Udp));
        let (high, low) = (offer(V::TLS1_2, &SUITES), offer(V::TLS1_0, &SUITES[1..]));
        for is_first in [true, false] {
            let (mut high, mut low) = (high.clone(), low.clone());
            (high.truncated, low.truncated) = (is_first, !is_first);
            let earlier = attempt(&high, Outcome::Refused, at(0));
            assert!(!is_fallback_of(&earlier, &attempt(&low, Outcome::Established, at(300))));
        }
    }

    #[test]
    fn an_attempt_is_a_connection_with_a_hello() {
        let low = Arc::new(offer(V::TLS1_0, &SUITES));
        let refused = AlertDescription::PROTOCOL_VERSION;
        let record = Sample::new(1, 1).offers(&low).at(7).refused(refused).0;
        let evidence = record.evidence();
        let attempt = Attempt::of(&record.case(&evidence)).unwrap();
        assert_eq!((attempt.outcome, attempt.answered), (Outcome::Refused, false));
        assert_eq!(attempt.began, at(7));
        let blind = Sample::new(1, 1).chooses(V::TLS1_0, 0x002f).0;
        let evidence = blind.evidence();
        assert!(Attempt::of(&blind.case(&evidence)).is_none());
    }
}
