//! The policies that come with the program, in the order in which they are listed.

use std::sync::{Arc, LazyLock};

use super::{Policy, file};

impl Policy {
    /// Every policy that comes with the program.
    pub fn builtin() -> &'static [Arc<Self>] {
        &POLICIES
    }
}

static POLICIES: LazyLock<Vec<Arc<Policy>>> = LazyLock::new(|| {
    // A test reads every one of them: none is lost here.
    TEXTS.iter().filter_map(|(name, text)| file::parse(name, text).ok()).map(Arc::new).collect()
});

/// Name and text of each file.
macro_rules! texts {
    ($($name:literal)*) => {
        &[$(($name, include_str!(concat!("builtin/", $name, ".toml"))),)*]
    };
}

const TEXTS: &[(&str, &str)] = texts! {
    "dataverse"
    "dataverse-2024-12"
    "dataverse-on-premises"
    "dynamics365-customer-engagement"
    "dynamics365-finance-operations"
    "entra-connect"
    "microsoft-365"
    "azure-tls12"
    "azure-front-door-tls12-2022"
    "azure-front-door-tls12-2023"
    "rfc8996"
    "rfc9325"
    "rfc10015"
    "nist-sp-800-52r2"
    "bsi-tr-02102-2"
    "anssi-tls"
    "pci-dss-4"
    "mozilla-modern"
    "mozilla-intermediate"
    "mozilla-intermediate-5.7"
    "mozilla-old-5.8"
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Error;

    #[test]
    fn every_file_is_a_policy_named_like_it() {
        for (name, text) in TEXTS {
            let policy = file::parse(name, text).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(&*policy.id, *name);
            if let Some(successor) = policy.superseded_by() {
                assert!(Policy::by_id(successor).is_ok(), "{successor}");
            }
        }
        assert_eq!(Policy::builtin().len(), 21);
        let mut names: Vec<&str> =
            Policy::builtin().iter().flat_map(|policy| policy.names()).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all, "a name is taken twice");
    }

    #[test]
    fn policies_are_found_by_id_and_alias_and_an_unknown_one_gets_a_hint() {
        assert_eq!(&*Policy::by_id("dataverse-2022").unwrap().id, "dataverse");
        assert_eq!(&*Policy::resolve("Dataverse").unwrap().id, "dataverse");
        let error = Policy::by_id("datavers").unwrap_err();
        assert!(
            matches!(&error, Error::Unknown { near: Some(near), .. } if &**near == "dataverse")
        );
        assert!(error.to_string().contains("did you mean `dataverse`?"), "{error}");
        let error = Policy::resolve("./missing.toml").unwrap_err().to_string();
        assert!(error.starts_with("cannot read the policy ./missing.toml"), "{error}");
    }
}
