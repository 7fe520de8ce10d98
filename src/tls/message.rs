//! Handshake messages out of a [`Transcript`]: put together over records, segments and holes.
//!
//! In go the runs of bytes that the capture thread kept, out come [`Event`]s in order of capture.
//! A message that was begun and not wholly seen comes out as what there is of it.

use std::borrow::Cow;
use std::cmp::Reverse;

use super::codepoint::HandshakeType;
use super::transcript::{Entry, Kind, Transcript};
use crate::bytes::Reader;
use crate::clock::Timestamp;
use crate::flow::Side;
use crate::limits::Limits;

/// Something that one end sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// Who sent it.
    pub side: Side,
    /// When its first byte was seen.
    pub begun: Timestamp,
    /// When its last byte was seen.
    pub ended: Timestamp,
    /// What it is.
    pub what: What<'a>,
}

/// What an [`Event`] is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What<'a> {
    /// A handshake message.
    Message {
        /// Its type.
        kind: HandshakeType,
        /// Its body, as far as it was seen.
        body: Cow<'a, [u8]>,
        /// Whether all of it was seen.
        whole: bool,
    },
    /// A message of SSL 2.0, with its type byte.
    SslV2(&'a [u8]),
    /// An alert in the clear.
    Alert {
        /// 1 warning, 2 fatal.
        level: u8,
        /// The description's number.
        description: u8,
    },
    /// A ChangeCipherSpec.
    ChangeCipherSpec,
    /// An encrypted record.
    Encrypted {
        /// The content type that it shows.
        content_type: u8,
        /// Length of its body.
        size: u16,
    },
    /// Handshake bytes were lost.
    Lost,
    /// Pieces of what it sent give the same place different bytes, or different ends.
    Contradicted,
}

/// The events of a transcript of TLS over a stream.
pub fn events<'a>(transcript: &'a Transcript, limits: &Limits) -> Vec<Event<'a>> {
    let mut events = Vec::with_capacity(20);
    let mut messages = [Messages::default(), Messages::default()];
    for (number, (entry, bytes)) in transcript.entries().enumerate() {
        let of_side = entry.side.of_mut(&mut messages);
        let event = |what| Event { side: entry.side, begun: entry.begun, ended: entry.ended, what };
        match entry.kind {
            Kind::Handshake => {
                of_side.push(entry, bytes, limits, &mut events);
                of_side.place = (events.len(), number);
            }
            Kind::Alert => {
                // RFC 5246 §6.2.1: one may be spread over records, as over segments.
                let mut reader = Reader::new(bytes);
                if let Some(level) = of_side.alert.take() {
                    match reader.u8() {
                        Some(description) => events.push(event(What::Alert { level, description })),
                        None => of_side.alert = Some(level),
                    }
                }
                let (pairs, begun) = reader.rest().as_chunks::<2>();
                of_side.alert = of_side.alert.or_else(|| begun.first().copied());
                // Of more than are kept only one that ends the handshake still matters.
                let kept = limits.alerts.saturating_add(1);
                let (first, others) = pairs.split_at(kept.min(pairs.len()));
                let ends = others.iter().find(|[level, _]| *level != 1);
                let alerts = first.iter().chain(ends);
                events.extend(
                    alerts.map(|&[level, description]| event(What::Alert { level, description })),
                );
            }
            Kind::ChangeCipherSpec => events.push(event(What::ChangeCipherSpec)),
            Kind::Encrypted { content_type, size } => {
                events.push(event(What::Encrypted { content_type, size }));
            }
            Kind::SslV2 => events.push(event(What::SslV2(bytes))),
            Kind::Gap => {
                of_side.gap(entry, limits, &mut events);
                events.push(event(What::Lost));
            }
            Kind::Resumed => of_side.resume(),
            Kind::Dtls | Kind::Quic => {}
        }
    }
    // What was never completed stands where its last byte was seen, in order of capture: its times may
    // go back. From behind, so that the places before hold.
    let [low, high] = messages;
    let mut rests = [(Side::Low, low), (Side::High, high)];
    rests.sort_by_key(|(_, rest)| Reverse(rest.place));
    for (side, mut rest) in rests {
        let (place, _) = rest.place;
        if let Some(event) = rest.take(side) {
            events.insert(place.min(events.len()), event);
        }
    }
    events
}

/// The handshake bytes of one direction that are not yet a whole message.
#[derive(Debug, Default)]
struct Messages {
    buffer: Vec<u8>,
    begun: Timestamp,
    ended: Timestamp,
    /// Events and entries before the end of what is in the buffer.
    place: (usize, usize),
    /// The level of an alert whose description is still to come.
    alert: Option<u8>,
    /// Bytes of a message with a hole in it that are still to come, and of no use.
    skip: usize,
    /// Where the next message begins is not known.
    torn: bool,
    /// A record's beginning was found after a loss: messages may begin here again.
    resumed: bool,
}

/// Type and length of a message.
const HEADER: usize = 4;

