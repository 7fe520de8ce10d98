//! [`Reader`]: a capture file or stream, read through one buffer.
//!
//! What comes in is told by its first bytes. A frame is a slice of the buffer: a packet costs the
//! system's copy into the buffer and a look at its record header. It refuses what is no capture,
//! and ends at damage; all frames before it were delivered.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::limits::Limits;

use super::buffer::Buffer;
use super::classic::{Classic, FILE_HEADER, Refusal, Stop, Tally};
use super::file::BATCH;
use super::input::Input;
use super::magic::{Compression, HEAD, Kind};
use super::pcapng::Pcapng;
use super::{CaptureStats, Error, Frame, Offset, Poll};

/// A capture that is read when its frames are wanted.
pub(super) struct Reader {
    path: PathBuf,
    size: Option<u64>,
    limits: Limits,
    input: Input,
    buffer: Buffer,
    format: Format,
    stats: CaptureStats,
}

/// Which kind of capture it is, with what is known in the middle of it.
enum Format {
    Classic(Classic),
    Pcapng(Pcapng),
}

impl Reader {
    /// Open a file with a buffer that is at first of `capacity` bytes.
    pub(super) fn open(path: &Path, limits: &Limits, capacity: usize) -> Result<Self, Error> {
        let cannot = |cause| Error::Open { path: path.to_owned(), cause };
        let file = fs::File::open(path).map_err(cannot)?;
        let metadata = file.metadata().map_err(cannot)?;
        let size = metadata.is_file().then_some(metadata.len());
        Self::start(path, Box::new(file), size, limits, capacity)
    }

    /// Read as much as is needed to tell what it is.
    pub(super) fn start(
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
            input: Input::plain(reader),
            buffer: Buffer::new(capacity),
            format: Format::Pcapng(Pcapng::new()),
            stats: CaptureStats::default(),
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

    /// What it is called in messages.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The size of the file as it lies on the disk, if it is one.
    pub(super) const fn size(&self) -> Option<u64> {
        self.size
    }

    /// What was read so far.
    pub(super) const fn stats(&self) -> CaptureStats {
        self.stats
    }

    /// Read into this memory from here on.
    pub(super) fn lend(&mut self, memory: Vec<u8>) {
        self.buffer.go_on_in(memory);
    }

    /// The memory that it reads into, with what was delivered last.
    pub(super) fn give_back(&mut self) -> Vec<u8> {
        self.buffer.part()
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
        self.input = self.input.unpacked(compression, read);
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
        let read = self.input.read(self.buffer.space(want), &self.path);
        self.stats.read_bytes = self.input.position();
        let count = read?;
        self.buffer.filled(count);
        Ok(count)
    }

    /// Deliver what is whole in the buffer; if that is nothing, refill until something is. What was
    /// delivered stays where it is until the next call.
    pub(super) fn advance(&mut self, sink: &mut impl FnMut(&[Frame<'_>])) -> Result<Poll, Error> {
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
                Stop::FileHeader | Stop::More(_) if self.stats.frames > before => {
                    let frames = self.stats.frames.saturating_sub(before);
                    return Ok(Poll::Frames(usize::try_from(frames).unwrap_or(usize::MAX)));
                }
                Stop::FileHeader => self.header()?,
                Stop::More(want) => {
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
        if self.input.is_unpacked() {
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
