//! The words of a judgement, and what an offer can do under a policy.

use std::fmt;

use serde::{Serialize, Serializer};

use super::{KeyKinds, Policy, VersionSet};
use crate::recognise::Fix;
use crate::record::Evidence;
use crate::tls::codepoint::{
    CipherSuite, NamedGroup, ProtocolVersion, SignatureKind, SignatureScheme,
};
use crate::tls::hello::Offer;

/// What becomes of an endpoint when a policy is enforced. The order is that of the harm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Too little was seen to say. An unseen thing is never a good thing, nor a bad one.
    #[default]
    Unknown,
    /// It goes on working.
    Ready,
    /// It can do what is asked and does not always do it.
    AtRisk,
    /// It stops working.
    Breaks,
}

impl Outcome {
    /// The word in records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Ready => "ready",
            Self::AtRisk => "at_risk",
            Self::Breaks => "breaks",
        }
    }
}

impl Outcome {
    /// Every outcome, by its harm.
    pub const ALL: [Self; 4] = [Self::Unknown, Self::Ready, Self::AtRisk, Self::Breaks];

    /// What the word means, for a reader who meets it the first time.
    pub const fn explanation(self) -> &'static str {
        match self {
            Self::Unknown => {
                "Too little was seen to say. It is counted among those that could not be judged, \
                 never among those that are fine."
            }
            Self::Ready => {
                "It goes on working when the policy is enforced. A client: it offers a version and \
                 a suite that the policy accepts, whatever was negotiated. A server: it was seen to \
                 choose what the policy accepts."
            }
            Self::AtRisk => {
                "A server that can do what the policy asks and does not always do it: it chose \
                 another suite or group although it had the choice, or some connections prove that \
                 it can and others that it cannot."
            }
            Self::Breaks => {
                "It stops working when the policy is enforced. The reason says why, the fix what to \
                 change."
            }
        }
    }
}

/// Why an outcome is what it is. The words are stable: people filter by them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// No version of the policy.
    Version,
    /// No suite of the policy, or another one chosen.
    CipherSuite,
    /// No group that a suite of the policy could be used with, or another one chosen.
    Group,
    /// No signature algorithm, or no suite, for a certificate of the policy.
    Signature,
    /// It does not trust a root that the policy requires.
    Root,
    /// The hello was a retry with a lowered version, marked as one or not.
    Fallback,
    /// QUIC says nothing of the versions below TLS 1.3.
    Transport,
    /// Seen only with versions above the policy's highest.
    Beyond,
    /// The version is proven, the suite is not.
    SuiteOpen,
    /// Some evidence for, some against, alternating.
    Mixed,
    /// It was one thing and is another now.
    Changed,
    /// It refused a handshake that proves nothing.
    Refused,
    /// Its ServerHello chose what was not offered.
    Anomaly,
    /// A part of the ClientHello is missing.
    IncompleteHello,
    /// No ClientHello was seen.
    NotSeen,
}

