//! EAP in RADIUS (RFC 3579): the EAP packet in a datagram, and what tells whose it is.
//!
//! All log-ins of an access point may share one pair of ports. A request of a later round echoes the
//! State attribute of the challenge before it; a challenge has the identifier of its request.

use std::net::IpAddr;

use crate::bytes::Reader;
use crate::packet::{Address, Mac};
use crate::tls::starttls::eap::Party;

const ACCESS_REQUEST: u8 = 1;
const ACCESS_ACCEPT: u8 = 2;
const ACCESS_REJECT: u8 = 3;
const ACCESS_CHALLENGE: u8 = 11;

const STATE: u8 = 24;
const CALLING_STATION_ID: u8 = 31;
const EAP_MESSAGE: u8 = 79;

/// A datagram with EAP in it.
#[derive(Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// It goes to the RADIUS server.
    pub request: bool,
    /// The same in a request and its answer.
    pub identifier: u8,
    /// The State attribute.
    pub state: Option<&'a [u8]>,
    /// Who logs in, if the access point says so.
    pub calling_station: Option<Station>,
    /// The EAP packet, put together from its attributes (RFC 3579 §3.1).
    pub eap: Vec<u8>,
}

/// Who logs in, by the Calling-Station-Id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Station {
    /// A station of a cable or radio network.
    Mac(Mac),
    /// A host that comes over IP: to a VPN gateway.
    Ip(Address),
}

impl Station {
    /// RFC 3580 §3.21 wants `00-10-A4-23-19-C0`; colons, dots and nothing at all are also used.
    fn parse(text: &[u8]) -> Option<Self> {
        let text = str::from_utf8(text).ok()?.trim();
        let digits = || text.bytes().filter(|byte| !matches!(byte, b'-' | b':' | b'.'));
        if digits().count() == 12 {
            let mut octets = [0_u8; 6];
            let mut pairs = digits().map(|byte| char::from(byte).to_digit(16));
            for octet in &mut octets {
                let pair = (pairs.next()??, pairs.next()??);
                *octet = u8::try_from(pair.0 << 4 | pair.1).ok()?;
            }
            return Some(Self::Mac(Mac(octets)));
        }
        text.parse::<IpAddr>().ok().map(|ip| Self::Ip(ip.into()))
    }
}

/// Read a datagram, `cut` bytes of which were not captured. `None` if it is no RADIUS, or has no EAP
/// in it.
///
/// RADIUS is recognised by content, on any port: its length is the datagram's, its attributes fill
/// it, and the EAP packet in them goes in the right direction and has its own length.
pub fn parse(datagram: &[u8], cut: u32) -> Option<Message<'_>> {
    let mut reader = Reader::new(datagram);
    let code = reader.u8()?;
    let request = match code {
        ACCESS_REQUEST => true,
        ACCESS_ACCEPT | ACCESS_REJECT | ACCESS_CHALLENGE => false,
        _ => return None,
    };
    let identifier = reader.u8()?;
    let size = usize::from(reader.u16()?);
    let cut = usize::try_from(cut).ok()?;
    // RFC 2865 §3: 20 octets are the least, 4096 the most.
    if size != datagram.len().checked_add(cut)? || !(20..=4096).contains(&size) {
        return None;
    }
    let _authenticator = reader.take(16)?;
    let mut message =
        Message { request, identifier, state: None, calling_station: None, eap: Vec::new() };
    while let Some(kind) = reader.u8() {
        let length = match reader.u8() {
            Some(length) => usize::from(length).checked_sub(2)?,
            None if cut > 0 => break,
            None => return None,
        };
        if length > reader.remaining() && cut == 0 {
            return None;
        }
        let value = reader.take_up_to(length);
        match kind {
            STATE => message.state = Some(value),
            CALLING_STATION_ID => message.calling_station = Station::parse(value),
            EAP_MESSAGE => message.eap.extend_from_slice(value),
            _ => {}
        }
    }
    let party = if request { Party::Peer } else { Party::Server };
    let length = message.eap.get(2..4).and_then(|bytes| Reader::new(bytes).u16())?;
    let whole = usize::from(length) == message.eap.len() || cut > 0;
    (whole && Party::of(&message.eap) == Some(party)).then_some(message)
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test may overflow: it fails then")]
pub(super) mod tests {
    use super::*;

