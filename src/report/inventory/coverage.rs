//! What was read, and what could not be seen of it.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use crate::census::{Coverage, FullLists, Lost, Notes, Snapshot, SourceKind, Unlisted};
use crate::clock::Timestamp;
use crate::limits::Limits;
use crate::packet::{Layer, Skip};

use super::{HandshakeTimes, WatchLine};
use crate::report::text::percent;

/// A source, as reports name it.
#[derive(Clone, Debug, Serialize)]
pub struct SourceLine {
    /// The sensor.
    pub sensor: String,
    /// `file`, `stream` or `live`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// What proves two sources to be the same one.
    pub id: Option<String>,
    /// Time of its earliest packet.
    pub first_seen: Option<Timestamp>,
    /// Time of its latest packet.
    pub last_seen: Option<Timestamp>,
    /// Packets read.
    pub packets: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Packets that the capturing system says it lost.
    pub dropped: u64,
    /// Of an interface: the lost packets, apart by who lost them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost: Option<LostLine>,
    /// Flows of it that were given up because a bound was reached.
    pub evicted_flows: u64,
    /// Why it could not be opened, or not be read to its end.
    pub error: Option<String>,
}

/// Packets of an interface that were lost.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct LostLine {
    /// By the interface or its driver.
    pub interface: u64,
    /// By the kernel: the ring was full.
    pub ring: u64,
    /// By the kernel: the ring was full while the workers were behind.
    pub backlog: u64,
    /// Captured, but not read before the end.
    pub unread: u64,
    /// Packets read in seconds in which a handshake was open.
    pub open_read: u64,
    /// Packets lost in those seconds: only they can have cost a handshake.
    pub open_lost: u64,
    /// Seconds in which packets were lost.
    pub seconds: u64,
    /// Packets of encrypted bulk of which only the headers were taken.
    pub lightened: u64,
    /// Such packets that were left out on purpose under overload, by an estimate.
    pub left_out: u64,
    /// Seconds in which that was done.
    pub left_out_seconds: u64,
}

impl LostLine {
    /// The share of packets that were lost while a handshake was open, in words.
    pub fn open_share(&self) -> String {
        percent(self.open_lost, self.open_lost.saturating_add(self.open_read))
    }
}

impl From<Lost> for LostLine {
    fn from(lost: Lost) -> Self {
        let Lost {
            interface,
            ring,
            backlog,
            unread,
            open_read,
            open_lost,
            seconds,
            lightened,
            left_out,
            left_out_seconds,
        } = lost;
        Self {
            interface,
            ring,
            backlog,
            unread,
            open_read,
            open_lost,
            seconds,
            lightened,
            left_out,
            left_out_seconds,
        }
    }
}

/// What was seen, and what was not.
#[derive(Clone, Debug, Default, Serialize)]
pub struct CoverageLine {
    /// Time of the first connection.
    pub first_seen: Option<Timestamp>,
    /// Time of the last.
    pub last_seen: Option<Timestamp>,
    /// Connections by what was missing of them.
    #[serde(flatten, serialize_with = "counters")]
    pub connections: Coverage,
    /// Flows in which TLS was seen only in the middle of its application data.
    pub midstream: u64,
    /// Flows that were followed.
    pub flows: u64,
    /// Flows that were given up because a bound was reached.
    pub evicted_flows: u64,
    /// Chains that were not verified: too many signatures to check in the search for a path.
    pub chains_not_verified: u64,
    /// Chains that were not completed from what others sent: too many certificates look like their
    /// issuers.
    pub chains_not_completed: u64,
    /// Packets.
    pub packets: PacketCoverage,
    /// Sources that could not be opened, or not be read to their end.
    pub faulty_sources: u64,
    /// What a run over directories did not look into; absent where there was nothing of the kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passed_over: Option<PassedOver>,
    /// Connections that are counted, but for which a bound left no room in the lists.
    pub unlisted: UnlistedLine,
    /// Lists that are as long as a bound lets them be.
    #[serde(serialize_with = "full_lists")]
    pub full_lists: FullLists,
    /// What else is worth saying of how the sources were followed.
    #[serde(serialize_with = "notes")]
    pub notes: Notes,
    /// How long handshakes took.
    pub handshake_ms: Option<HandshakeTimes>,
    /// How long was watched, and how many legacy stacks may not have been seen yet.
    pub watch: WatchLine,
}

