//! [`Choices`]: what can be chosen in the filters of a table, and how many rows have it.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Serialize;

use super::Row;

/// Software that is named: the most frequent.
const SOFTWARE: usize = 200;

/// What rows have, and how many of them; the most frequent first.
type Counted = Vec<(String, usize)>;

/// What can be chosen.
#[derive(Debug, Serialize)]
pub(super) struct Choices {
    outcome: Counted,
    reason: Counted,
    owner: Counted,
    site: Counted,
    software: Counted,
}

impl Choices {
    /// Of all rows of a table, under a policy.
    pub(super) fn of<T: Row>(rows: &[T], policy: &str) -> Self {
        let mut software = counted(rows.iter().flat_map(T::software));
        software.truncate(SOFTWARE);
        Self {
            outcome: counted(rows.iter().filter_map(|row| row.outcome(policy))),
            reason: counted(rows.iter().flat_map(|row| row.reasons(policy))),
            owner: counted(rows.iter().filter_map(Row::owner)),
            site: counted(rows.iter().filter_map(Row::site)),
            software,
        }
    }
}

fn counted<'a>(words: impl Iterator<Item = &'a str>) -> Counted {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for word in words {
        *counts.entry(word).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().map(|(word, n)| (word.to_owned(), n)).collect();
    counts.sort_by_key(|(_, number)| Reverse(*number));
    counts
}
