//! The CSV report: one line for each client stack and each server, and policy.
//!
//! RFC 4180, UTF-8, for spreadsheets: what hosts said of themselves is hostile there too. A value
//! that a spreadsheet would take for a formula gets a leading apostrophe, each item of a list for
//! itself, because where the locale's list separator is `;` a list falls apart into cells.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::io;

use super::inventory::{Client, Finding, Inventory, Remedy, Server, ServerName, Stack};
use super::text::printable;
use crate::packet::Address;
use crate::policy::Reason;
use crate::tls::codepoint::ProtocolVersion;

/// The columns.
const HEADER: &str = "role,ip,addresses,port,application,name,mac,owner,software,max_version,ja4,\
                      policy,outcome,reasons,connections,first_seen,last_seen,peers,snis,findings,\
                      remediations";
/// Bytes of one cell: spreadsheets cut at 32,767 characters without a word.
const CELL: usize = 32_000;

impl Inventory {
    /// Write the CSV report.
    pub fn write_csv(&self, out: &mut dyn io::Write) -> io::Result<()> {
        out.write_all(HEADER.as_bytes())?;
        out.write_all(b"\r\n")?;
        let mut row = Row::default();
        for client in &self.clients {
            for stack in &client.stacks {
                for at in 0..self.policies.len() {
                    if client_row(&mut row, client, stack, at).is_some() {
                        out.write_all(row.line())?;
                    }
                }
            }
        }
        let mut peers: BTreeMap<&ServerName, Vec<Address>> = BTreeMap::new();
        for edge in &self.edges {
            peers.entry(&edge.server).or_default().push(edge.client);
        }
        for server in &self.servers {
            let peers = peers.get(&*server.name).map_or(&[][..], Vec::as_slice);
            for at in 0..self.policies.len() {
                if server_row(&mut row, server, peers, at).is_some() {
                    out.write_all(row.line())?;
                }
            }
        }
        Ok(())
    }
}

fn client_row(row: &mut Row, client: &Client, stack: &Stack, at: usize) -> Option<()> {
    let verdict = stack.verdicts.get(at)?;
    row.begin();
    row.own("client");
    row.own(client.ip);
    row.list(client.addresses.iter().map(Address::to_string));
    row.own("");
    row.own("");
    row.list(client.names.iter().map(String::as_str));
    row.own(client.mac.map(|mac| mac.to_string()).unwrap_or_default());
    row.list(client.owner.as_deref());
    row.list(stack.software.iter().map(|software| &*software.name));
    row.own(stack.max_version.map(|version| version.to_string()).unwrap_or_default());
    row.list(stack.ja4.as_deref());
    row.list([&*verdict.policy]);
    row.own(verdict.outcome);
    row.list(reasons(&verdict.reasons, verdict.excepted.is_some()));
    row.own(stack.connections);
    row.own(stack.first_seen);
    row.own(stack.last_seen);
    row.list(stack.servers.iter().map(ToString::to_string));
    row.list(stack.snis.iter().map(|name| &**name));
    row.findings(&stack.findings, &verdict.policy, &stack.remediations);
    Some(())
}

fn server_row(row: &mut Row, server: &Server, peers: &[Address], at: usize) -> Option<()> {
    let verdict = server.verdicts.get(at)?;
    row.begin();
    // Versions are listed by name; the highest is that of the highest judgement.
    let highest = server
        .versions
        .keys()
        .filter_map(|name| ProtocolVersion::from_name(name))
        .max_by_key(|version| version.judged_as());
    row.own("server");
    row.own(server.name.ip);
    row.own(server.name.ip);
    row.own(server.name.port);
    row.list(server.name.application.as_deref());
    row.list(server.names.iter().map(String::as_str).chain(server.name.target.as_deref()));
    row.own(server.mac.map(|mac| mac.to_string()).unwrap_or_default());
    row.list(server.owner.iter().cloned());
    row.own("");
    row.own(highest.map(|version| version.to_string()).unwrap_or_default());
    row.own("");
    row.list([&*verdict.policy]);
    row.own(verdict.outcome);
    row.list(reasons(&verdict.reasons, verdict.excepted.is_some()));
    row.own(server.connections);
    row.own(server.first_seen);
    row.own(server.last_seen);
    row.list(peers.iter().map(Address::to_string));
    row.list(server.snis.iter().map(|name| &**name));
    row.findings(&server.findings, &verdict.policy, &server.remediations);
    Some(())
}

/// The reasons of a verdict; that somebody agreed to it is one among them.
fn reasons(reasons: &[Reason], excepted: bool) -> impl Iterator<Item = &'static str> {
    reasons.iter().map(|reason| reason.name()).chain(excepted.then_some("excepted"))
}

