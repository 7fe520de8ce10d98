//! Pictures as inline SVG: there without scripts, each with a title, a description and its table.
//!
//! All are drawn in a grid of [`WIDTH`] units and scale with the page. Colours stand in the style
//! sheet, so that light, dark and print each have theirs; no colour stands alone: signs, patterns
//! and words say the same.

mod chains;
mod latency;
mod peers;
mod readiness;
mod stacks;
mod versions;
mod watch;

use std::borrow::Cow;

use maud::{Markup, html};

use super::answer::class;
use crate::policy::Outcome;
use crate::report::inventory::Inventory;
use crate::report::text::printable;

/// The width of every picture, in units of which a letter has about 7.
const WIDTH: f64 = 400.0;

/// The section.
pub(super) fn section(inventory: &Inventory) -> Markup {
    html! {
        section #pictures aria-labelledby="pictures-h" {
            h2 #pictures-h { "Pictures" }
            (patterns())
            div.pictures {
                (readiness::figure(inventory))
                (stacks::figure(inventory))
                (peers::figure(inventory))
                (versions::figure(inventory))
                (watch::figure(inventory))
                (chains::figure(inventory))
                (latency::figure(inventory))
            }
        }
    }
}

/// A picture with what is said beside it.
struct Picture<'a> {
    id: &'a str,
    title: &'a str,
    /// What it shows, in a sentence: the caption, and the description for those who do not see it.
    says: String,
    /// What is drawn, and how high; nothing if there is nothing to draw.
    drawing: Option<(f64, Markup)>,
    /// The same as a table.
    table: Markup,
}

impl Picture<'_> {
    fn figure(self) -> Markup {
        let Self { id, title, says, drawing, table } = self;
        html! {
            figure.card id={ "picture-" (id) } {
                figcaption { h3 { (title) } p { (says) } }
                @if let Some((height, drawing)) = drawing {
                    svg viewBox={ "0 0 " (unit(WIDTH)) " " (unit(height)) } role="img" aria-labelledby={ (id) "-t " (id) "-d" } {
                        title id={ (id) "-t" } { (title) }
                        desc id={ (id) "-d" } { (says) }
                        (drawing)
                    }
                    details.numbers {
                        summary { "As a table" }
                        div.scroll tabindex="0" role="group" aria-label=(title) { (table) }
                    }
                }
            }
        }
    }
}

/// A plain table: a row a list, the first cell its header.
fn table(title: &str, header: &[&str], rows: &[Vec<String>]) -> Markup {
    html! {
        table {
            caption.quiet { (title) }
            thead { tr { @for cell in header { th scope="col" { (cell) } } } }
            tbody {
                @for row in rows {
                    tr {
                        @for (at, cell) in row.iter().enumerate() {
                            @if at == 0 { th scope="row" { (cell) } } @else { td { (cell) } }
                        }
                    }
                }
            }
        }
    }
}

/// A length with at most two digits behind the point: bytes do not depend on the last bit.
fn unit(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A number of things as a length to reckon with.
#[expect(clippy::cast_precision_loss, reason = "a picture has no 53 bits")]
const fn amount(number: u64) -> f64 {
    number as f64
}

/// How wide a text of this size is, about: fonts differ, so that it errs to the wide side.
fn width(text: &str, size: f64) -> f64 {
    let of = |character: char| match character {
        'i' | 'j' | 'l' | '\'' | '|' | '!' => 0.3,
        '.' | ',' | ':' | ';' | 'f' | 't' | 'r' | '(' | ')' | ' ' | '-' | '\u{a0}' => 0.38,
        'm' | 'w' | 'M' | 'W' | '@' | '%' => 0.88,
        'A'..='Z' => 0.7,
        character if character.is_ascii() => 0.58,
        _ => 1.0,
    };
    text.chars().map(of).sum::<f64>() * size
}

/// A text of the network that fits into a width: cut at its end, with the whole in its title.
fn fitted(text: &str, size: f64, room: f64) -> Cow<'_, str> {
    let text = printable(text);
    if width(&text, size) <= room {
        return text;
    }
    let mut cut = String::new();
    for character in text.chars() {
        if width(&cut, size) + 1.5 * size > room {
            break;
        }
        cut.push(character);
    }
    cut.push('…');
    Cow::Owned(cut)
}

