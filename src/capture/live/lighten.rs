//! [`Lighten`]: a filter in the kernel that leaves the bulk of flows out of a ring.
//!
//! Once a flow is shunted nothing more is wanted of it but the headers of its packets, yet each of
//! them takes as much room in the ring as one of a handshake. The heaviest of these flows are named
//! to the kernel in a filter of classic BPF, which any socket may have (no further rights are needed,
//! and eBPF's maps would need some). It looks a packet up among hashes of their addresses and ports,
//! and of those that it finds it
//!
//! * keeps the headers: a tenth of the room, and every packet is still there to be counted;
//! * or, while the ring is [filling](Bulk::Thinned), keeps the headers of one in sixteen, by chance,
//!   so that what is left out can be estimated.
//!
//! ```text
//!   user's filter ─▶ TCP in IPv4, IPv6? ─▶ SYN, FIN, RST? small? a handshake record? ─▶ named? ─▶ cut
//!         │ no              │ no                           │ yes                           │ no
//!         ╰─▶ refused       ╰──────────────▶ whole ◀───────┴───────────────────────────────╯
//! ```
//!
//! What it does not understand passes whole. The hash has a key that is drawn anew for each program,
//! so that nobody can prepare connections that are taken for others.

use std::collections::BTreeSet;

use aws_lc_rs::rand;

/// Flows that can be named: two entries each, and all of it in the 4,096 instructions that a program
/// may have.
pub const MOST_FLOWS: usize = 1_024;

/// Instructions that a program may have (`BPF_MAXINSNS`).
const MOST_INSTRUCTIONS: usize = 4_096;

/// Of so many packets of a flow that is thinned one is kept.
pub const THINNED: u64 = 16;

/// Payloads shorter than this are kept whole: they may be words before a handshake, or the hello
/// of another connection between the same ports, and take little room.
const SMALL: u32 = 256;

/// What to keep of a frame that is not cut: as much as of any.
const WHOLE: u32 = super::SNAPLEN.cast_unsigned();

/// Flags of packets that begin and end connections.
const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;

/// Bytes of an Ethernet header, as the kernel has it: without the tag that it took off.
const ETHERNET: usize = 14;

/// What is done with the packets of flows that are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bulk {
    /// Their headers are kept.
    Cut,
    /// The headers of one in [`THINNED`].
    Thinned,
}

/// One direction of a TCP flow as the filter sees it: VLAN, family, addresses and ports, as numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Way {
    vlan: u16,
    is_v6: bool,
    source: [u32; 4],
    target: [u32; 4],
    ports: [u16; 2],
}

impl Way {
    /// That of an Ethernet frame; `None` where the filter does not look into it.
    pub fn of(frame: &[u8]) -> Option<Self> {
        Self::find(frame).map(|(way, _)| way)
    }

    /// That of a frame of which the filter, if it names the flow, keeps the headers at most.
    pub fn of_bulk(frame: &[u8], wire_len: u32) -> Option<Self> {
        let (way, tcp) = Self::find(frame)?;
        let offset = usize::from(frame.get(tcp.checked_add(12)?)? >> 4).checked_mul(4)?;
        let flags = frame.get(tcp.checked_add(13)?)?;
        let bare = [FIN, SYN, RST].iter().all(|flag| flags & flag == 0);
        let headers = u32::try_from(tcp.checked_add(offset)?).ok()?;
        let payload = wire_len.checked_sub(headers)?;
        (bare && (payload == 0 || payload >= SMALL)).then_some(way)
    }

