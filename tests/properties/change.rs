//! Changes of a conversation that a capture may do to it, and that must not change its record.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;

use crate::traffic::{ACK, FIN, PSH, Packet, RST, SYN, Tcp};

/// A small generator of numbers that are random enough.
pub struct Dice(u64);

impl Dice {
    pub const fn new(seed: u64) -> Self {
        Self(seed ^ 0x9e37_79b9_7f4a_7c15)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end.max(1)
    }

    /// Whether one of `n` cases is met.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// A change: what it is called, what it does, and which fields of a record it may change.
pub struct Change {
    pub name: &'static str,
    pub apply: fn(&[Packet], &mut Dice) -> Vec<Packet>,
    /// Paths of the record that may differ.
    pub may_differ: &'static [&'static str],
    /// How many ways to do it are tried on each capture.
    pub seeds: u64,
}

/// What is counted until the flow is no longer watched, which is decided packet by packet.
const WATCHED: &[&str] = &["seen.client_bytes", "seen.server_bytes"];

/// Another order moves moments, and interleaves the two directions otherwise.
pub const ORDER: &[&str] =
    &["seen.client_bytes", "seen.server_bytes", "ts", "handshake_ms", "history order"];

/// An end of which there was only a RST, which came first, is no longer heard.
const SIDES: &[&str] = &[
    "seen.client_bytes",
    "seen.server_bytes",
    "seen.sides",
    "ts",
    "handshake_ms",
    "history order",
];

pub const CHANGES: &[Change] = &[
    Change { name: "permuted", apply: permuted, seeds: 3, may_differ: ORDER },
    Change { name: "doubled", apply: doubled, seeds: 1, may_differ: &[] },
    Change { name: "doubled by routing", apply: routed, seeds: 1, may_differ: MACS },
    Change {
        name: "doubled by routing between VLANs",
        apply: routed_vlans,
        seeds: 1,
        may_differ: MACS,
    },
    Change {
        name: "one VLAN for each direction",
        apply: one_way_vlans,
        seeds: 1,
        may_differ: &["vlan"],
    },
    Change {
        name: "a VLAN tag in one direction only",
        apply: one_way_tag,
        seeds: 2,
        may_differ: &["vlan"],
    },
    Change { name: "cut smaller", apply: smaller, seeds: 1, may_differ: WATCHED },
    Change { name: "cut into bytes", apply: bytes, seeds: 1, may_differ: WATCHED },
    Change { name: "glued larger", apply: larger, seeds: 1, may_differ: GLUED },
    Change { name: "overlapping", apply: overlapping, seeds: 1, may_differ: WATCHED },
    Change { name: "retransmitted", apply: retransmitted, seeds: 1, may_differ: &[] },
    Change { name: "kept alive", apply: kept_alive, seeds: 1, may_differ: &[] },
    Change { name: "wrapped around", apply: wrapped, seeds: 1, may_differ: &[] },
    Change { name: "without SYNs", apply: without_syns, seeds: 1, may_differ: &[] },
    Change {
        name: "acknowledged before it was sent",
        apply: acknowledged_early,
        seeds: 2,
        may_differ: SIDES,
    },
    Change { name: "with data in the SYN", apply: fast_open, seeds: 1, may_differ: ORDER },
    Change {
        name: "without pure acknowledgements",
        apply: without_acks,
        seeds: 1,
        may_differ: &[],
    },
    Change {
        name: "without FINs",
        apply: without_ends,
        seeds: 1,
        may_differ: &["how an unfinished one ends"],
    },
    Change { name: "with ports used again", apply: used_again, seeds: 1, may_differ: &[] },
    Change {
        name: "with ports used again, no SYNs",
        apply: used_again_unseen,
        seeds: 1,
        may_differ: WATCHED,
    },
    Change { name: "silent before TLS", apply: silent, seeds: 2, may_differ: LATER },
];

/// What the copies beyond a router show otherwise.
pub const MACS: &[&str] = &["vlan", "client.mac", "server.mac"];

