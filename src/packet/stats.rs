//! What became of the frames: how many were decoded, and why the others were not.

/// Why a frame gave no segment, no datagram and no EAP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Skip {
    /// The link type is none that can be decoded.
    LinkType,
    /// The frame carries no IP (ARP, STP, LLDP and the like), or encrypts it.
    NotIp,
    /// The IP packet carries neither TCP nor UDP.
    NotTcpOrUdp,
    /// A fragment whose datagram was handed out with another of its fragments, or may yet be.
    FragmentHeld,
    /// A fragment of a datagram that was given up: it was held until then, or had no room.
    FragmentLost,
    /// The capture cut the frame before the named layer's header was whole.
    Truncated(Layer),
    /// A header of the named layer contradicts itself.
    Malformed(Layer),
    /// More headers are stacked than the limit allows.
    TooDeep,
    /// The file does not describe the interface that it is of, so that what its first byte belongs to is
    /// not known: no frame is made of it, and its [reader] counts it.
    ///
    /// [reader]: crate::capture::CaptureStats::orphans
    UnknownInterface,
}

/// A layer of a frame, for [`Skip`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// Link layer and its tags.
    Link,
    /// IPv4, IPv6 and its extension headers.
    Ip,
    /// A tunnel's own header.
    Tunnel,
    /// TCP or UDP.
    Transport,
}

/// How many reasons there are.
const SKIPS: usize = 15;

impl Skip {
    /// Every reason, in the order of reports.
    pub const ALL: [Self; SKIPS] = [
        Self::LinkType,
        Self::NotIp,
        Self::NotTcpOrUdp,
        Self::FragmentHeld,
        Self::FragmentLost,
        Self::Truncated(Layer::Link),
        Self::Truncated(Layer::Ip),
        Self::Truncated(Layer::Tunnel),
        Self::Truncated(Layer::Transport),
        Self::Malformed(Layer::Link),
        Self::Malformed(Layer::Ip),
        Self::Malformed(Layer::Tunnel),
        Self::Malformed(Layer::Transport),
        Self::TooDeep,
        Self::UnknownInterface,
    ];

    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LinkType => "link-type",
            Self::NotIp => "not-ip",
            Self::NotTcpOrUdp => "not-tcp-or-udp",
            Self::FragmentHeld => "fragment-held",
            Self::FragmentLost => "fragment-lost",
            Self::Truncated(Layer::Link) => "truncated-link",
            Self::Truncated(Layer::Ip) => "truncated-ip",
            Self::Truncated(Layer::Tunnel) => "truncated-tunnel",
            Self::Truncated(Layer::Transport) => "truncated-transport",
            Self::Malformed(Layer::Link) => "malformed-link",
            Self::Malformed(Layer::Ip) => "malformed-ip",
            Self::Malformed(Layer::Tunnel) => "malformed-tunnel",
            Self::Malformed(Layer::Transport) => "malformed-transport",
            Self::TooDeep => "too-deep",
            Self::UnknownInterface => "unknown-interface",
        }
    }

    /// The place in [`Skip::ALL`].
    const fn index(self) -> usize {
        const fn of(layer: Layer) -> usize {
            match layer {
                Layer::Link => 0,
                Layer::Ip => 1,
                Layer::Tunnel => 2,
                Layer::Transport => 3,
            }
        }
        match self {
            Self::LinkType => 0,
            Self::NotIp => 1,
            Self::NotTcpOrUdp => 2,
            Self::FragmentHeld => 3,
            Self::FragmentLost => 4,
            Self::Truncated(layer) => of(layer).saturating_add(5),
            Self::Malformed(layer) => of(layer).saturating_add(9),
            Self::TooDeep => 13,
            Self::UnknownInterface => 14,
        }
    }
}

/// Counters of one [`Decoder`](super::Decoder).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PacketStats {
    /// TCP segments handed out.
    pub segments: u64,
    /// UDP datagrams handed out.
    pub datagrams: u64,
    /// Frames of EAP over LAN handed out.
    pub eapol: u64,
    /// IP fragments seen, in whatever they were nested.
    pub fragments: u64,
    /// Fragments that brought nothing new.
    pub fragments_duplicate: u64,
    /// Fragments that overlap others without being their copies.
    pub fragments_overlapping: u64,
    /// IP datagrams put together from fragments.
    pub reassembled: u64,
    /// IP datagrams given up as the rest did not come in time.
    pub fragments_expired: u64,
    /// IP datagrams given up as the bounds were reached.
    pub fragments_evicted: u64,
    skipped: [u64; SKIPS],
}

