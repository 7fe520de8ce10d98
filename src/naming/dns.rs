//! DNS messages (RFC 1035 §4): answers that give an address, or the name of one.

use std::net::Ipv6Addr;

use super::{NameSource, Said, host_name};
use crate::bytes::Reader;
use crate::packet::Address;

/// Records of one message that are looked at.
const RECORDS: u16 = 64;
/// Pointers that one name may follow; real names have a few.
const POINTERS: usize = 16;

const TYPE_A: u16 = 1;
const TYPE_PTR: u16 = 12;
const TYPE_AAAA: u16 = 28;
const CLASS_IN: u16 = 1;

/// What a message says of its answers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    /// It answers.
    pub(super) response: bool,
    pub(super) opcode: u8,
    pub(super) code: u8,
    pub(super) questions: u16,
    pub(super) answers: u16,
    pub(super) authorities: u16,
    pub(super) additional: u16,
}

impl Header {
    /// RFC 1035 §4.1.1.
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let _id = reader.u16()?;
        let [high, low] = reader.array()?;
        Some(Self {
            response: high & 0x80 != 0,
            opcode: (high >> 3) & 0x0f,
            code: low & 0x0f,
            questions: reader.u16()?,
            answers: reader.u16()?,
            authorities: reader.u16()?,
            additional: reader.u16()?,
        })
    }
}

/// A resource record (RFC 1035 §4.1.3).
#[derive(Debug)]
pub(super) struct Record<'a> {
    pub(super) owner: Vec<u8>,
    pub(super) kind: u16,
    pub(super) class: u16,
    pub(super) lifetime: u32,
    pub(super) data: &'a [u8],
}

impl<'a> Record<'a> {
    pub(super) fn read(message: &'a [u8], reader: &mut Reader<'a>) -> Option<Self> {
        let owner = name(message, reader)?;
        let (kind, class) = (reader.u16()?, reader.u16()?);
        let lifetime = reader.u32()?;
        let length = reader.u16()?;
        let data = reader.take(usize::from(length))?;
        Some(Self { owner, kind, class, lifetime, data })
    }
}

/// What the answers say; a query says nothing.
pub(super) fn read(message: &[u8], source: NameSource, sink: &mut dyn FnMut(Said)) {
    let mut reader = Reader::new(message);
    let _ = answers(message, &mut reader, source, sink);
}

fn answers<'a>(
    message: &'a [u8],
    reader: &mut Reader<'a>,
    source: NameSource,
    sink: &mut dyn FnMut(Said),
) -> Option<()> {
    let header = Header::read(reader)?;
    if !header.response || header.opcode != 0 || header.code != 0 {
        return None;
    }
    let mut asked = None;
    for _ in 0..header.questions.min(RECORDS) {
        asked = Some(name(message, reader)?);
        reader.skip(4)?;
    }
    // Hosts add their addresses to what was asked; of DNS the answer alone is meant.
    let records = match source {
        NameSource::Mdns => {
            header.answers.saturating_add(header.authorities).saturating_add(header.additional)
        }
        _ => header.answers,
    };
    let mut rest = *reader;
    for _ in 0..records.min(RECORDS) {
        let record = Record::read(message, &mut rest)?;
        // The highest bit of the class is a flag in mDNS (RFC 6762 §10.2); a lifetime of 0 says
        // goodbye (§10.1).
        let gone = source == NameSource::Mdns && record.lifetime == 0;
        if record.class & 0x7fff != CLASS_IN || gone {
            continue;
        }
        let mut data = Reader::new(record.data);
        let (address, named) = match record.kind {
            TYPE_A => (data.array().map(Address::v4), &record.owner),
            TYPE_AAAA => (data.array().map(Address::v6), &record.owner),
            TYPE_PTR => {
                // The name may point back into the message.
                let at = message.len().checked_sub(rest.remaining())?;
                let begin = at.checked_sub(record.data.len())?;
                let pointed = name(message, &mut Reader::new(message.get(begin..)?));
                let (address, Some(pointed)) = (reverse(&record.owner), pointed) else { continue };
                say(address, &pointed, source, sink);
                continue;
            }
            _ => continue,
        };
        // Behind aliases it is the name that was asked for by which people know the server.
        let named = asked.as_ref().filter(|_| source == NameSource::Dns).unwrap_or(named);
        say(address, named, source, sink);
    }
    Some(())
}

fn say(address: Option<Address>, name: &[u8], source: NameSource, sink: &mut dyn FnMut(Said)) {
    if let (Some(address), Some(name)) = (address, host_name(name)) {
        sink(Said::Name { address, name, source });
    }
}

/// A name (RFC 1035 §4.1.4), its labels with dots between them. Pointers lead backwards only, so
/// that none can lead in a circle.
pub(super) fn name<'a>(message: &'a [u8], reader: &mut Reader<'a>) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    let mut here = *reader;
    let mut jumped = false;
    for _ in 0..POINTERS {
        loop {
            let length = here.u8()?;
            if length & 0xc0 == 0xc0 {
                let before = message.len().checked_sub(here.remaining())?.checked_sub(1)?;
                let low = here.u8()?;
                if !jumped {
                    *reader = here;
                    jumped = true;
                }
                let to = usize::from(u16::from_be_bytes([length & 0x3f, low]));
                if to >= before {
                    return None;
                }
                here = Reader::new(message.get(to..)?);
                break;
            }
            if length & 0xc0 != 0 {
                return None;
            }
            if length == 0 {
                if !jumped {
                    *reader = here;
                }
                return Some(text);
            }
            let label = here.take(usize::from(length))?;
            if text.len().saturating_add(label.len()) > 255 {
                return None;
            }
            if !text.is_empty() {
                text.push(b'.');
            }
            text.extend_from_slice(label);
        }
    }
    None
}

/// The address of `5.0.0.10.in-addr.arpa` (RFC 1035 §3.5) or of its longer sibling (RFC 3596 §2.5).
fn reverse(owner: &[u8]) -> Option<Address> {
    let text = std::str::from_utf8(owner).ok()?.to_ascii_lowercase();
    if let Some(parts) = text.strip_suffix(".in-addr.arpa") {
        let mut octets = [0_u8; 4];
        let mut labels = parts.split('.').rev();
        for octet in &mut octets {
            *octet = labels.next()?.parse().ok()?;
        }
        return labels.next().is_none().then(|| Address::v4(octets));
    }
    let parts = text.strip_suffix(".ip6.arpa")?;
    let mut digits = parts.split('.').rev();
    let mut address = 0_u128;
    for _ in 0..32 {
        let digit = digits.next().filter(|digit| digit.len() == 1)?;
        address = address << 4 | u128::from(u8::from_str_radix(digit, 16).ok()?);
    }
    digits.next().is_none().then(|| Address::v6(Ipv6Addr::from(address).octets()))
}
