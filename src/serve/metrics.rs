//! `/metrics`: counters of the wire and numbers of the newest view, for Prometheus.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};

use super::state::{Wire, by_kind};
use super::view::View;
use crate::report::inventory::{Counts, PolicyTotals};

/// What the answer is.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Durations of handshakes that are told apart, in seconds.
const BUCKETS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, f64::INFINITY];

/// The same for who does not ask for that: the format that promtool and older collectors read.
pub(super) const PLAIN: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The text in the older format: a counter is described by the name that its samples have.
pub(super) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let described = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' '));
        let next = lines.peek().copied().and_then(|next| next.strip_prefix("# TYPE "));
        let counts = |name: &str| {
            let kind = next.and_then(|next| next.strip_prefix(name));
            kind == Some(" counter")
        };
        match described {
            Some((name, help)) if counts(name) => {
                lines.next();
                let of = format!("# HELP {name}_total {help}\n# TYPE {name}_total counter\n");
                plain.push_str(&of);
            }
            _ if line.starts_with("# UNIT ") || line == "# EOF" => {}
            _ => {
                plain.push_str(line);
                plain.push('\n');
            }
        }
    }
    plain
}

/// All of it as text.
pub(super) fn text(
    wire: Option<Wire>,
    view: Option<Arc<View>>,
    uptime: Duration,
) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("tlscensus");
    registry.register_collector(Box::new(Numbers { wire, view, uptime }));
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

/// A counter of an interface.
type Count = fn(&super::WireInterface) -> u64;

/// What is told of each interface, one number of each.
const fn interface_families() -> [(&'static str, &'static str, MetricType, Count); 11] {
    use MetricType::{Counter, Gauge};
    [
        ("packets", "Packets read", Counter, |one| one.packets),
        ("bytes", "Bytes of packets read", Counter, |one| one.bytes),
        ("flows", "Flows that were followed", Counter, |one| one.flows),
        ("lossy_seconds", "Seconds in which packets were lost", Counter, |one| one.lost.seconds),
        ("open_packets", "Packets read while a handshake was open", Counter, |one| {
            one.lost.open_read
        }),
        ("open_lost_packets", "Packets lost while a handshake was open", Counter, |one| {
            one.lost.open_lost
        }),
        ("lightened_packets", "Packets of which only the headers were taken", Counter, |one| {
            one.lost.lightened
        }),
        (
            "left_out_packets",
            "Packets of encrypted bulk left out under overload, by an estimate",
            Counter,
            |one| one.lost.left_out,
        ),
        ("left_out_seconds", "Seconds in which that was done", Counter, |one| {
            one.lost.left_out_seconds
        }),
        ("open_handshakes", "Handshakes that are being watched", Gauge, |one| one.open),
        ("queued_handshakes", "Handshakes that wait for a worker", Gauge, |one| one.backlog),
    ]
}

/// What becomes of a kind of hosts under a policy.
type Totals = fn(&PolicyTotals) -> Counts;

/// What is told.
struct Numbers {
    wire: Option<Wire>,
    view: Option<Arc<View>>,
    uptime: Duration,
}

impl fmt::Debug for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Numbers")
    }
}

impl Collector for Numbers {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut out = Out(encoder);
        // A gauge: of OpenMetrics' own type for it promtool knows nothing.
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        out.family("build_info", "The program", MetricType::Gauge, [(version, 1)])?;
        out.gauge(
            "uptime",
            "Time since the start",
            Some(&Unit::Seconds),
            self.uptime.as_secs_f64(),
        )?;
        if let Some(wire) = &self.wire {
            out.wire(wire)?;
        }
        self.view.as_ref().map_or(Ok(()), |view| out.view(view))
    }
}

/// One family after the other.
struct Out<'a>(DescriptorEncoder<'a>);

