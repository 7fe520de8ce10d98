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
//! **Overload.** A thread whose batches are all under way goes on emptying its ring, and what
//! handshakes it finishes meanwhile wait in memory ([`Limits::backlog_bytes`]): one of them takes as
//! much room as a few packets of a bulk transfer, so they are what is kept longest. Only when that
//! is full the thread *waits*. Its ring goes on taking packets and then overflows, and the kernel
//! counts every packet for which there was no room. So nothing is lost that is not counted, and the
//! count is the kernel's own. What was lost in a time in which the thread had to wait is counted as
//! *backlog* and apart from what the rate of packets alone did.
//!
//! Which packets the kernel drops when a ring is full is not ours to choose: whatever comes then. What
//! goes into the ring is: of the heaviest flows that are over for us it keeps only the headers,
//! and while the ring fills only some of those.

mod heavy;
mod jumps;
mod watch;

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crossbeam_channel::{Receiver, Sender};

use super::batch::{Batch, Batcher};
use super::faults::Faults;
use super::follow::Follower;
use super::{Fact, Progress, Settings, Threads, run};
use crate::capture::live::LiveSource;
use crate::capture::{Error, Poll, Source};
use crate::census::Lost;
use crate::clock::Timestamp;
use crate::limits::Limits;
use crate::sink::Sink;
use heavy::Heavy;
use jumps::Jumps;

pub use watch::{InterfaceReport, Watch};

/// How often batches that are not full are sent on all the same: a record is to be seen within a
/// second.
const FLUSH: Duration = Duration::from_millis(400);

/// How often time passes for silent flows, and counters are read and shown.
const TICK: Duration = Duration::from_secs(1);

/// Bytes of a frame in the ring besides itself, about.
const FRAME_OVERHEAD: u64 = 96;

/// How often it is looked whether a ring fills.
const LOOK: Duration = Duration::from_millis(50);

/// How long the rings are emptied after the run was asked to stop.
const DRAIN: Duration = Duration::from_millis(400);

/// What became of a live run.
#[derive(Debug, Default)]
pub struct LiveFinished {
    /// Why records could not be written, if they could not.
    pub output: Option<std::io::Error>,
    /// What faults of this program lost.
    pub faults: Faults,
}

/// Capture until asked to stop. Handshakes go into the censuses of `watch`, which was made for the
/// same sources and says what was seen and lost, records to `sink` if there is one.
///
/// The order of records is the order in which they arrive. An interface that fails for good does not stop the others.
pub fn live<S: Sink + Send>(
    sources: Vec<LiveSource>,
    settings: &Settings,
    sink: Option<&mut S>,
    watch: &Watch,
) -> LiveFinished {
    let limits = share(&settings.limits, sources.len());
    let numbers = Arc::new(AtomicU64::new(0));
    let progress = watch.progress();
    let add = |fact: Fact<'_>| match fact {
        Fact::Record(record) => watch.add(record),
        Fact::Unreadable(source) => watch.fail_to_read(source),
        Fact::Heard(source, heard) => watch.hear(source, heard),
    };
    // Who captures does nothing else, and has no core for itself: whatever else runs there for months has the
    // same right to all of them.
    let threads = Threads { captures: sources.len(), workers: settings.threads, cores: None };
    let ((), output) = run(settings, Some(&add), sink, progress, threads, |empty, full, _| {
        thread::scope(|scope| {
            for (source, report) in sources.into_iter().zip(watch.members()) {
                let batcher = Batcher::beside(empty.clone(), full.clone(), Arc::clone(&numbers))
                    .with_backlog(limits.backlog_bytes);
                let capture = CaptureThread::new(source, batcher, &limits, report);
                scope.spawn(move || capture.run(progress));
            }
            drop::<(Receiver<Batch>, Sender<Batch>)>((empty, full));
        });
    });
    let faults = watch.interfaces().iter().fold(Faults::default(), |sum, one| sum.and(one.faults));
    LiveFinished { output, faults }
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
        backlog_bytes: part(limits.backlog_bytes),
        ..limits.clone()
    }
}

/// Whether a TCP packet in Ethernet has one of SYN, FIN and RST.
fn begins_or_ends(frame: &[u8]) -> bool {
    let flags = |at: usize| frame.get(at).is_some_and(|flags| flags.trailing_zeros() < 3);
    match frame.get(12..14) {
        Some([0x81 | 0x88, 0x00 | 0xa8]) => flags(51) || flags(71),
        Some([0x08, 0x00]) => flags(47),
        Some([0x86, 0xdd]) => flags(67),
        _ => false,
    }
}

/// One ring and what follows it.
struct CaptureThread<'a> {
    source: LiveSource,
    follower: Follower,
    batcher: Batcher<'a>,
    lost: Lost,
    /// Kernel drops that are counted in `lost`, and how often the thread had waited by then.
    counted: u64,
    waits: u64,
    /// What was read and lost when the last second ended, and how many handshakes were open then.
    before: (u64, u64),
    open: u64,
    /// What the ring had no room for when it was last looked after.
    lost_before: u64,
    heavy: Heavy,
    jumps: Jumps,
    report: &'a Mutex<InterfaceReport>,
}

