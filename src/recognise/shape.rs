//! The shape of a hello: which extensions, in which order, with which curves and point formats.
//!
//! Every TLS stack builds its hello by its own code, which leaves marks that versions and settings
//! change little. A shape names a family, no program.

use super::Confidence;
use crate::tls::codepoint::{CipherSuite, ExtensionType, NamedGroup, ProtocolVersion, is_grease};
use crate::tls::hello::Offer;

/// A TLS stack, with all that is built on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Windows.
    Schannel,
    /// Chromium, Android, Apple systems since 2019.
    BoringSsl,
    /// Firefox and Thunderbird; Chromium until 2014.
    Nss,
    /// OpenSSL and what was made of it.
    OpenSsl,
    /// Java.
    Jsse,
    /// Go.
    Go,
    /// GnuTLS.
    GnuTls,
    /// Apple systems until 2019.
    SecureTransport,
    /// rustls.
    Rustls,
}

impl Family {
    /// Every family.
    pub const ALL: &[Self] = &[
        Self::Schannel,
        Self::BoringSsl,
        Self::Nss,
        Self::OpenSsl,
        Self::Jsse,
        Self::Go,
        Self::GnuTls,
        Self::SecureTransport,
        Self::Rustls,
    ];

    /// The word in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Schannel => "schannel",
            Self::BoringSsl => "boringssl",
            Self::Nss => "nss",
            Self::OpenSsl => "openssl",
            Self::Jsse => "jsse",
            Self::Go => "go",
            Self::GnuTls => "gnutls",
            Self::SecureTransport => "securetransport",
            Self::Rustls => "rustls",
        }
    }

    /// What runs on it, in words.
    pub(super) const fn software(self) -> &'static str {
        match self {
            Self::Schannel => "a Windows program (Schannel)",
            Self::BoringSsl => "Chromium, Android or an Apple system (BoringSSL)",
            Self::Nss => "Firefox, Thunderbird or an old Chromium (NSS)",
            Self::OpenSsl => "a program on OpenSSL or LibreSSL",
            Self::Jsse => "Java",
            Self::Go => "a program in Go",
            Self::GnuTls => "a program on GnuTLS",
            Self::SecureTransport => "macOS or iOS (Secure Transport)",
            Self::Rustls => "a program in Rust (rustls)",
        }
    }
}

/// Software that a shape names beyond the family.
#[derive(Clone, Copy, Debug)]
pub(super) struct Named {
    pub(super) name: &'static str,
    pub(super) confidence: Confidence,
    pub(super) remediation: &'static [&'static str],
}

/// What the shape of a hello says.
#[derive(Clone, Debug, Default)]
pub(super) struct Shape {
    /// The family, if the marks name one.
    pub(super) family: Option<Family>,
    /// The marks.
    pub(super) clues: Vec<&'static str>,
    /// Software of the family that has marks of its own.
    pub(super) named: Vec<Named>,
}

impl Shape {
    fn is(family: Family, clue: &'static str) -> Self {
        Self { family: Some(family), clues: vec![clue], named: Vec::new() }
    }

    fn named(
        mut self,
        name: &'static str,
        confidence: Confidence,
        remediation: &'static [&'static str],
    ) -> Self {
        self.named.push(Named { name, confidence, remediation });
        self
    }
}

