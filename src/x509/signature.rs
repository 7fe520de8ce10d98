//! Signatures: what an algorithm is called, and whether one key made a signature.
//!
//! [`ALGORITHMS`] is the one table of what can be checked. Its first rows are the algorithms that
//! old networks still have and that no library offers by default: webpki tries the rows whose
//! identifiers match in order and believes the first, so behind the standard ones they would never
//! be asked. That a signature verifies says that the key made it, not that it is a good one: MD5,
//! SHA-1 and short keys are findings.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use aws_lc_rs::signature as aws;
use rustls_pki_types::{
    AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id,
};
use webpki::aws_lc_rs as standard;

use super::der;
use super::key::{self, KeyAlgorithm, KeyInfo};
use crate::bytes::Reader;

/// Every algorithm that can be checked, the ones of old networks first.
pub(super) static ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = &[
    &RSA_SHA1,
    &RSA_SHA1_ABSENT,
    &RSA_SHA1_OIW,
    &RSA_SHA1_OIW_ABSENT,
    &RSA_SHA256,
    &RSA_SHA512,
    &ECDSA_P256_SHA1,
    &ECDSA_P521_SHA1,
    standard::RSA_PKCS1_2048_8192_SHA256_ABSENT_PARAMS,
    standard::RSA_PKCS1_2048_8192_SHA384,
    standard::RSA_PKCS1_2048_8192_SHA384_ABSENT_PARAMS,
    standard::RSA_PKCS1_2048_8192_SHA512_ABSENT_PARAMS,
    standard::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
    standard::RSA_PSS_2048_8192_SHA384_LEGACY_KEY,
    standard::RSA_PSS_2048_8192_SHA512_LEGACY_KEY,
    &RSA_PSS_KEY_SHA256,
    &RSA_PSS_KEY_SHA384,
    &RSA_PSS_KEY_SHA512,
    standard::ECDSA_P256_SHA256,
    standard::ECDSA_P256_SHA384,
    standard::ECDSA_P256_SHA512,
    standard::ECDSA_P384_SHA256,
    standard::ECDSA_P384_SHA384,
    standard::ECDSA_P384_SHA512,
    standard::ECDSA_P521_SHA256,
    standard::ECDSA_P521_SHA384,
    standard::ECDSA_P521_SHA512,
    standard::ED25519,
    &ML_DSA_44,
    &ML_DSA_65,
    &ML_DSA_87,
];

/// Content of the `AlgorithmIdentifier` of `sha1WithRSAEncryption` (RFC 3279 §2.2.1).
const SHA1_RSA: &[u8] =
    &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05, 0x05, 0x00];
/// The same without the NULL that the RFC asks for.
const SHA1_RSA_ABSENT: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05];
/// `sha1WithRSA` of the OIW, which Windows' makecert wrote for many years.
const SHA1_RSA_OIW: &[u8] = &[0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1d, 0x05, 0x00];
/// The same without parameters.
const SHA1_RSA_OIW_ABSENT: &[u8] = &[0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1d];
/// `ecdsa-with-SHA1` (RFC 3279 §2.2.3).
const SHA1_ECDSA: &[u8] = &[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01];

/// `id-RSASSA-PSS` as the algorithm of a key that is bound to no hash (RFC 4055 §1.2).
const PSS_KEY: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a];

