//! [`Verdict`]: what one policy says of one connection, on that connection's evidence alone.

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::outcome::is_inside;
use super::{
    ClientOutcome, Edge, Outcome, Policy, Reason, RootMatch, ServerOutcome, certificate, client,
    edge, server,
};
use crate::record::{Case, Evidence};

/// What one policy says of one connection.
#[derive(Clone, Debug)]
pub struct Verdict<'p> {
    /// The policy.
    pub policy: &'p Policy,
    /// What was negotiated, held against it.
    pub connection: Connection,
    /// Whether the chain ends at a root that the policy requires; `None` where it requires none or
    /// where no chain was sent in the clear.
    pub root: Option<RootMatch>,
    /// The client.
    pub client: ClientOutcome,
    /// The server.
    pub server: ServerOutcome,
    /// Both together.
    pub edge: Edge,
}

/// What was negotiated, held against a policy. `None` where nothing was negotiated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connection {
    /// Version and suite are in the policy.
    pub inside: Option<bool>,
    /// The version is above the policy's highest: stronger than asked, never a finding.
    pub beyond: Option<bool>,
}

/// What a policy says of what a connection negotiated.
pub fn connection(policy: &Policy, evidence: &Evidence) -> Connection {
    Connection {
        inside: is_inside(policy, evidence),
        beyond: evidence.version.map(|version| policy.is_beyond(version)),
    }
}

/// Whether the chain of a connection ends at a root that the policy requires; `None` where the
/// policy requires none, or where no chain was sent in the clear.
pub fn root(policy: &Policy, case: &Case<'_>) -> Option<RootMatch> {
    certificate::root(policy, case.chain)
}

/// Judge one connection.
pub fn judge<'p>(policy: &'p Policy, case: &Case<'_>) -> Verdict<'p> {
    let cases = std::slice::from_ref(case);
    let client = client(policy, case.evidence.transport, case.offer, cases);
    let server = server(policy, cases);
    Verdict {
        policy,
        connection: connection(policy, case.evidence),
        root: root(policy, case),
        edge: edge(policy, &client, &server, cases),
        client,
        server,
    }
}

impl Serialize for Verdict<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("verdict", 7)?;
        object.serialize_field("policy", &self.policy.id)?;
        object.serialize_field("inside", &self.connection.inside)?;
        object.serialize_field("beyond", &self.connection.beyond)?;
        object.serialize_field("root", &self.root)?;
        object.serialize_field("client", &End::of(self.client.outcome, &self.client.reasons))?;
        object.serialize_field("server", &End::of(self.server.outcome, &self.server.reasons))?;
        object.serialize_field("edge", &self.edge)?;
        object.end()
    }
}

/// The outcome of one end, as records have it.
#[derive(Serialize)]
struct End<'a> {
    outcome: Outcome,
    reasons: &'a [Reason],
}

impl<'a> End<'a> {
    const fn of(outcome: Outcome, reasons: &'a [Reason]) -> Self {
        Self { outcome, reasons }
    }
}
