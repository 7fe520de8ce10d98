//! Every finding there is: its id, how bad it is as a rule, and what it means.

use super::Severity;
use crate::recognise::Fix;

/// Define the catalogue once: ids, severities, explanations.
macro_rules! catalogue {
    ($($variant:ident = $id:literal $severity:ident $title:literal $explanation:literal,)*) => {
        /// A finding's id, stable over versions; the order is that of reports.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum FindingId { $(#[doc = concat!("`", $id, "`: ", $title, ".")] $variant,)* }

        impl FindingId {
            /// Every finding.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The id in records and reports.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $id,)* }
            }

            /// The finding with this id.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($id => Some(Self::$variant),)* _ => None }
            }

            /// How bad it is as a rule.
            pub const fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity,)* }
            }

            /// What it is, in a few words.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }

            /// What it means, for somebody who meets it the first time.
            pub const fn explanation(self) -> &'static str {
                match self { $(Self::$variant => $explanation,)* }
            }
        }
    };
}

catalogue! {
    VersionSsl2 = "version.ssl2" Critical "SSL 2.0 was negotiated"
        "SSL 2.0 protects nothing: its handshake can be altered and its ciphers read (RFC 6176).",
    VersionSsl3 = "version.ssl3" High "SSL 3.0 was negotiated"
        "SSL 3.0 leaks what it encrypts in CBC mode (POODLE) and must not be used (RFC 7568).",
    VersionTls10 = "version.tls1.0" High "TLS 1.0 was negotiated"
        "TLS 1.0 rests on SHA-1 and MD5 and is deprecated (RFC 8996). The end that limits is named: the client if TLS 1.0 is the most that it offers, else the server.",
    VersionTls11 = "version.tls1.1" High "TLS 1.1 was negotiated"
        "TLS 1.1 rests on SHA-1 and MD5 and is deprecated (RFC 8996). The end that limits is named: the client if TLS 1.1 is the most that it offers, else the server.",
    OfferMaxVersion = "offer.max_version" High "the client offers no version of the policy"
        "When the policy is enforced this client can no longer connect, whatever its server does.",
    OfferNoSuite = "offer.no_suite" High "the client offers no suite, group or signature of the policy"
        "The version would do, but nothing that the client offers with it is in the policy: it can no longer connect.",
    OfferSslv2Format = "offer.sslv2_format" High "the client sends its hello in the format of SSL 2.0"
        "Servers may refuse this format even where the versions inside would do (RFC 6176). Old Java and OpenSSL 0.9.8 send it.",
    OfferOneCertificateType = "offer.one_certificate_type" Low "the client can use servers with one kind of certificate only"
        "Of the policy's suites the client offers only those for RSA, or only those for ECDSA certificates: it loses servers that have the other kind.",
    ServerMaxVersion = "server.max_version" High "the server has no version of the policy"
        "It chose less than the client offered, or refused every version of the policy: when the policy is enforced nothing can talk to it.",
    ServerNoSuite = "server.no_suite" High "the server does not choose the policy's suites"
        "It refused every suite of the policy, or chose another suite or group although the client offered one.",
    SuiteTlsRsa = "suite.tls_rsa" Medium "static RSA key exchange was negotiated"
        "With a TLS_RSA suite whoever gets the server's key later can read what was recorded now. Microsoft's services stopped accepting them.",
    SuiteNull = "suite.null" Critical "a suite without encryption was negotiated"
        "Everything that is sent can be read.",
    SuiteExport = "suite.export" Critical "an export suite was negotiated"
        "Its keys of 40 bits are broken in minutes, those of 56 bits in a day.",
    SuiteAnon = "suite.anon" Critical "an anonymous suite was negotiated"
        "No end proves who it is: anyone in between can read and alter everything.",
    SuiteRc4 = "suite.rc4" High "RC4 was negotiated"
        "RC4's output is biased; it must not be used (RFC 7465).",
    SuiteDes = "suite.des" High "single DES was negotiated"
        "Its key of 56 bits is broken in a day.",
    Suite3des = "suite.3des" Medium "triple DES was negotiated"
        "Its blocks of 64 bits leak in long sessions (SWEET32).",
    SuiteMd5 = "suite.md5" Medium "a suite with MD5 was negotiated"
        "MD5 is broken; suites with it belong to the last century.",
    SuiteOutsidePolicy = "suite.outside_policy" Medium "the negotiated suite is not in the policy"
        "It is none of the weak ones, but the policy does not list it, or would rather have another one.",
    CertUnknownRoot = "cert.unknown_root" Medium "the chain ends at an issuer that no trust store knows"
        "Clients that verify will refuse it, unless the root of a private CA is installed on them. Name your own roots with --trust.",
    CertSelfSigned = "cert.self_signed" Medium "the certificate is self-signed"
        "Nobody vouches for it: clients accept it only where they do not verify, or where it was installed by hand.",
    CertIncompleteChain = "cert.incomplete_chain" Medium "the server does not send the whole chain"
        "An intermediate certificate is missing. Browsers may find it by themselves; .NET services and devices often do not.",
    CertBadSignature = "cert.bad_signature" High "a signature in the chain does not verify"
        "The certificate was not issued by the one that is sent with it, or it was altered.",
    CertUnverifiable = "cert.unverifiable" Medium "the chain cannot be verified"
        "It uses an algorithm or a form that cannot be checked here; why is said with it.",
    CertExpired = "cert.expired" High "the certificate had expired"
        "At the time of the connection its last day was over.",
    CertNotYetValid = "cert.not_yet_valid" Medium "the certificate was not valid yet"
        "At the time of the connection its first day had not come; or a clock was wrong.",
    CertExpiresSoon = "cert.expires_soon" Low "the certificate expires within 30 days"
        "Counted from the time of the connection.",
    CertNameMismatch = "cert.name_mismatch" Medium "the certificate has another name"
        "The name that the client asked for is not among those of the certificate.",
    CertWeakKey = "cert.weak_key" Medium "a key of the chain is too small"
        "RSA below 2048 bits and curves below 224 bits can be broken by those with means.",
    CertWeakSignature = "cert.weak_signature" Medium "a signature of the chain uses MD5 or SHA-1"
        "Both can be forged; verifiers refuse them.",
    CertOutsidePolicy = "cert.outside_policy" Medium "the certificate's key is not what the policy wants"
        "Its kind or its size is outside the policy.",
    CertRootNotRequired = "cert.root_not_required" Info "the chain ends at another root than the policy names"
        "It is trusted, but clients that have only the roots of the policy's list will refuse it.",
    CertRootDistrusted = "cert.root_distrusted" Medium "the chain ends at a root that was dropped or has expired"
        "Trust stores that are kept up to date no longer hold this root: clients begin to refuse the chain.",
    ClientRejectsRoot = "client.rejects_root" High "the client lacks the root of a chain that verifies"
        "It answered the server's chain with the alert unknown_ca, although the chain verifies.",
    ClientRejectsCertificate = "client.rejects_certificate" Medium "the client rejected the server's certificate"
        "It said so in an alert; what is wrong with the chain is said with it.",
    ServerRejectsClientCertificate = "server.rejects_client_certificate" Medium "the server rejected the client's certificate"
        "It asked for a certificate and ended the handshake with an alert after the client's answer. This says nothing of versions or suites.",
    HandshakeRefused = "handshake.refused" Low "the handshake was refused"
        "One end ended it with a fatal alert before it was done.",
    ServerDowngraded = "server.downgraded" High "a lower version than both ends can was negotiated"
        "The server's random proves a version that the client offered too. Something in between lowered it, or the server did.",
    EvasionFragments = "evasion.fragments" High "fragments contradict each other"
        "An IP packet, a DTLS message or a QUIC stream came in pieces that give the same place different bytes, or different ends. No sender does that by itself: somebody means the receiver to read one thing and whoever watches another, or a device alters packets. The record shows the pieces that came first; do not take its versions and suites for proven. Keep the capture, look at the pieces of both readings (time to live, source MAC address) to find out who sent them, and judge the end by its other connections.",
    EvasionOverlap = "evasion.overlap" High "the same bytes were sent twice with different values"
        "A sender that repeats a TCP segment repeats its bytes. Here two copies of the same sequence numbers differ while the handshake was watched: somebody means the receiver to read one thing and whoever watches another, or a device between them alters packets. The record shows one copy of each byte; do not take its versions and suites for proven. Keep the capture, look at the segments of both copies (time to live, checksum, source MAC address) to find out who sent them, ask whoever runs that end, and judge the client by its other connections. If a device rewrites traffic, capture on one side of it only.",
    EvasionUrgent = "evasion.urgent" Low "data of the handshake was marked as urgent"
        "TLS never uses TCP's urgent pointer. Receivers may take the urgent byte out of the stream (RFC 6093), so that they read something else than what is shown here. Find out what program sends it; without a reason for it treat the end as one that hides.",
}

