//! [`Facts`]: a snapshot laid out for judgement: what is in scope, by client and by server, and what
//! follows of it without a policy.

use std::collections::{HashMap, HashSet};
use std::mem;
use std::ops::Range;
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::census::{self, EdgeKey, Host, ServerKey, Snapshot, StackKey};
use crate::packet::{Address, Mac};
use crate::policy::Policy;
use crate::recognise::{Candidate, recognise};
use crate::record::Case;
use crate::tls::Transport;
use crate::tls::codepoint::ProtocolVersion;
use crate::tls::hello::{Offer, OfferId};

use super::chains::Chains;
use super::identity::{Identity, NamedBy};
use super::{Question, ServerName};

/// The facts at hand: the snapshot, what is asked of it, and what follows without a policy.
pub(super) struct Facts<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) question: &'a Question<'a>,
    /// The policies asked for, and behind them the successor of the first.
    pub(super) policies: Vec<&'a Policy>,
    pub(super) chains: Chains<'a>,
    /// Every stack that is listed, in the order of the snapshot.
    pub(super) stacks: Vec<StackFacts<'a>>,
    /// Every edge in scope, likewise.
    pub(super) edges: Vec<EdgeFacts<'a>>,
    /// Every server that is listed, in order.
    pub(super) servers: Vec<ServerFacts<'a>>,
    /// Servers that were counted, listed or not.
    pub(super) all_servers: usize,
    /// Which addresses are one host.
    pub(super) identity: &'a Identity,
    offers: HashMap<OfferId, OfferFacts<'a>, RandomState>,
    siblings: Siblings<'a>,
}

/// A stack that talks to a server in scope.
pub(super) struct StackFacts<'a> {
    pub(super) client: Address,
    pub(super) host: &'a Host,
    pub(super) key: StackKey,
    pub(super) stack: &'a census::Stack,
    /// The places of its edges.
    pub(super) edges: Range<usize>,
}

/// An edge and where it hangs.
#[derive(Clone, Copy)]
pub(super) struct EdgeFacts<'a> {
    /// The place of its stack.
    pub(super) stack: usize,
    /// That of its server, by the protocol that is known of it.
    pub(super) server: usize,
    pub(super) client: Address,
    pub(super) transport: Transport,
    pub(super) key: &'a EdgeKey,
    pub(super) edge: &'a census::Edge,
}

/// A server, and who talks to it.
pub(super) struct ServerFacts<'a> {
    pub(super) key: &'a ServerKey,
    pub(super) name: Arc<ServerName>,
    /// The places of its edges.
    pub(super) edges: Vec<usize>,
    /// What was counted of it: under its protocol, and where that was not seen.
    pub(super) counted: Vec<&'a census::Server>,
}

/// An offer, in the words that thousands of lines share.
pub(super) struct OfferFacts<'a> {
    pub(super) offer: &'a Arc<Offer>,
    pub(super) ja4: Arc<str>,
    pub(super) ja3: Arc<str>,
    pub(super) max_version: Option<ProtocolVersion>,
    /// Whose software it may be; none where nobody in scope offers it.
    pub(super) software: Arc<[Candidate]>,
}

impl<'a> Facts<'a> {
    pub(super) fn new(
        snapshot: &'a Snapshot,
        question: &'a Question<'a>,
        policies: Vec<&'a Policy>,
        identity: &'a Identity,
    ) -> Self {
        let mut servers = Servers::of(snapshot);
        let (mut stacks, mut edges) = (Vec::new(), Vec::new());
        for (client, host) in &snapshot.hosts {
            for (key, stack) in host.stacks.iter() {
                let (begin, transport) = (edges.len(), key.transport);
                for (key, edge) in stack.edges.iter() {
                    if question.scope.covers(&key.server, key.sni.as_deref()) {
                        let server = servers.talked_to(&key.server, edges.len());
                        let stack = stacks.len();
                        let client = *client;
                        edges.push(EdgeFacts { stack, server, client, transport, key, edge });
                    }
                }
                // A stack whose edges found no room still counts where nothing is out of scope.
                let whole = question.scope.is_all() && stack.edges.is_empty();
                if edges.len() > begin || whole {
                    let edges = begin..edges.len();
                    stacks.push(StackFacts { client: *client, host, key: *key, stack, edges });
                }
            }
        }
        // Without a scope every server is listed, even one whose edges found no room.
        let all_servers = servers.count(snapshot, question.scope.is_all());
        let siblings = mem::take(&mut servers.siblings);
        let (servers, places) = servers.sorted();
        for edge in &mut edges {
            edge.server = places.get(edge.server).copied().unwrap_or(usize::MAX);
        }
        Self {
            snapshot,
            question,
            policies,
            chains: Chains::of(snapshot, question.trust, question.limits),
            offers: offers(snapshot, &stacks),
            stacks,
            edges,
            servers,
            all_servers,
            identity,
            siblings,
        }
    }

    /// The edges of a stack.
    pub(super) fn edges_of(&self, stack: &StackFacts<'_>) -> &[EdgeFacts<'a>] {
        self.edges.get(stack.edges.clone()).unwrap_or_default()
    }

