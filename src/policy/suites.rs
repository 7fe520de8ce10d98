//! Which suites are in a policy, at each version: computed once when the policy is read, so that a
//! flow is judged by a few bit tests.

use crate::tls::codepoint::{
    CipherSuite, KeyExchange, ProtocolVersion, SignatureKind, SuiteInfo, Weakness,
};

/// How a policy speaks of suites.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CipherRule {
    /// An endpoint must be able to negotiate one of the list.
    AtLeastOneOf,
    /// Nothing off the list may be negotiated.
    Only,
    /// The list is advice; what is forbidden is a rule.
    Recommended,
    /// No list: every suite but those of a forbidden key exchange or with a forbidden weakness.
    ForbidByKx,
    /// No rule about suites.
    None,
}

impl CipherRule {
    /// Every rule with its word in policy files.
    pub const ALL: &[(&str, Self)] = &[
        ("at-least-one-of", Self::AtLeastOneOf),
        ("only", Self::Only),
        ("recommended", Self::Recommended),
        ("forbid-by-kx", Self::ForbidByKx),
        ("none", Self::None),
    ];

    /// Whether the list says what is in the policy.
    pub const fn is_list(self) -> bool {
        matches!(self, Self::AtLeastOneOf | Self::Only)
    }
}

/// What a policy says of a suite that it lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// One of these is required.
    RequiredOneOf,
    /// May be used.
    Allowed,
    /// Should be used.
    Recommended,
    /// Should be used where keys are pre-shared.
    RecommendedPsk,
    /// May be used, preferably not.
    AllowedNotPreferred,
    /// Only where forward secrecy is not needed.
    RecommendedWithoutFs,
    /// The same with pre-shared keys.
    RecommendedPskWithoutFs,
    /// For compatibility only.
    Degraded,
    /// Of the past: not in the policy.
    Legacy,
    /// Not in the policy.
    Disallowed,
    /// Not in the policy.
    Forbidden,
}

impl Level {
    /// Every level with its word in policy files.
    pub const ALL: &[(&str, Self)] = &[
        ("required-one-of", Self::RequiredOneOf),
        ("allowed", Self::Allowed),
        ("recommended", Self::Recommended),
        ("recommended-psk", Self::RecommendedPsk),
        ("allowed-not-preferred", Self::AllowedNotPreferred),
        ("recommended-without-fs", Self::RecommendedWithoutFs),
        ("recommended-psk-without-fs", Self::RecommendedPskWithoutFs),
        ("degraded", Self::Degraded),
        ("legacy", Self::Legacy),
        ("disallowed", Self::Disallowed),
        ("forbidden", Self::Forbidden),
    ];

    /// A suite of this level is not in the policy, under every rule.
    pub const fn excludes(self) -> bool {
        matches!(self, Self::Legacy | Self::Disallowed | Self::Forbidden)
    }

    /// A suite of this level is in the policy, and better left.
    pub const fn discourages(self) -> bool {
        matches!(
            self,
            Self::AllowedNotPreferred
                | Self::RecommendedWithoutFs
                | Self::RecommendedPskWithoutFs
                | Self::Degraded
        )
    }
}

/// A suite as a policy file lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedSuite {
    /// The suite.
    pub suite: CipherSuite,
    /// What the policy says of it.
    pub level: Level,
    /// Until when, in the words of the file; for people, no rule.
    pub until: Option<Box<str>>,
    /// A remark.
    pub note: Option<Box<str>>,
}

/// What a policy file says of suites.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SuiteText {
    /// How it speaks of them.
    pub rule: CipherRule,
    /// The suites it lists.
    pub listed: Vec<ListedSuite>,
    /// Key exchanges that take a suite out of the policy.
    pub forbidden_kx: Vec<KeyExchange>,
    /// Weaknesses that do.
    pub forbidden_weaknesses: Vec<Weakness>,
    /// Suites of a cipher weaker than this are out.
    pub forbidden_bits_below: Option<u16>,
    /// Key exchanges that are better left.
    pub discouraged_kx: Vec<KeyExchange>,
    /// Weaknesses that are.
    pub discouraged_weaknesses: Vec<Weakness>,
    /// Ciphers weaker than this are better left.
    pub discouraged_bits_below: Option<u16>,
}

impl SuiteText {
    fn level(&self, suite: CipherSuite) -> Option<Level> {
        self.listed.iter().find(|listed| listed.suite == suite).map(|listed| listed.level)
    }

