//! What bytes begin with: TLS, SSL 2.0, TLS wrapped in something else, or none of them.

use memchr::memchr2;

use super::record::{
    ALERT, APPLICATION_DATA, CHANGE_CIPHER_SPEC, HANDSHAKE, HEARTBEAT, SMALLEST_SECRET, is_record,
};
use crate::bytes::Reader;
use crate::tls::sslv2;
use crate::tls::starttls::framing::{self, Detected, Framing};

/// What bytes begin with.
#[derive(Debug)]
pub(super) enum Found {
    /// A TLS record.
    Tls,
    /// A record of SSL 2.0.
    SslV2,
    /// Packets of another protocol with TLS inside.
    Framed(Framing),
    /// What may be the beginning of one of these.
    TooShort,
    /// None of these.
    Nothing,
}

/// What is known of the direction that bytes come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Context {
    /// Cleartext came before: TLS has to begin with a hello, and to look like it in every byte.
    Cleartext,
    /// These are its first bytes.
    Beginning,
    /// TLS is expected: the other end speaks it, or it was lost here. Any record will do.
    Expected,
}

/// What bytes begin with.
pub(super) fn classify(bytes: &[u8], context: Context) -> Found {
    let strict = context == Context::Cleartext;
    let record = match bytes {
        [CHANGE_CIPHER_SPEC..=HEARTBEAT, ..] => classify_record(bytes, context),
        [0x80..=0xff, ..] => classify_sslv2(bytes, strict),
        _ => Found::Nothing,
    };
    match record {
        // TLS inside packets shows itself at the very beginning, or where those were lost too.
        Found::Nothing if !strict => match framing::detect(bytes) {
            Detected::Yes(framing) => Found::Framed(framing),
            Detected::Perhaps => Found::TooShort,
            Detected::No => Found::Nothing,
        },
        found => found,
    }
}

fn classify_record(bytes: &[u8], context: Context) -> Found {
    let mut reader = Reader::new(bytes);
    let (Some(content_type), Some(version), Some(size)) =
        (reader.u8(), reader.array::<2>(), reader.u16())
    else {
        let major = bytes.get(1);
        return if major.is_none_or(|major| matches!(major, 3 | 1 | 0x7f)) {
            Found::TooShort
        } else {
            Found::Nothing
        };
    };
    let [major, minor] = version;
    if !is_record(content_type, major, minor, usize::from(size)) || size == 0 {
        return Found::Nothing;
    }
    let strict = context == Context::Cleartext;
    let expected = context == Context::Expected;
    let body = reader.peek();
    let found = match (content_type, body) {
        (_, []) => return Found::TooShort,
        (HANDSHAKE, _) if strict && major == 3 && minor > 4 => false,
        (HANDSHAKE, [1 | 2, ..]) => return classify_hello(bytes, size, strict),
        // Joined in the middle of a handshake.
        (HANDSHAKE, _) if !strict && is_message_record(bytes) => true,
        (HANDSHAKE, [kind, ..]) => expected && (matches!(kind, 0..=25 | 67) || size >= 32),
        // In the middle of cleartext only an alert that is all there is of its segment: a server's
        // refusal that was captured before the hello that it refuses.
        (ALERT, [_]) if size == 2 => return Found::TooShort,
        (ALERT, [1 | 2, _, rest @ ..]) if size == 2 => !strict || major == 3 && rest.is_empty(),
        (ALERT, [level, ..]) => expected && (size >= SMALLEST_SECRET || matches!(level, 1 | 2)),
        (CHANGE_CIPHER_SPEC, _) => expected && size == 1,
        // Data on a connection that was joined late. A tag alone is 16 bytes.
        (APPLICATION_DATA, _) => !strict && major == 3 && size >= 16,
        _ => false,
    };
    if found { Found::Tls } else { Found::Nothing }
}

