//! From the PATH arguments to the captures to be read.
//!
//! In go the paths as they were typed, out come the inputs in the order in which they are to be
//! read, and what was passed over. A directory is walked down to its last file, in byte order of
//! the names; links in it are not followed, so that nothing outside of it is read, and nothing in
//! it twice. Of the files in it only those are taken that begin like a capture, be it compressed;
//! a file that was named is always taken, and opening it tells what is wrong with it.

use std::fmt;
use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;

use crate::limits::Limits;

use super::Error;
use super::buffer::{Buffer, read_some};
use super::file::FileSource;
use super::magic::{HEAD, Kind};

/// How much of files is looked at to tell them apart: a pcapng file describes its interfaces before the
/// first packet.
const TOLD_APART: u64 = 1 << 10;

/// What a [`FileId`] looks at of each end of a file.
const ENDS: u64 = 64 << 10;

/// A buffer for a look at the beginning of a file.
const GLANCE: usize = 4 << 10;

/// What the PATH arguments come to.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Expansion {
    /// What is to be read, in this order.
    pub inputs: Vec<Input>,
    /// Files in directories that begin like no capture.
    pub skipped: u64,
    /// Links in directories, none of which was followed.
    pub links: u64,
    /// What could not be looked at, and directories in which there was no capture.
    pub errors: Vec<Error>,
}

/// One thing to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A file, by its path as reached from the argument.
    File {
        /// The path, which is also its name in records.
        path: PathBuf,
        /// Its size; `None` for a FIFO or device, whose end only its writer knows.
        size: Option<u64>,
    },
    /// Standard input.
    Stdin,
}

impl Input {
    /// What it is called in messages and records: its path, or `-`.
    pub fn name(&self) -> &Path {
        match self {
            Self::File { path, .. } => path,
            Self::Stdin => Path::new("-"),
        }
    }

    /// How many bytes it has, if that is known.
    pub fn size(&self) -> Option<u64> {
        match self {
            Self::File { size, .. } => *size,
            Self::Stdin => None,
        }
    }
}

/// Find what `paths` mean; `-` is standard input. What is wrong with one does not stop the others.
pub fn expand(paths: &[PathBuf]) -> Expansion {
    let mut expansion = Expansion::default();
    for path in paths {
        if path.as_os_str() == "-" {
            expansion.inputs.push(Input::Stdin);
            continue;
        }
        match fs::metadata(path) {
            Err(cause) => expansion.errors.push(Error::Open { path: path.clone(), cause }),
            Ok(metadata) if metadata.is_dir() => expansion.walk(path),
            Ok(metadata) => expansion.inputs.push(Input::File {
                path: path.clone(),
                size: metadata.is_file().then_some(metadata.len()),
            }),
        }
    }
    expansion
}

impl Expansion {
    /// Take the captures below `root`.
    fn walk(&mut self, root: &Path) {
        let before = (self.inputs.len(), self.errors.len());
        // What is yet to be looked at, the next one last.
        let mut ahead = Vec::new();
        self.list(root, &mut ahead);
        while let Some((path, kind)) = ahead.pop() {
            if kind.is_dir() {
                self.list(&path, &mut ahead);
            } else if kind.is_symlink() {
                self.links = self.links.saturating_add(1);
            } else if kind.is_file() {
                self.take(path);
            }
            // Opening anything else might wait forever.
        }
        if before == (self.inputs.len(), self.errors.len()) {
            self.errors.push(Error::NoCapture { path: root.to_owned() });
        }
    }

    /// Put what is in `directory` on top of `ahead`, the first name uppermost.
    fn list(&mut self, directory: &Path, ahead: &mut Vec<(PathBuf, fs::FileType)>) {
        let listed: io::Result<Vec<_>> = fs::read_dir(directory).and_then(|entries| {
            entries
                .map(|entry| entry.and_then(|entry| Ok((entry.path(), entry.file_type()?))))
                .collect()
        });
        match listed {
            Ok(mut entries) => {
                // All have the same parent, so the paths are in the order of the names.
                entries.sort_unstable_by(|(a, _), (b, _)| b.as_os_str().cmp(a.as_os_str()));
                ahead.append(&mut entries);
            }
            Err(cause) => {
                self.errors.push(Error::Open { path: directory.to_owned(), cause });
            }
        }
    }

    /// Take a file that was found, if it is a capture.
    fn take(&mut self, path: PathBuf) {
        match look(&path) {
            Ok(Some(size)) => self.inputs.push(Input::File { path, size: Some(size) }),
            Ok(None) => self.skipped = self.skipped.saturating_add(1),
            Err(error) => self.errors.push(error),
        }
    }
}

/// The size of a file that begins like a capture, or `None` for another.
fn look(path: &Path) -> Result<Option<u64>, Error> {
    let cannot = |cause| Error::Open { path: path.to_owned(), cause };
    let mut file = fs::File::open(path).map_err(cannot)?;
    let size = file.metadata().map_err(cannot)?.len();
    let mut buffer = Buffer::new(HEAD);
    while buffer.unread().len() < HEAD {
        match read_some(&mut file, buffer.space(HEAD)).map_err(cannot)? {
            0 => break,
            count => buffer.filled(count),
        }
    }
    match Kind::of(buffer.unread()) {
        Kind::Classic(_) | Kind::Pcapng => Ok(Some(size)),
        // What cannot be unpacked may be a capture: that is said, not passed over.
        Kind::Compressed(_) => match FileSource::open_with(path, &Limits::default(), GLANCE) {
            Ok(_) => Ok(Some(size)),
            Err(Error::NotACapture { .. } | Error::Empty { .. }) => Ok(None),
            Err(error) => Err(error),
        },
        Kind::Foreign(reason) => Err(Error::Unsupported { path: path.to_owned(), reason }),
        Kind::Packed(_) | Kind::Unknown => Ok(None),
    }
}

/// What tells a file from all others in a census, wherever it lies and whatever it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(pub [u8; 32]);

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The first bytes of a file, with the time of its first packet: they tell captures apart.
pub fn file_head(path: &Path) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    fs::File::open(path)?.take(TOLD_APART).read_to_end(&mut head)?;
    Ok(head)
}

/// The identity of a file: SHA-256 over its size (eight bytes, big-endian), its first 64 KiB and
/// its last 64 KiB, which are the same bytes again in a small file.
///
/// A stream has none: [`Error::Unsupported`].
pub fn file_id(path: &Path) -> Result<FileId, Error> {
    let cannot = |cause| Error::Open { path: path.to_owned(), cause };
    // Before it is opened: opening a FIFO waits for its writer.
    let size = match fs::metadata(path).map_err(cannot)? {
        metadata if metadata.is_file() => metadata.len(),
        _ => {
            let reason = "it is no regular file, so it has no identity";
            return Err(Error::Unsupported { path: path.to_owned(), reason });
        }
    };
    let mut file = fs::File::open(path).map_err(cannot)?;
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(&size.to_be_bytes());
    for start in [0, size.saturating_sub(ENDS)] {
        let mut end = Vec::new();
        file.seek(SeekFrom::Start(start))
            .and_then(|_| Read::by_ref(&mut file).take(ENDS).read_to_end(&mut end))
            .map_err(|cause| Error::Read {
                path: path.to_owned(),
                offset: super::Offset::File(start),
                cause,
            })?;
        context.update(&end);
    }
    let digest = context.finish();
    Ok(FileId(digest.as_ref().try_into().unwrap_or_default()))
}
