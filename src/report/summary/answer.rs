//! The answer: how many client hosts break, out of how many, in one sentence.

use super::page::{Ink, Page};
use crate::packet::Address;
use crate::report::inventory::{Counts, Inventory};
use crate::report::text::{count, grouped, listed, printable};

/// Patterns and addresses that are named.
const NAMED: usize = 4;

/// The answer, what becomes of the others, and what differs under the policy's successor.
pub(super) fn write(page: &mut Page, inventory: &Inventory) {
    let (Some(policy), Some(totals)) =
        (inventory.policies.first(), inventory.summary.policies.first())
    else {
        return;
    };
    let hosts = totals.client_hosts;
    if hosts.seen == 0 {
        page.paragraph(Ink::Bold, &nobody(inventory));
        return;
    }
    let ink = match (hosts.breaks, hosts.unknown) {
        (0, 0) => Ink::Good,
        (0, _) => Ink::Bold,
        _ => Ink::Bad,
    };
    page.paragraph(ink, &sentence(hosts, &inventory.scope, &policy.id));
    if let Some(rest) = rest(hosts) {
        page.paragraph(Ink::Plain, &rest);
    }
    let excepted = totals.excepted.client_hosts;
    if excepted > 0 {
        let words = count(
            excepted,
            "of those that break is excepted.",
            "of those that break are excepted.",
        );
        page.paragraph(Ink::Plain, &words);
    }
    if let Some(differs) = successor(inventory, hosts) {
        page.paragraph(Ink::Plain, &differs);
    }
}

/// The answer under the first policy, whatever was seen.
pub(in crate::report) fn headline(inventory: &Inventory) -> String {
    let totals = inventory.summary.policies.first();
    let hosts = totals.map(|totals| totals.client_hosts).unwrap_or_default();
    if inventory.coverage.connections.connections == 0 {
        return "No TLS handshake was seen.".to_owned();
    }
    match totals {
        Some(totals) if hosts.seen > 0 => sentence(hosts, &inventory.scope, &totals.policy),
        _ => nobody(inventory),
    }
}

/// The answer in a sentence.
pub(in crate::report) fn sentence(hosts: Counts, scope: &[String], policy: &str) -> String {
    let Counts { seen, breaks, unknown, .. } = hosts;
    let (one, many) = match scope {
        [] => (String::new(), String::new()),
        scope => {
            let scope = in_words(scope);
            (format!(" that talks to {scope}"), format!(" that talk to {scope}"))
        }
    };
    if seen == 1 {
        return match (breaks, unknown) {
            (0, 0) => {
                format!("The one client host{one} goes on working when {policy} is enforced.")
            }
            (0, _) => {
                format!("Whether the one client host{one} breaks under {policy} is not known.")
            }
            _ => format!("The one client host{one} breaks when {policy} is enforced."),
        };
    }
    let all = format!("{}{many}", count(seen, "client host", "client hosts"));
    match (breaks, unknown) {
        (0, 0) => format!("None of {all} breaks when {policy} is enforced."),
        (0, _) if unknown == seen => {
            format!("Whether any of {all} breaks when {policy} is enforced is not known.")
        }
        (0, _) => format!("None of {all} is known to break when {policy} is enforced."),
        (1, _) => format!("1 of {all} breaks when {policy} is enforced."),
        _ if breaks == seen => format!("All {all} break when {policy} is enforced."),
        _ => format!("{} of {all} break when {policy} is enforced.", grouped(breaks)),
    }
}

/// What becomes of the hosts that the sentence leaves out.
pub(in crate::report) fn rest(hosts: Counts) -> Option<String> {
    let Counts { seen, ready, breaks, unknown, .. } = hosts;
    let mut parts = Vec::new();
    if ready > 0 && ready < seen {
        parts.push(count(ready, "goes on working", "go on working"));
    }
    if unknown > 0 && (breaks > 0 || unknown < seen) {
        parts.push(count(unknown, "could not be judged", "could not be judged"));
    }
    (!parts.is_empty()).then(|| format!("{}.", parts.join(", ")))
}

/// There was TLS, but with nobody in scope.
pub(in crate::report) fn nobody(inventory: &Inventory) -> String {
    let left_out = inventory.summary.out_of_scope;
    format!(
        "Nobody was seen to talk to {}; {} talked to {}.",
        in_words(&inventory.scope),
        count(left_out.clients, "client host", "client hosts"),
        count(left_out.servers, "other server", "other servers"),
    )
}

fn in_words(scope: &[String]) -> String {
    let patterns: Vec<_> = scope.iter().map(|one| format!("`{}`", printable(one))).collect();
    listed(&patterns, NAMED)
}

/// What differs under the policy that took the place of the first.
pub(in crate::report) fn successor(inventory: &Inventory, hosts: Counts) -> Option<String> {
    let line = inventory.summary.successor.as_ref()?;
    let named = |list: &[Address]| {
        let list: Vec<_> = list.iter().map(ToString::to_string).collect();
        listed(&list, NAMED)
    };
    let mut parts = Vec::new();
    if !line.more.is_empty() {
        let number = line.more.len() as u64;
        let words = if hosts.breaks == 0 {
            count(number, "host breaks", "hosts break")
        } else {
            count(number, "more host breaks", "more hosts break")
        };
        parts.push(format!("{words} ({})", named(&line.more)));
    }
    if !line.fewer.is_empty() {
        let number = line.fewer.len() as u64;
        let words = count(number, "of these goes on working", "of these go on working");
        parts.push(format!("{words} ({})", named(&line.fewer)));
    }
    let differs = match (&parts[..], hosts.breaks) {
        ([], 0) => "none breaks either".to_owned(),
        ([], 1) => "it is the same host".to_owned(),
        ([], _) => "it is the same hosts".to_owned(),
        _ => parts.join(", "),
    };
    Some(format!("Under {}, which took its place, {differs}.", line.policy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_hosts_makes_a_sentence() {
        let scope = ["*.dynamics.com".to_owned()];
        let cases = [
            (1, 0, 0),
            (1, 1, 0),
            (1, 0, 1),
            (9, 0, 0),
            (9, 0, 2),
            (9, 0, 9),
            (9, 1, 0),
            (9, 3, 2),
            (9, 9, 0),
        ];
        let mut text = String::new();
        for (at, (seen, breaks, unknown)) in cases.into_iter().enumerate() {
            let ready = seen - breaks - unknown;
            let hosts = Counts { seen, ready, at_risk: 0, breaks, unknown };
            let scope = if at % 2 == 0 { &[][..] } else { &scope };
            let parts = [Some(sentence(hosts, scope, "dataverse")), rest(hosts)];
            text.push_str(&parts.into_iter().flatten().collect::<Vec<_>>().join(" "));
            text.push('\n');
        }
        insta::assert_snapshot!(text.replace('\u{a0}', " "), @r#"
            The one client host goes on working when dataverse is enforced.
            The one client host that talks to `*.dynamics.com` breaks when dataverse is enforced.
            Whether the one client host breaks under dataverse is not known.
            None of 9 client hosts that talk to `*.dynamics.com` breaks when dataverse is enforced.
            None of 9 client hosts is known to break when dataverse is enforced. 7 go on working, 2 could not be judged.
            Whether any of 9 client hosts that talk to `*.dynamics.com` breaks when dataverse is enforced is not known.
            1 of 9 client hosts breaks when dataverse is enforced. 8 go on working.
            3 of 9 client hosts that talk to `*.dynamics.com` break when dataverse is enforced. 4 go on working, 2 could not be judged.
            All 9 client hosts break when dataverse is enforced.
            "#);
    }
}
