//! [`Conversation`]: finds TLS in the two byte streams of a flow and keeps its handshake.
//!
//! This is the capture thread's half: it knows records, not messages. Of each direction it looks
//! for the first record, walks from header to header, copies what is in the clear into the
//! [`Transcript`], counts what is encrypted, and says when nothing more is to be learnt.
//!
//! ```text
//!   packets of TDS or OpenVPN ──Framing──╮
//!                                        ▼
//!   Search ──first record──▶ Records ◀──header found── Lost
//!     │                        │  ╰──hole across a header──▲
//!     ╰──too much cleartext──▶ Ignored ◀───────────────────╯
//! ```
//!
//! TLS is found by its own bytes, in whatever protocol it starts. How much cleartext is searched
//! for it depends on what that cleartext looks like: downloads and
//! terminals are given up after a few packets, mail sessions and proxies are not.

mod classify;
mod consumer;
mod doubt;
mod part;
mod record;
#[cfg(test)]
mod tests;
mod track;

use classify::{Context, Found, Within, classify, hello_within, record_within};
use part::Part;
use record::{ALERT, APPLICATION_DATA, Body, CHANGE_CIPHER_SPEC, HANDSHAKE, Past, Record};
use track::{State, Track};

use super::sslv2;
use super::starttls::framing::Piece;
use super::starttls::patience::{self, Patience};
use super::transcript::{Kind, Transcript};
use crate::clock::Timestamp;
use crate::flow::table::FlowTable;
use crate::flow::{Control, Side};
use crate::limits::Limits;

/// The capture thread's view of one TLS connection over TCP.
#[derive(Debug, Default)]
pub struct Conversation {
    tracks: [Track; 2],
    transcript: Transcript,
}

/// Many are watched at once: all that a packet touches of one fits into ten lines of the cache.
const _: () = assert!(FlowTable::<Conversation>::FLOW_BYTES <= 640);

/// How far into a direction a hello is looked for in the middle of a segment.
const DEEP_SEARCH: usize = 4096;

/// Encrypted records of each direction that are noted one by one.
const NOTED_RECORDS: u32 = 12;

/// Encrypted records of one direction after which the other one is no longer waited for.
const ONE_SIDED_RECORDS: u32 = 256;

/// Bytes behind a hello that may be early data: most servers take 16 KiB, in records as small as the client
/// likes. The answer comes behind them.
const EARLY_BYTES: u32 = 64 << 10;

impl Conversation {
    /// What was seen of the handshake.
    pub fn into_transcript(self) -> Transcript {
        self.transcript
    }

    /// What was seen of the handshake.
    pub const fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    /// Take what was seen of the handshake, and leave this transcript, which is empty.
    pub const fn swap_transcript(&mut self, transcript: &mut Transcript) {
        std::mem::swap(&mut self.transcript, transcript);
    }

    /// TLS was there, but nothing of its handshake.
    pub fn is_encrypted_only(&self) -> bool {
        !self.transcript.is_empty() && !self.transcript.has_messages()
    }

    fn data(&mut self, side: Side, at: Timestamp, part: Part<'_>, limits: &Limits) {
        let mut rest = part.bytes;
        loop {
            let track = side.of_mut(&mut self.tracks);
            let Some(framing) = &mut track.framing else {
                self.bare(side, at, part.from(rest), limits);
                return;
            };
            match framing.next(&mut rest) {
                Piece::Header(bytes) => {
                    if matches!(track.state, State::Search) {
                        self.transcript.keep_preamble(side, bytes, limits);
                    }
                }
                Piece::Payload(bytes) => self.bare(side, at, part.before(rest, bytes), limits),
                Piece::End => return,
                Piece::Bare => track.framing = None,
                Piece::Broken => {
                    track.state = State::Ignored;
                    track.framing = None;
                }
            }
        }
    }

    /// Bytes of TLS, or of the cleartext before it, out of whatever they were wrapped in.
    fn bare(&mut self, side: Side, at: Timestamp, part: Part<'_>, limits: &Limits) {
        match &side.of(&self.tracks).state {
            State::Search | State::Lost => self.search(side, at, part, limits),
            State::Records(_) => self.records(side, at, part, limits),
            State::SslV2(_) => self.sslv2(side, at, part.bytes, limits),
            State::Ignored => {}
        }
    }

