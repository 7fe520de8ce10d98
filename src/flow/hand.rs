//! [`Hand`]: goes round the entries of a table, and stops at those that may be over.
//!
//! So expiry needs no scan: with each packet the hand moves over a few entries. They lie far apart in
//! memory and hardly one of them is over, so that it does not look at them, but at what is kept here:
//! until when each needs no look. A packet that comes for an entry changes nothing here; when the time
//! has come it is looked at, and put off again.

use std::time::Duration;

use crate::prefetch::prefetch_range;

/// Entries that the hand moves over with each packet.
pub(super) const STEPS: usize = 2;

/// Where the hand is, and which entries it passes by.
#[derive(Debug)]
pub(super) struct Hand {
    at: u32,
    /// By slot, the last second in which an entry needs no look.
    calm: Vec<u32>,
    /// No such second lies farther ahead than so many: if one does, a clock was wrong.
    span: u32,
}

impl Hand {
    /// None of the entries is put off for longer than `patience`.
    pub(super) fn new(patience: Duration) -> Self {
        // Half of all numbers lie ahead of a second and half behind it.
        let span = in_seconds(patience).min(u32::MAX / 2);
        Self { at: 0, calm: Vec::new(), span }
    }

    /// There are no entries any more.
    pub(super) fn clear(&mut self) {
        self.at = 0;
        self.calm.clear();
    }

    /// Where it is.
    pub(super) const fn at(&self) -> usize {
        self.at as usize
    }

    /// Go on behind this slot.
    pub(super) fn go_behind(&mut self, slot: u32) {
        self.at = slot.wrapping_add(1);
    }

    /// The entry in this slot, which may be a new one, needs no look until after this second.
    pub(super) fn put_off(&mut self, slot: u32, until: u32) {
        let slot = slot as usize;
        if slot >= self.calm.len() {
            self.calm.resize(slot.saturating_add(1), 0);
        }
        if let Some(calm) = self.calm.get_mut(slot) {
            *calm = until;
        }
    }

    /// There is no entry in this slot.
    pub(super) fn pass_by(&mut self, slot: u32, now: u32) {
        self.put_off(slot, now.saturating_add(self.span));
    }

    /// The entry in this slot needs a look after this second, if not sooner.
    pub(super) fn hasten(&mut self, slot: u32, until: u32) {
        if let Some(calm) = self.calm.get_mut(slot as usize) {
            *calm = until.min(*calm);
        }
    }

    /// Move on by up to so many steps: the next slot whose entry needs a look. The end is a step to
    /// the beginning, and the last one.
    #[inline]
    pub(super) fn step(&mut self, steps: &mut usize, now: u32) -> Option<u32> {
        while *steps > 0 {
            let slot = self.at;
            let Some(calm) = self.calm.get(slot as usize) else {
                self.at = 0;
                *steps = 0;
                break;
            };
            *steps = steps.saturating_sub(1);
            self.at = slot.wrapping_add(1);
            if calm.wrapping_sub(now) > self.span {
                return Some(slot);
            }
        }
        None
    }

    /// Packets after which the hand, put back to the first entry, was over all of them.
    pub(super) fn begin_round(&mut self) -> usize {
        self.at = 0;
        self.calm.len().div_ceil(STEPS)
    }

    /// All entries need a look.
    #[cfg(feature = "live")]
    pub(super) fn put_off_none(&mut self) {
        self.calm.fill(0);
    }

    /// Ask for what it needs with so many packets.
    #[inline]
    pub(super) fn prefetch(&self, packets: usize) {
        let start = self.at();
        let end = start.saturating_add(packets.saturating_mul(STEPS));
        prefetch_range(&self.calm, start..end.min(self.calm.len()));
    }
}

/// Whole seconds, for the entries.
pub(super) fn in_seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The slots that the hand stops at in one round.
    fn round(hand: &mut Hand, now: u32) -> Vec<u32> {
        let packets = hand.begin_round();
        let mut stops = Vec::new();
        for _ in 0..packets {
            let mut steps = STEPS;
            while let Some(slot) = hand.step(&mut steps, now) {
                stops.push(slot);
            }
        }
        stops
    }

    #[test]
    fn it_stops_at_what_was_put_off_until_before() {
        let mut hand = Hand::new(Duration::from_secs(300));
        for (slot, until) in [(0, 1300), (1, 1120), (2, 1300), (3, 1200), (4, 1120)] {
            hand.put_off(slot, until);
        }
        assert!(round(&mut hand, 1120).is_empty());
        assert_eq!(round(&mut hand, 1121), [1, 4]);
        hand.put_off(4, 1300);
        hand.hasten(2, 1150);
        hand.hasten(1, 1299);
        assert_eq!(round(&mut hand, 1151), [1, 2]);
    }

    #[test]
    fn what_a_wrong_clock_has_said_does_not_last() {
        let mut hand = Hand::new(Duration::from_secs(300));
        hand.put_off(0, 2_000_000_000);
        assert_eq!(round(&mut hand, 1000), [0]);
        // Nor is anything put off for ever because the patience is without end.
        let mut hand = Hand::new(Duration::MAX);
        hand.put_off(0, 5000);
        assert_eq!(round(&mut hand, 5001), [0]);
    }

    #[test]
    fn at_the_end_it_goes_back_to_the_beginning() {
        let mut hand = Hand::new(Duration::from_secs(300));
        let mut steps = STEPS;
        assert_eq!(hand.step(&mut steps, 9), None);
        for slot in 0..3 {
            hand.put_off(slot, 5);
        }
        let mut stops = Vec::new();
        for _ in 0..3 {
            let mut steps = STEPS;
            while let Some(slot) = hand.step(&mut steps, 9) {
                stops.push(slot);
            }
        }
        assert_eq!(stops, [0, 1, 2, 0, 1]);
    }
}
