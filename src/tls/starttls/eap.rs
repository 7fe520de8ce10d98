//! TLS in EAP: EAP-TLS, PEAP, EAP-TTLS, EAP-FAST and TEAP, in 802.1X frames or in RADIUS.
//!
//! EAP is lock-step: the authenticator sends a request, the peer answers with a response of the same
//! identifier. A TLS flight that is too long for one packet goes in fragments, each acknowledged by
//! an empty packet. In go the EAP packets of one log-in, out comes the TLS byte stream of each party,
//! to be fed to a [`Conversation`](crate::tls::conversation::Conversation):
//!
//! ```text
//!   EAPOL frame ──eapol─────▶ EAP packet ╮            ╭──▶ Party::Server: Chunk, Chunk …
//!                                        ├─ Login::push
//!   RADIUS ──radius::parse──▶ EAP packet ╯            ╰──▶ Party::Peer:   Chunk, Chunk …
//! ```
//!
//! Which packets belong to one log-in is for [`LoginTable`](super::login::LoginTable) to find out.

use crate::bytes::Reader;
use crate::flow::Chunk;
use crate::limits::Limits;

/// The EAP packet in an EAPOL frame, given what is behind the Ethertype (802.1X §11.3).
pub fn eapol(body: &[u8]) -> Option<&[u8]> {
    const EAP_PACKET: u8 = 0;
    let mut reader = Reader::new(body);
    let _version = reader.u8()?;
    if reader.u8()? != EAP_PACKET {
        return None;
    }
    let size = usize::from(reader.u16()?);
    // The rest is padding to the smallest Ethernet frame.
    Some(reader.take_up_to(size))
}

/// Who sent an EAP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Party {
    /// The authenticator, or the server behind it: it is TLS's server.
    Server,
    /// The peer (supplicant): it is TLS's client.
    Peer,
}

impl Party {
    /// The sender of an EAP packet, by its code (RFC 3748 §4).
    pub const fn of(eap: &[u8]) -> Option<Self> {
        match eap {
            [REQUEST | SUCCESS | FAILURE, ..] => Some(Self::Server),
            [RESPONSE, ..] => Some(Self::Peer),
            _ => None,
        }
    }
}

/// Answers that may be captured before the request to the first of them.
const EARLY: u8 = 16;

const REQUEST: u8 = 1;
const RESPONSE: u8 = 2;
const SUCCESS: u8 = 3;
const FAILURE: u8 = 4;

/// An EAP method that runs TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// RFC 5216, RFC 9190.
    Tls,
    /// RFC 5281.
    Ttls,
    /// Microsoft's Protected EAP.
    Peap,
    /// RFC 4851.
    Fast,
    /// RFC 7170.
    Teap,
}

impl Method {
    /// The method with this type number.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            13 => Some(Self::Tls),
            21 => Some(Self::Ttls),
            25 => Some(Self::Peap),
            43 => Some(Self::Fast),
            55 => Some(Self::Teap),
            _ => None,
        }
    }

    /// The name in records: a flow's `application`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tls => "eap-tls",
            Self::Ttls => "eap-ttls",
            Self::Peap => "peap",
            Self::Fast => "eap-fast",
            Self::Teap => "teap",
        }
    }
}

/// Whether an EAP packet carries TLS and is not the first of a log-in: another one came before it.
pub fn continues(eap: &[u8]) -> bool {
    Packet::parse(eap)
        .is_some_and(|packet| matches!(packet.kind, EapKind::Tls(_)) && !packet.flags.start)
}

/// What an EAP packet was to a log-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// Part of it: TLS bytes were delivered, or there were none to deliver.
    Taken,
    /// The first packet of a method that runs TLS. What was pushed before belongs to another
    /// log-in, or to none; this packet was taken.
    Begun(Method),
    /// It was seen already, or has nothing to do with TLS.
    Ignored,
    /// The end: the server lets the peer in, or refuses it.
    Over {
        /// It lets it in.
        success: bool,
    },
}

