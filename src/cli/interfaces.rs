//! `tlscensus interfaces`: what can be watched.

use std::fmt::Write as _;

use anyhow::Context;

use super::exit::{Exit, Failure};
use super::words::Words;
use crate::capture::live::{Interface, interfaces};

/// List the interfaces.
pub(super) fn run() -> Result<Exit, Failure> {
    let interfaces =
        interfaces().context("cannot list the interfaces").map_err(Failure::impossible)?;
    let head = ["interface", "state", "link", "speed", "usable"].map(str::to_owned);
    let lines: Vec<_> = std::iter::once(head)
        .chain(interfaces.iter().map(|interface| {
            [
                interface.name.clone(),
                state(interface).to_owned(),
                interface.link.clone().unwrap_or_else(|| "-".to_owned()),
                speed(interface.speed),
                interface
                    .refusal
                    .as_ref()
                    .map_or_else(|| "yes".to_owned(), |why| format!("no: {why}")),
            ]
        }))
        .collect();
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(String::len).max().unwrap_or_default()
    };
    let mut text = String::new();
    for line in &lines {
        let mut padded = String::new();
        for (column, cell) in line.iter().enumerate() {
            let wide = width(column);
            // Writing to a String does not fail.
            let _ = write!(padded, "{cell:wide$}  ");
        }
        text.push_str(padded.trim_end());
        text.push('\n');
    }
    if interfaces.is_empty() {
        "there is no network interface\n".clone_into(&mut text);
    }
    Words::out(text.as_bytes())?;
    Ok(Exit::Done)
}

const fn state(interface: &Interface) -> &'static str {
    match (interface.up, interface.carrier) {
        (false, _) => "down",
        (true, Some(false)) => "no cable",
        (true, _) => "up",
    }
}

fn speed(megabits: Option<u32>) -> String {
    match megabits {
        None | Some(0) => "-".to_owned(),
        Some(megabits) if megabits >= 1_000 && megabits.is_multiple_of(1_000) => {
            format!("{} Gbit/s", megabits / 1_000)
        }
        Some(megabits) => format!("{megabits} Mbit/s"),
    }
}
