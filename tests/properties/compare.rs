//! Whether two readings say the same.

use serde_json::Value;

/// The records of a capture, in an order that does not depend on which was finished first.
pub struct Records(Vec<Value>);

impl Records {
    /// These and others.
    pub fn and(self, other: Self) -> Self {
        Self::new([self.0, other.0].concat())
    }

    pub fn new(mut records: Vec<Value>) -> Self {
        records.sort_by_key(|record| {
            let text = |value: &Value| value.to_string();
            let [client, server] = [&record["client"], &record["server"]];
            [&client["ip"], &client["port"], &server["ip"], &server["port"], &record["ts"]]
                .map(text)
        });
        Self(records)
    }
}

/// Where they differ, in words; nothing if they say the same but for the fields `may`.
pub fn assert_same(what: &str, expected: &Records, found: &Records, may: &[&str]) -> Vec<String> {
    let (Records(expected), Records(found)) = (expected, found);
    if expected.len() != found.len() {
        let short = |records: &[Value]| {
            let line = |r: &Value| {
                format!(
                    "{}:{} {} {}",
                    r["client"]["ip"], r["client"]["port"], r["history"], r["vlan"]
                )
            };
            records.iter().map(line).collect::<Vec<_>>().join(", ")
        };
        let (many, wanted) = (found.len(), expected.len());
        return vec![format!(
            "{what}: {many} records, not {wanted}: {} | {}",
            short(found),
            short(expected)
        )];
    }
    let mut differences = Vec::new();
    for (expected, found) in expected.iter().zip(found) {
        let mut paths = Vec::new();
        let unfinished = may.contains(&"how an unfinished one ends")
            && matches!(expected["outcome"].as_str(), Some("reset" | "refused"));
        differ("", expected, found, &mut paths);
        paths.retain(|(path, expected, found)| {
            !may.contains(&path.as_str())
                && path != "source"
                && !(path == "history"
                    && may.contains(&"history order")
                    && same_letters(expected, found))
                && !(unfinished && matches!(path.as_str(), "outcome" | "alerts" | "findings"))
        });
        for (path, expected, found) in paths {
            differences.push(format!("{what}: {path} is {found}, not {expected}"));
        }
    }
    differences
}

/// Whether each direction has the same letters in the same order. Of early data that follows the
/// server's answer in the capture it is not shown when it ends, and alerts after an end's Finished are
/// no part of the handshake.
fn same_letters(a: &Value, b: &Value) -> bool {
    let of = |value: &Value, client: bool| -> String {
        let text = value.as_str().unwrap_or_default();
        let mut letters: Vec<char> = text
            .chars()
            .filter(|c| c.is_uppercase() == client && !matches!(c, 'L' | 'l'))
            .collect();
        letters.dedup_by(|a, b| a == b && a.eq_ignore_ascii_case(&'D'));
        letters.into_iter().collect()
    };
    [true, false].iter().all(|client| of(a, *client) == of(b, *client))
}

fn differ(path: &str, a: &Value, b: &Value, out: &mut Vec<(String, Value, Value)>) {
    if let (Value::Object(left), Value::Object(right)) = (a, b)
        && left.keys().eq(right.keys())
    {
        for (key, value) in left {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            differ(&path, value, &right[key], out);
        }
    } else if a != b {
        out.push((path.to_owned(), a.clone(), b.clone()));
    }
}
