//! Whether a path holds: webpki's rules, and the few cases in which webpki does not decide.
//!
//! webpki refuses forms that are no reason to distrust a path in an old network. Where it does,
//! and every signature of the path was checked, [`without_webpki`] applies the rules of RFC 5280
//! §6.1 that remain. The decisions:
//!
//! | case | here | why |
//! | --- | --- | --- |
//! | extended key usage without serverAuth | verified, said in `why` | `openssl verify` without a purpose; it is the client's to refuse |
//! | the leaf is a CA certificate | verified, said in `why` | OpenSSL and Schannel take it, Firefox does not |
//! | names equal only by RFC 5280 §7.1 | verified | OpenSSL and Schannel compare so |
//! | critical policy extensions | verified | no policy is asked for (RFC 5280 §6.1.1) |
//! | more than six intermediates | verified | a bound of webpki's; ours is `limits.chain_length` |
//! | no moment at which all are valid | verified | the dates are judged for themselves |
//! | dates before 1970 | verified | webpki cannot count them; the dates are judged for themselves |
//! | name constraints violated, issuer no CA, path too long | unverifiable | the signatures are right, the path is not |
//! | version 1, unknown critical extension, damage | unverifiable | a form that cannot be checked |

use std::sync::Arc;

use rustls_pki_types::{CertificateDer, Der, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeIdIter};

use super::certificate::Certificate;
use super::signature::ALGORITHMS;

/// What a complete path is worth, dates aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Grade {
    /// It verifies; perhaps with a remark.
    Verified(Option<String>),
    /// It cannot be verified, and why.
    Unverifiable(String),
}

/// Why webpki did not verify a path.
#[derive(Debug)]
pub(super) enum Refusal {
    /// There is no moment at which all of its certificates are valid.
    NoMoment,
    /// It said so.
    Webpki(webpki::Error),
}

/// Any extended key usage: see the table above.
struct AnyPurpose;

impl ExtendedKeyUsageValidator for AnyPurpose {
    fn validate(&self, _: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        Ok(())
    }
}

/// Let webpki verify `path` (from the leaf upwards, without the anchor) at a moment at which all
/// of it is valid.
pub(super) fn check_with_webpki(
    path: &[Arc<Certificate>],
    anchor: &Certificate,
) -> Result<(), Refusal> {
    let moment = common_moment(path).ok_or(Refusal::NoMoment)?;
    let Some((leaf, intermediates)) = path.split_first() else {
        return Err(Refusal::NoMoment);
    };
    let leaf = CertificateDer::from(leaf.der());
    let intermediates: Vec<CertificateDer<'_>> =
        intermediates.iter().map(|c| CertificateDer::from(c.der())).collect();
    let anchors = [TrustAnchor {
        subject: Der::from_slice(anchor.subject_der()),
        subject_public_key_info: Der::from_slice(anchor.public_key_info()),
        name_constraints: anchor.name_constraints().map(Der::from_slice),
    }];
    let leaf = EndEntityCert::try_from(&leaf).map_err(Refusal::Webpki)?;
    leaf.verify_for_usage(ALGORITHMS, &anchors, &intermediates, moment, AnyPurpose, None, None)
        .map(|_| ())
        .map_err(Refusal::Webpki)
}

/// The first moment at which all certificates of a path are valid.
fn common_moment(path: &[Arc<Certificate>]) -> Option<UnixTime> {
    let from = path
        .iter()
        .map(|c| c.not_before())
        .try_fold(0, |from, date| date.map(|date| i64::max(from, date.as_secs())))?;
    let until = path
        .iter()
        .map(|c| c.not_after())
        .try_fold(i64::MAX, |until, date| date.map(|date| i64::min(until, date.as_secs())))?;
    let seconds = u64::try_from(from).ok().filter(|_| from <= until)?;
    Some(UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds)))
}

