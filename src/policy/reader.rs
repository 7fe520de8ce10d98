//! Reading a TOML table by the names and words that it may hold; every error points at its place
//! and names the nearest right word.

use std::cell::RefCell;
use std::fmt::{self, Write as _};
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};
use toml::value::Datetime;

/// What is wrong with a file, and where.
#[derive(Debug)]
pub(crate) struct Fault {
    /// What is wrong, with the cure if we know it.
    pub(crate) message: String,
    /// Which bytes of the file.
    pub(crate) span: Range<usize>,
}

impl Fault {
    /// A fault at a place.
    pub(crate) fn new(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { message: message.into(), span }
    }
}

/// Line and column, from 1, and the line itself, with carets under the fault.
pub(crate) struct Place<'a> {
    pub(crate) line: usize,
    pub(crate) column: usize,
    text: &'a str,
    width: usize,
}

impl<'a> Place<'a> {
    /// Where a span of a file is.
    pub(crate) fn of(text: &'a str, span: &Range<usize>) -> Self {
        let before = text.get(..span.start).unwrap_or(text);
        let begin = before.rfind('\n').map_or(0, |at| at + 1);
        let line = text.get(begin..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        let column = before.get(begin..).map_or(0, |part| part.chars().count()) + 1;
        let marked = text.get(span.clone()).and_then(|part| part.lines().next());
        let width = marked.map_or(1, |part| part.chars().count().max(1));
        Self { line: before.matches('\n').count() + 1, column, text: line, width }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        writeln!(f, "{margin} |\n{number} | {}", self.text)?;
        write!(f, "{margin} | {}{}", " ".repeat(self.column - 1), "^".repeat(self.width))
    }
}

/// A table whose keys are asked for by name. Keys that nobody asked for are errors.
pub(crate) struct Reader<'t, 'i> {
    table: &'t DeTable<'i>,
    span: Range<usize>,
    asked: RefCell<Vec<&'static str>>,
}

/// A value with its place.
pub(crate) type Value<'t, 'i> = &'t Spanned<DeValue<'i>>;

impl<'t, 'i> Reader<'t, 'i> {
    /// Read a table; `span` is where it stands.
    pub(crate) fn new(table: &'t DeTable<'i>, span: Range<usize>) -> Self {
        Self { table, span, asked: RefCell::default() }
    }

    /// The value of a key.
    pub(crate) fn value(&self, key: &'static str) -> Option<Value<'t, 'i>> {
        self.asked.borrow_mut().push(key);
        self.table.get(key)
    }

    /// A text, if the key is there.
    pub(crate) fn text(&self, key: &'static str) -> Result<Option<(&'t str, Range<usize>)>, Fault> {
        self.value(key).map(|value| text(value)).transpose()
    }

    /// A text that may be missing.
    pub(crate) fn optional(&self, key: &'static str) -> Result<Option<Box<str>>, Fault> {
        Ok(self.text(key)?.map(|(text, _)| text.into()))
    }

    /// A text that must be there.
    pub(crate) fn required(
        &self,
        key: &'static str,
        example: &str,
    ) -> Result<(&'t str, Range<usize>), Fault> {
        self.text(key)?.ok_or_else(|| self.missing(key, example))
    }

    /// The fault of a key that must be there; of one that is meant by it and written otherwise.
    pub(crate) fn missing(&self, key: &str, example: &str) -> Fault {
        let is_meant = |other: &&Spanned<DeString<'i>>| nearest(other.get_ref(), &[key]).is_some();
        if let Some(other) = self.table.keys().filter(is_meant).min_by_key(|key| key.span().start)
            && !self.asked.borrow().contains(&other.get_ref().as_ref())
        {
            return unknown("key", other.get_ref(), other.span(), &[key]);
        }
        // The span of a table from a file's top is the whole file: point at its first line.
        let start = self.span.start;
        Fault::new(start..start, format!("`{key}` is missing here; for example: {key} = {example}"))
    }

    /// A list of texts; empty if the key is missing.
    pub(crate) fn texts(&self, key: &'static str) -> Result<Vec<(&'t str, Range<usize>)>, Fault> {
        let Some(value) = self.value(key) else { return Ok(Vec::new()) };
        let list = value.get_ref().as_array().ok_or_else(|| wrong(value, "a list of texts"))?;
        list.iter().map(text).collect()
    }

    /// A text, or a list of them; empty if the key is missing.
    pub(crate) fn one_or_more(
        &self,
        key: &'static str,
    ) -> Result<Vec<(&'t str, Range<usize>)>, Fault> {
        match self.value(key) {
            None => Ok(Vec::new()),
            Some(value) => match value.get_ref().as_array() {
                Some(list) => list.iter().map(text).collect(),
                None => text(value).map(|one| vec![one]),
            },
        }
    }

    /// A day that must be there, as `2026-06-30`, in quotes or without them.
    pub(crate) fn day(&self, key: &'static str) -> Result<Box<str>, Fault> {
        let example = "2026-06-30";
        let value = self.value(key).ok_or_else(|| self.missing(key, example))?;
        let day = match value.get_ref() {
            DeValue::Datetime(Datetime { date: Some(date), time: None, .. }) => Some(*date),
            DeValue::String(text) => text.parse().ok().and_then(|moment| match moment {
                Datetime { date: Some(date), time: None, .. } => Some(date),
                _ => None,
            }),
            _ => None,
        };
        let text = day.ok_or_else(|| wrong(value, "a day such as 2026-06-30"))?.to_string();
        Ok(text.into())
    }

