//! [`Walk`]: bytes of a capture → its frames, wherever the bytes come from.
//!
//! A frame is a slice of the buffer: a packet costs a look at its record header. What is no capture is
//! refused, and damage ends it; all frames before it were delivered.

use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::limits::Limits;

use super::buffer::Buffer;
use super::classic::{Classic, FILE_HEADER, Refusal, Stop, Tally};
use super::file::BATCH;
use super::input::Input;
use super::pcapng::Pcapng;
use super::{CaptureStats, Error, Frame, Offset, Poll};

/// The frames of one capture, as far as its bytes have come.
pub(super) struct Walk {
    path: PathBuf,
    limits: Limits,
    buffer: Buffer,
    format: Format,
    /// What the unread bytes are the beginning of, if there are any at the end.
    within: &'static str,
    /// The bytes were decompressed.
    is_unpacked: bool,
    stats: CaptureStats,
}

/// Which kind of capture it is, with what is known in the middle of it.
enum Format {
    Classic(Classic),
    Pcapng(Pcapng),
}

impl Walk {
    /// Of a capture that is called `path` in messages, with a buffer that is at first of `capacity` bytes.
    pub(super) fn new(path: &Path, limits: &Limits, capacity: usize) -> Self {
        Self {
            path: path.to_owned(),
            limits: limits.clone(),
            buffer: Buffer::new(capacity),
            format: Format::Pcapng(Pcapng::new()),
            within: "a block",
            is_unpacked: false,
            stats: CaptureStats::default(),
        }
    }

    /// From here on the bytes are decompressed ones, and go into another buffer. Returns the one before.
    #[cfg(feature = "compression")]
    pub(super) fn unpacked(&mut self, capacity: usize) -> Buffer {
        self.is_unpacked = true;
        std::mem::replace(&mut self.buffer, Buffer::new(capacity))
    }

    /// What it is called in messages.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What was delivered, and read.
    pub(super) const fn stats(&self) -> CaptureStats {
        self.stats
    }

    /// What was not delivered yet.
    pub(super) fn unread(&self) -> &[u8] {
        self.buffer.unread()
    }

    /// It was read up to there.
    pub(super) const fn set_read(&mut self, bytes: u64) {
        self.stats.read_bytes = bytes;
    }

    /// Read once, so that the buffer can hold `want` unread bytes. Zero is the end of the input.
    pub(super) fn refill(&mut self, want: usize, input: &mut Input) -> Result<usize, Error> {
        let read = input.read(self.buffer.space(want), &self.path);
        self.set_read(input.position());
        let count = read?;
        self.buffer.filled(count);
        Ok(count)
    }

    /// Go on in this memory, of which `new` are the next bytes. Memory that is not needed comes back.
    pub(super) fn feed(&mut self, memory: Vec<u8>, new: Range<usize>) -> Option<Vec<u8>> {
        self.buffer.go_on_in(memory, new)
    }

    /// The memory in which what was delivered last lies.
    pub(super) fn give_back(&mut self) -> Vec<u8> {
        self.buffer.part()
    }

    /// Read the header of a classic pcap file that the unread bytes begin with.
    pub(super) fn header(&mut self) -> Result<(), Error> {
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

    /// Deliver what is whole in the buffer, where it stays until more comes. Returns how many bytes there
    /// must be to go on.
    pub(super) fn frames(&mut self, sink: &mut impl FnMut(&[Frame<'_>])) -> Result<usize, Error> {
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
                Stop::FileHeader if self.buffer.unread().len() >= FILE_HEADER => self.header()?,
                Stop::FileHeader => {
                    self.within = "the file header";
                    return Ok(FILE_HEADER);
                }
                Stop::More(want) => {
                    self.within = match self.format {
                        Format::Classic(_) => "a packet",
                        Format::Pcapng(_) => "a block",
                    };
                    return Ok(want);
                }
            }
        }
    }

    /// There are no more bytes: whether it is at its end, or cut short.
    pub(super) fn end(&self) -> Result<Poll, Error> {
        if self.buffer.unread().is_empty() {
            return Ok(Poll::End);
        }
        Err(self.truncated(self.within))
    }

    fn count(&mut self, tally: Tally) {
        self.stats.frames = self.stats.frames.saturating_add(tally.frames);
        self.stats.frame_bytes = self.stats.frame_bytes.saturating_add(tally.bytes);
        self.stats.cut_frames = self.stats.cut_frames.saturating_add(tally.cut);
    }

    /// Where the first unread byte lies.
    fn offset(&self) -> Offset {
        if self.is_unpacked {
            Offset::Decompressed(self.buffer.position())
        } else {
            Offset::File(self.buffer.position())
        }
    }

    fn malformed(&self, reason: &'static str) -> Error {
        Error::Malformed { path: self.path.clone(), offset: self.offset(), reason }
    }

    /// It ends in the middle of something.
    pub(super) fn truncated(&self, within: &'static str) -> Error {
        Error::Truncated { path: self.path.clone(), offset: self.offset(), within }
    }

    /// It is a capture of a kind that cannot be read.
    pub(super) fn unsupported(&self, reason: &'static str) -> Error {
        Error::Unsupported { path: self.path.clone(), reason }
    }
}
