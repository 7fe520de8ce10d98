//! Segments → ordered byte streams per direction, one flow at a time.
//!
//! A [`FlowTable`](table::FlowTable) belongs to one capture thread. It keeps a small entry for each
//! flow; while a flow's handshake is watched, also two [`StreamAssembler`]s and a
//! [`StreamConsumer`] that is fed in order and says when it has seen enough. From then on a packet
//! of the flow costs one look-up.

#![warn(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing
)]

mod closed;
pub mod datagram;
mod entry;
mod halves;
mod hand;
mod index;
mod keepsake;
mod key;
mod list;
mod over;
mod overlap;
mod place;
mod received;
mod slots;
mod spares;
mod stream;
mod syn;
pub mod table;
mod waiting;
mod watched;

use crate::clock::Timestamp;
use crate::counters::counters;
use crate::limits::Limits;
use crate::packet::{Endpoint, Layers};

pub use keepsake::Cleartext;
pub use key::{FlowKey, Side};
pub use over::{Finished, Over};
pub use place::Place;
pub use received::{Received, Run};
pub use spares::Spares;
pub use stream::{Chunk, Receive, Start, StreamAssembler};

/// A number of bytes, or a place among them, where many are kept: no packet is longer than 32 bits can
/// say, and no more is kept of a stream than its bounds allow.
pub(crate) fn short(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// What is fed with the two byte streams of a flow.
///
/// The default is one for a new flow. It has no bounds of its own: to count who shares them would make a
/// processor wait, for each flow, until all that it has written is in memory.
pub trait StreamConsumer: Default {
    /// The next bytes, or a hole, of one direction. What is kept of them is so in spare memory.
    fn feed(
        &mut self,
        side: Side,
        at: Timestamp,
        chunk: Chunk<'_>,
        limits: &Limits,
        spares: &mut Spares,
    ) -> Control;

    /// The last bytes of a direction that were fed, as [`Receive::received`] has it.
    fn received(&self, _: Side) -> Run<'_> {
        Run::default()
    }

    /// Whether a stream of which no SYN was seen may begin with these bytes.
    fn start(&self, side: Side, bytes: &[u8]) -> Start;

    /// What a packet may begin on a flow of which nothing more was expected. Asked of each of them: the
    /// first byte has to tell.
    fn opening(_payload: &[u8]) -> Opening {
        Opening::None
    }

    /// What was said on a flow on which what it looks for has not begun, if that may still come.
    fn cleartext(&self) -> Option<Cleartext> {
        None
    }

    /// Go on where another consumer was, with what was said to it.
    fn resume(&mut self, _: Cleartext) {}

    /// Forget what one end sent, unless that has begun something: bytes came that lie before it, and all
    /// of it comes again behind them. Whether it did.
    fn restart(&mut self, _: Side) -> bool {
        false
    }

    /// Both ends are closed: little more will come, and perhaps not soon.
    fn settle(&mut self);

    /// Forget all, as if new, and give back the memory of the bytes.
    fn recycle(&mut self, spares: &mut Spares);

    /// Whether what it looks for has begun.
    fn begun(&self) -> bool {
        true
    }

    /// Heap bytes that it holds, for the bound on all flows together.
    fn held_bytes(&self) -> usize;

    /// So many bytes of a direction will come soon: ask for the memory where they will be kept.
    fn prefetch_end(&self, _: Side, _: usize) {}
}

/// What is to be done with a flow after bytes were fed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Go on.
    Continue,
    /// Nothing more is wanted of it.
    Shunt,
}

/// What a packet may begin on a flow of which nothing more was expected: after a connection that is
/// over, and whose ports are used again, or after one that was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// Nothing of interest.
    None,
    /// What is looked for.
    Sought,
    /// Words after which that may come.
    Words,
}

/// Why a flow is over for its consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FlowEnd {
    /// The consumer has seen enough.
    Shunted,
    /// Both ends closed, or one and the other was not seen.
    Fin,
    /// One end reset the connection.
    Reset,
    /// Another connection uses the same addresses and ports.
    Reused,
    /// No packet for too long.
    Idle,
    /// The bounds made room for others.
    Evicted,
    /// The capture ended first.
    EndOfCapture,
}

/// Signs that an end hides what it sends from whoever watches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Signs {
    /// Bytes that it sent more than once, with different values.
    pub overlap: u32,
    /// It sent data marked as urgent after TLS had begun.
    pub urgent: bool,
    /// Fragments of what it sent do not agree: of IP packets, of DTLS messages or of QUIC's streams.
    pub fragments: bool,
}

/// What is known of a flow apart from its bytes.
#[derive(Clone, Debug)]
pub struct FlowMeta {
    /// The two ends, low then high.
    pub endpoints: [Endpoint; 2],
    /// What the first packet of each end was wrapped in.
    pub layers: [Option<Layers>; 2],
    /// The end that sent a SYN without ACK, if one was seen.
    pub initiator: Option<Side>,
    /// Payload bytes of each end while the flow was watched, each byte once.
    pub bytes: [u64; 2],
    /// Holes in each direction.
    pub gaps: [u32; 2],
    /// What each end did that looks like hiding.
    pub signs: [Signs; 2],
    /// A SYN was seen of this end.
    pub syn: [bool; 2],
    /// A FIN was seen of this end.
    pub fin: [bool; 2],
    /// A RST was seen.
    pub reset: bool,
    /// First packet with payload.
    pub opened: Timestamp,
    /// Last packet while the flow was watched.
    pub last: Timestamp,
}

impl FlowMeta {
    /// Of a flow between these ends whose first packet came `at` then.
    pub(crate) fn new(endpoints: [Endpoint; 2], at: Timestamp) -> Self {
        Self {
            endpoints,
            layers: [None; 2],
            initiator: None,
            bytes: [0; 2],
            gaps: [0; 2],
            signs: <[Signs; 2]>::default(),
            syn: [false; 2],
            fin: [false; 2],
            reset: false,
            opened: at,
            last: at,
        }
    }
}

counters! {
    /// Counters of a flow table.
    pub struct TableStats {
        /// Flows that had payload.
        pub flows: u64,
        /// SYNs of flows that had none yet.
        pub syns: u64,
        /// Segments of flows of which nothing more was wanted.
        pub shunted_segments: u64,
        /// Connections on the ports of an earlier one.
        pub reopened: u64,
        /// Flows of which packets were seen under two VLAN tags.
        pub joined: u64,
        /// Flows forgotten because there were too many.
        pub evicted: u64,
        /// Handshakes given up because too many, or too large, were watched at once.
        pub evicted_watched: u64,
        /// Directions whose beginning was waited for in vain.
        pub guessed_starts: u64,
        /// Flows that were given up before TLS began, and of which what was said before is lost.
        pub cleartexts_lost: u64,
    }
}
