//! [`StreamAssembler`]: segments of one direction in any order → its bytes in order.
//!
//! What arrives in order is handed on as the caller's slice, uncopied. What arrives early is kept,
//! within bounds, until the hole before it is filled; when the bounds or the wait are exceeded the
//! hole is declared a gap and the stream goes on behind it. Where segments overlap, the bytes that
//! were there first count; where they differ, [`Overlaps`] counts it.
//!
//! ```text
//!            next                 held               held
//!   ═════════▶┃┄┄┄┄ hole ┄┄┄┄┃▓▓▓▓▓▓▓▓▓▓┃┄┄ hole ┄┄┃▓▓▓▓▓▓▓▓┃
//!   delivered
//! ```
//!
//! Where no SYN was seen the first byte of the stream is not known. A segment that [looks like a
//! beginning](Start) is taken for one; any other waits, like behind a hole of unknown length.

use super::overlap::Overlaps;
use super::syn::REACH;
use super::waiting::{Held, Waiting};
use super::{Run, short};
use crate::clock::Timestamp;
use crate::limits::Limits;
use crate::packet::SeqNumber;

/// What a direction of a stream consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunk<'a> {
    /// The next bytes.
    Data(&'a [u8]),
    /// Bytes that were not captured; zero if it is not known how many.
    Gap(u64),
}

/// Whether the first segment that was seen may be where the stream begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// It may well be.
    Plausible,
    /// It looks like the middle of something.
    Doubtful,
}

/// Who is given a stream.
pub trait Receive {
    /// What comes next.
    fn receive(&mut self, chunk: Chunk<'_>);

    /// The last bytes that were given without a hole, as far back as copies of them are to be
    /// compared.
    fn received(&self) -> Run<'_> {
        Run::default()
    }
}

impl<F: FnMut(Chunk<'_>)> Receive for F {
    fn receive(&mut self, chunk: Chunk<'_>) {
        self(chunk);
    }
}

/// One direction of a TCP connection.
#[derive(Debug, Default)]
pub struct StreamAssembler {
    /// The first byte that was not delivered yet; `None` until the beginning is known.
    next: Option<SeqNumber>,
    /// The first byte that was delivered, or will be.
    start: Option<SeqNumber>,
    /// What lies behind a hole.
    held: Waiting,
    /// Where the sender says that its stream ends.
    end: Option<SeqNumber>,
    /// Whether the copies of what overlaps say the same.
    overlaps: Overlaps,
}

impl StreamAssembler {
    /// The stream begins at `seq` (one behind the SYN's number).
    pub fn begin(&mut self, seq: SeqNumber) {
        self.next.get_or_insert(seq);
        self.start.get_or_insert(seq);
    }

    /// The stream began before the first byte that was delivered.
    pub(super) const fn begin_earlier(&mut self, seq: SeqNumber) {
        self.start = Some(seq);
    }

    /// Where the stream begins, once that is known or decided on.
    pub const fn start(&self) -> Option<SeqNumber> {
        self.start
    }

    /// Whether the beginning is known, or was decided on.
    pub fn begun(&self) -> bool {
        self.next.is_some()
    }

    /// Take one segment: hand on what is in order now. `cut` bytes behind `payload` were on the
    /// wire but not captured.
    pub fn push(
        &mut self,
        seq: SeqNumber,
        payload: &[u8],
        cut: u32,
        at: Timestamp,
        limits: &Limits,
        receiver: &mut impl Receive,
    ) {
        if payload.is_empty() && cut == 0 {
            return;
        }
        let end = seq.plus(short(payload.len()));
        let is_last = self.held.last().map(Held::end).or(self.next) == Some(end);
        self.overlaps.hear(payload, cut, is_last, at);
        let before = self.next;
        if let Some(next) = before
            && seq.offset_from(next) <= 0
        {
            self.deliver(next, seq, payload, cut, receiver);
            self.drain(receiver);
        } else {
            self.hold(seq, payload, cut, at);
        }
        // A hole that is being filled is waited for longer: who sends what comes before knows nothing of a
        // segment far behind it, which may be a stray one.
        let goes_on = self.next != before;
        let late = |held: &Held| !goes_on && at.since(held.at) > limits.reorder_wait;
        while self.held.len() > limits.reorder_segments
            || self.held.bytes() > limits.reorder_bytes
            || self.held.first().is_some_and(late)
        {
            self.skip_hole(receiver);
        }
    }

