//! Words for people: what the network said made safe to print, lines broken, numbers written.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::clock::Timestamp;

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
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
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
        return "0 %".to_owned();
    }
    if part >= whole {
        return "100 %".to_owned();
    }
    let part = u128::from(part);
    let whole = u128::from(whole);
    match (part * 100 + whole / 2) / whole {
        0 => "under 1 %".to_owned(),
        100 => "over 99 %".to_owned(),
        rounded => format!("{rounded} %"),
    }
}

/// Items in a sentence: `a, b and c`; of more than `limit` the first ones and how many more.
pub(crate) fn listed(items: &[String], limit: usize) -> String {
    if items.len() > limit {
        let shown = limit.saturating_sub(1).max(1);
        let more = items.len() - shown;
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
    let time = at.to_string();
    let date = time.get(..10).unwrap_or_default();
    let clock = time.get(11..16).unwrap_or_default();
    format!("{date} {clock} UTC")
}

/// How many columns a text takes. What is printed is [`printable`]; wide characters are not told
/// apart, as names on the wire are ASCII but for certificates.
pub(crate) fn width(text: &str) -> usize {
    text.chars().count()
}

/// Break a text into lines of at most `width` columns, at spaces; a longer word stands alone and is
/// broken where it must.
pub(crate) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
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
            line.push(character);
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
        assert_eq!(percent(0, 9), "0 %");
        assert_eq!(percent(1, 3), "33 %");
        assert_eq!(percent(1, 1_000), "under 1 %");
        assert_eq!(percent(999, 1_000), "over 99 %");
        assert_eq!(percent(5, 5), "100 %");
    }

    #[test]
    fn numbers_and_lists_read_like_a_sentence() {
        assert_eq!(count(1, "host", "hosts"), "1 host");
        assert_eq!(count(1_234_567, "host", "hosts"), "1,234,567 hosts");
        let items: Vec<String> = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
        assert_eq!(listed(&items, 4), "a, b, c and d");
        assert_eq!(listed(&items, 3), "a, b and 2 more");
        assert_eq!(listed(&items[..1], 3), "a");
    }

    #[test]
    fn lines_keep_to_their_width() {
        assert_eq!(wrap("one two  three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert!(wrap("", 10).is_empty());
    }
}