/// One log-in: the TLS streams of two parties that speak in turn.
#[derive(Debug, Default)]
pub struct Login {
    method: Option<Method>,
    server: Direction,
    peer: Direction,
}

/// What one party has sent.
#[derive(Debug, Default)]
struct Direction {
    /// Identifier of its last packet.
    last: Option<u8>,
    /// It announced more fragments.
    more: bool,
    /// What the whole message was announced to have, and what of it came.
    announced: Option<u64>,
    have: u64,
}

impl Login {
    /// The method, once it was agreed on.
    pub const fn method(&self) -> Option<Method> {
        self.method
    }

    /// Whether this packet begins a log-in with TLS: another one, if there was one before.
    pub fn begins(&self, eap: &[u8]) -> bool {
        Packet::parse(eap).is_some_and(|packet| match packet.kind {
            EapKind::Tls(method) => self.is_begun_by(&packet, method),
            EapKind::Over { .. } | EapKind::Other => false,
        })
    }

    /// A start flag, or another method than before (a peer may refuse the first that it is
    /// offered), begins a new log-in; so does TLS in the first packet that was seen.
    fn is_begun_by(&self, packet: &Packet<'_>, method: Method) -> bool {
        let copy = packet.party == Party::Server
            && match self.server.last {
                Some(last) => last == packet.id,
                // The answers to it were captured first.
                None => self.peer.last.is_some_and(|last| last.wrapping_sub(packet.id) < EARLY),
            };
        self.method != Some(method) || packet.flags.start && !copy
    }

    /// Take an EAP packet, as far as it was captured. TLS bytes go to `deliver` in order; what is
    /// known to be missing goes there as a gap.
    pub fn push(
        &mut self,
        eap: &[u8],
        limits: &Limits,
        deliver: &mut impl FnMut(Party, Chunk<'_>),
    ) -> Pushed {
        let Some(packet) = Packet::parse(eap) else { return Pushed::Ignored };
        let method = match packet.kind {
            EapKind::Over { success } => return Pushed::Over { success },
            EapKind::Other => return Pushed::Ignored,
            EapKind::Tls(method) => method,
        };
        let begins = self.is_begun_by(&packet, method);
        if begins {
            *self = Self { method: Some(method), ..Self::default() };
        }
        let direction = match packet.party {
            Party::Server => &mut self.server,
            Party::Peer => &mut self.peer,
        };
        let taken = direction.take(&packet, limits, &mut |chunk| deliver(packet.party, chunk));
        match (begins, taken) {
            (true, _) => Pushed::Begun(method),
            (false, true) => Pushed::Taken,
            (false, false) => Pushed::Ignored,
        }
    }
}

impl Direction {
    /// Deliver what a packet brings. Returns whether it was new.
    fn take(
        &mut self,
        packet: &Packet<'_>,
        limits: &Limits,
        deliver: &mut impl FnMut(Chunk<'_>),
    ) -> bool {
        // RFC 3748 §4.1: a retransmission has the identifier of what it repeats.
        if self.last == Some(packet.id) {
            return false;
        }
        // Identifiers go up by one in all implementations, though they need only differ: within a
        // message that is in fragments a jump is a loss of as much as the announced length says.
        let next = self.last.map(|last| last.wrapping_add(1));
        let jumped = next.is_some_and(|next| next != packet.id);
        self.last = Some(packet.id);
        if packet.data.is_empty() && packet.cut == 0 {
            return true; // An acknowledgement, or a start.
        }
        let continues = self.more && !(packet.flags.length && jumped);
        if self.more && jumped {
            deliver(Chunk::Gap(0));
        }
        if !continues {
            self.announced = packet.announced;
            self.have = 0;
        }
        self.more = packet.flags.more;
        let size = u64::try_from(packet.data.len()).unwrap_or(u64::MAX);
        self.have = self.have.saturating_add(size).saturating_add(packet.cut);
        // A length beyond what TLS messages are allowed is no reason to wait for it; nothing is
        // kept here.
        let bound = u64::try_from(limits.message_bytes).unwrap_or(u64::MAX);
        self.announced = self.announced.filter(|announced| *announced <= bound);
        deliver(Chunk::Data(packet.data));
        if packet.cut > 0 {
            deliver(Chunk::Gap(packet.cut));
        }
        if !self.more
            && let Some(missing) = self.announced.and_then(|all| all.checked_sub(self.have))
            && missing > 0
        {
            // The last fragment came, and not all of the message before it.
            deliver(Chunk::Gap(0));
        }
        true
    }
}

/// An EAP packet.
struct Packet<'a> {
    party: Party,
    id: u8,
    kind: EapKind,
    flags: Flags,
    announced: Option<u64>,
    data: &'a [u8],
    /// Bytes of the data that were not captured.
    cut: u64,
}

#[derive(Clone, Copy)]
enum EapKind {
    Tls(Method),
    Over { success: bool },
    Other,
}

/// RFC 5216 §3.1; the other methods have the same, TEAP one more (RFC 7170 §4.1).
#[derive(Clone, Copy, Default)]
struct Flags {
    length: bool,
    more: bool,
    start: bool,
}

impl<'a> Packet<'a> {
    fn parse(eap: &'a [u8]) -> Option<Self> {
        let party = Party::of(eap)?;
        let mut reader = Reader::new(eap);
        let (code, id, size) = (reader.u8()?, reader.u8()?, usize::from(reader.u16()?));
        let cut = size.saturating_sub(eap.len());
        let body = reader.take_up_to(size.saturating_sub(4));
        let mut packet = Self {
            party,
            id,
            kind: EapKind::Other,
            flags: Flags::default(),
            announced: None,
            data: &[],
            cut: u64::try_from(cut).unwrap_or(u64::MAX),
        };
        let mut reader = Reader::new(body);
        match code {
            SUCCESS | FAILURE => packet.kind = EapKind::Over { success: code == SUCCESS },
            _ => {
                if let Some(method) = reader.u8().and_then(Method::from_number) {
                    packet.kind = EapKind::Tls(method);
                    packet.tls(method, reader);
                }
            }
        }
        Some(packet)
    }