#[allow(clippy::disallowed_methods, reason = "here time passes without packets")]
impl<'a> CaptureThread<'a> {
    fn new(
        source: LiveSource,
        batcher: Batcher<'a>,
        limits: &Limits,
        report: &'a Mutex<InterfaceReport>,
    ) -> Self {
        let follower = Follower::new(Arc::clone(source.name()), limits);
        Self {
            source,
            follower,
            batcher,
            lost: Lost::default(),
            counted: 0,
            waits: 0,
            before: (0, 0),
            open: 0,
            lost_before: 0,
            heavy: Heavy::default(),
            jumps: Jumps::default(),
            report,
        }
    }

    fn run(mut self, progress: &Progress) {
        let fault = self.capture(progress).err();
        if fault.is_none() {
            self.drain();
        }
        self.follower.finish(&mut self.batcher);
        self.batcher.finish();
        self.heavy.second();
        self.count_lost();
        self.relate();
        self.publish(fault.map(|error| error.to_string()));
    }

    /// Until the run is to stop.
    fn capture(&mut self, progress: &Progress) -> Result<(), Error> {
        let mut heard = Instant::now();
        let mut ticked = heard;
        let mut flushed = heard;
        let mut looked = heard;
        while !progress.is_stopping() {
            let polled = self.poll()?;
            let now = Instant::now();
            if matches!(polled, Poll::Frames(_)) {
                heard = now;
                self.jumps.read(now);
            }
            if self.batcher.waits() > self.waits {
                self.count_lost();
            }
            if now.duration_since(looked) >= LOOK {
                looked = now;
                self.look_after_ring();
            }
            if self.batcher.backlog() > 0 || now.duration_since(flushed) >= FLUSH {
                flushed = now;
                self.batcher.flush();
            }
            if now.duration_since(ticked) >= TICK {
                ticked = now;
                // Capture time goes on from the last packet, whatever clock stamps packets.
                if let Some(last) = self.follower.now() {
                    self.follower.tick(last.plus(now.duration_since(heard)), &mut self.batcher);
                }
                self.count_lost();
                self.relate();
                self.heavy.second();
                self.publish(None);
            }
            if let Some((flows, bulk)) = self.heavy.news() {
                self.source.lighten(&flows, bulk);
            }
        }
        Ok(())
    }

    fn poll(&mut self) -> Result<Poll, Error> {
        let Self { source, follower, batcher, heavy, jumps, .. } = self;
        source.poll(&mut |frame| {
            if let Some(jump) = jumps.stamp(frame.timestamp, Instant::now) {
                follower.shift(jump);
            }
            let (shunted, reopened) = follower.shunted();
            follower.take(&frame, batcher);
            let (now, reopened_now) = follower.shunted();
            if now > shunted {
                heavy.note(&frame);
            }
            if heavy.is_any() && (reopened_now > reopened || begins_or_ends(frame.bytes)) {
                heavy.end(frame.bytes);
            }
        })
    }

    /// What is in the ring and was not read, and what found no room in it: whether it is in distress.
    fn look_after_ring(&mut self) {
        self.count_lost();
        let stats = self.source.stats();
        let mean = stats.frame_bytes.checked_div(stats.frames).unwrap_or_default();
        let waiting = self.source.unread().saturating_mul(mean.saturating_add(FRAME_OVERHEAD));
        let lost = self.lost.ring.saturating_add(self.lost.backlog);
        if lost > self.lost_before || waiting > self.source.ring_bytes() as u64 / 2 {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            self.heavy.distress(Timestamp::default().plus(now));
        }
        self.lost_before = lost;
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
        self.lost.lightened = stats.lightened;
        self.lost.left_out = self.heavy.left_out;
        self.lost.left_out_seconds = self.heavy.seconds;
        self.counted = stats.dropped;
        self.waits = waits;
    }

    /// A second is over: whether what was lost in it can have cost handshakes.
    fn relate(&mut self) {
        let (read, lost) = (self.source.stats().frames, self.lost.total());
        let (read_before, lost_before) = self.before;
        let new = lost.saturating_sub(lost_before);
        let open = self.follower.open();
        if open > 0 || self.open > 0 {
            let new_read = read.saturating_sub(read_before);
            self.lost.open_read = self.lost.open_read.saturating_add(new_read);
            self.lost.open_lost = self.lost.open_lost.saturating_add(new);
        }
        self.lost.seconds = self.lost.seconds.saturating_add(u64::from(new > 0));
        self.before = (read, lost);
        self.open = open;
    }

    /// Show what was counted.
    fn publish(&self, fault: Option<String>) {
        let mut shown = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        *shown = InterfaceReport {
            name: Arc::clone(self.source.name()),
            condition: self.source.condition(),
            fault,
            counted: self.follower.counted(self.source.stats()),
            lost: self.lost,
            faults: Faults { connections: 0, packets: self.follower.faults() },
            waits: self.waits,
            open: self.open,
            backlog: self.batcher.backlog(),
            beats: shown.beats.saturating_add(1),
        };
    }
}
