//! The one serialised schema of a flow record, `tlscensus.flow/1`: every key in every record.

use serde::ser::{SerializeSeq, SerializeStruct};
use serde::{Serialize, Serializer};

use super::{Alert, AlertBody, FlowRecord, Peer, Seen};
use crate::clock::milliseconds;

/// The name and version of the schema.
pub const SCHEMA: &str = "tlscensus.flow/1";

/// A record with what was found of it, ready to be serialised. `V` and `F` are lists.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a, V, F> {
    /// The facts.
    pub record: &'a FlowRecord,
    /// One verdict a policy.
    pub verdicts: V,
    /// The findings.
    pub findings: F,
}

impl<V: Serialize, F: Serialize> Serialize for Line<'_, V, F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let record = self.record;
        let mut object = serializer.serialize_struct("flow", 26)?;
        object.serialize_field("schema", SCHEMA)?;
        object.serialize_field("ts", &record.ts)?;
        object.serialize_field("sensor", &record.sensor)?;
        object.serialize_field("source", &record.source)?;
        object.serialize_field("community_id", &record.community_id)?;
        object.serialize_field("transport", &record.transport)?;
        object.serialize_field("application", &record.application)?;
        object.serialize_field("starttls", &record.starttls)?;
        object.serialize_field("vlan", &record.vlan)?;
        object.serialize_field("tunnel", &Names(record))?;
        object.serialize_field("client", &record.client)?;
        object.serialize_field("server", &Server(record))?;
        object.serialize_field("sni", &record.sni())?;
        let offer = record.client_hello.as_ref().map(|hello| &*hello.offer);
        object.serialize_field("client_hello", &offer)?;
        object.serialize_field("server_hello", &record.server_hello)?;
        object.serialize_field("certificates", &record.certificates)?;
        object.serialize_field("client_certificates", &record.client_certificates)?;
        object.serialize_field("certificate_requested", &record.certificate_requested)?;
        object.serialize_field("chain", &record.chain)?;
        object.serialize_field("alerts", &record.alerts)?;
        object.serialize_field("resumed", &record.resumed)?;
        object.serialize_field("outcome", record.outcome.name())?;
        let took = record.handshake_time.map(milliseconds);
        object.serialize_field("handshake_ms", &took)?;
        object.serialize_field("history", &record.history)?;
        object.serialize_field("seen", &record.seen)?;
        object.serialize_field("verdicts", &self.verdicts)?;
        object.serialize_field("findings", &self.findings)?;
        object.end()
    }
}

struct Names<'a>(&'a FlowRecord);

impl Serialize for Names<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.tunnel.len()))?;
        for tunnel in &self.0.tunnel {
            list.serialize_element(tunnel.name())?;
        }
        list.end()
    }
}

impl Serialize for Peer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("client", 3)?;
        object.serialize_field("ip", &self.ip)?;
        object.serialize_field("port", &self.port)?;
        object.serialize_field("mac", &self.mac)?;
        object.end()
    }
}

struct Server<'a>(&'a FlowRecord);

impl Serialize for Server<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let server = &self.0.server;
        let mut object = serializer.serialize_struct("server", 4)?;
        object.serialize_field("ip", &server.ip)?;
        object.serialize_field("port", &server.port)?;
        object.serialize_field("mac", &server.mac)?;
        object.serialize_field("target", &self.0.target)?;
        object.end()
    }
}

impl Serialize for Alert {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("alert", 5)?;
        object.serialize_field("from", &self.from)?;
        match self.body {
            AlertBody::Plain { fatal, description } => {
                object.serialize_field("level", if fatal { "fatal" } else { "warning" })?;
                object.serialize_field("description", &description.name())?;
                object.serialize_field("code", &description.0)?;
            }
            AlertBody::Encrypted => {
                object.serialize_field("level", &None::<&str>)?;
                object.serialize_field("description", &None::<&str>)?;
                object.serialize_field("code", &None::<u8>)?;
                object.serialize_field("encrypted", &true)?;
            }
        }
        object.end()
    }
}

impl Serialize for Seen {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("seen", 5)?;
        object.serialize_field("client_bytes", &self.client_bytes)?;
        object.serialize_field("server_bytes", &self.server_bytes)?;
        object.serialize_field("gaps", &self.gaps)?;
        object.serialize_field("sides", self.sides.name())?;
        object.serialize_field("truncated", &self.truncated)?;
        object.end()
    }
}
