//! Messages on standard error, results on standard output, and whether they may have colours.

use std::env;
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};

use anyhow::Context;
use clap::ValueEnum;

use super::exit::Failure;
use crate::report::printable;

/// The width of text that goes to no terminal.
const DEFAULT_WIDTH: usize = 100;

/// Sentences in lines wider than this are hard to read.
const WIDEST: usize = 100;

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    /// On a terminal, unless it is dumb or `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Where words go, and how they look.
#[derive(Debug)]
pub(super) struct Words {
    pub(super) quiet: bool,
    color: Color,
}

impl Words {
    pub(super) const fn new(color: Color, quiet: bool) -> Self {
        Self { quiet, color }
    }

    /// Whether what goes to standard output may have colours.
    pub(super) fn colored_stdout(&self) -> bool {
        self.colored(io::stdout().is_terminal())
    }

    /// Whether what goes to standard error may have colours.
    pub(super) fn colored_stderr(&self) -> bool {
        self.colored(io::stderr().is_terminal())
    }

    /// The width that there is for text.
    pub(super) fn width() -> usize {
        terminal_size::terminal_size().map_or(DEFAULT_WIDTH, |(width, _)| usize::from(width.0))
    }

    /// The width of sentences that are broken into lines.
    pub(super) fn columns() -> usize {
        Self::width().clamp(20, WIDEST)
    }

    /// Something to read beside a result that goes elsewhere.
    pub(super) fn aside(text: &str) {
        // A standard error that is closed leaves nobody to tell.
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }

    /// A result. A reader that has gone away is no error: it has seen enough.
    pub(super) fn out(bytes: &[u8]) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            result => {
                result.context("cannot write to standard output").map_err(Failure::impossible)
            }
        }
    }

    /// Something that goes wrong, but does not end the run.
    pub(super) fn warn(&self, text: &str, hint: Option<&str>) {
        if !self.quiet {
            self.say("warning", "33", text, hint);
        }
    }

    /// Why the run ends, or what of it fails.
    pub(super) fn error(&self, error: &anyhow::Error, hint: Option<&str>) {
        self.say("error", "31", &whole(error), hint);
    }

    fn say(&self, label: &str, code: &str, text: &str, hint: Option<&str>) {
        let mut stderr = io::stderr().lock();
        let colored = self.colored_stderr();
        let mut label_line = |label: &str, code: &str, text: &str| {
            // A file may have any name. What would be a command to the terminal is shown as what it is,
            // and no line of it can pass for one of ours.
            let text = text.split('\n').map(printable).collect::<Vec<_>>().join("\n  ");
            // A standard error that is closed leaves nobody to tell.
            let _ = if colored {
                writeln!(stderr, "\x1b[1;{code}m{label}\x1b[0m: {text}")
            } else {
                writeln!(stderr, "{label}: {text}")
            };
        };
        label_line(label, code, text);
        if let Some(hint) = hint {
            label_line("hint", "36", hint);
        }
    }

    fn colored(&self, terminal: bool) -> bool {
        match self.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => terminal && wanted(env::var_os("NO_COLOR"), env::var_os("TERM")),
        }
    }
}

/// Whether who sits at a terminal wants colours, by its environment. A dumb one shows their codes.
fn wanted(no_color: Option<OsString>, terminal: Option<OsString>) -> bool {
    no_color.is_none_or(|value| value.is_empty()) && terminal.is_none_or(|kind| kind != "dumb")
}

/// An error with its causes, each said once: many errors name their cause themselves.
fn whole(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::{wanted, whole};

    #[test]
    fn colours_are_for_terminals_that_show_them() {
        let wanted =
            |no: Option<&str>, kind: Option<&str>| wanted(no.map(Into::into), kind.map(Into::into));
        assert!(wanted(None, Some("xterm")) && wanted(Some(""), None));
        assert!(!wanted(Some("1"), Some("xterm")) && !wanted(None, Some("dumb")));
    }

    #[test]
    fn a_cause_that_the_error_names_itself_is_not_said_again() {
        let error = anyhow!("no such month").context("no time: no such month").context("`x`");
        assert_eq!(whole(&error), "`x`: no time: no such month");
    }
}
