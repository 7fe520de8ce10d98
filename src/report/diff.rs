//! [`Diff`]: two inventories compared, for the weekly meeting: what was fixed, what still breaks,
//! what is new, and what has gone silent.
//!
//! It speaks of the first policy. Silence is no fix: a host that was not seen again may be switched
//! off, or on holiday; and one that was seen but could not be judged is not fixed either. Nor is one
//! of which only what was able before was seen again.
//!
//! A host that changed its address is followed as within one inventory: by its MAC address, else by
//! a name that it gave itself, as long as one host alone has it on either side. A server is the same,
//! as within one inventory, where its protocol was seen on one side only.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::exceptions::{ExceptionLine, ExceptionStatus};
use super::inventory::{Client, Inventory, Server, ServerName};
use super::mended::{self, FollowedServers};
use super::summary::page::{Ink, Page};
use super::summary::{self, Style};
use super::text::{count, printable};
use crate::naming::NameSource;
use crate::packet::Address;
use crate::policy::Outcome;

/// Names in a list of a screenful.
const LISTED: usize = 20;

/// What became of things that break.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// They broke, and what broke was seen to be able.
    pub fixed: Vec<Change>,
    /// They broke and do still.
    pub still: Vec<Change>,
    /// They break, and did not, or had not been seen.
    pub new: Vec<Change>,
    /// They broke, and were not seen again.
    pub silent: Vec<Change>,
    /// They broke, and what was seen since does not prove that all of it is able.
    pub unproven: Vec<Change>,
}

/// A host or a server, and why it breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its address, with the port of a server.
    pub name: String,
    /// Its names and its owner, as far as they are known.
    pub known_as: Vec<String>,
    /// Why it breaks, or did.
    pub reasons: Vec<String>,
    /// Who agreed to leave it so.
    pub excepted: Option<String>,
}

/// Two inventories compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff {
    /// The policy.
    pub policy: String,
    /// Client hosts.
    pub clients: Changes,
    /// Servers of ours.
    pub servers: Changes,
    /// Findings of severity medium or worse that are new: who, and which.
    pub new_findings: Vec<(String, &'static str)>,
    /// Those of them that somebody agreed to.
    pub excepted_findings: Vec<(String, &'static str)>,
    /// What came of the exceptions in the later one.
    pub exceptions: Vec<ExceptionLine>,
}

impl Diff {
    /// Compare an earlier inventory with a later one.
    pub fn new(old: &Inventory, new: &Inventory) -> Self {
        let followed = followed(old, new);
        let known: BTreeSet<_> = findings(old, None).into_keys().collect();
        let fresh = |excepted: bool| {
            let new = findings(new, Some(&followed)).into_iter();
            new.filter(|(finding, (_, agreed))| !known.contains(finding) && *agreed == excepted)
                .map(|((.., id), (name, _))| (name, id))
                .collect()
        };
        let mended = mended::clients(old, new, &followed.clients);
        let mended_servers = mended::servers(old, new, &followed.servers);
        Self {
            policy: new.policies.first().map(|policy| policy.id.to_string()).unwrap_or_default(),
            clients: changes(
                &clients(old, None),
                &clients(new, Some(&followed)),
                |who| matches!(who, Who::Before(address) if mended.contains(address)),
            ),
            servers: changes(&servers(old, None), &servers(new, Some(&followed)), |name| {
                mended_servers.contains(&**name)
            }),
            new_findings: fresh(false),
            excepted_findings: fresh(true),
            exceptions: new.exceptions.clone(),
        }
    }

    /// Whether something breaks that did not before, and nobody agreed to it.
    pub fn has_new_breaks(&self) -> bool {
        let mut new = self.clients.new.iter().chain(&self.servers.new);
        new.any(|change| change.excepted.is_none())
    }

    /// In words.
    pub fn text(&self, style: Style) -> String {
        let mut page = Page::new(style);
        let Changes { fixed, still, new, silent, unproven } = &self.clients;
        let number = |list: &Vec<Change>| list.len() as u64;
        page.paragraph(
            if new.is_empty() { Ink::Bold } else { Ink::Bad },
            &format!(
                "Under {}: {} fixed, {} still, {} new, {} gone silent{}.",
                self.policy,
                count(number(fixed), "client host", "client hosts"),
                match number(still) {
                    0 => "none breaks".to_owned(),
                    1 => "1 breaks".to_owned(),
                    many => format!("{many} break"),
                },
                number(new),
                number(silent),
                match number(unproven) {
                    0 => String::new(),
                    some => format!(", {some} seen again but not proven to be fixed"),
                },
            ),
        );
        for (what, changes) in [("Clients", &self.clients), ("Servers of ours", &self.servers)] {
            for (heading, ink, list) in [
                ("new: they break and did not before", Ink::Bad, &changes.new),
                ("still breaking", Ink::Warn, &changes.still),
                ("fixed", Ink::Good, &changes.fixed),
                ("gone silent: not seen again, which is no proof", Ink::Dim, &changes.silent),
                ("seen again, but not proven to be fixed", Ink::Dim, &changes.unproven),
            ] {
                write(&mut page, &format!("{what}, {heading}"), ink, list, style.verbose);
            }
        }
        for (heading, list) in [
            ("New findings of severity medium or worse", &self.new_findings),
            ("New findings that are excepted", &self.excepted_findings),
        ] {
            if list.is_empty() {
                continue;
            }
            page.heading(heading);
            let mut by_id: BTreeMap<&str, Vec<String>> = BTreeMap::new();
            for (name, id) in list {
                by_id.entry(id).or_default().push(name.clone());
            }
            page.align(by_id.keys());
            for (id, names) in by_id {
                let limit = if style.verbose { usize::MAX } else { LISTED };
                page.entry((Ink::Plain, id), &[(Ink::Plain, super::text::listed(&names, limit))]);
            }
        }
        if self.exceptions.iter().any(|line| line.status != ExceptionStatus::Applied) {
            page.heading("Exceptions");
            summary::exceptions::lapsed(&mut page, &self.exceptions, style.verbose);
        }
        page.finish()
    }
}

fn write(page: &mut Page, heading: &str, ink: Ink, list: &[Change], verbose: bool) {
    if list.is_empty() {
        return;
    }
    page.heading(&format!("{heading} ({})", list.len()));
    let shown = if verbose { list.len() } else { LISTED };
    page.align(list.iter().take(shown).map(|change| &change.name));
    for change in list.iter().take(shown) {
        let mut parts = Vec::new();
        if !change.known_as.is_empty() {
            parts.push((Ink::Plain, printable(&change.known_as.join(", ")).into_owned()));
        }
        let reasons = change.reasons.iter();
        parts.extend(reasons.map(|reason| (Ink::Plain, printable(reason).into_owned())));
        parts.extend(change.excepted.iter().map(|one| (Ink::Dim, printable(one).into_owned())));
        page.entry((ink, &change.name), &parts);
    }
    if list.len() > shown {
        page.item(Ink::Dim, &format!("… and {} more (-v shows all)", list.len() - shown));
    }
}

/// Something that is judged, in the order of its key.
type Judged<K> = BTreeMap<K, (Outcome, Change)>;

/// A host of two inventories: by its address in the earlier one, else in the later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Before(Address),
    Later(Address),
}

