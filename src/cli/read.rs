//! `tlscensus read`: audit capture files.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context, anyhow};
use signal_hook::consts::{SIGINT, SIGTERM};

use super::args::{FailOn, Global, Read};
use super::exit::{Exit, Failure};
use super::plan::{Judging, window};
use super::progress;
use super::words::Words;
use crate::capture::paths::{self, Expansion, Input};
use crate::census::{Census, SourceEntry, SourceKind};
use crate::limits::Limits;
use crate::packet::Skip;
use crate::pipeline::{self, Finished, Progress, Settings, SourceReport};
use crate::report::{Format, Inventory, Question, Style};
use crate::sink::{FlowSink, OutputFile, Sink, Stdout};

/// What a run is to do, checked.
struct Plan {
    expansion: Expansion,
    settings: Settings,
    judging: Judging,
    flows: Option<PathBuf>,
    reports: Vec<(PathBuf, Format)>,
    fail_on: Option<FailOn>,
}

/// Check what was typed, read, report.
pub(super) fn run(args: Box<Read>, global: &Global, words: &Words) -> Result<Exit, Failure> {
    let plan = Plan::new(*args)?;
    for error in &plan.expansion.errors {
        words.error(&anyhow!("{error}"), None);
    }
    let mut sink = open_sink(plan.flows.as_deref())?;
    let census = Census::new(&plan.settings.limits);
    let finished = read_watched(&plan, &census, sink.as_mut(), words)?;
    if let Some(error) = &finished.output {
        let name = plan.flows.as_deref().unwrap_or_else(|| Path::new("-")).display();
        return Err(Failure::impossible(anyhow!("cannot write records to `{name}`: {error}")));
    }
    if let (Some(sink), Some(path)) = (sink, &plan.flows) {
        sink.finish()
            .with_context(|| format!("cannot write `{}`", path.display()))
            .map_err(Failure::impossible)?;
    }
    report(&plan, &census, &finished, global, words)
}

impl Plan {
    fn new(args: Read) -> Result<Self, Failure> {
        let limits = Limits::default();
        let judging = Judging::new(&args.judgement)?;
        let (since, until) = window(&args.window)?;
        let reports = report_formats(args.report)?;
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let expansion = paths::expand(&args.paths);
        let settings = Settings {
            limits,
            threads: args.threads.map_or(cores, usize::from),
            sensor: args.sensor.unwrap_or_else(host_name).into(),
            policies: judging.policies.clone(),
            trust: Arc::clone(&judging.trust),
            since,
            until,
        };
        let fail_on = args.judgement.fail_on;
        Ok(Self { expansion, settings, judging, flows: args.flows, reports, fail_on })
    }

    /// Whether standard output is taken by what `-` was asked for.
    fn streams_to_stdout(&self) -> bool {
        self.flows.as_deref() == Some(Path::new("-"))
    }
}

/// Read with a progress bar, until the end or Ctrl-C.
fn read_watched(
    plan: &Plan,
    census: &Census,
    sink: Option<&mut FlowSink>,
    words: &Words,
) -> Result<Finished, Failure> {
    let progress = Arc::new(Progress::default());
    let asked = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // The second one is not asked twice.
        signal_hook::flag::register_conditional_default(signal, Arc::clone(&asked))?;
        signal_hook::flag::register(signal, Arc::clone(&asked))?;
    }
    let inputs = &plan.expansion.inputs;
    let total: Option<u64> = inputs.iter().map(Input::size).sum();
    let bar = progress::bar(total, words.quiet);
    let over = AtomicBool::new(false);
    let finished = thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                if asked.load(Ordering::Relaxed) {
                    progress.stop();
                }
                progress::update(&bar, &progress);
                thread::park_timeout(progress::TICK);
            }
        });
        let finished = pipeline::read(inputs, &plan.settings, census, sink, &progress);
        over.store(true, Ordering::Relaxed);
        finished
    });
    bar.finish_and_clear();
    Ok(finished)
}

/// Say what went wrong, write the reports, print the summary, and find the exit code.
fn report(
    plan: &Plan,
    census: &Census,
    finished: &Finished,
    global: &Global,
    words: &Words,
) -> Result<Exit, Failure> {
    let named = plan.expansion.errors.len();
    for source in &finished.sources {
        if let Some(error) = &source.error {
            words.error(&anyhow!("{error}"), hint(source));
        }
        census.source(entry(source, &plan.settings.sensor));
    }
    if finished.faults > 0 {
        words.warn(
            &format!("{} handshakes were lost to a fault of this program", finished.faults),
            Some("please report it, with the capture if you can"),
        );
    }
    let unread = finished
        .sources
        .iter()
        .filter(|source| source.error.as_ref().is_some_and(pipeline::is_unread));
    if plan.expansion.inputs.is_empty() || unread.count() == finished.sources.len() {
        return Err(Failure::impossible(anyhow!("nothing could be read")));
    }
    let question = Question {
        policies: &plan.judging.policies,
        trust: &plan.judging.trust,
        scope: &plan.judging.scope,
        internal: &plan.judging.internal,
        limits: &plan.settings.limits,
    };
    let inventory = Inventory::judge(&census.snapshot(), &question);
    for (path, format) in &plan.reports {
        write_report(path, *format, &inventory)
            .with_context(|| format!("cannot write report `{}`", path.display()))
            .map_err(Failure::impossible)?;
    }
    print_summary(plan, &inventory, global, words)?;
    let broken = finished.sources.iter().any(|source| source.error.is_some());
    let matched = match plan.fail_on {
        Some(FailOn::Breaks) => breaks(&inventory),
        Some(FailOn::Findings) => has_findings(&inventory),
        None => false,
    };
    Ok(if matched {
        Exit::Matched
    } else if broken || named > 0 || finished.faults > 0 {
        Exit::Partial
    } else {
        Exit::Done
    })
}

