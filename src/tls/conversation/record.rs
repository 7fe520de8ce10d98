//! Where a direction stands in its TLS records, and what is done with each of them.

/// Content type, version, length (RFC 8446 §5.1).
pub(super) const HEADER: usize = 5;

/// How much of a handshake record tells whether it is in the clear.
pub(super) const PROBE: usize = 6;

pub(super) const CHANGE_CIPHER_SPEC: u8 = 20;
pub(super) const ALERT: u8 = 21;
pub(super) const HANDSHAKE: u8 = 22;
pub(super) const APPLICATION_DATA: u8 = 23;
pub(super) const HEARTBEAT: u8 = 24;

/// Largest body of a record: 2^14 and the 2048 that TLS ≤ 1.2 may add (RFC 5246 §6.2.3).
const MAX_BODY: usize = (1 << 14) + 2048;

/// Smallest body of a record with an encrypted Finished of TLS ≤ 1.2: a header of 4, verify data of
/// 12, a MAC or tag of 16 (RFC 5246 §7.4.9, §6.2.3).
const SMALLEST_FINISHED: u16 = 32;

/// Where a direction stands in its current record.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) header: [u8; HEADER],
    /// How much of the header was seen.
    have: usize,
    /// How much of the body is still to come.
    pub(super) left: usize,
    pub(super) body: Body,
}

/// What is done with a record's body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Body {
    #[default]
    Skipped,
    Handshake,
    Alert,
    /// After a ChangeCipherSpec, or after a loss that may have swallowed one, a handshake record
    /// may be encrypted: its first bytes tell.
    Probe {
        first: [u8; PROBE],
        have: usize,
    },
}

/// A message in the clear after a ChangeCipherSpec, which may go on in the next record.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Unfinished {
    /// Type and length, as far as they were there.
    header: [u8; 4],
    have: usize,
    /// How much of its body is still to come.
    left: usize,
}

impl Unfinished {
    /// Whether the next record goes on with it.
    pub(super) const fn goes_on(&self) -> bool {
        self.have > 0
    }

    /// Take bytes of it, and of what comes behind it.
    pub(super) fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.have < self.header.len() {
                let room = self.header.iter_mut().skip(self.have);
                let taken = room.zip(bytes).map(|(slot, byte)| *slot = *byte).count();
                self.have = self.have.saturating_add(taken);
                bytes = bytes.get(taken..).unwrap_or_default();
                let [_, high, mid, low] = self.header;
                let length = u32::from_be_bytes([0, high, mid, low]);
                self.left = usize::try_from(length).unwrap_or(usize::MAX);
            } else {
                let taken = self.left.min(bytes.len());
                self.left = self.left.saturating_sub(taken);
                bytes = bytes.get(taken..).unwrap_or_default();
            }
            if self.have == self.header.len() && self.left == 0 {
                *self = Self::default();
            }
        }
    }
}

/// What came before a record of the same direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Past {
    /// Everything since the hello, and no ChangeCipherSpec.
    #[default]
    Clear,
    /// Not everything: there may have been a ChangeCipherSpec.
    Torn,
    /// A ChangeCipherSpec: what follows is encrypted, TLS 1.3's hellos aside.
    Changed,
}

impl Record {
    /// Take header bytes; what is behind a whole header, with the state set up for its body.
    pub(super) fn fill_header<'b>(&mut self, bytes: &'b [u8]) -> Option<&'b [u8]> {
        let room = self.header.iter_mut().skip(self.have);
        let taken = room.zip(bytes).map(|(slot, byte)| *slot = *byte).count();
        self.have = self.have.saturating_add(taken);
        if self.have < HEADER {
            return None;
        }
        self.have = 0;
        self.left = usize::from(self.size());
        bytes.get(taken..)
    }

    /// Length of the body.
    pub(super) const fn size(&self) -> u16 {
        u16::from_be_bytes([self.header[3], self.header[4]])
    }

    /// Whether the header can be one.
    pub(super) const fn is_sound(&self) -> bool {
        let [content_type, major, minor, _, _] = self.header;
        is_record(content_type, major, minor, self.left)
    }

    /// Set up for the body, by the record's type and what came before it.
    pub(super) const fn begin_body(&mut self, past: &mut Past, unfinished: Unfinished) {
        self.body = match self.header[0] {
            CHANGE_CIPHER_SPEC => {
                *past = Past::Changed;
                Body::Skipped
            }
            // An alert in the clear is two bytes; a cipher or a MAC makes it longer.
            ALERT if self.left == 2 => Body::Alert,
            HANDSHAKE if unfinished.goes_on() => Body::Handshake,
            HANDSHAKE => match past {
                Past::Clear => Body::Handshake,
                Past::Torn | Past::Changed => Body::Probe { first: [0; PROBE], have: 0 },
            },
            _ => Body::Skipped,
        };
    }
}

/// Whether a handshake record that may be encrypted is in the clear, by its first bytes.
pub(super) fn is_clear(past: Past, first: [u8; PROBE], size: u16) -> bool {
    let [kind, high, mid, low, major, minor] = first;
    // A ClientHello or ServerHello of TLS 1.3 after a HelloRetryRequest (RFC 8446 §D.4), or, in what is
    // too short to be encrypted, a part of one.
    if past == Past::Changed {
        let whole = high == 0 && (major, minor) == (3, 3);
        return matches!(kind, 1 | 2) && (whole || size < SMALLEST_FINISHED);
    }
    // After a loss: a message, and of those that are longer than a record only a certificate's.
    let length = u32::from_be_bytes([0, high, mid, low]);
    let within = length.saturating_add(4) <= u32::from(size);
    match kind {
        0 | 14 => length == 0,
        1 | 2 => high <= 1 && major == 3 && minor <= 4,
        4 | 5 | 8 | 12..=16 | 20..=25 => within,
        11 => high <= 1,
        _ => false,
    }
}

/// Whether this is the header of a TLS record (or of one of the Chinese TLCP, version 1.1).
pub(super) const fn is_record(content_type: u8, major: u8, minor: u8, size: usize) -> bool {
    matches!(content_type, CHANGE_CIPHER_SPEC..=HEARTBEAT)
        && matches!((major, minor), (3, 0..=4) | (1, 1) | (0x7f, _))
        && size <= MAX_BODY
}
