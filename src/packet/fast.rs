//! The usual frame in as few steps as there are: Ethernet, at most one tag, IP without options,
//! TCP or UDP, captured whole.
//!
//! Whatever is not like that is left to the general way, which gives the same for these as well.

use etherparse::{Ipv4HeaderSlice, Ipv6HeaderSlice, TcpHeaderSlice, UdpHeaderSlice};

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

/// Hand the packet in `frame` to `sink`, if it is a usual one; `None` and nothing done if not.
///
/// Addresses are copied as arrays (a wide load and a store) from where they stand to where they
/// go; the packet is made once, in the caller's frame.
#[inline]
pub(super) fn decode<'a>(frame: &Frame<'a>, sink: &mut impl FnMut(&Packet<'a>)) -> Option<()> {
    if frame.link != LinkType::ETHERNET {
        return None;
    }
    let mut bytes = Reader::new(frame.bytes);
    let target_mac = Some(Mac(bytes.array()?));
    let source_mac = Some(Mac(bytes.array()?));
    let mut layers = Layers { source_mac, target_mac, ..Layers::default() };
    let mut domain = Domain::default();
    let mut kind = bytes.u16()?;
    if kind == VLAN {
        let id = bytes.u16()? & 0x0fff;
        kind = bytes.u16()?;
        if id != 0 {
            layers.push_vlan(id);
            domain = domain.in_vlan(id);
        }
    }
    let mut place =
        Place { source: Address::default(), target: Address::default(), ttl: 0, domain, layers };
    let protocol = match kind {
        IPV4 => {
            let header = Ipv4HeaderSlice::from_slice(bytes.peek()).ok()?;
            if header.slice().len() != 20 || header.is_fragmenting_payload() {
                return None;
            }
            bytes = bytes.sub(usize::from(header.total_len()))?;
            bytes.skip(12)?;
            place.source = Address::v4(bytes.array()?);
            place.target = Address::v4(bytes.array()?);
            place.ttl = header.ttl();
            header.protocol().0
        }
        IPV6 => {
            let header = Ipv6HeaderSlice::from_slice(bytes.peek()).ok()?;
            bytes.skip(8)?;
            place.source = Address::v6(bytes.array()?);
            place.target = Address::v6(bytes.array()?);
            place.ttl = header.hop_limit();
            // A length of zero leaves no room for TCP or UDP: the general way knows what it means.
            bytes = bytes.sub(usize::from(header.payload_length()))?;
            header.next_header().0
        }
        _ => return None,
    };
    transport(protocol, &place, bytes, sink)
}

/// What the headers below TCP and UDP said.
struct Place {
    source: Address,
    target: Address,
    ttl: u8,
    domain: Domain,
    layers: Layers,
}

#[inline]
fn transport<'a>(
    protocol: u8,
    place: &Place,
    mut bytes: Reader<'a>,
    sink: &mut impl FnMut(&Packet<'a>),
) -> Option<()> {
    match protocol {
        TCP => {
            let header = TcpHeaderSlice::from_slice(bytes.peek()).ok()?;
            let flags = TcpFlags(*header.slice().get(13)?);
            bytes.skip(header.slice().len())?;
            sink(&Packet::Segment(Segment {
                source: Endpoint { address: place.source, port: header.source_port() },
                target: Endpoint { address: place.target, port: header.destination_port() },
                domain: place.domain,
                seq: SeqNumber(header.sequence_number()),
                ack: SeqNumber(header.acknowledgment_number()),
                flags,
                ttl: place.ttl,
                payload: bytes.rest(),
                cut: 0,
                layers: place.layers,
            }));
        }
        UDP => {
            let header = UdpHeaderSlice::from_slice(bytes.peek()).ok()?;
            let (source, target) = (header.source_port(), header.destination_port());
            if tunnel::is_tunnel(source, target) {
                return None;
            }
            let mut datagram = bytes.sub(usize::from(header.length()))?;
            datagram.skip(8)?;
            sink(&Packet::Datagram(Datagram {
                source: Endpoint { address: place.source, port: source },
                target: Endpoint { address: place.target, port: target },
                domain: place.domain,
                payload: datagram.rest(),
                cut: 0,
                layers: place.layers,
            }));
        }
        _ => return None,
    }
    Some(())
}