/// What webpki does not look at.
pub(super) fn after_webpki(path: &[Arc<Certificate>]) -> Grade {
    // RFC 5280 §6.1.4 (n).
    match issuers(path).find(|issuer| !issuer.may_sign_certificates()) {
        Some(issuer) => {
            Grade::Unverifiable(format!("{issuer}: its key usage forbids signing certificates"))
        }
        None => Grade::Verified(purpose_remark(path)),
    }
}

/// Judge a path whose signatures were all checked, but which webpki refused.
pub(super) fn without_webpki(
    path: &[Arc<Certificate>],
    anchor: &Certificate,
    refusal: &Refusal,
) -> Grade {
    if let Some(why) = path.iter().find_map(|certificate| form(certificate)) {
        return Grade::Unverifiable(why);
    }
    if let Some(why) = broken_rule(path) {
        return Grade::Unverifiable(why);
    }
    let constrained = anchor.name_constraints().is_some()
        || issuers(path).any(|issuer| issuer.name_constraints().is_some());
    let remark = match refusal {
        Refusal::NoMoment => return after_webpki(path),
        Refusal::Webpki(webpki::Error::NameConstraintViolation) => {
            return Grade::Unverifiable(
                "a name in the chain is outside the name constraints of its issuers".to_owned(),
            );
        }
        Refusal::Webpki(webpki::Error::CaUsedAsEndEntity) => {
            Some("the server's own certificate is that of a CA".to_owned())
        }
        Refusal::Webpki(
            webpki::Error::UnsupportedCriticalExtension
            | webpki::Error::UnknownIssuer
            | webpki::Error::MaximumPathDepthExceeded,
        ) => None,
        Refusal::Webpki(webpki::Error::BadDerTime) if path.iter().any(|c| is_before_1970(c)) => {
            None
        }
        Refusal::Webpki(error) => {
            return Grade::Unverifiable(format!("a certificate of the path is refused: {error}"));
        }
    };
    if constrained {
        return Grade::Unverifiable("the name constraints in it cannot be checked".to_owned());
    }
    match after_webpki(path) {
        Grade::Verified(purpose) => Grade::Verified(remark.or(purpose)),
        refused @ Grade::Unverifiable(_) => refused,
    }
}

/// Whether a date of it lies before those that webpki can count.
fn is_before_1970(certificate: &Certificate) -> bool {
    let dates = [certificate.not_before(), certificate.not_after()];
    dates.into_iter().flatten().any(|date| date.as_secs() < 0)
}

/// The certificates of a path that issued others of it.
fn issuers(path: &[Arc<Certificate>]) -> impl Iterator<Item = &Certificate> {
    path.iter().skip(1).map(AsRef::as_ref)
}

/// A form that cannot be checked.
fn form(certificate: &Certificate) -> Option<String> {
    if let Some(version @ (1 | 2)) = certificate.version() {
        return Some(format!("{certificate}: X.509 version {version} has no extensions to check"));
    }
    if let Some(oid) = certificate.unknown_critical().first() {
        // RFC 5280 §4.2.
        return Some(format!("{certificate}: the critical extension {oid} is not understood"));
    }
    certificate.fault().map(|fault| format!("{certificate}: {fault}"))
}

/// A rule of RFC 5280 §6.1.4 that an issuer of the path breaks: (k) it is a CA, (l) and (m) its
/// path length.
fn broken_rule(path: &[Arc<Certificate>]) -> Option<String> {
    let mut below = 0_u32; // CAs between this one and the leaf that are not their own issuers
    for issuer in issuers(path) {
        if !issuer.is_ca() {
            return Some(format!("{issuer} is not the certificate of a CA"));
        }
        if issuer.path_len().is_some_and(|most| below > most) {
            return Some(format!("{issuer} allows fewer CAs below it"));
        }
        if !issuer.is_self_issued() {
            below = below.saturating_add(1);
        }
    }
    None
}

/// Said, not judged: see the table above.
fn purpose_remark(path: &[Arc<Certificate>]) -> Option<String> {
    let strange =
        path.iter().find(|c| c.extended_key_usage().is_some_and(|usage| !usage.server_auth))?;
    Some(format!("{strange}: its extended key usage does not name TLS servers"))
}