/// What the hosts and servers of a later inventory are in the earlier one.
struct Followed {
    /// Hosts, by their addresses.
    clients: BTreeMap<Address, Address>,
    servers: FollowedServers,
}

fn followed(old: &Inventory, new: &Inventory) -> Followed {
    Followed { clients: followed_clients(old, new), servers: followed_servers(old, new) }
}

/// Whether a protocol was seen depends on the clients that came; where one server alone has an
/// address and port on either side, it is the same one.
fn followed_servers(old: &Inventory, new: &Inventory) -> FollowedServers {
    let (before, now) = (by_address(old), by_address(new));
    let pair =
        |(address, now): (_, &Vec<&Arc<ServerName>>)| match (&before.get(address)?[..], &now[..]) {
            ([before], [now]) if before.application.is_none() != now.application.is_none() => {
                Some((Arc::clone(now), Arc::clone(before)))
            }
            _ => None,
        };
    now.iter().filter_map(pair).collect()
}

/// An address, a port, and what a proxy was asked for.
type Place<'a> = (Address, u16, Option<&'a str>);

/// The servers of each place.
fn by_address(inventory: &Inventory) -> BTreeMap<Place<'_>, Vec<&Arc<ServerName>>> {
    let mut all: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for server in &inventory.servers {
        let ServerName { ip, port, target, .. } = &*server.name;
        all.entry((*ip, *port, target.as_deref())).or_default().push(&server.name);
    }
    all
}

