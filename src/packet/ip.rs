//! IPv4 and IPv6 with its extension headers.
//!
//! Lengths follow the header as far as the wire agrees; checksums are not looked at, as the
//! capturing host may not have computed them yet (offload).

use etherparse::err::{ip_auth, ipv4, ipv6};
use etherparse::{
    IpAuthHeaderSlice, Ipv4HeaderSlice, Ipv6FragmentHeaderSlice, Ipv6HeaderSlice,
    Ipv6RawExtHeaderSlice,
};

use crate::bytes::Reader;
use crate::packet::cursor::{Cursor, Fragment, Next, Version};
use crate::packet::{Address, Layer, Skip, Tunnel, gre, mpls, tunnel};

/// An IP header of the version that its first four bits name.
pub(super) fn ip(cursor: &mut Cursor<'_>) -> Result<Next, Skip> {
    cursor.count_header()?;
    match cursor.peek().map(|byte| byte >> 4) {
        Some(4) => v4(cursor),
        Some(6) => v6(cursor),
        Some(_) => Err(Skip::Malformed(Layer::Ip)),
        None => Err(cursor.short(Layer::Ip)),
    }
}

/// RFC 791 §3.1.
fn v4(cursor: &mut Cursor<'_>) -> Result<Next, Skip> {
    let header = match Ipv4HeaderSlice::from_slice(cursor.bytes.peek()) {
        Ok(header) => header,
        Err(ipv4::HeaderSliceError::Len(_)) => return Err(cursor.short(Layer::Ip)),
        Err(ipv4::HeaderSliceError::Content(_)) => return Err(Skip::Malformed(Layer::Ip)),
    };
    let length = usize::from(header.total_len());
    // Zero: the network card was to cut this into segments of its own lengths, or it is longer
    // than the field can say. All that is there belongs to it.
    if length != 0 {
        if length < header.slice().len() {
            return Err(Skip::Malformed(Layer::Ip));
        }
        cursor.limit(length);
    }
    cursor.source = Address::v4(header.source());
    cursor.target = Address::v4(header.destination());
    cursor.ttl = header.ttl();
    cursor.skip(header.slice().len(), Layer::Ip)?;
    let protocol = header.protocol().0;
    if header.is_fragmenting_payload() {
        return Ok(Next::Fragment(Fragment {
            version: Version::V4,
            id: u32::from(header.identification()),
            protocol,
            offset: u32::from(header.fragments_offset().value()).wrapping_shl(3),
            more: header.more_fragments(),
        }));
    }
    Ok(Next::Protocol(Version::V4, protocol))
}

/// RFC 8200 §3.
fn v6(cursor: &mut Cursor<'_>) -> Result<Next, Skip> {
    let header = match Ipv6HeaderSlice::from_slice(cursor.bytes.peek()) {
        Ok(header) => header,
        Err(ipv6::HeaderSliceError::Len(_)) => return Err(cursor.short(Layer::Ip)),
        Err(ipv6::HeaderSliceError::Content(_)) => return Err(Skip::Malformed(Layer::Ip)),
    };
    cursor.source = Address::v6(header.source());
    cursor.target = Address::v6(header.destination());
    cursor.ttl = header.hop_limit();
    cursor.skip(header.slice().len(), Layer::Ip)?;
    let next = header.next_header().0;
    match usize::from(header.payload_length()) {
        // As in IPv4, unless a jumbo payload option tells the length.
        0 => {
            if next == 0
                && let Some(length) = jumbo_length(cursor.bytes)
            {
                cursor.limit(length);
            }
        }
        length => cursor.limit(length),
    }
    Ok(Next::Protocol(Version::V6, next))
}

/// RFC 2675 §2: the length in a hop-by-hop options header, if it has one.
fn jumbo_length(mut bytes: Reader<'_>) -> Option<usize> {
    let [_, length] = bytes.array()?;
    let mut options = bytes.sub(usize::from(length).saturating_mul(8).saturating_add(6))?;
    loop {
        // RFC 8200 §4.2: type 0 is one byte of padding without a length.
        match options.u8()? {
            0 => {}
            0xc2 => return usize::try_from(options.sub_u8()?.u32()?).ok(),
            _ => {
                options.sub_u8()?;
            }
        }
    }
}

