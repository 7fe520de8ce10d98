//! Words for people: what the network said made safe to print, lines broken, numbers written.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::clock::Timestamp;

/// A space at which no line is broken.
pub(crate) const GLUE: char = '\u{a0}';
/// Characters of a name that are shown.
const NAME: usize = 64;

/// What the network said, safe on a terminal: control characters, escapes, marks that change the
/// direction of text and everything else that does not show are written out as `\u{202e}`.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if text.chars().all(shows) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if shows(character) {
            safe.push(character);
        } else {
            let _ = write!(safe, "{}", character.escape_unicode());
        }
    }
    Cow::Owned(safe)
}

/// Whether a character can be printed as it is, and is seen then.
fn shows(character: char) -> bool {
    match character {
        ' '..='~' => true,
        // The standard library knows what prints; what it would escape does not.
        _ => character.escape_debug().len() == 1,
    }
}

/// A count and its noun: `1 host`, `2 hosts`, `12,345 hosts`.
pub(crate) fn count(number: u64, one: &str, many: &str) -> String {
    format!("{}{GLUE}{}", grouped(number), if number == 1 { one } else { many })
}

/// A number with its thousands apart.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A share in whole percent; what is neither nothing nor all never looks like it.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    if whole == 0 || part == 0 {
        return format!("0{GLUE}%");
    }
    if part >= whole {
        return format!("100{GLUE}%");
    }
    let part = u128::from(part);
    let whole = u128::from(whole);
    match (part * 100 + whole / 2) / whole {
        0 => format!("under 1{GLUE}%"),
        100 => format!("over 99{GLUE}%"),
        rounded => format!("{rounded}{GLUE}%"),
    }
}

