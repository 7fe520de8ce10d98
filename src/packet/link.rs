//! Link layers and what lies between them and IP: tags, LLC, PPP.
//!
//! Each function takes the headers it is named after off the cursor and says what comes next.

use etherparse::err::macsec::HeaderSliceError;
use etherparse::{Ethernet2HeaderSlice, MacsecHeaderSlice, SingleVlanHeaderSlice};

use crate::capture::LinkType;
use crate::packet::cursor::{Cursor, Next};
use crate::packet::{Layer, Mac, Skip, Tunnel, envelope, mpls, wlan};

/// PPP behind a byte that says in which direction the frame went.
const PPP_WITH_DIRECTION: LinkType = LinkType(204);
/// PPP as pppd's filter sees it: the direction in place of the HDLC address, the control byte.
const PPP_PPPD: LinkType = LinkType(166);
/// Cisco HDLC behind a byte that says in which direction the frame went.
const C_HDLC_WITH_DIRECTION: LinkType = LinkType(205);

const MPLS: LinkType = LinkType(219);
const NFLOG: LinkType = LinkType(239);
const PFLOG: LinkType = LinkType(117);
const ENC: LinkType = LinkType(109);
const PKTAP: LinkType = LinkType(258);
const PPI: LinkType = LinkType(192);
const IEEE802_11_PRISM: LinkType = LinkType(119);
const IEEE802_11_AVS: LinkType = LinkType(163);

/// `EtherType`: IPv4.
const IPV4: u16 = 0x0800;
/// `EtherType`: IPv6.
const IPV6: u16 = 0x86dd;
/// `EtherType`: an Ethernet frame inside, "transparent Ethernet bridging" (RFC 1701).
pub(super) const BRIDGING: u16 = 0x6558;
/// `EtherType`: PPP.
pub(super) const PPP: u16 = 0x880b;

/// What a frame of link type `link` begins with.
pub(super) fn start(link: LinkType, cursor: &mut Cursor<'_>) -> Result<Next, Skip> {
    match link {
        LinkType::ETHERNET => Ok(Next::Ethernet),
        LinkType::RAW
        | LinkType::DLT_RAW
        | LinkType::DLT_RAW_OPENBSD
        | LinkType::IPV4
        | LinkType::IPV6 => Ok(Next::Ip),
        LinkType::LINUX_SLL => linux_cooked(cursor),
        LinkType::LINUX_SLL2 => linux_cooked_v2(cursor),
        LinkType::NULL | LinkType::LOOP => bsd_loopback(cursor),
        LinkType::PPP | LinkType::PPP_HDLC => Ok(Next::Ppp),
        LinkType::PPP_ETHER => pppoe(cursor),
        LinkType::C_HDLC => cisco_hdlc(cursor),
        LinkType::IEEE802_11 => Ok(Next::Wlan),
        LinkType::IEEE802_11_RADIOTAP => wlan::radiotap(cursor),
        PPP_WITH_DIRECTION => {
            cursor.skip(1, Layer::Link)?;
            Ok(Next::Ppp)
        }
        PPP_PPPD => {
            cursor.skip(2, Layer::Link)?;
            Ok(Next::Ppp)
        }
        C_HDLC_WITH_DIRECTION => {
            cursor.skip(1, Layer::Link)?;
            cisco_hdlc(cursor)
        }
        MPLS => mpls::labels(cursor),
        NFLOG => envelope::netfilter_log(cursor),
        PFLOG => envelope::packet_filter_log(cursor),
        ENC => envelope::ipsec_interface(cursor),
        PKTAP => envelope::apple_tap(cursor),
        PPI => envelope::packet_information(cursor),
        IEEE802_11_PRISM => envelope::prism(cursor),
        IEEE802_11_AVS => envelope::avs(cursor),
        _ => Err(Skip::LinkType),
    }
}

/// Ethernet II, or IEEE 802.3 with a length in place of the type.
pub(super) fn ethernet(cursor: &mut Cursor<'_>) -> Result<Next, Skip> {
    cursor.count_header()?;
    let Ok(header) = Ethernet2HeaderSlice::from_slice(cursor.bytes.peek()) else {
        return Err(cursor.short(Layer::Link));
    };
    cursor.layers.source_mac = Some(Mac(header.source()));
    cursor.layers.target_mac = Some(Mac(header.destination()));
    let kind = header.ether_type().0;
    cursor.skip(header.slice().len(), Layer::Link)?;
    Ok(type_or_length(cursor, kind))
}

/// IEEE 802.3-2018 §3.2.6: up to 1500 it is a length, and LLC follows.
fn type_or_length(cursor: &mut Cursor<'_>, value: u16) -> Next {
    if value <= 1500 {
        cursor.limit(usize::from(value));
        Next::Llc
    } else {
        Next::EtherType(value)
    }
}