    /// A list of words of a vocabulary; empty if the key is missing.
    pub(crate) fn words<T>(
        &self,
        key: &'static str,
        what: &str,
        known: &[&'static str],
        find: impl Fn(&str) -> Option<T>,
    ) -> Result<Vec<T>, Fault> {
        self.texts(key)?
            .into_iter()
            .map(|(word, span)| find(word).ok_or_else(|| unknown(what, word, span, known)))
            .collect()
    }

    /// A whole number that fits.
    pub(crate) fn number(&self, key: &'static str) -> Result<Option<u16>, Fault> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let number = value
            .get_ref()
            .as_integer()
            .and_then(|number| u16::from_str_radix(number.as_str(), number.radix()).ok());
        number.map(Some).ok_or_else(|| wrong(value, "a whole number up to 65535"))
    }

    /// The tables of a `[[key]]`.
    pub(crate) fn tables(&self, key: &'static str) -> Result<Vec<Self>, Fault> {
        let Some(value) = self.value(key) else { return Ok(Vec::new()) };
        let tables = || format!("tables: write it as [[{key}]]");
        let list = value.get_ref().as_array().ok_or_else(|| wrong(value, &tables()))?;
        list.iter()
            .map(|item| {
                let table = item.get_ref().as_table().ok_or_else(|| wrong(item, &tables()))?;
                Ok(Reader::new(table, item.span()))
            })
            .collect()
    }

    /// The table of a `[key]`.
    pub(crate) fn table(&self, key: &'static str) -> Result<Option<Self>, Fault> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let table = value.get_ref().as_table().ok_or_else(|| wrong(value, "a table"))?;
        Ok(Some(Reader::new(table, value.span())))
    }

    /// Done: a key that nobody asked for is an error.
    pub(crate) fn finish(self) -> Result<(), Fault> {
        let asked = self.asked.into_inner();
        let is_odd = |key: &&Spanned<DeString<'i>>| !asked.contains(&key.get_ref().as_ref());
        // The first one in the file, whatever order the map has.
        match self.table.keys().filter(is_odd).min_by_key(|key| key.span().start) {
            Some(key) => Err(unknown("key", key.get_ref(), key.span(), &asked)),
            None => Ok(()),
        }
    }
}

/// A value that must be a text.
pub(crate) fn text<'t>(value: &'t Spanned<DeValue<'_>>) -> Result<(&'t str, Range<usize>), Fault> {
    let text = value.get_ref().as_str().ok_or_else(|| wrong(value, "a text in quotes"))?;
    Ok((text, value.span()))
}

fn wrong(value: &Spanned<DeValue<'_>>, expected: &str) -> Fault {
    let kind = value.get_ref().type_str();
    Fault::new(value.span(), format!("expected {expected}, found {kind}"))
}

/// The fault of a word that is not in the vocabulary, with the nearest one that is.
pub(crate) fn unknown(what: &str, word: &str, span: Range<usize>, known: &[&str]) -> Fault {
    let mut message = format!("unknown {what} `{word}`");
    match nearest(word, known) {
        Some(right) => {
            let _ = write!(message, "; did you mean `{right}`?");
        }
        None if known.len() <= 16 => {
            let _ = write!(message, "; known are: {}", known.join(", "));
        }
        None => {}
    }
    Fault::new(span, message)
}

/// The known word that is nearest to a wrong one, if any is near.
pub(crate) fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let wrong = word.to_ascii_lowercase();
    let (distance, right) = known
        .iter()
        .map(|right| (edits(&wrong, &right.to_ascii_lowercase()), *right))
        .min_by_key(|(distance, _)| *distance)?;
    (distance <= (word.chars().count() / 3).max(2)).then_some(right)
}

/// How many characters to insert, drop, change or swap with their neighbour to get from `a` to `b`.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut older: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    let mut last = None;
    for (row, letter) in a.chars().enumerate() {
        let mut line = vec![row + 1];
        for (column, other) in b.iter().enumerate() {
            let at =
                |line: &[usize], column: usize| line.get(column).copied().unwrap_or(usize::MAX);
            let changed = at(&above, column) + usize::from(letter != *other);
            let mut best = changed.min(at(&above, column + 1) + 1).min(at(&line, column) + 1);
            let swapped = column > 0 && last == Some(*other) && b.get(column - 1) == Some(&letter);
            if swapped {
                best = best.min(at(&older, column - 1) + 1);
            }
            line.push(best);
        }
        older = std::mem::replace(&mut above, line);
        last = Some(letter);
    }
    above.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_the_one_that_was_meant() {
        let known = ["at-least-one-of", "only", "recommended", "none"];
        assert_eq!(nearest("onyl", &known), Some("only"));
        assert_eq!(nearest("At_least_one_of", &known), Some("at-least-one-of"));
        assert_eq!(nearest("zebra", &known), None);
        assert_eq!((edits("", "abc"), edits("abc", "abc"), edits("acb", "abc")), (3, 0, 1));
    }

    #[test]
    fn a_place_shows_the_line_and_marks_the_word() {
        let text = "one = 1\ntwö = \"2\"\n";
        let place = Place::of(text, &(15..18));
        assert_eq!((place.line, place.column), (2, 7));
        assert_eq!(place.to_string(), "  |\n2 | twö = \"2\"\n  |       ^^^");
    }
}
