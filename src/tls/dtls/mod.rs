//! DTLS 1.0, 1.2 and 1.3: handshake messages out of datagrams.
//!
//! In go the datagrams that the capture thread kept in a [`Transcript`], out come the [`Event`]s
//! that TLS over a stream would give. Fragments are put together by the number of their message,
//! in any order, each byte once (RFC 6347 §4.2.2); fragments that contradict each other are told. The messages of one direction come out in the
//! order of their numbers, each as soon in the course of the capture as it was whole. What else an
//! end sends keeps its order too, by the numbers of its records: a capture may not. A
//! HelloVerifyRequest is a message of its own; which version it names is no choice (§4.2.1).

pub(crate) mod record;
pub(crate) mod watch;

use std::collections::BTreeMap;

use self::record::{Fragment, Record, content, next_fragment, next_record};
use super::codepoint::HandshakeType;
use super::message::{Event, What};
use super::pieces::Pieces;
use super::transcript::{Entry, Kind, Transcript};
use crate::bytes::Reader;
use crate::clock::Timestamp;
use crate::flow::Side;
use crate::limits::Limits;

/// The events of a transcript of DTLS.
pub fn events<'a>(transcript: &'a Transcript, limits: &Limits) -> Vec<Event<'a>> {
    let mut reading = Reading {
        limits,
        place: 0,
        placed: Vec::new(),
        tracks: [Track::default(), Track::default()],
    };
    for (entry, bytes) in transcript.entries() {
        reading.place = reading.place.saturating_add(1);
        let (rank, what) = match entry.kind {
            Kind::Dtls => {
                reading.datagram(entry, bytes);
                continue;
            }
            Kind::Encrypted { content_type, size } => {
                (Rank::of_encrypted(content_type), What::Encrypted { content_type, size })
            }
            Kind::Gap => (Rank::Encrypted, What::Lost),
            _ => continue,
        };
        reading.add(entry, rank, what);
    }
    reading.finish()
}

struct Reading<'a, 'l> {
    limits: &'l Limits,
    /// Number of the record that is being read, in order of capture.
    place: usize,
    placed: Vec<Placed<'a>>,
    tracks: [Track<'a>; 2],
}

/// An event, and when it came.
#[derive(Clone)]
struct Placed<'a> {
    /// Number of the record, in order of capture.
    place: usize,
    rank: Rank,
    event: Event<'a>,
}

/// When an end sent a record, as its header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// In the clear, with this sequence number.
    Clear(u64),
    /// A ChangeCipherSpec: behind all that is in the clear. Its number may be smaller than that of a
    /// message before it, if that was lost and sent again.
    Change,
    /// Encrypted, of the handshake: what DTLS ≤ 1.2 encrypts first is its Finished.
    Finished,
    /// Encrypted otherwise: behind all that is in the clear, and in order of capture.
    Encrypted,
}

impl Rank {
    const fn of_encrypted(content_type: u8) -> Self {
        if content_type == content::HANDSHAKE { Self::Finished } else { Self::Encrypted }
    }
}

/// One direction.
#[derive(Default)]
struct Track<'a> {
    messages: BTreeMap<MessageId, Message<'a>>,
    /// More messages than the bounds allow.
    refused: bool,
    /// Sequence numbers of alerts that were seen.
    alerts: Vec<u64>,
    /// A ChangeCipherSpec was seen; it is sent again with its flight.
    changed_cipher: bool,
}

impl Track<'_> {
    /// Whether there is a HelloVerifyRequest.
    fn asked_for_cookie(&self) -> bool {
        self.messages.values().any(|message| message.kind == HandshakeType::HELLO_VERIFY_REQUEST)
    }
}

/// Number of a message, and its rank among those with the same number: a HelloVerifyRequest and
/// the ServerHello after it may both have number 0 (RFC 4347 says nothing else).
type MessageId = (u16, u16);

struct Message<'a> {
    kind: HandshakeType,
    length: usize,
    pieces: Pieces<'a>,
    begun: Timestamp,
    ended: Timestamp,
    /// Where it was whole, or its last part was seen.
    place: usize,
    /// The largest number of its records.
    rank: Rank,
    whole: bool,
    /// Fragments give it different lengths.
    torn: bool,
}

/// Alerts of one direction that are told from their copies.
const NOTED_ALERTS: usize = 32;

