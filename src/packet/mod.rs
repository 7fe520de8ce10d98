//! Frame → TCP segment, UDP datagram or EAP over LAN, or the reason why not.
//!
//! In go [`Frame`]s of any [link type], out come [`Packet`]s whose payload borrows from the frame.
//! Tags and tunnels are unwrapped on the way: what is reported is the innermost conversation, with
//! the [`Layers`] it was found under. What cannot be decoded is a [`Skip`], counted by reason.
//!
//! [link type]: crate::capture::LinkType
//! [`Frame`]: crate::capture::Frame

#![warn(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing
)]

mod address;
mod cursor;
pub mod decode;
mod envelope;
mod fast;
mod fragment;
mod gre;
mod ip;
mod link;
mod mpls;
mod partial;
mod stats;
#[cfg(test)]
mod tests;
mod tunnel;
mod wlan;

pub use address::Address;
pub use decode::Decoder;
pub use stats::{Layer, PacketStats, Skip};

use std::fmt;
use std::net::IpAddr;

use serde::{Serialize, Serializer};

use crate::ascii::{Ascii, hex_digit};

/// What a frame carried.
#[derive(Clone, Copy, Debug)]
pub enum Packet<'a> {
    /// A TCP segment.
    Segment(Segment<'a>),
    /// A UDP datagram.
    Datagram(Datagram<'a>),
    /// A frame of EAP over LAN, which has no IP.
    Eapol(Eapol<'a>),
}

/// A TCP segment, borrowed from its frame.
#[derive(Clone, Copy, Debug, Default)]
pub struct Segment<'a> {
    /// Who sent it.
    pub source: Endpoint,
    /// To whom.
    pub target: Endpoint,
    /// Which of several overlapping address spaces the addresses belong to.
    pub domain: Domain,
    /// Sequence number of the first byte of `payload` (of the SYN, if there is one).
    pub seq: SeqNumber,
    /// Acknowledgement number.
    pub ack: SeqNumber,
    /// Control bits.
    pub flags: TcpFlags,
    /// How many routers it might still have passed (time to live, hop limit).
    pub ttl: u8,
    /// The payload as captured.
    pub payload: &'a [u8],
    /// Bytes of payload that were on the wire behind it but not captured.
    pub cut: u32,
    /// What it was wrapped in.
    pub layers: Layers,
}

impl Segment<'_> {
    /// Whether it does no more than acknowledge: no payload, and neither begins nor ends anything.
    #[inline]
    pub const fn only_acknowledges(&self) -> bool {
        self.payload.is_empty() && self.cut == 0 && self.flags.only_acknowledges()
    }
}

/// A UDP datagram, borrowed from its frame.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// Who sent it.
    pub source: Endpoint,
    /// To whom.
    pub target: Endpoint,
    /// Which of several overlapping address spaces the addresses belong to.
    pub domain: Domain,
    /// The payload as captured.
    pub payload: &'a [u8],
    /// Bytes of payload that were on the wire behind it but not captured.
    pub cut: u32,
    /// What it was wrapped in.
    pub layers: Layers,
}

/// A frame of EAP over LAN (IEEE 802.1X), borrowed from its frame. Who sent it to whom is in its
/// [`Layers`].
#[derive(Clone, Copy, Debug)]
pub struct Eapol<'a> {
    /// Which of several networks it was seen in.
    pub domain: Domain,
    /// What stands behind the `EtherType`, padding included, as captured.
    pub payload: &'a [u8],
    /// What it was wrapped in.
    pub layers: Layers,
}

/// An address and a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// The address.
    pub address: Address,
    /// The port.
    pub port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address.to_ip() {
            IpAddr::V4(ip) => write!(f, "{ip}:{}", self.port),
            IpAddr::V6(ip) => write!(f, "[{ip}]:{}", self.port),
        }
    }
}

/// Which address space an address belongs to: a hash over VLAN tags and virtual network ids, zero
/// where there are none. What differs by direction (MPLS labels, tunnel end points) is not in it,
/// nor are the tags of a network that carries this one in a tunnel over IP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Domain(pub u32);

