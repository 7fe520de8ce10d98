//! [`Address`]: IP addresses of both versions in one form, and their text.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use serde::{Serialize, Serializer};

use super::Mac;
use crate::ascii::{Ascii, hex_digit};

/// An IP address of either version in 16 bytes; IPv4 stands IPv4-mapped (RFC 4291 §2.5.5.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address([u8; 16]);

impl Address {
    /// An IPv4 address.
    pub const fn v4(octets: [u8; 4]) -> Self {
        // As a number, which is two wide stores; byte by byte it would be sixteen.
        Self((0xffff << 80 | (u32::from_le_bytes(octets) as u128) << 96).to_le_bytes())
    }

    /// An IPv6 address.
    pub const fn v6(octets: [u8; 16]) -> Self {
        Self(octets)
    }

    /// The link-local IPv6 address that a MAC address makes (RFC 4291 §2.5.1 and appendix A): the
    /// address of a host of which no other is known.
    pub fn of_mac(Mac(mac): Mac) -> Self {
        let [first, x, y, ref device @ ..] = mac;
        let mut octets = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, first ^ 0x02, x, y, 0xff, 0xfe, 0, 0, 0];
        octets.iter_mut().rev().zip(device.iter().rev()).for_each(|(to, from)| *to = *from);
        Self(octets)
    }

    /// The 16 bytes.
    pub const fn octets(self) -> [u8; 16] {
        self.0
    }

    /// As text, IPv4 as such.
    fn text(self) -> Ascii<48> {
        match self.to_ip() {
            IpAddr::V4(ip) => dotted(ip.octets()),
            IpAddr::V6(ip) => grouped(ip.segments()),
        }
    }

    /// As the standard library's type, IPv4 as such.
    pub fn to_ip(self) -> IpAddr {
        Ipv6Addr::from(self.0).to_canonical()
    }
}

impl From<IpAddr> for Address {
    fn from(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(ip) => Self::v4(ip.octets()),
            IpAddr::V6(ip) => Self::v6(ip.octets()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text().as_str())
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.text().as_str())
    }
}

/// `203.0.113.7`.
fn dotted(octets: [u8; 4]) -> Ascii<48> {
    let mut text = Ascii::EMPTY;
    for octet in octets {
        // Three digits and a dot are written, and what is not needed of them is written over.
        let (digits, size) = OCTETS.get(usize::from(octet)).copied().unwrap_or_default();
        text.put(digits, size);
    }
    text.pop();
    text
}

/// `2001:db8::7` (RFC 5952 §4): the longest run of groups that are zero, the first one of several, is left
/// out.
fn grouped(groups: [u16; 8]) -> Ascii<48> {
    let (mut longest, mut run) = (0..0, 0..0);
    for (n, group) in (0_usize..).zip(groups) {
        run = if group == 0 { run.start..n.saturating_add(1) } else { n.saturating_add(1)..0 };
        if run.len() > longest.len().max(1) {
            longest = run.clone();
        }
    }
    let mut text = Ascii::EMPTY;
    if longest.start == 0 && !longest.is_empty() {
        text.put(*b":", 1);
    }
    for (n, group) in (0_usize..).zip(groups) {
        if n == longest.start && !longest.is_empty() {
            text.put(*b":", 1);
        }
        if longest.contains(&n) {
            continue;
        }
        // All four digits are written, those that count in front, and the others are written over.
        let digits = group.checked_ilog2().map_or(1, |bits| (bits / 4).saturating_add(1));
        let [high, low] =
            group.wrapping_shl(4_u32.saturating_sub(digits).saturating_mul(4)).to_be_bytes();
        let [a, b, c, d] = [high >> 4, high, low >> 4, low].map(hex_digit);
        text.put([a, b, c, d], digits as usize);
        text.put(*b":", 1);
    }
    if longest.end < groups.len() {
        text.pop();
    }
    text
}

/// The digits of each octet, a dot behind them, and how many bytes these are.
#[allow(clippy::indexing_slicing, reason = "checked when it is built")]
static OCTETS: [([u8; 4], usize); 256] = {
    let mut octets = [([b'.'; 4], 2); 256];
    let mut octet = 0_u8;
    loop {
        let ones = b'0' | (octet % 10);
        octets[octet as usize] = match octet {
            0..=9 => ([ones, b'.', b'.', b'.'], 2),
            10..=99 => ([b'0' | (octet / 10), ones, b'.', b'.'], 3),
            _ => ([b'0' | (octet / 100), b'0' | (octet / 10 % 10), ones, b'.'], 4),
        };
        let Some(next) = octet.checked_add(1) else { break octets };
        octet = next;
    }
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_as_the_standard_library_has_it() {
        let low = |number: u32| u16::try_from(number & 0xffff).unwrap();
        let mut groups = [[0_u16; 8]; 2];
        for round in 0_u32..60_000 {
            // All places of zeros, and numbers of all lengths between them.
            for (n, group) in (0..).zip(&mut groups[0]) {
                let number = low(round.wrapping_mul(2_654_435_761).rotate_left(n * 5));
                *group = if round & 1 << n == 0 { 0 } else { number >> (round >> 8 & 15) };
            }
            groups[1][7] = low(round);
            for groups in groups {
                let address = Ipv6Addr::from(groups);
                let text = address.to_canonical().to_string();
                assert_eq!(Address::from(IpAddr::V6(address)).to_string(), text);
            }
            let address = IpAddr::from(round.wrapping_mul(2_654_435_761).to_be_bytes());
            assert_eq!(Address::from(address).to_string(), address.to_string());
        }
        let address = Address::v4([192, 0, 2, 7]);
        assert_eq!(format!("{address:>12}|{address:<10}|"), "   192.0.2.7|192.0.2.7 |");
        assert_eq!(serde_json::to_value(address).unwrap(), "192.0.2.7");
    }
}
