//! [`Conversation`]: finds TLS in the two byte streams of a flow and keeps its handshake.
//!
//! This is the capture thread's half: it knows records, not messages. Of each direction it looks
//! for the first record, walks from header to header, copies what is in the clear into the
//! [`Transcript`], counts what is encrypted, and says when nothing more is to be learnt.
//!
//! ```text
//!   Search ──first record──▶ Records ◀──header found── Lost
//!     │                        │  ╰──hole across a header──▲
//!     ╰──too much cleartext──▶ Ignored ◀───────────────────╯
//! ```

use crate::clock::Timestamp;
use crate::flow::{Chunk, Control, Side, Start, StreamConsumer};
use crate::limits::Limits;

use super::sslv2;
use super::transcript::{Kind, Transcript};

/// The capture thread's view of one TLS connection over TCP.
#[derive(Debug)]
pub struct Conversation {
    limits: Limits,
    tracks: [Track; 2],
    transcript: Transcript,
}

/// One direction.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, in any combination")]
struct Track {
    state: State,
    /// Cleartext bytes that were searched.
    searched: usize,
    /// Bytes that may be the beginning of a first record.
    doubt: Vec<u8>,
    /// A hole, or an unknown beginning, lies before what is searched now.
    torn: bool,
    /// A ChangeCipherSpec was seen: what follows is encrypted, TLS 1.3's hellos aside.
    changed_cipher: bool,
    /// A hole lies in the handshake bytes: where the next record begins is worth noting.
    holed: bool,
    /// A handshake message in the clear was seen.
    spoke: bool,
    /// Encrypted records that a finished handshake may have sent.
    settled: u32,
    /// Encrypted records altogether.
    encrypted: u32,
}

#[derive(Debug, Default)]
enum State {
    /// No TLS yet.
    #[default]
    Search,
    /// Between and in TLS records.
    Records(Record),
    /// Between and in records of SSL 2.0.
    SslV2(sslv2::Deframer),
    /// Somewhere in TLS, a header has to be found.
    Lost,
    /// No TLS, or no way back to it.
    Ignored,
}

/// Where a direction stands in its current record.
#[derive(Debug, Default)]
struct Record {
    header: [u8; HEADER],
    /// How much of the header was seen.
    have: usize,
    /// How much of the body is still to come.
    left: usize,
    body: Body,
}

/// What is done with a record's body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Body {
    #[default]
    Skipped,
    Handshake,
    Alert,
    /// After a ChangeCipherSpec a handshake record is encrypted, unless it is one of the hellos
    /// that TLS 1.3 sends after a HelloRetryRequest: its first bytes tell.
    Probe {
        first: [u8; PROBE],
        have: usize,
    },
}

const HEADER: usize = 5;
const PROBE: usize = 6;

const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;
const HEARTBEAT: u8 = 24;

/// Largest body of a record: 2^14 and the 2048 that TLS ≤ 1.2 may add (RFC 5246 §6.2.3).
const MAX_BODY: usize = (1 << 14) + 2048;

/// Smallest body of a TLS 1.3 record that holds a Finished message: a header of 4, verify data of at
/// least 32, the content type, a tag of at least 8 (RFC 8446 §4.4.4, §5.2). An alert is shorter: 19
/// as most send it, 35 as Java pads it.
pub(crate) const FINISHED_BODY: u16 = 45;

/// How far into a direction a hello is looked for in the middle of a segment.
const DEEP_SEARCH: usize = 4096;

/// Encrypted records of each direction that are noted one by one.
const NOTED_RECORDS: u32 = 12;

/// Encrypted records of one direction after which the other one is no longer waited for.
const ONE_SIDED_RECORDS: u32 = 256;

impl Conversation {
    /// What was seen of the handshake.
    pub fn into_transcript(self) -> Transcript {
        self.transcript
    }

    /// What was seen of the handshake.
    pub const fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    /// TLS was there, but nothing of its handshake.
    pub fn is_encrypted_only(&self) -> bool {
        !self.transcript.is_empty() && !self.transcript.has_messages()
    }

    fn data(&mut self, side: Side, at: Timestamp, bytes: &[u8]) {
        match &side.of(&self.tracks).state {
            State::Search | State::Lost => self.search(side, at, bytes),
            State::Records(_) => self.records(side, at, bytes),
            State::SslV2(_) => self.sslv2(side, at, bytes),
            State::Ignored => {}
        }
    }

