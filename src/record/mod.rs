//! [`FlowRecord`]: all facts of one connection, and the one serialised schema of them.
//!
//! A worker makes a record when a handshake is over or given up; the census adds it up, a sink
//! writes it. It holds facts only: verdicts and findings are attached when it is written.

pub mod community;
mod evidence;
pub mod line;

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::packet::{Address, Mac, Tunnel};
use crate::tls::Transport;
use crate::tls::hello::{ClientHello, ServerHello};
use crate::x509::Certificate;
use crate::x509::chain::ChainReport;

pub use crate::flow::Signs;
pub use crate::tls::handshake::{Alert, AlertBody, Outcome};
pub use community::CommunityId;
pub use evidence::{Case, Evasion, Evidence, Tally};

/// All facts of one connection.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Clone, Debug)]
pub struct FlowRecord {
    /// When the first byte of TLS was seen.
    pub ts: Timestamp,
    /// The sensor's name.
    pub sensor: Arc<str>,
    /// The file, stream or interface it was seen on.
    pub source: Arc<str>,
    /// The Community ID, version 1, of the connection; `None` if it has no IP addresses.
    pub community_id: Option<CommunityId>,
    /// What TLS ran over (a log-in to a network counts as TCP: TLS is the same in it).
    pub transport: Transport,
    /// The protocol that TLS began in or was negotiated for, if that was seen.
    pub application: Option<&'static str>,
    /// TLS began in the middle of a cleartext protocol.
    pub starttls: bool,
    /// VLAN ids, outermost first.
    pub vlan: Vec<u16>,
    /// Tunnels, outermost first.
    pub tunnel: Vec<Tunnel>,
    /// The end that sent the ClientHello.
    pub client: Peer,
    /// The other end.
    pub server: Peer,
    /// Behind a proxy: what the client asked it to connect to.
    pub target: Option<String>,
    /// What the client offered: its first hello.
    pub client_hello: Option<ClientHello>,
    /// What the server chose.
    pub server_hello: Option<Arc<ServerHello>>,
    /// The server's certificates, in the order sent.
    pub certificates: Vec<Arc<Certificate>>,
    /// There were more, which were not captured.
    pub chain_cut: bool,
    /// The client's.
    pub client_certificates: Vec<Arc<Certificate>>,
    /// The server asked for a certificate.
    pub certificate_requested: bool,
    /// What the server's chain is worth, on this connection's evidence alone.
    pub chain: Arc<ChainReport>,
    /// Alerts at handshake time, in order.
    pub alerts: Vec<Alert>,
    /// An earlier session was resumed.
    pub resumed: bool,
    /// How the handshake ended.
    pub outcome: Outcome,
    /// From the ClientHello's last byte to the byte that made it established.
    pub handshake_time: Option<Duration>,
    /// One letter a message, capitals for the client (Zeek's `ssl_history`).
    pub history: String,
    /// What was seen of the connection, and what was missing.
    pub seen: Seen,
    /// Signs that its ends hide what they say.
    pub evasion: Evasion,
}

impl FlowRecord {
    /// The host name that the client asked for.
    pub fn sni(&self) -> Option<&str> {
        self.client_hello.as_ref()?.server_name.as_deref()
    }
}

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Peer {
    /// Its address.
    pub ip: Address,
    /// Its port.
    pub port: u16,
    /// The MAC address that its packets came from.
    pub mac: Option<Mac>,
}

/// Which directions of a connection were seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sides {
    /// Both.
    Both,
    /// Only what the client sent.
    Client,
    /// Only what the server sent.
    Server,
}

impl Sides {
    /// The word in records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::Client => "client",
            Self::Server => "server",
        }
    }
}

/// What was seen of a connection until its handshake was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Seen {
    /// Bytes that the client sent, as far as they were looked at.
    pub client_bytes: u64,
    /// Bytes that the server sent, likewise.
    pub server_bytes: u64,
    /// Holes in either direction.
    pub gaps: u32,
    /// Which directions were seen.
    pub sides: Sides,
    /// A handshake message was begun and not wholly seen, or bounds refused a part of it.
    pub truncated: bool,
}
