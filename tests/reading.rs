//! `tlscensus read` where not all goes well: what was not read is said, and what was is not lost.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const OFFICE: &str = "captures/office-network.pcap";
const CURL: &str = "captures/curl.pcap";

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tlscensus"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null());
    command
}

fn run(args: &[impl AsRef<OsStr>]) -> Output {
    program().args(args).output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Without the line breaks of a page.
fn stdout(output: &Output) -> String {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The faults of a report's sources, by their names.
fn faults(report: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let sources = report["sources"].as_array().unwrap().iter();
    sources.filter_map(|one| Some((text(&one["name"])?, text(&one["error"])?))).collect()
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_with_any_name_is_the_same_source_each_time() {
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().unwrap();
    let capture = folder.path().join(OsStr::from_bytes(b"a\xff\xfeb.pcap"));
    fs::copy(common::project(CURL), &capture).unwrap();
    let [census, report] = ["c.db", "r.json"].map(|name| folder.path().join(name));
    for _ in 0..3 {
        let read = [OsStr::new("read"), "-q".as_ref(), "--census".as_ref(), census.as_os_str()];
        let output = program().args(read).arg(&capture).output().unwrap();
        assert_eq!((code(&output), stderr(&output).as_str()), (0, ""));
    }
    let of_census = [OsStr::new("report"), "--report".as_ref(), report.as_os_str()];
    assert_eq!(code(&program().args(of_census).arg(&census).output().unwrap()), 0);
    assert_eq!(json(&report)["sources"].as_array().unwrap().len(), 1);
}

/// Run with the rest of a capture held back until the run was asked to stop.
#[cfg(target_os = "linux")]
fn stopped(mut command: Command, to: impl FnOnce(&mut std::process::Child) -> fs::File) -> Output {
    use std::io::Write;
    let bytes = fs::read(common::project(CURL)).unwrap();
    let (begin, rest) = bytes.split_at(bytes.len() / 2);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stream = to(&mut child);
    stream.write_all(begin).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(500));
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-s", "TERM", &pid]).status().unwrap().success());
    std::thread::sleep(std::time::Duration::from_millis(500));
    // A run that has its answer reads no more.
    let _ = stream.write_all(rest);
    drop(stream);
    child.wait_with_output().unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn what_a_stopped_run_did_not_come_to_is_said() {
    for with_census in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let [pipe, report, census] = ["p", "r.json", "c.db"].map(|name| folder.path().join(name));
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let mut command = program();
        command.arg("read").arg(&pipe).args([OFFICE, "captures/wget.pcap", "--report"]);
        command.arg(&report);
        if with_census {
            command.arg("--census").arg(&census);
        }
        let open = |_: &mut std::process::Child| fs::File::create(&pipe).unwrap();
        let output = stopped(command, open);
        assert_eq!(code(&output), 4, "{}", stderr(&output));
        assert!(stderr(&output).contains("2 inputs were not read"), "{}", stderr(&output));
        assert!(stderr(&output).contains(OFFICE), "{}", stderr(&output));
        let words = "`captures/wget.pcap` was not opened: the run was stopped before";
        assert!(stdout(&output).contains(words), "{}", stdout(&output));
        let faults = faults(&json(&report));
        let names: Vec<_> = faults.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, [OFFICE, "captures/wget.pcap"]);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_stream_that_is_ended_is_whole() {
    let mut command = program();
    command.args(["read", "-"]).stdin(Stdio::piped());
    let stdin = |child: &mut std::process::Child| {
        std::os::fd::OwnedFd::from(child.stdin.take().unwrap()).into()
    };
    let output = stopped(command, stdin);
    assert_eq!((code(&output), stderr(&output).as_str()), (0, ""));
    assert!(!stdout(&output).contains("stopped"), "{}", stdout(&output));
}

/// How many threads of a process may run on which cores, as the system writes them.
#[cfg(target_os = "linux")]
fn cores_of_threads(process: u32) -> BTreeMap<String, usize> {
    let mut cores = BTreeMap::new();
    for thread in fs::read_dir(format!("/proc/{process}/task")).unwrap() {
        // It may have ended by now.
        let status = fs::read_to_string(thread.unwrap().path().join("status")).unwrap_or_default();
        if let Some(those) = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed:")) {
            *cores.entry(those.trim().to_owned()).or_default() += 1;
        }
    }
    cores
}

#[cfg(target_os = "linux")]
#[test]
fn of_two_cores_who_follows_packets_has_one_for_itself() {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    use std::io::Write;
    let all = sched_getaffinity(None).unwrap();
    let mut two = CpuSet::new();
    for core in (0..CpuSet::MAX_CPU).filter(|core| all.is_set(*core)).take(2) {
        two.set(core);
    }
    if two.count() < 2 {
        eprintln!("skipped: there is but one core");
        return;
    }
    // For this thread, and for the programs that it starts.
    sched_setaffinity(None, &two).unwrap();
    let capture = fs::read(common::project(CURL)).unwrap();
    let (begin, rest) = capture.split_at(capture.len() / 2);
    // Who follows packets; and workers, of which there is one less than threads, with who reads ahead.
    for (threads, expected) in [("1", vec![]), ("2", vec![1, 2]), ("4", vec![1, 4])] {
        let mut command = program();
        command.args(["read", "-", "--threads", threads]).stdin(Stdio::piped());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stream = child.stdin.take().unwrap();
        stream.write_all(begin).unwrap();
        let mut seen = Vec::new();
        for _ in 0..if expected.is_empty() { 10 } else { 100 } {
            std::thread::sleep(std::time::Duration::from_millis(50));
            let mut cores = cores_of_threads(child.id());
            // The thread that reads no packets may run on both.
            cores.retain(|cores, _| {
                cores
                    .chars()
                    .filter_map(|digit| digit.to_digit(16))
                    .map(u32::count_ones)
                    .sum::<u32>()
                    == 1
            });
            seen = cores.into_values().collect();
            seen.sort_unstable();
            if !expected.is_empty() && seen == expected {
                break;
            }
        }
        stream.write_all(rest).unwrap();
        drop(stream);
        let output = child.wait_with_output().unwrap();
        assert_eq!((code(&output), stderr(&output).as_str()), (0, ""));
        assert_eq!(seen, expected, "{threads} threads");
    }
}

/// Let a program end by itself, for five seconds.
#[cfg(target_os = "linux")]
fn ended(mut child: std::process::Child) -> Option<Output> {
    for _ in 0..250 {
        if child.try_wait().unwrap().is_some() {
            return Some(child.wait_with_output().unwrap());
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    None
}

#[cfg(target_os = "linux")]
#[test]
fn a_stream_that_says_nothing_is_not_waited_for_once_the_run_is_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // Nobody writes to it; somebody could, and does not; the same on standard input.
    for (name, with_writer) in [(pipe.as_path(), false), (&pipe, true), (Path::new("-"), true)] {
        let mut options = fs::OpenOptions::new();
        let writer = with_writer.then(|| options.read(true).write(true).open(&pipe).unwrap());
        let stdin = writer.as_ref().map_or_else(Stdio::null, |one| one.try_clone().unwrap().into());
        let mut command = program();
        command.arg("read").arg(CURL).arg(name).arg(OFFICE).stdin(stdin);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(700));
        let pid = child.id().to_string();
        assert!(Command::new("kill").args(["-s", "INT", &pid]).status().unwrap().success());
        let output = ended(child).expect("it waits for ever");
        let told = format!(
            "error: the run was stopped: 2 inputs were not read, from `{}` on\n",
            name.display()
        );
        assert_eq!((code(&output), stderr(&output)), (4, told));
        assert!(stdout(&output).contains("Seen: 1 TLS connection in 1 source"));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_pipe_is_read_once() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let through = |args: &[&str], bytes: Vec<u8>| {
        let mut command = program();
        command.args(args).arg(&pipe).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        let gate = pipe.clone();
        let writing = std::thread::spawn(move || fs::write(gate, bytes));
        let output = ended(child);
        // Whoever waits for a reader in vain is let go.
        drop(fs::OpenOptions::new().read(true).write(true).open(&pipe).unwrap());
        let _ = writing.join().unwrap();
        output.expect("it waits for ever")
    };
    let office = fs::read(common::project(OFFICE)).unwrap();
    let story = through(&["host", "10.20.0.13"], office);
    assert_eq!((code(&story), stderr(&story).as_str()), (0, ""));
    assert!(stdout(&story).contains("offers at most TLS 1.0"), "{}", stdout(&story));
    let refused = through(&["read"], b"this is no capture".to_vec());
    assert_eq!(code(&refused), 1);
    assert!(stderr(&refused).contains("is no capture file"), "{}", stderr(&refused));
}

#[test]
fn a_file_in_whose_middle_a_run_is_stopped_says_where() {
    use tlscensus::pipeline::{self, Progress};
    let settings = common::settings(1, &["dataverse"]);
    let inputs = tlscensus::capture::paths::expand(&[common::project(OFFICE)]).inputs;
    let progress = std::sync::Arc::new(Progress::default());
    progress.stop();
    let none = None::<&mut tlscensus::sink::FlowSink>;
    let finished = pipeline::read(&inputs, &settings, None, none, &progress);
    let [source] = &finished.sources[..] else { unreachable!("one was read") };
    assert!(source.stopped && source.counted.capture.frames > 0);
    let size = fs::metadata(common::project(OFFICE)).unwrap().len();
    let error = source.error.as_ref().map(ToString::to_string).unwrap_or_default();
    assert!(error.contains("was read to byte "), "{error}");
    assert!(error.ends_with(&format!("of {size}: the run was stopped")), "{error}");
}

#[test]
fn what_cannot_be_opened_is_in_summary_and_reports() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let (missing, report, census) = (at("nosuch.pcap"), at("r.json"), at("c.db"));
    for census in [&[][..], &["--census", &census]] {
        let output =
            run(&[&["read", &missing, CURL, "--report", &report, "-v"][..], census].concat());
        assert_eq!(code(&output), 4);
        assert_eq!(stderr(&output).matches("nosuch.pcap").count(), 1, "{}", stderr(&output));
        let text = stdout(&output);
        let (_, unseen) = text.split_once("What could not be seen").unwrap();
        assert!(unseen.contains("nosuch.pcap"), "{text}");
        assert!(unseen.contains("in 1 source,"), "{text}");
        let report = json(Path::new(&report));
        assert_eq!(report["coverage"]["faulty_sources"], 1);
        assert_eq!(faults(&report).first().unwrap().0, missing);
    }
    // It has no identity by which it could be known again.
    let output = run(&["report", &census, "-v"]);
    assert_eq!(code(&output), 0);
    assert!(!stdout(&output).contains("nosuch.pcap"), "{}", stdout(&output));
}

#[cfg(unix)]
#[test]
fn what_was_passed_over_in_a_directory_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let captures = folder.path().join("captures");
    fs::create_dir(&captures).unwrap();
    fs::copy(common::project(CURL), captures.join("curl.pcap")).unwrap();
    for name in ["README.md", "notes.txt"] {
        fs::write(captures.join(name), "no capture").unwrap();
    }
    std::os::unix::fs::symlink(common::project(OFFICE), captures.join("office.pcap")).unwrap();
    let report = folder.path().join("r.json");
    let [captures, written] = [&captures, &report].map(|path| path.to_string_lossy());
    let output = run(&["read", &captures, "--report", &written]);
    assert_eq!((code(&output), stderr(&output).as_str()), (0, ""));
    let words = "In directories, 2 files that are no captures were skipped, and 1 link was not \
                 followed";
    assert!(stdout(&output).contains(words), "{}", stdout(&output));
    let passed_over = &json(&report)["coverage"]["passed_over"];
    assert_eq!(passed_over, &serde_json::json!({ "files": 2, "links": 1 }));
}

#[test]
fn only_what_can_fail_on_something_takes_the_option() {
    let mut commands = vec![["host", "10.20.0.13"]];
    if cfg!(feature = "serve") {
        commands.push(["serve", "--listen=127.0.0.1:0"]);
    }
    for command in commands {
        let output = run(&[&command[..], &["/nowhere.db", "--fail-on", "breaks"]].concat());
        assert_eq!(code(&output), 2, "{command:?}: {}", stderr(&output));
        assert!(stderr(&output).contains("--fail-on"), "{}", stderr(&output));
        assert!(!stdout(&run(&[command[0], "--help"])).contains("--fail-on"), "{command:?}");
    }
}

#[test]
fn a_window_or_filter_that_leaves_nothing_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let census = folder.path().join("c.db").to_string_lossy().into_owned();
    assert_eq!(code(&run(&["read", "-q", OFFICE, "--census", &census])), 0);
    for args in [["read", OFFICE], ["report", &census]] {
        let output = run(&[&args[..], &["--since", "2037-11-22"]].concat());
        assert_eq!(code(&output), 0);
        let text = stdout(&output);
        assert!(text.contains("No handshake began in the time that was asked for"), "{text}");
        assert!(!text.contains("mirror port"), "{text}");
    }
    if cfg!(feature = "live") {
        let text = stdout(&run(&["read", OFFICE, "--filter", "tcp port 1"]));
        assert!(text.contains("No packet matches the filter"), "{text}");
        assert!(!text.contains("was the capture running"), "{text}");
    }
}

