//! Which stack of a host is only the echo of another: a retry with less after a failure.

use std::sync::Arc;

use super::facts::Facts;
use crate::census::{Edge, EdgeKey, Host, Stack, StackKey};
use crate::clock::Timestamp;
use crate::policy::{Lowered, may_retry};
use crate::tls::codepoint::ProtocolVersion;

/// The stack of which this one is the retry, if all that was seen of it says so.
///
/// Every connection must follow a failed attempt of that one with the same server by the same name.
/// Of the first of them the times are known; of all of them, that there were no more than failures.
/// In doubt it is a stack of its own.
pub(super) fn fallback_of(facts: &Facts<'_>, host: &Host, key: &StackKey) -> Option<StackKey> {
    let offer = |key: &StackKey| key.offer.and_then(|id| facts.snapshot.offers.get(&id));
    let later = host.stacks.get(key).filter(|later| !later.edges.is_empty())?;
    if host.stacks.len() < 2 {
        return None;
    }
    let lower = Lowered::new(offer(key)?, key.transport);
    let candidates = host.stacks.iter().filter(|(other, _)| *other != key);
    candidates
        .filter_map(|(other, earlier)| Some((offer(other)?, other, earlier)))
        // What the offers say is asked once for all that was seen of them, and last: it costs most.
        .filter(|(higher, other, earlier)| {
            other.transport == key.transport
                && is_echo(facts, earlier, later)
                && lower.is_from(higher)
        })
        // Of a staircase of retries all steps belong to the first.
        .max_by_key(|(higher, other, _)| {
            let version = higher.max_version().and_then(ProtocolVersion::judged_as);
            (version, std::cmp::Reverse(**other))
        })
        .map(|(_, other, _)| *other)
}

/// Whether each connection of the later stack may follow a failed one of the earlier, by their times.
fn is_echo(facts: &Facts<'_>, earlier: &Stack, later: &Stack) -> bool {
    let follows = |(key, echo): (&EdgeKey, &Edge)| {
        // The protocol of one server may show in one of the two only.
        let sibling = facts.sibling(&key.server).map(Arc::clone);
        let other = sibling.map(|server| EdgeKey { server, sni: key.sni.clone() });
        let keys = [Some(key), other.as_ref()].into_iter().flatten();
        let firsts = keys.clone().filter_map(|key| earlier.edges.get(key));
        let failed = firsts.clone().map(|first| first.failed).fold(0, u64::saturating_add);
        let echoes = keys.filter_map(|key| later.edges.get(key));
        let retries = echoes.map(|echo| echo.tally.connections).fold(0, u64::saturating_add);
        let follow = |start: &Timestamp| {
            let mut failures = firsts.clone().flat_map(|first| first.failures.iter());
            failures.any(|failure| may_retry(*failure, *start))
        };
        (1..=failed).contains(&retries) && echo.starts.iter().all(follow)
    };
    later.edges.iter().all(follows)
}
