//! [`Follower`]: what a capture thread does with a frame, whatever source it comes from.

use std::hint::black_box;
use std::slice;
use std::sync::Arc;

use super::batch::{Batcher, Job};
use super::faults::{Provoked, contain};
use crate::capture::Frame;
use crate::capture::file::BATCH;
use crate::clock::Timestamp;
use crate::flow::TableStats;
use crate::flow::datagram::{DatagramStats, DatagramTable};
use crate::flow::table::{Finished, FlowTable, Place};
use crate::limits::Limits;
use crate::naming::NameReader;
use crate::packet::{Decoder, Packet, PacketStats, Segment};
use crate::quic::conversation::DatagramConversation;
use crate::tls::Transport;
use crate::tls::conversation::Conversation;
use crate::tls::starttls::login::{FinishedLogin, LoginStats, LoginTable};

/// Frames → packets → flows → finished handshakes, of one source.
pub(super) struct Follower {
    decoder: Decoder,
    tables: Tables,
    span: Option<(Timestamp, Timestamp)>,
    /// Packets that a fault of this program lost.
    faults: u64,
    provoked: Provoked,
}

/// What goes on at the moment.
struct Tables {
    /// The source's name in records.
    name: Arc<str>,
    flows: FlowTable<Conversation>,
    datagrams: DatagramTable<DatagramConversation>,
    logins: LoginTable,
    names: NameReader,
    joined_late: u64,
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
        let tables = Tables {
            name,
            flows: FlowTable::new(limits),
            datagrams: DatagramTable::new(limits),
            logins: LoginTable::new(limits),
            names: NameReader::new(limits),
            joined_late: 0,
        };
        Self {
            decoder: Decoder::new(limits),
            tables,
            span: None,
            faults: 0,
            provoked: Provoked::of("packet"),
        }
    }

    /// One frame.
    pub(super) fn take(&mut self, frame: &Frame<'_>, batcher: &mut Batcher) {
        self.take_all(slice::from_ref(frame), batcher);
    }

    /// Frames, in order. A fault in one costs this frame, not the others.
    ///
    /// Where their flows are is looked up for a batch of them before the first is taken, and what
    /// they hold is read: it lies anywhere in much memory, which is so waited for only once.
    pub(super) fn take_all(&mut self, frames: &[Frame<'_>], batcher: &mut Batcher) {
        for frames in frames.chunks(BATCH) {
            let mut packets = [None; BATCH];
            let mut places = [None; BATCH];
            if contain(|| self.look_ahead(frames, &mut packets, &mut places)).is_none() {
                // Whichever frame it was, its fault comes again, and is counted, in its turn.
                (packets, places) = ([None; BATCH], [None; BATCH]);
            }
            for ((frame, packet), place) in frames.iter().zip(&packets).zip(&places) {
                if contain(|| self.follow(frame, packet.as_ref(), place.as_ref(), batcher))
                    .is_none()
                {
                    self.faults = self.faults.saturating_add(1);
                }
            }
        }
    }

    /// Decode the usual frames and fetch what their packets will need.
    fn look_ahead<'a>(
        &mut self,
        frames: &[Frame<'a>],
        packets: &mut [Option<Packet<'a>>; BATCH],
        places: &mut [Option<Place>; BATCH],
    ) {
        for ((frame, packet), place) in frames.iter().zip(packets).zip(&mut *places) {
            self.decoder.decode_usual(frame, packet);
            if let Some(Packet::Segment(segment)) = packet {
                *place = Some(self.tables.flows.place(segment));
            }
        }
        for place in places.iter_mut().flatten() {
            self.tables.flows.find(place);
        }
        let fetched = places.iter().flatten().map(|place| self.tables.flows.fetch(place));
        black_box(fetched.fold(0, usize::wrapping_add));
        black_box(self.tables.flows.fetch_hand(frames.len()));
    }

    #[inline]
    fn follow(
        &mut self,
        frame: &Frame<'_>,
        packet: Option<&Packet<'_>>,
        place: Option<&Place>,
        batcher: &mut Batcher,
    ) {
        self.provoked.step();
        let at = frame.timestamp;
        let (first, _) = self.span.unwrap_or((at, at));
        self.span = Some((first, at));
        match (packet, place) {
            (Some(Packet::Segment(segment)), Some(place)) => {
                self.tables.segment(segment, place, at, batcher);
            }
            (Some(packet), _) => self.tables.packet(packet, at, batcher),
            (None, _) => self.unusual(frame, batcher),
        }
    }

    /// A frame that has to be taken apart header by header.
    #[cold]
    fn unusual(&mut self, frame: &Frame<'_>, batcher: &mut Batcher) {
        // What cannot be decoded is counted by the decoder.
        let _ = self.decoder.decode_unusual(frame, &mut |packet| {
            self.tables.packet(packet, frame.timestamp, batcher);
        });
    }

    /// Time has passed: what has been silent for too long is over.
    #[cfg(feature = "live")]
    pub(super) fn tick(&mut self, at: Timestamp, batcher: &mut Batcher) {
        let Tables { name, flows, datagrams, logins, joined_late, .. } = &mut self.tables;
        flows.tick(at, &mut |over| stream(over, name, joined_late, batcher));
        datagrams.tick(at, &mut |over| exchange(over, name, batcher));
        logins.tick(at, &mut |over| login(over, name, batcher));
    }

    /// Handshakes that are being watched: begun and not over, or not known yet to be none.
    #[cfg(feature = "live")]
    pub(super) fn open(&self) -> u64 {
        self.tables.flows.watched().saturating_add(self.tables.datagrams.watched()) as u64
    }

    /// There is no more: everything is over. What ends one by a fault is out of its table by then.
    pub(super) fn finish(&mut self, batcher: &mut Batcher) {
        let others = self.tables.datagrams.len().saturating_add(self.tables.logins.len());
        let most = self.tables.flows.len().saturating_add(others);
        for _ in 0..=most {
            if contain(|| self.finish_all(batcher)).is_some() {
                return;
            }
            self.faults = self.faults.saturating_add(1);
        }
    }

    fn finish_all(&mut self, batcher: &mut Batcher) {
        self.decoder.finish();
        let Tables { name, flows, datagrams, logins, joined_late, .. } = &mut self.tables;
        flows.finish_all(&mut |over| stream(over, name, joined_late, batcher));
        datagrams.finish_all(&mut |over| exchange(over, name, batcher));
        logins.finish_all(&mut |over| login(over, name, batcher));
    }

    /// What it has counted so far.
    pub(super) fn followed(&self) -> Followed {
        Followed {
            span: self.span,
            packets: *self.decoder.stats(),
            flows: *self.tables.flows.stats(),
            datagrams: *self.tables.datagrams.stats(),
            logins: *self.tables.logins.stats(),
            joined_late: self.tables.joined_late,
            faults: self.faults,
        }
    }
}

impl Tables {
    fn packet(&mut self, packet: &Packet<'_>, at: Timestamp, batcher: &mut Batcher) {
        let Self { name, datagrams, logins, names, .. } = self;
        match packet {
            Packet::Segment(segment) => {
                let mut place = self.flows.place(segment);
                self.flows.find(&mut place);
                self.segment(segment, &place, at, batcher);
            }
            Packet::Datagram(datagram) => {
                names.read(datagram, at, &mut |heard| batcher.name(name, heard));
                if !logins.push_radius(datagram, at, &mut |over| login(over, name, batcher)) {
                    datagrams.push(datagram, at, &mut |over| exchange(over, name, batcher));
                }
            }
            Packet::Eapol(frame) => {
                logins.push_eapol(frame, at, &mut |over| login(over, name, batcher));
            }
        }
    }

    fn segment(
        &mut self,
        segment: &Segment<'_>,
        place: &Place,
        at: Timestamp,
        batcher: &mut Batcher,
    ) {
        let Self { name, flows, joined_late, .. } = self;
        flows.push_at(segment, place, at, &mut |over| stream(over, name, joined_late, batcher));
        if let Some(transcript) = batcher.spare() {
            flows.reuse(|limits| Conversation::with(limits, transcript));
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
