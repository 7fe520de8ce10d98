//! [`Counted`]: what was counted of a source, as a census keeps it.

use std::sync::Arc;

use crate::capture::CaptureStats;
use crate::census::{Notes, SourceEntry, SourceKind};
use crate::clock::Timestamp;
use crate::flow::TableStats;
use crate::flow::datagram::DatagramStats;
use crate::packet::{PacketStats, Skip};
use crate::tls::starttls::login::LoginStats;

/// What was counted of a source, whatever kind it is of.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counted {
    /// Time of the earliest and of the latest packet.
    pub span: Option<(Timestamp, Timestamp)>,
    /// What was read.
    pub capture: CaptureStats,
    /// What became of the frames.
    pub packets: PacketStats,
    /// What became of the TCP flows.
    pub flows: TableStats,
    /// What became of the UDP flows.
    pub datagrams: DatagramStats,
    /// What became of the log-ins to networks.
    pub logins: LoginStats,
    /// Connections of which only encrypted data was seen: joined after their handshake.
    pub joined_late: u64,
    /// What else is worth saying of how it was followed.
    pub notes: Notes,
}

impl Counted {
    /// Add what another thread counted of the same source.
    #[cfg(feature = "live")]
    pub(super) fn add(&mut self, other: &Self) {
        let Self { span, capture, packets, flows, datagrams, logins, joined_late, notes } = other;
        self.span = match (self.span, *span) {
            (Some((first, last)), Some((begin, end))) => Some((first.min(begin), last.max(end))),
            (one, other) => one.or(other),
        };
        self.capture.add(capture);
        self.packets.add(packets);
        self.flows.add(flows);
        self.datagrams.add(datagrams);
        self.logins.add(logins);
        self.joined_late = self.joined_late.saturating_add(*joined_late);
        self.notes.add(notes);
    }

    /// The source of this name, with all that was counted.
    pub(super) fn entry(
        &self,
        sensor: &Arc<str>,
        kind: SourceKind,
        name: &Arc<str>,
    ) -> SourceEntry {
        let mut entry = SourceEntry::new(Arc::clone(sensor), kind, Arc::clone(name));
        entry.first = self.span.map(|(first, _)| first);
        entry.last = self.span.map(|(_, last)| last);
        entry.packets = self.capture.frames.saturating_add(self.capture.orphans);
        entry.bytes = self.capture.frame_bytes;
        entry.cut = self.capture.cut_frames;
        entry.dropped = self.capture.dropped;
        entry.skipped = Skip::ALL
            .into_iter()
            .map(|skip| match skip {
                Skip::UnknownInterface => (skip, self.capture.orphans),
                _ => (skip, self.packets.skipped(skip)),
            })
            .filter(|(_, count)| *count > 0)
            .collect();
        entry.flows = [self.flows.flows, self.datagrams.flows, self.logins.logins]
            .into_iter()
            .fold(0, u64::saturating_add);
        entry.midstream = self.joined_late;
        entry.notes = self.notes;
        entry.evicted = self.refused();
        entry
    }

    /// Flows that were given up because a bound was reached.
    pub(super) fn refused(&self) -> u64 {
        [
            self.flows.evicted,
            self.flows.evicted_watched,
            self.datagrams.evicted,
            self.datagrams.evicted_watched,
            self.logins.evicted,
        ]
        .into_iter()
        .fold(0, u64::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_of_an_unknown_interface_were_read_and_skipped() {
        let capture = CaptureStats { frames: 5, orphans: 3, ..CaptureStats::default() };
        let counted = Counted { capture, ..Counted::default() };
        let entry = counted.entry(&"sensor".into(), SourceKind::File, &"name".into());
        let skipped: Vec<_> =
            entry.skipped.iter().map(|(skip, count)| (skip.name(), *count)).collect();
        assert_eq!((entry.packets, skipped), (8, vec![("unknown-interface", 3)]));
    }
}
