//! Exceptions: how much they cover, which have expired, and which match nothing any more.

use super::page::{Ink, Page};
use crate::report::exceptions::{ExceptionLine, ExceptionStatus};
use crate::report::inventory::Inventory;
use crate::report::text::{count, printable};

/// Entries that are named of each kind.
const ENTRIES: usize = 6;

/// The section on what somebody has agreed to leave as it is.
pub(in crate::report) fn write(page: &mut Page, inventory: &Inventory, verbose: bool) {
    let lines = &inventory.exceptions;
    if lines.is_empty() {
        return;
    }
    page.heading("Exceptions");
    let of = |status| of(lines, status);
    let applied = of(ExceptionStatus::Applied).count() as u64;
    if applied > 0 {
        let totals = inventory.summary.policies.first().map(|totals| totals.excepted);
        let totals = totals.unwrap_or_default();
        let words = format!(
            "{}: {} and {} that break, and {}, stay as they are",
            count(applied, "entry applies", "entries apply"),
            count(totals.client_hosts, "client host", "client hosts"),
            count(totals.servers + totals.external_servers, "server", "servers"),
            count(totals.findings, "finding", "findings"),
        );
        page.item(Ink::Plain, &words);
    }
    lapsed(page, lines, verbose);
    if verbose {
        for line in of(ExceptionStatus::Applied) {
            page.item(Ink::Dim, &told(line));
        }
    }
}

fn of(lines: &[ExceptionLine], status: ExceptionStatus) -> impl Iterator<Item = &ExceptionLine> {
    lines.iter().filter(move |line| line.status == status)
}

/// Entries that have expired, and those that match nothing.
pub(in crate::report) fn lapsed(page: &mut Page, lines: &[ExceptionLine], verbose: bool) {
    for (status, ink) in
        [(ExceptionStatus::Expired, Ink::Warn), (ExceptionStatus::Unmatched, Ink::Dim)]
    {
        let shown = if verbose { usize::MAX } else { ENTRIES };
        for line in of(lines, status).take(shown) {
            page.item(ink, &told(line));
        }
        let more = of(lines, status).count().saturating_sub(shown);
        if more > 0 {
            let words = format!("… and {more} more {} (-v shows all)", status.words());
            page.item(Ink::Dim, &words);
        }
    }
}

/// An entry and what came of it.
fn told(line: &ExceptionLine) -> String {
    let agreed = &line.agreed;
    let what = match line.status {
        ExceptionStatus::Applied => {
            format!("holds until {}, for {}", agreed.expires, subjects(line))
        }
        ExceptionStatus::Expired if line.clients + line.servers > 0 => {
            format!("expired on {} and would still cover {}", agreed.expires, subjects(line))
        }
        ExceptionStatus::Expired => format!("expired on {}", agreed.expires),
        ExceptionStatus::Unmatched => "matched nothing that breaks or is found".to_owned(),
    };
    format!(
        "{} (entry {}, {}: {}) {what}",
        printable(&line.matches),
        agreed.exception,
        printable(&agreed.owner),
        printable(&agreed.reason),
    )
}

fn subjects(line: &ExceptionLine) -> String {
    let parts = [
        (line.clients, count(line.clients, "client host", "client hosts")),
        (line.servers, count(line.servers, "server", "servers")),
    ];
    let parts: Vec<_> = parts.into_iter().filter(|(n, _)| *n > 0).map(|(_, words)| words).collect();
    parts.join(" and ")
}