impl PacketStats {
    /// Frames looked at.
    pub fn frames(&self) -> u64 {
        [self.segments, self.datagrams, self.eapol]
            .iter()
            .chain(&self.skipped)
            .fold(0, |sum, count| sum.wrapping_add(*count))
    }

    /// Frames that gave nothing for this reason.
    pub fn skipped(&self, skip: Skip) -> u64 {
        self.skipped.get(skip.index()).copied().unwrap_or_default()
    }

    /// Add what another counted.
    pub fn add(&mut self, other: &Self) {
        for (sum, (_, count)) in self.counters_mut().into_iter().zip(other.counters()) {
            add(sum, count);
        }
        for (sum, count) in self.skipped.iter_mut().zip(other.skipped) {
            add(sum, count);
        }
    }

    /// Every counter by its name, in a fixed order.
    ///
    /// ```
    /// use tlscensus::packet::PacketStats;
    /// let mut stats = PacketStats::default();
    /// stats.segments = 3;
    /// assert_eq!(stats.iter().find(|(_, count)| *count > 0), Some(("segments", 3)));
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let skipped = Skip::ALL.into_iter().map(|skip| (skip.name(), self.skipped(skip)));
        self.counters().into_iter().chain(skipped)
    }

    /// Note a frame that gave nothing.
    pub(super) fn count_skip(&mut self, skip: Skip) {
        if let Some(count) = self.skipped.get_mut(skip.index()) {
            add(count, 1);
        }
    }

    /// So many fragments that were held are given up. Those that were held before the counters began anew
    /// are not counted again: each frame is counted once.
    pub(super) fn lose_fragments(&mut self, count: u64) {
        let held = Skip::FragmentHeld.index();
        let lost = Skip::FragmentLost.index();
        if let Ok([held, lost]) = self.skipped.get_disjoint_mut([held, lost]) {
            let count = count.min(*held);
            *held = held.saturating_sub(count);
            add(lost, count);
        }
    }

    const fn counters(&self) -> [(&'static str, u64); 9] {
        [
            ("segments", self.segments),
            ("datagrams", self.datagrams),
            ("eapol", self.eapol),
            ("fragments", self.fragments),
            ("fragments-duplicate", self.fragments_duplicate),
            ("fragments-overlapping", self.fragments_overlapping),
            ("fragmented-datagrams-reassembled", self.reassembled),
            ("fragmented-datagrams-expired", self.fragments_expired),
            ("fragmented-datagrams-evicted", self.fragments_evicted),
        ]
    }

    const fn counters_mut(&mut self) -> [&mut u64; 9] {
        [
            &mut self.segments,
            &mut self.datagrams,
            &mut self.eapol,
            &mut self.fragments,
            &mut self.fragments_duplicate,
            &mut self.fragments_overlapping,
            &mut self.reassembled,
            &mut self.fragments_expired,
            &mut self.fragments_evicted,
        ]
    }
}

/// One more, or some more: a counter of packets does not wrap within a lifetime.
pub(super) const fn add(counter: &mut u64, count: u64) {
    *counter = counter.wrapping_add(count);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_its_own_counter_and_name() {
        let mut stats = PacketStats::default();
        for (count, skip) in (1..).zip(Skip::ALL) {
            for _ in 0..count {
                stats.count_skip(skip);
            }
        }
        for (count, skip) in (1..).zip(Skip::ALL) {
            assert_eq!(stats.skipped(skip), count, "{}", skip.name());
        }
        assert_eq!(stats.frames(), 15 * 16 / 2);
        let names: std::collections::BTreeSet<_> = stats.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), stats.iter().count());
    }

    #[test]
    fn every_counter_is_added() {
        let mut one = PacketStats { segments: 1, reassembled: 2, ..PacketStats::default() };
        one.count_skip(Skip::TooDeep);
        let mut two = one;
        two.add(&one);
        let doubled: Vec<_> = one.iter().map(|(name, count)| (name, 2 * count)).collect();
        assert_eq!(two.iter().collect::<Vec<_>>(), doubled);
    }
}
