//! TLS: from bytes to what was offered, chosen, sent and refused.

#![warn(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing
)]

pub mod codepoint;
pub mod conversation;
pub mod dtls;
mod early;
pub mod fingerprint;
pub mod handshake;
pub mod hello;
pub mod message;
pub mod parse;
pub(crate) mod pieces;
pub mod sslv2;
pub mod starttls;
pub mod transcript;

use serde::{Serialize, Serializer};

/// An end of a connection, by its part in the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// The one that sends the ClientHello.
    Client,
    /// The one that answers it.
    Server,
}

impl Role {
    /// The word in records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }
}

impl Serialize for Role {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// What TLS runs over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// TLS over TCP (or EAP).
    Tcp,
    /// DTLS over UDP.
    Udp,
    /// QUIC.
    Quic,
}

impl Transport {
    /// The word in records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Quic => "quic",
        }
    }
}

impl Serialize for Transport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
