//! Whether what is to be written lies where something is read, or where something else is written:
//! a capture is evidence, an exception was agreed to, and neither must be lost to a slip of the hand.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::anyhow;

use super::exit::Failure;
use super::words::Words;
use crate::sink::OutputFile;

/// A place in the file system, whatever it was called.
#[derive(PartialEq, Eq)]
enum Place {
    /// A file that is there.
    #[cfg(unix)]
    File(u64, u64),
    /// One that is not there yet, or that cannot be told otherwise.
    Named(PathBuf),
}

impl Place {
    /// `None` for what any number may write to: a terminal, a pipe, a device.
    fn of(path: &Path) -> Option<Self> {
        match fs::metadata(path) {
            Ok(found) if !found.is_file() => None,
            #[cfg(unix)]
            Ok(found) => {
                use std::os::unix::fs::MetadataExt;
                Some(Self::File(found.dev(), found.ino()))
            }
            _ => {
                let path = OutputFile::behind_links(path).ok()?;
                let (folder, name) = (path.parent()?, path.file_name()?);
                let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
                Some(Self::Named(folder.canonicalize().ok()?.join(name)))
            }
        }
    }
}

/// Refuse outputs that lie where an input does, or where another of them does.
pub(super) fn keep_apart(
    inputs: impl IntoIterator<Item = impl AsRef<Path>>,
    outputs: &[&Path],
) -> Result<(), Failure> {
    let mut places: Vec<(&Path, Place)> = Vec::new();
    for output in outputs {
        let Some(place) = Place::of(output) else { continue };
        if places.iter().any(|(_, other)| *other == place) {
            let name = output.display();
            return Err(Failure::usage(anyhow!("`{name}` is named for two outputs")));
        }
        places.push((output, place));
    }
    if places.is_empty() {
        return Ok(());
    }
    for input in inputs {
        let input = input.as_ref();
        let place = Place::of(input);
        if let Some((output, _)) = places.iter().find(|(_, other)| Some(other) == place.as_ref()) {
            let (output, input) = (output.display(), input.display());
            let told = anyhow!("the output `{output}` would overwrite the input `{input}`");
            return Err(Failure::usage(told));
        }
    }
    Ok(())
}

/// Refuse standard input twice: it has one end.
pub(super) fn read_once(paths: &[PathBuf]) -> Result<(), Failure> {
    if paths.iter().filter(|path| *path == Path::new("-")).count() > 1 {
        let error = anyhow!("standard input (`-`) is named twice, and can be read once");
        return Err(Failure::usage(error).with_hint("leave out all but one `-`"));
    }
    Ok(())
}

/// Remove what killed runs left behind of these outputs, and say so.
pub(super) fn tidy<'a>(outputs: impl Iterator<Item = &'a Path>, words: &Words) {
    for left in outputs.flat_map(OutputFile::tidy) {
        let left = left.display();
        words.warn(&format!("removed `{left}`, which a run that was killed left unfinished"), None);
    }
}
