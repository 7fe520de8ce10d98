//! [`Growing`]: a value of a census that is still growing, and whether it is new to the file;
//! [`Budget`]: how much memory is left for what peers make up.

use std::sync::atomic::{AtomicUsize, Ordering};

/// A value, and whether it has changed since it was last [taken](Self::take).
#[derive(Debug)]
pub(super) struct Growing<T> {
    value: T,
    changed: bool,
}

impl<T> Growing<T> {
    /// Something new.
    pub(super) const fn new(value: T) -> Self {
        Self { value, changed: true }
    }

    pub(super) const fn value(&self) -> &T {
        &self.value
    }

    pub(super) fn into_value(self) -> T {
        self.value
    }

    /// The value, to be changed.
    pub(super) const fn change(&mut self) -> &mut T {
        self.changed = true;
        &mut self.value
    }
}

impl<T: Clone> Growing<T> {
    /// A copy, if it has changed since the last time.
    pub(super) fn take(&mut self) -> Option<T> {
        std::mem::take(&mut self.changed).then(|| self.value.clone())
    }
}

/// Bytes that may still be spent on values of any length.
#[derive(Debug)]
pub(super) struct Budget(AtomicUsize);

impl Budget {
    pub(super) const fn new(bytes: usize) -> Self {
        Self(AtomicUsize::new(bytes))
    }

    /// Spend so many bytes; false if there are not as many left.
    pub(super) fn spend(&self, bytes: usize) -> bool {
        let less = |left: usize| left.checked_sub(bytes);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }

    /// What so many bytes were spent on is gone.
    pub(super) fn refund(&self, bytes: usize) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_taken_once_for_each_change() {
        let mut value = Growing::new(1);
        assert_eq!((value.take(), value.take()), (Some(1), None));
        *value.change() += 1;
        assert_eq!((value.take(), value.take()), (Some(2), None));
    }

    #[test]
    fn what_is_spent_is_gone() {
        let budget = Budget::new(10);
        assert!(budget.spend(7) && !budget.spend(4) && budget.spend(3) && !budget.spend(1));
        budget.refund(2);
        assert!(!budget.spend(3) && budget.spend(2));
    }
}
