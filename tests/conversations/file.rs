//! Frames → capture files: pcap of one link type, pcapng of several (the drafts of the IETF's opsawg).

use super::random::Random;
use super::wire::Frame;

/// A file of these frames, in order of time; and the unit of its times in nanoseconds.
pub fn write(random: &mut Random, frames: &[Frame]) -> (Vec<u8>, u64) {
    let links: std::collections::BTreeSet<u16> = frames.iter().map(|frame| frame.link).collect();
    let big = random.chance(30);
    let nano = random.chance(50);
    let unit = if nano { 1 } else { 1_000 };
    let bytes = if links.len() == 1 && random.chance(70) {
        classic(frames, big, nano)
    } else {
        next_generation(random, frames, big, nano)
    };
    (bytes, unit)
}

fn word(value: u32, big: bool) -> [u8; 4] {
    if big { value.to_be_bytes() } else { value.to_le_bytes() }
}

fn half(value: u16, big: bool) -> [u8; 2] {
    if big { value.to_be_bytes() } else { value.to_le_bytes() }
}

fn classic(frames: &[Frame], big: bool, nano: bool) -> Vec<u8> {
    let magic = if nano { 0xa1b2_3c4d } else { 0xa1b2_c3d4 };
    let mut out = word(magic, big).to_vec();
    out.extend([half(2, big), half(4, big)].concat());
    for value in [0, 0, 65_535, u32::from(frames[0].link)] {
        out.extend(word(value, big));
    }
    for frame in frames {
        let size = u32::try_from(frame.bytes.len()).unwrap();
        let seconds = u32::try_from(frame.at / 1_000_000_000).unwrap();
        let rest = u32::try_from(frame.at % 1_000_000_000 / if nano { 1 } else { 1_000 }).unwrap();
        for value in [seconds, rest, size, size] {
            out.extend(word(value, big));
        }
        out.extend(&frame.bytes);
    }
    out
}

fn block(kind: u32, body: &[u8], big: bool) -> Vec<u8> {
    let padded = body.len().next_multiple_of(4);
    let size = word(u32::try_from(padded + 12).unwrap(), big);
    let mut out = [&word(kind, big)[..], &size, body].concat();
    out.resize(padded + 8, 0);
    out.extend(size);
    out
}

fn next_generation(random: &mut Random, frames: &[Frame], big: bool, nano: bool) -> Vec<u8> {
    let mut out = Vec::new();
    // Sections begin anew, with interfaces of their own.
    let sections = random.within(1, 3);
    for part in frames.chunks(frames.len().div_ceil(sections)) {
        let head = [&word(0x1a2b_3c4d, big)[..], &half(1, big), &half(0, big), &[0xff; 8]].concat();
        out.extend(block(0x0a0d_0d0a, &head, big));
        let mut links: Vec<u16> = Vec::new();
        for frame in part {
            let interface =
                links.iter().position(|link| *link == frame.link).unwrap_or_else(|| {
                    links.push(frame.link);
                    let mut body =
                        [&half(frame.link, big)[..], &half(0, big), &word(0, big)].concat();
                    if nano {
                        // if_tsresol, and the end of the options.
                        body.extend(
                            [&half(9, big)[..], &half(1, big), &[9, 0, 0, 0], &[0; 4]].concat(),
                        );
                    }
                    out.extend(block(1, &body, big));
                    links.len() - 1
                });
            let at = frame.at / if nano { 1 } else { 1_000 };
            let size = u32::try_from(frame.bytes.len()).unwrap();
            let fields = [
                u32::try_from(interface).unwrap(),
                u32::try_from(at >> 32).unwrap(),
                u32::try_from(at & 0xffff_ffff).unwrap(),
                size,
                size,
            ];
            let mut body: Vec<u8> = fields.iter().flat_map(|field| word(*field, big)).collect();
            body.extend(&frame.bytes);
            out.extend(block(6, &body, big));
            if random.chance(2) {
                // A kind that nobody knows.
                out.extend(block(0x0bad_0bad, &[1, 2, 3, 4], big));
            }
        }
    }
    out
}