/// Follow hosts by their MAC addresses, then by their addresses, then by their names; where MAC
/// addresses say that two are not the same host, nothing else says that they are.
fn followed_clients(old: &Inventory, new: &Inventory) -> BTreeMap<Address, Address> {
    let mut followed = BTreeMap::new();
    let mut taken: BTreeSet<Address> = BTreeSet::new();
    let proofs: [fn(&Client) -> Vec<String>; 3] = [macs, addresses, own_names];
    for proofs in proofs {
        let before = only(old.clients.iter().filter(|one| !taken.contains(&one.ip)), proofs);
        let now = only(new.clients.iter().filter(|one| !followed.contains_key(&one.ip)), proofs);
        for (proof, client) in now {
            let Some(other) = before.get(&proof) else { continue };
            let differ = other.mac.zip(client.mac).is_some_and(|(before, now)| before != now);
            if !differ && !followed.contains_key(&client.ip) && taken.insert(other.ip) {
                followed.insert(client.ip, other.ip);
            }
        }
    }
    followed
}

fn addresses(client: &Client) -> Vec<String> {
    client.addresses.iter().map(ToString::to_string).collect()
}

fn macs(client: &Client) -> Vec<String> {
    client.mac.iter().map(ToString::to_string).collect()
}

/// The names that a host gave itself.
fn own_names(client: &Client) -> Vec<String> {
    let is_own = |by: &&str| NameSource::from_name(by).is_some_and(NameSource::is_own);
    let own = client.named_by.iter().filter(|(_, by)| by.iter().any(is_own));
    own.map(|(name, _)| name.clone()).collect()
}

/// Hosts by what no other has.
fn only<'a>(
    clients: impl Iterator<Item = &'a Client>,
    proofs: fn(&Client) -> Vec<String>,
) -> BTreeMap<String, &'a Client> {
    let mut all: BTreeMap<String, Vec<&Client>> = BTreeMap::new();
    for client in clients {
        for proof in proofs(client) {
            all.entry(proof).or_default().push(client);
        }
    }
    let one = |(proof, clients): (String, Vec<&'a Client>)| match clients[..] {
        [client] => Some((proof, client)),
        _ => None,
    };
    all.into_iter().filter_map(one).collect()
}

/// Who a host of the later inventory is; without `followed` the inventory is the earlier one.
fn who(ip: Address, followed: Option<&Followed>) -> Who {
    match followed {
        None => Who::Before(ip),
        Some(followed) => {
            followed.clients.get(&ip).map_or(Who::Later(ip), |before| Who::Before(*before))
        }
    }
}

/// The name of a server in the earlier inventory, if it has another one there.
fn name_before(name: &Arc<ServerName>, followed: Option<&Followed>) -> Arc<ServerName> {
    Arc::clone(followed.and_then(|followed| followed.servers.get(name)).unwrap_or(name))
}

fn clients(inventory: &Inventory, followed: Option<&Followed>) -> Judged<Who> {
    let line = |client: &Client| {
        let verdict = client.verdicts.first()?;
        let outcome = verdict.outcome;
        let verdicts = client.stacks.iter().filter_map(|stack| stack.verdicts.first());
        let reasons: BTreeSet<String> = verdicts
            .filter(|verdict| verdict.outcome == outcome)
            .map(|verdict| verdict.evidence.to_string())
            .collect();
        let change = Change {
            name: client.ip.to_string(),
            known_as: client
                .elsewhere()
                .iter()
                .chain(&client.names)
                .chain(&client.owner)
                .cloned()
                .collect(),
            reasons: reasons.into_iter().collect(),
            excepted: verdict.excepted.as_ref().map(ToString::to_string),
        };
        Some((who(client.ip, followed), (outcome, change)))
    };
    inventory.clients.iter().filter_map(line).collect()
}

fn servers(inventory: &Inventory, followed: Option<&Followed>) -> Judged<Arc<ServerName>> {
    let line = |server: &Server| {
        let verdict = server.verdicts.first()?;
        let change = Change {
            name: printable(&server.name.to_string()).into_owned(),
            known_as: server.names.iter().chain(&server.owner).cloned().collect(),
            reasons: vec![verdict.evidence.clone()],
            excepted: verdict.excepted.as_ref().map(ToString::to_string),
        };
        Some((name_before(&server.name, followed), (verdict.outcome, change)))
    };
    inventory.servers.iter().filter(|server| server.internal).filter_map(line).collect()
}