/// Items in a sentence: `a, b and c`; of more than `limit` the first ones and how many more.
pub(crate) fn listed(items: &[String], limit: usize) -> String {
    if items.len() > limit {
        let shown = limit.saturating_sub(1).max(1);
        let more = grouped((items.len() - shown) as u64);
        return format!("{} and {more} more", items[..shown].join(", "));
    }
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// A time to the minute, `2026-03-01 08:15 UTC`.
pub(crate) fn minute(at: Timestamp) -> String {
    let (date, clock) = date_and_clock(at);
    format!("{date}{GLUE}{clock}{GLUE}UTC")
}

/// A span of time to the minute, `2026-03-01 08:15 to 09:20 UTC`.
pub(crate) fn span(first: Timestamp, last: Timestamp) -> String {
    let (date, clock) = date_and_clock(first);
    if date_and_clock(first) == date_and_clock(last) {
        minute(first)
    } else if date_and_clock(last).0 == date {
        format!("{date} {clock} to {}{GLUE}UTC", date_and_clock(last).1)
    } else {
        format!("{date}{GLUE}{clock} to {}", minute(last))
    }
}

fn date_and_clock(at: Timestamp) -> (String, String) {
    let time = at.to_string();
    let (date, clock) = time.split_once('T').unwrap_or_default();
    (date.to_owned(), clock.get(..5).unwrap_or_default().to_owned())
}

/// What the network calls itself, in a sentence: host names stand as they are, anything else in
/// quotes, so that it cannot pass for words of ours; cut where it is longer than names are.
pub(crate) fn named(name: &str) -> String {
    let plain =
        |character: char| character.is_ascii_alphanumeric() || "-_.*:[]".contains(character);
    let mut text = printable(name).into_owned();
    if let Some((at, _)) = text.char_indices().nth(NAME) {
        text.truncate(at);
        text.push('…');
    }
    if !text.is_empty() && name.chars().all(plain) { text } else { format!("\"{text}\"") }
}

/// How to learn more of a finding, a reason or a remedy.
pub(crate) fn explain(id: &str) -> String {
    format!("(tlscensus{GLUE}explain{GLUE}{})", printable(id))
}

/// A text for one line, whatever its length.
pub(crate) fn unglued(text: &str) -> String {
    text.replace(GLUE, " ")
}

/// How many columns a text takes. What is printed is [`printable`]; wide characters are not told
/// apart, as names on the wire are ASCII but for certificates.
pub(crate) fn width(text: &str) -> usize {
    text.chars().count()
}

/// Break a text into lines of at most `width` columns, at spaces; a longer word stands alone and is
/// broken where it must. What [`GLUE`] holds together stays together, as do `TLS 1.2` and `TLS1.2 × 3`.
pub(crate) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let text = ["TLS ", "SSL ", " × "].iter().fold(text.to_owned(), |text, words| {
        text.replace(words, &words.replace(' ', &GLUE.to_string()))
    });
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        if !line.is_empty() && width(&line) + 1 + width(word) > columns {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        for character in word.chars() {
            if width(&line) >= columns {
                lines.push(std::mem::take(&mut line));
            }
            line.push(if character == GLUE { ' ' } else { character });
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_the_network_says_moves_the_cursor_or_hides() {
        assert_eq!(printable("mail.example.com"), "mail.example.com");
        assert_eq!(printable("Zürich AG, 東京"), "Zürich AG, 東京");
        assert_eq!(printable("a\u{1b}[31mb\r\n\u{7}"), "a\\u{1b}[31mb\\u{d}\\u{a}\\u{7}");
        assert_eq!(printable("x\u{202e}moc\u{200b}"), "x\\u{202e}moc\\u{200b}");
        assert_eq!(printable("\u{9b}2J\u{feff}\u{2028}"), "\\u{9b}2J\\u{feff}\\u{2028}");
    }

    #[test]
    fn shares_never_round_to_nothing_or_all() {
        let percent = |part, whole| wrap(&percent(part, whole), 80).join("|");
        assert_eq!(percent(0, 9), "0 %");
        assert_eq!(percent(1, 3), "33 %");
        assert_eq!(percent(1, 1_000), "under 1 %");
        assert_eq!(percent(999, 1_000), "over 99 %");
        assert_eq!(percent(5, 5), "100 %");
    }

    #[test]
    fn numbers_and_lists_read_like_a_sentence() {
        assert_eq!(count(1, "host", "hosts").replace(GLUE, " "), "1 host");
        assert_eq!(count(12_345, "host", "hosts").replace(GLUE, " "), "12,345 hosts");
        assert_eq!(grouped(1_234_567), "1,234,567");
        let items: Vec<String> = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
        assert_eq!(listed(&items, 4), "a, b, c and d");
        assert_eq!(listed(&items, 3), "a, b and 2 more");
        assert_eq!(listed(&items[..1], 3), "a");
    }

    #[test]
    fn lines_keep_to_their_width() {
        assert_eq!(wrap("one two  three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert_eq!(wrap("needs TLS 1.2", 9), ["needs", "TLS 1.2"]);
        assert!(wrap("", 10).is_empty());
    }

    #[test]
    fn names_that_are_none_stand_in_quotes() {
        assert_eq!(named("crm.example.com"), "crm.example.com");
        assert_eq!(named("[2001:db8::1]:443"), "[2001:db8::1]:443");
        assert_eq!(named("a and b"), "\"a and b\"");
        assert_eq!(named("a\nb"), "\"a\\u{a}b\"");
        assert_eq!(named(""), "\"\"");
        assert_eq!(named(&"a".repeat(300)).chars().count(), 65);
    }

    #[test]
    fn a_span_says_no_day_twice() {
        let at = |minutes: u64| Timestamp::new(1_772_352_000 + minutes * 60, 0);
        let span = |first, last| span(first, last).replace(GLUE, " ");
        assert_eq!(span(at(0), at(0)), "2026-03-01 08:00 UTC");
        assert_eq!(span(at(0), at(75)), "2026-03-01 08:00 to 09:15 UTC");
        assert_eq!(span(at(0), at(1_440)), "2026-03-01 08:00 to 2026-03-02 08:00 UTC");
    }
}