/// Whether records begin with a ClientHello or ServerHello. `size` is that of the first record.
fn classify_hello(bytes: &[u8], size: u16, strict: bool) -> Found {
    let Some((opening, have)) = opening(bytes) else { return Found::Nothing };
    let [kind, high, _, _, major, minor] = opening;
    // A ClientHello may be longer than 64 KiB, a ServerHello is not.
    if have > 1 && high > u8::from(kind == 1) {
        return Found::Nothing;
    }
    // The hello's own version is what tells it from other bytes; where TLS may be expected anyway
    // an odd one is the sender's business.
    let version = matches!((major, minor), (3 | 0x7f, _) | (1, 1));
    match have {
        6.. if version || !strict => Found::Tls,
        6.. => Found::Nothing,
        _ if size >= 6 && !strict => Found::Tls,
        _ => Found::TooShort,
    }
}

/// The first six bytes of handshake messages, as far as they are there, put together over records
/// that may be as small as one byte (RFC 8446 §5.1 allows any fragmentation).
fn opening(bytes: &[u8]) -> Option<([u8; 6], usize)> {
    // Nearly always they are in the first record.
    if let [HANDSHAKE, major, minor, high, low, first @ ..] = bytes
        && let Some(opening) = first.first_chunk()
        && let size @ 6.. = usize::from(u16::from_be_bytes([*high, *low]))
        && is_record(HANDSHAKE, *major, *minor, size)
    {
        return Some((*opening, opening.len()));
    }
    let mut reader = Reader::new(bytes);
    let mut opening = [0; 6];
    let mut have = 0_usize;
    let mut empty = 32_u32;
    while have < opening.len() {
        let (Some(content_type), Some([major, minor]), Some(size)) =
            (reader.u8(), reader.array(), reader.u16())
        else {
            break;
        };
        let size = usize::from(size);
        if content_type != HANDSHAKE || !is_record(content_type, major, minor, size) {
            return None;
        }
        if size == 0 {
            // They are not allowed, and OpenSSL steps over so many (MAX_EMPTY_RECORDS).
            empty = empty.checked_sub(1)?;
            continue;
        }
        let room = opening.iter_mut().skip(have);
        let body = reader.take_up_to(size);
        have = have.saturating_add(room.zip(body).map(|(slot, byte)| *slot = *byte).count());
    }
    Some((opening, have))
}

/// Bytes of a CLIENT-HELLO of SSL 2.0 that tell what it is: header, type, version, three lengths.
const SSLV2_PREFIX: usize = 11;

fn classify_sslv2(bytes: &[u8], strict: bool) -> Found {
    let mut reader = Reader::new(bytes);
    let (Some(header), Some(kind)) = (reader.u16(), reader.u8()) else { return Found::TooShort };
    if kind == sslv2::message::SERVER_HELLO && !strict {
        return match sslv2::is_hello(bytes) {
            true => Found::SslV2,
            false if bytes.len() < 7 => Found::TooShort,
            false => Found::Nothing,
        };
    }
    let version = reader.array::<2>();
    let known = version.is_none_or(|version| matches!(version, [0, 2] | [3, 0..=4]));
    if kind != sslv2::message::CLIENT_HELLO || !known {
        return Found::Nothing;
    }
    let (Some(specs), Some(session), Some(challenge)) = (reader.u16(), reader.u16(), reader.u16())
    else {
        return if bytes.len() < SSLV2_PREFIX { Found::TooShort } else { Found::Nothing };
    };
    // RFC 5246 §E.2: the lengths add up to the record's.
    let total = [specs, session, challenge].iter().fold(9_u16, |sum, n| sum.saturating_add(*n));
    let exact = total == header & 0x7fff && matches!(challenge, 8..=64);
    if sslv2::is_hello(bytes) && (exact || !strict) { Found::SslV2 } else { Found::Nothing }
}

