//! [`Follower`]: what a capture thread does with a frame, whatever source it comes from.

use std::slice;
use std::sync::Arc;

use super::batch::{Batcher, Job};
use super::carry::Names;
use super::counted::Counted;
use super::faults::{Provoked, contain};
use crate::capture::file::BATCH;
use crate::capture::{CaptureStats, Frame, LinkType};
use crate::census::Notes;
use crate::clock::Timestamp;
use crate::flow::datagram::DatagramTable;
use crate::flow::table::FlowTable;
use crate::flow::{Finished, FlowEnd, Over, Place};
use crate::limits::Limits;
use crate::naming::NameReader;
use crate::packet::{Decoder, Packet, Segment};
use crate::quic::conversation::DatagramConversation;
use crate::tls::Transport;
use crate::tls::conversation::Conversation;
use crate::tls::starttls::login::{FinishedLogin, LoginTable};
use crate::tls::starttls::radius;

/// Packets before the turn of others at which their payload is asked for, and the memory where it will be
/// kept; so many of them at once.
const NEAR: usize = 8;

/// Frames → packets → flows → finished handshakes, of one source.
pub(super) struct Follower {
    decoder: Decoder,
    tables: Tables,
    span: Option<(Timestamp, Timestamp)>,
    #[cfg(feature = "live")]
    now: Option<Timestamp>,
    /// Packets that a fault of this program lost.
    faults: u64,
    provoked: Provoked,
}

/// What goes on at the moment.
struct Tables {
    /// The source's name in records.
    sources: Names,
    flows: FlowTable<Conversation>,
    datagrams: DatagramTable<DatagramConversation>,
    logins: LoginTable,
    names: NameReader,
    joined_late: u64,
    searched: Searched,
}

/// What came of looking for TLS.
#[derive(Default)]
struct Searched {
    /// Flows in which it was not found within the bounds.
    in_vain: u64,
    /// Connections of which not all that was said before it was kept.
    cut: u64,
}

/// What is known of a frame before its turn.
#[derive(Clone, Copy, Default)]
struct Ahead<'a> {
    /// What is in it, if there is a place.
    segment: Segment<'a>,
    /// Where that belongs.
    place: Option<Place>,
}

/// Which of the next packets are of flows for which more is asked for.
///
/// That is as good as chance, so that it is noted without a branch, and gone through later.
#[derive(Default)]
struct Wanted {
    packets: [u8; BATCH],
    count: usize,
    /// How many of them were asked for altogether.
    asked: usize,
}

impl Wanted {
    /// Note a packet, if it is one.
    #[inline]
    fn note(&mut self, packet: u8, is_wanted: bool) {
        if let Some(place) = self.packets.get_mut(self.count) {
            *place = packet;
            self.count = self.count.saturating_add(usize::from(is_wanted));
        }
    }

    fn packets(&self) -> impl Iterator<Item = usize> {
        self.packets.iter().take(self.count).map(|packet| usize::from(*packet))
    }

    /// The next one before this packet that was not asked for yet.
    #[inline]
    fn next_before(&mut self, end: usize) -> Option<usize> {
        let next = self.packets.get(self.asked).map(|packet| usize::from(*packet))?;
        let is_next = self.asked < self.count && next < end;
        self.asked = self.asked.saturating_add(usize::from(is_next));
        is_next.then_some(next)
    }
}

impl Follower {
    /// For the source of that name in records.
    pub(super) fn new(name: Arc<str>, limits: &Limits) -> Self {
        let tables = Tables {
            sources: Names::new(name),
            flows: FlowTable::new(limits),
            datagrams: DatagramTable::new(limits),
            logins: LoginTable::new(limits),
            names: NameReader::new(limits),
            joined_late: 0,
            searched: Searched::default(),
        };
        Self {
            decoder: Decoder::new(limits),
            tables,
            span: None,
            #[cfg(feature = "live")]
            now: None,
            faults: 0,
            provoked: Provoked::of("packet"),
        }
    }

    /// Go on with another source of that name, in which the one before goes on. What was counted was
    /// that one's.
    pub(super) fn go_on(&mut self, name: Arc<str>) {
        self.span = None;
        self.faults = 0;
        self.decoder.take_stats();
        let Tables { sources, flows, datagrams, logins, names, joined_late, searched } =
            &mut self.tables;
        sources.next(name);
        flows.take_stats();
        datagrams.take_stats();
        logins.take_stats();
        *joined_late = 0;
        *searched = Searched::default();
        names.take_unanswered();
    }

    /// Time of the first packet, of whichever source, and of the latest one.
    pub(super) fn whole_span(&self) -> Option<(Timestamp, Timestamp)> {
        Some((self.tables.sources.begun()?, self.span?.1))
    }

