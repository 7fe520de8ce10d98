//! pcapng: sections of blocks, each section with its own byte order and interfaces.
//!
//! ```text
//! type(4) length(4) body… padding length(4)
//! ```
//!
//! Packets come from enhanced, simple and the obsolete packet blocks; interfaces and their
//! statistics are read, all other blocks are stepped over. What a block's two lengths frame is
//! believed, nothing beyond it. A packet of an interface that was never described is counted and
//! passed over, as the framing around it is sound; a contradiction inside a block is damage. A
//! packet without a time, or with one that cannot be true, gets that of the packet before it.

use crate::clock::Timestamp;
use crate::limits::Limits;

use super::classic::{Stop, Tally, Walked};
use super::magic::{SECTION_HEADER, order_of_section};
use super::order::{Big, ByteOrder, Fields, Little, Order};
use super::{Frame, LinkType};

/// Bytes of a block's type and lengths.
const FRAMING: u32 = 12;

/// Bytes of the smallest section header block.
const SECTION_HEADER_BLOCK: usize = 28;

/// Block types.
const INTERFACE_DESCRIPTION: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const INTERFACE_STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;

/// Options of an interface description.
const IF_TSRESOL: u16 = 9;
const IF_TSOFFSET: u16 = 14;

/// Option of an enhanced packet block.
const EPB_DROPCOUNT: u16 = 4;

/// What an obsolete packet block says where the number of losses is not known.
const UNKNOWN_DROPS: u16 = 0xffff;

/// Options of interface statistics.
const ISB_IFDROP: u16 = 5;
const ISB_OSDROP: u16 = 7;

/// What is known in the middle of a pcapng file.
#[derive(Debug)]
pub(super) struct Pcapng {
    order: ByteOrder,
    interfaces: Vec<Interface>,
    /// Losses of the sections before this one.
    dropped_before: u64,
    /// The time of the packet before, for those that have none.
    last: Timestamp,
    orphans: u64,
}

/// One interface of the section.
#[derive(Clone, Copy, Debug)]
struct Interface {
    link: LinkType,
    snaplen: u32,
    clock: Clock,
    /// Losses by its last statistics.
    dropped: u64,
    /// Losses by its packets, of which each counts those since the one before.
    dropped_between: u64,
}

impl Interface {
    /// What is lost may be counted in both ways, or in one of them only.
    fn all_dropped(&self) -> u64 {
        self.dropped.max(self.dropped_between)
    }
}

/// How an interface counts time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Clock {
    tick: Tick,
    /// Nanoseconds to be added to every stamp.
    offset: i64,
}

/// How long a unit of time is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tick {
    /// So many nanoseconds.
    Nanos(u64),
    /// A nanosecond has so many of it.
    PerNano(u64),
    /// A second has two to this power of it.
    Binary(u8),
}

/// Why a block was not read.
type Refused = &'static str;

impl Pcapng {
    /// Before the first section header.
    pub(super) const fn new() -> Self {
        Self {
            order: ByteOrder::Little,
            interfaces: Vec::new(),
            dropped_before: 0,
            last: Timestamp::from_nanos(0),
            orphans: 0,
        }
    }

    /// Packets lost, by the last statistics of each interface or by its packets.
    pub(super) fn dropped(&self) -> u64 {
        self.interfaces
            .iter()
            .fold(self.dropped_before, |sum, interface| sum.saturating_add(interface.all_dropped()))
    }

    /// Packets of unknown interfaces.
    pub(super) const fn orphans(&self) -> u64 {
        self.orphans
    }

    /// Hand the packets of all whole blocks at the beginning of `bytes` to `sink`.
    pub(super) fn walk<'a>(
        &mut self,
        bytes: &'a [u8],
        limits: &Limits,
        sink: &mut impl FnMut(Frame<'a>),
    ) -> Walked {
        let mut tally = Tally::default();
        let mut rest = bytes;
        let stop = loop {
            let stop = match self.order {
                ByteOrder::Big => self.blocks::<Big>(&mut rest, limits, &mut tally, sink),
                ByteOrder::Little => self.blocks::<Little>(&mut rest, limits, &mut tally, sink),
            };
            match stop {
                // A section header: from here on the byte order may be another.
                None => match self.section(&mut rest, limits) {
                    None => {}
                    Some(stop) => break stop,
                },
                Some(stop) => break stop,
            }
        };
        Walked { consumed: bytes.len().saturating_sub(rest.len()), tally, stop }
    }

