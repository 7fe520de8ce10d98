//! JSON that may stand in a page: nothing in it can end the element or the line that it stands in.

use std::io::{self, BufWriter, Write};

use serde::Serialize;
use serde_json::ser::Formatter;

/// Bytes that are handed on at once.
const PIECE: usize = 1 << 16;

/// Write a value as JSON for a `<script type="application/json">`.
pub(super) fn write(value: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    // Its parts are a few bytes each.
    let mut out = BufWriter::with_capacity(PIECE, out);
    value
        .serialize(&mut serde_json::Serializer::with_formatter(&mut out, Embedded))
        .map_err(io::Error::other)?;
    out.flush()
}

/// Writes `<`, `>`, `&`, U+2028 and U+2029 in strings as escapes, and no space between values.
struct Embedded;

impl Formatter for Embedded {
    fn write_string_fragment<W: Write + ?Sized>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let special = |c: char| matches!(c, '<' | '>' | '&' | '\u{2028}' | '\u{2029}');
        let mut rest = fragment;
        while let Some(at) = rest.find(special) {
            let (plain, tail) = rest.split_at(at);
            out.write_all(plain.as_bytes())?;
            let mut characters = tail.chars();
            if let Some(character) = characters.next() {
                write!(out, "\\u{:04x}", u32::from(character))?;
            }
            rest = characters.as_str();
        }
        out.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ends_the_element() {
        let hostile = "</script><!--\u{2028}&amp;\u{2029}\"\\é";
        let mut out = Vec::new();
        write(&vec![hostile], &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "[\"\\u003c/script\\u003e\\u003c!--\\u2028\\u0026amp;\\u2029\\\"\\\\é\"]");
        let back: Vec<String> = serde_json::from_str(&text).unwrap();
        assert_eq!(back, [hostile]);
    }
}
