//! [`Recent`]: which packets were seen a moment ago.

use std::hash::{BuildHasher, Hash};

use foldhash::fast::FixedState;

/// Slots; 8 bytes each.
const SLOTS: u64 = 1 << 13;

/// Hashes of packets, in a table of fixed size in which a newer one overwrites an older one: what was
/// overwritten is taken for new when it comes again.
#[derive(Debug)]
pub(super) struct Recent {
    /// Empty until the first packet; zero where there is none.
    slots: Vec<u64>,
    hash: FixedState,
}

impl Default for Recent {
    fn default() -> Self {
        // The seed is fixed: what is overwritten must not differ from run to run.
        Self { slots: Vec::new(), hash: FixedState::with_seed(0xeab) }
    }
}

impl Recent {
    /// Whether a packet was seen before. From now on it was.
    pub(super) fn is_copy(&mut self, packet: &impl Hash) -> bool {
        if self.slots.is_empty() {
            self.slots.resize(usize::try_from(SLOTS).unwrap_or_default(), 0);
        }
        let mark = self.hash.hash_one(packet) | 1;
        let index = usize::try_from((mark >> 1) & (SLOTS - 1)).unwrap_or_default();
        self.slots.get_mut(index).is_some_and(|slot| std::mem::replace(slot, mark) == mark)
    }
}