/// What moves with a silence; of what was said before it only the words are kept.
const LATER: &[&str] = &["ts", "seen.client_bytes", "seen.server_bytes", "handshake_ms"];

/// Bytes that come later come with the first ones.
const GLUED: &[&str] = &["seen.client_bytes", "seen.server_bytes", "handshake_ms"];

/// The ends of a packet, the same for both directions.
fn flow(packet: &Packet) -> (bool, SocketAddr, SocketAddr) {
    let (low, high) = (packet.from.min(packet.to), packet.from.max(packet.to));
    (packet.tcp.is_some(), low, high)
}

/// Give packets in a new order the times of the old one.
pub fn retimed(mut packets: Vec<Packet>, old: &[Packet]) -> Vec<Packet> {
    for (packet, old) in packets.iter_mut().zip(old) {
        packet.at = old.at;
    }
    packets
}

/// Each packet up to six places later than it was sent, within half a second.
pub fn permuted(packets: &[Packet], dice: &mut Dice) -> Vec<Packet> {
    let mut groups: Vec<Vec<(usize, Packet)>> = Vec::new();
    let mut begun = 0;
    for (n, packet) in packets.iter().enumerate() {
        if groups.is_empty() || packet.at.abs_diff(begun) > 500_000_000 {
            groups.push(Vec::new());
            begun = packet.at;
        }
        groups.last_mut().unwrap().push((n + dice.below(7), packet.clone()));
    }
    for group in &mut groups {
        group.sort_by_key(|(place, _)| *place);
    }
    retimed(groups.into_iter().flatten().map(|(_, packet)| packet).collect(), packets)
}

/// What `copy` makes of each packet, behind it or up to three packets later.
fn with_copies(
    packets: &[Packet],
    dice: &mut Dice,
    copy: impl Fn(&Packet, &mut Dice) -> Option<Packet>,
) -> Vec<Packet> {
    let mut out = Vec::new();
    let mut late: Vec<(usize, Packet)> = Vec::new();
    for packet in packets {
        let at = packet.at;
        out.push(packet.clone());
        if let Some(copy) = copy(packet, dice) {
            late.push((dice.below(4), copy));
        }
        late.retain_mut(|(left, copy)| {
            if *left == 0 {
                out.push(Packet { at, ..copy.clone() });
                return false;
            }
            *left -= 1;
            true
        });
    }
    let at = packets.last().map_or(0, |packet| packet.at);
    out.extend(late.into_iter().map(|(_, copy)| Packet { at, ..copy }));
    out
}

pub fn doubled(packets: &[Packet], dice: &mut Dice) -> Vec<Packet> {
    with_copies(packets, dice, |packet, _| Some(packet.clone()))
}

fn beyond_router(packet: &Packet) -> Packet {
    let macs = [[2, 0, 0, 0, 7, 1], [2, 0, 0, 0, 7, 2]];
    Packet { ttl: packet.ttl - 1, macs, ..packet.clone() }
}

fn routed(packets: &[Packet], dice: &mut Dice) -> Vec<Packet> {
    with_copies(packets, dice, |packet, _| Some(beyond_router(packet)))
}

pub fn routed_vlans(packets: &[Packet], dice: &mut Dice) -> Vec<Packet> {
    let tagged: Vec<_> =
        packets.iter().map(|packet| Packet { vlans: vec![10], ..packet.clone() }).collect();
    with_copies(&tagged, dice, |packet, _| {
        Some(Packet { vlans: vec![20], ..beyond_router(packet) })
    })
}

pub fn one_way_vlans(packets: &[Packet], _: &mut Dice) -> Vec<Packet> {
    let vlan = |packet: &Packet| if packet.from < packet.to { 10 } else { 20 };
    packets.iter().map(|packet| Packet { vlans: vec![vlan(packet)], ..packet.clone() }).collect()
}

pub fn one_way_tag(packets: &[Packet], dice: &mut Dice) -> Vec<Packet> {
    let low = dice.one_in(2);
    let tag = |packet: &Packet| if (packet.from < packet.to) == low { vec![10] } else { vec![] };
    packets.iter().map(|packet| Packet { vlans: tag(packet), ..packet.clone() }).collect()
}