    /// With where the TCP header begins.
    fn find(frame: &[u8]) -> Option<(Self, usize)> {
        let half = |at: usize| Some(u16::from_be_bytes(*frame.get(at..)?.first_chunk()?));
        let word = |at: usize| Some(u32::from_be_bytes(*frame.get(at..)?.first_chunk()?));
        let (vlan, at) = match half(12)? {
            0x8100 | 0x88a8 => (half(14)? & 0xfff, 4),
            _ => (0, 0_usize),
        };
        let ip = at.checked_add(ETHERNET)?;
        let words = |from: usize, count: usize| -> Option<[u32; 4]> {
            let mut words = [0; 4];
            for (place, number) in words.iter_mut().take(count).zip(0_usize..) {
                *place = word(ip.checked_add(from)?.checked_add(number.checked_mul(4)?)?)?;
            }
            Some(words)
        };
        let (is_v6, source, target, header) = match half(at.checked_add(12)?)? {
            0x0800 => {
                let fragment = half(ip.checked_add(6)?)? & 0x3fff;
                let header = usize::from(*frame.get(ip)? & 0xf).checked_mul(4)?;
                let whole = fragment == 0 && *frame.get(ip.checked_add(9)?)? == 6;
                (false, words(12, 1)?, words(16, 1)?, whole.then_some(header)?)
            }
            0x86dd => {
                let whole = *frame.get(ip.checked_add(6)?)? == 6;
                (true, words(8, 4)?, words(24, 4)?, whole.then_some(40)?)
            }
            _ => return None,
        };
        let tcp = ip.checked_add(header)?;
        let ports = [half(tcp)?, half(tcp.checked_add(2)?)?];
        Some((Self { vlan, is_v6, source, target, ports }, tcp))
    }

    /// The other direction of the flow.
    #[must_use]
    pub const fn back(self) -> Self {
        let [from, to] = self.ports;
        Self { source: self.target, target: self.source, ports: [to, from], ..self }
    }

    /// The same for both directions.
    #[must_use]
    pub fn flow(self) -> Self {
        self.min(self.back())
    }

    /// What the filter looks up.
    fn hash(&self, key: &Key) -> u32 {
        let [from, to] = self.ports;
        let ports = u32::from(from) << 16 | u32::from(to);
        let count = if self.is_v6 { 4 } else { 1 };
        let [own, rest @ ..] = key.0;
        let addresses = self.source.iter().take(count).chain(self.target.iter().take(count));
        let [vlans, rest @ ..] = rest;
        let start = ports.wrapping_mul(own).wrapping_add(u32::from(self.vlan).wrapping_mul(vlans));
        addresses
            .zip(rest)
            .fold(start, |sum, (word, factor)| sum.wrapping_add(word.wrapping_mul(factor)))
    }
}

/// Odd factors: of ports, of the VLAN, of the words of both addresses.
#[derive(Clone, Copy, Debug)]
struct Key([u32; 10]);

impl Key {
    /// Drawn by chance; `None` where there is none.
    fn draw() -> Option<Self> {
        let mut bytes = [0; 40];
        rand::fill(&mut bytes).ok()?;
        let mut key = [0; 10];
        for (factor, bytes) in key.iter_mut().zip(bytes.chunks_exact(4)) {
            *factor = u32::from_le_bytes(*bytes.first_chunk()?) | 1;
        }
        Some(Self(key))
    }
}

/// An instruction of classic BPF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) code: u16,
    pub(super) jt: u8,
    pub(super) jf: u8,
    pub(super) k: u32,
}

mod code {
    //! Codes of the instructions that are used here.
    pub(super) const LD: u16 = 0x20;
    pub(super) const LDH: u16 = 0x28;
    pub(super) const LDB: u16 = 0x30;
    pub(super) const LD_X: u16 = 0x40;
    pub(super) const LDB_X: u16 = 0x50;
    pub(super) const LD_LEN: u16 = 0x80;
    pub(super) const LD_M: u16 = 0x60;
    pub(super) const LDX: u16 = 0x01;
    pub(super) const LDX_M: u16 = 0x61;
    pub(super) const LDX_IHL: u16 = 0xb1;
    pub(super) const ST: u16 = 0x02;
    pub(super) const STX: u16 = 0x03;
    pub(super) const ADD: u16 = 0x04;
    pub(super) const ADD_X: u16 = 0x0c;
    pub(super) const SUB: u16 = 0x14;
    pub(super) const SUB_X: u16 = 0x1c;
    pub(super) const MUL: u16 = 0x24;
    pub(super) const AND: u16 = 0x54;
    pub(super) const RSH: u16 = 0x74;
    pub(super) const JA: u16 = 0x05;
    pub(super) const JEQ: u16 = 0x15;
    pub(super) const JGT: u16 = 0x25;
    pub(super) const JGE: u16 = 0x35;
    pub(super) const JGE_X: u16 = 0x3d;
    pub(super) const JSET: u16 = 0x45;
    pub(super) const RET: u16 = 0x06;
    pub(super) const RET_A: u16 = 0x16;
    pub(super) const TAX: u16 = 0x07;
    /// Where the kernel shows what is not in the packet: `SKF_AD_OFF` and its places.
    pub(super) const VLAN: u32 = 0xffff_f000 + 44;
    pub(super) const RANDOM: u32 = 0xffff_f000 + 56;
}

