//! Retries with a lowered version: whether a hello is only the echo of an earlier one, where no
//! `TLS_FALLBACK_SCSV` says so.
//!
//! Both are of the same client with the same server and SNI; the earlier one was refused, reset or
//! unanswered, and began at most ten seconds before; the later one offers a lower maximum, and no suite
//! that the earlier one had not. In doubt it is none: two hosts behind one address must not hide one
//! another. Here is what times and offers say.

use std::collections::HashSet;
use std::time::Duration;

use foldhash::fast::RandomState;

use super::VersionSet;
use crate::clock::Timestamp;
use crate::tls::Transport;
use crate::tls::codepoint::{CipherSuite, ProtocolVersion};
use crate::tls::hello::Offer;

/// How long after the first attempt a retry may begin.
const WINDOW: Duration = Duration::from_secs(10);

/// Whether an attempt that began at the later time may be the retry of one that began at the earlier.
pub fn may_retry(earlier: Timestamp, later: Timestamp) -> bool {
    earlier <= later && later.since(earlier) <= WINDOW
}

/// An offer that may be the lowered one of another, laid out to be compared with many.
#[derive(Debug)]
pub struct Lowered<'a> {
    offer: &'a Offer,
    transport: Transport,
    highest: Option<ProtocolVersion>,
    suites: HashSet<CipherSuite, RandomState>,
}

impl<'a> Lowered<'a> {
    /// This offer, made over this transport.
    pub fn new(offer: &'a Offer, transport: Transport) -> Self {
        let suites = offer.cipher_suites.iter().filter(|suite| !suite.is_signalling());
        Self {
            offer,
            transport,
            highest: VersionSet::offered(offer, transport).highest(),
            suites: suites.copied().collect(),
        }
    }

    /// Whether the earlier offer over the same transport has all of it, and a higher maximum.
    pub fn is_from(&self, earlier: &Offer) -> bool {
        let highest = VersionSet::offered(earlier, self.transport).highest();
        self.highest.is_some_and(|version| Some(version) < highest)
            && !(earlier.truncated || self.offer.truncated)
            && self.all_suites_are_in(&earlier.cipher_suites)
    }

    /// In one pass over each list: peers offer suites by the ten thousand.
    fn all_suites_are_in(&self, list: &[CipherSuite]) -> bool {
        let mut missing = self.suites.clone();
        for suite in list {
            missing.remove(suite);
        }
        missing.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::census::sample::offer;
    use crate::tls::codepoint::ProtocolVersion as V;

    const SUITES: [u16; 3] = [0xc02f, 0xc013, 0x002f];

    fn is_lowered(earlier: &Offer, later: &Offer) -> bool {
        Lowered::new(later, Transport::Tcp).is_from(earlier)
    }

    #[test]
    fn a_retry_begins_at_most_ten_seconds_after_what_failed() {
        let at = |ms: u64| Timestamp::from_nanos(ms * 1_000_000);
        assert!(may_retry(at(5), at(305)) && may_retry(at(5), at(10_005)));
        assert!(!may_retry(at(5), at(10_006)));
        assert!(may_retry(at(5), at(5)));
        assert!(!may_retry(at(5), at(4)), "it came before");
    }

    #[test]
    fn the_lower_offers_suites_are_a_subset_of_the_earlier_ones() {
        let high = offer(V::TLS1_2, &SUITES);
        let lowered = |suites: &[u16]| is_lowered(&high, &offer(V::TLS1_0, suites));
        assert!(lowered(&SUITES) && lowered(&[0x002f]));
        assert!(!lowered(&[0x002f, 0x000a]), "one that the earlier offer had not");
        assert!(lowered(&[0x002f, 0x1a1a, 0x00ff]), "GREASE and SCSVs are no suites");
    }

    #[test]
    fn a_retry_offers_a_lower_maximum() {
        let (same, high) = (offer(V::TLS1_2, &SUITES[1..]), offer(V::TLS1_2, &SUITES));
        assert!(!is_lowered(&high, &same));
    }

    #[test]
    fn a_cut_hello_is_doubt_and_in_doubt_it_is_none() {
        let (high, low) = (offer(V::TLS1_2, &SUITES), offer(V::TLS1_0, &SUITES[1..]));
        assert!(is_lowered(&high, &low));
        for is_first in [true, false] {
            let (mut high, mut low) = (high.clone(), low.clone());
            (high.truncated, low.truncated) = (is_first, !is_first);
            assert!(!is_lowered(&high, &low));
        }
    }
}
