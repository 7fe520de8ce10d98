//! Tunnels over UDP, and L2TP over IP.
//!
//! A port is no proof. Each reader here takes a datagram for a tunnel only if its header is one
//! that the tunnel's endpoints write; anything else on such a port, DTLS and QUIC above all,
//! stays the datagram that it is.

use crate::packet::cursor::{Cursor, Next};
use crate::packet::link::{self, BRIDGING};
use crate::packet::{Layer, Skip, Tunnel, mpls, wlan};

/// What a tunnel's header said.
struct Inside {
    tunnel: Tunnel,
    /// The id of the virtual network, if it named one.
    network: Option<u32>,
    next: Next,
}

const GTP: u16 = 2152;
const L2TP: u16 = 1701;
const TEREDO: u16 = 3544;
const VXLAN: u16 = 4789;
const VXLAN_GPE: u16 = 4790;
const VXLAN_LINUX: u16 = 8472;
const CAPWAP_CONTROL: u16 = 5246;
const CAPWAP: u16 = 5247;
const GENEVE: u16 = 6081;

/// Whether either port is one that a tunnel uses.
#[inline]
pub(super) const fn is_tunnel(source: u16, target: u16) -> bool {
    tunnel_port(target) || tunnel_port(source)
}

#[inline]
const fn tunnel_port(port: u16) -> bool {
    matches!(
        port,
        GTP | L2TP | TEREDO | VXLAN | VXLAN_GPE | VXLAN_LINUX | CAPWAP_CONTROL | CAPWAP | GENEVE
    )
}

/// Take the tunnel header off a UDP payload. `None`: there is none.
pub(super) fn udp(cursor: &mut Cursor<'_>, source: u16, target: u16) -> Option<Result<Next, Skip>> {
    let inside = match target {
        VXLAN | VXLAN_LINUX => vxlan(cursor),
        VXLAN_GPE => vxlan_gpe(cursor),
        GENEVE => geneve(cursor),
        _ => match (source, target) {
            (GTP, _) | (_, GTP) => gtp(cursor),
            (TEREDO, _) | (_, TEREDO) => teredo(cursor),
            (L2TP, _) | (_, L2TP) => l2tp(cursor),
            (CAPWAP, _) | (_, CAPWAP) => return capwap(cursor),
            _ => None,
        },
    }?;
    let entered = match inside.network {
        None => cursor.enter_tunnel(inside.tunnel),
        Some(id) => cursor.enter_network(inside.tunnel, id),
    };
    Some(entered.map(|()| inside.next))
}

/// The clear word before DTLS on the ports of CAPWAP (RFC 5415 §4.2), if that is what is there.
pub(super) fn strip_dtls_preamble(cursor: &mut Cursor<'_>, source: u16, target: u16) -> bool {
    let on_port = [source, target].iter().any(|port| matches!(*port, CAPWAP | CAPWAP_CONTROL));
    // Content types of DTLS: RFC 9147 §4.1.
    let found = on_port && matches!(cursor.bytes.peek(), [1, 0, 0, 0, 20..=26, 0xfe, ..]);
    if found {
        cursor.layers.push_tunnel(Tunnel::Capwap);
    }
    found && cursor.bytes.skip(4).is_some()
}

/// RFC 7348 §5, with the group policy bits that an extension of it puts in reserved fields.
///
/// Others put there what they like, and receivers ignore it. With no more than one bit to go by DTLS and QUIC
/// would look like that too, so that then an IP packet has to be there.
fn vxlan(cursor: &mut Cursor<'_>) -> Option<Inside> {
    const HAS_ID: u8 = 0x08;
    let [x, y, z] = match cursor.bytes.array()? {
        [0x08, 0, 0, 0, x, y, z, 0] | [0x88, _, _, _, x, y, z, 0] => [x, y, z],
        [flags, _, _, _, x, y, z, _] if flags & HAS_ID != 0 && mpls::is_ip_in_ethernet(cursor) => {
            [x, y, z]
        }
        _ => return None,
    };
    let id = u32::from_be_bytes([0, x, y, z]);
    Some(Inside { tunnel: Tunnel::Vxlan, network: Some(id), next: Next::Ethernet })
}

/// draft-ietf-nvo3-vxlan-gpe §3.1: a flag says that the fourth byte is the protocol inside.
fn vxlan_gpe(cursor: &mut Cursor<'_>) -> Option<Inside> {
    let [flags, 0, 0, protocol, x, y, z, 0] = cursor.bytes.array()? else { return None };
    // Version 0, and neither operations nor broadcast packets: only the instance and protocol bits.
    let next = match (flags, protocol) {
        (0x08, 0) => Next::Ethernet,
        (0x04 | 0x0c, protocol) => link::next_protocol(protocol).ok()?,
        _ => return None,
    };
    let id = (flags & 0x08 != 0).then(|| u32::from_be_bytes([0, x, y, z]));
    Some(Inside { tunnel: Tunnel::Vxlan, network: id, next })
}

/// RFC 8926 §3.4.
fn geneve(cursor: &mut Cursor<'_>) -> Option<Inside> {
    let [length, flags, high, low, x, y, z, 0] = cursor.bytes.array()? else { return None };
    // Version 0, data (not control), reserved bits as they are sent.
    if length & 0xc0 != 0 || flags & 0xbf != 0 {
        return None;
    }
    cursor.bytes.skip(usize::from(length).saturating_mul(4))?;
    let next = match u16::from_be_bytes([high, low]) {
        BRIDGING => Next::Ethernet,
        kind @ (0x0800 | 0x86dd | 0x8847 | 0x8848 | 0x894f) => Next::EtherType(kind),
        _ => return None,
    };
    let network = Some(u32::from_be_bytes([0, x, y, z]));
    Some(Inside { tunnel: Tunnel::Geneve, network, next })
}