    /// Whether the list has a suite of TLS 1.3, or of the versions below.
    fn lists(&self, tls13: bool) -> bool {
        self.listed
            .iter()
            .any(|listed| listed.suite.is_tls13() == tls13 && !listed.level.excludes())
    }

    /// Whether a suite is in the policy.
    fn admits(&self, suite: CipherSuite) -> bool {
        let level = self.level(suite);
        let info = suite.info();
        if suite.is_signalling() || level.is_some_and(Level::excludes) {
            return false;
        }
        if info.is_some_and(|info| self.forbids(info)) {
            return false;
        }
        // Where TLS 1.3 is allowed and no suite of it is listed, every one is in the policy.
        let by_list = self.rule.is_list() && (!suite.is_tls13() || self.lists(true));
        let unfit =
            [Weakness::Null, Weakness::Export, Weakness::Anon, Weakness::Rc4, Weakness::Des];
        match self.rule {
            _ if by_list => level.is_some(),
            CipherRule::Recommended => {
                !info.is_some_and(|info| unfit.iter().any(|weakness| info.has(*weakness)))
            }
            _ => true,
        }
    }

    fn forbids(&self, info: &SuiteInfo) -> bool {
        self.forbidden_kx.contains(&info.key_exchange)
            || self.forbidden_weaknesses.iter().any(|weakness| info.has(*weakness))
            || self.forbidden_bits_below.is_some_and(|bits| info.bits < bits)
    }

    /// Whether a suite that is in the policy is better left.
    fn discourages(&self, suite: CipherSuite) -> bool {
        let level = self.level(suite);
        level.is_some_and(Level::discourages)
            || suite.info().is_some_and(|info| {
                self.discouraged_kx.contains(&info.key_exchange)
                    || self.discouraged_weaknesses.iter().any(|weakness| info.has(*weakness))
                    || self.discouraged_bits_below.is_some_and(|bits| info.bits < bits)
            })
            // Advice that names no suite of TLS 1.3 says nothing about them.
            || (self.rule == CipherRule::Recommended
                && level.is_none()
                && self.lists(suite.is_tls13()))
    }
}

/// The suites of a policy, ready to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SuiteRules {
    /// What the file says.
    pub text: SuiteText,
    inside: SuiteSet,
    discouraged: SuiteSet,
    every: Option<Vec<CipherSuite>>,
    keys: KeyKinds,
}

impl SuiteRules {
    /// Work out which suites are in the policy.
    pub(super) fn new(text: SuiteText, tls13_allowed: bool, only_tls13: bool) -> Self {
        let known = CipherSuite::table().iter().map(|info| info.suite);
        let mut inside =
            SuiteSet::of_unknown(|tls13| !text.rule.is_list() || (tls13 && !text.lists(true)));
        let mut discouraged =
            SuiteSet::of_unknown(|tls13| text.rule == CipherRule::Recommended && text.lists(tls13));
        for suite in known {
            let admitted = text.admits(suite);
            inside.set(suite, admitted);
            discouraged.set(suite, admitted && text.discourages(suite));
        }
        let wanted = |suite: CipherSuite| {
            inside.contains(suite) && if suite.is_tls13() { tls13_allowed } else { !only_tls13 }
        };
        // A refusal proves something only where "every suite of the policy" is a list.
        let every = (text.rule.is_list() && (!tls13_allowed || text.lists(true))).then(|| {
            text.listed.iter().map(|listed| listed.suite).filter(|suite| wanted(*suite)).collect()
        });
        let keys = CipherSuite::table()
            .iter()
            .filter(|info| wanted(info.suite))
            .fold(KeyKinds::EMPTY, |kinds, info| kinds.union(KeyKinds::of_suite(info)));
        Self { text, inside, discouraged, every, keys }
    }

    /// Whether a suite is in the policy at a version: suites of TLS 1.3 there and nowhere else,
    /// cipher kinds of SSL 2.0 likewise.
    pub fn allow(&self, version: ProtocolVersion, suite: CipherSuite) -> bool {
        let Some(version) = version.judged_as() else { return false };
        self.inside.contains(suite)
            && (version == ProtocolVersion::SSL2) == is_wide(suite)
            && (version == ProtocolVersion::TLS1_3) == suite.is_tls13()
    }

    /// Whether a suite is in the policy at any version.
    pub fn name(&self, suite: CipherSuite) -> bool {
        self.inside.contains(suite)
    }

