//! Capture files and streams, read through one buffer.
//!
//! ```text
//! file, FIFO, stdin ──▶ [decompressor] ──▶ [thread] ──▶ one buffer, refilled ──▶ whole records ──▶ Frame
//! ```
//!
//! What comes in is told by its first bytes. A frame is a slice of the buffer: a packet costs the
//! system's copy into the buffer and a look at its record header. It refuses what is no capture,
//! and ends at damage; all frames before it were delivered.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::limits::Limits;

use super::ahead::Ahead;
use super::buffer::Buffer;
use super::classic::{Classic, FILE_HEADER, Refusal, Stop, Tally};
use super::input::Input;
use super::magic::{Compression, HEAD, Kind};
use super::pcapng::Pcapng;
use super::{CaptureStats, Error, Frame, Offset, Poll, Source};

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
    limits: Limits,
    intake: Intake,
    buffer: Buffer,
    format: Format,
    stats: CaptureStats,
    state: State,
}

/// Where bytes come from.
enum Intake {
    /// Read when they are wanted.
    Direct(Input),
    /// Read before, by a thread.
    Ahead { ahead: Ahead, is_unpacked: bool },
}

/// Which kind of capture it is, with what is known in the middle of it.
enum Format {
    Classic(Classic),
    Pcapng(Pcapng),
}

