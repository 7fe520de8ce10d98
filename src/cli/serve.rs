//! `tlscensus serve`: the page, from census files; judged again when they change.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::Arc;

use super::args::Serve;
use super::exit::{Exit, Failure};
use super::listen;
use super::plan::Judging;
use super::stop::Stop;
use super::words::Words;
use crate::census::Store;
use crate::census::store::StoreError;
use crate::limits::Limits;
use crate::report::Inventory;
use crate::serve::{Feed, Wire};

/// Check what was typed, listen, answer until stopped.
pub(super) fn run(args: &Serve, words: &Words) -> Result<Exit, Failure> {
    let files = Files {
        paths: args.censuses.clone(),
        judging: Judging::new(&args.judgement)?,
        limits: Limits::default(),
    };
    // What is no census is said at once.
    for path in &files.paths {
        Store::open_read_only(path, &files.limits)?;
    }
    let stop = Stop::hear()?;
    let asked = stop.asked();
    stop.insist();
    let listener = listen::open(&args.listen, &args.token, words)?;
    listener.serve(Arc::new(files), &asked)?;
    Ok(Exit::Done)
}

/// Census files, judged together.
struct Files {
    paths: Vec<PathBuf>,
    judging: Judging,
    limits: Limits,
}

impl Feed for Files {
    /// When the files, and the logs beside them, were last written to.
    fn stamp(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for path in &self.paths {
            let mut log = path.clone().into_os_string();
            log.push("-wal");
            for path in [path.clone(), log.into()] {
                let state = fs::metadata(path).ok();
                state.map(|state| (state.len(), state.modified().ok())).hash(&mut hasher);
            }
        }
        hasher.finish()
    }

    fn inventory(&self) -> Result<Inventory, String> {
        let open = |path: &PathBuf| Store::open_read_only(path, &self.limits);
        let merged = || -> Result<_, StoreError> {
            let mut stores = self.paths.iter().map(open).collect::<Result<Vec<_>, _>>()?;
            Store::merged(&mut stores, |part| part)
        };
        let snapshot = merged().map_err(|error| error.to_string())?;
        Ok(Inventory::judge(&snapshot, &self.judging.question(&self.limits)))
    }

    fn wire(&self) -> Option<Wire> {
        None
    }
}
