//! [`Transcript`]: what was seen of one handshake, as a capture thread hands it to a worker.
//!
//! It holds the plaintext handshake and alert bytes of both directions in the order of capture,
//! and of encrypted records only that they were there, when, and how long they were.
//!
//! What a stream brings is copied once, as it comes, with the headers of the records and all: the
//! entries say where in it the messages lie. What was taken out of a wrapping, or put together, is
//! copied apart.

use crate::clock::Timestamp;
use crate::flow::{Received, Run, Side, Spares, short};
use crate::limits::Limits;
use crate::prefetch::{prefetch_all, prefetch_at};

/// What was seen of one handshake.
#[derive(Clone, Debug, Default)]
pub struct Transcript {
    entries: Vec<Entry>,
    /// What the streams brought.
    received: [Received; 2],
    /// What lies in neither, if anything does.
    aside: Option<Box<Aside>>,
    /// Bytes of messages.
    size: usize,
    /// When TLS began: its first bytes may have come before it was known what they are.
    opened: Option<Timestamp>,
    /// The bounds refused a part.
    refused: bool,
    /// They refused a part of the cleartext.
    preamble_cut: bool,
    /// There are bytes of a message. Said here as well: of one that is over the entries are far away.
    has_messages: bool,
}

/// What few transcripts have.
#[derive(Clone, Debug, Default)]
struct Aside {
    /// Cleartext before TLS, by direction.
    preamble: [Vec<u8>; 2],
    /// Messages that were taken out of a wrapping, or put together.
    messages: Vec<u8>,
}

/// A run of bytes of one kind and direction, or something that is only counted. Two of them lie in a line
/// of the cache.
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
    start: u32,
    len: u32,
}

/// Where the bytes of an entry are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In what its side sent.
    Received,
    Apart,
    /// There are none: so many, as far as is known, were not captured, or it needs none.
    Nowhere,
}

const _: () = assert!(size_of::<Entry>() == 32);

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
    /// Bytes of handshake messages that are [missing](Entry::missing).
    Gap,
    /// A record header was found again after a loss: messages begin anew, or not at all.
    Resumed,
}

/// Largest transcript whose memory is used again: four times that of a usual handshake.
const RECYCLED_BYTES: usize = 32 << 10;

impl Entry {
    fn new(
        side: Side,
        kind: Kind,
        at: Timestamp,
        place: Place,
        (start, len): (usize, usize),
    ) -> Self {
        Self { side, kind, begun: at, ended: at, place, start: short(start), len: short(len) }
    }

    /// Bytes that were not captured; zero if it is not known how many.
    pub fn missing(&self) -> u32 {
        if self.place == Place::Nowhere { self.len } else { 0 }
    }

    /// Whether it holds bytes of a message.
    const fn is_message(&self) -> bool {
        matches!(self.kind, Kind::Handshake | Kind::Alert | Kind::SslV2 | Kind::Dtls | Kind::Quic)
    }
}

impl Aside {
    fn all(&mut self) -> impl Iterator<Item = &mut Vec<u8>> {
        self.preamble.iter_mut().chain([&mut self.messages])
    }

    fn held_bytes(&self) -> usize {
        let [low, high] = &self.preamble;
        low.capacity().saturating_add(high.capacity()).saturating_add(self.messages.capacity())
    }
}

impl Transcript {
    /// The entries in order of capture, with their bytes.
    pub fn entries(&self) -> impl Iterator<Item = (&Entry, &[u8])> {
        self.entries.iter().map(|entry| {
            let bytes = match entry.place {
                Place::Received => {
                    entry.side.of(&self.received).get(entry.start as usize, entry.len as usize)
                }
                Place::Apart => {
                    let end = entry.start.saturating_add(entry.len);
                    let aside = self.aside.as_deref();
                    aside.and_then(|aside| aside.messages.get(entry.start as usize..end as usize))
                }
                Place::Nowhere => None,
            };
            (entry, bytes.unwrap_or_default())
        })
    }

    /// Whether nothing of TLS was seen.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether there is a byte of a message in it, not only encrypted records and holes.
    pub const fn has_messages(&self) -> bool {
        self.has_messages
    }

