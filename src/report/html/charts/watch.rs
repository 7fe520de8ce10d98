//! When stacks that break were first seen, how many there are, and how many may not have shown yet.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use maud::{Markup, html};

use super::{Picture, WIDTH, amount, bar, label, table, unit};
use crate::clock::Timestamp;
use crate::policy::Outcome;
use crate::report::inventory::{Inventory, UnseenLine};
use crate::report::text::{count, grouped};

/// Bars that are drawn; a longer watch has several days to a bar.
const BARS: u64 = 60;
/// The field of the picture.
const LEFT: f64 = 34.0;
const TOP: f64 = 14.0;
const HEIGHT: f64 = 150.0;
/// What is kept free on the right for the estimate.
const ESTIMATE: f64 = 74.0;
/// Seconds of a day.
const DAY: u64 = 86_400;

/// New stacks of a few days, and all until then.
struct Step {
    from: u64,
    new: u64,
    all: u64,
}

pub(super) fn figure(inventory: &Inventory) -> Markup {
    let watch = &inventory.coverage.watch;
    let by_date: BTreeMap<&str, u64> =
        watch.new.iter().map(|one| (&*one.date, one.stacks)).collect();
    let span = inventory.coverage.first_seen.zip(inventory.coverage.last_seen);
    let (steps, days) = span.map_or_else(Default::default, |(first, last)| {
        steps(&by_date, first.as_secs() / DAY, last.as_secs() / DAY)
    });
    let says = match (watch.stacks, watch.unseen) {
        (0, _) => "No stack that breaks was seen.".to_owned(),
        (seen, None) => format!(
            "{} so far; the watch is too short to estimate how many more there are.",
            count(seen, "stack that breaks was seen", "stacks that break were seen"),
        ),
        (seen, Some(unseen)) => format!(
            "{}; {} more are estimated not to have shown yet.",
            count(seen, "stack that breaks was seen", "stacks that break were seen"),
            range(unseen),
        ),
    };
    let cells: Vec<_> = steps
        .iter()
        .filter(|step| step.new > 0)
        .map(|step| vec![date(step.from), grouped(step.new), grouped(step.all)])
        .chain(
            watch
                .unseen
                .map(|unseen| vec!["not seen yet".to_owned(), range(unseen), String::new()]),
        )
        .collect();
    let title = "Legacy stacks, first seen";
    let header = [if days > 1 { "From" } else { "Day" }, "new", "all so far"];
    Picture {
        id: "watch",
        title,
        says,
        drawing: (watch.stacks > 0 && !steps.is_empty()).then(|| draw(&steps, watch.unseen)),
        table: table(title, &header, &cells),
    }
    .figure()
}

fn range(unseen: UnseenLine) -> String {
    let (low, high) = (unseen.low.floor(), unseen.high.ceil());
    if high - low < 0.5 { format!("{high:.0}") } else { format!("{low:.0} to {high:.0}") }
}

fn date(day: u64) -> String {
    Timestamp::new(day * DAY, 0).to_string().get(..10).unwrap_or_default().to_owned()
}

/// The steps, and how many days each has.
fn steps(by_date: &BTreeMap<&str, u64>, first: u64, last: u64) -> (Vec<Step>, u64) {
    // A clock that is wrong by decades gives a short picture, not a long wait.
    let last = last.min(first + 36_500);
    let days = ((last - first) / BARS + 1).max(1);
    let mut all = 0;
    let mut steps: Vec<Step> = Vec::new();
    for day in first..=last {
        let new = by_date.get(date(day).as_str()).copied().unwrap_or_default();
        all += new;
        match steps.last_mut() {
            Some(step) if day < step.from + days => {
                step.new += new;
                step.all = all;
            }
            _ => steps.push(Step { from: day, new, all }),
        }
    }
    (steps, days)
}

