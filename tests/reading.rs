//! `tlscensus read` where not all goes well: what was not read is said, and what was is not lost.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

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