/// What stands behind an `EtherType`.
pub(super) fn ether_type(cursor: &mut Cursor<'_>, kind: u16) -> Result<Next, Skip> {
    match kind {
        IPV4 | IPV6 => Ok(Next::Ip),
        // 802.1Q, 802.1ad, and what was used before that was a standard.
        0x8100 | 0x88a8 | 0x9100 | 0x9200 | 0x9300 => tag(cursor),
        0x8847 | 0x8848 => mpls::labels(cursor),
        0x8864 => pppoe(cursor),
        BRIDGING => Ok(Next::Ethernet),
        PPP => Ok(Next::Ppp),
        0x88e7 => backbone_bridging(cursor),
        0x88e5 => macsec(cursor),
        0x8909 => cisco_metadata(cursor),
        0x894f => service_header(cursor),
        // IEEE 802.1X, and its frames to another access point than one's own (802.11i).
        0x888e | 0x88c7 => Ok(Next::Eapol),
        // LLC in a frame longer than a length can say.
        0x8870 => Ok(Next::Llc),
        // VN-tag: four bytes with the ports of a virtual switch.
        0x8926 => behind(cursor, 4),
        // IEEE 802.1BR E-tag: six bytes of the same.
        0x893f => behind(cursor, 6),
        _ => Err(Skip::NotIp),
    }
}

/// A tag of `length` bytes that says nothing we need, and an `EtherType`.
fn behind(cursor: &mut Cursor<'_>, length: usize) -> Result<Next, Skip> {
    cursor.count_header()?;
    cursor.skip(length, Layer::Link)?;
    let kind = u16::from_be_bytes(cursor.header(Layer::Link)?);
    Ok(type_or_length(cursor, kind))
}

/// IEEE 802.1Q-2018 §9.6.
fn tag(cursor: &mut Cursor<'_>) -> Result<Next, Skip> {
    cursor.count_header()?;
    let Ok(header) = SingleVlanHeaderSlice::from_slice(cursor.bytes.peek()) else {
        return Err(cursor.short(Layer::Link));
    };
    cursor.enter_vlan(header.vlan_identifier().value());
    let kind = header.ether_type().0;
    cursor.skip(header.slice().len(), Layer::Link)?;
    Ok(type_or_length(cursor, kind))
}

/// IEEE 802.1Q-2018 §9.7, the I-TAG of 802.1ah: a service id and the customer's whole frame.
fn backbone_bridging(cursor: &mut Cursor<'_>) -> Result<Next, Skip> {
    let [_, a, b, c] = cursor.header(Layer::Tunnel)?;
    cursor.enter_network(Tunnel::Pbb, u32::from_be_bytes([0, a, b, c]))?;
    Ok(Next::Ethernet)
}

/// IEEE 802.1AE §9.3. What is only signed can be read; the signature behind it falls to the IP
/// length.
fn macsec(cursor: &mut Cursor<'_>) -> Result<Next, Skip> {
    cursor.count_header()?;
    let header = match MacsecHeaderSlice::from_slice(cursor.bytes.peek()) {
        Ok(header) => header,
        Err(HeaderSliceError::Len(_)) => return Err(cursor.short(Layer::Link)),
        Err(HeaderSliceError::Content(_)) => return Err(Skip::Malformed(Layer::Link)),
    };
    let kind = header.next_ether_type().ok_or(Skip::NotIp)?.0;
    cursor.skip(header.slice().len(), Layer::Link)?;
    Ok(type_or_length(cursor, kind))
}

/// Cisco metadata (`TrustSec` security group tags): version, length in words, options.
fn cisco_metadata(cursor: &mut Cursor<'_>) -> Result<Next, Skip> {
    let [_version, words] = cursor.header(Layer::Link)?;
    behind(cursor, usize::from(words).saturating_mul(4))
}

/// RFC 8300 §2: a service function chain's header, its length in words.
fn service_header(cursor: &mut Cursor<'_>) -> Result<Next, Skip> {
    cursor.count_header()?;
    let [_, length, _, protocol] = cursor.header(Layer::Link)?;
    let rest = usize::from(length & 0x3f).saturating_mul(4);
    cursor.skip(rest.checked_sub(4).ok_or(Skip::Malformed(Layer::Link))?, Layer::Link)?;
    next_protocol(protocol)
}

/// RFC 8300 §11.2.5, which VXLAN-GPE shares.
pub(super) const fn next_protocol(protocol: u8) -> Result<Next, Skip> {
    match protocol {
        1 | 2 => Ok(Next::Ip),
        3 => Ok(Next::Ethernet),
        4 => Ok(Next::EtherType(0x894f)),
        5 => Ok(Next::EtherType(0x8847)),
        _ => Err(Skip::NotIp),
    }
}

/// IEEE 802.2, and the SNAP behind it (RFC 1042).
pub(super) fn llc(cursor: &mut Cursor<'_>) -> Result<Next, Skip> {
    match cursor.header(Layer::Link)? {
        [0xaa, 0xaa, 0x03] => {
            let [a, b, c, high, low] = cursor.header(Layer::Link)?;
            match [a, b, c] {
                // 00:00:f8 is what bridges write that tunnel AppleTalk and IPX (802.1H).
                [0, 0, 0 | 0xf8] => Ok(Next::EtherType(u16::from_be_bytes([high, low]))),
                _ => Err(Skip::NotIp),
            }
        }
        // RFC 948: the SAP of IP itself.
        [0x06, 0x06, 0x03] => Ok(Next::Ip),
        _ => Err(Skip::NotIp),
    }
}

