//! [`Status`]: a line on a terminal that says how a live run stands.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::census::Lost;
use crate::pipeline::live::InterfaceReport;

/// A line on a terminal: rate, drops, connections, hosts that break.
pub(super) struct Status {
    bar: ProgressBar,
    drawn: Option<Instant>,
    before: (u64, u64),
    legacy: u64,
    /// Counting hosts costs time: it is done when it costs little of it.
    next_count: Option<Instant>,
    counted: u64,
}

#[allow(clippy::disallowed_methods, reason = "rates are by the clock on the wall")]
impl Status {
    pub(super) fn new(quiet: bool) -> Self {
        let bar = if quiet || !std::io::stderr().is_terminal() {
            ProgressBar::hidden()
        } else {
            let bar = ProgressBar::new_spinner();
            bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
            if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed}  {wide_msg}") {
                bar.set_style(style);
            }
            bar
        };
        Self { bar, drawn: None, before: (0, 0), legacy: 0, next_count: None, counted: 0 }
    }

    pub(super) fn draw(
        &mut self,
        interfaces: &[InterfaceReport],
        connections: u64,
        count: impl FnOnce() -> u64,
    ) {
        if self.bar.is_hidden() {
            return;
        }
        let now = Instant::now();
        if connections != self.counted && self.next_count.is_none_or(|next| now >= next) {
            self.legacy = count();
            self.counted = connections;
            let took = now.elapsed();
            self.next_count = Some(now + took.saturating_mul(50).max(Duration::from_secs(2)));
        }
        let passed = self.drawn.map(|drawn| now.duration_since(drawn));
        if passed.is_some_and(|passed| passed < Duration::from_secs(1)) {
            return;
        }
        let (mut frames, mut bytes) = (0, 0);
        for report in interfaces {
            frames += report.counted.capture.frames;
            bytes += report.counted.capture.frame_bytes;
        }
        let lost: Vec<_> = interfaces
            .iter()
            .filter_map(|report| losses(&report.name, &report.lost, report.refused()))
            .collect();
        let lost = if lost.is_empty() { "nothing lost".to_owned() } else { lost.join("  ") };
        let seconds = passed.map_or(1.0, |passed| passed.as_secs_f64());
        #[expect(clippy::cast_precision_loss, reason = "a rate that a person reads")]
        let rate = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds;
        self.bar.set_message(format!(
            "{:.0} packets/s  {:.1} Mbit/s  {connections} TLS connections  {} hosts break  {lost}",
            rate(frames, self.before.0),
            rate(bytes, self.before.1) * 8.0 / 1e6,
            self.legacy,
        ));
        self.bar.tick();
        self.before = (frames, bytes);
        self.drawn = Some(now);
    }

    /// Say something beside the line.
    pub(super) fn aside(&self, say: impl FnOnce()) {
        self.bar.suspend(say);
    }

    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

/// What an interface lost, apart by who lost it, and what bounds refused; `None` if nothing.
fn losses(name: &str, lost: &Lost, refused: u64) -> Option<String> {
    let kinds = [
        (lost.interface, "interface"),
        (lost.ring, "ring full"),
        (lost.backlog, "workers behind"),
        (lost.unread, "unread"),
    ];
    let kinds = kinds.iter().filter(|(count, _)| *count > 0);
    let mut parts: Vec<_> = kinds.map(|(count, by)| format!("{count} {by}")).collect();
    if !parts.is_empty() {
        parts.push(format!("{:.1} % while handshakes were open", lost.open_share() * 100.0));
    }
    if refused > 0 {
        parts.push(format!("{refused} flows at a bound"));
    }
    (!parts.is_empty()).then(|| format!("{name} lost: {}", parts.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_stand_apart() {
        let none = Lost::default();
        assert_eq!(losses("eth1", &none, 0), None);
        assert_eq!(losses("eth1", &none, 3).unwrap(), "eth1 lost: 3 flows at a bound");
        let lost = Lost { ring: 30, backlog: 11, open_read: 959, open_lost: 41, ..none };
        assert_eq!(
            losses("eth1", &lost, 0).unwrap(),
            "eth1 lost: 30 ring full, 11 workers behind, 4.1 % while handshakes were open"
        );
    }
}
