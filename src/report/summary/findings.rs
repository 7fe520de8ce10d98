//! Findings, counted: the worst first.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::page::{Ink, Page};
use crate::report::inventory::{Finding, Inventory};
use crate::report::text::{count, grouped};

/// Findings in a screenful.
const FINDINGS: usize = 8;
/// Severities, worst first.
const SEVERITIES: [&str; 5] = ["critical", "high", "medium", "low", "info"];
/// Of these a screenful speaks.
const LOUD: usize = 3;

/// Of whom a finding speaks.
#[derive(Default)]
struct Heard {
    /// The place of its worst severity among [`SEVERITIES`].
    severity: Option<usize>,
    clients: BTreeSet<usize>,
    servers: u64,
    /// How many findings of a stack or a server are excepted.
    excepted: u64,
}

impl Heard {
    fn add(&mut self, finding: &Finding) {
        self.excepted += u64::from(finding.excepted.is_some());
        let severity = SEVERITIES.iter().position(|word| *word == finding.severity);
        self.severity = match (self.severity, severity) {
            (Some(known), Some(new)) => Some(known.min(new)),
            (known, new) => known.or(new),
        };
    }

    fn words(&self) -> String {
        let severity = self.severity.and_then(|at| SEVERITIES.get(at)).copied().unwrap_or_default();
        let clients = self.clients.len() as u64;
        let mut whom = Vec::new();
        if clients > 0 {
            whom.push(count(clients, "client host", "client hosts"));
        }
        if self.servers > 0 {
            whom.push(count(self.servers, "server", "servers"));
        }
        let excepted = match self.excepted {
            0 => String::new(),
            number => format!("; {} excepted", grouped(number)),
        };
        format!("{severity}: {}{excepted}", whom.join(", "))
    }

    fn ink(&self) -> Ink {
        match self.severity {
            Some(0 | 1) => Ink::Bad,
            Some(2) => Ink::Warn,
            _ => Ink::Plain,
        }
    }
}

/// The section on findings under the first policy.
pub(super) fn write(page: &mut Page, inventory: &Inventory, verbose: bool) {
    let mut heard = heard(inventory).into_iter().collect::<Vec<_>>();
    if heard.is_empty() {
        return;
    }
    heard.sort_by_key(|(id, heard)| {
        let whom = heard.clients.len() as u64 + heard.servers;
        (heard.severity.unwrap_or(SEVERITIES.len()), Reverse(whom), *id)
    });
    let is_loud = |heard: &Heard| heard.severity.is_some_and(|at| at < LOUD);
    let loud = heard.iter().filter(|(_, heard)| is_loud(heard)).count();
    let shown = if verbose { heard.len() } else { loud.min(FINDINGS) };
    page.heading("Findings");
    page.align(heard.iter().take(shown).map(|(id, _)| id));
    for (id, heard) in heard.iter().take(shown) {
        page.entry((heard.ink(), id), &[(Ink::Plain, heard.words())]);
    }
    let more = heard.len() - shown;
    let rest = match more {
        0 => String::new(),
        more => format!("… and {} more (-v shows all); ", grouped(more as u64)),
    };
    page.item(Ink::Dim, &format!("{rest}tlscensus explain ID says what one means"));
}

fn heard(inventory: &Inventory) -> BTreeMap<&'static str, Heard> {
    let first = inventory.policies.first().map(|policy| &policy.id);
    let counts = |finding: &&Finding| {
        finding.policies.is_empty() || finding.policies.iter().any(|id| Some(id) == first)
    };
    let mut heard: BTreeMap<&'static str, Heard> = BTreeMap::new();
    for (at, client) in inventory.clients.iter().enumerate() {
        for finding in client.stacks.iter().flat_map(|stack| &stack.findings).filter(counts) {
            let entry = heard.entry(finding.id).or_default();
            entry.add(finding);
            entry.clients.insert(at);
        }
    }
    for server in &inventory.servers {
        let ids: BTreeSet<_> = server.findings.iter().filter(counts).map(|one| one.id).collect();
        for finding in server.findings.iter().filter(counts) {
            heard.entry(finding.id).or_default().add(finding);
        }
        for id in ids {
            heard.entry(id).or_default().servers += 1;
        }
    }
    heard
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::{judge, office, snapshot};
    use crate::report::summary::Style;

    fn finding(id: &'static str, severity: &'static str, policy: Option<&str>) -> Finding {
        Finding {
            id,
            severity,
            concerns: "both",
            policies: policy.into_iter().map(Into::into).collect(),
            text: "".into(),
            remediation: None,
            connections: 1,
            excepted: None,
        }
    }

    #[test]
    fn the_worst_first_and_the_quiet_ones_counted() {
        let mut inventory = judge(&snapshot(&office()), &["dataverse"], &[]);
        for client in &mut inventory.clients {
            for stack in &mut client.stacks {
                stack.findings = vec![
                    finding("suite.tls_rsa", "medium", None),
                    finding("handshake.refused", "low", None),
                    finding("offer.no_suite", "high", Some("rfc9325")),
                ];
            }
        }
        for server in &mut inventory.servers {
            server.findings = vec![
                finding("cert.expired", "high", None),
                finding("suite.tls_rsa", "medium", Some("dataverse")),
            ];
        }
        let text = |verbose| {
            let mut page = Page::new(Style { width: 80, colour: false, verbose });
            write(&mut page, &inventory, verbose);
            page.finish()
        };
        insta::assert_snapshot!(format!("{}\n{}", text(false), text(true)), @r#"
            Findings
              cert.expired   high: 5 servers
              suite.tls_rsa  medium: 8 client hosts, 5 servers
              … and 1 more (-v shows all); tlscensus explain ID says what one means

            Findings
              cert.expired       high: 5 servers
              suite.tls_rsa      medium: 8 client hosts, 5 servers
              handshake.refused  low: 8 client hosts
              tlscensus explain ID says what one means
            "#);
    }
}
