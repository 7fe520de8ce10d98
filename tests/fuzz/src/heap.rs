//! How much memory a piece of work holds at most: an allocator that counts, for each thread.

#![allow(unsafe_code, reason = "an allocator cannot be written without")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
    static TOTAL: Cell<usize> = const { Cell::new(0) };
}

/// What a piece of work asked of the heap.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Bytes that it held at the same time, at most.
    pub peak: usize,
    /// Bytes that it asked for, all together.
    pub total: usize,
}

/// Do it, and count. The work has to stay on this thread.
pub fn measure<T>(work: impl FnOnce() -> T) -> (T, Usage) {
    LIVE.set(0);
    PEAK.set(0);
    TOTAL.set(0);
    let result = work();
    let peak = usize::try_from(PEAK.get()).unwrap_or_default();
    (result, Usage { peak, total: TOTAL.get() })
}

/// Do it, and panic if it holds more than `base` bytes and `factor` for each byte of input, or
/// asks for more than 64 times that in all: work that copies is counted by what it copies.
pub fn bounded<T>(input: usize, base: usize, factor: usize, work: impl FnOnce() -> T) -> T {
    let (result, usage) = measure(work);
    let bound = base + factor * input;
    assert!(usage.peak <= bound, "{usage:?} for {input} bytes of input, bound {bound}");
    assert!(usage.total <= 64 * bound, "{usage:?} for {input} bytes of input, bound {bound}");
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
}

fn shrunk(size: usize) {
    let size = isize::try_from(size).unwrap_or(isize::MAX);
    let _ = LIVE.try_with(|live| live.set(live.get().saturating_sub(size)));
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
