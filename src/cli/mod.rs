//! The command: arguments → plan → run; one file a subcommand.
//!
//! `args` is what was typed, a subcommand's plan is what it means, checked as a whole before
//! anything is read. Results go to standard output, words to standard error.

mod args;
mod diff;
mod exit;
mod explain;
mod host;
#[cfg(feature = "live")]
mod interfaces;
mod internal;
mod kept;
#[cfg(feature = "serve")]
mod listen;
#[cfg(feature = "live")]
mod live;
mod man;
mod part;
mod places;
mod plan;
mod policy;
mod progress;
mod publish;
mod read;
mod report;
#[cfg(feature = "serve")]
mod serve;
mod stop;
mod window;
mod words;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use args::{Args, Command};
use exit::{Exit, Failure};
use words::Words;

use crate::memory;

/// Run the program with the process's own arguments.
pub fn main() -> ExitCode {
    memory::use_small_pages();
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Help and version go to standard output and are no failure; clap knows which is which.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() };
        }
    };
    let words = Words::new(args.global.color, args.global.quiet);
    internal::report_few();
    match internal::contained(|| run(args, &words)) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            words.error(&failure.error, failure.hint.as_deref());
            failure.exit.into()
        }
    }
}

fn run(args: Args, words: &Words) -> Result<Exit, Failure> {
    match args.command {
        Command::Read(read) => read::run(read, &args.global, words),
        Command::Explain { id } => explain::run(&id),
        Command::Report(report) => report::run(*report, &args.global, words),
        Command::Diff(diff) => diff::run(&diff, &args.global, words),
        Command::Host(host) => host::run(&host, &args.global, words),
        #[cfg(feature = "serve")]
        Command::Serve(serve) => serve::run(&serve, words),
        #[cfg(feature = "live")]
        Command::Live(live) => live::run(*live, &args.global, words),
        #[cfg(feature = "live")]
        Command::Interfaces => interfaces::run(),
        Command::Policy(policy) => policy::run(&policy),
        Command::Completions { shell } => {
            let mut command = Args::command();
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command, "tlscensus", &mut script);
            Words::out(&script)?;
            Ok(Exit::Done)
        }
        Command::Man => {
            Words::out(&man::page(Args::command())?)?;
            Ok(Exit::Done)
        }
    }
}