    /// Whether nothing is followed that could go on.
    pub(super) fn is_idle(&self) -> bool {
        let Tables { flows, datagrams, logins, .. } = &self.tables;
        flows.is_empty() && datagrams.is_empty() && !logins.is_under_way()
    }

    /// Whether a packet belongs to something that is followed.
    pub(super) fn knows(&self, packet: &Packet<'_>) -> bool {
        let Tables { flows, datagrams, logins, .. } = &self.tables;
        match packet {
            Packet::Segment(segment) => flows.knows(segment),
            Packet::Datagram(datagram) => {
                datagrams.knows(datagram)
                    || logins.is_under_way()
                        && radius::parse(datagram.payload, datagram.cut).is_some()
            }
            Packet::Eapol(_) => logins.is_under_way(),
        }
    }

    /// One frame. A fault costs no more than it.
    pub(super) fn take(&mut self, frame: &Frame<'_>, batcher: &mut Batcher<'_>) {
        self.see(slice::from_ref(frame));
        let mut ahead = Ahead::default();
        let taken = contain(|| {
            self.look_at(frame, &mut ahead);
            if let Some(place) = &mut ahead.place {
                self.tables.flows.look_up(place);
            }
            self.follow(frame, &ahead, batcher);
        });
        if taken.is_none() {
            self.faults = self.faults.saturating_add(1);
        }
    }

