//! How sure one can be: hours watched, new legacy stacks per day, and how many were not seen yet.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::census::Bins;
use crate::census::estimate::{FEWEST_BINS, Incidence};
use crate::clock::Timestamp;
use crate::policy::{Outcome, Reason};

use super::facts::{Facts, StackFacts};
use super::outcomes::Judged;
use crate::report::text::count;

/// Nanoseconds of an hour.
const HOUR: u64 = 3_600_000_000_000;
/// Hours of a day.
const DAY: u64 = 24;
/// A watch of so many hours is told in days.
const LONG: u64 = 3 * DAY;
/// Without any connection for longer than this nothing was watched: a sensor whose clock was not set at
/// first, or a source that was off. No shutdown of a plant takes as long.
const SILENCE: Duration = Duration::from_secs(30 * 86_400);
/// Bins that are listed of one watch; a source that claims more has a broken clock.
const BINS: usize = 100_000;

/// How long was watched, and what that says of what was not seen.
#[derive(Clone, Debug, Default, Serialize)]
pub struct WatchLine {
    /// Hours that were watched, overlapping sources counted once.
    pub hours: f64,
    /// The bins of time in which stacks were counted: `hour` or `day`.
    pub bin: &'static str,
    /// How many bins were watched.
    pub bins: u64,
    /// The policy under which the stacks break that are counted here.
    pub policy: Option<Arc<str>>,
    /// How many of them were seen.
    pub stacks: u64,
    /// In one bin only.
    pub seen_once: u64,
    /// In two.
    pub seen_twice: u64,
    /// When they were first seen.
    pub new: Vec<NewStacks>,
    /// How many were not seen yet; null where the watch is too short to tell.
    pub unseen: Option<UnseenLine>,
    /// All this in words.
    pub sentence: Option<String>,
}

/// Legacy stacks that were first seen on a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NewStacks {
    /// The day.
    pub date: String,
    /// How many.
    pub stacks: u64,
}

/// An estimate of what was not seen (Chao2).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct UnseenLine {
    /// The estimate.
    pub estimate: f64,
    /// The lower end of its 95 % interval.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

pub(super) fn line(facts: &Facts<'_>, judged: &Judged) -> WatchLine {
    let spans = spans(facts);
    let (Some(first), Some(last)) = (spans.first(), spans.last()) else {
        return WatchLine::default();
    };
    let whole = last.1.since(first.0).as_secs() / 3_600;
    let days = whole >= LONG;
    let bin_hours = if days { DAY } else { 1 };
    let bins = bins_of(&spans, bin_hours);
    let mut incidence = Incidence { bins: bins.len() as u64, ..Incidence::default() };
    let mut new: BTreeMap<u64, u64> = BTreeMap::new();
    for (StackFacts { stack, .. }, judged) in facts.stacks.iter().zip(&judged.stacks) {
        let Some(breaks) = judged.outcomes.first() else { continue };
        if breaks.outcome != Outcome::Breaks || breaks.has(Reason::Fallback) {
            continue;
        }
        incidence.count(match &stack.bins {
            Bins::Hours(hours) if !days => hours.len(),
            bins => bins.days(facts.question.limits.stack_bins).len(),
        });
        *new.entry(day(stack.tally.first)).or_default() += 1;
    }
    let unseen = incidence.unseen().map(|unseen| UnseenLine {
        estimate: rounded(unseen.estimate),
        low: rounded(unseen.low),
        high: rounded(unseen.high),
    });
    let hours = spans.iter().map(|(first, last)| last.since(*first).as_secs_f64()).sum::<f64>();
    let mut line = WatchLine {
        hours: rounded(hours / 3_600.0),
        bin: if days { "day" } else { "hour" },
        bins: incidence.bins,
        policy: facts.policy_ids().next().cloned(),
        stacks: incidence.seen,
        seen_once: incidence.once,
        seen_twice: incidence.twice,
        new: new
            .iter()
            .map(|(day, stacks)| NewStacks { date: date(*day), stacks: *stacks })
            .collect(),
        unseen,
        sentence: None,
    };
    let since_new = new.keys().next_back().map(|newest| day(last.1).saturating_sub(*newest));
    line.sentence = Some(sentence(&line, since_new));
    line
}

/// The watch in words.
fn sentence(line: &WatchLine, since_new: Option<u64>) -> String {
    let watched = if line.bin == "day" {
        count(line.bins, "day was", "days were")
    } else if line.hours < 1.0 {
        "Less than an hour was".to_owned()
    } else {
        count(line.bins, "hour was", "hours were")
    };
    let mut text = format!("{watched} watched. ");
    let Some(unseen) = line.unseen else {
        let _ = write!(
            text,
            "That is too short to estimate how many more there are that break: it takes {FEWEST_BINS} \
             hours at least, and says nothing of what runs more rarely than the watch is long \
             (weekly or monthly jobs)."
        );
        return text;
    };
    match since_new {
        Some(days) if line.bin == "day" && days > 0 => {
            let _ = write!(
                text,
                "No new client that breaks was seen in the last {}; an",
                count(days, "day", "days"),
            );
        }
        _ => text.push_str("An"),
    }
    let (low, high) = (unseen.low.floor(), unseen.high.ceil());
    let range =
        if (high - low).abs() < 0.5 { format!("{high}") } else { format!("{low} to {high}") };
    let stacks = if high > 1.5 || range.contains("to") || high < 0.5 { "stacks" } else { "stack" };
    let _ = write!(
        text,
        " estimated {range} client {stacks} that break {} not been seen yet (95 % interval). It says \
         nothing of what runs more rarely than the watch is long, as monthly jobs.",
        if stacks == "stack" { "has" } else { "have" },
    );
    text
}

