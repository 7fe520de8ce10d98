//! The types of the packet module.

use std::net::Ipv6Addr;

use crate::packet::{Address, Endpoint, Layers, RECORDED_LAYERS, SeqNumber, Tunnel};

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
