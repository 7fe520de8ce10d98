//! [`Keeper`]: looks after everything but packets while a live run lasts.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use super::facts::Facts;
use super::notify::Notify;
use super::outputs::{lock, now};
use super::plan::Plan;
use super::saver::Saver;
use super::signals::Signals;
use super::status::Status;
use crate::capture::live::Condition;
use crate::cli::words::Words;
use crate::pipeline::live::InterfaceReport;
use crate::sink::rolling::{RollingFile, compress};

/// Looks after everything but packets.
pub(super) struct Keeper<'a> {
    pub(super) plan: &'a Plan,
    pub(super) signals: &'a Signals,
    pub(super) facts: &'a Facts,
    pub(super) words: &'a Words,
    pub(super) file: Option<Arc<Mutex<RollingFile>>>,
    pub(super) saver: Option<&'a Saver>,
    pub(super) status: Status,
    pub(super) notify: Notify,
    pub(super) conditions: Vec<Condition>,
    /// What is wrong with the file of records, and with the census.
    pub(super) trouble: [Option<String>; 2],
}

impl Keeper<'_> {
    pub(super) fn tick<'scope>(
        &mut self,
        scope: &'scope thread::Scope<'scope, '_>,
        over: &'scope AtomicBool,
    ) {
        if self.signals.stop.load(Ordering::Relaxed) || self.facts.watch.is_over() {
            if !self.facts.watch.progress().is_stopping() {
                self.notify.stopping();
            }
            self.facts.watch.progress().stop();
        }
        if self.signals.report.swap(false, Ordering::Relaxed) {
            let inventory = self.facts.inventory();
            let unwritten = self.plan.write_reports(&inventory);
            for failure in &unwritten {
                self.status.aside(|| self.words.error(&failure.error, failure.hint.as_deref()));
            }
            if unwritten.is_empty() && !self.words.quiet {
                self.status.aside(|| Words::aside("the reports were written as of now\n"));
            }
        }
        self.look_after_file(scope, over);
        self.look_after_census();
        let interfaces = self.facts.watch.interfaces();
        self.notify.alive(interfaces.iter().map(|report| report.beats).sum());
        self.tell_conditions(&interfaces);
        let connections = self.facts.watch.progress().connections();
        self.status.draw(&interfaces, connections, || {
            let inventory = self.facts.inventory();
            inventory.summary.policies.first().map_or(0, |totals| totals.client_hosts.breaks)
        });
    }

    /// Rotate, open anew, write what waits.
    fn look_after_file<'scope>(
        &mut self,
        scope: &'scope thread::Scope<'scope, '_>,
        over: &'scope AtomicBool,
    ) {
        let Some(file) = &self.file else { return };
        let mut trouble = None;
        {
            let mut file = lock(file);
            if self.signals.reopen.swap(false, Ordering::Relaxed) {
                trouble = file.reopen().err().map(|error| error.to_string());
            }
            match file.tick(now()) {
                Ok(Some(aside)) => {
                    scope.spawn(move || {
                        // What cannot be compressed stays whole as it is.
                        let _ = compress(&aside, &|| !over.load(Ordering::Relaxed));
                    });
                }
                Ok(None) => {}
                Err(error) => trouble = Some(error.to_string()),
            }
            trouble = trouble.or_else(|| file.trouble().map(str::to_owned));
        }
        self.tell_trouble(
            0,
            trouble.map(|why| format!("records cannot be written: {why}")),
            "they are kept in memory, up to 64 MB, until they can",
            "records can be written again",
        );
    }

    fn look_after_census(&mut self) {
        let Some(saver) = self.saver else { return };
        self.tell_trouble(
            1,
            saver.saved().trouble,
            "it is tried again; what is new is kept in memory until then",
            "the census is saved again",
        );
    }

    /// Say once that something is wrong, and that it no longer is.
    fn tell_trouble(&mut self, place: usize, trouble: Option<String>, hint: &str, over: &str) {
        let Some(before) = self.trouble.get_mut(place) else { return };
        if *before == trouble {
            return;
        }
        (*before).clone_from(&trouble);
        match trouble {
            Some(why) => self.warn(&why, Some(hint)),
            None => self.warn(over, None),
        }
    }

    /// Say once when an interface goes, and when it is back.
    fn tell_conditions(&mut self, interfaces: &[InterfaceReport]) {
        for (place, report) in interfaces.iter().enumerate() {
            let Some(before) = self.conditions.get_mut(place) else { continue };
            if *before == report.condition {
                continue;
            }
            *before = report.condition;
            let name = &report.name;
            let text = match report.condition {
                Condition::Up => format!("interface `{name}` is back"),
                Condition::Down => format!("interface `{name}` is down: waiting for it"),
                Condition::Gone => format!("interface `{name}` is gone: waiting for it"),
            };
            self.warn(&text, None);
        }
    }

    fn warn(&self, text: &str, hint: Option<&str>) {
        self.status.aside(|| self.words.warn(text, hint));
    }
}
