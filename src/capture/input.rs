//! [`Input`]: the bytes of a capture, out of whatever they come packed in.

use std::fs;
use std::io::Read;
use std::path::Path;

use super::buffer::read_some;
#[cfg(feature = "compression")]
use super::compressed::{Decompressor, Fault};
use super::{Error, Offset};
#[cfg(feature = "compression")]
use super::{buffer::Buffer, magic::Compression};

/// A file or stream, decompressed if it has to be.
pub(super) struct Input {
    from: From,
    /// Bytes that were read, before decompression.
    position: u64,
}

enum From {
    #[cfg(feature = "compression")]
    Compressed(Box<Decompressor>),
    File(fs::File),
    Stream(Box<dyn Read + Send>),
}

impl Input {
    /// A file that any part of can be read at any time, from its beginning.
    pub(super) const fn file(file: fs::File) -> Self {
        Self { from: From::File(file), position: 0 }
    }

    /// As it comes.
    pub(super) const fn stream(reader: Box<dyn Read + Send>) -> Self {
        Self { from: From::Stream(reader), position: 0 }
    }

    /// The file, if it is one that is not decompressed.
    pub(super) fn into_file(self) -> Result<fs::File, Self> {
        match self {
            Self { from: From::File(file), .. } => Ok(file),
            other => Err(other),
        }
    }

    /// Decompressed from here on, beginning with what was `read` already.
    #[cfg(feature = "compression")]
    pub(super) fn unpacked(self, compression: Compression, read: Buffer) -> Self {
        let packed: Box<dyn Read + Send> = match self.from {
            From::File(file) => Box::new(file),
            From::Stream(reader) => reader,
            compressed @ From::Compressed(_) => return Self { from: compressed, ..self },
        };
        let decompressor = Decompressor::new(compression, packed, read);
        Self { from: From::Compressed(Box::new(decompressor)), ..self }
    }

    /// Bytes that were read, before decompression.
    pub(super) const fn position(&self) -> u64 {
        self.position
    }

    /// Read once. Zero is the end. `path` is what it is called in errors.
    pub(super) fn read(&mut self, space: &mut [u8], path: &Path) -> Result<usize, Error> {
        let reader: &mut dyn Read = match &mut self.from {
            #[cfg(feature = "compression")]
            From::Compressed(decompressor) => {
                let result = decompressor.read(space);
                self.position = decompressor.position();
                return result.map_err(|fault| {
                    let (path, offset) = (path.to_owned(), Offset::File(self.position));
                    match fault {
                        Fault::Cut(within) => Error::Truncated { path, offset, within },
                        Fault::Damage(reason) => Error::Malformed { path, offset, reason },
                        Fault::Read(cause) => Error::Read { path, offset, cause },
                        Fault::Unsupported(reason) => Error::Unsupported { path, reason },
                    }
                });
            }
            From::File(file) => file,
            From::Stream(stream) => stream,
        };
        let count = read_some(reader, space).map_err(|cause| Error::Read {
            path: path.to_owned(),
            offset: Offset::File(self.position),
            cause,
        })?;
        self.position = self.position.saturating_add(count as u64);
        Ok(count)
    }
}
