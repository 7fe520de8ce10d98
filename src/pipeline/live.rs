//! Interfaces in, records and a census out, until the run is asked to stop.
//!
//! ```text
//!   eth1 ring ─▶ capture thread ─╮
//!   eth1 ring ─▶ capture thread ─┼═Batch═▶ workers ─▶ writer      (numbered as they arrive)
//!   eth2 ring ─▶ capture thread ─╯
//! ```
//!
//! Each capture thread has a ring, a decoder and flow tables of its own; nothing is shared between
//! them but the numbers of batches. What they count stands in a [`Watch`], anew every second, so
//! that a report may be written at any time.
//!
//! **Overload.** A thread whose batches are all under way *waits*. Its ring goes on taking packets
//! and then overflows, and the kernel counts every packet for which there was no room. So nothing is
//! lost that is not counted, and the count is the kernel's own. What was lost in a time in which the
//! thread had to wait is counted as *backlog* and apart from what the rate of packets alone did.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};

use super::batch::{Batch, Batcher};
use super::follow::{Followed, Follower};
use super::{Progress, Settings, run};
use crate::capture::live::{Condition, LiveSource};
use crate::capture::{CaptureStats, Error, Poll, Source};
use crate::census::{Census, Lost};
use crate::clock::Timestamp;
use crate::flow::TableStats;
use crate::flow::datagram::DatagramStats;
use crate::limits::Limits;
use crate::packet::PacketStats;
use crate::sink::Sink;
use crate::tls::starttls::login::LoginStats;

/// How often batches that are not full are sent on all the same: a record is to be seen within a
/// second.
const FLUSH: Duration = Duration::from_millis(400);

/// How often time passes for silent flows, and counters are read and shown.
const TICK: Duration = Duration::from_secs(1);

/// How long the rings are emptied after the run was asked to stop.
const DRAIN: Duration = Duration::from_millis(400);

/// What was captured on one interface so far.
#[derive(Clone, Debug)]
pub struct InterfaceReport {
    /// Its name.
    pub name: Arc<str>,
    /// Whether it can be captured on at the moment.
    pub condition: Condition,
    /// Why it is captured on no more.
    pub fault: Option<String>,
    /// Time of the first and of the last packet.
    pub span: Option<(Timestamp, Timestamp)>,
    /// What was read.
    pub capture: CaptureStats,
    /// What was lost.
    pub lost: Lost,
    /// What became of the frames.
    pub packets: PacketStats,
    /// What became of the streams.
    pub flows: TableStats,
    /// What became of the datagrams.
    pub datagrams: DatagramStats,
    /// What became of the log-ins to networks.
    pub logins: LoginStats,
    /// Connections of which only encrypted data was seen: joined after their handshake.
    pub joined_late: u64,
    /// How often a thread had to wait for the workers.
    pub waits: u64,
    /// How often its threads have said all this: a thread that hangs says it no more.
    pub beats: u64,
}

/// How a live run stands, for whoever watches it.
#[derive(Debug)]
pub struct Watch {
    progress: Progress,
    members: Vec<Mutex<InterfaceReport>>,
}

/// What became of a live run.
#[derive(Debug, Default)]
pub struct LiveFinished {
    /// Why records could not be written, if they could not.
    pub output: Option<std::io::Error>,
    /// Handshakes that a fault of this program lost.
    pub faults: u64,
}

impl Watch {
    /// Watch these sources.
    pub fn new(sources: &[LiveSource]) -> Self {
        let members = sources.iter().map(|source| Mutex::new(InterfaceReport::new(source)));
        Self { progress: Progress::default(), members: members.collect() }
    }

    /// Counters of all interfaces together, and the wish that the run should end.
    pub const fn progress(&self) -> &Progress {
        &self.progress
    }

    /// How the interfaces stand, in the order in which they were opened.
    pub fn interfaces(&self) -> Vec<InterfaceReport> {
        let mut reports: Vec<InterfaceReport> = Vec::new();
        for member in &self.members {
            let member = member.lock().unwrap_or_else(PoisonError::into_inner);
            match reports.iter_mut().find(|report| report.name == member.name) {
                Some(report) => report.add(&member),
                None => reports.push(member.clone()),
            }
        }
        reports
    }

    /// Whether there is an interface left to capture on.
    pub fn is_over(&self) -> bool {
        let locked = |member: &Mutex<InterfaceReport>| {
            member.lock().unwrap_or_else(PoisonError::into_inner).fault.is_some()
        };
        self.members.iter().all(locked)
    }
}

