//! `tlscensus read`: audit capture files.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::mem;
use std::path::{Path, PathBuf};
use std::slice;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context, anyhow};

use super::args::{FailOn, Global, Read};
use super::exit::{Exit, Failure};
use super::kept::Kept;
use super::part;
use super::places::{keep_apart, read_once, tidy};
use super::plan::{Judging, filter, judged_by, reports};
use super::progress;
use super::publish;
use super::stop::Stop;
use super::window::window;
use super::words::Words;
use crate::capture::paths::{self, Expansion, Input};
use crate::capture::{Error, LinkType};
use crate::census::store::is_database;
use crate::census::{Census, SourceEntry, SourceKind};
use crate::limits::Limits;
use crate::pipeline::{self, Carried, Finished, Progress, Settings, SourceReport};
use crate::report::inventory::{Narrowed, PassedOver};
use crate::report::{Format, Inventory};
use crate::sink::{FlowSink, LargeFile, OutputFile, Sink, Stdout};

/// What a run is to do, checked.
struct Plan {
    expansion: Expansion,
    /// Files that are the same capture as an earlier one, with that one.
    copies: Vec<(PathBuf, PathBuf)>,
    settings: Settings,
    judging: Judging,
    flows: Option<PathBuf>,
    census: Option<PathBuf>,
    reports: Vec<(PathBuf, Format)>,
    fail_on: Option<FailOn>,
}

/// Check what was typed, read, report.
pub(super) fn run(args: Box<Read>, global: &Global, words: &Words) -> Result<Exit, Failure> {
    let plan = Plan::new(*args)?;
    for error in &plan.expansion.errors {
        words.error(&anyhow!("{error}"), None);
    }
    for (copy, first) in &plan.copies {
        let (copy, first) = (copy.display(), first.display());
        words.warn(&format!("`{copy}` is the same capture as `{first}`: it counts once"), None);
    }
    // Where only records are asked for, nothing is added up.
    let judged = !words.quiet || !plan.reports.is_empty() || plan.fail_on.is_some();
    // Whether all that is to be written can be is known before anything is read.
    let kept = plan.census.as_deref().map(|path| Kept::open(path, &plan.settings.limits, judged));
    let mut kept = kept.transpose()?;
    let files = plan.reports.iter().map(|(path, _)| path).chain(&plan.flows);
    tidy(files.map(PathBuf::as_path), words);
    let mut sink = open_sink(plan.flows.as_deref())?;
    let census = judged.then(|| Census::new(&plan.settings.limits));
    let finished = read_watched(&plan, census.as_ref(), kept.as_mut(), sink.as_mut(), words)?;
    let unsaved = kept.as_mut().and_then(Kept::take_failure);
    for name in kept.iter().flat_map(Kept::overlaps) {
        words.warn(
            &format!("the census has another part of `{name}`: what lies in both counts twice"),
            Some(part::HINT),
        );
    }
    let written = finish_records(sink, &plan, finished.output.as_ref());
    // What could not be written in one place is no reason to leave out the others.
    let ended = conclude(&plan, census, kept, &finished, global, words);
    Failure::beside(ended, written.err().into_iter().chain(unsaved), words)
}

/// Complete the records, if all of them could be written.
fn finish_records(
    sink: Option<FlowSink>,
    plan: &Plan,
    fault: Option<&std::io::Error>,
) -> Result<(), Failure> {
    let (Some(sink), Some(path)) = (sink, &plan.flows) else { return Ok(()) };
    if let Some(error) = fault {
        return Err(Failure::impossible(anyhow!("{}: {error}", publish::no_records(path))));
    }
    sink.finish().with_context(|| publish::no_records(path)).map_err(Failure::impossible)
}

