//! Faults, provoked: what happens around the program, and in it, must cost what it touches and
//! nothing else. Takes some seconds.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test may fail, and says what it skips"
)]

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

const OFFICE: &str = "captures/office-network.pcap";
const HELLO: &str = "captures/tls12-ecdhe-rsa.pcap";

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tlscensus"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null()).env("NO_COLOR", "1");
    command
}

fn tlscensus(arguments: &[&str]) -> Output {
    program().args(arguments).output().unwrap()
}

/// The program, under a limit that a shell sets or in a place that it makes. `None` where this
/// system does not let it, which is said.
fn within(setting: &str, arguments: &[&str]) -> Option<Output> {
    let shell = |script: String| {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c", &script]);
        command.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null()).env("NO_COLOR", "1");
        command.output()
    };
    let works = shell(format!("{setting} true")).is_ok_and(|output| output.status.success());
    if !works {
        eprintln!("skipped: no `{setting}` here");
        return None;
    }
    let quote = |word: &&str| format!("'{}'", word.replace('\'', r"'\''"));
    let quoted = arguments.iter().map(quote).collect::<Vec<_>>().join(" ");
    Some(shell(format!("{setting} exec {} {quoted}", env!("CARGO_BIN_EXE_tlscensus"))).unwrap())
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or(-1)
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn page(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn at(folder: &TempDir, name: &str) -> String {
    folder.path().join(name).to_str().unwrap().to_owned()
}

fn lines(path: impl AsRef<Path>) -> usize {
    fs::read_to_string(path).unwrap().lines().count()
}

/// What lies in a folder, hidden files as well.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// A classic capture of many packets: the office's, again and again, minutes apart.
fn long_capture(path: &str, times: u32) {
    let bytes = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(OFFICE)).unwrap();
    let (header, packets) = bytes.split_at(24);
    let mut out = header.to_vec();
    for again in 0..times {
        let mut rest = packets;
        while let Some((head, after)) = rest.split_first_chunk::<16>() {
            let word = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().unwrap());
            out.extend((word(0) + 600 * again).to_le_bytes());
            out.extend(&head[4..]);
            let (packet, after) = after.split_at(word(8) as usize);
            out.extend(packet);
            rest = after;
        }
    }
    fs::write(path, out).unwrap();
}

// The disk and the files on it.

#[test]
fn a_full_disk_costs_the_records_and_not_the_inventory() {
    let folder = tempfile::tempdir().unwrap();
    let census = at(&folder, "census.db");
    let report = at(&folder, "report.json");
    let output = tlscensus(&[
        "read",
        "--flows",
        "/dev/full",
        "--census",
        &census,
        "--report",
        &report,
        OFFICE,
        HELLO,
    ]);
    assert_eq!(code(&output), 1, "{}", words(&output));
    assert!(words(&output).contains("cannot write records to `/dev/full`"), "{}", words(&output));
    assert!(page(&output).contains("5 of 12 client hosts break"), "{}", page(&output));
    let report: Value = serde_json::from_slice(&fs::read(report).unwrap()).unwrap();
    assert_eq!(report["sources"].as_array().unwrap().len(), 2, "both were read");
    let again = tlscensus(&["report", &census]);
    assert_eq!((code(&again), page(&again)), (0, page(&output)));
}

#[test]
fn a_disk_that_fills_up_keeps_what_was_there_before() {
    // Few records are written at the end, many block by block by a thread of its own.
    for (size, times) in [("64k", 60), ("3m", 200)] {
        let folder = tempfile::tempdir().unwrap();
        let disk = at(&folder, "disk");
        fs::create_dir(&disk).unwrap();
        let long = at(&folder, "long.pcap");
        long_capture(&long, times);
        // The old records lie on the small disk; new ones do not fit. What it holds is gone with its
        // name space: the same shell looks.
        let flows = format!("{disk}/flows.ndjson");
        let script = format!(
            "mount -t tmpfs -o size={size} none {disk} && echo old > {flows} && \
             {{ {} read -q --flows {flows} {long} 2>&1; echo code $?; ls -A {disk}; cat {flows}; }};",
            env!("CARGO_BIN_EXE_tlscensus")
        );
        let Some(output) = within(&script, &["policy", "list"]) else { return };
        let told = page(&output);
        assert!(told.contains("No space left"), "{told}");
        // Not half a file under the name, and nothing left beside it.
        assert!(told.contains("code 1\nflows.ndjson\nold\n"), "{told}");
    }
}

