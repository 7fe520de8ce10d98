//! The summary on the terminal, for someone who is tired: the answer first, then whom to call.
//!
//! In goes an [`Inventory`], out comes text. It speaks of the first policy. What hosts said of
//! themselves is written out so that it cannot move the cursor or hide.

pub(in crate::report) mod answer;
mod chains;
mod clients;
pub(in crate::report) mod coverage;
pub(in crate::report) mod exceptions;
mod findings;
pub(in crate::report) mod page;
mod servers;

use super::inventory::{Inventory, Server};
use super::scope::Pattern;
use page::{Ink, Page};

pub use page::Style;

impl Inventory {
    /// The summary.
    pub fn summary(&self, style: Style) -> String {
        let mut page = Page::new(style);
        if self.coverage.connections.connections == 0 {
            coverage::nothing(&mut page, self);
        } else {
            answer::write(&mut page, self);
            clients::write(&mut page, self, style.verbose);
            servers::write(&mut page, self, style.verbose);
            findings::write(&mut page, self, style.verbose);
            chains::write(&mut page, self, style.verbose);
            exceptions::write(&mut page, self, style.verbose);
        }
        coverage::write(&mut page, self, style.verbose);
        self.hint(&mut page);
        if self.anonymized {
            page.gap();
            let words = "Addresses and names are replaced: no host has those that stand here.";
            page.paragraph(Ink::Dim, words);
        }
        page.finish()
    }

    /// Where the policy names the servers that it speaks of, and they are only a part of those seen.
    fn hint(&self, page: &mut Page) {
        let patterns = match self.policies.first() {
            Some(policy) if self.scope.is_empty() => &policy.scope,
            _ => return,
        };
        // It helps only where some servers are meant, and some are not.
        let divides = |pattern: &str| {
            let Ok(pattern) = pattern.parse::<Pattern>() else { return false };
            let meant = |server: &Server| server.snis.iter().any(|name| pattern.covers_name(name));
            self.servers.iter().any(meant) && !self.servers.iter().all(meant)
        };
        if let Some(pattern) = patterns.iter().find(|pattern| divides(pattern)) {
            page.gap();
            let words =
                format!("hint: add --scope '{pattern}' to count only the hosts that talk to it");
            page.paragraph(Ink::Dim, &words);
        }
    }
}

#[cfg(test)]
mod bounds_tests;
#[cfg(test)]
mod tests;
