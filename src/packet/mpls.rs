//! MPLS label stacks, and guesses at what carries no type of its own.

use crate::packet::cursor::{Cursor, Next};
use crate::packet::{Layer, Skip, Tunnel};

/// RFC 3032 §2.1: labels up to the one with the bottom-of-stack bit.
pub(super) fn labels(cursor: &mut Cursor<'_>) -> Result<Next, Skip> {
    cursor.enter_tunnel(Tunnel::Mpls)?;
    loop {
        let [_, _, bottom, _] = cursor.header(Layer::Tunnel)?;
        if bottom & 1 == 1 {
            return below(cursor);
        }
        cursor.count_header()?;
    }
}

/// What lies below the labels is known only to the routers at their ends: IP, or the Ethernet
/// frame of a pseudowire with or without a control word (RFC 4448 §4.6).
fn below(cursor: &mut Cursor<'_>) -> Result<Next, Skip> {
    let Some(first) = cursor.peek() else { return Err(cursor.short(Layer::Tunnel)) };
    if let Some((skipped, next)) = guess(cursor, [0, 4]) {
        cursor.skip(skipped, Layer::Tunnel)?;
        return Ok(next);
    }
    match first >> 4 {
        // An offloaded packet, whose length is not written yet; or the guess was wrong, and the
        // IP header will say so.
        4 | 6 => Ok(Next::Ip),
        _ if cursor.cut > 0 => Err(Skip::Truncated(Layer::Tunnel)),
        _ => Err(Skip::NotIp),
    }
}

/// A packet behind a header whose end only its sender knows (RFC 3931 §4.1: a cookie of 0, 4 or 8
/// bytes and perhaps a word of sequence).
pub(super) fn behind_cookie(cursor: &mut Cursor<'_>) -> Option<Next> {
    let (skipped, next) = guess(cursor, [0, 4, 8, 12])?;
    cursor.bytes.skip(skipped)?;
    Some(next)
}

/// A look at what seems to begin at a place.
type Sign = fn(&Cursor<'_>) -> bool;

/// What begins after one of so many bytes, the strongest sign first: an Ethernet frame with an IP
/// packet whose length fits, an IP packet whose length fits, PPP, an Ethernet frame of a type that
/// may occur. MAC addresses look like anything, a control word among it, and an IP address may
/// stand where the type of a frame would be.
fn guess<const N: usize>(cursor: &Cursor<'_>, offsets: [usize; N]) -> Option<(usize, Next)> {
    let signs: [(Sign, Next); 4] = [
        (is_ip_in_ethernet, Next::Ethernet),
        (is_ip, Next::Ip),
        (|cursor| matches!(cursor.bytes.peek(), [0xff, 3, 0, 0x21 | 0x57, ..]), Next::Ppp),
        (is_ethernet, Next::Ethernet),
    ];
    signs.into_iter().find_map(|(sign, next)| {
        let offset = offsets.into_iter().find(|offset| {
            let mut ahead = *cursor;
            ahead.bytes.skip(*offset).is_some() && sign(&ahead)
        })?;
        Some((offset, next))
    })
}

/// Whether an IP packet seems to begin here: a version, and a length that fits.
pub(super) fn is_ip(cursor: &Cursor<'_>) -> bool {
    let (length, header) = match cursor.bytes.peek() {
        [first @ 0x45..=0x4f, _, high, low, ..] => {
            (u16::from_be_bytes([*high, *low]), usize::from(first & 15).saturating_mul(4))
        }
        [0x60..=0x6f, _, _, _, high, low, ..] => {
            (u16::from_be_bytes([*high, *low]).saturating_add(40), 41)
        }
        _ => return false,
    };
    (header..=cursor.wire()).contains(&usize::from(length))
}

/// Whether an Ethernet frame with such a packet seems to begin here.
pub(super) fn is_ip_in_ethernet(cursor: &Cursor<'_>) -> bool {
    let mut ahead = *cursor;
    let kind = ahead.bytes.skip(12).and_then(|()| ahead.bytes.u16());
    matches!(kind, Some(0x0800 | 0x86dd)) && is_ip(&ahead)
}

/// Whether an Ethernet frame of some type that may occur seems to begin here.
fn is_ethernet(cursor: &Cursor<'_>) -> bool {
    let mut bytes = cursor.bytes;
    let kind = bytes.skip(12).and_then(|()| bytes.u16());
    let version = bytes.u8().map(|byte| byte >> 4);
    match kind {
        Some(0x0800) => version == Some(4),
        Some(0x86dd) => version == Some(6),
        Some(
            0x0806 | 0x8100 | 0x8847 | 0x8848 | 0x8863 | 0x8864 | 0x88a8 | 0x88e5 | 0x88e7 | 0x8909
            | 0x9100 | 0x9200 | 0x9300,
        ) => true,
        _ => false,
    }
}
