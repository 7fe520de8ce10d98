//! [`Transcript`]: what was seen of one handshake, as a capture thread hands it to a worker.
//!
//! It holds the plaintext handshake and alert bytes of both directions in the order of capture,
//! and of encrypted records only that they were there, when, and how long they were.
//!
//! What a stream brings is copied once, as it comes, with the headers of the records and all: the
//! entries say where in it the messages lie. What was taken out of a wrapping, or put together, is
//! copied apart.

use crate::clock::Timestamp;
use crate::flow::{Received, Run, Side};
use crate::limits::Limits;

/// What was seen of one handshake.
#[derive(Clone, Debug, Default)]
pub struct Transcript {
    entries: Vec<Entry>,
    /// What the streams brought.
    received: [Received; 2],
    /// What lies in neither.
    apart: Vec<u8>,
    /// Bytes of messages.
    size: usize,
    /// Cleartext before TLS, by direction, if there was any.
    preamble: Option<Box<[Vec<u8>; 2]>>,
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
    place: Place,
    start: usize,
    len: usize,
}

/// Where the bytes of an entry are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In what its side sent.
    Received,
    Apart,
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
            let bytes = match entry.place {
                Place::Received => entry.side.of(&self.received).get(entry.start, entry.len),
                Place::Apart => self.apart.get(entry.start..entry.start.saturating_add(entry.len)),
            };
            (entry, bytes.unwrap_or_default())
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
    pub fn preamble(&self) -> &[Vec<u8>; 2] {
        static NONE: [Vec<u8>; 2] = [Vec::new(), Vec::new()];
        self.preamble.as_deref().unwrap_or(&NONE)
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
        self.received.iter_mut().for_each(Received::clear);
        self.apart.clear();
        self.size = 0;
        self.preamble.iter_mut().flat_map(|both| both.iter_mut()).for_each(Vec::clear);
        self.refused = false;
        self.opened = None;
        self.preamble_cut = false;
        self.held_bytes() <= RECYCLED_BYTES
    }

    /// Hold no more memory than what is in it needs.
    pub fn shrink(&mut self) {
        self.entries.shrink_to_fit();
        self.received.iter_mut().for_each(Received::shrink);
        self.apart.shrink_to_fit();
        self.preamble.iter_mut().flat_map(|both| both.iter_mut()).for_each(Vec::shrink_to_fit);
    }

    /// Bytes of messages in it.
    pub const fn size(&self) -> usize {
        self.size
    }

    /// Heap bytes that it holds.
    pub fn held_bytes(&self) -> usize {
        let [low, high] = self.preamble();
        let received: usize = self.received.iter().map(Received::held_bytes).sum();
        received
            .saturating_add(self.apart.capacity())
            .saturating_add(self.entries.capacity().saturating_mul(size_of::<Entry>()))
            .saturating_add(low.capacity())
            .saturating_add(high.capacity())
    }

    /// Read all parts of it. What comes out means nothing.
    pub fn fetch(&self) -> usize {
        let received = self.received.iter().map(Received::fetch).fold(0, usize::wrapping_add);
        self.entries
            .len()
            .wrapping_add(received)
            .wrapping_add(self.size)
            .wrapping_add(usize::from(self.preamble.is_some()))
            .wrapping_add(usize::from(self.refused))
    }

    /// Read where the next bytes of an end will lie, so that this is in a near cache. What comes out
    /// means nothing.
    pub fn fetch_end(&self, side: Side, size: usize) -> usize {
        let last = self.entries.last().map_or(0, |entry| entry.len);
        last.wrapping_add(side.of(&self.received).fetch_end(size))
    }

    /// Read where the runs of bytes begin, likewise.
    pub fn fetch_runs(&self) -> usize {
        self.entries()
            .map(|(_, bytes)| bytes.first().copied().map_or(0, usize::from))
            .fold(0, usize::wrapping_add)
    }

    /// Take what comes next in a stream, whatever it is. Returns where it lies until more comes.
    pub fn receive(&mut self, side: Side, bytes: &[u8], limits: &Limits) -> usize {
        side.of_mut(&mut self.received).take(bytes, limits.overlap_bytes)
    }

    /// So many bytes come next in a stream that are of no use.
    pub fn pass(&mut self, side: Side, count: usize) {
        side.of_mut(&mut self.received).pass(count);
    }

    /// A hole lies in a stream.
    pub fn tear(&mut self, side: Side) {
        side.of_mut(&mut self.received).tear();
    }

    /// The last bytes of a stream, as far back as they are there and without a hole.
    pub fn received(&self, side: Side) -> Run<'_> {
        side.of(&self.received).run()
    }

    /// Add a part of what was [received](Self::receive) last, which lies at `start`. It goes on the last
    /// entry if it goes on with the same kind and direction where that ends.
    pub fn keep(
        &mut self,
        side: Side,
        kind: Kind,
        at: Timestamp,
        (start, bytes): (usize, &[u8]),
        limits: &Limits,
    ) {
        let len = bytes.len();
        let many = self.entries.len() >= limits.transcript_records / 2;
        let goes_on = match self.entries.last_mut() {
            Some(last) if last.side == side && last.kind == kind => {
                let adjoins = last.start.saturating_add(last.len) == start;
                if last.place == Place::Apart || !adjoins && many {
                    // One that is cut into very many records is put together.
                    return self.append(side, kind, at, bytes, limits);
                }
                adjoins.then_some(last)
            }
            _ => None,
        };
        if self.size.saturating_add(len) > limits.transcript_bytes {
            self.refuse(side, at, len, limits);
            return;
        }
        if let Some(last) = goes_on {
            last.len = last.len.saturating_add(len);
            last.ended = at;
        } else {
            let place = Place::Received;
            let entry = Entry { side, kind, begun: at, ended: at, place, start, len };
            if !self.push(entry, limits) {
                return;
            }
        }
        self.size = self.size.saturating_add(len);
        side.of_mut(&mut self.received).keep(start.saturating_add(len));
    }

    /// Add a copy of bytes; they go on the last entry if that is of the same kind and direction.
    pub fn append(&mut self, side: Side, kind: Kind, at: Timestamp, bytes: &[u8], limits: &Limits) {
        if self.size.saturating_add(bytes.len()) > limits.transcript_bytes {
            self.refuse(side, at, bytes.len(), limits);
            return;
        }
        let (start, len) = (self.apart.len(), bytes.len());
        if let Some(last) = self.entries.last_mut()
            && (last.side, last.kind, last.place) == (side, kind, Place::Apart)
            && matches!(kind, Kind::Handshake | Kind::Alert)
        {
            last.len = last.len.saturating_add(len);
            last.ended = at;
        } else {
            let place = Place::Apart;
            let entry = Entry { side, kind, begun: at, ended: at, place, start, len };
            if !self.push(entry, limits) {
                return;
            }
        }
        self.size = self.size.saturating_add(len);
        self.apart.extend_from_slice(bytes);
    }

    /// Note something that has no bytes of its own.
    pub fn note(&mut self, side: Side, kind: Kind, at: Timestamp, limits: &Limits) {
        let place = Place::Apart;
        self.push(Entry { side, kind, begun: at, ended: at, place, start: 0, len: 0 }, limits);
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
        let kept = side.of_mut(self.preamble.get_or_insert_default());
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
        self.preamble = Some(Box::new(preamble));
    }

    /// What an end sent so far does not matter for what follows.
    pub fn restart_preamble(&mut self, side: Side) {
        self.preamble.iter_mut().for_each(|both| side.of_mut(both).clear());
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
