//! [`CryptoStream`]: CRYPTO frames of one direction → handshake messages (RFC 9000 §7.5, §19.6).

use std::borrow::Cow;

use crate::bytes::Reader;
use crate::clock::Timestamp;
use crate::flow::Side;
use crate::limits::Limits;
use crate::tls::codepoint::HandshakeType;
use crate::tls::message::{Event, What};
use crate::tls::pieces::Pieces;

/// The handshake bytes of one direction at the Initial level.
#[derive(Debug)]
pub(crate) struct CryptoStream {
    pieces: Pieces<'static>,
    /// Where the next message begins.
    next: usize,
    /// When the first piece of it was seen.
    begun: Option<Timestamp>,
    ended: Timestamp,
    /// Messages that were whole.
    whole: usize,
    /// It was begun once more, perhaps with other bytes.
    anew: bool,
}

/// Type and length of a message.
const HEADER: usize = 4;

impl CryptoStream {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            pieces: Pieces::new(limits.message_bytes, limits.pieces),
            next: 0,
            begun: None,
            ended: Timestamp::default(),
            whole: 0,
            anew: false,
        }
    }

    /// The end begins anew, and is not held to what it said before.
    pub(crate) const fn begin_anew(&mut self) {
        self.anew = true;
    }

    /// Whether its frames give the same place different bytes.
    pub(crate) const fn is_contradicted(&self) -> bool {
        self.pieces.is_contradicted() && !self.anew
    }

    /// Whether any message was whole.
    pub(crate) const fn spoke(&self) -> bool {
        self.whole > 0
    }

    /// Add the bytes of a frame. Returns whether any of them may be new.
    pub(crate) fn push(&mut self, offset: u64, bytes: &[u8], at: Timestamp) -> bool {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        if bytes.is_empty() || offset.saturating_add(bytes.len()) <= self.pieces.prefix() {
            self.pieces.compare(offset, bytes);
            return false; // Sent again.
        }
        self.begun.get_or_insert(at);
        self.ended = at;
        self.pieces.insert_copy(offset, bytes);
        true
    }

    /// The next message, if it is whole.
    pub(crate) fn message(&mut self, side: Side) -> Option<Event<'static>> {
        let (kind, length) = self.header()?;
        let start = self.next.saturating_add(HEADER);
        let end = start.saturating_add(length);
        if self.pieces.prefix() < end {
            return None;
        }
        self.next = end;
        self.whole = self.whole.saturating_add(1);
        let begun = self.begun.take().unwrap_or(self.ended);
        if self.pieces.prefix() > end || self.pieces.has_hole() {
            self.begun = Some(self.ended);
        }
        let what = What::Message { kind, body: self.pieces.read(start, end), whole: true };
        Some(Event { side, begun, ended: self.ended, what })
    }

    /// What there is of a message that will not be whole.
    pub(crate) fn rest(&self, side: Side) -> Option<Event<'static>> {
        let begun = self.begun?;
        let what = match self.header() {
            Some((kind, length)) => {
                let start = self.next.saturating_add(HEADER);
                let body = self.pieces.read(start, start.saturating_add(length));
                What::Message { kind, body, whole: false }
            }
            None => What::Lost,
        };
        Some(Event { side, begun, ended: self.ended, what })
    }

    /// Type and length of the next message.
    fn header(&self) -> Option<(HandshakeType, usize)> {
        let header: Cow<'_, [u8]> = self.pieces.read(self.next, self.next.saturating_add(HEADER));
        let mut reader = Reader::new(&header);
        let kind = HandshakeType(reader.u8()?);
        Some((kind, usize::try_from(reader.u24()?).ok()?))
    }
}
