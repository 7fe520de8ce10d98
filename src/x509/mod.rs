//! placeholder until the x509 branch lands
pub mod chain;
/// SHA-256
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub [u8; 32]);
/// cert
#[derive(Clone, Debug, serde::Serialize)]
pub struct Certificate {}
impl Certificate {
    /// fp
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint([0; 32])
    }
}
