//! [`Input`]: the bytes of a capture, out of whatever they come packed in.

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
    Plain(Box<dyn Read + Send>),
}

impl Input {
    /// As it comes.
    pub(super) const fn plain(reader: Box<dyn Read + Send>) -> Self {
        Self { from: From::Plain(reader), position: 0 }
    }

    /// Decompressed from here on, beginning with what was `read` already.
    #[cfg(feature = "compression")]
    pub(super) fn unpacked(self, compression: Compression, read: Buffer) -> Self {
        let from = match self.from {
            From::Plain(reader) => {
                From::Compressed(Box::new(Decompressor::new(compression, reader, read)))
            }
            compressed @ From::Compressed(_) => compressed,
        };
        Self { from, ..self }
    }

    /// Whether it is decompressed.
    pub(super) const fn is_unpacked(&self) -> bool {
        !matches!(self.from, From::Plain(_))
    }

    /// Bytes that were read, before decompression.
    pub(super) const fn position(&self) -> u64 {
        self.position
    }

    /// Read once. Zero is the end. `path` is what it is called in errors.
    pub(super) fn read(&mut self, space: &mut [u8], path: &Path) -> Result<usize, Error> {
        match &mut self.from {
            #[cfg(feature = "compression")]
            From::Compressed(decompressor) => {
                let result = decompressor.read(space);
                self.position = decompressor.position();
                result.map_err(|fault| {
                    let (path, offset) = (path.to_owned(), Offset::File(self.position));
                    match fault {
                        Fault::Cut(within) => Error::Truncated { path, offset, within },
                        Fault::Damage(reason) => Error::Malformed { path, offset, reason },
                        Fault::Read(cause) => Error::Read { path, offset, cause },
                        Fault::Unsupported(reason) => Error::Unsupported { path, reason },
                    }
                })
            }
            From::Plain(reader) => {
                let count = read_some(&mut **reader, space).map_err(|cause| Error::Read {
                    path: path.to_owned(),
                    offset: Offset::File(self.position),
                    cause,
                })?;
                self.position = self.position.saturating_add(count as u64);
                Ok(count)
            }
        }
    }
}
