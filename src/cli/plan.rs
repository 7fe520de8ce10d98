//! What the options that several commands share mean, checked before anything is read.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::args::{Judgement, Window};
use super::exit::Failure;
use crate::capture::filter::Filter;
use crate::census;
use crate::clock::Timestamp;
use crate::limits::Limits;
use crate::policy::{self, Policy};
use crate::report::scope::{Network, Networks, Pattern, Scope};
use crate::report::{Exceptions, Format, Names, Question, Vendors};
use crate::x509::{TrustSource, TrustSpec, TrustStores};

/// Where filter expressions are explained.
pub(super) const FILTER_HINT: &str = "filters are those of tcpdump: see pcap-filter(7)";

/// What is judged, and by what.
pub(super) struct Judging {
    pub(super) policies: Vec<Arc<Policy>>,
    pub(super) trust: Arc<TrustStores>,
    pub(super) scope: Scope,
    pub(super) internal: Networks,
    pub(super) names: Names,
    pub(super) exceptions: Exceptions,
}

impl Judging {
    pub(super) fn new(args: &Judgement) -> Result<Self, Failure> {
        let policies = policies(&args.policy)?;
        let specs = args
            .trust
            .iter()
            .map(|spec| spec.parse::<TrustSpec>())
            .collect::<Result<Vec<_>, _>>()
            .map_err(Failure::usage)?;
        // What a policy requires is an anchor even where the stores have dropped it.
        let required: Vec<_> = policies.iter().flat_map(|policy| policy.required_roots()).collect();
        let required: Vec<&[u8]> = required.iter().map(|der| &**der).collect();
        let trust = TrustStores::load(&specs, &required).map_err(Failure::usage)?;
        let scope = Scope::new(parse_all::<Pattern>(&args.scope)?);
        let internal = if args.internal.is_empty() {
            Networks::default()
        } else {
            Networks::new(parse_all::<Network>(&args.internal)?)
        };
        let mut names = Names::new().with_vendors(Vendors::of_this_machine());
        for path in &args.hosts {
            names.add_hosts(path).map_err(Failure::usage)?;
        }
        for path in &args.groups {
            names.add_groups(path).map_err(Failure::usage)?;
        }
        let exceptions = args.exceptions.as_deref().map(Exceptions::load).transpose();
        let exceptions = exceptions.map_err(Failure::usage)?.unwrap_or_default();
        Ok(Self { policies, trust: Arc::new(trust), scope, internal, names, exceptions })
    }

    /// What is asked of a census.
    pub(super) fn question<'a>(&'a self, limits: &'a Limits) -> Question<'a> {
        Question {
            policies: &self.policies,
            trust: &self.trust,
            scope: &self.scope,
            internal: &self.internal,
            names: &self.names,
            exceptions: &self.exceptions,
            limits,
        }
    }
}

/// The files that are read to judge by: none of them may be written over.
pub(super) fn judged_by(args: &Judgement) -> impl Iterator<Item = PathBuf> {
    let store = |spec: &String| match spec.parse::<TrustSpec>().ok()?.source {
        TrustSource::Path(path) => Some(path),
        TrustSource::Mozilla | TrustSource::System => None,
    };
    let named = args.hosts.iter().chain(&args.groups).chain(&args.exceptions).cloned();
    let policies = args.policy.iter().filter(|word| Policy::by_id(word).is_err());
    policies.map(PathBuf::from).chain(named).chain(args.trust.iter().filter_map(store))
}

/// The policies that these words name, each once: reports tell them apart by their ids.
fn policies(words: &[String]) -> Result<Vec<Arc<Policy>>, Failure> {
    let mut policies: Vec<Arc<Policy>> = Vec::new();
    for word in words {
        let policy = Policy::resolve(word).map_err(no_policy)?;
        match policies.iter().find(|other| other.id == policy.id) {
            None => policies.push(policy),
            Some(same) if *same == policy => {}
            Some(_) => {
                let id = &policy.id;
                let why = anyhow!("two policies are called {id}: give one of them another id");
                return Err(Failure::usage(why));
            }
        }
    }
    Ok(policies)
}