impl Messages {
    fn push<'a>(
        &mut self,
        entry: &Entry,
        bytes: &'a [u8],
        limits: &Limits,
        events: &mut Vec<Event<'a>>,
    ) {
        let mut reader = Reader::new(bytes);
        self.skip = self.skip.saturating_sub(reader.take_up_to(self.skip).len());
        if self.torn || reader.is_empty() {
            return;
        }
        if std::mem::take(&mut self.resumed) && !plausible(reader.peek(), limits) {
            self.torn = true;
            return;
        }
        // In the usual case messages lie whole in the run and are handed on as they lie there.
        if self.buffer.is_empty() {
            self.begun = entry.begun;
            while let Some((kind, body)) = message(&mut reader) {
                events.push(whole(entry.side, entry.begun, entry.ended, kind, Cow::Borrowed(body)));
            }
        }
        self.ended = entry.ended;
        self.buffer.extend_from_slice(reader.rest());
        let mut reader = Reader::new(&self.buffer);
        let mut found = false;
        while let Some((kind, body)) = message(&mut reader) {
            let body = Cow::Owned(body.to_vec());
            events.push(whole(entry.side, self.begun, entry.ended, kind, body));
            self.begun = entry.ended;
            found = true;
        }
        if found {
            let rest = reader.remaining();
            self.buffer.drain(..self.buffer.len().saturating_sub(rest));
        }
        // Of one that is too long as much is kept as one may have, however it came.
        let most = limits.message_bytes.saturating_add(HEADER);
        if self.is_too_long(limits) && self.buffer.len() >= most {
            self.buffer.truncate(most);
            self.flush(entry.side, events);
            self.torn = true;
        }
    }

    /// Whether the message in the buffer announces more than one may have.
    fn is_too_long(&self, limits: &Limits) -> bool {
        self.announced().is_some_and(|size| size > limits.message_bytes)
    }

    /// Length of the body that the message in the buffer announces.
    fn announced(&self) -> Option<usize> {
        let mut reader = Reader::new(&self.buffer);
        reader.skip(1)?;
        usize::try_from(reader.u24()?).ok()
    }

    fn gap(&mut self, entry: &Entry, limits: &Limits, events: &mut Vec<Event<'_>>) {
        let missing = usize::try_from(entry.missing()).unwrap_or(usize::MAX);
        let have = self.buffer.len();
        let needed = if self.skip > 0 {
            Some(self.skip)
        } else if self.is_too_long(limits) {
            None
        } else {
            self.announced().map(|size| size.saturating_add(HEADER).saturating_sub(have))
        };
        self.flush(entry.side, events);
        self.alert = None;
        match needed {
            Some(needed) if missing > 0 && missing <= needed => {
                self.skip = needed.saturating_sub(missing);
            }
            _ => {
                self.skip = 0;
                self.torn = true;
            }
        }
    }

    fn resume(&mut self) {
        if self.torn {
            self.torn = false;
            self.resumed = true;
        }
    }

    fn flush(&mut self, side: Side, events: &mut Vec<Event<'_>>) {
        events.extend(self.take(side));
    }

    /// What is there of a message that will not be whole.
    fn take(&mut self, side: Side) -> Option<Event<'static>> {
        let buffer = std::mem::take(&mut self.buffer);
        let [kind, _, _, _, body @ ..] = buffer.as_slice() else { return None };
        let (kind, body) = (HandshakeType(*kind), Cow::Owned(body.to_vec()));
        let what = What::Message { kind, body, whole: false };
        Some(Event { side, begun: self.begun, ended: self.ended, what })
    }
}

fn whole(
    side: Side,
    begun: Timestamp,
    ended: Timestamp,
    kind: HandshakeType,
    body: Cow<'_, [u8]>,
) -> Event<'_> {
    Event { side, begun, ended, what: What::Message { kind, body, whole: true } }
}

/// The next whole message; the reader stays before one that is not.
fn message<'a>(reader: &mut Reader<'a>) -> Option<(HandshakeType, &'a [u8])> {
    let mut ahead = *reader;
    let kind = HandshakeType(ahead.u8()?);
    let body = ahead.sub_u24()?.rest();
    *reader = ahead;
    Some((kind, body))
}

