//! The stored Dataverse verdicts of the collected hellos come out as the file says.

use super::{Outcome, Policy, Reason, client};
use crate::recognise::reference;
use crate::tls::Transport;

#[test]
fn every_stored_dataverse_verdict_comes_out() {
    let Some(entries) = reference::entries() else { return };
    let policy = Policy::by_id("dataverse").unwrap();
    let mut differ = Vec::new();
    for entry in &entries {
        let judged = client(&policy, Transport::Tcp, Some(&entry.offer()), &[]);
        let ours = match judged.outcome {
            Outcome::Ready => "pass",
            _ if judged.has(Reason::Version) => "fail-version",
            _ => "fail-cipher",
        };
        if ours != entry.dataverse {
            differ.push(format!("{}: {} stored, {ours} here", entry.id, entry.dataverse));
        }
    }
    assert!(entries.len() >= 270, "only {} hellos", entries.len());
    assert!(differ.is_empty(), "{differ:#?}");
}
