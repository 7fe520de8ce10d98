//! What the built program says of slips and of outputs that fail: every line names what, and the cure.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::fs;
use std::os::unix::fs::symlink;
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

#[test]
fn what_is_judged_by_is_not_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let own = |name: &str, like: &str| {
        fs::copy(like, folder.path().join(name)).unwrap();
        at(name)
    };
    let text = |name: &str, text: &str| {
        fs::write(folder.path().join(name), text).unwrap();
        at(name)
    };
    let roots = own("roots.csv", "captures/roots/private-root.pem");
    let files = [
        ("--policy", own("own.json", "src/policy/builtin/dataverse.toml")),
        ("--trust", roots.clone()),
        ("--hosts", text("hosts.csv", "10.20.0.13 till\n")),
        ("--groups", text("groups.md", "network,owner\n10.20.0.0/16,shop\n")),
        ("--exceptions", text("agreed.html", "")),
    ];
    let census = at("census.db");
    assert_eq!(said(program(&["read", "-q", "--census", &census, OFFICE])).0, 0);
    for (option, file) in files {
        let before = fs::read(&file).unwrap();
        let told = format!("error: the output `{file}` would overwrite the input `{file}`\n");
        for input in [["read", OFFICE], ["report", &census]] {
            let args = [&input[..], &["--report", &file, option, &file]].concat();
            assert_eq!(said(program(&args)), (2, told.clone()), "{args:?}");
        }
        assert_eq!(fs::read(&file).unwrap(), before);
    }
    let named = format!("corp={roots}");
    assert_eq!(said(program(&["read", OFFICE, "--flows", &roots, "--trust", &named])).0, 2);
    let key = text("key.csv", &"0123456789abcdef".repeat(4));
    assert_eq!(said(program(&["report", &census, "--anonymize", &key, "--report", &key])).0, 2);
    // A policy's id is no file, whatever the output is called.
    let office = concat!(env!("CARGO_MANIFEST_DIR"), "/captures/office-network.pcap");
    for _ in 0..2 {
        let mut named_so = program(&["read", "-q", office, "--flows", "dataverse"]);
        named_so.current_dir(folder.path());
        assert_eq!(said(named_so), (0, String::new()));
    }
}

#[test]
fn standard_input_is_read_once() {
    for args in [&["read", "-", OFFICE, "-"][..], &["host", "10.20.0.13", "-", "-"]] {
        let (code, words) = said(program(args));
        assert_eq!(code, 2, "{words}");
        assert!(words.starts_with("error: standard input (`-`) is named twice"), "{words}");
    }
}

#[test]
#[cfg(feature = "live")]
fn an_interface_without_a_name_is_none() {
    let (code, words) = said(program(&["live", "-i", ""]));
    assert_eq!(code, 2, "{words}");
    assert!(words.contains("a value is required for '--interface <IFACE>'"), "{words}");
}

#[test]
fn a_hint_is_a_line_of_its_own() {
    for args in [&["read", "--policy", "datavers", OFFICE][..], &["policy", "show", "datavers"]] {
        let (code, words) = said(program(args));
        assert_eq!(code, 2, "{words}");
        let lines: Vec<&str> = words.lines().collect();
        assert_eq!(lines[0], "error: no policy is called `datavers`; did you mean `dataverse`?");
        assert!(lines[1].starts_with("hint: known policies are dataverse, "), "{words}");
    }
}

#[test]
fn every_command_has_an_example() {
    let help = |args: &[&str]| {
        let output = program(&[args, &["--help"]].concat()).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let all = help(&[]);
    let commands = all.split("Commands:").nth(1).unwrap().split("Options:").next().unwrap();
    let names = commands.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    let names: Vec<&str> = names.filter(|name| !["", "help", "policy"].contains(name)).collect();
    assert!(names.len() > 7 && names.contains(&"read"), "{names:?}");
    for name in names {
        assert!(help(&[name]).contains("Example"), "{name}");
    }
}

/// Reports, records and the census alike.
#[test]
fn a_link_to_nothing_is_kept_and_leads_to_what_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for (link, target) in [("l.json", "t.json"), ("l.ndjson", "t.ndjson"), ("l.db", "t.db")] {
        symlink(target, at(link)).unwrap();
    }
    let (report, flows, census) = (at("l.json"), at("l.ndjson"), at("l.db"));
    let outputs = ["--report", &report, "--flows", &flows, "--census", &census];
    let (code, words) = said(program(&[&["read", "-q", OFFICE], &outputs[..]].concat()));
    assert_eq!((code, words.as_str()), (0, ""));
    for (link, target) in [("l.json", "t.json"), ("l.ndjson", "t.ndjson"), ("l.db", "t.db")] {
        assert!(fs::symlink_metadata(at(link)).unwrap().is_symlink(), "{link}");
        assert!(fs::metadata(at(target)).unwrap().len() > 1_000, "{target}");
    }
    // Two names of one place.
    symlink("other.json", at("second.json")).unwrap();
    let (one, other) = (at("second.json"), at("other.json"));
    let (code, words) =
        said(program(&["read", "-q", OFFICE, "--report", &one, "--report", &other]));
    assert!(code == 2 && words.contains("is named for two outputs"), "{words}");
}

#[test]
fn what_belongs_to_another_command_says_to_which() {
    let folder = tempfile::tempdir().unwrap();
    let census = folder.path().join("c.db").to_str().unwrap().to_owned();
    assert_eq!(said(program(&["read", "-q", "--census", &census, OFFICE])).0, 0);
    for (args, hint) in [
        (&["read", &census][..], "hint: it may be a census: `tlscensus report` tells"),
        (&["report", OFFICE], "`tlscensus read --census FILE CAPTURE` makes a census"),
        (&["explain", "power-platform"], "hint: tlscensus policy show dataverse"),
    ] {
        let (code, words) = said(program(args));
        assert!(code != 0 && words.contains(hint), "{words}");
    }
}
