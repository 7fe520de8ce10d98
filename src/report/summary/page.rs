//! [`Page`]: text for a terminal, in lines of a width, with or without colour.

use crate::report::text::{unglued, width, wrap};

/// How the summary is to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Columns of the terminal.
    pub width: usize,
    /// Colours and bold type.
    pub colour: bool,
    /// Everything, not a screenful.
    pub verbose: bool,
}

/// A kind of type. Colour repeats what the words say and never says more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::report) enum Ink {
    Plain,
    Bold,
    Dim,
    Bad,
    Warn,
    Good,
}

impl Ink {
    /// The number of the terminal's attribute (ECMA-48 §8.3.117).
    const fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Bold => Some("1"),
            Self::Dim => Some("2"),
            Self::Bad => Some("1;31"),
            Self::Warn => Some("33"),
            Self::Good => Some("32"),
        }
    }
}

/// Lines wider than this are hard to read.
const WIDEST: usize = 110;
/// Narrower than this, nothing stands side by side.
const NARROW: usize = 60;
/// Columns of the left side of entries, indentation and gap included: no less, no more.
const LEFT: (usize, usize) = (12, 28);
/// Where an entry begins.
const INDENT: usize = 2;
/// Between a term and what is said of it.
const GAP: usize = 2;
/// A part that begins with it is a step of a list, and its further lines stand under its first word.
const STEP: &str = "- ";

/// A text under construction.
#[derive(Debug)]
pub(in crate::report) struct Page {
    text: String,
    columns: usize,
    left: usize,
    colour: bool,
}

impl Page {
    pub(in crate::report) fn new(style: Style) -> Self {
        let columns = style.width.clamp(20, WIDEST);
        Self { text: String::new(), columns, left: LEFT.0, colour: style.colour }
    }

    pub(in crate::report) fn finish(self) -> String {
        self.text
    }

    /// An empty line, unless there is one already.
    pub(in crate::report) fn gap(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    /// A heading with a gap before it.
    pub(in crate::report) fn heading(&mut self, text: &str) {
        self.gap();
        self.paragraph(Ink::Bold, text);
    }

    /// A paragraph over the whole width.
    pub(in crate::report) fn paragraph(&mut self, ink: Ink, text: &str) {
        self.block(0, 0, ink, text);
    }

    /// An item of a list, its further lines indented.
    pub(in crate::report) fn item(&mut self, ink: Ink, text: &str) {
        self.block(INDENT, INDENT, ink, text);
    }

    /// Make room for the terms of the entries that follow.
    pub(in crate::report) fn align<S: AsRef<str>>(&mut self, terms: impl IntoIterator<Item = S>) {
        let widest = terms.into_iter().map(|term| width(term.as_ref())).max().unwrap_or(0);
        self.left = (INDENT + widest + GAP).clamp(LEFT.0, LEFT.1);
    }

    /// A term on the left, what is said of it on the right, each part beginning its own line.
    pub(in crate::report) fn entry(&mut self, term: (Ink, &str), parts: &[(Ink, String)]) {
        let side_by_side = self.columns >= NARROW;
        let left = if side_by_side { self.left } else { INDENT * 2 };
        self.pad(INDENT);
        self.write(term.0, &unglued(term.1));
        let mut at = INDENT + width(term.1);
        if !side_by_side || at + GAP > left {
            self.text.push('\n');
            at = 0;
        }
        for (ink, text) in parts {
            let hang = if text.starts_with(STEP) { width(STEP) } else { 0 };
            let columns = self.columns.saturating_sub(left + hang);
            for (number, line) in wrap(text, columns).iter().enumerate() {
                self.pad(left - at + if number > 0 { hang } else { 0 });
                self.write(*ink, line);
                self.text.push('\n');
                at = 0;
            }
        }
        if at > 0 {
            self.text.push('\n');
        }
    }

    fn block(&mut self, first: usize, further: usize, ink: Ink, text: &str) {
        let columns = self.columns.saturating_sub(first.max(further));
        for (at, line) in wrap(text, columns).iter().enumerate() {
            self.pad(if at == 0 { first } else { further });
            self.write(ink, line);
            self.text.push('\n');
        }
    }

    fn pad(&mut self, columns: usize) {
        self.text.extend(std::iter::repeat_n(' ', columns));
    }

    fn write(&mut self, ink: Ink, text: &str) {
        match ink.code().filter(|_| self.colour) {
            Some(code) => {
                for part in ["\u{1b}[", code, "m", text, "\u{1b}[0m"] {
                    self.text.push_str(part);
                }
            }
            None => self.text.push_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(width: usize, colour: bool) -> String {
        let mut page = Page::new(Style { width, colour, verbose: false });
        page.paragraph(Ink::Plain, "one two three four five six seven eight nine ten");
        page.heading("Head");
        let parts = [(Ink::Plain, "what is said of it".to_owned()), (Ink::Dim, "more".to_owned())];
        page.align(["10.0.0.5"]);
        page.entry((Ink::Bold, "10.0.0.5"), &parts);
        page.entry((Ink::Bold, "2001:db8:1234:5678:9abc::1"), &parts);
        page.finish()
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for width in [20, 30, 59, 60, 80, 200] {
            let text = page(width, false);
            let longest = text.lines().map(|line| line.chars().count()).max();
            assert!(longest <= Some(width.max(28)), "{width}:\n{text}");
        }
        assert!(page(20, true).contains("\u{1b}[1mHead\u{1b}[0m"));
    }
}
