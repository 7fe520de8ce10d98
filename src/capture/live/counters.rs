//! The counters of libpcap, which are 32 bits wide and wrap: at ten million packets a second within
//! seven minutes.

/// A sum that follows a counter of 32 bits. It must be asked at least once per turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counter {
    last: u32,
    total: u64,
}

impl Counter {
    /// The counter stands here now.
    pub(super) fn follow(&mut self, now: u32) {
        self.total = self.total.saturating_add(u64::from(now.wrapping_sub(self.last)));
        self.last = now;
    }

    /// The counter stands here now, and may have gone back to where another interface of that name
    /// begins: what looks like more than half a turn is no progress.
    pub(super) fn follow_or_restart(&mut self, now: u32) {
        if now.wrapping_sub(self.last) <= u32::MAX / 2 {
            self.follow(now);
        } else {
            self.last = now;
        }
    }

    /// Another handle counts from zero.
    pub(super) fn restart(&mut self) {
        self.last = 0;
    }

    /// All that it counted.
    pub(super) const fn total(self) -> u64 {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_where_the_counter_wraps() {
        let mut counter = Counter::default();
        for now in [5, 4_000_000_000, u32::MAX, 10, 4_000_000_010] {
            counter.follow(now);
        }
        assert_eq!(counter.total(), 11 + u64::from(u32::MAX) + 4_000_000_000);
    }

    #[test]
    fn another_handle_and_another_interface_add_what_is_theirs() {
        let mut counter = Counter::default();
        counter.follow(100);
        counter.restart();
        counter.follow(7);
        assert_eq!(counter.total(), 107);
        counter.follow_or_restart(3);
        assert_eq!(counter.total(), 107);
        counter.follow_or_restart(10);
        assert_eq!(counter.total(), 114);
    }
}
