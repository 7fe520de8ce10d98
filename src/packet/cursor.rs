//! Where the decoder stands in a frame, and what it has learnt on the way there.

use crate::bytes::Reader;
use crate::capture::Frame;
use crate::packet::{Address, Domain, Layer, Layers, Skip, Tunnel};

/// What the bytes ahead of a [`Cursor`] are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// An Ethernet frame, from its target address on.
    Ethernet,
    /// What this `EtherType` says.
    EtherType(u16),
    /// An IEEE 802.2 logical link control header.
    Llc,
    /// A PPP frame, from its address or protocol field on.
    Ppp,
    /// An IEEE 802.11 frame.
    Wlan,
    /// An IP packet; its first four bits say of which version.
    Ip,
    /// What stands behind an IP header: the version of that header, the protocol number.
    Protocol(Version, u8),
    /// A fragment of an IP payload.
    Fragment(Fragment),
    /// A frame of EAP over LAN.
    Eapol,
}

/// The version of an IP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Version {
    /// RFC 791.
    V4,
    /// RFC 8200.
    V6,
}

/// What a header says of the fragment behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fragment {
    /// The version of the header.
    pub(super) version: Version,
    /// Which datagram it is a part of.
    pub(super) id: u32,
    /// What the datagram carries (in IPv6 only the first fragment is to be believed).
    pub(super) protocol: u8,
    /// Where in the datagram's payload it belongs, in bytes.
    pub(super) offset: u32,
    /// Whether others follow it.
    pub(super) more: bool,
}

/// A place in a frame, and everything that the headers before it said.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    /// What was captured from here on.
    pub(super) bytes: Reader<'a>,
    /// How many bytes followed those on the wire.
    pub(super) cut: usize,
    /// Sender of the innermost IP header so far.
    pub(super) source: Address,
    /// Receiver of the innermost IP header so far.
    pub(super) target: Address,
    /// Time to live of the innermost IP header so far.
    pub(super) ttl: u8,
    /// The address space that the tags so far make up.
    pub(super) domain: Domain,
    /// The tags and tunnels so far.
    pub(super) layers: Layers,
    headers_left: u8,
}

impl<'a> Cursor<'a> {
    /// At the start of `frame`, with so many headers allowed.
    pub(super) fn new(frame: &Frame<'a>, headers: u8) -> Self {
        let wire = usize::try_from(frame.wire_len).unwrap_or(usize::MAX);
        Self {
            bytes: Reader::new(frame.bytes),
            // A frame that claims to have been shorter than what was captured of it was not cut.
            cut: wire.saturating_sub(frame.bytes.len()),
            source: Address::default(),
            target: Address::default(),
            ttl: 0,
            domain: Domain::default(),
            layers: Layers::default(),
            headers_left: headers,
        }
    }

    /// The same knowledge at the start of other bytes: a reassembled datagram.
    pub(super) fn over<'b>(&self, bytes: &'b [u8], cut: usize) -> Cursor<'b> {
        Cursor { bytes: Reader::new(bytes), cut, ..*self }
    }

    /// How many bytes there were from here on, captured or not.
    pub(super) fn wire(&self) -> usize {
        self.bytes.remaining().saturating_add(self.cut)
    }

    /// End `length` bytes from here, as a header says: what lies behind is padding or a trailer.
    /// A header that claims more than the wire had is not believed.
    pub(super) fn limit(&mut self, length: usize) {
        self.cut = self.cut.min(length.saturating_sub(self.bytes.remaining()));
        self.bytes = Reader::new(self.bytes.take_up_to(length));
    }

    /// Why a header of `layer` is not whole here: for the capture, or for its sender.
    pub(super) fn short(&self, layer: Layer) -> Skip {
        if self.cut > 0 { Skip::Truncated(layer) } else { Skip::Malformed(layer) }
    }

    /// The next `N` bytes, as a part of a header of `layer`.
    pub(super) fn header<const N: usize>(&mut self, layer: Layer) -> Result<[u8; N], Skip> {
        self.bytes.array().ok_or_else(|| self.short(layer))
    }

    /// Step over `count` bytes of a header of `layer`.
    pub(super) fn skip(&mut self, count: usize, layer: Layer) -> Result<(), Skip> {
        self.bytes.skip(count).ok_or_else(|| self.short(layer))
    }

    /// The byte ahead.
    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.peek().first().copied()
    }

    /// One more header is stacked.
    pub(super) fn count_header(&mut self) -> Result<(), Skip> {
        self.headers_left = self.headers_left.checked_sub(1).ok_or(Skip::TooDeep)?;
        Ok(())
    }

    /// A tag of a virtual LAN was passed.
    pub(super) fn enter_vlan(&mut self, id: u16) {
        // IEEE 802.1Q-2018 §6.9: id 0 gives a frame a priority and no VLAN. One direction of a
        // conversation often has it and the other not.
        if id != 0 {
            self.layers.push_vlan(id);
            self.domain = self.domain.in_vlan(id);
        }
    }

    /// The header of a tunnel was passed.
    ///
    /// What IP carries is in another address space than the carrier. The tags outside belong to
    /// the carrying network, which may send each direction, or a packet's copy, over another of
    /// its links.
    pub(super) fn enter_tunnel(&mut self, tunnel: Tunnel) -> Result<(), Skip> {
        self.count_header()?;
        self.layers.push_tunnel(tunnel);
        if !matches!(tunnel, Tunnel::Pppoe | Tunnel::Mpls) {
            self.domain = Domain::default();
        }
        Ok(())
    }

    /// The header of a tunnel was passed that names the virtual network inside.
    pub(super) fn enter_network(&mut self, tunnel: Tunnel, id: u32) -> Result<(), Skip> {
        self.enter_tunnel(tunnel)?;
        self.domain = Domain::of_network(tunnel, id);
        Ok(())
    }
}