static RSA_SHA1: Row = Row {
    key: alg_id::RSA_ENCRYPTION,
    signature: AlgorithmIdentifier::from_slice(SHA1_RSA),
    check: &aws::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
};
static RSA_SHA1_ABSENT: Row = Row {
    key: alg_id::RSA_ENCRYPTION,
    signature: AlgorithmIdentifier::from_slice(SHA1_RSA_ABSENT),
    check: &aws::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
};
static RSA_SHA1_OIW: Row = Row {
    key: alg_id::RSA_ENCRYPTION,
    signature: AlgorithmIdentifier::from_slice(SHA1_RSA_OIW),
    check: &aws::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
};
static RSA_SHA1_OIW_ABSENT: Row = Row {
    key: alg_id::RSA_ENCRYPTION,
    signature: AlgorithmIdentifier::from_slice(SHA1_RSA_OIW_ABSENT),
    check: &aws::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
};
static RSA_SHA256: Row = Row {
    key: alg_id::RSA_ENCRYPTION,
    signature: alg_id::RSA_PKCS1_SHA256,
    check: &aws::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
};
static RSA_SHA512: Row = Row {
    key: alg_id::RSA_ENCRYPTION,
    signature: alg_id::RSA_PKCS1_SHA512,
    check: &aws::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
};
static ECDSA_P256_SHA1: Row = Row {
    key: alg_id::ECDSA_P256,
    signature: AlgorithmIdentifier::from_slice(SHA1_ECDSA),
    check: &aws::ECDSA_P256_SHA1_ASN1,
};
static ECDSA_P521_SHA1: Row = Row {
    key: alg_id::ECDSA_P521,
    signature: AlgorithmIdentifier::from_slice(SHA1_ECDSA),
    check: &aws::ECDSA_P521_SHA1_ASN1,
};
static RSA_PSS_KEY_SHA256: Row = Row {
    key: AlgorithmIdentifier::from_slice(PSS_KEY),
    signature: alg_id::RSA_PSS_SHA256,
    check: &aws::RSA_PSS_2048_8192_SHA256,
};
static RSA_PSS_KEY_SHA384: Row = Row {
    key: AlgorithmIdentifier::from_slice(PSS_KEY),
    signature: alg_id::RSA_PSS_SHA384,
    check: &aws::RSA_PSS_2048_8192_SHA384,
};
static RSA_PSS_KEY_SHA512: Row = Row {
    key: AlgorithmIdentifier::from_slice(PSS_KEY),
    signature: alg_id::RSA_PSS_SHA512,
    check: &aws::RSA_PSS_2048_8192_SHA512,
};
static ML_DSA_44: Row =
    Row { key: alg_id::ML_DSA_44, signature: alg_id::ML_DSA_44, check: &aws::ML_DSA_44 };
static ML_DSA_65: Row =
    Row { key: alg_id::ML_DSA_65, signature: alg_id::ML_DSA_65, check: &aws::ML_DSA_65 };
static ML_DSA_87: Row =
    Row { key: alg_id::ML_DSA_87, signature: alg_id::ML_DSA_87, check: &aws::ML_DSA_87 };

/// A row of [`ALGORITHMS`] that webpki does not have.
#[derive(Debug)]
struct Row {
    key: AlgorithmIdentifier,
    signature: AlgorithmIdentifier,
    check: &'static dyn aws::VerificationAlgorithm,
}

impl SignatureVerificationAlgorithm for Row {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        aws::UnparsedPublicKey::new(self.check, public_key)
            .verify(message, signature)
            .map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.key
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.signature
    }
}

/// What is known of a signature without checking it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SignatureInfo {
    /// As OpenSSL prints it; the OID where it is unknown.
    pub(super) name: Cow<'static, str>,
    /// The hash in it, if it has one of its own.
    pub(super) hash: Option<&'static str>,
    /// The kind of key that makes it.
    pub(super) key: Option<KeyAlgorithm>,
}

