//! QUIC: the handshake messages in Initial packets.
//!
//! In go the datagrams that the capture thread kept in a [`Transcript`], out come the [`Event`]s
//! that TLS over a stream would give: ClientHello and ServerHello, the alert that a
//! CONNECTION_CLOSE stands for, and that encrypted packets followed. Everything behind the two
//! hellos is encrypted with keys that only the two ends have, and stays hidden.
//!
//! The keys of Initial packets derive from the first connection id that the client chose. Where
//! its first packet was not captured nothing can be opened: that comes out as [`What::Lost`].
//!
//! ```text
//!   client  Initial(DCID a) ────────────────────▶ keys from a        both directions
//!           ◀──────────────────────────── Retry(SCID b)
//!           Initial(DCID b, token) ─────────────▶ keys from b
//!           ◀──────────── Initial(SCID c) Handshake …
//!           Initial(DCID c) Handshake ──────────▶ keys still from b
//! ```

#![warn(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing
)]

pub mod conversation;
mod crypto;
mod frame;
mod keys;
mod packet;
mod version;
mod watch;

use std::cmp::Reverse;

use self::crypto::CryptoStream;
use self::frame::{Frame, next_frame};
use self::keys::InitialKeys;
use self::packet::{LongPacket, next_packet};
use self::version::{Framing, PacketKind, Protection, protections};
use crate::bytes::Reader;
use crate::flow::Side;
use crate::limits::Limits;
use crate::tls::message::{Event, What};
use crate::tls::transcript::{Entry, Kind, Transcript};

/// The events of a transcript of QUIC.
pub fn events<'a>(transcript: &'a Transcript, limits: &Limits) -> Vec<Event<'a>> {
    let mut reading = Reading {
        limits,
        client: None,
        keys: Vec::new(),
        streams: [CryptoStream::new(limits), CryptoStream::new(limits)],
        deferred: Vec::new(),
        closed: [false; 2],
        unopened: [None; 2],
        places: [(0, 0); 2],
        packets: 0,
        events: Vec::new(),
        buffer: Vec::new(),
    };
    for (entry, bytes) in transcript.entries() {
        match entry.kind {
            Kind::Quic => reading.datagram(entry, bytes),
            Kind::Encrypted { content_type, size } => {
                reading.add(entry, What::Encrypted { content_type, size });
            }
            Kind::Gap => reading.add(entry, What::Lost),
            _ => {}
        }
    }
    reading.finish()
}

struct Reading<'a, 'l> {
    limits: &'l Limits,
    /// The end whose Initial packet was opened with keys of its own making.
    client: Option<Side>,
    keys: Vec<KeySet>,
    streams: [CryptoStream; 2],
    /// Packets that came before the one that has their keys: a mirror port may show a server's answer
    /// before the client's first packet, or before the one that follows a Retry.
    deferred: Vec<(&'a Entry, LongPacket<'a>)>,
    /// A CONNECTION_CLOSE was seen of this end.
    closed: [bool; 2],
    /// The first packet of this end that could not be opened.
    unopened: [Option<&'a Entry>; 2],
    /// Events and packets before the end of what this end's CRYPTO frames brought.
    places: [(usize, usize); 2],
    /// Packets that were read.
    packets: usize,
    events: Vec<Event<'a>>,
    buffer: Vec<u8>,
}

/// Keys that belong to a connection id and a version.
struct KeySet {
    version: u32,
    id: Box<[u8]>,
    protection: &'static Protection,
    keys: InitialKeys,
    /// They opened a packet.
    proven: bool,
    /// The largest packet number of each end.
    largest: [Option<u64>; 2],
}

/// What was in a packet.
struct Payload {
    bytes: Vec<u8>,
    framing: Framing,
    /// It is the first from a client that these keys opened.
    anew: bool,
}

/// Error codes of a CONNECTION_CLOSE that stand for TLS alerts (RFC 9001 §4.8).
const CRYPTO_ERRORS: std::ops::RangeInclusive<u64> = 0x0100..=0x01ff;

impl<'a> Reading<'a, '_> {
    fn datagram(&mut self, entry: &'a Entry, bytes: &'a [u8]) {
        let mut reader = Reader::new(bytes);
        // The capture may have cut the datagram's end.
        while let Some(packet) = next_packet(&mut reader, usize::from(u16::MAX)) {
            if packet.kind != PacketKind::Initial || self.open(entry, &packet) {
                continue;
            }
            self.defer(entry, packet);
        }
    }

    /// Keep a packet until its keys are there. What the bound refuses shows as a loss.
    fn defer(&mut self, entry: &'a Entry, packet: LongPacket<'a>) {
        if self.deferred.len() < self.limits.quic_early_packets {
            self.deferred.push((entry, packet));
        } else {
            entry.side.of_mut(&mut self.unopened).get_or_insert(entry);
        }
    }

    /// Open a packet with any keys that may fit, and read it.
    fn open(&mut self, entry: &'a Entry, packet: &LongPacket<'_>) -> bool {
        let from_client = self.client.is_none_or(|client| client == entry.side);
        let known = self.keys.len();
        let opened = self.try_keys(0, entry.side, packet, from_client).or_else(|| {
            self.derive(packet, from_client);
            self.try_keys(known, entry.side, packet, from_client)
        });
        let Some(Payload { bytes, framing, anew }) = opened else { return false };
        if anew {
            // The client began anew, after a Retry or in another version, and sends it all again.
            let stream = entry.side.of_mut(&mut self.streams);
            if stream.spoke() {
                stream.begin_anew();
            } else {
                *stream = CryptoStream::new(self.limits);
            }
        }
        self.client.get_or_insert(entry.side);
        self.read(entry, &bytes, framing);
        // Each set of keys is proven once, so that this ends.
        if anew {
            for (entry, packet) in std::mem::take(&mut self.deferred) {
                if !self.open(entry, &packet) {
                    self.defer(entry, packet);
                }
            }
        }
        true
    }