/// A part of a segment.
fn part(packet: &Packet, from: usize, to: usize) -> Packet {
    let mut part = packet.clone();
    let whole = to == packet.payload.len();
    let skipped = u32::try_from(from).unwrap();
    part.payload = packet.payload[from..to].to_vec();
    part.cut = if whole { packet.cut } else { 0 };
    if let Some(tcp) = &mut part.tcp {
        let syn = u32::from(tcp.flags & SYN != 0);
        if from > 0 {
            tcp.seq = tcp.seq.wrapping_add(skipped).wrapping_add(syn);
            tcp.flags &= !SYN;
        }
        if !whole {
            tcp.flags &= !FIN;
        }
    }
    part
}

/// Segments of which each is cut into parts of sizes that `size` says.
fn cut(packets: &[Packet], mut size: impl FnMut() -> usize) -> Vec<Packet> {
    let mut out = Vec::new();
    for packet in packets {
        let mut from = 0;
        while packet.tcp.is_some() && from < packet.payload.len() {
            let to = (from + size().max(1)).min(packet.payload.len());
            out.push(part(packet, from, to));
            from = to;
        }
        if from == 0 {
            out.push(packet.clone());
        }
    }
    out
}

fn smaller(packets: &[Packet], dice: &mut Dice) -> Vec<Packet> {
    let most = [7, 60, 500][dice.below(3)];
    cut(packets, || 1 + dice.below(most))
}

fn bytes(packets: &[Packet], _: &mut Dice) -> Vec<Packet> {
    cut(packets, || 1)
}

fn larger(packets: &[Packet], _: &mut Dice) -> Vec<Packet> {
    let mut out: Vec<Packet> = Vec::new();
    for packet in packets {
        let data = |packet: &Packet| {
            !packet.payload.is_empty() && !packet.is(SYN | FIN | RST) && packet.cut == 0
        };
        if let (Some(last), Some(tcp)) = (out.last_mut(), packet.tcp)
            && data(last)
            && data(packet)
            && (last.from, last.to) == (packet.from, packet.to)
            && last.payload.len() + packet.payload.len() < 60_000
            && packet.at.abs_diff(last.at) < 100_000_000
            && last.tcp.is_some_and(|last_tcp| {
                last_tcp.seq.wrapping_add(u32::try_from(last.payload.len()).unwrap()) == tcp.seq
            })
        {
            last.payload.extend(&packet.payload);
        } else {
            out.push(packet.clone());
        }
    }
    out
}

/// Segments that begin before the one before them ends, with the same bytes.
fn overlapping(packets: &[Packet], dice: &mut Dice) -> Vec<Packet> {
    let mut sent: HashMap<(SocketAddr, SocketAddr), (u32, Vec<u8>)> = HashMap::new();
    let small = cut(packets, || 1 + dice.below(300));
    small
        .iter()
        .map(|packet| {
            let Some(tcp) = packet.tcp.filter(|tcp| tcp.flags & SYN == 0) else {
                return packet.clone();
            };
            let mut packet = packet.clone();
            let (end, history) = sent.entry((packet.from, packet.to)).or_default();
            if *end == tcp.seq && packet.cut == 0 && !packet.payload.is_empty() {
                let back = dice.below(history.len().min(400) + 1);
                let again = history[history.len() - back..].to_vec();
                history.extend(&packet.payload);
                *end = tcp.seq.wrapping_add(u32::try_from(packet.payload.len()).unwrap());
                packet.payload.splice(..0, again);
                let seq = tcp.seq.wrapping_sub(u32::try_from(back).unwrap());
                packet.tcp = Some(Tcp { seq, ..tcp });
            } else if !packet.payload.is_empty() {
                history.clone_from(&packet.payload);
                *end =
                    tcp.seq.wrapping_add(u32::try_from(packet.payload.len()).unwrap() + packet.cut);
                if packet.cut > 0 {
                    history.clear();
                }
            }
            packet
        })
        .collect()
}

