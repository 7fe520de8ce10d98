//! The formats that an inventory can be written in, by the ending of a file's name.

use std::ffi::OsStr;
use std::io;
use std::path::Path;

use super::Inventory;

/// A format of the inventory report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values: one line a client stack or server, and policy.
    Csv,
    /// JSON, schema `tlscensus.inventory/1`.
    Json,
}

impl Format {
    /// The endings that name a format.
    pub const ENDINGS: &[&str] = &[".csv", ".json"];

    /// The format that a file's name asks for.
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension().and_then(OsStr::to_str)?.to_ascii_lowercase().as_str() {
            "csv" => Some(Self::Csv),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

impl Inventory {
    /// Write it down.
    pub fn write(&self, format: Format, out: &mut dyn io::Write) -> io::Result<()> {
        match format {
            Format::Csv => self.write_csv(out),
            Format::Json => self.write_json(out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_decides() {
        assert_eq!(Format::of(Path::new("a/b.CSV")), Some(Format::Csv));
        assert_eq!(Format::of(Path::new("b.json")), Some(Format::Json));
        assert_eq!(Format::of(Path::new("json")), None);
        assert_eq!(Format::of(Path::new("b.xlsx")), None);
    }
}
