//! [`Follower`]: what a capture thread does with a frame, whatever source it comes from.

use std::sync::Arc;

use super::batch::{Batcher, Job};
use super::faults::{Provoked, contain};
use crate::capture::Frame;
use crate::clock::Timestamp;
use crate::flow::TableStats;
use crate::flow::datagram::{DatagramStats, DatagramTable};
use crate::flow::table::{Finished, FlowTable};
use crate::limits::Limits;
use crate::naming::NameReader;
use crate::packet::{Decoder, Packet, PacketStats};
use crate::quic::conversation::DatagramConversation;
use crate::tls::Transport;
use crate::tls::conversation::Conversation;
use crate::tls::starttls::login::{FinishedLogin, LoginStats, LoginTable};

/// Frames → packets → flows → finished handshakes, of one source.
pub(super) struct Follower {
    name: Arc<str>,
    decoder: Decoder,
    flows: FlowTable<Conversation>,
    datagrams: DatagramTable<DatagramConversation>,
    logins: LoginTable,
    names: NameReader,
    span: Option<(Timestamp, Timestamp)>,
    joined_late: u64,
    /// Packets that a fault of this program lost.
    faults: u64,
    provoked: Provoked,
}

/// What a follower has counted so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Followed {
    /// Time of the first and of the last packet.
    pub(super) span: Option<(Timestamp, Timestamp)>,
    pub(super) packets: PacketStats,
    pub(super) flows: TableStats,
    pub(super) datagrams: DatagramStats,
    pub(super) logins: LoginStats,
    /// Connections of which only encrypted data was seen.
    pub(super) joined_late: u64,
    /// Packets that a fault of this program lost.
    pub(super) faults: u64,
}

impl Follower {
    /// For the source of that name in records.
    pub(super) fn new(name: Arc<str>, limits: &Limits) -> Self {
        Self {
            name,
            decoder: Decoder::new(limits),
            flows: FlowTable::new(limits),
            datagrams: DatagramTable::new(limits),
            logins: LoginTable::new(limits),
            names: NameReader::new(limits),
            span: None,
            joined_late: 0,
            faults: 0,
            provoked: Provoked::of("packet"),
        }
    }

    /// One frame. A fault in it costs this frame, not the others.
    pub(super) fn take(&mut self, frame: &Frame<'_>, batcher: &mut Batcher) {
        if contain(|| self.follow(frame, batcher)).is_none() {
            self.faults = self.faults.saturating_add(1);
        }
    }

    fn follow(&mut self, frame: &Frame<'_>, batcher: &mut Batcher) {
        self.provoked.step();
        let at = frame.timestamp;
        let (first, _) = self.span.unwrap_or((at, at));
        self.span = Some((first, at));
        let Self { name, decoder, flows, datagrams, logins, names, joined_late, .. } = self;
        // What cannot be decoded is counted by the decoder.
        let _ = decoder.decode(frame, &mut |packet| match packet {
            Packet::Segment(segment) => {
                flows.push(segment, at, &mut |over| stream(over, name, joined_late, batcher));
                if let Some(transcript) = batcher.spare() {
                    flows.reuse(|limits| Conversation::with(limits, transcript));
                }
            }
            Packet::Datagram(datagram) => {
                names.read(datagram, &mut |said| batcher.name(name, said));
                if !logins.push_radius(datagram, at, &mut |over| login(over, name, batcher)) {
                    datagrams.push(datagram, at, &mut |over| exchange(over, name, batcher));
                }
            }
            Packet::Eapol(frame) => {
                logins.push_eapol(frame, at, &mut |over| login(over, name, batcher));
            }
        });
    }

    /// Time has passed: what has been silent for too long is over.
    #[cfg(feature = "live")]
    pub(super) fn tick(&mut self, at: Timestamp, batcher: &mut Batcher) {
        let Self { name, flows, datagrams, logins, joined_late, .. } = self;
        flows.tick(at, &mut |over| stream(over, name, joined_late, batcher));
        datagrams.tick(at, &mut |over| exchange(over, name, batcher));
        logins.tick(at, &mut |over| login(over, name, batcher));
    }

    /// Handshakes that are being watched: begun and not over, or not known yet to be none.
    #[cfg(feature = "live")]
    pub(super) fn open(&self) -> u64 {
        self.flows.watched().saturating_add(self.datagrams.watched()) as u64
    }

    /// There is no more: everything is over. What ends one by a fault is out of its table by then.
    pub(super) fn finish(&mut self, batcher: &mut Batcher) {
        let others = self.datagrams.len().saturating_add(self.logins.len());
        let most = self.flows.len().saturating_add(others);
        for _ in 0..=most {
            if contain(|| self.finish_all(batcher)).is_some() {
                return;
            }
            self.faults = self.faults.saturating_add(1);
        }
    }

    fn finish_all(&mut self, batcher: &mut Batcher) {
        let Self { name, decoder, flows, datagrams, logins, joined_late, .. } = self;
        decoder.finish();
        flows.finish_all(&mut |over| stream(over, name, joined_late, batcher));
        datagrams.finish_all(&mut |over| exchange(over, name, batcher));
        logins.finish_all(&mut |over| login(over, name, batcher));
    }

    /// What it has counted so far.
    pub(super) fn followed(&self) -> Followed {
        Followed {
            span: self.span,
            packets: *self.decoder.stats(),
            flows: *self.flows.stats(),
            datagrams: *self.datagrams.stats(),
            logins: *self.logins.stats(),
            joined_late: self.joined_late,
            faults: self.faults,
        }
    }
}

/// A stream is over.
fn stream(
    finished: Finished<Conversation>,
    name: &Arc<str>,
    joined_late: &mut u64,
    batcher: &mut Batcher,
) {
    let Finished { meta, consumer, .. } = finished;
    *joined_late = joined_late.saturating_add(u64::from(consumer.is_encrypted_only()));
    if consumer.transcript().has_messages() {
        let transcript = consumer.into_transcript();
        let source = Arc::clone(name);
        batcher.push(Job { source, transport: Transport::Tcp, carried: None, meta, transcript });
    }
}

/// An exchange of datagrams is over.
fn exchange(finished: Finished<DatagramConversation>, name: &Arc<str>, batcher: &mut Batcher) {
    let Finished { meta, consumer, .. } = finished;
    let transport = consumer.transport();
    let transcript = consumer.into_transcript();
    if transcript.has_messages() {
        let source = Arc::clone(name);
        batcher.push(Job { source, transport, carried: None, meta, transcript });
    }
}

/// A log-in to a network is over.
fn login(finished: FinishedLogin, name: &Arc<str>, batcher: &mut Batcher) {
    let FinishedLogin { meta, carried, transcript } = finished;
    if transcript.has_messages() {
        let source = Arc::clone(name);
        let carried = Some(carried);
        batcher.push(Job { source, transport: Transport::Tcp, carried, meta, transcript });
    }
}
