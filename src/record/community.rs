//! The Community ID of a flow (version 1): the same text that Zeek, Suricata and others log, so that
//! their records and ours can be joined.

use std::fmt;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Serialize, Serializer};

use crate::ascii::Ascii;
use crate::packet::Endpoint;

/// The protocol number of TCP.
pub const TCP: u8 = 6;
/// The protocol number of UDP.
pub const UDP: u8 = 17;

/// The Community ID of a flow: `1:` and the hash in base64.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CommunityId(Ascii<32>);

impl CommunityId {
    /// Of the flow between two ends, with seed 0.
    pub fn of(one: Endpoint, other: Endpoint, protocol: u8) -> Self {
        let (low, high) = if one <= other { (one, other) } else { (other, one) };
        let mut bytes = [0_u8; 40];
        let mut length = 0_usize;
        let mut put = |part: &[u8]| {
            let end = length.saturating_add(part.len());
            if let Some(place) = bytes.get_mut(length..end) {
                place.copy_from_slice(part);
                length = end;
            }
        };
        put(&[0, 0]);
        for end in [low, high] {
            match end.address.to_ip() {
                std::net::IpAddr::V4(ip) => put(&ip.octets()),
                std::net::IpAddr::V6(ip) => put(&ip.octets()),
            }
        }
        put(&[protocol, 0]);
        put(&low.port.to_be_bytes());
        put(&high.port.to_be_bytes());
        let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, bytes.get(..length).unwrap_or_default());
        let mut text = *b"1:000000000000000000000000000000";
        let [_, _, encoded @ ..] = &mut text;
        // 20 bytes are 28 digits: they fit.
        let encoded = STANDARD.encode_slice(hash, encoded).unwrap_or_default();
        Self(Ascii::of(text, encoded.saturating_add(2)))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for CommunityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for CommunityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for CommunityId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    /// From the baseline that accompanies the specification.
    #[test]
    fn published_values() {
        let end = |ip: &str, port| Endpoint { address: ip.parse::<IpAddr>().unwrap().into(), port };
        let client = end("128.232.110.120", 34_855);
        let server = end("66.35.250.204", 80);
        let id = |one, other, protocol| CommunityId::of(one, other, protocol).to_string();
        assert_eq!(id(client, server, TCP), "1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
        assert_eq!(id(server, client, TCP), "1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
        let client = end("192.168.1.52", 54_585);
        let server = end("8.8.8.8", 53);
        assert_eq!(id(client, server, UDP), "1:d/FP5EW3wiY1vCndhwleRRKHowQ=");
    }
}
