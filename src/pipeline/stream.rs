//! Streams that a run can be asked to stop waiting for.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;

use super::Progress;

/// Standard input, a FIFO or a device, until its end or until the run is asked to stop: a reader that
/// blocks in the kernel would not hear of Ctrl-C.
pub(super) struct Stream {
    file: File,
    progress: Arc<Progress>,
}

/// How long to wait before asking again whether to stop.
const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

impl Stream {
    /// Standard input, beside the library's buffer: nobody could wait for what is in that.
    pub(super) fn stdin(progress: &Arc<Progress>) -> io::Result<Self> {
        let file = io::stdin().as_fd().try_clone_to_owned()?.into();
        Ok(Self { file, progress: Arc::clone(progress) })
    }

    /// What is no regular file. To open a FIFO as files are opened is to wait for its writer.
    pub(super) fn open(path: &Path, progress: &Arc<Progress>) -> io::Result<Self> {
        let flags = OFlags::NONBLOCK.bits().cast_signed();
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
        Ok(Self { file, progress: Arc::clone(progress) })
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.progress.is_stopping() {
                return Ok(0);
            }
            let mut ready = [PollFd::new(&self.file, PollFlags::IN)];
            match poll(&mut ready, Some(&PATIENCE)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => continue,
                // Data, the end, or an error that the read will tell.
                Ok(_) | Err(_) => {}
            }
            match self.file.read(buffer) {
                // Another reader of the same pipe was faster.
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                read => return read,
            }
        }
    }
}
