//! What a live run is to do, checked; and the opening of what it needs.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use anyhow::anyhow;

use super::amounts::{age, rotation, size};
use super::outputs::LiveSink;
use super::privileges::Privileges;
use crate::capture::Error;
use crate::capture::live::{LiveSource, Options};
use crate::census::Store;
use crate::census::store::StoreError;
#[cfg(feature = "serve")]
use crate::cli::args::ListenToken;
use crate::cli::args::{FailOn, Live};
use crate::cli::exit::Failure;
#[cfg(feature = "serve")]
use crate::cli::listen;
use crate::cli::places::keep_apart;
use crate::cli::plan::{FILTER_HINT, Judging, judged_by, reports};
use crate::cli::publish;
use crate::cli::read::host_name;
#[cfg(feature = "serve")]
use crate::cli::words::Words;
use crate::limits::Limits;
use crate::pipeline::Settings;
use crate::report::{Format, Inventory};
#[cfg(feature = "serve")]
use crate::serve::Listener;
use crate::sink::Stdout;
use crate::sink::rolling::{RollingFile, Rotation};

/// What a run is to do, checked.
pub(super) struct Plan {
    pub(super) interfaces: Vec<String>,
    pub(super) options: Options,
    pub(super) settings: Settings,
    pub(super) judging: Arc<Judging>,
    pub(super) flows: Option<PathBuf>,
    pub(super) rotation: Option<Rotation>,
    pub(super) census: Option<PathBuf>,
    pub(super) save_every: Duration,
    pub(super) reports: Vec<(PathBuf, Format)>,
    pub(super) fail_on: Option<FailOn>,
    pub(super) privileges: Privileges,
    #[cfg(feature = "serve")]
    page: (Option<String>, ListenToken),
}

impl Plan {
    pub(super) fn new(args: Live) -> Result<Self, Failure> {
        let mut limits = Limits::default();
        let judging = Judging::new(&args.judgement)?;
        let rotation = args.rotate.as_deref().map(rotation).transpose()?;
        if rotation.is_some() && args.flows.as_deref() == Some(Path::new("-")) {
            return Err(Failure::usage(anyhow!("standard output cannot be rotated"))
                .with_hint("name a file: --flows FILE --rotate 1h"));
        }
        let Some(ring_bytes) = size(&args.buffer) else {
            return Err(Failure::usage(anyhow!("`{}` is no size for --buffer", args.buffer))
                .with_hint("as 128MB or 1GB"));
        };
        let ring_bytes = usize::try_from(ring_bytes).unwrap_or(usize::MAX);
        // A handshake that waits is worth more than the packets that it came in.
        limits.backlog_bytes = ring_bytes / 2;
        let reports = reports(args.report)?;
        let flows = args.flows.as_deref().filter(|path| *path != Path::new("-"));
        let Some(save_every) = age(&args.save_every) else {
            return Err(Failure::usage(anyhow!(
                "`{}` is no time for --save-every",
                args.save_every
            ))
            .with_hint("as 30s or 5m"));
        };
        let outputs = args.census.as_deref().into_iter();
        let outputs = outputs.chain(flows).chain(reports.iter().map(|(path, _)| path.as_path()));
        let outputs: Vec<&Path> = outputs.collect();
        keep_apart(judged_by(&args.judgement), &outputs)?;
        #[cfg(feature = "serve")]
        keep_apart(&args.token.listen_token, &outputs)?;
        let privileges = Privileges::new(args.user.as_deref(), outputs.into_iter())?;
        let mut interfaces = args.interface;
        let mut seen = BTreeSet::new();
        interfaces.retain(|name| seen.insert(name.clone()));
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let settings = Settings {
            limits,
            threads: args.threads.map_or(cores, usize::from),
            sensor: args.sensor.unwrap_or_else(host_name).into(),
            policies: judging.policies.clone(),
            trust: Arc::clone(&judging.trust),
            since: None,
            until: None,
            // The kernel filters.
            filter: None,
        };
        Ok(Self {
            interfaces,
            options: Options { filter: args.filter, ring_bytes, members: args.capture_threads },
            settings,
            fail_on: args.failing.fail_on,
            judging: Arc::new(judging),
            flows: args.flows,
            rotation,
            census: args.census,
            save_every,
            reports,
            privileges,
            #[cfg(feature = "serve")]
            page: (args.listen, args.token),
        })
    }

    /// Open the socket of the page, while rights are there to do so.
    #[cfg(feature = "serve")]
    pub(super) fn listen(&self, words: &Words) -> Result<Option<Listener>, Failure> {
        let (address, token) = &self.page;
        address.as_ref().map(|address| listen::open(address, token, words)).transpose()
    }

    pub(super) fn streams_to_stdout(&self) -> bool {
        self.flows.as_deref() == Some(Path::new("-"))
    }

    pub(super) fn open_sink(&self) -> Result<Option<LiveSink>, Failure> {
        let Some(path) = &self.flows else { return Ok(None) };
        if self.streams_to_stdout() {
            return Ok(Some(LiveSink::Stdout(Stdout::default())));
        }
        RollingFile::open(path, self.rotation)
            .map(|file| Some(LiveSink::File(Arc::new(Mutex::new(file)))))
            .map_err(|error| {
                let (name, path) = (self.privileges.name(), path.display());
                let failure = Failure::impossible(anyhow!("cannot write `{path}`: {error}"));
                match error.kind() {
                    ErrorKind::PermissionDenied => {
                        failure.with_hint(format!("chown {name} {path}"))
                    }
                    ErrorKind::ResourceBusy => {
                        failure.with_hint("wait for it to end, or write to a file of its own")
                    }
                    _ => failure,
                }
            })
    }

    /// Open the census file, as who we are now.
    pub(super) fn open_store(&self) -> Result<Option<Store>, Failure> {
        let Some(path) = &self.census else { return Ok(None) };
        match Store::open(path, &self.settings.limits) {
            Ok(store) => Ok(Some(store)),
            Err(StoreError::Open { cause, .. }) if cause.kind() == ErrorKind::PermissionDenied => {
                let (name, path) = (self.privileges.name(), path.display());
                Err(Failure::impossible(anyhow!("cannot open census `{path}`: {cause}"))
                    .with_hint(format!("chown {name} {path}*")))
            }
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn write_reports(&self, inventory: &Inventory) -> Vec<Failure> {
        publish::reports(&self.reports, inventory)
    }
}

/// Open all interfaces, or none.
pub(super) fn open(plan: &Plan) -> Result<Vec<LiveSource>, Failure> {
    let mut sources = Vec::new();
    for name in &plan.interfaces {
        sources.extend(LiveSource::open(name, &plan.options).map_err(refusal)?);
    }
    Ok(sources)
}

/// Why an interface cannot be opened, with the cure where it is known.
fn refusal(error: Error) -> Failure {
    let hint = match &error {
        Error::Permission { .. } => {
            let program = std::env::current_exe().unwrap_or_else(|_| "tlscensus".into());
            Some(format!("run as root, or once: sudo setcap cap_net_raw+ep {}", program.display()))
        }
        Error::NoInterface { .. } => Some("`tlscensus interfaces` lists what there is".to_owned()),
        Error::Interface { name, reason } if reason == "it is down" => {
            Some(format!("ip link set {name} up"))
        }
        Error::Filter { .. } => Some(FILTER_HINT.to_owned()),
        _ => None,
    };
    // A filter is something that was typed.
    let failure = match &error {
        Error::Filter { .. } => Failure::usage(error),
        _ => Failure::impossible(error),
    };
    match hint {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    }
}
