//! Flights → packets: TCP (RFC 9293) with what networks do to it, IP in fragments, links and tunnels.

use serde_json::{Value, json};

use super::handshake::{Conversation, End};
use super::random::Random;

/// A frame, when it was captured, and on a link of which type.
pub struct Frame {
    pub at: u64,
    pub link: u16,
    pub bytes: Vec<u8>,
}

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const PSH: u8 = 8;
const ACK: u8 = 16;

/// What frames are like on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carriage {
    Ethernet,
    Vlan(u16),
    QinQ(u16, u16),
    Mpls(u32),
    Pppoe,
    Gre,
    Vxlan(u32),
    Geneve(u32),
    InIpv4,
    Raw,
    Cooked,
    Cooked2,
    Loopback,
    Nflog,
    Pktap,
}

impl Carriage {
    pub fn any(random: &mut Random) -> Self {
        let vlan = |random: &mut Random| u16::try_from(random.within(1, 4_000)).unwrap();
        let network = |random: &mut Random| u32::from(random.u16()) + 1;
        match random.below(20) {
            0 | 1 => Self::Vlan(vlan(random)),
            2 => Self::QinQ(vlan(random), vlan(random)),
            3 => Self::Mpls(u32::from(random.u16()) + 16),
            4 => Self::Pppoe,
            5 => Self::Gre,
            6 => Self::Vxlan(network(random)),
            7 => Self::Geneve(network(random)),
            8 => Self::InIpv4,
            9 => Self::Raw,
            10 => Self::Cooked,
            11 => Self::Cooked2,
            12 => Self::Loopback,
            13 => Self::Nflog,
            14 => Self::Pktap,
            _ => Self::Ethernet,
        }
    }

    /// The number of the link type.
    pub const fn link(self) -> u16 {
        match self {
            Self::Raw => 101,
            Self::Cooked => 113,
            Self::Cooked2 => 276,
            Self::Loopback => 0,
            Self::Nflog => 239,
            Self::Pktap => 258,
            _ => 1,
        }
    }

    fn vlans(self) -> Vec<u16> {
        match self {
            Self::Vlan(id) => vec![id],
            Self::QinQ(outer, inner) => vec![outer, inner],
            _ => Vec::new(),
        }
    }

