//! What the commands that judge have in common: report files, the summary, `--fail-on`.

use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, anyhow};

use super::args::{FailOn, Global};
use super::exit::Failure;
use super::words::Words;
use crate::report::{Format, Inventory, Style};
use crate::sink::OutputFile;

/// Bytes of a report that are written at once: its parts are a few bytes each.
const PIECE: usize = 1 << 18;

/// Write the report files side by side: all that can be written, whatever becomes of the others.
/// Those that cannot are returned, and why.
pub(super) fn reports(files: &[(PathBuf, Format)], inventory: &Inventory) -> Vec<Failure> {
    let one = |path: &Path, format: Format| {
        write(path, format, inventory)
            .with_context(|| format!("cannot write report `{}`", path.display()))
            .map_err(Failure::impossible)
    };
    thread::scope(|scope| {
        let writing: Vec<_> =
            files.iter().map(|(path, format)| scope.spawn(|| one(path, *format))).collect();
        let lost = |_| Err(Failure::impossible(anyhow!("a report was not written")));
        writing.into_iter().filter_map(|one| one.join().unwrap_or_else(lost).err()).collect()
    })
}

/// That records could not be written, and where.
pub(super) fn no_records(path: &Path) -> String {
    match path.to_str() {
        Some("-") => "cannot write records to standard output".to_owned(),
        _ => format!("cannot write records to `{}`", path.display()),
    }
}

/// Write one report file.
fn write(path: &Path, format: Format, inventory: &Inventory) -> io::Result<()> {
    let mut file = BufWriter::with_capacity(PIECE, OutputFile::create(path)?);
    inventory.write(format, &mut file)?;
    file.into_inner().map_err(io::IntoInnerError::into_error)?.finish()
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
