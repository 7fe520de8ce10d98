//! [`Transcript`]: what was seen of one handshake, as a capture thread hands it to a worker.
//!
//! It holds the plaintext handshake and alert bytes of both directions in the order of capture,
//! and of encrypted records only that they were there, when, and how long they were.

use crate::clock::Timestamp;
use crate::flow::Side;
use crate::limits::Limits;

/// What was seen of one handshake.
#[derive(Clone, Debug, Default)]
pub struct Transcript {
    entries: Vec<Entry>,
    bytes: Vec<u8>,
    /// Cleartext before TLS, by direction.
    preamble: [Vec<u8>; 2],
    /// When TLS began: its first bytes may have come before it was known what they are.
    opened: Option<Timestamp>,
    /// The bounds refused a part.
    refused: bool,
    /// They refused a part of the cleartext.
    preamble_cut: bool,
}

/// A run of bytes of one kind and direction, or something that is only counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Who sent it.
    pub side: Side,
    /// What it is.
    pub kind: Kind,
    /// When its first byte was seen.
    pub begun: Timestamp,
    /// When its last byte was seen.
    pub ended: Timestamp,
    start: usize,
    len: usize,
}

/// What an [`Entry`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Bytes of handshake messages, without the record headers.
    Handshake,
    /// Bytes of alerts in the clear.
    Alert,
    /// A ChangeCipherSpec message.
    ChangeCipherSpec,
    /// An encrypted record.
    Encrypted {
        /// The content type that it shows.
        content_type: u8,
        /// Length of its body.
        size: u16,
    },
    /// An SSL 2.0 record, without its header.
    SslV2,
    /// A whole UDP datagram that carries DTLS records.
    Dtls,
    /// A whole UDP datagram that carries QUIC packets.
    Quic,
    /// Bytes of handshake messages that were not captured; zero if it is not known how many.
    Gap(u64),
    /// A record header was found again after a loss: messages begin anew, or not at all.
    Resumed,
}

/// Largest transcript whose memory is used again: four times that of a usual handshake.
const RECYCLED_BYTES: usize = 32 << 10;

impl Transcript {
    /// The entries in order of capture, with their bytes.
    pub fn entries(&self) -> impl Iterator<Item = (&Entry, &[u8])> {
        self.entries.iter().map(|entry| {
            let end = entry.start.saturating_add(entry.len);
            (entry, self.bytes.get(entry.start..end).unwrap_or_default())
        })
    }

    /// Whether nothing of TLS was seen.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether there is a byte of a message in it, not only encrypted records and holes.
    pub fn has_messages(&self) -> bool {
        self.entries.iter().any(|entry| {
            matches!(
                entry.kind,
                Kind::Handshake | Kind::Alert | Kind::SslV2 | Kind::Dtls | Kind::Quic
            )
        })
    }

    /// The cleartext before TLS, low end's then high end's: of a long one its beginning and its end.
    pub const fn preamble(&self) -> &[Vec<u8>; 2] {
        &self.preamble
    }

    /// When the first byte of TLS was seen, if that was noted.
    pub const fn opened(&self) -> Option<Timestamp> {
        self.opened
    }

    /// TLS began then, if it did not begin before.
    pub fn open(&mut self, at: Timestamp) {
        self.opened = Some(self.opened.map_or(at, |opened| opened.min(at)));
    }

    /// Whether the bounds refused a part of the handshake.
    pub const fn is_refused(&self) -> bool {
        self.refused
    }

    /// Whether the bounds refused a part of the cleartext before TLS.
    pub const fn is_preamble_cut(&self) -> bool {
        self.preamble_cut
    }

    /// Empty it, to be filled again with another handshake. `false` if it is so large that its
    /// memory had better be given back.
    pub fn recycle(&mut self) -> bool {
        self.entries.clear();
        self.bytes.clear();
        self.preamble.iter_mut().for_each(Vec::clear);
        self.refused = false;
        self.opened = None;
        self.preamble_cut = false;
        self.held_bytes() <= RECYCLED_BYTES
    }

    /// Hold no more memory than what is in it needs.
    pub fn shrink(&mut self) {
        self.entries.shrink_to_fit();
        self.bytes.shrink_to_fit();
        self.preamble.iter_mut().for_each(Vec::shrink_to_fit);
    }