#[test]
fn a_full_disk_under_the_census_costs_neither_records_nor_reports() {
    let folder = tempfile::tempdir().unwrap();
    let disk = at(&folder, "disk");
    fs::create_dir(&disk).unwrap();
    // The census is begun there, and there is room for some of the sources.
    let setting = format!("mount -t tmpfs -o size=800k none {disk} && ");
    let run = |name: &str, census: &str| {
        let [flows, report] = ["ndjson", "json"].map(|end| at(&folder, &format!("{name}.{end}")));
        let outputs = ["--flows", &flows, "--report", &report, "--census", census];
        let output = within(&setting, &[&["read", "captures"], &outputs[..]].concat())?;
        Some((output, fs::read(flows).unwrap(), fs::read(report).unwrap()))
    };
    let Some((full, flows, report)) = run("full", &format!("{disk}/c.db")) else { return };
    assert_eq!(code(&full), 1, "{}", words(&full));
    assert!(words(&full).starts_with("error: cannot save census"), "{}", words(&full));
    assert_eq!(words(&full).matches("error:").count(), 1, "{}", words(&full));
    let (with_room, all_flows, all) = run("room", &at(&folder, "c.db")).unwrap();
    assert_eq!((code(&with_room), page(&with_room)), (0, page(&full)));
    assert!(flows == all_flows && report == all);
}

#[test]
fn a_place_that_cannot_be_written_to_is_told_before_anything_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let missing = at(&folder, "no/such/flows.ndjson");
    let output = tlscensus(&["read", "--flows", &missing, OFFICE]);
    assert_eq!((code(&output), page(&output).as_str()), (1, ""));
    assert!(words(&output).contains(&missing), "{}", words(&output));
    let closed = folder.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, Permissions::from_mode(0o555)).unwrap();
    if File::create(closed.join("probe")).is_ok() {
        eprintln!("skipped in part: this user may write everywhere");
        return;
    }
    for option in ["--flows", "--census"] {
        let path = closed.join("out").to_str().unwrap().to_owned();
        let output = tlscensus(&["read", option, &path, OFFICE]);
        assert_eq!((code(&output), page(&output).as_str()), (1, ""), "{option}");
        assert!(words(&output).contains(&path), "{}", words(&output));
    }
}

#[test]
fn a_read_only_disk_is_told_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let disk = at(&folder, "disk");
    fs::create_dir(&disk).unwrap();
    let setting = format!("mount -t tmpfs -o ro none {disk} && ");
    for option in ["--flows", "--census"] {
        let path = format!("{disk}/out");
        let Some(output) = within(&setting, &["read", option, &path, OFFICE]) else { return };
        assert_eq!((code(&output), page(&output).as_str()), (1, ""), "{option}");
        assert!(words(&output).contains(&path), "{}", words(&output));
    }
    // A report is written at the end: the summary is not lost with it.
    let path = format!("{disk}/report.json");
    let Some(output) = within(&setting, &["read", "--report", &path, OFFICE]) else { return };
    assert_eq!(code(&output), 1);
    assert!(words(&output).contains(&path), "{}", words(&output));
    assert!(page(&output).contains("5 of 12 client hosts break"), "the summary is missing");
}

#[test]
fn reports_that_cannot_be_written_are_all_named_and_cost_no_summary() {
    let folder = tempfile::tempdir().unwrap();
    let [census, good] = ["census.db", "good.json"].map(|name| at(&folder, name));
    let bad = ["none/a.html", "none/b.csv"].map(|name| at(&folder, name));
    let reports = ["--report", &bad[0], "--report", &good, "--report", &bad[1]];
    for input in
        [&["read", "--census", &census, OFFICE], &["report", "-v", "--color=never", &*census]]
    {
        let output = tlscensus(&[&input[..], &reports].concat());
        assert_eq!(code(&output), 1, "{}", words(&output));
        assert!(page(&output).contains("5 of 12 client hosts break"), "{}", words(&output));
        for name in &bad {
            let told = format!("error: cannot write report `{name}`: No such file");
            assert_eq!(words(&output).matches(&told).count(), 1, "{}", words(&output));
        }
        fs::remove_file(&good).unwrap();
    }
}

