//! What capturing systems write before a frame.

use super::*;

const MPLS: LinkType = LinkType(219);
const NFLOG: LinkType = LinkType(239);
const PFLOG: LinkType = LinkType(117);
const ENC: LinkType = LinkType(109);
const PKTAP: LinkType = LinkType(258);
const PPI: LinkType = LinkType(192);
const PRISM: LinkType = LinkType(119);
const AVS: LinkType = LinkType(163);

/// [`tcp4`] in a frame of IEEE 802.11.
fn wlan() -> Vec<u8> {
    let llc = [0xaa, 0xaa, 3, 0, 0, 0];
    [&[0x08, 0x01, 0, 0][..], &[9; 6], &SOURCE_MAC, &TARGET_MAC, &[0, 0], &llc, &IPV4, &tcp4()]
        .concat()
}

/// One valid frame of each kind, all with [`HELLO`] at their end.
pub(super) fn valid() -> [(LinkType, Vec<u8>); 6] {
    let attributes = [(1, &[8, 0, 1, 0][..]), (8, &[0, 6, 0, 0, 2, 0, 0, 0, 0, 1, 0, 0])];
    let ip = tcp4();
    let length = u16::try_from(ip.len() + 4).unwrap().to_le_bytes();
    let logged = nflog(2, &attributes, u16::to_le_bytes);
    [
        (NFLOG, [&logged[..], &length, &[9, 0], &ip].concat()),
        (PFLOG, [&[61, 2][..], &[0; 62], &ip].concat()),
        (ENC, [&[2][..], &[0; 11], &ip].concat()),
        (PKTAP, [&[108, 0, 0, 0, 1, 0, 0, 0, 1][..], &[0; 99], &inner()].concat()),
        (PPI, [&[0, 0, 8, 0, 105, 0, 0, 0][..], &wlan()].concat()),
        (AVS, [&[0x80, 0x21, 0x10, 1, 0, 0, 0, 16][..], &[0; 8], &wlan()].concat()),
    ]
}

