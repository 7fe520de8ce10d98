//! DHCP (RFC 2131): who was given which address, and what it calls itself.
//!
//! A client says its name when it asks; that it got the address is said in the answer. Both are
//! brought together by the transaction and the MAC address. A client that renews its lease, or
//! only informs itself, already has the address that it names.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::dns;
use super::{NameSource, Said, host_name};
use crate::bytes::Reader;
use crate::packet::{Address, Mac};

/// RFC 2131 §3.
const MAGIC: u32 = 0x6382_5363;
const ETHERNET: u8 = 1;

const HOST_NAME: u8 = 12;
const MESSAGE_TYPE: u8 = 53;
/// RFC 4702.
const CLIENT_FQDN: u8 = 81;
const END: u8 = 255;

const REQUEST: u8 = 3;
const ACK: u8 = 5;
const INFORM: u8 = 8;

/// Requests that wait for their answers.
#[derive(Debug)]
pub(super) struct Requests {
    names: HashMap<(u32, Mac), Box<str>, RandomState>,
    limit: usize,
    /// Those whose answers were waited for no longer.
    pub(super) unanswered: u64,
}

/// What a message says.
struct Message {
    transaction: u32,
    kind: u8,
    /// The address that the client has already.
    own: Address,
    /// The address that it is given.
    given: Address,
    mac: Mac,
    name: Option<Box<str>>,
}

impl Requests {
    pub(super) fn new(limit: usize) -> Self {
        Self { names: HashMap::default(), limit, unanswered: 0 }
    }

    pub(super) fn read(&mut self, payload: &[u8], sink: &mut dyn FnMut(Said)) {
        let Some(message) = Message::read(payload) else { return };
        let Message { transaction, kind, own, given, mac, name } = message;
        let (address, name) = match kind {
            REQUEST | INFORM => {
                if let Some(name) = &name {
                    // An answer takes milliseconds: what waits for longer gets none.
                    if self.names.len() >= self.limit {
                        let waiting = u64::try_from(self.names.len()).unwrap_or(u64::MAX);
                        self.unanswered = self.unanswered.saturating_add(waiting);
                        self.names.clear();
                    }
                    self.names.insert((transaction, mac), name.clone());
                }
                (own, name)
            }
            ACK => {
                let asked = self.names.remove(&(transaction, mac));
                (if given == NOWHERE { own } else { given }, asked.or(name))
            }
            _ => return,
        };
        if address == NOWHERE {
            return;
        }
        sink(Said::Lease { address, mac });
        if let Some(name) = name {
            sink(Said::Name { address, name, source: NameSource::Dhcp });
        }
    }
}

const NOWHERE: Address = Address::v4([0; 4]);

impl Message {
    /// RFC 2131 §2.
    fn read(payload: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(payload);
        let _operation = reader.u8()?;
        if reader.u8()? != ETHERNET || reader.u8()? != 6 {
            return None;
        }
        let _hops = reader.u8()?;
        let transaction = reader.u32()?;
        reader.skip(4)?;
        let own = Address::v4(reader.array()?);
        let given = Address::v4(reader.array()?);
        reader.skip(8)?;
        let mac = Mac(reader.array()?);
        reader.skip(10 + 64 + 128)?;
        if reader.u32()? != MAGIC || !mac.is_station() {
            return None;
        }
        let (mut kind, mut name, mut full) = (None, None, None);
        while let Some(code) = reader.u8().filter(|code| *code != END) {
            if code == 0 {
                continue;
            }
            // A capture may have cut the rest.
            let Some(mut option) = reader.sub_u8() else { break };
            match code {
                MESSAGE_TYPE => kind = option.u8(),
                HOST_NAME => {
                    let text = option.rest();
                    name = host_name(text.strip_suffix(b"\0").unwrap_or(text));
                }
                CLIENT_FQDN => full = fqdn(option),
                _ => {}
            }
        }
        // The full name says more.
        Some(Self { transaction, kind: kind?, own, given, mac, name: full.or(name) })
    }
}

/// RFC 4702 §2: flags, two codes of old, the name: as text, or as in DNS.
fn fqdn(mut option: Reader<'_>) -> Option<Box<str>> {
    let flags = option.u8()?;
    option.skip(2)?;
    if flags & 0x04 == 0 {
        return host_name(option.rest());
    }
    let mut labels = option.rest().to_vec();
    // A name that is not full has no end.
    labels.push(0);
    host_name(&dns::name(&labels, &mut Reader::new(&labels))?)
}
