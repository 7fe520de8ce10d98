//! The extensions of a certificate, each read on its own: a damaged one does not hide the others.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use x509_parser::extensions::{GeneralName, ParsedExtension, X509Extension};
use x509_parser::prelude::FromDer;

use super::der;
use super::name::{self, printable, push_hex};
use crate::bytes::Reader;

/// What a subject alternative name is (RFC 5280 §4.2.1.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AltName {
    /// A host name, perhaps with a wildcard.
    Dns,
    /// An address.
    Ip(IpAddr),
    /// Anything else: its text carries a mark.
    Other,
}

/// Purposes that a key may serve (RFC 5280 §4.2.1.12).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExtendedKeyUsage {
    /// TLS servers; also by any purpose at all, or by the server-gated ones of the nineties.
    pub server_auth: bool,
    /// TLS clients; also by any purpose at all.
    pub client_auth: bool,
    /// Every purpose, in the order given: short names, else OIDs.
    pub purposes: Vec<String>,
}

/// What the extensions say. Absent ones are `None`.
#[derive(Debug, Default)]
pub(super) struct Extensions {
    pub(super) alt_names: Vec<(AltName, String)>,
    /// Whether there is any DNS name: then a common name is no host name (RFC 6125 §6.4.4).
    pub(super) has_dns_name: bool,
    pub(super) is_ca: Option<bool>,
    pub(super) path_len: Option<u32>,
    /// The bits, the first one lowest (RFC 5280 §4.2.1.3).
    pub(super) key_usage: Option<u16>,
    pub(super) extended_key_usage: Option<ExtendedKeyUsage>,
    pub(super) subject_key_id: Option<Box<[u8]>>,
    pub(super) authority_key_id: Option<Box<[u8]>>,
    pub(super) ca_issuers: Option<String>,
    /// The content of the `NameConstraints` SEQUENCE, as webpki takes it.
    pub(super) name_constraints: Option<Box<[u8]>>,
    /// Critical ones that nobody here understands, as OIDs (RFC 5280 §4.2: reject).
    pub(super) unknown_critical: Vec<String>,
    /// What could not be read.
    pub(super) fault: Option<String>,
}

/// `id-kp-serverAuth` and its kin, by their OIDs' content.
const ANY_PURPOSE: &[u8] = &[0x55, 0x1d, 0x25, 0x00];

impl Extensions {
    /// Read the content of `[3]`, which holds one SEQUENCE of extensions.
    pub(super) fn read(content: &[u8]) -> Self {
        let mut found = Self::default();
        let Some(list) = der::expect(&mut Reader::new(content), der::SEQUENCE) else {
            found.fault = Some("the extensions cannot be read".to_owned());
            return found;
        };
        let mut list = Reader::new(list.content);
        let mut seen: Vec<&[u8]> = Vec::new();
        while let Some(extension) = der::expect(&mut list, der::SEQUENCE) {
            let mut parts = Reader::new(extension.content);
            let Some(oid) = der::expect(&mut parts, der::OID) else {
                found.blame("an extension without a name");
                continue;
            };
            // RFC 5280 §4.2: no extension twice. The first counts.
            if seen.contains(&oid.content) {
                found.blame(&format!("extension {} stands twice", der::oid_text(oid.content)));
                continue;
            }
            // No certificate has this many; a hostile one must not make the search quadratic.
            if seen.len() < 64 {
                seen.push(oid.content);
            }
            let critical = der::expect(&mut parts, der::BOOLEAN)
                .is_some_and(|flag| flag.content.iter().any(|&byte| byte != 0));
            match X509Extension::from_der(extension.whole) {
                Ok((_, parsed)) => found.take(oid.content, critical, &parsed),
                Err(_) => {
                    found
                        .blame(&format!("extension {} cannot be read", der::oid_text(oid.content)));
                }
            }
        }
        if !list.is_empty() {
            found.blame("the list of extensions is damaged");
        }
        found
    }

    fn blame(&mut self, why: &str) {
        if self.fault.is_none() {
            self.fault = Some(why.to_owned());
        }
    }

