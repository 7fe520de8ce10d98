//! `tlscensus live`: watch interfaces until asked to stop.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, anyhow};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};

use super::args::{FailOn, Global, Live};
use super::exit::{Exit, Failure};
use super::notify::Notify;
use super::plan::{FILTER_HINT, Judging, reports};
use super::privileges::Privileges;
use super::publish;
use super::read::host_name;
use super::status::Status;
use super::words::Words;
use crate::capture::Error;
use crate::capture::live::{Condition, LiveSource, Options};
use crate::census::{Census, SourceEntry, SourceKind};
use crate::clock::Timestamp;
use crate::limits::Limits;
use crate::packet::Skip;
use crate::pipeline::Settings;
use crate::pipeline::live::{InterfaceReport, LiveFinished, Watch, live};
use crate::report::{Format, Inventory, Style};
use crate::sink::rolling::{RollingFile, Rotation, compress};
use crate::sink::{Sink, Stdout};

/// How often signals are heard and files looked after.
const TICK: Duration = Duration::from_millis(100);

/// What a run is to do, checked.
struct Plan {
    interfaces: Vec<String>,
    options: Options,
    settings: Settings,
    judging: Judging,
    flows: Option<PathBuf>,
    rotation: Option<Rotation>,
    reports: Vec<(PathBuf, Format)>,
    fail_on: Option<FailOn>,
    privileges: Privileges,
}

/// What signals have asked for.
struct Signals {
    stop: Arc<AtomicBool>,
    report: Arc<AtomicBool>,
    reopen: Arc<AtomicBool>,
}

/// Check what was typed, open, watch, report.
pub(super) fn run(args: Live, global: &Global, words: &Words) -> Result<Exit, Failure> {
    let plan = Plan::new(args)?;
    let signals = Signals::hear()?;
    let sources = open(&plan)?;
    let notify = Notify::new();
    let missing = plan.privileges.drop()?;
    if !missing.is_empty() {
        words.warn(
            &format!("this kernel has no {}: the run is less confined", missing.join(" and no ")),
            None,
        );
    }
    let mut sink = plan.open_sink()?;
    let census = Census::new(&plan.settings.limits);
    let watch = Watch::new(&sources);
    notify.ready();
    let keeper = Keeper {
        plan: &plan,
        signals: &signals,
        census: &census,
        watch: &watch,
        words,
        file: sink.as_ref().and_then(LiveSink::file),
        notify,
        status: Status::new(words.quiet),
        conditions: vec![Condition::Up; plan.interfaces.len()],
        trouble: None,
    };
    let finished = watch_over(keeper, sources, sink.as_mut());
    conclude(&plan, &census, &watch, &finished, sink.as_ref(), global, words)
}

impl Plan {
    fn new(args: Live) -> Result<Self, Failure> {
        let limits = Limits::default();
        let judging = Judging::new(&args.judgement)?;
        let rotation = args.rotate.as_deref().map(rotation).transpose()?;
        if rotation.is_some() && args.flows.as_deref() == Some(Path::new("-")) {
            return Err(Failure::usage(anyhow!("standard output cannot be rotated"))
                .with_hint("name a file: --flows FILE --rotate 1h"));
        }
        let Some(ring_bytes) = size(&args.buffer) else {
            return Err(Failure::usage(anyhow!("`{}` is no size for --buffer", args.buffer))
                .with_hint("as 128MB or 1GB"));
        };
        let reports = reports(args.report)?;
        let flows = args.flows.as_deref().filter(|path| *path != Path::new("-"));
        let outputs = flows.into_iter().chain(reports.iter().map(|(path, _)| path.as_path()));
        let privileges = Privileges::new(args.user.as_deref(), outputs)?;
        let mut interfaces = args.interface;
        let mut seen = std::collections::BTreeSet::new();
        interfaces.retain(|name| seen.insert(name.clone()));
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let settings = Settings {
            limits,
            threads: args.threads.map_or(cores, usize::from),
            sensor: args.sensor.unwrap_or_else(host_name).into(),
            policies: judging.policies.clone(),
            trust: Arc::clone(&judging.trust),
            since: None,
            until: None,
            // The kernel filters.
            filter: None,
        };
        Ok(Self {
            interfaces,
            options: Options {
                filter: args.filter,
                ring_bytes: usize::try_from(ring_bytes).unwrap_or(usize::MAX),
                members: args.capture_threads,
            },
            settings,
            fail_on: args.judgement.fail_on,
            judging,
            flows: args.flows,
            rotation,
            reports,
            privileges,
        })
    }

    fn streams_to_stdout(&self) -> bool {
        self.flows.as_deref() == Some(Path::new("-"))
    }