    fn tunnels(self, six: bool) -> Vec<&'static str> {
        match self {
            Self::Mpls(_) => vec!["mpls"],
            Self::Pppoe => vec!["pppoe"],
            Self::Gre => vec!["gre"],
            Self::Vxlan(_) => vec!["vxlan"],
            Self::Geneve(_) => vec!["geneve"],
            Self::InIpv4 => vec![if six { "6in4" } else { "ipip" }],
            _ => Vec::new(),
        }
    }

    fn wrap(self, macs: [[u8; 6]; 2], ip: &[u8]) -> Vec<u8> {
        let six = ip[0] >> 4 == 6;
        let kind: [u8; 2] = if six { [0x86, 0xdd] } else { [8, 0] };
        let ethernet = |kind: &[u8], rest: &[u8]| [&macs[1][..], &macs[0], kind, rest].concat();
        let outer = |protocol: u8, rest: &[u8]| {
            ethernet(&[8, 0], &ipv4([192, 0, 2, 1], [192, 0, 2, 2], protocol, 64, (9, 0), rest))
        };
        let udp = |port: u16, rest: &[u8]| {
            let length = u16::try_from(rest.len() + 8).unwrap().to_be_bytes();
            outer(17, &[&[0xc0, 1][..], &port.to_be_bytes(), &length, &[0, 0], rest].concat())
        };
        match self {
            Self::Ethernet => ethernet(&kind, ip),
            Self::Vlan(id) => ethernet(&[&[0x81, 0][..], &id.to_be_bytes(), &kind].concat(), ip),
            Self::QinQ(a, b) => {
                let tags = [&[0x88, 0xa8][..], &a.to_be_bytes(), &[0x81, 0], &b.to_be_bytes()];
                ethernet(&[&tags.concat()[..], &kind].concat(), ip)
            }
            Self::Mpls(label) => {
                let entry = (label << 12 | 0x140).to_be_bytes();
                ethernet(&[0x88, 0x47], &[&entry[..], ip].concat())
            }
            Self::Pppoe => {
                let length = u16::try_from(ip.len() + 2).unwrap().to_be_bytes();
                let protocol = if six { [0, 0x57] } else { [0, 0x21] };
                let head = [&[0x11, 0, 0, 7][..], &length, &protocol].concat();
                ethernet(&[0x88, 0x64], &[&head[..], ip].concat())
            }
            Self::Gre => outer(47, &[&[0, 0][..], &kind, ip].concat()),
            Self::Vxlan(network) => {
                let head = [8, 0, 0, 0].into_iter().chain((network << 8).to_be_bytes());
                let inner = ethernet(&kind, ip);
                udp(4789, &[head.collect::<Vec<_>>(), inner].concat())
            }
            Self::Geneve(network) => {
                let head = [0, 0, 0x65, 0x58].into_iter().chain((network << 8).to_be_bytes());
                let inner = ethernet(&kind, ip);
                udp(6081, &[head.collect::<Vec<_>>(), inner].concat())
            }
            Self::InIpv4 => outer(if six { 41 } else { 4 }, ip),
            Self::Raw => ip.to_vec(),
            Self::Cooked => [&[0, 0, 0, 1, 0, 6][..], &macs[0], &[0, 0], &kind, ip].concat(),
            Self::Cooked2 => {
                [&kind[..], &[0, 0, 0, 0, 0, 2, 0, 1, 0, 6], &macs[0], &[0, 0], ip].concat()
            }
            // The family as the host numbers it: AF_INET, and FreeBSD's AF_INET6.
            Self::Loopback => {
                let family: u32 = if six { 28 } else { 2 };
                [&family.to_le_bytes()[..], ip].concat()
            }
            // A protocol and a hook, the sender's address, a prefix, the packet.
            Self::Nflog => {
                let attribute = |kind: u16, value: &[u8]| {
                    let length = u16::try_from(value.len() + 4).unwrap().to_le_bytes();
                    let padding = vec![0; value.len().next_multiple_of(4) - value.len()];
                    [&length[..], &kind.to_le_bytes(), value, &padding].concat()
                };
                let address = [&[0, 6, 0, 0][..], &macs[0], &[0, 0]].concat();
                let head = [if six { 10 } else { 2 }, 0, 0, 1];
                let parts = [
                    attribute(1, &[&kind[..], &[1, 0]].concat()),
                    attribute(8, &address),
                    attribute(10, b"tls\0"),
                    attribute(9, ip),
                ];
                [&head[..], &parts.concat()].concat()
            }
            Self::Pktap => {
                let numbers = [108_u32, 1, 1].map(u32::to_le_bytes);
                [numbers.as_flattened(), &[0; 96], &ethernet(&kind, ip)].concat()
            }
        }
    }
}

fn sum(bytes: &[u8]) -> u16 {
    let mut sum: u32 = bytes
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap()
}

/// RFC 791 §3.1; `place` is the identification and the field of flags and offset.
fn ipv4(
    from: [u8; 4],
    to: [u8; 4],
    protocol: u8,
    ttl: u8,
    place: (u16, u16),
    body: &[u8],
) -> Vec<u8> {
    let length = u16::try_from(body.len() + 20).unwrap().to_be_bytes();
    let mut head =
        [&[0x45, 0][..], &length, &place.0.to_be_bytes(), &place.1.to_be_bytes()].concat();
    head.extend([ttl, protocol, 0, 0]);
    head.extend(from);
    head.extend(to);
    let sum = sum(&head).to_be_bytes();
    head[10..12].copy_from_slice(&sum);
    [head, body.to_vec()].concat()
}

/// RFC 8200 §3.
fn ipv6(from: [u8; 16], to: [u8; 16], next: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [&[0x60, 0, 0, 0][..], &length, &[next, 64], &from, &to, body].concat()
}

/// One end: its address, port, and what number its stream has come to.
#[derive(Clone, Copy)]
struct Host {
    address: [u8; 4],
    port: u16,
    next: u32,
}

impl Host {
    fn six(&self) -> [u8; 16] {
        let mut long = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        long[12..].copy_from_slice(&self.address);
        long
    }

    fn text(&self, six: bool) -> String {
        if six {
            std::net::Ipv6Addr::from(self.six()).to_string()
        } else {
            std::net::Ipv4Addr::from(self.address).to_string()
        }
    }
}

