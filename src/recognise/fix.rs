//! [`Fix`]: what a remediation answers. Findings and reasons name what they need by these words.

/// Define the vocabulary once, with parsing and printing.
macro_rules! fixes {
    ($($(#[$meta:meta])* $variant:ident = $word:literal,)*) => {
        /// What a remediation answers.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Fix { $($(#[$meta])* $variant,)* }

        impl Fix {
            /// Every word there is.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word in the files.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// From the word in the files.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

fixes! {
    /// The client offers no version of the policy, but lower ones.
    ClientVersionBelowPolicy = "client-version-below-policy",
    /// The client offers nothing but versions above the policy's highest.
    ClientVersionBeyondPolicy = "client-version-beyond-policy",
    /// The client offers no suite of the policy.
    ClientSuiteMissing = "client-suite-missing",
    /// The client names no group that will do.
    ClientGroupMissing = "client-group-missing",
    /// The client accepts no signature that will do.
    ClientSignatureMissing = "client-signature-missing",
    /// The client still offers versions that should go.
    ClientOffersLegacyVersion = "client-offers-legacy-version",
    /// The client sends hellos in the format of SSL 2.0.
    Sslv2Hello = "sslv2-hello",
    /// The server has no version of the policy.
    ServerVersionBelowPolicy = "server-version-below-policy",
    /// The server still accepts versions that should go.
    ServerAcceptsLegacyVersion = "server-accepts-legacy-version",
    /// The server has no suite of the policy.
    ServerSuiteMissing = "server-suite-missing",
    /// The server chooses suites off the policy's list.
    ServerSuiteNotAllowed = "server-suite-not-allowed",
    /// The server chooses groups that the policy does not have.
    ServerGroupMissing = "server-group-missing",
    /// Static RSA key exchange.
    NoForwardSecrecy = "no-forward-secrecy",
    /// A weak suite.
    WeakSuite = "weak-suite",
    /// The client lacks a root.
    RootMissing = "root-missing",
    /// The chain ends at an expired root.
    RootExpired = "root-expired",
    /// The chain ends at a root that a programme dropped.
    RootDistrusted = "root-distrusted",
    /// Intermediates are not sent.
    ChainIncomplete = "chain-incomplete",
    /// A signature of the chain does not verify, or cannot be verified.
    ChainDamaged = "chain-damaged",
    /// The chain ends at an issuer that nobody knows.
    UnknownRoot = "unknown-root",
    /// The certificate is its own issuer.
    SelfSignedLeaf = "self-signed-leaf",
    /// The certificate has expired.
    LeafExpired = "leaf-expired",
    /// The certificate expires soon.
    LeafExpiring = "leaf-expiring",
    /// The certificate is not valid yet.
    LeafNotYetValid = "leaf-not-yet-valid",
    /// The certificate has another name.
    NameMismatch = "name-mismatch",
    /// The key is small.
    WeakKey = "weak-key",
    /// The signature rests on a broken hash.
    WeakSignature = "weak-signature",
    /// The certificate's key is not what the policy wants.
    CertificateOutsidePolicy = "certificate-outside-policy",
    /// The client rejected the certificate.
    CertificateRejected = "certificate-rejected",
    /// The server rejected the client's certificate.
    ClientCertificateRefused = "client-certificate-refused",
    /// A version lower than both ends can was negotiated.
    Downgraded = "downgraded",
}
