//! Threads, batches and channels: captures in, records and a census out.
//!
//! ```text
//!   capture thread              workers                   whoever's turn it is
//!   Source → Decoder → FlowTable ═Batch═▶ record ─▶ Census    ─lines in order─▶ Sink
//!        ▲                                                          │
//!        ╰────────────────── emptied batches come back ─────────────╯
//! ```
//!
//! A batch is a number of finished handshakes with their bytes. Any worker may take any batch, as a
//! job holds all that its record needs; the writer puts their lines back into the order of capture,
//! so that nothing that comes out depends on how many threads there are. The number of batches is
//! fixed: when they are all under way the capture thread waits. With one worker for files there is
//! but one thread, and one batch, which is worked off when it is full.

mod batch;
mod capture;
mod carry;
mod counted;
mod faults;
mod follow;
mod judge;
#[cfg(feature = "live")]
pub mod live;
mod progress;
mod stream;
mod worker;
mod writer;

use std::sync::Arc;
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::capture::filter::Filter;
use crate::capture::paths::Input;
use crate::census::Census;
use crate::clock::Timestamp;
use crate::cores::Cores;
use crate::limits::Limits;
use crate::naming::Heard;
use crate::policy::Policy;
use crate::record::FlowRecord;
use crate::sink::Sink;
use crate::x509::{CertificateCache, ChainCache, TrustStores};

use batch::{Batch, Batcher, Help};
pub use capture::SourceReport;
pub use carry::Carried;
pub use counted::Counted;
pub use faults::Faults;
pub use progress::Progress;
use worker::Worker;
use writer::{Lines, Writer};

/// Batches that are under way at the same time for each thread that fills or empties them. They are
/// few, so that what they hold is still in a near cache when it is its turn.
const BATCHES: usize = 3;

/// Where facts are added up: in a census, or in several.
type Recorder<'a> = &'a (dyn Fn(Fact<'_>) + Sync);

/// What workers have for a census.
enum Fact<'a> {
    /// A connection.
    Record(&'a FlowRecord),
    /// A handshake of which nothing can be read, and in which source.
    #[cfg_attr(
        not(feature = "live"),
        expect(dead_code, reason = "files have a census each; only interfaces are told apart")
    )]
    Unreadable(&'a str),
    /// What was heard of an address, and in which source.
    #[cfg_attr(
        not(feature = "live"),
        expect(dead_code, reason = "files have a census each; only interfaces are told apart")
    )]
    Heard(&'a str, Heard),
}

/// What a run is to do.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The bounds.
    pub limits: Limits,
    /// Worker threads.
    pub threads: usize,
    /// The sensor's name, recorded with every flow.
    pub sensor: Arc<str>,
    /// The policies that records are judged by.
    pub policies: Vec<Arc<Policy>>,
    /// The trust stores.
    pub trust: Arc<TrustStores>,
    /// Only handshakes that began at or after this moment.
    pub since: Option<Timestamp>,
    /// Only handshakes that began before this moment.
    pub until: Option<Timestamp>,
    /// Only packets of files and streams that match.
    pub filter: Option<Filter>,
}

/// What became of a run.
#[derive(Debug, Default)]
pub struct Finished {
    /// What was read of each input, in order.
    pub sources: Vec<SourceReport>,
    /// Why records could not be written, if they could not.
    pub output: Option<std::io::Error>,
    /// What faults of this program lost.
    pub faults: Faults,
}

/// Read captures. Their handshakes go into `census` and their records to `sink`, if there is one.
///
/// What is wrong with one input does not stop the others: it stands in its [`SourceReport`].
pub fn read<'c, S: Sink + Send>(
    inputs: &[Input],
    settings: &Settings,
    census: impl Into<Option<&'c Census>>,
    sink: Option<&mut S>,
    progress: &Arc<Progress>,
) -> Finished {
    read_some(inputs, None, &mut Carried::default(), settings, census, sink, progress)
}