    /// A RADIUS packet.
    pub(in super::super) fn packet(code: u8, id: u8, attributes: &[(u8, &[u8])]) -> Vec<u8> {
        let mut body = vec![0; 16];
        for (kind, value) in attributes {
            body.extend_from_slice(&[*kind, u8::try_from(value.len() + 2).unwrap()]);
            body.extend_from_slice(value);
        }
        let size = u16::try_from(body.len() + 4).unwrap().to_be_bytes();
        [[code, id].as_slice(), &size, &body].concat()
    }

    #[test]
    fn eap_is_put_together_from_attributes() {
        let bytes = packet(11, 7, &[(79, b"\x01\x05\x00\x08"), (24, b"s"), (79, b"\x0d\x20ab")]);
        let message = parse(&bytes, 0).unwrap();
        assert_eq!(message.eap, b"\x01\x05\x00\x08\x0d\x20ab");
        assert_eq!((message.state, message.request), (Some(&b"s"[..]), false));
        assert_eq!(parse(&packet(1, 7, &[(1, b"bob")]), 0), None);
        assert_eq!(parse(&packet(4, 7, &[(79, b"\x02\x05\x00\x04")]), 0), None);
        assert_eq!(parse(&[1, 2, 3], 0), None);
    }

    #[test]
    fn what_only_looks_like_radius_is_none() {
        let eap: (u8, &[u8]) = (79, b"\x02\x05\x00\x06\x0d\x00");
        let good = packet(1, 7, &[eap]);
        assert!(parse(&good, 0).is_some());
        // Another length than the datagram has, an attribute beyond its end, one without room for
        // itself, EAP in the wrong direction, EAP with another length.
        assert_eq!(parse(&[good.as_slice(), b"more"].concat(), 0), None);
        let beyond = packet(1, 7, &[eap, (1, b"bob")]);
        let at = beyond.len() - 4;
        for length in [0, 1, 99] {
            let mut bad = beyond.clone();
            bad[at] = length;
            assert_eq!(parse(&bad, 0), None, "{length}");
        }
        assert_eq!(parse(&packet(2, 7, &[eap]), 0), None);
        assert_eq!(parse(&packet(1, 7, &[(79, b"\x02\x05\x00\x09\x0d\x00")]), 0), None);
    }

    #[test]
    fn a_datagram_cut_by_the_snaplen_gives_what_there_is() {
        let whole =
            packet(1, 7, &[(31, b"02-20-00-00-00-0b"), (79, b"\x02\x05\x00\x0a\x0d\x00hell")]);
        let message = parse(&whole[..whole.len() - 3], 3).unwrap();
        assert_eq!(message.eap, b"\x02\x05\x00\x0a\x0d\x00h");
        assert_eq!(message.calling_station, Some(Station::Mac(Mac([2, 0x20, 0, 0, 0, 11]))));
        assert_eq!(parse(&whole[..whole.len() - 3], 0), None);
    }

    #[test]
    fn stations_are_written_in_many_ways() {
        let mac = Some(Station::Mac(Mac([0x00, 0x10, 0xa4, 0x23, 0x19, 0xc0])));
        for text in ["00-10-A4-23-19-C0", "00:10:a4:23:19:c0", "0010.a423.19c0", "0010A42319C0"] {
            assert_eq!(Station::parse(text.as_bytes()), mac, "{text}");
        }
        let ip = Some(Station::Ip(Address::v4([192, 0, 2, 7])));
        assert_eq!(Station::parse(b"192.0.2.7"), ip);
        for text in ["", "+49 30 1234567", "00-10-A4-23-19-C0:office", "00-10-A4-23-19-XX"] {
            assert_eq!(Station::parse(text.as_bytes()), None, "{text}");
        }
    }
}
