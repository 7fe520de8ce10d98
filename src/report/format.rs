//! [`Format`]: the kinds of report file, told by the ending of a name.

use std::io;
use std::path::Path;

use super::Inventory;

/// A kind of report file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Everything, for programs.
    Json,
    /// A page for people.
    Html,
    /// A line a client stack and server, for spreadsheets.
    Csv,
    /// Tables for a ticket or a wiki page.
    Markdown,
}

impl Format {
    /// The endings that are known.
    pub const ENDINGS: [&str; 4] = [".html", ".json", ".csv", ".md"];

    /// The format that a file's name asks for.
    pub fn of(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_str()?.to_ascii_lowercase();
        match ending.as_str() {
            "html" | "htm" => Some(Self::Html),
            "json" => Some(Self::Json),
            "csv" => Some(Self::Csv),
            "md" => Some(Self::Markdown),
            _ => None,
        }
    }
}

impl Inventory {
    /// Write the report in this format.
    pub fn write(&self, format: Format, out: &mut dyn io::Write) -> io::Result<()> {
        match format {
            Format::Json => self.write_json(out),
            Format::Html => self.write_html(out),
            Format::Csv => self.write_csv(out),
            Format::Markdown => self.write_markdown(out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn told_by_the_ending() {
        for (name, format) in [
            ("inventory.json", Some(Format::Json)),
            ("a.b/INVENTORY.CSV", Some(Format::Csv)),
            ("page.html", Some(Format::Html)),
            ("inventory.md", Some(Format::Markdown)),
            ("inventory.txt", None),
            ("json", None),
        ] {
            assert_eq!(Format::of(Path::new(name)), format, "{name}");
        }
    }
}
