//! The hosts that break: why, what stops working for them, whose software it is, what to do.

use std::collections::{BTreeMap, BTreeSet};

use super::page::{Ink, Page};
use crate::packet::Address;
use crate::policy::Outcome;
use crate::report::inventory::{Client, Edge, Inventory, Remedy, ServerName, Stack};
use crate::report::text::{count, explain, listed, minute, named, printable};

/// Hosts, or groups of hosts, in a screenful.
const HOSTS: usize = 12;
/// Services, stacks and software that are named of a host.
const NAMED: usize = 3;
/// Remedies that are named of a host where there is room, best first.
pub(super) const FIXES: usize = 3;
/// Addresses that are named of a group.
const ADDRESSES: usize = 12;

/// A host that breaks.
struct Broken<'a> {
    client: &'a Client,
    /// Why, and what to do: what hosts are grouped by.
    fault: Fault,
    loss: Loss,
}

/// What is wrong with a host.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Fault {
    reasons: BTreeSet<String>,
    software: Vec<String>,
    fixes: Vec<String>,
    /// Who agreed to leave it so.
    excepted: Option<String>,
}

/// What a host loses.
#[derive(Clone, Default)]
struct Loss {
    services: BTreeSet<String>,
    connections: u64,
    last: String,
}

/// The sections on the hosts that break, and on those that could not be judged.
pub(super) fn write(page: &mut Page, inventory: &Inventory, verbose: bool) {
    let mut losses = losses(inventory);
    let mut hosts: Vec<Broken<'_>> = inventory
        .clients
        .iter()
        .filter(|client| is(client, Outcome::Breaks))
        .map(|client| Broken {
            client,
            fault: Fault::of(client),
            loss: losses.remove(&client.ip).unwrap_or_default(),
        })
        .collect();
    // Worst first: who loses most; those to which somebody agreed last. Addresses make the order
    // total.
    hosts.sort_by_key(|host| {
        let excepted = host.fault.excepted.is_some();
        (excepted, std::cmp::Reverse(host.loss.connections), host.client.ip)
    });
    if !hosts.is_empty() {
        page.heading("Clients that break");
    }
    page.align(hosts.iter().map(|host| host.client.ip.to_string()));
    if verbose || hosts.len() <= HOSTS {
        for host in &hosts {
            host.write(page, verbose);
        }
    } else {
        groups(page, &hosts);
    }
    unknown(page, inventory, verbose);
}

fn is(client: &Client, outcome: Outcome) -> bool {
    client.verdicts.first().is_some_and(|verdict| verdict.outcome == outcome)
}

/// The stacks of a host that have this outcome.
fn stacks(client: &Client, outcome: Outcome) -> impl Iterator<Item = &Stack> {
    client
        .stacks
        .iter()
        .filter(move |stack| stack.verdicts.first().is_some_and(|one| one.outcome == outcome))
}

