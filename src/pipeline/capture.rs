//! The capture thread: sources → frames → packets → flows → batches of finished handshakes.

use std::io;
use std::sync::Arc;

use super::batch::Batcher;
use super::carry::{Carried, goes_on};
use super::counted::Counted;
use super::faults::{Faults, Provoked, contain};
use super::follow::Follower;
use super::stream::Stream;
use super::{Progress, Settings};
use crate::capture::file::FileSource;
use crate::capture::filter::{Filter, Filtering};
use crate::capture::paths::{FileId, Input, file_id};
use crate::capture::{CaptureStats, Error, LinkType, Offset, Poll, Source};
use crate::census::{SourceEntry, SourceKind};
use crate::memory;

/// Connections watched at once from which on huge pages of memory are worth what they cost: what is kept of so
/// many lies in more small ones than a processor remembers the places of.
const MANY: u64 = 2_048;

/// What was read of one input.
#[derive(Debug)]
pub struct SourceReport {
    /// Its name in records.
    pub name: Arc<str>,
    /// What it was read from.
    pub kind: SourceKind,
    /// What tells a file from all others, whatever it is called; streams have nothing of the kind.
    pub id: Option<FileId>,
    /// Whether it was read at all, and to its end.
    pub error: Option<Error>,
    /// The run was asked to stop: nothing after it is read.
    pub stopped: bool,
    /// Frames that the filter left out.
    pub filtered: u64,
    /// What was counted of it.
    pub counted: Counted,
    /// The link type of the first packet of which that cannot be decoded.
    pub unknown_link: Option<LinkType>,
    /// What faults of this program lost.
    pub faults: Faults,
}

impl SourceReport {
    /// Of an input of which nothing was read yet.
    fn new(input: &Input) -> Self {
        Self {
            name: input.name().to_string_lossy().into(),
            kind: match input {
                Input::File { .. } => SourceKind::File,
                Input::Stdin => SourceKind::Stream,
            },
            id: None,
            error: None,
            stopped: false,
            filtered: 0,
            counted: Counted::default(),
            unknown_link: None,
            faults: Faults::default(),
        }
    }

    /// Of an input that the run was stopped before.
    pub fn not_reached(input: &Input) -> Self {
        let error = Error::NotReached { path: input.name().to_owned() };
        Self { error: Some(error), ..Self::new(input) }
    }

    /// Whether nothing of it was read: it is no capture at all, or was not opened.
    pub const fn is_unread(&self) -> bool {
        matches!(
            self.error,
            Some(
                Error::Open { .. }
                    | Error::NotACapture { .. }
                    | Error::Empty { .. }
                    | Error::NotReached { .. }
                    | Error::Unsupported { .. }
            )
        )
    }

    /// As a source of a census: what the filter left out was not read.
    pub fn entry(&self, sensor: &Arc<str>) -> SourceEntry {
        let mut entry = self.counted.entry(sensor, self.kind, &self.name);
        entry.id = self.id.map(|id| id.to_string());
        entry.packets = entry.packets.saturating_sub(self.filtered);
        entry
    }
}

/// Read all inputs, one after the other, into batches. What goes on in `next`, the input after them, is
/// carried there.
pub(super) fn read_all(
    inputs: &[Input],
    next: Option<&Input>,
    carried: &mut Carried,
    settings: &Settings,
    mut batcher: Batcher<'_>,
    progress: &Arc<Progress>,
) -> Vec<SourceReport> {
    let mut before = (0_u64, 0_u64);
    let mut reports = Vec::with_capacity(inputs.len());
    for (n, input) in inputs.iter().enumerate() {
        let next = inputs.get(n.saturating_add(1)).or(next);
        let report = read_one((input, next), carried, settings, &mut batcher, progress, before);
        before.0 =
            before.0.saturating_add(input.size().unwrap_or(report.counted.capture.read_bytes));
        before.1 = before.1.saturating_add(report.counted.capture.frames);
        progress.set_read(before.0, before.1);
        let stopped = report.stopped;
        reports.push(report);
        if stopped {
            break;
        }
    }
    batcher.finish();
    reports
}

