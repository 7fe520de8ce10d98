//! [`State`]: how a live run stands at the moment, and whether it goes on at all.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::view::{Feed, now};
use crate::census::{Latency, Lost};
use crate::clock::Timestamp;

/// A capture thread says something every second: after so long without it hangs.
const SILENCE: Duration = Duration::from_secs(10);

/// How a wire stands, as counted since the start.
#[derive(Clone, Debug, Default)]
pub struct Wire {
    /// The interfaces.
    pub interfaces: Vec<WireInterface>,
    /// TLS connections recorded.
    pub connections: u64,
    /// Handshakes by the version that was negotiated, `none` where no ServerHello was seen.
    pub versions: Vec<(&'static str, u64)>,
    /// How long handshakes took.
    pub latency: Latency,
    /// Handshakes and packets that a fault of the program lost.
    pub faults: u64,
    /// Records that wait for a disk that is full.
    pub waiting_records: u64,
    /// The census file.
    pub census: Option<CensusState>,
}

/// An interface, as counted since the start.
#[derive(Clone, Debug, Default)]
pub struct WireInterface {
    /// Its name.
    pub name: Arc<str>,
    /// `up`, `down` or `gone`.
    pub condition: &'static str,
    /// Why it is captured on no more.
    pub fault: Option<String>,
    /// Time of the last packet.
    pub last: Option<Timestamp>,
    /// Packets read.
    pub packets: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// What was lost.
    pub lost: Lost,
    /// Flows that were followed.
    pub flows: u64,
    /// Handshakes that are being watched.
    pub open: u64,
    /// Handshakes that wait for a worker.
    pub backlog: u64,
    /// What bounds refused, by which.
    pub refused: BTreeMap<&'static str, u64>,
    /// How often its threads have said all this.
    pub beats: u64,
}

/// How saving stands.
#[derive(Clone, Debug, Default, Serialize)]
pub struct CensusState {
    /// The file.
    pub path: String,
    /// Seconds since it was last saved; null before the first time.
    pub saved_s: Option<f64>,
    /// Why it cannot be saved at the moment.
    pub trouble: Option<String>,
}

/// What `/api/state` says.
#[derive(Debug, Serialize)]
pub struct State {
    schema: &'static str,
    /// A wire is watched.
    live: bool,
    now: Timestamp,
    started: Timestamp,
    uptime_s: u64,
    /// The number of the newest view; 0 before the first.
    version: u64,
    /// When it was made.
    made: Option<Timestamp>,
    /// There is something new that is not in it.
    stale: bool,
    connections: u64,
    interfaces: Vec<InterfaceState>,
    census: Option<CensusState>,
    /// What is wrong at the moment.
    troubles: Vec<String>,
}

/// An interface at the moment.
#[derive(Clone, Debug, Serialize)]
pub struct InterfaceState {
    name: Arc<str>,
    condition: &'static str,
    last_packet: Option<Timestamp>,
    packets: u64,
    bytes: u64,
    /// In the last second or so.
    packets_per_s: u64,
    bits_per_s: u64,
    lost: u64,
    lost_per_s: u64,
    lost_by: BTreeMap<&'static str, u64>,
    /// Of all packets since the start.
    lost_share: f64,
    /// Of those that came while a handshake was open.
    open_lost_share: f64,
    open_handshakes: u64,
    backlog: u64,
    refused: u64,
}

/// Watches the counters of a feed, so that rates can be told, and that it hangs.
pub(super) struct Pulse {
    started: (Instant, Timestamp),
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    at: Option<Instant>,
    /// Packets, bytes and losses of each interface, and how many a second came since before.
    counts: BTreeMap<Arc<str>, ([u64; 3], [u64; 3])>,
    /// When the threads of each interface last said something, and how often they had by then.
    beats: BTreeMap<Arc<str>, (u64, Instant)>,
}

#[allow(clippy::disallowed_methods, reason = "rates are by the clock on the wall")]
impl Pulse {
    pub(super) fn new() -> Self {
        Self { started: (Instant::now(), now()), seen: Mutex::default() }
    }

