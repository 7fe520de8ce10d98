//! Frames of an Initial packet (RFC 9000 §12.4: PADDING, PING, ACK, CRYPTO, CONNECTION_CLOSE).

use super::packet::varint;
use super::version::Framing;
use crate::bytes::Reader;

/// A frame, as far as it is of interest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frame<'a> {
    /// Bytes of the handshake.
    Crypto {
        /// Where they belong.
        offset: u64,
        /// As many of them as there are.
        bytes: &'a [u8],
    },
    /// The connection is over.
    Close {
        /// The transport's error code.
        code: u64,
    },
    /// Nothing of interest.
    Other,
}

/// The next frame; `None` at the end, and at what is no frame.
pub(crate) fn next_frame<'a>(reader: &mut Reader<'a>, framing: Framing) -> Option<Frame<'a>> {
    match (framing, varint(reader)?) {
        // PADDING, as much of it as there is; PING.
        (_, 0) => {
            let padding = reader.peek().iter().take_while(|byte| **byte == 0).count();
            reader.skip(padding)?;
            Some(Frame::Other)
        }
        (Framing::Ietf, 1) => Some(Frame::Other),
        // ACK, with and without ECN counts: each range takes bytes, so a lie about their number
        // ends with the packet.
        (Framing::Ietf, kind @ (2 | 3)) => {
            let _largest = varint(reader)?;
            let _delay = varint(reader)?;
            let ranges = varint(reader)?;
            let _first = varint(reader)?;
            for _ in 0..ranges {
                let (_gap, _length) = (varint(reader)?, varint(reader)?);
            }
            for _ in 0..(if kind == 3 { 3 } else { 0 }) {
                varint(reader)?;
            }
            Some(Frame::Other)
        }
        (Framing::Ietf, 6) | (Framing::Google, 8) => {
            let offset = varint(reader)?;
            let size = usize::try_from(varint(reader)?).ok()?;
            // Only a packet that the capture cut ends within a frame.
            Some(Frame::Crypto { offset, bytes: reader.take_up_to(size) })
        }
        // CONNECTION_CLOSE by the transport, and by the application (which an Initial packet
        // must not carry, but some do).
        (Framing::Ietf, kind @ (0x1c | 0x1d)) => {
            let code = varint(reader)?;
            if kind == 0x1c {
                let _frame_type = varint(reader)?;
            }
            let reason = usize::try_from(varint(reader)?).ok()?;
            reader.take_up_to(reason);
            Some(if kind == 0x1c { Frame::Close { code } } else { Frame::Other })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(bytes: &[u8]) -> Vec<Frame<'_>> {
        let mut reader = Reader::new(bytes);
        std::iter::from_fn(|| next_frame(&mut reader, Framing::Ietf)).collect()
    }

    #[test]
    fn frames_of_an_initial_packet_are_told_apart() {
        let bytes = [
            2, 5, 0x40, 9, 1, 0, 0, 0, // ACK with one more range
            6, 0x41, 0, 2, 0xaa, 0xbb, // CRYPTO
            0, 0, 0, 1, // PADDING, PING
            0x1c, 0x41, 0x28, 6, 2, b'n', b'o', // CONNECTION_CLOSE: handshake_failure
        ];
        assert_eq!(
            frames(&bytes),
            [
                Frame::Other,
                Frame::Crypto { offset: 256, bytes: &[0xaa, 0xbb] },
                Frame::Other,
                Frame::Other,
                Frame::Close { code: 0x128 },
            ]
        );
    }

    #[test]
    fn a_range_count_that_lies_ends_with_the_packet() {
        assert_eq!(frames(&[2, 5, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 1, 1]), []);
    }
}