impl Plan {
    fn new(args: Read) -> Result<Self, Failure> {
        let limits = Limits::default();
        read_once(&args.paths)?;
        let judging = Judging::new(&args.judgement)?;
        let window = window(&args.window)?;
        let reports = reports(args.report)?;
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let mut expansion = paths::expand(&args.paths);
        let copies = drop_copies(&mut expansion);
        let settings = Settings {
            limits,
            threads: args.threads.map_or(cores, usize::from),
            sensor: args.sensor.unwrap_or_else(host_name).into(),
            policies: judging.policies.clone(),
            trust: Arc::clone(&judging.trust),
            since: window.since,
            until: window.until,
            filter: filter(args.filter.as_deref())?,
        };
        let fail_on = args.failing.fail_on;
        let census = args.census;
        let streams = args.flows.as_deref().filter(|path| *path != Path::new("-"));
        let outputs: Vec<&Path> = streams
            .into_iter()
            .chain(census.as_deref())
            .chain(reports.iter().map(|(path, _)| path.as_path()))
            .collect();
        let copied = copies.iter().map(|(copy, _)| copy.as_path());
        let files = expansion.inputs.iter().filter_map(|input| match input {
            Input::File { path, .. } => Some(path.as_path()),
            Input::Stdin => None,
        });
        keep_apart(files.chain(copied), &outputs)?;
        keep_apart(judged_by(&args.judgement), &outputs)?;
        Ok(Self {
            expansion,
            copies,
            settings,
            judging,
            flows: args.flows,
            census,
            reports,
            fail_on,
        })
    }

    /// Whether standard output is taken by what `-` was asked for.
    fn streams_to_stdout(&self) -> bool {
        self.flows.as_deref() == Some(Path::new("-"))
    }
}

/// Leave out what is the same capture as one before it: a source counts once.
pub(super) fn drop_copies(expansion: &mut Expansion) -> Vec<(PathBuf, PathBuf)> {
    // Only files of one size that begin alike can be copies: all others need not be looked into.
    let inputs = &expansion.inputs;
    let is_of_one_size = shared(inputs.iter().map(|input| input.size().filter(|size| *size > 0)));
    let begins_alike =
        shared(inputs.iter().zip(is_of_one_size).map(|(input, shared)| match input {
            Input::File { path, size } if shared => Some((*size, paths::file_head(path).ok()?)),
            _ => None,
        }));
    let mut begins_alike = begins_alike.into_iter();
    let mut seen: HashMap<String, PathBuf> = HashMap::new();
    let mut copies = Vec::new();
    expansion.inputs.retain(|input| {
        let is_candidate = begins_alike.next() == Some(true);
        let Input::File { path, .. } = input else { return true };
        if !is_candidate {
            return true;
        }
        // What cannot be read is told when it is opened.
        let Ok(id) = paths::file_id(path) else { return true };
        match seen.entry(id.to_string()) {
            Entry::Occupied(first) => {
                copies.push((path.clone(), first.get().clone()));
                false
            }
            Entry::Vacant(place) => {
                place.insert(path.clone());
                true
            }
        }
    });
    copies
}

/// Of each key whether another one is the same.
fn shared<K: Eq + Hash>(keys: impl Iterator<Item = Option<K>>) -> Vec<bool> {
    let mut first_of: HashMap<K, usize> = HashMap::new();
    let mut shared = Vec::new();
    for (place, key) in keys.enumerate() {
        let first = key.map_or(place, |key| *first_of.entry(key).or_insert(place));
        shared.push(first != place);
        if let Some(first) = shared.get_mut(first).filter(|_| first != place) {
            *first = true;
        }
    }
    shared
}

/// Read with a progress bar, until the end or Ctrl-C.
fn read_watched(
    plan: &Plan,
    census: Option<&Census>,
    kept: Option<&mut Kept>,
    sink: Option<&mut FlowSink>,
    words: &Words,
) -> Result<Finished, Failure> {
    let progress = Arc::new(Progress::default());
    let stop = Stop::hear()?;
    let asked = stop.asked();
    stop.insist();
    let inputs = &plan.expansion.inputs;
    let total: Option<u64> = inputs.iter().map(Input::size).sum();
    let bar = progress::bar(total, words.quiet);
    let over = AtomicBool::new(false);
    let mut finished = thread::scope(|scope| {
        let watching = scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                if asked.load(Ordering::Relaxed) {
                    progress.stop();
                }
                progress::update(&bar, &progress);
                thread::park_timeout(progress::TICK);
            }
        });
        let finished = match kept {
            None => pipeline::read(inputs, &plan.settings, census, sink, &progress),
            Some(kept) => read_into(kept, inputs, &plan.settings, sink, &progress),
        };
        over.store(true, Ordering::Relaxed);
        watching.thread().unpark();
        finished
    });
    bar.finish_and_clear();
    if finished.sources.last().is_some_and(|source| source.stopped) {
        let ahead = inputs.iter().skip(finished.sources.len());
        finished.sources.extend(ahead.map(SourceReport::not_reached));
    }
    Ok(finished)
}

