//! [`Feed`]: what is served; [`Views`]: it judged, and judged again when it has changed.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::Mutex;

use super::state::Wire;
use super::tables::Index;
use crate::clock::Timestamp;
use crate::report::{Inventory, Peers};

/// A view is no older than this, if something has changed.
const FRESH: Duration = Duration::from_secs(2);

/// Judging a large census must not take more than a small part of a core.
const SHARE: u32 = 10;

/// What is served: a live run, or a census file.
pub trait Feed: Send + Sync + 'static {
    /// A number that is another one when there is something new.
    fn stamp(&self) -> u64;

    /// All that there is, judged; or why that cannot be.
    fn inventory(&self) -> Result<Inventory, String>;

    /// How the wire stands, if one is watched.
    fn wire(&self) -> Option<Wire>;
}

impl View {
    /// Whether there is something that is not in it.
    pub(super) fn is_stale(&self, feed: &dyn Feed) -> bool {
        self.stamp != feed.stamp()
    }
}

/// An inventory, and what was worked out of it for the tables.
pub struct View {
    /// Its number: the first one is 1.
    pub number: u64,
    /// When it was made.
    pub made: Timestamp,
    /// The inventory.
    pub inventory: Inventory,
    pub(super) index: Index,
    pub(super) peers: Peers,
    stamp: u64,
    at: Instant,
    took: Duration,
}

/// The newest view.
pub(super) struct Views {
    feed: Arc<dyn Feed>,
    /// Why the last one could not be made.
    trouble: RwLock<Option<String>>,
    newest: RwLock<Option<Arc<View>>>,
    making: Mutex<()>,
}

#[allow(clippy::disallowed_methods, reason = "a page is refreshed by the clock on the wall")]
impl Views {
    pub(super) fn new(feed: Arc<dyn Feed>) -> Self {
        Self {
            feed,
            trouble: RwLock::default(),
            newest: RwLock::default(),
            making: Mutex::default(),
        }
    }

    pub(super) fn feed(&self) -> &Arc<dyn Feed> {
        &self.feed
    }

    /// The newest one that there is.
    pub(super) fn newest(&self) -> Option<Arc<View>> {
        self.newest.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// One that is fresh; while one is being made, the one before it.
    pub(super) async fn current(self: &Arc<Self>) -> Result<Arc<View>, String> {
        if let Some(fresh) = self.fresh() {
            return Ok(fresh);
        }
        let _making = match (self.making.try_lock(), self.newest()) {
            (Ok(making), _) => making,
            (Err(_), Some(before)) => return Ok(before),
            (Err(_), None) => self.making.lock().await,
        };
        if let Some(fresh) = self.fresh() {
            return Ok(fresh);
        }
        let views = Arc::clone(self);
        let made = tokio::task::spawn_blocking(move || views.make());
        let failed = |_| "the census could not be judged".to_owned();
        let made = made.await.map_err(failed).and_then(|made| made);
        let trouble = made.as_ref().err().cloned();
        *self.trouble.write().unwrap_or_else(PoisonError::into_inner) = trouble;
        made
    }

    /// Why the last one could not be made, if it could not.
    pub(super) fn trouble(&self) -> Option<String> {
        // What the newest view was made of may be back, and then none is made.
        if self.newest().is_some_and(|view| !view.is_stale(&*self.feed)) {
            return None;
        }
        self.trouble.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn fresh(&self) -> Option<Arc<View>> {
        let view = self.newest()?;
        let wait = FRESH.max(view.took.saturating_mul(SHARE));
        (view.at.elapsed() < wait || view.stamp == self.feed.stamp()).then_some(view)
    }

    fn make(&self) -> Result<Arc<View>, String> {
        let begun = Instant::now();
        let stamp = self.feed.stamp();
        let inventory = self.feed.inventory()?;
        let number = self.newest().map_or(1, |before| before.number.saturating_add(1));
        let view = Arc::new(View {
            number,
            made: now(),
            index: Index::new(&inventory),
            peers: Peers::of(&inventory),
            inventory,
            stamp,
            at: Instant::now(),
            took: begun.elapsed(),
        });
        *self.newest.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&view));
        Ok(view)
    }
}

/// The time on the wall.
#[allow(clippy::disallowed_methods, reason = "whoever looks at a page wants to know how old it is")]
pub(super) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::new(since.as_secs(), since.subsec_nanos())
}
