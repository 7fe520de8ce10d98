//! How many instructions a turn of each stage takes, by callgrind: unlike time that is the same
//! on a busy machine. What was measured last stands in `instructions.txt`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::{Command, ExitCode};
use std::{env, fs};

use crate::{common, work};

/// Asks this program to do one turn of a stage.
pub const ONCE: &str = "--once=";

/// Share by which a count may differ: hash tables are seeded anew in each run, and libraries pick
/// their code by the processor.
const TOLERANCE: f64 = 0.08;

/// Not compared: what threads and files do differs from run to run, and signatures have code of
/// their own for each processor.
const LEFT_OUT: [&str; 4] = ["read", "chain", "pipeline", "own-chains"];

const TABLE: &str = "benches/stages/instructions.txt";

/// One turn of a stage, after one that fills its tables.
pub fn once(name: &str) {
    let mut stage = work::stage(name);
    (stage.work)();
    counted(&mut stage.work);
}

/// What callgrind counts.
#[inline(never)]
fn counted(work: &mut dyn FnMut()) {
    work();
}

/// Count all stages and compare them with the table, or write it.
pub fn compare(write: bool) -> ExitCode {
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("skipped: there is no valgrind to count instructions with");
        return ExitCode::SUCCESS;
    }
    let path = common::project(TABLE);
    let known = fs::read_to_string(&path).unwrap_or_default();
    let expected = table(&known);
    let mut text = String::from(
        "# Instructions of one packet or handshake at each stage, by callgrind.\n\
         # Made by: cargo bench --bench stages -- --instructions=write\n",
    );
    let mut differ = false;
    for name in work::NAMES.into_iter().filter(|name| !LEFT_OUT.contains(name)) {
        let count = count(name);
        let _ = writeln!(text, "{name} {count:.0}");
        let known = expected.get(name).copied();
        let change = known.map(|known| count / known - 1.0);
        let verdict = match change {
            None => "not in the table",
            Some(change) if change.abs() <= TOLERANCE => "as before",
            Some(change) if change < 0.0 => "LESS than before",
            Some(_) => "MORE than before",
        };
        differ |= verdict != "as before";
        let change = change.map_or_else(String::new, |change| format!("{:+.1} %", change * 100.0));
        println!("{name:12} {count:>12.0} {change:>9}  {verdict}");
    }
    if write {
        fs::write(&path, text).unwrap();
        return ExitCode::SUCCESS;
    }
    if differ {
        println!("If that is meant: cargo bench --bench stages -- --instructions=write");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Instructions of one unit of a stage.
fn count(name: &str) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("counts");
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--toggle-collect=*instructions*counted*"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(env::current_exe().unwrap())
        .arg(format!("{ONCE}{name}"))
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let counts = fs::read_to_string(out).unwrap();
    let total = counts.lines().find_map(|line| line.strip_prefix("totals: ")).unwrap();
    let total: f64 = total.trim().parse().unwrap();
    assert!(total > 0.0, "nothing was counted of {name}");
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    let units = work::stage(name).units as f64;
    total / units
}

fn table(text: &str) -> BTreeMap<&str, f64> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(' '))
        .map(|(name, count)| (name, count.parse().unwrap()))
        .collect()
}
