//! [`VersionSet`]: a few versions in one byte, each judged as its TLS counterpart.

use crate::tls::Transport;
use crate::tls::codepoint::ProtocolVersion;
use crate::tls::hello::Offer;

/// A set of versions. Datagram versions are in it as the TLS version whose strength they have;
/// drafts, GREASE and unknown numbers never are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VersionSet(u8);

/// The versions that can be judged, lowest first.
const LADDER: [ProtocolVersion; 6] = [
    ProtocolVersion::SSL2,
    ProtocolVersion::SSL3,
    ProtocolVersion::TLS1_0,
    ProtocolVersion::TLS1_1,
    ProtocolVersion::TLS1_2,
    ProtocolVersion::TLS1_3,
];

/// The bit of a version.
const fn bit(version: ProtocolVersion) -> u8 {
    match version.judged_as() {
        Some(ProtocolVersion::SSL2) => 1,
        Some(ProtocolVersion::SSL3) => 1 << 1,
        Some(ProtocolVersion::TLS1_0) => 1 << 2,
        Some(ProtocolVersion::TLS1_1) => 1 << 3,
        Some(ProtocolVersion::TLS1_2) => 1 << 4,
        Some(ProtocolVersion::TLS1_3) => 1 << 5,
        _ => 0,
    }
}

impl VersionSet {
    /// No version.
    pub const EMPTY: Self = Self(0);

    /// What a client offers over a transport. A QUIC hello can offer nothing below TLS 1.3
    /// (RFC 9001 §4.2), and offers that even where the capture cut the list off.
    pub fn offered(offer: &Offer, transport: Transport) -> Self {
        const TLS1_3: VersionSet = VersionSet(bit(ProtocolVersion::TLS1_3));
        let all: Self = offer.versions().into_iter().collect();
        match transport {
            Transport::Quic if offer.truncated && offer.supported_versions.is_none() => TLS1_3,
            Transport::Quic => all.intersection(TLS1_3),
            Transport::Tcp | Transport::Udp => all,
        }
    }

    /// Add a version; one that cannot be judged is not added.
    pub const fn insert(&mut self, version: ProtocolVersion) {
        self.0 |= bit(version);
    }

    /// Whether it holds this version.
    pub const fn contains(self, version: ProtocolVersion) -> bool {
        self.0 & bit(version) != 0
    }

    /// Whether it holds none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What both hold.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What either holds.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The lowest version.
    pub fn lowest(self) -> Option<ProtocolVersion> {
        self.iter().next()
    }

    /// The highest version.
    pub fn highest(self) -> Option<ProtocolVersion> {
        self.iter().next_back()
    }

    /// Whether it holds every version from `lowest` to `highest`.
    pub fn spans(self, lowest: ProtocolVersion, highest: ProtocolVersion) -> bool {
        LADDER
            .into_iter()
            .filter(|version| (lowest..=highest).contains(version))
            .all(|version| self.contains(version))
    }

    /// The versions, lowest first.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = ProtocolVersion> {
        LADDER.into_iter().filter(move |version| self.contains(*version))
    }

    /// The versions, highest first.
    pub fn descending(self) -> impl Iterator<Item = ProtocolVersion> {
        self.iter().rev()
    }
}

impl FromIterator<ProtocolVersion> for VersionSet {
    fn from_iter<I: IntoIterator<Item = ProtocolVersion>>(versions: I) -> Self {
        let mut set = Self::EMPTY;
        versions.into_iter().for_each(|version| set.insert(version));
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ProtocolVersion as V;

    #[test]
    fn datagram_versions_count_as_their_stream_counterparts() {
        let set: VersionSet = [V::DTLS1_2, V::DTLS1_0, V(0x7f1c), V(0x1a1a)].into_iter().collect();
        assert!(set.contains(V::TLS1_2) && set.contains(V::TLS1_1) && set.contains(V::DTLS1_0));
        assert_eq!(set.iter().collect::<Vec<_>>(), [V::TLS1_1, V::TLS1_2]);
        assert_eq!((set.lowest(), set.highest()), (Some(V::TLS1_1), Some(V::TLS1_2)));
        assert_eq!(VersionSet::EMPTY.highest(), None);
    }

    #[test]
    fn a_span_has_no_hole() {
        let set: VersionSet = [V::TLS1_0, V::TLS1_2].into_iter().collect();
        assert!(set.spans(V::TLS1_2, V::TLS1_2));
        assert!(!set.spans(V::TLS1_0, V::TLS1_2));
    }
}