/// What became of those that broke; `is_mended` says of which all that broke was seen to be able.
fn changes<K: Ord>(old: &Judged<K>, new: &Judged<K>, is_mended: impl Fn(&K) -> bool) -> Changes {
    let mut changes = Changes::default();
    for (key, (outcome, change)) in old {
        if *outcome != Outcome::Breaks {
            continue;
        }
        let Some((now, later)) = new.get(key) else {
            changes.silent.push(change.clone());
            continue;
        };
        let moved = |one: &Change, words: &str, other: &Change| {
            let mut one = one.clone();
            if one.name != other.name {
                one.known_as.push(format!("{words} {}", other.name));
            }
            one
        };
        match now {
            // The list of the new ones is for what did not break before.
            Outcome::Breaks => changes.still.push(moved(later, "was", change)),
            Outcome::Ready if is_mended(key) => changes.fixed.push(moved(change, "now", later)),
            Outcome::Ready | Outcome::AtRisk | Outcome::Unknown => {
                changes.unproven.push(moved(change, "now", later));
            }
        }
    }
    for (key, (outcome, change)) in new {
        let broke = old.get(key).is_some_and(|(outcome, _)| *outcome == Outcome::Breaks);
        if *outcome == Outcome::Breaks && !broke {
            changes.new.push(change.clone());
        }
    }
    changes
}

