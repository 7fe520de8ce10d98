//! The Community ID of a flow (version 1): the same text that Zeek, Suricata and others log, so that
//! their records and ours can be joined.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::packet::Endpoint;

/// The protocol number of TCP.
pub const TCP: u8 = 6;
/// The protocol number of UDP.
pub const UDP: u8 = 17;

/// The Community ID of the flow between two ends, with seed 0.
pub fn community_id(one: Endpoint, other: Endpoint, protocol: u8) -> String {
    let (low, high) = if one <= other { (one, other) } else { (other, one) };
    let mut bytes = Vec::with_capacity(40);
    bytes.extend([0, 0]);
    for end in [low, high] {
        match end.address.to_ip() {
            std::net::IpAddr::V4(ip) => bytes.extend(ip.octets()),
            std::net::IpAddr::V6(ip) => bytes.extend(ip.octets()),
        }
    }
    bytes.extend([protocol, 0]);
    bytes.extend(low.port.to_be_bytes());
    bytes.extend(high.port.to_be_bytes());
    let mut text = String::with_capacity(30);
    text.push_str("1:");
    STANDARD.encode_string(digest(&SHA1_FOR_LEGACY_USE_ONLY, &bytes), &mut text);
    text
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
        assert_eq!(community_id(client, server, TCP), "1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
        assert_eq!(community_id(server, client, TCP), "1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
        let client = end("192.168.1.52", 54_585);
        let server = end("8.8.8.8", 53);
        assert_eq!(community_id(client, server, UDP), "1:d/FP5EW3wiY1vCndhwleRRKHowQ=");
    }
}
