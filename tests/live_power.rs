//! Power cuts: what is on the disk of a live run at any moment can be opened, and holds all that was
//! said to be saved.
//!
//! The run writes to a file system of its own in an image. At moments by chance the image is copied:
//! it holds what reached the disk by then, not what the kernel still meant to write. Each copy is
//! mounted as after a power cut. Needs root, `ip`, `mkfs.ext4` and loop devices; says what it skips
//! without them.

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

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use rustix::process::Signal;
use serde_json::Value;
use tlscensus::census::Store;
use tlscensus::limits::Limits;

use net::{Net, handshakes, run, wait_for};

/// A file system in a file, mounted until it is dropped.
struct Disk {
    image: PathBuf,
    place: PathBuf,
}

impl Disk {
    /// Mount an image; `None` where that cannot be done.
    fn mount(image: &Path) -> Option<Self> {
        let place = image.with_extension("mounted");
        fs::create_dir_all(&place).unwrap();
        // Only what is asked to be on the disk gets there while the test lasts.
        let arguments = ["-o", "loop,commit=300", image.to_str()?, place.to_str()?];
        run("mount", &arguments).then(|| Self { image: image.to_owned(), place })
    }

    fn new(image: &Path) -> Option<Self> {
        File::create(image).unwrap().set_len(64 << 20).unwrap();
        if !run("mkfs.ext4", &["-q", "-F", image.to_str()?]) {
            return None;
        }
        Self::mount(image)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        run("umount", &["-l", self.place.to_str().unwrap()]);
    }
}

fn connections(census: &Path) -> Option<u64> {
    let mut store = Store::open_read_only(census, &Limits::default()).ok()?;
    let snapshot = Store::merged(std::slice::from_mut(&mut store), |part| part).ok()?;
    let listed: u64 = snapshot.hosts.iter().map(|(_, host)| host.tally.connections).sum();
    // Saved while it grows it may list some that are counted the next time.
    assert!(listed >= snapshot.coverage.connections);
    Some(snapshot.coverage.connections)
}

#[test]
fn whenever_power_is_cut_what_was_saved_is_there() {
    let Some(net) = Net::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::new(&folder.path().join("disk")) else {
        eprintln!("skipped: no file system in a file can be made and mounted here");
        return;
    };
    let (census, flows) = (disk.place.join("office.db"), disk.place.join("flows.ndjson"));
    let arguments = ["--census", census.to_str().unwrap(), "--flows", flows.to_str().unwrap()];
    let live = net.live(&[&arguments[..], &["--save-every", "1s"]].concat());
    net.send(Some(20_000), handshakes(0..50));
    wait_for("it is saved", || connections(&census) == Some(50));
    let mut cuts = Vec::new();
    thread::scope(|scope| {
        let sending = scope.spawn(|| net.send(Some(8_000), handshakes(50..5_000)));
        for number in 0_u64.. {
            // Moments that have nothing to do with when it saves.
            thread::sleep(Duration::from_millis(171 + number * 389 % 470));
            let saved = connections(&census).unwrap();
            live.signal(Signal::STOP);
            let copy = folder.path().join(format!("cut-{number}"));
            fs::copy(&disk.image, &copy).unwrap();
            live.signal(Signal::CONT);
            cuts.push((saved, copy));
            if sending.is_finished() {
                break;
            }
        }
    });
    let (code, _, err, _) = live.stop(Signal::TERM);
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(connections(&census), Some(5_000));
    assert!(cuts.len() >= 10, "{} cuts", cuts.len());

    let mut kept = Vec::new();
    for (saved, copy) in &cuts {
        let after = Disk::mount(copy).unwrap();
        let census = after.place.join("office.db");
        let sql = Connection::open_with_flags(&census, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
        let sound: String = sql.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(sound, "ok");
        drop(sql);
        let there = connections(&census).expect("it cannot be opened");
        assert!(there >= *saved && there <= 5_000, "{there} of {saved} that were saved");
        kept.push((*saved, there));
        // Whole lines, and at most the beginning of one more.
        let text = fs::read_to_string(after.place.join("flows.ndjson")).unwrap();
        let lines: Vec<_> = text.split('\n').collect();
        for line in &lines[..lines.len() - 1] {
            serde_json::from_str::<Value>(line).unwrap();
        }
    }
    eprintln!("{} cuts; saved when power was cut, and there after: {kept:?}", cuts.len());

    // The next run goes on with what is there.
    let (_, copy) = cuts.last().unwrap();
    let after = Disk::mount(copy).unwrap();
    let (census, flows) = (after.place.join("office.db"), after.place.join("flows.ndjson"));
    let there = connections(&census).unwrap();
    let live = net.live(&[
        "--census",
        census.to_str().unwrap(),
        "--flows",
        flows.to_str().unwrap(),
        "--save-every",
        "1s",
    ]);
    net.send(Some(8_000), handshakes(6_000..6_020));
    wait_for("it is saved", || connections(&census) == Some(there + 20));
    let (code, _, err, _) = live.stop(Signal::TERM);
    assert_eq!(code, Some(0), "{err}");
    for line in fs::read_to_string(&flows).unwrap().lines() {
        serde_json::from_str::<Value>(line).unwrap();
    }
}
