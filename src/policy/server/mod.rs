//! The outcome of a server: what it chose although more was offered, what it refused, what it
//! proves by the way.
//!
//! Enforcement taught more than the letter of the model in one way: a server that chose inside the
//! policy is not `ready` by that where it passed over the policy's groups for another and was never
//! seen with one of them. It is `at_risk`, reason `group`: it may have none.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::certificate::{leaf_curve, leaf_kind};
use super::outcome::{accepts_group, is_inside, needs_group, usable_suites};
use super::{Asked, KeyKinds, Outcome, Policy, Reason, VersionSet};
use crate::clock::Timestamp;
use crate::record::{Case, Evidence, Tally};
use crate::tls::codepoint::{AlertDescription, CipherSuite, NamedGroup, ProtocolVersion};
use crate::tls::hello::Offer;
use crate::tls::{Role, Transport};

/// Evidence this much older than all that contradicts it is of the past.
const A_DAY: Duration = Duration::from_secs(86_400);

/// What becomes of a server when a policy is enforced: the worst of its names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerOutcome {
    /// In one word.
    pub outcome: Outcome,
    /// Why; empty where there is nothing to explain. Of several names that break or are at risk all
    /// their reasons.
    pub reasons: Vec<Reason>,
    /// What it rests on; of several names that are as bad, the first one's.
    pub evidence: ServerEvidence,
    /// Each name that was asked for, where there are several; the outcome is that of the worst.
    pub names: Vec<NameOutcome>,
}

/// What becomes of a server under one of its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameOutcome {
    /// The SNI; `None` where none was sent.
    pub name: Option<Box<str>>,
    /// In one word.
    pub outcome: Outcome,
    /// Why.
    pub reasons: Vec<Reason>,
    /// What it rests on.
    pub evidence: ServerEvidence,
}

/// What the outcome of a server rests on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerEvidence {
    /// Connections that prove a version of the policy, by handshake or by sentinel.
    pub able: Option<Tally>,
    /// Those that prove that it has none, or no suite.
    pub unable: Option<Tally>,
    /// Those in which it chose a suite outside the policy although it had the choice.
    pub risky: Option<Tally>,
    /// The versions that it was seen to choose, or that a sentinel proves.
    pub versions: VersionSet,
    /// The version that a sentinel proves.
    pub sentinel: Option<ProtocolVersion>,
    /// What it chose inside the policy.
    pub chosen: Vec<(ProtocolVersion, CipherSuite)>,
    /// What it chose outside the policy although it had the choice.
    pub outside: Option<(ProtocolVersion, CipherSuite)>,
    /// The group outside the policy that it chose although the client prefers one of the policy.
    pub group: Option<NamedGroup>,
    /// The version below the policy that it chose although more was offered.
    pub below: Option<ProtocolVersion>,
    /// The alert that it answered a hello with.
    pub refusal: Option<AlertDescription>,
    /// The kinds of key in the certificates that it sent.
    pub keys: KeyKinds,
    /// The curves of those keys that lie on one.
    pub curves: Vec<NamedGroup>,
    /// Since when the newer evidence stands, where the older contradicts it.
    pub changed: Option<Timestamp>,
    /// What was asked, where the outcome has a reason.
    pub asked: Option<Asked>,
}

impl ServerEvidence {
    /// Whether a connection proves that it lacks the version: by its choice, or by its refusal of an
    /// offer of every version.
    pub(crate) fn lacks_version(&self) -> bool {
        let refuses = self.refusal == Some(AlertDescription::PROTOCOL_VERSION);
        self.below.is_some() || self.unable.is_some() && refuses
    }
}

impl ServerOutcome {
    /// Whether it is this.
    pub fn is(&self, outcome: Outcome) -> bool {
        self.outcome == outcome
    }

    /// Whether this is among the reasons.
    pub fn has(&self, reason: Reason) -> bool {
        self.reasons.contains(&reason)
    }

    /// Outcome, reasons and evidence under one name; those of the server where it has but one.
    pub fn under(&self, sni: Option<&str>) -> (Outcome, &[Reason], &ServerEvidence) {
        match self.name(sni) {
            Some(name) => (name.outcome, &name.reasons, &name.evidence),
            None => (self.outcome, &self.reasons, &self.evidence),
        }
    }

    /// The same as if it had no other name than this one.
    #[must_use]
    pub fn by_name(&self, sni: Option<&str>) -> Self {
        let (outcome, reasons, evidence) = self.under(sni);
        Self { outcome, reasons: reasons.into(), evidence: evidence.clone(), names: Vec::new() }
    }

