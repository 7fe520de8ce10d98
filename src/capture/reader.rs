//! [`Reader`]: a capture file or stream, read through one buffer.
//!
//! What comes in is told by its first bytes. From then on it is the system's copy into the buffer, and a
//! [`Walk`] over what is in it.

use std::fs;
use std::io::Read;
use std::path::Path;

use crate::limits::Limits;

use super::classic::FILE_HEADER;
use super::input::Input;
use super::magic::{Compression, HEAD, Kind};
use super::walk::Walk;
use super::{CaptureStats, Error, Frame, Poll};

/// A capture that is read when its frames are wanted.
pub(super) struct Reader {
    size: Option<u64>,
    input: Input,
    walk: Walk,
}

impl Reader {
    /// Open a file with a buffer that is at first of `capacity` bytes.
    pub(super) fn open(path: &Path, limits: &Limits, capacity: usize) -> Result<Self, Error> {
        let cannot = |cause| Error::Open { path: path.to_owned(), cause };
        let file = fs::File::open(path).map_err(cannot)?;
        let metadata = file.metadata().map_err(cannot)?;
        if metadata.is_file() {
            Self::start(path, Input::file(file), Some(metadata.len()), limits, capacity)
        } else {
            Self::start(path, Input::stream(Box::new(file)), None, limits, capacity)
        }
    }

    /// Read as much as is needed to tell what a stream is.
    pub(super) fn of_stream(
        name: &Path,
        reader: Box<dyn Read + Send>,
        limits: &Limits,
        capacity: usize,
    ) -> Result<Self, Error> {
        Self::start(name, Input::stream(reader), None, limits, capacity)
    }

    fn start(
        path: &Path,
        input: Input,
        size: Option<u64>,
        limits: &Limits,
        capacity: usize,
    ) -> Result<Self, Error> {
        // A small file is read at once, and seen to be at its end by what room is left.
        let whole = size.and_then(|size| usize::try_from(size).ok()).unwrap_or(usize::MAX);
        let capacity = capacity.min(whole.saturating_add(1));
        let mut source = Self { size, input, walk: Walk::new(path, limits, capacity) };
        let mut kind = source.kind()?;
        if let Kind::Compressed(compression) = kind {
            (source, kind) = source.unpack(compression, capacity)?;
        }
        match kind {
            Kind::Classic(_) => source.header()?,
            Kind::Compressed(_) => {
                return Err(source
                    .walk
                    .unsupported("it is compressed twice: unpack it once first"));
            }
            Kind::Foreign(reason) | Kind::Packed(reason) => {
                return Err(source.walk.unsupported(reason));
            }
            Kind::Pcapng => {}
            Kind::Unknown => {
                let path = source.walk.path().to_owned();
                let head = source.walk.unread();
                return Err(if head.is_empty() {
                    Error::Empty { path }
                } else {
                    let magic = head.iter().take(4).copied().collect();
                    Error::NotACapture { path, magic }
                });
            }
        }
        Ok(source)
    }

    /// What it is called in messages.
    pub(super) fn path(&self) -> &Path {
        self.walk.path()
    }

    /// The size of the file as it lies on the disk, if it is one.
    pub(super) const fn size(&self) -> Option<u64> {
        self.size
    }

    /// What was read so far.
    pub(super) const fn stats(&self) -> CaptureStats {
        self.walk.stats()
    }

    /// Where it comes from, and what has come of it.
    pub(super) fn into_parts(self) -> (Input, Walk) {
        (self.input, self.walk)
    }

    /// What the unread bytes begin with.
    fn kind(&mut self) -> Result<Kind, Error> {
        while self.walk.unread().len() < HEAD && self.refill(HEAD)? > 0 {}
        Ok(Kind::of(self.walk.unread()))
    }

    /// From here on the input, beginning with what is in the buffer, is decompressed; and what the
    /// decompressed data begins with.
    #[cfg(feature = "compression")]
    fn unpack(mut self, compression: Compression, capacity: usize) -> Result<(Self, Kind), Error> {
        let read = self.walk.unpacked(capacity);
        self.input = self.input.unpacked(compression, read);
        let kind = self.kind()?;
        Ok((self, kind))
    }

    /// There is nothing to decompress with.
    #[cfg(not(feature = "compression"))]
    fn unpack(self, compression: Compression, _capacity: usize) -> Result<(Self, Kind), Error> {
        Err(self.walk.unsupported(compression.refusal()))
    }

    /// Read the header of a classic pcap file.
    fn header(&mut self) -> Result<(), Error> {
        while self.walk.unread().len() < FILE_HEADER {
            if self.refill(FILE_HEADER)? == 0 {
                return Err(self.walk.truncated("the file header"));
            }
        }
        self.walk.header()
    }

    /// Read once, so that the buffer can hold `want` unread bytes. Zero is the end of the input.
    fn refill(&mut self, want: usize) -> Result<usize, Error> {
        self.walk.refill(want, &mut self.input)
    }

    /// Deliver what is whole in the buffer; if that is nothing, refill until something is. What was
    /// delivered stays where it is until the next call.
    pub(super) fn advance(&mut self, sink: &mut impl FnMut(&[Frame<'_>])) -> Result<Poll, Error> {
        let before = self.walk.stats().frames;
        loop {
            let want = self.walk.frames(sink)?;
            if self.walk.stats().frames > before {
                let frames = self.walk.stats().frames.saturating_sub(before);
                return Ok(Poll::Frames(usize::try_from(frames).unwrap_or(usize::MAX)));
            }
            if self.refill(want)? == 0 {
                return self.walk.end();
            }
        }
    }
}
