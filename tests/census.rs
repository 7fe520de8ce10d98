//! The census file, as its users meet it: the program on the captures that come with it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

fn tlscensus(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tlscensus"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap()
}

fn done(arguments: &[&str]) -> String {
    let output = tlscensus(arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Captures that can be read to their end, by name.
fn captures() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures");
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| Path::new(name).extension().is_some_and(|ending| ending == "pcap"))
        .map(|name| format!("captures/{name}"))
        .filter(|name| tlscensus(&["read", "-q", name]).status.success())
        .collect();
    names.sort();
    assert!(names.len() > 20, "{names:?}");
    names
}

fn path(folder: &tempfile::TempDir, name: &str) -> String {
    folder.path().join(name).to_str().unwrap().to_owned()
}

#[test]
fn split_over_files_read_twice_and_merged_it_is_the_same_inventory() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| path(&folder, name);
    let captures = captures();
    let names: Vec<&str> = captures.iter().map(String::as_str).collect();
    let read = |census: Option<&str>, report: &str, names: &[&str]| {
        let mut arguments = vec!["read", "--sensor", "span-a", "--report", report];
        arguments.extend(census.iter().flat_map(|census| ["--census", census]));
        arguments.extend(names);
        done(&arguments)
    };
    let at_once = read(None, &at("once.json"), &names);
    let in_census = read(Some(&at("all.db")), &at("all.json"), &names);
    assert_eq!(at_once, in_census);
    let (left, right) = names.split_at(names.len() / 3);
    // The second file also holds the first capture of the other, and reads one of its own twice.
    read(Some(&at("b.db")), &at("x.json"), right);
    read(Some(&at("b.db")), &at("x.json"), &[left[0], right[0]]);
    read(Some(&at("a.db")), &at("x.json"), left);
    let report = |name: &str, files: &[&str]| {
        let files: Vec<_> = files.iter().map(|file| at(file)).collect();
        let report = at(name);
        let mut arguments = vec!["report", "--report", &report];
        arguments.extend(files.iter().map(String::as_str));
        assert_eq!(done(&arguments), at_once, "{files:?}");
    };
    report("one.json", &["all.db"]);
    report("two.json", &["a.db", "b.db"]);
    report("three.json", &["b.db", "a.db", "all.db", "b.db"]);
    let once = fs::read_to_string(at("once.json")).unwrap();
    for name in ["all.json", "one.json", "two.json", "three.json"] {
        assert!(once == fs::read_to_string(at(name)).unwrap(), "{name} differs");
    }
    let mut left: Vec<PathBuf> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    left.retain(|path| path.extension().is_none_or(|ending| ending != "json"));
    left.sort();
    assert_eq!(left, ["a.db", "all.db", "b.db"].map(|name| folder.path().join(name)));
}

#[test]
fn a_stream_is_another_source_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let census = path(&folder, "c.db");
    for _ in 0..2 {
        let capture = fs::File::open("captures/python-tls10.pcap").unwrap();
        let status = Command::new(env!("CARGO_BIN_EXE_tlscensus"))
            .args(["read", "-q", "--census", &census, "-"])
            .stdin(capture)
            .status()
            .unwrap();
        assert!(status.success());
    }
    assert!(done(&["report", &census]).contains("2 sources"));
}

#[test]
fn a_window_leaves_out_what_lies_outside() {
    let folder = tempfile::tempdir().unwrap();
    let census = path(&folder, "c.db");
    done(&["read", "-q", "--census", &census, "captures/office-network.pcap"]);
    let whole = done(&["report", &census]);
    assert_eq!(done(&["report", "--since", "2020-01-01", &census]), whole);
    let before = done(&["report", "--until", "2020-01-01", &census]);
    assert!(before.contains("No TLS handshake was seen"), "{before}");
    let output = tlscensus(&["report", "--since", "soon", &census]);
    assert_eq!(output.status.code(), Some(2));
}

/// What a report of these censuses counts: connections, those of all client stacks, sources.
fn counted(folder: &tempfile::TempDir, census: &str) -> [u64; 3] {
    let report = path(folder, "counted.json");
    done(&["report", "-q", "--report", &report, census]);
    let report: serde_json::Value = serde_json::from_slice(&fs::read(report).unwrap()).unwrap();
    let list = |value: &serde_json::Value, key: &str| value[key].as_array().unwrap().clone();
    let stacks = list(&report, "clients").into_iter().flat_map(|client| list(&client, "stacks"));
    let of_stacks = stacks.map(|stack| stack["connections"].as_u64().unwrap()).sum();
    let all = report["coverage"]["connections"].as_u64().unwrap();
    [all, of_stacks, list(&report, "sources").len() as u64]
}

