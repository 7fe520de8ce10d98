//! [`Scope`] and [`Networks`]: which servers are meant, and which hosts are ours.
//!
//! In go the patterns of `--scope` and `--internal`; a pattern that means nothing is a
//! [`PatternError`] that names it and says what would have been one.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use thiserror::Error;

use crate::census::ServerKey;
use crate::packet::Address;

/// The servers that will enforce; without patterns all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope(Vec<Pattern>);

impl Scope {
    /// A scope of these patterns.
    pub const fn new(patterns: Vec<Pattern>) -> Self {
        Self(patterns)
    }

    /// Whether it leaves nothing out.
    pub const fn is_all(&self) -> bool {
        self.0.is_empty()
    }

    /// The patterns, as given.
    pub fn patterns(&self) -> &[Pattern] {
        &self.0
    }

    /// Whether a server is in it when it is asked for by this name.
    pub fn covers(&self, server: &ServerKey, sni: Option<&str>) -> bool {
        self.is_all() || self.0.iter().any(|pattern| pattern.covers(server, sni))
    }
}

/// One pattern of a [`Scope`]: `10.0.0.0/8`, `10.1.2.3`, `10.1.2.3:443`, `[2001:db8::1]:443`,
/// `*.example.com`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: Box<str>,
    what: What,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Network(Network),
    /// A glob in lower case.
    Name(Box<str>),
}

impl Pattern {
    /// The pattern as it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn covers(&self, server: &ServerKey, sni: Option<&str>) -> bool {
        self.covers_server((server.ip, server.port), server.target.as_deref(), sni)
    }

    /// Whether it stands for a server by its address, its port, what a proxy was asked for, and the
    /// name that a client asked for.
    pub(super) fn covers_server(
        &self,
        (ip, port): (Address, u16),
        target: Option<&str>,
        sni: Option<&str>,
    ) -> bool {
        // Behind a proxy the server is what was asked for, not the proxy.
        let target = target.map(split_port);
        let (address, port) = match target {
            None => (Some(ip), Some(port)),
            Some((host, port)) => (host.parse::<IpAddr>().ok().map(Address::from), port),
        };
        if self.port.is_some() && self.port != port {
            return false;
        }
        match &self.what {
            What::Network(network) => address.is_some_and(|address| network.contains(address)),
            What::Name(_) => {
                let mut names = sni.into_iter().chain(target.map(|(host, _)| host));
                names.any(|name| self.covers_name(name))
            }
        }
    }

    /// Whether it stands for host names.
    pub(super) const fn is_name(&self) -> bool {
        matches!(self.what, What::Name(_))
    }

    /// Whether it names a port.
    pub(super) const fn has_port(&self) -> bool {
        self.port.is_some()
    }

    /// Whether it stands for host names, and this is one of them.
    pub fn covers_name(&self, name: &str) -> bool {
        let What::Name(glob) = &self.what else {
            return false;
        };
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        matches(glob.as_bytes(), name.as_bytes())
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let error = |why| PatternError { pattern: text.to_owned(), why };
        if text.contains("://") {
            return Err(error("a host name stands alone, without scheme and path"));
        }
        if let Ok(endpoint) = text.parse::<SocketAddr>() {
            let what = What::Network(Network::from(endpoint.ip()));
            return Ok(Self { text: text.into(), what, port: Some(endpoint.port()) });
        }
        if text.contains('/') {
            let network = text.rsplit_once(':').map(|(network, _)| network.parse::<Network>());
            let is_v4 = text.contains('.');
            return match text.parse() {
                Ok(network) => {
                    Ok(Self { text: text.into(), what: What::Network(network), port: None })
                }
                Err(_) if matches!(network, Some(Ok(_))) => Err(error(if is_v4 {
                    "a network stands without a port; single servers are written like 10.1.2.3:443"
                } else {
                    "a network stands without a port; single servers are written like [fd00::1]:443"
                })),
                Err(error) => Err(error),
            };
        }
        if is_ambiguous(text) {
            return Err(error(
                "it may be an address or one with a port; write [fd00::1]:443 for the port, or \
                 fd00::1:443/128 for the address",
            ));
        }
        if text.parse::<IpAddr>().is_ok() {
            return Ok(Self { text: text.into(), what: What::Network(text.parse()?), port: None });
        }
        if text.parse::<IpAddr>().is_err() && text.matches(':').count() > 1 {
            let bare = text.trim_start_matches('[').split(['%', ']']).next();
            if bare.is_some_and(|bare| bare.parse::<IpAddr>().is_ok()) {
                return Err(error(
                    "an IPv6 address is written like fd00::1, with a port like [fd00::1]:443, and \
                     without its interface",
                ));
            }
        }
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) => {
                let port = port.parse().map_err(|_| error("what follows the colon is no port"))?;
                (name, Some(port))
            }
            None => (text, None),
        };
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        if name.is_empty() {
            return Err(error("it is empty"));
        }
        if name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'*' | b'?'))
            && name.bytes().any(|byte| byte.is_ascii_digit())
        {
            return Err(error("it is no address; networks are written like 10.0.0.0/16"));
        }
        if !name.is_ascii() {
            return Err(error("names are written as in DNS, like xn--mnchen-3ya.example"));
        }
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.*?".contains(&byte);
        if !name.bytes().all(known) {
            return Err(error("it is no address, no network and no host name"));
        }
        Ok(Self { text: text.into(), what: What::Name(name.into()), port })
    }
}

