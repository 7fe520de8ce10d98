//! A worker: finished handshakes → records, into the census and onto lines.

use std::sync::Arc;

use crossbeam_channel::Receiver;

use super::batch::{Batch, Job};
use super::faults::{Provoked, contain};
use super::judge::Judge;
use super::progress::{Progress, Recorded};
use super::writer::Writer;
use super::{Fact, Recorder, Settings};
use crate::census::Window;
use crate::flow::Side;
use crate::json;
use crate::packet::Layers;
use crate::quic;
use crate::record::community::{self, CommunityId};
use crate::record::{Evasion, FlowRecord, Peer, Seen, Sides};
use crate::sink::Sink;
use crate::tls::Transport;
use crate::tls::handshake::{self, Circumstances, HandshakeSummary};
use crate::tls::parse::HelloParser;
use crate::tls::starttls::{Begun, application};
use crate::x509::chain::{ChainReport, ChainStatus};
use crate::x509::{Certificate, CertificateCache, ChainCache};

/// Handshakes before the turn of another at which its bytes are asked for.
const AHEAD: usize = 2;

/// A name whose owners are all in this thread: who counts those of a shared one for every record has to
/// fetch the count from other cores each time.
fn own(name: &Arc<str>) -> Arc<str> {
    Arc::from(&**name)
}

/// What one worker thread has.
pub(super) struct Worker<'a> {
    settings: &'a Settings,
    sensor: Arc<str>,
    certificates: &'a CertificateCache,
    chains: &'a ChainCache,
    /// Where there is one to fill.
    census: Option<Recorder<'a>>,
    wants_lines: bool,
    progress: &'a Progress,
    parser: HelloParser,
    judge: Judge<'a>,
    unseen: Unseen,
    provoked: Provoked,
}

/// What is said of chains that were not there to look at.
struct Unseen {
    hidden: Arc<ChainReport>,
    resumed: Arc<ChainReport>,
    not_seen: Arc<ChainReport>,
}

impl Default for Unseen {
    fn default() -> Self {
        let said = |status| Arc::new(ChainReport::unseen(status));
        Self {
            hidden: said(ChainStatus::Hidden),
            resumed: said(ChainStatus::Resumed),
            not_seen: said(ChainStatus::NotSeen),
        }
    }
}

impl<'a> Worker<'a> {
    pub(super) fn new(
        settings: &'a Settings,
        certificates: &'a CertificateCache,
        chains: &'a ChainCache,
        census: Option<Recorder<'a>>,
        wants_lines: bool,
        progress: &'a Progress,
    ) -> Self {
        let parser = HelloParser::new(&settings.limits);
        let judge = Judge::new(&settings.policies, &settings.limits);
        Self {
            settings,
            sensor: own(&settings.sensor),
            certificates,
            chains,
            census,
            wants_lines,
            progress,
            parser,
            judge,
            unseen: Unseen::default(),
            provoked: Provoked::of("worker"),
        }
    }

    /// Work until there is no more.
    pub(super) fn run<S: Sink>(mut self, full: &Receiver<Batch>, writer: &Writer<'_, S>) {
        for mut batch in full {
            self.work_off(&mut batch);
            writer.take(batch);
        }
    }

    /// The lines of all handshakes of a batch, whose transcripts are free then.
    pub(super) fn work_off(&mut self, batch: &mut Batch) {
        let Batch { jobs, filled, sources, names, lines, .. } = batch;
        let jobs = jobs.get_mut(..*filled).unwrap_or_default();
        let mut recorded = Recorded::default();
        let mut numbered = jobs.iter().enumerate();
        for (name, count) in sources.drain(..) {
            let source = own(&name);
            for (n, job) in numbered.by_ref().take(count) {
                // They were gathered over a long time and are far away.
                if let Some(next) = jobs.get(n.saturating_add(AHEAD)) {
                    next.transcript.prefetch();
                }
                let before = lines.len();
                // A fault in one handshake must not cost the others.
                if contain(|| self.work(&source, job, lines, &mut recorded)).is_none() {
                    lines.truncate(before);
                    self.parser = HelloParser::new(&self.settings.limits);
                    self.judge = Judge::new(&self.settings.policies, &self.settings.limits);
                    self.progress.add_lost(&name);
                }
            }
        }
        for job in jobs {
            job.transcript.recycle();
        }
        let window = Window { since: self.settings.since, until: self.settings.until };
        for (source, heard) in names.drain(..) {
            let hour = heard.at.start_of_hour();
            let within = window.meets_hours(hour, hour);
            if let Some(census) = self.census.filter(|_| within) {
                census(Fact::Heard(&source, heard));
            }
        }
        self.progress.add(&recorded);
    }

    /// One handshake of a source, if it makes a record.
    fn work(&mut self, source: &Arc<str>, job: &Job, lines: &mut Vec<u8>, recorded: &mut Recorded) {
        self.provoked.step();
        let Some(record) = self.record(source, job) else {
            if self.settings.wants(job.meta.opened)
                && let Some(census) = self.census
            {
                census(Fact::Unreadable(source));
            }
            return;
        };
        if !self.settings.wants(record.ts) {
            return;
        }
        if let Some(census) = self.census {
            census(Fact::Record(&record));
        }
        if self.wants_lines {
            // Every map key of a record is text: this does not fail.
            if let Ok(judgement) = self.judge.judge(&record)
                && json::write(lines, &judgement.of(&record)).is_ok()
            {
                lines.push(b'\n');
            }
        }
        recorded.add(record.server_hello.as_ref().map(|hello| hello.version));
    }

