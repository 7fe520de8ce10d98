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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::census::sample::{Sample, modern};
    use crate::tls::codepoint::ProtocolVersion as V;
    use crate::x509::{Certificate, ChainReport, ChainStatus, Fingerprint};

    fn said(policy: &str, sample: &Sample) -> serde_json::Value {
        let policy = Policy::by_id(policy).unwrap();
        let evidence = sample.0.evidence();
        serde_json::to_value(judge(&policy, &sample.0.case(&evidence))).unwrap()
    }

    fn able(version: V, suite: u16) -> Sample {
        Sample::new(1, 1).offers(&modern()).chooses(version, suite)
    }

    #[test]
    fn inside_beyond_and_neither() {
        let of = |sample: Sample| {
            let verdict = said("dataverse", &sample);
            (verdict["inside"].clone(), verdict["beyond"].clone())
        };
        assert_eq!(of(able(V::TLS1_2, 0xc02f)), (true.into(), false.into()));
        assert_eq!(of(able(V::TLS1_2, 0x002f)), (false.into(), false.into()));
        assert_eq!(of(able(V::TLS1_3, 0x1301)), (false.into(), true.into()));
        assert_eq!(of(able(V(0x7f1c), 0x1301)), (false.into(), true.into()), "a draft of TLS 1.3");
        let nothing = Sample::new(1, 1).offers(&modern());
        assert_eq!(of(nothing), (serde_json::Value::Null, serde_json::Value::Null));
    }

    #[test]
    fn whether_the_root_is_a_required_one() {
        let policy = Policy::by_id("dataverse-2024-12").unwrap();
        let required = policy.roots.iter().find(|root| root.is_required()).unwrap();
        let chain = |status, sha1: Option<[u8; 20]>| {
            let leaf = Arc::new(Certificate::parse(b"no certificate"));
            let report = ChainReport { root_sha1: sha1, ..ChainReport::unseen(status) };
            able(V::TLS1_2, 0xc02f).sends(&[leaf]).with(|record| record.chain = report.into())
        };
        let root = |sample: Sample| said("dataverse-2024-12", &sample)["root"].clone();
        assert_eq!(root(chain(ChainStatus::PublicRoot, Some(required.sha1))), "required");
        assert_eq!(root(chain(ChainStatus::PublicRoot, Some([7; 20]))), "other");
        assert_eq!(root(chain(ChainStatus::SelfSigned, None)), "other");
        assert_eq!(root(chain(ChainStatus::UnknownRoot, None)), "unknown");
        assert_eq!(root(chain(ChainStatus::BadSignature, Some(required.sha1))), "unknown");
        for status in [ChainStatus::Hidden, ChainStatus::Resumed, ChainStatus::NotSeen] {
            assert!(root(chain(status, Some(required.sha1))).is_null(), "{status:?}");
        }
        // A forged SHA-1 gains nothing where SHA-256 is known too.
        let forged = chain(ChainStatus::PublicRoot, Some(required.sha1)).with(|record| {
            let chain = Arc::make_mut(&mut record.chain);
            chain.root_fingerprint = Some(Fingerprint([7; 32]));
        });
        assert_eq!(root(forged), "other");
        // A policy that requires none asks for none.
        let free = chain(ChainStatus::PublicRoot, Some(required.sha1));
        assert!(said("rfc8996", &free)["root"].is_null());
    }
}
