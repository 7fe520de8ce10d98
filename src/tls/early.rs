//! [`EarlyData`]: what a client of TLS 1.3 encrypts before it is answered, and what it leaves unproven.
//!
//! Whether the server takes it is encrypted. If it does, the client ends it with an EndOfEarlyData, and its
//! Finished follows; if not, the Finished comes without a word, behind what had been sent until then
//! (RFC 8446 §4.2.10). Records show no more than their lengths.
//!
//! ```text
//!   client   hello  early  early ╮        ╭ (EndOfEarlyData)  Finished  data …
//!   server                       ╰ hello … Finished
//! ```

use super::codepoint::CipherSuite;
use crate::clock::Timestamp;

/// Smallest body of a TLS 1.3 record that holds a Finished message: a header of 4, verify data of at
/// least 32, the content type, a tag of at least 8 (RFC 8446 §4.4.4, §5.2). An alert is shorter: 19
/// as most send it, 35 as Java pads it.
pub(super) const FINISHED_BODY: u16 = 45;

/// Bodies of a record that holds one alone: verify data of 32 or 48, a tag of 8 or 16.
const FINISHED_BODIES: [u16; 4] = [45, 53, 61, 69];

/// Body of a record of TLS 1.3 that holds an EndOfEarlyData alone: a header of 4, the content type, a
/// tag of 16.
const END_OF_EARLY_DATA_BODY: u16 = 21;

/// What the client encrypts before the answer, and what may have crossed it.
#[derive(Debug, Default)]
pub(super) struct EarlyData {
    /// The first hello says that there may be some, and no second one, which cannot, has ended it.
    pub(super) announced: bool,
    /// There was some before the answer.
    pub(super) seen: bool,
    /// When what can be a Finished followed an EndOfEarlyData, all before the answer.
    pub(super) finished: Option<Timestamp>,
    /// The last record was of an EndOfEarlyData's size.
    ended: bool,
    /// A record was long enough for a Finished, before the answer and behind it.
    long: [bool; 2],
    /// Records behind the answer.
    behind: u32,
}

impl EarlyData {
    /// A record before the answer, or behind a retry.
    pub(super) fn before(&mut self, size: u16, retried: bool, at: Timestamp) {
        self.seen = true;
        let [long, _] = &mut self.long;
        *long |= size >= FINISHED_BODY;
        // The answer may only be captured late: an EndOfEarlyData and what can hold a Finished
        // tell (RFC 8446 §4.5), should the answer come.
        if size >= FINISHED_BODY && self.ended {
            self.finished.get_or_insert(at);
        }
        self.ended = size == END_OF_EARLY_DATA_BODY && !retried;
    }

    /// Whether a record behind the answer, which chose this suite, holds the Finished: what crossed the
    /// answer is early data too.
    pub(super) fn behind(&mut self, size: u16, suite: Option<CipherSuite>) -> bool {
        if !self.announced {
            return size >= FINISHED_BODY;
        }
        self.behind = self.behind.saturating_add(1);
        let finished = is_finished(size, suite) || self.ended && size >= FINISHED_BODY;
        let [_, long] = &mut self.long;
        *long |= size >= FINISHED_BODY;
        self.ended = size == END_OF_EARLY_DATA_BODY;
        finished
    }

    /// Whether the client may have finished although nothing proves it, so that what is as short as an alert
    /// may close the session: that of the client, and of the server. An alert that refuses the answer is all
    /// that the client still says.
    pub(super) const fn may_be_over(&self) -> [bool; 2] {
        let [before, behind] = self.long;
        let more = self.behind > 1;
        [self.announced && (behind || before && more), self.announced && (before || behind)]
    }
}

/// Whether a record is exactly as long as one with the Finished of a suite.
fn is_finished(size: u16, suite: Option<CipherSuite>) -> bool {
    match suite {
        Some(CipherSuite(0x1301 | 0x1303 | 0x1304)) => size == 53,
        Some(CipherSuite(0x1302)) => size == 69,
        Some(CipherSuite(0x1305)) => size == 45,
        _ => FINISHED_BODIES.contains(&size),
    }
}
