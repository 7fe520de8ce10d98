//! `--since` and `--until`, which must leave some time between them.

use anyhow::anyhow;

use super::args;
use super::exit::Failure;
use super::plan::census_window;
use crate::census::Window;

/// What was asked for.
pub(super) fn window(args: &args::Window) -> Result<Window, Failure> {
    let window = census_window(args)?;
    if let (Some(since), Some(until)) = (window.since, window.until)
        && since >= until
    {
        let error = anyhow!("nothing lies between --since {since} and --until {until}");
        return Err(Failure::usage(error).with_hint(
            "--until is the first moment that does not count: for one day, the next one",
        ));
    }
    Ok(window)
}
