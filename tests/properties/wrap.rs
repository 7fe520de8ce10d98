//! Encapsulations: the same packets as another network carries them, or another capture keeps them.

use std::net::{IpAddr, SocketAddr};

use crate::traffic::{ETHERNET, Frame, Packet, ip, seal};

/// A way to carry packets: its name, the link type of its frames, and what it makes of a packet.
pub type Wrap = (&'static str, u16, fn(&Packet) -> Frame);

/// Every encapsulation.
pub const WRAPS: &[Wrap] = &[
    ("vlan", ETHERNET, |packet| tagged(packet, &[120])),
    ("qinq", ETHERNET, |packet| tagged(packet, &[7, 120])),
    ("three tags", ETHERNET, |packet| tagged(packet, &[7, 8, 9])),
    ("mpls", ETHERNET, |packet| {
        ethernet(
            packet,
            [0x88, 0x47],
            &[&[0, 0, 0x10, 64, 0, 0, 0x21, 64][..], &packet.ip()].concat(),
        )
    }),
    ("mpls with a label that differs by direction", ETHERNET, |packet| {
        let label = u8::from(packet.from < packet.to) << 4;
        ethernet(packet, [0x88, 0x47], &[&[0, 0, label | 1, 64][..], &packet.ip()].concat())
    }),
    ("pppoe", ETHERNET, |packet| {
        let kind = if packet.from.is_ipv4() { [0x00, 0x21] } else { [0x00, 0x57] };
        let inner = [&kind[..], &packet.ip()].concat();
        let length = u16::try_from(inner.len() + packet.cut as usize).unwrap().to_be_bytes();
        ethernet(packet, [0x88, 0x64], &[&[0x11, 0, 0, 5], &length[..], &inner].concat())
    }),
    ("gre", ETHERNET, |packet| {
        over_ip(packet, 47, &[&[0, 0][..], &kind(packet)].concat(), &packet.ip())
    }),
    ("gre with every option", ETHERNET, |packet| {
        let head = [&[0xb0, 0][..], &kind(packet), &[1; 12]].concat();
        over_ip(packet, 47, &head, &packet.ip())
    }),
    ("nvgre", ETHERNET, |packet| {
        over_ip(packet, 47, &[0x20, 0, 0x65, 0x58, 0, 0x12, 0x34, 1], &packet.frame().bytes)
    }),
    ("erspan 1", ETHERNET, |packet| {
        over_ip(packet, 47, &[0, 0, 0x88, 0xbe], &packet.frame().bytes)
    }),
    ("erspan 2", ETHERNET, |packet| {
        let head = [0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 100, 0x10, 7, 0, 0, 0, 0];
        over_ip(packet, 47, &head, &packet.frame().bytes)
    }),
    ("erspan 3", ETHERNET, |packet| {
        let head = [0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 100, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0];
        over_ip(packet, 47, &head, &packet.frame().bytes)
    }),
    ("vxlan", ETHERNET, |packet| {
        over_udp(packet, 4789, &[8, 0, 0, 0, 0, 0, 42, 0], &packet.frame().bytes)
    }),
    ("geneve", ETHERNET, |packet| {
        over_udp(packet, 6081, &[0, 0, 0x65, 0x58, 0, 0, 42, 0], &packet.frame().bytes)
    }),
    ("gtp", ETHERNET, |packet| {
        let inner = packet.ip();
        let length = u16::try_from(inner.len() + packet.cut as usize).unwrap().to_be_bytes();
        over_udp(packet, 2152, &[&[0x30, 0xff], &length[..], &[0, 0, 0, 9]].concat(), &inner)
    }),
    ("ip in ip", ETHERNET, |packet| {
        over_ip(packet, if packet.from.is_ipv4() { 4 } else { 41 }, &[], &packet.ip())
    }),
    ("ip in ipv6", ETHERNET, |packet| {
        let protocol = if packet.from.is_ipv4() { 4 } else { 41 };
        let ends = ["2001:db8::1", "2001:db8::2"].map(|ip| ip.parse::<IpAddr>().unwrap());
        ethernet_as(packet, [0x86, 0xdd], &ip(ends, protocol, 64, &packet.ip(), packet.cut))
    }),
    ("vlan in vxlan in vlan", ETHERNET, |packet| {
        let inner = tagged(packet, &[5]);
        let outer = over_udp(packet, 4789, &[8, 0, 0, 0, 0, 0, 42, 0], &inner.bytes);
        let (head, rest) = outer.bytes.split_at(12);
        Frame { bytes: [head, &[0x81, 0, 0, 33], rest].concat(), ..outer }
    }),
    ("raw ip", 101, |packet| Frame { bytes: packet.ip(), ..packet.frame() }),
    ("bsd loopback", 0, |packet| {
        let family: u32 = if packet.from.is_ipv4() { 2 } else { 30 };
        Frame { bytes: [&family.to_le_bytes()[..], &packet.ip()].concat(), ..packet.frame() }
    }),
    ("linux cooked", 113, |packet| {
        let [source, _] = packet.macs;
        let head = [&[0, 0, 0, 1, 0, 6][..], &source, &[0, 0], &kind(packet)].concat();
        Frame { bytes: [head, packet.ip()].concat(), ..packet.frame() }
    }),
    ("linux cooked 2", 276, |packet| {
        let [source, _] = packet.macs;
        let head = [&kind(packet)[..], &[0, 0, 0, 0, 0, 2, 0, 1, 0, 6], &source, &[0, 0]].concat();
        Frame { bytes: [head, packet.ip()].concat(), ..packet.frame() }
    }),
    ("ppp", 9, |packet| {
        let kind = if packet.from.is_ipv4() { [0x00, 0x21] } else { [0x00, 0x57] };
        Frame { bytes: [&[0xff, 3][..], &kind, &packet.ip()].concat(), ..packet.frame() }
    }),
];

/// The packet in fragments of at most `size` bytes, or whole where it is not longer. They arrive in
/// order, or the last one first.
pub fn fragments(packet: &Packet, size: usize, backwards: bool, id: u32) -> Vec<Frame> {
    let whole = packet.frame();
    let bytes = packet.ip();
    let v4 = packet.from.is_ipv4();
    let (head, body) = bytes.split_at(if v4 { 20 } else { 40 });
    if body.len() <= size || packet.cut > 0 {
        return vec![whole];
    }
    let size = size / 8 * 8;
    let mut frames: Vec<Frame> = body
        .chunks(size)
        .enumerate()
        .map(|(n, chunk)| {
            let more = (n + 1) * size < body.len();
            let offset = u16::try_from(n * size).unwrap();
            let mut head = head.to_vec();
            if v4 {
                head[2..4].copy_from_slice(&u16::try_from(20 + chunk.len()).unwrap().to_be_bytes());
                head[4..6].copy_from_slice(&u16::try_from(id & 0xffff).unwrap().to_be_bytes());
                head[6..8].copy_from_slice(&((offset / 8) | (u16::from(more) << 13)).to_be_bytes());
                seal(&mut head);
            } else {
                let next = std::mem::replace(&mut head[6], 44);
                head[4..6].copy_from_slice(&u16::try_from(8 + chunk.len()).unwrap().to_be_bytes());
                head.extend([next, 0]);
                head.extend((offset | u16::from(more)).to_be_bytes());
                head.extend(id.to_be_bytes());
            }
            let kind = if v4 { [0x08, 0x00] } else { [0x86, 0xdd] };
            ethernet(packet, kind, &[head, chunk.to_vec()].concat())
        })
        .collect();
    if backwards {
        frames.reverse();
    }
    frames
}

fn kind(packet: &Packet) -> [u8; 2] {
    if packet.from.is_ipv4() { [0x08, 0x00] } else { [0x86, 0xdd] }
}

fn tagged(packet: &Packet, vlans: &[u16]) -> Frame {
    Packet { vlans: vlans.to_vec(), ..packet.clone() }.frame()
}

fn ethernet(packet: &Packet, kind: [u8; 2], payload: &[u8]) -> Frame {
    let [source, target] = packet.macs;
    let bytes = [&target[..], &source, &kind, payload].concat();
    Frame { at: packet.at, bytes, cut: packet.cut }
}

/// A frame between the ends of a tunnel.
fn ethernet_as(packet: &Packet, kind: [u8; 2], payload: &[u8]) -> Frame {
    let macs = [[2, 0, 0, 0, 9, 1], [2, 0, 0, 0, 9, 2]];
    ethernet(&Packet { macs, ..packet.clone() }, kind, payload)
}

/// In IPv4 between the ends of a tunnel.
fn over_ip(packet: &Packet, protocol: u8, head: &[u8], payload: &[u8]) -> Frame {
    let ends = ["192.0.2.1", "192.0.2.2"].map(|ip| ip.parse::<IpAddr>().unwrap());
    ethernet_as(
        packet,
        [0x08, 0x00],
        &ip(ends, protocol, 64, &[head, payload].concat(), packet.cut),
    )
}

/// In UDP between the ends of a tunnel.
fn over_udp(packet: &Packet, port: u16, head: &[u8], payload: &[u8]) -> Frame {
    let datagram = Packet {
        from: SocketAddr::new("192.0.2.1".parse().unwrap(), 49_152),
        to: SocketAddr::new("192.0.2.2".parse().unwrap(), port),
        tcp: None,
        payload: [head, payload].concat(),
        ..packet.clone()
    };
    ethernet_as(packet, [0x08, 0x00], &datagram.ip())
}
