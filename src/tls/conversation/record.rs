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

/// Smallest body of a record with an encrypted alert: two bytes, a MAC or tag and nonce of 16.
pub(super) const SMALLEST_SECRET: u16 = 18;

/// The first `N` bytes of something, as far as they were there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Beginning<const N: usize> {
    pub(super) bytes: [u8; N],
    have: u8,
}

impl<const N: usize> Default for Beginning<N> {
    fn default() -> Self {
        Self { bytes: [0; N], have: 0 }
    }
}

impl<const N: usize> Beginning<N> {
    #[expect(clippy::cast_possible_truncation, reason = "a few bytes")]
    const SIZE: u8 = N as u8;

    /// Take of these bytes what is missing. Returns how many those are.
    pub(super) fn fill(&mut self, bytes: &[u8]) -> usize {
        let room = self.bytes.iter_mut().skip(usize::from(self.have));
        let taken = room.zip(bytes).map(|(slot, byte)| *slot = *byte).count();
        self.have = self.have.saturating_add(u8::try_from(taken).unwrap_or(u8::MAX));
        taken
    }

    pub(super) fn is_whole(&self) -> bool {
        usize::from(self.have) >= N
    }

    /// Take of these bytes what is missing. What there was before, and what there is now.
    ///
    /// Nearly always all of it comes at once, and is not read from here: what was just stored in small
    /// pieces has to be waited for.
    pub(super) fn filled(&mut self, bytes: &[u8]) -> (Self, Self) {
        match bytes.first_chunk() {
            Some(whole) if self.have == 0 => {
                (Self::default(), Self { bytes: *whole, have: Self::SIZE })
            }
            _ => {
                let before = *self;
                self.fill(bytes);
                (before, *self)
            }
        }
    }

    /// What there is of them.
    pub(super) fn there(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.have)).unwrap_or_default()
    }
}

/// Where a direction stands in its current record.
#[derive(Debug, Default)]
pub(super) struct Record {
    header: Beginning<HEADER>,
    /// How much of the body is still to come.
    pub(super) left: u16,
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
    Probe(Beginning<PROBE>),
}

/// A message in the clear after a ChangeCipherSpec, which may go on in the next record.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Unfinished {
    /// Type and length.
    header: Beginning<4>,
    /// How much of its body is still to come.
    left: u32,
}

impl Unfinished {
    /// Whether the next record goes on with it.
    pub(super) const fn goes_on(&self) -> bool {
        self.header.have > 0
    }

    /// Take bytes of it, and of what comes behind it.
    pub(super) fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let taken = if self.header.is_whole() {
                let size = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
                let taken = self.left.min(size);
                self.left = self.left.saturating_sub(taken);
                usize::try_from(taken).unwrap_or(usize::MAX)
            } else {
                let taken = self.header.fill(bytes);
                let [_, high, mid, low] = self.header.bytes;
                self.left = u32::from_be_bytes([0, high, mid, low]);
                taken
            };
            bytes = bytes.get(taken..).unwrap_or_default();
            if self.header.is_whole() && self.left == 0 {
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
        // Nearly always it is whole, and is read where it came from, not where it was just stored.
        if self.header.have == 0
            && let Some((header, rest)) = bytes.split_first_chunk()
        {
            self.header.bytes = *header;
            self.left = body_size(*header);
            return Some(rest);
        }
        let taken = self.header.fill(bytes);
        if !self.header.is_whole() {
            return None;
        }
        self.header.have = 0;
        self.left = self.size();
        bytes.get(taken..)
    }

    /// Length of the body. Of one of which nothing has come or is missing yet that is what is left,
    /// which is sooner read.
    pub(super) const fn size(&self) -> u16 {
        body_size(self.header.bytes)
    }

    /// The content type that the header shows.
    pub(super) const fn content_type(&self) -> u8 {
        self.header.bytes[0]
    }

    /// Whether the header can be one.
    pub(super) const fn is_sound(&self) -> bool {
        let [content_type, major, minor, _, _] = self.header.bytes;
        is_record(content_type, major, minor, self.left as usize)
    }

    /// So much of the body has come.
    pub(super) fn pass(&mut self, count: usize) {
        self.left = self.left.saturating_sub(u16::try_from(count).unwrap_or(u16::MAX));
    }

    /// Whether bytes are the rest of an encrypted body and further records of application data.
    pub(super) fn is_encrypted(&self, mut bytes: &[u8]) -> bool {
        if self.header.have > 0 || self.left > 0 && self.body != Body::Skipped {
            return false;
        }
        let mut left = usize::from(self.left);
        loop {
            match bytes.get(left..) {
                None | Some([]) => return true,
                Some(&[APPLICATION_DATA, _, _, high, low, ref rest @ ..]) => {
                    left = usize::from(u16::from_be_bytes([high, low]));
                    bytes = rest;
                }
                Some(_) => return false,
            }
        }
    }

    /// Set up for the body, by the record's type and what came before it.
    pub(super) const fn begin_body(&mut self, past: &mut Past, unfinished: Unfinished) {
        self.body = match self.content_type() {
            CHANGE_CIPHER_SPEC => {
                *past = Past::Changed;
                Body::Skipped
            }
            // An alert in the clear is two bytes; a cipher or a MAC makes it longer. In one record there
            // may be several, and a part of one (RFC 5246 §6.2.1).
            ALERT if self.left == 2 => Body::Alert,
            ALERT if matches!(past, Past::Clear) && self.left < SMALLEST_SECRET => Body::Alert,
            HANDSHAKE if unfinished.goes_on() => Body::Handshake,
            HANDSHAKE => match past {
                Past::Clear => Body::Handshake,
                Past::Torn | Past::Changed => Body::Probe(Beginning { bytes: [0; PROBE], have: 0 }),
            },
            _ => Body::Skipped,
        };
    }
}

/// Length of a record's body, by its header.
const fn body_size([_, _, _, high, low]: [u8; HEADER]) -> u16 {
    u16::from_be_bytes([high, low])
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

/// Whether this is the header of a TLS record (or of one of the Chinese TLCP, version 1.1). Servers
/// answer a hello whatever minor version its record has (RFC 8446 §5.1: it must be ignored).
pub(super) const fn is_record(content_type: u8, major: u8, minor: u8, size: usize) -> bool {
    matches!(content_type, CHANGE_CIPHER_SPEC..=HEARTBEAT)
        && matches!(
            (content_type, major, minor),
            (_, 3, 0..=4) | (HANDSHAKE, 3, _) | (_, 1, 1) | (_, 0x7f, _)
        )
        && size <= MAX_BODY
}
