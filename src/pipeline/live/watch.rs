//! [`Watch`]: how a live run stands: what each interface has brought and lost, and its census.

use std::sync::{Arc, Mutex, PoisonError};

use crate::capture::live::{Condition, LiveSource};
use crate::census::{Census, Lost, Merger, Snapshot, SourceEntry, SourceKind};
use crate::limits::Limits;
use crate::naming::Heard;
use crate::pipeline::counted::Counted;
use crate::pipeline::faults::Faults;
use crate::pipeline::{Progress, Settings};
use crate::record::FlowRecord;

/// What was captured on one interface so far.
#[derive(Clone, Debug)]
pub struct InterfaceReport {
    /// Its name.
    pub name: Arc<str>,
    /// Whether it can be captured on at the moment.
    pub condition: Condition,
    /// Why it is captured on no more.
    pub fault: Option<String>,
    /// What was counted of it.
    pub counted: Counted,
    /// What was lost.
    pub lost: Lost,
    /// What faults of this program lost.
    pub faults: Faults,
    /// How often a thread had to wait for the workers.
    pub waits: u64,
    /// Handshakes that are being watched at the moment.
    pub open: u64,
    /// Handshakes that wait for a worker.
    pub backlog: u64,
    /// How often its threads have said all this: a thread that hangs says it no more.
    pub beats: u64,
}

/// How a live run stands, for whoever watches it, and the facts that it has gathered.
///
/// Each interface is a source of its own, with a census of its own.
#[derive(Debug)]
pub struct Watch {
    progress: Progress,
    sensor: Arc<str>,
    members: Vec<Mutex<InterfaceReport>>,
    interfaces: Vec<Watched>,
}

/// An interface as a source of facts.
#[derive(Debug)]
struct Watched {
    name: Arc<str>,
    /// Random: a source is known by it as long as the run lasts.
    id: Option<String>,
    census: Census,
}

impl Watch {
    /// Watch these sources.
    pub fn new(sources: &[LiveSource], settings: &Settings) -> Self {
        let mut names: Vec<Arc<str>> = Vec::new();
        for source in sources {
            if !names.contains(source.name()) {
                names.push(Arc::clone(source.name()));
            }
        }
        let limits = share(&settings.limits, names.len());
        let watched = |name| Watched { name, id: random_id(), census: Census::new(&limits) };
        Self {
            progress: Progress::default(),
            sensor: Arc::clone(&settings.sensor),
            members: sources
                .iter()
                .map(|source| Mutex::new(InterfaceReport::new(source)))
                .collect(),
            interfaces: names.into_iter().map(watched).collect(),
        }
    }

    /// Counters of all interfaces together, and the wish that the run should end.
    pub const fn progress(&self) -> &Progress {
        &self.progress
    }

    /// How the interfaces stand, in the order in which they were opened.
    pub fn interfaces(&self) -> Vec<InterfaceReport> {
        let mut reports: Vec<InterfaceReport> = Vec::new();
        for member in &self.members {
            let member = member.lock().unwrap_or_else(PoisonError::into_inner);
            match reports.iter_mut().find(|report| report.name == member.name) {
                Some(report) => report.add(&member),
                None => reports.push(member.clone()),
            }
        }
        for report in &mut reports {
            report.faults.connections = self.progress.lost_connections(&report.name);
        }
        reports
    }

    /// Whether there is no interface left to capture on.
    pub fn is_over(&self) -> bool {
        let locked = |member: &Mutex<InterfaceReport>| {
            member.lock().unwrap_or_else(PoisonError::into_inner).fault.is_some()
        };
        self.members.iter().all(locked)
    }

    /// The facts as they are now.
    pub fn snapshot(&self) -> Snapshot {
        let mut parts = self.censuses().into_iter().map(|(entry, census)| {
            let mut part = census.snapshot();
            part.sources = vec![entry];
            part
        });
        let first = parts.next().unwrap_or_default();
        let Some(second) = parts.next() else { return first };
        let mut merger = Merger::new(&self.limits());
        for part in [first, second].into_iter().chain(parts) {
            merger.add(part);
        }
        merger.finish()
    }

    /// Each interface as a source, with the census of it.
    pub fn censuses(&self) -> Vec<(SourceEntry, &Census)> {
        let reports = self.interfaces();
        let named = self.interfaces.iter().filter_map(|interface| {
            let report = reports.iter().find(|report| report.name == interface.name)?;
            Some((report.entry(&self.sensor, interface.id.clone()), &interface.census))
        });
        named.collect()
    }

