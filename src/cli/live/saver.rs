//! [`Saver`]: puts what a live run learns into its census file, every half minute.
//!
//! What is on disk is never older than that, whatever becomes of the process. What cannot be saved,
//! because the disk is full, is tried again with the next time's.

#[cfg(feature = "serve")]
use std::path::Path;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::census::Store;
use crate::census::store::StoreError;
use crate::pipeline::live::Watch;

/// How often it looks whether it is time.
const TICK: Duration = Duration::from_millis(100);

/// The census file of a run.
pub(super) struct Saver {
    #[cfg_attr(not(feature = "serve"), expect(dead_code, reason = "the page shows it"))]
    path: PathBuf,
    store: Mutex<Store>,
    every: Duration,
    saved: Mutex<Saved>,
}

/// How saving stands.
#[derive(Clone, Debug, Default)]
pub(super) struct Saved {
    /// When it last succeeded.
    pub(super) at: Option<Instant>,
    /// Why it does not at the moment.
    pub(super) trouble: Option<String>,
}

#[allow(clippy::disallowed_methods, reason = "a file is saved by the clock on the wall")]
impl Saver {
    pub(super) fn new(store: Store, every: Duration) -> Self {
        Self {
            path: store.path().to_owned(),
            store: Mutex::new(store),
            every,
            saved: Mutex::default(),
        }
    }

    /// Save again and again until the run is over.
    pub(super) fn run(&self, watch: &Watch, over: &AtomicBool) {
        let mut last = Instant::now();
        while !over.load(Ordering::Relaxed) {
            if last.elapsed() >= self.every {
                // The time that it takes comes on top: a slow disk is not written to all the time.
                let _ = self.save(watch);
                last = Instant::now();
            }
            thread::park_timeout(TICK);
        }
    }

    /// Save what is new, each interface in one transaction.
    pub(super) fn save(&self, watch: &Watch) -> Result<(), StoreError> {
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        let mut result = Ok(());
        for (entry, census) in watch.censuses() {
            let changes = census.take_changes();
            if let Err(error) = store.update(&entry, &changes) {
                census.put_back(&changes);
                result = Err(error);
                break;
            }
        }
        let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        saved.trouble = result.as_ref().err().map(ToString::to_string);
        if result.is_ok() {
            saved.at = Some(Instant::now());
        }
        result
    }

    /// Save for the last time, and leave one plain file behind.
    pub(super) fn finish(&self, watch: &Watch) -> Result<(), StoreError> {
        self.save(watch)?;
        self.store.lock().unwrap_or_else(PoisonError::into_inner).settle();
        Ok(())
    }

    /// The file.
    #[cfg(feature = "serve")]
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// How it stands.
    pub(super) fn saved(&self) -> Saved {
        self.saved.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
