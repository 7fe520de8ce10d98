//! The usual frame in as few steps as there are: Ethernet, at most one tag, IP without options,
//! TCP or UDP, captured whole.
//!
//! Whatever is not like that is left to the general way, which gives the same for these as well.

use crate::capture::{Frame, LinkType};
use crate::packet::{
    Address, Datagram, Domain, Endpoint, Mac, Packet, Segment, SeqNumber, TcpFlags, tunnel,
};

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const VLAN: u16 = 0x8100;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// The packet in `frame`, if it is a usual one, and in no tunnel.
pub(super) fn packet<'a>(frame: &Frame<'a>) -> Option<Packet<'a>> {
    let mut segment = Segment::default();
    match carried(frame, &mut segment)? {
        (TCP, bytes) => {
            tcp(bytes, &mut segment)?;
            Some(Packet::Segment(segment))
        }
        (UDP, bytes) => datagram(bytes, segment).map(Packet::Datagram),
        _ => None,
    }
}

/// Make `segment` the one in `frame`, if that is a usual one; if not it is left as it may be.
///
/// Headers are looked at as wholes, which is one check of a length for each, and what stands in them
/// is stored at once where it is to be: what is put together elsewhere in small pieces, and then
/// copied, has to be waited for.
#[allow(clippy::inline_always, reason = "called for each packet at one place")]
#[inline(always)]
pub(super) fn segment<'a>(frame: &Frame<'a>, segment: &mut Segment<'a>) -> Option<()> {
    let (TCP, bytes) = carried(frame, segment)? else { return None };
    tcp(bytes, segment)
}

/// RFC 9293 §3.1.
#[allow(clippy::inline_always, reason = "as for `segment`")]
#[inline(always)]
fn tcp<'a>(bytes: &'a [u8], segment: &mut Segment<'a>) -> Option<()> {
    let header = bytes.first_chunk::<20>()?;
    segment.source.port = u16::from_be_bytes([header[0], header[1]]);
    segment.target.port = u16::from_be_bytes([header[2], header[3]]);
    segment.seq = SeqNumber(u32::from_be_bytes([header[4], header[5], header[6], header[7]]));
    segment.ack = SeqNumber(u32::from_be_bytes([header[8], header[9], header[10], header[11]]));
    segment.flags = TcpFlags(header[13]);
    let length = usize::from(header[12] >> 4).wrapping_mul(4);
    if length < header.len() {
        return None;
    }
    segment.payload = bytes.get(length..)?;
    segment.cut = 0;
    Some(())
}

/// RFC 768. What is below it stands in a segment.
fn datagram<'a>(bytes: &'a [u8], below: Segment<'_>) -> Option<Datagram<'a>> {
    let (header, _) = bytes.split_first_chunk::<8>()?;
    let [source, target, length, _] = header.as_chunks().0 else { return None };
    let [source, target, length] = [*source, *target, *length].map(u16::from_be_bytes);
    if tunnel::is_tunnel(source, target) {
        return None;
    }
    Some(Datagram {
        source: Endpoint { address: below.source.address, port: source },
        target: Endpoint { address: below.target.address, port: target },
        domain: below.domain,
        payload: bytes.get(header.len()..usize::from(length))?,
        cut: 0,
        layers: below.layers,
    })
}

/// What IP carries in `frame`, and its number; all below it goes into `segment`.
#[allow(clippy::inline_always, reason = "as for `segment`")]
#[inline(always)]
fn carried<'a>(frame: &Frame<'a>, segment: &mut Segment<'_>) -> Option<(u8, &'a [u8])> {
    if frame.link != LinkType::ETHERNET {
        return None;
    }
    let (ethernet, mut bytes) = frame.bytes.split_first_chunk::<14>()?;
    let [t0, t1, t2, t3, t4, t5, s0, s1, s2, s3, s4, s5, kind @ ..] = *ethernet;
    let mut kind = u16::from_be_bytes(kind);
    let mut vlan = 0;
    segment.domain = Domain::default();
    if kind == VLAN {
        let (&[tag_0, tag_1, kind_0, kind_1], behind) = bytes.split_first_chunk()?;
        bytes = behind;
        kind = u16::from_be_bytes([kind_0, kind_1]);
        vlan = u16::from_be_bytes([tag_0, tag_1]) & 0x0fff;
        if vlan != 0 {
            segment.domain = segment.domain.in_vlan(vlan);
        }
    }
    let (source, target) = (Mac([s0, s1, s2, s3, s4, s5]), Mac([t0, t1, t2, t3, t4, t5]));
    segment.layers.be_of_frame(source, target, vlan);
    match kind {
        IPV4 => {
            let header = bytes.first_chunk::<20>()?;
            // Version 4 and five words of header; no more fragments, and no place among them.
            let fragment = u16::from_be_bytes([header[6], header[7]]) & 0x3fff;
            if header[0] != 0x45 || fragment != 0 {
                return None;
            }
            segment.source.address = Address::v4([header[12], header[13], header[14], header[15]]);
            segment.target.address = Address::v4([header[16], header[17], header[18], header[19]]);
            segment.ttl = header[8];
            let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
            Some((header[9], bytes.get(header.len()..length)?))
        }
        IPV6 => {
            let (header, behind) = bytes.split_first_chunk::<40>()?;
            if header[0] & 0xf0 != 0x60 {
                return None;
            }
            let ([source, target], _) = header.split_at(8).1.as_chunks() else { return None };
            segment.source.address = Address::v6(*source);
            segment.target.address = Address::v6(*target);
            segment.ttl = header[7];
            // A length of zero leaves no room for TCP or UDP: the general way knows what it means.
            let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
            Some((header[6], behind.get(..length)?))
        }
        _ => None,
    }
}
