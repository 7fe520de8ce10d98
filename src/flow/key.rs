//! [`FlowKey`]: which connection a packet belongs to, the same for both directions.

use std::hash::{Hash, Hasher};
use std::hint::select_unpredictable;

use crate::packet::{Address, Domain, Endpoint};

/// One of the two ends of a flow, by its address alone. Who is the client is a conclusion that is
/// drawn later, and may have to be drawn from the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The end with the lower address and port.
    Low,
    /// The other one.
    High,
}

impl Side {
    /// The other end.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Low => Self::High,
            Self::High => Self::Low,
        }
    }

    /// Of two things kept for the ends, the one of this end.
    pub fn of<T>(self, [low, high]: &[T; 2]) -> &T {
        match self {
            Self::Low => low,
            Self::High => high,
        }
    }

    /// Of two things kept for the ends, the one of this end, to change.
    pub fn of_mut<T>(self, [low, high]: &mut [T; 2]) -> &mut T {
        match self {
            Self::Low => low,
            Self::High => high,
        }
    }
}

/// The two ends and their address space, in an order that does not depend on the direction.
///
/// Five words, so that hashing and comparing cost as little as they can.
#[derive(Clone, Copy, Debug, Eq)]
pub struct FlowKey {
    words: [u64; 5],
}

impl FlowKey {
    /// The key of a packet, and which end sent it.
    #[inline]
    #[expect(clippy::needless_bitwise_bool, reason = "it must not be a branch")]
    pub fn of(source: Endpoint, target: Endpoint, domain: Domain) -> (Self, Side) {
        // As words, which are read from the packet once.
        let [source_0, source_1] = halves(source.address);
        let [target_0, target_1] = halves(target.address);
        let wide = |high: u64, low: u64| u128::from(high) << 64 | u128::from(low);
        let (from, to) = (wide(source_0, source_1), wide(target_0, target_1));
        // Which end sends is as good as chance: what depends on it is chosen without a branch.
        let is_low = (from < to) | ((from == to) & (source.port <= target.port));
        let of_two = |source: u64, target: u64| {
            let low = select_unpredictable(is_low, source, target);
            (low, low ^ source ^ target)
        };
        let ((low_0, high_0), (low_1, high_1)) =
            (of_two(source_0, target_0), of_two(source_1, target_1));
        let (low_port, high_port) = of_two(source.port.into(), target.port.into());
        let rest = u64::from(domain.0) << 32 | low_port << 16 | high_port;
        let side = select_unpredictable(is_low, Side::Low, Side::High);
        (Self { words: [low_0, low_1, high_0, high_1, rest] }, side)
    }

    /// One end.
    pub fn endpoint(&self, side: Side) -> Endpoint {
        let [low_0, low_1, high_0, high_1, rest] = self.words;
        let (first, second, port) = match side {
            Side::Low => (low_0, low_1, rest >> 16),
            Side::High => (high_0, high_1, rest),
        };
        let octets = (u128::from(first) << 64 | u128::from(second)).to_be_bytes();
        let [.., port_0, port_1] = port.to_be_bytes();
        Endpoint { address: Address::v6(octets), port: u16::from_be_bytes([port_0, port_1]) }
    }

    /// Both ends, low then high.
    pub fn endpoints(&self) -> [Endpoint; 2] {
        [self.endpoint(Side::Low), self.endpoint(Side::High)]
    }

    /// The address space.
    pub const fn domain(&self) -> Domain {
        let [.., rest] = self.words;
        let [high, second, third, low, ..] = rest.to_be_bytes();
        Domain(u32::from_be_bytes([high, second, third, low]))
    }

    /// The same ends in another address space.
    #[must_use]
    pub const fn within(&self, Domain(domain): Domain) -> Self {
        let [a, b, c, d, rest] = self.words;
        Self { words: [a, b, c, d, (domain as u64) << 32 | rest & 0xffff_ffff] }
    }
}

impl PartialEq for FlowKey {
    /// Word by word: the key of a packet was just written so, and wider reads would have to wait.
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        let differ = self.words.iter().zip(&other.words).fold(0, |bits, (a, b)| bits | (a ^ b));
        differ == 0
    }
}

impl Hash for FlowKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for word in self.words {
            state.write_u64(word);
        }
    }
}

/// The two 64-bit halves of an address.
#[inline]
fn halves(address: Address) -> [u64; 2] {
    let octets = address.octets();
    let half = |bytes: Option<&[u8; 8]>| bytes.copied().map_or(0, u64::from_be_bytes);
    [half(octets.first_chunk()), half(octets.last_chunk())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_directions_have_one_key() {
        let client = Endpoint { address: Address::v4([10, 0, 0, 5]), port: 50_123 };
        let server = Endpoint { address: Address::v4([10, 0, 9, 1]), port: 443 };
        let (key, side) = FlowKey::of(client, server, Domain(7));
        let (back, other) = FlowKey::of(server, client, Domain(7));
        assert_eq!((key, side.other()), (back, other));
        assert_eq!(key.endpoint(side), client);
        assert_eq!(key.endpoint(other), server);
        let elsewhere = FlowKey::of(client, server, Domain(8)).0;
        assert_ne!(key, elsewhere);
        assert_eq!((key.domain(), key.within(Domain(8))), (Domain(7), elsewhere));
    }
}
