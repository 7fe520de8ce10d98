//! The types of the packet module.

use std::net::Ipv6Addr;

use crate::packet::{Address, Endpoint, Layers, Mac, RECORDED_LAYERS, SeqNumber, Tunnel};

#[test]
fn sequence_numbers_compare_across_the_wrap() {
    let before = SeqNumber(u32::MAX - 1);
    let after = before.plus(10);
    assert_eq!(after, SeqNumber(8));
    assert_eq!(after.offset_from(before), 10);
    assert_eq!(before.offset_from(after), -10);
}

#[test]
fn addresses_print_as_their_own_version() {
    assert_eq!(Address::v4([10, 0, 0, 5]).to_string(), "10.0.0.5");
    let v6 = Endpoint { address: Address::v6(Ipv6Addr::LOCALHOST.octets()), port: 443 };
    assert_eq!(v6.to_string(), "[::1]:443");
}

#[test]
fn layers_keep_the_outermost_and_drop_what_does_not_fit() {
    let mut layers = Layers::default();
    for id in 1..=6 {
        layers.push_vlan(id);
        layers.push_tunnel(Tunnel::Gre);
    }
    assert_eq!(layers.vlans(), [1, 2, 3, 4]);
    assert_eq!(layers.tunnels().count(), RECORDED_LAYERS);
}

/// The JSON of addresses is what they print, whichever way it is made.
#[test]
fn addresses_serialize_as_they_print() {
    let mut addresses: Vec<Address> =
        (0..=255).map(|octet| Address::v4([octet, 255 - octet, octet / 2, octet])).collect();
    addresses.push(Address::v6(Ipv6Addr::LOCALHOST.octets()));
    addresses.push(Address::v6([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]));
    for address in addresses {
        let json = serde_json::to_string(&address).unwrap();
        assert_eq!(json, format!("\"{}\"", address.to_ip()));
    }
    let mac = Mac([0, 0x1b, 0xc5, 0x9f, 0xff, 0x0a]);
    assert_eq!(serde_json::to_string(&mac).unwrap(), "\"00:1b:c5:9f:ff:0a\"");
    assert_eq!(mac.to_string(), "00:1b:c5:9f:ff:0a");
}