const SNI: u16 = ExtensionType::SERVER_NAME.0;
const STATUS: u16 = ExtensionType::STATUS_REQUEST.0;
const STATUS_V2: u16 = ExtensionType::STATUS_REQUEST_V2.0;
const GROUPS: u16 = ExtensionType::SUPPORTED_GROUPS.0;
const POINTS: u16 = ExtensionType::EC_POINT_FORMATS.0;
const SIGNATURES: u16 = ExtensionType::SIGNATURE_ALGORITHMS.0;
const SIGNATURES_CERT: u16 = ExtensionType::SIGNATURE_ALGORITHMS_CERT.0;
const HEARTBEAT: u16 = ExtensionType::HEARTBEAT.0;
const ALPN: u16 = ExtensionType::ALPN.0;
const SCT: u16 = ExtensionType::SIGNED_CERTIFICATE_TIMESTAMP.0;
const ETM: u16 = ExtensionType::ENCRYPT_THEN_MAC.0;
const EMS: u16 = ExtensionType::EXTENDED_MASTER_SECRET.0;
const TICKET: u16 = ExtensionType::SESSION_TICKET.0;
const SIZE_LIMIT: u16 = ExtensionType::RECORD_SIZE_LIMIT.0;
const KEY_SHARE: u16 = ExtensionType::KEY_SHARE.0;
const VERSIONS: u16 = ExtensionType::SUPPORTED_VERSIONS.0;
const PSK_MODES: u16 = ExtensionType::PSK_KEY_EXCHANGE_MODES.0;
const NPN: u16 = ExtensionType::NEXT_PROTOCOL_NEGOTIATION.0;
const RENEGOTIATION: u16 = ExtensionType::RENEGOTIATION_INFO.0;
const CHANNEL_ID: u16 = ExtensionType::CHANNEL_ID.0;

/// A hello as its marks are looked for: GREASE and paddings removed.
pub(super) struct Marks<'a> {
    offer: &'a Offer,
    extensions: Vec<u16>,
    grease: bool,
}

impl<'a> Marks<'a> {
    pub(super) fn of(offer: &'a Offer) -> Self {
        let codes = || offer.extensions.iter().map(|extension| extension.0);
        let grease = codes().any(is_grease)
            || offer.cipher_suites.iter().any(|suite| suite.code().is_some_and(is_grease));
        let padding = |code: &u16| *code != ExtensionType::PADDING.0 && !is_grease(*code);
        Self { offer, extensions: codes().filter(padding).collect(), grease }
    }

    pub(super) fn has(&self, extension: u16) -> bool {
        self.extensions.contains(&extension)
    }

    fn suite(&self, code: u16) -> bool {
        self.offer.cipher_suites.contains(&CipherSuite::new(code))
    }

    fn group(&self, group: NamedGroup) -> bool {
        self.offer.groups.as_ref().is_some_and(|groups| groups.contains(&group))
    }

    fn at(&self, extension: u16) -> Option<usize> {
        self.extensions.iter().position(|code| *code == extension)
    }

    /// Both are there, one before the other.
    fn ordered(&self, first: u16, second: u16) -> bool {
        self.at(first).zip(self.at(second)).is_some_and(|(first, second)| first < second)
    }

    /// The one directly before the other.
    fn adjacent(&self, first: u16, second: u16) -> bool {
        self.at(first).zip(self.at(second)).is_some_and(|(first, second)| first + 1 == second)
    }

    /// The renegotiation SCSV stands in the list of suites.
    fn scsv_first(&self) -> bool {
        self.offer.cipher_suites.first() == Some(&CipherSuite::RENEGOTIATION_SCSV)
    }

    fn scsv_last(&self) -> bool {
        self.offer.cipher_suites.last() == Some(&CipherSuite::RENEGOTIATION_SCSV)
    }

    /// It draws random values from the reserved ones.
    pub(super) const fn has_grease(&self) -> bool {
        self.grease
    }

    /// Nothing in it that Schannel does not send.
    pub(super) fn fits_schannel(&self) -> bool {
        let known = |code: &u16| {
            let plain = [SNI, STATUS, GROUPS, POINTS, SIGNATURES, TICKET, ALPN, EMS, NPN];
            // Token binding (24, an earlier number 21760) came and went with Windows 10.
            let later = [24, 21760, RENEGOTIATION, VERSIONS, KEY_SHARE, PSK_MODES, SIGNATURES_CERT];
            let more = [ExtensionType::POST_HANDSHAKE_AUTH.0, ExtensionType::PRE_SHARED_KEY.0];
            plain.contains(code) || later.contains(code) || more.contains(code)
        };
        !self.grease
            && self.extensions.iter().all(known)
            && self.offer.point_formats.iter().all(|format| *format == 0)
            && !self.scsv_first()
    }
}