    /// Decide on the beginning: the earliest byte that was seen.
    pub fn begin_at_first(&mut self, receiver: &mut impl Receive) {
        if self.next.is_none()
            && let Some(first) = self.held.first()
        {
            let seq = first.seq;
            self.begin(seq);
            self.drain(receiver);
        }
    }

    /// Forget what waits and lies before the beginning, or farther behind it than `reach`.
    pub fn forget_outside(&mut self, reach: i32) {
        if let Some(start) = self.start {
            self.held.retain(start, reach);
        }
    }

    /// Where the earliest segment that waits begins, and since when it does.
    pub fn first_held(&self) -> Option<(SeqNumber, Timestamp)> {
        self.held.first().map(|held| (held.seq, held.at))
    }

    /// Whether nothing that was seen so far comes before this number.
    pub fn is_first(&self, seq: SeqNumber) -> bool {
        self.held.first().is_none_or(|held| seq.offset_from(held.seq) < 0)
    }

    /// How many pieces wait, each of one segment or of several without a hole between them.
    pub fn held_segments(&self) -> usize {
        self.held.len()
    }

    /// How many segments had to wait so far.
    pub fn waited(&self) -> usize {
        self.held.segments()
    }

    /// The sender says that its stream ends at `seq`. The first word counts.
    pub fn end_at(&mut self, seq: SeqNumber) {
        self.end.get_or_insert(seq);
    }

    /// Whether all bytes up to the sender's end were delivered.
    pub fn ended(&self) -> bool {
        match (self.next, self.end) {
            (Some(next), Some(end)) => end.offset_from(next) <= 0,
            (None, Some(_)) => self.held.is_empty(),
            (_, None) => false,
        }
    }

    /// Whether the sender has said where its stream ends.
    pub const fn end_known(&self) -> bool {
        self.end.is_some()
    }

    /// No more will come: hand on all that waits, with the gaps.
    pub fn flush(&mut self, receiver: &mut impl Receive) {
        while !self.held.is_empty() {
            self.skip_hole(receiver);
        }
        // What its sender sent before it ended was not captured to the end.
        if let (Some(next), Some(end)) = (self.next, self.end)
            && let missing @ 1..REACH = end.offset_from(next)
        {
            receiver.receive(Chunk::Gap(missing.unsigned_abs().into()));
            self.next = Some(end);
        }
    }

    /// Bytes that wait behind holes.
    pub fn held_bytes(&self) -> usize {
        self.held.bytes()
    }

    /// Whether the copies of what overlapped said the same.
    pub(super) const fn overlaps(&self) -> &Overlaps {
        &self.overlaps
    }

    /// Whether anything waits behind a hole.
    pub fn is_waiting(&self) -> bool {
        !self.held.is_empty()
    }

    /// The sequence number of the next byte to deliver.
    pub const fn next(&self) -> Option<SeqNumber> {
        self.next
    }

    /// Hand on what a segment that begins at or before `next` has behind it.
    fn deliver(
        &mut self,
        next: SeqNumber,
        seq: SeqNumber,
        payload: &[u8],
        cut: u32,
        receiver: &mut impl Receive,
    ) {
        let known = next.0.wrapping_sub(seq.0);
        let size = short(payload.len());
        let mut position = next;
        if known > 0 {
            self.overlaps.compare_delivered((next, receiver.received()), (seq, payload));
        }
        if let Some(fresh) = payload.get(known as usize..)
            && !fresh.is_empty()
        {
            receiver.receive(Chunk::Data(fresh));
            position = position.plus(short(fresh.len()));
        }
        // What the snaplen cut off is a hole that nothing will fill, unless a copy of the segment
        // was captured whole; the captured bytes of such a copy come first then.
        let end = seq.plus(size).plus(cut);
        if cut > 0 && end.offset_from(position) > 0 {
            receiver.receive(Chunk::Gap(u64::from(end.0.wrapping_sub(position.0))));
            position = end;
        }
        self.next = Some(position);
    }