/// There is no such policy, or its file is not one; with those that there are.
pub(super) fn no_policy(error: policy::Error) -> Failure {
    match &error {
        policy::Error::Unknown { known, .. } => {
            let hint = format!("known policies are {known}; a file is given by its path");
            Failure::usage(error).with_hint(hint)
        }
        _ => Failure::usage(error),
    }
}

/// Every value of an option that may be repeated.
fn parse_all<T: FromStr>(values: &[String]) -> Result<Vec<T>, Failure>
where
    T::Err: Into<anyhow::Error>,
{
    values.iter().map(|value| value.parse()).collect::<Result<_, _>>().map_err(Failure::usage)
}

/// `--report`, each with the format that its name asks for.
pub(super) fn reports(paths: Vec<PathBuf>) -> Result<Vec<(PathBuf, Format)>, Failure> {
    let format = |path: PathBuf| match Format::of(&path) {
        Some(format) => Ok((path, format)),
        None => Err(Failure::usage(anyhow!(
            "cannot tell the format of report `{}` by its name",
            path.display()
        ))
        .with_hint(format!("let it end in one of {}", Format::ENDINGS.join(", ")))),
    };
    paths.into_iter().map(format).collect()
}

/// `--filter` of what is read from files.
pub(super) fn filter(expression: Option<&str>) -> Result<Option<Filter>, Failure> {
    expression
        .map(Filter::new)
        .transpose()
        .map_err(|error| Failure::usage(error).with_hint(FILTER_HINT))
}

/// `--since` and `--until` of a census.
pub(super) fn census_window(args: &Window) -> Result<census::Window, Failure> {
    window(args).map(|(since, until)| census::Window { since, until })
}

/// `--since` and `--until`.
pub(super) fn window(args: &Window) -> Result<(Option<Timestamp>, Option<Timestamp>), Failure> {
    let parse = |text: &Option<String>, option| match text {
        None => Ok(None),
        Some(text) => moment(text)
            .with_context(|| format!("`{text}` is no time for {option}"))
            .map(Some)
            .map_err(|error| {
                Failure::usage(error)
                    .with_hint("times are RFC 3339 in UTC, as 2026-03-01T08:15:30Z, or a date")
            }),
    };
    Ok((parse(&args.since, "--since")?, parse(&args.until, "--until")?))
}

/// A moment as people type it.
fn moment(text: &str) -> anyhow::Result<Timestamp> {
    let whole = if text.len() == "2026-03-01".len() {
        format!("{text}T00:00:00Z")
    } else {
        text.to_owned()
    };
    let nanos = OffsetDateTime::parse(&whole, &Rfc3339)?.unix_timestamp_nanos();
    if nanos < 0 {
        return Err(anyhow!("captures begin in 1970"));
    }
    // Whoever means never says 9999: no capture has a time beyond the last one that can be told.
    Ok(Timestamp::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_counts_once_and_two_may_not_share_an_id() {
        let ids = |words: &[&str]| {
            let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
            let named = policies(&words).map_err(|failure| format!("{:#}", failure.error));
            named.map(|named| named.iter().map(|one| one.id.to_string()).collect::<Vec<_>>())
        };
        let file = "src/policy/builtin/dataverse.toml";
        assert_eq!(
            ids(&["dataverse", "rfc8996", "Dataverse", file, "dataverse"]).unwrap(),
            ["dataverse", "rfc8996"]
        );
        let directory = tempfile::tempdir().unwrap();
        let own = directory.path().join("own.toml");
        let text =
            std::fs::read_to_string(file).unwrap().replacen("title = \"", "title = \"Our ", 1);
        std::fs::write(&own, text).unwrap();
        assert_eq!(
            ids(&["dataverse", own.to_str().unwrap()]).unwrap_err(),
            "two policies are called dataverse: give one of them another id"
        );
    }

    #[test]
    fn dates_and_times() {
        assert_eq!(moment("2026-03-01").unwrap().to_string(), "2026-03-01T00:00:00.000000000Z");
        assert_eq!(
            moment("2026-03-01T08:15:30.5+01:00").unwrap().to_string(),
            "2026-03-01T07:15:30.500000000Z"
        );
        assert!(moment("yesterday").is_err() && moment("1969-12-31").is_err());
        assert_eq!(moment("9999-12-31").unwrap().as_nanos(), u64::MAX);
    }
}