#[test]
fn a_folder_that_vanishes_costs_what_was_to_lie_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("out");
    fs::create_dir(&inner).unwrap();
    let (flows, census) = (inner.join("flows.ndjson"), at(&folder, "census.db"));
    let mut reading = Feed::start(&["--flows", flows.to_str().unwrap(), "--census", &census]);
    reading.write(&office(), 2_000);
    fs::remove_dir_all(&inner).unwrap();
    reading.write(&office()[2_000..], usize::MAX);
    let output = reading.end();
    assert_eq!(code(&output), 1, "{}", words(&output));
    assert!(words(&output).contains("flows.ndjson"), "{}", words(&output));
    assert!(page(&output).contains("5 of 12 client hosts break"), "{}", page(&output));
    assert!(page(&tlscensus(&["report", &census])).contains("5 of 12 client hosts break"));
}

// Pipes and signals.

fn office() -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(OFFICE)).unwrap()
}

/// A run that reads what a test writes.
struct Feed(Child);

impl Feed {
    fn start(options: &[&str]) -> Self {
        let mut command = program();
        command.arg("read").args(options).arg("-");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(command.spawn().unwrap())
    }

    /// Write up to `most` bytes, wait until the program has taken them, however busy the machine is, and
    /// give it time to read them.
    fn write(&mut self, bytes: &[u8], most: usize) {
        let stdin = self.0.stdin.as_mut().unwrap();
        stdin.write_all(&bytes[..most.min(bytes.len())]).unwrap();
        stdin.flush().unwrap();
        let waiting = || rustix::io::ioctl_fionread(&*stdin).unwrap();
        let taken = (0..3_000).any(|_| {
            thread::sleep(Duration::from_millis(10));
            waiting() == 0
        });
        assert!(taken, "the program does not read");
        thread::sleep(Duration::from_millis(300));
    }

    fn signal(&self, name: &str) {
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    fn end(mut self) -> Output {
        drop(self.0.stdin.take());
        self.0.wait_with_output().unwrap()
    }
}

#[test]
fn a_signal_in_the_middle_writes_everything_so_far() {
    for signal in ["INT", "TERM"] {
        let folder = tempfile::tempdir().unwrap();
        let (flows, census, report) =
            (at(&folder, "flows.ndjson"), at(&folder, "census.db"), at(&folder, "report.csv"));
        let mut reading =
            Feed::start(&["--flows", &flows, "--census", &census, "--report", &report]);
        let bytes = office();
        reading.write(&bytes, bytes.len() - 400);
        reading.signal(signal);
        // Standard input stays open: the signal alone ends it.
        let stdin = reading.0.stdin.take();
        let output = reading.end();
        drop(stdin);
        assert_eq!(code(&output), 0, "{signal}: {}", words(&output));
        assert!(page(&output).contains("of 12 client hosts break"), "{signal}: {}", page(&output));
        assert!(lines(&flows) >= 20 && lines(&report) > 12, "{signal}");
        assert_eq!(page(&tlscensus(&["report", &census])), page(&output), "{signal}");
    }
}

/// `timeout 1h tlscensus ...` sends its signal to the program, and at once to the group it is in.
#[test]
fn two_signals_at_once_are_one_wish() {
    let mut reading = Feed::start(&[]);
    let bytes = office();
    reading.write(&bytes, bytes.len() - 400);
    let pid = reading.0.id();
    let both = format!("kill -INT {pid}; kill -TERM {pid}");
    assert!(Command::new("sh").args(["-c", &both]).status().unwrap().success());
    let stdin = reading.0.stdin.take();
    let output = reading.end();
    drop(stdin);
    assert_eq!(code(&output), 0, "{}", words(&output));
    assert!(page(&output).contains("of 12 client hosts break"), "{}", page(&output));
}

#[test]
fn a_reader_that_goes_away_ends_the_output_and_not_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let (long, census) = (at(&folder, "long.pcap"), at(&folder, "census.db"));
    long_capture(&long, 200);
    let mut child = program()
        .args(["read", "--flows", "-", "--census", &census, &long])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(code(&output), 0, "{}", words(&output));
    let report = at(&folder, "report.json");
    assert_eq!(code(&tlscensus(&["report", "--report", &report, &census])), 0);
    let report: Value = serde_json::from_slice(&fs::read(report).unwrap()).unwrap();
    // As many as where somebody reads to the end.
    let flows = at(&folder, "flows.ndjson");
    assert_eq!(code(&tlscensus(&["read", "-q", "--flows", &flows, &long])), 0);
    let all = lines(&flows);
    assert!(all > 21 * 150, "{all}");
    assert_eq!(report["coverage"]["connections"], all);
}

// Inputs that are not what they were.