impl SignatureInfo {
    /// Read the content of an `AlgorithmIdentifier` (RFC 5280 §4.1.1.2).
    pub(super) fn read(identifier: &[u8]) -> Self {
        use KeyAlgorithm::{Dsa, Ec, Ed448, Ed25519, Gost, MlDsa, Rsa, SlhDsa};
        let mut parts = Reader::new(identifier);
        let Some(oid) = der::expect(&mut parts, der::OID) else { return Self::default() };
        let (name, hash, key) = match oid.content {
            [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, which] => match which {
                0x02 => ("md2WithRSAEncryption", Some("MD2"), Rsa),
                0x03 => ("md4WithRSAEncryption", Some("MD4"), Rsa),
                0x04 => ("md5WithRSAEncryption", Some("MD5"), Rsa),
                0x05 => ("sha1WithRSAEncryption", Some("SHA-1"), Rsa),
                0x0a => ("rsassaPss", pss_hash(parts), Rsa),
                0x0b => ("sha256WithRSAEncryption", Some("SHA-256"), Rsa),
                0x0c => ("sha384WithRSAEncryption", Some("SHA-384"), Rsa),
                0x0d => ("sha512WithRSAEncryption", Some("SHA-512"), Rsa),
                0x0e => ("sha224WithRSAEncryption", Some("SHA-224"), Rsa),
                _ => return Self::unknown(oid.content),
            },
            [0x2b, 0x0e, 0x03, 0x02, 0x03] => ("md5WithRSA", Some("MD5"), Rsa),
            [0x2b, 0x0e, 0x03, 0x02, 0x1d] => ("sha1WithRSA", Some("SHA-1"), Rsa),
            [0x2b, 0x0e, 0x03, 0x02, 0x1b] => ("dsaWithSHA1-old", Some("SHA-1"), Dsa),
            [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01] => ("ecdsa-with-SHA1", Some("SHA-1"), Ec),
            [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, which] => match which {
                0x01 => ("ecdsa-with-SHA224", Some("SHA-224"), Ec),
                0x02 => ("ecdsa-with-SHA256", Some("SHA-256"), Ec),
                0x03 => ("ecdsa-with-SHA384", Some("SHA-384"), Ec),
                0x04 => ("ecdsa-with-SHA512", Some("SHA-512"), Ec),
                _ => return Self::unknown(oid.content),
            },
            [0x2a, 0x86, 0x48, 0xce, 0x38, 0x04, 0x03] => ("dsaWithSHA1", Some("SHA-1"), Dsa),
            [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03, which] => match which {
                0x01 => ("dsa_with_SHA224", Some("SHA-224"), Dsa),
                0x02 => ("dsa_with_SHA256", Some("SHA-256"), Dsa),
                0x03 => ("dsa_with_SHA384", Some("SHA-384"), Dsa),
                0x04 => ("dsa_with_SHA512", Some("SHA-512"), Dsa),
                0x11 => ("ML-DSA-44", None, MlDsa),
                0x12 => ("ML-DSA-65", None, MlDsa),
                0x13 => ("ML-DSA-87", None, MlDsa),
                0x14..=0x1f => ("SLH-DSA", None, SlhDsa),
                _ => return Self::unknown(oid.content),
            },
            [0x2b, 0x65, 0x70] => ("ED25519", None, Ed25519),
            [0x2b, 0x65, 0x71] => ("ED448", None, Ed448),
            [0x2a, 0x85, 0x03, 0x02, 0x02, 0x03] => {
                ("id-GostR3411-94-with-GostR3410-2001", None, Gost)
            }
            [0x2a, 0x85, 0x03, 0x07, 0x01, 0x01, 0x03, 0x02] => {
                ("id-tc26-signwithdigest-gost3410-2012-256", None, Gost)
            }
            [0x2a, 0x85, 0x03, 0x07, 0x01, 0x01, 0x03, 0x03] => {
                ("id-tc26-signwithdigest-gost3410-2012-512", None, Gost)
            }
            [0x2a, 0x81, 0x1c, 0xcf, 0x55, 0x01, 0x83, 0x75] => ("SM2-with-SM3", None, Ec),
            other => return Self::unknown(other),
        };
        Self { name: Cow::Borrowed(name), hash, key: Some(key) }
    }

    fn unknown(oid: &[u8]) -> Self {
        Self { name: Cow::Owned(der::oid_text(oid)), hash: None, key: None }
    }
}

/// The hash of RSASSA-PSS parameters; SHA-1 where they do not say (RFC 4055 §3.1).
fn pss_hash(mut parameters: Reader<'_>) -> Option<&'static str> {
    let Some(set) = der::expect(&mut parameters, der::SEQUENCE) else { return Some("SHA-1") };
    let Some(hash) = der::expect(&mut Reader::new(set.content), 0xa0) else { return Some("SHA-1") };
    let identifier = der::expect(&mut Reader::new(hash.content), der::SEQUENCE)?;
    match der::expect(&mut Reader::new(identifier.content), der::OID)?.content {
        [0x2b, 0x0e, 0x03, 0x02, 0x1a] => Some("SHA-1"),
        [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01] => Some("SHA-256"),
        [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02] => Some("SHA-384"),
        [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03] => Some("SHA-512"),
        [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x04] => Some("SHA-224"),
        _ => None,
    }
}

/// What was signed, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signed<'a> {
    /// What is known of the algorithm.
    pub(super) info: &'a SignatureInfo,
    /// The content of its `AlgorithmIdentifier`.
    pub(super) identifier: &'a [u8],
    /// The bytes that were signed.
    pub(super) message: &'a [u8],
    /// The signature.
    pub(super) signature: &'a [u8],
}

/// A key that may have made it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signer<'a> {
    /// What is known of the key.
    pub(super) info: &'a KeyInfo,
    /// The content of its `AlgorithmIdentifier`.
    pub(super) identifier: &'a [u8],
    /// The key itself.
    pub(super) key: &'a [u8],
}

/// Whether a key made a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Made {
    /// It did.
    Yes,
    /// It did not.
    No,
    /// That cannot be checked here, and why.
    Unknown(String),
}

