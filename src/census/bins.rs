//! [`Bins`]: in which hours, later in which days, something was seen.
//!
//! From how many stacks were seen in one bin only, and how many in two, the report estimates how
//! many were not seen at all. Hours serve a watch of under three days; beyond that days do, and the
//! hours are folded into them.

use smallvec::SmallVec;

use crate::clock::Timestamp;

use super::growing::Room;
use super::sorted::bytes;

/// Bins, in order; most stacks are seen in few.
pub type BinList = SmallVec<[u32; 4]>;

/// Hours that are told apart: four days' worth, so that a watch of three days never has more.
const HOURS: usize = 96;
/// Hours of a day.
const DAY: u32 = 24;

/// The bins of time in which something was seen, counted from 1970, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bins {
    /// By the hour.
    Hours(BinList),
    /// By the day: there were too many hours.
    Days(BinList),
}

impl Default for Bins {
    fn default() -> Self {
        Self::Hours(BinList::new())
    }
}

impl Bins {
    /// It was seen at this time; `limit` days are remembered, the earliest, as far as there is room.
    pub(super) fn note(&mut self, at: Timestamp, limit: usize, room: &mut Room) {
        let hour = u32::try_from(at.as_secs() / 3_600).unwrap_or(u32::MAX);
        match self {
            Self::Hours(hours) => {
                // One more than are told apart tells that there are too many.
                room.keep(hours, hour, HOURS + 1);
                if hours.len() > HOURS {
                    room.give(bytes(self.list()));
                    *self = Self::Days(self.days(limit));
                    room.take(bytes(self.list()));
                }
            }
            Self::Days(days) => room.keep(days, hour / DAY, limit),
        }
    }

    /// The bins, whatever they are.
    pub(super) const fn list(&self) -> &BinList {
        let (Self::Hours(list) | Self::Days(list)) = self;
        list
    }

    /// It was also seen in these.
    pub(super) fn merge(&mut self, other: &Self, limit: usize) {
        if let (Self::Hours(known), Self::Hours(hours)) = (&mut *self, other) {
            let mut all = std::mem::take(known);
            all.extend(hours.iter().copied());
            all.sort_unstable();
            all.dedup();
            *known = all;
            if known.len() > HOURS {
                *self = Self::Days(self.days(limit));
            }
        } else {
            let mut all = self.days(limit);
            all.extend(other.days(limit));
            all.sort_unstable();
            all.dedup();
            all.truncate(limit);
            *self = Self::Days(all);
        }
    }

    /// The days, in order, at most `limit` of them.
    pub fn days(&self, limit: usize) -> BinList {
        let mut days: BinList = match self {
            Self::Hours(hours) => hours.iter().map(|hour| hour / DAY).collect(),
            Self::Days(days) => days.clone(),
        };
        days.dedup();
        days.truncate(limit);
        days
    }
}

#[cfg(test)]
mod tests {
    use super::super::growing::Lists;
    use super::*;
    use crate::limits::Limits;

    fn hour(hour: u32) -> Timestamp {
        Timestamp::new(u64::from(hour) * 3_600 + 17, 0)
    }

    #[test]
    fn hours_turn_into_days_in_any_order() {
        let mut room = Lists::new(&Limits::default()).room();
        let mut forward = Bins::default();
        let mut backward = Bins::default();
        let hours: Vec<u32> = (0..240).filter(|hour| hour % 2 == 0).collect();
        for at in &hours {
            forward.note(hour(*at), 7, &mut room);
        }
        for at in hours.iter().rev() {
            backward.note(hour(*at), 7, &mut room);
        }
        assert_eq!(forward, Bins::Days((0..7).collect()));
        assert_eq!(forward, backward);
    }

    #[test]
    fn three_days_stay_hours() {
        let mut room = Lists::new(&Limits::default()).room();
        let mut bins = Bins::default();
        for at in 10..82 {
            bins.note(hour(at), 7, &mut room);
        }
        assert!(matches!(&bins, Bins::Hours(hours) if hours.len() == 72));
        assert_eq!(*bins.days(9), [0, 1, 2, 3]);
    }
}
