//! Every bound that a peer or a file could push against, named, with its default.
//!
//! What a bound refuses is counted where it is refused, and shown in the coverage of every report: as
//! a key of `coverage` in JSON, in words in the summary, the page and the Markdown report. In this table
//! stands where; a test holds that each bound is in it, and that each counter is shown.
//!
//! | bound | counter |
//! | --- | --- |
//! | `block_bytes` | `faulty_sources` |
//! | `interfaces` | `faulty_sources` |
//! | `layers` | `packets.skipped.too_deep` |
//! | `fragment_bytes` | `packets.skipped.fragment_lost` |
//! | `fragment_datagrams` | `packets.skipped.fragment_lost` |
//! | `fragment_wait` | `packets.skipped.fragment_lost` |
//! | `flows` | `evicted_flows` |
//! | `watched_flows` | `evicted_flows` |
//! | `datagram_flows` | `evicted_flows` |
//! | `watched_datagram_flows` | `evicted_flows` |
//! | `flow_connections` | `evicted_flows` |
//! | `logins` | `evicted_flows` |
//! | `login_bytes` | `evicted_flows` |
//! | `watched_bytes` | `evicted_flows` |
//! | `backlog_bytes` | `packets.lost.backlog` |
//! | `reorder_bytes` | `with_gaps` |
//! | `reorder_segments` | `with_gaps` |
//! | `reorder_wait` | `with_gaps` |
//! | `overlap_bytes` | none: what is older is not compared, and not lost |
//! | `start_segments` | `notes.guessed_starts` |
//! | `start_segments_acknowledged` | `notes.guessed_starts` |
//! | `start_wait` | `notes.guessed_starts` |
//! | `linger` | none: the flow was closed |
//! | `watched_idle` | `incomplete` |
//! | `shunted_idle` | none: nothing more was wanted of the flow |
//! | `transcript_bytes` | `truncated` |
//! | `transcript_records` | `truncated` |
//! | `preamble_bytes` | `notes.preambles_cut` |
//! | `closed_flows` | none: nothing more was wanted of them, and they were closed |
//! | `kept_cleartexts` | `notes.cleartexts_lost` |
//! | `search_bytes` | `notes.searched_in_vain` |
//! | `search_bytes_unknown` | `notes.searched_in_vain` |
//! | `search_bytes_proxied` | `notes.searched_in_vain` |
//! | `alerts` | `truncated` |
//! | `history` | `truncated` |
//! | `message_bytes` | `truncated` |
//! | `datagram_messages` | `truncated` |
//! | `pieces` | `truncated` |
//! | `quic_keys` | `truncated` |
//! | `quic_early_packets` | `truncated` |
//! | `chain_length` | `truncated` |
//! | `chain_signatures` | `chains_not_verified` |
//! | `completion_signatures` | `chains_not_completed` |
//! | `cached_certificates` | none: what is not kept is parsed again |
//! | `cached_chains` | none: what is not kept is verified again |
//! | `cached_certificate_bytes` | none: what is not kept is parsed and verified again |
//! | `cached_offers` | none: what is not kept is parsed again |
//! | `cached_judgements` | none: what is not kept is judged again |
//! | `cached_worker_bytes` | none: what is not kept is parsed and judged again |
//! | `census_hosts` | `unlisted.hosts` |
//! | `census_servers` | `unlisted.edges` |
//! | `census_edges` | `unlisted.edges` |
//! | `census_list_bytes` | `details_refused` |
//! | `census_values` | `unlisted.evidence` |
//! | `census_value_bytes` | `unlisted.evidence` |
//! | `host_stacks` | `unlisted.stacks` |
//! | `named_addresses` | `names_refused` |
//! | `address_names` | `full_lists.names` |
//! | `names_remembered` | none: what is forgotten is passed on again |
//! | `name_requests` | `notes.names_unanswered` |
//! | `host_macs` | `full_lists.macs` |
//! | `stack_edges` | `unlisted.edges` |
//! | `stack_bins` | `full_lists.bins` |
//! | `edge_evidence` | `unlisted.evidence` |
//! | `edge_attempts` | `full_lists.attempts` |

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::time::Duration;

/// Largest file that is read whole because our operator named it: a policy, a list of names, trust.
pub const NAMED_FILE_BYTES: u64 = 64 << 20;

/// A file that our operator named, as a whole; one that never ends, a device, is an error.
pub fn read_named(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(NAMED_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > NAMED_FILE_BYTES {
        let words = format!("it is larger than {} MiB", NAMED_FILE_BYTES >> 20);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, words));
    }
    Ok(bytes)
}

