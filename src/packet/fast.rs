//! The usual frame in as few steps as there are: Ethernet, at most one tag, IP without options,
//! TCP or UDP, captured whole.
//!
//! Whatever is not like that is left to the general way, which gives the same for these as well.

use etherparse::{
    Ethernet2HeaderSlice, Ipv4HeaderSlice, Ipv6HeaderSlice, SingleVlanHeaderSlice, TcpHeaderSlice,
    UdpHeaderSlice,
};

use crate::bytes::Reader;
use crate::capture::{Frame, LinkType};
use crate::packet::{
    Address, Datagram, Domain, Endpoint, Layers, Mac, Packet, Segment, SeqNumber, TcpFlags, tunnel,
};

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const VLAN: u16 = 0x8100;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// The packet in `frame`, if it is a usual one.
#[inline]
pub(super) fn decode<'a>(frame: &Frame<'a>) -> Option<Packet<'a>> {
    if frame.link != LinkType::ETHERNET {
        return None;
    }
    let mut bytes = Reader::new(frame.bytes);
    let ethernet = Ethernet2HeaderSlice::from_slice(bytes.peek()).ok()?;
    let mut kind = ethernet.ether_type().0;
    let mut layers = Layers {
        source_mac: Some(Mac(ethernet.source())),
        target_mac: Some(Mac(ethernet.destination())),
        ..Layers::default()
    };
    bytes.skip(14)?;
    let mut domain = Domain::default();
    if kind == VLAN {
        let tag = SingleVlanHeaderSlice::from_slice(bytes.peek()).ok()?;
        let id = tag.vlan_identifier().value();
        if id != 0 {
            layers.push_vlan(id);
            domain = domain.in_vlan(id);
        }
        kind = tag.ether_type().0;
        bytes.skip(4)?;
    }
    let (source, target, protocol, payload) = match kind {
        IPV4 => v4(bytes)?,
        IPV6 => v6(bytes)?,
        _ => return None,
    };
    let place = Place { source, target, domain, layers };
    match protocol {
        TCP => tcp(place, payload),
        UDP => udp(place, payload),
        _ => None,
    }
}

#[derive(Clone, Copy)]
struct Place {
    source: Address,
    target: Address,
    domain: Domain,
    layers: Layers,
}

type Ip<'a> = (Address, Address, u8, Reader<'a>);

#[inline]
fn v4(mut bytes: Reader<'_>) -> Option<Ip<'_>> {
    let header = Ipv4HeaderSlice::from_slice(bytes.peek()).ok()?;
    if header.slice().len() != 20 || header.is_fragmenting_payload() {
        return None;
    }
    let mut payload = bytes.sub(usize::from(header.total_len()))?;
    payload.skip(20)?;
    let (source, target) = (Address::v4(header.source()), Address::v4(header.destination()));
    Some((source, target, header.protocol().0, payload))
}

#[inline]
fn v6(mut bytes: Reader<'_>) -> Option<Ip<'_>> {
    let header = Ipv6HeaderSlice::from_slice(bytes.peek()).ok()?;
    bytes.skip(40)?;
    // A length of zero leaves no room for TCP or UDP: the general way knows what it means.
    let payload = bytes.sub(usize::from(header.payload_length()))?;
    let (source, target) = (Address::v6(header.source()), Address::v6(header.destination()));
    Some((source, target, header.next_header().0, payload))
}

#[inline]
fn tcp(place: Place, mut bytes: Reader<'_>) -> Option<Packet<'_>> {
    let header = TcpHeaderSlice::from_slice(bytes.peek()).ok()?;
    let flags = TcpFlags(*header.slice().get(13)?);
    bytes.skip(header.slice().len())?;
    Some(Packet::Segment(Segment {
        source: Endpoint { address: place.source, port: header.source_port() },
        target: Endpoint { address: place.target, port: header.destination_port() },
        domain: place.domain,
        seq: SeqNumber(header.sequence_number()),
        ack: SeqNumber(header.acknowledgment_number()),
        flags,
        payload: bytes.rest(),
        cut: 0,
        layers: place.layers,
    }))
}

#[inline]
fn udp(place: Place, bytes: Reader<'_>) -> Option<Packet<'_>> {
    let header = UdpHeaderSlice::from_slice(bytes.peek()).ok()?;
    let (source, target) = (header.source_port(), header.destination_port());
    if tunnel::is_tunnel(source, target) {
        return None;
    }
    let mut datagram = bytes;
    let mut datagram = datagram.sub(usize::from(header.length()))?;
    datagram.skip(8)?;
    Some(Packet::Datagram(Datagram {
        source: Endpoint { address: place.source, port: source },
        target: Endpoint { address: place.target, port: target },
        domain: place.domain,
        payload: datagram.rest(),
        cut: 0,
        layers: place.layers,
    }))
}
