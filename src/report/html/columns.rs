//! The rows of a pack: each is a list, its fields in the order of `script/data.js`.

use std::sync::Arc;

use serde::Serialize;

use crate::packet::Address;

/// The place of a text.
pub(super) type Text = usize;
/// Names, and how often each: the most first.
pub(super) type Counts = Arc<[(Text, u64)]>;
/// Remedies, each by its id and its title.
pub(super) type Remedies = Vec<(Text, Text)>;
/// Findings by their places, and in how many connections each was found.
pub(super) type Found = Vec<(usize, u64)>;

/// What becomes of a stack under a policy: outcome, reasons, evidence, who agreed to it.
pub(super) type StackVerdict = (char, Vec<Text>, Text, Text);
/// The same of a server, and the names that it is said of.
pub(super) type ServerVerdict = (char, Vec<Text>, Text, Text, Vec<Text>);

/// A client host: address, names, owner, site, MAC address, what it is, connections, first and last
/// time, outcomes, its other addresses, stacks, maker.
#[derive(Debug, Serialize)]
pub(super) struct ClientRow(
    pub(super) Address,
    pub(super) Vec<Text>,
    pub(super) Text,
    pub(super) Text,
    pub(super) String,
    pub(super) u8,
    pub(super) u64,
    pub(super) u64,
    pub(super) u64,
    pub(super) String,
    pub(super) Vec<Address>,
    pub(super) Vec<StackRow>,
    pub(super) Text,
);

/// A stack: kind, connections, first and last time, findings, edges.
#[derive(Debug, Serialize)]
pub(super) struct StackRow(
    pub(super) usize,
    pub(super) u64,
    pub(super) u64,
    pub(super) u64,
    pub(super) Found,
    pub(super) Vec<EdgeRow>,
);

/// An edge: server, name, connections, last time, outcomes, versions, suites, how they ended,
/// alerts.
#[derive(Debug, Serialize)]
pub(super) struct EdgeRow(
    pub(super) Text,
    pub(super) Text,
    pub(super) u64,
    pub(super) u64,
    pub(super) Arc<str>,
    pub(super) Counts,
    pub(super) Counts,
    pub(super) Counts,
    pub(super) Counts,
);

/// How a stack speaks and what becomes of it: transport, JA4, JA3, highest version, of what it is the
/// retry, offer, software, verdicts, remedies.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub(super) struct KindRow(
    pub(super) &'static str,
    pub(super) Text,
    pub(super) Text,
    pub(super) String,
    pub(super) Text,
    pub(super) i64,
    pub(super) Vec<(Text, &'static str, Text)>,
    pub(super) Vec<StackVerdict>,
    pub(super) Remedies,
);

/// An offer: versions, suites, groups, signature algorithms, protocols, whether its format is that
/// of SSL 2.0, whether it was cut off.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub(super) struct OfferRow(
    pub(super) Vec<String>,
    pub(super) Vec<String>,
    pub(super) Vec<String>,
    pub(super) Vec<String>,
    pub(super) Vec<String>,
    pub(super) bool,
    pub(super) bool,
);

/// A finding: id, severity, text, remedy, policies, who agreed to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub(super) struct FindingRow(
    pub(super) &'static str,
    pub(super) &'static str,
    pub(super) Text,
    pub(super) Text,
    pub(super) Vec<usize>,
    pub(super) Text,
);

/// A chain: status, why, stores, root, issuer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub(super) struct ChainRow(
    pub(super) &'static str,
    pub(super) Text,
    pub(super) Vec<Text>,
    pub(super) Text,
    pub(super) Text,
);

/// A server: name, address, port, protocol, names, owner, site, MAC address, whether it is ours,
/// names asked for, versions, suites, chain, certificates, how many clients, connections, first and
/// last time, how long handshakes took, verdicts, findings, remedies, clients, maker.
#[derive(Debug, Serialize)]
pub(super) struct ServerRow(
    pub(super) Text,
    pub(super) Address,
    pub(super) u16,
    pub(super) Text,
    pub(super) Vec<Text>,
    pub(super) Text,
    pub(super) Text,
    pub(super) String,
    pub(super) u8,
    pub(super) Vec<Text>,
    pub(super) Counts,
    pub(super) Counts,
    pub(super) usize,
    pub(super) Vec<Text>,
    pub(super) u64,
    pub(super) u64,
    pub(super) u64,
    pub(super) u64,
    pub(super) Option<[f64; 4]>,
    pub(super) Vec<ServerVerdict>,
    pub(super) Found,
    pub(super) Remedies,
    pub(super) Vec<Address>,
    pub(super) Text,
);

/// A certificate: fingerprint, SHA-1, subject, issuer, serial, dates, key, signature, names,
/// connections, first and last time, servers, how many clients.
#[derive(Debug, Serialize)]
pub(super) struct CertificateRow(
    pub(super) String,
    pub(super) String,
    pub(super) Text,
    pub(super) Text,
    pub(super) Text,
    pub(super) Option<i64>,
    pub(super) Option<i64>,
    pub(super) Text,
    pub(super) Text,
    pub(super) Vec<Text>,
    pub(super) u64,
    pub(super) u64,
    pub(super) u64,
    pub(super) Vec<Text>,
    pub(super) u64,
);