impl Reason {
    /// What answers it, for a reader who asks in general.
    pub const fn fixes(self) -> &'static [Fix] {
        match self {
            Self::Version => &[
                Fix::ClientVersionBelowPolicy,
                Fix::ClientVersionBeyondPolicy,
                Fix::ServerVersionBelowPolicy,
            ],
            Self::CipherSuite => {
                &[Fix::ClientSuiteMissing, Fix::ServerSuiteMissing, Fix::ServerSuiteNotAllowed]
            }
            Self::Group => &[Fix::ClientGroupMissing, Fix::ServerGroupMissing],
            Self::Signature => &[Fix::ClientSignatureMissing],
            Self::Root => &[Fix::RootMissing],
            _ => &[],
        }
    }

    /// Every reason, in the order in which they are listed.
    pub const ALL: &[Self] = &[
        Self::Version,
        Self::CipherSuite,
        Self::Group,
        Self::Signature,
        Self::Root,
        Self::Fallback,
        Self::Transport,
        Self::Beyond,
        Self::SuiteOpen,
        Self::Mixed,
        Self::Changed,
        Self::Refused,
        Self::Anomaly,
        Self::IncompleteHello,
        Self::NotSeen,
    ];

    /// The word in records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::CipherSuite => "cipher_suite",
            Self::Group => "group",
            Self::Signature => "signature",
            Self::Root => "root",
            Self::Fallback => "fallback",
            Self::Transport => "transport",
            Self::Beyond => "beyond",
            Self::SuiteOpen => "suite_open",
            Self::Mixed => "mixed",
            Self::Changed => "changed",
            Self::Refused => "refused",
            Self::Anomaly => "anomaly",
            Self::IncompleteHello => "incomplete_hello",
            Self::NotSeen => "not_seen",
        }
    }

    /// The reason with this word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| reason.name() == name)
    }

    /// What the word means, for a reader who meets it the first time.
    pub const fn explanation(self) -> &'static str {
        match self {
            Self::Version => {
                "The endpoint knows no protocol version that the policy accepts. For a client this \
                 is read from what it offers, never from what was negotiated; for a server from \
                 what it chose or refused although the client offered more."
            }
            Self::CipherSuite => {
                "The endpoint knows a version of the policy but none of its cipher suites, or it \
                 is a server that chose another suite although the client offered one of them."
            }
            Self::Group => {
                "The client offers suites of the policy that agree on keys over elliptic curves, \
                 and names no curve or hybrid group that the policy accepts. Or it is a server that \
                 chose another group although the client prefers one of the policy, and was never \
                 seen with one of the policy: it may have none. Of a connection it says that the \
                 client has no group of the policy at the version that was negotiated, or that the \
                 server's certificate may lie on a curve that the client does not name."
            }
            Self::Signature => {
                "The client accepts no signature that a certificate of the kinds in the policy \
                 could make, or offers no suite that such a certificate could serve."
            }
            Self::Root => {
                "The client answered a chain that verifies up to a root that the policy requires \
                 with the alert unknown_ca: it does not trust that root."
            }
            Self::Fallback => {
                "The hello is a retry with a lowered version: it is marked as one \
                 (TLS_FALLBACK_SCSV), or it came at most ten seconds after a hello with more that \
                 the same server, asked for the same name, refused or left without an answer. The \
                 client can do more than it says here: its other hellos decide."
            }
            Self::Transport => {
                "Over QUIC there is no version below TLS 1.3, so a QUIC hello says nothing of what \
                 the same software offers over TCP, and the policy says nothing of TLS 1.3."
            }
            Self::Beyond => {
                "The endpoint was seen only with versions above the highest that the policy names: \
                 stronger than asked. Whether it also speaks what the policy names was not seen."
            }
            Self::SuiteOpen => {
                "A version of the policy is proven by the end of the server's random number (RFC \
                 8446, 4.1.3), not by a handshake: which suite it would choose there is open."
            }
            Self::Mixed => {
                "Some connections prove that the server can, others that it cannot, by turns: \
                 perhaps a farm with one node that was forgotten."
            }
            Self::Changed => {
                "Older connections prove one thing and newer ones the other, at least a day apart: \
                 the server was changed, and the newer evidence counts."
            }
            Self::Refused => {
                "The server refused the handshake in a way that proves nothing about the policy: \
                 the offer was narrow, the name unknown, or a client certificate was missing."
            }
            Self::Anomaly => {
                "The server's answer chose a version or a suite that the client did not offer. \
                 That is no evidence of anything but a fault, or of a capture that mixes two \
                 connections."
            }
            Self::IncompleteHello => {
                "A part of the ClientHello is missing in the capture (a short snap length, a lost \
                 packet), and what was read of it does not decide."
            }
            Self::NotSeen => "No ClientHello was seen on this connection.",
        }
    }
}

macro_rules! prints_as_its_name {
    ($($name:ty)*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }
    )*};
}

