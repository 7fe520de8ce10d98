//! The census file of a live run: what sudden death, a full disk and a second process do to it.
//! Needs root and `ip`; says what it skips without them.

#![cfg(feature = "live")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may fail, and waits by the clock"
)]

mod common;
#[path = "common/net.rs"]
mod net;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;
use tlscensus::census::{Snapshot, Store};
use tlscensus::limits::Limits;

use net::{Net, SPAN, handshakes, path, run, wait_for};

/// What was last saved.
fn saved(census: &Path) -> Option<Snapshot> {
    let mut store = Store::open_read_only(census, &Limits::default()).ok()?;
    Store::merged(std::slice::from_mut(&mut store), |part| part).ok()
}

fn connections(census: &Path) -> u64 {
    saved(census).map_or(0, |snapshot| snapshot.coverage.connections)
}

fn report(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn what_was_saved_outlives_a_kill_and_later_runs_add_to_it() {
    let Some(net) = Net::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (census, name) = path(&folder, "office.db");
    let (inventory, inventory_name) = path(&folder, "inventory.json");
    let arguments = ["--census", &*name, "--save-every", "1s", "--report", &*inventory_name];

    let live = net.live(&arguments);
    net.send(Some(5_000), handshakes(0..20));
    wait_for("it is saved", || connections(&census) == 20);
    net.send(Some(5_000), handshakes(20..30));
    live.stop(Signal::KILL);
    let left = saved(&census).unwrap();
    assert!((20..=30).contains(&left.coverage.connections), "{}", left.coverage.connections);
    let listed: u64 = left.hosts.iter().map(|(_, host)| host.tally.connections).sum();
    assert_eq!(listed, left.coverage.connections);

    let live = net.live(&arguments);
    // Another process is refused and told by whom; readers are not.
    let second = net
        .start(
            env!("CARGO_BIN_EXE_tlscensus"),
            &["live", "-i", SPAN, "--user", "root", "--census", &name],
        )
        .0
        .take()
        .unwrap()
        .wait_with_output()
        .unwrap();
    let said = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("in use by process {}", live.pid())), "{said}");
    // The same hosts again, and new ones.
    net.send(Some(5_000), handshakes(10..40));
    wait_for("it is saved", || connections(&census) == left.coverage.connections + 30);
    // A report in the middle tells the whole file.
    live.signal(Signal::USR1);
    wait_for("the report is there", || inventory.exists());
    let now = report(&inventory);
    assert_eq!(now["coverage"]["connections"], left.coverage.connections + 30);
    assert_eq!(now["sources"].as_array().unwrap().len(), 2);
    let (code, out, err, took) = live.stop(Signal::TERM);
    assert_eq!(code, Some(0), "{err}");
    assert!(took < Duration::from_millis(1_500), "it took {took:?} to end");
    assert!(
        out.contains(&format!("{} TLS connections in 2 sources", connections(&census))),
        "{out}"
    );

    let all = saved(&census).unwrap();
    assert_eq!(all.coverage.connections, left.coverage.connections + 30);
    assert_eq!(all.sources.len(), 2);
    assert_ne!(all.sources[0].id, all.sources[1].id);
    // Between runs it is one plain file, and `report` says what the run said.
    let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|at| at.unwrap().path()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    let (later, later_name) = path(&folder, "later.json");
    assert!(run(env!("CARGO_BIN_EXE_tlscensus"), &["report", &name, "--report", &later_name]));
    assert_eq!(fs::read(later).unwrap(), fs::read(inventory).unwrap());
}

/// What a run that ends may compute: in a build for use less than two cores do in a second. A
/// development build computes up to twelve times as long.
const COMPUTING: Duration =
    Duration::from_millis(if cfg!(debug_assertions) { 20_000 } else { 1_700 });

/// How long it may take of a build for use, where nobody else computes meanwhile.
const END: Duration = Duration::from_secs(1);

#[test]
fn fifty_thousand_hosts_are_saved_and_reported_in_time() {
    let Some(net) = Net::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (census, name) = path(&folder, "office.db");
    let (json, json_name) = path(&folder, "report.json");
    let reports = ["html", "csv", "md"].map(|ending| path(&folder, &format!("report.{ending}")));
    // Nothing is saved before the end.
    let mut arguments = vec!["--census", &*name, "--save-every", "1d", "--report", &*json_name];
    arguments.extend(["--buffer", "1GB"]);
    for (_, name) in &reports {
        arguments.extend(["--report", name]);
    }
    let live = net.live(&arguments);
    // Only what carries something: the rest says nothing of hosts.
    let sent = net.send(Some(60_000), handshakes(0..50_000).filter(|frame| frame.len() > 66));
    std::thread::sleep(Duration::from_secs(1));
    let before = net::computed();
    let (code, _, err, took, busy) = live.stop_timed(Signal::TERM);
    let others = net::computed().saturating_sub(before).saturating_sub(busy);
    assert_eq!(code, Some(0), "{err}");
    eprintln!(
        "{sent} packets of 50,000 hosts: ended in {took:?}, {busy:?} computing; others {others:?}"
    );
    let report = report(&json);
    assert_eq!(net::account(&json), (sent, [0; 4]));
    assert_eq!(report["summary"]["policies"][0]["client_hosts"]["seen"], 50_000);
    assert_eq!(connections(&census), 50_000);
    assert!(reports.iter().all(|(path, _)| path.exists()));
    assert!(busy < COMPUTING, "it computed for {busy:?}");
    if cfg!(debug_assertions) {
        eprintln!("a development build: how long it took is not held to {END:?}");
    } else if others > took / 5 {
        eprintln!("others computed meanwhile: how long it took is not held to {END:?}");
    } else {
        assert!(took <= END, "it took {took:?}");
    }
}