/// A segment before it is wrapped.
#[derive(Clone)]
struct Segment {
    client: bool,
    seq: u32,
    ack: u32,
    flags: u8,
    payload: Vec<u8>,
    /// The flight that it is of.
    flight: usize,
}

/// What the network did.
#[derive(Clone, Copy)]
struct Weather {
    doubles: usize,
    repeats: usize,
    swaps: usize,
    fragments: usize,
    no_syn: bool,
}

/// The packets of a conversation, and what its record has to say.
pub fn frames(
    random: &mut Random,
    number: usize,
    conversation: Conversation,
) -> (Vec<Frame>, Value) {
    let storm = random.chance(40);
    // Only the client's packets, or only the server's, were captured.
    let only = match conversation.one_sided {
        Some(_) if random.chance(15) => Some(random.chance(50)),
        _ => None,
    };
    // Where cleartext begins is told by nothing but the SYN, if it begins with a few bytes.
    let no_syn = random.chance(15) && conversation.clear == 0;
    let weather = Weather {
        doubles: if storm { 10 } else { 0 },
        repeats: if storm { 10 } else { 0 },
        // Where a stream begins without its SYN only its first segment tells.
        swaps: if storm && !no_syn { 15 } else { 0 },
        fragments: if random.chance(10) { 30 } else { 0 },
        no_syn,
    };
    let carriage = Carriage::any(random);
    let six = random.chance(20);
    let [_, a, b, c] = u32::try_from(number).unwrap().to_be_bytes();
    let server = u8::try_from(random.within(1, 250)).unwrap();
    let mut ends = [
        Host {
            address: [10, a, b, c],
            port: u16::try_from(random.within(20_000, 65_000)).unwrap(),
            next: 0,
        },
        Host {
            address: [198, 51, 100, server],
            port: *random.pick(&[443, 8443, 25, 636, 4433]),
            next: 0,
        },
    ];
    let hosts = ends;
    for end in &mut ends {
        // Now and then the numbers wrap around within the handshake.
        let near = random.chance(10);
        let start = u32::try_from(random.next() >> 32).unwrap();
        end.next = if near { u32::MAX - start % 3_000 } else { start };
    }
    let (clear, end) = (conversation.clear, conversation.end);
    let mut segments = Vec::new();
    stream(random, &conversation.flights, &weather, end, &mut ends, &mut segments);
    disturb(random, &weather, &mut segments);
    if let Some(only) = only {
        segments.retain(|segment| segment.client == only);
    }
    let macs = [[2, 0, 10, a, b, c], [2, 0, 198, 51, 100, server]];
    let manner = Manner { six, fragments: weather.fragments, protocol: 6 };
    let mut at = 1_770_000_000_000_000_000 + number as u64 * 1_000_000;
    let mut frames = Vec::new();
    let mut began = None;
    for (identification, segment) in (0_u16..).zip(&segments) {
        at += random.within(10, 3_000) as u64 * 1_000;
        if segment.flight >= clear && !segment.payload.is_empty() {
            began.get_or_insert(at);
        }
        let [from, to] = if segment.client { hosts } else { [hosts[1], hosts[0]] };
        let [own, other] = if segment.client { macs } else { [macs[1], macs[0]] };
        let bytes = tcp(segment, from, to);
        for ip in packets(random, manner, identification, &bytes, from, to) {
            frames.push(Frame {
                at,
                link: carriage.link(),
                bytes: carriage.wrap([own, other], &ip),
            });
            at += 1_000;
        }
    }
    let mut truth = match (only, conversation.one_sided) {
        (Some(true), Some([client, _])) => client,
        (Some(false), Some([_, server])) => server,
        _ => conversation.truth,
    };
    truth["client"] = json!([hosts[0].text(six), hosts[0].port]);
    truth["server"] = json!([hosts[1].text(six), hosts[1].port]);
    truth["vlan"] = json!(carriage.vlans());
    truth["tunnel"] = json!(carriage.tunnels(six));
    // An end of which there is nothing but its SYN was seen, unless another SYN took its place in the
    // memory.
    let heard = |client: bool| segments.iter().any(|segment| segment.client == client);
    let spoke = segments.iter().any(|segment| !segment.client && segment.flags & SYN == 0);
    truth["sides"] = match [heard(true), heard(false)] {
        [true, true] if !spoke => json!(["both", "client"]),
        [true, true] => json!("both"),
        [true, false] => json!("client"),
        [false, _] => json!("server"),
    };
    // Its first byte may have come behind others where segments were swapped, and in fragments.
    truth["ts"] = if storm || weather.fragments > 0 { Value::Null } else { json!(began) };
    (frames, truth)
}

