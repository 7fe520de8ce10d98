//! What a judgement rests on, in a sentence about its host: the subject is left to the reader.

use super::text::count;
use crate::policy::{
    ClientOutcome, NameOutcome, Outcome, Policy, Reason, ServerEvidence, ServerOutcome, VersionSet,
};
use crate::tls::codepoint::{CipherSuite, ProtocolVersion};

/// `TLS 1.0`, as people write it.
pub(crate) fn version(version: ProtocolVersion) -> String {
    match version.name() {
        Some(name) => {
            let digits = name.find(|character: char| character.is_ascii_digit());
            let (family, number) = name.split_at(digits.unwrap_or(name.len()));
            let dot = if number.contains('.') { "" } else { ".0" };
            format!("{family} {number}{dot}")
        }
        None => format!("version {version}"),
    }
}

/// The versions that a policy asks for.
fn asked(policy: &Policy) -> String {
    match (policy.lowest(), policy.highest()) {
        (Some(lowest), Some(highest)) if lowest != highest => {
            format!("{} or higher", version(lowest))
        }
        (Some(lowest), _) => version(lowest),
        _ => "no version".to_owned(),
    }
}

fn suite(suite: CipherSuite) -> String {
    suite.name().map_or_else(|| suite.to_string(), str::to_owned)
}

/// What is said of a client stack.
pub(crate) fn client(policy: &Policy, judged: &ClientOutcome) -> String {
    let said: Vec<String> =
        judged.reasons.iter().map(|reason| client_reason(policy, judged, *reason)).collect();
    if !said.is_empty() {
        return said.join("; ");
    }
    let id = &policy.id;
    if judged.evidence.established {
        return format!("established a connection inside `{id}`");
    }
    match judged.evidence.usable.highest() {
        Some(usable) => format!("offers {} with what `{id}` asks for", version(usable)),
        None => String::new(),
    }
}

fn client_reason(policy: &Policy, judged: &ClientOutcome, reason: Reason) -> String {
    let id = &policy.id;
    let evidence = &judged.evidence;
    match reason {
        Reason::Version => {
            let beyond = evidence.offered.lowest().is_some_and(|low| policy.is_beyond(low));
            match evidence.max_version {
                Some(max) if beyond => {
                    format!("offers only {}, of which `{id}` says nothing", version(max))
                }
                Some(max) => {
                    format!("offers {} at most; `{id}` asks for {}", version(max), asked(policy))
                }
                None => format!("offers no known version; `{id}` asks for {}", asked(policy)),
            }
        }
        Reason::CipherSuite => format!(
            "offers {}, but none of its {} is accepted by `{id}`",
            evidence.max_version.map_or_else(|| asked(policy), version),
            count(evidence.suites as u64, "cipher suite", "cipher suites"),
        ),
        Reason::Group => format!("offers suites of `{id}`, but no curve to use them with"),
        Reason::Signature => {
            format!("accepts no signature that a certificate under `{id}` could make")
        }
        Reason::Root => format!(
            "does not trust {}, a root that `{id}` requires",
            evidence.rejected_root.as_deref().unwrap_or("a root"),
        ),
        Reason::Fallback => "a retry with less; its other hellos decide".to_owned(),
        Reason::Transport => "seen over QUIC only, which says nothing of TCP".to_owned(),
        Reason::IncompleteHello => "its ClientHello was not wholly seen".to_owned(),
        Reason::NotSeen => "no ClientHello of it was seen".to_owned(),
        other => other.explanation().to_owned(),
    }
}

/// What is said of a server: by the first of the names by which it is at its worst.
pub(crate) fn server(policy: &Policy, judged: &ServerOutcome) -> String {
    let worst = judged.names.iter().find(|name| name.outcome == judged.outcome);
    let (reasons, evidence) = match worst {
        Some(NameOutcome { reasons, evidence, .. }) => (reasons, evidence),
        None => (&judged.reasons, &judged.evidence),
    };
    let said: Vec<String> = reasons
        .iter()
        .map(|reason| server_reason(policy, judged.outcome, evidence, *reason))
        .collect();
    if !said.is_empty() {
        return said.join("; ");
    }
    match evidence.chosen.first() {
        Some((chosen, with)) => format!("chose {} with {}", version(*chosen), suite(*with)),
        None => "too little of it was seen".to_owned(),
    }
}

fn server_reason(
    policy: &Policy,
    outcome: Outcome,
    evidence: &ServerEvidence,
    reason: Reason,
) -> String {
    let id = &policy.id;
    let refusal = || match evidence.refusal {
        Some(alert) => format!(" ({alert})"),
        None => String::new(),
    };
    let times = |tally: Option<crate::record::Tally>| {
        count(tally.map_or(0, |tally| tally.connections), "connection", "connections")
    };
    match reason {
        Reason::Version => match evidence.below {
            Some(below) => format!(
                "chose {} although {} was offered",
                version(below),
                policy.lowest().map_or_else(|| asked(policy), version),
            ),
            None => format!("refuses {}{}", asked(policy), refusal()),
        },
        Reason::CipherSuite if outcome == Outcome::Breaks => {
            format!("refuses every suite of `{id}`{}", refusal())
        }
        Reason::CipherSuite => match evidence.outside {
            Some((_, with)) => {
                format!("chose {} although a suite of `{id}` was offered", suite(with))
            }
            None => format!("chose a suite outside `{id}` although one inside was offered"),
        },
        Reason::Mixed => format!(
            "by turns able ({}) and not ({}): perhaps a farm with one forgotten node",
            times(evidence.able),
            times(evidence.unable),
        ),
        Reason::Changed => {
            let since = evidence.changed.map(|at| at.to_string()).unwrap_or_default();
            format!("changed on {}", since.get(..10).unwrap_or_default())
        }
        Reason::SuiteOpen => match evidence.sentinel {
            Some(proven) => {
                format!("knows {} (sentinel); with which suite is open", version(proven))
            }
            None => "knows the version; with which suite is open".to_owned(),
        },
        Reason::Beyond => format!(
            "seen only with {}, stronger than asked; {} was not seen",
            highest(evidence.versions),
            asked(policy),
        ),
        Reason::Refused => format!("refused in a way that proves nothing{}", refusal()),
        Reason::Anomaly => "answered with what was not offered".to_owned(),
        Reason::Transport => "seen over QUIC only, which says nothing of TCP".to_owned(),
        other => other.explanation().to_owned(),
    }
}

fn highest(versions: VersionSet) -> String {
    versions.highest().map_or_else(|| "no version".to_owned(), version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_written_as_people_write_them() {
        let names = [ProtocolVersion::SSL2, ProtocolVersion::SSL3, ProtocolVersion::TLS1_0];
        assert_eq!(names.map(version), ["SSL 2.0", "SSL 3.0", "TLS 1.0"]);
        assert_eq!(version(ProtocolVersion::DTLS1_2), "DTLS 1.2");
        assert_eq!(version(ProtocolVersion(0x7f1c)), "version 0x7f1c");
    }
}