/// Whether a key is of the kind that makes such signatures; costs nothing.
pub(super) fn kind_fits(signed: &SignatureInfo, key: &KeyInfo) -> bool {
    let kind = match key.algorithm {
        KeyAlgorithm::Other => return true,
        KeyAlgorithm::RsaPss => KeyAlgorithm::Rsa,
        other => other,
    };
    signed.key.is_none_or(|wanted| wanted == kind)
}

/// What checking a signature with a key costs, in signatures of P-256.
pub(super) fn cost(key: &KeyInfo) -> u32 {
    match (key.algorithm, key.bits) {
        (KeyAlgorithm::Ec, Some(385..))
        | (KeyAlgorithm::Rsa | KeyAlgorithm::RsaPss, Some(4_097..)) => 5,
        (KeyAlgorithm::Ec, Some(257..)) => 3,
        _ => 1,
    }
}

/// Check one signature with one key.
pub(super) fn made_by(signed: Signed<'_>, by: Signer<'_>) -> Made {
    if !kind_fits(signed.info, by.info) {
        return Made::No;
    }
    let mut rows =
        ALGORITHMS.iter().filter(|row| row.signature_alg_id().as_ref() == signed.identifier);
    let known = rows.clone().next().is_some();
    let Some(row) = rows.find(|row| row.public_key_alg_id().as_ref() == by.identifier) else {
        return Made::Unknown(if known {
            format!("{} with a key {} cannot be checked", signed.info.name, by.info)
        } else if signed.info.name == "rsassaPss" {
            "rsassaPss with parameters that cannot be checked".to_owned()
        } else {
            format!("a signature {} cannot be checked", signed.info.name)
        });
    };
    if let (KeyAlgorithm::Rsa | KeyAlgorithm::RsaPss, Some(bits)) =
        (by.info.algorithm, by.info.bits)
    {
        let floor = if LEGACY_RSA.contains(&signed.identifier) { 1024 } else { 2048 };
        if !(floor..=8192).contains(&bits) {
            return Made::Unknown(format!(
                "{} with a key {} cannot be checked",
                signed.info.name, by.info
            ));
        }
        if let Some(bits) = key::exponent_bits(by.key).filter(|bits| !RSA_EXPONENTS.contains(bits))
        {
            return Made::Unknown(format!(
                "{} with a key {} and a public exponent of {bits} bits cannot be checked",
                signed.info.name, by.info
            ));
        }
    }
    match row.verify_signature(by.key, signed.message, signed.signature) {
        Ok(()) => Made::Yes,
        Err(InvalidSignature) => Made::No,
    }
}

/// The sizes of a public exponent that AWS-LC takes, against keys that are slow to check with. RFC
/// 8017 §3.1 allows any below the modulus.
const RSA_EXPONENTS: RangeInclusive<u32> = 2..=33;

/// The RSA signatures whose row takes keys of 1024 bits; all others start at 2048.
const LEGACY_RSA: [&[u8]; 6] = [
    SHA1_RSA,
    SHA1_RSA_ABSENT,
    SHA1_RSA_OIW,
    SHA1_RSA_OIW_ABSENT,
    // sha256WithRSAEncryption and sha512WithRSAEncryption with their NULL.
    &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b, 0x05, 0x00],
    &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0d, 0x05, 0x00],
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legacy_rows_stand_before_any_standard_row_with_the_same_identifiers() {
        let mut seen = Vec::new();
        for row in ALGORITHMS {
            let identifiers = (row.signature_alg_id(), row.public_key_alg_id());
            assert!(
                !seen.contains(&identifiers),
                "{identifiers:?} twice: the second is never used"
            );
            seen.push(identifiers);
        }
        for identifier in LEGACY_RSA {
            assert!(seen.iter().any(|(signature, _)| signature.as_ref() == identifier));
        }
    }

    #[test]
    fn names_algorithms_as_openssl_does() {
        assert_eq!(SignatureInfo::read(SHA1_RSA).name, "sha1WithRSAEncryption");
        assert_eq!(SignatureInfo::read(SHA1_ECDSA).hash, Some("SHA-1"));
        assert_eq!(SignatureInfo::read(alg_id::RSA_PSS_SHA384.as_ref()).hash, Some("SHA-384"));
        assert_eq!(SignatureInfo::read(&[0x06, 0x03, 0x2a, 0x03, 0x04]).name, "1.2.3.4");
        assert_eq!(SignatureInfo::read(&[0x30]), SignatureInfo::default());
    }
}
