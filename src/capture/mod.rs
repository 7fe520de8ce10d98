//! Where frames come from: capture files and streams, and network interfaces.
//!
//! A [`Source`] hands each captured packet to a callback as a [`Frame`] that borrows from the
//! source's own buffer: nothing is copied, and nothing of it outlives the call. Only this module
//! and the outermost ones do I/O. It refuses what is no capture, and stops at damage with an
//! [`Error`](enum@Error) that names the file, the offset and the reason; all frames before it were delivered.

#![warn(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing
)]

pub mod file;
pub mod filter;
#[cfg(feature = "live")]
pub mod live;
pub mod paths;

mod ahead;
mod buffer;
mod classic;
#[cfg(feature = "compression")]
mod compressed;
mod input;
mod magic;
mod order;
mod pcapng;
mod reader;
#[cfg(test)]
mod tests;
mod walk;

use std::fmt::{self, Write as _};
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::clock::Timestamp;
use crate::counters::counters;

/// One captured packet as it lay on the wire, borrowed from the source's buffer.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// When it was captured.
    pub timestamp: Timestamp,
    /// What its first byte belongs to.
    pub link: LinkType,
    /// How long it was on the wire; more than `bytes` if the snaplen cut it.
    pub wire_len: u32,
    /// What was captured of it.
    pub bytes: &'a [u8],
}

/// A link-layer header type, by its number in the LINKTYPE registry of pcap files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkType(pub u16);

impl LinkType {
    /// BSD loopback: a protocol family in the capturing host's byte order.
    pub const NULL: Self = Self(0);
    /// Ethernet.
    pub const ETHERNET: Self = Self(1);
    /// PPP, optionally in HDLC-like framing.
    pub const PPP: Self = Self(9);
    /// Raw IP as some systems number it in files.
    pub const DLT_RAW: Self = Self(12);
    /// Raw IP as OpenBSD numbers it in files.
    pub const DLT_RAW_OPENBSD: Self = Self(14);
    /// PPP in HDLC-like framing.
    pub const PPP_HDLC: Self = Self(50);
    /// PPP over Ethernet session packets without the Ethernet header.
    pub const PPP_ETHER: Self = Self(51);
    /// Raw IP, version in its first nibble.
    pub const RAW: Self = Self(101);
    /// Cisco HDLC.
    pub const C_HDLC: Self = Self(104);
    /// IEEE 802.11.
    pub const IEEE802_11: Self = Self(105);
    /// OpenBSD loopback: a protocol family in network byte order.
    pub const LOOP: Self = Self(108);
    /// Linux cooked capture, version 1.
    pub const LINUX_SLL: Self = Self(113);
    /// IEEE 802.11 behind a radiotap header.
    pub const IEEE802_11_RADIOTAP: Self = Self(127);
    /// Raw IPv4.
    pub const IPV4: Self = Self(228);
    /// Raw IPv6.
    pub const IPV6: Self = Self(229);
    /// Linux cooked capture, version 2.
    pub const LINUX_SLL2: Self = Self(276);
}

/// The number, and the name that libpcap has for it.
impl fmt::Display for LinkType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        #[cfg(feature = "live")]
        if let Ok(name) = pcap::Linktype(i32::from(self.0)).get_name() {
            write!(f, " ({name})")?;
        }
        Ok(())
    }
}