    /// Walk blocks of one section; `None` is a section header at the beginning of `rest`.
    fn blocks<'a, O: Order>(
        &mut self,
        rest: &mut &'a [u8],
        limits: &Limits,
        tally: &mut Tally,
        sink: &mut impl FnMut(Frame<'a>),
    ) -> Option<Stop> {
        loop {
            let Some((kind, _)) = rest.split_first_chunk::<4>() else {
                return Some(Stop::More(FRAMING as usize));
            };
            if *kind == SECTION_HEADER {
                return None;
            }
            let kind = O::u32(*kind);
            let (body, behind) = match block::<O>(rest, limits.block_bytes) {
                Ok(parts) => parts,
                Err(stop) => return Some(stop),
            };
            let read = match kind {
                ENHANCED_PACKET => self.enhanced::<O>(body, tally, sink),
                INTERFACE_DESCRIPTION => self.interface::<O>(body, limits.interfaces),
                INTERFACE_STATISTICS => {
                    self.statistics::<O>(body);
                    Ok(())
                }
                OBSOLETE_PACKET => self.obsolete::<O>(body, tally, sink),
                SIMPLE_PACKET => self.simple::<O>(body, tally, sink),
                _ => Ok(()),
            };
            if let Err(reason) = read {
                return Some(Stop::Damage(reason));
            }
            *rest = behind;
        }
    }

    /// A section header: the interfaces of the section before are forgotten.
    fn section(&mut self, rest: &mut &[u8], limits: &Limits) -> Option<Stop> {
        let Some(magic) = rest.get(8..12) else {
            return Some(Stop::More(SECTION_HEADER_BLOCK));
        };
        let Some(order) = order_of_section(magic) else {
            return Some(Stop::Damage("the section's byte-order magic is none"));
        };
        let parts = match order {
            ByteOrder::Big => block::<Big>(rest, limits.block_bytes)
                .map(|(body, behind)| (major_version::<Big>(body), behind)),
            ByteOrder::Little => block::<Little>(rest, limits.block_bytes)
                .map(|(body, behind)| (major_version::<Little>(body), behind)),
        };
        match parts {
            // The section's length is not used: it may be -1, and blocks lead through anyway.
            Ok((Some(1), behind)) => {
                self.dropped_before = self.dropped();
                self.interfaces.clear();
                self.order = order;
                *rest = behind;
                None
            }
            Ok((Some(_), _)) => {
                Some(Stop::Damage("the section is of a pcapng version that is not known"))
            }
            Ok((None, _)) => Some(Stop::Damage("the section header is too short")),
            Err(stop) => Some(stop),
        }
    }

    /// An interface description block.
    fn interface<O: Order>(&mut self, body: &[u8], most: usize) -> Result<(), Refused> {
        if self.interfaces.len() >= most {
            return Err("the section describes more interfaces than are believed");
        }
        let mut fields = Fields::<O>::new(body);
        let (link, snaplen) = (|| {
            let link = fields.u16()?;
            fields.u16()?;
            Some((LinkType(link), fields.u32()?))
        })()
        .ok_or("the interface description is too short")?;
        let mut clock = Clock::default();
        let options = each_option::<O>(fields.rest(), |code, value| match (code, value) {
            (IF_TSRESOL, [resolution]) => clock.tick = Tick::of(*resolution),
            (IF_TSOFFSET, value) => {
                if let Some(seconds) = Fields::<O>::new(value).u64() {
                    clock.offset = seconds.cast_signed().saturating_mul(1_000_000_000);
                }
            }
            _ => {}
        });
        // Without its options an interface may have a wrong clock: no guess is made.
        options.ok_or("an option of the interface description is longer than the block")?;
        self.interfaces.push(Interface { link, snaplen, clock, dropped: 0, dropped_between: 0 });
        Ok(())
    }

    /// An interface statistics block: its counters go on from block to block, so the last counts.
    fn statistics<O: Order>(&mut self, body: &[u8]) {
        let mut fields = Fields::<O>::new(body);
        let Some(interface) =
            fields.u32().and_then(|id| self.interfaces.get_mut(usize::try_from(id).ok()?))
        else {
            return;
        };
        let Some(_time) = fields.u64() else {
            return;
        };
        let mut dropped: Option<u64> = None;
        // An option that is too long ends the list; the counters before it hold.
        let _ = each_option::<O>(fields.rest(), |code, value| {
            if matches!(code, ISB_IFDROP | ISB_OSDROP)
                && let Some(count) = Fields::<O>::new(value).u64()
            {
                // By the interface and by the system: different packets.
                dropped = Some(dropped.unwrap_or_default().saturating_add(count));
            }
        });
        if let Some(dropped) = dropped {
            interface.dropped = dropped;
        }
    }

