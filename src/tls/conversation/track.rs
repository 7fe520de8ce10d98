//! [`Track`]: where one direction of a connection stands.

use super::NOTED_RECORDS;
use super::doubt::Doubt;
use super::record::{Body, Past, Record, Unfinished};
use crate::tls::early::FINISHED_BODY;
use crate::tls::sslv2;
use crate::tls::starttls::framing::Framing;

/// What an encrypted record of TLS 1.3 holds beside its content (RFC 8446 §5.2).
const CONTENT_TYPE_AND_TAG: u16 = 17;

/// One direction. Many connections are watched at once, and each packet waits for what it touches:
/// what few need is kept elsewhere.
#[derive(Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each may be so whatever the others are")]
pub(super) struct Track {
    pub(super) state: State,
    /// What TLS is wrapped in.
    pub(super) framing: Option<Box<Framing>>,
    /// Bytes that may be the beginning of a first record.
    pub(super) doubt: Doubt,
    /// A hello after a ChangeCipherSpec that goes on in the next record.
    pub(super) unfinished: Unfinished,
    /// Cleartext bytes that were searched.
    pub(super) searched: u32,
    /// Encrypted records altogether.
    pub(super) encrypted: u32,
    /// Bytes in those that came before the other end's first word: they may be early data.
    pub(super) early: u32,
    /// One of them may be of a finished handshake.
    pub(super) settled: bool,
    /// What came before the next record.
    pub(super) past: Past,
    /// A hole, or an unknown beginning, lies before what is searched now.
    pub(super) torn: bool,
    /// A hole lies in the handshake bytes: where the next record begins is worth noting.
    pub(super) holed: bool,
    /// A handshake message in the clear was seen.
    pub(super) spoke: bool,
}

/// It fits into a line of the cache.
const _: () = assert!(size_of::<Track>() <= 64);

#[derive(Debug, Default)]
pub(super) enum State {
    /// No TLS yet.
    #[default]
    Search,
    /// Between and in TLS records.
    Records(Record),
    /// Between and in records of SSL 2.0.
    SslV2(Box<sslv2::Deframer>),
    /// Somewhere in TLS, a header has to be found.
    Lost,
    /// No TLS, or no way back to it.
    Ignored,
}

impl Track {
    pub(super) const fn is_tls(&self) -> bool {
        matches!(self.state, State::Records(_) | State::SslV2(_) | State::Lost)
    }

    /// Whether these bytes are encrypted, all but the headers in them.
    pub(super) fn is_encrypted(&self, bytes: &[u8]) -> bool {
        match &self.state {
            State::Records(record) => self.framing.is_none() && record.is_encrypted(bytes),
            _ => false,
        }
    }

    /// Whether the next bytes are of a body that is not kept.
    pub(super) fn is_skipping(&self) -> bool {
        matches!(&self.state, State::Records(record) if record.left > 0 && record.body == Body::Skipped)
    }

    /// Where the next record begins has to be found.
    pub(super) fn lose(&mut self) {
        self.state = State::Lost;
        self.searched = 0;
        self.unfinished = Unfinished::default();
    }

    /// An encrypted record of this size came before the other end's first word. None counts for nothing.
    pub(super) fn count_early(&mut self, size: u16) {
        let bytes = u32::from(size.saturating_sub(CONTENT_TYPE_AND_TAG)).max(1);
        self.early = self.early.saturating_add(bytes);
    }

    /// Whether an encrypted record of this size, behind the other end's first word, may be a Finished. Of who
    /// sent early data, which may cross that word, any of those that are noted may be: it takes the suite to
    /// tell which is.
    pub(super) const fn may_be_finished(&self, size: u16) -> bool {
        size >= FINISHED_BODY
            && (self.early == 0 || self.encrypted.saturating_add(1) >= NOTED_RECORDS)
    }

    pub(super) const fn count_encrypted(&mut self, settles: bool) {
        self.encrypted = self.encrypted.saturating_add(1);
        self.settled |= settles;
    }
}
