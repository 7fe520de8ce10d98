//! What an attacker can make the program spend: each bomb once and at twice its size.
//!
//! The built program reads them in a child process. Processor time may grow no faster than the
//! input, memory no further than its bounds. The table in `tests/README.md` is what
//! `cargo test --release --test complexity -- --nocapture --test-threads 1` prints.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test may fail, and shows its table"
)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::zombie_processes,
    clippy::precedence,
    reason = "numbers of a test are its own; `wait` waits for its child"
)]

#[allow(dead_code, clippy::pedantic, clippy::use_self, clippy::or_fun_call)]
#[path = "../fuzz/src/lib.rs"]
mod tlscensus_fuzz;

mod capture;
#[cfg(feature = "compression")]
mod compressed;
mod datagrams;
mod files;
mod handshakes;
mod reports;
mod segments;

use std::fs;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What a child process took.
#[derive(Clone, Copy)]
struct Spent {
    processor: Duration,
    /// Most memory that it had at the same time.
    memory: u64,
}

/// One after the other: what is measured is not to be disturbed by the next.
static ALONE: Mutex<()> = Mutex::new(());

/// Run the program to its end. `code` is what it has to say of the input.
fn run(arguments: &[&str], code: &[i32]) -> Spent {
    let child = Command::new(env!("CARGO_BIN_EXE_tlscensus"))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (status, spent) = wait(child.id());
    assert!(code.contains(&status), "{arguments:?}: exit code {status}");
    spent
}

/// Wait for a child, and ask what it took.
///
/// What the kernel calls the most memory of a child is at least what its parent had when it began:
/// the child is asked itself, while it lives.
#[allow(unsafe_code, reason = "the standard library does not tell what a child took")]
fn wait(child: u32) -> (i32, Spent) {
    let mut status = 0;
    // SAFETY: all zeros is a value of this structure of numbers.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    let pid = libc::pid_t::try_from(child).unwrap();
    let mut memory = 0;
    loop {
        memory = most_memory(child).max(memory);
        // SAFETY: both pointers are to live variables of the types that the call fills; the child
        // is ours, and nobody else waits for it.
        let waited = unsafe { libc::wait4(pid, &raw mut status, libc::WNOHANG, &raw mut usage) };
        if waited != 0 {
            assert_eq!(waited, pid);
            break;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let time = |time: libc::timeval| {
        Duration::from_secs(time.tv_sec.unsigned_abs())
            + Duration::from_micros(time.tv_usec.unsigned_abs())
    };
    let processor = time(usage.ru_utime) + time(usage.ru_stime);
    let code = if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { -1 };
    (code, Spent { processor, memory })
}

/// The most memory that a process has had so far, in bytes.
fn most_memory(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    let kibibytes = line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or_default();
    kibibytes * 1024
}

/// What a bomb may cost.
struct Bound {
    /// Nanoseconds of processor for each byte, in a build for use; one for tests takes twenty times
    /// that.
    nanoseconds: f64,
    /// Mebibytes of memory at most, at twice the size.
    memory: u64,
}

/// Read a bomb of `size` units and one of twice as many.
fn measure(name: &str, bound: &Bound, size: usize, make: impl Fn(usize) -> Vec<u8>) {
    measure_file(name, bound, size, "bomb.pcap", &["read"], &[0, 4], make);
}

fn measure_file(
    name: &str,
    bound: &Bound,
    size: usize,
    file: &str,
    command: &[&str],
    code: &[i32],
    make: impl Fn(usize) -> Vec<u8>,
) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(file);
    let arguments: Vec<&str> = command.iter().copied().chain([path.to_str().unwrap()]).collect();
    // What the program takes for nothing is not the bomb's: stores, tables, threads.
    fs::write(&path, make(1)).unwrap();
    let idle = run(&arguments, &[0, 1, 2, 4]);
    let taken = |size: usize| {
        let bytes = make(size);
        fs::write(&path, &bytes).unwrap();
        let spent = run(&arguments, code);
        (bytes.len(), spent.processor.saturating_sub(idle.processor), spent.memory)
    };
    let (bytes, once, memory) = taken(size);
    let (more_bytes, mut twice, more_memory) = taken(2 * size);
    let ratio = more_bytes as f64 / bytes as f64;
    // A quadratic cost would be four times; what is small is noise. Memory, which has a bound of its own, comes
    // in one piece or the other, and costs milliseconds where a virtual machine's host has to find it first.
    let fetched = more_memory.saturating_sub(memory) >> 20;
    let most = once.mul_f64(ratio * 1.5) + Duration::from_millis(150 + 5 * fetched);
    if twice > most {
        // Whoever else uses the processor uses its caches too: once more.
        twice = taken(2 * size).1.min(twice);
    }
    let per_byte = twice.as_nanos() as f64 / more_bytes as f64;
    eprintln!(
        "| {name} | {:.2}, {:.2} | {:.2}, {:.2} | {per_byte:.1} | {} | {}, {} | {} |",
        bytes as f64 / 1e6,
        more_bytes as f64 / 1e6,
        once.as_secs_f64(),
        twice.as_secs_f64(),
        bound.nanoseconds,
        memory >> 20,
        more_memory >> 20,
        bound.memory,
    );
    assert!(twice <= most, "{name}: {once:?} for {bytes} bytes, {twice:?} for {more_bytes}");
    let slow = if cfg!(debug_assertions) { 20.0 } else { 1.0 };
    let bound_in_time = Duration::from_millis(200)
        + Duration::from_secs_f64(bound.nanoseconds * slow * more_bytes as f64 / 1e9);
    assert!(twice <= bound_in_time, "{name}: {twice:?}, more than {bound_in_time:?}");
    assert!(more_memory >> 20 <= bound.memory, "{name}: {} MiB", more_memory >> 20);
}
