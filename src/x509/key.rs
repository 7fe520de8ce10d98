//! Public keys: the algorithm, the size, the curve.

use std::borrow::Cow;
use std::fmt;

use serde::{Serialize, Serializer};

use super::der;
use crate::bytes::Reader;

/// What a public key is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyAlgorithm {
    /// RSA, any padding.
    Rsa,
    /// RSA for PSS signatures only (RFC 4055 §1.2).
    RsaPss,
    /// Elliptic curves in Weierstrass form (RFC 5480).
    Ec,
    /// DSA.
    Dsa,
    /// Finite-field Diffie-Hellman.
    Dh,
    /// Ed25519 (RFC 8410).
    Ed25519,
    /// Ed448 (RFC 8410).
    Ed448,
    /// ML-DSA, all three strengths.
    MlDsa,
    /// SLH-DSA, all parameter sets.
    SlhDsa,
    /// GOST R 34.10, all generations.
    Gost,
    /// Anything else, or a key that could not be read.
    #[default]
    Other,
}

/// The public key of a certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyInfo {
    /// What kind of key.
    pub algorithm: KeyAlgorithm,
    /// Its size: of the modulus (RSA), of the field (EC, `EdDSA`), of the prime (DSA, DH).
    pub bits: Option<u32>,
    /// The curve, or the parameter set; the algorithm's OID where it is unknown.
    pub curve: Option<Cow<'static, str>>,
}

impl KeyInfo {
    /// Read the `AlgorithmIdentifier`'s content and the key's bytes (RFC 5280 §4.1.2.7).
    pub(super) fn read(identifier: &[u8], key: &[u8]) -> Self {
        let mut parts = Reader::new(identifier);
        let Some(oid) = der::expect(&mut parts, der::OID) else { return Self::default() };
        let parameters = der::element(&mut parts);
        let of = |algorithm, bits, curve: &'static str| Self {
            algorithm,
            bits: Some(bits),
            curve: Some(Cow::Borrowed(curve)),
        };
        match oid.content {
            [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01] => {
                Self { algorithm: KeyAlgorithm::Rsa, bits: modulus_bits(key), curve: None }
            }
            [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a] => {
                Self { algorithm: KeyAlgorithm::RsaPss, bits: modulus_bits(key), curve: None }
            }
            [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01] => Self::elliptic(parameters, key),
            [0x2a, 0x86, 0x48, 0xce, 0x38, 0x04, 0x01] => Self {
                algorithm: KeyAlgorithm::Dsa,
                bits: parameters.and_then(|set| first_integer_bits(set.content)),
                curve: None,
            },
            // X9.42 and PKCS#3.
            [0x2a, 0x86, 0x48, 0xce, 0x3e, 0x02, 0x01]
            | [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x03, 0x01] => Self {
                algorithm: KeyAlgorithm::Dh,
                bits: parameters.and_then(|set| first_integer_bits(set.content)),
                curve: None,
            },
            [0x2b, 0x65, 0x70] => of(KeyAlgorithm::Ed25519, 256, "Ed25519"),
            [0x2b, 0x65, 0x71] => of(KeyAlgorithm::Ed448, 456, "Ed448"),
            [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03, set @ 0x11..=0x13] => {
                let name = ["ML-DSA-44", "ML-DSA-65", "ML-DSA-87"];
                Self {
                    algorithm: KeyAlgorithm::MlDsa,
                    bits: None,
                    curve: name.get(usize::from(*set - 0x11)).map(|name| Cow::Borrowed(*name)),
                }
            }
            [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03, 0x14..=0x1f] => {
                Self { algorithm: KeyAlgorithm::SlhDsa, bits: None, curve: None }
            }
            [0x2a, 0x85, 0x03, 0x02, 0x02, ..] | [0x2a, 0x85, 0x03, 0x07, 0x01, 0x01, ..] => {
                Self { algorithm: KeyAlgorithm::Gost, bits: None, curve: None }
            }
            other => Self {
                algorithm: KeyAlgorithm::Other,
                bits: None,
                curve: Some(Cow::Owned(der::oid_text(other))),
            },
        }
    }

    fn elliptic(parameters: Option<der::Element<'_>>, point: &[u8]) -> Self {
        let named = parameters.filter(|set| set.tag == der::OID).map(|set| set.content);
        let (bits, curve) = match named {
            Some(oid) => match curve(oid) {
                Some((bits, name)) => (Some(bits), Cow::Borrowed(name)),
                None => (field_bits(point), Cow::Owned(der::oid_text(oid))),
            },
            // RFC 5480 §2.1.1 forbids explicit parameters; some smart cards have them.
            None => (field_bits(point), Cow::Borrowed("explicit")),
        };
        Self { algorithm: KeyAlgorithm::Ec, bits, curve: Some(curve) }
    }
}