/// The first family whose marks a hello bears.
pub(super) fn of(marks: &Marks<'_>) -> Shape {
    let rules = [
        sslv2_format,
        boringssl_grease,
        jsse,
        gnutls,
        openssl,
        rustls,
        secure_transport,
        nss_or_early_boringssl,
        go,
        boringssl_early,
        schannel,
        bare,
    ];
    rules.into_iter().find_map(|rule| rule(marks)).unwrap_or_default()
}

fn sslv2_format(marks: &Marks<'_>) -> Option<Shape> {
    if !marks.offer.sslv2_format {
        return None;
    }
    // Windows XP has no AES; Java and old OpenSSL do.
    Some(if marks.suite(0x002f) {
        Shape::is(Family::Jsse, "a hello in the format of SSL 2.0 that offers AES").named(
            "Java 6 or 7, or OpenSSL 0.9.8",
            Confidence::Low,
            &["java-upgrade", "openssl-upgrade", "java-client-protocols"],
        )
    } else {
        Shape::is(Family::Schannel, "a hello in the format of SSL 2.0 without AES").named(
            "Windows XP, Windows Server 2003",
            Confidence::Low,
            &["windows-upgrade"],
        )
    })
}

fn boringssl_grease(marks: &Marks<'_>) -> Option<Shape> {
    if !marks.grease {
        return None;
    }
    let shape = Shape::is(Family::BoringSsl, "GREASE values");
    let browser = [
        ExtensionType::APPLICATION_SETTINGS.0,
        ExtensionType::APPLICATION_SETTINGS_OLD.0,
        CHANNEL_ID,
    ];
    Some(if browser.into_iter().any(|extension| marks.has(extension)) {
        shape.named(
            "Chromium, Chrome, Edge, Opera, Android WebView",
            Confidence::Medium,
            &["browser-upgrade", "browser-enable-tls12"],
        )
    } else if marks.group(NamedGroup::SECP521R1) && !marks.has(TICKET) {
        shape.named(
            "Safari and other programs on macOS and iOS",
            Confidence::Medium,
            &["apple-upgrade"],
        )
    } else {
        shape
    })
}

fn jsse(marks: &Marks<'_>) -> Option<Shape> {
    if marks.has(STATUS_V2) && (marks.has(SIGNATURES_CERT) || marks.at(GROUPS) == Some(0)) {
        return Some(Shape::is(Family::Jsse, "status_request_v2, which only Java sends"));
    }
    let early = marks.at(GROUPS) == Some(0) && marks.at(POINTS) == Some(1) && marks.scsv_last();
    early.then(|| {
        Shape::is(Family::Jsse, "supported_groups first, and the renegotiation SCSV as last suite")
    })
}

fn gnutls(marks: &Marks<'_>) -> Option<Shape> {
    // NSS has the limit too, and begins with server_name; GnuTLS puts that after renegotiation_info.
    let own_order = marks.ordered(RENEGOTIATION, SNI) || marks.at(STATUS) == Some(0);
    let limits = marks.has(SIZE_LIMIT) && (marks.has(ETM) || own_order);
    // ECDHE_ECDSA with AES-256-CCM is in no other stack's default list beside one point format.
    let ccm = marks.has(ETM) && marks.suite(0xc0ad) && marks.offer.point_formats == [0];
    (limits || (ccm && !marks.adjacent(POINTS, GROUPS))).then(|| {
        Shape::is(
            Family::GnuTls,
            "record_size_limit, or CCM suites beside encrypt_then_mac, in the order of GnuTLS",
        )
    })
}

