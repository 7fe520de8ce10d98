//! Link layers and tags.

use super::*;

/// An address field of a cooked header.
const COOKED_MAC: [u8; 8] = [2, 0, 0, 0, 0, 1, 0, 0];

#[test]
fn ethernet_gives_addresses_ports_numbers_and_macs() {
    let bytes = inner();
    let mut decoder = Decoder::new(&Limits::default());
    let mut checked = false;
    let result = decoder.decode(&frame(LinkType::ETHERNET, &bytes), &mut |packet| {
        let Packet::Segment(segment) = packet else { panic!("not TCP") };
        assert_eq!((segment.seq.0, segment.ack.0), (1000, 7));
        assert!(segment.flags.ack() && !segment.flags.syn());
        checked = true;
    });
    assert_eq!((result, checked), (Ok(()), true));
    let seen = ethernet(&bytes);
    let seen = assert_hello(&seen);
    assert_eq!(seen.macs(), ("02:00:00:00:00:01".into(), "02:00:00:00:00:02".into()));
    assert_eq!(seen.domain, Domain(0));
    assert_hello(&ethernet(&eth(IPV6, &tcp6())));
}

#[test]
fn padding_behind_the_ip_packet_is_cut_off() {
    for mut bytes in [inner(), eth(IPV6, &tcp6())] {
        bytes.extend([0x55; 30]);
        assert_hello(&ethernet(&bytes));
    }
}

#[test]
fn tags_of_every_kind_and_depth_are_recorded_and_make_a_domain() {
    let mut domains = std::collections::BTreeSet::from([Domain(0)]);
    let kinds = [[0x81, 0], [0x88, 0xa8], [0x91, 0], [0x92, 0], [0x93, 0]];
    let mut rest = [&IPV4[..], &tcp4()].concat();
    for (depth, kind) in kinds.into_iter().enumerate() {
        let id = u8::try_from(depth + 10).unwrap();
        rest = [&kind[..], &[0xe0, id], &rest].concat();
        let bytes = [&TARGET_MAC[..], &SOURCE_MAC, &rest].concat();
        let seen = ethernet(&bytes);
        let seen = assert_hello(&seen);
        let ids: Vec<u16> =
            (0..=depth).rev().map(|depth| u16::try_from(depth + 10).unwrap()).collect();
        assert_eq!(seen.layers.vlans(), &ids[..ids.len().min(4)]);
        assert!(domains.insert(seen.domain), "a tag more is another domain");
    }
}

#[test]
fn a_priority_tag_is_no_vlan() {
    let seen = ethernet(&eth([0x81, 0], &[&[0xa0, 0], &IPV4[..], &tcp4()].concat()));
    let seen = assert_hello(&seen);
    assert_eq!((seen.layers.vlans(), seen.domain), (&[][..], Domain(0)));
}

#[test]
fn domains_are_the_same_in_every_run() {
    assert_eq!(Domain::default().in_vlan(7), Domain::default().in_vlan(7));
    assert_ne!(Domain::default().in_vlan(7).in_vlan(8), Domain::default().in_vlan(8).in_vlan(7));
    assert_eq!(Domain::default().in_vlan(7), Domain(0x4c73_dc87));
}

#[test]
fn more_tags_than_the_limit_are_too_deep() {
    let tags = [0x81, 0, 0, 5].repeat(16);
    let bytes = [&TARGET_MAC[..], &SOURCE_MAC, &tags, &IPV4, &tcp4()].concat();
    assert_eq!(ethernet(&bytes), Err(Skip::TooDeep));
}

#[test]
fn llc_and_snap() {
    let snap = |head: &[u8], ip: &[u8]| {
        let body = [head, ip].concat();
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        eth(length, &[&body[..], &[0; 20]].concat())
    };
    let seen = ethernet(&snap(&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], &tcp4()));
    assert_hello(&seen);
    assert_hello(&ethernet(&snap(&[0xaa, 0xaa, 3, 0, 0, 0xf8, 0x86, 0xdd], &tcp6())));
    assert_hello(&ethernet(&snap(&[6, 6, 3], &tcp4())));
    // Spanning tree, and a vendor's SNAP.
    assert_eq!(ethernet(&snap(&[0x42, 0x42, 3], &[0; 40])), Err(Skip::NotIp));
    assert_eq!(ethernet(&snap(&[0xaa, 0xaa, 3, 0, 0, 0xc, 0x20, 0], &[0; 40])), Err(Skip::NotIp));
}