    /// Look for the first record, at the beginning of what a segment brought.
    fn search(&mut self, side: Side, at: Timestamp, bytes: &[u8]) {
        let other_speaks = side.other().of(&self.tracks).spoke;
        let track = side.of_mut(&mut self.tracks);
        let mut joined = std::mem::take(&mut track.doubt);
        let bytes = if joined.is_empty() {
            bytes
        } else {
            joined.extend_from_slice(bytes);
            &joined
        };
        let first = track.searched == 0;
        let lost = matches!(track.state, State::Lost);
        match classify(bytes, first && !track.torn, other_speaks || lost || track.torn) {
            Found::Tls => {
                if lost || track.torn {
                    self.transcript.note(side, Kind::Resumed, at, &self.limits);
                }
                track.state = State::Records(Record::default());
                self.records(side, at, bytes);
                return;
            }
            Found::SslV2 => {
                track.state = State::SslV2(sslv2::Deframer::default());
                self.sslv2(side, at, bytes);
                return;
            }
            Found::TooShort => {
                track.doubt = bytes.to_vec();
                return;
            }
            Found::Nothing => {}
        }
        let deep = if lost { None } else { hello_within(bytes, DEEP_SEARCH) };
        let clear = deep.and_then(|at| bytes.get(..at)).unwrap_or(bytes);
        track.searched = track.searched.saturating_add(clear.len());
        if !lost {
            self.transcript.keep_preamble(side, clear, &self.limits);
        }
        if let Some(hello) = deep.and_then(|at| bytes.get(at..)) {
            track.state = State::Records(Record::default());
            self.records(side, at, hello);
        } else if track.searched > self.limits.search_bytes {
            track.state = State::Ignored;
        }
    }

    /// Walk over records.
    fn records(&mut self, side: Side, at: Timestamp, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let other_spoke = side.other().of(&self.tracks).spoke;
            let track = side.of_mut(&mut self.tracks);
            let State::Records(record) = &mut track.state else { return };
            if record.left == 0 {
                let Some(rest) = record.fill_header(bytes) else { return };
                bytes = rest;
                let [content_type, major, minor, _, _] = record.header;
                if !is_record(content_type, major, minor, record.left) {
                    track.state = State::Lost;
                    track.searched = 0;
                    let gap = Kind::Gap(0);
                    self.transcript.note(side, gap, at, &self.limits);
                    return;
                }
                record.body = track_record(content_type, record.left, &mut track.changed_cipher);
                let size = u16::try_from(record.left).unwrap_or(u16::MAX);
                match content_type {
                    CHANGE_CIPHER_SPEC => {
                        self.transcript.note(side, Kind::ChangeCipherSpec, at, &self.limits);
                    }
                    HANDSHAKE if track.holed && record.body == Body::Handshake => {
                        track.holed = false;
                        self.transcript.note(side, Kind::Resumed, at, &self.limits);
                    }
                    APPLICATION_DATA | ALERT if record.body == Body::Skipped => {
                        // Client data before the server's answer is early data (RFC 8446 §2.3).
                        let counts = content_type == APPLICATION_DATA && size >= FINISHED_BODY;
                        track.count_encrypted(counts && other_spoke);
                        self.note_encrypted(side, content_type, size, at);
                    }
                    _ => {}
                }
                continue;
            }
            let (body, rest) = bytes.split_at(record.left.min(bytes.len()));
            bytes = rest;
            record.left = record.left.saturating_sub(body.len());
            match &mut record.body {
                Body::Skipped => {}
                Body::Handshake => {
                    track.spoke = true;
                    self.transcript.append(side, Kind::Handshake, at, body, &self.limits);
                }
                Body::Alert => self.transcript.append(side, Kind::Alert, at, body, &self.limits),
                Body::Probe { first, have } => {
                    let room = first.iter_mut().skip(*have);
                    let taken = room.zip(body).map(|(slot, byte)| *slot = *byte).count();
                    *have = have.saturating_add(taken);
                    if *have < PROBE && record.left > 0 {
                        continue;
                    }
                    let first = *first;
                    if is_hello_after_change(first) {
                        record.body = Body::Handshake;
                        // What was probed in earlier segments is no longer in this slice.
                        let early = PROBE.saturating_sub(taken);
                        let head = first.get(..early).unwrap_or_default();
                        self.transcript.append(side, Kind::Handshake, at, head, &self.limits);
                        self.transcript.append(side, Kind::Handshake, at, body, &self.limits);
                    } else {
                        record.body = Body::Skipped;
                        let size = u16::from_be_bytes([record.header[3], record.header[4]]);
                        track.count_encrypted(true);
                        self.note_encrypted(side, HANDSHAKE, size, at);
                    }
                }
            }
        }
    }

    /// Walk over records of SSL 2.0.
    fn sslv2(&mut self, side: Side, at: Timestamp, bytes: &[u8]) {
        let track = side.of_mut(&mut self.tracks);
        let State::SslV2(deframer) = &mut track.state else { return };
        let mut rest = bytes;
        while !rest.is_empty() {
            match deframer.feed(&mut rest) {
                sslv2::Fed::More => return,
                sslv2::Fed::Message(message) => {
                    track.spoke = true;
                    self.transcript.append(side, Kind::SslV2, at, &message, &self.limits);
                }
                sslv2::Fed::Encrypted(size) => {
                    track.count_encrypted(true);
                    self.note_encrypted(side, 0, size, at);
                    return;
                }
                // The hello was SSL 2.0's in format only: from here on it is TLS.
                sslv2::Fed::Tls => {
                    track.state = State::Records(Record::default());
                    let rest = rest.to_vec();
                    self.records(side, at, &rest);
                    return;
                }
                sslv2::Fed::Malformed => {
                    track.state = State::Ignored;
                    return;
                }
            }
        }
    }

    fn note_encrypted(&mut self, side: Side, content_type: u8, size: u16, at: Timestamp) {
        let track = side.of(&self.tracks);
        if track.encrypted <= NOTED_RECORDS {
            self.transcript.note(side, Kind::Encrypted { content_type, size }, at, &self.limits);
        }
    }

    /// A hole in one direction.
    fn gap(&mut self, side: Side, at: Timestamp, missing: u64) {
        let track = side.of_mut(&mut self.tracks);
        track.doubt.clear();
        match &mut track.state {
            State::Search => track.torn = true,
            State::Records(record) => {
                let missing = usize::try_from(missing).unwrap_or(usize::MAX);
                let inside = missing > 0 && record.left > 0 && missing <= record.left;
                if inside && record.body != Body::Skipped {
                    track.holed = true;
                    let lost = Kind::Gap(u64::try_from(missing).unwrap_or(u64::MAX));
                    self.transcript.note(side, lost, at, &self.limits);
                }
                if inside {
                    record.left = record.left.saturating_sub(missing);
                } else {
                    track.state = State::Lost;
                    track.searched = 0;
                    self.transcript.note(side, Kind::Gap(0), at, &self.limits);
                }
            }
            State::SslV2(_) => track.state = State::Ignored,
            State::Lost | State::Ignored => {}
        }
    }

    /// Whether anything can still be learnt.
    fn control(&self) -> Control {
        let [low, high] = &self.tracks;
        let done = low.settled > 0 && high.settled > 0;
        let ignored =
            |track: &Track, other: &Track| matches!(track.state, State::Ignored) && !other.is_tls();
        let one_sided = |track: &Track, other: &Track| {
            track.encrypted > ONE_SIDED_RECORDS && other.encrypted == 0
        };
        // Encrypted records from both ends and nothing else: the handshake is long over.
        let joined_late = low.encrypted > 1 && high.encrypted > 1 && !low.spoke && !high.spoke;
        if done
            || joined_late
            || ignored(low, high)
            || ignored(high, low)
            || one_sided(low, high)
            || one_sided(high, low)
        {
            Control::Shunt
        } else {
            Control::Continue
        }
    }
}