impl FindingId {
    /// What answers it, for a reader who asks in general; which one fits a case depends on whom it
    /// concerns and whose software that is.
    pub const fn fixes(self) -> &'static [Fix] {
        match self {
            Self::VersionSsl2 | Self::VersionSsl3 | Self::VersionTls10 | Self::VersionTls11 => &[
                Fix::ClientVersionBelowPolicy,
                Fix::ServerVersionBelowPolicy,
                Fix::ServerAcceptsLegacyVersion,
            ],
            Self::OfferMaxVersion => {
                &[Fix::ClientVersionBelowPolicy, Fix::ClientVersionBeyondPolicy]
            }
            Self::OfferNoSuite => {
                &[Fix::ClientSuiteMissing, Fix::ClientGroupMissing, Fix::ClientSignatureMissing]
            }
            Self::OfferSslv2Format => &[Fix::Sslv2Hello],
            Self::OfferOneCertificateType => &[Fix::ClientSuiteMissing],
            Self::ServerMaxVersion => &[Fix::ServerVersionBelowPolicy],
            Self::ServerNoSuite => {
                &[Fix::ServerSuiteMissing, Fix::ServerSuiteNotAllowed, Fix::ServerGroupMissing]
            }
            Self::SuiteTlsRsa => &[Fix::NoForwardSecrecy, Fix::ClientSuiteMissing],
            Self::SuiteNull
            | Self::SuiteExport
            | Self::SuiteAnon
            | Self::SuiteRc4
            | Self::SuiteDes
            | Self::Suite3des
            | Self::SuiteMd5 => &[Fix::WeakSuite, Fix::ClientSuiteMissing],
            Self::SuiteOutsidePolicy => &[Fix::ServerSuiteNotAllowed],
            Self::CertUnknownRoot => &[Fix::UnknownRoot],
            Self::CertSelfSigned => &[Fix::SelfSignedLeaf],
            Self::CertIncompleteChain => &[Fix::ChainIncomplete],
            Self::CertBadSignature | Self::CertUnverifiable => &[Fix::ChainDamaged],
            Self::CertExpired => &[Fix::LeafExpired],
            Self::CertNotYetValid => &[Fix::LeafNotYetValid],
            Self::CertExpiresSoon => &[Fix::LeafExpiring],
            Self::CertNameMismatch => &[Fix::NameMismatch],
            Self::CertWeakKey => &[Fix::WeakKey],
            Self::CertWeakSignature => &[Fix::WeakSignature],
            Self::CertOutsidePolicy => &[Fix::CertificateOutsidePolicy],
            Self::CertRootDistrusted => &[Fix::RootExpired, Fix::RootDistrusted],
            Self::ClientRejectsRoot => &[Fix::RootMissing],
            Self::ClientRejectsCertificate => &[Fix::CertificateRejected],
            Self::ServerRejectsClientCertificate => &[Fix::ClientCertificateRefused],
            Self::ServerDowngraded => &[Fix::Downgraded],
            Self::CertRootNotRequired
            | Self::HandshakeRefused
            | Self::EvasionFragments
            | Self::EvasionOverlap
            | Self::EvasionUrgent => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_has_a_fix_has_a_remediation() {
        for id in FindingId::ALL {
            for fix in id.fixes() {
                let known = crate::recognise::Remediation::all();
                assert!(known.iter().any(|one| one.fixes.contains(fix)), "{id:?}: {fix:?}");
            }
        }
    }

    #[test]
    fn ids_are_told_apart_and_read_back() {
        for id in FindingId::ALL {
            assert_eq!(FindingId::from_name(id.name()), Some(*id));
            assert!(!id.title().ends_with('.') && id.explanation().ends_with('.'), "{id:?}");
        }
    }
}
