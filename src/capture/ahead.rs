//! [`Ahead`]: a thread that reads and unpacks, and looks for the frames, before they are wanted.
//!
//! ```text
//!              full blocks ─▶
//!   Reader in a thread      frames
//!              ◀─ empty blocks
//! ```
//!
//! A few blocks go round. Each is the buffer of the [`Reader`] for a while, and holds whole records
//! then; the piece of one that it ends with is put before the next block.
//!
//! What one core has read lies in its cache, and is far away for another one, which would wait for the
//! header of a record, to learn where the next one is, and so on. The thread has it near, and notes where
//! the frames are: so the headers of many can be asked for at a time, and nothing is fetched of what nobody
//! looks at.

use std::io;
use std::path::Path;
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::file::BATCH;
use super::reader::Reader;
use super::{CaptureStats, Error, Frame, LinkType, Offset, Poll};
use crate::clock::Timestamp;
use crate::prefetch::prefetch_range;

/// Blocks that go round.
const BLOCKS: usize = 8;

/// Bytes that are read at once. With fewer a thread is woken more often, more lie farther away: of 64 KiB to
/// 4 MiB this was the fastest.
const SIZE: usize = 512 << 10;

/// Bytes of a frame that are looked at in any case: usual headers up to TCP's, with its options.
const HEADERS: usize = 66;

/// A capture that is read by a thread of its own.
pub(super) struct Ahead {
    full: Receiver<Read>,
    empty: Sender<Block>,
    /// How far it is, with what was handed out.
    stats: CaptureStats,
}

/// What one read brought.
struct Read {
    block: Block,
    /// How far it is read with these frames.
    stats: CaptureStats,
    /// What comes behind them.
    polled: Result<Poll, Error>,
}

/// Memory that is read into, and the frames in it.
#[derive(Default)]
struct Block {
    memory: Vec<u8>,
    frames: Vec<At>,
}

/// A frame in the memory of a block.
struct At {
    timestamp: Timestamp,
    /// The address of its first byte: no pointer, but the number that tells how far into the memory it lies.
    address: usize,
    len: usize,
    wire_len: u32,
    link: LinkType,
}

impl Ahead {
    /// Begin to read. The reader comes back if there can be no thread.
    pub(super) fn start(reader: Box<Reader>) -> Result<Self, Box<Reader>> {
        let (full_tx, full) = bounded(BLOCKS);
        let (empty, empty_rx) = bounded(BLOCKS);
        let stats = reader.stats();
        // Handed over once the thread is there, so that it is not lost if there is none.
        let (reader_tx, reader_rx) = bounded::<Box<Reader>>(1);
        let begun = thread::Builder::new().name("read ahead".to_owned()).spawn(move || {
            if let Ok(reader) = reader_rx.recv() {
                read_on(*reader, &empty_rx, &full_tx);
            }
        });
        if begun.is_err() {
            return Err(reader);
        }
        for _ in 0..BLOCKS {
            // There is room for all of them.
            let _ = empty.send(Block::default());
        }
        match reader_tx.send(reader) {
            Ok(()) => Ok(Self { full, empty, stats }),
            Err(unsent) => Err(unsent.into_inner()),
        }
    }

    /// How far it was read, with what was handed out.
    pub(super) const fn stats(&self) -> CaptureStats {
        self.stats
    }

    /// Like [`Reader::advance`], of the capture at `path`.
    pub(super) fn advance(
        &mut self,
        sink: &mut impl FnMut(&[Frame<'_>]),
        path: &Path,
    ) -> Result<Poll, Error> {
        let Ok(Read { block, stats, polled }) = self.full.recv() else {
            // It says so before it ends, unless it ends by a fault of this program.
            return Err(Error::Read {
                path: path.to_owned(),
                offset: Offset::File(self.stats.read_bytes),
                cause: io::Error::other("internal error, please report it"),
            });
        };
        self.stats = stats;
        block.hand_out(sink);
        // The thread may be at its end already.
        let _ = self.empty.send(block);
        polled
    }
}

impl Block {
    /// Hand out all frames, each batch after the headers of the next one were asked for.
    fn hand_out(&self, sink: &mut impl FnMut(&[Frame<'_>])) {
        let mut batches = self.frames.chunks(BATCH);
        let mut next = batches.next();
        self.ask_for(next);
        let mut frames = Vec::with_capacity(BATCH);
        while let Some(batch) = next {
            next = batches.next();
            self.ask_for(next);
            frames.extend(batch.iter().map(|at| at.frame(&self.memory)));
            sink(&frames);
            frames.clear();
        }
    }

    /// Ask for the headers in the frames of a batch.
    fn ask_for(&self, batch: Option<&[At]>) {
        for at in batch.unwrap_or_default() {
            let start = at.start(&self.memory);
            prefetch_range(&self.memory, start..start.saturating_add(HEADERS));
        }
    }
}

impl At {
    fn of(frame: &Frame<'_>) -> Self {
        let &Frame { timestamp, link, wire_len, bytes } = frame;
        Self { timestamp, address: bytes.as_ptr().addr(), len: bytes.len(), wire_len, link }
    }

    /// Where it begins in the memory in which it lies.
    fn start(&self, memory: &[u8]) -> usize {
        self.address.saturating_sub(memory.as_ptr().addr())
    }

    fn frame<'a>(&self, memory: &'a [u8]) -> Frame<'a> {
        let &Self { timestamp, len, wire_len, link, .. } = self;
        let start = self.start(memory);
        let bytes = memory.get(start..start.saturating_add(len)).unwrap_or_default();
        Frame { timestamp, link, wire_len, bytes }
    }
}

/// What the thread does, until the end or until nobody wants more.
fn read_on(mut reader: Reader, empty: &Receiver<Block>, full: &Sender<Read>) {
    for Block { mut memory, mut frames } in empty {
        // One that held a long record is too large to keep.
        if memory.len() != SIZE {
            memory = vec![0; SIZE];
        }
        frames.clear();
        reader.lend(memory);
        let polled = reader.advance(&mut |batch| frames.extend(batch.iter().map(At::of)));
        let block = Block { memory: reader.give_back(), frames };
        let is_over = !matches!(polled, Ok(Poll::Frames(_)));
        if full.send(Read { block, stats: reader.stats(), polled }).is_err() || is_over {
            return;
        }
    }
}
