//! Flows whose watching is over, on their way out of a table.

use std::mem;

use super::{FlowEnd, FlowMeta};

/// A flow whose watching is over.
#[derive(Debug)]
pub struct Finished<C> {
    /// What is known of it apart from its bytes.
    pub meta: FlowMeta,
    /// The consumer that was fed.
    pub consumer: C,
    /// Why it is over.
    pub end: FlowEnd,
}

/// A flow whose watching is over, where it lies: who wants something of it takes that and no more. What was
/// written a moment ago, and is copied whole, is waited for.
#[derive(Debug)]
pub struct Over<'a, C> {
    /// What is known of it apart from its bytes.
    pub meta: &'a FlowMeta,
    /// The consumer that was fed, which is recycled next.
    pub consumer: &'a mut C,
    /// Why it is over.
    pub end: FlowEnd,
}

impl<C: Default> Over<'_, C> {
    /// All of it, for keeps.
    pub fn taken(self) -> Finished<C> {
        let Self { meta, consumer, end } = self;
        Finished { meta: meta.clone(), consumer: mem::take(consumer), end }
    }
}
