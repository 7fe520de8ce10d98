//! What the built program says of slips and of outputs that fail: every line names what, and the cure.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::fs;
use std::process::{Command, Stdio};

const OFFICE: &str = "captures/office-network.pcap";

fn program(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tlscensus"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(args).stdin(Stdio::null());
    command
}

/// The exit code, and what it says on standard error.
fn said(mut command: Command) -> (i32, String) {
    let output = command.output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn standard_output_that_is_full_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let census = folder.path().join("c.db").to_str().unwrap().to_owned();
    assert_eq!(said(program(&["read", "-q", "--census", &census, OFFICE])).0, 0);
    for (args, what) in [
        (&["read", OFFICE][..], "cannot write to standard output"),
        (&["read", "-q", "--flows", "-", OFFICE], "cannot write records to standard output"),
        (&["report", &census], "cannot write to standard output"),
        (&["diff", &census, &census], "cannot write to standard output"),
        (&["policy", "list"], "cannot write to standard output"),
        (&["man"], "cannot write to standard output"),
    ] {
        let mut command = program(args);
        command.stdout(fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
        let (code, words) = said(command);
        assert!(code == 1 && words.starts_with(&format!("error: {what}: No space")), "{words}");
    }
}
