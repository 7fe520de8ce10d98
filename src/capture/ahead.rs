//! [`Ahead`]: a thread that reads and unpacks, and looks for the frames, before they are wanted.
//!
//! ```text
//!                read      walked over
//!   empty block ─────▶ full ─────────▶ frames ──▶ who wants them
//!        ▲              by the thread,                  │
//!        │            or by who waits for it            │
//!        ╰──────────────────────────────────────────────╯
//! ```
//!
//! A few blocks go round. Each holds whole records in the end: the piece of one that the block before ends with
//! is put in front of what was read.
//!
//! What one core has read lies in its cache, and is far away for another one, which would wait for the
//! header of a record, to learn where the next one is, and so on. Whoever has read a block has it near, and
//! notes where the frames are: so the headers of many can be asked for at a time, and nothing is fetched of what
//! nobody looks at. For that the [`Walk`] goes from one reader to the other, in the order of the blocks.
//!
//! Any part of a file can be read at any time. Who wants frames and finds none does not wait for the thread then,
//! but reads the block behind the one that the thread is at: of bulk traffic little is looked at, and the system's
//! copy is most of the work.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::mem;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use crossbeam_channel::bounded;

use super::file::BATCH;
use super::input::Input;
use super::reader::Reader;
use super::walk::Walk;
use super::{CaptureStats, Error, Frame, LinkType, Offset, Poll};
use crate::clock::Timestamp;
use crate::cores::Beside;
use crate::prefetch::prefetch_range;

/// Blocks of the thread that go round. Of 3 to 8 none were faster than others by more than runs differ.
const BLOCKS: usize = 6;

/// Empty ones for which the thread is woken, so that it is not woken for each.
const ENOUGH: usize = 4;

/// Bytes that are read at once. With 128 KiB a run took a tenth longer; 256 KiB and 1 MiB were as fast.
const SIZE: usize = 512 << 10;

/// Room in front of them for the piece of a record that the block before ends with. A longer one is copied
/// once more.
const ROOM: usize = 64 << 10;

/// Bytes of a frame that are looked at in any case: usual headers up to TCP's, with its options.
const HEADERS: usize = 66;

/// A capture that is read before its frames are wanted.
pub(super) struct Ahead {
    shared: Arc<Shared>,
    /// How far it is, with what was handed out.
    stats: CaptureStats,
}

/// What the thread and who wants the frames have in common.
struct Shared {
    path: PathBuf,
    /// The file, if any part of it can be read at any time, and where the first block begins.
    file: Option<(fs::File, u64)>,
    desk: Mutex<Desk>,
    /// Something on the desk has changed.
    changed: Condvar,
}

/// Where blocks are taken from and brought to.
struct Desk {
    /// Unless somebody walks over a block at the moment.
    walk: Option<Walk>,
    /// The number of the block whose turn that is.
    turn: u64,
    /// The number of the block that is read next.
    next: u64,
    /// Those that nothing is in, of either reader.
    empty: Vec<Block>,
    full: VecDeque<Read>,
    /// Nothing more is read: it is at its end, or nobody wants more.
    over: bool,
}

/// What one read brought.
struct Read {
    block: Block,
    /// How far it is read with these frames.
    stats: CaptureStats,
    /// What comes behind them.
    polled: Result<Poll, Error>,
}

/// Bytes behind the room of a block.
struct Filled {
    len: usize,
    /// How far it is read with them.
    read_bytes: u64,
    behind: Behind,
}

/// What comes behind the bytes of a block.
enum Behind {
    End,
    Error(Error),
    More,
}

/// Who reads. Each reads into blocks of its own, as what is written into memory that another core wrote last
/// has to be fetched from there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Who {
    /// The thread.
    #[default]
    Thread,
    /// Who wants the frames: into one block, as there is nothing to wait for while that is full.
    Other,
}

