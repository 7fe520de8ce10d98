//! What capturing systems write before a frame: what a firewall logs of it, what a monitor measured.
//!
//! Each of these tells where what it describes begins, and some of which link type that is.

use crate::bytes::Reader;
use crate::capture::LinkType;
use crate::packet::cursor::{Cursor, Next};
use crate::packet::{Layer, Mac, Skip, link};

/// `LINKTYPE_NFLOG`: what Linux's netfilter logs. Attributes as in netlink, in the byte order of the
/// capturing host; their types are small, so that the order shows.
pub(super) fn netfilter_log(cursor: &mut Cursor<'_>) -> Result<Next, Skip> {
    /// An `EtherType`, and where in the firewall the packet was.
    const HEADER: u16 = 1;
    /// The sender's address: its length, and room for eight bytes.
    const ADDRESS: u16 = 8;
    const PAYLOAD: u16 = 9;

    cursor.count_header()?;
    let [_family, version, _, _] = cursor.header(Layer::Link)?;
    if version != 0 {
        return Err(Skip::Malformed(Layer::Link));
    }
    let mut next = Next::Ip;
    loop {
        let [a, b, c, d] = cursor.header(Layer::Link)?;
        let read = if c == 0 { u16::from_be_bytes } else { u16::from_le_bytes };
        let (length, kind) = (usize::from(read([a, b])), read([c, d]));
        let length = length.checked_sub(4).ok_or(Skip::Malformed(Layer::Link))?;
        match kind {
            PAYLOAD => {
                cursor.limit(length);
                return Ok(next);
            }
            HEADER => {
                if let [high, low, _, _, ..] = *cursor.bytes.peek() {
                    next = Next::EtherType(u16::from_be_bytes([high, low]));
                }
            }
            ADDRESS => cursor.layers.source_mac = hardware_address(cursor.bytes),
            _ => {}
        }
        cursor.skip(length.next_multiple_of(4), Layer::Link)?;
    }
}

fn hardware_address(mut attribute: Reader<'_>) -> Option<Mac> {
    let [_, length, _, _] = attribute.array()?;
    let address = attribute.array()?;
    (length == 6).then_some(Mac(address))
}

/// `LINKTYPE_PFLOG`: what the packet filter of the BSDs logs, its length without padding first.
pub(super) fn packet_filter_log(cursor: &mut Cursor<'_>) -> Result<Next, Skip> {
    /// Up to the direction, which all versions have.
    const SHORTEST: usize = 45;

    cursor.count_header()?;
    let [length, _family] = cursor.header(Layer::Link)?;
    let length = usize::from(length);
    if length < SHORTEST {
        return Err(Skip::Malformed(Layer::Link));
    }
    cursor.skip(length.next_multiple_of(4).saturating_sub(2), Layer::Link)?;
    Ok(Next::Ip)
}

/// `LINKTYPE_ENC`: what the BSDs see of IPsec, decrypted. An address family, the SPI, flags.
pub(super) fn ipsec_interface(cursor: &mut Cursor<'_>) -> Result<Next, Skip> {
    let next = link::bsd_loopback(cursor)?;
    cursor.skip(8, Layer::Link)?;
    Ok(next)
}

/// `LINKTYPE_PKTAP`: Apple's, of any interface. Its length, whether anything follows, and of which type.
pub(super) fn apple_tap(cursor: &mut Cursor<'_>) -> Result<Next, Skip> {
    /// A packet follows, nothing of another kind.
    const PACKET: u32 = 1;

    cursor.count_header()?;
    let [length, kind, inside] = little(cursor)?;
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    cursor.skip(length.checked_sub(12).ok_or(Skip::Malformed(Layer::Link))?, Layer::Link)?;
    if kind == PACKET { within(inside, cursor) } else { Err(Skip::NotIp) }
}

/// `LINKTYPE_PPI`: per-packet information. Version, flags, length, and the type of what follows.
pub(super) fn packet_information(cursor: &mut Cursor<'_>) -> Result<Next, Skip> {
    cursor.count_header()?;
    let [first, inside] = little(cursor)?;
    let [version, _, low, high] = first.to_le_bytes();
    let length = usize::from(u16::from_le_bytes([low, high])).checked_sub(8);
    let (0, Some(length)) = (version, length) else { return Err(Skip::Malformed(Layer::Link)) };
    cursor.skip(length, Layer::Link)?;
    within(inside, cursor)
}

/// `LINKTYPE_IEEE802_11_PRISM`: 144 bytes, but for drivers that write an AVS header all the same.
pub(super) fn prism(cursor: &mut Cursor<'_>) -> Result<Next, Skip> {
    /// Version 1 of an AVS header, or a later one.
    const AVS: [u8; 3] = [0x80, 0x21, 0x10];

    if cursor.bytes.peek().starts_with(&AVS) {
        return avs(cursor);
    }
    cursor.count_header()?;
    cursor.skip(144, Layer::Link)?;
    Ok(Next::Wlan)
}

/// `LINKTYPE_IEEE802_11_AVS`: a version, then the length of all.
pub(super) fn avs(cursor: &mut Cursor<'_>) -> Result<Next, Skip> {
    cursor.count_header()?;
    let [_, _, _, _, length @ ..]: [u8; 8] = cursor.header(Layer::Link)?;
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    cursor.skip(length.checked_sub(8).ok_or(Skip::Malformed(Layer::Link))?, Layer::Link)?;
    Ok(Next::Wlan)
}

fn little<const N: usize>(cursor: &mut Cursor<'_>) -> Result<[u32; N], Skip> {
    let mut numbers = [0; N];
    for number in &mut numbers {
        *number = u32::from_le_bytes(cursor.header(Layer::Link)?);
    }
    Ok(numbers)
}

/// A frame of the link type of this number. Each of those in each other counts as a header, so that
/// they come to an end.
fn within(inside: u32, cursor: &mut Cursor<'_>) -> Result<Next, Skip> {
    let inside = u16::try_from(inside).map_err(|_| Skip::LinkType)?;
    link::start(LinkType(inside), cursor)
}
