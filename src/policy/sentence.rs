//! Outcomes in plain words, for a reader who is tired and does not read packets for a living.

use std::sync::Arc;

use super::{
    CipherRule, ClientOutcome, KeyKinds, Outcome, Policy, Reason, ServerEvidence, ServerOutcome,
    VersionSet,
};
use crate::tls::Transport;
use crate::tls::codepoint::{CipherSuite, ProtocolVersion, SignatureKind};

/// What a policy asked, kept with an outcome that has to be explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The policy's id.
    pub policy: Arc<str>,
    /// The versions that it accepts.
    pub versions: VersionSet,
    /// How many suites it accepts, where it lists them.
    pub suites: Option<usize>,
    /// The kinds of certificate that it names.
    pub certificate_types: Option<KeyKinds>,
}

impl Asked {
    pub(super) fn by(policy: &Policy) -> Self {
        let text = &policy.suites.text;
        let accepted = text.listed.iter().filter(|suite| policy.suites.name(suite.suite)).count();
        Self {
            policy: Arc::clone(&policy.id),
            versions: policy.versions,
            suites: matches!(text.rule, CipherRule::AtLeastOneOf | CipherRule::Only)
                .then_some(accepted),
            certificate_types: policy.certificate_types,
        }
    }

    /// `TLS 1.2`, `TLS 1.2 or later`.
    fn need(&self, transport: Transport) -> String {
        let lowest = self.versions.lowest().map(|version| over(version, transport));
        match (lowest, self.versions.highest()) {
            (Some(lowest), Some(_)) if self.versions.iter().count() > 1 => {
                format!("{lowest} or later")
            }
            (lowest, _) => lowest.unwrap_or("no version of TLS").to_owned(),
        }
    }
}

/// A version as people write it.
pub(crate) const fn words(version: ProtocolVersion) -> &'static str {
    match version {
        ProtocolVersion::SSL2 => "SSL 2.0",
        ProtocolVersion::SSL3 => "SSL 3.0",
        ProtocolVersion::TLS1_0 => "TLS 1.0",
        ProtocolVersion::TLS1_1 => "TLS 1.1",
        ProtocolVersion::TLS1_2 => "TLS 1.2",
        ProtocolVersion::TLS1_3 => "TLS 1.3",
        ProtocolVersion::DTLS1_0 | ProtocolVersion::DTLS_OPENSSL_098 => "DTLS 1.0",
        ProtocolVersion::DTLS1_2 => "DTLS 1.2",
        ProtocolVersion::DTLS1_3 => "DTLS 1.3",
        version if version.is_tls13_draft() => "a draft of TLS 1.3",
        _ => "an unknown version",
    }
}

/// A version as people write it, by its name on that transport.
pub(crate) const fn over(version: ProtocolVersion, transport: Transport) -> &'static str {
    match (transport, version) {
        (Transport::Udp, ProtocolVersion::TLS1_1) => "DTLS 1.0",
        (Transport::Udp, ProtocolVersion::TLS1_2) => "DTLS 1.2",
        (Transport::Udp, ProtocolVersion::TLS1_3) => "DTLS 1.3",
        _ => words(version),
    }
}

/// `a`, `a and b`, `a, b and c`.
pub(crate) fn listed<S: AsRef<str>>(items: &[S]) -> String {
    let Some((last, before)) = items.split_last() else { return String::new() };
    let last = last.as_ref();
    if before.is_empty() {
        return last.to_owned();
    }
    let before: Vec<&str> = before.iter().map(AsRef::as_ref).collect();
    format!("{} and {last}", before.join(", "))
}

/// The registered name of a suite, or its number.
pub(crate) fn suite_words(suite: CipherSuite) -> String {
    suite.name().map_or_else(|| suite.to_string(), ToOwned::to_owned)
}

impl ClientOutcome {
    /// Why the outcome is what it is.
    pub fn sentence(&self) -> String {
        let clauses: Vec<String> = self.reasons.iter().map(|reason| self.clause(*reason)).collect();
        if !clauses.is_empty() {
            return clauses.join("; ");
        }
        if self.evidence.established {
            return "an established connection was inside the policy".to_owned();
        }
        let usable = self.versions(self.evidence.usable);
        format!("offers {usable} with a suite of the policy")
    }