/// Cells of the program's memory.
const TAG: u32 = 0;
const TCP: u32 = 1;
const HEADERS: u32 = 2;
const SUM: u32 = 3;

/// The program that cuts or thins these flows and lets all else pass that the user's filter, if there
/// is one, lets pass. `None` where it does not fit: then fewer can be tried.
pub(super) fn program(user: &[Step], flows: &[Way], bulk: Bulk) -> Option<Vec<Step>> {
    let key = Key::draw()?;
    let ways = flows.iter().flat_map(|way| [*way, way.back()]);
    let hashes: Vec<u32> =
        ways.map(|way| way.hash(&key)).collect::<BTreeSet<_>>().into_iter().collect();
    let mut out = Program(Vec::with_capacity(MOST_INSTRUCTIONS));
    for (at, step) in user.iter().enumerate() {
        let passes = step.code == code::RET && step.k != 0;
        let to_end = u32::try_from(user.len().checked_sub(at)?.checked_sub(1)?).ok()?;
        out.0.push(if passes { Step { code: code::JA, jt: 0, jf: 0, k: to_end } } else { *step });
    }
    out.headers();
    out.hash(&key);
    out.find(&hashes);
    // Found.
    if bulk == Bulk::Thinned {
        out.step(code::LD, code::RANDOM);
        out.step(code::AND, u32::try_from(THINNED.checked_sub(1)?).ok()?);
        out.test(code::JEQ, 0, 1, 0);
        out.step(code::RET, 0);
    }
    out.step(code::LD_M, HEADERS);
    out.step(code::RET_A, 0);
    (out.0.len() <= MOST_INSTRUCTIONS).then_some(out.0)
}

struct Program(Vec<Step>);

impl Program {
    fn step(&mut self, code: u16, k: u32) {
        self.0.push(Step { code, jt: 0, jf: 0, k });
    }

    fn test(&mut self, code: u16, k: u32, jt: u8, jf: u8) {
        self.0.push(Step { code, jt, jf, k });
    }

    /// Unless this holds, or if it does, the packet passes whole.
    fn whole_unless(&mut self, code: u16, k: u32) {
        self.test(code, k, 1, 0);
        self.step(code::RET, WHOLE);
    }

    fn whole_if(&mut self, code: u16, k: u32) {
        self.test(code, k, 0, 1);
        self.step(code::RET, WHOLE);
    }

    /// Find the TCP header, and let pass what must not be cut.
    ///
    /// A load beyond the end of a packet would refuse it: lengths are looked at before.
    #[allow(clippy::wildcard_imports, reason = "it uses nearly all of them")]
    fn headers(&mut self) {
        use code::*;
        self.step(LD, VLAN);
        self.step(AND, 0xfff);
        self.step(ST, TAG);
        self.step(LD_LEN, 0);
        self.whole_unless(JGE, 54);
        self.step(LDH, 12);
        self.test(JEQ, 0x0800, 0, 8);
        // IPv4, no fragment, TCP.
        self.step(LDH, 20);
        self.whole_if(JSET, 0x3fff);
        self.step(LDB, 23);
        self.whole_unless(JEQ, 6);
        self.step(LDX_IHL, 14);
        self.step(JA, 9);
        // IPv6 without extension headers.
        self.whole_unless(JEQ, 0x86dd);
        self.step(LD_LEN, 0);
        self.whole_unless(JGE, 74);
        self.step(LDB, 20);
        self.whole_unless(JEQ, 6);
        self.step(LDX, 40);
        // X: bytes of the IP header.
        self.step(STX, TCP);
        self.step(LD_LEN, 0);
        self.step(SUB, 34);
        self.whole_unless(JGE_X, 0);
        self.step(LDB_X, 27);
        self.whole_if(JSET, u32::from(FIN | SYN | RST));
        self.step(LDB_X, 26);
        self.step(AND, 0xf0);
        self.step(RSH, 2);
        self.step(ADD_X, 0);
        self.step(ADD, 14);
        self.step(ST, HEADERS);
        self.step(TAX, 0);
        // X: bytes of all headers.
        self.step(LD_LEN, 0);
        self.whole_unless(JGE_X, 0);
        self.step(SUB_X, 0);
        // No payload, or one that is large and begins with no handshake record.
        self.test(JGT, 0, 0, 5);
        self.whole_unless(JGE, SMALL);
        self.step(LDB_X, 0);
        self.whole_if(JEQ, 0x16);
    }