/// What was found in directories and not read.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct PassedOver {
    /// Files that begin like no capture.
    pub files: u64,
    /// Links, none of which is followed.
    pub links: u64,
}

/// Packets, and what became of them.
#[derive(Clone, Debug, Default, Serialize)]
pub struct PacketCoverage {
    /// Read.
    pub read: u64,
    /// Lost, as the capturing system says.
    pub dropped: u64,
    /// Of those that interfaces lost: apart by who lost them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost: Option<LostLine>,
    /// Cut by the capture (snaplen).
    pub cut: u64,
    /// Not decoded, by reason.
    pub skipped: BTreeMap<&'static str, u64>,
}

/// Connections for which a bound left no room, level by level.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct UnlistedLine {
    /// Of hosts.
    pub hosts: u64,
    /// Of stacks.
    pub stacks: u64,
    /// Of edges.
    pub edges: u64,
    /// Of evidence.
    pub evidence: u64,
}

impl From<Unlisted> for UnlistedLine {
    fn from(unlisted: Unlisted) -> Self {
        let Unlisted { hosts, stacks, edges, evidence } = unlisted;
        Self { hosts, stacks, edges, evidence }
    }
}

fn counters<S: Serializer>(coverage: &Coverage, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(coverage.counters())
}

fn full_lists<S: Serializer>(lists: &FullLists, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(lists.counters())
}

fn notes<S: Serializer>(notes: &Notes, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(notes.counters())
}

/// The lines of the sources.
pub(super) fn sources(snapshot: &Snapshot) -> Vec<SourceLine> {
    snapshot
        .sources
        .iter()
        .map(|source| SourceLine {
            sensor: source.sensor.to_string(),
            kind: source.kind.name(),
            name: source.name.to_string(),
            id: source.id.clone(),
            first_seen: source.first,
            last_seen: source.last,
            packets: source.packets,
            bytes: source.bytes,
            dropped: source.dropped,
            lost: (source.kind == SourceKind::Live).then_some(source.lost.into()),
            evicted_flows: source.evicted,
            error: source.fault.clone(),
        })
        .collect()
}

/// What was seen and what was not, over all sources.
pub(super) fn coverage(snapshot: &Snapshot, limits: &Limits) -> CoverageLine {
    let span = snapshot.span();
    let mut line = CoverageLine {
        first_seen: span.map(|(first, _)| first),
        last_seen: span.map(|(_, last)| last),
        connections: snapshot.coverage,
        unlisted: snapshot.unlisted().into(),
        full_lists: snapshot.full_lists(limits),
        handshake_ms: HandshakeTimes::of(&snapshot.latency),
        ..CoverageLine::default()
    };
    let mut lost: Option<Lost> = None;
    for source in &snapshot.sources {
        if source.kind == SourceKind::Live {
            lost.get_or_insert_default().add(source.lost);
        }
        line.midstream += source.midstream;
        line.flows += source.flows;
        line.evicted_flows += source.evicted;
        line.notes.add(&source.notes);
        line.packets.read += source.packets;
        line.packets.dropped += source.dropped;
        line.packets.cut += source.cut;
        line.faulty_sources += u64::from(source.fault.is_some());
        for (reason, packets) in &source.skipped {
            *line.packets.skipped.entry(word(*reason)).or_default() += packets;
        }
    }
    line.packets.lost = lost.map(LostLine::from);
    line
}

/// The word for a reason in reports.
const fn word(skip: Skip) -> &'static str {
    match skip {
        Skip::LinkType => "link_type",
        Skip::NotIp => "not_ip",
        Skip::NotTcpOrUdp => "not_tcp_or_udp",
        Skip::FragmentHeld => "fragment_held",
        Skip::FragmentLost => "fragment_lost",
        Skip::Truncated(Layer::Link) => "truncated_link",
        Skip::Truncated(Layer::Ip) => "truncated_ip",
        Skip::Truncated(Layer::Tunnel) => "truncated_tunnel",
        Skip::Truncated(Layer::Transport) => "truncated_transport",
        Skip::Malformed(Layer::Link) => "malformed_link",
        Skip::Malformed(Layer::Ip) => "malformed_ip",
        Skip::Malformed(Layer::Tunnel) => "malformed_tunnel",
        Skip::Malformed(Layer::Transport) => "malformed_transport",
        Skip::TooDeep => "too_deep",
        Skip::UnknownInterface => "unknown_interface",
    }
}