/// A second window of a capture adds to a census; the same one again does not.
#[test]
fn windows_of_one_capture_add_up() {
    const NOON: &str = "2026-11-21T04:36:41Z";
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| path(&folder, name);
    let read = |census: &str, window: &[&str]| {
        let read = ["read", "--census", census, "captures/office-network.pcap"];
        let output = tlscensus(&[&read, window].concat());
        assert_eq!(output.status.code(), Some(0));
        String::from_utf8(output.stderr).unwrap()
    };
    let whole = at("whole.db");
    read(&whole, &[]);
    let [all, stacks, 1] = counted(&folder, &whole) else { panic!("one file is one source") };
    assert_eq!(all, stacks);
    // Neither does a window that leaves nothing out.
    assert_eq!(read(&whole, &["--since", "2020-01-01", "--until", "2100-01-01"]), "");
    assert_eq!(counted(&folder, &whole), [all, all, 1]);

    let parts = at("parts.db");
    for window in [["--until", NOON], ["--since", NOON], ["--until", NOON], ["--since", NOON]] {
        assert_eq!(read(&parts, &window), "");
    }
    assert_eq!(counted(&folder, &parts), [all, all, 2]);
    let words = read(&parts, &["--since", "2026-11-21T04:36:42Z"]);
    assert!(
        words.contains("the census has another part of `captures/office-network.pcap`"),
        "{words}"
    );
    let words = read(&parts, &[]);
    assert!(words.contains("what lies in both counts twice"), "{words}");
}

/// Of two censuses together nobody was told when they were filled.
#[test]
fn windows_of_two_censuses_that_overlap_are_said() {
    let folder = tempfile::tempdir().unwrap();
    let [early, late, later] = ["early.db", "late.db", "later.db"].map(|name| path(&folder, name));
    let read = ["read", "-q", "captures/office-network.pcap", "captures/curl.pcap"];
    for (census, window) in [
        (&early, ["--until", "2026-11-21T04:36:42Z"]),
        (&late, ["--since", "2026-11-21T04:36:41Z"]),
        (&later, ["--since", "2026-11-21T04:36:42Z"]),
    ] {
        done(&[&read[..], &["--census", census], &window].concat());
    }
    for command in [&["report"][..], &["host", "10.20.0.11"]] {
        let words = |censuses: &[&str]| {
            String::from_utf8(tlscensus(&[command, censuses].concat()).stderr).unwrap()
        };
        let told = words(&[&early, &late]);
        assert!(told.contains("two parts of `captures/office-network.pcap` overlap"), "{told}");
        assert_eq!(words(&[&early, &later]), "");
        assert_eq!(words(&[&late, &late]), "");
    }
}

#[test]
fn two_censuses_compared() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (path(&folder, "old.db"), path(&folder, "new.db"));
    done(&["read", "-q", "--census", &old, "captures/curl.pcap"]);
    done(&["read", "-q", "--census", &new, "captures/curl.pcap", "captures/office-network.pcap"]);
    let words = done(&["diff", &old, &new]);
    assert!(words.contains("new: they break and did not before"), "{words}");
    let code = |arguments: &[&str]| tlscensus(arguments).status.code();
    assert_eq!(code(&["diff", "--fail-on", "breaks", &old, &new]), Some(3));
    assert_eq!(code(&["diff", "--fail-on", "breaks", &new, &old]), Some(0));
    assert_eq!(code(&["diff", "--fail-on", "breaks", &new, &new]), Some(0));
    assert_eq!(code(&["diff", &new, "README.md"]), Some(1));
    let words = done(&["diff", &new, &old]);
    assert!(words.contains("gone silent"), "{words}");
}