/// The same for a text in UTF-8.
pub fn read_named_text(path: &Path) -> io::Result<String> {
    String::from_utf8(read_named(path)?)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.utf8_error().to_string()))
}

/// The bounds of one run. [`Limits::default`] is what the program uses.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Largest packet record or pcapng block that is believed; more is damage, not data.
    pub block_bytes: u32,
    /// Interfaces that one pcapng section may describe.
    pub interfaces: usize,
    /// Link, tunnel and tag headers that may be stacked before a frame is [too deep].
    ///
    /// [too deep]: crate::packet::Skip::TooDeep
    pub layers: u8,
    /// Bytes that all incomplete IP datagrams together may hold.
    pub fragment_bytes: usize,
    /// IP datagrams that may be incomplete at the same time.
    pub fragment_datagrams: usize,
    /// How long fragments wait for the rest (RFC 8200 §4.5 says 60 s).
    pub fragment_wait: Duration,
    /// Flows that are remembered at the same time, watched or shunted.
    pub flows: usize,
    /// Flows whose handshake is being watched at the same time.
    pub watched_flows: usize,
    /// Datagram flows that are remembered at the same time, watched or shunted.
    pub datagram_flows: usize,
    /// Datagram flows whose handshake is being watched at the same time.
    pub watched_datagram_flows: usize,
    /// Connections that are watched between the same two ports at the same time (QUIC).
    pub flow_connections: usize,
    /// Log-ins to networks (EAP in 802.1X and RADIUS) that are under way at the same time.
    pub logins: usize,
    /// Bytes that all of them together may hold.
    pub login_bytes: usize,
    /// Bytes that all watched flows together may hold, transcripts and reorder buffers alike.
    pub watched_bytes: usize,
    /// Bytes of finished handshakes that may wait for a worker in a live run.
    pub backlog_bytes: usize,
    /// Bytes that one direction of a stream may hold while it waits for a hole to be filled.
    pub reorder_bytes: usize,
    /// Segments that one direction of a stream may hold while it waits.
    pub reorder_segments: usize,
    /// How long a hole is waited for before it is a gap.
    pub reorder_wait: Duration,
    /// Bytes of each direction that are kept to compare later copies with, beside those of messages
    /// in the clear: the last that were in order and not encrypted; at least half of it always is.
    pub overlap_bytes: usize,
    /// Segments of a stream without a known beginning that wait for an earlier one.
    pub start_segments: usize,
    /// So many of them, where the other end has received all that comes before them: it was not captured,
    /// unless in another order.
    pub start_segments_acknowledged: usize,
    /// How long they wait.
    pub start_wait: Duration,
    /// How long a closed flow waits for packets that were captured late.
    pub linger: Duration,
    /// A watched flow without a packet for this long is given up.
    pub watched_idle: Duration,
    /// A shunted stream without a packet for this long is forgotten; what came as datagrams is so after
    /// `reorder_wait`.
    pub shunted_idle: Duration,
    /// Handshake bytes that are kept of one flow, both directions together.
    pub transcript_bytes: usize,
    /// Records that are kept of one flow, both directions together.
    pub transcript_records: usize,
    /// Bytes of cleartext that are kept of each direction before TLS begins, to name the protocol.
    pub preamble_bytes: usize,
    /// Closed flows of which nothing more is wanted that are remembered, to know late copies of their packets.
    pub closed_flows: usize,
    /// Flows that were given up before TLS began, of which that cleartext is kept.
    pub kept_cleartexts: usize,
    /// Bytes that one direction may send before a start of TLS is no longer looked for, in a protocol
    /// that is known to start TLS in its middle.
    pub search_bytes: usize,
    /// The same in all other protocols: so much does a flow without TLS cost.
    pub search_bytes_unknown: usize,
    /// The same for what a proxy sends on a connection on which it may yet be asked for a tunnel.
    pub search_bytes_proxied: usize,
    /// Alerts of one handshake that are kept, beside one that ends it.
    pub alerts: usize,
    /// Letters of the history of one handshake.
    pub history: usize,
    /// Largest handshake message that is put together (a Certificate message can be large).
    pub message_bytes: usize,
    /// DTLS handshake messages of one direction that are put together.
    pub datagram_messages: usize,
    /// Pieces that one message, or one QUIC CRYPTO stream, may consist of.
    pub pieces: usize,
    /// QUIC keys that are derived for one connection: a Retry, another version or a guess each
    /// cost one.
    pub quic_keys: usize,
    /// QUIC packets of one connection that wait for the one that has their keys.
    pub quic_early_packets: usize,
    /// Certificates of one chain that are looked at.
    pub chain_length: usize,
    /// What the signatures may cost that are checked one by one to find the path of one chain, in
    /// signatures of P-256: those of larger keys count for several.
    pub chain_signatures: u32,
    /// Signatures that one report checks to complete chains from what others sent, beside a few for
    /// each: beyond, look-alikes of issuers are left alone.
    pub completion_signatures: u32,
    /// Certificates that are kept parsed.
    pub cached_certificates: usize,
    /// Chains whose verdict is kept.
    pub cached_chains: usize,
    /// Bytes of certificates that are kept parsed, and as many of verdicts on chains.
    pub cached_certificate_bytes: usize,
    /// Offers that are kept parsed.
    pub cached_offers: usize,
    /// Cases of which a worker keeps what was said of them.
    pub cached_judgements: usize,
    /// Bytes that each of a worker's caches may hold: offers, their software, judgements.
    pub cached_worker_bytes: usize,
    /// Client hosts that a census lists.
    pub census_hosts: usize,
    /// Servers that a census lists.
    pub census_servers: usize,
    /// Edges that a census lists, of all hosts together.
    pub census_edges: usize,
    /// Bytes of all that a census lists: hosts, servers, edges and what is kept of each. The last
    /// quarter is kept for hosts and what they offer. What is refused counts as `unlisted` besides.
    pub census_list_bytes: usize,
    /// Values of one kind (offers, certificates, names, evidence) that a census shares between
    /// its edges.
    pub census_values: usize,
    /// Bytes of all these values together.
    pub census_value_bytes: usize,
    /// Client stacks that a census lists of one host.
    pub host_stacks: usize,
    /// Addresses of which a census lists names and leases.
    pub named_addresses: usize,
    /// Names that a census lists of one address.
    pub address_names: usize,
    /// Names that a capture thread remembers to have passed on.
    pub names_remembered: usize,
    /// DHCP requests whose names wait for the answer.
    pub name_requests: usize,
    /// MAC addresses that a census lists of one host or server.
    pub host_macs: usize,
    /// Edges that a census lists of one client stack.
    pub stack_edges: usize,
    /// Time bins that a census remembers of one client stack.
    pub stack_bins: usize,
    /// Different things that a census lets one edge prove.
    pub edge_evidence: usize,
    /// Single attempts of one edge whose time a census remembers.
    pub edge_attempts: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            block_bytes: 16 << 20,
            interfaces: 65_536,
            layers: 16,
            fragment_bytes: 8 << 20,
            fragment_datagrams: 4_096,
            fragment_wait: Duration::from_secs(60),
            flows: 1 << 20,
            watched_flows: 1 << 17,
            datagram_flows: 1 << 18,
            watched_datagram_flows: 1 << 15,
            flow_connections: 16,
            logins: 4_096,
            login_bytes: 32 << 20,
            watched_bytes: 256 << 20,
            backlog_bytes: 64 << 20,
            reorder_bytes: 256 << 10,
            reorder_segments: 256,
            reorder_wait: Duration::from_secs(10),
            overlap_bytes: 4 << 10,
            start_segments: 64,
            start_segments_acknowledged: 8,
            start_wait: Duration::from_secs(1),
            linger: Duration::from_secs(2),
            watched_idle: Duration::from_secs(120),
            shunted_idle: Duration::from_secs(300),
            transcript_bytes: 2 << 20,
            transcript_records: 256,
            preamble_bytes: 2_048,
            closed_flows: 1 << 18,
            kept_cleartexts: 4_096,
            search_bytes: 64 << 10,
            search_bytes_unknown: 4 << 10,
            search_bytes_proxied: 16 << 20,
            alerts: 32,
            history: 256,
            message_bytes: 1 << 20,
            datagram_messages: 64,
            pieces: 2_048,
            quic_keys: 24,
            quic_early_packets: 32,
            chain_length: 16,
            chain_signatures: 40,
            completion_signatures: 4_096,
            cached_certificates: 65_536,
            cached_chains: 65_536,
            cached_certificate_bytes: 128 << 20,
            cached_offers: 65_536,
            cached_judgements: 8_192,
            cached_worker_bytes: 32 << 20,
            census_hosts: 1 << 20,
            census_servers: 1 << 18,
            census_edges: 1 << 22,
            census_list_bytes: 768 << 20,
            census_values: 1 << 20,
            census_value_bytes: 256 << 20,
            host_stacks: 512,
            named_addresses: 1 << 18,
            address_names: 8,
            names_remembered: 1 << 16,
            name_requests: 4_096,
            host_macs: 8,
            stack_edges: 16_384,
            stack_bins: 1_024,
            edge_evidence: 64,
            edge_attempts: 8,
        }
    }
}