    /// A: the hash.
    fn hash(&mut self, key: &Key) {
        use code::{JA, JEQ, LD, LD_M, LD_X, LDH, LDX_M, MUL, ST};
        let [ports, vlans, words @ ..] = key.0;
        self.step(LD_M, TAG);
        self.step(MUL, vlans);
        self.step(ST, SUM);
        self.step(LDX_M, TCP);
        self.step(LD_X, 14);
        self.step(MUL, ports);
        self.add();
        self.step(LDH, 12);
        let [first, second, ..] = words;
        // IPv4 has two words, IPv6 eight: five steps each, and the jump.
        self.test(JEQ, 0x0800, 0, 11);
        for (at, factor) in [(26, first), (30, second)] {
            self.step(LD, at);
            self.step(MUL, factor);
            self.add();
        }
        self.step(JA, 40);
        for (number, factor) in (0_u32..).zip(words) {
            self.step(LD, number.saturating_mul(4).saturating_add(22));
            self.step(MUL, factor);
            self.add();
        }
        self.step(LD_M, SUM);
    }

    /// Add A to the sum.
    fn add(&mut self) {
        self.step(code::LDX_M, SUM);
        self.step(code::ADD_X, 0);
        self.step(code::ST, SUM);
    }

    /// A search in a tree of sorted hashes; what is not among them passes whole, the others go on
    /// behind it.
    fn find(&mut self, hashes: &[u32]) {
        let mut found = Vec::new();
        self.branch(hashes, &mut found);
        let end = self.0.len();
        for at in found {
            let distance = u32::try_from(end.saturating_sub(at).saturating_sub(1));
            if let (Some(step), Ok(distance)) = (self.0.get_mut(at), distance) {
                step.k = distance;
            }
        }
    }

