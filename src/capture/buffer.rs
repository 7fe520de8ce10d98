//! The one refill buffer: frames are slices of it.

use std::io::{self, Read};
use std::mem;
use std::ops::Range;

/// Bytes that were read and not yet used, in a buffer that is reused.
///
/// ```text
///            start           end          bytes.len()
///   ┌──────────┬──────────────┬───────────────┐
///   │   used   │    unread    │     space     │
///   └──────────┴──────────────┴───────────────┘
///              ▲ position in the stream
/// ```
#[derive(Default)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    position: u64,
}

impl Buffer {
    pub(super) fn new(capacity: usize) -> Self {
        Self { bytes: vec![0; capacity], ..Self::default() }
    }

    /// What was read and not yet used.
    pub(super) fn unread(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// Where the first unread byte lies in the stream.
    pub(super) const fn position(&self) -> u64 {
        self.position
    }

    /// Note that the first `count` unread bytes are used.
    pub(super) fn consume(&mut self, count: usize) {
        let count = count.min(self.end.saturating_sub(self.start));
        self.start = self.start.saturating_add(count);
        self.position = self.position.saturating_add(count as u64);
    }

    /// Room behind the unread bytes, at least so much that `want` of them can be held.
    ///
    /// What is unread is moved to the front first: less than one record, so this is cheap.
    pub(super) fn space(&mut self, want: usize) -> &mut [u8] {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end = self.end.saturating_sub(self.start);
            self.start = 0;
        }
        let want = want.max(self.end.saturating_add(1));
        if want > self.bytes.len() {
            self.bytes.resize(want, 0);
        }
        self.bytes.get_mut(self.end..).unwrap_or_default()
    }

    /// Go on in this memory, of which `new` are the next bytes. What is unread goes before them if there is
    /// room for it; otherwise they are put behind it, and the memory comes back.
    pub(super) fn go_on_in(&mut self, mut memory: Vec<u8>, new: Range<usize>) -> Option<Vec<u8>> {
        let unread = self.unread();
        if let Some(start) = new.start.checked_sub(unread.len())
            && let Some(front) = memory.get_mut(start..new.start)
        {
            front.copy_from_slice(unread);
            (self.start, self.end) = (start, new.end.min(memory.len()));
            self.bytes = memory;
            return None;
        }
        self.bytes.truncate(self.end);
        self.bytes.drain(..self.start);
        self.bytes.extend_from_slice(memory.get(new).unwrap_or_default());
        (self.start, self.end) = (0, self.bytes.len());
        Some(memory)
    }

    /// The memory, with what was in it. What is unread is kept apart.
    pub(super) fn part(&mut self) -> Vec<u8> {
        let unread = self.unread().to_vec();
        (self.start, self.end) = (0, unread.len());
        mem::replace(&mut self.bytes, unread)
    }

    /// Note that `count` bytes were put into the space.
    pub(super) fn filled(&mut self, count: usize) {
        self.end = self.end.saturating_add(count).min(self.bytes.len());
    }
}

/// One read, again if a signal interrupts it.
pub(super) fn read_some(reader: &mut dyn Read, space: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(space) {
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
