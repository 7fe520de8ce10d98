//! [`HandshakeSummary`]: the facts of one handshake, from its [`Event`]s.
//!
//! Tolerant of everything: any message may be missing, come twice, or come from an end that was not
//! expected to send it. What was not seen is absent from the summary; nothing is guessed.

use std::sync::Arc;
use std::time::Duration;

use super::codepoint::{
    AlertDescription, CipherSuite, HandshakeType, KeyExchange, NamedGroup, ProtocolVersion,
};
use super::early::{EarlyData, FINISHED_BODY};
use super::hello::{ClientHello, ServerHello, SessionId};
use super::message::{Event, What};
use super::parse::{self, HelloParser};
use super::{Role, Transport, sslv2};
use crate::bytes::Reader;
use crate::clock::Timestamp;
use crate::flow::Side;
use crate::limits::Limits;

/// The facts of one handshake. `C` is what a certificate is for the caller.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Clone, Debug)]
pub struct HandshakeSummary<C> {
    /// The end that is the client.
    pub client: Side,
    /// Its first hello.
    pub client_hello: Option<ClientHello>,
    /// The server's answer.
    pub server_hello: Option<Arc<ServerHello>>,
    /// The server's certificates, in the order sent.
    pub certificates: Vec<C>,
    /// The client's.
    pub client_certificates: Vec<C>,
    /// The server asked for a certificate.
    pub certificate_requested: bool,
    /// Alerts, in order.
    pub alerts: Vec<Alert>,
    /// An earlier session was resumed.
    pub resumed: bool,
    /// How it ended.
    pub outcome: Outcome,
    /// When its first byte was seen.
    pub begun: Timestamp,
    /// From the ClientHello's last byte to the byte that made it established.
    pub took: Option<Duration>,
    /// One letter a message, capitals for the client, as Zeek's `ssl_history` has them.
    pub history: String,
    /// A message was not wholly seen.
    pub truncated: bool,
    /// The one with the server's certificates was not.
    pub chain_cut: bool,
    /// Pieces of what the client, or the server, sent contradict each other.
    pub contradicted: [bool; 2],
}

/// An alert at handshake time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Alert {
    /// Who sent it.
    pub from: Role,
    /// What it says.
    pub body: AlertBody,
}

/// What can be read of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AlertBody {
    /// In the clear.
    Plain {
        /// It ends the connection.
        fatal: bool,
        /// Why.
        description: AlertDescription,
    },
    /// A TLS 1.3 record of an alert's size, followed by the end.
    Encrypted,
}

impl Alert {
    /// Why the handshake ended, if this alert ended it and says so in the clear.
    pub const fn fatal(self) -> Option<AlertDescription> {
        match self.body {
            AlertBody::Plain { fatal: true, description } => Some(description),
            _ => None,
        }
    }
}

/// How a handshake ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// Both sides sent encrypted data after their part of the handshake.
    Established,
    /// A fatal alert before that.
    Refused,
    /// RST or FIN before that.
    Reset,
    /// All else: it was not seen to end.
    Incomplete,
}

impl Outcome {
    /// The word in records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Established => "established",
            Self::Refused => "refused",
            Self::Reset => "reset",
            Self::Incomplete => "incomplete",
        }
    }
}

/// What the flow below knows that the events do not show.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances {
    /// What TLS ran over.
    pub transport: Transport,
    /// The end that opened the connection, if that was seen.
    pub initiator: Option<Side>,
    /// The end that has the lower port number.
    pub lower_port: Side,
    /// The connection was closed or reset.
    pub closed: bool,
}

