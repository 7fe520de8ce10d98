//! The collected ClientHellos that serve tests only: read from the reference data beside the
//! repository, where that is to be had.

use std::path::Path;

use serde::Deserialize;

use crate::tls::codepoint::{
    CipherSuite, ExtensionType, NamedGroup, ProtocolVersion, SignatureScheme,
};
use crate::tls::hello::Offer;

/// A collected hello and what is said of it.
#[derive(Deserialize)]
pub(crate) struct Entry {
    pub(crate) id: String,
    pub(crate) family: String,
    pub(crate) dataverse: String,
    pub(crate) source: String,
    #[serde(default)]
    pub(crate) matching_platforms: Vec<String>,
    #[serde(default)]
    pub(crate) observed_processes: Vec<String>,
    hello_format: String,
    legacy_version: String,
    offered_versions: Option<Vec<String>>,
    ciphers: Vec<String>,
    #[serde(default)]
    extensions: Vec<u16>,
    groups: Option<Vec<String>>,
    #[serde(default)]
    point_formats: Vec<u8>,
    signature_algorithms: Option<Vec<String>>,
    #[serde(default)]
    grease: bool,
    #[serde(default)]
    ja3: String,
}

#[derive(Deserialize)]
struct File {
    client: Vec<Entry>,
}

/// Every entry; `None` where the data is not at hand, which the test then says.
pub(crate) fn entries() -> Option<Vec<Entry>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let candidates = ["../shared/reference", "../../shared/reference"];
    let text = candidates.iter().find_map(|folder| {
        std::fs::read_to_string(root.join(folder).join("client_profiles.toml")).ok()
    });
    if text.is_none() {
        println!("skipped: the reference data (client_profiles.toml) is not beside the repository");
    }
    text.map(|text| toml::from_str::<File>(&text).expect("the reference data is sound").client)
}

impl Entry {
    /// The offer that the entry describes.
    pub(crate) fn offer(&self) -> Offer {
        let mut suites: Vec<_> = self.ciphers.iter().map(|code| CipherSuite(hex(code))).collect();
        if self.grease {
            suites.insert(0, CipherSuite::new(0x1a1a));
        }
        let short = |code: &String| u16::try_from(hex(code)).expect("16 bits");
        let versions = |words: &Vec<String>| words.iter().map(|word| version(word)).collect();
        let supported_versions: Option<Vec<_>> = self.offered_versions.as_ref().map(versions);
        Offer {
            legacy_version: version(&self.legacy_version),
            sslv2_format: self.hello_format == "sslv2",
            supported_versions,
            cipher_suites: suites,
            compression_methods: vec![0],
            extensions: self.extensions.iter().copied().map(ExtensionType).collect(),
            groups: self
                .groups
                .as_ref()
                .map(|groups| groups.iter().map(short).map(NamedGroup).collect()),
            point_formats: self.point_formats.clone(),
            signature_algorithms: self
                .signature_algorithms
                .as_ref()
                .map(|schemes| schemes.iter().map(short).map(SignatureScheme).collect()),
            ja3: self.ja3.clone(),
            ..Offer::default()
        }
    }
}

fn hex(code: &str) -> u32 {
    u32::from_str_radix(code.trim_start_matches("0x").trim_start_matches("0X"), 16).expect("hex")
}

fn version(word: &str) -> ProtocolVersion {
    match word {
        "SSL2.0" => ProtocolVersion::SSL2,
        "SSL3.0" => ProtocolVersion::SSL3,
        word => ProtocolVersion::from_name(word)
            .unwrap_or_else(|| ProtocolVersion(u16::try_from(hex(word)).expect("a version"))),
    }
}
