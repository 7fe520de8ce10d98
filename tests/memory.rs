//! What a census holds is what it accounts for: its bounds in bytes are bounds on memory. And packets
//! of which nothing is wanted take none.
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
use std::cell::Cell;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tlscensus::capture::paths;
use tlscensus::census::Census;
use tlscensus::clock::Timestamp;
use tlscensus::flow::table::FlowTable;
use tlscensus::limits::Limits;
use tlscensus::packet::{Address, Domain, Endpoint, Layers, Segment, SeqNumber, TcpFlags};
use tlscensus::pipeline::{self, Progress};
use tlscensus::tls::conversation::Conversation;

use hostile::{hello, tcp};

struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// How often this thread has asked for memory.
    static ASKED: Cell<u64> = const { Cell::new(0) };
}

#[global_allocator]
static COUNTING: Counting = Counting;

// SAFETY: everything is passed on to the system's allocator; counting does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(layout.size(), Ordering::Relaxed);
        ASKED.set(ASKED.get() + 1);
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

#[test]
fn packets_of_bulk_and_acknowledgements_ask_for_no_memory() {
    const ACK: TcpFlags = TcpFlags(0x10);
    let mut table = FlowTable::<Conversation>::new(&Limits::default());
    let ends = [1, 2].map(|last| Endpoint { address: Address::v4([10, 0, 0, last]), port: 443 });
    let mut sent = [1_000_u32, 9_000];
    let mut at = 0;
    let mut push = |from: usize, payload: &[u8]| {
        at += 1;
        let segment = Segment {
            source: ends[from],
            target: ends[1 - from],
            domain: Domain::default(),
            seq: SeqNumber(sent[from]),
            ack: SeqNumber(sent[1 - from]),
            flags: ACK,
            ttl: 64,
            payload,
            cut: 0,
            layers: Layers::default(),
        };
        sent[from] = sent[from].wrapping_add(payload.len() as u32);
        table.push(&segment, Timestamp::new(1_772_352_000, at * 1_000), &mut |_| {});
        (table.watched(), table.stats().reopened)
    };
    let sealed = [[0x17, 3, 3, 0, 64].as_slice(), &[0xaa; 64]].concat();
    push(0, &hello("bulk.example"));
    let before = ASKED.get();
    for _ in 0..1_000 {
        assert_eq!(push(1, &[]).0, 1, "it is watched");
    }
    assert_eq!(ASKED.get() - before, 0, "for acknowledgements");
    push(1, &[0x16, 3, 3, 0, 6, 2, 0, 0, 2, 3, 3]);
    for from in [1, 0] {
        push(from, &sealed);
    }
    assert_eq!(push(1, &sealed), (0, 0), "it is shunted");
    let before = ASKED.get();
    let mut bulk = [0_u8; 1_448];
    for packet in 0..20_000_u32 {
        // Any byte may be the first of a segment: what was encrypted, or words.
        let mut state = packet.wrapping_mul(0x9e37_79b9) | 1;
        for byte in &mut bulk[..32] {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *byte = (state >> 24) as u8;
        }
        push((packet % 2) as usize, &bulk);
    }
    assert_eq!(ASKED.get() - before, 0, "for bulk");
}
