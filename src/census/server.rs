//! [`Server`]: who answers, and how fast.

use std::borrow::Cow;

use crate::clock::Timestamp;
use crate::limits::Limits;
use crate::packet::Address;
use crate::record::{FlowRecord, Tally};

use super::growing::Room;
use super::host::Macs;
use super::latency::Latency;
use super::sorted::PIECE;

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
    /// Bytes that it takes, shared.
    pub(super) fn bytes(&self) -> usize {
        let target = self.target.as_ref().map_or(0, |text| text.len().saturating_add(PIECE));
        (size_of::<Self>() + 2 * PIECE).saturating_add(target)
    }

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
    pub macs: Macs,
    /// Its connections.
    pub tally: Tally,
    /// How long its handshakes took.
    pub latency: Latency,
}

impl Server {
    /// A server of which nothing was seen yet.
    pub(super) const fn new(at: Timestamp) -> Self {
        Self {
            macs: Macs::new_const(),
            tally: Tally { connections: 0, first: at, last: at },
            latency: Latency::Few(Vec::new()),
        }
    }

    /// Add a connection, within what there is room for.
    pub(super) fn add(&mut self, record: &FlowRecord, limits: &Limits, room: &mut Room) {
        self.tally.add(Tally::once(record.ts));
        if let Some(mac) = record.server.mac {
            room.keep(&mut self.macs, mac, limits.host_macs);
        }
        if let Some(time) = record.handshake_time {
            self.latency.record_within(time, room);
        }
    }
}
