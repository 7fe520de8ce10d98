//! The outcome of an edge: what becomes of the connections of one client stack with one server
//! under one name, if the server enforces the policy.
//!
//! The first that matches counts. Enforcement taught more than the letter of the model in two ways.
//! What is inside by version and suite goes on only where the client has a group of the policy, and
//! accepts its kinds of certificate, at that version. And what is beyond goes on only where the
//! server, come down to the policy, can show a key on a curve that the client names.

use std::fmt;

use serde::{Serialize, Serializer};

use super::outcome::{Fit, accepts_curve, is_inside, signed_keys, usable_suites};
use super::{
    ClientOutcome, KeyKinds, Outcome, Policy, Reason, ServerEvidence, ServerOutcome, VersionSet,
};
use crate::record::Case;
use crate::tls::codepoint::{CipherSuite, NamedGroup, ProtocolVersion, SignatureKind};
use crate::tls::hello::Offer;

/// What becomes of connections between two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Edge {
    /// They go on as they are.
    Unchanged,
    /// They fail, and this end must change.
    Breaks(Ends),
    /// They move up by themselves.
    Upgrades {
        /// To this version, the highest that both are known to have.
        version: ProtocolVersion,
        /// With this suite, where the server was seen to choose it.
        suite: Option<CipherSuite>,
    },
    /// Too little was seen of one end; why, where there is a word for it.
    Unknown(Option<Reason>),
}

/// One end of a connection, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ends {
    /// The client.
    Client,
    /// The server.
    Server,
    /// Both.
    Both,
}

impl Ends {
    /// The word in records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
            Self::Both => "both",
        }
    }
}

impl fmt::Display for Ends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Serialize for Ends {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl Edge {
    /// The word in records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Breaks(_) => "breaks",
            Self::Upgrades { .. } => "upgrades",
            Self::Unknown(_) => "unknown",
        }
    }
}

