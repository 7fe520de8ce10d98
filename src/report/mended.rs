//! Whether what broke in an earlier inventory was seen to be able in a later one.
//!
//! That a host or a server is ready later on proves nothing of what broke: that may merely not have
//! been seen again. So each service that a broken stack of a host used must have been reached by one
//! that is able and was not there before, and each name under which a server broke must have been
//! seen to be served well. In doubt nothing is mended.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::inventory::{Edge, Inventory, Server, ServerName};
use crate::packet::Address;
use crate::policy::Outcome;
use crate::record;
use crate::tls::Transport;

/// Servers that have another name in the earlier inventory, and that name.
pub(super) type FollowedServers = BTreeMap<Arc<ServerName>, Arc<ServerName>>;

/// What a stack reached, and over what.
type Use<'a> = (Transport, Service<'a>);

/// A service, as a client knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Service<'a> {
    /// A name and a port, at whatever address.
    Name(&'a str, u16),
    /// Address, port, and what a proxy was asked for, by whatever name.
    Address(Address, u16, Option<&'a str>),
}

impl<'a> Service<'a> {
    fn by_address(edge: &'a Edge) -> Self {
        let ServerName { ip, port, target, .. } = &*edge.server;
        Self::Address(*ip, *port, target.as_deref())
    }

    fn by_name(edge: &'a Edge) -> Option<Self> {
        Some(Self::Name(edge.sni.as_deref()?, edge.server.port))
    }
}

/// A host that broke.
#[derive(Default)]
struct Host<'a> {
    /// What its broken stacks used.
    needs: BTreeSet<Use<'a>>,
    /// What its other stacks used at that time, and their JA4.
    others: BTreeSet<(Use<'a>, Option<&'a str>)>,
    /// What its able stacks use now, likewise.
    able: BTreeSet<(Use<'a>, Option<&'a str>)>,
}

impl Host<'_> {
    fn is_mended(&self) -> bool {
        let replaced: BTreeSet<_> =
            self.able.difference(&self.others).map(|(used, _)| *used).collect();
        !self.needs.is_empty() && self.needs.is_subset(&replaced)
    }
}

/// The client hosts that broke under the first policy and no more, by their addresses in the earlier
/// inventory; `followed` says which address a later one stands for.
pub(super) fn clients(
    old: &Inventory,
    new: &Inventory,
    followed: &BTreeMap<Address, Address>,
) -> BTreeSet<Address> {
    let broke = old.clients.iter().filter(|client| {
        // Of a stack whose edges found no room nothing is known that could be proven.
        client.verdicts.first().is_some_and(|verdict| verdict.outcome == Outcome::Breaks)
            && client.stacks.iter().all(|stack| !stack.servers.is_empty())
    });
    let mut hosts: BTreeMap<_, _> = broke.map(|client| (client.ip, Host::default())).collect();
    let stacks = outcomes(old);
    for edge in &old.edges {
        let Some(host) = hosts.get_mut(&edge.client) else { continue };
        if stacks.get(&stack(edge)) == Some(&Outcome::Breaks) {
            let service = Service::by_name(edge).unwrap_or_else(|| Service::by_address(edge));
            host.needs.insert((edge.transport, service));
        } else {
            host.others.extend(uses(edge));
        }
    }
    let stacks = outcomes(new);
    for edge in &new.edges {
        let before = followed.get(&edge.client);
        let Some(host) = before.and_then(|before| hosts.get_mut(before)) else { continue };
        let established = edge.outcomes.contains_key(record::Outcome::Established.name());
        if established && stacks.get(&stack(edge)) == Some(&Outcome::Ready) {
            host.able.extend(uses(edge));
        }
    }
    hosts.into_iter().filter(|(_, host)| host.is_mended()).map(|(address, _)| address).collect()
}

/// What a stack used, in every way in which it may have been needed, with its JA4.
fn uses(edge: &Edge) -> impl Iterator<Item = (Use<'_>, Option<&str>)> {
    let services = [Some(Service::by_address(edge)), Service::by_name(edge)].into_iter().flatten();
    services.map(|service| ((edge.transport, service), edge.ja4.as_deref()))
}

/// A stack of a host, as edges name it.
type StackName<'a> = (Address, Transport, Option<&'a str>);

fn stack(edge: &Edge) -> StackName<'_> {
    (edge.client, edge.transport, edge.ja4.as_deref())
}

/// What becomes of the stacks under the first policy; where several have one name, of the worst.
fn outcomes(inventory: &Inventory) -> BTreeMap<StackName<'_>, Outcome> {
    let mut outcomes = BTreeMap::new();
    for client in &inventory.clients {
        for stack in &client.stacks {
            let Some(verdict) = stack.verdicts.first() else { continue };
            let name = (client.ip, stack.transport, stack.ja4.as_deref());
            let worst = outcomes.entry(name).or_insert(verdict.outcome);
            *worst = verdict.outcome.max(*worst);
        }
    }
    outcomes
}

/// The servers that broke under the first policy and no more, by their names in the earlier inventory;
/// `followed` has those of the later one that had another name.
pub(super) fn servers<'a>(
    old: &'a Inventory,
    new: &'a Inventory,
    followed: &'a FollowedServers,
) -> BTreeSet<&'a ServerName> {
    let able: BTreeMap<&ServerName, BTreeSet<Option<&str>>> = new
        .servers
        .iter()
        .filter_map(|server| {
            let verdict = server.verdicts.first()?;
            let ready = verdict.outcome == Outcome::Ready;
            let name = followed.get(&server.name).unwrap_or(&server.name);
            ready.then(|| (&**name, names(server, &verdict.ready)))
        })
        .collect();
    let mended = old.servers.iter().filter(|server| {
        let broke = server.verdicts.first().filter(|verdict| verdict.outcome == Outcome::Breaks);
        let able = able.get(&*server.name);
        broke.zip(able).is_some_and(|(broke, able)| names(server, &broke.snis).is_subset(able))
    });
    mended.map(|server| &*server.name).collect()
}