/// A line that is being written.
#[derive(Default)]
struct Row(String);

impl Row {
    fn begin(&mut self) {
        self.0.clear();
    }

    /// A cell with a value of our own making.
    fn own(&mut self, value: impl Display) {
        let _ = write!(self.0, "{value},");
    }

    /// A cell with values of whatever origin, sorted, each once.
    fn list<T: AsRef<str>>(&mut self, items: impl IntoIterator<Item = T>) {
        let mut rest = items.into_iter().peekable();
        let Some(first) = rest.next() else {
            self.0.push(',');
            return;
        };
        if rest.peek().is_none() && is_plain(first.as_ref()) {
            // As most are.
            self.0.push_str(first.as_ref());
            self.0.push(',');
            return;
        }
        let all = std::iter::once(first).chain(rest);
        let mut items: Vec<_> = all.map(|item| defused(item.as_ref())).collect();
        items.sort_unstable();
        items.dedup();
        let mut cell = String::new();
        for (at, item) in items.iter().enumerate() {
            if cell.len() + item.len() > CELL {
                let _ = write!(cell, ";({} more)", items.len() - at);
                break;
            }
            if at > 0 {
                cell.push(';');
            }
            cell.push_str(item);
        }
        if cell.contains([',', ';', '"', '\r', '\n']) {
            let _ = write!(self.0, "\"{}\",", cell.replace('"', "\"\""));
        } else {
            self.own(cell);
        }
    }

    /// The last two cells.
    fn findings(&mut self, findings: &[Finding], policy: &str, remedies: &[Remedy]) {
        let under = |finding: &&Finding| {
            finding.policies.is_empty() || finding.policies.iter().any(|id| **id == *policy)
        };
        let word = |finding: &Finding| match finding.excepted {
            Some(_) => Cow::Owned(format!("{} (excepted)", finding.id)),
            None => Cow::Borrowed(finding.id),
        };
        self.list(findings.iter().filter(under).map(word));
        self.list(remedies.iter().map(|remedy| remedy.id));
    }

    fn line(&mut self) -> &[u8] {
        self.0.pop();
        self.0.push_str("\r\n");
        self.0.as_bytes()
    }
}

/// Whether a value can stand in a cell as it is.
fn is_plain(value: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._:/ ()".contains(&byte);
    value.len() <= CELL && value.bytes().all(plain)
}

/// A value that no spreadsheet takes for a formula, and that is one item of a list.
fn defused(value: &str) -> String {
    let mut safe = printable(value).replace(';', "\\u{3b}");
    // Some spreadsheets take their full-width forms for the same.
    if value.starts_with(['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠']) {
        safe.insert(0, '\'');
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(items: &[&str]) -> String {
        let mut row = Row::default();
        row.list(items.iter().map(|item| (*item).to_owned()));
        String::from_utf8(row.line().to_vec()).unwrap().trim_end().to_owned()
    }

    #[test]
    fn formulas_are_text() {
        assert_eq!(cell(&["=cmd|' /C calc'!A0"]), "'=cmd|' /C calc'!A0");
        assert_eq!(cell(&["+1", "-1", "@SUM(A1)"]), "\"'+1;'-1;'@SUM(A1)\"");
        assert_eq!(cell(&["\t=1"]), "'\\u{9}=1");
        assert_eq!(cell(&["＝1", "＋1", "－1", "＠A1"]), "\"'＋1;'－1;'＝1;'＠A1\"");
        assert_eq!(cell(&["\r=1\n"]), "'\\u{d}=1\\u{a}");
        assert_eq!(cell(&["a;=1"]), "a\\u{3b}=1");
        assert_eq!(cell(&["crm.example.com"]), "crm.example.com");
    }

    #[test]
    fn quotes_as_rfc_4180_says() {
        assert_eq!(cell(&["a,b"]), "\"a,b\"");
        assert_eq!(cell(&["say \"a\""]), "\"say \"\"a\"\"\"");
        assert_eq!(cell(&["b", "a", "b"]), "\"a;b\"");
    }

    #[test]
    fn a_cell_ends_before_spreadsheets_cut_it() {
        let items: Vec<String> =
            (0..9_000).map(|n| format!("10.0.{}.{}", n / 256, n % 256)).collect();
        let items: Vec<&str> = items.iter().map(String::as_str).collect();
        let cell = cell(&items);
        assert!(cell.len() < 32_767);
        assert!(cell.ends_with(" more)\""), "{}", &cell[cell.len() - 40..]);
    }
}
