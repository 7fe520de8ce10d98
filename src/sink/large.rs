//! [`LargeFile`]: records in a file, past the page cache where they are many.
//!
//! The records of an archive are not read while they are written, and may be more than memory has
//! room for. Through the page cache the kernel would copy them all, push out the captures that are
//! still to be read, and leave most of the waiting for the disk to the end. So what fills a block is
//! written from it straight to the disk (`O_DIRECT`), by a thread that does nothing else. What
//! fills none, and where a file system cannot do that, goes through the page cache as ever.

use std::fs::File;
use std::io::{self, Write};
use std::mem;
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, RecvError, Sender, bounded};

use super::OutputFile;
use crate::cores;

/// Bytes that are written at once, in as many pages as virtual disks take with one request: of one page more
/// they would be told twice as often.
const BLOCK: usize = 254 * ALIGNMENT;

/// What a block's place in memory and in the file, and its length, are multiples of: a page, which is
/// as much as disks ask for.
const ALIGNMENT: usize = 4096;

/// Blocks beside the one that is being filled. They are made when they are needed: where the disk keeps up, that
/// is one.
const BLOCKS: usize = 4;

/// Filled block by block, and named as an [`OutputFile`] is.
#[derive(Debug)]
pub struct LargeFile {
    file: OutputFile,
    block: Block,
    way: Way,
}

/// How blocks get into the file.
#[derive(Debug)]
enum Way {
    /// None was full yet.
    Untried,
    /// Through the page cache.
    Cached,
    /// Past it.
    Direct(Beside),
}

/// Memory for one write, at a place where the kernel can hand it to the disk.
#[derive(Debug)]
struct Block {
    memory: Vec<u8>,
    start: usize,
}

/// The thread that writes, and the blocks on their way to it and back.
#[derive(Debug)]
struct Beside {
    full: Sender<Block>,
    empty: Receiver<Block>,
    /// How many blocks may still be made.
    unmade: usize,
    thread: JoinHandle<io::Result<()>>,
}

impl LargeFile {
    /// Fill this file, which is empty.
    pub fn new(file: OutputFile) -> Self {
        Self { file, block: Block::new(), way: Way::Untried }
    }

    /// Take what comes next.
    pub fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        if self.file.is_special() {
            // Who reads from it does so while it is written.
            return self.file.write_all(bytes);
        }
        while !bytes.is_empty() {
            bytes = self.block.fill(bytes);
            if self.block.bytes().len() == BLOCK {
                self.write_block()?;
            }
        }
        Ok(())
    }

    fn write_block(&mut self) -> io::Result<()> {
        if matches!(self.way, Way::Untried) {
            self.way = Beside::begin(self.file.file()).map_or(Way::Cached, Way::Direct);
        }
        let Way::Direct(beside) = &mut self.way else {
            self.file.write_all(self.block.bytes())?;
            self.block.clear();
            return Ok(());
        };
        if let Ok(empty) = beside.empty_block()
            && beside.full.send(mem::replace(&mut self.block, empty)).is_ok()
        {
            return Ok(());
        }
        // The thread ends before it is told to only where it could not write.
        self.join()
    }

    /// Wait for what is under way.
    fn join(&mut self) -> io::Result<()> {
        let Way::Direct(Beside { full, empty, thread, .. }) =
            mem::replace(&mut self.way, Way::Cached)
        else {
            return Ok(());
        };
        drop((full, empty));
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the writing thread failed")))
    }

    /// It is complete: give it its name.
    pub fn finish(mut self) -> io::Result<()> {
        if matches!(self.way, Way::Direct(_)) {
            self.join()?;
            // What is left is no multiple of anything.
            direct(self.file.file(), false)?;
        }
        self.file.write_all(self.block.bytes())?;
        self.file.finish()
    }
}

impl Block {
    fn new() -> Self {
        let mut memory = Vec::<u8>::with_capacity(BLOCK.saturating_add(ALIGNMENT));
        let start = memory.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        memory.resize(start, 0);
        Self { memory, start }
    }

    fn bytes(&self) -> &[u8] {
        self.memory.get(self.start..).unwrap_or_default()
    }

    /// Take as many bytes as there is room for, and return the others.
    fn fill<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let room = BLOCK.saturating_sub(self.bytes().len());
        let (now, later) = bytes.split_at(room.min(bytes.len()));
        self.memory.extend_from_slice(now);
        later
    }

    fn clear(&mut self) {
        self.memory.truncate(self.start);
    }
}

impl Beside {
    /// Begin to write past the page cache, where that is possible.
    fn begin(file: &File) -> Option<Self> {
        let own = file.try_clone().ok()?;
        // It counts for whoever has this file open, and so for both.
        direct(file, true).ok()?;
        let (full, full_rx) = bounded(BLOCKS.saturating_add(1));
        let (empty_tx, empty) = bounded(BLOCKS.saturating_add(1));
        let beside = cores::Beside::this();
        let writing = thread::Builder::new().name("writing".to_owned()).spawn(move || {
            beside.keep();
            write_blocks(&own, &full_rx, &empty_tx)
        });
        if writing.is_err() {
            // There can be no more threads: through the cache then.
            let _ = direct(file, false);
        }
        Some(Self { full, empty, unmade: BLOCKS, thread: writing.ok()? })
    }

