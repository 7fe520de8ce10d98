//! What a census holds is what it accounts for: its bounds in bytes are bounds on memory.
//!
//! An allocator counts what is held. A census is fed what grows each of its parts until its bound is
//! reached; then as much again, and it must not have grown.

#![allow(
    unsafe_code,
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "a test may fail; an allocator cannot be written without"
)]

mod common;
#[path = "common/hostile.rs"]
mod hostile;

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tlscensus::capture::paths;
use tlscensus::census::Census;
use tlscensus::limits::Limits;
use tlscensus::pipeline::{self, Progress};

use hostile::{hello, tcp};

struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static COUNTING: Counting = Counting;

// SAFETY: everything is passed on to the system's allocator; counting does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(place, layout) }
    }
}

/// Hellos, each of a host and for a name; a capture of them is read into the census.
fn feed(census: &Census, hellos: impl Iterator<Item = (u64, u16, String)>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hellos.pcap");
    let mut bytes = vec![0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    bytes.extend([0, 0, 4, 0, 1, 0, 0, 0]);
    for (number, (host, port, name)) in (0_u32..).zip(hellos) {
        let frame = tcp(host, port, 1, |step| step.ack(1), &hello(&name));
        let length = u32::try_from(frame.len()).unwrap();
        for word in [1_772_352_000 + number / 1_000, number % 1_000, length, length] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(frame);
    }
    fs::write(&path, bytes).unwrap();
    let inputs = paths::expand(&[path]).inputs;
    let settings = common::settings(1, &["dataverse"]);
    let progress = Arc::new(Progress::default());
    let finished =
        pipeline::read(&inputs, &settings, census, None::<&mut tlscensus::sink::Stdout>, &progress);
    assert!(finished.sources[0].error.is_none());
}

#[test]
fn a_census_keeps_to_its_bounds_in_bytes() {
    const MB: usize = 1 << 20;
    let limits =
        Limits { census_list_bytes: 12 * MB, census_value_bytes: 6 * MB, ..Limits::default() };
    let once = "once.example".to_owned();
    let hosts = |from: u64| {
        let once = once.clone();
        (from..from + 30_000).map(move |host| (host, 1_024, once.clone()))
    };
    let names = |from: u64| {
        (from..from + 70_000).map(|number| {
            (number % 50, 1_024 + (number / 50) as u16, format!("host-{number}.example"))
        })
    };
    // What is made once, whatever is read.
    feed(&Census::new(&limits), hosts(0).take(10));
    for what in ["hosts", "names", "both"] {
        let before = HELD.load(Ordering::Relaxed);
        let census = Census::new(&limits);
        let mut held = Vec::new();
        for round in 0..2_u64 {
            if what != "names" {
                feed(&census, hosts(1_000_000 * round));
            }
            if what != "hosts" {
                feed(&census, names(1_000_000 * round));
            }
            held.push(HELD.load(Ordering::Relaxed) - before);
        }
        let unlisted = census.snapshot().unlisted();
        let hosts = census.snapshot().hosts.len();
        eprintln!("{what}: {held:?} bytes held, {hosts} hosts, {unlisted:?}");
        assert!(unlisted.hosts + unlisted.edges > 0, "{what}: no bound was reached");
        // A shard of a table that grows has twice as much; nothing else is more than is accounted.
        assert!(held[1] <= 18 * MB + 4 * MB, "{what}: {held:?}");
        assert!(held[1] <= held[0] + held[0] / 8, "{what} grew: {held:?}");
        // And it uses what it may.
        if what == "hosts" {
            assert!(held[0] >= 7 * MB, "{what}: {held:?}");
        }
    }
}
