//! Which core a thread runs on.
//!
//! Of the threads that read captures one is waited for most: the one that follows the packets. Left to itself
//! the system lets others run in its place now and then, and moves it to another core, where nothing of what
//! it keeps of its connections is near. So it has one for itself where there are two. Where there are more the
//! system finds a free one for it, and knows better which are fast.
//!
//! Only Linux is asked. Where it does not answer, all works as well.

#[cfg(target_os = "linux")]
use std::cell::Cell;

#[cfg(target_os = "linux")]
use rustix::thread::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};

#[cfg(target_os = "linux")]
thread_local! {
    /// Where threads go that this one starts: it has its own core for itself.
    static REST: Cell<Option<CpuSet>> = const { Cell::new(None) };
}

/// How two cores are shared out: one for one thread, the rest for all others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cores {
    #[cfg(target_os = "linux")]
    one: CpuSet,
    #[cfg(target_os = "linux")]
    rest: CpuSet,
}

impl Cores {
    /// The two that may be used. None if they are more or fewer.
    pub(crate) fn share() -> Option<Self> {
        #[cfg(target_os = "linux")]
        {
            let all = sched_getaffinity(None).ok()?;
            // The core that the caller runs on, who is going to wait: who has one for itself in another process
            // that began at the same time has another one.
            let here = sched_getcpu();
            if all.count() != 2 || here >= CpuSet::MAX_CPU || !all.is_set(here) {
                return None;
            }
            let (mut one, mut rest) = (CpuSet::new(), all);
            one.set(here);
            rest.unset(here);
            Some(Self { one, rest })
        }
        #[cfg(not(target_os = "linux"))]
        {
            None
        }
    }

    /// Let the calling thread have the one core for itself.
    pub(crate) fn keep_one(&self) {
        #[cfg(target_os = "linux")]
        if sched_setaffinity(None, &self.one).is_ok() {
            REST.set(Some(self.rest));
        }
    }

    /// Let the calling thread run on the others.
    pub(crate) fn keep_off(&self) {
        #[cfg(target_os = "linux")]
        {
            // It works wherever it runs.
            let _ = sched_setaffinity(None, &self.rest);
        }
    }
}

/// Where a thread runs that works beside the one that starts it, which would share its core with it otherwise.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Beside {
    #[cfg(target_os = "linux")]
    rest: Option<CpuSet>,
}

impl Beside {
    /// Beside the calling thread.
    pub(crate) fn this() -> Self {
        Self {
            #[cfg(target_os = "linux")]
            rest: REST.get(),
        }
    }

    /// Let the calling thread run there.
    pub(crate) fn keep(self) {
        #[cfg(target_os = "linux")]
        if let Some(rest) = self.rest {
            let _ = sched_setaffinity(None, &rest);
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::thread;

    use super::*;

    /// The cores of the calling thread, and those of one that it starts to work beside it.
    fn both() -> (rustix::io::Result<CpuSet>, rustix::io::Result<CpuSet>) {
        let beside = Beside::this();
        let started = thread::spawn(move || {
            beside.keep();
            sched_getaffinity(None)
        });
        (sched_getaffinity(None), started.join().unwrap_or(Err(rustix::io::Errno::SRCH)))
    }

    #[test]
    fn one_thread_has_one_of_two_cores_and_all_others_have_the_other() {
        let all = sched_getaffinity(None).unwrap();
        let mut those = (0..CpuSet::MAX_CPU).filter(|core| all.is_set(*core));
        let mut few = CpuSet::new();
        for count in 1..=3 {
            let Some(core) = those.next() else { break };
            few.set(core);
            sched_setaffinity(None, &few).unwrap();
            let Some(cores) = Cores::share() else {
                assert_ne!(count, 2);
                continue;
            };
            assert_eq!((count, cores.one.count(), cores.rest.count()), (2, 1, 1));
            assert_ne!(cores.one, cores.rest);
            thread::scope(|scope| {
                scope.spawn(|| {
                    cores.keep_one();
                    assert_eq!(both(), (Ok(cores.one), Ok(cores.rest)));
                });
                scope.spawn(|| {
                    cores.keep_off();
                    assert_eq!(both(), (Ok(cores.rest), Ok(cores.rest)));
                });
            });
            assert_eq!(both(), (Ok(few), Ok(few)), "who shared them out runs where it ran");
        }
    }
}