    /// Look for the first record, at the beginning of what a segment brought and within it.
    fn search(&mut self, side: Side, at: Timestamp, part: Part<'_>, limits: &Limits) {
        let context = self.context(side);
        let track = side.of_mut(&mut self.tracks);
        let waited = std::mem::take(&mut track.doubt);
        let joined;
        let now = part;
        let part = if waited.is_empty() {
            now
        } else {
            joined = waited.joined(now.bytes);
            Part { bytes: &joined, place: None }
        };
        let bytes = part.bytes;
        match classify(bytes, context) {
            Found::Tls => {
                self.transcript.open(waited.came(0, at));
                return self.enter(side, at, part, limits);
            }
            Found::SslV2 => {
                self.transcript.open(waited.came(0, at));
                track.state = State::SslV2(Box::default());
                return self.sslv2(side, at, bytes, limits);
            }
            Found::Framed(framing) if track.framing.is_none() => {
                track.framing = Some(Box::new(framing));
                return self.data(side, at, part, limits);
            }
            Found::TooShort => {
                track.doubt = waited.keep(bytes, 0, at);
                return;
            }
            Found::Framed(_) | Found::Nothing => {}
        }
        let expected = if context == Context::Expected { record_within(bytes) } else { None };
        let found = expected.map_or_else(|| hello_within(bytes, DEEP_SEARCH), Within::Hello);
        let (Within::Hello(start) | Within::Perhaps(start)) = found else {
            if waited.is_empty() {
                return self.cleartext(side, bytes, limits);
            }
            // Those that waited begin nothing; the others may.
            self.cleartext(side, waited.bytes(), limits);
            return self.bare(side, at, now, limits);
        };
        let (clear, rest) = bytes.split_at(start.min(bytes.len()));
        self.cleartext(side, clear, limits);
        if matches!(found, Within::Hello(_)) {
            self.transcript.open(waited.came(start, at));
            self.enter(side, at, part.from(rest), limits);
        } else {
            side.of_mut(&mut self.tracks).doubt = waited.keep(bytes, start, at);
        }
    }

    /// What is known of a direction in which TLS is looked for.
    fn context(&self, side: Side) -> Context {
        let track = side.of(&self.tracks);
        let lost = track.torn || matches!(track.state, State::Lost);
        if lost || side.other().of(&self.tracks).spoke {
            Context::Expected
        } else if track.searched == 0 {
            Context::Beginning
        } else {
            Context::Cleartext
        }
    }

    /// TLS begins here, or goes on.
    fn enter(&mut self, side: Side, at: Timestamp, part: Part<'_>, limits: &Limits) {
        let track = side.of_mut(&mut self.tracks);
        if track.torn || matches!(track.state, State::Lost) {
            // What is missing may hold a ChangeCipherSpec.
            if track.past == Past::Clear {
                track.past = Past::Torn;
            }
            self.transcript.note(side, Kind::Resumed, at, limits);
        }
        track.torn = false;
        track.state = State::Records(Record::default());
        self.records(side, at, part, limits);
    }

    /// There was no TLS in these bytes: keep them to name the protocol, and have patience or not.
    fn cleartext(&mut self, side: Side, bytes: &[u8], limits: &Limits) {
        let track = side.of_mut(&mut self.tracks);
        let size = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        track.searched = track.searched.saturating_add(size);
        let searched = usize::try_from(track.searched).unwrap_or(usize::MAX);
        if matches!(track.state, State::Lost) {
            if searched > limits.search_bytes {
                track.state = State::Ignored;
            }
            return;
        }
        if patience::begins_tunnel(bytes) {
            self.transcript.restart_preamble(side);
        }
        self.transcript.keep_preamble(side, bytes, limits);
        if searched > limits.search_bytes_unknown {
            let patience = self.transcript.preamble().iter().map(|text| Patience::of(text)).max();
            let bound = match patience.unwrap_or(Patience::Unknown) {
                Patience::Unknown => limits.search_bytes_unknown,
                Patience::Known => limits.search_bytes,
                Patience::Proxy => limits.search_bytes_proxied,
            };
            if searched > bound {
                side.of_mut(&mut self.tracks).state = State::Ignored;
            }
        }
    }

