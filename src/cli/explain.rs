//! `tlscensus explain`: what a finding, a reason or a remediation means, in full.

use std::fmt::Write as _;

use anyhow::anyhow;

use super::exit::{Exit, Failure};
use super::words::Words;
use crate::policy::Reason;
use crate::policy::finding::FindingId;
use crate::recognise::{Remediation, Symptom};

/// Print what is known under an id.
pub(super) fn run(id: &str) -> Result<Exit, Failure> {
    let text = Remediation::by_id(id)
        .map(remedy)
        .or_else(|| FindingId::from_name(id).map(finding))
        .or_else(|| Reason::from_name(id).map(reason));
    let Some(text) = text else {
        return Err(Failure::usage(anyhow!("nothing is called `{id}`")).with_hint(
            "ids of findings, reasons and remediations stand in the summary and in reports, \
             as suite.tls_rsa, cipher_suite or schannel-tls12-client",
        ));
    };
    Words::out(text.as_bytes())?;
    Ok(Exit::Done)
}

/// A finding: what it is, and how bad as a rule.
fn finding(id: FindingId) -> String {
    format!("{} ({}): {}\n\n{}\n", id.name(), id.severity().name(), id.title(), id.explanation())
}

/// A reason of an outcome.
fn reason(reason: Reason) -> String {
    format!("{}: {}\n", reason.name(), reason.explanation())
}

/// A remediation: steps, values, what else it affects, and where it is written.
fn remedy(remediation: &Remediation) -> String {
    let mut text = format!("{}: {}\n", remediation.id, remediation.title);
    part(&mut text, "Applies to", &remediation.applies_to);
    part(&mut text, "What users see", &symptoms(remediation));
    part(&mut text, "Steps", &remediation.steps);
    part(&mut text, "Commands", &remediation.commands);
    part(&mut text, "Configuration", &remediation.config);
    part(&mut text, "Restart", remediation.restart.as_slice());
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