    fn record(&mut self, source: &Arc<str>, job: &Job) -> Option<FlowRecord> {
        let Job { transport, carried, meta, transcript } = job;
        let limits = &self.settings.limits;
        let events = quic::conversation::events(*transport, transcript, limits);
        let [low, high] = meta.endpoints;
        let lower_port = if low.port <= high.port { Side::Low } else { Side::High };
        let circumstances = Circumstances {
            transport: *transport,
            initiator: meta.initiator,
            lower_port,
            closed: meta.reset || meta.fin.contains(&true),
        };
        let certificates = self.certificates;
        let summary =
            handshake::read(&events, circumstances, &mut self.parser, limits, &mut |der| {
                certificates.get(der)
            })?;
        let client = summary.client;
        let server = client.other();
        let peer = |side: Side| {
            let end = side.of(&meta.endpoints);
            let sent = side.of(&meta.layers).and_then(|layers| layers.source_mac);
            // An end that was not heard is still named by the frames that were sent to it.
            let heard = side.other().of(&meta.layers).and_then(|layers| layers.target_mac);
            Peer { ip: end.address, port: end.port, mac: sent.or(heard) }
        };
        let layers: Layers =
            client.of(&meta.layers).or(*server.of(&meta.layers)).unwrap_or_default();
        let chain = self.chain(&summary);
        let begun = transcript.opened().map_or(summary.begun, |opened| opened.min(summary.begun));
        let offered = summary.client_hello.as_ref().map_or(&[][..], |hello| &hello.offer.alpn);
        let answer = summary.server_hello.as_ref();
        let negotiated = answer.and_then(|hello| hello.alpn.as_deref());
        // A server that answers in the clear and names no protocol has negotiated none.
        let named = answer.is_none_or(|hello| hello.version.is_tls13() || hello.retry_only);
        let offered = if named { offered } else { &[] };
        let is_alert = |letter: char| matches!(letter, 'L' | 'l');
        let tls = match &summary.client_hello {
            Some(_) => Begun::WithHello,
            None if summary.history.chars().all(is_alert) => Begun::Not,
            None => Begun::Somehow,
        };
        let mut application = application(transcript.preamble(), client, offered, negotiated, tls);
        if let Some(carried) = carried {
            application.name = Some(carried.method.name());
        }
        let community_id = match (carried, transport) {
            (None, Transport::Tcp) => Some(CommunityId::of(low, high, community::TCP)),
            (None, Transport::Udp | Transport::Quic) => {
                Some(CommunityId::of(low, high, community::UDP))
            }
            // A log-in over a wire has no addresses; that in RADIUS has those of its datagrams.
            (Some(carried), _) => {
                carried.datagrams.map(|[one, other]| CommunityId::of(one, other, community::UDP))
            }
        };
        let (client_bytes, server_bytes) = (*client.of(&meta.bytes), *server.of(&meta.bytes));
        let [low_gaps, high_gaps] = meta.gaps;
        let mut signs = [client, server].map(|side| *side.of(&meta.signs));
        for (signs, contradicted) in signs.iter_mut().zip(summary.contradicted) {
            signs.fragments |= contradicted;
        }
        let [of_client, of_server] = signs;
        Some(FlowRecord {
            ts: begun,
            sensor: Arc::clone(&self.sensor),
            source: Arc::clone(source),
            community_id,
            transport: *transport,
            application: application.name,
            starttls: application.starttls,
            vlan: layers.vlans().to_vec(),
            tunnel: layers.tunnels().collect(),
            client: peer(client),
            server: peer(server),
            target: application.target,
            certificates: summary.certificates,
            chain_cut: summary.chain_cut,
            client_certificates: summary.client_certificates,
            certificate_requested: summary.certificate_requested,
            chain,
            alerts: summary.alerts,
            resumed: summary.resumed,
            outcome: summary.outcome,
            handshake_time: summary.took,
            history: summary.history,
            seen: Seen {
                client_bytes,
                server_bytes,
                gaps: low_gaps.saturating_add(high_gaps),
                // An end that only answers a SYN, acknowledges, or resets, was seen too.
                sides: match [client, server]
                    .map(|side| side.of(&meta.layers).is_some() || *side.of(&meta.syn))
                {
                    [_, false] => Sides::Client,
                    [false, true] => Sides::Server,
                    [true, true] => Sides::Both,
                },
                truncated: summary.truncated || transcript.is_refused(),
            },
            evasion: Evasion { client: of_client, server: of_server },
            client_hello: summary.client_hello,
            server_hello: summary.server_hello,
        })
    }

    /// What the server's chain is worth, or why there is none.
    fn chain(&self, summary: &HandshakeSummary<Arc<Certificate>>) -> Arc<ChainReport> {
        let tls13 = summary.server_hello.as_ref().is_some_and(|hello| hello.version.is_tls13());
        if !summary.certificates.is_empty() {
            let report = self.chains.verify(&summary.certificates, summary.begun);
            match report.of_a_part() {
                Some(unseen) if summary.chain_cut => Arc::new(unseen),
                _ => report,
            }
        } else if tls13 && !summary.resumed {
            Arc::clone(&self.unseen.hidden)
        } else if summary.resumed {
            Arc::clone(&self.unseen.resumed)
        } else {
            Arc::clone(&self.unseen.not_seen)
        }
    }
}
