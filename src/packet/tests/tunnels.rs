//! Packets inside packets.

use super::super::{Layer, Tunnel};
use super::*;

/// The tunnel header `head` and `payload` in IPv4 with `protocol`, in Ethernet.
fn over_ip4(protocol: u8, head: &[u8], payload: &[u8]) -> Vec<u8> {
    eth(IPV4, &ip4(protocol, &[head, payload].concat()))
}

/// The tunnel header `head` and `payload` in UDP to `port`, in Ethernet.
fn over_udp(port: u16, head: &[u8], payload: &[u8]) -> Vec<u8> {
    eth(IPV4, &udp4(40_000, port, &[head, payload].concat()))
}

/// That `bytes` show the inner packet behind exactly these tunnels.
#[track_caller]
fn assert_tunnels(bytes: &[u8], tunnels: &[&str]) -> Seen {
    let seen = ethernet(bytes);
    assert_eq!(assert_hello(&seen).tunnels(), tunnels);
    seen.unwrap()
}

/// That `bytes` are handed out as the outer UDP datagram.
#[track_caller]
fn assert_outer(bytes: &[u8], payload: &[u8]) {
    let seen = ethernet(bytes).unwrap();
    assert_eq!((seen.kind, seen.source.to_string().as_str()), ("udp", "192.0.2.1:40000"));
    assert_eq!((seen.payload.as_slice(), seen.tunnels()), (payload, vec![]));
}

#[test]
fn ip_in_ip_in_all_combinations() {
    assert_tunnels(&over_ip4(4, &[], &tcp4()), &["ipip"]);
    assert_tunnels(&over_ip4(41, &[], &tcp6()), &["6in4"]);
    assert_tunnels(&eth(IPV6, &ip6(4, &tcp4())), &["ipip"]);
    assert_tunnels(&eth(IPV6, &ip6(41, &tcp6())), &["ipip"]);
    assert_tunnels(&over_ip4(4, &ip4(4, &[])[..0], &ip4(4, &tcp4())), &["ipip", "ipip"]);
}

#[test]
fn tunnels_without_end_are_too_deep() {
    let mut packet = tcp4();
    for _ in 0..20 {
        packet = ip4(4, &packet);
    }
    assert_eq!(ethernet(&eth(IPV4, &packet)), Err(Skip::TooDeep));
}

#[test]
fn gre_with_every_option() {
    for (flags, options) in
        [(0x00, 0), (0x80, 4), (0x20, 4), (0x10, 4), (0xb0, 12), (0x30, 8), (0x90, 8)]
    {
        let options = vec![1; options];
        let head = |kind: [u8; 2]| [&[flags, 0], &kind[..], &options].concat();
        assert_tunnels(&over_ip4(47, &head(IPV4), &tcp4()), &["gre"]);
        assert_tunnels(&over_ip4(47, &head(IPV6), &tcp6()), &["gre"]);
        assert_tunnels(&eth(IPV6, &ip6(47, &[head(IPV4), tcp4()].concat())), &["gre"]);
    }
    let labels = [0, 0, 0x88, 0x47, 0, 0, 0x11, 64];
    assert_tunnels(&over_ip4(47, &labels, &tcp4()), &["gre", "mpls"]);
    assert_tunnels(&over_ip4(47, &[0, 0, 0x65, 0x58], &inner()), &["gre"]);
    // A web cache's redirection, with and without its header.
    assert_tunnels(&over_ip4(47, &[0, 0, 0x88, 0x3e], &tcp4()), &["gre"]);
    assert_tunnels(&over_ip4(47, &[0, 0, 0x88, 0x3e, 0, 0, 0, 0], &tcp4()), &["gre"]);
    // A source route, a version that there is none.
    for flags in [[0x40, 0], [0, 2]] {
        let bytes = over_ip4(47, &[&flags[..], &IPV4].concat(), &tcp4());
        assert_eq!(ethernet(&bytes), Err(Skip::Malformed(Layer::Tunnel)));
    }
}

