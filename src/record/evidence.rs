//! [`Evidence`]: what a connection proves about its two ends, without who or when.
//!
//! Connections that prove the same are counted together in the census, and policies judge this
//! value alone: a flow record by its own evidence, an endpoint by all that was gathered.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::tls::codepoint::{CipherSuite, NamedGroup, ProtocolVersion};
use crate::tls::hello::{Offer, OfferId};
use crate::tls::{Role, Transport};
use crate::x509::chain::ChainReport;
use crate::x509::{Certificate, Fingerprint};

use super::{Alert, FlowRecord, Outcome, Signs};

/// All facts of a connection that a policy may ask for.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Evidence {
    /// What TLS ran over.
    pub transport: Transport,
    /// What the client offered, by identity; `None` if no ClientHello was seen.
    pub offer: Option<OfferId>,
    /// The negotiated version; `None` if no ServerHello was seen (a HelloRetryRequest counts as one).
    pub version: Option<ProtocolVersion>,
    /// The negotiated suite.
    pub cipher_suite: Option<CipherSuite>,
    /// The negotiated group.
    pub group: Option<NamedGroup>,
    /// The version that the downgrade sentinel proves.
    pub sentinel: Option<ProtocolVersion>,
    /// The server answered with a HelloRetryRequest only; its ServerHello was not seen.
    pub retry_only: bool,
    /// An earlier session was resumed.
    pub resumed: bool,
    /// How the handshake ended.
    pub outcome: Outcome,
    /// Alerts, in order.
    pub alerts: Vec<Alert>,
    /// The server's chain as sent.
    pub certificates: Vec<Fingerprint>,
    /// There was more of it, which was not captured.
    pub chain_cut: bool,
    /// The client's chain as sent.
    pub client_certificates: Vec<Fingerprint>,
    /// The server asked for a client certificate.
    pub certificate_requested: bool,
    /// Signs that an end hides what it says.
    pub evasion: Evasion,
    /// The server refused, and no ServerHello was seen; but there was one, or may have been, so that the alert
    /// does not stand in its place.
    pub answer_unseen: bool,
}

/// Signs that the ends of a connection hide what they say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Evasion {
    /// The client's.
    pub client: Signs,
    /// The server's.
    pub server: Signs,
}

impl Evasion {
    /// Whether there is none, as nearly always.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl FlowRecord {
    /// What this connection proves.
    pub fn evidence(&self) -> Evidence {
        let server = self.server_hello.as_ref();
        Evidence {
            transport: self.transport,
            offer: self.client_hello.as_ref().map(|hello| hello.offer.id),
            version: server.map(|hello| hello.version),
            cipher_suite: server.and_then(|hello| hello.cipher_suite),
            group: server.and_then(|hello| hello.group),
            sentinel: server.and_then(|hello| hello.downgrade_sentinel),
            retry_only: server.is_some_and(|hello| hello.retry_only),
            resumed: self.resumed,
            outcome: self.outcome,
            alerts: self.alerts.clone(),
            certificates: self.certificates.iter().map(|cert| cert.fingerprint()).collect(),
            chain_cut: self.chain_cut,
            client_certificates: self
                .client_certificates
                .iter()
                .map(|cert| cert.fingerprint())
                .collect(),
            certificate_requested: self.certificate_requested,
            evasion: self.evasion,
            answer_unseen: server.is_none() && self.is_refused_late(),
        }
    }

    /// Whether the server refused when it may have answered before: something is missing, or was said that
    /// follows a ServerHello.
    fn is_refused_late(&self) -> bool {
        const AFTERWARDS: [char; 11] = ['X', 'G', 'Y', 'F', 'x', 'k', 'r', 'n', 'u', 't', 'f'];
        let refuses = |alert: &Alert| alert.from == Role::Server && alert.fatal().is_some();
        self.alerts.iter().any(refuses) && (self.seen.gaps > 0 || self.history.contains(AFTERWARDS))
    }
}

impl FlowRecord {
    /// This connection alone as a case to be judged, with its [evidence](Self::evidence).
    pub fn case<'a>(&'a self, evidence: &'a Evidence) -> Case<'a> {
        Case {
            evidence,
            offer: self.client_hello.as_ref().map(|hello| &*hello.offer),
            sni: self.sni(),
            certificates: &self.certificates,
            client_certificates: &self.client_certificates,
            chain: &self.chain,
            tally: Tally::once(self.ts),
        }
    }
}

/// How often something was seen, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tally {
    /// In how many connections.
    pub connections: u64,
    /// When first.
    pub first: Timestamp,
    /// When last.
    pub last: Timestamp,
}

impl Tally {
    /// One connection.
    pub const fn once(at: Timestamp) -> Self {
        Self { connections: 1, first: at, last: at }
    }

    /// Add what another one counted.
    pub fn add(&mut self, other: Self) {
        self.connections = self.connections.saturating_add(other.connections);
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
    }
}

/// Evidence with everything that it names at hand: what policies judge.
///
/// One connection is a case; so are the connections of one client with one server that proved the
/// same, with their [`Tally`].
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// The evidence.
    pub evidence: &'a Evidence,
    /// The offer that it names.
    pub offer: Option<&'a Offer>,
    /// The host name that was asked for.
    pub sni: Option<&'a str>,
    /// The server's certificates, as sent.
    pub certificates: &'a [Arc<Certificate>],
    /// The client's certificates, as sent.
    pub client_certificates: &'a [Arc<Certificate>],
    /// What the server's chain is worth.
    pub chain: &'a ChainReport,
    /// How often it was seen, and when.
    pub tally: Tally,
}
