//! Who talks to whom where enforcement ends it: the busiest hosts and servers, the rest counted.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};

use super::{Picture, WIDTH, amount, fitted, label, table, unit};
use crate::packet::Address;
use crate::report::html::rows;
use crate::report::inventory::{Edge, Inventory, ServerName};
use crate::report::text::{count, grouped};

/// Hosts and servers that are drawn on each side.
const SIDE: usize = 9;
/// How wide the names on each side are.
const NAMES: f64 = 126.0;
/// How high a name is at least, and what lies between two.
const LEAST: f64 = 15.0;
const GAP: f64 = 6.0;
/// Rows of the table.
const TABLE: usize = 50;

/// A host or a server that is drawn.
struct Node {
    name: String,
    /// It cannot do what the policy asks.
    fails: bool,
    y: f64,
    height: f64,
    /// Where the next band begins.
    next: f64,
}

/// What joins two of them.
struct Band {
    from: usize,
    to: usize,
    connections: u64,
    /// It ends because of the client, the server, or both.
    ends: BTreeSet<&'static str>,
}

pub(super) fn figure(inventory: &Inventory) -> Markup {
    let broken: Vec<&Edge> = inventory
        .edges
        .iter()
        .filter(|edge| edge.verdicts.first().is_some_and(|one| one.outcome == "breaks"))
        .collect();
    let clients: BTreeSet<_> = broken.iter().map(|edge| edge.client).collect();
    let servers: BTreeSet<_> = broken.iter().map(|edge| &edge.server).collect();
    let connections = broken.iter().map(|edge| edge.connections).sum();
    let says = if broken.is_empty() {
        "No connection that was seen stops working.".to_owned()
    } else {
        format!(
            "{} of {} to {} stop working.",
            count(connections, "connection", "connections"),
            count(clients.len() as u64, "client host", "client hosts"),
            count(servers.len() as u64, "server", "servers"),
        )
    };
    let mut worst = broken.clone();
    worst.sort_by_key(|edge| (Reverse(edge.connections), edge.client, &edge.server));
    let cells: Vec<_> = worst
        .iter()
        .take(TABLE)
        .map(|edge| {
            let ends = edge.verdicts.first().map(|one| one.ends.join(" and ")).unwrap_or_default();
            vec![
                edge.client.to_string(),
                server_name(edge),
                rows::server(&edge.server),
                grouped(edge.connections),
                ends,
            ]
        })
        .collect();
    let title = "What stops working, and for whom";
    let header = ["Client", "asks for", "server", "connections", "because of the"];
    Picture {
        id: "peers",
        title,
        says,
        drawing: (!broken.is_empty()).then(|| draw(&broken, inventory)),
        table: table(title, &header, &cells),
    }
    .figure()
}

fn server_name(edge: &Edge) -> String {
    edge.sni.as_deref().map_or_else(String::new, |sni| fitted(sni, 1.0, 64.0).into_owned())
}

/// The busiest ones, and their places; all others share the place behind them.
fn busiest<K: Ord + Copy>(edges: &[&Edge], of: impl Fn(&Edge) -> K) -> (Vec<K>, usize) {
    let mut sums: BTreeMap<K, u64> = BTreeMap::new();
    for edge in edges {
        *sums.entry(of(edge)).or_default() += edge.connections;
    }
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_by_key(|(key, sum)| (Reverse(*sum), *key));
    // One more takes no more room than "1 other" does.
    let shown = if sums.len() > SIDE + 1 { SIDE } else { sums.len() };
    (sums.iter().take(shown).map(|(key, _)| *key).collect(), sums.len() - shown)
}

fn draw(edges: &[&Edge], inventory: &Inventory) -> (f64, Markup) {
    let (clients, more_clients) = busiest(edges, |edge| edge.client);
    // Servers are told apart by address and protocol, and drawn by the name most asked for.
    let mut by_server: BTreeMap<&ServerName, usize> = BTreeMap::new();
    for edge in edges {
        let next = by_server.len();
        by_server.entry(&edge.server).or_insert(next);
    }
    let server_of = |edge: &Edge| by_server.get(&*edge.server).copied().unwrap_or_default();
    let (servers, more_servers) = busiest(edges, server_of);
    let mut bands: BTreeMap<(usize, usize), Band> = BTreeMap::new();
    let mut names: BTreeMap<usize, BTreeMap<String, u64>> = BTreeMap::new();
    let mut fails = (BTreeSet::new(), BTreeSet::new());
    for edge in edges {
        let from = place(&clients, edge.client);
        let to = place(&servers, server_of(edge));
        let band = bands.entry((from, to)).or_insert_with(|| Band {
            from,
            to,
            connections: 0,
            ends: BTreeSet::new(),
        });
        band.connections += edge.connections;
        let name = edge.sni.as_deref().map_or_else(|| rows::server(&edge.server), str::to_owned);
        *names.entry(to).or_default().entry(name).or_default() += edge.connections;
        for end in edge.verdicts.first().map_or(&[][..], |one| &one.ends) {
            band.ends.insert(end);
            if *end == "client" {
                fails.0.insert(from)
            } else {
                fails.1.insert(to)
            };
        }
    }
    let mut left_names: Vec<String> = clients.iter().map(|ip| host_name(*ip, inventory)).collect();
    left_names.extend(others(more_clients, "other hosts"));
    let mut right_names: Vec<String> =
        (0..servers.len()).map(|at| most_asked(names.get(&at))).collect();
    right_names.extend(others(more_servers, "other servers"));
    let mut left = nodes(&bands, |band| band.from, left_names, &fails.0);
    let mut right = nodes(&bands, |band| band.to, right_names, &fails.1);
    let height = [&left, &right]
        .iter()
        .filter_map(|side| side.last())
        .map(|node| node.y + node.height)
        .fold(0.0, f64::max);
    let bands: Vec<Markup> = bands
        .values()
        .map(|band| {
            let wide = thick(band.connections);
            let (from, to) = (start(&mut left, band.from, wide), start(&mut right, band.to, wide));
            ribbon(band, from, to, wide)
        })
        .collect();
    let body = html! {
        text.faint x=(unit(NAMES)) y="11" font-size="11" text-anchor="end" { "client hosts" }
        text.faint x=(unit(WIDTH - NAMES)) y="11" font-size="11" { "servers" }
        @for band in &bands { (band) }
        @for node in &left { (draw_node(node, true)) }
        @for node in &right { (draw_node(node, false)) }
        g transform={ "translate(0 " (unit(height + 12.0)) ")" } {
            (mark(6.0, 5.0))
            text x="16" y="9.5" font-size="12" { "the end that cannot do what is asked" }
        }
    };
    (height + 28.0, body)
}