    /// Outcome, reasons and evidence under each name, the worst first; its own where it has but one.
    pub(crate) fn each(&self) -> Vec<(Outcome, &[Reason], &ServerEvidence)> {
        if self.names.is_empty() {
            return vec![(self.outcome, &self.reasons, &self.evidence)];
        }
        let names = self.names.iter();
        let mut each: Vec<_> =
            names.map(|name| (name.outcome, &*name.reasons, &name.evidence)).collect();
        each.sort_by_key(|(outcome, ..)| std::cmp::Reverse(*outcome));
        each
    }

    fn name(&self, sni: Option<&str>) -> Option<&NameOutcome> {
        let at = self.names.binary_search_by(|name| name.name.as_deref().cmp(&sni)).ok()?;
        self.names.get(at)
    }
}

/// The outcome of a server: an address, a port and an application protocol; `cases` are all that
/// was seen of it, under whatever name.
pub fn server(policy: &Policy, cases: &[Case<'_>]) -> ServerOutcome {
    let is_one_name = cases.iter().zip(cases.iter().skip(1)).all(|(a, b)| a.sni == b.sni);
    if is_one_name {
        let mut gathered = Gathered::default();
        for case in cases {
            gathered.add(policy, case);
        }
        let (outcome, reasons, evidence) = gathered.judge(policy);
        return ServerOutcome { outcome, reasons, evidence, names: Vec::new() };
    }
    let mut by_name: BTreeMap<Option<&str>, Gathered> = BTreeMap::new();
    for case in cases {
        by_name.entry(case.sni).or_default().add(policy, case);
    }
    let names: Vec<NameOutcome> = by_name
        .into_iter()
        .map(|(name, gathered)| {
            let (outcome, reasons, evidence) = gathered.judge(policy);
            NameOutcome { name: name.map(Into::into), outcome, reasons, evidence }
        })
        .collect();
    // Of two that are as bad as one another the first counts: `max_by_key` would take the last.
    let worst = names.iter().rev().max_by_key(|name| name.outcome).cloned();
    let Some(NameOutcome { outcome, mut reasons, evidence, .. }) = worst else {
        return ServerOutcome::default();
    };
    if matches!(outcome, Outcome::Breaks | Outcome::AtRisk) {
        let others = names.iter().filter(|name| name.outcome == outcome);
        let all: BTreeSet<Reason> = others.flat_map(|name| &name.reasons).copied().collect();
        reasons = all.into_iter().collect();
    }
    ServerOutcome { outcome, reasons, evidence, names }
}

/// Evidence of one server under one name, as it is added up.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a proof of its own")]
struct Gathered {
    evidence: ServerEvidence,
    /// A handshake chose inside the policy.
    inside: bool,
    /// … with a group of the policy, or a suite that needs none.
    has_group: bool,
    version_lacks: bool,
    suite_lacks: bool,
    beyond: bool,
    anomaly: bool,
    silent: bool,
}

impl Gathered {
    fn add(&mut self, policy: &Policy, case: &Case<'_>) {
        let evidence = case.evidence;
        if evidence.transport == Transport::Quic && policy.is_silent_on_quic() {
            self.silent = true;
            return;
        }
        let Some(version) = evidence.version else {
            self.add_refusal(policy, case);
            return;
        };
        if case.offer.is_some_and(|offer| is_anomaly(offer, evidence)) {
            self.anomaly = true;
            return;
        }
        if let Some(kind) = leaf_kind(case) {
            self.evidence.keys = self.evidence.keys.union(kind.into());
        }
        let curve = leaf_curve(case).filter(|curve| !self.evidence.curves.contains(curve));
        self.evidence.curves.extend(curve);
        self.evidence.versions.insert(version);
        let mut able = false;
        if let Some(proven) = evidence.sentinel {
            self.evidence.versions.insert(proven);
            if policy.versions.contains(proven) {
                self.evidence.sentinel = self.evidence.sentinel.max(Some(proven));
                able = true;
            }
        }
        if is_inside(policy, evidence) == Some(true) {
            self.inside = true;
            able = true;
            match group_shown(policy, case, version) {
                Some(Shown::Own) => self.has_group = true,
                Some(Shown::PassedOver(group)) => self.evidence.group = Some(group),
                None => {}
            }
            let chosen = evidence.cipher_suite.map(|suite| (version, suite));
            self.evidence
                .chosen
                .extend(chosen.filter(|chosen| !self.evidence.chosen.contains(chosen)));
        } else if policy.is_beyond(version) {
            self.beyond = true;
        } else if !evidence.resumed {
            // A resumed handshake proves ability, never inability or preference. One at risk is
            // able too, and counted as the former.
            able &= !self.add_choice(policy, case, version);
        }
        if able {
            count(&mut self.evidence.able, case.tally);
        }
    }

    /// A full handshake that chose something outside the policy, and not beyond it; whether that is
    /// a risk.
    fn add_choice(&mut self, policy: &Policy, case: &Case<'_>, version: ProtocolVersion) -> bool {
        let (Some(offer), Some(lowest)) = (case.offer, policy.lowest()) else { return false };
        if policy.is_below(version) {
            let offered = VersionSet::offered(offer, case.evidence.transport);
            let contradicted =
                case.evidence.sentinel.is_some_and(|proven| proven.judged_as() >= Some(lowest));
            // A server picks its highest mutual version.
            if offered.contains(lowest) && !contradicted {
                self.version_lacks = true;
                self.evidence.below = Some(version);
                count(&mut self.evidence.unable, case.tally);
            }
        } else if policy.versions.contains(version) && had_choice(policy, case, offer, version) {
            self.evidence.outside = case.evidence.cipher_suite.map(|suite| (version, suite));
            count(&mut self.evidence.risky, case.tally);
            return true;
        }
        false
    }

    /// An answer in place of a ServerHello.
    fn add_refusal(&mut self, policy: &Policy, case: &Case<'_>) {
        let fatal = case.evidence.alerts.iter().filter(|alert| alert.from == Role::Server);
        let Some(alert) = fatal.map(|alert| alert.fatal()).find_map(|alert| alert) else { return };
        let proof = case
            .offer
            .filter(|offer| !offer.truncated && !case.evidence.answer_unseen)
            .and_then(|offer| refusal_proves(policy, offer, case.evidence.transport, alert));
        match proof {
            Some(Reason::Version) => self.version_lacks = true,
            Some(_) => self.suite_lacks = true,
            // The alert that proves something is worth more than one that does not.
            None => {
                self.evidence.refusal = self.evidence.refusal.or(Some(alert));
                return;
            }
        }
        self.evidence.refusal = Some(alert);
        count(&mut self.evidence.unable, case.tally);
    }

    fn judge(mut self, policy: &Policy) -> (Outcome, Vec<Reason>, ServerEvidence) {
        let mut reasons = Vec::new();
        let evidence = &mut self.evidence;
        let mut able = evidence.able;
        if let Some(risky) = evidence.risky {
            count(&mut able, risky);
        }
        let (stands, changed) = match (able, evidence.unable) {
            (None, None) => (Stands::Nothing, None),
            (Some(_), None) => (Stands::Able, None),
            (None, Some(_)) => (Stands::Unable, None),
            (Some(able), Some(unable)) if is_older(unable, able) => {
                (Stands::Able, Some(able.first))
            }
            (Some(able), Some(unable)) if is_older(able, unable) => {
                (Stands::Unable, Some(unable.first))
            }
            (Some(_), Some(_)) => (Stands::Mixed, None),
        };
        evidence.changed = changed;
        let suite = stands != Stands::Unable && evidence.risky.is_some()
            || stands == Stands::Unable && self.suite_lacks;
        let group = stands == Stands::Able && evidence.group.is_some() && !self.has_group;
        let outcome = match stands {
            Stands::Nothing => Outcome::Unknown,
            Stands::Unable => Outcome::Breaks,
            Stands::Able if evidence.risky.is_none() && !group => Outcome::Ready,
            Stands::Able | Stands::Mixed => Outcome::AtRisk,
        };
        let nothing = stands == Stands::Nothing;
        let listed = [
            (Reason::Version, stands == Stands::Unable && self.version_lacks),
            (Reason::CipherSuite, suite),
            (Reason::Group, group),
            (Reason::Transport, nothing && self.silent),
            (Reason::Beyond, nothing && self.beyond),
            (Reason::SuiteOpen, outcome == Outcome::Ready && !self.inside),
            (Reason::Mixed, stands == Stands::Mixed),
            (Reason::Changed, changed.is_some()),
            (Reason::Refused, nothing && evidence.refusal.is_some()),
            (Reason::Anomaly, nothing && self.anomaly),
        ];
        reasons.extend(listed.into_iter().filter(|(_, holds)| *holds).map(|(reason, _)| reason));
        if !reasons.is_empty() {
            self.evidence.asked = Some(Asked::by(policy));
        }
        (outcome, reasons, self.evidence)
    }
}

/// Which kind of evidence stands when all is added up.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stands {
    Nothing,
    Able,
    Unable,
    Mixed,
}