    fn open_sink(&self) -> Result<Option<LiveSink>, Failure> {
        let Some(path) = &self.flows else { return Ok(None) };
        if self.streams_to_stdout() {
            return Ok(Some(LiveSink::Stdout(Stdout::default())));
        }
        RollingFile::open(path, self.rotation)
            .map(|file| Some(LiveSink::File(Arc::new(Mutex::new(file)))))
            .map_err(|error| {
                let denied = error.kind() == std::io::ErrorKind::PermissionDenied;
                let path = path.display();
                let failure = Failure::impossible(anyhow!("cannot write `{path}`: {error}"));
                let name = self.privileges.name();
                if denied { failure.with_hint(format!("chown {name} {path}")) } else { failure }
            })
    }

    fn inventory(&self, census: &Census, watch: &Watch) -> Inventory {
        for report in watch.interfaces() {
            census.source(entry(&report, &self.settings.sensor));
        }
        let question = self.judging.question(&self.settings.limits);
        Inventory::judge(&census.snapshot(), &question)
    }

    fn write_reports(&self, inventory: &Inventory) -> anyhow::Result<()> {
        for (path, format) in &self.reports {
            publish::write(path, *format, inventory)
                .with_context(|| format!("cannot write report `{}`", path.display()))?;
        }
        Ok(())
    }
}

impl Signals {
    fn hear() -> std::io::Result<Self> {
        let flag = || Arc::new(AtomicBool::new(false));
        let signals = Self { stop: flag(), report: flag(), reopen: flag() };
        for signal in [SIGINT, SIGTERM] {
            // The second one is not asked twice.
            signal_hook::flag::register_conditional_default(signal, Arc::clone(&signals.stop))?;
            signal_hook::flag::register(signal, Arc::clone(&signals.stop))?;
        }
        signal_hook::flag::register(SIGUSR1, Arc::clone(&signals.report))?;
        signal_hook::flag::register(SIGHUP, Arc::clone(&signals.reopen))?;
        Ok(signals)
    }
}

/// Open all interfaces, or none.
fn open(plan: &Plan) -> Result<Vec<LiveSource>, Failure> {
    let mut sources = Vec::new();
    for name in &plan.interfaces {
        sources.extend(LiveSource::open(name, &plan.options).map_err(refusal)?);
    }
    Ok(sources)
}

/// Why an interface cannot be opened, with the cure where it is known.
fn refusal(error: Error) -> Failure {
    let hint = match &error {
        Error::Permission { .. } => {
            let program = std::env::current_exe().unwrap_or_else(|_| "tlscensus".into());
            Some(format!("run as root, or once: sudo setcap cap_net_raw+ep {}", program.display()))
        }
        Error::NoInterface { .. } => Some("`tlscensus interfaces` lists what there is".to_owned()),
        Error::Interface { name, reason } if reason == "it is down" => {
            Some(format!("ip link set {name} up"))
        }
        Error::Filter { .. } => Some(FILTER_HINT.to_owned()),
        _ => None,
    };
    // A filter is something that was typed.
    let failure = match &error {
        Error::Filter { .. } => Failure::usage(error),
        _ => Failure::impossible(error),
    };
    match hint {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    }
}

/// Capture while files are looked after and signals heard.
fn watch_over(
    mut keeper: Keeper<'_>,
    sources: Vec<LiveSource>,
    sink: Option<&mut LiveSink>,
) -> LiveFinished {
    let over = AtomicBool::new(false);
    let (plan, census, watch) = (keeper.plan, keeper.census, keeper.watch);
    thread::scope(|scope| {
        let over = &over;
        let keeping = scope.spawn(move || {
            while !over.load(Ordering::Relaxed) {
                keeper.tick(scope, over);
                thread::park_timeout(TICK);
            }
            keeper.status.clear();
        });
        let finished = live(sources, &plan.settings, census, sink, watch);
        over.store(true, Ordering::Relaxed);
        keeping.thread().unpark();
        finished
    })
}

/// Looks after everything but packets.
struct Keeper<'a> {
    plan: &'a Plan,
    signals: &'a Signals,
    census: &'a Census,
    watch: &'a Watch,
    words: &'a Words,
    file: Option<Arc<Mutex<RollingFile>>>,
    status: Status,
    conditions: Vec<Condition>,
    trouble: Option<String>,
    notify: Notify,
}