impl InterfaceReport {
    fn new(source: &LiveSource) -> Self {
        Self {
            name: Arc::clone(source.name()),
            condition: source.condition(),
            fault: None,
            span: None,
            capture: CaptureStats::default(),
            lost: Lost::default(),
            packets: PacketStats::default(),
            flows: TableStats::default(),
            datagrams: DatagramStats::default(),
            logins: LoginStats::default(),
            joined_late: 0,
            waits: 0,
            beats: 0,
        }
    }

    /// Add what another thread saw of the same interface.
    fn add(&mut self, other: &Self) {
        if other.condition != Condition::Up {
            self.condition = other.condition;
        }
        self.fault = self.fault.take().or_else(|| other.fault.clone());
        self.span = match (self.span, other.span) {
            (Some((first, last)), Some((begin, end))) => Some((first.min(begin), last.max(end))),
            (one, other) => one.or(other),
        };
        let lost_by_interface = self.lost.interface.max(other.lost.interface);
        self.lost.add(&other.lost);
        // Each thread is told what the whole interface lost.
        self.lost.interface = lost_by_interface;
        self.packets.merge(&other.packets);
        let sum = u64::saturating_add;
        let (capture, others) = (&mut self.capture, &other.capture);
        capture.frames = sum(capture.frames, others.frames);
        capture.frame_bytes = sum(capture.frame_bytes, others.frame_bytes);
        capture.cut_frames = sum(capture.cut_frames, others.cut_frames);
        capture.dropped = sum(capture.dropped, others.dropped);
        capture.interface_dropped = capture.interface_dropped.max(others.interface_dropped);
        let (flows, others) = (&mut self.flows, &other.flows);
        flows.flows = sum(flows.flows, others.flows);
        flows.syns = sum(flows.syns, others.syns);
        flows.shunted_segments = sum(flows.shunted_segments, others.shunted_segments);
        flows.reopened = sum(flows.reopened, others.reopened);
        flows.joined = sum(flows.joined, others.joined);
        flows.evicted = sum(flows.evicted, others.evicted);
        flows.evicted_watched = sum(flows.evicted_watched, others.evicted_watched);
        let (datagrams, others) = (&mut self.datagrams, &other.datagrams);
        datagrams.datagrams = sum(datagrams.datagrams, others.datagrams);
        datagrams.taken = sum(datagrams.taken, others.taken);
        datagrams.flows = sum(datagrams.flows, others.flows);
        datagrams.reopened = sum(datagrams.reopened, others.reopened);
        datagrams.evicted = sum(datagrams.evicted, others.evicted);
        datagrams.evicted_watched = sum(datagrams.evicted_watched, others.evicted_watched);
        let (logins, others) = (&mut self.logins, &other.logins);
        logins.packets = sum(logins.packets, others.packets);
        logins.logins = sum(logins.logins, others.logins);
        logins.evicted = sum(logins.evicted, others.evicted);
        self.joined_late = sum(self.joined_late, other.joined_late);
        self.waits = sum(self.waits, other.waits);
        self.beats = sum(self.beats, other.beats);
    }
}

/// Capture until asked to stop. Handshakes go into `census`, records to `sink` if there is one.
///
/// The order of records is the order in which they arrive; a [`Watch`] of the same sources says
/// what was seen and lost. An interface that fails for good does not stop the others.
pub fn live<S: Sink + Send>(
    sources: Vec<LiveSource>,
    settings: &Settings,
    census: &Census,
    sink: Option<&mut S>,
    watch: &Watch,
) -> LiveFinished {
    let limits = share(&settings.limits, sources.len());
    let numbers = Arc::new(AtomicU64::new(0));
    let ((), output) =
        run(settings, Some(census), sink, &watch.progress, sources.len(), |empty, full| {
            thread::scope(|scope| {
                for (source, report) in sources.into_iter().zip(&watch.members) {
                    let batcher = Batcher::new(empty.clone(), full.clone(), Arc::clone(&numbers));
                    let capture = CaptureThread::new(source, batcher, &limits, report);
                    let progress = &watch.progress;
                    scope.spawn(move || capture.run(progress));
                }
                drop::<(Receiver<Batch>, Sender<Batch>)>((empty, full));
            });
        });
    LiveFinished { output, faults: watch.progress.faults() }
}

