//! [`Place`]: where in a flow table a segment belongs.

use super::slots::VACANT;
use super::{FlowKey, Side};
use crate::packet::Segment;

/// Where a segment belongs. Its entry may be [found](super::table::FlowTable::find) before the
/// segment's turn.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub(super) key: FlowKey,
    pub(super) side: Side,
    pub(super) hash: u64,
    /// The segment only acknowledges something.
    pub(super) is_bare: bool,
    /// Bytes of its payload.
    pub(super) size: usize,
    /// The entry, if there was one.
    pub(super) slot: Option<u32>,
    /// How many there had been when it was looked for.
    pub(super) asked: u32,
    /// What the entry's state was.
    pub(super) state: u32,
}

impl Place {
    #[inline]
    pub(super) fn of(segment: &Segment<'_>, hash: impl FnOnce(&FlowKey) -> u64) -> Self {
        let (key, side) = FlowKey::of(segment.source, segment.target, segment.domain);
        let (hash, is_bare) = (hash(&key), segment.only_acknowledges());
        Self {
            key,
            side,
            hash,
            is_bare,
            size: segment.payload.len(),
            slot: None,
            asked: 0,
            state: VACANT,
        }
    }
}