/// Whether a message may begin here.
fn plausible(bytes: &[u8], limits: &Limits) -> bool {
    let mut reader = Reader::new(bytes);
    let kind = reader.u8().map(HandshakeType);
    let size = reader.u24().and_then(|size| usize::try_from(size).ok());
    kind.is_some_and(|kind| kind.name().is_some())
        && size.is_some_and(|size| size <= limits.message_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::short;

    const AT: Timestamp = Timestamp::from_nanos(1);

    fn kinds(events: &[Event<'_>]) -> Vec<(u8, usize, bool)> {
        events
            .iter()
            .filter_map(|event| match &event.what {
                What::Message { kind, body, whole } => Some((kind.0, body.len(), *whole)),
                _ => None,
            })
            .collect()
    }

    fn transcript(parts: &[(Side, Kind, &[u8])]) -> Transcript {
        let mut transcript = Transcript::default();
        for (side, kind, bytes) in parts {
            let limits = Limits::default();
            match kind {
                Kind::Gap => transcript.lose(*side, short(bytes.len()), AT, &limits),
                _ => transcript.append(*side, *kind, AT, bytes, &limits),
            }
        }
        transcript
    }

    #[test]
    fn messages_span_runs_and_share_them() {
        let all = [2, 0, 0, 2, 7, 7, 11, 0, 0, 3, 1, 2, 3, 14, 0, 0, 0];
        for cut in 0..all.len() {
            let (left, right) = all.split_at(cut);
            let transcript = transcript(&[
                (Side::Low, Kind::Handshake, left),
                (Side::High, Kind::Handshake, &[16, 0, 0, 0]),
                (Side::Low, Kind::Handshake, right),
            ]);
            let mut found = kinds(&events(&transcript, &Limits::default()));
            found.retain(|(kind, ..)| *kind != 16);
            assert_eq!(found, [(2, 2, true), (11, 3, true), (14, 0, true)], "cut at {cut}");
        }
    }

    #[test]
    fn a_hole_inside_a_message_costs_that_message_only() {
        let transcript = transcript(&[
            (Side::Low, Kind::Handshake, &[11, 0, 0, 9, 1, 2, 3]),
            (Side::Low, Kind::Gap, &[0; 4]),
            (Side::Low, Kind::Handshake, &[8, 9, 14, 0, 0, 0]),
        ]);
        let found = events(&transcript, &Limits::default());
        assert_eq!(kinds(&found), [(11, 3, false), (14, 0, true)]);
    }

    #[test]
    fn after_a_hole_of_unknown_length_a_new_record_is_waited_for() {
        let transcript = transcript(&[
            (Side::Low, Kind::Handshake, &[11, 0, 0, 9, 1, 2, 3]),
            (Side::Low, Kind::Gap, &[]),
            (Side::Low, Kind::Handshake, &[14, 0, 0, 0]),
            (Side::Low, Kind::Resumed, &[]),
            (Side::Low, Kind::Handshake, &[14, 0, 0, 0]),
        ]);
        let found = events(&transcript, &Limits::default());
        assert_eq!(kinds(&found), [(11, 3, false), (14, 0, true)]);
    }

    #[test]
    fn what_is_cut_at_the_end_comes_out_as_far_as_it_goes() {
        let transcript = transcript(&[(Side::High, Kind::Handshake, &[1, 0, 2, 0, 3, 3])]);
        let found = events(&transcript, &Limits::default());
        assert_eq!(kinds(&found), [(1, 2, false)]);
    }

    #[test]
    fn what_is_cut_stands_where_its_end_was_captured_whatever_the_times_say() {
        let limits = Limits::default();
        let mut transcript = Transcript::default();
        let parts: [(Side, Kind, &[u8]); 4] = [
            (Side::High, Kind::Handshake, &[1, 0, 2, 0, 3, 3]),
            (Side::Low, Kind::Alert, &[2, 40]),
            (Side::Low, Kind::Handshake, &[0, 0, 0, 9]),
            (Side::High, Kind::Alert, &[1, 0]),
        ];
        for (second, (side, kind, bytes)) in (1..).zip(parts) {
            transcript.append(side, kind, Timestamp::new(9 - second, 0), bytes, &limits);
        }
        let seconds = |event: &Event<'_>| event.ended.as_secs();
        let found: Vec<u64> = events(&transcript, &limits).iter().map(seconds).collect();
        assert_eq!(found, [8, 7, 6, 5]);
    }

    #[test]
    fn a_message_beyond_the_bound_is_not_waited_for() {
        let limits = Limits { message_bytes: 100, ..Limits::default() };
        let transcript = transcript(&[(Side::High, Kind::Handshake, &[11, 1, 0, 0, 3, 3])]);
        assert_eq!(kinds(&events(&transcript, &limits)), [(11, 2, false)]);
    }

    #[test]
    fn what_is_kept_of_one_beyond_the_bound_does_not_depend_on_how_it_came() {
        let limits = Limits { message_bytes: 100, ..Limits::default() };
        let long = [&[11, 1, 0, 0][..], &[3; 150]].concat();
        for (end, there) in [(60, 56), (154, 100)] {
            for cut in 0..end {
                let (one, other) = long[..end].split_at(cut);
                let transcript = transcript(&[
                    (Side::High, Kind::Handshake, one),
                    (Side::Low, Kind::Handshake, &[16, 0, 0, 0]),
                    (Side::High, Kind::Handshake, other),
                ]);
                let mut found = kinds(&events(&transcript, &limits));
                found.retain(|(kind, ..)| *kind != 16);
                assert_eq!(found, [(11, there, false)], "{end}, cut at {cut}");
            }
        }
        // Behind a hole a new record is waited for.
        let transcript = transcript(&[
            (Side::High, Kind::Handshake, &long[..60]),
            (Side::High, Kind::Gap, &[0; 9]),
            (Side::High, Kind::Resumed, &[]),
            (Side::High, Kind::Handshake, &[14, 0, 0, 0]),
        ]);
        assert_eq!(kinds(&events(&transcript, &limits)), [(11, 56, false), (14, 0, true)]);
    }
}
