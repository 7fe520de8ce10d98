//! What a file is, told by its first bytes and never by its name.

use super::order::ByteOrder;

/// As many bytes as are needed to tell: a pcap header. No other capture is shorter than that, nor
/// is a compressed one.
pub(super) const HEAD: usize = 24;

/// pcapng's byte-order magic as it lies in a big-endian section.
pub(super) const BYTE_ORDER_MAGIC: [u8; 4] = [0x1a, 0x2b, 0x3c, 0x4d];

/// The block type of a section header, the same in either byte order.
pub(super) const SECTION_HEADER: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

/// What the first bytes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A classic pcap file.
    Classic(Variant),
    /// Compressed data; what is inside is not told here.
    Compressed(Compression),
    /// A capture, but of a kind that is not read; the text says which, and the cure.
    Foreign(&'static str),
    /// Compressed in a way that is not looked into; the text says which, and the cure.
    Packed(&'static str),
    /// A pcapng file.
    Pcapng,
    /// Nothing known.
    Unknown,
}

impl Kind {
    /// What begins with `head`, of which at least [`HEAD`] bytes should be given if there are.
    pub(super) fn of(head: &[u8]) -> Self {
        let Some(magic) = head.first_chunk::<4>() else {
            return Self::Unknown;
        };
        if let Some(variant) = Variant::of(*magic) {
            return Self::Classic(variant);
        }
        if *magic == SECTION_HEADER {
            // A text may begin with these line ends: the byte-order magic has to follow.
            return match head.get(8..12) {
                Some(order) if order_of_section(order).is_none() => Self::Unknown,
                _ => Self::Pcapng,
            };
        }
        if let Some(compression) = Compression::of(head) {
            return Self::Compressed(compression);
        }
        for (begin, reason) in FOREIGN {
            if head.starts_with(begin) {
                return Self::Foreign(reason);
            }
        }
        for (begin, reason) in PACKED {
            if head.starts_with(begin) {
                return Self::Packed(reason);
            }
        }
        Self::Unknown
    }
}

/// The byte order that a section's byte-order magic tells.
pub(super) fn order_of_section(magic: &[u8]) -> Option<ByteOrder> {
    if *magic == BYTE_ORDER_MAGIC {
        Some(ByteOrder::Big)
    } else if magic.iter().rev().eq(&BYTE_ORDER_MAGIC) {
        Some(ByteOrder::Little)
    } else {
        None
    }
}

/// Which of the classic pcap formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Variant {
    pub(super) order: ByteOrder,
    pub(super) records: Records,
    /// Nanoseconds in a unit of the second time field.
    pub(super) tick: u32,
}

/// How long a record's header is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Records {
    /// 24 bytes: Kuznetzov's patched libpcap added an interface, a protocol and a packet type.
    Modified,
    /// 16 bytes.
    Plain,
}

impl Variant {
    pub(super) const fn of(magic: [u8; 4]) -> Option<Self> {
        let (order, records, tick) = match magic {
            [0xd4, 0xc3, 0xb2, 0xa1] => (ByteOrder::Little, Records::Plain, 1_000),
            [0xa1, 0xb2, 0xc3, 0xd4] => (ByteOrder::Big, Records::Plain, 1_000),
            [0x4d, 0x3c, 0xb2, 0xa1] => (ByteOrder::Little, Records::Plain, 1),
            [0xa1, 0xb2, 0x3c, 0x4d] => (ByteOrder::Big, Records::Plain, 1),
            [0x34, 0xcd, 0xb2, 0xa1] => (ByteOrder::Little, Records::Modified, 1_000),
            [0xa1, 0xb2, 0xcd, 0x34] => (ByteOrder::Big, Records::Modified, 1_000),
            _ => return None,
        };
        Some(Self { order, records, tick })
    }
}

/// A compression that captures come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    /// gzip members (RFC 1952).
    Gzip,
    /// LZ4 frames.
    Lz4,
    /// xz streams.
    Xz,
    /// Zstandard frames (RFC 8878).
    Zstd,
}

impl Compression {
    /// The compression of data that begins with `head`.
    ///
    /// A skippable frame may stand before Zstandard and LZ4 frames alike; it counts as Zstandard
    /// here, and the decompressor looks behind it.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        if is_skippable(head) {
            return Some(Self::Zstd);
        }
        [Self::Gzip, Self::Lz4, Self::Xz, Self::Zstd]
            .into_iter()
            .find(|compression| head.starts_with(compression.magic()))
    }

    /// How each member of it begins.
    pub(super) const fn magic(self) -> &'static [u8] {
        match self {
            Self::Gzip => &[0x1f, 0x8b],
            Self::Lz4 => &[0x04, 0x22, 0x4d, 0x18],
            Self::Xz => &[0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00],
            Self::Zstd => &[0x28, 0xb5, 0x2f, 0xfd],
        }
    }

    /// What is cut short if its data is.
    #[cfg(feature = "compression")]
    pub(super) const fn data(self) -> &'static str {
        match self {
            Self::Gzip => "its gzip data",
            Self::Lz4 => "its LZ4 data",
            Self::Xz => "its xz data",
            Self::Zstd => "its Zstandard data",
        }
    }

    /// Why it cannot be read by a program built without decompressors.
    #[cfg(not(feature = "compression"))]
    pub(super) const fn refusal(self) -> &'static str {
        match self {
            Self::Gzip => {
                "it is compressed, and this program was built without decompression: \
                 unpack it first with `gzip -d`"
            }
            Self::Lz4 => {
                "it is compressed, and this program was built without decompression: \
                 unpack it first with `lz4 -d`"
            }
            Self::Xz => {
                "it is compressed, and this program was built without decompression: \
                 unpack it first with `xz -d`"
            }
            Self::Zstd => {
                "it is compressed, and this program was built without decompression: \
                 unpack it first with `zstd -d`"
            }
        }
    }
}

/// Whether a frame begins here that Zstandard and LZ4 decoders skip (RFC 8878 §3.1.2).
pub(super) fn is_skippable(head: &[u8]) -> bool {
    matches!(head, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

/// Whether what is left of a file is the beginning of such a frame's magic number.
#[cfg(feature = "compression")]
pub(super) fn is_skippable_cut(head: &[u8]) -> bool {
    matches!(head, [0x50..=0x5f] | [0x50..=0x5f, 0x2a] | [0x50..=0x5f, 0x2a, 0x4d])
}

/// Captures of other kinds.
const FOREIGN: [(&[u8], &str); 6] = [
    (b"snoop\0\0\0", "it is a snoop capture: convert it with `editcap -F pcapng IN OUT`"),
    (b"GMBU", "it is a Network Monitor capture: convert it with `editcap -F pcapng IN OUT`"),
    (b"RTSS", "it is a Network Monitor capture: convert it with `editcap -F pcapng IN OUT`"),
    (b"iptrace ", "it is an AIX iptrace capture: convert it with `editcap -F pcapng IN OUT`"),
    (b"XCP\0", "it is a NetXRay capture: convert it with `editcap -F pcapng IN OUT`"),
    (b"TRSNIFF data", "it is a Sniffer capture: convert it with `editcap -F pcapng IN OUT`"),
];

/// Compressions that are not read.
const PACKED: [(&[u8], &str); 3] = [
    (b"BZh", "it is compressed with bzip2: unpack it first with `bzip2 -d`"),
    (b"PK\x03\x04", "it is a ZIP archive: unpack it first with `unzip`"),
    (b"\x02\x21\x4c\x18", "it is in LZ4's legacy format: unpack it first with `lz4 -d`"),
];
