//! Policy files: what is read judges, what is refused is named.

use std::sync::Arc;

use tlscensus::policy::file;

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
        Ok(policy) => {
            let policy = Arc::new(policy);
            if let (Some(low), Some(high)) = (policy.lowest(), policy.highest()) {
                assert!(!policy.is_below(low) && !policy.is_beyond(high));
            }
            let report = office::judge(office::snapshot(), Arc::clone(&policy));
            let read: serde_json::Value = serde_json::from_slice(&report).expect("JSON");
            assert!(read.is_object());
            assert!(report == office::judge(office::snapshot(), policy));
        }
        Err(error) => {
            let said = error.to_string();
            assert!(said.contains("mine.toml"), "{said}");
            assert!(said.len() <= 8 * text.len() + 4096, "{} of {}", said.len(), text.len());
        }
    }
}
