//! Who is one host, and who is not.

use proptest::prelude::*;

use crate::census::sample::{START, Sample, legacy, modern};
use crate::census::{Census, KnownAs, Merger, Snapshot};
use crate::clock::Timestamp;
use crate::limits::Limits;
use crate::naming::{NameSource, Said};
use crate::packet::{Address, Mac};
use crate::record::FlowRecord;
use crate::report::Inventory;
use crate::report::sample::judge;

const fn ip(last: u8) -> Address {
    Address::v4([10, 0, 0, last])
}

const fn mac(last: u8) -> Mac {
    Mac([2, 0, 0, 0, 0, last])
}

fn name(last: u8, name: &str, source: NameSource) -> Said {
    Said::Name { address: ip(last), name: name.into(), source }
}

/// A census of hosts, each with the MAC address of its frames if layer 2 shows one; none of them was
/// there when another one was.
fn census(hosts: &[(u8, Option<Mac>)], said: Vec<Said>) -> Snapshot {
    let census = Census::new(&Limits::default());
    for (host, mac) in hosts {
        let offer = if *host % 2 == 0 { modern() } else { legacy() };
        let sample = Sample::new(*host, 77).offers(&offer).at(u64::from(*host) * 1_000);
        census.add(&sample.with(|record| record.client.mac = *mac).0);
    }
    for said in said {
        census.name_address(said, Timestamp::new(START, 0));
    }
    census.snapshot()
}

/// The addresses of each host, by their last number.
fn hosts(snapshot: &Snapshot) -> Vec<Vec<u8>> {
    let inventory = judge(snapshot, &["dataverse"], &[]);
    let last = |address: &Address| address.octets()[15];
    inventory.clients.iter().map(|client| client.addresses.iter().map(last).collect()).collect()
}

#[test]
fn a_mac_address_proves_a_host_that_changes_its_address() {
    let snapshot = census(&[(7, Some(mac(1))), (5, Some(mac(1))), (6, Some(mac(2)))], Vec::new());
    assert_eq!(hosts(&snapshot), [vec![5, 7], vec![6]]);
    let inventory = judge(&snapshot, &["dataverse"], &[]);
    let host = &inventory.clients[0];
    assert_eq!((host.ip, host.mac, host.connections), (ip(5), Some(mac(1)), 2));
    assert_eq!(inventory.summary.policies[0].client_hosts.seen, 2);
    // A lease proves as much, past any router.
    let leases = [5, 7].map(|last| Said::Lease { address: ip(last), mac: mac(1) });
    assert_eq!(hosts(&census(&[(5, None), (7, None)], leases.to_vec())), [vec![5, 7]]);
}