    /// Walk over records.
    fn records(&mut self, side: Side, at: Timestamp, part: Part<'_>, limits: &Limits) {
        let mut bytes = part.bytes;
        let mut ended = false;
        while !bytes.is_empty() {
            let other_spoke = side.other().of(&self.tracks).spoke;
            let track = side.of_mut(&mut self.tracks);
            let State::Records(record) = &mut track.state else { return };
            if record.left == 0 {
                if ended {
                    return;
                }
                let Some(rest) = record.fill_header(bytes) else { return };
                bytes = rest;
                if !record.is_sound() {
                    track.lose();
                    self.transcript.lose(side, 0, at, limits);
                    return;
                }
                record.begin_body(&mut track.past, track.unfinished);
                let (content_type, size) = (record.content_type(), record.left);
                match content_type {
                    CHANGE_CIPHER_SPEC => {
                        // Before the answer only who announces early data does so (RFC 8446 §D.4); all of
                        // that may cross the answer.
                        if !other_spoke {
                            track.count_early(size);
                        }
                        self.transcript.note(side, Kind::ChangeCipherSpec, at, limits);
                    }
                    HANDSHAKE if track.holed && record.body == Body::Handshake => {
                        track.holed = false;
                        self.transcript.note(side, Kind::Resumed, at, limits);
                    }
                    APPLICATION_DATA | ALERT if record.body == Body::Skipped => {
                        let is_data = content_type == APPLICATION_DATA;
                        // Client data before the server's answer is early data (RFC 8446 §2.3), and some of
                        // it may cross the answer.
                        if other_spoke {
                            track.count_encrypted(is_data && track.may_be_finished(size));
                        } else {
                            track.count_encrypted(false);
                            track.count_early(size);
                        }
                        self.note_encrypted(side, content_type, size, at, limits);
                        // Where the flow is let go must not depend on how records lie in segments.
                        ended = self.control() == Control::Shunt;
                    }
                    _ => {}
                }
                continue;
            }
            let (body, rest) = bytes.split_at(usize::from(record.left).min(bytes.len()));
            bytes = rest;
            let here = part.before(rest, body);
            let whole = record.left;
            record.pass(body.len());
            match &mut record.body {
                Body::Skipped => {}
                Body::Handshake => {
                    let track = self.speak(side);
                    if track.past == Past::Changed {
                        track.unfinished.take(body);
                    }
                    self.keep(side, Kind::Handshake, at, here, limits);
                }
                Body::Alert => self.keep(side, Kind::Alert, at, here, limits),
                Body::Probe(probe) => {
                    let (early, now) = probe.filled(body);
                    if !now.is_whole() && record.left > 0 {
                        continue;
                    }
                    let is_whole = early.there().is_empty() && !track.holed;
                    let size = if is_whole { whole } else { record.size() };
                    if record::is_clear(track.past, now.bytes, size) {
                        record.body = Body::Handshake;
                        let track = self.speak(side);
                        if track.past == Past::Torn {
                            track.past = Past::Clear;
                        }
                        // What was probed in earlier segments is no longer in this slice.
                        let head = early.there();
                        if track.past == Past::Changed {
                            track.unfinished.take(head);
                            track.unfinished.take(body);
                        }
                        if std::mem::take(&mut track.holed) {
                            self.transcript.note(side, Kind::Resumed, at, limits);
                        }
                        if !head.is_empty() {
                            self.transcript.append(side, Kind::Handshake, at, head, limits);
                        }
                        self.keep(side, Kind::Handshake, at, here, limits);
                    } else {
                        record.body = Body::Skipped;
                        track.past = Past::Changed;
                        track.count_encrypted(true);
                        self.note_encrypted(side, HANDSHAKE, size, at, limits);
                        ended = self.control() == Control::Shunt;
                    }
                }
            }
        }
    }

    /// An end says something in the clear: what it encrypted before was early data that a retry
    /// refused, and what the other one did before its first word was early data too (RFC 8446 §4.2.10).
    /// Of the handshake's own records as many are noted as ever.
    fn speak(&mut self, side: Side) -> &mut Track {
        let track = side.of_mut(&mut self.tracks);
        let begins = !std::mem::replace(&mut track.spoke, true);
        if track.encrypted > 0 || track.early > 0 {
            (track.encrypted, track.early, track.settled) = (0, 0, false);
        }
        if begins {
            side.other().of_mut(&mut self.tracks).encrypted = 0;
        }
        side.of_mut(&mut self.tracks)
    }

    /// Keep bytes of messages: where they lie, or a copy of them.
    fn keep(&mut self, side: Side, kind: Kind, at: Timestamp, part: Part<'_>, limits: &Limits) {
        let Part { bytes, place } = part;
        match place {
            Some(place) => self.transcript.keep(side, kind, at, (place, bytes), limits),
            None => self.transcript.append(side, kind, at, bytes, limits),
        }
    }