#[test]
fn a_file_that_shrinks_or_grows_meanwhile_is_read_as_far_as_it_goes() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = office();
    // Through a FIFO the moment is ours: the file is a copy that is cut, or goes on, while it is read.
    for (name, cut) in [("shrinks", true), ("grows", false)] {
        let path = at(&folder, name);
        fs::write(&path, &bytes[..bytes.len() - if cut { 0 } else { 5_000 }]).unwrap();
        let gate = at(&folder, &format!("{name}.fifo"));
        assert!(Command::new("mkfifo").arg(&gate).status().unwrap().success());
        // The gate is the first input: while it is open the second has been named, not read.
        let child = program()
            .args(["read", &gate, &path])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut writer = OpenOptions::new().write(true).open(&gate).unwrap();
        thread::sleep(Duration::from_millis(200));
        let file = OpenOptions::new().append(true).open(&path).unwrap();
        if cut {
            file.set_len(bytes.len() as u64 - 5_000).unwrap();
        } else {
            (&file).write_all(&bytes[bytes.len() - 5_000..]).unwrap();
        }
        let hello = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(HELLO)).unwrap();
        writer.write_all(&hello).unwrap();
        drop(writer);
        let output = child.wait_with_output().unwrap();
        let told = words(&output);
        if cut {
            assert_eq!(code(&output), 4, "{told}");
            assert!(told.contains("is cut short"), "{told}");
        } else {
            assert_eq!((code(&output), told.as_str()), (0, ""));
        }
        assert!(page(&output).contains("client hosts break"), "{}", page(&output));
    }
}

#[test]
fn what_cannot_be_read_is_named_and_the_rest_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let (gone, text) = (at(&folder, "gone.pcap"), at(&folder, "words.pcap"));
    fs::write(&text, "this is no capture").unwrap();
    let output = tlscensus(&["read", &gone, &text, "/proc/self/mem", OFFICE]);
    assert_eq!(code(&output), 4, "{}", words(&output));
    for name in [&*gone, &*text, "/proc/self/mem"] {
        assert!(words(&output).contains(name), "{name} is not in {}", words(&output));
    }
    assert!(page(&output).contains("5 of 12 client hosts break"));
}

#[test]
fn without_file_descriptors_it_says_so() {
    // Standard streams, and what opening a capture and a census takes: at some number it works.
    let folder = tempfile::tempdir().unwrap();
    let census = at(&folder, "census.db");
    let mut worked = false;
    for count in [4, 5, 6, 8, 12, 24] {
        let _ = fs::remove_file(&census);
        let setting = format!("ulimit -n {count} &&");
        let arguments = ["read", "--census", &census, OFFICE];
        let Some(output) = within(&setting, &arguments) else { return };
        match code(&output) {
            0 => worked = true,
            1 => assert!(
                !worked && words(&output).starts_with("error:"),
                "{count}: {}",
                words(&output)
            ),
            other => {
                assert!(!worked && other == 127, "{count}: {other}: {}", words(&output));
            }
        }
    }
    assert!(worked, "24 are enough");
}

/// Capture time forwards and backwards by years: nothing is lost, nothing waits for ever.
#[test]
fn a_clock_that_jumps_loses_no_connection() {
    let folder = tempfile::tempdir().unwrap();
    let path = at(&folder, "jumps.pcap");
    let bytes = office();
    let (header, mut rest) = bytes.split_at(24);
    let mut out = header.to_vec();
    let mut number = 0_u32;
    while let Some((head, after)) = rest.split_first_chunk::<16>() {
        let word = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().unwrap());
        // A clock that was wrong by ten years until it was set, and once more.
        let shift = match number {
            100..200 => 10 * 31_536_000,
            300..400 => 0_u32.wrapping_sub(20 * 31_536_000),
            _ => 0,
        };
        out.extend(word(0).wrapping_add(shift).to_le_bytes());
        out.extend(&head[4..]);
        let (packet, after) = after.split_at(word(8) as usize);
        out.extend(packet);
        rest = after;
        number += 1;
    }
    fs::write(&path, out).unwrap();
    let flows = at(&folder, "flows.ndjson");
    let output = tlscensus(&["read", "--flows", &flows, &path]);
    assert_eq!(code(&output), 0, "{}", words(&output));
    // A connection that a jump cuts in two is two; none is lost.
    let count = lines(&flows);
    assert!((21..=27).contains(&count), "{count} of 21 connections, at most 6 cut in two");
    let plain = tlscensus(&["read", "-q", "--flows", "-", OFFICE]);
    let hellos = |text: &str| -> std::collections::BTreeSet<String> {
        text.lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .filter(|record| !record["client_hello"].is_null())
            .map(|record| record["community_id"].as_str().unwrap().to_owned())
            .collect()
    };
    let text = fs::read_to_string(&flows).unwrap();
    assert_eq!(hellos(&text), hellos(&page(&plain)), "a client was lost");
}

