//! IEEE 802.11 data frames that are not encrypted, and the radiotap header before them.

use crate::bytes::Reader;
use crate::packet::cursor::{Cursor, Next};
use crate::packet::{Layer, Mac, Skip};

/// A radiotap header, and the frame behind it.
pub(super) fn radiotap(cursor: &mut Cursor<'_>) -> Result<Next, Skip> {
    let [version, _, low, high] = cursor.header(Layer::Link)?;
    let length = usize::from(u16::from_le_bytes([low, high]));
    let length = length.checked_sub(4).ok_or(Skip::Malformed(Layer::Link))?;
    if version != 0 {
        return Err(Skip::Malformed(Layer::Link));
    }
    let Some(fields) = cursor.bytes.sub(length) else { return Err(cursor.short(Layer::Link)) };
    if pads_header(fields).unwrap_or(false) {
        return frame(cursor, Form::Padded);
    }
    Ok(Next::Wlan)
}

/// Whether the radiotap flags say that the 802.11 header is padded to whole words.
fn pads_header(mut fields: Reader<'_>) -> Option<bool> {
    let little = |bytes: [u8; 4]| u32::from_le_bytes(bytes);
    let present = little(fields.array()?);
    let mut word = present;
    let mut words: u32 = 1;
    // Bit 31 of each word says that another word of bits follows.
    while word >> 31 == 1 {
        word = little(fields.array()?);
        words = words.wrapping_add(1);
    }
    if present & 0b10 == 0 {
        return None;
    }
    // The first field, eight bytes of time, is aligned to eight bytes from the start of the
    // header, which has four bytes before the words.
    if present & 0b01 != 0 {
        fields.skip(if words.is_multiple_of(2) { 12 } else { 8 })?;
    }
    Some(fields.u8()? & 0x20 != 0)
}

/// How the header of an 802.11 frame is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// As on the air.
    Air,
    /// With bytes behind it up to a multiple of four, as some drivers do it.
    Padded,
    /// As tunnelled by an access point: some write the frame control in the other order.
    Tunnelled,
}

/// IEEE 802.11-2016 §9.3.2.1: a data frame.
pub(super) fn frame(cursor: &mut Cursor<'_>, form: Form) -> Result<Next, Skip> {
    cursor.count_header()?;
    let [control, flags] = cursor.header(Layer::Link)?;
    // A tunnelled frame goes to or comes from the distribution system, so that its flags are never
    // taken for a control byte. Who swaps these two swaps the sequence control as well.
    let swapped = form == Form::Tunnelled && control & 0x0f != 0x08 && flags & 0x0f == 0x08;
    let (control, flags) = if swapped { (flags, control) } else { (control, flags) };
    // Version 0, type 2 (data); 0x40 in the subtype means that there is none.
    if control & 0x0f != 0x08 || control & 0x40 != 0 {
        return Err(Skip::NotIp);
    }
    let (to_system, from_system) = (flags & 0x01 != 0, flags & 0x02 != 0);
    let (more_fragments, protected, order) =
        (flags & 0x04 != 0, flags & 0x40 != 0, flags & 0x80 != 0);
    cursor.skip(2, Layer::Link)?;
    let first = Mac(cursor.header(Layer::Link)?);
    let second = Mac(cursor.header(Layer::Link)?);
    let third = Mac(cursor.header(Layer::Link)?);
    let [low, high] = cursor.header(Layer::Link)?;
    let sequence = if swapped { high } else { low };
    let mut length: usize = 24;
    let (source, target) = match (to_system, from_system) {
        (false, false) => (second, first),
        (false, true) => (third, first),
        (true, false) => (second, third),
        (true, true) => {
            length = length.saturating_add(6);
            (Mac(cursor.header(Layer::Link)?), third)
        }
    };
    if control & 0x80 != 0 {
        let [service, _] = cursor.header(Layer::Link)?;
        length = length.saturating_add(2);
        if order {
            cursor.skip(4, Layer::Link)?;
            length = length.saturating_add(4);
        }
        // Several frames in one (A-MSDU) have headers of their own.
        if service & 0x80 != 0 {
            return Err(Skip::NotIp);
        }
    }
    // The low nibble of the first sequence byte counts fragments: a part of a frame is no packet.
    if protected || more_fragments || sequence & 0x0f != 0 {
        return Err(Skip::NotIp);
    }
    if form == Form::Padded {
        cursor.skip(length.next_multiple_of(4).saturating_sub(length), Layer::Link)?;
    }
    cursor.layers.source_mac = Some(source);
    cursor.layers.target_mac = Some(target);
    Ok(Next::Llc)
}
