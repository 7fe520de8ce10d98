//! Which part of a capture file a run takes, as `--since`, `--until` and `--filter` say.
//!
//! A part is a source of its own: a second window of one file adds to a census, the same window adds
//! nothing. What leaves out nothing of the file is no part but the file itself. Of parts that
//! overlap, what lies in both counts twice, as of a capture and its half; that is said.

use std::collections::{BTreeMap, BTreeSet};

use super::words::Words;
use crate::census::{SourceEntry, SourceKind};
use crate::pipeline::Settings;

/// What to do about parts that overlap.
pub(super) const HINT: &str =
    "read whole files into a census, and give --since and --until to `report`";

const SINCE: &str = " since ";
const UNTIL: &str = " until ";
const FILTER: &str = " filter ";
/// The part that has nothing of the file.
const NOTHING: &str = " nothing";

/// The identity of what was read of a file: the file's own, and the part if it was not all of it.
pub(super) fn identity(file: &str, settings: &Settings, entry: &SourceEntry) -> String {
    let before = settings.until.zip(entry.first).is_some_and(|(until, first)| until <= first);
    let behind = settings.since.zip(entry.last).is_some_and(|(since, last)| since > last);
    let mut id = file.to_owned();
    if before || behind {
        return id + NOTHING;
    }
    let since = settings.since.filter(|since| entry.first.is_some_and(|first| first < *since));
    let until = settings.until.filter(|until| entry.last.is_some_and(|last| last >= *until));
    let filter = settings.filter.as_ref().map(ToString::to_string);
    for (label, part) in [
        (SINCE, since.map(|since| since.to_string())),
        (UNTIL, until.map(|until| until.to_string())),
        (FILTER, filter),
    ] {
        if let Some(part) = part {
            id.push_str(label);
            id.push_str(&part);
        }
    }
    id
}

/// The file of which this is a part, or which it is.
pub(super) fn file(id: &str) -> &str {
    id.split_once(' ').map_or(id, |(file, _)| file)
}

/// Whether two different parts of a file may share connections.
pub(super) fn overlap(one: &str, other: &str) -> bool {
    let [(since, until), (other_since, other_until)] = [one, other].map(window);
    // Times of one length, and in UTC: they stand in the order of their texts.
    let before = |until: Option<&str>, since: Option<&str>| {
        until.zip(since).is_some_and(|(until, since)| until <= since)
    };
    let is_nothing = |id: &str| id.strip_prefix(file(id)) == Some(NOTHING);
    one != other
        && !is_nothing(one)
        && !is_nothing(other)
        && !before(until, other_since)
        && !before(other_until, since)
}

/// Say of which files there are parts among these sources that may share connections.
pub(super) fn warn_of_overlaps(sources: &[SourceEntry], words: &Words) {
    let mut files = BTreeMap::<_, Vec<_>>::new();
    for source in sources.iter().filter(|source| source.kind == SourceKind::File) {
        if let Some(id) = &source.id {
            files.entry((&source.sensor, file(id))).or_default().push((id, &source.name));
        }
    }
    let mut shared = BTreeSet::new();
    for parts in files.values() {
        for (place, (id, name)) in parts.iter().enumerate() {
            let mut others = parts.iter().skip(place.saturating_add(1));
            if others.any(|(other, _)| overlap(id, other)) {
                shared.insert(name);
                break;
            }
        }
    }
    for name in shared {
        words.warn(
            &format!("two parts of `{name}` overlap: what lies in both counts twice"),
            Some(HINT),
        );
    }
}

fn window(id: &str) -> (Option<&str>, Option<&str>) {
    let words = id.split_once(FILTER).map_or(id, |(before, _)| before);
    let (rest, until) = match words.split_once(UNTIL) {
        Some((rest, until)) => (rest, Some(until)),
        None => (words, None),
    };
    (rest.split_once(SINCE).map(|(_, since)| since), until)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_share_nothing_are_told_apart() {
        let id = "00ff";
        let morning = format!("{id} until 2026-03-01T12:00:00.000000000Z");
        let noon = format!(
            "{id} since 2026-03-01T12:00:00.000000000Z until 2026-03-01T13:00:00.000000000Z"
        );
        let later = format!("{id} since 2026-03-01T12:30:00.000000000Z");
        let filtered = format!("{id} until 2026-03-01T12:00:00.000000000Z filter port 443");
        assert!(!overlap(&morning, &noon) && !overlap(&noon, &morning));
        assert!(!overlap(&morning, &later) && !overlap(&noon, &noon));
        assert!(overlap(&noon, &later) && overlap(&morning, &filtered) && overlap(id, &later));
        assert!(!overlap(&filtered, &noon));
        let nothing = format!("{id} nothing");
        assert!(!overlap(&nothing, id) && !overlap(&noon, &nothing) && file(&nothing) == id);
        assert!([&morning, &later, &filtered].iter().all(|part| file(part) == id));
    }
}