    /// `found`: jumps to what follows the tree.
    fn branch(&mut self, hashes: &[u32], found: &mut Vec<usize>) {
        const LEAF: usize = 8;
        if hashes.len() <= LEAF {
            let mut behind = u8::try_from(hashes.len()).unwrap_or_default();
            for hash in hashes {
                self.test(code::JEQ, *hash, behind, 0);
                behind = behind.saturating_sub(1);
            }
            self.step(code::RET, WHOLE);
            if !hashes.is_empty() {
                found.push(self.0.len());
                self.step(code::JA, 0);
            }
            return;
        }
        let (low, high) = hashes.split_at(hashes.len() / 2);
        let Some(greatest) = low.last() else { return };
        self.test(code::JGT, *greatest, 0, 1);
        let over = self.0.len();
        self.step(code::JA, 0);
        self.branch(low, found);
        let distance = self.0.len().saturating_sub(over).saturating_sub(1);
        if let (Some(step), Ok(distance)) = (self.0.get_mut(over), u32::try_from(distance)) {
            step.k = distance;
        }
        self.branch(high, found);
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test may fail")]
mod tests {
    use super::*;

    /// What the kernel does with a program, on a frame from which it took the tag.
    fn run(program: &[Step], frame: &[u8], tag: u32, random: u32) -> u32 {
        let (mut a, mut x, mut cells, mut at) = (0_u32, 0_u32, [0_u32; 16], 0_usize);
        let length = u32::try_from(frame.len()).unwrap();
        let load = |at: u32, count: u32| -> Option<u32> {
            let bytes = frame.get(at as usize..(at + count) as usize)?;
            Some(bytes.iter().fold(0, |all, byte| all << 8 | u32::from(*byte)))
        };
        loop {
            let Step { code, jt, jf, k } = program[at];
            at += 1;
            let mut jump = |holds: bool| at += usize::from(if holds { jt } else { jf });
            let loaded = match code {
                code::LD if k == code::VLAN => Some(tag),
                code::LD if k == code::RANDOM => Some(random),
                code::LD => load(k, 4),
                code::LDH => load(k, 2),
                code::LDB => load(k, 1),
                code::LD_X => load(x + k, 4),
                code::LDB_X => load(x + k, 1),
                code::LD_LEN => Some(length),
                code::LD_M => Some(cells[k as usize]),
                code::ADD => Some(a.wrapping_add(k)),
                code::ADD_X => Some(a.wrapping_add(x)),
                code::SUB => Some(a.wrapping_sub(k)),
                code::SUB_X => Some(a.wrapping_sub(x)),
                code::MUL => Some(a.wrapping_mul(k)),
                code::AND => Some(a & k),
                code::RSH => Some(a >> k),
                _ => Some(a),
            };
            // A load beyond the end of a packet refuses it.
            let Some(loaded) = loaded else { return 0 };
            a = loaded;
            match code {
                code::LDX => x = k,
                code::LDX_M => x = cells[k as usize],
                code::LDX_IHL => match load(k, 1) {
                    Some(byte) => x = (byte & 0xf) * 4,
                    None => return 0,
                },
                code::TAX => x = a,
                code::ST => cells[k as usize] = a,
                code::STX => cells[k as usize] = x,
                code::JA => at += k as usize,
                code::JEQ => jump(a == k),
                code::JGT => jump(a > k),
                code::JGE => jump(a >= k),
                code::JGE_X => jump(a >= x),
                code::JSET => jump(a & k != 0),
                code::RET => return k,
                code::RET_A => return a,
                _ => {}
            }
        }
    }

    /// A TCP packet of a client, by its number.
    fn packet(client: u32, is_v6: bool, flags: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![2; 12];
        let length = u16::try_from(20 + payload.len()).unwrap();
        if is_v6 {
            frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
            frame.extend(length.to_be_bytes());
            frame.extend([6, 64]);
            frame.extend([0x20; 12]);
            frame.extend(client.to_be_bytes());
            frame.extend([0x30; 16]);
        } else {
            frame.extend([0x08, 0, 0x45, 0]);
            frame.extend((20 + length).to_be_bytes());
            frame.extend([0, 0, 0, 0, 64, 6, 0, 0]);
            frame.extend(client.to_be_bytes());
            frame.extend([203, 0, 113, 5]);
        }
        frame.extend([0xc0, 0x12, 0x01, 0xbb]);
        frame.extend([0; 8]);
        frame.extend([0x50, flags, 0, 0, 0, 0, 0, 0]);
        frame.extend(payload);
        frame
    }

    const ACK: u8 = 0x10;

    #[test]
    fn named_flows_lose_their_payload_and_nothing_else_does() {
        for is_v6 in [false, true] {
            for count in [1, 7, 8, 9, 300, 1_024] {
                let named: Vec<_> = (0..count)
                    .map(|client| Way::of(&packet(client, is_v6, ACK, &[])).unwrap().flow())
                    .collect();
                let program = program(&[], &named, Bulk::Cut).unwrap();
                let data = [0x17; 1_000];
                let headers = if is_v6 { 74 } else { 54 };
                for client in (0..count).step_by(13) {
                    let bulk = packet(client, is_v6, ACK, &data);
                    assert_eq!(run(&program, &bulk, 0, 0), headers);
                    assert_eq!(run(&program, &packet(client, is_v6, ACK, &[]), 0, 0), headers);
                    for whole in [
                        packet(client, is_v6, ACK | 1, &data),
                        packet(client, is_v6, ACK | 2, &data),
                        packet(client, is_v6, ACK | 4, &data),
                        packet(client, is_v6, ACK, &[0x16; 1_000]),
                        packet(client, is_v6, ACK, &[0x17; 255]),
                        packet(client + count, is_v6, ACK, &data),
                        packet(client, !is_v6, ACK, &data),
                    ] {
                        assert_eq!(run(&program, &whole, 0, 0), WHOLE);
                    }
                    // In another VLAN it is another flow.
                    assert_eq!(run(&program, &bulk, 7, 0), WHOLE);
                }
            }
        }
    }

    #[test]
    fn both_ways_of_a_flow_are_one_whatever_its_tag() {
        let there = packet(9, false, ACK, &[0x17; 600]);
        let mut back = there.clone();
        back[26..34].rotate_left(4);
        back[34..38].rotate_left(2);
        let way = Way::of(&there).unwrap();
        assert_eq!(Way::of(&back).unwrap(), way.back());
        assert_eq!(Way::of(&back).unwrap().flow(), way.flow());
        // The tag is in the frame for us, and beside it for the program.
        let mut tagged = there.clone();
        tagged.splice(12..12, [0x81, 0, 0xe0, 7]);
        let tagged = Way::of(&tagged).unwrap();
        let program = program(&[], &[tagged.flow()], Bulk::Cut).unwrap();
        assert_eq!([0xe007, 0].map(|tag| run(&program, &there, tag, 0)), [54, WHOLE]);
        assert_eq!(run(&program, &back, 7, 0), 54);
    }

    #[test]
    fn of_flows_that_are_thinned_one_in_sixteen_is_kept() {
        let bulk = packet(1, false, ACK, &[0x17; 1_000]);
        let program = program(&[], &[Way::of(&bulk).unwrap()], Bulk::Thinned).unwrap();
        let kept = (0..160).filter(|random| run(&program, &bulk, 0, *random) == 54).count();
        assert_eq!(kept, 10);
        assert_eq!(run(&program, &packet(2, false, ACK, &[0x17; 1_000]), 0, 1), WHOLE);
    }

    #[test]
    fn what_is_cut_off_or_contradicts_itself_passes_whole() {
        let bulk = packet(1, false, ACK, &[0x17; 1_000]);
        let named = [Way::of(&bulk).unwrap()];
        let program = program(&[], &named, Bulk::Cut).unwrap();
        for length in 0..54 {
            assert_eq!(run(&program, &bulk[..length], 0, 0), WHOLE, "{length}");
        }
        for (at, value) in [(14, 0x4f), (46, 0xf0), (20, 0x20), (21, 1), (23, 17), (12, 9)] {
            for length in [54, 60, 80, 1_054] {
                let mut frame = bulk[..length].to_vec();
                frame[at] = value;
                let kept = run(&program, &frame, 0, 0);
                assert!(kept >= 54, "{at} {length}: {kept}");
            }
        }
        for length in 0..74 {
            let frame = &packet(1, true, ACK, &[])[..length];
            assert_eq!(run(&program, frame, 0, 0), WHOLE, "{length}");
        }
    }

    #[test]
    fn the_filter_of_the_user_comes_first() {
        let bulk = packet(1, false, ACK, &[0x17; 1_000]);
        // Port 443 at either end, as tcpdump would have it for this packet: or nothing.
        let user = [
            Step { code: code::LDH, jt: 0, jf: 0, k: 36 },
            Step { code: code::JEQ, jt: 0, jf: 1, k: 443 },
            Step { code: code::RET, jt: 0, jf: 0, k: 65_535 },
            Step { code: code::RET, jt: 0, jf: 0, k: 0 },
        ];
        let mut other = bulk.clone();
        other[37] = 1;
        let program = program(&user, &[Way::of(&bulk).unwrap()], Bulk::Cut).unwrap();
        assert_eq!(run(&program, &bulk, 0, 0), 54);
        assert_eq!(run(&program, &packet(2, false, ACK, &[0x17; 1_000]), 0, 0), WHOLE);
        assert_eq!(run(&program, &other, 0, 0), 0);
    }
}
