//! One certificate, read as far as it can be.
//!
//! In goes what a peer sent as a certificate, out comes a [`Certificate`]: always, with whatever
//! could be read, and with the reason if that is not all. Nothing is judged here.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::OnceLock;

use aws_lc_rs::digest;

use super::Fingerprint;
use super::der;
use super::extension::{AltName, ExtendedKeyUsage, Extensions};
use super::key::KeyInfo;
use super::name::{self, Name};
use super::signature::{self, Made, SignatureInfo, Signed, Signer};
use super::text::serial_text;
use super::time::CertificateTime;
use crate::bytes::Reader;
use crate::json::Kept;

/// A certificate: its bytes and what they say.
///
/// ```
/// use tlscensus::x509::Certificate;
/// let certificate = Certificate::parse(b"not a certificate");
/// assert_eq!(certificate.subject(), "");
/// assert!(certificate.fault().is_some());
/// ```
#[derive(Debug)]
pub struct Certificate {
    der: Box<[u8]>,
    fingerprint: Fingerprint,
    sha1: [u8; 20],
    version: Option<u8>,
    serial: String,
    subject: Name,
    issuer: Name,
    not_before: Option<CertificateTime>,
    not_after: Option<CertificateTime>,
    key: KeyInfo,
    signature: SignatureInfo,
    san: Vec<String>,
    alt_kinds: Vec<AltName>,
    extensions: Extensions,
    fault: Option<Cow<'static, str>>,
    parts: Parts,
    self_signed: OnceLock<Made>,
    kept: Kept,
}

/// Where the parts lie that chains are built of, as ranges of the DER.
#[derive(Clone, Debug, Default)]
struct Parts {
    /// What was signed: the `TBSCertificate` with its tag.
    signed: Range<usize>,
    /// The content of the outer `AlgorithmIdentifier`.
    signature_identifier: Range<usize>,
    /// The signature's bytes.
    signature: Range<usize>,
    /// The content of the subject's Name.
    subject: Range<usize>,
    /// The content of the `SubjectPublicKeyInfo`.
    public_key_info: Range<usize>,
    /// The content of its `AlgorithmIdentifier`.
    key_identifier: Range<usize>,
    /// The key's bytes.
    key: Range<usize>,
}

