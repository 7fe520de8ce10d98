//! The decoder: header after header until TCP, UDP or EAP over LAN.

use etherparse::err::tcp::HeaderSliceError;
use etherparse::{TcpHeaderSlice, UdpHeaderSlice};

use crate::capture::{Frame, LinkType};
use crate::clock::Timestamp;
use crate::limits::Limits;
use crate::packet::cursor::{Cursor, Next};
use crate::packet::fragment::FragmentTable;
use crate::packet::stats::add;
use crate::packet::{
    Datagram, Eapol, Endpoint, Layer, Packet, PacketStats, Segment, SeqNumber, Skip, TcpFlags,
    Tunnel, fast, ip, link, tunnel, wlan,
};

/// Decodes frames of any link type, in the order of capture.
///
/// It remembers nothing from one frame to the next but the fragments of IP datagrams.
///
/// ```
/// use tlscensus::capture::{Frame, LinkType};
/// use tlscensus::clock::Timestamp;
/// use tlscensus::limits::Limits;
/// use tlscensus::packet::{Decoder, Skip};
///
/// let mut decoder = Decoder::new(&Limits::default());
/// let arp = [&[0; 12][..], &[0x08, 0x06], &[0; 28]].concat();
/// let frame = Frame {
///     timestamp: Timestamp::new(1_772_352_930, 0),
///     link: LinkType::ETHERNET,
///     wire_len: 42,
///     bytes: &arp,
/// };
/// assert_eq!(decoder.decode(&frame, &mut |_| ()), Err(Skip::NotIp));
/// assert_eq!(decoder.stats().skipped(Skip::NotIp), 1);
/// ```
#[derive(Debug)]
pub struct Decoder {
    max_headers: u8,
    fragments: FragmentTable,
    stats: PacketStats,
    unknown_link: Option<LinkType>,
}

impl Decoder {
    /// A decoder within these bounds.
    pub fn new(limits: &Limits) -> Self {
        Self {
            max_headers: limits.layers,
            fragments: FragmentTable::new(limits),
            stats: PacketStats::default(),
            unknown_link: None,
        }
    }

    /// Hand the packet in `frame` to `sink`, at most one, or say why there is none.
    ///
    /// A frame with the last missing fragment of a datagram hands out what the datagram carried.
    #[inline]
    pub fn decode<S: FnMut(&Packet<'_>)>(
        &mut self,
        frame: &Frame<'_>,
        sink: &mut S,
    ) -> Result<(), Skip> {
        if let Some(packet) = fast::packet(frame) {
            self.deliver(&packet, sink);
            return Ok(());
        }
        self.decode_unusual(frame, sink)
    }

