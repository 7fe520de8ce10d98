//! [`Lines`]: JSON with one line for each host, server, edge and certificate.
//!
//! Half the size of indented JSON, and still something that `grep`, `diff` and people can read.

use std::io::{self, Write};

use serde_json::ser::Formatter;

/// Depth down to which every value begins a line: the report itself and the lists in it.
const LINES: usize = 2;

/// Writes lines at the outer levels and no space further in.
#[derive(Debug, Default)]
pub(super) struct Lines {
    depth: usize,
    empty: bool,
}

impl Lines {
    fn open<W: Write + ?Sized>(&mut self, out: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth += 1;
        self.empty = true;
        out.write_all(bracket)
    }

    fn close<W: Write + ?Sized>(&mut self, out: &mut W, bracket: &[u8]) -> io::Result<()> {
        if self.depth <= LINES && !self.empty {
            out.write_all(b"\n")?;
        }
        self.depth = self.depth.saturating_sub(1);
        self.empty = false;
        out.write_all(bracket)
    }

    fn next<W: Write + ?Sized>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.empty = false;
        if !first {
            out.write_all(b",")?;
        }
        if self.depth <= LINES { out.write_all(b"\n") } else { Ok(()) }
    }
}

impl Formatter for Lines {
    fn begin_array<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.open(out, b"[")
    }

    fn end_array<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.close(out, b"]")
    }

    fn begin_array_value<W: Write + ?Sized>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.next(out, first)
    }

    fn begin_object<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.open(out, b"{")
    }

    fn end_object<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.close(out, b"}")
    }

    fn begin_object_key<W: Write + ?Sized>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.next(out, first)
    }
}

#[cfg(test)]
mod tests {
    use serde::Serialize;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_line_for_each_item_of_a_list() {
        let value = json!({"a": 1, "list": [{"b": [1, {"c": 2}]}, 3], "none": [], "o": {"x": []}});
        let mut out = Vec::new();
        value
            .serialize(&mut serde_json::Serializer::with_formatter(&mut out, Lines::default()))
            .unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        insta::assert_snapshot!(text, @r#"
            {
            "a":1,
            "list":[
            {"b":[1,{"c":2}]},
            3
            ],
            "none":[],
            "o":{
            "x":[]
            }
            }
            "#);
    }
}