// The program itself.

/// A fault in a worker, a capture thread and a reader; builds for use have no way to provoke one.
#[test]
fn an_internal_error_costs_one_connection() {
    if !cfg!(debug_assertions) {
        eprintln!("skipped: faults can be provoked in builds with debug assertions only");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let run = |fault: &str| {
        let (flows, report) = (at(&folder, "flows.ndjson"), at(&folder, "report.json"));
        let output = program()
            .args(["read", "--threads", "1", "--flows", &flows, "--report", &report, OFFICE])
            .env("TLSCENSUS_FAULT", fault)
            .output()
            .unwrap();
        let report: Value = serde_json::from_slice(&fs::read(report).unwrap()).unwrap();
        (output, lines(&flows), report)
    };
    let (output, whole, _) = run("");
    assert_eq!((code(&output), whole), (0, 21));
    for (fault, lost) in [("worker:3", "1 connection"), ("packet:40", "1 packet")] {
        let (output, records, report) = run(fault);
        let told = words(&output);
        assert_eq!(code(&output), 4, "{fault}: {told}");
        let counted = format!("{lost} could not be analysed: internal error, please report it");
        assert!(told.contains(&counted), "{fault}: {told}");
        assert!(told.contains("internal error at src/pipeline/faults.rs"), "{fault}: {told}");
        assert!(page(&output).contains(&counted), "{fault}: {}", page(&output));
        assert_eq!(report["sources"][0]["error"], counted.as_str());
        assert!(records >= 20, "{fault}: {records} records");
        assert!(page(&output).contains("client hosts break"), "{fault}: {}", page(&output));
    }
    let (output, _, _) = run("reader:1");
    assert_eq!(code(&output), 4, "{}", words(&output));
    assert!(words(&output).contains("internal error, please report it"), "{}", words(&output));
}

#[test]
fn many_internal_errors_are_described_once_and_counted_all() {
    if !cfg!(debug_assertions) {
        eprintln!("skipped: faults can be provoked in builds with debug assertions only");
        return;
    }
    let output = program()
        .args(["read", "--threads", "1", OFFICE])
        .env("TLSCENSUS_FAULT", "worker:*")
        .output()
        .unwrap();
    let told = words(&output);
    assert_eq!(code(&output), 4, "{told}");
    assert!(told.contains("21 connections could not be analysed"), "{told}");
    assert_eq!(told.matches("internal error at").count(), 8, "{told}");
}

#[test]
fn what_is_no_sound_census_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let good = at(&folder, "good.db");
    assert_eq!(code(&tlscensus(&["read", "-q", "--census", &good, OFFICE])), 0);
    let bytes = fs::read(&good).unwrap();
    let mut corrupt = bytes.clone();
    let middle = corrupt.len() / 2;
    corrupt[middle..middle + 4_096].fill(0xa5);
    let mut newer = bytes.clone();
    newer[60..64].copy_from_slice(&9_999_u32.to_be_bytes());
    let mut foreign = bytes.clone();
    foreign[68..72].copy_from_slice(b"oth\0");
    for (name, bytes) in [
        ("corrupt.db", corrupt),
        ("truncated.db", bytes[..bytes.len() / 2].to_vec()),
        ("stub.db", bytes[..50].to_vec()),
        ("newer.db", newer),
        ("foreign.db", foreign),
        ("text.db", b"dear diary\n".repeat(500)),
    ] {
        let path = at(&folder, name);
        fs::write(&path, &bytes).unwrap();
        for arguments in
            [&["read", "--census", &path, OFFICE][..], &["report", &path], &["diff", &good, &path]]
        {
            let output = tlscensus(arguments);
            assert!(matches!(code(&output), 1 | 2), "{name}: {arguments:?}: {}", page(&output));
            assert!(words(&output).contains(name), "{name}: {}", words(&output));
            assert!(fs::read(&path).unwrap() == bytes, "{name} was changed by {arguments:?}");
        }
    }
    let left: Vec<PathBuf> = names(folder.path()).into_iter().map(PathBuf::from).collect();
    let strays = left.iter().filter(|name| name.extension().is_none_or(|end| end != "db"));
    assert_eq!(strays.count(), 0, "{left:?}");
}