    /// A block to be filled, once there is one.
    fn empty_block(&mut self) -> Result<Block, RecvError> {
        if let Ok(block) = self.empty.try_recv() {
            return Ok(block);
        }
        if self.unmade > 0 {
            self.unmade = self.unmade.saturating_sub(1);
            return Ok(Block::new());
        }
        self.empty.recv()
    }
}

fn write_blocks(mut file: &File, full: &Receiver<Block>, empty: &Sender<Block>) -> io::Result<()> {
    for mut block in full {
        let mut bytes = block.bytes();
        while !bytes.is_empty() {
            match file.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    if count % ALIGNMENT != 0 {
                        direct(file, false)?;
                    }
                    bytes = bytes.get(count..).unwrap_or_default();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // A file system that allowed it before it was asked to do it.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput && is_direct(file) => {
                    direct(file, false)?;
                }
                Err(error) => return Err(error),
            }
        }
        block.clear();
        // Nobody waits for the last ones.
        let _ = empty.send(block);
    }
    Ok(())
}

/// Write past the page cache from now on, or through it.
#[cfg(target_os = "linux")]
fn direct(file: &File, on: bool) -> io::Result<()> {
    use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

    let mut flags = fcntl_getfl(file)?;
    flags.set(OFlags::DIRECT, on);
    Ok(fcntl_setfl(file, flags)?)
}

/// There is another way to do it elsewhere, or none.
#[cfg(not(target_os = "linux"))]
fn direct(_: &File, on: bool) -> io::Result<()> {
    if on { Err(io::ErrorKind::Unsupported.into()) } else { Ok(()) }
}

#[cfg(target_os = "linux")]
fn is_direct(file: &File) -> bool {
    rustix::fs::fcntl_getfl(file).is_ok_and(|flags| flags.contains(rustix::fs::OFlags::DIRECT))
}

#[cfg(not(target_os = "linux"))]
fn is_direct(_: &File) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// So many bytes of which no two pieces are alike.
    fn text(count: usize) -> Vec<u8> {
        (0..=count as u64 / 8).flat_map(u64::to_le_bytes).take(count).collect()
    }

    fn skipped() {
        eprintln!("skipped: this file system cannot be written to past the page cache");
    }

    #[test]
    fn blocks_and_what_is_left_come_out_in_order() {
        let folder = tempfile::tempdir().unwrap();
        for size in [0, 1, BLOCK - 1, BLOCK, 3 * BLOCK, 5 * BLOCK + 4_099] {
            let path = folder.path().join("flows.ndjson");
            let mut file = LargeFile::new(OutputFile::create(&path).unwrap());
            let text = text(size);
            for piece in text.chunks(190_001) {
                file.write(piece).unwrap();
            }
            assert_eq!(matches!(file.way, Way::Untried), size < BLOCK);
            file.finish().unwrap();
            assert!(fs::read(&path).unwrap() == text, "{size} bytes");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_the_disk_cannot_take_goes_through_the_cache() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flows.ndjson");
        let file = File::create(&path).unwrap();
        let text = text(3 * ALIGNMENT);
        // No multiple of anything, and what follows it does not begin at one.
        let Some(beside) = Beside::begin(&file) else { return skipped() };
        for part in [&text[..1_001], &text[1_001..]] {
            let mut block = Block::new();
            assert!(block.fill(part).is_empty());
            beside.full.send(block).unwrap();
        }
        let Beside { full, empty, thread, .. } = beside;
        drop((full, empty));
        thread.join().unwrap().unwrap();
        assert!(fs::read(&path).unwrap() == text);
    }

    #[test]
    fn where_it_could_not_be_written_that_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flows.ndjson");
        let out = OutputFile::create(&path).unwrap();
        // It may be read only, which is seen when it is written.
        let read_only = File::open(file!()).unwrap();
        let Some(beside) = Beside::begin(&read_only) else { return skipped() };
        let mut file = LargeFile { file: out, block: Block::new(), way: Way::Direct(beside) };
        let text = text(BLOCK);
        let told = (0..=2 * BLOCKS).find_map(|_| file.write(&text).err()).unwrap();
        assert_eq!(told.raw_os_error(), Some(rustix::io::Errno::BADF.raw_os_error()), "{told}");
        drop(file);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_fifo_gets_all_of_it_at_once() {
        let mut file = LargeFile::new(OutputFile::create(Path::new("/dev/null")).unwrap());
        file.write(b"{}\n").unwrap();
        assert!(file.block.bytes().is_empty());
        file.finish().unwrap();
    }
}