    /// Open a packet with the keys from the given one on, newest first.
    fn try_keys(
        &mut self,
        from: usize,
        side: Side,
        packet: &LongPacket<'_>,
        from_client: bool,
    ) -> Option<Payload> {
        let sets = self.keys.get_mut(from..)?.iter_mut().rev();
        for set in sets.filter(|set| set.version == packet.version) {
            if let Some(payload) = set.open(packet, side, from_client, &mut self.buffer) {
                let (bytes, framing) = (payload.to_vec(), set.protection.framing);
                let anew = from_client && !std::mem::replace(&mut set.proven, true);
                return Some(Payload { bytes, framing, anew });
            }
        }
        None
    }

    /// Derive the keys that a packet may need and that are not there.
    ///
    /// A client's from the id that it sends to; a server's from the client's id in the version of
    /// its answer, which may be another one (RFC 9368 §2.3).
    fn derive(&mut self, packet: &LongPacket<'_>, from_client: bool) {
        let ids: Vec<Box<[u8]>> = if from_client {
            vec![packet.target.into()]
        } else {
            self.keys.iter().filter(|set| set.proven).map(|set| set.id.clone()).collect()
        };
        for id in ids {
            if self.keys.iter().any(|set| set.version == packet.version && set.id == id) {
                continue;
            }
            for protection in protections(packet.version) {
                if self.keys.len() < self.limits.quic_keys
                    && let Some(keys) = InitialKeys::new(protection, &id)
                {
                    let (version, id) = (packet.version, id.clone());
                    let largest = [None; 2];
                    self.keys.push(KeySet {
                        version,
                        id,
                        protection,
                        keys,
                        proven: false,
                        largest,
                    });
                }
            }
        }
    }

    fn read(&mut self, entry: &Entry, payload: &[u8], framing: Framing) {
        let side = entry.side;
        self.packets = self.packets.saturating_add(1);
        let mut reader = Reader::new(payload);
        while let Some(frame) = next_frame(&mut reader, framing) {
            match frame {
                Frame::Crypto { offset, bytes } => {
                    let stream = side.of_mut(&mut self.streams);
                    if stream.push(offset, bytes, entry.begun) {
                        self.events.extend(std::iter::from_fn(|| stream.message(side)));
                        *side.of_mut(&mut self.places) = (self.events.len(), self.packets);
                    }
                }
                Frame::Close { code } if CRYPTO_ERRORS.contains(&code) => {
                    let closed = side.of_mut(&mut self.closed);
                    if !std::mem::replace(closed, true) {
                        let [.., description] = code.to_be_bytes();
                        // All alerts of QUIC are fatal (RFC 9001 §4.8).
                        self.add(entry, What::Alert { level: 2, description });
                    }
                }
                Frame::Close { .. } | Frame::Other => {}
            }
        }
    }

    fn add(&mut self, entry: &Entry, what: What<'a>) {
        let Entry { side, begun, ended, .. } = *entry;
        self.events.push(Event { side, begun, ended, what });
    }

    fn finish(mut self) -> Vec<Event<'a>> {
        for (entry, _) in std::mem::take(&mut self.deferred) {
            entry.side.of_mut(&mut self.unopened).get_or_insert(entry);
        }
        // What was never completed stands where its last part was seen. From behind, so that the places
        // before hold.
        let mut sides = [Side::Low, Side::High];
        sides.sort_by_key(|side| Reverse(*side.of(&self.places)));
        for side in sides {
            let stream = side.of(&self.streams);
            let spoke = stream.spoke();
            let contradicted = stream.is_contradicted();
            if let Some(event) = stream.rest(side) {
                let (place, _) = *side.of(&self.places);
                self.events.insert(place.min(self.events.len()), event);
            } else if !spoke && let Some(entry) = *side.of(&self.unopened) {
                self.add(entry, What::Lost);
            }
            if contradicted {
                self.events.extend(
                    self.events
                        .iter()
                        .rfind(|event| event.side == side)
                        .cloned()
                        .map(|event| Event { what: What::Contradicted, ..event }),
                );
            }
        }
        self.events
    }
}

impl KeySet {
    /// The frames of a packet, if these are its keys.
    fn open<'b>(
        &mut self,
        packet: &LongPacket<'_>,
        side: Side,
        from_client: bool,
        buffer: &'b mut Vec<u8>,
    ) -> Option<&'b [u8]> {
        let keys = if from_client { &self.keys.client } else { &self.keys.server };
        let largest = side.of_mut(&mut self.largest);
        let opened = keys.open(packet, *largest, buffer)?;
        if !opened.authentic && !is_plausible(opened.payload, self.proven, self.protection.framing)
        {
            return None;
        }
        *largest = (*largest).max(Some(opened.number));
        Some(opened.payload)
    }
}

/// Whether bytes that no tag vouches for are frames: all of them, unless the keys are known to be
/// right, with handshake bytes among them.
fn is_plausible(payload: &[u8], proven: bool, framing: Framing) -> bool {
    let mut reader = Reader::new(payload);
    let mut crypto = false;
    let mut count = 0_usize;
    while let Some(frame) = next_frame(&mut reader, framing) {
        crypto |= matches!(frame, Frame::Crypto { offset: 0..0x4000, .. });
        count = count.saturating_add(1);
    }
    if proven { count > 0 } else { crypto && reader.is_empty() }
}

#[cfg(test)]
mod tests;
