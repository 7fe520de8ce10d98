//! Which stack of a host is only the echo of another: a retry with less after a failure.

use crate::census::{Edge, Host, Snapshot, Stack, StackKey};
use crate::policy::{Attempt, is_fallback_of};
use crate::record::Outcome;
use crate::tls::codepoint::ProtocolVersion;
use crate::tls::hello::Offer;

/// The stack of which this one is the retry, if all that was seen of it says so.
///
/// Every connection must follow a failed attempt of that one with the same server by the same name.
/// Of the first of them the times are known; of all of them, that there were no more than failures.
/// In doubt it is a stack of its own.
pub(super) fn fallback_of(snapshot: &Snapshot, host: &Host, key: &StackKey) -> Option<StackKey> {
    let offer = |key: &StackKey| key.offer.and_then(|id| snapshot.offers.get(&id));
    let later = host.stacks.get(key)?;
    let lower = offer(key)?;
    let candidates = host.stacks.iter().filter(|(other, _)| *other != key);
    candidates
        .filter_map(|(other, earlier)| Some((offer(other)?, other, earlier)))
        .filter(|(higher, other, earlier)| {
            other.transport == key.transport && is_echo((higher, earlier), (lower, later), key)
        })
        // Of a staircase of retries all steps belong to the first.
        .max_by_key(|(higher, other, _)| {
            let version = higher.max_version().and_then(ProtocolVersion::judged_as);
            (version, std::cmp::Reverse(**other))
        })
        .map(|(_, other, _)| *other)
}

fn is_echo(
    (higher, earlier): (&Offer, &Stack),
    (lower, later): (&Offer, &Stack),
    key: &StackKey,
) -> bool {
    let attempt = |offer, outcome, began| Attempt {
        offer,
        transport: key.transport,
        outcome,
        answered: false,
        began,
    };
    let follows = |echo: &Edge, first: &Edge| {
        echo.tally.connections <= first.failed
            && echo.starts.iter().all(|start| {
                first.failures.iter().any(|failure| {
                    is_fallback_of(
                        &attempt(higher, Outcome::Refused, *failure),
                        &attempt(lower, Outcome::Established, *start),
                    )
                })
            })
    };
    !later.edges.is_empty()
        && later
            .edges
            .iter()
            .all(|(key, echo)| earlier.edges.get(key).is_some_and(|first| follows(echo, first)))
}