fn read_one(
    (input, next): (&Input, Option<&Input>),
    carried: &mut Carried,
    settings: &Settings,
    batcher: &mut Batcher<'_>,
    progress: &Arc<Progress>,
    before: (u64, u64),
) -> SourceReport {
    let mut report = SourceReport::new(input);
    let name = Arc::clone(&report.name);
    let mut source = match open(input, settings, progress) {
        Ok(source) => source,
        Err(error) => {
            // It could be opened a moment ago.
            if let Some(mut follower) = carried.0.take() {
                follower.finish(batcher);
            }
            // What shows nothing until the run is asked to stop was waited for in vain.
            if matches!(error, Error::Empty { .. }) && progress.is_stopping() {
                return SourceReport { stopped: true, ..SourceReport::not_reached(input) };
            }
            report.error = Some(error);
            return report;
        }
    };
    // By its path: what it is called in records need not be the whole truth.
    let mut unidentified = None;
    if let Input::File { path, size: Some(_) } = input {
        match file_id(path) {
            Ok(id) => report.id = Some(id),
            // Reading it may fail at the same place, and says more.
            Err(error) => unidentified = Some(error),
        }
    }
    // With other cores at hand, what is read and unpacked is so beside what follows it.
    if settings.threads > 1 {
        source.read_ahead();
    }
    let mut follower = match carried.0.take() {
        Some(mut follower) => {
            follower.go_on(name);
            follower
        }
        None => Box::new(Follower::new(name, &settings.limits)),
    };
    let mut filter = settings.filter.clone().map(Filter::start);
    let mut provoked = Provoked::of("reader");
    // Several threads that take memory in turn would touch more of huge pages than they fill.
    let mut is_decided = settings.threads > 1;
    loop {
        if !is_decided && follower.open() >= MANY {
            memory::use_huge_pages();
            is_decided = true;
        }
        let polled = contain(|| {
            provoked.step();
            poll(&mut source, &mut filter, &mut follower, batcher)
        });
        // A reader that failed cannot be asked again: what it has read so far is reported.
        let polled = polled.unwrap_or_else(|| Err(fault_of(&source)));
        let stats = source.stats();
        progress.set_read(
            before.0.saturating_add(stats.read_bytes),
            before.1.saturating_add(stats.frames),
        );
        match polled {
            Ok(Poll::End) => {
                report.stopped = progress.is_stopping();
                break;
            }
            polled if progress.is_stopping() => {
                report.stopped = true;
                report.error = left(input, polled, &stats);
                break;
            }
            Ok(Poll::Frames(_) | Poll::Idle) => {}
            Err(error) => {
                report.error = Some(error);
                break;
            }
        }
    }
    report.error = report.error.or(unidentified);
    let goes_on =
        !report.stopped && contain(|| goes_on(&follower, next, &settings.limits)) == Some(true);
    if !goes_on {
        follower.finish(batcher);
    }
    report.counted = follower.counted(source.stats());
    report.unknown_link = follower.unknown_link();
    report.filtered = filter.map_or(0, |filter| filter.refused());
    report.faults.packets = follower.faults();
    carried.0 = goes_on.then_some(follower);
    report
}

/// Open an input; of one that is no regular file, wait until it has shown what it is.
fn open(input: &Input, settings: &Settings, progress: &Arc<Progress>) -> Result<FileSource, Error> {
    let stream = match input {
        Input::File { path, size: Some(_) } => {
            return FileSource::open(path, &settings.limits);
        }
        Input::File { path, size: None } => Stream::open(path, progress),
        Input::Stdin => Stream::stdin(progress),
    };
    let path = input.name();
    let stream = stream.map_err(|cause| Error::Open { path: path.to_owned(), cause })?;
    FileSource::from_reader(path, stream, &settings.limits)
}

/// The next frames of a source to what follows it, if they match.
fn poll(
    source: &mut FileSource,
    filter: &mut Option<Filtering>,
    follower: &mut Follower,
    batcher: &mut Batcher<'_>,
) -> Result<Poll, Error> {
    let Some(filter) = filter else {
        return source.poll_batches(&mut |frames| follower.take_all(frames, batcher));
    };
    let mut fault = None;
    let polled = source.poll(&mut |frame| match filter.matches(&frame) {
        Ok(true) => follower.take(&frame, batcher),
        Ok(false) => {}
        Err(error) => fault = Some(error),
    });
    fault.map_or(polled, Err)
}

/// What is wrong with an input that is left in its middle. A file has an end that was not come to. A stream
/// ends when it is told to: Ctrl-C in `tcpdump -w - | tlscensus read -` goes to both.
fn left(input: &Input, polled: Result<Poll, Error>, stats: &CaptureStats) -> Option<Error> {
    let size = input.size()?;
    let stopped = || Error::Stopped { path: input.name().to_owned(), read: stats.read_bytes, size };
    Some(polled.err().unwrap_or_else(stopped))
}

/// A fault of this program in reading a source.
fn fault_of(source: &FileSource) -> Error {
    Error::Read {
        path: source.name().to_owned(),
        offset: Offset::File(source.stats().read_bytes),
        cause: io::Error::other("internal error, please report it"),
    }
}