/// Whether an IPv6 address is one with a port too, written without brackets: its last group is a
/// decimal number of two digits or more, and what stands before it is an address by itself.
fn is_ambiguous(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(address, port)| {
        port.len() > 1
            && port.bytes().all(|byte| byte.is_ascii_digit())
            && address.parse::<IpAddr>().is_ok_and(|address| address.is_ipv6())
    })
}

/// A set of networks: those that are ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Networks(Vec<Network>);

impl Networks {
    /// These networks.
    pub const fn new(networks: Vec<Network>) -> Self {
        Self(networks)
    }

    /// Whether the address lies in one of them.
    pub fn contain(&self, address: Address) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// Whether a server is ours. Behind a proxy it is what was asked for: by its address; a name
    /// proves nothing.
    pub fn contain_server(&self, server: &ServerKey) -> bool {
        match server.target.as_deref().map(split_port) {
            None => self.contain(server.ip),
            Some((host, _)) => {
                host.parse::<IpAddr>().is_ok_and(|address| self.contain(address.into()))
            }
        }
    }
}

impl Default for Networks {
    /// Private, link-local and loopback ranges (RFC 1918, 3927, 4193, 4291 §2.5.6).
    fn default() -> Self {
        let v4 =
            |a, b, bits: u8| Network { address: Address::v4([a, b, 0, 0]), bits: V4_MAPPED + bits };
        let v6 = |a: u8, b: u8, bits| {
            let mut octets = [0; 16];
            [octets[0], octets[1]] = [a, b];
            Network { address: Address::v6(octets), bits }
        };
        let loopback = Network::from(IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1_u16]));
        Self(vec![
            v4(10, 0, 8),
            v4(172, 16, 12),
            v4(192, 168, 16),
            v4(169, 254, 16),
            v4(127, 0, 8),
            v6(0xfc, 0, 7),
            v6(0xfe, 0x80, 10),
            loopback,
        ])
    }
}

/// The length of the prefix of IPv4-mapped addresses (RFC 4291 §2.5.5.2).
const V4_MAPPED: u8 = 96;

/// A network in CIDR notation; a single address is a network of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: Address,
    /// Leading bits that count, of 128: IPv4 stands IPv4-mapped.
    bits: u8,
}

impl Network {
    /// Leading bits that count, of 128.
    pub(super) const fn bits(self) -> u8 {
        self.bits
    }

    /// Whether the address lies in it. One of IPv6 that is wider than all of the IPv4-mapped addresses
    /// holds none of them: whoever writes `::/0` means IPv6.
    pub fn contains(self, address: Address) -> bool {
        if self.bits < V4_MAPPED && address.to_ip().is_ipv4() {
            return false;
        }
        let bits = |address: Address| u128::from_be_bytes(address.octets());
        // A shift by the full width has no result: no bit counts.
        let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
        (bits(self.address) ^ bits(address)) & mask == 0
    }
}

impl From<IpAddr> for Network {
    fn from(ip: IpAddr) -> Self {
        Self { address: ip.into(), bits: 128 }
    }
}

