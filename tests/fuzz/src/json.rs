//! What is written, read back.

use serde::Serialize;
use serde_json::Value;

/// The JSON of a value; it has to say what another writer says, and survive reading and writing.
pub fn faithful<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut text = Vec::new();
    tlscensus::json::write(&mut text, value).unwrap();
    let read: Value = serde_json::from_slice(&text).expect("what is written is JSON");
    assert_eq!(read, serde_json::to_value(value).unwrap(), "two writers differ");
    same_again(&text);
    text
}

/// Reading and writing a text again changes nothing that it says.
pub fn same_again(text: &[u8]) {
    assert!(!text.iter().any(|byte| *byte < 0x20), "a control character in a line");
    let read: Value = serde_json::from_slice(text).expect("what is written is JSON");
    let again = serde_json::to_vec(&read).unwrap();
    let twice: Value = serde_json::from_slice(&again).unwrap();
    assert_eq!(read, twice);
}