/// Whose a finding is, a client's or a server's, and its id.
type Whose = (Option<Who>, Option<Arc<ServerName>>, &'static str);

/// Every finding of severity medium or worse: whose it is, by name, and whether all that the host has
/// of it is excepted.
fn findings(inventory: &Inventory, followed: Option<&Followed>) -> BTreeMap<Whose, (String, bool)> {
    let of_clients = inventory.clients.iter().flat_map(|client| {
        let findings = client.stacks.iter().flat_map(|stack| &stack.findings);
        let who = who(client.ip, followed);
        findings.map(move |finding| (Some(who), None, client.ip.to_string(), finding))
    });
    let of_servers = inventory.servers.iter().flat_map(|server| {
        let name = printable(&server.name.to_string()).into_owned();
        let findings = server.findings.iter();
        let before = name_before(&server.name, followed);
        findings.map(move |finding| (None, Some(before.clone()), name.clone(), finding))
    });
    let first = inventory.policies.first().map(|policy| &policy.id);
    let mut all = BTreeMap::new();
    for (client, server, name, finding) in of_clients.chain(of_servers) {
        if finding.is_serious() && finding.is_under(first) {
            let entry = all.entry((client, server, finding.id)).or_insert((name, true));
            entry.1 &= finding.excepted.is_some();
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::census::sample::{Sample, legacy, modern, offer, wrong_suites};
    use crate::packet::Mac;
    use crate::record::FlowRecord;
    use crate::report::inventory::Finding;
    use crate::report::sample::{judge, snapshot};
    use crate::tls::codepoint::ProtocolVersion;

    /// One host in each inventory, at this address, with this MAC address and this name.
    fn alone(
        address: u8,
        old: bool,
        mac: Option<u8>,
        name: Option<(&str, &'static str)>,
    ) -> Inventory {
        let offer = if old { legacy() } else { modern() };
        let mac = mac.map(|last| Mac([2, 0, 0, 0, 0, last]));
        let record = Sample::new(address, 7).offers(&offer);
        let record = record.with(|record| record.client.mac = mac).0;
        let mut inventory = judge(&snapshot(&[record]), &["dataverse"], &[]);
        if let Some((name, by)) = name {
            let client = &mut inventory.clients[0];
            client.names = vec![name.to_owned()];
            client.named_by = [(name.to_owned(), [by].into())].into();
        }
        inventory
    }

    #[test]
    fn a_host_that_changed_its_address_is_followed() {
        type Seen = (u8, Option<u8>, Option<(&'static str, &'static str)>);
        let mdns = |name| Some((name, "mdns"));
        let cases: [(Seen, Seen, bool); 9] = [
            // By its MAC address; not if that is another one, whatever its address and its name.
            ((9, Some(1), None), (5, Some(1), None), true),
            ((9, Some(1), None), (5, Some(2), None), false),
            ((9, Some(1), mdns("till")), (5, Some(2), mdns("till")), false),
            ((9, Some(1), None), (9, Some(2), None), false),
            // By a name that it gave itself, not by one that others gave it.
            ((9, None, mdns("till")), (5, None, mdns("till")), true),
            ((9, Some(1), mdns("till")), (5, None, mdns("till")), true),
            ((9, None, Some(("till", "dns"))), (5, None, Some(("till", "dns"))), false),
            ((9, None, Some(("till", "file"))), (5, None, Some(("till", "file"))), false),
            // By its address, behind a router too.
            ((9, Some(1), mdns("till")), (9, None, None), true),
        ];
        for ((was, mac, name), (is, later_mac, later_name), same) in cases {
            let before = alone(was, true, mac, name);
            let text = format!("{was} {mac:?} {name:?}, {is} {later_mac:?} {later_name:?}");
            let still = Diff::new(&before, &alone(is, true, later_mac, later_name));
            assert_eq!(still.clients.still.len(), usize::from(same), "{text}");
            assert_eq!(still.has_new_breaks(), !same, "{text}");
            assert_eq!(still.new_findings.is_empty(), same, "{text}");
            let fixed = Diff::new(&before, &alone(is, false, later_mac, later_name));
            assert_eq!(
                (fixed.clients.fixed.len(), fixed.clients.silent.len()),
                if same { (1, 0) } else { (0, 1) },
                "{text}"
            );
            if same && was != is {
                assert!(
                    still.clients.still[0].known_as.contains(&format!("was 10.0.0.{was}")),
                    "{text}"
                );
                assert!(
                    fixed.clients.fixed[0].known_as.contains(&format!("now 10.0.0.{is}")),
                    "{text}"
                );
            }
        }
    }

    #[test]
    fn a_server_whose_protocol_was_seen_once_only_is_the_same() {
        let both = Arc::new(offer(ProtocolVersion::TLS1_2, &[0xc02f, 0xc013, 0x002f]));
        let seen = |applications: &[Option<&'static str>], version, suite| {
            let record = |application: Option<&'static str>| {
                let ours = |record: &mut FlowRecord| {
                    record.server.ip = Address::v4([10, 9, 0, 1]);
                    record.application = application;
                };
                Sample::new(1, 1).offers(&both).with(ours).chooses(version, suite).0
            };
            let records: Vec<_> = applications.iter().copied().map(record).collect();
            judge(&snapshot(&records), &["dataverse"], &[])
        };
        let bad = |applications: &[_]| seen(applications, ProtocolVersion::TLS1_0, 0x002f);
        let good = |applications: &[_]| seen(applications, ProtocolVersion::TLS1_2, 0xc02f);
        let (http, imap) = (Some("http"), Some("imap"));
        for (before, later) in [(None, http), (http, None), (http, http), (None, None)] {
            let still = Diff::new(&bad(&[before]), &bad(&[later]));
            assert_eq!(still.servers.still.len(), 1, "{before:?} {later:?}: {still:?}");
            assert!(!still.has_new_breaks() && still.new_findings.is_empty(), "{still:?}");
            let fixed = Diff::new(&bad(&[before]), &good(&[later]));
            assert_eq!(fixed.servers.fixed.len(), 1, "{before:?} {later:?}: {fixed:?}");
        }
        // Another protocol is another service, and of two nobody knows which it was.
        for (before, later, new) in [(imap, &[http][..], 1), (None, &[http, imap][..], 2)] {
            let diff = Diff::new(&bad(&[before]), &bad(later));
            assert_eq!((diff.servers.silent.len(), diff.servers.new.len()), (1, new), "{later:?}");
        }
    }

    #[test]
    fn fixed_still_new_silent() {
        let seen = |hosts: &[(u8, bool)]| {
            let record = |(host, old): &(u8, bool)| {
                Sample::new(*host, 7).offers(&if *old { legacy() } else { modern() }).0
            };
            let mut records: Vec<_> = hosts.iter().map(record).collect();
            // One that breaks for another reason before and after.
            records.push(Sample::new(9, 7).offers(&wrong_suites()).0);
            judge(&snapshot(&records), &["dataverse"], &[])
        };
        let old = seen(&[(1, true), (2, true), (3, true), (4, false)]);
        let mut new = seen(&[(1, false), (2, true), (4, true), (5, true), (6, false)]);
        let stack = new.clients.iter_mut().find_map(|client| {
            (client.ip == Address::v4([10, 0, 0, 4])).then(|| &mut client.stacks[0].findings)
        });
        stack.unwrap().push(Finding {
            id: "offer.max_version",
            severity: "high",
            concerns: "client",
            policies: Arc::new([]),
            text: "".into(),
            remediation: None,
            connections: 1,
            excepted: None,
        });
        let diff = Diff::new(&old, &new);
        let names = |list: &[Change]| -> Vec<String> {
            list.iter().map(|change| change.name.clone()).collect()
        };
        assert_eq!(names(&diff.clients.fixed), ["10.0.0.1"]);
        assert_eq!(names(&diff.clients.still), ["10.0.0.2", "10.0.0.9"]);
        assert_eq!(names(&diff.clients.new), ["10.0.0.4", "10.0.0.5"]);
        assert_eq!(names(&diff.clients.silent), ["10.0.0.3"]);
        assert!(diff.has_new_breaks());
        assert!(diff.new_findings.contains(&("10.0.0.4".to_owned(), "offer.max_version")));
        let style = Style { width: 80, colour: false, verbose: false };
        insta::assert_snapshot!(diff.text(style));
        let same = Diff::new(&new, &new);
        assert!(!same.has_new_breaks() && same.new_findings.is_empty());
    }
}
