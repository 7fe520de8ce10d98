//! `tlscensus report`: judge census files, merged, by any policy at any later time.

use super::args::{Global, Report};
use super::exit::{Exit, Failure};
use super::part;
use super::places::{keep_apart, tidy};
use super::plan::{Judging, judged_by, reports};
use super::publish;
use super::window::window;
use super::words::Words;
use crate::census::Store;
use crate::limits::Limits;
use crate::report::anonymize::Key;
use crate::report::{Inventory, schema};

/// Open the files, judge what is in them, report.
pub(super) fn run(args: Report, global: &Global, words: &Words) -> Result<Exit, Failure> {
    if args.schema {
        Words::out(schema::INVENTORY.as_bytes())?;
        return Ok(Exit::Done);
    }
    let limits = Limits::default();
    let judging = Judging::new(&args.judgement)?;
    let window = window(&args.window)?;
    let files = reports(args.files)?;
    let outputs: Vec<_> = files.iter().map(|(path, _)| path.as_path()).collect();
    keep_apart(args.censuses.iter().chain(&args.anonymize), &outputs)?;
    keep_apart(judged_by(&args.judgement), &outputs)?;
    let key = args.anonymize.as_deref().map(Key::load).transpose().map_err(|error| {
        Failure::usage(error)
            .with_hint("openssl rand -hex 32 > KEYFILE makes one; keep it in the house")
    })?;
    let mut stores = args
        .censuses
        .iter()
        .map(|path| Store::open_read_only(path, &limits))
        .collect::<Result<Vec<_>, _>>()?;
    let snapshot = Store::merged(&mut stores, |part| part.between(window))?;
    drop(stores);
    part::warn_of_overlaps(&snapshot.sources, words);
    let mut inventory = Inventory::judge(&snapshot, &judging.question(&limits));
    inventory.narrowed.window = window.since.is_some() || window.until.is_some();
    if let Some(key) = &key {
        inventory.anonymize(key);
    }
    tidy(files.iter().map(|(path, _)| path.as_path()), words);
    let unwritten = publish::reports(&files, &inventory);
    Failure::beside(publish::summary(&inventory, false, global, words), unwritten, words)?;
    Ok(if publish::matches(args.failing.fail_on, &inventory) { Exit::Matched } else { Exit::Done })
}