impl StreamConsumer for Conversation {
    fn open(limits: &Limits) -> Self {
        Self {
            limits: limits.clone(),
            tracks: <[Track; 2]>::default(),
            transcript: Transcript::default(),
        }
    }

    fn feed(&mut self, side: Side, at: Timestamp, chunk: Chunk<'_>) -> Control {
        match chunk {
            Chunk::Data(bytes) => self.data(side, at, bytes),
            Chunk::Gap(missing) => self.gap(side, at, missing),
        }
        self.control()
    }

    fn start(&self, side: Side, bytes: &[u8]) -> Start {
        let other_speaks = side.other().of(&self.tracks).spoke;
        match classify(bytes, true, other_speaks) {
            Found::Tls | Found::SslV2 => Start::Plausible,
            // Text may be the beginning of any of the protocols that TLS starts in.
            Found::Nothing | Found::TooShort
                if bytes.iter().take(16).all(|byte| matches!(byte, 9..=13 | 32..=126)) =>
            {
                Start::Plausible
            }
            Found::Nothing | Found::TooShort => Start::Doubtful,
        }
    }

    fn held_bytes(&self) -> usize {
        self.transcript.held_bytes()
    }
}

impl Track {
    const fn is_tls(&self) -> bool {
        matches!(self.state, State::Records(_) | State::SslV2(_) | State::Lost)
    }

    const fn count_encrypted(&mut self, settles: bool) {
        self.encrypted = self.encrypted.saturating_add(1);
        if settles {
            self.settled = self.settled.saturating_add(1);
        }
    }
}