    /// Frames, in order. A fault in one costs this frame, not the others.
    ///
    /// Where their flows are is looked up for a batch of them before the first is taken, and what
    /// they hold is read: it lies anywhere in much memory, which is so waited for only once.
    pub(super) fn take_all(&mut self, frames: &[Frame<'_>], batcher: &mut Batcher<'_>) {
        for frames in frames.chunks(BATCH) {
            self.see(frames);
            let mut ahead = [Ahead::default(); BATCH];
            let mut wanted = Wanted::default();
            if contain(|| self.look_ahead(frames, &mut ahead, &mut wanted)).is_none() {
                // Whichever frame it was, its fault comes again, and is counted, in its turn.
                ahead = [Ahead::default(); BATCH];
            }
            let mut turn = 0;
            while contain(|| self.follow_from(&mut turn, frames, &ahead, &mut wanted, batcher))
                .is_none()
            {
                self.faults = self.faults.saturating_add(1);
            }
        }
    }

    /// Some frames whose turn it is. They need not be in order of time, so that each is looked at.
    #[inline]
    fn see(&mut self, frames: &[Frame<'_>]) {
        let [first, ..] = frames else { return };
        self.tables.sources.see(first.timestamp);
        #[cfg(feature = "live")]
        {
            self.now = frames.last().map(|last| last.timestamp);
        }
        let span = self.span.unwrap_or((first.timestamp, first.timestamp));
        self.span = Some(frames.iter().fold(span, |(begin, end), frame| {
            (begin.min(frame.timestamp), end.max(frame.timestamp))
        }));
    }

    /// Decode the usual frames and fetch what their packets will need.
    fn look_ahead<'a>(
        &mut self,
        frames: &[Frame<'a>],
        ahead: &mut [Ahead<'a>; BATCH],
        wanted: &mut Wanted,
    ) {
        for (frame, ahead) in frames.iter().zip(&mut *ahead) {
            self.look_at(frame, ahead);
            if let Some(place) = &ahead.place {
                self.tables.flows.prefetch_index(place);
            }
        }
        let flows = &self.tables.flows;
        flows.prefetch_hand(frames.len());
        for place in ahead.iter_mut().filter_map(|ahead| ahead.place.as_mut()) {
            flows.find(place);
        }
        for (packet, ahead) in (0..).zip(&mut *ahead) {
            if let Some(place) = &mut ahead.place {
                wanted.note(packet, flows.is_wanted(place));
            }
        }
        for packet in wanted.packets() {
            if let Some(Ahead { place: Some(place), .. }) = ahead.get(packet) {
                flows.prefetch(place);
            }
        }
        self.ask_before(NEAR, ahead, wanted);
    }

    /// Ask for what will be read of the packets before this one.
    #[inline]
    fn ask_before(&self, end: usize, ahead: &[Ahead<'_>; BATCH], wanted: &mut Wanted) {
        while let Some(packet) = wanted.next_before(end) {
            if let Some(Ahead { place: Some(place), segment }) = ahead.get(packet) {
                self.tables.flows.prefetch_end(segment, place);
            }
        }
    }

    /// Decode a frame if it is of the usual kind.
    #[inline]
    fn look_at<'a>(&mut self, frame: &Frame<'a>, Ahead { segment, place }: &mut Ahead<'a>) {
        if self.decoder.decode_usual(frame, segment) {
            *place = Some(self.tables.flows.place(segment));
        }
    }

    /// Take the frames from the one on whose turn it is.
    fn follow_from(
        &mut self,
        turn: &mut usize,
        frames: &[Frame<'_>],
        ahead: &[Ahead<'_>; BATCH],
        wanted: &mut Wanted,
        batcher: &mut Batcher<'_>,
    ) {
        while let (Some(frame), Some(now)) = (frames.get(*turn), ahead.get(*turn)) {
            if turn.is_multiple_of(NEAR) {
                self.ask_before(turn.saturating_add(2 * NEAR), ahead, wanted);
            }
            // Its turn is over then, even if a fault ends it.
            *turn = turn.saturating_add(1);
            self.follow(frame, now, batcher);
        }
    }

    #[inline]
    fn follow(&mut self, frame: &Frame<'_>, ahead: &Ahead<'_>, batcher: &mut Batcher<'_>) {
        self.provoked.step();
        if let Ahead { segment, place: Some(place) } = ahead {
            self.tables.segment(segment, place, frame.timestamp, batcher);
        } else {
            self.decode(frame, batcher);
        }
    }

    /// A frame that holds no segment of the usual kind.
    #[inline(never)]
    fn decode(&mut self, frame: &Frame<'_>, batcher: &mut Batcher<'_>) {
        // What cannot be decoded is counted by the decoder.
        let _ = self.decoder.decode(frame, &mut |packet| {
            self.tables.packet(packet, frame.timestamp, batcher);
        });
    }

    /// The clock was put forward, or back, by so many seconds.
    #[cfg(feature = "live")]
    #[cold]
    pub(super) fn shift(&mut self, by: i64) {
        self.tables.flows.shift(by);
        self.tables.datagrams.shift(by);
    }

    /// Time has passed: what has been silent for too long is over.
    #[cfg(feature = "live")]
    pub(super) fn tick(&mut self, at: Timestamp, batcher: &mut Batcher<'_>) {
        let Tables { sources, flows, datagrams, logins, joined_late, searched, .. } =
            &mut self.tables;
        flows.tick(at, &mut |over| stream(over, sources, joined_late, searched, batcher));
        datagrams.tick(at, &mut |over| exchange(over, sources, batcher));
        logins.tick(at, &mut |over| login(over, sources, batcher));
    }

    /// Segments of flows of which nothing more was wanted, and how often something was after all.
    #[cfg(feature = "live")]
    #[inline]
    pub(super) fn shunted(&self) -> (u64, u64) {
        let stats = self.tables.flows.stats();
        (stats.shunted_segments, stats.reopened)
    }

    /// Time of the last packet: of a clock that was put back it is not the latest.
    #[cfg(feature = "live")]
    pub(super) const fn now(&self) -> Option<Timestamp> {
        self.now
    }

    /// Handshakes that are being watched: begun and not over, or not known yet to be none.
    pub(super) fn open(&self) -> u64 {
        self.tables.flows.watched().saturating_add(self.tables.datagrams.watched()) as u64
    }

    /// There is no more: everything is over. What ends one by a fault is out of its table by then.
    pub(super) fn finish(&mut self, batcher: &mut Batcher<'_>) {
        let others = self.tables.datagrams.len().saturating_add(self.tables.logins.len());
        let most = self.tables.flows.len().saturating_add(others);
        for _ in 0..=most {
            if contain(|| self.finish_all(batcher)).is_some() {
                return;
            }
            self.faults = self.faults.saturating_add(1);
        }
    }

    fn finish_all(&mut self, batcher: &mut Batcher<'_>) {
        self.decoder.finish();
        let Tables { sources, flows, datagrams, logins, joined_late, searched, .. } =
            &mut self.tables;
        flows.finish_all(&mut |over| stream(over, sources, joined_late, searched, batcher));
        datagrams.finish_all(&mut |over| exchange(over, sources, batcher));
        logins.finish_all(&mut |over| login(over, sources, batcher));
    }

    /// The link type of the first packet of which that cannot be decoded.
    pub(super) const fn unknown_link(&self) -> Option<LinkType> {
        self.decoder.unknown_link()
    }

    /// Packets that faults of this program lost so far.
    pub(super) const fn faults(&self) -> u64 {
        self.faults
    }

    /// What was counted so far, with this of the source.
    pub(super) fn counted(&self, capture: CaptureStats) -> Counted {
        let Tables { flows, datagrams, logins, names, joined_late, searched, .. } = &self.tables;
        let (flows, datagrams, logins) = (*flows.stats(), *datagrams.stats(), *logins.stats());
        let notes = Notes {
            cleartexts_lost: flows.cleartexts_lost,
            preambles_cut: searched.cut,
            searched_in_vain: searched.in_vain,
            guessed_starts: flows.guessed_starts,
            names_unanswered: names.unanswered(),
            flows_in_two_vlans: flows.joined.saturating_add(datagrams.joined),
            copied_datagrams: datagrams.copies.saturating_add(logins.copies),
        };
        Counted {
            span: self.span,
            capture,
            packets: *self.decoder.stats(),
            flows,
            datagrams,
            logins,
            joined_late: *joined_late,
            notes,
        }
    }
}

impl Tables {
    fn packet(&mut self, packet: &Packet<'_>, at: Timestamp, batcher: &mut Batcher<'_>) {
        let Self { sources, datagrams, logins, names, .. } = self;
        match packet {
            Packet::Segment(segment) => {
                let mut place = self.flows.place(segment);
                self.flows.look_up(&mut place);
                self.segment(segment, &place, at, batcher);
            }
            Packet::Datagram(datagram) => {
                names.read(datagram, at, &mut |heard| batcher.name(sources.current(), heard));
                if !logins.push_radius(datagram, at, &mut |over| login(over, sources, batcher)) {
                    datagrams.push(datagram, at, &mut |over| exchange(over, sources, batcher));
                }
            }
            Packet::Eapol(frame) => {
                logins.push_eapol(frame, at, &mut |over| login(over, sources, batcher));
            }
        }
    }

    #[allow(clippy::inline_always, reason = "called for most packets at one place")]
    #[inline(always)]
    fn segment(
        &mut self,
        segment: &Segment<'_>,
        place: &Place,
        at: Timestamp,
        batcher: &mut Batcher<'_>,
    ) {
        let Self { sources, flows, joined_late, searched, .. } = self;
        flows.push_at(segment, place, at, &mut |over| {
            stream(over, sources, joined_late, searched, batcher);
        });
    }
}

/// A stream is over.
fn stream(
    over: Over<'_, Conversation>,
    sources: &Names,
    joined_late: &mut u64,
    searched: &mut Searched,
    batcher: &mut Batcher<'_>,
) {
    let Over { meta, consumer, end } = over;
    *joined_late = joined_late.saturating_add(u64::from(consumer.is_encrypted_only()));
    let in_vain = end == FlowEnd::Shunted && consumer.transcript().is_empty();
    searched.in_vain = searched.in_vain.saturating_add(u64::from(in_vain));
    let transcript = consumer.transcript();
    if transcript.has_messages() {
        let cut = u64::from(transcript.is_preamble_cut());
        searched.cut = searched.cut.saturating_add(cut);
        batcher.push(sources.of(meta.opened), |job| {
            (job.transport, job.carried) = (Transport::Tcp, None);
            job.meta.clone_from(meta);
            consumer.swap_transcript(&mut job.transcript);
        });
    }
}

/// An exchange of datagrams is over.
fn exchange(finished: Finished<DatagramConversation>, sources: &Names, batcher: &mut Batcher<'_>) {
    let Finished { meta, consumer, .. } = finished;
    let transport = consumer.transport();
    let transcript = consumer.into_transcript();
    if transcript.has_messages() {
        let source = sources.of(meta.opened);
        batcher.push(source, |job| *job = Job { transport, carried: None, meta, transcript });
    }
}

/// A log-in to a network is over.
fn login(finished: FinishedLogin, sources: &Names, batcher: &mut Batcher<'_>) {
    let FinishedLogin { meta, carried, transcript } = finished;
    if transcript.has_messages() {
        let source = sources.of(meta.opened);
        let carried = Some(carried);
        let transport = Transport::Tcp;
        batcher.push(source, |job| *job = Job { transport, carried, meta, transcript });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_from_the_earliest_packet_to_the_latest() {
        let frame = |seconds| Frame {
            timestamp: Timestamp::new(seconds, 0),
            link: LinkType::ETHERNET,
            wire_len: 0,
            bytes: &[],
        };
        let spanned = |follower: &Follower| follower.counted(CaptureStats::default()).span;
        let mut follower = Follower::new("a".into(), &Limits::default());
        assert_eq!(spanned(&follower), None);
        for (frames, first, last) in [
            (&[30, 50, 10, 40][..], 10, 50),
            (&[20], 10, 50),
            (&[60, 0], 0, 60),
            (&[7, 70, 8], 0, 70),
        ] {
            let frames: Vec<_> = frames.iter().map(|seconds| frame(*seconds)).collect();
            follower.see(&frames);
            let span = (Timestamp::new(first, 0), Timestamp::new(last, 0));
            assert_eq!(spanned(&follower), Some(span));
        }
        follower.go_on("b".into());
        follower.see(&[frame(33)]);
        assert_eq!(spanned(&follower), Some((Timestamp::new(33, 0), Timestamp::new(33, 0))));
    }
}