impl Keeper<'_> {
    fn tick<'scope>(&mut self, scope: &'scope thread::Scope<'scope, '_>, over: &'scope AtomicBool) {
        if self.signals.stop.load(Ordering::Relaxed) || self.watch.is_over() {
            if !self.watch.progress().is_stopping() {
                self.notify.stopping();
            }
            self.watch.progress().stop();
        }
        if self.signals.report.swap(false, Ordering::Relaxed) {
            let inventory = self.plan.inventory(self.census, self.watch);
            match self.plan.write_reports(&inventory) {
                Ok(()) if self.words.quiet => {}
                Ok(()) => {
                    self.status.aside(|| Words::aside("the reports were written as of now\n"));
                }
                Err(error) => self.status.aside(|| self.words.error(&error, None)),
            }
        }
        self.look_after_file(scope, over);
        let interfaces = self.watch.interfaces();
        self.notify.alive(interfaces.iter().map(|report| report.beats).sum());
        self.tell_conditions(&interfaces);
        let connections = self.watch.progress().connections();
        self.status.draw(&interfaces, connections, || {
            let inventory = self.plan.inventory(self.census, self.watch);
            inventory.summary.policies.first().map_or(0, |totals| totals.client_hosts.breaks)
        });
    }

    /// Rotate, open anew, write what waits.
    fn look_after_file<'scope>(
        &mut self,
        scope: &'scope thread::Scope<'scope, '_>,
        over: &'scope AtomicBool,
    ) {
        let Some(file) = &self.file else { return };
        let mut trouble = None;
        {
            let mut file = lock(file);
            if self.signals.reopen.swap(false, Ordering::Relaxed) {
                trouble = file.reopen().err().map(|error| error.to_string());
            }
            match file.tick(now()) {
                Ok(Some(aside)) => {
                    scope.spawn(move || {
                        // What cannot be compressed stays whole as it is.
                        let _ = compress(&aside, &|| !over.load(Ordering::Relaxed));
                    });
                }
                Ok(None) => {}
                Err(error) => trouble = Some(error.to_string()),
            }
            trouble = trouble.or_else(|| file.trouble().map(str::to_owned));
        }
        if trouble != self.trouble {
            match &trouble {
                Some(why) => self.warn(
                    &format!("records cannot be written: {why}"),
                    Some("they are kept in memory, up to 64 MB, until they can"),
                ),
                None => self.warn("records can be written again", None),
            }
            self.trouble = trouble;
        }
    }

    /// Say once when an interface goes, and when it is back.
    fn tell_conditions(&mut self, interfaces: &[InterfaceReport]) {
        for (place, report) in interfaces.iter().enumerate() {
            let Some(before) = self.conditions.get_mut(place) else { continue };
            if *before == report.condition {
                continue;
            }
            *before = report.condition;
            let name = &report.name;
            let text = match report.condition {
                Condition::Up => format!("interface `{name}` is back"),
                Condition::Down => format!("interface `{name}` is down: waiting for it"),
                Condition::Gone => format!("interface `{name}` is gone: waiting for it"),
            };
            self.warn(&text, None);
        }
    }

    fn warn(&self, text: &str, hint: Option<&str>) {
        self.status.aside(|| self.words.warn(text, hint));
    }
}

/// Say what went wrong, write the reports, print the summary, and find the exit code.
fn conclude(
    plan: &Plan,
    census: &Census,
    watch: &Watch,
    finished: &LiveFinished,
    sink: Option<&LiveSink>,
    global: &Global,
    words: &Words,
) -> Result<Exit, Failure> {
    let interfaces = watch.interfaces();
    for fault in interfaces.iter().filter_map(|report| report.fault.as_ref()) {
        words.error(&anyhow!("{fault}"), None);
    }
    if finished.faults > 0 {
        words.warn(
            &format!("{} handshakes were lost to a fault of this program", finished.faults),
            Some("please report it"),
        );
    }
    let inventory = plan.inventory(census, watch);
    plan.write_reports(&inventory).map_err(Failure::impossible)?;
    if !words.quiet {
        let aside = plan.streams_to_stdout();
        let colour = if aside { words.colored_stderr() } else { words.colored_stdout() };
        let style = Style { width: Words::width(), colour, verbose: global.verbose };
        let mut text = inventory.summary(style);
        text.push_str(&accounts(&interfaces));
        if aside {
            Words::aside(&text);
        } else {
            Words::out(text.as_bytes())?;
        }
    }
    if let Some(error) = &finished.output {
        return Err(Failure::impossible(anyhow!("cannot write records: {error}")));
    }
    let unwritten = sink.and_then(LiveSink::file).map_or(0, |file| {
        let mut file = lock(&file);
        file.retry();
        file.waiting_lines().saturating_add(file.lost_lines())
    });
    if unwritten > 0 {
        return Err(Failure::impossible(anyhow!("{unwritten} records could not be written")));
    }
    let broken = interfaces.iter().filter(|report| report.fault.is_some()).count();
    if broken > 0 && broken == interfaces.len() {
        return Ok(Exit::Impossible);
    }
    let matched = publish::matches(plan.fail_on, &inventory);
    Ok(if matched {
        Exit::Matched
    } else if broken > 0 || finished.faults > 0 {
        Exit::Partial
    } else {
        Exit::Done
    })
}

