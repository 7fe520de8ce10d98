//! The summary on the terminal, for someone who is tired: the answer first, then whom to call.
//!
//! In goes an [`Inventory`], out comes text. It speaks of the first policy. What hosts said of
//! themselves is written out so that it cannot move the cursor or hide.

mod clients;
mod coverage;
mod page;
mod servers;

use super::inventory::{Counts, Inventory};
use super::scope::Pattern;
use super::text::{count, listed, printable};
use page::{Ink, Page};

pub use page::Style;

impl Inventory {
    /// The summary.
    pub fn summary(&self, style: Style) -> String {
        let mut page = Page::new(style);
        if self.coverage.connections.connections == 0 {
            coverage::nothing(&mut page, self);
        } else {
            self.answer(&mut page);
            clients::write(&mut page, self, style.verbose);
            servers::write(&mut page, self, style.verbose);
            self.findings(&mut page);
        }
        coverage::write(&mut page, self, style.verbose);
        self.hint(&mut page);
        page.finish()
    }

    /// How many client hosts break, out of how many, in one sentence; then the others.
    fn answer(&self, page: &mut Page) {
        let (Some(policy), Some(totals)) = (self.policies.first(), self.summary.policies.first())
        else {
            return;
        };
        let hosts = totals.client_hosts;
        let id = &policy.id;
        if hosts.seen == 0 {
            page.paragraph(Ink::Bold, &self.nobody());
            return;
        }
        let of = if self.scope.is_empty() {
            count(hosts.seen, "client host", "client hosts")
        } else {
            format!(
                "{} that talk to {}",
                count(hosts.seen, "client host", "client hosts"),
                self.scope_in_words()
            )
        };
        let (ink, answer) = match (hosts.breaks, hosts.unknown) {
            (0, 0) => (Ink::Good, format!("None of {of} breaks when {id} is enforced.")),
            (0, unknown) => (
                Ink::Bold,
                format!(
                    "None of {of} is known to break when {id} is enforced, {} not be judged.",
                    if unknown == 1 { "one could".to_owned() } else { format!("{unknown} could") },
                ),
            ),
            (1, _) => (Ink::Bad, format!("1 of {of} breaks when {id} is enforced.")),
            (breaks, _) => (Ink::Bad, format!("{breaks} of {of} break when {id} is enforced.")),
        };
        page.paragraph(ink, &answer);
        if let Some(rest) = rest(hosts) {
            page.paragraph(Ink::Plain, &rest);
        }
        if let Some(line) = self.successor() {
            page.paragraph(Ink::Plain, &line);
        }
    }

    /// There was TLS, but nobody in scope.
    fn nobody(&self) -> String {
        format!(
            "Nobody was seen to talk to {}; {} talked to {}.",
            self.scope_in_words(),
            count(self.summary.out_of_scope.clients, "client host", "client hosts"),
            count(self.summary.out_of_scope.servers, "other server", "other servers"),
        )
    }

    fn scope_in_words(&self) -> String {
        let patterns: Vec<_> =
            self.scope.iter().map(|one| format!("`{}`", printable(one))).collect();
        listed(&patterns, 4)
    }

    /// What differs under the policy that took the place of the first.
    fn successor(&self) -> Option<String> {
        let line = self.summary.successor.as_ref()?;
        let first = &self.policies.first()?.id;
        let addresses = |list: &[crate::packet::Address]| {
            let list: Vec<_> = list.iter().map(ToString::to_string).collect();
            listed(&list, 3)
        };
        let mut parts = Vec::new();
        if !line.more.is_empty() {
            let number = line.more.len() as u64;
            let words = count(number, "more host breaks", "more hosts break");
            parts.push(format!("{words} ({})", addresses(&line.more)));
        }
        if !line.fewer.is_empty() {
            let number = line.fewer.len() as u64;
            let words = count(number, "host no longer does", "hosts no longer do");
            parts.push(format!("{words} ({})", addresses(&line.fewer)));
        }
        let differs =
            if parts.is_empty() { "the same hosts break".to_owned() } else { parts.join(", ") };
        Some(format!("Under {}, which took the place of {first}, {differs}.", line.policy))
    }

    /// Findings, counted.
    fn findings(&self, page: &mut Page) {
        let Some(totals) = self.summary.policies.first() else {
            return;
        };
        if totals.findings.is_empty() {
            return;
        }
        page.heading("Findings");
        for (id, number) in &totals.findings {
            page.entry((Ink::Plain, id), &[(Ink::Plain, number.to_string())]);
        }
    }

    /// Where the policy names the servers that it speaks of, and they are only a part of those seen.
    fn hint(&self, page: &mut Page) {
        let patterns = match self.policies.first() {
            Some(policy) if self.scope.is_empty() => &policy.scope,
            _ => return,
        };
        let seen = |pattern: &str| {
            let pattern: Result<Pattern, _> = pattern.parse();
            let names = || self.servers.iter().flat_map(|server| &server.snis);
            pattern.is_ok_and(|pattern| names().any(|name| pattern.covers_name(name)))
        };
        if let Some(pattern) = patterns.iter().find(|pattern| seen(pattern)) {
            page.gap();
            let words =
                format!("hint: add --scope '{pattern}' to count only the hosts that talk to it");
            page.paragraph(Ink::Dim, &words);
        }
    }
}

/// What becomes of the hosts that do not break.
fn rest(hosts: Counts) -> Option<String> {
    let mut parts = Vec::new();
    if hosts.ready > 0 {
        parts.push(count(hosts.ready, "goes on working", "go on working"));
    }
    if hosts.unknown > 0 && hosts.breaks > 0 {
        parts.push(count(hosts.unknown, "could not be judged", "could not be judged"));
    }
    (!parts.is_empty()).then(|| format!("{}.", parts.join(", ")))
}

#[cfg(test)]
mod tests;