/// Where something begins within a chunk that does not begin it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Within {
    /// A hello, that many bytes in.
    Hello(usize),
    /// What the next bytes may show to be a hello.
    Perhaps(usize),
    /// Nothing.
    Nothing,
}

/// Look for a ClientHello or ServerHello in the first `depth` bytes.
pub(super) fn hello_within(bytes: &[u8], depth: usize) -> Within {
    first_within(bytes, depth, |rest| match rest {
        [HANDSHAKE, 3, 0..=4, _, _, 1, 0 | 1, _, _, 3, 0..=4, ..]
        | [HANDSHAKE, 3, 0..=4, _, _, 2, 0, _, _, 3 | 0x7f, _, ..] => Within::Hello(0),
        [HANDSHAKE]
        | [HANDSHAKE, 3]
        | [HANDSHAKE, 3, 0..=4]
        | [HANDSHAKE, 3, 0..=4, _]
        | [HANDSHAKE, 3, 0..=4, _, _]
        | [HANDSHAKE, 3, 0..=4, _, _, 1 | 2]
        | [HANDSHAKE, 3, 0..=4, _, _, 1 | 2, 0 | 1]
        | [HANDSHAKE, 3, 0..=4, _, _, 1 | 2, 0 | 1, _]
        | [HANDSHAKE, 3, 0..=4, _, _, 1 | 2, 0 | 1, _, _]
        | [HANDSHAKE, 3, 0..=4, _, _, 1 | 2, 0 | 1, _, _, 3 | 0x7f] => Within::Perhaps(0),
        _ => Within::Nothing,
    })
}

/// Look, where TLS was lost, for a record of a handshake message in the clear, or for a
/// ChangeCipherSpec: what such a flight still has to tell.
pub(super) fn record_within(bytes: &[u8]) -> Option<usize> {
    let found = first_within(bytes, bytes.len(), |rest| match rest {
        [CHANGE_CIPHER_SPEC, 3, 0..=4, 0, 1, 1, HANDSHAKE, 3, 0..=4, 0, ..] => Within::Hello(0),
        _ if is_message_record(rest) => Within::Hello(0),
        _ => Within::Nothing,
    });
    match found {
        Within::Hello(at) => Some(at),
        Within::Perhaps(_) | Within::Nothing => None,
    }
}

/// Whether bytes begin with a record that begins with a handshake message in the clear, of those that
/// come after the hellos up to TLS 1.2, and a ServerHello.
fn is_message_record(bytes: &[u8]) -> bool {
    let [HANDSHAKE, 3, 0..=4, high, low, kind, long, mid, short, ..] = bytes else { return false };
    let size = u32::from(u16::from_be_bytes([*high, *low]));
    let message = u32::from_be_bytes([0, *long, *mid, *short]).saturating_add(4);
    let fits = match kind {
        2 | 4 | 12 | 13 | 16 | 22 => message <= size && message > 4,
        // The only one that is often longer than a record.
        11 => message > 7 && *long <= 1,
        14 => message == 4,
        _ => false,
    };
    fits && size <= 1 << 14
}

/// The first place within `depth` bytes at which `test` finds something.
fn first_within(bytes: &[u8], depth: usize, test: impl Fn(&[u8]) -> Within) -> Within {
    let searched = bytes.get(..depth).unwrap_or(bytes);
    let mut rest = searched;
    let mut at = 0_usize;
    // Few bytes of anything but TLS are one of these two: the scan is what it costs.
    while let Some(next) = memchr2(HANDSHAKE, CHANGE_CIPHER_SPEC, rest) {
        at = at.saturating_add(next);
        match test(searched.get(at..).unwrap_or_default()) {
            Within::Hello(_) => return Within::Hello(at),
            Within::Perhaps(_) if searched.len() == bytes.len() => return Within::Perhaps(at),
            Within::Perhaps(_) | Within::Nothing => {}
        }
        at = at.saturating_add(1);
        rest = searched.get(at..).unwrap_or_default();
    }
    Within::Nothing
}
