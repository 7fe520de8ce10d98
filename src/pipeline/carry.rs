//! [`Carried`]: what goes on from one file of a capture to the next.
//!
//! Programs that capture for long begin a new file now and then (`tcpdump -G`, `-C`), in the middle of
//! whatever is on the wire. Files that are read one after the other are each a capture of their own,
//! unless the first packets of one show that it goes on where the one before it ended: then so do its
//! connections. A connection is recorded under the file in which it began.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::follow::Follower;
use crate::capture::file::FileSource;
use crate::capture::paths::Input;
use crate::capture::{Poll, Source};
use crate::clock::Timestamp;
use crate::limits::Limits;
use crate::packet::Decoder;

/// What was being followed at the end of the last input, if the next one goes on with it.
#[derive(Default)]
pub struct Carried(pub(super) Option<Box<Follower>>);

/// Frames of the next file that are looked at.
const LOOKED_AT: usize = 1_024;

/// How far a packet may be before the one that was captured before it.
const DISORDER: Duration = Duration::from_millis(100);

/// What begins so soon after the end of the file before it goes on with it, whoever speaks.
const SEAMLESS: Duration = Duration::from_secs(1);

/// Names of inputs that are remembered: flows that are older than so many files are rare.
const NAMES: usize = 64;

/// Whether a file goes on where `follower` stands: it begins just after, and with what is known.
pub(super) fn goes_on(follower: &Follower, next: Option<&Input>, limits: &Limits) -> bool {
    let Some(Input::File { path, size: Some(1..) }) = next else { return false };
    let (Some((first, last)), false) = (follower.whole_span(), follower.is_idle()) else {
        return false;
    };
    // What is wrong with it is said when it is read.
    let Ok(mut source) = FileSource::open_briefly(path, limits) else { return false };
    let mut decoder = Decoder::new(limits);
    let mut begun: Option<Timestamp> = None;
    let (mut known, mut looked_at) = (false, 0);
    let follows = |begun: Timestamp| {
        begun > first && last.since(begun) <= DISORDER && begun.since(last) <= limits.watched_idle
    };
    while !known && looked_at < LOOKED_AT && begun.is_none_or(follows) {
        let polled = source.poll(&mut |frame| {
            begun.get_or_insert(frame.timestamp);
            looked_at = looked_at.saturating_add(1);
            // What cannot be decoded is counted when the file is read.
            let _ = decoder.decode(&frame, &mut |packet| known |= follower.knows(packet));
        });
        if !matches!(polled, Ok(Poll::Frames(_) | Poll::Idle)) {
            break;
        }
    }
    begun.is_some_and(|begun| follows(begun) && (known || begun.since(last) <= SEAMLESS))
}

/// The inputs that were followed without a break, by the time of their first packets.
#[derive(Debug)]
pub(super) struct Names {
    earlier: VecDeque<(Timestamp, Arc<str>)>,
    current: Arc<str>,
    begun: Option<Timestamp>,
}

impl Names {
    pub(super) const fn new(name: Arc<str>) -> Self {
        Self { earlier: VecDeque::new(), current: name, begun: None }
    }

    /// The next one begins.
    pub(super) fn next(&mut self, name: Arc<str>) {
        let before = std::mem::replace(&mut self.current, name);
        if let Some(begun) = self.begun.take() {
            self.earlier.push_back((begun, before));
            if self.earlier.len() > NAMES {
                self.earlier.pop_front();
            }
        }
    }

    /// When the first of them began.
    pub(super) fn begun(&self) -> Option<Timestamp> {
        self.earlier.front().map(|(begun, _)| *begun).or(self.begun)
    }

    /// A packet of the current one.
    pub(super) fn see(&mut self, at: Timestamp) {
        self.begun.get_or_insert(at);
    }

    pub(super) const fn current(&self) -> &Arc<str> {
        &self.current
    }

    /// The one in which something began.
    pub(super) fn of(&self, opened: Timestamp) -> &Arc<str> {
        if self.earlier.is_empty() || self.begun.is_some_and(|begun| begun <= opened) {
            return &self.current;
        }
        let found = self.earlier.iter().rfind(|(begun, _)| *begun <= opened);
        found.or_else(|| self.earlier.front()).map_or(&self.current, |(_, name)| name)
    }
}
