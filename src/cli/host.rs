//! `tlscensus host`: one host's story, from censuses and captures.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use anyhow::anyhow;

use super::args::{Global, Host};
use super::exit::{Exit, Failure};
use super::part;
use super::places::read_once;
use super::plan::Judging;
use super::publish;
use super::read::drop_copies;
use super::window::window;
use super::words::Words;
use crate::capture::paths::{self, Input};
use crate::census::store::is_database;
use crate::census::{Census, Merger, Snapshot, SourceKind, Store, Window};
use crate::limits::Limits;
use crate::packet::Address;
use crate::pipeline::{self, Progress, Settings};
use crate::report::Inventory;
use crate::sink::FlowSink;

/// Gather, judge, tell.
pub(super) fn run(args: &Host, global: &Global, words: &Words) -> Result<Exit, Failure> {
    let limits = Limits::default();
    read_once(&args.paths)?;
    let judging = Judging::new(&args.judgement)?;
    let window = window(&args.window)?;
    let (censuses, captures): (Vec<_>, Vec<_>) =
        args.paths.iter().cloned().partition(|path| is_database(path).unwrap_or(false));
    let mut merger = Merger::new(&limits);
    let mut stores = censuses
        .iter()
        .map(|path| Store::open_read_only(path, &limits))
        .collect::<Result<Vec<_>, _>>()?;
    let kept = Store::merged(&mut stores, |part| part.between(window))?;
    part::warn_of_overlaps(&kept.sources, words);
    // A capture that a census holds whole counts once: its source is the same.
    let held: HashSet<String> = kept
        .sources
        .iter()
        .filter(|source| source.kind == SourceKind::File && source.fault.is_none())
        .filter_map(|source| source.id.clone())
        .collect();
    merger.add(kept);
    drop(stores);
    let mut partial = false;
    if !captures.is_empty() {
        let read = read(&captures, &held, &judging, window, &limits, words);
        if read.is_none() && censuses.is_empty() {
            return Err(Failure::impossible(anyhow!("nothing could be read")));
        }
        let (snapshot, whole) = read.unwrap_or_default();
        partial = !whole;
        merger.add(snapshot);
    }
    let inventory = Inventory::judge(&merger.finish(), &judging.question(&limits));
    let ip = Address::from(args.ip);
    let unseen = || {
        let with = if judging.scope.is_all() { "" } else { " with a server in scope" };
        let when = if window.is_all() { "" } else { " in the time that was asked for" };
        format!("{ip}: no TLS connection{with} was seen{when}.\n")
    };
    publish::text(|style| inventory.host(ip, style).unwrap_or_else(unseen), false, global, words)?;
    Ok(if partial { Exit::Partial } else { Exit::Done })
}

/// What captures tell, and whether they could be read as a whole; `None` if none could be.
fn read(
    captures: &[PathBuf],
    held: &HashSet<String>,
    judging: &Judging,
    window: Window,
    limits: &Limits,
    words: &Words,
) -> Option<(Snapshot, bool)> {
    let mut expansion = paths::expand(captures);
    drop_copies(&mut expansion);
    expansion.inputs.retain(|input| match input {
        Input::File { path, .. } => {
            !paths::file_id(path).is_ok_and(|id| held.contains(&id.to_string()))
        }
        Input::Stdin => true,
    });
    for error in &expansion.errors {
        words.error(&anyhow!("{error}"), None);
    }
    let settings = Settings {
        limits: limits.clone(),
        threads: thread::available_parallelism().map_or(1, usize::from),
        sensor: "".into(),
        policies: judging.policies.clone(),
        trust: Arc::clone(&judging.trust),
        since: window.since,
        until: window.until,
        filter: None,
    };
    let census = Census::new(limits);
    let progress = Arc::new(Progress::default());
    let finished =
        pipeline::read(&expansion.inputs, &settings, &census, None::<&mut FlowSink>, &progress);
    // What a census holds has been read.
    let mut read = expansion.inputs.is_empty() && expansion.errors.is_empty();
    let mut whole = expansion.errors.is_empty();
    for source in &finished.sources {
        if let Some(error) = &source.error {
            words.error(&anyhow!("{error}"), None);
            whole = false;
        }
        read |= !source.is_unread();
    }
    read.then(|| (census.snapshot(), whole))
}
