//! [`DatagramConversation`]: finds DTLS and QUIC in datagrams and keeps their handshake.
//!
//! This is the capture thread's half for UDP, as [`tls::conversation`](crate::tls::conversation)
//! is for TCP. Both protocols are recognised by content on any port: DTLS by its record header,
//! alone or inside TURN or CAPWAP, QUIC by a long header of a version that is known.

use std::hash::BuildHasher;

use foldhash::SharedSeed;
use foldhash::fast::SeedableRandomState;

use super::packet::{is_version_negotiation, next_packet};
use super::version::{PacketKind, is_known, is_reserved, packet_kind};
use super::watch::{self, opens_another};
use crate::bytes::Reader;
use crate::clock::Timestamp;
use crate::flow::Side;
use crate::flow::datagram::{Claim, DatagramConsumer, Fed, Glance};
use crate::limits::Limits;
use crate::tls::dtls::{self, record};
use crate::tls::message::Event;
use crate::tls::transcript::Transcript;
use crate::tls::{Transport, dtls::watch as dtls_watch};

/// The capture thread's view of one handshake over UDP.
#[derive(Debug)]
pub struct DatagramConversation {
    limits: Limits,
    protocol: Protocol,
    transcript: Transcript,
}

#[derive(Debug)]
enum Protocol {
    Dtls(dtls_watch::Watch),
    Quic(watch::Watch),
}

/// By what the last connections on the same addresses and ports are known: hashes of QUIC's
/// connection ids and of DTLS's hellos, newest first; zero where there is none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Marks([u32; 4]);

impl DatagramConversation {
    /// What was seen of the handshake.
    pub fn into_transcript(self) -> Transcript {
        self.transcript
    }

    /// What was seen of the handshake.
    pub const fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    /// What TLS runs over.
    pub const fn transport(&self) -> Transport {
        match self.protocol {
            Protocol::Dtls(_) => Transport::Udp,
            Protocol::Quic(_) => Transport::Quic,
        }
    }
}

/// The events of a transcript of DTLS or QUIC.
pub fn events<'a>(
    transport: Transport,
    transcript: &'a Transcript,
    limits: &Limits,
) -> Vec<Event<'a>> {
    match transport {
        Transport::Quic => super::events(transcript, limits),
        Transport::Udp => dtls::events(transcript, limits),
        Transport::Tcp => crate::tls::message::events(transcript, limits),
    }
}

impl DatagramConsumer for DatagramConversation {
    type Memory = Marks;

    #[inline]
    fn glance(payload: &[u8], cut: u32) -> Glance {
        match payload {
            [first @ 0x80..=0xff, a, b, c, d, ..] => {
                let version = u32::from_be_bytes([*a, *b, *c, *d]);
                // The fixed bit may be cleared by those who agreed on it (RFC 9287); of versions
                // that are reserved, RTP has the look without it.
                if is_known(version) && (first & 0x40 != 0 || !is_reserved(version)) {
                    glance_at_quic(version, *first, payload, cut)
                } else if version == 0 && is_version_negotiation(payload) {
                    Glance::Later
                } else {
                    Glance::Nothing
                }
            }
            [20..=26, 0xfe, 0xff | 0xfd, ..]
            | [20..=26, 1, 0, ..]
            | [1, 0, 0, 0, 20..=63, ..]
            | [0, 0x16 | 0x17, _, _, 0x21, 0x12, 0xa4, 0x42, ..]
            | [0x40..=0x4f, _, _, _, 20..=63, ..] => glance_at_dtls(payload, cut),
            // What looks like noise to those without the keys: QUIC's short header and that of
            // DTLS 1.3.
            [0x20..=0x7f, ..] => Glance::Later,
            _ => Glance::Nothing,
        }
    }

    fn open(limits: &Limits, payload: &[u8]) -> Self {
        let protocol = match payload {
            [0x80..=0xff, ..] => Protocol::Quic(watch::Watch::default()),
            _ => Protocol::Dtls(dtls_watch::Watch::default()),
        };
        Self { limits: limits.clone(), protocol, transcript: Transcript::default() }
    }