impl FromStr for Network {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let error = |why| PatternError { pattern: text.to_owned(), why };
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let ip: IpAddr =
            address.parse().map_err(|_| error("networks are written like 10.0.0.0/16"))?;
        let Some(bits) = bits else {
            return Ok(ip.into());
        };
        let width = if ip.is_ipv4() { 32 } else { 128 };
        match bits.parse::<u8>() {
            Ok(bits) if bits <= width => Ok(Self { address: ip.into(), bits: 128 - width + bits }),
            _ => Err(error(if ip.is_ipv4() {
                "the number after the slash is at most 32"
            } else {
                "the number after the slash is at most 128"
            })),
        }
    }
}

/// A pattern that means nothing.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("`{pattern}` is no pattern: {why}")]
pub struct PatternError {
    /// What was given.
    pub pattern: String,
    /// What is wrong with it.
    pub why: &'static str,
}

/// Host and port of a proxy's target; without brackets around an IPv6 address.
fn split_port(target: &str) -> (&str, Option<u16>) {
    let (host, port) = match target.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
            (host, port.parse().ok())
        }
        _ => (target, None),
    };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    (bare.unwrap_or(host), port)
}

/// Whether a name matches a glob: `*` stands for any characters, dots too, `?` for one.
///
/// Goes back only to the last `*`, so the time is at most the product of the lengths.
fn matches(glob: &[u8], name: &[u8]) -> bool {
    let (mut at, mut from) = (0, 0);
    let mut retry = None;
    while let Some(byte) = name.get(from) {
        match glob.get(at) {
            Some(b'*') => {
                retry = Some((at, from));
                at += 1;
                continue;
            }
            Some(wanted) if wanted == byte || *wanted == b'?' => {
                at += 1;
                from += 1;
                continue;
            }
            _ => {}
        }
        let Some((star, start)) = retry else {
            return false;
        };
        retry = Some((star, start + 1));
        (at, from) = (star + 1, start + 1);
    }
    glob.iter().skip(at).all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(ip: &str, port: u16, target: Option<&str>) -> ServerKey {
        ServerKey {
            ip: ip.parse::<IpAddr>().unwrap().into(),
            port,
            target: target.map(Into::into),
            application: None,
        }
    }

    fn covers(pattern: &str, server: &ServerKey, sni: Option<&str>) -> bool {
        Scope::new(vec![pattern.parse().unwrap()]).covers(server, sni)
    }

    #[test]
    fn servers_by_address() {
        let v4 = server("203.0.113.7", 443, None);
        for pattern in ["203.0.113.7", "203.0.113.0/24", "203.0.113.7:443", "0.0.0.0/0"] {
            assert!(covers(pattern, &v4, None), "{pattern}");
        }
        for pattern in ["203.0.113.8", "203.0.112.0/24", "203.0.113.7:444", "2001:db8::/32"] {
            assert!(!covers(pattern, &v4, None), "{pattern}");
        }
        let v6 = server("2001:db8::1", 443, None);
        for pattern in ["2001:db8::1", "2001:db8::/32", "[2001:db8::1]:443", "::/0"] {
            assert!(covers(pattern, &v6, None), "{pattern}");
        }
        assert!(!covers("[2001:db8::1]:8443", &v6, None));
        assert!(Scope::default().covers(&v6, None));
    }

    #[test]
    fn a_network_of_ipv6_holds_no_ipv4_unless_it_lies_among_the_mapped_ones() {
        let (v4, v6) = (server("203.0.113.7", 443, None), server("::1", 443, None));
        for pattern in ["::/0", "::/1", "::/64", "::/80", "::/95"] {
            assert!(!covers(pattern, &v4, None) && covers(pattern, &v6, None), "{pattern}");
        }
        for pattern in ["::ffff:0:0/96", "::ffff:203.0.113.0/120", "0.0.0.0/0"] {
            assert!(covers(pattern, &v4, None) && !covers(pattern, &v6, None), "{pattern}");
        }
    }

    #[test]
    fn servers_by_name() {
        let any = server("203.0.113.7", 443, None);
        assert!(covers("*.dynamics.com", &any, Some("org.crm4.dynamics.com")));
        assert!(covers("*.Dynamics.com.", &any, Some("ORG.dynamics.com.")));
        assert!(covers("*.dynamics.com:443", &any, Some("org.dynamics.com")));
        assert!(covers("crm?.example.com", &any, Some("crm4.example.com")));
        assert!(!covers("*.dynamics.com", &any, Some("dynamics.com")));
        assert!(!covers("*.dynamics.com", &any, Some("org.dynamics.com.evil.example")));
        assert!(!covers("*.dynamics.com", &any, None));
        assert!(!covers("*a*a*a*a*a*b", &any, Some(&"a".repeat(255))));
    }

    #[test]
    fn behind_a_proxy_the_target_counts() {
        let named = server("10.0.0.1", 3128, Some("org.dynamics.com:443"));
        assert!(covers("*.dynamics.com", &named, None));
        assert!(covers("*.dynamics.com:443", &named, None));
        assert!(!covers("10.0.0.1", &named, None));
        let address = server("10.0.0.1", 1080, Some("[2001:db8::1]:443"));
        assert!(covers("[2001:db8::1]:443", &address, None));
    }

    #[test]
    fn what_is_ours_by_default() {
        let ours = Networks::default();
        let has = |ip: &str| ours.contain(ip.parse::<IpAddr>().unwrap().into());
        for ip in ["10.9.8.7", "172.31.0.1", "192.168.1.1", "169.254.1.1", "127.0.0.1"] {
            assert!(has(ip), "{ip}");
        }
        assert!(has("fd00::1") && has("fe80::1") && has("::1"));
        for ip in ["172.32.0.1", "11.0.0.1", "2001:db8::1", "::2", "203.0.113.1"] {
            assert!(!has(ip), "{ip}");
        }
    }

    #[test]
    fn behind_a_proxy_of_ours_a_server_is_ours_by_the_address_that_was_asked_for() {
        let ours = Networks::default();
        let via = |target| ours.contain_server(&server("10.0.0.1", 3128, target));
        assert!(via(None) && via(Some("10.9.0.1:443")) && via(Some("[fd00::1]:443")));
        assert!(!via(Some("203.0.113.7:443")) && !via(Some("org.dynamics.com:443")));
    }

    #[test]
    fn errors_name_the_pattern_and_the_cure() {
        let why = |text: &str| text.parse::<Pattern>().unwrap_err().to_string();
        insta::assert_snapshot!(
            ["", "10.0.0.0/33", "10.0.0", "10.*", "https://crm.example.com", "crm example",
             "crm.example.com:https", "::1/129", "10.0.0.0/8:443", "fd00::/8:443", "::1:443",
             "[::1]", "fe80::1%eth0", "m\u{fc}nchen.example"].map(why).join("\n"),
            @r#"
            `` is no pattern: it is empty
            `10.0.0.0/33` is no pattern: the number after the slash is at most 32
            `10.0.0` is no pattern: it is no address; networks are written like 10.0.0.0/16
            `10.*` is no pattern: it is no address; networks are written like 10.0.0.0/16
            `https://crm.example.com` is no pattern: a host name stands alone, without scheme and path
            `crm example` is no pattern: it is no address, no network and no host name
            `crm.example.com:https` is no pattern: what follows the colon is no port
            `::1/129` is no pattern: the number after the slash is at most 128
            `10.0.0.0/8:443` is no pattern: a network stands without a port; single servers are written like 10.1.2.3:443
            `fd00::/8:443` is no pattern: a network stands without a port; single servers are written like [fd00::1]:443
            `::1:443` is no pattern: it may be an address or one with a port; write [fd00::1]:443 for the port, or fd00::1:443/128 for the address
            `[::1]` is no pattern: an IPv6 address is written like fd00::1, with a port like [fd00::1]:443, and without its interface
            `fe80::1%eth0` is no pattern: an IPv6 address is written like fd00::1, with a port like [fd00::1]:443, and without its interface
            `münchen.example` is no pattern: names are written as in DNS, like xn--mnchen-3ya.example
            "#
        );
        assert!("10.0.0.0/8".parse::<Network>().is_ok());
        for sound in ["::1", "fd00::1:443/128", "[fd00::1]:443", "fd00::a443", "1:2:3:4:5:6:7:443"]
        {
            assert!(sound.parse::<Pattern>().is_ok(), "{sound}");
        }
    }
}