/// 3GPP TS 29.281 §5.1: version 1, a user's packet (type 255).
fn gtp(cursor: &mut Cursor<'_>) -> Option<Inside> {
    let [flags, 255, high, low, _, _, _, _] = cursor.bytes.array()? else { return None };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if flags & 0xf8 != 0x30 || length > cursor.wire() {
        return None;
    }
    cursor.limit(length);
    if flags & 0x07 != 0 {
        let [_, _, _, first] = cursor.bytes.array()?;
        let mut extension = if flags & 0x04 != 0 { first } else { 0 };
        // §5.2.1: a length in words, contents, and the type of the next.
        while extension != 0 {
            let words = usize::from(cursor.bytes.u8()?);
            cursor.bytes.skip(words.checked_mul(4)?.checked_sub(2)?)?;
            extension = cursor.bytes.u8()?;
        }
    }
    mpls::is_ip(cursor).then_some(Inside { tunnel: Tunnel::Gtp, network: None, next: Next::Ip })
}

/// RFC 4380 §5.1.1: an IPv6 packet that fills the datagram, behind the headers of a server.
fn teredo(cursor: &mut Cursor<'_>) -> Option<Inside> {
    if let [0, 1, ..] = cursor.bytes.peek() {
        let [_, _, client, value] = cursor.bytes.array()?;
        cursor.bytes.skip(usize::from(client).saturating_add(usize::from(value)))?;
        // A nonce and the confirmation byte.
        cursor.bytes.skip(9)?;
    }
    if let [0, 0, ..] = cursor.bytes.peek() {
        cursor.bytes.skip(8)?;
    }
    let mut ahead = cursor.bytes;
    let [first, _, _, _, high, low] = ahead.array()?;
    let length = usize::from(u16::from_be_bytes([high, low])).saturating_add(40);
    (first >> 4 == 6 && length == cursor.wire()).then_some(Inside {
        tunnel: Tunnel::Teredo,
        network: None,
        next: Next::Ip,
    })
}

/// RFC 2661 §3.1 (version 2) and RFC 3931 §4.1.2.1 (version 3): data messages.
fn l2tp(cursor: &mut Cursor<'_>) -> Option<Inside> {
    let flags = cursor.bytes.u16()?;
    let (length, sequence, offset) = (0x4000, 0x0800, 0x0200);
    let next = match flags & 0x800f {
        0x0002 if flags & 0x34f0 == 0 => {
            if flags & length != 0 {
                let total = usize::from(cursor.bytes.u16()?);
                cursor.limit(total.checked_sub(4)?);
            }
            cursor.bytes.skip(4)?;
            if flags & sequence != 0 {
                cursor.bytes.skip(4)?;
            }
            if flags & offset != 0 {
                let padding = usize::from(cursor.bytes.u16()?);
                cursor.bytes.skip(padding)?;
            }
            // An address, or the first byte of a protocol that PPP carries: the header alone is
            // too little to go by.
            match cursor.bytes.peek() {
                [0xff, 0x03, ..] | [0x00 | 0x02 | 0x21 | 0x57 | 0x80 | 0x82 | 0xc0 | 0xc2, ..] => {
                    Next::Ppp
                }
                _ => return None,
            }
        }
        0x0003 if flags & 0x7ff0 == 0 => {
            // Reserved, session.
            cursor.bytes.skip(6)?;
            mpls::behind_cookie(cursor)?
        }
        _ => return None,
    };
    Some(Inside { tunnel: Tunnel::L2tp, network: None, next })
}

/// RFC 3931 §4.1.1.1: a session id, zero for control messages.
pub(super) fn l2tp_over_ip(cursor: &mut Cursor<'_>) -> Result<Next, Skip> {
    if cursor.header(Layer::Tunnel)? == [0; 4] {
        return Err(Skip::NotTcpOrUdp);
    }
    cursor.enter_tunnel(Tunnel::L2tp)?;
    mpls::behind_cookie(cursor).ok_or(Skip::NotIp)
}

/// RFC 5415 §4.3: the data channel, in clear. Its fragments are not put together.
fn capwap(cursor: &mut Cursor<'_>) -> Option<Result<Next, Skip>> {
    /// Header length, native frame, fragment, keep-alive.
    const LENGTH: u32 = 0x00f8_0000;
    const NATIVE: u32 = 0x0000_0100;
    const FRAGMENT: u32 = 0x0000_0080;
    const KEEP_ALIVE: u32 = 0x0000_0008;
    const RESERVED: u32 = 0x0000_0007;

    let header = cursor.bytes.u32()?;
    let length = usize::try_from((header & LENGTH) >> 17).ok()?;
    if header >> 24 != 0 || header & (FRAGMENT | KEEP_ALIVE | RESERVED) != 0 || length < 8 {
        return None;
    }
    cursor.bytes.skip(length.checked_sub(4)?)?;
    // Bindings: 1 is IEEE 802.11 (RFC 5416 §3).
    let native = header & NATIVE != 0;
    if native && header >> 9 & 0x1f != 1 {
        return None;
    }
    Some(cursor.enter_tunnel(Tunnel::Capwap).and_then(|()| {
        if native { wlan::frame(cursor, wlan::Form::Tunnelled) } else { Ok(Next::Ethernet) }
    }))
}