/// Many hosts: those with the same fault stand together.
fn groups(page: &mut Page, hosts: &[Broken<'_>]) {
    let mut groups: BTreeMap<&Fault, Vec<&Broken<'_>>> = BTreeMap::new();
    for host in hosts {
        groups.entry(&host.fault).or_default().push(host);
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    let weight =
        |hosts: &[&Broken<'_>]| hosts.iter().map(|host| host.loss.connections).sum::<u64>();
    groups.sort_by_key(|(fault, hosts)| {
        let excepted = fault.excepted.is_some();
        (excepted, std::cmp::Reverse(hosts.len()), std::cmp::Reverse(weight(hosts)), *fault)
    });
    let mut left = hosts.len();
    for (fault, hosts) in groups.iter().take(HOSTS) {
        left -= hosts.len();
        if let [host] = hosts[..] {
            host.write(page, false);
            continue;
        }
        let mut loss = Loss::default();
        for host in hosts {
            loss.services.extend(host.loss.services.iter().cloned());
            loss.connections += host.loss.connections;
            loss.last = loss.last.max(host.loss.last.clone());
        }
        let addresses: BTreeSet<_> =
            hosts.iter().flat_map(|host| host.client.addresses.iter()).collect();
        let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
        let mut parts = fault.parts((&loss, "they lose"), false);
        parts.insert(0, (Ink::Bold, listed(&addresses, ADDRESSES)));
        let term = count(hosts.len() as u64, "host", "hosts");
        page.entry((Ink::Bold, &term), &parts);
    }
    if left > 0 || hosts.len() > ADDRESSES {
        let more = if left > 0 { format!("… and {left} more; ") } else { String::new() };
        let words = format!("{more}-v shows every host, --report inventory.csv has them");
        page.item(Ink::Dim, &words);
    }
}

impl Broken<'_> {
    fn write(&self, page: &mut Page, verbose: bool) {
        let client = self.client;
        let mut parts = Vec::new();
        if let Some(who) = who(client, verbose) {
            parts.push((Ink::Plain, who));
        }
        parts.extend(self.fault.parts((&self.loss, "loses"), verbose));
        if client.maybe_several_hosts {
            parts.push((Ink::Dim, "may be several hosts behind one address".to_owned()));
        }
        page.entry((Ink::Bold, &client.ip.to_string()), &parts);
    }
}

impl Fault {
    fn of(client: &Client) -> Self {
        let excepted = client.verdicts.first().and_then(|verdict| verdict.excepted.as_ref());
        let mut fault = Self {
            reasons: BTreeSet::new(),
            software: Vec::new(),
            fixes: Vec::new(),
            excepted: excepted.map(|excepted| printable(&excepted.to_string()).into_owned()),
        };
        for stack in stacks(client, Outcome::Breaks) {
            let reasons = stack.verdicts.iter().take(1);
            fault.reasons.extend(reasons.map(|one| printable(&one.evidence).into_owned()));
            let names = stack.software.iter().map(|one| in_a_list(&printable(&one.name)));
            names.for_each(|name| push_new(&mut fault.software, name));
            stack.remediations.iter().for_each(|remedy| push_new(&mut fault.fixes, fix(remedy)));
        }
        fault
    }

    fn parts(&self, (loss, verb): (&Loss, &str), verbose: bool) -> Vec<(Ink, String)> {
        let limit = if verbose { usize::MAX } else { NAMED };
        let mut parts: Vec<_> =
            self.reasons.iter().take(limit).map(|why| (Ink::Plain, why.clone())).collect();
        let more = self.reasons.len().saturating_sub(limit);
        if more > 0 {
            parts.push((Ink::Dim, format!("… and {more} more such offers")));
        }
        // A stack may break although what was seen of it goes on: nothing is lost then.
        if loss.connections > 0 {
            parts.push((Ink::Warn, loss.words(verb, limit)));
        }
        if !self.software.is_empty() {
            parts.push((Ink::Plain, format!("looks like {}", either(&self.software, limit))));
        }
        parts.extend(self.excepted.iter().map(|words| (Ink::Dim, words.clone())));
        let fixes = self.fixes.iter().take(if verbose { FIXES } else { 1 });
        parts.extend(fixes.map(|fix| (Ink::Bold, fix.clone())));
        parts
    }
}

/// Add to a list that has an order of its own, and everything once.
fn push_new(list: &mut Vec<String>, item: String) {
    if !list.contains(&item) {
        list.push(item);
    }
}

/// Other addresses, names and owner of a host, as far as they are known.
fn who(client: &Client, verbose: bool) -> Option<String> {
    let elsewhere = client.elsewhere();
    let names = client.names.iter().chain(&client.owner).map(|name| printable(name).into_owned());
    let mac = client.mac.filter(|_| verbose);
    let mac = mac.map(|mac| match &client.vendor {
        Some(vendor) => format!("{mac} ({})", printable(vendor)),
        None => mac.to_string(),
    });
    let parts: Vec<_> = elsewhere.into_iter().chain(names).chain(mac).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// `a, b or c`, likeliest first; of more than `limit` the first ones and how many others.
fn either(names: &[String], limit: usize) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] if names.len() <= limit => format!("{} or {last}", first.join(", ")),
        _ => {
            let shown = limit.saturating_sub(1).max(1);
            let others = count((names.len() - shown) as u64, "other", "others");
            let names: Vec<&str> = names.iter().take(shown).map(String::as_str).collect();
            format!("{} or {others}", names.join(", "))
        }
    }
}