/// Something that frames come from.
pub trait Source {
    /// Hand the frames at hand to `sink`, in order: a buffer's worth, not all there are.
    ///
    /// After an error the source is at its end; what came before it has been delivered.
    fn poll(&mut self, sink: &mut impl FnMut(Frame<'_>)) -> Result<Poll, Error>;

    /// What has been read so far.
    fn stats(&self) -> CaptureStats;
}

/// What one call of [`Source::poll`] brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Poll {
    /// So many frames were delivered.
    Frames(usize),
    /// Nothing now, perhaps later (live sources only).
    Idle,
    /// There is no more, behind frames that may have been delivered by the same call.
    End,
}

counters! {
    /// Counters of one source.
    pub struct CaptureStats {
        /// Frames delivered.
        pub frames: u64,
        /// Bytes of those frames, as captured.
        pub frame_bytes: u64,
        /// Bytes read from the file or stream, before decompression.
        pub read_bytes: u64,
        /// Frames shorter than they were on the wire (snaplen).
        pub cut_frames: u64,
        /// Frames of which only the headers were taken, as no more was wanted: those bytes count as captured.
        pub lightened: u64,
        /// Packets that the capturing system says it lost, where it says so: of an interface, those for
        /// which its ring had no room.
        pub dropped: u64,
        /// Packets that an interface or its driver lost before they were captured.
        pub interface_dropped: u64,
        /// Packets of an interface that the file does not describe: what their first byte belongs to
        /// is unknown, so they are not delivered.
        pub orphans: u64,
    }
}

/// A place in a capture: in the file itself, or in what its compressed data unpacks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offset {
    /// Bytes of decompressed data before it.
    Decompressed(u64),
    /// Bytes of the file or stream before it.
    File(u64),
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decompressed(bytes) => write!(f, "byte {bytes} of its decompressed data"),
            Self::File(bytes) => write!(f, "byte {bytes}"),
        }
    }
}

/// Why a source could not be opened, or not be read to its end.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The file is empty.
    #[error("`{}` is empty: not even a capture's file header", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A block or record contradicts itself.
    #[error("`{}` is damaged at {offset}: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where the damaged block or record begins.
        offset: Offset,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A directory with no capture in it.
    #[error("no capture in `{}`", path.display())]
    NoCapture {
        /// The directory.
        path: PathBuf,
    },
    /// The file begins with no magic number of a capture.
    #[error("`{}` is no capture file (it begins with {})", path.display(), hex(magic))]
    NotACapture {
        /// The file.
        path: PathBuf,
        /// How it begins.
        magic: Vec<u8>,
    },
    /// The file cannot be opened.
    #[error("cannot open `{}`: {cause}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// A filter expression that means nothing.
    #[error("cannot filter by `{expression}`: {reason}")]
    Filter {
        /// What was typed.
        expression: String,
        /// What libpcap says.
        reason: String,
    },
    /// An interface cannot be captured on.
    #[error("cannot capture on `{name}`: {reason}")]
    Interface {
        /// Its name.
        name: String,
        /// Why not.
        reason: String,
    },
    /// There is no such interface.
    #[error("there is no interface `{name}`")]
    NoInterface {
        /// What was typed.
        name: String,
    },
    /// This process may not capture.
    #[error("cannot capture on `{name}`: the capability CAP_NET_RAW is missing")]
    Permission {
        /// The interface.
        name: String,
    },
    /// The run was stopped before it was opened.
    #[error("`{}` was not opened: the run was stopped before", path.display())]
    NotReached {
        /// The file.
        path: PathBuf,
    },
    /// Reading failed, or the compressed data is damaged.
    #[error("cannot read `{}` beyond {offset}: {cause}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// How far it was read.
        offset: Offset,
        /// What the system or the decompressor says.
        cause: io::Error,
    },
    /// The run was stopped in its middle.
    #[error("`{}` was read to byte {read} of {size}: the run was stopped", path.display())]
    Stopped {
        /// The file.
        path: PathBuf,
        /// How many of its bytes were read.
        read: u64,
        /// How many it has.
        size: u64,
    },
    /// The file ends in the middle of a block or packet.
    #[error("`{}` is cut short at {offset}, in the middle of {within}", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Where the block or record begins that is not whole.
        offset: Offset,
        /// What it is that is not whole.
        within: &'static str,
    },
    /// The file is a capture of a kind that cannot be read.
    #[error("`{}` cannot be read: {reason}", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// Which kind it is, and what can be done.
        reason: &'static str,
    },
}

impl Error {
    /// The file or directory that it is about, if it is about one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Empty { path }
            | Self::Malformed { path, .. }
            | Self::NoCapture { path }
            | Self::NotACapture { path, .. }
            | Self::Open { path, .. }
            | Self::NotReached { path }
            | Self::Read { path, .. }
            | Self::Stopped { path, .. }
            | Self::Truncated { path, .. }
            | Self::Unsupported { path, .. } => Some(path),
            Self::Filter { .. }
            | Self::Interface { .. }
            | Self::NoInterface { .. }
            | Self::Permission { .. } => None,
        }
    }
}

/// Bytes as a person reads them in an error message.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::from("0x"), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
