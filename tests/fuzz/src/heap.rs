//! What a piece of work takes: how much memory at most, by an allocator that counts for each thread
//! and for all, and how much of the processor.

#![allow(unsafe_code, reason = "an allocator cannot be written without")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicIsize, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
    static TOTAL: Cell<usize> = const { Cell::new(0) };
}

/// Live bytes of all threads, and the most there were; counted while somebody asks.
static ALL: AtomicIsize = AtomicIsize::new(0);
static MOST: AtomicIsize = AtomicIsize::new(0);
static ASKED: AtomicBool = AtomicBool::new(false);

/// What a piece of work asked of the heap and of the processor.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Bytes that it held at the same time, at most.
    pub peak: usize,
    /// Bytes that it asked for, all together.
    pub total: usize,
    /// What the processor spent on it.
    pub processor: Duration,
}

/// Do it, and count. The work has to stay on this thread.
pub fn measure<T>(work: impl FnOnce() -> T) -> (T, Usage) {
    LIVE.set(0);
    PEAK.set(0);
    TOTAL.set(0);
    let begun = processor();
    let result = work();
    let processor = processor().saturating_sub(begun);
    let peak = usize::try_from(PEAK.get()).unwrap_or_default();
    (result, Usage { peak, total: TOTAL.get(), processor })
}

/// What this thread has had of the processor: who else runs does not count.
fn processor() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap_or_default()
}

/// Do it, and panic if it holds more than `base` bytes and `factor` for each byte of input, or
/// asks for more than 64 times that in all: work that copies is counted by what it copies. Time is
/// as linear: [`AT_ONCE`], and [`A_BYTE`] for each.
pub fn bounded<T>(input: usize, base: usize, factor: usize, work: impl FnOnce() -> T) -> T {
    let (result, usage) = measure(work);
    let bound = base + factor * input;
    assert!(usage.peak <= bound, "{usage:?} for {input} bytes of input, bound {bound}");
    assert!(usage.total <= 64 * bound, "{usage:?} for {input} bytes of input, bound {bound}");
    let most = AT_ONCE + A_BYTE.saturating_mul(u32::try_from(input).unwrap_or(u32::MAX));
    assert!(usage.processor <= most, "{usage:?} for {input} bytes of input, bound {most:?}");
    result
}

/// What any input may take of the processor: caches fill, tables are made.
pub const AT_ONCE: Duration = Duration::from_secs(2);

/// What each byte may take besides, of a slow machine with all checks on.
pub const A_BYTE: Duration = Duration::from_micros(100);

/// Do it, and panic if all threads together hold more than `bound` bytes. Nothing else may run: this
/// is for a target, and not for its replay beside others.
pub fn everywhere<T>(bound: usize, work: impl FnOnce() -> T) -> T {
    ALL.store(0, Ordering::Relaxed);
    MOST.store(0, Ordering::Relaxed);
    ASKED.store(true, Ordering::Relaxed);
    let result = work();
    ASKED.store(false, Ordering::Relaxed);
    let most = MOST.load(Ordering::Relaxed);
    assert!(most <= isize::try_from(bound).unwrap(), "{most} bytes at once, bound {bound}");
    result
}

fn grown(size: usize) {
    let size = isize::try_from(size).unwrap_or(isize::MAX);
    // A thread that is ending has no counters any more.
    let _ = LIVE.try_with(|live| {
        live.set(live.get().saturating_add(size));
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(live.get())));
    });
    let _ = TOTAL.try_with(|total| total.set(total.get().saturating_add(size.unsigned_abs())));
    if ASKED.load(Ordering::Relaxed) {
        let all = ALL.fetch_add(size, Ordering::Relaxed).saturating_add(size);
        MOST.fetch_max(all, Ordering::Relaxed);
    }
}

fn shrunk(size: usize) {
    let size = isize::try_from(size).unwrap_or(isize::MAX);
    let _ = LIVE.try_with(|live| live.set(live.get().saturating_sub(size)));
    if ASKED.load(Ordering::Relaxed) {
        ALL.fetch_sub(size, Ordering::Relaxed);
    }
}

// SAFETY: every call is handed on unchanged to the system's allocator, which keeps the contract;
// counting allocates nothing (the counters are constants until they are set) and does not unwind.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        // SAFETY: the caller's promises are those that are asked for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        shrunk(layout.size());
        // SAFETY: as above; the pointer came from the system's allocator, as all of ours do.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        shrunk(layout.size());
        grown(size);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}