impl Domain {
    /// The address space of VLAN `id` within this one.
    #[must_use]
    pub const fn in_vlan(self, id: u16) -> Self {
        self.within(0x8100, id as u32)
    }

    /// The address space of virtual network `id` of a tunnel.
    #[must_use]
    pub const fn of_network(tunnel: Tunnel, id: u32) -> Self {
        Self(0).within(tunnel as u32, id)
    }

    /// One step of `MurmurHash3`: no seed that changes from run to run, and never zero.
    const fn within(self, kind: u32, id: u32) -> Self {
        let word = (kind.wrapping_shl(24) ^ kind.wrapping_shr(8) ^ id)
            .wrapping_mul(0xcc9e_2d51)
            .rotate_left(15)
            .wrapping_mul(0x1b87_3593);
        let mut hash = (self.0 ^ word).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
        hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
        hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
        hash ^= hash >> 16;
        Self(if hash == 0 { 1 } else { hash })
    }
}

/// A TCP sequence number; comparison wraps around (RFC 9293 §3.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SeqNumber(pub u32);

impl SeqNumber {
    /// This number `count` bytes further on.
    #[must_use]
    pub const fn plus(self, count: u32) -> Self {
        Self(self.0.wrapping_add(count))
    }

    /// How far this number lies behind `earlier` (negative: before it).
    pub const fn offset_from(self, earlier: Self) -> i32 {
        self.0.wrapping_sub(earlier.0).cast_signed()
    }
}

/// The control bits of a TCP header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    const FIN: u8 = 0x01;
    const SYN: u8 = 0x02;
    const RST: u8 = 0x04;
    const ACK: u8 = 0x10;
    const URG: u8 = 0x20;

    /// No more data from the sender.
    pub const fn fin(self) -> bool {
        self.0 & Self::FIN != 0
    }

    /// Synchronise sequence numbers.
    pub const fn syn(self) -> bool {
        self.0 & Self::SYN != 0
    }

    /// Reset the connection.
    pub const fn rst(self) -> bool {
        self.0 & Self::RST != 0
    }

    /// Something begins with it, or ends.
    #[inline]
    pub const fn begins_or_ends(self) -> bool {
        self.0 & (Self::FIN | Self::SYN | Self::RST) != 0
    }

    /// The urgent pointer is valid.
    pub const fn urg(self) -> bool {
        self.0 & Self::URG != 0
    }

    /// The acknowledgement number is valid.
    pub const fn ack(self) -> bool {
        self.0 & Self::ACK != 0
    }

    /// The acknowledgement number is valid, and nothing begins or ends.
    const fn only_acknowledges(self) -> bool {
        self.0 & (Self::FIN | Self::SYN | Self::RST | Self::ACK) == Self::ACK
    }
}

/// A MAC address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// Whether it is the address of a group, not of one station.
    pub const fn is_group(self) -> bool {
        let Self([first, ..]) = self;
        first & 0x01 != 0
    }

    /// Whether it is that of one station: no group's, and not the zeros of loopback interfaces and of
    /// captures whose addresses were taken out.
    pub const fn is_station(self) -> bool {
        !self.is_group() && !matches!(self, Self([0, 0, 0, 0, 0, 0]))
    }

    /// Whether it was given by whoever runs the network, or made up by the host, not by a vendor.
    pub const fn is_local(self) -> bool {
        let Self([first, ..]) = self;
        first & 0x02 != 0
    }
}

impl Mac {
    /// `02:00:5e:10:00:01`.
    fn text(self) -> Ascii<32> {
        let mut text = [b':'; 32];
        for (place, byte) in text.as_chunks_mut::<3>().0.iter_mut().zip(self.0) {
            *place = [hex_digit(byte >> 4), hex_digit(byte), b':'];
        }
        Ascii::of(text, 17)
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text().as_str())
    }
}

impl Serialize for Mac {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.text().as_str())
    }
}

