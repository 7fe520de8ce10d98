//! `tlscensus diff`: what was fixed, what still breaks, what is new.

use std::path::Path;

use super::args::{Diff as Args, FailOn, Global};
use super::exit::{Exit, Failure};
use super::plan::Judging;
use super::publish;
use super::words::Words;
use crate::census::Store;
use crate::limits::Limits;
use crate::report::{Diff, Inventory};

/// Judge both, compare.
pub(super) fn run(args: &Args, global: &Global, words: &Words) -> Result<Exit, Failure> {
    let limits = Limits::default();
    let judging = Judging::new(&args.judgement)?;
    let judge = |path: &Path| -> Result<Inventory, Failure> {
        let store = Store::open_read_only(path, &limits)?;
        let snapshot = Store::merged(&mut [store], |part| part)?;
        Ok(Inventory::judge(&snapshot, &judging.question(&limits)))
    };
    let diff = Diff::new(&judge(&args.old)?, &judge(&args.new)?);
    publish::text(|style| diff.text(style), false, global, words)?;
    let matched = match args.fail_on {
        Some(FailOn::Breaks) => diff.has_new_breaks(),
        Some(FailOn::Findings) => !diff.new_findings.is_empty(),
        None => false,
    };
    Ok(if matched { Exit::Matched } else { Exit::Done })
}
