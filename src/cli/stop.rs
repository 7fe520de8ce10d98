//! [`Stop`]: the wish that a run should end, as SIGINT and SIGTERM tell it.

use std::ffi::c_int;
use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

/// What comes so soon after the first signal is the same wish: `timeout(1)` sends its signal to the
/// program, and then to the group of processes that the program is in.
const SAME_WISH: Duration = Duration::from_millis(500);

/// Whether the run is asked to end; one that is asked again ends at once.
pub(super) struct Stop {
    asked: Arc<AtomicBool>,
    insisted: Arc<AtomicBool>,
    /// Has something to read as soon as the run is asked to end.
    told: UnixStream,
}

impl Stop {
    /// From now on signals are heard.
    pub(super) fn hear() -> io::Result<Self> {
        Self::by(&[SIGINT, SIGTERM])
    }

    fn by(signals: &[c_int]) -> io::Result<Self> {
        let (told, tell) = UnixStream::pair()?;
        let flag = || Arc::new(AtomicBool::new(false));
        let (asked, insisted) = (flag(), flag());
        for signal in signals {
            // The second one is not asked twice.
            flag::register_conditional_default(*signal, Arc::clone(&insisted))?;
            flag::register(*signal, Arc::clone(&asked))?;
            low_level::pipe::register(*signal, tell.try_clone()?)?;
        }
        Ok(Self { asked, insisted, told })
    }

    /// The flag that is set when the run is asked to end.
    pub(super) fn asked(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.asked)
    }

    /// From now on a second wish ends the process at once. Takes a thread: a run that gives up rights does so
    /// before, as each thread has its own.
    pub(super) fn insist(self) {
        let Self { insisted, mut told, .. } = self;
        let second = Arc::clone(&insisted);
        let listening = thread::Builder::new().spawn(move || {
            if told.read_exact(&mut [0]).is_ok() {
                thread::sleep(SAME_WISH);
            }
            second.store(true, Ordering::Relaxed);
        });
        if listening.is_err() {
            // Nobody can tell them apart: better ended by any than by none.
            insisted.store(true, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use signal_hook::consts::SIGURG;

    use super::*;

    /// By a signal that does nothing of itself.
    #[test]
    fn only_what_comes_later_is_a_second_wish() {
        let stop = Stop::by(&[SIGURG]).unwrap();
        let (asked, insisted) = (stop.asked(), Arc::clone(&stop.insisted));
        stop.insist();
        let state = || (asked.load(Ordering::Relaxed), insisted.load(Ordering::Relaxed));
        assert_eq!(state(), (false, false));
        low_level::raise(SIGURG).unwrap();
        assert_eq!(state(), (true, false));
        let waited = (0..1_000).any(|_| {
            thread::sleep(Duration::from_millis(10));
            state() == (true, true)
        });
        assert!(waited);
    }
}