impl<'a> Reading<'a, '_> {
    fn datagram(&mut self, entry: &Entry, bytes: &'a [u8]) {
        let mut reader = Reader::new(bytes);
        // The capture may have cut the last record; what cannot be a record ends the walk anyway.
        while let Some(record) = next_record(&mut reader, u32::from(u16::MAX)) {
            self.place = self.place.saturating_add(1);
            self.record(entry, record);
        }
    }

    fn record(&mut self, entry: &Entry, record: Record<'a>) {
        if record.is_encrypted() {
            if let Some((content_type, size)) = counts_as(&record) {
                let rank = Rank::of_encrypted(content_type);
                self.add(entry, rank, What::Encrypted { content_type, size });
            }
            return;
        }
        let rank = Rank::Clear(record.sequence);
        match (record.content_type, record.body) {
            (content::HANDSHAKE, body) => {
                let mut reader = Reader::new(body);
                while let Some(fragment) = next_fragment(&mut reader) {
                    self.fragment(entry, rank, fragment);
                }
            }
            (content::ALERT, &[level, description]) if self.is_first(entry.side, &record) => {
                self.add(entry, rank, What::Alert { level, description });
            }
            // OpenSSL's DTLS before the standard has two more bytes in it.
            (content::CHANGE_CIPHER_SPEC, [1] | [1, _, _]) => {
                let changed = &mut entry.side.of_mut(&mut self.tracks).changed_cipher;
                if !std::mem::replace(changed, true) {
                    self.add(entry, Rank::Change, What::ChangeCipherSpec);
                }
            }
            _ => {}
        }
    }

    /// Whether an alert is no copy of an earlier one, as a mirror port may make them.
    fn is_first(&mut self, side: Side, record: &Record<'_>) -> bool {
        let seen = &mut side.of_mut(&mut self.tracks).alerts;
        let first = !seen.contains(&record.sequence);
        if first && seen.len() < NOTED_ALERTS {
            seen.push(record.sequence);
        }
        first
    }

    fn fragment(&mut self, entry: &Entry, sent: Rank, fragment: Fragment<'a>) {
        let kind = HandshakeType(fragment.kind);
        // RFC 4347 does not say that the hello with the cookie has number 1: it may be the first
        // anew.
        let anew = kind == HandshakeType::CLIENT_HELLO
            && fragment.message_seq == 0
            && entry.side.other().of(&self.tracks).asked_for_cookie();
        let track = entry.side.of_mut(&mut self.tracks);
        let verify = kind == HandshakeType::HELLO_VERIFY_REQUEST;
        let rank = if verify { 0 } else { u16::from(fragment.kind).saturating_add(1) };
        let id = (fragment.message_seq, rank);
        if !track.messages.contains_key(&id)
            && track.messages.len() >= self.limits.datagram_messages
        {
            track.refused = true;
            return;
        }
        let end = fragment.length.min(self.limits.message_bytes);
        let message = track.messages.entry(id).or_insert_with(|| Message {
            kind,
            length: fragment.length,
            pieces: Pieces::new(end, self.limits.pieces),
            begun: entry.begun,
            ended: entry.ended,
            place: self.place,
            rank: sent,
            whole: false,
            torn: false,
        });
        // Sent again, or a contradiction: the first counts.
        if message.length != fragment.length {
            message.torn |= !anew;
            return;
        }
        if message.whole {
            message.pieces.compare(fragment.offset, fragment.bytes);
            return;
        }
        message.pieces.insert(fragment.offset, fragment.bytes);
        message.ended = entry.ended;
        message.place = self.place;
        message.rank = message.rank.max(sent);
        message.whole = message.pieces.prefix() >= message.length;
    }

    fn add(&mut self, entry: &Entry, rank: Rank, what: What<'a>) {
        let event = Event { side: entry.side, begun: entry.begun, ended: entry.ended, what };
        self.placed.push(Placed { place: self.place, rank, event });
    }

    /// Each direction in the order in which it was sent, then all in order of capture.
    fn finish(mut self) -> Vec<Event<'a>> {
        for (track, side) in self.tracks.into_iter().zip([Side::Low, Side::High]) {
            let mut place = 0;
            let mut rank = Rank::Clear(0);
            let mut expected: Option<u16> = None;
            for ((number, _), message) in track.messages {
                place = message.place.max(place);
                rank = message.rank.max(rank);
                let mut add = |what| {
                    let event = Event { side, begun: message.begun, ended: message.ended, what };
                    self.placed.push(Placed { place, rank, event });
                };
                let Message { kind, length, .. } = message;
                // Before a hello nothing need be missing: the number of the first depends on how
                // the sender counts a HelloVerifyRequest.
                let is_hello = matches!(
                    kind,
                    HandshakeType::CLIENT_HELLO
                        | HandshakeType::SERVER_HELLO
                        | HandshakeType::HELLO_VERIFY_REQUEST
                );
                if expected.map_or(number > 0, |expected| number > expected) && !is_hello {
                    add(What::Lost);
                }
                expected = number.checked_add(1);
                let body = message.pieces.read(0, length);
                add(What::Message { kind, body, whole: message.whole });
                if !message.whole {
                    add(What::Lost);
                }
                if message.torn || message.pieces.is_contradicted() {
                    add(What::Contradicted);
                }
            }
            if track.refused
                && let Some(last) = self.placed.iter().rfind(|placed| placed.event.side == side)
            {
                let event = Event { what: What::Lost, ..last.event.clone() };
                self.placed.push(Placed { place: self.place, rank: Rank::Encrypted, event });
            }
        }
        // Nothing of an end comes before what it sent earlier.
        self.placed.sort_by_key(|placed| (placed.rank, placed.place));
        let mut latest = [0; 2];
        for placed in &mut self.placed {
            let latest = placed.event.side.of_mut(&mut latest);
            placed.place = placed.place.max(*latest);
            *latest = placed.place;
        }
        self.placed.sort_by_key(|placed| placed.place);
        self.placed.into_iter().map(|placed| placed.event).collect()
    }
}

/// How an encrypted record counts as evidence: its content type and size. `None` for early data
/// of DTLS 1.3 (epoch 1, RFC 9147 §6.1), which says nothing of how the handshake went.
pub(crate) const fn counts_as(record: &Record<'_>) -> Option<(u8, u16)> {
    match (record.content_type, record.epoch) {
        (_, 1) if record.unified => None,
        // The type of a record with a connection id is encrypted with it; what DTLS ≤ 1.2 encrypts
        // first is its Finished (RFC 9146 §3).
        (content::TLS12_CID, _) if record.sequence == 0 => Some((content::HANDSHAKE, record.size)),
        (content::TLS12_CID, _) => Some((content::APPLICATION_DATA, record.size)),
        (kind, _) => Some((kind, record.size)),
    }
}

#[cfg(test)]
mod tests;
