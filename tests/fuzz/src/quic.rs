//! QUIC: datagrams of packets that are sealed here, so that what is fuzzed is what is inside.

use std::time::Duration;

use super::dtls::{Sent, converse, limits};
use super::heap;
use super::input::Input;
use super::seal::{self, Initial};

/// An Initial packet of either end, of a connection whose first id was `id`.
pub fn seal(version: usize, from_client: bool, id: &[u8], number: u8, frames: &[u8]) -> Vec<u8> {
    let (target, source) = if from_client { (id, &b"source"[..]) } else { (&b"source"[..], id) };
    let packet = Initial {
        version: if version == 0 { 1 } else { 2 },
        from_client,
        keys: id,
        target,
        source,
        token: &[],
        number: u32::from(number),
        width: 1,
    };
    seal::seal(&packet, frames)
}

pub fn check(data: &[u8]) {
    let mut input = Input(data);
    let mut sent: Vec<Sent> = Vec::new();
    while !input.is_empty() {
        let head = input.u8();
        let bytes = input.block();
        let bytes = &bytes[..bytes.len().min(1500)];
        let from_client = head & 8 == 0;
        let payload = if head & 0x40 == 0 {
            let id = [b'o', b'r', b'i', b'g', b'i', b'n', b'a', head & 0x20];
            let number = input.u8();
            seal(usize::from(head >> 4 & 1), from_client, &id, number & 0x3f, bytes)
        } else {
            bytes.to_vec()
        };
        // Several packets may share a datagram.
        if head & 0x80 != 0
            && let Some(last) = sent.last_mut()
            && last.from_client == from_client
        {
            last.payload.extend(payload);
            continue;
        }
        let pause = Duration::from_millis(u64::from(head & 7));
        sent.push(Sent { flow: head & 1, from_client, pause, payload, cut: 0 });
    }
    heap::bounded(data.len(), 4 << 20, 512, || converse(&sent, &limits()));
}