fn draw(steps: &[Step], unseen: Option<UnseenLine>) -> (f64, Markup) {
    let all = steps.last().map_or(0, |step| step.all);
    let top = (amount(all) + unseen.map_or(0.0, |unseen| unseen.high)).max(1.0);
    let (top, tick) = nice(top);
    let right = WIDTH - if unseen.is_some() { ESTIMATE } else { 8.0 };
    let y = |value: f64| TOP + HEIGHT * (1.0 - value / top);
    let pitch = (right - LEFT) / amount(steps.len() as u64);
    let wide = (pitch * 0.7).clamp(1.0, 34.0);
    let x = |at: usize| LEFT + pitch * amount(at as u64);
    let mut line = String::new();
    for (at, step) in steps.iter().enumerate() {
        let to = y(amount(step.all));
        let move_to = if at == 0 { "M" } else { "L" };
        let (from, to, end) = (unit(x(at)), unit(to), unit(x(at) + pitch));
        let _ = write!(line, "{move_to}{from} {to}H{end}");
    }
    let mut mark = 0.0;
    let body = html! {
        @while mark <= top + 0.001 {
            path.axis d={ "M" (unit(LEFT)) " " (unit(y(mark))) "H" (unit(right)) } {}
            text.faint.number x=(unit(LEFT - 6.0)) y=(unit(y(mark) + 4.0)) font-size="11" text-anchor="end" { (format!("{mark:.0}")) }
            @let () = mark += tick;
        }
        @for (at, step) in steps.iter().enumerate() {
            @if step.new > 0 {
                @let height = HEIGHT * amount(step.new) / top;
                (bar(x(at) + (pitch - wide) / 2.0, TOP + HEIGHT - height, wide, height, Outcome::Breaks,
                    &format!("{}: {} new", date(step.from), grouped(step.new))))
            }
        }
        path.sum d=(line) {}
        @if let Some(first) = steps.first() {
            (label(LEFT, TOP + HEIGHT + 17.0, &date(first.from), 11.0, 90.0, "start"))
        }
        @if let (Some(last), true) = (steps.last(), steps.len() > 3) {
            (label(right, TOP + HEIGHT + 17.0, &date(last.from), 11.0, 90.0, "end"))
        }
        @if let Some(unseen) = unseen { (estimate(unseen, all, right, &y)) }
        (bar(0.0, TOP + HEIGHT + 30.0, 14.0, 12.0, Outcome::Breaks, "new"))
        text x="20" y=(unit(TOP + HEIGHT + 40.5)) font-size="12" { "new" }
        path.sum d={ "M58 " (unit(TOP + HEIGHT + 36.0)) "h18" } {}
        text x="82" y=(unit(TOP + HEIGHT + 40.5)) font-size="12" { "all so far" }
    };
    (TOP + HEIGHT + 46.0, body)
}

/// The interval of the estimate above what was seen.
fn estimate(unseen: UnseenLine, all: u64, right: f64, y: &dyn Fn(f64) -> f64) -> Markup {
    let all = amount(all);
    let (low, middle, high) = (y(all + unseen.low), y(all + unseen.estimate), y(all + unseen.high));
    let x = right + 14.0;
    html! {
        g {
            title { "estimated unseen: " (range(unseen)) " (95 % interval)" }
            path.whisker d={ "M" (unit(x - 5.0)) " " (unit(low)) "h10M" (unit(x)) " " (unit(low)) "V" (unit(high)) "M" (unit(x - 5.0)) " " (unit(high)) "h10" } {}
            circle.solid cx=(unit(x)) cy=(unit(middle)) r="4" {}
            text x=(unit(x + 10.0)) y=(unit(middle + 1.0)) font-size="12" { "+" (range(unseen)) }
            text.faint x=(unit(x + 10.0)) y=(unit(middle + 14.0)) font-size="10" { "unseen" }
        }
    }
}

/// The end of an axis and its step: whole numbers that people count in.
fn nice(top: f64) -> (f64, f64) {
    let mut step = 1.0;
    let mut factors = [2.0, 2.5, 2.0].iter().cycle();
    while top / step > 5.0 {
        step *= factors.next().copied().unwrap_or(10.0);
    }
    // 2.5 of 10 is whole, 2.5 of 1 is not: 1, 2, 5, 10, 20, 50 …
    (step * (top / step).ceil(), step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_count_in_whole_steps() {
        assert_eq!(nice(1.0), (1.0, 1.0));
        assert_eq!(nice(5.0), (5.0, 1.0));
        assert_eq!(nice(7.0), (8.0, 2.0));
        assert_eq!(nice(23.0), (25.0, 5.0));
        assert_eq!(nice(99.0), (100.0, 20.0));
        assert_eq!(nice(260.0), (300.0, 100.0));
    }

    #[test]
    fn a_long_watch_has_several_days_to_a_bar() {
        let by_date = BTreeMap::from([("1970-01-01", 2), ("1970-06-01", 3)]);
        let (steps, days) = steps(&by_date, 0, 364);
        assert_eq!(days, 7);
        assert!(steps.len() <= 60, "{}", steps.len());
        assert_eq!(steps.first().map(|step| step.new), Some(2));
        assert_eq!(steps.last().map(|step| step.all), Some(5));
    }
}