    /// The cleartext before TLS, low end's then high end's: of a long one its beginning and its end.
    pub fn preamble(&self) -> &[Vec<u8>; 2] {
        static NONE: [Vec<u8>; 2] = [Vec::new(), Vec::new()];
        self.aside.as_deref().map_or(&NONE, |aside| &aside.preamble)
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

    /// Empty it, to be filled again with another handshake. Very much memory is given back.
    pub fn recycle(&mut self) {
        self.entries.clear();
        self.received.iter_mut().for_each(Received::clear);
        self.aside.iter_mut().flat_map(|aside| aside.all()).for_each(Vec::clear);
        self.size = 0;
        self.refused = false;
        self.opened = None;
        self.preamble_cut = false;
        self.has_messages = false;
        if self.held_bytes() > RECYCLED_BYTES {
            *self = Self::default();
        }
    }

    /// The same, and give back the memory of what streams brought.
    pub fn give_back(&mut self, spares: &mut Spares) {
        self.received.iter_mut().for_each(|received| received.give_back(spares));
        self.recycle();
    }

    /// Hold no more memory than what is in it needs.
    pub fn shrink(&mut self) {
        self.entries.shrink_to_fit();
        self.received.iter_mut().for_each(Received::shrink);
        self.aside.iter_mut().flat_map(|aside| aside.all()).for_each(Vec::shrink_to_fit);
    }

    /// Bytes of messages in it.
    pub const fn size(&self) -> usize {
        self.size
    }

    /// Heap bytes that it holds.
    pub fn held_bytes(&self) -> usize {
        let received: usize = self.received.iter().map(Received::held_bytes).sum();
        received
            .saturating_add(self.entries.capacity().saturating_mul(size_of::<Entry>()))
            .saturating_add(self.aside.as_deref().map_or(0, Aside::held_bytes))
    }

    /// Ask for the memory where the next bytes of an end will lie, so many of them.
    pub fn prefetch_end(&self, side: Side, size: usize) {
        let next = self.entries.len();
        prefetch_at(&self.entries, next.saturating_sub(1));
        prefetch_at(&self.entries, next);
        side.of(&self.received).prefetch_end(size);
    }

    /// Ask for all that is in it.
    pub fn prefetch(&self) {
        prefetch_all(&self.entries);
        self.received.iter().for_each(Received::prefetch);
    }

    /// Take what comes next in a stream, whatever it is. Returns where it lies until more comes.
    pub fn receive(
        &mut self,
        side: Side,
        bytes: &[u8],
        limits: &Limits,
        spares: &mut Spares,
    ) -> usize {
        side.of_mut(&mut self.received).take(bytes, limits.overlap_bytes, spares)
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
                let adjoins = last.start.saturating_add(last.len) == short(start);
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
            last.len = last.len.saturating_add(short(len));
            last.ended = at;
        } else {
            let entry = Entry::new(side, kind, at, Place::Received, (start, len));
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
        let start = self.aside.as_deref().map_or(0, |aside| aside.messages.len());
        let len = bytes.len();
        if let Some(last) = self.entries.last_mut()
            && (last.side, last.kind, last.place) == (side, kind, Place::Apart)
            && matches!(kind, Kind::Handshake | Kind::Alert)
        {
            last.len = last.len.saturating_add(short(len));
            last.ended = at;
        } else if !self.push(Entry::new(side, kind, at, Place::Apart, (start, len)), limits) {
            return;
        }
        self.aside.get_or_insert_default().messages.extend_from_slice(bytes);
        self.size = self.size.saturating_add(len);
    }

    /// Note something that has no bytes of its own.
    pub fn note(&mut self, side: Side, kind: Kind, at: Timestamp, limits: &Limits) {
        self.push(Entry::new(side, kind, at, Place::Nowhere, (0, 0)), limits);
    }

    /// Note that so many bytes of messages are missing; zero if it is not known how many.
    pub fn lose(&mut self, side: Side, missing: u32, at: Timestamp, limits: &Limits) {
        let missing = missing as usize;
        self.push(Entry::new(side, Kind::Gap, at, Place::Nowhere, (0, missing)), limits);
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
        let kept = side.of_mut(&mut self.aside.get_or_insert_default().preamble);
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
        self.aside.get_or_insert_default().preamble = preamble;
    }

    /// What an end sent so far does not matter for what follows.
    pub fn restart_preamble(&mut self, side: Side) {
        self.aside.iter_mut().for_each(|aside| side.of_mut(&mut aside.preamble).clear());
    }

    /// What an end sent so far, none of it TLS, comes again.
    pub fn restart(&mut self, side: Side) {
        self.restart_preamble(side);
        side.of_mut(&mut self.received).clear();
    }

    fn refuse(&mut self, side: Side, at: Timestamp, size: usize, limits: &Limits) {
        self.refused = true;
        let size = short(size);
        match self.entries.last_mut() {
            Some(last) if last.side == side && last.kind == Kind::Gap => {
                last.len = last.len.saturating_add(size);
            }
            _ => self.lose(side, size, at, limits),
        }
    }

    fn push(&mut self, entry: Entry, limits: &Limits) -> bool {
        if self.entries.len() >= limits.transcript_records {
            self.refused = true;
            return false;
        }
        self.has_messages |= entry.is_message();
        self.entries.push(entry);
        true
    }
}
