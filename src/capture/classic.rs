//! Classic pcap files: a header, then records until the end.
//!
//! ```text
//! magic(4) version(2+2) zone(4) accuracy(4) snaplen(4) network(4)     the file's header
//! seconds(4) fraction(4) captured(4) length(4) [interface(4) protocol(2) type(1) pad(1)] packet…
//! ```
//!
//! Versions and snaplens are not believed: writers lie about both. What is believed is a captured
//! length up to [`block_bytes`](crate::limits::Limits::block_bytes); more is damage.

use crate::clock::Timestamp;

use super::magic::{Records, Variant};
use super::order::{Big, ByteOrder, Fields, Little, Order};
use super::{Frame, LinkType};

/// Bytes of the file's header.
pub(super) const FILE_HEADER: usize = 24;

/// Bytes of a record's header that all variants have.
const RECORD_HEADER: usize = 16;

/// Bytes that a modified record's header has besides.
const MODIFIED_HEADER: usize = 8;

/// What one pass over a buffer came to.
#[derive(Debug)]
pub(super) struct Walked {
    /// Bytes of whole records or blocks.
    pub(super) consumed: usize,
    /// What they held.
    pub(super) tally: Tally,
    /// Why the pass ended.
    pub(super) stop: Stop,
}

/// Counts of delivered frames.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    /// Frames.
    pub(super) frames: u64,
    /// Their bytes, as captured.
    pub(super) bytes: u64,
    /// Those that the snaplen cut.
    pub(super) cut: u64,
}

impl Tally {
    /// Count `frame` and hand it on.
    #[inline]
    pub(super) fn deliver<'a>(&mut self, frame: Frame<'a>, sink: &mut impl FnMut(Frame<'a>)) {
        self.frames = self.frames.wrapping_add(1);
        self.bytes = self.bytes.wrapping_add(frame.bytes.len() as u64);
        self.cut = self.cut.wrapping_add(u64::from(frame.wire_len as usize > frame.bytes.len()));
        sink(frame);
    }
}

/// Why a pass over a buffer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The record contradicts itself.
    Damage(&'static str),
    /// A file header stands where a record should: captures were concatenated.
    FileHeader,
    /// The record is not whole; so many bytes of it are needed to go on.
    More(usize),
}

/// A pcap file whose header was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Classic {
    variant: Variant,
    link: LinkType,
}

/// Why a header was refused.
pub(super) enum Refusal {
    /// AIX numbers link types as no one else does.
    Aix,
    /// It is no pcap header, or less than one.
    NoHeader,
}

impl Classic {
    /// From the file's header.
    pub(super) fn parse(header: &[u8]) -> Result<Self, Refusal> {
        let magic = header.first_chunk::<4>().ok_or(Refusal::NoHeader)?;
        let variant = Variant::of(*magic).ok_or(Refusal::NoHeader)?;
        let (version, network) = match variant.order {
            ByteOrder::Big => fields::<Big>(header),
            ByteOrder::Little => fields::<Little>(header),
        }
        .ok_or(Refusal::NoHeader)?;
        // Nothing else still writes 2.2; AIX means interface types by its link types, and
        // nanoseconds by its microseconds.
        if version == (2, 2) {
            return Err(Refusal::Aix);
        }
        // The upper half of the field tells whether frames end in a checksum (FCS), and how long
        // it is. It lies behind the packet, where no parser looks.
        let [_, _, high, low] = network.to_be_bytes();
        Ok(Self { variant, link: LinkType(u16::from_be_bytes([high, low])) })
    }

    /// Hand all whole records at the beginning of `bytes` to `sink`.
    pub(super) fn walk<'a>(
        self,
        bytes: &'a [u8],
        largest: u32,
        sink: &mut impl FnMut(Frame<'a>),
    ) -> Walked {
        match (self.variant.order, self.variant.records) {
            (ByteOrder::Big, Records::Plain) => self.records::<Big, 0>(bytes, largest, sink),
            (ByteOrder::Little, Records::Plain) => self.records::<Little, 0>(bytes, largest, sink),
            (ByteOrder::Big, Records::Modified) => {
                self.records::<Big, MODIFIED_HEADER>(bytes, largest, sink)
            }
            (ByteOrder::Little, Records::Modified) => {
                self.records::<Little, MODIFIED_HEADER>(bytes, largest, sink)
            }
        }
    }

    /// The loop that every packet of a large file goes through: nothing is looked up in it that is
    /// the same for all records, and nothing is written but the counters.
    fn records<'a, O: Order, const MORE: usize>(
        self,
        bytes: &'a [u8],
        largest: u32,
        sink: &mut impl FnMut(Frame<'a>),
    ) -> Walked {
        let mut rest = bytes;
        let mut tally = Tally::default();
        let stop = loop {
            let Some((header, behind)) = rest.split_first_chunk::<RECORD_HEADER>() else {
                break Stop::More(RECORD_HEADER);
            };
            let ([seconds, fraction, captured, length], _) = header.as_chunks::<4>() else {
                break Stop::More(RECORD_HEADER);
            };
            let captured = O::u32(*captured);
            let length = O::u32(*length);
            if captured == 0 && length == 0 {
                if *header == [0; RECORD_HEADER] {
                    break Stop::Damage("zeros stand where a packet should begin");
                }
                // A header's zone and accuracy are zero and lie where these lengths would.
                if Variant::of(*seconds).is_some() {
                    break Stop::FileHeader;
                }
            }
            if captured > largest {
                break Stop::Damage("the packet's captured length is beyond belief");
            }
            let Some((packet, behind)) = behind
                .split_at_checked(MORE)
                .and_then(|(_, behind)| behind.split_at_checked(captured as usize))
            else {
                break Stop::More(
                    (captured as usize).saturating_add(RECORD_HEADER).saturating_add(MORE),
                );
            };
            rest = behind;
            let timestamp = Timestamp::from_nanos(
                // Two 32-bit numbers, neither product nor sum can be too large.
                u64::from(O::u32(*seconds)).wrapping_mul(1_000_000_000).wrapping_add(
                    u64::from(O::u32(*fraction)).wrapping_mul(u64::from(self.variant.tick)),
                ),
            );
            let frame =
                Frame { timestamp, link: self.link, wire_len: length.max(captured), bytes: packet };
            tally.deliver(frame, sink);
        };
        Walked { consumed: bytes.len().saturating_sub(rest.len()), tally, stop }
    }
}

/// The version and the network field of a file's header.
fn fields<O: Order>(header: &[u8]) -> Option<((u16, u16), u32)> {
    let mut fields = Fields::<O>::new(header);
    fields.take(4)?;
    let version = (fields.u16()?, fields.u16()?);
    fields.take(12)?;
    Some((version, fields.u32()?))
}