/// A label whose whole text shows where it had to be cut.
fn label(x: f64, y: f64, text: &str, size: f64, room: f64, anchor: &str) -> Markup {
    let shown = fitted(text, size, room);
    let cut = shown.ends_with('…');
    html! {
        text x=(unit(x)) y=(unit(y)) font-size=(unit(size)) text-anchor=(anchor) {
            (shown)
            @if cut { title { (printable(text)) } }
        }
    }
}

/// The patterns that stand for outcomes beside their colours.
fn patterns() -> Markup {
    html! {
        svg.patterns width="0" height="0" aria-hidden="true" focusable="false" {
            defs {
                pattern #hatch width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)" {
                    rect.ink width="2" height="6" {}
                }
                pattern #dots width="6" height="6" patternUnits="userSpaceOnUse" {
                    circle.ink cx="3" cy="3" r="1.2" {}
                }
                pattern #grid width="5" height="5" patternUnits="userSpaceOnUse" {
                    rect.ink width="5" height="1" {}
                }
            }
        }
    }
}

/// A bar in the colour and the pattern of an outcome.
fn bar(x: f64, y: f64, width: f64, height: f64, outcome: Outcome, title: &str) -> Markup {
    let pattern = match outcome {
        Outcome::Breaks => Some("url(#hatch)"),
        Outcome::AtRisk => Some("url(#dots)"),
        Outcome::Unknown => Some("url(#grid)"),
        Outcome::Ready => None,
    };
    let rect = |fill: Option<&str>, class: Option<&str>| {
        html! {
            rect class=[class] x=(unit(x)) y=(unit(y)) width=(unit(width)) height=(unit(height)) rx="2" fill=[fill] {}
        }
    };
    html! {
        g {
            title { (title) }
            (rect(None, Some(class(outcome))))
            @if let Some(pattern) = pattern { (rect(Some(pattern), None)) }
        }
    }
}

/// The signs of outcomes, one beside the other.
fn legend(y: f64, outcomes: &[Outcome]) -> Markup {
    let mut x = 0.0;
    html! {
        @for outcome in outcomes {
            @let at = x;
            @let () = x += 30.0 + width(words(*outcome), 12.0);
            (bar(at, y, 14.0, 12.0, *outcome, words(*outcome)))
            text x=(unit(at + 19.0)) y=(unit(y + 10.5)) font-size="12" { (words(*outcome)) }
        }
    }
}

/// An outcome in words.
const fn words(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Breaks => "breaks",
        Outcome::AtRisk => "at risk",
        Outcome::Unknown => "not known",
        Outcome::Ready => "goes on working",
    }
}

/// The shape of an outcome's sign in a square of 16 units.
const fn shape(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Breaks => "M4 4L12 12M12 4L4 12",
        Outcome::AtRisk => "M8 3V9M8 12V13",
        Outcome::Unknown => "M5.5 6C5.5 2.5 10.5 2.5 10.5 6C10.5 8 8 8 8 10M8 12.5V13.5",
        Outcome::Ready => "M3.5 8.5L6.5 12L12.5 4.5",
    }
}

/// The sign of an outcome in a line of text; words stand beside it.
pub(super) fn sign(outcome: Outcome) -> Markup {
    html! {
        svg.sign.(class(outcome)) viewBox="0 0 16 16" aria-hidden="true" focusable="false" {
            rect width="16" height="16" rx="3" {}
            path d=(shape(outcome)) {}
        }
    }
}

/// An outcome with its sign.
pub(super) fn badge(outcome: Outcome) -> Markup {
    html! { span.badge { (sign(outcome)) (words(outcome)) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_short() {
        assert_eq!(
            (unit(1.0), unit(0.333_333), unit(20.5)),
            ("1".into(), "0.33".into(), "20.5".into())
        );
    }

    #[test]
    fn what_does_not_fit_is_cut() {
        assert_eq!(fitted("crm.example", 12.0, 400.0), "crm.example");
        let cut = fitted("a-very-long-host-name.example.com", 12.0, 100.0);
        assert!(cut.ends_with('…') && width(&cut, 12.0) <= 106.0, "{cut}");
    }
}