#[test]
fn tags_that_are_no_vlans() {
    // Cisco metadata with a security group, MACsec without and with SCI, VN-tag, E-tag, NSH.
    for (kind, tag) in [
        ([0x89, 0x09], &[1, 1, 0, 1, 0, 2, 8, 0][..]),
        ([0x88, 0xe5], &[0, 0, 0, 0, 0, 1, 8, 0]),
        ([0x88, 0xe5], &[0x20, 0, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 8, 0]),
        ([0x89, 0x26], &[0, 0, 0, 0, 8, 0]),
        ([0x89, 0x3f], &[0, 0, 0, 0, 0, 0, 8, 0]),
        (
            [0x89, 0x4f],
            &[0x0f, 0xc6, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        ),
    ] {
        let seen = ethernet(&eth(kind, &[tag, &tcp4(), &[0; 16]].concat()));
        assert_hello(&seen);
    }
    // Encrypted MACsec.
    assert_eq!(ethernet(&eth([0x88, 0xe5], &[0x0c; 60])), Err(Skip::NotIp));
}

#[test]
fn provider_backbone_bridging_shows_the_customer() {
    let service = [&[0x40, 0, 0x12, 0x34][..], &inner()].concat();
    let backbone = [&[0x00, 0x64][..], &[0x88, 0xe7], &service].concat();
    let seen = ethernet(&[&[9; 12][..], &[0x88, 0xa8], &backbone].concat());
    let seen = assert_hello(&seen);
    assert_eq!(seen.tunnels(), ["pbb"]);
    assert_eq!(seen.macs().0, "02:00:00:00:00:01");
    assert_eq!(seen.domain, Domain::of_network(super::super::Tunnel::Pbb, 0x1234));
}

#[test]
fn linux_cooked_v1() {
    let cooked = |device: u16, protocol: [u8; 2], rest: &[u8]| {
        let device = device.to_be_bytes();
        [&[0, 4][..], &device, &[0, 6], &COOKED_MAC, &protocol, rest].concat()
    };
    let seen = decode(LinkType::LINUX_SLL, &cooked(1, IPV4, &tcp4()));
    assert_eq!(assert_hello(&seen).macs(), ("02:00:00:00:00:01".into(), String::new()));
    assert_hello(&decode(LinkType::LINUX_SLL, &cooked(0xfffe, IPV6, &tcp6())));
    let tagged = [&[0, 9][..], &IPV4, &tcp4()].concat();
    let seen = decode(LinkType::LINUX_SLL, &cooked(1, [0x81, 0], &tagged));
    assert_eq!(assert_hello(&seen).layers.vlans(), [9]);
    let snap = [&[0xaa, 0xaa, 3, 0, 0, 0][..], &IPV4, &tcp4()].concat();
    assert_hello(&decode(LinkType::LINUX_SLL, &cooked(1, [0, 4], &snap)));
    assert_eq!(decode(LinkType::LINUX_SLL, &cooked(824, [0, 0], &tcp4())), Err(Skip::NotIp));
}

#[test]
fn linux_cooked_v2() {
    let cooked = |protocol: [u8; 2], rest: &[u8]| {
        [&protocol[..], &[0, 0, 0, 0, 0, 3, 0, 1, 0, 6], &COOKED_MAC, rest].concat()
    };
    let seen = decode(LinkType::LINUX_SLL2, &cooked(IPV4, &tcp4()));
    assert_eq!(assert_hello(&seen).macs(), ("02:00:00:00:00:01".into(), String::new()));
    assert_hello(&decode(LinkType::LINUX_SLL2, &cooked(IPV6, &tcp6())));
    assert_eq!(decode(LinkType::LINUX_SLL2, &cooked([8, 6], &[0; 28])), Err(Skip::NotIp));
}

#[test]
fn bsd_loopback_in_both_byte_orders() {
    for link in [LinkType::NULL, LinkType::LOOP] {
        for family in [2_u32, 10, 23, 24, 28, 30] {
            let ip = if family == 2 { tcp4() } else { tcp6() };
            assert_hello(&decode(link, &[&family.to_le_bytes()[..], &ip].concat()));
            assert_hello(&decode(link, &[&family.to_be_bytes()[..], &ip].concat()));
        }
        assert_eq!(decode(link, &[&[7, 0, 0, 0][..], &tcp4()].concat()), Err(Skip::NotIp));
        assert_eq!(decode(link, &[&[2, 0, 0, 1][..], &tcp4()].concat()), Err(Skip::NotIp));
    }
}

#[test]
fn raw_ip_under_each_of_its_numbers() {
    for link in [
        LinkType::RAW,
        LinkType::DLT_RAW,
        LinkType::DLT_RAW_OPENBSD,
        LinkType::IPV4,
        LinkType::IPV6,
    ] {
        assert_hello(&decode(link, &tcp4()));
        let seen = decode(link, &tcp6());
        assert_eq!(assert_hello(&seen).macs(), (String::new(), String::new()));
    }
}

#[test]
fn ppp_in_its_framings() {
    let link = LinkType::PPP;
    for head in [&[0xff, 3, 0, 0x21][..], &[0, 0x21], &[0x21], &[0xff, 3, 0x21]] {
        assert_hello(&decode(link, &[head, &tcp4()].concat()));
        assert_hello(&decode(LinkType::PPP_HDLC, &[head, &tcp4()].concat()));
    }
    assert_hello(&decode(link, &[&[0xff, 3, 0, 0x57][..], &tcp6()].concat()));
    let labelled = [&[2, 0x81, 0, 0, 0x11, 0x40][..], &tcp4()].concat();
    assert_eq!(assert_hello(&decode(link, &labelled)).tunnels(), ["mpls"]);
    assert_hello(&decode(LinkType(204), &[&[1, 0xff, 3, 0, 0x21][..], &tcp4()].concat()));
    assert_hello(&decode(LinkType(166), &[&[1, 3, 0, 0x21][..], &tcp4()].concat()));
    // LCP, and something compressed.
    assert_eq!(decode(link, &[0xff, 3, 0xc0, 0x21, 1, 1, 0, 4]), Err(Skip::NotIp));
    assert_eq!(decode(link, &[0xff, 3, 0, 0xfd, 1, 1, 0, 4]), Err(Skip::NotIp));
}

#[test]
fn pppoe_with_and_without_its_ethernet() {
    let length = u16::try_from(tcp4().len() + 2).unwrap().to_be_bytes();
    let session = [&[0x11, 0, 0, 1][..], &length, &[0, 0x21], &tcp4(), &[0; 6]].concat();
    let seen = ethernet(&eth([0x88, 0x64], &session));
    assert_eq!(assert_hello(&seen).tunnels(), ["pppoe"]);
    assert_eq!(assert_hello(&seen).macs().0, "02:00:00:00:00:01");
    assert_hello(&decode(LinkType::PPP_ETHER, &session));
    // Discovery.
    assert_eq!(ethernet(&eth([0x88, 0x63], &session)), Err(Skip::NotIp));
    assert_eq!(decode(LinkType::PPP_ETHER, &[0x11, 9, 0, 0, 0, 0]), Err(Skip::NotIp));
}

#[test]
fn cisco_hdlc() {
    for address in [0x0f, 0x8f] {
        let bytes = [&[address, 0][..], &IPV4, &tcp4()].concat();
        assert_hello(&decode(LinkType::C_HDLC, &bytes));
        assert_hello(&decode(LinkType::PPP_HDLC, &bytes));
        assert_hello(&decode(LinkType(205), &[&[0][..], &bytes].concat()));
    }
    assert_eq!(decode(LinkType::C_HDLC, &[0x8f, 0, 0x80, 0x35, 0, 0]), Err(Skip::NotIp));
}

#[test]
fn mpls_label_stacks_and_what_is_guessed_below_them() {
    let (label, last) = ([0, 0x12, 0x30, 64], [0, 0x45, 0x61, 64]);
    for stack in [&[][..], &label, &label.repeat(3)] {
        for below in [tcp4(), tcp6(), inner(), [&[0, 0, 0, 7][..], &inner()].concat()] {
            let seen = ethernet(&eth([0x88, 0x47], &[stack, &last, &below].concat()));
            assert_eq!(assert_hello(&seen).tunnels(), ["mpls"]);
            assert_eq!(assert_hello(&seen).domain, Domain(0), "labels differ by direction");
        }
    }
    // Addresses that look like a control word, like IPv4 and like IPv6.
    for first in [0x00, 0x45, 0x60] {
        let mut below = inner();
        below[0] = first;
        assert_hello(&ethernet(&eth([0x88, 0x48], &[&last[..], &below].concat())));
    }
    // A frame with a tag of any kind.
    for kind in [0x8100_u16, 0x88a8, 0x9100, 0x9200, 0x9300] {
        let mut below = inner();
        below.splice(12..12, [kind.to_be_bytes(), [0, 7]].concat());
        for word in [&[][..], &[0, 0, 0, 7]] {
            assert_hello(&ethernet(&eth([0x88, 0x47], &[&last[..], word, &below].concat())));
        }
    }
    let channel = [&last[..], &[0x10, 0, 0, 7], &[0; 60]].concat();
    assert_eq!(ethernet(&eth([0x88, 0x47], &channel)), Err(Skip::NotIp));
    assert_eq!(ethernet(&eth([0x88, 0x47], &label.repeat(40))), Err(Skip::TooDeep));
}

/// An 802.11 data frame: frame control, and the addresses of the first three fields.
fn wlan(control: u8, flags: u8, extra: &[u8]) -> Vec<u8> {
    let addresses = [&[1; 6][..], &[2; 6], &[3; 6]].concat();
    let snap = [0xaa, 0xaa, 3, 0, 0, 0, 8, 0];
    [&[control, flags, 0, 0], &addresses[..], &[0, 0], extra, &snap, &tcp4(), &[9; 4]].concat()
}

#[test]
fn wlan_data_frames() {
    let mac = |byte: u8| super::super::Mac([byte; 6]).to_string();
    for (control, flags, extra, source, target) in [
        (0x08, 0, &[][..], 2, 1),
        (0x08, 1, &[], 2, 3),
        (0x08, 2, &[], 3, 1),
        (0x08, 3, &[4; 6], 4, 3),
        (0x88, 1, &[0, 0], 2, 3),
        (0x88, 0x81, &[0, 0, 0, 0, 0, 0], 2, 3),
    ] {
        let seen = decode(LinkType::IEEE802_11, &wlan(control, flags, extra));
        assert_eq!(assert_hello(&seen).macs(), (mac(source), mac(target)));
    }
    // A beacon, one sent again (its flags look like a data frame's control), no data, encrypted,
    // a fragment, several frames in one.
    for (control, flags, extra) in [
        (0x80, 0, &[][..]),
        (0x80, 8, &[]),
        (0x48, 1, &[]),
        (0x08, 0x41, &[]),
        (0x08, 0x05, &[]),
        (0x88, 1, &[0x80, 0]),
    ] {
        assert_eq!(decode(LinkType::IEEE802_11, &wlan(control, flags, extra)), Err(Skip::NotIp));
    }
}

#[test]
fn eap_over_lan_is_handed_out_with_its_stations() {
    let payload = [2, 0, 0, 4, 3, 7, 0, 4];
    let tagged = [&[0, 42, 0x88, 0x8e], &payload[..]].concat();
    let macs = ("02:00:00:00:00:01".into(), "02:00:00:00:00:02".into());
    for (frame, domain) in [
        (eth([0x88, 0x8e], &payload), Domain(0)),
        (eth([0x88, 0xc7], &payload), Domain(0)),
        (eth([0x81, 0], &tagged), Domain(0).in_vlan(42)),
    ] {
        let seen = ethernet(&frame).unwrap();
        assert_eq!((seen.kind, seen.tunnels()), ("eapol", vec!["eapol"]));
        assert_eq!((seen.payload.as_slice(), seen.domain), (payload.as_slice(), domain));
        assert_eq!(seen.macs(), macs);
    }
    let addresses = [&[1; 6][..], &[2; 6], &[3; 6]].concat();
    let snap = [0xaa, 0xaa, 3, 0, 0, 0, 0x88, 0x8e];
    let air = [&[0x08, 1, 0, 0], &addresses[..], &[0, 0], &snap, &payload].concat();
    let seen = decode(LinkType::IEEE802_11, &air).unwrap();
    assert_eq!((seen.kind, seen.payload.as_slice()), ("eapol", payload.as_slice()));
    assert_eq!(seen.macs(), ("02:02:02:02:02:02".into(), "03:03:03:03:03:03".into()));
}

#[test]
fn radiotap_before_wlan() {
    let link = LinkType::IEEE802_11_RADIOTAP;
    let plain = wlan(0x88, 1, &[0, 0]);
    let padded = wlan(0x88, 1, &[0, 0, 0, 0]);
    for (header, frame) in [
        (&[0, 0, 8, 0, 0, 0, 0, 0][..], &plain),
        // Flags: a check sequence at the end; a padded header; the same behind a time stamp.
        (&[0, 0, 9, 0, 2, 0, 0, 0, 0x10], &plain),
        (&[0, 0, 9, 0, 2, 0, 0, 0, 0x30], &padded),
        (&[0, 0, 17, 0, 3, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0x20], &padded),
        // Two words of bits, so that the time stamp is aligned.
        (
            &[0, 0, 25, 0, 3, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0x20],
            &padded,
        ),
    ] {
        assert_hello(&decode(link, &[header, frame].concat()));
    }
    assert_eq!(decode(link, &[1, 0, 8, 0, 0, 0, 0, 0]), Err(Skip::Malformed(Layer::Link)));
}

#[test]
fn frames_without_ip_and_unknown_links() {
    for kind in [[0x08, 0x06], [0x88, 0xcc], [0x05, 0xdd]] {
        assert_eq!(ethernet(&eth(kind, &[0; 46])), Err(Skip::NotIp));
    }
    assert_eq!(decode(LinkType(147), &inner()), Err(Skip::LinkType));
}
