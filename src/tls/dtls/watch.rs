//! [`Watch`]: the capture thread's half of DTLS. It knows records, not messages: it keeps the
//! datagrams that have one in the clear, counts encrypted ones, and says when both ends encrypt.

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
    /// The random of the first ClientHello: another one begins another conversation.
    opening: Option<[u8; 32]>,
    /// Encrypted records of each end.
    encrypted: [u32; 2],
}

/// Encrypted records of each direction that are noted one by one.
const NOTED_RECORDS: u32 = 12;

/// Encrypted records of one direction after which the other one is no longer waited for.
const ONE_SIDED_RECORDS: u32 = 256;

impl Watch {
    /// The random by which the conversation is told from others.
    pub(crate) const fn opening(&self) -> Option<[u8; 32]> {
        self.opening
    }

    /// The next datagram, without what it was wrapped in. `is_earlier` tells the randoms of
    /// conversations that are over.
    pub(crate) fn feed(
        &mut self,
        side: Side,
        at: Timestamp,
        (payload, cut): (&[u8], u32),
        is_earlier: impl Fn(&[u8; 32]) -> bool,
        transcript: &mut Transcript,
        limits: &Limits,
    ) -> Fed {
        if let Some(random) = opening(payload, cut) {
            match self.opening {
                Some(opening) if opening != random => {
                    return if is_earlier(&random) { Fed::Ignored } else { Fed::Another };
                }
                _ => self.opening = Some(random),
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
        for (content_type, size) in
            records().filter(Record::is_encrypted).filter_map(|r| counts_as(&r))
        {
            let count = side.of_mut(&mut self.encrypted);
            *count = count.saturating_add(1);
            if !clear && *count <= NOTED_RECORDS {
                transcript.note(side, Kind::Encrypted { content_type, size }, at, limits);
            }
        }
        match self.encrypted {
            [0, high] if high <= ONE_SIDED_RECORDS => Fed::Continue,
            [low, 0] if low <= ONE_SIDED_RECORDS => Fed::Continue,
            _ => Fed::Shunt,
        }
    }
}

/// The random of a datagram that begins a conversation: one with a ClientHello that is the first
/// message of its sender. The second, with a cookie, repeats the random and has number 1.
pub(crate) fn opening(payload: &[u8], cut: u32) -> Option<[u8; 32]> {
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
    hello.array()
}