/// The bounds of one of several threads, so that they keep to the bounds together.
fn share(limits: &Limits, threads: usize) -> Limits {
    let part = |bound: usize| bound.checked_div(threads).unwrap_or(bound).max(1);
    Limits {
        fragment_bytes: part(limits.fragment_bytes),
        fragment_datagrams: part(limits.fragment_datagrams),
        flows: part(limits.flows),
        watched_flows: part(limits.watched_flows),
        datagram_flows: part(limits.datagram_flows),
        watched_datagram_flows: part(limits.watched_datagram_flows),
        logins: part(limits.logins),
        login_bytes: part(limits.login_bytes),
        watched_bytes: part(limits.watched_bytes),
        ..limits.clone()
    }
}

/// One ring and what follows it.
struct CaptureThread<'a> {
    source: LiveSource,
    follower: Follower,
    batcher: Batcher,
    lost: Lost,
    /// Kernel drops that are counted in `lost`, and how often the thread had waited by then.
    counted: u64,
    waits: u64,
    report: &'a Mutex<InterfaceReport>,
}

#[allow(clippy::disallowed_methods, reason = "here time passes without packets")]
impl<'a> CaptureThread<'a> {
    fn new(
        source: LiveSource,
        batcher: Batcher,
        limits: &Limits,
        report: &'a Mutex<InterfaceReport>,
    ) -> Self {
        let follower = Follower::new(Arc::clone(source.name()), limits);
        Self { source, follower, batcher, lost: Lost::default(), counted: 0, waits: 0, report }
    }

    fn run(mut self, progress: &Progress) {
        let fault = self.capture(progress).err();
        if fault.is_none() {
            self.drain();
        }
        self.follower.finish(&mut self.batcher);
        self.batcher.flush();
        self.count_lost();
        self.publish(fault.map(|error| error.to_string()));
    }

    /// Until the run is to stop.
    fn capture(&mut self, progress: &Progress) -> Result<(), Error> {
        let mut heard = Instant::now();
        let mut ticked = heard;
        let mut flushed = heard;
        while !progress.is_stopping() {
            let polled = self.poll()?;
            let now = Instant::now();
            if matches!(polled, Poll::Frames(_)) {
                heard = now;
            }
            if self.batcher.waits() > self.waits {
                self.count_lost();
            }
            if now.duration_since(flushed) >= FLUSH {
                flushed = now;
                self.batcher.flush();
            }
            if now.duration_since(ticked) >= TICK {
                ticked = now;
                // Capture time goes on from the last packet, whatever clock stamps packets.
                if let Some((_, last)) = self.follower.followed().span {
                    self.follower.tick(last.plus(now.duration_since(heard)), &mut self.batcher);
                }
                self.count_lost();
                self.publish(None);
            }
        }
        Ok(())
    }

    fn poll(&mut self) -> Result<Poll, Error> {
        let Self { source, follower, batcher, .. } = self;
        source.poll(&mut |frame| follower.take(&frame, batcher))
    }

    /// Read what was captured before the run was asked to stop, as far as time allows.
    fn drain(&mut self) {
        let begun = Instant::now();
        let mut emptied = self.source.close_ring().is_err();
        while !emptied && begun.elapsed() < DRAIN {
            emptied = !matches!(self.poll(), Ok(Poll::Frames(_)));
        }
        self.count_lost();
        if !emptied {
            self.lost.unread = self.source.unread();
        }
    }

    /// Ask what was lost since the last time, and who lost it.
    fn count_lost(&mut self) {
        self.source.refresh();
        let stats = self.source.stats();
        let new = stats.dropped.saturating_sub(self.counted);
        let waits = self.batcher.waits();
        let by = if waits > self.waits { &mut self.lost.backlog } else { &mut self.lost.ring };
        *by = by.saturating_add(new);
        self.lost.interface = stats.interface_dropped;
        self.counted = stats.dropped;
        self.waits = waits;
    }

    /// Show what was counted.
    fn publish(&self, fault: Option<String>) {
        let Followed { span, packets, flows, datagrams, logins, joined_late } =
            self.follower.followed();
        let mut shown = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        *shown = InterfaceReport {
            name: Arc::clone(self.source.name()),
            condition: self.source.condition(),
            fault,
            span,
            capture: self.source.stats(),
            lost: self.lost,
            packets,
            flows,
            datagrams,
            logins,
            joined_late,
            waits: self.waits,
            beats: shown.beats.saturating_add(1),
        };
    }
}