    /// An enhanced packet block.
    #[inline]
    fn enhanced<'a, O: Order>(
        &mut self,
        body: &'a [u8],
        tally: &mut Tally,
        sink: &mut impl FnMut(Frame<'a>),
    ) -> Result<(), Refused> {
        let mut fields = Fields::<O>::new(body);
        let interface = fields.u32().ok_or(SHORT)?;
        self.packet(interface, &mut fields, tally, sink)?;
        // Less than a word is padding. Few writers have more to say.
        if fields.rest().len() >= 4 {
            self.options::<O>(interface, fields.rest());
        }
        Ok(())
    }

    /// What is behind a packet in its block.
    #[cold]
    fn options<O: Order>(&mut self, interface: u32, rest: &[u8]) {
        // Blocks are whole words, as options are: what is over is the packet's padding.
        let options = rest.get(rest.len() % 4..).unwrap_or_default();
        let mut dropped = 0_u64;
        // An option that is too long ends the list; the counter before it holds.
        let _ = each_option::<O>(options, |code, value| {
            if code == EPB_DROPCOUNT
                && let Some(count) = Fields::<O>::new(value).u64()
            {
                dropped = count;
            }
        });
        self.drop_between(interface, dropped);
    }

    /// So many packets of an interface were lost between two of them.
    fn drop_between(&mut self, interface: u32, count: u64) {
        if let Some(interface) = self.interfaces.get_mut(interface as usize) {
            interface.dropped_between = interface.dropped_between.saturating_add(count);
        }
    }

    /// The packet block that the enhanced one replaced.
    fn obsolete<'a, O: Order>(
        &mut self,
        body: &'a [u8],
        tally: &mut Tally,
        sink: &mut impl FnMut(Frame<'a>),
    ) -> Result<(), Refused> {
        let mut fields = Fields::<O>::new(body);
        let interface = u32::from(fields.u16().ok_or(SHORT)?);
        let dropped = fields.u16().ok_or(SHORT)?;
        self.packet(interface, &mut fields, tally, sink)?;
        if dropped != UNKNOWN_DROPS {
            self.drop_between(interface, u64::from(dropped));
        }
        Ok(())
    }

    /// What both of these have: time, lengths, and the packet.
    #[inline]
    fn packet<'a, O: Order>(
        &mut self,
        interface: u32,
        fields: &mut Fields<'a, O>,
        tally: &mut Tally,
        sink: &mut impl FnMut(Frame<'a>),
    ) -> Result<(), Refused> {
        let [high, low, captured, length] = fields
            .take(16)
            .and_then(|numbers| numbers.as_chunks::<4>().0.first_chunk())
            .ok_or(SHORT)?;
        let captured = O::u32(*captured);
        let bytes = fields
            .take(captured as usize)
            .ok_or("the packet's captured length is longer than its block")?;
        let Some(interface) = self.interfaces.get(interface as usize) else {
            self.orphans = self.orphans.saturating_add(1);
            return Ok(());
        };
        let ticks = u64::from(O::u32(*high)) << 32 | u64::from(O::u32(*low));
        // A stamp that cannot be true would be a jump of the clock that flows expire by.
        self.last = interface.clock.timestamp(ticks).unwrap_or(self.last);
        let frame = Frame {
            timestamp: self.last,
            link: interface.link,
            wire_len: O::u32(*length).max(captured),
            bytes,
        };
        tally.deliver(frame, sink);
        Ok(())
    }