    /// Make `segment` the one in `frame` if that is one of the usual kind, whose turn need not have
    /// come yet. If it is not, the frame has still to be [decoded](Self::decode), in its turn.
    #[inline]
    pub fn decode_usual<'a>(&mut self, frame: &Frame<'a>, segment: &mut Segment<'a>) -> bool {
        let is_usual = fast::segment(frame, segment).is_some();
        add(&mut self.stats.segments, u64::from(is_usual));
        is_usual
    }

    /// What has been decoded so far.
    pub const fn stats(&self) -> &PacketStats {
        &self.stats
    }

    /// The link type of the first frame that is of none which can be decoded.
    pub const fn unknown_link(&self) -> Option<LinkType> {
        self.unknown_link
    }

    /// What it has counted, which it counts anew from now on.
    pub fn take_stats(&mut self) -> PacketStats {
        self.unknown_link = None;
        std::mem::take(&mut self.stats)
    }

    /// The capture is at its end: give up the datagrams that are still incomplete.
    pub fn finish(&mut self) {
        self.fragments.finish(&mut self.stats);
    }

    /// The way that knows everything.
    #[cold]
    pub(super) fn decode_unusual<S: FnMut(&Packet<'_>)>(
        &mut self,
        frame: &Frame<'_>,
        sink: &mut S,
    ) -> Result<(), Skip> {
        let mut cursor = Cursor::new(frame, self.max_headers);
        let decoded = link::start(frame.link, &mut cursor)
            .and_then(|next| self.walk(cursor, next, frame.timestamp, sink));
        if let Err(skip) = decoded {
            self.stats.count_skip(skip);
            if skip == Skip::LinkType {
                self.unknown_link.get_or_insert(frame.link);
            }
        }
        decoded
    }

    /// Bytes that count against the bound of fragments.
    #[cfg(test)]
    pub(super) const fn fragment_bytes(&self) -> usize {
        self.fragments.held_bytes()
    }

    /// Datagrams and memories of datagrams that the fragment table holds.
    #[cfg(test)]
    pub(super) fn fragment_entries(&self) -> usize {
        self.fragments.entries()
    }

    #[inline]
    fn deliver<S: FnMut(&Packet<'_>)>(&mut self, packet: &Packet<'_>, sink: &mut S) {
        self.count(packet);
        sink(packet);
    }

    #[inline]
    fn count(&mut self, packet: &Packet<'_>) {
        match packet {
            Packet::Segment(_) => add(&mut self.stats.segments, 1),
            Packet::Datagram(_) => add(&mut self.stats.datagrams, 1),
            Packet::Eapol(_) => add(&mut self.stats.eapol, 1),
        }
    }

    /// From header to header. Each stacked one takes from the cursor's allowance, so that this
    /// ends, and calls itself no deeper than that.
    fn walk<S: FnMut(&Packet<'_>)>(
        &mut self,
        mut cursor: Cursor<'_>,
        mut next: Next,
        now: Timestamp,
        sink: &mut S,
    ) -> Result<(), Skip> {
        /// IP protocol numbers.
        const TCP: u8 = 6;
        const UDP: u8 = 17;

        loop {
            next = match next {
                Next::Ethernet => link::ethernet(&mut cursor)?,
                Next::EtherType(kind) => link::ether_type(&mut cursor, kind)?,
                Next::Llc => link::llc(&mut cursor)?,
                Next::Ppp => link::ppp(&mut cursor)?,
                Next::Wlan => wlan::frame(&mut cursor, wlan::Form::Air)?,
                Next::Ip => ip::ip(&mut cursor)?,
                Next::Protocol(_, TCP) => {
                    let segment = segment(cursor)?;
                    self.deliver(&Packet::Segment(segment), sink);
                    return Ok(());
                }
                Next::Protocol(_, UDP) => {
                    let datagram = datagram(&mut cursor)?;
                    return self.unwrap_tunnel(cursor, datagram, now, sink);
                }
                Next::Protocol(version, protocol) => ip::protocol(&mut cursor, version, protocol)?,
                Next::Eapol => {
                    cursor.layers.push_tunnel(Tunnel::Eapol);
                    let Cursor { bytes, domain, layers, .. } = cursor;
                    let eapol = Eapol { domain, payload: bytes.peek(), layers };
                    self.deliver(&Packet::Eapol(eapol), sink);
                    return Ok(());
                }
                Next::Fragment(fragment) => {
                    cursor.count_header()?;
                    let whole = self.fragments.push(now, &fragment, &cursor, &mut self.stats)?;
                    let mut inside = cursor.over(&whole.bytes, whole.cut);
                    inside.layers.contradicted |= whole.contradicted;
                    let next = Next::Protocol(fragment.version, whole.protocol);
                    return self.walk(inside, next, now, sink);
                }
            }
        }
    }

    /// A UDP datagram: what is inside if it is a tunnel's, else itself. `cursor` stands at its
    /// payload.
    fn unwrap_tunnel<'a, S: FnMut(&Packet<'_>)>(
        &mut self,
        mut cursor: Cursor<'a>,
        mut datagram: Datagram<'a>,
        now: Timestamp,
        sink: &mut S,
    ) -> Result<(), Skip> {
        let (source, target) = (datagram.source.port, datagram.target.port);
        if tunnel::is_tunnel(source, target) {
            let mut inside = cursor;
            let walked = tunnel::udp(&mut inside, source, target)
                .map(|next| next.and_then(|next| self.walk(inside, next, now, sink)));
            match walked {
                // A tunnel's header with nonsense behind it was no tunnel's header.
                None | Some(Err(Skip::Malformed(_))) => {}
                Some(decoded) => return decoded,
            }
            if tunnel::strip_dtls_preamble(&mut cursor, source, target) {
                datagram.payload = cursor.bytes.peek();
                datagram.layers = cursor.layers;
            }
        }
        self.deliver(&Packet::Datagram(datagram), sink);
        Ok(())
    }
}

/// RFC 9293 §3.1.
fn segment(mut cursor: Cursor<'_>) -> Result<Segment<'_>, Skip> {
    let header = match TcpHeaderSlice::from_slice(cursor.bytes.peek()) {
        Ok(header) => header,
        Err(HeaderSliceError::Len(_)) => return Err(cursor.short(Layer::Transport)),
        Err(HeaderSliceError::Content(_)) => return Err(Skip::Malformed(Layer::Transport)),
    };
    let flags = TcpFlags(header.slice().get(13).copied().unwrap_or_default());
    cursor.skip(header.slice().len(), Layer::Transport)?;
    Ok(Segment {
        source: Endpoint { address: cursor.source, port: header.source_port() },
        target: Endpoint { address: cursor.target, port: header.destination_port() },
        domain: cursor.domain,
        seq: SeqNumber(header.sequence_number()),
        ack: SeqNumber(header.acknowledgment_number()),
        flags,
        ttl: cursor.ttl,
        payload: cursor.bytes.peek(),
        cut: cut(&cursor),
        layers: cursor.layers,
    })
}

/// RFC 768. Leaves the cursor at the payload.
fn datagram<'a>(cursor: &mut Cursor<'a>) -> Result<Datagram<'a>, Skip> {
    let Ok(header) = UdpHeaderSlice::from_slice(cursor.bytes.peek()) else {
        return Err(cursor.short(Layer::Transport));
    };
    match usize::from(header.length()) {
        // RFC 2675 §4: a jumbogram's length, as far as IP says; offloaded ones have it too.
        0 => {}
        length => cursor.limit(length),
    }
    // A length that ends within its own header.
    let length = header.slice().len();
    cursor.bytes.skip(length).ok_or(Skip::Malformed(Layer::Transport))?;
    Ok(Datagram {
        source: Endpoint { address: cursor.source, port: header.source_port() },
        target: Endpoint { address: cursor.target, port: header.destination_port() },
        domain: cursor.domain,
        payload: cursor.bytes.peek(),
        cut: cut(cursor),
        layers: cursor.layers,
    })
}

/// The bytes that the capture did not keep.
fn cut(cursor: &Cursor<'_>) -> u32 {
    u32::try_from(cursor.cut).unwrap_or(u32::MAX)
}