    fn take(&mut self, oid: &[u8], critical: bool, extension: &X509Extension<'_>) {
        match extension.parsed_extension() {
            ParsedExtension::SubjectAlternativeName(names) => {
                self.alt_names = names.general_names.iter().map(alt_name).collect();
                self.has_dns_name = self.alt_names.iter().any(|(kind, _)| *kind == AltName::Dns);
            }
            ParsedExtension::BasicConstraints(basic) => {
                self.is_ca = Some(basic.ca);
                self.path_len = basic.path_len_constraint;
            }
            ParsedExtension::KeyUsage(usage) => self.key_usage = Some(usage.flags),
            ParsedExtension::ExtendedKeyUsage(_) => {
                self.extended_key_usage = Some(purposes(extension.value));
            }
            ParsedExtension::SubjectKeyIdentifier(id) => self.subject_key_id = Some(id.0.into()),
            ParsedExtension::AuthorityKeyIdentifier(id) => {
                self.authority_key_id = id.key_identifier.as_ref().map(|id| id.0.into());
            }
            ParsedExtension::AuthorityInfoAccess(access) => {
                // RFC 5280 §4.2.2.1: id-ad-caIssuers, fetched over HTTP by those who fetch at all.
                self.ca_issuers = access.accessdescs.iter().find_map(|entry| {
                    match (entry.access_method.as_bytes(), &entry.access_location) {
                        (
                            [0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x02],
                            GeneralName::URI(uri),
                        ) => Some(printable(uri.as_bytes())),
                        _ => None,
                    }
                });
            }
            ParsedExtension::NameConstraints(_) => {
                self.name_constraints =
                    der::expect(&mut Reader::new(extension.value), der::SEQUENCE)
                        .map(|constraints| constraints.content.into());
            }
            ParsedExtension::ParseError { .. } => {
                self.blame(&format!("extension {} cannot be read", der::oid_text(oid)));
            }
            ParsedExtension::CertificatePolicies(_)
            | ParsedExtension::PolicyMappings(_)
            | ParsedExtension::PolicyConstraints(_)
            | ParsedExtension::InhibitAnyPolicy(_)
            | ParsedExtension::CRLDistributionPoints(_)
            | ParsedExtension::NSCertType(_)
            | ParsedExtension::IssuerAlternativeName(_) => {}
            _ if critical => self.unknown_critical.push(der::oid_text(oid)),
            _ => {}
        }
    }
}

/// The purposes in an `ExtKeyUsageSyntax`.
fn purposes(value: &[u8]) -> ExtendedKeyUsage {
    let mut usage = ExtendedKeyUsage::default();
    let Some(list) = der::expect(&mut Reader::new(value), der::SEQUENCE) else { return usage };
    let mut list = Reader::new(list.content);
    while let Some(oid) = der::expect(&mut list, der::OID) {
        let name = match oid.content {
            ANY_PURPOSE => {
                usage.server_auth = true;
                usage.client_auth = true;
                "any"
            }
            [0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, which] => match which {
                1 => {
                    usage.server_auth = true;
                    "serverAuth"
                }
                2 => {
                    usage.client_auth = true;
                    "clientAuth"
                }
                3 => "codeSigning",
                4 => "emailProtection",
                8 => "timeStamping",
                9 => "OCSPSigning",
                _ => "",
            },
            // Netscape's and Microsoft's step-up: OpenSSL takes them for server certificates.
            [0x60, 0x86, 0x48, 0x01, 0x86, 0xf8, 0x42, 0x04, 0x01] => {
                usage.server_auth = true;
                "nsSGC"
            }
            [0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x0a, 0x03, 0x03] => {
                usage.server_auth = true;
                "msSGC"
            }
            _ => "",
        };
        usage.purposes.push(if name.is_empty() {
            der::oid_text(oid.content)
        } else {
            name.to_owned()
        });
    }
    usage
}

fn alt_name(name: &GeneralName<'_>) -> (AltName, String) {
    let other = |mark: &str, text: &str| (AltName::Other, format!("{mark}:{text}"));
    let hex = |bytes: &[u8]| {
        let mut text = String::new();
        push_hex(&mut text, bytes);
        text
    };
    match name {
        GeneralName::DNSName(host) => (AltName::Dns, printable(host.as_bytes())),
        GeneralName::IPAddress(bytes) => match address(bytes) {
            Some(address) => (AltName::Ip(address), address.to_string()),
            None => other("ip", &hex(bytes)),
        },
        GeneralName::RFC822Name(mail) => other("email", &printable(mail.as_bytes())),
        GeneralName::URI(uri) => other("uri", &printable(uri.as_bytes())),
        GeneralName::DirectoryName(directory) => {
            let content = der::expect(&mut Reader::new(directory.as_raw()), der::SEQUENCE);
            other("directory", &name::read(content.map_or(&[], |name| name.content)).text)
        }
        GeneralName::OtherName(oid, _) => other("other", &der::oid_text(oid.as_bytes())),
        GeneralName::RegisteredID(oid) => other("oid", &der::oid_text(oid.as_bytes())),
        GeneralName::X400Address(value) => other("x400", &hex(value.data)),
        GeneralName::EDIPartyName(value) => other("edi", &hex(value.data)),
        GeneralName::Invalid(_, bytes) => other("invalid", &hex(bytes)),
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(IpAddr::V4(Ipv4Addr::from(four)));
    }
    <[u8; 16]>::try_from(bytes).ok().map(|sixteen| IpAddr::V6(Ipv6Addr::from(sixteen)))
}
