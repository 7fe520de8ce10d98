//! All of it: a capture in, records and an inventory out, with one thread and with two; and the same
//! inventory out of a census file.

use std::fs;

use tlscensus::census::{Snapshot, Store};
use tlscensus::limits::Limits;
use tlscensus::policy::Policy;

use super::{json, office};

fn limits() -> Limits {
    Limits {
        flows: 64,
        watched_flows: 32,
        datagram_flows: 32,
        watched_datagram_flows: 16,
        watched_bytes: 1 << 20,
        block_bytes: 1 << 17,
        ..Limits::default()
    }
}

pub fn check(data: &[u8]) {
    let path = office::folder().join("in.pcap");
    fs::write(&path, data).unwrap();
    let one = office::settings(1, limits());
    let (lines, snapshot, finished) = office::read(path.clone(), &one);
    assert!(finished.faults.is_none(), "{}", finished.faults);
    assert!(finished.output.is_none());
    let source = &finished.sources[0];
    let packets = source.counted.packets.frames();
    assert_eq!(packets, source.counted.capture.frames, "a frame was not counted");
    let mut count = 0_u64;
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        count += 1;
        json::same_again(line);
    }
    assert!(count <= packets.max(1) * 2, "{count} records of {packets} packets");
    let policy = Policy::by_id("dataverse").unwrap();
    let report = office::judge(&snapshot, policy.clone());
    assert!(serde_json::from_slice::<serde_json::Value>(&report).is_ok());
    // Every second input is also read with more threads: nothing may depend on them.
    if data.len().is_multiple_of(2) {
        let two = office::settings(2, limits());
        let (others, snapshot, finished) = office::read(path, &two);
        assert!(finished.faults.is_none());
        assert!(lines == others, "threads change the records");
        assert!(report == office::judge(&snapshot, policy), "threads change the inventory");
    } else {
        let census = office::folder().join("kept.db");
        let _ = fs::remove_file(&census);
        office::save(&census, &snapshot);
        let store = Store::open_read_only(&census, &limits()).unwrap();
        let kept = Store::merged(&mut [store], |part| part).unwrap();
        let names = |snapshot: &Snapshot| Snapshot { sources: Vec::new(), ..snapshot.clone() };
        let [direct, kept] = [&snapshot, &kept].map(|it| office::judge(&names(it), policy.clone()));
        assert!(direct == kept, "a census file changes the inventory");
    }
}

/// Change a classic little-endian capture by the packet: drop, double, swap, cut one in two, or let
/// `bytes` change what is in one. Returns the new length; 0 if it is no such capture.
pub fn mutate(
    data: &mut [u8],
    size: usize,
    most: usize,
    seed: u32,
    bytes: &mut dyn FnMut(&mut [u8], usize, usize) -> usize,
) -> usize {
    let Some((head, rest)) = data[..size].split_at_checked(24) else { return 0 };
    if !matches!(head, [0xd4, 0xc3, 0xb2, 0xa1, ..] | [0x4d, 0x3c, 0xb2, 0xa1, ..]) {
        return 0;
    }
    let mut packets: Vec<Vec<u8>> = Vec::new();
    let mut rest = rest;
    while let Some((header, _)) = rest.split_at_checked(16) {
        let length = u32::from_le_bytes([header[8], header[9], header[10], header[11]]) as usize;
        let Some((packet, after)) = rest.split_at_checked(length.saturating_add(16)) else { break };
        packets.push(packet.to_vec());
        rest = after;
    }
    if packets.is_empty() {
        return 0;
    }
    let (one, other) = (seed as usize % packets.len(), (seed >> 12) as usize % packets.len());
    match seed >> 29 {
        0 => drop(packets.remove(one)),
        1 => packets.insert(other, packets[one].clone()),
        2 => packets.swap(one, other),
        3 => {
            // Time jumps.
            for (slot, byte) in packets[one].iter_mut().zip(seed.to_be_bytes()) {
                *slot = byte;
            }
        }
        _ => {
            let packet = &mut packets[one];
            let mut body = packet.split_off(16);
            let had = body.len();
            body.resize(had + 32, 0);
            let now = bytes(&mut body, had, had + 32);
            body.truncate(now);
            let length = u32::try_from(now).unwrap_or(u32::MAX).to_le_bytes();
            packet[8..12].copy_from_slice(&length);
            packet[12..16].copy_from_slice(&length);
            packet.extend(body);
        }
    }
    let mut out = data[..24].to_vec();
    for packet in packets {
        if out.len() + packet.len() <= most {
            out.extend(packet);
        }
    }
    data[..out.len()].copy_from_slice(&out);
    out.len()
}
