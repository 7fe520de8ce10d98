//! The Markdown report: the answer and tables of what breaks, for a ticket or a wiki page.
//!
//! What hosts said of themselves is hostile here as well: everything that Markdown or HTML would
//! read as markup is written as a character reference.

use std::fmt::Write as _;
use std::io;

use super::exceptions::Excepted;
use super::inventory::{Inventory, Remedy};
use super::summary::answer;
use super::summary::coverage::{bounds, connections, packets, passed_over};
use super::text::{count, minute, printable, span, unglued};
use crate::policy::Outcome;

/// Servers that are named of an issuer.
const NAMED: usize = 10;

impl Inventory {
    /// Write the Markdown report.
    pub fn write_markdown(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let mut text = String::from("# TLS inventory\n\n");
        if self.anonymized {
            text.push_str(
                "Addresses and names are replaced: no host has those that stand here.\n\n",
            );
        }
        self.answer(&mut text);
        self.clients_that_break(&mut text);
        self.servers_that_break(&mut text);
        self.chains(&mut text);
        self.excepted(&mut text);
        self.seen(&mut text);
        out.write_all(text.as_bytes())
    }

    fn answer(&self, text: &mut String) {
        let _ = writeln!(text, "**{}**\n", safe(&unglued(&answer::headline(self))));
        table(
            text,
            &["policy", "", "seen", "go on working", "at risk", "break", "not judged"],
            self.summary.policies.iter().flat_map(|totals| {
                [("client hosts", totals.client_hosts), ("servers of ours", totals.servers)].map(
                    |(what, counts)| {
                        let numbers = [
                            counts.seen,
                            counts.ready,
                            counts.at_risk,
                            counts.breaks,
                            counts.unknown,
                        ];
                        let words = [safe(&totals.policy), what.to_owned()];
                        words.into_iter().chain(numbers.map(|number| number.to_string())).collect()
                    },
                )
            }),
        );
    }

    fn clients_that_break(&self, text: &mut String) {
        let rows = self.clients.iter().flat_map(|client| {
            client.stacks.iter().flat_map(move |stack| {
                let breaks = stack.verdicts.iter().filter(|one| one.outcome == Outcome::Breaks);
                breaks.map(move |verdict| {
                    vec![
                        list(&client.addresses.iter().map(ToString::to_string).collect::<Vec<_>>()),
                        list(&client.names),
                        list(client.owner.as_slice()),
                        safe(&verdict.policy),
                        why(&verdict.evidence, verdict.excepted.as_deref()),
                        list(&stack.snis.iter().map(ToString::to_string).collect::<Vec<_>>()),
                        list(
                            &stack
                                .software
                                .iter()
                                .map(|one| one.name.to_string())
                                .collect::<Vec<_>>(),
                        ),
                        fixes(&stack.remediations),
                        unglued(&minute(stack.last_seen)),
                    ]
                })
            })
        });
        let header = [
            "address",
            "names",
            "owner",
            "policy",
            "why",
            "asks for",
            "looks like",
            "fix",
            "last seen",
        ];
        section(text, "Clients that break", &header, rows.collect());
    }

    fn servers_that_break(&self, text: &mut String) {
        let rows = self.servers.iter().flat_map(|server| {
            let bad = |outcome| matches!(outcome, Outcome::Breaks | Outcome::AtRisk);
            server.verdicts.iter().filter(move |one| bad(one.outcome)).map(|verdict| {
                vec![
                    safe(&server.name.to_string()),
                    list(&server.snis.iter().map(ToString::to_string).collect::<Vec<_>>()),
                    list(server.owner.as_slice()),
                    safe(&verdict.policy),
                    verdict.outcome.to_string().replace('_', " "),
                    why(&verdict.evidence, verdict.excepted.as_deref()),
                    server.clients.to_string(),
                    fixes(&server.remediations),
                ]
            })
        });
        let header =
            ["server", "asked for as", "owner", "policy", "outcome", "why", "clients", "fix"];
        section(text, "Servers that break or are at risk", &header, rows.collect());
    }

    fn chains(&self, text: &mut String) {
        let chains = &self.summary.chains;
        let unknown = chains.unknown.iter().map(|unknown| {
            let names = unknown.servers.iter().map(ToString::to_string).collect::<Vec<_>>();
            let fate = unknown.fate.as_deref().unwrap_or(
                "if it is yours: install it on the clients, and name it with --trust NAME=FILE",
            );
            vec![
                safe(&unknown.issuer),
                unknown.servers.len().to_string(),
                "none".to_owned(),
                safe(fate),
                list(names.get(..NAMED).unwrap_or(&names)),
            ]
        });
        let roots = chains.roots.iter().map(|root| {
            let stores = match &root.trusted_by[..] {
                [] => "none".to_owned(),
                stores => list(stores),
            };
            let fate = root.fate.as_deref().unwrap_or_default();
            let name = chains.name_of(root);
            vec![safe(&name), root.servers.to_string(), stores, safe(fate), String::new()]
        });
        let header = ["root or unknown issuer", "servers", "trusted by", "", "among them"];
        section(text, "Certificate chains", &header, unknown.chain(roots).collect());
        let unseen = ["hidden", "resumed", "not_seen"].map(|status| {
            let number = chains.servers.get(status).copied().unwrap_or_default();
            (number > 0).then(|| format!("{number} {}", status.replace('_', " ")))
        });
        let unseen: Vec<_> = unseen.into_iter().flatten().collect();
        if !unseen.is_empty() {
            let _ =
                writeln!(text, "\nServers of whose chain nothing is known: {}.", unseen.join(", "));
        }
    }