/// What netfilter logs, in either byte order.
fn nflog(family: u8, attributes: &[(u16, &[u8])], order: fn(u16) -> [u8; 2]) -> Vec<u8> {
    let mut bytes = vec![family, 0, 0, 5];
    for (kind, value) in attributes {
        bytes.extend(order(u16::try_from(value.len() + 4).unwrap()));
        bytes.extend(order(*kind));
        bytes.extend(*value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}

#[test]
fn what_netfilter_logs() {
    let (four, six) = (tcp4(), tcp6());
    let address = [&[0, 6, 0, 0][..], &SOURCE_MAC, &[0, 0]].concat();
    // A hook, an interface, a mark, a prefix of three bytes; the packet; a time behind it.
    let logged = |family, kind: [u8; 2], ip: &[u8], order| {
        let header = [kind[0], kind[1], 1, 0];
        let attributes = [
            (1, &header[..]),
            (4, &[0, 0, 0, 2]),
            (8, &address),
            (10, b"in\0"),
            (9, ip),
            (3, &[0; 16]),
        ];
        decode(NFLOG, &nflog(family, &attributes, order))
    };
    for order in [u16::to_le_bytes, u16::to_be_bytes] {
        let seen = logged(2, IPV4, &four, order);
        assert_eq!(assert_hello(&seen).macs(), ("02:00:00:00:00:01".into(), String::new()));
        assert_hello(&logged(10, IPV6, &six, order));
        // A bridge logs what is no IP as well.
        assert_hello(&logged(7, IPV4, &four, order));
        assert_eq!(logged(7, [8, 6], &[0; 28], order), Err(Skip::NotIp));
        // No type, as `inet` tables do not need one; no address of six bytes.
        assert_hello(&decode(NFLOG, &nflog(2, &[(8, &[0, 8, 0, 0]), (9, &four)], order)));
        // Nothing of the packet, and what is no attribute.
        let none = decode(NFLOG, &nflog(2, &[(4, &[0, 0, 0, 2])], order));
        assert_eq!(none, Err(Skip::Malformed(Layer::Link)));
    }
    assert_eq!(decode(NFLOG, &[2, 0, 0, 5, 3, 0, 9, 0, 0x45]), Err(Skip::Malformed(Layer::Link)));
    assert_eq!(decode(NFLOG, &[2, 1, 0, 5]), Err(Skip::Malformed(Layer::Link)));
}

#[test]
fn what_netfilter_logs_of_a_cut_packet() {
    let ip = tcp4();
    let mut bytes = nflog(2, &[(9, &ip)], u16::to_le_bytes);
    bytes.truncate(bytes.len() - ip.len().next_multiple_of(4) + ip.len() - 3);
    let mut cut = frame(NFLOG, &bytes);
    cut.wire_len += 3;
    let seen = feed(&mut Decoder::new(&Limits::default()), &cut).unwrap();
    assert_eq!((seen.payload.len(), seen.cut), (HELLO.len() - 3, 3));
}

#[test]
fn what_the_bsds_log_and_see_of_ipsec() {
    // OpenBSD 3.4 and FreeBSD, OpenBSD with users, FreeBSD 14, OpenBSD with translated addresses.
    for length in [45_u8, 61, 69, 100] {
        let padded = usize::from(length).next_multiple_of(4);
        for (family, ip) in [(2, tcp4()), (24, tcp6())] {
            let mut bytes = vec![length, family];
            bytes.resize(padded, 0);
            bytes.extend(ip);
            assert_hello(&decode(PFLOG, &bytes));
        }
    }
    assert_eq!(decode(PFLOG, &[[44, 2].repeat(40)].concat()), Err(Skip::Malformed(Layer::Link)));
    for (family, ip) in [(2_u32, tcp4()), (24, tcp6())] {
        let behind = [&[0, 0, 16, 0, 0, 0, 0, 1][..], &ip].concat();
        assert_hello(&decode(ENC, &[&family.to_le_bytes()[..], &behind].concat()));
        assert_hello(&decode(ENC, &[&family.to_be_bytes()[..], &behind].concat()));
    }
}

#[test]
fn per_packet_information_names_the_link_type_behind_it() {
    let tap = |kind: u32, link: u32, rest: &[u8]| {
        let numbers = [108, kind, link].map(u32::to_le_bytes);
        [numbers.as_flattened(), &[0; 96], rest].concat()
    };
    assert_hello(&decode(PKTAP, &tap(1, 1, &inner())));
    assert_hello(&decode(PKTAP, &tap(1, 12, &tcp6())));
    assert_eq!(decode(PKTAP, &tap(0, 1, &inner())), Err(Skip::NotIp));
    assert_eq!(decode(PKTAP, &tap(1, 0x0001_0001, &inner())), Err(Skip::LinkType));
    let information = |length: u16, link: u32, rest: &[u8]| {
        let head = [&[0, 0][..], &length.to_le_bytes(), &link.to_le_bytes()].concat();
        [&head[..], &vec![0; usize::from(length.saturating_sub(8))], rest].concat()
    };
    assert_hello(&decode(PPI, &information(8, 1, &inner())));
    assert_hello(&decode(PPI, &information(32, 105, &wlan())));
    assert_eq!(decode(PPI, &information(7, 1, &inner())), Err(Skip::Malformed(Layer::Link)));
    assert_eq!(decode(PPI, &information(8, 147, &inner())), Err(Skip::LinkType));
    // One in the other, and in itself.
    assert_hello(&decode(PPI, &information(8, 258, &tap(1, 1, &inner()))));
    let deep = information(8, 192, &[]).repeat(1_000);
    assert_eq!(decode(PPI, &deep), Err(Skip::TooDeep));
}

#[test]
fn monitors_of_wireless_networks() {
    assert_hello(&decode(PRISM, &[&[0x44; 144][..], &wlan()].concat()));
    let avs = |length: u32| {
        let padding = vec![0; usize::try_from(length).unwrap() - 8];
        [&[0x80, 0x21, 0x10, 1][..], &length.to_be_bytes(), &padding, &wlan()].concat()
    };
    for link in [AVS, PRISM] {
        let seen = decode(link, &avs(64));
        assert_eq!(assert_hello(&seen).macs().0, "02:00:00:00:00:01");
        assert_hello(&decode(link, &avs(8)));
    }
    assert_eq!(decode(AVS, &[0x80, 0x21, 0x10, 1, 0, 0, 0, 7]), Err(Skip::Malformed(Layer::Link)));
}

#[test]
fn labels_without_a_frame_around_them() {
    let seen = decode(MPLS, &[&[0, 0x45, 0x61, 64][..], &tcp4()].concat());
    assert_eq!(assert_hello(&seen).tunnels(), ["mpls"]);
}
