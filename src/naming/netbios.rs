//! NetBIOS name service (RFC 1002 §4.2): hosts that register their name, or answer to it.

use super::dns::{Header, Record, name};
use super::{NameSource, Said, host_name};
use crate::bytes::Reader;
use crate::packet::Address;

const TYPE_NB: u16 = 0x20;
const TYPE_NBSTAT: u16 = 0x21;
const QUERY: u8 = 0;
const REGISTRATION: u8 = 5;
const REFRESH: [u8; 2] = [8, 9];
/// A name that several hosts share.
const GROUP: u16 = 0x8000;
/// What names of workstations and of file servers end in; others are of domains and services.
const OF_HOSTS: [u8; 2] = [0x00, 0x20];
/// Records of one message, or names of one host, that are looked at.
const RECORDS: u16 = 32;

/// What a message says of the hosts whose names it has; `sender` is who sent it.
pub(super) fn read(message: &[u8], sender: Address, sink: &mut dyn FnMut(Said)) {
    let mut reader = Reader::new(message);
    let _ = records(message, &mut reader, sender, sink);
}

fn records<'a>(
    message: &'a [u8],
    reader: &mut Reader<'a>,
    sender: Address,
    sink: &mut dyn FnMut(Said),
) -> Option<()> {
    let header = Header::read(reader)?;
    let claims = header.opcode == REGISTRATION || REFRESH.contains(&header.opcode);
    let answers = header.opcode == QUERY && header.code == 0;
    let speaks = if header.response { answers } else { claims };
    if !speaks {
        return None;
    }
    for _ in 0..header.questions.min(RECORDS) {
        name(message, reader)?;
        reader.skip(4)?;
    }
    let records =
        header.answers.saturating_add(header.authorities).saturating_add(header.additional);
    let mut rest = *reader;
    for _ in 0..records.min(RECORDS) {
        let record = Record::read(message, &mut rest)?;
        let mut data = Reader::new(record.data);
        match record.kind {
            TYPE_NB => {
                let owner = decoded(&record.owner);
                while let (Some(flags), Some(octets)) = (data.u16(), data.array()) {
                    if flags & GROUP == 0
                        && let Some(name) = &owner
                    {
                        let source = NameSource::Netbios;
                        sink(Said::Name {
                            address: Address::v4(octets),
                            name: name.clone(),
                            source,
                        });
                    }
                }
            }
            TYPE_NBSTAT => {
                for _ in 0..data.u8()?.min(32) {
                    let (text, kind) = (data.take(15)?, data.u8()?);
                    let flags = data.u16()?;
                    if flags & GROUP == 0
                        && OF_HOSTS.contains(&kind)
                        && let Some(name) = host_name(text.trim_ascii_end())
                    {
                        sink(Said::Name { address: sender, name, source: NameSource::Netbios });
                    }
                }
            }
            _ => {}
        }
    }
    Some(())
}

/// The name of a host from its first label: 16 bytes, each as two letters (RFC 1001 §14.1).
fn decoded(owner: &[u8]) -> Option<Box<str>> {
    let label = owner.get(..32)?;
    let mut bytes = Vec::with_capacity(16);
    for pair in label.chunks_exact(2) {
        let [high, low] = pair else { return None };
        let nibble = |letter: u8| letter.checked_sub(b'A').filter(|nibble| *nibble < 16);
        bytes.push(nibble(*high)? << 4 | nibble(*low)?);
    }
    let (kind, text) = bytes.split_last()?;
    if !OF_HOSTS.contains(kind) {
        return None;
    }
    host_name(text.trim_ascii_end())
}