    /// Walk over records of SSL 2.0.
    fn sslv2(&mut self, side: Side, at: Timestamp, bytes: &[u8], limits: &Limits) {
        let track = side.of_mut(&mut self.tracks);
        let State::SslV2(deframer) = &mut track.state else { return };
        let mut rest = bytes;
        while !rest.is_empty() {
            match deframer.feed(&mut rest) {
                sslv2::Fed::More => return,
                sslv2::Fed::Message(message) => {
                    track.spoke = true;
                    self.transcript.append(side, Kind::SslV2, at, &message, limits);
                }
                sslv2::Fed::Encrypted(size) => {
                    track.count_encrypted(true);
                    self.note_encrypted(side, 0, size, at, limits);
                    return;
                }
                // The hello was SSL 2.0's in format only: from here on it is TLS.
                sslv2::Fed::Tls => {
                    track.state = State::Records(Record::default());
                    let rest = rest.to_vec();
                    self.records(side, at, Part { bytes: &rest, place: None }, limits);
                    return;
                }
                // Neither; what the other end answers to the hello is of interest all the same.
                sslv2::Fed::Malformed => {
                    track.lose();
                    return;
                }
            }
        }
    }

    fn note_encrypted(
        &mut self,
        side: Side,
        content_type: u8,
        size: u16,
        at: Timestamp,
        limits: &Limits,
    ) {
        let track = side.of(&self.tracks);
        if track.encrypted <= NOTED_RECORDS {
            self.transcript.note(side, Kind::Encrypted { content_type, size }, at, limits);
        }
    }

    /// A hole in one direction.
    fn gap(&mut self, side: Side, at: Timestamp, missing: u64, limits: &Limits) {
        let track = side.of_mut(&mut self.tracks);
        let missing = track.framing.as_mut().map_or(missing, |framing| framing.gap(missing));
        let doubt = std::mem::take(&mut track.doubt);
        // Nothing will show any more whether this was a hello.
        if let [HANDSHAKE, 3, 0..=4, _, _, 1 | 2, ..] = doubt.bytes() {
            self.transcript.open(doubt.came(0, at));
            self.enter(side, at, Part { bytes: doubt.bytes(), place: None }, limits);
        }
        let track = side.of_mut(&mut self.tracks);
        match &mut track.state {
            State::Search => {
                track.torn = true;
                // What lies around a hole makes no words.
                if track.searched > 0 {
                    self.transcript.keep_preamble(side, b"\n", limits);
                }
            }
            State::Records(record) => {
                let inside = u16::try_from(missing).ok();
                let inside = inside.filter(|missing| (1..=record.left).contains(missing));
                let Some(missing) = inside else {
                    track.lose();
                    return self.transcript.lose(side, 0, at, limits);
                };
                record.pass(usize::from(missing));
                if record.body != Body::Skipped {
                    track.holed = true;
                    self.transcript.lose(side, missing.into(), at, limits);
                }
            }
            State::SslV2(_) => {
                track.lose();
                self.transcript.lose(side, 0, at, limits);
            }
            State::Lost | State::Ignored => {}
        }
    }

    /// Whether anything can still be learnt.
    fn control(&self) -> Control {
        let [low, high] = &self.tracks;
        let done = low.settled && high.settled;
        let ignored = |track: &Track, other: &Track| {
            matches!(track.state, State::Ignored)
                && if track.spoke || other.is_tls() {
                    other.encrypted > NOTED_RECORDS || matches!(other.state, State::Ignored)
                } else {
                    true
                }
        };
        let early = |track: &Track, other: &Track| {
            track.spoke && !other.spoke && track.early <= EARLY_BYTES
        };
        let one_sided = |track: &Track, other: &Track| {
            track.encrypted > ONE_SIDED_RECORDS && !other.settled && !early(track, other)
        };
        // Encrypted records from both ends and nothing else: the handshake is long over.
        let joined_late = low.encrypted > 1 && high.encrypted > 1 && !low.spoke && !high.spoke;
        if done
            || joined_late
            || ignored(low, high)
            || ignored(high, low)
            || one_sided(low, high)
            || one_sided(high, low)
        {
            Control::Shunt
        } else {
            Control::Continue
        }
    }
}
