//! How long handshakes take: of all servers, and of the busiest ones.

use std::cmp::Reverse;

use maud::{Markup, html};

use super::{Picture, WIDTH, label, table, unit};
use crate::report::html::rows;
use crate::report::inventory::{HandshakeTimes, Inventory};

/// Servers that are drawn.
const SERVERS: usize = 8;
/// How wide names are.
const NAMES: f64 = 140.0;
const ROW: f64 = 24.0;

pub(super) fn figure(inventory: &Inventory) -> Markup {
    let mut lines: Vec<(String, HandshakeTimes)> = Vec::new();
    lines.extend(inventory.coverage.handshake_ms.map(|times| ("all servers".to_owned(), times)));
    let mut servers: Vec<_> = inventory
        .servers
        .iter()
        .filter_map(|server| Some((server, server.handshake_ms?)))
        .filter(|(_, times)| times.count > 0)
        .collect();
    servers.sort_by_key(|(server, times)| (Reverse(times.count), &server.name));
    lines.extend(servers.iter().map(|(server, times)| {
        let name = server
            .snis
            .first()
            .or(None)
            .map_or_else(|| rows::server(&server.name), ToString::to_string);
        (name, *times)
    }));
    let says = match inventory.coverage.handshake_ms {
        None => "No handshake was timed.".to_owned(),
        Some(times) => format!(
            "Half of the handshakes took at most {}, nine of ten at most {}.",
            time(times.p50),
            time(times.p90),
        ),
    };
    let cells: Vec<_> = lines
        .iter()
        .take(50)
        .map(|(name, times)| {
            let numbers = [times.p50, times.p90, times.p99, times.max].map(time);
            [super::fitted(name, 1.0, 64.0).into_owned(), times.count.to_string()]
                .into_iter()
                .chain(numbers)
                .collect()
        })
        .collect();
    let title = "Handshake time";
    let header = ["Server", "handshakes", "half within", "90 % within", "99 % within", "longest"];
    lines.truncate(SERVERS + 1);
    Picture {
        id: "latency",
        title,
        says,
        drawing: (!lines.is_empty()).then(|| draw(&lines)),
        table: table(title, &header, &cells),
    }
    .figure()
}

/// A time as people say it.
fn time(ms: f64) -> String {
    if ms >= 1_000.0 {
        format!("{:.1}\u{a0}s", ms / 1_000.0)
    } else if ms >= 10.0 {
        format!("{ms:.0}\u{a0}ms")
    } else {
        format!("{ms:.1}\u{a0}ms")
    }
}

fn draw(lines: &[(String, HandshakeTimes)]) -> (f64, Markup) {
    // Powers of ten around all values: times differ by more than a plain scale can show.
    let least = lines.iter().map(|(_, times)| times.p50.max(0.1)).fold(f64::MAX, f64::min);
    let most = lines.iter().map(|(_, times)| times.p99.max(0.2)).fold(0.0, f64::max);
    let (low, high) = (least.log10().floor(), most.log10().ceil());
    let high = if high - low < 1.0 { low + 1.0 } else { high };
    let x = |ms: f64| {
        NAMES + (WIDTH - NAMES - 28.0) * (ms.max(0.1).log10() - low).max(0.0) / (high - low)
    };
    let bottom = ROW * super::amount(lines.len() as u64);
    let mut mark = low;
    let mut y = 0.0;
    let body = html! {
        @while mark <= high + 0.001 {
            @let at = x(10_f64.powf(mark));
            path.axis d={ "M" (unit(at)) " 0V" (unit(bottom + 4.0)) } {}
            text.faint x=(unit(at)) y=(unit(bottom + 18.0)) font-size="11" text-anchor="middle" { (time(10_f64.powf(mark)).replace(".0", "")) }
            @let () = mark += 1.0;
        }
        @for (at, (name, times)) in lines.iter().enumerate() {
            @let middle = y + ROW / 2.0;
            g.strong[at == 0] { (label(NAMES - 10.0, middle + 4.0, name, 11.5, NAMES - 12.0, "end")) }
            g {
                title { (super::fitted(name, 1.0, 64.0)) ": half within " (time(times.p50)) ", 90 % within " (time(times.p90)) ", 99 % within " (time(times.p99)) }
                path.whisker d={ "M" (unit(x(times.p50))) " " (unit(middle)) "H" (unit(x(times.p99))) } {}
                path.whisker d={ "M" (unit(x(times.p90))) " " (unit(middle - 5.0)) "v10" } {}
                circle.solid cx=(unit(x(times.p50))) cy=(unit(middle)) r="4.5" {}
            }
            @let () = y += ROW;
        }
        circle.solid cx="6" cy=(unit(bottom + 34.0)) r="4.5" {}
        text x="16" y=(unit(bottom + 38.0)) font-size="12" { "half within" }
        path.whisker d={ "M104 " (unit(bottom + 34.0)) "h26M117 " (unit(bottom + 29.0)) "v10" } {}
        text x="136" y=(unit(bottom + 38.0)) font-size="12" { "90 % (tick) and 99 % (end) within" }
    };
    (bottom + 44.0, body)
}