    /// The edges of a server.
    pub(super) fn edges_to(
        &self,
        server: &ServerFacts<'_>,
    ) -> impl Iterator<Item = &EdgeFacts<'a>> {
        server.edges.iter().filter_map(|at| self.edges.get(*at))
    }

    /// The name of the server of an edge.
    pub(super) fn server_name(&self, edge: &EdgeFacts<'_>) -> Arc<ServerName> {
        let known = self.servers.get(edge.server).map(|server| Arc::clone(&server.name));
        known.unwrap_or_else(|| Arc::new(ServerName::from(&*edge.key.server)))
    }

    /// The other key of a server that is known by two: with its protocol, and where that was not seen.
    pub(super) fn sibling(&self, key: &ServerKey) -> Option<&'a Arc<ServerKey>> {
        if self.siblings.is_empty() { None } else { self.siblings.get(key).copied() }
    }

    /// What an edge proves.
    pub(super) fn cases(&self, edge: &EdgeFacts<'a>) -> impl Iterator<Item = Case<'_>> {
        self.chains.cases(edge.key, edge.edge)
    }

    /// What a stack offers.
    pub(super) fn offer(&self, stack: StackKey) -> Option<&OfferFacts<'a>> {
        self.offers.get(&stack.offer?)
    }

    /// The names of a host, and who said each.
    pub(super) fn names(&self, ip: Address) -> NamedBy {
        self.identity.names(ip, self.snapshot, self.question.names)
    }

    /// A host's own MAC address: the only one it was seen with, and not a router's.
    pub(super) fn own_mac(&self, ip: Address, macs: &[Mac]) -> Option<Mac> {
        self.identity.mac_of(ip, macs, self.snapshot)
    }

    /// The ids of the policies that were asked for.
    pub(super) fn policy_ids(&self) -> impl Iterator<Item = &Arc<str>> {
        self.question.policies.iter().map(|policy| &policy.id)
    }
}

/// The offers of a snapshot; whose software they may be where a listed stack has them.
fn offers<'a>(
    snapshot: &'a Snapshot,
    stacks: &[StackFacts<'_>],
) -> HashMap<OfferId, OfferFacts<'a>, RandomState> {
    let talking = stacks.iter().filter(|stack| !stack.edges.is_empty());
    let listed: HashSet<OfferId, RandomState> =
        talking.filter_map(|stack| stack.key.offer).collect();
    let nobody: Arc<[Candidate]> = Arc::new([]);
    let fact = |(id, offer): (&OfferId, &'a Arc<Offer>)| {
        let facts = OfferFacts {
            offer,
            ja4: offer.ja4.as_str().into(),
            ja3: offer.ja3.as_str().into(),
            max_version: offer.max_version(),
            software: if listed.contains(id) {
                recognise(offer).into()
            } else {
                Arc::clone(&nobody)
            },
        };
        (*id, facts)
    };
    snapshot.offers.iter().map(fact).collect()
}

/// The servers of a snapshot, as they are found.
struct Servers<'a> {
    siblings: Siblings<'a>,
    places: HashMap<&'a ServerKey, usize, RandomState>,
    listed: Vec<ServerFacts<'a>>,
}

impl<'a> Servers<'a> {
    fn of(snapshot: &'a Snapshot) -> Self {
        Self { siblings: siblings(snapshot), places: HashMap::default(), listed: Vec::new() }
    }

    /// The key under which a server is known.
    fn known(&self, key: &'a ServerKey) -> &'a ServerKey {
        if self.siblings.is_empty() || key.application.is_some() {
            return key;
        }
        self.siblings.get(key).map_or(key, |named| named)
    }

    /// The place of a server in the order in which they were met.
    fn place(&mut self, key: &'a ServerKey) -> usize {
        let next = self.listed.len();
        let place = *self.places.entry(key).or_insert(next);
        if place == next {
            let name = Arc::new(ServerName::from(key));
            self.listed.push(ServerFacts { key, name, edges: Vec::new(), counted: Vec::new() });
        }
        place
    }

    /// An edge leads to it; its place.
    fn talked_to(&mut self, key: &'a ServerKey, edge: usize) -> usize {
        let place = self.place(self.known(key));
        if let Some(server) = self.listed.get_mut(place) {
            server.edges.push(edge);
        }
        place
    }

    /// Add what was counted of those that are listed, which may be `all`; how many there are.
    fn count(&mut self, snapshot: &'a Snapshot, all: bool) -> usize {
        let mut keys: HashSet<&ServerKey, RandomState> = HashSet::default();
        for (key, server) in &snapshot.servers {
            let key = self.known(key);
            keys.insert(key);
            let place = if all { Some(self.place(key)) } else { self.places.get(key).copied() };
            if let Some(listed) = place.and_then(|place| self.listed.get_mut(place)) {
                listed.counted.push(server);
            }
        }
        keys.len()
    }

    /// In the order of their keys, and where each stands that was met.
    fn sorted(self) -> (Vec<ServerFacts<'a>>, Vec<usize>) {
        let mut places = vec![0; self.listed.len()];
        let mut listed: Vec<_> = self.listed.into_iter().enumerate().collect();
        listed.sort_unstable_by(|(_, left), (_, right)| left.key.cmp(right.key));
        for (place, (met, _)) in listed.iter().enumerate() {
            if let Some(at) = places.get_mut(*met) {
                *at = place;
            }
        }
        (listed.into_iter().map(|(_, server)| server).collect(), places)
    }
}

/// Of servers that are known by two keys, each with the other.
type Siblings<'a> = HashMap<&'a ServerKey, &'a Arc<ServerKey>, RandomState>;

/// Connections that did not show their protocol (a client without ALPN, a start that was missed)
/// belong to the server of the same address and port, where only one protocol is known of it.
fn siblings(snapshot: &Snapshot) -> Siblings<'_> {
    let same = |left: &ServerKey, right: &ServerKey| {
        (left.ip, left.port, &left.target) == (right.ip, right.port, &right.target)
    };
    snapshot
        .servers
        .chunk_by(|(left, _), (right, _)| same(left, right))
        // Keys are sorted, and no protocol comes before any.
        .filter_map(|siblings| match siblings {
            [(nameless, _), (named, _)] if nameless.application.is_none() => {
                Some([(&**nameless, named), (&**named, nameless)])
            }
            _ => None,
        })
        .flatten()
        .collect()
}