/// `LINKTYPE_LINUX_SLL`: the kind of packet, device and address, then a protocol.
fn linux_cooked(cursor: &mut Cursor<'_>) -> Result<Next, Skip> {
    cursor.count_header()?;
    let [_, _, device_high, device_low, _, length] = cursor.header(Layer::Link)?;
    let address = cursor.header(Layer::Link)?;
    let protocol = u16::from_be_bytes(cursor.header(Layer::Link)?);
    cooked(cursor, u16::from_be_bytes([device_high, device_low]), length, address, protocol)
}

/// `LINKTYPE_LINUX_SLL2`: the same in another order, with the interface's index.
fn linux_cooked_v2(cursor: &mut Cursor<'_>) -> Result<Next, Skip> {
    cursor.count_header()?;
    let protocol = u16::from_be_bytes(cursor.header(Layer::Link)?);
    cursor.skip(6, Layer::Link)?;
    let device = u16::from_be_bytes(cursor.header(Layer::Link)?);
    let [_, length] = cursor.header(Layer::Link)?;
    let address = cursor.header(Layer::Link)?;
    cooked(cursor, device, length, address, protocol)
}

/// What stands behind a cooked header. Its protocol is an `EtherType` or one of Linux's own numbers.
fn cooked(
    cursor: &mut Cursor<'_>,
    device: u16,
    length: u8,
    address: [u8; 8],
    protocol: u16,
) -> Result<Next, Skip> {
    /// ARPHRD numbers of devices whose packets keep their own header.
    const NETLINK: u16 = 824;
    const IEEE80211: u16 = 801;
    const IEEE80211_RADIOTAP: u16 = 803;

    if length == 6 {
        cursor.layers.source_mac = address.first_chunk().copied().map(Mac);
    }
    match (device, protocol) {
        (NETLINK, _) => Err(Skip::NotIp),
        (IEEE80211, _) => Ok(Next::Wlan),
        (IEEE80211_RADIOTAP, _) => wlan::radiotap(cursor),
        (_, 0x0004) => Ok(Next::Llc),
        (_, protocol) => Ok(Next::EtherType(protocol)),
    }
}

/// `LINKTYPE_NULL` and `LINKTYPE_LOOP`: an address family, in the byte order of the capturing
/// host or of the network. The numbers are small, so that the order shows.
pub(super) fn bsd_loopback(cursor: &mut Cursor<'_>) -> Result<Next, Skip> {
    cursor.count_header()?;
    match cursor.header(Layer::Link)? {
        [0, 0, 0, family] | [family, 0, 0, 0] => match family {
            // AF_INET everywhere; AF_INET6 of Linux, Windows, NetBSD and OpenBSD, FreeBSD, Darwin.
            2 | 10 | 23 | 24 | 28 | 30 => Ok(Next::Ip),
            _ => Err(Skip::NotIp),
        },
        _ => Err(Skip::NotIp),
    }
}

/// `LINKTYPE_C_HDLC`: address, control, and a protocol that is an `EtherType`.
fn cisco_hdlc(cursor: &mut Cursor<'_>) -> Result<Next, Skip> {
    cursor.count_header()?;
    let [_, _, high, low] = cursor.header(Layer::Link)?;
    Ok(Next::EtherType(u16::from_be_bytes([high, low])))
}

/// RFC 2516 §4: a session's frame.
fn pppoe(cursor: &mut Cursor<'_>) -> Result<Next, Skip> {
    let [version, code, _, _, high, low] = cursor.header(Layer::Link)?;
    if version != 0x11 {
        return Err(Skip::Malformed(Layer::Link));
    }
    if code != 0 {
        return Err(Skip::NotIp);
    }
    cursor.enter_tunnel(Tunnel::Pppoe)?;
    cursor.limit(usize::from(u16::from_be_bytes([high, low])));
    Ok(Next::Ppp)
}

/// RFC 1661 §2, behind the HDLC address and control of RFC 1662 §3.1 if they are there.
pub(super) fn ppp(cursor: &mut Cursor<'_>) -> Result<Next, Skip> {
    cursor.count_header()?;
    if let [0xff, 0x03, ..] = cursor.bytes.peek() {
        cursor.skip(2, Layer::Link)?;
    } else if let [0x0f | 0x8f, 0x00, ..] = cursor.bytes.peek() {
        // LINKTYPE_PPP_HDLC may hold Cisco HDLC instead: 0x0f and 0x8f are its addresses.
        return cisco_hdlc(cursor);
    }
    let [high] = cursor.header(Layer::Link)?;
    let protocol = if high & 1 == 1 {
        // RFC 1661 §6.5: a leading zero may have been left out; the last byte is the odd one.
        u16::from(high)
    } else {
        let [low] = cursor.header(Layer::Link)?;
        u16::from_be_bytes([high, low])
    };
    match protocol {
        0x0021 | 0x0057 => Ok(Next::Ip),
        0x0281 | 0x0283 => mpls::labels(cursor),
        _ => Err(Skip::NotIp),
    }
}