    fn claims(&self, side: Side, payload: &[u8], cut: u32) -> Claim {
        match &self.protocol {
            // Its records name no connection.
            Protocol::Dtls(_) => Claim::Perhaps,
            Protocol::Quic(watch) => watch.claims(side, payload, cut),
        }
    }

    fn feed(
        &mut self,
        side: Side,
        at: Timestamp,
        payload: &[u8],
        cut: u32,
        earlier: &Marks,
    ) -> Fed {
        let Self { limits, protocol, transcript } = self;
        match protocol {
            Protocol::Dtls(watch) => {
                if payload.first().is_some_and(|first| *first >= 0x80) {
                    return Fed::Ignored;
                }
                let Some(inner) = record::unwrap(payload) else { return Fed::Ignored };
                let is_earlier = |hello: u64| earlier.contains(&hello.to_be_bytes());
                watch.feed(side, at, (inner, cut), is_earlier, transcript, limits)
            }
            Protocol::Quic(watch) => {
                let is_earlier = |id: &[u8]| earlier.contains(id);
                watch.feed(side, at, (payload, cut), is_earlier, transcript, limits)
            }
        }
    }

    fn reopens(earlier: &Marks, payload: &[u8]) -> bool {
        if let [0x80..=0xff, ..] = payload {
            return opens_another(payload, |id| earlier.contains(id));
        }
        record::unwrap(payload)
            .and_then(|inner| dtls_watch::opening(inner, u32::from(u16::MAX)))
            .is_some_and(|opening| !earlier.contains(&opening.hello.to_be_bytes()))
    }

    fn remember(&self, earlier: Marks) -> Marks {
        let mut marks = earlier;
        match &self.protocol {
            Protocol::Dtls(watch) => {
                watch.opening().iter().for_each(|it| marks.add(&it.hello.to_be_bytes()));
            }
            Protocol::Quic(watch) => watch.ids().for_each(|id| marks.add(id)),
        }
        marks
    }

    fn held_bytes(&self) -> usize {
        let own = match &self.protocol {
            Protocol::Dtls(_) => 0,
            Protocol::Quic(watch) => watch.held_bytes(),
        };
        self.transcript.held_bytes().saturating_add(own)
    }
}

/// A long header of a known version.
fn glance_at_quic(version: u32, first: u8, payload: &[u8], cut: u32) -> Glance {
    if packet_kind(version, first) != PacketKind::Initial {
        return Glance::Later;
    }
    let cut = usize::try_from(cut).unwrap_or(usize::MAX);
    match next_packet(&mut Reader::new(payload), cut) {
        Some(_) => Glance::Opening,
        None => Glance::Nothing,
    }
}

/// What begins like a DTLS record, or like what wraps one.
fn glance_at_dtls(payload: &[u8], cut: u32) -> Glance {
    match record::unwrap(payload) {
        Some(inner) if record::opens(inner, cut) => Glance::Opening,
        // WireGuard and STUN begin like this too; only QUIC's short header may be anything.
        None if payload.first().is_some_and(|first| *first < 0x20) => Glance::Nothing,
        _ => Glance::Later,
    }
}

impl Marks {
    fn contains(&self, name: &[u8]) -> bool {
        self.0.contains(&mark(name))
    }

    fn add(&mut self, name: &[u8]) {
        if !name.is_empty() && !self.contains(name) {
            let [a, b, c, _] = self.0;
            self.0 = [mark(name), a, b, c];
        }
    }
}

/// The hash of a name; never zero. The seed is the process's own: nobody can prepare a connection that
/// is taken for an earlier one.
fn mark(name: &[u8]) -> u32 {
    let state = SeedableRandomState::with_seed(0x9001, SharedSeed::global_random());
    let [.., a, b, c, d] = state.hash_one(name).to_be_bytes();
    u32::from_be_bytes([a, b, c, d]) | 1
}
