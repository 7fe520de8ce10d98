//! Hand-made records for tests.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::packet::{Address, Mac};
use crate::record::{Alert, AlertBody, Evasion, FlowRecord, Outcome, Peer, Seen, Sides};
use crate::tls::codepoint::{
    AlertDescription, CipherSuite, ExtensionType, NamedGroup, ProtocolVersion, SignatureScheme,
};
use crate::tls::hello::{ClientHello, Offer, OfferId, ServerHello, SessionId};
use crate::tls::{Role, Transport};
use crate::x509::Certificate;
use crate::x509::chain::{ChainReport, ChainStatus};

/// 2026-03-01T08:00:00Z, when all samples begin.
pub(crate) const START: u64 = 1_772_352_000;

/// A client whose highest version is this, with these suites.
pub(crate) fn offer(max: ProtocolVersion, suites: &[u16]) -> Offer {
    let modern = max == ProtocolVersion::TLS1_3;
    let curves = suites.iter().any(|suite| suite >> 8 == 0xc0 || suite >> 8 == 0x13);
    let mut id = [0; 16];
    for (at, byte) in max.0.to_be_bytes().into_iter().enumerate() {
        id[at] = byte;
    }
    for (suite, byte) in suites.iter().zip(&mut id[2..]) {
        let [high, low] = suite.to_be_bytes();
        *byte = low.rotate_left(3) ^ high;
    }
    let ja4 = format!("t{}d{:02}05h2_{:012x}_{:012x}", digits(max), suites.len(), id[2], id[3]);
    Offer {
        legacy_version: max.min(ProtocolVersion::TLS1_2),
        supported_versions: modern.then(|| vec![max, ProtocolVersion::TLS1_2]),
        cipher_suites: suites.iter().copied().map(CipherSuite::new).collect(),
        extensions: vec![ExtensionType::SERVER_NAME, ExtensionType::SUPPORTED_GROUPS],
        groups: curves.then(|| vec![NamedGroup::X25519, NamedGroup::SECP256R1]),
        signature_algorithms: (max >= ProtocolVersion::TLS1_2).then(|| {
            vec![SignatureScheme::RSA_PKCS1_SHA256, SignatureScheme::ECDSA_SECP256R1_SHA256]
        }),
        compression_methods: vec![0],
        ja3_raw: format!("{},{}", max.0, suites.len()),
        ja3: format!("{:02x}{:030x}", id[2], suites.len()),
        ja4,
        id: OfferId(id),
        ..Offer::default()
    }
}

fn digits(version: ProtocolVersion) -> &'static str {
    match version {
        ProtocolVersion::TLS1_3 => "13",
        ProtocolVersion::TLS1_2 => "12",
        ProtocolVersion::TLS1_1 => "11",
        _ => "10",
    }
}

/// Offers that the samples use, by what they are.
pub(crate) fn modern() -> Arc<Offer> {
    Arc::new(offer(ProtocolVersion::TLS1_3, &[0x1301, 0x1302, 0xc02f, 0xc030, 0x002f]))
}

/// TLS 1.2 with nothing but what a TLS 1.2 policy of today refuses.
pub(crate) fn wrong_suites() -> Arc<Offer> {
    Arc::new(offer(ProtocolVersion::TLS1_2, &[0x003c, 0x002f, 0x0035]))
}

/// TLS 1.0.
pub(crate) fn legacy() -> Arc<Offer> {
    Arc::new(offer(ProtocolVersion::TLS1_0, &[0xc013, 0x002f]))
}

/// A record under construction: an established connection of 10.0.0.`client` with
/// 203.0.113.`server`:443.
pub(crate) struct Sample(pub(crate) FlowRecord);

impl Sample {
    pub(crate) fn new(client: u8, server: u8) -> Self {
        let peer = |ip, port, last: u8| Peer { ip, port, mac: Some(Mac([2, 0, 0, 0, 0, last])) };
        Self(FlowRecord {
            ts: Timestamp::new(START, 0),
            sensor: "span-a".into(),
            source: "monday.pcap".into(),
            community_id: None,
            transport: Transport::Tcp,
            application: None,
            starttls: false,
            vlan: Vec::new(),
            tunnel: Vec::new(),
            client: peer(Address::v4([10, 0, 0, client]), 50_000, client),
            server: peer(Address::v4([203, 0, 113, server]), 443, 0xff),
            target: None,
            client_hello: None,
            server_hello: None,
            certificates: Vec::new(),
            chain_cut: false,
            client_certificates: Vec::new(),
            certificate_requested: false,
            chain: ChainReport::unseen(ChainStatus::NotSeen).into(),
            alerts: Vec::new(),
            resumed: false,
            outcome: Outcome::Established,
            handshake_time: Some(Duration::from_millis(12)),
            history: "CSXKNGIFif".into(),
            seen: Seen {
                client_bytes: 517,
                server_bytes: 4_211,
                gaps: 0,
                sides: Sides::Both,
                truncated: false,
            },
            evasion: Evasion::default(),
        })
    }

    /// So many milliseconds after the start.
    pub(crate) fn at(mut self, ms: u64) -> Self {
        self.0.ts = Timestamp::from_nanos(START * 1_000_000_000 + ms * 1_000_000);
        self
    }

    pub(crate) fn offers(mut self, offer: &Arc<Offer>) -> Self {
        self.0.client_hello = Some(ClientHello {
            offer: Arc::clone(offer),
            server_name: None,
            session_id: SessionId::default(),
            offers_resumption: false,
            early_data: false,
        });
        self
    }

    /// After [`Sample::offers`].
    pub(crate) fn asks_for(mut self, name: &str) -> Self {
        self.0.client_hello.as_mut().unwrap().server_name = Some(name.into());
        self
    }

    pub(crate) fn chooses(mut self, version: ProtocolVersion, suite: u16) -> Self {
        self.0.server_hello = Some(Arc::new(ServerHello {
            version,
            cipher_suite: Some(CipherSuite::new(suite)),
            group: (suite >> 8 != 0).then_some(NamedGroup::X25519),
            ..ServerHello::default()
        }));
        self
    }

    /// The server refuses in place of a ServerHello.
    pub(crate) fn refused(mut self, description: AlertDescription) -> Self {
        self.0.alerts =
            vec![Alert { from: Role::Server, body: AlertBody::Plain { fatal: true, description } }];
        self.0.outcome = Outcome::Refused;
        if self.0.server_hello.is_none() {
            self.0.history = "Cl".into();
        }
        self.0.handshake_time = None;
        self
    }

    pub(crate) fn sends(mut self, certificates: &[Arc<Certificate>]) -> Self {
        self.0.certificates = certificates.to_vec();
        self
    }

    pub(crate) fn port(mut self, port: u16) -> Self {
        self.0.server.port = port;
        self
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut FlowRecord)) -> Self {
        change(&mut self.0);
        self
    }
}