#[test]
fn a_mac_address_of_two_addresses_at_the_same_time_is_a_routers() {
    let six = |last: u8| Address::v6([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    let seen = |seen: &[(Address, u64)]| {
        let census = Census::new(&Limits::default());
        for (address, at) in seen {
            let sample = Sample::new(1, 77).offers(&modern()).at(at * 1_000);
            let of_router = |record: &mut FlowRecord| {
                (record.client.ip, record.client.mac) = (*address, Some(mac(9)));
            };
            census.add(&sample.with(of_router).0);
        }
        hosts(&census.snapshot())
    };
    // One after the other; with an IPv6 address all the time.
    assert_eq!(seen(&[(ip(1), 0), (ip(1), 8), (ip(2), 9), (ip(2), 20)]), [vec![1, 2]]);
    assert_eq!(seen(&[(ip(1), 0), (six(2), 4), (six(3), 5), (ip(1), 8)]), [vec![1, 2, 3]]);
    // In between each other, or within.
    assert_eq!(seen(&[(ip(1), 0), (ip(2), 4), (ip(1), 8), (ip(2), 9)]), [vec![1], vec![2]]);
    assert_eq!(seen(&[(ip(1), 0), (ip(2), 4), (ip(1), 8)]), [vec![1], vec![2]]);
    assert_eq!(seen(&[(ip(1), 0), (ip(2), 4), (ip(3), 5), (ip(1), 8)]).len(), 3);
    // Its own IPv6 address is not known from those behind it.
    assert_eq!(seen(&[(ip(1), 0), (ip(2), 4), (six(3), 5), (ip(1), 8)]).len(), 3);
}

#[test]
fn a_mac_address_of_more_than_four_addresses_is_a_routers() {
    let four: Vec<_> = (1..=4).map(|host| (host, Some(mac(9)))).collect();
    assert_eq!(hosts(&census(&four, Vec::new())), [vec![1, 2, 3, 4]]);
    let five: Vec<_> = (1..=5).map(|host| (host, Some(mac(9)))).collect();
    let snapshot = census(&five, Vec::new());
    assert_eq!(hosts(&snapshot).len(), 5);
    let inventory = judge(&snapshot, &["dataverse"], &[]);
    assert!(inventory.clients.iter().all(|client| client.mac.is_none()));
}

#[test]
fn a_mac_address_of_no_station_is_nobodys() {
    for nobody in [Mac([0; 6]), Mac([0xff; 6]), Mac([1, 0, 0x5e, 0, 0, 7])] {
        let snapshot = census(&[(5, Some(nobody)), (7, Some(nobody))], Vec::new());
        assert_eq!(hosts(&snapshot), [vec![5], vec![7]], "{nobody}");
        let inventory = judge(&snapshot, &["dataverse"], &[]);
        assert!(inventory.clients.iter().all(|client| client.mac.is_none()), "{nobody}");
    }
}

#[test]
fn an_address_that_went_from_one_host_to_another_joins_none() {
    // 6 belonged to both: what 5 and 7 are is not proven by it.
    let leases = [(5, 1), (6, 1), (6, 2), (7, 2)]
        .map(|(last, owner)| Said::Lease { address: ip(last), mac: mac(owner) });
    let snapshot = census(&[(5, None), (6, None), (7, None)], leases.to_vec());
    assert_eq!(hosts(&snapshot), [vec![5], vec![6], vec![7]]);
}

#[test]
fn a_name_that_a_host_gives_itself_proves_it_and_one_by_dns_does_not() {
    let both = |source| {
        census(&[(5, None), (7, None)], vec![name(5, "erp", source), name(7, "erp", source)])
    };
    for source in NameSource::ALL {
        let one = hosts(&both(*source)).len() == 1;
        assert_eq!(one, *source != NameSource::Dns, "{source:?}");
    }
    // Two that are called alike, and are there at the same time.
    let alike = Census::new(&Limits::default());
    for (host, at) in [(5, 0), (7, 1), (5, 2)] {
        let sample = Sample::new(host, 77).offers(&modern()).at(at);
        alike.add(&sample.with(|record| record.client.mac = None).0);
        alike.name_address(name(host, "iphone", NameSource::Mdns), Timestamp::new(START, 0));
    }
    assert_eq!(hosts(&alike.snapshot()).len(), 2);
    // Two whose MAC addresses tell them apart.
    let named = vec![name(5, "iphone", NameSource::Mdns), name(7, "iphone", NameSource::Mdns)];
    let two = census(&[(5, Some(mac(1))), (7, Some(mac(2)))], named.clone());
    assert_eq!(hosts(&two).len(), 2);
    let one = census(&[(5, Some(mac(1))), (7, None)], named);
    assert_eq!(hosts(&one), [vec![5, 7]]);
    // One name of many.
    let many = (1..=5).map(|last| name(last, "android", NameSource::Dhcp)).collect();
    let all: Vec<_> = (1..=5).map(|last| (last, None)).collect();
    assert_eq!(hosts(&census(&all, many)).len(), 5);
}

#[test]
fn names_that_lead_from_one_mac_address_to_another_prove_nothing() {
    let named = vec![
        name(5, "a", NameSource::Mdns),
        name(6, "a", NameSource::Mdns),
        name(6, "b", NameSource::Mdns),
        name(7, "b", NameSource::Mdns),
    ];
    let snapshot = census(&[(5, Some(mac(1))), (6, None), (7, Some(mac(2)))], named);
    assert_eq!(hosts(&snapshot).len(), 3);
}

#[test]
fn names_that_lead_on_to_more_than_four_addresses_prove_nothing() {
    // Each name is of two addresses only: `n5` of 5 and 6, `n6` of 6 and 7.
    let chain = |links: std::ops::Range<u8>| -> Vec<Said> {
        let two =
            |link| [link, link + 1].map(|last| name(last, &format!("n{link}"), NameSource::Mdns));
        links.flat_map(two).collect()
    };
    let all: Vec<_> = (5..=9).map(|last| (last, None)).collect();
    assert_eq!(hosts(&census(&all, chain(5..8))), [vec![5, 6, 7, 8], vec![9]]);
    assert_eq!(hosts(&census(&all, chain(5..9))).len(), 5);
}

#[test]
fn names_are_shown_with_who_said_them() {
    let said = vec![
        name(5, "erp01", NameSource::Netbios),
        name(5, "erp01", NameSource::Dhcp),
        name(77, "crm.example.com", NameSource::Dns),
        Said::Name {
            address: Address::v4([203, 0, 113, 77]),
            name: "crm.example.com".into(),
            source: NameSource::Dns,
        },
    ];
    let inventory = judge(&census(&[(5, None)], said), &["dataverse"], &[]);
    let client = &inventory.clients[0];
    assert_eq!(client.names, ["erp01"]);
    let by: Vec<_> = client.named_by["erp01"].iter().copied().collect();
    assert_eq!(by, ["dhcp", "netbios"]);
    assert_eq!(inventory.servers[0].names, ["crm.example.com"]);
}

fn json(inventory: &Inventory) -> String {
    let mut out = Vec::new();
    inventory.write_json(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Hosts, MAC addresses and names at random, told in parts: the same hosts in any order.
    #[test]
    fn the_order_in_which_parts_are_merged_makes_no_difference(
        hosts in proptest::collection::vec((1_u8..12, proptest::option::of(1_u8..5)), 1..24),
        names in proptest::collection::vec((1_u8..12, 0_usize..5, "[a-c]"), 0..24),
        leases in proptest::collection::vec((1_u8..12, 1_u8..5), 0..12),
        cuts in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
    ) {
        let hosts: Vec<_> = hosts.iter().map(|(host, owner)| (*host, owner.map(mac))).collect();
        let said: Vec<Said> = names
            .iter()
            .map(|(last, source, text)| name(*last, text, NameSource::ALL[*source]))
            .chain(leases.iter().map(|(last, owner)| Said::Lease { address: ip(*last), mac: mac(*owner) }))
            .collect();
        let (left, right) = hosts.split_at(cuts.0.index(hosts.len() + 1));
        let (first, second) = said.split_at(cuts.1.index(said.len() + 1));
        let merged = |parts: Vec<Snapshot>| {
            let mut merger = Merger::new(&Limits::default());
            for part in parts {
                merger.add(part);
            }
            merger.finish()
        };
        let parts = [census(left, second.to_vec()), census(right, first.to_vec())];
        let whole = json(&judge(&census(&hosts, said.clone()), &["dataverse"], &[]));
        for order in [[0, 1], [1, 0]] {
            let snapshot = merged(order.map(|at: usize| parts[at].clone()).to_vec());
            prop_assert_eq!(&whole, &json(&judge(&snapshot, &["dataverse"], &[])));
        }
        // Joined with itself a source is itself.
        let one = census(&hosts, said);
        let known: &std::collections::BTreeMap<Address, KnownAs> = &one.known;
        prop_assert_eq!(&one.clone().join(one.clone(), &Limits::default()).known, known);
    }
}