#[cfg(feature = "live")]
#[test]
fn handshakes_of_which_nothing_can_be_read_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let [census, report] =
        ["c.db", "r.json"].map(|name| folder.path().join(name).to_string_lossy().into_owned());
    // The keys of QUIC's first packets derive from what the client sends.
    let half = ["read", "captures/quic-v1.pcap", "--filter", "src port 443"];
    let text = stdout(&run(&[&half[..], &["--census", &census, "--report", &report]].concat()));
    assert!(text.contains("1 handshake began of which nothing can be read"), "{text}");
    assert!(!text.contains("mirror port"), "{text}");
    let coverage = &json(Path::new(&report))["coverage"];
    assert_eq!((&coverage["unreadable"], &coverage["connections"]), (&1.into(), &0.into()));
    assert_eq!(stdout(&run(&["report", &census])), text);
    // What lies outside the window is none of its business.
    let text = stdout(&run(&[&half[..], &["--since", "2037-11-22"]].concat()));
    assert!(text.contains("No handshake began in the time that was asked for"), "{text}");
    assert!(!text.contains("can be read"), "{text}");
    let both = run(&["read", "captures/quic-v1.pcap", "--report", &report]);
    assert_eq!(code(&both), 0);
    assert_eq!(json(Path::new(&report))["coverage"]["unreadable"], 0);
}

#[test]
fn a_window_that_ends_before_it_begins_is_wrong_usage() {
    for args in
        [["read", OFFICE, "-q"], ["report", "/nowhere.db", "-q"], ["host", "10.0.0.1", OFFICE]]
    {
        for until in ["2026-03-01", "2026-03-02"] {
            let window = ["--since", "2026-03-02", "--until", until];
            let output = run(&[&args[..], &window].concat());
            assert_eq!(code(&output), 2, "{args:?}: {}", stderr(&output));
            assert!(stderr(&output).contains("--until"), "{}", stderr(&output));
        }
    }
}
