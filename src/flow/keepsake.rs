//! [`Keepsakes`]: what was said on flows that were given up before TLS began on them.
//!
//! A mail session may be silent for longer than a flow is watched, or be given up to make room for
//! others, and ask for TLS after that. The hello is found all the same; what it began in would be
//! lost. So the cleartext of such flows is kept, of a bounded number of them, and handed to the flow
//! that goes on where the old one stood.

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use super::{FlowKey, Side};
use crate::packet::{Segment, SeqNumber};

/// Cleartext of both ends: low, high.
pub type Cleartext = [Vec<u8>; 2];

/// How far from where a stream stood a segment of it may be. That both numbers of another connection
/// are so near by chance is as likely as 1 to 4096.
const REACH: u32 = 1 << 25;

/// The cleartext of flows that are not watched now: a ring in which the newest takes the place of
/// the oldest.
#[derive(Debug)]
pub(super) struct Keepsakes {
    index: HashMap<FlowKey, usize, RandomState>,
    ring: Vec<Option<Keepsake>>,
    next: usize,
    most: usize,
}

#[derive(Debug)]
struct Keepsake {
    key: FlowKey,
    text: Cleartext,
    /// Where the streams stood.
    stood: [Option<SeqNumber>; 2],
}

impl Keepsakes {
    pub(super) fn new(most: usize) -> Self {
        Self { index: HashMap::default(), ring: Vec::new(), next: 0, most }
    }

    pub(super) fn contains(&self, key: &FlowKey) -> bool {
        self.index.contains_key(key)
    }

    /// Keep the cleartext of a flow. Returns whether that of another one had to go for it.
    pub(super) fn keep(
        &mut self,
        key: FlowKey,
        text: Cleartext,
        stood: [Option<SeqNumber>; 2],
    ) -> bool {
        drop(self.remove(&key));
        if self.most == 0 {
            return true;
        }
        if self.next >= self.most {
            self.next = 0;
        }
        if self.ring.len() <= self.next {
            self.ring.push(None);
        }
        let Some(place) = self.ring.get_mut(self.next) else { return true };
        let gone = place.replace(Keepsake { key, text, stood });
        self.index.insert(key, self.next);
        self.next = self.next.wrapping_add(1);
        gone.is_some_and(|gone| self.index.remove(&gone.key).is_some())
    }

    /// What was said on the flow of a segment before, if that goes on with it. What does not is of no
    /// use any more: the ports are another connection's.
    pub(super) fn take(
        &mut self,
        key: &FlowKey,
        side: Side,
        segment: &Segment<'_>,
    ) -> Option<Cleartext> {
        if self.index.is_empty() {
            return None;
        }
        let Keepsake { text, stood, .. } = self.remove(key)?;
        let fits = |number: SeqNumber, stood: Option<SeqNumber>| {
            stood.is_none_or(|at| number.offset_from(at).unsigned_abs() < REACH)
        };
        let acknowledged = !segment.flags.ack() || fits(segment.ack, *side.other().of(&stood));
        (fits(segment.seq, *side.of(&stood)) && acknowledged && stood != [None; 2]).then_some(text)
    }

    fn remove(&mut self, key: &FlowKey) -> Option<Keepsake> {
        let place = self.index.remove(key)?;
        self.ring.get_mut(place)?.take()
    }
}