impl Record {
    /// Take header bytes; what is behind a whole header, with the state set up for its body.
    fn fill_header<'b>(&mut self, bytes: &'b [u8]) -> Option<&'b [u8]> {
        let room = self.header.iter_mut().skip(self.have);
        let taken = room.zip(bytes).map(|(slot, byte)| *slot = *byte).count();
        self.have = self.have.saturating_add(taken);
        if self.have < HEADER {
            return None;
        }
        self.have = 0;
        self.left = usize::from(u16::from_be_bytes([self.header[3], self.header[4]]));
        bytes.get(taken..)
    }
}

/// What is to be done with a record, by its type and what came before it.
fn track_record(content_type: u8, size: usize, changed_cipher: &mut bool) -> Body {
    match content_type {
        CHANGE_CIPHER_SPEC => {
            *changed_cipher = true;
            Body::Skipped
        }
        // An alert in the clear is two bytes; a cipher or a MAC makes it longer.
        ALERT if size == 2 => Body::Alert,
        HANDSHAKE if *changed_cipher => Body::Probe { first: [0; PROBE], have: 0 },
        HANDSHAKE => Body::Handshake,
        _ => Body::Skipped,
    }
}

/// Whether a handshake record after a ChangeCipherSpec is in the clear: a ClientHello or ServerHello
/// of TLS 1.3 after a HelloRetryRequest (RFC 8446 §D.4).
const fn is_hello_after_change([kind, high, _, _, major, minor]: [u8; PROBE]) -> bool {
    matches!(kind, 1 | 2) && high == 0 && major == 3 && minor == 3
}

/// Whether this is the header of a TLS record (or of one of the Chinese TLCP, version 1.1).
const fn is_record(content_type: u8, major: u8, minor: u8, size: usize) -> bool {
    matches!(content_type, CHANGE_CIPHER_SPEC..=HEARTBEAT)
        && matches!((major, minor), (3, 0..=4) | (1, 1) | (0x7f, _))
        && size <= MAX_BODY
}

/// What the first bytes of a segment are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Tls,
    SslV2,
    TooShort,
    Nothing,
}

/// Whether bytes begin with a record. `first`: they are the first of their direction. `lenient`:
/// TLS is expected here, any record will do; otherwise it has to be a hello.
fn classify(bytes: &[u8], first: bool, lenient: bool) -> Found {
    if sslv2::is_hello(bytes) && (first || lenient) {
        return Found::SslV2;
    }
    let [content_type, rest @ ..] = bytes else { return Found::Nothing };
    if !matches!(*content_type, CHANGE_CIPHER_SPEC..=HEARTBEAT) {
        return Found::Nothing;
    }
    let [major, minor, high, low, body @ ..] = rest else {
        let version = rest.first().is_none_or(|major| matches!(major, 3 | 1));
        return if version { Found::TooShort } else { Found::Nothing };
    };
    let size = usize::from(u16::from_be_bytes([*high, *low]));
    if !is_record(*content_type, *major, *minor, size) || size == 0 {
        return Found::Nothing;
    }
    let found = match (*content_type, body) {
        (HANDSHAKE, []) => return Found::TooShort,
        // A ClientHello, or at the very beginning a ServerHello of which no ClientHello was seen.
        (HANDSHAKE, [1, rest @ ..]) => rest.first().is_none_or(|high| *high <= 1),
        (HANDSHAKE, [2, 0, _, _, 3, 0..=4, ..]) => true,
        (HANDSHAKE, [2, rest @ ..]) => (first || lenient) && rest.first().is_none_or(|h| *h == 0),
        (HANDSHAKE, [kind, ..]) => lenient && (matches!(kind, 0..=25 | 67) || size >= 32),
        (ALERT, [level, ..]) => {
            (first || lenient) && (size == 2 && matches!(level, 1 | 2) || lenient && size >= 18)
        }
        (CHANGE_CIPHER_SPEC, _) => lenient && size == 1,
        // Data on a connection that was joined late. A tag alone is 16 bytes.
        (APPLICATION_DATA, _) => (first || lenient) && *major == 3 && size >= 16,
        _ => false,
    };
    if found { Found::Tls } else { Found::Nothing }
}

/// Where within the first `depth` bytes a ClientHello begins that does not begin them.
fn hello_within(bytes: &[u8], depth: usize) -> Option<usize> {
    let searched = bytes.get(..depth).unwrap_or(bytes);
    searched
        .windows(11)
        .position(|window| matches!(window, [HANDSHAKE, 3, 0..=4, _, _, 1, 0, _, _, 3, 0..=4]))
}
