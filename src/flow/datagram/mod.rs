//! [`DatagramTable`]: the flows of UDP, of which only the few that carry a handshake leave a trace.
//!
//! Most datagrams are media, name look-ups and tunnels. A [glance](DatagramConsumer::glance) at the
//! first bytes tells whether one may matter; only what may begin a handshake makes an entry, and
//! what can only belong to one is looked up only while some handshake is watched. As in
//! [`FlowTable`](super::table::FlowTable) an entry outlives the watching, so that a datagram that
//! comes again is told from another connection on the same ports, and expiry runs on capture time.
//! A copy that a mirror port or a router made of a datagram is fed once. Several connections may run
//! between the same ports at once: QUIC tells them apart by their ids.

mod connections;
mod copies;
mod table;
#[cfg(test)]
mod tests;

use std::fmt;

use super::Side;
use crate::clock::Timestamp;
use crate::counters::counters;
use crate::limits::Limits;

pub use table::DatagramTable;

/// What is fed with the datagrams of a flow.
pub trait DatagramConsumer: Sized {
    /// What is remembered of earlier connections on the same addresses and ports.
    type Memory: Copy + Default + fmt::Debug;

    /// What a datagram may be, by its bytes alone. Asked of every datagram: it has to be cheap.
    fn glance(payload: &[u8], cut: u32) -> Glance;

    /// A consumer for a flow that this datagram opens.
    fn open(limits: &Limits, payload: &[u8]) -> Self;

    /// Whether a datagram is of this connection, as far as that can be told without taking it.
    fn claims(&self, side: Side, payload: &[u8], cut: u32) -> Claim;

    /// The next datagram of the flow.
    fn feed(
        &mut self,
        side: Side,
        at: Timestamp,
        payload: &[u8],
        cut: u32,
        earlier: &Self::Memory,
    ) -> Fed;

    /// Whether a datagram that may open a flow opens one where nothing is watched any more.
    fn reopens(earlier: &Self::Memory, payload: &[u8]) -> bool;

    /// What has to be remembered of the connection, and of those before it.
    fn remember(&self, earlier: Self::Memory) -> Self::Memory;

    /// Heap bytes that it holds, for the bound on all flows together.
    fn held_bytes(&self) -> usize;
}

/// What a datagram may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glance {
    /// Nothing of interest.
    Nothing,
    /// It may belong to a flow that is watched; it opens none.
    Later,
    /// It may open a flow.
    Opening,
}

/// Whether a datagram belongs to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It names the connection.
    Yes,
    /// It names none.
    Perhaps,
    /// It names another one.
    No,
}

/// What became of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fed {
    /// It was taken: go on.
    Continue,
    /// It was taken, and nothing more is wanted.
    Shunt,
    /// It was not taken: another connection begins with it, in place of this one.
    Another,
    /// It was not taken: another connection begins with it, beside this one.
    Beside,
    /// It was not taken: it has no part in the handshake.
    Ignored,
}

counters! {
    /// Counters of a datagram table.
    pub struct DatagramStats {
        /// Datagrams that were pushed.
        pub datagrams: u64,
        /// Datagrams that were given to a consumer.
        pub taken: u64,
        /// Copies of datagrams that were given to a consumer.
        pub copies: u64,
        /// Connections that were opened.
        pub flows: u64,
        /// Connections on the ports of an earlier one.
        pub reopened: u64,
        /// Flows of which datagrams were seen under two VLAN tags.
        pub joined: u64,
        /// Flows forgotten because there were too many.
        pub evicted: u64,
        /// Handshakes given up because too many, or too large, were watched at once.
        pub evicted_watched: u64,
    }
}