impl Certificate {
    /// Read a certificate. This never fails: what cannot be read is empty, and [`Self::fault`]
    /// says why.
    pub fn parse(der: &[u8]) -> Self {
        let mut sha1 = [0; 20];
        for (to, from) in
            sha1.iter_mut().zip(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, der).as_ref())
        {
            *to = *from;
        }
        let mut certificate = Self {
            der: der.into(),
            fingerprint: Fingerprint::of(der),
            sha1,
            version: None,
            serial: String::new(),
            subject: Name::default(),
            issuer: Name::default(),
            not_before: None,
            not_after: None,
            key: KeyInfo::default(),
            signature: SignatureInfo::default(),
            san: Vec::new(),
            alt_kinds: Vec::new(),
            extensions: Extensions::default(),
            fault: None,
            parts: Parts::default(),
            self_signed: OnceLock::new(),
            kept: Kept::default(),
        };
        certificate.fault = certificate.read(der).err().map(Cow::Borrowed);
        if certificate.fault.is_none() {
            certificate.fault = certificate.damage().map(Cow::Owned);
        }
        certificate
    }

    /// RFC 5280 §4.1, in its order; stops where the encoding does.
    fn read(&mut self, der: &[u8]) -> Result<(), &'static str> {
        let range = |part: &[u8]| {
            let start = part.as_ptr().addr().saturating_sub(der.as_ptr().addr());
            start..start.saturating_add(part.len())
        };
        let mut outer = Reader::new(der);
        let whole = der::expect(&mut outer, der::SEQUENCE).ok_or("not a DER certificate")?;
        let mut parts = Reader::new(whole.content);
        let signed = der::expect(&mut parts, der::SEQUENCE).ok_or("not a DER certificate")?;
        self.parts.signed = range(signed.whole);
        if let Some(identifier) = der::expect(&mut parts, der::SEQUENCE) {
            self.parts.signature_identifier = range(identifier.content);
            self.signature = SignatureInfo::read(identifier.content);
        }
        if let Some(bits) = der::expect(&mut parts, der::BIT_STRING) {
            self.parts.signature = range(der::whole_bytes(bits.content).unwrap_or_default());
        }

        let mut body = Reader::new(signed.content);
        self.version = Some(match der::expect(&mut body, der::VERSION) {
            None => 1, // RFC 5280 §4.1.2.1: version 1 is the default and not written
            Some(version) => match version.content {
                [der::INTEGER, 1, number] => number.saturating_add(1),
                _ => return Err("the version cannot be read"),
            },
        });
        let serial = der::expect(&mut body, der::INTEGER).ok_or("the serial number is missing")?;
        self.serial = serial_text(serial.content);
        der::expect(&mut body, der::SEQUENCE).ok_or("the inner signature algorithm is missing")?;
        let issuer = der::expect(&mut body, der::SEQUENCE).ok_or("the issuer is missing")?;
        self.issuer = name::read(issuer.content);
        let validity = der::expect(&mut body, der::SEQUENCE).ok_or("the validity is missing")?;
        let mut dates = Reader::new(validity.content);
        // Each by itself: one that cannot be read hides nothing of the other.
        [self.not_before, self.not_after] = std::array::from_fn(|_| {
            let date = der::element(&mut dates)?;
            CertificateTime::read(&mut Reader::new(date.whole))
        });
        let subject = der::expect(&mut body, der::SEQUENCE).ok_or("the subject is missing")?;
        self.parts.subject = range(subject.content);
        self.subject = name::read(subject.content);
        let key = der::expect(&mut body, der::SEQUENCE).ok_or("the public key is missing")?;
        self.parts.public_key_info = range(key.content);
        let mut inner = Reader::new(key.content);
        let identifier =
            der::expect(&mut inner, der::SEQUENCE).ok_or("the public key cannot be read")?;
        let bits =
            der::expect(&mut inner, der::BIT_STRING).ok_or("the public key cannot be read")?;
        let bytes = der::whole_bytes(bits.content).ok_or("the public key cannot be read")?;
        self.parts.key_identifier = range(identifier.content);
        self.parts.key = range(bytes);
        self.key = KeyInfo::read(identifier.content, bytes);
        // The unique identifiers [1] and [2] of version 2 may lie before the extensions.
        while let Some(element) = der::element(&mut body) {
            if element.tag == der::EXTENSIONS {
                let mut extensions = Extensions::read(element.content);
                let names = std::mem::take(&mut extensions.alt_names);
                (self.alt_kinds, self.san) = names.into_iter().unzip();
                self.extensions = extensions;
            }
        }
        if self.parts.signature.is_empty() {
            return Err("the signature is missing");
        }
        if !outer.is_empty() || !parts.is_empty() || !body.is_empty() {
            return Err("bytes follow that belong to no certificate");
        }
        Ok(())
    }

    /// What is wrong inside parts that were found.
    fn damage(&self) -> Option<String> {
        if self.not_before.is_none() || self.not_after.is_none() {
            return Some("the dates cannot be read".to_owned());
        }
        if self.subject.damaged || self.issuer.damaged {
            return Some("a name cannot be read".to_owned());
        }
        self.extensions.fault.clone()
    }

    /// What it says under other names, without its bytes: for reports that are not to tell whose it
    /// is. `subject` renames distinguished names, `host` the names of hosts, `print` gives other
    /// bytes for those that tell one certificate from another.
    #[must_use]
    pub fn renamed(
        &self,
        subject: impl Fn(&str) -> String,
        host: impl Fn(&str) -> String,
        print: impl Fn(&[u8]) -> [u8; 32],
    ) -> Self {
        let mut other = Self::parse(&[]);
        other.fingerprint = Fingerprint(print(&self.fingerprint.0));
        let sha1 = print(&self.sha1);
        other.sha1.iter_mut().zip(sha1).for_each(|(to, from)| *to = from);
        other.serial = serial_text(&print(self.serial.as_bytes()).map(|byte| byte & 0x7f));
        other.subject.text = subject(&self.subject.text);
        other.issuer.text = subject(&self.issuer.text);
        other.san = self.san.iter().map(|name| host(name)).collect();
        (other.version, other.fault) = (self.version, None);
        (other.not_before, other.not_after) = (self.not_before, self.not_after);
        (other.key, other.signature) = (self.key.clone(), self.signature.clone());
        other
    }

    /// The bytes as they were sent.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// SHA-256 of the bytes.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// SHA-1 of the bytes: the thumbprint that Windows shows.
    pub fn sha1(&self) -> [u8; 20] {
        self.sha1
    }

    /// 1, 2 or 3, if it could be read.
    pub fn version(&self) -> Option<u8> {
        self.version
    }

    /// The subject as text, in the order of the encoding: `C=DE, O=Example, CN=host`.
    ///
    /// Special characters are escaped as RFC 4514 says; so are control characters.
    pub fn subject(&self) -> &str {
        &self.subject.text
    }

    /// The issuer, in the same form.
    pub fn issuer(&self) -> &str {
        &self.issuer.text
    }

    /// The last common name of the subject.
    pub fn common_name(&self) -> Option<&str> {
        self.subject.common.as_deref()
    }

    /// The serial number in lower-case hex, two digits a byte, without leading zero bytes; with a
    /// minus in front if it is negative (RFC 5280 §4.1.2.2 forbids that; it exists).
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// The first second at which it is valid.
    pub fn not_before(&self) -> Option<CertificateTime> {
        self.not_before
    }

    /// The last second at which it is valid.
    pub fn not_after(&self) -> Option<CertificateTime> {
        self.not_after
    }

    /// The public key.
    pub fn key(&self) -> &KeyInfo {
        &self.key
    }

    /// The name of the signature algorithm as OpenSSL prints it; the OID where it is unknown.
    pub fn signature(&self) -> &str {
        &self.signature.name
    }

    /// The hash in the signature (`"SHA-256"`), if it has one of its own.
    pub fn signature_hash(&self) -> Option<&'static str> {
        self.signature.hash
    }

    /// The broken hash that its signature rests on: `"MD2"`, `"MD4"`, `"MD5"` or `"SHA-1"`.
    ///
    /// `None` for a certificate that signed itself: nobody relies on that signature, whoever trusts
    /// it trusts the key.
    pub fn weak_signature(&self) -> Option<&'static str> {
        self.signature.hash.filter(|hash| {
            matches!(*hash, "MD2" | "MD4" | "MD5" | "SHA-1") && self.is_of_another_key()
        })
    }

    /// Whether another key than its own signed it, as far as that can be told: a CA may have the
    /// same name.
    fn is_of_another_key(&self) -> bool {
        let ids = self.authority_key_id().zip(self.subject_key_id());
        !self.is_self_issued()
            || match self.signed_itself() {
                Made::Yes => false,
                Made::No => ids.is_none_or(|(issuer, own)| issuer != own),
                Made::Unknown(_) => ids.is_some_and(|(issuer, own)| issuer != own),
            }
    }

    /// Subject alternative names: host names and addresses as they are, all others with a mark in
    /// front (`email:`, `uri:`, `directory:`, `other:` …).
    pub fn san(&self) -> &[String] {
        &self.san
    }

    /// The alternative names and what each of them is.
    pub(super) fn alt_names(&self) -> impl Iterator<Item = (AltName, &str)> {
        self.alt_kinds.iter().copied().zip(self.san.iter().map(String::as_str))
    }

    /// Whether any alternative name is a host name.
    pub(super) fn has_dns_name(&self) -> bool {
        self.extensions.has_dns_name
    }

    /// Whether any of its host names is a wildcard.
    pub fn wildcard(&self) -> bool {
        self.alt_names().any(|(kind, name)| kind == AltName::Dns && name.starts_with("*."))
            || (!self.has_dns_name() && self.common_name().is_some_and(|cn| cn.starts_with("*.")))
    }

    /// Whether it says that it is a CA's (RFC 5280 §4.2.1.9).
    pub fn is_ca(&self) -> bool {
        self.extensions.is_ca == Some(true)
    }

    /// How many CAs may follow below it.
    pub fn path_len(&self) -> Option<u32> {
        self.extensions.path_len
    }

    /// The key usage bits, `digitalSignature` lowest (RFC 5280 §4.2.1.3).
    pub fn key_usage(&self) -> Option<u16> {
        self.extensions.key_usage
    }

    /// Whether its key may sign certificates as far as the key usage goes; absent, it may.
    pub fn may_sign_certificates(&self) -> bool {
        self.extensions.key_usage.is_none_or(|bits| bits & (1 << 5) != 0)
    }

    /// The purposes of its key.
    pub fn extended_key_usage(&self) -> Option<&ExtendedKeyUsage> {
        self.extensions.extended_key_usage.as_ref()
    }

    /// The subject key identifier.
    pub fn subject_key_id(&self) -> Option<&[u8]> {
        self.extensions.subject_key_id.as_deref()
    }

    /// The key identifier of its issuer.
    pub fn authority_key_id(&self) -> Option<&[u8]> {
        self.extensions.authority_key_id.as_deref()
    }

    /// Where its issuer's certificate can be fetched (RFC 5280 §4.2.2.1), if it says so.
    pub fn ca_issuers(&self) -> Option<&str> {
        self.extensions.ca_issuers.as_deref()
    }

    /// Whether it limits the names of those below it.
    pub(super) fn name_constraints(&self) -> Option<&[u8]> {
        self.extensions.name_constraints.as_deref()
    }

    /// Critical extensions that nobody here understands.
    pub(super) fn unknown_critical(&self) -> &[String] {
        &self.extensions.unknown_critical
    }

    /// Whether subject and issuer are the same name.
    pub fn is_self_issued(&self) -> bool {
        !self.subject.canonical.is_empty() && self.subject.canonical == self.issuer.canonical
    }

    /// Whether its own key signed it: verified, once.
    pub fn is_self_signed(&self) -> bool {
        self.is_self_issued() && *self.signed_itself() == Made::Yes
    }

    fn signed_itself(&self) -> &Made {
        self.self_signed.get_or_init(|| signature::made_by(self.signed(), self.signer()))
    }

    /// What could not be read, if anything.
    pub fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    /// The subject in the form in which names are compared.
    pub(super) fn subject_key(&self) -> &[u8] {
        &self.subject.canonical
    }

    /// The issuer in the form in which names are compared.
    pub(super) fn issuer_key(&self) -> &[u8] {
        &self.issuer.canonical
    }

    /// The content of the subject's Name, as webpki wants an anchor's.
    pub(super) fn subject_der(&self) -> &[u8] {
        self.part(&self.parts.subject)
    }

    /// The content of the `SubjectPublicKeyInfo`, as webpki wants an anchor's.
    pub(super) fn public_key_info(&self) -> &[u8] {
        self.part(&self.parts.public_key_info)
    }

    /// Its text in records.
    pub(super) const fn kept(&self) -> &Kept {
        &self.kept
    }

    /// What was signed, and how.
    pub(super) fn signed(&self) -> Signed<'_> {
        Signed {
            info: &self.signature,
            identifier: self.part(&self.parts.signature_identifier),
            message: self.part(&self.parts.signed),
            signature: self.part(&self.parts.signature),
        }
    }

    /// Its key as one that may have signed something.
    pub(super) fn signer(&self) -> Signer<'_> {
        Signer {
            info: &self.key,
            identifier: self.part(&self.parts.key_identifier),
            key: self.part(&self.parts.key),
        }
    }

    /// The memory it takes, roughly.
    pub(crate) fn weight(&self) -> usize {
        let text = self.subject.text.len() + self.issuer.text.len();
        let names =
            self.san.iter().map(|name| name.len() + size_of::<String>() + size_of::<AltName>());
        size_of::<Self>() + self.der.len() + 2 * text + names.sum::<usize>()
    }

    fn part(&self, range: &Range<usize>) -> &[u8] {
        self.der.get(range.clone()).unwrap_or_default()
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for Certificate {}

impl fmt::Display for Certificate {
    /// The subject, or for a nameless certificate its fingerprint.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.subject.text.is_empty() {
            write!(f, "certificate {}", self.fingerprint)
        } else {
            f.write_str(&self.subject.text)
        }
    }
}