fn count(tally: &mut Option<Tally>, more: Tally) {
    match tally {
        Some(tally) => tally.add(more),
        None => *tally = Some(more),
    }
}

/// All of one kind lies a day or more before all of the other.
fn is_older(one: Tally, other: Tally) -> bool {
    one.last.plus(A_DAY) <= other.first
}

/// Whether a server chose what the client did not offer.
fn is_anomaly(offer: &Offer, evidence: &Evidence) -> bool {
    // What a cut hello offered is not known.
    if offer.truncated {
        return false;
    }
    let version_offered = evidence.version.is_none_or(|version| match &offer.supported_versions {
        Some(listed) => listed.contains(&version),
        None => VersionSet::offered(offer, evidence.transport).contains(version),
    });
    let suite_offered =
        evidence.cipher_suite.is_none_or(|suite| offer.cipher_suites.contains(&suite));
    !(version_offered && suite_offered)
}

/// Whether the client offered a suite of the policy that the server could have chosen: usable at
/// that version, with the key type of the certificate that it sent and with a group of the client.
fn had_choice(policy: &Policy, case: &Case<'_>, offer: &Offer, version: ProtocolVersion) -> bool {
    let mut usable = usable_suites(policy, offer, version.judged_as().unwrap_or(version));
    if version.is_tls13() {
        // Its suites leave the key open, and the certificate is hidden.
        return usable.next().is_some();
    }
    let Some(kind) = leaf_kind(case) else {
        return false;
    };
    usable.filter_map(CipherSuite::info).any(|info| KeyKinds::of_suite(info).contains(kind))
}

