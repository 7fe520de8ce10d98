//! [`Hand`]: goes round the entries of a table, and stops at those that may be over.
//!
//! So expiry needs no scan: every few packets the hand moves over some entries. They lie far apart in
//! memory and hardly one of them is over, so that it does not look at them, but at what is kept here:
//! until when each needs no look, of which many are compared at once. A packet that comes for an entry
//! changes nothing here; when the time has come it is looked at, and put off again.

use std::time::Duration;

use super::short;
use crate::prefetch::prefetch_range;

/// Entries that the hand moves over at once.
pub(super) const STEPS: usize = 16;

/// Packets from one move to the next, unless another second has begun, in which something may be over that
/// was not before.
const EVERY: usize = 8;

/// Where the hand is, and which entries it passes by.
#[derive(Debug)]
pub(super) struct Hand {
    at: u32,
    /// By slot, the last second in which an entry needs no look.
    calm: Vec<u32>,
    /// No such second lies farther ahead than so many: if one does, a clock was wrong.
    span: u32,
    /// Packets since it moved last, and the second of that.
    packets: usize,
    moved: u32,
}

impl Hand {
    /// None of the entries is put off for longer than `patience`.
    pub(super) fn new(patience: Duration) -> Self {
        // Half of all numbers lie ahead of a second and half behind it.
        let span = in_seconds(patience).min(u32::MAX / 2);
        Self { at: 0, calm: Vec::new(), span, packets: 0, moved: 0 }
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

    /// Another packet has come: whether it is time to move on.
    #[inline]
    pub(super) fn is_due(&mut self, now: u32) -> bool {
        self.packets = self.packets.wrapping_add(1);
        let is_due = self.packets >= EVERY || now != self.moved;
        if is_due {
            (self.packets, self.moved) = (0, now);
        }
        is_due
    }

    /// Move on by up to so many steps: the next slot whose entry needs a look. The end is a step to
    /// the beginning, and the last one.
    #[inline]
    pub(super) fn step(&mut self, steps: &mut usize, now: u32) -> Option<u32> {
        let ahead = self.calm.get(self.at()..).unwrap_or_default();
        let needs_look = |calm: &u32| calm.wrapping_sub(now) > self.span;
        // All at once, which is one comparison for several.
        if let Some(ahead) = ahead.first_chunk::<STEPS>()
            && *steps == STEPS
            && !ahead.iter().fold(false, |any, calm| any | needs_look(calm))
        {
            *steps = 0;
            self.at = self.at.wrapping_add(short(STEPS));
            return None;
        }
        let near = ahead.get(..*steps).unwrap_or(ahead);
        if let Some(passed) = near.iter().position(needs_look) {
            let slot = self.at.wrapping_add(short(passed));
            *steps = steps.saturating_sub(passed).saturating_sub(1);
            self.at = slot.wrapping_add(1);
            return Some(slot);
        }
        self.at = if near.len() < *steps { 0 } else { self.at.wrapping_add(short(near.len())) };
        *steps = 0;
        None
    }

    /// Moves after which the hand, put back to the first entry, was over all of them.
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
        let moves = packets.div_ceil(EVERY);
        let end = start.saturating_add(moves.saturating_mul(STEPS));
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

    /// The slots that the hand stops at in so many moves.
    fn stops(hand: &mut Hand, moves: usize, now: u32) -> Vec<u32> {
        let mut stops = Vec::new();
        for _ in 0..moves {
            let mut steps = STEPS;
            while let Some(slot) = hand.step(&mut steps, now) {
                stops.push(slot);
            }
        }
        stops
    }

    /// Those that it stops at in one round.
    fn round(hand: &mut Hand, now: u32) -> Vec<u32> {
        let moves = hand.begin_round();
        stops(hand, moves, now)
    }

    #[test]
    fn it_stops_at_what_was_put_off_until_before() {
        // Behind any number of others, some of them in the same move.
        for before in [0, 1, 13, 16, 40] {
            let mut hand = Hand::new(Duration::from_secs(300));
            for slot in 0..before {
                hand.put_off(slot, 1300);
            }
            for (slot, until) in [(0, 1300), (1, 1120), (2, 1300), (3, 1200), (4, 1120)] {
                hand.put_off(before + slot, until);
            }
            assert!(round(&mut hand, 1120).is_empty());
            assert_eq!(round(&mut hand, 1121), [before + 1, before + 4]);
            hand.put_off(before + 4, 1300);
            hand.hasten(before + 2, 1150);
            hand.hasten(before + 1, 1299);
            assert_eq!(round(&mut hand, 1151), [before + 1, before + 2]);
        }
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
        assert!(stops(&mut hand, 1, 9).is_empty());
        let all = 2 * short(STEPS) + 3;
        for slot in 0..all {
            hand.put_off(slot, 5);
        }
        let rounds = (0..all).chain(0..all).collect::<Vec<_>>();
        assert_eq!(stops(&mut hand, 6, 9), rounds);
        assert!(stops(&mut hand, 6, 5).is_empty());
        assert_eq!(stops(&mut hand, 1, 9), rounds[..STEPS]);
    }

    #[test]
    fn it_moves_when_a_second_begins_and_every_few_packets() {
        let mut hand = Hand::new(Duration::from_secs(300));
        let mut moves = |now, packets| (0..packets).filter(|_| hand.is_due(now)).count();
        assert_eq!(moves(7, 1), 1);
        assert_eq!(moves(7, EVERY - 1), 0);
        assert_eq!(moves(7, 9 * EVERY), 9);
        assert_eq!((moves(8, 1), moves(9, 1), moves(8, 2)), (1, 1, 1));
    }
}
