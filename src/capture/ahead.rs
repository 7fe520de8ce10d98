//! [`Ahead`]: a thread that reads and unpacks before the bytes are wanted.
//!
//! ```text
//!             full blocks ─▶
//!   Input ─▶ thread      Buffer ─▶ frames
//!             ◀─ empty blocks
//! ```
//!
//! A few blocks go round. Each has room at its front for the piece of a record that the block before
//! it ended with, so that its bytes are not copied again: the block becomes the buffer.

use std::io;
use std::path::Path;
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::buffer::Buffer;
use super::input::Input;
use super::{Error, Offset};
use crate::prefetch::prefetch_all;

/// Blocks that go round, besides the one that is being read from.
const BLOCKS: usize = 8;

/// Empty blocks that go back together: to wake a thread takes longer than to read half a block.
const TOGETHER: usize = 4;

/// Room at the front of a block: for all records but those of jumbo frames and long blocks.
const HEADROOM: usize = 16 << 10;

/// Size of a block.
const SIZE: usize = HEADROOM + (256 << 10);

/// An input that is read by a thread of its own.
pub(super) struct Ahead {
    full: Receiver<Block>,
    empty: Sender<Vec<u8>>,
    /// Empty blocks that are to go back.
    emptied: Vec<Vec<u8>>,
    position: u64,
    ended: bool,
}

/// What one read brought.
struct Block {
    bytes: Vec<u8>,
    /// How many bytes behind the headroom; zero at the end.
    read: Result<usize, Error>,
    /// How far the input was read.
    position: u64,
}

impl Ahead {
    /// Begin to read. The input comes back if there can be no thread.
    pub(super) fn start(input: Input, path: &Path) -> Result<Self, Input> {
        let (full_tx, full) = bounded(BLOCKS);
        let (empty, empty_rx) = bounded(BLOCKS);
        let position = input.position();
        // Handed over once the thread is there, so that it is not lost if there is none.
        let (input_tx, input_rx) = bounded::<Input>(1);
        let path = path.to_owned();
        let begun = thread::Builder::new().name("read ahead".to_owned()).spawn(move || {
            if let Ok(input) = input_rx.recv() {
                read_on(input, &path, &empty_rx, &full_tx);
            }
        });
        if begun.is_err() {
            return Err(input);
        }
        for _ in 0..BLOCKS {
            // There is room for all of them.
            let _ = empty.send(Vec::new());
        }
        match input_tx.send(input) {
            Ok(()) => Ok(Self { full, empty, emptied: Vec::new(), position, ended: false }),
            Err(unsent) => Err(unsent.into_inner()),
        }
    }

    /// Bytes that were read, before decompression, for what was handed out.
    pub(super) const fn position(&self) -> u64 {
        self.position
    }

    /// Put the next bytes behind what is unread in the buffer, which is to hold `want` of them in
    /// the end. Zero is the end.
    pub(super) fn refill(
        &mut self,
        buffer: &mut Buffer,
        want: usize,
        path: &Path,
    ) -> Result<usize, Error> {
        if self.ended {
            return Ok(0);
        }
        let Ok(block) = self.full.recv() else {
            // It says so before it ends, unless it ends by a fault of this program.
            return Err(Error::Read {
                path: path.to_owned(),
                offset: Offset::File(self.position),
                cause: io::Error::other("internal error, please report it"),
            });
        };
        self.position = block.position;
        self.ended = !matches!(block.read, Ok(1..));
        let count = block.read?;
        // It lies in the cache of another core, and packets would wait for one line after the other.
        prefetch_all(&block.bytes);
        let empty = buffer.take_over(block.bytes, HEADROOM, count, want);
        self.emptied.push(empty);
        if self.emptied.len() >= TOGETHER {
            for empty in self.emptied.drain(..) {
                // The thread may be at its end already.
                let _ = self.empty.send(empty);
            }
        }
        Ok(count)
    }
}

/// What the thread does, until the end or until nobody wants more.
fn read_on(mut input: Input, path: &Path, empty: &Receiver<Vec<u8>>, full: &Sender<Block>) {
    for mut bytes in empty {
        // The first buffer was another size, and one that held a long record is too large to keep.
        if bytes.len() != SIZE {
            bytes = vec![0; SIZE];
        }
        let read = input.read(bytes.get_mut(HEADROOM..).unwrap_or_default(), path);
        let ended = !matches!(read, Ok(1..));
        let sent = full.send(Block { bytes, read, position: input.position() });
        if ended || sent.is_err() {
            return;
        }
    }
}
