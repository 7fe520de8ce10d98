//! `tlscensus live`: watch interfaces until asked to stop.

mod amounts;
mod facts;
#[cfg(feature = "serve")]
mod feed;
mod keeper;
mod notify;
mod outputs;
mod plan;
mod privileges;
mod saver;
mod signals;
mod status;

use std::mem;
use std::path::PathBuf;
use std::slice;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::anyhow;

use super::args::{Global, Live};
use super::exit::{Exit, Failure};
use super::places::tidy;
use super::publish;
use super::stop::Stop;
use super::words::Words;
use crate::capture::live::{Condition, LiveSource};
use crate::census::{Snapshot, Store};
use crate::pipeline::live::{InterfaceReport, LiveFinished, Watch, live};
#[cfg(feature = "serve")]
use crate::serve::Listener;
use facts::Facts;
#[cfg(feature = "serve")]
use feed::LiveFeed;
use keeper::Keeper;
use notify::Notify;
use outputs::{LiveSink, lock};
use plan::{Plan, open};
use saver::Saver;
use signals::Signals;
use status::Status;

/// How often signals are heard and files looked after.
const TICK: Duration = Duration::from_millis(100);

/// Check what was typed, open, watch, report.
pub(super) fn run(args: Live, global: &Global, words: &Words) -> Result<Exit, Failure> {
    let plan = Plan::new(args)?;
    let stop = Stop::hear()?;
    let signals = Signals::hear(&stop)?;
    let sources = open(&plan)?;
    #[cfg(feature = "serve")]
    let listener = plan.listen(words)?;
    let notify = Notify::new();
    let missing = plan.privileges.drop()?;
    stop.insist();
    if !missing.is_empty() {
        words.warn(
            &format!("this kernel has no {}: the run is less confined", missing.join(" and no ")),
            None,
        );
    }
    let files = plan.reports.iter().map(|(path, _)| path).chain(&plan.flows);
    tidy(files.map(PathBuf::as_path), words);
    let mut sink = plan.open_sink()?;
    let mut store = plan.open_store()?;
    // Before it is written to: what is there belongs to others.
    let earlier = store.as_mut().map(|store| Store::merged(slice::from_mut(store), |part| part));
    let facts = Arc::new(Facts {
        watch: Watch::new(&sources, &plan.settings),
        earlier: earlier.transpose()?.unwrap_or_default(),
        judging: Arc::clone(&plan.judging),
        limits: plan.settings.limits.clone(),
    });
    let saver = store.map(|store| Arc::new(Saver::new(store, plan.save_every)));
    #[cfg(feature = "serve")]
    let page = listener.map(|listener| Page {
        listener,
        feed: LiveFeed {
            facts: Arc::clone(&facts),
            saver: saver.clone(),
            file: sink.as_ref().and_then(LiveSink::file),
        },
    });
    #[cfg(not(feature = "serve"))]
    let page = None;
    notify.ready();
    let keeper = Keeper {
        plan: &plan,
        signals: &signals,
        facts: &facts,
        words,
        file: sink.as_ref().and_then(LiveSink::file),
        saver: saver.as_deref(),
        notify,
        status: Status::new(words.quiet),
        conditions: vec![Condition::Up; plan.interfaces.len()],
        trouble: [None, None],
    };
    let finished = watch_over(keeper, sources, sink.as_mut(), page);
    // Nobody else asks for what was known before, unless the page is still being written.
    let (facts, earlier) = match Arc::try_unwrap(facts) {
        Ok(mut facts) => {
            let earlier = mem::take(&mut facts.earlier);
            (Arc::new(facts), earlier)
        }
        Err(facts) => (Arc::clone(&facts), facts.earlier.clone()),
    };
    // Side by side: what was learned is safe soon, whatever reports take.
    let (saved, exit) = thread::scope(|scope| {
        let watch = &facts.watch;
        let saving = saver.as_ref().map(|saver| scope.spawn(|| saver.finish(watch)));
        let exit = conclude(&plan, &facts, earlier, &finished, sink.as_ref(), global, words);
        (saving.map(thread::ScopedJoinHandle::join), exit)
    });
    drop(saver);
    let unsaved = match saved {
        Some(Ok(saved)) => saved.err().map(Failure::from),
        Some(Err(_)) => Some(Failure::impossible(anyhow!("the census was not saved"))),
        None => None,
    };
    // The process ends: to give back millions of small pieces one by one is for nothing.
    mem::forget(facts);
    Failure::beside(exit, unsaved, words)
}

/// The page, and where it is to be had.
#[cfg(feature = "serve")]
struct Page {
    listener: Listener,
    feed: LiveFeed,
}