/// What a handshake inside a policy that names groups shows of the server's.
enum Shown {
    /// It has one of the policy, or needs none.
    Own,
    /// It chose this one, and passed over one of the policy that the client prefers.
    PassedOver(NamedGroup),
}

/// What a handshake inside the policy shows of the server's groups. One that follows the client's
/// preference to a group outside the policy shows nothing: nearly every server has the others too.
fn group_shown(policy: &Policy, case: &Case<'_>, version: ProtocolVersion) -> Option<Shown> {
    policy.groups.as_ref()?;
    let version = version.judged_as().unwrap_or(version);
    if !case.evidence.cipher_suite.is_some_and(|suite| needs_group(version, suite)) {
        return Some(Shown::Own);
    }
    let chosen = case.evidence.group?;
    if accepts_group(policy, version, chosen) {
        return Some(Shown::Own);
    }
    // A resumed handshake proves ability, never inability or preference.
    let offer = case.offer.filter(|_| !case.evidence.resumed)?;
    let preferred = offer.groups.as_deref()?.iter().take_while(|group| **group != chosen);
    // In TLS 1.3 it may only have spared itself to ask for a share of the group (RFC 8446 §4.1.1).
    // And one that has no hybrid may well have the curves.
    let says_little = |group: &NamedGroup| {
        group.is_post_quantum() || version.is_tls13() && !offer.key_shares.contains(group)
    };
    preferred
        .filter(|group| !says_little(group))
        .any(|group| accepts_group(policy, version, *group))
        .then_some(Shown::PassedOver(chosen))
}

/// What a refusal in place of a ServerHello proves of the server: that it lacks the version, or
/// the suites.
fn refusal_proves(
    policy: &Policy,
    offer: &Offer,
    transport: Transport,
    alert: AlertDescription,
) -> Option<Reason> {
    let offered = VersionSet::offered(offer, transport);
    if !offered.spans(policy.lowest()?, policy.highest()?) {
        return None;
    }
    match alert {
        AlertDescription::PROTOCOL_VERSION => Some(Reason::Version),
        AlertDescription::HANDSHAKE_FAILURE | AlertDescription::INSUFFICIENT_SECURITY => {
            let every = policy.suites.every()?;
            let has_all = every.iter().all(|suite| offer.cipher_suites.contains(suite));
            let curves = [NamedGroup::X25519, NamedGroup::SECP256R1, NamedGroup::SECP384R1];
            let needs_curves = every.iter().any(|suite| {
                suite.is_tls13()
                    || suite
                        .info()
                        .is_some_and(super::super::tls::codepoint::suite::SuiteInfo::needs_curve)
            });
            let has_curves = offer
                .groups
                .as_ref()
                .is_some_and(|groups| curves.iter().all(|curve| groups.contains(curve)));
            (has_all && (!needs_curves || has_curves)).then_some(Reason::CipherSuite)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