#[test]
fn one_host_from_a_capture_and_from_a_census() {
    let folder = tempfile::tempdir().unwrap();
    let census = path(&folder, "c.db");
    done(&["read", "-q", "--census", &census, "captures/office-network.pcap"]);
    let story = done(&["host", "10.20.0.13", &census]);
    assert_eq!(story, done(&["host", "10.20.0.13", "captures/office-network.pcap"]));
    for words in ["offers at most TLS 1.0", "talked to", "breaks [version]", "fix"] {
        assert!(story.contains(words), "{words}: {story}");
    }
    // A host that was seen is not said to have not been, because of what was asked for.
    for (narrow, words) in [
        (["--scope", "nobody.example"], "no TLS connection with a server in scope was seen.\n"),
        (["--since", "2099-01-01"], "no TLS connection was seen in the time that was asked for.\n"),
    ] {
        let story = done(&["host", "10.20.0.13", &census, narrow[0], narrow[1]]);
        assert_eq!(story, format!("10.20.0.13: {words}"));
    }
    let stranger = done(&["host", "192.0.2.77", &census]);
    assert!(stranger.contains("no TLS connection was seen"), "{stranger}");
}

#[test]
fn what_is_no_census_is_refused_in_a_sentence_with_a_cure() {
    let folder = tempfile::tempdir().unwrap();
    let report = path(&folder, "report.json");
    for arguments in [
        &["read", "--census", "README.md", "captures/curl.pcap"][..],
        &["report", "--report", &report, "README.md"],
    ] {
        let before = fs::read("README.md").unwrap();
        let output = tlscensus(arguments);
        let words = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{words}");
        assert!(words.contains("`README.md` is no census") && words.contains("hint:"), "{words}");
        assert_eq!(fs::read("README.md").unwrap(), before);
    }
    assert!(!Path::new(&report).exists() && !Path::new("README.md-lock").exists());
    let missing = tlscensus(&["report", &path(&folder, "missing.db")]);
    assert_eq!(missing.status.code(), Some(1));
}

/// Killed at any moment, the file is whole: it has what was saved, and can be added to.
#[test]
fn a_kill_leaves_a_census_that_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let census = path(&folder, "c.db");
    let captures = captures();
    let mut killed = 0;
    for pause in [1, 5, 15, 30, 45, 60, 80, 100, 130, 160] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tlscensus"))
            .args(["read", "-q", "--threads", "1", "--sensor", "s", "--census", &census])
            .args(&captures)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(pause));
        killed += u32::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        if fs::metadata(&census).is_ok_and(|metadata| metadata.len() > 0) {
            done(&["report", &census]);
        }
    }
    println!("killed {killed} of 10 runs before their end");
    let mut arguments = vec!["read", "--sensor", "s", "--census", &census];
    arguments.extend(captures.iter().map(String::as_str));
    let whole = done(&arguments);
    let mut arguments = vec!["read", "--sensor", "s"];
    arguments.extend(captures.iter().map(String::as_str));
    assert_eq!(done(&arguments), whole);
}

#[test]
fn a_copy_counts_once_with_or_without_a_census() {
    let folder = tempfile::tempdir().unwrap();
    let (copy, census) = (path(&folder, "copy.pcap"), path(&folder, "c.db"));
    fs::copy("captures/curl.pcap", &copy).unwrap();
    let once = done(&["read", "captures/curl.pcap"]);
    let output = tlscensus(&["read", "captures/curl.pcap", &copy]);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), once);
    assert!(String::from_utf8(output.stderr).unwrap().contains("is the same capture as"));
    for capture in ["captures/curl.pcap", copy.as_str()] {
        assert_eq!(done(&["read", "--census", &census, capture]), once);
    }
}

#[test]
fn the_schema_is_printed() {
    let schema = done(&["report", "--schema"]);
    assert!(schema.contains("tlscensus.inventory/1") && schema.starts_with('{'));
}

/// The tables of the README say of each table and view all its columns, in their order.
#[test]
fn the_readme_names_every_table_view_and_column() {
    let folder = tempfile::tempdir().unwrap();
    let file = path(&folder, "c.db");
    done(&["read", "-q", "--census", &file, "captures/tls12-ecdhe-ecdsa.pcap"]);
    let sql = rusqlite::Connection::open(&file).unwrap();
    let names = |statement: &str| -> Vec<String> {
        let mut statement = sql.prepare(statement).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let things = names("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')");
    assert!(things.len() > 20, "{things:?}");
    for thing in things {
        let columns = names(&format!("SELECT name FROM pragma_table_info('{thing}')"));
        let columns: Vec<_> = columns.iter().map(|column| format!("`{column}`")).collect();
        let listed = format!(" {} |", columns.join(", "));
        let row = readme.lines().find(|line| line.starts_with(&format!("| `{thing}` |")));
        assert!(row.is_some_and(|row| row.ends_with(&listed)), "{thing}: {listed}");
    }
}
