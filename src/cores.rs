//! Which core a thread runs on.
//!
//! Of the threads that read captures one is waited for most: the one that follows the packets. Left to itself
//! the system lets others run in its place now and then, and moves it to another core, where nothing of what
//! it keeps of its connections is near. So it has a core for itself where there are no more of them than
//! threads. Where there are more, the system finds a free one for each.
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

/// How the cores that may be used are shared out: one for one thread, the rest for all others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cores {
    #[cfg(target_os = "linux")]
    one: CpuSet,
    #[cfg(target_os = "linux")]
    rest: CpuSet,
}

impl Cores {
    /// For this many threads that compute. None if there are more cores, or but one.
    pub(crate) fn share(threads: usize) -> Option<Self> {
        #[cfg(target_os = "linux")]
        {
            let all = sched_getaffinity(None).ok()?;
            let count = usize::try_from(all.count()).ok()?;
            // The core that the caller runs on, who is going to wait: who has one for itself in another process
            // that began at the same time has another one.
            let here = sched_getcpu();
            if count < 2 || count > threads || here >= CpuSet::MAX_CPU || !all.is_set(here) {
                return None;
            }
            let (mut one, mut rest) = (CpuSet::new(), all);
            one.set(here);
            rest.unset(here);
            Some(Self { one, rest })
        }
        #[cfg(not(target_os = "linux"))]
        {
            let _ = threads;
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

    fn allowed() -> rustix::io::Result<CpuSet> {
        sched_getaffinity(None)
    }

    #[test]
    fn one_thread_has_a_core_and_all_others_the_rest() {
        let all = allowed().unwrap();
        let count = usize::try_from(all.count()).unwrap();
        let Some(cores) = Cores::share(count) else {
            assert!(count < 2);
            return;
        };
        // Where one runs that is started here.
        let beside = || {
            let beside = Beside::this();
            let settled = move || {
                beside.keep();
                allowed()
            };
            thread::spawn(settled).join().unwrap()
        };
        thread::scope(|scope| {
            scope.spawn(|| {
                cores.keep_one();
                assert_eq!((allowed(), beside()), (Ok(cores.one), Ok(cores.rest)));
            });
            scope.spawn(|| {
                cores.keep_off();
                assert_eq!((allowed(), beside()), (Ok(cores.rest), Ok(cores.rest)));
            });
        });
        assert_eq!(cores.one.count(), 1);
        assert_eq!(usize::try_from(cores.rest.count()).unwrap(), count - 1);
        assert_eq!(
            (allowed(), beside()),
            (Ok(all), Ok(all)),
            "who shared them out runs where it ran"
        );
    }

    #[test]
    fn with_more_cores_than_threads_the_system_finds_free_ones() {
        assert!(Cores::share(1).is_none());
        assert!(Cores::share(0).is_none());
    }
}