/// Memory that is read into, and the frames in it.
#[derive(Default)]
struct Block {
    of: Who,
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
        // Given to the thread once it is there, so that nothing is lost if there is none.
        let (begin, begun) = bounded::<(Arc<Shared>, Option<Input>)>(1);
        let beside = Beside::this();
        let thread = thread::Builder::new().name("read ahead".to_owned()).spawn(move || {
            beside.keep();
            if let Ok((shared, mut input)) = begun.recv() {
                while let Some((number, block)) = shared.wait_for_room() {
                    shared.read(number, block, input.as_mut());
                }
            }
        });
        if thread.is_err() {
            return Err(reader);
        }
        let (input, mut walk) = reader.into_parts();
        let (path, stats) = (walk.path().to_owned(), walk.stats());
        // What was read before is walked over before more is read, which damage in it might make needless.
        let nothing = Filled { len: 0, read_bytes: stats.read_bytes, behind: Behind::More };
        let first = Block::default().walk_over(nothing, &mut walk);
        let (file, input) = match input.into_file() {
            Ok(file) => (Some((file, stats.read_bytes)), None),
            Err(input) => (None, Some(input)),
        };
        let mut empty: Vec<_> = (1..BLOCKS).map(|_| Block::default()).collect();
        empty.push(Block { of: Who::Other, ..Block::default() });
        let mut desk =
            Desk { walk: None, turn: 0, next: 0, empty, full: VecDeque::new(), over: false };
        desk.put(first, walk);
        let desk = Mutex::new(desk);
        let shared = Arc::new(Shared { path, file, desk, changed: Condvar::new() });
        // It waits for nothing else.
        let _ = begin.send((Arc::clone(&shared), input));
        Ok(Self { shared, stats })
    }

    /// How far it was read, with what was handed out.
    pub(super) const fn stats(&self) -> CaptureStats {
        self.stats
    }

    /// Like [`Reader::advance`], but frames may come together with the end.
    pub(super) fn advance(&mut self, sink: &mut impl FnMut(&[Frame<'_>])) -> Result<Poll, Error> {
        let Some(Read { block, stats, polled }) = self.shared.next() else {
            // Its end is said, unless it is a fault of this program.
            return Err(Error::Read {
                path: self.shared.path.clone(),
                offset: Offset::File(self.stats.read_bytes),
                cause: io::Error::other("internal error, please report it"),
            });
        };
        self.stats = stats;
        block.hand_out(sink);
        let mut desk = self.shared.desk();
        desk.empty.push(block);
        let is_enough = desk.empty.len() >= ENOUGH;
        drop(desk);
        if is_enough {
            self.shared.changed.notify_all();
        }
        polled
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.shared.end();
    }
}

impl Shared {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, desk: MutexGuard<'a, Desk>) -> MutexGuard<'a, Desk> {
        self.changed.wait(desk).unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing more is read.
    fn end(&self) {
        self.desk().over = true;
        self.changed.notify_all();
    }

    /// The next block to be read, once there is one; none at the end.
    fn wait_for_room(&self) -> Option<(u64, Block)> {
        let mut desk = self.desk();
        while !desk.over {
            if let Some(next) = desk.take_empty(Who::Thread) {
                return Some(next);
            }
            desk = self.wait(desk);
        }
        None
    }

    /// The next block with frames, or with the end, which is read here if it is not there and can be; none
    /// behind the end.
    fn next(&self) -> Option<Read> {
        let mut desk = self.desk();
        loop {
            if let Some(read) = desk.full.pop_front() {
                return Some(read);
            }
            if desk.over {
                return None;
            }
            if self.file.is_some()
                && let Some((number, block)) = desk.take_empty(Who::Other)
            {
                drop(desk);
                self.read(number, block, None);
                desk = self.desk();
            } else {
                desk = self.wait(desk);
            }
        }
    }

    /// Read a block and, when it is its turn, walk over it.
    fn read(&self, number: u64, mut block: Block, input: Option<&mut Input>) {
        // Others would wait for ever for what comes of a fault.
        let unless_over = Unless(self);
        block.make_room();
        let filled = match (&self.file, input) {
            (Some((file, start)), _) => {
                let start = start.saturating_add(number.saturating_mul(SIZE as u64));
                block.fill_from(file, start, &self.path)
            }
            (None, Some(input)) => block.fill(input, &self.path),
            (None, None) => return,
        };
        if let Some(mut walk) = self.wait_for_turn(number) {
            let read = block.walk_over(filled, &mut walk);
            self.bring(read, walk);
        }
        mem::forget(unless_over);
    }

    /// The walk, once it is this block's turn; none behind the end.
    fn wait_for_turn(&self, number: u64) -> Option<Walk> {
        let mut desk = self.desk();
        while !desk.over {
            if desk.turn == number
                && let Some(walk) = desk.walk.take()
            {
                return Some(walk);
            }
            desk = self.wait(desk);
        }
        None
    }

    /// Hand on what came of a block, and the walk.
    fn bring(&self, read: Read, walk: Walk) {
        let mut desk = self.desk();
        desk.turn = desk.turn.saturating_add(1);
        desk.put(read, walk);
        drop(desk);
        self.changed.notify_all();
    }
}

impl Desk {
    /// A block to be read into, and its number.
    fn take_empty(&mut self, of: Who) -> Option<(u64, Block)> {
        let last = self.empty.iter().rposition(|block| block.of == of)?;
        let block = self.empty.remove(last);
        let number = self.next;
        self.next = number.saturating_add(1);
        Some((number, block))
    }

    /// Put down what came of a block, and the walk.
    fn put(&mut self, read: Read, walk: Walk) {
        self.walk = Some(walk);
        match &read.polled {
            // A piece of a long record.
            Ok(Poll::Frames(0)) => self.empty.push(read.block),
            polled => {
                self.over |= !matches!(polled, Ok(Poll::Frames(_)));
                self.full.push_back(read);
            }
        }
    }
}

/// Ends the reading, unless it is forgotten.
struct Unless<'a>(&'a Shared);

impl Drop for Unless<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Block {
    fn make_room(&mut self) {
        // One that held a long record is too large to keep.
        if self.memory.len() != ROOM + SIZE {
            self.memory = vec![0; ROOM + SIZE];
        }
        self.frames.clear();
    }

    /// Fill it with what lies at `start`, whole unless the file is at its end.
    fn fill_from(&mut self, file: &fs::File, start: u64, path: &Path) -> Filled {
        let space = self.memory.get_mut(ROOM..).unwrap_or_default();
        let mut len = 0_usize;
        let behind = loop {
            let rest = space.get_mut(len..).unwrap_or_default();
            if rest.is_empty() {
                break Behind::More;
            }
            match file.read_at(rest, start.saturating_add(len as u64)) {
                Ok(0) => break Behind::End,
                Ok(count) => len = len.saturating_add(count),
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                Err(cause) => {
                    let offset = Offset::File(start.saturating_add(len as u64));
                    break Behind::Error(Error::Read { path: path.to_owned(), offset, cause });
                }
            }
        };
        Filled { len, read_bytes: start.saturating_add(len as u64), behind }
    }

    /// Fill it with what comes next.
    fn fill(&mut self, input: &mut Input, path: &Path) -> Filled {
        let space = self.memory.get_mut(ROOM..).unwrap_or_default();
        let (len, behind) = match input.read(space, path) {
            Ok(0) => (0, Behind::End),
            Ok(count) => (count, Behind::More),
            Err(error) => (0, Behind::Error(error)),
        };
        Filled { len, read_bytes: input.position(), behind }
    }

    /// Note where the frames are.
    fn walk_over(mut self, filled: Filled, walk: &mut Walk) -> Read {
        let Filled { len, read_bytes, behind } = filled;
        walk.set_read(read_bytes);
        let memory = mem::take(&mut self.memory);
        let unused = walk.feed(memory, ROOM..ROOM.saturating_add(len));
        let frames = &mut self.frames;
        let walked = walk.frames(&mut |batch| frames.extend(batch.iter().map(At::of)));
        let polled = walked.and_then(|_| match behind {
            Behind::End => walk.end(),
            Behind::Error(error) => Err(error),
            Behind::More => Ok(Poll::Frames(frames.len())),
        });
        self.memory = match unused {
            // What is in the other memory is still a piece of a record.
            Some(memory) if self.frames.is_empty() => memory,
            _ => walk.give_back(),
        };
        Read { block: self, stats: walk.stats(), polled }
    }

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