#[cfg(feature = "serve")]
impl Page {
    /// Until the run is over.
    fn show(self, over: &AtomicBool) {
        // Without threads or descriptors there is no page; the run goes on.
        let _ = self.listener.serve(Arc::new(self.feed), over);
    }
}

/// Built without a server there is no page.
#[cfg(not(feature = "serve"))]
enum Page {}

#[cfg(not(feature = "serve"))]
impl Page {
    fn show(self, _over: &AtomicBool) {
        match self {}
    }
}

/// Capture while files are looked after and signals heard.
fn watch_over(
    mut keeper: Keeper<'_>,
    sources: Vec<LiveSource>,
    sink: Option<&mut LiveSink>,
    page: Option<Page>,
) -> LiveFinished {
    let over = AtomicBool::new(false);
    let (plan, facts, saver) = (keeper.plan, keeper.facts, keeper.saver);
    let signals = keeper.signals;
    thread::scope(|scope| {
        let over = &over;
        let saving = saver.map(|saver| scope.spawn(|| saver.run(&facts.watch, over)));
        let keeping = scope.spawn(move || {
            while !over.load(Ordering::Relaxed) {
                keeper.tick(scope, over);
                signals.wait(TICK, over);
            }
            keeper.status.clear();
        });
        if let Some(page) = page {
            scope.spawn(move || page.show(over));
        }
        let finished = live(sources, &plan.settings, sink, &facts.watch);
        over.store(true, Ordering::Relaxed);
        keeping.thread().unpark();
        if let Some(saving) = saving {
            saving.thread().unpark();
        }
        finished
    })
}

/// Say what went wrong, write the reports, print the summary, and find the exit code.
fn conclude(
    plan: &Plan,
    facts: &Facts,
    earlier: Snapshot,
    finished: &LiveFinished,
    sink: Option<&LiveSink>,
    global: &Global,
    words: &Words,
) -> Result<Exit, Failure> {
    let interfaces = facts.watch.interfaces();
    for fault in interfaces.iter().filter_map(|report| report.fault.as_ref()) {
        words.error(&anyhow!("{fault}"), None);
    }
    if !finished.faults.is_none() {
        words.warn(&finished.faults.to_string(), None);
    }
    // Judging takes time: it is done where anybody wants to know.
    let wanted = !words.quiet || !plan.reports.is_empty() || plan.fail_on.is_some();
    let inventory = wanted.then(|| {
        let mut inventory = facts.inventory_with(earlier);
        inventory.narrowed.filter = plan.options.filter.is_some();
        inventory
    });
    let mut failures = Vec::new();
    if let Some(inventory) = &inventory {
        failures.extend(plan.write_reports(inventory));
        let aside = plan.streams_to_stdout();
        let text = |style| inventory.summary(style) + &accounts(&interfaces);
        failures.extend(publish::text(text, aside, global, words).err());
    }
    failures.extend(unwritten_records(plan, finished, sink));
    let broken = interfaces.iter().filter(|report| report.fault.is_some()).count();
    let matched = inventory.as_ref().is_some_and(|one| publish::matches(plan.fail_on, one));
    mem::forget(inventory);
    let exit = if broken > 0 && broken == interfaces.len() {
        Exit::Impossible
    } else if matched {
        Exit::Matched
    } else if broken > 0 || !finished.faults.is_none() {
        Exit::Partial
    } else {
        Exit::Done
    };
    Failure::beside(Ok(exit), failures, words)
}

/// That records could not be written to the last, and why.
fn unwritten_records(
    plan: &Plan,
    finished: &LiveFinished,
    sink: Option<&LiveSink>,
) -> Option<Failure> {
    let told = publish::no_records(plan.flows.as_deref()?);
    if let Some(error) = &finished.output {
        return Some(Failure::impossible(anyhow!("{told}: {error}")));
    }
    let file = sink.and_then(LiveSink::file)?;
    let mut file = lock(&file);
    file.retry();
    let lost = file.waiting_lines().saturating_add(file.lost_lines());
    let why = file.trouble().unwrap_or("too many had to wait");
    (lost > 0).then(|| Failure::impossible(anyhow!("{told}: {why}: {lost} of them are lost")))
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
             {} unread at the end; {:.2} % of what came while a handshake was open; {} flows \
             given up at a bound; of encrypted bulk {} packets taken without their payload, about {} \
             left out under overload (in {} seconds)",
            report.name,
            report.counted.capture.frames,
            lost.interface,
            lost.ring,
            lost.backlog,
            lost.unread,
            lost.open_share() * 100.0,
            report.refused(),
            lost.lightened,
            lost.left_out,
            lost.left_out_seconds,
        );
    }
    text
}