    fn tls(&mut self, method: Method, mut reader: Reader<'a>) {
        let Some(flags) = reader.u8() else { return };
        self.flags =
            Flags { length: flags & 0x80 != 0, more: flags & 0x40 != 0, start: flags & 0x20 != 0 };
        if self.flags.length {
            self.announced = reader.u32().map(u64::from);
        }
        let outer = if method == Method::Teap && flags & 0x10 != 0 { reader.u32() } else { None };
        let data = reader.rest();
        // TEAP's outer TLVs stand behind the TLS data.
        let outer = outer.and_then(|size| usize::try_from(size).ok()).unwrap_or_default();
        let end = data.len().saturating_sub(outer);
        // What a start packet carries (an authority's id) is no TLS (RFC 4851 §4.1).
        if !self.flags.start {
            self.data = data.get(..end).unwrap_or_default();
        }
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test may overflow: it fails then")]
mod tests {
    use super::*;

    /// What was delivered, by party, gaps as `~`.
    fn login(packets: &[Vec<u8>]) -> (String, String, Vec<Pushed>) {
        let mut login = Login::default();
        let (mut server, mut peer) = (String::new(), String::new());
        let pushed = packets
            .iter()
            .map(|packet| {
                login.push(packet, &Limits::default(), &mut |party, chunk| {
                    let out = if party == Party::Server { &mut server } else { &mut peer };
                    match chunk {
                        Chunk::Data(bytes) => out.push_str(str::from_utf8(bytes).unwrap()),
                        Chunk::Gap(_) => out.push('~'),
                    }
                })
            })
            .collect();
        (server, peer, pushed)
    }

    fn packet(code: u8, id: u8, method: u8, flags: u8, length: Option<u32>, data: &str) -> Vec<u8> {
        let mut body = vec![method, flags];
        body.extend(length.into_iter().flat_map(u32::to_be_bytes));
        body.extend_from_slice(data.as_bytes());
        let size = u16::try_from(body.len() + 4).unwrap().to_be_bytes();
        [[code, id].as_slice(), &size, &body].concat()
    }

    fn conversation() -> Vec<Vec<u8>> {
        vec![
            vec![REQUEST, 1, 0, 5, 1],
            vec![RESPONSE, 1, 0, 8, 1, b'b', b'o', b'b'],
            packet(REQUEST, 2, 13, 0x20, None, ""),
            packet(RESPONSE, 2, 13, 0, None, "hello"),
            packet(REQUEST, 3, 13, 0xc0, Some(9), "cert"),
            packet(RESPONSE, 3, 13, 0, None, ""),
            packet(REQUEST, 4, 13, 0x40, None, "ifi"),
            packet(RESPONSE, 4, 13, 0, None, ""),
            packet(REQUEST, 5, 13, 0, None, "ca"),
            packet(RESPONSE, 5, 13, 0x80, Some(4), "keys"),
            vec![SUCCESS, 6, 0, 4],
        ]
    }

    #[test]
    fn fragments_are_put_together_and_copies_dropped() {
        let packets = conversation();
        let (server, peer, pushed) = login(&packets);
        assert_eq!((server.as_str(), peer.as_str()), ("certifica", "hellokeys"));
        assert_eq!(pushed.get(2), Some(&Pushed::Begun(Method::Tls)));
        assert_eq!(pushed.last(), Some(&Pushed::Over { success: true }));
        let twice: Vec<_> =
            packets.iter().flat_map(|packet| [packet.clone(), packet.clone()]).collect();
        let (server, peer, _) = login(&twice);
        assert_eq!((server.as_str(), peer.as_str()), ("certifica", "hellokeys"));
    }

    #[test]
    fn an_answer_that_was_captured_first_begins_nothing_twice() {
        let mut packets = conversation();
        packets.swap(2, 3);
        let (server, peer, pushed) = login(&packets);
        assert_eq!((server.as_str(), peer.as_str()), ("certifica", "hellokeys"));
        let begun = pushed.iter().filter(|pushed| matches!(pushed, Pushed::Begun(_)));
        assert_eq!(begun.count(), 1);
    }

    #[test]
    fn a_lost_fragment_is_a_gap_where_it_was() {
        let mut packets = conversation();
        packets.remove(6);
        packets.remove(6);
        assert_eq!(login(&packets).0, "cert~ca~");
    }

    #[test]
    fn a_packet_cut_by_the_snaplen_says_what_is_missing() {
        let mut whole = packet(RESPONSE, 2, 25, 0x81, Some(10), "0123456789");
        whole.truncate(whole.len() - 4);
        let (_, peer, pushed) = login(&[whole]);
        assert_eq!(peer, "012345~");
        assert_eq!(pushed, [Pushed::Begun(Method::Peap)]);
    }

    #[test]
    fn starts_and_outer_fields_are_no_tls() {
        let (server, ..) = login(&[packet(REQUEST, 9, 43, 0x21, None, "authority")]);
        assert_eq!(server, "");
        let mut teap = packet(RESPONSE, 3, 55, 0x10, Some(3), "hello");
        teap.extend_from_slice(b"tlv");
        teap[3] += 3;
        assert_eq!(login(&[teap]).1, "hello");
    }

    #[test]
    fn eapol_frames_carry_eap_and_padding() {
        assert_eq!(eapol(&[2, 0, 0, 4, 3, 1, 0, 4, 0, 0, 0]), Some([3, 1, 0, 4].as_slice()));
        assert_eq!(eapol(&[2, 3, 0, 1, 0]), None);
    }
}
