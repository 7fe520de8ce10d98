//! `tlscensus policy`: list the policies, show one, check a file.

use std::fmt::Write as _;

use super::args::{Policy as Args, PolicyAction};
use super::exit::{Exit, Failure};
use super::words::Words;
use crate::policy::{CipherRule, Level, Policy};

/// List, show, or check.
pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let text = match &args.action {
        PolicyAction::List => list(),
        PolicyAction::Show { policy } => show(&*Policy::resolve(policy).map_err(Failure::usage)?),
        PolicyAction::Check { file } => {
            let policy = Policy::load(file).map_err(Failure::usage)?;
            format!(
                "`{}` holds the policy `{}`: {}\n",
                file.display(),
                policy.id,
                policy.about.title
            )
        }
    };
    Words::out(text.as_bytes())?;
    Ok(Exit::Done)
}

/// One line a policy: how to call it, what it accepts, what it is.
fn list() -> String {
    let policies = Policy::builtin();
    let column = |cell: fn(&Policy) -> String| {
        policies.iter().map(|policy| cell(policy).len()).max().unwrap_or(0)
    };
    let (ids, wide) = (column(|policy| policy.id.to_string()), column(versions));
    let mut text = String::new();
    for policy in policies {
        let superseded = policy.superseded_by().map(|id| format!(" (superseded by {id})"));
        let _ = writeln!(
            text,
            "{:<ids$}  {:<wide$}  {}{}",
            policy.id,
            versions(policy),
            policy.about.title,
            superseded.unwrap_or_default()
        );
    }
    text
}

/// Everything that a person may want to know of a policy.
fn show(policy: &Policy) -> String {
    let about = &policy.about;
    let mut text = format!("{}: {}\n\n", policy.id, about.title);
    let mut line = |label: &str, value: String| {
        if !value.is_empty() {
            let _ = writeln!(text, "{label:<13} {value}");
        }
    };
    line("also called", about.aliases.join(", "));
    line("status", about.status.to_string());
    line("versions", versions(policy));
    let groups = policy.groups.iter().flatten().map(ToString::to_string);
    line("groups", groups.collect::<Vec<_>>().join(", "));
    line("suites", word(CipherRule::ALL, policy.suites.text.rule).to_owned());
    for listed in &policy.suites.text.listed {
        let name = listed.suite.name().unwrap_or("?");
        let until = listed.until.as_deref().map(|until| format!(", until {until}"));
        line(
            "",
            format!("{name} ({}{})", word(Level::ALL, listed.level), until.unwrap_or_default()),
        );
    }
    for root in &policy.roots {
        let word = if root.required { "required" } else { "named" };
        let until = root.not_after.as_deref().map(|until| format!(", until {until}"));
        line("root", format!("{} ({word}{})", root.common_name, until.unwrap_or_default()));
    }
    for date in &about.dates {
        line("date", format!("{}: {}", date.date, date.event));
    }
    for note in &about.notes {
        line("note", note.to_string());
    }
    let source = &about.source;
    let parts = [&about.publisher, &source.document, &source.section, &source.date];
    line("source", parts.into_iter().flatten().map(|part| &**part).collect::<Vec<_>>().join(", "));
    line(
        "hint",
        about.scope.iter().map(|p| format!("--scope '{p}'")).collect::<Vec<_>>().join(" "),
    );
    text
}

fn versions(policy: &Policy) -> String {
    policy.versions.iter().map(|version| version.to_string()).collect::<Vec<_>>().join(" ")
}

/// The word of a value in policy files.
fn word<T: Copy + PartialEq>(words: &'static [(&'static str, T)], value: T) -> &'static str {
    words.iter().find(|(_, known)| *known == value).map_or("?", |(word, _)| word)
}