/// How wide a band of so many connections is.
fn thick(connections: u64) -> f64 {
    2.0 + 2.4 * (1.0 + amount(connections)).ln()
}

fn others(number: usize, what: &str) -> Option<String> {
    (number > 0).then(|| format!("{} {what}", grouped(number as u64)))
}

fn most_asked(names: Option<&BTreeMap<String, u64>>) -> String {
    let most =
        names.and_then(|names| names.iter().max_by_key(|(name, sum)| (**sum, Reverse(*name))));
    most.map_or_else(String::new, |(name, _)| name.clone())
}

/// The hosts of one side, one below the other, each as high as its bands need.
fn nodes(
    bands: &BTreeMap<(usize, usize), Band>,
    of: fn(&Band) -> usize,
    names: Vec<String>,
    fails: &BTreeSet<usize>,
) -> Vec<Node> {
    let mut y = 20.0;
    let nodes = names.into_iter().enumerate().map(|(at, name)| {
        let own = bands.values().filter(|band| of(band) == at);
        let sum: f64 = own.map(|band| thick(band.connections)).sum();
        let height = sum.max(LEAST);
        let next = y + (height - sum) / 2.0;
        let node = Node { name, fails: fails.contains(&at), y, height, next };
        y += height + GAP;
        node
    });
    nodes.collect()
}

fn place<K: PartialEq + Copy>(shown: &[K], key: K) -> usize {
    shown.iter().position(|one| *one == key).unwrap_or(shown.len())
}

/// Where a band begins at a node, which moves on.
fn start(nodes: &mut [Node], at: usize, wide: f64) -> f64 {
    let Some(node) = nodes.get_mut(at) else { return 0.0 };
    let y = node.next + wide / 2.0;
    node.next += wide;
    y
}

fn host_name(ip: Address, inventory: &Inventory) -> String {
    let at = inventory.clients.binary_search_by_key(&ip, |client| client.ip);
    let client = at.ok().and_then(|at| inventory.clients.get(at));
    client.and_then(|client| client.names.first()).map_or_else(|| ip.to_string(), Clone::clone)
}

fn ribbon(band: &Band, from: f64, to: f64, wide: f64) -> Markup {
    let (x, end) = (NAMES + 8.0, WIDTH - NAMES - 8.0);
    let middle = f64::midpoint(x, end);
    let ends = band.ends.iter().copied().collect::<Vec<_>>().join(" and ");
    let class = if band.ends.contains("client") { "by-client" } else { "by-server" };
    html! {
        path.band.(class) stroke-width=(unit(wide))
            d={ "M" (unit(x)) " " (unit(from)) "C" (unit(middle)) " " (unit(from)) " " (unit(middle)) " " (unit(to)) " " (unit(end)) " " (unit(to)) } {
            title { (count(band.connections, "connection", "connections")) ", because of the " (ends) }
        }
    }
}

fn draw_node(node: &Node, is_client: bool) -> Markup {
    let middle = node.y + node.height / 2.0;
    let (x, text, anchor) = if is_client {
        (NAMES + 2.0, NAMES - 4.0, "end")
    } else {
        (WIDTH - NAMES - 8.0, WIDTH - NAMES + 4.0, "start")
    };
    let shift = if node.fails { 12.0 } else { 0.0 };
    let at = if is_client { text - shift } else { text + shift };
    html! {
        rect.node x=(unit(x)) y=(unit(node.y)) width="6" height=(unit(node.height)) rx="1.5" {}
        @if node.fails { (mark(if is_client { text - 4.0 } else { text + 4.0 }, middle)) }
        (label(at, middle + 4.0, &node.name, 11.5, NAMES - 6.0 - shift, anchor))
    }
}

/// The sign of an end that fails.
fn mark(x: f64, y: f64) -> Markup {
    html! {
        path.cross d={ "M" (unit(x - 3.2)) " " (unit(y - 3.2)) "l6.4 6.4m0 -6.4l-6.4 6.4" } {}
    }
}
