//! [`Server`]: who answers, and how fast.

use std::borrow::Cow;

use crate::packet::{Address, Mac};
use crate::record::{FlowRecord, Tally};

use super::latency::Latency;

/// Which server it is: an address, a port and the protocol inside; behind a proxy, what the proxy
/// was asked to connect to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerKey {
    /// Its address; a proxy's where there is a target.
    pub ip: Address,
    /// Its port, likewise.
    pub port: u16,
    /// What the proxy was asked for, in lower case.
    pub target: Option<Box<str>>,
    /// The application protocol, if it was seen.
    pub application: Option<Cow<'static, str>>,
}

impl ServerKey {
    /// The server of a connection.
    pub(super) fn of(record: &FlowRecord) -> Self {
        Self {
            ip: record.server.ip,
            port: record.server.port,
            target: record.target.as_deref().map(|target| target.to_ascii_lowercase().into()),
            application: record.application.map(Cow::Borrowed),
        }
    }
}

/// A server as such; what its connections prove stands with the edges.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// The MAC addresses that its packets came from.
    pub macs: Vec<Mac>,
    /// Its connections.
    pub tally: Tally,
    /// How long its handshakes took.
    pub latency: Latency,
}
