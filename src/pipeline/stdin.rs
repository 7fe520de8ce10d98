//! Standard input that a run can be asked to stop waiting for.

use std::io::{self, Read};
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::Progress;

/// Standard input, until its end or until the run is asked to stop: a reader that blocks in the
/// kernel would not hear of Ctrl-C.
pub(super) struct Stdin {
    pub(super) progress: Arc<Progress>,
}

/// How long to wait before asking again whether to stop.
const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

impl Read for Stdin {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let stdin = io::stdin();
        loop {
            if self.progress.is_stopping() {
                return Ok(0);
            }
            let mut ready = [PollFd::new(&stdin, PollFlags::IN)];
            match poll(&mut ready, Some(&PATIENCE)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                // Data, the end, or an error that the read will tell.
                Ok(_) | Err(_) => return stdin.lock().read(buffer),
            }
        }
    }
}
