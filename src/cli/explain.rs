//! `tlscensus explain`: what a finding, a reason, an outcome or a remediation means, in full.

use std::fmt::Write as _;

use anyhow::anyhow;

use super::exit::{Exit, Failure};
use super::words::Words;
use crate::policy::finding::FindingId;
use crate::policy::reader::nearest;
use crate::policy::{Outcome, Reason};
use crate::recognise::{Fix, Remediation, Symptom};

/// Print what is known under an id.
pub(super) fn run(id: &str) -> Result<Exit, Failure> {
    let outcome = || Outcome::ALL.into_iter().find(|outcome| outcome.name() == id);
    let text = Remediation::by_id(id)
        .map(remedy)
        .or_else(|| FindingId::from_name(id).map(finding))
        .or_else(|| Reason::from_name(id).map(reason))
        .or_else(|| outcome().map(|it| format!("{}: {}\n", it.name(), it.explanation())));
    let Some(text) = text else {
        let known: Vec<&str> = ids().collect();
        let near = nearest(id, &known).map(|near| format!("; did you mean `{near}`?"));
        let error = anyhow!("nothing is called `{id}`{}", near.unwrap_or_default());
        return Err(Failure::usage(error).with_hint(
            "ids of findings, reasons and remediations stand in the summary and in reports, \
             as suite.tls_rsa, cipher_suite or schannel-tls12-client",
        ));
    };
    Words::out(text.as_bytes())?;
    Ok(Exit::Done)
}

/// Everything that can be asked for.
fn ids() -> impl Iterator<Item = &'static str> {
    let findings = FindingId::ALL.iter().map(|id| id.name());
    let reasons = Reason::ALL.iter().map(|reason| reason.name());
    let outcomes = Outcome::ALL.into_iter().map(Outcome::name);
    let remediations = Remediation::all().iter().map(|one| &*one.id);
    findings.chain(reasons).chain(outcomes).chain(remediations)
}

/// A finding: what it is, how bad as a rule, and what may mend it.
fn finding(id: FindingId) -> String {
    let (name, severity) = (id.name(), id.severity().name());
    let mut text = format!("{name} ({severity}): {}\n\n{}\n", id.title(), id.explanation());
    part(&mut text, "What may mend it (tlscensus explain ID)", &answers(id.fixes()));
    text
}

/// A reason of an outcome.
fn reason(reason: Reason) -> String {
    let mut text = format!("{}: {}\n", reason.name(), reason.explanation());
    part(&mut text, "What may mend it (tlscensus explain ID)", &answers(reason.fixes()));
    text
}

/// The remediations that answer any of these, each once.
fn answers(fixes: &[Fix]) -> Vec<Box<str>> {
    let answers = |one: &&Remediation| one.fixes.iter().any(|fix| fixes.contains(fix));
    let all = Remediation::all().iter().filter(answers);
    all.map(|one| format!("{}: {}", one.id, one.title).into()).collect()
}

/// A remediation: steps, values, what else it affects, and where it is written.
fn remedy(remediation: &Remediation) -> String {
    let mut text = format!("{}: {}\n", remediation.id, remediation.title);
    part(&mut text, "Applies to", &remediation.applies_to);
    part(&mut text, "What users see", &symptoms(remediation));
    part(&mut text, "Steps", &remediation.steps);
    part(&mut text, "Commands", &remediation.commands);
    part(&mut text, "Configuration", &remediation.config);
    let restart: Vec<Box<str>> = remediation.restarts().map(Into::into).into_iter().collect();
    part(&mut text, "Restart", &restart);
    part(&mut text, "Caution", remediation.caution.as_slice());
    for (title, snippet) in
        [("As a .reg file", remediation.reg_file()), ("In PowerShell", remediation.powershell())]
    {
        if let Some(snippet) = snippet {
            let _ = write!(text, "\n{title}\n\n{}", snippet.replace("\r\n", "\n"));
        }
    }
    part(&mut text, "Sources", &remediation.sources);
    text
}

/// The error messages that this remediation ends.
fn symptoms(remediation: &Remediation) -> Vec<Box<str>> {
    let ends = |symptom: &&Symptom| symptom.remediation.contains(&remediation.id);
    let words = |one: &Symptom| format!("{}: \"{}\". {}", one.program, one.contains, one.meaning);
    Symptom::all().iter().filter(ends).map(|symptom| words(symptom).into()).collect()
}

/// A titled list; nothing where there is none.
fn part(text: &mut String, title: &str, lines: &[Box<str>]) {
    if lines.is_empty() {
        return;
    }
    let _ = write!(text, "\n{title}\n");
    for line in lines {
        let _ = writeln!(text, "  {line}");
    }
}
