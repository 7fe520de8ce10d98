//! Memory that will be needed soon, asked for early.
//!
//! Many connections are watched at once, and what is kept of each lies anywhere in much memory: a
//! packet would wait for one line of the cache after the other. Whoever knows what the next packets
//! will need asks for it here, and goes on at once. Nothing is read, so that nothing can go wrong.

use std::ops::Range;
use std::slice;

use prefetch_index::prefetch_index;

/// Bytes of a line of the cache.
pub(crate) const LINE: usize = 64;

/// Ask for the line in which a value begins.
#[inline]
pub(crate) fn prefetch<T>(value: &T) {
    prefetch_index(slice::from_ref(value), 0);
}

/// Ask for the line in which an element of a slice begins, whether there is one or not.
#[inline]
pub(crate) fn prefetch_at<T>(slice: &[T], index: usize) {
    prefetch_index(slice, index);
}

/// Ask for all lines in which these elements of a slice lie, whether they are there or not.
#[inline]
pub(crate) fn prefetch_range<T>(slice: &[T], range: Range<usize>) {
    let step = LINE.checked_div(size_of::<T>()).unwrap_or(LINE).max(1);
    for index in range.step_by(step) {
        prefetch_index(slice, index);
    }
}

/// Ask for a slice.
#[inline]
pub(crate) fn prefetch_all<T>(slice: &[T]) {
    prefetch_range(slice, 0..slice.len());
}
