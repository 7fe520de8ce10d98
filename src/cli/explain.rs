//! `tlscensus explain`: what a finding, a reason or a remediation means, in full.

use std::fmt::Write as _;

use anyhow::anyhow;

use super::exit::{Exit, Failure};
use super::words::Words;
use crate::recognise::Remediation;

/// Print what is known under an id.
pub(super) fn run(id: &str) -> Result<Exit, Failure> {
    let Some(remediation) = Remediation::by_id(id) else {
        return Err(Failure::usage(anyhow!("nothing is called `{id}`"))
            .with_hint("ids stand in the summary and in reports, as schannel-tls12-client"));
    };
    Words::out(remedy(remediation).as_bytes())?;
    Ok(Exit::Done)
}

/// A remediation: steps, values, what else it affects, and where it is written.
fn remedy(remediation: &Remediation) -> String {
    let mut text = format!("{}: {}\n", remediation.id, remediation.title);
    part(&mut text, "Applies to", &remediation.applies_to);
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
