//! Certificates that may have issued others: looked up by name.

use std::collections::HashMap;
use std::sync::Arc;

use super::certificate::Certificate;

/// Certificates that were seen elsewhere and may complete a chain.
///
/// The order in which they were put in does not matter: paths are the same for the same set.
#[derive(Debug, Default)]
pub struct IssuerPool {
    by_subject: HashMap<Box<[u8]>, Vec<Arc<Certificate>>>,
}

impl IssuerPool {
    /// Those with this name.
    pub(super) fn named(&self, subject: &[u8]) -> &[Arc<Certificate>] {
        self.by_subject.get(subject).map_or(&[], Vec::as_slice)
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.by_subject.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_subject.is_empty()
    }
}

impl FromIterator<Arc<Certificate>> for IssuerPool {
    fn from_iter<I: IntoIterator<Item = Arc<Certificate>>>(certificates: I) -> Self {
        let mut by_subject: HashMap<Box<[u8]>, Vec<Arc<Certificate>>> = HashMap::new();
        for certificate in certificates {
            // Leaves outnumber CAs by far, and cannot complete anything.
            if certificate.is_ca() && !certificate.subject_key().is_empty() {
                by_subject.entry(certificate.subject_key().into()).or_default().push(certificate);
            }
        }
        for namesakes in by_subject.values_mut() {
            namesakes.sort_by_key(|certificate| certificate.fingerprint());
            namesakes.dedup_by_key(|certificate| certificate.fingerprint());
        }
        Self { by_subject }
    }
}
