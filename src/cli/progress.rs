//! The progress bar: bytes, rate, time left, connections found. Only on a terminal.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::pipeline::Progress;

/// How often the bar is drawn anew.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// A bar over `total` bytes, or a spinner where the total is not known; hidden where nobody looks.
pub(super) fn bar(total: Option<u64>, quiet: bool) -> ProgressBar {
    if quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let (bar, template) = match total {
        Some(total) => (
            ProgressBar::new(total),
            "{wide_bar:.cyan/dim} {percent:>3} %  {binary_bytes}/{binary_total_bytes}  \
             {binary_bytes_per_sec}  {eta} left  {msg}",
        ),
        None => (
            ProgressBar::new_spinner(),
            "{spinner} {binary_bytes} read  {binary_bytes_per_sec}  {elapsed}  {msg}",
        ),
    };
    bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("━━─"));
    }
    bar
}

/// Draw where the run stands.
pub(super) fn update(bar: &ProgressBar, progress: &Progress) {
    bar.set_position(progress.read_bytes());
    let connections = progress.connections();
    let noun = if connections == 1 { "connection" } else { "connections" };
    bar.set_message(format!("{connections} TLS {noun}"));
}