/// How many tags and tunnels of a packet are recorded; further ones are unwrapped all the same.
pub const RECORDED_LAYERS: usize = 4;

/// What a packet was wrapped in, outermost first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Layers {
    /// Sender's MAC address of the innermost link layer.
    pub source_mac: Option<Mac>,
    /// Receiver's MAC address of the innermost link layer.
    pub target_mac: Option<Mac>,
    vlans: [u16; RECORDED_LAYERS],
    vlan_count: u8,
    tunnels: [Option<Tunnel>; RECORDED_LAYERS],
    /// It came in IP fragments that do not agree on what it is.
    pub contradicted: bool,
}

impl Layers {
    /// Become those of a frame in no more than one VLAN; its id is zero if it is in none.
    #[inline]
    fn be_of_frame(&mut self, source: Mac, target: Mac, vlan: u16) {
        self.source_mac = Some(source);
        self.target_mac = Some(target);
        self.vlans = [vlan, 0, 0, 0];
        self.vlan_count = u8::from(vlan != 0);
        self.tunnels = [None; RECORDED_LAYERS];
        self.contradicted = false;
    }

    /// Note a VLAN tag (its 12-bit id).
    pub fn push_vlan(&mut self, id: u16) {
        if let Some(slot) = self.vlans.get_mut(usize::from(self.vlan_count)) {
            *slot = id;
            self.vlan_count = self.vlan_count.saturating_add(1);
        }
    }

    /// Note a tunnel.
    pub fn push_tunnel(&mut self, tunnel: Tunnel) {
        if let Some(slot) = self.tunnels.iter_mut().find(|slot| slot.is_none()) {
            *slot = Some(tunnel);
        }
    }

    /// The VLAN ids, outermost first.
    pub fn vlans(&self) -> &[u16] {
        self.vlans.get(..usize::from(self.vlan_count)).unwrap_or_default()
    }

    /// The tunnels, outermost first.
    pub fn tunnels(&self) -> impl Iterator<Item = Tunnel> + '_ {
        self.tunnels.iter().map_while(|tunnel| *tunnel)
    }
}

/// A way in which one packet is carried inside another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tunnel {
    /// Point-to-Point Protocol over Ethernet.
    Pppoe,
    /// Multiprotocol Label Switching.
    Mpls,
    /// Generic Routing Encapsulation.
    Gre,
    /// Network Virtualization using GRE.
    Nvgre,
    /// Encapsulated Remote SPAN, any type.
    Erspan,
    /// Virtual Extensible LAN.
    Vxlan,
    /// Generic Network Virtualization Encapsulation.
    Geneve,
    /// IPv4 or IPv6 directly inside IPv4 or IPv6.
    Ipip,
    /// IPv6 inside IPv4 (protocol 41).
    SixInFour,
    /// GPRS Tunnelling Protocol, user plane.
    Gtp,
    /// IPv6 inside UDP inside IPv4 (RFC 4380).
    Teredo,
    /// Layer 2 Tunneling Protocol.
    L2tp,
    /// Provider backbone bridging (802.1ah).
    Pbb,
    /// Control And Provisioning of Wireless Access Points, data channel.
    Capwap,
    /// EAP over LAN (IEEE 802.1X): a log-in to the network, before there is any address.
    Eapol,
    /// EAP in RADIUS (RFC 3579): the same, on its way from an access point to a server.
    Radius,
}

impl Tunnel {
    /// The name in records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pppoe => "pppoe",
            Self::Mpls => "mpls",
            Self::Gre => "gre",
            Self::Nvgre => "nvgre",
            Self::Erspan => "erspan",
            Self::Vxlan => "vxlan",
            Self::Geneve => "geneve",
            Self::Ipip => "ipip",
            Self::SixInFour => "6in4",
            Self::Gtp => "gtp",
            Self::Teredo => "teredo",
            Self::L2tp => "l2tp",
            Self::Pbb => "pbb",
            Self::Capwap => "capwap",
            Self::Eapol => "eapol",
            Self::Radius => "radius",
        }
    }
}