    fn transport(&self) -> Transport {
        self.evidence.transport.unwrap_or(Transport::Tcp)
    }

    fn versions(&self, set: VersionSet) -> String {
        let names: Vec<&str> =
            set.descending().map(|version| over(version, self.transport())).collect();
        listed(&names)
    }

    fn clause(&self, reason: Reason) -> String {
        let evidence = &self.evidence;
        let max = evidence.max_version.map_or("no known version", words);
        // What is a retry is one whatever was asked: one that could do it itself has no such thing.
        if reason == Reason::Fallback {
            return if evidence.follows_failure {
                format!(
                    "a retry with a lowered version (at most {max}) after a hello with more that the \
                     same server refused or left without an answer; that one decides"
                )
            } else {
                format!("a retry with a lowered version (at most {max}); its other hellos decide")
            };
        }
        let Some(asked) = &evidence.asked else { return reason.explanation().to_owned() };
        let policy = &asked.policy;
        match reason {
            Reason::Version => {
                let need = asked.need(self.transport());
                match (evidence.offered.lowest(), evidence.offered.highest()) {
                    (None, _) | (_, None) => {
                        format!("offers no version of TLS that is known; {policy} needs {need}")
                    }
                    (Some(low), _) if Some(low) > asked.versions.highest() => {
                        let low = over(low, self.transport());
                        format!("offers nothing below {low}; {policy} speaks of {need} only")
                    }
                    (_, Some(high)) if Some(high) < asked.versions.lowest() => {
                        format!("offers at most {max}; {policy} needs {need}")
                    }
                    _ => {
                        let offered = self.versions(evidence.offered);
                        format!("offers {offered}; {policy} needs {need}")
                    }
                }
            }
            Reason::CipherSuite => {
                let at = self.versions(evidence.offered.intersection(asked.versions));
                let count = evidence.suites;
                match asked.suites {
                    Some(1) => format!("offers {at}, but not the one suite that {policy} accepts"),
                    Some(some) => {
                        let others = match count {
                            1 => "1 other".to_owned(),
                            count => format!("{count} others"),
                        };
                        format!(
                            "offers {at}, but none of the {some} suites that {policy} accepts \
                             ({others})"
                        )
                    }
                    None => format!("offers {at}, but no suite that {policy} accepts"),
                }
            }
            Reason::Group => {
                let groups: Vec<String> =
                    evidence.groups.iter().map(ToString::to_string).take(6).collect();
                let names = if groups.is_empty() { "none".to_owned() } else { listed(&groups) };
                format!("offers suites that need a group that {policy} accepts, and names {names}")
            }
            Reason::Signature => {
                let kinds = asked.certificate_types.map(key_words).unwrap_or_default();
                if !evidence.needs.is_empty() {
                    let needs = key_words(evidence.needs);
                    return format!(
                        "offers suites that need {needs} certificates, and {policy} has {kinds} only"
                    );
                }
                format!("accepts no signature by {kinds} certificates, which are what {policy} has")
            }
            Reason::Root => {
                let root = evidence.rejected_root.as_deref().unwrap_or("a root");
                format!(
                    "answered a chain that verifies up to {root}, which {policy} requires, with unknown_ca"
                )
            }
            Reason::Transport => {
                format!("QUIC has no version below TLS 1.3, of which {policy} says nothing")
            }
            Reason::IncompleteHello => {
                "a part of its ClientHello is missing, and the rest does not decide".to_owned()
            }
            Reason::NotSeen => "its ClientHello was not seen".to_owned(),
            _ => reason.explanation().to_owned(),
        }
    }
}

/// `RSA`, `RSA or ECDSA`.
pub(crate) fn key_words(kinds: KeyKinds) -> String {
    let names = [
        (SignatureKind::Rsa, "RSA"),
        (SignatureKind::Ecdsa, "ECDSA"),
        (SignatureKind::Dsa, "DSA"),
        (SignatureKind::MlDsa, "ML-DSA"),
        (SignatureKind::Sm2, "SM2"),
    ];
    let held = names.into_iter().filter(|(kind, _)| kinds.contains(*kind));
    held.map(|(_, name)| name).collect::<Vec<_>>().join(" or ")
}

