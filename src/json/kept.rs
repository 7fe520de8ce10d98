//! [`Kept`]: the text of a value, made once.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Serialize, Serializer};

use super::RawValue;

/// The JSON of a value that never changes, kept with it from the second time on that it is wanted:
/// most values of a hostile peer are wanted once.
///
/// It is no part of the value that it is kept with: all are equal, and a copy begins anew.
#[derive(Default)]
pub struct Kept {
    wanted: AtomicBool,
    text: OnceLock<Box<RawValue>>,
}

impl Kept {
    /// Serialize `value`, whose text this is.
    pub fn serialize<T: Serialize, S: Serializer>(
        &self,
        value: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        if let Some(text) = self.text.get() {
            return text.serialize(serializer);
        }
        if self.wanted.swap(true, Ordering::Relaxed)
            && let Ok(text) = super::raw(value)
        {
            return self.text.get_or_init(|| text).serialize(serializer);
        }
        value.serialize(serializer)
    }
}

impl Clone for Kept {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for Kept {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Kept {}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kept")
    }
}