    /// Add a connection to the facts of its interface.
    pub(super) fn add(&self, record: &FlowRecord) {
        let of = |interface: &&Watched| interface.name == record.source;
        if let Some(interface) = self.interfaces.iter().find(of) {
            interface.census.add(record);
        }
    }

    /// Count a handshake of an interface of which nothing can be read.
    pub(super) fn fail_to_read(&self, source: &str) {
        let of = |interface: &&Watched| &*interface.name == source;
        if let Some(interface) = self.interfaces.iter().find(of) {
            interface.census.fail_to_read();
        }
    }

    /// Add what was heard of an address to the facts of its interface.
    pub(super) fn hear(&self, source: &str, heard: Heard) {
        let of = |interface: &&Watched| &*interface.name == source;
        if let Some(interface) = self.interfaces.iter().find(of) {
            interface.census.hear(heard);
        }
    }

    pub(super) fn members(&self) -> &[Mutex<InterfaceReport>] {
        &self.members
    }

    fn limits(&self) -> Limits {
        self.interfaces.first().map_or_else(Limits::default, |one| one.census.limits().clone())
    }
}

/// The bounds of the census of one of several interfaces, so that they keep to them together.
fn share(limits: &Limits, interfaces: usize) -> Limits {
    let part = |bound: usize| bound.checked_div(interfaces).unwrap_or(bound).max(1);
    Limits {
        census_hosts: part(limits.census_hosts),
        census_servers: part(limits.census_servers),
        census_edges: part(limits.census_edges),
        census_list_bytes: part(limits.census_list_bytes),
        census_values: part(limits.census_values),
        census_value_bytes: part(limits.census_value_bytes),
        named_addresses: part(limits.named_addresses),
        ..limits.clone()
    }
}

/// Without randomness an interface is known by its name.
fn random_id() -> Option<String> {
    let mut random = [0_u8; 16];
    aws_lc_rs::rand::fill(&mut random).ok()?;
    Some(format!("{:032x}", u128::from_be_bytes(random)))
}

impl InterfaceReport {
    pub(super) fn new(source: &LiveSource) -> Self {
        Self {
            name: Arc::clone(source.name()),
            condition: source.condition(),
            fault: None,
            counted: Counted::default(),
            lost: Lost::default(),
            faults: Faults::default(),
            waits: 0,
            open: 0,
            backlog: 0,
            beats: 0,
        }
    }

    /// As a source of a census.
    fn entry(&self, sensor: &Arc<str>, id: Option<String>) -> SourceEntry {
        let mut entry = self.counted.entry(sensor, SourceKind::Live, &self.name);
        entry.id = id;
        entry.dropped = self.lost.total();
        entry.lost = self.lost;
        let lost = Some(self.faults).filter(|faults| !faults.is_none());
        entry.fault = self.fault.clone().or_else(|| lost.map(|faults| faults.to_string()));
        entry
    }

    /// Flows that were given up because a bound was reached.
    pub fn refused(&self) -> u64 {
        self.counted.refused()
    }

    /// Add what another thread saw of the same interface.
    fn add(&mut self, other: &Self) {
        if other.condition != Condition::Up {
            self.condition = other.condition;
        }
        self.fault = self.fault.take().or_else(|| other.fault.clone());
        let whole = self.lost;
        self.lost.add(other.lost);
        // Each thread is told what the whole interface lost, and has the same seconds.
        self.lost.interface = whole.interface.max(other.lost.interface);
        self.lost.seconds = whole.seconds.max(other.lost.seconds);
        let seconds = whole.left_out_seconds.max(other.lost.left_out_seconds);
        self.lost.left_out_seconds = seconds;
        let dropped = self.counted.capture.interface_dropped;
        self.counted.add(&other.counted);
        let dropped = dropped.max(other.counted.capture.interface_dropped);
        self.counted.capture.interface_dropped = dropped;
        self.faults = self.faults.and(other.faults);
        let sum = u64::saturating_add;
        self.waits = sum(self.waits, other.waits);
        self.open = sum(self.open, other.open);
        self.backlog = sum(self.backlog, other.backlog);
        self.beats = sum(self.beats, other.beats);
    }
}