impl ServerOutcome {
    /// Why the outcome is what it is; of several names, for each set of reasons what the first says.
    pub fn sentence(&self) -> String {
        let mut told: Vec<(&[Reason], String)> = Vec::new();
        for (outcome, reasons, evidence) in self.each() {
            let says_more = matches!(outcome, Outcome::Breaks | Outcome::AtRisk) || told.is_empty();
            if outcome == self.outcome
                && says_more
                && !told.iter().any(|(known, _)| *known == reasons)
            {
                told.push((reasons, evidence.sentence(outcome, reasons)));
            }
        }
        let told: Vec<String> = told.into_iter().map(|(_, sentence)| sentence).collect();
        told.join("; ")
    }
}

impl ServerEvidence {
    /// Why an outcome that rests on this evidence is what it is.
    pub fn sentence(&self, outcome: Outcome, reasons: &[Reason]) -> String {
        let clauses: Vec<String> = reasons.iter().map(|reason| self.clause(*reason)).collect();
        if !clauses.is_empty() {
            return clauses.join("; ");
        }
        match (outcome, self.chosen.first()) {
            (Outcome::Ready, Some((version, suite))) => {
                format!("chose {} with {}", words(*version), suite_words(*suite))
            }
            _ => "nothing that it chose or refused proves what it can do".to_owned(),
        }
    }

    fn clause(&self, reason: Reason) -> String {
        let policy = self.asked.as_ref().map_or("the policy", |asked| &asked.policy);
        let lowest = self.asked.as_ref().and_then(|asked| asked.versions.lowest());
        let needed = lowest.map_or("the version needed", words);
        let alert = self.refusal.map(|alert| alert.to_string()).unwrap_or_default();
        match reason {
            Reason::Version => match self.below {
                Some(version) => {
                    // Only versions over datagrams are judged as another one.
                    let is_stream = version.judged_as() == Some(version);
                    let transport = if is_stream { Transport::Tcp } else { Transport::Udp };
                    let needed = lowest.map_or(needed, |lowest| over(lowest, transport));
                    format!("chose {} although the client offered {needed}", words(version))
                }
                None => format!("answered an offer of every version of {policy} with {alert}"),
            },
            Reason::CipherSuite => match self.outside {
                Some((version, suite)) => format!(
                    "chose {} with {} although the client offered a suite of {policy}",
                    words(version),
                    suite_words(suite)
                ),
                None => format!("answered an offer of every suite of {policy} with {alert}"),
            },
            Reason::Group => {
                let group = self.group.map(|group| group.to_string()).unwrap_or_default();
                format!(
                    "chose {group} although the client prefers a group of {policy}, and was seen \
                     with none of those: it may have none"
                )
            }
            Reason::Transport => {
                format!("QUIC has no version below TLS 1.3, of which {policy} says nothing")
            }
            Reason::Beyond => {
                let highest = self.versions.highest().map_or("TLS 1.3", words);
                format!("stronger than asked ({highest}); its {needed} was not seen")
            }
            Reason::SuiteOpen => {
                let proven = self.sentinel.map_or("a version of the policy", words);
                format!("a sentinel proves {proven}; which suite it would choose there is open")
            }
            Reason::Mixed => {
                let count = |tally: Option<crate::record::Tally>| {
                    tally.map_or(0, |tally| tally.connections)
                };
                let (able, unable) = (count(self.able) + count(self.risky), count(self.unable));
                let connections = if able == 1 { "connection" } else { "connections" };
                format!(
                    "showed in {able} {connections} that it can, in {unable} that it cannot, by turns"
                )
            }
            Reason::Changed => {
                let date = self.changed.map(|at| at.to_string()).unwrap_or_default();
                format!("changed: only older evidence than that of {} says otherwise", day(&date))
            }
            Reason::Refused => format!("refused with {alert}, which proves nothing here"),
            Reason::Anomaly => "answered with what the client did not offer".to_owned(),
            _ => reason.explanation().to_owned(),
        }
    }
}

/// The date of an RFC 3339 time.
pub(crate) fn day(time: &str) -> &str {
    time.get(..10).unwrap_or(time)
}