prints_as_its_name! { Outcome Reason super::RootMatch }

/// At which versions an offer meets a policy, and up to which hurdle.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fit {
    /// A suite of the policy is offered.
    pub(super) suites: VersionSet,
    /// … and one that a certificate of the policy can serve.
    pub(super) certificates: VersionSet,
    /// … and a group that it can be used with.
    pub(super) groups: VersionSet,
    /// A signature algorithm of the policy is accepted.
    pub(super) signatures: VersionSet,
}

impl Fit {
    /// How an offer fares under a policy, at the versions given.
    pub(super) fn of(policy: &Policy, offer: &Offer, versions: VersionSet) -> Self {
        let mut fit = Self::default();
        for version in versions.intersection(policy.versions).iter() {
            let groups = has_group(policy, offer, version);
            for suite in &offer.cipher_suites {
                if policy.suites.allow(version, *suite) {
                    fit.suites.insert(version);
                    if has_certificate(policy, *suite) {
                        fit.certificates.insert(version);
                        if groups || !needs_group(version, *suite) {
                            fit.groups.insert(version);
                            break;
                        }
                    }
                }
            }
            if has_signature(policy, offer, version) {
                fit.signatures.insert(version);
            }
        }
        fit
    }

    /// The versions at which nothing is missing.
    pub(super) const fn usable(self) -> VersionSet {
        self.groups.intersection(self.signatures)
    }
}

/// The suites that an offer can use under a policy at a version.
pub(super) fn usable_suites<'a>(
    policy: &'a Policy,
    offer: &'a Offer,
    version: ProtocolVersion,
) -> impl Iterator<Item = CipherSuite> + 'a {
    let groups = has_group(policy, offer, version);
    let fits = move |suite: &CipherSuite| {
        policy.suites.allow(version, *suite) && (groups || !needs_group(version, *suite))
    };
    offer.cipher_suites.iter().copied().filter(fits)
}

/// The kinds of certificate that an offer can use under a policy at these versions.
pub(super) fn usable_keys(policy: &Policy, offer: &Offer, versions: VersionSet) -> KeyKinds {
    let mut kinds = KeyKinds::EMPTY;
    for version in versions.descending() {
        let signed = signed_keys(offer, version);
        for suite in usable_suites(policy, offer, version) {
            let Some(info) = suite.info() else { continue };
            kinds = kinds.union(KeyKinds::of_suite(info).intersection(signed));
            if kinds.intersection(KeyKinds::USUAL) == KeyKinds::USUAL {
                return kinds;
            }
        }
    }
    kinds
}

/// The kinds of key whose signatures a client accepts at a version: any below TLS 1.2, where
/// nothing can be said of them.
pub(super) fn signed_keys(offer: &Offer, version: ProtocolVersion) -> KeyKinds {
    // RFC 5246 §7.4.1.4.1: absent at TLS 1.2 they mean SHA-1 with RSA, DSA and ECDSA.
    const CLASSIC: [SignatureKind; 3] =
        [SignatureKind::Rsa, SignatureKind::Dsa, SignatureKind::Ecdsa];
    match &offer.signature_algorithms {
        Some(schemes) if version >= ProtocolVersion::TLS1_2 => {
            schemes.iter().filter_map(|scheme| scheme.kind()).collect()
        }
        // RFC 8446 §9.2: a certificate without them is refused with missing_extension.
        None if version == ProtocolVersion::TLS1_3 => KeyKinds::EMPTY,
        _ => CLASSIC.into_iter().collect(),
    }
}

/// Whether a client accepts a key on a curve in a server's certificate.
pub(super) fn accepts_curve(offer: &Offer, version: ProtocolVersion, curve: NamedGroup) -> bool {
    match (&offer.signature_algorithms, &offer.groups) {
        // RFC 8446 §4.2.3: a scheme stands for one curve.
        (Some(schemes), _) if version == ProtocolVersion::TLS1_3 => {
            schemes.iter().any(|scheme| scheme.curve() == Some(curve))
        }
        // RFC 8422 §5.1.1: the groups that a client states bind the certificate's key too.
        (_, Some(groups)) => groups.contains(&curve),
        (_, None) => true,
    }
}