/// Read a handshake. `None` if the events hold no handshake message and no alert in the clear.
pub fn read<C>(
    events: &[Event<'_>],
    circumstances: Circumstances,
    parser: &mut HelloParser,
    limits: &Limits,
    certificate: &mut impl FnMut(&[u8]) -> C,
) -> Option<HandshakeSummary<C>> {
    let told = |event: &&Event<'_>| {
        matches!(event.what, What::Message { .. } | What::SslV2(_) | What::Alert { .. })
    };
    events.iter().find(told)?;
    let mut reading = Reading {
        parser,
        limits,
        transport: circumstances.transport,
        client: client(events, circumstances),
        summary: HandshakeSummary {
            client: Side::Low,
            client_hello: None,
            server_hello: None,
            certificates: Vec::new(),
            client_certificates: Vec::new(),
            certificate_requested: false,
            alerts: Vec::new(),
            resumed: false,
            outcome: Outcome::Incomplete,
            begun: events.iter().map(|event| event.begun).min().unwrap_or_default(),
            took: None,
            history: String::with_capacity(16),
            truncated: false,
            chain_cut: false,
            contradicted: [false; 2],
        },
        progress: [Progress::default(), Progress::default()],
        session_id: SessionId::default(),
        hello_at: None,
        established: None,
        refused: false,
        late_alerts: Vec::new(),
        early: EarlyData::default(),
    };
    for event in events {
        reading.event(event, certificate);
    }
    Some(reading.finish(circumstances.closed))
}

/// Which end is the client: the one that says so, else the one that the other end's part leaves,
/// else the one that opened the connection.
fn client(events: &[Event<'_>], circumstances: Circumstances) -> Side {
    use HandshakeType as H;
    let sender = |wanted: &[H], sslv2_wanted: u8| {
        events.iter().find(|event| match &event.what {
            What::Message { kind, .. } => wanted.contains(kind),
            What::SslV2(message) => message.first() == Some(&sslv2_wanted),
            _ => false,
        })
    };
    let by_client = [H::CLIENT_KEY_EXCHANGE, H::CERTIFICATE_VERIFY, H::END_OF_EARLY_DATA];
    let by_server = [
        H::SERVER_KEY_EXCHANGE,
        H::SERVER_HELLO_DONE,
        H::CERTIFICATE_REQUEST,
        H::CERTIFICATE_STATUS,
        H::HELLO_VERIFY_REQUEST,
        H::HELLO_RETRY_REQUEST_DRAFT,
        H::NEW_SESSION_TICKET,
        H::HELLO_REQUEST,
    ];
    sender(&[H::CLIENT_HELLO], sslv2::message::CLIENT_HELLO)
        .map(|event| event.side)
        .or_else(|| {
            sender(&[H::SERVER_HELLO], sslv2::message::SERVER_HELLO).map(|event| event.side.other())
        })
        .or_else(|| sender(&by_client, sslv2::message::CLIENT_MASTER_KEY).map(|event| event.side))
        .or_else(|| sender(&by_server, 0).map(|event| event.side.other()))
        .or(circumstances.initiator)
        .or_else(|| sender(&[H::CERTIFICATE], 0).map(|event| event.side.other()))
        .unwrap_or_else(|| circumstances.lower_port.other())
}

struct Reading<'p, C> {
    parser: &'p mut HelloParser,
    limits: &'p Limits,
    transport: Transport,
    client: Side,
    summary: HandshakeSummary<C>,
    /// The client's, then the server's.
    progress: [Progress; 2],
    /// That of the server's answer.
    session_id: SessionId,
    hello_at: Option<Timestamp>,
    established: Option<Timestamp>,
    refused: bool,
    /// Where in the history an encrypted alert stands that came after its end's part of the
    /// handshake.
    late_alerts: Vec<usize>,
    early: EarlyData,
}

/// How far one end has come.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, in any combination")]
struct Progress {
    changed_cipher: bool,
    /// An encrypted record that can only come after its part of the handshake.
    settled: bool,
    encrypted: bool,
    /// Body size of the last encrypted record of TLS 1.3.
    last_size: Option<u16>,
    key_exchange: bool,
    done: bool,
    lost: bool,
}

