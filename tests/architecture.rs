//! The house keeps its order: who may import whom, who may ask what time it is, what names a folder
//! may not have. The table is the one in the documentation of `lib.rs`; change both, and say why.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each module with those that it may import, its own parts aside.
const LAYERS: &[(&str, &[&str])] = &[
    ("ascii", &[]),
    ("bytes", &[]),
    ("clock", &["ascii"]),
    ("cores", &[]),
    ("counters", &[]),
    ("json", &["ascii"]),
    ("limits", &[]),
    ("memory", &[]),
    ("prefetch", &[]),
    ("capture", &["bytes", "clock", "cores", "counters", "limits", "prefetch"]),
    ("packet", &["ascii", "bytes", "clock", "limits", "capture"]),
    ("flow", &["bytes", "clock", "counters", "limits", "prefetch", "packet"]),
    ("naming", &["bytes", "clock", "limits", "packet"]),
    (
        "tls",
        &["ascii", "bytes", "clock", "counters", "json", "limits", "prefetch", "flow", "packet"],
    ),
    ("quic", &["bytes", "clock", "limits", "flow", "tls"]),
    ("x509", &["bytes", "clock", "json", "limits"]),
    ("record", &["ascii", "bytes", "clock", "limits", "packet", "flow", "tls", "x509"]),
    ("census", &["bytes", "clock", "json", "limits", "naming", "packet", "tls", "x509", "record"]),
    ("policy", &["clock", "limits", "packet", "tls", "x509", "record", "census", "recognise"]),
    ("recognise", &["clock", "limits", "tls", "x509", "record"]),
    ("sink", &["clock", "cores", "limits", "record"]),
    (
        "report",
        &[
            "clock",
            "limits",
            "naming",
            "packet",
            "tls",
            "x509",
            "record",
            "census",
            "policy",
            "recognise",
            "sink",
        ],
    ),
    (
        "serve",
        &["clock", "limits", "packet", "tls", "x509", "census", "policy", "recognise", "report"],
    ),
    ("pipeline", &["*"]),
    ("cli", &["*"]),
];

/// Modules that may ask the system what time it is.
const CLOCKED: &[&str] = &["pipeline", "serve", "cli"];

/// Names that say nothing of what is inside.
const FORBIDDEN: &[&str] = &["utils", "util", "common", "types", "helpers", "manager", "misc"];

#[test]
fn modules_import_only_what_lies_before_them() {
    let mut wrong = BTreeSet::new();
    for (module, file, text) in sources() {
        let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == module) else {
            wrong.insert(format!("{}: `{module}` is not in the table", file.display()));
            continue;
        };
        for imported in imports(&text) {
            if imported != module && !allowed.contains(&"*") && !allowed.contains(&&*imported) {
                wrong.insert(format!("{}: imports `{imported}`", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "against the order of the layers:\n{wrong:#?}");
}

#[test]
fn only_the_outermost_modules_ask_what_time_it_is() {
    for (module, file, text) in sources() {
        let asks = text.contains("Instant::now") || text.contains("SystemTime::now");
        assert!(!asks || CLOCKED.contains(&&*module), "{} asks for the time", file.display());
    }
}

#[test]
fn names_say_what_is_inside() {
    for (_, file, text) in sources() {
        let stem = file.file_stem().unwrap().to_string_lossy();
        assert!(!FORBIDDEN.contains(&&*stem), "{} is no name", file.display());
        let first = text.lines().next().unwrap_or_default();
        assert!(first.starts_with("//!"), "{} does not say what it is for", file.display());
        // Long tables are data; everything else has one subject.
        let lines = text.lines().count();
        assert!(lines <= 600, "{} has {lines} lines: is there one idea in it?", file.display());
    }
}

/// Every source file as (top-level module, path below src, text); test folders have their own ways.
fn sources() -> Vec<(String, PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let below = path.strip_prefix(&root).unwrap().to_owned();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs")
                && !below.components().any(|part| {
                    ["tests", "tests.rs"].contains(&&*part.as_os_str().to_string_lossy())
                })
                && !["lib.rs", "main.rs"].contains(&&*below.to_string_lossy())
            {
                let module = below.components().next().unwrap().as_os_str().to_string_lossy();
                let module = module.trim_end_matches(".rs").to_owned();
                found.push((module, below, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(found.len() > 20, "the sources were not found");
    found
}

/// The top-level modules that a file names after `crate::`, in code.
fn imports(text: &str) -> BTreeSet<String> {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    code.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| line.split("crate::").skip(1))
        .filter_map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next())
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}
