//! [`Peers`]: who talks to whom, looked up from either end.

use crate::packet::Address;
use crate::report::inventory::{Client, Edge, Inventory, Server, Stack};

/// The edges of an inventory in the order of their servers; in that of their clients they stand there.
///
/// It holds places and no edges, so that it can be kept beside the inventory that it is of.
#[derive(Debug)]
pub struct Peers {
    by_client: Vec<usize>,
    by_server: Vec<usize>,
}

impl Peers {
    /// Those of an inventory.
    pub fn of(inventory: &Inventory) -> Self {
        let edges = &inventory.edges;
        let mut by_client: Vec<usize> = (0..edges.len()).collect();
        let mut by_server = by_client.clone();
        by_client.sort_by_key(|at| edges.get(*at).map(|edge| edge.client));
        by_server.sort_by_key(|at| edges.get(*at).map(|edge| (&edge.server, edge.client)));
        Self { by_client, by_server }
    }

    /// The edges of a stack; of a host with several addresses they may stand under each.
    pub(super) fn of_stack<'a>(
        &'a self,
        edges: &'a [Edge],
        client: &'a Client,
        stack: &'a Stack,
    ) -> impl Iterator<Item = &'a Edge> {
        client.addresses.iter().flat_map(move |address| {
            let own = run(&self.by_client, edges, move |edge| edge.client.cmp(address));
            own.filter(move |edge| edge.is_of(stack))
        })
    }

    /// The clients of a server, each once.
    pub(super) fn of_server(&self, edges: &[Edge], server: &Server) -> Vec<Address> {
        let own = run(&self.by_server, edges, |edge| edge.server.cmp(&server.name));
        let mut clients: Vec<_> = own.map(|edge| edge.client).collect();
        clients.dedup();
        clients
    }
}

/// The edges that are equal to what is looked for, of places that are sorted by it.
fn run<'a>(
    places: &'a [usize],
    edges: &'a [Edge],
    order: impl Fn(&Edge) -> std::cmp::Ordering + 'a,
) -> impl Iterator<Item = &'a Edge> {
    let begin = places.partition_point(|at| edges.get(*at).is_some_and(|edge| order(edge).is_lt()));
    let rest = places.get(begin..).unwrap_or_default().iter();
    rest.filter_map(|at| edges.get(*at)).take_while(move |edge| order(edge).is_eq())
}