    /// Bytes of messages in it.
    pub const fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Heap bytes that it holds.
    pub fn held_bytes(&self) -> usize {
        let [low, high] = &self.preamble;
        self.bytes
            .capacity()
            .saturating_add(self.entries.capacity().saturating_mul(size_of::<Entry>()))
            .saturating_add(low.capacity())
            .saturating_add(high.capacity())
    }

    /// Read all parts of it. What comes out means nothing.
    pub fn fetch(&self) -> usize {
        let [low, high] = &self.preamble;
        self.entries
            .len()
            .wrapping_add(self.bytes.len())
            .wrapping_add(low.len())
            .wrapping_add(high.len())
            .wrapping_add(usize::from(self.refused))
    }

    /// Read where it goes on, so that this is in a near cache. What comes out means nothing.
    pub fn fetch_end(&self) -> usize {
        let last = self.entries.last().map_or(0, |entry| entry.len);
        last.wrapping_add(self.bytes.last().copied().map_or(0, usize::from))
    }

    /// Read where the runs of bytes begin, likewise.
    pub fn fetch_runs(&self) -> usize {
        self.entries()
            .map(|(_, bytes)| bytes.first().copied().map_or(0, usize::from))
            .fold(0, usize::wrapping_add)
    }

    /// Add bytes; they go on the last entry if that is of the same kind and direction.
    pub fn append(&mut self, side: Side, kind: Kind, at: Timestamp, bytes: &[u8], limits: &Limits) {
        if self.bytes.len().saturating_add(bytes.len()) > limits.transcript_bytes {
            self.refuse(side, at, bytes.len(), limits);
            return;
        }
        let start = self.bytes.len();
        if let Some(last) = self.entries.last_mut()
            && last.side == side
            && last.kind == kind
            && matches!(kind, Kind::Handshake | Kind::Alert)
        {
            last.len = last.len.saturating_add(bytes.len());
            last.ended = at;
        } else if !self
            .push(Entry { side, kind, begun: at, ended: at, start, len: bytes.len() }, limits)
        {
            return;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Note something that has no bytes of its own.
    pub fn note(&mut self, side: Side, kind: Kind, at: Timestamp, limits: &Limits) {
        let start = self.bytes.len();
        self.push(Entry { side, kind, begun: at, ended: at, start, len: 0 }, limits);
    }

    /// Keep cleartext before TLS: within the bound its beginning, where a protocol shows itself,
    /// and its end, where TLS is asked for.
    pub fn keep_preamble(&mut self, side: Side, bytes: &[u8], limits: &Limits) {
        let (first, rest) = bytes.split_at(limits.preamble_bytes.min(bytes.len()));
        let last = rest.len().saturating_sub(limits.preamble_bytes);
        for part in [first, rest.get(last..).unwrap_or_default()] {
            self.keep_preamble_part(side, part, limits);
        }
    }

    fn keep_preamble_part(&mut self, side: Side, bytes: &[u8], limits: &Limits) {
        let kept = side.of_mut(&mut self.preamble);
        kept.extend_from_slice(bytes);
        let excess = kept.len().saturating_sub(limits.preamble_bytes);
        if excess > 0 {
            self.preamble_cut = true;
            let head = limits.preamble_bytes / 2;
            kept.drain(head..head.saturating_add(excess));
        }
    }

    /// What was said before is known from an earlier look at the same connection.
    pub fn set_preamble(&mut self, preamble: [Vec<u8>; 2]) {
        self.preamble = preamble;
    }

    /// What an end sent so far does not matter for what follows.
    pub fn restart_preamble(&mut self, side: Side) {
        side.of_mut(&mut self.preamble).clear();
    }

    fn refuse(&mut self, side: Side, at: Timestamp, size: usize, limits: &Limits) {
        self.refused = true;
        let size = u64::try_from(size).unwrap_or(u64::MAX);
        match self.entries.last_mut() {
            Some(Entry { side: last, kind: Kind::Gap(count), .. }) if *last == side => {
                *count = count.saturating_add(size);
            }
            _ => self.note(side, Kind::Gap(size), at, limits),
        }
    }

    fn push(&mut self, entry: Entry, limits: &Limits) -> bool {
        if self.entries.len() >= limits.transcript_records {
            self.refused = true;
            return false;
        }
        self.entries.push(entry);
        true
    }
}