/// Read input by input, each into a census of its own that is saved when it is whole: facts are
/// kept per source, and memory holds one of them at a time.
fn read_into(
    kept: &mut Kept,
    inputs: &[Input],
    settings: &Settings,
    mut sink: Option<&mut FlowSink>,
    progress: &Arc<Progress>,
) -> Finished {
    let mut all = Finished::default();
    let mut carried = Carried::default();
    for (n, input) in inputs.iter().enumerate() {
        let census = Census::new(&settings.limits);
        let part = pipeline::read_some(
            slice::from_ref(input),
            inputs.get(n + 1),
            &mut carried,
            settings,
            &census,
            sink.as_deref_mut(),
            progress,
        );
        progress.go_on();
        for source in &part.sources {
            if !source.is_unread() {
                kept.save(identified(entry(source, settings)), census.snapshot());
            }
        }
        let stopped = part.sources.iter().any(|source| source.stopped);
        all.faults = all.faults.and(part.faults);
        all.sources.extend(part.sources);
        if part.output.is_some() {
            // The records are lost, the inventory is not.
            all.output = part.output;
            sink = None;
        }
        if stopped {
            break;
        }
    }
    all
}

/// A stream has no identity by which it could be known again: it is another one each time.
fn identified(mut entry: SourceEntry) -> SourceEntry {
    if entry.id.is_none() {
        let mut random = [0_u8; 16];
        // Without randomness the moment of its first packet and its name must do.
        if aws_lc_rs::rand::fill(&mut random).is_ok() {
            entry.id = Some(format!("{:032x}", u128::from_be_bytes(random)));
        }
    }
    entry
}

/// Link types that cannot be decoded: the first source of each, and how many more there are.
fn unknown_links(sources: &[SourceReport]) -> BTreeMap<LinkType, (&str, u64)> {
    let mut links = BTreeMap::<_, (&str, u64)>::new();
    for source in sources {
        let Some(link) = source.unknown_link else { continue };
        links
            .entry(link)
            .and_modify(|(_, others)| *others = others.saturating_add(1))
            .or_insert((&source.name, 0));
    }
    links
}

/// Say what went wrong, write the reports, print the summary, and find the exit code.
fn conclude(
    plan: &Plan,
    census: Option<Census>,
    kept: Option<Kept>,
    finished: &Finished,
    global: &Global,
    words: &Words,
) -> Result<Exit, Failure> {
    let named = plan.expansion.errors.len();
    let (mut not_reached, mut first) = (0_u64, None);
    for source in &finished.sources {
        match &source.error {
            Some(Error::NotReached { .. }) => {
                not_reached = not_reached.saturating_add(1);
                first.get_or_insert(&source.name);
            }
            Some(error) => words.error(&anyhow!("{error}"), hint(source)),
            None => {}
        }
    }
    // There may be thousands of them.
    if let Some(first) = first {
        let inputs = if not_reached == 1 { "input was" } else { "inputs were" };
        let left = format!("{not_reached} {inputs} not read, from `{first}` on");
        words.error(&anyhow!("the run was stopped: {left}"), None);
    }
    for (link, (first, others)) in unknown_links(&finished.sources) {
        let which = match others {
            0 => format!("`{first}` holds"),
            1 => format!("`{first}` and another one hold"),
            _ => format!("`{first}` and {others} others hold"),
        };
        words.warn(&format!("{which} packets of link type {link}, which cannot be decoded"), None);
    }
    if !finished.faults.is_none() {
        words.warn(&finished.faults.to_string(), Some("the capture helps, if you may pass it on"));
    }
    let unread = finished.sources.iter().filter(|source| source.is_unread());
    if plan.expansion.inputs.is_empty() || unread.count() == finished.sources.len() {
        return Err(Failure::impossible(anyhow!("nothing could be read")));
    }
    let matched = match census {
        None => false,
        Some(census) => judge(plan, census, kept, finished, global, words)?,
    };
    let broken = finished.sources.iter().any(|source| source.error.is_some());
    Ok(if matched {
        Exit::Matched
    } else if broken || named > 0 || !finished.faults.is_none() {
        Exit::Partial
    } else {
        Exit::Done
    })
}