/// Whether there may be more.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Ended,
    Reading,
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

    /// Read from a stream that is called `name` in messages and records (`-` for standard input).
    ///
    /// Waits until the stream has shown what it is.
    pub fn from_reader(
        name: &Path,
        reader: impl Read + Send + 'static,
        limits: &Limits,
    ) -> Result<Self, Error> {
        Self::start(name, Box::new(reader), None, limits, CAPACITY)
    }

    /// From here on read, and unpack, in a thread of its own, before the frames are wanted. A small
    /// file is not worth one.
    pub fn read_ahead(&mut self) {
        if self.size.is_some_and(|size| size < AHEAD) {
            return;
        }
        let nothing = Intake::Direct(Input::nothing());
        self.intake = match std::mem::replace(&mut self.intake, nothing) {
            Intake::Direct(input) => {
                let is_unpacked = input.is_unpacked();
                match Ahead::start(input, &self.path) {
                    Ok(ahead) => Intake::Ahead { ahead, is_unpacked },
                    // No more threads: then without.
                    Err(input) => Intake::Direct(input),
                }
            }
            ahead @ Intake::Ahead { .. } => ahead,
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
        if self.state == State::Ended {
            return Ok(Poll::End);
        }
        let polled = self.advance(sink);
        if !matches!(polled, Ok(Poll::Frames(_))) {
            self.state = State::Ended;
        }
        polled
    }

    /// What it is called in messages and records.
    pub fn name(&self) -> &Path {
        &self.path
    }

    /// Open a file with a buffer that is at first of `capacity` bytes.
    pub(super) fn open_with(path: &Path, limits: &Limits, capacity: usize) -> Result<Self, Error> {
        let cannot = |cause| Error::Open { path: path.to_owned(), cause };
        let file = fs::File::open(path).map_err(cannot)?;
        let metadata = file.metadata().map_err(cannot)?;
        let size = metadata.is_file().then_some(metadata.len());
        Self::start(path, Box::new(file), size, limits, capacity)
    }

    /// Read as much as is needed to tell what it is.
    fn start(
        path: &Path,
        reader: Box<dyn Read + Send>,
        size: Option<u64>,
        limits: &Limits,
        capacity: usize,
    ) -> Result<Self, Error> {
        // A small file is read at once, and seen to be at its end by what room is left.
        let whole = size.and_then(|size| usize::try_from(size).ok()).unwrap_or(usize::MAX);
        let capacity = capacity.min(whole.saturating_add(1));
        let mut source = Self {
            path: path.to_owned(),
            size,
            limits: limits.clone(),
            intake: Intake::Direct(Input::plain(reader)),
            buffer: Buffer::new(capacity),
            format: Format::Pcapng(Pcapng::new()),
            stats: CaptureStats::default(),
            state: State::Reading,
        };
        let mut kind = source.kind()?;
        if let Kind::Compressed(compression) = kind {
            (source, kind) = source.unpack(compression, capacity)?;
        }
        match kind {
            Kind::Classic(_) => source.header()?,
            Kind::Compressed(_) => {
                return Err(source.unsupported("it is compressed twice: unpack it once first"));
            }
            Kind::Foreign(reason) | Kind::Packed(reason) => return Err(source.unsupported(reason)),
            Kind::Pcapng => {}
            Kind::Unknown => {
                let head = source.buffer.unread();
                return Err(if head.is_empty() {
                    Error::Empty { path: source.path }
                } else {
                    let magic = head.iter().take(4).copied().collect();
                    Error::NotACapture { path: source.path, magic }
                });
            }
        }
        Ok(source)
    }

    /// What the unread bytes begin with.
    fn kind(&mut self) -> Result<Kind, Error> {
        while self.buffer.unread().len() < HEAD && self.refill(HEAD)? > 0 {}
        Ok(Kind::of(self.buffer.unread()))
    }

    /// From here on the input, beginning with what is in the buffer, is decompressed; and what the
    /// decompressed data begins with.
    #[cfg(feature = "compression")]
    fn unpack(mut self, compression: Compression, capacity: usize) -> Result<(Self, Kind), Error> {
        let read = std::mem::replace(&mut self.buffer, Buffer::new(capacity));
        let nothing = Intake::Direct(Input::nothing());
        if let Intake::Direct(input) = std::mem::replace(&mut self.intake, nothing) {
            self.intake = Intake::Direct(input.unpacked(compression, read));
        }
        let kind = self.kind()?;
        Ok((self, kind))
    }

    /// There is nothing to decompress with.
    #[cfg(not(feature = "compression"))]
    fn unpack(self, compression: Compression, _capacity: usize) -> Result<(Self, Kind), Error> {
        Err(self.unsupported(compression.refusal()))
    }

    /// Read the header of a classic pcap file that the unread bytes begin with.
    fn header(&mut self) -> Result<(), Error> {
        while self.buffer.unread().len() < FILE_HEADER {
            if self.refill(FILE_HEADER)? == 0 {
                return Err(self.truncated("the file header"));
            }
        }
        match Classic::parse(self.buffer.unread()) {
            Ok(classic) => {
                self.buffer.consume(FILE_HEADER);
                self.format = Format::Classic(classic);
                Ok(())
            }
            Err(Refusal::Aix) => Err(self.unsupported(
                "it is a capture of AIX's tcpdump: convert it with `editcap -F pcapng IN OUT`",
            )),
            Err(Refusal::NoHeader) => Err(self.malformed("the file header is none")),
        }
    }

    /// Read once, so that the buffer can hold `want` unread bytes. Zero is the end of the input.
    fn refill(&mut self, want: usize) -> Result<usize, Error> {
        match &mut self.intake {
            Intake::Direct(input) => {
                let read = input.read(self.buffer.space(want), &self.path);
                self.stats.read_bytes = input.position();
                let count = read?;
                self.buffer.filled(count);
                Ok(count)
            }
            Intake::Ahead { ahead, .. } => {
                let read = ahead.refill(&mut self.buffer, want, &self.path);
                self.stats.read_bytes = ahead.position();
                read
            }
        }
    }

    /// Deliver what is whole in the buffer; if that is nothing, refill until something is.
    fn advance(&mut self, sink: &mut impl FnMut(&[Frame<'_>])) -> Result<Poll, Error> {
        let before = self.stats.frames;
        loop {
            let bytes = self.buffer.unread();
            let mut batch = Vec::with_capacity(BATCH);
            let mut take = |frame| {
                batch.push(frame);
                if batch.len() >= BATCH {
                    sink(&batch);
                    batch.clear();
                }
            };
            let walked = match &mut self.format {
                Format::Classic(classic) => classic.walk(bytes, self.limits.block_bytes, &mut take),
                Format::Pcapng(pcapng) => {
                    let walked = pcapng.walk(bytes, &self.limits, &mut take);
                    self.stats.dropped = pcapng.dropped();
                    self.stats.orphans = pcapng.orphans();
                    walked
                }
            };
            if !batch.is_empty() {
                sink(&batch);
            }
            self.buffer.consume(walked.consumed);
            self.count(walked.tally);
            match walked.stop {
                Stop::Damage(reason) => return Err(self.malformed(reason)),
                Stop::FileHeader => self.header()?,
                Stop::More(want) => {
                    let frames = self.stats.frames.saturating_sub(before);
                    if frames > 0 {
                        return Ok(Poll::Frames(usize::try_from(frames).unwrap_or(usize::MAX)));
                    }
                    if self.refill(want)? > 0 {
                        continue;
                    }
                    if self.buffer.unread().is_empty() {
                        return Ok(Poll::End);
                    }
                    return Err(self.truncated(match self.format {
                        Format::Classic(_) => "a packet",
                        Format::Pcapng(_) => "a block",
                    }));
                }
            }
        }
    }

    fn count(&mut self, tally: Tally) {
        self.stats.frames = self.stats.frames.saturating_add(tally.frames);
        self.stats.frame_bytes = self.stats.frame_bytes.saturating_add(tally.bytes);
        self.stats.cut_frames = self.stats.cut_frames.saturating_add(tally.cut);
    }

    /// Where the first unread byte lies.
    fn offset(&self) -> Offset {
        let is_unpacked = match &self.intake {
            Intake::Direct(input) => input.is_unpacked(),
            Intake::Ahead { is_unpacked, .. } => *is_unpacked,
        };
        if is_unpacked {
            Offset::Decompressed(self.buffer.position())
        } else {
            Offset::File(self.buffer.position())
        }
    }

    fn malformed(&self, reason: &'static str) -> Error {
        Error::Malformed { path: self.path.clone(), offset: self.offset(), reason }
    }

    fn truncated(&self, within: &'static str) -> Error {
        Error::Truncated { path: self.path.clone(), offset: self.offset(), within }
    }

    fn unsupported(&self, reason: &'static str) -> Error {
        Error::Unsupported { path: self.path.clone(), reason }
    }
}

impl Source for FileSource {
    fn poll(&mut self, sink: &mut impl FnMut(Frame<'_>)) -> Result<Poll, Error> {
        self.poll_batches(&mut |frames| frames.iter().for_each(|frame| sink(*frame)))
    }

    fn stats(&self) -> CaptureStats {
        self.stats
    }
}
