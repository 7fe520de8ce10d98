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

mod cursor;
pub mod decode;
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

pub use decode::Decoder;
pub use stats::{Layer, PacketStats, Skip};

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use serde::{Serialize, Serializer};

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

/// An IP address of either version in 16 bytes; IPv4 stands IPv4-mapped (RFC 4291 §2.5.5.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address([u8; 16]);

impl Address {
    /// An IPv4 address.
    pub const fn v4(octets: [u8; 4]) -> Self {
        // As a number, which is two wide stores; byte by byte it would be sixteen.
        Self((0xffff << 80 | (u32::from_le_bytes(octets) as u128) << 96).to_le_bytes())
    }

    /// An IPv6 address.
    pub const fn v6(octets: [u8; 16]) -> Self {
        Self(octets)
    }

    /// The link-local IPv6 address that a MAC address makes (RFC 4291 §2.5.1 and appendix A): the
    /// address of a host of which no other is known.
    pub fn of_mac(Mac(mac): Mac) -> Self {
        let [first, x, y, ref device @ ..] = mac;
        let mut octets = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, first ^ 0x02, x, y, 0xff, 0xfe, 0, 0, 0];
        octets.iter_mut().rev().zip(device.iter().rev()).for_each(|(to, from)| *to = *from);
        Self(octets)
    }

    /// The 16 bytes.
    pub const fn octets(self) -> [u8; 16] {
        self.0
    }

    /// As the standard library's type, IPv4 as such.
    pub fn to_ip(self) -> IpAddr {
        Ipv6Addr::from(self.0).to_canonical()
    }
}

impl From<IpAddr> for Address {
    fn from(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(ip) => Self::v4(ip.octets()),
            IpAddr::V6(ip) => Self::v6(ip.octets()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_ip().fmt(f)
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Two in every record: the usual kind goes without the formatter.
        match self.to_ip() {
            IpAddr::V4(ip) => {
                let (text, length) = dotted(ip.octets());
                let text = text.get(..length).unwrap_or_default();
                serializer.serialize_str(str::from_utf8(text).unwrap_or_default())
            }
            ip @ IpAddr::V6(_) => serializer.collect_str(&ip),
        }
    }
}

/// `203.0.113.7`, and how long that is.
fn dotted(octets: [u8; 4]) -> ([u8; 16], usize) {
    let mut text = [0; 16];
    let mut length = 0_usize;
    for octet in octets {
        // Three digits and a dot are written, and what is not needed of them is written over.
        let (digits, size) = OCTETS.get(usize::from(octet)).copied().unwrap_or_default();
        if let Some(place) = text.get_mut(length..).and_then(<[u8]>::first_chunk_mut) {
            *place = digits;
        }
        length = length.saturating_add(size);
    }
    (text, length.saturating_sub(1))
}

/// The digits of each octet, a dot behind them, and how many bytes these are.
#[allow(clippy::indexing_slicing, reason = "checked when it is built")]
static OCTETS: [([u8; 4], usize); 256] = {
    let mut octets = [([b'.'; 4], 2); 256];
    let mut octet = 0_u8;
    loop {
        let ones = b'0' | (octet % 10);
        octets[octet as usize] = match octet {
            0..=9 => ([ones, b'.', b'.', b'.'], 2),
            10..=99 => ([b'0' | (octet / 10), ones, b'.', b'.'], 3),
            _ => ([b'0' | (octet / 100), b'0' | (octet / 10 % 10), ones, b'.'], 4),
        };
        let Some(next) = octet.checked_add(1) else { break octets };
        octet = next;
    }
};

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

    /// Whether it was given by whoever runs the network, or made up by the host, not by a vendor.
    pub const fn is_local(self) -> bool {
        let Self([first, ..]) = self;
        first & 0x02 != 0
    }
}

impl Mac {
    /// `02:00:5e:10:00:01`.
    fn text(self) -> [u8; 17] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or_default();
        let mut text = [b':'; 17];
        for (place, byte) in text.chunks_mut(3).zip(self.0) {
            place.iter_mut().zip([byte >> 4, byte & 0x0f]).for_each(|(to, of)| *to = digit(of));
        }
        text
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(&self.text()).unwrap_or_default())
    }
}

impl Serialize for Mac {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(str::from_utf8(&self.text()).unwrap_or_default())
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