/// Judge what was seen, write the reports and print the summary; whether what the run was to fail
/// on is there.
fn judge(
    plan: &Plan,
    census: Census,
    kept: Option<Kept>,
    finished: &Finished,
    global: &Global,
    words: &Words,
) -> Result<bool, Failure> {
    for source in &finished.sources {
        // What was read is in the census file, if there is one; what was not belongs to this run.
        if kept.is_none() || source.is_unread() {
            census.source(entry(source, &plan.settings));
        }
    }
    for error in &plan.expansion.errors {
        census.source(unopened(error, &plan.settings.sensor));
    }
    let mut snapshot = census.into_snapshot();
    if let Some(kept) = kept {
        let unread = mem::take(&mut snapshot.sources);
        snapshot = kept.merged()?;
        snapshot.sources.extend(unread);
        snapshot
            .sources
            .sort_by(|a, b| (&a.sensor, a.kind, &a.name).cmp(&(&b.sensor, b.kind, &b.name)));
    }
    let mut inventory = Inventory::judge(&snapshot, &plan.judging.question(&plan.settings.limits));
    inventory.narrowed = Narrowed {
        window: plan.settings.since.is_some() || plan.settings.until.is_some(),
        filter: plan.settings.filter.is_some(),
    };
    let Expansion { skipped: files, links, .. } = plan.expansion;
    inventory.coverage.passed_over =
        (files > 0 || links > 0).then_some(PassedOver { files, links });
    let unwritten = publish::reports(&plan.reports, &inventory);
    let told = publish::summary(&inventory, plan.streams_to_stdout(), global, words);
    Failure::beside(told, unwritten, words)?;
    let matched = publish::matches(plan.fail_on, &inventory);
    // The program is about to end: to give back millions of small pieces one by one is for nothing.
    mem::forget((snapshot, inventory));
    Ok(matched)
}

fn open_sink(path: Option<&Path>) -> Result<Option<FlowSink>, Failure> {
    let Some(path) = path else { return Ok(None) };
    if path == Path::new("-") {
        return Ok(Some(FlowSink::Stdout(Stdout::default())));
    }
    OutputFile::create(path)
        .map(|file| Some(FlowSink::File(LargeFile::new(file))))
        .with_context(|| format!("cannot write `{}`", path.display()))
        .map_err(Failure::impossible)
}

/// The cure for what is wrong with an input, where it is known.
fn hint(source: &SourceReport) -> Option<&'static str> {
    match source.error.as_ref()? {
        Error::Truncated { .. } => {
            Some("everything before that was read; was the capture still being written?")
        }
        Error::NotACapture { path, .. } if is_database(path).unwrap_or(false) => {
            Some("it may be a census: `tlscensus report` tells what is in one")
        }
        Error::NotACapture { .. } => Some("pcap and pcapng files can be read, also compressed"),
        Error::Open { cause, .. } if cause.kind() == std::io::ErrorKind::PermissionDenied => {
            Some("run it as a user who may read the file")
        }
        _ => None,
    }
}

/// What the census keeps of an input.
fn entry(source: &SourceReport, settings: &Settings) -> SourceEntry {
    let mut entry = source.entry(&settings.sensor);
    entry.id = entry.id.take().map(|file| part::identity(&file, settings, &entry));
    let lost = Some(source.faults).filter(|faults| !faults.is_none());
    entry.fault =
        source.error.as_ref().map(ToString::to_string).or_else(|| lost.map(|it| it.to_string()));
    entry
}

/// What a report says of a path behind which no input was found. It has no identity by which it could be
/// known again, so a census file has nothing of it.
fn unopened(error: &Error, sensor: &Arc<str>) -> SourceEntry {
    let name = error.path().map(Path::to_string_lossy).unwrap_or_default().into();
    let mut entry = SourceEntry::new(Arc::clone(sensor), SourceKind::File, name);
    entry.fault = Some(error.to_string());
    entry
}

/// The host's own name, or `localhost` where it has none.
pub(super) fn host_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() { "localhost".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_that_comes_twice_is_told() {
        let keys = [Some(1), Some(2), None, Some(1), None, Some(3), Some(1)];
        let expected = [true, false, false, true, false, false, true];
        assert_eq!(shared(keys.into_iter()), expected);
    }
}
