//! [`Conversation`] as the one to whom a flow's streams are given.

use super::Conversation;
use super::classify::{Context, Found, classify};
use super::part::Part;
use super::record::{APPLICATION_DATA, CHANGE_CIPHER_SPEC, HANDSHAKE};
use super::track::{State, Track};
use crate::clock::Timestamp;
use crate::flow::{Chunk, Cleartext, Control, Opening, Run, Side, Spares, Start, StreamConsumer};
use crate::limits::Limits;
use crate::tls::starttls;
use crate::tls::starttls::patience::{self, Patience};

impl StreamConsumer for Conversation {
    fn recycle(&mut self, spares: &mut Spares) {
        self.tracks = <[Track; 2]>::default();
        self.transcript.give_back(spares);
    }

    fn feed(
        &mut self,
        side: Side,
        at: Timestamp,
        chunk: Chunk<'_>,
        limits: &Limits,
        spares: &mut Spares,
    ) -> Control {
        match chunk {
            // What is encrypted is not read, so that a copy that differs hides nothing.
            Chunk::Data(bytes) if side.of(&self.tracks).is_encrypted(bytes) => {
                self.transcript.pass(side, bytes.len());
                self.data(side, at, Part { bytes, place: None }, limits);
            }
            Chunk::Data(bytes) => {
                let place = self.transcript.receive(side, bytes, limits, spares);
                self.data(side, at, Part { bytes, place: Some(place) }, limits);
            }
            Chunk::Gap(missing) => {
                self.transcript.tear(side);
                self.gap(side, at, missing, limits);
            }
        }
        self.control()
    }

    fn received(&self, side: Side) -> Run<'_> {
        self.transcript.received(side)
    }

    fn start(&self, side: Side, bytes: &[u8]) -> Start {
        let found = match self.context(side) {
            Context::Cleartext => classify(bytes, Context::Beginning),
            context => classify(bytes, context),
        };
        match found {
            Found::Tls if begins_mid_handshake(bytes) => Start::Doubtful,
            Found::Tls | Found::SslV2 | Found::Framed(_) | Found::TooShort => Start::Plausible,
            Found::Nothing if patience::is_beginning(bytes) => Start::Plausible,
            Found::Nothing => Start::Doubtful,
        }
    }

    #[inline]
    #[expect(clippy::needless_bitwise_bool, reason = "one branch is guessed right more often")]
    fn opening(payload: &[u8]) -> Opening {
        match payload {
            // All at once, as for `may_open`.
            [first, second, third, ..]
                if (*first == HANDSHAKE) & (*second == 3)
                    | (*first >= 0x80) & (*third == 1)
                    | patience::may_open(*first, *second) =>
            {
                opening(payload)
            }
            _ => Opening::None,
        }
    }

    fn cleartext(&self) -> Option<Cleartext> {
        let said = self.transcript.preamble();
        let matters =
            |text: &Vec<u8>| Patience::of(text) > Patience::Unknown || patience::is_opening(text);
        let is_named = || {
            [Side::Low, Side::High].iter().any(|client| {
                starttls::application(said, *client, &[], None, starttls::Begun::WithHello)
                    .name
                    .is_some()
            })
        };
        (self.transcript.is_empty()
            && said.iter().any(|text| !text.is_empty())
            && (said.iter().any(matters) || is_named()))
        .then(|| said.clone())
    }

    fn resume(&mut self, cleartext: Cleartext) {
        self.transcript.set_preamble(cleartext);
    }

    fn restart(&mut self, side: Side) -> bool {
        let track = side.of_mut(&mut self.tracks);
        let searches = matches!(track.state, State::Search);
        if searches {
            *track = Track::default();
            self.transcript.restart(side);
        }
        searches
    }

    fn settle(&mut self) {
        self.transcript.shrink();
    }

    fn begun(&self) -> bool {
        !self.transcript.is_empty()
    }

    fn held_bytes(&self) -> usize {
        self.transcript.held_bytes()
    }

    fn prefetch_end(&self, side: Side, size: usize) {
        if !side.of(&self.tracks).is_skipping() {
            self.transcript.prefetch_end(side, size);
        }
    }
}

/// What a packet begins of which the first bytes say that it may begin something.
#[inline(never)]
fn opening(payload: &[u8]) -> Opening {
    match payload {
        [HANDSHAKE, 3, _, _, _, 1, 0, _, _, 3, 0..=4, ..] => Opening::Sought,
        [HANDSHAKE, ..] => Opening::None,
        [0x80..=0xff, _, 1, 0 | 3, ..]
            if matches!(classify(payload, Context::Cleartext), Found::SslV2) =>
        {
            Opening::Sought
        }
        _ if patience::is_opening(payload) => Opening::Words,
        _ => Opening::None,
    }
}

/// Whether records begin with one that cannot be the first of its direction: what came before it may
/// only be late.
const fn begins_mid_handshake(bytes: &[u8]) -> bool {
    match bytes {
        [HANDSHAKE, _, _, _, _, kind, ..] => !matches!(kind, 1 | 2),
        [CHANGE_CIPHER_SPEC | APPLICATION_DATA, ..] => true,
        _ => false,
    }
}