/// Report files, each with the format that its name asks for.
pub(super) fn report_formats(paths: Vec<PathBuf>) -> Result<Vec<(PathBuf, Format)>, Failure> {
    paths
        .into_iter()
        .map(|path| match Format::of(&path) {
            Some(format) => Ok((path, format)),
            None => Err(Failure::usage(anyhow!(
                "cannot tell the format of report `{}` by its name",
                path.display()
            ))
            .with_hint(format!("let it end in one of {}", Format::ENDINGS.join(", ")))),
        })
        .collect()
}

/// Whether a client host or a server in scope breaks under the first policy.
pub(super) fn breaks(inventory: &Inventory) -> bool {
    let first = inventory.summary.policies.first();
    first.is_some_and(|totals| totals.client_hosts.breaks > 0 || totals.servers.breaks > 0)
}

/// Whether there is a finding of severity medium or worse.
pub(super) fn has_findings(inventory: &Inventory) -> bool {
    let of_clients = inventory.clients.iter().flat_map(|client| &client.stacks);
    let mut findings = of_clients
        .flat_map(|stack| &stack.findings)
        .chain(inventory.servers.iter().flat_map(|server| &server.findings));
    findings.any(|finding| matches!(finding.severity, "critical" | "high" | "medium"))
}

pub(super) fn write_report(
    path: &Path,
    format: Format,
    inventory: &Inventory,
) -> std::io::Result<()> {
    let mut file = OutputFile::create(path)?;
    inventory.write(format, &mut file)?;
    file.finish()
}

/// The summary is the result, unless standard output was asked to carry records: then it is said
/// beside them.
fn print_summary(
    plan: &Plan,
    inventory: &Inventory,
    global: &Global,
    words: &Words,
) -> Result<(), Failure> {
    let aside = plan.streams_to_stdout();
    if words.quiet {
        return Ok(());
    }
    let colored = if aside { words.colored_stderr() } else { words.colored_stdout() };
    let style = Style { width: Words::width(), colour: colored, verbose: global.verbose };
    let text = inventory.summary(style);
    if aside {
        Words::aside(&text);
    } else {
        Words::out(text.as_bytes())?;
    }
    Ok(())
}

fn open_sink(path: Option<&Path>) -> Result<Option<FlowSink>, Failure> {
    let Some(path) = path else { return Ok(None) };
    if path == Path::new("-") {
        return Ok(Some(FlowSink::Stdout(Stdout::default())));
    }
    OutputFile::create(path)
        .map(|file| Some(FlowSink::File(file)))
        .with_context(|| format!("cannot write `{}`", path.display()))
        .map_err(Failure::impossible)
}

/// The cure for what is wrong with an input, where it is known.
fn hint(source: &SourceReport) -> Option<&'static str> {
    use crate::capture::Error;
    match source.error.as_ref()? {
        Error::Truncated { .. } => {
            Some("everything before that was read; was the capture still being written?")
        }
        Error::NotACapture { .. } => Some("pcap and pcapng files can be read, also compressed"),
        Error::Open { cause, .. } if cause.kind() == std::io::ErrorKind::PermissionDenied => {
            Some("run it as a user who may read the file")
        }
        _ => None,
    }
}

/// What the census keeps of an input.
fn entry(source: &SourceReport, sensor: &Arc<str>) -> SourceEntry {
    let kind = if &*source.name == "-" { SourceKind::Stream } else { SourceKind::File };
    let mut entry = SourceEntry::new(Arc::clone(sensor), kind, Arc::clone(&source.name));
    if kind == SourceKind::File {
        // A file that cannot be read has no identity, and needs none: nothing was read of it.
        entry.id = paths::file_id(Path::new(&*source.name)).ok().map(|id| id.to_string());
    }
    entry.first = source.span.map(|(first, _)| first);
    entry.last = source.span.map(|(_, last)| last);
    entry.packets = source.capture.frames;
    entry.bytes = source.capture.frame_bytes;
    entry.cut = source.capture.cut_frames;
    entry.dropped = source.capture.dropped;
    entry.skipped = Skip::ALL
        .into_iter()
        .map(|skip| (skip, source.packets.skipped(skip)))
        .filter(|(_, count)| *count > 0)
        .collect();
    entry.flows = source.flows.flows.saturating_add(source.datagrams.flows);
    entry.midstream = source.joined_late;
    entry.evicted = [
        source.flows.evicted,
        source.flows.evicted_watched,
        source.datagrams.evicted,
        source.datagrams.evicted_watched,
    ]
    .into_iter()
    .fold(0, u64::saturating_add);
    entry.fault = source.error.as_ref().map(ToString::to_string);
    entry
}

/// The host's own name, or `localhost` where it has none.
pub(super) fn host_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() { "localhost".to_owned() } else { name }
}
