//! GRE in its versions, and the mirrored frames (ERSPAN) that it carries.

use crate::packet::cursor::{Cursor, Next};
use crate::packet::link::{BRIDGING, PPP};
use crate::packet::{Layer, Skip, Tunnel};

/// Bits of the first two bytes (RFC 2784 §2.1, RFC 2890 §2, RFC 2637 §4.1).
const CHECKSUM: u16 = 0x8000;
const ROUTING: u16 = 0x4000;
const KEY: u16 = 0x2000;
const SEQUENCE: u16 = 0x1000;
const ACKNOWLEDGEMENT: u16 = 0x0080;
const VERSION: u16 = 0x0007;

/// Protocol types that are no `EtherTypes` of the frames inside.
const ERSPAN: u16 = 0x88be;
const ERSPAN_III: u16 = 0x22eb;
const WCCP: u16 = 0x883e;
/// Ethernet over IP of `MikroTik`'s routers, in PPTP's version of GRE.
const EOIP: u16 = 0x6400;

/// A GRE header.
pub(super) fn gre(cursor: &mut Cursor<'_>) -> Result<Next, Skip> {
    let flags = u16::from_be_bytes(cursor.header(Layer::Tunnel)?);
    let protocol = u16::from_be_bytes(cursor.header(Layer::Tunnel)?);
    match flags & VERSION {
        0 => {}
        1 => return point_to_point(cursor, flags, protocol),
        _ => return Err(Skip::Malformed(Layer::Tunnel)),
    }
    // RFC 2784 §2.3: a packet with a source route is to be discarded.
    if flags & ROUTING != 0 {
        return Err(Skip::Malformed(Layer::Tunnel));
    }
    if flags & CHECKSUM != 0 {
        cursor.skip(4, Layer::Tunnel)?;
    }
    let key = if flags & KEY != 0 {
        Some(u32::from_be_bytes(cursor.header(Layer::Tunnel)?))
    } else {
        None
    };
    if flags & SEQUENCE != 0 {
        cursor.skip(4, Layer::Tunnel)?;
    }
    match (protocol, key) {
        // RFC 7637 §3.2: a key without checksum and sequence is a virtual subnet and a flow id.
        (BRIDGING, Some(key)) if flags & (CHECKSUM | SEQUENCE) == 0 => {
            cursor.enter_network(Tunnel::Nvgre, key >> 8)?;
            Ok(Next::Ethernet)
        }
        (ERSPAN, _) => erspan(cursor, flags),
        (ERSPAN_III, _) => erspan_iii(cursor),
        (WCCP, _) => {
            cursor.enter_tunnel(Tunnel::Gre)?;
            // Version 2 of the protocol puts a redirect header of four bytes first.
            if cursor.peek().is_some_and(|byte| byte >> 4 != 4) {
                cursor.skip(4, Layer::Tunnel)?;
            }
            Ok(Next::Ip)
        }
        (protocol, _) => {
            cursor.enter_tunnel(Tunnel::Gre)?;
            Ok(Next::EtherType(protocol))
        }
    }
}

/// RFC 2637 §4.1: PPTP's own version, with a call id for a key.
fn point_to_point(cursor: &mut Cursor<'_>, flags: u16, protocol: u16) -> Result<Next, Skip> {
    let [high, low, _, _] = cursor.header(Layer::Tunnel)?;
    for _ in [SEQUENCE, ACKNOWLEDGEMENT].into_iter().filter(|bit| flags & bit != 0) {
        cursor.skip(4, Layer::Tunnel)?;
    }
    let next = match protocol {
        PPP => Next::Ppp,
        EOIP => Next::Ethernet,
        _ => return Err(Skip::Malformed(Layer::Tunnel)),
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    // Nothing but an acknowledgement.
    if length == 0 {
        return Err(Skip::NotTcpOrUdp);
    }
    cursor.enter_tunnel(Tunnel::Gre)?;
    cursor.limit(length);
    Ok(next)
}

/// draft-foschiano-erspan-03 §4.1, §4.2: type I has no header of its own and is told by the
/// missing sequence number; type II has eight bytes.
fn erspan(cursor: &mut Cursor<'_>, flags: u16) -> Result<Next, Skip> {
    cursor.enter_tunnel(Tunnel::Erspan)?;
    if flags & SEQUENCE != 0 {
        let [a, b, c, _] = cursor.header(Layer::Tunnel)?;
        cursor.skip(4, Layer::Tunnel)?;
        if a >> 4 != 1 {
            return Err(Skip::Malformed(Layer::Tunnel));
        }
        // Encapsulation 2: the frame had this 802.1Q tag, which was taken off.
        if c & 0x18 == 0x10 {
            cursor.enter_vlan(u16::from_be_bytes([a & 0x0f, b]));
        }
    }
    Ok(Next::Ethernet)
}

/// draft-foschiano-erspan-03 §4.3: twelve bytes, and eight more if the last bit says so.
fn erspan_iii(cursor: &mut Cursor<'_>) -> Result<Next, Skip> {
    cursor.enter_tunnel(Tunnel::Erspan)?;
    let [a, ..] = cursor.header::<10>(Layer::Tunnel)?;
    let [frame, options] = cursor.header(Layer::Tunnel)?;
    if a >> 4 != 2 {
        return Err(Skip::Malformed(Layer::Tunnel));
    }
    if options & 1 == 1 {
        cursor.skip(8, Layer::Tunnel)?;
    }
    match frame >> 2 & 0x1f {
        0 => Ok(Next::Ethernet),
        2 => Ok(Next::Ip),
        _ => Err(Skip::NotIp),
    }
}