/// Like [`read`], before `next` is read in another call: connections that go on there are carried
/// over, and recorded then.
pub fn read_some<'c, S: Sink + Send>(
    inputs: &[Input],
    next: Option<&Input>,
    carried: &mut Carried,
    settings: &Settings,
    census: impl Into<Option<&'c Census>>,
    sink: Option<&mut S>,
    progress: &Arc<Progress>,
) -> Finished {
    let census = census.into();
    let add = census.map(|census| {
        |fact: Fact<'_>| match fact {
            Fact::Record(record) => census.add(record),
            Fact::Unreadable(_) => census.fail_to_read(),
            Fact::Heard(_, heard) => census.hear(heard),
        }
    });
    let add = add.as_ref().map(|add| add as Recorder<'_>);
    let mut capture = |batcher: Batcher<'_>| {
        capture::read_all(inputs, next, carried, settings, batcher, progress)
    };
    let (mut sources, output) = if settings.threads <= 1 {
        run_alone(settings, add, sink, progress, capture)
    } else {
        // Who follows the packets does the work of a worker where all of those are behind.
        let threads = Threads {
            captures: 1,
            workers: settings.threads.saturating_sub(1),
            cores: Cores::share(),
        };
        run(settings, add, sink, progress, threads, |empty, full, help| {
            capture(Batcher::beside(empty, full, Arc::default()).helping(help))
        })
    };
    let mut faults = Faults::default();
    for source in &mut sources {
        source.faults.connections = progress.lost_connections(&source.name);
        faults = faults.and(source.faults);
    }
    Finished { sources, output, faults }
}

/// Run `capture` and do the work of worker and writer between its batches: one thread does all of it, so
/// that what a batch holds is near. Returns what [`run`] does.
fn run_alone<S: Sink + Send, T: Default + Send>(
    settings: &Settings,
    census: Option<Recorder<'_>>,
    sink: Option<&mut S>,
    progress: &Progress,
    capture: impl FnOnce(Batcher<'_>) -> T + Send,
) -> (T, Option<std::io::Error>) {
    let certificates = CertificateCache::new(&settings.limits);
    let chains = ChainCache::new(Arc::clone(&settings.trust), &settings.limits);
    let wants_lines = sink.is_some();
    let alone = || {
        let mut worker =
            Worker::new(settings, &certificates, &chains, census, wants_lines, progress);
        let mut lines = Lines::new(sink);
        let captured = capture(Batcher::here(|batch| {
            worker.work_off(batch);
            lines.write(&batch.lines);
            batch.clear();
        }));
        (captured, lines.finish())
    };
    // In the thread that called, the same run took a fifth longer now and then. Why was not found out; its
    // stack may begin anywhere, that of a new thread begins at a page.
    thread::scope(|scope| scope.spawn(alone).join().unwrap_or_default())
}

/// How many threads do what.
struct Threads {
    captures: usize,
    workers: usize,
    /// Where they run, if that is not left to the system.
    cores: Option<Cores>,
}

/// Run workers and the writer beside `capture`, which in some threads takes empty batches and gives full
/// ones, and may help to work them off; `census` is given every record and name. Returns what `capture`
/// returns, and why records could not be written, if they could not.
fn run<S: Sink + Send, T: Default + Send>(
    settings: &Settings,
    census: Option<Recorder<'_>>,
    sink: Option<&mut S>,
    progress: &Progress,
    Threads { captures, workers, cores }: Threads,
    capture: impl FnOnce(Receiver<Batch>, Sender<Batch>, Help<'_>) -> T + Send,
) -> (T, Option<std::io::Error>) {
    let certificates = CertificateCache::new(&settings.limits);
    let chains = ChainCache::new(Arc::clone(&settings.trust), &settings.limits);
    let workers = workers.max(1);
    let batches = workers.saturating_add(captures).saturating_mul(BATCHES);
    let (empty_tx, empty_rx) = bounded::<Batch>(batches);
    let (full_tx, full_rx) = bounded::<Batch>(batches);
    for _ in 0..batches {
        // There is room for all of them.
        let _ = empty_tx.send(Batch::default());
    }
    let wants_lines = sink.is_some();
    let writer = Writer::new(sink, empty_tx);
    let worker = || Worker::new(settings, &certificates, &chains, census, wants_lines, progress);
    let captured = thread::scope(|scope| {
        let (worker, writer) = (&worker, &writer);
        let waiting = full_rx.clone();
        let capture = scope.spawn(move || {
            if let Some(cores) = cores {
                cores.keep_one();
            }
            let mut helper = None;
            let help = move || {
                let Ok(mut batch) = waiting.try_recv() else { return false };
                helper.get_or_insert_with(worker).work_off(&mut batch);
                writer.take(batch);
                true
            };
            capture(empty_rx, full_tx, Box::new(help))
        });
        for _ in 0..workers {
            let full_rx = full_rx.clone();
            scope.spawn(move || {
                if let Some(cores) = cores {
                    cores.keep_off();
                }
                worker().run(&full_rx, writer);
            });
        }
        drop(full_rx);
        capture.join().unwrap_or_default()
    });
    (captured, writer.finish())
}

impl Settings {
    /// Whether a handshake that began then is asked for.
    fn wants(&self, at: Timestamp) -> bool {
        self.since.is_none_or(|since| at >= since) && self.until.is_none_or(|until| at < until)
    }
}