/// Whether a suite can be used with a certificate of a kind in the policy, which may name none.
///
/// A policy may list suites for a kind of certificate that it does not have (Mozilla's old profile:
/// suites for ECDSA, certificates with RSA alone). What is listed so is of no use: no server that
/// holds to the policy can choose it, as real enforcement shows.
fn has_certificate(policy: &Policy, suite: CipherSuite) -> bool {
    let (Some(types), Some(info)) = (policy.certificate_types, suite.info()) else { return true };
    let needs = KeyKinds::of_suite(info);
    needs.is_empty() || !needs.intersection(types).is_empty()
}

/// Whether a client accepts a certificate of a kind in the policy, which may name none.
fn has_signature(policy: &Policy, offer: &Offer, version: ProtocolVersion) -> bool {
    let Some(types) = policy.certificate_types else { return true };
    let fits = |scheme: &SignatureScheme| scheme.kind().is_some_and(|kind| types.contains(kind));
    // They say which certificates a client accepts, whatever version comes about; one that knows
    // nothing from TLS 1.2 on states them for nothing (RFC 5246 §7.4.1.4.1).
    let counts =
        offer.max_version().and_then(ProtocolVersion::judged_as) >= Some(ProtocolVersion::TLS1_2);
    match &offer.signature_algorithms {
        Some(schemes) if counts => schemes.iter().any(fits),
        Some(_) => true,
        None => version != ProtocolVersion::TLS1_3,
    }
}

/// Whether a client states a group of the policy, or may be served any.
fn has_group(policy: &Policy, offer: &Offer, version: ProtocolVersion) -> bool {
    match &offer.groups {
        Some(groups) => groups.iter().any(|group| accepts_group(policy, version, *group)),
        // RFC 8422 §4: the server then chooses freely. TLS 1.3 knows no such thing.
        None => version != ProtocolVersion::TLS1_3,
    }
}

/// Whether a policy accepts a group for a suite that needs one.
pub(super) fn accepts_group(policy: &Policy, version: ProtocolVersion, group: NamedGroup) -> bool {
    let named = match &policy.groups {
        Some(groups) => groups.contains(&group),
        None => group.is_curve_or_hybrid(),
    };
    // Hybrids are for TLS 1.3 alone; RFC 7919 groups serve DHE suites below, which need no curve.
    named
        && (version == ProtocolVersion::TLS1_3
            || (group.is_curve_or_hybrid() && !group.is_post_quantum()))
}

/// Whether a suite can be used only with a group of the client.
pub(super) fn needs_group(version: ProtocolVersion, suite: CipherSuite) -> bool {
    version == ProtocolVersion::TLS1_3
        || suite.info().is_some_and(super::super::tls::codepoint::suite::SuiteInfo::needs_curve)
}

/// Whether what a connection negotiated is in the policy; `None` where nothing was.
pub(super) fn is_inside(policy: &Policy, evidence: &Evidence) -> Option<bool> {
    let version = evidence.version?;
    let suite = evidence.cipher_suite;
    Some(
        policy.versions.contains(version)
            && suite.is_some_and(|suite| policy.suites.allow(version, suite)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_stable_and_read_back() {
        for reason in Reason::ALL {
            assert_eq!(Reason::from_name(reason.name()), Some(*reason));
            assert!(!reason.explanation().is_empty());
        }
        assert_eq!(serde_json::to_string(&Outcome::AtRisk).unwrap(), "\"at_risk\"");
        assert!(Outcome::Breaks > Outcome::AtRisk && Outcome::AtRisk > Outcome::Ready);
        assert!(Outcome::Ready > Outcome::Unknown);
    }
}
