//! [`LiveFeed`]: what a live run shows on its page and in its metrics.

use std::sync::{Arc, Mutex};

use super::facts::Facts;
use super::outputs::lock;
use super::saver::Saver;
use crate::capture::live::Condition;
use crate::census::Latency;
use crate::pipeline::Faults;
use crate::pipeline::live::InterfaceReport;
use crate::report::Inventory;
use crate::serve::{CensusState, Feed, Wire, WireInterface};
use crate::sink::rolling::RollingFile;

/// A live run, to be served.
pub(super) struct LiveFeed {
    pub(super) facts: Arc<Facts>,
    pub(super) saver: Option<Arc<Saver>>,
    pub(super) file: Option<Arc<Mutex<RollingFile>>>,
}

impl Feed for LiveFeed {
    fn stamp(&self) -> u64 {
        let watch = &self.facts.watch;
        let lost = watch.interfaces().iter().map(|report| report.lost.total()).sum::<u64>();
        // Both only grow.
        watch.progress().connections().saturating_add(lost)
    }

    fn inventory(&self) -> Result<Inventory, String> {
        Ok(self.facts.inventory())
    }

    fn wire(&self) -> Option<Wire> {
        let watch = &self.facts.watch;
        let progress = watch.progress();
        let mut latency = Latency::default();
        for (_, census) in watch.censuses() {
            latency.add(&census.latency());
        }
        let faults =
            watch.interfaces().iter().fold(Faults::default(), |sum, one| sum.and(one.faults));
        let unwritten = |file: &Arc<Mutex<RollingFile>>| lock(file).waiting_lines();
        Some(Wire {
            interfaces: watch.interfaces().into_iter().map(interface).collect(),
            connections: progress.connections(),
            versions: progress.versions(),
            latency,
            faults: faults.connections.saturating_add(faults.packets),
            waiting_records: self.file.as_ref().map_or(0, unwritten),
            census: self.saver.as_ref().map(|saver| {
                let saved = saver.saved();
                CensusState {
                    path: saver.path().display().to_string(),
                    saved_s: saved.at.map(|at| at.elapsed().as_secs_f64()),
                    trouble: saved.trouble,
                }
            }),
        })
    }
}

fn interface(report: InterfaceReport) -> WireInterface {
    let counted = &report.counted;
    let refused = [
        ("flows", counted.flows.evicted),
        ("watched_flows", counted.flows.evicted_watched),
        ("datagram_flows", counted.datagrams.evicted),
        ("watched_datagram_flows", counted.datagrams.evicted_watched),
        ("logins", counted.logins.evicted),
    ];
    WireInterface {
        condition: match report.condition {
            Condition::Up => "up",
            Condition::Down => "down",
            Condition::Gone => "gone",
        },
        last: counted.span.map(|(_, last)| last),
        packets: counted.capture.frames,
        bytes: counted.capture.frame_bytes,
        lost: report.lost,
        flows: counted.flows.flows.saturating_add(counted.datagrams.flows),
        open: report.open,
        backlog: report.backlog,
        refused: refused.into(),
        beats: report.beats,
        name: report.name,
        fault: report.fault,
    }
}
