//! The captures with independent truth that lie beside the project: our facts agree with theirs.
//!
//! What remains different: four connections that the truth lists twice (once more from a second pass
//! of its tool), one certificate of which a cut capture holds only a part, two hellos that are
//! malformed on purpose and that end elsewhere for its tool than for ours.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test may fail")]

mod common;

use std::fs;
use std::process::Command;

/// The share of facts that has to agree, in percent.
const AGREEMENT: f64 = 99.5;

#[test]
fn facts_agree_with_the_truth() {
    let Some(corpus) = common::corpus() else { return };
    let folder = tempfile::tempdir().unwrap();
    let settings = common::settings(2, &["dataverse"]);
    let mut captures = 0;
    for entry in fs::read_dir(corpus.join("captures")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let (lines, _) = common::read(&[path], &settings);
        fs::write(folder.path().join(format!("{name}.ndjson")), lines).unwrap();
        captures += 1;
    }
    let compared = Command::new("python3")
        .arg(corpus.join("compare.py"))
        .arg(corpus.join("truth"))
        .arg(folder.path())
        .output();
    let Ok(compared) = compared else {
        eprintln!("skipped: python3 is not here to compare with the truth");
        return;
    };
    let text = String::from_utf8(compared.stdout).unwrap();
    let last = text.lines().last().unwrap_or_default();
    eprintln!("{last}");
    let percent: f64 = last
        .strip_prefix("agreement: ")
        .and_then(|rest| rest.split('%').next())
        .and_then(|number| number.parse().ok())
        .unwrap();
    assert!(captures >= 100, "only {captures} captures");
    assert!(percent >= AGREEMENT, "{text}");
}