/// What to change, and where to read how.
pub(super) fn fix(remedy: &Remedy) -> String {
    format!("fix: {} {}", printable(remedy.title), explain(remedy.id))
}

impl Loss {
    fn words(&self, verb: &str, limit: usize) -> String {
        let services: Vec<_> = self.services.iter().cloned().collect();
        let on = if self.connections == 1 { "on" } else { "last on" };
        format!(
            "{verb} {} ({}, {on} {})",
            listed(&services, limit),
            count(self.connections, "connection", "connections"),
            self.last,
        )
    }
}

/// What every host loses by its own fault: the services that it was seen to use.
fn losses(inventory: &Inventory) -> BTreeMap<Address, Loss> {
    let mut losses: BTreeMap<Address, Loss> = BTreeMap::new();
    for edge in &inventory.edges {
        let breaks = edge.verdicts.first().is_some_and(|verdict| verdict.ends.contains(&"client"));
        if !breaks {
            continue;
        }
        let loss = losses.entry(edge.client).or_default();
        loss.services.insert(service(edge));
        loss.connections += edge.connections;
        // RFC 3339 in UTC: the order of the texts is that of the times.
        loss.last = std::mem::take(&mut loss.last).max(minute(edge.last_seen));
    }
    losses
}

/// A name that may stand in a list: those with commas in them could not be told apart.
fn in_a_list(name: &str) -> String {
    name.replace(", or ", " or ").replace(", ", " / ")
}

/// A service as people call it: by the name that was asked for, else by address.
fn service(edge: &Edge) -> String {
    let words = match (&edge.sni, edge.server.port) {
        (Some(name), 443) => named(name),
        (Some(name), port) => format!("{}:{port}", named(name)),
        (None, _) => address(&edge.server),
    };
    match edge.server.application.as_deref() {
        None | Some("http" | "http-connect" | "socks") => words,
        Some(application) => format!("{words} ({})", printable(application)),
    }
}

/// A server without a name.
pub(super) fn address(server: &ServerName) -> String {
    match &server.target {
        Some(target) => {
            let proxy = ServerName { target: None, ..server.clone() };
            format!("{} via {proxy}", named(target))
        }
        None => server.to_string(),
    }
}

/// The hosts that could not be judged, by the reason why.
fn unknown(page: &mut Page, inventory: &Inventory, verbose: bool) {
    let mut by_reason: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for client in inventory.clients.iter().filter(|client| is(client, Outcome::Unknown)) {
        let reason = stacks(client, Outcome::Unknown)
            .filter_map(|stack| stack.verdicts.first())
            .map(|verdict| printable(&verdict.evidence).into_owned())
            .min();
        let addresses = client.addresses.iter().map(ToString::to_string);
        by_reason.entry(reason.unwrap_or_default()).or_default().extend(addresses);
    }
    if by_reason.is_empty() {
        return;
    }
    page.heading("Clients that could not be judged");
    for (reason, addresses) in &by_reason {
        let limit = if verbose { usize::MAX } else { NAMED };
        page.item(Ink::Plain, &format!("{}: {reason}", listed(addresses, limit)));
    }
}

#[cfg(test)]
mod tests {
    use super::in_a_list;

    #[test]
    fn names_with_commas_are_told_apart() {
        assert_eq!(in_a_list("OpenSSL 0.9.8, 1.0.0"), "OpenSSL 0.9.8 / 1.0.0");
        assert_eq!(in_a_list("Java 6 or 7, or OpenSSL 0.9.8"), "Java 6 or 7 or OpenSSL 0.9.8");
    }
}
