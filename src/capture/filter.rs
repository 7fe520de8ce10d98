//! BPF expressions on frames of files and streams, as the kernel applies them on an interface.
//!
//! A file may hold packets of several link types, and an expression means another program on each:
//! a [`Filter`] has libpcap compile it for a link type when its first frame comes. An expression
//! that means nothing at all is refused at once; one that means nothing on one link type (`ether
//! host` on raw IP) is an error of the file that has such frames.

use std::fmt;
use std::sync::Arc;

use super::{Error, Frame, LinkType};

/// An expression that frames match or do not.
#[derive(Clone, Debug)]
pub struct Filter {
    expression: Arc<str>,
}

/// A filter at work on one source.
pub struct Filtering {
    filter: Filter,
    /// Sources have few link types.
    programs: Vec<(LinkType, Program)>,
    /// Frames that did not match.
    refused: u64,
}

impl Filter {
    /// Take an expression that means something on Ethernet, or else on raw IP.
    pub fn new(expression: &str) -> Result<Self, Error> {
        let filter = Self { expression: expression.into() };
        filter
            .compile(LinkType::ETHERNET)
            .or_else(|error| filter.compile(LinkType::RAW).map_err(|_| error))?;
        Ok(filter)
    }

    /// Set it to work on a source.
    pub const fn start(self) -> Filtering {
        Filtering { filter: self, programs: Vec::new(), refused: 0 }
    }

    fn compile(&self, link: LinkType) -> Result<Program, Error> {
        Program::compile(link, &self.expression)
            .map_err(|reason| Error::Filter { expression: self.expression.to_string(), reason })
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.expression)
    }
}

impl Filtering {
    /// Whether a frame matches, or why that cannot be said.
    pub fn matches(&mut self, frame: &Frame<'_>) -> Result<bool, Error> {
        let known = self.programs.iter().position(|(link, _)| *link == frame.link);
        if known.is_none() {
            self.programs.push((frame.link, self.filter.compile(frame.link)?));
        }
        let program = known.map_or_else(|| self.programs.last(), |at| self.programs.get(at));
        let matches = program.is_some_and(|(_, program)| program.matches(frame.bytes));
        if !matches {
            self.refused = self.refused.saturating_add(1);
        }
        Ok(matches)
    }

    /// Frames that did not match.
    pub const fn refused(&self) -> u64 {
        self.refused
    }
}

/// What libpcap makes of an expression.
#[cfg(feature = "live")]
struct Program(pcap::BpfProgram);

#[cfg(feature = "live")]
impl Program {
    fn compile(link: LinkType, expression: &str) -> Result<Self, String> {
        // The compiler knows link types by the numbers that files have, but for raw IP.
        let link = if link == LinkType::RAW { LinkType::DLT_RAW } else { link };
        pcap::Capture::dead(pcap::Linktype(i32::from(link.0)))
            .and_then(|capture| capture.compile(expression, true))
            .map(Self)
            .map_err(|error| match error {
                pcap::Error::PcapError(reason) => reason,
                other => other.to_string(),
            })
    }

    fn matches(&self, bytes: &[u8]) -> bool {
        self.0.filter(bytes)
    }
}

/// Without libpcap there is none.
#[cfg(not(feature = "live"))]
enum Program {}

#[cfg(not(feature = "live"))]
impl Program {
    fn compile(_: LinkType, _: &str) -> Result<Self, String> {
        Err("this program was built without libpcap".to_owned())
    }

    fn matches(&self, _: &[u8]) -> bool {
        match *self {}
    }
}

#[cfg(all(test, feature = "live"))]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    fn frame(link: LinkType, bytes: &[u8]) -> Frame<'_> {
        Frame { timestamp: Timestamp::from_nanos(0), link, wire_len: 0, bytes }
    }

    /// An IPv4 header and a TCP header from 10.0.0.5:50000 to 10.0.9.1:443.
    const PACKET: [u8; 40] = [
        0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 5, 10, 0, 9, 1, //
        0xc3, 0x50, 0x01, 0xbb, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0x02, 0, 0, 0, 0, 0, 0,
    ];

    #[test]
    fn one_expression_on_several_link_types() {
        let mut filter = Filter::new("tcp port 443 and host 10.0.0.5").unwrap().start();
        let ethernet: Vec<u8> = [&[0_u8; 12][..], &[8, 0], &PACKET].concat();
        let null: Vec<u8> = [&[2_u8, 0, 0, 0][..], &PACKET].concat();
        for (link, bytes) in [
            (LinkType::ETHERNET, &ethernet[..]),
            (LinkType::RAW, &PACKET[..]),
            (LinkType::NULL, &null[..]),
        ] {
            assert!(filter.matches(&frame(link, bytes)).unwrap(), "{link:?}");
        }
        let mut other = PACKET;
        other[23] = 0xbc;
        assert!(!filter.matches(&frame(LinkType::RAW, &other)).unwrap());
        assert!(!filter.matches(&frame(LinkType::RAW, &[])).unwrap());
        assert_eq!(filter.refused(), 2);
    }

    #[test]
    fn nonsense_is_refused_with_the_reason() {
        let error = Filter::new("prot 443").unwrap_err().to_string();
        assert!(error.starts_with("cannot filter by `prot 443`: "), "{error}");
        let mut wireless = Filter::new("ether host 02:00:00:00:00:05").unwrap().start();
        assert!(wireless.matches(&frame(LinkType::RAW, &PACKET)).is_err());
    }
}