    /// A simple packet block: of the first interface, and without a time.
    ///
    /// It gets the time of the packet before it. Zero would be a jump of the clock, and flows
    /// expire by that clock.
    fn simple<'a, O: Order>(
        &mut self,
        body: &'a [u8],
        tally: &mut Tally,
        sink: &mut impl FnMut(Frame<'a>),
    ) -> Result<(), Refused> {
        let mut fields = Fields::<O>::new(body);
        let length = fields.u32().ok_or(SHORT)?;
        let Some(interface) = self.interfaces.first() else {
            self.orphans = self.orphans.saturating_add(1);
            return Ok(());
        };
        // The captured length is not written down: it follows from the snaplen (0: no limit).
        let captured = match interface.snaplen {
            0 => length,
            snaplen => length.min(snaplen),
        };
        let bytes = fields
            .take(captured as usize)
            .ok_or("the packet's captured length is longer than its block")?;
        let frame = Frame { timestamp: self.last, link: interface.link, wire_len: length, bytes };
        tally.deliver(frame, sink);
        Ok(())
    }
}

impl Default for Clock {
    /// Microseconds since 1970, where an interface says nothing.
    fn default() -> Self {
        Self { tick: Tick::Nanos(1_000), offset: 0 }
    }
}

impl Clock {
    /// A stamp of this clock as capture time; `None` if it lies before 1970 or beyond 2554.
    #[inline]
    fn timestamp(self, ticks: u64) -> Option<Timestamp> {
        let nanoseconds = match self.tick {
            Tick::Nanos(nanoseconds) => ticks.checked_mul(nanoseconds)?,
            Tick::PerNano(units) => ticks.checked_div(units).unwrap_or_default(),
            Tick::Binary(power) => {
                // Below 2^64 × 10^9 < 2^94, so nothing is lost but fractions of a nanosecond.
                let scaled = u128::from(ticks).wrapping_mul(1_000_000_000);
                let nanoseconds = scaled.checked_shr(u32::from(power)).unwrap_or_default();
                u64::try_from(nanoseconds).ok()?
            }
        };
        nanoseconds.checked_add_signed(self.offset).map(Timestamp::from_nanos)
    }
}

impl Tick {
    /// From the option's value: a negative power of two if the uppermost bit is set, else of ten.
    fn of(resolution: u8) -> Self {
        let power = resolution & 0x7f;
        if resolution != power {
            return Self::Binary(power);
        }
        match 9_u32.checked_sub(u32::from(power)) {
            Some(coarser) => Self::Nanos(10_u64.saturating_pow(coarser)),
            // A unit so small that no stamp makes a nanosecond of it is zero here.
            None => Self::PerNano(
                10_u64.checked_pow(u32::from(power).saturating_sub(9)).unwrap_or_default(),
            ),
        }
    }
}

/// A packet block without room for its own fields.
const SHORT: Refused = "the packet block is too short";

/// The body of the block that `bytes` begin with, and what lies behind the block.
#[inline]
fn block<O: Order>(bytes: &[u8], largest: u32) -> Result<(&[u8], &[u8]), Stop> {
    let Some((head, _)) = bytes.split_first_chunk::<8>() else {
        return Err(Stop::More(FRAMING as usize));
    };
    let [_, _, _, _, length @ ..] = *head;
    let length = O::u32(length);
    if length < FRAMING {
        return Err(Stop::Damage("the block's length is less than its framing"));
    }
    if length > largest {
        return Err(Stop::Damage("the block's length is beyond belief"));
    }
    let Some((whole, behind)) = bytes.split_at_checked(length as usize) else {
        return Err(Stop::More(length as usize));
    };
    let framed = whole.split_last_chunk::<4>().and_then(|(front, trailer)| {
        (O::u32(*trailer) == length).then(|| front.split_first_chunk::<8>()).flatten()
    });
    match framed {
        Some((_, body)) => Ok((body, behind)),
        None => Err(Stop::Damage("the block's two lengths differ")),
    }
}

/// The major version of a section header's body.
fn major_version<O: Order>(body: &[u8]) -> Option<u16> {
    let mut fields = Fields::<O>::new(body);
    fields.take(4)?;
    let major = fields.u16()?;
    let _minor = fields.u16()?;
    let _section_length = fields.u64()?;
    Some(major)
}

/// Hand each option to `seen`; `None` if one is longer than the block.
fn each_option<O: Order>(options: &[u8], mut seen: impl FnMut(u16, &[u8])) -> Option<()> {
    let mut fields = Fields::<O>::new(options);
    while !fields.rest().is_empty() {
        let code = fields.u16()?;
        let length = fields.u16()?;
        if code == 0 {
            break;
        }
        seen(code, fields.take(usize::from(length))?);
        let padding = usize::from(length.wrapping_neg() & 3);
        // Some writers leave the padding of the last option away.
        if fields.take(padding).is_none() {
            break;
        }
    }
    Some(())
}
