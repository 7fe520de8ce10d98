//! [`Watch`]: the capture thread's half of QUIC. It knows long headers: it keeps the packets that
//! a worker can open, counts those that nobody can, and tells connections on the same ports apart.
//!
//! A client's Handshake packet that is long enough for its Finished, or any 1-RTT packet of it, is
//! the proof that it went through with the handshake: it has the keys only once it accepted the
//! server's part (RFC 9001 §4.1.4). Shorter Handshake packets hold acknowledgements, or a
//! CONNECTION_CLOSE, and prove nothing.

use super::keys::InitialKeys;
use super::packet::{LongPacket, MAX_ID, is_version_negotiation, next_packet};
use super::version::{PacketKind, protections};
use crate::bytes::Reader;
use crate::clock::Timestamp;
use crate::flow::Side;
use crate::flow::datagram::{Claim, Fed};
use crate::limits::Limits;
use crate::tls::transcript::{Kind, Transcript};

/// A connection id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ConnectionId {
    len: u8,
    bytes: [u8; MAX_ID as usize],
}

/// The capture thread's view of one QUIC connection.
#[derive(Debug)]
pub(crate) struct Watch {
    /// Connection ids that its packets were sent from and to.
    known: Vec<ConnectionId>,
    ends: [End; 2],
    /// The server asked for another version: the client begins anew.
    negotiated: bool,
    /// Packets that were opened to see whether another connection begins with them.
    trials: u8,
}

/// What was seen of one end.
#[derive(Clone, Copy, Debug, Default)]
struct End {
    /// The connection id that it chose for itself.
    id: Option<ConnectionId>,
    /// It sent an Initial packet.
    spoke: bool,
    /// Packets that prove that it has the keys of the handshake.
    settled: u32,
}

/// Connection ids that are kept of one connection: the client's first choice for the server, its
/// own, that of a Retry, and the server's.
const KNOWN_IDS: usize = 4;

/// Packets of one connection that are opened by the capture thread, at most.
const TRIALS: u8 = 16;

/// A Handshake packet's number, a CRYPTO frame with a Finished of SHA-256, and the tag; shorter
/// ones hold none.
const FINISHED: usize = 1 + 3 + 4 + 32 + 16;

/// A short header packet has at least its first byte and what is protected (RFC 9001 §5.4.2).
const SHORT: usize = 21;

/// Packets of each direction that are noted one by one.
const NOTED_PACKETS: u32 = 4;

/// Packets after which an Initial packet is no longer expected.
const LATE_PACKETS: u32 = 16;

/// Packets of one direction after which the other one is no longer waited for.
const ONE_SIDED_PACKETS: u32 = 256;

/// Shortest id that a client may choose for a server it does not know yet (RFC 9000 §7.2).
const MIN_FIRST_ID: usize = 8;

impl ConnectionId {
    fn new(id: &[u8]) -> Self {
        let mut bytes = [0; MAX_ID as usize];
        for (slot, byte) in bytes.iter_mut().zip(id) {
            *slot = *byte;
        }
        Self { len: u8::try_from(id.len()).unwrap_or(MAX_ID).min(MAX_ID), bytes }
    }

    /// Its bytes.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            known: Vec::with_capacity(KNOWN_IDS),
            ends: [End::default(), End::default()],
            negotiated: false,
            trials: 0,
        }
    }
}