fn openssl(marks: &Marks<'_>) -> Option<Shape> {
    let points = marks.offer.point_formats == [0, 1, 2] && marks.adjacent(POINTS, GROUPS);
    let later = marks.has(ETM) && marks.adjacent(POINTS, GROUPS) && marks.adjacent(ETM, EMS);
    let libre = marks.adjacent(POINTS, GROUPS)
        && marks.adjacent(GROUPS, TICKET)
        && (marks.adjacent(TICKET, SIGNATURES) || marks.adjacent(TICKET, NPN))
        && !marks.has(RENEGOTIATION);
    if !(points || later || libre) {
        // A hello without curves has neither extension; the order of the others remains.
        let bare = !marks.has(GROUPS) && marks.adjacent(TICKET, ETM) && marks.adjacent(ETM, EMS);
        let clue = "session_ticket, encrypt_then_mac and extended_master_secret in this order";
        return bare.then(|| Shape::is(Family::OpenSsl, clue));
    }
    let mut shape = Shape::is(Family::OpenSsl, "ec_point_formats before supported_groups");
    if points {
        shape.clues.push("compressed point formats");
    }
    if marks.has(HEARTBEAT) {
        shape.clues.push("heartbeat");
        shape = shape.named(
            "OpenSSL 1.0.1, 1.0.2",
            Confidence::Medium,
            &["openssl-upgrade", "openssl-min-protocol", "client-enable-ecdhe"],
        );
    } else if !points && !later {
        shape = shape.named(
            "LibreSSL, Android 4.4",
            Confidence::Low,
            &["openssl-upgrade", "android-upgrade"],
        );
    }
    Some(shape)
}

fn rustls(marks: &Marks<'_>) -> Option<Shape> {
    let mut suites = marks
        .offer
        .cipher_suites
        .iter()
        .filter_map(|suite| suite.code())
        .filter(|code| code >> 8 != 0x13);
    let aead = [0xc02c, 0xc02b, 0xcca9, 0xc030, 0xc02f, 0xcca8, 0x00ff];
    let exact = aead.iter().all(|code| suites.next() == Some(*code)) && suites.next().is_none();
    exact.then(|| Shape::is(Family::Rustls, "the seven suites of rustls below TLS 1.3"))
}

fn secure_transport(marks: &Marks<'_>) -> Option<Shape> {
    // Its order: server_name, groups, point formats; RC4 and 3DES over ECDHE, never Camellia.
    let begins = marks.at(GROUPS) == marks.at(SNI).map_or(Some(0), |_| Some(1));
    let camellia = marks.suite(0x0088) || marks.suite(0x0045) || marks.suite(0x0087);
    let limited = !marks.has(TICKET) && !marks.has(RENEGOTIATION);
    let begins = begins && marks.adjacent(GROUPS, POINTS) && limited && !camellia;
    let old = !marks.has(SIGNATURES) && marks.suite(0xc007);
    (begins && (marks.scsv_first() || old)).then(|| {
        Shape::is(
            Family::SecureTransport,
            "no session ticket, and the renegotiation SCSV as first suite",
        )
    })
}

fn nss_or_early_boringssl(marks: &Marks<'_>) -> Option<Shape> {
    let tail = marks.adjacent(RENEGOTIATION, GROUPS) || (marks.scsv_first() && marks.has(GROUPS));
    if !tail || !marks.adjacent(GROUPS, POINTS) {
        return None;
    }
    // Both begin alike; NSS offers secp521r1, and puts the signature algorithms after TLS 1.3's.
    let p521 = marks.group(NamedGroup::SECP521R1);
    let late_signatures = marks.ordered(VERSIONS, SIGNATURES);
    let early_signatures =
        marks.ordered(SIGNATURES, VERSIONS) || marks.ordered(SIGNATURES, KEY_SHARE);
    Some(if (p521 && !early_signatures) || late_signatures {
        let shape = Shape::is(Family::Nss, "renegotiation_info before supported_groups, secp521r1");
        let google = [CHANNEL_ID, 30031].into_iter().any(|extension| marks.has(extension));
        let upgrade = &["browser-upgrade", "browser-enable-tls12"];
        if google {
            shape.named("Chromium and Chrome until version 38", Confidence::Medium, upgrade)
        } else {
            shape.named("Firefox, Thunderbird, Tor Browser", Confidence::Medium, upgrade)
        }
    } else {
        Shape::is(Family::BoringSsl, "renegotiation_info before supported_groups, no secp521r1")
    })
}