/// The packets of a conversation of DTLS, and what its record has to say.
pub fn frames_of_datagrams(
    random: &mut Random,
    number: usize,
    conversation: &super::datagrams::Conversation,
) -> (Vec<Frame>, Value) {
    let carriage = Carriage::any(random);
    let fragments = if random.chance(10) { 30 } else { 0 };
    let manner = Manner { six: random.chance(20), fragments, protocol: 17 };
    let [_, a, b, c] = u32::try_from(number).unwrap().to_be_bytes();
    let last = u8::try_from(random.within(1, 250)).unwrap();
    let port = u16::try_from(random.within(20_000, 65_000)).unwrap();
    let service = *random.pick(&[443, 4433, 5684, 8443]);
    let client = Host { address: [10, a, b, c], port, next: 0 };
    let server = Host { address: [198, 51, 100, last], port: service, next: 0 };
    let macs = [[2, 0, 10, a, b, c], [2, 0, 198, 51, 100, last]];
    let mut at = 1_770_000_000_000_000_000 + number as u64 * 1_000_000;
    let mut frames = Vec::new();
    let mut began = None;
    for (identification, sent) in (0_u16..).zip(&conversation.datagrams) {
        at += random.within(10, 3_000) as u64 * 1_000;
        began.get_or_insert(at);
        let [from, to] = if sent.client { [client, server] } else { [server, client] };
        let [own, other] = if sent.client { macs } else { [macs[1], macs[0]] };
        let bytes = udp(&sent.payload, from, to);
        for ip in packets(random, manner, identification, &bytes, from, to) {
            let bytes = carriage.wrap([own, other], &ip);
            frames.push(Frame { at, link: carriage.link(), bytes });
            at += 1_000;
        }
    }
    let mut truth = conversation.truth.clone();
    truth["client"] = json!([client.text(manner.six), client.port]);
    truth["server"] = json!([server.text(manner.six), server.port]);
    truth["vlan"] = json!(carriage.vlans());
    truth["tunnel"] = json!(carriage.tunnels(manner.six));
    truth["ts"] = if conversation.calm && fragments == 0 { json!(began) } else { Value::Null };
    (frames, truth)
}

/// A connection without losses, in order.
fn stream(
    random: &mut Random,
    flights: &[(bool, Vec<u8>)],
    weather: &Weather,
    end: End,
    ends: &mut [Host; 2],
    segments: &mut Vec<Segment>,
) {
    let place = |client: bool| usize::from(!client);
    let mut send = |ends: &mut [Host; 2],
                    client: bool,
                    flags: u8,
                    payload: &[u8],
                    flight: usize| {
        let (own, other) = (ends[place(client)].next, ends[place(!client)].next);
        let ack = if flags & ACK == 0 { 0 } else { other };
        segments.push(Segment { client, seq: own, ack, flags, payload: payload.to_vec(), flight });
        let size = u32::try_from(payload.len()).unwrap() + u32::from(flags & (SYN | FIN) != 0);
        ends[place(client)].next = own.wrapping_add(size);
    };
    const NONE: usize = 0;
    if weather.no_syn {
        for end in ends.iter_mut() {
            end.next = end.next.wrapping_add(1);
        }
    } else {
        send(ends, true, SYN, &[], NONE);
        send(ends, false, SYN | ACK, &[], NONE);
        send(ends, true, ACK, &[], NONE);
    }
    for ((client, bytes), flight) in flights.iter().zip(0..) {
        let most = *random.pick(&[1_460, 1_460, 1_460, 536, 100]);
        for piece in random.pieces(bytes, most) {
            send(ends, *client, ACK | PSH, &piece, flight);
        }
        if random.chance(50) {
            send(ends, !*client, ACK, &[], NONE);
        }
    }
    match end {
        End::Nothing => {}
        End::Reset => send(ends, random.chance(50), RST | ACK, &[], NONE),
        End::Fin => {
            let first = random.chance(50);
            send(ends, first, FIN | ACK, &[], NONE);
            send(ends, !first, FIN | ACK, &[], NONE);
            send(ends, first, ACK, &[], NONE);
        }
    }
}

