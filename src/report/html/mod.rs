//! The HTML report: one file that answers at the top, shows pictures, and has every host below.
//!
//! Nothing is fetched from anywhere and nothing runs but what is in the file: its
//! Content-Security-Policy names the hashes of the one style and the one script. What hosts said of
//! themselves is escaped here by `maud`, and in the data for the script as JSON without a single
//! `<`; the script writes it as text, never as markup. Pictures, the answer, fixes and the worst
//! hosts are there without scripts too. The same facts give the same bytes.

mod answer;
mod charts;
mod columns;
mod edges;
mod fixes;
mod json;
mod list;
mod pack;
mod page;
mod rows;
mod seen;

use std::io;

use serde::Serialize;

use super::inventory::Inventory;

pub use edges::Peers;
pub use pack::{Pack, Rows};

impl Inventory {
    /// Write the HTML report.
    pub fn write_html(&self, out: &mut dyn io::Write) -> io::Result<()> {
        page::write(self, None, &Pack::of(self), out)
    }

    /// Write the page as it is served while the program runs: it asks `./`, `api/state` and
    /// `api/page/…` below its own address for what is new and for the rows that its reader wants to
    /// see, and keeps its reader's place. `tag` is the `ETag` of this page; `first` is what
    /// `api/page/clients` says of its first rows.
    pub fn write_served_html(
        &self,
        tag: &str,
        first: &impl Serialize,
        out: &mut dyn io::Write,
    ) -> io::Result<()> {
        page::write(self, Some(tag), first, out)
    }
}

#[cfg(test)]
mod tests;