fn go(marks: &Marks<'_>) -> Option<Shape> {
    let begins = marks.adjacent(STATUS, GROUPS) && marks.adjacent(GROUPS, POINTS);
    // Below TLS 1.2 it states no signature algorithms; Schannel, alike so far, never asks for
    // certificate timestamps.
    if begins && marks.adjacent(POINTS, RENEGOTIATION) && marks.ordered(RENEGOTIATION, SCT) {
        let clue = "renegotiation_info directly after the point formats, certificate timestamps";
        return Some(Shape::is(Family::Go, clue));
    }
    let order = begins
        && marks.ordered(POINTS, SIGNATURES)
        && (marks.adjacent(SIGNATURES, RENEGOTIATION)
            || marks.adjacent(SIGNATURES_CERT, RENEGOTIATION))
        && (marks.has(SCT) || marks.ordered(RENEGOTIATION, VERSIONS));
    order.then(|| {
        Shape::is(Family::Go, "renegotiation_info directly after the signature algorithms")
    })
}

fn boringssl_early(marks: &Marks<'_>) -> Option<Shape> {
    let at_end = marks.ordered(SIGNATURES, POINTS)
        && (marks.adjacent(POINTS, GROUPS) || marks.ordered(POINTS, KEY_SHARE));
    at_end.then(|| Shape::is(Family::BoringSsl, "signature algorithms before the point formats"))
}

/// A Windows program whose suites are not documented: its order was configured, or it is a phone.
fn schannel(marks: &Marks<'_>) -> Option<Shape> {
    let last = marks.extensions.len().checked_sub(1);
    let ends = marks.at(RENEGOTIATION);
    let ordered = ends.is_some() && (ends == Some(0) || ends == last);
    // Windows XP sends nothing but this one, with the two 1024-bit export suites.
    let old = marks.extensions == [RENEGOTIATION] && (marks.suite(0x0062) || marks.suite(0x0064));
    let curves = marks.adjacent(GROUPS, POINTS) && !marks.ordered(GROUPS, STATUS);
    (marks.fits_schannel() && !marks.scsv_last() && ordered && (curves || old)).then(|| {
        Shape::is(
            Family::Schannel,
            "extensions in the order of Schannel; its suites are not documented",
        )
    })
}

fn bare(marks: &Marks<'_>) -> Option<Shape> {
    let bare = marks.extensions.iter().all(|code| matches!(*code, SNI | TICKET));
    (bare && marks.scsv_last()).then(|| {
        Shape::is(Family::OpenSsl, "nearly no extension, and the renegotiation SCSV as last suite")
            .named(
                "OpenSSL 0.9.8, or an old Android, Python or appliance with it",
                Confidence::Low,
                &["openssl-upgrade", "python-upgrade", "android-upgrade", "device-firmware"],
            )
    })
}

/// Which kind of Windows program sends such a hello: documented ids of runtimes, with the mark.
pub(super) fn windows_programs(
    marks: &Marks<'_>,
    highest: Option<ProtocolVersion>,
) -> (&'static [&'static str], &'static str) {
    if highest > Some(ProtocolVersion::TLS1_1) {
        return (&[], "");
    }
    if marks.has(STATUS) || marks.has(ALPN) {
        (
            &["winhttp-win7", "ie-wininet", "outlook-windows"],
            "status_request or ALPN, as WinHTTP and WinINet send them",
        )
    } else {
        (
            &["dotnet-4.5", "dotnet-3.5", "dotnet-4.0", "powershell-5.1"],
            "neither status_request nor ALPN, as .NET Framework programs do",
        )
    }
}

/// Whether the documented defaults of a family's older releases may be meant. Go states
/// supported_versions since 1.12, whatever its highest: a program that was told to offer less.
pub(super) fn may_be_older(marks: &Marks<'_>, family: Family) -> bool {
    family != Family::Go || !marks.has(VERSIONS)
}

/// Whether the hello carries a session ticket extension, which Windows 7 and older never send.
pub(super) fn has_ticket(marks: &Marks<'_>) -> bool {
    marks.has(TICKET)
}