    /// A second or so has passed.
    pub(super) fn beat(&self, feed: &dyn Feed) {
        let Some(wire) = feed.wire() else { return };
        let at = Instant::now();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = seen.at.map(|before| at.duration_since(before));
        let millis = passed.map(|passed| u64::try_from(passed.as_millis()).unwrap_or(1).max(1));
        seen.at = Some(at);
        for interface in wire.interfaces {
            let counts = [interface.packets, interface.bytes, interface.lost.total()];
            let (before, rates) =
                seen.counts.entry(Arc::clone(&interface.name)).or_insert((counts, [0; 3]));
            if let Some(millis) = millis {
                for ((rate, now), before) in rates.iter_mut().zip(counts).zip(*before) {
                    *rate = now.saturating_sub(before).saturating_mul(1_000) / millis;
                }
            }
            *before = counts;
            let beats = seen.beats.entry(interface.name).or_insert((interface.beats, at));
            if beats.0 != interface.beats {
                *beats = (interface.beats, at);
            }
        }
    }

    /// What is wrong at the moment.
    pub(super) fn troubles(&self, wire: &Wire) -> Vec<String> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut troubles = Vec::new();
        for interface in &wire.interfaces {
            let name = &interface.name;
            if let Some(fault) = &interface.fault {
                troubles.push(fault.clone());
            } else if interface.condition != "up" {
                troubles.push(format!("interface {name} is {}", interface.condition));
            }
            if seen.beats.get(name).is_some_and(|(_, at)| at.elapsed() > SILENCE) {
                troubles.push(format!("the capture of {name} makes no progress"));
            }
        }
        let trouble = wire.census.as_ref().and_then(|census| census.trouble.clone());
        troubles.extend(trouble);
        if wire.waiting_records > 0 {
            troubles.push(format!("{} records cannot be written", wire.waiting_records));
        }
        troubles
    }

    /// What `/api/state` says.
    pub(super) fn state(
        &self,
        wire: Option<Wire>,
        view: Option<(u64, Timestamp)>,
        stale: bool,
        troubles: Vec<String>,
    ) -> State {
        let live = wire.is_some();
        let wire = wire.unwrap_or_default();
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let interfaces = wire.interfaces.iter().map(|interface| {
            let rates = seen.counts.get(&interface.name).map_or([0; 3], |(_, rates)| *rates);
            InterfaceState::new(interface, rates)
        });
        let (started, at) = self.started;
        State {
            schema: "tlscensus.state/1",
            live,
            now: now(),
            started: at,
            uptime_s: started.elapsed().as_secs(),
            version: view.map_or(0, |(number, _)| number),
            made: view.map(|(_, made)| made),
            stale,
            connections: wire.connections,
            interfaces: interfaces.collect(),
            census: wire.census,
            troubles,
        }
    }

    pub(super) fn uptime(&self) -> Duration {
        self.started.0.elapsed()
    }
}

impl InterfaceState {
    fn new(interface: &WireInterface, [packets_per_s, bytes_per_s, lost_per_s]: [u64; 3]) -> Self {
        let lost = interface.lost.total();
        #[expect(clippy::cast_precision_loss, reason = "a share that people read")]
        let share = lost as f64 / interface.packets.saturating_add(lost).max(1) as f64;
        Self {
            name: Arc::clone(&interface.name),
            condition: interface.condition,
            last_packet: interface.last,
            packets: interface.packets,
            bytes: interface.bytes,
            packets_per_s,
            bits_per_s: bytes_per_s.saturating_mul(8),
            lost,
            lost_per_s,
            lost_by: by_kind(&interface.lost),
            lost_share: share,
            open_lost_share: interface.lost.open_share(),
            open_handshakes: interface.open,
            backlog: interface.backlog,
            refused: interface.refused.values().copied().fold(0, u64::saturating_add),
        }
    }
}

/// Who lost how many.
pub(super) fn by_kind(lost: &Lost) -> BTreeMap<&'static str, u64> {
    [
        ("interface", lost.interface),
        ("ring", lost.ring),
        ("backlog", lost.backlog),
        ("unread", lost.unread),
    ]
    .into()
}
