//! [`Connections`]: what is watched between two ports, mostly one connection.

use super::copies::Copies;
use super::{Claim, DatagramConsumer, Glance};
use crate::clock::Timestamp;
use crate::flow::{FlowKey, FlowMeta, Side};
use crate::packet::Datagram;

/// A connection and what it is fed to.
#[derive(Debug)]
pub(super) struct Connection<C> {
    pub(super) consumer: C,
    pub(super) meta: FlowMeta,
}

/// The connections between two ports, oldest first.
#[derive(Debug)]
pub(super) struct Connections<C> {
    pub(super) all: Vec<Connection<C>>,
    pub(super) copies: Copies,
    /// There was more than one at once.
    several: bool,
}

impl<C: DatagramConsumer> Connection<C> {
    pub(super) fn new(key: &FlowKey, consumer: C, side: Side, at: Timestamp) -> Self {
        let meta = FlowMeta { initiator: Some(side), ..FlowMeta::new(key.endpoints(), at) };
        Self { consumer, meta }
    }

    /// Count a datagram that the consumer took.
    pub(super) fn count(&mut self, side: Side, datagram: &Datagram<'_>, at: Timestamp) {
        self.meta.last = at;
        side.of_mut(&mut self.meta.layers).get_or_insert(datagram.layers);
        side.of_mut(&mut self.meta.signs).fragments |= datagram.layers.contradicted;
        let size = u64::try_from(datagram.payload.len()).unwrap_or(u64::MAX);
        let bytes = side.of_mut(&mut self.meta.bytes);
        *bytes = bytes.saturating_add(size);
    }
}

impl<C: DatagramConsumer> Connections<C> {
    pub(super) fn new(first: Connection<C>) -> Self {
        Self { all: vec![first], copies: Copies::default(), several: false }
    }

    /// Another one begins beside them.
    pub(super) fn add(&mut self, connection: Connection<C>) {
        self.all.push(connection);
        self.several = true;
    }

    /// Which of them may take a datagram, in the order in which they are asked: the one that it
    /// names, or those that it may belong to, newest first. Of several nobody takes what names none
    /// and is no beginning: it may be of one that is over.
    pub(super) fn candidates(
        &self,
        side: Side,
        datagram: &Datagram<'_>,
        glance: Glance,
    ) -> Vec<usize> {
        let mut perhaps = Vec::new();
        for (index, connection) in self.all.iter().enumerate().rev() {
            match connection.consumer.claims(side, datagram.payload, datagram.cut) {
                Claim::Yes => return vec![index],
                Claim::Perhaps if !self.several || glance == Glance::Opening => perhaps.push(index),
                Claim::Perhaps | Claim::No => {}
            }
        }
        perhaps
    }

    /// Whether a datagram that was captured with other VLAN tags may be the answer to what was seen
    /// here: nothing else was heard of its sender, and it names one of them, or none though it is of
    /// a handshake.
    pub(super) fn waits_for(&self, side: Side, datagram: &Datagram<'_>, glance: Glance) -> bool {
        let claims = |claim: Claim| {
            self.all.iter().any(|connection| {
                connection.consumer.claims(side, datagram.payload, datagram.cut) == claim
            })
        };
        self.all.iter().all(|connection| side.of(&connection.meta.layers).is_none())
            && (claims(Claim::Yes) || glance == Glance::Opening && claims(Claim::Perhaps))
    }
}
