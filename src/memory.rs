//! How large the pages of this process's memory are.
//!
//! What is kept of many connections lies anywhere in much memory. With pages of 4 KiB most accesses to it have
//! to be looked up in tables first; huge ones need that far less, but are cleared as a whole when they are
//! first touched, however little of them will be used, and in a virtual machine the host may have to find them
//! first. So memory is small until there is much of it.
//!
//! Only Linux is asked. Where it does not answer, all works as well.

#[cfg(target_os = "linux")]
use std::sync::atomic::{AtomicBool, Ordering};

#[cfg(target_os = "linux")]
use rustix::thread::{disable_transparent_huge_pages, transparent_huge_pages_are_disabled};

/// Pages are small because they were asked for here, not because whoever started the program wants no others.
#[cfg(target_os = "linux")]
static ASKED: AtomicBool = AtomicBool::new(false);

/// Take memory in small pages from now on.
pub(crate) fn use_small_pages() {
    #[cfg(target_os = "linux")]
    if transparent_huge_pages_are_disabled() == Ok(false) {
        let asked = disable_transparent_huge_pages(true).is_ok();
        ASKED.store(asked, Ordering::Relaxed);
    }
}

/// Take memory in huge pages again, where the system gives them to who asks.
pub(crate) fn use_huge_pages() {
    #[cfg(target_os = "linux")]
    if ASKED.swap(false, Ordering::Relaxed) {
        let _ = disable_transparent_huge_pages(false);
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn what_was_decided_for_the_program_stays_so() {
        for disabled in [false, true] {
            disable_transparent_huge_pages(disabled).unwrap();
            use_small_pages();
            assert_eq!(transparent_huge_pages_are_disabled(), Ok(true));
            use_huge_pages();
            assert_eq!(transparent_huge_pages_are_disabled(), Ok(disabled));
        }
        disable_transparent_huge_pages(false).unwrap();
    }
}
