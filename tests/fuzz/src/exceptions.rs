//! Files of exceptions: what is read is applied, what is refused is named.

use tlscensus::policy::Policy;
use tlscensus::report::exceptions::file;

use super::heap;
use super::office;

pub fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    office::snapshot();
    // What is judged is an inventory of its own size.
    heap::bounded(text.len(), 16 << 20, 256, || run(&text));
}

fn run(text: &str) {
    match file::parse("mine.toml", text) {
        Ok(exceptions) => {
            assert!(exceptions.entries().len() <= text.len());
            let policy = Policy::by_id("dataverse").unwrap();
            let judge = || office::excepting(office::snapshot(), policy.clone(), &exceptions);
            let report = judge();
            assert!(serde_json::from_slice::<serde_json::Value>(&report).is_ok());
            assert!(report == judge());
        }
        Err(error) => {
            let said = error.to_string();
            assert!(said.contains("mine.toml"), "{said}");
            assert!(said.len() <= 8 * text.len() + 4096, "{} of {}", said.len(), text.len());
        }
    }
}