    fn excepted(&self, text: &mut String) {
        let rows = self.exceptions.iter().map(|line| {
            vec![
                line.agreed.exception.to_string(),
                safe(&line.matches),
                safe(&line.agreed.owner),
                safe(&line.agreed.reason),
                safe(&line.agreed.expires),
                safe(line.status.words()),
                line.clients.to_string(),
                line.servers.to_string(),
                line.findings.to_string(),
            ]
        });
        let header =
            ["entry", "of", "owner", "reason", "until", "", "clients", "servers", "findings"];
        section(text, "Exceptions", &header, rows.collect());
    }

    fn seen(&self, text: &mut String) {
        text.push_str("\n## What this rests on\n\n");
        let coverage = &self.coverage;
        let seen = format!(
            "{} in {}",
            count(coverage.connections.connections, "TLS connection", "TLS connections"),
            count(self.sources.len() as u64, "source", "sources"),
        );
        let _ = writeln!(text, "* {}", unglued(&seen));
        if let (Some(first), Some(last)) = (coverage.first_seen, coverage.last_seen) {
            let _ = writeln!(text, "* {}", unglued(&span(first, last)));
        }
        let lines = connections(coverage).into_iter().chain(bounds(coverage, true));
        for line in lines.chain(packets(coverage, true)).chain(passed_over(coverage)) {
            let _ = writeln!(text, "* {}", unglued(&line));
        }
        if let Some(sentence) = &coverage.watch.sentence {
            let _ = writeln!(text, "* {}", unglued(sentence));
        }
        for error in self.sources.iter().filter_map(|source| source.error.as_ref()) {
            let _ = writeln!(text, "* {}", safe(error));
        }
        self.interfaces(text);
    }

    /// What each interface lost, and who lost it.
    fn interfaces(&self, text: &mut String) {
        let rows = self.sources.iter().filter_map(|source| {
            let lost = source.lost.as_ref()?;
            let numbers = [source.packets, lost.interface, lost.ring, lost.backlog, lost.unread];
            let mut row = vec![safe(&source.name)];
            row.extend(numbers.map(|number| number.to_string()));
            row.extend([unglued(&lost.open_share()), source.evicted_flows.to_string()]);
            Some(row)
        });
        let header = [
            "interface",
            "packets read",
            "lost by it",
            "ring full",
            "workers behind",
            "unread",
            "lost while a handshake was open",
            "flows given up at a bound",
        ];
        section(text, "Interfaces", &header, rows.collect());
    }
}

fn section(text: &mut String, heading: &str, header: &[&str], rows: Vec<Vec<String>>) {
    if !rows.is_empty() {
        let _ = writeln!(text, "\n## {heading}\n");
        table(text, header, rows.into_iter());
    }
}

fn table(text: &mut String, header: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let _ = writeln!(text, "| {} |", header.join(" | "));
    let _ = writeln!(text, "|{}", " --- |".repeat(header.len()));
    for row in rows {
        let _ = writeln!(text, "| {} |", row.join(" | "));
    }
}

/// What a verdict rests on, and who agreed to leave it so.
fn why(evidence: &str, excepted: Option<&Excepted>) -> String {
    match excepted {
        Some(excepted) => format!("{}<br>{}", safe(evidence), safe(&excepted.to_string())),
        None => safe(evidence),
    }
}

fn fixes(remedies: &[Remedy]) -> String {
    list(&remedies.iter().map(|remedy| remedy.title.to_string()).collect::<Vec<_>>())
}

fn list(items: &[String]) -> String {
    items.iter().map(|item| safe(item)).collect::<Vec<_>>().join("<br>")
}

/// A text in which nothing is markup.
fn safe(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in printable(text).chars() {
        match character {
            // Within a table cell these begin no block; what is left are the marks within a line.
            '&' | '<' | '>' | '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '!' | '~' | '@' | '#' => {
                let _ = write!(safe, "&#{};", u32::from(character));
            }
            // Without its colon no address becomes a link by itself.
            ':' if safe.ends_with("http") || safe.ends_with("https") => safe.push_str("&#58;"),
            '.' if safe.ends_with("www") => safe.push_str("&#46;"),
            character => safe.push(character),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::{judge, office, snapshot};

    #[test]
    fn nothing_that_hosts_say_is_markup() {
        assert_eq!(safe("<img src=x>|`a`"), "&#60;img src=x&#62;&#124;&#96;a&#96;");
        assert_eq!(safe("[a](http://b)"), "&#91;a&#93;(http&#58;//b)");
        assert_eq!(safe("a\nb\u{1b}"), "a&#92;u{a}b&#92;u{1b}");
    }

    #[test]
    fn the_markdown_report() {
        let mut out = Vec::new();
        let inventory = judge(&snapshot(&office()), &["dataverse"], &[]);
        inventory.write_markdown(&mut out).unwrap();
        insta::assert_snapshot!(String::from_utf8(out).unwrap());
    }
}