impl Out<'_> {
    fn gauge(&mut self, name: &str, help: &str, unit: Option<&Unit>, value: f64) -> fmt::Result {
        let gauge = ConstGauge::new(value);
        gauge.encode(self.0.encode_descriptor(name, help, unit, MetricType::Gauge)?)
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let counter = ConstCounter::new(value);
        counter.encode(self.0.encode_descriptor(name, help, None, MetricType::Counter)?)
    }

    /// Numbers by their labels.
    fn family<'l, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        values: impl IntoIterator<Item = ([(&'l str, &'l str); N], u64)>,
    ) -> fmt::Result {
        let is_counter = matches!(kind, MetricType::Counter);
        let mut family = self.0.encode_descriptor(name, help, None, kind)?;
        for (labels, value) in values {
            let labels = labels.as_slice();
            let metric = family.encode_family(&labels)?;
            if is_counter {
                ConstCounter::new(value).encode(metric)?;
            } else {
                ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)).encode(metric)?;
            }
        }
        Ok(())
    }

    fn wire(&mut self, wire: &Wire) -> fmt::Result {
        use MetricType::{Counter, Gauge};
        let of = |count: fn(&super::WireInterface) -> u64| {
            let name = |one: &super::WireInterface| Arc::clone(&one.name);
            wire.interfaces.iter().map(|one| (name(one), count(one))).collect::<Vec<_>>()
        };
        for (name, help, kind, count) in interface_families() {
            let values = of(count);
            let values = values.iter().map(|(name, count)| ([("interface", &**name)], *count));
            self.family(name, help, kind, values)?;
        }
        self.family(
            "interface_up",
            "Whether the interface can be captured on",
            Gauge,
            wire.interfaces.iter().map(|one| {
                let up = one.condition == "up" && one.fault.is_none();
                ([("interface", &*one.name)], u64::from(up))
            }),
        )?;
        self.family(
            "lost_packets",
            "Packets lost, by who lost them",
            Counter,
            wire.interfaces.iter().flat_map(|one| {
                let name: &str = &one.name;
                by_kind(&one.lost)
                    .into_iter()
                    .map(move |(kind, count)| ([("interface", name), ("by", kind)], count))
            }),
        )?;
        self.family(
            "refused",
            "What bounds on memory refused, by which",
            Counter,
            wire.interfaces.iter().flat_map(|one| {
                let name: &str = &one.name;
                let refused = one.refused.iter();
                refused.map(move |(by, count)| ([("interface", name), ("by", *by)], *count))
            }),
        )?;
        self.counter("connections", "TLS connections recorded", wire.connections)?;
        self.counter(
            "faults",
            "Handshakes and packets lost to a fault of the program",
            wire.faults,
        )?;
        self.family(
            "handshakes",
            "Handshakes, by the version that was negotiated",
            Counter,
            wire.versions.iter().map(|(version, count)| ([("version", *version)], *count)),
        )?;
        let latency = &wire.latency;
        let within = BUCKETS
            .map(|seconds| (seconds, latency.within(Duration::try_from_secs_f64(seconds).ok())));
        let help = "From the last byte of a ClientHello until the handshake is done";
        let kind = MetricType::Histogram;
        let unit = Unit::Seconds;
        // What the encoder wants is how many are in each bucket alone.
        let mut below = 0;
        let buckets = within.map(|(seconds, count)| {
            let alone = count - below;
            below = count;
            (seconds, alone)
        });
        self.0
            .encode_descriptor("handshake_duration", help, Some(&unit), kind)?
            .encode_histogram::<prometheus_client::encoding::NoLabelSet>(
            latency.sum().as_secs_f64(),
            latency.count(),
            &buckets,
            None,
        )?;
        let waiting = i64::try_from(wire.waiting_records).unwrap_or(i64::MAX);
        let help = "Records that wait for a disk that is full";
        let waiting = ConstGauge::new(waiting);
        waiting.encode(self.0.encode_descriptor("waiting_records", help, None, Gauge)?)?;
        let Some(census) = &wire.census else { return Ok(()) };
        if let Some(age) = census.saved_s {
            let help = "Time since the census was saved";
            self.gauge("census_age", help, Some(&Unit::Seconds), age)?;
        }
        let trouble = u64::from(census.trouble.is_some());
        self.family("census_trouble", "Whether it cannot be saved", Gauge, [([], trouble)])
    }

    fn view(&mut self, view: &View) -> fmt::Result {
        use MetricType::Gauge;
        let summary = &view.inventory.summary;
        let kinds: [(&str, Totals); 4] = [
            ("client_host", |totals| totals.client_hosts),
            ("client_stack", |totals| totals.client_stacks),
            ("server", |totals| totals.servers),
            ("external_server", |totals| totals.external_servers),
        ];
        let hosts = summary.policies.iter().flat_map(|totals| {
            kinds.iter().flat_map(move |(kind, counts)| {
                let counts = counts(totals);
                [
                    ("ready", counts.ready),
                    ("at_risk", counts.at_risk),
                    ("breaks", counts.breaks),
                    ("unknown", counts.unknown),
                ]
                .map(|(outcome, count)| {
                    let policy: &str = &totals.policy;
                    ([("policy", policy), ("kind", *kind), ("outcome", outcome)], count)
                })
            })
        });
        self.family("hosts", "Hosts, stacks and servers, by what becomes of them", Gauge, hosts)?;
        let findings = summary.policies.iter().flat_map(|totals| {
            let policy: &str = &totals.policy;
            let findings = totals.findings.iter();
            findings.map(move |(id, count)| ([("policy", policy), ("id", *id)], *count))
        });
        self.family("findings", "Stacks and servers that a finding speaks of", Gauge, findings)?;
        self.gauge(
            "refused_names",
            "Names of addresses for which there was no room: a bound on memory was reached",
            None,
            // A number that is shown: beyond four thousand million it may stand still.
            u32::try_from(view.inventory.coverage.connections.names_refused)
                .map_or_else(|_| f64::from(u32::MAX), f64::from),
        )?;
        let unlisted = &view.inventory.coverage.unlisted;
        let unlisted = [
            ("hosts", unlisted.hosts),
            ("stacks", unlisted.stacks),
            ("edges", unlisted.edges),
            ("evidence", unlisted.evidence),
        ];
        self.family(
            "unlisted_connections",
            "Connections counted, but not listed: a bound on memory was reached",
            Gauge,
            unlisted.map(|(level, count)| ([("level", level)], count)),
        )
    }
}