/// What was captured and lost, interface by interface.
fn accounts(interfaces: &[InterfaceReport]) -> String {
    use std::fmt::Write as _;
    let mut text = String::from("\n");
    for report in interfaces {
        let lost = &report.lost;
        // Writing to a String does not fail.
        let _ = writeln!(
            text,
            "{}: {} packets read; lost: {} by the interface, {} ring full, {} workers behind, \
             {} unread at the end",
            report.name,
            report.capture.frames,
            lost.interface,
            lost.ring,
            lost.backlog,
            lost.unread,
        );
    }
    text
}

/// What the census keeps of an interface.
fn entry(report: &InterfaceReport, sensor: &Arc<str>) -> SourceEntry {
    let mut entry =
        SourceEntry::new(Arc::clone(sensor), SourceKind::Live, Arc::clone(&report.name));
    entry.first = report.span.map(|(first, _)| first);
    entry.last = report.span.map(|(_, last)| last);
    entry.packets = report.capture.frames;
    entry.bytes = report.capture.frame_bytes;
    entry.cut = report.capture.cut_frames;
    entry.dropped = report.lost.total();
    entry.lost = report.lost;
    entry.skipped = Skip::ALL
        .into_iter()
        .map(|skip| (skip, report.packets.skipped(skip)))
        .filter(|(_, count)| *count > 0)
        .collect();
    entry.flows = [report.flows.flows, report.datagrams.flows, report.logins.logins]
        .into_iter()
        .fold(0, u64::saturating_add);
    entry.midstream = report.joined_late;
    entry.evicted = [
        report.flows.evicted,
        report.flows.evicted_watched,
        report.datagrams.evicted,
        report.datagrams.evicted_watched,
        report.logins.evicted,
    ]
    .into_iter()
    .fold(0, u64::saturating_add);
    entry.fault.clone_from(&report.fault);
    entry
}

/// Where records go.
enum LiveSink {
    File(Arc<Mutex<RollingFile>>),
    Stdout(Stdout),
}

impl LiveSink {
    fn file(&self) -> Option<Arc<Mutex<RollingFile>>> {
        match self {
            Self::File(file) => Some(Arc::clone(file)),
            Self::Stdout(_) => None,
        }
    }
}

impl Sink for LiveSink {
    fn write(&mut self, lines: &[u8]) -> std::io::Result<()> {
        match self {
            Self::File(file) => {
                lock(file).add(lines);
                Ok(())
            }
            Self::Stdout(stdout) => stdout.write(lines),
        }
    }

    fn finish(self) -> std::io::Result<()> {
        match self {
            Self::File(_) => Ok(()),
            Self::Stdout(stdout) => stdout.finish(),
        }
    }
}

fn lock(file: &Mutex<RollingFile>) -> MutexGuard<'_, RollingFile> {
    file.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The time on the wall, for the names of files.
#[allow(clippy::disallowed_methods, reason = "files are set aside by the clock on the wall")]
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::new(since.as_secs(), since.subsec_nanos())
}

/// `1h` or `1GB`.
fn rotation(text: &str) -> Result<Rotation, Failure> {
    let age = split(text).and_then(|(number, unit)| {
        let seconds = match unit {
            "s" => 1,
            "m" | "min" => 60,
            "h" => 3_600,
            "d" => 86_400,
            _ => return None,
        };
        number.checked_mul(seconds).map(Duration::from_secs)
    });
    age.map(Rotation::Age).or_else(|| size(text).map(Rotation::Size)).ok_or_else(|| {
        Failure::usage(anyhow!("`{text}` is neither an age nor a size for --rotate"))
            .with_hint("as 30m, 1h or 1d; or as 500MB or 1GB")
    })
}

/// `128MB` in bytes; binary units may be typed as such (`128MiB`).
fn size(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let unit: u64 = match unit.to_ascii_lowercase().as_str() {
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(unit)
}

/// A number above zero and the unit after it.
fn split(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|one: char| !one.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(end)?;
    number.parse().ok().filter(|number| *number > 0).map(|number| (number, unit.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_and_sizes() {
        let parsed = |text| rotation(text).ok();
        assert_eq!(parsed("1h"), Some(Rotation::Age(Duration::from_secs(3_600))));
        assert_eq!(parsed("30m"), Some(Rotation::Age(Duration::from_secs(1_800))));
        assert_eq!(parsed("1GB"), Some(Rotation::Size(1_000_000_000)));
        assert_eq!(parsed("64MiB"), Some(Rotation::Size(64 << 20)));
        for wrong in
            ["", "h", "0h", "1", "1x", "-1h", "99999999999999999999h", "18446744073709551615GB"]
        {
            assert_eq!(parsed(wrong), None, "{wrong}");
        }
    }
}
