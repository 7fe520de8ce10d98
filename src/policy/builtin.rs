//! The policies that come with the program, in the order in which they are listed.

use std::sync::{Arc, LazyLock, OnceLock};

use super::{Policy, file};

impl Policy {
    /// Every policy that comes with the program.
    pub fn builtin() -> &'static [Arc<Self>] {
        &POLICIES
    }

    /// The one whose id is this very word: most runs want no other, and read no other.
    pub(super) fn builtin_by_id(id: &str) -> Option<Arc<Self>> {
        read(TEXTS.iter().position(|(name, _)| *name == id)?)
    }
}

static POLICIES: LazyLock<Vec<Arc<Policy>>> =
    LazyLock::new(|| (0..TEXTS.len()).filter_map(read).collect());

/// Each policy, once it was asked for.
static READ: [OnceLock<Option<Arc<Policy>>>; TEXTS.len()] =
    [const { OnceLock::new() }; TEXTS.len()];

/// The policy of one of the [`TEXTS`].
fn read(at: usize) -> Option<Arc<Policy>> {
    let (name, text) = TEXTS.get(at)?;
    // A test reads every one of them: none is lost here.
    let parse = || file::parse(name, text).ok().map(Arc::new);
    READ.get(at)?.get_or_init(parse).clone()
}

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
