//! Certificates, chains and named trust stores.
//!
//! ```text
//!  bytes a peer sent ─▶ CertificateCache ─▶ Arc<Certificate> ─┐
//!                                                             ├─▶ chain::verify ─▶ ChainReport
//!  --trust, policies ─▶ TrustStores ──────────────────────────┘    (or ChainCache, the same answer)
//! ```
//!
//! Facts only: what a certificate says, whether its chain leads to an anchor, at the time of the
//! capture. Nothing is fetched, no clock is read, and nothing but [`TrustStores::load`] touches a
//! file. Certificates are hostile input: what cannot be read is empty and says so, and every
//! search has a bound.

mod assessment;
mod cache;
mod certificate;
pub mod chain;
mod der;
mod extension;
mod identity;
mod key;
mod name;
mod path;
mod pool;
mod rules;
mod signature;
mod text;
mod time;
mod trust;

#[cfg(test)]
mod tests;

use std::fmt;

use aws_lc_rs::digest;
use serde::{Serialize, Serializer};

use crate::json::Hex;

pub use cache::{CertificateCache, ChainCache};
pub use certificate::Certificate;
pub use chain::{ChainReport, ChainStatus};
pub use extension::ExtendedKeyUsage;
pub use identity::NameMatch;
pub use key::{KeyAlgorithm, KeyInfo};
pub use pool::{Completion, IssuerPool};
pub use time::CertificateTime;
pub use trust::{StoreSummary, TrustError, TrustSource, TrustSpec, TrustStores};

/// SHA-256 of a certificate. Prints as lower-case hex.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    /// The fingerprint of these bytes.
    pub fn of(der: &[u8]) -> Self {
        let mut hash = [0; 32];
        for (to, from) in hash.iter_mut().zip(digest::digest(&digest::SHA256, der).as_ref()) {
            *to = *from;
        }
        Self(hash)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Hex(&self.0), f)
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Hex(&self.0).serialize(serializer)
    }
}