impl fmt::Display for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Serialize for Edge {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// The outcome of an edge. `client` and `server` are the outcomes of its ends, on whatever evidence
/// the caller has; `cases` are the connections between the two under one name.
pub fn edge(
    policy: &Policy,
    client: &ClientOutcome,
    server: &ServerOutcome,
    cases: &[Case<'_>],
) -> Edge {
    let sni = cases.first().and_then(|case| case.sni);
    let (outcome, reasons, evidence) = server.under(sni);
    match negotiated(policy, cases) {
        Negotiated::Inside => {
            // An attempt that failed shows nothing of what there is.
            let inside = cases.iter().filter(|case| case.evidence.version.is_some());
            let mut lacks = inside.map(|case| lacks_inside(policy, client, case));
            match lacks.try_fold(None, |_, lacks| lacks.map(Some)) {
                None => return Edge::Unchanged,
                // It is ready by another version. A server that has this one picks it and finds
                // nothing; one that has only the other goes on.
                Some(lacks) if client.is(Outcome::Ready) => return Edge::Unknown(lacks),
                Some(_) => {}
            }
        }
        Negotiated::Beyond => match client.outcome {
            Outcome::Ready => return coming_down(policy, cases, evidence),
            Outcome::Breaks => return Edge::Breaks(Ends::Client),
            Outcome::Unknown | Outcome::AtRisk => {
                return Edge::Unknown(client.reasons.first().copied());
            }
        },
        Negotiated::Otherwise => {}
    }
    match (client.outcome, outcome) {
        (Outcome::Breaks, Outcome::Breaks) => Edge::Breaks(Ends::Both),
        (Outcome::Breaks, _) => Edge::Breaks(Ends::Client),
        (_, Outcome::Breaks) => Edge::Breaks(Ends::Server),
        (Outcome::Ready, Outcome::Ready) => cases
            .iter()
            .filter_map(|case| case.offer)
            .find_map(|offer| upgrade(policy, offer, client, evidence))
            .unwrap_or_else(|| Edge::Unknown(reasons.first().copied())),
        (Outcome::Ready, _) => Edge::Unknown(reasons.first().copied()),
        _ => Edge::Unknown(client.reasons.first().copied()),
    }
}

/// What the connections of an edge negotiated, taken together.
enum Negotiated {
    /// All that came about were inside the policy.
    Inside,
    /// All were inside or beyond.
    Beyond,
    /// One was neither, or none came about.
    Otherwise,
}

fn negotiated(policy: &Policy, cases: &[Case<'_>]) -> Negotiated {
    let mut seen = Negotiated::Otherwise;
    for evidence in cases.iter().map(|case| case.evidence) {
        let Some(version) = evidence.version else { continue };
        if is_inside(policy, evidence) == Some(true) {
            if !matches!(seen, Negotiated::Beyond) {
                seen = Negotiated::Inside;
            }
        } else if policy.is_beyond(version) {
            seen = Negotiated::Beyond;
        } else {
            return Negotiated::Otherwise;
        }
    }
    seen
}

/// What the client of a connection that is inside by version and suite lacks at that version: a
/// group of the policy, or what a certificate of the policy needs. A policy that names no groups
/// leaves the server those that it has.
fn lacks_inside(policy: &Policy, client: &ClientOutcome, case: &Case<'_>) -> Option<Reason> {
    let (offer, version) = (case.offer?, case.evidence.version?);
    if offer.truncated || client.evidence.usable.contains(version) {
        return None;
    }
    let fit = Fit::of(policy, offer, VersionSet::from_iter([version]));
    if fit.suites.is_empty() {
        return None; // A suite that was not offered is an anomaly, not evidence.
    }
    let has_certificate = fit.certificates.contains(version) && fit.signatures.contains(version);
    let has_group = policy.groups.is_none() || fit.groups.contains(version);
    if has_certificate { (!has_group).then_some(Reason::Group) } else { Some(Reason::Signature) }
}

/// What becomes of connections of a client that is ready, all of them beyond the policy. Up to TLS
/// 1.2 the groups that a client states bind the server's key too (RFC 8422 §5.1.1, §5.3), in TLS 1.3
/// they do not.
fn coming_down(policy: &Policy, cases: &[Case<'_>], server: &ServerEvidence) -> Edge {
    /// The curves on which the keys of certificates lie.
    const USUAL: [NamedGroup; 2] = [NamedGroup::SECP256R1, NamedGroup::SECP384R1];
    let Some(below) = policy.highest() else { return Edge::Unchanged };
    let accepts = |curve: &NamedGroup| {
        let mut offers = cases.iter().filter_map(|case| case.offer);
        offers.all(|offer| accepts_curve(offer, below, *curve))
    };
    let only_ecdsa = server.keys == KeyKinds::from(SignatureKind::Ecdsa);
    let otherwise = if only_ecdsa && !server.curves.is_empty() && !server.curves.iter().any(accepts)
    {
        Edge::Breaks(Ends::Client)
    } else if server.keys.is_empty() && !USUAL.iter().any(accepts) {
        Edge::Unknown(Some(Reason::Group))
    } else {
        return Edge::Unchanged;
    };
    // Where the two were inside too, they have shown that they can.
    let inside = |case: &Case<'_>| is_inside(policy, case.evidence) == Some(true);
    if cases.iter().any(inside) { Edge::Unchanged } else { otherwise }
}

/// The highest version of the policy that both ends are known to have, with a suite of the client
/// that fits the server's certificate. A server picks the version first (RFC 8446 §4.1.1): what
/// the two could do at a lower one is not promised.
fn upgrade(
    policy: &Policy,
    offer: &Offer,
    client: &ClientOutcome,
    server: &ServerEvidence,
) -> Option<Edge> {
    let offered = client.evidence.offered.intersection(policy.versions);
    let version = offered.intersection(server.versions).highest()?;
    let fits = |suite: &CipherSuite| fits_key(*suite, offer, version, server);
    // What the server was seen to choose needs no certificate where none was ever seen.
    let chosen = |suite: &CipherSuite| {
        server.chosen.iter().any(|(at, seen)| at.judged_as() == Some(version) && seen == suite)
            && (server.keys.is_empty() || fits(suite))
    };
    let suite = usable_suites(policy, offer, version).find(chosen);
    let fits = suite.is_some() || usable_suites(policy, offer, version).any(|suite| fits(&suite));
    fits.then_some(Edge::Upgrades { version, suite })
}

/// Whether a suite can be used with a key that the server is known to have.
fn fits_key(
    suite: CipherSuite,
    offer: &Offer,
    version: ProtocolVersion,
    server: &ServerEvidence,
) -> bool {
    let needs = suite.info().map_or(KeyKinds::EMPTY, KeyKinds::of_suite);
    let common = needs.intersection(signed_keys(offer, version)).intersection(server.keys);
    let on_curve = server.curves.is_empty()
        || server.curves.iter().any(|curve| accepts_curve(offer, version, *curve));
    common.contains(SignatureKind::Rsa) || (!common.is_empty() && on_curve)
}

#[cfg(test)]
mod tests;
