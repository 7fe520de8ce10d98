//! Whose name a certificate carries: matching it against the name that a client asked for.

use std::net::IpAddr;

use super::certificate::Certificate;
use super::extension::AltName;

/// By what a certificate matches a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameMatch {
    /// By a subject alternative name.
    AltName,
    /// Only by the common name, which current clients no longer look at (RFC 9525 §2).
    CommonName,
    /// Not at all.
    No,
}

impl Certificate {
    /// Whether it is for this host name or address; see [`Self::name_match`].
    pub fn matches_name(&self, name: &str) -> bool {
        self.name_match(name) != NameMatch::No
    }

    /// How it is for this host name or address (RFC 6125 §6.4, RFC 9525 §6).
    ///
    /// A wildcard stands for exactly one label, the whole leftmost one. Addresses match addresses
    /// only. The common name counts only where no alternative name is a host name.
    pub fn name_match(&self, name: &str) -> NameMatch {
        let name = name.strip_suffix('.').unwrap_or(name);
        if name.is_empty() {
            return NameMatch::No;
        }
        let bare = name.strip_prefix('[').and_then(|n| n.strip_suffix(']')).unwrap_or(name);
        if let Ok(address) = bare.parse::<IpAddr>() {
            if self.alt_names().any(|(kind, _)| kind == AltName::Ip(address)) {
                return NameMatch::AltName;
            }
            // Old certificates carry their address as the common name.
            let common = self.alt_names().all(|(kind, _)| kind == AltName::Other)
                && self.common_name().is_some_and(|cn| cn.parse() == Ok(address));
            return if common { NameMatch::CommonName } else { NameMatch::No };
        }
        if self.alt_names().any(|(kind, pattern)| kind == AltName::Dns && covers(pattern, name)) {
            return NameMatch::AltName;
        }
        if !self.has_dns_name() && self.common_name().is_some_and(|cn| covers(cn, name)) {
            return NameMatch::CommonName;
        }
        NameMatch::No
    }
}

/// Whether a presented name covers a wanted one (RFC 9525 §6.3).
fn covers(pattern: &str, name: &str) -> bool {
    let pattern = pattern.strip_suffix('.').unwrap_or(pattern);
    if pattern.parse::<IpAddr>().is_ok() {
        return false;
    }
    match pattern.strip_prefix("*.") {
        Some(parent) => name.split_once('.').is_some_and(|(label, rest)| {
            !label.is_empty() && !parent.contains('*') && rest.eq_ignore_ascii_case(parent)
        }),
        None => pattern.eq_ignore_ascii_case(name) && !pattern.contains('*'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_is_one_whole_label() {
        assert!(covers("*.example.com", "Mail.Example.com"));
        assert!(!covers("*.example.com", "a.b.example.com"));
        assert!(!covers("*.example.com", "example.com"));
        assert!(!covers("*.example.com", ".example.com"));
        assert!(!covers("m*.example.com", "mail.example.com"));
        assert!(!covers("*.*.example.com", "a.b.example.com"));
        assert!(!covers("*", "example"));
        assert!(covers("example.com.", "example.com"));
        assert!(!covers("*.0.0.1", "127.0.0.1.x"));
    }
}