/// The names of a verdict, which lists none for a server that has but one.
fn names<'a>(server: &'a Server, listed: &'a [Option<String>]) -> BTreeSet<Option<&'a str>> {
    if listed.is_empty() {
        return [server.snis.first().map(|sni| &**sni)].into();
    }
    listed.iter().map(Option::as_deref).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::census::sample::{Sample, legacy, modern, offer};
    use crate::packet::Address;
    use crate::record::FlowRecord;
    use crate::report::diff::{Changes, Diff};
    use crate::report::inventory::Inventory;
    use crate::report::sample::{judge, snapshot};
    use crate::tls::codepoint::{AlertDescription, ProtocolVersion as V};

    fn inventory(records: &[FlowRecord]) -> Inventory {
        judge(&snapshot(records), &["dataverse"], &[])
    }

    /// Fixed, and not proven to be; nothing else may come of what broke.
    fn came_of(changes: &Changes) -> (usize, usize) {
        assert!(changes.still.is_empty() && changes.silent.is_empty(), "{changes:?}");
        (changes.fixed.len(), changes.unproven.len())
    }

    #[test]
    fn a_host_is_fixed_only_where_what_broke_was_seen_to_be_able() {
        let old = |name: &str| Sample::new(1, 7).offers(&legacy()).asks_for(name).0;
        let new = |name: &str| Sample::new(1, 7).offers(&modern()).asks_for(name);
        let (a, b) = ("a.example", "b.example");
        let moved = Sample::new(1, 8).offers(&modern()).asks_for(a).0;
        let nameless = Sample::new(1, 7).offers(&legacy()).0;
        let refused = new(a).refused(AlertDescription::HANDSHAKE_FAILURE).0;
        let cases = [
            ("replaced", vec![old(a)], vec![new(a).0], true),
            ("all of it", vec![old(a), old(b)], vec![new(a).0, new(b).0], true),
            ("the service moved", vec![old(a)], vec![moved], true),
            ("it gives names now", vec![nameless], vec![new(a).0], true),
            (
                "able before, the other was not seen again",
                vec![old(a), new(a).0],
                vec![new(a).0],
                false,
            ),
            ("able elsewhere", vec![old(a)], vec![new(b).0], false),
            ("one of two services", vec![old(a), old(b)], vec![new(a).0], false),
            ("refused", vec![old(a)], vec![refused], false),
        ];
        for (what, before, later, fixed) in cases {
            let diff = Diff::new(&inventory(&before), &inventory(&later));
            let expected = if fixed { (1, 0) } else { (0, 1) };
            assert_eq!(came_of(&diff.clients), expected, "{what}");
        }
    }

    #[test]
    fn a_server_is_fixed_only_where_each_name_that_broke_was_seen_to_be_able() {
        let both = Arc::new(offer(V::TLS1_2, &[0xc02f, 0xc013, 0x002f]));
        let ask = |name: &str| {
            let ours = |record: &mut FlowRecord| record.server.ip = Address::v4([10, 9, 0, 1]);
            Sample::new(1, 1).offers(&both).asks_for(name).with(ours)
        };
        let bad = |name: &str| ask(name).chooses(V::TLS1_0, 0x002f).0;
        let good = |name: &str| ask(name).chooses(V::TLS1_2, 0xc02f).0;
        let silent = |name: &str| ask(name).0;
        let (a, b) = ("a.example", "b.example");
        let cases = [
            ("its only name", vec![bad(a)], vec![good(a)], true),
            ("both names", vec![bad(a), bad(b)], vec![good(a), good(b)], true),
            ("the one that broke", vec![bad(a), good(b)], vec![good(a)], true),
            ("only the other was seen", vec![bad(a), good(b)], vec![good(b)], false),
            ("another name", vec![bad(a)], vec![good(b)], false),
            ("nothing proven of it", vec![bad(a)], vec![silent(a), good(b)], false),
        ];
        for (what, before, later, fixed) in cases {
            let diff = Diff::new(&inventory(&before), &inventory(&later));
            let expected = if fixed { (1, 0) } else { (0, 1) };
            assert_eq!(came_of(&diff.servers), expected, "{what}");
        }
    }

    #[test]
    fn what_is_not_proven_to_be_fixed_is_not_said_to_break_still() {
        let old = Sample::new(1, 7).offers(&legacy()).asks_for("a.example").0;
        let new = Sample::new(1, 7).offers(&modern()).asks_for("b.example").0;
        let unproven = Diff {
            policy: "dataverse".to_owned(),
            clients: Changes {
                unproven: Diff::new(
                    &inventory(std::slice::from_ref(&old)),
                    &inventory(&[old, new]),
                )
                .clients
                .still,
                ..Changes::default()
            },
            ..Diff::default()
        };
        let text = unproven.text(crate::report::summary::Style {
            width: 200,
            colour: false,
            verbose: false,
        });
        assert_eq!(
            text.split("\n\n").next().unwrap().replace('\n', " "),
            "Under dataverse: 0 client hosts fixed, none breaks still, 0 new, 0 gone silent, 1 seen \
             again but not proven to be fixed."
        );
    }
}