fn retransmitted(packets: &[Packet], dice: &mut Dice) -> Vec<Packet> {
    with_copies(packets, dice, |packet, dice| {
        (packet.tcp.is_some() && !packet.payload.is_empty() && dice.one_in(2))
            .then(|| packet.clone())
    })
}

/// Behind every other segment a byte that was acknowledged already, of no particular value.
fn kept_alive(packets: &[Packet], dice: &mut Dice) -> Vec<Packet> {
    with_copies(packets, dice, |packet, dice| {
        let tcp = packet.tcp.filter(|tcp| tcp.flags & (SYN | RST) == 0)?;
        let size = u32::try_from(packet.payload.len()).unwrap();
        let seq = tcp.seq.wrapping_add(size).wrapping_sub(1);
        let last = packet.payload.last().copied().filter(|_| packet.cut == 0)?;
        dice.one_in(2).then(|| Packet {
            tcp: Some(Tcp { seq, flags: ACK, ..tcp }),
            payload: vec![last],
            ..packet.clone()
        })
    })
}

/// Sequence numbers that wrap around within the handshake.
fn wrapped(packets: &[Packet], dice: &mut Dice) -> Vec<Packet> {
    let mut shift: HashMap<(SocketAddr, SocketAddr), u32> = HashMap::new();
    let mut packets = packets.to_vec();
    for packet in &packets {
        if packet.tcp.is_some() {
            let near = u32::try_from(dice.below(300)).unwrap();
            shift
                .entry((packet.from, packet.to))
                .or_insert_with(|| 0_u32.wrapping_sub(packet.data_seq()).wrapping_sub(near));
        }
    }
    for packet in &mut packets {
        let of = |from, to| shift.get(&(from, to)).copied().unwrap_or(0);
        let [own, other] = [of(packet.from, packet.to), of(packet.to, packet.from)];
        if let Some(tcp) = &mut packet.tcp {
            tcp.seq = tcp.seq.wrapping_add(own);
            if tcp.flags & ACK != 0 {
                tcp.ack = tcp.ack.wrapping_add(other);
            }
        }
    }
    packets
}

fn without_syns(packets: &[Packet], _: &mut Dice) -> Vec<Packet> {
    packets.iter().filter(|packet| !(packet.is(SYN) && packet.is_bare())).cloned().collect()
}

/// The client's segments after the server's answers to them: a SPAN port with a queue for each
/// direction.
fn acknowledged_early(packets: &[Packet], dice: &mut Dice) -> Vec<Packet> {
    let late = dice.one_in(2);
    let mut keyed: Vec<(usize, &Packet)> = Vec::new();
    for (n, packet) in packets.iter().enumerate() {
        let client = packet.to.port() < packet.from.port();
        keyed.push((if client == late { n * 2 + 7 } else { n * 2 }, packet));
    }
    keyed.sort_by_key(|(place, _)| *place);
    retimed(keyed.into_iter().map(|(_, packet)| packet.clone()).collect(), packets)
}

/// The first segment of data together with the SYN.
fn fast_open(packets: &[Packet], _: &mut Dice) -> Vec<Packet> {
    let mut first = HashMap::new();
    let mut moved: HashSet<usize> = HashSet::new();
    let mut out = packets.to_vec();
    for (n, packet) in packets.iter().enumerate() {
        let Some(tcp) = packet.tcp else { continue };
        let ends = (packet.from, packet.to, &packet.vlans);
        if tcp.flags & (SYN | ACK) == SYN && packet.is_bare() {
            first.insert(ends, n);
        } else if !packet.is_bare()
            && let Some(syn) = first.remove(&ends)
            && packets[syn].data_seq() == tcp.seq
            && tcp.flags & FIN == 0
            && packet.at.abs_diff(packets[syn].at) < 500_000_000
        {
            out[syn].payload.clone_from(&packet.payload);
            out[syn].cut = packet.cut;
            moved.insert(n);
        }
    }
    let mut n = 0;
    out.retain(|_| {
        n += 1;
        !moved.contains(&(n - 1))
    });
    out
}

