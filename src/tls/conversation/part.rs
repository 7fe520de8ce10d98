//! [`Part`]: bytes of a direction, and where they lie.

/// A part of what a direction brought.
#[derive(Clone, Copy)]
pub(super) struct Part<'b> {
    pub(super) bytes: &'b [u8],
    /// Where it lies in what the transcript received, unless it was put together.
    pub(super) place: Option<usize>,
}

impl<'b> Part<'b> {
    /// Its end, from `rest` on.
    pub(super) fn from(self, rest: &'b [u8]) -> Self {
        let skip = self.bytes.len().saturating_sub(rest.len());
        Self { bytes: rest, place: self.place.map(|place| place.saturating_add(skip)) }
    }

    /// The piece of it that lies just before its end `rest`.
    pub(super) fn before(self, rest: &[u8], piece: &'b [u8]) -> Self {
        let skip = self.bytes.len().saturating_sub(rest.len()).saturating_sub(piece.len());
        Self { bytes: piece, place: self.place.map(|place| place.saturating_add(skip)) }
    }
}