#[test]
fn pptp() {
    let length = u16::try_from(tcp4().len() + 4).unwrap().to_be_bytes();
    let ppp = [&[0xff, 3, 0, 0x21][..], &tcp4(), &[0; 4]].concat();
    for (flags, numbers) in [([0x30, 0x01], 4), ([0x30, 0x81], 8), ([0x20, 0x01], 0)] {
        let head = [&flags[..], &[0x88, 0x0b], &length, &[0, 5], &vec![0; numbers]].concat();
        assert_tunnels(&over_ip4(47, &head, &ppp), &["gre"]);
    }
    let length = u16::try_from(inner().len()).unwrap().to_be_bytes();
    let bridged = [&[0x20, 1, 0x64, 0][..], &length, &[0x19, 2]].concat();
    assert_tunnels(&over_ip4(47, &bridged, &inner()), &["gre"]);
    let acknowledgement = [0x20, 0x81, 0x88, 0x0b, 0, 0, 0, 5, 0, 0, 0, 1];
    assert_eq!(ethernet(&over_ip4(47, &acknowledgement, &[])), Err(Skip::NotTcpOrUdp));
}

#[test]
fn nvgre_keeps_its_virtual_subnets_apart() {
    let head = |flow: u8| [0x20, 0, 0x65, 0x58, 0x00, 0x12, 0x34, flow];
    let one = assert_tunnels(&over_ip4(47, &head(1), &inner()), &["nvgre"]);
    let two = assert_tunnels(&over_ip4(47, &head(2), &inner()), &["nvgre"]);
    assert_eq!(one.domain, Domain::of_network(Tunnel::Nvgre, 0x1234));
    assert_eq!(one.domain, two.domain);
    assert_eq!(one.macs().0, "02:00:00:00:00:01");
}