/// The size and the name of a curve. The NIST curves go by their short names.
fn curve(oid: &[u8]) -> Option<(u32, &'static str)> {
    Some(match oid {
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x01] => (192, "P192"),
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07] => (256, "P256"),
        [0x2b, 0x81, 0x04, 0x00, 0x21] => (224, "P224"),
        [0x2b, 0x81, 0x04, 0x00, 0x22] => (384, "P384"),
        [0x2b, 0x81, 0x04, 0x00, 0x23] => (521, "P521"),
        [0x2b, 0x81, 0x04, 0x00, 0x06] => (112, "secp112r1"),
        [0x2b, 0x81, 0x04, 0x00, 0x07] => (112, "secp112r2"),
        [0x2b, 0x81, 0x04, 0x00, 0x08] => (160, "secp160r1"),
        [0x2b, 0x81, 0x04, 0x00, 0x09] => (160, "secp160k1"),
        [0x2b, 0x81, 0x04, 0x00, 0x0a] => (256, "secp256k1"),
        [0x2b, 0x81, 0x04, 0x00, 0x1c] => (128, "secp128r1"),
        [0x2b, 0x81, 0x04, 0x00, 0x1e] => (160, "secp160r2"),
        [0x2b, 0x81, 0x04, 0x00, 0x1f] => (192, "secp192k1"),
        [0x2b, 0x81, 0x04, 0x00, 0x20] => (224, "secp224k1"),
        [0x2b, 0x81, 0x04, 0x00, 0x10] => (283, "sect283k1"),
        [0x2b, 0x81, 0x04, 0x00, 0x11] => (283, "sect283r1"),
        [0x2b, 0x81, 0x04, 0x00, 0x24] => (409, "sect409k1"),
        [0x2b, 0x81, 0x04, 0x00, 0x25] => (409, "sect409r1"),
        [0x2b, 0x81, 0x04, 0x00, 0x26] => (571, "sect571k1"),
        [0x2b, 0x81, 0x04, 0x00, 0x27] => (571, "sect571r1"),
        [0x2b, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, set] => match set {
            0x01 => (160, "brainpoolP160r1"),
            0x03 => (192, "brainpoolP192r1"),
            0x05 => (224, "brainpoolP224r1"),
            0x07 => (256, "brainpoolP256r1"),
            0x08 => (256, "brainpoolP256t1"),
            0x09 => (320, "brainpoolP320r1"),
            0x0b => (384, "brainpoolP384r1"),
            0x0c => (384, "brainpoolP384t1"),
            0x0d => (512, "brainpoolP512r1"),
            0x0e => (512, "brainpoolP512t1"),
            _ => return None,
        },
        [0x2a, 0x81, 0x1c, 0xcf, 0x55, 0x01, 0x82, 0x2d] => (256, "SM2"),
        _ => return None,
    })
}

/// The field of a curve as far as a point tells it (SEC 1 §2.3.3).
fn field_bits(point: &[u8]) -> Option<u32> {
    let (form, coordinates) = point.split_first()?;
    let bytes = match form {
        2 | 3 => coordinates.len(),
        4 | 6 | 7 => coordinates.len() / 2,
        _ => return None,
    };
    u32::try_from(bytes).ok()?.checked_mul(8)
}

/// The size of an RSA modulus (RFC 8017 §A.1.1).
fn modulus_bits(key: &[u8]) -> Option<u32> {
    first_integer_bits(der::expect(&mut Reader::new(key), der::SEQUENCE)?.content)
}

/// The size of the public exponent that follows it.
pub(super) fn exponent_bits(key: &[u8]) -> Option<u32> {
    let mut parts = Reader::new(der::expect(&mut Reader::new(key), der::SEQUENCE)?.content);
    der::expect(&mut parts, der::INTEGER)?;
    first_integer_bits(parts.peek())
}

fn first_integer_bits(sequence: &[u8]) -> Option<u32> {
    let integer = der::expect(&mut Reader::new(sequence), der::INTEGER)?;
    let zeros = integer.content.iter().take_while(|&&byte| byte == 0).count();
    let digits = integer.content.get(zeros..)?;
    let first = digits.first()?;
    u32::try_from(digits.len()).ok()?.checked_mul(8)?.checked_sub(first.leading_zeros())
}

impl fmt::Display for KeyInfo {
    /// `RSA-2048`, `EC-P256`, `Ed25519`, `DSA-1024`, `ML-DSA-44`; `unknown` where nothing was read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = match self.algorithm {
            KeyAlgorithm::Rsa => "RSA",
            KeyAlgorithm::RsaPss => "RSA-PSS",
            KeyAlgorithm::Ec => "EC",
            KeyAlgorithm::Dsa => "DSA",
            KeyAlgorithm::Dh => "DH",
            KeyAlgorithm::SlhDsa => "SLH-DSA",
            KeyAlgorithm::Gost => "GOST",
            KeyAlgorithm::Ed25519
            | KeyAlgorithm::Ed448
            | KeyAlgorithm::MlDsa
            | KeyAlgorithm::Other => {
                return f.write_str(self.curve.as_deref().unwrap_or("unknown"));
            }
        };
        f.write_str(prefix)?;
        match (&self.curve, self.bits) {
            (Some(curve), _) => write!(f, "-{curve}"),
            (None, Some(bits)) => write!(f, "-{bits}"),
            (None, None) => Ok(()),
        }
    }
}

impl Serialize for KeyInfo {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