/// What stands behind an IP header, TCP and UDP excepted.
pub(super) fn protocol(
    cursor: &mut Cursor<'_>,
    version: Version,
    protocol: u8,
) -> Result<Next, Skip> {
    match (version, protocol) {
        // Hop-by-hop options, destination options, mobility, HIP, Shim6: RFC 7045 §4.
        (Version::V6, 0 | 60 | 135 | 139 | 140) => extension(cursor),
        (Version::V6, 43) => routing(cursor),
        (Version::V6, 44) => fragment(cursor),
        (_, 51) => authentication(cursor, version),
        (_, 4) => {
            cursor.enter_tunnel(Tunnel::Ipip)?;
            Ok(Next::Ip)
        }
        (_, 41) => {
            let tunnel = if version == Version::V4 { Tunnel::SixInFour } else { Tunnel::Ipip };
            cursor.enter_tunnel(tunnel)?;
            Ok(Next::Ip)
        }
        (_, 47) => gre::gre(cursor),
        (_, 115) => tunnel::l2tp_over_ip(cursor),
        (_, 137) => mpls::labels(cursor),
        // RFC 8986 §10.1: an Ethernet frame behind a segment routing header.
        (Version::V6, 143) => Ok(Next::Ethernet),
        _ => Err(Skip::NotTcpOrUdp),
    }
}

/// RFC 8200 §4: next header, length in words of eight bytes beyond the first.
fn extension(cursor: &mut Cursor<'_>) -> Result<Next, Skip> {
    let Ok(header) = Ipv6RawExtHeaderSlice::from_slice(cursor.bytes.peek()) else {
        return Err(cursor.short(Layer::Ip));
    };
    let next = header.next_header().0;
    cursor.skip(header.slice().len(), Layer::Ip)?;
    Ok(Next::Protocol(Version::V6, next))
}

/// RFC 8200 §4.4. On the way the packet is addressed to the next router on its list; the
/// conversation is with the last one, and TCP's checksum says so too (§8.1).
fn routing(cursor: &mut Cursor<'_>) -> Result<Next, Skip> {
    let Ok(header) = Ipv6RawExtHeaderSlice::from_slice(cursor.bytes.peek()) else {
        return Err(cursor.short(Layer::Ip));
    };
    let last = match header.payload() {
        [_, 0, ..] => None,
        // RFC 5095, RFC 6275 §6.4: a list in the order of travel.
        [0 | 2, _, _, _, _, _, list @ ..] => list.last_chunk::<16>(),
        // RFC 8754 §2: a list in reverse order.
        [4, _, _, _, _, _, list @ ..] => list.first_chunk::<16>(),
        _ => None,
    };
    if let Some(last) = last {
        cursor.target = Address::v6(*last);
    }
    extension(cursor)
}

/// RFC 8200 §4.5.
fn fragment(cursor: &mut Cursor<'_>) -> Result<Next, Skip> {
    cursor.count_header()?;
    let Ok(header) = Ipv6FragmentHeaderSlice::from_slice(cursor.bytes.peek()) else {
        return Err(cursor.short(Layer::Ip));
    };
    cursor.skip(header.slice().len(), Layer::Ip)?;
    let protocol = header.next_header().0;
    // RFC 6946 §4: a fragment that is the whole datagram has nothing to wait for.
    if !header.is_fragmenting_payload() {
        return Ok(Next::Protocol(Version::V6, protocol));
    }
    Ok(Next::Fragment(Fragment {
        version: Version::V6,
        id: header.identification(),
        protocol,
        offset: u32::from(header.fragment_offset().value()).wrapping_shl(3),
        more: header.more_fragments(),
    }))
}

/// RFC 4302 §2.
fn authentication(cursor: &mut Cursor<'_>, version: Version) -> Result<Next, Skip> {
    let header = match IpAuthHeaderSlice::from_slice(cursor.bytes.peek()) {
        Ok(header) => header,
        Err(ip_auth::HeaderSliceError::Len(_)) => return Err(cursor.short(Layer::Ip)),
        Err(ip_auth::HeaderSliceError::Content(_)) => return Err(Skip::Malformed(Layer::Ip)),
    };
    let next = header.next_header().0;
    cursor.skip(header.slice().len(), Layer::Ip)?;
    Ok(Next::Protocol(version, next))
}
