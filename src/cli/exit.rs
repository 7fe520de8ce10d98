//! Exit codes, and what ends a run.

use std::io;
use std::process::ExitCode;

use super::words::Words;
use crate::census::store::StoreError;

/// How a run ended, as the process's exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// Done.
    Done = 0,
    /// It could not be done.
    Impossible = 1,
    /// Wrong usage; an unknown or unreadable policy, trust or exceptions file. Nothing was read.
    Usage = 2,
    /// `--fail-on` matched.
    Matched = 3,
    /// Done, but some input could not be read, or not to its end.
    Partial = 4,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// An error that ends the run, with the exit code that it means and the cure where it is known.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) exit: Exit,
    pub(super) error: anyhow::Error,
    pub(super) hint: Option<String>,
}

impl Failure {
    /// What was typed, or a file that was named for the judgement, is wrong.
    pub(super) fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self { exit: Exit::Usage, error: error.into(), hint: None }
    }

    /// It cannot be done.
    pub(super) fn impossible(error: impl Into<anyhow::Error>) -> Self {
        Self { exit: Exit::Impossible, error: error.into(), hint: None }
    }

    pub(super) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// How a run ended in which `others` went wrong besides: each is said, the last one when the
    /// program ends.
    pub(super) fn beside<T>(
        mut ended: Result<T, Self>,
        others: impl IntoIterator<Item = Self>,
        words: &Words,
    ) -> Result<T, Self> {
        for failure in others {
            if let Err(before) = ended {
                words.error(&before.error, before.hint.as_deref());
            }
            ended = Err(failure);
        }
        ended
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::impossible(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let hint = error.hint();
        let failure = Self::impossible(error);
        match hint {
            Some(hint) => failure.with_hint(hint),
            None => failure,
        }
    }
}