/// From when to when.
type Span = (Timestamp, Timestamp);

/// When something was watched: the spans of the sources, overlapping ones as one, in order, without
/// long silence.
fn spans(facts: &Facts<'_>) -> Vec<Span> {
    let mut spans: Vec<_> = facts
        .snapshot
        .sources
        .iter()
        .filter_map(|source| Some((source.first?, source.last?)))
        .collect();
    if spans.is_empty() {
        spans.extend(facts.snapshot.span());
    }
    spans.sort_unstable();
    let mut merged: Vec<Span> = Vec::new();
    for (first, last) in spans {
        match merged.last_mut() {
            Some((_, until)) if first <= *until => *until = last.max(*until),
            _ => merged.push((first, last.max(first))),
        }
    }
    // What is short has no room for such silence.
    if merged.iter().all(|(first, last)| last.since(*first) <= SILENCE) {
        return merged;
    }
    let days = days(facts);
    merged.iter().flat_map(|span| without_silence(*span, &days)).collect()
}

/// The days on which connections were seen.
fn days(facts: &Facts<'_>) -> BTreeSet<u64> {
    let stacks = facts.snapshot.hosts.iter().flat_map(|(_, host)| host.stacks.values());
    stacks
        .flat_map(|stack| {
            let ends = [stack.tally.first, stack.tally.last].map(day);
            let between = stack.bins.days(facts.question.limits.stack_bins);
            ends.into_iter().chain(between.into_iter().map(u64::from))
        })
        .collect()
}

/// The parts of a span in which connections were seen on these days again and again.
fn without_silence((first, last): Span, days: &BTreeSet<u64>) -> Vec<Span> {
    let mut parts: Vec<Span> = Vec::new();
    for number in days.range(day(first)..=day(last)) {
        let begin = Timestamp::from_nanos(number.saturating_mul(DAY * HOUR));
        let end = Timestamp::from_nanos(begin.as_nanos().saturating_add(DAY * HOUR - 1));
        let (begin, end) = (begin.max(first), end.min(last));
        match parts.last_mut() {
            Some((_, until)) if begin.since(*until) <= SILENCE => *until = end,
            None if begin.since(first) <= SILENCE => parts.push((first, end)),
            _ => parts.push((begin, end)),
        }
    }
    match parts.last_mut() {
        Some((_, until)) if last.since(*until) <= SILENCE => *until = last,
        None if last.since(first) <= SILENCE => parts.push((first, last)),
        _ => {}
    }
    parts
}

const fn day(at: Timestamp) -> u64 {
    at.as_nanos() / HOUR / DAY
}

/// The bins that these spans touch.
fn bins_of(spans: &[(Timestamp, Timestamp)], hours: u64) -> BTreeSet<u64> {
    let bin = |at: Timestamp| at.as_nanos() / (HOUR * hours);
    spans.iter().flat_map(|(first, last)| bin(*first)..=bin(*last)).take(BINS).collect()
}

/// One digit behind the point: more would pretend to know it.
fn rounded(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

fn date(day: u64) -> String {
    let at = Timestamp::new(day.saturating_mul(86_400), 0).to_string();
    at.get(..10).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use crate::census::sample::{Sample, legacy, modern};
    use crate::clock::Timestamp;
    use crate::record::FlowRecord;
    use crate::report::sample::{judge, snapshot};

    /// Two weeks: a legacy host seen daily, and one seen on the third day only.
    #[test]
    fn two_weeks_in_words() {
        let day = 86_400_000;
        let mut records = Vec::new();
        for at in 0..14 {
            records.push(Sample::new(1, 7).offers(&legacy()).at(at * day).0);
            records.push(Sample::new(2, 7).offers(&modern()).at(at * day).0);
        }
        records.push(Sample::new(3, 7).offers(&legacy()).at(2 * day).0);
        let mut snapshot = snapshot(&records);
        snapshot.sources.clear();
        let watch = judge(&snapshot, &["dataverse"], &[]).coverage.watch;
        assert_eq!((watch.bin, watch.bins, watch.stacks, watch.seen_once), ("day", 14, 2, 1));
        assert_eq!(watch.new.len(), 2);
        insta::assert_snapshot!(watch.sentence.unwrap().replace('\u{a0}', " "));
        let short = judge(&crate::report::sample::snapshot(&records[..2]), &["dataverse"], &[]);
        insta::assert_snapshot!(short.coverage.watch.sentence.unwrap().replace('\u{a0}', " "));
    }

    /// One packet of a sensor that had not set its clock yet is no watch of 50 years.
    #[test]
    fn long_silence_is_no_watch() {
        let day = 86_400_000;
        let records: Vec<_> =
            [0, 1, 20, 22].map(|at| Sample::new(1, 7).offers(&legacy()).at(at * day).0).into();
        let bins = |first: Timestamp, records: &[FlowRecord]| {
            let mut snapshot = snapshot(records);
            snapshot.sources.truncate(1);
            let last = snapshot.span().unwrap().1;
            (snapshot.sources[0].first, snapshot.sources[0].last) = (Some(first), Some(last));
            judge(&snapshot, &["dataverse"], &[]).coverage.watch.bins
        };
        let began = snapshot(&records).span().unwrap().0;
        assert_eq!(bins(began, &records), 23, "three weeks without one are a shutdown");
        assert_eq!(bins(Timestamp::new(1, 0), &records), 23);
        // The whole first connection is of that time: a day of its own.
        let unset =
            Sample::new(2, 7).offers(&legacy()).with(|record| record.ts = Timestamp::new(60, 0)).0;
        assert_eq!(bins(Timestamp::new(1, 0), &[&records[..], &[unset]].concat()), 24);
    }
}
