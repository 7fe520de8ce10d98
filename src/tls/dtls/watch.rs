//! [`Watch`]: the capture thread's half of DTLS. It knows records, not messages: it keeps the
//! datagrams that have one in the clear, counts encrypted ones, and says when both ends encrypt and
//! what they said in the clear before that is there: a capture may show it later.

use std::hash::BuildHasher;

use foldhash::SharedSeed;
use foldhash::fast::SeedableRandomState;

use super::counts_as;
use super::record::{Record, content, next_fragment, next_record};
use crate::bytes::Reader;
use crate::clock::Timestamp;
use crate::flow::Side;
use crate::flow::datagram::Fed;
use crate::limits::Limits;
use crate::tls::codepoint::HandshakeType;
use crate::tls::transcript::{Kind, Transcript};

/// The capture thread's view of one DTLS conversation.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// The first ClientHello: one with another random begins another conversation.
    opening: Option<Opening>,
    ends: [End; 2],
}

/// How a conversation began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opening {
    /// The random of its ClientHello, by which it is known while it lasts.
    pub(super) random: [u8; 32],
    /// A hash of that hello, as far as it is in one record, by which it is known when it is over: who
    /// uses a random again may offer something else with it.
    pub(crate) hello: u64,
}

/// What was seen of one end.
#[derive(Debug, Default)]
struct End {
    /// Encrypted records.
    encrypted: u32,
    /// One of them can only come after all that this end says in the clear.
    finished: bool,
    /// That one was of DTLS 1.3, where no ChangeCipherSpec ends what is in the clear.
    unified: bool,
    /// Records in the clear, a bit for each of the first sequence numbers.
    clear: u128,
    /// Sequence number of its ChangeCipherSpec.
    changed: Option<u64>,
}

/// Encrypted records of other kinds after which an encrypted handshake record is no longer
/// expected. Application data may overtake the Finished message, and it may be lost.
const PATIENCE: u32 = 8;

/// Encrypted records of both ends after which none in the clear is expected any more.
const LATE_RECORDS: u32 = 16;

/// Encrypted records of each direction that are noted one by one.
const NOTED_RECORDS: u32 = 12;

/// Encrypted records of one direction after which the other one is no longer waited for.
const ONE_SIDED_RECORDS: u32 = 256;

impl Watch {
    /// What the conversation is told from others by.
    pub(crate) const fn opening(&self) -> Option<Opening> {
        self.opening
    }

    /// The next datagram, without what it was wrapped in. `is_earlier` tells the hellos of
    /// conversations that are over.
    pub(crate) fn feed(
        &mut self,
        side: Side,
        at: Timestamp,
        (payload, cut): (&[u8], u32),
        is_earlier: impl Fn(u64) -> bool,
        transcript: &mut Transcript,
        limits: &Limits,
    ) -> Fed {
        if let Some(begins) = opening(payload, cut) {
            match self.opening {
                Some(opening) if opening.random != begins.random => {
                    return if is_earlier(begins.hello) { Fed::Ignored } else { Fed::Another };
                }
                Some(_) => {}
                None => self.opening = Some(begins),
            }
        }
        let records = || {
            let mut reader = Reader::new(payload);
            std::iter::from_fn(move || next_record(&mut reader, cut))
        };
        let clear = records().any(|record| !record.is_encrypted());
        if clear {
            transcript.append(side, Kind::Dtls, at, payload, limits);
        } else if records().next().is_none() {
            return Fed::Ignored;
        }
        let end = side.of_mut(&mut self.ends);
        for record in records() {
            if !record.is_encrypted() {
                end.note_clear(&record);
                continue;
            }
            let Some((content_type, size)) = counts_as(&record) else { continue };
            end.encrypted = end.encrypted.saturating_add(1);
            // All that DTLS 1.3 encrypts looks like application data, and comes after the hellos.
            end.unified |= record.unified;
            end.finished |= record.unified || content_type == content::HANDSHAKE;
            if !clear && end.encrypted <= NOTED_RECORDS {
                transcript.note(side, Kind::Encrypted { content_type, size }, at, limits);
            }
        }
        let [low, high] = &self.ends;
        let done = |end: &End| end.finished || end.encrypted >= PATIENCE;
        let late = low.encrypted.saturating_add(high.encrypted) > LATE_RECORDS;
        let complete = late || (low.is_complete() && high.is_complete());
        let one_sided =
            |end: &End, other: &End| end.encrypted > ONE_SIDED_RECORDS && other.encrypted == 0;
        if (complete && done(low) && done(high)) || one_sided(low, high) || one_sided(high, low) {
            Fed::Shunt
        } else {
            Fed::Continue
        }
    }
}

impl End {
    fn note_clear(&mut self, record: &Record<'_>) {
        let sequence = record.sequence;
        let bit = u32::try_from(sequence).ok().and_then(|bit| 1_u128.checked_shl(bit));
        self.clear |= bit.unwrap_or_default();
        if record.content_type == content::CHANGE_CIPHER_SPEC {
            self.changed = Some(self.changed.map_or(sequence, |first| first.min(sequence)));
        }
    }

    /// Whether all records in the clear were seen, as far as their numbers say.
    const fn is_complete(&self) -> bool {
        let seen = self.clear.trailing_ones();
        match self.changed {
            Some(sequence) => sequence < seen as u64 || sequence >= u128::BITS as u64,
            None => self.unified && seen > 0 && self.clear.count_ones() == seen,
        }
    }
}

/// How a datagram begins a conversation: one with a ClientHello that is the first message of its
/// sender. The second, with a cookie, repeats the random and has number 1.
pub(crate) fn opening(payload: &[u8], cut: u32) -> Option<Opening> {
    let record = next_record(&mut Reader::new(payload), cut)?;
    if record.is_encrypted() || record.content_type != content::HANDSHAKE {
        return None;
    }
    let fragment = next_fragment(&mut Reader::new(record.body))?;
    if HandshakeType(fragment.kind) != HandshakeType::CLIENT_HELLO
        || fragment.message_seq != 0
        || fragment.offset != 0
    {
        return None;
    }
    let mut hello = Reader::new(fragment.bytes);
    hello.skip(2)?;
    let random = hello.array()?;
    // The seed is the process's own: nobody can prepare two hellos with the same hash.
    let state = SeedableRandomState::with_seed(0x6347, SharedSeed::global_random());
    Some(Opening { random, hello: state.hash_one(fragment.bytes) })
}