impl Watch {
    /// The ids by which the connection is told from others.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &[u8]> {
        self.known.iter().map(ConnectionId::as_bytes)
    }

    /// Heap bytes that it holds.
    pub(crate) const fn held_bytes(&self) -> usize {
        self.known.capacity().saturating_mul(size_of::<ConnectionId>())
    }

    /// Whether a datagram is of this connection, by the ids of its first packet.
    ///
    /// Several connections between the same ports need ids (RFC 9000 §5.1): an end without one has
    /// one connection there at a time.
    pub(crate) fn claims(&self, side: Side, payload: &[u8], cut: u32) -> Claim {
        let own = side.of(&self.ends).id;
        let other = side.other().of(&self.ends).id;
        let cut = usize::try_from(cut).unwrap_or(usize::MAX);
        let Some(packet) = next_packet(&mut Reader::new(payload), cut) else {
            return match (payload, other) {
                ([0x40..=0x7f, target @ ..], Some(id)) if id.len > 0 => {
                    if target.starts_with(id.as_bytes()) { Claim::Yes } else { Claim::No }
                }
                _ => Claim::Perhaps,
            };
        };
        let (target, source) = (ConnectionId::new(packet.target), ConnectionId::new(packet.source));
        let is_known = |id: ConnectionId| id.len > 0 && self.known.contains(&id);
        if is_known(target) || is_known(source) {
            return Claim::Yes;
        }
        // A client first sends to an id of its own choice, which is not the server's. A Retry has an
        // id of its own, and after a negotiation of the version all may be new.
        let differs = |chosen: Option<ConnectionId>, id| chosen.is_some_and(|chosen| chosen != id);
        let may_be_first = source.len == 0;
        let another = differs(own, source) || !may_be_first && differs(other, target);
        if another && !self.negotiated && packet.kind != PacketKind::Retry {
            Claim::No
        } else {
            Claim::Perhaps
        }
    }

    /// The next datagram. `is_earlier` tells the ids of connections that are over.
    pub(crate) fn feed(
        &mut self,
        side: Side,
        at: Timestamp,
        (payload, cut): (&[u8], u32),
        is_earlier: impl Fn(&[u8]) -> bool,
        transcript: &mut Transcript,
        limits: &Limits,
    ) -> Fed {
        let cut_len = usize::try_from(cut).unwrap_or(usize::MAX);
        let mut reader = Reader::new(payload);
        let mut taken = false;
        // Up to where a worker can read.
        let mut readable = 0;
        let mut secret = Vec::new();
        while let Some(packet) = next_packet(&mut reader, cut_len) {
            if packet.kind == PacketKind::Initial && !taken {
                match self.belongs(side, &packet, &is_earlier) {
                    Fed::Continue => {}
                    other => return other,
                }
            }
            taken = true;
            self.learn(side, &packet);
            match packet.kind {
                PacketKind::Initial | PacketKind::Retry => {
                    readable = payload.len().saturating_sub(reader.remaining());
                }
                PacketKind::Handshake if packet.protected_len() >= FINISHED => {
                    secret.push(packet.protected_len());
                }
                PacketKind::Handshake | PacketKind::ZeroRtt => {}
            }
        }
        if self.is_short(side, reader.peek()) {
            taken = true;
            secret.push(reader.remaining().saturating_add(cut_len));
        } else if !taken {
            self.negotiated |= is_version_negotiation(payload);
        }
        if !taken {
            return Fed::Ignored;
        }
        if readable > 0 {
            let kept = payload.get(..readable).unwrap_or(payload);
            transcript.append(side, Kind::Quic, at, kept, limits);
        }
        let end = side.of_mut(&mut self.ends);
        for size in secret {
            end.settled = end.settled.saturating_add(1);
            if end.settled <= NOTED_PACKETS {
                // No content type is to be seen: it is encrypted with the rest.
                let size = u16::try_from(size).unwrap_or(u16::MAX);
                transcript.note(side, Kind::Encrypted { content_type: 0, size }, at, limits);
            }
        }
        self.fate()
    }

    /// Whether anything can still be learnt.
    fn fate(&self) -> Fed {
        let [low, high] = &self.ends;
        let one_sided =
            |end: &End, other: &End| end.settled > ONE_SIDED_PACKETS && other.settled == 0;
        // Packets are captured out of order: the first ones may still come.
        let complete =
            (low.spoke && high.spoke) || low.settled.saturating_add(high.settled) > LATE_PACKETS;
        let done = low.settled > 0 && high.settled > 0 && complete;
        if done || one_sided(low, high) || one_sided(high, low) {
            Fed::Shunt
        } else {
            Fed::Continue
        }
    }

    /// Whether an Initial packet belongs to this connection.
    ///
    /// The client sends to an id of its own choice, then to those that the server chose. Any other
    /// id may be one that the server chose in a packet that was not captured, or another
    /// connection's first: only of the latter do the keys derive from the id itself.
    fn belongs(
        &mut self,
        side: Side,
        packet: &LongPacket<'_>,
        is_earlier: &impl Fn(&[u8]) -> bool,
    ) -> Fed {
        let end = *side.of(&self.ends);
        if !end.spoke || self.known.contains(&ConnectionId::new(packet.target)) {
            return Fed::Continue;
        }
        let same_source =
            !packet.source.is_empty() && end.id.is_some_and(|id| id.as_bytes() == packet.source);
        let unseen_retry = !packet.token.is_empty() && !side.other().of(&self.ends).spoke;
        if same_source || unseen_retry || self.negotiated {
            return Fed::Continue;
        }
        if is_earlier(packet.target) {
            return Fed::Ignored;
        }
        self.trials = self.trials.saturating_add(1);
        if self.trials > TRIALS || !is_first(packet) {
            return Fed::Continue;
        }
        // Without an id there is one connection at a time.
        let has_id = end.id.is_some_and(|id| id.len > 0) && !packet.source.is_empty();
        if has_id { Fed::Beside } else { Fed::Another }
    }

    fn learn(&mut self, side: Side, packet: &LongPacket<'_>) {
        let end = side.of_mut(&mut self.ends);
        let (target, source) = (ConnectionId::new(packet.target), ConnectionId::new(packet.source));
        end.spoke |= packet.kind == PacketKind::Initial;
        if packet.kind != PacketKind::Retry {
            end.id.get_or_insert(source);
        }
        for id in [target, source] {
            if id.len > 0 && !self.known.contains(&id) && self.known.len() < KNOWN_IDS {
                self.known.push(id);
            }
        }
    }

    /// Whether what is left of a datagram is a 1-RTT packet to the other end's connection id.
    fn is_short(&self, side: Side, rest: &[u8]) -> bool {
        let [0x40..=0x7f, target @ ..] = rest else { return false };
        let id = side.other().of(&self.ends).id;
        rest.len() >= SHORT && id.is_none_or(|id| target.starts_with(id.as_bytes()))
    }
}

/// Whether a datagram begins with the first Initial packet of a connection; `is_earlier` tells the
/// ids of connections that are over.
pub(crate) fn opens_another(payload: &[u8], is_earlier: impl Fn(&[u8]) -> bool) -> bool {
    next_packet(&mut Reader::new(payload), 0).is_some_and(|packet| {
        packet.kind == PacketKind::Initial && !is_earlier(packet.target) && is_first(&packet)
    })
}

/// Whether the keys of an Initial packet derive from the connection id that it is sent to.
fn is_first(packet: &LongPacket<'_>) -> bool {
    let mut buffer = Vec::new();
    packet.target.len() >= MIN_FIRST_ID
        && packet.missing == 0
        && protections(packet.version).iter().any(|protection| {
            InitialKeys::new(protection, packet.target)
                .is_some_and(|keys| keys.client.open(packet, None, &mut buffer).is_some())
        })
}
