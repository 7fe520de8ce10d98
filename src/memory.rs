//! How large the pages of this process's memory are.
//!
//! What is kept of many connections lies anywhere in much memory. With pages of 4 KiB most accesses to it have
//! to be looked up in tables first; huge ones need that far less, but are cleared as a whole when they are
//! first touched, however little of them will be used, and in a virtual machine the host may have to find them
//! first. So memory is small until there is much of it.

/// Take memory in small pages from now on.
pub(crate) fn use_small_pages() {
    set_small_pages(true);
}

/// Take memory in huge pages from now on, where the system gives them to who asks.
pub(crate) fn use_huge_pages() {
    set_small_pages(false);
}

/// Where it cannot be asked for, all works as well.
fn set_small_pages(small: bool) {
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(small);
    #[cfg(not(target_os = "linux"))]
    let _ = small;
}