    /// Whether a suite is in the policy and better left.
    pub fn discourage(&self, suite: CipherSuite) -> bool {
        self.discouraged.contains(suite)
    }

    /// Every suite of the policy, where its list says so; `None` where that would be nearly all.
    pub fn every(&self) -> Option<&[CipherSuite]> {
        self.every.as_deref()
    }

    /// The kinds of certificate key that suites of the policy can be used with.
    pub const fn keys(&self) -> KeyKinds {
        self.keys
    }
}

/// A cipher kind of SSL 2.0.
const fn is_wide(suite: CipherSuite) -> bool {
    suite.0 > 0xffff
}

/// A set of suites: one bit for each 16-bit number, the few wider ones by name.
#[derive(Clone, Debug, PartialEq, Eq)]
struct SuiteSet {
    bits: Box<[u64]>,
    wide: Vec<CipherSuite>,
}

impl SuiteSet {
    /// All numbers of 16 bits for which `holds` is true, given whether the number lies in the
    /// range of TLS 1.3; most of them are no known suite.
    fn of_unknown(holds: impl Fn(bool) -> bool) -> Self {
        let [below, tls13] = [holds(false), holds(true)].map(|all| if all { u64::MAX } else { 0 });
        // 0x1300 to 0x13ff are four words of 64 bits.
        let word = |at: usize| if (0x13 << 2..0x14 << 2).contains(&at) { tls13 } else { below };
        Self { bits: (0..1024).map(word).collect(), wide: Vec::new() }
    }

    fn set(&mut self, suite: CipherSuite, holds: bool) {
        let Some(code) = suite.code() else {
            if holds {
                self.wide.push(suite);
            }
            return;
        };
        if let Some(word) = self.bits.get_mut(usize::from(code >> 6)) {
            let bit = 1 << (code & 63);
            *word = if holds { *word | bit } else { *word & !bit };
        }
    }

    fn contains(&self, suite: CipherSuite) -> bool {
        match suite.code() {
            Some(code) => self
                .bits
                .get(usize::from(code >> 6))
                .is_some_and(|word| word & (1 << (code & 63)) != 0),
            None => self.wide.contains(&suite),
        }
    }
}

/// A set of kinds of certificate key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct KeyKinds(u8);

impl KeyKinds {
    /// None.
    pub const EMPTY: Self = Self(0);
    /// The two kinds that servers have: RSA and ECDSA.
    pub const USUAL: Self = Self(Self::bit(SignatureKind::Rsa) | Self::bit(SignatureKind::Ecdsa));

    const fn bit(kind: SignatureKind) -> u8 {
        match kind {
            SignatureKind::Rsa => 1,
            SignatureKind::Ecdsa => 1 << 1,
            SignatureKind::Dsa => 1 << 2,
            SignatureKind::MlDsa => 1 << 3,
            SignatureKind::Sm2 => 1 << 4,
        }
    }

    /// The kind of key that a suite needs the server's certificate to have: none for pre-shared
    /// keys and anonymous suites, the usual ones for TLS 1.3, whose suites leave it open.
    pub fn of_suite(info: &SuiteInfo) -> Self {
        match (info.key_exchange, info.authentication) {
            (KeyExchange::Tls13, _) => Self::USUAL,
            // A static ECDH certificate holds a curve key, whoever signed it (RFC 8422 §2).
            (KeyExchange::Ecdh, _) | (_, "ECDSA") => Self::from(SignatureKind::Ecdsa),
            (KeyExchange::Dh, _) => Self::EMPTY,
            (_, "RSA" | "RSA+PSK" | "SRP+RSA") => Self::from(SignatureKind::Rsa),
            (_, "DSS" | "SRP+DSS") => Self::from(SignatureKind::Dsa),
            (_, "SM2") => Self::from(SignatureKind::Sm2),
            _ => Self::EMPTY,
        }
    }

    /// Whether it has this kind.
    pub const fn contains(self, kind: SignatureKind) -> bool {
        self.0 & Self::bit(kind) != 0
    }

    /// Whether it has none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many kinds it has.
    pub const fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// What either has.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What both have.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl From<SignatureKind> for KeyKinds {
    fn from(kind: SignatureKind) -> Self {
        Self(Self::bit(kind))
    }
}

impl FromIterator<SignatureKind> for KeyKinds {
    fn from_iter<I: IntoIterator<Item = SignatureKind>>(kinds: I) -> Self {
        kinds.into_iter().fold(Self::EMPTY, |set, kind| set.union(kind.into()))
    }
}
