//! Capture files and streams, as a [`Source`].
//!
//! ```text
//! file, FIFO, stdin ──▶ [decompressor] ──▶ one buffer, refilled ──▶ whole records ──▶ Frame
//! ╰──────────────── in a thread beside who wants them, if asked to ───────────╯
//! ```

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::limits::Limits;

use super::ahead::Ahead;
use super::reader::Reader;
use super::{CaptureStats, Error, Frame, Poll, Source};

/// What is read at once: large enough that system calls cost nothing, small enough that the packets
/// are still in the processor's cache when they are looked at.
const CAPACITY: usize = 256 << 10;

/// What is read at once where only the first packets are wanted.
const BRIEF: usize = 8 << 10;

/// Smaller files are read sooner than a thread is begun for them.
const AHEAD: u64 = 1 << 20;

/// Frames that are handed over at once: enough that the memory that they lead to is fetched for
/// several at a time, few enough that all of them stay in the nearest cache.
pub const BATCH: usize = 32;

/// A capture file or stream.
///
/// ```no_run
/// use std::path::Path;
/// use tlscensus::capture::file::FileSource;
/// use tlscensus::capture::{Poll, Source};
/// use tlscensus::limits::Limits;
///
/// let mut source = FileSource::open(Path::new("monday.pcap"), &Limits::default())?;
/// let mut bytes = 0;
/// while source.poll(&mut |frame| bytes += frame.bytes.len())? != Poll::End {}
/// # Ok::<(), tlscensus::capture::Error>(())
/// ```
pub struct FileSource {
    path: PathBuf,
    size: Option<u64>,
    from: From,
}

/// Where frames come from.
enum From {
    /// Read when they are wanted.
    Reader(Box<Reader>),
    /// Read before, by a thread.
    Ahead(Ahead),
    /// There are no more.
    Ended(CaptureStats),
}

impl FileSource {
    /// Open a file by its path. A FIFO will do, and then this waits for its writer.
    pub fn open(path: &Path, limits: &Limits) -> Result<Self, Error> {
        Self::open_with(path, limits, CAPACITY)
    }

    /// Open a file of which only the first packets are wanted: no more is read at once.
    pub fn open_briefly(path: &Path, limits: &Limits) -> Result<Self, Error> {
        Self::open_with(path, limits, BRIEF)
    }

    /// Open a file with a buffer that is at first of `capacity` bytes.
    pub(super) fn open_with(path: &Path, limits: &Limits, capacity: usize) -> Result<Self, Error> {
        Reader::open(path, limits, capacity).map(Self::of)
    }

    /// Read from a stream that is called `name` in messages and records (`-` for standard input).
    ///
    /// Waits until the stream has shown what it is.
    pub fn from_reader(
        name: &Path,
        reader: impl Read + Send + 'static,
        limits: &Limits,
    ) -> Result<Self, Error> {
        Reader::of_stream(name, Box::new(reader), limits, CAPACITY).map(Self::of)
    }

    fn of(reader: Reader) -> Self {
        let (path, size) = (reader.path().to_owned(), reader.size());
        Self { path, size, from: From::Reader(Box::new(reader)) }
    }

    /// From here on read, unpack, and look for the frames, in a thread of its own, before they are
    /// wanted; of a file also by who wants them, where they are not there yet. A small file is not worth it.
    pub fn read_ahead(&mut self) {
        if self.size.is_some_and(|size| size < AHEAD) {
            return;
        }
        let ended = From::Ended(self.stats());
        self.from = match std::mem::replace(&mut self.from, ended) {
            From::Reader(reader) => match Ahead::start(reader) {
                Ok(ahead) => From::Ahead(ahead),
                // No more threads: then without.
                Err(reader) => From::Reader(reader),
            },
            other => other,
        };
    }

    /// The size of the file as it lies on the disk, if it is one:
    /// [`read_bytes`](CaptureStats::read_bytes) goes from zero up to it.
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    /// Like [`poll`](Source::poll), with up to [`BATCH`] frames at once, for those who gain from
    /// knowing what comes next.
    pub fn poll_batches(&mut self, sink: &mut impl FnMut(&[Frame<'_>])) -> Result<Poll, Error> {
        let polled = match &mut self.from {
            From::Reader(reader) => reader.advance(sink),
            From::Ahead(ahead) => ahead.advance(sink),
            From::Ended(_) => return Ok(Poll::End),
        };
        if !matches!(polled, Ok(Poll::Frames(_))) {
            self.from = From::Ended(self.stats());
        }
        polled
    }

    /// What it is called in messages and records.
    pub fn name(&self) -> &Path {
        &self.path
    }
}

impl Source for FileSource {
    fn poll(&mut self, sink: &mut impl FnMut(Frame<'_>)) -> Result<Poll, Error> {
        self.poll_batches(&mut |frames| frames.iter().for_each(|frame| sink(*frame)))
    }

    fn stats(&self) -> CaptureStats {
        match &self.from {
            From::Reader(reader) => reader.stats(),
            From::Ahead(ahead) => ahead.stats(),
            From::Ended(stats) => *stats,
        }
    }
}