fn without_acks(packets: &[Packet], _: &mut Dice) -> Vec<Packet> {
    packets
        .iter()
        .filter(|packet| packet.is(SYN | FIN | RST) || !packet.is_bare())
        .cloned()
        .collect()
}

fn without_ends(packets: &[Packet], _: &mut Dice) -> Vec<Packet> {
    let mut packets = packets.to_vec();
    packets.retain(|packet| !(packet.is(FIN | RST) && packet.is_bare()));
    for tcp in packets.iter_mut().filter_map(|packet| packet.tcp.as_mut()) {
        tcp.flags &= !(FIN | PSH);
    }
    packets
}

/// The same connections before, with other bytes (and other numbers) on the same ports: cleartext
/// that is no TLS.
fn used_again(packets: &[Packet], _: &mut Dice) -> Vec<Packet> {
    let mut flows = HashSet::new();
    let start = packets.first().map_or(0, |packet| packet.at);
    let mut out = Vec::new();
    for packet in packets.iter().filter(|packet| packet.is(SYN) && !packet.is(ACK)) {
        if !flows.insert(flow(packet)) {
            continue;
        }
        let Some(tcp) = packet.tcp else { continue };
        let seq = tcp.seq.wrapping_sub(1_000_000_000);
        let earlier = |flags, add, payload: &[u8]| Packet {
            at: start - 3_000_000_000,
            tcp: Some(Tcp { seq: seq.wrapping_add(add), flags, ack: 0, urgent: 0 }),
            payload: payload.to_vec(),
            cut: 0,
            ..packet.clone()
        };
        let text = b"GET / HTTP/1.0\r\n\r\n".repeat(300);
        out.push(earlier(SYN, 0, &[]));
        for (n, chunk) in text.chunks(1400).enumerate() {
            out.push(earlier(PSH, 1 + u32::try_from(n * 1400).unwrap(), chunk));
        }
    }
    out.extend(packets.iter().cloned());
    out
}

/// The same, and of the later connection no SYN was captured.
fn used_again_unseen(packets: &[Packet], dice: &mut Dice) -> Vec<Packet> {
    let first = packets.first().map_or(0, |packet| packet.at);
    let mut packets = used_again(packets, dice);
    packets.retain(|packet| packet.at < first || !(packet.is(SYN) && packet.is_bare()));
    packets
}

/// A silence longer than a flow is watched, and shorter than it is remembered or longer than that:
/// before the hello, or before TLS is asked for.
fn silent(packets: &[Packet], dice: &mut Dice) -> Vec<Packet> {
    let (silence, before) = (200 + 200 * dice.below(2) as u64, dice.below(2));
    let hellos: HashMap<_, _> = packets
        .iter()
        .enumerate()
        .filter(|(_, packet)| matches!(packet.payload[..], [0x16, 3, _, _, _, 1, ..]))
        .rev()
        .map(|(n, packet)| (flow(packet), n))
        .collect();
    let mut late: HashMap<_, Vec<usize>> = HashMap::new();
    for (n, packet) in packets.iter().enumerate() {
        let hello = hellos.get(&flow(packet)).copied().unwrap_or(packets.len());
        if n < hello && !packet.is_bare() {
            late.entry(flow(packet)).or_default().push(n);
        } else if n == hello {
            // What the client said last, and its answer.
            let asked = late.entry(flow(packet)).or_default();
            let from = asked.len().saturating_sub(2 * before);
            let first = asked.get(from).copied().unwrap_or(hello);
            *asked = vec![if from == 0 { hello } else { first }];
        }
    }
    let mut out = packets.to_vec();
    for (n, packet) in out.iter_mut().enumerate() {
        let from = late.get(&flow(packet)).filter(|_| hellos.contains_key(&flow(packet)));
        if from.is_some_and(|from| n >= from[0]) {
            packet.at += silence * 1_000_000_000;
        }
    }
    out.sort_by_key(|packet| packet.at);
    out
}
