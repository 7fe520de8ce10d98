//! `tlscensus explain`: what a finding, a reason, an outcome or a remediation means, in full.
//!
//! Sentences are broken at the width of the terminal. What is meant to be copied never is: commands,
//! lines of configuration, registry values.

use std::fmt::Write as _;

use anyhow::anyhow;

use super::exit::{Exit, Failure};
use super::words::Words;
use crate::policy::finding::FindingId;
use crate::policy::reader::nearest;
use crate::policy::{Outcome, Policy, Reason};
use crate::recognise::{Fix, Remediation, Symptom};
use crate::report::wrap;

/// Print what is known under an id.
pub(super) fn run(id: &str) -> Result<Exit, Failure> {
    let Some(text) = explained(id, Words::columns()) else {
        let known: Vec<&str> = ids().collect();
        let near = nearest(id, &known).map(|near| format!("; did you mean `{near}`?"));
        if let Ok(policy) = Policy::by_id(id) {
            let error = anyhow!("`{id}` is a policy");
            let hint = format!("tlscensus policy show {}", policy.id);
            return Err(Failure::usage(error).with_hint(hint));
        }
        let error = anyhow!("nothing is called `{id}`{}", near.unwrap_or_default());
        return Err(Failure::usage(error).with_hint(
            "ids of findings, reasons and remediations stand in the summary and in reports, \
             as suite.tls_rsa, cipher_suite or schannel-tls12-client",
        ));
    };
    Words::out(text.as_bytes())?;
    Ok(Exit::Done)
}

/// What is known under an id, in lines of a width.
fn explained(id: &str, columns: usize) -> Option<String> {
    let mut text = Text { text: String::new(), columns };
    let outcome = || Outcome::ALL.into_iter().find(|outcome| outcome.name() == id);
    if let Some(remediation) = Remediation::by_id(id) {
        text.remedy(remediation);
    } else if let Some(finding) = FindingId::from_name(id) {
        text.finding(finding);
    } else if let Some(reason) = Reason::from_name(id) {
        text.paragraph(&format!("{}: {}", reason.name(), reason.explanation()));
        text.answers(reason.fixes());
    } else {
        let outcome = outcome()?;
        text.paragraph(&format!("{}: {}", outcome.name(), outcome.explanation()));
    }
    Some(text.text)
}

/// Everything that can be asked for.
fn ids() -> impl Iterator<Item = &'static str> {
    let findings = FindingId::ALL.iter().map(|id| id.name());
    let reasons = Reason::ALL.iter().map(|reason| reason.name());
    let outcomes = Outcome::ALL.into_iter().map(Outcome::name);
    let remediations = Remediation::all().iter().map(|one| &*one.id);
    findings.chain(reasons).chain(outcomes).chain(remediations)
}

/// A text under construction.
struct Text {
    text: String,
    columns: usize,
}

impl Text {
    /// A finding: what it is, how bad as a rule, and what may mend it.
    fn finding(&mut self, id: FindingId) {
        self.paragraph(&format!("{} ({}): {}", id.name(), id.severity().name(), id.title()));
        self.text.push('\n');
        self.paragraph(id.explanation());
        self.answers(id.fixes());
    }

    /// The remediations that answer any of these, each once.
    fn answers(&mut self, fixes: &[Fix]) {
        let answers = |one: &&Remediation| one.fixes.iter().any(|fix| fixes.contains(fix));
        let all = Remediation::all().iter().filter(answers);
        let all: Vec<_> = all.map(|one| format!("{}: {}", one.id, one.title)).collect();
        self.sentences("What may mend it (tlscensus explain ID)", &all);
    }

    /// A remediation: steps, values, what else it affects, and where it is written.
    fn remedy(&mut self, remediation: &Remediation) {
        self.paragraph(&format!("{}: {}", remediation.id, remediation.title));
        self.sentences("Applies to", &remediation.applies_to);
        self.sentences("What users see", &symptoms(remediation));
        self.sentences("Steps", &remediation.steps);
        self.copied("Commands", &remediation.commands);
        self.copied("Configuration", &remediation.config);
        let restart: Vec<_> = remediation.restarts().into_iter().collect();
        self.sentences("Restart", &restart);
        self.sentences("Caution", remediation.caution.as_slice());
        for (title, snippet) in [
            ("As a .reg file", remediation.reg_file()),
            ("In PowerShell", remediation.powershell()),
        ] {
            if let Some(snippet) = snippet {
                let _ = write!(self.text, "\n{title}\n\n{}", snippet.replace("\r\n", "\n"));
            }
        }
        self.sentences("Sources", &remediation.sources);
    }

    fn paragraph(&mut self, words: &str) {
        for line in wrap(words, self.columns) {
            let _ = writeln!(self.text, "{line}");
        }
    }

    /// A titled list of sentences, further lines of one indented; nothing where there is none.
    fn sentences<S: AsRef<str>>(&mut self, title: &str, items: &[S]) {
        if !items.is_empty() {
            let _ = write!(self.text, "\n{title}\n");
        }
        for item in items {
            for (at, line) in wrap(item.as_ref(), self.columns - 4).into_iter().enumerate() {
                let indent = if at == 0 { 2 } else { 4 };
                let _ = writeln!(self.text, "{:indent$}{line}", "");
            }
        }
    }

    /// A titled list of lines that are copied as they are; nothing where there is none.
    fn copied(&mut self, title: &str, lines: &[Box<str>]) {
        if !lines.is_empty() {
            let _ = write!(self.text, "\n{title}\n");
        }
        for line in lines {
            let _ = writeln!(self.text, "  {line}");
        }
    }
}

/// The error messages that this remediation ends.
fn symptoms(remediation: &Remediation) -> Vec<String> {
    let ends = |symptom: &&Symptom| symptom.remediation.contains(&remediation.id);
    let words = |one: &Symptom| format!("{}: \"{}\". {}", one.program, one.contains, one.meaning);
    Symptom::all().iter().filter(ends).map(words).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_broken_and_what_is_copied_is_not() {
        for id in ids() {
            let (narrow, wide) = (explained(id, 60).unwrap(), explained(id, 100_000).unwrap());
            let words = |text: &str| {
                text.split_whitespace().map(str::to_owned).collect::<Vec<_>>().concat()
            };
            assert_eq!(words(&narrow), words(&wide), "{id}: a word is lost");
            let mut whole: Vec<String> = Vec::new();
            if let Some(remedy) = Remediation::by_id(id) {
                let lines = remedy.commands.iter().chain(&remedy.config);
                whole.extend(lines.map(|line| format!("  {line}")));
                let blocks = [remedy.reg_file(), remedy.powershell()].into_iter().flatten();
                whole.extend(
                    blocks.flat_map(|block| block.lines().map(str::to_owned).collect::<Vec<_>>()),
                );
            }
            for line in &whole {
                assert!(narrow.lines().any(|own| own == line), "{id}: broken: {line}");
            }
            let sentences = narrow.lines().filter(|line| !whole.iter().any(|own| own == line));
            let widest = sentences.max_by_key(|line| line.chars().count()).unwrap();
            assert!(widest.chars().count() <= 60, "{id}: {widest}");
        }
    }
}
