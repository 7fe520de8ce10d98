//! [`Spares`]: memory in which flows that are over were kept, for those that come.
//!
//! What a flow needs next it gets when it needs it, and what was given back last goes out first. So
//! thousands of flows that wait for an answer hold no memory for it, and what comes is written to
//! where a processor was a moment ago.

/// Memory is given out by twos from here: most ends that open a connection say no more.
const SMALLEST: usize = 1 << 10;

/// Sizes that are kept: what needs more is rare, and gets what it needs only.
const SIZES: usize = 5;

/// How many there are of a size at most: of all of them 4 MiB.
const MOST: usize = 128;

/// Memory of no flow.
#[derive(Debug, Default)]
pub struct Spares {
    sizes: [Vec<Vec<u8>>; SIZES],
}

impl Spares {
    /// Memory for so many bytes; nothing is in it.
    pub fn take(&mut self, needed: usize) -> Vec<u8> {
        let size = needed.max(SMALLEST).next_power_of_two();
        match self.of(size) {
            Some(spares) => spares.pop().unwrap_or_else(|| {
                Vec::with_capacity(if needed < SMALLEST {
                    needed.next_power_of_two()
                } else {
                    size
                })
            }),
            None => Vec::with_capacity(needed.saturating_add(needed / 4)),
        }
    }

    /// Nobody needs this memory any more.
    pub fn give(&mut self, mut memory: Vec<u8>) {
        let size = memory.capacity();
        if size.is_power_of_two()
            && let Some(spares) = self.of(size)
            && spares.len() < MOST
        {
            memory.clear();
            spares.push(memory);
        }
    }

    /// Those of a size, which is a power of two.
    fn of(&mut self, size: usize) -> Option<&mut Vec<Vec<u8>>> {
        let doubled = size.checked_div(SMALLEST)?.checked_ilog2()?;
        self.sizes.get_mut(doubled as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_back_last_goes_out_first() {
        let mut spares = Spares::default();
        let mut first = spares.take(1_025);
        first.extend_from_slice(b"hello");
        let places = [first, spares.take(1_500)].map(|memory| {
            let place = memory.as_ptr();
            assert_eq!(memory.capacity(), 2_048);
            spares.give(memory);
            place
        });
        let again = [1_100, 2_048].map(|needed| spares.take(needed));
        assert!(again.iter().all(Vec::is_empty));
        assert_eq!(again.each_ref().map(Vec::as_ptr), [places[1], places[0]]);
    }

    #[test]
    fn what_is_small_gets_little_and_what_is_large_is_not_kept() {
        let mut spares = Spares::default();
        for (needed, given) in [(1, 1), (3, 4), (600, 1_024), (16_384, 16_384), (20_000, 25_000)] {
            let memory = spares.take(needed);
            assert_eq!(memory.capacity(), given);
            spares.give(memory);
        }
        let kept: Vec<_> = spares.sizes.iter().map(Vec::len).collect();
        assert_eq!(kept, [1, 0, 0, 0, 1]);
        // As there is some, it serves the smallest as well.
        assert_eq!(spares.take(1).capacity(), 1_024);
    }

    #[test]
    fn there_are_no_more_than_the_bound_allows() {
        let mut spares = Spares::default();
        let taken: Vec<_> = (0..2 * MOST).map(|_| spares.take(1_000)).collect();
        for memory in taken {
            spares.give(memory);
        }
        assert_eq!(spares.sizes[0].len(), MOST);
    }
}