#[test]
fn erspan_of_each_type() {
    let one = [0, 0, 0x88, 0xbe];
    let two = [0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 100, 0x10, 7, 0, 0, 0, 0];
    let three = [0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 100, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut three_more = three;
    three_more[19] = 1;
    let three_more = [&three_more[..], &[0; 8]].concat();
    let mut three_ip = three;
    three_ip[18] = 2 << 2;
    assert_tunnels(&over_ip4(47, &one, &inner()), &["erspan"]);
    let seen = assert_tunnels(&over_ip4(47, &two, &inner()), &["erspan"]);
    // The tag was taken off and stands in the header.
    assert_eq!((seen.layers.vlans(), seen.domain), (&[100][..], Domain(0).in_vlan(100)));
    let seen = assert_tunnels(&over_ip4(47, &three, &inner()), &["erspan"]);
    assert!(seen.layers.vlans().is_empty());
    assert_tunnels(&over_ip4(47, &three_more, &inner()), &["erspan"]);
    assert_tunnels(&over_ip4(47, &three_ip, &tcp4()), &["erspan"]);
    let mut wrong = two;
    wrong[8] = 0x50;
    assert_eq!(ethernet(&over_ip4(47, &wrong, &inner())), Err(Skip::Malformed(Layer::Tunnel)));
}

#[test]
fn the_tags_outside_a_tunnel_are_not_of_its_address_space() {
    let tag = |packet: &[u8]| eth([0x81, 0], &[&[0, 7, 8, 0], packet].concat());
    for (packet, tunnel) in
        [(ip4(4, &tcp4()), "ipip"), (ip4(47, &[&[0, 0, 8, 0], &tcp4()[..]].concat()), "gre")]
    {
        let seen = assert_tunnels(&tag(&packet), &[tunnel]);
        assert_eq!((seen.domain, seen.layers.vlans()), (Domain(0), &[7][..]));
    }
    // The tags inside are.
    let inside = eth([0x81, 0], &[&[0, 9, 8, 0], &tcp4()[..]].concat());
    let seen =
        assert_tunnels(&tag(&ip4(47, &[&[0, 0, 0x65, 0x58], &inside[..]].concat())), &["gre"]);
    assert_eq!((seen.domain, seen.layers.vlans()), (Domain(0).in_vlan(9), &[7, 9][..]));
    let vxlan = udp4(40_000, 4789, &[&[8, 0, 0, 0, 0, 0, 42, 0][..], &inner()].concat());
    let plain = assert_tunnels(&eth(IPV4, &vxlan), &["vxlan"]);
    let tagged = assert_tunnels(&tag(&vxlan), &["vxlan"]);
    assert_eq!(plain.domain, tagged.domain);
    assert_eq!(tagged.layers.vlans(), [7]);
}

#[test]
fn vxlan_on_its_ports() {
    for port in [4789, 8472] {
        let seen =
            assert_tunnels(&over_udp(port, &[8, 0, 0, 0, 0, 0, 42, 0], &inner()), &["vxlan"]);
        assert_eq!(seen.domain, Domain::of_network(Tunnel::Vxlan, 42));
        assert_eq!(seen.macs().1, "02:00:00:00:00:02");
        // With a group policy.
        assert_tunnels(&over_udp(port, &[0x88, 8, 0, 5, 0, 0, 42, 0], &inner()), &["vxlan"]);
    }
    // Reserved fields are ignored, where an IP packet in a frame is what follows.
    for head in [[8, 0, 0, 0, 0, 0, 42, 1], [8, 1, 2, 3, 0, 0, 42, 0], [0xff, 0, 0, 0, 0, 0, 42, 7]]
    {
        for port in [4789, 8472] {
            let seen = assert_tunnels(&over_udp(port, &head, &inner()), &["vxlan"]);
            assert_eq!(seen.domain, Domain::of_network(Tunnel::Vxlan, 42));
        }
        assert_tunnels(&over_udp(4789, &head, &eth(IPV6, &tcp6())), &["vxlan"]);
        // One whose length does not fit, among others.
        let longer = eth(IPV4, &[&tcp4()[..2], &[0xff], &tcp4()[3..]].concat());
        for no_frame in [HELLO, &eth([8, 6], &[0; 28]), &longer, &tcp4()] {
            let payload = [&head[..], no_frame].concat();
            assert_outer(&over_udp(4789, &[], &payload), &payload);
        }
    }
    // But the one bit that says that there is a network is none of them.
    let payload = [&[0xf7, 0, 0, 0, 0, 0, 42, 0][..], &inner()].concat();
    assert_outer(&over_udp(4789, &[], &payload), &payload);
    // What is inside has the last word: no IP, so nothing.
    let arp = over_udp(4789, &[8, 0, 0, 0, 0, 0, 42, 0], &eth([8, 6], &[0; 28]));
    assert_eq!(ethernet(&arp), Err(Skip::NotIp));
}

#[test]
fn vxlan_gpe_of_each_protocol() {
    let service = [&[0x0f, 0xc2, 1, 1, 0, 0, 0, 0][..], &tcp4()].concat();
    let label = [&[0, 0, 0x11, 64][..], &tcp4()].concat();
    assert_tunnels(&over_udp(4790, &[0x0c, 0, 0, 1, 0, 0, 42, 0], &tcp4()), &["vxlan"]);
    assert_tunnels(&over_udp(4790, &[0x0c, 0, 0, 2, 0, 0, 42, 0], &tcp6()), &["vxlan"]);
    assert_tunnels(&over_udp(4790, &[0x0c, 0, 0, 3, 0, 0, 42, 0], &inner()), &["vxlan"]);
    assert_tunnels(&over_udp(4790, &[0x0c, 0, 0, 4, 0, 0, 42, 0], &service), &["vxlan"]);
    assert_tunnels(&over_udp(4790, &[0x04, 0, 0, 5, 0, 0, 0, 0], &label), &["vxlan", "mpls"]);
    assert_tunnels(&over_udp(4790, &[0x08, 0, 0, 0, 0, 0, 42, 0], &inner()), &["vxlan"]);
}

#[test]
fn geneve_with_and_without_options() {
    let bridged = over_udp(6081, &[0, 0, 0x65, 0x58, 0, 0x10, 0x92, 0], &inner());
    let seen = assert_tunnels(&bridged, &["geneve"]);
    assert_eq!(seen.domain, Domain::of_network(Tunnel::Geneve, 0x1092));
    let options = [2, 0x40, 8, 0, 0, 0x10, 0x92, 0, 1, 2, 0x80, 1, 9, 9, 9, 9];
    assert_tunnels(&over_udp(6081, &options, &tcp4()), &["geneve"]);
    assert_tunnels(&over_udp(6081, &[0, 0, 0x86, 0xdd, 0, 0, 1, 0], &tcp6()), &["geneve"]);
}

#[test]
fn gtp_with_its_extension_headers() {
    let head = |flags: u8, options: &[u8]| {
        let length = u16::try_from(tcp4().len() + options.len()).unwrap().to_be_bytes();
        [&[flags, 255], &length[..], &[0, 0, 0, 1], options].concat()
    };
    assert_tunnels(&over_udp(2152, &head(0x30, &[]), &tcp4()), &["gtp"]);
    assert_tunnels(&over_udp(2152, &head(0x32, &[0, 1, 0, 0]), &tcp4()), &["gtp"]);
    // A number that is no extension's, as the flag for one is not set.
    assert_tunnels(&over_udp(2152, &head(0x32, &[0, 1, 0, 0x85]), &tcp4()), &["gtp"]);
    let container = [0, 0, 0, 0x85, 1, 0, 9, 0x85, 2, 1, 2, 3, 4, 5, 6, 0];
    let seen = assert_tunnels(&over_udp(2152, &head(0x34, &container), &tcp4()), &["gtp"]);
    assert_eq!(seen.domain, Domain(0), "the tunnel ids differ by direction");
    // Signalling stays what it is.
    let echo = [0x32, 1, 0, 4, 0, 0, 0, 0, 0, 1, 0, 0];
    assert_outer(&over_udp(2152, &echo, &[]), &echo);
}

#[test]
fn teredo_with_a_servers_headers() {
    let authentication = [&[0, 1, 2, 3, 1, 1, 2, 2, 2][..], &[7; 8], &[0]].concat();
    let origin = [0, 0, 0x12, 0x34, 1, 2, 3, 4];
    for head in
        [vec![], authentication.clone(), origin.to_vec(), [&authentication[..], &origin].concat()]
    {
        assert_tunnels(&over_udp(3544, &head, &tcp6()), &["teredo"]);
    }
}

#[test]
fn l2tp_of_both_versions() {
    let ppp = [&[0xff, 3, 0, 0x21][..], &tcp4()].concat();
    let total = u16::try_from(ppp.len() + 14).unwrap().to_be_bytes();
    assert_tunnels(&over_udp(1701, &[0, 2, 0, 1, 0, 2], &ppp), &["l2tp"]);
    let long = [&[0x4a, 2][..], &total, &[0, 1, 0, 2, 0, 0, 0, 0, 0, 0]].concat();
    assert_tunnels(&over_udp(1701, &long, &ppp), &["l2tp"]);
    for cookie in [&[][..], &[9; 4], &[9; 8], &[9; 12]] {
        let session = [&[0, 0, 0, 5][..], cookie].concat();
        for payload in [inner(), tcp4(), ppp.clone()] {
            let over_udp = over_udp(1701, &[&[0, 3, 0, 0][..], &session].concat(), &payload);
            assert_tunnels(&over_udp, &["l2tp"]);
            assert_tunnels(&over_ip4(115, &session, &payload), &["l2tp"]);
        }
    }
    let control = [0xc8, 2, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_outer(&over_udp(1701, &control, &[]), &control);
    assert_eq!(ethernet(&over_ip4(115, &[0; 20], &[])), Err(Skip::NotTcpOrUdp));
}

#[test]
fn capwap_data_of_both_formats() {
    let snap = [0xaa, 0xaa, 3, 0, 0, 0, 8, 0];
    let wlan = |control: [u8; 2], sequence: [u8; 2]| {
        [&control[..], &[0, 0], &[1; 18], &sequence, &snap, &tcp4()].concat()
    };
    let native = [0, 0x10, 0x03, 0, 0, 0, 0, 0];
    assert_tunnels(&over_udp(5247, &native, &wlan([8, 1], [0x10, 7])), &["capwap"]);
    // Frame and sequence control in the other byte order.
    assert_tunnels(&over_udp(5247, &native, &wlan([0x11, 8], [7, 0x10])), &["capwap"]);
    let with_radio = [&[0, 0x20, 0x03, 0x20, 0, 0, 0, 0][..], &[4; 8]].concat();
    assert_tunnels(&over_udp(5247, &with_radio, &wlan([8, 2], [0, 0])), &["capwap"]);
    assert_tunnels(&over_udp(5247, &[0, 0x10, 0, 0, 0, 0, 0, 0], &inner()), &["capwap"]);
    // A keep-alive and a fragment.
    for head in [[0, 0x10, 0, 8, 0, 0, 0, 0], [0, 0x10, 0, 0x80, 0, 0, 0, 0]] {
        assert_outer(&over_udp(5247, &head, &[]), &head);
    }
}

#[test]
fn dtls_of_capwap_loses_its_preamble() {
    let record = [&[22, 0xfe, 0xfd][..], &[0; 20]].concat();
    for port in [5246, 5247] {
        let seen = ethernet(&over_udp(port, &[1, 0, 0, 0], &record)).unwrap();
        assert_eq!((seen.payload, seen.target.port), (record.clone(), port));
        assert_eq!(seen.layers.tunnels().collect::<Vec<_>>(), [Tunnel::Capwap]);
    }
}

#[test]
fn dtls_and_quic_on_a_tunnels_port_stay_what_they_are() {
    let dtls = [&[22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 40][..], &[1; 40]].concat();
    let dtls13 = [&[0x2f, 0x55, 0, 1, 0, 40][..], &[0x5a; 40]].concat();
    let quic = [&[0xc3, 0, 0, 0, 1, 8][..], &[0x5a; 1200]].concat();
    let short = [&[0x60][..], &[0x5a; 60]].concat();
    for port in [1701, 2152, 3544, 4789, 4790, 5246, 5247, 6081, 8472] {
        for payload in [&dtls, &dtls13, &quic, &short] {
            assert_outer(&over_udp(port, &[], payload), payload);
            let back = ethernet(&eth(IPV4, &udp4(port, 40_000, payload))).unwrap();
            assert_eq!(&back.payload, payload);
        }
    }
    // A tunnel's header with nonsense behind it.
    let nonsense = [&[8, 0, 0, 0, 0, 0, 42, 0][..], &[9; 12], &IPV4, &[0xff; 30]].concat();
    assert_outer(&over_udp(4789, &[], &nonsense), &nonsense);
}

#[test]
fn ipv6_extension_headers_in_a_row() {
    let tcp = &tcp6()[40..];
    let hop = [60, 0, 5, 2, 0, 0, 1, 0];
    let options = [43, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let routing = [51, 0, 0, 0, 0, 0, 0, 0];
    let authentication = [44, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1];
    let atomic = [6, 0, 0, 0, 0, 0, 0, 1];
    let payload = [&hop[..], &options, &routing, &authentication, &atomic, tcp].concat();
    let mut packet = tcp6()[..40].to_vec();
    packet[4..6].copy_from_slice(&u16::try_from(payload.len()).unwrap().to_be_bytes());
    packet[6] = 0;
    packet.extend(payload);
    assert_hello(&ethernet(&eth(IPV6, &packet)));
    assert_eq!(ethernet(&eth(IPV6, &ip6(58, &[0; 8]))), Err(Skip::NotTcpOrUdp));
    assert_eq!(ethernet(&eth(IPV6, &ip6(59, &[0; 8]))), Err(Skip::NotTcpOrUdp));
    assert_eq!(ethernet(&eth(IPV6, &ip6(50, &[0; 40]))), Err(Skip::NotTcpOrUdp));
    assert_eq!(
        ethernet(&eth(IPV4, &ip4(51, &[6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]))),
        Err(Skip::Malformed(Layer::Ip))
    );
}

#[test]
fn a_routing_header_names_the_last_receiver() {
    let segment_list = |kind: u8, left: u8, list: &[[u8; 16]]| {
        let words = u8::try_from(list.len() * 2).unwrap();
        let header =
            [&[6, words, kind, left, 0, 0, 0, 0][..], &list.concat(), &tcp6()[40..]].concat();
        let mut packet = tcp6()[..40].to_vec();
        packet[4..6].copy_from_slice(&u16::try_from(header.len()).unwrap().to_be_bytes());
        packet[6] = 43;
        packet.extend(header);
        eth(IPV6, &packet)
    };
    let on_the_way = [[0x11; 16], [0x22; 16]];
    for (kind, left, last) in
        [(4, 1, [0x11; 16]), (0, 1, [0x22; 16]), (4, 0, V6_TARGET), (9, 1, V6_TARGET)]
    {
        let seen = ethernet(&segment_list(kind, left, &on_the_way)).unwrap();
        assert_eq!(seen.target.address.octets(), last, "type {kind}, {left} left");
        assert_eq!(seen.payload, HELLO);
    }
    let bridged = eth(IPV6, &ip6(143, &inner()));
    assert_hello(&ethernet(&bridged));
}