    /// Hand on the held segments that are in order now.
    fn drain(&mut self, receiver: &mut impl Receive) {
        while let (Some(next), Some(first)) = (self.next, self.held.first())
            && first.seq.offset_from(next) <= 0
        {
            let Some(held) = self.held.pop_first() else { return };
            self.deliver(next, held.seq, &held.bytes, held.cut, receiver);
        }
    }

    /// Keep a segment, less what is kept already: first come, first kept.
    fn hold(&mut self, seq: SeqNumber, payload: &[u8], cut: u32, at: Timestamp) {
        let mut seq = seq;
        let mut payload = payload;
        let mut index = self.held.behind(seq);
        loop {
            let Some(held) = self.held.get(index) else {
                self.held.insert(index, Held { seq, bytes: payload, cut, at });
                return;
            };
            let before = held.seq.offset_from(seq);
            let end = seq.plus(short(payload.len())).plus(cut);
            if end.offset_from(held.seq) <= 0 {
                self.held.insert(index, Held { seq, bytes: payload, cut, at });
                return;
            }
            if before > 0 {
                let head = payload.get(..before.unsigned_abs() as usize).unwrap_or(payload);
                // The part before; a cut in it is covered by the held segment from there on.
                let missing = before.unsigned_abs().saturating_sub(short(head.len()));
                let head = Held { seq, bytes: head, cut: missing, at };
                index = index.saturating_add(self.held.insert(index, head));
            }
            let Some(held) = self.held.get(index) else { return };
            self.overlaps.compare((held.seq, &held.bytes), (seq, payload));
            let resume = held.end();
            let skip = resume.offset_from(seq);
            let total = short(payload.len()).saturating_add(cut);
            if skip < 0 || skip.unsigned_abs() >= total {
                return;
            }
            // What lies behind the held segment; if only cut bytes do, nothing is left to keep.
            payload = match payload.get(skip.unsigned_abs() as usize..) {
                Some(rest) if !rest.is_empty() => rest,
                _ => return,
            };
            seq = resume;
            index = index.saturating_add(1);
        }
    }

    /// Give up the first hole.
    fn skip_hole(&mut self, receiver: &mut impl Receive) {
        let Some(first) = self.held.first() else { return };
        let missing = self.next.map_or(0, |next| u64::from(first.seq.0.wrapping_sub(next.0)));
        let seq = first.seq;
        receiver.receive(Chunk::Gap(missing));
        self.begin(seq);
        self.next = Some(seq);
        self.drain(receiver);
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test may overflow: it fails then")]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::*;

    const BASE: SeqNumber = SeqNumber(u32::MAX - 20);

    /// Push segments given as (offset, text) and return what comes out, gaps as `~`.
    fn assemble(begin: bool, segments: &[(u32, &str)]) -> String {
        let limits = Limits::default();
        let mut stream = StreamAssembler::default();
        let mut out = String::new();
        let mut deliver = |chunk: Chunk<'_>| match chunk {
            Chunk::Data(bytes) => out.push_str(str::from_utf8(bytes).unwrap()),
            Chunk::Gap(count) => write!(out, "~{count}~").unwrap(),
        };
        if begin {
            stream.begin(BASE);
        }
        for (offset, text) in segments {
            let at = Timestamp::default();
            stream.push(BASE.plus(*offset), text.as_bytes(), 0, at, &limits, &mut deliver);
        }
        stream.flush(&mut deliver);
        out
    }

    #[test]
    fn order_duplicates_and_overlaps_across_the_sequence_wrap() {
        assert_eq!(assemble(true, &[(0, "client "), (7, "hello")]), "client hello");
        assert_eq!(assemble(true, &[(7, "hello"), (0, "client ")]), "client hello");
        assert_eq!(
            assemble(true, &[(0, "client "), (0, "client "), (4, "nt hello")]),
            "client hello"
        );
        assert_eq!(assemble(true, &[(7, "hello"), (5, "t hellos"), (0, "clien")]), "client hellos");
    }