#[test]
fn it_is_written_as_the_user_that_the_run_becomes() {
    let Some(net) = Net::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::chown(folder.path(), Some(65_534), Some(65_534)).unwrap();
    let (census, name) = path(&folder, "office.db");
    let live = net.live_as("nobody", &["--census", &name, "--save-every", "1s"]);
    net.send(Some(5_000), handshakes(0..5));
    wait_for("it is saved", || connections(&census) == 5);
    let (code, _, err, _) = live.stop(Signal::TERM);
    assert_eq!(code, Some(0), "{err}");
    let uid = std::os::unix::fs::MetadataExt::uid(&fs::metadata(&census).unwrap());
    assert_eq!(uid, 65_534);
    assert_eq!(connections(&census), 5);
    // What root made there stays root's: said at once, with the cure.
    std::os::unix::fs::chown(&census, Some(0), Some(0)).unwrap();
    fs::set_permissions(&census, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let program = env!("CARGO_BIN_EXE_tlscensus");
    let refused = net
        .start(program, &["live", "-i", SPAN, "--user", "nobody", "--census", &name])
        .0
        .take()
        .unwrap()
        .wait_with_output()
        .unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("hint: chown nobody "), "{said}");
}

/// A small file system of its own, until it is dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().to_str().unwrap();
        let option = format!("size={size},mode=755");
        if !run("mount", &["-t", "tmpfs", "-o", &option, "tmpfs", place]) {
            eprintln!("skipped: no file system can be mounted here");
            return None;
        }
        Some(Self(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        run("umount", &["-l", self.0.path().to_str().unwrap()]);
    }
}

#[test]
fn a_full_disk_is_said_and_recovered_from() {
    let Some(net) = Net::new() else { return };
    let Some(disk) = SmallDisk::new("3M") else { return };
    let (census, name) = path(&disk.0, "office.db");
    let said_name = disk.0.path().with_extension("said");
    let said = fs::File::create(&said_name).unwrap();
    let mut command = net.command(env!("CARGO_BIN_EXE_tlscensus"));
    command.args(["live", "-i", SPAN, "--user", "root", "--census", &name, "--save-every", "1s"]);
    let live = Net::listening(command.stdout(Stdio::null()).stderr(said));
    let said = || fs::read_to_string(&said_name).unwrap();

    net.send(Some(5_000), handshakes(0..20));
    wait_for("it is saved", || connections(&census) == 20);
    // Somebody else fills the disk to the last byte.
    let ballast = disk.0.path().join("ballast");
    let _ = fs::write(&ballast, vec![0_u8; 4 << 20]);
    net.send(Some(5_000), handshakes(20..2_020));
    wait_for("the full disk is reported", || said().contains("the disk is full"));
    assert_eq!(connections(&census), 20, "what was saved is intact");
    std::thread::sleep(Duration::from_millis(2_500));
    assert_eq!(said().matches("the disk is full").count(), 1, "{}", said());
    fs::remove_file(&ballast).unwrap();
    wait_for("it is saved again", || connections(&census) == 2_020);
    wait_for("that is said", || said().contains("the census is saved again"));
    let (code, ..) = live.stop(Signal::TERM);
    assert_eq!(code, Some(0), "{}", said());
    let check = Command::new(env!("CARGO_BIN_EXE_tlscensus")).args(["report", &name]).output();
    assert!(check.unwrap().status.success());
    assert_eq!(connections(&census), 2_020);
    fs::remove_file(said_name).unwrap();
}

#[test]
fn a_disk_that_stays_full_ends_in_an_error() {
    let Some(net) = Net::new() else { return };
    let Some(disk) = SmallDisk::new("1M") else { return };
    let (census, name) = path(&disk.0, "office.db");
    let [flows, page, list] =
        ["flows.ndjson", "page.html", "list.csv"].map(|it| path(&disk.0, it).1);
    let files = ["--flows", &flows, "--report", &page, "--report", &list];
    let live = net.live(&[&["--census", &name, "--save-every", "1s"][..], &files].concat());
    net.send(Some(5_000), handshakes(0..5));
    wait_for("it is saved", || connections(&census) == 5);
    let _ = fs::write(disk.0.path().join("ballast"), vec![0_u8; 2 << 20]);
    net.send(Some(5_000), handshakes(5..1_005));
    let begun = Instant::now();
    let (code, out, err, _) = live.stop(Signal::TERM);
    assert_eq!(code, Some(1), "{err}");
    // Whatever could not be written at the end is named, the one beside the other.
    let ends: Vec<_> = err.lines().filter(|line| line.starts_with("error: ")).collect();
    let named = [&page, &list, &flows, &name].map(|name| ends.iter().any(|it| it.contains(name)));
    assert_eq!((named, ends.len()), ([true; 4], 4), "{err}");
    assert!(err.contains("the disk is full; what was saved before is intact"), "{err}");
    // The summary still tells what was seen.
    assert!(out.contains("1,005 TLS connections"), "{out}");
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(connections(&census), 5);
}
