//! The capture thread: sources → frames → packets → flows → batches of finished handshakes.

use std::cell::RefCell;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender};

use super::batch::{Batch, Job};
use super::stdin::Stdin;
use super::{Progress, Settings};
use crate::capture::file::FileSource;
use crate::capture::paths::Input;
use crate::capture::{CaptureStats, Error, Poll, Source};
use crate::clock::Timestamp;
use crate::flow::TableStats;
use crate::flow::datagram::{DatagramStats, DatagramTable};
use crate::flow::table::{Finished, FlowTable};
use crate::packet::{Decoder, Packet, PacketStats};
use crate::quic::conversation::DatagramConversation;
use crate::tls::Transport;
use crate::tls::conversation::Conversation;
use crate::tls::transcript::Transcript;

/// What was read of one input.
#[derive(Debug)]
pub struct SourceReport {
    /// Its name in records.
    pub name: Arc<str>,
    /// Whether it was read at all, and to its end.
    pub error: Option<Error>,
    /// The run was asked to stop before its end.
    pub stopped: bool,
    /// Time of the first and of the last packet.
    pub span: Option<(Timestamp, Timestamp)>,
    /// What was read.
    pub capture: CaptureStats,
    /// What became of the frames.
    pub packets: PacketStats,
    /// What became of the TCP flows.
    pub flows: TableStats,
    /// What became of the UDP flows.
    pub datagrams: DatagramStats,
    /// Connections of which only encrypted data was seen: joined after their handshake.
    pub joined_late: u64,
}

/// Read all inputs, one after the other, into batches.
pub(super) fn read_all(
    inputs: &[Input],
    settings: &Settings,
    empty: Receiver<Batch>,
    full: Sender<Batch>,
    progress: &Arc<Progress>,
) -> Vec<SourceReport> {
    let mut batcher = Batcher { empty, full, current: None, spares: Vec::new(), next_number: 0 };
    let mut before = (0_u64, 0_u64);
    let mut reports = Vec::with_capacity(inputs.len());
    for input in inputs {
        let report = read_one(input, settings, &mut batcher, progress, before);
        before.0 = before.0.saturating_add(input.size().unwrap_or(report.capture.read_bytes));
        before.1 = before.1.saturating_add(report.capture.frames);
        progress.set_read(before.0, before.1);
        let stopped = report.stopped;
        reports.push(report);
        if stopped {
            break;
        }
    }
    batcher.flush();
    reports
}

fn read_one(
    input: &Input,
    settings: &Settings,
    batcher: &mut Batcher,
    progress: &Arc<Progress>,
    before: (u64, u64),
) -> SourceReport {
    let name: Arc<str> = input.name().to_string_lossy().into();
    let mut report = SourceReport {
        name: Arc::clone(&name),
        error: None,
        stopped: false,
        span: None,
        capture: CaptureStats::default(),
        packets: PacketStats::default(),
        flows: TableStats::default(),
        datagrams: DatagramStats::default(),
        joined_late: 0,
    };
    let opened = match input {
        Input::Stdin => {
            let stdin = Stdin { progress: Arc::clone(progress) };
            FileSource::from_reader(input.name(), stdin, &settings.limits)
        }
        Input::File { path, .. } => FileSource::open(path, &settings.limits),
    };
    let mut source = match opened {
        Ok(source) => source,
        Err(error) => {
            report.error = Some(error);
            return report;
        }
    };
    let mut decoder = Decoder::new(&settings.limits);
    let mut flows = FlowTable::<Conversation>::new(&settings.limits);
    let mut span = None;
    let mut datagrams = DatagramTable::<DatagramConversation>::new(&settings.limits);
    let mut joined_late = 0_u64;
    let batcher = &RefCell::new(batcher);
    let mut finish = |finished: Finished<Conversation>| {
        let Finished { meta, consumer, .. } = finished;
        joined_late = joined_late.saturating_add(u64::from(consumer.is_encrypted_only()));
        if consumer.transcript().has_messages() {
            let transcript = consumer.into_transcript();
            let source = Arc::clone(&name);
            let transport = Transport::Tcp;
            batcher.borrow_mut().push(Job { source, transport, meta, transcript });
        }
    };
    let mut finish_datagrams = |finished: Finished<DatagramConversation>| {
        let Finished { meta, consumer, .. } = finished;
        let transport = consumer.transport();
        let transcript = consumer.into_transcript();
        if transcript.has_messages() {
            let source = Arc::clone(&name);
            batcher.borrow_mut().push(Job { source, transport, meta, transcript });
        }
    };
    loop {
        let polled = source.poll(&mut |frame| {
            let at = frame.timestamp;
            let (first, _) = span.unwrap_or((at, at));
            span = Some((first, at));
            // What cannot be decoded is counted by the decoder.
            let _ = decoder.decode(&frame, &mut |packet| match packet {
                Packet::Segment(segment) => flows.push(segment, at, &mut finish),
                Packet::Datagram(datagram) => {
                    datagrams.push(datagram, at, &mut finish_datagrams);
                }
            });
        });
        for transcript in batcher.borrow_mut().spares.drain(..) {
            flows.reuse(|limits| Conversation::with(limits, transcript));
        }
        let stats = source.stats();
        progress.set_read(
            before.0.saturating_add(stats.read_bytes),
            before.1.saturating_add(stats.frames),
        );
        match polled {
            Ok(Poll::End) => break,
            // Of a stream that is left in its middle nothing is wrong.
            Ok(_) | Err(_) if progress.is_stopping() => {
                report.stopped = true;
                break;
            }
            Ok(Poll::Frames(_) | Poll::Idle) => {}
            Err(error) => {
                report.error = Some(error);
                break;
            }
        }
    }
    decoder.finish();
    flows.finish_all(&mut finish);
    datagrams.finish_all(&mut finish_datagrams);
    report.span = span;
    report.capture = source.stats();
    report.packets = *decoder.stats();
    report.flows = *flows.stats();
    report.datagrams = *datagrams.stats();
    report.joined_late = joined_late;
    report
}

/// Fills batches and sends them on.
struct Batcher {
    empty: Receiver<Batch>,
    full: Sender<Batch>,
    current: Option<Batch>,
    /// Emptied transcripts, to be filled again.
    spares: Vec<Transcript>,
    next_number: u64,
}

impl Batcher {
    fn push(&mut self, job: Job) {
        if self.current.is_none() {
            // This waits while all batches are under way. It fails only when the writer is gone,
            // and with it every use of a record.
            self.current = self.empty.recv().ok();
            if let Some(batch) = &mut self.current {
                self.spares.append(&mut batch.spares);
            }
        }
        let Some(batch) = &mut self.current else { return };
        batch.push(job);
        if batch.is_full() {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if let Some(mut batch) = self.current.take() {
            batch.number = self.next_number;
            self.next_number = self.next_number.saturating_add(1);
            let _ = self.full.send(batch);
        }
    }
}
