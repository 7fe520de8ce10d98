//! `tlscensus policy`: list the policies, show one, check a file.

use std::fmt::Write as _;

use super::args::{Policy as Args, PolicyAction};
use super::exit::{Exit, Failure};
use super::plan::no_policy;
use super::words::Words;
use crate::policy::{CipherRule, Level, Policy, VersionSet, key_words};
use crate::report::{printable, wrap};

/// How wide the words before each line are.
const LABEL: usize = 13;

/// List, show, or check.
pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let text = match &args.action {
        PolicyAction::List => list(),
        PolicyAction::Show { policy } => {
            let policy = Policy::resolve(policy).map_err(no_policy)?;
            show(&policy, Words::columns())
        }
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
    let accepts = |policy: &Policy| versions(policy.versions);
    let column = |cell: fn(&Policy) -> String| {
        policies.iter().map(|policy| cell(policy).len()).max().unwrap_or(0)
    };
    let (ids, wide) = (column(|policy| policy.id.to_string()), column(accepts));
    let mut text = String::new();
    for policy in policies {
        let superseded = policy.superseded_by().map(|id| format!(" (superseded by {id})"));
        let _ = writeln!(
            text,
            "{:<ids$}  {:<wide$}  {}{}",
            policy.id,
            accepts(policy),
            policy.about.title,
            superseded.unwrap_or_default()
        );
    }
    text
}

/// Everything that a person may want to know of a policy, in lines of a width.
fn show(policy: &Policy, columns: usize) -> String {
    let about = &policy.about;
    let title = format!("{}: {}", policy.id, printable(&about.title));
    let mut text = wrap(&title, columns).join("\n") + "\n\n";
    let mut line = |mut label: &str, value: &str| {
        for line in wrap(&printable(value), columns.saturating_sub(LABEL + 1)) {
            let _ = writeln!(text, "{label:<LABEL$} {line}");
            label = "";
        }
    };
    line("also called", &about.aliases.join(", "));
    line("status", &about.status.to_string());
    line("versions", &versions(policy.versions));
    line(
        "",
        &prefixed(
            "better left: ",
            &versions(policy.discouraged_versions.intersection(policy.versions)),
        ),
    );
    line("groups", &listed(policy.groups.iter().flatten()));
    line("certificates", &policy.certificate_types.map(key_words).unwrap_or_default());
    for (kind, bits) in [("RSA", policy.min_rsa_bits), ("curves", policy.min_ec_bits)] {
        line("least key", &bits.map(|bits| format!("{kind}: {bits} bits")).unwrap_or_default());
    }
    let suites = &policy.suites.text;
    line("suites", word(CipherRule::ALL, suites.rule));
    for one in &suites.listed {
        let name = one.suite.name().unwrap_or("?");
        let until = one.until.as_deref().map(|until| format!(", until {until}"));
        let level = word(Level::ALL, one.level);
        line("", &format!("{name} ({level}{})", until.unwrap_or_default()));
    }
    for (what, kx, weaknesses, bits) in [
        (
            "forbidden: ",
            &suites.forbidden_kx,
            &suites.forbidden_weaknesses,
            suites.forbidden_bits_below,
        ),
        (
            "better left: ",
            &suites.discouraged_kx,
            &suites.discouraged_weaknesses,
            suites.discouraged_bits_below,
        ),
    ] {
        let exchanges = listed(kx.iter().map(|kx| kx.word()));
        line("", &prefixed(&format!("{what}key exchange "), &exchanges));
        let weak = listed(weaknesses.iter().map(|weakness| weakness.word()));
        line("", &prefixed(&format!("{what}weak by "), &weak));
        let bits = bits.map(|bits| format!("{what}ciphers of less than {bits} bits"));
        line("", &bits.unwrap_or_default());
    }
    for root in &policy.roots {
        let word = if root.required { "required" } else { "named" };
        let until = root.not_after.as_deref().map(|until| format!(", until {until}"));
        line("root", &format!("{} ({word}{})", root.common_name, until.unwrap_or_default()));
    }
    for date in &about.dates {
        line("date", &format!("{}: {}", date.date, date.event));
    }
    for note in &about.notes {
        line("note", note);
    }
    let source = &about.source;
    let parts = [&about.publisher, &source.document, &source.section, &source.date];
    line("source", &parts.into_iter().flatten().map(|part| &**part).collect::<Vec<_>>().join(", "));
    for (at, pattern) in about.scope.iter().enumerate() {
        line(if at == 0 { "hint" } else { "" }, &format!("--scope '{pattern}'"));
    }
    text
}

fn listed<T: ToString>(items: impl Iterator<Item = T>) -> String {
    items.map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

/// A text behind words that say what it is, or nothing.
fn prefixed(what: &str, text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("{what}{text}") }
}

fn versions(versions: VersionSet) -> String {
    versions.iter().map(|version| version.to_string()).collect::<Vec<_>>().join(" ")
}

/// The word of a value in policy files.
fn word<T: Copy + PartialEq>(words: &'static [(&'static str, T)], value: T) -> &'static str {
    words.iter().find(|(_, known)| *known == value).map_or("?", |(word, _)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_shown_whole_in_lines_that_fit() {
        for policy in Policy::builtin() {
            let (narrow, wide) = (show(policy, 60), show(policy, 100_000));
            let letters = |text: &str| text.split_whitespace().collect::<String>();
            let widest = narrow.lines().map(|line| line.chars().count()).max();
            assert!(widest <= Some(60), "{}: {widest:?}", policy.id);
            assert_eq!(letters(&narrow), letters(&wide), "{}: a word is lost", policy.id);
            let suites = &policy.suites.text;
            let weak = suites.forbidden_weaknesses.iter().map(|weakness| weakness.word());
            let listed = suites.listed.iter().filter_map(|listed| listed.suite.name());
            for word in weak.chain(listed) {
                assert!(wide.contains(word), "{}: {word} is not shown", policy.id);
            }
        }
    }
}