/// Copies, retransmissions in other pieces, and packets that change places within a flight.
fn disturb(random: &mut Random, weather: &Weather, segments: &mut Vec<Segment>) {
    let mut at = 0;
    while at < segments.len() {
        let has_data = !segments[at].payload.is_empty();
        if random.chance(weather.doubles) {
            segments.insert(at + 1, segments[at].clone());
            at += 1;
        }
        if has_data && random.chance(weather.repeats) {
            // Sent again with the end of the one before, if that is of the same end, or a part of it.
            let mut again = segments[at].clone();
            let before = segments[..at].iter().rev().find(|other| {
                other.client == again.client
                    && other.seq.wrapping_add(u32::try_from(other.payload.len()).unwrap())
                        == again.seq
                    && !other.payload.is_empty()
            });
            if let Some(before) = before.filter(|_| random.chance(50)) {
                again.seq = before.seq;
                again.payload = [&before.payload[..], &again.payload].concat();
                again.payload.truncate(1_460);
            } else {
                let skip = random.below(again.payload.len());
                again.payload.drain(..skip);
                again.seq = again.seq.wrapping_add(u32::try_from(skip).unwrap());
            }
            segments.insert(at + 1, again);
            at += 1;
        }
        at += 1;
    }
    for at in 1..segments.len() {
        let (one, two) = (&segments[at - 1], &segments[at]);
        let both_data = !one.payload.is_empty() && !two.payload.is_empty();
        let same = one.client == two.client && one.flight == two.flight && both_data;
        if same && random.chance(weather.swaps) {
            segments.swap(at - 1, at);
        }
    }
}

/// A segment as it stands in IP (RFC 9293 §3.1).
fn tcp(segment: &Segment, from: Host, to: Host) -> Vec<u8> {
    let mut bytes = [from.port.to_be_bytes(), to.port.to_be_bytes()].concat();
    bytes.extend(segment.seq.to_be_bytes());
    bytes.extend(segment.ack.to_be_bytes());
    let options: &[u8] = if segment.flags & SYN != 0 { &[2, 4, 5, 0xb4] } else { &[] };
    bytes.extend([
        if options.is_empty() { 0x50 } else { 0x60 },
        segment.flags,
        0xff,
        0xff,
        0,
        0,
        0,
        0,
    ]);
    bytes.extend(options);
    bytes.extend(&segment.payload);
    bytes
}

/// A datagram as it stands in IP (RFC 768; where there is a sum of zero there is none).
fn udp(payload: &[u8], from: Host, to: Host) -> Vec<u8> {
    let length = u16::try_from(payload.len() + 8).unwrap();
    let head = [from.port, to.port, length, 0].map(u16::to_be_bytes);
    [head.as_flattened(), payload].concat()
}

/// What a packet of IP is like.
#[derive(Clone, Copy)]
struct Manner {
    six: bool,
    /// In percent, packets in fragments.
    fragments: usize,
    protocol: u8,
}

/// IP packets: one, or fragments of it in any order.
fn packets(
    random: &mut Random,
    manner: Manner,
    identification: u16,
    bytes: &[u8],
    from: Host,
    to: Host,
) -> Vec<Vec<u8>> {
    let Manner { six, fragments, protocol } = manner;
    if !random.chance(fragments) || bytes.len() < 32 {
        return vec![if six {
            ipv6(from.six(), to.six(), protocol, bytes)
        } else {
            ipv4(from.address, to.address, protocol, 64, (identification, 0x4000), bytes)
        }];
    }
    let size = random.within(1, bytes.len() / 8) * 8;
    let last = (bytes.len() - 1) / size;
    let pieces = bytes.chunks(size).zip(0..);
    let mut packets: Vec<Vec<u8>> = pieces
        .map(|(piece, number)| {
            let (offset, more) = (u16::try_from(number * size).unwrap(), u16::from(number < last));
            if six {
                let head = [
                    &[protocol, 0][..],
                    &(offset | more).to_be_bytes(),
                    &u32::from(identification).to_be_bytes(),
                ];
                ipv6(from.six(), to.six(), 44, &[&head.concat()[..], piece].concat())
            } else {
                let place = (identification, more << 13 | offset / 8);
                ipv4(from.address, to.address, protocol, 64, place, piece)
            }
        })
        .collect();
    random.shuffle(&mut packets);
    packets
}