    #[test]
    fn the_first_bytes_count_where_copies_differ() {
        assert_eq!(assemble(true, &[(0, "aaaa"), (2, "bbbb")]), "aaaabb");
        assert_eq!(assemble(true, &[(4, "bbbb"), (2, "ccccccccc"), (0, "a")]), "a~1~ccbbbbccc");
    }

    #[test]
    fn keep_alives_bring_nothing() {
        assert_eq!(assemble(true, &[(0, "ab"), (1, "x"), (2, "cd")]), "abcd");
    }

    #[test]
    fn a_hole_that_is_never_filled_is_a_gap() {
        assert_eq!(assemble(true, &[(0, "ab"), (5, "fg")]), "ab~3~fg");
        assert_eq!(assemble(false, &[(5, "fg")]), "~0~fg");
    }

    #[test]
    fn what_is_missing_before_the_end_is_a_gap() {
        let limits = Limits::default();
        for (end, gaps) in [(3, &[][..]), (5, &[2]), (1, &[]), (1 << 30, &[])] {
            let mut stream = StreamAssembler::default();
            let mut found = Vec::new();
            let mut deliver = |chunk: Chunk<'_>| match chunk {
                Chunk::Data(_) => {}
                Chunk::Gap(missing) => found.push(missing),
            };
            stream.begin(BASE);
            stream.push(BASE, b"abc", 0, Timestamp::default(), &limits, &mut deliver);
            stream.end_at(BASE.plus(end));
            stream.flush(&mut deliver);
            assert_eq!(found, gaps, "{end}");
        }
    }

    #[test]
    fn a_hole_is_waited_for_only_so_long() {
        let limits = Limits::default();
        let mut stream = StreamAssembler::default();
        let mut chunks = Vec::new();
        let mut deliver = |chunk: Chunk<'_>| {
            chunks.push(match chunk {
                Chunk::Data(bytes) => bytes.len(),
                Chunk::Gap(_) => 0,
            });
        };
        stream.begin(SeqNumber(0));
        let late = Timestamp::default().plus(limits.reorder_wait).plus(limits.reorder_wait);
        stream.push(SeqNumber(9), b"abc", 0, Timestamp::default(), &limits, &mut deliver);
        stream.push(SeqNumber(99), b"abcd", 0, late, &limits, &mut deliver);
        assert_eq!(chunks, [0, 3]);
        assert!(stream.is_waiting());
    }

    #[test]
    fn a_hole_that_is_being_filled_is_no_gap_however_long_something_waits_behind_it() {
        let limits = Limits::default();
        let mut stream = StreamAssembler::default();
        let mut out = Vec::new();
        let mut deliver = |chunk: Chunk<'_>| match chunk {
            Chunk::Data(bytes) => out.extend_from_slice(bytes),
            Chunk::Gap(_) => panic!("no hole here"),
        };
        stream.begin(SeqNumber(0));
        // A stray one, of another connection or forged.
        let early = Timestamp::default();
        stream.push(SeqNumber(1 << 29), b"stray", 0, early, &limits, &mut deliver);
        let late = early.plus(limits.reorder_wait).plus(limits.reorder_wait);
        stream.push(SeqNumber(0), b"client ", 0, late, &limits, &mut deliver);
        stream.push(SeqNumber(7), b"hello", 0, late, &limits, &mut deliver);
        assert_eq!(out, b"client hello");
    }

    #[test]
    fn what_the_snaplen_cut_is_a_gap_at_once() {
        let limits = Limits::default();
        let mut stream = StreamAssembler::default();
        let mut out = Vec::new();
        let mut deliver = |chunk: Chunk<'_>| out.push(format!("{chunk:?}"));
        stream.begin(SeqNumber(0));
        stream.push(SeqNumber(0), b"ab", 5, Timestamp::default(), &limits, &mut deliver);
        stream.push(SeqNumber(7), b"h", 0, Timestamp::default(), &limits, &mut deliver);
        assert_eq!(out, ["Data([97, 98])", "Gap(5)", "Data([104])"]);
    }

    #[test]
    fn single_bytes_behind_a_hole_do_not_use_up_the_pieces() {
        let limits = Limits { reorder_segments: 4, ..Limits::default() };
        let mut stream = StreamAssembler::default();
        let mut out = Vec::new();
        stream.begin(SeqNumber(0));
        for n in (1..1000_u32).chain([0]) {
            let byte = [u8::try_from(n % 251).unwrap()];
            let at = Timestamp::default();
            stream.push(SeqNumber(n), &byte, 0, at, &limits, &mut |chunk: Chunk<'_>| match chunk {
                Chunk::Data(bytes) => out.extend_from_slice(bytes),
                Chunk::Gap(_) => panic!("no hole here"),
            });
        }
        let whole: Vec<u8> = (0..1000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
        assert_eq!(out, whole);
        assert_eq!((stream.held_bytes(), stream.waited()), (0, 999));
    }

    #[test]
    fn what_waits_in_order_lies_in_pieces_of_some_length() {
        let limits = Limits::default();
        let mut stream = StreamAssembler::default();
        let mut out = Vec::new();
        let mut feed = |chunk: Chunk<'_>| match chunk {
            Chunk::Data(bytes) => out.extend_from_slice(bytes),
            Chunk::Gap(_) => panic!("no hole here"),
        };
        stream.begin(SeqNumber(0));
        let text: Vec<u8> = (0..100_001_u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
        let at = Timestamp::default();
        for (n, segment) in text[1..].chunks(1_000).enumerate() {
            let seq = SeqNumber(u32::try_from(1 + n * 1_000).unwrap());
            stream.push(seq, segment, 0, at, &limits, &mut feed);
        }
        assert_eq!(
            (stream.held_segments(), stream.held_bytes(), stream.waited()),
            (13, 100_000, 100)
        );
        stream.push(SeqNumber(0), &text[..1], 0, at, &limits, &mut feed);
        assert_eq!((stream.held_segments(), stream.held_bytes()), (0, 0));
        assert_eq!(out, text);
    }

    #[test]
    fn the_bounds_hold() {
        let limits = Limits { reorder_segments: 4, reorder_bytes: 64, ..Limits::default() };
        let mut stream = StreamAssembler::default();
        stream.begin(SeqNumber(0));
        for n in 1..100_u32 {
            let at = Timestamp::default();
            stream.push(SeqNumber(n * 50), &[0; 20], 0, at, &limits, &mut |_: Chunk<'_>| ());
            assert!(stream.held.len() <= 4 && stream.held_bytes() <= 64);
        }
    }

    proptest! {
        /// Any cutting, order, repetition and overlap of one text gives that text.
        #[test]
        fn every_delivery_of_a_stream_gives_the_stream(
            text in "[a-z]{1,200}",
            cuts in prop::collection::vec((0_usize..200, 1_usize..60), 0..40),
            start in any::<u32>(),
            seed in any::<u64>(),
        ) {
            let mut pieces: Vec<(usize, &str)> = cuts
                .iter()
                .filter_map(|&(at, len)| Some((at, text.get(at..text.len().min(at + len))?)))
                .collect();
            pieces.extend((0..text.len()).step_by(7).map(|at| (at, &text[at..text.len().min(at + 9)])));
            let mut state = seed;
            for i in (1..pieces.len()).rev() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                pieces.swap(i, usize::try_from(state >> 33).unwrap() % (i + 1));
            }
            let limits = Limits::default();
            let mut stream = StreamAssembler::default();
            let mut out = Vec::new();
            stream.begin(SeqNumber(start));
            for (at, piece) in pieces {
                let seq = SeqNumber(start).plus(u32::try_from(at).unwrap());
                let mut deliver = |chunk: Chunk<'_>| match chunk {
                    Chunk::Data(bytes) => out.extend_from_slice(bytes),
                    Chunk::Gap(_) => panic!("no hole here"),
                };
                let bytes = piece.as_bytes();
                stream.push(seq, bytes, 0, Timestamp::default(), &limits, &mut deliver);
            }
            prop_assert_eq!(out, text.as_bytes());
            prop_assert!(!stream.is_waiting());
            prop_assert_eq!(stream.held_bytes(), 0);
            prop_assert_eq!(stream.overlaps().differing(), 0);
        }
    }
}
