//! Internal errors: what is said of them, and that they end in an exit code of ours.

use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::anyhow;

use super::exit::Failure;
use super::words::Words;

/// Internal errors that are described one by one; one that comes with every packet would fill a
/// disk with words. Their number is told at the end all the same.
const DESCRIBED: u64 = 8;

/// Describe the first internal errors in a line each, for a report of them.
pub(super) fn report_few() {
    let told = AtomicU64::new(0);
    panic::set_hook(Box::new(move |panic| {
        let number = told.fetch_add(1, Ordering::Relaxed);
        if number > DESCRIBED {
            return;
        }
        let text = if number == DESCRIBED {
            "internal errors are described no more".to_owned()
        } else {
            let what = words(panic);
            match panic.location() {
                Some(place) => {
                    format!("internal error at {}:{}: {what}", place.file(), place.line())
                }
                None => format!("internal error: {what}"),
            }
        };
        Words::aside(&format!("{text}\n"));
    }));
}

/// What a panic says; its payload is text of one kind or the other.
fn words<'a>(panic: &'a PanicHookInfo<'_>) -> &'a str {
    let payload = panic.payload();
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no words")
}

/// Do it. An internal error that nothing below contained ends the run as one that it cannot do.
pub(super) fn contained<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(Failure::impossible(anyhow!("internal error"))
            .with_hint("please report it, with the line above and what was read"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::exit::Exit;

    #[test]
    #[allow(clippy::panic, reason = "a fault is what is tested")]
    fn an_internal_error_is_a_failure_of_ours() {
        let failure = contained::<()>(|| panic!("a fault")).unwrap_err();
        assert_eq!(failure.exit, Exit::Impossible);
        assert!(contained(|| Ok(1)).is_ok());
    }
}