impl<C> Reading<'_, C> {
    fn role(&self, side: Side) -> Role {
        if side == self.client { Role::Client } else { Role::Server }
    }

    const fn progress(&mut self, role: Role) -> &mut Progress {
        let [client, server] = &mut self.progress;
        match role {
            Role::Client => client,
            Role::Server => server,
        }
    }

    fn letter(&mut self, role: Role, letter: char) {
        if self.summary.history.len() >= self.limits.history {
            self.summary.truncated = true;
            return;
        }
        self.summary.history.push(match role {
            Role::Client => letter,
            Role::Server => letter.to_ascii_lowercase(),
        });
    }

    fn event(&mut self, event: &Event<'_>, certificate: &mut impl FnMut(&[u8]) -> C) {
        let role = self.role(event.side);
        match &event.what {
            What::Message { kind, body, whole } => {
                self.summary.truncated |= !whole;
                self.message(role, *kind, body, *whole, event.ended, certificate);
            }
            What::SslV2(message) => self.sslv2(role, message, event.ended, certificate),
            What::Alert { level, description } => {
                self.letter(role, 'L');
                let fatal = *level != 1;
                let ends = fatal && self.established.is_none();
                if self.summary.alerts.len() < self.limits.alerts || ends && !self.refused {
                    let description = AlertDescription(*description);
                    let body = AlertBody::Plain { fatal, description };
                    self.summary.alerts.push(Alert { from: role, body });
                } else {
                    self.summary.truncated = true;
                }
                self.refused |= ends;
            }
            What::ChangeCipherSpec => {
                self.letter(role, 'I');
                self.progress(role).changed_cipher = true;
            }
            What::Encrypted { content_type, size } => {
                self.encrypted(role, *content_type, *size, event.ended);
            }
            What::Lost => {
                self.summary.truncated = true;
                self.progress(role).lost = true;
            }
            What::Contradicted => {
                let [client, server] = &mut self.summary.contradicted;
                *(if role == Role::Client { client } else { server }) = true;
            }
        }
    }

    fn message(
        &mut self,
        role: Role,
        kind: HandshakeType,
        body: &[u8],
        whole: bool,
        at: Timestamp,
        certificate: &mut impl FnMut(&[u8]) -> C,
    ) {
        use HandshakeType as H;
        let hello = match kind {
            H::SERVER_HELLO => self.parser.server_hello(body, whole),
            H::HELLO_RETRY_REQUEST_DRAFT => parse::draft_hello_retry_request(body)
                .map(|hello| (Arc::new(hello), SessionId::default())),
            _ => None,
        };
        let retry =
            kind == H::SERVER_HELLO && hello.as_ref().is_some_and(|(hello, _)| hello.retry_only);
        self.letter(role, if retry { 'J' } else { history_letter(kind) });
        match (role, kind) {
            (Role::Client, H::CLIENT_HELLO) if self.summary.client_hello.is_none() => {
                self.summary.client_hello = self.parser.client_hello(body, self.transport, whole);
                self.hello_at = Some(at);
                // Over QUIC and DTLS early data has packets of its own.
                self.early.announced = self.transport == Transport::Tcp
                    && self.summary.client_hello.as_ref().is_some_and(|hello| hello.early_data);
            }
            (Role::Client, H::CLIENT_HELLO) => self.early.announced = false,
            (Role::Server, H::SERVER_HELLO | H::HELLO_RETRY_REQUEST_DRAFT) => {
                self.server_hello(hello);
            }
            (_, H::CERTIFICATE) => {
                // Of each end the first chain counts; renegotiation is not seen in the clear.
                let chain = match role {
                    Role::Client => &mut self.summary.client_certificates,
                    Role::Server => &mut self.summary.certificates,
                };
                if chain.is_empty() {
                    let (found, complete) = parse::certificates(body, self.limits.chain_length);
                    chain.extend(found.into_iter().map(certificate));
                    self.summary.truncated |= !complete;
                    self.summary.chain_cut |= !complete && role == Role::Server;
                }
            }
            (Role::Server, H::SERVER_KEY_EXCHANGE) => {
                self.progress(role).key_exchange = true;
                self.key_exchange(body);
            }
            (Role::Server, H::CERTIFICATE_REQUEST) => self.summary.certificate_requested = true,
            (Role::Server, H::SERVER_HELLO_DONE) => self.progress(role).done = true,
            (Role::Client, H::CLIENT_KEY_EXCHANGE) => self.progress(role).key_exchange = true,
            _ => {}
        }
    }

    /// A ServerHello after a HelloRetryRequest stands in its place.
    fn server_hello(&mut self, hello: Option<(Arc<ServerHello>, SessionId)>) {
        let Some((mut hello, session_id)) = hello else { return };
        match &self.summary.server_hello {
            None => {}
            Some(retry) if retry.retry_only && !hello.retry_only => {
                Arc::make_mut(&mut hello).hello_retry = true;
            }
            Some(_) => return,
        }
        self.summary.server_hello = Some(hello);
        self.session_id = session_id;
    }

    /// The group of an ECDHE key exchange; other kinds name none.
    fn key_exchange(&mut self, body: &[u8]) {
        let Some(hello) = &mut self.summary.server_hello else { return };
        let suite = hello.cipher_suite.and_then(CipherSuite::info);
        let group = match suite.map(|info| info.key_exchange) {
            Some(KeyExchange::Ecdhe | KeyExchange::EcdhAnon) => parse::ecdhe_group(body),
            Some(KeyExchange::EcdhePsk) => {
                // A PSK identity hint comes first (RFC 5489 §2).
                let mut reader = Reader::new(body);
                reader.sub_u16().and_then(|_| parse::ecdhe_group(reader.rest()))
            }
            _ => None,
        };
        // A group that the hello itself names is not 0, unless a hostile one says so.
        match hello.group.or(group).filter(|group| *group != NamedGroup(0)) {
            same if same == hello.group => {}
            Some(group) => *hello = self.parser.grouped(hello, group),
            None => Arc::make_mut(hello).group = None,
        }
    }

    fn sslv2(
        &mut self,
        role: Role,
        message: &[u8],
        at: Timestamp,
        certificate: &mut impl FnMut(&[u8]) -> C,
    ) {
        let Some((kind, body)) = message.split_first() else { return };
        match (role, *kind) {
            (Role::Client, sslv2::message::CLIENT_HELLO) => {
                self.letter(role, 'C');
                if self.summary.client_hello.is_none() {
                    self.summary.client_hello = self.parser.sslv2_client_hello(body);
                    self.hello_at = Some(at);
                }
            }
            (Role::Client, sslv2::message::CLIENT_MASTER_KEY) => {
                self.letter(role, 'G');
                let hello = self.summary.server_hello.get_or_insert_with(|| {
                    Arc::new(ServerHello {
                        version: ProtocolVersion::SSL2,
                        ..ServerHello::default()
                    })
                });
                Arc::make_mut(hello).cipher_suite = sslv2::client_master_key(body);
            }
            (Role::Server, sslv2::message::SERVER_HELLO) => {
                self.letter(role, 'S');
                let Some(hello) = sslv2::server_hello(body) else { return };
                self.summary.resumed = hello.session_id_hit;
                let chosen = ServerHello { version: hello.version, ..ServerHello::default() };
                self.summary.server_hello = Some(Arc::new(chosen));
                self.summary.certificates.extend(hello.certificate.map(certificate));
            }
            _ => self.letter(role, 'Z'),
        }
    }

    fn encrypted(&mut self, role: Role, content_type: u8, size: u16, at: Timestamp) {
        const ALERT: u8 = 21;
        const HANDSHAKE: u8 = 22;
        const APPLICATION_DATA: u8 = 23;
        let answered = self.summary.server_hello.is_some();
        let tls13 =
            self.summary.server_hello.as_ref().is_some_and(|hello| {
                hello.version.is_tls13() || hello.version.judged_as().is_none()
            });
        // Data before the answer is early data, a retry being none; where no answer was seen that
        // cannot be told, and what both ends send decides.
        let retried = self.summary.server_hello.as_ref().is_some_and(|hello| hello.retry_only);
        let early = role == Role::Client && self.early.announced && (!answered || retried);
        let first = !if early { self.early.seen } else { self.progress(role).encrypted };
        match content_type {
            ALERT => {
                if self.progress(role).settled && self.summary.history.len() < self.limits.history {
                    self.late_alerts.push(self.summary.history.len());
                }
                self.letter(role, 'L');
            }
            HANDSHAKE if first => self.letter(role, 'F'),
            APPLICATION_DATA if first => self.letter(role, 'D'),
            _ => {}
        }
        if early {
            return self.early.before(size, retried, at);
        }
        // Of the client only what can hold its Finished counts: an alert in its place ends the handshake,
        // and early data ends with less (RFC 8446 §4.5).
        let finishes = content_type != APPLICATION_DATA || role == Role::Server || {
            let suite = self.summary.server_hello.as_ref().and_then(|hello| hello.cipher_suite);
            self.early.behind(size, suite)
        };
        let progress = self.progress(role);
        progress.encrypted = true;
        match content_type {
            HANDSHAKE | 0 => progress.settled |= progress.changed_cipher || content_type == 0,
            APPLICATION_DATA => {
                if tls13 || !answered {
                    progress.settled |= finishes;
                }
                progress.last_size = Some(size);
            }
            _ => {}
        }
        let [client, server] = &mut self.progress;
        client.settled |= server.settled && tls13 && self.early.finished.is_some();
        if client.settled && server.settled && self.established.is_none() && !self.refused {
            self.established = Some(self.early.finished.map_or(at, |finished| finished.max(at)));
        }
    }

    fn finish(self, closed: bool) -> HandshakeSummary<C> {
        let [client, server] = &self.progress;
        let mut summary = self.summary;
        summary.client = self.client;
        if let Some(hello) = &summary.server_hello {
            let echoed = !self.session_id.is_empty()
                && summary
                    .client_hello
                    .as_ref()
                    .is_none_or(|client| client.session_id == self.session_id);
            // An abbreviated handshake of TLS ≤ 1.2: the server goes from its hello straight to
            // ChangeCipherSpec (RFC 5246 §7.3); with a ticket the session id may be empty.
            let abbreviated = summary.certificates.is_empty()
                && !server.key_exchange
                && !server.done
                && !server.lost
                && !client.key_exchange
                && server.changed_cipher
                && (echoed || summary.client_hello.as_ref().is_none_or(|c| c.offers_resumption));
            summary.resumed |= if hello.version.is_tls13() {
                hello.accepts_psk
            } else {
                abbreviated && !hello.retry_only
            };
        }
        let tls13 = summary.server_hello.as_ref().is_some_and(|hello| hello.version.is_tls13());
        // What closes a session is as long as an alert that refuses one: only where the handshake was
        // seen up to there does it tell that this was not finished.
        let both_seen = summary.client_hello.is_some() && !client.lost && !server.lost;
        let [client_over, server_over] = self.early.may_be_over();
        let hidden_alert = |progress: &Progress, may_be_over: bool| {
            tls13
                && both_seen
                && !may_be_over
                && progress.last_size.is_some_and(|size| size < FINISHED_BODY)
        };
        let by_client = hidden_alert(client, client_over);
        summary.outcome = if self.established.is_some() {
            Outcome::Established
        } else if self.refused {
            Outcome::Refused
        } else if closed && (by_client || hidden_alert(server, server_over)) {
            let from = if by_client { Role::Client } else { Role::Server };
            summary.alerts.push(Alert { from, body: AlertBody::Encrypted });
            Outcome::Refused
        } else if closed {
            Outcome::Reset
        } else {
            Outcome::Incomplete
        };
        // What closes an established connection is no part of its handshake, and was seen only if
        // the other end's part was captured after it.
        if summary.outcome == Outcome::Established {
            for place in self.late_alerts.into_iter().rev() {
                summary.history.remove(place);
            }
        }
        summary.took = match (self.hello_at, self.established) {
            (Some(hello), Some(established)) => Some(established.since(hello)),
            _ => None,
        };
        summary
    }
}

/// Zeek's letter for a message, as the client's.
const fn history_letter(kind: HandshakeType) -> char {
    use HandshakeType as H;
    match kind {
        H::HELLO_REQUEST => 'H',
        H::CLIENT_HELLO => 'C',
        H::SERVER_HELLO => 'S',
        H::HELLO_VERIFY_REQUEST => 'V',
        H::NEW_SESSION_TICKET => 'T',
        H::END_OF_EARLY_DATA => 'E',
        H::HELLO_RETRY_REQUEST_DRAFT => 'J',
        H::ENCRYPTED_EXTENSIONS => 'O',
        H::CERTIFICATE => 'X',
        H::SERVER_KEY_EXCHANGE => 'K',
        H::CERTIFICATE_REQUEST => 'R',
        H::SERVER_HELLO_DONE => 'N',
        H::CERTIFICATE_VERIFY => 'Y',
        H::CLIENT_KEY_EXCHANGE => 'G',
        H::FINISHED => 'F',
        H::CERTIFICATE_URL => 'W',
        H::CERTIFICATE_STATUS => 'U',
        H::SUPPLEMENTAL_DATA => 'A',
        H::KEY_UPDATE => 'P',
        _ => 'Z',
    }
}
