//! What the commands that judge have in common: report files, the summary, `--fail-on`.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::args::{FailOn, Global};
use super::exit::Failure;
use super::words::Words;
use crate::report::{Format, Inventory, Style};
use crate::sink::OutputFile;

/// Write the report files: all that can be written, whatever becomes of the others.
pub(super) fn reports(files: &[(PathBuf, Format)], inventory: &Inventory) -> Result<(), Failure> {
    let mut failed = None;
    for (path, format) in files {
        let written = write(path, *format, inventory)
            .with_context(|| format!("cannot write report `{}`", path.display()));
        if let Err(error) = written {
            failed.get_or_insert(error);
        }
    }
    failed.map_or(Ok(()), |error| Err(Failure::impossible(error)))
}

/// Write one report file.
pub(super) fn write(path: &Path, format: Format, inventory: &Inventory) -> io::Result<()> {
    let mut file = OutputFile::create(path)?;
    inventory.write(format, &mut file)?;
    file.finish()
}

/// The summary is the result, unless standard output was asked to carry records: then it is said
/// beside them.
pub(super) fn summary(
    inventory: &Inventory,
    aside: bool,
    global: &Global,
    words: &Words,
) -> Result<(), Failure> {
    text(|style| inventory.summary(style), aside, global, words)
}

/// A text in the style of where it goes.
pub(super) fn text(
    write: impl FnOnce(Style) -> String,
    aside: bool,
    global: &Global,
    words: &Words,
) -> Result<(), Failure> {
    if words.quiet {
        return Ok(());
    }
    let colour = if aside { words.colored_stderr() } else { words.colored_stdout() };
    let text = write(Style { width: Words::width(), colour, verbose: global.verbose });
    if aside {
        Words::aside(&text);
    } else {
        Words::out(text.as_bytes())?;
    }
    Ok(())
}

/// Whether what the run was to fail on is there.
pub(super) fn matches(fail_on: Option<FailOn>, inventory: &Inventory) -> bool {
    match fail_on {
        Some(FailOn::Breaks) => inventory.breaks(),
        Some(FailOn::Findings) => inventory.has_findings(),
        None => false,
    }
}
